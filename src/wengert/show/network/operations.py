"""The same network as operations: the graph that `wg.trace` records of its loss."""

from typing import Any

import numpy as np

import wengert as wg
from wengert.show.network.model import Params, checked, loss
from wengert.show.network.svg import picture, place, text

COLUMN, ROW = 116.0, 84.0
WIDE, HIGH = 94.0, 46.0
LEFT, TOP = 70.0, 86.0

# What an op is written as, with its constants in place of `…`.
SIGNS = {
    "matmul": "@",
    "add": "+",
    "multiply": "·",
    "negative": "−",
    "tanh": "tanh",
    "logaddexp": "log(1 + eˣ)",
    "sum": "Σ",
}


def draw_operations(params: Params, points: int = 160) -> str:
    """The loss of the network as a picture of its operations, with their shapes.

    Args:
        params: W1 (2, hidden), b1 (hidden,), W2 (hidden,) and b2 (), as of `start`.
        points: how many points the network is applied to at once.

    Returns:
        An SVG picture as text. The nodes are those of `wg.trace(loss, …)`.

    >>> from wengert.show.network import start
    >>> drawn = draw_operations(start(np.random.default_rng(0)))
    >>> drawn.count('class="unit op"'), "160 × 10" in drawn
    (10, True)
    """
    graph = wg.trace(loss, checked(params), np.zeros((points, 2)), np.zeros(points))
    at = positions(graph)
    columns = max(x for x, _ in at.values())
    rows = max(y for _, y in at.values())
    parts = _bands(graph, at)
    parts += [
        _edge(at[source], at[node]) for node in at for source in node.inputs
        if source in at
    ]  # fmt: skip
    parts += [_box(node, *at[node]) for node in at]
    width, height = LEFT * 2 + COLUMN * columns, TOP + ROW * rows + 46
    return picture(width, height, "The operations of the network's loss", parts)


def positions(graph: wg.Graph) -> dict[wg.Node, tuple[int, int]]:
    """Column and row of each node but the constants, which are in their users' boxes.

    The longest path to the output is the first row. What joins it stands below the
    node that needs it first.
    """
    drawn = [n for n in graph.nodes if n.op.name != "constant"]
    depth: dict[wg.Node, int] = {}
    for node in drawn:
        depth[node] = max((depth[i] + 1 for i in node.inputs if i in depth), default=0)
    path = [graph.outputs[0]]
    while feeds := [i for i in path[-1].inputs if i in depth]:
        path.append(max(feeds, key=lambda n: depth[n]))
    column = {node: len(path) - 1 - i for i, node in enumerate(path)}
    at = {node: (column[node], 0) for node in reversed(path)}
    filled = dict.fromkeys(column.values(), 0)
    for node in reversed(drawn):
        if node not in at:
            x = min(at[user][0] for user in graph.users(node))
            filled[x] += 1
            at[node] = (x, filled[x])
    return at


def _edge(source: tuple[int, int], node: tuple[int, int]) -> str:
    """An arrow between two boxes: along the first row, or up a column."""
    x, y = LEFT + COLUMN * source[0], TOP + ROW * source[1]
    u, v = LEFT + COLUMN * node[0], TOP + ROW * node[1]
    if source[1] == node[1]:
        x, u = x + WIDE / 2, u - WIDE / 2
        head = f"M{place(u)} {place(v)}l-8 -4.5v9z"
        u -= 7
    else:
        y, v = y - HIGH / 2, v + HIGH / 2
        head = f"M{place(u)} {place(v)}l-4.5 8h9z"
        v += 7
    way = f"M{place(x)} {place(y)}L{place(u)} {place(v)}"
    return f'<path class="flow" d="{way}"/><path class="head" d="{head}"/>'


def _box(node: wg.Node, column: int, row: int) -> str:
    x, y = LEFT + COLUMN * column, TOP + ROW * row
    is_leaf = not node.inputs
    corner = HIGH / 2 if is_leaf else 6
    kind = "leaf" if is_leaf else "op"
    shape = " × ".join(map(str, node.shape)) or "one number"
    return (
        f'<g><rect class="unit {kind}" x="{place(x - WIDE / 2)}"'
        f' y="{place(y - HIGH / 2)}" width="{WIDE:g}" height="{HIGH:g}"'
        f' rx="{corner:g}"/>{text(x, y - 2, _said(node))}'
        f"{text(x, y + 15, shape, 'mid soft')}</g>"
    )


def _said(node: wg.Node) -> str:
    """What stands in a node's box."""
    if not node.inputs:
        name = str(node.name).removeprefix("params['").removesuffix("']")
        return name.translate(str.maketrans("12", "₁₂"))
    if node.op.name == "divide" and node.inputs[1].op.name == "constant":
        return f"÷ {np.asarray(node.inputs[1].params['value']).item():g}"
    return SIGNS.get(node.op.name, node.op.name)


def _bands(graph: wg.Graph, at: dict[wg.Node, tuple[int, int]]) -> list[str]:
    """A frame with a title around the operations of each scope."""
    scopes: dict[str, list[int]] = {}
    for node, (column, row) in at.items():
        if node.scope and row == 0:
            scopes.setdefault(node.scope, []).append(column)
    drawn: list[str] = []
    for scope, columns in scopes.items():
        x: Any = LEFT + COLUMN * min(columns) - WIDE / 2 - 8
        width = COLUMN * (max(columns) - min(columns)) + WIDE + 16
        drawn += [
            f'<rect class="band" x="{place(x)}" y="{place(TOP - 62)}"'
            f' width="{place(width)}" height="{place(HIGH + 52)}" rx="10"/>',
            text(x + width / 2, TOP - 40, scope),
        ]
    return drawn
