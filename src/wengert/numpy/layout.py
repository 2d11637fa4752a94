"""Shapes: NumPy's signatures in terms of the layout ops."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, bottom, known
from wengert.core.errors import ShapeMismatch, explain
from wengert.core.pending import Pending
from wengert.core.types import Array, Shape
from wengert.numpy.dispatch import canonical_axis, implements, operand
from wengert.numpy.views import View, bind_view
from wengert.ops import layout


def _full_shape(shape: Any, size: int) -> Shape:
    """A requested shape with its -1, if it has one, worked out."""
    wanted = (
        [s.__index__() for s in shape] if np.iterable(shape) else [shape.__index__()]
    )
    if -1 in wanted:
        at = wanted.index(-1)
        others = 1
        for n in wanted[:at] + wanted[at + 1 :]:
            others *= n
        if wanted.count(-1) > 1 or not others or size % others:
            raise ShapeMismatch(
                explain(
                    "`reshape` takes one -1 at most, for the length that the others "
                    "leave: their product divides the size.",
                    f"cannot reshape array of size {size} into shape {tuple(wanted)}",
                    "give all lengths, or others.",
                )
            )
        wanted[at] = size // others
    return tuple(wanted)


@implements(np.reshape)
def reshape(
    a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None,
    copy: bool | None = None,
) -> Array:  # fmt: skip
    x = operand(a)
    full = _full_shape(newshape if shape is None else shape, x.size)
    if _is_fortran(order, np.ndim(x)):
        return transpose(reshape(transpose(x), full[::-1], copy=copy))
    y = bind(layout.RESHAPE, x, shape=full)
    view = isinstance(y, Tracer) and copy is not True and _is_view(x, full)
    if copy is False and not view:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    return View(x, y, layout.RESHAPE, {"shape": full}) if view else y


def _is_fortran(order: str, ndim: int) -> bool:
    if order not in ("C", "F") and ndim > 1:
        raise ValueError(
            f"order={order!r} depends on how an array lies in memory, which a traced "
            'value leaves open.\n  Do: pass order="C" or order="F".'
        )
    return order == "F"


def _is_view(x: Array, shape: Shape) -> bool:
    """Whether NumPy's reshape is a view: it copies where strides can't express it."""
    if np.ndim(x) == 0 and not isinstance(x, View):
        return False  # a number, not an array: nothing to look into
    if _splits(x.shape, shape):
        return True
    try:
        np.reshape(_lying(x), shape, copy=False)
    except ValueError:
        return False
    return True


def _splits(old: Shape, new: Shape) -> bool:
    """Whether axes are only split, dropped or added, which strides always express."""
    lengths = [n for n in new if n != 1]
    for n in old:
        taken = 1
        while taken < n and lengths:
            taken *= lengths.pop(0)
        if taken != n:
            return False
    return not lengths


def _lying(x: Array) -> Array:
    """A plain array that lies in memory as `x` does (under vmap: as one item does)."""
    root = x
    while isinstance(root, View):
        root = root.source
    value = bottom(root)
    if type(value) is Pending and value.in_order():
        return _imagined(x)
    value = known(x)
    if value is None or not np.size(value):
        return _imagined(x)
    value = np.asarray(value)
    return value[(0,) * (value.ndim - np.ndim(x)) + (...,)]


def _imagined(x: Array) -> Array:
    """An array with the strides that `x` would have; its elements are never touched."""
    chain: list[View] = []
    while isinstance(x, View):
        chain.append(x)
        x = x.source
    steps = [1]
    for n in reversed(x.shape[1:]):
        steps.insert(0, steps[0] * n)
    strides = steps[: x.ndim]
    like = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), x.shape, strides)
    for view in reversed(chain):
        like = view.op.evaluate(like, **view.params)
    return like


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Array:
    x = operand(a)
    flag = "F_CONTIGUOUS" if _is_fortran(order, np.ndim(x)) else "C_CONTIGUOUS"
    return reshape(x, -1, order, copy=None if _lying(x).flags[flag] else True)


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Array:
    x = operand(a)
    n = np.ndim(x)
    order = range(n)[::-1] if axes is None else axes
    full = tuple(canonical_axis(i, n) for i in order)
    if sorted(full) != list(range(n)):
        raise ValueError("axes don't match array")
    return bind_view(layout.TRANSPOSE, x, axes=full)


@implements(np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Array:
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Array:
    n = np.ndim(a)
    i, j = canonical_axis(axis1, n), canonical_axis(axis2, n)
    axes = list(range(n))
    axes[i], axes[j] = j, i
    return transpose(a, axes)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Array:
    n = np.ndim(a)
    source = [source] if not np.iterable(source) else source
    destination = [destination] if not np.iterable(destination) else destination
    start = [canonical_axis(i, n) for i in source]
    end = [canonical_axis(i, n) for i in destination]
    order = [i for i in range(n) if i not in start]
    for place, axis in sorted(zip(end, start, strict=True)):
        order.insert(place, axis)
    return transpose(a, order)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: Any, start: Any = 0) -> Array:
    n = np.ndim(a)
    i = canonical_axis(axis, n)
    to = start + n if start < 0 else start
    return moveaxis(a, i, to - 1 if i < to else to)


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Array:
    x = operand(a)
    shape = np.shape(x)
    if axis is None:
        return reshape(x, [n for n in shape if n != 1])
    axes = axis if isinstance(axis, tuple) else (axis,)
    gone = {canonical_axis(i, len(shape)) for i in axes}
    if any(shape[i] != 1 for i in gone):
        raise ValueError(
            "cannot select an axis to squeeze out which has size not equal to one"
        )
    return reshape(x, [n for i, n in enumerate(shape) if i not in gone])


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Array:
    x = operand(a)
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    n = np.ndim(x) + len(axes)
    new = {canonical_axis(i, n) for i in axes}
    if len(new) != len(axes):
        raise ValueError("repeated axis")
    old = iter(np.shape(x))
    return reshape(x, [1 if i in new else next(old) for i in range(n)])


@implements(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    out = tuple(x if np.ndim(x) else reshape(x, 1) for x in map(operand, arrays))
    return out[0] if len(out) == 1 else out


@implements(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    out = tuple(
        x if np.ndim(x) > 1 else reshape(x, (1, -1)) for x in map(operand, arrays)
    )
    return out[0] if len(out) == 1 else out


@implements(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    out = []
    for x in map(operand, arrays):
        if np.ndim(x) < 2:
            x = reshape(x, (1, -1, 1))
        out.append(x if np.ndim(x) > 2 else reshape(x, (*np.shape(x), 1)))
    return out[0] if len(out) == 1 else tuple(out)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Array:
    full = tuple(shape) if np.iterable(shape) else (shape,)
    return bind(layout.BROADCAST_TO, operand(array), shape=tuple(int(n) for n in full))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Array, ...]:
    arrays = [operand(x) for x in args]
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Array:
    x = operand(m)
    n = np.ndim(x)
    axes = range(n) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    full = tuple(sorted(canonical_axis(i, n) for i in axes))
    if len(set(full)) != len(full):
        raise ValueError("repeated axis")
    return bind_view(layout.FLIP, x, axis=full)


@implements(np.fliplr)
def fliplr(m: Any) -> Array:
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Array:
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    n = np.ndim(m)
    i, j = (canonical_axis(a, n) for a in axes)
    if i == j:
        raise ValueError(f"Axes={axes} must be different.")
    if k % 4 == 0:
        return flip(m, ())
    if k % 4 == 2:
        return flip(m, (i, j))
    return swapaxes(flip(m, j), i, j) if k % 4 == 1 else flip(swapaxes(m, i, j), j)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Array:
    x = operand(a)
    if axis is None:
        return reshape(roll(reshape(x, -1), shift, 0), np.shape(x))
    axes = tuple(axis) if np.iterable(axis) else (axis,)
    shifts = tuple(shift) if np.iterable(shift) else (shift,) * len(axes)
    axes = axes * len(shifts) if len(axes) == 1 else axes
    if len(axes) != len(shifts):
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    full = tuple(canonical_axis(i, np.ndim(x)) for i in axes)
    return bind(layout.ROLL, x, shift=tuple(int(s) for s in shifts), axis=full)


@implements(np.shape)
def shape(a: Any) -> Shape:
    result: Shape = a.shape
    return result


@implements(np.ndim)
def ndim(a: Any) -> int:
    return len(a.shape)


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    if axis is None:
        return int(a.size)
    return int(np.prod([a.shape[i] for i in np.atleast_1d(axis)]))
