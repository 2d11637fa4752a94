"""Graph → Graph, the same meaning: one named pass per file, `pipeline` shows them all."""

from wengert.passes.algebra import simplify
from wengert.passes.chains import reassociate
from wengert.passes.common import merge_common
from wengert.passes.fold import fold_constants
from wengert.passes.pipeline import PIPELINE, Step, optimize
from wengert.passes.products import plain_products

__all__ = [
    "PIPELINE",
    "Step",
    "fold_constants",
    "merge_common",
    "optimize",
    "plain_products",
    "reassociate",
    "simplify",
]
