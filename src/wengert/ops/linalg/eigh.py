"""eigh: A = V diag(w) Vᴴ, from one triangle of A.

With B = Vᴴ dA V: dw = diag(B), and dV = V Ω, Ω_ij = B_ij / (w_j − w_i).

Eigenvectors of equal eigenvalues may be turned among each other, and a complex
eigenvector by a phase: a derivative that depends on that doesn't exist. The pullback
sees whether it does. Its quotient for the pair (i, j) is C_ij / (w_j − w_i), with
C = M − Mᴴ, M = Vᴴ ct_V, and C_ij = 0 for a function that no turn changes. Such a
function may be one of the space that the pair spans (a projector), and then the
quotient stands for 0; or one of A (V f(w) Vᴴ), and then it stands for a limit that ct
doesn't tell. The second uses the pair's eigenvalues too; we refuse it.

Source: Giles, Collected matrix derivative results (2008), 3.1; Magnus, On
differentiating eigenvalues and eigenvectors (1985).
"""

from typing import Any

import numpy as np

from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.linalg.shared import (
    adjoint,
    batch_first,
    diagonal,
    float_type,
    hermitian_read,
    hermitian_spread,
    need_square,
    noise,
    real_type,
    unless,
    unused,
)

EXPECTED = (
    "The derivative of an eigenvector exists where its eigenvalue is a single one."
)


def _type(a: Type, *, uplo: str) -> tuple[Type, Type]:
    need_square("eigh", a)
    dtype = float_type(a)
    return Type(a.shape[:-1], real_type(dtype)), Type(a.shape, dtype)


def gaps(w: Array) -> tuple[Array, Array]:
    """(w_j − w_i with 1 in place of zero, which pairs are equal but for rounding)."""
    n = w.shape[-1]
    gap = w[..., None, :] - w[..., :, None]
    scale = np.sum(np.abs(w), axis=-1)[..., None, None]
    equal = np.abs(gap) <= 10.0 * np.finfo(w.dtype).eps * scale
    return np.where(equal, w.dtype.type(1), gap), equal & ~np.eye(n, dtype=bool)


def total(x: Array) -> Array:
    """The sum of the moduli of a stack of matrices, to compare elements with."""
    return np.sum(np.abs(x), axis=(-2, -1))[..., None, None]


def _jvp(
    tangents: list[Array], y: tuple[Array, Array], _a: Type, *, uplo: str
) -> tuple[Array, Array]:
    w, v = y
    n = w.shape[-1]
    b = adjoint(v) @ hermitian_read(tangents[0], uplo) @ v
    gap, equal = gaps(w)
    # Forward mode can't know whether the undefined part will matter: nan if it's there.
    undefined = equal & (np.abs(b) > noise(total(b), n))
    turn = np.where(equal | np.eye(n, dtype=bool), b.dtype.type(0), b / gap)
    turn = np.where(undefined, b.dtype.type(np.nan), turn)
    return np.real(diagonal(b)), v @ turn


def refused_pairs(m: Array, c: Array, ct_w: Array, equal: Array, small: Array) -> Array:
    """Which equal pairs have a coefficient that matters, or an undecided limit."""
    n = m.shape[-1]
    uses = np.abs(ct_w) > noise(np.sum(np.abs(ct_w), axis=-1)[..., None], n)
    either = uses[..., None, :] | uses[..., :, None]
    undecided = either & (np.abs(m) + np.abs(m.mT) > small)
    return equal & ((np.abs(c) > small) | undecided)


def _vjp(
    ct: tuple[Array, Array], y: tuple[Array, Array], _a: Type, *, uplo: str
) -> tuple[Array]:
    w, v = y
    n = w.shape[-1]
    if unused(ct[1]):
        return (hermitian_spread(v * ct[0][..., None, :] @ adjoint(v), uplo),)
    gap, equal = gaps(w)
    m = adjoint(v) @ ct[1]
    c, small = m - adjoint(m), noise(total(m), n)
    own = np.eye(n, dtype=bool)
    inner = np.where(equal | own, c.dtype.type(0), 0.5 * c / gap)
    inner = unless(
        refused_pairs(m, c, ct[0], equal, small),
        inner,
        EXPECTED,
        "equal eigenvalues, and a function that depends on the eigenvectors chosen for "
        "them, or on both eigenvalues and eigenvectors",
        "use functions of the eigenvalues alone or of the space they share (v @ v.T); "
        "a function of the matrix without eigh (inv, cholesky, a series); or a matrix "
        "with single eigenvalues.",
    )
    inner = np.where(own, ct[0][..., None, :], inner)
    if c.dtype.kind == "c":
        inner = unless(own & (np.abs(c) > small), inner, *PHASE)
    return (hermitian_spread(v @ inner @ adjoint(v), uplo),)


PHASE = (
    "A complex eigenvector is determined but for its phase, so a function of it has a "
    "derivative only if the phase doesn't matter.",
    "a function that depends on the phase of an eigenvector",
    "use |v|, v @ v.conj().T, or divide each vector by the phase of one element.",
)


def _evaluate(a: Array, *, uplo: Any) -> tuple[Array, Array]:
    w, v = np.linalg.eigh(a, UPLO=uplo)
    return w, v


EIGH = register(
    Op(
        name="eigh",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=batch_first,
        multiple=True,
    )
)
