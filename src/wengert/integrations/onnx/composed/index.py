"""Reading and writing by index arrays, diagonals, roll and stack."""

import math
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array, Shape
from wengert.graph.graph import Node
from wengert.integrations.onnx.composed.rule import Composed
from wengert.integrations.onnx.primitives import (
    GATHER,
    GATHER_ND,
    PAD,
    SCATTER_ND,
    apply,
)
from wengert.ops.cumulative import along
from wengert.ops.index import ARRAY, INDEX, INDEX_SET, Key, advanced_place, result_shape
from wengert.ops.layout import TRANSPOSE

_FULL = slice(None)


def _arrays(key: Key, arrays: tuple[Array, ...]) -> dict[int, Array]:
    """The index of each axis that has one: an array, or an int."""
    rest, found, axis = iter(arrays), {}, 0
    for e in key:
        if e is None:
            continue
        if isinstance(e, str):
            found[axis] = next(rest).astype(np.int64)
        elif not isinstance(e, slice):
            found[axis] = np.asarray(e, np.int64)
        axis += 1
    return found


def _slices(shape: Shape, key: Key) -> dict[int, range]:
    """The places of each axis that has a slice."""
    axes = [e for e in key if e is not None]
    return {
        i: range(*e.indices(n))
        for i, (e, n) in enumerate(zip(axes, shape, strict=True))
        if isinstance(e, slice)
    }


def _is_full(places: range, n: int) -> bool:
    return places == range(n)


def _stacked(arrays: list[Array], shape: Shape) -> Array:
    """Points: one more axis with a coordinate from each array."""
    wide = [np.broadcast_to(a, shape) for a in arrays]
    return np.stack(wide, axis=-1)


def _transposed(x: Array, axes: tuple[int, ...]) -> Array:
    return x if axes == tuple(range(x.ndim)) else bind(TRANSPOSE, x, axes=axes)


# x[key] -------------------------------------------------------------------------------


def _has_arrays(node: Node) -> bool:
    return len(node.inputs) > 1


def _index(x: Array, *arrays: Array, key: Key) -> Array:
    shape = result_shape(x.shape, key, [a.shape for a in arrays])
    if not arrays:
        return bind(INDEX, x, key=key)
    at, slices = _arrays(key, arrays), _slices(x.shape, key)
    if not all(_is_full(r, x.shape[i]) for i, r in slices.items()):
        axes = [e for e in key if e is not None]
        cut = tuple(axes[i] if i in slices else _FULL for i in range(x.ndim))
        x = bind(INDEX, x, key=cut)
    if len(at) == 1:
        ((axis, places),) = at.items()
        return apply(GATHER, x, places, axis=axis).reshape(shape)
    together = np.broadcast_shapes(*(a.shape for a in at.values()))
    points = _stacked([*at.values()], together)
    y = apply(GATHER_ND, _transposed(x, (*at, *slices)), points)
    # The points' axes stand in front; NumPy may want them behind some slices.
    before = sum(isinstance(e, slice) for e in key[: advanced_place(key)])
    n = len(together)
    order = (*range(n, n + before), *range(n), *range(n + before, y.ndim))
    return _transposed(y, order).reshape(shape)


# Writing ------------------------------------------------------------------------------


def _by_axis(
    x: Array, v: Array, key: Key, arrays: tuple[Array, ...]
) -> tuple[Array, int, list[int]]:
    """v over the whole place without new axes, its number of array axes, slice axes.

    The array axes come first, then the slices in the order of x's axes.
    """
    shapes = [a.shape for a in arrays]
    place = result_shape(x.shape, key, shapes)
    v = np.broadcast_to(v.astype(x.dtype), place)
    slices = list(_slices(x.shape, key))
    labels: list[int] = []  # of v's axes: −1 for a new one, else of x; −2 for arrays
    axis = 0
    for e in key:
        if e is None:
            labels.append(-1)
            continue
        if isinstance(e, slice):
            labels.append(axis)
        axis += 1
    n = len(place) - len(labels)
    if arrays:
        at = advanced_place(key)
        labels[at:at] = [-2] * n
    kept = [i for i, label in enumerate(labels) if label != -1]
    v = v.reshape(tuple(place[i] for i in kept))
    labels = [labels[i] for i in kept]
    order = (
        *(i for i, label in enumerate(labels) if label == -2),
        *(i for i, label in enumerate(labels) if label != -2),
    )
    return _transposed(v, order), n, slices


def _write(x: Array, v: Array, arrays: tuple[Array, ...], key: Key, add: bool) -> Array:
    at, slices = _arrays(key, arrays), _slices(x.shape, key)
    v, n, _ = _by_axis(x, v, key, arrays)
    if 0 in v.shape:
        return x
    cut = [i for i, r in slices.items() if not _is_full(r, x.shape[i])]
    free = [i for i in slices if i not in cut]
    if not at and not cut:
        return x + v if add else v
    points_shape = (*v.shape[:n], *(len(slices[i]) for i in cut))
    coordinates: dict[int, Array] = {}
    for i, a in at.items():
        coordinates[i] = a.reshape((*a.shape, *(1,) * len(cut)))
    for j, i in enumerate(cut):
        coordinates[i] = np.array(slices[i]).reshape(-1, *(1,) * (len(cut) - j - 1))
    axes = sorted(coordinates)
    points = _stacked([coordinates[i] for i in axes], points_shape)
    of_slices = [n + list(slices).index(i) for i in (*cut, *free)]
    v = _transposed(v, (*range(n), *of_slices))
    order = (*axes, *free)
    base = _transposed(x, order)
    y = _scattered(base, points, v, len(points_shape), add, bool(arrays))
    back = tuple(order.index(i) for i in range(len(order)))
    return _transposed(y, back)


def _scattered(
    x: Array, points: Array, v: Array, n: int, add: bool, several: bool
) -> Array:
    """`v` put at `points`; of several values for one point the last stays, as in NumPy.

    ONNX leaves it open which one would.
    """
    if add:
        return apply(SCATTER_ND, x, points, v, reduction="add")
    k, count = points.shape[-1], math.prod(points.shape[:-1])
    if several:
        flat = points.reshape(count, k)
        v = v.reshape(count, *v.shape[n:])
        order = np.arange(count)
        grid = np.zeros(x.shape[:k], np.int64)
        if isinstance(points, np.ndarray):
            inside = _inside(flat, x.shape)
            np.put(grid, np.ravel_multi_index(inside, grid.shape), order)
            winners = np.unique(grid[tuple(flat.T)])
            points = flat[winners]
            v = apply(GATHER, v, winners, axis=0) if len(winners) < count else v
        else:
            last = apply(SCATTER_ND, grid, flat, order, reduction="max")
            v = apply(GATHER, v, apply(GATHER_ND, last, flat), axis=0)
            points = flat
    return apply(SCATTER_ND, x, points, v, reduction="none")


def _inside(flat: Array, shape: Shape) -> tuple[Array, ...]:
    """Coordinates counted from the front; IndexError for one outside."""
    found = []
    for i, n in zip(flat.T, shape, strict=False):
        if ((i < -n) | (i >= n)).any():
            raise IndexError(f"an index is out of bounds for an axis of size {n}")
        found.append(np.where(i < 0, i + n, i))
    return tuple(found)


def _index_set(x: Array, v: Array, *arrays: Array, key: Key) -> Array:
    return _write(x, v, arrays, key, add=False)


def _index_add(x: Array, v: Array, *arrays: Array, key: Key) -> Array:
    padded = None if arrays else _padded(x, v, key)
    if padded is None:
        return _write(x, v, arrays, key, add=True)
    if isinstance(x, np.ndarray) and not x.any():
        return padded
    return x + padded


def _padded(x: Array, v: Array, key: Key) -> Array | None:
    """`v` surrounded by zeros, where the place is a block; the transpose of a slice."""
    axes = [e for e in key if e is not None]
    blocks = []
    for e, n in zip(axes, x.shape, strict=True):
        r = range(*e.indices(n)) if isinstance(e, slice) else range(e % n, e % n + 1)
        if r.step != 1 or not r:
            return None
        blocks.append(r)
    v = np.broadcast_to(v.astype(x.dtype), result_shape(x.shape, key, []))
    v = v.reshape(tuple(map(len, blocks)))
    pads = tuple((r.start, n - r.stop) for r, n in zip(blocks, x.shape, strict=True))
    return apply(PAD, v, pads=pads) if any(map(any, pads)) else v


# Diagonals, roll ----------------------------------------------------------------------


def _diagonal_places(n: int, offset: int) -> tuple[Array, Array]:
    places = np.arange(n)
    return places - min(offset, 0), places + max(offset, 0)


def _diagonal(x: Array, *, offset: int, axes: tuple[int, int]) -> Array:
    rows, columns = x.shape[axes[0]], x.shape[axes[1]]
    n = min(rows, columns - offset) if offset > 0 else min(rows + offset, columns)
    moved = _transposed(x, _last(x.ndim, axes))
    key = (*[_FULL] * (x.ndim - 2), ARRAY, ARRAY)
    return bind(INDEX, moved, *_diagonal_places(n, offset), key=key)


def _last(rank: int, axes: tuple[int, int]) -> tuple[int, ...]:
    axes = (axes[0] % rank, axes[1] % rank)
    return (*(i for i in range(rank) if i not in axes), *axes)


def _diagonal_embed(
    d: Array, *, shape: Shape, offset: int, axes: tuple[int, int]
) -> Array:
    order = _last(len(shape), axes)
    zeros = np.zeros(tuple(shape[i] for i in order), d.dtype)
    key = (*[_FULL] * (len(shape) - 2), ARRAY, ARRAY)
    y = bind(INDEX_SET, zeros, d, *_diagonal_places(d.shape[-1], offset), key=key)
    return _transposed(y, tuple(order.index(i) for i in range(len(order))))


def _roll(x: Array, *, shift: Any, axis: Any) -> Array:
    shifts = np.atleast_1d(shift)
    for s, a in zip(np.broadcast_to(shifts, len(axis)), axis, strict=True):
        n = x.shape[a]
        s = int(s) % n if n else 0
        if s:
            head, tail = along(a, slice(n - s, None)), along(a, slice(None, n - s))
            x = np.concatenate([x[head], x[tail]], axis=a)
    return x


def _stack(*arrays: Array, axis: int) -> Array:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis=axis)


# fmt: off
COMPOSED: dict[str, Composed] = {
    "index":          Composed(_index, when=_has_arrays),
    "index_set":      Composed(_index_set),
    "index_add":      Composed(_index_add),
    "diagonal":       Composed(_diagonal),
    "diagonal_embed": Composed(_diagonal_embed),
    "roll":           Composed(_roll),
    "stack":          Composed(_stack),
}
# fmt: on
