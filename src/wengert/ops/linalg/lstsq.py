"""pinv and lstsq, where the rank doesn't change.

dP = −P dA P + P Pᴴ dAᴴ (I − A P) + (I − P A) dAᴴ Pᴴ P, and x = P b.

Source: Golub & Pereyra, The differentiation of pseudo-inverses and nonlinear least
squares problems whose variables separate (1973), equation 4.12.
"""

import numpy as np

from wengert.core.errors import ShapeMismatch
from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.contract import matmul_left
from wengert.ops.linalg.shared import adjoint, batch_first, float_type, need_matrix
from wengert.ops.linalg.triangular import matrix_batch

# pinv ------------------------------------------------------------------------------


def _pinv_type(a: Type, *, rcond: float) -> Type:
    need_matrix("pinv", a)
    return Type((*a.shape[:-2], a.shape[-1], a.shape[-2]), float_type(a))


def _eye(n: int, like: Array) -> Array:
    return np.eye(n, dtype=like.dtype)


def _pinv_jvp(tangents: list[Array], y: Array, a: Array, *, rcond: float) -> Array:
    da, back = tangents[0], adjoint(tangents[0])
    left, right = _eye(a.shape[-2], y) - a @ y, _eye(a.shape[-1], y) - y @ a
    return -y @ da @ y + y @ adjoint(y) @ back @ left + right @ back @ adjoint(y) @ y


def _pinv_vjp(ct: Array, y: Array, a: Array, *, rcond: float) -> tuple[Array]:
    left, right = _eye(a.shape[-2], y) - a @ y, _eye(a.shape[-1], y) - y @ a
    up, back = adjoint(y), adjoint(ct)
    return (-up @ ct @ up + left @ back @ y @ up + up @ y @ back @ right,)


PINV = register(
    Op(
        name="pinv",
        evaluate=lambda a, *, rcond: np.linalg.pinv(a, rcond=rcond),
        type_of=_pinv_type,
        derivative=Rules(jvp=_pinv_jvp, vjp=_pinv_vjp),
        batch=batch_first,
    )
)


# lstsq: the solution alone ---------------------------------------------------------


def _lstsq_type(a: Type, b: Type, *, rcond: float | None) -> Type:
    if a.ndim < 2 or b.ndim < 2 or a.shape[-2] != b.shape[-2]:
        raise ShapeMismatch(
            "`lstsq` needs a of shape (m, n) and b of shape (m,) or (m, k).\n"
            f"  Came: shapes {a.shape} and {b.shape}\n"
            "  Do:   check that a has one row per element of b; vmap for stacks."
        )
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return Type((*batch, a.shape[-1], b.shape[-1]), float_type(a, b))


def cutoff(a: Array, rcond: float | None) -> float:
    """The relative size below which lstsq takes singular values for zero."""
    eps = float(np.finfo(a.dtype if a.dtype.kind in "fc" else float).eps)
    if rcond is None:
        return eps * float(max(a.shape[-2:]))
    return eps if rcond < 0 else rcond


def _lstsq(a: Array, b: Array, *, rcond: float | None) -> Array:
    if a.ndim == 2 and b.ndim == 2:
        return np.linalg.lstsq(a, b, rcond=rcond)[0]
    return np.linalg.pinv(a, rcond=cutoff(a, rcond)) @ b


def _lstsq_jvp(
    tangents: list[Array | None], y: Array, a: Array, b: Array, *, rcond: float | None
) -> Array:
    da, db = tangents
    p = np.linalg.pinv(a, rcond=cutoff(a, rcond))
    if da is None:
        return np.matmul(p, db)  # type: ignore[arg-type]
    up, back = adjoint(p), adjoint(da)
    residual = b - a @ y
    z = back @ (up @ y)
    dy = -p @ (da @ y) + p @ (up @ (back @ residual)) + z - p @ (a @ z)
    return dy if db is None else dy + p @ db


def _lstsq_vjp(
    ct: Array, y: Array, a: Array, b: Array, *, rcond: float | None
) -> tuple[Array, Array]:
    p = np.linalg.pinv(a, rcond=cutoff(a, rcond))
    up = adjoint(p)
    ct_b = up @ ct
    g = (
        -matmul_left(ct_b, a, y)
        + matmul_left(b - a @ y, a, p @ ct_b)
        + matmul_left(up @ y, a, ct - p @ (a @ ct))
    )
    return g, ct_b


LSTSQ = register(
    Op(
        name="lstsq",
        evaluate=_lstsq,
        type_of=_lstsq_type,
        derivative=Rules(jvp=_lstsq_jvp, vjp=_lstsq_vjp),
        batch=matrix_batch,
    )
)
