"""arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh.

arcsin and arccos use x = sin θ for |x| ≤ ½ and sin²(θ/2) = (1 − x)/2 beyond; arctan
turns by 0, π/4 or π/2 with one quotient (W. J. Cody, W. Waite, "Software Manual for the
Elementary Functions", 1980, chapters 10 and 11). The inverse hyperbolic functions are
log1p of an expression that keeps all digits near zero.
"""

import math

from wengert.native.mathematics.lanes import Lanes, Real
from wengert.native.mathematics.logarithm import (
    borders_one_plus,
    natural,
    split_one_plus,
)

# (arcsin(s)/s − 1)/s² for s² ≤ ¼, and (arctan(t)/t − 1)/t² for t ≤ tan ½.
ARCSINE = {
    "double": (
        0.1666666666666541, 0.07500000000336823, 0.04464285682847626,
        0.03038195913100009, 0.022371758193917932, 0.017359702564675762,
        0.013885257669535992, 0.012169062287992255, 0.006528636779175328,
        0.01952641409122641, -0.016221288409503456, 0.03191020040707122,
    ),
    "float": (
        0.16666752099990845, 0.07495301961898804, 0.045469801872968674,
        0.02418234385550022, 0.042161498218774796,
    ),
}  # fmt: skip
ARCTANGENT = {
    "double": (
        -0.3333333333333332, 0.19999999999996518, -0.14285714285338583,
        0.11111111090574902, -0.09090908423634175, 0.07692293610537906,
        -0.06666462981905533, 0.05880264654178911, -0.052476755454765704,
        0.046780882871335264, -0.0401608962859185, 0.030458545565632367,
        -0.017297966971950032, 0.005221760489746727,
    ),
    "float": (
        -0.33333316445350647, 0.19998905062675476, -0.14261089265346527,
        0.10851701349020004, -0.07657349854707718, 0.034301791340112686,
    ),
}  # fmt: skip
# π/4, π/2, 3π/4, π: what the nearest number leaves of them.
QUARTER = {"double": (0.7853981633974483, 3.061616997868383e-17),
           "float": (0.7853981852531433, -2.1855694143368964e-08)}  # fmt: skip
# From where the angle is turned by π/4, or π/2: the first so that it is above ½ there,
# where the rounding of the quotient no longer counts twice.
MIDDLE, STEEP = 0.5463024898437905, 2.414213562373095


def _arcsine_parts(v: Lanes, x: Real) -> tuple[Real, Real, Real]:
    """|x|, and s, s³·P(s²) with s = |x|, or √((1−|x|)/2) beyond ½."""
    size = abs(x)
    outer = v.fma(size, -0.5, 0.5)
    beyond = size > 0.5
    z = beyond.where(outer, size * size)
    s = beyond.where(v.sqrt(outer), size)
    return size, s, (s * z) * v.polynomial(z, ARCSINE[v.kind.element])


def arcsin(v: Lanes, x: Real) -> Real:
    """The angle between −π/2 and π/2 whose sine is x."""
    size, s, small = _arcsine_parts(v, x)
    quarter, lost = QUARTER[v.kind.element]
    # π/2 − 2(s + small), from (π/4 − ½) − s, which is exact for s ≥ ¼.
    outer = ((((quarter - 0.5) - s) - (small - lost)) + 0.5) * 2.0
    return v.copysign((size > 0.5).where(outer, s + small), x)


def arccos(v: Lanes, x: Real) -> Real:
    """The angle between 0 and π whose cosine is x."""
    size, s, small = _arcsine_parts(v, x)
    quarter, lost = QUARTER[v.kind.element]
    half = 2.0 * quarter
    signed, small_signed = v.copysign(s, x), v.copysign(small, x)
    inner = half - (signed - (2.0 * lost - small_signed))
    right = (s + small) * 2.0
    left = 2.0 * (half - (s - (2.0 * lost - small)))
    outer = (x < 0.0).where(left, right)
    return (size > 0.5).where(outer, inner)


def _turned(v: Lanes, a: Real, b: Real) -> tuple[Real, Real, Real]:
    """arctan(a/b) for a, b ≥ 0 as the angle turned by, its lost part, and the rest."""
    quarter, lost = QUARTER[v.kind.element]
    steep, middle = a > b * STEEP, a > b * MIDDLE
    above = steep.where(-b, middle.where(a - b, a))
    below = steep.where(a, middle.where(a + b, b))
    t = above / below
    z = t * t
    rest = v.fma(t * z, v.polynomial(z, ARCTANGENT[v.kind.element]), t)
    by = steep.where(2.0 * quarter, middle.where(quarter, 0.0))
    by_lost = steep.where(2.0 * lost, middle.where(lost, 0.0))
    return by, by_lost, rest


def arctan(v: Lanes, x: Real) -> Real:
    """The angle between −π/2 and π/2 whose tangent is x."""
    one = v.value(v.text(1.0))
    by, lost, rest = _turned(v, abs(x), one)
    return v.copysign(by + (rest + lost), x)


def arctan2(v: Lanes, y: Real, x: Real) -> Real:
    """The angle of the point (x, y), between −π and π."""
    a, b = abs(y), abs(x)
    both = a.equals(b) & (a.equals(0.0) | a.equals(math.inf))
    largest = (a < b).where(b, a)
    # A sum of two may overflow, and a subnormal times 2.4 may have no digits. At the
    # origin, and for equal infinities, the quotient is 0/1, and that of 1/1.
    far = 2.0 ** (v.format.bias - 4)
    factor = (largest > far).where(0.125, (largest < 1.0 / far).where(2.0**64, 1.0))
    a1 = both.where(a.equals(0.0).where(0.0, 1.0), a * factor)
    b1 = both.where(1.0, b * factor)
    by, lost, rest = _turned(v, a1, b1)
    quarter, quarter_lost = QUARTER[v.kind.element]
    left = x.bits.compare("slt", 0)
    # Left of the axis: π − (by + rest).
    by = left.where(4.0 * quarter - by, by)
    lost = left.where(4.0 * quarter_lost - lost, lost)
    rest = left.where(-rest, rest)
    return v.copysign(by + (rest + lost), y)


def _log1p(v: Lanes, x: Real, doubled: Real | None = None) -> Real:
    k, f = split_one_plus(v, x)
    return natural(v, k if doubled is None else k + doubled, f)


def arcsinh(v: Lanes, x: Real) -> Real:
    """log(|x| + √(x²+1)) with x's sign."""
    size = abs(x)
    large = size > 2.0 ** (v.format.bias // 2)
    a = large.where(1.0, size)
    square = a * a
    u = a + square / (v.sqrt(square + 1.0) + 1.0)
    y = _log1p(v, large.where(size, u), large.where(1.0, 0.0))
    y = (size < math.inf).where(y, size)
    return v.copysign(size.equals(0.0).where(size, y), x)


def arccosh(v: Lanes, x: Real) -> Real:
    """log(x + √(x²−1)); nan for x < 1."""
    large = x > 2.0 ** (v.format.bias // 2)
    t = large.where(1.0, x) - 1.0
    u = t + v.sqrt(v.fma(t, t, t + t))
    y = _log1p(v, large.where(x, u), large.where(1.0, 0.0))
    y = (x < math.inf).where(y, x)
    y = x.equals(1.0).where(0.0, y)
    return (x < 1.0).where(math.nan, y)


def arctanh(v: Lanes, x: Real) -> Real:
    """½·log((1+x)/(1−x)); ±inf at ±1, nan beyond."""
    size = abs(x)
    u = (size + size) / (1.0 - size)
    y = 0.5 * borders_one_plus(v, u, _log1p(v, u))
    y = size.equals(0.0).where(size, y)
    y = size.equals(1.0).where(math.inf, y)
    return v.copysign((size > 1.0).where(math.nan, y), x)
