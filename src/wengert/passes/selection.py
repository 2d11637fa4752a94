"""Simplification of reading, writing, joining and choosing.

Only keys without index arrays: an index array may be out of bounds, and dropping it
would drop the IndexError.
"""

from typing import Any

import numpy as np

from wengert.graph.graph import Node
from wengert.passes.match import (
    argument,
    broadcast,
    call,
    either,
    filled,
    fits,
    is_number,
    is_op,
    is_whole,
    number,
    reshaped,
    value,
)
from wengert.passes.rewrite import Rules, Uses, among

# Looking for a piece among more of them would not be linear in the graph.
_PIECES = 64


# Reading ------------------------------------------------------------------------------


def index_of_all(n: Node, uses: Uses) -> Node | None:
    """x[:, None] → reshape(x)"""
    x = n.inputs[0]
    if len(n.inputs) > 1 or not is_whole(n.params["key"], x.shape):
        return None
    return reshaped(x, n.shape, n)


@among("constant", "broadcast_to")
def index_of_number(n: Node, uses: Uses) -> Node | None:
    """a part of an array of equal numbers → these numbers"""
    k = number(n.inputs[0])
    return filled(k, n) if k is not None and len(n.inputs) == 1 else None


@among("index")
def index_of_index(n: Node, uses: Uses) -> Node | None:
    """x[a:b][c:d] → x[a+c : a+d]"""
    x = n.inputs[0]
    if not is_op(x, "index") or len(n.inputs) > 1 or len(x.inputs) > 1:
        return None
    source, inner, outer = x.inputs[0], list(x.params["key"]), list(n.params["key"])
    if not all(isinstance(e, slice | int) for e in (*inner, *outer)):
        return None
    key: list[Any] = []
    for axis, e in enumerate(inner):
        if isinstance(e, int):
            key.append(e)
            continue
        taken = range(*e.indices(source.shape[axis]))
        then = outer.pop(0) if outer else slice(None)
        if isinstance(then, int):
            key.append(taken[then])
            continue
        part = taken[then]
        if part.step < 0 or not part:
            return None
        key.append(slice(part.start, part.stop, part.step))
    return call("index", n, source, key=(*key, *outer))


@among("index_set", "index_add")
def index_of_write(n: Node, uses: Uses) -> Node | None:
    """(x with x[key] = v)[key] → v;  (x with x[key] += v)[key] → x[key] + v"""
    written = n.inputs[0]
    if not _same_place(n, written) or not uses.once(written):
        return None
    x, v = written.inputs
    if is_op(written, "index_set"):
        return fits(v, n)
    before = filled(0.0, n) if is_number(x, 0.0) else None
    if before is not None:
        return fits(v, n)
    return call("add", n, call("index", n, x, key=n.params["key"]), v)


def _same_place(a: Node, b: Node) -> bool:
    """Whether b writes where a reads, by a key without arrays."""
    return (
        is_op(b, "index_set", "index_add")
        and len(a.inputs) == 1
        and len(b.inputs) == 2
        and bool(a.params["key"] == b.params["key"])
    )


@among("concatenate")
def index_of_concatenate(n: Node, uses: Uses) -> Node | None:
    """concatenate(a, b)[a part of b] → b[the part]"""
    x, key = n.inputs[0], n.params["key"]
    if not is_op(x, "concatenate") or len(n.inputs) > 1 or len(x.inputs) > _PIECES:
        return None
    axis = x.params["axis"]
    if len(key) <= axis or not all(isinstance(e, slice | int) for e in key):
        return None
    e, length = key[axis], x.shape[axis]
    taken = range(length)[e : e + 1 or None] if isinstance(e, int) else range(length)[e]
    if not taken or taken.step < 0:
        return None
    start = 0
    for piece in x.inputs:
        stop = start + piece.shape[axis]
        if start <= taken[0] and taken[-1] < stop:
            break
        start = stop
    else:
        return None
    first: Any = taken[0] - start
    if isinstance(e, slice):
        first = slice(first, taken[-1] - start + 1, taken.step)
    moved = (*key[:axis], first, *key[axis + 1 :])
    if is_whole(moved, piece.shape):
        return reshaped(piece, n.shape, n)
    return call("index", n, piece, key=moved)


@among("stack")
def index_of_stack(n: Node, uses: Uses) -> Node | None:
    """stack(a, b)[1] → b"""
    x, key = n.inputs[0], n.params["key"]
    if not is_op(x, "stack") or len(n.inputs) > 1 or len(key) <= x.params["axis"]:
        return None
    axis = x.params["axis"]
    if not all(isinstance(e, slice | int) for e in key) or isinstance(key[axis], slice):
        return None
    piece = x.inputs[key[axis]]
    rest = (*key[:axis], *key[axis + 1 :])
    if is_whole(rest, piece.shape):
        return reshaped(piece, n.shape, n)
    return call("index", n, piece, key=rest)


# Joining ------------------------------------------------------------------------------


@among("index")
def concatenate_of_slices(n: Node, uses: Uses) -> Node | None:
    """concatenate(x[:k], x[k:]) → x"""
    axis = n.params["axis"]
    source = argument(n.inputs[0], "index")
    if source is None or source.type != n.type:
        return None
    at = 0
    for piece in n.inputs:
        if argument(piece, "index") is not source or len(piece.inputs) > 1:
            return None
        key = piece.params["key"]
        stop = at + piece.shape[axis]
        whole = (*key[:axis], slice(None), *key[axis + 1 :])
        if len(key) <= axis or not isinstance(key[axis], slice):
            return None
        if range(*key[axis].indices(source.shape[axis])) != range(at, stop):
            return None
        if None in key or not is_whole(whole, source.shape):
            return None
        at = stop
    return source if at == source.shape[axis] else None


# Writing ------------------------------------------------------------------------------


def write_of_all(n: Node, uses: Uses) -> Node | None:
    """zeros with [:, None] += v → reshape(v);  x with [:] = v → v"""
    if len(n.inputs) > 2 or not is_whole(n.params["key"], n.shape):
        return None
    x, v = n.inputs
    if is_op(n, "index_add") and not is_number(x, 0.0):
        return None
    place = _place_shape(n)
    spread = broadcast(v, place, n)
    return reshaped(spread, n.shape, n) if spread is not None else None


def _place_shape(n: Node) -> tuple[int, ...]:
    """The shape of the place that a key without arrays writes to."""
    x = n.inputs[0]
    shape = np.broadcast_to(np.empty((), bool), x.shape)[n.params["key"]].shape
    return tuple(shape)


@among("constant", "broadcast_to")
def write_of_zero(n: Node, uses: Uses) -> Node | None:
    """x with x[key] += 0 → x"""
    x, v = n.inputs[:2]
    return x if len(n.inputs) == 2 and is_number(v, 0.0) else None


@among("index")
def write_of_itself(n: Node, uses: Uses) -> Node | None:
    """x with x[key] = x[key] → x"""
    x, v = n.inputs[:2]
    if len(n.inputs) > 2 or not is_op(v, "index") or len(v.inputs) > 1:
        return None
    same = v.inputs[0] is x and v.params["key"] == n.params["key"]
    return x if same else None


@among("index_add")
def sum_of_scatter(n: Node, uses: Uses) -> Node | None:
    """sum of all of (zeros with [key] += v) → sum of v as often as it is written"""
    (x,) = n.inputs
    if not is_op(x, "index_add") or n.shape or len(n.params["axis"]) != len(x.shape):
        return None
    zeros, v = x.inputs[:2]
    if len(x.inputs) > 2 or not is_number(zeros, 0.0) or v.dtype != n.dtype:
        return None
    if v.shape != _place_shape(x):
        return None
    return call("sum", n, v, axis=tuple(range(len(v.shape))), keepdims=False)


# Choosing -----------------------------------------------------------------------------


def where_of_number(n: Node, uses: Uses) -> Node | None:
    """where(constant condition, a, b) → a or b; where(c, a, a) → a"""
    condition, a, b = n.inputs
    if a is b:
        return fits(a, n)
    x = value(condition)
    if x is None or not np.size(x):
        return None
    if np.all(x):
        return fits(a, n)
    return None if np.any(x) else fits(b, n)


@among("where")
def where_of_where(n: Node, uses: Uses) -> Node | None:
    """where(c, where(c, a, b), d) → where(c, a, d), and so for d"""
    condition, a, b = n.inputs
    for i, x in enumerate((a, b)):
        if is_op(x, "where") and x.inputs[0] is condition:
            chosen = [a, b]
            chosen[i] = x.inputs[1 + i]
            return call("where", n, condition, *chosen)
    return None


@among("logical_not", "invert")
def where_of_not(n: Node, uses: Uses) -> Node | None:
    """where(not c, a, b) → where(c, b, a)"""
    condition, a, b = n.inputs
    c = argument(condition, "logical_not", "invert")
    return call("where", n, c, b, a) if c is not None and c.dtype == bool else None


@among("where")
def sum_of_two_choices(n: Node, uses: Uses) -> Node | None:
    """where(c, a, 0) + where(c, 0, b) → where(c, a, b)"""
    for one, other in either(n):
        if not is_op(one, "where") or not is_op(other, "where"):
            continue
        c, a, zero = one.inputs
        d, nought, b = other.inputs
        if c is d and is_number(zero, 0.0) and is_number(nought, 0.0):
            return call("where", n, c, a, b)
    return None


RULES: Rules = {
    "index": (
        index_of_all, index_of_number, index_of_index, index_of_write,
        index_of_concatenate, index_of_stack,
    ),
    "concatenate": (concatenate_of_slices,),
    "index_add": (write_of_all, write_of_zero),
    "index_set": (write_of_all, write_of_itself),
    "sum": (sum_of_scatter,),
    "where": (where_of_number, where_of_where, where_of_not),
    "add": (sum_of_two_choices,),
}  # fmt: skip
