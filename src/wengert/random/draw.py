"""One draw: a key and a shape become words, and words numbers, element by element.

The element at place i depends on the key and on i only. So a shorter draw is the
beginning of a longer one, and the numbers are the same eagerly, compiled and batched.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import is_traced
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array, Shape, type_of
from wengert.random.keys import counters, shape_of, size_of, words_of
from wengert.random.threefry import threefry

Made = Callable[[Array, Array], Array]

_BLOCK = 1 << 14  # elements whose intermediate values stay in a core's cache

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def draw(
    key: Array, shape: Shape, dtype: np.dtype[Any], make: Made, stream: int = 0
) -> Array:
    """`make(high, low)` of two random words per element, as an array of `shape`.

    For no axes the result still has one, of one element; see `shaped`.
    """
    words = words_of(key)
    n = size_of(shape)
    if is_traced(key) or n <= _BLOCK:
        y = make(*threefry(words, counters(n, 0, stream)))
        return np.reshape(y, shape or (1,))
    y = np.empty(n, dtype)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        counter = counters(stop - start, start, stream)
        y[start:stop] = make(*threefry(words, counter))
    return y.reshape(shape)


def shaped(y: Array, shape: Shape) -> Array:
    """What `draw` gave, as a number if it has no axes."""
    return y if shape else y[0]


def long(high: Array, low: Array) -> Array:
    """Both words as one uint64."""
    return (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)


def unit(dtype: np.dtype[Any]) -> Made:
    """Words as multiples of 2⁻⁵³ (float32: 2⁻²⁴) in [0, 1), all of them as likely."""

    def double(high: Array, low: Array) -> Array:
        whole = high.astype(np.float64) * 2.0**21 + (low >> 11).astype(np.float64)
        return whole * 2.0**-53

    def single(high: Array, low: Array) -> Array:
        return ((high ^ low) >> 8).astype(np.float32) * np.float32(2.0**-24)

    return single if dtype == FLOATS[0] else double


def half(high: Array, low: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """A fair coin, and a number in (0, ½] that is never 0 and has a full mantissa.

    The number is the middle of one of 2⁶³ (float32: 2³¹) equal parts of (0, ½], so
    distributions made of it are symmetric and have both their tails in full.
    """
    if dtype == FLOATS[0]:
        high, low = high ^ low, None
    coin = high >= np.uint32(1 << 31)
    p = (high & np.uint32((1 << 31) - 1)).astype(dtype)
    rest = 0.5 if low is None else (low.astype(dtype) + 0.5) * 2.0**-32
    return coin, (p + rest) * 2.0**-32


def floating(dtype: Any) -> np.dtype[Any]:
    """A dtype that draws of real numbers can have."""
    found: np.dtype[Any] = np.dtype(dtype)
    if found not in FLOATS:
        raise TypeMismatch(
            explain("Random real numbers are float32 or float64.", f"dtype={found}",
                    "draw one of these, and convert with .astype.")
        )  # fmt: skip
    return found


def common_shape(shape: Any, **parameters: Array) -> Shape:
    """The shape of a draw: as given, or that of its parameters together."""
    shapes = [type_of(x).shape for x in parameters.values()]
    try:
        together = np.broadcast_shapes(*shapes)
        if shape is None:
            return together
        found = shape_of(shape)
        fits = np.broadcast_shapes(together, found) == found
    except ValueError:
        found, fits = shape, False
    if not fits:
        came = ", ".join(
            f"{k} of shape {s}" for k, s in zip(parameters, shapes, strict=True)
        )
        raise ShapeMismatch(
            explain("Parameters broadcast to the shape of the draw.",
                    f"shape={found}, {came}",
                    "leave out `shape`, or give one that the parameters fit.")
        )  # fmt: skip
    return found


def in_dtype(x: Array, dtype: np.dtype[Any]) -> Array:
    """A parameter; Python's numbers in the dtype of the draw."""
    return x * dtype.type(1) if type_of(x).weak else x
