"""`numpy.linalg` on traced values: its names and forms in terms of the linalg ops.

What isn't here is NumPy's own. Stacks of matrices lie along the leading axes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.bind import bind, known
from wengert.core.errors import DerivativeError, ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array
from wengert.numpy import diagonals
from wengert.numpy.contract import (
    array,
    finished,
    linalg_cross as cross,
    linalg_matmul as matmul,
    linalg_outer as outer,
    linalg_tensordot as tensordot,
    linalg_vecdot as vecdot,
)
from wengert.numpy.dispatch import FUNCTIONS, canonical_axis, implements
from wengert.ops import linalg as ops
from wengert.ops.linalg.lstsq import cutoff
from wengert.ops.linalg.shared import adjoint, hermitian_read

trace, diagonal = diagonals.linalg_trace, diagonals.linalg_diagonal



@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Array:
    return np.matrix_transpose(array(x))


# NumPy's named tuples have no public name.
_EYE = np.eye(1)
_EigResult: Any = type(np.linalg.eig(_EYE))
_EighResult: Any = type(np.linalg.eigh(_EYE))
_QRResult: Any = type(np.linalg.qr(_EYE))
_SlogdetResult: Any = type(np.linalg.slogdet(_EYE))
_SVDResult: Any = type(np.linalg.svd(_EYE))


def _static(name: str, what: str, value: Any) -> float:
    """A keyword that is a plain number."""
    if known(value) is not value or np.ndim(value):
        raise TypeMismatch(
            explain(
                f"`{name}` of traced values takes a plain number as {what}.",
                f"{type(value).__name__} of shape {np.shape(value)}",
                "pass a float, the same for all matrices of a stack.",
            )
        )
    return float(value)


# Systems ----------------------------------------------------------------------------


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Array:
    m, x = array(a), array(b)
    if np.ndim(x) == 1:
        return bind(ops.SOLVE, m, x[:, None])[..., 0]
    return bind(ops.SOLVE, m, x)


@implements(np.linalg.inv)
def inv(a: Any) -> Array:
    return bind(ops.INV, array(a))


@implements(np.linalg.pinv)
def pinv(
    a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue
) -> Array:
    """As `numpy.linalg.pinv`, differentiable where the rank doesn't change."""
    x = array(a)
    if rcond is None:
        small = np.finfo(x.dtype).eps * max(x.shape[-2:]) if rtol is None else 1e-15
        rcond = small if rtol is None or rtol is np._NoValue else rtol
    elif rtol is not np._NoValue:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    x = hermitian_read(x) if hermitian else x
    return bind(ops.PINV, x, rcond=_static("pinv", "rcond or rtol", rcond))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """As `numpy.linalg.lstsq`; the solution, residuals and singular values have
    derivatives where the rank doesn't change.

    A graph staged without values takes the matrix to have full rank.
    """
    m, y = array(a), array(b)
    rcond = None if rcond is None else _static("lstsq", "rcond", rcond)
    columns = y[:, None] if np.ndim(y) == 1 else y
    x = bind(ops.LSTSQ, m, columns, rcond=rcond)
    s = svdvals(m)
    rank = np.sum(s > cutoff(m, rcond) * np.max(s, initial=0.0))
    rows, n = np.shape(m)
    value = known(rank)
    if rows > n and (value is None or np.all(value == n)):
        off = columns - m @ x
        residuals = np.sum(np.real(off * np.conjugate(off)), axis=0)
    else:
        residuals = np.zeros(0, s.dtype)
    return (x[:, 0] if np.ndim(y) == 1 else x), residuals, rank, s


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Array:
    x = array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = np.shape(x)
    flat = np.reshape(x, (math.prod(shape[:ind]), math.prod(shape[ind:])))
    return np.reshape(inv(flat), (*shape[ind:], *shape[:ind]))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Array:
    x, y = array(a), array(b)
    n = np.ndim(x)
    last = [canonical_axis(i, n) for i in axes] if axes is not None else []
    x = np.transpose(x, [i for i in range(n) if i not in last] + last)
    shape = np.shape(x)[np.ndim(y) :]
    unknowns = math.prod(shape)
    if np.size(x) != unknowns**2:
        raise ShapeMismatch(
            explain(
                "`tensorsolve` needs prod(a.shape[:b.ndim]) == prod(a.shape[b.ndim:]).",
                f"shapes {np.shape(x)} and {np.shape(y)}",
                "say with axes= which axes of a belong to the unknown.",
            )
        )
    flat = np.reshape(x, (unknowns, unknowns))
    return np.reshape(solve(flat, np.reshape(y, (unknowns,))), shape)


# Determinants -----------------------------------------------------------------------


@implements(np.linalg.det)
def det(a: Any) -> Array:
    return bind(ops.DET, array(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    return _SlogdetResult(*bind(ops.SLOGDET, array(a)))


# Decompositions ---------------------------------------------------------------------


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Array:
    """As `numpy.linalg.cholesky`; the gradient is by the triangle that is read."""
    x = array(a)
    if upper:
        return adjoint(bind(ops.CHOLESKY, adjoint(x)))
    return bind(ops.CHOLESKY, x)


def _triangle(uplo: str) -> str:
    if uplo.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return uplo.upper()


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """As `numpy.linalg.eigh`; the gradient is by the triangle that is read."""
    return _EighResult(*bind(ops.EIGH, array(a), uplo=_triangle(UPLO)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Array:
    """As `numpy.linalg.eigvalsh`; the gradient is by the triangle that is read."""
    w: Array = bind(ops.EIGH, array(a), uplo=_triangle(UPLO))[0]
    return w


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """As `numpy.linalg.eig`, but always complex: NumPy's dtype depends on the values."""
    return _EigResult(*bind(ops.EIG, array(a)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Array:
    """As `numpy.linalg.eigvals`, but always complex."""
    w: Array = bind(ops.EIG, array(a))[0]
    return w


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """As `numpy.linalg.svd`, differentiable."""
    x = array(a)
    if not compute_uv:
        return np.sort(np.abs(eigvalsh(x)))[..., ::-1] if hermitian else svdvals(x)
    if hermitian:
        return _hermitian_svd(x)
    wide = full_matrices and np.ndim(x) > 1 and np.shape(x)[-1] != np.shape(x)[-2]
    return _SVDResult(*bind(ops.SVD, x, full=wide))


def _hermitian_svd(x: Array) -> Any:
    w, v = eigh(x)
    order = np.argsort(np.abs(w), axis=-1)[..., ::-1]
    w = np.take_along_axis(w, order, axis=-1)
    u = np.take_along_axis(v, order[..., None, :], axis=-1)
    return _SVDResult(u, np.abs(w), adjoint(u * np.sign(w)[..., None, :]))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Array:
    s: Array = bind(ops.SVD, array(x), full=False)[1]
    return s


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """As `numpy.linalg.qr` in the modes "reduced" and "r", differentiable."""
    x = array(a)
    m, n = np.shape(x)[-2:] if np.ndim(x) > 1 else (0, 0)
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise DerivativeError(
            explain(
                '`qr` has derivatives in the modes "reduced" and "r".',
                f'mode="{mode}" of shape {np.shape(x)}',
                'pass mode="reduced": the columns that "complete" adds are any basis '
                "of the complement, and have no derivative.",
            )
        )
    if m >= n:
        q, r = bind(ops.QR, x)
    else:
        # The further columns of R follow from Q and those of A.
        q, left = bind(ops.QR, x[..., :m])
        r = np.concatenate([left, adjoint(q) @ x[..., m:]], axis=-1)
    return r if mode == "r" else _QRResult(q, r)


# Norms and numbers --------------------------------------------------------------------


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
    p = 2.0 if ord is None else _static("norm", "ord", ord)
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
    axes = every if axis is None else tuple(canonical_axis(i, np.ndim(a)) for i in given)
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
            y = norm(a, p, (-2, -1)) * norm(inv(a), p, (-2, -1))
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
        return np.astype(np.any(x != 0), int)
    s = np.abs(eigvalsh(x)) if hermitian else svdvals(x)
    if tol is None:
        small = max(np.shape(x)[-2:]) * np.finfo(s.dtype).eps if rtol is None else rtol
        tol = np.max(s, axis=-1, initial=0.0) * small
    bound = np.expand_dims(tol, -1) if np.ndim(tol) else tol
    return np.count_nonzero(s > bound, axis=-1)


# Products ------------------------------------------------------------------------------


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Array:
    x, times = array(a), n.__index__()
    if np.ndim(x) < 2 or np.shape(x)[-1] != np.shape(x)[-2]:
        raise ShapeMismatch(
            explain(
                "`matrix_power` needs a square matrix, or a stack of them.",
                f"shape {np.shape(x)}",
                "x ** n for the powers of the elements.",
            )
        )
    if times == 0:
        return np.broadcast_to(np.eye(np.shape(x)[-1], dtype=x.dtype), np.shape(x)).copy()
    x, times = (inv(x), -times) if times < 0 else (x, times)
    if times == 1:
        return np.positive(x)  # not the argument itself, which a write would change
    y = None
    while times:
        if times & 1:
            y = x if y is None else y @ x
        times >>= 1
        x = x @ x if times else x
    return y


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Array:
    """As `numpy.linalg.multi_dot`: in the order that takes the fewest products."""
    items = [array(x) for x in arrays]
    if len(items) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, last = np.ndim(items[0]) == 1, np.ndim(items[-1]) == 1
    items[0] = items[0][None, :] if first else items[0]
    items[-1] = items[-1][:, None] if last else items[-1]
    if any(np.ndim(x) != 2 for x in items):
        raise ShapeMismatch(
            explain(
                "`multi_dot` needs matrices; the first and the last may be vectors.",
                f"shapes {', '.join(str(np.shape(x)) for x in items)}",
                "a @ b @ c for stacks of matrices.",
            )
        )
    y = _chained(items, _splits([np.shape(x) for x in items]), 0, len(items) - 1)
    y = y[0] if first else y
    return finished(y[..., 0] if last else y, out)


def _splits(shapes: Sequence[tuple[int, ...]]) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i to j. Source: Cormen et al., 15.2."""
    sizes = [shapes[0][0], *(s[1] for s in shapes)]
    cost = {(i, i): 0 for i in range(len(shapes))}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, len(shapes)):
        for i in range(len(shapes) - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def _chained(
    items: list[Array], split: dict[tuple[int, int], int], i: int, j: int
) -> Array:
    if i == j:
        return items[i]
    k = split[i, j]
    return _chained(items, split, i, k) @ _chained(items, split, k + 1, j)


def __getattr__(name: str) -> Any:
    """Ours where we have one, NumPy's own otherwise (`LinAlgError`)."""
    theirs = getattr(np.linalg, name)
    return FUNCTIONS.get(theirs, theirs)


__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
    "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals",
    "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip
