"""Operators on elements."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.integrations.onnx.reader import Attributes
from wengert.integrations.onnx.tensors import dtype_of
from wengert.ops.elementwise.slopes import share

Reader = Callable[..., Any]


def _plain(f: Callable[..., Array]) -> Reader:
    def read(a: Attributes, *args: Array) -> Array:
        a.only("consumed_inputs")
        return f(*args)

    return read


def _variadic(f: Callable[[Array, Array], Array]) -> Reader:
    def read(a: Attributes, *args: Array) -> Array:
        return reduce(f, args) if len(args) > 1 else args[0]

    return read


def _divide(a: Attributes, x: Array, y: Array) -> Array:
    """Integers are divided towards zero."""
    if x.dtype.kind == "f":
        return x / y
    q = (np.abs(x) // np.where(y == 0, 1, np.abs(y))).astype(x.dtype)
    return np.where((x < 0) != (y < 0), -q, q) if x.dtype.kind == "i" else q


def _power(a: Attributes, x: Array, y: Array) -> Array:
    return np.power(x, y.astype(x.dtype)).astype(x.dtype)


def _mod(a: Attributes, x: Array, y: Array) -> Array:
    return np.fmod(x, y) if a.get("fmod", 0) else np.remainder(x, y)


def _clip(a: Attributes, x: Array, low: Any = None, high: Any = None) -> Array:
    low = a.get("min") if low is None else low
    high = a.get("max") if high is None else high
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _cast(a: Attributes, x: Array) -> Array:
    return x.astype(dtype_of(a.get("to")))


def _cast_like(a: Attributes, x: Array, like: Array) -> Array:
    return x.astype(like.dtype)


def _isinf(a: Attributes, x: Array) -> Array:
    up, down = a.get("detect_positive", 1), a.get("detect_negative", 1)
    return (np.isinf(x) & (x > 0) & bool(up)) | (np.isinf(x) & (x < 0) & bool(down))


def _leaky(a: Attributes, x: Array) -> Array:
    return np.where(x < 0, x * float(a.get("alpha", 0.01)), x)


def _elu(a: Attributes, x: Array) -> Array:
    below = float(a.get("alpha", 1.0)) * np.expm1(np.minimum(x, 0))
    return np.where(x < 0, below, x)


def _selu(a: Attributes, x: Array) -> Array:
    alpha = float(a.get("alpha", 1.67326319217681884765625))
    gamma = float(a.get("gamma", 1.05070102214813232421875))
    return gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _hard_sigmoid(a: Attributes, x: Array) -> Array:
    y = float(a.get("alpha", 0.2)) * x + float(a.get("beta", 0.5))
    return np.minimum(np.maximum(y, 0), 1)


def _sigmoid(x: Array) -> Array:
    """eˣ/(eˣ + 1), without overflow."""
    return share(x, 0.0)


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, 0.0)


def _prelu(x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x)


# fmt: off
READERS: dict[str, Reader] = {
    "Identity": lambda a, x: x,
    "Add": _plain(np.add), "Sub": _plain(np.subtract), "Mul": _plain(np.multiply),
    "Div": _divide, "Pow": _power, "Mod": _mod,
    "Max": _variadic(np.maximum), "Min": _variadic(np.minimum),
    "Sum": _variadic(np.add),
    "Mean": lambda a, *args: reduce(np.add, args) / float(len(args)),
    "Neg": _plain(np.negative), "Abs": _plain(np.absolute), "Sign": _plain(np.sign),
    "Sqrt": _plain(np.sqrt), "Reciprocal": _plain(np.reciprocal),
    "Exp": _plain(np.exp), "Log": _plain(np.log),
    "Sin": _plain(np.sin), "Cos": _plain(np.cos), "Tan": _plain(np.tan),
    "Asin": _plain(np.arcsin), "Acos": _plain(np.arccos), "Atan": _plain(np.arctan),
    "Sinh": _plain(np.sinh), "Cosh": _plain(np.cosh), "Tanh": _plain(np.tanh),
    "Asinh": _plain(np.arcsinh), "Acosh": _plain(np.arccosh),
    "Atanh": _plain(np.arctanh),
    "Floor": _plain(np.floor), "Ceil": _plain(np.ceil), "Round": _plain(np.rint),
    "IsNaN": _plain(np.isnan), "IsInf": _isinf,
    "Equal": _plain(np.equal), "Less": _plain(np.less), "Greater": _plain(np.greater),
    "LessOrEqual": _plain(np.less_equal), "GreaterOrEqual": _plain(np.greater_equal),
    "And": _plain(np.logical_and), "Or": _plain(np.logical_or),
    "Xor": _plain(np.logical_xor), "Not": _plain(np.logical_not),
    "BitwiseAnd": _plain(np.bitwise_and), "BitwiseOr": _plain(np.bitwise_or),
    "BitwiseXor": _plain(np.bitwise_xor), "BitwiseNot": _plain(np.invert),
    "Where": _plain(np.where), "Cast": _cast, "CastLike": _cast_like, "Clip": _clip,
    "Relu": _plain(lambda x: np.maximum(x, 0)), "PRelu": _plain(_prelu),
    "LeakyRelu": _leaky, "Elu": _elu, "Selu": _selu, "HardSigmoid": _hard_sigmoid,
    "Sigmoid": _plain(_sigmoid), "Softplus": _plain(_softplus),
    "Softsign": _plain(lambda x: x / (1 + np.abs(x))),
}
# fmt: on
