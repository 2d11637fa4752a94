"""Code is as short as may be: nests without functions, rare kernels, one pool call."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import check_function

import wengert as wg
from wengert.native import body, chunks, threads
from wengert.native.body import Body
from wengert.native.ir import Emitter

HOT = np.linspace(-1.0, 1.0, 200_000)


def both(f: Callable[..., Any], *args: Any) -> str:
    """Compiled is as the reference; the module's text."""
    program = check_function(f, *args)
    return "\n".join(s.module.text for s in program.segments)  # type: ignore[union-attr]


def functions(text: str) -> list[str]:
    """The names that a module defines."""
    return re.findall(r"^define [^@\n]*@([\w.]+)\(", text, re.MULTILINE)


def beside(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, beside work that takes nearly all the time."""
    return lambda hot, *xs: (np.tanh(np.sin(hot) * np.exp(hot)), f(*xs))


def test_a_chain_of_scalars_is_one_function_that_calls() -> None:
    def f(x: Any) -> Any:
        for _ in range(3):
            x = np.sin(x) * 1.01 + np.exp(-x)
        return x

    text = both(wg.grad(f), 0.3)
    assert functions(text) == ["program"]
    assert "call double @wg_math_sin_f64" in text
    assert len(text.splitlines()) < 120
    both(wg.grad(f), 0.3)


def test_short_nests_stand_in_the_program() -> None:
    x = np.linspace(0.1, 2.0, 30).reshape(5, 6)

    def f(x: Any) -> Any:
        y = np.sum(x, 0)
        return y - 1, np.max(x * y, 1), np.sum(np.log(x))

    assert functions(both(f, x)) == ["program"]
    both(f, x)


def test_a_long_nest_is_a_function() -> None:
    def f(*xs: Any) -> Any:
        return sum(np.arctan2(x, 1.0 + x * x) for x in xs)

    xs = [np.linspace(-1, 1, 200) + i for i in range(8)]
    assert len(functions(both(f, *xs))) > 1
    both(f, *xs)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 9, 15, 17, 25, 31])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rare_kernels_of_any_length(n: int, dtype: type) -> None:
    a: Any = np.linspace(-2, 2, 3 * n, dtype=dtype).reshape(3, n)

    def f(a: Any) -> Any:
        return np.exp(a), np.max(a * 2, 1), np.sum(a, 1), a.T + 1, np.max(a, 0)

    both(beside(f), HOT, a)


def test_rare_kernels_take_strided_elements_at_once() -> None:
    a = np.linspace(-2, 2, 90).reshape(30, 3)

    def f(a: Any) -> Any:
        return a[:, 1] * 2 + a[::-1, 0]

    assert "@llvm.masked.gather" not in both(f, a)
    assert "@llvm.masked.gather" in both(beside(f), HOT, a)
    both(beside(f), HOT, a)


def test_rare_kernels_call_functions() -> None:
    a = np.linspace(-2, 2, 20)
    assert "@wg_math_arctan_v8f64" not in both(np.arctan, a)
    assert "@wg_math_arctan_" in both(beside(np.arctan), HOT, a)


def test_little_of_the_time_is_rare() -> None:
    assert chunks.rare({0: 1.0, 1: 1000.0}, 1001.0) == {0}
    assert chunks.rare({0: 10.0, 1: 10.0, 2: 980.0}, 1000.0) == {0, 1}
    assert chunks.rare({0: 500.0, 1: 500.0}, 1000.0) == set()
    # What isn't among them takes its time too.
    assert chunks.rare({0: 500.0}, 1e6) == {0}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("n", [100_000, 99_991, 65_537])
def test_chunks_cover_everything_once(n: int, count: int) -> None:
    x = np.linspace(-1, 1, n)

    def f(x: Any) -> Any:
        return np.sin(x) * x, np.sum(np.cos(x))

    assert "@wg_parallel_chunks(ptr @k" in both(f, x)
    before = threads.get_threads()
    wg.set_threads(count)
    try:
        both(f, x)
    finally:
        wg.set_threads(before)


def test_a_read_after_a_write_in_one_function_is_not_taken_for_granted() -> None:
    line = "  %a.v1 = load double, ptr %p, !invariant.load !0"
    one = Body("a", [line], ["  %slot.a = alloca double"], {"declare void @x()"})
    shared, alone = Emitter(), Emitter()
    one.into(shared)
    one.into(alone, alone=True)
    assert "invariant" not in "\n".join(shared.lines)
    assert line in alone.lines
    assert shared.lines[0] == "  %slot.a = alloca double"
    assert shared.block == "end.a"
    assert shared.declared == {"declare void @x()"}


def test_functions_keep_vectors_on_an_aligned_stack() -> None:
    assert "alignstack(64)" in body.ATTRIBUTES
    for line in both(beside(np.exp), HOT, HOT[:20]).splitlines():
        if line.startswith("define") and "@k" in line:
            assert "alignstack(64)" in line


@pytest.mark.parametrize("n", [100_000, 100_008, 99_991])
@pytest.mark.parametrize("fold", [None, np.max, np.sum])
def test_chunks_are_whole_steps(n: int, fold: Callable[..., Any] | None) -> None:
    """A step that began inside a chunk and ended outside would write past an array."""

    def f(x: Any) -> Any:
        y = np.sin(x) if fold is None else x * 2 + 1
        return y if fold is None else (y, fold(y))

    text = both(f, np.linspace(-1, 1, n))
    call = re.search(
        r"_chunks\(ptr @(k\d+), .*, i64 (\d+), i64 (\d+), i64 (\d+)\)", text
    )
    assert call is not None
    size, low, high = map(int, call.groups()[1:])
    step = re.search(rf"%k0\.{call[1]} = add nuw nsw i64 [^,]*, (\d+)", text)
    assert step is not None
    assert size % int(step[1]) == 0
    assert (high - low) % int(step[1]) == 0
