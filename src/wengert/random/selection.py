"""Choosing among alternatives, and putting items into a random order."""

from typing import Any

import numpy as np

from wengert.core.bind import is_traced
from wengert.core.errors import ShapeMismatch, explain
from wengert.core.types import Array, type_of
from wengert.random.continuous import gumbel, uniform
from wengert.random.draw import shaped
from wengert.random.integers import bits, randint
from wengert.random.keys import shape_of


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
    array([2, 2, 2, 2, 2, 1])
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
        TypeMismatch, ShapeMismatch: for what isn't a key, a number of items, an array.

    >>> wg.random.permutation(wg.random.key(0), 5)
    array([1, 0, 4, 3, 2])
    """
    n, x = _items(x, axis)
    # Two equal numbers of 64 bits, which would keep their order, are less likely
    # than one in 10⁷ even among 10⁶ items.
    order = np.argsort(bits(key, n, np.uint64), kind="stable")
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
    array([3., 2., 5., 3.])
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
