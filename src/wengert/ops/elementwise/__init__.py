"""NumPy's ufuncs: derivatives in tables, a row each: a wrong one looks wrong."""

from wengert.ops.elementwise import (
    arithmetic,
    exponential,
    functions,
    rounding,
    trigonometric,
)
from wengert.ops.elementwise.record import UFUNCS

__all__ = [
    "UFUNCS",
    "arithmetic",
    "exponential",
    "functions",
    "rounding",
    "trigonometric",
]
