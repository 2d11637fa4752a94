"""wengert: exact derivatives of ordinary NumPy code.

Reading order: `core` (op, bind), `ops` (one file per family), `graph`, `passes`,
`transforms` (one operator per file), `numpy` (names and argument handling).
"""

import importlib
from typing import TYPE_CHECKING, Any

from wengert import numpy, passes
from wengert.core.errors import WengertError
from wengert.core.types import Type
from wengert.graph.graph import Graph, Node
from wengert.graph.serialize import load
from wengert.graph.stage import trace
from wengert.graph.store import GraphFileError
from wengert.graph.symbols import function, scope, symbol
from wengert.testing.check import check_grads
from wengert.transforms.batch import vmap
from wengert.transforms.checkpoint import checkpoint
from wengert.transforms.custom import custom_jvp, custom_vjp
from wengert.transforms.extended import gradients
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad, value_and_grad
from wengert.transforms.hessian import hessian, hvp
from wengert.transforms.jacobian import jacfwd, jacobian, jacrev
from wengert.transforms.jit import debug, jit
from wengert.transforms.linearize import linearize
from wengert.transforms.reverse import vjp
from wengert.transforms.stop import stop_gradient

if TYPE_CHECKING:
    from wengert import native, random
    from wengert.native.threads import get_threads, set_threads
    from wengert.show import Explanation, explain

__version__ = "0.1.0"

__all__ = [
    "Explanation",
    "Graph",
    "GraphFileError",
    "Node",
    "Type",
    "WengertError",
    "check_grads",
    "checkpoint",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "explain",
    "function",
    "get_threads",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "load",
    "native",
    "numpy",
    "passes",
    "random",
    "scope",
    "set_threads",
    "stop_gradient",
    "symbol",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]


def __getattr__(name: str) -> Any:
    # Imported when first used: explaining takes modules that differentiating doesn't.
    if name in ("Explanation", "explain"):
        from wengert import show

        return getattr(show, name)
    if name in ("native", "random"):
        return importlib.import_module(f"wengert.{name}")
    if name in ("get_threads", "set_threads"):
        return getattr(importlib.import_module("wengert.native.threads"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
