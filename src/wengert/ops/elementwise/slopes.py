"""Slopes with a derivative of their own.

A slope written out in NumPy is differentiated term by term for the second derivative,
and the terms may cancel or overflow although the sum is small: for tanh′ = 4e/(1+e)² at
1e-10 ten digits are lost. Each of these ops knows its slope in a form that loses none.
"""

import math

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.ops.elementwise.record import function

LN2 = math.log(2.0)


# 1 − x² and 1/(1 + x²) ------------------------------------------------------------


def one_minus_square(x: Array) -> Array:
    """1 − x² as (1−x)(1+x), which keeps all digits near ±1."""
    return bind(ONE_MINUS_SQUARE, x)


def lorentzian(x: Array) -> Array:
    """1/(1+x²), where x² may overflow."""
    return bind(LORENTZIAN, x)


def _lorentzian(x: Array) -> Array:
    if x.dtype.kind == "c":
        return 1.0 / (1.0 + x * x)
    h = np.hypot(x, 1.0)
    return (1.0 / h) / h


def _lorentzian_slope(y: Array, x: Array) -> Array:
    """−2x·y², in an order in which nothing underflows at 1e100, nor is inf·0."""
    return -2.0 * (x * y if x.dtype.kind == "c" else inversion(x, 1.0)) * y


ONE_MINUS_SQUARE = function(
    "one_minus_square", np.square,
    lambda x: (1.0 - x) * (1.0 + x),
    lambda _y, x: -2.0 * x,
    bounded=True,
)  # fmt: skip
LORENTZIAN = function(
    "lorentzian", np.reciprocal,
    _lorentzian,
    _lorentzian_slope,
    bounded=True,
)  # fmt: skip


# 1/cosh² --------------------------------------------------------------------------


def sech_squared(x: Array) -> Array:
    """1/cosh²x; 1 − tanh²x has no digit left at x = 20, and cosh overflows at 711."""
    return bind(SECH_SQUARED, x)


def _sech_squared(x: Array) -> Array:
    away = np.where(x.real < 0, -x, x) if x.dtype.kind == "c" else np.abs(x)
    e = np.exp(-away)
    sech = 2.0 * e / (1.0 + e * e)
    return sech * sech


SECH_SQUARED = function(
    "sech_squared", np.tanh,
    _sech_squared,
    lambda y, x: -2.0 * np.tanh(x) * y,
    bounded=True,
)  # fmt: skip


# The share of one in a sum of two exponentials --------------------------------------


def share(a: Array, b: Array) -> Array:
    """eᵃ/(eᵃ+eᵇ), and a half for equal infinities."""
    return bind(SHARE, a, b)


def share2(a: Array, b: Array) -> Array:
    """2ᵃ/(2ᵃ+2ᵇ), and a half for equal infinities."""
    return bind(SHARE2, a, b)


def _share(exp: np.ufunc, a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        ahead = np.where(a == b, 0.0, np.subtract(a, b))
    e = exp(-np.abs(ahead))
    return np.where(ahead < 0, e, 1.0) / (1.0 + e)


SHARE = function(
    "share", np.logaddexp,
    lambda a, b: _share(np.exp, a, b),
    lambda y, a, b: y * share(b, a),
    lambda y, a, b: -y * share(b, a),
    bounded=True,
)  # fmt: skip
SHARE2 = function(
    "share2", np.logaddexp2,
    lambda a, b: _share(np.exp2, a, b),
    lambda y, a, b: LN2 * y * share2(b, a),
    lambda y, a, b: -LN2 * y * share2(b, a),
    bounded=True,
)  # fmt: skip


# Points in the plane ----------------------------------------------------------------


def direction(a: Array, b: Array) -> Array:
    """a/√(a²+b²), and 0 at the origin."""
    return bind(DIRECTION, a, b)


def inversion(a: Array, b: Array) -> Array:
    """a/(a²+b²), and 0 at the origin."""
    return bind(INVERSION, a, b)


def _scaled(a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """(a/m, b/m, (a²+b²)/m², m), m the larger of |a| and |b|: no square over- or
    underflows."""
    dtype = np.result_type(a, b, 0.0)
    a, b = np.asarray(a, dtype), np.asarray(b, dtype)
    m = np.maximum(np.abs(a), np.abs(b))
    m = np.where(m == 0, 1.0, m)
    if np.isinf(m).any():
        # Infinite sides are all that counts.
        far = np.isinf(m)
        a = np.where(far, np.where(np.isinf(a), np.sign(a), 0.0), a)
        b = np.where(far, np.where(np.isinf(b), np.sign(b), 0.0), b)
        u, v = a / np.where(far, 1.0, m), b / np.where(far, 1.0, m)
    else:
        u, v = a / m, b / m
    square = u * u + v * v
    return u, v, np.where(square == 0, 1.0, square), m


def _direction(a: Array, b: Array) -> Array:
    u, _, square, _ = _scaled(a, b)
    return (u / np.sqrt(square))[()]


def _inversion(a: Array, b: Array) -> Array:
    u, _, square, m = _scaled(a, b)
    return (u / square / m)[()]


DIRECTION = function(
    "direction", np.hypot,
    _direction,
    lambda _y, a, b: direction(b, a) * inversion(b, a),
    lambda y, a, b: -y * inversion(b, a),
)  # fmt: skip
INVERSION = function(
    "inversion", np.hypot,
    _inversion,
    lambda y, a, b: (inversion(b, a) - y) * (inversion(b, a) + y),
    lambda y, a, b: -2.0 * y * inversion(b, a),
)  # fmt: skip
