"""Exponentials, logarithms and hyperbolic functions."""

import math

import numpy as np

from wengert.core.types import Array
from wengert.ops.elementwise.record import ufunc
from wengert.ops.elementwise.slopes import (
    LN2,
    one_minus_square,
    sech_squared,
    share,
    share2,
)

LOG2E, LOG10E = 1.0 / math.log(2.0), 1.0 / math.log(10.0)


def arcsinh_slope(_y: Array, x: Array) -> Array:
    """1/√(1+x²), where x² may overflow."""
    if x.dtype.kind == "c":
        return 1.0 / np.sqrt(1.0 + x * x)
    return 1.0 / np.hypot(1.0, x)


def arccosh_slope(_y: Array, x: Array) -> Array:
    """1/√(x²−1), where x² may overflow and x may be close to 1."""
    return 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0))


# fmt: off
EXP     = ufunc(np.exp,     lambda y, _x: y)
EXP2    = ufunc(np.exp2,    lambda y, _x: LN2 * y)
EXPM1   = ufunc(np.expm1,   lambda _y, x: np.exp(x))
LOG     = ufunc(np.log,     lambda _y, x: 1.0 / x)
LOG2    = ufunc(np.log2,    lambda _y, x: LOG2E / x)
LOG10   = ufunc(np.log10,   lambda _y, x: LOG10E / x)
LOG1P   = ufunc(np.log1p,   lambda _y, x: 1.0 / (1.0 + x))
SINH    = ufunc(np.sinh,    lambda _y, x: np.cosh(x))
COSH    = ufunc(np.cosh,    lambda _y, x: np.sinh(x))
TANH    = ufunc(np.tanh,    lambda _y, x: sech_squared(x), bounded=True)
ARCSINH = ufunc(np.arcsinh, arcsinh_slope, bounded=True)
ARCCOSH = ufunc(np.arccosh, arccosh_slope)
ARCTANH = ufunc(np.arctanh, lambda _y, x: 1.0 / one_minus_square(x))
LOGADDEXP  = ufunc(np.logaddexp,  lambda _y, a, b: share(a, b),
                   lambda _y, a, b: share(b, a), bounded=True)
LOGADDEXP2 = ufunc(np.logaddexp2, lambda _y, a, b: share2(a, b),
                   lambda _y, a, b: share2(b, a), bounded=True)
# fmt: on
