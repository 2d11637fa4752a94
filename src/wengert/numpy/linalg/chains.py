"""Products of many matrices, and of one with itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.errors import ShapeMismatch, explain
from wengert.core.types import Array
from wengert.numpy.contract import array, finished
from wengert.numpy.dispatch import implements
from wengert.numpy.linalg.systems import inv


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Array:
    return np.matrix_transpose(array(x))


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Array:
    x, times = array(a), n.__index__()
    if np.ndim(x) < 2 or np.shape(x)[-1] != np.shape(x)[-2]:
        raise ShapeMismatch(
            explain(
                "`matrix_power` needs a square matrix, or a stack of them.",
                f"shape {np.shape(x)}",
                "x ** n for the powers of the elements.",
            )
        )
    if times == 0:
        return np.broadcast_to(
            np.eye(np.shape(x)[-1], dtype=x.dtype), np.shape(x)
        ).copy()
    x, times = (inv(x), -times) if times < 0 else (x, times)
    if times == 1:
        return np.positive(x)  # not the argument itself, which a write would change
    y = None
    while times:
        if times & 1:
            y = x if y is None else y @ x
        times >>= 1
        x = x @ x if times else x
    return y


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Array:
    """As `numpy.linalg.multi_dot`: in the order that takes the fewest products."""
    items = [array(x) for x in arrays]
    if len(items) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, last = np.ndim(items[0]) == 1, np.ndim(items[-1]) == 1
    items[0] = items[0][None, :] if first else items[0]
    items[-1] = items[-1][:, None] if last else items[-1]
    if any(np.ndim(x) != 2 for x in items):
        raise ShapeMismatch(
            explain(
                "`multi_dot` needs matrices; the first and the last may be vectors.",
                f"shapes {', '.join(str(np.shape(x)) for x in items)}",
                "a @ b @ c for stacks of matrices.",
            )
        )
    y = _chained(items, _splits([np.shape(x) for x in items]), 0, len(items) - 1)
    y = y[0] if first else y
    return finished(y[..., 0] if last else y, out)


def _splits(shapes: Sequence[tuple[int, ...]]) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i to j. Source: Cormen et al., 15.2."""
    sizes = [shapes[0][0], *(s[1] for s in shapes)]
    cost = {(i, i): 0 for i in range(len(shapes))}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, len(shapes)):
        for i in range(len(shapes) - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (
                    cost[i, k]
                    + cost[k + 1, j]
                    + sizes[i] * sizes[k + 1] * sizes[j + 1],
                    k,
                )
                for k in range(i, j)
            )
    return split


def _chained(
    items: list[Array], split: dict[tuple[int, int], int], i: int, j: int
) -> Array:
    if i == j:
        return items[i]
    k = split[i, j]
    return _chained(items, split, i, k) @ _chained(items, split, k + 1, j)
