"""Perturbation confusion: each derivative belongs to its own variable, however nested.

After Siskind & Pearlmutter, "Nesting forward-mode AD in a functional framework" (2008),
and Manzyuk et al., "Perturbation confusion in forward automatic differentiation of
higher-order functions" (2019).
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

D = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]


def by_reverse(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return wg.grad(f)


def by_pullback(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: wg.vjp(f, x)[1](1.0)[0]


def by_forward(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: wg.jvp(f, (x,), (1.0,))[1]


def by_mapped_forward(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Forward inside vmap, over two equal items."""
    return lambda x: wg.vmap(by_forward(f))(np.stack([x, x]))[0]


def by_mapped_reverse(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: wg.vmap(wg.grad(f))(np.stack([x, x]))[1]


def by_graph(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: wg.trace(wg.grad(f), wg.Type((), np.dtype(float)))(x)


MODES: dict[str, D] = {
    "reverse": by_reverse,
    "pullback": by_pullback,
    "forward": by_forward,
    "vmap(forward)": by_mapped_forward,
    "vmap(reverse)": by_mapped_reverse,
    "graph": by_graph,
}
PAIRS = list(itertools.product(MODES, repeat=2))
TRIPLES = list(
    itertools.product(["reverse", "forward", "vmap(reverse)", "graph"], repeat=3)
)


def pair(names: tuple[str, ...]) -> list[D]:
    return [MODES[name] for name in names]


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_inner_constant(names: tuple[str, ...]) -> None:
    # d/dx (x · d/dy (x + y)) = 1; confusion gives 2.
    d, e = pair(names)
    assert d(lambda x: x * e(lambda y: x + y)(1.0))(1.0) == 1.0


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_inner_product(names: tuple[str, ...]) -> None:
    # d/dx (x · d/dy (x·y)) = 2x, also where x and y have the same value.
    d, e = pair(names)
    assert d(lambda x: x * e(lambda y: x * y)(2.0))(2.0) == 4.0
    assert d(lambda x: x * e(lambda y: x * y)(x))(2.0) == 4.0


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_variable_as_its_own_point(names: tuple[str, ...]) -> None:
    # d/dx (d/dy x²y³ at y = x) = d/dx 3x⁴ = 12x³
    d, e = pair(names)
    got = d(lambda x: e(lambda y: x**2 * y**3)(x))(1.5)
    np.testing.assert_allclose(got, 12 * 1.5**3, rtol=1e-14)


@pytest.mark.parametrize("names", TRIPLES, ids="-".join)
def test_three_deep(names: tuple[str, ...]) -> None:
    # f = x·∂y(y·∂z(x·y·z²) at z = y) at y = x, worked out below
    d, e, h = pair(names)

    def f(x: Any) -> Any:
        return x * e(lambda y: y * h(lambda z: x * y * z * z)(y))(x * 1.0)

    # h → 2xy², times y: 2xy³, e → 6xy² at y = x: 6x³, times x: 6x⁴, d → 24x³
    np.testing.assert_allclose(d(f)(1.3), 24 * 1.3**3, rtol=1e-13)


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_function_returned_by_a_derivative(names: tuple[str, ...]) -> None:
    """Curried: the inner function is made under one level and used under another."""
    d, e = pair(names)

    def make(x: Any) -> Callable[[Any], Any]:
        return lambda y: np.sin(x * y)

    def f(x: Any) -> Any:
        g = make(x)
        h = make(2.0 * x)
        return e(g)(1.0) * e(lambda y: h(y) + g(y))(0.5)

    def by_hand(x: Any) -> Any:
        return x * np.cos(x) * (2 * x * np.cos(x) + x * np.cos(0.5 * x))

    np.testing.assert_allclose(d(f)(0.7), by_forward(by_hand)(0.7), rtol=1e-13)


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_inner_derivative_ignores_the_outer_variable_used_as_data(
    names: tuple[str, ...],
) -> None:
    d, e = pair(names)
    # The inner function doesn't use its variable: its derivative is zero, and so is
    # that zero's derivative.
    assert d(lambda x: e(lambda y: x * x)(1.0))(3.0) == 0.0
    assert d(lambda x: e(lambda y: y * 1.0)(x))(3.0) == 0.0
    # The outer function doesn't use its variable except to carry it past the inner one.
    assert d(lambda x: e(lambda y: y * y)(2.0) + 0.0 * x)(3.0) == 0.0


@pytest.mark.parametrize("name", MODES)
def test_generators_that_interleave(name: str) -> None:
    """Two derivatives in progress at once, each suspended while the other works."""
    d = MODES[name]

    def steps(k: float, log: list[Any]) -> Any:
        """A generator that differentiates k·x³ step by step."""

        def f(x: Any) -> Any:
            y = x * 1.0
            for _ in range(2):
                y = y * x
                log.append(None)
            return k * y

        yield
        log.append(d(f)(2.0))
        yield
        log.append(d(lambda x: d(f)(x))(2.0) if "graph" not in name else None)

    logs: list[list[Any]] = [[], []]
    runs = [steps(1.0, logs[0]), steps(10.0, logs[1])]
    for _ in range(3):
        for run in runs:
            next(run, None)
    values = [[v for v in log if v is not None] for log in logs]
    assert values[0][0] == 12.0
    assert values[1][0] == 120.0
    if "graph" not in name:
        assert values[0][1] == 12.0
        assert values[1][1] == 120.0


def test_generator_that_carries_the_outer_variable() -> None:
    def f(x: Any) -> Any:
        def powers() -> Any:
            y = 1.0
            while True:
                y = y * x
                yield y

        stream = powers()
        first = next(stream)  # x, made at the outer level

        def inner(u: Any) -> Any:
            return u * next(stream) * first  # x² is made while `inner` is traced

        return wg.grad(inner)(5.0) + next(stream)  # x³ + x³

    np.testing.assert_allclose(wg.grad(f)(2.0), 24.0)
    np.testing.assert_allclose(wg.jvp(f, (2.0,), (1.0,))[1], 24.0)


def test_vmap_inside_grad_inside_vmap() -> None:
    w = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])
    data = np.linspace(-1.0, 1.0, 8).reshape(4, 2)

    def loss(v: Any) -> Any:
        return np.sum(wg.vmap(lambda row: np.tanh(np.sum(row * v)) * v[0])(data))

    got = wg.vmap(wg.grad(loss))(w)
    h = 1e-6
    for i in range(3):
        for j in range(2):
            step = np.zeros(2)
            step[j] = h
            slope = (loss(w[i] + step) - loss(w[i] - step)) / (2 * h)
            np.testing.assert_allclose(got[i, j], slope, rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(got, np.stack([wg.grad(loss)(v) for v in w]))


def test_grad_inside_vmap_inside_grad() -> None:
    xs = np.array([0.3, 0.7, 1.1])

    def total(a: Any) -> Any:
        slopes = wg.vmap(lambda x: wg.grad(lambda u: np.sin(a * u))(x))(xs)
        return np.sum(slopes)

    # d/da Σ a·cos(a·x) = Σ cos(a·x) − a·x·sin(a·x)
    wanted = np.sum(np.cos(2.0 * xs) - 2.0 * xs * np.sin(2.0 * xs))
    np.testing.assert_allclose(wg.grad(total)(2.0), wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.jvp(total, (2.0,), (1.0,))[1], wanted, rtol=1e-14)


def test_mapped_levels_are_not_confused() -> None:
    """Two mapped axes of one length: the inner's items aren't the outer's."""
    a, b = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])
    table = wg.vmap(lambda x: wg.vmap(lambda y: x * 100.0 + y)(b))(a)
    np.testing.assert_array_equal(table, a[:, None] * 100.0 + b)
    same = wg.vmap(lambda x: wg.vmap(lambda y: x * y)(a))(a)
    np.testing.assert_array_equal(same, np.outer(a, a))


def test_mapped_index_into_an_array_that_is_differentiated() -> None:
    x = np.array([1.0, 2.0, 3.0])
    rows = np.array([[0, 1], [2, 2]])
    got = wg.vmap(lambda i: wg.grad(lambda z: np.sum(z[i] ** 2))(x))(rows)
    np.testing.assert_array_equal(got, [[2.0, 4.0, 0.0], [0.0, 0.0, 12.0]])
    got = wg.vmap(lambda i: wg.grad(lambda z: z[i] * 3.0)(x))(np.array([0, 2]))
    np.testing.assert_array_equal(got, [[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])


def test_one_pullback_under_two_levels() -> None:
    """A pullback made once and called plainly, with a tracer, and mapped."""
    x = np.array([0.5, 1.5])
    y, pullback = wg.vjp(lambda t: t**3, x)
    assert y.tolist() == [0.125, 3.375]
    slope = 3 * x**2
    np.testing.assert_array_equal(pullback(np.ones(2))[0], slope)
    got = wg.grad(lambda ct: np.sum(pullback(ct)[0]))(np.ones(2))
    np.testing.assert_array_equal(got, slope)
    got = wg.vmap(lambda ct: pullback(ct)[0])(np.eye(2))
    np.testing.assert_array_equal(got, np.diag(slope))
    got = wg.jvp(lambda ct: pullback(ct)[0], (np.ones(2),), (np.full(2, 2.0),))[1]
    np.testing.assert_array_equal(got, 2 * slope)


def test_same_function_object_at_two_levels() -> None:
    def f(x: Any) -> Any:
        return x * x * x

    def g(x: Any) -> Any:
        return f(x) + wg.grad(f)(x) * wg.grad(wg.grad(f))(f(x))

    # g = x³ + 3x²·6x³ = x³ + 18x⁵
    np.testing.assert_allclose(wg.grad(g)(1.1), 3 * 1.1**2 + 90 * 1.1**4, rtol=1e-13)


def test_recursive_differentiation() -> None:
    """The function differentiates itself, to a depth that its data decides."""

    def f(x: Any, depth: int) -> Any:
        if depth == 0:
            return x**5
        return x * wg.grad(lambda u: f(u, depth - 1))(x)

    # x·d/dx is 5 on x⁵.
    np.testing.assert_allclose(f(1.2, 4), 5**4 * 1.2**5, rtol=1e-12)
