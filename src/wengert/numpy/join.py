"""Putting arrays together and taking them apart."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch
from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand, write_out
from wengert.numpy.gather import flat_or_axis
from wengert.numpy.indexing import concrete, with_put
from wengert.ops.join import CONCATENATE, STACK

_FULL = slice(None)


def _finish(y: Array, dtype: Any, out: Any, casting: str = "same_kind") -> Array:
    wanted = dtype if out is None else out.dtype
    if wanted is not None and not np.can_cast(y.dtype, wanted, casting):
        raise TypeError(
            f"Cannot cast array data from {y.dtype!r} to {np.dtype(wanted)!r} "
            f"according to the rule {casting!r}"
        )
    y = y if dtype is None else np.astype(y, dtype)
    return y if out is None else write_out(out, y)


def _items(arrays: Any) -> list[Array]:
    """The arrays of a sequence; Python's numbers are arrays here, as in NumPy."""
    items = [operand(x) for x in arrays]
    return [x if isinstance(x, Tracer) else np.asarray(x) for x in items]


# Together --------------------------------------------------------------------------


@implements(np.concatenate)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None,
    casting: str = "same_kind",
) -> Array:  # fmt: skip
    items = _items(arrays)
    if not items:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        items, axis = [np.reshape(x, -1) for x in items], 0
    if np.ndim(items[0]) == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    y = bind(CONCATENATE, *items, axis=canonical_axis(axis, np.ndim(items[0])))
    return _finish(y, dtype, out, casting)


@implements(np.stack)
def stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None,
    casting: str = "same_kind",
) -> Array:  # fmt: skip
    items = _items(arrays)
    if not items:
        raise ValueError("need at least one array to stack")
    y = bind(STACK, *items, axis=canonical_axis(axis, np.ndim(items[0]) + 1))
    return _finish(y, dtype, out, casting)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    items = [np.atleast_2d(x) for x in _items(tup)]
    return concatenate(items, 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    items = [np.atleast_1d(x) for x in _items(tup)]
    axis = 0 if items and np.ndim(items[0]) == 1 else 1
    return concatenate(items, axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Array:
    return concatenate([np.atleast_3d(x) for x in _items(tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Array:
    items = [x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in _items(tup)]
    return concatenate(items, 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Array:
    return concatenate(_items((arr, values)), axis)


@implements(np.block)
def block(arrays: Any) -> Array:
    depth = _depth(arrays)
    rank = max(depth, _rank(arrays))
    return _block(arrays, depth, rank)


def _depth(arrays: Any) -> int:
    """How deep the lists are nested, the same everywhere."""
    if isinstance(arrays, tuple):
        raise TypeError("Only lists can be used to arrange blocks; a tuple came.")
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(item) for item in arrays}
    if len(depths) != 1:
        raise ValueError(
            "np.block needs lists nested equally deep everywhere, and none empty; "
            f"depths {sorted(depths)} came"
        )
    return 1 + depths.pop()


def _rank(arrays: Any) -> int:
    if isinstance(arrays, list):
        return max(map(_rank, arrays))
    return np.ndim(operand(arrays))


def _block(arrays: Any, depth: int, rank: int) -> Array:
    if depth == 0:
        (x,) = _items([arrays])
        return np.reshape(x, (1,) * (rank - np.ndim(x)) + np.shape(x))
    return concatenate([_block(a, depth - 1, rank) for a in arrays], rank - depth)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Array:
    x = operand(A)
    times = [int(r) for r in (reps if np.iterable(reps) else (reps,))]
    rank = max(len(times), np.ndim(x))
    times = [1] * (rank - len(times)) + times
    shape = (1,) * (rank - np.ndim(x)) + np.shape(x)
    tall = np.reshape(x, [n for m in shape for n in (1, m)])
    wide = np.broadcast_to(tall, [n for r, m in zip(times, shape, strict=True)
                                  for n in (r, m)])  # fmt: skip
    return np.reshape(
        wide, [r * m for r, m in zip(times, shape, strict=True)], copy=True
    )


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Array:
    x, place = flat_or_axis(arr, axis)
    value, (n, rank) = _items([values])[0], (np.shape(x)[place], np.ndim(x))
    where, single = _insertion_places(obj, n, place)
    if where.size == 1:
        value = np.reshape(value, (1,) * (rank - np.ndim(value)) + np.shape(value))
        if single:
            value = np.moveaxis(value, 0, place)
        count = np.shape(value)[place]
        where = where.reshape(()) + np.arange(count)
    else:
        order = np.argsort(where, kind="stable")
        where[order] += np.arange(where.size)
    total = n + where.size
    old = np.setdiff1d(np.arange(total), where)
    shape = (*np.shape(x)[:place], total, *np.shape(x)[place + 1 :])
    new = with_put(np.zeros(shape, x.dtype), (_FULL,) * place + (old,), x)
    return with_put(new, (_FULL,) * place + (where,), value)


def _insertion_places(obj: Any, n: int, axis: int) -> tuple[Array, bool]:
    """Non-negative places before which to insert; whether `obj` is one number."""
    if isinstance(obj, slice):
        index = np.arange(*obj.indices(n))
    else:
        index = np.array(concrete(operand(obj), "insert"))
    if index.dtype.kind == "b":
        index = np.flatnonzero(index)
    if index.ndim > 1:
        raise ValueError(
            "index array argument obj to insert must be one dimensional or scalar"
        )
    index = index if index.size else index.astype(np.intp)
    if np.any((index < -n) | (index > n)):
        raise IndexError(f"index {obj} is out of bounds for axis {axis} with size {n}")
    return np.where(index < 0, index + n, index), index.ndim == 0


# Apart -----------------------------------------------------------------------------


def _pieces(x: Array, stops: Any, axis: int) -> list[Array]:
    starts = [0, *stops]
    ends: list[int | None] = [*stops, None]
    return [
        x[(_FULL,) * axis + (slice(start, end),)]
        for start, end in zip(starts, ends, strict=True)
    ]


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Array]:
    x = operand(ary)
    place = canonical_axis(axis, np.ndim(x))
    if np.iterable(indices_or_sections):
        return _pieces(x, [int(i) for i in indices_or_sections], place)
    count, n = int(indices_or_sections), np.shape(x)[place]
    if count <= 0:
        raise ValueError("number sections must be larger than 0.")
    size, longer = divmod(n, count)
    stops = [i * size + min(i, longer) for i in range(1, count)]
    return _pieces(x, stops, place)


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Array]:
    x = operand(ary)
    if not np.iterable(indices_or_sections):
        n = np.shape(x)[canonical_axis(axis, np.ndim(x))]
        if n % int(indices_or_sections):
            raise ShapeMismatch(
                f"`split` into {indices_or_sections} needs an axis whose length it "
                f"divides.\n  Came: length {n}\n"
                "  Do:   np.array_split for parts of unequal lengths."
            )
    return array_split(x, indices_or_sections, axis)


def _split_along(name: str, least: int, axis: int) -> Callable[..., list[Array]]:
    def along(ary: Any, indices_or_sections: Any) -> list[Array]:
        x = operand(ary)
        if np.ndim(x) < least:
            raise ValueError(
                f"{name} only works on arrays of {least} or more dimensions"
            )
        return split(x, indices_or_sections, min(axis, np.ndim(x) - 1))

    along.__name__ = name
    return along


hsplit = implements(np.hsplit)(_split_along("hsplit", 1, 1))
vsplit = implements(np.vsplit)(_split_along("vsplit", 2, 0))
dsplit = implements(np.dsplit)(_split_along("dsplit", 3, 2))


@implements(np.unstack)
def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Array, ...]:
    y = operand(x)
    if np.ndim(y) == 0:
        raise ValueError("Input array must be at least 1-d.")
    return tuple(np.moveaxis(y, axis, 0))
