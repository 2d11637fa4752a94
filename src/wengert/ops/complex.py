"""Complex numbers as pairs: real, imag, conjugate, modulus. Linear over the reals."""

import numpy as np

from wengert.core.op import Linear, Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops import batching
from wengert.ops.elementwise.record import UFUNCS


def _same_type(x: Type) -> Type:
    return Type(x.shape, x.dtype)


def _real_type(x: Type) -> Type:
    return Type(x.shape, x.dtype.type(0).real.dtype)


# A cotangent pairs with a tangent as Re(conj(ct)·t), so these are the transposes.
CONJUGATE = register(
    Op(
        name="conjugate",
        evaluate=np.conjugate,
        type_of=_same_type,
        derivative=Linear(lambda ct, _x: np.conjugate(ct)),
        batch=batching.elementwise,
    )
)
UFUNCS[np.conjugate] = CONJUGATE
REAL = register(
    Op(
        name="real",
        evaluate=lambda x: x.real,
        type_of=_real_type,
        derivative=Linear(lambda ct, _x: ct.astype(_x.dtype)),
        batch=batching.elementwise,
        view=True,
    )
)
IMAG = register(
    Op(
        name="imag",
        evaluate=lambda x: x.imag,
        type_of=_real_type,
        derivative=Linear(lambda ct, _x: 1j * ct.astype(_x.dtype)),
        batch=batching.elementwise,
        view=True,
    )
)


def _direction(y: Array, x: Array) -> Array:
    """x/|x|, and the subgradient 0 at 0."""
    return x / np.where(y == 0, 1.0, y)


def _modulus_jvp(tangents: list[Array], y: Array, x: Array) -> Array:
    return np.real(np.conjugate(_direction(y, x)) * tangents[0])


def _modulus_vjp(ct: Array, y: Array, x: Array) -> tuple[Array]:
    return (ct * _direction(y, x),)


MODULUS = register(
    Op(
        name="modulus",
        evaluate=np.absolute,
        type_of=_real_type,
        derivative=Rules(jvp=_modulus_jvp, vjp=_modulus_vjp),
        batch=batching.elementwise,
    )
)
