"""Depth: long chains, long loops and long graphs, in linear time, without recursion."""

import copy
import os
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg


def chain(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x
        for _ in range(n // 2):
            y = y * 1.0000001
            y = y + 1e-9
        return y

    return f


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def best(run: Callable[[], Any], tries: int = 3) -> float:
    return min(seconds(run) for _ in range(tries))


def test_a_million_operations_in_reverse() -> None:
    short = best(lambda: wg.grad(chain(100_000))(1.0))
    took: list[float] = []
    started = time.perf_counter()
    slope = wg.grad(chain(1_000_000))(1.0)
    took.append(time.perf_counter() - started)
    np.testing.assert_allclose(slope, 1.0000001**500_000, rtol=1e-9)
    assert took[0] < 10 * short * 2.5, "the time per operation grows with the chain"


def test_a_million_operations_forward() -> None:
    _, slope = wg.jvp(chain(1_000_000), (1.0,), (1.0,))
    np.testing.assert_allclose(slope, 1.0000001**500_000, rtol=1e-9)


def test_a_long_chain_differentiated_twice() -> None:
    n = 20_000

    def f(x: Any) -> Any:
        y = x * x
        for _ in range(n):
            y = y * 1.00001
        return y

    np.testing.assert_allclose(wg.grad(wg.grad(f))(1.0), 2 * 1.00001**n, rtol=1e-9)


def test_memory_of_a_recorded_operation() -> None:
    """At most 600 bytes; torch and autograd keep about 1,000."""
    n = 100_000
    wg.vjp(chain(100), 1.0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    _, pullback = wg.vjp(chain(n), 1.0)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.reset_peak()
    pullback(1.0)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert kept / n <= 600
    assert peak / n <= 700, "the backward pass keeps more than the tape"


def test_backward_pass_frees_what_it_has_used() -> None:
    """Adjoints of a chain of arrays: a few are alive at a time, not all."""
    n, size = 200, 100_000

    def f(x: Any) -> Any:
        for _ in range(n):
            x = x + 1.0  # nothing is kept for the backward pass
        return np.sum(x)

    tracemalloc.start()
    wg.grad(f)(np.zeros(size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 8 * size


def test_a_long_chain_of_views() -> None:
    n = 20_000

    def f(x: Any) -> Any:
        y = x
        while y.shape[0] > 1:
            y = y[1:]
        return y[0] * 2.0

    x = np.arange(float(n))
    slope = wg.grad(f)(x)
    assert slope[-1] == 2.0
    assert not slope[:-1].any()
    assert wg.jvp(f, (x,), (np.ones(n),))[1] == 2.0


def test_a_write_through_a_long_chain_of_views() -> None:
    n = 1500

    def f(x: Any) -> Any:
        base = x * 1.0
        y = base
        for _ in range(n):
            y = y[::-1]
        y[0] = 10.0 * x[1]
        return np.sum(base * np.array([1.0, 10.0, 100.0]))

    np.testing.assert_array_equal(wg.grad(f)(np.ones(3)), [0.0, 20.0, 100.0])


def test_sixty_doublings() -> None:
    """2⁶⁰ paths, sixty operations."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(60):
            y = y + y
        return y

    assert seconds(lambda: wg.grad(f)(1.0)) < 1.0
    assert wg.grad(f)(1.0) == 2.0**60
    assert wg.jvp(f, (1.0,), (1.0,))[1] == 2.0**60
    assert wg.vmap(wg.grad(f))(np.ones(2)).tolist() == [2.0**60] * 2
    graph = wg.trace(wg.grad(f), 1.0)
    graph.check()
    assert len(str(graph)) < 50_000
    assert graph(1.0) == 2.0**60
    assert wg.grad(wg.grad(lambda x: f(x) * x))(1.0) == 2.0**61


@pytest.mark.parametrize("what", ["elements", "rows of a view"])
def test_a_loop_over_elements_is_linear(what: str) -> None:
    def reads(x: Any) -> Any:
        total = 0.0
        for i in range(x.shape[0]):
            total = total + x[i] * float(i)
        return total

    def views(x: Any) -> Any:
        total = 0.0
        for row in x.reshape(-1, 1):
            total = total + row[0] * 2.0
        return total

    f = reads if what == "elements" else views
    small, large = np.ones(2_000), np.ones(32_000)
    wg.grad(f)(small)
    short = best(lambda: wg.grad(f)(small))
    long = seconds(lambda: wg.grad(f)(large))
    # Quadratic would be 256 times; the garbage collector alone makes 16 into 30.
    assert long < 90 * short, f"16 times the elements took {long / short:.0f} times"
    wanted = np.arange(2_000.0) if what == "elements" else np.full(2_000, 2.0)
    np.testing.assert_array_equal(wg.grad(f)(small), wanted)


def test_a_graph_of_a_hundred_thousand_nodes() -> None:
    n = 100_000
    graph = wg.trace(chain(n), wg.Type((), np.dtype(float)))
    assert len(graph.nodes) >= n
    graph.check()
    text = str(graph)
    assert text.count("\n") >= n
    np.testing.assert_allclose(graph(1.0), chain(n)(1.0), rtol=1e-12)
    assert repr(graph)
    del graph


def test_the_gradient_of_a_long_graph() -> None:
    n = 20_000
    graph = wg.trace(chain(n), 1.0)
    wanted = 1.0000001 ** (n // 2)
    np.testing.assert_allclose(wg.grad(graph)(1.0), wanted, rtol=1e-9)
    staged = wg.trace(wg.grad(chain(n)), 1.0)
    staged.check()
    np.testing.assert_allclose(staged(1.0), wanted, rtol=1e-9)


def test_printing_a_graph_is_linear() -> None:
    graphs = [wg.trace(chain(n), 1.0) for n in (4_000, 32_000)]
    short, long = (best(lambda g=g: str(g), 2) for g in graphs)
    assert long < 8 * short * 3


def test_copying_a_long_graph() -> None:
    graph = wg.trace(chain(5_000), 1.0)
    assert copy.copy(graph)(1.0) == graph(1.0)
    assert copy.deepcopy(graph)(1.0) == graph(1.0)


def test_a_wide_operation() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.stack([x * float(i) for i in range(2_000)]))

    assert wg.grad(f)(1.0) == sum(range(2_000))


LITTLE_STACK = """
    import sys
    import threading

    import numpy as np

    import wengert as wg

    def chain(x, n=30_000):
        y = x * x
        for _ in range(n):
            y = y * 1.00001
        return y

    def views(x):
        y = x
        while y.shape[0] > 1:
            y = y[1:]
        return y[0]

    def work():
        wg.grad(chain)(1.0)
        wg.grad(wg.grad(lambda x: chain(x, 500)))(1.0)
        wg.jvp(chain, (1.0,), (1.0,))
        wg.vmap(wg.grad(lambda x: chain(x, 2_000)))(np.ones(2))
        y, pullback = wg.vjp(chain, 1.0)
        pullback(1.0)
        del y, pullback
        wg.grad(views)(np.ones(3_000))
        graph = wg.trace(wg.grad(lambda x: chain(x, 5_000)), 1.0)
        graph.check()
        str(graph), repr(graph), graph(1.0)
        del graph
        # An exception in the middle of a long tape frees it, too.
        try:
            wg.grad(lambda x: chain(x)[5])(1.0)
        except (IndexError, TypeError):
            pass

    work()  # imports and first calls, with the usual limit
    failures = []

    def limited():
        sys.setrecursionlimit(150)
        try:
            work()
        except BaseException as error:
            failures.append(repr(error))
        finally:
            sys.setrecursionlimit(1000)

    thread = threading.Thread(target=limited)
    thread.start()
    thread.join()
    print(failures or "no recursion")
"""


def test_under_a_recursion_limit_of_150() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LITTLE_STACK)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "no recursion"
