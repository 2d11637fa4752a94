"""sin, cos, tan, and sin with cos.

|x| is reduced by the nearest multiple of π/2, which is taken as a sum of parts:
with a fused multiply-add each step x − n·part is rounded once, and the first is exact;
without, n·part is exact because the parts are short (W. J. Cody, W. Waite, "Software
Manual for the Elementary Functions", 1980, chapter 8). Lanes too large for that are
rare, and C's functions do them (module `exactly`).
"""

from typing import NamedTuple

from wengert.native.mathematics.exactly import or_exactly
from wengert.native.mathematics.exponential import less_multiple, nearest
from wengert.native.mathematics.lanes import Bits, Lanes, Mask, Real
from wengert.native.mathematics.pairs import product

# π/2 = Σ parts.
HALF_PI_FUSED = {
    "double": (1.5707963267948966, 6.123233995736765e-17, 1.0828566739219139e-32),
    "float": (1.570796251296997, 7.549789415861596e-08, 5.390302529957765e-15),
}
HALF_PI_SPLIT = {
    "double": (
        1.570796325802803, 9.920935739593517e-10, 5.721188709663575e-18,
        1.6446256936324258e-26,
    ),
    "float": (
        1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.5633440682570896e-12,
    ),
}  # fmt: skip
# The largest |x| for which the parts reach.
FUSED_LIMIT = {"double": 2.0**36, "float": 2.0**14}
SPLIT_LIMIT = {"double": 2.0**24, "float": 2.0**13}
INVERSE_HALF_PI = 0.6366197723675814
HALF_PI = 1.5707963267948966

# For |r| ≤ π/4: (sin(r)/r − 1)/r², and (cos r − 1 + r²/2)/r⁴.
SINE = {
    "double": (
        -0.1666666666666663, 0.008333333333322068, -0.00019841269829546442,
        2.7557313605867643e-06, -2.5050745252256634e-08, 1.5896080249150575e-10,
    ),
    "float": (-0.16666655242443085, 0.008332159370183945, -0.00019515045278239995),
}  # fmt: skip
COSINE = {
    "double": (
        0.0416666666666666, -0.0013888888888874077, 2.4801587289450637e-05,
        -2.755731434269242e-07, 2.087572189716671e-09, -1.135957341739172e-11,
    ),
    "float": (0.04166664555668831, -0.0013887365348637104, 2.4438209948129952e-05),
}  # fmt: skip


def _remainder(v: Lanes, x: Real, n: Real) -> tuple[Real, Real]:
    """x − n·π/2 as r + lost, |lost| at most a rounding of r."""
    if v.fused:
        first, second, third = HALF_PI_FUSED[v.kind.element]
        high, small = v.fma(n, -first, x), n * second
        middle = high - small
        # (high − middle) − small is exact also where high and small cancel.
        kept = v.fma(n, -second, small)
        tail = v.fma(n, -third, ((high - middle) - small) + kept)
    else:
        first, second, third, fourth = HALF_PI_SPLIT[v.kind.element]
        high, small = x - n * first, n * second
        upper = high - small
        less = n * third
        middle = upper - less
        tail = ((high - upper) - small) + ((upper - middle) - less) - n * fourth
    r = middle + tail
    return r, (middle - r) + tail


class Quarters(NamedTuple):
    """|x| = n·π/2 + r: sin r, cos r, whether n is odd, and n in the low bits."""

    sine: Real
    cosine: Real
    odd: Mask
    stored: Bits


def _reduced(v: Lanes, size: Real) -> Quarters:
    n, stored = nearest(v, size, INVERSE_HALF_PI)
    if v.fused:
        r = less_multiple(v, size, n, HALF_PI_FUSED[v.kind.element])
    else:
        r, _ = _remainder(v, size, n)
    sine, cosine, *_ = _kernels(v, r, None)
    return Quarters(sine, cosine, (stored & 1).compare("ne", 0), stored)


def _kernels(v: Lanes, r: Real, lost: Real | None) -> tuple[Real, Real, Real, Real]:
    """sin r and cos r for |r| ≤ π/4, and what they were rounded by if r has a rest."""
    z = r * r
    s = v.polynomial(z, SINE[v.kind.element])
    c = v.polynomial(z, COSINE[v.kind.element])
    half = z * 0.5
    lead = 1.0 - half
    # 1 − half loses low bits of half, which (1 − lead) − half gives back.
    rest = v.fma(z * z, c, (1.0 - lead) - half)
    if lost is None:
        return v.fma(r * z, s, r), lead + rest, r, r
    small = v.fma(r * z, s, lost)
    rest = rest - r * lost
    sine, cosine = r + small, lead + rest
    return sine, cosine, (r - sine) + small, (lead - cosine) + rest


def _negated(v: Lanes, y: Real, stored: Bits, bit: int = 1) -> Bits:
    """y as bits, negative where this bit of n is set."""
    top = 63 if v.double else 31
    return y.bits ^ ((stored << (top - bit)) & v.format.sign)


def _with_sign(v: Lanes, y: Bits, x: Real) -> Real:
    """y for x ≥ 0, −y for x < 0 and for −0."""
    return (y ^ (x.bits & v.format.sign)).real


def _sine_of(v: Lanes, x: Real, q: Quarters) -> Real:
    y = q.odd.where(q.cosine, q.sine)
    return _with_sign(v, _negated(v, y, q.stored), x)


def _cosine_of(v: Lanes, q: Quarters) -> Real:
    y = q.odd.where(q.sine, q.cosine)
    return _negated(v, y, q.stored + 1).real


def _too_large(v: Lanes, size: Real) -> Mask:
    return size > (FUSED_LIMIT if v.fused else SPLIT_LIMIT)[v.kind.element]


def sin(v: Lanes, x: Real) -> Real:
    """The sine."""
    size = abs(x)
    y = _sine_of(v, x, _reduced(v, size))
    return or_exactly(v, "sin", _too_large(v, size), y, x)


def cos(v: Lanes, x: Real) -> Real:
    """The cosine."""
    size = abs(x)
    y = _cosine_of(v, _reduced(v, size))
    return or_exactly(v, "cos", _too_large(v, size), y, x)


def sincos(v: Lanes, x: Real) -> tuple[Real, Real]:
    """Sine and cosine, which share all but the last steps."""
    size = abs(x)
    q, large = _reduced(v, size), _too_large(v, size)
    sine, cosine = _sine_of(v, x, q), _cosine_of(v, q)
    sine = or_exactly(v, "sin", large, sine, x)
    return sine, or_exactly(v, "cos", large, cosine, x)


def tan(v: Lanes, x: Real) -> Real:
    """The tangent: sin r / cos r, or −cos r / sin r for odd n."""
    size = abs(x)
    n, stored = nearest(v, size, INVERSE_HALF_PI)
    odd = (stored & 1).compare("ne", 0)
    r, lost = _remainder(v, size, n)
    sine, cosine, sine_lost, cosine_lost = _kernels(v, r, lost)
    above, below = odd.where(cosine, sine), odd.where(sine, cosine)
    above_lost = odd.where(cosine_lost, sine_lost)
    below_lost = odd.where(sine_lost, cosine_lost)
    inverse = 1.0 / below
    y = above * inverse
    # One step of Newton's: what y and the two it came from were rounded by.
    back, back_lost = product(v, y, below)
    error = ((above - back) - back_lost) + v.fma(-y, below_lost, above_lost)
    y = v.fma(error, inverse, y)
    y = _with_sign(v, _negated(v, y, stored, 0), x)
    return or_exactly(v, "tan", _too_large(v, size), y, x)


def sine_and_cosine(v: Lanes, turns: Real) -> tuple[Real, Real]:
    """sin πt and cos πt for |t| ≤ ½."""
    doubled = turns + turns
    n, stored = nearest(v, doubled, 1.0)
    q = _kernels(v, (doubled - n) * HALF_PI, None)
    odd = (stored & 1).compare("ne", 0)
    sine = _negated(v, odd.where(q[1], q[0]), stored).real
    cosine = _negated(v, odd.where(q[0], q[1]), stored + 1).real
    return sine, cosine


def sinc(v: Lanes, x: Real) -> Real:
    """sin(πx)/(πx), and 1 at 0."""
    at_zero = x.equals(0.0)
    y = at_zero.where(1.0, x) * (2.0 * HALF_PI)
    return at_zero.where(1.0, sin(v, y) / y)
