"""Keys, which name streams of random numbers: made, split, folded with numbers.

A key is a uint32 array of shape (2,), an ordinary value: it can be an argument, be
saved, be batched. Each key names 2⁶⁴ pairs of words; a split takes pairs for new keys.
"""

import operator
from typing import Any

import numpy as np

from wengert.core.bind import is_traced
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array, Shape, type_of
from wengert.random.threefry import threefry

WORD = np.dtype(np.uint32)
_MOST = 2**32  # elements of one draw: what one word counts


def key(seed: Any) -> Array:
    """The key that belongs to a seed.

    Args:
        seed: an integer from −2⁶³ to 2⁶⁴ − 1, traced or not. Every seed has its own key
            (but −n and 2⁶⁴ − n the same one); the streams of seeds that are
            neighbours have nothing in common.

    Returns:
        A uint32 array of shape (2,).

    Raises:
        TypeMismatch: if the seed isn't an integer, or has more than 64 bits.

    >>> wg.random.key(7)
    array([0, 7], dtype=uint32)
    """
    return np.concatenate(_halves(seed, "A seed"))


def split(key: Array, n: int | tuple[int, ...] = 2) -> Array:
    """New keys from one key, which should not be used again.

    Args:
        key: a key, as `key` gives.
        n: how many, or a shape of them. The first ones don't depend on how many.

    Returns:
        A uint32 array of shape (n, 2), or (*n, 2). Its items are keys.

    Raises:
        TypeMismatch, ShapeMismatch: if `key` is no key, or `n` is negative.

    >>> first, second = wg.random.split(wg.random.key(0))
    >>> first
    array([1797259609, 2579123966], dtype=uint32)
    """
    shape = shape_of(n, "The number of keys")
    words = threefry(words_of(key), counters(size_of(shape)))
    return np.reshape(np.stack(words, axis=-1), (*shape, 2))


def fold_in(key: Array, data: Any) -> Array:
    """The key that belongs to a key and a number: of a step, a layer, a process.

    Args:
        key: a key. It may be folded with many numbers, but not be used otherwise.
        data: an integer from −2⁶³ to 2⁶⁴ − 1, traced or not.

    Returns:
        A key.

    Raises:
        TypeMismatch, ShapeMismatch: if `key` is no key, or `data` no integer.

    >>> wg.random.fold_in(wg.random.key(0), 1)
    array([ 928981903, 3453687069], dtype=uint32)
    """
    return np.concatenate(threefry(words_of(key), _halves(data, "Data to fold in")))


def counters(n: int, start: int = 0, stream: int = 0) -> tuple[Array, Array]:
    """The counters of `n` elements from `start` on, in one of 2³² streams of a key."""
    low = np.arange(start, start + n, dtype=WORD)
    return np.full(1, stream, WORD), low


def words_of(key: Array) -> tuple[Array, Array]:
    """The two words of a key, as arrays of one element; refuses what is no key."""
    wanted = "A key is a uint32 array of shape (2,), as wg.random.key(seed) gives."
    if not is_traced(key) and not isinstance(key, np.ndarray):
        raise TypeMismatch(
            explain(wanted, f"{type(key).__name__} ({key!r:.40})",
                    "pass wg.random.key(seed), or one that wg.random.split gives.")
        )  # fmt: skip
    found = type_of(key)
    if found.dtype != WORD:
        raise TypeMismatch(
            explain(wanted, str(found),
                    "pass wg.random.key(seed); arithmetic with keys has no use.")
        )  # fmt: skip
    if found.shape != (2,):
        many = found.shape[-1:] == (2,)
        raise ShapeMismatch(
            explain(wanted, f"an array of shape {found.shape}",
                    "call it once per key, with wg.vmap or a loop." if many
                    else "pass wg.random.key(seed).")
        )  # fmt: skip
    return key[:1], key[1:]


def _halves(x: Any, what: str) -> tuple[Array, Array]:
    """The high and the low word of an integer, as arrays of one element."""
    if not is_traced(x):
        x = _integer(x, what)
    t = type_of(x)
    if t.dtype.kind not in "iu":
        raise TypeMismatch(
            explain(f"{what} is an integer.", str(t), "take an integer, traced or not.")
        )
    if t.shape:
        raise ShapeMismatch(
            explain(f"{what} is one integer.", f"an array of shape {t.shape}",
                    "call it once per item, with wg.vmap or a loop.")
        )  # fmt: skip
    long = np.reshape(x, (1,)).astype(np.uint64)
    return (long >> np.uint64(32)).astype(WORD), long.astype(WORD)


def _integer(x: Any, what: str) -> Array:
    """A plain integer as a NumPy one of 64 bits."""
    try:
        if isinstance(x, bool | np.bool_) or np.ndim(x):
            raise TypeError
        n = operator.index(x)
    except TypeError:
        came = f"{type(x).__name__} ({x!r:.40})"
        raise TypeMismatch(
            explain(f"{what} is an integer.", came, "take an integer, such as 0.")
        ) from None
    if not -(2**63) <= n < 2**64:
        raise TypeMismatch(
            explain(f"{what} has at most 64 bits: −2⁶³ to 2⁶⁴ − 1.",
                    f"one of {n.bit_length()} bits",
                    "fold the rest in: wg.random.fold_in(key, more).")
        )  # fmt: skip
    return np.asarray(n, np.int64 if n < 2**63 else np.uint64)


def shape_of(shape: Any, what: str = "The shape of a draw") -> Shape:
    """A shape given as an integer or a sequence of such; refuses negative ones."""
    try:
        found = tuple(
            operator.index(n) for n in (shape if np.iterable(shape) else (shape,))
        )
    except TypeError:
        raise TypeMismatch(
            explain(f"{what} is an integer or a tuple of them.", f"{shape!r:.60}",
                    "give it as static integers; under jit, not as traced values.")
        ) from None  # fmt: skip
    if min(found, default=0) < 0 or size_of(found) >= _MOST:
        raise ShapeMismatch(
            explain(f"{what} has no negative numbers, and fewer than 2³² elements.",
                    str(shape), "draw larger ones in parts, each from its own key.")
        )  # fmt: skip
    return found


def size_of(shape: Shape) -> int:
    """Number of elements of a shape."""
    size = 1
    for n in shape:
        size *= n
    return size
