"""Putting arrays together and taking them apart."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand, write_out
from wengert.ops.join import CONCATENATE, STACK


def _finish(y: Array, dtype: Any, out: Any) -> Array:
    y = y if dtype is None else np.astype(y, dtype)
    return y if out is None else write_out(out, y)


@implements(np.concatenate)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None,
    casting: str = "same_kind",
) -> Array:  # fmt: skip
    items = [operand(x) for x in arrays]
    if axis is None:
        items, axis = [np.reshape(x, -1) for x in items], 0
    if items and np.ndim(items[0]) == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    y = bind(CONCATENATE, *items, axis=canonical_axis(axis, np.ndim(items[0])))
    return _finish(y, dtype, out)


@implements(np.stack)
def stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None,
    casting: str = "same_kind",
) -> Array:  # fmt: skip
    items = [np.asarray(x) if type(x) in (int, float, bool, complex) else x
             for x in map(operand, arrays)]  # fmt: skip
    if not items:
        raise ValueError("need at least one array to stack")
    y = bind(STACK, *items, axis=canonical_axis(axis, np.ndim(items[0]) + 1))
    return _finish(y, dtype, out)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    return concatenate([np.atleast_2d(x) for x in map(operand, tup)], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    items = [np.atleast_1d(x) for x in map(operand, tup)]
    return concatenate(items, 0 if np.ndim(items[0]) == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Array:
    return concatenate([np.atleast_3d(x) for x in map(operand, tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Array:
    items = [x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in map(operand, tup)]
    return concatenate(items, 1)
