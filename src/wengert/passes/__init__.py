"""Graph → Graph, the same meaning: one named pass per file, `pipeline` shows them all.

Reading order: `rewrite` (the engine), `match` (questions about nodes), `fold`,
`common`, `algebra` with `layout` and `selection`, `stabilize` with `logarithms`,
`products`, `chains`, `sums`, `pipeline`, `explain`; `rematerialize` stands beside the
pipeline.
"""

from wengert.passes.algebra import simplify
from wengert.passes.chains import reassociate
from wengert.passes.common import merge_common
from wengert.passes.explain import Step
from wengert.passes.fold import fold_constants
from wengert.passes.pipeline import PIPELINE, RULES, optimize
from wengert.passes.products import plain_products
from wengert.passes.rematerialize import kept, kept_bytes, rematerialize
from wengert.passes.stabilize import stabilize
from wengert.passes.sums import sum_first

__all__ = [
    "PIPELINE",
    "RULES",
    "Step",
    "fold_constants",
    "kept",
    "kept_bytes",
    "merge_common",
    "optimize",
    "plain_products",
    "reassociate",
    "rematerialize",
    "simplify",
    "stabilize",
    "sum_first",
]
