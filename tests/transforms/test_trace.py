"""trace: graphs of functions and of their transforms, on other values too."""

from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(8)
X = rng.standard_normal(4)


def f(x: Any, p: Any) -> Any:
    return {"y": np.sin(x) * p["w"], "s": np.sum(x**2)}


P = {"w": 2.0}
TRANSFORMS = {
    "value": lambda x, p: f(x, p),
    "grad": wg.grad(lambda x, p: f(x, p)["s"]),
    "value_and_grad": wg.value_and_grad(lambda x, p: f(x, p)["s"] * p["w"], (0, 1)),
    "jvp": lambda x, p: wg.jvp(f, (x, p), (x, p)),
    "vjp": lambda x, p: wg.vjp(f, x, p)[1]({"y": x, "s": p["w"]}),
    "jacfwd": wg.jacfwd(f),
    "jacrev": wg.jacrev(f),
    "jacobian chunked": wg.jacobian(f, mode="forward", chunk=2),
    "hessian": wg.hessian(lambda x, p: f(x, p)["s"] * np.sum(f(x, p)["y"])),
    "hvp": lambda x, p: wg.hvp(lambda t: np.sum(f(t, p)["y"]), x, x),
    "linearize": lambda x, p: wg.linearize(f, x, p)[1](x, p),
    "vmap": lambda x, p: wg.vmap(lambda t: f(t, p)["y"])(x),
    "checkpoint": wg.grad(lambda x, p: np.sum(wg.checkpoint(f)(x, p)["y"])),
    "stop_gradient": wg.grad(lambda x, p: np.sum(wg.stop_gradient(f(x, p))["y"] * x)),
}


def leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [x for key in sorted(tree) for x in leaves(tree[key])]
    if isinstance(tree, list | tuple):
        return [x for item in tree for x in leaves(item)]
    return [tree]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_graph_from_types_equals_the_function(name: str) -> None:
    g = TRANSFORMS[name]
    graph = wg.trace(g, X, P)
    graph.check()
    assert str(graph)
    for x, p in ((X, P), (-2 * X, {"w": 0.3})):
        got, wanted = leaves(graph(x, p)), leaves(g(x, p))
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_graph_is_differentiated_like_the_function(name: str) -> None:
    g = TRANSFORMS[name]
    graph = wg.trace(g, X, P)

    def total(h: Any) -> Any:
        return lambda x: sum(np.sum(y * (i + 1)) for i, y in enumerate(leaves(h(x, P))))

    np.testing.assert_allclose(
        wg.grad(total(graph))(X), wg.grad(total(g))(X), rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(
        wg.jvp(total(graph), (X,), (X,))[1], wg.jvp(total(g), (X,), (X,))[1], rtol=1e-11
    )


def test_values_follow_branches_and_leave_guards() -> None:
    def branching(x: Any) -> Any:
        return x * 2.0 if np.sum(x) > 0 else x * 3.0

    graph = wg.trace(branching, np.ones(2), values=True)
    (guard,) = graph.guards
    assert (guard.asked, guard.answer) == ("bool", True)
    with pytest.raises(TypeError, match="no values to answer bool"):
        wg.trace(branching, np.ones(2))


def test_captured_arrays_are_constants_of_that_moment() -> None:
    w = X.copy()
    graph = wg.trace(lambda x: x * w, X)
    w[:] = 0.0
    np.testing.assert_array_equal(graph(X), X * X)


def test_edge_sizes() -> None:
    assert wg.trace(np.sin, np.zeros((0, 2)))(np.zeros((0, 2))).shape == (0, 2)
    assert wg.trace(np.sin, 1.0)(0.0) == 0.0
    assert wg.trace(lambda: 3.0)() == 3.0


def test_nothing_is_shared() -> None:
    held = X.copy()
    graph = wg.trace(lambda x: (x, x[:], held), X)
    x = X.copy()
    results = graph(x)
    arrays = [x, held, *results]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[i + 1 :])
    results[2][:] = 9.0
    np.testing.assert_array_equal(graph(x)[2], X)


CASES = [
    (lambda: wg.trace(3), "trace takes a function first"),
    (lambda: wg.trace(lambda x: x + np.ones(3), X), "shapes that broadcast"),
    (lambda: wg.trace(np.sin, X)(np.ones(3)), r"an array of shape \(3,\) came"),
    (lambda: wg.trace(np.sin, X)(X, X), "structure"),
    (lambda: wg.trace(np.sin, X)(X + 1j), "dtype"),
    (lambda: wg.trace(lambda x: float(x), 1.0), r"float\(\) would drop the derivative"),
]


@pytest.mark.parametrize(("use", "message"), CASES, ids=[m for _, m in CASES])
def test_error_texts(use: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as info:
        use()
    assert isinstance(info.value, wg.WengertError)
