"""Walking along one axis of an array, as many lines of it at once as there are lanes.

Lines along an inner axis lie side by side: a vector holds one element of each. Lines
along the last axis lie behind each other: a few are walked together, each as a scalar
of its own or, where a step is dear, gathered into the lanes of a vector.
"""

from collections.abc import Callable
from typing import NamedTuple

from wengert.native.ir import Emitter, Kind
from wengert.native.routines.writing import (
    Axis,
    Dtype,
    counting,
    kind_of,
    lanes,
    load_as,
    pieces,
    plus,
    store,
    times,
)

_TOGETHER = 8  # lines behind each other
_WIDE = 4  # registers for lines side by side


class Lines(NamedTuple):
    """Some lines that are walked together, in `parts` values of `width` lanes each."""

    first: str  # the place of the first line's first element
    step: int  # from one element of a line to the next
    parts: int
    width: int
    apart: int  # from one part's line, or one gathered lane's, to the next
    gathered: bool

    def kind(self, dtype: Dtype) -> Kind:
        return kind_of(dtype, self.width)

    def place(self, e: Emitter, k: str | int, part: int) -> str:
        """Where element `k` of a part's first line is."""
        along = times(e, k, self.step)
        return plus(e, plus(e, self.first, along), part * self.apart)

    def load(
        self, e: Emitter, given: Dtype, wanted: Dtype, x: str, k: str | int, part: int
    ) -> str:
        """Element `k` of each line of a part, converted."""
        place = self.place(e, k, part)
        if not self.gathered:
            return load_as(e, given, wanted, x, place, self.width)
        kind, found = self.kind(wanted), "poison"
        for i in range(self.width):
            one = load_as(e, given, wanted, x, plus(e, place, i * self.apart))
            found = e.let(
                f"insertelement {kind} {found}, {kind.element} {one}, i32 {i}"
            )
        return found

    def store(
        self, e: Emitter, dtype: Dtype, y: str, k: str | int, part: int, value: str
    ) -> None:
        """Writes element `k` of each line of a part."""
        place = self.place(e, k, part)
        if not self.gathered:
            store(e, dtype, y, place, value, self.width)
            return
        for i in range(self.width):
            one = e.let(f"extractelement {self.kind(dtype)} {value}, i32 {i}")
            store(e, dtype, y, plus(e, place, i * self.apart), one)


def each_line(
    e: Emitter,
    axis: Axis,
    dtype: Dtype,
    body: Callable[[Lines], None],
    dear: bool = False,
) -> None:
    """Writes `body` for all lines along an axis, in loops over groups of them."""
    if axis.inner == 1:
        _behind(e, axis, dtype, body, dear)
        return
    wide = lanes(dtype) * (1 if dear else _WIDE)
    with counting(e, axis.outer) as outer:
        base = times(e, outer, axis.n * axis.inner)
        for first, end, width in pieces(axis.inner, wide, not dear):
            with counting(e, end, first, width) as column:
                place = plus(e, base, column)
                body(Lines(place, axis.inner, 1, width, 0, False))


def _behind(
    e: Emitter, axis: Axis, dtype: Dtype, body: Callable[[Lines], None], dear: bool
) -> None:
    together = lanes(dtype) if dear else _TOGETHER
    for first, end, count in pieces(axis.outer, together):
        with counting(e, end, first, count) as line:
            place = times(e, line, axis.n)
            gathered = dear and count > 1
            parts, width = (1, count) if gathered else (count, 1)
            body(Lines(place, 1, parts, width, axis.n, gathered))


__all__ = ["Lines", "each_line"]
