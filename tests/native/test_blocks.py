"""Steps done block by block: which are, that they give the same, and what they save."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from compiled import check_function

import wengert as wg
from wengert.graph.stage import trace
from wengert.native import blocks, rows, threads
from wengert.native.blocks import Blocked, Product, blocked
from wengert.native.kernel import Kernel
from wengert.native.partition import Host, Partition
from wengert.native.program import Program

RNG = np.random.default_rng(7)
Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def _eager_for_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small programs have blocks too, of few rows, in several parts."""
    monkeypatch.setattr(blocks, "WORTH", 1)
    monkeypatch.setattr(blocks, "FEWEST", 20)
    monkeypatch.setattr(blocks, "MOST", 32)
    monkeypatch.setattr(blocks.chunks, "LEAST_NS", 100.0)


@pytest.fixture
def _threads() -> Iterator[None]:
    before = threads.get_threads()
    yield
    threads.set_threads(before)


def steps_of(f: Function, *args: Any) -> list[Any]:
    """The steps of a function's graph, in blocks."""
    graph = trace(f, *args, values=True).optimize()
    parts = Partition(graph)
    steps = [s for s in parts.steps if not isinstance(s, Host)]
    return list(blocked(steps, set(graph.outputs)))


def block_of(f: Function, *args: Any) -> Blocked:
    (found,) = [s for s in steps_of(f, *args) if isinstance(s, Blocked)]
    return found


def network(x: Any, v: Any, w: Any, b: Any) -> Any:
    """Two layers, and a sum over all rows."""
    return np.sum(np.sin(np.tanh(x @ v + b) @ w))


def mixture(x: Any, means: Any, factors: Any) -> Any:
    """A Gaussian mixture's likelihood: products for each component, a softmax."""
    centred = x[:, None, :] - means
    q = np.einsum("kij,nkj->nki", factors, centred) + centred
    inner = -0.5 * (q * q).sum(2)
    top = inner.max(1, keepdims=True)
    return (np.log(np.exp(inner - top).sum(1)) + top[:, 0]).sum()


def layers(n: int, dtype: Any = float, d: int = 12) -> list[Any]:
    shapes = ((n, d), (d, 16), (16, d), (16,))
    return [RNG.normal(size=s).astype(dtype) / 4 for s in shapes]


def components(n: int, k: int = 5, d: int = 10) -> list[Any]:
    return [RNG.normal(size=s) / 4 for s in ((n, d), (k, d), (k, d, d))]


# Which steps ------------------------------------------------------------------------


def test_a_gradient_is_one_block() -> None:
    f = wg.value_and_grad(mixture, (1, 2))
    block = block_of(f, *components(200))
    products = [s for s in block.steps if isinstance(s, Product)]
    assert [p.by_row[2] for p in products] == [True, False]  # made by rows; summed
    assert all(n.shape[0] == 200 for n in block.local)
    assert {n.shape for n in block.sums} >= {(5, 10), (5, 10, 10), ()}
    assert not any(n.shape[:1] == (200,) for n in block.results)


def test_what_needs_a_sum_comes_after_the_block() -> None:
    """The mean of all rows is known only when all blocks are done."""

    def f(x: Any, v: Any, w: Any, b: Any) -> Any:
        y = np.tanh(x @ v + b)
        return np.sum(np.sin(np.sin(y - np.mean(y, 0)) @ w))

    kinds = [type(s) for s in steps_of(f, *layers(400))]
    assert kinds == [Blocked, Kernel, Blocked]
    check_function(f, *layers(400))


@pytest.mark.parametrize(
    "move",
    [
        lambda y: y[::-1],
        lambda y: np.roll(y, 3, 0),
        lambda y: np.concatenate([y[1:], y[:1]]),
        lambda y: np.cumsum(y, 0),
        lambda y: y[np.arange(len(y))[::-1]],
    ],
)
def test_rows_that_need_other_rows_are_not_in_the_block(move: Function) -> None:
    def f(x: Any, v: Any, w: Any, b: Any) -> Any:
        y = np.tanh(x @ v + b)
        return np.sum(np.sin(np.sin(move(y) + y) @ w))

    check_function(f, *layers(96))
    check_function(wg.grad(f, (0, 1, 2, 3)), *layers(96))


def test_kernels_alone_are_left_alone() -> None:
    x = RNG.normal(size=(500, 40))

    def f(x: Any) -> Any:
        e = np.exp(x - np.max(x, 1, keepdims=True))
        return e / np.sum(e, 1, keepdims=True)

    assert not any(isinstance(s, Blocked) for s in steps_of(wg.grad(
        lambda x: np.sum(f(x) ** 2)), x))  # fmt: skip


def test_wide_products_are_left_alone() -> None:
    """A matrix that fills the cache by itself would be read for every block."""
    args = [RNG.normal(size=s) for s in ((256, 300), (300, 300), (300, 4), (300,))]
    assert not any(
        isinstance(s, Product) and s.per_row > blocks.WIDE
        for b in steps_of(wg.grad(network, (1, 2, 3)), *args)
        if isinstance(b, Blocked)
        for s in b.steps
    )


# What they give ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [32, 33, 34, 96, 97, 101, 127, 199, 256, 331])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_any_number_of_rows(n: int, dtype: Any) -> None:
    f = wg.value_and_grad(network, (0, 1, 2, 3))
    args = layers(n, dtype)
    # With one row left over a product would have nothing to sum.
    assert any(isinstance(s, Blocked) for s in steps_of(f, *args)) or n % 8 == 1
    check_function(lambda *a: _leaves(f(*a)), *args)


@pytest.mark.parametrize("n", [40, 61, 113, 200])
@pytest.mark.parametrize(("k", "d"), [(2, 3), (5, 10), (3, 20), (12, 9)])
def test_a_mixture(n: int, k: int, d: int) -> None:
    f = wg.value_and_grad(mixture, (0, 1, 2))
    check_function(lambda *a: _leaves(f(*a)), *components(n, k, d))


def _leaves(result: Any) -> list[Any]:
    value, gradients = result
    return [value, *gradients]


def test_rows_and_sums_are_both_given() -> None:
    def f(x: Any, v: Any, w: Any, b: Any) -> Any:
        y = np.tanh(x @ v + b)
        z = np.exp(y @ w)
        return y, z, np.sum(z, 0), np.max(z), np.sum(np.max(z, 1)), x.T @ z

    check_function(f, *layers(150))


def test_other_folds_over_rows() -> None:
    """A maximum doesn't start at zero."""

    def f(x: Any, v: Any, w: Any, b: Any) -> Any:
        z = np.sin(np.tanh(x @ v + b) @ w) - 2.0
        return np.max(z, 0), np.min(z, 0), np.prod(z, 0), np.sum(z, 0)

    check_function(f, *layers(150))


def test_complex_rows() -> None:
    def f(x: Any, v: Any, w: Any, b: Any) -> Any:
        y = np.exp(1j * (x @ v + b))
        z = (y @ w) * 0.25j
        return z, np.sum(np.abs(z)), np.sum(y * y, 0)

    check_function(f, *layers(150))
    check_function(f, *layers(150, np.complex128))


def test_zeros_win_in_blocks() -> None:
    """Masked rows whose slopes are infinite give zeros, not nan."""

    def f(w: Any, x: Any) -> Any:
        y = np.abs(x @ w)
        safe = np.where(y > 0, np.sqrt(y), 0.0)
        return np.sum(np.tanh(safe @ w) ** 2)

    x = RNG.normal(size=(160, 12))
    x[::3] = 0.0
    check_function(wg.grad(f), RNG.normal(size=(12, 12)), x)


@pytest.mark.usefixtures("_threads")
def test_results_are_the_same_with_any_number_of_threads() -> None:
    args = components(331)
    f = wg.jit(wg.value_and_grad(mixture, (0, 1, 2)))
    assert block_of(wg.value_and_grad(mixture, (0, 1, 2)), *args).parts > 1
    found = []
    for count in (1, 2, 3, 5):
        threads.set_threads(count)
        found.append(_leaves(f(*args)))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# What they save ---------------------------------------------------------------------


def test_memory_is_that_of_a_block() -> None:
    """Of 4000 rows, 32 at a time have intermediate results."""
    f = functools.partial(network)
    graph = trace(wg.grad(f, (1, 2, 3)), *layers(4000), values=True).optimize()
    native = Program(graph).native
    assert native is not None
    everything = 4000 * 16 * 8  # of one intermediate result
    block = block_of(wg.grad(f, (1, 2, 3)), *layers(4000))
    assert sum(n.type.size * 8 for n in block.local) > everything
    assert native.arena < everything


def kernels_of(steps: Sequence[Any]) -> list[Kernel]:
    return [s for s in steps if isinstance(s, Kernel)]


def test_one_long_row_is_cut_into_its_rows() -> None:
    graph = trace(lambda x: np.sin(x) * 2.0, np.ones((50, 6)), values=True).optimize()
    (kernel,) = kernels_of(Partition(graph).steps)
    assert kernel.loops == (300,)
    cut = rows.in_rows(kernel)
    assert cut.loops == (50, 6)
    assert [rows.row_axis(r) for r in cut.roots] == [0]
