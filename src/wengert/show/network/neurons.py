"""The network as neurons: a circle for each unit, a line for each weight."""

from typing import Any

import numpy as np

from wengert.show.network.model import Params, checked
from wengert.show.network.svg import number, picture, place, text

ROW = 40.0
COLUMNS = (66.0, 260.0, 454.0)
WIDTH = 520.0
TOP = 74.0
RADIUS = 15.0
THICK = 5.0  # the strongest weight's line


def draw_neurons(params: Params) -> str:
    """The network as a picture of its units, with every weight as a line.

    The stronger a weight, the thicker its line; a negative one is dashed, and all
    numbers are in tooltips.

    Args:
        params: W1 (2, hidden), b1 (hidden,), W2 (hidden,) and b2 (), as of `start`.

    Returns:
        An SVG picture as text.

    >>> from wengert.show.network import start
    >>> picture = draw_neurons(start(np.random.default_rng(0)))
    >>> picture.count("<circle"), picture.count(" → ")
    (13, 30)
    """
    hidden = len(checked(params)["b1"])
    rows = max(hidden, 5) - 1  # the two inputs stand four rows apart
    height = TOP + ROW * rows + 74.0
    label = f"Three-layer network: two inputs, {hidden} hidden units, one output"
    middle = TOP + ROW * rows / 2
    heads = ("input layer", "hidden layer", "output layer")
    says = ("2 units", f"{hidden} units, tanh", "1 unit: the score")
    parts = [text(x, 26, said) for x, said in zip(COLUMNS, heads, strict=True)]
    parts += [
        text(x, 44, said, "mid soft") for x, said in zip(COLUMNS, says, strict=True)
    ]
    parts += _edges(params, middle)
    parts += _units(params, middle)
    legend = height - 18
    parts += [
        f'<path class="edge up" d="M58 {legend - 4}h34" stroke-width="3"/>',
        text(100, legend, "weight above zero", "soft"),
        f'<path class="edge down" d="M250 {legend - 4}h34" stroke-width="3"/>',
        text(292, legend, "below zero; thicker is stronger", "soft"),
    ]
    return picture(WIDTH, height, label, parts)


def places(hidden: int, middle: float) -> tuple[list[float], list[float]]:
    """The heights of the inputs and of the hidden units."""
    units = [middle + ROW * (i - (hidden - 1) / 2) for i in range(hidden)]
    return [middle - 2 * ROW, middle + 2 * ROW], units


def weights(params: Params) -> list[float]:
    """All weights in the order in which their lines are drawn."""
    W1, W2 = np.asarray(params["W1"], float), np.asarray(params["W2"], float)
    return [*W1.ravel().tolist(), *W2.ravel().tolist()]


def thickness(values: list[float]) -> list[float]:
    """How thick each weight's line is: by its size among all, and never gone."""
    strongest = max(map(abs, values), default=0.0) or 1.0
    return [round(0.5 + (THICK - 0.5) * abs(v) / strongest, 2) for v in values]


def _edges(params: Params, middle: float) -> list[str]:
    values = weights(params)
    hidden = len(np.asarray(params["b1"]))
    inputs, units = places(hidden, middle)
    ends: list[tuple[Any, ...]] = [
        (COLUMNS[0], a, COLUMNS[1], b, f"x{_low(i)} → h{_low(j)}")
        for i, a in enumerate(inputs)
        for j, b in enumerate(units)
    ]
    ends += [
        (COLUMNS[1], b, COLUMNS[2], middle, f"h{_low(j)} → score")
        for j, b in enumerate(units)
    ]
    return [
        f'<path class="edge {"down" if value < 0 else "up"}" stroke-width="{width:g}"'
        f' d="M{place(x)} {place(y)}L{place(u)} {place(v)}">'
        f"<title>{name}: {number(value)}</title></path>"
        for (x, y, u, v, name), value, width in zip(
            ends, values, thickness(values), strict=True
        )
    ]


def _units(params: Params, middle: float) -> list[str]:
    biases = np.asarray(params["b1"], float)
    inputs, units = places(len(biases), middle)
    rows = [
        (COLUMNS[0], y, f"x{_low(i)}", f"x{_low(i)}, input {i + 1}")
        for i, y in enumerate(inputs)
    ]
    rows += [
        (COLUMNS[1], y, f"h{_low(j)}", f"h{_low(j)} = tanh(… + {number(b)})")
        for j, (y, b) in enumerate(zip(units, biases, strict=True))
    ]
    bias = number(float(params["b2"]))
    rows.append((COLUMNS[2], middle, "s", f"score = … + {bias}"))
    return [
        f'<g><title>{said}</title><circle class="unit" cx="{place(x)}"'
        f' cy="{place(y)}" r="{RADIUS:g}"/>{text(x, y + 5, name)}</g>'
        for x, y, name, said in rows
    ]


def _low(i: int) -> str:
    """A counting number below the line."""
    return str(i + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
