"""Operators that ONNX has and wengert hasn't, as ops that only a lowered graph has.

They are never evaluated: `lower` makes them and `direct` says them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind, is_traced
from wengert.core.errors import WengertError
from wengert.core.op import Missing, Op
from wengert.core.types import Array, Type, promoted
from wengert.graph.graph import constant
from wengert.graph.symbols import as_symbol
from wengert.ops.reduce import reduced


def _never(*args: Any, **params: Any) -> Any:
    raise WengertError("An op of a graph lowered for ONNX isn't evaluated.")


def _op(name: str, type_of: Callable[..., Type]) -> Op:
    why = Missing("it exists in a graph lowered for ONNX only")
    return Op(f"onnx.{name}", _never, type_of, why, _never)


def _gather_type(x: Type, i: Type, *, axis: int) -> Type:
    return Type((*x.shape[:axis], *i.shape, *x.shape[axis + 1 :]), x.dtype)


def _gather_nd_type(x: Type, i: Type) -> Type:
    return Type((*i.shape[:-1], *x.shape[i.shape[-1] :]), x.dtype)


def _pad_type(x: Type, *, pads: tuple[tuple[int, int], ...]) -> Type:
    shape = tuple(a + n + b for n, (a, b) in zip(x.shape, pads, strict=True))
    return Type(shape, x.dtype)


def _reduce_type(x: Type, *, axis: tuple[int, ...], kind: str) -> Type:
    return Type(reduced(x.shape, axis, True), x.dtype)


def _place_type(x: Type, *, axis: int, kind: str) -> Type:
    return Type(reduced(x.shape, (axis,), True), np.dtype(np.int64))


def _binary_type(a: Type, b: Type, **params: Any) -> Type:
    return Type(np.broadcast_shapes(a.shape, b.shape), promoted((a, b)))


# x at whole indices along one axis, and at points of the first axes.
GATHER = _op("gather", _gather_type)
GATHER_ND = _op("gather_nd", _gather_nd_type)
# x with values put (reduction "none"), added ("add") … at points of the first axes.
SCATTER_ND = _op("scatter_nd", lambda x, i, v, *, reduction: Type(x.shape, x.dtype))
PAD = _op("pad", _pad_type)
# The stable order of an axis without nan, and reductions that don't look for nan.
ORDER = _op("order", lambda x, *, axis: Type(x.shape, np.dtype(np.int64)))
REDUCE = _op("reduce", _reduce_type)
PLACE = _op("place", _place_type)
# Remainders and quotients of numbers that aren't zero.
MOD = _op("mod", _binary_type)
QUOTIENT = _op("quotient", _binary_type)

PRIMITIVES = (
    GATHER, GATHER_ND, SCATTER_ND, PAD, ORDER, REDUCE, PLACE, MOD, QUOTIENT,
)  # fmt: skip


def apply(op: Op, *args: Array, **params: Any) -> Array:
    """Such an op on symbols and arrays; on arrays alone `bind` would run it."""
    if not any(map(is_traced, args)):
        args = (as_symbol(constant(args[0])), *args[1:])
    return bind(op, *args, **params)
