"""qr: A = Q R, reduced, for matrices with at least as many rows as columns.

With C = Qᴴ dA R⁻¹ and Ω the skew-Hermitian matrix with C's strict lower triangle:
dQ = Q Ω + (I − Q Qᴴ) dA R⁻¹, dR = (C − Ω) R. R's diagonal is real, as LAPACK has it.

Source: Roberts & Roberts, QR and LQ decomposition matrix backpropagation algorithms
(2020), arXiv:2009.10071; Walter & Lehmann, Algorithmic differentiation of linear
algebra functions (2010).
"""

import numpy as np

from wengert.core.errors import ShapeMismatch
from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.linalg.shared import (
    adjoint,
    batch_first,
    diagonal,
    float_type,
    need_matrix,
    unless,
)
from wengert.ops.linalg.triangular import solve_triangular


def _type(a: Type) -> tuple[Type, Type]:
    need_matrix("qr", a)
    *batch, m, n = a.shape
    if m < n:
        raise ShapeMismatch(
            "The op `qr` needs at least as many rows as columns.\n"
            f"  Came: shape {a.shape}\n"
            "  Do:   np.linalg.qr, which splits off the further columns."
        )
    dtype = float_type(a)
    return Type((*batch, m, n), dtype), Type((*batch, n, n), dtype)


def _skew(c: Array) -> Array:
    """The skew-Hermitian matrix with the strict lower triangle of `c` and Im diag."""
    n = c.shape[-1]
    below = np.where(np.tri(n, k=-1, dtype=bool), c, c.dtype.type(0))
    skew = below - adjoint(below)
    if c.dtype.kind == "c":
        skew = np.where(np.eye(n, dtype=bool), 0.5 * (c - adjoint(c)), skew)
    return skew


def _over(x: Array, r: Array) -> Array:
    """x R⁻¹."""
    return adjoint(solve_triangular(r, adjoint(x), trans="C"))


def _full_rank(r: Array) -> tuple[Array, Array]:
    """(R, or the identity where it is singular; whether it is)."""
    singular = np.any(diagonal(r) == 0, axis=-1)[..., None, None]
    return np.where(singular, np.eye(r.shape[-1], dtype=r.dtype), r), singular


def _jvp(
    tangents: list[Array], y: tuple[Array, Array], _a: Type
) -> tuple[Array, Array]:
    q, r = y
    safe, singular = _full_rank(r)
    right = _over(tangents[0], safe)
    right = np.where(singular, right.dtype.type(np.nan), right)
    c = adjoint(q) @ right
    turn = _skew(c)
    return right - q @ (c - turn), np.triu((c - turn) @ r)


def _vjp(ct: tuple[Array, Array], y: tuple[Array, Array], _a: Type) -> tuple[Array]:
    q, r = y
    safe, singular = _full_rank(r)
    m = r @ adjoint(np.triu(ct[1])) - adjoint(ct[0]) @ q
    below = np.where(np.tri(m.shape[-1], k=-1, dtype=bool), m, m.dtype.type(0))
    middle = below + adjoint(below)
    middle = np.where(np.eye(m.shape[-1], dtype=bool), 0.5 * (m + adjoint(m)), middle)
    left = ct[0] + q @ middle
    pulled = adjoint(solve_triangular(safe, adjoint(left)))
    refused = singular & np.any(left != 0, axis=(-2, -1))[..., None, None]
    zero = pulled.dtype.type(0)
    pulled = unless(
        refused,
        np.where(singular, zero, pulled),
        "The derivative of qr exists for matrices of full column rank.",
        "a matrix whose columns are linearly dependent",
        "leave out dependent columns, or use svd or pinv.",
    )
    return (pulled,)


def _evaluate(a: Array) -> tuple[Array, Array]:
    q, r = np.linalg.qr(a)
    return q, r


QR = register(
    Op(
        name="qr",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=batch_first,
        multiple=True,
    )
)
