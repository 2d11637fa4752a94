"""stop_gradient: cut for derivatives at every level, not for mapping and staging."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import stop_gradient

X = np.array([1.0, 2.0, 3.0])


def f(x: Any) -> Any:
    return np.sum(x * stop_gradient(x**2))


def test_first_order() -> None:
    np.testing.assert_array_equal(wg.grad(f)(X), X**2)
    np.testing.assert_array_equal(wg.jvp(f, (X,), (np.ones(3),))[1], np.sum(X**2))


def test_every_level_below_is_cut_too() -> None:
    # d/dx [x · sg(x²)] = sg(x²), whose derivative is 0
    np.testing.assert_array_equal(wg.hessian(f)(X), np.zeros((3, 3)))
    inner = lambda x: wg.grad(lambda y: y * stop_gradient(y * x))(x)
    assert inner(3.0) == 9.0
    assert wg.grad(inner)(3.0) == 0.0
    assert wg.jvp(inner, (3.0,), (1.0,))[1] == 0.0
    # what an inner level stops, an outer variable's own path keeps
    assert (
        wg.grad(lambda x: x * wg.grad(lambda y: stop_gradient(y) * x)(1.0))(2.0) == 0.0
    )


def test_mapping_and_staging_go_on() -> None:
    stack = np.stack([X, 2 * X])
    np.testing.assert_array_equal(wg.vmap(stop_gradient)(stack), stack)
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(stack), stack**2)
    np.testing.assert_array_equal(
        wg.grad(lambda s: np.sum(wg.vmap(f)(s)))(stack), stack**2
    )
    graph = wg.trace(f, X)
    assert "stop_gradient" in str(graph)
    graph.check()
    assert graph(2 * X) == f(2 * X)
    np.testing.assert_array_equal(wg.grad(graph)(X), X**2)
    np.testing.assert_array_equal(wg.trace(wg.grad(f), X)(2 * X), 4 * X**2)


def test_values_in_eager_code() -> None:
    seen = {}

    def g(x: Any) -> Any:
        seen["array"] = np.asarray(stop_gradient(x))
        seen["float"] = float(stop_gradient(x[0]))
        seen["text"] = f"{stop_gradient(x[1]):.1f}"
        return np.sum(x) * len(range(int(stop_gradient(x[2]))))

    np.testing.assert_array_equal(wg.grad(g)(X), np.full(3, 3.0))
    assert type(seen["array"]) is np.ndarray
    assert seen["float"] == 1.0
    assert seen["text"] == "2.0"


def test_containers_and_other_leaves() -> None:
    got = stop_gradient({"a": X, "b": [1.5, "text", None, 3], "c": (X > 1,)})
    assert got["b"] == [1.5, "text", None, 3]
    np.testing.assert_array_equal(got["c"][0], X > 1)
    assert wg.grad(lambda p: np.sum(stop_gradient(p)["a"] * p["a"]))({"a": X})["a"][
        1
    ] == pytest.approx(2.0)


def test_the_tape_keeps_its_own_memory() -> None:
    def g(x: Any) -> Any:
        y = np.exp(x)
        value = stop_gradient(y)
        z = np.sum(y * y)
        value[:] = -1.0
        return z

    np.testing.assert_allclose(wg.grad(g)(X), 2 * np.exp(2 * X))
    plain = X.copy()
    stop_gradient(plain)[:] = 0.0
    np.testing.assert_array_equal(plain, X)


def test_zero_d_empty_and_complex() -> None:
    assert stop_gradient(np.array(1.0)).shape == ()
    assert stop_gradient(np.zeros((0, 2))).shape == (0, 2)
    assert wg.grad(lambda z: np.abs(stop_gradient(z)) ** 2 + 0 * np.abs(z))(1j) == 0
    assert stop_gradient(np.float32(1)).dtype == np.float32
