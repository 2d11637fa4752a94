"""log, log2, log10, log1p.

x = 2ᵏ·m with m between √½ and √2, and with f = m − 1, s = f/(2 + f):
log m = 2·artanh s = f − (f²/2 − s·(f²/2 + R(s²))), in which f is exact and the rest is
small (P. T. P. Tang, "Table-driven implementation of the logarithm function in IEEE
floating-point arithmetic", ACM TOMS 16, 1990, discusses the form). R is minimax.
"""

from typing import NamedTuple

from wengert.native.mathematics.exponential import LN2_FUSED, LN2_SPLIT
from wengert.native.mathematics.lanes import Lanes, Real

# (2·artanh(s)/s − 2)/s².
ARTANH = {
    "double": (
        0.6666666666666734, 0.39999999999416486, 0.28571428741986366,
        0.22222198614316535, 0.18183562192088237, 0.15314105027214486,
        0.14795406054218324,
    ),
    "float": (0.6666677594184875, 0.3997758626937866, 0.29870596528053284),
}  # fmt: skip

ROOT_HALF_BITS = {"double": 0x3FE6A09E667F3BCD, "float": 0x3F3504F3}
SMALLEST = {"double": 2.0**-1022, "float": 2.0**-126}
ROOTS = {"double": 2.0**54, "float": 2.0**25}  # lift subnormals


class Split(NamedTuple):
    """x = 2ᵏ·(1 + f)."""

    k: Real
    f: Real


class Pieces(NamedTuple):
    """log(1 + f) = f − (half − product): f exact, half = f²/2, product = s·(half+R)."""

    f: Real
    half: Real
    product: Real


def split(v: Lanes, x: Real) -> Split:
    """k and m − 1, for any finite positive x."""
    f, element = v.format, v.kind.element
    small = x < SMALLEST[element]
    lifted = small.where(x * ROOTS[element], x)
    k, m = exponent_of(v, lifted)
    return Split(k - small.where(f.fraction + 2.0, 0.0), m - 1.0)


def exponent_of(v: Lanes, x: Real) -> tuple[Real, Real]:
    """(k, m) with x = 2ᵏ·m, √½ ≤ m < √2, for normal positive x."""
    f = v.format
    bits = x.bits
    # Counted from √½ the exponent bits are k; the bias keeps them positive.
    moved = bits + ((f.bias << f.fraction) - ROOT_HALF_BITS[v.kind.element])
    biased = moved >> f.fraction
    m = (bits - (moved & (-1 << f.fraction)) + (f.bias << f.fraction)).real
    # An integer below 2^fraction in the low bits of 2^fraction: converted by one or.
    carrier = 2.0**f.fraction
    k = (biased | f.bits(carrier)).real - (carrier + f.bias)
    return k, m


def pieces(v: Lanes, f: Real) -> Pieces:
    """The parts of log(1 + f) for √½ − 1 ≤ f ≤ √2 − 1."""
    s = f / (f + 2.0)
    z = s * s
    half = (f * 0.5) * f
    r = v.polynomial(z, ARTANH[v.kind.element])
    return Pieces(f, half, s * v.fma(z, r, half))


def natural(v: Lanes, k: Real, f: Real) -> Real:
    """k·ln 2 + log(1 + f)."""
    high, low = (LN2_FUSED if v.fused else LN2_SPLIT)[v.kind.element]
    p = pieces(v, f)
    small = v.fma(k, low, p.product)
    return v.fma(k, high, p.f - (p.half - small))


def borders(v: Lanes, x: Real, y: Real) -> Real:
    """y, and what a logarithm gives for x ≤ 0, inf and nan."""
    y = (x < float("inf")).where(y, x)
    return (x > 0.0).where(y, x.equals(0.0).where(float("-inf"), float("nan")))


def log(v: Lanes, x: Real) -> Real:
    """The natural logarithm."""
    k, f = split(v, x)
    return borders(v, x, natural(v, k, f))


def log1p(v: Lanes, x: Real) -> Real:
    """log(1 + x), with all digits near 0."""
    k, f = split_one_plus(v, x)
    y = natural(v, k, f)
    y = x.equals(0.0).where(x, y)
    return borders_one_plus(v, x, y)


def borders_one_plus(v: Lanes, x: Real, y: Real) -> Real:
    """y, and what log1p gives for x ≤ −1, inf and nan."""
    y = (x < float("inf")).where(y, x)
    y = x.equals(-1.0).where(float("-inf"), y)
    return (x < -1.0).where(float("nan"), y)


def split_one_plus(v: Lanes, x: Real) -> Split:
    """1 + x = 2ᵏ·(1 + f): f is x itself if k = 0, else right to a rounding."""
    u = x + 1.0
    k, m = exponent_of(v, u)
    # What u lost: of the larger of 1 and x, the difference to u is exact.
    big = x > 1.0
    lost = big.where(1.0, x) - (u - big.where(x, 1.0))
    # Beyond 2^64 what was lost no longer counts; the scale must stay a number.
    scale = power_of_minus(v, v.at_most(k, 64.0))
    return Split(k, k.equals(0.0).where(x, v.fma(lost, scale, m - 1.0)))


def power_of_minus(v: Lanes, k: Real) -> Real:
    """2^−k for a whole number k ≥ −bias."""
    f = v.format
    stored = (f.round_magic - k).bits
    return ((stored << f.fraction) + (f.bias << f.fraction)).real


# log2 e and log10 e as sums of two, the first with few bits.
LOG2E_PARTS = {
    "double": (1.4426950407214463, 1.675171316488651e-10),
    "float": (1.4423828125, 0.000312228366965428),
}
LOG10E_PARTS = {
    "double": (0.4342944818781689, 2.5082946711645275e-11),
    "float": (0.4342041015625, 9.038033749675378e-05),
}
LOG10_2_PARTS = {
    "double": (0.3010299955494702, 1.1451100898021838e-10),
    "float": (0.301025390625, 4.605038611771306e-06),
}


def _other_base(v: Lanes, f: Real, parts: tuple[float, float]) -> tuple[Real, Real]:
    """log(1 + f)·Σ parts as a larger term, exact, and a smaller."""
    p = pieces(v, f)
    # The leading term keeps so few bits that its product with parts[0] is exact.
    drop = -1 << (32 if v.double else 12)
    lead = ((p.f - p.half).bits & drop).real
    rest = ((p.f - lead) - p.half) + p.product
    small = v.fma(rest + lead, parts[1], rest * parts[0])
    return lead * parts[0], small


def log2(v: Lanes, x: Real) -> Real:
    """The logarithm to base 2; exact for powers of 2."""
    k, f = split(v, x)
    lead, small = _other_base(v, f, LOG2E_PARTS[v.kind.element])
    total = k + lead
    # The larger of k and lead is k, unless k = 0.
    return borders(v, x, total + (small + ((k - total) + lead)))


def log10(v: Lanes, x: Real) -> Real:
    """The logarithm to base 10."""
    k, f = split(v, x)
    high, low = LOG10_2_PARTS[v.kind.element]
    lead, small = _other_base(v, f, LOG10E_PARTS[v.kind.element])
    whole = k * high
    total = whole + lead
    rest = v.fma(k, low, small + ((whole - total) + lead))
    return borders(v, x, total + rest)
