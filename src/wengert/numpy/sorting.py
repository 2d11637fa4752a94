"""Sorting: NumPy's signatures in terms of the sort ops."""

import operator
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.numpy.dispatch import canonical_axis, implements, operand
from wengert.numpy.indexing import concrete
from wengert.ops import sort as ops


def _along(a: Any, axis: Any) -> tuple[Array, int]:
    """The array, flat if `axis` is None, and the axis as a non-negative int."""
    x = operand(a)
    if axis is None:
        return np.reshape(x, -1), 0
    return x, canonical_axis(operator.index(axis), np.ndim(x))


def _check(kind: Any, order: Any, stable: Any) -> None:
    np.sort(np.zeros(0), kind=kind, order=order, stable=stable)  # raises NumPy's errors


@implements(np.sort)
def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Array:
    _check(kind, order, stable)
    x, place = _along(a, axis)
    found = bind(ops.ARGSORT, x, axis=place, kind="stable")
    return bind(ops.PERMUTE, x, found, axis=place, inverse=False)


@implements(np.argsort)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Array:
    _check(kind, order, stable)
    x, place = _along(a if np.ndim(a) else np.reshape(operand(a), 1), axis)
    return bind(ops.ARGSORT, x, axis=place, kind="stable" if stable else kind)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Array:
    x = sort(a)
    small, large = x.dtype.char in "bhBH", x.dtype.char == "g"
    if x.dtype.kind == "c":
        return x
    return np.astype(x, np.dtype("F" if small else "G" if large else "D"))


def _places(kth: Any, x: Array, axis: int) -> tuple[int, ...]:
    given = np.atleast_1d(np.asarray(kth))
    if given.dtype.kind not in "iu":
        raise TypeError("Partition index must be integer")
    n = np.shape(x)[axis]
    return tuple(int(k) + n if -n <= k < 0 else int(k) for k in given)


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Array:
    _check(None, order, None)
    x, place = _along(a, axis)
    found = bind(ops.PARTITION_ORDER, x, axis=place, kth=_places(kth, x, place))
    return bind(ops.PERMUTE, x, found, axis=place, inverse=False)


@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Array:
    _check(None, order, None)
    x, place = _along(a, axis)
    return bind(ops.ARGPARTITION, x, axis=place, kth=_places(kth, x, place))


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Array:
    columns = [operand(key) for key in keys]
    if not columns:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    place = canonical_axis(operator.index(axis), np.ndim(columns[0]))
    return bind(ops.LEXSORT, *columns, axis=place)


@implements(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: Any = None, *, equal_nan: bool = True,
    sorted: bool = True,
) -> Any:  # fmt: skip
    x = operand(ar)
    place = None if axis is None else canonical_axis(operator.index(axis), np.ndim(x))
    find: Any = np.unique  # its overloads know literal flags only
    found = find(
        concrete(x, "unique"), True, return_inverse, return_counts, place,
        equal_nan=equal_nan,
    )  # fmt: skip
    first: Any = found[1]
    if place is None:
        values = np.reshape(x, -1)[first]
    else:
        values = x[(slice(None),) * place + (first,)]
    rest = found[2:]
    if return_index:
        rest = (first, *rest)
    return (values, *rest) if rest else values
