"""sinh, cosh, tanh.

With |x| = n·ln 2 + r, and S, C = (2ⁿ ∓ 2⁻ⁿ)/2, which are exact until one term
vanishes: sinh |x| = S·cosh r + C·sinh r and cosh |x| = C·cosh r + S·sinh r. No term
cancels but for n = 0, where S = 0.
"""

from typing import NamedTuple

from wengert.native.mathematics.exponential import (
    LN2_FUSED,
    LN2_SPLIT,
    LOG2E,
    minus_one_exactly,
    nearest,
    power_of_two,
)
from wengert.native.mathematics.lanes import Lanes, Mask, Real

# (sinh(r)/r − 1)/r² and (cosh(r) − 1)/r² for |r| ≤ ln 2 / 2.
SINH = {
    "double": (
        0.16666666666666677, 0.008333333333321636, 0.0001984126988611794,
        2.755724421029487e-06, 2.510903921481821e-08,
    ),
    "float": (0.1666654348373413, 0.008366546593606472),
}  # fmt: skip
COSH = {
    "double": (
        0.5, 0.04166666666666671, 0.0013888888888863857, 2.4801587363543625e-05,
        2.755724170168031e-07, 2.092446323770113e-09,
    ),
    "float": (0.5, 0.041666265577077866, 0.0013946261024102569),
}  # fmt: skip

BEYOND = {"double": 710.6, "float": 89.5}  # where sinh and cosh are infinite
FLAT = {"double": 20.0, "float": 10.0}  # where tanh is 1


class Parts(NamedTuple):
    """2ⁿ/4, 2⁻ⁿ/4, their difference and sum; sinh r and cosh r − 1; whether n = 0."""

    up: Real
    down: Real
    s: Real
    c: Real
    sinh: Real
    cosh: Real
    central: Mask


def _parts(v: Lanes, a: Real) -> Parts:
    """For a ≥ 0. A quarter, because 2ⁿ/2 could overflow."""
    a = v.at_most(a, BEYOND[v.kind.element])
    n, stored = nearest(v, a, LOG2E)
    first, second = (LN2_FUSED if v.fused else LN2_SPLIT)[v.kind.element]
    high = v.fma(n, -first, a)
    r = v.fma(n, -second, high)
    lost = v.fma(n, -second, high - r)
    up = power_of_two(v, stored, 2)
    # 2⁻ⁿ underflows for large n, where it doesn't count any more.
    least = (v.format.round_magic - v.at_most(n, 2.0 * v.format.fraction)).bits
    down = power_of_two(v, least, 2)
    z = r * r
    sinh_r = r + v.fma(r * z, v.polynomial(z, SINH[v.kind.element]), lost)
    cosh_r = z * v.polynomial(z, COSH[v.kind.element])
    return Parts(up, down, up - down, up + down, sinh_r, cosh_r, n.equals(0.0))


def sinh(v: Lanes, x: Real) -> Real:
    """(eˣ − e⁻ˣ)/2."""
    p = _parts(v, abs(x))
    y = (p.s + v.fma(p.c, p.sinh, p.s * p.cosh)) * 2.0
    return v.copysign(p.central.where(p.sinh, y), x)


def cosh(v: Lanes, x: Real) -> Real:
    """(eˣ + e⁻ˣ)/2."""
    p = _parts(v, abs(x))
    small = v.fma(p.s, p.sinh, v.fma(p.c, p.cosh, p.down))
    return (p.up + small) * 2.0


def tanh(v: Lanes, x: Real) -> Real:
    """(1 − E)/(1 + E) with E = e^(−2|x|) = 2ⁿ(1 + t): near 0 all is in t."""
    a = v.at_most(abs(x), FLAT[v.kind.element])
    n, stored = nearest(v, a, -2.0 * LOG2E)
    t = minus_one_exactly(v, a * -2.0, n)
    scale = power_of_two(v, stored)
    one_less, one_more = 1.0 - scale, scale + 1.0
    above = v.fma(-scale, t, one_less)
    below = v.fma(scale, t, one_more)
    y = above / below
    # What the two were rounded by, times 1/(1 + E), which is (1 + y)/2.
    lost = v.fma(-scale, t, one_less - above)
    error = v.fma(-y, v.fma(scale, t, one_more - below), lost)
    return v.copysign(v.fma(error, v.fma(y, 0.5, 0.5), y), x)
