"""Ufuncs that are piecewise constant: rounding, comparing, logic, bits."""

import numpy as np

from wengert.ops.elementwise.record import constant

_NAMES = [
    "floor",
    "ceil",
    "trunc",
    "rint",
    "sign",
    "floor_divide",
    "spacing",
    "signbit",
    "isnan",
    "isinf",
    "isfinite",
    "isnat",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
    "bitwise_count",
    "gcd",
    "lcm",
]

PIECEWISE_CONSTANT = {name: constant(getattr(np, name)) for name in _NAMES}
