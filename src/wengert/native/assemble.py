"""Kernels and library calls of one native segment → one LLVM module."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, Node
from wengert.graph.stage import Guard
from wengert.native import chunks, combine
from wengert.native.access import memory_element
from wengert.native.block_writer import BlockWriter
from wengert.native.blocks import Blocked, blocked
from wengert.native.body import ATTRIBUTES, Body, function, quick
from wengert.native.codegen import is_counted, uniform
from wengert.native.combine import fold_how
from wengert.native.forms import element_of, part_of
from wengert.native.ir import Emitter, Kind, number
from wengert.native.kernel import Kernel
from wengert.native.memory import (
    Lives,
    Plan,
    exact_bytes,
    library_pairs,
    plan,
    reads_of,
    results_of,
)
from wengert.native.partition import Library
from wengert.native.writer import Code, Writer

STRETCH = 400  # lines of `@program` in one function
POINTERS = "ptr %inputs, ptr %outputs, ptr %arena"
WORTH = 100  # lines to be compiled without effort for which others stand apart
SLOWER = 50  # times: what a loop may come to where vectors are put together in memory
FEW = 64  # elements that a loop without effort may fill
BETWEEN = 8  # lines per call of a function up to which scalar code waits for these
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
        unshared: the bytes that its values would need with a place for each.
    """

    text: str
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    arena: int
    kernels: list[tuple[str, Kernel | Library]] = field(default_factory=list)
    unshared: int = 0


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
        # Steps that share rows are done together, block by block.
        kept = {*outputs, *(g.node for g in guards)}
        self.steps: Sequence[Kernel | Library | Blocked] = blocked(steps, kept)
        self.nodes = nodes
        self.bits = bits
        self.fma = fma
        self.guards = guards
        self.outputs = tuple(dict.fromkeys(outputs))
        constants = dict.fromkeys(
            n
            for s in self.steps
            for n in reads_of(s)
            if n.op is CONSTANT and _in_memory(s, n)
        )
        self.inputs = (*inputs, *constants)
        made = [n for s in self.steps for n in results_of(s)]
        made += [n for s in self.steps if isinstance(s, Blocked) for n in s.local]
        self.slots = {
            n: i
            for i, n in enumerate(
                dict.fromkeys([*self.inputs, *self.outputs, *made]), 1
            )
        }
        self.lives = Lives(
            self.steps, (*self.inputs, *self.outputs), [g.node for g in guards]
        )
        self.reserved: list[tuple[int, int]] = []  # step and size of partial results
        self.memory = Plan()
        self.declared: set[str] = set()
        self.stretches: list[Emitter] = []  # of `@program`
        self.rare = self._rare()  # steps whose speed doesn't matter
        self.rarest = self._rare(1 / SLOWER)  # even when compiled without effort
        self.is_quick = False  # whether `@program` is compiled with the least effort
        self.hot: Emitter | None = None  # steps that aren't, until the next that is
        self.apart: list[str] = []  # functions of such steps

    # Text -------------------------------------------------------------------------

    def write(self) -> Module:
        """The module."""
        codes = [self._code(i, s) for i, s in enumerate(self.steps)]
        functions = [
            quick(f) if i in self.rarest or _waits(self.steps[i], f"k{i}", f) else f
            for i, code in enumerate(codes)
            for f in code.functions
        ]
        kernels = [
            (f"k{i}.{j}" if isinstance(step, Blocked) else f"k{i}", s)
            for i, step in enumerate(self.steps)
            for j, s in enumerate(step.inner if isinstance(step, Blocked) else [step])
        ]
        self.memory = self._plan(codes)
        hot = self._hot(codes)
        self._tables()
        for i, (step, code) in enumerate(zip(self.steps, codes, strict=True)):
            self.declared |= code.declared
            if isinstance(step, Library):
                self._call(self._stretch(), i, step)
            elif i in hot:
                self.hot = self.hot or Emitter(self.fma, "h")
                self._run(self.hot, step, code)
            else:
                self._run(self._stretch(), step, code)
        functions += [*self._program(), *self.apart]
        text = "\n".join(
            [
                *functions,
                *sorted(self.declared),
                "!0 = !{}",
                '!1 = !{!"branch_weights", i32 1, i32 1000}',
                "",
            ]
        )
        return Module(
            text, self.inputs, self.outputs, self.memory.arena, kernels,
            self.memory.unshared,
        )  # fmt: skip

    def _plan(self, codes: Sequence[Code]) -> Plan:
        """Places for all, now that it's known what kernels may overwrite and need."""
        pairs = [
            library_pairs(step) if isinstance(step, Library)
            else sorted(code.in_place, key=lambda p: (p[0].number, p[1].number))
            for step, code in zip(self.steps, codes, strict=True)
        ]  # fmt: skip
        scratch: list[list[int]] = [[] for _ in self.steps]
        for i, size in self.reserved:
            scratch[i].append(size)
        for i, step in enumerate(self.steps):
            if isinstance(step, Library) and step.call.scratch_bytes:
                scratch[i].append(step.call.scratch_bytes)
        return plan(self.steps, self.lives, pairs, scratch)

    def _hot(self, codes: Sequence[Code]) -> set[int]:
        """The steps that stand apart, so that the rest needs no effort of LLVM's."""
        hot = {
            i
            for i, (step, code) in enumerate(zip(self.steps, codes, strict=True))
            if i not in self.rarest and _is_hot(step, code)
        }
        rest = sum(_lines(code) for i, code in enumerate(codes) if i not in hot)
        self.is_quick = not hot or rest + 4 * len(self.slots) >= WORTH
        return hot if self.is_quick else set()

    def _set_apart(self, e: Emitter) -> None:
        """Calls what is written so far of the steps that stand apart."""
        assert self.hot is not None
        name = f"hot.{len(self.apart)}"
        self.apart.append(function(name, "ptr %context", self.hot.lines))
        self.declared |= self.hot.declared
        self.hot = None
        e.do(f"call void @{name}(ptr %context)")

    def _stretch(self) -> Emitter:
        """Where the next step is written: LLVM takes ever longer for one function."""
        if self.hot is not None:
            self._set_apart(self.stretches[-1])
        if not self.stretches or len(self.stretches[-1].lines) >= STRETCH:
            self.stretches.append(Emitter(self.fma, "m"))
        return self.stretches[-1]

    def _program(self) -> list[str]:
        """`@program`: all stretches, in functions of their own if they are several."""
        if self.hot is not None:
            self._set_apart(self.stretches[-1])
        frame = Emitter(self.fma, "p")
        count = len(self.slots) + len(self.reserved) + 1
        frame.do(f"%context = alloca [{count} x ptr], align 16")
        frame.do("store i32 0, ptr %arena")
        frame.do("store ptr %arena, ptr %context")
        functions = []
        if len(self.stretches) == 1:
            frame.lines += self.stretches[0].lines
            frame.block = self.stretches[0].block
        else:
            for i, e in enumerate(self.stretches):
                name = f"program.{i}"
                functions.append(_function(f"internal i32 @{name}", e, "ptr %context"))
                s = frame.let(f"call i32 @{name}({POINTERS}, ptr %context)")
                failed = frame.let(f"icmp ne i32 {s}, 0")
                self._return_if(frame, failed, s)
        self._leave(frame)
        for e in (frame, *self.stretches):
            self.declared |= e.declared
        functions.append(_function("i32 @program", frame))
        return [quick(f) for f in functions] if self.is_quick else functions

    def _code(self, i: int, step: Kernel | Library | Blocked) -> Code:
        """A kernel's functions; a library call has none."""
        if isinstance(step, Blocked):
            return BlockWriter(
                step, f"k{i}", self.slots, self.nodes, self.bits, self.fma,
                partial(self._reserve, i),
            ).write()  # fmt: skip
        if not isinstance(step, Kernel):
            return Code()
        return Writer(
            step, f"k{i}", self.slots, self.nodes, self.bits, self.fma,
            partial(self._reserve, i), self.lives.dying(i, step), i in self.rare,
        ).write()  # fmt: skip

    def _rare(self, share: float = 1.0) -> set[int]:
        times = {
            i: chunks.whole(s)
            for i, s in enumerate(self.steps)
            if isinstance(s, Kernel)
        }
        inner = [s for b in self.steps if isinstance(b, Blocked) for s in b.inner]
        more = sum(chunks.whole(s) for s in inner if isinstance(s, Kernel))
        return chunks.rare(times, (sum(times.values()) + more) * share)

    def _reserve(self, step: int, size: int) -> int:
        """Scratch for partial results: the slot that points to it."""
        self.reserved.append((step, size))
        return len(self.slots) + len(self.reserved)

    def _tables(self) -> None:
        """Pointers to all buffers, in one table that kernels read."""
        for i, node in enumerate(self.inputs):
            self._enter_pointer(self._stretch(), "%inputs", i, node)
        for i, node in enumerate(self.outputs):
            if node not in self.inputs:
                self._enter_pointer(self._stretch(), "%outputs", i, node)
        for n, home in self.memory.outputs.items():
            i = self.outputs.index(home)
            self._enter_pointer(self._stretch(), "%outputs", i, n)
        places = [(self.slots[n], at) for n, at in self.memory.places.items()]
        scratch = [iter(offsets) for offsets in self.memory.scratches]
        for k, (step, _) in enumerate(self.reserved, len(self.slots) + 1):
            places.append((k, next(scratch[step])))
        for number_, offset in places:
            e = self._stretch()
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

    def _run(self, e: Emitter, step: Kernel | Blocked, code: Code) -> None:
        for node in code.fills:
            start = combine.identity(fold_how(node), node.dtype)
            self._fill(e, node, start)
        for root in step.roots if isinstance(step, Kernel) else ():
            base = root.node.inputs[0] if root.kind == "scatter" else None
            if base is not None and self.memory.taken.get(root.node) is not base:
                self._copy(e, base, root.node)
        for call in code.calls:
            if isinstance(call, Body):
                call.into(e)
            else:
                e.do(f"call void {call}")

    def _fill(self, e: Emitter, node: Node, value: float | bool) -> None:
        """Every element of a buffer is `value`."""
        p = self._pointer(e, node)
        if value == 0:
            self._declare(e, "memset.p0.i64", "ptr, i8, i64, i1")
            size = exact_bytes(node)
            e.do(f"call void @llvm.memset.p0.i64(ptr {p}, i8 0, i64 {size}, i1 false)")
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
        size = exact_bytes(node)
        e.do(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {a}, ptr {b}, i64 {size}, i1 false)"
        )

    def _declare(self, e: Emitter, name: str, types: str) -> None:
        e.declare(f"declare void @llvm.{name}({types})")

    def _call(self, e: Emitter, i: int, step: Library) -> None:
        args = [self._pointer(e, n) for n in step.operands]
        results = [""] * (
            1 if isinstance(step.node.type, Type) else len(step.node.type)
        )
        for r in step.results:
            # One name for one buffer tells the call that nothing needs to be copied.
            taken = self.memory.taken.get(r)
            results[0 if r is step.node else r.params["index"]] = (
                self._pointer(e, r) if taken is None
                else args[step.operands.index(taken)]
            )  # fmt: skip
        scratch = "null"
        if step.call.scratch_bytes:
            (offset,) = self.memory.scratches[i]
            scratch = e.let(f"getelementptr i8, ptr %arena, i64 {offset}")
        status = step.call.emit(e, args, results, scratch)
        if status is not None:
            bad = e.let(f"icmp ne i32 {status}, 0")
            self._return_if(e, bad, -2)

    def _return_if(self, e: Emitter, flag: str, status: int | str) -> None:
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
        k = Kind(element_of(Type((), part_of(node.dtype))), 1)
        p = self._pointer(e, node)
        if node.dtype.kind == "c":
            return self._complex_differs(e, k, p, guard)
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
        return _other_bits(e, k, x, answer)

    def _complex_differs(self, e: Emitter, k: Kind, p: str, guard: Guard) -> str:
        """As `_differs`, of both parts; a truth, or the number itself."""
        second = e.let(f"getelementptr {k}, ptr {p}, i64 1")
        parts = [e.let(f"load {k}, ptr {at}") for at in (p, second)]
        answer = complex(np.asarray(guard.answer).item())
        if guard.asked == "bool":
            on = [e.let(f"fcmp une {k} {x}, {number(k, 0)}") for x in parts]
            any_ = e.let(f"or i1 {on[0]}, {on[1]}")
            return e.let(f"xor i1 {any_}, {str(bool(answer)).lower()}")
        wanted = (answer.real, answer.imag)
        off = [_other_bits(e, k, x, w) for x, w in zip(parts, wanted, strict=True)]
        return e.let(f"or i1 {off[0]}, {off[1]}")


def _other_bits(e: Emitter, k: Kind, x: str, answer: float) -> str:
    """Whether a number differs from the one that was answered, in any bit."""
    bits = Kind("i64" if k.element == "double" else "i32", 1)
    now = e.let(f"bitcast {k} {x} to {bits}")
    wanted = e.let(f"bitcast {k} {number(k, answer)} to {bits}")
    return e.let(f"icmp ne {bits} {now}, {wanted}")


def _function(name: str, e: Emitter, *more: str) -> str:
    """A function of the program's arguments and `more`; a stretch's status is 0."""
    head = f"define {name}({', '.join([POINTERS, *more])}) {ATTRIBUTES} {{"
    end = ["  ret i32 0"] if more else []
    return "\n".join([head, "entry:", *e.lines, *end, "}"])


def _waits(step: Kernel | Library | Blocked, name: str, text: str) -> bool:
    """Whether code spends its time in what it calls: blocks' loop, scalar functions.

    Across a call nothing stays in registers, however well these are given out.
    """
    if isinstance(step, Blocked):
        return f" @{name}(" in text[: text.index("\n")]
    if isinstance(step, Library) or step.loops:
        return False
    return text.count("call double @wg_") * BETWEEN >= text.count("\n")


def _lines(code: Code) -> int:
    return sum(len(call.lines) for call in code.calls if isinstance(call, Body))


def _is_hot(step: Kernel | Library | Blocked, code: Code) -> bool:
    """Whether its time depends on how well its code in `@program` is compiled."""
    if isinstance(step, Library):
        return False
    fills = [n for n in code.fills if combine.identity(fold_how(n), n.dtype) != 0]
    if any(n.type.size > FEW for n in fills):
        return True
    bodies = [call for call in code.calls if isinstance(call, Body)]
    if not bodies:
        return False
    if (
        isinstance(step, Blocked)
        or step.loops
        or any(r.kind == "scatter" for r in step.roots)
    ):
        return True  # loops; or the joining of parts that are results of loops
    text = "\n".join(x for body in bodies for x in body.lines)
    return not _waits(step, "", text)


def _in_memory(step: Kernel | Library | Blocked, node: Node) -> bool:
    """Whether a constant must be there as an array."""
    if isinstance(step, Blocked):
        return any(_in_memory(s, node) for s in step.inner if node in reads_of(s))
    if isinstance(step, Library):
        return True
    bases = [r.node.inputs[0] for r in step.roots if r.kind == "scatter"]
    if uniform(node) is not None:
        return False
    return node in bases or not is_counted(node)


__all__ = ["Assembly", "Module", "reads_of", "results_of"]
