"""What the compiler's tests share: compile, run, compare with the reference."""

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from wengert.core import tree
from wengert.core.types import Type
from wengert.graph.graph import Graph, Node
from wengert.graph.stage import trace
from wengert.native import program as native
from wengert.native.memory import ALIGN
from wengert.testing import Scenario

OPS = Path(__file__).resolve().parent.parent / "ops"


@functools.cache
def rows() -> tuple[Scenario, ...]:
    """Every scenario of the op families' tables, each once."""
    found: dict[int, Scenario] = {}
    for path in sorted(OPS.rglob("test_*.py")):
        name = "rows_of_" + "_".join(path.relative_to(OPS).with_suffix("").parts)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, list | tuple):
                found.update((id(s), s) for s in value if isinstance(s, Scenario))
    return tuple(found.values())


def flattened(s: Scenario) -> tuple[Callable[..., Any], list[Any]]:
    """A row's function of a list of arrays to a list of arrays, and those arrays."""
    leaves, spec = tree.flatten(s.args)

    def f(*xs: Any) -> list[Any]:
        return list(tree.flatten(s.f(*tree.unflatten(spec, list(xs))))[0])

    return f, leaves


def gradient_of(f: Callable[..., Any], count: int) -> Callable[..., Any]:
    """The gradient, by all `count` arguments, of Σ cos of the real parts `f` gives.

    A cosine, so that neither the cotangents nor what they meet are all alike.
    """

    def total(*xs: Any) -> Any:
        parts = [np.sum(np.cos(np.real(y))) for y in f(*xs)]
        return sum(parts[1:], parts[0])

    return wg.grad(total, argnums=tuple(range(count)))


@contextlib.contextmanager
def uncached() -> Iterator[None]:
    """Nothing compiled here comes from, or goes to, the user's cache on disk."""
    before = os.environ.get("WENGERT_CACHE")
    os.environ["WENGERT_CACHE"] = "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ["WENGERT_CACHE"]
        else:
            os.environ["WENGERT_CACHE"] = before


def compiled(graph: Graph) -> native.Program:
    """The graph's program, past the cache."""
    with uncached():
        return native.compile(graph)


def check_compiled(
    graph: Graph, arrays: Sequence[Any], rtol: float | None = None, what: str = ""
) -> native.Program:
    """The compiled graph gives what the reference gives, twice, inputs unchanged.

    Args:
        graph: what is compiled.
        arrays: its arguments.
        rtol: how far numbers may differ, relative to the largest on the way; by
            default 1e-11 where all is float64, 1e-4 where float32 occurs.
        what: what is being checked, for the message.
    """
    program = compiled(graph)
    given = [np.array(x) for x in arrays]
    outputs, failed = program(given)
    assert failed == -1, f"{what}: guard {failed} answered differently"
    with np.errstate(all="ignore"):
        wanted = graph.evaluate(list(arrays))
    check_same(outputs, wanted, tolerance(graph) if rtol is None else rtol,
               lambda: largest(graph, arrays), what)  # fmt: skip
    for x, b in zip(given, arrays, strict=True):
        assert x.tobytes() == np.array(b).tobytes(), f"{what}: an input was changed"
    again, _ = program(given)
    for a, b in zip(outputs, again, strict=True):
        assert np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"), f"{what}: 2nd run"
    return program


def check_function(
    f: Callable[..., Any],
    *args: Any,
    rtol: float | None = None,
    optimize: bool = True,
    what: str = "",
) -> native.Program:
    """`check_compiled` of the graph of `f` on arrays."""
    graph = trace(f, *args, values=True)
    graph = graph.optimize() if optimize else graph
    return check_compiled(graph, tree.flatten(args)[0], rtol, what)


def scratch_of(f: Callable[..., Any], *args: Any) -> int:
    """The bytes that values take beside arguments and results, of a checked program."""
    program = check_function(f, *args)
    assert program.native is not None, program.host_calls
    return program.native.arena - ALIGN


def check_same(
    outputs: Sequence[Any],
    wanted: Sequence[Any],
    rtol: float,
    scale: Callable[[], float] = lambda: 0.0,
    what: str = "",
) -> None:
    """Same types, same places of nan, inf and zeros' integers; numbers nearly the same.

    `scale` is asked when an entry differs by more than `rtol` of itself.
    """
    assert len(outputs) == len(wanted), what
    for i, (a, b) in enumerate(zip(outputs, map(np.asarray, wanted), strict=True)):
        a = np.asarray(a)
        where = f"{what}: output {i} of {b.dtype}{list(b.shape)}"
        assert a.dtype == b.dtype, f"{where}: dtype {a.dtype}"
        assert a.shape == b.shape, f"{where}: shape {a.shape}"
        if b.dtype.kind not in "fc":
            assert np.array_equal(a, b), f"{where}:\n{a}\ninstead of\n{b}"
        elif not np.allclose(a, b, rtol, 0.0, equal_nan=True):
            atol = rtol * scale()
            good = np.isclose(a, b, rtol, atol, equal_nan=True)
            assert good.all(), _different(a, b, good, where)


def _different(a: Any, b: Any, good: Any, where: str) -> str:
    bad = np.argwhere(~good)
    first = tuple(bad[0]) if b.ndim else ()
    return (
        f"{where}: {len(bad)} of {b.size} entries differ, the first at {first}: "
        f"{a[first]!r} instead of {b[first]!r}"
    )


def types_of(node: Node) -> tuple[Type, ...]:
    """The types of a node's results."""
    return (node.type,) if isinstance(node.type, Type) else tuple(node.type)


def tolerance(graph: Graph) -> float:
    """What rounding may do, by the coarsest float dtype of the graph."""
    sizes = [
        t.dtype.itemsize // (2 if t.dtype.kind == "c" else 1)
        for n in graph.nodes
        for t in types_of(n)
        if t.dtype.kind in "fc"
    ]
    return {2: 3e-2, 4: 1e-4}.get(min(sizes, default=8), 1e-11)


def every_value(graph: Graph, arrays: Sequence[Any]) -> dict[Node, Any]:
    """The value of each of a graph's nodes that has one type."""
    nodes = [n for n in graph.nodes if isinstance(n.type, Type)]
    wide = Graph(graph.inputs, tuple(nodes), graph.in_spec, graph.out_spec, graph.name)
    with np.errstate(all="ignore"):
        return dict(zip(nodes, wide.evaluate(list(arrays)), strict=True))


def largest(graph: Graph, arrays: Sequence[Any]) -> float:
    """The largest finite number that occurs on the way, at least 1."""
    found = 1.0
    for value in every_value(graph, arrays).values():
        x = np.abs(np.asarray(value, complex)) if np.size(value) else np.zeros(1)
        found = max(found, float(np.max(np.where(np.isfinite(x), x, 0.0))))
    return found
