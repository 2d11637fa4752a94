"""What a compiled path takes, looks at and returns: a description, as plain data.

A `Signature` says which Python arguments a path accepts (`Leaf` and the containers),
what else it depends on (`Watch`, `Load`, `Fixed`) and how its result is put together
(`Out`, `Pass`, the containers). `encode` writes it for the native walker, `plain` reads
it in Python; both mean the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["array", "scalar", "float", "int", "bool", "complex"]
Place: TypeAlias = Literal["global", "cell", "attribute", "item"]


class _Missing:
    """The answer to a look-up that finds nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A number or array that becomes input `slot` of the program.

    Kinds: `array` is exactly an ndarray in native byte order (the program gets a copy
    if it isn't C-contiguous and aligned);
    `scalar` a NumPy scalar; the others are Python's, converted to `dtype`. A Python
    `int` that doesn't fit the dtype doesn't match. `shape` is () for all but arrays.
    `strict`: no array in another order than C, and no int beyond 32 bits, matches.
    """

    slot: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()
    kind: Kind = "array"
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Tuple:
    """A tuple, or exactly a subclass of it, of this length."""

    children: tuple[Any, ...]
    type: type = tuple


@dataclass(frozen=True, slots=True)
class List:
    """A list, or exactly a subclass of it, of this length."""

    children: tuple[Any, ...]
    type: type = list


@dataclass(frozen=True, slots=True)
class Dict:
    """A dict, or exactly a subclass of it, with these keys; `ordered`: in this order.

    As a result: a new dict with the keys in this order.
    """

    keys: tuple[Any, ...]
    children: tuple[Any, ...]
    type: type = dict
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of exactly this type, taken apart by attributes (a dataclass)."""

    type: type
    names: tuple[str, ...]
    children: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Static:
    """A value that must be this one, or that a result is.

    Numbers, str and bytes of exactly the same type are compared by value (floats by
    their bits), everything else by identity.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Anything:
    """An argument that the path doesn't look at."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A path is only right while this place holds this very object.

    Owners: for "global" a dict, for "cell" a cell (its key is None), for "attribute"
    any object, for "item" anything with items. `MISSING`: while nothing is there (not
    for "attribute" and "item").
    """

    kind: Place
    owner: Any
    key: Any
    expected: Any


@dataclass(frozen=True, slots=True)
class Load:
    """A value read at each call from such a place, and then taken as an argument is."""

    kind: Place
    owner: Any
    key: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Fixed:
    """An array of the path's own that becomes input `slot` without being looked at."""

    slot: int
    array: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Out:
    """Output `slot` of the program; listed twice, the second one is a copy.

    Kinds: `array`; `scalar` for a NumPy scalar; float, int and bool for Python's own,
    which the program writes as float64, int64 and bool.
    """

    slot: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()
    kind: Kind = "array"


@dataclass(frozen=True, slots=True)
class Pass:
    """A fresh copy of the program's input `slot`."""

    slot: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()
    kind: Kind = "array"


@dataclass(frozen=True, slots=True)
class Make:
    """What a Python function of the parts returns: a named tuple, a dataclass …"""

    function: Callable[..., Any]
    children: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """All that a call does around the program.

    Attributes:
        arguments: what stands at each positional argument.
        keywords: names and values, in the order of the call.
        captured: looked at before the arguments.
        result: how the outputs become the result.
        dropped: numbers that the program writes and the result doesn't show.
        arena: bytes of scratch memory that the program needs.
        unlock: whether other Python threads may run while the program does.
    """

    arguments: tuple[Any, ...]
    result: Any
    keywords: dict[str, Any] = field(default_factory=dict)
    captured: tuple[Watch | Load | Fixed, ...] = ()
    dropped: tuple[Out, ...] = ()
    arena: int = 0
    unlock: bool = False


def children_of(part: Any) -> tuple[Any, ...]:
    """What a container of a signature holds; of a leaf, nothing."""
    if isinstance(part, Tuple | List | Dict | Fields | Make):
        return part.children
    return ()


def by_value(value: Any) -> bool:
    """Whether a `Static` is compared by value."""
    return type(value) in (int, float, str, bytes)


def outputs_of(result: Any) -> list[Out | Pass]:
    """The leaves of a result, from left to right."""
    found, pending = [], [result]
    while pending:
        part = pending.pop()
        if isinstance(part, Out | Pass):
            found.append(part)
        pending.extend(reversed(children_of(part)))
    return found


def inputs_of(signature: Signature) -> list[Leaf | Fixed]:
    """Whatever fills an input slot, in no particular order."""
    loads = [c.value for c in signature.captured if isinstance(c, Load)]
    fixed = [c for c in signature.captured if isinstance(c, Fixed)]
    pending = [*loads, *signature.arguments, *signature.keywords.values()]
    found: list[Leaf | Fixed] = list(fixed)
    while pending:
        part = pending.pop()
        if isinstance(part, Leaf):
            found.append(part)
        pending.extend(children_of(part))
    return found


def check(signature: Signature) -> None:
    """That every slot is filled once and every output has a place.

    Raises:
        ValueError: if it isn't so: a fault of whoever wrote the signature.
    """
    slots = sorted(leaf.slot for leaf in inputs_of(signature))
    if slots != list(range(len(slots))):
        raise ValueError(f"the input slots are 0, 1, 2 …, each once; these are {slots}")
    outputs = [*outputs_of(signature.result), *signature.dropped]
    outs = sorted({leaf.slot for leaf in outputs if isinstance(leaf, Out)})
    if outs != list(range(len(outs))):
        raise ValueError(f"the output slots are 0, 1, 2 …; these are {outs}")
    for leaf in outputs:
        if isinstance(leaf, Pass) and leaf.slot not in range(len(slots)):
            raise ValueError(f"there is no input {leaf.slot} that could be passed on")
    _check_kinds([*inputs_of(signature), *outputs])


_PYTHON_OUT = {"float": "f8", "int": "i8", "bool": "?"}
_PYTHON_IN = {"float": "fd", "int": "bhilqfd", "bool": "?", "complex": "FD"}


def _check_kinds(leaves: list[Any]) -> None:
    for leaf in leaves:
        if isinstance(leaf, Fixed):
            continue
        if leaf.kind != "array" and leaf.shape != ():
            raise ValueError(f"a {leaf.kind} has no shape, this one {leaf.shape}")
        if leaf.dtype.kind not in "biufc" or not leaf.dtype.isnative:
            raise ValueError(f"programs don't compute with {leaf.dtype}")
        if isinstance(leaf, Leaf):
            fine = leaf.dtype.char in _PYTHON_IN.get(leaf.kind, leaf.dtype.char)
        else:
            wanted = _PYTHON_OUT.get(leaf.kind)
            fine = wanted is None or leaf.dtype == np.dtype(wanted)
            fine = fine and leaf.kind != "complex"
        if not fine:
            raise ValueError(f"a {leaf.kind} can't be a {leaf.dtype} here")
