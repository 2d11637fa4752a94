"""cholesky, solve, triangular solve, inv, det and slogdet as calls of LAPACK.

LAPACK's matrices are in Fortran order. A C-ordered one is its transpose there, which
where the answer is the same costs nothing; where NumPy would pivot differently on the
transpose (and find another matrix singular) the matrix is copied, as NumPy does.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.types import Shape
from wengert.native.dense_emit import (
    Scratch,
    Step,
    Write,
    batches,
    call,
    contiguous,
    copy_matrix,
    integer,
    letter,
    loop,
    moved,
    nest,
    scalar,
    shifted,
)
from wengert.native.dense_scalars import (
    ROOM,
    clear_triangle,
    determinant,
    report,
    zero_pivot,
)
from wengert.native.ir import Emitter
from wengert.native.libraries import LETTERS, workspace

Strides = Sequence[int]
DType = np.dtype[Any]


class Memory:
    """The scratch that all of these need: a status, an info, and what they ask for."""

    __slots__ = ("info", "layout", "status")

    def __init__(self) -> None:
        self.layout = Scratch()
        self.status = self.layout.take(8)
        self.info = self.status + 4

    def matrix(self, dtype: DType, n: int, m: int) -> int:
        """The offset of room for a matrix."""
        return self.layout.take(n * m * dtype.itemsize)

    def begin(self, e: Emitter, scratch: str) -> tuple[str, str]:
        """(pointer to the status, now 0; pointer to info)."""
        status = shifted(e, scratch, self.status)
        e.do(f"store i32 0, ptr {status}, align 4")
        return status, shifted(e, scratch, self.info)


def lapack(dtype: DType, name: str) -> str:
    """The full name of a function for a dtype: `getrf` to `wg_lapack_dgetrf`."""
    return f"wg_lapack_{LETTERS[dtype.char]}{name}"


def blas(dtype: DType, name: str) -> str:
    """The same for BLAS."""
    return f"wg_blas_{LETTERS[dtype.char]}{name}"


def finished(e: Emitter, status: str) -> str:
    """The status' value."""
    return e.let(f"load i32, ptr {status}, align 4")


# cholesky -------------------------------------------------------------------------


def cholesky(shape: Shape, strides: Strides, dtype: DType) -> Step:
    """The lower factor, from the lower triangle."""
    n, memory = shape[-1], Memory()
    walks = batches(dtype, shape[:-2], strides[:-2], contiguous(shape)[:-2])

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, info = memory.begin(e, scratch)
        is_there = args[0] == results[0]
        with nest(e, walks, (args[0], results[0])) as (a, y):
            # The lower triangle in C order is the upper one of Fortran's transpose,
            # and its factor Uᵀ: also for complex matrices, as (Lᵀ)ᴴ (Lᵀ) = conj(A).
            if not is_there:
                copy_matrix(e, dtype, (n, n), (y, (n, 1)), (a, _last(strides)))
            order = integer(e, n)
            call(e, lapack(dtype, "potrf"), letter(e, "U"), order, y, order, info)
            report(e, status, info)
            clear_triangle(e, dtype, n, y, lower=False)
        return finished(e, status)

    in_place = ((0, 0),) if tuple(strides) == contiguous(shape) else ()
    return Step(memory.layout.size, write, in_place=in_place)


def overwritable(shape: Shape, strides: Strides) -> bool:
    """Whether results of the same shape may be written where the matrices are.

    Each matrix is read in full before its result is written: it may, if there is one,
    or if they are in the same order.
    """
    return math.prod(shape[:-2]) == 1 or tuple(strides) == contiguous(shape)


def _last(strides: Strides) -> tuple[int, int]:
    return strides[-2], strides[-1]


# Triangular systems ---------------------------------------------------------------


def solve_triangular(
    shapes: Sequence[Shape],
    strides: Sequence[Strides],
    dtype: DType,
    lower: bool,
    unit: bool,
) -> Step:
    """x with a x = b, for a triangular."""
    n, k = shapes[1][-2:]
    walks = _systems(shapes, strides, dtype)
    memory, (s0, s1) = Memory(), _last(strides[0])
    if s1 == 1 and s0 >= n:
        trans, upper, ld, packed = True, lower, s0, None
    elif s0 == 1 and s1 >= n:
        trans, upper, ld, packed = False, not lower, s1, None
    else:
        trans, upper, ld, packed = True, lower, n, memory.matrix(dtype, n, n)

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, _info = memory.begin(e, scratch)
        is_there = args[1] == results[0]
        with nest(e, walks, (*args, results[0])) as (a, b, y):
            if packed is not None:
                room = shifted(e, scratch, packed)
                copy_matrix(e, dtype, (n, n), (room, (n, 1)), (a, (s0, s1)))
                a = room
            if not is_there:
                copy_matrix(e, dtype, (n, k), (y, (k, 1)), (b, _last(strides[1])))
            if not unit:
                zero_pivot(e, dtype, n, (a, ld + 1), status)
            flags = ("U" if upper else "L", trans, "U" if unit else "N")
            substitute(e, dtype, flags, (n, k), (a, ld), y)
        return finished(e, status)

    in_place = ((1, 0),) if _whole(shapes, strides, 1) else ()
    copies = () if packed is None else (0,)
    return Step(memory.layout.size, write, copies, in_place)


def _whole(shapes: Sequence[Shape], strides: Sequence[Strides], which: int) -> bool:
    """Whether an argument lies as the result does: its shape, and in C order."""
    batch = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    shape = shapes[which]
    return shape[:-2] == batch and tuple(strides[which]) == contiguous(shape)


def _systems(
    shapes: Sequence[Shape], strides: Sequence[Strides], dtype: DType
) -> list[Any]:
    """The batch of a system, with both arguments broadcast."""
    batch = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    result = contiguous((*batch, *shapes[1][-2:]))[:-2]
    spread = []
    for shape, by in zip(shapes, strides, strict=True):
        own = [0 if n == 1 else s for n, s in zip(shape, by, strict=True)][:-2]
        spread.append([0] * (len(batch) - len(own)) + own)
    return batches(dtype, batch, *spread, result)


def substitute(
    e: Emitter,
    dtype: DType,
    flags: tuple[str, bool, str],
    shape: tuple[int, int],
    matrix: tuple[str, int],
    y: str,
) -> None:
    """y (n × k, in C order) becomes the solution of a y = y.

    flags are which triangle of Fortran's matrix, whether a is its transpose, and
    whether the diagonal is 1.
    """
    uplo, trans, diag = flags
    n, k = shape
    a, ld = matrix
    order, u, d = integer(e, n), letter(e, uplo), letter(e, diag)
    if k == 1:
        t = letter(e, "T" if trans else "N")
        one = integer(e, 1)
        call(e, blas(dtype, "trsv"), u, t, d, order, a, integer(e, ld), y, one)
        return
    # In Fortran's eyes yᵀ is there, and yᵀ = bᵀ a⁻ᵀ: solved from the right.
    t = letter(e, "N" if trans else "T")
    columns, one = integer(e, k), scalar(e, dtype, 1)
    call(
        e, blas(dtype, "trsm"), letter(e, "R"), u, t, d, columns, order, one,
        a, integer(e, ld), y, columns,
    )  # fmt: skip


# General systems ------------------------------------------------------------------


def factor(
    e: Emitter, dtype: DType, n: int, at: tuple[str, str, str, str], of: tuple[str, Any]
) -> None:
    """P L U = a in `lu`, in Fortran order; a pivot that is zero goes to the status."""
    lu, pivots, status, info = at
    copy_matrix(e, dtype, (n, n), (lu, (1, n)), of)
    order = integer(e, n)
    call(e, lapack(dtype, "getrf"), order, order, lu, order, pivots, info)
    report(e, status, info)


def solve(shapes: Sequence[Shape], strides: Sequence[Strides], dtype: DType) -> Step:
    """x with a x = b."""
    n, k = shapes[1][-2:]
    walks = _systems(shapes, strides, dtype)
    memory = Memory()
    lu_at, pivots_at = memory.matrix(dtype, n, n), memory.layout.take(4 * n)

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, info = memory.begin(e, scratch)
        lu, pivots = shifted(e, scratch, lu_at), shifted(e, scratch, pivots_at)
        is_there = args[1] == results[0]
        with nest(e, walks, (*args, results[0])) as (a, b, y):
            place = (lu, pivots, status, info)
            factor(e, dtype, n, place, (a, _last(strides[0])))
            if not is_there:
                copy_matrix(e, dtype, (n, k), (y, (k, 1)), (b, _last(strides[1])))
            _swap_rows(e, dtype, (n, k), y, pivots)
            # A singular factor only makes infinities here, and the status is set.
            substitute(e, dtype, ("L", False, "U"), (n, k), (lu, n), y)
            substitute(e, dtype, ("U", False, "N"), (n, k), (lu, n), y)
        return finished(e, status)

    in_place = ((1, 0),) if _whole(shapes, strides, 1) else ()
    return Step(memory.layout.size, write, in_place=in_place)


def _swap_rows(
    e: Emitter, dtype: DType, shape: tuple[int, int], y: str, pivots: str
) -> None:
    """P⁻¹ y for a C-ordered y; laswp does it for Fortran's order only."""
    n, k = shape
    row = k * dtype.itemsize
    count, one = integer(e, k), integer(e, 1)
    with loop(e, n) as i:
        place = moved(e, pivots, i, 4)
        pivot = e.let(f"load i32, ptr {place}, align 4")
        other = e.let(f"sub nsw i64 {e.let(f'sext i32 {pivot} to i64')}, 1")
        first, second = moved(e, y, i, row), moved(e, y, other, row)
        call(e, blas(dtype, "swap"), count, first, one, second, one)


def inv(shape: Shape, strides: Strides, dtype: DType) -> Step:
    """The inverse, from its factors."""
    n, memory = shape[-1], Memory()
    walks = batches(dtype, shape[:-2], strides[:-2], contiguous(shape)[:-2])
    lu_at, pivots_at = memory.matrix(dtype, n, n), memory.layout.take(4 * n)
    (length,) = workspace(lapack(dtype, "getri"), "ipipwqp", n, n)
    work_at = memory.layout.take(length * dtype.itemsize)

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, info = memory.begin(e, scratch)
        at = (lu_at, pivots_at, work_at)
        lu, pivots, work = (shifted(e, scratch, x) for x in at)
        with nest(e, walks, (args[0], results[0])) as (a, y):
            place = (lu, pivots, status, info)
            factor(e, dtype, n, place, (a, _last(strides)))
            order, room = integer(e, n), integer(e, length)
            call(e, lapack(dtype, "getri"), order, lu, order, pivots, work, room, info)
            report(e, status, info)
            copy_matrix(e, dtype, (n, n), (y, (n, 1)), (lu, (1, n)))
        return finished(e, status)

    in_place = ((0, 0),) if overwritable(shape, strides) else ()
    return Step(memory.layout.size, write, in_place=in_place)


# Determinants ---------------------------------------------------------------------


def det(shape: Shape, strides: Strides, dtype: DType) -> Step:
    """The product of the pivots."""
    return Step(*_determinant(shape, strides, dtype, logarithm=False))


def slogdet(shape: Shape, strides: Strides, dtype: DType) -> Step:
    """Its sign, or phase, and the logarithm of its modulus."""
    return Step(*_determinant(shape, strides, dtype, logarithm=True))


def _determinant(
    shape: Shape, strides: Strides, dtype: DType, logarithm: bool
) -> tuple[int, Write]:
    n, memory = shape[-1], Memory()
    own = contiguous(shape[:-2])
    real = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    walks = batches(dtype, shape[:-2], strides[:-2], own)
    # The second result may have another item size: its strides, in bytes.
    walks = [(size, (*by, by[1] // dtype.itemsize * real)) for size, by in walks]
    lu_at, pivots_at = memory.matrix(dtype, n, n), memory.layout.take(4 * n)
    room_at = memory.layout.take(ROOM)
    # A result that nobody asked for goes here.
    spare_at = memory.layout.take(math.prod(shape[:-2]) * dtype.itemsize * logarithm)

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> None:
        status, info = memory.begin(e, scratch)
        lu, pivots = shifted(e, scratch, lu_at), shifted(e, scratch, pivots_at)
        spare = shifted(e, scratch, spare_at) if not all(results) else ""
        both = [results[k * logarithm] or spare for k in (0, 1)]
        with nest(e, walks, (args[0], *both)) as (a, y, log):
            place = (lu, pivots, status, info)
            factor(e, dtype, n, place, (a, _last(strides)))
            room, log = shifted(e, scratch, room_at), log if logarithm else ""
            determinant(e, dtype, n, (lu, pivots), info, y, log, room)

    return memory.layout.size, write


__all__ = [
    "Memory", "blas", "cholesky", "det", "finished", "inv",
    "lapack", "overwritable", "slogdet", "solve", "solve_triangular",
]  # fmt: skip
