"""`x[key]` and `x[key] = v`: from NumPy's keys to the index ops' static ones."""

import operator
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, bottom
from wengert.core.errors import TracedValueError, explain
from wengert.core.types import Array, Shape
from wengert.numpy.dispatch import implements, operand
from wengert.numpy.operators import GETITEM, SETITEM
from wengert.numpy.views import View, bind_view, overwrite, write
from wengert.ops.convert import ASTYPE
from wengert.ops.index import ARRAY, INDEX, INDEX_SET, Key, has_arrays

_FULL = slice(None)


def concrete(x: Any, asked: str) -> Array:
    """The plain values of `x`, where the shape of a result depends on them."""
    return x.interp.concrete(x, asked) if isinstance(x, Tracer) else np.asarray(x)


def copied(x: Array) -> Array:
    """`x`, sharing no memory with what it is a view of."""
    return bind(ASTYPE, x, dtype=x.dtype) if isinstance(x, View) else x


# Keys ------------------------------------------------------------------------------


def normalized(shape: Shape, key: Any) -> tuple[Key, list[Array]]:
    """The op's static key and its index arrays."""
    if type(key) is int and shape and -shape[0] <= key < shape[0]:
        return (key % shape[0], *[_FULL] * (len(shape) - 1)), []
    entries = [_entry(e) for e in (key if isinstance(key, tuple) else (key,))]
    used = sum(_axes_taken(e) for e in entries)
    if used > len(shape):
        raise IndexError(
            f"too many indices for array: array is {len(shape)}-dimensional, but "
            f"{used} were indexed"
        )
    at = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(at) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    fill = [_FULL] * (len(shape) - used)
    if at:
        entries[at[0] : at[0] + 1] = fill
    else:
        entries += fill
    return _placed(shape, entries)


def _entry(e: Any) -> Any:
    """One index as None, `...`, a slice or int of plain ints, or an array."""
    if e is None or e is Ellipsis or type(e) is int:
        return e
    if isinstance(e, slice):
        return slice(_bound(e.start), _bound(e.stop), _bound(e.step))
    if isinstance(e, Tracer | np.ndarray | list | tuple):
        return _index_array(e)
    if isinstance(e, bool | np.bool_):
        return _refuse_bool()
    try:
        return e.__index__()
    except (AttributeError, TypeError):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and integer or "
            f"boolean arrays are valid indices; {type(e).__name__} came"
        ) from None


def _index_array(e: Any) -> Any:
    index = operand(e)
    if index.dtype.kind not in "iub":
        if isinstance(e, list | tuple) and not index.size:
            return index.astype(np.intp)  # an empty list
        raise IndexError(
            "arrays used as indices must be of integer (or boolean) type; "
            f"{index.dtype} came"
        )
    if index.ndim:
        return index
    if index.dtype.kind == "b":
        return _refuse_bool()
    return index if isinstance(index, Tracer) else int(index)


def _refuse_bool() -> Any:
    raise IndexError(
        "A single bool as an index isn't supported on traced values.\n"
        "  Do: x[None] for True; np.where or an `if` for a condition."
    )


def _bound(b: Any) -> int | None:
    return None if b is None else operator.index(b)


def _axes_taken(e: Any) -> int:
    if e is None or e is Ellipsis:
        return 0
    if type(e) is int or isinstance(e, slice):
        return 1
    return e.ndim if e.dtype.kind == "b" else 1


def _placed(shape: Shape, entries: list[Any]) -> tuple[Key, list[Array]]:
    """Each entry checked against its axis; masks become integer arrays."""
    key: list[Any] = []
    arrays: list[Array] = []
    axis = 0
    for e in entries:
        if type(e) is int:
            n = shape[axis]
            if not -n <= e < n:
                raise IndexError(
                    f"index {e} is out of bounds for axis {axis} with size {n}"
                )
            key.append(e % n)
        elif e is None or isinstance(e, slice):
            key.append(e)
        elif e.dtype.kind == "b":
            found = _nonzero(e, shape, axis)
            key.extend([ARRAY] * len(found))
            arrays.extend(found)
            axis += len(found) - 1
        else:
            key.append(ARRAY)
            arrays.append(_constant(e))
        axis += e is not None
    return tuple(key), arrays


def _constant(index: Array) -> Array:
    """An index array that was lifted, to be written into, as a plain one again."""
    if isinstance(index, Tracer) and not index.interp.stages:
        return np.positive(index)
    return index


def _nonzero(mask: Array, shape: Shape, axis: int) -> tuple[Array, ...]:
    covered = shape[axis : axis + mask.ndim]
    if mask.shape != covered:
        raise IndexError(
            f"boolean index did not match indexed array along axes from {axis}: the "
            f"array has shape {covered} there, the mask {mask.shape}"
        )
    try:
        values = concrete(mask, "nonzero")
    except TracedValueError:
        raise TracedValueError(
            explain(
                "The shape of x[mask] depends on the mask's values, which aren't known "
                "here, or differ from item to item.",
                f"a {mask.interp.verb} boolean mask of shape {mask.shape} as an index",
                "np.where(mask, x, 0) keeps the shape; x[i] with integer arrays of "
                "fixed length.",
            )
        ) from None
    found: tuple[Array, ...] = np.nonzero(values)
    return found


# Reading and writing ---------------------------------------------------------------


@implements(GETITEM)
def getitem(x: Array, key: Any) -> Array:
    """`x[key]`, a view for basic keys, a copy for advanced ones."""
    static, arrays = normalized(x.shape, key)
    if arrays:
        _check_bounds(x, static, arrays)
        return bind(INDEX, x, *arrays, key=static)
    if _is_view(x, static, key):
        return bind_view(INDEX, x, key=static)
    return bind(INDEX, x, key=static)


def _check_bounds(x: Array, key: Key, arrays: list[Array]) -> None:
    """Known indices into an array without values of its own shape.

    Elsewhere NumPy checks them when it evaluates.
    """
    value = bottom(x)
    if isinstance(value, np.ndarray | np.generic) and value.shape == x.shape:
        return
    rest = iter(arrays)
    taken = (e for e in key if e is not None)
    for axis, (n, e) in enumerate(zip(x.shape, taken, strict=True)):
        index = next(rest) if isinstance(e, str) else None
        if isinstance(index, np.ndarray) and index.size:
            worst = index.max() if index.max() >= n else index.min()
            if not -n <= worst < n:
                raise IndexError(
                    f"index {worst} is out of bounds for axis {axis} with size {n}"
                )


def _is_view(x: Array, static: Key, key: Any) -> bool:
    """Whether NumPy gives a view: not for a single element, unless asked with `...`."""
    if type(key) is int:
        return len(static) > 1
    if not x.shape and not isinstance(x, View):
        return False  # a number, not an array: nothing to look into
    entries = key if isinstance(key, tuple) else (key,)
    if any(type(e) is np.ndarray for e in entries):
        return False  # an index that is a 0-d array: NumPy copies
    if all(type(e) is int for e in static):
        return any(e is Ellipsis for e in entries)
    return True


@implements(SETITEM)
def setitem(x: Tracer, key: Any, value: Any) -> None:
    """`x[key] = value`, seen by everything that shares memory with `x`."""
    static, arrays = normalized(x.shape, key)
    if not arrays and _is_that_view(value, x, static):
        return  # the end of `x[key] += v`: the view has written already
    value = _prepared(x, static, arrays, value)
    if not overwrite(INDEX_SET, x, static, arrays, value):
        write(x, bind(INDEX_SET, x, value, *arrays, key=static))


def _is_that_view(value: Any, x: Tracer, static: Key) -> bool:
    return (
        isinstance(value, View)
        and value.source is x
        and value.op is INDEX
        and bool(value.params["key"] == static)
    )


def _prepared(x: Array, static: Key, arrays: list[Array], value: Any) -> Array:
    """`value` in the dtype of `x`, without axes of length 1 too many in front."""
    if arrays:
        _check_bounds(x, static, arrays)
    value = cast(operand(value), x)
    extra = np.ndim(value) - _result_ndim(static, arrays)
    if extra > 0 and all(n == 1 for n in np.shape(value)[:extra]):
        value = np.reshape(value, np.shape(value)[extra:])
    return value


def with_put(x: Array, key: Any, value: Any) -> Array:
    """A copy of `x` with `x[key] = value`."""
    static, arrays = normalized(np.shape(x), key)
    return bind(INDEX_SET, x, _prepared(x, static, arrays, value), *arrays, key=static)


def cast(value: Array, x: Array) -> Array:
    """`value` in the dtype of the array that it is written into."""
    if type(value) in (int, float, bool):
        return value
    if x.dtype.kind != "c" and (type(value) is complex or value.dtype.kind == "c"):
        raise TypeError(
            f"A complex value can't be written into an array of {x.dtype}: its "
            "imaginary part would be lost.\n  Do: write value.real, or make the array "
            "complex."
        )
    if isinstance(value, Tracer) and value.dtype != x.dtype:
        return np.astype(value, x.dtype)
    return value


def _result_ndim(key: Key, arrays: list[Array]) -> int:
    kept = sum(e is None or isinstance(e, slice) for e in key)
    return kept + (max(map(np.ndim, arrays)) if has_arrays(key) else 0)
