"""Steps that run over the same rows, done block by block while the rows are in a cache.

Kernels and small products whose loops share their outermost axis needn't each walk all
of it: a block of rows goes through all of them before the next block. What only they
read needs memory for the rows of one block. Sums over rows add up from block to block.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native import arithmetic, chunks
from wengert.native.dense_emit import Step as LibraryCall
from wengert.native.dense_emit import contiguous
from wengert.native.dense_products import (
    Axis,
    Turned,
    axes_of,
    matmul_subscripts,
    product_of,
    turned,
)
from wengert.native.kernel import Kernel
from wengert.native.memory import Block as Place
from wengert.native.memory import placed, reads_of, results_of
from wengert.native.partition import Library, viewed
from wengert.native.rows import in_rows, is_sum, reads_by_row, row_axis, starts_at_zero

PRODUCTS = ("matmul", "einsum")
FEWEST = 64  # rows, for which blocks are looked for
CACHED = 768 * 1024  # bytes that the arrays of a block may take
WORTH = 256 * 1024  # bytes that needn't go through memory, from which on it pays
UNIT = 8  # rows come in multiples of that, or of a wider vector
MOST = 512  # rows in a block
LEAST = 16
ENOUGH = 32  # rows to have even where they take more, up to
LARGEST = 2048 * 1024  # bytes
MULTIPLICATIONS = 1 << 18  # in one call: beyond it OpenBLAS packs, and starts threads
WIDE = MULTIPLICATIONS // 32  # multiplications for one row, beyond which rows are few
PARTS = 8  # that threads share at most


@dataclass(frozen=True, slots=True)
class Product:
    """A product of two arrays, whose axis `row` can be cut into blocks.

    `by_row` says for the arguments and the result whether they have that axis, `turned`
    which argument without it is copied before the first block.
    """

    step: Library
    axes: tuple[Axis, ...]
    row: int
    by_row: tuple[bool, bool, bool]
    turned: Turned | None = None

    def call(self, rows: int) -> LibraryCall | None:
        """The product of so many rows."""
        axes = list(self.axes)
        axes[self.row] = axes[self.row]._replace(size=rows)
        return product_of(axes, self.step.node.dtype, always=rows < LEAST)

    @property
    def per_row(self) -> int:
        """Multiplications in a call for each row."""
        others = (x for i, x in enumerate(self.axes) if i != self.row)
        return math.prod(x.size for x in others if not (x.a and x.b and x.c))


@dataclass(slots=True)
class Blocked:
    """Steps done together, `rows` of all `size` at a time.

    Attributes:
        rows: of a block; the last one may have fewer.
        steps: in order.
        local: what only these steps read.
        sums: results that are summed over the rows.
        operands: what they read that others make.
        results: what others read of what they make.
    """

    size: int
    rows: int = 0
    parts: int = 1  # which threads share
    steps: list[Kernel | Product] = field(default_factory=list)
    local: tuple[Node, ...] = ()
    sums: tuple[Node, ...] = ()
    operands: tuple[Node, ...] = ()
    results: tuple[Node, ...] = ()

    def places(self, rows: int) -> list[Place]:
        """The memory for so many rows of what is local, and when it is needed."""
        first: dict[Node, int] = {}
        last: dict[Node, int] = {}
        for i, s in enumerate(self.inner):
            for n in (*results_of(s), *reads_of(s)):
                first.setdefault(n, i)
                last[n] = i
        return [Place(rows * row_bytes(n), first[n], last[n]) for n in self.local]

    @property
    def inner(self) -> list[Kernel | Library]:
        """The steps as they would be alone."""
        return [s.step if isinstance(s, Product) else s for s in self.steps]


# Kernels -----------------------------------------------------------------------------


def _fits(kernel: Kernel, size: int, made: Collection[Node]) -> bool:
    if not kernel.loops or kernel.loops[0] != size:
        return False
    if any(r.kind == "scatter" or row_axis(r) is None for r in kernel.roots):
        return False
    if not all(map(starts_at_zero, kernel.roots)):
        return False
    return reads_by_row(kernel, made)


# Products -----------------------------------------------------------------------------


def by_rows(step: Library, size: int, made: Collection[Node]) -> Product | None:
    """The product along rows, if it can be cut there and what is `made` is cut too."""
    node = step.node
    if node.op.name not in PRODUCTS or len(step.operands) != 2:
        return None
    shapes = [i.shape for i in node.inputs]
    text = (
        node.params["subscripts"] if node.op.name == "einsum"
        else matmul_subscripts(*map(len, shapes))
    )  # fmt: skip
    terms = text.replace("->", ",").split(",")
    if any(len(set(t)) < len(t) for t in terms):
        return None
    strides = [
        contiguous(i.shape) if (by := viewed(i)[1]) is None else by for i in node.inputs
    ]
    axes = axes_of(text, shapes, strides)
    arrays = (*step.operands, node)
    for i, x in enumerate(axes):
        if x.size != size:
            continue
        there = (bool(x.a), bool(x.b), bool(x.c))
        rows = [_row(a) for a in arrays]
        whole = all(s in (0, r) for s, r in zip(x[1:], rows, strict=True))
        sized = all(a.shape[0] == size for a, t in zip(arrays, there, strict=True) if t)
        cut = all(t for a, t in zip(step.operands, there, strict=False) if a in made)
        found = _turned(Product(step, tuple(axes), i, there))
        if whole and sized and cut and found.per_row <= WIDE and _pays(found):
            return found
    return None


def _turned(product: Product) -> Product:
    """The product with a matrix that all rows have in the order that suits calls."""
    axes = list(product.axes)
    axes[product.row] = axes[product.row]._replace(size=LEAST)
    found = turned(axes, product.step.node.dtype.itemsize)
    if found is None or product.by_row[found.which]:
        return product
    size = product.axes[product.row].size
    changed = [
        x._replace(size=size) if i == product.row else x
        for i, x in enumerate(found.axes)
    ]
    return replace(product, axes=tuple(changed), turned=found)


def _pays(product: Product) -> bool:
    call = product.call(LEAST)
    return call is not None and (call.accumulates or product.by_row[2])


def _row(node: Node) -> int:
    """The elements of one row; −1 for what has none."""
    return node.type.size // node.shape[0] if node.shape and node.shape[0] else -1


# Grouping -----------------------------------------------------------------------------


class _Cut(NamedTuple):
    """Steps before a block, the block, and those after it."""

    before: list[Kernel | Library]
    block: Blocked
    after: list[Kernel | Library]


def blocked(
    steps: Sequence[Kernel | Library], kept: Collection[Node]
) -> list[Kernel | Library | Blocked]:
    """The steps, some of them in blocks where that keeps much out of memory.

    Args:
        steps: in order.
        kept: what is read after all steps.
    """
    if not any(isinstance(s, Library) and s.node.op.name in PRODUCTS for s in steps):
        return list(steps)
    for size in _sizes(steps):
        cut = _cut(list(steps), size, frozenset(kept))
        if cut is not None:
            return [
                *blocked(cut.before, {*kept, *cut.block.operands, *_read(cut.after)}),
                cut.block,
                *blocked(cut.after, kept),
            ]
    return list(steps)


def _read(steps: Sequence[Kernel | Library]) -> Iterator[Node]:
    for s in steps:
        yield from reads_of(s)


def _sizes(steps: Sequence[Kernel | Library]) -> list[int]:
    """Numbers of rows of kernels, those with most elements first."""
    total: dict[int, int] = {}
    for s in steps:
        loops = in_rows(s).loops if isinstance(s, Kernel) else ()
        if loops and loops[0] >= FEWEST:
            total[loops[0]] = total.get(loops[0], 0) + math.prod(loops)
    enough = [n for n, elements in total.items() if 4 * elements >= WORTH]
    return sorted(enough, key=lambda n: -total[n])


def _cut(
    steps: list[Kernel | Library], size: int, kept: frozenset[Node]
) -> _Cut | None:
    before: list[Kernel | Library] = []
    after: list[Kernel | Library] = []
    block = Blocked(size)
    made: set[Node] = set()  # by rows
    late: set[Node] = set()  # what isn't complete before the block ends
    for step in steps:
        reads = reads_of(step)
        inside: Kernel | Product | None = None
        if not any(n in late for n in reads):
            if isinstance(step, Kernel):
                rows = in_rows(step)
                inside = rows if _fits(rows, size, made) else None
            else:
                inside = by_rows(step, size, made)
        if inside is not None:
            block.steps.append(inside)
            sums = _sums(inside)
            late.update(sums)
            made.update(n for n in results_of(step) if n not in sums)
            block.sums += sums
        elif any(n in made or n in late for n in reads):
            after.append(step)
            late.update(results_of(step))
        else:
            before.append(step)
    return _Cut(before, block, after) if _settled(block, made, after, kept) else None


def _sums(step: Kernel | Product) -> tuple[Node, ...]:
    if isinstance(step, Product):
        return () if step.by_row[2] else (step.step.node,)
    return tuple(r.node for r in step.roots if is_sum(r))


def _settled(
    block: Blocked, made: set[Node], after: list[Kernel | Library],
    kept: frozenset[Node],
) -> bool:  # fmt: skip
    """Fills in what the block reads and gives; whether it is worth it."""
    results = [n for s in block.inner for n in results_of(s)]
    reads = dict.fromkeys(n for s in block.inner for n in reads_of(s))
    seen = kept | set(_read(after))
    block.operands = tuple(n for n in reads if n not in results)
    block.local = tuple(n for n in results if n in made and n not in seen)
    block.results = tuple(n for n in results if n not in block.local)
    # Kernels alone gain nothing: they wait for arithmetic, not for memory.
    if not any(isinstance(s, Product) for s in block.steps):
        return False
    if sum(map(_bytes, block.local)) < WORTH:
        return False
    row = placed(block.places(1))[1] + sum(
        row_bytes(n) for n in (*block.operands, *block.results)
        if n not in block.sums and n.shape[:1] == (block.size,)
    )  # fmt: skip
    if row * ENOUGH > LARGEST:
        return False
    most = min(
        [MOST, max(CACHED // max(row, 1), ENOUGH)]
        + [MULTIPLICATIONS // s.per_row for s in block.steps if isinstance(s, Product)]
    )
    lanes = [s.width(512) for s in block.steps if isinstance(s, Kernel)]
    block.rows = _rows(block.size, most, max(lanes, default=UNIT))
    if block.rows < LEAST:
        return False
    block.parts = _parts(block)
    return True


def _rows(size: int, most: int, unit: int) -> int:
    """A multiple of the unit up to `most`, one that divides `size` if there is one.

    Never one row is left over: with that, a sum of products has nothing to sum.
    """
    first = most // unit * unit
    some = list(range(first, max(first // 6, LEAST) - 1, -unit))
    whole = (rows for rows in some if size % rows == 0)
    other = (rows for rows in some if size % rows > 1)
    return next(whole, next(other, 0))


def _parts(block: Blocked) -> int:
    """In how many parts threads do it: by the work, not by the threads."""
    took = 0.0
    for s in block.steps:
        if isinstance(s, Product):
            took += 0.025 * math.prod(x.size for x in s.axes)
        else:
            work = sum(map(arithmetic.cost, s.inlined)) * chunks.PER_UNIT
            took += math.prod(s.loops) * (work + chunks.PER_ELEMENT * len(s.roots))
    wanted = int(took / (4 * chunks.LEAST_NS))
    return max(1, min(wanted, PARTS, block.size // block.rows // 2))


def row_bytes(node: Node) -> int:
    """The bytes of one row."""
    return _bytes(node) // node.shape[0]


def _bytes(node: Node) -> int:
    if not isinstance(node.type, Type):
        return 0
    return int(node.type.size * node.dtype.itemsize)


__all__ = ["Blocked", "Product", "blocked", "row_bytes"]
