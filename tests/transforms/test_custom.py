"""custom_vjp and custom_jvp: either rule serves both modes, at any depth of nesting."""

import functools
import math
from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(3)
X = rng.standard_normal(4)
Y = rng.standard_normal(4)


def plain(x: Any, y: Any) -> Any:
    return np.sin(x) * y


def make_vjp() -> Any:
    @wg.custom_vjp
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y

    def fwd(x: Any, y: Any) -> Any:
        return f(x, y), (x, {"y": y}, "note", 3)

    def bwd(residuals: Any, ct: Any) -> Any:
        x, box, note, three = residuals
        assert (note, three) == ("note", 3)
        return ct * np.cos(x) * box["y"], ct * np.sin(x)

    f.defvjp(fwd, bwd)
    return f


def make_jvp() -> Any:
    @wg.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x, y), (dx, dy) = primals, tangents
        return f(x, y), dx * np.cos(x) * y + dy * np.sin(x)

    return f


BOTH = pytest.mark.parametrize("make", [make_vjp, make_jvp])


@BOTH
class TestBothRulesInBothModes:
    def test_values_and_derivatives(self, make: Any) -> None:
        f = make()
        np.testing.assert_array_equal(f(X, Y), plain(X, Y))
        wg.check_grads(f, (X, Y), order=3)
        wg.check_grads(lambda x: f(x, 2.0), (X,), order=2)
        wg.check_grads(lambda y: f(0.3, y), (Y,), order=2)

    def test_vmap(self, make: Any) -> None:
        f = make()
        np.testing.assert_array_equal(wg.vmap(f)(X, Y), plain(X, Y))
        np.testing.assert_array_equal(
            wg.vmap(f, in_axes=(0, None))(X, 2.0), plain(X, 2)
        )
        total = lambda x, s: np.sum(wg.vmap(f, in_axes=(0, None))(x, s) ** 2)
        wg.check_grads(total, (X, 2.0), order=2)
        np.testing.assert_allclose(wg.vmap(wg.grad(f))(X, Y), np.cos(X) * Y)
        matrix = rng.standard_normal((3, 4))
        nested = wg.vmap(wg.vmap(f, in_axes=(0, None)), in_axes=(0, 0))
        s = np.arange(3.0)
        np.testing.assert_allclose(nested(matrix, s), plain(matrix, s[:, None]))
        wg.check_grads(lambda m, s: nested(m, s), (matrix, s), order=2)
        crossed = wg.vmap(wg.vmap(f, in_axes=(None, 0)), in_axes=(0, None))
        np.testing.assert_allclose(crossed(s, X), plain(s[:, None], X))
        wg.check_grads(lambda s, x: crossed(s, x), (s, X), order=2)

    def test_staged(self, make: Any) -> None:
        f = make()
        graph = wg.trace(f, X, Y)
        graph.check()
        assert "f(x, y, call=f)" in str(graph)
        np.testing.assert_array_equal(graph(Y, X), plain(Y, X))
        wg.check_grads(lambda x, y: graph(x, y), (X, Y), order=2)
        np.testing.assert_array_equal(
            wg.vmap(graph)(np.stack([X, Y]), np.stack([Y, X])),
            [plain(X, Y), plain(Y, X)],
        )
        staged = wg.trace(wg.grad(lambda x, y: np.sum(f(x, y))), X, Y)
        staged.check()
        np.testing.assert_allclose(staged(Y, X), np.cos(Y) * X)
        mapped = wg.trace(wg.vmap(wg.grad(f)), X, Y)
        mapped.check()
        np.testing.assert_allclose(mapped(Y, X), np.cos(Y) * X)

    def test_jacobians_and_hessians(self, make: Any) -> None:
        f = make()
        for mode in ("forward", "reverse"):
            np.testing.assert_allclose(
                wg.jacobian(f, mode=mode)(X, Y), np.diag(np.cos(X) * Y)
            )
        h = wg.hessian(lambda x: np.sum(f(x, x)))(X)
        np.testing.assert_allclose(h, wg.hessian(lambda x: np.sum(plain(x, x)))(X))
        np.testing.assert_allclose(wg.linearize(f, X, Y)[1](Y, X), wg.jvp(
            plain, (X, Y), (Y, X))[1])  # fmt: skip
        assert wg.grad(wg.grad(wg.grad(f)))(0.3, 2.0) == pytest.approx(-2 * np.cos(0.3))

    def test_inside_checkpoint_and_itself(self, make: Any) -> None:
        f = make()
        g = wg.checkpoint(lambda x, y: f(f(x, y), y))
        wg.check_grads(g, (X, Y), order=2)

    def test_float32(self, make: Any) -> None:
        f = make()
        x = X.astype(np.float32)
        assert f(x, 2.0).dtype == np.float32
        g = wg.grad(lambda x: np.sum(f(x, 2.0)))(x)
        assert g.dtype == np.float32
        assert wg.jvp(lambda x: f(x, 2.0), (x,), (x,))[1].dtype == np.float32
        assert wg.trace(lambda x: f(x, 2.0), x).outputs[0].dtype == np.float32

    def test_edge_sizes(self, make: Any) -> None:
        f = make()
        empty = np.zeros((0, 2))
        assert wg.grad(lambda x: np.sum(f(x, x)))(empty).shape == (0, 2)
        assert wg.vmap(f)(empty, empty).shape == (0, 2)
        assert wg.grad(f)(np.array(0.3), np.array(2.0)).shape == ()

    def test_nothing_is_shared_and_arguments_stay(self, make: Any) -> None:
        f = make()
        x, y = X.copy(), Y.copy()
        result, pullback = wg.vjp(f, x, y)
        x[:], y[:], result[:] = 7.0, 7.0, 7.0
        gx, gy = pullback(np.ones(4))
        np.testing.assert_allclose(gx, np.cos(X) * Y)
        np.testing.assert_allclose(gy, np.sin(X))


# The rule is what decides -------------------------------------------------------------


def wrong_by_ten(kind: str) -> Any:
    """x², whose rule says 10 times the derivative."""
    if kind == "vjp":
        f = wg.custom_vjp(lambda x: x**2)
        f.defvjp(lambda x: (x**2, x), lambda x, ct: (20.0 * x * ct,))
    else:
        f = wg.custom_jvp(lambda x: x**2)
        f.defjvp(lambda p, t: (p[0] ** 2, 20.0 * p[0] * t[0]))
    return f


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_the_rule_is_used_everywhere(kind: str) -> None:
    f = wrong_by_ten(kind)
    assert wg.grad(f)(3.0) == 60.0
    assert wg.jvp(f, (3.0,), (1.0,))[1] == 60.0
    assert wg.grad(wg.grad(f))(3.0) == 20.0
    assert wg.jvp(wg.grad(f), (3.0,), (1.0,))[1] == 20.0
    assert wg.vmap(wg.grad(f))(np.array([3.0]))[0] == 60.0
    assert wg.grad(lambda x: wg.vmap(f)(x)[0])(np.array([3.0]))[0] == 60.0
    assert wg.grad(wg.trace(f, 1.0))(3.0) == 60.0
    assert wg.trace(wg.grad(f), 1.0)(3.0) == 60.0
    assert wg.grad(wg.trace(wg.vmap(f), np.ones(1)))  # staged, mapped
    graph = wg.trace(lambda x: wg.vmap(f)(x)[0], np.ones(1))
    assert wg.grad(graph)(np.array([3.0]))[0] == 60.0
    assert wg.linearize(f, 3.0)[1](1.0) == 60.0
    assert wg.hvp(f, 3.0, 1.0) == 20.0
    assert wg.grad(wg.checkpoint(f))(3.0) == 60.0


def test_how_often_the_functions_run() -> None:
    runs = {"f": 0, "fwd": 0, "bwd": 0}

    @wg.custom_vjp
    def f(x: Any) -> Any:
        runs["f"] += 1
        return np.exp(x)

    def fwd(x: Any) -> Any:
        runs["fwd"] += 1
        y = np.exp(x)
        return y, y

    def bwd(y: Any, ct: Any) -> Any:
        runs["bwd"] += 1
        return (ct * y,)

    f.defvjp(fwd, bwd)
    f(1.0)
    assert runs == {"f": 1, "fwd": 0, "bwd": 0}
    wg.grad(f)(1.0)
    assert runs == {"f": 1, "fwd": 1, "bwd": 1}
    _, pullback = wg.vjp(f, X)
    pullback(X)
    pullback(Y)
    assert runs == {"f": 1, "fwd": 2, "bwd": 3}
    wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(X)
    assert runs == {"f": 1, "fwd": 3, "bwd": 4}


def test_residuals_are_those_of_their_own_run() -> None:
    f = make_vjp()
    pulls = [wg.vjp(lambda x, k=k: f(x, k * x), X)[1] for k in (1.0, 2.0)]
    for k, pull in zip((1.0, 2.0), pulls, strict=True):
        np.testing.assert_allclose(pull(np.ones(4))[0], k * (np.cos(X) * X + np.sin(X)))
    graph = wg.trace(f, X, Y)
    first, second = wg.vjp(graph, X, Y)[1], wg.vjp(graph, Y, X)[1]
    np.testing.assert_allclose(first(np.ones(4))[0], np.cos(X) * Y)
    np.testing.assert_allclose(second(np.ones(4))[0], np.cos(Y) * X)


def test_residuals_that_change_from_item_to_item() -> None:
    @wg.custom_vjp
    def power(x: Any) -> Any:
        n = 2 if float(x) > 0 else 3  # can't be mapped
        return x**n

    def fwd(x: Any) -> Any:
        n = 2 if float(x) > 0 else 3
        return x**n, (x, n)

    power.defvjp(fwd, lambda res, ct: (ct * res[1] * res[0] ** (res[1] - 1),))
    x = np.array([1.5, -2.0, 3.0])
    wanted = np.where(x > 0, 2 * x, 3 * x**2)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(wg.vmap(power)(x)))(x), wanted)
    np.testing.assert_allclose(wg.vmap(wg.grad(power))(x), wanted)
    ones = np.ones(3)
    np.testing.assert_allclose(wg.jvp(wg.vmap(power), (x,), (ones,))[1], wanted)


# Code that can't be traced ------------------------------------------------------------


@wg.custom_vjp
def foreign_exp(x: Any) -> Any:
    return math.exp(float(x))


foreign_exp.defvjp(
    lambda x: (math.exp(float(x)), math.exp(float(x))), lambda y, ct: (ct * y,)
)


def test_foreign_code() -> None:
    assert wg.grad(foreign_exp)(1.0) == math.e
    assert wg.jvp(foreign_exp, (1.0,), (2.0,))[1] == 2 * math.e
    np.testing.assert_allclose(wg.vmap(foreign_exp)(X), np.exp(X))
    np.testing.assert_allclose(wg.vmap(wg.grad(foreign_exp))(X), np.exp(X))
    total = lambda x: np.sum(wg.vmap(foreign_exp)(x))
    np.testing.assert_allclose(wg.grad(total)(X), np.exp(X))
    np.testing.assert_allclose(
        wg.vmap(wg.grad(total))(np.stack([X, Y])), np.exp(np.stack([X, Y]))
    )
    graph = wg.trace(lambda x: foreign_exp(x) * 2.0, 1.0, values=True)
    assert graph(2.0) == 2 * math.exp(2.0)
    assert wg.grad(graph)(2.0) == 2 * math.exp(2.0)


def test_foreign_rules_are_mapped_item_by_item() -> None:
    seen = []

    @wg.custom_vjp
    def solve(a: Any, b: Any) -> Any:
        assert type(a) is np.ndarray
        return np.linalg.solve(a, b)

    def bwd(res: Any, ct: Any) -> Any:
        a, y = res
        w = np.asarray(memoryview(np.linalg.solve(np.asarray(a).T, np.asarray(ct))))
        seen.append(w.shape)
        return -np.outer(w, np.asarray(y)), w

    solve.defvjp(lambda a, b: (y := np.linalg.solve(a, b), (a, y)), bwd)
    a = rng.standard_normal((3, 3)) + 4 * np.eye(3)
    b = X[:3]
    jac = wg.jacrev(solve, 1)(a, b)
    np.testing.assert_allclose(jac, np.linalg.inv(a), rtol=1e-12)
    assert seen == [(3,)] * 3


def test_arguments_may_be_written_into() -> None:
    @wg.custom_vjp
    def f(x: Any) -> Any:
        x *= 2.0
        return x

    def fwd(x: Any) -> Any:
        kept = x.copy()
        x *= 2.0
        return x, kept

    def bwd(kept: Any, ct: Any) -> Any:
        ct *= 2.0
        kept *= 0.0
        return (ct,)

    f.defvjp(fwd, bwd)
    x = X.copy()
    _, pullback = wg.vjp(lambda x: f(x) * x, x)
    np.testing.assert_allclose(pullback(np.ones(4))[0], 4 * X)
    np.testing.assert_allclose(pullback(np.ones(4))[0], 4 * X)
    np.testing.assert_array_equal(x, X)
    _, pullback = wg.vjp(lambda x: (f(x), np.sum(x)), x)
    ct = np.ones(4)
    pullback((ct, 1.0))
    np.testing.assert_array_equal(ct, np.ones(4))


# Arguments and results of all kinds ---------------------------------------------------


def test_containers_static_values_and_integers() -> None:
    @wg.custom_vjp
    def f(p: Any, n: int, mode: str, index: Any) -> Any:
        assert mode == "sum"
        y = p["w"] * n + p["b"]
        return {"y": y[index], "count": index.size, "index": index + 1}

    def fwd(p: Any, n: int, mode: str, index: Any) -> Any:
        return f(p, n, mode, index), (n, index, p["w"].shape)

    def bwd(res: Any, ct: Any) -> Any:
        n, index, shape = res
        full = np.zeros(shape, like=ct["y"])
        np.add.at(full, index, ct["y"])
        return {"w": full * n, "b": None}, None, None, None

    f.defvjp(fwd, bwd)
    p, index = {"w": X, "b": 1.0}, np.array([0, 2, 2])
    y = f(p, 3, "sum", index)
    np.testing.assert_array_equal(y["y"], (X * 3 + 1.0)[index])
    g = wg.grad(lambda p: np.sum(f(p, 3, "sum", index)["y"]))(p)
    np.testing.assert_array_equal(g["w"], [3.0, 0.0, 6.0, 0.0])
    assert g["b"] == 0.0
    y, dy = wg.jvp(lambda p: f(p, 3, "sum", index), (p,), ({"w": Y, "b": 1.0},))
    np.testing.assert_array_equal(y["index"], index + 1)
    np.testing.assert_allclose(dy["y"], 3 * Y[index])
    graph = wg.trace(lambda w: f({"w": w, "b": 1.0}, 3, "sum", index), X)
    graph.check()
    assert graph(Y)["count"] == 3


def test_none_as_a_cotangent_of_everything_below() -> None:
    f = wg.custom_vjp(lambda p, x: p["a"] * p["b"][0] * x)
    f.defvjp(lambda p, x: (p["a"] * p["b"][0] * x, x), lambda x, ct: (None, ct * 2.0))
    g = wg.grad(f, (0, 1))({"a": 1.0, "b": [2.0]}, 3.0)
    assert g == ({"a": 0.0, "b": [0.0]}, 2.0)
    f.defvjp(
        lambda p, x: (p["a"] * p["b"][0] * x, x),
        lambda x, ct: ({"a": ct, "b": None}, None),
    )
    assert wg.grad(f)({"a": 1.0, "b": [2.0]}, 3.0) == {"a": 1.0, "b": [0.0]}
    assert wg.jvp(f, ({"a": 1.0, "b": [2.0]}, 3.0), ({"a": 5.0, "b": [1.0]}, 1.0))[
        1
    ] == pytest.approx(5.0)


def test_nondiff_argnums() -> None:
    @functools.partial(wg.custom_vjp, nondiff_argnums=(0, 2))
    def apply(g: Any, x: Any, n: int) -> Any:
        return g(x) * n

    def fwd(g: Any, x: Any, n: int) -> Any:
        return apply(g, x, n), x

    apply.defvjp(fwd, lambda g, n, x, ct: (ct * n * np.cos(x),))
    assert wg.grad(apply, 1)(np.sin, 0.3, 2) == pytest.approx(2 * np.cos(0.3))

    @functools.partial(wg.custom_jvp, nondiff_argnums=0)
    def scaled(n: int, x: Any) -> Any:
        return n * np.sin(x)

    scaled.defjvp(lambda n, p, t: (scaled(n, p[0]), n * np.cos(p[0]) * t[0]))
    wg.check_grads(lambda x: scaled(3, x), (X,), order=2)


def test_keywords_and_defaults() -> None:
    @wg.custom_vjp
    def f(x: Any, scale: float = 2.0, *rest: Any) -> Any:
        return x * scale

    f.defvjp(lambda x, s: (x * s, s), lambda s, ct: (ct * s, None))
    assert wg.grad(lambda x: f(x))(1.0) == 2.0
    assert wg.grad(lambda x: f(x=x, scale=5.0))(1.0) == 5.0
    assert f.__name__ == "f"

    only = wg.custom_vjp(lambda x, *, scale: x * scale)
    only.defvjp(lambda x: (x, None), lambda r, ct: (ct,))
    with pytest.raises(TypeError, match="scale by keyword only"):
        wg.grad(lambda x: only(x, scale=2.0))(1.0)


def test_methods() -> None:
    class Model:
        def __init__(self, w: float) -> None:
            self.w = w

        @wg.custom_vjp
        def __call__(self, x: Any) -> Any:
            return self.w * x

    vars(Model)["__call__"].defvjp(
        lambda self, x: (self.w * x, self.w), lambda w, ct: (None, 10.0 * w * ct)
    )
    assert wg.grad(Model(3.0))(1.0) == 30.0


def test_complex() -> None:
    f = wg.custom_vjp(lambda z: z**2)
    f.defvjp(lambda z: (z**2, z), lambda z, ct: (ct * np.conj(2 * z),))
    g = wg.custom_jvp(lambda z: z**2)
    g.defjvp(lambda p, t: (p[0] ** 2, 2 * p[0] * t[0]))
    z = X + 1j * Y
    for h in (f, g):
        wg.check_grads(h, (z,), order=2)
        assert wg.grad(h, holomorphic=True)(1 + 2j) == 2 + 4j


def test_results_of_several_arrays_where_only_one_is_used() -> None:
    f = wg.custom_vjp(lambda x: (np.sin(x), {"cos": np.cos(x)}, 7))
    f.defvjp(
        lambda x: (f(x), x),
        lambda x, ct: (ct[0] * np.cos(x) - ct[1]["cos"] * np.sin(x),),
    )
    wg.check_grads(lambda x: f(x)[0], (X,), order=2)
    wg.check_grads(lambda x: f(x)[1]["cos"], (X,), order=2)
    assert f(1.0)[2] == 7
    dy = wg.jvp(f, (X,), (Y,))[1]
    assert dy[2] == 0
    np.testing.assert_allclose(dy[1]["cos"], -np.sin(X) * Y)


def test_no_results_at_all() -> None:
    f = wg.custom_vjp(lambda x: {})
    f.defvjp(lambda x: ({}, None), lambda r, ct: (None,))
    assert wg.grad(lambda x: x * len(f(x)) + x)(2.0) == 1.0


# Closures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transform",
    [
        lambda g: wg.grad(g)(2.0),
        lambda g: wg.jvp(g, (2.0,), (1.0,)),
        lambda g: wg.vmap(g)(X),
        lambda g: wg.trace(g, 2.0),
        lambda g: wg.trace(g, 2.0, values=True),
        lambda g: wg.grad(wg.grad(g))(2.0),
    ],
)
@pytest.mark.parametrize("traced_argument", [True, False])
@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_traced_values_from_outside_are_refused(
    kind: str, traced_argument: bool, transform: Any
) -> None:
    def outer(w: Any) -> Any:
        def captures(x: Any) -> Any:
            return x * w

        if kind == "vjp":
            f = wg.custom_vjp(captures)
            f.defvjp(lambda x: (captures(x), None), lambda r, ct: (ct,))
        else:
            f = wg.custom_jvp(captures)
            f.defjvp(lambda p, t: (captures(p[0]), t[0]))
        return f(w if traced_argument else 3.0)

    with pytest.raises(TypeError, match="pass that value as an argument") as info:
        transform(outer)
    assert "`captures` has a derivative rule of its own" in str(info.value)
    assert "test_custom.py" in str(info.value)


def test_stopped_values_from_outside_are_constants() -> None:
    def outer(w: Any) -> Any:
        k = wg.stop_gradient(w)
        f = wg.custom_vjp(lambda x: x * k)
        f.defvjp(lambda x: (x * k, None), lambda _, ct: (ct * k,))
        return f(w)

    assert wg.grad(outer)(3.0) == 3.0


def test_a_rule_may_use_values_of_outer_levels() -> None:
    """bwd runs inside the outer derivative, so what it takes from there counts."""

    def outer(w: Any) -> Any:
        def inner(x: Any) -> Any:
            f = wg.custom_vjp(lambda x: x**2)
            f.defvjp(lambda x: (x**2, x), lambda x, ct: (ct * w * x,))
            return f(x)

        return wg.grad(inner)(3.0)  # 3w

    assert wg.grad(outer)(5.0) == 3.0


# Errors -------------------------------------------------------------------------------


def vjp_returning(value: Any) -> Any:
    @wg.custom_vjp
    def named(x: Any, p: Any) -> Any:
        return x * p["w"]

    named.defvjp(lambda x, p: (x * p["w"], None), lambda r, ct: value)
    return lambda x: np.sum(named(x, {"w": 2.0 * x}))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (X, "bwd of `named` returns a tuple with one cotangent for each of its 2"),
        (None, "Came: NoneType None"),
        ((X,), "Came: a tuple of length 1"),
        ((X, {"w": X}, X), "Came: a tuple of length 3"),
        ((X[:2], None), r"for argument 0 must have the argument's shape \(4,\)"),
        ((1.0, None), r"for argument 0 must have the argument's shape \(4,\)"),
        ((X + 1j, None), "must have the argument's dtype float64"),
        ((X, X), r"for argument 1 must have the structure \{'w': \*\}"),
        ((X, {"w": X, "b": X}), "The structure of cotangent from bwd of `named`"),
        ((X, {"w": "text"}), "for argument 1 is str 'text'"),
    ],
)
def test_wrong_cotangents(value: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message) as info:
        wg.grad(vjp_returning(value))(X)
    assert isinstance(info.value, wg.WengertError)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (X, r"rule of `f` returns a pair \(y, dy\)"),
        ((X, X[:2]), r"must have the result's shape \(4,\)"),
        ((X, (X, X)), "tangent from the rule of `f` must have the structure"),
        ((X, X + 1j), "must have the result's dtype float64"),
    ],
)
def test_wrong_tangents(pair: Any, message: str) -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x * 2.0

    f.defjvp(lambda p, t: pair)
    for use in (
        lambda: wg.jvp(f, (X,), (X,)),
        lambda: wg.grad(lambda x: np.sum(f(x)))(X),
    ):
        with pytest.raises((ValueError, TypeError), match=message) as info:
            use()
        assert isinstance(info.value, wg.WengertError)


def test_other_misuse() -> None:
    f = wg.custom_vjp(np.sin)
    np.testing.assert_array_equal(f(X), np.sin(X))  # no rule needed, nothing traced
    with pytest.raises(TypeError, match=r"sin.defvjp\(...\) after the definition"):
        wg.grad(f)(1.0)
    f.defvjp(lambda x: np.sin(x), lambda r, ct: (ct,))
    with pytest.raises(ValueError, match=r"fwd of `sin` returns a pair"):
        wg.grad(f)(1.0)
    g = wg.custom_jvp(np.sin)
    with pytest.raises(TypeError, match=r"sin.defjvp\(...\) after the definition"):
        wg.grad(g)(1.0)
    with pytest.raises(TypeError, match="A function is decorated; int 3 came"):
        wg.custom_vjp(3)  # type: ignore[arg-type]
    h = wg.custom_vjp(lambda x: x, nondiff_argnums=(1,))
    h.defvjp(lambda x: (x, None), lambda r, ct: (ct,))
    with pytest.raises(ValueError, match="a call with 1 arguments"):
        wg.grad(h)(1.0)
    text = wg.custom_vjp(lambda x: "text")
    text.defvjp(lambda x: ("text", None), lambda r, ct: (ct,))
    with pytest.raises(TypeError, match="str 'text'"):
        wg.jvp(text, (1.0,), (1.0,))


def test_the_users_own_error_arrives() -> None:
    @wg.custom_vjp
    def f(x: Any) -> Any:
        raise KeyError("mine")

    f.defvjp(lambda x: f(x), lambda r, ct: (ct,))
    for use in (lambda: f(1.0), lambda: wg.grad(f)(1.0), lambda: wg.vmap(f)(X),
                lambda: wg.trace(f, 1.0)):  # fmt: skip
        with pytest.raises(KeyError, match="mine"):
            use()


def test_transposed_rules_that_cant_be_traced_say_so() -> None:
    f = wg.custom_vjp(lambda x: x * 2.0)
    f.defvjp(lambda x: (x * 2.0, None), lambda _, ct: (float(ct) * 2.0,))
    assert wg.grad(f)(1.0) == 2.0
    with pytest.raises(TypeError, match="float"):
        wg.jvp(f, (1.0,), (1.0,))
