"""Running reductions along one axis, and sums of segments of it.

The derivative of every running reduction is the same linear recurrence,
dy[k] = a[k]·dy[k−1] + b[k]·dx[k], with its own coefficients: cumprod has a = x and
b = y[k−1], so that zeros need no division. Run from the far end, it is the transpose.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, Rules, register
from wengert.core.types import Array, Type, promoted
from wengert.ops.batching import Args, Mapped, Params, each
from wengert.ops.reduce import batch_axis
from wengert.ops.strong import strong_product


def along(axis: int, *parts: Any) -> tuple[Any, ...]:
    """The key that takes `parts` along an axis and everything along those before it."""
    return (slice(None),) * axis + parts


def shifted(x: Array, axis: int, first: float, back: bool = False) -> Array:
    """x[k−1] at each k, and `first` at the start; with `back`, x[k+1] from the end."""
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    edge = np.full(shape, first, x.dtype)
    if back:
        return np.concatenate([x, edge], axis=axis)[along(axis, slice(1, None))]
    return np.concatenate([edge, x], axis=axis)[along(axis, slice(None, -1))]


# linear recurrence: y[k] = a[k]·y[k−1] + u[k] -----------------------------------------


def _recurrence(a: Array, u: Array, *, axis: int, reverse: bool) -> Array:
    dtype = np.result_type(a, u)
    step = -1 if reverse else 1
    a, u = (np.moveaxis(x, axis, 0)[::step].astype(dtype) for x in (a, u))
    n, lanes = u.shape[0], u.size // max(1, u.shape[0])
    with np.errstate(all="ignore"):
        if dtype.char in _SOLVERS and lanes < n:
            y = _solved(a.reshape(n, lanes), u.reshape(n, lanes)).reshape(u.shape)
        else:
            y = _stepped(a, u, np.multiply)
        if not np.isfinite(y).all():
            y = _stepped(a, u, strong_product)
    return np.ascontiguousarray(np.moveaxis(y[::step], 0, axis))


_SOLVERS = {"f": "stbtrs", "d": "dtbtrs", "F": "ctbtrs", "D": "ztbtrs"}


def _solved(a: Array, u: Array) -> Array:
    """Each column by forward substitution in the matrix with diagonals 1 and −a."""
    from scipy.linalg import lapack  # slow to import, and seldom needed

    solve = getattr(lapack, _SOLVERS[u.dtype.char])
    y = np.empty_like(u)
    bands = np.ones((2, u.shape[0]), u.dtype, order="F")
    for i in range(u.shape[1]):
        bands[1, :-1] = -a[1:, i]
        y[:, i] = solve(bands, u[:, i], uplo="L", diag="U")[0].ravel()
    return y


def _stepped(a: Array, u: Array, product: Callable[..., Array]) -> Array:
    y = u.copy()
    for k in range(1, u.shape[0]):
        y[k] += product(a[k], y[k - 1])
    return y


def _recurrence_type(a: Type, u: Type, *, axis: int, reverse: bool) -> Type:
    if a.shape != u.shape:
        raise ShapeMismatch(
            "`recurrence` needs a factor for every term.\n"
            f"  Came: shapes {a.shape} and {u.shape}\n  Do:   broadcast them first."
        )
    return Type(u.shape, promoted((a, u)))


def _recurrence_jvp(
    tangents: list[Array], y: Array, a: Array, _u: Array, *, axis: int, reverse: bool
) -> Array:
    da, du = tangents
    if da is not None:
        more = strong_product(da, shifted(y, axis, 0.0, back=reverse))
        du = more if du is None else du + more
    return bind(RECURRENCE, a, du, axis=axis, reverse=reverse)


def _recurrence_vjp(
    ct: Array, y: Array, a: Array, _u: Type, *, axis: int, reverse: bool
) -> tuple[Array, Array]:
    du = _pulled(ct, a, axis, reverse)
    before = shifted(y, axis, 0.0, back=reverse)
    return strong_product(du, np.conjugate(before)), du


def _pulled(ct: Array, a: Array, axis: int, reverse: bool) -> Array:
    """The transpose for the terms: each one counts in all that come after it."""
    after = shifted(np.conjugate(a), axis, 0.0, back=not reverse)
    return bind(RECURRENCE, after, ct, axis=axis, reverse=not reverse)


RECURRENCE = register(
    Op(
        name="recurrence",
        evaluate=_recurrence,
        type_of=_recurrence_type,
        derivative=Rules(jvp=_recurrence_jvp, vjp=_recurrence_vjp),
        batch=batch_axis,
    )
)


# running sum, product, maximum, minimum, log of a sum of exponentials ----------------


def _type_by(ufunc: np.ufunc) -> Callable[..., Type]:
    def type_of(x: Type, *, axis: int) -> Type:
        return Type(x.shape, ufunc.accumulate(np.zeros(1, x.dtype)).dtype)

    return type_of


def _cumsum_transpose(ct: Array, _x: Type, *, axis: int) -> Array:
    return np.flip(np.cumsum(np.flip(ct, axis), axis=axis), axis)


CUMSUM = register(
    Op(
        name="cumsum",
        evaluate=lambda x, *, axis: np.add.accumulate(x, axis),
        type_of=_type_by(np.add),
        derivative=Linear(_cumsum_transpose),
        batch=batch_axis,
    )
)

# (x, y, axis) → the recurrence's a and b.
Coefficients = Callable[[Array, Array, int], tuple[Array, Array]]


def _running(name: str, ufunc: np.ufunc, coefficients: Coefficients) -> Op:
    def jvp(tangents: list[Array], y: Array, x: Array, *, axis: int) -> Array:
        a, b = coefficients(x, y, axis)
        terms = strong_product(tangents[0], b)
        return bind(RECURRENCE, a, terms, axis=axis, reverse=False)

    def vjp(ct: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
        a, b = coefficients(x, y, axis)
        return (strong_product(_pulled(ct, a, axis, False), np.conjugate(b)),)

    return register(
        Op(
            name=name,
            evaluate=lambda x, *, axis: ufunc.accumulate(x, axis),
            type_of=_type_by(ufunc),
            derivative=Rules(jvp=jvp, vjp=vjp),
            batch=batch_axis,
        )
    )


def _of_product(x: Array, y: Array, axis: int) -> tuple[Array, Array]:
    return x, shifted(y, axis, 1.0)


def _is_first(x: Array, axis: int) -> Array:
    places = np.arange(x.shape[axis]) == 0
    return np.reshape(places, (-1, *(1,) * (x.ndim - axis - 1)))


def _of_extremum(x: Array, y: Array, axis: int) -> tuple[Array, Array]:
    """A new extremum takes all, the n-th element that ties with it takes 1/n."""
    before = shifted(y, axis, 0.0)
    same = (before == y) | (np.isnan(before) & np.isnan(y))
    hit = (x == y) | np.isnan(x)
    new = hit & (_is_first(x, axis) | ~same)
    hits = np.cumsum(hit, axis=axis)
    earlier = np.maximum.accumulate(np.where(new, hits - 1, 0), axis=axis)
    share = np.where(hit, 1.0 / np.maximum(hits - earlier, 1).astype(x.dtype), 0.0)
    return 1.0 - share, share


def _of_logsum(exp: np.ufunc) -> Coefficients:
    """The parts that the sum before and the new element have in the sum."""

    def coefficients(x: Array, y: Array, axis: int) -> tuple[Array, Array]:
        before = shifted(y, axis, -np.inf)
        infinite = np.isinf(y)
        old, new = (before == y) & ~_is_first(x, axis), x == y
        tie = np.where(old & new, x.dtype.type(0.5), 1.0)
        level = np.where(infinite, 0.0, y)
        parts = (
            np.where(infinite, np.where(hit, tie, 0.0), exp(part - level))
            for hit, part in ((old, before), (new, x))
        )
        return next(parts), next(parts)

    return coefficients


CUMPROD = _running("cumprod", np.multiply, _of_product)
CUMMAX = _running("cummax", np.maximum, _of_extremum)
CUMMIN = _running("cummin", np.minimum, _of_extremum)
CUMLOGSUMEXP = _running("cumlogsumexp", np.logaddexp, _of_logsum(np.exp))
CUMLOGSUMEXP2 = _running("cumlogsumexp2", np.logaddexp2, _of_logsum(np.exp2))


# sums of segments, and values spread over segments: each other's transpose -----------
# Segment i goes from starts[i] up to starts[i + 1], to the end if i is the last; it is
# starts[i] alone if the next start isn't larger.


def _segments(starts: Array, n: int) -> tuple[Array, Array]:
    """(element, segment) pairs: which elements each segment has."""
    ends = np.append(starts[1:], n)
    lengths = np.maximum(ends - starts, 1)
    segment = np.repeat(np.arange(len(starts)), lengths)
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.arange(len(segment)) - first + starts[segment], segment


def _spread(v: Array, starts: Array, *, size: int, axis: int) -> Array:
    element, segment = _segments(starts, size)
    key: Any = along(axis, element)
    y = np.zeros((*v.shape[:axis], size, *v.shape[axis + 1 :]), v.dtype)
    np.add.at(y, key, np.take(v, segment, axis))
    return y


def _segment_sum_type(x: Type, starts: Type, *, axis: int) -> Type:
    dtype = np.add.reduce(np.zeros(1, x.dtype)).dtype
    return Type((*x.shape[:axis], starts.size, *x.shape[axis + 1 :]), dtype)


def _batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Any:
    if mapped[1]:
        return each(op, size, args, mapped, params)
    return bind(op, *args, **{**params, "axis": params["axis"] + 1})


def _sum_transpose(ct: Array, _x: Type, starts: Array, *, axis: int) -> Array:
    return bind(SEGMENT_SPREAD, ct, starts, size=_x.shape[axis], axis=axis)


def _spread_transpose(
    ct: Array, _v: Type, starts: Array, *, size: int, axis: int
) -> Array:
    return bind(SEGMENT_SUM, ct, starts, axis=axis)


def _spread_type(v: Type, starts: Type, *, size: int, axis: int) -> Type:
    return Type((*v.shape[:axis], size, *v.shape[axis + 1 :]), v.dtype)


SEGMENT_SUM = register(
    Op(
        name="segment_sum",
        evaluate=lambda x, starts, *, axis: np.add.reduceat(x, starts, axis),
        type_of=_segment_sum_type,
        derivative=Linear(_sum_transpose, None),
        batch=_batch,
    )
)

SEGMENT_SPREAD = register(
    Op(
        name="segment_spread",
        evaluate=_spread,
        type_of=_spread_type,
        derivative=Linear(_spread_transpose, None),
        batch=_batch,
    )
)
