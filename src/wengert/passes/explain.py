"""What a pass did, in the names of the graph that it began with."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.passes.rewrite import LOGS, Log

Names = dict[Node, str]


@dataclass(frozen=True)
class Step:
    """What one pass did: its name, the reason for its place, operations before and
    after, each change as a line, and the names of the steps that nothing needs now."""

    name: str
    why: str
    before: int
    after: int
    changes: tuple[str, ...]
    gone: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.before} → {self.after} operations  ({self.why})"]
        lines += [f"  {row}" for row in self.changes]
        if self.gone:
            lines.append(f"  no longer needed: {', '.join(self.gone)}")
        return "\n".join(lines)


def explained(
    run: Callable[[Graph], Graph], name: str, why: str, graph: Graph, names: Names
) -> tuple[Graph, Step, Names]:
    """Runs a pass; what it did, and the names that go on to the next one."""
    logs: list[Log] = []
    token = LOGS.set(logs)
    try:
        after = run(graph)
    finally:
        LOGS.reset(token)
    told: list[str] = []
    changed: set[Node] = set()
    later = names
    for log in logs:
        rows, later = _told(log, later)
        told += rows
        changed |= {c.old for c in log.changes}
    if not logs and after is not graph:  # a pass of the user's own
        told, later = _difference(graph, after), after.names()
    there = {later[n] for n in after.nodes}
    gone = tuple(
        names[n]
        for n in graph.nodes
        if n.inputs and n not in changed and names[n] not in there and logs
    )
    step = Step(name, why, operations(graph), operations(after), tuple(told), gone)
    return after, step, later


def operations(graph: Graph) -> int:
    """How many steps compute something."""
    return sum(n.op not in (INPUT, CONSTANT, PART) for n in graph.nodes)


def _told(log: Log, names: Names) -> tuple[list[str], Names]:
    """The changes of one rewriting as lines, and the names after it.

    A step keeps its name on its way; what stands for it takes it over, and what that is
    made of has letters behind it.
    """
    rules = {c.old: c.rule for c in log.changes}
    later: Names = {}
    taken = set(names.values())
    rows: list[str] = []
    for old, new in log.moved.items():
        if old not in rules or _inline(old):
            later.setdefault(new, names[old])
        else:
            made = _made(new, names[old], later, taken)
            rows.append(f"{rules[old]}: {line(old, names)}  →  {made}")
    return rows, later


def _made(new: Node, name: str, later: Names, taken: set[str]) -> str:
    """What stands for a step: a name that is known, or how it is computed."""
    if _inline(new):
        later.setdefault(new, _value(new.params["value"]))
    if new in later:
        return _argument(new, later)
    fresh: list[Node] = []
    pending = [new]
    while pending:
        node = pending.pop()
        if node in later or node in fresh:
            continue
        if _inline(node):
            later[node] = _argument(node, later)
            continue
        fresh.append(node)
        pending += node.inputs
    fresh.sort(key=lambda n: n.number)
    letters = (
        f"{name}{c}" for c in itertools.chain(ascii_lowercase, itertools.count())
    )
    for node in fresh[:-1]:
        later[node] = next(x for x in letters if x not in taken)
        taken.add(later[node])
    later[new] = name
    return "; ".join(line(n, later) for n in fresh)


def _difference(before: Graph, after: Graph) -> list[str]:
    old, new = before.lines().values(), after.lines().values()
    removed, added = dict.fromkeys(old), dict.fromkeys(new)
    return [f"- {row}" for row in removed if row not in added] + [
        f"+ {row}" for row in added if row not in removed
    ]


# One step as text ---------------------------------------------------------------------


def line(node: Node, names: Names) -> str:
    """`v2 = add(v0, 1.0)`"""
    return f"{names[node]} = {_right(node, names)}"


def _right(node: Node, names: Names) -> str:
    if node.op is INPUT:
        return "input"
    if node.op is CONSTANT:
        return _value(node.params["value"])
    args = [_argument(i, names) for i in node.inputs]
    args += [f"{k}={_param(k, v)}" for k, v in node.params.items()]
    return f"{node.op.name}({', '.join(args)})"


def _argument(node: Node, names: Names) -> str:
    return _value(node.params["value"]) if _inline(node) else names[node]


def _inline(node: Node) -> bool:
    """Numbers are written where they are used."""
    return node.op is CONSTANT and not node.type.shape


def _value(value: Any) -> str:
    if isinstance(value, Tracer) or np.ndim(value) == 0:
        return str(value)
    return " ".join(
        np.array2string(value, threshold=8, edgeitems=2, precision=6).split()
    )


def _param(name: str, value: Any) -> str:
    if name == "key" and isinstance(value, tuple):
        return f"[{', '.join(map(_entry, value))}]"
    return getattr(value, "__name__", None) or str(value)


def _entry(e: Any) -> str:
    """One entry of a key as it is written in brackets."""
    if not isinstance(e, slice):
        return str(e)
    ends = [e.start, e.stop] if e.step in (None, 1) else [e.start, e.stop, e.step]
    return ":".join("" if x is None else str(x) for x in ends)
