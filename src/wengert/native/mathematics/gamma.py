"""log |Γ| and digamma.

Stirling's series for large arguments, a polynomial around the zeros, the recurrences
Γ(x+1) = x·Γ(x), ψ(x+1) = ψ(x) + 1/x between, and the reflections for negative ones
(M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 1964, chapter 6).
"""

import math

from wengert.native.mathematics.lanes import Lanes, Real
from wengert.native.mathematics.logarithm import log
from wengert.native.mathematics.pairs import widened
from wengert.native.mathematics.trigonometric import sine_and_cosine

# log Γ(1 + w) / (w·(w − 1)) for 0 ≤ w ≤ 1.
GAMMA = (
    0.5772156649015329, -0.24525136852256144, 0.15543426586133502, -0.11514654242004775,
    0.09223900427485368, -0.07731809367664423, 0.06673083379694535,
    -0.05877037170482468, 0.0525090979583662, -0.04731947311909288, 0.04258886090803871,
    -0.03755687655083811, 0.03143726018570972, -0.02393621687082613,
    0.015789482770940746, -0.008565807903255606, 0.003604942696400784,
    -0.0010906421124082621, 0.00020936805029673193, -1.905342545358036e-05,
)  # fmt: skip
# ψ(root + d)/d for 1 ≤ root + d ≤ 2, and the root less 1, as a sum of two.
DIGAMMA = (
    0.9676722454476212, -0.4427631689835921, 0.2584997609556485, -0.16394270544240813,
    0.10782405069170269, -0.07219956125646884, 0.04880428813389641,
    -0.03316112646224024, 0.022597649296654428, -0.015424766652124987,
    0.010538769831054715, -0.007204513867565392, 0.004927057480255736,
    -0.0033701222065748715, 0.002302910380967838, -0.0015738815736275568,
    0.0010899233579357466, -0.0007560907376732305, 0.0004727487850464841,
    -0.0002819249567975113, 0.000278186966757045, -0.00028060670517145425,
    0.00012116995879941976,
)  # fmt: skip
DIGAMMA_ROOT = (0.46163214496836225, 9.549995429965697e-17)

# Bernoulli numbers over 2k(2k−1), and over 2k.
STIRLING = (
    0.08333333333333333, -0.002777777777777778, 0.0007936507936507937,
    -0.0005952380952380953, 0.0008417508417508417, -0.0019175269175269176,
    0.00641025641025641, -0.029550653594771242, 0.17964437236883057,
)  # fmt: skip
DIGAMMA_SERIES = (
    0.08333333333333333, -0.008333333333333333, 0.003968253968253968,
    -0.004166666666666667, 0.007575757575757576, -0.021092796092796094,
    0.08333333333333333, -0.4432598039215686,
)  # fmt: skip
HALF_LOG_2PI = 0.9189385332046728
LOG_PI = 1.1447298858494002
LARGE = 8.0  # from here on the series are exact enough
STEPS = 6  # from LARGE down to below 2


@widened
def gammaln(v: Lanes, x: Real) -> Real:
    """log |Γ(x)|; inf at 0, −1, −2, …"""
    size = abs(x)
    inner, y = _gammaln_positive(v, size)
    sine = abs(sine_and_cosine(v, size - v.call("rint", size))[0])
    # Γ(−a)·Γ(a) = −π/(a·sin πa), and Γ(a) = Γ(1 + a)/a for a < 1.
    low = size < 1.0
    product = low.where(1.0, size) * sine
    # Near the smallest number the sine has no digits, and Γ(−a) is −1/a.
    tiny = size < 1e-300
    logarithm = log(v, tiny.where(size, product))
    reflected = (tiny.where(0.0, LOG_PI) - logarithm) - low.where(inner, y)
    y = (x < 0.0).where(reflected, y)
    pole = (x <= 0.0) & v.call("floor", x).equals(x)
    # As SciPy: inf at every pole, and −inf at −inf.
    return size.equals(math.inf).where(x, pole.where(math.inf, y))


def _gammaln_positive(v: Lanes, x: Real) -> tuple[Real, Real]:
    """log Γ(1 + w) with w = x below 1, and log Γ(x)."""
    low, high = x < 1.0, x >= LARGE
    # The middle: Γ(x) = (x−1)(x−2)…(1+w)·Γ(1+w) with 0 ≤ w < 1.
    u, p = x, low.where(x, 1.0)
    for _ in range(STEPS):
        down = u - 1.0
        more = u >= 2.0
        p = more.where(p * down, p)
        u = more.where(down, u)
    w = low.where(x, u - 1.0)
    near = (w * (w - 1.0)) * v.polynomial(w, GAMMA)
    logarithm = log(v, high.where(x, p))
    inverse = 1.0 / high.where(x, LARGE)
    series = inverse * v.polynomial(inverse * inverse, STIRLING)
    far = v.fma(x - 0.5, logarithm - 1.0, (HALF_LOG_2PI - 0.5) + series)
    return near, high.where(far, low.where(near - logarithm, near + logarithm))


@widened
def digamma(v: Lanes, x: Real) -> Real:
    """ψ(x) = Γ′(x)/Γ(x); nan at −1, −2, …, and ∓inf at ±0."""
    negative = x <= 0.0
    # ψ(−a) = ψ(a) + 1/a + π/tan πa.
    size = abs(x)
    inner, y = _digamma_positive(v, size)
    low = size < 1.0
    sine, cosine = sine_and_cosine(v, size - v.call("rint", size))
    slope = math.pi * cosine / sine
    y = negative.where(low.where(inner, y + 1.0 / size) + slope, y)
    y = (negative & v.call("floor", x).equals(x)).where(math.nan, y)
    return x.equals(0.0).where(v.copysign(math.inf, -x), y)


def _digamma_positive(v: Lanes, x: Real) -> tuple[Real, Real]:
    """ψ(1 + x) below 1, and ψ(x)."""
    low, high = x < 1.0, x >= LARGE
    # The middle: ψ(x) = 1/(x−1) + … + 1/(1+w) + ψ(1+w), the sum as one quotient.
    u = x
    above, below = low.where(-1.0, 0.0), low.where(x, 1.0)
    for _ in range(STEPS):
        down = u - 1.0
        more = u >= 2.0
        above = more.where(v.fma(above, down, below), above)
        below = more.where(below * down, below)
        u = more.where(down, u)
    w = low.where(x, u - 1.0)
    d = (w - DIGAMMA_ROOT[0]) - DIGAMMA_ROOT[1]
    near = d * v.polynomial(d, DIGAMMA)
    inverse = 1.0 / high.where(x, LARGE)
    square = inverse * inverse
    series = square * v.polynomial(square, DIGAMMA_SERIES)
    far = log(v, x) - v.fma(inverse, 0.5, series)
    return near, high.where(far, near + above / below)
