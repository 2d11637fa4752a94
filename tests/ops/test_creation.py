"""New arrays: like a traced one, of traced numbers, evenly spaced between them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.testing import Scenario, check_scenario

wnp = wg.numpy
rng = np.random.default_rng(0)
V = rng.standard_normal(3)
A = rng.standard_normal((2, 3))
Z = rng.standard_normal(3) + 1j
HALF = np.float64(0.5)
TWO = np.float64(2.0)

SCENARIOS = [
    Scenario("array", lambda x: wnp.array([x[0], 2.0, x[1] * x[2]]) ** 2, (V,)),
    Scenario(
        "array_nested",
        lambda x, a: wnp.array([[a, x[0]], [1, a * x[1]]]) ** 2,
        (V, HALF),
    ),
    Scenario(
        "array_of_rows", lambda x, y: wnp.array([x, (y[0], 1.0, y[1])]) ** 2, (V, V * 2)
    ),
    Scenario(
        "array_dtype",
        lambda x: wnp.array([x, x * x], dtype=np.float32) ** 2,
        (HALF,),
        rtol=1e-2,
        order=1,
    ),
    Scenario("array_ndmin", lambda x: wnp.array(x, ndmin=3) ** 2, (V,)),
    Scenario("array_complex", lambda z: wnp.array([z[0], 1.0, z[1]]) ** 2, (Z,)),
    Scenario("asarray", lambda x: wnp.asarray([x, x]) ** 2, (V,)),
    Scenario("ascontiguousarray", lambda x: wnp.ascontiguousarray(x.T) ** 2, (A,)),
    Scenario("full", lambda x: wnp.full((2, 2), x * x), (HALF,)),
    Scenario("full_rows", lambda x: wnp.full((2, 3), x) ** 2, (V,)),
    Scenario("full_like", lambda x, v: np.full_like(x * v, v[0] ** 2) * x, (A, V)),
    Scenario("ones_like", lambda x: np.ones_like(x) * x**2, (A,)),
    Scenario("copy", lambda x: np.copy(x) ** 2, (A,)),
    Scenario("linspace", lambda a, b: np.linspace(a, b, 5) ** 2, (HALF, TWO)),
    Scenario(
        "linspace_open",
        lambda a, b: np.linspace(a, b, 4, endpoint=False) ** 2,
        (HALF, TWO),
    ),
    Scenario("linspace_one", lambda a: np.linspace(a, 3.0, 1) ** 2, (HALF,)),
    Scenario("linspace_none", lambda a: np.linspace(a, 3.0, 0) ** 2, (HALF,)),
    Scenario(
        "linspace_step",
        lambda a, b: np.linspace(a, b, 5, retstep=True)[1] ** 2,
        (HALF, TWO),
    ),
    Scenario(
        "linspace_vectors", lambda a, b: np.linspace(a, b, 4, axis=-1) ** 2, (V, HALF)
    ),
    Scenario("linspace_complex", lambda z: np.linspace(z, 1.0, 3) ** 2, (Z,)),
    Scenario("logspace", lambda a, b: np.logspace(a, b, 4), (HALF, TWO)),
    Scenario("logspace_base", lambda a, b: np.logspace(0.0, a, 4, base=b), (HALF, TWO)),
    Scenario("geomspace", lambda a, b: np.geomspace(a, b, 4), (HALF, TWO)),
    Scenario(
        "geomspace_negative",
        lambda a: np.geomspace(-a, -3.0, 4, endpoint=False),
        (HALF,),
    ),
    Scenario("geomspace_vectors", lambda a: np.geomspace(a, 10.0, 4, axis=1), (V**2,)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


LIKE: dict[str, Callable[[Any], Any]] = {
    "zeros": lambda x: np.zeros(4, like=x),
    "zeros_shape": lambda x: np.zeros((4, 1), np.float32, like=x),
    "ones": lambda x: np.ones(4, like=x),
    "empty": lambda x: 0.0 * np.empty(4, like=x) + np.arange(4.0),
    "full": lambda x: np.full(4, 3.0, like=x),
    "eye": lambda x: np.eye(4, 2, like=x),
    "identity": lambda x: np.identity(4, like=x),
    "arange": lambda x: np.arange(4.0, like=x),
    "tri": lambda x: np.tri(4, 3, like=x),
    "array": lambda x: np.array([1.0, 2.0, 3.0, 4.0], like=x),
    "asarray": lambda x: np.asarray([1.0, 2.0, 3.0, 4.0], like=x),
    "zeros_like": lambda x: np.zeros_like(x, shape=(4,)),
    "zeros_like_integers": lambda x: np.zeros_like(x, int, shape=(4,)),
    "full_like": lambda x: np.full_like(x, 7.0, shape=4),
}


@pytest.mark.parametrize("name", LIKE)
def test_like(name: str) -> None:
    """Values and dtype are NumPy's, and a traced value can be written into it."""
    make = LIKE[name]

    def f(x: Any) -> Any:
        y = make(x)
        y[1] = x[0] ** 2
        return y * 1.0

    wanted = f(V)
    for got in (
        wg.vjp(f, V)[0],
        wg.jvp(f, (V,), (V,))[0],
        wg.trace(f, V)(V),
        wg.vmap(f)(V[None])[0],
    ):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
    if "integers" not in name:
        slope = wg.grad(lambda x: np.sum(f(x)))(V)
        np.testing.assert_allclose(slope[0], 2 * V[0] * f(V)[1].size, rtol=1e-6)


def test_copies_share_nothing() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        for made in (np.copy(y), y.copy(), wnp.array(y), wnp.ascontiguousarray(y.T)):
            made[...] = 0.0
        wnp.asarray(y)[0] = 5.0
        return y

    wanted = A.copy()
    wanted[0] = 5.0
    np.testing.assert_array_equal(wg.vjp(f, A)[0], wanted)


def test_bool_copies_in_graphs() -> None:
    graph = wg.trace(lambda x: np.copy(x > 0), V)
    np.testing.assert_array_equal(graph(V), V > 0)


def test_linspace_values_and_ends() -> None:
    y = wg.vjp(lambda a: np.linspace(a, 1.0, 7), 0.1)[0]
    np.testing.assert_array_equal(y, np.linspace(0.1, 1.0, 7))
    assert wg.vjp(lambda a: np.linspace(a, 9.9, 5, dtype=int), 0.1)[0].dtype == int
    assert np.isnan(wg.vjp(lambda a: np.linspace(a, 1, 1, retstep=True)[1], 0.1)[0])
    y = wg.vjp(lambda a: np.geomspace(a, 100.0, 3), 1.0)[0]
    np.testing.assert_array_equal(y, [1.0, 10.0, 100.0])


def test_refusals() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        wg.vjp(lambda a: np.linspace(a, 1.0, -1), 0.1)
    with pytest.raises(ValueError, match="real ends"):
        wg.vjp(lambda z: np.geomspace(z, 1.0, 3), 1j)
    with pytest.raises(wg.WengertError, match=r"wengert\.numpy\.array"):
        wg.vjp(lambda x: np.array([x[0], x[1]]), V)
