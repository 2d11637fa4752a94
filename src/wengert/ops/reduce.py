"""Reductions: one number per slice along some axes. `axis` is a sorted tuple."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, Partials, Rules, Zero, register
from wengert.core.types import Array, Shape, Type
from wengert.ops import batching
from wengert.ops.batching import Args, Mapped, Params
from wengert.ops.strong import strong_product

Axes = tuple[int, ...]


def reduced(shape: Shape, axis: Axes, keepdims: bool) -> Shape:
    """The shape after a reduction over `axis`."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


def expanded(y: Array, shape: Shape, axis: Axes) -> Array:
    """A reduction's result with its axes back, of length 1."""
    kept = tuple(1 if i in axis else n for i, n in enumerate(shape))
    return np.reshape(y, kept) if np.shape(y) != kept else y


def batch_axes(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    """The mapped axis stands in front, so every axis moves by one."""
    arrays = batching.everywhere(size, args, mapped)
    return bind(op, *arrays, **{**params, "axis": tuple(a + 1 for a in params["axis"])})


def _type(x: Type, *, axis: Axes, keepdims: bool) -> Type:
    return Type(reduced(x.shape, axis, keepdims), x.dtype)


def _type_by(ufunc: np.ufunc) -> Callable[..., Type]:
    """The dtype by the ufunc's own loops: small integers are summed in large ones."""

    def type_of(x: Type, *, axis: Axes, keepdims: bool) -> Type:
        dtype = ufunc.reduce(np.zeros(1, x.dtype)).dtype
        return Type(reduced(x.shape, axis, keepdims), dtype)

    return type_of


def _evaluate_by(ufunc: np.ufunc) -> Callable[..., Array]:
    def evaluate(x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return ufunc.reduce(x, axis, keepdims=keepdims)

    return evaluate


# sum ------------------------------------------------------------------------------


def _sum_transpose(ct: Array, _x: Type, *, axis: Axes, keepdims: bool) -> Array:
    return np.broadcast_to(expanded(ct, _x.shape, axis), _x.shape)


SUM = register(
    Op(
        name="sum",
        evaluate=_evaluate_by(np.add),
        type_of=_type_by(np.add),
        derivative=Linear(_sum_transpose),
        batch=batch_axes,
    )
)


# max, min -------------------------------------------------------------------------


def _winners(x: Array, y: Array, axis: Axes) -> Array:
    """Which elements are the extremum: those equal to it, or the nans if it is nan."""
    y = expanded(y, x.shape, axis)
    return (x == y) | (np.isnan(x) & np.isnan(y))


def _extremum_jvp(
    tangents: list[Array], y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> Array:
    hit = _winners(x, y, axis)
    total = np.sum(np.where(hit, tangents[0], 0.0), axis=axis, keepdims=keepdims)
    return total / np.sum(hit, axis=axis, keepdims=keepdims).astype(y.dtype)


def _extremum_vjp(
    ct: Array, y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> tuple[Array]:
    hit = _winners(x, y, axis)
    count = np.sum(hit, axis=axis, keepdims=True).astype(x.dtype)
    return (np.where(hit, expanded(ct, x.shape, axis) / count, 0.0),)


def _extremum(name: str, ufunc: np.ufunc) -> Op:
    def type_of(x: Type, *, axis: Axes, keepdims: bool) -> Type:
        y = _type(x, axis=axis, keepdims=keepdims)
        if not x.size and (y.size or 0 in (x.shape[a] for a in axis)):
            raise ShapeMismatch(
                f"zero-size array to reduction operation {ufunc.__name__} which has no "
                f"identity\n  Came: shape {x.shape}, reduced over axes {axis}\n"
                "  Do:   pass initial=, the result for no elements."
            )
        return y

    return register(
        Op(
            name=name,
            evaluate=_evaluate_by(ufunc),
            type_of=type_of,
            derivative=Rules(jvp=_extremum_jvp, vjp=_extremum_vjp),
            batch=batch_axes,
        )
    )


# Ties share the derivative evenly.
MAX = _extremum("max", np.maximum)
MIN = _extremum("min", np.minimum)
NANMAX = _extremum("nanmax", np.fmax)
NANMIN = _extremum("nanmin", np.fmin)


# prod -----------------------------------------------------------------------------


def others_product(x: Array, axis: Axes) -> Array:
    """Product of all elements but one, for each one, without dividing.

    Products from the left times products from the right, so that zeros and tiny
    elements do no harm.
    """
    last = tuple(range(-len(axis), 0))
    moved = np.moveaxis(x, axis, last) if axis else x
    rest = moved.shape[: x.ndim - len(axis)]
    flat = np.reshape(moved, (*rest, moved.size // max(1, Type(rest, x.dtype).size)))
    one = np.ones((*rest, 1), x.dtype)
    left = np.cumprod(np.concatenate([one, flat], axis=-1), axis=-1)[..., :-1]
    right = np.cumprod(np.concatenate([one, np.flip(flat, -1)], axis=-1), axis=-1)
    product = np.reshape(left * np.flip(right[..., :-1], -1), moved.shape)
    return np.moveaxis(product, last, axis) if axis else product


def _prod_jvp(
    tangents: list[Array], _y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> Array:
    terms = strong_product(tangents[0], others_product(x, axis))
    return np.sum(terms, axis=axis, keepdims=keepdims)


def _prod_vjp(
    ct: Array, _y: Array, x: Array, *, axis: Axes, keepdims: bool
) -> tuple[Array]:
    others = np.conjugate(others_product(x, axis))
    return (strong_product(expanded(ct, x.shape, axis), others),)


PROD = register(
    Op(
        name="prod",
        evaluate=_evaluate_by(np.multiply),
        type_of=_type_by(np.multiply),
        derivative=Rules(jvp=_prod_jvp, vjp=_prod_vjp),
        batch=batch_axes,
    )
)


# variance -------------------------------------------------------------------------
# One op, not sums and squares: a fifth of their time, and the derivative needs no
# term for the mean, which would be zero but for rounding. A second argument is a mask.


def _variance_slope(x: Array, mask: Args, axis: Axes, ddof: float) -> Array:
    """2·(x − mean)/(n − ddof), and 0 where masked."""
    if not mask:
        count = Type(tuple(x.shape[a] for a in axis), x.dtype).size
        mean = np.sum(x, axis=axis, keepdims=True) / max(count, 1)
        return (x - mean) * (2.0 / (count - ddof) if count > ddof else np.inf)
    real = x.dtype.type(0).real.dtype
    count = np.sum(mask[0], axis=axis, keepdims=True).astype(real)
    total = np.sum(np.where(mask[0], x, 0.0), axis=axis, keepdims=True)
    off = x - total / np.maximum(count, 1)
    return np.where(mask[0], off * (2.0 / np.maximum(count - ddof, 0)), 0.0)


def _variance_jvp(
    tangents: list[Array], _y: Array, x: Array, *mask: Array, axis: Axes, ddof: float,
    keepdims: bool,
) -> Array:  # fmt: skip
    slope = np.conjugate(_variance_slope(x, mask, axis, ddof))
    terms = np.real(strong_product(slope, tangents[0]))
    return np.sum(terms, axis=axis, keepdims=keepdims)


def _variance_vjp(
    ct: Array, _y: Array, x: Array, *mask: Array, axis: Axes, ddof: float,
    keepdims: bool,
) -> tuple[Array | None, ...]:  # fmt: skip
    slope = _variance_slope(x, mask, axis, ddof)
    return strong_product(expanded(ct, x.shape, axis), slope), *(None for _ in mask)


def _variance(x: Array, *mask: Array, axis: Axes, ddof: float, keepdims: bool) -> Array:
    where: dict[str, Any] = {"where": mask[0]} if mask else {}
    return np.var(x, axis, ddof=ddof, keepdims=keepdims, **where)


def _variance_type(
    x: Type, *_mask: Type, axis: Axes, ddof: float, keepdims: bool
) -> Type:
    dtype = np.dtype(float) if x.dtype.kind in "biu" else x.dtype.type(0).real.dtype
    return Type(reduced(x.shape, axis, keepdims), dtype)


VARIANCE = register(
    Op(
        name="variance",
        evaluate=_variance,
        type_of=_variance_type,
        derivative=Rules(jvp=_variance_jvp, vjp=_variance_vjp),
        batch=batch_axes,
    )
)


def _root_slope(y: Array, _x: Array) -> Array:
    return np.where(y == 0, 0.0, 0.5 / np.where(y == 0, 1.0, y))


# The square root whose slope at 0 is 0: a deviation is never negative, so 0 is its
# least value and 0 a subgradient there.
DEVIATION = register(
    Op(
        name="deviation",
        evaluate=np.sqrt,
        type_of=lambda x: Type(x.shape, x.dtype),
        derivative=Partials(_root_slope, bounded=True),
        batch=batching.elementwise,
    )
)


# log of a sum of exponentials -----------------------------------------------------


def _logsum(name: str, ufunc: np.ufunc, exp: np.ufunc) -> Op:
    def shares(y: Array, x: Array, axis: Axes) -> Array:
        """The part each element has in the sum; infinite ones share evenly."""
        y = expanded(y, x.shape, axis)
        infinite = np.isinf(y) & (x == y)
        count = np.sum(infinite, axis=axis, keepdims=True).astype(y.dtype)
        part = exp(np.where(infinite, 0.0, x - np.where(infinite, 0.0, y)))
        return np.where(infinite, 1.0 / np.maximum(count, 1), part)

    def jvp(
        tangents: list[Array], y: Array, x: Array, *, axis: Axes, keepdims: bool
    ) -> Array:
        terms = strong_product(tangents[0], shares(y, x, axis))
        return np.sum(terms, axis=axis, keepdims=keepdims)

    def vjp(
        ct: Array, y: Array, x: Array, *, axis: Axes, keepdims: bool
    ) -> tuple[Array]:
        return (strong_product(expanded(ct, x.shape, axis), shares(y, x, axis)),)

    return register(
        Op(
            name=name,
            evaluate=_evaluate_by(ufunc),
            type_of=_type_by(ufunc),
            derivative=Rules(jvp=jvp, vjp=vjp),
            batch=batch_axes,
        )
    )


LOGSUMEXP = _logsum("logsumexp", np.logaddexp, np.exp)
LOGSUMEXP2 = _logsum("logsumexp2", np.logaddexp2, np.exp2)


# all, any, argmax, argmin ---------------------------------------------------------


def _logical(name: str, ufunc: np.ufunc) -> Op:
    return register(
        Op(
            name=name,
            evaluate=_evaluate_by(ufunc),
            type_of=_type_by(ufunc),
            derivative=Zero("piecewise constant"),
            batch=batch_axes,
        )
    )


ALL = _logical("all", np.logical_and)
ANY = _logical("any", np.logical_or)


def batch_axis(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    """As `batch_axes`, for ops along one axis."""
    arrays = batching.everywhere(size, args, mapped)
    return bind(op, *arrays, **{**params, "axis": params["axis"] + 1})


def _place(f: Callable[..., Any]) -> Op:
    def type_of(x: Type, *, axis: int, keepdims: bool) -> Type:
        y = reduced(x.shape, (axis,), keepdims)
        if not x.shape[axis] and Type(y, x.dtype).size:
            raise ShapeMismatch(
                f"attempt to get {f.__name__} of an empty sequence\n"
                f"  Came: shape {x.shape}, axis {axis}\n"
                "  Do:   ask for the size first; no elements, no place."
            )
        return Type(y, np.dtype(np.intp))

    return register(
        Op(
            name=f.__name__,
            evaluate=f,
            type_of=type_of,
            derivative=Zero("an index"),
            batch=batch_axis,
        )
    )


ARGMAX = _place(np.argmax)
ARGMIN = _place(np.argmin)
