"""Which loops a root joins: narrow products, and sums of what a loop has at hand."""

from typing import Any

import numpy as np
import pytest
from compiled import check_function

import wengert as wg
from wengert.graph.stage import trace
from wengert.native.kernel import Kernel
from wengert.native.partition import Library, Partition

RNG = np.random.default_rng(3)


def steps_of(f: Any, *args: Any) -> list[Any]:
    return Partition(trace(f, *args, values=True).optimize()).steps


def pairs(x: Any, m: Any) -> Any:
    """2 × 2 products of each point with each centre, summed over points."""
    centred = x[:, None, :] - m
    y = np.tanh(centred) * np.exp(-centred)
    return np.einsum("nkc,nkd->kcd", y, centred), y, np.sum(y, 0)


def data(n: int, k: int, d: int) -> list[Any]:
    return [RNG.normal(size=(n, d)), RNG.normal(size=(k, d))]


def test_a_narrow_product_is_summed_by_loops() -> None:
    args = data(500, 5, 2)
    assert not any(isinstance(s, Library) for s in steps_of(pairs, *args))
    check_function(pairs, *args)


def test_a_wide_product_is_a_call() -> None:
    args = data(500, 5, 3)
    assert [s.node.op.name for s in steps_of(pairs, *args) if isinstance(s, Library)]
    check_function(pairs, *args)


@pytest.mark.parametrize("n", [8, 61, 1000])
@pytest.mark.parametrize(("k", "d"), [(2, 2), (5, 2), (3, 1), (1, 2)])
def test_values_and_gradients(n: int, k: int, d: int) -> None:
    args = data(n, k, d)
    check_function(pairs, *args)

    def total(x: Any, m: Any) -> Any:
        g, y, s = pairs(x, m)
        return np.sum(np.sin(g)) + np.sum(y * y) + np.sum(np.cos(s))

    check_function(wg.grad(total, (0, 1)), *args)


def test_sums_join_the_loop_that_makes_what_they_add() -> None:
    """A softmax over five items is made once for each row; sums over rows go along."""

    def f(x: Any) -> Any:
        e = np.exp(x - np.max(x, 1, keepdims=True))
        p = e / np.sum(e, 1, keepdims=True)
        return p, np.sum(p, 0), np.sum(p * x, 0)

    x = RNG.normal(size=(1000, 5))
    kernels = [s for s in steps_of(f, x) if isinstance(s, Kernel)]
    assert [k.loops for k in kernels] == [(1000,)]
    check_function(f, x)
