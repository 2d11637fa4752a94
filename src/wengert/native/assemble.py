"""Kernels and library calls of one native segment → one LLVM module."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, Node
from wengert.graph.stage import Guard
from wengert.native import combine
from wengert.native.access import memory_element
from wengert.native.codegen import is_counted, uniform
from wengert.native.combine import fold_how
from wengert.native.forms import element_of
from wengert.native.ir import Emitter, Kind, number
from wengert.native.kernel import Kernel
from wengert.native.partition import Library
from wengert.native.writer import Code, Writer

ALIGN = 64
OUT_OF_BOUNDS = -1  # statuses; LAPACK's failures follow


@dataclass(slots=True)
class Module:
    """One native segment.

    Attributes:
        text: LLVM IR with `@program`.
        inputs: the nodes whose data it takes, constants last.
        outputs: the nodes whose data it writes.
        arena: the bytes of scratch memory it needs.
        kernels: each kernel's name and nodes, for reports.
    """

    text: str
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    arena: int
    kernels: list[tuple[str, Kernel | Library]] = field(default_factory=list)


class Assembly:
    """Writes a segment."""

    def __init__(
        self,
        steps: Sequence[Kernel | Library],
        inputs: Sequence[Node],
        outputs: Sequence[Node],
        guards: Sequence[Guard],
        nodes: dict[int, Node],
        bits: int,
        fma: bool,
    ) -> None:
        self.steps = steps
        self.nodes = nodes
        self.bits = bits
        self.fma = fma
        self.guards = guards
        self.outputs = tuple(dict.fromkeys(outputs))
        constants = dict.fromkeys(
            n
            for s in steps
            for n in reads_of(s)
            if n.op is CONSTANT and _in_memory(s, n)
        )
        self.inputs = (*inputs, *constants)
        self.places: dict[Node, int] = {}
        self.scratches: dict[Node, int] = {}
        self.reserved: list[int] = []  # offsets of partial results
        self.arena = ALIGN  # the first bytes hold the flag
        self._place_all()
        self.slots = {
            n: i
            for i, n in enumerate(
                dict.fromkeys([*self.inputs, *self.outputs, *self.places]), 1
            )
        }
        self.declared: set[str] = set()

    # Memory -----------------------------------------------------------------------

    def _place_all(self) -> None:
        """Offsets in the arena: blocks are reused after a result's last use."""
        last: dict[Node, int] = {}
        for i, step in enumerate(self.steps):
            for n in (*reads_of(step), *results_of(step)):
                last[n] = i
        for g in self.guards:
            last[g.node] = len(self.steps)
        held = {*self.inputs, *self.outputs}
        free: list[tuple[int, int]] = []  # (size, offset)
        for i, step in enumerate(self.steps):
            for n in results_of(step):
                if n not in held and n not in self.places:
                    self.places[n] = self._take(free, _bytes(n))
            scratch = 0
            if isinstance(step, Library) and step.call.scratch_bytes:
                scratch = self._take(free, step.call.scratch_bytes)
                self.scratches[step.node] = scratch
            for n in dict.fromkeys((*reads_of(step), *results_of(step))):
                if n in self.places and last[n] == i:
                    free.append((_bytes(n), self.places[n]))
            if scratch and isinstance(step, Library):
                free.append((_rounded(step.call.scratch_bytes), scratch))

    def _take(self, free: list[tuple[int, int]], size: int) -> int:
        size = _rounded(size)
        fits = [f for f in free if f[0] >= size and f[0] <= 4 * size]
        if fits:
            best = min(fits)
            free.remove(best)
            if best[0] > size:
                free.append((best[0] - size, best[1] + size))
            return best[1]
        offset = self.arena
        self.arena += size
        return offset

    # Text -------------------------------------------------------------------------

    def write(self) -> Module:
        """The module."""
        e = Emitter(self.fma, "m")
        codes = [self._code(i, s) for i, s in enumerate(self.steps)]
        functions = [f for code in codes for f in code.functions]
        kernels = [(f"k{i}", step) for i, step in enumerate(self.steps)]
        self._enter(e)
        for step, code in zip(self.steps, codes, strict=True):
            self.declared |= code.declared
            if isinstance(step, Kernel):
                self._run(e, step, code)
            else:
                self._call(e, step)
        self._leave(e)
        self.declared |= e.declared
        text = "\n".join(
            [
                *functions,
                "define i32 @program(ptr %inputs, ptr %outputs, ptr %arena) nounwind {",
                "entry:",
                *e.lines,
                "}",
                *sorted(self.declared),
                "!0 = !{}",
                '!1 = !{!"branch_weights", i32 1, i32 1000}',
                "",
            ]
        )
        return Module(text, self.inputs, self.outputs, self.arena, kernels)

    def _code(self, i: int, step: Kernel | Library) -> Code:
        """A kernel's functions; a library call has none."""
        if not isinstance(step, Kernel):
            return Code()
        return Writer(
            step, f"k{i}", self.slots, self.nodes, self.bits, self.fma,
            self._reserve,
        ).write()  # fmt: skip

    def _reserve(self, size: int) -> int:
        """Scratch for partial results: the slot that points to it."""
        self.reserved.append(self.spare(size))
        return len(self.slots) + len(self.reserved)

    def _enter(self, e: Emitter) -> None:
        """Pointers to all buffers, in one table that kernels read."""
        count = len(self.slots) + len(self.reserved) + 1
        e.do(f"%context = alloca [{count} x ptr], align 16")
        e.do("store i32 0, ptr %arena")
        e.do("store ptr %arena, ptr %context")
        for i, node in enumerate(self.inputs):
            self._enter_pointer(e, "%inputs", i, node)
        for i, node in enumerate(self.outputs):
            if node not in self.inputs:
                self._enter_pointer(e, "%outputs", i, node)
        places = [(self.slots[n], offset) for n, offset in self.places.items()]
        places += list(enumerate(self.reserved, len(self.slots) + 1))
        for number_, offset in places:
            at = e.let(f"getelementptr i8, ptr %arena, i64 {offset}")
            slot = e.let(f"getelementptr ptr, ptr %context, i64 {number_}")
            e.do(f"store ptr {at}, ptr {slot}")

    def _enter_pointer(self, e: Emitter, table: str, i: int, node: Node) -> None:
        at = e.let(f"getelementptr ptr, ptr {table}, i64 {i}")
        p = e.let(f"load ptr, ptr {at}")
        slot = e.let(f"getelementptr ptr, ptr %context, i64 {self.slots[node]}")
        e.do(f"store ptr {p}, ptr {slot}")

    def _pointer(self, e: Emitter, node: Node) -> str:
        slot = e.let(f"getelementptr ptr, ptr %context, i64 {self.slots[node]}")
        return e.let(f"load ptr, ptr {slot}")

    def _run(self, e: Emitter, kernel: Kernel, code: Code) -> None:
        for node in code.fills:
            start = combine.identity(fold_how(node), node.dtype)
            self._fill(e, node, start)
        for root in kernel.roots:
            if root.kind == "scatter":
                self._copy(e, root.node.inputs[0], root.node)
        for name in code.calls:
            e.do(f"call void {name}")

    def _fill(self, e: Emitter, node: Node, value: float | bool) -> None:
        """Every element of a buffer is `value`."""
        p = self._pointer(e, node)
        if value == 0:
            self._declare(e, "memset.p0.i64", "ptr, i8, i64, i1")
            e.do(
                f"call void @llvm.memset.p0.i64(ptr {p}, i8 0, i64 {_exact(node)}, "
                "i1 false)"
            )
            return
        k = Kind(memory_element(node.dtype), 1)
        before, loop, after = e.block, e.label("fill"), e.label("filled")
        e.do(f"br label %{loop}")
        e.place(loop)
        step = f"%step.{loop}"
        i = e.let(f"phi i64 [0, %{before}], [{step}, %{loop}]")
        at = e.let(f"getelementptr {k}, ptr {p}, i64 {i}")
        e.do(f"store {k} {number(k, value)}, ptr {at}")
        e.do(f"{step} = add i64 {i}, 1")
        more = e.let(f"icmp slt i64 {step}, {node.type.size}")
        e.do(f"br i1 {more}, label %{loop}, label %{after}")
        e.place(after)

    def _copy(self, e: Emitter, x: Node, node: Node) -> None:
        value = uniform(x) if x.op is CONSTANT else None
        if value is not None:
            self._fill(e, node, value)
            return
        self._declare(e, "memcpy.p0.p0.i64", "ptr, ptr, i64, i1")
        a, b = self._pointer(e, node), self._pointer(e, x)
        e.do(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {a}, ptr {b}, i64 {_exact(node)}, "
            "i1 false)"
        )

    def _declare(self, e: Emitter, name: str, types: str) -> None:
        e.declare(f"declare void @llvm.{name}({types})")

    def _call(self, e: Emitter, step: Library) -> None:
        args = [self._pointer(e, n) for n in step.operands]
        results = [""] * (
            1 if isinstance(step.node.type, Type) else len(step.node.type)
        )
        for r in step.results:
            results[0 if r is step.node else r.params["index"]] = self._pointer(e, r)
        if step.node.op.name == "slogdet":  # which writes both its results
            results = [r or self._spare(e, step.node) for r in results]
        scratch = "null"
        if step.call.scratch_bytes:
            offset = self.scratches[step.node]
            scratch = e.let(f"getelementptr i8, ptr %arena, i64 {offset}")
        status = step.call.emit(e, args, results, scratch)
        if status is not None:
            bad = e.let(f"icmp ne i32 {status}, 0")
            self._return_if(e, bad, -2)

    def _spare(self, e: Emitter, node: Node) -> str:
        """Memory for a result that nobody asked for."""
        size = max(t.size * t.dtype.itemsize for t in node.type)
        return e.let(f"getelementptr i8, ptr %arena, i64 {self.spare(size)}")

    def spare(self, size: int) -> int:
        """The offset of so many more bytes."""
        offset = self.arena
        self.arena += _rounded(size)
        return offset

    def _return_if(self, e: Emitter, flag: str, status: int) -> None:
        stop, go = e.label("stop"), e.label("go")
        e.do(f"br i1 {flag}, label %{stop}, label %{go}")
        e.place(stop)
        e.do(f"ret i32 {status}")
        e.place(go)

    def _leave(self, e: Emitter) -> None:
        """Indices out of bounds, then the guards, then all is well."""
        flag = e.let("load i32, ptr %arena")
        self._return_if(e, e.let(f"icmp ne i32 {flag}, 0"), OUT_OF_BOUNDS)
        for i, guard in enumerate(self.guards):
            self._return_if(e, self._differs(e, guard), i + 1)
        e.do("ret i32 0")

    def _differs(self, e: Emitter, guard: Guard) -> str:
        """Whether Python's question would get another answer."""
        node = guard.node
        k = Kind(element_of(node.type), 1)
        p = self._pointer(e, node)
        if node.dtype.kind == "b":
            byte = e.let(f"load i8, ptr {p}")
            return e.let(f"icmp ne i8 {byte}, {int(bool(guard.answer))}")
        x = e.let(f"load {k}, ptr {p}")
        answer = np.asarray(guard.answer).item()
        if guard.asked == "bool":
            test = "fcmp une" if node.dtype.kind == "f" else "icmp ne"
            on = e.let(f"{test} {k} {x}, {number(k, 0)}")
            return e.let(f"xor i1 {on}, {str(bool(answer)).lower()}")
        if node.dtype.kind != "f":
            return e.let(f"icmp ne {k} {x}, {number(k, int(answer))}")
        if guard.asked in ("int", "index"):
            whole = e.intrinsic("trunc", k, x)
            return e.let(f"fcmp une {k} {whole}, {number(k, float(int(answer)))}")
        bits = Kind("i64" if k.element == "double" else "i32", 1)
        now = e.let(f"bitcast {k} {x} to {bits}")
        wanted = e.let(f"bitcast {k} {number(k, answer)} to {bits}")
        return e.let(f"icmp ne {bits} {now}, {wanted}")


def reads_of(step: Kernel | Library) -> tuple[Node, ...]:
    """What a step reads from memory."""
    if isinstance(step, Library):
        return step.operands
    bases = [r.node.inputs[0] for r in step.roots if r.kind == "scatter"]
    nodes = sorted({*step.reads, *bases}, key=lambda n: n.number)
    return tuple(nodes)


def results_of(step: Kernel | Library) -> tuple[Node, ...]:
    """What a step writes into memory."""
    if isinstance(step, Library):
        return step.results
    return tuple(r.node for r in step.roots)


def _in_memory(step: Kernel | Library, node: Node) -> bool:
    """Whether a constant must be there as an array."""
    if isinstance(step, Library):
        return True
    bases = [r.node.inputs[0] for r in step.roots if r.kind == "scatter"]
    if uniform(node) is not None:
        return False
    return node in bases or not is_counted(node)


def _exact(node: Node) -> int:
    return int(node.type.size * node.dtype.itemsize)


def _bytes(node: Node) -> int:
    return _rounded(_exact(node))


def _rounded(size: int) -> int:
    return max(-(-size // ALIGN) * ALIGN, ALIGN)


__all__ = ["Assembly", "Module", "reads_of", "results_of"]
