"""A graph as text: one line per step, as on the Wengert list of 1964."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node


def lines(graph: Graph) -> dict[Node, str]:
    """Each node but inputs and plain numbers as `name = op(arguments)`."""
    names = graph.names()
    return {
        n: f"{names[n]} = {_right(n, names)}"
        for n in graph.nodes
        if n.op is not INPUT and not _inline(n)
    }


def render(graph: Graph) -> str:
    """`name = op(arguments)   # type   scope   file.py:12`, in topological order."""
    names = graph.names()
    head = ", ".join(f"{names[n]}: {n.type}" for n in graph.inputs)
    rows = []
    for node, line in lines(graph).items():
        left = f"  {line}"
        notes = (_types(node), node.scope, node.line.partition(": ")[0])
        rows.append((left, "# " + "  ".join(filter(None, notes))))
    width = min(max((len(left) for left, _ in rows), default=0), 60)
    body = "\n".join(f"{left:<{width}}  {note}" for left, note in rows)
    outs = ", ".join(_name(n, names) for n in graph.outputs)
    return f"{graph.name}({head}):\n{body}\n  return {outs}"


def _right(node: Node, names: dict[Node, str]) -> str:
    if node.op is CONSTANT:
        return _value(node.params["value"])
    if node.op is PART:
        return f"{names[node.inputs[0]]}[{node.params['index']}]"
    args = [_name(i, names) for i in node.inputs]
    args += [f"{k}={_param(v)}" for k, v in node.params.items()]
    return f"{node.op.name}({', '.join(args)})"


def _name(node: Node, names: dict[Node, str]) -> str:
    return _value(node.params["value"]) if _inline(node) else names[node]


def _inline(node: Node) -> bool:
    """Numbers are written where they are used."""
    return node.op is CONSTANT and not node.type.shape


def _value(value: Any) -> str:
    if isinstance(value, Tracer):
        return repr(value)
    if np.ndim(value) == 0:
        return str(value)
    text = np.array2string(value, threshold=8, edgeitems=2, precision=6)
    return " ".join(text.split())


def _param(value: Any) -> str:
    return getattr(value, "__name__", None) or str(value)


def _types(node: Node) -> str:
    if isinstance(node.type, Type):
        return str(node.type)
    return ", ".join(map(str, node.type))
