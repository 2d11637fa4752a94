"""Random programs: every pass, and all together, keep values, types and sizes.

Values agree to 1e-9 of the largest number that occurs on the way. A pass may make more
operations only where a rule says so, and no more than GROWTH says.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.passes.pipeline import PIPELINE, optimize

# How many operations more than before one firing of a rule can leave; others none.
GROWTH = {
    "sum_of_broadcast": 3, "sum_of_choice": 1, "write_of_all": 1, "exp_minus_one": 1,
    "log_sigmoid": 2, "log_softmax": 4, "softmax": 5, "log_add_exp": 14,
    "log_mean_exp": 1, "log_one_minus_exp": 9, "log_one_plus": 1, "log_of_product": 1,
    "one_minus_cos": 1, "one_minus_sin": 1,
}  # fmt: skip

SHAPES = [(2, 3), (3,), (3, 2), (), (1, 3), (3, 3)]
UNARY: list[Callable[..., Any]] = [
    np.tanh, np.sin, np.cos, np.square, np.negative, np.positive, np.arctan,
    lambda x: np.exp(np.sin(x)), lambda x: np.log(2.0 + np.cos(x)),
    lambda x: np.sqrt(1.0 + x * x), lambda x: 1.0 / (1.0 + np.exp(-x)),
    lambda x: np.log(1.0 + np.exp(x)), lambda x: 1.0 - np.tanh(x) ** 2,
    lambda x: np.exp(x * 0.1) - 1.0, lambda x: np.log(np.exp(np.sin(x))),
    lambda x: x * 1.0, lambda x: 0.0 + x, lambda x: x * 0.0, lambda x: x / 1.0,
    lambda x: x - 0.0, lambda x: 2.0 * (x * 0.5), lambda x: -(2.0 * x), lambda x: x - x,
    lambda x: x**2, lambda x: x**1.0, lambda x: np.power(1.0 + x * x, 0.5),
    lambda x: x.T, lambda x: x.T.T, lambda x: x.reshape(-1), lambda x: x[None],
    lambda x: np.flip(x), lambda x: np.sum(x),
    lambda x: np.sum(x, axis=0, keepdims=True) if x.ndim else x,
    lambda x: np.mean(x, axis=-1) if x.ndim else x,
    lambda x: np.broadcast_to(x, (2, *x.shape)).sum(axis=0),
    lambda x: np.sum(np.broadcast_to(x, (2, *x.shape))),
    lambda x: np.concatenate([x, 2.0 * x])[: x.shape[0]] if x.ndim else x,
    lambda x: np.concatenate([x[:1], x[1:]]) if x.ndim else x,
    lambda x: np.stack([x, -x])[1], lambda x: x[::-1][:1] if x.ndim else x,
    lambda x: written(x), lambda x: softmax(x), lambda x: np.log(softmax(x)),
    lambda x: np.log(np.sum(np.exp(x))),
    lambda x: np.max(x) + shifted(x) if x.size else x,
    lambda x: np.sum(np.where(x == x, 1.0, 0.0)), lambda x: np.log(logistic(x)),
    lambda x: 1.0 - logistic(x), lambda x: np.log(1.0 - logistic(x)),
    lambda x: np.log(1.0 + x * x), lambda x: np.sqrt(np.sum(x * x) + 0.0),
    lambda x: np.log(1.0 - np.exp(-0.1 - x * x)), lambda x: np.maximum(x, x),
    lambda x: np.flip(np.flip(x)), lambda x: np.log(np.mean(np.exp(x))),
    lambda x: np.log(np.prod(np.exp(0.1 * x))), lambda x: np.sqrt(np.square(x + 9.0)),
    lambda x: 1.0 - np.cos(x) ** 2,
    lambda x: np.sum(np.sum(x, axis=0)) if x.ndim else x,
    lambda x: x[1:][:1] if x.ndim else x, lambda x: -x / -(2.0 + np.cos(x)),
]  # fmt: skip
BINARY: list[Callable[..., Any]] = [
    np.add, np.subtract, np.multiply, np.multiply, lambda a, b: a / (2.0 + np.cos(b)),
    lambda a, b: a * (1.0 / (2.0 + np.sin(b))), np.hypot, np.logaddexp,
    lambda a, b: a + (-b), lambda a, b: a - (-b), lambda a, b: (-a) * (-b),
    lambda a, b: np.log(np.exp(np.sin(a)) + np.exp(np.sin(b))),
    lambda a, b: np.sqrt(np.square(a) + np.square(b) + 0.5),
    lambda a, b: np.where(MASK, a, b), lambda a, b: np.where(MASK, a, 0.0) * b,
    lambda a, b: np.where(MASK, a, 0.0) + np.where(MASK, 0.0, b),
    lambda a, b: product(a, b), lambda a, b: product(product(a, b), a),
    lambda a, b: product(a, b).T,
]  # fmt: skip
MASK = np.array([True, False, True])


def written(x: Any) -> Any:
    """A write and a read of the same place, and of another."""
    if not x.ndim:
        return x
    y = np.zeros_like(x)
    y[:1] += x[:1]
    y[:1] = y[:1] * 2.0
    return y[:1] + x


def logistic(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(np.tanh(x))
    return e / np.sum(e)


def shifted(x: Any) -> Any:
    return np.log(np.sum(np.exp(x - np.max(x))))


def product(a: Any, b: Any) -> Any:
    """A matrix product, of what can be multiplied, else of elements."""
    if a.ndim and b.ndim and a.ndim <= 2 and b.ndim <= 2:
        if a.shape[-1] == b.shape[0]:
            return a @ b
        if a.ndim == b.ndim == 2 and a.shape[-1] == b.shape[-1]:
            return a @ b.T
    fits = all(i == j or 1 in (i, j) for i, j in zip(a.shape[::-1], b.shape[::-1]))  # noqa: B905
    return a * b if fits else a


Steps = list[tuple[int, int, int]]
STEPS = st.lists(
    st.tuples(
        st.integers(0, len(UNARY) + len(BINARY) - 1),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=14,
)


def program(steps: Steps) -> Callable[..., Any]:
    """A function of one array per shape; values are kept in a moderate range."""

    def f(*xs: Any) -> Any:
        pool = list(xs)
        for k, i, j in steps:
            a, b = pool[-1 - i % len(pool)], pool[-1 - j % len(pool)]
            if k < len(UNARY):
                y = UNARY[k](a)
            else:
                try:
                    np.broadcast_shapes(a.shape, b.shape, (3,))
                except ValueError:
                    continue
                y = BINARY[k - len(UNARY)](a, b)
            if y.size <= 60 and y.ndim <= 4:
                # Squares of squares grow; a slope of 1 keeps the steps visible.
                pool.append(y if k % 3 else 3.0 * np.tanh(y / 3.0))
        return pool[-1], sum((np.sum(np.sin(p)) for p in pool), np.sum(pool[-1]))

    return f


def inputs(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(-2.0, 2.0, s))[()] for s in SHAPES]


def largest(graph: wg.Graph, xs: list[Any]) -> float:
    """The largest absolute value on the way, by which rounding errors are measured."""
    nodes = [n for n in graph.nodes if isinstance(n.type, wg.Type) and n.inputs]
    values = graph.run(nodes, dict(zip(graph.inputs, xs, strict=True))) if nodes else []
    finite = [np.abs(np.asarray(v, float)) for v in values if np.isfinite(v).all()]
    return max((float(v.max()) for v in finite if v.size), default=1.0)


def agree(after: wg.Graph, graph: wg.Graph, xs: list[Any]) -> None:
    after.check()
    atol = 1e-9 * max(1.0, largest(graph, xs))
    got, want = after.evaluate(xs), graph.evaluate(xs)
    for a, b, n in zip(got, want, graph.outputs, strict=True):
        assert np.shape(a) == np.shape(b) == n.shape
        assert np.asarray(a).dtype == n.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=atol)


def grown(changes: tuple[str, ...]) -> int:
    rules = [name for row in changes for name in row.split(":")[0].split(", ")]
    return sum(GROWTH.get(name, 0) for name in rules)


def all_passes(graph: wg.Graph, xs: list[Any]) -> None:
    for function, _ in dict(PIPELINE).items():
        after, (step,) = optimize(graph, [function])
        agree(after, graph, xs)
        assert step.after <= step.before + grown(step.changes), function.__name__
    after, steps = optimize(graph, check=True)
    agree(after, graph, xs)
    assert all(s.after <= s.before + grown(s.changes) for s in steps)
    assert [s.after for s in steps[:-1]] == [s.before for s in steps[1:]]
    again, steps = optimize(after)
    agree(again, graph, xs)


SETTINGS = settings(
    deadline=None, max_examples=150, suppress_health_check=list(HealthCheck)
)


@SETTINGS
@given(STEPS, st.integers(0, 1000))
def test_random_programs(steps: Steps, seed: int) -> None:
    xs = inputs(seed)
    all_passes(wg.trace(program(steps), *xs), xs)


@SETTINGS
@given(STEPS, st.integers(0, 1000), st.integers(0, len(SHAPES) - 1))
def test_their_gradients(steps: Steps, seed: int, wrt: int) -> None:
    xs = inputs(seed)
    f = program(steps)
    graph = wg.trace(wg.grad(lambda *xs: f(*xs)[1], argnums=wrt), *xs)
    all_passes(graph, xs)


@SETTINGS
@given(STEPS, st.integers(0, 1000), st.integers(0, len(SHAPES) - 1))
def test_gradients_of_what_was_optimised(steps: Steps, seed: int, wrt: int) -> None:
    """Stabilise, then differentiate: the same gradient as of the program itself."""
    xs = inputs(seed)
    f = program(steps)
    plain = wg.trace(lambda *xs: f(*xs)[1], *xs)
    gradient = plain.grad(wrt)
    agree(plain.optimize().grad(wrt).optimize(check=True), gradient, xs)


@pytest.mark.parametrize("dtype", ["f4", "c16"])
@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.integers(0, 100))
def test_other_dtypes_stay(dtype: str, picks: list[int], seed: int) -> None:
    """float32 and complex: types are the same after every pass, values nearly."""
    x = inputs(seed)[0].astype(dtype)
    x = x * (1 + 0.5j) if dtype == "c16" else x

    def f(x: Any) -> Any:
        for k in picks:
            x = x * 0.5
            x = UNARY[k](x)
        return x

    graph = wg.trace(f, x)
    after = graph.optimize(check=True)
    assert after.outputs[0].type == graph.outputs[0].type
    tolerance = 2e-4 if dtype == "f4" else 1e-9
    np.testing.assert_allclose(after(x), graph(x), rtol=tolerance, atol=tolerance)
