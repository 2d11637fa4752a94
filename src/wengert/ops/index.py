"""Reading and writing by index: NumPy's basic and advanced rules in one static key.

A key has one entry per index: a slice, an int, None for a new axis, or ARRAY for an
integer array, which is an argument of the op. Boolean masks have become integer arrays
and `...` has become slices before they come here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Shape, Type, zeros
from wengert.ops.batching import Args, Mapped, Params

ARRAY = "array"
Key = tuple[Any, ...]


def filled(key: Key, arrays: Sequence[Array]) -> Key:
    """The key as NumPy takes it, with the arrays in their places."""
    rest = iter(arrays)
    return tuple(next(rest) if e is ARRAY or e == ARRAY else e for e in key)


def has_arrays(key: Key) -> bool:
    """Whether NumPy's advanced rules apply."""
    return any(isinstance(e, str) for e in key)


def advanced_place(key: Key) -> int:
    """Where the broadcast axes of the index arrays go in the result.

    In place of the arrays if these stand side by side, in front otherwise; an int
    counts as an array.
    """
    at = [i for i, e in enumerate(key) if isinstance(e, str | int)]
    if at[-1] - at[0] + 1 != len(at):
        return 0
    return at[0]


def result_shape(shape: Shape, key: Key, arrays: Sequence[Shape]) -> Shape:
    """The shape of `x[key]`."""
    dims: list[int] = []
    axis = 0
    for e in key:
        if e is None:
            dims.append(1)
            continue
        n = shape[axis]
        if isinstance(e, slice):
            dims.append(len(range(*e.indices(n))))
        elif isinstance(e, int) and not -n <= e < n:
            raise IndexError(
                f"index {e} is out of bounds for axis {axis} with size {n}"
            )
        axis += 1
    if not has_arrays(key):
        return tuple(dims)
    place = advanced_place(key)
    return (*dims[:place], *_together(arrays), *dims[place:])


def _together(arrays: Sequence[Shape]) -> Shape:
    try:
        return np.broadcast_shapes(*arrays)
    except ValueError:
        shapes = " ".join(map(str, arrays))
        raise IndexError(
            "shape mismatch: indexing arrays could not be broadcast together with "
            f"shapes {shapes}"
        ) from None


# index: x[key] --------------------------------------------------------------------


def _index_type(x: Type, *arrays: Type, key: Key) -> Type:
    return Type(result_shape(x.shape, key, [a.shape for a in arrays]), x.dtype)


def _index_transpose(ct: Array, _x: Type, *arrays: Array, key: Key) -> Array:
    return bind(INDEX_ADD, zeros(Type(_x.shape, ct.dtype)), ct, *arrays, key=key)


def _index_into(buffer: Array, ct: Array, _x: Type, *arrays: Array, key: Key) -> None:
    if arrays:
        np.add.at(buffer, filled(key, arrays), ct)
    else:
        buffer[key] += ct


def _index_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    x, *arrays = args
    key = params["key"]
    if not arrays:
        return bind(op, x, key=(slice(None), *key))
    rank = max(
        np.ndim(a) - m for a, m in zip(arrays, mapped[1:], strict=True)
    )  # of the broadcast arrays of one item
    arrays = _aligned(arrays, mapped[1:], size, rank)
    place = advanced_place(key)
    if not mapped[0]:
        return np.moveaxis(bind(op, x, *arrays, key=key), place, 0)
    items = np.arange(size).reshape(size, *(1,) * rank)
    y = bind(op, x, items, *arrays, key=(ARRAY, *key))
    return _moved(y, rank, place)


def _aligned(
    arrays: Sequence[Array], mapped: Sequence[bool], size: int, rank: int
) -> list[Array]:
    return [
        np.reshape(a, (size, *(1,) * (rank + 1 - a.ndim), *a.shape[1:])) if m else a
        for a, m in zip(arrays, mapped, strict=True)
    ]


def _moved(y: Array, rank: int, place: int, back: bool = False) -> Array:
    """Advanced axes from behind the mapped axis to where one item has them."""
    if not place or not rank:
        return y
    front = tuple(range(1, 1 + rank))
    there = tuple(range(1 + place, 1 + place + rank))
    return np.moveaxis(y, there, front) if back else np.moveaxis(y, front, there)


INDEX = register(
    Op(
        name="index",
        evaluate=lambda x, *arrays, key: x[filled(key, arrays) if arrays else key],
        type_of=_index_type,
        derivative=Linear(_index_transpose, None),
        batch=_index_batch,
        view=True,
        into=_index_into,
    )
)


# index_set: a copy of x with x[key] = v; index_add: with x[key] += v ----------------


def _evaluate_set(x: Array, v: Array, *arrays: Array, key: Key) -> Array:
    out = np.array(x)
    out[filled(key, arrays)] = v
    return out[()]


def _evaluate_add(x: Array, v: Array, *arrays: Array, key: Key) -> Array:
    out = np.array(x)
    if arrays:
        np.add.at(out, filled(key, arrays), v)
    else:
        out[key] += v
    return out[()]


def _write_type(x: Type, v: Type, *arrays: Type, key: Key) -> Type:
    place = result_shape(x.shape, key, [a.shape for a in arrays])
    try:
        fits = np.broadcast_shapes(place, v.shape) == place
    except ValueError:
        fits = False
    if not fits:
        raise ShapeMismatch(
            f"A write needs a value that broadcasts to the place's shape {place}.\n"
            f"  Came: shape {v.shape}\n"
            "  Do:   reshape the value, or index another place."
        )
    return Type(x.shape, x.dtype)


def _set_base(ct: Array, _x: Type, _v: Type, *arrays: Array, key: Key) -> Array:
    return bind(INDEX_SET, ct, ct.dtype.type(0), *arrays, key=key)


def _set_value(ct: Array, _x: Type, _v: Type, *arrays: Array, key: Key) -> Array:
    """What was written is read; of several writes to one place the last one stays."""
    taken = bind(INDEX, ct, *arrays, key=key)
    if not arrays:
        return taken
    order = np.arange(taken.size).reshape(taken.shape)
    last = bind(INDEX_SET, np.zeros(_x.shape, order.dtype), order, *arrays, key=key)
    stays = bind(INDEX, last, *arrays, key=key) == order
    return np.where(stays, taken, 0.0)


def _set_consume(
    ct: Array, _x: Type, _v: Type, *arrays: Array, key: Key
) -> tuple[Array | None, ...]:
    """Both cotangents; that of `x` is `ct` itself with the place zeroed."""
    value = _set_value(ct, _x, _v, *arrays, key=key)
    if any(isinstance(a, Tracer) for a in arrays):
        return _set_base(ct, _x, _v, *arrays, key=key), value, *[None] * len(arrays)
    value = np.array(value)
    ct[filled(key, arrays)] = 0
    return ct, value, *[None] * len(arrays)


def _add_value(ct: Array, _x: Type, _v: Type, *arrays: Array, key: Key) -> Array:
    return bind(INDEX, ct, *arrays, key=key)


def _write_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    x, v, *arrays = args
    key = params["key"]
    if not mapped[0]:
        x = np.broadcast_to(x, (size, *np.shape(x)))
    shapes = [
        np.shape(a)[1:] if m else np.shape(a)
        for a, m in zip(arrays, mapped[2:], strict=True)
    ]
    place_shape = result_shape(x.shape[1:], key, shapes)
    if mapped[1]:
        ones = (1,) * (len(place_shape) - (v.ndim - 1))
        v = np.reshape(v, (size, *ones, *v.shape[1:]))
    if not arrays:
        return bind(op, x, v, key=(slice(None), *key))
    rank = max(map(len, shapes))
    items = np.arange(size).reshape(size, *(1,) * rank)
    v = np.broadcast_to(v, (size, *place_shape))
    v = _moved(v, rank, advanced_place(key), back=True)
    arrays = _aligned(arrays, mapped[2:], size, rank)
    return bind(op, x, v, items, *arrays, key=(ARRAY, *key))


INDEX_SET = register(
    Op(
        name="index_set",
        evaluate=_evaluate_set,
        type_of=_write_type,
        derivative=Linear(_set_base, _set_value, None, joint=True),
        batch=_write_batch,
        consume=_set_consume,
    )
)

INDEX_ADD = register(
    Op(
        name="index_add",
        evaluate=_evaluate_add,
        type_of=_write_type,
        derivative=Linear(
            lambda ct, _x, _v, *_arrays, key: ct, _add_value, None, joint=True
        ),
        batch=_write_batch,
    )
)
