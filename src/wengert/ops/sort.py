"""Sorting: finding an order has no derivative, putting elements into one is linear."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, Zero, register
from wengert.core.types import Array, Type
from wengert.ops import batching
from wengert.ops.batching import Args, Mapped, Params
from wengert.ops.reduce import batch_axis

_INDEX = np.dtype(np.intp)


def _order_type(x: Type, **params: Any) -> Type:
    return Type(x.shape, _INDEX)


# orders ---------------------------------------------------------------------------

ARGSORT = register(
    Op(
        name="argsort",
        evaluate=lambda x, *, axis, kind: np.argsort(x, axis, kind),
        type_of=_order_type,
        derivative=Zero("an order"),
        batch=batch_axis,
    )
)

Places = tuple[int, ...]


def _check_places(x: Type, axis: int, kth: Places) -> None:
    n = x.shape[axis]
    for k in kth:
        if not -n <= k < n:
            raise ShapeMismatch(
                f"kth(={k + n if k < 0 else k}) out of bounds ({n})\n"
                f"  Came: shape {x.shape}, axis {axis}\n"
                "  Do:   choose places that the axis has."
            )


def _partition_type(x: Type, *, axis: int, kth: Places) -> Type:
    _check_places(x, axis, kth)
    return Type(x.shape, _INDEX)


ARGPARTITION = register(
    Op(
        name="argpartition",
        evaluate=lambda x, *, axis, kth: np.argpartition(x, kth, axis),
        type_of=_partition_type,
        derivative=Zero("an order"),
        batch=batch_axis,
    )
)


def _partition_order(x: Array, *, axis: int, kth: Places) -> Array:
    """The order in which `np.partition` leaves the elements; argpartition's is another.

    Both ranked: the i-th smallest of the result is the i-th smallest of `x`.
    """
    y = np.partition(x, kth, axis)
    order = np.empty(x.shape, _INDEX)
    ranked = np.argsort(x, axis, "stable")
    np.put_along_axis(order, np.argsort(y, axis, "stable"), ranked, axis)
    return order


PARTITION_ORDER = register(
    Op(
        name="partition_order",
        evaluate=_partition_order,
        type_of=_partition_type,
        derivative=Zero("an order"),
        batch=batch_axis,
    )
)


def _batch_lexsort(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    keys = batching.everywhere(size, args, mapped)
    return bind(op, *keys, axis=params["axis"] + 1)


LEXSORT = register(
    Op(
        name="lexsort",
        evaluate=lambda *keys, axis: np.lexsort(keys, axis),
        type_of=lambda *keys, axis: Type(keys[0].shape, _INDEX),
        derivative=Zero("an order"),
        batch=_batch_lexsort,
    )
)


# permute: y[…, k, …] = x[…, order[…, k, …], …]; inverse: y[…, order[…, k, …], …] = x[…]


def _permute(x: Array, order: Array, *, axis: int, inverse: bool) -> Array:
    if not inverse:
        return x[order] if x.ndim == 1 else np.take_along_axis(x, order, axis)
    y = np.empty_like(x)
    if x.ndim == 1:
        y[order] = x
    else:
        np.put_along_axis(y, order, x, axis)
    return y


def _permute_transpose(
    ct: Array, _x: Type, order: Array, *, axis: int, inverse: bool
) -> Array:
    return bind(PERMUTE, ct, order, axis=axis, inverse=not inverse)


PERMUTE = register(
    Op(
        name="permute",
        evaluate=_permute,
        type_of=lambda x, order, *, axis, inverse: Type(x.shape, x.dtype),
        derivative=Linear(_permute_transpose, None),
        batch=batch_axis,
    )
)
