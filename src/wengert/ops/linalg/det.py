"""det, adjugate and slogdet.

The derivative of det is the adjugate, which exists for every matrix: det·inverse loses
all digits, or is 0·inf, near rank n−1. From A = U S Vᴴ it is
adj A = det(U Vᴴ) · V diag(Π_{k≠i} s_k) Uᴴ.

Source: Magnus & Neudecker, Matrix Differential Calculus (1999), 8.3 and 8.7; Giles,
Collected matrix derivative results (2008), 2.2.4.
"""

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.contract import conj
from wengert.ops.linalg.shared import (
    adjoint,
    batch_first,
    diagonal,
    float_type,
    need_square,
    real_type,
)
from wengert.ops.reduce import others_product

# det -------------------------------------------------------------------------------


def _det_type(a: Type) -> Type:
    need_square("det", a)
    return Type(a.shape[:-2], float_type(a))


def _det_jvp(tangents: list[Array], _y: Array, a: Array) -> Array:
    return np.sum(bind(ADJUGATE, a).mT * tangents[0], axis=(-2, -1))


def _det_vjp(ct: Array, _y: Array, a: Array) -> tuple[Array]:
    return (ct[..., None, None] * adjoint(bind(ADJUGATE, a)),)


DET = register(
    Op(
        name="det",
        evaluate=np.linalg.det,
        type_of=_det_type,
        derivative=Rules(jvp=_det_jvp, vjp=_det_vjp),
        batch=batch_first,
    )
)


# adjugate --------------------------------------------------------------------------


def _adjugate_type(a: Type) -> Type:
    need_square("adjugate", a)
    return Type(a.shape, float_type(a))


def _adjugate(a: Array) -> Array:
    u, s, vh = np.linalg.svd(a)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    others = others_product(s, (s.ndim - 1,))
    y = adjoint(vh) @ (others[..., None] * adjoint(u))
    return (sign[..., None, None] * y).astype(a.dtype)


def _pair_products(s: Array) -> Array:
    """Π_{k≠i,j} s_k as a matrix over (i, j); Π_{k≠i} s_k on the diagonal."""
    one = np.where(np.eye(s.shape[-1], dtype=bool), s.dtype.type(1), s[..., None, :])
    return others_product(one, (one.ndim - 1,))


def _adjugate_push(da: Array, a: Array) -> Array:
    """The derivative of adj along `da`, for a matrix of any rank.

    In the basis of singular vectors S + tB has the minors
    adj_ii' = Σ_{j≠i} B_jj Π_{k≠i,j} s_k and adj_ij' = −B_ij Π_{k≠i,j} s_k.
    """
    u, s, vh = np.linalg.svd(a)
    n = a.shape[-1]
    sign = np.linalg.det(u) * np.linalg.det(vh)
    products = _pair_products(s)
    b = adjoint(u) @ da @ adjoint(vh)
    own = np.eye(n, dtype=bool)
    off = np.where(own, 0.0, products)
    on_diagonal = np.matmul(off, diagonal(b)[..., None])
    m = np.where(own, on_diagonal, -b * off)
    return sign[..., None, None] * (adjoint(vh) @ m @ adjoint(u))


def _adjugate_jvp(tangents: list[Array], _y: Array, a: Array) -> Array:
    return _adjugate_push(tangents[0], a)


def _adjugate_vjp(ct: Array, _y: Array, a: Array) -> tuple[Array]:
    # The second derivative of det is symmetric: <ct, D adj[da]> = <(D adj[ctᴴ])ᴴ, da>.
    return (adjoint(_adjugate_push(adjoint(ct), a)),)


ADJUGATE = register(
    Op(
        name="adjugate",
        evaluate=_adjugate,
        type_of=_adjugate_type,
        derivative=Rules(jvp=_adjugate_jvp, vjp=_adjugate_vjp),
        batch=batch_first,
    )
)


# slogdet: (sign, log|det|) ---------------------------------------------------------


def _slogdet_type(a: Type) -> tuple[Type, Type]:
    need_square("slogdet", a)
    dtype = float_type(a)
    return Type(a.shape[:-2], dtype), Type(a.shape[:-2], real_type(dtype))


def inverse_or_nan(sign: Array, a: Array) -> Array:
    """The inverse, and nan for a singular matrix, which LAPACK gives the sign 0."""
    singular = (sign == 0)[..., None, None]
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    inverse = np.linalg.inv(np.where(singular, eye, a))
    return np.where(singular, a.dtype.type(np.nan), inverse)


def _slogdet_jvp(
    tangents: list[Array], y: tuple[Array, Array], a: Array
) -> tuple[Array, Array]:
    sign, _ = y
    t = np.sum(inverse_or_nan(sign, a).mT * tangents[0], axis=(-2, -1))
    if a.dtype.kind != "c":
        return np.zeros_like(sign), t
    return sign.dtype.type(1j) * sign * np.imag(t), np.real(t)


def _slogdet_vjp(
    ct: tuple[Array, Array], y: tuple[Array, Array], a: Array
) -> tuple[Array]:
    # With t = tr(A⁻¹ dA): d log|det| = Re t, and the sign turns by Im t.
    sign, g = y[0], ct[1]
    if a.dtype.kind == "c":
        g = g - sign.dtype.type(1j) * np.imag(conj(ct[0]) * sign)
    g = g[..., None, None]
    pulled = g * adjoint(inverse_or_nan(sign, a))
    return (np.where(g == 0, a.dtype.type(0), pulled),)


SLOGDET = register(
    Op(
        name="slogdet",
        evaluate=lambda a: tuple(np.linalg.slogdet(a)),
        type_of=_slogdet_type,
        derivative=Rules(jvp=_slogdet_jvp, vjp=_slogdet_vjp),
        batch=batch_first,
        multiple=True,
    )
)
