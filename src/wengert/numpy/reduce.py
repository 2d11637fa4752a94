"""Reductions: NumPy's signatures in terms of the reduce ops."""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch, explain
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
from wengert.ops.reduce import Axes

_NONE: Any = np._NoValue


# Arguments ------------------------------------------------------------------------


def axes_of(axis: Any, ndim: int) -> Axes:
    """An axis argument as sorted non-negative axes; NumPy's errors for others."""
    if axis is None:
        return canonical_axes(None, ndim)
    if isinstance(axis, tuple):
        return canonical_axes(tuple(map(operator.index, axis)), ndim)
    i = operator.index(axis)
    return () if ndim == 0 and i in (0, -1) else canonical_axes(i, ndim)


def mask_of(where: Any, x: Array) -> Array | None:
    """A `where` argument as a boolean array, or None if it takes everything."""
    if where is _NONE or where is True:
        return None
    mask = operand(where)
    mask = np.asarray(mask) if type(mask) is bool else mask
    if mask.dtype.kind != "b":
        raise TypeError(
            f"Cannot cast array data from dtype('{mask.dtype}') to dtype('bool') "
            "according to the rule 'safe'"
        )
    try:
        fits = np.broadcast_shapes(mask.shape, np.shape(x)) == np.shape(x)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeMismatch(
            explain(
                "`where` broadcasts to the shape of the array that is reduced.",
                f"where of shape {mask.shape} for an array of shape {np.shape(x)}",
                "add axes of length 1, as in mask[:, None].",
            )
        )
    return mask


def _kept(keepdims: Any) -> bool:
    return keepdims is not _NONE and bool(keepdims)


def cast(x: Any, dtype: Any) -> Array:
    """`x` in a dtype, where it has another one."""
    if isinstance(x, Tracer):
        return x if x.dtype == dtype else x.astype(dtype)
    return np.asarray(x).astype(dtype, copy=False)[()]


def _first(initial: Any, y: Array) -> Array:
    """The `initial` argument, a scalar of the result's dtype."""
    initial = operand(initial)
    if np.ndim(initial):
        raise ValueError("setting an array element with a sequence.")
    return cast(initial, y.dtype)


def finish(y: Array, out: Any) -> Array:
    """`y`, written into `out` if that is given."""
    return y if out is None else write_out(out[0] if isinstance(out, tuple) else out, y)


# sum, prod, max, min, all, any ----------------------------------------------------


def _reduce(
    op: Op, a: Any, axis: Any, keepdims: Any, where: Any, neutral: Any, dtype: Any
) -> Array:
    x = operand(a)
    if dtype is not None:
        x = cast(x, np.dtype(dtype))
    mask = mask_of(where, x)
    if mask is not None:
        x = np.where(mask, x, neutral)
    return bind(op, x, axis=axes_of(axis, np.ndim(x)), keepdims=_kept(keepdims))


@implements(np.sum)
def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    y = _reduce(reduce.SUM, a, axis, keepdims, where, 0, dtype)
    return finish(y if initial is _NONE else y + _first(initial, y), out)


@implements(np.prod)
def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    y = _reduce(reduce.PROD, a, axis, keepdims, where, 1, dtype)
    return finish(y if initial is _NONE else y * _first(initial, y), out)


def _extreme(dtype: np.dtype[Any], sign: int) -> Any:
    """The number of this dtype that no other one is beyond, upwards if sign is 1."""
    if dtype.kind == "b":
        return sign > 0
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return dtype.type(limits.max if sign > 0 else limits.min)
    infinite = sign * np.inf
    return complex(infinite, infinite) if dtype.kind == "c" else infinite


_SKIPS_NAN = (np.fmax, np.fmin)


def extremum(
    op: Op, pairwise: np.ufunc, sign: int, a: Any, axis: Any, out: Any, keepdims: Any,
    initial: Any, where: Any,
) -> Array:  # fmt: skip
    x = operand(a)
    if where is not _NONE and where is not True and initial is _NONE:
        raise ValueError(
            f"reduction operation '{pairwise.__name__}' does not have an identity, so "
            "to use a where mask one has to specify 'initial'"
        )
    if initial is not _NONE and not x.size:
        axes = axes_of(axis, np.ndim(x))
        shape = reduce.reduced(np.shape(x), axes, _kept(keepdims))
        return finish(np.positive(np.broadcast_to(_first(initial, x), shape)), out)
    neutral = np.nan if pairwise in _SKIPS_NAN else _extreme(x.dtype, -sign)
    y = _reduce(op, x, axis, keepdims, where, neutral, None)
    return finish(y if initial is _NONE else pairwise(y, _first(initial, y)), out)


@implements(np.max, np.amax)
def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    return extremum(reduce.MAX, np.maximum, 1, a, axis, out, keepdims, initial, where)


@implements(np.min, np.amin)
def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    return extremum(reduce.MIN, np.minimum, -1, a, axis, out, keepdims, initial, where)


@implements(np.all)
def all(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE, *,
    where: Any = _NONE,
) -> Array:  # fmt: skip
    return finish(_reduce(reduce.ALL, a, axis, keepdims, where, True, None), out)


@implements(np.any)
def any(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE, *,
    where: Any = _NONE,
) -> Array:  # fmt: skip
    return finish(_reduce(reduce.ANY, a, axis, keepdims, where, False, None), out)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE) -> Array:
    y = max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)
    return finish(y, out)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Array:
    return sum(operand(a) != 0, axis, keepdims=keepdims, dtype=np.intp)


# mean, var, std -------------------------------------------------------------------


def counted(x: Array, axis: Any, where: Any, keepdims: Any) -> Any:
    """How many elements each slice has: an int, or an array if `where` decides."""
    mask = mask_of(where, x)
    if mask is not None:
        return sum(np.broadcast_to(mask, np.shape(x)), axis, keepdims=keepdims)
    return math.prod(np.shape(x)[i] for i in axes_of(axis, np.ndim(x)))


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    *, where: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    wanted = dtype
    if dtype is None and x.dtype.kind in "iub":
        dtype = float
    elif dtype is None and x.dtype == np.float16:
        dtype, wanted = np.float32, np.float16  # as NumPy: sums in float16 overflow
    total = sum(x, axis, dtype, keepdims=keepdims, where=where)
    y = total / counted(x, axis, where, keepdims)
    return finish(cast(y, total.dtype if wanted is None else wanted), out)


@implements(np.var)
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:  # fmt: skip
    if correction is not _NONE:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    x = operand(a)
    if dtype is not None:
        x = cast(x, np.dtype(dtype))
    if mean is not _NONE:
        return finish(_around(x, mean, axis, ddof, keepdims, where), out)
    mask = mask_of(where, x)
    masks = () if mask is None else (np.broadcast_to(mask, np.shape(x)),)
    axes = axes_of(axis, np.ndim(x))
    y = bind(reduce.VARIANCE, x, *masks, axis=axes, ddof=ddof, keepdims=_kept(keepdims))
    return finish(y, out)


def _around(
    x: Array, center: Any, axis: Any, ddof: float, keepdims: Any, where: Any
) -> Array:
    """The mean square distance from a mean that the caller gives."""
    off = x - operand(center)
    square = np.real(off * np.conj(off)) if off.dtype.kind == "c" else np.square(off)
    total = sum(square, axis, keepdims=keepdims, where=where)
    y = total / np.maximum(counted(x, axis, where, keepdims) - ddof, 0)
    return cast(y, total.dtype) if total.dtype.kind == "f" else y


@implements(np.std)
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:  # fmt: skip
    y = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean,
            correction=correction)  # fmt: skip
    return finish(deviation(y), out)


def deviation(variance: Array) -> Array:
    """The root of a variance, with the subgradient 0 at 0."""
    return bind(reduce.DEVIATION, variance)


# argmax, argmin -------------------------------------------------------------------


def _arg(op: Op, a: Any, axis: Any, out: Any, keepdims: Any) -> Array:
    x = operand(a)
    if axis is None:
        y = bind(op, np.reshape(x, -1), axis=0, keepdims=False)
        y = np.reshape(y, (1,) * np.ndim(x)) if _kept(keepdims) else y
        return finish(y, out)
    if not np.ndim(x):
        x = np.reshape(x, 1)
        y = bind(op, x, axis=canonical_axis(operator.index(axis), 1), keepdims=False)
        return finish(y, out)
    place = canonical_axis(operator.index(axis), np.ndim(x))
    return finish(bind(op, x, axis=place, keepdims=_kept(keepdims)), out)


@implements(np.argmax)
def argmax(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE
) -> Array:
    return _arg(reduce.ARGMAX, a, axis, out, keepdims)


@implements(np.argmin)
def argmin(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE
) -> Array:
    return _arg(reduce.ARGMIN, a, axis, out, keepdims)


# ufunc.reduce ---------------------------------------------------------------------


def logsumexp(op: Op, pairwise: np.ufunc) -> Callable[..., Array]:
    """`logaddexp.reduce`, the log of a sum of exponentials, and its base-2 twin."""

    def reduction(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
        keepdims: Any = _NONE, initial: Any = _NONE, where: Any = _NONE,
    ) -> Array:  # fmt: skip
        y = _reduce(op, a, axis, keepdims, where, -np.inf, dtype)
        return finish(y if initial is _NONE else pairwise(y, _first(initial, y)), out)

    return reduction


def _logical(f: Callable[..., Array], pairwise: np.ufunc) -> Callable[..., Array]:
    def reduction(*args: Any, initial: Any = _NONE, **kwargs: Any) -> Array:
        y = f(*args, **kwargs)
        return y if initial is _NONE else pairwise(y, initial)

    return reduction


def as_method(f: Callable[..., Array], takes_dtype: bool) -> Callable[..., Array]:
    """As `f`, with the signature of `ufunc.reduce`: axis 0 unless told."""

    def reduction(
        a: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
        keepdims: bool = False, initial: Any = _NONE, where: Any = _NONE,
    ) -> Array:  # fmt: skip
        more: dict[str, Any] = {} if initial is _NONE else {"initial": initial}
        if takes_dtype:
            more["dtype"] = dtype
        elif dtype is not None:
            a = cast(operand(a), np.dtype(dtype))
        y = f(a, axis, keepdims=keepdims, where=where, **more)
        return finish(y, out)

    return reduction


METHODS[np.add, "reduce"] = as_method(sum, True)
METHODS[np.multiply, "reduce"] = as_method(prod, True)
METHODS[np.maximum, "reduce"] = as_method(max, False)
METHODS[np.minimum, "reduce"] = as_method(min, False)
METHODS[np.logical_and, "reduce"] = as_method(_logical(all, np.logical_and), False)
METHODS[np.logical_or, "reduce"] = as_method(_logical(any, np.logical_or), False)
METHODS[np.logaddexp, "reduce"] = as_method(
    logsumexp(reduce.LOGSUMEXP, np.logaddexp), True
)
METHODS[np.logaddexp2, "reduce"] = as_method(
    logsumexp(reduce.LOGSUMEXP2, np.logaddexp2), True
)
