"""exp, exp2, expm1.

x = n·ln 2 + r with |r| ≤ ln 2 / 2 and eˣ = 2ⁿ·eʳ (W. J. Cody, W. Waite, "Software
Manual for the Elementary Functions", 1980, chapter 6); eʳ − 1 by a minimax polynomial.
n is rounded by adding 1.5·2⁵², which leaves it in the low bits, where a shift makes it
the exponent of 2ⁿ.
"""

from typing import NamedTuple

from wengert.native.mathematics.lanes import Bits, Lanes, Real

LOG2E = 1.4426950408889634

# ln 2 = Σ parts. Without fused multiply-add, n·(first part) must be exact.
LN2_FUSED = {
    "double": (0.6931471805599453, 2.3190468138462996e-17),
    "float": (0.6931471228599548, 5.769998878690785e-08),
}
LN2_SPLIT = {
    "double": (0.6931471803691238, 1.9082149292705877e-10),
    "float": (0.693145751953125, 1.428606765330187e-06),
}

# (eʳ − 1 − r)/r²: of least error relative to eʳ − 1.
EXPONENTIAL = {
    "double": (
        0.5000000000000007, 0.16666666666666696, 0.04166666666656217,
        0.008333333333293362, 0.0013888888936261872, 0.00019841269986397574,
        2.4801499650618296e-05, 2.7557117588357918e-06, 2.762827211436076e-07,
        2.516106734670695e-08,
    ),
    "float": (
        0.5, 0.1666666716337204, 0.04166632518172264, 0.008333220146596432,
        0.0013943228404968977, 0.00019961791986133903,
    ),
}  # fmt: skip

# Beyond these, eˣ is 0 or inf: n stays within what the two scale factors reach.
REACH = {"double": (-746.0, 710.0), "float": (-104.0, 89.0)}
REACH2 = {"double": (-1076.0, 1024.0), "float": (-151.0, 128.0)}


class Reduced(NamedTuple):
    """x = n·ln 2 + r; `stored` has n in its low bits."""

    n: Real
    r: Real
    stored: Bits


def nearest(v: Lanes, x: Real, factor: float) -> tuple[Real, Bits]:
    """The whole number nearest to x·factor, and that number in the low bits."""
    magic = v.format.round_magic
    moved = v.fma(x, factor, magic)
    return moved - magic, moved.bits


def less_multiple(v: Lanes, x: Real, n: Real, parts: tuple[float, ...]) -> Real:
    """x − n·Σ parts, one part after the other."""
    for part in parts:
        x = v.fma(n, -part, x)
    return x


def reduce(v: Lanes, x: Real) -> Reduced:
    """Takes out the multiple of ln 2."""
    n, stored = nearest(v, x, LOG2E)
    parts = (LN2_FUSED if v.fused else LN2_SPLIT)[v.kind.element]
    return Reduced(n, less_multiple(v, x, n, parts), stored)


def minus_one(v: Lanes, r: Real) -> Real:
    """eʳ − 1 for |r| ≤ ln 2 / 2."""
    square = r * r
    q = v.polynomial(r, EXPONENTIAL[v.kind.element], square)
    return v.fma(square, q, r)


def minus_one_exactly(v: Lanes, x: Real, n: Real) -> Real:
    """e^(x − n·ln 2) − 1, with what the rounding of the exponent takes away."""
    first, second = (LN2_FUSED if v.fused else LN2_SPLIT)[v.kind.element]
    high = v.fma(n, -first, x)
    r = v.fma(n, -second, high)
    lost = v.fma(n, -second, high - r)
    square = r * r
    q = v.polynomial(r, EXPONENTIAL[v.kind.element], square)
    return r + v.fma(square, q, lost)


def power_of_two(v: Lanes, stored: Bits, less: int = 0) -> Real:
    """2^(n−less), n in the low bits, within the range of normal numbers."""
    f = v.format
    return ((stored << f.fraction) + ((f.bias - less) << f.fraction)).real


def scaled(v: Lanes, x: Real, t: Real, stored: Bits) -> Real:
    """(1 + t)·2ⁿ, also where 2ⁿ alone is too large or below the normal numbers.

    The sign of x is that of n. Down there the last product rounds to a subnormal.
    """
    f = v.format
    down = f.fraction + 12
    small = x < 0.0
    exponent = small.where_bits((f.bias + down) << f.fraction,
                                (f.bias - 1) << f.fraction)  # fmt: skip
    factor = ((stored << f.fraction) + exponent).real
    return v.fma(factor, t, factor) * small.where(2.0**-down, 2.0)


def exp(v: Lanes, x: Real) -> Real:
    """eˣ."""
    low, high = REACH[v.kind.element]
    x = v.at_least(v.at_most(x, high), low)
    _, r, stored = reduce(v, x)
    return scaled(v, x, minus_one(v, r), stored)


def exp2(v: Lanes, x: Real) -> Real:
    """2ˣ; exact for whole x."""
    low, high = REACH2[v.kind.element]
    x = v.at_least(v.at_most(x, high), low)
    magic = v.format.round_magic
    moved = x + magic
    r = x - (moved - magic)
    high_part, low_part = LN2_FUSED[v.kind.element]
    t = r * high_part if not v.fused else v.fma(r, high_part, r * low_part)
    return scaled(v, x, minus_one(v, t), moved.bits)


def expm1(v: Lanes, x: Real) -> Real:
    """eˣ − 1, with all digits near 0."""
    _, high = REACH[v.kind.element]
    low = -2.0 * v.format.fraction
    y = v.at_least(v.at_most(x, high), low)
    n, stored = nearest(v, y, LOG2E)
    t = minus_one_exactly(v, y, n)
    large = n > 1.0
    # 2^(n−1) where 2ⁿ could overflow.
    exponent = large.where_bits((v.format.bias - 1) << v.format.fraction,
                                v.format.bias << v.format.fraction)  # fmt: skip
    scale = ((stored << v.format.fraction) + exponent).real
    once = large.where(0.5, 1.0)
    whole = v.fma(scale, t, scale - once) * large.where(2.0, 1.0)
    return v.copysign(n.equals(0.0).where(t, whole), x)
