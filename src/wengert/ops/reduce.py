"""Reductions: one number per slice along some axes. `axis` is a sorted tuple."""

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Linear, Op, Rules, Zero, register
from wengert.core.types import Array, Shape, Type
from wengert.ops.batching import Args, Mapped, Params

Axes = tuple[int, ...]


def reduced(shape: Shape, axis: Axes, keepdims: bool) -> Shape:
    """The shape after a reduction over `axis`."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


def expanded(y: Array, shape: Shape, axis: Axes) -> Array:
    """A reduction's result with its axes back, of length 1."""
    kept = tuple(1 if i in axis else n for i, n in enumerate(shape))
    return np.reshape(y, kept) if np.shape(y) != kept else y


def batch_axes(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    """The mapped axis stands in front, so every axis moves by one."""
    (x,) = args
    return bind(op, x, **{**params, "axis": tuple(a + 1 for a in params["axis"])})


def _type(x: Type, *, axis: Axes, keepdims: bool) -> Type:
    return Type(reduced(x.shape, axis, keepdims), x.dtype)


def _bool_type(x: Type, *, axis: Axes, keepdims: bool) -> Type:
    return Type(reduced(x.shape, axis, keepdims), np.dtype(bool))


def _sum_type(x: Type, *, axis: Axes, keepdims: bool) -> Type:
    # Small integers are summed in the platform's integer, as NumPy does.
    dtype = np.add.reduce(np.zeros(1, x.dtype)).dtype
    return Type(reduced(x.shape, axis, keepdims), dtype)


# sum ------------------------------------------------------------------------------


def _sum_transpose(ct: Array, _x: Type, *, axis: Axes, keepdims: bool) -> Array:
    return np.broadcast_to(expanded(ct, _x.shape, axis), _x.shape)


SUM = register(
    Op(
        name="sum",
        evaluate=lambda x, *, axis, keepdims: np.add.reduce(x, axis, keepdims=keepdims),
        type_of=_sum_type,
        derivative=Linear(_sum_transpose),
        batch=batch_axes,
    )
)


# max, min -------------------------------------------------------------------------


def _winners(x: Array, y: Array, axis: Axes) -> Array:
    """The share of each element in the extremum: ties split evenly."""
    hit = x == expanded(y, x.shape, axis)
    return hit / np.sum(hit, axis=axis, keepdims=True)


def _extremum_jvp(
    tangents: list[Array], y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> Array:
    picked = np.where(x == expanded(y, x.shape, axis), tangents[0], 0.0)
    count = np.sum(x == expanded(y, x.shape, axis), axis=axis, keepdims=keepdims)
    return np.sum(picked, axis=axis, keepdims=keepdims) / count


def _extremum_vjp(
    ct: Array, y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> tuple[Array]:
    hit = x == expanded(y, x.shape, axis)
    share = expanded(ct, x.shape, axis) * _winners(x, y, axis)
    return (np.where(hit, share, 0.0),)


def _extremum(name: str, ufunc: np.ufunc) -> Op:
    return register(
        Op(
            name=name,
            evaluate=lambda x, *, axis, keepdims: ufunc.reduce(
                x, axis=axis, keepdims=keepdims
            ),
            type_of=_type,
            derivative=Rules(jvp=_extremum_jvp, vjp=_extremum_vjp),
            batch=batch_axes,
        )
    )


MAX = _extremum("max", np.maximum)
MIN = _extremum("min", np.minimum)


# prod -----------------------------------------------------------------------------


def others_product(x: Array, axis: Axes) -> Array:
    """Product of all elements but one, for each one, without dividing.

    Products from the left times products from the right, so that zeros and tiny
    elements do no harm.
    """
    rest = [i for i in range(x.ndim) if i not in axis]
    moved = np.transpose(x, (*rest, *axis))
    flat = np.reshape(moved, (*moved.shape[: len(rest)], -1))
    one = np.ones((*flat.shape[:-1], 1), flat.dtype)
    left = np.cumprod(np.concatenate([one, flat[..., :-1]], axis=-1), axis=-1)
    back = np.flip(flat, -1)
    right = np.cumprod(np.concatenate([one, back[..., :-1]], axis=-1), axis=-1)
    product = np.reshape(left * np.flip(right, -1), moved.shape)
    return np.transpose(product, tuple(np.argsort((*rest, *axis)).tolist()))


def _prod_jvp(
    tangents: list[Array], _y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> Array:
    return np.sum(tangents[0] * others_product(x, axis), axis=axis, keepdims=keepdims)


def _prod_vjp(
    ct: Array, _y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> tuple[Array]:
    return (expanded(ct, x.shape, axis) * np.conjugate(others_product(x, axis)),)


def _prod_type(x: Type, *, axis: Axes, keepdims: bool) -> Type:
    dtype = np.multiply.reduce(np.zeros(1, x.dtype)).dtype
    return Type(reduced(x.shape, axis, keepdims), dtype)


PROD = register(
    Op(
        name="prod",
        evaluate=lambda x, *, axis, keepdims: np.multiply.reduce(
            x, axis, keepdims=keepdims
        ),
        type_of=_prod_type,
        derivative=Rules(jvp=_prod_jvp, vjp=_prod_vjp),
        batch=batch_axes,
    )
)


# all, any, argmax, argmin ---------------------------------------------------------


def _logical(name: str, ufunc: np.ufunc) -> Op:
    return register(
        Op(
            name=name,
            evaluate=lambda x, *, axis, keepdims: ufunc.reduce(
                x, axis=axis, keepdims=keepdims
            ),
            type_of=_bool_type,
            derivative=Zero("piecewise constant"),
            batch=batch_axes,
        )
    )


ALL = _logical("all", np.logical_and)
ANY = _logical("any", np.logical_or)


def _batch_one_axis(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    (x,) = args
    return bind(op, x, **{**params, "axis": params["axis"] + 1})


def _arg_type(x: Type, *, axis: int, keepdims: bool) -> Type:
    return Type(reduced(x.shape, (axis,), keepdims), np.dtype(np.intp))


ARGMAX, ARGMIN = (
    register(
        Op(
            name=f.__name__,
            evaluate=f,
            type_of=_arg_type,
            derivative=Zero("an index"),
            batch=_batch_one_axis,
        )
    )
    for f in (np.argmax, np.argmin)
)
