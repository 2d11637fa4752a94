"""Averages, covariances, correlations."""

import operator
from typing import Any

import numpy as np

from wengert.core.bind import known
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.numpy.reduce import cast, mean

_NONE: Any = np._NoValue


# average, cov, corrcoef -----------------------------------------------------------


def weights_of(weights: Any, x: Array, axis: Any) -> Array:
    """The weights in a shape that broadcasts against `x`."""
    w = operand(weights)
    if np.shape(w) == np.shape(x):
        return w
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = [operator.index(i) % np.ndim(x) for i in axes]
    if np.shape(w) != tuple(np.shape(x)[i] for i in places):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    w = np.transpose(w, tuple(int(i) for i in np.argsort(places)))
    return np.reshape(w, [n if i in places else 1 for i, n in enumerate(np.shape(x))])


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
    keepdims: Any = _NONE,
) -> Any:  # fmt: skip
    x = operand(a)
    if weights is None:
        y = mean(x, axis, keepdims=keepdims)
        total = y.dtype.type(x.size / np.size(y) if np.size(y) else 0)
    else:
        w = weights_of(weights, x, axis)
        exact = (float,) if x.dtype.kind in "iub" else ()
        dtype = np.result_type(x.dtype, w.dtype, *exact)
        total = np.sum(w, axis=axis, dtype=dtype, keepdims=keepdims)
        values = known(total)
        if values is not None and np.any(values == 0.0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        terms = np.multiply(x, w, dtype=dtype)
        y = np.sum(terms, axis=axis, keepdims=keepdims) / total
    if not returned:
        return y
    if np.shape(total) != np.shape(y):
        total = np.positive(np.broadcast_to(total, np.shape(y)))
    return y, total


def _rows(m: Any, rowvar: bool, dtype: Any, name: str, vector: bool) -> Array:
    """Variables as rows, observations as columns."""
    x = cast(operand(m), dtype)
    if np.ndim(x) > 2:
        raise ValueError(f"{name} has more than 2 dimensions")
    wide = np.atleast_2d(x)
    return wide.T if not rowvar and not vector else wide


def _observations(weights: Any, n: int, name: str) -> Array:
    w = cast(operand(weights), np.dtype(float))
    if np.ndim(w) > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if np.shape(w)[0] != n:
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    values = known(w)
    if values is not None and np.any(values < 0):
        raise ValueError(f"{name} cannot be negative")
    if name == "fweights" and values is not None and np.any(values != np.rint(values)):
        raise TypeError("fweights must be integer")
    return w


def _variables(m: Any, y: Any, rowvar: bool, dtype: Any) -> Array:
    """All variables as rows: those of `m`, and under them those of `y`."""
    if dtype is None:
        given = [operand(v).dtype for v in (m, y) if v is not None]
        dtype = np.result_type(*given, np.float64)
    x = _rows(m, rowvar, dtype, "m", np.ndim(operand(m)) == 1)
    if y is None or not np.shape(x)[0]:
        return x
    one = np.shape(np.atleast_2d(operand(y)))[0] == 1
    return np.concatenate([x, _rows(y, rowvar, dtype, "y", one)], axis=0)


@implements(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Array:  # fmt: skip
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    lost = ddof if ddof is not None else 0 if bias else 1
    x = _variables(m, y, rowvar, dtype)
    if not np.shape(x)[0]:
        return np.zeros((0, 0))
    n = np.shape(x)[1]
    f = None if fweights is None else _observations(fweights, n, "fweights")
    a = None if aweights is None else _observations(aweights, n, "aweights")
    w = a if f is None else f if a is None else f * a
    center, total = average(x, 1, w, True)
    freedom: Any = n - lost
    if w is not None:
        correction = 1.0 if a is None or not lost else np.sum(w * a) / total[0]
        freedom = total[0] - lost * correction
    off = x - center[:, None]
    right = off if w is None else off * w
    scale = 1.0 / np.maximum(freedom, 0.0)
    return np.squeeze(np.matmul(off, np.conj(right.T)) * scale)


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    c = cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    place = np.arange(np.shape(c)[0])
    deviation = np.sqrt(np.real(c[place, place]))
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind != "c":
        return _clipped(c)
    return _clipped(np.real(c)) + 1j * _clipped(np.imag(c))


def _clipped(x: Array) -> Array:
    return np.minimum(np.maximum(x, -1.0), 1.0)
