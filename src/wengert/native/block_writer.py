"""Code of steps done block by block: a loop over blocks, with a function per kernel.

Kernels find their arrays in a table of pointers. A block has a table of its own, in
which what only its steps read has a pointer so many rows before its memory that the
rows keep their numbers: the kernels needn't know of blocks.
"""

from collections.abc import Callable, Sequence

from wengert.graph.graph import Node
from wengert.native import chunks
from wengert.native.blocks import Blocked, Product, row_bytes
from wengert.native.body import ATTRIBUTES, Body, function
from wengert.native.combine import fold_how
from wengert.native.dense_emit import Step as LibraryCall
from wengert.native.dense_emit import clear
from wengert.native.ir import Emitter
from wengert.native.kernel import Kernel
from wengert.native.memory import exact_bytes, placed, rounded
from wengert.native.nest import Nest
from wengert.native.rows import is_sum, piecemeal
from wengert.native.writer import Code, Writer

GIVEN = "ptr %context, i64 %begin, i64 %end, i64 %chunk"
FEW_VECTORS = 15  # told of a loop, so that it doesn't fold several vectors at once


class BlockWriter:
    """Writes one block."""

    def __init__(
        self,
        block: Blocked,
        name: str,
        slots: dict[Node, int],
        nodes: dict[int, Node],
        bits: int,
        fma: bool,
        reserve: Callable[[int], int],
    ) -> None:
        self.block = block
        self.name = name
        self.slots = slots
        self.nodes = nodes
        self.bits = bits
        self.fma = fma
        self.whole = block.size // block.rows * block.rows  # rows in whole blocks
        self.calls: dict[int, list[LibraryCall]] = {}  # for a block, and for the rest
        for i, s in enumerate(block.steps):
            if isinstance(s, Product):
                self.calls[i] = [self._call(s, n) for n in self._heights()]
        self.copies: dict[int, int] = {}  # where products' matrices are copied to
        self.offsets, self.scratch, size = self._layout()
        self.bytes = size  # of memory for one thread
        self.memory = reserve(block.parts * size)
        self.sums: dict[Node, int] = {}  # where parts of sums go
        if block.parts > 1:
            self.sums = {n: reserve(block.parts * exact_bytes(n)) for n in block.sums}
        self.code = Code()

    def _heights(self) -> list[int]:
        rest = self.block.size - self.whole
        return [self.block.rows, rest] if rest else [self.block.rows]

    def _call(self, product: Product, rows: int) -> LibraryCall:
        call = product.call(rows)
        assert call is not None, "a product that a block has can be called"
        return call

    def _layout(self) -> tuple[dict[Node, int], int, int]:
        """Where local arrays are, then scratch for calls; and how much that is."""
        local = self.block.local
        places = self.block.places(self.block.rows)
        found, size = placed([p._replace(size=rounded(p.size)) for p in places])
        most = max(
            (c.scratch_bytes for calls in self.calls.values() for c in calls), default=0
        )
        end = size + rounded(most)
        for i, s in enumerate(self.block.steps):
            if isinstance(s, Product) and s.turned is not None:
                self.copies[i] = end
                end += rounded(exact_bytes(s.step.operands[s.turned.which]))
        return dict(zip(local, found, strict=True)), size, end

    def write(self) -> Code:
        """The functions, and how they are called."""
        code, parts = self.code, self.block.parts
        e = Emitter(self.fma, f"{self.name}.")
        self._enter(e)
        self._parts(e)
        code.declared |= e.declared
        code.functions.append(
            function(self.name, "ptr %context, i64 %first, i64 %last", e.lines)
        )
        if parts == 1:
            code.calls.append(f"@{self.name}(ptr %context, i64 0, i64 1)")
            return code
        code.declared.add("declare void @wg_parallel(ptr, ptr, i64, i64)")
        code.calls.append(
            f"@wg_parallel(ptr @{self.name}, ptr %context, i64 {parts}, i64 1)"
        )
        if self.sums:
            how = {n: fold_how(n) for n in self.sums}
            code.calls.append(
                chunks.joining(
                    f"{self.name}.join", parts, self.sums, self.slots, how, set()
                )
            )
        return code

    # The loops ------------------------------------------------------------------------

    def _enter(self, e: Emitter) -> None:
        """The table of pointers, with those that stay the same."""
        e.do(f"%table = alloca [{len(self.slots) + 1} x ptr], align 16")
        for slot in (0, *self._fixed()):
            self._point(e, slot, self._loaded(e, "%context", slot))
        base = self._loaded(e, "%context", self.memory)
        skip = e.let(f"mul i64 %first, {self.bytes}")
        e.do(f"%mine = getelementptr i8, ptr {base}, i64 {skip}")
        for i, at in self.copies.items():
            product = self.block.steps[i]
            assert isinstance(product, Product)
            assert product.turned is not None
            operand = product.step.operands[product.turned.which]
            to = e.let(f"getelementptr i8, ptr %mine, i64 {at}")
            of = self._loaded(e, "%table", self.slots[operand])
            product.turned.copy(e, operand.dtype, to, of)

    def _fixed(self) -> list[int]:
        nodes = (*self.block.operands, *self.block.results)
        return [self.slots[n] for n in nodes if n in self.slots]

    def _parts(self, e: Emitter) -> None:
        """Parts %first … %last, each with its blocks."""
        rows = self.block.rows
        each = -(-(self.whole // rows) // self.block.parts) * rows
        enter, after = e.label("part"), e.label("parted")
        block, latch, done = e.label("block"), e.label("latch"), e.label("done")
        rest, following = e.label("rest"), e.label("next")
        start = e.block
        e.do(f"br label %{enter}")
        e.place(enter)
        e.do(f"%part = phi i64 [%first, %{start}], [%part.next, %{following}]")
        self._begin_sums(e)
        low = e.let(f"mul i64 %part, {each}")
        high = e.let(f"add i64 {low}, {each}")
        high = self._least(e, high, self.whole)
        some = e.let(f"icmp slt i64 {low}, {high}")
        before = e.block
        e.do(f"br i1 {some}, label %{block}, label %{done}")
        e.place(block)
        e.do(f"%begin = phi i64 [{low}, %{before}], [%end, %{latch}]")
        e.do(f"%end = add i64 %begin, {rows}")
        self._steps(e, 0, "%begin", "%end")
        e.do(f"br label %{latch}")
        e.place(latch)
        more = e.let(f"icmp slt i64 %end, {high}")
        e.do(f"br i1 {more}, label %{block}, label %{done}")
        e.place(done)
        if self.whole < self.block.size:
            is_last = e.let(f"icmp eq i64 %part, {self.block.parts - 1}")
            e.do(f"br i1 {is_last}, label %{rest}, label %{following}")
            e.place(rest)
            self._steps(e, 1, str(self.whole), str(self.block.size))
        e.do(f"br label %{following}")
        e.place(following)
        e.do("%part.next = add i64 %part, 1")
        more = e.let("icmp slt i64 %part.next, %last")
        e.do(f"br i1 {more}, label %{enter}, label %{after}")
        e.place(after)

    def _least(self, e: Emitter, a: str, b: int) -> str:
        inside = e.let(f"icmp slt i64 {a}, {b}")
        return e.let(f"select i1 {inside}, i64 {a}, i64 {b}")

    def _begin_sums(self, e: Emitter) -> None:
        """Sums are zero; those of several parts have places of their own."""
        for node in self.block.sums:
            size = exact_bytes(node)
            if node in self.sums:
                base = self._loaded(e, "%context", self.sums[node])
                skip = e.let(f"mul i64 %part, {size}")
                at = e.let(f"getelementptr i8, ptr {base}, i64 {skip}")
                self._point(e, self.slots[node], at)
            else:
                at = self._loaded(e, "%table", self.slots[node])
            clear(e, at, size)

    # One block ------------------------------------------------------------------------

    def _steps(self, e: Emitter, which: int, begin: str, end: str) -> None:
        """All steps for the rows of a block; `which`: 0 for a whole one, 1 the rest."""
        for node, offset in self.offsets.items():
            back = e.let(f"mul i64 {begin}, {-row_bytes(node)}")
            here = e.let(f"add i64 {back}, {offset}")
            at = e.let(f"getelementptr i8, ptr %mine, i64 {here}")
            self._point(e, self.slots[node], at)
        for i, step in enumerate(self.block.steps):
            if isinstance(step, Product):
                self._product(e, i, step, which, begin)
                continue
            for root in step.roots:
                if not is_sum(root) and piecemeal(root):
                    at = self._row(e, root.node, begin)
                    clear(e, at, self._heights()[which] * row_bytes(root.node))
            # Only where vectors run along the rows, a block of fewer needs other code.
            rest = which and len(step.loops) == 1
            name = f"{self.name}.{i}" + (".rest" if rest else "")
            if rest or not which:
                self._kernel(step, name, which)
            e.do(f"call void @{name}(ptr %table, i64 {begin}, i64 {end}, i64 0)")

    def _kernel(self, kernel: Kernel, name: str, which: int) -> None:
        """The function of a kernel for the rows from %begin to %end."""
        writer = self._writer(kernel, name)
        box = [(0, n) for n in kernel.loops]
        if which:
            box[0] = (self.whole, self.block.size)
            nest = Nest(writer, name, box, None, {})
        else:
            told = min(self.block.rows, FEW_VECTORS * writer.width)
            plan = chunks.Chunks(0, self.whole, told)
            nest = Nest(writer, name, box, plan, {})
        body = nest.write()
        self.code.declared |= body.declared
        self.code.functions.append(_separate(body))

    def _writer(self, kernel: Kernel, name: str) -> Writer:
        return Writer(
            kernel, name, self.slots, self.nodes, self.bits, self.fma, _nothing,
            by_rows=True,
        )  # fmt: skip

    def _product(
        self, e: Emitter, i: int, product: Product, which: int, begin: str
    ) -> None:
        step, call = product.step, self.calls[i][which]
        pointers = [
            self._row(e, n, begin) if by_row
            else self._loaded(e, "%table", self.slots[n])
            for n, by_row in zip(
                (*step.operands, step.node), product.by_row, strict=True
            )
        ]  # fmt: skip
        if product.turned is not None:
            pointers[product.turned.which] = e.let(
                f"getelementptr i8, ptr %mine, i64 {self.copies[i]}"
            )
        scratch = e.let(f"getelementptr i8, ptr %mine, i64 {self.scratch}")
        call.emit(e, pointers[:2], pointers[2:], scratch, not product.by_row[2])

    # Pointers -------------------------------------------------------------------------

    def _row(self, e: Emitter, node: Node, begin: str) -> str:
        """Where a row of an array is."""
        skip = e.let(f"mul i64 {begin}, {row_bytes(node)}")
        base = self._loaded(e, "%table", self.slots[node])
        return e.let(f"getelementptr i8, ptr {base}, i64 {skip}")

    def _loaded(self, e: Emitter, table: str, slot: int) -> str:
        at = e.let(f"getelementptr ptr, ptr {table}, i64 {slot}")
        return e.let(f"load ptr, ptr {at}")

    def _point(self, e: Emitter, slot: int, pointer: str) -> None:
        at = e.let(f"getelementptr ptr, ptr %table, i64 {slot}")
        e.do(f"store ptr {pointer}, ptr {at}")


def _separate(body: Body) -> str:
    """A function that stays one: it takes for granted that its table doesn't change,
    which in the loop around it would be wrong."""
    e = Emitter()
    body.into(e, alone=True)
    head = f"define internal void @{body.name}({GIVEN}) noinline {ATTRIBUTES} {{"
    return "\n".join([head, "entry:", *e.lines, "  ret void", "}"])


def _nothing(size: int) -> int:
    raise AssertionError("kernels in blocks need no memory for partial results")


__all__: Sequence[str] = ["BlockWriter"]
