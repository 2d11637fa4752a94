"""Changes of dtype, and questions about dtypes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.ops.convert import ASTYPE


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    x = operand(x)
    if not isinstance(x, Tracer):
        x = np.asarray(x)[()]
    target = np.dtype(dtype)
    if target.kind not in "fciub":
        raise TypeMismatch(
            explain(
                "A traced value can become another dtype of numbers.",
                f"astype({target})",
                "wg.stop_gradient(x) first, if the derivative isn't needed.",
            )
        )
    if x.dtype != target:
        return bind(ASTYPE, x, dtype=target)
    if not copy:
        return x
    return bind(ASTYPE, x, dtype=target) if target.kind == "b" else np.positive(x)


# Questions about dtypes --------------------------------------------------------------


def _stand_in(x: Any) -> Any:
    """A traced value as an array of its shape and dtype, without its elements."""
    if not isinstance(x, Tracer):
        return x
    return np.broadcast_to(np.zeros((), x.dtype), x.shape)


def _of_dtypes(f: Callable[..., Any]) -> None:
    def ours(*args: Any, **kwargs: Any) -> Any:
        return f(*map(_stand_in, args), **kwargs)

    ours.__name__ = f.__name__
    implements(f)(ours)


for _f in (np.result_type, np.can_cast, np.common_type):
    _of_dtypes(_f)
