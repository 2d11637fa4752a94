"""Graphs: staging, reverse-differentiating and rewriting, beside JAX and PyTensor.

    pip install jax pytensor
    python benchmarks/graph.py [--max 100000] [--rounds 5] [--limit 60] [--json F]
    python benchmarks/graph.py --max 1000 --limit 5    # in less than a minute

Two families of functions of n operations, for n = 100, 1,000 … up to --max. Each row is
one step of one library:

* stage: the function becomes a graph (`wg.trace`, `jax.make_jaxpr`, variables)
* gradient: what comes on top for the graph of the gradient (`graph.grad()`,
  `pytensor.grad`); JAX traces a gradient as a whole, and its row says so
* rewrite: the passes on the gradient's graph (`graph.optimize()`, PyTensor's
  canonicalize and stabilize); JAX leaves that to its compiler

All libraries run in turn, round by round, in one process on one thread; medians, and
the spread (max − min) / median. The growth exponent is the slope of log time over log
size: 1 is linear. A size is left out for a library that would need more than --limit
seconds a round there, by the growth so far.
"""

import argparse
import gc
import json
import math
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
import wengert.passes  # attaches Graph.optimize

X = np.linspace(0.1, 1.0, 8)
WIDTH = 20
Times = dict[str, float]


def chain(np_: Any, n: int) -> Callable[[Any], Any]:
    """n operations on an 8-vector, each on the result of the one before."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(n // 4):
            y = np_.sin(y)
            y = y * x
            y = y + 1.0
            y = y * 0.5
        return y.sum()

    return f


def net(np_: Any, n: int) -> Callable[[Any], Any]:
    """Layers of 20 units, each tanh of a sum of two units of the layer before."""

    def f(x: Any) -> Any:
        units = [x * (0.01 * (i + 1)) for i in range(WIDTH)]
        for _ in range(n // (2 * WIDTH) - 1):
            units = [
                np_.tanh(units[i] + units[(7 * i + 1) % WIDTH]) for i in range(WIDTH)
            ]
        total = units[0]
        for unit in units[1:]:
            total = total + unit
        return total.sum()

    return f


FAMILIES = {"chain": chain, "net": net}


def timed(f: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result


def wengert_steps(family: Any, n: int) -> Times:
    f = family(np, n)
    stage, graph = timed(lambda: wg.trace(f, X))
    gradient, slope = timed(graph.grad)
    rewrite, _ = timed(slope.optimize)
    return {"stage": stage, "gradient": gradient, "rewrite": rewrite}


def jax_steps(family: Any, n: int) -> Times:
    import jax
    import jax.numpy as jnp

    # A function is made anew for each: JAX remembers those that it has traced.
    stage, _ = timed(lambda: jax.make_jaxpr(family(jnp, n))(X))
    whole, _ = timed(lambda: jax.make_jaxpr(jax.grad(family(jnp, n)))(X))
    return {"stage": stage, "stage + gradient": whole}


def pytensor_steps(family: Any, n: int) -> Times:
    return pytensor_graphs(family, n)[0]


def pytensor_graphs(family: Any, n: int) -> tuple[Times, Any]:
    import pytensor
    import pytensor.tensor as pt

    x = pt.dvector("x")
    stage, y = timed(lambda: family(pt, n)(x))
    gradient, slope = timed(lambda: pytensor.grad(y, x))
    return {"stage": stage, "gradient": gradient}, slope


def pytensor_rewrite(family: Any, n: int) -> Times:
    """By itself, since it reaches the time limit at smaller sizes."""
    from pytensor.graph.rewriting.utils import rewrite_graph

    _, slope = pytensor_graphs(family, n)
    include = ("canonicalize", "stabilize")
    rewrite, _ = timed(lambda: rewrite_graph(slope, include=include))
    return {"rewrite": rewrite}


LIBRARIES = {
    "wengert": wengert_steps,
    "JAX": jax_steps,
    "PyTensor": pytensor_steps,
    "PyTensor's passes": pytensor_rewrite,
}


def available() -> dict[str, Any]:
    """The libraries that are there, each run once to have it loaded."""
    found = {}
    for name, steps in LIBRARIES.items():
        try:
            steps(chain, 8)
        except ImportError:
            print(f"{name} isn't installed; its rows are left out.")
            continue
        found[name] = steps
    return found


def expected(history: list[tuple[int, float]], n: int) -> float:
    """Seconds a round would take at size n, by the growth so far."""
    if not history:
        return 0.0
    (size, seconds), power = history[-1], 1.0
    if len(history) > 1:
        power = max(1.0, exponent([history[-2][0], size], [history[-2][1], seconds]))
    return seconds * (n / size) ** power


def measure(
    family: Any, sizes: list[int], steps: dict[str, Any], rounds: int, limit: float
) -> dict[str, dict[str, dict[int, list[float]]]]:
    """Seconds by library, step and size."""
    found: dict[str, dict[str, dict[int, list[float]]]] = {name: {} for name in steps}
    history: dict[str, list[tuple[int, float]]] = {name: [] for name in steps}
    for n in sizes:
        running = {}
        for name in steps:
            guess = expected(history[name], n)
            if guess <= limit:
                running[name] = steps[name]
            else:
                print(f"  {name} at {n:,}: left out, about {guess:,.0f} s a round")
        rounds_of: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(rounds):
            for name, run in list(running.items()):
                gc.collect()
                times = run(family, n)
                for step, took in times.items():
                    found[name].setdefault(step, {}).setdefault(n, []).append(took)
                rounds_of[name].append(sum(times.values()))
                if rounds_of[name][-1] > limit / 3:
                    del running[name]  # one round of that is enough
        for name, seconds in rounds_of.items():
            if seconds:
                history[name].append((n, min(seconds)))
    return found


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of log seconds over log size."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def shown(seconds: list[float] | None, n: int) -> str:
    """Microseconds per operation, and the spread."""
    if not seconds:
        return "–"
    middle = statistics.median(seconds)
    spread = (max(seconds) - min(seconds)) / middle
    return f"{1e6 * middle / n:8.1f} ±{50 * spread:3.0f}%"


def report(family: str, found: Any, sizes: list[int]) -> list[str]:
    """A table as lines of Markdown."""
    head = "".join(f" {n:>14,} |" for n in sizes)
    lines = [
        f"| {family}: µs per operation |{head} exponent |",
        "|" + "---|" * (len(sizes) + 2),
    ]
    for name, steps in found.items():
        for step, by_size in steps.items():
            cells = "".join(f" {shown(by_size.get(n), n):>14} |" for n in sizes)
            # From 1,000 on: below that, what every call costs is seen too.
            large = {n: s for n, s in by_size.items() if n >= min(1000, max(by_size))}
            power = exponent(
                list(large), [statistics.median(s) for s in large.values()]
            )
            grows = "–" if math.isnan(power) else f"{power:.2f}"
            lines.append(f"| {name}: {step} |{cells} {grows} |")
    return lines


def versions() -> str:
    words = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    for name in ("jax", "pytensor"):
        if name in sys.modules:
            words.append(f"{name} {sys.modules[name].__version__}")
    return ", ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--max", type=int, default=100_000, help="largest size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a round")
    parser.add_argument("--json", help="write all times to this file")
    given = parser.parse_args()
    sizes = [10**k for k in range(2, 9) if 10**k <= given.max]
    steps = available()
    gc.collect()
    gc.freeze()  # what the imports made isn't looked through in every collection
    everything = {}
    for name, family in FAMILIES.items():
        found = measure(family, sizes, steps, given.rounds, given.limit)
        everything[name] = found
        print("\n" + "\n".join(report(name, found, sizes)) + "\n")
    print(f"{platform.machine()}, {versions()}, one thread, {given.rounds} rounds.")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(everything, file, indent=1)


if __name__ == "__main__":
    # PyTensor's gradient calls itself once per operation: room for that. The others
    # need none.
    sys.setrecursionlimit(2_000_000)
    threading.stack_size(1 << 29)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
