"""Which operations can't raise, so that staging needn't evaluate them at once."""

import enum
import functools
from typing import Any

import numpy as np

from wengert.core.op import Op, Partials, op_named
from wengert.core.pending import Pending
from wengert.core.types import Array

# Operations that can't raise once their types fit; those with `Partials` can't either.
_CALM = frozenset(
    ["floor", "ceil", "trunc", "rint", "sign", "isnan", "isinf", "isfinite", "equal",
     "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and",
     "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "invert",
     "all", "any", "stop_gradient",
     "max", "min", "prod", "variance", "logsumexp", "logsumexp2", "vector_norm",
     "cumprod", "sinc", "modulus", "conjugate", "real", "imag", "index", "index_set",
     "index_add", "astype", "where", "matmul", "einsum", "sum", "cumsum", "diagonal",
     "diagonal_embed", "concatenate", "stack", "reshape", "transpose", "broadcast_to",
     "flip", "roll", "python_number"]
)  # fmt: skip
# How many arguments these have without arrays as indices, which may be out of bounds.
_PLAIN_KEY = {"index": 1, "index_set": 2, "index_add": 2}


class _Calm(enum.Enum):
    """Whether an operation can't raise, once its types fit."""

    NEVER = 0
    ALWAYS = 1
    UNLESS_INT = 2
    WITHIN = 3  # unless an index is out of bounds
    UNLESS_EMPTY = 4


_ALWAYS, _NEVER = _Calm.ALWAYS, _Calm.NEVER  # looked up for each step


@functools.cache
def _calm(name: str) -> _Calm:
    op = op_named(name)
    if op is not None and op.multiple:
        return _Calm.NEVER
    if name == "power":  # integers to negative powers raise
        return _Calm.UNLESS_INT
    if op is not None and isinstance(op.derivative, Partials):
        return _Calm.ALWAYS
    if name not in _CALM:
        return _Calm.NEVER
    return _Calm.WITHIN if name in _PLAIN_KEY else _Calm.UNLESS_EMPTY


def may_wait(op: Op, type: Any, params: dict[str, Any], values: list[Array]) -> bool:
    """Whether the operation on these arguments can't raise.

    Args:
        op: the operation.
        type: the type of its result.
        params: its static parameters.
        values: its arguments, some of which may be pending.
    """
    if op.kind != "op":
        return False
    calm = _calm(op.name)
    if calm is _ALWAYS or calm is _NEVER:
        return calm is _ALWAYS
    if calm is _Calm.UNLESS_INT:
        return bool(type.dtype.kind in "fcb")
    if calm is _Calm.WITHIN:
        arrays = values[_PLAIN_KEY[op.name] :]
        return not arrays or _is_within(values[0], params["key"], arrays)
    return all(v.type.size if isinstance(v, Pending) else np.size(v) for v in values)


def _is_within(x: Any, key: tuple[Any, ...], arrays: list[Array]) -> bool:
    """Whether indices are known, and within the axes that they are for."""
    shape = x.type.shape if isinstance(x, Pending) else np.shape(x)
    rest = iter(arrays)
    taken = (e for e in key if e is not None)
    for n, e in zip(shape, taken, strict=False):
        index = next(rest) if isinstance(e, str) else None
        if index is None:
            continue
        if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
            return False
        if index.size and not -n <= index.min() <= index.max() < n:
            return False
    return next(rest, None) is None
