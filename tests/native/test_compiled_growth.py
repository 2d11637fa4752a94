"""The compiler's text: the same for the same graph, and in proportion to its size."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import check_compiled, check_function, compiled
from programs import seeded

import wengert as wg
from wengert.native.program import Program

X = np.linspace(-1.0, 1.0, 50)
A = np.linspace(-1.0, 1.0, 60).reshape(5, 12)


def text(program: Program) -> str:
    """The IR of all segments."""
    return "\n".join(s.module.text for s in program.segments if hasattr(s, "module"))


def lines(f: Callable[..., Any], *args: Any) -> int:
    """How many lines of IR the graph of `f` becomes."""
    return len(text(compiled(wg.trace(f, *args))).splitlines())


# Chains by number of steps; each step depends on the one before -------------------


def arithmetic(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for k in range(n):
            x = x * (1.0 - 1e-4 * k) + 0.001
        return x

    return f


def functions(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for _ in range(n):
            x = np.sin(x) * 1.01
        return x

    return f


def shared(n: int) -> Callable[[Any], Any]:
    """y = y + y: 2ⁿ paths, n operations."""

    def f(x: Any) -> Any:
        for _ in range(n):
            x = (x + x) * 0.5
        return x

    return f


def layouts(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for k in range(n):
            x = x[::-1] * 1.001 if k % 2 else np.roll(x, 1) + 0.01
        return x

    return f


def folds(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for _ in range(n):
            x = x - 0.01 * np.sum(x)
        return x

    return f


def many_results(n: int) -> Callable[[Any], Any]:
    return lambda x: [x * float(k) + np.sum(x) for k in range(n)]


def scalars(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        a, b, c = x[0], x[1], x[2]
        for _ in range(n):
            a, b, c = a + 0.01 * (b - a), b + 0.01 * (a * (2.8 - c) - b), c * 0.99
        return a + b + c

    return f


def gathers(n: int) -> Callable[[Any], Any]:
    at = np.random.default_rng(0).permutation(X.size)

    def f(x: Any) -> Any:
        for _ in range(n):
            x = np.tanh(x)[at] * 1.1
        return x

    return f


CHAINS = [arithmetic, functions, shared, layouts, folds, many_results, scalars, gathers]


@pytest.mark.parametrize("chain", CHAINS)
def test_lines_grow_in_proportion(chain: Callable[[int], Any]) -> None:
    """Four times the steps, at most about four times the text."""
    few, many = (lines(chain(n), X) for n in (30, 120))
    assert many <= 5 * few, f"{few} lines for 30 steps, {many} for 120"


@pytest.mark.parametrize("chain", CHAINS)
def test_lines_of_a_gradient_grow_in_proportion(chain: Callable[[int], Any]) -> None:
    def gradient(n: int) -> Any:
        f = chain(n)

        def total(x: Any) -> Any:
            y = f(x)
            parts = [np.sum(v) for v in (y if isinstance(y, list) else [y])]
            return sum(parts[1:], parts[0])

        return wg.grad(total)

    few, many = (lines(gradient(n), X) for n in (25, 100))
    assert many <= 6 * few, f"{few} lines for 25 steps, {many} for 100"


@pytest.mark.parametrize("chain", CHAINS)
def test_long_chains_are_right(chain: Callable[[int], Any]) -> None:
    check_function(chain(70), X, optimize=False, rtol=1e-8)


@pytest.mark.parametrize("chain", [arithmetic, scalars])
def test_five_thousand_operations(chain: Callable[[int], Any]) -> None:
    per_step = len(wg.trace(chain(101), X).nodes) - len(wg.trace(chain(1), X).nodes)
    graph = wg.trace(chain(1 + 500_000 // per_step), X)
    assert len(graph.nodes) >= 5000
    check_compiled(graph, [X], rtol=1e-8)


def test_text_does_not_grow_with_the_arrays() -> None:
    """Loops run over any extents; a tail or a thread's share may add a little."""

    def f(x: Any) -> Any:
        return np.sum(np.exp(x) * x[:1], axis=0), x * 2.0

    few, many = lines(f, np.ones((50, 64))), lines(f, np.ones((3000, 129)))
    assert many <= 3 * few, f"{few} lines for a small array, {many} for a large one"


# The same graph, the same text ----------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_the_same_text_again(seed: int) -> None:
    p = seeded(300 + seed)
    inputs = p.inputs()
    with np.errstate(all="ignore"):
        first = text(compiled(wg.trace(p, *inputs).optimize()))
        again = text(compiled(wg.trace(p, *inputs).optimize()))
    assert first == again


HASHES = """
import hashlib
import numpy as np, wengert as wg
from compiled import compiled, gradient_of
from programs import seeded
np.seterr(all="ignore")
digest = hashlib.sha256()
for seed in range(300, 306):
    p = seeded(seed)
    for f in (p, gradient_of(p, len(p.shapes))):
        program = compiled(wg.trace(f, *p.inputs()).optimize())
        for s in program.segments:
            digest.update(s.module.text.encode() if hasattr(s, "module") else b"host")
print(digest.hexdigest())
"""


def test_the_same_text_in_another_process() -> None:
    """Whatever order sets of strings and of objects have there."""
    found = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        env["PYTHONPATH"] = os.pathsep.join(
            [
                os.path.dirname(__file__),
                *os.environ.get("PYTHONPATH", "").split(os.pathsep),
            ]
        )
        run = subprocess.run(
            [sys.executable, "-c", HASHES], capture_output=True, text=True, env=env,
            check=True, timeout=300,
        )  # fmt: skip
        found.add(run.stdout)
    assert len(found) == 1
