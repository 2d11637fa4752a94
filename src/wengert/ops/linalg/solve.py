"""solve and inv. Source: Giles, Collected matrix derivative results (2008), 2.2–2.3."""

from typing import Any

import numpy as np

from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.contract import matmul_left
from wengert.ops.linalg.shared import adjoint, batch_first, float_type, need_square
from wengert.ops.linalg.triangular import matrix_batch, need_system

# solve: a x = b, with b always a stack of matrices ---------------------------------


def _solve_type(a: Type, b: Type) -> Type:
    return Type((*need_system("solve", a, b), *b.shape[-2:]), float_type(a, b))


def _solve_jvp(tangents: list[Array | None], y: Array, a: Array, b: Array) -> Array:
    da, db = tangents
    right: Any = None if da is None else -np.matmul(da, y)
    if db is not None:
        right = db if right is None else db + right
    return np.linalg.solve(a, right)


def _solve_vjp(ct: Array, y: Array, a: Array, _b: Type) -> tuple[Array, Array]:
    w = np.linalg.solve(adjoint(a), ct)
    return -matmul_left(w, a, y), w


SOLVE = register(
    Op(
        name="solve",
        evaluate=np.linalg.solve,
        type_of=_solve_type,
        derivative=Rules(jvp=_solve_jvp, vjp=_solve_vjp),
        batch=matrix_batch,
    )
)


# inv -------------------------------------------------------------------------------


def _inv_type(a: Type) -> Type:
    need_square("inv", a)
    return Type(a.shape, float_type(a))


def _inv_jvp(tangents: list[Array], y: Array, _a: Type) -> Array:
    return -np.matmul(np.matmul(y, tangents[0]), y)


def _inv_vjp(ct: Array, y: Array, _a: Type) -> tuple[Array]:
    w = adjoint(y)
    return (-np.matmul(np.matmul(w, ct), w),)


INV = register(
    Op(
        name="inv",
        evaluate=np.linalg.inv,
        type_of=_inv_type,
        derivative=Rules(jvp=_inv_jvp, vjp=_inv_vjp),
        batch=batch_first,
    )
)
