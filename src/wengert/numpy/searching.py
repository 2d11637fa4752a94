"""Counting and looking up: searchsorted, digitize, histogram, bincount."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.numpy.indexing import concrete
from wengert.ops.index import ARRAY, INDEX_ADD
from wengert.ops.search import SEARCHSORTED


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Array:
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right' (got {side!r})")
    x = operand(a) if sorter is None else np.take(operand(a), sorter)
    return bind(SEARCHSORTED, x, operand(v), side=side)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Array:
    edges = operand(bins)
    known = concrete(edges, "digitize")
    steps = np.diff(known)
    side = "left" if right else "right"
    if np.all(steps >= 0):
        return searchsorted(edges, x, side)
    if np.all(steps <= 0):
        return known.size - searchsorted(edges[::-1], x, side)
    raise ValueError("bins must be monotonically increasing or decreasing")


def _counted(index: Array, size: int, weights: Array | None) -> Array:
    """How often each of 0 … size−1 occurs in `index`, each time by its weight."""
    each: Array = 1 if weights is None else weights
    zero = np.zeros(size, np.intp if weights is None else weights.dtype)
    return bind(INDEX_ADD, zero, each, index, key=(ARRAY,))


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Array:
    """As `numpy.bincount`, linear in the weights."""
    index = operand(x)
    if np.ndim(index) != 1 or index.dtype.kind not in "iub":
        raise ValueError("bincount takes a 1-d array of non-negative integers")
    known = concrete(index, "bincount")
    if np.any(known < 0):
        raise ValueError("'list' argument must have no negative elements")
    size = max(int(known.max(initial=-1)) + 1, int(minlength))
    if weights is None:
        return np.bincount(known, minlength=minlength)
    each = np.astype(operand(weights), float)
    if np.shape(each) != np.shape(index):
        raise ValueError("The weights and list don't have the same length.")
    return _counted(known, size, each)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array]:
    """As `numpy.histogram`: piecewise constant in the data, linear in the weights."""
    x = np.ravel(operand(a))
    edges = _edges(x, bins, range)
    each = None if weights is None else operand(weights)
    if each is not None and np.shape(each) != np.shape(operand(a)):
        raise ShapeMismatch("weights should have the same shape as a.")
    low, high = edges[0], edges[-1]
    inside = np.logical_and(x >= low, x <= high)
    n = np.shape(edges)[0] - 1
    place = np.minimum(np.maximum(searchsorted(edges, x, "right") - 1, 0), n - 1)
    one: Array = np.ones(1, np.intp) if each is None else np.ravel(each)
    counts = _counted(place, n, np.where(inside, one, np.zeros(1, one.dtype)))
    if density:
        return counts / np.diff(edges) / np.sum(counts), edges
    return counts, edges


def _edges(x: Array, bins: Any, range: Any) -> Array:
    if np.ndim(bins) == 1 and not isinstance(bins, str):
        edges = operand(bins)
        if np.any(np.diff(concrete(edges, "histogram")) < 0):
            raise ValueError("`bins` must increase monotonically, when an array")
        return edges
    if isinstance(bins, str) or not x.size:
        return np.histogram_bin_edges(concrete(x, "histogram"), bins, range)
    if range is not None:
        return np.histogram_bin_edges(np.zeros(0, x.dtype), bins, range)
    low, high = np.min(x), np.max(x)
    spread = concrete(high - low, "histogram") if isinstance(x, Tracer) else high - low
    return (
        np.linspace(low, high, bins + 1)
        if spread
        else np.linspace(low - 0.5, high + 0.5, bins + 1)
    )


@implements(np.histogram_bin_edges)
def histogram_bin_edges(
    a: Any, bins: Any = 10, range: Any = None, weights: Any = None
) -> Array:
    return _edges(np.ravel(operand(a)), bins, range)
