"""One nest of a kernel: its loops, and the elements in them.

The innermost loop is a vector loop: a main part in steps of the width, then the rest in
shorter vectors, or in one with lanes switched off.
"""

import math
from typing import TYPE_CHECKING

from wengert.graph.graph import CONSTANT, INPUT, Node
from wengert.native import arithmetic, chunks, combine
from wengert.native.access import Memory, active
from wengert.native.body import Body
from wengert.native.codegen import BOOL, Elements, looked_atoms
from wengert.native.forms import Read, at_operand, indexed, part_of, stored
from wengert.native.index import At, Index, Looked, Var, add, flat, index_of
from wengert.native.ir import Emitter, Kind
from wengert.native.kernel import Frame, Root
from wengert.native.loop import COPIES, COUNTED, Ends, Loop, Running, counted
from wengert.native.memory import Pair
from wengert.native.overwrite import Store, overwritable
from wengert.native.totals import Pass, Totals, joined
from wengert.native.values import Registers, Value

if TYPE_CHECKING:
    from wengert.native.writer import Writer

FEW_PRODUCTS = 3  # where zero wins, that are written exactly at once
SMALL = 4096  # elements whose memory isn't worth reusing
# Loops over so few elements write out two functions only: their time is the call's.
SOON_DONE = 64
FEW_INLINE = 2


class Nest:
    """Loops over a box, or over the part of it from `%begin` to `%end`: a chunk's."""

    def __init__(
        self,
        writer: "Writer",
        name: str,
        box: list[tuple[int, int]],
        plan: chunks.Chunks | None,
        parts: dict[Node, int],
        part: int = 0,
    ) -> None:
        self.plan = plan
        self.parts = parts  # where partial results go, by the slot of their pointer
        self.part = "%chunk" if plan else str(part)
        self.declared: set[str] = set()
        self.writer = writer
        self.kernel = writer.kernel
        self.roots = writer.kernel.within(box)
        self.name = name
        self.box = box
        self.depths = len(box)
        self.registers = Registers(self.depths, writer.fma)
        self.after = [self._emitter(f"a{i}") for i in range(max(self.depths, 1))]
        if not self.depths:
            self.registers.begin(self._emitter("d0"), 1)
        for d, e in enumerate(self.registers.emitters):
            e.prefix = f"{name}.d{d}."
        self.registers.at(0).block = f"start.{name}"
        self.variables = [Var(d, low, high) for d, (low, high) in enumerate(box, 1)]
        pointers: dict[Node, str] = {}
        self.memory = Memory(self.registers, pointers)
        self._load_pointers(pointers)
        self.elements = Elements(
            self.memory,
            self.kernel.inlined,
            # Other nests may stand in the same function and write what this one reads.
            {n for n in self.kernel.reads if n.op in (INPUT, CONSTANT)},
            writer.nodes,
        )
        if writer.rare or not self.depths:
            self.elements.inline = 0
        elif math.prod(self.kernel.loops) <= SOON_DONE:
            self.elements.inline = FEW_INLINE
        self.memory.short = writer.rare
        products = [n for n in self.kernel.inlined if n.op.name == "strong_product"]
        scatters = any(r.kind == "scatter" for r in self.roots)
        self.elements.exact = scatters or len(products) < FEW_PRODUCTS
        self.totals = Totals(
            self.registers, self.memory, self.after, self.depths, self._adds, name
        )
        self.body: list[str] = []  # the innermost loop with all its passes
        self.overlapped = False  # whether any element is computed twice
        self.stores: list[Store] = []

    def _adds(self, root: Root) -> bool:
        """Whether a complete value is added to what its place has."""
        if root.node in self.parts:  # a chunk's own place, begun by it
            return self.writer.piecemeal(root)
        return self.writer.through_memory(root)

    def _load_pointers(self, pointers: dict[Node, str]) -> None:
        entry = self.registers.at(0)
        slots = self.writer.slots
        used = self.kernel.reads | self.writer.written
        for node in sorted(used, key=lambda n: n.number):
            if node not in slots:
                continue
            at = entry.let(f"getelementptr ptr, ptr %context, i64 {slots[node]}")
            pointers[node] = entry.let(f"load ptr, ptr {at}")
        for node, slot in self.parts.items():
            at = entry.let(f"getelementptr ptr, ptr %context, i64 {slot}")
            base = entry.let(f"load ptr, ptr {at}")
            size = node.type.size * node.dtype.itemsize
            skip = entry.let(f"mul i64 {self.part}, {size}")
            pointers[node] = entry.let(f"getelementptr i8, ptr {base}, i64 {skip}")

    def _emitter(self, what: str) -> Emitter:
        """For one place in the nest; its names are the only ones in the function."""
        return Emitter(self.writer.fma, f"{self.name}.{what}.")

    def write(self) -> Body:
        """The nest's code."""
        if self.depths:
            for d, var in enumerate(self.variables[:-1], 1):
                self.registers.first[var] = f"%i{d}.{self.name}"
                self.registers.emitters[d].block = f"loop{d}.{self.name}"
            self._innermost()
        else:
            self._elements(())
        lines = self._assembled()
        for e in [*self.registers.emitters, *self.after]:
            self.declared |= e.declared
        self.declared.add(COUNTED)
        return Body(self.name, lines, self.totals.slots, self.declared)

    def in_place(self) -> frozenset[Pair]:
        """Which results may be written over which operands, as far as it goes."""
        if self.overlapped:
            return frozenset()
        return overwritable(
            self.roots,
            self.writer.replaceable,
            self.stores,
            self.elements.values,
        )

    def _assembled(self) -> list[str]:
        """The loops: each one's code, the next loop, what comes after that."""
        before = self.registers.emitters
        if not self.depths:
            return before[0].lines
        n = self.name
        lines = list(before[0].lines)
        for d in range(1, self.depths):
            previous, low = before[d - 1].block, self._ends(d)[0]
            lines += [
                f"  br label %loop{d}.{n}",
                f"loop{d}.{n}:",
                f"  %o{d}.{n} = phi i64 [{low}, %{previous}], "
                f"[%n{d}.{n}, %latch{d}.{n}]",
                counted(f"%i{d}.{n}", f"%o{d}.{n}"),
                *before[d].lines,
            ]
        lines += self.body
        for d in range(self.depths - 1, 0, -1):
            high = self._ends(d)[1]
            lines += [
                *self.after[d].lines,
                f"  br label %latch{d}.{n}",
                f"latch{d}.{n}:",
                f"  %n{d}.{n} = add nuw nsw i64 %o{d}.{n}, 1",
                f"  %c{d}.{n} = icmp slt i64 %n{d}.{n}, {high}",
                f"  br i1 %c{d}.{n}, label %loop{d}.{n}, label %done{d}.{n}",
                f"done{d}.{n}:",
            ]
            self.after[d - 1].block = f"done{d}.{n}"
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
        if self._repeats(high - low):
            while w > high - low:
                w //= 2
            return [Pass(low, high, w, w, overlaps=True)]
        found = []
        copies = self._copies((high - low) // w)
        at = low
        for c in (copies, 1) if copies > 1 else (1,):
            count = (high - at) // (w * c)
            if count:
                found.append(Pass(at, at + count * w * c, w, w, c))
                at += count * w * c
        return found + _rest(at, high, w)

    def _repeats(self, count: int) -> bool:
        """Whether what a vector loop leaves over is done by vectors that overlap.

        They compute some elements twice: half the code, and up to 6 % more time. But
        sums would count elements twice, writes into arrays might add twice, and there
        must be operands to read again.
        """
        if not self.writer.rare or count % self.writer.width == 0 or count == 1:
            return False
        sums = any(
            r.kind == "scatter"
            or (r.fold is not None and r.fold.combine not in ("maximum", "minimum"))
            for r in self.roots
        )
        large = math.prod(high - low for low, high in self.box) > SMALL
        return not sums and not (large and self.writer.replaceable)

    def _copies(self, count: int) -> int:
        """How many vectors to fold at once: additions take several cycles each."""
        depth = self.depths
        folds = [r for r in self.roots if depth in r.folded_depths()]
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
        for total in self.totals.found.values():
            self.totals.complete(total, e)

    def _pass(self, i: int, p: Pass, outer: tuple[At, ...], block: str) -> str:
        """Writes one pass; returns the block it ends in."""
        r = self.registers
        tag = f"{i}.{self.name}"
        emitter = self._emitter(f"p{i}")
        r.begin(emitter, p.width)
        self.memory.lanes = p.lanes
        emitter.block = head = f"pass{tag}"
        once = self._is_once(p)
        self.overlapped |= p.overlaps
        var = Var(self.depths, p.low, p.high - p.width * (p.copies - 1))
        counter = f"%j{tag}"
        first = str(p.low) if once else counter
        if p.overlaps and not once:
            most = str(p.high - p.width)
            first = emitter.intrinsic("smin", Kind("i64", 1), counter, most)
        r.first[var] = first
        here: list[At] = [
            add(index_of(var) if p.width == 1 else lane_index(var), c * p.width)
            for c in range(p.copies)
        ]
        runs = [self._elements((*outer, a), c, p) for c, a in enumerate(here)]
        running = {k: registers for run in runs for k, registers in run.items()}
        self.declared |= emitter.declared
        if once:
            self.body += [f"  br label %{head}", f"{head}:", *emitter.lines]
            for (slot, _), (_, new) in running.items():
                self.totals.found[slot].parts[p.width] = new
            return emitter.block
        step = p.width * p.copies
        low, high, count = str(p.low), str(p.high), (p.high - p.low) // step
        if self.plan is not None and self.depths == 1:
            low, high = self._ends(1)
            count = self.plan.size // step
        outside = self._emitter(f"b{i}")
        loop = Loop(tag, p, Ends(low, high, count), emitter, outside, self.totals)
        self.body += loop.write(running)
        self.declared |= loop.outside.declared
        return loop.outside.block

    def _is_once(self, p: Pass) -> bool:
        in_chunks = self.plan is not None and self.depths == 1
        return not in_chunks and p.high - p.low <= p.width * p.copies

    # Elements of one pass ---------------------------------------------------------

    def _elements(
        self, where: tuple[At, ...], copy: int = 0, p: Pass | None = None
    ) -> Running:
        """Computes and stores what the roots have at `where`; folds run on.

        Returns, for each total that the pass adds to, its register before and after.
        """
        running: Running = {}
        written: list[tuple[Root, Frame]] = []
        folded: list[tuple[int, Root, Frame, list[Read]]] = []
        for number_, root in enumerate(self.roots):
            for frame in root.frames(where):
                if root.kind == "scatter":
                    self._scatter(root, frame)
                elif root.fold is None or not root.folded_depths():
                    self._store(self.elements, root, frame)
                    written.append((root, frame))
                else:
                    reads = root.fold.reads(frame.at, frame.along)
                    self.elements.compute(reads)
                    folded.append((number_, root, frame, reads))
        repaired = self._repaired(written, [r for *_, reads in folded for r in reads])
        for number_, root, frame, reads in folded:
            values = [repaired.get(r) or self.elements.values[r] for r in reads]
            self._fold(number_, root, frame, copy, p, running, values)
        return running

    def _store(self, elements: Elements, root: Root, frame: Frame) -> None:
        node = root.node
        parts = elements.compute(stored(node, frame.at))
        place = flat(frame.at, node.shape)
        self.stores.append(Store(node, place, len(elements.values)))
        if node.dtype.kind == "c":
            self.memory.store_pair(node, part_of(node.dtype), place, *parts)
        else:
            self.memory.store(node, node.dtype, place, *parts)

    def _repaired(
        self, written: list[tuple[Root, Frame]], reads: list[Read]
    ) -> dict[Read, Value]:
        """Where a nan shows up in what is in doubt: all that again, exactly.

        Stored elements are stored once more; folded ones get new values.
        """
        found = self.elements
        written = [
            (r, f)
            for r, f in written
            if any(x in found.doubted for x in stored(r.node, f.at))
        ]
        reads = [r for r in dict.fromkeys(reads) if r in found.doubted]
        doubted = [
            found.values[x]
            for r, f in written
            for x in stored(r.node, f.at)
            if x in found.doubted
        ]
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
        for root, frame in written:
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
        self.stores.append(Store(node, place, len(self.elements.values)))
        if not root.repeats:
            self._write(node, place, value)
            return
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

    def _write(self, node: Node, place: At, value: Value) -> None:
        """x[key] = v or += v, with a place for each element."""
        r, dtype = self.registers, node.dtype
        if node.op.name == "index_add":
            old = self.memory.load(node, dtype, place, False)
            depth = max(old.depth, value.depth)
            k = r.kind(dtype, depth)
            a, b = (r.text(v, dtype, depth) for v in (old, value))
            value = Value(combine.two(r.at(depth), k, dtype, "add", a, b), dtype, depth)
        self.memory.store(node, dtype, place, value)

    def _fold(
        self,
        number_: int,
        root: Root,
        frame: Frame,
        copy: int,
        p: Pass | None,
        running: Running,
        values: list[Value],
    ) -> None:
        """One term joins the fold's running value, or its place in memory."""
        assert p is not None
        dtype = root.node.dtype
        factors = self.elements.term(values, dtype)
        if self.depths not in root.folded_depths():
            self.totals.add_in_memory(root, frame.at, factors)
            return
        total = self.totals.at(number_, root, frame.at)
        key = ((number_, frame.at), copy)
        r = self.registers
        e, k = r.at(r.inner), r.kind(dtype, r.inner)
        if key in running:
            old, so_far = running[key]
        elif self._is_once(p):
            old = so_far = self.totals.start(total, p, copy)
        else:
            old = so_far = f"%t{len(running)}.{copy}.{p.low}.{self.name}"
        texts = [r.text(v, dtype, r.inner) for v in factors]
        new = joined(e, k, dtype, total.how, so_far, texts)
        if p.lanes < p.width:
            mask = active(p.width, p.lanes)
            new = e.let(f"select {k.of('i1')} {mask}, {k} {new}, {k} {so_far}")
        running[key] = (old, new)


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


def lane_index(var: Var) -> At:
    """The variable of a vector loop: one value per lane, even if it runs once."""
    return Index(0, ((var, 1),))
