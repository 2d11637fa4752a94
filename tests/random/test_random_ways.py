"""The same numbers eagerly, as a graph, compiled, batched, and on any threads."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import random as r
from wengert.native import program

LOGITS = np.log(np.array([0.2, 0.3, 0.5]))
Draw = Callable[[Any], Any]
# Of integers alone until the last step, so the same bits everywhere.
EXACT: dict[str, Draw] = {
    "bits": lambda k: r.bits(k, 100),
    "bits64": lambda k: r.bits(k, (10, 7), np.uint64),
    "bits8": lambda k: r.bits(k, 50, np.uint8),
    "uniform": lambda k: r.uniform(k, 100),
    "uniform32": lambda k: r.uniform(k, (5, 20), dtype=np.float32),
    "uniform between": lambda k: r.uniform(k, 100, -1.0, 3.0),
    "bernoulli": lambda k: r.bernoulli(k, np.array([0.1, 0.7, 0.5])),
    "rademacher": lambda k: r.rademacher(k, 33),
    "randint": lambda k: r.randint(k, -5, 10, 100),
    "randint wide": lambda k: r.randint(k, -(2**62), 2**62, 100),
    "permutation": lambda k: r.permutation(k, 100),
    "choice": lambda k: r.choice(k, 10, 50, p=np.arange(10.0)),
    "split": lambda k: r.split(k, 3),
    "fold_in": lambda k: r.fold_in(k, 3),
    "scalar": lambda k: r.uniform(k),
    "nothing": lambda k: r.uniform(k, (2, 0)),
}
# With a logarithm, which may differ in the last place.
ROUNDED: dict[str, Draw] = {
    "normal": lambda k: r.normal(k, 100),
    "normal32": lambda k: r.normal(k, (10, 10), np.float32),
    "exponential": lambda k: r.exponential(k, 100),
    "gumbel": lambda k: r.gumbel(k, 100),
    "laplace": lambda k: r.laplace(k, 100),
    "logistic": lambda k: r.logistic(k, 100),
    "categorical": lambda k: r.categorical(k, LOGITS, shape=40),
    "some": lambda k: r.choice(k, 10, 4, replace=False, p=np.arange(1.0, 11.0)),
    "chain": lambda k: r.normal(r.split(r.fold_in(k, 7))[1], 20),
}
ALL = EXACT | ROUNDED


def same(a: Any, b: Any, name: str, bits: bool = False) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    if bits or name in EXACT:
        np.testing.assert_array_equal(a, b)
    else:
        eps = np.finfo(a.dtype).eps if a.dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("name", ALL)
def test_staged_and_compiled(name: str) -> None:
    f, k = ALL[name], r.key(21)
    expected = f(k)
    g = wg.trace(f, k)
    same(g(k), expected, name, bits=True)
    p = program.compile(g)
    assert not p.host_calls, p.host_calls
    outputs, failed = p([k])
    assert failed == -1
    same(outputs[0], expected, name)


@pytest.mark.parametrize("name", ALL)
def test_batched(name: str) -> None:
    f, keys = ALL[name], r.split(r.key(22), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = np.stack([f(k) for k in keys])
        same(wg.vmap(f)(keys), expected, name, bits=True)
    twice = wg.vmap(wg.vmap(f))(r.split(r.key(22), (1, 5)))
    same(twice[0], expected, name, bits=True)


@pytest.mark.parametrize("name", ["uniform", "normal", "randint", "categorical"])
def test_jit(name: str) -> None:
    f, keys = ALL[name], r.split(r.key(23), 4)
    compiled = wg.jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no random state is drawn from
        for k in keys:
            same(compiled(k), f(k), name)
    assert len(compiled.paths) == 1
    batched = wg.jit(wg.vmap(f))
    for _ in range(2):
        same(batched(keys), np.stack([f(k) for k in keys]), name)


def test_any_number_of_threads() -> None:
    before = wg.get_threads()
    f = wg.jit(lambda k: (r.uniform(k, 300_000), r.normal(k, 300_000)))
    found = []
    try:
        for n in (1, 2, 3):
            wg.set_threads(n)
            found.append(f(r.key(1)))
    finally:
        wg.set_threads(before)
    for u, z in found[1:]:
        np.testing.assert_array_equal(u, found[0][0])
        np.testing.assert_array_equal(z, found[0][1])
    same(found[0][0], r.uniform(r.key(1), 300_000), "uniform")
    same(found[0][1], r.normal(r.key(1), 300_000), "normal")


def test_traced_bounds_give_the_numbers_of_plain_ones() -> None:
    k = r.key(24)
    f = wg.jit(lambda a, b: r.randint(k, a, b, 50))
    for a, b in ((0, 10), (-7, 2**31 - 1), (-(2**62), 2**62)):
        low, high = np.int64(a), np.int64(b)
        np.testing.assert_array_equal(f(low, high), r.randint(k, low, high, 50))
    np.testing.assert_array_equal(f(np.int64(4), np.int64(4)), np.full(50, 4))
    highs = np.array([3, 500])
    got = wg.vmap(lambda b: r.randint(k, 0, b, 50))(highs)
    np.testing.assert_array_equal(got, [r.randint(k, 0, b, 50) for b in highs])


def test_a_loop_of_steps_with_a_key_for_each() -> None:
    @wg.jit
    def walk(k: Any, steps: int) -> Any:
        x = np.float64(0.0)
        for i in range(steps):
            x = x + r.normal(r.fold_in(k, i))
        return x

    k = r.key(2)
    expected = sum(r.normal(r.fold_in(k, i)) for i in range(5))
    for _ in range(2):
        np.testing.assert_allclose(walk(k, 5), expected, rtol=1e-12)


def test_checkpoint_draws_the_same_numbers_again() -> None:
    k = r.key(3)

    def noisy(x: Any) -> Any:
        return np.sum(np.sin(x * r.normal(k, 10)))

    x = 0.7
    assert wg.grad(wg.checkpoint(noisy))(x) == wg.grad(noisy)(x)
