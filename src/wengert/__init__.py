"""wengert: exact derivatives of ordinary NumPy code.

Reading order: `core` (op, bind), `ops` (one file per family), `graph`, `passes`,
`transforms` (one operator per file), `numpy` (names and argument handling).
"""

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
from wengert.transforms.linearize import linearize
from wengert.transforms.reverse import vjp
from wengert.transforms.stop import stop_gradient

__version__ = "0.1.0"

__all__ = [
    "Graph",
    "GraphFileError",
    "Node",
    "Type",
    "WengertError",
    "check_grads",
    "checkpoint",
    "custom_jvp",
    "custom_vjp",
    "function",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "load",
    "numpy",
    "passes",
    "scope",
    "stop_gradient",
    "symbol",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]
