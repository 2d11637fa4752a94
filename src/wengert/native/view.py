"""What a function becomes: its kernels, LLVM IR, assembly and graph as text."""

import importlib.metadata
import math
import os
import platform
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert.core.errors import ShapeMismatch, at_the_edge, explain
from wengert.core.types import Type
from wengert.graph.graph import Graph, Node
from wengert.graph.stage import trace
from wengert.graph.variables import names_of
from wengert.native import arithmetic, forms, link, machine
from wengert.native.ir import Emitter
from wengert.native.kernel import Kernel
from wengert.native.partition import Host, Library, viewed
from wengert.native.program import Program, Segment
from wengert.native.pseudo import Body, beside, pairs

_CALL = re.compile(r"call \w+ @wg_(?:blas|lapack)_(\w+)\(([^)]*)\)")
_SHOWN = re.compile(r"@wg\.(?:int|letter)\.(\w+)")
_PARTS = r"@wg_parallel\w*\(ptr @{}(?:\.[^,]*)?, ptr %\w+, i64 (\d+)"
WHAT = ("kernels", "ir", "assembly", "graph")
_FLAGS = 6  # letters and sizes of a library call that are written


def graph_of(f: Any, args: tuple[Any, ...]) -> Graph:
    """The graph that is compiled for a call: of these arguments, after the passes."""
    if isinstance(f, Graph):
        return f
    if not callable(f):
        raise ShapeMismatch(
            explain(
                "a function or a Graph is shown.", f"{f!r:.60}", "show(f, x), not f(x)."
            )
        )
    with np.errstate(all="ignore"):
        graph = trace(f, *args, values=True)
    return optimized(graph)


def optimized(graph: Graph) -> Graph:
    """The graph after the passes, its guards kept."""
    count = len(graph.outputs)
    ends = (*graph.outputs, *(g.node for g in graph.guards))
    after = Graph(graph.inputs, ends, graph.in_spec, graph.out_spec, graph.name)
    nodes = after.optimize().outputs
    guards = tuple(
        g._replace(node=n) for g, n in zip(graph.guards, nodes[count:], strict=True)
    )
    return Graph(
        graph.inputs, nodes[:count], graph.in_spec, graph.out_spec, graph.name, guards
    )


# What is shown --------------------------------------------------------------------


def listing(f: Any, args: tuple[Any, ...], what: str = "kernels") -> str:
    """The text of `what`: "kernels", "ir", "assembly" or "graph"."""
    if what not in WHAT:
        raise ShapeMismatch(
            explain(f"what is one of {', '.join(WHAT)}.", repr(what), "pick one.")
        )
    with at_the_edge():
        graph = graph_of(f, args)
    if what == "graph":
        return str(graph)
    program = Program(graph)
    if what == "kernels":
        return "\n".join(kernels(program))
    texts = [s.written.text for s in program.segments if isinstance(s, Segment)]
    if what == "assembly":
        texts = [link.assembly(text) for text in texts]
    mark = "\n".join(["", "; " + "-" * 70, ""])
    return mark.join(texts) or "; nothing is native"


def facts() -> list[str]:
    """Versions and the machine, for a report; no names, no places."""
    llvm = ".".join(map(str, machine.binding().llvm_version_info))
    packages = ("wengert", "numpy", "llvmlite")
    rows = [
        f"python     {platform.python_version()} on {platform.system()}",
        *(f"{name:<10} {_version(name)}" for name in packages),
        f"LLVM       {llvm} for {machine.triple()}, {machine.cpu_name()}",
        f"vectors    {machine.vector_bits()} bits, fma: {machine.has_fma()}",
    ]
    for name in ("VECTOR_BITS", "THREADS", "DEBUG", "CACHE"):
        value = os.environ.get(f"WENGERT_{name}")
        if value is not None:  # the cache's may be a private place
            known = name != "CACHE" or value in ("off", "0", "1", "on")
            rows.append(f"WENGERT_{name} = {value if known else 'a place'}")
    return rows


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"  # run from its source, without being installed


def dump(f: Any, args: tuple[Any, ...], path: str | os.PathLike[str]) -> None:
    """Writes facts, graph, kernels and IR to a file."""
    with at_the_edge():
        graph = graph_of(f, args)
    parts: dict[str, str] = {"facts": "\n".join(facts()), "graph": str(graph)}
    try:
        program = Program(graph)
    except Exception as error:  # what a report is about, as often as not
        parts["compiling"] = f"failed: {type(error).__name__}: {error}"
    else:
        parts["kernels"] = "\n".join(kernels(program))
        for k, s in enumerate(program.segments):
            if isinstance(s, Segment):
                parts[f"LLVM IR of segment {k}"] = s.written.text
    sections = (f"== {title} ==\n{text}\n" for title, text in parts.items())
    Path(path).write_text("\n".join(sections), encoding="utf-8")


# Kernels --------------------------------------------------------------------------


def kernels(program: Program) -> list[str]:
    """The program, step by step, as lines of pseudo-code."""
    names = names_of(program.graph)
    lines = [_head(program, names)]
    for named in steps(program):
        lines += ["", *step_lines(program, named, names)]
    for k, guard in enumerate(program.guards):
        asked = f"guard {k}: {guard.asked}({names[guard.node]}) is {guard.answer}"
        lines += ["", *beside([(asked, guard.line)])]
    outputs = ", ".join(names[n] for n in program.graph_outputs)
    return [*lines, "", f"return {outputs}"]


class Named(NamedTuple):
    """A step with a name; `parts` is into how many its loop is cut for threads."""

    name: str
    step: Kernel | Library | Host
    parts: int = 0

    @property
    def kind(self) -> str:
        """ "kernel", "call" or "host"."""
        return self.name.partition(" ")[0]


def steps(program: Program) -> list[Named]:
    """All steps in order: `kernel 0`, `call 0`, `host call 0`."""
    found: list[Named] = []
    for segment in program.segments:
        if not isinstance(segment, Segment):
            found.append(Named("host call", segment))
            continue
        for name, step in segment.written.kernels:
            parts = re.findall(_PARTS.format(name), segment.written.text)
            kind = "call" if isinstance(step, Library) else "kernel"
            found.append(Named(kind, step, sum(map(int, parts))))
    numbers: Counter[str] = Counter()
    for k, named in enumerate(found):
        found[k] = named._replace(name=f"{named.name} {numbers[named.name]}")
        numbers[named.name] += 1
    return found


def step_pairs(
    program: Program, named: Named, names: dict[Node, str]
) -> list[tuple[str, str]]:
    """A step as lines of pseudo-code, each with the user's line or "" beside it.

    The first one is its name.
    """
    step = named.step
    head = (f"{named.name}:", "")
    if isinstance(step, Kernel):
        nodes = {n.number: n for n in program.graph.nodes}
        if named.parts:
            head = (f"{named.name}: in {named.parts} parts, shared by threads", "")
        return [head, *pairs(Body(step, names, nodes).write(_width(step)))]
    rows = [head, (_result(step, names), step.node.line)]
    if isinstance(step, Library):
        rows += [(f"    {row}", "") for row in library_calls(step)]
    return rows


def step_lines(program: Program, named: Named, names: dict[Node, str]) -> list[str]:
    """A step as lines of text."""
    (head, _), *rows = step_pairs(program, named, names)
    if isinstance(named.step, Host):
        rows.append((f"    on the host: {named.step.why}", ""))
    return [head, *beside((f"    {text}", source) for text, source in rows)]


def weights(step: Kernel | Library) -> dict[str, float]:
    """What the ops of each source line cost in a step, roughly."""
    if isinstance(step, Library):
        return {step.node.line: 1.0}
    found: dict[str, float] = {}
    size = math.prod(step.loops)
    for node in step.inlined | {r.node for r in step.roots}:
        if node.op.name not in forms.LAYOUT:
            cost = arithmetic.cost(node) * max(node.type.size, 1)
            if forms.fold_of(node) is not None:
                cost = max(size, sum(i.type.size for i in node.inputs))
            found[node.line] = found.get(node.line, 0.0) + cost
    return found or {step.roots[0].node.line: 1.0}


def _head(program: Program, names: dict[Node, str]) -> str:
    graph = program.graph
    given = ", ".join(f"{names[n]}: {n.type}" for n in graph.inputs)
    counts = [
        f"{n} {what}{'s' * (n != 1)}"
        for n, what in (
            (program.kernels, "kernel"),
            (len(program.library_calls), "library call"),
            (len(program.host_calls), "host call"),
        )
        if n or what == "kernel"
    ]
    return f"{graph.name}({given}): {', '.join(counts)}"


def _width(kernel: Kernel) -> str:
    """How many elements the innermost loop takes at once."""
    lanes = kernel.width(machine.vector_bits())
    if lanes == 1:
        return "one at a time" if kernel.loops else ""
    return f"{lanes} at a time"


def _result(step: Library | Host, names: dict[Node, str]) -> str:
    """`y = matmul(a, b.T)` of a step that isn't a loop."""
    node = step.node
    args = []
    for i in node.inputs:
        base, strides = viewed(i) if isinstance(step, Library) else (i, None)
        args.append(f"{names[base]}.T" if strides is not None else names[base])
    args += [f"{k}={v}" for k, v in node.params.items()]
    results = ", ".join(names[r] for r in step.results) or "_"
    return f"{results} = {node.op.name}({', '.join(args)})"


def library_calls(step: Library) -> list[str]:
    """The calls with their flags and sizes: `dgemm(N, T, 50, 37, 25)`."""
    e = Emitter(True, "x")
    args = [f"%a{k}" for k in range(len(step.operands))]
    made = {0 if r is step.node else r.params["index"] for r in step.results}
    several = not isinstance(step.node.type, Type)
    count = len(step.node.type) if several else 1
    results = [f"%r{k}" if k in made else "" for k in range(count)]
    step.call.emit(e, args, results, "%scratch")
    found = []
    for line in e.lines:
        match = _CALL.search(line)
        if match:
            shown = _SHOWN.findall(match[2])[:_FLAGS]
            found.append(f"{match[1]}({', '.join(shown)})")
    if step.call.copies:
        copied = ", ".join(str(k + 1) for k in step.call.copies)
        found.insert(0, f"argument {copied} is copied first, for its strides")
    return found
