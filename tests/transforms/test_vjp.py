"""vjp: the pullback is Jᵀ, may be called again, and checks its cotangent."""

from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(5)
X = rng.standard_normal(4)
A = rng.standard_normal((3, 4))


def f(x: Any, p: Any) -> Any:
    y = np.tanh(A @ x) * p["w"]
    return {"y": y, "s": (np.sum(y),)}


def test_is_the_transposed_jacobian() -> None:
    p = {"w": 2.0}
    y, pullback = wg.vjp(f, X, p)
    np.testing.assert_array_equal(y["y"], f(X, p)["y"])
    jac = wg.jacfwd(f, (0, 1))(X, p)
    for ct in (rng.standard_normal(3), np.eye(3)[1], np.broadcast_to(1.5, 3)):
        gx, gp = pullback({"y": ct, "s": (0.5,)})
        wanted = ct @ jac["y"][0] + 0.5 * jac["s"][0][0]
        np.testing.assert_allclose(gx, wanted, rtol=1e-13)
        assert type(gp["w"]) is float
        assert gp["w"] == pytest.approx(
            ct @ jac["y"][1]["w"] + 0.5 * jac["s"][0][1]["w"]
        )


def test_pullback_is_linear_and_repeatable() -> None:
    _, pullback = wg.vjp(np.sin, X)
    ct = rng.standard_normal(4)
    (once,) = pullback(ct)
    np.testing.assert_array_equal(pullback(ct)[0], once)
    np.testing.assert_allclose(pullback(-3 * ct)[0], -3 * once)
    np.testing.assert_array_equal(pullback(np.zeros(4))[0], np.zeros(4))


def test_aux() -> None:
    _, pullback, aux = wg.vjp(lambda x: (np.sin(x), {"x": x, "n": 1}), X, has_aux=True)
    np.testing.assert_array_equal(aux["x"], X)
    assert type(aux["x"]) is np.ndarray
    np.testing.assert_array_equal(pullback(np.ones(4))[0], np.cos(X))
    with pytest.raises(ValueError, match="returns a pair"):
        wg.vjp(np.sin, X, has_aux=True)


def test_results_that_dont_depend_or_have_no_derivative() -> None:
    y, pullback = wg.vjp(lambda x: (np.sum(x), 3.0, np.argmax(x), np.ones(2)), X)
    (g,) = pullback((2.0, 1.0, 0, np.ones(2)))
    np.testing.assert_array_equal(g, np.full(4, 2.0))
    assert y[1] == 3.0
    assert y[2] == np.argmax(X)


def test_user_arrays_may_change() -> None:
    x, ct = X.copy(), np.ones(4)
    y, pullback = wg.vjp(lambda x: x * x, x)
    x[:], y[:] = 0.0, 0.0
    (g,) = pullback(ct)
    np.testing.assert_array_equal(g, 2 * X)
    g[:] = 7.0
    np.testing.assert_array_equal(ct, np.ones(4))
    np.testing.assert_array_equal(pullback(ct)[0], 2 * X)


@pytest.mark.parametrize(
    "g", [lambda x: x, lambda x: x[:], lambda x: (x, x), lambda x: x.reshape(2, 2)]
)
def test_nothing_is_shared(g: Any) -> None:
    x = X.copy()
    y, pullback = wg.vjp(g, x)
    ys = list(y) if isinstance(y, tuple) else [y]
    cts = [np.ones_like(a) for a in ys]
    (gx,) = pullback(tuple(cts) if isinstance(y, tuple) else cts[0])
    arrays = [x, gx, *ys, *cts]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[i + 1 :])
    assert all(a.flags.writeable for a in arrays)


def test_edge_sizes() -> None:
    y, pullback = wg.vjp(np.sin, np.zeros((0, 2)))
    assert pullback(y)[0].shape == (0, 2)
    y, pullback = wg.vjp(np.sin, 1.0)
    assert pullback(2)[0] == 2 * np.cos(1.0)
    assert wg.vjp(lambda: 3.0)[1](1.0) == ()


CASES = [
    (lambda: wg.vjp(np.sin, 3), "int 3"),
    (lambda: wg.vjp(np.sin, "a"), "str 'a'"),
    (lambda: wg.vjp(np.sin, X)[1](np.ones(3)), r"must have the result's shape \(4,\)"),
    (lambda: wg.vjp(np.sin, X)[1](1.0), r"Came: shape \(\)"),
    (lambda: wg.vjp(np.sin, X)[1](np.ones((1, 4))), r"Came: shape \(1, 4\)"),
    (lambda: wg.vjp(np.sin, X)[1](X + 1j), "must have the result's dtype float64"),
    (lambda: wg.vjp(np.sin, X)[1]((X,)), "cotangent must have the structure"),
    (lambda: wg.vjp(np.sin, X)[1]([1.0] * 4), "Came: list"),
    (lambda: wg.vjp(np.sin, X)[1](None), "Came: NoneType"),
    (lambda: wg.vjp(f, X, {"w": 1.0})[1](X), r"structure \{'s': \(\*,\), 'y': \*\}"),
]


@pytest.mark.parametrize(("use", "message"), CASES, ids=[m for _, m in CASES])
def test_error_texts(use: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as info:
        use()
    assert isinstance(info.value, wg.WengertError)


def test_the_pullback_is_differentiable() -> None:
    def g(x: Any, ct: Any) -> Any:
        return wg.vjp(np.sin, x)[1](ct)[0]

    wg.check_grads(g, (X, 2 * X), order=2)
    np.testing.assert_allclose(wg.vmap(g)(X, 2 * X), np.cos(X) * 2 * X)
    np.testing.assert_allclose(wg.trace(g, X, X)(X, 2 * X), np.cos(X) * 2 * X)
