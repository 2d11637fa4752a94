"""Traced values that are written into after they were used keep their old derivative.

A tracer is a handle: a write gives it another value. What an inner level keeps of an
outer level's tracer (as an argument, or taken from outside) is the value of then.
"""

from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.ones(2)


def captured(w: Any) -> Any:
    """Σ ∂/∂x Σ w x² at x = 3, where w is overwritten after its use: Σ 6w."""

    def inner(x: Any) -> Any:
        y = np.sum(w * x * x)
        w[0] = 100.0
        return y

    return np.sum(wg.grad(inner)(3.0 * X))


def argument(w: Any) -> Any:
    """Σ ∂/∂x Σ x³ at x = w, where w is overwritten meanwhile: Σ 3w²."""

    def inner(x: Any) -> Any:
        y = np.sum(x**3)
        w[0] = 100.0
        return y

    return np.sum(wg.grad(inner)(w))


def pulled_back_later(w: Any) -> Any:
    _, pullback = wg.vjp(lambda x: w * x * x, 3.0 * X)
    w[0] = 100.0
    return np.sum(pullback(X)[0])


def linearized_later(w: Any) -> Any:
    _, f_lin = wg.linearize(lambda x: w * x * x, 3.0 * X)
    w[0] = 100.0
    return np.sum(f_lin(X))


def mapped(w: Any) -> Any:
    def item(x: Any) -> Any:
        w[0] = 100.0
        return 6.0 * x

    return np.sum(wg.vmap(item)(w))


def checkpointed(w: Any) -> Any:
    y = wg.checkpoint(lambda x: 6.0 * w * x)(X)
    w[0] = 100.0
    return np.sum(y)


def with_a_rule(w: Any) -> Any:
    f = wg.custom_vjp(lambda w: 6.0 * np.sin(w))
    f.defvjp(lambda w: (6.0 * w, w), lambda r, ct: (6.0 * ct * r**0,))
    y = f(w)
    w[0] = 100.0
    return np.sum(y)


CASES = [captured, argument, pulled_back_later, linearized_later, mapped, checkpointed,
         with_a_rule]  # fmt: skip


@pytest.mark.parametrize("f", CASES)
def test_reverse_outside(f: Any) -> None:
    np.testing.assert_array_equal(wg.grad(f)(X.copy()), np.full(2, 6.0))


@pytest.mark.parametrize("f", CASES)
def test_forward_outside(f: Any) -> None:
    assert wg.jvp(f, (X.copy(),), (X,))[1] == 12.0


@pytest.mark.parametrize("f", CASES)
def test_staged_outside(f: Any) -> None:
    graph = wg.trace(wg.grad(f), X)
    np.testing.assert_array_equal(graph(X), np.full(2, 6.0))


def test_a_graph_sees_both_versions_of_a_captured_value() -> None:
    def outer(w: Any) -> Any:
        def g(t: Any) -> Any:
            a = w * t
            w[0] = 5.0
            return a + w * t

        return np.sum(wg.trace(g, X)(X))

    y, dy = wg.jvp(outer, (X.copy(),), (X,))
    assert y == 8.0
    assert dy == 3.0
    np.testing.assert_array_equal(wg.grad(outer)(X.copy()), [1.0, 2.0])
