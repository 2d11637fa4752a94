"""The gradient beside what finite differences and computer algebra say.

Finite differences are of the graph, so they follow the branches that this run took.
"""

import math
from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.graph.graph import Node
from wengert.show.adjoints import Adjoints
from wengert.show.run import Run
from wengert.show.story import Check
from wengert.show.symbolic import Symbolic
from wengert.show.value import plain, value_of
from wengert.transforms.backward import zeros_ct

EFFORT = 200_000  # evaluations of small nodes, for all differences together
ELEMENTS = 64  # of an input of which each is moved
CURVES = 8  # inputs that get a curve
STEPS = [10.0 ** (-k / 2) for k in range(31)]


class Differences:
    """Differences of Σ ct·result along elements of the inputs."""

    def __init__(self, run: Run, seeds: dict[Node, Array]) -> None:
        self._run = run
        # A node that is a result twice has one seed, which counts for both.
        outputs = run.graph.outputs
        first = [n not in outputs[:i] for i, n in enumerate(outputs)]
        self._cts = [
            seeds[n] if n in seeds and once else zeros_ct(n.type)
            for n, once in zip(outputs, first, strict=True)
        ]
        self.leaves = [run.values[n] for n in run.graph.inputs]
        cost = run.graph.cost()
        # In evaluations of a number: about 3 µs each, the time of 3,000 operations.
        self.each = len(run.graph.nodes) + cost.flops // 3000 + cost.bytes // 10_000
        self.left = EFFORT
        # That of the least precise step on the way.
        kinds = [n.dtype for n in run.active if n.dtype.kind in "fc"]
        self.precision = max(float(np.finfo(kind).eps) for kind in kinds)

    def slope(
        self, i: int, element: tuple[int, ...], step: float, sides: int = 2
    ) -> Any:
        """The derivative by one element of input i; of a complex one, both parts.

        `sides` is 2 for the central difference, and 1 for (f(x + h) − f(x))/h just as
        it is written.
        """
        with np.errstate(all="ignore"):
            real = self._difference(i, element, step, sides)
            if self._run.graph.inputs[i].dtype.kind != "c":
                return real
            return complex(real, self._difference(i, element, step * 1j, sides))

    def _difference(
        self, i: int, element: tuple[int, ...], step: complex, sides: int
    ) -> float:
        if sides == 1:
            up = self._value(self._moved(i, element, step)[0])
            return float(up - self._value(self.leaves)) / abs(step)
        high, low = self._moved(i, element, step), self._moved(i, element, -step)
        up, down = high[1][element], low[1][element]
        width = abs(complex(up) - complex(down))  # as far as it really moved
        if not width:
            return 0.0
        return float(self._value(high[0]) - self._value(low[0])) / width

    def _moved(self, i: int, element: tuple[int, ...], step: complex) -> Any:
        x = np.array(self.leaves[i])
        x[element] += step if x.dtype.kind == "c" else step.real
        leaves = [*self.leaves[:i], x[()], *self.leaves[i + 1 :]]
        return leaves, x

    def _value(self, leaves: list[Array]) -> float:
        self.left -= self.each
        total = 0.0
        found = self._run.graph.evaluate(leaves)
        for ct, y in zip(self._cts, found, strict=True):
            # Only what the cotangent asks for: 0·inf would be nan.
            asked = np.asarray(ct) != 0
            if asked.any():
                parts = np.conjugate(np.asarray(ct)[asked]) * np.asarray(y)[asked]
                total += float(np.real(parts.sum()))
        return total


def checks(
    run: Run, adjoints: Adjoints, symbolic: Symbolic | None
) -> tuple[list[Check], list[str]]:
    """A row for each input to differentiate by, and notes on what was left out."""
    differences = Differences(run, adjoints.seeds)
    rows: list[Check] = []
    skipped = []
    for k, node in enumerate(run.wanted):
        i = run.graph.inputs.index(node)
        automatic = adjoints.final.get(node)
        gradient = plain(zeros_ct(node.type) if automatic is None else automatic)
        row = _row(run, node, gradient)
        needs = 2 * gradient.size * differences.each
        if gradient.size > ELEMENTS or needs > differences.left:
            skipped.append(run.name(node))
        elif gradient.size:
            _numerical(row, differences, i, gradient)
        curve = 2 * len(STEPS) * differences.each
        if gradient.size and k < CURVES and curve <= differences.left:
            row["curve"] = _curve(differences, i, gradient)
        if symbolic is not None:
            _symbolic(row, symbolic, node, gradient)
        rows.append(row)
    notes = []
    if skipped:
        notes.append(
            f"Finite differences by {', '.join(skipped[:5])}"
            f"{' …' if len(skipped) > 5 else ''} are left out: they would take too "
            "many evaluations."
        )
    return rows, notes


def _row(run: Run, node: Node, gradient: Array) -> Check:
    return {
        "input": run.place[node],
        "automatic": value_of(gradient),
        "numerical": None,
        "symbolic": "",
        "symbolic_value": None,
        "error_numerical": None,
        "error_symbolic": None,
        "curve": [],
    }


def _numerical(row: Check, differences: Differences, i: int, gradient: Any) -> None:
    found = np.empty(gradient.shape, gradient.dtype)
    # The cube root of the precision balances truncation against rounding.
    scale = differences.precision ** (1 / 3)
    x = np.asarray(differences.leaves[i])
    for element in np.ndindex(gradient.shape):
        step = scale * max(1.0, float(abs(x[element])))
        found[element] = differences.slope(i, element, step)
    row["numerical"] = value_of(found)
    row["error_numerical"] = error(gradient, found)


def _curve(differences: Differences, i: int, gradient: Any) -> list[list[float]]:
    """(step, error) of (f(x + h) − f(x))/h, for the element of the largest derivative.

    One-sided and divided by h itself, as in a lecture, so that a parabola has its V,
    too: central differences of it, divided by the way that x really went, are exact.
    """
    size = np.where(np.isfinite(gradient), np.abs(gradient), -1)
    flat = int(np.argmax(size))
    element = tuple(int(k) for k in np.unravel_index(flat, gradient.shape))
    points = []
    for step in STEPS:
        difference = differences.slope(i, element, step, sides=1) - gradient[element]
        if np.isfinite(difference):
            points.append([step, float(abs(difference))])
    return points


def _symbolic(row: Check, symbolic: Symbolic, node: Node, gradient: Any) -> None:
    found = symbolic.derivative(node)
    if found is not None:
        row["symbolic"], value = found
        row["symbolic_value"] = value_of(np.float64(value))
        row["error_symbolic"] = error(gradient, np.float64(value))


def error(a: Array, b: Array) -> float | None:
    """The largest difference, relative where the gradient is larger than 1."""
    with np.errstate(all="ignore"):
        difference = np.abs(np.asarray(a) - np.asarray(b))
        same = np.asarray(a) == np.asarray(b)  # infinities too
        worst = float(np.max(np.where(same, 0.0, difference)))
        found = worst / max(1.0, float(np.max(np.abs(a))))
    return found if math.isfinite(found) else None
