"""Decompositions of float32 and complex64, which NumPy computes in double precision."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.types import Shape, Type
from wengert.native.dense_emit import Scratch, Step, batches, contiguous, nest, shifted
from wengert.native.ir import Emitter

DType = np.dtype[Any]
Make = Callable[[Sequence[Sequence[int]], DType], Step | None]


def wider(dtype: DType) -> DType:
    """The dtype that NumPy computes in."""
    return np.dtype({"f": "d", "F": "D"}.get(dtype.char, dtype.char))


def widened(
    make: Make,
    shapes: Sequence[Shape],
    strides: Sequence[Sequence[int]],
    dtype: DType,
    results: Sequence[Type],
) -> Step | None:
    """The step for the wider dtype, between conversions.

    Args:
        make: gives the step, from the arguments' strides and the dtype.
        shapes: the arguments' shapes.
        strides: the arguments' strides, in elements.
        dtype: the arguments' dtype.
        results: the results' types.
    """
    if wider(dtype) == dtype:
        return make(strides, dtype)
    inner = make([contiguous(shape) for shape in shapes], wider(dtype))
    if inner is None:
        return None
    layout = Scratch()
    inner_at = layout.take(inner.scratch_bytes)
    args_at = [_room(layout, shape, dtype) for shape in shapes]
    results_at = [_room(layout, t.shape, t.dtype) for t in results]

    def write(
        e: Emitter, args: Sequence[str], out: Sequence[str], scratch: str, _: bool
    ) -> str | None:
        wide = [shifted(e, scratch, at) for at in args_at]
        for to, of, shape, by in zip(wide, args, shapes, strides, strict=True):
            _convert(e, dtype, shape, (to, of), by, widen=True)
        found = [
            shifted(e, scratch, at) if used else ""
            for at, used in zip(results_at, out, strict=True)
        ]
        status = inner.emit(e, wide, found, shifted(e, scratch, inner_at))
        for to, of, t in zip(out, found, results, strict=True):
            if to:
                by = contiguous(t.shape)
                _convert(e, t.dtype, t.shape, (to, of), by, widen=False)
        return status

    count = range(len(shapes))
    # All arguments are converted before the first result is written.
    in_place = tuple(itertools.product(count, range(len(results))))
    return Step(layout.size, write, tuple(count), in_place)


def _room(layout: Scratch, shape: Shape, dtype: DType) -> int:
    return layout.take(math.prod(shape) * wider(dtype).itemsize)


def _convert(
    e: Emitter,
    dtype: DType,
    shape: Shape,
    at: tuple[str, str],
    strides: Sequence[int],
    widen: bool,
) -> None:
    """Numbers of `dtype` at these strides to wide ones in C order, or wide ones back.

    One that goes back is in C order in both places. Complex numbers are pairs.
    """
    own = contiguous(shape)
    if dtype.kind == "c":
        shape = (*shape, 2)
        strides, own = (*(2 * s for s in strides), 1), (*(2 * s for s in own), 1)
    sizes = (8, 4) if widen else (4, 8)
    walks = [
        (n, (by[0] * sizes[0], by[1] * sizes[1]))
        for n, by in batches(np.dtype("i1"), shape, own, strides)
    ]
    with nest(e, walks, at) as (to, of):
        if widen:
            x = e.let(f"load float, ptr {of}, align 4")
            x = e.let(f"fpext float {x} to double")
            e.do(f"store double {x}, ptr {to}, align 8")
        else:
            x = e.let(f"load double, ptr {of}, align 8")
            x = e.let(f"fptrunc double {x} to float")
            e.do(f"store float {x}, ptr {to}, align 4")
