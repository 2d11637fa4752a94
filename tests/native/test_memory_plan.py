"""The memory plan: what shares a buffer, and what must not."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import check_compiled, check_function, scratch_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.graph.stage import trace
from wengert.native import threads
from wengert.native.memory import ALIGN, Block, placed
from wengert.native.program import Program

N = 1000
BYTES = N * 8  # of an array of N float64, which ALIGN divides
X = np.random.default_rng(0).normal(size=N)


def rounded(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


# In place ---------------------------------------------------------------------------
#
# A running sum is made by a routine, so that it has a buffer, and it is read by a loop
# whose result is an output: in place, the sum lives in the output, and no scratch is
# needed.


def scan(x: Any) -> Any:
    return np.cumsum(x)


@pytest.mark.parametrize(
    "g",
    [
        lambda t: np.sin(t) * 2.0,
        lambda t: t * t + np.where(t > 0.5, t, 0.25),
        lambda t: np.arctan2(t, 1.0 + t * t),
        lambda t: np.reshape(t, (125, 8)) + 1.0,
        lambda t: np.reshape(t, (25, 40)) * np.arange(40.0),
        lambda t: (t * 1e10).astype(np.int64),
    ],
)
def test_result_takes_its_operands_place(g: Callable[[Any], Any]) -> None:
    assert scratch_of(lambda x: g(scan(x)), X) == 0


@pytest.mark.parametrize("n", [8, 16, 24, 1000, 5003, 20_001, 40_007])
def test_of_any_length(n: int) -> None:
    """What a vector loop leaves over is no obstacle, where memory matters."""
    x = np.random.default_rng(n).normal(size=n) * 0.01
    assert scratch_of(lambda x: np.sin(scan(x)) * 2.0 - scan(x), x) == 0


@pytest.mark.parametrize("n", [3, 17, 100])
@pytest.mark.parametrize("beside", [1, 300_000])
def test_odd_lengths_in_rare_loops(n: int, beside: int) -> None:
    """Beside a long loop, vectors that overlap do what is left over: not in place."""

    def f(x: Any, y: Any) -> Any:
        return np.sin(scan(x)) * 2.0 - scan(x) * 0.5, np.tanh(np.exp(y))

    needed = scratch_of(f, X[:n], np.random.default_rng(n).normal(size=beside))
    assert (needed == 0) == (beside == 1)


def test_by_the_sum_of_all() -> None:
    """The sum is there before the first element is written."""
    assert scratch_of(lambda x: scan(x) / np.sum(scan(x)), X) == ALIGN


def test_chain_has_one_buffer() -> None:
    def f(x: Any) -> Any:
        for _ in range(5):
            x = np.sin(scan(x))
        return x

    # A routine's result isn't written over its operand: two buffers and the output.
    assert scratch_of(f, X) == 2 * BYTES


def test_one_operand_of_two_is_overwritten() -> None:
    f = lambda x, y: np.sin(scan(x)) + scan(y)
    assert scratch_of(f, X, X[::-1].copy()) == BYTES


SHARED = {
    "shifted": lambda t: t + np.roll(t, 1),
    "shifted in a slice": lambda t: np.concatenate([t[1:], t[:1]]) * 2.0,
    "reversed": lambda t: t + t[::-1],
    "gathered": lambda t: t * t[np.arange(N)[::-1].copy()],
    "transposed": lambda t: np.reshape(np.reshape(t, (20, 50)).T, (N,)) * 2.0,
    "square and its transpose": lambda t: (
        np.reshape(t[:900], (30, 30)) + np.reshape(t[:900], (30, 30)).T
    ),
    "one element for all": lambda t: t / t[7],
    "outer": lambda t: t[:30, None] * t[None, :30],
    "another dtype's size": lambda t: t.astype(np.float32),
    "half of it": lambda t: t[::2] * 2.0,
}


@pytest.mark.parametrize("how", sorted(SHARED))
def test_what_reads_other_elements_has_its_own_place(how: str) -> None:
    assert scratch_of(lambda x: SHARED[how](scan(x)), X) >= BYTES


def test_gather_on_every_element() -> None:
    order = np.random.default_rng(1).permutation(N)
    assert scratch_of(lambda x, i: scan(x)[i] + scan(x), X, order) >= BYTES


def test_two_results_of_one_operand() -> None:
    """One of two may have its place; the other one read it before, or has its own."""
    f = lambda x: (np.sin(scan(x)), np.cos(scan(x)) * 2.0)
    assert scratch_of(f, X) == 0


def test_second_result_reads_later() -> None:
    """The second one reads elements that the first one would have written over."""
    f = lambda x: (np.sin(scan(x)), np.roll(np.cumsum(x), 1) * 2.0)
    assert scratch_of(f, X) >= BYTES


def test_sum_beside_elements() -> None:
    """A fold in the same loops reads each element before it is overwritten."""

    def f(x: Any) -> Any:
        t = scan(x)
        return np.exp(-t * t), np.sum(t * t)

    scratch_of(f, X)
    scratch_of(f, np.random.default_rng(3).normal(size=200_000) * 1e-3)


def test_sum_of_rows_and_elements() -> None:
    def f(x: Any) -> Any:
        t = np.reshape(scan(x), (25, 40))
        return t * 2.0, np.sum(t, 0), np.sum(t, 1), np.max(t, 0)

    scratch_of(f, X)


def test_rows_by_their_own_sums() -> None:
    """All of a row is read before any of it is written, if it is in registers."""

    def f(x: Any) -> Any:
        t = np.reshape(scan(x), (-1, 4))
        return np.exp(t) / np.sum(np.exp(t), 1, keepdims=True)

    scratch_of(f, X * 0.01)
    scratch_of(f, np.random.default_rng(3).normal(size=40_000) * 1e-3)


@pytest.mark.parametrize("shape", [(1000, 3), (333, 4), (50, 5, 5), (7, 2, 2)])
def test_items_in_registers(shape: tuple[int, ...]) -> None:
    """Elements of an item that read its others: products of small matrices."""
    x = np.random.default_rng(2).normal(size=shape)

    def f(x: Any) -> Any:
        t = np.cumsum(x, 0)
        return t - np.sum(t, -1, keepdims=True) + t[..., ::-1]

    scratch_of(f, x)


def test_an_output_isnt_overwritten() -> None:
    def f(x: Any) -> Any:
        t = scan(x)
        return t, np.sin(t), np.sin(t) + 1.0

    assert scratch_of(f, X) == 0


def test_arguments_are_never_written() -> None:
    def f(x: Any, y: Any) -> Any:
        x[3:7] += y[3:7]
        return np.sin(x) * 2.0, np.linalg.cholesky(y[:4, None] * y[:4] + np.eye(4))

    x, y = X.copy(), X.copy()
    kept = x.tobytes()
    wg.jit(f)(x.copy(), y)
    check_function(lambda x, y: f(x.copy(), y), x, y)
    assert x.tobytes() == kept == y.tobytes()


def test_value_that_a_guard_asks_for_later() -> None:
    @wg.jit
    def f(x: Any) -> Any:
        t = scan(x)
        last = t[-1:] * 1.0
        if last.sum() > 0:
            return np.sin(last) * t
        return np.cos(last) * t

    for x in (np.abs(X), -np.abs(X), np.abs(X)):
        t = np.cumsum(x)
        wanted = (np.sin if t[-1] > 0 else np.cos)(t[-1:]) * t
        assert np.allclose(f(x), wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_chunks_for_threads(count: int) -> None:
    x = np.random.default_rng(4).normal(size=300_001) * 1e-3
    before = threads.get_threads()
    threads.set_threads(count)
    try:
        assert scratch_of(lambda x: np.tanh(np.sin(scan(x))) * 2.0, x) == 0
        size = rounded(x.nbytes)
        assert (
            scratch_of(lambda x: np.tanh(np.sin(scan(x) + np.roll(scan(x), 1))), x)
            >= size
        )
    finally:
        threads.set_threads(before)


def test_product_where_zero_wins_is_computed_again() -> None:
    """Where a nan shows up the elements are stored again, from what was read before."""
    x = np.where(np.arange(N) % 7 == 0, 0.0, X)

    def f(x: Any) -> Any:
        t = np.cumsum(x)
        return np.sum(np.sqrt(t * t) * np.sqrt(np.abs(t)) * np.sqrt(np.abs(t) + t))

    check_function(wg.grad(f), np.abs(x) - np.abs(x)[0])


# Complex numbers ----------------------------------------------------------------------


def test_complex_numbers_in_place() -> None:
    z = X[:100] + 1j * X[100:200]
    check_function(lambda z: np.cumsum(z) * (2.0 + 1j) + np.conj(np.cumsum(z)), z)
    check_function(lambda z: np.cumsum(z) * 2.0 + np.roll(np.cumsum(z), 1), z)


# Writes -------------------------------------------------------------------------------


def scattered(x: Any, i: Any, v: Any) -> Any:
    t = np.cumsum(x)
    t[i] = v * 2.0
    return t


def test_scatter_into_what_dies() -> None:
    i = np.random.default_rng(5).integers(0, N, 500)
    i = np.unique(i)
    assert scratch_of(scattered, X, i, X[: len(i)]) == 0


def test_scatter_of_what_it_reads() -> None:
    """Each place gets what another one had before any was written."""
    i = np.random.default_rng(5).permutation(N)

    def f(x: Any, i: Any) -> Any:
        t = np.cumsum(x)
        t[i] = t[::-1] * 2.0
        return t * 1.0

    assert scratch_of(f, X, i) >= BYTES


# Libraries ----------------------------------------------------------------------------

A = np.random.default_rng(8).normal(size=(40, 40))


def test_libraries_overwrite_what_dies() -> None:
    room = rounded(A.nbytes)
    chol = lambda a: np.linalg.cholesky(
        scan(a).reshape(40, 40) * 0.0 + a @ a.T + np.eye(40)
    )
    assert scratch_of(chol, A) <= room + ALIGN
    # One matrix for the right side, one for the factors of the left one.
    solve = lambda a, b: np.linalg.solve(a + 9 * np.eye(40), np.sin(b))
    assert scratch_of(solve, A, A) <= 2 * room + 8 * ALIGN


def test_same_matrix_on_both_sides() -> None:
    def f(a: Any) -> Any:
        b = np.sin(a) + 9 * np.eye(40)
        return np.linalg.solve(b, b) + np.linalg.inv(b)

    scratch_of(f, A)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)])
def test_batches_in_place(batch: tuple[int, ...], dtype: Any) -> None:
    x = np.random.default_rng(9).normal(size=(*batch, 12, 12)).astype(dtype)

    def f(x: Any) -> Any:
        a = np.tanh(x) + 9 * np.eye(12, dtype=x.dtype)
        spd = a @ np.swapaxes(a, -1, -2)
        lower = np.linalg.cholesky(spd + np.eye(12, dtype=x.dtype))
        solved = np.linalg.solve(a, np.sin(x))
        inverse = np.linalg.inv(np.cos(x) + 9 * np.eye(12, dtype=x.dtype))
        return lower, solved, inverse

    check_function(f, x)


SPECTRA: dict[str, Callable[[Any], Any]] = {
    "eigh": lambda a: np.linalg.eigh(a + np.swapaxes(a, -1, -2)),
    "eigenvectors": lambda a: np.linalg.eigh(np.sin(a))[1] * 2.0,
    "svd": np.linalg.svd,
    "svd, two of them": lambda a: np.linalg.svd(a)[1:],
    "qr": np.linalg.qr,
    "r alone": lambda a: np.linalg.qr(a)[1] * 2.0,
    "of a transpose": lambda a: np.linalg.qr(np.swapaxes(a, -1, -2)),
    "oblong": lambda a: np.linalg.qr(a[..., :5] * 1.5),
    "oblong too": lambda a: np.linalg.svd(a[..., :5] * 1.5, full_matrices=False),
}


@pytest.mark.parametrize("what", sorted(SPECTRA))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_spectra_in_place(what: str, batch: tuple[int, ...], dtype: Any) -> None:
    x = np.random.default_rng(10).normal(size=(*batch, 12, 12)).astype(dtype)
    f = lambda x: tuple(SPECTRA[what](np.tanh(x)))
    check_function(f, x)


def test_eigenvectors_take_the_matrix_place() -> None:
    """The matrix lives in the output; another one that stays beside it doesn't."""
    a = np.random.default_rng(10).normal(size=(90, 90))
    alone = scratch_of(lambda a: np.linalg.eigh(np.sin(a))[1], a)

    def f(a: Any) -> Any:
        s = np.sin(a)
        return np.linalg.eigh(s)[1] + s.T

    assert scratch_of(f, a) >= alone + a.nbytes


def test_one_part_of_slogdet() -> None:
    check_function(lambda a: np.linalg.slogdet(np.sin(a))[1] * 2.0, A)
    check_function(lambda a: np.linalg.slogdet(np.sin(a))[0] * 2.0, A)


def test_chain_of_products() -> None:
    """Two matrices and the result, whatever the chain's length."""

    def f(a: Any, b: Any) -> Any:
        for _ in range(10):
            a = np.tanh(a @ b)
        return a

    assert scratch_of(f, A, A * 0.1) == 2 * rounded(A.nbytes)


# The arena ----------------------------------------------------------------------------

blocks = st.lists(
    st.builds(
        lambda size, first, more: Block(64 * size, first, first + more),
        st.integers(1, 9),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=90,
)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(blocks)
def test_blocks_that_live_together_are_apart(given: list[Block]) -> None:
    offsets, end = placed(given)
    spans = list(zip(given, offsets, strict=True))
    assert end == max((at + b.size for b, at in spans), default=0)
    for i, (b, at) in enumerate(spans):
        assert at % ALIGN == 0
        for other, there in spans[:i]:
            together = b.first <= other.last and other.first <= b.last
            apart = at + b.size <= there or there + other.size <= at
            assert apart or not together


def test_gaps_side_by_side_are_one() -> None:
    small = [Block(64, 0, 0) for _ in range(4)]
    assert placed([*small, Block(256, 1, 1)])[1] == 256


def test_the_gap_that_fits_best() -> None:
    held = [Block(64, 0, 9), Block(64, 0, 9)]
    offsets, end = placed([Block(512, 0, 0), *held, Block(128, 0, 0), Block(128, 1, 9),
                           Block(512, 2, 9)])  # fmt: skip
    assert end == 512 + 64 + 64 + 128, offsets


def test_the_last_block_grows_into_the_gap_before_the_end() -> None:
    assert placed([Block(64, 0, 9), Block(128, 0, 0), Block(256, 1, 2)])[1] == 320


# Random programs ----------------------------------------------------------------------

COUNT = int(os.environ.get("WENGERT_PROGRAMS", "40"))
SIDE = 12

# Steps on 12 × 12 arrays: many keep their place, many must not.
STEPS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: np.sin(a),
    lambda a, b: a * 0.5 + b,
    lambda a, b: np.cumsum(a, 0) * 0.1,
    lambda a, b: np.cumsum(b, 1) * 0.1,
    lambda a, b: a + a.T,
    lambda a, b: np.roll(a, 1, 0) - b,
    lambda a, b: a[::-1] * 0.7,
    lambda a, b: a - np.max(a, 1, keepdims=True),
    lambda a, b: a / (1.0 + np.sum(a * a, 0)),
    lambda a, b: np.tanh(a @ b),
    lambda a, b: np.linalg.solve(a * 0.01 + np.eye(SIDE), b),
    lambda a, b: np.linalg.cholesky(np.tanh(a) @ np.tanh(a).T + np.eye(SIDE)),
    lambda a, b: np.reshape(np.sort(np.reshape(a, (-1,))), (SIDE, SIDE)),
    lambda a, b: np.where(a > b, a, b.T),
    lambda a, b: np.concatenate([a[6:], b[:6]]),
]


def program_of(steps: list[tuple[int, int, int]], ends: int) -> Callable[..., Any]:
    def f(x: Any, y: Any) -> Any:
        made = [x, y]
        for what, i, j in steps:
            step = STEPS[what % len(STEPS)]
            made.append(step(made[i % len(made)], made[-1 - j % 3 % len(made)]))
            if what % 5 == 4:  # a write, of what another one is made of
                made[-1] = made[-1].copy()
                made[-1][i % 6 : i % 6 + 5] += made[-2][j % 6 : j % 6 + 5]
        return made[-1 - ends :]

    return f


@settings(
    max_examples=COUNT,
    deadline=None,
    database=None,
    derandomize="WENGERT_PROGRAMS" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 9), st.integers(0, 9)),
        min_size=2,
        max_size=25,
    ),
    st.integers(0, 2),
    st.booleans(),
)
def test_random_programs(
    steps: list[tuple[int, int, int]], ends: int, backward: bool
) -> None:
    f = program_of(steps, ends)
    rng = np.random.default_rng(len(steps))
    inputs = [rng.normal(size=(SIDE, SIDE)) for _ in range(2)]
    if backward:
        g = wg.grad(
            lambda x, y: sum(np.sum(np.cos(z)) for z in f(x, y)), argnums=(0, 1)
        )
    else:
        g = f
    with np.errstate(all="ignore"):
        graph = trace(g, *inputs, values=True).optimize()
    program: Program = check_compiled(graph, inputs, 1e-7)
    for s in program.segments:
        module = getattr(s, "module", None)
        assert module is None or module.arena <= module.unshared * 3 + (1 << 20)
