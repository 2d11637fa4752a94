"""A transform of a jitted function is compiled as a whole, and kept with it."""

import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree
from wengert.core.errors import DerivativeError, TypeMismatch
from wengert.transforms.jit.whole import kept_under

X = np.array([0.3, -0.7, 1.1])


class Counted:
    """A function that knows how often Python has run it."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, x: Any) -> Any:
        self.runs += 1
        return np.sum(np.sin(x) * x)


def total(x: Any) -> Any:
    return np.sum(np.sin(x) * x)


def items(x: Any) -> Any:
    return np.sin(x) * x


TRANSFORMS: dict[str, tuple[Callable[[Any], Any], Callable[..., Any], Any]] = {
    "grad": (wg.grad, total, (X,)),
    "value_and_grad": (wg.value_and_grad, total, (X,)),
    "hessian": (wg.hessian, total, (X,)),
    "jacrev": (wg.jacrev, items, (X,)),
    "jacfwd": (wg.jacfwd, items, (X,)),
    "vmap": (wg.vmap, items, (np.stack([X, -X]),)),
    "jvp": (lambda f: lambda x: wg.jvp(f, (x,), (X,)), items, (X,)),
    "hvp": (lambda f: lambda x: wg.hvp(f, x, X), total, (X,)),
}


@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_it_is_kept_for_later_transforms_of_the_function(
    name: str, backend: str
) -> None:
    transform, f, args = TRANSFORMS[name]
    runs = 0

    def counted(x: Any) -> Any:
        nonlocal runs
        runs += 1
        return f(x)

    jitted = wg.jit(counted, backend=backend)
    wanted = transform(f)(*args)
    for _ in range(2):
        got = tree.flatten(transform(jitted)(*args))[0]
        for g, w in zip(got, tree.flatten(wanted)[0], strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-12)
    before = runs
    transform(jitted)(*args)
    assert runs == before, "a transform made again was staged again"


def test_transforms_with_other_options_are_others() -> None:
    f = wg.jit(lambda a, b: np.sum(a * a * b))
    np.testing.assert_allclose(wg.grad(f)(X, X), 2.0 * X * X)
    np.testing.assert_allclose(wg.grad(f, argnums=1)(X, X), X * X)
    assert len(wg.grad(f, argnums=(0, 1))(X, X)) == 2
    assert wg.vmap(f, in_axes=(0, None))(np.stack([X, X]), X).shape == (2,)
    assert wg.vmap(f, in_axes=[0, 0])(np.eye(3), np.eye(3)).shape == (3,)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"n": 1}, {"n": True}), ({"n": (0,)}, {"n": [0]}), ({}, {"n": 0})],
)
def test_keys_tell_options_apart(one: Any, other: Any) -> None:
    assert kept_under("grad", one) != kept_under("grad", other)


@pytest.mark.parametrize("option", [np.int64(1), object(), {"w": 1.0}, lambda: None])
def test_what_repr_does_not_tell_apart_is_not_kept(option: Any) -> None:
    assert kept_under("vmap", {"in_axes": option}) is None


def test_steps_with_a_chunk_are_taken_one_by_one() -> None:
    assert kept_under("jacobian", {"chunk": 2}) is None
    f = wg.jit(items)
    np.testing.assert_allclose(wg.jacrev(f, chunk=1)(X), wg.jacrev(items)(X))


def test_captured_values_are_the_present_ones() -> None:
    scale = np.ones(3)
    f = wg.jit(lambda x: np.sum(x * x * scale))
    for k in (1.0, 2.0, 3.0):
        scale[:] = k
        np.testing.assert_allclose(wg.grad(f)(X), 2.0 * k * X)
        scale = scale * 1.0  # another array in the same place


def test_static_arguments_stay_static() -> None:
    f = wg.jit(lambda x, n: np.sum(x**n), static_argnums=1)
    for n in (2, 3):
        np.testing.assert_allclose(wg.grad(f)(X, n), n * X ** (n - 1))


def test_errors_are_the_transforms() -> None:
    f = wg.jit(items)
    for _ in range(2):
        with pytest.raises(DerivativeError, match="grad needs one number"):
            wg.grad(f)(X)
        with pytest.raises(TypeMismatch, match="differentiates with respect to"):
            wg.grad(wg.jit(total))(np.arange(3))


def test_clear_forgets_them_too() -> None:
    f = Counted()
    jitted = wg.jit(f)
    g = wg.grad(jitted)
    g(X)
    g(X)
    before = f.runs
    jitted.clear()
    np.testing.assert_allclose(g(X), np.cos(X) * X + np.sin(X))
    assert f.runs > before


def test_the_report_shows_them() -> None:
    f = wg.jit(total)
    wg.grad(f)(X)
    report = f.report()
    assert [w.name for w in report.wholes] == ["grad_of_total"]
    assert len(report.wholes[0].paths) == 1
    assert "grad_of_total: 1 path" in str(report)


def test_they_go_with_the_function() -> None:
    def make() -> Any:
        w = np.ones(1000)
        return wg.grad(wg.jit(lambda x: np.sum(x * w.sum()))), weakref.ref(w)

    g, gone = make()
    g(X)
    g(X)
    del g
    gc.collect()
    assert gone() is None


def test_they_pickle_as_before() -> None:
    g = pickle.loads(pickle.dumps(wg.hessian(wg.jit(total), has_aux=False)))
    np.testing.assert_allclose(g(X), wg.hessian(total)(X))
