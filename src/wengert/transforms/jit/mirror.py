"""The function as staging runs it: with captured arrays as traced values.

A mirrored function has the same code, but reads its globals, closure variables and
defaults through a mirror: arrays come out as inputs of the graph, and containers,
objects and functions as copies in which arrays are such inputs. Nothing of the user's
is replaced, so other threads see nothing of it. What the function assigns inside the
copies is brought back at the end, as plain values.
"""

import functools
from types import BuiltinMethodType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

from wengert.core.bind import Tracer, known
from wengert.core.types import type_of
from wengert.graph.graph import Node
from wengert.transforms.jit.interpreter import JitStage
from wengert.transforms.jit.world import (
    COMPILED,
    MISSING,
    asking_methods,
    in_cell,
    is_array,
    is_instance,
    is_record,
    is_users,
    is_users_module,
    native_order,
    native_type,
    reads,
    seen_through,
)


class Mirror:
    """Copies of what one staging run meets, each made once."""

    def __init__(self, stage: JitStage) -> None:
        self.stage = stage
        self.arrays: dict[int, tuple[Any, Tracer, Node]] = {}
        self.copies: dict[int, tuple[Any, Any]] = {}
        self.originals: dict[int, Any] = {}
        self.filled: list[tuple[Any, Any, dict[Any, Any]]] = []
        self.modules: dict[int, _Globals] = {}

    def of(self, x: Any) -> Any:
        """`x` as the staged function sees it."""
        if is_array(x):
            return self._array(x)
        found = self.copies.get(id(x))
        if found is not None:
            return found[1]
        if is_record(x):
            return self._record(x)
        if isinstance(x, FunctionType):
            return self._function(x)
        if isinstance(x, functools.partial):
            args = [self.of(a) for a in x.args]
            named = {k: self.of(v) for k, v in x.keywords.items()}
            return self._noted(x, functools.partial(self.of(x.func), *args, **named))
        if isinstance(x, MethodType):
            return MethodType(self.of(x.__func__), self.of(x.__self__))
        if isinstance(x, ModuleType):
            return self._noted(x, _Module(x, self)) if is_users_module(x) else x
        if type(x) in COMPILED:
            return self.of(seen_through(x))
        if is_instance(x) and vars(x):
            return self._instance(x)
        return x

    def _noted(self, x: Any, copy: Any) -> Any:
        self.copies[id(x)] = (x, copy)
        self.originals[id(copy)] = x
        return copy

    def _array(self, x: Any) -> Tracer:
        found = self.arrays.get(id(x))
        if found is None:
            tracer = self.stage.input(native_type(type_of(x)), native_order(x), "")
            found = self.arrays[id(x)] = (x, tracer, tracer.mark)
        return found[1]

    def _record(self, x: Any) -> Any:
        if isinstance(x, tuple):
            items = [self.of(item) for item in x]
            if all(a is b for a, b in zip(items, x, strict=True)):
                return x
            return self._noted(x, tuple.__new__(type(x), items))
        copy: Any = self._noted(x, type(x)())
        if isinstance(x, dict):
            copy.update((k, self.of(v)) for k, v in x.items())
        else:
            copy.extend(self.of(v) for v in x)
        self.filled.append((x, copy, _items(copy)))
        return copy

    def _instance(self, x: Any) -> Any:
        copy = self._noted(x, object.__new__(type(x)))
        inside = vars(copy)
        inside.update((name, self.of(value)) for name, value in vars(x).items())
        for name, method in asking_methods(type(x)):
            if name not in inside:
                inside[name] = MethodType(self.of(method), copy)
        self.filled.append((vars(x), inside, dict(inside)))
        return copy

    def _function(self, f: FunctionType) -> Any:
        users = is_users(f.__code__)
        if not users and not f.__closure__:
            return f
        rebound = reads(f.__code__).rebound if users else frozenset()
        names = f.__code__.co_freevars
        cells = tuple(
            cell if name in rebound else self._cell(cell)
            for name, cell in zip(names, f.__closure__ or (), strict=True)
        )
        scope = self._globals(f.__globals__) if users else f.__globals__
        copy = FunctionType(f.__code__, scope, f.__name__, None, cells)
        self._noted(f, copy)
        copy.__qualname__, copy.__module__ = f.__qualname__, f.__module__
        copy.__doc__ = f.__doc__
        vars(copy).update(vars(f))
        if f.__defaults__:
            copy.__defaults__ = tuple(self.of(v) for v in f.__defaults__)
        if f.__kwdefaults__:
            copy.__kwdefaults__ = {k: self.of(v) for k, v in f.__kwdefaults__.items()}
        for old, new in zip(f.__closure__ or (), cells, strict=True):
            self._fill(old, new)
        return copy

    def _cell(self, cell: CellType) -> CellType:
        found = self.copies.get(id(cell))
        if found is None:
            return self._noted(cell, CellType())  # type: ignore[no-any-return]
        copy: CellType = found[1]
        return copy

    def _fill(self, old: CellType, new: CellType) -> None:
        """After the function is noted: a closure may hold the function itself."""
        if old is not new and in_cell(new) is MISSING:
            value = in_cell(old)
            if value is not MISSING:
                new.cell_contents = self.of(value)

    def _globals(self, real: dict[str, Any]) -> "_Globals":
        found = self.modules.get(id(real))
        if found is None:
            found = self.modules[id(real)] = _Globals(real, self)
        return found

    # Afterwards ----------------------------------------------------------------------

    def bring_back(self) -> list[str]:
        """Does to the originals what the function did to the copies; says what."""
        done: list[str] = []
        for original, copy, before in self.filled:
            after = _items(copy)
            changed = [k for k, v in after.items() if before.get(k, MISSING) is not v]
            gone = [k for k in before if k not in after]
            if not changed and not gone:
                continue
            done += [str(k) for k in (*changed, *gone)]
            if isinstance(original, list):
                original[:] = [self.plain(v) for v in copy]
                continue
            for k in changed:
                original[k] = self.plain(after[k])
            for k in gone:
                original.pop(k, None)
        for scope in self.modules.values():
            for name in scope.stored():
                scope.real[name] = self.plain(dict.__getitem__(scope, name))
                done.append(name)
        return done

    def plain(self, x: Any) -> Any:
        """A value without our tracers and copies."""
        if id(x) in self.originals:
            return self.originals[id(x)]
        if isinstance(x, Tracer):
            array = self.array_of(x)
            return known(x) if array is None else array
        if isinstance(x, FunctionType):
            return self._plain_function(x)
        if isinstance(x, MethodType):
            return MethodType(self.plain(x.__func__), self.plain(x.__self__))
        if isinstance(x, BuiltinMethodType) and id(x.__self__) in self.originals:
            return getattr(self.originals[id(x.__self__)], x.__name__)
        if type(x) in (list, tuple):
            return type(x)(self.plain(item) for item in x)
        if type(x) is dict:
            return {k: self.plain(v) for k, v in x.items()}
        return x

    def array_of(self, x: Tracer) -> Any:
        """The user's array that a tracer is the handle of, or None."""
        for array, tracer, _ in self.arrays.values():
            if tracer is x:
                return array
        return None

    def _plain_function(self, f: FunctionType) -> FunctionType:
        """A function that was made while staging, such as a lambda, as made outside."""
        cells = f.__closure__ or ()
        scope = f.__globals__
        if not isinstance(scope, _Globals) and not any(
            self.plain(in_cell(c)) is not in_cell(c) for c in cells
        ):
            return f
        real = scope.real if isinstance(scope, _Globals) else scope
        closure = tuple(CellType(self.plain(in_cell(c))) for c in cells)
        made = FunctionType(f.__code__, real, f.__name__, f.__defaults__, closure)
        made.__kwdefaults__ = f.__kwdefaults__
        return made


def _items(x: Any) -> dict[Any, Any]:
    return dict(x) if isinstance(x, dict) else dict(enumerate(x))


def _isinstance(x: Any, kinds: Any) -> bool:
    """As Python's, of what a traced value stands for: part of the signature."""
    if isinstance(x, Tracer) and isinstance(x.interp, JitStage):
        return isinstance(x, kinds) or isinstance(known(x), kinds)
    return isinstance(x, kinds)


def _hasattr(x: Any, name: str) -> bool:
    """As Python's, likewise."""
    if isinstance(x, Tracer) and isinstance(x.interp, JitStage):
        return hasattr(known(x), name)
    return hasattr(x, name)


class _Kind(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        x = args[0]
        if len(args) > 1 or kwargs:
            return type(*args, **kwargs)
        if isinstance(x, Tracer) and isinstance(x.interp, JitStage):
            return type(known(x))
        return type(x)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, type)

    def __subclasscheck__(cls, x: type) -> bool:
        return issubclass(x, type)


class _Type(type, metaclass=_Kind):
    """As Python's `type`, likewise."""


# Python's own functions that a traced value would answer in another way (see ASKING).
_ASKING: dict[str, Any] = {
    "isinstance": _isinstance, "hasattr": _hasattr, "type": _Type,
}  # fmt: skip


class _Globals(dict[str, Any]):
    """A module's names as a mirrored function looks them up.

    Python asks `__getitem__` of a dict's subclass, and stores past it.
    """

    def __init__(self, real: dict[str, Any], mirror: Mirror) -> None:
        super().__init__(real)
        self.real = real
        self.before = dict(real)
        self.mirror = mirror

    def __getitem__(self, name: str) -> Any:
        if name in _ASKING and name not in self:
            return _ASKING[name]
        x = super().__getitem__(name)
        return self.mirror.of(x) if self.before.get(name, MISSING) is x else x

    def stored(self) -> list[str]:
        """The names that the function assigned."""
        return [k for k, v in self.items() if self.before.get(k, MISSING) is not v]


class _Module(ModuleType):
    """A module of the user's, whose arrays come out as traced values."""

    def __init__(self, real: ModuleType, mirror: Mirror) -> None:
        super().__init__(real.__name__, real.__doc__)
        vars(self)["_of"] = (real, mirror)

    def __getattr__(self, name: str) -> Any:
        real, mirror = vars(self)["_of"]
        return mirror.of(getattr(real, name))

    def __setattr__(self, name: str, value: Any) -> None:
        real, mirror = vars(self)["_of"]
        setattr(real, name, mirror.plain(value))
