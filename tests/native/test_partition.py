"""Which loops a root joins: narrow products, and sums of what a loop has at hand."""

import math
from typing import Any

import numpy as np
import pytest
from compiled import check_function

import wengert as wg
from wengert.graph.stage import trace
from wengert.native.kernel import Kernel
from wengert.native.partition import FEW, Library, Partition
from wengert.native.program import compile

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


# Loops that are nearly the same -------------------------------------------------------


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def variation(x: Any) -> Any:
    return np.sum((x[1:] - x[:-1]) ** 2) + np.sum((x[:, 1:] - x[:, :-1]) ** 2)


def curvature(x: Any) -> Any:
    return np.sum((x[2:] - 2 * x[1:-1] + x[:-2]) ** 2 * x[1:-1])


def loops_of(f: Any, *args: Any) -> list[Any]:
    """The loops of each kernel that has some, and those of its roots."""
    kernels = [s for s in steps_of(f, *args) if isinstance(s, Kernel)]
    return [(k.loops, [r.loops for r in k.roots]) for k in kernels if k.loops]


@pytest.mark.parametrize("n", [10_000, 10_007, 100_003])
@pytest.mark.parametrize(
    ("f", "less"),
    [
        (rosenbrock, 1),
        (curvature, 2),
        (lambda x: np.sum(x[1:] * x[:-1]), 1),
        (lambda x: np.sum(np.diff(x) ** 2), 1),
        (lambda x: np.sum(np.abs(x[3:]) * x[:-3]), 3),
    ],
)
@pytest.mark.parametrize("dtype", [float, np.float32])
def test_a_stencil_and_its_gradient_take_one_pass(
    f: Any, less: int, n: int, dtype: Any
) -> None:
    x = RNG.normal(size=n).astype(dtype)
    g = wg.value_and_grad(f)
    assert loops_of(g, x) == [((n,), [(n - less,), (n,)])]
    check_function(g, x)


@pytest.mark.parametrize("shape", [(120, 100), (101, 103), (40, 30, 17)])
def test_stencils_along_several_axes(shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    g = wg.value_and_grad(variation)
    check_function(g, x)
    assert any(
        len(set(parts)) > 1 and max(parts) == whole for whole, parts in loops_of(g, x)
    )


def test_roots_of_many_lengths_share_a_pass() -> None:
    """Stored ones, folds of all and of a part: each of its own length."""

    def f(x: Any) -> Any:
        y = x[1:] * x[:-1]
        return y, x * 2, np.sum(x), np.min(x[3:] - x[:-3])

    x = RNG.normal(size=20_001)
    assert ((20_001,), 4) in [(k, len(parts)) for k, parts in loops_of(f, x)]
    check_function(f, x)


def test_the_rest_of_a_loop_may_be_read_over() -> None:
    """What is longer may take the place of what nothing reads afterwards."""

    def f(x: Any) -> Any:
        y = np.sort(x)
        return np.sum(y[1:] * y[:-1]), np.exp(y)

    check_function(f, RNG.normal(size=10_001))


def test_nothing_joins_loops_that_run_before_what_it_reads() -> None:
    """The places of maxima need these; the stencil's loops come before."""

    def f(x: Any) -> Any:
        y = (x[:, 1:-1] + 1) * x[:, 1:-1]
        return y, wg.grad(lambda x: np.sum(np.max(x * x * x, 0)))(x)

    check_function(f, RNG.normal(size=(12, 1500)))


@pytest.mark.parametrize("n", [1000, 9_999])
def test_short_stencils_keep_their_loops(n: int) -> None:
    assert len(loops_of(wg.value_and_grad(rosenbrock), np.ones(n))) == 2


def test_what_reads_other_arrays_keeps_its_loops() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(x[1:] * x[:-1]), np.exp(y)

    x, y = RNG.normal(size=(2, 20_000))
    assert len(loops_of(f, x, y)) == 2
    check_function(f, x, y)


def test_much_shorter_loops_stay_alone() -> None:
    def f(x: Any) -> Any:
        return np.sum(x[5_000:] ** 2), np.exp(x)

    x = RNG.normal(size=20_000)
    assert len(loops_of(f, x)) == 2
    check_function(f, x)


def test_a_stencil_beside_a_product_of_rows() -> None:
    """Blocks of rows take the rows of all: there, no root has fewer than others."""

    def f(x: Any, a: Any, b: Any) -> Any:
        y = np.tanh(a @ b)
        return np.sum(x[1:] * x[:-1]), x * 2, y, np.sum(np.exp(y) @ b.T)

    check_function(
        f, RNG.normal(size=20_000), RNG.normal(size=(20_000, 16)), np.ones((16, 16))
    )


@pytest.mark.parametrize("f", [rosenbrock, variation])
def test_one_pass_gives_the_same_with_any_number_of_threads(f: Any) -> None:
    x = RNG.normal(size=(700, 501) if f is variation else 300_001)
    g = wg.jit(wg.value_and_grad(f))
    before = wg.get_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            wg.set_threads(threads)
            found.append([np.asarray(y).tobytes() for y in g(x)])
    finally:
        wg.set_threads(before)
    assert found[0] == found[1] == found[2]


def test_the_sum_of_one_pass_is_as_accurate() -> None:
    x = np.random.default_rng(0).random(1_000_001)
    value, _ = wg.jit(wg.value_and_grad(lambda x: np.sum(x[1:] * x[:-1])))(x)
    exact = math.fsum(x[1:] * x[:-1])
    assert abs(float(value) - exact) <= 4 * np.finfo(float).eps * exact


# How long kernels get -----------------------------------------------------------------


def test_folds_that_share_nothing_dont_make_one_long_function() -> None:
    def f(x: Any) -> Any:
        parts = [np.sum(x[i : i + 40] * x[i + 1 : i + 41]) for i in range(700)]
        return sum(p * float(i + 1) for i, p in enumerate(parts))

    x = np.linspace(0.0, 1.0, 800)
    looped = [s for s in steps_of(f, x) if isinstance(s, Kernel) and s.loops]
    assert sum(len(k.roots) for k in looped) == 700
    assert all(len(k.inlined) <= FEW for k in looped)
    assert len(looped) <= 4
    check_function(f, x)


def test_folds_that_share_their_work_do() -> None:
    """Cosines of one sine, which would be computed again for each function."""

    def f(x: Any) -> Any:
        y = np.sin(x) * np.exp(-x)
        return [np.sum(y * np.cos(x * float(i))) for i in range(250)]

    x = np.linspace(0.0, 1.0, 50)
    (kernel,) = (s for s in steps_of(f, x) if isinstance(s, Kernel) and s.loops)
    assert len(kernel.roots) == 250
    assert len(kernel.inlined) > FEW
    check_function(f, x)


def test_folds_that_share_a_large_array_read_it_once() -> None:
    def f(x: Any) -> Any:
        return [np.sum((x - float(i)) * (x + float(i))) for i in range(250)]

    x = np.linspace(0.0, 1.0, 5000)
    (kernel,) = (s for s in steps_of(f, x) if isinstance(s, Kernel) and s.loops)
    assert len(kernel.inlined) > FEW
    assert len(loops_of(f, x[:100])) > 1
    check_function(f, x)


def test_a_short_sum_of_dear_terms_is_a_loop_of_vectors() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(np.sin(x) * x))

    def cheap(x: Any) -> Any:
        return np.sum(x * x)

    x = np.linspace(0.1, 1.0, 8)
    graph = trace(wg.value_and_grad(f), x).optimize()
    program = compile(graph)
    assert program.kernels == 1  # the gradient's loop computes the terms as well
    value, slope = program([x])[0]
    np.testing.assert_allclose(value, f(x), rtol=1e-15)
    np.testing.assert_allclose(slope, wg.grad(f)(x), rtol=1e-14)
    written_out = wg.native.listing(cheap, x)
    assert "for i < 8, written out" in written_out or "for" not in written_out


def test_loops_that_end_soon_call_functions() -> None:
    def f(x: Any) -> Any:
        for _ in range(8):
            x = np.tanh(x) + np.sin(x)
        return x

    def text(n: int) -> str:
        program = compile(trace(f, np.ones(n)).optimize())
        x = np.linspace(-2, 2, n)
        np.testing.assert_allclose(program([x])[0][0], f(x), rtol=1e-13)
        return program.segments[0].module.text

    short, long = text(8), text(800)
    assert short.count("@wg_math_tanh") > 4
    assert "@wg_math_tanh" not in long
