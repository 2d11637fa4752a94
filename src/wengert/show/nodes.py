"""The nodes of a run as a story tells them."""

from typing import Any

from wengert.graph.graph import CONSTANT, INPUT, Node
from wengert.graph.variables import place_of
from wengert.show.adjoints import Adjoints
from wengert.show.run import Run, inputs_of, is_operation, op_of
from wengert.show.story import NodeStory


def node_stories(
    run: Run, adjoints: Adjoints, home: Any, source: list[list[Any]]
) -> list[NodeStory]:
    """The nodes; `home` is the code of the function explained, None for a formula."""
    only = source[0][0] if home is None and len(source) == 1 else None
    outputs = set(run.graph.outputs)
    told: list[NodeStory] = []
    for node in run.shown:
        adjoint = adjoints.final.get(node)
        line, group = _located(node, home)
        line = only if is_operation(node) and line is None else line
        told.append(
            {
                "id": run.place[node],
                "name": run.name(node),
                "op": op_of(node)[0].name,
                "expression": run.expression(node) if is_operation(node) else "",
                "inputs": [run.place[i] for i in inputs_of(node)],
                "shape": list(node.shape),
                "dtype": str(node.dtype),
                "role": _role(run, node, outputs),
                "line": line,
                "group": group,
                "value": run.told(run.values[node]),
                "adjoint": None if adjoint is None else run.told(adjoint),
            }
        )
    return told


def _role(run: Run, node: Node, outputs: set[Node]) -> str:
    if node.op is CONSTANT:
        return "constant"
    if node.op is INPUT:
        return "input" if node in run.wanted else "constant"
    return "output" if node in outputs else "operation"


def _located(node: Node, home: Any) -> tuple[int | None, str]:
    """Its line, if that is in the file explained, and its scope or function."""
    place = place_of(node) if home is not None else None
    if place is None:
        return None, node.scope
    code: Any = node.source[0] if isinstance(node.source, tuple) else None
    inner = "" if code is home else place.function.strip("<>")
    line = place.line if place.file == home.co_filename else None
    return line, "/".join(filter(None, (node.scope, inner)))
