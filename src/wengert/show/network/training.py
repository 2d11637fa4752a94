"""A page on which the network learns: the boundary moves, and the weights change."""

import base64
import json
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from wengert.show.network.model import Floats, Frame, points_of
from wengert.show.network.neurons import draw_neurons, thickness, weights
from wengert.show.network.operations import draw_operations
from wengert.show.network.plane import boundary, marks, score_grid
from wengert.show.network.svg import place, text

SIZE = 400.0  # the plane
CELLS = 40  # shades along a side
CURVE = (800.0, 190.0)  # the curve of the loss
HERE = Path(__file__).parent


def training_page(
    points: Any, signs: Any, frames: list[Frame], title: str = "A network learns"
) -> str:
    """A page in one file that shows a training, moment by moment.

    It needs no network and no other file: Play, Step, Back, a slider and the keyboard
    move through the frames; the decision boundary, the weights and the loss follow.
    `page.html#3` opens at the fourth frame, and `page.html#play` plays at once.

    Args:
        points: an array of shape (n, 2).
        signs: an array of shape (n,) of +1 and −1.
        frames: the moments, as of `train`; at least one.
        title: what stands above.

    Returns:
        HTML as text, to be written to a file in UTF-8.

    >>> from wengert.show.network import moons, train
    >>> points, signs = moons(np.random.default_rng(0), 40)
    >>> page = training_page(points, signs, train(points, signs, 50, frames=3), "Moons")
    >>> page.startswith("<!doctype html>"), "<h1>Moons</h1>" in page
    (True, True)
    """
    points, signs = points_of(points, signs)
    if not frames:
        raise ValueError("expected at least one frame; came none: call train(…) first")
    style = (HERE / "page.css").read_text("utf-8")
    script = (HERE / "page.js").read_text("utf-8")
    data = [_data(frame, points) for frame in frames]
    last = frames[-1]
    parts = {
        "title": escape(title),
        "style": style,
        "script": script,
        "hash": base64.b64encode(sha256(script.encode()).digest()).decode(),
        # `<` is written as an escape, so that no text in it can end the element.
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "last": str(len(frames) - 1),
        "plane": _plane(points, signs, data[-1]["level"]),
        "neurons": draw_neurons(last.params),
        "operations": draw_operations(last.params, len(points)),
        "curve": _curve(frames),
        "points": str(len(points)),
        "steps": str(last.step),
        "cells": str(CELLS),
    }
    page = (HERE / "page.html").read_text("utf-8")
    pieces = page.split("⟦")
    filled = [
        parts[name] + rest for name, rest in (p.split("⟧", 1) for p in pieces[1:])
    ]
    return pieces[0] + "".join(filled)


def _data(frame: Frame, points: Floats) -> dict[str, Any]:
    """What the script needs of a moment. Shades are bytes: 0 sure of −1, 255 of +1."""
    sure = np.tanh(score_grid(frame.params, points, CELLS) / 2)
    shades = np.round(127.5 * (1 + sure)).astype(np.uint8)
    values = weights(frame.params)
    return {
        "step": frame.step,
        "loss": f"{frame.loss:.4f}",
        "right": f"{frame.accuracy:.1%}",
        "level": boundary(score_grid(frame.params, points), SIZE),
        "shades": base64.b64encode(shades.tobytes()).decode(),
        "weights": [round(v, 3) for v in values],
        "thick": thickness(values),
    }


def _plane(points: Floats, signs: Floats, level: str) -> str:
    """The points and the boundary; the shades are on a canvas below."""
    return (
        f'<svg class="wg" viewBox="0 0 {SIZE:g} {SIZE:g}" role="img"'
        ' aria-label="The points of both classes, and the decision boundary">'
        + "".join(marks(points, signs, SIZE))
        + f'<path class="level" id="level" d="{level}"/></svg>'
    )


def _curve(frames: list[Frame]) -> str:
    """The loss over the steps. Both axes are even in powers of ten."""
    width, height = CURVE
    left, right, top, bottom = 76.0, 16.0, 16.0, 40.0
    floor = height - bottom
    losses = np.log10([max(f.loss, 1e-12) for f in frames])
    low, high = float(losses.min()), float(losses.max())
    steps = np.log10([f.step + 1.0 for f in frames])
    xs = left + steps / max(float(steps[-1]), 1e-9) * (width - left - right)
    ys = top + (high - losses) / max(high - low, 1e-9) * (floor - top)
    line = "L".join(f"{place(x)} {place(y)}" for x, y in zip(xs, ys, strict=True))
    said = [
        text(left - 8, float(ys[losses.argmax()]) + 4, f"{10**high:.3f}", "end soft"),
        text(left - 8, float(ys[losses.argmin()]) + 4, f"{10**low:.3f}", "end soft"),
        text(width / 2, height - 8, "steps (both axes logarithmic)", "mid soft"),
        text(left, height - 8, str(frames[0].step), "mid soft"),
        text(width - right, height - 8, str(frames[-1].step), "end soft"),
    ]
    dots = json.dumps([[round(float(x), 1), round(float(y), 1)]
                       for x, y in zip(xs, ys, strict=True)])  # fmt: skip
    return (
        f'<svg class="wg" viewBox="0 0 {width:g} {height:g}" role="img" id="curve"'
        f' aria-label="The loss, falling with the steps" data-dots="{escape(dots)}">'
        f'<path class="band" d="M{left:g} {top:g}V{floor:g}H{width - right:g}"/>'
        f'<path class="curve" d="M{line}"/>{"".join(said)}<circle id="dot"'
        f' class="dot" r="7" cx="{place(xs[-1])}" cy="{place(ys[-1])}"/>'
        "</svg>"
    )
