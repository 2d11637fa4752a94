"""A kernel's functions: nests, split where tests change, in chunks for threads."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from wengert.graph.graph import Node
from wengert.native import chunks
from wengert.native.body import SHORT, Body
from wengert.native.combine import fold_how
from wengert.native.kernel import SPLITS, Kernel, Root, ends_inside
from wengert.native.loop import COPIES
from wengert.native.memory import Pair
from wengert.native.nest import Nest
from wengert.native.overwrite import may_replace

# Ranges per loop; their product splits a nest.
Parts = list[tuple[tuple[int, int], ...]]


@dataclass(slots=True)
class Code:
    """The functions of a kernel, and what they declare."""

    functions: list[str] = field(default_factory=list)
    # In order: what to call with its arguments, or code that stands there instead.
    calls: list[str | Body] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    fills: list[Node] = field(default_factory=list)  # results that start at identity
    in_place: frozenset[Pair] = frozenset()  # results that may overwrite operands


class Writer:
    """Writes one kernel."""

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        slots: dict[Node, int],
        nodes: dict[int, Node],
        bits: int,
        fma: bool,
        reserve: Callable[[int], int],
        dying: frozenset[Node] = frozenset(),
        rare: bool = False,
        by_rows: bool = False,
    ) -> None:
        self.by_rows = by_rows  # of a block: sums over rows are added to what is there
        self.reserve = reserve  # bytes of scratch → the slot of its pointer
        self.kernel = kernel
        self.rare = rare  # whether it takes little of the program's time
        self.name = name
        self.slots = slots
        self.nodes = nodes
        self.fma = fma
        self.width = kernel.width(bits)
        self.written = {r.node for r in kernel.roots}
        self.replaceable = {  # operands that may become results, if the code allows
            x for x in dying if any(may_replace(r, x) for r in kernel.roots)
        }
        self.pairs: list[frozenset[Pair]] = []  # of each function
        self.split = False
        self.joined: set[Node] = set()  # results that come from partial ones
        self.code = Code()

    def write(self) -> Code:
        """The kernel's functions."""
        if 0 in self.kernel.loops:  # a write of nothing is a copy
            return self.code
        whole = [(0, n) for n in self.kernel.loops]
        ends = ends_inside(self.kernel.roots, self.kernel.loops)
        parts = self._between(ends) if any(ends) else self._run(self.name, whole)
        if parts is not None:
            self.split = True
            for i, box in enumerate(itertools.product(*parts)):
                self._run(f"{self.name}.{i}", list(box))
        for root in self.kernel.roots:
            if self.through_memory(root) and root.node not in self.joined:
                self.code.fills.append(root.node)
        self.code.in_place = frozenset.intersection(*self.pairs)
        return self.code

    def _between(self, ends: list[set[int]]) -> Parts:
        """Ranges such that each root has all of a range or nothing; and in which tests
        on indices don't change either, if these are few."""
        parts = self._ranges(ends)
        asked: set[tuple[int, int]] = set()
        for box in itertools.product(*parts):
            nest = Nest(self, self.name, list(box), None, {})
            nest.write()
            asked |= nest.elements.breaks
        both = [
            own | {v for d, v in asked if d == depth}
            for depth, own in enumerate(ends, 1)
        ]
        finer = self._ranges(both)
        few = math.prod(map(len, finer)) <= SPLITS * math.prod(map(len, parts))
        return finer if few else parts

    def _ranges(self, edges: list[set[int]]) -> Parts:
        """The ranges of each loop between its edges."""
        loops = zip(self.kernel.loops, edges, strict=True)
        return [tuple(itertools.pairwise([0, *sorted(e), n])) for n, e in loops]

    def _run(self, name: str, box: list[tuple[int, int]]) -> Parts | None:
        """Functions that loop over `box`; or how to split it, for simpler ones."""
        unit = self.width * COPIES if len(box) == 1 else 1
        plan = chunks.plan(self.kernel, box, unit)
        if plan is not None:
            return self._in_chunks(name, box, plan)
        nest = Nest(self, name, box, None, {})
        body = nest.write()
        parts = self._parts(nest.elements.breaks)
        if parts is None:
            self._add(body)
            self.pairs.append(nest.in_place())
        return parts

    def _add(self, body: Body) -> None:
        """Runs the body: in a function if it is long."""
        if len(body.lines) <= SHORT:
            self.code.calls.append(body)
            return
        self.code.functions.append(body.function())
        self.code.declared |= body.declared
        self.code.calls.append(f"@{body.name}(ptr %context)")

    def _in_chunks(
        self, name: str, box: list[tuple[int, int]], plan: chunks.Chunks
    ) -> Parts | None:
        """Functions that threads share.

        The rest of a loop of vectors, beyond the last whole chunk, is one more part;
        without folds, only what is less than a vector.
        """
        rest = None
        if len(box) == 1:
            stores = all(r.kind == "store" for r in self.kernel.within(box))
            step = self.width if stores else plan.size
            whole = (plan.high - plan.low) // step
            end = plan.low + whole * step
            if end < plan.high:
                rest = [(end, plan.high)]
                plan = plan._replace(high=end)
        folds = {
            r.node: fold_how(r.node)
            for r in self.kernel.within(box)
            if 1 in r.folded_depths()
        }
        count = plan.number + (rest is not None)
        parts = {n: self.reserve(count * n.type.size * n.dtype.itemsize) for n in folds}
        started = {
            r.node: folds[r.node]
            for r in self.kernel.roots
            if r.node in folds and self.piecemeal(r)
        }
        nests = [Nest(self, name, box, plan, parts)]
        if rest is not None:
            nests.append(Nest(self, f"{name}.rest", rest, None, parts, plan.number))
        body, *others = [nest.write() for nest in nests]
        better = self._parts({b for nest in nests for b in nest.elements.breaks})
        if better is not None:
            return better
        self.pairs += [nest.in_place() for nest in nests]
        text, call = chunks.in_chunks(body, plan, parts, started)
        self.code.functions.append(text)
        self.code.calls.append(call)
        self.code.declared |= {*body.declared, chunks.DECLARED}
        for other in others:
            self._add(other)
        if parts:
            onto = {n for n in parts if self.split}
            self.code.calls.append(
                chunks.joining(f"{name}.join", count, parts, self.slots, folds, onto)
            )
            self.joined |= set(parts) - onto
        return None

    def _parts(self, asked: set[tuple[int, int]]) -> Parts | None:
        """Ranges per loop in which tests on indices don't change, if few."""
        if (
            not asked
            or self.split
            or any(r.kind == "scatter" for r in self.kernel.roots)
        ):
            return None
        depths = range(1, len(self.kernel.loops) + 1)
        ranges = self._ranges([{v for d, v in asked if d == depth} for depth in depths])
        return ranges if math.prod(map(len, ranges)) <= SPLITS else None

    def through_memory(self, root: Root) -> bool:
        """Whether a fold's result is added to in memory, from its identity."""
        folded = root.folded_depths()
        if self.by_rows and 1 in folded:
            return True
        return bool(folded) and (self.split or self.piecemeal(root))

    def piecemeal(self, root: Root) -> bool:
        """Whether a loop inside of a folded one isn't folded: sums of columns."""
        folded = root.folded_depths()
        depth = len(self.kernel.loops)
        while depth in folded:
            depth -= 1
        return any(d < depth for d in folded)
