"""Reductions that leave nans out: the plain ones with a neutral element in their place.

What is left out gets the derivative zero, whatever it was.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import is_staged, known
from wengert.core.types import Array
from wengert.numpy import reduce as plain
from wengert.numpy.dispatch import METHODS, implements, operand
from wengert.numpy.reduce import finish
from wengert.ops import reduce as ops

_NONE: Any = np._NoValue


def _there(x: Array, where: Any = _NONE) -> Array:
    """Which elements count."""
    there = ~np.isnan(x)
    mask = plain.mask_of(where, x)
    return there if mask is None else there & mask


@implements(np.nansum)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    return plain.sum(x, axis, dtype, out, keepdims, initial, _there(x, where))


@implements(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    return plain.prod(x, axis, dtype, out, keepdims, initial, _there(x, where))


@implements(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    return plain.extremum(
        ops.NANMAX, np.fmax, 1, a, axis, out, keepdims, initial, where
    )


@implements(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE,
    initial: Any = _NONE, where: Any = _NONE,
) -> Array:  # fmt: skip
    return plain.extremum(
        ops.NANMIN, np.fmin, -1, a, axis, out, keepdims, initial, where
    )


METHODS[np.fmax, "reduce"] = plain.as_method(nanmax, False)
METHODS[np.fmin, "reduce"] = plain.as_method(nanmin, False)


def _place(f: Callable[..., Array], a: Any, axis: Any, out: Any, keep: Any) -> Array:
    x = operand(a)
    empty = known(plain.all(np.isnan(x), axis))
    if empty is not None and np.any(empty) and not is_staged(x):
        raise ValueError("All-NaN slice encountered")
    far = np.inf if f is plain.argmin else -np.inf
    if x.dtype.kind in "fc":
        x = np.where(np.isnan(x), far, x)
    return f(x, axis, out, keepdims=keep)


@implements(np.nanargmax)
def nanargmax(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE
) -> Array:
    return _place(plain.argmax, a, axis, out, keepdims)


@implements(np.nanargmin)
def nanargmin(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE
) -> Array:
    return _place(plain.argmin, a, axis, out, keepdims)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
    *, where: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    return plain.mean(x, axis, dtype, out, keepdims, where=_there(x, where))


@implements(np.nanvar)
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    there = _there(x, where)
    y = plain.var(x, axis, dtype, None, ddof, keepdims, where=there, mean=mean,
                  correction=correction)  # fmt: skip
    lost = ddof if correction is _NONE else correction
    enough = plain.counted(x, axis, there, keepdims) > lost
    return finish(np.where(enough, y, np.nan), out)


@implements(np.nanstd)
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:  # fmt: skip
    y = nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean,
               correction=correction)  # fmt: skip
    return finish(plain.deviation(y), out)
