"""The product in which zero wins: 0·inf = 0·nan = 0.

A cotangent that is zero because a branch wasn't taken must stay zero when it meets the
infinite slope of that branch. The plain product is used first; this one only where the
plain gradient comes out as inf or nan (docs/design/zeros.md).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, known
from wengert.core.op import Op, Partials, register
from wengert.core.types import Array, Type
from wengert.ops import batching, inference


def _evaluate(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        y = np.multiply(a, b)
        if np.isfinite(y).all():
            return y
        if y.dtype.kind == "c":
            y = _by_parts(y, np.asarray(a, y.dtype), np.asarray(b, y.dtype))
        zero = (a == 0) | (b == 0)
        return np.where(zero, y.dtype.type(0), y)[()]


def _by_parts(y: Array, a: Array, b: Array) -> Array:
    """a·b of complex numbers, each of the four real products with zero winning."""
    real = _evaluate(a.real, b.real) - _evaluate(a.imag, b.imag)
    imag = _evaluate(a.real, b.imag) + _evaluate(a.imag, b.real)
    # Not real + 1j·imag, where 1j·inf would have a nan in it.
    made = np.empty(np.shape(y), y.dtype)
    made.real, made.imag = real, imag
    return made


STRONG_PRODUCT = register(
    Op(
        name="strong_product",
        evaluate=_evaluate,
        type_of=inference.elementwise(np.multiply),
        derivative=Partials(lambda _y, _a, b: b, lambda _y, a, _b: a),
        batch=batching.elementwise,
    )
)


def strong_product(a: Array, b: Array) -> Array:
    """a·b, and 0 where either factor is 0."""
    if type(a) is np.float64 and a != 0 and np.isfinite(a):
        # The cotangent at the start of a backward pass: nothing to be careful about.
        one = a == 1 and isinstance(b, Tracer) and b.dtype == a.dtype and not b.shape
        return b if one else a * b
    return bind(STRONG_PRODUCT, a, b)


def strong_contraction(f: Callable[..., Array], *arrays: Any) -> Array:
    """f(*arrays), a sum of products of elements of each, with zero winning in each.

    Elements that are inf or nan count only where all that they are multiplied with is
    nonzero. A Type among the arguments is handed on.
    """
    plain = f(*arrays)
    if np.isfinite(np.asarray(known(plain))).all():
        return plain
    at = [i for i, x in enumerate(arrays) if not isinstance(x, Type)]
    hit: Array = 0.0
    for i in at:
        marked = list(arrays)
        for j in at:
            x = arrays[j]
            marked[j] = np.where(~np.isfinite(x) if i == j else x != 0, 1.0, 0.0)
        hit = hit + f(*marked)
    without = list(arrays)
    for i in at:
        without[i] = np.where(np.isfinite(arrays[i]), arrays[i], 0.0)
    return np.where(hit > 0, plain, f(*without))
