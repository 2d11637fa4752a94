"""Determinants and decompositions."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import DerivativeError, explain
from wengert.core.types import Array
from wengert.numpy.contract import array
from wengert.numpy.dispatch import implements
from wengert.ops import linalg as ops
from wengert.ops.linalg.shared import adjoint

# NumPy's named tuples have no public name.
_EYE = np.eye(1)
_EigResult: Any = type(np.linalg.eig(_EYE))
_EighResult: Any = type(np.linalg.eigh(_EYE))
_QRResult: Any = type(np.linalg.qr(_EYE))
_SlogdetResult: Any = type(np.linalg.slogdet(_EYE))
_SVDResult: Any = type(np.linalg.svd(_EYE))


@implements(np.linalg.det)
def det(a: Any) -> Array:
    return bind(ops.DET, array(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    return _SlogdetResult(*bind(ops.SLOGDET, array(a)))


# Decompositions --------------------------------------------------------------------


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
    """As `numpy.linalg.eig`, but always complex: NumPy's dtype depends on values."""
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
