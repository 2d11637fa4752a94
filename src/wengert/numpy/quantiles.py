"""Order statistics: median, quantile, percentile, through the sorted elements."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, known
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.numpy.reduce import axes_of, cast, finish, mean
from wengert.numpy.statistics import weights_of
from wengert.ops.index import ARRAY, INDEX

_NONE: Any = np._NoValue


def _flat_first(x: Array, axis: Any) -> Array:
    """The reduced axes as one, in front."""
    axes = axes_of(axis, np.ndim(x))
    count = len(axes)
    front = np.moveaxis(x, axes, range(count)) if axes else x
    rest = np.shape(front)[count:]
    size = math.prod(np.shape(x)[i] for i in axes)
    return np.reshape(front, (size, *rest))


def _with_kept(y: Array, x: Array, axis: Any, keepdims: Any, extra: int) -> Array:
    """A result with the reduced axes back behind the `extra` axes of q."""
    if keepdims is _NONE or not keepdims:
        return y
    axes = axes_of(axis, np.ndim(x))
    kept = [1 if i in axes else n for i, n in enumerate(np.shape(x))]
    return np.reshape(y, (*np.shape(y)[:extra], *kept))


def _nan_if_last_is(s: Array, y: Array) -> Array:
    """nan where a slice has a nan: sorted, that is its last element."""
    if s.dtype.kind not in "fc":
        return y
    last = s[-1]
    return np.where(np.isnan(last), last, y)


def _middle(s: Array) -> Array:
    n = np.shape(s)[0]
    return mean(s[(n - 1) // 2 : n // 2 + 1], 0)


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    keepdims: Any = False,
) -> Array:  # fmt: skip
    x = operand(a)
    s = np.sort(_flat_first(x, axis), axis=0)
    y = _middle(s)
    y = _nan_if_last_is(s, y) if np.shape(s)[0] else y
    return finish(_with_kept(y, x, axis, keepdims, 0), out)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    keepdims: Any = _NONE,
) -> Array:  # fmt: skip
    x = operand(a)
    s = np.sort(_flat_first(x, axis), axis=0)
    n = np.sum(~np.isnan(s), axis=0)
    low, high = _taken(s, np.maximum(n - 1, 0) // 2), _taken(s, n // 2)
    y = np.where(n == 0, np.nan, mean(np.stack([low, high]), 0))
    return finish(_with_kept(y, x, axis, keepdims, 0), out)


def _taken(s: Array, place: Array) -> Array:
    """s[place[…, j], j] for each slice j, or s[place] if all slices share the place."""
    rest = np.shape(s)[1:]
    lead = np.ndim(place) - len(rest)
    if all(n == 1 for n in np.shape(place)[lead:]):
        place = np.reshape(place, np.shape(place)[:lead])
        return bind(INDEX, s, place, key=(ARRAY, *[slice(None)] * len(rest)))
    grids = np.indices(rest, sparse=True)
    return bind(INDEX, s, place, *grids, key=(ARRAY,) * (1 + len(rest)))


# Where a quantile stands among n sorted elements, as (n, q) → place. Hyndman and Fan,
# Sample Quantiles in Statistical Packages, The American Statistician 50 (1996) 361–365.
Place = Callable[[Any, Array], Array]


def _between(alpha: float, beta: float) -> Place:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _nearest_even(n: Any, q: Array) -> Array:
    place = n * q - 1.5
    low = np.floor(place)
    return np.maximum(np.where((place == low) & (low % 2 == 1), low, low + 1), 0)


_DISCRETE: dict[str, Place] = {
    "inverted_cdf": lambda n, q: np.maximum(np.ceil(n * q - 1), 0),
    "closest_observation": _nearest_even,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
}
_CONTINUOUS: dict[str, Place] = {
    "linear": lambda n, q: (n - 1) * q,
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": _between(0.0, 1.0),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0.0, 0.0),
    "median_unbiased": _between(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _between(3 / 8.0, 3 / 8.0),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}
# The weight of the next element, where it isn't the place's fractional part.
_WEIGHT: dict[str, Callable[[Array], Array]] = {
    "averaged_inverted_cdf": lambda part: np.where(part == 0, 0.5, 1.0),
    "midpoint": lambda part: np.where(part == 0, 0.0, 0.5),
}


def _interpolated(s: Array, n: Any, q: Array, method: str, weak: bool) -> Array:
    """The quantiles q (axes in front) of each sorted slice's first n elements."""
    last = np.maximum(n - 1, 0)
    if method in _DISCRETE:
        place = np.minimum(_DISCRETE[method](n, q), last)
        return _taken(s, cast(place, np.intp))
    if method not in _CONTINUOUS:
        names = ", ".join([*_DISCRETE, *_CONTINUOUS])
        raise ValueError(f"{method!r} is not a valid method. Use one of: {names}")
    place = _CONTINUOUS[method](n, q)
    part = place - np.floor(place)
    t = _WEIGHT[method](part) if method in _WEIGHT else part
    low = cast(np.minimum(np.maximum(np.floor(place), 0), last), np.intp)
    high = cast(np.minimum(np.maximum(np.floor(place) + 1, 0), last), np.intp)
    a, b = _taken(s, low), _taken(s, high)
    if weak:
        t = cast(t, np.result_type(s.dtype, 0.0))
    gap = b - a
    return np.where(t >= 0.5, b - gap * (1 - t), a + gap * t)


def _fraction(q: Any, whole: int) -> Array:
    """q as a part of 1, where `whole` stands for all."""
    given = operand(q)
    part: Array = given if isinstance(given, Tracer) else np.asarray(given)
    part = part / whole if whole != 1 else part
    values = known(part)
    if values is not None and not np.all((values >= 0) & (values <= 1)):
        if whole == 100:
            raise ValueError("Percentiles must be in the range [0, 100]")
        raise ValueError("Quantiles must be in the range [0, 1]")
    if np.ndim(part) > 2:
        raise ValueError("q must be a scalar or 1d")
    return part


def _weighted(s: Array, w: Array, n: Any, q: Array, extra: int) -> Array:
    """The quantiles by the cumulative weights, method "inverted_cdf"."""
    sums = np.cumsum(w, axis=0, dtype=np.float64)
    values = known(sums[-1])
    if values is not None and not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError("Weights included NaN, inf or were all zero.")
    share = sums / sums[-1]
    share = cast(share, q.dtype) if q.dtype.kind == "f" else share
    share = np.where(share == 0, -1.0, share)  # elements without weight come before 0
    place = np.sum(share < np.expand_dims(q, extra), axis=extra)
    return _taken(s, cast(np.minimum(place, np.maximum(n - 1, 0)), np.intp))


def _sorted_weights(weights: Any, x: Array, axis: Any, method: str) -> Array:
    """The weights in the order of the sorted elements."""
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    w = weights_of(weights, x, axis)
    values = known(w)
    if values is not None and np.any(values < 0):
        raise ValueError("Weights must be non-negative.")
    order = np.argsort(_flat_first(x, axis), axis=0, stable=True)
    whole = np.broadcast_to(w, np.shape(x))
    return np.take_along_axis(_flat_first(whole, axis), order, axis=0)


def _quantile(
    a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any, weights: Any,
    skip_nan: bool, whole: int,
) -> Array:  # fmt: skip
    x = operand(a)
    if x.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    weak = type(q) in (int, float)
    part = _fraction(q, whole)
    s = np.sort(_flat_first(x, axis), axis=0)
    front = np.reshape(part, (*np.shape(part), *(1,) * (np.ndim(s) - 1)))
    n: Any = np.shape(s)[0]
    if not n and not skip_nan:
        raise IndexError("index -1 is out of bounds for axis 0 with size 0")
    there = ~np.isnan(s)
    if skip_nan:
        n = cast(np.sum(there, axis=0), np.result_type(part.dtype, 0.0))
    if weights is None:
        y = _interpolated(s, n, front, method, weak)
    else:
        w = _sorted_weights(weights, x, axis, method)
        w = np.where(there, w, 0) if skip_nan else w
        y = _weighted(s, w, n, front, np.ndim(part))
    if not skip_nan:
        y = _nan_if_last_is(s, y)
    elif s.dtype.kind == "f":
        y = np.where(n == 0, np.nan, y)
    return finish(_with_kept(y, x, axis, keepdims, np.ndim(part)), out)


def _order_statistic(name: str, whole: int, skip_nan: bool) -> Callable[..., Array]:
    def f(
        a: Any, q: Any, axis: Any = None, out: Any = None,
        overwrite_input: bool = False, method: str = "linear", keepdims: Any = False,
        *, weights: Any = None,
    ) -> Array:  # fmt: skip
        return _quantile(a, q, axis, out, method, keepdims, weights, skip_nan, whole)

    f.__name__ = f.__qualname__ = name
    return implements(getattr(np, name))(f)


quantile = _order_statistic("quantile", 1, False)
percentile = _order_statistic("percentile", 100, False)
nanquantile = _order_statistic("nanquantile", 1, True)
nanpercentile = _order_statistic("nanpercentile", 100, True)
