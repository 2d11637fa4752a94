"""solve_triangular: by substitution, O(n²) for each right-hand side."""

import functools
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.batching import Args, Mapped, Params
from wengert.ops.contract import conj, matmul_left
from wengert.ops.linalg.shared import adjoint, float_type, need_square


def need_system(name: str, a: Type, b: Type) -> tuple[int, ...]:
    """The batch shape of a system a x = b, both stacks of matrices."""
    need_square(name, a)
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        batch = None
    if b.ndim < 2 or b.shape[-2] != a.shape[-1] or batch is None:
        raise ShapeMismatch(
            f"`{name}` needs a of shape (…, n, n) and b of shape (n,) or (…, n, k), "
            "where the axes … broadcast.\n"
            f"  Came: shapes {a.shape} and {b.shape}\n"
            "  Do:   b[..., None] for a stack of vectors, and [..., 0] of the result."
        )
    return batch


def _type(a: Type, b: Type, *, lower: bool, unit: bool) -> Type:
    batch = need_system("solve_triangular", a, b)
    return Type((*batch, *b.shape[-2:]), float_type(a, b))


@functools.cache
def _trtrs(dtype: np.dtype[Any]) -> Any:
    from scipy.linalg import get_lapack_funcs  # slow to import, and rarely needed

    return get_lapack_funcs(("trtrs",), dtype=dtype)[0]


def _one(a: Array, b: Array, lower: bool, unit: bool) -> Array:
    """One system, by LAPACK; a C-ordered matrix is its transpose's Fortran order."""
    trtrs = _trtrs(b.dtype)
    if a.flags.f_contiguous:
        x, info = trtrs(a, b, lower=lower, trans=0, unitdiag=unit)
    else:
        x, info = trtrs(a.T, b, lower=not lower, trans=1, unitdiag=unit)
    if info > 0:
        raise np.linalg.LinAlgError(
            f"singular matrix: element {info - 1} of the diagonal is zero"
        )
    return x


def _substitute(a: Array, b: Array, lower: bool, unit: bool) -> Array:
    """All systems of a stack, row by row."""
    n = a.shape[-1]
    x = np.array(b)
    d = np.diagonal(a, 0, -2, -1)
    if not unit and not d.all():
        raise np.linalg.LinAlgError("singular matrix: an element of a diagonal is zero")
    for i in range(n) if lower else range(n - 1, -1, -1):
        known = slice(0, i) if lower else slice(i + 1, n)
        x[..., i, :] -= np.matmul(a[..., i : i + 1, known], x[..., known, :])[..., 0, :]
        if not unit:
            x[..., i, :] /= d[..., i, None]
    return x


def _evaluate(a: Array, b: Array, *, lower: bool, unit: bool) -> Array:
    if a.shape[-2:] != (b.shape[-2],) * 2:
        raise ValueError("shapes don't fit")  # LAPACK wouldn't notice
    dtype = np.result_type(a, b)
    dtype = dtype if dtype.kind in "fc" else np.dtype(float)
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    if a.ndim == 2 and b.ndim == 2 and dtype.char in "fdFD" and b.size:
        return _one(a, b, lower, unit)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    b = np.broadcast_to(b, (*batch, *b.shape[-2:]))
    if np.prod(batch) >= a.shape[-1] or not b.size or dtype.char not in "fdFD":
        return _substitute(a, b, lower, unit)
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    x = np.empty(b.shape, dtype)
    for at in np.ndindex(*batch):
        x[at] = _one(a[at], b[at], lower, unit)
    return x


def within(x: Array, lower: bool, unit: bool) -> Array:
    """The elements of the triangle that the solver reads; zeros elsewhere."""
    mask = np.tri(x.shape[-1], k=-1 if unit else 0, dtype=bool)
    if not lower:
        mask = mask.T
    return np.where(mask, x, x.dtype.type(0))


def _jvp(
    tangents: list[Array | None], y: Array, a: Array, b: Array, **params: bool
) -> Array:
    da, db = tangents
    right = None if da is None else -np.matmul(within(da, **params), y)
    if db is not None:
        right = db if right is None else db + right
    return bind(SOLVE_TRIANGULAR, a, right, **params)


def _vjp(
    ct: Array, y: Array, a: Array, _b: Type, **params: bool
) -> tuple[Array, Array]:
    flipped = {**params, "lower": not params["lower"]}
    w = bind(SOLVE_TRIANGULAR, adjoint(a), ct, **flipped)
    return within(-matmul_left(w, a, y), **params), w


def matrix_batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Any:
    """One matrix for all items is one system with more right-hand sides."""
    a, b = args
    if not mapped[0] and a.ndim == 2 and b.ndim == 3:
        n, k = b.shape[1:]
        x = bind(op, a, np.moveaxis(b, 0, 1).reshape(n, size * k), **params)
        return np.moveaxis(x.reshape(a.shape[1], size, k), 1, 0)
    rank = max(x.ndim - m for x, m in zip(args, mapped, strict=True))
    aligned = [
        x.reshape(size, *(1,) * (rank + 1 - x.ndim), *x.shape[1:]) if m else x
        for x, m in zip(args, mapped, strict=True)
    ]
    return bind(op, *aligned, **params)


SOLVE_TRIANGULAR = register(
    Op(
        name="solve_triangular",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=matrix_batch,
    )
)


def solve_triangular(
    a: Array, b: Array, *, lower: bool = False, trans: str = "N", unit: bool = False
) -> Array:
    """x with a x = b (trans "N"), aᵀ x = b ("T") or aᴴ x = b ("C"), a triangular.

    Only the triangle named by `lower` is read, and not the diagonal if `unit`.
    """
    if trans != "N":
        a, lower = (conj(a.mT) if trans == "C" else a.mT), not lower
    return bind(SOLVE_TRIANGULAR, a, b, lower=lower, unit=unit)
