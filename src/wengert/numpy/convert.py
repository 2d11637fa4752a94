"""Changes of dtype."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.ops.convert import ASTYPE


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    x = operand(x)
    target = np.dtype(dtype)
    if getattr(x, "dtype", None) == target:
        return np.positive(x) if target.kind in "fciu" else x
    return bind(ASTYPE, x, dtype=target)
