"""The memory plan of a segment: which buffer each result has, and for how long.

Scratch memory is one block, the arena. A value's place in it is free again after the
last step that reads it, and a result takes the place of an operand that dies in that
very step where the step allows it: then nothing is copied, and what is read is still
in the cache. Such a chain of values has one buffer, an output's if it ends in one.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from wengert.graph.graph import CONSTANT, Node
from wengert.native.kernel import Kernel
from wengert.native.partition import Library

ALIGN = 64
FEW = 64  # blocks, up to which they are also placed largest first

Pair = tuple[Node, Node]  # a result, and the operand whose buffer it may take


# What steps read and write ------------------------------------------------------------


class Opaque(Protocol):
    """A step that isn't one loop nest: a library call, or several steps in blocks."""

    @property
    def operands(self) -> tuple[Node, ...]:
        """What it reads from memory."""

    @property
    def results(self) -> tuple[Node, ...]:
        """What it writes into memory."""


def reads_of(step: Kernel | Opaque) -> tuple[Node, ...]:
    """What a step reads from memory."""
    if not isinstance(step, Kernel):
        return step.operands
    bases = [r.node.inputs[0] for r in step.roots if r.kind == "scatter"]
    nodes = sorted({*step.reads, *bases}, key=lambda n: n.number)
    return tuple(nodes)


def results_of(step: Kernel | Opaque) -> tuple[Node, ...]:
    """What a step writes into memory."""
    if not isinstance(step, Kernel):
        return step.results
    return tuple(r.node for r in step.roots)


def exact_bytes(node: Node) -> int:
    """The bytes of a value."""
    return int(node.type.size * node.dtype.itemsize)


def rounded(size: int) -> int:
    """The bytes that a block of so many takes."""
    return max(-(-size // ALIGN) * ALIGN, ALIGN)


# How long values live -----------------------------------------------------------------


class Lives:
    """The last step that reads each value of a segment, and what may be overwritten.

    Args:
        steps: the segment's.
        held: nodes whose memory is the caller's: inputs and outputs.
        kept: nodes that are read after all steps.
    """

    def __init__(
        self,
        steps: Sequence[Kernel | Opaque],
        held: Iterable[Node],
        kept: Iterable[Node],
    ) -> None:
        self.held = frozenset(held)
        self.last: dict[Node, int] = {}
        self.made: dict[Node, int] = {}
        for i, step in enumerate(steps):
            for n in results_of(step):
                self.made.setdefault(n, i)
                self.last[n] = i
            for n in reads_of(step):
                self.last[n] = i
        for n in kept:
            self.last[n] = len(steps)

    def dying(self, i: int, step: Kernel | Opaque) -> frozenset[Node]:
        """The operands of step i in the arena that nothing reads afterwards."""
        return frozenset(
            n for n in reads_of(step)
            if self.last[n] == i and self.made.get(n, i) < i
            and n not in self.held and n.op is not CONSTANT
        )  # fmt: skip


def library_pairs(step: Library) -> list[Pair]:
    """What a library's results may overwrite."""
    place = {
        (0 if r is step.node else r.params["index"]): r for r in step.results
    }  # fmt: skip
    return [
        (place[result], step.operands[arg])
        for arg, result in step.call.in_place
        if result in place and step.operands.count(step.operands[arg]) == 1
    ]


# The plan -----------------------------------------------------------------------------


class Block(NamedTuple):
    """So many bytes of the arena from one step to another, both included."""

    size: int
    first: int
    last: int


@dataclass(slots=True)
class Plan:
    """Where everything is.

    Attributes:
        places: offsets in the arena.
        outputs: values that live in an output's buffer until it is made: which.
        taken: for each result that takes the place of an operand, that operand.
        scratches: for each step, the offsets of what it asked for besides.
        arena: the bytes of the arena.
        unshared: the bytes there would be if every value had a place of its own.
    """

    places: dict[Node, int] = field(default_factory=dict)
    outputs: dict[Node, Node] = field(default_factory=dict)
    taken: dict[Node, Node] = field(default_factory=dict)
    scratches: list[list[int]] = field(default_factory=list)
    arena: int = ALIGN
    unshared: int = 0


def plan(
    steps: Sequence[Kernel | Opaque],
    lives: Lives,
    pairs: Sequence[Iterable[Pair]],
    scratch: Sequence[Sequence[int]],
) -> Plan:
    """Places for all values that aren't the caller's.

    Args:
        steps: the segment's.
        lives: how long its values live.
        pairs: for each step, which result may take which operand's place, if the
            operand is in the arena and dies there.
        scratch: for each step, the sizes of what it needs while it runs.
    """
    made = Plan(scratches=[[] for _ in steps])
    for i, step in enumerate(steps):
        _take_over(made, lives.dying(i, step), pairs[i])
    chains: dict[Node, list[Node]] = {}  # the values of one buffer, in order
    for n in lives.made:
        chains[n] = chains.pop(made.taken[n]) if n in made.taken else []
        chains[n].append(n)
    blocks: list[Block] = []
    owners: list[list[Node] | int] = []  # the values of each block, or a step
    for chain in chains.values():
        home = next((n for n in chain if n in lives.held), None)
        if home is not None:
            made.outputs |= {n: home for n in chain if n is not home}
            continue
        size = rounded(max(map(exact_bytes, chain)))
        last = max(lives.last[n] for n in chain)
        blocks.append(Block(size, min(lives.made[n] for n in chain), last))
        owners.append(chain)
        made.unshared += sum(rounded(exact_bytes(n)) for n in chain)
    for i, sizes in enumerate(scratch):
        blocks += [Block(rounded(size), i, i) for size in sizes]
        owners += [i] * len(sizes)
    offsets, size = placed(blocks)
    made.arena += size
    for owner, offset in zip(owners, offsets, strict=True):
        if isinstance(owner, int):
            made.scratches[owner].append(ALIGN + offset)
        else:
            made.places |= dict.fromkeys(owner, ALIGN + offset)
    return made


def _take_over(made: Plan, dying: frozenset[Node], pairs: Iterable[Pair]) -> None:
    """Gives each result at most one operand's place, and that to no other."""
    used: set[Node] = set()
    for result, operand in pairs:
        fits = exact_bytes(operand) == exact_bytes(result)
        is_free = operand in dying and operand not in used
        if fits and is_free and result not in made.taken:
            made.taken[result] = operand
            used.add(operand)


# Blocks in the arena ------------------------------------------------------------------


def placed(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """Offsets of blocks such that those that live together don't overlap; the end.

    As they come, each into the gap that fits best; of few blocks also the largest
    first, which is often better and takes time with the square of their number.
    """
    found = _as_they_come(blocks)
    least = _most_at_once(blocks)
    if len(blocks) <= FEW and found[1] > least:
        found = min(found, _largest_first(blocks), key=lambda f: f[1])
    return found


def _most_at_once(blocks: Sequence[Block]) -> int:
    """The most bytes that are in use in one step: no arena is smaller."""
    change: dict[int, int] = {}
    for b in blocks:
        change[b.first] = change.get(b.first, 0) + b.size
        change[b.last + 1] = change.get(b.last + 1, 0) - b.size
    most = now = 0
    for _, size in sorted(change.items()):
        now += size
        most = max(most, now)
    return most


def _as_they_come(blocks: Sequence[Block]) -> tuple[list[int], int]:
    order = sorted(range(len(blocks)), key=lambda k: (blocks[k].first, -blocks[k].size))
    ends = sorted(range(len(blocks)), key=lambda k: blocks[k].last)
    offsets = [0] * len(blocks)
    free, gone = _Free(), 0
    for k in order:
        while blocks[ends[gone]].last < blocks[k].first:
            free.give(offsets[ends[gone]], blocks[ends[gone]].size)
            gone += 1
        offsets[k] = free.take(blocks[k].size)
    return offsets, free.end


class _Free:
    """The gaps between blocks, in order; adjacent ones are one."""

    def __init__(self) -> None:
        self.gaps: list[tuple[int, int]] = []  # (offset, size)
        self.end = 0

    def take(self, size: int) -> int:
        """The offset of so many bytes: of the smallest gap, else at the end."""
        best = min((g for g in self.gaps if g[1] >= size), key=lambda g: g[1],
                   default=None)  # fmt: skip
        if best is not None:
            at = self.gaps.index(best)
            rest = best[1] - size
            self.gaps[at : at + 1] = [(best[0] + size, rest)] if rest else []
            return best[0]
        start = self.end
        if self.gaps and sum(self.gaps[-1]) == self.end:
            start = self.gaps.pop()[0]
        self.end = start + size
        return start

    def give(self, offset: int, size: int) -> None:
        """Frees a block."""
        at = bisect_left(self.gaps, (offset, 0))
        if at < len(self.gaps) and self.gaps[at][0] == offset + size:
            size += self.gaps.pop(at)[1]
        if at and sum(self.gaps[at - 1]) == offset:
            offset, more = self.gaps.pop(at - 1)
            size += more
        insort(self.gaps, (offset, size))


def _largest_first(blocks: Sequence[Block]) -> tuple[list[int], int]:
    order = sorted(range(len(blocks)), key=lambda k: (-blocks[k].size, blocks[k].first))
    offsets = [0] * len(blocks)
    there: list[tuple[int, int]] = []  # (offset, block)
    end = 0
    for k in order:
        b = blocks[k]
        at, best, room = 0, -1, 0
        for offset, other in there:
            o = blocks[other]
            if o.last < b.first or b.last < o.first:
                continue
            gap = offset - at
            if gap >= b.size and (best < 0 or gap < room):
                best, room = at, gap
            at = max(at, offset + o.size)
        offsets[k] = at if best < 0 else best
        insort(there, (offsets[k], k))
        end = max(end, offsets[k] + b.size)
    return offsets, end


__all__ = [
    "ALIGN", "Block", "Lives", "Pair", "Plan", "exact_bytes", "library_pairs",
    "placed", "plan", "reads_of", "results_of", "rounded",
]  # fmt: skip
