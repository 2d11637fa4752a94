"""Functions of real numbers as vector instructions, for float64 and float32.

`emit` writes a function into the body being written, `external` a call of the copy that
is compiled once per process. The files, from the foundation up: lanes · pairs · exactly
· exponential · logarithm · trigonometric · hyperbolic · power · inverse ·
error_function · gamma · rounding · composite · template · table · copies.
"""

from wengert.native.mathematics.copies import library, module_for, parse_symbol
from wengert.native.mathematics.table import (
    TABLE,
    emit,
    emit_sincos,
    external,
    supported,
    symbol_for,
)

__all__ = [
    "TABLE", "emit", "emit_sincos", "external", "library", "module_for", "parse_symbol",
    "supported", "symbol_for",
]  # fmt: skip
