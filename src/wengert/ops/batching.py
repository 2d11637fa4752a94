"""How a mapped axis passes through an op: the shared cases.

A batch rule is `batch(op, size, args, mapped, params)`: where `mapped[i]` is true,
`args[i]` has the mapped axis, of length `size`, in front. So has the result.
"""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op
from wengert.core.types import Array, Type, type_of

Args = tuple[Array, ...]
Mapped = tuple[bool, ...]
Params = dict[str, Any]


def elementwise(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Any:
    """Broadcasting does the rest, once all mapped arguments have the same rank."""
    ndims = [
        np.ndim(a) if not m else a.ndim - 1 for a, m in zip(args, mapped, strict=True)
    ]
    rank = max(ndims)
    aligned = [
        a.reshape(size, *(1,) * (rank - n), *a.shape[1:]) if m and n < rank else a
        for a, m, n in zip(args, mapped, ndims, strict=True)
    ]
    return bind(op, *aligned, **params)


def everywhere(size: int, args: Args, mapped: Mapped) -> list[Array]:
    """All arguments with the mapped axis; those without it repeated (no copy)."""
    return [
        a if m else np.broadcast_to(a, (size, *np.shape(a)))
        for a, m in zip(args, mapped, strict=True)
    ]


def each(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Any:
    """One call per item, for ops that have no form with an axis in front."""
    if size == 0:
        return _no_items(op, args, mapped, params)
    results = [
        bind(
            op, *(a[i] if m else a for a, m in zip(args, mapped, strict=True)), **params
        )
        for i in range(size)
    ]
    if op.multiple:
        return tuple(np.stack(column) for column in zip(*results, strict=True))
    return np.stack(results)


def _no_items(op: Op, args: Args, mapped: Mapped, params: Params) -> Any:
    """The result for no items at all: only the types say what it is."""
    types = [
        Type(t.shape[1:], t.dtype) if m else t
        for t, m in zip(map(type_of, args), mapped, strict=True)
    ]
    made = op.type_of(*types, **params)
    if op.multiple:
        return tuple(np.zeros((0, *t.shape), t.dtype) for t in made)
    return np.zeros((0, *made.shape), made.dtype)
