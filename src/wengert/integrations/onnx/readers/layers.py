"""Layers of networks, as exporters write them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.integrations.onnx.reader import Attributes, axis_of
from wengert.ops.reduce import LOGSUMEXP

Reader = Callable[..., Any]


def _shifted(a: Attributes, x: Array) -> tuple[Array, int]:
    if a.opset < 13:
        raise a.refuse("Softmax of an opset before 13, which flattened its argument,")
    axis = axis_of(a, x.ndim, -1)
    return x - bind(LOGSUMEXP, x, axis=(axis,), keepdims=True), axis


def _softmax(a: Attributes, x: Array) -> Array:
    return np.exp(_shifted(a, x)[0])


def _log_softmax(a: Attributes, x: Array) -> Array:
    return _shifted(a, x)[0]


def _batch_norm(
    a: Attributes, x: Array, scale: Array, bias: Array, mean: Array, variance: Array
) -> Array:
    """With the statistics of the training."""
    if a.get("training_mode", 0) or a.outputs > 1:
        raise a.refuse("training")
    per = (-1, *[1] * (x.ndim - 2))
    slope = scale / np.sqrt(variance + float(a.get("epsilon", 1e-5)))
    return (x - mean.reshape(per)) * slope.reshape(per) + bias.reshape(per)


def _layer_norm(a: Attributes, x: Array, scale: Array, bias: Any = None) -> Array:
    if a.outputs > 1:
        raise a.refuse("a second result")
    axes = tuple(range(axis_of(a, x.ndim, -1), x.ndim))
    off = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(off * off, axis=axes, keepdims=True)
    y = off / np.sqrt(variance + float(a.get("epsilon", 1e-5))) * scale
    return y if bias is None else y + bias


READERS: dict[str, Reader] = {
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
}
