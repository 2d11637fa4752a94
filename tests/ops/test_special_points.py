"""Derivatives at zeros, infinities, nans, poles, kinks and ties, one row each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

INF, NAN = float("inf"), float("nan")
# fmt: off
SPECIAL = [
    # Both zeros, and infinities, which the points above leave out.
    (np.sin, 0.0, 1.0), (np.sin, -0.0, 1.0), (np.sin, INF, NAN), (np.cos, INF, NAN),
    (np.tan, -0.0, 1.0), (np.tan, INF, NAN), (np.arcsin, 1.0, INF),
    (np.arcsin, -1.0, INF), (np.arcsin, 2.0, NAN), (np.arcsin, -0.0, 1.0),
    (np.arccos, 1.0, -INF), (np.arccos, -1.0, -INF), (np.arctan, INF, 0.0),
    (np.arctan, -INF, 0.0), (np.arctan, 0.0, 1.0), (np.exp, -INF, 0.0),
    (np.exp, INF, INF), (np.exp, 0.0, 1.0), (np.exp, 1000.0, INF), (np.exp2, -INF, 0.0),
    (np.exp2, INF, INF), (np.expm1, -INF, 0.0), (np.expm1, INF, INF),
    (np.expm1, -0.0, 1.0), (np.log, 0.0, INF), (np.log, INF, 0.0), (np.log2, 0.0, INF),
    (np.log2, INF, 0.0), (np.log10, 0.0, INF), (np.log10, INF, 0.0),
    (np.log1p, -1.0, INF), (np.log1p, INF, 0.0), (np.log1p, -0.0, 1.0),
    (np.sinh, -0.0, 1.0), (np.sinh, -INF, INF), (np.cosh, 0.0, 0.0),
    (np.cosh, -INF, -INF), (np.cosh, 1000.0, INF), (np.tanh, INF, 0.0),
    (np.tanh, -INF, 0.0), (np.tanh, -0.0, 1.0), (np.arcsinh, INF, 0.0),
    (np.arcsinh, 0.0, 1.0), (np.arccosh, 1.0, INF), (np.arccosh, INF, 0.0),
    (np.arccosh, 0.5, NAN), (np.arctanh, 1.0, INF), (np.arctanh, -1.0, INF),
    (np.arctanh, 0.0, 1.0), (np.sqrt, 0.0, INF), (np.sqrt, -0.0, INF),
    (np.sqrt, INF, 0.0), (np.sqrt, -1.0, NAN), (np.cbrt, 0.0, INF),
    (np.cbrt, -0.0, INF), (np.cbrt, -INF, 0.0), (np.cbrt, -8.0, 1 / 12),
    (np.reciprocal, 0.0, -INF), (np.reciprocal, -0.0, -INF), (np.reciprocal, INF, -0.0),
    (np.square, 0.0, 0.0), (np.square, -INF, -INF), (np.absolute, INF, 1.0),
    (np.absolute, -INF, -1.0), (np.fabs, -INF, -1.0), (np.sinc, 0.0, 0.0),
    (np.sinc, -0.0, 0.0), (np.sinc, 1.0, -1.0), (np.i0, 0.0, 0.0), (np.i0, -0.0, 0.0),
    # (1 - x)(1 + x) has all its digits next to 1, and 1 - x*x only a few.
    (np.arctanh, 1 - 2**-30, 2**30 / (2 - 2**-30)),
    (np.arcsin, 1 - 2**-30, 2**15 / (2 - 2**-30) ** 0.5),
    (np.arccos, 2**-30 - 1, -(2**15) / (2 - 2**-30) ** 0.5),
    # x**n: 0**0 is 1 for every base, so its slope by the base is 0.
    (lambda x: x**0, 0.0, 0.0), (lambda x: x**0, INF, 0.0), (lambda x: x**0, NAN, 0.0),
    (lambda x: x**1, 0.0, 1.0), (lambda x: x**1, INF, 1.0), (lambda x: x**2, 0.0, 0.0),
    (lambda x: x**3, 0.0, 0.0), (lambda x: x**3, -2.0, 12.0),
    (lambda x: x**3, -INF, INF), (lambda x: x**0.5, 0.0, INF),
    (lambda x: x**0.5, -0.0, INF), (lambda x: x**0.25, 0.0, INF),
    (lambda x: x**1.5, 0.0, 0.0), (lambda x: x**-1, 0.0, -INF),
    (lambda x: x**-1, INF, -0.0), (lambda x: x**-2, -2.0, 0.25),
    (lambda x: x**-2, INF, -0.0), (lambda x: x**np.int64(3), -2.0, 12.0),
    (lambda x: x**np.float64(0), 0.0, 0.0), (lambda x: x**np.array(0.0), 0.0, 0.0),
    (lambda x: x**np.array(1), 0.0, 1.0), (lambda x: np.power(x, 2), -3.0, -6.0),
    (lambda x: np.power(x, 0.5), -INF, -0.0), (lambda x: x**2.5, -1.0, NAN),
    (lambda x: 0.0**x, 2.0, 0.0), (lambda x: 0.0**x, 0.0, 0.0),
    (lambda x: 0.0**x, -1.0, -INF), (lambda x: 1.0**x, 3.0, 0.0),
    (lambda x: 1**x, INF, 0.0), (lambda x: 2**x, 0.0, np.log(2.0)),
    (lambda x: 2**x, -INF, 0.0), (lambda x: 0.5**x, INF, -0.0),
    (lambda x: (-2.0) ** x, 2.0, NAN), (lambda x: np.power(INF, x), -1.0, 0.0),
    (lambda x: np.power(0.0, x), 1.0, 0.0), (lambda x: np.float_power(x, 0), 0.0, 0.0),
    (lambda x: np.float_power(x, 1), 0.0, 1.0),
    # Division by a Python zero is NumPy's division, not an exception.
    (lambda x: x / 0.0, 1.0, INF), (lambda x: x / -0.0, 1.0, -INF),
    (lambda x: x / 0, -1.0, INF), (lambda x: 1.0 / x, 0.0, -INF),
    (lambda x: 1 / x, INF, -0.0), (lambda x: 0.0 / x, 2.0, -0.0),
    (lambda x: x % 0.0, 1.0, 1.0), (lambda x: x % INF, 1.0, 1.0),
    (lambda x: 5.0 % x, INF, -0.0), (lambda x: -5.0 % x, INF, 1.0),
    (lambda x: np.fmod(-5.0, x), INF, 0.0), (lambda x: np.fmod(5.0, x), 5.0, -1.0),
    # The nearest double to 0.3/0.1 is 3, the exact quotient is less.
    (lambda x: np.fmod(0.3, x), 0.1, -2.0), (lambda x: 0.3 % x, 0.1, -2.0),
    (lambda x: np.hypot(x, 0.0), 0.0, 0.0), (lambda x: np.hypot(x, 1.0), INF, 1.0),
    (lambda x: np.hypot(x, 1.0), -INF, -1.0), (lambda x: np.hypot(1.0, x), 0.0, 0.0),
    (lambda x: np.hypot(x, INF), 1.0, 0.0),
    (lambda x: np.hypot(x, 1.5e308), 1.5e308, 0.5**0.5),
    (lambda x: np.hypot(x, 5e-324), 5e-324, 0.5**0.5),
    (lambda x: np.hypot(x, NAN), 1.0, NAN), (lambda x: np.arctan2(x, 1.0), INF, 0.0),
    (lambda x: np.arctan2(x, INF), 1.0, 0.0), (lambda x: np.arctan2(x, INF), INF, 0.0),
    (lambda x: np.arctan2(x, 0.0), 0.0, 0.0), (lambda x: np.arctan2(0.0, x), 0.0, 0.0),
    (lambda x: np.arctan2(0.0, x), -1.0, -0.0),
    (lambda x: np.arctan2(x, 1e200), 1e200, 0.5e-200),
    (lambda x: np.arctan2(1.0, x), 0.0, -1.0),
    (lambda x: np.logaddexp(x, -INF), -INF, 0.5),
    (lambda x: np.logaddexp(x, -INF), 3.0, 1.0),
    (lambda x: np.logaddexp(x, 3.0), -INF, 0.0),
    (lambda x: np.logaddexp(x, INF), 3.0, 0.0),
    (lambda x: np.logaddexp(x, INF), INF, 0.5),
    (lambda x: np.logaddexp(x, -INF), INF, 1.0),
    (lambda x: np.logaddexp2(x, -INF), -INF, 0.5),
    (lambda x: np.logaddexp2(x, 3), 3, 0.5), (lambda x: np.maximum(x, NAN), 1.0, 1.0),
    (lambda x: np.fmax(x, NAN), 1.0, 1.0), (lambda x: np.fmax(x, 1.0), NAN, 0.0),
    (lambda x: np.fmin(x, 1.0), NAN, 0.0), (lambda x: np.fmin(x, NAN), 1.0, 1.0),
    (lambda x: np.maximum(x, INF), INF, 0.5), (lambda x: np.maximum(x, 1.0), NAN, 1.0),
    (lambda x: np.minimum(x, 1.0), NAN, 1.0),
    (lambda x: np.minimum(x, -INF), -INF, 0.5), (lambda x: np.fmax(x, 2.0), 2.0, 0.5),
    (lambda x: np.fmin(x, 2.0), 2.0, 0.5), (lambda x: np.ldexp(x, 1500), 1e-300, INF),
    (lambda x: np.ldexp(x, 3), 0.0, 8.0), (lambda x: np.frexp(x)[0], 5e-324, INF),
    (lambda x: np.frexp(x)[0], 12.0, 1 / 16), (lambda x: np.modf(x)[0], INF, 1.0),
    (lambda x: np.copysign(x, -1.0), 2.0, -1.0),
    (lambda x: np.copysign(x, -0.0), -2.0, 1.0),
    (lambda x: np.heaviside(0.0, x), 0.3, 1.0),
    (lambda x: np.heaviside(1.0, x), 0.3, 0.0),
    (lambda x: np.nextafter(x, 1.0), 0.5, 1.0),
]
# A nan goes in, a nan comes out, for all that compute their slope from it.
SMOOTH = [
    np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.exp, np.exp2, np.expm1,
    np.log, np.log2, np.log10, np.log1p, np.sinh, np.cosh, np.tanh, np.arcsinh,
    np.arccosh, np.arctanh, np.sqrt, np.cbrt, np.square, np.reciprocal, np.absolute,
    np.fabs, np.sinc, np.i0,
    lambda x: x**3, lambda x: x**2.5, lambda x: 2.0**x, lambda x: 3.0 / x,
]
# fmt: on
SPECIAL += [(f, NAN, NAN) for f in SMOOTH]


def pulled(f: Callable[..., Any], x: Any) -> Any:
    """f′ elementwise, in reverse mode."""
    y, pullback = wg.vjp(f, x)
    return pullback(np.ones(y.shape))[0]


def pushed(f: Callable[..., Any], x: Any) -> Any:
    """f′ elementwise, in forward mode."""
    return wg.jvp(f, (x,), (np.ones(x.shape),))[1]


def test_mixed_second_derivative_of_a_power() -> None:
    """(b·a^(b−1))′ by b is a^(b−1)·(1 + b·log a), also where b = 0."""
    for a, b in ((2.0, 0.0), (2.0, 1.0), (0.5, -2.0), (3.0, 2.5)):
        wanted = a ** (b - 1) * (1 + b * np.log(a))
        for i, j in ((0, 1), (1, 0)):
            got = wg.grad(lambda *ab: wg.grad(np.power, i)(*ab), j)(a, b)
            assert np.isclose(got, wanted, rtol=1e-14)


def same(got: Any, wanted: float) -> bool:
    return bool(np.isclose(got, wanted, rtol=1e-15, atol=0, equal_nan=True))


@pytest.mark.parametrize("mode", [pulled, pushed])
def test_special_points(mode: Callable[..., Any]) -> None:
    """As scalars, and inside an array of other points."""
    wrong = []
    with np.errstate(all="ignore"):
        for k, (f, x, wanted) in enumerate(SPECIAL):
            alone = mode(f, np.float64(x))
            among = mode(f, np.array([x, 0.7, x]))
            if not (same(alone, wanted) and same(among[0], wanted)):
                name = getattr(f, "__name__", "")
                wrong.append(f"{k}: {name} at {x}: {alone}, {among[0]}, not {wanted}")
    assert not wrong, "\n".join(wrong)
