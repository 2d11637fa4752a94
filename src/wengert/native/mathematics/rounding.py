"""Rounding, remainders, the larger or smaller of two, and the parts of a number."""

import math

from wengert.native.mathematics.exactly import or_exactly
from wengert.native.mathematics.lanes import Lanes, Mask, Real


def floor(v: Lanes, x: Real) -> Real:
    return v.call("floor", x)


def ceil(v: Lanes, x: Real) -> Real:
    return v.call("ceil", x)


def trunc(v: Lanes, x: Real) -> Real:
    return v.call("trunc", x)


def rint(v: Lanes, x: Real) -> Real:
    """The nearest whole number; ties go to the even one."""
    return v.call("roundeven", x)


def round_decimals(v: Lanes, x: Real, *, decimals: int = 0) -> Real:
    """NumPy's round: scale, round, scale back."""
    if decimals == 0:
        return rint(v, x)
    if decimals > 0:
        scale = 10.0**decimals
        return rint(v, x * scale) / scale
    scale = 10.0**-decimals
    return rint(v, x / scale) * scale


def fraction(v: Lanes, x: Real) -> Real:
    """The fractional part with x's sign; ±0 of an infinity."""
    rest = x - v.call("trunc", x)
    return v.copysign(abs(x).equals(math.inf).where(0.0, rest), x)


def sign(v: Lanes, x: Real) -> Real:
    """−1, 0, 1 or nan."""
    y = (x > 0.0).where(1.0, (x < 0.0).where(-1.0, 0.0))
    return x.is_nan().where(x, y)


def heaviside(v: Lanes, x: Real, middle: Real) -> Real:
    """0, `middle` at 0, or 1; nan for nan."""
    y = (x < 0.0).where(0.0, x.equals(0.0).where(middle, 1.0))
    return x.is_nan().where(x, y)


# Of equal zeros the second: so do x86's instructions, and therefore NumPy there.


def maximum(v: Lanes, a: Real, b: Real) -> Real:
    """The larger; nan if one is nan."""
    return a.is_nan().where(a, (a > b).where(a, b))


def minimum(v: Lanes, a: Real, b: Real) -> Real:
    """The smaller; nan if one is nan."""
    return a.is_nan().where(a, (a < b).where(a, b))


def fmax(v: Lanes, a: Real, b: Real) -> Real:
    """The larger; the other one if one is nan."""
    return b.is_nan().where(a, (a > b).where(a, b))


def fmin(v: Lanes, a: Real, b: Real) -> Real:
    """The smaller; the other one if one is nan."""
    return b.is_nan().where(a, (a < b).where(a, b))


# Remainders -------------------------------------------------------------------------


def fmod(v: Lanes, a: Real, b: Real) -> Real:
    """a − b·trunc(a/b), exactly, with a's sign.

    One fused step is exact as long as the quotient fits into a number; else, and on
    machines without that step, C's `fmod` does it.
    """
    if not v.fused:
        return v.value(v.let(f"frem {v.real} {a.text}, {b.text}"))
    x, y = abs(a), abs(b)
    quotient = x / y
    q = v.call("trunc", quotient)
    r = v.fma(-q, y, x)
    r = (r < 0.0).where(r + y, r)
    r = v.copysign((r >= y).where(r - y, r), a)
    r = y.equals(math.inf).where(a, r)
    # a nan quotient, and a divisor that is 0 or subnormal, take the long way too
    near = (quotient < 2.0**v.format.fraction) & (y >= v.format.smallest_normal * 4.0)
    near = near | (y.equals(math.inf) & (x < math.inf))
    return or_exactly(v, "fmod", ~near, r, a, b)


def _floored(v: Lanes, a: Real, b: Real) -> tuple[Real, Real, Mask]:
    """fmod, the remainder with b's sign, and whether they differ."""
    r = fmod(v, a, b)
    crossing = (r.bits ^ b.bits).compare("slt", 0) & r.compare("une", 0.0)
    crossing = crossing & ~(r.is_nan() | b.is_nan())
    return r, crossing.where(r + b, r), crossing


def remainder(v: Lanes, a: Real, b: Real) -> Real:
    """a − b·floor(a/b) with b's sign."""
    _, r, _ = _floored(v, a, b)
    zero = r.equals(0.0) & b.compare("une", 0.0)
    return zero.where(v.copysign(0.0, b), r)


def floor_divide(v: Lanes, a: Real, b: Real) -> Real:
    """floor(a/b) from the exact remainder; a/b where b is 0."""
    r, _, crossing = _floored(v, a, b)
    quotient = a / b
    down = (a - r) / b
    down = crossing.where(down - 1.0, down)
    whole = v.call("floor", down)
    whole = ((down - whole) > 0.5).where(whole + 1.0, whole)
    y = down.equals(0.0).where(v.copysign(0.0, quotient), whole)
    return b.equals(0.0).where(quotient, y)


# Parts of a number ------------------------------------------------------------------


def copysign(v: Lanes, size: Real, like: Real) -> Real:
    return v.copysign(size, like)


def absolute(v: Lanes, x: Real) -> Real:
    return abs(x)


def spacing(v: Lanes, x: Real) -> Real:
    """The distance to the next number away from zero, with x's sign."""
    y = (x.bits + 1).real - x
    y = x.equals(0.0).where((v.value(v.text(0.0)).bits | 1).real, y)
    return (abs(x) < math.inf).where(y, math.nan)


def nextafter(v: Lanes, x: Real, towards: Real) -> Real:
    """The next number after x on the way."""
    least = (v.value(v.text(0.0)).bits | 1).real
    outward = (x < towards) ^ x.bits.compare("slt", 0)
    bits = x.bits
    moved = outward.where_bits(bits + 1, bits - 1).real
    moved = x.equals(0.0).where(v.copysign(least, towards), moved)
    y = x.equals(towards).where(towards, moved)
    return (x.is_nan() | towards.is_nan()).where(math.nan, y)


def signbit(v: Lanes, x: Real) -> Mask:
    return x.bits.compare("slt", 0)


def isnan(v: Lanes, x: Real) -> Mask:
    return x.is_nan()


def isinf(v: Lanes, x: Real) -> Mask:
    return abs(x).equals(math.inf)


def isfinite(v: Lanes, x: Real) -> Mask:
    return abs(x) < math.inf
