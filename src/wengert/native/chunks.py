"""Loops in chunks, for the pool of threads: how many, and the functions around them.

The number of chunks depends on the work alone, not on the threads, and each chunk's
part of a fold is joined in order: results don't change with the number of threads.
"""

import math
from typing import NamedTuple

from wengert.graph.graph import Node
from wengert.native import arithmetic, combine
from wengert.native.access import memory_element
from wengert.native.ir import Emitter, Kind, number
from wengert.native.kernel import Kernel

MOST = 64
LEAST_NS = 15_000.0  # what a chunk should take, at least
PER_UNIT = 0.04  # nanoseconds of an instruction on one element
PER_ELEMENT = 0.25  # of reading and writing one


class Chunks(NamedTuple):
    """The outermost loop from `low` to `high`, `size` at a time."""

    low: int
    high: int
    size: int

    @property
    def number(self) -> int:
        """How many there are."""
        return -(-(self.high - self.low) // self.size)


def plan(kernel: Kernel, box: list[tuple[int, int]], unit: int) -> Chunks | None:
    """Chunks whose sizes are multiples of `unit`; None if one thread does it sooner."""
    if not box or any(r.kind == "scatter" for r in kernel.roots):
        return None
    elements = math.prod(high - low for low, high in box)
    frames = sum(len(r.frames(tuple(0 for _ in box))) for r in kernel.roots)
    work = sum(map(arithmetic.cost, kernel.inlined)) * PER_UNIT
    took = elements * (work + PER_ELEMENT * frames)
    low, high = box[0]
    wanted = min(int(took / LEAST_NS), MOST, (high - low) // unit)
    if wanted < 2:
        return None
    size = -(-(high - low) // wanted)
    size = -(-size // unit) * unit
    found = Chunks(low, high, size)
    return found if found.number > 1 else None


def around(
    name: str, body: str, c: Chunks, parts: dict[Node, int], how: dict[Node, str]
) -> str:
    """`@name(context, begin, end)`: chunks begin … end of `@body`.

    `parts`: for each fold, the slot of its partial results; those in `how` start at the
    identity of that operation.
    """
    e = Emitter(prefix="w")
    e.do("br label %head")
    e.place("head")
    e.do("%c = phi i64 [%begin, %entry], [%next, %last]")
    start = e.let(f"mul i64 %c, {c.size}")
    low = e.let(f"add i64 {start}, {c.low}")
    beyond = e.let(f"add i64 {low}, {c.size}")
    inside = e.let(f"icmp slt i64 {beyond}, {c.high}")
    high = e.let(f"select i1 {inside}, i64 {beyond}, i64 {c.high}")
    for node, operation in how.items():
        at = _part(e, node, parts[node], "%c")
        _fill(e, node, at, combine.identity(operation, node.dtype))
    e.do(f"call void @{body}(ptr %context, i64 {low}, i64 {high}, i64 %c)")
    e.do("br label %last")
    e.place("last")
    e.do("%next = add i64 %c, 1")
    more = e.let("icmp slt i64 %next, %end")
    e.do(f"br i1 {more}, label %head, label %done")
    e.place("done")
    head = (
        f"define internal void @{name}(ptr %context, i64 %begin, i64 %end) nounwind {{"
    )
    return "\n".join([head, "entry:", *e.lines, "  ret void", "}"])


def joining(
    name: str, count: int, parts: dict[Node, int], slots: dict[Node, int],
    how: dict[Node, str], onto: set[Node],
) -> str:  # fmt: skip
    """`@name(context)`: the partial results joined; for those in `onto`, to what the
    result has already."""
    e = Emitter(prefix="j")
    for node, slot in parts.items():
        k = Kind(memory_element(node.dtype), 1)
        there = e.let(f"getelementptr ptr, ptr %context, i64 {slots[node]}")
        out = e.let(f"load ptr, ptr {there}")
        before, loop, after = e.block, e.label("each"), e.label("after")
        inner, step = e.label("chunk"), e.label("step")
        e.do(f"br label %{loop}")
        e.place(loop)
        i = e.let(f"phi i64 [0, %{before}], [%i.{loop}, %{step}]")
        at = e.let(f"getelementptr {k}, ptr {out}, i64 {i}")
        old = e.let(f"load {k}, ptr {at}") if node in onto else number(
            k, combine.identity(how[node], node.dtype)
        )  # fmt: skip
        base = _part(e, node, slot, "0")
        first = e.let(f"getelementptr {k}, ptr {base}, i64 {i}")
        e.do(f"br label %{inner}")
        e.place(inner)
        c = e.let(f"phi i64 [0, %{loop}], [%c.{inner}, %{inner}]")
        so_far = e.let(f"phi {k} [{old}, %{loop}], [%x.{inner}, %{inner}]")
        skip = e.let(f"mul i64 {c}, {node.type.size}")
        place = e.let(f"getelementptr {k}, ptr {first}, i64 {skip}")
        x = _two(e, k, node, how[node], so_far, e.let(f"load {k}, ptr {place}"))
        same = f"fadd {k} {x}, {number(k, -0.0)}" if node.dtype.kind == "f" else (
            f"add {k} {x}, 0"
        )  # fmt: skip
        e.do(f"%x.{inner} = {same}")
        e.do(f"%c.{inner} = add i64 {c}, 1")
        more = e.let(f"icmp slt i64 %c.{inner}, {count}")
        e.do(f"br i1 {more}, label %{inner}, label %{step}")
        e.place(step)
        e.do(f"store {k} %x.{inner}, ptr {at}")
        e.do(f"%i.{loop} = add i64 {i}, 1")
        left = e.let(f"icmp slt i64 %i.{loop}, {node.type.size}")
        e.do(f"br i1 {left}, label %{loop}, label %{after}")
        e.place(after)
    head = f"define internal void @{name}(ptr %context) nounwind {{"
    return "\n".join([*sorted(e.declared), head, "entry:", *e.lines, "  ret void", "}"])


def _two(e: Emitter, k: Kind, node: Node, how: str, a: str, b: str) -> str:
    if node.dtype.kind != "b":
        return combine.two(e, k, node.dtype, how, a, b)
    both = how in ("logical_and", "minimum", "multiply")
    return e.let(f"{'and' if both else 'or'} i8 {a}, {b}")


def _part(e: Emitter, node: Node, slot: int, chunk: str) -> str:
    """The address of a chunk's partial result."""
    there = e.let(f"getelementptr ptr, ptr %context, i64 {slot}")
    base = e.let(f"load ptr, ptr {there}")
    size = node.type.size * node.dtype.itemsize
    skip = e.let(f"mul i64 {chunk}, {size}")
    return e.let(f"getelementptr i8, ptr {base}, i64 {skip}")


def _fill(e: Emitter, node: Node, at: str, value: float | bool) -> None:
    k = Kind(memory_element(node.dtype), 1)
    before, loop, after = e.block, e.label("fill"), e.label("filled")
    e.do(f"br label %{loop}")
    e.place(loop)
    i = e.let(f"phi i64 [0, %{before}], [%i.{loop}, %{loop}]")
    there = e.let(f"getelementptr {k}, ptr {at}, i64 {i}")
    e.do(f"store {k} {number(k, value)}, ptr {there}")
    e.do(f"%i.{loop} = add i64 {i}, 1")
    more = e.let(f"icmp slt i64 %i.{loop}, {node.type.size}")
    e.do(f"br i1 {more}, label %{loop}, label %{after}")
    e.place(after)
