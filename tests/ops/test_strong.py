"""Zero by structure stays zero, against infinite slopes and nans; nothing else changes.

The bad point of each function stands behind a `where` that doesn't choose it. Every
mode and composition must give 0 there, and the right slope at the good point beside.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.types import type_of
from wengert.ops.strong import STRONG_PRODUCT, strong_product
from wengert.testing import Scenario, check_scenario

INF, NAN = float("inf"), float("nan")

# (function, the point where its slope or value isn't finite, a good point)
TRAPS = {
    "sqrt": (np.sqrt, 0.0, 4.0),
    "sqrt_nan": (np.sqrt, -1.0, 4.0),
    "cbrt": (np.cbrt, 0.0, 8.0),
    "log": (np.log, 0.0, 2.0),
    "log_nan": (np.log, -1.0, 2.0),
    "log2": (np.log2, 0.0, 2.0),
    "log10": (np.log10, 0.0, 2.0),
    "log1p": (np.log1p, -1.0, 2.0),
    "reciprocal": (np.reciprocal, 0.0, 2.0),
    "one_over": (lambda x: 1.0 / x, 0.0, 2.0),
    "over_square": (lambda x: 3.0 / x**2, 0.0, 2.0),
    "exp": (np.exp, 1000.0, 1.0),
    "exp2": (np.exp2, 2000.0, 1.0),
    "expm1": (np.expm1, 1000.0, 1.0),
    "sinh": (np.sinh, 1000.0, 1.0),
    "cosh": (np.cosh, 1000.0, 1.0),
    "x_exp": (lambda x: x * np.exp(x), 1000.0, 1.0),
    "arcsin": (np.arcsin, 1.0, 0.5),
    "arcsin_nan": (np.arcsin, 2.0, 0.5),
    "arccos": (np.arccos, -1.0, 0.5),
    "arccosh": (np.arccosh, 1.0, 2.0),
    "arccosh_nan": (np.arccosh, 0.0, 2.0),
    "arctanh": (np.arctanh, 1.0, 0.5),
    "root": (lambda x: x**0.5, 0.0, 4.0),
    "fourth_root": (lambda x: x**0.25, 0.0, 4.0),
    "power_nan": (lambda x: x**1.5, -1.0, 4.0),
    "power_self": (lambda x: x**x, -0.5, 2.0),
    "i0": (np.i0, 1000.0, 1.0),
    "chain": (lambda x: np.sin(np.sqrt(np.log(x))), 1.0, 3.0),
    "sqrt_of_sqrt": (lambda x: np.sqrt(np.sqrt(x)), 0.0, 16.0),
    "divided_by_itself": (lambda x: np.sin(x) / x, 0.0, 1.0),
}


def guarded(f: Callable[..., Any], bad: float) -> Callable[..., Any]:
    return lambda x: np.where(np.abs(x - bad) > 0.1, f(x), 0.0)


def slope(f: Callable[..., Any]) -> Callable[..., Any]:
    """f′ elementwise, in reverse mode."""

    def by_reverse(x: Any) -> Any:
        y, pullback = wg.vjp(f, x)
        return pullback(np.ones(y.shape))[0]

    return by_reverse


def push(f: Callable[..., Any]) -> Callable[..., Any]:
    """f′ elementwise, in forward mode."""
    return lambda x: wg.jvp(f, (x,), (np.ones(x.shape),))[1]


def staged(f: Callable[..., Any]) -> Callable[..., Any]:
    """Traced from the shape alone, so that nothing can be decided by the values."""
    return lambda x: wg.trace(f, type_of(x))(x)


FIRST = {
    "reverse": slope,
    "forward": push,
    "staged_reverse": lambda f: staged(slope(f)),
    "staged_forward": lambda f: staged(push(f)),
    "reverse_of_staged": lambda f: slope(staged(f)),
    "vmap_of_reverse": lambda f: wg.vmap(slope(f)),
    "vmap_of_forward": lambda f: wg.vmap(push(f)),
    "reverse_of_vmap": lambda f: slope(wg.vmap(f)),
    "staged_vmap": lambda f: staged(wg.vmap(slope(f))),
}
SECOND = {
    "reverse_reverse": lambda f: slope(slope(f)),
    "forward_reverse": lambda f: push(slope(f)),
    "reverse_forward": lambda f: slope(push(f)),
    "forward_forward": lambda f: push(push(f)),
    "staged_reverse_reverse": lambda f: staged(slope(slope(f))),
    "staged_forward_forward": lambda f: staged(push(push(f))),
    "vmap_of_second": lambda f: wg.vmap(slope(slope(f))),
}


@pytest.mark.parametrize("mode", FIRST)
@pytest.mark.parametrize("name", TRAPS)
def test_the_branch_not_taken(name: str, mode: str) -> None:
    f, bad, good = TRAPS[name]
    with np.errstate(all="ignore"):
        got = FIRST[mode](guarded(f, bad))(np.array([bad, good]))
    wanted = slope(f)(np.array([good]))[0]
    assert got[0] == 0
    assert np.isclose(got[1], wanted, rtol=1e-12)


@pytest.mark.parametrize("mode", SECOND)
@pytest.mark.parametrize("name", TRAPS)
def test_the_branch_not_taken_twice(name: str, mode: str) -> None:
    f, bad, good = TRAPS[name]
    with np.errstate(all="ignore"):
        got = SECOND[mode](guarded(f, bad))(np.array([bad, good]))
    wanted = slope(slope(f))(np.array([good]))[0]
    assert got[0] == 0
    assert np.isclose(got[1], wanted, rtol=1e-12)


@pytest.mark.parametrize("mode", [wg.grad, push], ids=["reverse", "forward"])
@pytest.mark.parametrize("name", TRAPS)
def test_scalars(name: str, mode: Callable[..., Any]) -> None:
    f, bad, _ = TRAPS[name]
    with np.errstate(all="ignore"):
        assert mode(guarded(f, bad))(np.float64(bad)) == 0


# Zero because a factor is zero; the true slope is 0, or 0 is the subgradient.
PRODUCTS = {
    "x·sqrt(x)": lambda x: x * np.sqrt(x),
    "sqrt(x·x)": lambda x: np.sqrt(x * x),
    "sqrt(x²)": lambda x: np.sqrt(x**2),
    "sqrt(square)": lambda x: np.sqrt(np.square(x)),
}


@pytest.mark.parametrize("mode", FIRST)
@pytest.mark.parametrize("name", PRODUCTS)
def test_zero_factors(name: str, mode: str) -> None:
    with np.errstate(all="ignore"):
        got = FIRST[mode](PRODUCTS[name])(np.array([0.0, 4.0]))
    assert got[0] == 0
    assert np.isclose(got[1], 3.0 if name == "x·sqrt(x)" else 1.0)


@pytest.mark.parametrize("n", [1, 3])
def test_norm_by_hand(n: int) -> None:
    def norm(x: Any) -> Any:
        return np.sqrt(np.sum(x * x))

    x = np.zeros(n)
    assert np.array_equal(wg.grad(norm)(x), x)
    assert wg.jvp(norm, (x,), (np.ones(n),))[1] == 0
    assert np.array_equal(wg.trace(wg.grad(norm), type_of(x))(x), x)


@pytest.mark.parametrize("mode", FIRST)
def test_beside_an_infinite_value(mode: str) -> None:
    """An element whose value is infinite doesn't spoil the others."""
    f = guarded(np.sqrt, 0.0)
    assert FIRST[mode](f)(np.array([0.0, 4.0, INF])).tolist() == [0.0, 0.25, 0.0]


@pytest.mark.parametrize("mode", [m for m in FIRST if "vmap" not in m])
def test_infinite_constant(mode: str) -> None:
    c = np.array([INF, 2.0])

    def f(x: Any) -> Any:
        return np.where(np.isfinite(c), c * x, 0.0)

    assert FIRST[mode](f)(np.array([1.0, 1.0])).tolist() == [0.0, 2.0]


# What isn't zero by structure keeps its infinity or nan.
TRULY = [
    (np.sqrt, 0.0, INF),
    (lambda x: 2.0 * np.sqrt(x), 0.0, INF),
    (lambda x: np.sqrt(x) + x * np.sqrt(x), 0.0, INF),
    (np.log, 0.0, INF),
    (lambda x: 1.0 / x, 0.0, -INF),
    (np.arccos, 1.0, -INF),
    (lambda x: np.where(x >= 0, np.sqrt(x), 0.0), 0.0, INF),
    (np.sqrt, -1.0, NAN),
    (lambda x: np.log(x) * x, -1.0, NAN),
    (lambda x: np.where(x < 0, np.sqrt(x), 0.0), -1.0, NAN),
    (lambda x: np.sin(x * INF), 1.0, NAN),
]


@pytest.mark.parametrize("mode", FIRST)
@pytest.mark.parametrize("k", range(len(TRULY)))
def test_true_infinities_stay(k: int, mode: str) -> None:
    f, x, wanted = TRULY[k]
    with np.errstate(all="ignore"):
        got = FIRST[mode](f)(np.array([x]))[0]
    assert np.array_equal(got, wanted, equal_nan=True)


def test_second_derivative_of_a_true_infinity() -> None:
    """(x·√x)″ = ¾/√x at 0."""
    for mode in SECOND.values():
        with np.errstate(all="ignore"):
            got = mode(lambda x: x * np.sqrt(x))(np.array([0.0, 4.0]))
        assert got[0] == INF
        assert np.isclose(got[1], 0.375)


# The product itself ------------------------------------------------------------------

SPECIALS = [0.0, -0.0, 1.0, -2.5, INF, -INF, NAN]


def test_values() -> None:
    a, b = (np.array(g) for g in np.meshgrid(SPECIALS, SPECIALS))
    with np.errstate(invalid="ignore"):
        plain = a * b
    wanted = np.where((a == 0) | (b == 0), 0.0, plain)
    assert np.array_equal(strong_product(a, b), wanted, equal_nan=True)
    for x, y, w in zip(a.flat, b.flat, wanted.flat, strict=True):
        got = strong_product(x, y)
        assert type(got) is np.float64
        assert np.array_equal(got, w, equal_nan=True)


def test_complex_values() -> None:
    """Each of the four real products has zero winning."""
    assert strong_product(0j, complex(NAN, INF)) == 0
    assert strong_product(np.complex128(1j), INF) == complex(0, INF)
    assert strong_product(1j, complex(0, INF)) == complex(-INF, 0)
    assert strong_product(complex(0, INF), complex(2, 0)) == complex(0, INF)
    assert strong_product(np.array([1j, 2.0]), np.array([INF, 0])).tolist() == [
        complex(0, INF), 0,
    ]  # fmt: skip
    assert strong_product(1 + 2j, 3 - 1j) == (1 + 2j) * (3 - 1j)


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        (np.float32(2), 0.5, np.float32),
        (np.float32([2, 0]), np.float32([INF, INF]), np.float32),
        (np.float64(2), np.float32(1), np.float64),
        (np.complex64(2), np.float32(1), np.complex64),
        (np.complex64([0]), np.complex64([INF]), np.complex64),
        (np.ones(2), np.array([True, False]), np.float64),
        (np.float16(2), 1, np.float16),
    ],
)
def test_dtypes(a: Any, b: Any, dtype: Any) -> None:
    got = strong_product(a, b)
    assert got.dtype == dtype
    assert STRONG_PRODUCT.type_of(type_of(a), type_of(b)).dtype == dtype


A = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])
SCENARIOS = [
    Scenario("strong_product", strong_product, (A, A[0] + 0.3)),
    Scenario(
        "strong_product_scalar", strong_product, (np.float64(0.7), np.float64(1.9))
    ),
    Scenario("strong_product_complex", strong_product, (A + 1j, A[0] - 0.5j)),
    Scenario("strong_product_mixed", strong_product, (A, A[0] - 0.5j)),
    Scenario("strong_product_empty", strong_product, (np.zeros((0, 3)), A[0])),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


def test_derivative_of_the_product() -> None:
    """By a factor it is the other one, also where the product is zero."""
    for a, b in ((0.0, 3.0), (2.0, 0.0), (0.0, INF), (2.0, 3.0)):
        assert wg.grad(strong_product, (0, 1))(a, b) == (b, a)
    mixed = wg.grad(lambda a: wg.grad(strong_product, 1)(a, 3.0))
    assert mixed(0.0) == 1.0
