"""Norms, condition and rank."""

import math
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.contract import array
from wengert.numpy.dispatch import canonical_axis, implements
from wengert.numpy.linalg.arguments import static
from wengert.numpy.linalg.decompositions import eigvalsh, slogdet, svdvals
from wengert.ops import linalg as ops
from wengert.ops.linalg.det import inverse_or_nan


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """As `numpy.linalg.norm`; the subgradient is 0 at 0, and huge and tiny values
    neither overflow nor underflow."""
    a = array(x)
    n = np.ndim(a)
    if axis is None:
        every = tuple(range(n))
        if ord is None or (ord in ("f", "fro") and n == 2):
            return _vector(a, 2, every, keepdims)
        axes = every
    else:
        given = axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(canonical_axis(i, n) for i in given)
    if len(axes) == 1:
        return _vector(a, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    if axes[0] == axes[1]:
        raise ValueError("Duplicate axes given.")
    return _matrix(a, ord, axes, keepdims)


def _vector(x: Array, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Array:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    p = 2.0 if ord is None else static("norm", "ord", ord)
    axis = tuple(sorted(axis))
    if p == math.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if p == -math.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if p == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if p == 0:
        real = np.real(x).dtype
        return np.sum(np.astype(x != 0, real), axis=axis, keepdims=keepdims)
    return bind(ops.VECTOR_NORM, x, ord=p, axis=axis, keepdims=bool(keepdims))


def _matrix(x: Array, ord: Any, axis: tuple[int, int], keepdims: bool) -> Array:
    if ord is None or ord in ("fro", "f"):
        return _vector(x, 2, axis, keepdims)
    x = np.moveaxis(x, axis, (-2, -1))
    if ord == "nuc":
        y = np.sum(np.abs(svdvals(x)), axis=-1)
    elif ord in (2, -2):
        y = (np.max if ord == 2 else np.min)(np.abs(svdvals(x)), axis=-1)
    elif ord in (1, -1):
        y = (np.max if ord == 1 else np.min)(np.sum(np.abs(x), axis=-2), axis=-1)
    elif ord in (math.inf, -math.inf):
        y = (np.max if ord > 0 else np.min)(np.sum(np.abs(x), axis=-1), axis=-1)
    else:
        raise ValueError("Invalid norm order for matrices.")
    return np.expand_dims(y, tuple(sorted(axis))) if keepdims else y


@implements(np.linalg.vector_norm)
def vector_norm(
    x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2
) -> Array:
    a = array(x)
    given = axis if isinstance(axis, tuple) else (axis,)
    every = tuple(range(np.ndim(a)))
    axes = (
        every if axis is None else tuple(canonical_axis(i, np.ndim(a)) for i in given)
    )
    return _vector(a, ord, axes, keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Array:
    a = array(x)
    with np.errstate(all="ignore"):
        if p is None or p in (2, -2):
            s = svdvals(a)
            y = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        else:
            inverse = inverse_or_nan(slogdet(a)[0], a)
            y = norm(a, p, (-2, -1)) * norm(inverse, p, (-2, -1))
    lost = np.isnan(y) & ~np.any(np.isnan(a), axis=(-2, -1))
    return np.where(lost, y.dtype.type(np.inf), y)


@implements(np.linalg.matrix_rank)
def matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None
) -> Array:
    """As `numpy.linalg.matrix_rank`: an integer, whose derivative is zero."""
    x = array(A)
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    if np.ndim(x) < 2:
        return np.sum(np.any(x != 0), dtype=int)
    s = np.abs(eigvalsh(x)) if hermitian else svdvals(x)
    if tol is None:
        small = max(np.shape(x)[-2:]) * np.finfo(s.dtype).eps if rtol is None else rtol
        tol = np.max(s, axis=-1, initial=0.0) * small
    bound = np.expand_dims(tol, -1) if np.ndim(tol) else tol
    return np.count_nonzero(s > bound, axis=-1)
