"""Calls of compiled paths in plain Python: slower, and the same in every answer.

Used where native callables can't be made (see `capi.supported`), and by tests, to
compare the native walker with.
"""

import ctypes
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.native.entry import (
    MISSING,
    Anything,
    Dict,
    Fields,
    Fixed,
    Leaf,
    List,
    Load,
    Make,
    Out,
    Pass,
    Static,
    Tuple,
    Watch,
    by_value,
    children_of,
    outputs_of,
)  # fmt: skip
from wengert.native.path import Path

_PROGRAM = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)
_PYTHON: dict[str, type] = {
    "float": float,
    "int": int,
    "bool": bool,
    "complex": complex,
}
_Array = np.ndarray[Any, Any]


class Differs(Exception):
    """The arguments aren't those of the path."""


class Function:
    """A function of Python's kind that has compiled paths."""

    def __init__(self, slow: Callable[..., Any], attributes: Mapping[str, Any]) -> None:
        self._slow = slow
        self._paths: tuple[Path, ...] = ()
        self.__dict__.update(attributes)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for path in self._paths:
            try:
                return answer(path, args, kwargs)
            except Differs:
                continue
            except ArithmeticFailure:
                if path.failed is None:
                    break
                return path.failed(*args, **kwargs)
        return self._slow(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


class ArithmeticFailure(Exception):
    """The program says that a step of linear algebra failed."""


def set_paths(function: Function, paths: Sequence[Path]) -> None:
    function._paths = tuple(paths)


def paths_of(function: Function) -> tuple[Path, ...]:
    return function._paths


def answer(path: Path, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One call of a path, in Python.

    Raises:
        Differs: if the arguments, the watched places or a guard aren't the path's.
        ArithmeticFailure: if the program says that a step of linear algebra failed.
    """
    signature = path.signature
    inputs: dict[int, _Array] = {}
    if len(args) != len(signature.arguments):
        raise Differs
    if list(kwargs) != list(signature.keywords):
        raise Differs
    for what in signature.captured:
        _look(what, inputs)
    pending = [*zip(args, signature.arguments, strict=True)]
    pending += zip(kwargs.values(), signature.keywords.values(), strict=True)
    _take(pending, inputs)
    leaves = [*outputs_of(signature.result), *signature.dropped]
    outputs = {leaf.slot: np.empty(leaf.shape, leaf.dtype)
               for leaf in leaves if isinstance(leaf, Out)}  # fmt: skip
    status = _call(path, inputs, outputs)
    path.count(status)
    if status > 0:
        raise Differs
    if status < 0:
        raise ArithmeticFailure
    return _build(signature.result, inputs, outputs)


def _call(path: Path, inputs: dict[int, _Array], outputs: dict[int, _Array]) -> int:
    def pointers(arrays: dict[int, _Array]) -> Any:
        return (ctypes.c_void_p * len(arrays))(
            *(arrays[i].ctypes.data for i in range(len(arrays)))
        )

    scratch = np.empty(path.signature.arena + 64, np.uint8)
    start = -(-scratch.ctypes.data // 64) * 64
    run = _PROGRAM(path.program)
    return int(run(pointers(inputs), pointers(outputs), start))


def _look(what: Watch | Load | Fixed, inputs: dict[int, _Array]) -> None:
    if isinstance(what, Fixed):
        inputs[what.slot] = what.array
        return
    found = _fetch(what)
    if isinstance(what, Load):
        _take([(found, what.value)], inputs)
    elif found is not what.expected:
        raise Differs


def _fetch(what: Watch | Load) -> Any:
    try:
        if what.kind == "global":
            return what.owner.get(what.key, MISSING)
        if what.kind == "attribute":
            return getattr(what.owner, what.key)
        if what.kind == "item":
            return what.owner[what.key]
    except Exception as error:
        raise Differs from error
    try:
        return what.owner.cell_contents
    except ValueError:  # an empty cell
        return MISSING


def _take(pending: list[tuple[Any, Any]], inputs: dict[int, _Array]) -> None:
    """Takes values apart as their descriptions say."""
    while pending:
        value, part = pending.pop()
        if isinstance(part, Leaf):
            inputs[part.slot] = _leaf(value, part)
        elif isinstance(part, Static):
            if not _same(value, part.value):
                raise Differs
        elif not isinstance(part, Anything):
            pending += zip(_parts(value, part), children_of(part), strict=True)


def _same(value: Any, wanted: Any) -> bool:
    if value is wanted or not by_value(wanted):
        return value is wanted
    if type(value) is float is type(wanted):
        return value.hex() == wanted.hex()
    return type(value) is type(wanted) and value == wanted


def _parts(value: Any, part: Tuple | List | Dict | Fields) -> list[Any]:
    wanted: Any = part.type  # a type's own name for its instances says too little here
    if type(value) is not wanted:
        raise Differs
    if isinstance(part, Fields):
        try:
            return [getattr(value, name) for name in part.names]
        except Exception as error:
            raise Differs from error
    if len(value) != len(part.children):
        raise Differs
    if not isinstance(part, Dict):
        return list(value)
    if any(key not in value for key in part.keys):
        raise Differs
    if part.ordered and tuple(value) != part.keys:
        raise Differs
    return [dict.__getitem__(value, key) for key in part.keys]


def _leaf(value: Any, leaf: Leaf) -> _Array:
    if leaf.kind == "array":
        fits = type(value) is np.ndarray and value.shape == leaf.shape
        if not (fits and value.dtype == leaf.dtype and value.dtype.isnative):
            raise Differs
        if leaf.strict and not value.flags.c_contiguous:
            raise Differs
        return np.require(value, requirements=["C", "ALIGNED"])
    wanted = leaf.dtype.type if leaf.kind == "scalar" else _PYTHON[leaf.kind]
    if type(value) is not wanted:
        raise Differs
    try:
        with np.errstate(over="ignore"):
            found = np.asarray(value, leaf.dtype)
    except OverflowError as error:  # a Python int that doesn't fit
        raise Differs from error
    if leaf.strict and leaf.kind == "int" and found != found.astype(np.int32):
        raise Differs
    return found


def _build(result: Any, inputs: dict[int, _Array], outputs: dict[int, _Array]) -> Any:
    """The result: parts first, then what holds them."""
    given: set[int] = set()
    pending: list[tuple[Any, bool]] = [(result, False)]
    built: list[Any] = []
    while pending:
        part, ready = pending.pop()
        children = children_of(part)
        if isinstance(part, Out | Pass):
            fresh = isinstance(part, Out) and part.slot not in given
            source = outputs if isinstance(part, Out) else inputs
            array = source[part.slot]
            given |= {part.slot} if fresh else set()
            built.append(_output(array if fresh else array.copy(), part))
        elif isinstance(part, Static):
            built.append(part.value)
        elif not ready:
            pending += [(part, True), *((c, False) for c in reversed(children))]
        else:
            first = len(built) - len(children)
            built[first:] = [_made(part, built[first:])]
    return built[0]


def _output(array: _Array, leaf: Out | Pass) -> Any:
    if leaf.kind == "array":
        return array
    return array[()] if leaf.kind == "scalar" else _PYTHON[leaf.kind](array[()])


def _made(part: Any, items: list[Any]) -> Any:
    if isinstance(part, Make):
        return part.function(*items)
    if isinstance(part, Dict):
        return dict(zip(part.keys, items, strict=True))
    return tuple(items) if isinstance(part, Tuple) else items
