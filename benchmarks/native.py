"""Compiled code beside NumPy, JAX, PyTorch and numba: one command, all figures.

    pip install jax torch numba
    python benchmarks/native.py [--only ROW …] [--quick] [--adbench FOLDER]
                                [--threads 1 2] [--rounds 15] [--memory] [--json FILE]

Rows: call, compile, mix, rosenbrock, black_scholes, gmm, ba, logistic, mlp, gp,
transformer. Each is a value and its gradient (ba: a Jacobian; call: plain functions).
Before anything is timed the results are compared with wengert's; a row says how far
the libraries are apart, and one that differs by more than its tolerance isn't timed.

All libraries run in turn, round by round, in one process for each number of threads,
which may use as many cores. Medians, the fastest round, and the spread
(max − min) / median. × is how many times a peer takes of wengert's time; "g/v" the time
of wengert's value and gradient over its value alone; "apart" the largest difference
from wengert's result, relative to the largest element; "first" the time of the first
call, tracing and compiling included, as in the rows `compile`. torch.compile and
"C by hand" need a C++ and a C compiler.

Without ADBench's data (`--adbench`), data of the same sizes come from a seed.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROWS = (
    "call", "compile", "mix", "rosenbrock", "black_scholes", "gmm", "ba", "logistic",
    "mlp", "gp", "transformer",
)  # fmt: skip

FULL: dict[str, Any] = {
    "mix": [10**3, 10**4, 10**5, 10**6, 10**7],
    "rosenbrock": [10**6],
    "black_scholes": [10**6],
    "gmm": [
        *((1000, d, k) for d in (2, 10, 20, 64) for k in (5, 25)),
        (10_000, 2, 10), (10_000, 10, 25), (10_000, 20, 50), (10_000, 64, 25),
    ],
    "ba": [(1, 49, 7776, 31843), (5, 257, 65132, 225911)],
    "logistic": [(10_000, 100)],
    "mlp": [(128, 784, 256, 128, 10)],
    "gp": [300],
    "transformer": [(4, 128, 256, 8)],
    "chains": [10, 100, 500, 1000, 5000],
    "slow_chains": 500,
    "slowest_chains": 1000,
}  # fmt: skip
QUICK: dict[str, Any] = {
    "mix": [10**3, 10**5],
    "rosenbrock": [10**5],
    "black_scholes": [10**5],
    "gmm": [(1000, 2, 5), (1000, 10, 5)],
    "ba": [(1, 49, 7776, 2000)],
    "logistic": [(2000, 20)],
    "mlp": [(32, 100, 64, 10)],
    "gp": [100],
    "transformer": [(2, 32, 64, 4)],
    "chains": [10, 100],
    "slow_chains": 10,
    "slowest_chains": 100,
}


def cases(rows: list[str], sizes: dict[str, Any]) -> Iterator[Any]:
    """The rows that are timed call by call."""
    from problems import ba, calls, elementwise, gmm, models

    if "call" in rows:
        yield from calls.call_cases()
    for module in (elementwise, gmm, ba, models):
        chosen = {k: v if k in rows or k == "adbench" else [] for k, v in sizes.items()}
        yield from module.cases(chosen)


# Timing ----------------------------------------------------------------------------


def repeats(run: Callable[[], Any], seconds: float) -> int:
    """How many calls take about so long."""
    run()
    start = time.perf_counter()
    run()
    once = time.perf_counter() - start
    return max(1, min(int(seconds / max(once, 1e-9)), 100_000))


def timed(run: Callable[[], Any], count: int) -> float:
    """Seconds a call."""
    loop = range(count)
    start = time.perf_counter()
    for _ in loop:
        run()
    return (time.perf_counter() - start) / count


def summary(seconds: list[float]) -> dict[str, float]:
    middle = statistics.median(seconds)
    spread = (max(seconds) - min(seconds)) / middle
    return {"median": middle, "min": min(seconds), "spread": spread}


def prepared(case: Any, peers: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(library -> call, library -> what is known of it so far)."""
    from problems.peers import difference

    runs, facts, reference = {}, {}, None
    for name, make in case.makers.items():
        if peers and name not in peers and name != "wengert":
            continue
        start = time.perf_counter()
        try:
            run = make()
            result = run()
        except ImportError as error:
            facts[name] = {"left_out": f"{error}"}
            continue
        except Exception as error:  # a peer (or we) can't: the row says so
            first = str(error).strip().split("\n")[0]
            facts[name] = {"left_out": f"{type(error).__name__}: {first:.150}"}
            continue
        facts[name] = {"first_call": time.perf_counter() - start}
        if reference is None:
            reference = result
        off = difference(result, reference)
        facts[name]["difference"] = off
        if off <= case.tolerance:
            runs[name] = run
        else:
            facts[name]["left_out"] = f"differs by {off:.1e}"
    return runs, facts


def measured(
    case: Any, rounds: int, seconds: float, peers: list[str]
) -> dict[str, Any]:
    """All libraries of a case, in turn."""
    runs, facts = prepared(case, peers)
    if case.value is not None and "wengert" in runs:
        try:
            runs["value"] = case.value()
            facts["value"] = {}
        except Exception as error:
            facts["value"] = {"left_out": str(error)}
    counts = {name: repeats(run, seconds) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            gc.collect()
            times[name].append(timed(run, counts[name]))
    for name, found in times.items():
        facts[name].update(summary(found))
    return {"row": case.name, "size": case.size, "aim": case.aim, "libraries": facts}


def compiling(sizes: dict[str, Any], peers: list[str]) -> Iterator[dict[str, Any]]:
    """First calls of fresh functions, three of each, by turns."""
    from problems import calls
    from problems.peers import difference

    for size, makers, aim in calls.compile_cases(sizes):
        times: dict[str, list[float]] = {}
        facts: dict[str, Any] = {}
        reference = None
        for turn in range(4):  # the first warms up what each library does once
            for name, make in makers.items():
                known = facts.get(name, {})
                if (
                    "left_out" in known
                    or known.get("slow")
                    or (peers and name not in peers and not name.startswith("wengert"))
                ):
                    continue
                try:
                    took, result = make()
                except Exception as error:
                    first = str(error).strip().split("\n")[0]
                    facts[name] = {"left_out": f"{type(error).__name__}: {first:.150}"}
                    continue
                reference = result if reference is None else reference
                facts[name] = {
                    "difference": difference(result, reference), "slow": took > 5.0
                }  # fmt: skip
                if turn or took > 5.0:  # then once is enough
                    times.setdefault(name, []).append(took)
        for name, found in times.items():
            facts[name].update(summary(found))
        yield {"row": "compile", "size": size, "aim": aim, "libraries": facts}


def peak(case: Any, name: str) -> float:
    """MB that a fresh process's peak grows by while a library compiles and runs."""
    import resource

    make = case.makers[name]
    if "jax" in name:
        import jax  # noqa: F401
    if "torch" in name:
        import torch  # noqa: F401
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = make()
    for _ in range(3):
        run()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


# Processes -------------------------------------------------------------------------


def child(given: argparse.Namespace) -> None:
    """Measures in this process, and writes what was found as lines of JSON."""
    sizes = {**(QUICK if given.quick else FULL), "adbench": given.adbench}
    rows = given.only or list(ROWS)
    with open(given.child, "w", encoding="utf-8") as file:
        if given.peak:
            which, name = given.peak[0], given.peak[1]
            case = list(cases(rows, sizes))[int(which)]
            json.dump({"peak": peak(case, name)}, file)
            return
        seconds = 0.02 if given.quick else 0.05
        found = (
            measured(c, given.rounds, seconds, given.peers) for c in cases(rows, sizes)
        )
        for result in found:
            print(json.dumps(result), file=file, flush=True)
        if "compile" in rows:
            for result in compiling(sizes, given.peers):
                print(json.dumps(result), file=file, flush=True)


def spawned(given: argparse.Namespace, threads: int, more: list[str]) -> list[Any]:
    """A child on so many cores, and what it found."""
    # Every library is told by its own variable, and the cores are taken away besides.
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "WENGERT")
    told = {
        f"{n}_THREADS" if n == "WENGERT" else f"{n}_NUM_THREADS": str(threads)
        for n in names
    }
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "found.json")
        command = [sys.executable, __file__, "--child", out, *more]
        command += ["--rounds", str(given.rounds), "--adbench", given.adbench]
        command += ["--quick"] if given.quick else []
        command += ["--cores", str(threads)]
        for option, values in (("--only", given.only), ("--peers", given.peers)):
            command += [option, *values] if values else []
        # Caches of earlier runs would make the time to compile look short.
        told |= {"XDG_CACHE_HOME": folder, "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch"}
        done = subprocess.run(command, env={**os.environ, **told}, check=False)
        text = Path(out).read_text("utf-8") if Path(out).exists() else ""
        if done.returncode:
            print(f"A child ended with status {done.returncode}.", file=sys.stderr)
    return [json.loads(line) for line in text.splitlines()]


def bound_to(cores: int) -> None:
    """This process on the first so many of its cores; before libraries look."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


# Showing ---------------------------------------------------------------------------


def clock(seconds: float) -> str:
    """Three digits, in the unit that fits."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def lines(found: dict[str, Any], threads: int) -> list[str]:
    """A row of the table for each library."""
    libraries = dict(found["libraries"])
    value = libraries.pop("value", {})
    own = libraries.get("wengert", {}).get("median")
    shown = []
    for name, facts in libraries.items():
        head = f"| {found['row']}: {found['size']} | {threads} | {name} |"
        if "median" not in facts:
            shown.append(f"{head} – | | | | | {facts.get('left_out', '')} |")
            continue
        ratio = f"{facts['median'] / own:.2f}×" if own and name != "wengert" else ""
        note = found["aim"] if name == "wengert" else ""
        if name == "wengert" and "median" in value:
            ratio = f"g/v {own / value['median']:.2f}"
        first = clock(facts["first_call"]) if "first_call" in facts else ""
        memory = f"{facts['peak']:.0f} MB" if "peak" in facts else ""
        shown.append(
            f"{head} {clock(facts['median'])} (min {clock(facts['min'])}, "
            f"±{50 * facts['spread']:.0f} %) | {ratio} | {facts['difference']:.0e} | "
            f"{first} | {memory} | {note} |"
        )
    return shown


HEAD = [
    "| row | threads | library | time of a call | × | apart | first | peak | aim |",
    "|---|---|---|---|---|---|---|---|---|",
]


def processor() -> str:
    """The processor's name."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
        return next(
            line.split(":")[1].strip()
            for line in text.splitlines()
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> str:
    from importlib import metadata

    words = [f"Python {platform.python_version()}"]
    for name in ("numpy", "scipy", "llvmlite", "jax", "torch", "numba"):
        try:
            words.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            words.append(f"no {name}")
    return ", ".join(words)


def add_peaks(given: argparse.Namespace, threads: int, results: list[Any]) -> None:
    """Each library of each row once more, in a process of its own."""
    sizes = {**(QUICK if given.quick else FULL), "adbench": given.adbench}
    for i, case in enumerate(cases(given.only or list(ROWS), sizes)):
        for name in case.makers:
            facts = next(
                r["libraries"].get(name, {})
                for r in results
                if (r["row"], r["size"]) == (case.name, case.size)
            )
            if "median" in facts:
                found = spawned(given, threads, ["--peak", str(i), name])
                facts["peak"] = found[0]["peak"] if found else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=ROWS, help="these rows only")
    parser.add_argument("--peers", nargs="+", default=[], help="these libraries only")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--adbench", default="", help="the folder of ADBench's data")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", action="store_true", help="peaks of memory, too")
    parser.add_argument("--json", help="write all figures to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        bound_to(given.cores)
        child(given)
        return
    print(f"{processor()}, {os.cpu_count()} cores. {versions()}. ", end="")
    print(f"{given.rounds} rounds; load before: {os.getloadavg()[0]:.2f}\n")
    everything = {}
    for threads in given.threads:
        results = spawned(given, threads, [])
        if given.memory:
            add_peaks(given, threads, [r for r in results if r["row"] != "compile"])
        everything[threads] = results
        print(
            "\n".join([*HEAD, *(x for r in results for x in lines(r, threads))]), "\n"
        )
    if given.json:
        Path(given.json).write_text(json.dumps(everything, indent=1), "utf-8")


if __name__ == "__main__":
    main()
