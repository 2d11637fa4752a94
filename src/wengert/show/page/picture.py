"""A story's graph as a static picture, for notebooks and for pages without scripts."""

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from wengert.show.page.layered import Plan, layered

LETTER = 7.4  # the width of a letter of 12 px in a monospaced font
WIDEST = 24  # letters in a row
MARGIN = 12
FOLD_ABOVE = 100  # nodes: more than this are drawn as boxes of several
BOXES = 12  # about as many boxes as a folded graph has
FEW = 16  # elements: larger arrays are named by their shape
ENDS = 6  # inputs that a folded graph still shows one by one
BACKWARD = "#c2500f"  # reads on white and on black


@dataclass
class _Box:
    """A node, or a run of nodes that one scope or part of the program holds."""

    name: str
    role: str
    note: str = ""
    rows: list[tuple[str, str]] = field(default_factory=list)

    @property
    def size(self) -> tuple[float, float]:
        heading = len(self.name) + (len(self.note) + 2 if self.note else 0)
        letters = max(
            [heading, *(len(label) + len(text) + 2 for label, text in self.rows)]
        )
        return max(44.0, letters * LETTER + 20), 28.0 + 18 * len(self.rows)


def svg(story: Mapping[str, Any]) -> str:
    """The graph with all values, adjoints and local derivatives.

    Ink has the colour of the text around the picture, so that it suits light and dark
    pages alike. Graphs of more than a hundred nodes are folded by scope.

    Args:
        story: what `Explanation.story()` returns.

    Returns:
        An SVG element that stands for itself: no style sheet, no script, no links.

    Example:
        >>> import wengert as wg
        >>> from wengert.show.page import svg
        >>> svg(wg.explain(lambda w: w * w, 3.0).story())[:4]
        '<svg'
    """
    nodes = story["nodes"]
    home, boxes = _folded(nodes) if len(nodes) > FOLD_ABOVE else _single(nodes)
    edges = _edges(nodes, home)
    local = _locals(story) if len(nodes) <= FOLD_ABOVE else {}
    # A node that uses another twice has two edges, and two labels for them.
    labels = ["; ".join(local.get(edge, ())) for edge in edges]
    plan = layered(
        [box.size for box in boxes], edges, [len(text) * LETTER for text in labels]
    )
    parts = [
        *_edge_marks(plan, labels),
        *itertools.chain.from_iterable(map(_box_marks, boxes, plan.spots)),
    ]
    return _document(str(story["title"]), plan, parts)


def _document(title: str, plan: Plan, parts: list[str]) -> str:
    width, height = plan.width + 2 * MARGIN, plan.height + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" '
            f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
            'style="max-width:100%;height:auto" fill="none" stroke="currentColor" '
            'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" '
            'font-size="12">',
            f"<title>The graph of {_safe(title)}</title>",
            f'<g transform="translate({MARGIN} {MARGIN})">',
            *parts,
            "</g>",
            "</svg>",
        ]
    )


def _single(nodes: list[dict[str, Any]]) -> tuple[dict[int, int], list[_Box]]:
    return {node["id"]: i for i, node in enumerate(nodes)}, [_box(n) for n in nodes]


def _box(node: Mapping[str, Any]) -> _Box:
    is_constant = node["role"] == "constant"
    note = node["expression"] if node["expression"] != node["name"] else ""
    rows = [] if is_constant else [("value", _brief(node["value"]))]
    if node["adjoint"] is not None and not is_constant:
        rows.append(("grad", _brief(node["adjoint"])))
    note = "" if is_constant else _clipped(note)
    return _Box(_clipped(node["name"]), node["role"], note, rows)


def _folded(nodes: list[dict[str, Any]]) -> tuple[dict[int, int], list[_Box]]:
    """Runs of the topological order, which never make a circle when folded."""
    few = sum(node["role"] == "input" for node in nodes) <= ENDS
    scopes = _scopes(nodes)

    def run_of(node: Mapping[str, Any]) -> tuple[str, int]:
        is_end = node["role"] == "output" or (few and node["role"] == "input")
        return scopes[node["id"]], node["id"] if is_end else -1

    runs = [list(run) for _, run in itertools.groupby(nodes, run_of)]
    long = [run for run in runs if len(run) > 1]
    if len(runs) > BOXES + ENDS or len(long) < 2:
        size = -(-len(nodes) // BOXES)
        ends = itertools.groupby(nodes, lambda node: run_of(node)[1])
        runs = [
            part[i : i + size]
            for part in (list(run) for _, run in ends)
            for i in range(0, len(part), size)
        ]
    home = {node["id"]: i for i, run in enumerate(runs) for node in run}
    return home, [_folded_box(run, {scopes[n["id"]] for n in run}) for run in runs]


def _scopes(nodes: list[dict[str, Any]]) -> dict[int, str]:
    """The outermost scope of each node; constants belong to what they are used in."""
    found: dict[int, str] = {}
    scope = ""
    for node in reversed(nodes):
        if node["role"] != "constant":
            scope = str(node["group"]).split("/")[0]
        found[node["id"]] = scope
    return found


def _folded_box(run: list[dict[str, Any]], scopes: set[str]) -> _Box:
    if len(run) == 1:
        return _box(run[0])
    name = next(iter(scopes)) if len(scopes) == 1 else ""
    return _Box(
        _clipped(name or f"{run[0]['name']} … {run[-1]['name']}"),
        "folded",
        rows=[("nodes", str(len(run)))],
    )


def _edges(
    nodes: list[dict[str, Any]], home: Mapping[int, int]
) -> list[tuple[int, int]]:
    pairs = (
        (home[source], home[node["id"]]) for node in nodes for source in node["inputs"]
    )
    return [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]


def _locals(story: Mapping[str, Any]) -> dict[tuple[int, int], list[str]]:
    """The local derivatives by edge, from the steps of the backward pass."""
    place = {node["id"]: i for i, node in enumerate(story["nodes"])}
    found: dict[tuple[int, int], list[str]] = {}
    for step in story["backward"]:
        if step["local"] is not None and step["from"] is not None:
            edge = place[step["to"]], place[step["from"]]
            found.setdefault(edge, []).append(_clipped(_local_text(step["local"])))
    return found


def _local_text(local: Mapping[str, Any]) -> str:
    symbol, value = str(local["symbol"]), local["value"]
    is_number = value is not None and not value["shape"]
    if not is_number or value["text"] == symbol.replace("-", "−"):
        return symbol
    return f"{symbol} = {value['text']}"


def _edge_marks(plan: Plan, labels: list[str]) -> Iterator[str]:
    places = [_middle(points) for points in plan.routes]
    name = "gaps-" + hashlib.sha256(repr((places, labels)).encode()).hexdigest()[:12]
    yield _gaps(name, plan, places, labels)
    yield f'<g mask="url(#{name})">'
    for points in plan.routes:
        yield f'<path d="{_curve(points)}" stroke-opacity="0.55"/>'
        x, y = points[-1]
        head = f"M{x - 8:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - 8:.1f} {y + 4:.1f}"
        yield f'<path d="{head}" stroke-opacity="0.55"/>'
    yield "</g>"
    for (x, y), label in zip(places, labels, strict=True):
        if label:
            yield _text(x, y + 4, label, fill=BACKWARD, anchor="middle", size=11)


def _middle(points: list[tuple[float, float]]) -> tuple[float, float]:
    (x0, y0), (x1, y1) = points[:2]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _gaps(
    name: str, plan: Plan, places: list[tuple[float, float]], labels: list[str]
) -> str:
    """A mask that interrupts the edges where labels stand, on any background."""
    room = f'x="0" y="0" width="{plan.width:.0f}" height="{plan.height:.0f}"'
    holes = [
        f'<rect x="{x - len(label) * LETTER / 2 - 3:.1f}" y="{y - 8:.1f}" '
        f'width="{len(label) * LETTER + 6:.1f}" height="16" fill="black"/>'
        for (x, y), label in zip(places, labels, strict=True)
        if label
    ]
    return (
        f'<mask id="{name}" maskUnits="userSpaceOnUse" {room}>'
        f'<rect {room} fill="white" stroke="none"/><g stroke="none">{"".join(holes)}'
        "</g></mask>"
    )


def _curve(points: list[tuple[float, float]]) -> str:
    """Level where it leaves and arrives, as if drawn by hand."""
    (x, y), *rest = points
    path = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        half = (x + to_x) / 2
        path += f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    return path


def _box_marks(box: _Box, spot: Any) -> Iterator[str]:
    width, height = box.size
    x, y = spot.x - width / 2, spot.y - height / 2
    yield _outline(box.role, x, y, width, height)
    if box.role == "output":
        yield _outline("inner", x + 3, y + 3, width - 6, height - 6)
    yield _text(x + 10, y + 18, box.name, weight="bold")
    if box.note:
        yield _text(x + width - 10, y + 18, box.note, anchor="end", size=11)
    for i, (label, text) in enumerate(box.rows):
        yield _text(x + 10, y + 37 + 18 * i, label, size=11, opacity=0.7)
        fill = BACKWARD if label == "grad" else "currentColor"
        yield _text(x + width - 10, y + 37 + 18 * i, text, anchor="end", fill=fill)


def _outline(role: str, x: float, y: float, width: float, height: float) -> str:
    radius = {"input": 14, "folded": 2}.get(role, 4)
    dashes = ' stroke-dasharray="5 4"' if role == "constant" else ""
    heavy = ' stroke-width="2.5"' if role == "folded" else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{radius}" fill="currentColor" fill-opacity="0.03"{dashes}{heavy}/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    fill: str = "currentColor",
    anchor: str = "start",
    size: int = 12,
    weight: str = "normal",
    opacity: float = 1.0,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" stroke="none" fill="{fill}" '
        f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill-opacity="{opacity:g}">{_safe(text)}</text>'
    )


def _safe(text: str) -> str:
    """Text for XML, which has no place for control characters, escaped or not."""
    return escape("".join(c if c.isprintable() else " " for c in text))


def _clipped(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _brief(value: Mapping[str, Any]) -> str:
    """A value in one row: its text if that fits, else what kind of array it is."""
    text, shape = str(value["text"]), value["shape"]
    if not shape or (len(text) <= WIDEST and math.prod(shape) <= FEW):
        return _clipped(text)
    if len(shape) == 1:
        return f"array of {shape[0]}"
    return f"{' × '.join(map(str, shape))} array"
