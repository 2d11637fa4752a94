"""Looking up places in sorted arrays: integers, so without a derivative."""

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Op, Zero, register
from wengert.core.types import Array, Type
from wengert.ops import batching
from wengert.ops.batching import Args, Mapped, Params


def _type(a: Type, v: Type, *, side: str) -> Type:
    if a.ndim != 1:
        raise ShapeMismatch(
            "`searchsorted` looks in a sorted array with one axis.\n"
            f"  Came: shape {a.shape}\n  Do:   pass a sorted 1-D array."
        )
    return Type(v.shape, np.dtype(np.intp))


def _batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    """One sorted array serves any shape of values; several need a call each."""
    if mapped[0]:
        return batching.each(op, size, args, mapped, params)
    return bind(op, *args, **params)


SEARCHSORTED = register(
    Op(
        name="searchsorted",
        evaluate=lambda a, v, *, side: np.searchsorted(a, v, side),
        type_of=_type,
        derivative=Zero("an index"),
        batch=_batch,
    )
)
