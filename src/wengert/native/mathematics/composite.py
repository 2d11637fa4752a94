"""Functions made of others: logaddexp, angles, and the slope ops of ops/elementwise."""

import math
from collections.abc import Callable

from wengert.native.mathematics.exponential import exp, exp2
from wengert.native.mathematics.lanes import Lanes, Real
from wengert.native.mathematics.logarithm import log1p

LN2 = 0.6931471805599453
LOG2E = 1.4426950408889634


def logaddexp(v: Lanes, a: Real, b: Real) -> Real:
    """log(eᵃ + eᵇ)."""
    larger, behind = _apart(v, a, b)
    y = larger + log1p(v, exp(v, behind))
    return a.equals(b).where(a + LN2, y)


def logaddexp2(v: Lanes, a: Real, b: Real) -> Real:
    """log₂(2ᵃ + 2ᵇ)."""
    larger, behind = _apart(v, a, b)
    y = larger + log1p(v, exp2(v, behind)) * LOG2E
    return a.equals(b).where(a + 1.0, y)


def _apart(v: Lanes, a: Real, b: Real) -> tuple[Real, Real]:
    """The larger of two, and how far the other is below it; nan if one is nan."""
    return (a > b).where(a, b), -abs(a - b)


def deg2rad(v: Lanes, x: Real) -> Real:
    return x * (math.pi / 180.0)


def rad2deg(v: Lanes, x: Real) -> Real:
    return x * (180.0 / math.pi)


def square(v: Lanes, x: Real) -> Real:
    return x * x


def reciprocal(v: Lanes, x: Real) -> Real:
    return 1.0 / x


# Slopes -----------------------------------------------------------------------------


def one_minus_square(v: Lanes, x: Real) -> Real:
    """1 − x²."""
    return (1.0 - x) * (1.0 + x)


def lorentzian(v: Lanes, x: Real) -> Real:
    """1/(1 + x²)."""
    size = abs(x)
    # Beyond, 1 no longer counts, and x² may overflow.
    large = size > 2.0 ** (v.format.fraction + 4)
    inverse = 1.0 / large.where(size, v.fma(x, x, 1.0))
    return large.where(inverse * inverse, inverse)


def sech_squared(v: Lanes, x: Real) -> Real:
    """1/cosh²x."""
    e = exp(v, -abs(x))
    sech = (e + e) / v.fma(e, e, 1.0)
    return sech * sech


Exponential = Callable[[Lanes, Real], Real]


def share(v: Lanes, a: Real, b: Real) -> Real:
    """eᵃ/(eᵃ + eᵇ), and a half for equal infinities."""
    return _share(v, exp, a, b)


def share2(v: Lanes, a: Real, b: Real) -> Real:
    """2ᵃ/(2ᵃ + 2ᵇ), and a half for equal infinities."""
    return _share(v, exp2, a, b)


def _share(v: Lanes, power: Exponential, a: Real, b: Real) -> Real:
    ahead = a.equals(b).where(0.0, a - b)
    size = -abs(ahead)
    e = power(v, size)
    return (ahead < 0.0).where(e, 1.0) / (e + 1.0)


def strong_product(v: Lanes, a: Real, b: Real) -> Real:
    """a·b, and 0 where a factor is 0; the plain product where that is finite."""
    y = a * b
    zero = (a.equals(0.0) | b.equals(0.0)) & ~(abs(y) < math.inf)
    return zero.where(0.0, y)


def direction(v: Lanes, a: Real, b: Real) -> Real:
    """a/√(a² + b²), and 0 at the origin."""
    p, _, _, square = _scaled(v, a, b)
    return p / v.sqrt(square)


def inversion(v: Lanes, a: Real, b: Real) -> Real:
    """a/(a² + b²), and 0 at the origin."""
    p, _, size, square = _scaled(v, a, b)
    return (p / square) / size


def _scaled(v: Lanes, a: Real, b: Real) -> tuple[Real, Real, Real, Real]:
    """(a/m, b/m, m, (a² + b²)/m²), m the larger size; infinities count as ±1."""
    size_a, size_b = abs(a), abs(b)
    m = (size_a < size_b).where(size_b, size_a)
    m = size_b.is_nan().where(b, m)
    m = m.equals(0.0).where(1.0, m)
    far = m.equals(math.inf)
    divisor = far.where(1.0, m)

    def side(x: Real, size: Real) -> Real:
        at_infinity = size.equals(math.inf).where(v.copysign(1.0, x), 0.0)
        return far.where(at_infinity, x) / divisor

    p, q = side(a, size_a), side(b, size_b)
    square = v.fma(p, p, q * q)
    return p, q, m, square.equals(0.0).where(1.0, square)
