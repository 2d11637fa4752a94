"""Reductions, norms and contractions."""

import math
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array, Type
from wengert.graph.graph import Node
from wengert.integrations.onnx.composed.rule import Composed
from wengert.integrations.onnx.primitives import PLACE, REDUCE, apply
from wengert.ops.contract import EINSUM
from wengert.ops.reduce import reduced

Axes = tuple[int, ...]

# Largest and smallest -----------------------------------------------------------------


def _plain(x: Array, kind: str, axis: Axes, keepdims: bool) -> Array:
    if x.dtype.kind == "b":
        return _plain(x.astype(np.uint8), kind, axis, keepdims).astype(bool)
    y = apply(REDUCE, x, axis=axis, kind=kind) if axis else x
    return y if keepdims else y.reshape(reduced(x.shape, axis, False))


def _extremum(kind: str) -> Any:
    def f(x: Array, *, axis: Axes, keepdims: bool) -> Array:
        y = _plain(x, kind, axis, keepdims)
        if x.dtype.kind != "f":
            return y
        lost = _plain(np.isnan(x), "ReduceMax", axis, keepdims)
        return np.where(lost, math.nan, y)

    return f


def _nan_extremum(kind: str, least: float) -> Any:
    def f(x: Array, *, axis: Axes, keepdims: bool) -> Array:
        if x.dtype.kind != "f":
            return _plain(x, kind, axis, keepdims)
        gone = np.isnan(x)
        y = _plain(np.where(gone, least, x), kind, axis, keepdims)
        none = _plain(gone, "ReduceMin", axis, keepdims)
        return np.where(none, math.nan, y)

    return f


def _all(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return _plain(x.astype(bool), "ReduceMin", axis, keepdims)


def _any(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return _plain(x.astype(bool), "ReduceMax", axis, keepdims)


def _place(kind: str) -> Any:
    """The first place of the extremum, or of a nan."""

    def f(x: Array, *, axis: int, keepdims: bool = False) -> Array:
        if x.dtype.kind == "b":
            x = x.astype(np.uint8)
        y = apply(PLACE, x, axis=axis, kind=kind)
        if x.dtype.kind == "f":
            gone = np.isnan(x).astype(np.uint8)
            found = apply(REDUCE, gone, axis=(axis,), kind="ReduceMax") > 0
            y = np.where(found, apply(PLACE, gone, axis=axis, kind="ArgMax"), y)
        return y if keepdims else y.reshape(reduced(x.shape, (axis,), False))

    return f


# Sums of something --------------------------------------------------------------------


def _logsumexp(log: Any, exp: Any) -> Any:
    def f(x: Array, *, axis: Axes, keepdims: bool) -> Array:
        if not axis:
            return x
        top = np.max(x, axis=axis, keepdims=True)
        top = np.where(np.isinf(top), 0.0, top)
        y = log(np.sum(exp(x - top), axis=axis, keepdims=True)) + top
        return y if keepdims else y.reshape(reduced(x.shape, axis, False))

    return f


def _variance(x: Array, *mask: Array, axis: Axes, ddof: float, keepdims: bool) -> Array:
    if mask:
        count = np.sum(np.broadcast_to(mask[0], x.shape).astype(x.dtype), axis=axis,
                       keepdims=True)  # fmt: skip
        total = np.sum(np.where(mask[0], x, 0.0), axis=axis, keepdims=True)
        off = np.where(mask[0], x - total / count, 0.0)
        below = np.maximum(count - ddof, 0.0)
    else:
        n = Type(tuple(x.shape[a] for a in axis), x.dtype).size
        off = x - np.sum(x, axis=axis, keepdims=True) / n
        below = np.asarray(max(n - ddof, 0), x.dtype)
    y = np.sum(off * off, axis=axis, keepdims=True) / below
    return y if keepdims else y.reshape(reduced(x.shape, axis, False))


def _vector_norm(x: Array, *, ord: float, axis: Axes, keepdims: bool) -> Array:
    """Scaled by the largest element, so that no power over- or underflows."""
    size = np.abs(x)
    peak = np.max(size, axis=axis, keepdims=True)
    scale = np.where((peak > 0) & (peak < math.inf), peak, 1.0)
    part = size / scale
    powers = part * part if ord == 2 else np.power(part, float(ord))
    total = np.sum(powers, axis=axis, keepdims=True)
    root = np.sqrt(total) if ord == 2 else np.power(total, 1.0 / ord)
    y = scale * root
    return y if keepdims else y.reshape(reduced(x.shape, axis, False))


# Contractions -------------------------------------------------------------------------


def _has_ones(node: Node) -> bool:
    """An axis of length 1 stands for a longer one, or nothing is left to sum."""
    inputs = node.params["subscripts"].split("->")[0].split(",")
    sizes: dict[str, set[int]] = {}
    for letters, i in zip(inputs, node.inputs, strict=True):
        for c, n in zip(letters, i.shape, strict=True):
            sizes.setdefault(c, set()).add(n)
    return any(len(s) > 1 or 0 in s for s in sizes.values())


def _einsum(*arrays: Array, subscripts: str, optimize: Any) -> Array:
    """Without the axes of length 1 that were broadcast."""
    inputs, out = subscripts.split("->")
    texts = inputs.split(",")
    sizes: dict[str, int] = {}
    for letters, x in zip(texts, arrays, strict=True):
        for c, n in zip(letters, x.shape, strict=True):
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    if 0 in sizes.values():
        shape = tuple(sizes[c] for c in out)
        return np.zeros(shape, np.result_type(*(x.dtype for x in arrays)))
    kept, squeezed = [], []
    for letters, x in zip(texts, arrays, strict=True):
        stays = [c for c, n in zip(letters, x.shape, strict=True) if n == sizes[c]]
        kept.append("".join(stays))
        squeezed.append(x.reshape(tuple(sizes[c] for c in stays)))
    text = f"{','.join(kept)}->{out}"
    return bind(EINSUM, *squeezed, subscripts=text, optimize=False)


def _convolve(a: Array, v: Array, *, mode: str) -> Array:
    """Windows of the longer times the shorter, reversed."""
    if mode == "full":
        if a.shape[-1] < v.shape[-1]:
            a, v = v, a
        m = v.shape[-1]
        edge = np.zeros((*a.shape[:-1], m - 1), a.dtype)
        a = np.concatenate([edge, a, edge], axis=-1) if m > 1 else a
    n, m = a.shape[-1], v.shape[-1]
    places = np.arange(n - m + 1)[:, None] + np.arange(m)
    return np.matmul(a[..., places], np.flip(v, -1)[..., None])[..., 0]


def _det(a: Array) -> Array:
    """By minors, up to three rows."""
    n = a.shape[-1]
    if n == 0:
        return np.ones(a.shape[:-2], a.dtype)
    if n == 1:
        return a[..., 0, 0]
    if n == 2:
        return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
    y = 0.0
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        minor = a[..., 1, j] * a[..., 2, k] - a[..., 1, k] * a[..., 2, j]
        y = y + a[..., 0, i] * minor
    return y


def _det_by_minors(node: Node) -> bool:
    n = node.inputs[0].shape[-1]
    return n < 2 or (n < 4 and node.dtype == np.float64)


# fmt: off
COMPOSED: dict[str, Composed] = {
    "max":        Composed(_extremum("ReduceMax")),
    "min":        Composed(_extremum("ReduceMin")),
    "nanmax":     Composed(_nan_extremum("ReduceMax", -math.inf)),
    "nanmin":     Composed(_nan_extremum("ReduceMin", math.inf)),
    "all":        Composed(_all),
    "any":        Composed(_any),
    "argmax":     Composed(_place("ArgMax")),
    "argmin":     Composed(_place("ArgMin")),
    "logsumexp":  Composed(_logsumexp(np.log, np.exp), convert=True),
    "logsumexp2": Composed(_logsumexp(np.log2, np.exp2), convert=True),
    "variance":   Composed(_variance),
    "vector_norm": Composed(_vector_norm, convert=True),
    "einsum":     Composed(_einsum, when=_has_ones),
    "convolve":   Composed(_convolve),
    "det":        Composed(_det, "float64 up to 3 rows", _det_by_minors, convert=True),
}
# fmt: on
