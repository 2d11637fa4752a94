"""Folds: running values while a loop runs, and where they go when it is complete."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from wengert.graph.graph import Node
from wengert.native import combine
from wengert.native.access import Memory
from wengert.native.combine import fold_how
from wengert.native.forms import Place
from wengert.native.index import flat
from wengert.native.ir import Emitter, Kind, number
from wengert.native.kernel import Root
from wengert.native.values import Dtype, Registers, Value

Slot = tuple[int, Place]  # a root's number, and a place of its result


class Pass(NamedTuple):
    """A part of the innermost loop: from `low` to `high` in steps of width · copies.

    If it `overlaps`, the last step begins where it still fits, and computes again what
    the one before it did.
    """

    low: int
    high: int
    width: int
    lanes: int
    copies: int = 1
    overlaps: bool = False


@dataclass(slots=True)
class Total:
    """A fold's running value at one place of its result."""

    root: Root
    at: Place
    how: str
    dtype: Dtype
    kept: int  # the depth at which it is complete
    slot: str = ""  # in memory, if more than one run of the innermost loop adds to it
    # After a pass: the register with a partial result per lane, by width.
    parts: dict[int, str] = field(default_factory=dict)


class Totals:
    """All running values of one nest.

    `after` has an emitter per depth for what follows the loop inside; `adds` says
    whether a root's complete values are added to what their places have; `tag` ends the
    names of `slots`, the registers that point to memory for them.
    """

    def __init__(
        self,
        registers: Registers,
        memory: Memory,
        after: list[Emitter],
        depths: int,
        adds: Callable[[Root], bool],
        tag: str,
    ) -> None:
        self.registers = registers
        self.memory = memory
        self.after = after
        self.depths = depths
        self.adds = adds
        self.tag = tag
        self.slots: list[str] = []  # the instructions that make them
        self.found: dict[Slot, Total] = {}

    def at(self, number_: int, root: Root, at: Place) -> Total:
        """The total of a root at a place of its result."""
        key = (number_, at)
        if key not in self.found:
            self.found[key] = self._total(number_, root, at)
        return self.found[key]

    def _total(self, number_: int, root: Root, at: Place) -> Total:
        assert root.fold is not None
        folded = root.folded_depths()
        kept = self.depths
        while kept in folded:
            kept -= 1
        total = Total(root, at, root.fold.combine, root.node.dtype, kept)
        if kept < self.depths - 1:
            total.slot = self._slot(total, f"%slot{len(self.found)}.{self.tag}")
        return total

    def _slot(self, total: Total, slot: str) -> str:
        """Memory for a value that several runs of the innermost loop add to."""
        outside = self.registers.at(total.kept)
        k = kind_of(total, 1)
        self.slots.append(f"  {slot} = alloca [2 x {k}], align 16")
        start = number(k, combine.identity(total.how, total.dtype))
        error = outside.let(f"getelementptr {k}, ptr {slot}, i64 1")
        outside.do(f"store {k} {start}, ptr {slot}")
        outside.do(f"store {k} {number(k, 0)}, ptr {error}")
        return slot

    def complete(self, total: Total, e: Emitter) -> None:
        """After the innermost loop: lanes into one number, and on to where it goes."""
        k = kind_of(total, 1)
        dtype, how = total.dtype, total.how
        x = ""
        for width, lanes in total.parts.items():
            one = combine.across(e, kind_of(total, width), dtype, how, lanes)
            x = combine.two(e, k, dtype, how, x, one) if x else one
        total.parts.clear()
        if not total.slot:
            self._deliver(total, e, k, x)
            return
        old = e.let(f"load {k}, ptr {total.slot}")
        new, error = two_sum(e, total, k, old, x)
        e.do(f"store {k} {new}, ptr {total.slot}")
        beside = e.let(f"getelementptr {k}, ptr {total.slot}, i64 1")
        if error:
            lost = e.let(f"fadd {k} {e.let(f'load {k}, ptr {beside}')}, {error}")
            e.do(f"store {k} {lost}, ptr {beside}")
        end = self.after[total.kept]
        y = end.let(f"load {k}, ptr {total.slot}")
        if error:
            beside = end.let(f"getelementptr {k}, ptr {total.slot}, i64 1")
            y = end.let(f"fadd {k} {y}, {end.let(f'load {k}, ptr {beside}')}")
        self._deliver(total, end, k, y)

    def _deliver(self, total: Total, e: Emitter, k: Kind, x: str) -> None:
        """Writes a complete value into the result, or adds it there."""
        node = total.root.node
        place = flat(total.at, node.shape)
        address, _ = self.memory.address(node, node.dtype, place)
        self._put(e, k, node, address, x, self.adds(total.root))

    def _put(
        self, e: Emitter, k: Kind, node: Node, address: str, x: str, adds: bool
    ) -> None:
        is_bool = node.dtype.kind == "b"
        memory = k.of("i8") if is_bool else k
        if adds:
            old = e.let(f"load {memory}, ptr {address}")
            if is_bool:
                old = e.let(f"icmp ne i8 {old}, 0")
            how = fold_how(node)
            x = combine.two(e, k, node.dtype, how, old, x)
        if is_bool:
            x = e.let(f"zext i1 {x} to i8")
        e.do(f"store {memory} {x}, ptr {address}")

    def add_in_memory(self, root: Root, at: Place, factors: list[Value]) -> None:
        """A term joins its place in the result, which may be a vector of places."""
        node = root.node
        r = self.registers
        dtype = node.dtype
        place = flat(at, node.shape)
        e, k = r.at(r.inner), r.kind(dtype, r.inner)
        if r.width == 1:  # read here, where every run of the loop adds to it
            address, _ = self.memory.address(node, dtype, place)
            x = self._joined_in_memory(e, k, node, address, factors)
            self._put(e, k, node, address, x, adds=False)
            return
        old = self.memory.load(node, dtype, place, False)
        texts = [r.text(v, dtype, r.inner) for v in factors]
        x = joined(e, k, dtype, fold_how(node), old.text, texts)
        self.memory.store(node, dtype, place, Value(x, dtype, r.inner))

    def _joined_in_memory(
        self, e: Emitter, k: Kind, node: Node, address: str, factors: list[Value]
    ) -> str:
        r, dtype = self.registers, node.dtype
        is_bool = dtype.kind == "b"
        old = e.let(f"load {k.of('i8') if is_bool else k}, ptr {address}")
        if is_bool:
            old = e.let(f"icmp ne i8 {old}, 0")
        texts = [r.text(v, dtype, r.inner) for v in factors]
        return joined(e, k, dtype, fold_how(node), old, texts)

    def start(self, total: Total, p: Pass, copy: int) -> str:
        """What a pass's running value begins with."""
        so_far = total.parts.get(p.width)
        if so_far and copy == 0:
            return so_far
        k = kind_of(total, p.width)
        return number(k, combine.identity(total.how, total.dtype))


def kind_of(total: Total, width: int) -> Kind:
    """The machine kind of `width` lanes of a total."""
    return combine.kind_of(total.dtype, width)


def two_sum(e: Emitter, total: Total, k: Kind, s: str, x: str) -> tuple[str, str]:
    """s ∘ x, and the rounding error of a float sum (Knuth's two-sum)."""
    y = combine.two(e, k, total.dtype, total.how, s, x)
    if total.how != "add" or total.dtype.kind != "f":
        return y, ""
    b = e.let(f"fsub {k} {y}, {s}")
    a = e.let(f"fsub {k} {y}, {b}")
    lost_x = e.let(f"fsub {k} {x}, {b}")
    lost_s = e.let(f"fsub {k} {s}, {a}")
    error = e.let(f"fadd {k} {lost_x}, {lost_s}")
    # An infinite sum has no rounding error, but inf − inf above.
    fine = e.let(f"fcmp ord {k} {error}, {number(k, 0.0)}")
    return y, e.let(f"select {k.of('i1')} {fine}, {k} {error}, {k} {number(k, 0.0)}")


def joined(
    e: Emitter, k: Kind, dtype: Dtype, how: str, old: str, factors: list[str]
) -> str:
    """old ∘ Π factors, of one or two factors."""
    if len(factors) == 2 and how == "add":
        return combine.multiply_add(e, k, dtype, factors[0], factors[1], old)
    x = factors[0]
    if len(factors) == 2:
        x = combine.two(e, k, dtype, "multiply", *factors)
    return combine.two(e, k, dtype, how, old, x)
