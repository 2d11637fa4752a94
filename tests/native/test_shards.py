"""A long module becomes several, which together do the same."""

import ctypes
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph.stage import trace
from wengert.native import link, machine, shards, side_by_side
from wengert.native.body import QUICK
from wengert.native.program import compile
from wengert.native.shards import sharded

COUNT = 60


def chained(count: int = COUNT, filling: int = 40) -> str:
    """Functions that call each other in a row, f0 the last; each adds 1 `filling` times
    in a way that the code generator can't fold."""
    texts = [
        "@step = private constant double 1.0",
        "declare double @llvm.fabs.f64(double)",
    ]
    for k in range(count):
        kind = "" if k == 0 else "internal "
        lines = [f"define {kind}double @f{k}(double %v0) nounwind {{"]
        for i in range(filling):
            lines.append(f"  %s{i} = load volatile double, ptr @step")
            lines.append(f"  %v{i + 1} = fadd double %v{i}, %s{i}")
        if k + 1 < count:
            lines.append(f"  %r = call double @f{k + 1}(double %v{filling})")
        else:
            lines.append(f"  %r = call double @llvm.fabs.f64(double %v{filling})")
        texts.append("\n".join([*lines, "  ret double %r", "}"]))
    return "\n".join([*texts, "!0 = !{}", ""])


def answer(objects: list[bytes], text: str) -> float:
    library = link.link(objects, text)
    f = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address("f0"))
    return float(f(0.0))


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_shards_do_what_the_module_does(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = chained()
    monkeypatch.setattr(side_by_side, "workers", lambda: 1)
    parts = sharded(text, workers)
    assert 2 <= len(parts) <= workers
    objects = [link.objects_of(part)[0] for part in parts]
    assert answer(objects, text) == COUNT * 40


def test_each_function_is_in_one_shard_and_the_shards_are_alike_long() -> None:
    parts = sharded(chained(), 4)
    names = [
        n for part in parts for n in re.findall(r"^define [^@]*@(\w+)", part, re.M)
    ]
    assert sorted(names) == sorted(f"f{k}" for k in range(COUNT))
    assert max(map(len, parts)) < 1.2 * min(map(len, parts))


def test_only_what_the_module_offers_is_offered() -> None:
    parts = sharded(chained(), 3)
    assert [name for part in parts for name in link.defined(part)] == ["f0"]


def test_short_modules_and_variables_stay_whole() -> None:
    short = chained(3)
    assert sharded(short, 8) == [short]
    held = "@state = internal global i64 0\n" + chained()
    assert sharded(held, 8) == [held]


def test_long_modules_are_cut_for_one_core_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_MOST", 30_000)
    text = chained()
    assert len(sharded(text, 1)) == -(-len(text) // 30_000)


def test_programs_in_shards_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: np.ndarray, w: np.ndarray) -> object:
        total = 0.0
        for k in range(3):
            x = np.tanh(x @ w + np.sum(x, axis=0) * (k + 0.5))
            total = total + np.sum(np.sort(np.sin(x), axis=0)[k % 3])
        return total

    x, w = np.linspace(-1, 1, 60).reshape(12, 5), np.cos(np.arange(25.0)).reshape(5, 5)
    graph = trace(wg.value_and_grad(f, (0, 1)), x, w).optimize()
    monkeypatch.setenv("WENGERT_CACHE", "off")  # which doesn't ask for shards
    monkeypatch.setattr(side_by_side, "workers", lambda: 1)
    whole, _ = compile(graph)([x, w])
    cuts: list[int] = []

    def counted(text: str, workers: int) -> list[str]:
        cuts.append(len(parts := sharded(text, workers)))
        return parts

    monkeypatch.setattr(link, "sharded", counted)
    monkeypatch.setattr(side_by_side, "workers", lambda: 5)
    parts, _ = compile(graph)([x, w])
    assert max(cuts) >= 3
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_steps_make_several_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    from wengert.native import assemble

    def f(x: np.ndarray) -> object:
        for _ in range(6):
            x = np.cumsum(np.sort(x)[::-1])
        return x, np.linalg.solve(np.eye(8) + np.outer(x, x), x)

    x = np.sin(np.arange(8.0))
    graph = trace(f, x).optimize()
    monkeypatch.setenv("WENGERT_CACHE", "off")
    monkeypatch.setattr(assemble, "STRETCH", 10**9)
    one = compile(graph)
    monkeypatch.setattr(assemble, "STRETCH", 10)
    several = compile(graph)
    assert "@program.3" in several.segments[0].module.text
    assert "@program.0" not in one.segments[0].module.text
    for a, b in zip(one([x])[0], several([x])[0], strict=True):
        np.testing.assert_array_equal(a, b)
    # What a step in a later function finds wrong is still reported.
    singular = trace(lambda x: (np.cumsum(np.sort(x)), np.linalg.inv(x * 0)), np.eye(3))
    failing = compile(singular.optimize())
    with pytest.raises(np.linalg.LinAlgError):
        failing([np.eye(3)])


def test_errors_come_through_threads() -> None:
    with pytest.raises(ValueError, match="third"):
        side_by_side.run(lambda k: int("1" if k < 2 else "third"), [0, 1, 2, 3])
    assert side_by_side.run(lambda k: k + 1, list(range(20))) == list(range(1, 21))


def test_code_generators_are_lent_to_one_at_a_time() -> None:
    with machine.borrowed(2) as a, machine.borrowed(2) as b:
        assert a is not b
    with machine.borrowed(2) as c:
        assert c in (a, b)


def test_what_waits_for_calls_is_compiled_without_effort_and_the_same_to_the_bit() -> (
    None
):
    def chain(x: Any) -> Any:
        for _ in range(30):
            x = np.sin(x) * 1.01 + x * 0.5
        return x

    text = text_of(wg.grad(chain), 0.3)
    assert heads(text, quick=True) == ["program"]
    assert wg.jit(wg.grad(chain))(0.3) == wg.jit(wg.grad(chain), level=3)(0.3)


def test_arithmetic_alone_is_worth_the_effort() -> None:
    def steps(x: Any, y: Any) -> Any:
        for _ in range(30):
            x, y = x * y + 0.3 * x, y * 0.25 - x * 0.1
        return x + y

    assert heads(text_of(steps, 0.3, 0.2), quick=True) == []


def test_loops_stand_apart_from_scalars_that_need_no_effort() -> None:
    """Their shards aren't compiled as the others, whatever they declare of these."""

    def f(x: Any, y: Any) -> Any:
        for _ in range(30):
            x = np.sin(x) * 1.01 + x * 0.5
        return x, np.sum(np.sqrt(y + 1) * y)

    y = np.linspace(1.0, 2.0, 5000)
    text = text_of(f, 0.3, y)
    assert heads(text, quick=True) == ["program"]
    assert heads(text, quick=False)
    slow, last = sharded(text, 1)
    assert ("sqrt" in slow, QUICK in slow) == (True, False)
    assert ("sqrt" in last, QUICK in last) == (False, True)
    assert wg.jit(f)(0.3, y) == wg.jit(f, level=3)(0.3, y)


def text_of(f: Callable[..., Any], *args: Any) -> str:
    program = compile(trace(f, *args).optimize())
    return "\n".join(s.module.text for s in program.segments)  # type: ignore[union-attr]


def heads(text: str, *, quick: bool) -> list[str]:
    """The functions that are, or aren't, to be compiled without effort."""
    found = re.findall(r"^define [^@\n]*@([\w.]+)\((.*)", text, re.MULTILINE)
    return [name for name, rest in found if (QUICK in rest) == quick]
