"""A story's graph in the DOT language of Graphviz."""

from collections.abc import Mapping
from typing import Any

_SHAPES = {
    "input": "shape=box, style=rounded",
    "constant": "shape=box, style=dashed",
    "operation": "shape=box",
    "output": "shape=box, peripheries=2",
}


def dot(story: Mapping[str, Any]) -> str:
    r"""The graph with values and adjoints, for `dot -Tpdf` and other tools.

    Args:
        story: what `Explanation.story()` returns.

    Returns:
        A directed graph, left to right. Names are quoted, so that none of them is read
        as markup.

    Example:
        >>> import wengert as wg
        >>> from wengert.show.page import dot
        >>> print(dot(wg.explain(lambda w: w * w, 3.0).story()).splitlines()[0])
        digraph {
    """
    lines = ["digraph {", "  rankdir=LR;", '  node [fontname="monospace"];']
    lines += [f"  {node['id']} [{_label(node)}];" for node in story["nodes"]]
    lines += [
        f"  {source} -> {node['id']};"
        for node in story["nodes"]
        for source in node["inputs"]
    ]
    return "\n".join([*lines, "}", ""])


def _label(node: Mapping[str, Any]) -> str:
    named = node["expression"] and node["expression"] != node["name"]
    rows = [f"{node['name']} = {node['expression']}" if named else node["name"]]
    rows.append(f"value {node['value']['text']}")
    if node["adjoint"] is not None:
        rows.append(f"grad {node['adjoint']['text']}")
    return f"label={_quoted(rows)}, {_SHAPES[node['role']]}"


def _quoted(rows: list[str]) -> str:
    """Lines in one quoted string: a backslash or a quote stands for itself."""
    escaped = (
        "".join(c if c.isprintable() else " " for c in row)
        .replace("\\", "\\\\")
        .replace('"', '\\"')
        for row in rows
    )
    return '"' + "\\n".join(escaped) + '"'
