"""eigh, svd and qr as calls of LAPACK: the drivers, workspaces and signs of NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.types import Shape
from wengert.native.dense_emit import (
    Step,
    Walk,
    batches,
    call,
    contiguous,
    copy_matrix,
    integer,
    letter,
    nest,
    shifted,
)
from wengert.native.dense_factors import Memory, finished, lapack, overwritable
from wengert.native.dense_scalars import clear_triangle, report
from wengert.native.ir import Emitter
from wengert.native.libraries import workspace

Strides = Sequence[int]
DType = np.dtype[Any]


def _real(dtype: DType) -> DType:
    return np.dtype(dtype.char.lower())


def _walks(
    dtypes: Sequence[DType], shape: Shape, strides: Sequence[Strides]
) -> list[Walk]:
    """The batch's axes; one dtype and strides for each array."""
    axes = batches(np.dtype("i1"), shape, *strides)
    return [
        (n, tuple(s * d.itemsize for s, d in zip(by, dtypes, strict=True)))
        for n, by in axes
    ]


def _used(results: Sequence[str], fallback: str) -> list[str]:
    """The results' pointers; one that isn't used is never written, but walked."""
    return [x or fallback for x in results]


# eigh -----------------------------------------------------------------------------


def eigh(
    shape: Shape, strides: Strides, dtype: DType, uplo: str, used: Sequence[bool]
) -> Step:
    """Eigenvalues and, if used, eigenvectors, from one triangle."""
    n, memory, vectors = shape[-1], Memory(), used[1]
    whole = contiguous(shape)
    walks = _walks(
        (dtype, _real(dtype), dtype),
        shape[:-2],
        (strides[:-2], contiguous(shape[:-1])[:-1], whole[:-2]),
    )
    job, complex_ = "V" if vectors else "N", dtype.kind == "c"
    name = lapack(dtype, "heevd" if complex_ else "syevd")
    real = _real(dtype).itemsize
    # Complex numbers have a workspace of real ones besides.
    lengths = workspace(
        name, f"{job}{uplo}ipip" + ("wqwqvqp" if complex_ else "wqvqp"), n, n
    )
    sizes = (dtype.itemsize, real, 4) if complex_ else (dtype.itemsize, 4)
    matrix_at = memory.matrix(dtype, n, n)
    values_at = memory.layout.take(n * real)
    rooms = [
        memory.layout.take(length * size)
        for length, size in zip(lengths, sizes, strict=True)
    ]

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, info = memory.begin(e, scratch)
        matrix = shifted(e, scratch, matrix_at)
        spare = shifted(e, scratch, values_at)
        with nest(e, walks, (args[0], *_used(results, args[0]))) as (a, w, v):
            copy_matrix(
                e, dtype, (n, n), (matrix, (1, n)), (a, (strides[-2], strides[-1]))
            )
            order, values = integer(e, n), w if used[0] else spare
            work: list[str] = []
            for at, length in zip(rooms, lengths, strict=True):
                work += [shifted(e, scratch, at), integer(e, length)]
            triangle = letter(e, uplo)
            call(
                e, name, letter(e, job), triangle, order, matrix, order, values,
                *work, info,
            )  # fmt: skip
            report(e, status, info)
            if vectors:
                copy_matrix(e, dtype, (n, n), (v, (n, 1)), (matrix, (1, n)))
        return finished(e, status)

    in_place = ((0, 1),) if vectors and overwritable(shape, strides) else ()
    return Step(memory.layout.size, write, in_place=in_place)


# svd ------------------------------------------------------------------------------


def svd(
    shape: Shape, strides: Strides, dtype: DType, full: bool, used: Sequence[bool]
) -> Step:
    """Singular values and, if used, vectors."""
    m, n = shape[-2:]
    k, batch, memory = min(m, n), shape[:-2], Memory()
    vectors = used[0] or used[2]
    complex_ = dtype.kind == "c"
    columns, rows = (m, n) if full else (k, k)
    walks = _walks(
        (dtype, dtype, _real(dtype), dtype),
        batch,
        (
            strides[:-2],
            contiguous((*batch, m, columns))[:-2],
            contiguous((*batch, k))[:-1],
            contiguous((*batch, rows, n))[:-2],
        ),
    )
    job = ("A" if full else "S") if vectors else "N"
    name = lapack(dtype, "gesdd")
    query = f"{job}iipippipiwq" + ("ppp" if complex_ else "pp")
    (length,) = workspace(name, query, m, n, m, m, rows)
    values_at = memory.layout.take(k * _real(dtype).itemsize)
    at = [
        memory.matrix(dtype, m, n),
        memory.matrix(dtype, m, columns) if vectors else memory.info,
        memory.matrix(dtype, rows, n) if vectors else memory.info,
        memory.layout.take(length * dtype.itemsize),
        memory.layout.take(_real_room(m, n, vectors) * _real(dtype).itemsize)
        if complex_
        else memory.info,
        memory.layout.take(4 * 8 * k),
    ]

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, info = memory.begin(e, scratch)
        matrix, left, right, work, real_work, int_work = (
            shifted(e, scratch, x) for x in at
        )
        spare = shifted(e, scratch, values_at)
        with nest(e, walks, (args[0], *_used(results, args[0]))) as (a, u, s, vh):
            copy_matrix(
                e, dtype, (m, n), (matrix, (1, m)), (a, (strides[-2], strides[-1]))
            )
            high, wide = integer(e, m), integer(e, n)
            more = [real_work] if complex_ else []
            call(
                e, name, letter(e, job), high, wide, matrix, high,
                s if used[1] else spare, left, high, right, integer(e, rows),
                work, integer(e, length), *more, int_work, info,
            )  # fmt: skip
            report(e, status, info)
            if used[0]:
                copy_matrix(e, dtype, (m, columns), (u, (columns, 1)), (left, (1, m)))
            if used[2]:
                copy_matrix(e, dtype, (rows, n), (vh, (n, 1)), (right, (1, rows)))
        return finished(e, status)

    in_place = ((0, 0), (0, 2)) if m == n and overwritable(shape, strides) else ()
    return Step(memory.layout.size, write, in_place=in_place)


def _real_room(m: int, n: int, vectors: bool) -> int:
    """The length of gesdd's real workspace, which it can't be asked for.

    Source: LAPACK 3.7 and later, documentation of zgesdd.
    """
    low, high = min(m, n), max(m, n)
    if not vectors:
        return 7 * low
    return max(5 * low * low + 5 * low, 2 * high * low + 2 * low * low + low)


# qr -------------------------------------------------------------------------------


def qr(shape: Shape, strides: Strides, dtype: DType, used: Sequence[bool]) -> Step:
    """The reduced factors, for at least as many rows as columns."""
    m, n = shape[-2:]
    batch, memory = shape[:-2], Memory()
    walks = _walks(
        (dtype, dtype, dtype),
        batch,
        (
            strides[:-2],
            contiguous((*batch, m, n))[:-2],
            contiguous((*batch, n, n))[:-2],
        ),
    )
    build = lapack(dtype, "ungqr" if dtype.kind == "c" else "orgqr")
    (first,) = workspace(lapack(dtype, "geqrf"), "iipipwqp", m, n, m)
    (second,) = workspace(build, "iiipipwqp", m, n, n, m)
    length = max(first, second)
    matrix_at, tau_at = memory.matrix(dtype, m, n), memory.matrix(dtype, n, 1)
    work_at = memory.layout.take(length * dtype.itemsize)

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str:
        status, info = memory.begin(e, scratch)
        at = (matrix_at, tau_at, work_at)
        matrix, tau, work = (shifted(e, scratch, x) for x in at)
        high, wide, room = integer(e, m), integer(e, n), integer(e, length)
        with nest(e, walks, (args[0], *_used(results, args[0]))) as (a, q, r):
            copy_matrix(
                e, dtype, (m, n), (matrix, (1, m)), (a, (strides[-2], strides[-1]))
            )
            geqrf = lapack(dtype, "geqrf")
            call(e, geqrf, high, wide, matrix, high, tau, work, room, info)
            report(e, status, info)
            if used[1]:
                copy_matrix(e, dtype, (n, n), (r, (n, 1)), (matrix, (1, m)))
                clear_triangle(e, dtype, n, r, lower=True)
            if used[0]:
                call(e, build, high, wide, wide, matrix, high, tau, work, room, info)
                report(e, status, info)
                copy_matrix(e, dtype, (m, n), (q, (n, 1)), (matrix, (1, m)))
        return finished(e, status)

    pairs = ((0, 0), (0, 1)) if m == n else ((0, 0),)
    in_place = pairs if overwritable(shape, strides) else ()
    return Step(memory.layout.size, write, in_place=in_place)
