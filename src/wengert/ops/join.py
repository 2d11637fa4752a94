"""Putting arrays together: concatenate and stack. Linear in all arguments together."""

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Type, promoted
from wengert.ops import batching
from wengert.ops.batching import Args, Mapped, Params


def _concatenate_type(*types: Type, axis: int) -> Type:
    first = types[0].shape
    for t in types:
        if t.ndim != len(first) or any(
            a != b
            for i, (a, b) in enumerate(zip(first, t.shape, strict=False))
            if i != axis
        ):
            raise ShapeMismatch(
                f"`concatenate` needs equal shapes except along axis {axis}.\n"
                f"  Came: shapes {', '.join(str(t.shape) for t in types)}\n"
                "  Do:   reshape, or choose another axis."
            )
    total = sum(t.shape[axis] for t in types)
    return Type((*first[:axis], total, *first[axis + 1 :]), promoted(types))


def _piece(ct: Array, *_args: Type, axis: int, position: int) -> Array:
    start = sum(t.shape[axis] for t in _args[:position])
    stop = start + _args[position].shape[axis]
    return ct[(slice(None),) * axis + (slice(start, stop),)]


def _batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    arrays = batching.everywhere(size, args, mapped)
    return bind(op, *arrays, axis=params["axis"] + 1)


CONCATENATE = register(
    Op(
        name="concatenate",
        evaluate=lambda *arrays, axis: np.concatenate(arrays, axis),
        type_of=_concatenate_type,
        derivative=Linear(_piece, joint=True, many=True),
        batch=_batch,
    )
)


def _stack_type(*types: Type, axis: int) -> Type:
    shape = types[0].shape
    if any(t.shape != shape for t in types):
        raise ShapeMismatch(
            "`stack` needs arrays of one shape.\n"
            f"  Came: shapes {', '.join(str(t.shape) for t in types)}\n"
            "  Do:   np.concatenate for arrays of different lengths."
        )
    return Type((*shape[:axis], len(types), *shape[axis:]), promoted(types))


def _slot(ct: Array, *_args: Type, axis: int, position: int) -> Array:
    return ct[(slice(None),) * axis + (position,)]


STACK = register(
    Op(
        name="stack",
        evaluate=lambda *arrays, axis: np.stack(arrays, axis),
        type_of=_stack_type,
        derivative=Linear(_slot, joint=True, many=True),
        batch=_batch,
    )
)
