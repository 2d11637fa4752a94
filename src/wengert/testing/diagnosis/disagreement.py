"""Three derivatives along one direction, and which of them differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wengert.core.types import Array
from wengert.testing.diagnosis.numeric import Estimate, inner

# How far a right rule may be off, relative to the numbers compared, beyond the finite
# difference's own error; and between the two modes, which have no such error.
RELATIVE = {8: 1e-5, 4: 5e-3, 2: 0.1}
MODES = {8: 1e-9, 4: 1e-4, 2: 2e-2}
TRUST = 20.0  # times the estimated error of a finite difference


@dataclass
class Disagreement:
    """Three derivatives along one direction, and which of them differ."""

    vs: list[Array]
    pushed: list[Array] | None
    numeric: list[Estimate]
    pulled: list[Array]
    backward: float  # ⟨Jᵀw, v⟩
    forward: bool = False
    reverse: bool = False
    modes: bool = False
    certain: bool = False
    forward_sum: float = 0.0  # ⟨w, Jv⟩
    count: tuple[int, int] = (0, 0)  # elements that differ in forward mode, of all

    def judge(self, ws: list[Array], size: int) -> None:
        """Sets `forward`, `reverse`, `modes`."""
        if self.pushed is not None:
            masks = [
                np.asarray(_differs(d, e, size))
                for d, e in zip(self.pushed, self.numeric, strict=True)
            ]
            self.count = sum(int(m.sum()) for m in masks), sum(m.size for m in masks)
            self.forward = self.count[0] > 0
            self.forward_sum = inner(ws, self.pushed)
            scale = _scale(ws, self.pushed)
            off = abs(self.backward - self.forward_sum)
            self.modes = not off <= MODES[size] * (scale + self._pulled_scale())
        values = [e.value for e in self.numeric]
        truth, scale = inner(ws, values), _scale(ws, values)
        slack = TRUST * _scale(ws, [e.error for e in self.numeric])
        off = abs(self.backward - truth)
        self.reverse = not off <= RELATIVE[size] * scale + slack

    def _pulled_scale(self) -> float:
        return _scale(self.pulled, self.vs)


def _differs(d: Array, e: Estimate, size: int) -> Array:
    bound = RELATIVE[size] * (np.abs(d) + np.abs(e.value)) + TRUST * e.error
    return ~(np.abs(d - e.value) <= bound)


def _scale(ws: Sequence[Array], ds: Sequence[Array]) -> float:
    pairs = zip(ws, ds, strict=True)
    return float(sum(np.sum(np.abs(w) * np.abs(d)) for w, d in pairs))


def worst(pushed: list[Array], numeric: list[Estimate]) -> tuple[tuple[int, ...], int]:
    """(index, result) of the element that is farthest off."""
    found: tuple[float, tuple[int, ...], int] = (-1.0, (), 0)
    for i, (d, e) in enumerate(zip(pushed, numeric, strict=True)):
        off = np.asarray(np.abs(d - e.value))
        if off.size:
            off = np.where(np.isnan(off), np.inf, off)
            at = largest(off)
            found = max(found, (float(off[at]), at, i))
    return found[1], found[2]


def largest(off: Array) -> tuple[int, ...]:
    at = np.unravel_index(int(np.argmax(off)), np.shape(off))
    return tuple(int(i) for i in at)
