"""Whose memory is whose: copies where somebody could see or make a change.

The tape and the graph work on values as they were when the function ran, and nothing
that a transform returns shares memory with anything else (docs/design/memory.md).
"""

import sys
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, fixed
from wengert.core.types import Array

Snapshots = dict[int, tuple[Array, Array]]


def snapshot(x: Array, made: Snapshots) -> Array:
    """A copy of `x` as it is now; the same one again while `x` stays unchanged.

    Comparing costs a read, copying costs a read, a write and memory that lasts: a loop
    that uses one captured matrix a thousand times keeps one copy of it.
    """
    found = made.get(id(x))
    if found is not None and found[0] is x and _same_bytes(found[1], x):
        return found[1]
    copy = x.copy(order="K")
    made[id(x)] = (x, copy)
    return copy


def _same_bytes(a: Array, b: Array) -> bool:
    """By bytes: -0.0 isn't 0.0, and nan is nan."""
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.hasobject:
        return False
    return bool(np.array_equal(_words(a), _words(b)))


def _words(x: Array) -> Array:
    flat = np.ascontiguousarray(x).reshape(-1)
    return flat.view(np.uint64 if flat.nbytes % 8 == 0 else np.uint8)


def _references(values: list[Any]) -> int:
    x = values[0]
    return sys.getrefcount(x)


# What `_references` says of an array that only its list holds, on this Python.
_ALONE = _references([np.zeros(3)])


def _own_references() -> int:
    x = np.zeros(3)
    return sys.getrefcount(x)


# What `sys.getrefcount(x)` says of an array that only the local variable x holds.
ONE_VARIABLE = _own_references()


def owned(values: list[Array]) -> list[Array]:
    """The arrays, copied where somebody else could see them change.

    Nothing that a transform returns shares memory with an argument, a cotangent,
    another result or the tape.
    """
    out = []
    for i in range(len(values)):
        x = values[i]
        if type(x) is np.ndarray and (
            sys.getrefcount(x) > _ALONE
            or x.base is not None
            or not x.flags.owndata
            or not x.flags.writeable
        ):
            x = x.copy()
        elif isinstance(x, Tracer):
            x = fixed(x)
        elif isinstance(x, float | complex) and type(x) in (float, complex):
            x = np.float64(x) if type(x) is float else np.complex128(x)
        out.append(x)
        values[i] = None
    return out
