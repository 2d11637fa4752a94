"""Small questions about nodes that the rewriting passes ask, and how they build."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.op import OPS
from wengert.core.types import Array, Shape, Type
from wengert.graph.graph import CONSTANT, Node, constant

# Asking -------------------------------------------------------------------------------


def value(node: Node) -> Array | None:
    """A constant's value; None for anything else, also for a captured tracer."""
    if node.op is not CONSTANT:
        return None
    x = node.params["value"]
    return None if isinstance(x, Tracer) else x


def number(node: Node) -> Any:
    """The number that every element of a constant is; None if there is no such.

    Also through a broadcast, in which large constants hide.
    """
    if node.op is not CONSTANT:
        if not is_op(node, "broadcast_to"):
            return None
        node = node.inputs[0]
    x = value(node)
    if x is None or type(x) in (float, np.float64):
        return x
    if not np.size(x):
        return None
    if np.ndim(x) == 0:
        return x
    first = x[(0,) * x.ndim]
    # The last element first: most arrays that aren't uniform show it there.
    if x[(-1,) * x.ndim] != first or not bool(np.all(x == first)):
        return None
    # 0.0 == −0.0, but 1/x tells them apart.
    if first == 0 and x.dtype.kind in "fc" and np.signbit(x.real).any():
        return None
    return first


def is_number(node: Node, wanted: float) -> bool:
    """Whether the node is a constant all of whose elements are `wanted`."""
    if node.op is not CONSTANT and node.op.name != "broadcast_to":
        return False
    x = number(node)
    return x is not None and bool(x == wanted)


def is_op(node: Node, *names: str) -> bool:
    """Whether the node is one of these operations, with their own derivatives.

    An operation whose derivative was overridden has the name, and isn't it.
    """
    name = node.op.name
    return name in names and OPS.get(name) is node.op


def argument(node: Node, *names: str) -> Node | None:
    """The first input of one of these operations; None for another one."""
    return node.inputs[0] if is_op(node, *names) else None


def same_type(a: Node, b: Node) -> bool:
    """Whether two nodes have one shape and dtype; a weak scalar counts as its dtype."""
    return bool(a.type.shape == b.type.shape and a.type.dtype == b.type.dtype)


def is_real(node: Node) -> bool:
    """Whether the result is of real floats, the only ones most rules hold for."""
    return isinstance(node.type, Type) and node.type.dtype.kind == "f"


def either(node: Node) -> Iterable[tuple[Node, Node]]:
    """The two inputs of a commutative operation, in both orders."""
    a, b = node.inputs
    return ((a, b), (b, a))


def is_whole(key: Any, shape: Shape) -> bool:
    """Whether a key takes every element in order, so that it only shapes anew."""
    axis = 0
    for e in key:
        if isinstance(e, str):
            return False
        if e is None:
            continue
        n = shape[axis]
        if isinstance(e, slice):
            if range(*e.indices(n)) != range(n):
                return False
        elif n != 1 or e not in (0, -1):
            return False
        axis += 1
    return True


def unreshaped(node: Node) -> Node:
    """What a node shows in another shape, its elements in the same order."""
    while True:
        if is_op(node, "reshape") or (
            is_op(node, "index")
            and len(node.inputs) == 1
            and is_whole(node.params["key"], node.inputs[0].shape)
        ):
            node = node.inputs[0]
        else:
            return node


def reduced(shape: Shape, axis: Iterable[int], keepdims: bool = True) -> Shape:
    """The shape after a reduction over `axis`."""
    gone = set(axis)
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in gone)


# Building -----------------------------------------------------------------------------


def call(name: str, at: Node, *inputs: Node | float, **params: Any) -> Node:
    """`name(*inputs)`, in the scope and from the user's line of the node `at`."""
    nodes = tuple(i if isinstance(i, Node) else constant(i) for i in inputs)
    op = OPS[name]
    type = op.type_of(*(n.type for n in nodes), **params)
    return Node(op, nodes, params, type, at.source, "", at.scope)


def fits(candidate: Node, node: Node) -> Node | None:
    """`candidate` in the type of `node`: itself, broadcast, or None if it can't be.

    A dtype that differs is left alone: casting could change the value.
    """
    if candidate.type.dtype != node.type.dtype:
        return None
    return broadcast(candidate, node.shape, node)


def broadcast(x: Node, shape: Shape, at: Node) -> Node | None:
    """`x` in a larger shape; None if it doesn't broadcast to it."""
    if x.shape == shape:
        return x
    try:
        if np.broadcast_shapes(x.shape, shape) != shape:
            return None
    except ValueError:
        return None
    return call("broadcast_to", at, x, shape=shape)


def reshaped(x: Node, shape: Shape, at: Node) -> Node:
    """`x` in another shape of the same size."""
    return x if x.shape == shape else call("reshape", at, x, shape=shape)


def negated(x: Node, at: Node) -> Node:
    """−x, without a second minus sign."""
    inner = argument(x, "negative")
    if inner is not None and inner.type == x.type:
        return inner
    known = value(x)
    if known is not None and x.dtype.kind in "fc":
        return constant(-known)
    return call("negative", at, x)


def filled(fill: float, like: Node) -> Node:
    """A constant of the type of `like`, every element `fill`."""
    scalar = constant(like.dtype.type(fill))
    if not like.shape:
        return scalar
    return call("broadcast_to", like, scalar, shape=like.shape)
