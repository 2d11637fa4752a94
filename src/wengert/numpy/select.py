"""Choosing: where and its relatives."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.ops.select import WHERE


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    condition = operand(condition)
    if x is None and y is None:
        return np.nonzero(condition)
    if condition.dtype.kind != "b" if hasattr(condition, "dtype") else False:
        condition = condition != 0
    return bind(WHERE, condition, operand(x), operand(y))
