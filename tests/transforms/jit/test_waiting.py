"""jit's first call: what staging computes, and that results don't depend on it."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.op import OPS
from wengert.graph.stage import trace

X = np.array([0.5, 1.0, 2.0])


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """A list that gets longer by each evaluation of an op by NumPy."""
    calls: list[int] = []
    op = OPS[name]
    evaluate = op.evaluate

    def count(*args: Any, **params: Any) -> Any:
        calls.append(1)
        return evaluate(*args, **params)

    monkeypatch.setattr(type(op), "__setattr__", object.__setattr__)
    monkeypatch.setattr(op, "evaluate", count)
    return calls


def mixture(x: Any, w: Any) -> Any:
    """Reductions, products, transposes and reshapes, as in many a model."""
    z = (x @ w).T.reshape(2, -1)
    top = np.max(z, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(z - top), axis=1)) + top[:, 0])


def test_staging_a_gradient_evaluates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = np.ones((4, 3)), np.full((3, 2), 0.5)
    calls = counted(monkeypatch, "exp")
    trace(wg.grad(mixture, (0, 1)), x, w, values=True)
    assert not calls
    trace(lambda x: x if np.exp(x) > 1.0 else -x, 1.0, values=True)
    assert len(calls) == 1


def test_staging_other_derivatives_evaluates_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = counted(monkeypatch, "exp")

    def f(x: Any) -> Any:
        return np.sum(np.exp(x) * x)

    for g in (wg.hessian(f), wg.jacobian(lambda x: np.exp(x) * x), wg.vmap(np.exp)):
        trace(g, X, values=True)
    trace(lambda x: wg.jvp(f, (x,), (x,)), X, values=True)
    assert not calls


def test_a_loop_evaluates_each_step_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, "exp")

    def f(x: Any) -> Any:
        while np.exp(x) < 100.0:
            x = x + 1.0
        return x

    trace(f, 0.0, values=True)
    assert len(calls) == 6


def test_the_first_result_is_that_of_the_later_ones() -> None:
    x, w = np.arange(12.0).reshape(4, 3), np.full((3, 2), 0.5)
    f = wg.jit(wg.value_and_grad(mixture, (0, 1)))
    first, later = f(x, w), f(x, w)
    wanted = wg.value_and_grad(mixture, (0, 1))(x, w)
    for a, b, c in zip(first[1], later[1], wanted[1], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-13)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x),
        lambda x: np.reshape(np.sum(x), ()),
        lambda x: np.asarray(np.max(x)),
        lambda x: x[1] * 2.0,
        lambda x: np.exp(x[..., 1]),
        lambda x: np.einsum("a,a->", x, x),
        lambda x: x @ x,
        lambda x: np.linalg.norm(x),
        lambda x: np.var(x),
        lambda x: np.any(x > 1.0),
    ],
)
def test_results_without_axes_have_their_type(f: Any) -> None:
    got = wg.jit(f, backend="numpy")
    for _ in range(2):
        assert type(got(X)) is type(f(X))
        assert got(X) == f(X)


def test_errors_of_arithmetic_that_are_asked_for_are_raised() -> None:
    def f(x: Any) -> Any:
        try:
            with np.errstate(divide="raise"):
                return 1.0 / x
        except FloatingPointError:
            return x

    zero = np.zeros(2)
    np.testing.assert_array_equal(wg.jit(f)(zero), f(zero))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        wg.jit(np.exp)(np.full(2, 1e4))


def test_what_a_function_writes_is_what_it_would_write() -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        x[0] = y[1]
        x *= 2.0
        return y

    a, b = X.copy(), X.copy()
    np.testing.assert_allclose(wg.jit(f)(a), f(b), rtol=1e-15)
    np.testing.assert_allclose(a, b, rtol=1e-15)


def test_a_run_that_calls_back_gives_its_own_result() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        y = np.exp(x)
        wg.debug.callback(seen.append, y)
        return y * 2.0, np.sum(y)

    g = wg.jit(f)
    for _ in range(2):
        y, total = g(X)
        np.testing.assert_allclose(y, 2.0 * np.exp(X), rtol=1e-15)
        assert isinstance(total, np.float64)
    assert len(seen) == 2
    np.testing.assert_allclose(seen[0], np.exp(X), rtol=1e-15)


def test_numbers_in_and_out() -> None:
    g = wg.jit(wg.grad(lambda x: np.sin(x) * x))
    assert type(g(0.5)) is float
    assert g(0.5) == pytest.approx(np.sin(0.5) + 0.5 * np.cos(0.5), rel=1e-15)
    h = wg.jit(lambda t: wg.grad(lambda x: x * x)(t) + 1.0)
    assert type(h(2.0)) is float
    assert h(2.0) == 5.0


# Values decide nothing that the graph then holds for good -----------------------------


def test_a_zero_cotangent_while_staging_is_no_zero_for_ever() -> None:
    """√ has infinite slopes, so products are strong, and zeros are looked for."""
    a = np.array([[1.0, 2.0], [3.0, 4.0]])

    def f(x: Any, c: Any) -> Any:
        return np.sum(np.sqrt(x)) + np.sum(c * (a @ x))

    x, zero, one = np.array([1.0, 4.0]), np.zeros(2), np.ones(2)
    g = wg.jit(wg.grad(f))
    for c in (zero, one):
        np.testing.assert_allclose(g(x, c), wg.grad(f)(x, c), rtol=1e-15)
    graph = trace(wg.grad(f), x, zero, values=True)
    np.testing.assert_allclose(graph(x, one), wg.grad(f)(x, one), rtol=1e-15)


def test_a_zero_tangent_while_staging_is_no_zero_for_ever() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])

    def f(x: Any, t: Any) -> Any:
        return wg.jvp(lambda x: np.sqrt(x) + a @ x, (x,), (t,))[1]

    x, zero, one = np.array([1.0, 4.0]), np.zeros(2), np.ones(2)
    g = wg.jit(f)
    for t in (zero, one):
        np.testing.assert_allclose(g(x, t), f(x, t), rtol=1e-15)
