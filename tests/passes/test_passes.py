"""The passes beside simplify and stabilize: constants, common steps, products …"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import bind
from wengert.core.op import OPS
from wengert.graph.graph import Graph
from wengert.graph.symbols import as_symbol
from wengert.passes import fold_constants, merge_common, plain_products, reassociate
from wengert.passes.match import call

RNG = np.random.default_rng(3)


def matrix(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def strong(a: Any, b: Any) -> Any:
    return bind(OPS["strong_product"], a, b)


# fold_constants -----------------------------------------------------------------------


def test_what_depends_on_constants_only_is_computed() -> None:
    graph = wg.trace(lambda a, x: np.exp(a * 2.0).sum() * x, np.ones(3), 2.0)
    folded = fold_constants(graph.bind(a=np.zeros(3)))
    folded.check()
    assert folded.counts() == {"multiply": 1}
    assert folded(5.0) == 15.0


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "i2"])
def test_a_constant_keeps_its_dtype_and_is_as_strong_as_it_was(dtype: str) -> None:
    one = np.ones((), dtype)[()]
    graph = wg.trace(lambda a, x: (a + 1) * x, one, np.ones(3, "f2")).bind(a=one)
    folded = fold_constants(graph)
    folded.check()
    assert folded.outputs[0].type == graph.outputs[0].type
    assert folded(np.ones(3, "f2")).dtype == graph(np.ones(3, "f2")).dtype


def test_python_numbers_become_strong_where_their_result_was() -> None:
    """1 + 2 of Python numbers is a float64 in the graph; float32 arrays feel that."""
    x = wg.symbol("x", (2,), "f4")
    three = as_symbol(call("add", x.mark, 1.0, 2.0))
    graph = wg.function([x], x * three)
    folded = fold_constants(graph)
    folded.check()
    assert folded.counts() == {"multiply": 1}
    assert (
        folded.outputs[0].type
        == graph.outputs[0].type
        == wg.Type((2,), np.dtype(float))
    )


def test_a_large_broadcast_is_not_written_out() -> None:
    graph = wg.trace(lambda a, x: np.broadcast_to(a, (1000, 1000)) + x, 1.0, 1.0)
    assert fold_constants(graph.bind(a=3.0)).counts() == {"broadcast_to": 1, "add": 1}


def test_an_error_stays_where_it_is() -> None:
    """Folding an index out of bounds would raise without anybody running the graph."""
    i = np.array([0, 1])
    graph = wg.trace(
        lambda x, i: bind(OPS["index"], x, i, key=("array",)), np.ones(3), i
    )
    wrong = graph.bind(x=np.ones(3), i=np.array([0, 7]))
    folded = fold_constants(wrong)
    with pytest.raises(IndexError):
        folded()


def test_calls_of_the_users_functions_are_not_run_early() -> None:
    ran: list[float] = []

    @wg.checkpoint
    def f(x: Any) -> Any:
        ran.append(1.0)
        return np.sin(x)

    graph = wg.trace(lambda a, x: f(a) * x, 1.0, 2.0).bind(a=1.0)
    assert sum(n.op.kind == "call" for n in fold_constants(graph).nodes) == 1


# merge_common -------------------------------------------------------------------------


def test_equal_steps_become_one() -> None:
    graph = wg.trace(lambda x, y: np.sin(x) * y + y * np.sin(x), 1.0, 2.0)
    merged = merge_common(graph)
    merged.check()
    assert merged.counts() == {"sin": 1, "multiply": 1, "add": 1}
    assert merged(1.0, 2.0) == graph(1.0, 2.0)


def test_steps_with_other_parameters_stay_apart() -> None:
    graph = wg.trace(lambda x: np.sum(x, 0) + np.sum(x, 1) + np.sum(x, 0), matrix(3, 3))
    assert merge_common(graph).counts() == {"sum": 2, "add": 2}
    graph = wg.trace(lambda x: x[0:1] + x[1:2] + x[0:1], matrix(3))
    assert merge_common(graph).counts() == {"index": 2, "add": 2}


def test_order_counts_where_it_counts() -> None:
    graph = wg.trace(lambda x, y: (x - y) * (y - x) + x / y + y / x, 1.0, 2.0)
    assert merge_common(graph).counts() == graph.counts()


def test_constants_merge_by_bits() -> None:
    def f(x: Any) -> Any:
        same = x + np.array([1.0, np.nan]) + np.array([1.0, np.nan])
        return same * np.array([0.0, 1.0]) * np.array([-0.0, 1.0])

    merged = merge_common(wg.trace(f, np.ones(2)))
    assert sum(n.op.name == "constant" for n in merged.nodes) == 3


def test_a_python_number_and_a_scalar_stay_apart() -> None:
    x = np.ones(2, "f4")
    graph = wg.trace(lambda x: (x * 2.0, x * np.float64(2.0)), x)
    merged = merge_common(graph)
    merged.check()
    assert [n.dtype for n in merged.outputs] == ["f4", "f8"]


def test_an_overridden_derivative_is_another_step() -> None:
    graph = wg.trace(lambda x: (np.sin(x), np.sin(x)), 1.0)
    one = graph.override(graph.outputs[0], vjp=lambda ct, y, x: (7.0 * ct,))
    assert len({id(n.op) for n in merge_common(one).outputs}) == 2


def test_parts_of_an_op_with_several_results_merge() -> None:
    a = matrix(3, 3)
    graph = wg.trace(lambda a: np.linalg.slogdet(a)[1] + np.linalg.slogdet(a)[1], a)
    merged = merge_common(graph)
    merged.check()
    assert merged.counts()["slogdet"] == 1
    assert merged(a) == graph(a)


# plain_products -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "plain"),
    [
        (lambda x: strong(2.0, x), True),
        (lambda x: strong(x, -np.ones(3)), True),
        (lambda x: strong(np.array([1.0, 0.0, 1.0]), x), False),
        (lambda x: strong(np.array([1.0, np.inf, 1.0]), x), False),
        (lambda x: strong(np.array([1.0, np.nan, 1.0]), x), False),
        (lambda x: strong(0.5 * x, x), False),
        (lambda x: strong(np.cos(x), np.tanh(x)), False),
        (lambda x: strong(np.where(x > 0, 2.0, -1.0), x), True),
        (lambda x: strong(np.where(x > 0, 2.0, 0.0), x), False),
        (lambda x: strong(np.where(x > 0, 2.0, 0.0), np.astype(x > 1, "f8")), True),
        (lambda x: strong(np.astype(x > 1, "f8"), x), False),
        (
            lambda x: strong(-np.broadcast_to(np.where(x[0] > 0, 2.0, 1.0), (3,)), x),
            True,
        ),
    ],
)
def test_a_product_becomes_plain_where_zero_never_meets_infinity(
    f: Any, plain: bool
) -> None:
    graph = wg.trace(f, np.ones(3))
    after = plain_products(graph)
    after.check()
    assert ("multiply" in after.counts()) == (plain or "multiply" in graph.counts())
    assert ("strong_product" in after.counts()) == (not plain)
    for x in ([0.0, 1.0, -1.0], [np.inf, np.nan, 0.0], [-np.inf, 0.0, np.nan]):
        np.testing.assert_array_equal(after(np.array(x)), graph(np.array(x)))


def test_a_masked_nan_stays_out_of_the_gradient() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0, np.sqrt(x) * np.tanh(x), 0.0))

    x = np.array([4.0, -1.0, np.nan])
    gradient = wg.trace(wg.grad(f), x)
    np.testing.assert_array_equal(gradient.optimize()(x)[1:], [0.0, 0.0])
    assert np.isfinite(gradient.optimize()(x)).all()


# reassociate --------------------------------------------------------------------------


def flops(graph: Graph) -> int:
    return int(graph.cost().flops)


def test_a_matrix_chain_ends_in_the_vector() -> None:
    a, b, v = matrix(30, 20), matrix(20, 40), matrix(40)
    graph = wg.trace(lambda a, b, v: (a @ b) @ v, a, b, v)
    after = reassociate(graph)
    after.check()
    assert flops(after) == 2 * (20 * 40 + 30 * 20)
    np.testing.assert_allclose(after(a, b, v), graph(a, b, v), rtol=1e-12)


@pytest.mark.parametrize("count", [3, 5, 12, 13, 40])
def test_long_chains_by_any_grouping(count: int) -> None:
    sizes = RNG.integers(1, 12, count + 1)
    factors = [matrix(n, m) for n, m in pairwise(sizes)]

    def left(*fs: Any) -> Any:
        y = fs[0]
        for f in fs[1:]:
            y = y @ f
        return y

    graph = wg.trace(left, *factors)
    after = reassociate(graph)
    after.check()
    assert after.counts() == {"matmul": count - 1}
    assert flops(after) <= flops(graph)
    want = graph(*factors)
    scale = np.abs(want).max() or 1.0
    np.testing.assert_allclose(after(*factors) / scale, want / scale, atol=1e-11)


def test_it_is_the_best_grouping_of_the_textbook() -> None:
    """Cormen et al., figure 15.5: six matrices, 15,125 multiplications."""
    sizes = [30, 35, 15, 5, 10, 20, 25]
    factors = [matrix(n, m) for n, m in pairwise(sizes)]
    graph = wg.trace(lambda a, b, c, d, e, f: a @ (b @ (c @ (d @ (e @ f)))), *factors)
    assert flops(reassociate(graph)) == 2 * 15_125


def test_a_product_that_is_seen_or_used_twice_stays() -> None:
    a, b, v = matrix(3, 30), matrix(30, 3), matrix(3)
    for f in (
        lambda a, b, v: ((a @ b) @ v, a @ b),
        lambda a, b, v: ((a @ b) @ v) + (a @ b).sum(0),
    ):
        graph = merge_common(wg.trace(f, a, b, v))
        assert reassociate(graph) is graph
    square = matrix(4, 4)
    graph = wg.trace(lambda a: (lambda p: p @ p)(a @ a), square)
    assert reassociate(graph) is graph


def test_other_products_are_left_alone() -> None:
    stacks = matrix(5, 3, 4), matrix(4, 6), matrix(6, 2)
    graph = wg.trace(lambda a, b, c: (a @ b) @ c, *stacks)
    assert reassociate(graph) is graph
    mixed = matrix(9, 2).astype("f4"), matrix(2, 9), matrix(9, 1)
    graph = wg.trace(lambda a, b, c: (a @ b) @ c, *mixed)
    assert reassociate(graph) is graph
