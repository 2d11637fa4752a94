"""What compiling made of an explained function: passes, kernels, time by line."""

import functools
import time
from typing import Any

from wengert.core.types import Array
from wengert.graph.graph import Graph, Node
from wengert.graph.variables import names_of
from wengert.passes.explain import explained
from wengert.passes.pipeline import PIPELINE, RULES
from wengert.show.run import Run
from wengert.show.story import Compiled, LineTime, PassStory
from wengert.transforms.jit.jit import Jit
from wengert.transforms.jit.pieces import SHIFTED

_CHANGES = 40  # of one pass that are told
_LINES = 200  # of one kernel


def compiled_story(f: Any, run: Run) -> Compiled | None:
    """What becomes of `f` if it is compiled by `jit`; None for other functions."""
    if not isinstance(f, Jit):
        return None
    graph, passes, names = _passed(run)
    story: Compiled = {
        "backend": f.backend.name,
        "before": passes[0]["before"] if passes else 0,
        "after": passes[-1]["after"] if passes else 0,
        "seconds": 0.0,
        "bytes": 0,
        "passes": passes,
        "steps": [],
        "lines": [],
        "notes": [],
    }
    if f.backend.name != "native":
        note = "backend='numpy': the steps are run by NumPy, one by one."
        story["notes"].append(note)
        return story
    from wengert.native.link import CompileError

    try:
        _tell_program(story, graph, names, [run.values[n] for n in run.graph.inputs])
    except (ImportError, CompileError) as error:
        story["notes"].append(f"Nothing is compiled here: {error}")
    return story


# Passes -----------------------------------------------------------------------------


def _passed(run: Run) -> tuple[Graph, list[PassStory], dict[Node, str]]:
    """The graph after the passes, with its guards, and what each pass did."""
    graph = run.graph
    count = len(graph.outputs)
    ends = (*graph.outputs, *(g.node for g in graph.guards))
    now = Graph(graph.inputs, ends, graph.in_spec, graph.out_spec, graph.name)
    names = _named(now, run.names)
    told: list[PassStory] = []
    for function, why in PIPELINE:
        run_it = function
        if function in RULES:  # as jit leaves them out
            run_it = functools.partial(function, without=SHIFTED)  # type: ignore[call-arg]
        now, step, names = explained(run_it, function.__name__, why, now, names)
        told.append(
            {
                "name": step.name,
                "why": why,
                "before": step.before,
                "after": step.after,
                "changes": list(step.changes[:_CHANGES]),
                "gone": list(step.gone[:_CHANGES]),
            }
        )
    guards = tuple(
        g._replace(node=n)
        for g, n in zip(graph.guards, now.outputs[count:], strict=True)
    )
    after = Graph(
        now.inputs, now.outputs[:count], now.in_spec, now.out_spec, now.name, guards
    )
    return after, told, names


def _named(graph: Graph, given: dict[Node, str]) -> dict[Node, str]:
    """The names of the explanation, and others for what only questions need."""

    found, taken = {}, set(given.values())
    for node, name in names_of(graph).items():
        if node not in given:
            while name in taken and node.inputs:
                name += "_"
            taken.add(name)
        found[node] = given.get(node, name)
    return found


# Kernels ----------------------------------------------------------------------------


def _tell_program(
    story: Compiled, graph: Graph, names: dict[Node, str], leaves: list[Array]
) -> None:
    """Steps and times; `leaves` are the inputs' values."""
    from wengert.native import single, view
    from wengert.native.partition import Host
    from wengert.native.program import Program

    program = Program(graph)
    story["seconds"], story["bytes"] = program.seconds, program.bytes
    names = names_of(program.graph) | {
        n: names[n] for n in program.graph.nodes if n in names
    }
    values: dict[Node, Any] = dict(zip(program.graph.inputs, leaves, strict=True))
    by_line: dict[str, float] = {}
    for named in view.steps(program):
        step = named.step
        if isinstance(step, Host):
            single.evaluate(step.node.inputs, values)
            seconds, weights = _timed(step.node, values), {step.node.line: 1.0}
            single.evaluate(step.results, values)
        else:
            single.evaluate(single.reads(step), values)
            seconds = single.Single(step, program.graph.nodes).seconds(values)
            weights = view.weights(step)
            single.evaluate(single.results(step), values)
        total = sum(weights.values())
        for line, weight in weights.items():
            by_line[line] = by_line.get(line, 0.0) + seconds * weight / total
        head, *lines = view.step_pairs(program, named, names)
        story["steps"].append(
            {
                "name": named.name,
                "kind": named.kind,
                "head": head[0],
                "lines": [list(pair) for pair in lines[:_LINES]],
                "why": step.why if isinstance(step, Host) else "",
                "seconds": seconds,
            }
        )
    story["lines"] = _shares(by_line)


def _timed(node: Node, values: dict[Node, Any], repeat: int = 3) -> float:
    """The least time of some runs of a node by NumPy."""
    from wengert.native import single

    times = []
    for _ in range(repeat):
        began = time.perf_counter_ns()
        single.evaluated(node, values)
        times.append(time.perf_counter_ns() - began)
    return min(times) * 1e-9


def _shares(by_line: dict[str, float]) -> list[LineTime]:
    whole = sum(by_line.values())
    rows = sorted(by_line.items(), key=lambda row: -row[1])
    return [
        {"line": line, "seconds": s, "share": s / whole if whole else 0.0}
        for line, s in rows
    ]


# Text -------------------------------------------------------------------------------


def sections(story: Compiled | None) -> list[list[str]]:
    """The sections of the text, each with its title."""
    if not story:
        return []
    steps = story["steps"]
    counts = {k: sum(s["kind"] == k for s in steps) for k in ("kernel", "call", "host")}
    title = f"Compiled: {story['before']} operations, {story['after']} after the passes"
    if steps:
        words = [_many(counts["kernel"], "kernel")]
        words += [_many(counts["call"], "library call")] * bool(counts["call"])
        words += [_many(counts["host"], "host call")] * bool(counts["host"])
        title += f"; {', '.join(words)} in {_seconds(story['seconds'])}"
    found = [[f"{title}:", *_pass_lines(story)]]
    for step in steps:
        took = "" if step["seconds"] is None else f", {_seconds(step['seconds'])}"
        rows = [_row(text, source) for text, source in step["lines"]]
        rows += [f"  on the host: {step['why']}"] if step["why"] else []
        found.append([f"{step['head'].rstrip(':')}{took}:", *rows])
    if story["lines"]:
        head = "Time by line (an estimate: each step's time, shared by what ops cost):"
        found.append([head, *_time_lines(story)])
    found += [[f"Note: {note}"] for note in story["notes"]]
    return found


def _pass_lines(story: Compiled) -> list[str]:
    lines = []
    for step in story["passes"]:
        if not step["changes"] and not step["gone"]:
            continue
        lines.append(f"  {step['name']}: {step['before']} → {step['after']} operations")
        lines += [f"    {change}" for change in step["changes"]]
    return lines or ["  the passes found nothing to change"]


def _time_lines(story: Compiled) -> list[str]:
    return [
        f"  {row['share']:4.0%}  {_seconds(row['seconds']):>8}  "
        f"{row['line'] or '(no line)'}"
        for row in story["lines"][:20]
    ]


def _row(text: str, source: str) -> str:
    return f"  {text:<44}  # {source}" if source else f"  {text}"


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _seconds(x: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if x >= size:
            return f"{x / size:.3g} {unit}"
    return f"{x * 1e9:.0f} ns"
