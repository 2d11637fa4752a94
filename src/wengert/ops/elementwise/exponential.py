"""Exponentials, logarithms and hyperbolic functions."""

import math

import numpy as np

from wengert.core.types import Array
from wengert.ops.elementwise.record import ufunc

LN2, LN10 = math.log(2.0), math.log(10.0)


def tanh_slope(y: Array, x: Array) -> Array:
    """1/cosh²x as 4e/(1+e)², e = exp(−2|x|): 1 − tanh²x loses all digits by x = 20."""
    if x.dtype.kind == "c":
        return 1.0 - y * y
    e = np.exp(-2.0 * np.abs(x))
    return 4.0 * e / np.square(1.0 + e)


def arcsinh_slope(_y: Array, x: Array) -> Array:
    """1/√(1+x²), where x² may overflow."""
    if x.dtype.kind == "c":
        return 1.0 / np.sqrt(1.0 + x * x)
    return 1.0 / np.hypot(1.0, x)


def share(a: Array, b: Array) -> Array:
    """eᵃ/(eᵃ+eᵇ), and a half for equal infinities."""
    return 1.0 / (1.0 + np.exp(np.where(a == b, 0.0, b - a)))


def share2(a: Array, b: Array) -> Array:
    """2ᵃ/(2ᵃ+2ᵇ), and a half for equal infinities."""
    return 1.0 / (1.0 + np.exp2(np.where(a == b, 0.0, b - a)))


# fmt: off
EXP     = ufunc(np.exp,     lambda y, _x: y)
EXP2    = ufunc(np.exp2,    lambda y, _x: LN2 * y)
EXPM1   = ufunc(np.expm1,   lambda _y, x: np.exp(x))
LOG     = ufunc(np.log,     lambda _y, x: 1.0 / x)
LOG2    = ufunc(np.log2,    lambda _y, x: 1.0 / (LN2 * x))
LOG10   = ufunc(np.log10,   lambda _y, x: 1.0 / (LN10 * x))
LOG1P   = ufunc(np.log1p,   lambda _y, x: 1.0 / (1.0 + x))
SINH    = ufunc(np.sinh,    lambda _y, x: np.cosh(x))
COSH    = ufunc(np.cosh,    lambda _y, x: np.sinh(x))
TANH    = ufunc(np.tanh,    tanh_slope, bounded=True)
ARCSINH = ufunc(np.arcsinh, arcsinh_slope, bounded=True)
ARCCOSH = ufunc(np.arccosh, lambda _y, x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)))
ARCTANH = ufunc(np.arctanh, lambda _y, x: 1.0 / ((1.0 - x) * (1.0 + x)))
LOGADDEXP  = ufunc(np.logaddexp,  lambda _y, a, b: share(a, b),
                   lambda _y, a, b: share(b, a), bounded=True)
LOGADDEXP2 = ufunc(np.logaddexp2, lambda _y, a, b: share2(a, b),
                   lambda _y, a, b: share2(b, a), bounded=True)
# fmt: on
