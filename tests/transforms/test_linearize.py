"""linearize: equal to jvp, and f runs once."""

from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(2)
X = rng.standard_normal(4)
V = rng.standard_normal(4)


def f(x: Any, p: Any) -> Any:
    y = np.sin(x) * p["w"]
    return {"y": y, "total": np.sum(y**2) / p["w"]}


P = {"w": 2.0}


def test_equals_jvp_and_is_linear() -> None:
    y, f_lin = wg.linearize(f, X, P)
    for v, w in ((V, 0.3), (np.zeros(4), 1.0), (V * 10, -2.0)):
        wanted_y, wanted = wg.jvp(f, (X, P), (v, {"w": w}))
        got = f_lin(v, {"w": w})
        np.testing.assert_array_equal(y["y"], wanted_y["y"])
        np.testing.assert_allclose(got["y"], wanted["y"], rtol=1e-14)
        np.testing.assert_allclose(got["total"], wanted["total"], rtol=1e-13)
    one, two = f_lin(V, {"w": 0.0}), f_lin(np.zeros(4), {"w": 1.0})
    both = f_lin(2 * V, {"w": 3.0})
    np.testing.assert_allclose(both["y"], 2 * one["y"] + 3 * two["y"], rtol=1e-13)


def test_f_runs_once() -> None:
    runs = []

    def counted(x: Any) -> Any:
        runs.append(1)
        return np.exp(x) * x

    y, f_lin = wg.linearize(counted, X)
    for _ in range(3):
        f_lin(V)
    assert len(runs) == 1
    np.testing.assert_array_equal(y, np.exp(X) * X)


def test_branches_on_values() -> None:
    def branching(x: Any) -> Any:
        return x * 2.0 if np.sum(x) > 0 else x * 3.0

    assert wg.linearize(branching, 1.0)[1](1.0) == 2.0
    assert wg.linearize(branching, -1.0)[1](1.0) == 3.0


@pytest.mark.parametrize(
    "g",
    [
        lambda x: np.sqrt(x * x),
        lambda x: np.where(x > 0, np.sqrt(x), 0.0),
        lambda x: x * np.sqrt(x),
        lambda x: np.maximum(x, 0.0) ** 0.5 * x,
    ],
)
def test_infinite_slopes_as_in_jvp(g: Any) -> None:
    x = np.array([0.0, 1.0])
    _, g_lin = wg.linearize(g, x)
    for v in (np.ones(2), np.array([0.0, 1.0]), np.array([-3.0, 0.0])):
        np.testing.assert_array_equal(g_lin(v), wg.jvp(g, (x,), (v,))[1])


def test_under_other_transforms() -> None:
    def by_lin(x: Any) -> Any:
        return np.sum(wg.linearize(np.sin, x)[1](V))  # Σ cos(x) v

    np.testing.assert_allclose(wg.grad(by_lin)(X), -np.sin(X) * V)
    np.testing.assert_allclose(wg.jvp(by_lin, (X,), (V,))[1], np.sum(-np.sin(X) * V**2))
    stack = np.stack([X, 2 * X])
    np.testing.assert_allclose(
        wg.vmap(by_lin)(stack), np.sum(np.cos(stack) * V, axis=1)
    )
    graph = wg.trace(by_lin, X)
    graph.check()
    np.testing.assert_allclose(graph(X + 1), by_lin(X + 1))
    np.testing.assert_allclose(
        wg.vmap(wg.grad(by_lin))(stack), [wg.grad(by_lin)(x) for x in stack]
    )


def test_the_linear_function_is_transformed() -> None:
    _, f_lin = wg.linearize(lambda x: np.sin(x) * np.sum(x), X)
    jac = wg.jacobian(lambda x: np.sin(x) * np.sum(x))(X)
    np.testing.assert_allclose(wg.vmap(f_lin)(np.eye(4)), jac.T, rtol=1e-14)
    np.testing.assert_allclose(wg.vjp(f_lin, V)[1](X)[0], jac.T @ X, rtol=1e-13)
    np.testing.assert_allclose(wg.jvp(f_lin, (V,), (X,))[1], jac @ X, rtol=1e-13)
    np.testing.assert_allclose(wg.trace(f_lin, V)(V), jac @ V, rtol=1e-13)


def test_closures_over_traced_values() -> None:
    def outer(w: Any) -> Any:
        return wg.linearize(lambda x: np.sum(np.sin(w * x)), X)[1](V)

    wanted = np.sum(V * (np.cos(2 * X) - 2 * X * np.sin(2 * X)))
    assert wg.grad(outer)(2.0) == pytest.approx(wanted)
    assert wg.jvp(outer, (2.0,), (1.0,))[1] == pytest.approx(wanted)


def test_later_changes_of_arrays_dont_matter() -> None:
    x, captured = X.copy(), V.copy()
    y, f_lin = wg.linearize(lambda x: x * x * captured, x)
    x[:], captured[:], y[:] = 99.0, 99.0, 99.0
    np.testing.assert_allclose(f_lin(np.ones(4)), 2 * X * V)


def test_nothing_is_shared() -> None:
    x, v = X.copy(), V.copy()
    y, f_lin = wg.linearize(lambda x: (x, x * 1.0), x)
    dy = f_lin(v)
    arrays = [x, v, *y, *dy]
    for i, a in enumerate(arrays):
        for b in arrays[i + 1 :]:
            assert not np.shares_memory(a, b)
    again = f_lin(v)
    dy[0][:] = 7.0
    np.testing.assert_array_equal(again[0], v)


def test_edge_sizes_and_constants() -> None:
    y, f_lin = wg.linearize(lambda x: (x * 2.0, 3.0, np.ones(2)), np.zeros((0, 2)))
    assert y[0].shape == (0, 2)
    dy = f_lin(np.zeros((0, 2)))
    assert dy[0].shape == (0, 2)
    assert dy[1] == 0.0
    np.testing.assert_array_equal(dy[2], np.zeros(2))
    assert wg.linearize(np.sin, np.float32(1.0))[1](1.0).dtype == np.float32
    z = wg.linearize(lambda z: z**2, 1 + 2j)[1](1j)
    assert z == 2 * (1 + 2j) * 1j


def test_error_texts() -> None:
    with pytest.raises(TypeError, match=r"argument \[0\] is int 3"):
        wg.linearize(np.sin, 3)
    _, f_lin = wg.linearize(np.sin, X)
    with pytest.raises(ValueError, match=r"primal's shape \(4,\)"):
        f_lin(np.ones(3))
    with pytest.raises(ValueError, match="tangents must have the structure"):
        f_lin(V, V)
    with pytest.raises(TypeError, match="primal's dtype float64"):
        f_lin(V + 1j)
    assert f_lin.__name__ == "linearized_of_sin"
