"""Diagonals, triangles and the indices of both."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand, write_out
from wengert.numpy.views import bind_view
from wengert.ops.diagonal import DIAGONAL, DIAGONAL_EMBED


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """As `numpy.diagonal`, differentiable; the view can be written into."""
    x = operand(a)
    if np.ndim(x) < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    i, j = canonical_axis(axis1, np.ndim(x)), canonical_axis(axis2, np.ndim(x))
    if i == j:
        raise ValueError("axis1 and axis2 cannot be the same")
    return bind_view(DIAGONAL, x, offset=offset.__index__(), axes=(i, j))


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Array:
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Array:
    x = operand(v)
    if np.ndim(x) == 2:
        return diagonal(x, k)
    if np.ndim(x) != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = np.shape(x)[0] + abs(k)
    return bind(DIAGONAL_EMBED, x, shape=(n, n), offset=k.__index__(), axes=(0, 1))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Array:
    return diag(np.ravel(operand(v)), k)


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None,
    out: Any = None,
) -> Array:  # fmt: skip
    y = np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)
    return y if out is None else write_out(out, y)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    return trace(x, offset, -2, -1, dtype)


def _triangle(x: Array, k: int, lower: bool) -> Array:
    """Whether each element of a matrix, or a vector's outer square, is kept."""
    shape = np.shape(x)[-2:] if np.ndim(x) > 1 else np.shape(x) * 2
    return np.tri(*shape, k=k if lower else k - 1, dtype=bool) == lower


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Array:
    x = operand(m)
    return np.where(_triangle(x, k, lower=True), x, np.zeros(1, x.dtype))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Array:
    x = operand(m)
    return np.where(_triangle(x, k, lower=False), x, np.zeros(1, x.dtype))


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> tuple[Array, ...]:
    rows, columns = arr.shape
    return np.tril_indices(rows, k, columns)


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> tuple[Array, ...]:
    rows, columns = arr.shape
    return np.triu_indices(rows, k, columns)


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[Array, ...]:
    if arr.ndim < 2 or len(set(arr.shape)) != 1:
        raise ValueError(
            "All dimensions of input must be of equal length, and two or more; "
            f"shape {arr.shape} came"
        )
    return np.diag_indices(arr.shape[0], arr.ndim)
