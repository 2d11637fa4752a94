"""vector_norm: (Σ|x|ᵖ)^(1/p) along some axes, for every p but 0 and ±inf.

Value and derivative are scaled by the result, so squares neither overflow nor
underflow: the derivative is sign(x)·(|x|/y)^(p−1), and the subgradient 0 at 0.
"""

import functools
from typing import Any

import numpy as np

from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.contract import conj
from wengert.ops.linalg.shared import float_type, real_type
from wengert.ops.reduce import Axes, batch_axes, expanded, reduced


def _type(x: Type, *, ord: float, axis: Axes, keepdims: bool) -> Type:
    return Type(reduced(x.shape, axis, keepdims), real_type(float_type(x)))


def _plain(x: Array, ord: float, axis: Axes) -> Array:
    if ord != 2:
        return np.sum(np.abs(x) ** ord, axis, keepdims=True) ** (1.0 / ord)
    squares = x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag
    return np.sqrt(np.add.reduce(squares, axis, keepdims=True))


@functools.cache
def _safe(dtype: np.dtype[Any], ord: float) -> tuple[float, float]:
    """Between which results nothing is lost without scaling."""
    if ord != 2:
        return 1e-4, 1e4  # farther out the rounding of 1/p shows in the last digits
    info = np.finfo(dtype)
    return float(info.tiny**0.5 / info.eps), np.inf


def _evaluate(x: Array, *, ord: float, axis: Axes, keepdims: bool) -> Array:
    x = x if x.dtype.kind in "fc" else x.astype(float)
    with np.errstate(all="ignore"):
        y = _plain(x, ord, axis)
        least, most = _safe(x.dtype, ord)
        if ord > 0 and y.size and not (least < y.min() and y.max() < most):
            peak = np.max(np.abs(x), axis, keepdims=True, initial=0)
            scale = np.where((peak > 0) & (peak < np.inf), peak, peak.dtype.type(1))
            y = scale * _plain(x / scale, ord, axis)
    return y if keepdims else np.squeeze(y, axis)[()]


def _slope(y: Array, x: Array, ord: float, axis: Axes) -> Array:
    """∂y/∂x, conjugated for complex x as a gradient is."""
    y = expanded(y, x.shape, axis)
    zero, one = x.dtype.type(0), y.dtype.type(1)
    safe = np.where(y == 0, one, y)
    if ord == 2:
        return np.where(y == 0, zero, x / safe)
    size = np.where(x == 0, one, np.abs(x))
    return np.where(x == 0, zero, x / size * np.power(size / safe, ord - 1.0))


def _jvp(
    tangents: list[Array], y: Array, x: Array, *, ord: float, axis: Axes, keepdims: bool
) -> Array:
    terms = conj(_slope(y, x, ord, axis)) * tangents[0]
    return np.sum(np.real(terms), axis=axis, keepdims=keepdims)


def _vjp(
    ct: Array, y: Array, x: Array, *, ord: float, axis: Axes, keepdims: bool
) -> tuple[Array]:
    return (expanded(ct, x.shape, axis) * _slope(y, x, ord, axis),)


VECTOR_NORM = register(
    Op(
        name="vector_norm",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=batch_axes,
    )
)
