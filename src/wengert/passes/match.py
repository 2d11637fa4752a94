"""Small questions about nodes that the rewriting passes ask."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, Node, constant
from wengert.graph.symbols import as_symbol, node_of


def value(node: Node) -> Array | None:
    """A constant's value; None for anything else, also for a captured tracer."""
    if node.op is not CONSTANT:
        return None
    x = node.params["value"]
    return None if isinstance(x, Tracer) else x


def is_number(node: Node, number: float) -> bool:
    """Whether the node is a constant all of whose elements are `number`."""
    x = value(node)
    if x is None or np.size(x) == 0:
        return False
    return bool(np.all(np.asarray(x) == number))


def is_op(node: Node, *names: str) -> bool:
    """Whether the node is one of these operations."""
    return node.op.name in names


def same_type(a: Node, b: Node) -> bool:
    """Whether two nodes have one shape and dtype; a weak scalar counts as its dtype."""
    return bool(a.type.shape == b.type.shape and a.type.dtype == b.type.dtype)


def fits(candidate: Node, node: Node) -> Node | None:
    """`candidate` in the type of `node`: itself, broadcast, or None if it can't be.

    A dtype that differs is left alone: casting could change the value.
    """
    if candidate.type.dtype != node.type.dtype:
        return None
    if candidate.type.shape == node.type.shape:
        return candidate
    try:
        fitting = np.broadcast_shapes(candidate.shape, node.shape) == node.shape
    except ValueError:
        return None
    if not fitting:
        return None
    return expression(np.broadcast_to(as_symbol(candidate), node.shape))


def filled(number: float, like: Node) -> Node:
    """A constant of the type of `like`, every element `number`."""
    if not like.shape:
        return constant(like.dtype.type(number))
    return expression(
        np.broadcast_to(as_symbol(constant(like.dtype.type(number))), like.shape)
    )


def expression(x: Any) -> Node:
    """The node of an expression written with NumPy on symbols."""
    return node_of(x)


def in_place_of(x: Any, node: Node) -> Node | None:
    """An expression as a replacement, if it has exactly the node's type."""
    new = node_of(x)
    return new if same_type(new, node) else None
