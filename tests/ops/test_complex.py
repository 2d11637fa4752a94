"""Complex numbers: holomorphic ufuncs, and functions of real and imaginary part."""

from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mp

import wengert as wg
import wengert.numpy as wnp
from wengert.core.errors import DerivativeError
from wengert.ops.elementwise import UFUNCS
from wengert.testing import Scenario, check_scenario

Z = np.array(
    [[0.3 + 0.4j, -0.5 + 0.7j, 0.6 - 0.2j], [1.2 - 0.9j, -0.4 - 0.3j, 0.2 + 1.1j]]
)
W = np.array([[0.8 - 0.5j], [-0.3 + 0.6j]])
X = np.array([0.4, 1.3, -0.7])
ONE_Z = np.complex128(0.7 - 0.4j)

HOLOMORPHIC = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
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
    "square",
    "reciprocal",
    "negative",
    "positive",
]
OF_TWO = ["add", "subtract", "multiply", "divide", "power", "float_power"]
OTHERS = ["absolute", "conjugate", "sign"]
ORDERED = ["maximum", "minimum", "fmax", "fmin"]
CONSTANT = "rint isnan isinf isfinite equal not_equal less less_equal greater"
CONSTANT += " greater_equal logical_and logical_or logical_xor logical_not"

SCENARIOS = [Scenario(n, getattr(np, n), (Z,)) for n in HOLOMORPHIC]
SCENARIOS += [Scenario(f"{n}_scalar", getattr(np, n), (ONE_Z,)) for n in HOLOMORPHIC]
SCENARIOS += [
    Scenario(n, getattr(np, n), (Z, W), float32=n != "float_power") for n in OF_TWO
]
SCENARIOS += [
    Scenario("real", lambda z: np.real(z) ** 2, (Z,)),
    Scenario("real_attribute", lambda z: z.real * z.imag, (Z,)),
    Scenario("imag", lambda z: np.imag(z) ** 2, (Z,)),
    Scenario("conjugate", lambda z: np.conj(z) * z**2, (Z,)),
    Scenario("conj_method", lambda z: z.conj() * z.conjugate(), (Z,)),
    Scenario("modulus", np.abs, (Z,)),
    Scenario("modulus_scalar", abs, (ONE_Z,)),
    Scenario("modulus_square", lambda z: np.absolute(z) ** 2, (Z,)),
    Scenario("sign", lambda z: np.sign(z) * z, (Z,)),
    Scenario("angle", np.angle, (Z,)),
    Scenario("angle_degrees", lambda z: np.angle(z, deg=True), (Z,), rtol=1e-6),
    Scenario("angle_of_real", lambda x: np.angle(x) + x, (X,)),
    Scenario(
        "parts_of_real", lambda x: np.real(x) * x.real + np.imag(x) + np.conj(x), (X,)
    ),
    Scenario("polar", lambda r, t: r * np.exp(1j * t), (X, X + 1)),
    Scenario("complex_of_real", lambda x: (x + 1j * x**2) * (2 - 1j), (X,)),
    Scenario("real_times_complex", lambda x, z: x * z, (X, Z)),
    Scenario("real_over_complex", lambda x, z: x / z + z / x, (X, Z)),
    Scenario("real_base", lambda x: x ** (1 + 2j), (np.abs(X),)),
    Scenario("complex_of_negative_base", lambda x, z: (x + 0j) ** z, (X, Z)),
    Scenario("power_3", lambda z: z**3 + z**-2 + z**2 + z**1 + z**0.5, (Z,)),
    Scenario("power_number", lambda z: z**2.5 + z ** (1j), (Z,)),
    Scenario("constant_base", lambda z: 2.0**z + (1 + 1j) ** z, (Z,)),
    Scenario("to_complex", lambda x: x.astype(complex) * (1 + 2j), (X,), float32=False),
    Scenario(
        "real_if_close",
        lambda x: np.real_if_close(x + 0j * x) ** 2,
        (X,),
        stage=False,
        vmap=False,
    ),
    Scenario(
        "real_if_not_close",
        lambda z: np.real_if_close(z) ** 2,
        (Z,),
        stage=False,
        vmap=False,
    ),
    Scenario("set_real", lambda z: _set_real(z), (Z,)),
    Scenario(
        "hermitian_form", lambda z: np.sum(np.conj(z) * (W @ W.T) @ z).real, (Z[:, :1],)
    ),
    Scenario("sinc", np.sinc, (Z,), order=3),
    Scenario("sinc_far", np.sinc, (2 * Z + 3,)),
    Scenario("empty", lambda z: np.abs(z) * z, (np.zeros((0, 2), complex),)),
    Scenario("zero_d", lambda z: np.abs(z) * z.conj(), (np.array(0.3 - 2j),)),
]


def _set_real(z: Any) -> Any:
    y = 1.0 * z
    y.real = y.imag**2
    y.imag = y.real * 3
    return y**2


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


def test_every_complex_ufunc_is_here() -> None:
    able = {f.__name__ for f in UFUNCS if any("D" in t.split("->")[0] for t in f.types)}
    listed = HOLOMORPHIC + OF_TWO + OTHERS + ORDERED + CONSTANT.split()
    assert able == set(listed)


# Against mpmath ----------------------------------------------------------------------

SLOPES = {
    "sin": mp.cos, "cos": lambda z: -mp.sin(z), "tan": lambda z: mp.sec(z) ** 2,
    "arcsin": lambda z: 1 / mp.sqrt(1 - z) / mp.sqrt(1 + z),
    "arccos": lambda z: -1 / mp.sqrt(1 - z) / mp.sqrt(1 + z),
    "arctan": lambda z: 1 / (1 + z * z), "exp": mp.exp,
    "exp2": lambda z: mp.log(2) * mp.mpf(2) ** z, "expm1": mp.exp,
    "log": lambda z: 1 / z, "log2": lambda z: 1 / z / mp.log(2),
    "log10": lambda z: 1 / z / mp.log(10), "log1p": lambda z: 1 / (1 + z),
    "sinh": mp.cosh, "cosh": mp.sinh, "tanh": lambda z: mp.sech(z) ** 2,
    "arcsinh": lambda z: 1 / mp.sqrt(1 + z * z),
    "arccosh": lambda z: 1 / mp.sqrt(z - 1) / mp.sqrt(z + 1),
    "arctanh": lambda z: 1 / (1 - z * z), "sqrt": lambda z: 1 / (2 * mp.sqrt(z)),
    "square": lambda z: 2 * z, "reciprocal": lambda z: -1 / z**2,
    "negative": lambda z: -1, "positive": lambda z: 1,
}  # fmt: skip


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_slopes_against_mpmath(name: str) -> None:
    """In all quadrants, from 1e-8 to 30, to 1e-13 of its modulus and its condition."""
    rng = np.random.default_rng(11)
    size = 10.0 ** rng.uniform(-8, 1.47, 500)
    z = size * np.exp(1j * rng.uniform(-np.pi, np.pi, 500))
    pullback = wg.vjp(getattr(np, name), z)[1]
    got = np.conj(pullback(np.ones(500, complex))[0])
    pushed = wg.jvp(getattr(np, name), (z,), (np.ones(500, complex),))[1]
    assert np.allclose(got, pushed, rtol=1e-14, atol=0)
    with mp.workdps(50):
        step = mp.mpf(10) ** -20
        for point, g in zip(z, got, strict=True):
            p = mp.mpc(point)
            wanted = SLOPES[name](p)
            moved = abs(SLOPES[name](p * (1 + step)) - wanted) / step
            room = 1e-13 * abs(wanted) + 16 * 2.3e-16 * moved
            assert abs(mp.mpc(g) - wanted) <= room, (point, g, mpmath.nstr(wanted, 17))


@pytest.mark.parametrize(("f", "z"), [(np.tanh, 300.0 + 1j), (np.tan, 1 + 300j)])
def test_far_from_the_axis(f: Any, z: complex) -> None:
    """1 − tanh² is 0 there, although 4e^(−600) isn't."""
    for sign in (1, -1):
        got = wg.grad(f, holomorphic=True)(sign * z)
        wanted = 4 * np.exp(-600.0 - 2j if f is np.tanh else -600.0 + 2j)
        assert abs(got - wanted) < 1e-12 * abs(wanted)


@pytest.mark.parametrize("x", [np.float64(0.7), np.float32(0.7), np.array([0.7, 1.1])])
def test_python_complex_on_the_left(x: Any) -> None:
    """Python takes a float64 for its own float: the result must still be NumPy's."""
    for f in (
        lambda x: 1j + x, lambda x: 1j - x, lambda x: 1j * x, lambda x: 2j / x,
        lambda x: (1 + 1j) ** x, lambda x: np.multiply(1j, x),
        lambda x: np.power(2j, x),
    ):  # fmt: skip
        wanted = np.asarray(f(np.atleast_1d(x))).reshape(x.shape)
        y, pullback = wg.vjp(f, x)
        assert y.dtype == wanted.dtype
        assert np.allclose(y, wanted, rtol=1e-6)
        assert wg.trace(f, x)(x).dtype == wanted.dtype
        dy = wg.jvp(f, (x,), (np.ones_like(x),))[1]
        w = (1 - 2j) * np.ones_like(wanted)
        assert pullback(w[()])[0].dtype == x.dtype
        assert np.allclose(pullback(w[()])[0], np.real(np.conj(w) * dy), rtol=1e-5)


@pytest.mark.parametrize("z", [800.0 + 1j, -800.0 + 1j, -400.0 - 2j])
def test_very_far_from_the_axis(z: complex) -> None:
    """Where cosh overflows, its inverse is 0."""
    assert wg.grad(np.tanh, holomorphic=True)(z) == 0


# Conventions -------------------------------------------------------------------------


def test_gradient_is_the_direction_of_steepest_ascent() -> None:
    assert np.isclose(wg.grad(lambda z: abs(z) ** 2)(3 + 4j), 6 + 8j, rtol=1e-15)
    assert wg.grad(lambda z: z.real)(3 + 4j) == 1
    assert wg.grad(lambda z: z.imag)(3 + 4j) == 1j
    assert np.isclose(wg.grad(abs)(3 + 4j), 0.6 + 0.8j, rtol=1e-15)


def test_holomorphic_is_the_complex_derivative() -> None:
    for f in (np.exp, np.sin, lambda z: z**3, lambda z: 1 / z):
        got = wg.grad(f, holomorphic=True)(0.3 + 0.4j)
        # Cauchy–Riemann: along the real axis.
        along = wg.jvp(f, (0.3 + 0.4j,), (1.0 + 0j,))[1]
        assert np.isclose(got, along, rtol=1e-14)


def test_a_complex_result_needs_holomorphic() -> None:
    with pytest.raises(DerivativeError, match="holomorphic=True"):
        wg.grad(lambda z: z**2)(1j)


def test_real_argument_keeps_a_real_gradient() -> None:
    gradient = wg.grad(lambda x: np.abs(np.exp(1j * x) + x) ** 2)(0.7)
    assert isinstance(gradient, float)
    assert np.isclose(gradient, 2 * 0.7 + 2 * np.cos(0.7) - 2 * 0.7 * np.sin(0.7))


# Questions ---------------------------------------------------------------------------


def test_questions() -> None:
    x = np.array([1.0, -np.inf, np.inf, np.nan])
    z = np.array([1 + 0j, 1j])

    def f(x: Any, z: Any) -> Any:
        assert np.isposinf(x).tolist() == [False, False, True, False]
        assert np.isneginf(x).tolist() == [False, True, False, False]
        out = np.zeros(4, bool)
        assert np.isposinf(x, out) is out
        assert out.tolist() == [False, False, True, False]
        assert np.iscomplex(z).tolist() == [False, True]
        assert np.isreal(z).tolist() == [True, False]
        assert np.isreal(x).all()
        assert np.iscomplexobj(z)
        assert not np.iscomplexobj(x)
        assert np.isrealobj(x)
        return np.sum(z).real

    wg.grad(f, argnums=(0, 1))(x, z)


def test_named_functions_take_lists_of_traced_values() -> None:
    assert wg.grad(lambda x: np.sum(wnp.multiply([x, 2.0], [x, 3 * x])))(3.0) == 12.0
    assert wnp.add(1, [2, 3]).tolist() == [3, 4]
