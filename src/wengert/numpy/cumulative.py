"""Running reductions: cumsum, cumprod, the ufuncs' `accumulate`, and `add.reduceat`."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op
from wengert.core.types import Array
from wengert.numpy.dispatch import METHODS, canonical_axis, implements, operand
from wengert.numpy.reduce import finish
from wengert.ops import cumulative as ops


def _run(op: Op, a: Any, axis: Any, dtype: Any, out: Any) -> Array:
    x = operand(a)
    if axis is None or not np.ndim(x):
        axis, x = axis or 0, np.reshape(x, -1)
    if dtype is not None:
        x = np.astype(x, np.dtype(dtype))
    place = canonical_axis(operator.index(axis), np.ndim(x))
    return finish(bind(op, x, axis=place), out)


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    return _run(ops.CUMSUM, a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    return _run(ops.CUMPROD, a, axis, dtype, out)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    x = operand(a)
    return cumsum(np.where(np.isnan(x), 0, x), axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
    x = operand(a)
    return cumprod(np.where(np.isnan(x), 1, x), axis, dtype, out)


def _cumulative(
    op: Op, first: int, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool
) -> Array:
    x = np.atleast_1d(operand(x))
    if axis is None and np.ndim(x) > 1:
        raise ValueError(
            "For arrays which have more than one dimension ``axis`` argument is "
            "required."
        )
    place = canonical_axis(operator.index(axis or 0), np.ndim(x))
    y = _run(op, x, place, dtype, None)
    if include_initial:
        shape = (*y.shape[:place], 1, *y.shape[place + 1 :])
        y = np.concatenate([np.full(shape, first, y.dtype), y], axis=place)
    return finish(y, out)


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
    include_initial: bool = False,
) -> Array:  # fmt: skip
    return _cumulative(ops.CUMSUM, 0, x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
    include_initial: bool = False,
) -> Array:  # fmt: skip
    return _cumulative(ops.CUMPROD, 1, x, axis, dtype, out, include_initial)


# ufunc.accumulate, ufunc.reduceat ---------------------------------------------------


def _accumulate(op: Op) -> Callable[..., Array]:
    def accumulate(
        array: Any, axis: Any = 0, dtype: Any = None, out: Any = None
    ) -> Array:
        if not np.ndim(operand(array)):
            raise TypeError("cannot accumulate on a scalar")
        return _run(op, array, axis, dtype, out)

    return accumulate


METHODS[np.add, "accumulate"] = _accumulate(ops.CUMSUM)
METHODS[np.multiply, "accumulate"] = _accumulate(ops.CUMPROD)
METHODS[np.maximum, "accumulate"] = _accumulate(ops.CUMMAX)
METHODS[np.minimum, "accumulate"] = _accumulate(ops.CUMMIN)
METHODS[np.logaddexp, "accumulate"] = _accumulate(ops.CUMLOGSUMEXP)
METHODS[np.logaddexp2, "accumulate"] = _accumulate(ops.CUMLOGSUMEXP2)


def _add_reduceat(
    array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None
) -> Array:
    x, starts = operand(array), operand(indices)
    if dtype is not None:
        x = np.astype(x, np.dtype(dtype))
    place = canonical_axis(operator.index(axis), np.ndim(x))
    return finish(bind(ops.SEGMENT_SUM, x, starts, axis=place), out)


METHODS[np.add, "reduceat"] = _add_reduceat
