"""jit(f) is f: on every row of the ops' tables, under every transform."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree
from wengert.testing import Scenario

HERE = Path(__file__).parent
FILES = sorted((HERE.parent / "ops").rglob("test_*.py"))


def load(path: Path) -> list[Scenario]:
    """The scenarios of another test file."""
    name = f"jit_rows_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found: dict[int, Scenario] = {}
    for value in vars(module).values():
        if isinstance(value, list):
            found.update((id(s), s) for s in value if isinstance(s, Scenario))
    return [*found.values()]


ROWS = [
    pytest.param(s, id=f"{path.stem.removeprefix('test_')}-{s.name}")
    for path in FILES
    for s in load(path)
]


# NumPy gives 0-d arrays here, and traced values a scalar, under every transform.
ZERO_D = {"tensordot_all", "i0_scalar", "piecewise_zero_d"}


def same(got: Any, wanted: Any, rtol: float, types: bool = True) -> None:
    gots, spec = tree.flatten(got)
    wanteds, wanted_spec = tree.flatten(wanted)
    assert spec == wanted_spec
    for g, w in zip(gots, wanteds, strict=True):
        assert type(g) is type(w) or not types, (type(g), type(w))
        if isinstance(w, np.ndarray | np.generic):
            assert g.dtype == w.dtype
            assert g.shape == w.shape
        scale = np.max(np.abs(w), initial=1.0, where=np.isfinite(w))
        np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol * scale)


def test_there_are_rows() -> None:
    assert len(ROWS) > 500


@pytest.mark.parametrize("s", ROWS)
def test_a_row(s: Scenario) -> None:
    """Values, dtypes, structure; on the point, again, and on another layout."""
    compiled = wg.jit(s.f, backend="numpy")
    before = [np.array(x) for x in s.args]
    for _ in range(2):
        same(compiled(*s.args), s.f(*s.args), 1e-12, types=s.name not in ZERO_D)
    for x, b in zip(s.args, before, strict=True):
        np.testing.assert_array_equal(x, b)
    if s.stage:
        assert not compiled.report().eager
        assert len(compiled.paths) == 1


@pytest.mark.parametrize("s", ROWS[1::4])
def test_a_row_in_native_code(s: Scenario) -> None:
    """Staged, then by the path that was made: native wherever it can be."""
    pytest.importorskip("llvmlite")
    compiled = wg.jit(s.f)
    single = any(getattr(x, "dtype", None) == np.float32 for x in s.args)
    for _ in range(3):
        wanted = s.f(*s.args)
        rtol = 1e-5 if single else 1e-9
        same(compiled(*s.args), wanted, rtol, types=s.name not in ZERO_D)


def _gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    def pulled(*args: Any) -> Any:
        y, pullback = wg.vjp(f, *args)
        return pullback(tree.map(np.ones_like, y))

    return pulled


@pytest.mark.parametrize("s", ROWS[::3])
def test_the_gradient_of_a_row(s: Scenario) -> None:
    compiled = wg.jit(_gradient(s.f), backend="numpy")
    wanted = _gradient(s.f)(*s.args)
    for _ in range(2):
        same(compiled(*s.args), wanted, 1e-10)
    # Eagerly it depends on the rule whether a derivative by a NumPy scalar is one, or
    # an array without axes; a compiled one is.
    got = _gradient(wg.jit(s.f, backend="numpy"))(*s.args)
    scalars = [np.ndim(x) == 0 for x in tree.flatten(wanted)[0]]
    same(got, wanted, 1e-10, types=not any(scalars))


# Compositions -------------------------------------------------------------------------


def f(x: Any) -> Any:
    return np.sum(np.sin(x) ** 2 * np.exp(-x)) + np.prod(np.cos(x))


X = np.array([0.3, -0.7, 1.1])
TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "jit": wg.jit,
    "grad": wg.grad,
    "value_and_grad": wg.value_and_grad,
    "jacfwd": wg.jacfwd,
    "jacrev": wg.jacrev,
    "hessian": wg.hessian,
    "vmap": lambda g: lambda x: wg.vmap(g)(np.stack([x, 2.0 * x])),
    "jvp": lambda g: lambda x: wg.jvp(g, (x,), (x + 1.0,)),
    "vjp": lambda g: lambda x: wg.vjp(g, x)[1](1.0),
    "linearize": lambda g: lambda x: wg.linearize(g, x)[1](x),
    "checkpoint": wg.checkpoint,
    "trace": lambda g: lambda x: wg.trace(g, X)(x),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_any_order(name: str) -> None:
    t = TRANSFORMS[name]
    wanted = [t(f)(X), t(f)(2.0 * X)]
    for g in (wg.jit(t(f)), t(wg.jit(f)), wg.jit(t(wg.jit(f))), wg.jit(wg.jit(t(f)))):
        for _ in range(2):
            same(g(X), wanted[0], 1e-12)
            same(g(2.0 * X), wanted[1], 1e-12)


def test_second_order_through_jit() -> None:
    inner = wg.jit(wg.grad(lambda x: np.sum(x**4)))
    got = wg.jit(wg.grad(lambda x: np.sum(inner(x) * x)))(X)
    np.testing.assert_allclose(got, 16.0 * X**3)
