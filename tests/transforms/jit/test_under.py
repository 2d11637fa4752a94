"""A jitted function under other transforms is one compiled operation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree

X = np.array([0.3, -0.7, 1.1])
RNG = np.random.default_rng(3)
W = {"a": RNG.normal(size=4), "b": np.float64(0.3)}
DATA, TARGET = RNG.normal(size=(6, 4)), RNG.normal(size=6)
SCALE = np.array([1.0, 2.0, 0.5])


def loss(w: Any, data: Any, target: Any) -> Any:
    return np.mean((np.tanh(data @ w["a"] + w["b"]) - target) ** 2)


def vector(x: Any) -> Any:
    return np.sin(x) * np.cumsum(x) * SCALE


def pair(x: Any) -> Any:
    return {"y": np.exp(x[:2]), "s": np.sum(x * x), "n": 3, "i": np.argmax(x)}


def branching(x: Any) -> Any:
    if x[0] > 0.0:
        return np.sum(x**3)
    return np.sum(np.cos(x)) * x[1]


def same(got: Any, wanted: Any) -> None:
    gots, spec = tree.flatten(got)
    wanteds, wanted_spec = tree.flatten(wanted)
    assert spec == wanted_spec
    for g, w in zip(gots, wanteds, strict=True):
        assert type(g) is type(w), (type(g), type(w))
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-12)


class Counted:
    """A function that knows how often Python has run it."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.runs = f, 0

    def jitted(self, **options: Any) -> Any:
        def run(*args: Any) -> Any:
            self.runs += 1
            return self.f(*args)

        return wg.jit(run, **options)


def pulled(f: Any) -> Any:
    def run(*args: Any) -> Any:
        y, pull = wg.vjp(f, *args)
        return y, pull(tree.map(lambda x: x * 0 + 2.0, y))

    return run


def twice(f: Any) -> Any:
    return wg.grad(lambda x: np.sum(wg.grad(lambda z: np.sum(f(z)))(x) ** 2))


ROWS: dict[str, tuple[Callable[[Any], Any], Any, tuple[Any, ...]]] = {
    "grad": (wg.grad, loss, (W, DATA, TARGET)),
    "value_and_grad": (
        lambda f: wg.value_and_grad(f, argnums=(0, 2)), loss, (W, DATA, TARGET),
    ),
    "hessian": (wg.hessian, loss, (W, DATA, TARGET)),
    "vmap": (lambda f: wg.vmap(f, in_axes=(None, 0, 0)), loss, (W, DATA, TARGET)),
    "vmap of grad": (
        lambda f: wg.vmap(wg.grad(f), in_axes=(None, 0, 0)), loss, (W, DATA, TARGET),
    ),
    "grad of vmap": (
        lambda f: wg.grad(
            lambda w, d, t: np.sum(wg.vmap(f, in_axes=(None, 0, 0))(w, d, t))
        ),
        loss, (W, DATA, TARGET),
    ),
    "jvp": (lambda f: lambda x: wg.jvp(f, (x,), (x + 1.0,)), vector, (X,)),
    "vjp": (pulled, vector, (X,)),
    "jacrev": (wg.jacrev, vector, (X,)),
    "jacfwd": (wg.jacfwd, vector, (X,)),
    "jacrev twice": (lambda f: wg.jacrev(wg.jacrev(f)), vector, (X,)),
    "grad twice": (twice, vector, (X,)),
    "linearize": (lambda f: lambda x: wg.linearize(f, x)[1](x), vector, (X,)),
    "checkpoint": (
        lambda f: wg.grad(lambda x: np.sum(wg.checkpoint(f)(x))), vector, (X,),
    ),
    "vmap twice": (
        lambda f: lambda x: wg.vmap(wg.vmap(f))(np.stack([[x, x], [-x, x]])),
        vector, (X,),
    ),
    "several results": (lambda f: wg.jacfwd(lambda x: f(x)["y"]), pair, (X,)),
    "what isn't differentiable": (
        lambda f: wg.value_and_grad(lambda x: (f(x)["s"], f(x)), has_aux=True),
        pair, (X,),
    ),
    "branches": (wg.grad, branching, (X,)),
    "the hessian of branches": (wg.hessian, branching, (X,)),
    "a number": (wg.grad, lambda x: x**3, (2.0,)),
    "complex": (wg.grad, lambda z: np.abs(z[0] * z[1]) ** 2, (X[:2] + 1j,)),
}  # fmt: skip


@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("name", ROWS)
def test_it_is_the_functions_derivative(name: str, backend: str) -> None:
    transform, f, args = ROWS[name]
    counted = Counted(f)
    g = transform(counted.jitted(backend=backend))
    wanted = transform(f)(*args)
    same(g(*args), wanted)
    runs = counted.runs
    same(g(*args), wanted)
    if name not in ("linearize", "checkpoint"):
        assert counted.runs == runs, "the second call ran Python"


def test_branches_are_chosen_by_value() -> None:
    g, wanted = wg.grad(wg.jit(branching)), wg.grad(branching)
    for _ in range(2):
        for x in (X, -X, 2.0 * X, X - 1.0):
            same(g(x), wanted(x))


def test_under_vmap_a_branch_raises_as_ever() -> None:
    with pytest.raises(TypeError, match="differs from item to item"):
        wg.vmap(wg.jit(branching))(np.stack([X, -X]))


def test_an_empty_mapped_axis() -> None:
    assert wg.vmap(wg.jit(vector))(np.zeros((0, 3))).shape == (0, 3)


def test_float_of_a_differentiated_value_raises() -> None:
    f = wg.jit(lambda x: x * float(x))
    for _ in range(2):
        assert f(2.0) == 4.0
        with pytest.raises(TypeError, match="stop_gradient"):
            wg.grad(f)(2.0)


def test_stop_gradient_and_rules_of_the_users_own() -> None:
    @wg.custom_vjp
    def odd(x: Any) -> Any:
        return x * 2.0

    odd.defvjp(lambda x: (x * 2.0, None), lambda _, ct: (100.0 * ct,))

    def f(x: Any) -> Any:
        return np.sum(odd(x) * wg.stop_gradient(x))

    for _ in range(2):
        same(wg.grad(wg.jit(f))(X), 100.0 * X)


def test_captured_values_are_the_present_ones() -> None:
    scale, rate = np.ones(3), 2.0
    g = wg.grad(wg.jit(lambda x: np.sum(x * x * scale) * rate))
    same(g(X), 4.0 * X)
    scale[:] = 3.0
    same(g(X), 12.0 * X)
    rate = 1.0
    same(g(X), 6.0 * X)


def test_a_captured_value_of_an_outer_trace() -> None:
    def outer(w: Any) -> Any:
        inner = wg.jit(lambda x: np.sum(w * x * x))
        return inner(X) + wg.grad(inner)(X)[0]

    same(wg.grad(outer)(X), X * X + np.array([2.0 * X[0], 0.0, 0.0]))


def test_an_array_changed_before_the_pullback() -> None:
    x, other = X.copy(), X + 1.0
    _, pull = wg.vjp(lambda x: wg.jit(lambda a, b: a * a * b)(x, other), x)
    other[:] = 0.0
    same(pull(np.ones(3)), (2.0 * X * (X + 1.0),))


def test_zeros_win_over_infinities() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0.0, np.sqrt(np.where(x > 0.0, x, 0.0)), 0.0))

    x = np.array([0.0, 4.0])
    for _ in range(2):
        same(wg.grad(wg.jit(f))(x), wg.grad(f)(x))
        same(wg.grad(lambda x: 0.0 * wg.jit(f)(x) + x[1])(x), np.array([0.0, 1.0]))


def test_effects_and_writes_run_as_they_are() -> None:
    seen: list[Any] = []

    def noted(x: Any) -> Any:
        wg.debug.callback(seen.append, x)
        return np.sum(x * x)

    g = wg.grad(wg.jit(noted))
    for k in (1, 2, 3):
        same(g(X), 2.0 * X)
        assert len(seen) == k

    def written(x: Any) -> Any:
        x = x.copy()
        x[0] = x[1] * 2.0
        return np.sum(x * x)

    x = X.copy()
    for _ in range(2):
        same(wg.grad(wg.jit(written))(x), wg.grad(written)(x))
    np.testing.assert_array_equal(x, X)


def test_static_arguments_and_keywords() -> None:
    f = wg.jit(lambda x, n, *, k=1.0: np.sum(x**n) * k, static_argnums=1)
    for n in (2, 3, 2):
        same(wg.grad(f)(X, n, k=2.0), 2.0 * n * X ** (n - 1))


def test_too_many_paths_go_on_as_they_are() -> None:
    def f(x: Any) -> Any:
        n = 0
        while x[0] > 1.0:
            x, n = x * 0.5, n + 1
        return np.sum(x) * n

    g = wg.grad(wg.jit(f, max_paths=2))
    for k in (1.0, 3.0, 9.0, 20.0, 1.0):
        same(g(k * X + 1.0), wg.grad(f)(k * X + 1.0))


def test_jit_of_a_function_that_uses_another() -> None:
    inner = wg.jit(vector)
    outer = wg.jit(wg.grad(lambda x: np.sum(inner(x))))
    for _ in range(2):
        same(outer(X), wg.grad(lambda x: np.sum(vector(x)))(X))
    assert len(inner.paths) == 0
