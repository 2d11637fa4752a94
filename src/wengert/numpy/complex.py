"""Functions of complex numbers, and those whose rule depends on being complex."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import SPECIAL, implements, operand
from wengert.numpy.views import bind_view
from wengert.ops import complex as ops
from wengert.ops.elementwise.record import UFUNCS


def _is_complex(x: Array) -> bool:
    return isinstance(x, complex) or np.iscomplexobj(x)


@implements(np.real)
def real(val: Any) -> Array:
    x = operand(val)
    return bind_view(ops.REAL, x) if _is_complex(x) else x


@implements(np.imag)
def imag(val: Any) -> Array:
    x = operand(val)
    return bind_view(ops.IMAG, x) if _is_complex(x) else np.zeros_like(x)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Array:
    z = operand(z)
    y = np.arctan2(imag(z), real(z))
    return np.rad2deg(y) if deg else y


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Array:
    x = operand(a)
    if not _is_complex(x):
        return x
    if tol > 1:
        tol = np.finfo(x.dtype).eps * tol
    return real(x) if np.all(np.absolute(imag(x)) < tol) else x


# Which of two rules, by dtype --------------------------------------------------------


def _conjugate(x: Any) -> Array:
    x = operand(x)
    return bind(ops.CONJUGATE, x) if _is_complex(x) else np.positive(x)


def _absolute(x: Any) -> Array:
    x = operand(x)
    return bind(ops.MODULUS if _is_complex(x) else UFUNCS[np.absolute], x)


def _sign(x: Any) -> Array:
    x = operand(x)
    if not _is_complex(x):
        return bind(UFUNCS[np.sign], x)
    size = bind(ops.MODULUS, x)
    return x / np.where(size == 0, 1.0, size)


SPECIAL[np.conjugate] = _conjugate
SPECIAL[np.absolute] = _absolute
SPECIAL[np.sign] = _sign


# Questions ---------------------------------------------------------------------------


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return bool(operand(x).dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return not iscomplexobj(x)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Array:
    return imag(x) != 0


@implements(np.isreal)
def isreal(x: Any) -> Array:
    return imag(x) == 0


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Array:
    return np.logical_and(np.isinf(x), ~np.signbit(x), **_into(out))


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Array:
    return np.logical_and(np.isinf(x), np.signbit(x), **_into(out))


def _into(out: Any) -> dict[str, Any]:
    return {} if out is None else {"out": out}
