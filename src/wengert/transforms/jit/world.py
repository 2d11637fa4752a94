"""What a function can see besides its arguments, one step at a time.

Shared by `capture`, which watches what may change between calls, and `mirror`, which
lets arrays take part as traced values.
"""

import abc
import dis
import functools
import sys
import sysconfig
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import optree

from wengert.core.bind import Tracer
from wengert.core.types import Type

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "nothing"})()

_ROOT = __file__[: -len("transforms/jit/world.py")]
_LIBRARIES = tuple(
    module.__file__[: -len("__init__.py")]
    for module in (np, optree)
    if module.__file__ is not None
)
_STANDARD = sysconfig.get_paths()["stdlib"]
_OTHERS = ("scipy", "numpy", "optree", "wengert", "builtins")


def is_users(code: CodeType) -> bool:
    """Whether code is neither ours, nor NumPy's, nor Python's own."""
    file = code.co_filename
    if file.startswith((_ROOT, "<frozen", *_LIBRARIES)):
        return False
    return not file.startswith(_STANDARD) or "-packages" in file


def is_users_module(module: ModuleType) -> bool:
    """Likewise for a module."""
    return _is_users_name(module.__name__)


def _is_users_name(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in _OTHERS


def is_users_class(kind: type) -> bool:
    """Likewise for a class that Python code defines."""
    heap = bool(kind.__flags__ & (1 << 9))
    return heap and (kind.__module__ == "__main__" or _is_users_name(kind.__module__))


# What code reads ---------------------------------------------------------------------


class Reads(NamedTuple):
    """What a code object, and those of functions defined inside it, mention.

    Attributes:
        globals: names that are looked up in the module.
        modules: names that are imported.
        names: all names of globals and attributes that it reads.
        rebound: closure variables that it assigns.
    """

    globals: frozenset[str]
    modules: frozenset[str]
    names: frozenset[str]
    rebound: frozenset[str]


# With these a function may read attributes whose names don't stand in its code.
DYNAMIC = frozenset(
    {"getattr", "vars", "__dict__", "globals", "locals", "attrgetter", "fields"}
)


@functools.lru_cache(maxsize=1024)
def reads(code: CodeType) -> Reads:
    """What `code` reads, by its instructions."""
    seen: dict[str, set[str]] = {"g": set(), "m": set(), "n": set(), "r": set()}
    pending = [code]
    while pending:
        one = pending.pop()
        known = frozenset(one.co_names)
        for instruction in dis.get_instructions(one):
            name = instruction.opname
            if not name.startswith(("STORE", "DELETE")) and instruction.argval in known:
                seen["n"].add(instruction.argval)
            if name in ("LOAD_GLOBAL", "LOAD_NAME"):
                seen["g"].add(instruction.argval)
            elif name == "IMPORT_NAME":
                seen["m"].add(instruction.argval)
            elif name in ("STORE_DEREF", "DELETE_DEREF"):
                seen["r"].add(instruction.argval)
        pending.extend(c for c in one.co_consts if isinstance(c, CodeType))
    return Reads(*(frozenset(seen[k]) for k in "gmnr"))


# Functions of Python's own whose answers for a traced value staging has to correct.
ASKING = frozenset({"isinstance", "hasattr", "type"})
# Special methods whose questions aren't about arrays.
_HARMLESS = frozenset(
    {"__init__", "__post_init__", "__new__", "__repr__", "__str__", "__eq__", "__ne__",
     "__hash__", "__init_subclass__", "__class_getitem__", "__reduce__", "__getstate__",
     "__setstate__", "__format__", "__setattr__", "__delattr__"}
)  # fmt: skip


def asks(f: Any) -> bool:
    """Whether a function of the user's asks what kind of thing a value is."""
    return isinstance(f, FunctionType) and (
        is_users(f.__code__) and not ASKING.isdisjoint(reads(f.__code__).globals)
    )


def asking_methods(kind: type) -> list[tuple[str, FunctionType]]:
    """The methods of a class that ask so, by the names under which objects see them."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if is_users_class(base):
            found |= vars(base)
    return [
        (name, f) for name, f in found.items()
        if asks(f) and not (name.startswith("__") and name.endswith("__"))
    ]  # fmt: skip


def asks_unseen(kind: type) -> bool:
    """Whether a class asks so where staging can't correct the answer."""
    return any(
        asks(getattr(value, "fget", getattr(value, "__func__", value)))
        for base in kind.__mro__
        if is_users_class(base)
        for name, value in vars(base).items()
        if name not in _HARMLESS
        and (not isinstance(value, FunctionType) or name.startswith("__"))
    )


# Values ------------------------------------------------------------------------------


_EQUAL = (
    bool, int, float, complex, str, bytes, type(None), slice, range, type(Ellipsis),
    np.generic, np.dtype, frozenset, set,
)  # fmt: skip


def is_array(x: Any) -> bool:
    """Whether `x` is a plain array of numbers, which can be an input."""
    return type(x) is np.ndarray and x.dtype.kind in "fciub"


def native_type(type: Type) -> Type:
    """The type with the machine's order of bytes, in which graphs compute."""
    return type._replace(dtype=type.dtype.newbyteorder("="))


def native_order(x: Any) -> Any:
    """A value likewise; an array that is so already, as it is."""
    if type(x) is np.ndarray and not x.dtype.isnative:
        return x.astype(x.dtype.newbyteorder("="))
    return x


def strides_of(x: Any) -> tuple[int, ...] | None:
    """The strides of an array, if it isn't in C order."""
    if x.flags.c_contiguous:
        return None
    strides: tuple[int, ...] = x.strides
    return strides


def is_plain(x: Any) -> bool:
    """Whether `x` is compared by its value."""
    return isinstance(x, _EQUAL) and not isinstance(x, Tracer)


# The kinds of compiled functions: each has the function itself in `__wrapped__`.
COMPILED: set[type] = set()


def seen_through(x: Any) -> Any:
    """The function that a compiled one runs, and is staged in its place; else None."""
    return vars(x)["__wrapped__"] if type(x) in COMPILED else None


def is_record(x: Any) -> bool:
    """Whether `x` is an exact list, tuple, dict or a named tuple."""
    kind = type(x)
    return kind in (list, tuple, dict) or (
        isinstance(x, tuple) and isinstance(getattr(kind, "_fields", None), tuple)
    )


def is_instance(x: Any) -> bool:
    """Whether `x` is an object of the user's, or ours, all of it in its `__dict__`."""
    kind = type(x)
    if kind in _instances:
        return _instances[kind]
    if kind in COMPILED:
        return False
    found = (
        not isinstance(x, type | ModuleType | FunctionType | np.ndarray | Tracer)
        and type(kind) in (type, abc.ABCMeta)
        and (is_users_class(kind) or kind.__module__.startswith("wengert."))
        and kind.__dictoffset__ != 0
        and all(_is_python(base) for base in kind.__mro__[:-1])
        and all("__getattribute__" not in vars(base) for base in kind.__mro__[:-1])
        and "__del__" not in dir(kind)
    )
    _instances[kind] = found
    return found


_instances: dict[type, bool] = {}


def _is_python(base: type) -> bool:
    if not base.__flags__ & (1 << 9):
        return False
    slots = vars(base).get("__slots__", ())
    return not [s for s in slots if s not in ("__dict__", "__weakref__")]


# Places ------------------------------------------------------------------------------

# (kind, key, value): `key` says where in the owner the value is.
Child = tuple[str, Any, Any]


def children(x: Any, names: frozenset[str] | None) -> Iterator[Child]:
    """What can be reached from a value in one step; attributes only of these names."""
    if isinstance(x, dict):
        yield from (("item", k, v) for k, v in list(x.items()))
    elif isinstance(x, list | tuple):
        yield from (("item", i, v) for i, v in enumerate(x))
    elif isinstance(x, functools.partial):
        for name in ("func", "args", "keywords"):
            yield "attribute", name, getattr(x, name)
    elif isinstance(x, MethodType):
        yield "attribute", "__func__", x.__func__
        yield "attribute", "__self__", x.__self__
    elif isinstance(x, staticmethod | classmethod):
        yield "attribute", "__func__", x.__func__
    elif isinstance(x, property):
        yield from (("attribute", n, getattr(x, n)) for n in ("fget", "fset"))
    elif type(x) in COMPILED:
        yield "attribute", "__wrapped__", seen_through(x)
    elif isinstance(x, FunctionType):
        yield from _of_function(x, names)
    elif isinstance(x, type):
        yield from _of_class(x, names)
    elif isinstance(x, ModuleType):
        if is_users_module(x):
            yield from _of_dict(x, names)
    elif is_instance(x):
        yield from _of_dict(x, names if is_users_class(type(x)) else None)


def _of_dict(x: Any, names: frozenset[str] | None) -> Iterator[Child]:
    for name, value in list(vars(x).items()):
        if names is None or name in names:
            yield "attribute", name, value


def _of_function(f: FunctionType, names: frozenset[str] | None) -> Iterator[Child]:
    users = is_users(f.__code__)
    if users:
        found = reads(f.__code__)
        for name in sorted(found.globals):
            # A name of Python's own, as `abs`, may come to stand in the module.
            yield (
                "global", Key(f.__globals__, name), f.__globals__.get(name, MISSING),
            )  # fmt: skip
        for name in sorted(found.modules):
            if name in sys.modules:
                yield "global", Key(sys.modules, name), sys.modules[name]
        for i, value in enumerate(f.__defaults__ or ()):
            yield "default", Key(f, i), value
        for name, value in (f.__kwdefaults__ or {}).items():
            yield "default", Key(f, name), value
        yield from _of_dict(f, names)
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        value = in_cell(cell)
        # A set in a closure of Python's own is how it keeps `repr` from recursion.
        if users or not isinstance(value, set):
            yield "cell", Key(cell, name), value


def _of_class(kind: type, names: frozenset[str] | None) -> Iterator[Child]:
    for base in kind.__mro__:
        if not is_users_class(base):
            continue
        for name, value in list(vars(base).items()):
            special = name.startswith("__") and name.endswith("__")
            runs = isinstance(
                value, FunctionType | property | staticmethod | classmethod
            )
            if (special and runs) or (
                not special and (names is None or name in names or base is not kind)
            ):
                yield "class", Key(base, name), value


class Key(NamedTuple):
    """A place with an owner of its own: a global, a closure variable, a default."""

    owner: Any
    name: Any

    def __repr__(self) -> str:
        return f"Key({self.name!r})"  # not the owner: a module's names are many


def in_cell(cell: CellType) -> Any:
    """What a closure variable holds; MISSING before it is assigned."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def read(kind: str, key: Any, owner: Any) -> Any:
    """What is now at a place; MISSING if it isn't there any more."""
    try:
        if kind == "item":
            return owner[key]
        if kind == "attribute":
            found = getattr(owner, "__dict__", None)
            return found[key] if found and key in found else getattr(owner, key)
        if kind == "global":
            return key.owner[key.name]
        if kind == "root":
            return key.owner
        if kind == "cell":
            return in_cell(key.owner)
        if kind == "class":
            return vars(key.owner)[key.name]
        positions = isinstance(key.name, int)
        defaults = key.owner.__defaults__ if positions else key.owner.__kwdefaults__
        return defaults[key.name]
    except (KeyError, IndexError, AttributeError, TypeError):
        return MISSING


def shown(kind: str, key: Any, owner: str) -> str:
    """A place as a person writes it."""
    if kind == "item":
        return f"{owner}[{key!r}]"
    if kind == "attribute":
        return f"{owner}.{key}"
    if kind in ("global", "cell"):
        return str(key.name)
    if kind == "root":
        return str(getattr(key.owner, "__name__", "f"))
    if kind == "class":
        return f"{key.owner.__name__}.{key.name}"
    return f"default {key.name!r} of {key.owner.__name__}"


def is_same_value(a: Any, b: Any) -> bool:
    """Whether two values of Python are equal, in type and to the sign of a zero."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float | complex | np.generic):
        return repr(a) == repr(b)
    return bool(a == b)
