"""power, cbrt, hypot.

xʸ = 2^(y·log₂ x): the logarithm is needed to 1/1000 of a rounding, because its product
with y may be a thousand; it is computed as a sum of two numbers (module `pairs`).
"""

import math

from wengert.native.mathematics.exponential import (
    EXPONENTIAL,
    LN2_FUSED,
    power_of_two,
    scaled,
)
from wengert.native.mathematics.lanes import Lanes, Mask, Real
from wengert.native.mathematics.logarithm import pieces, split
from wengert.native.mathematics.pairs import Pair, product, total, widened

# (artanh(s)/s − 1 − s²/3)/s⁴, and the numbers 1/3 and 2/ln 2 as sums of two.
ARTANH_TAIL = (
    0.20000000000001128, 0.14285714285050224, 0.11111111259871431, 0.09090892192313045,
    0.07693378227832219, 0.06628419771156677, 0.06598057446232673,
)  # fmt: skip
THIRD = (0.3333333333333333, 1.850371707708594e-17)
TWO_LOG2E = (2.8853900817779268, 4.0710547481862066e-17)

# x^(−1/3) between √½ and √2.
INVERSE_CUBE_ROOT = {
    "double": (
        1.9991580039688346, -2.4858655749699023, 2.7921210985167644,
        -1.898061655358153, 0.7007125507387925, -0.10806057990047793,
    ),
    "float": (
        1.7306691408157349, -1.285622239112854, 0.7132455110549927,
        -0.15851324796676636,
    ),
}  # fmt: skip


def _log2(v: Lanes, x: Real) -> Pair:
    """log₂ x for x > 0, as a sum of two."""
    k, f = split(v, x)
    below = f + 2.0
    below_lost = f - (below - 2.0)
    inverse = 1.0 / below
    s = f * inverse
    back, back_lost = product(v, s, below)
    s_lost = (((f - back) - back_lost) - s * below_lost) * inverse
    z, z_lost = product(v, s, s)
    z_lost = v.fma(s + s, s_lost, z_lost)
    # artanh(s)/s = 1 + z·(1/3 + z·tail(z)).
    tail = z * v.polynomial(z, ARTANH_TAIL)
    t = tail + THIRD[0]
    t_lost = ((THIRD[0] - t) + tail) + THIRD[1]
    u, u_lost = product(v, z, t)
    u_lost = u_lost + v.fma(z, t_lost, z_lost * t)
    w, w_lost = product(v, s, u)
    w_lost = w_lost + v.fma(s, u_lost, s_lost * u)
    a, a_lost = total(s, w)
    a_lost = a_lost + (w_lost + s_lost)
    b, b_lost = product(v, a, v.value(v.text(TWO_LOG2E[0])))
    b_lost = b_lost + v.fma(a, TWO_LOG2E[1], a_lost * TWO_LOG2E[0])
    c, c_lost = total(k, b)
    return total(c, c_lost + b_lost)


def _exp2(v: Lanes, x: Real, lost: Real) -> Real:
    """2^(x + lost)."""
    lost = ((abs(x) < 1100.0) & ~(x > 1024.0)).where(lost, 0.0)
    x = v.at_least(v.at_most(x, 1024.0), -1076.0)
    moved = x + v.format.round_magic
    r = x - (moved - v.format.round_magic)
    ln2 = LN2_FUSED["double"]
    t, t_lost = product(v, r, v.value(v.text(ln2[0])))
    t, t_lost = total(t, t_lost + v.fma(r, ln2[1], lost * ln2[0]))
    square = t * t
    q = v.polynomial(t, EXPONENTIAL["double"], square)
    return scaled(v, x, t + v.fma(square, q, t_lost), moved.bits)


def _size(v: Lanes, x: Real, y: Real) -> Real:
    """xʸ for x ≥ 0."""
    log, lost = _log2(v, x)
    log = x.equals(0.0).where(-math.inf, (x < math.inf).where(log, x))
    p, p_lost = product(v, log, y)
    return _exp2(v, p, v.fma(lost, y, p_lost))


def _short_size(v: Lanes, x: Real, y: Real) -> Real:
    """xʸ for x ≥ 0 of the range and the digits of float32."""
    k, f = split(v, x)
    p = pieces(v, f)
    log = v.fma(p.f - (p.half - p.product), 0.5 * TWO_LOG2E[0], k)
    log = x.equals(0.0).where(-math.inf, (x < math.inf).where(log, x))
    return _exp2(v, log * y, v.value(v.text(0.0)))


def _whole_and_odd(v: Lanes, y: Real) -> tuple[Mask, Mask]:
    half = y * 0.5
    whole = v.call("trunc", y).equals(y)
    return whole, whole & v.call("trunc", half).compare("une", half)


def _power(v: Lanes, x: Real, y: Real, short: bool) -> Real:
    size = abs(x)
    result = (_short_size if short else _size)(v, size, y)
    # 1 to any power, also to an infinite one, and anything to the power 0.
    result = (size.equals(1.0) & ~y.is_nan()).where(1.0, result)
    whole, odd = _whole_and_odd(v, y)
    negative = x.bits.compare("slt", 0)
    result = (negative & odd).where(-result, result)
    undefined = (x < 0.0) & (x > -math.inf) & ~(whole | y.is_nan())
    result = undefined.where(math.nan, result)
    return (y.equals(0.0) | x.equals(1.0)).where(1.0, result)


def power(v: Lanes, x: Real, y: Real) -> Real:
    """xʸ with the special values of C's pow."""
    if v.double:
        return _power(v, x, y, short=False)
    return widened(lambda w, a, b: _power(w, a, b, short=True))(v, x, y)


def cbrt(v: Lanes, x: Real) -> Real:
    """The real cube root, by Newton's iteration for x^(−1/3), which doesn't divide."""
    size = abs(x)
    k, f = split(v, size)
    third = v.fma(k, 1.0 / 3.0, v.format.round_magic)
    rest = v.fma(third - v.format.round_magic, -3.0, k)  # −1, 0 or 1
    m = f + 1.0
    up, down = rest > 0.0, rest < 0.0
    t = m * up.where(2.0, down.where(0.5, 1.0))
    z = v.polynomial(m, INVERSE_CUBE_ROOT[v.kind.element])
    z = z * up.where(0.7937005259840998, down.where(1.2599210498948732, 1.0))
    z = v.fma(z * (1.0 / 3.0), v.fma(-(z * z) * z, t, 1.0), z)
    square = z * z
    y = t * square
    yy, yy_lost = product(v, y, y)
    yyy, yyy_lost = product(v, yy, y)
    error = ((t - yyy) - yyy_lost) - yy_lost * y
    y = v.fma(error, square * (1.0 / 3.0), y) * power_of_two(v, third.bits)
    y = ((size > 0.0) & (size < math.inf)).where(y, size)
    return v.copysign(y, x)


def hypot(v: Lanes, a: Real, b: Real) -> Real:
    """√(a² + b²), also where a square would over- or underflow."""
    a, b = abs(a), abs(b)
    infinite = a.equals(math.inf) | b.equals(math.inf)
    large, small = (600, 450) if v.double else (100, 50)
    size = (a < b).where(b, a)
    high, low = size > 2.0**small, size < 2.0**-small
    factor = high.where(2.0**-large, low.where(2.0**large, 1.0))
    back = high.where(2.0**large, low.where(2.0**-large, 1.0))
    p, q = a * factor, b * factor
    y = v.sqrt(v.fma(p, p, q * q)) * back
    return infinite.where(math.inf, y)
