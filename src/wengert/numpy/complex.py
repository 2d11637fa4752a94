"""Functions of complex numbers, and those whose rule depends on being complex."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import SPECIAL, implements, operand
from wengert.ops import complex as ops
from wengert.ops.elementwise.record import UFUNCS


def _is_complex(x: Array) -> bool:
    return isinstance(x, complex) or np.iscomplexobj(x)


@implements(np.real)
def real(val: Any) -> Array:
    x = operand(val)
    return bind(ops.REAL, x) if _is_complex(x) else x


@implements(np.imag)
def imag(val: Any) -> Array:
    x = operand(val)
    return bind(ops.IMAG, x) if _is_complex(x) else np.zeros_like(x)


@implements(np.conjugate)
def conjugate(x: Any) -> Array:
    x = operand(x)
    return bind(ops.CONJUGATE, x) if _is_complex(x) else np.positive(x)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Array:
    y = np.arctan2(imag(z), real(z))
    return np.rad2deg(y) if deg else y


def _absolute(x: Any) -> Array:
    x = operand(x)
    return bind(ops.MODULUS if _is_complex(x) else UFUNCS[np.absolute], x)


def _sign(x: Any) -> Array:
    x = operand(x)
    if not _is_complex(x):
        return bind(UFUNCS[np.sign], x)
    size = bind(ops.MODULUS, x)
    return x / np.where(size == 0, 1.0, size)


SPECIAL[np.absolute] = _absolute
SPECIAL[np.sign] = _sign


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return bool(x.dtype.kind != "c")
