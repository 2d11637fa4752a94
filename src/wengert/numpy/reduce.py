"""Reductions: NumPy's signatures in terms of the reduce ops."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op
from wengert.core.types import Array
from wengert.numpy.dispatch import (
    METHODS,
    canonical_axes,
    canonical_axis,
    implements,
    operand,
    write_out,
)
from wengert.ops import reduce

_NONE = np._NoValue


def _reduce(
    op: Op, x: Any, axis: Any, keepdims: Any, where: Any, neutral: Any, dtype: Any = None
) -> Array:
    x = operand(x)
    if dtype is not None:
        x = np.astype(x, np.dtype(dtype))
    if where is not _NONE and where is not True:
        x = np.where(where, x, neutral)
    axes = canonical_axes(_hashable(axis), np.ndim(x))
    return bind(op, x, axis=axes, keepdims=keepdims is not _NONE and bool(keepdims))


def _hashable(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _finish(y: Array, out: Any) -> Array:
    return y if out is None else write_out(out[0] if isinstance(out, tuple) else out, y)


@implements(np.sum)
def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    y = _reduce(reduce.SUM, a, axis, keepdims, where, 0, dtype)
    return _finish(y if initial is _NONE else y + initial, out)


@implements(np.prod)
def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    y = _reduce(reduce.PROD, a, axis, keepdims, where, 1, dtype)
    return _finish(y if initial is _NONE else y * initial, out)


@implements(np.max, np.amax)
def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    y = _reduce(reduce.MAX, a, axis, keepdims, where, -np.inf)
    return _finish(y if initial is _NONE else np.maximum(y, initial), out)


@implements(np.min, np.amin)
def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    y = _reduce(reduce.MIN, a, axis, keepdims, where, np.inf)
    return _finish(y if initial is _NONE else np.minimum(y, initial), out)


@implements(np.all)
def all(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE, *,
    where: Any = _NONE,
) -> Array:  # fmt: skip
    return _finish(_reduce(reduce.ALL, a, axis, keepdims, where, True), out)


@implements(np.any)
def any(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE, *,
    where: Any = _NONE,
) -> Array:  # fmt: skip
    return _finish(_reduce(reduce.ANY, a, axis, keepdims, where, False), out)


def _count(x: Any, axis: Any, where: Any, keepdims: Any) -> Any:
    """How many elements each slice has."""
    if where is not _NONE and where is not True:
        mask = np.broadcast_to(where, np.shape(x))
        return sum(mask, axis, keepdims=keepdims)
    count = 1
    for i in canonical_axes(_hashable(axis), np.ndim(x)):
        count *= np.shape(x)[i]
    return float(count)


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    *, where: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    if dtype is None and x.dtype.kind in "iub":
        dtype = float
    total = sum(x, axis, dtype=dtype, keepdims=keepdims, where=where)
    return _finish(total / _count(x, axis, where, keepdims), out)


@implements(np.var)
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    ddof = ddof if correction is _NONE else correction
    center = _mean(x, axis, dtype, None, True, where=where) if mean is _NONE else mean
    off = x - center
    square = np.square(off) if x.dtype.kind != "c" else np.real(off * np.conj(off))
    total = sum(square, axis, dtype=dtype, keepdims=keepdims, where=where)
    return _finish(total / (_count(x, axis, where, keepdims) - ddof), out)


_mean = mean


@implements(np.std)
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:  # fmt: skip
    y = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean,
            correction=correction)  # fmt: skip
    return _finish(np.sqrt(y), out)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE) -> Array:
    y = max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)
    return _finish(y, out)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Array:
    return sum(operand(a) != 0, axis, keepdims=keepdims)


def _arg(op: Op, a: Any, axis: Any, out: Any, keepdims: Any) -> Array:
    x = operand(a)
    keep = keepdims is not _NONE and bool(keepdims)
    if axis is None:
        y = bind(op, np.reshape(x, -1), axis=0, keepdims=False)
        return _finish(np.reshape(y, (1,) * np.ndim(x)) if keep else y, out)
    place = canonical_axis(axis, np.ndim(x))
    return _finish(bind(op, x, axis=place, keepdims=keep), out)


@implements(np.argmax)
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE) -> Array:
    return _arg(reduce.ARGMAX, a, axis, out, keepdims)


@implements(np.argmin)
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE) -> Array:
    return _arg(reduce.ARGMIN, a, axis, out, keepdims)


def _method(f: Any, takes_dtype: bool) -> Any:
    def reduction(
        a: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
        keepdims: bool = False, initial: Any = _NONE, where: Any = _NONE,
    ) -> Array:  # fmt: skip
        more = {"dtype": dtype} if takes_dtype else {}
        if initial is not _NONE:
            more["initial"] = initial
        return f(a, axis, out=out, keepdims=keepdims, where=where, **more)

    return reduction


METHODS[np.add, "reduce"] = _method(sum, True)
METHODS[np.multiply, "reduce"] = _method(prod, True)
METHODS[np.maximum, "reduce"] = _method(max, False)
METHODS[np.minimum, "reduce"] = _method(min, False)
METHODS[np.logical_and, "reduce"] = _method(all, False)
METHODS[np.logical_or, "reduce"] = _method(any, False)
