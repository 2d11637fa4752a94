"""The plane of the points: where the network's score is zero, and the points on top."""

import numpy as np

from wengert.show.network.model import Floats, Frame, Params, scores
from wengert.show.network.svg import picture, place, text

GRID = 57  # points along each side of the grid on which the boundary is sought


def window(points: Floats) -> tuple[Floats, float]:
    """The lower left corner and the side of a square around the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = 1.16 * float(max(*(high - low), 1e-9))
    return (low + high - side) / 2, side


def score_grid(params: Params, points: Floats, count: int = GRID) -> Floats:
    """The scores over the window, one row per height, the highest first."""
    corner, side = window(points)
    steps = np.linspace(0.0, side, count)
    x, y = np.meshgrid(corner[0] + steps, corner[1] + steps[::-1])
    flat: Floats = scores(params, np.column_stack([x.ravel(), y.ravel()]))
    return flat.reshape(count, count)


def boundary(values: Floats, size: float) -> str:
    """Where a grid of values is zero, as the path of an SVG of that size.

    Each cell with both signs among its corners is crossed by a straight piece (marching
    squares); the places on its sides are interpolated.
    """
    positive = values > 0
    corners = [positive[:-1, :-1], positive[:-1, 1:], positive[1:, 1:],
               positive[1:, :-1]]  # fmt: skip
    mixed = np.argwhere(np.any(corners, axis=0) & ~np.all(corners, axis=0))
    cell = size / (len(values) - 1)
    pieces = []
    for row, column in mixed.tolist():
        ring = [(row, column), (row, column + 1), (row + 1, column + 1),
                (row + 1, column)]  # fmt: skip
        crossings = []
        for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
            if positive[a] != positive[b]:
                part = float(values[a] / (values[a] - values[b]))
                x, y = (p + part * (q - p) for p, q in zip(a[::-1], b[::-1],
                                                           strict=True))  # fmt: skip
                crossings.append(f"{place(x * cell)} {place(y * cell)}")
        if len(crossings) == 4 and positive[ring[0]] != (_middle(values, ring) > 0):
            crossings = crossings[1:] + crossings[:1]
        pieces += [
            f"M{p}L{q}" for p, q in zip(crossings[::2], crossings[1::2], strict=True)
        ]
    return "".join(pieces)


def _middle(values: Floats, ring: list[tuple[int, int]]) -> float:
    return sum(float(values[corner]) for corner in ring)


def marks(points: Floats, signs: Floats, size: float) -> list[str]:
    """The points: circles for +1, triangles for −1."""
    corner, side = window(points)
    at = (points - corner) / side * size
    drawn = []
    for (x, y), sign in zip(at.tolist(), signs.tolist(), strict=True):
        y = size - y
        if sign > 0:
            drawn.append(
                f'<circle class="plus" cx="{place(x)}" cy="{place(y)}" r="4.5"/>'
            )
        else:
            drawn.append(
                f'<path class="minus" d="M{place(x)} {place(y - 5)}l5 9h-10z"/>'
            )
    return drawn


def draw_boundaries(points: Floats, signs: Floats, frames: list[Frame]) -> str:
    """The decision boundary at several moments, side by side.

    Args:
        points: an array of shape (n, 2).
        signs: an array of shape (n,) of +1 and −1.
        frames: the moments, as of `train`.

    Returns:
        An SVG picture as text: a panel for each moment.

    >>> from wengert.show.network import moons, train
    >>> points, signs = moons(np.random.default_rng(0), 40)
    >>> drawn = draw_boundaries(points, signs, train(points, signs, 50, frames=3))
    >>> drawn.count('class="level"')
    3
    """
    size, gap = 240.0, 24.0
    parts = []
    for i, frame in enumerate(frames):
        path = boundary(score_grid(frame.params, points), size)
        x = gap + i * (size + gap)
        said = f"step {frame.step}: loss {frame.loss:.3f}, {frame.accuracy:.0%} right"
        parts += [
            text(x + size / 2, 28, said),
            f'<g transform="translate({place(x)} 44)">',
            f'<rect class="unit" width="{size:g}" height="{size:g}" rx="6"/>',
            *marks(points, signs, size),
            f'<path class="level" d="{path}"/></g>',
        ]
    width = gap + len(frames) * (size + gap)
    return picture(width, size + 64, "The decision boundary while it learns", parts)
