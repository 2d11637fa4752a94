"""The arguments of a call: what makes a path of its own, and what is an input."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain, name_of
from wengert.core.types import Type, type_of
from wengert.transforms.jit.numbers import LARGEST
from wengert.transforms.jit.world import (
    is_array,
    is_instance,
    is_plain,
    is_users_class,
    strides_of,
)


class Leaf(NamedTuple):
    """One leaf of the arguments, as far as a path depends on it.

    Attributes:
        kind: "array", "scalar" (of NumPy), "int", "float", "complex", "static"
            (compared by value), "same" (by identity), "object" (by class; what is read
            of it is watched).
        of: a Type, a static value, an object's identity or class.
        strides: of an array that isn't in C order: what `ravel("K")` gives, and whether
            `reshape` gives a view, depends on them.
    """

    kind: str
    of: Any
    strides: tuple[int, ...] | None = None


class Same:
    """An object as a key: equal to itself only, whatever its class says."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.x is self.x

    def __hash__(self) -> int:
        return id(self.x)


class Static(NamedTuple):
    """A value as a key: equal to those of its type only (1, 1.0 and True differ)."""

    type: type
    value: Any


def leaf_of(x: Any, by_value: bool = False) -> Leaf | None:
    """How a leaf takes part; None for one that can't be told apart reliably."""
    kind = type(x)
    if kind is np.ndarray:
        return Leaf("array", type_of(x), strides_of(x)) if is_array(x) else None
    if kind is float and not by_value:
        return Leaf("float", None)
    if kind is complex and not by_value:
        return Leaf("complex", None)
    if kind is int and not by_value and -LARGEST <= x <= LARGEST:
        return Leaf("int", None)
    if isinstance(x, np.generic):
        return Leaf("scalar", type_of(x)) if x.dtype.kind in "fciub" else None
    if is_plain(x):
        try:
            hash(x)
        except TypeError:
            return None  # a set: the function may change it
        if isinstance(x, float | complex):
            return Leaf("static", Static(kind, repr(x)))
        return Leaf("static", Static(kind, x))
    if isinstance(x, np.ndarray):
        return None
    if is_instance(x) and is_users_class(kind):
        return Leaf("object", kind)
    return Leaf("same", Same(x))


class Call(NamedTuple):
    """The arguments of one call, taken apart.

    Attributes:
        key: what a path is kept under: structure, leaves, static arguments.
        leaves: the values.
        kinds: a Leaf for each.
        spec: the structure of (args, kwargs) without the static ones.
        static: the static arguments, by position and by name.
        given: the leaves as they came: traced ones among them if they may be.
    """

    key: Any
    leaves: list[Any]
    kinds: tuple[Leaf, ...]
    spec: Any
    static: tuple[dict[int, Any], dict[str, Any]]
    given: list[Any]

    def arguments(self, leaves: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """(args, kwargs) with these leaves in the place of the call's."""
        args, kwargs = tree.unflatten(self.spec, leaves)
        positional = list(args)
        for i in sorted(self.static[0]):
            positional.insert(i, self.static[0][i])
        return positional, {**kwargs, **self.static[1]}


class Traced(Exception):
    """An argument is traced by an outer transform."""


class Unknown(Exception):
    """An argument of a kind that a path can't be kept for."""


class Arguments:
    """How a function's calls are taken apart."""

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: int | Iterable[int] | None,
        static_argnames: str | Iterable[str] | None,
    ) -> None:
        self.f = f
        self.names = _parameters(f)
        self.takes_any = self.names is None or any(
            p.kind is p.VAR_KEYWORD for p in self.names
        )
        self.numbers, self.words = _static(f, static_argnums, static_argnames)
        self.has_static = bool(self.numbers or self.words)

    def take_apart(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        plain: Callable[[Tracer], Any] | None = None,
    ) -> Call:
        """The parts of a call.

        Args:
            args: the positional arguments.
            kwargs: the others.
            plain: the value that a traced leaf stands for; None if none may be traced.

        Raises:
            Traced: if an argument is.
            Unknown: for a leaf that is neither an array of numbers nor a key.
            TypeMismatch: for a static argument that can't be hashed.
        """
        static: tuple[dict[int, Any], dict[str, Any]] = ({}, {})
        fixed: tuple[Any, ...] = ()
        if self.has_static:
            places = self._places(args)
            static = (
                {i: args[i] for i in places},
                {k: v for k, v in kwargs.items() if k in self.words},
            )
            fixed = self._fixed(static)
            args = tuple(a for i, a in enumerate(args) if i not in places)
            kwargs = {k: v for k, v in kwargs.items() if k not in self.words}
        given, spec = tree.flatten((args, kwargs))
        leaves, kinds = [], []
        for i, x in enumerate(given):
            if isinstance(x, Tracer):
                if plain is None:
                    raise Traced
                x = plain(x)
            leaves.append(x)
            kind = leaf_of(x)
            if kind is None:
                raise Unknown(f"argument {i} is {type(x).__name__} {x!r:.40}")
            kinds.append(kind)
        found = tuple(kinds)
        # A structure is equal to one with the dicts' keys in another order; `f` isn't.
        orders: tuple[Any, ...] = ()
        if kwargs or spec.num_nodes > spec.num_leaves + 3:
            whole = (args, kwargs) if self.takes_any else (args, *kwargs.values())
            orders = _orders(whole)
        return Call((spec, found, fixed, orders), leaves, found, spec, static, given)

    def _places(self, args: tuple[Any, ...]) -> set[int]:
        """The positions of this call's static arguments."""
        n = len(args)
        return {i % n if n else i for i in self.numbers if -n <= i < n}

    def _fixed(self, static: Any) -> tuple[Any, ...]:
        found = []
        for by in static:
            for k in sorted(by):
                try:
                    hash(by[k])
                except TypeError:
                    raise TypeMismatch(
                        explain(
                            f"Static arguments of {name_of(self.f)} are hashable: a "
                            "path is kept for each value.",
                            f"{type(by[k]).__name__} {by[k]!r:.40} for {k!r}",
                            "pass a tuple for a list, or don't make it static: arrays "
                            "and containers of them needn't be.",
                        )
                    ) from None
                found.append((k, Static(type(by[k]), by[k])))
        return tuple(found)


def _orders(x: Any) -> tuple[Any, ...]:
    """The keys of all dicts inside, in their order."""
    found: list[Any] = []
    pending: list[Any] = [x]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            found.append(tuple(item))
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            names = (field.name for field in dataclasses.fields(item))
            pending.extend(getattr(item, name) for name in names)
    return tuple(found)


def _parameters(f: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return None


def _static(f: Any, numbers: Any, words: Any) -> tuple[frozenset[int], frozenset[str]]:
    """Positions and names, each completed from the other by the signature."""
    nums = _several(numbers, int, "static_argnums", "a position, or a tuple of them")
    names = _several(words, str, "static_argnames", "a name, or a tuple of them")
    parameters = _parameters(f)
    if parameters is None or not (nums or names):
        return frozenset(nums), frozenset(names)
    positional = [
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    kinds = {p.kind for p in parameters}
    for i in nums:
        if inspect.Parameter.VAR_POSITIONAL not in kinds and not (
            -len(positional) <= i < len(positional)
        ):
            _refuse(f, positional, f"static_argnums={i}", "count from 0")
    every = [p.name for p in parameters]
    for name in names:
        if inspect.Parameter.VAR_KEYWORD not in kinds and name not in every:
            _refuse(f, every, f"static_argnames={name!r}", "use one of these")
    also = {positional.index(k) for k in names if k in positional}
    named = {positional[i] for i in nums if -len(positional) <= i < len(positional)}
    return frozenset({*nums, *also}), frozenset({*names, *named})


def _refuse(f: Any, names: list[str], came: str, do: str) -> None:
    raise ShapeMismatch(
        explain(
            f"{name_of(f)} has the parameters {', '.join(names) or '(none)'}.",
            came,
            f"{do}.",
        )
    )


def _several(given: Any, kind: type, what: str, expected: str) -> tuple[Any, ...]:
    if given is None:
        return ()
    if isinstance(given, kind) and not isinstance(given, bool):
        return (given,)
    found = tuple(given) if isinstance(given, tuple | list | set | frozenset) else None
    if found is None or not all(
        isinstance(g, kind) and not isinstance(g, bool) for g in found
    ):
        raise TypeMismatch(explain(f"{what} is {expected}.", f"{given!r:.40}", "that."))
    return found


def describe(call_kinds: Iterable[Leaf], names: Iterable[str]) -> str:
    """A signature as a person reads it: `x: f64[3], n: int`."""
    parts = []
    for leaf, name in zip(call_kinds, names, strict=True):
        shown = leaf.of if isinstance(leaf.of, Type) else leaf.kind
        if isinstance(leaf.of, Static):
            shown = f"{leaf.of.value!r:.20}"
        elif leaf.kind in ("object", "same"):
            of = leaf.of.x if isinstance(leaf.of, Same) else leaf.of
            shown = getattr(of, "__name__", type(of).__name__)
        parts.append(f"{name}: {shown}")
    return ", ".join(parts) or "no arguments"
