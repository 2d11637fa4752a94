"""Whether a kernel's result may be written over one of its operands.

It may, if every read of the operand is of the element that the same run of the loops
writes, and comes before that write: then no run reads what another one has written, in
whatever order or on whatever thread they go, and vectors are as good as elements. A
write into a slice may also read what is beside the slice.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from wengert.graph.graph import Node
from wengert.native.codegen import looked_atoms
from wengert.native.forms import Read
from wengert.native.index import At, bounds, flat
from wengert.native.kernel import Root
from wengert.native.memory import Pair

Place = int | tuple[int, frozenset[object]]


class _Load(NamedTuple):
    """An operand's element, read when so many values were there; None for any."""

    place: At | None
    position: int


class Store(NamedTuple):
    """A root's element, written when so many values were there."""

    node: Node
    place: At
    after: int


def may_replace(root: Root, operand: Node) -> bool:
    """Whether a root's buffer is such that it can be the operand's.

    What starts as a copy, a scatter, can take its base's place only; a long fold has
    other elements.
    """
    node = root.node
    if node.dtype.itemsize != operand.dtype.itemsize:
        return False
    if node.type.size != operand.type.size or root.folded_depths():
        return False
    return root.kind != "scatter" or operand is node.inputs[0]


def overwritable(
    roots: Iterable[Root],
    operands: Collection[Node],
    stores: Iterable[Store],
    values: Iterable[Read],
) -> frozenset[Pair]:
    """The roots that one function may write over operands.

    Args:
        roots: the kernel's.
        operands: those that nothing reads after the kernel.
        stores: all that the function stores, with each one's place.
        values: all elements that it reads or computes, in the order of the code.
    """
    if not operands:
        return frozenset()
    loads: dict[Node, list[_Load]] = {n: [] for n in operands}
    for position, (node, at) in enumerate(values):
        if node in loads:
            there = at[: len(node.shape)]  # of a complex number, its part follows
            is_known = not looked_atoms(at)
            place = flat(there, node.shape) if is_known else None
            loads[node].append(_Load(place, position))
    written: dict[Node, list[Store]] = {}
    for s in stores:
        written.setdefault(s.node, []).append(s)
    return frozenset(
        (r.node, x)
        for r in roots
        for x in loads
        if may_replace(r, x) and _are_safe(loads[x], r, written.get(r.node, []))
    )


def _are_safe(loads: list[_Load], root: Root, stores: list[Store]) -> bool:
    """Whether no load comes after a store to the same place."""
    first: dict[Place, int] = {}
    for s in stores:
        first.setdefault(_place(s.place), s.after)
    # Other functions of the kernel write other places, but a slice is all in one.
    is_slice = root.kind == "scatter" and not root.repeats
    ends = [bounds(s.place) for s in stores] if is_slice else []
    low, high = (
        min((a for a, _ in ends), default=0),
        max((b for _, b in ends), default=0),
    )
    for place, position in loads:
        if place is None:
            return False
        if position < first.get(_place(place), -1):
            continue
        begin, end = bounds(place)
        if not is_slice or not (end < low or high < begin):
            return False
    return True


def _place(at: At) -> Place:
    """A place, whatever the order of its terms."""
    return at if isinstance(at, int) else (at.constant, frozenset(at.terms))


__all__ = ["Store", "may_replace", "overwritable"]
