"""Writing into traced arrays by function: put, place, copyto, np.add.at …"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import TracedValueError, explain
from wengert.core.types import Array
from wengert.numpy.dispatch import METHODS, has_tracer, implements, operand
from wengert.numpy.gather import as_indices, axis_key, flat_or_axis, in_mode
from wengert.numpy.indexing import cast, concrete, normalized, with_put
from wengert.numpy.views import write
from wengert.ops.elementwise.record import UFUNCS
from wengert.ops.index import INDEX_ADD


def _target(a: Any, name: str) -> Tracer:
    """`a`, which must be traced."""
    if isinstance(a, Tracer):
        return a
    raise TracedValueError(
        explain(
            "A traced value can't be written into a plain array: it would lose its "
            "derivative.",
            f"{name} with a {type(a).__name__} to write into",
            "make the array from a traced one (np.zeros_like(x), np.zeros(n, like=x), "
            "np.array(a, like=x)).",
        )
    )


def _writer(theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Enters a function that writes into its first argument."""

    def enter(ours: Callable[..., Any]) -> Callable[..., Any]:
        def writing(a: Any, *args: Any, **kwargs: Any) -> Any:
            traced = [v for v in (*args, *kwargs.values()) if has_tracer(v)]
            if not isinstance(a, Tracer) and not traced:
                return theirs(a, *args, **kwargs)
            return ours(_target(a, f"np.{theirs.__name__}"), *args, **kwargs)

        writing.__name__ = theirs.__name__
        return implements(theirs)(writing)

    return enter


def _flat_write(a: Tracer, index: Array, values: Array) -> None:
    flat = with_put(np.reshape(a, -1), (index,), values)
    write(a, np.reshape(flat, a.shape))


@_writer(np.copyto)
def copyto(
    dst: Tracer, src: Any, casting: str = "same_kind", where: Any = True
) -> None:
    value = operand(src)
    if type(value) not in (int, float, bool, complex) and not np.can_cast(
        value.dtype, dst.dtype, casting
    ):
        raise TypeError(
            f"Cannot cast array data from {value.dtype!r} to {dst.dtype!r} according "
            f"to the rule {casting!r}"
        )
    if where is True:
        dst[...] = value
        return
    full = np.broadcast_to(cast(value, dst), dst.shape)
    write(dst, np.astype(np.where(where, full, dst), dst.dtype))


@_writer(np.put)
def put(a: Tracer, ind: Any, v: Any, mode: str = "raise") -> None:
    index = np.ravel(as_indices(ind))
    values = np.ravel(operand(v))
    if not index.size or not values.size:
        return
    if values.size < index.size:
        values = np.resize(values, index.size)
    _flat_write(a, in_mode(index, a.size, mode), values[: index.size])


@_writer(np.place)
def place(arr: Tracer, mask: Any, vals: Any) -> None:
    chosen = np.flatnonzero(concrete(operand(mask), "nonzero"))
    values = np.ravel(operand(vals))
    if not chosen.size:
        return
    if not values.size:
        raise ValueError("Cannot insert from an empty array!")
    _flat_write(arr, chosen, np.resize(values, chosen.size))


@_writer(np.putmask)
def putmask(a: Tracer, mask: Any, values: Any) -> None:
    value = operand(values)
    if not np.size(value):
        return
    if np.shape(value) != a.shape:
        value = np.resize(value, a.shape)
    write(a, np.where(operand(mask), cast(value, a), a))


@_writer(np.put_along_axis)
def put_along_axis(arr: Tracer, indices: Any, values: Any, axis: Any) -> None:
    x, at = flat_or_axis(arr, axis)
    new = with_put(x, axis_key(x.shape, as_indices(indices), at), values)
    write(arr, np.reshape(new, arr.shape))


@_writer(np.fill_diagonal)
def fill_diagonal(a: Tracer, val: Any, wrap: bool = False) -> None:
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim > 2 and len(set(a.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    places = np.zeros(a.shape, bool)
    np.fill_diagonal(places, True, wrap)
    index = np.flatnonzero(places)
    values = np.ravel(operand(val))
    if values.size and index.size:
        _flat_write(a, index, np.resize(values, index.size))


# ufunc.at --------------------------------------------------------------------------


def _add_at(a: Any, indices: Any, b: Any) -> None:
    """a[indices] += b, repeated indices counted each time."""
    y = _target(a, "np.add.at")
    static, arrays = normalized(y.shape, indices)
    write(y, bind(INDEX_ADD, y, cast(operand(b), y), *arrays, key=static))


def _subtract_at(a: Any, indices: Any, b: Any) -> None:
    _add_at(a, indices, np.negative(b))


def _in_rounds(f: np.ufunc) -> Callable[..., None]:
    """ufunc.at for any ufunc: the k-th use of each element in the k-th round."""

    def at(a: Any, indices: Any, *operands: Any) -> None:
        y = _target(a, f"np.{f.__name__}.at")
        static, arrays = normalized(y.shape, indices)
        known = [concrete(i, f"{f.__name__}.at") for i in arrays]
        places = np.arange(y.size).reshape(y.shape)[_with_arrays(static, known)]
        bs = [
            np.reshape(np.broadcast_to(operand(b), np.shape(places)), -1)
            for b in operands
        ]
        places = np.reshape(places, -1)
        flat = np.reshape(y, -1)
        for chosen in _rounds(places):
            at_these = places[chosen]
            new = f(flat[at_these], *(b[chosen] for b in bs))
            flat = with_put(flat, (at_these,), new)
        write(y, np.reshape(flat, y.shape))

    return at


def _with_arrays(static: Any, arrays: list[Array]) -> Any:
    rest = iter(arrays)
    return tuple(next(rest) if isinstance(e, str) else e for e in static)


def _rounds(places: Array) -> list[Array]:
    """Positions in `places`, split so that no place occurs twice in a part."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.searchsorted(ordered, ordered)
    turn = np.empty(places.size, int)
    turn[order] = np.arange(places.size) - first
    return [np.flatnonzero(turn == k) for k in range(turn.max(initial=-1) + 1)]


for _f in UFUNCS:
    METHODS[_f, "at"] = _in_rounds(_f)
METHODS[np.add, "at"] = _add_at
METHODS[np.subtract, "at"] = _subtract_at
