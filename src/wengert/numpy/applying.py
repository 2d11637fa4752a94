"""A function applied along axes, and grids of coordinates."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand
from wengert.numpy.indexing import copied


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: Any, arr: Any, *args: Any, **kwargs: Any
) -> Array:
    x = operand(arr)
    place = canonical_axis(axis, np.ndim(x))
    lines = np.moveaxis(x, place, -1)
    outer = lines.shape[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [
        operand(func1d(lines[i], *args, **kwargs))
        for i in itertools.product(*map(range, outer))
    ]
    made = np.stack(results)
    y = np.reshape(made, (*outer, *made.shape[1:]))
    inner = range(len(outer), np.ndim(y))
    return np.moveaxis(y, tuple(inner), tuple(range(place, place + len(inner))))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Array:
    x = operand(a)
    n = np.ndim(x)
    for axis in axes if np.iterable(axes) else (axes,):
        place = canonical_axis(axis, n)
        y = func(x, place)
        x = y if np.ndim(y) == n else np.expand_dims(y, place)
        if np.ndim(x) != n:
            raise ValueError("function is not returning an array of the correct shape")
    return x


@implements(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]:
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    axes = list(range(n))
    if indexing == "xy" and n > 1:
        axes[0], axes[1] = 1, 0
    grids = []
    for x, axis in zip(map(operand, xi), axes, strict=True):
        shape = [1] * n
        shape[axis] = -1
        grids.append(np.reshape(x, shape))
    if not sparse:
        grids = list(np.broadcast_arrays(*grids))
    return tuple(map(copied, grids)) if copy else tuple(grids)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Array, ...]:
    open_mesh = []
    for k, given in enumerate(args):
        x = operand(given)
        if np.ndim(x) != 1:
            raise ValueError("Cross index must be 1 dimensional")
        x = np.flatnonzero(x) if x.dtype.kind == "b" else x
        x = np.astype(x, np.intp) if not x.size else x
        open_mesh.append(np.reshape(x, (1,) * k + (-1,) + (1,) * (len(args) - k - 1)))
    return tuple(open_mesh)
