"""Random bits, signs, integers, choices and orders."""

from typing import Any

import numpy as np

from wengert.core.bind import is_traced
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array, Shape, type_of
from wengert.random.continuous import gumbel, uniform
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
    array([4070199207, 4191276562], dtype=uint32)
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
    array([False,  True,  True, False])
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
    array([-1, -1, -1,  1])
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
    array([3, 2, 4, 4, 6, 3, 4, 6])
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


def categorical(key: Array, logits: Array, axis: int = -1, shape: Any = None) -> Array:
    """Places along an axis, with probabilities proportional to exp(logits).

    Args:
        key: a key.
        logits: logarithms of weights; −inf is never chosen.
        axis: the axis of the alternatives.
        shape: of the result; it ends with the shape that `logits` have without the
            axis, which it is without this argument. Axes before are further draws.

    Returns:
        An array of integers, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, or a shape that fits.

    >>> wg.random.categorical(wg.random.key(0), np.log([0.1, 0.2, 0.7]), shape=6)
    array([0, 2, 2, 1, 2, 2])
    """
    logits = np.moveaxis(logits, axis, -1)
    t = type_of(logits)
    if not t.shape or not t.shape[-1]:
        raise ShapeMismatch(
            explain("Logits have an axis with one alternative or more.",
                    f"logits of shape {t.shape}", "give an array of some alternatives.")
        )  # fmt: skip
    batch = t.shape[:-1]
    found = batch if shape is None else shape_of(shape)
    if found[len(found) - len(batch) :] != batch:
        raise ShapeMismatch(
            explain("The shape ends with that of the logits without their axis.",
                    f"shape={found}, logits for {batch}",
                    f"take shape=(..., *{batch}), or leave it out.")
        )  # fmt: skip
    dtype = np.float32 if t.dtype == np.float32 else np.float64
    noise = gumbel(key, (*found, t.shape[-1]), dtype)
    return np.argmax(logits + noise, axis=-1)


def permutation(key: Array, x: Any, axis: int = 0) -> Array:
    """A random order of the integers below x, or of the items of an array.

    Args:
        key: a key.
        x: how many integers, or an array. The result is differentiable in its elements.
        axis: along which items stay whole.

    Returns:
        The integers, or the array, in the new order.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a number of items or an array.

    >>> wg.random.permutation(wg.random.key(0), 5)
    array([1, 3, 0, 4, 2])
    """
    n, x = _items(x, axis)
    # Two equal numbers of 64 bits, which would keep their order, are less likely
    # than one in 10⁷ even among 10⁶ items.
    order = np.argsort(bits(key, n, _LONG), kind="stable")
    return order if x is None else np.take(x, order, axis=axis)


def choice(
    key: Array,
    a: Any,
    shape: Any = (),
    replace: bool = True,
    p: Array | None = None,
    axis: int = 0,
) -> Array:
    """Items of an array, or integers below a number, chosen at random.

    Args:
        key: a key.
        a: an array, or how many integers. The result is differentiable in its elements.
        shape: how many, or a shape of them.
        replace: whether an item may be chosen again.
        p: probabilities of the items, or weights in proportion to them; all the same
            without it. The result isn't differentiable in them.
        axis: along which items of `a` are chosen.

    Returns:
        An array in which `shape` stands where `a` has `axis`, or one item.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or items, for `p` of
            another length, and for more items than there are, without replacement.

    >>> wg.random.choice(wg.random.key(0), np.array([2.0, 3.0, 5.0]), 4)
    array([3., 2., 3., 3.])
    """
    n, items = _items(a, axis)
    shape = shape_of(shape)
    count = int(np.prod(shape))
    if p is not None and type_of(p).shape != (n,):
        raise ShapeMismatch(
            explain(f"One probability for each of {n} items.",
                    f"p of shape {type_of(p).shape}", f"give p of shape ({n},).")
        )  # fmt: skip
    if count > (n if not replace else count if n else 0):
        raise ShapeMismatch(
            explain("Without replacement, no more items than there are; never from "
                    "none.", f"{count} of {n} items",
                    "take fewer, or replace=True with one item or more.")
        )  # fmt: skip
    if not replace:
        found = np.reshape(_order(key, n, p)[:count], shape or (1,))
    elif p is None:
        found = np.reshape(randint(key, 0, max(n, 1), shape), shape or (1,))
    else:
        total = np.cumsum(p)
        u = np.reshape(uniform(key, shape), shape or (1,)) * total[-1]
        below = np.nextafter(total[-1], 0.0)  # where u·total was rounded up
        found = np.searchsorted(total, np.minimum(u, below), side="right")
    found = shaped(found, shape)
    return found if items is None else np.take(items, found, axis=axis)


def _order(key: Array, n: int, p: Array | None) -> Array:
    """All places, in the order in which they would be chosen without replacement."""
    if p is None:
        return permutation(key, n)
    with np.errstate(divide="ignore"):  # probability 0 comes last
        weights = np.log(p)
    return np.argsort(-(weights + gumbel(key, n)), kind="stable")


def _items(x: Any, axis: int) -> tuple[int, Array | None]:
    """How many items, and the array that they are items of, if any."""
    if not is_traced(x):
        x = np.asarray(x)
        if not x.shape:
            return shape_of(x[()], "The number of items")[0], None
    shape = type_of(x).shape
    if not -len(shape) <= axis < len(shape):
        raise ShapeMismatch(
            explain("The items are a static number, or along an axis of an array.",
                    f"shape {shape}, axis={axis}", "give an axis that the array has.")
        )  # fmt: skip
    return shape[axis], x
