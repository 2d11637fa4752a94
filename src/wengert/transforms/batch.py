"""vmap: a function of one item, applied to all items at once along a mapped axis."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from wengert.core import tree
from wengert.core.bind import Interpreter, Tracer
from wengert.core.errors import ShapeMismatch, TracedValueError, at_the_edge, explain
from wengert.core.op import Op
from wengert.core.memory import owned
from wengert.core.types import Array, Shape
from wengert.transforms.leaves import check_leaf


class Batch(Interpreter):
    """Carries the mapped axis, always the first of a tracer's value."""

    __slots__ = ("size",)
    verb = "mapped"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def lift(self, x: Array) -> Tracer:
        """A constant, the same for every item."""
        shape = (self.size, *np.shape(x))
        return Tracer(self, np.broadcast_to(x, shape), None)

    def shape_of(self, x: Tracer) -> Shape:
        """The shape of one item."""
        shape: Shape = x.value.shape[1:]
        return shape

    def concrete(self, x: Tracer, asked: str) -> NoReturn:
        """Refuses: the answer may differ from item to item."""
        raise TracedValueError(
            explain(
                f"Under vmap a value differs from item to item, so {asked}() of it has "
                "no single answer.",
                f"{asked}() of a mapped value of shape {x.shape}",
                "np.where(condition, a, b) instead of `if`; a Python loop over the "
                "items where control flow must differ.",
            )
        )

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """Applies `op` to all items by its batch rule."""
        mapped = tuple(isinstance(a, Tracer) and a.interp is self for a in args)
        values = tuple(a.value if m else a for a, m in zip(args, mapped, strict=True))
        y = op.batch(op, self.size, values, mapped, params)
        if op.multiple:
            return tuple(Tracer(self, part, None) for part in y)
        return Tracer(self, y, None)


def vmap(
    f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0
) -> Callable[..., Any]:
    """The function that applies `f` to every item along an axis of its arguments.

    Args:
        f: a function of arrays, or nested containers of arrays, for one item.
        in_axes: the mapped axis of each argument: an int for all, or a tuple with an
            int, None (the same for all items) or a container of those per argument.
        out_axes: where the mapped axis goes in the result; an int, or a container.

    Returns:
        A function of the same arguments, each with a mapped axis, all of one length.

    Raises:
        ShapeMismatch: if mapped axes are missing or differ in length.

    >>> vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    """

    def mapped(*args: Any, **kwargs: Any) -> Any:
        with at_the_edge():
            leaves, spec = tree.flatten(args)
            axes = _axes_per_leaf(in_axes, args)
            size = _common_size(leaves, axes, tree.paths(args))
            interp = Batch(size)
            inputs = [
                x if axis is None else Tracer(interp, _in_front(x, axis), None)
                for x, axis in zip(leaves, axes, strict=True)
            ]
            try:
                results, out = tree.flatten(f(*tree.unflatten(spec, inputs), **kwargs))
                stacked = [
                    r.value
                    if isinstance(r, Tracer) and r.interp is interp
                    else np.broadcast_to(r, (size, *np.shape(r)))
                    for r in results
                ]
            finally:
                interp.close()
            places = _places(out_axes, out, len(stacked))
            moved = [
                np.moveaxis(y, 0, place) if place else y
                for y, place in zip(stacked, places, strict=True)
            ]
            del stacked
            return tree.unflatten(out, owned(moved))

    return mapped


def _in_front(x: Any, axis: int) -> Array:
    x = check_leaf(x, "vmap", "an argument", allow_int=True)
    return np.moveaxis(x, axis, 0) if axis else x


def _axes_per_leaf(in_axes: Any, args: tuple[Any, ...]) -> list[int | None]:
    if isinstance(in_axes, int) or in_axes is None:
        in_axes = (in_axes,) * len(args)
    in_axes = tuple(in_axes)
    if len(in_axes) != len(args):
        raise ShapeMismatch(
            explain(
                "in_axes is an int, or a tuple with one entry per argument.",
                f"{len(in_axes)} entries for {len(args)} arguments",
                "use None for arguments that aren't mapped.",
            )
        )
    axes: list[int | None] = []
    for axis, arg in zip(in_axes, args, strict=True):
        leaves, spec = tree.flatten(arg)
        if axis is None or isinstance(axis, int):
            axes.extend([axis] * len(leaves))
        else:
            axes.extend(tree.flatten_like(spec, axis, "entry of in_axes"))
    return axes


def _common_size(leaves: list[Any], axes: list[int | None], names: list[str]) -> int:
    sizes: dict[str, int] = {}
    for x, axis, name in zip(leaves, axes, names, strict=True):
        if axis is None:
            continue
        shape = np.shape(x) if not isinstance(x, Tracer) else x.shape
        if not -len(shape) <= axis < len(shape):
            raise ShapeMismatch(
                explain(
                    "vmap maps over an axis that its argument has.",
                    f"argument {name} of shape {shape}, axis {axis}",
                    "in_axes=None for an argument that is the same for all items.",
                )
            )
        sizes[name] = shape[axis]
    if len(set(sizes.values())) != 1:
        came = ", ".join(f"{n}: {s}" for n, s in sizes.items()) or "no mapped argument"
        raise ShapeMismatch(
            explain(
                "vmap's mapped axes must have one length.",
                came,
                "check in_axes; None for an argument that is the same for all items.",
            )
        )
    return next(iter(sizes.values()))


def _places(out_axes: Any, spec: Any, count: int) -> list[int]:
    if isinstance(out_axes, int):
        return [out_axes] * count
    places: list[int] = tree.flatten_like(spec, out_axes, "out_axes")
    return places


