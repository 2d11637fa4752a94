"""Simplification of layout: reshape, transpose, broadcast, flip, and sums of them."""

import math

import numpy as np

from wengert.core.types import Shape
from wengert.graph.graph import Node
from wengert.passes.match import (
    argument,
    broadcast,
    call,
    filled,
    is_op,
    number,
    reduced,
    reshaped,
    same_type,
    value,
)
from wengert.passes.rewrite import Rules, Uses, among

# Elementwise operations of two arguments, which broadcast by themselves.
_BROADCASTING = (
    "add", "subtract", "multiply", "divide", "strong_product", "maximum", "minimum",
    "power", "where",
)  # fmt: skip


def same_shape(n: Node, uses: Uses) -> Node | None:
    """reshape or broadcast to the shape that it has → x"""
    (x,) = n.inputs
    return x if same_type(x, n) else None


@among("reshape")
def reshape_of_reshape(n: Node, uses: Uses) -> Node | None:
    """reshape(reshape(x)) → reshape(x)"""
    x = argument(n.inputs[0], "reshape")
    return reshaped(x, n.shape, n) if x is not None else None


def transpose_of_transpose(n: Node, uses: Uses) -> Node | None:
    """transpose(transpose(x)) → transpose(x), and → x if it undoes itself"""
    (x,) = n.inputs
    axes = n.params["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if not is_op(x, "transpose"):
        return None
    inner = x.params["axes"]
    return call("transpose", n, x.inputs[0], axes=tuple(inner[i] for i in axes))


@among("matmul")
def transpose_of_product(n: Node, uses: Uses) -> Node | None:
    """(Aᵀ·B)ᵀ → Bᵀ·A and (A·Bᵀ)ᵀ → B·Aᵀ, where that leaves fewer transposes"""
    (product,) = n.inputs
    if not _is_swap(n) or not is_op(product, "matmul") or not uses.once(product):
        return None
    swapped = [_is_swap(i) for i in product.inputs]
    gone = [s and uses.once(i) for s, i in zip(swapped, product.inputs, strict=True)]
    # One transpose goes with `n`; each factor that isn't one already costs one.
    if 1 + sum(gone) <= swapped.count(False):
        return None
    a, b = (
        i.inputs[0] if s else _swap(i)
        for s, i in zip(swapped, product.inputs, strict=True)
    )
    return call("matmul", n, b, a)


def _is_swap(n: Node) -> bool:
    """Whether a node transposes the last two axes, and no others."""
    if not is_op(n, "transpose") or len(n.shape) < 2:
        return False
    k = len(n.shape)
    return bool(n.params["axes"] == (*range(k - 2), k - 1, k - 2))


def _swap(n: Node) -> Node:
    k = len(n.shape)
    return call("transpose", n, n, axes=(*range(k - 2), k - 1, k - 2))


@among("broadcast_to")
def broadcast_of_broadcast(n: Node, uses: Uses) -> Node | None:
    """broadcast(broadcast(x)) → broadcast(x)"""
    x = argument(n.inputs[0], "broadcast_to")
    return broadcast(x, n.shape, n) if x is not None else None


@among("reshape")
def broadcast_of_new_axes(n: Node, uses: Uses) -> Node | None:
    """broadcast(x with axes of length 1 in front) → broadcast(x)"""
    x = argument(n.inputs[0], "reshape")
    if x is None or _without_front(x.shape) != _without_front(n.inputs[0].shape):
        return None
    return broadcast(x, n.shape, n)


def _without_front(shape: Shape) -> Shape:
    first = next((i for i, k in enumerate(shape) if k != 1), len(shape))
    return shape[first:]


@among("broadcast_to")
def needless_broadcast(n: Node, uses: Uses) -> Node | None:
    """broadcast(x) + y → x + y, where y has the shape already"""
    inputs = list(n.inputs)
    for i, x in enumerate(inputs):
        source = argument(x, "broadcast_to")
        if source is None:
            continue
        others = [o.shape for k, o in enumerate(inputs) if k != i]
        if np.broadcast_shapes(source.shape, *others) == n.shape:
            inputs[i] = source
    if inputs == list(n.inputs):
        return None
    return call(n.op.name, n, *inputs)


@among("flip")
def flip_of_flip(n: Node, uses: Uses) -> Node | None:
    """flip(flip(x)) → x over the same axes"""
    (x,) = n.inputs
    if is_op(x, "flip") and set(x.params["axis"]) == set(n.params["axis"]):
        return x.inputs[0]
    return None


# Sums ---------------------------------------------------------------------------------


def sum_over_ones(n: Node, uses: Uses) -> Node | None:
    """sum over no axes, or axes of length 1 → reshape(x)"""
    (x,) = n.inputs
    if x.dtype != n.dtype or any(x.shape[a] != 1 for a in n.params["axis"]):
        return None
    return reshaped(x, n.shape, n)


@among("sum")
def sum_of_sum(n: Node, uses: Uses) -> Node | None:
    """sum(sum(x)) → sum(x) over the axes of both"""
    (x,) = n.inputs
    if not is_op(x, "sum") or n.params["keepdims"] != x.params["keepdims"]:
        return None
    left = [a for a in range(len(x.inputs[0].shape)) if a not in x.params["axis"]]
    outer = n.params["axis"]
    if not n.params["keepdims"]:
        outer = tuple(left[a] for a in outer)
    axis = tuple(sorted({*x.params["axis"], *outer}))
    return call("sum", n, x.inputs[0], axis=axis, keepdims=n.params["keepdims"])


@among("negative")
def sum_of_negative(n: Node, uses: Uses) -> Node | None:
    """sum(−x) → −sum(x), which is smaller, where nothing else needs −x"""
    (x,) = n.inputs
    if not is_op(x, "negative") or not uses.once(x) or x.dtype != n.dtype:
        return None
    return call("negative", n, call("sum", n, x.inputs[0], **n.params))


@among("reshape", "transpose", "flip")
def sum_of_order(n: Node, uses: Uses) -> Node | None:
    """sum of all elements of x in another shape or order → sum of all of x"""
    (x,) = n.inputs
    source = argument(x, "reshape", "transpose", "flip")
    if source is None or n.shape or len(n.params["axis"]) != len(x.shape):
        return None
    axis = tuple(range(len(source.shape)))
    return call("sum", n, source, axis=axis, keepdims=False)


@among("broadcast_to")
def sum_of_broadcast(n: Node, uses: Uses) -> Node | None:
    """sum over axes that a broadcast made → x times their length"""
    (x,) = n.inputs
    source = argument(x, "broadcast_to")
    if source is None or n.dtype != x.dtype or n.dtype.kind not in "iufc":
        return None
    extra = len(x.shape) - len(source.shape)
    made = [a for a in n.params["axis"] if a < extra or source.shape[a - extra] == 1]
    if not made:
        return None
    times = math.prod(x.shape[a] for a in made)
    if times == 0:
        return filled(0.0, n)
    if times == 1:
        return None
    if n.dtype.kind in "fc" and times > np.finfo(n.dtype).max:
        return None
    total = _summed(source, n, [a - extra for a in n.params["axis"] if a not in made])
    back = broadcast(reshaped(total, _kept(source, n, extra), n), n.shape, n)
    if back is None:
        return None
    factor = float(times) if n.dtype.kind in "fc" else times
    return call("multiply", n, back, factor)


def _summed(source: Node, n: Node, axis: list[int]) -> Node:
    if not axis:
        return source
    keepdims = n.params["keepdims"]
    return call("sum", n, source, axis=tuple(axis), keepdims=keepdims)


def _kept(source: Node, n: Node, extra: int) -> Shape:
    """The shape of the sum before its axes that weren't summed are broadcast."""
    full = (*(1,) * extra, *source.shape)
    return reduced(full, n.params["axis"], n.params["keepdims"])


@among("where")
def sum_of_choice(n: Node, uses: Uses) -> Node | None:
    """sum(where(c, k, 0)) → k·(how many are True), for numbers k"""
    (x,) = n.inputs
    if not is_op(x, "where") or not uses.once(x) or n.dtype.kind != "f":
        return None
    condition, a, b = x.inputs
    k = number(a)
    if k is None or number(b) != 0 or condition.shape != x.shape:
        return None
    if condition.dtype != bool or x.type.size >= 2 / np.finfo(n.dtype).eps:
        return None
    count = call("sum", n, condition, **n.params)
    result = call("astype", n, count, dtype=n.dtype)
    return result if k == 1 else call("multiply", n, result, n.dtype.type(k))


@among("broadcast_to")
def all_of_number(n: Node, uses: Uses) -> Node | None:
    """reshape, transpose or flip of equal numbers → these numbers"""
    k = number(n.inputs[0])
    if k is None or value(n.inputs[0]) is not None:
        return None
    return filled(k, n)


_NEEDLESS = dict.fromkeys(_BROADCASTING, (needless_broadcast,))
RULES: Rules = {
    **_NEEDLESS,
    "reshape": (same_shape, all_of_number, reshape_of_reshape),
    "transpose": (transpose_of_transpose, all_of_number, transpose_of_product),
    "broadcast_to": (same_shape, broadcast_of_broadcast, broadcast_of_new_axes),
    "flip": (flip_of_flip, all_of_number),
    "sum": (
        sum_over_ones, sum_of_broadcast, sum_of_sum, sum_of_negative, sum_of_order,
        sum_of_choice,
    ),
}  # fmt: skip
