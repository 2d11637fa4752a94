"""cholesky: A = L Lᴴ, from the lower triangle of A.

With Φ taking the lower triangle and half the diagonal:
dL = L Φ(L⁻¹ dA L⁻ᴴ), and the pullback is L⁻ᴴ Φ(Lᴴ ct) L⁻¹.

Source: Murray, Differentiation of the Cholesky decomposition (2016), arXiv:1602.07527,
equations 8 and 10.
"""

import numpy as np

from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.linalg.shared import (
    adjoint,
    batch_first,
    float_type,
    hermitian_read,
    hermitian_spread,
    need_square,
)
from wengert.ops.linalg.triangular import solve_triangular


def _type(a: Type) -> Type:
    need_square("cholesky", a)
    return Type(a.shape, float_type(a))


def _half(x: Array) -> Array:
    """Φ: the lower triangle with half of the (real) diagonal."""
    n = x.shape[-1]
    zero = x.dtype.type(0)
    if x.dtype.kind == "c":
        halved = 0.25 * (x + adjoint(x))  # its diagonal is half of the real part
    else:
        halved = 0.5 * x
    below = np.where(np.tri(n, k=-1, dtype=bool), x, zero)
    return np.where(np.eye(n, dtype=bool), halved, below)


def _jvp(tangents: list[Array], y: Array, _a: Type) -> Array:
    da = hermitian_read(tangents[0])
    left = solve_triangular(y, da, lower=True)
    both = adjoint(solve_triangular(y, adjoint(left), lower=True))
    return np.matmul(y, _half(both))


def _vjp(ct: Array, y: Array, _a: Type) -> tuple[Array]:
    inner = _half(np.matmul(adjoint(y), ct))
    inner = 0.5 * (inner + adjoint(inner))
    left = solve_triangular(y, inner, lower=True, trans="C")
    both = adjoint(solve_triangular(y, adjoint(left), lower=True, trans="C"))
    return (hermitian_spread(both),)


CHOLESKY = register(
    Op(
        name="cholesky",
        evaluate=np.linalg.cholesky,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=batch_first,
    )
)
