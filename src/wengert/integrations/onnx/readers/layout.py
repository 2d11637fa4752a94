"""Shapes, and constants made of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.graph.graph import constant
from wengert.graph.symbols import as_symbol
from wengert.integrations.onnx.errors import CannotImport
from wengert.integrations.onnx.reader import Attributes, axes_of, axis_of, ints, known
from wengert.integrations.onnx.tensors import tensor

Reader = Callable[..., Any]


def _number(x: Any) -> Array:
    return as_symbol(constant(x))


def _reshape(a: Attributes, x: Array, shape: Any = None) -> Array:
    to = list(a.get("shape", ())) if shape is None else [*ints(shape, a, "a shape")]
    if not a.get("allowzero", 0):
        to = [x.shape[i] if n == 0 and i < x.ndim else n for i, n in enumerate(to)]
    return x.reshape(tuple(to))


def _flatten(a: Attributes, x: Array) -> Array:
    axis = int(a.get("axis", 1))
    axis += x.ndim if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _squeeze(a: Attributes, *args: Any) -> Array:
    x = args[0]
    axes = axes_of(a, list(args), x.ndim)
    return np.squeeze(x, axes)


def _unsqueeze(a: Attributes, *args: Any) -> Array:
    x = args[0]
    given = a.get("axes")
    count = len(given) if given is not None else args[1].size
    axes = axes_of(a, list(args), x.ndim + count)
    return np.expand_dims(x, axes or ())


def _transpose(a: Attributes, x: Array) -> Array:
    return np.transpose(x, a.get("perm"))


def _expand(a: Attributes, x: Array, shape: Array) -> Array:
    to = np.broadcast_shapes(x.shape, ints(shape, a, "a shape"))
    return np.broadcast_to(x, to)


def _tile(a: Attributes, x: Array, repeats: Array) -> Array:
    counts = ints(repeats, a, "a count")
    a.room(tuple(n * c for n, c in zip(x.shape, counts, strict=True)), x.dtype)
    return np.tile(x, counts)


def _concat(a: Attributes, *args: Array) -> Array:
    return np.concatenate(args, axis=axis_of(a, args[0].ndim, 0))


def _split(a: Attributes, x: Array, lengths: Any = None) -> tuple[Array, ...]:
    axis = axis_of(a, x.ndim, 0)
    parts = a.get("split") if lengths is None else ints(lengths, a, "a split")
    n = x.shape[axis]
    if parts is None:
        count = int(a.get("num_outputs", a.outputs))
        step = -(-n // count)
        parts = [min(step, max(n - i * step, 0)) for i in range(count)]
    if sum(parts) != n or min(parts, default=0) < 0 or len(parts) != a.outputs:
        raise CannotImport(f"`Split`: parts {list(parts)} of an axis of length {n}.")
    found, start = [], 0
    for m in parts:
        found.append(x[(slice(None),) * axis + (slice(start, start + m),)])
        start += m
    return tuple(found)


def _slice(a: Attributes, x: Array, *args: Any) -> Array:
    names = ("starts", "ends", "axes", "steps")
    given = [
        tuple(a.get(name, ())) if len(args) <= i or args[i] is None
        else ints(args[i], a, name)
        for i, name in enumerate(names)
    ]  # fmt: skip
    starts, ends = given[0], given[1]
    axes = given[2] or tuple(range(len(starts)))
    steps = given[3] or (1,) * len(starts)
    key: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = x.shape[axis]
        if step < 0 and end < -n:
            end = None  # beyond the first element
        key[axis] = slice(start, end, step)
    return x[tuple(key)]


def _pad(a: Attributes, x: Array, *args: Any) -> Array:
    if a.get("mode", "constant") != "constant":
        raise a.refuse(f"mode {a.get('mode')!r}")
    pads = a.get("pads") if not args else ints(args[0], a, "pads")
    value = args[1] if len(args) > 1 and args[1] is not None else None
    at = axes_of(a, [x, *args], x.ndim, place=3) or tuple(range(x.ndim))
    if len(pads) != 2 * len(at):
        raise CannotImport(f"`Pad`: {len(pads)} numbers for {len(at)} axes.")
    wide = [(0, 0)] * x.ndim
    for i, axis in enumerate(at):
        wide[axis] = (pads[i], pads[i + len(at)])
    if min(map(min, wide), default=0) < 0:
        x = x[tuple(slice(max(-l, 0), n + min(r, 0)) for (l, r), n in
                    zip(wide, x.shape, strict=True))]  # fmt: skip
        wide = [(max(l, 0), max(r, 0)) for l, r in wide]
    a.room(tuple(n + l + r for n, (l, r) in zip(x.shape, wide, strict=True)), x.dtype)
    fill = a.get("value", 0) if value is None else known(value, a, "a padding").item()
    return np.pad(x, wide, constant_values=fill)


def _shape(a: Attributes, x: Array) -> Array:
    dims = x.shape[slice(a.get("start", 0), a.get("end"))]
    return _number(np.array(dims, np.int64))


def _size(a: Attributes, x: Array) -> Array:
    return _number(np.array(x.size, np.int64))


def _constant(a: Attributes) -> Array:
    if a.get("value") is not None:
        return _number(tensor(a.get("value"), a.limit))
    for name, dtype in (
        ("value_float", np.float32), ("value_floats", np.float32),
        ("value_int", np.int64), ("value_ints", np.int64),
    ):  # fmt: skip
        if a.get(name) is not None:
            return _number(np.array(a.get(name), dtype))
    raise a.refuse("a constant that isn't a number or an array")


def _constant_of_shape(a: Attributes, shape: Array) -> Array:
    value = a.get("value")
    one = np.zeros(1, np.float32) if value is None else tensor(value, a.limit)
    return np.broadcast_to(_number(one.reshape(())), ints(shape, a, "a shape"))


def _range(a: Attributes, start: Array, limit: Array, step: Array) -> Array:
    first, last, by = (known(x, a, "a range").item() for x in (start, limit, step))
    if not by or not math.isfinite((last - first) / by):
        raise a.refuse(f"a range from {first} to {last} by {by}")
    a.room((max(0, math.ceil((last - first) / by)),), start.dtype)
    return _number(np.arange(first, last, by).astype(start.dtype))


def _onehot(a: Attributes, places: Array, depth: Array, values: Array) -> Array:
    n = ints(depth, a, "a depth")[0]
    a.room((*places.shape, n), values.dtype)
    axis = axis_of(a, places.ndim + 1, -1)
    there = np.expand_dims(np.where(places < 0, places + n, places), axis)
    row = np.reshape(np.arange(n), (n, *[1] * (places.ndim - axis)))
    return np.where(there == row, values[1], values[0])


def _trilu(a: Attributes, x: Array, k: Any = None) -> Array:
    offset = 0 if k is None else ints(k, a, "a diagonal")[0]
    return np.triu(x, offset) if a.get("upper", 1) else np.tril(x, offset)


def _dropout(a: Attributes, x: Array, *rest: Any) -> Array:
    """As in use, not in training."""
    training = rest[1] if len(rest) > 1 else None
    if a.outputs > 1 or (training is not None and known(training, a, "a mode").item()):
        raise a.refuse("training")
    return x


# fmt: off
READERS: dict[str, Reader] = {
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Transpose": _transpose, "Expand": _expand,
    "Tile": _tile, "Concat": _concat, "Split": _split, "Slice": _slice, "Pad": _pad,
    "Shape": _shape, "Size": _size, "Constant": _constant,
    "ConstantOfShape": _constant_of_shape, "Range": _range, "OneHot": _onehot,
    "Trilu": _trilu, "Dropout": _dropout,
}
# fmt: on
