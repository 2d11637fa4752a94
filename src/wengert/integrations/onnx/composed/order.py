"""Orders, and running reductions in about log₂ n steps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.integrations.onnx.composed.rule import Composed
from wengert.integrations.onnx.primitives import ORDER, apply
from wengert.ops.cumulative import along
from wengert.ops.sort import PERMUTE
from wengert.ops.strong import strong_product

# Orders -------------------------------------------------------------------------------


def _then(order: Array, key: Array, axis: int) -> Array:
    """`order`, and where `key` differs the order of `key`."""
    sorted_key = bind(PERMUTE, key, order, axis=axis, inverse=False)
    finer = apply(ORDER, sorted_key, axis=axis)
    return bind(PERMUTE, order, finer, axis=axis, inverse=False)


def _stable(x: Array, axis: int) -> Array:
    """The stable order; every nan behind everything else."""
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    if x.dtype.kind != "f":
        return apply(ORDER, x, axis=axis)
    gone = np.isnan(x)
    order = apply(ORDER, np.where(gone, np.inf, x), axis=axis)
    return _then(order, gone.astype(np.uint8), axis)


def _argsort(x: Array, *, axis: int, kind: Any) -> Array:
    return _stable(x, axis)


def _argpartition(x: Array, *, axis: int, kth: Any) -> Array:
    return _stable(x, axis)


def _lexsort(*keys: Array, axis: int) -> Array:
    order = _stable(keys[0], axis)
    for key in keys[1:]:
        moved = bind(PERMUTE, key, order, axis=axis, inverse=False)
        finer = _stable(moved, axis)
        order = bind(PERMUTE, order, finer, axis=axis, inverse=False)
    return order


def _searchsorted(a: Array, v: Array, *, side: str) -> Array:
    """How many elements are smaller (or equal); nan counts as the largest."""
    v = np.expand_dims(v, -1)
    below = a < v if side == "left" else a <= v
    if a.dtype.kind == "f" and v.dtype.kind == "f":
        last = np.isnan(v)
        below = below | (last & (~np.isnan(a) if side == "left" else True))
    return np.sum(below, axis=-1, dtype=np.int64)


# Running reductions -------------------------------------------------------------------


def _running(f: Callable[[Array, Array], Array]) -> Any:
    """By doubling (Hillis and Steele): after step k each element has 2ᵏ behind it."""

    def run(x: Array, *, axis: int) -> Array:
        n, k = x.shape[axis], 1
        while k < n:
            first = x[along(axis, slice(None, k))]
            rest = f(x[along(axis, slice(None, n - k))], x[along(axis, slice(k, None))])
            x = np.concatenate([first, rest], axis=axis)
            k *= 2
        return x

    return run


def _recurrence(a: Array, u: Array, *, axis: int, reverse: bool) -> Array:
    """y[k] = a[k]·y[k−1] + u[k], by doubling the composition of such steps."""
    if reverse:
        a, u = np.flip(a, axis), np.flip(u, axis)
    n, k = u.shape[axis], 1
    while k < n:
        front, back = along(axis, slice(None, n - k)), along(axis, slice(k, None))
        first = along(axis, slice(None, k))
        sums = strong_product(a[back], u[front]) + u[back]
        factors = strong_product(a[back], a[front])
        u = np.concatenate([u[first], sums], axis=axis)
        a = np.concatenate([a[first], factors], axis=axis)
        k *= 2
    return np.flip(u, axis) if reverse else u


_ORDER = "products and sums in another order"

# fmt: off
COMPOSED: dict[str, Composed] = {
    "argsort":       Composed(_argsort, "always the stable order"),
    "argpartition":  Composed(_argpartition, "the whole axis is sorted"),
    "partition_order": Composed(_argpartition, "the whole axis is sorted"),
    "lexsort":       Composed(_lexsort),
    "searchsorted":  Composed(_searchsorted, "compares with every element"),
    "cumprod":       Composed(_running(np.multiply), _ORDER),
    "cummax":        Composed(_running(np.maximum)),
    "cummin":        Composed(_running(np.minimum)),
    "cumlogsumexp":  Composed(_running(np.logaddexp), _ORDER),
    "cumlogsumexp2": Composed(_running(np.logaddexp2), _ORDER),
    "recurrence":    Composed(_recurrence, _ORDER),
}
# fmt: on
