"""vmap: a function of one item, applied to all items at once along a mapped axis."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import optree

from wengert.core import tree
from wengert.core.admit import check_result
from wengert.core.bind import Interpreter, Tracer, check_kind, fixed
from wengert.core.errors import (
    ShapeMismatch,
    TracedValueError,
    TypeMismatch,
    at_the_edge,
    explain,
    name_of,
)
from wengert.core.memory import owned
from wengert.core.op import Op
from wengert.core.types import Array, Shape
from wengert.transforms.naming import named_after


class Batch(Interpreter):
    """Carries the mapped axis, always the first of a tracer's value."""

    __slots__ = ("size",)
    verb = "mapped"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def lift(self, x: Array) -> Tracer:
        """A constant, the same for every item."""
        return Tracer(self, self.repeated(fixed(x)), None)

    def repeated(self, x: Array) -> Array:
        """A value that isn't mapped, with the mapped axis in front."""
        return np.broadcast_to(x, (self.size, *np.shape(x)))

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
        check_kind(op, y.dtype)
        return Tracer(self, y, None)


def map_flat(
    f: Callable[[list[Array]], list[Array | None]],
    size: int,
    leaves: list[Array],
    mapped: list[bool],
) -> list[Array | None]:
    """`f` of all items at once, from flat lists to flat lists.

    Where `mapped[i]` is true, `leaves[i]` has the mapped axis in front; every result
    has it, but for None, which stays.
    """
    interp = Batch(size)
    pairs = zip(leaves, mapped, strict=True)
    try:
        results = f([Tracer(interp, x, None) if m else x for x, m in pairs])
        return [
            r.value
            if isinstance(r, Tracer) and r.interp is interp
            else None
            if r is None
            else interp.repeated(r)
            for r in results
        ]
    finally:
        interp.close()


def vmap(
    f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0
) -> Callable[..., Any]:
    """The function that applies `f` to every item along an axis of its arguments.

    Args:
        f: a function of arrays, or nested containers of arrays, for one item.
        in_axes: the mapped axis of each argument: an int for all, or a tuple with an
            entry per argument. An entry is an int, None (the same for all items), or a
            container of those; an int or None stands for everything below its place.
        out_axes: where the mapped axis goes in the result: an int, None for a result
            that is the same for all items, or a container of those, likewise.

    Returns:
        A function of the same arguments, each with a mapped axis, all of one length.
        Keyword arguments aren't mapped: every item gets them as they are.

    Raises:
        ShapeMismatch: if mapped axes are missing or differ in length, or for out_axes
            None where the result differs from item to item.

    >>> vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    """

    @named_after(
        f, "vmap", f"{name_of(f)}, applied to every item along an axis.",
        in_axes=in_axes, out_axes=out_axes,
    )  # fmt: skip
    def mapped(*args: Any, **kwargs: Any) -> Any:
        with at_the_edge():
            leaves, spec = tree.flatten(args)
            axes = spread(_per_argument(in_axes, args), args, "in_axes")
            interp = Batch(_common_size(leaves, axes, args))
            inputs = [
                x if axis is None else Tracer(interp, _in_front(x, axis, args, i), None)
                for i, (x, axis) in enumerate(zip(leaves, axes, strict=True))
            ]
            try:
                result = f(*tree.unflatten(spec, inputs), **kwargs)
                del inputs
                results, out = tree.flatten(result)
                places = spread(out_axes, result, "out_axes")
                moved = [
                    _placed(interp, r, place, result, i)
                    for i, (r, place) in enumerate(zip(results, places, strict=True))
                ]
                del result, results
            finally:
                interp.close()
            return tree.unflatten(out, owned(moved))

    return mapped


def spread(prefix: Any, full: Any, what: str) -> list[int | None]:
    """For each leaf of `full`, the axis that stands at or above its place in `prefix`.

    Raises:
        ShapeMismatch: if `prefix` isn't the upper part of `full`, or holds other things
            than ints and None.
    """
    axes: list[int | None] = []
    for axis, below in cover(prefix, full, what):
        if axis is not None and not isinstance(axis, int | np.integer):
            raise ShapeMismatch(
                explain(
                    f"The entries of {what} are ints and None.",
                    f"{type(axis).__name__} {axis!r:.40}",
                    "an int for a mapped axis, None for what isn't mapped.",
                )
            )
        axes.extend([None if axis is None else int(axis)] * len(tree.flatten(below)[0]))
    return axes


def cover(prefix: Any, full: Any, what: str) -> list[tuple[Any, Any]]:
    """The leaves of `prefix`, None being one, each with what stands there in `full`."""
    # Both are flattened first so that dataclasses in them are known to be containers.
    structure = tree.describe(tree.flatten(full)[1])
    came = tree.describe(tree.flatten(prefix)[1])
    leaves, spec = optree.tree_flatten(
        prefix, none_is_leaf=True, namespace=tree._NAMESPACE
    )
    try:
        below = spec.flatten_up_to(full)
    except ValueError:
        raise ShapeMismatch(
            explain(
                f"The structure of {what} is that of {structure}, or the upper part of "
                "it.",
                came,
                "repeat the containers down to where entries differ; None counts as "
                "an entry.",
            )
        ) from None
    return list(zip(leaves, below, strict=True))


def _per_argument(in_axes: Any, args: tuple[Any, ...]) -> Any:
    if in_axes is None or isinstance(in_axes, int):
        return in_axes
    if not isinstance(in_axes, tuple | list) or len(in_axes) != len(args):
        came = f"{type(in_axes).__name__} {in_axes!r:.40}"
        raise ShapeMismatch(
            explain(
                "in_axes is an int, or a tuple with one entry per argument.",
                f"{came} for {len(args)} positional arguments",
                "use None for arguments that aren't mapped; keyword arguments never "
                "are.",
            )
        )
    return tuple(in_axes)


def _common_size(
    leaves: list[Any], axes: list[int | None], args: tuple[Any, ...]
) -> int:
    sizes: dict[int, int] = {}
    for i, (x, axis) in enumerate(zip(leaves, axes, strict=True)):
        if axis is None:
            continue
        shape = np.shape(x)
        if not -len(shape) <= axis < len(shape):
            raise ShapeMismatch(
                explain(
                    "vmap maps over an axis that its argument has.",
                    f"argument {tree.paths(args)[i]} of shape {shape}, axis {axis}",
                    "in_axes=None for an argument that is the same for all items; "
                    "np.array(...) for a list of numbers.",
                )
            )
        sizes[i] = shape[axis]
    if len(set(sizes.values())) != 1:
        names = tree.paths(args)
        lengths = ", ".join(f"{names[i]}: {n}" for i, n in sizes.items())
        came = lengths or "no mapped argument"
        raise ShapeMismatch(
            explain(
                "vmap's mapped axes must have one length.",
                came,
                "check in_axes; None for an argument that is the same for all items.",
            )
        )
    return next(iter(sizes.values()))


def _in_front(x: Any, axis: int, args: tuple[Any, ...], i: int) -> Array:
    """A mapped argument with its axis in front."""
    plain = isinstance(x, Tracer) or type(x) is np.ndarray
    if not plain or x.dtype.kind not in "fciub":
        raise TypeMismatch(
            explain(
                "vmap maps over plain arrays of numbers.",
                f"argument {tree.paths(args)[i]} is {_kind(x)}",
                "in_axes=None for what is the same for all items, or convert it with "
                "np.asarray(x).",
            )
        )
    x = fixed(x)
    return np.moveaxis(x, axis, 0) if axis else x


def _kind(x: Any) -> str:
    kind = f"{type(x).__module__}.{type(x).__name__}"
    return f"{kind} of dtype {x.dtype}" if isinstance(x, np.ndarray) else kind


def _placed(interp: Batch, r: Any, place: int | None, result: Any, i: int) -> Array:
    """A result with the mapped axis in its place."""
    ours = isinstance(r, Tracer) and r.interp is interp
    if not ours:
        r = fixed(r) if isinstance(r, Tracer) else _plain_result(r, result, i)
    if place is None:
        if not ours:
            return r
        raise ShapeMismatch(
            explain(
                "out_axes=None is for a result that is the same for all items.",
                f"the result {tree.paths(result)[i]} of shape {r.shape} depends on "
                "mapped arguments",
                "an int, the place of the mapped axis in the result.",
            )
        )
    y = r.value if ours else interp.repeated(r)
    if not -np.ndim(y) <= place < np.ndim(y):
        raise ShapeMismatch(
            explain(
                f"out_axes is one of the {np.ndim(y)} axes of the mapped result.",
                f"{place} for the result {tree.paths(result)[i]} of shape "
                f"{np.shape(r)} per item",
                "0 puts the mapped axis in front, -1 at the end.",
            )
        )
    return np.moveaxis(y, 0, place) if place else y


def _plain_result(r: Any, result: Any, i: int) -> Array:
    y = np.asarray(check_result(r))
    if y.dtype.kind not in "fciub":
        raise TypeMismatch(
            explain(
                "A function under vmap returns arrays of numbers, or containers of "
                "them.",
                f"the result {tree.paths(result)[i]} is {type(r).__name__} {r!r:.40}",
                "leave it out of the result.",
            )
        )
    return y[()]
