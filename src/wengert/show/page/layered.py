"""Places for the boxes of a static picture: layers from left to right.

The steps of Sugiyama, Tagawa and Toda (1981): a layer for each box, so that edges point
to the right; an order within the layers that crosses few edges; then heights, near
those of the neighbours. The page itself uses a whole library for this; a picture that
stands still, of at most some hundred boxes, needs no more than these hundred lines.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

SWEEPS = 12  # of ordering and of placing: beyond this little changes
ROW_GAP = 18.0
LINE_ROOM = 14.0  # height that an edge takes in a layer that it passes


@dataclass
class Spot:
    """A box, or a place where an edge passes a layer."""

    width: float
    height: float
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)


@dataclass
class Plan:
    """Centres of the boxes, the points that each edge goes through, and the size."""

    spots: list[Spot]
    routes: list[list[tuple[float, float]]]
    width: float
    height: float


def layered(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[float],
) -> Plan:
    """Lay boxes out.

    Args:
        sizes: width and height of each box, in topological order.
        edges: pairs of places in `sizes`, the first before the second.
        labels: the width that each edge's label needs.

    Returns:
        Where everything stands; coordinates begin at 0.
    """
    spots = [Spot(*size) for size in sizes]
    _assign_layers(spots, edges)
    chains = [_chain(spots, *edge) for edge in edges]
    columns = _columns(spots)
    for turn in range(SWEEPS):
        _reorder(spots, columns, leftward=bool(turn % 2))
    _stack(spots, columns)
    for turn in range(SWEEPS):
        _settle(spots, columns, leftward=bool(turn % 2))
    width = _place_columns(spots, columns, chains, labels)
    top = min((s.y - s.height / 2 for s in spots), default=0.0)
    for spot in spots:
        spot.y -= top
    height = max((s.y + s.height / 2 for s in spots), default=0.0)
    return Plan(spots, [_route(spots, chain) for chain in chains], width, height)


def _assign_layers(spots: list[Spot], edges: Sequence[tuple[int, int]]) -> None:
    """As early as the arguments allow; what has none stands beside its first use."""
    users: list[list[int]] = [[] for _ in spots]
    is_fed = [False] * len(spots)
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        spots[target].layer = max(spots[target].layer, spots[source].layer + 1)
        users[source].append(target)
        is_fed[target] = True
    for i, spot in enumerate(spots):
        if not is_fed[i] and users[i]:
            spot.layer = min(spots[user].layer for user in users[i]) - 1


def _chain(spots: list[Spot], source: int, target: int) -> list[int]:
    """An edge as steps between neighbouring layers."""
    chain = [source]
    for layer in range(spots[source].layer + 1, spots[target].layer):
        spots.append(Spot(0.0, LINE_ROOM, layer))
        chain.append(len(spots) - 1)
    chain.append(target)
    for a, b in itertools.pairwise(chain):
        spots[a].right.append(b)
        spots[b].left.append(a)
    return chain


def _columns(spots: list[Spot]) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in range(1 + max(s.layer for s in spots))]
    for i, spot in enumerate(spots):
        columns[spot.layer].append(i)
    for column in columns:
        for rank, i in enumerate(column):
            spots[i].y = float(rank)
    return columns


def _near(spots: list[Spot], i: int, leftward: bool) -> float:
    """The mean height of the neighbours on one side, or the own one."""
    spot = spots[i]
    others = spot.right if leftward else spot.left
    return sum(spots[k].y for k in others) / len(others) if others else spot.y


def _reorder(spots: list[Spot], columns: list[list[int]], leftward: bool) -> None:
    for column in reversed(columns) if leftward else columns:
        near = {i: _near(spots, i, leftward) for i in column}
        column.sort(key=near.__getitem__)
        for rank, i in enumerate(column):
            spots[i].y = float(rank)


def _gap(a: Spot, b: Spot) -> float:
    return (a.height + b.height) / 2 + ROW_GAP


def _stack(spots: list[Spot], columns: list[list[int]]) -> None:
    for column in columns:
        y = 0.0
        for above, i in zip([None, *column], column, strict=False):
            y = y + _gap(spots[above], spots[i]) if above is not None else 0.0
            spots[i].y = y
        for i in column:
            spots[i].y -= y / 2


def _settle(spots: list[Spot], columns: list[list[int]], leftward: bool) -> None:
    """Move towards the neighbours; then push apart what would overlap."""
    for column in reversed(columns) if leftward else columns:
        wanted = [_near(spots, i, leftward) for i in column]
        down, up = list(wanted), list(wanted)
        for k in range(1, len(column)):
            gap = _gap(spots[column[k - 1]], spots[column[k]])
            down[k] = max(down[k], down[k - 1] + gap)
        for k in range(len(column) - 2, -1, -1):
            gap = _gap(spots[column[k]], spots[column[k + 1]])
            up[k] = min(up[k], up[k + 1] - gap)
        for i, low, high in zip(column, down, up, strict=True):
            spots[i].y = (low + high) / 2  # both keep the gaps, so their mean does


def _place_columns(
    spots: list[Spot],
    columns: list[list[int]],
    chains: list[list[int]],
    labels: Sequence[float],
) -> float:
    gaps = [44.0] * len(columns)
    for chain, label in zip(chains, labels, strict=True):
        layer = spots[chain[0]].layer
        gaps[layer] = max(gaps[layer], label + 28)
    x = 0.0
    for column, gap in zip(columns, gaps, strict=True):
        width = max(spots[i].width for i in column)
        for i in column:
            spots[i].x = x + width / 2
        x += width + gap
    return x - gaps[-1]


def _route(spots: list[Spot], chain: list[int]) -> list[tuple[float, float]]:
    first, last = spots[chain[0]], spots[chain[-1]]
    passed = [(spots[i].x, spots[i].y) for i in chain[1:-1]]
    start = (first.x + first.width / 2, first.y)
    return [start, *passed, (last.x - last.width / 2, last.y)]
