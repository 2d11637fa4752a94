"""Random bits, coins, signs and integers."""

from typing import Any

import numpy as np

from wengert.core.bind import is_traced
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array, Shape, type_of
from wengert.random.continuous import uniform
from wengert.random.draw import common_shape, draw, long, shaped
from wengert.random.keys import shape_of

_LONG = np.dtype(np.uint64)
_WORD = np.uint64(32)
_LOW_WORD = np.uint64(2**32 - 1)


def bits(key: Array, shape: Any = (), dtype: Any = np.uint32) -> Array:
    """Random bits: unsigned integers, all as likely.

    Args:
        key: a key.
        shape: of the result.
        dtype: uint8, uint16, uint32 or uint64.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.bits(wg.random.key(0), 2)
    array([4070199207, 4202968722], dtype=uint32)
    """
    shape, dtype = shape_of(shape), np.dtype(dtype)
    if dtype.kind != "u":
        raise TypeMismatch(
            explain("Random bits are uint8, uint16, uint32 or uint64.",
                    f"dtype={dtype}", "draw one of these, or use randint or uniform.")
        )  # fmt: skip

    def make(high: Array, low: Array) -> Array:
        return long(high, low) if dtype == _LONG else (high ^ low).astype(dtype)

    return shaped(draw(key, shape, dtype, make), shape)


def bernoulli(key: Array, p: Array = 0.5, shape: Any = None) -> Array:
    """True with probability p.

    Args:
        key: a key.
        p: probabilities; 0 is never and 1 is always True.
        shape: of the result; that of `p` without it.

    Returns:
        An array of booleans, or one boolean for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, or a shape that p fits.

    >>> wg.random.bernoulli(wg.random.key(0), 0.3, 4)
    array([False,  True, False, False])
    """
    t = type_of(p)
    single = t.dtype == np.float32 and not t.weak
    shape = common_shape(shape, p=p)
    return uniform(key, shape, dtype=np.float32 if single else np.float64) < p


def rademacher(key: Array, shape: Any = (), dtype: Any = np.float64) -> Array:
    """Signs: −1 or 1, both as likely.

    Args:
        key: a key.
        shape: of the result.
        dtype: any signed one.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.rademacher(wg.random.key(0), 4, int)
    array([-1, -1,  1,  1])
    """
    shape, dtype = shape_of(shape), np.dtype(dtype)
    if dtype.kind not in "if":
        raise TypeMismatch(
            explain("Signs are signed integers or real numbers.", f"dtype={dtype}",
                    "draw float64, or an integer dtype such as int8.")
        )  # fmt: skip
    one = dtype.type(1)

    def make(high: Array, low: Array) -> Array:
        return np.where(high >= np.uint32(1 << 31), one, -one)

    return shaped(draw(key, shape, dtype, make), shape)


def randint(
    key: Array, low: Array, high: Array, shape: Any = None, dtype: Any = np.int64
) -> Array:
    """Integers from low up to, but without, high, all as likely.

    The probabilities of two integers differ by less than 2⁻³² of themselves.

    Args:
        key: a key.
        low: the least integer; an array or traced, too.
        high: the bound above. Where it isn't above `low`, which is refused unless the
            two are traced, the result is `low`.
        shape: of the result; without it, the shape that `low` and `high` have together.
        dtype: any of integers.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, an integer, a shape or such
            a dtype, and for bounds without integers between them.

    >>> wg.random.randint(wg.random.key(0), 1, 7, 8)
    array([3, 2, 6, 4, 4, 3, 6, 4])
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "iu":
        raise TypeMismatch(
            explain("Random integers have an integer dtype.", f"dtype={dtype}",
                    "take int64, or uniform for real numbers.")
        )  # fmt: skip
    low, high = (_bound(x, name) for x, name in ((low, "low"), (high, "high")))
    shape = common_shape(shape, low=low, high=high)
    plain = not is_traced(low) and not is_traced(high)
    if plain:
        _check_between(low, high, dtype)
    full = shape or (1,)
    first = np.broadcast_to(low, full).astype(_LONG)
    span = np.broadcast_to(high, full).astype(_LONG) - first
    if not plain:
        span = np.where(np.broadcast_to(low < high, full), span, np.uint64(0))
    y = first + _below(key, shape, span, plain)
    return shaped(y.astype(dtype), shape)


def _bound(x: Array, name: str) -> Array:
    x = x if is_traced(x) else np.asarray(x)
    dtype = type_of(x).dtype
    if dtype.kind not in "iu":
        raise TypeMismatch(
            explain("The bounds of random integers are integers.",
                    f"{name} of dtype {dtype}", "convert with int(), or use uniform.")
        )  # fmt: skip
    return x


def _check_between(low: Array, high: Array, dtype: np.dtype[Any]) -> None:
    """Refuses bounds that have nothing between them, or that `dtype` doesn't hold."""
    if not low.size or not high.size:
        return
    if not bool(np.all(low < high)):
        raise ShapeMismatch(
            explain("Random integers are at least low and less than high.",
                    f"low={low!s:.40}, high={high!s:.40}", "take low < high.")
        )  # fmt: skip
    least, most = int(np.min(low)), int(np.max(high)) - 1
    limits = np.iinfo(dtype)
    if least < limits.min or most > limits.max:
        raise TypeMismatch(
            explain(f"The integers fit into the dtype, {dtype}.",
                    f"integers from {least} to {most}", "take a wider dtype.")
        )  # fmt: skip


def _below(key: Array, shape: Shape, span: Array, plain: bool) -> Array:
    """Integers below `span`: the whole part of span times a number in [0, 1)."""
    x = draw(key, shape, _LONG, long)
    short = ((x >> _WORD) * span + (((x & _LOW_WORD) * span) >> _WORD)) >> _WORD
    limit = np.uint64(2**32)
    if plain and bool(np.all(span <= limit)):
        return short
    # 64 bits don't divide evenly enough among so many: 64 more, of another stream.
    more = draw(key, shape, _LONG, long, stream=1)
    high, middle = _product(x, span)
    carry = _product(more, span)[0]
    over = (middle + carry < carry).astype(_LONG)
    return np.where(span <= limit, short, high + over)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """The high and the low 64 bits of a·b, schoolbook in halves of 32."""
    a1, a0, b1, b0 = a >> _WORD, a & _LOW_WORD, b >> _WORD, b & _LOW_WORD
    middle = a1 * b0 + ((a0 * b0) >> _WORD)
    other = a0 * b1 + (middle & _LOW_WORD)
    return a1 * b1 + (middle >> _WORD) + (other >> _WORD), a * b
