"""hessian and hvp: symmetric, right, and consistent with each other."""

from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(1)
X = rng.standard_normal(5)


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock_hessian(x: Any) -> Any:
    n = len(x)
    h = np.zeros((n, n))
    for i in range(n - 1):
        h[i, i] += 1200.0 * x[i] ** 2 - 400.0 * x[i + 1] + 2.0
        h[i + 1, i + 1] += 200.0
        h[i, i + 1] = h[i + 1, i] = -400.0 * x[i]
    return h


def smooth(x: Any) -> Any:
    return np.log(np.sum(np.exp(x * x[::-1]))) * np.prod(np.sin(x))


@pytest.mark.parametrize("chunk", [None, 1, 2, 7])
def test_known_hessian(chunk: Any) -> None:
    got = wg.hessian(rosenbrock, chunk=chunk)(X)
    np.testing.assert_allclose(got, rosenbrock_hessian(X), rtol=1e-12, atol=1e-10)


def test_symmetric_and_equal_to_other_orders_of_modes() -> None:
    h = wg.hessian(smooth)(X)
    np.testing.assert_allclose(h, h.T, rtol=1e-12, atol=1e-14)
    for outer, inner in [
        (wg.jacfwd, wg.jacfwd), (wg.jacrev, wg.jacfwd), (wg.jacrev, wg.jacrev),
    ]:  # fmt: skip
        np.testing.assert_allclose(outer(inner(smooth))(X), h, rtol=1e-11, atol=1e-13)
    step = 1e-5
    for i, e in enumerate(np.eye(5)):
        g = (wg.grad(smooth)(X + step * e) - wg.grad(smooth)(X - step * e)) / (2 * step)
        np.testing.assert_allclose(h[:, i], g, rtol=1e-6, atol=1e-8)


def test_structure_of_structure() -> None:
    p = {"a": X[:2].copy(), "b": [2.0, rng.standard_normal((2, 3))]}

    def f(p: Any) -> Any:
        return np.sum(np.sin(p["a"][:, None] * p["b"][1]) * p["b"][0] ** 2)

    h = wg.hessian(f)(p)
    assert h["a"]["a"].shape == (2, 2)
    assert h["a"]["b"][1].shape == (2, 2, 3)
    assert h["b"][1]["a"].shape == (2, 3, 2)
    assert h["b"][1]["b"][1].shape == (2, 3, 2, 3)
    assert h["b"][0]["b"][0] == pytest.approx(2 * f({**p, "b": [1.0, p["b"][1]]}))
    np.testing.assert_allclose(
        h["a"]["b"][1], np.moveaxis(h["b"][1]["a"], -1, 0), rtol=1e-12
    )


def test_argnums_tuple() -> None:
    f = lambda x, y: np.sum(x**2 * y)
    (xx, xy), (yx, yy) = wg.hessian(f, (0, 1))(X, 3.0)
    np.testing.assert_allclose(xx, np.diag(np.full(5, 6.0)))
    np.testing.assert_allclose(xy, 2 * X)
    np.testing.assert_allclose(yx, 2 * X)
    np.testing.assert_array_equal(yy, 0.0)
    np.testing.assert_array_equal(wg.hessian(f, 1)(X, 3.0), 0.0)


def test_has_aux_and_names() -> None:
    h, aux = wg.hessian(lambda x: (np.sum(x**3), x * 2.0), has_aux=True)(X)
    np.testing.assert_allclose(h, np.diag(6 * X))
    assert type(aux) is np.ndarray
    np.testing.assert_array_equal(aux, X * 2.0)
    assert wg.hessian(smooth).__name__ == "hessian_of_smooth"


def test_holomorphic() -> None:
    z = X[:3] + 1j * X[1:4]
    got = wg.hessian(lambda z: np.sum(z**3) * z[0], holomorphic=True)(z)
    wanted = np.diag(6 * z * z[0])
    wanted[0] += 3 * z**2
    wanted[:, 0] += 3 * z**2
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    with pytest.raises(TypeError, match="holomorphic=True if it is"):
        wg.hessian(lambda z: np.sum(np.abs(z) ** 2))(z)


def test_edge_sizes_and_dtype() -> None:
    assert wg.hessian(lambda x: x**3)(2.0) == 12.0
    assert wg.hessian(lambda x: np.sum(x**2))(np.zeros(0)).shape == (0, 0)
    assert wg.hessian(lambda x: np.sum(x**2))(np.ones((2, 0))).shape == (2, 0, 2, 0)
    h = wg.hessian(lambda x: np.sum(x**2))(X.astype(np.float32))
    assert h.dtype == np.float32


def test_errors_name_the_users_function() -> None:
    def many(x: Any) -> Any:
        return x * 2.0

    with pytest.raises(TypeError, match="one number as the result of `many`"):
        wg.hessian(many)(X)
    with pytest.raises(TypeError, match="one number as the result of `many`"):
        wg.hvp(many, X, X)
    with pytest.raises(TypeError, match="int 3"):
        wg.hessian(many)(3)


# hvp ----------------------------------------------------------------------------------


def test_hvp_is_the_hessian_times_the_vector() -> None:
    v = rng.standard_normal(5)
    got = wg.hvp(smooth, X, v)
    np.testing.assert_allclose(got, wg.hessian(smooth)(X) @ v, rtol=1e-11)
    (tupled,) = wg.hvp(smooth, (X,), (v,))
    np.testing.assert_array_equal(tupled, got)


def test_hvp_of_several_arguments_and_containers() -> None:
    def f(x: Any, p: Any) -> Any:
        return np.sum(np.sin(x * p["s"])) * p["t"]

    p, dp = {"s": 2.0, "t": 0.5}, {"s": 0.3, "t": -1.0}
    v = rng.standard_normal(5)
    hx, hp = wg.hvp(f, (X, p), (v, dp))
    (xx, xp), rows = wg.hessian(f, (0, 1))(X, p)
    np.testing.assert_allclose(hx, xx @ v + xp["s"] * 0.3 - xp["t"], rtol=1e-12)
    sx, sp = rows["s"]
    wanted = sx @ v + sp["s"] * 0.3 - sp["t"]
    assert hp["s"] == pytest.approx(float(wanted))
    assert type(hp["s"]) is float
    only = wg.hvp(lambda p: f(X, p), p, dp)
    assert set(only) == {"s", "t"}


def test_hvp_composes() -> None:
    v = rng.standard_normal(5)
    third = wg.grad(lambda x: wg.hvp(smooth, x, v) @ v)(X)
    step = 1e-5
    along = [
        (wg.hvp(smooth, X + step * e, v) - wg.hvp(smooth, X - step * e, v))
        @ v
        / (2 * step)
        for e in np.eye(5)
    ]
    np.testing.assert_allclose(third, along, rtol=1e-5, atol=1e-7)
    columns = wg.vmap(lambda e: wg.hvp(smooth, X, e))(np.eye(5))
    np.testing.assert_allclose(columns, wg.hessian(smooth)(X), rtol=1e-11, atol=1e-14)


def test_hvp_runs_f_once() -> None:
    runs = []

    def f(x: Any) -> Any:
        runs.append(1)
        return rosenbrock(x)

    wg.hvp(f, X, X)
    assert len(runs) == 1


def test_hvp_errors() -> None:
    with pytest.raises(
        ValueError, match=r"tangent must have the primal's shape \(5,\)"
    ):
        wg.hvp(smooth, X, X[:2])
    with pytest.raises(ValueError, match="tangents must have the structure"):
        wg.hvp(smooth, (X,), (X, X))


def test_hvp_shares_nothing() -> None:
    x, v = X.copy(), X.copy()
    got = wg.hvp(lambda x: np.sum(x * x) / 2, x, v)
    np.testing.assert_array_equal(got, v)
    assert not np.shares_memory(got, v)
    assert got.flags.writeable
