"""The loops of a kernel, around its elements.

The innermost loop is a vector loop: a main part in steps of the width, then the rest as
a vector with lanes switched off, or one by one if few. Sums run in several vectors at
once, in blocks, and blocks are added with their rounding errors kept.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native import arithmetic, chunks, combine
from wengert.native.access import Memory, active
from wengert.native.codegen import BOOL, Elements, looked_atoms
from wengert.native.forms import Place, Read, at_operand, element_of, fold_of, indexed
from wengert.native.index import At, Index, Looked, Var, add, flat, index_of
from wengert.native.ir import Emitter, Kind, number
from wengert.native.kernel import Frame, Kernel, Root
from wengert.native.values import Dtype, Registers, Value

BLOCK = 128  # vectors that are added before their sum joins the total
COPIES = 4  # vectors that a short loop's fold runs in at once
FEW_PRODUCTS = 3  # where zero wins, that are written exactly at once
SPLITS = 6  # parts a nest may be split into for tests on its indices

# Ranges per loop; their product splits a nest.
Parts = list[tuple[tuple[int, int], ...]]


class Pass(NamedTuple):
    """A part of the innermost loop: from `low` to `high` in steps of width · copies."""

    low: int
    high: int
    width: int
    lanes: int
    copies: int = 1


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


@dataclass(slots=True)
class Code:
    """The functions of a kernel, and what they declare."""

    functions: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # names, in order
    declared: set[str] = field(default_factory=set)
    fills: list[Node] = field(default_factory=list)  # results that start at identity


class Writer:
    """Writes one kernel."""

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        slots: dict[Node, int],
        nodes: dict[int, Node],
        plain: set[Node],
        bits: int,
        fma: bool,
        reserve: Callable[[int], int],
    ) -> None:
        self.reserve = reserve  # bytes of scratch → the slot of its pointer
        self.kernel = kernel
        self.name = name
        self.slots = slots
        self.nodes = nodes
        self.plain = plain
        self.fma = fma
        self.width = kernel.width(bits)
        self.written = {r.node for r in kernel.roots}
        self.split = False
        self.joined: set[Node] = set()  # results that come from partial ones
        self.code = Code()

    def write(self) -> Code:
        """The kernel's functions."""
        if 0 in self.kernel.loops:  # a write of nothing is a copy
            return self.code
        whole = [(0, n) for n in self.kernel.loops]
        parts = self._run(self.name, whole)
        if parts is not None:
            self.split = True
            self.code.declared.clear()
            for i, box in enumerate(itertools.product(*parts)):
                self._run(f"{self.name}.{i}", list(box))
        for root in self.kernel.roots:
            if root.fold is not None and self.through_memory(root):
                if root.node not in self.joined:
                    self.code.fills.append(root.node)
        return self.code

    def _run(self, name: str, box: list[tuple[int, int]]) -> Parts | None:
        """Functions that loop over `box`; or how to split it, for simpler ones."""
        unit = self.width * COPIES if len(box) == 1 else 1
        plan = chunks.plan(self.kernel, box, unit)
        if plan is not None:
            return self._in_chunks(name, box, plan)
        nest = Nest(self, name, box, None, {})
        text = nest.write()
        parts = self._parts(nest.elements.breaks)
        if parts is None:
            self.code.functions.append(text)
            self.code.calls.append(f"@{name}(ptr %context)")
        return parts

    def _in_chunks(
        self, name: str, box: list[tuple[int, int]], plan: chunks.Chunks
    ) -> Parts | None:
        """Functions that threads share.

        The rest of a loop of vectors, beyond the last whole chunk, is one more part.
        """
        rest = None
        if len(box) == 1:
            whole = (plan.high - plan.low) // plan.size
            end = plan.low + whole * plan.size
            if end < plan.high:
                rest = [(end, plan.high)]
                plan = plan._replace(high=end)
        folds = {
            r.node: fold_how(r.node)
            for r in self.kernel.roots
            if 1 in r.folded_depths()
        }
        count = plan.number + (rest is not None)
        parts = {n: self.reserve(count * n.type.size * n.dtype.itemsize) for n in folds}
        started = {
            r.node: folds[r.node]
            for r in self.kernel.roots
            if r.node in folds and self.piecemeal(r)
        }
        nest = Nest(self, f"{name}.body", box, plan, parts)
        text = nest.write()
        better = self._parts(nest.elements.breaks)
        if better is not None:
            return better
        self.code.functions.append(text)
        self.code.functions.append(
            chunks.around(f"{name}.chunks", f"{name}.body", plan, parts, started)
        )
        self.code.declared.add("declare void @wg_parallel(ptr, ptr, i64, i64)")
        self.code.calls.append(
            f"@wg_parallel(ptr @{name}.chunks, ptr %context, i64 {plan.number}, i64 1)"
        )
        if rest is not None:
            nest = Nest(self, f"{name}.rest", rest, None, parts, plan.number)
            self.code.functions.append(nest.write())
            self.code.calls.append(f"@{name}.rest(ptr %context)")
        if parts:
            onto = {n for n in parts if self.split}
            self.code.functions.append(
                chunks.joining(f"{name}.join", count, parts, self.slots, folds, onto)
            )
            self.code.calls.append(f"@{name}.join(ptr %context)")
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
        ranges, count = [], 1
        for depth, n in enumerate(self.kernel.loops, 1):
            edges = [0, *sorted({v for d, v in asked if d == depth}), n]
            ranges.append(tuple(itertools.pairwise(edges)))
            count *= len(ranges[-1])
        return ranges if count <= SPLITS else None

    def through_memory(self, root: Root) -> bool:
        """Whether a fold's result is added to in memory, from its identity."""
        return bool(root.folded_depths()) and (self.split or self.piecemeal(root))

    def piecemeal(self, root: Root) -> bool:
        """Whether a loop inside of a folded one isn't folded: sums of columns."""
        folded = root.folded_depths()
        depth = len(self.kernel.loops)
        while depth in folded:
            depth -= 1
        return any(d < depth for d in folded)


class Nest:
    """One function: loops over a box, or over one chunk after another of it."""

    def __init__(
        self,
        writer: Writer,
        name: str,
        box: list[tuple[int, int]],
        plan: chunks.Chunks | None,
        parts: dict[Node, int],
        part: int = 0,
    ) -> None:
        self.plan = plan
        self.parts = parts  # where partial results go, by the slot of their pointer
        self.part = "%chunk" if plan else str(part)
        self.writer = writer
        self.kernel = writer.kernel
        self.name = name
        self.box = box
        self.depths = len(box)
        self.registers = Registers(self.depths, writer.fma)
        self.after = [Emitter(writer.fma, f"a{i}.") for i in range(max(self.depths, 1))]
        if not self.depths:
            self.registers.begin(Emitter(writer.fma, "d0."), 1)
        self.variables = [Var(d, low, high) for d, (low, high) in enumerate(box, 1)]
        pointers: dict[Node, str] = {}
        self.memory = Memory(self.registers, pointers)
        self._load_pointers(pointers)
        self.elements = Elements(
            self.memory,
            self.kernel.inlined,
            {n for n in self.kernel.reads if n not in writer.written},
            writer.nodes,
            writer.plain,
        )
        products = [n for n in self.kernel.inlined if n.op.name == "strong_product"]
        scatters = any(r.kind == "scatter" for r in self.kernel.roots)
        self.elements.exact = scatters or len(products) < FEW_PRODUCTS
        self.totals: dict[tuple[int, Place], Total] = {}
        self.body: list[str] = []  # the innermost loop with all its passes

    def _load_pointers(self, pointers: dict[Node, str]) -> None:
        entry = self.registers.at(0)
        slots = self.writer.slots
        used = self.kernel.reads | self.writer.written
        for node in sorted(used, key=lambda n: n.number):
            if node not in slots:
                continue
            at = entry.let(f"getelementptr ptr, ptr %context, i64 {slots[node]}")
            pointers[node] = entry.let(f"load ptr, ptr {at}, !invariant.load !0")
        for node, slot in self.parts.items():
            at = entry.let(f"getelementptr ptr, ptr %context, i64 {slot}")
            base = entry.let(f"load ptr, ptr {at}, !invariant.load !0")
            size = node.type.size * node.dtype.itemsize
            skip = entry.let(f"mul i64 {self.part}, {size}")
            pointers[node] = entry.let(f"getelementptr i8, ptr {base}, i64 {skip}")
        entry.do("%flag = load ptr, ptr %context, !invariant.load !0")

    def write(self) -> str:
        """The function's text."""
        if self.depths:
            for d, var in enumerate(self.variables[:-1], 1):
                self.registers.first[var] = f"%i{d}"
                self.registers.emitters[d].block = f"loop{d}"
            self._innermost()
        else:
            self._elements(())
        lines = self._assembled()
        attributes = 'nounwind "min-legal-vector-width"="512"'
        attributes += ' "prefer-vector-width"="512"'
        given = "ptr %context"
        if self.plan is not None:
            given += ", i64 %begin, i64 %end, i64 %chunk"
        head = f"define internal void @{self.name}({given}) {attributes} {{"
        emitters = [*self.registers.emitters, *self.after]
        for e in emitters:
            self.writer.code.declared |= e.declared
        return "\n".join([head, "entry:", *lines, "  ret void", "}"])

    def _assembled(self) -> list[str]:
        """The loops: each one's code, the next loop, what comes after that."""
        before = self.registers.emitters
        if not self.depths:
            return before[0].lines
        lines = list(before[0].lines)
        for d in range(1, self.depths):
            previous = before[d - 1].block
            lines += [
                f"  br label %loop{d}",
                f"loop{d}:",
                f"  %i{d} = phi i64 [{self._ends(d)[0]}, %{previous}], [%n{d}, %latch{d}]",
                *before[d].lines,
            ]
        lines += self.body
        for d in range(self.depths - 1, 0, -1):
            high = self._ends(d)[1]
            lines += [
                *self.after[d].lines,
                f"  br label %latch{d}",
                f"latch{d}:",
                f"  %n{d} = add nuw nsw i64 %i{d}, 1",
                f"  %c{d} = icmp slt i64 %n{d}, {high}",
                f"  br i1 %c{d}, label %loop{d}, label %done{d}",
                f"done{d}:",
            ]
        lines += self.after[0].lines
        return lines

    def _ends(self, depth: int) -> tuple[str, str]:
        """Where a loop begins and ends: the outermost one of a chunk is told."""
        if self.plan is not None and depth == 1:
            return "%begin", "%end"
        low, high = self.box[depth - 1]
        return str(low), str(high)

    # The innermost loop -----------------------------------------------------------

    def _passes(self) -> list[Pass]:
        low, high = self.box[-1]
        w = self.writer.width
        if w == 1:
            return [Pass(low, high, 1, 1)]
        if self.plan is not None and self.depths == 1:
            copies = self._copies(self.plan.size // w)
            return [Pass(self.plan.low, self.plan.high, w, w, copies)]
        found = []
        copies = self._copies((high - low) // w)
        at = low
        for c in (copies, 1) if copies > 1 else (1,):
            count = (high - at) // (w * c)
            if count:
                found.append(Pass(at, at + count * w * c, w, w, c))
                at += count * w * c
        return found + _rest(at, high, w)

    def _copies(self, count: int) -> int:
        """How many vectors to fold at once: additions take several cycles each."""
        depth = self.depths
        folds = [r for r in self.kernel.roots if depth in r.folded_depths()]
        work = sum(arithmetic.cost(n) for n in self.kernel.inlined)
        if not folds or work > 40 or count < 4 * COPIES:
            return 1
        frames = sum(len(r.frames(tuple(0 for _ in self.box))) for r in folds)
        return COPIES if frames <= 2 else 1

    def _innermost(self) -> None:
        outer = tuple(index_of(v) for v in self.variables[:-1])
        block = ""  # of the previous pass; "" for the code before the loop
        for i, p in enumerate(self._passes()):
            block = self._pass(i, p, outer, block)
        e = self.after[self.depths - 1]
        e.block = block
        for total in self.totals.values():
            self._complete(total, e)

    def _pass(self, i: int, p: Pass, outer: tuple[At, ...], block: str) -> str:
        """Writes one pass; returns the block it ends in."""
        r = self.registers
        emitter = Emitter(self.writer.fma, f"p{i}.")
        r.begin(emitter, p.width)
        self.memory.lanes = p.lanes
        emitter.block = head = f"pass{i}"
        step = p.width * p.copies
        once = self._is_once(p)
        var = Var(self.depths, p.low, p.high - p.width * (p.copies - 1))
        counter = f"%j{i}"
        r.first[var] = str(p.low) if once else counter
        here: list[At] = [
            add(index_of(var) if p.width == 1 else lane_index(var), c * p.width)
            for c in range(p.copies)
        ]
        runs = [self._elements((*outer, a), c, p) for c, a in enumerate(here)]
        touched = {k: total for run in runs for k, total in run.items()}
        self.writer.code.declared |= emitter.declared
        if once:
            self.body += [f"  br label %{head}", f"{head}:", *emitter.lines]
            self._keep(touched, p)
            return emitter.block
        return self._looped(i, p, emitter, touched)

    def _is_once(self, p: Pass) -> bool:
        in_chunks = self.plan is not None and self.depths == 1
        return not in_chunks and p.high - p.low <= p.width * p.copies

    def _keep(
        self, touched: dict[tuple[int, Place, int], tuple[str, str]], p: Pass
    ) -> None:
        """A pass that runs once: its partial results, joined with those before."""
        for (root, at, _), (_, new) in touched.items():
            self.totals[root, at].parts[p.width] = new

    def _looped(
        self,
        i: int,
        p: Pass,
        emitter: Emitter,
        touched: dict[tuple[int, Place, int], tuple[str, str]],
    ) -> str:
        """A pass as a loop, in blocks if it adds many numbers."""
        step = p.width * p.copies
        count = (p.high - p.low) // step
        blocked = count > 2 * BLOCK and any(
            self.totals[r, at].how == "add" for r, at, _ in touched
        )
        head, tail = f"pass{i}", f"exit{i}"
        start = f"enter{i}"
        lines = [f"  br label %{start}", f"{start}:"]
        low, high = str(p.low), str(p.high)
        if self.plan is not None and self.depths == 1:
            low, high = self._ends(1)
            count = self.plan.size // step
            blocked = blocked and count > 2 * BLOCK
        begin_at, end_at = low, high
        outside = Emitter(self.writer.fma, f"b{i}.")
        first = start
        if blocked:
            low, high, first = f"%bj{i}", f"%be{i}", f"block{i}"
            lines += [
                f"  br label %block{i}",
                f"block{i}:",
                f"  %bj{i} = phi i64 [{begin_at}, %{start}], [%be{i}, %join{i}]",
            ]
            phis = []
            for n, (key, _) in enumerate(touched.items()):
                total = self.totals[key[:2]]
                k = self._kind(total, p.width)
                zero = number(k, combine.identity(total.how, total.dtype))
                begin = self._start(total, p, key[2])
                for part, initial in (("s", begin), ("e", zero)):
                    phis.append(
                        f"  %{part}{i}.{n} = phi {k} [{initial}, %{start}], "
                        f"[%{part}n{i}.{n}, %join{i}]"
                    )
            lines += phis
            lines += [
                f"  %bs{i} = add i64 %bj{i}, {BLOCK * step}",
                f"  %bc{i} = icmp slt i64 %bs{i}, {end_at}",
                f"  %be{i} = select i1 %bc{i}, i64 %bs{i}, i64 {end_at}",
            ]
        lines += [
            f"  br label %{head}",
            f"{head}:",
            f"  %j{i} = phi i64 [{low}, %{first}], [%k{i}, %{emitter.block}]",
        ]
        for n, (key, (old, new)) in enumerate(touched.items()):
            total = self.totals[key[:2]]
            k = self._kind(total, p.width)
            begin = (
                number(k, combine.identity(total.how, total.dtype))
                if blocked
                else self._start(total, p, key[2])
            )
            lines.append(
                f"  {old} = phi {k} [{begin}, %{first}], [{new}, %{emitter.block}]"
            )
        lines += [
            *emitter.lines,
            f"  %k{i} = add nuw nsw i64 %j{i}, {step}",
            f"  %l{i} = icmp slt i64 %k{i}, {high}",
            f"  br i1 %l{i}, label %{head}, label %{tail}",
            f"{tail}:",
        ]
        outside.block = tail
        results: dict[tuple[int, Place], list[str]] = {}
        for n, (key, (_, new)) in enumerate(touched.items()):
            total = self.totals[key[:2]]
            k = self._kind(total, p.width)
            x = new
            if blocked:
                x, error = self._joined(outside, total, k, f"%s{i}.{n}", new)
                lines += self._named(outside, k, x, f"%sn{i}.{n}")
                e = outside.let(f"fadd {k} %e{i}.{n}, {error}") if error else x
                lines += self._named(outside, k, e, f"%en{i}.{n}")
                x = f"%sn{i}.{n}" if not error else ""
                results.setdefault(key[:2], []).append(x or f"{i}.{n}")
            else:
                results.setdefault(key[:2], []).append(x)
        if blocked:
            lines += [
                f"  br label %join{i}",
                f"join{i}:",
                f"  %bl{i} = icmp slt i64 %be{i}, {end_at}",
                f"  br i1 %bl{i}, label %block{i}, label %out{i}",
                f"out{i}:",
            ]
            outside.block = f"out{i}"
        for name, xs in results.items():
            total = self.totals[name]
            k = self._kind(total, p.width)
            parts = [self._sum_of(outside, total, k, x, blocked) for x in xs]
            while len(parts) > 1:
                parts = [
                    combine.two(outside, k, total.dtype, total.how, *parts[j : j + 2])
                    if j + 1 < len(parts)
                    else parts[j]
                    for j in range(0, len(parts), 2)
                ]
            total.parts[p.width] = parts[0]
        lines += outside.lines
        self.writer.code.declared |= outside.declared
        self.body += lines
        return outside.block

    def _named(self, e: Emitter, k: Kind, x: str, name: str) -> list[str]:
        """What was written to `e` so far, and `x` under another name."""
        lines = list(e.lines)
        e.lines.clear()
        if k.element in ("double", "float"):
            lines.append(f"  {name} = fadd {k} {x}, {number(k, -0.0)}")
        else:
            lines.append(f"  {name} = add {k} {x}, {number(k, 0)}")
        return lines

    def _joined(
        self, e: Emitter, total: Total, k: Kind, s: str, x: str
    ) -> tuple[str, str]:
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
        return y, e.let(
            f"select {k.of('i1')} {fine}, {k} {error}, {k} {number(k, 0.0)}"
        )

    def _sum_of(self, e: Emitter, total: Total, k: Kind, x: str, blocked: bool) -> str:
        """A pass's result: of a blocked sum, with its rounding errors."""
        if not blocked or x.startswith("%"):
            return x
        return e.let(f"fadd {k} %sn{x}, %en{x}")

    def _start(self, total: Total, p: Pass, copy: int) -> str:
        """What a pass's running value begins with."""
        so_far = total.parts.get(p.width)
        if so_far and copy == 0:
            return so_far
        k = self._kind(total, p.width)
        return number(k, combine.identity(total.how, total.dtype))

    def _kind(self, total: Total, width: int) -> Kind:
        return Kind(element_of(Type((), total.dtype)), width)

    # Elements of one pass ---------------------------------------------------------

    def _elements(
        self, where: tuple[At, ...], copy: int = 0, p: Pass | None = None
    ) -> dict[tuple[int, Place, int], tuple[str, str]]:
        """Computes and stores what the roots have at `where`; folds run on.

        Returns, for each total that the pass adds to, its register before and after.
        """
        running: dict[tuple[int, Place, int], tuple[str, str]] = {}
        stored: list[tuple[Root, Frame]] = []
        folded: list[tuple[int, Root, Frame, list[Read]]] = []
        for number_, root in enumerate(self.kernel.roots):
            for frame in root.frames(where):
                if root.kind == "scatter":
                    self._scatter(root, frame)
                elif root.fold is None or not root.folded_depths():
                    self._store(self.elements, root, frame)
                    stored.append((root, frame))
                else:
                    reads = root.fold.reads(frame.at, frame.along)
                    self.elements.compute(reads)
                    folded.append((number_, root, frame, reads))
        repaired = self._repaired(stored, [r for *_, reads in folded for r in reads])
        for number_, root, frame, reads in folded:
            values = [repaired.get(r) or self.elements.values[r] for r in reads]
            self._fold(number_, root, frame, copy, p, running, values)
        return running

    def _store(self, elements: Elements, root: Root, frame: Frame) -> None:
        node = root.node
        (v,) = elements.compute([(node, frame.at)])
        self.memory.store(node, node.dtype, flat(frame.at, node.shape), v)

    def _repaired(
        self, stored: list[tuple[Root, Frame]], reads: list[Read]
    ) -> dict[Read, Value]:
        """Where a nan shows up in what is in doubt: all that again, exactly.

        Stored elements are stored once more; folded ones get new values.
        """
        found = self.elements
        stored = [(r, f) for r, f in stored if (r.node, f.at) in found.doubted]
        reads = [r for r in dict.fromkeys(reads) if r in found.doubted]
        doubted = [found.values[r.node, f.at] for r, f in stored]
        doubted += [found.values[r] for r in reads] + found.suspects
        found.suspects = []
        if not doubted:
            return {}
        r = self.registers
        e = r.at(r.inner)
        bad = self._any_nan(e, doubted)
        again, join = e.label("again"), e.label("join")
        before = e.block
        e.do(f"br i1 {bad}, label %{again}, label %{join}, !prof !1")
        e.place(again)
        # What is written in this block can't be used after it.
        kept = dict(r.atoms), dict(r.spread)
        exact = found.again()
        for root, frame in stored:
            self._store(exact, root, frame)
        new = exact.compute(reads)
        texts = [r.text(v, v.dtype, r.inner) for v in new]
        after = e.block
        r.atoms, r.spread = kept
        e.do(f"br label %{join}")
        e.place(join)
        repaired = {}
        for read, text in zip(reads, texts, strict=True):
            v = found.values[read]
            k = r.kind(v.dtype, r.inner)
            x = e.let(f"phi {k} [{v.text}, %{before}], [{text}, %{after}]")
            repaired[read] = Value(x, v.dtype, r.inner)
        return repaired

    def _any_nan(self, e: Emitter, values: list[Value]) -> str:
        """Whether any lane of any value is inf or nan: x − x is 0 of all others."""
        r = self.registers
        flags = []
        for dtype in dict.fromkeys(v.dtype for v in values if v.dtype.kind == "f"):
            k = r.kind(dtype, r.inner)
            total = ""
            for text in dict.fromkeys(v.text for v in values if v.dtype == dtype):
                x = e.let(f"fsub {k} {text}, {text}")
                total = e.let(f"fadd {k} {total}, {x}") if total else x
            flags.append(e.let(f"fcmp uno {k} {total}, {total}"))
        k = r.kind(BOOL, r.inner)
        flag = flags[0]
        for other in flags[1:]:
            flag = e.let(f"or {k} {flag}, {other}")
        if k.width == 1:
            return flag
        bits = e.let(f"bitcast {k} {flag} to i{k.width}")
        return e.let(f"icmp ne i{k.width} {bits}, 0")

    def _scatter(self, root: Root, frame: Frame) -> None:
        """x[key] = v or += v at one place; in order, since places may repeat."""
        node = root.node
        x, v, *arrays = node.inputs
        at = indexed(node.params["key"], tuple(arrays), x.shape, frame.at)
        atoms = looked_atoms(at)
        wanted = [(self.elements.nodes[a.node], a.at) for a in atoms]
        there = at_operand(v, frame.at, root.shape)
        *looked, value = self.elements.compute([*wanted, (v, there)])
        for atom, found in zip(atoms, looked, strict=True):
            assert isinstance(atom, Looked)
            self.elements.look(atom, found)
        r = self.registers
        e = r.at(r.inner)
        place = flat(at, x.shape)
        old = self.memory.address(node, node.dtype, place)[0]
        one = r.text(value, node.dtype, r.inner)
        if node.op.name == "index_add":
            k = r.kind(node.dtype, r.inner)
            was = e.let(f"load {k}, ptr {old}")
            one = combine.two(e, k, node.dtype, "add", was, one)
        if node.dtype.kind == "b":
            e.do(f"store i8 {e.let(f'zext i1 {one} to i8')}, ptr {old}")
        else:
            e.do(f"store {r.kind(node.dtype, r.inner)} {one}, ptr {old}")

    def _fold(
        self,
        number_: int,
        root: Root,
        frame: Frame,
        copy: int,
        p: Pass | None,
        running: dict[tuple[int, Place, int], tuple[str, str]],
        values: list[Value],
    ) -> None:
        """One term joins the fold's running value, or its place in memory."""
        assert root.fold is not None and p is not None
        dtype = root.node.dtype
        factors = self.elements.term(values, dtype)
        folded = root.folded_depths()
        if self.depths not in folded:
            self._add_in_memory(root, frame.at, factors)
            return
        key = (number_, frame.at, copy)
        total = self.totals.get(key[:2])
        if total is None:
            total = self.totals[key[:2]] = self._total(number_, root, frame.at)
        r = self.registers
        e, k = r.at(r.inner), r.kind(dtype, r.inner)
        once = self._is_once(p)
        if key in running:
            old, so_far = running[key]
        elif once:
            old = so_far = self._start(total, p, copy)
        else:
            old = so_far = f"%t{len(running)}.{copy}.{p.low}"
        texts = [r.text(v, dtype, r.inner) for v in factors]
        new = joined(e, k, dtype, total.how, so_far, texts)
        if p.lanes < p.width:
            mask = active(p.width, p.lanes)
            new = e.let(f"select {k.of('i1')} {mask}, {k} {new}, {k} {so_far}")
        running[key] = (old, new)

    def _total(self, number_: int, root: Root, at: Place) -> Total:
        assert root.fold is not None
        folded = root.folded_depths()
        kept = self.depths
        while kept in folded:
            kept -= 1
        total = Total(root, at, root.fold.combine, root.node.dtype, kept)
        if kept < self.depths - 1:
            total.slot = self._slot(total, f"{number_}.{len(self.totals)}")
        return total

    def _slot(self, total: Total, name: str) -> str:
        """Memory for a value that several runs of the innermost loop add to."""
        entry, outside = self.registers.at(0), self.registers.at(total.kept)
        k = self._kind(total, 1)
        slot = f"%slot{name}"
        entry.do(f"{slot} = alloca [2 x {k}], align 16")
        start = number(k, combine.identity(total.how, total.dtype))
        error = outside.let(f"getelementptr {k}, ptr {slot}, i64 1")
        outside.do(f"store {k} {start}, ptr {slot}")
        outside.do(f"store {k} {number(k, 0)}, ptr {error}")
        return slot

    def _complete(self, total: Total, e: Emitter) -> None:
        """After the innermost loop: lanes into one number, and on to where it goes."""
        k = self._kind(total, 1)
        dtype, how = total.dtype, total.how
        x = ""
        for width, lanes in total.parts.items():
            one = combine.across(e, self._kind(total, width), dtype, how, lanes)
            x = combine.two(e, k, dtype, how, x, one) if x else one
        total.parts.clear()
        if not total.slot:
            self._deliver(total, e, k, x)
            return
        old = e.let(f"load {k}, ptr {total.slot}")
        new, error = self._joined(e, total, k, old, x)
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
        self._put(e, k, node, address, x, self._adds(total.root))

    def _adds(self, root: Root) -> bool:
        """Whether a complete value is added to what its place has."""
        if root.node in self.parts:  # a chunk's own place, begun by it
            return self.writer.piecemeal(root)
        return self.writer.through_memory(root)

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

    def _add_in_memory(self, root: Root, at: Place, factors: list[Value]) -> None:
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


def _rest(at: int, high: int, width: int) -> list[Pass]:
    """What a main part leaves over: shorter vectors, or one with lanes off.

    Up to two shorter vectors do it sooner than a masked one.
    """
    shorter = []
    size = width
    while size > 1:
        size //= 2
        if high - at & size:
            shorter.append(size)
    if len(shorter) > 2:
        return [Pass(at, high, width, high - at)]
    found = []
    for size in shorter:
        found.append(Pass(at, at + size, size, size))
        at += size
    return found


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


def fold_how(node: Node) -> str:
    """How a fold combines."""
    fold = fold_of(node)
    assert fold is not None
    return fold.combine


def lane_index(var: Var) -> At:
    """The variable of a vector loop: one value per lane, even if it runs once."""
    return Index(0, ((var, 1),))
