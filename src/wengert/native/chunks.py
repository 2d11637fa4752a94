"""Loops in chunks, for the pool of threads: how many, and the functions around them.

The number of chunks depends on the work alone, not on the threads, and each chunk's
part of a fold is joined in order: results don't change with the number of threads.
"""

import math
from typing import NamedTuple

from wengert.graph.graph import Node
from wengert.native import arithmetic, combine
from wengert.native.access import memory_element
from wengert.native.body import Body, function
from wengert.native.ir import Emitter, Kind, number
from wengert.native.kernel import Kernel

DECLARED = "declare void @wg_parallel_chunks(ptr, ptr, i64, i64, i64, i64)"
MOST = 64
LEAST_NS = 15_000.0  # what a chunk should take, at least
LITTLE = 0.02  # a share of all time
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


def nanoseconds(kernel: Kernel, box: list[tuple[int, int]]) -> float:
    """About how long the elements of a box take on one thread."""
    elements = math.prod(high - low for low, high in box)
    frames = sum(len(r.frames(tuple(0 for _ in box))) for r in kernel.roots)
    work = sum(map(arithmetic.cost, kernel.inlined)) * PER_UNIT
    return elements * (work + PER_ELEMENT * frames)


def whole(kernel: Kernel) -> float:
    """About how long a kernel takes on one thread, in nanoseconds."""
    return nanoseconds(kernel, [(0, n) for n in kernel.loops])


def rare(times: dict[int, float], total: float) -> set[int]:
    """Which of these, by their keys, take little of the total even together.

    Their code may be short rather than fast.
    """
    left = LITTLE * total
    found = set()
    for i in sorted(times, key=times.__getitem__):
        left -= times[i]
        if left < 0:
            break
        found.add(i)
    return found


def plan(kernel: Kernel, box: list[tuple[int, int]], unit: int) -> Chunks | None:
    """Chunks whose sizes are multiples of `unit`; None if one thread does it sooner."""
    if not box or any(r.kind == "scatter" for r in kernel.roots):
        return None
    low, high = box[0]
    wanted = min(int(nanoseconds(kernel, box) / LEAST_NS), MOST, (high - low) // unit)
    if wanted < 2:
        return None
    size = -(-(high - low) // wanted)
    size = -(-size // unit) * unit
    found = Chunks(low, high, size)
    return found if found.number > 1 else None


def in_chunks(
    body: Body, c: Chunks, parts: dict[Node, int], how: dict[Node, str]
) -> tuple[str, str]:
    """The body as a function for one chunk, and the call that runs it for all.

    The body sees the chunk as `%chunk`, from `%begin` to `%end`.

    `parts`: for each fold, the slot of its partial results; those in `how` start at the
    identity of that operation.
    """
    e = Emitter(prefix="w")
    for node, operation in how.items():
        at = _part(e, node, parts[node], "%chunk")
        _fill(e, node, at, combine.identity(operation, node.dtype))
    body.into(e, alone=True)
    given = "ptr %context, i64 %begin, i64 %end, i64 %chunk"
    call = (
        f"@wg_parallel_chunks(ptr @{body.name}, ptr %context, "
        f"i64 {c.number}, i64 {c.size}, i64 {c.low}, i64 {c.high})"
    )
    return function(body.name, given, e.lines), call


def joining(
    name: str, count: int, parts: dict[Node, int], slots: dict[Node, int],
    how: dict[Node, str], onto: set[Node],
) -> Body:  # fmt: skip
    """The partial results joined; for those in `onto`, to what the result has
    already."""
    e = Emitter(prefix=f"{name}.")
    e.block = f"start.{name}"
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
    return Body(name, e.lines, (), e.declared)


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
