"""eig: A V = V diag(w), always complex, for matrices with single eigenvalues.

With K = V⁻¹ dA V: dw = diag(K), and dV = U − V·(…), U = V Ω, Ω_ij = K_ij / (w_j − w_i);
the subtraction keeps each vector's length 1 and its largest element real, as LAPACK has
them.

Source: Magnus, On differentiating eigenvalues and eigenvectors (1985); Boeddeker et
al., On the computation of complex-valued gradients (2017), arXiv:1701.00392, 4.
"""

import numpy as np

from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.contract import conj
from wengert.ops.linalg.eigh import total
from wengert.ops.linalg.shared import (
    adjoint,
    batch_first,
    diagonal,
    float_type,
    need_square,
    noise,
    unless,
)


def _complex_of(a: Type) -> np.dtype[np.generic]:
    return np.result_type(float_type(a), np.complex64)


def _type(a: Type) -> tuple[Type, Type]:
    need_square("eig", a)
    dtype = _complex_of(a)
    return Type(a.shape[:-1], dtype), Type(a.shape, dtype)


def _evaluate(a: Array) -> tuple[Array, Array]:
    w, v = np.linalg.eig(a)
    dtype = np.result_type(w, np.complex64)
    return w.astype(dtype), v.astype(dtype)


def _gaps(w: Array) -> tuple[Array, Array]:
    """(w_j − w_i with 1 in place of zero, which pairs are equal but for rounding)."""
    gap = w[..., None, :] - w[..., :, None]
    scale = np.sum(np.abs(w), axis=-1)[..., None, None]
    equal = np.abs(gap) <= 10.0 * np.finfo(w.dtype).eps * scale
    equal = equal & ~np.eye(w.shape[-1], dtype=bool)
    own = np.eye(w.shape[-1], dtype=bool)
    return np.where(equal | own, w.dtype.type(1), gap), equal


def _basis(v: Array) -> tuple[Array, Array]:
    """(V, or the identity where it is singular; whether it is: A is defective)."""
    n = v.shape[-1]
    s = np.linalg.svd(v, compute_uv=False)
    least = 10.0 * max(n, 1) * np.finfo(v.dtype).eps
    defective = np.any(s < least, axis=-1)[..., None, None]
    return np.where(defective, np.eye(n, dtype=v.dtype), v), defective


def _largest(v: Array) -> Array:
    """Which element of each vector LAPACK makes real: the largest."""
    rows = np.arange(v.shape[-2])[:, None]
    return rows == np.argmax(np.abs(v), axis=-2)[..., None, :]


def _columns(x: Array) -> Array:
    """Sums down the columns, as rows to multiply columns with."""
    return np.sum(x, axis=-2, keepdims=True)


def _jvp(
    tangents: list[Array], y: tuple[Array, Array], _a: Type
) -> tuple[Array, Array]:
    w, v = y
    n = w.shape[-1]
    basis, defective = _basis(v)
    k = np.linalg.solve(basis, tangents[0] @ v)
    k = np.where(defective, k.dtype.type(np.nan), k)
    gap, equal = _gaps(w)
    turn = np.where(equal | np.eye(n, dtype=bool), k.dtype.type(0), k / gap)
    turn = np.where(
        equal & (np.abs(k) > noise(total(k), n)), k.dtype.type(np.nan), turn
    )
    u = v @ turn
    length = np.real(_columns(conj(v) * u))
    top = _largest(v)
    phase = _columns(np.where(top, np.imag(u) / np.where(top, np.real(v), 1.0), 0.0))
    return diagonal(k), u - v * (length + 1j * phase)


def _before_scaling(ct_v: Array, v: Array) -> Array:
    """The transpose of the subtraction in dV."""
    z = _columns(conj(ct_v) * v)
    top = _largest(v)
    phase = np.where(top, np.imag(z) / np.where(top, np.real(v), 1.0), 0.0)
    return ct_v - v * np.real(z) + 1j * phase


def _vjp(ct: tuple[Array, Array], y: tuple[Array, Array], _a: Type) -> tuple[Array]:
    w, v = y
    n = w.shape[-1]
    gap, equal = _gaps(w)
    m = adjoint(v) @ _before_scaling(ct[1], v)
    inner = np.where(equal | np.eye(n, dtype=bool), m.dtype.type(0), m / conj(gap))
    inner = unless(
        _refused(m, ct, equal),
        inner,
        "The derivative of an eigenvector exists where its eigenvalue is a single one.",
        "equal eigenvalues, and a function of their eigenvectors",
        "use functions of the eigenvalues alone, or of the matrix without eig.",
    )
    inner = np.where(np.eye(n, dtype=bool), ct[0][..., None, :], inner)
    basis, defective = _basis(v)
    pulled = np.linalg.solve(adjoint(basis), inner @ adjoint(v))
    refused = defective & (np.abs(inner) > 0).any(axis=(-2, -1))[..., None, None]
    pulled = unless(
        refused,
        np.where(defective, pulled.dtype.type(0), pulled),
        "Eigenvalues have derivatives where the matrix has a full set of eigenvectors.",
        "a defective matrix: eigenvectors that are linearly dependent",
        "use a function of the matrix without eig (a power, a trace, a determinant).",
    )
    return (pulled,)


def _refused(m: Array, ct: tuple[Array, Array], equal: Array) -> Array:
    """Equal pairs whose coefficient matters, or that are used with their vectors."""
    n = m.shape[-1]
    values = np.abs(ct[0])
    vectors = np.sum(np.abs(ct[1]), axis=-2)
    used = [x > noise(np.sum(x, axis=-1)[..., None], n) for x in (values, vectors)]
    pairs = [x[..., None, :] | x[..., :, None] for x in used]
    return equal & ((np.abs(m) > noise(total(m), n)) | (pairs[0] & pairs[1]))


EIG = register(
    Op(
        name="eig",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=batch_first,
        multiple=True,
    )
)
