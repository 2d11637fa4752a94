"""What an evaluation of a graph costs: time and bytes, per node and per source line."""

import io
import statistics
from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, bind
from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node


class Row(NamedTuple):
    """One operation.

    Attributes:
        node: the node.
        name: its name, as print(graph) shows it.
        op: the op's name.
        line: the user's line.
        scope: its scope.
        seconds: the median of its times.
        bytes: the size of its result; 0 for a view of another array.
    """

    node: Node
    name: str
    op: str
    line: str
    scope: str
    seconds: float
    bytes: int


class Line(NamedTuple):
    """All operations of one source line.

    Attributes:
        line: the user's line, or "" for operations without one.
        operations: how many.
        seconds: the sum of their times.
        bytes: the sum of their results' sizes.
    """

    line: str
    operations: int
    seconds: float
    bytes: int


class Profile:
    """The cost of one evaluation.

    Attributes:
        name: the graph's name.
        rows: a Row per operation, in the order of evaluation.
        lines: a Line per source line, the longest time first.
        evaluation: the median time of an evaluation as a whole, in seconds, without
            the clock being read between operations.
        peak: the most bytes of results that are held at one moment.
    """

    __slots__ = ("evaluation", "lines", "name", "peak", "rows")

    def __init__(
        self, name: str, rows: tuple[Row, ...], evaluation: float, peak: int
    ) -> None:
        self.name = name
        self.rows = rows
        self.lines = _by_line(rows)
        self.evaluation = evaluation
        self.peak = peak

    @property
    def seconds(self) -> float:
        """The sum over all operations."""
        return sum(r.seconds for r in self.rows)

    @property
    def bytes(self) -> int:
        """The bytes of all results."""
        return sum(r.bytes for r in self.rows)

    def top(self, count: int = 10) -> list[Row]:
        """The operations that take longest."""
        return sorted(self.rows, key=lambda r: -r.seconds)[:count]

    def __repr__(self) -> str:
        return f"<Profile of {self.name}: {_seconds(self.evaluation)}>"

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.name}: {_seconds(self.evaluation)} an evaluation, of which "
                f"{_seconds(self.seconds)} in {len(self.rows)} operations; "
                f"{_size(self.peak)} at most",
                _table("count", "line", _line_rows(self)),
                _table("name", "operation", _operation_rows(self)),
            ]
        )


def profile(graph: Graph, inputs: tuple[Any, ...], repeat: int = 10) -> Profile:
    """Evaluates the graph `repeat` times, and measures each operation.

    Args:
        graph: the graph.
        inputs: its arguments, as for a call.
        repeat: how often; times are medians.

    Returns:
        A Profile: print it, or sort and sum its `rows` and `lines`.

    Raises:
        TypeMismatch: for traced arguments, and a `repeat` below 1.
        ShapeMismatch: for arguments that don't fit.
    """
    if repeat < 1 or any(isinstance(x, Tracer) for x in tree.flatten(inputs)[0]):
        raise TypeMismatch(
            explain(
                "profile measures evaluations on arrays, at least one.",
                f"repeat={repeat}" if repeat < 1 else "a traced argument",
                "call it outside of transforms, with plain arrays.",
            )
        )
    graph(*inputs)  # refuses what doesn't fit, and warms up
    leaves = _leaves(graph, inputs)
    runs, whole = [], []
    for _ in range(repeat):  # in turns: the machine may be busier now than later
        whole.append(_timed(lambda: graph(*inputs)))
        runs.append(_run(graph, leaves))
    names = graph.names()
    empty = statistics.median(_timed(_nothing) for _ in range(101))
    rows = []
    for i, (node, _, size) in enumerate(runs[0][0]):
        middle = statistics.median(run[i][1] for run, _ in runs)
        seconds = max(0.0, middle - empty)
        place = (node.op.name, node.line, node.scope)
        rows.append(Row(node, names[node], *place, seconds, size))
    return Profile(graph.name, tuple(rows), statistics.median(whole), runs[0][1])


def _nothing() -> None:
    pass


def _timed(f: Callable[[], Any]) -> float:
    start = perf_counter_ns()
    f()
    return (perf_counter_ns() - start) * 1e-9


def _leaves(graph: Graph, inputs: tuple[Any, ...]) -> list[Array]:
    """The arrays as an evaluation has them, converted to the inputs' dtypes."""
    found = inputs if graph.in_spec is None else tree.flatten(inputs)[0]
    pairs = zip(found, graph.inputs, strict=True)
    return [np.asarray(x).astype(n.dtype)[()] for x, n in pairs]


Measured = tuple[list[tuple[Node, float, int]], int]


def _run(graph: Graph, leaves: list[Array]) -> Measured:
    """(node, seconds, bytes) of each operation, and the most bytes held at once."""
    values: dict[Node, Any] = dict(zip(graph.inputs, leaves, strict=True))
    last = _last_uses(graph)
    sizes: dict[Node, int] = {}
    found: list[tuple[Node, float, int]] = []
    held = peak = 0
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node.op is INPUT:
                continue
            if node.op is CONSTANT:
                values[node] = node.params["value"]
                continue
            if node.op is PART:
                values[node] = values[node.inputs[0]][node.params["index"]]
            else:
                args = [values[i] for i in node.inputs]
                start = perf_counter_ns()
                y = bind(node.op, *args, **node.params)
                seconds = (perf_counter_ns() - start) * 1e-9
                values[node] = y
                sizes[node] = _bytes(y, args)
                found.append((node, seconds, sizes[node]))
                held += sizes[node]
                peak = max(peak, held)
            for i in last.get(node, ()):
                del values[i]
                held -= sizes.get(i, 0)
    return found, peak


def _last_uses(graph: Graph) -> dict[Node, list[Node]]:
    """For each node those whose results nobody needs after it."""
    seen = set(graph.outputs)
    found: dict[Node, list[Node]] = {}
    for node in reversed(graph.nodes):
        for i in node.inputs:
            if i not in seen:
                seen.add(i)
                found.setdefault(node, []).append(i)
    return found


def _bytes(y: Any, args: list[Any]) -> int:
    """What a result holds of its own: nothing, for a view of an argument."""
    if isinstance(y, tuple):
        return sum(_bytes(part, args) for part in y)
    if isinstance(y, np.ndarray):
        return 0 if any(np.may_share_memory(y, a) for a in args) else y.nbytes
    return y.nbytes if isinstance(y, np.generic) else 0


def _by_line(rows: Iterable[Row]) -> tuple[Line, ...]:
    found: dict[str, list[Row]] = {}
    for r in rows:
        found.setdefault(r.line, []).append(r)
    lines = (
        Line(line, len(rs), sum(r.seconds for r in rs), sum(r.bytes for r in rs))
        for line, rs in found.items()
    )
    return tuple(sorted(lines, key=lambda x: -x.seconds))


# Showing it --------------------------------------------------------------------------

_SHOWN, _WIDTH = 15, 110


def _seconds(x: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if x >= size:
            return f"{x / size:.3g} {unit}"
    return f"{x * 1e6:.3g} µs"


def _size(x: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if x >= size:
            return f"{x / size:.3g} {unit}"
    return f"{x} B"


Cells = list[tuple[str, ...]]


def _cells(whole: float, seconds: float, size: int, *more: str) -> tuple[str, ...]:
    share = seconds / whole if whole else 0.0
    return (_seconds(seconds), f"{share:.0%}", _size(size), *more)


def _line_rows(p: Profile) -> Cells:
    rows = [
        _cells(p.seconds, x.seconds, x.bytes, f"{x.operations}×", x.line or "(no line)")
        for x in p.lines[:_SHOWN]
    ]
    rest = p.lines[_SHOWN:]
    if rest:
        total = sum(x.seconds for x in rest), sum(x.bytes for x in rest)
        rows.append(_cells(p.seconds, *total, "", f"({len(rest)} more lines)"))
    return rows


def _operation_rows(p: Profile) -> Cells:
    return [
        _cells(p.seconds, r.seconds, r.bytes, r.name, f"{r.op:<14} {r.line}")
        for r in p.top(_SHOWN)
    ]


def _table(which: str, what: str, rows: Cells) -> str:
    heads = ("time", "share", "bytes", which, what)
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return _plain_table(heads, rows)
    table = Table(header_style="")
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i < 3 else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: a line's brackets are no markup
    file = io.StringIO()
    Console(file=file, width=_WIDTH, color_system=None).print(table)
    return file.getvalue().rstrip()


def _plain_table(heads: tuple[str, ...], rows: Cells) -> str:
    every = [heads, *rows]
    widths = [max(len(row[i]) for row in every) for i in range(len(heads))]
    lines = []
    for row in every:
        cells = zip(row, widths, range(5), strict=True)
        padded = [f"{c:>{w}}" if i < 3 else f"{c:<{w}}" for c, w, i in cells]
        lines.append("  ".join(padded).rstrip()[:_WIDTH])
    return "\n".join(lines)
