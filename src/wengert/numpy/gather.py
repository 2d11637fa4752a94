"""Taking elements by index: take, compress, choose, repeat, delete and their kin."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand, write_out
from wengert.numpy.indexing import concrete, copied, getitem

_FULL = slice(None)


def along(x: Array, axis: int, index: Any) -> Array:
    """`x` indexed along one axis, as a copy."""
    return copied(getitem(x, (_FULL,) * axis + (index,)))


def flat_or_axis(a: Any, axis: Any) -> tuple[Array, int]:
    """`a` and an axis of it: flattened for `axis=None`, as most functions here do."""
    x = operand(a)
    if axis is None:
        return np.reshape(x, -1), 0
    return x, canonical_axis(axis, np.ndim(x))


def in_mode(indices: Array, n: int, mode: str) -> Array:
    """Indices into an axis of length n; "raise" leaves the check to indexing."""
    if mode == "raise":
        return indices
    if n == 0 and np.size(indices):
        raise IndexError("cannot do a non-empty take from an empty axis.")
    if mode == "wrap":
        return np.remainder(indices, n) if n else indices
    if mode == "clip":
        return np.minimum(np.maximum(indices, 0), n - 1)
    raise ValueError(f"mode must be 'raise', 'wrap' or 'clip' (got {mode!r})")


def as_indices(indices: Any) -> Array:
    """An index argument as an integer array or a traced one."""
    index = operand(indices)
    if isinstance(index, Tracer):
        return index
    index = np.asarray(index)
    return index if index.size or index.dtype.kind in "iu" else index.astype(np.intp)


@implements(np.take)
def take(
    a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise"
) -> Array:
    x, place = flat_or_axis(a, axis)
    index = in_mode(as_indices(indices), np.shape(x)[place], mode)
    y = along(x, place, index)
    return y if out is None else write_out(out, y)


def axis_key(shape: tuple[int, ...], indices: Array, axis: int) -> tuple[Array, ...]:
    """The index arrays of take_along_axis: the other axes go along."""
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if len(shape) != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    return tuple(
        indices
        if i == axis
        else np.arange(n).reshape((1,) * i + (-1,) + (1,) * (len(shape) - i - 1))
        for i, n in enumerate(shape)
    )


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Array:
    x, place = flat_or_axis(arr, axis)
    return getitem(x, axis_key(np.shape(x), as_indices(indices), place))


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Array:
    keep = np.asarray(concrete(operand(condition), "nonzero"))
    if keep.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    x, place = flat_or_axis(a, axis)
    y = along(x, place, np.nonzero(keep)[0])
    return y if out is None else write_out(out, y)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Array:
    mask = np.ravel(concrete(operand(condition), "nonzero"))
    return compress(mask, np.ravel(operand(arr)))


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Array:
    index = as_indices(a)
    if isinstance(choices, Tracer):
        choices = list(choices)
    options = [operand(c) for c in choices]
    known = mode == "raise" and not isinstance(index, Tracer) and index.size
    if known and (index.min() < 0 or index.max() >= len(options)):
        raise ValueError("invalid entry in choice array")
    shape = np.broadcast_shapes(np.shape(index), *map(np.shape, options))
    table = np.stack([np.broadcast_to(c, shape) for c in options])
    picked = in_mode(np.broadcast_to(index, shape), len(options), mode)
    y = take_along_axis(table, picked[None], 0)[0]
    return y if out is None else write_out(out, y)


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Array:
    x, place = flat_or_axis(a, axis)
    if np.ndim(x) == 0:
        x = np.reshape(x, 1)
    counts = np.asarray(concrete(operand(repeats), "repeat"))
    n = np.shape(x)[place]
    if counts.size == 1 and not np.any(counts < 0) and counts.dtype.kind in "iub":
        times = int(counts.reshape(()))
        shape = np.shape(x)
        wide = np.broadcast_to(
            np.expand_dims(x, place + 1),
            (*shape[: place + 1], times, *shape[place + 1 :]),
        )
        return np.reshape(wide, (*shape[:place], n * times, *shape[place + 1 :]))
    return along(x, place, np.repeat(np.arange(n), counts))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Array:
    x = np.ravel(operand(a))
    shape = tuple(new_shape) if np.iterable(new_shape) else (new_shape,)
    if not x.size or 0 in shape:
        return np.zeros_like(x, shape=shape)
    return x[np.resize(np.arange(x.size), shape)]


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Array:
    x, place = flat_or_axis(arr, axis)
    if isinstance(obj, Tracer):
        obj = concrete(obj, "delete")
    n = np.shape(x)[place]
    try:
        kept = np.delete(np.arange(n), obj)
    except IndexError as error:
        raise IndexError(str(error).replace("axis 0", f"axis {place}")) from None
    return along(x, place, kept)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False,
    writeable: bool = False,
) -> Array:  # fmt: skip
    """As NumPy's, differentiable; a copy of the windows rather than a view."""
    y = operand(x)
    windows = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    axes = range(np.ndim(y)) if axis is None else axis
    axes = tuple(axes) if np.iterable(axes) else (axes,)
    if len(windows) != len(axes):
        raise ValueError(
            f"window_shape has {len(windows)} entries for {len(axes)} axes; give each "
            "axis one"
        )
    if writeable:
        raise ValueError("sliding_window_view of a traced value can't be writeable")
    for width, axis_ in zip(windows, axes, strict=True):
        place = canonical_axis(axis_, np.ndim(x))
        count = np.shape(y)[place] - width + 1
        if width < 0 or count < 1:
            raise ValueError("window shape cannot be larger than input array shape")
        index = np.arange(count)[:, None] + np.arange(width)
        y = np.moveaxis(along(y, place, index), place + 1, -1)
    return y
