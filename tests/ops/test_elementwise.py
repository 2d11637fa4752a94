"""Elementwise functions: rows for the scenario runner, and piecewise constant ones."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.testing import Scenario, check_scenario

rng = np.random.default_rng(0)
A = rng.uniform(0.2, 0.9, (2, 3))
B = np.array([[0.35], [1.4]])
S = np.float64(0.6)

SMOOTH = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "deg2rad",
    "radians",
    "rad2deg",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sqrt",
    "cbrt",
    "square",
    "reciprocal",
    "absolute",
    "fabs",
    "negative",
    "positive",
    "conjugate",
]
OF_TWO = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "float_power",
    "arctan2",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "remainder",
    "fmod",
    "copysign",
]
CONSTANT = [
    "floor",
    "ceil",
    "trunc",
    "rint",
    "sign",
    "floor_divide",
    "spacing",
    "signbit",
    "isnan",
    "isinf",
    "isfinite",
    "isnat",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
]
OF_INTEGERS = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
    "bitwise_count",
    "gcd",
    "lcm",
]
# Sample points, where (0.2, 0.9) isn't inside the domain, or too close to a kink.
POINTS = {"arccosh": A + 1.1, "log": A + 0.2, "log2": A + 0.2, "log10": A + 0.2}
SECOND = {"remainder": B, "fmod": B, "copysign": -B}


# Scenarios ---------------------------------------------------------------------------

ONE = [Scenario(n, getattr(np, n), (POINTS.get(n, A),)) for n in SMOOTH]
ONE += [
    Scenario(f"{n}_scalar", getattr(np, n), (POINTS.get(n, A)[0, 1],)) for n in SMOOTH
]
NEGATIVE = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arctan",
    "exp",
    "expm1",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arctanh",
    "cbrt",
    "square",
    "reciprocal",
    "absolute",
    "fabs",
]
ONE += [Scenario(f"{n}_negative", getattr(np, n), (-A,)) for n in NEGATIVE]
TWO = [Scenario(n, getattr(np, n), (A, SECOND.get(n, B))) for n in OF_TWO]
TWO += [
    Scenario(f"{n}_scalar", getattr(np, n), (S, SECOND.get(n, B)[1])) for n in OF_TWO
]
TWO += [
    Scenario(f"{n}_same", getattr(np, n), (A + 0.01 * np.pi, A.T.copy().T))
    for n in OF_TWO
]
MORE = [
    # One argument a Python number, which gives way in dtype.
    Scenario("add_number", lambda x: 2.0 + (x + 1) * x, (A,)),
    Scenario("divide_number", lambda x: x / 2.0 + 2 / x, (A,)),
    Scenario("subtract_number", lambda x: (1 - x) * (x - 0.5), (A,)),
    Scenario("remainder_number", lambda x: (x % 0.7) * (5.0 % x), (A,)),
    Scenario("fmod_number", lambda x: np.fmod(x, -0.3) * np.fmod(5.0, x), (A,)),
    Scenario("maximum_number", lambda x: np.maximum(x, 0.5) * x, (A,)),
    Scenario("minimum_number", lambda x: np.minimum(0.5, x) * x, (A,)),
    Scenario("fmax_number", lambda x: np.fmax(x, 0.5) * np.fmin(0.4, x), (A,)),
    Scenario("hypot_number", lambda x: np.hypot(x, 1.0) + np.hypot(2, x), (A,)),
    Scenario(
        "arctan2_number", lambda x: np.arctan2(x, 1.0) + np.arctan2(-2.0, x), (A,)
    ),
    Scenario(
        "logaddexp_number", lambda x: np.logaddexp(x, 0.0) + np.logaddexp(1, x), (A,)
    ),
    Scenario("logaddexp2_number", lambda x: np.logaddexp2(x, 0.0) * x, (A,)),
    Scenario("copysign_number", lambda x: np.copysign(x, -1.0) * x, (A,)),
    # Powers by all kinds of exponents.
    Scenario("power_0", lambda x: x**0 + x, (-A,)),
    Scenario("power_1", lambda x: x**1 * x, (-A,)),
    Scenario("power_2", lambda x: x**2, (-A,)),
    Scenario("power_3", lambda x: x**3, (-A,)),
    Scenario("power_minus_1", lambda x: x**-1, (-A,)),
    Scenario("power_minus_3", lambda x: x**-3.0, (-A,)),
    Scenario("power_half", lambda x: x**0.5, (A,)),
    Scenario("power_minus_half", lambda x: x**-0.5, (A,)),
    Scenario(
        "power_numpy",
        lambda x: x ** np.float32(1.7) * x ** np.int64(2),
        (A,),
        float32=False,
    ),
    Scenario("power_integers", lambda x: x ** np.array([0, 1, 5]), (-A,)),
    Scenario("power_floats", lambda x: x ** np.array([0.0, -1.0, 0.5]), (A,)),
    Scenario("power_negative_base", lambda x: x ** np.array([-2.0, 3.0, 2.0]), (-A,)),
    Scenario(
        "power_ufunc_half",
        lambda x: np.power(x, 0.5) * np.float_power(x, 2),
        (A,),
        float32=False,
    ),
    Scenario("power_constant_base", lambda x: 2.0**x + 3**x + 1.0**x, (A,)),
    Scenario("power_array_base", lambda x: np.array([0.0, 0.5, 2.0]) ** x, (A,)),
    Scenario("power_itself", lambda x: x**x, (A,)),
    Scenario("square_itself", lambda x: x * x, (A,)),
    Scenario("power_in_place", lambda x: _in_place(x), (A,)),
    # Everything that is composed, or is a function and not a ufunc.
    Scenario("sinc", np.sinc, (np.array([-2.3, -1e-3, 1e-5, 0.4, 1.0, 3.3]),), order=3),
    Scenario("sinc_at_0", np.sinc, (np.zeros(2),), order=3),
    Scenario("sinc_scalar", np.sinc, (S,), order=3),
    Scenario(
        "sinc_slope", lambda x: _third(np.sinc, x), (np.array([-5.1, 1e-4, 2.9, 4.2]),)
    ),
    Scenario("i0", np.i0, (np.array([-2.3, 0.0, 1e-5, 0.4, 5.0]),), order=3),
    Scenario("i0_scalar", np.i0, (S,)),
    Scenario("unwrap", lambda x: np.unwrap(7 * x) ** 2, (np.cumsum(A, 1),)),
    Scenario("unwrap_axis", lambda x: np.unwrap(9 * x, axis=0, period=4) ** 2, (A,)),
    Scenario("unwrap_discont", lambda x: np.unwrap(9 * x, 3.5, 0) ** 2, (A,)),
    Scenario("divmod", lambda a, b: np.divmod(a, b)[1] * b, (A, B)),
    Scenario("divmod_operator", lambda x: divmod(x, 0.27)[1] * divmod(2.0, x)[1], (A,)),
    Scenario("modf", lambda x: np.modf(3 * x)[0] ** 2 + np.modf(x)[1], (A,)),
    Scenario("frexp", lambda x: np.frexp(3 * x)[0] ** 2, (A,)),
    Scenario("ldexp", lambda x: np.ldexp(x, 3) ** 2, (A,)),
    Scenario("ldexp_array", lambda x: np.ldexp(x, np.array([-1, 0, 4])) ** 2, (A,)),
    Scenario("nextafter", lambda x: np.nextafter(x, 2.0) ** 2, (A,), float32=False),
    Scenario(
        "heaviside", lambda x, h: x * np.heaviside([0.0, 1.0, -1.0], h), (A, A + 1)
    ),
    Scenario("round", lambda x: np.round(3 * x) + np.around(x, 1) * x, (A,)),
    Scenario(
        "round_method", lambda x: x.round(1) * x + np.fix(3 * x) + np.rint(x), (A,)
    ),
    Scenario("sign", lambda x: np.sign(x) * x + np.floor(9 * x) * x, (-A,)),
    Scenario("where_negative", lambda x: np.where(x > 0.5, np.sqrt(x), x**2), (A,)),
    # Layouts and sizes.
    Scenario(
        "empty", lambda a, b: np.exp(a) * b, (np.zeros((0, 3)), np.ones((2, 1, 3)))
    ),
    Scenario("broadcast_both", lambda a, b: a * b + a**b, (A[:, None], B + 0.1)),
    Scenario("zero_d_and_array", lambda a, b: np.arctan2(a, b), (S, A)),
    # Keywords.
    Scenario(
        "dtype", lambda x: np.multiply(x, x, dtype=np.float64) ** 2, (A,), float32=False
    ),
    Scenario("outer", lambda a, b: np.multiply.outer(a, b), (A, B)),
    Scenario("outer_power", lambda a: np.power.outer(a, [2.0, -1.0]), (A,)),
    Scenario("outer_scalar", lambda a: np.subtract.outer(a, 2.0) ** 2, (A,)),
    Scenario("out", lambda x: np.sin(x, out=np.zeros_like(x)) * x, (A,)),
    Scenario("out_where", lambda x: _masked_add(x, x[0]), (A,)),
    Scenario(
        "modf_out", lambda x: np.modf(3 * x, out=(np.zeros_like(x), None))[0] * x, (A,)
    ),
]


def _in_place(x: Any) -> Any:
    y = 1.0 * x
    y **= 3
    y += x
    y *= 2.0
    y -= 1
    y /= x
    y %= 0.77
    return y


def _third(f: Any, x: Any) -> Any:
    """f‴ elementwise."""
    for _ in range(3):
        f = _slope(f)
    return f(x)


def _slope(f: Any) -> Any:
    return lambda x: wg.jvp(f, (x,), (np.ones(x.shape, x.dtype),))[1]


def _masked_add(a: Any, b: Any) -> Any:
    out = np.zeros_like(a) + 3 * a
    np.add(a, b, out=out, where=np.array([True, False, True]))
    return out * a


@pytest.mark.parametrize("scenario", ONE + TWO + MORE, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Piecewise constant ------------------------------------------------------------------


@pytest.mark.parametrize("name", CONSTANT)
def test_constant(name: str) -> None:
    """NumPy's values, as plain arrays in a differentiated function; gradient zero."""
    f = getattr(np, name)
    x = np.array([-1.5, 0.0, 2.5])
    if name == "isnat":
        with pytest.raises(TypeError, match="isnat"):
            wg.grad(lambda x: np.sum(np.isnat(x)))(x)
        return

    def g(x: Any) -> Any:
        y = f(*[x] * f.nin)
        assert type(y) is np.ndarray
        return np.sum(x + y)

    with np.errstate(all="ignore"):
        value, gradient = wg.value_and_grad(g)(x)
        assert np.array_equal(value, np.sum(x + f(*[x] * f.nin)), equal_nan=True)
        assert np.array_equal(gradient, np.ones(3))
        assert wg.jvp(lambda x: f(*[x] * f.nin), (x,), (x,))[1].any() == 0
        mapped = wg.vmap(lambda x: f(*[x] * f.nin))(x)
        staged = wg.trace(lambda x: f(*[x] * f.nin), x)(x)
        plain = f(*[x] * f.nin)
    for y in (mapped, staged):
        assert y.dtype == plain.dtype
        assert np.array_equal(y, plain, equal_nan=True)


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_of_integers(name: str) -> None:
    f = getattr(np, name)
    x, y = np.array([6, 9, 0]), np.array([4, 3, 1])
    args = (x, y)[: f.nin]
    assert np.array_equal(wg.vmap(f)(*args), f(*args))
    assert np.array_equal(wg.trace(f, *args)(*args), f(*args))
    assert wg.trace(f, *args)(*args).dtype == f(*args).dtype
    with pytest.raises(TypeError, match=f"ufunc '{name}'"):
        wg.grad(lambda x: f(*[x] * f.nin))(1.0)


def test_integer_parts() -> None:
    """The parts of pairs that are piecewise constant are plain arrays."""
    x = np.array([-3.5, 0.0, 5.25])

    def f(x: Any) -> Any:
        quotient, remainder = np.divmod(x, 2.0)
        fraction, whole = np.modf(x)
        mantissa, exponent = np.frexp(x)
        for part in (quotient, whole, exponent, np.round(x, 1), np.fix(x), np.rint(x)):
            assert type(part) is np.ndarray
        wanted = (*np.divmod(X, 2.0), *np.modf(X), *np.frexp(X))
        got = (quotient, remainder, fraction, whole, mantissa, exponent)
        for g, w in zip(got, wanted, strict=True):
            assert np.array_equal(getattr(g, "value", g), w)
            assert g.dtype == w.dtype
        return np.sum(remainder + fraction + mantissa)

    X = x
    assert wg.grad(f)(x).tolist() == [2.25, 3.0, 2.125]


@pytest.mark.parametrize(
    "x", [5e-324, 1e-310, -2.0, 0.0, 1e308, np.inf, -np.inf, np.nan]
)
def test_pairs_keep_numpys_values(x: float) -> None:
    for f in (np.frexp, np.modf, lambda x: (np.ldexp(x, 3), np.ldexp(x, -1100))):
        with np.errstate(all="ignore"):
            wanted = f(np.float64(x))
            for got in (wg.trace(f, x)(x), wg.jvp(f, (x,), (1.0,))[0]):
                for g, w in zip(got, wanted, strict=True):
                    assert np.array_equal(g, w, equal_nan=True)
                    assert np.signbit(g) == np.signbit(w)


# More of sinc ------------------------------------------------------------------------


@pytest.mark.parametrize("order", range(7))
def test_derivatives_of_sinc_of_any_order(order: int) -> None:
    """The parity of the derivatives at 0, and the series against the recurrence."""
    from wengert.ops.elementwise.functions import _sinc_series, _sinc_up

    t = np.array([0.9, 1.0, 1.1]) * (1 + order)
    scale = np.abs(_sinc_up(t, order)) + 0.1
    assert np.max(np.abs(_sinc_series(t, order) - _sinc_up(t, order)) / scale) < 1e-12
    f = np.sinc
    for _ in range(order):
        f = _slope(f)
    wanted = 0.0 if order % 2 else (-1) ** (order // 2) * np.pi**order / (order + 1)
    assert np.isclose(f(np.float64(0)), wanted, rtol=1e-14, atol=0)
