"""Where the first nan or inf of a run was made.

The search walks from results that aren't finite to where they were made, so that a nan
in a branch that wasn't taken isn't blamed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.types import is_inexact
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.native import forms
from wengert.native.arithmetic import is_elementwise

_MOST = 3  # faults that are told
_NEAR = 100  # nodes among which a forward step is looked for


@dataclass(frozen=True)
class Fault:
    """Where a nan or inf was made.

    Attributes:
        step: the operation, `v1 = log(x)`.
        op: its op's name.
        element: the first element that is nan or inf.
        value: what it is: nan, inf or -inf.
        operands: each operand's name, its element or a summary of it, and how it was
            made, if that was in another line.
        line: the user's line.
        scope: the scope, "" for none.
    """

    step: str
    op: str
    element: tuple[int, ...]
    value: float
    operands: tuple[tuple[str, str, str], ...]
    line: str
    scope: str

    def __str__(self) -> str:
        at = f" at {list(self.element)}" if self.element else ""
        lines = [f"{self.value}{at} comes of {self.step}"]
        for name, text, made in self.operands:
            lines.append(f"  with {name} = {text}{f', of {made}' if made else ''}")
        lines += [f"  scope {self.scope}"] if self.scope else []
        return "\n".join([*lines, *([f"  in {self.line}"] if self.line else [])])


def made_bad(
    graph: Graph, values: Mapping[Node, Any], names: Mapping[Node, str]
) -> tuple[list[Fault], str]:
    """From results that aren't finite to the steps that made them so.

    Args:
        graph: the graph.
        values: every node's value.
        names: every node's name.

    Returns:
        The first faults, and the step at which an inf became a nan, or "".
    """
    pending = [n for n in graph.outputs if _is_bad(values[n])]
    seen: set[Node] = set()
    made: list[Node] = []
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        before = [i for i in _taken(node, values) if _is_bad(values[i])]
        if not before:
            made.append(node)
        pending += before
    made.sort(key=lambda n: n.number)
    first_nan = ""
    if made and not any(_has_nan(values[n]) for n in made):
        nans = [n for n in seen if _has_nan(values[n])]
        if nans:
            first = min(nans, key=lambda n: n.number)
            first_nan = f"{step_text(first, names)}   # {first.line}"
    return [_fault(n, values, names) for n in made[:_MOST]], first_nan


def _taken(node: Node, values: Mapping[Node, Any]) -> tuple[Node, ...]:
    """The operands that a result depends on: of a choice, those that were chosen."""
    if node.op.name != "where":
        return node.inputs
    condition, a, b = node.inputs
    on = np.asarray(values[condition], bool)
    taken = []
    for x, here in ((a, on), (b, ~on)):
        if np.any(here & ~np.isfinite(values[x])):
            taken.append(x)
    return tuple(taken)


def _is_bad(x: Any) -> bool:
    if isinstance(x, tuple):
        return any(map(_is_bad, x))
    x = np.asarray(x)
    return bool(is_inexact(x.dtype) and not np.isfinite(x).all())


def _has_nan(x: Any) -> bool:
    if isinstance(x, tuple):
        return any(map(_has_nan, x))
    x = np.asarray(x)
    return bool(is_inexact(x.dtype) and np.isnan(x).any())


def _fault(node: Node, values: Mapping[Node, Any], names: Mapping[Node, str]) -> Fault:
    y = values[node]
    y = np.asarray(y if not isinstance(y, tuple) else next(filter(_is_bad, y)))
    flat = int(np.argmax(~np.isfinite(y)))
    at = tuple(int(i) for i in np.unravel_index(flat, y.shape)) if y.ndim else ()
    operands = tuple(
        (names[i], _told(node, k, values, at), _made_elsewhere(i, node, names))
        for k, i in enumerate(node.inputs)
        if not (i.op is CONSTANT and not i.type.shape)
    )
    return Fault(
        step_text(node, names), node.op.name, at, y[at].item(), operands, node.line,
        node.scope,
    )  # fmt: skip


def _made_elsewhere(operand: Node, node: Node, names: Mapping[Node, str]) -> str:
    """The last step of another line that an operand comes of.

    Backward steps are on the line that asked for derivatives: what they come of is the
    forward step that they differentiate.
    """
    pending, seen = [operand], set[Node]()
    while pending and len(seen) < _NEAR:
        n = max(pending, key=lambda n: n.number)
        pending.remove(n)
        if n in seen:
            continue
        seen.add(n)
        if n.op not in (INPUT, CONSTANT) and n.line not in ("", node.line):
            return f"{step_text(n, names)} in {n.line}"
        pending += n.inputs
    return ""


def _told(node: Node, k: int, values: Mapping[Node, Any], at: tuple[int, ...]) -> str:
    """An operand: the element that was used, or what its elements are like."""
    operand = node.inputs[k]
    x = np.asarray(values[operand])
    if not x.shape:
        return f"{x[()]:.6g}" if x.dtype.kind == "f" else str(x[()])
    if is_elementwise(node):
        there = forms.at_operand(operand, at, node.shape)
        return str(x[tuple(int(i) for i in there if isinstance(i, int))])
    if x.size <= 8:
        return " ".join(np.array2string(x, precision=6).split())
    return f"{operand.type}, from {x.min()} to {x.max()}"


def step_text(node: Node, names: Mapping[Node, str]) -> str:
    """`v1 = log(x)`."""
    if node.op is INPUT:
        return f"the argument {names[node]}"
    if node.op is CONSTANT:
        return "a constant"
    if node.op is PART:
        return f"{names[node]} = {node.inputs[0].op.name}(…)[{node.params['index']}]"
    args = [names[i] for i in node.inputs]
    args += [f"{k}={v}" for k, v in node.params.items()]
    return f"{names[node]} = {node.op.name}({', '.join(args)})"
