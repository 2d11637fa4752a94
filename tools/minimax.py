"""Coefficients for the vector mathematics: polynomials of least largest error.

`python tools/minimax.py exp sin` prints the coefficients that stand in
src/wengert/native/mathematics, with the error that each leaves; without names, all.

The exchange algorithm is E. Ya. Remez's of 1934, as in E. W. Cheney, "Introduction to
Approximation Theory" (1966), chapter 3.
"""

import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

from mpmath import mp, mpf

mp.dps = 60
Function = Callable[[mpf], mpf]


class Fit(NamedTuple):
    """Approximate `f` on [low, high]; an error there counts `weight` times."""

    f: Function
    weight: Function
    low: mpf
    high: mpf
    double: int  # number of coefficients
    float: int  # 0: float32 goes through float64


def chebyshev_points(low: mpf, high: mpf, n: int) -> list[mpf]:
    """Extrema of the Chebyshev polynomial on [low, high], ascending."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mp.cos(mp.pi * i / (n - 1)) for i in range(n)]


def horner(c: list[mpf], x: mpf) -> mpf:
    y = mpf(0)
    for a in reversed(c):
        y = y * x + a
    return y


def remez(fit: Fit, n: int) -> tuple[list[mpf], mpf]:
    """n coefficients, ascending, and the largest weighted error."""
    grid = chebyshev_points(fit.low, fit.high, 24 * (n + 1))[1:-1]
    values = [(x, fit.f(x), fit.weight(x)) for x in grid]
    at = chebyshev_points(fit.low, fit.high, n + 3)[1:-1]
    for _ in range(30):
        rows = [[x**j for j in range(n)] + [(-1) ** i / fit.weight(x)]
                for i, x in enumerate(at)]  # fmt: skip
        solved = mp.lu_solve(mp.matrix(rows), mp.matrix([fit.f(x) for x in at]))
        c, level = list(solved[:n]), abs(solved[n])
        errors = [(x, (f - horner(c, x)) * w) for x, f, w in values]
        at, worst = exchange(errors, n + 1)
        if worst < level * mpf("1.001"):
            break
    return c, worst


def exchange(errors: list[tuple[mpf, mpf]], n: int) -> tuple[list[mpf], mpf]:
    """The n alternating extrema of largest error, and the largest error."""
    extrema: list[tuple[mpf, mpf]] = []
    for x, e in errors:
        if extrema and (e > 0) == (extrema[-1][1] > 0):
            if abs(e) > abs(extrema[-1][1]):
                extrema[-1] = (x, e)
        else:
            extrema.append((x, e))
    worst = max(abs(e) for _, e in extrema)
    while len(extrema) > n:
        extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
    return [x for x, _ in extrema], worst


def rounded(x: mpf, element: str) -> float:
    """The nearest float64, or float32."""
    y = float(x)
    return y if element == "double" else struct.unpack("<f", struct.pack("<f", y))[0]


def root(x: mpf) -> mpf:
    return mp.sqrt(x) if x > 0 else mpf(10) ** -25


def odd(f: Function) -> Function:
    """g with f(r) = r + r·z·g(z), z = r²."""
    return lambda z: (f(root(z)) / root(z) - 1) / root(z) ** 2


def odd_weight(f: Function) -> Function:
    """Of an error in g, the part in f, relative."""
    return lambda z: root(z) ** 3 / f(root(z))


HALF_LN2 = mp.log(2) / 2 * mpf("1.0005")
QUARTER_PI = mp.pi / 4 * mpf("1.0005")
LOG_S = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)


DIGAMMA_ROOT = mp.findroot(mp.digamma, mpf("1.4616321449683623"))


def small(r: mpf) -> mpf:
    return r if abs(r) > mpf(10) ** -15 else mpf(10) ** -15


def _exp(r: mpf) -> mpf:
    r = small(r)
    return (mp.expm1(r) - r) / r**2


def _erfcx(t: mpf) -> mpf:
    """(1+2x)·exp(x²)·erfc(x) for t = (x−4)/(x+4)."""
    x = 4 * (1 + t) / (1 - t)
    if x > 60:  # the asymptotic series of erfcx
        term, total = mpf(1), mpf(1)
        for k in range(1, 25):
            term *= -mpf(2 * k - 1) / (2 * x * x)
            total += term
        return (1 + 2 * x) * total / (x * mp.sqrt(mp.pi))
    with mp.workdps(60 + int(x * x * 0.45)):
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


FITS: dict[str, Fit] = {
    "exp": Fit(_exp, lambda r: small(r) ** 2 / mp.expm1(small(r)),
               -HALF_LN2, HALF_LN2, 10, 6),
    "log": Fit(lambda z: 2 * odd(mp.atanh)(z), odd_weight(mp.atanh),
               mpf(0), LOG_S**2, 7, 3),
    "log_tail": Fit(lambda z: (odd(mp.atanh)(z) - mpf(1) / 3) / root(z) ** 2,
                    lambda z: root(z) ** 4, mpf(0), LOG_S**2, 7, 0),
    "sin": Fit(odd(mp.sin), odd_weight(mp.sin), mpf(0), QUARTER_PI**2, 6, 3),
    "cos": Fit(lambda z: (mp.cos(root(z)) - 1 + root(z) ** 2 / 2) / root(z) ** 4,
                       lambda z: root(z) ** 4, mpf(0), QUARTER_PI**2, 6, 3),
    "sinh": Fit(odd(mp.sinh), odd_weight(mp.sinh), mpf(0), HALF_LN2**2, 5, 2),
    "cosh": Fit(lambda z: (mp.cosh(root(z)) - 1) / root(z) ** 2,
                lambda z: root(z) ** 2, mpf(0), HALF_LN2**2, 6, 3),
    "arctan": Fit(odd(mp.atan), odd_weight(mp.atan), mpf(0),
                  mp.tan(mpf("0.5")) ** 2 * mpf("1.001"), 14, 6),
    "arcsin": Fit(odd(mp.asin), odd_weight(mp.asin), mpf(0), mpf(1) / 4, 12, 5),
    "erf": Fit(lambda z: mp.erf(root(z)) / root(z) - 1,
               lambda z: root(z) / mp.erf(root(z)), mpf(0), mpf(1), 13, 0),
    "erfcx": Fit(_erfcx, lambda t: 1 / _erfcx(t), mpf(-1), mpf("0.9999999"), 25, 0),
    "inverse_cube_root": Fit(lambda x: x ** (-mpf(1) / 3), lambda x: x ** (mpf(1) / 3),
                             mp.sqrt(mpf(1) / 2), mp.sqrt(2), 6, 4),
    "gamma": Fit(lambda w: mp.loggamma(1 + w) / (w * (w - 1)),
                 lambda w: 1, mpf("1e-20"), 1 - mpf("1e-20"), 20, 0),
    "digamma": Fit(lambda d: mp.digamma(DIGAMMA_ROOT + d) / d,
                   lambda d: d / mp.digamma(DIGAMMA_ROOT + d),
                   1 - DIGAMMA_ROOT, 2 - DIGAMMA_ROOT, 23, 0),
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or FITS:
        fit = FITS[name]
        for element, n in (("double", fit.double), ("float", fit.float)):
            if n == 0:
                continue
            c, error = remez(fit, n)
            print(f"# {name}, {element}: error 2^{float(mp.log(error, 2)):.1f}")
            print("(" + ", ".join(repr(rounded(a, element)) for a in c) + ",)")


if __name__ == "__main__":
    main()
