"""Gathering and scattering."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.integrations.onnx.errors import CannotImport
from wengert.integrations.onnx.reader import Attributes, axis_of
from wengert.ops.index import ARRAY, INDEX, INDEX_ADD, INDEX_SET

Reader = Callable[..., Any]
_FULL = slice(None)


def _gather(a: Attributes, x: Array, places: Array) -> Array:
    axis = axis_of(a, x.ndim, 0)
    key = (*[_FULL] * axis, ARRAY, *[_FULL] * (x.ndim - axis - 1))
    return bind(INDEX, x, places, key=key)


def _coordinates(points: Array) -> list[Array]:
    return [points[..., i] for i in range(points.shape[-1])]


def _gather_nd(a: Attributes, x: Array, points: Array) -> Array:
    if a.get("batch_dims", 0):
        raise a.refuse("batch_dims")
    arrays = _coordinates(points)
    if len(arrays) > x.ndim or not arrays:
        raise CannotImport(f"`GatherND`: points of {len(arrays)} coordinates.")
    key = (*[ARRAY] * len(arrays), *[_FULL] * (x.ndim - len(arrays)))
    return bind(INDEX, x, *arrays, key=key)


def _along(x: Array, places: Array, axis: int) -> list[Array]:
    """An index array per axis: the places along one, each element's own elsewhere."""
    grid: list[Array] = []
    for i, n in enumerate(places.shape):
        own = np.arange(n).reshape(n, *[1] * (places.ndim - i - 1))
        grid.append(places if i == axis else own)
    return grid


def _gather_elements(a: Attributes, x: Array, places: Array) -> Array:
    arrays = _along(x, places, axis_of(a, x.ndim, 0))
    return bind(INDEX, x, *arrays, key=(ARRAY,) * x.ndim)


def _written(a: Attributes, x: Array, v: Array, arrays: list[Array], key: Any) -> Array:
    reduction = a.get("reduction", "none")
    if reduction == "none":
        return bind(INDEX_SET, x, v, *arrays, key=key)
    if reduction == "add":
        return bind(INDEX_ADD, x, v, *arrays, key=key)
    if reduction == "max" and x.ndim == 1 and len(arrays) == 1:
        return _largest(x, v.reshape(-1), arrays[0].reshape(-1))
    raise a.refuse(f"reduction {reduction!r} of these shapes")


def _largest(x: Array, v: Array, places: Array) -> Array:
    """The last of the values in their order is the largest."""
    order = np.argsort(v, kind="stable")
    highest = bind(INDEX_SET, x, v[order], places[order], key=(ARRAY,))
    return np.maximum(highest, x)


def _scatter_nd(a: Attributes, x: Array, points: Array, v: Array) -> Array:
    arrays = _coordinates(points)
    if len(arrays) > x.ndim or not arrays:
        raise CannotImport(f"`ScatterND`: points of {len(arrays)} coordinates.")
    if a.get("reduction", "none") == "max" and len(arrays) == x.ndim > 1:
        return _largest_of_many(a, x, arrays, v)
    key = (*[ARRAY] * len(arrays), *[_FULL] * (x.ndim - len(arrays)))
    return _written(a, x, v, arrays, key)


def _largest_of_many(a: Attributes, x: Array, arrays: list[Array], v: Array) -> Array:
    flat = 0
    for i, n in zip(arrays, x.shape, strict=True):
        flat = flat * n + np.where(i < 0, i + n, i)
    y = _written(a, x.reshape(math.prod(x.shape)), v, [flat], (ARRAY,))
    return y.reshape(x.shape)


def _scatter_elements(a: Attributes, x: Array, places: Array, v: Array) -> Array:
    arrays = _along(x, places, axis_of(a, x.ndim, 0))
    return _written(a, x, v, arrays, (ARRAY,) * x.ndim)


READERS: dict[str, Reader] = {
    "Gather": _gather,
    "GatherND": _gather_nd,
    "GatherElements": _gather_elements,
    "ScatterND": _scatter_nd,
    "ScatterElements": _scatter_elements,
}
