"""Eager speed: forward plus backward per operation, beside PyTorch and autograd.

    pip install torch autograd rich
    python benchmarks/eager.py [--operations 1000] [--rounds 15] [--json FILE]

Each row runs all libraries in turn, round by round, in one process on one thread, and
compares medians; the spread is (max − min) / median over the rounds.
"""

import argparse
import gc
import json
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

Run = Callable[[], Any]


def mixed(np_: Any, n: int) -> Callable[[Any], Any]:
    """A chain of n operations: sin, times x, plus 1, times ½."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(n // 4):
            y = np_.sin(y)
            y = y * x
            y = y + 1.0
            y = y * 0.5
        return y

    return f


def products(np_: Any, n: int) -> Callable[[Any], Any]:
    """A chain of n products, each with two traced arguments."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = y * x
        return y

    return f


CHAINS = {"sin, ×, +, ×": mixed, "× only": products}
POINTS = {"scalar": np.float64(0.5), "8-vector": np.linspace(0.1, 1.0, 8)}


def wengert_run(chain: Any, n: int, x: Any) -> Run:
    f = chain(np, n)

    def run() -> Any:
        y, pullback = wg.vjp(f, x)
        return pullback(np.ones_like(y))

    return run


def autograd_run(chain: Any, n: int, x: Any) -> Run:
    import autograd.numpy as anp
    from autograd import make_vjp

    f = chain(anp, n)

    def run() -> Any:
        pullback, y = make_vjp(f)(x)
        return pullback(np.ones_like(y))

    return run


def torch_run(chain: Any, n: int, x: Any) -> Run:
    import torch

    torch.set_num_threads(1)
    f = chain(torch, n)
    start = torch.tensor(x)

    def run() -> Any:
        leaf = start.detach().requires_grad_()
        y = f(leaf)
        y.backward(torch.ones_like(y))
        return leaf.grad

    return run


def numpy_run(chain: Any, n: int, x: Any) -> Run:
    f = chain(np, n)
    return lambda: f(x)


LIBRARIES = {
    "NumPy, forward only": numpy_run,
    "wengert": wengert_run,
    "PyTorch": torch_run,
    "autograd": autograd_run,
}


def measure(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round; all libraries within every round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            gc.collect()
            run()  # warms the caches that the library before has emptied
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def bytes_per_operation(x: Any, n: int = 20_000) -> float:
    """What the tape holds per operation, everything included."""
    f = mixed(np, n)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = wg.vjp(f, x)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del held
    return (after - before) / n


def available() -> dict[str, Any]:
    """The libraries that can be imported here."""
    found = {}
    for name, make in LIBRARIES.items():
        try:
            make(mixed, 4, POINTS["scalar"])()
        except ImportError:
            print(f"{name} isn't installed; its column is left out.")
            continue
        found[name] = make
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json")
    options = parser.parse_args()
    libraries = available()
    n = options.operations
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, one thread")
    print(f"µs per operation, forward and backward, median of {options.rounds} rounds")
    rows = []
    for chain_name, chain in CHAINS.items():
        for point_name, x in POINTS.items():
            runs = {name: make(chain, n, x) for name, make in libraries.items()}
            times = measure(runs, options.rounds)
            median = {k: statistics.median(v) / n * 1e6 for k, v in times.items()}
            spread = {
                k: (max(v) - min(v)) / statistics.median(v) for k, v in times.items()
            }
            ours = median["wengert"]
            print(f"\n{chain_name} on a {point_name}")
            for name, value in median.items():
                print(
                    f"  {name:<20} {value:7.2f}  ±{spread[name]:4.0%}"
                    f"   {value / ours:5.2f} × wengert"
                )
            rows.append({"chain": chain_name, "point": point_name, "us": median})
    print("\nBytes that the tape holds per operation")
    for point_name, x in POINTS.items():
        held = bytes_per_operation(x)
        rows.append({"memory": point_name, "bytes": held})
        print(f"  {point_name:<20} {held:7.0f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
