"""First and second derivatives of every smooth real function against mpmath.

Finite differences can't see a derivative that has lost half its digits; a computation
with sixty digits can. Each row is checked at 500 points and more: log-spaced over the
whole range of floats, linearly spaced, and close to the function's special points; as
arrays and as scalars, forward and reverse, in float64 and float32.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

import wengert as wg

INF = float("inf")
POINTS = 520


@dataclass(frozen=True)
class Row:
    """A function and its true derivatives, on an open domain.

    Attributes:
        f: plain NumPy, of one or two arguments.
        first: per argument, the true partial derivative.
        second: per pair of arguments (i ≤ j), the true second derivative.
        domain: per argument, the ends.
        near: per argument, points to go close to from both sides.
    """

    name: str
    f: Callable[..., Any]
    first: tuple[Callable[..., Any], ...]
    second: dict[tuple[int, int], Callable[..., Any]]
    domain: tuple[tuple[float, float], ...]
    near: tuple[tuple[float, ...], ...]


def one(
    name: str,
    f: Callable[..., Any],
    first: Callable[..., Any],
    second: Callable[..., Any],
    domain: tuple[float, float] = (-INF, INF),
    near: tuple[float, ...] = (),
) -> Row:
    return Row(name, f, (first,), {(0, 0): second}, (domain,), (near,))


def ufunc(f: np.ufunc, *args: Any, **more: Any) -> Row:
    return one(f.__name__, f, *args, **more)


HALF_PIS = tuple(k * np.pi / 2 for k in (-5, -2, -1, 1, 2, 3, 100, 10**6))
POSITIVE = (0.0, INF)
WHOLE = (-INF, INF)
UNIT = (-1.0, 1.0)


def ln(n: int) -> Any:
    return mp.log(n)


def cbrt(x: Any) -> Any:
    return mp.sign(x) * mp.cbrt(abs(x))


def sinc1(x: Any) -> Any:
    t = mp.pi * x
    if abs(t) < 1:
        return -mp.pi * t / 3 * mp.hyp0f1(2.5, -t * t / 4)
    return mp.pi * (mp.cos(t) / t - mp.sin(t) / t**2)


def sinc2(x: Any) -> Any:
    t = mp.pi * x
    if abs(t) < 1:
        q = -t * t / 4
        return mp.pi**2 * (-mp.hyp0f1(2.5, q) / 3 + t * t / 15 * mp.hyp0f1(3.5, q))
    return mp.pi**2 * (-mp.sin(t) / t - 2 * mp.cos(t) / t**2 + 2 * mp.sin(t) / t**3)


# fmt: off
UNARY = [
    ufunc(np.sin, mp.cos, lambda x: -mp.sin(x), near=HALF_PIS),
    ufunc(np.cos, lambda x: -mp.sin(x), lambda x: -mp.cos(x), near=HALF_PIS),
    ufunc(np.tan, lambda x: mp.sec(x)**2, lambda x: 2 * mp.tan(x) * mp.sec(x)**2,
          near=HALF_PIS),
    ufunc(np.arcsin, lambda x: 1 / mp.sqrt(1 - x * x),
          lambda x: x / mp.sqrt(1 - x * x)**3, domain=UNIT),
    ufunc(np.arccos, lambda x: -1 / mp.sqrt(1 - x * x),
          lambda x: -x / mp.sqrt(1 - x * x)**3, domain=UNIT),
    ufunc(np.arctan, lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x)**2),
    ufunc(np.exp, mp.exp, mp.exp, domain=(-760, 709.7)),
    ufunc(np.exp2, lambda x: ln(2) * mpf(2)**x, lambda x: ln(2)**2 * mpf(2)**x,
          domain=(-1090, 1023.9)),
    ufunc(np.expm1, mp.exp, mp.exp, domain=(-760, 709.7), near=(-50.0,)),
    ufunc(np.log, lambda x: 1 / x, lambda x: -1 / x**2, domain=POSITIVE, near=(1.0,)),
    ufunc(np.log2, lambda x: 1 / x / ln(2), lambda x: -1 / x**2 / ln(2),
          domain=POSITIVE, near=(1.0,)),
    ufunc(np.log10, lambda x: 1 / x / ln(10), lambda x: -1 / x**2 / ln(10),
          domain=POSITIVE, near=(1.0,)),
    ufunc(np.log1p, lambda x: 1 / (1 + x), lambda x: -1 / (1 + x)**2,
          domain=(-1.0, INF)),
    ufunc(np.sinh, mp.cosh, mp.sinh, domain=(-710.4, 710.4)),
    ufunc(np.cosh, mp.sinh, mp.cosh, domain=(-710.4, 710.4)),
    ufunc(np.tanh, lambda x: mp.sech(x)**2, lambda x: -2 * mp.tanh(x) * mp.sech(x)**2,
          near=(20.0, 360.0)),
    ufunc(np.arcsinh, lambda x: 1 / mp.sqrt(1 + x * x),
          lambda x: -x / mp.sqrt(1 + x * x)**3),
    ufunc(np.arccosh, lambda x: 1 / mp.sqrt(x * x - 1),
          lambda x: -x / mp.sqrt(x * x - 1)**3, domain=(1.0, INF)),
    ufunc(np.arctanh, lambda x: 1 / (1 - x * x), lambda x: 2 * x / (1 - x * x)**2,
          domain=UNIT),
    ufunc(np.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), lambda x: -1 / (4 * mp.sqrt(x)**3),
          domain=POSITIVE),
    ufunc(np.cbrt, lambda x: 1 / (3 * cbrt(x)**2), lambda x: -2 / (9 * cbrt(x)**5)),
    ufunc(np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3),
    ufunc(np.square, lambda x: 2 * x, lambda x: mpf(2), domain=(-1.3e154, 1.3e154)),
    ufunc(np.absolute, mp.sign, lambda x: mpf(0)),
    ufunc(np.fabs, mp.sign, lambda x: mpf(0)),
    ufunc(np.negative, lambda x: mpf(-1), lambda x: mpf(0)),
    ufunc(np.positive, lambda x: mpf(1), lambda x: mpf(0)),
    ufunc(np.deg2rad, lambda x: mp.pi / 180, lambda x: mpf(0)),
    ufunc(np.radians, lambda x: mp.pi / 180, lambda x: mpf(0)),
    ufunc(np.rad2deg, lambda x: 180 / mp.pi, lambda x: mpf(0)),
    ufunc(np.degrees, lambda x: 180 / mp.pi, lambda x: mpf(0)),
    one("sinc", np.sinc, sinc1, sinc2, near=(1.0, 2.0, 3.0, -1.0, 0.5, 2 / np.pi)),
    one("i0", np.i0, lambda x: mp.besseli(1, x),
        lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2, domain=(-710, 710)),
    one("x**3", lambda x: x**3, lambda x: 3 * x**2, lambda x: 6 * x),
    one("x**-2", lambda x: x**-2, lambda x: -2 * x**-3, lambda x: 6 * x**-4),
    one("x**-1", lambda x: x**-1, lambda x: -1 / x**2, lambda x: 2 / x**3),
    one("x**2", lambda x: x**2, lambda x: 2 * x, lambda x: mpf(2)),
    one("x**0.5", lambda x: x**0.5, lambda x: 1 / (2 * mp.sqrt(x)),
        lambda x: -1 / (4 * mp.sqrt(x)**3), domain=POSITIVE),
    one("x**2.5", lambda x: x**2.5, lambda x: 2.5 * x**mpf(1.5),
        lambda x: 3.75 * mp.sqrt(x), domain=POSITIVE),
    one("x**-1.5", lambda x: x**-1.5, lambda x: -1.5 * x**mpf(-2.5),
        lambda x: 3.75 * x**mpf(-3.5), domain=POSITIVE),
    one("2.0**x", lambda x: 2.0**x, lambda x: ln(2) * mpf(2)**x,
        lambda x: ln(2)**2 * mpf(2)**x, domain=(-1090, 1023.9)),
    one("3.0/x", lambda x: 3.0 / x, lambda x: -3 / x**2, lambda x: 6 / x**3),
]
# fmt: on


def two(
    f: Any,
    first: tuple[Callable[..., Any], Callable[..., Any]],
    second: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]],
    domain: tuple[tuple[float, float], tuple[float, float]] = (WHOLE, WHOLE),
    near: tuple[tuple[float, ...], tuple[float, ...]] = ((), ()),
) -> Row:
    pairs = dict(zip([(0, 0), (0, 1), (1, 1)], second, strict=True))
    return Row(f.__name__, f, first, pairs, domain, near)


def zero(a: Any, b: Any) -> Any:
    return mpf(0)


def share(base: Any, a: Any, b: Any) -> Any:
    return 1 / (1 + base ** (b - a))


def shares(base: Any) -> tuple[Any, Any]:
    """First and second derivatives of log_base(base^a + base^b)."""

    def second(sign: int) -> Callable[..., Any]:
        return lambda a, b: (
            sign * mp.log(base()) * share(base(), a, b) * share(base(), b, a)
        )

    first = (lambda a, b: share(base(), a, b), lambda a, b: share(base(), b, a))
    return first, (second(1), second(-1), second(1))


def power_rules() -> tuple[Any, Any]:
    first = (lambda a, b: b * a ** (b - 1), lambda a, b: a**b * mp.log(a))
    second = (
        lambda a, b: b * (b - 1) * a ** (b - 2),
        lambda a, b: a ** (b - 1) * (1 + b * mp.log(a)),
        lambda a, b: a**b * mp.log(a) ** 2,
    )
    return first, second


# fmt: off
BINARY = [
    two(np.divide, (lambda a, b: 1 / b, lambda a, b: -a / b**2),
        (zero, lambda a, b: -1 / b**2, lambda a, b: 2 * a / b**3)),
    two(np.multiply, (lambda a, b: b, lambda a, b: a),
        (zero, lambda a, b: mpf(1), zero)),
    two(np.hypot, (lambda a, b: a / mp.hypot(a, b), lambda a, b: b / mp.hypot(a, b)),
        (lambda a, b: b**2 / mp.hypot(a, b)**3, lambda a, b: -a * b / mp.hypot(a, b)**3,
         lambda a, b: a**2 / mp.hypot(a, b)**3)),
    two(np.arctan2, (lambda a, b: b / (a**2 + b**2), lambda a, b: -a / (a**2 + b**2)),
        (lambda a, b: -2 * a * b / (a**2 + b**2)**2,
         lambda a, b: (a - b) * (a + b) / (a**2 + b**2)**2,
         lambda a, b: 2 * a * b / (a**2 + b**2)**2)),
    two(np.logaddexp, *shares(lambda: mp.e), near=((0.0, 700.0), (0.0, 1.0))),
    two(np.logaddexp2, *shares(lambda: mpf(2)), near=((0.0, 700.0), (0.0, 1.0))),
    two(np.power, *power_rules(), domain=(POSITIVE, WHOLE),
        near=((1.0, 2.0, 1e-200), (0.0, 1.0, 2.0, 0.5, -1.0, -50.0))),
    two(np.float_power, *power_rules(), domain=(POSITIVE, WHOLE),
        near=((1.0, 2.0, 1e-200), (0.0, 1.0, 2.0, 0.5, -1.0, -50.0))),
    two(np.remainder, (lambda a, b: mpf(1), lambda a, b: -mp.floor(a / b)),
        (zero, zero, zero), near=((0.3, 6.0, -7.0), (0.1, 3.0, -2.0))),
    two(np.fmod, (lambda a, b: mpf(1),
                  lambda a, b: -mp.sign(a / b) * mp.floor(abs(a / b))),
        (zero, zero, zero), near=((0.3, 6.0, -7.0), (0.1, 3.0, -2.0))),
]
# fmt: on
ROWS = UNARY + BINARY


@np.errstate(all="ignore")
def grid(row: Row, i: int, dtype: Any, rng: np.random.Generator) -> Any:
    """Points of argument `i`: inside its domain, and more than POINTS of them."""
    low, high = row.domain[i]
    info = np.finfo(dtype)
    exponents = rng.uniform(np.log10(info.smallest_subnormal), np.log10(info.max), 2000)
    spread = 10.0 ** np.minimum(exponents, np.log10(info.max) - 1e-3)
    spread *= rng.choice([-1.0, 1.0], spread.size)
    span = rng.uniform(max(low, -700.0), min(high, 700.0), 150)
    parts = [span, rng.permutation(spread)]
    for center in (*row.near[i], *(e for e in (low, high) if np.isfinite(e) and e)):
        away = 10.0 ** rng.uniform(np.log10(info.eps), 0, 24)
        at = np.asarray(center).astype(dtype)
        parts.insert(0, [at, center * (1 + away), center * (1 - away), center + away])
    parts.insert(0, [1e200, -1e200, 1e-200, -1e-200, 1e-310, 0.5, -2.0, 20.0, -50.0])
    parts.insert(0, [info.max, -info.max, info.tiny, info.smallest_subnormal])
    xs = np.concatenate([np.ravel(np.array(p, float)) for p in flat(parts)])
    xs = xs.astype(dtype)
    xs = xs[np.isfinite(xs) & (xs > low) & (xs < high) & (xs != 0)]
    assert xs.size >= POINTS
    return xs[:POINTS]


def flat(parts: list[Any]) -> list[Any]:
    return [q for p in parts for q in (p if isinstance(p, list) else [p])]


def arguments(row: Row, dtype: Any) -> list[Any]:
    """The points. Of two arguments, mostly of a comparable size."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    args = [grid(row, i, dtype, rng) for i in range(len(row.first))]
    if len(args) == 2:
        a, b = args
        rng.shuffle(b)
        close = rng.random(a.size) < 0.4
        with np.errstate(all="ignore"):
            ratio = rng.uniform(0.3, 3.0, a.size).astype(dtype)
            if row.f in (np.power, np.float_power):
                b = np.where(close, (700 * rng.uniform(-1, 1, b.size)) / np.log(a), b)
            elif row.f in (np.logaddexp, np.logaddexp2):
                b = np.where(close, a + 10 * (ratio - 1), b)
            else:
                b = np.where(close, a * ratio, b)
        b = b.astype(dtype)
        good = np.isfinite(b) & (b != 0)
        args = [a[good], b[good]]
    with np.errstate(all="ignore"):
        # Where the value itself overflows there is nothing to differentiate.
        good = np.isfinite(row.f(*args))
        if row.f in (np.power, np.float_power):
            # Steps on the way that over- or underflow where the derivative doesn't.
            a, b = args
            good &= np.isfinite(a ** (b - 2)) & np.isfinite(b * a ** (b - 1))
            good &= a**b > np.finfo(dtype).tiny
    return [a[good] for a in args]


class Truth:
    """True values of `f` at the points, and how far a correct result may be off."""

    def __init__(self, f: Callable[..., Any], args: list[Any], dtype: Any) -> None:
        info = np.finfo(dtype)
        self.dtype = dtype
        relative = 1e-13 if dtype is np.float64 else 60 * float(info.eps)
        with mp.workdps(60):
            step = mpf(10) ** -25
            wanted, room = [], []
            for point in zip(*args, strict=True):
                x = [mpf(float(p)) for p in point]
                y = f(*x)
                shift = sum(
                    abs(self._moved(f, x, i, step) - y) / step for i in range(len(x))
                )
                wanted.append(y)
                # Below the smallest normal number there are fewer digits, or none.
                room.append(
                    max(relative * abs(y), 8 * mpf(float(info.eps)) * shift)
                    + mpf(float(info.tiny))
                )
        self.wanted, self.room = wanted, room
        top = mpf(float(info.max))
        self.finite = np.array(
            [abs(w) + r < top for w, r in zip(wanted, room, strict=True)]
        )
        self.infinite = np.array(
            [abs(w) - r > top for w, r in zip(wanted, room, strict=True)]
        )

    @staticmethod
    def _moved(f: Callable[..., Any], x: list[Any], i: int, step: Any) -> Any:
        moved = f(*x[:i], x[i] * (1 + step), *x[i + 1 :])
        return mp.re(moved)

    def check(self, got: Any, args: list[Any], what: str) -> None:
        assert got.dtype == self.dtype, f"{what}: dtype {got.dtype}"
        failures = []
        for k, (g, w, r) in enumerate(zip(got, self.wanted, self.room, strict=True)):
            if self.infinite[k]:
                good = np.isinf(g) and (g > 0) == (w > 0)
            elif self.finite[k]:
                good = np.isfinite(g) and abs(mpf(float(g)) - w) <= r
            else:
                good = not np.isnan(g)
            if not good:
                at = ", ".join(repr(float(a[k])) for a in args)
                failures.append(f"at ({at}): {g!r} instead of {mpmath.nstr(w, 17)}")
        if failures:
            shown = "\n  ".join(failures[:8])
            raise AssertionError(f"{what}: {len(failures)} wrong\n  {shown}")


def pulled(f: Callable[..., Any], i: int, args: list[Any]) -> Any:
    """Elementwise ∂f/∂arg_i in reverse mode."""
    y, pullback = wg.vjp(f, *args)
    return pullback(np.ones(y.shape, y.dtype))[i]


def pushed(f: Callable[..., Any], i: int, args: list[Any]) -> Any:
    """Elementwise ∂f/∂arg_i in forward mode."""

    def of_one(x: Any) -> Any:
        return f(*args[:i], x, *args[i + 1 :])

    return wg.jvp(of_one, (args[i],), (np.ones_like(args[i]),))[1]


@np.errstate(all="ignore")  # NumPy's own logaddexp subtracts huge numbers
def by_parts(truth: Truth, args: list[Any], compute: Callable[..., Any]) -> Any:
    """Points with finite and infinite slopes apart: the latter are computed twice."""
    got = np.empty(args[0].shape, truth.dtype)
    for part in (truth.finite, ~truth.finite):
        if part.any():
            got[part] = compute([a[part] for a in args])
    return got


DTYPES = {"f64": np.float64, "f32": np.float32}


@pytest.mark.parametrize(
    ("row", "dtype"),
    [
        pytest.param(row, dtype, id=f"{row.name}-{short}")
        for row in ROWS
        for short, dtype in DTYPES.items()
        if row.f is not np.float_power or dtype is np.float64  # it computes in float64
    ],
)
def test_first_derivative(row: Row, dtype: Any) -> None:
    args = arguments(row, dtype)
    for i, first in enumerate(row.first):
        truth = Truth(first, args, dtype)
        for mode in (pulled, pushed):
            got = by_parts(truth, args, lambda part: mode(row.f, i, part))
            truth.check(got, args, f"d{row.name}/d{i}, {mode.__name__}")


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_second_derivative(row: Row) -> None:
    args = arguments(row, np.float64)
    # The inverse of a subnormal number overflows, and with it the steps on the way.
    normal = np.all([np.abs(a) > 1e-307 for a in args], axis=0)
    args = [a[normal] for a in args]
    for (i, j), second in row.second.items():
        truth = Truth(second, args, np.float64)
        for inner, outer in ((pulled, pulled), (pulled, pushed), (pushed, pushed)):
            for a, b in {(i, j), (j, i)}:

                def slope(*xs: Any) -> Any:
                    return inner(row.f, a, list(xs))

                got = by_parts(truth, args, lambda part: outer(slope, b, part))
                what = f"d2{row.name}/d{a}d{b}, {inner.__name__}, {outer.__name__}"
                truth.check(got, args, what)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_scalars(row: Row) -> None:
    """NumPy's scalars take other paths than its arrays, and vectorised loops."""
    args = [a[:60] for a in arguments(row, np.float64)]
    for i, first in enumerate(row.first):
        truth = Truth(first, args, np.float64)
        with np.errstate(all="ignore"):
            got = [wg.grad(row.f, i)(*point) for point in zip(*args, strict=True)]
        truth.check(np.array(got), args, f"d{row.name}/d{i} of scalars")


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_the_truth_itself(row: Row) -> None:
    """The formulas above, against numerical differentiation with sixty digits."""
    rng = np.random.default_rng(5)
    known = {
        "sinc": lambda x: mp.sin(mp.pi * x) / (mp.pi * x),
        "i0": lambda x: mp.besseli(0, x),
        "cbrt": cbrt, "reciprocal": lambda x: 1 / x, "square": lambda x: x * x,
        "absolute": abs, "fabs": abs, "negative": lambda x: -x,
        "positive": lambda x: +x,
        "deg2rad": mp.radians, "radians": mp.radians, "rad2deg": mp.degrees,
        "degrees": mp.degrees, "exp2": lambda x: mpf(2) ** x,
        "log2": lambda x: mp.log(x, 2), "divide": lambda a, b: a / b,
        "multiply": lambda a, b: a * b, "arctan2": mp.atan2,
        "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
        "logaddexp2": lambda a, b: mp.log(mpf(2) ** a + mpf(2) ** b, 2),
        "power": lambda a, b: a**b, "float_power": lambda a, b: a**b,
        "remainder": lambda a, b: a - b * mp.floor(a / b),
        "fmod": lambda a, b: a - b * mp.sign(a / b) * mp.floor(abs(a / b)),
        "arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan, "arcsinh": mp.asinh,
        "arccosh": mp.acosh, "arctanh": mp.atanh,
    }  # fmt: skip
    f = known.get(row.name) or getattr(mp, row.name, None) or row.f
    with mp.workdps(60):
        for _ in range(5):
            x = [
                mpf(rng.uniform(max(low, -4.0), min(high, 4.0)))
                for low, high in row.domain
            ]
            for i, first in enumerate(row.first):
                n = tuple(int(j == i) for j in range(len(x)))
                assert mp.almosteq(first(*x), mp.diff(f, x if len(x) > 1 else x[0],
                                   n if len(x) > 1 else 1), 1e-20, 1e-20)  # fmt: skip
            for (i, j), second in row.second.items():
                n = tuple(int(k == i) + int(k == j) for k in range(len(x)))
                assert mp.almosteq(second(*x), mp.diff(f, x if len(x) > 1 else x[0],
                                   n if len(x) > 1 else 2), 1e-12, 1e-12)  # fmt: skip
