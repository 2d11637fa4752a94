"""wengert: exact derivatives of ordinary NumPy code.

Reading order: `core` (op, bind), `ops` (one file per family), `graph`, `transforms`
(one operator per file), `numpy` (names and argument handling).
"""

from wengert import numpy
from wengert.core.errors import WengertError
from wengert.core.types import Type
from wengert.graph.graph import Graph, Node
from wengert.graph.stage import trace
from wengert.transforms.batch import vmap
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad, value_and_grad
from wengert.transforms.reverse import vjp

__version__ = "0.1.0"

__all__ = [
    "Graph",
    "Node",
    "Type",
    "WengertError",
    "grad",
    "jvp",
    "numpy",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]
