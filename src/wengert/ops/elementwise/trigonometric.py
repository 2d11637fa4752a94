"""Circular functions and their inverses."""

import math

import numpy as np

from wengert.core.types import Array
from wengert.ops.elementwise.record import ufunc

DEGREE = math.pi / 180.0


def angle_part(a: Array, b: Array) -> Array:
    """a/(a²+b²), where the squares may overflow or underflow."""
    h = np.hypot(a, b)
    return a / h / h


# fmt: off
SIN     = ufunc(np.sin,     lambda _y, x: np.cos(x), bounded=True)
COS     = ufunc(np.cos,     lambda _y, x: -np.sin(x), bounded=True)
TAN     = ufunc(np.tan,     lambda y, _x: 1.0 + y * y)
ARCSIN  = ufunc(np.arcsin,  lambda _y, x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)))
ARCCOS  = ufunc(np.arccos,  lambda _y, x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)))
ARCTAN  = ufunc(np.arctan,  lambda _y, x: 1.0 / (1.0 + x * x))
ARCTAN2 = ufunc(np.arctan2, lambda _y, a, b: angle_part(b, a),
                lambda _y, a, b: -angle_part(a, b))
DEG2RAD = ufunc(np.deg2rad, lambda _y, _x: DEGREE, bounded=True)
RADIANS = ufunc(np.radians, lambda _y, _x: DEGREE, bounded=True)
RAD2DEG = ufunc(np.rad2deg, lambda _y, _x: 1.0 / DEGREE, bounded=True)
DEGREES = ufunc(np.degrees, lambda _y, _x: 1.0 / DEGREE, bounded=True)
# fmt: on
