"""Functions whose calls go straight into machine code.

`make` gives an object that is called, bound as a method, inspected and copied as a
function is. Its type is CPython's own kind, put together here without a C compiler: the
slots are LLVM IR, and the call is the walker's. Where that can't be, `plain.Function`
takes its place.
"""

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wengert.native import capi, plain, walker
from wengert.native.link import Library, load
from wengert.native.path import Path
from wengert.native.slots import SLOTS
from wengert.native.walker import Header

# The object: count, type, and then these.
_VECTORCALL, _DICT, _WEAKREFS, _SLOW, _CHAIN, _OWNER, _SIZE = 16, 24, 32, 40, 48, 56, 64


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("pfunc", ctypes.c_void_p)]


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("type", ctypes.c_int), ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    ]  # fmt: skip


class _GetSet(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("get", ctypes.c_void_p), ("set", ctypes.c_void_p),
        ("doc", ctypes.c_char_p), ("closure", ctypes.c_void_p),
    ]  # fmt: skip


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int), ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]  # fmt: skip


# Numbers of Python's headers (typeslots.h, object.h, structmember.h).
_TP_CALL, _TP_CLEAR, _TP_DEALLOC, _TP_DESCR_GET = 50, 51, 52, 54
_TP_GETATTRO, _TP_SETATTRO, _TP_TRAVERSE, _TP_MEMBERS, _TP_GETSET = 58, 69, 71, 72, 73
_DISALLOW_INSTANTIATION, _HAVE_VECTORCALL = 1 << 7, 1 << 11
_HAVE_GC, _METHOD_DESCRIPTOR, _HAVE_VERSION_TAG = 1 << 14, 1 << 17, 1 << 18
_T_PYSSIZET, _READONLY = 19, 1


class _Native:
    """The type of native functions, and how its objects are made and changed."""

    def __init__(self) -> None:
        self.library = _keep_for_ever(load(_text(), level=2))
        address = self.library.address
        unary = [ctypes.py_object]
        self.start = ctypes.PYFUNCTYPE(None, *unary, *unary)(address("wg_start"))
        self.set = ctypes.PYFUNCTYPE(None, *unary, ctypes.c_void_p, *unary)(
            address("wg_set")
        )
        self.owner = ctypes.PYFUNCTYPE(ctypes.py_object, *unary)(address("wg_owner"))
        allocate = _function("PyType_GenericAlloc")
        self.allocate = ctypes.PYFUNCTYPE(
            ctypes.py_object, ctypes.py_object, ctypes.c_ssize_t
        )(allocate)
        self.type = self._type()

    def _type(self) -> Any:
        offsets = [(b"__vectorcalloffset__", _VECTORCALL), (b"__dictoffset__", _DICT),
                   (b"__weaklistoffset__", _WEAKREFS)]  # fmt: skip
        members = (_Member * (len(offsets) + 1))(
            *(_Member(name, _T_PYSSIZET, at, _READONLY, None) for name, at in offsets)
        )
        getset = (_GetSet * 2)(
            _GetSet(b"__dict__", _function("PyObject_GenericGetDict"),
                    _function("PyObject_GenericSetDict"), None, None)
        )  # fmt: skip
        address = self.library.address
        slots = [
            (_TP_DEALLOC, address("wg_dealloc")), (_TP_CLEAR, address("wg_clear")),
            (_TP_TRAVERSE, address("wg_traverse")), (_TP_DESCR_GET, address("wg_bind")),
            (_TP_CALL, _function("PyVectorcall_Call")),
            (_TP_GETATTRO, _function("PyObject_GenericGetAttr")),
            (_TP_SETATTRO, _function("PyObject_GenericSetAttr")),
            (_TP_MEMBERS, ctypes.addressof(members)),
            (_TP_GETSET, ctypes.addressof(getset)),
        ]  # fmt: skip
        table = (_Slot * (len(slots) + 1))(*(_Slot(*slot) for slot in slots))
        flags = (_HAVE_VECTORCALL | _HAVE_GC | _METHOD_DESCRIPTOR | _HAVE_VERSION_TAG
                 | _DISALLOW_INSTANTIATION)  # fmt: skip
        spec = _Spec(b"wengert.native.callable.Function", _SIZE, 0, flags, table)
        make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)
        made = make(_function("PyType_FromSpec"))(ctypes.addressof(spec))
        _keep_for_ever((members, getset, table, spec, made))  # the type points to them
        return made


def _text() -> str:
    whole = walker.text() + SLOTS
    for name, value in [("NEXT", walker.NEXT), ("FAILED", walker.FAILED),
                        ("ON_FAILURE", Header.ON_FAILURE.value)]:  # fmt: skip
        whole = whole.replace("{" + name + "}", str(value))
    return whole


def _function(name: str) -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, name))


def _keep_for_ever(thing: Any) -> Any:
    """Nothing may free the code of a type while Python is taken down around it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


# Python's own cache would let two threads make a type each, and lose one.
_made: list[_Native | None] = []
_making = threading.Lock()


def _native() -> _Native | None:
    if not _made:
        with _making:
            if not _made:
                _made.append(_of_this_python())
    return _made[0]


def _of_this_python() -> _Native | None:
    if capi.supported() is not None:
        return None
    native = _Native()
    _dress(native.type)
    return native


def _dress(kind: Any) -> None:
    """What the native and the plain type have in common."""
    kind.__repr__ = _repr
    kind.paths = property(_paths)
    kind.__reduce__ = _reduce
    kind.__copy__ = lambda self: self
    kind.__deepcopy__ = lambda self, memo: self


def _repr(self: Any) -> str:
    shown = self.__dict__.get("__shown__")
    if shown is not None:
        return str(shown())
    name = self.__dict__.get("__qualname__", self.__dict__.get("__name__", "?"))
    return f"<compiled function {name} at {id(self):#x}>"


def _paths(self: Any) -> Any:
    """What its maker counts as its paths."""
    of = self.__dict__.get("__paths__")
    if of is None:
        raise AttributeError("its maker doesn't say what its paths are")
    return of()


def _reduce(self: Any) -> Any:
    """How to pickle it: as its maker said, or by name as functions are."""
    rebuild = self.__dict__.get("__rebuild__")
    if rebuild is not None:
        return rebuild()
    return self.__dict__.get("__qualname__", "?")


_dress(plain.Function)


def make(
    slow: Callable[..., Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    native: bool = True,
) -> Any:
    """A callable object without paths: every call goes to `slow`.

    Args:
        slow: called with the very same arguments when no path matches.
        attributes: of the object: `__name__`, `__doc__`, `__wrapped__` … Functions
            `__rebuild__`, `__shown__` and `__paths__` among them return what
            `__reduce__`, `repr` and the attribute `paths` are to.
        native: False makes the plain Python kind.

    Returns:
        The object: it has a `__dict__`, can be weakly referenced, binds as a method.

    Example:
        >>> f = make(lambda *args: sum(args), {"__name__": "total"})
        >>> f(1, 2, 3)
        6
    """
    kind = _native() if native else None
    if kind is None:
        return plain.Function(slow, attributes or {})
    made = kind.allocate(kind.type, 0)
    kind.start(made, slow)
    made.__dict__.update(attributes or {})
    return made


def set_paths(function: Any, paths: Sequence[Path]) -> None:
    """Gives a function these paths, tried in this order; calls under way keep theirs.

    Args:
        function: what `make` returned.
        paths: all that it should have from now on.
    """
    kind = _native()
    if kind is None or type(function) is not kind.type:
        plain.set_paths(function, paths)
        return
    chain = (ctypes.c_void_p * (len(paths) + 1))(*(p.address for p in paths))
    kind.set(function, ctypes.addressof(chain), (chain, *paths))


def paths_of(function: Any) -> tuple[Path, ...]:
    """The paths of a function, in the order in which they are tried."""
    kind = _native()
    if kind is None or type(function) is not kind.type:
        return plain.paths_of(function)
    owner = kind.owner(function)
    return () if owner is None else tuple(owner[1:])


def is_compiled(thing: Any) -> bool:
    """Whether `make` made it."""
    kind = _native()
    native = kind is not None and type(thing) is kind.type
    return native or isinstance(thing, plain.Function)


def type_library() -> Library | None:
    """The code behind the native type, or None where there is none."""
    kind = _native()
    return kind.library if kind else None
