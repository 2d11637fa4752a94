"""Layout: the same elements in another shape or order. All linear."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Shape, Type
from wengert.ops.batching import Args, Mapped, Params

Axes = tuple[int, ...]


# reshape --------------------------------------------------------------------------


def _reshape_type(x: Type, *, shape: Shape) -> Type:
    if x.size != Type(shape, x.dtype).size:
        raise ShapeMismatch(
            f"`reshape` keeps the number of elements: {x.size} in shape {x.shape}.\n"
            f"  Came: shape {shape}\n  Do:   use -1 for the axis that is to fit."
        )
    return Type(shape, x.dtype)


def _reshape_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    return bind(op, args[0], shape=(size, *params["shape"]))


RESHAPE = register(
    Op(
        name="reshape",
        evaluate=lambda x, *, shape: np.reshape(x, shape),
        type_of=_reshape_type,
        derivative=Linear(lambda ct, _x, *, shape: np.reshape(ct, _x.shape)),
        batch=_reshape_batch,
        view=True,
    )
)


# transpose ------------------------------------------------------------------------


def _inverse(axes: Axes) -> Axes:
    inverse = [0] * len(axes)
    for i, a in enumerate(axes):
        inverse[a] = i
    return tuple(inverse)


def _transpose_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    return bind(op, args[0], axes=(0, *(a + 1 for a in params["axes"])))


TRANSPOSE = register(
    Op(
        name="transpose",
        evaluate=lambda x, *, axes: np.transpose(x, axes),
        type_of=lambda x, *, axes: Type(tuple(x.shape[a] for a in axes), x.dtype),
        derivative=Linear(lambda ct, _x, *, axes: np.transpose(ct, _inverse(axes))),
        batch=_transpose_batch,
        view=True,
    )
)


# broadcast_to ---------------------------------------------------------------------


def _broadcast_type(x: Type, *, shape: Shape) -> Type:
    try:
        fits = np.broadcast_shapes(x.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeMismatch(
            f"`broadcast_to` repeats axes of length 1 and adds axes in front.\n"
            f"  Came: shape {x.shape} to {shape}\n"
            "  Do:   reshape first, so that the last axes are equal or 1."
        )
    return Type(shape, x.dtype)


def _unbroadcast(ct: Array, _x: Type, *, shape: Shape) -> Array:
    extra = len(shape) - _x.ndim
    axes = tuple(
        i
        for i in range(len(shape))
        if i < extra or (_x.shape[i - extra] == 1 and shape[i] != 1)
    )
    return np.reshape(np.sum(ct, axis=axes), _x.shape) if axes else ct


def _broadcast_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    (x,) = args
    shape = params["shape"]
    ones = (1,) * (len(shape) - (x.ndim - 1))
    return bind(op, np.reshape(x, (size, *ones, *x.shape[1:])), shape=(size, *shape))


BROADCAST_TO = register(
    Op(
        name="broadcast_to",
        evaluate=lambda x, *, shape: np.broadcast_to(x, shape),
        type_of=_broadcast_type,
        derivative=Linear(_unbroadcast),
        batch=_broadcast_batch,
    )
)


# flip, roll -----------------------------------------------------------------------


def _along_axes(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    axis = tuple(a + 1 for a in params["axis"])
    return bind(op, args[0], **{**params, "axis": axis})


def _same_type(x: Type, **params: Any) -> Type:
    return Type(x.shape, x.dtype)


FLIP = register(
    Op(
        name="flip",
        evaluate=lambda x, *, axis: np.flip(x, axis),
        type_of=_same_type,
        derivative=Linear(lambda ct, _x, *, axis: np.flip(ct, axis)),
        batch=_along_axes,
        view=True,
    )
)

ROLL = register(
    Op(
        name="roll",
        evaluate=lambda x, *, shift, axis: np.roll(x, shift, axis),
        type_of=_same_type,
        derivative=Linear(
            lambda ct, _x, *, shift, axis: np.roll(ct, tuple(-s for s in shift), axis)
        ),
        batch=_along_axes,
    )
)
