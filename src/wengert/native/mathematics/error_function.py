"""erf and erfc.

erfc x = e^(−x²)·W/(1 + 2x), where W is a polynomial in (x − 4)/(x + 4), which takes
all x ≥ 0 to [−1, 1] (M. M. Shepherd, J. G. Laframboise, "Chebyshev approximation of
(1+2x)exp(x²)erfc x", Mathematics of Computation 36, 1981). x² is kept in two numbers.
"""

from wengert.native.mathematics.exponential import minus_one, reduce, scaled
from wengert.native.mathematics.lanes import Lanes, Real
from wengert.native.mathematics.pairs import product, widened

# erf(x)/x − 1 for x² ≤ 1, in x².
ERF = (
    0.1283791670955126, -0.3761263890318375, 0.11283791670954857, -0.02686617064507288,
    0.005223977624780776, -0.0008548326978739767, 0.00012055331036879475,
    -1.4925593507598008e-05, 1.6460972842961902e-06, -1.6350025621114165e-07,
    1.4657883211185736e-08, -1.1365681259205815e-09, 5.94529099239883e-11,
)  # fmt: skip
# (1 + 2x)·exp(x²)·erfc(x) in (x − 4)/(x + 4).
ERFCX = (
    1.2329951186255526, -0.1396211168405623, 0.015379652102619367, 0.06809705425466908,
    -0.10103906603628855, 0.0937328349990958, -0.0663303658124223, 0.03716751552652827,
    -0.016197734057434063, 0.005031970067902677, -0.0007577732753178338,
    -0.00019925714783422494, 0.00015062154188928337, -2.4397742700372188e-05,
    -1.1221413571683293e-05, 5.70659723243584e-06, 2.9217865612577424e-07,
    -8.210850704860054e-07, 7.725050212453764e-08, 1.0633184546194753e-07,
    -2.041226969899924e-08, -1.2343995940834904e-08, 3.1120581177532166e-09,
    9.306458916971469e-10, -2.562171116322089e-10,
)  # fmt: skip

ZERO_BEYOND = 27.3  # where erfc is below the smallest number


def _inner(v: Lanes, x: Real) -> Real:
    """erf x for |x| ≤ 1."""
    return v.fma(x, v.polynomial(x * x, ERF), x)


def _complement(v: Lanes, size: Real) -> Real:
    """erfc x for x ≥ ½ or so."""
    a = v.at_most(size, ZERO_BEYOND)
    inverse = 1.0 / (a + 4.0)
    t = (a - 4.0) * inverse
    # The quotient's error, (a − 4) − t·(a + 4), would count twice in W.
    t = v.fma(v.fma(-t, a, v.fma(t + 1.0, -4.0, a)), inverse, t)
    square, lost = product(v, a, a)
    _, r, stored = reduce(v, -square)
    e = scaled(v, -square, minus_one(v, r - lost), stored)
    return e * (v.polynomial(t, ERFCX) / v.fma(a, 2.0, 1.0))


@widened
def erf(v: Lanes, x: Real) -> Real:
    """The error function."""
    size = abs(x)
    outer = 1.0 - _complement(v, size)
    return v.copysign((size > 1.0).where(outer, _inner(v, size)), x)


@widened
def erfc(v: Lanes, x: Real) -> Real:
    """1 − erf x, with all digits also where it is small."""
    size = abs(x)
    far = _complement(v, size)
    far = (x < 0.0).where(2.0 - far, far)
    return (size < 0.5).where(1.0 - _inner(v, x), far)
