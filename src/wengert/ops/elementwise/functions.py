"""Elementwise functions of NumPy that aren't ufuncs, and halves of those with two
results: round, unwrap, sinc, i0, the fraction of modf, the exponent of frexp."""

import math
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op, Rules, Zero, register
from wengert.core.types import Array, Type
from wengert.ops import batching
from wengert.ops.batching import Args, Mapped, Params
from wengert.ops.elementwise.record import function
from wengert.ops.strong import strong_product


def _same(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    return bind(op, args[0], **params)


def _float_type(x: Type, **params: Any) -> Type:
    return Type(x.shape, x.dtype if x.dtype.kind in "fc" else np.dtype(float))


# round, modf, frexp -----------------------------------------------------------------


def _round_type(x: Type, *, decimals: int) -> Type:
    return Type(x.shape, np.round(np.zeros((), x.dtype), decimals).dtype)


ROUND = register(
    Op(
        name="round",
        evaluate=lambda x, *, decimals: np.round(x, decimals),
        type_of=_round_type,
        derivative=Zero("piecewise constant"),
        batch=_same,
    )
)

FRACTION = function("fraction", np.trunc, lambda x: np.modf(x)[0], 1, bounded=True)

FREXP_EXPONENT = register(
    Op(
        name="frexp_exponent",
        evaluate=lambda x: np.frexp(x)[1],
        type_of=lambda x: Type(x.shape, np.dtype(np.int32)),
        derivative=Zero("a whole number"),
        batch=batching.elementwise,
    )
)


# unwrap -----------------------------------------------------------------------------


def _unwrap_type(x: Type, *, discont: Any, axis: int, period: Any) -> Type:
    return Type(x.shape, np.result_type(x.dtype, period))


def _unwrap_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    return bind(op, args[0], **{**params, "axis": params["axis"] + 1})


UNWRAP = register(
    Op(
        name="unwrap",
        evaluate=lambda x, *, discont, axis, period: np.unwrap(
            x, discont, axis, period=period
        ),
        type_of=_unwrap_type,
        # The multiples of the period that it adds are piecewise constant.
        derivative=Rules(
            jvp=lambda tangents, _y, _x, **params: tangents[0],
            vjp=lambda ct, _y, _x, **params: (ct,),
        ),
        batch=_unwrap_batch,
    )
)


# sinc and its derivatives -----------------------------------------------------------


def _sinc(x: Array, *, order: int) -> Array:
    """The derivative of sin(πx)/(πx) of this order."""
    if order == 0:
        return np.sinc(x)
    t: Array = np.multiply(x, math.pi)
    near = np.abs(t) < 1 + order
    inside = _sinc_series(np.where(near, t, 0.0), order)
    outside = _sinc_up(np.where(near, 2.0 + order, t), order)
    found: Array = np.where(near, inside, outside)
    return (found * math.pi**order).astype(t.dtype)[()]


def _sinc_up(t: Array, order: int) -> Array:
    """From t·f = sin t, differentiated n times: t·fₙ + n·fₙ₋₁ = sin⁽ⁿ⁾ t."""
    sines = (np.sin(t), np.cos(t))
    f = sines[0] / t
    for n in range(1, order + 1):
        f = ((-1) ** (n // 2) * sines[n % 2] - n * f) / t
    return f


def _sinc_series(t: Array, order: int) -> Array:
    """Σ (−1)ᵏ t²ᵏ⁻ⁿ / ((2k+1)(2k−n)!), the Taylor series at 0, by Horner's rule."""
    total = np.zeros_like(t)
    first = (order + 1) // 2
    for k in reversed(range(first, first + 14 + 2 * order)):
        term = (-1) ** k / ((2 * k + 1) * math.factorial(2 * k - order))
        total = total * (t * t) + term
    return total * t if order % 2 else total


def _sinc_slope(x: Array, order: int) -> Array:
    return bind(SINC, x, order=order + 1)


SINC = register(
    Op(
        name="sinc",
        evaluate=_sinc,
        type_of=_float_type,
        derivative=Rules(
            jvp=lambda tangents, _y, x, *, order: tangents[0] * _sinc_slope(x, order),
            vjp=lambda ct, _y, x, *, order: (ct * np.conjugate(_sinc_slope(x, order)),),
        ),
        batch=_same,
    )
)


# The modified Bessel functions Iₙ, for np.i0 ------------------------------------------


def _bessel_i(x: Array, *, order: int) -> Array:
    if order == 0:
        return np.i0(x)[()]
    from scipy import special  # a tenth of a second, for those who need it

    if order == 1:
        return special.i1(x)
    # `iv` gives zeros and nans for tiny arguments; there one term of the series is all.
    tiny = np.abs(x) < 1e-8
    first = (0.5 * x) ** order / math.factorial(order)
    return np.where(tiny, first, special.iv(order, np.where(tiny, 1.0, x)))[()]


def _bessel_slope(x: Array, order: int) -> Array:
    """(Iₙ₋₁ + Iₙ₊₁)/2, where nothing cancels."""
    above = bind(BESSEL_I, x, order=order + 1)
    return above if order == 0 else 0.5 * (bind(BESSEL_I, x, order=order - 1) + above)


BESSEL_I = register(
    Op(
        name="bessel_i",
        evaluate=_bessel_i,
        type_of=_float_type,
        derivative=Rules(
            jvp=lambda tangents, _y, x, *, order: strong_product(
                tangents[0], _bessel_slope(x, order)
            ),
            vjp=lambda ct, _y, x, *, order: (
                strong_product(ct, _bessel_slope(x, order)),
            ),
        ),
        batch=_same,
    )
)
