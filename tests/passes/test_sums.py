"""Sums that move into products: fewer multiplications, the same values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph.graph import Graph
from wengert.passes import merge_common, sum_first

RNG = np.random.default_rng(5)
Function = Callable[..., Any]


def matrix(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def flops(graph: Graph) -> int:
    return int(graph.cost().flops)


def check(f: Function, *args: Any) -> Graph:
    """The graph after the pass, which gives what the one before gives."""
    graph = wg.trace(f, *args)
    after = sum_first(graph)
    after.check()
    np.testing.assert_allclose(after(*args), graph(*args), rtol=1e-11, atol=1e-12)
    return after


def test_rows_are_summed_before_the_product() -> None:
    """1 · 30·40 multiplications instead of 50 times as many."""
    x, w = matrix(50, 30), matrix(30, 40)
    after = check(lambda x, w: (x @ w).sum(0), x, w)
    assert after.counts() == {"sum": 1, "matmul": 1}
    assert flops(after) == 2 * 30 * 40 + 50 * 30


@pytest.mark.parametrize("axis", [0, 1, (0, 1), -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_any_axes_of_a_matrix_product(axis: Any, keepdims: bool) -> None:
    x, w = matrix(9, 4), matrix(4, 7)
    after = check(lambda x, w: (x @ w).sum(axis, keepdims=keepdims), x, w)
    assert flops(after) < flops(wg.trace(lambda x, w: (x @ w).sum(axis), x, w))


@pytest.mark.parametrize(
    ("subscripts", "axis"),
    [
        ("nkc,kcd->nkd", 0),  # an axis of the first operand
        ("kcd,nkc->nkd", 0),  # of the second
        ("nkc,kcd->nkd", (0, 2)),  # one of each
        ("nkc,nkd->nkcd", 0),  # of both: summed by the product
        ("nkc,nkd->nkcd", (0, 1, 2)),
        ("nkc,kcd->nkd", 1),
        ("ab,cd->abcd", (0, 3)),
    ],
)
def test_einsum(subscripts: str, axis: Any) -> None:
    sizes = {"n": 8, "k": 3, "c": 4, "d": 5, "a": 3, "b": 2}
    shapes = [[sizes[x] for x in t] for t in subscripts.split("->")[0].split(",")]

    def f(x: Any, y: Any) -> Any:
        return np.einsum(subscripts, x, y).sum(axis)

    args = [matrix(*s) for s in shapes]
    after = check(f, *args)
    assert flops(after) < flops(wg.trace(f, *args))
    assert max(n.type.size for n in after.nodes) < np.einsum(subscripts, *args).size


def test_through_sums_and_signs() -> None:
    """Each product by itself; what isn't one is summed as it was."""
    x, w, z = matrix(50, 6), matrix(6, 7), matrix(50, 7)
    after = check(lambda x, w, z: (z - (-(x @ w) + np.sin(z))).sum(0), x, w, z)
    (product,) = [n for n in after.nodes if n.op.name == "matmul"]
    assert product.shape == (7,)


def test_a_gradient_by_what_was_broadcast() -> None:
    """Centres under a product: one product of the sum, not one for each row."""
    x, c, w = matrix(40, 6), matrix(6), matrix(6, 5)
    graph = wg.trace(wg.grad(lambda c: ((x - c) @ w).sum() ** 2 / 2.0), c).optimize()
    want = -(((x - c) @ w).sum() * 40 * w.sum(1))
    np.testing.assert_allclose(graph(c), want, rtol=1e-11)


def test_what_others_need_stays() -> None:
    x, w = matrix(9, 4), matrix(4, 7)
    for f in (
        lambda x, w: ((x @ w).sum(0), x @ w),
        lambda x, w: (x @ w).sum(0) * np.max(x @ w),
    ):
        graph = merge_common(wg.trace(f, x, w))
        assert sum_first(graph) is graph


def test_other_sums_stay() -> None:
    x, w = matrix(9, 4), matrix(4, 7)
    for f, args in (
        (lambda x: np.sin(x).sum(0), (x,)),
        (lambda x, w: np.sin(x @ w).sum(0), (x, w)),
        (lambda x, w: (x @ w).sum(0), (x.astype(int), w.astype(int))),
        (lambda x, w: (x @ w + x.sum()).max(0), (x, w)),
        (lambda x, w: (x @ w).sum(0), (matrix(0, 4), w)),
        (lambda x, w: (x @ w).sum(()), (x, w)),
    ):
        graph = wg.trace(f, *args)
        assert sum_first(graph) is graph


def test_dtypes_stay() -> None:
    x, w = matrix(9, 4).astype("f4"), matrix(4, 7).astype("f4")
    graph = wg.trace(lambda x, w: (x @ w).sum(0), x, w)
    after = sum_first(graph)
    assert after.outputs[0].type == graph.outputs[0].type
    np.testing.assert_allclose(after(x, w), graph(x, w), rtol=1e-5)


def test_infinities_meet_as_they_did() -> None:
    x, w = matrix(5, 3), matrix(3, 4)
    x[0, 0], x[1, 0] = np.inf, -np.inf
    graph = wg.trace(lambda x, w: (x @ w).sum(0), x, w)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(
            np.isnan(sum_first(graph)(x, w)), np.isnan(graph(x, w))
        )
