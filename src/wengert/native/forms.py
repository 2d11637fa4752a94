"""Loop forms: what one element of each op's result is, in terms of its operands'.

An elementwise op reads its operands at the same index; a layout op reads one operand
at another index; a piecewise op reads the operand that covers the index; a fold
combines the elements along some axes. Ops without a form are library or host calls.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from wengert.core.types import Array, Type
from wengert.graph.graph import CONSTANT, Node
from wengert.native.index import (
    At,
    Index,
    Looked,
    add,
    divide,
    flat,
    scale,
    unflat,
    within,
)
from wengert.ops.index import advanced_place

Place = tuple[At, ...]
Read = tuple[Node, Place]

UNROLL = 16  # elements: folds up to here are written out


# Elementwise ----------------------------------------------------------------------


def at_operand(x: Node, at: Place, shape: tuple[int, ...]) -> Place:
    """Where an operand that broadcasts to `shape` is read."""
    mine = x.type.shape
    if mine == shape:
        return at
    extra = len(shape) - len(mine)
    return tuple(0 if n == 1 else a for a, n in zip(at[extra:], mine, strict=True))


# Layout: one operand, at another index --------------------------------------------


def _reshape(node: Node, at: Place) -> Read:
    (x,) = node.inputs
    mine, theirs = node.shape, x.shape
    ours = [(n, a) for n, a in zip(mine, at, strict=True) if n != 1]
    if [n for n, _ in ours] == [n for n in theirs if n != 1]:  # axes of length 1 only
        rest = iter(ours)
        return x, tuple(0 if n == 1 else next(rest)[1] for n in theirs)
    return x, unflat(flat(at, mine), theirs)


def _transpose(node: Node, at: Place) -> Read:
    there: list[At] = [0] * len(at)
    for a, axis in zip(at, node.params["axes"], strict=True):
        there[axis] = a
    return node.inputs[0], tuple(there)


def _broadcast(node: Node, at: Place) -> Read:
    x = node.inputs[0]
    return x, at_operand(x, at, node.shape)


def _flip(node: Node, at: Place) -> Read:
    axes = node.params["axis"]
    return node.inputs[0], tuple(
        add(scale(a, -1), n - 1) if i in axes else a
        for i, (a, n) in enumerate(zip(at, node.shape, strict=True))
    )


def _roll(node: Node, at: Place) -> Read:
    there = list(at)
    shifts, axes = node.params["shift"], node.params["axis"]
    for shift, axis in zip(shifts, axes, strict=True):
        n = node.shape[axis]
        if n > 1:
            there[axis] = divide(add(there[axis], -shift % n), n)[1]
    return node.inputs[0], tuple(there)


def _same(node: Node, at: Place) -> Read:
    return node.inputs[0], at


def _diagonal(node: Node, at: Place) -> Read:
    offset, axes = node.params["offset"], node.params["axes"]
    rest = iter(at[:-1])
    i = add(at[-1], max(-offset, 0))
    j = add(at[-1], max(offset, 0))
    shape = node.inputs[0].shape
    return node.inputs[0], tuple(
        i if k == axes[0] else j if k == axes[1] else next(rest)
        for k in range(len(shape))
    )


@functools.lru_cache(64)  # few: it keeps the nodes
def progression(node: Node) -> tuple[int, tuple[int, ...]] | None:
    """start and steps of a constant that is start + Σ step·index, such as arange."""
    value = np.asarray(node.params["value"])
    if value.dtype.kind not in "iu" or not value.size or abs(value.max()) >= 2**62:
        return None
    start = int(value.flat[0])
    steps = []
    made: Array = np.int64(start)
    for axis, n in enumerate(value.shape):
        edge = [0] * value.ndim
        edge[axis] = 1 if n > 1 else 0
        step = int(value[tuple(edge)]) - start
        steps.append(step)
        line = np.arange(n, dtype=np.int64).reshape(
            *(n if k == axis else 1 for k in range(value.ndim))
        )
        made = made + step * line
    return (start, tuple(steps)) if np.array_equal(made, value) else None


def looked(array: Node, at: Place, size: int) -> At:
    """The element of an index array, as an index: known, linear, or read."""
    if array.op is CONSTANT:
        if all(isinstance(a, int) for a in at):
            value = int(np.asarray(array.params["value"])[at])
            return value + size if value < 0 else value
        found = progression(array)
        if found is not None:
            start, steps = found
            low = start + sum(
                s * (n - 1) for s, n in zip(steps, array.shape, strict=True) if s < 0
            )
            if low >= 0:
                place: At = start
                for a, step in zip(at, steps, strict=True):
                    place = add(place, scale(a, step))
                return place
    return Index(0, ((Looked(array.number, at, size), 1),))


def indexed(
    key: tuple[Any, ...],
    arrays: tuple[Node, ...],
    shape: tuple[int, ...],
    at: Place,
) -> Place:
    """The element of x, of `shape`, that x[key] has at `at`."""
    together: tuple[int, ...] = ()
    inner: Place = ()
    rest = list(at)
    if arrays:
        together = np.broadcast_shapes(*(a.shape for a in arrays))
        place = advanced_place(key)
        inner = at[place : place + len(together)]
        del rest[place : place + len(together)]
    others, index_arrays = iter(rest), iter(arrays)
    there: list[At] = []
    for e in key:
        if e is None:
            next(others)
            continue
        n = shape[len(there)]
        if isinstance(e, slice):
            start, _, step = e.indices(n)
            there.append(add(scale(next(others), step), start))
        elif isinstance(e, int):
            there.append(e + n if e < 0 else e)
        else:
            array = next(index_arrays)
            there.append(looked(array, at_operand(array, inner, together), n))
    there.extend(others)  # axes that the key doesn't name
    return tuple(there)


def _index(node: Node, at: Place) -> Read:
    x, *arrays = node.inputs
    return x, indexed(node.params["key"], tuple(arrays), x.shape, at)


LAYOUT: dict[str, Callable[[Node, Place], Read]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "flip": _flip,
    "roll": _roll,
    "index": _index,
    "diagonal": _diagonal,
    "stop_gradient": _same,
    "python_number": _same,  # of jit: a number that Python computes with
    "positive": _same,
    "conjugate": _same,  # of real values, as all values here are
    "real": _same,
    "imag": _same,  # of complex values, see `layout`
    "pair": _same,
}


# Complex values in memory: real and imaginary parts side by side ------------------
# The place of a part has one more index at its end: 0 or 1.


def layout(node: Node, at: Place) -> Read:
    """What a layout op reads for its element at `at`."""
    name = node.op.name
    if node.dtype.kind == "c":
        if name == "pair":
            return node.inputs[1 if at[-1] else 0], at[:-1]
        x, there = LAYOUT[name](node, at[:-1])
        return x, (*there, at[-1])
    x, there = LAYOUT[name](node, at)
    if x.dtype.kind == "c":
        return x, (*there, 1 if name == "imag" else 0)
    return x, there


def stored(node: Node, at: Place) -> list[Read]:
    """The numbers that an element in memory consists of."""
    if node.dtype.kind != "c":
        return [(node, at)]
    return [(node, (*at, 0)), (node, (*at, 1))]


def part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a complex dtype's parts; a real dtype itself."""
    return _PARTS.get(dtype.itemsize, dtype) if dtype.kind == "c" else dtype


def moves_parts(node: Node) -> bool:
    """Whether a node with complex values only reads, joins or moves their parts."""
    if node.op.name not in LAYOUT or node.op.name == "conjugate":
        return False
    types = (node.type, *(i.type for i in node.inputs))
    return all(bool(element_of(Type((), part_of(t.dtype)))) for t in types)


# Piecewise: the operand that covers the index -------------------------------------


class Test(NamedTuple):
    """low ≤ at < high, and at in steps of `step` from low."""

    at: At
    low: int
    high: int
    step: int = 1


class Piece(NamedTuple):
    """Where all `tests` hold, what is read; None reads zero."""

    tests: tuple[Test, ...]
    read: Read | None


def _concatenate(node: Node, at: Place) -> list[Piece]:
    axis = node.params["axis"]
    start = 0
    pieces = []
    for x in node.inputs:
        n = x.shape[axis]
        there = (*at[:axis], add(at[axis], -start), *at[axis + 1 :])
        if n:
            pieces.append(Piece((Test(at[axis], start, start + n),), (x, there)))
        start += n
    return pieces


def _stack(node: Node, at: Place) -> list[Piece]:
    axis = node.params["axis"]
    there = (*at[:axis], *at[axis + 1 :])
    return [
        Piece((Test(at[axis], i, i + 1),), (x, there))
        for i, x in enumerate(node.inputs)
    ]


def _embed(node: Node, at: Place) -> list[Piece]:
    offset, (row, column) = node.params["offset"], node.params["axes"]
    (d,) = node.inputs
    rest = tuple(a for k, a in enumerate(at) if k not in (row, column))
    place = add(at[row], -max(-offset, 0))
    apart = add(at[column], scale(at[row], -1))
    tests = (Test(apart, offset, offset + 1), Test(place, 0, d.shape[-1]))
    return [Piece(tests, (d, (*rest, place))), Piece((), None)]


def _written(node: Node, at: Place) -> tuple[tuple[Test, ...], Place]:
    """Whether x[key] covers `at`, and where in the written value that is."""
    shape = node.shape
    tests: list[Test] = []
    there: list[At] = []
    axis = 0
    for e in node.params["key"]:
        if e is None:
            there.append(0)
            continue
        n, a = shape[axis], at[axis]
        axis += 1
        if isinstance(e, int):
            low = e + n if e < 0 else e
            tests.append(Test(a, low, low + 1))
            continue
        places = range(*e.indices(n))
        if places.step < 0:
            places = places[::-1]
        low = places.start
        if len(places) < n:
            tests.append(Test(a, low, low + len(places) * places.step, places.step))
        inner = (
            add(a, -low) if places.step == 1 else divide(add(a, -low), places.step)[0]
        )
        if e.step is not None and e.step < 0:
            inner = add(scale(inner, -1), len(places) - 1)
        there.append(inner)
    there.extend(at[axis:])
    return tuple(tests), tuple(there)


def place_shape(node: Node) -> tuple[int, ...]:
    """The shape of x[key] in a write without index arrays."""
    dims: list[int] = []
    axis = 0
    for e in node.params["key"]:
        if e is None:
            dims.append(1)
            continue
        if isinstance(e, slice):
            dims.append(len(range(*e.indices(node.shape[axis]))))
        axis += 1
    return (*dims, *node.shape[axis:])


def _index_set(node: Node, at: Place) -> list[Piece]:
    x, v = node.inputs
    tests, there = _written(node, at)
    read = (v, at_operand(v, there, place_shape(node)))
    return [Piece(tests, read), Piece((), (x, at))]


PIECEWISE: dict[str, Callable[[Node, Place], list[Piece]]] = {
    "concatenate": _concatenate,
    "stack": _stack,
    "diagonal_embed": _embed,
    "index_set": _index_set,
    "index_add": _index_set,  # whose pieces are added
}


def decided(pieces: list[Piece]) -> list[Piece]:
    """The pieces that can apply: tests that always hold dropped, up to a sure one."""
    found = []
    for tests, read in pieces:
        open_tests = []
        for t in tests:
            inside = t.low < t.high and within(t.at, t.low, t.high)
            if inside is not False and t.step > 1:
                rest = divide(add(t.at, -t.low), t.step)[1]
                if not isinstance(rest, int):
                    inside = None
                elif rest:
                    inside = False
                else:
                    t = t._replace(step=1)  # always on a step
            if inside is False:
                break
            if inside is None:
                open_tests.append(t)
        else:
            found.append(Piece(tuple(open_tests), read))
            if not open_tests:
                break
    return found


# Folds: elements combined along some axes -----------------------------------------


class Fold(NamedTuple):
    """Σ, Π, max … over `extents`; what is folded is the product of the reads.

    `reads(at, along)` gives them, for an element of the result and a place along the
    folded axes. `order` says which axes of the whole domain (result's, then folded)
    stand outermost, so that loops run through memory in order.
    """

    combine: str
    extents: tuple[int, ...]
    reads: Callable[[Place, Place], list[Read]]
    order: tuple[int, ...]


COMBINE = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "all": "logical_and",
    "any": "logical_or",
}


def fold_of(node: Node) -> Fold | None:
    """The fold that a node is, or None."""
    if node.op.name in COMBINE:
        return _reduction(node)
    if node.op.name == "matmul":
        return _contraction(node, _matmul_letters(node))
    if node.op.name == "einsum":
        inputs, out = node.params["subscripts"].split("->")
        return _contraction(node, (inputs.split(","), out))
    if node.op.name == "convolve" and node.params["mode"] == "valid":
        return _valid(node)
    return None


def _reduction(node: Node) -> Fold:
    (x,) = node.inputs
    axes = node.params["axis"]
    shape = x.shape
    keepdims = node.params["keepdims"]
    kept = [k for k in range(len(shape)) if k not in axes]

    def reads(at: Place, along: Place) -> list[Read]:
        there: list[At] = [0] * len(shape)
        ours = [at[k] for k in kept] if keepdims else at
        for k, a in zip(kept, ours, strict=True):
            there[k] = a
        for k, a in zip(axes, along, strict=True):
            there[k] = a
        return [(x, tuple(there))]

    where = {k: (k if keepdims else i) for i, k in enumerate(kept)}
    count = len(node.shape)
    where |= {k: count + i for i, k in enumerate(axes)}
    order = [where[k] for k in range(len(shape))]
    ones = [i for i in range(count) if i not in order]
    extents = tuple(shape[k] for k in axes)
    return Fold(COMBINE[node.op.name], extents, reads, (*ones, *order))


Letters = tuple[list[str], str]


def _matmul_letters(node: Node) -> Letters:
    a, b = node.inputs
    rank = max(len(a.shape), len(b.shape)) - 2
    batch = "abcdefghijklmnopqrstuvw"[: max(rank, 0)]
    left = "z" if len(a.shape) == 1 else batch[rank - len(a.shape) + 2 :] + "xz"
    right = "z" if len(b.shape) == 1 else batch[rank - len(b.shape) + 2 :] + "zy"
    shared = "".join(c for c in batch if c in left or c in right)
    out = shared + ("x" if "x" in left else "") + ("y" if "y" in right else "")
    return [left, right], out


def _contraction(node: Node, letters: Letters) -> Fold:
    inputs, out = letters
    sizes: dict[str, int] = {}
    for text, x in zip(inputs, node.inputs, strict=True):
        for c, n in zip(text, x.shape, strict=True):
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    summed = sorted(set(sizes) - set(out))

    def reads(at: Place, along: Place) -> list[Read]:
        where = dict(zip(out, at, strict=True)) | dict(zip(summed, along, strict=True))
        return [
            (x, tuple(
                0 if n == 1 else where[c] for c, n in zip(text, x.shape, strict=True)
            ))
            for text, x in zip(inputs, node.inputs, strict=True)
        ]  # fmt: skip

    order = tuple(range(len(out) + len(summed)))
    return Fold("add", tuple(sizes[c] for c in summed), reads, order)


def _valid(node: Node) -> Fold:
    a, v = node.inputs
    m = v.shape[-1]

    def reads(at: Place, along: Place) -> list[Read]:
        (j,) = along
        place = add(add(at[-1], scale(j, -1)), m - 1)
        return [
            (a, (*at_operand_batch(a, at), place)),
            (v, (*at_operand_batch(v, at), j)),
        ]

    return Fold("add", (m,), reads, tuple(range(len(node.shape) + 1)))


def at_operand_batch(x: Node, at: Place) -> Place:
    """The batch axes' index of an operand whose last axis is a convolution's."""
    mine = x.shape[:-1]
    outer = at[len(at) - 1 - len(mine) : len(at) - 1]
    return tuple(0 if n == 1 else a for a, n in zip(outer, mine, strict=True))


def places(extents: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All places of a small box, in order."""
    return itertools.product(*map(range, extents))


def is_small(fold: Fold) -> bool:
    """Whether a fold is written out where it's used instead of being a loop."""
    return math.prod(fold.extents) <= UNROLL


def element_of(type: Type) -> str:
    """The element type in registers, "" for what native code doesn't hold."""
    return _ELEMENTS.get((type.dtype.kind, type.dtype.itemsize), "")


_PARTS: dict[int, np.dtype[Any]] = {
    8: np.dtype(np.float32),
    16: np.dtype(np.float64),
}
_ELEMENTS = {
    ("f", 8): "double",
    ("f", 4): "float",
    ("b", 1): "i1",
    **{(kind, size): f"i{8 * size}" for kind in "iu" for size in (1, 2, 4, 8)},
}
