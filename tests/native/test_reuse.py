"""A program that was compiled before is found again: on the disk, or in the process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph import compiling
from wengert.graph.compiling import Passes
from wengert.graph.graph import Graph, topological
from wengert.native import cache, link, machine, record, reuse
from wengert.native.reuse import compile, key_of
from wengert.native.running import Program, Segment

KEPT = Path(__file__).with_name("kept.py")
X = np.array([1.0, 2.0, 3.0])
SOURCES = cache.sources


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "_state", cache._State())
    monkeypatch.setattr(cache, "sources", lambda: "these files")
    reuse.forget()
    yield tmp_path / "wengert" / "native"
    reuse.forget()


class Count:
    """How often the compiler was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from wengert.native import program

        self.modules = self.partitions = 0
        objects_of, partition = link.objects_of, program.Partition

        def compiled(*args: Any, **named: Any) -> Any:
            self.modules += 1
            return objects_of(*args, **named)

        def parted(*args: Any, **named: Any) -> Any:
            self.partitions += 1
            return partition(*args, **named)

        monkeypatch.setattr(link, "objects_of", compiled)
        monkeypatch.setattr(program, "Partition", parted)

    def taken(self) -> tuple[int, int]:
        """(modules compiled, graphs parted) since the last time."""
        found = self.modules, self.partitions
        self.modules = self.partitions = 0
        return found


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    return Count(monkeypatch)


def traced(f: Callable[..., Any] = lambda x: np.sum(x * x + x)) -> Graph:
    return wg.trace(f, X)


def outcome(text: str) -> dict[str, list[str]]:
    return {row.split("|")[0]: row.split("|")[1:] for row in text.splitlines()}


def started() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(KEPT)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> dict[str, list[str]]:
    out, err = process.communicate()
    assert process.returncode == 0, err[-2000:]
    return outcome(out)


# Processes ----------------------------------------------------------------------------


def test_another_process_needs_no_compiler_and_gives_the_same_bits() -> None:
    first, second = ended(started()), ended(started())
    assert len(first) == len(second) > 15
    for name in first:
        if name != "end":
            assert first[name][0] == "compiled", name
            assert second[name] == ["cached", *first[name][1:]], name
    misses, rejected, note, loaded = second["end"]
    assert (misses, rejected, note, loaded) == ("0", "0", "", "[]")


def test_processes_that_compile_the_same_at_once() -> None:
    found = [ended(p) for p in [started() for _ in range(3)]]
    for name in found[0]:
        if name != "end":
            assert found[0][name][1:] == found[1][name][1:] == found[2][name][1:]
    assert [f["end"][1:3] for f in found] == [["0", ""]] * 3


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_home_that_cant_be_written(home: Path) -> None:
    home.parent.parent.joinpath("wengert").write_text("no folder")
    found = ended(started())
    assert found["elements"][0] == "compiled"
    assert found["end"][2]


# The process --------------------------------------------------------------------------


def test_an_equal_function_compiles_nothing(count: Count) -> None:
    wg.jit(np.cos)(X)  # what the first call of all needs
    count.taken()
    results = []
    for _ in range(3):
        f = wg.jit(lambda x: np.sum(x * x + x))
        results.append((f(X), f(X)))
        assert count.taken() == ((1, 1) if len(results) == 1 else (0, 0))
    assert len(set(results)) == 1


def test_what_is_forgotten_comes_from_the_disk(count: Count) -> None:
    first = compile(traced())
    assert (count.taken(), first.cached) == ((1, 1), False)
    reuse.forget()
    second = compile(traced())
    assert (count.taken(), second.cached) == ((0, 0), True)
    assert first([X]) == second([X])
    assert (cache.info().hits, cache.info().rejected) == (1, 0)


def test_passes_dont_run_for_what_is_there(count: Count) -> None:
    runs = []

    def run(graph: Graph) -> Graph:
        runs.append(graph)
        return graph.optimize()

    passes = Passes("all", run)
    compile(traced(), passes)
    found = compile(traced(), passes)
    assert (len(runs), count.taken()) == (1, (1, 1))
    assert found.graph.counts()  # whoever asks has them run
    assert (len(runs), count.taken()) == (2, (0, 1))
    assert key_of(traced(), passes) != key_of(traced())
    assert key_of(traced(), passes) != key_of(traced(), Passes("some", run))


def test_the_last_programs_are_held_and_no_more() -> None:
    for k in range(50):
        compile(traced(lambda x, k=k: x * float(k)))
    assert len(reuse._held._plans) <= 32
    assert sum(map(reuse._bytes, reuse._held._plans.values())) <= 4 << 20


def test_what_is_held_holds_no_graph(count: Count) -> None:
    def f(a: Any) -> Any:
        w, v = np.linalg.eig(a * 2.0)
        return np.sum(np.sin(np.abs(w))), np.real(v)

    graph = wg.trace(f, np.eye(3))
    first = compile(graph)
    (plan,) = reuse._held._plans.values()
    ends = [n for s in plan.steps if isinstance(s, Segment) for n in s.inputs]
    reached = {n.op.name for n in topological([*ends, *plan.outputs])}
    assert "eig" in reached
    assert not reached & {"multiply", "sin", "sum"}
    assert all(s.module is None for s in plan.steps if isinstance(s, Segment))
    a = np.arange(9.0).reshape(3, 3) + np.eye(3)
    wanted, found = first([a])[0], compile(graph)([a])[0]
    assert [y.tobytes() for y in found] == [y.tobytes() for y in wanted]
    assert count.taken()[1] == 1


def test_switched_off_nothing_is_kept(
    count: Count, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "off")
    for _ in range(2):
        compile(traced())
        assert count.taken() == (1, 1)
    assert not reuse._held._plans
    assert not home.exists()


def test_threads_share_a_program() -> None:
    import threading

    compile(traced())
    wanted = compile(traced())([X])
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(50):
            program = compile(traced())
            if program([X]) != wanted:
                wrong.append(program)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


# Keys ---------------------------------------------------------------------------------


def test_the_key_depends_on_versions_and_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = traced()
    keys = [key_of(graph), key_of(graph, level=2)]
    bits = "128" if machine.vector_bits() != 128 else "256"
    for place, name, value in [
        (cache, "_version", lambda: "9.9"), (cache, "sources", lambda: "other files"),
        (machine, "facts", lambda: "another processor"), (np, "__version__", "0.1"),
        (machine, "has_fma", lambda: 7),
    ]:  # fmt: skip
        with monkeypatch.context() as changed:
            changed.setattr(place, name, value)
            keys.append(key_of(graph))
    monkeypatch.setenv("WENGERT_VECTOR_BITS", bits)
    keys.append(key_of(graph))
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_changed_sources_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library whose files change, as for whoever works on it."""
    folder = tmp_path / "library" / "native"
    folder.mkdir(parents=True)
    monkeypatch.setattr(cache, "__file__", str(folder / "cache.py"))
    seen = []
    for text in ["one", "another"]:
        (folder / "forms.py").write_text(text)
        SOURCES.cache_clear()
        seen.append(SOURCES())
    assert seen == [None, None]  # they are younger than this process
    monkeypatch.setattr(compiling, "IMPORTED", time.time_ns() + 10**9)
    for text in ["one", "another"]:
        (folder / "forms.py").write_text(text)
        SOURCES.cache_clear()
        seen.append(SOURCES())
    SOURCES.cache_clear()
    assert len(set(seen)) == 3


def test_a_process_with_older_code_keeps_nothing(
    count: Count, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "sources", lambda: None)
    for _ in range(2):
        assert not compile(traced()).cached
    assert count.taken()[1] == 2
    assert len(list(home.iterdir())) == 1  # the module, under its text


# Files that aren't as they should be --------------------------------------------------


def file_of(home: Path, key: str | None) -> Path:
    assert key is not None
    return home / f"{key}.object"


@pytest.mark.parametrize("position", [0, 20, 60, 400, -1])
def test_a_flipped_bit_is_noted_and_mended(
    home: Path, count: Count, position: int
) -> None:
    wanted = compile(traced())([X])
    file = file_of(home, key_of(traced()))
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)
    reuse.forget()
    count.taken()
    found = compile(traced())
    assert (found.cached, found([X]), count.taken()) == (False, wanted, (1, 1))
    assert "damaged" in cache.info().note
    reuse.forget()
    assert compile(traced()).cached


def put(graph: Graph, data: bytes) -> None:
    key = key_of(graph)
    assert key is not None
    cache.write(key, data)
    reuse.forget()


def entry(graph: Graph) -> bytes:
    """What is kept of a graph."""
    compile(graph)
    key = key_of(graph)
    assert key is not None
    data = cache.read(key)
    assert data is not None
    return data


def test_sealed_nonsense_is_a_miss(count: Count) -> None:
    """The seal holds, but what it seals can't be run: of a bug's making, say."""
    wanted = compile(traced())([X])
    good = entry(traced())
    others = [
        entry(traced(lambda x: x * 2.0)),  # of another result's shape
        entry(wg.trace(lambda x, y: np.sum(x * y), X, X)),  # of other inputs
        good[:-1000], good[:30], b"", good.replace(b'"steps"', b'"stips"'),
        good.replace(b'"program"', b'"pregram"'), good.replace(b"{", b"[", 1),
    ]  # fmt: skip
    for k, data in enumerate(others):
        assert data != good
        put(traced(), data)
        count.taken()
        before = cache.info()
        found = compile(traced())
        assert not found.cached, k
        assert (found([X]), count.taken()) == (wanted, (1, 1)), k
        after = cache.info()
        assert (after.rejected - before.rejected, after.hits) == (1, before.hits), k
        assert "can't be used" in after.note


def test_workspaces_of_another_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy

    graph = wg.trace(np.linalg.inv, np.eye(3))
    compile(graph)
    reuse.forget()
    with monkeypatch.context() as changed:
        changed.setattr(scipy, "__version__", "0.0")
        assert not compile(graph).cached
        assert "SciPy" in cache.info().note
        reuse.forget()
        assert compile(graph).cached
    reuse.forget()
    assert not compile(graph).cached


def test_what_cant_be_written_is_compiled_and_held(
    count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "encoded", lambda plan: None)
    compile(traced())
    assert compile(traced()).cached
    reuse.forget()
    assert not compile(traced()).cached
    assert count.taken() == (2, 2)


def test_code_of_the_users_isnt_looked_up(count: Count) -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        wg.debug.callback(seen.append, np.sum(x))
        return x * 2.0

    for _ in range(2):
        g = wg.jit(f)
        np.testing.assert_array_equal(g(X), 2.0 * X)
        assert not g.report().paths[0].cached
    assert [float(s) for s in seen] == [6.0, 6.0]


# What is asked of a program that was read ---------------------------------------------


def both(f: Callable[..., Any], *args: Any) -> tuple[Program, Program]:
    """The program as it was compiled, and as it was read."""
    graph = wg.trace(f, *args, values=True)
    first = compile(graph)
    reuse.forget()
    second = compile(graph)
    assert (first.cached, second.cached) == (False, True)
    return first, second


def test_it_knows_its_kernels_its_text_and_its_graph(count: Count) -> None:
    def f(x: Any) -> Any:
        y = np.sort(x * 2.0)
        return np.cumsum(np.exp(y)), np.linalg.eigvals(np.outer(y, y))

    first, second = both(f, X)
    count.taken()
    for name in ("kernels", "library_calls", "host_calls", "bytes"):
        assert getattr(first, name) == getattr(second, name), name
    assert first.host_calls
    assert count.taken() == (0, 0)
    assert first.graph == second.graph
    texts = [
        [s.module.text for s in p.segments if isinstance(s, Segment) and s.module]
        for p in (first, second)
    ]
    assert texts[0] == texts[1] != []
    assert count.taken() == (0, 1)
    from wengert.native import view

    assert view.kernels(first) == view.kernels(second)
    assert [n.name for n in view.steps(first)] == [n.name for n in view.steps(second)]
    assert second.segments[0] is second.segments[0]
    assert count.taken() == (0, 0)


def test_its_errors_are_numpys(count: Count) -> None:
    _, found = both(lambda a, i: np.linalg.inv(a)[i], np.eye(2), 1)
    good = found([np.eye(2) * 2.0, np.asarray(0)])[0][0]
    np.testing.assert_array_equal(good, [0.5, 0.0])
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        found([np.ones((2, 2)), np.asarray(0)])
    with pytest.raises(IndexError, match="out of bounds"):
        found([np.eye(2), np.asarray(7)])


def test_its_guards_answer() -> None:
    def f(x: Any) -> Any:
        if np.sum(x) > 0 and x[0] < 5:
            return x * 2.0
        return x

    first, second = both(f, X)
    for x in (X, -X, X + 9.0):
        a, b = first([x]), second([x])
        assert a[1] == b[1]
        assert [y.tobytes() for y in a[0]] == [y.tobytes() for y in b[0]]
    assert first([-X])[1] >= 0
    assert [g.line for g in first.guards] == [g.line for g in second.guards]


def test_guards_that_the_host_asks() -> None:
    def f(x: Any) -> Any:
        return x * float(len(np.nonzero(x > 1.5)[0]))

    first, second = both(f, X)
    assert first.plan.asked == second.plan.asked == (0,)
    for x in (X, X[::-1].copy(), X * 0.0):
        assert first([x])[1] == second([x])[1]


def test_reports_say_that_it_was_there() -> None:
    for made in ("compiled", "cached"):
        f = wg.jit(lambda x: np.sum(np.sinh(x)))
        f(X)
        report = f.report()
        assert report.paths[0].cached == (made == "cached")
        assert ("from the cache" in str(report)) == (made == "cached")
        assert report.paths[0].kernels == 1
        assert report.paths[0].operations == 2
        assert report.paths[0].call == "native"
    assert "sinh" in str(f.graph(X))


def test_debug_mode_compiles_anew(
    count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile(traced())
    monkeypatch.setenv("WENGERT_DEBUG", "1")
    count.taken()
    program = compile(traced())
    assert not program.cached
    assert count.taken()[1] == 1
    assert program([X]) == ([np.sum(X * X + X)], -1)
