"""Reductions, orders and contractions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.integrations.onnx.reader import Attributes, axes_of, axis_of, ints
from wengert.ops.reduce import LOGSUMEXP
from wengert.ops.sort import ARGSORT

Reader = Callable[..., Any]


def _over(f: Callable[..., Array]) -> Reader:
    """A reduction over given axes, all by default, in the argument's dtype."""

    def read(a: Attributes, *args: Any) -> Array:
        a.only("axes", "keepdims", "noop_with_empty_axes")
        x = args[0]
        axes = axes_of(a, list(args), x.ndim)
        if not axes:
            if a.get("noop_with_empty_axes", 0):
                return x
            axes = tuple(range(x.ndim))
        return f(x, axis=axes, keepdims=bool(a.get("keepdims", 1))).astype(x.dtype)

    return read


def _logsumexp(x: Array, axis: Any, keepdims: bool) -> Array:
    return bind(LOGSUMEXP, x, axis=axis, keepdims=keepdims)


def _place(f: Callable[..., Array]) -> Reader:
    def read(a: Attributes, x: Array) -> Array:
        if a.get("select_last_index", 0):
            raise a.refuse("select_last_index")
        axis = axis_of(a, x.ndim, 0)
        return f(x, axis=axis, keepdims=bool(a.get("keepdims", 1)))

    return read


def _cumsum(a: Attributes, x: Array, axis: Array) -> Array:
    (at,) = ints(axis, a, "an axis")
    if a.get("reverse", 0):
        x = np.flip(x, at)
    y = np.cumsum(x, axis=at).astype(x.dtype)
    y = y - x if a.get("exclusive", 0) else y
    return np.flip(y, at) if a.get("reverse", 0) else y


def _topk(a: Attributes, x: Array, k: Any = None) -> tuple[Array, Array]:
    axis = axis_of(a, x.ndim, -1)
    count = int(a.get("k", 0)) if k is None else ints(k, a, "a count")[0]
    key = x
    if a.get("largest", 1):
        if x.dtype.kind == "u":
            raise a.refuse("the largest of unsigned integers")
        key = -x
    order = bind(ARGSORT, key, axis=axis, kind="stable")
    order = order[(slice(None),) * axis + (slice(None, count),)]
    return np.take_along_axis(x, order, axis), order.astype(np.int64)


def _einsum(a: Attributes, *args: Array) -> Array:
    a.only("equation")
    return np.einsum(a.get("equation").replace(" ", ""), *args)


def _matmul(a: Attributes, x: Array, y: Array) -> Array:
    return np.matmul(x, y)


def _gemm(a: Attributes, x: Array, y: Array, c: Any = None) -> Array:
    x = x.T if a.get("transA", 0) else x
    y = y.T if a.get("transB", 0) else y
    z = np.matmul(x, y)
    alpha, beta = float(a.get("alpha", 1.0)), float(a.get("beta", 1.0))
    z = z if alpha == 1.0 else alpha * z
    if c is None:
        return z
    return z + (c if beta == 1.0 else beta * c)


def _det(a: Attributes, x: Array) -> Array:
    return np.linalg.det(x)


# fmt: off
READERS: dict[str, Reader] = {
    "ReduceSum":  _over(np.sum),
    "ReduceMean": _over(np.mean),
    "ReduceProd": _over(np.prod),
    "ReduceMax":  _over(np.max),
    "ReduceMin":  _over(np.min),
    "ReduceL1":   _over(lambda x, **kw: np.sum(np.abs(x), **kw)),
    "ReduceL2":   _over(lambda x, **kw: np.sqrt(np.sum(x * x, **kw))),
    "ReduceSumSquare": _over(lambda x, **kw: np.sum(x * x, **kw)),
    "ReduceLogSum": _over(lambda x, **kw: np.log(np.sum(x, **kw))),
    "ReduceLogSumExp": _over(_logsumexp),
    "ArgMax": _place(np.argmax),
    "ArgMin": _place(np.argmin),
    "CumSum": _cumsum,
    "TopK": _topk,
    "Einsum": _einsum,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Det": _det,
}
# fmt: on
