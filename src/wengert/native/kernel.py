"""A kernel: what one loop nest computes, before it is written as code."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native import forms
from wengert.native.forms import Fold, Place
from wengert.native.index import At, unflat
from wengert.ops.index import has_arrays

SPLITS = 6  # parts a nest may be split into for tests on its indices


class Frame(NamedTuple):
    """One element of a root: where in its result, and where along the folded axes."""

    at: Place
    along: Place


@dataclass(frozen=True, slots=True)
class Root:
    """A node whose result a kernel writes into memory.

    `shape` is its whole domain in loop order: the result's axes and, for a fold, the
    folded ones. The first `looped` of them are loops, the rest are written out.
    """

    node: Node
    kind: Literal["store", "fold", "scatter"]
    shape: tuple[int, ...]
    looped: int
    fold: Fold | None = None
    is_flat: bool = False

    @property
    def loops(self) -> tuple[int, ...]:
        """The extents of the loops it needs; axes of length 1 need none."""
        if self.is_flat:
            size = math.prod(self.shape)
            return (size,) if size != 1 else ()
        return tuple(n for n in self.shape[: self.looped] if n != 1)

    @property
    def repeats(self) -> bool:
        """Whether it may write to one place more than once."""
        return self.kind == "scatter" and has_arrays(self.node.params["key"])

    def folded_depths(self) -> frozenset[int]:
        """Which loops (from 1) run along folded axes."""
        if self.fold is None:
            return frozenset()
        if self.is_flat:
            return frozenset([1]) if self.loops else frozenset()
        count = len(self.node.shape)
        depths, depth = set(), 0
        for axis, n in zip(self.fold.order, self.shape[: self.looped], strict=False):
            if n != 1:
                depth += 1
                if axis >= count:
                    depths.add(depth)
        return frozenset(depths)

    def frames(self, where: tuple[At, ...]) -> list[Frame]:
        """The elements it has when the loops are at `where`, one per loop."""
        if self.is_flat:
            whole = unflat(where[0] if where else 0, self.shape)
            return [self._frame(whole)]
        rest = iter(where)
        outer = tuple(0 if n == 1 else next(rest) for n in self.shape[: self.looped])
        inner = forms.places(self.shape[self.looped :])
        return [self._frame((*outer, *p)) for p in inner]

    def _frame(self, whole: Place) -> Frame:
        if self.fold is None:
            return Frame(whole, ())
        count = len(self.node.shape)
        placed = dict(zip(self.fold.order, whole, strict=True))
        ordered = tuple(placed[k] for k in range(len(whole)))
        return Frame(ordered[:count], ordered[count:])


@dataclass(slots=True)
class Kernel:
    """Roots that share one loop nest, and the width of its innermost loop.

    A root may have a part of the loops only, from their begin: each of its own loops
    is as long as the kernel's or shorter.
    """

    loops: tuple[int, ...]
    roots: list[Root] = field(default_factory=list)
    inlined: set[Node] = field(default_factory=set)
    reads: set[Node] = field(default_factory=set)

    def join(self, root: Root, inlined: set[Node], reads: set[Node]) -> None:
        """One more root, with what it computes on the way and reads from memory."""
        if math.prod(root.loops) > math.prod(self.loops):
            self.loops = root.loops
        self.roots.append(root)
        self.inlined |= inlined
        self.reads |= reads

    def within(self, box: Sequence[tuple[int, int]]) -> list[Root]:
        """The roots that have all of a box of the loops."""
        return [
            r
            for r in self.roots
            if all(high <= n for (_, high), n in zip(box, r.loops, strict=True))
        ]

    def width(self, bits: int) -> int:
        """Lanes of the innermost loop: as many of the widest dtype as a register has.

        Where places may repeat, it goes one by one.
        """
        if not self.loops or any(r.repeats for r in self.roots):
            return 1
        nodes = [*self.inlined, *self.reads, *(r.node for r in self.roots)]
        sizes = [
            forms.part_of(n.dtype).itemsize for n in nodes if isinstance(n.type, Type)
        ]
        floats = [n.dtype.itemsize for n in nodes if n.dtype.kind == "f"]
        lanes = max(1, bits // (8 * max(floats or sizes)))
        least = 1
        while least < self.loops[-1]:
            least *= 2
        return min(lanes, least)


def ends_inside(roots: Sequence[Root], loops: tuple[int, ...]) -> list[set[int]]:
    """For each loop, where roots end that have only a part of it."""
    return [{r.loops[d] for r in roots} - {n} for d, n in enumerate(loops)]
