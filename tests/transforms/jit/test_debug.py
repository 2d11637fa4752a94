"""debug.print and debug.callback, and random numbers while staging."""

import random
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.jit import RandomStateWarning

X = np.array([1.0, 2.0])


def test_print_runs_at_each_call_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    @wg.jit
    def f(x: Any) -> Any:
        wg.debug.print("first {}", x[0])
        wg.debug.print("no values")
        y = np.exp(x)
        wg.debug.print("{name} {n}", name=x.sum(), n=3)
        return y

    for k in (1.0, 2.0):
        np.testing.assert_allclose(f(k * X), np.exp(k * X))
    assert capsys.readouterr().out.splitlines() == [
        "first 1.0", "no values", "3.0 3", "first 2.0", "no values", "6.0 3",
    ]  # fmt: skip
    assert len(f.paths) == 1
    assert "print: it is the user's function" in str(f.report())


def test_callbacks_eagerly_and_under_every_transform() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        wg.debug.callback(seen.append, x)
        return x * x

    def new() -> list[float]:
        found = [float(v) for v in seen]
        seen.clear()
        return found

    f(3.0)
    assert new() == [3.0]
    for g in (f, wg.jit(f)):
        assert wg.grad(g)(3.0) == 6.0
        assert new() == [3.0]
        np.testing.assert_allclose(wg.vmap(g)(X), X * X)
        assert new() == [1.0, 2.0]
        wg.jvp(g, (3.0,), (1.0,))
        assert new() == [3.0]
    for h in (wg.jit(wg.grad(f)), wg.jit(wg.jit(f))):
        for k in (3.0, 4.0):
            h(k)
            assert new() == [k]
    h = wg.jit(wg.vmap(f))
    for k in (1.0, 2.0):
        np.testing.assert_allclose(h(k * X), k * k * X * X)
        assert new() == [k, 2 * k]


def test_callbacks_get_values_that_nobody_writes_into() -> None:
    kept: list[Any] = []

    @wg.jit
    def f(x: Any) -> Any:
        wg.debug.callback(kept.append, x)
        return x + 1.0

    x = X.copy()
    f(x)
    f(x)
    x[:] = 9.0
    np.testing.assert_array_equal(kept, [X, X])
    with pytest.raises(wg.WengertError, match="takes a function first"):
        wg.debug.callback(3.0, X)


def test_random_numbers_while_staging_are_warned_of() -> None:
    rng = np.random.default_rng(0)
    for draw, name in (
        (lambda: np.random.rand(), "np.random"),
        (lambda: random.random(), "random"),
        (lambda: rng.random(), "Generator"),
    ):
        f = wg.jit(lambda x, draw=draw: x * draw())
        with pytest.warns(RandomStateWarning, match=rf"{name}(.|\n)*argument"):
            first = f(X)
        np.testing.assert_array_equal(f(X), first)
    wg.jit(lambda x: x * 2.0)(X)  # quiet: warnings are errors here
