"""What steps that call BLAS and LAPACK write: constants by address, loops, copies."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.native.ir import Emitter, Kind, number
from wengert.native.libraries import LETTERS

# (arguments, results, scratch) -> the name of an i32 status, or None: it can't fail.
Write = Callable[[Emitter, Sequence[str], Sequence[str], str, bool], str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """A node as calls of BLAS or LAPACK.

    Attributes:
        scratch_bytes: how much scratch it needs, aligned to 64 bytes.
        write: writes the calls; called through `emit`.
        copies: the arguments that it copies into scratch first, because their strides
            are none that the library takes.
        in_place: pairs (argument, result) that may be the same buffer.
        accumulates: whether it can add to a result that is there.
    """

    scratch_bytes: int
    write: Write
    copies: tuple[int, ...] = ()
    in_place: tuple[tuple[int, int], ...] = ()
    accumulates: bool = False

    def emit(
        self,
        e: Emitter,
        args: Sequence[str],
        results: Sequence[str],
        scratch: str,
        accumulate: bool = False,
    ) -> str | None:
        """Writes the calls at the emitter's current block.

        Args:
            e: where to write; ends in a new block if the step has loops.
            args: pointers to the arguments' first elements.
            results: pointers to the results', which are C-contiguous; "" for one that
                `lower` was told isn't used.
            scratch: pointer to `scratch_bytes` bytes.
            accumulate: add to the result, if the step `accumulates`.

        Returns:
            The name of an i32 that is 0 if it went well; None for what can't fail.
        """
        assert self.accumulates or not accumulate, "this step can't accumulate"
        return self.write(e, args, results, scratch, accumulate)


class Scratch:
    """Lays out a step's scratch memory."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0

    def take(self, nbytes: int) -> int:
        """The offset of a new block of so many bytes."""
        at = self.size
        self.size += -(-nbytes // 64) * 64
        return at


# Constants, by address ------------------------------------------------------------


def integer(e: Emitter, value: int) -> str:
    """The address of a constant i32."""
    e.declare(f"@wg.int.{value} = private unnamed_addr constant i32 {value}")
    return f"@wg.int.{value}"


def letter(e: Emitter, value: str) -> str:
    """The address of a constant character."""
    e.declare(f"@wg.letter.{value} = private unnamed_addr constant i8 {ord(value)}")
    return f"@wg.letter.{value}"


def scalar(e: Emitter, dtype: np.dtype[Any], value: int) -> str:
    """The address of a constant of a floating or complex dtype."""
    name, kind = f"@wg.{LETTERS[dtype.char]}.{value}", real_kind(dtype)
    if dtype.kind == "c":
        parts = f"{kind} {number(kind, value)}, {kind} {number(kind, 0)}"
        text = f"{{ {kind}, {kind} }} {{ {parts} }}"
    else:
        text = f"{kind} {number(kind, value)}"
    e.declare(f"{name} = private unnamed_addr constant {text}")
    return name


def real_kind(dtype: np.dtype[Any]) -> Kind:
    """The machine's type of a number, or of each part of a complex one."""
    return Kind("float" if dtype.char in "fF" else "double", 1)


# Calls and addresses --------------------------------------------------------------


def call(e: Emitter, name: str, *pointers: str, returns: str = "") -> str:
    """Calls a function of BLAS or LAPACK; the name of what it returns, if it does."""
    result = returns or "void"
    e.declare(f"declare {result} @{name}({', '.join(['ptr'] * len(pointers))})")
    text = f"call {result} @{name}({', '.join(f'ptr {p}' for p in pointers)})"
    if returns:
        return e.let(text)
    e.do(text)
    return ""


def shifted(e: Emitter, pointer: str, nbytes: int) -> str:
    """A pointer so many bytes further."""
    if nbytes == 0:
        return pointer
    return e.let(f"getelementptr inbounds i8, ptr {pointer}, i64 {nbytes}")


def moved(e: Emitter, pointer: str, index: str, nbytes: int) -> str:
    """A pointer `index` times so many bytes further."""
    if nbytes == 0:
        return pointer
    by = e.let(f"mul nsw i64 {index}, {nbytes}")
    return e.let(f"getelementptr inbounds i8, ptr {pointer}, i64 {by}")


def clear(e: Emitter, pointer: str, nbytes: int) -> None:
    """Fills with zeros."""
    e.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    e.do(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {nbytes}, i1 false)")


def duplicate(e: Emitter, to: str, of: str, nbytes: int) -> None:
    """Copies contiguous memory, unless it is the same."""
    if to == of:
        return
    e.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    e.do(
        f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {of}, i64 {nbytes}, i1 false)"
    )


# Loops ----------------------------------------------------------------------------


@contextlib.contextmanager
def loop(e: Emitter, count: int | str, first: int | str = 0) -> Iterator[str]:
    """`for i in range(first, count)`, with `i` as the name of an i64; may be empty."""
    head, body, after = e.label("head"), e.label("body"), e.label("after")
    e.count += 2
    index, following = f"%i{e.count - 1}", f"%i{e.count}"
    before = e.block
    e.do(f"br label %{head}")
    e.place(head)
    # The body's last block is known when it's written: its name comes in afterwards.
    at = len(e.lines)
    e.lines.append("")
    more = e.let(f"icmp slt i64 {index}, {count}")
    e.do(f"br i1 {more}, label %{body}, label %{after}")
    e.place(body)
    yield index
    e.do(f"{following} = add nsw i64 {index}, 1")
    e.do(f"br label %{head}")
    e.lines[at] = (
        f"  {index} = phi i64 [ {first}, %{before} ], [ {following}, %{e.block} ]"
    )
    e.place(after)


Walk = tuple[int, tuple[int, ...]]  # a length, and each pointer's stride in bytes


@contextlib.contextmanager
def nest(
    e: Emitter, axes: Sequence[Walk], pointers: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Loops over several axes; gives the pointers as they stand in the innermost."""
    with contextlib.ExitStack() as stack:
        for length, strides in axes:
            if length == 1:
                continue
            index = stack.enter_context(loop(e, length))
            pointers = [
                moved(e, p, index, s) for p, s in zip(pointers, strides, strict=True)
            ]
        yield tuple(pointers)


def batches(
    dtype: np.dtype[Any], shape: Sequence[int], *strides: Sequence[int]
) -> list[Walk]:
    """The axes of a batch for `nest`, adjacent ones merged; strides in elements."""
    axes: list[Walk] = []
    for n, *by in zip(shape, *strides, strict=True):
        if n == 1:
            continue
        size, step = n, tuple(s * dtype.itemsize for s in by)
        if axes and axes[-1][1] == tuple(s * n for s in step):
            size *= axes.pop()[0]
        axes.append((size, step))
    return axes


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """C order's strides, in elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


# Copies of matrices ---------------------------------------------------------------

_BLOCK = 16  # rows and columns that stay in the first cache together


def copy_matrix(
    e: Emitter,
    dtype: np.dtype[Any],
    shape: tuple[int, int],
    to: tuple[str, tuple[int, int]],
    of: tuple[str, tuple[int, int]],
) -> None:
    """Copies a matrix between any strides (in elements)."""
    (rows, columns), (target, (t0, t1)), (source, (s0, s1)) = shape, to, of
    itemsize = dtype.itemsize
    if (t0, t1) == (s0, s1) and {t0, t1} <= {1, rows, columns} and t0 != t1:
        whole = (t1 == 1 and t0 == columns) or (t0 == 1 and t1 == rows)
        if whole:
            duplicate(e, target, source, rows * columns * itemsize)
            return
    name = f"wg_dense_copy_{itemsize}"
    e.declare(_copier(name, itemsize))
    values = (rows, columns, *(itemsize * s for s in (t0, t1, s0, s1)))
    listed = ", ".join(f"i64 {v}" for v in values)
    e.do(f"call void @{name}(ptr {target}, ptr {source}, {listed})")


def _copier(name: str, itemsize: int) -> str:
    """A function that copies a matrix block by block: one of both goes by columns."""
    e = Emitter()
    unit = {4: "i32", 8: "i64", 16: "<2 x i64>"}[itemsize]
    align = min(itemsize, 8)
    rows, columns = _blocks(e, "%rows"), _blocks(e, "%columns")
    with rows as (r0, r1), columns as (c0, c1), loop(e, r1, r0) as i:
        ti, si = (e.let(f"mul nsw i64 {i}, %{x}0") for x in "ts")
        row_to = e.let(f"getelementptr inbounds i8, ptr %to, i64 {ti}")
        row_of = e.let(f"getelementptr inbounds i8, ptr %of, i64 {si}")
        with loop(e, c1, c0) as j:
            tj, sj = (e.let(f"mul nsw i64 {j}, %{x}1") for x in "ts")
            p = e.let(f"getelementptr inbounds i8, ptr {row_to}, i64 {tj}")
            q = e.let(f"getelementptr inbounds i8, ptr {row_of}, i64 {sj}")
            x = e.let(f"load {unit}, ptr {q}, align {align}")
            e.do(f"store {unit} {x}, ptr {p}, align {align}")
    e.do("ret void")
    arguments = "".join(f", i64 %{x}" for x in ("rows", "columns", *_STRIDES))
    body = "\n".join(e.lines)
    return (
        f"define internal void @{name}(ptr noalias %to, ptr noalias %of{arguments}) {{"
        f"\nentry:\n{body}\n}}"
    )


_STRIDES = ("t0", "t1", "s0", "s1")


@contextlib.contextmanager
def _blocks(e: Emitter, count: str) -> Iterator[tuple[str, str]]:
    """(first, end) of each block of `count` rows or columns."""
    above = e.let(f"add nsw i64 {count}, {_BLOCK - 1}")
    blocks = e.let(f"sdiv i64 {above}, {_BLOCK}")
    with loop(e, blocks) as index:
        first = e.let(f"mul nsw i64 {index}, {_BLOCK}")
        end = e.let(f"add nsw i64 {first}, {_BLOCK}")
        inside = e.let(f"icmp slt i64 {end}, {count}")
        yield first, e.let(f"select i1 {inside}, i64 {end}, i64 {count}")
