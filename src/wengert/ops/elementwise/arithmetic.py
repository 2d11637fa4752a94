"""+ − × ÷, powers, roots, remainders, and the larger or smaller of two."""

import math
import operator

import numpy as np

from wengert.core.types import Array
from wengert.ops.elementwise.record import ufunc
from wengert.ops.elementwise.slopes import direction
from wengert.ops.strong import strong_product

_PYTHON = frozenset({bool, int, float, complex})


def inverse(b: Array) -> Array:
    """1/b, infinite for b = 0 also where that is a Python number."""
    if type(b) in _PYTHON and b == 0:
        b = np.divide(b, 1.0)  # NumPy's zero, with the same sign
    return 1.0 / b


# Powers -----------------------------------------------------------------------------


def power(a: Array, b: Array) -> Array:
    """a^b; numbers by Python's operator, which is faster, and arrays by the ufunc,
    whose infinities and signed zeros are those of C's pow."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) or type(a) is complex:
        return np.power(a, b)
    return a**b


def power_base(_y: Array, a: Array, b: Array) -> Array:
    """b·a^(b−1), and 0 for b = 0 also where a = 0."""
    if type(b) in _PYTHON or isinstance(b, np.number):
        return b * a ** (b - 1) if b != 0 else 0.0
    return strong_product(b, np.power(a, b - 1))


def power_exponent(y: Array, a: Array, b: Array) -> Array:
    """a^b·log a, and its limit 0 at a = 0 for b > 0 (for b = 0 as well)."""
    if type(a) in (int, float) and y.dtype.kind != "c" and 0 < a < math.inf:
        return y * math.log(a)
    if type(a) in _PYTHON:
        a = y.dtype.type(a)
    base = np.where((a == 0) & (np.real(b) >= 0), 1.0, a)
    return strong_product(y, np.log(base + 0j if y.dtype.kind == "c" else base))


# Comparing --------------------------------------------------------------------------


# `a` is what is differentiated by. A half has its dtype: beside a condition, a Python
# float is a float64.


def maximum_part(_y: Array, a: Array, b: Array) -> Array:
    """1 where a > b, or where a nan decides; ties are split evenly."""
    return np.where(a == b, a.dtype.type(0.5), ~(a < b))


def minimum_part(_y: Array, a: Array, b: Array) -> Array:
    """1 where a < b, or where a nan decides; ties are split evenly."""
    return np.where(a == b, a.dtype.type(0.5), ~(a > b))


def fmax_part(_y: Array, a: Array, b: Array) -> Array:
    """1 where a > b or b is nan; ties are split evenly."""
    return np.where(np.isnan(b), 1.0, np.where(a == b, a.dtype.type(0.5), a > b))


def fmin_part(_y: Array, a: Array, b: Array) -> Array:
    """1 where a < b or b is nan; ties are split evenly."""
    return np.where(np.isnan(b), 1.0, np.where(a == b, a.dtype.type(0.5), a < b))


# The partials ∂y/∂a, ∂y/∂b. Operators are evaluated by Python's own, which on NumPy
# scalars are ten times faster than the ufuncs, and on arrays are the ufuncs; but a
# Python complex takes a float64 for a Python float, and gives a Python complex.
# fmt: off
ADD       = ufunc(np.add, 1, 1, bounded=True, evaluate=lambda a, b:
                  a + b if type(a) is not complex else np.add(a, b))
SUBTRACT  = ufunc(np.subtract, 1, -1, bounded=True, evaluate=lambda a, b:
                  a - b if type(a) is not complex else np.subtract(a, b))
MULTIPLY  = ufunc(np.multiply, lambda _y, _a, b: b, lambda _y, a, _b: a, bounded=True,
                  evaluate=lambda a, b:
                  a * b if type(a) is not complex else np.multiply(a, b))
DIVIDE    = ufunc(np.divide, lambda _y, _a, b: inverse(b), lambda y, _a, b: -y / b,
                  evaluate=lambda a, b:
                  a / b if type(a) is not complex else np.divide(a, b))
POWER     = ufunc(np.power, power_base, power_exponent, evaluate=power)
# `float_power` differs from power in its dtype only.
FLOAT_POWER = ufunc(np.float_power, power_base, power_exponent)
NEGATIVE  = ufunc(np.negative, -1, bounded=True, evaluate=operator.neg)
POSITIVE  = ufunc(np.positive, 1, bounded=True)
SQUARE    = ufunc(np.square, lambda _y, x: 2.0 * x, bounded=True,
                  evaluate=lambda x: x * x)
# `+ 0.0` because the root of −0 is −0, from which the slope would be −inf.
SQRT      = ufunc(np.sqrt, lambda y, _x: 0.5 / (y + 0.0))
CBRT      = ufunc(np.cbrt, lambda y, _x: 1.0 / (3.0 * y * y))
RECIPROCAL = ufunc(np.reciprocal, lambda y, _x: -y * y)
ABSOLUTE  = ufunc(np.absolute, lambda _y, x: np.sign(x), bounded=True)
FABS      = ufunc(np.fabs, lambda _y, x: np.sign(x), bounded=True)
HYPOT     = ufunc(np.hypot, lambda _y, a, b: direction(a, b),
                  lambda _y, a, b: direction(b, a), bounded=True)
MAXIMUM   = ufunc(np.maximum, maximum_part, lambda _y, a, b: maximum_part(_y, b, a),
                  bounded=True)
MINIMUM   = ufunc(np.minimum, minimum_part, lambda _y, a, b: minimum_part(_y, b, a),
                  bounded=True)
FMAX      = ufunc(np.fmax, fmax_part, lambda _y, a, b: fmax_part(_y, b, a),
                  bounded=True)
FMIN      = ufunc(np.fmin, fmin_part, lambda _y, a, b: fmin_part(_y, b, a),
                  bounded=True)
REMAINDER = ufunc(np.remainder, 1, lambda _y, a, b: -np.floor_divide(a, b))
# The quotient from the exact remainder: a/b may be rounded up to a whole number.
FMOD      = ufunc(np.fmod, 1, lambda y, a, b: -np.rint((a - y) / b))
COPYSIGN  = ufunc(np.copysign, lambda _y, a, b:
                  np.sign(a) * np.copysign(a.dtype.type(1), b), None,
                  bounded=True)
NEXTAFTER = ufunc(np.nextafter, 1, None, bounded=True)
HEAVISIDE = ufunc(np.heaviside, None, lambda _y, x, _h: x == 0, bounded=True)
LDEXP     = ufunc(np.ldexp, lambda _y, x, e: np.ldexp(x.dtype.type(1), e), None)
# fmt: on
