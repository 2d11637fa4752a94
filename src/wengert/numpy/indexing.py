"""`x[key]` and `x[key] = v`: from NumPy's keys to the index ops' static ones."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, is_staged, known
from wengert.core.errors import TracedValueError, explain
from wengert.core.types import Array, Shape
from wengert.numpy.dispatch import implements, operand
from wengert.numpy.operators import GETITEM, SETITEM
from wengert.numpy.views import bind_view, write
from wengert.ops.index import ARRAY, INDEX, INDEX_SET, Key, has_arrays

_FULL = slice(None)


def normalized(shape: Shape, key: Any) -> tuple[Key, list[Array]]:
    """The op's static key and its index arrays."""
    entries = list(key) if isinstance(key, tuple) else [key]
    expanded: list[Any] = []
    arrays: list[Array] = []
    used = sum(_axes_taken(e) for e in entries)
    if used > len(shape):
        raise IndexError(
            f"too many indices for array: array is {len(shape)}-dimensional, but "
            f"{used} were indexed"
        )
    for e in entries:
        if e is Ellipsis:
            if any(e is _FULL_MARK for e in expanded):
                raise IndexError("an index can only have a single ellipsis ('...')")
            expanded.append(_FULL_MARK)
        else:
            _append(e, expanded, arrays)
    fill = [_FULL] * (len(shape) - used)
    if any(e is _FULL_MARK for e in expanded):
        at = expanded.index(_FULL_MARK)
        expanded[at : at + 1] = fill
    else:
        expanded += fill
    return tuple(expanded), arrays


_FULL_MARK = "..."


def _axes_taken(e: Any) -> int:
    if e is None or e is Ellipsis:
        return 0
    if isinstance(e, np.ndarray | list | Tracer) and _is_mask(e):
        return np.ndim(e)
    return 1


def _is_mask(e: Any) -> bool:
    return (e.dtype if hasattr(e, "dtype") else np.asarray(e).dtype).kind == "b"


def _append(e: Any, expanded: list[Any], arrays: list[Array]) -> None:
    if e is None:
        expanded.append(None)
    elif isinstance(e, slice):
        expanded.append(slice(*(_bound(b) for b in (e.start, e.stop, e.step))))
    elif isinstance(e, bool | np.bool_):
        raise IndexError(
            "A single bool as an index isn't supported on traced values.\n"
            "  Do: x[None] for True; np.where or an `if` for a condition."
        )
    elif isinstance(e, Tracer | np.ndarray | list | tuple):
        index = e if isinstance(e, Tracer) else np.asarray(e)
        if index.dtype.kind == "b":
            found = _nonzero(index)
            expanded.extend([ARRAY] * len(found))
            arrays.extend(found)
            return
        if isinstance(index, np.ndarray) and not index.size and index.ndim == 1:
            index = index.astype(np.intp) if isinstance(e, list) else index
        if index.dtype.kind not in "iu":
            raise IndexError(
                f"arrays used as indices must be of integer or boolean type; "
                f"{index.dtype} came"
            )
        expanded.append(ARRAY)
        arrays.append(index)
    elif hasattr(e, "__index__"):
        expanded.append(e.__index__())
    else:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and integer or "
            f"boolean arrays are valid indices; {type(e).__name__} came"
        )


def _bound(b: Any) -> int | None:
    return None if b is None else b.__index__()


def _nonzero(mask: Array) -> tuple[Array, ...]:
    values = known(mask)
    if values is None or (isinstance(mask, Tracer) and not is_staged(mask)):
        raise TracedValueError(
            explain(
                "The shape of x[mask] depends on the mask's values, which aren't known "
                "here.",
                "a traced boolean mask as an index",
                "np.where(mask, x, 0) keeps the shape.",
            )
        )
    if isinstance(mask, Tracer):
        values = mask.interp.concrete(mask, "nonzero")
    found: tuple[Array, ...] = np.nonzero(values)
    return found


@implements(GETITEM)
def getitem(x: Array, key: Any) -> Array:
    """`x[key]`, a view for basic keys, a copy for advanced ones."""
    static, arrays = normalized(x.shape, key)
    if arrays:
        return bind(INDEX, x, *arrays, key=static)
    if not isinstance(key, tuple) and isinstance(key, slice) or _is_view(static, key):
        return bind_view(INDEX, x, key=static)
    return bind(INDEX, x, key=static)


def _is_view(static: Key, key: Any) -> bool:
    """Whether NumPy gives a view: not for a single element, unless asked with `...`."""
    scalar = all(isinstance(e, int) for e in static)
    return not scalar or key is Ellipsis or (
        isinstance(key, tuple) and any(e is Ellipsis for e in key)
    )


@implements(SETITEM)
def setitem(x: Tracer, key: Any, value: Any) -> None:
    """`x[key] = value`, seen by everything that shares memory with `x`."""
    value = operand(value)
    static, arrays = normalized(x.shape, key)
    value = _cast(value, x)
    extra = np.ndim(value) - _result_ndim(static, arrays)
    if extra > 0 and all(n == 1 for n in np.shape(value)[:extra]):
        value = np.reshape(value, np.shape(value)[extra:])
    write(x, bind(INDEX_SET, x, value, *arrays, key=static))


def _cast(value: Array, x: Tracer) -> Array:
    if isinstance(value, Tracer) and value.dtype != x.dtype:
        if value.dtype.kind == "c" and x.dtype.kind != "c":
            raise TypeError("a complex value can't be written into a real array")
        return np.astype(value, x.dtype)
    return value


def _result_ndim(key: Key, arrays: list[Array]) -> int:
    kept = sum(e is None or isinstance(e, slice) for e in key)
    return kept + (max(map(np.ndim, arrays)) if has_arrays(key) else 0)
