"""Nested containers, through optree: dicts, lists, tuples, dataclasses, None, …"""

import dataclasses
import inspect
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import optree

from wengert.core.errors import ShapeMismatch

_NAMESPACE = "wengert"
Spec = optree.PyTreeSpec
_known_dataclasses: set[type] = set()
_assemblers: dict[type, Callable[..., Any]] = {}
_registering = threading.Lock()
# Most of what is met, known without a look.
_PLAIN = frozenset(
    {np.ndarray, np.float64, np.float32, float, int, bool, complex, str, tuple, list,
     dict}
)  # fmt: skip


def _is_leaf(x: Any) -> bool:
    """Registers a dataclass when it is first met; never a leaf by itself."""
    kind = type(x)
    if kind in _PLAIN:
        return False
    if dataclasses.is_dataclass(kind) and kind not in _known_dataclasses:
        with _registering:
            if kind not in _known_dataclasses:
                _register_dataclass(kind)
                _known_dataclasses.add(kind)
    return False


def _register_dataclass(kind: type) -> None:
    names = tuple(f.name for f in dataclasses.fields(kind))

    def take_apart(x: Any) -> tuple[tuple[Any, ...], None, tuple[str, ...]]:
        return tuple(getattr(x, name) for name in names), None, names

    # Not through __init__, which may validate or compute.
    def assembled(*children: Any) -> Any:
        x: Any = object.__new__(kind)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(x, name, child)
        return x

    def filled(*children: Any) -> Any:
        x: Any = object.__new__(kind)
        x.__dict__.update(zip(names, children, strict=True))
        return x

    plain = kind.__dictoffset__ != 0 and not any(
        inspect.isdatadescriptor(inspect.getattr_static(kind, name, None))
        for name in names
    )
    put = filled if plain else assembled
    try:
        register(kind, take_apart, lambda _, children: put(*children))
    except ValueError:
        return  # the user registered it
    _assemblers[kind] = put


def assembler(kind: type) -> Callable[..., Any] | None:
    """What makes a dataclass of its fields' values; None for what isn't one, or where
    the user said how."""
    return _assemblers.get(kind)


def register(
    kind: type,
    take_apart: Callable[[Any], tuple[Any, ...]],
    put_together: Callable[[Any, Iterable[Any]], Any],
) -> None:
    """Makes `kind` a container: `take_apart(x) -> (children, rest[, names])`."""
    optree.register_pytree_node(kind, take_apart, put_together, namespace=_NAMESPACE)  # type: ignore[arg-type, unused-ignore]


def flatten(tree: Any) -> tuple[list[Any], Spec]:
    """The leaves of a nested container in a fixed order, and its structure."""
    leaves, spec = optree.tree_flatten(
        tree, is_leaf=_is_leaf, none_is_leaf=False, namespace=_NAMESPACE
    )
    return leaves, spec


def unflatten(spec: Spec, leaves: Iterable[Any]) -> Any:
    """The inverse of `flatten`."""
    return optree.tree_unflatten(spec, leaves)


def paths(tree: Any) -> list[str]:
    """How a person writes each leaf's place: `['w'][0]`, `.bias`."""
    found = optree.tree_accessors(
        tree, is_leaf=_is_leaf, none_is_leaf=False, namespace=_NAMESPACE
    )
    return [a.codify("") for a in found]


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Applies `f` to corresponding leaves of trees of one structure."""
    leaves, spec = flatten(tree)
    columns = [leaves, *(flatten_like(spec, r, "tree") for r in rest)]
    return unflatten(spec, [f(*row) for row in zip(*columns, strict=True)])


def flatten_like(spec: Spec, tree: Any, what: str) -> list[Any]:
    """The leaves of `tree`, which must have the structure `spec`."""
    leaves, came = flatten(tree)
    if came != spec:
        raise ShapeMismatch(
            f"The {what} must have the structure {describe(spec)}, "
            f"but it has {describe(came)}."
        )
    return leaves


def describe(spec: Spec) -> str:
    """A structure as a person reads it, leaves as `*`."""
    return str(spec).removeprefix("PyTreeSpec(").partition(", namespace")[0].rstrip(")")
