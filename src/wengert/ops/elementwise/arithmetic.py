"""+ − × ÷, powers, roots, and the larger or smaller of two."""

import operator

import numpy as np

from wengert.core.types import Array
from wengert.ops.elementwise.record import ufunc


def power_base(_y: Array, a: Array, b: Array) -> Array:
    """b·a^(b−1), and 0 for b = 0 also where a = 0."""
    if type(b) is float or type(b) is int:
        return b * a ** (b - 1) if b else 0.0 * a
    return b * np.power(a, np.where(b == 0, 1.0, b - 1))


def power_exponent(y: Array, a: Array, b: Array) -> Array:
    """a^b·log a, and its limit 0 at a = 0 for b > 0."""
    return y * np.log(np.where(a == 0, 1.0, a))


def larger(_y: Array, a: Array, b: Array) -> Array:
    """1 where a > b; ties are split evenly."""
    return np.where(a == b, 0.5, a > b)


def smaller(_y: Array, a: Array, b: Array) -> Array:
    """1 where a < b; ties are split evenly."""
    return np.where(a == b, 0.5, a < b)


def hypot_part(y: Array, a: Array) -> Array:
    """a / hypot(a, b), and the subgradient 0 at the origin."""
    return a / np.where(y == 0, 1.0, y)


# The partials ∂y/∂a, ∂y/∂b. Operators are evaluated by Python's `operator`, which on
# NumPy scalars is ten times faster than the ufunc and on arrays is the ufunc.
# fmt: off
ADD       = ufunc(np.add, 1, 1, bounded=True, evaluate=operator.add)
SUBTRACT  = ufunc(np.subtract, 1, -1, bounded=True, evaluate=operator.sub)
MULTIPLY  = ufunc(np.multiply, lambda _y, _a, b: b, lambda _y, a, _b: a,
                  bounded=True, evaluate=operator.mul)
DIVIDE    = ufunc(np.divide, lambda _y, _a, b: 1.0 / b, lambda y, _a, b: -y / b,
                  evaluate=operator.truediv)
POWER     = ufunc(np.power, power_base, power_exponent, evaluate=operator.pow)
NEGATIVE  = ufunc(np.negative, -1, bounded=True, evaluate=operator.neg)
POSITIVE  = ufunc(np.positive, 1, bounded=True)
SQUARE    = ufunc(np.square, lambda _y, x: 2.0 * x, bounded=True, evaluate=lambda x: x * x)
SQRT      = ufunc(np.sqrt, lambda y, _x: 0.5 / y)
CBRT      = ufunc(np.cbrt, lambda y, _x: 1.0 / (3.0 * y * y))
RECIPROCAL = ufunc(np.reciprocal, lambda y, _x: -y * y)
ABSOLUTE  = ufunc(np.absolute, lambda _y, x: np.sign(x), bounded=True)
FABS      = ufunc(np.fabs, lambda _y, x: np.sign(x), bounded=True)
HYPOT     = ufunc(np.hypot, lambda y, a, _b: hypot_part(y, a),
                  lambda y, _a, b: hypot_part(y, b), bounded=True)
MAXIMUM   = ufunc(np.maximum, larger, lambda y, a, b: larger(y, b, a), bounded=True)
MINIMUM   = ufunc(np.minimum, smaller, lambda y, a, b: smaller(y, b, a), bounded=True)
FMAX      = ufunc(np.fmax, lambda _y, a, b: np.where(np.isnan(b), 1.0, larger(_y, a, b)),
                  lambda _y, a, b: np.where(np.isnan(a), 1.0, larger(_y, b, a)),
                  bounded=True)
FMIN      = ufunc(np.fmin, lambda _y, a, b: np.where(np.isnan(b), 1.0, smaller(_y, a, b)),
                  lambda _y, a, b: np.where(np.isnan(a), 1.0, smaller(_y, b, a)),
                  bounded=True)
REMAINDER = ufunc(np.remainder, 1, lambda _y, a, b: -np.floor_divide(a, b), bounded=True)
FMOD      = ufunc(np.fmod, 1, lambda _y, a, b: -np.trunc(a / b), bounded=True)
COPYSIGN  = ufunc(np.copysign, lambda _y, a, b:
                  np.where(np.signbit(a) == np.signbit(b), 1.0, -1.0), None, bounded=True)
NEXTAFTER = ufunc(np.nextafter, 1, None, bounded=True)
HEAVISIDE = ufunc(np.heaviside, None, lambda _y, x, _h: x == 0, bounded=True)
# fmt: on

# `FLOAT_POWER` differs from power in its dtype only.
FLOAT_POWER = ufunc(np.float_power, power_base, power_exponent)
