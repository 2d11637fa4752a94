"""Threefry-2x32 with 20 rounds: a counter and a key become two random words.

A keyed permutation of 64 bits, made of additions, rotations and exclusive ors: no
state, so any element of a stream is computed without those before it, and the results
don't depend on the machine, on the number of threads, or on batching and compiling.

Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3
(SC 2011), with the constants of the authors' Random123 library.
"""

import numpy as np

from wengert.core.types import Array

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)  # so that a key of zeros is no special one
_WORD = 32


def threefry(key: tuple[Array, Array], counter: tuple[Array, Array]) -> list[Array]:
    """The two words that stand at `counter` in the stream of `key`.

    Args:
        key: two uint32 arrays.
        counter: two uint32 arrays that broadcast with them. Arrays of at least one
            axis, here and there: NumPy warns where a scalar's addition wraps around.

    Returns:
        Two uint32 arrays of their common shape.

    >>> zero = np.zeros(1, np.uint32)
    >>> [hex(word[0]) for word in threefry((zero, zero), (zero, zero))]
    ['0x6b200159', '0x99ba4efe']
    """
    keys = (*key, key[0] ^ key[1] ^ _PARITY)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x = x + y
            y = ((y << bits) | (y >> (_WORD - bits))) ^ x
        x = x + keys[(group + 1) % 3]
        y = y + (keys[(group + 2) % 3] + np.uint32(group + 1))
    return [x, y]
