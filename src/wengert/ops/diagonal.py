"""Diagonals: reading one, and the array of zeros that has it. Each other's transpose.

`diagonal` takes the elements x[…, i, …, i + offset, …] along two axes and puts them on
a last axis; `diagonal_embed` writes a last axis there, into zeros of shape `shape`.
"""

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Shape, Type
from wengert.ops.batching import Args, Mapped, Params

Axes = tuple[int, int]


def _length(shape: Shape, offset: int, axes: Axes) -> int:
    rows, columns = shape[axes[0]], shape[axes[1]]
    return max(
        0, min(rows, columns - offset) if offset > 0 else min(rows + offset, columns)
    )


def _diagonal_shape(shape: Shape, offset: int, axes: Axes) -> Shape:
    rest = tuple(n for i, n in enumerate(shape) if i not in axes)
    return (*rest, _length(shape, offset, axes))


def _diagonal_type(x: Type, *, offset: int, axes: Axes) -> Type:
    return Type(_diagonal_shape(x.shape, offset, axes), x.dtype)


def _diagonal_transpose(ct: Array, _x: Type, *, offset: int, axes: Axes) -> Array:
    return bind(DIAGONAL_EMBED, ct, shape=_x.shape, offset=offset, axes=axes)


def _embed_transpose(
    ct: Array, _d: Type, *, shape: Shape, offset: int, axes: Axes
) -> Array:
    return bind(DIAGONAL, ct, offset=offset, axes=axes)


def _embed(d: Array, *, shape: Shape, offset: int, axes: Axes) -> Array:
    y = np.zeros(shape, d.dtype)
    n = d.shape[-1]
    i = np.arange(n) - min(offset, 0)
    j = np.arange(n) + max(offset, 0)
    np.moveaxis(y, axes, (-2, -1))[..., i, j] = d
    return y


def _embed_type(d: Type, *, shape: Shape, offset: int, axes: Axes) -> Type:
    wanted = _diagonal_shape(shape, offset, axes)
    if d.shape != wanted:
        raise ShapeMismatch(
            f"The diagonal {offset} of axes {axes} of shape {shape} has shape "
            f"{wanted}.\n  Came: shape {d.shape}\n"
            "  Do:   pass one value per element of it."
        )
    return Type(shape, d.dtype)


def _batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    """The mapped axis stands in front, so every axis moves by one."""
    moved = {**params, "axes": tuple(a + 1 for a in params["axes"])}
    if "shape" in moved:
        moved["shape"] = (size, *moved["shape"])
    return bind(op, args[0], **moved)


DIAGONAL = register(
    Op(
        name="diagonal",
        evaluate=lambda x, *, offset, axes: np.diagonal(x, offset, *axes),
        type_of=_diagonal_type,
        derivative=Linear(_diagonal_transpose),
        batch=_batch,
        view=True,
    )
)

DIAGONAL_EMBED = register(
    Op(
        name="diagonal_embed",
        evaluate=_embed,
        type_of=_embed_type,
        derivative=Linear(_embed_transpose),
        batch=_batch,
    )
)
