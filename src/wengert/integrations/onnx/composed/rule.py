"""How one row of a table of compositions looks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.graph.graph import Node


def always(node: Node) -> bool:
    """The op has no operator of its own for any type."""
    return True


def in_double(node: Node) -> bool:
    """onnxruntime has this operator in float32 only."""
    return node.dtype == np.float64


@dataclass(frozen=True)
class Composed:
    """An op in terms of others.

    Attributes:
        f: takes the arguments and parameters of the op, in plain NumPy.
        note: how its result may differ from NumPy's; "" for a few units in the last
            place.
        when: the nodes that need it; the others have an operator.
        convert: whether arguments become floats of the result's dtype first.
    """

    f: Callable[..., Any]
    note: str = ""
    when: Callable[[Node], bool] = always
    convert: bool = False
