"""What `f.report()` says: the paths, why each was made, what runs where."""

from dataclasses import dataclass, field

from wengert.graph.graph import CONSTANT, INPUT, PART, Node
from wengert.transforms.jit.interpreter import CALLBACK
from wengert.transforms.jit.paths import Path
from wengert.transforms.jit.signature import describe


@dataclass(frozen=True)
class PathReport:
    """One path.

    Attributes:
        signature: the arguments' types.
        reason: why it was made.
        guards: questions that Python asked, with their answers and lines.
        captured: places outside of the function that it reads as inputs.
        watched: how many other places must be as they were.
        calls: how often it was taken.
        seconds: time for staging, passes and compiling.
        cached: whether all its native code was there already, on the disk or of an
            equal function.
        operations: steps of the graph, after the passes.
        kernels: native loops; None without native code.
        bytes: of its constants and of its native code.
        scratch: bytes that a call works in, beside arguments and results; they are
            kept for the next call.
        programs: one more than the places where a shape depends on values.
        call: "native", or why calls go through Python.
        host: operations that run as host calls, and why.
        backend: "native" or "numpy".
        level: of optimisation of its native code.
        notes: what else is to know.
    """

    signature: str
    reason: str
    guards: list[str]
    captured: list[str]
    watched: int
    calls: int
    seconds: float
    cached: bool
    operations: int
    kernels: int | None
    bytes: int
    scratch: int
    programs: int
    call: str
    host: dict[str, str]
    backend: str
    level: int
    notes: list[str]

    def __str__(self) -> str:
        kernels = "" if self.kernels is None else f", {_count(self.kernels, 'kernel')}"
        level = f" level {self.level}" if self.level != 1 else ""
        lines = [
            f"path for {self.signature}",
            f"  made:     {self.reason}",
            f"  taken:    {self.calls} times",
            f"  compiled: {1e3 * self.seconds:.1f} ms, {self.backend}{level}"
            f"{', from the cache' if self.cached else ''}: "
            f"{_count(self.operations, 'operation')}{kernels}, "
            f"{_count(self.programs, 'program')}, {self.bytes} bytes, "
            f"{self.scratch} of scratch",
        ]
        lines += [f"  guard:    {g}" for g in self.guards[:8]]
        if len(self.guards) > 8:
            lines.append(f"  guard:    … and {len(self.guards) - 8} more")
        if self.backend == "native":
            native = self.call == "native"
            lines.append(
                f"  called:   {'native' if native else f'through Python: {self.call}'}"
            )
        if self.captured:
            lines.append(f"  reads:    {', '.join(self.captured)}")
        lines.append(f"  watches:  {self.watched} places")
        lines += [f"  on host:  {op}: {why}" for op, why in self.host.items()]
        lines += [f"  note:     {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """What is compiled of a function, as text with `print`, as data by attribute.

    Attributes:
        name: the function's.
        paths: a PathReport each.
        eager: why calls ran as plain Python, each reason with its number of calls.
        notes: what else is to know.
        wholes: its transforms that were compiled as a whole, as `grad(f)`.
    """

    name: str
    paths: list[PathReport]
    eager: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wholes: list["Report"] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.name}: {_count(len(self.paths), 'path')}"]
        lines += [str(p) for p in self.paths]
        lines += [f"plain Python, {n} times: {why}" for why, n in self.eager.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines += [str(whole) for whole in self.wholes]
        return "\n".join(lines)


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def of_path(path: Path) -> PathReport:
    """The report of one path."""
    staged, graphs = path.staged, path.graphs
    nodes = [
        n
        for graph in graphs
        for n in graph.nodes
        if n.op not in (INPUT, PART, CONSTANT)
    ]
    constants = {n for graph in graphs for n in graph.nodes if n.op is CONSTANT}
    kernels = [getattr(run, "kernels", None) for _, run in path.segments]
    return PathReport(
        signature=describe(path.kinds, path.names),
        reason=path.reason,
        guards=[_guard(g.asked, g.answer, g.line) for g in path.graph.guards],
        captured=[staged.checks[k].name for k in staged.loads],
        watched=len(staged.checks) - len(staged.loads),
        calls=path.calls,
        seconds=path.seconds,
        cached=all(getattr(run, "cached", False) for _, run in path.segments),
        operations=len(nodes),
        kernels=sum(kernels) if None not in kernels else None,  # type: ignore[arg-type]
        bytes=sum(getattr(n.params["value"], "nbytes", 8) for n in constants)
        + sum(getattr(run, "bytes", 0) for _, run in path.segments),
        scratch=sum(getattr(run, "scratch", 0) for _, run in path.segments),
        programs=len(path.segments),
        call=path.slow or ("native" if path.is_fast else "no call yet"),
        host=_on_host(path, nodes),
        backend=path.backend.name,
        level=path.backend.level,
        notes=[
            *staged.notes,
            *(f"its shape depends on values: `{s.line}`" for s in staged.splits),
        ],
    )


def _guard(asked: str, answer: object, line: str) -> str:
    shown = f"{answer!r:.40}" if asked != "bool" else str(bool(answer))
    return f"{asked}() is {shown} in `{line}`"


def _on_host(path: Path, nodes: list[Node]) -> dict[str, str]:
    """Operations that run through Python, in native code too."""
    found: dict[str, str] = {}
    for _, run in path.segments:
        found |= dict(getattr(run, "host_calls", ()))
    for n in nodes:  # their own words say more than the compiler's
        if n.op.name == CALLBACK:
            found.pop(n.op.name, None)
            found[str(n.params["call"])] = "it is the user's function"
        elif n.op.kind == "call":
            found[n.op.name] = "it is a function with a rule of its own"
    return found
