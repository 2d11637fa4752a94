"""Which element types each ONNX operator takes in onnxruntime on a CPU.

A letter per dtype, those of `np.dtype.char`. Types that an operator lacks are widened
where that loses nothing; float64 becomes float32 only if the user asks for it. A test
holds the table against the onnxruntime that is installed.
"""

from typing import Any

import numpy as np

from wengert.integrations.onnx.errors import Unsayable

_NUMBERS = "fdli"

DType = np.dtype[Any]

KERNELS: dict[str, str] = {
    "Neg": "fdlibh", "Abs": "fdlibBhL", "Sign": "fdlibBhL",
    "Sqrt": "fd", "Exp": "fd", "Log": "fd", "Sin": "fd", "Cos": "fd", "Tanh": "fd",
    "Floor": "fd", "Ceil": "fd", "Round": "fd", "Reciprocal": "fd", "IsNaN": "fd",
    "Tan": "f", "Asin": "f", "Acos": "f", "Atan": "f", "Sinh": "f", "Cosh": "f",
    "Asinh": "f", "Acosh": "f", "Atanh": "f", "Det": "f",
    "Not": "?", "And": "?", "Or": "?", "Xor": "?",
    "Add": "fdliBbhL", "Sub": "fdliBbhL", "Mul": "fdliBbhL", "Div": "fdliBbhL",
    "Pow": "fd", "Max": "fdliB", "Min": "fdliB", "Mod": "fdliBbhL",
    "Equal": "fdliBbh?L", "Less": "fdliBbhL", "Greater": "fdliBbhL",
    "LessOrEqual": "fdliBbhL", "GreaterOrEqual": "fdliBbhL",
    "BitwiseNot": "liBbhL", "BitwiseAnd": "liBbhL", "BitwiseOr": "liBbhL",
    "BitwiseXor": "liBbhL", "Where": "fdliB",
    "ReduceSum": _NUMBERS, "ReduceProd": _NUMBERS,
    "ReduceMax": "fdliB", "ReduceMin": "fdliB", "ArgMax": "fdliB", "ArgMin": "fdliB",
    "MatMul": "fdliL", "Einsum": _NUMBERS, "CumSum": _NUMBERS, "TopK": "fdliBbh",
    "Identity": "fdliBbh?L", "Transpose": "fdliBbh?L", "Reshape": "fdliBbh?L",
    "Expand": "fdliBbh?L", "Slice": "fdliBbh?L", "Gather": "fdliBbh?L",
    "GatherND": "fdliBbh?L", "GatherElements": "fdliBbh?L", "Concat": "fdliBbh?L",
    "ScatterND": "fdliBbh?L", "ScatterElements": "fdliBbh?L", "Pad": "fdliBb?L",
}  # fmt: skip

# Wider types, in which nothing is lost (and integers wrap around when cast back).
_WIDER = {
    "?": "Bil", "b": "hil", "B": "il", "h": "il", "H": "il", "i": "l", "I": "l",
    "e": "fd", "f": "d",
}  # fmt: skip

SAYABLE = frozenset("fdelihbBHIL?")

# uint64 goes through these as int64, bit by bit: they wrap around, or only move.
_WRAPPING = {"ReduceSum", "ReduceProd", "CumSum", "Neg", "Where", "Einsum"}


def letter(dtype: DType) -> str:
    """The dtype's letter; int64 is "l" on every platform."""
    dtype = dtype.newbyteorder("=")
    return next((c for c in "lihbBHILfde?" if np.dtype(_NAMES[c]) == dtype), dtype.char)


_NAMES = {
    "l": "int64", "i": "int32", "h": "int16", "b": "int8", "B": "uint8", "H": "uint16",
    "I": "uint32", "L": "uint64", "f": "float32", "d": "float64", "e": "float16",
    "?": "bool",
}  # fmt: skip


def computing(operator: str, dtype: DType, casts: bool) -> DType:
    """The dtype that `operator` is to compute in for arguments of `dtype`."""
    own, has = letter(dtype), KERNELS[operator]
    if own in has:
        return dtype
    for wider in _WIDER.get(own, ""):
        if wider in has:
            return np.dtype(_NAMES[wider])
    if own == "L" and operator in _WRAPPING:
        return np.dtype(np.int64)
    if own == "d" and casts and "f" in has:
        return np.dtype(np.float32)
    why = f"onnxruntime has no {operator} for {dtype}"
    if own == "d" and "f" in has:
        why += "; casts=True computes it in float32"
    raise Unsayable(why)
