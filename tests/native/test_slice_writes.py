"""Long chains of writes into slices: in place, and right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import check_function, scratch_of

import wengert as wg
from wengert.graph.stage import trace
from wengert.native import debug
from wengert.native.memory import ALIGN
from wengert.native.slice_writes import LONG, chained

BYTES = 8000  # of LARGE


def looped(count: int, each: Callable[[Any], Any]) -> Callable[..., Any]:
    """A loop of writes into slices."""

    def f(x: Any, v: Any) -> Any:
        y = x * 1.0
        for i in range(count):
            y[i * 50 : i * 50 + 40] = each(y[i * 50 : i * 50 + 40]) + v[i]
        return y

    return f


LARGE = np.random.default_rng(6).normal(size=1000)


@pytest.mark.parametrize("each", [lambda t: t, np.sin, lambda t: t[::-1], np.cumsum])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_loop_of_slice_writes(each: Callable[[Any], Any], order: int) -> None:
    v = np.random.default_rng(7).normal(size=(20, 40))
    f = looped(20, each)
    if order:
        g = wg.grad(lambda x, v: np.sum(f(x, v) ** 3), argnums=(0, 1))
        h = lambda x, v: sum(np.sum(np.cos(y)) for y in g(x, v))
        check_function(g if order == 1 else wg.grad(h, argnums=(0, 1)), LARGE, v)
    else:
        check_function(f, LARGE, v)


def test_slice_writes_need_no_copies() -> None:
    v = np.random.default_rng(7).normal(size=(20, 40))
    assert scratch_of(looped(20, np.sin), LARGE, v) == 0
    g = wg.grad(lambda x, v: np.sum(looped(20, np.sin)(x, v) ** 2), argnums=(0, 1))
    # The cosines of what was there, 40 numbers of 20 slices, and little more.
    assert scratch_of(g, LARGE, v) <= 2 * v.nbytes + 2 * LARGE.nbytes


@pytest.mark.parametrize(
    "key",
    [
        lambda i: slice(3 * i, 3 * i + 30),  # they overlap
        lambda i: slice(999 - 3 * i, 900 - 3 * i, -1),
        lambda i: slice(i, i + 960, 20),
        lambda i: 7 * i,
    ],
)
@pytest.mark.parametrize("adds", [False, True])
def test_slice_writes_of_all_kinds(key: Callable[[int], Any], adds: bool) -> None:
    def f(x: Any) -> Any:
        y = np.tanh(x)
        for i in range(25):
            if adds:
                y[key(i)] += x[key(24 - i)] * y[0]
            else:
                y[key(i)] = x[key(24 - i)] * y[0]
        return y

    check_function(f, LARGE)
    check_function(wg.grad(lambda x: np.sum(f(x) ** 2)), LARGE)


def test_old_values_of_a_slice_write() -> None:
    """An array that is read after the next write is copied, not overwritten."""

    def f(x: Any) -> Any:
        y, kept = x * 2.0, []
        for i in range(15):
            before = y.copy()
            y[20 * i : 20 * i + 15] = i
            kept.append(before * 1.0)
        return y, sum(kept)

    check_function(f, LARGE)


def table(x: Any) -> Any:
    """Each element from the last one, in an array much larger."""
    y = np.zeros(1000, like=x)
    for i in range(1, 30):
        y[i] = np.sin(x[i]) * y[i - 1] + 1.0
    return y


def test_writes_that_read_beside_them() -> None:
    x = LARGE[:30]
    assert scratch_of(table, x) == 0
    g = wg.grad(lambda x: np.sum(table(x) ** 2))
    # The array, its cotangent, and what was read of them.
    assert scratch_of(g, x) <= 2 * BYTES + 30 * 4 * ALIGN
    check_function(wg.grad(lambda x: np.sum(np.cos(g(x)))), x)


@pytest.mark.parametrize("shift", [-9, -8, -7, -1, 0, 1, 7, 8, 9])
def test_slices_that_touch_or_overlap(shift: int) -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        for i in range(2, 20):
            at = 40 * i
            y[at : at + 8] = y[at + shift : at + shift + 8] * 2.0
        return y

    needed = scratch_of(f, LARGE)
    assert (needed == 0) == (shift in (-9, -8, 0, 8, 9))
    check_function(wg.grad(lambda x: np.sum(f(x) ** 3)), LARGE)


def test_slices_read_later_than_the_next_write() -> None:
    def f(x: Any) -> Any:
        y, total = x * 1.0, 0.0
        for i in range(20):
            before = y[5 * i : 5 * i + 5] * 1.0
            y[5 * i + 2 : 5 * i + 9] = 0.5 * i
            total = total + np.sum(before * y[5 * i : 5 * i + 5])
        return y, total

    assert scratch_of(f, LARGE) < BYTES
    check_function(wg.grad(lambda x: f(x)[1]), LARGE)


def test_slice_writes_checked_step_by_step() -> None:
    v = np.random.default_rng(7).normal(size=(20, 40))
    f = looped(20, np.sin)
    for g in (f, wg.grad(lambda x, v: np.sum(f(x, v) ** 2), argnums=(0, 1))):
        graph = trace(g, LARGE, v, values=True).optimize()
        assert not debug.check(graph, [LARGE, v])


def test_slice_writes_in_rows() -> None:
    def f(x: Any, a: Any) -> Any:
        h = np.zeros((30, 40), like=x)
        h[0] = x
        for i in range(1, 30):
            h[i] = np.tanh(h[i - 1] @ a + h[i - 1])
        return h

    x, a = LARGE[:40], LARGE.reshape(25, 40).T[:, :25] @ LARGE.reshape(25, 40) * 0.01
    check_function(f, x, a)
    check_function(wg.grad(lambda x, a: np.sum(f(x, a) ** 2), argnums=(0, 1)), x, a)


# Which writes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size", "dtype", "found"),
    [
        (LONG, 40, float, True),
        (LONG - 1, 40, float, False),  # loops can be split at so few
        (LONG, 300, float, False),  # a pass over all costs no more
        (LONG, 40, complex, False),
        (LONG, 40, np.int32, False),  # all of it is small
    ],
)
def test_which_writes_are_in_place(
    count: int, size: int, dtype: Any, found: bool
) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        for i in range(count):
            y[i : i + size] = y[i] + 1
        return y

    x = np.arange(1000).astype(dtype)
    graph = trace(f, x, values=True).optimize()
    assert len(chained(graph.nodes)) == (count if found else 0)
    check_function(f, x)
