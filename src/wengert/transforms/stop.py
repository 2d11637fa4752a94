"""stop_gradient: a value that derivatives take for a constant."""

from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, bind
from wengert.core.op import Op, Zero, register
from wengert.core.types import Array, Type
from wengert.ops import batching


def _evaluate(x: Array) -> Array:
    # A copy: the caller may write into it, and the tape may hold `x`.
    return x.copy() if isinstance(x, np.ndarray) else x


# A Zero op gives reverse and forward mode the value one level down, where it meets the
# next interpreter: derivatives are cut at every level, mapping and staging go on.
STOP_GRADIENT = register(
    Op(
        name="stop_gradient",
        evaluate=_evaluate,
        type_of=lambda x: Type(x.shape, x.dtype),
        derivative=Zero("a constant, by the user's word"),
        batch=batching.elementwise,
    )
)


def stop_gradient(x: Any) -> Any:
    """The value of `x` as a constant: its derivative is zero at every level.

    Args:
        x: an array or a nested container of arrays; leaves that aren't arrays are
            passed through.

    Returns:
        The same structure. Where derivatives are all that is traced, the leaves are
        plain numbers and arrays (copies), so `float`, `print` and `np.asarray` work on
        them; under `vmap` and `trace` they stay mapped and staged.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    return tree.map(_stop, x)


def _stop(x: Any) -> Any:
    return bind(STOP_GRADIENT, x) if isinstance(x, np.ndarray | Tracer) else x
