"""Changes of dtype."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Type
from wengert.ops.batching import Args, Mapped, Params


def _back(ct: Array, _x: Type, *, dtype: np.dtype[Any]) -> Array:
    if ct.dtype.kind == "c" and _x.dtype.kind != "c":
        ct = np.real(ct)
    return np.astype(ct, _x.dtype)


def _batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    return bind(op, args[0], **params)


def _evaluate(x: Array, *, dtype: np.dtype[Any]) -> Array:
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real  # the derivative of taking the real part, without the warning
    return np.asarray(x).astype(dtype)[()]


ASTYPE = register(
    Op(
        name="astype",
        evaluate=_evaluate,
        type_of=lambda x, *, dtype: Type(x.shape, dtype),
        derivative=Linear(_back),
        batch=_batch,
    )
)
