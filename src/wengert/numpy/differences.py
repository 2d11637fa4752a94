"""Differences and sums along an axis, and interpolation between points."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.errors import ShapeMismatch
from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand
from wengert.numpy.indexing import getitem

_NONE = np._NoValue


def _at(x: Array, axis: int, index: Any) -> Array:
    return x[(slice(None),) * axis + (index,)]


@implements(np.diff)
def diff(
    a: Any, n: int = 1, axis: Any = -1, prepend: Any = _NONE, append: Any = _NONE
) -> Array:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    x = operand(a)
    if np.ndim(x) == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    if n == 0:
        return x
    place = canonical_axis(axis, np.ndim(x))
    parts = [p for p in (prepend, x, append) if p is not _NONE]
    if len(parts) > 1:
        x = np.concatenate([_edge(operand(p), x, place) for p in parts], place)
    for _ in range(n):
        late, early = _at(x, place, slice(1, None)), _at(x, place, slice(None, -1))
        x = np.not_equal(late, early) if x.dtype.kind == "b" else late - early
    return x


def _edge(part: Array, x: Array, axis: int) -> Array:
    """A scalar before or after `x` as an array that can be joined to it."""
    if np.ndim(part):
        return part
    return np.broadcast_to(part, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    x = np.ravel(operand(ary))
    parts = [x[1:] - x[:-1]]
    if to_begin is not None:
        parts.insert(0, np.ravel(operand(to_begin)))
    if to_end is not None:
        parts.append(np.ravel(operand(to_end)))
    for part in parts:
        if not np.can_cast(part.dtype, x.dtype, "same_kind"):
            raise TypeError(
                "dtype of `to_begin` and `to_end` must be compatible with input `ary` "
                "under the `same_kind` rule."
            )
    return np.astype(np.concatenate(parts), x.dtype) if len(parts) > 1 else parts[0]


# gradient ---------------------------------------------------------------------------


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    y = operand(f)
    y = y if y.dtype.kind in "fc" else np.astype(y, float)
    some = range(np.ndim(y)) if axis is None else axis
    axes = [
        canonical_axis(i, np.ndim(y)) for i in (some if np.iterable(some) else [some])
    ]
    if len(set(axes)) != len(axes):
        raise ValueError("repeated axis")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    results = [
        _slope(y, i, h, edge_order)
        for i, h in zip(axes, _spacings(y, axes, varargs), strict=True)
    ]
    return results[0] if len(results) == 1 else tuple(results)


def _spacings(y: Array, axes: list[int], varargs: tuple[Any, ...]) -> list[Array]:
    """The step of each axis: one number, or one per interval."""
    given = [operand(v) for v in varargs] or [1.0]
    if len(given) == 1 and np.ndim(given[0]) == 0:
        return given * len(axes)
    if len(given) != len(axes):
        raise TypeError("invalid number of arguments")
    return [_intervals(v, y.shape[i]) for v, i in zip(given, axes, strict=True)]


def _intervals(places: Array, n: int) -> Array:
    if np.ndim(places) == 0:
        return places
    if np.ndim(places) != 1:
        raise ValueError("distances must be either scalars or 1d")
    if places.shape[0] != n:
        raise ValueError(
            "when 1d, distances must match the length of the corresponding dimension"
        )
    steps = np.diff(places if places.dtype.kind == "f" else np.astype(places, float))
    if not isinstance(steps, Tracer) and (steps == steps[0]).all():
        return steps[0]
    return steps


def _slope(y: Array, axis: int, h: Array, edge_order: int) -> Array:
    """Central differences inside, one-sided ones at both ends."""
    n = y.shape[axis]
    if n < edge_order + 1:
        raise ShapeMismatch(
            "Shape of array too small to calculate a numerical gradient, at least "
            f"(edge_order + 1) elements are required.\n  Came: length {n}\n"
            "  Do:   pass more points, or edge_order=1."
        )
    last = slice(n - edge_order - 1, n)
    first = slice(0, edge_order + 1)
    ends = _one_sided if edge_order == 1 else _one_sided_twice
    steps = np.broadcast_to(h, (n - 1,))
    left = ends(_at(y, axis, first), axis, steps[:edge_order], False)
    right = ends(_at(y, axis, last), axis, steps[n - 1 - edge_order :], True)
    slope = np.concatenate([left, _central(y, axis, h), right], axis)
    return slope if slope.dtype == y.dtype else np.astype(slope, y.dtype)


def _central(y: Array, axis: int, h: Array) -> Array:
    before, here, after = (
        _at(y, axis, s) for s in (slice(None, -2), slice(1, -1), slice(2, None))
    )
    if np.ndim(h) == 0:
        return (after - before) / (2.0 * h)
    shape = (-1, *(1,) * (np.ndim(y) - axis - 1))
    h1, h2 = np.reshape(h[:-1], shape), np.reshape(h[1:], shape)
    a = -h2 / (h1 * (h1 + h2))
    b = (h2 - h1) / (h1 * h2)
    c = h1 / (h2 * (h1 + h2))
    return a * before + b * here + c * after


def _one_sided(y: Array, axis: int, h: Array, at_end: bool) -> Array:
    return (_at(y, axis, slice(1, 2)) - _at(y, axis, slice(0, 1))) / h[0]


def _one_sided_twice(y: Array, axis: int, h: Array, at_end: bool) -> Array:
    """The slope at one end of the parabola through three points."""
    h1, h2 = h[0], h[1]
    if at_end:
        a, b = h2 / (h1 * (h1 + h2)), -(h2 + h1) / (h1 * h2)
        c = (2.0 * h2 + h1) / (h2 * (h1 + h2))
    else:
        a, b = -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2)
        c = -h1 / (h2 * (h1 + h2))
    y0, y1, y2 = (_at(y, axis, slice(i, i + 1)) for i in range(3))
    return a * y0 + b * y1 + c * y2


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Array:
    f = operand(y)
    place = canonical_axis(axis, np.ndim(f))
    if x is None:
        step = operand(dx)
    else:
        points = operand(x)
        step = np.diff(points, axis=axis if np.ndim(points) > 1 else -1)
        if np.ndim(points) == 1:
            step = np.reshape(step, (-1, *(1,) * (np.ndim(f) - place - 1)))
    late, early = _at(f, place, slice(1, None)), _at(f, place, slice(None, -1))
    return np.sum(step * (late + early) / 2.0, axis=place)


# interp -----------------------------------------------------------------------------


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Array:
    """As `numpy.interp`, differentiable by x, xp, fp, left and right.

    At a point of xp the slope is that of the interval to its right; outside of xp it is
    zero.
    """
    x, xp, fp = _float(x), _float(xp), _float(fp)
    if np.ndim(xp) != 1 or np.shape(fp) != np.shape(xp) or not np.size(xp):
        raise ShapeMismatch(
            "`interp` needs points xp and fp of one axis and the same length.\n"
            f"  Came: shapes {np.shape(xp)} and {np.shape(fp)}\n"
            "  Do:   pass one value of fp per point of xp."
        )
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, np.abs(operand(period)))
        left = right = None
    return _interpolated(x, xp, fp, left, right)


def _float(x: Any) -> Array:
    y = operand(x)
    if type(y) in (int, float, bool, complex):
        y = np.asarray(y)[()]
    wanted = np.dtype(complex if y.dtype.kind == "c" else float)
    return y if y.dtype == wanted else np.astype(y, wanted)


def _periodic(x: Array, xp: Array, fp: Array, period: Array) -> tuple[Array, ...]:
    if not isinstance(period, Tracer) and period == 0:
        raise ValueError("period must be a non-zero value")
    xp = xp % period
    order = np.argsort(xp)
    xp, fp = getitem(xp, order), getitem(fp, order)
    xp = np.concatenate((xp[-1:] - period, xp, xp[0:1] + period))
    return x % period, xp, np.concatenate((fp[-1:], fp, fp[0:1]))


def _interpolated(x: Array, xp: Array, fp: Array, left: Any, right: Any) -> Array:
    n = np.shape(xp)[0]
    if n == 1:
        inside = np.broadcast_to(fp[0], np.shape(x))
    else:
        place = np.searchsorted(xp, x, side="right") - 1
        i = np.minimum(np.maximum(place, 0), n - 2)
        x0, f0 = getitem(xp, i), getitem(fp, i)
        slope = (getitem(fp, i + 1) - f0) / (getitem(xp, i + 1) - x0)
        # The last point belongs to the last interval, but isn't rounded through it.
        inside = np.where(place == n - 1, slope * (x - xp[-1]) + fp[-1],
                          slope * (x - x0) + f0)  # fmt: skip
    y = np.where(x < xp[0], fp[0] if left is None else operand(left), inside)
    y = np.where(x > xp[-1], fp[-1] if right is None else operand(right), y)
    return np.where(np.isnan(x), x, y)
