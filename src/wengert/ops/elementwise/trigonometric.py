"""Circular functions and their inverses."""

import math

import numpy as np

from wengert.core.types import Array
from wengert.ops.elementwise.record import ufunc
from wengert.ops.elementwise.slopes import (
    inversion,
    lorentzian,
    one_minus_square,
    sech_squared,
)

DEGREE = math.pi / 180.0


def tan_slope(y: Array, x: Array) -> Array:
    """1 + tan²x, which far from the real axis is the difference of two ones."""
    return sech_squared(1j * x) if x.dtype.kind == "c" else 1.0 + y * y


# fmt: off
SIN     = ufunc(np.sin,     lambda _y, x: np.cos(x), bounded=True)
COS     = ufunc(np.cos,     lambda _y, x: -np.sin(x), bounded=True)
TAN     = ufunc(np.tan,     tan_slope, bounded=True)
ARCSIN  = ufunc(np.arcsin,  lambda _y, x: 1.0 / np.sqrt(one_minus_square(x)))
ARCCOS  = ufunc(np.arccos,  lambda _y, x: -1.0 / np.sqrt(one_minus_square(x)))
ARCTAN  = ufunc(np.arctan,  lambda _y, x: lorentzian(x), bounded=True)
ARCTAN2 = ufunc(np.arctan2, lambda _y, a, b: inversion(b, a),
                lambda _y, a, b: -inversion(a, b))
DEG2RAD = ufunc(np.deg2rad, lambda _y, _x: DEGREE, bounded=True)
RADIANS = ufunc(np.radians, lambda _y, _x: DEGREE, bounded=True)
RAD2DEG = ufunc(np.rad2deg, lambda _y, _x: 1.0 / DEGREE, bounded=True)
DEGREES = ufunc(np.degrees, lambda _y, _x: 1.0 / DEGREE, bounded=True)
# fmt: on
