"""Writes a signature as the words that the native walker reads."""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
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
    Signature,
    Static,
    Tuple,
    Watch,
    by_value,
    check,
    children_of,
    inputs_of,
    outputs_of,
)  # fmt: skip
from wengert.native.walker import Do, Header

_INT_CODES = {"i1": 0, "i2": 1, "i4": 2, "i8": 3, "f4": 4, "f8": 5}
_SMALL = 2**64 - 1  # an int64 that is no larger than an int32
_CELL = 16  # bytes for one number
_GROWS = 5  # a new dict has room for so many keys


@dataclass
class Record:
    """A path's record as words, and the objects whose addresses are among them."""

    words: list[int]
    objects: list[Any]


@dataclass
class _Writer:
    """The instructions so far, and what the frame must have room for."""

    code: list[int] = field(default_factory=list)
    objects: list[Any] = field(default_factory=list)
    values: int = 0  # Python objects met
    held: int = 0  # those of them that are kept alive
    cells: int = 0  # numbers that stand in the frame
    inputs: int = 0
    outputs: int = 0
    arrays: int = 0  # outputs that are arrays
    depth: int = 0  # of the stack on which the result is built
    patches: list[tuple[int, str, int]] = field(default_factory=list)

    def do(self, op: Do, *words: int) -> None:
        self.code += [op.value, *words]

    def of(self, thing: Any) -> int:
        """The address of an object, which the record keeps alive."""
        self.objects.append(thing)
        return id(thing)

    def later(self, where: str, number: int) -> int:
        """A place in a region of the frame: known when all sizes are (see `_place`)."""
        self.patches.append((len(self.code), where, number))
        return 0

    def write(self, op: Do, *words: int | tuple[str, int]) -> None:
        """An instruction; a pair stands for a place in the frame."""
        self.code.append(op.value)
        for word in words:
            self.code.append(self.later(*word) if isinstance(word, tuple) else word)

    def new_values(self, n: int) -> int:
        self.values += n
        return self.values - n

    def new_cell(self) -> int:
        self.cells += 1
        return self.cells - 1


def encode(signature: Signature, program: int, failed: Any = None) -> Record:
    """The record of a path.

    Args:
        signature: what the path takes and returns.
        program: the address of its code.
        failed: called in place of the slow function if the program says that a step
            of linear algebra failed.

    Raises:
        ValueError: if the signature contradicts itself.
    """
    check(signature)
    w = _Writer()
    w.inputs = len(inputs_of(signature))
    _write_names(w, signature)
    for captured in signature.captured:
        _write_captured(w, captured)
    _write_arguments(w, signature)
    outs = _write_outputs(w, signature)
    _write_result(w, signature.result, outs)
    return _finish(w, signature, program, failed)


def _write_names(w: _Writer, signature: Signature) -> None:
    w.values = len(signature.arguments) + len(signature.keywords)
    if signature.keywords:
        names = [w.of(sys.intern(name)) for name in signature.keywords]
        w.write(Do.KEYWORDS, len(names), *names)


def _write_captured(w: _Writer, what: Watch | Load | Fixed) -> None:
    if isinstance(what, Fixed):
        array = what.array
        if not (array.flags.c_contiguous and array.flags.aligned):
            raise ValueError("a fixed input is contiguous and aligned")
        w.of(array)
        w.write(Do.FIXED, array.ctypes.data, ("inputs", what.slot))
    elif isinstance(what, Watch):
        _write_watch(w, what)
    else:
        _write_parts(w, [(_write_fetch(w, what), what.value)])


def _write_watch(w: _Writer, what: Watch) -> None:
    if what.kind == "global" and what.expected is MISSING:
        w.write(Do.ABSENT, w.of(what.owner), w.of(what.key))
    elif what.kind == "global":
        w.write(Do.SAME_GLOBAL, w.of(what.owner), w.of(what.key), w.of(what.expected))
    elif what.kind == "cell":
        empty = what.expected is MISSING
        w.write(Do.SAME_CELL, w.of(what.owner), 0 if empty else w.of(what.expected))
    elif what.expected is MISSING:
        raise ValueError(f"that an {what.kind} is missing can't be watched")
    else:
        value = _write_fetch(w, what)
        w.write(Do.IS, ("values", value), w.of(what.expected))


def _write_fetch(w: _Writer, what: Watch | Load) -> int:
    """Reads a place outside the arguments into a new value."""
    to = w.new_values(1)
    w.held += 1
    if what.kind == "global":
        w.write(Do.GLOBAL, w.of(what.owner), w.of(what.key), ("values", to))
    elif what.kind == "cell":
        w.write(Do.CELL, w.of(what.owner), ("values", to))
    else:
        owner = w.new_values(1)
        w.write(Do.OBJECT, w.of(what.owner), ("values", owner))
        op = Do.FIELD if what.kind == "attribute" else Do.ITEM
        w.write(op, ("values", owner), w.of(what.key), ("values", to))
    return to


def _write_arguments(w: _Writer, signature: Signature) -> None:
    given = [*signature.arguments, *signature.keywords.values()]
    _write_parts(w, list(enumerate(given)))


def _write_parts(w: _Writer, pending: list[tuple[int, Any]]) -> None:
    """Takes values apart, in no particular order: (number of the value, its part)."""
    while pending:
        value, part = pending.pop()
        at = ("values", value)
        if isinstance(part, Leaf):
            _write_leaf(w, at, part)
        elif isinstance(part, Static):
            op = Do.EQUAL if by_value(part.value) else Do.IS
            w.write(op, at, w.of(part.value))
        elif isinstance(part, Tuple | List | Dict | Fields):
            first = _write_container(w, at, part)
            pending += [(first + i, c) for i, c in enumerate(part.children)]
        elif not isinstance(part, Anything):
            raise ValueError(f"{part!r} isn't a description of an argument")


def _write_container(
    w: _Writer, at: tuple[str, int], part: Tuple | List | Dict | Fields
) -> int:
    n = len(part.children)
    first = w.new_values(n)
    w.held += n
    kind, into = w.of(part.type), ("values", first)
    if isinstance(part, Dict):
        do = Do.ORDERED if part.ordered else Do.DICT
        w.write(do, at, kind, n, into, *(w.of(k) for k in part.keys))
    elif isinstance(part, Fields):
        w.write(Do.TYPE, at, kind)
        for i, name in enumerate(part.names):
            w.write(Do.FIELD, at, w.of(name), ("values", first + i))
    else:
        op = Do.TUPLE if isinstance(part, Tuple) else Do.LIST
        w.write(op, at, kind, n, into)
    return first


def _write_leaf(w: _Writer, at: tuple[str, int], leaf: Leaf) -> None:
    to, dtype = ("inputs", leaf.slot), leaf.dtype
    if leaf.kind == "array":
        w.held += 1  # a copy, if it isn't contiguous
        descr = w.of(np.dtype(dtype))
        w.write(Do.ARRAY, at, to, descr, dtype.num, len(leaf.shape), *leaf.shape)
        if leaf.strict:
            w.write(Do.IN_ORDER, at)
    elif leaf.kind == "scalar":
        w.write(Do.SCALAR, at, to, w.of(dtype.type))
    else:
        cell = ("cells", w.new_cell())
        single = int(dtype.char in "fF")
        if leaf.kind == "float":
            w.write(Do.FLOAT, at, to, cell, single)
        elif leaf.kind == "complex":
            w.write(Do.COMPLEX, at, to, cell, single)
        elif leaf.kind == "bool":
            w.write(Do.BOOL, at, to, cell)
        else:
            code = _INT_CODES[f"{dtype.kind}{dtype.itemsize}"]
            code = _SMALL if leaf.strict and code == _INT_CODES["i8"] else code
            w.write(Do.INT, at, to, cell, code)


def _write_outputs(
    w: _Writer, signature: Signature
) -> dict[tuple[type, int], tuple[str, int]]:
    """Room for the outputs, the run, and the copies; says where each one stands."""
    leaves = [*outputs_of(signature.result), *signature.dropped]
    made: dict[tuple[type, int], tuple[str, int]] = {}
    copies = []
    w.outputs = len({leaf.slot for leaf in leaves if isinstance(leaf, Out)})
    for leaf in leaves:
        if (type(leaf), leaf.slot) in made:
            continue
        number = leaf.slot
        if isinstance(leaf, Pass):
            number, w.outputs = w.outputs, w.outputs + 1
            size = leaf.dtype.itemsize * int(np.prod(leaf.shape, dtype=np.int64))
            copies.append((number, leaf.slot, size))
        made[type(leaf), leaf.slot] = _write_place(w, leaf, ("outputs", number))
    w.do(Do.RUN, 0)
    for number, slot, size in copies:
        w.write(Do.COPY, ("outputs", number), ("inputs", slot), size)
    return made


def _write_place(w: _Writer, leaf: Out | Pass, out: tuple[str, int]) -> tuple[str, int]:
    if leaf.kind == "array":
        place = ("objects", w.arrays)
        w.arrays += 1
        descr = w.of(np.dtype(leaf.dtype))
        w.write(Do.NEW, place, out, descr, len(leaf.shape), *leaf.shape)
    else:
        place = ("cells", w.new_cell())
        w.write(Do.PLACE, out, place)
    return place


def _write_result(
    w: _Writer, result: Any, places: dict[tuple[type, int], tuple[str, int]]
) -> None:
    """Puts the result together on a stack: parts first, then what holds them."""
    last = {(type(leaf), leaf.slot): i for i, leaf in enumerate(outputs_of(result))}
    pending: list[tuple[Any, bool]] = [(result, False)]
    seen = size = 0
    while pending:
        part, ready = pending.pop()
        children = children_of(part)
        if isinstance(part, Out | Pass):
            key = (type(part), part.slot)
            _write_push(w, part, places[key], seen == last[key])
            seen += 1
        elif isinstance(part, Static):
            w.write(Do.PUSH_STATIC, w.of(part.value))
        elif not ready:
            pending += [(part, True), *((c, False) for c in reversed(children))]
            continue
        else:
            _write_make(w, part)
            size -= len(children)
        size += 1
        w.depth = max(w.depth, size)
    w.do(Do.RETURN)


def _write_push(
    w: _Writer, leaf: Out | Pass, place: tuple[str, int], last: bool
) -> None:
    if leaf.kind == "array":  # the array itself goes out last, copies before it
        w.write(Do.PUSH if last else Do.PUSH_COPY, place)
    elif leaf.kind == "scalar":
        w.write(Do.PUSH_SCALAR, place, w.of(np.dtype(leaf.dtype)))
    else:
        ops = {"float": Do.PUSH_FLOAT, "int": Do.PUSH_INT, "bool": Do.PUSH_BOOL}
        w.write(ops[leaf.kind], place)


def _write_make(w: _Writer, part: Any) -> None:
    n = len(children_of(part))
    plain: dict[type, Callable[[], None]] = {
        Tuple: lambda: w.write(Do.MAKE_TUPLE, n),
        List: lambda: w.write(Do.MAKE_LIST, n),
        Dict: lambda: _write_dict(w, part),
        Make: lambda: w.write(Do.MAKE, n, w.of(part.function)),
    }
    if type(part) not in plain:
        raise ValueError(f"{part!r} isn't a description of a result")
    if isinstance(part, Tuple | List | Dict) and part.type not in (tuple, list, dict):
        raise ValueError(f"a result that is a {part.type.__name__} needs a `Make`")
    plain[type(part)]()


def _write_dict(w: _Writer, part: Dict) -> None:
    keys = part.keys
    model = w.of(dict.fromkeys(keys)) if len(keys) > _GROWS else 0
    w.write(Do.MAKE_DICT, len(keys), model, *(w.of(k) for k in keys))


def _finish(w: _Writer, signature: Signature, program: int, failed: Any) -> Record:
    """The header, now that the sizes are known, and the places in the frame."""
    sizes = {"cells": _CELL * w.cells, "inputs": 8 * w.inputs, "outputs": 8 * w.outputs,
             "objects": 8 * w.arrays, "values": 8 * w.values, "held": 8 * w.held,
             "built": 8 * w.depth}  # fmt: skip
    # The program's inputs stand at the start; cells are aligned for any dtype.
    order = ["inputs", "outputs", "objects", "values", "held", "built", "cells"]
    starts, end = {}, 0
    for name in order:
        if name == "cells":
            end += -end % _CELL
        starts[name] = end
        end += sizes[name]
    for position, where, number in w.patches:
        w.code[position] = starts[where] + number * (_CELL if where == "cells" else 8)
    header = {
        Header.PROGRAM: program, Header.ARENA_BYTES: signature.arena, Header.ARENA: 0,
        Header.UNLOCK: int(signature.unlock), Header.ARGS: len(signature.arguments),
        Header.KEYWORDS: len(signature.keywords), Header.FRAME: max(end, 16),
        Header.OUTPUTS: starts["outputs"], Header.OBJECTS: starts["objects"],
        Header.OBJECT_COUNT: w.arrays, Header.VALUES: starts["values"],
        Header.HELD: starts["held"], Header.BUILT: starts["built"],
        Header.ON_FAILURE: 0 if failed is None else w.of(failed),
        Header.CALLS: 0, Header.LEFT: 0,
    }  # fmt: skip
    words = [header[h] for h in Header if h is not Header.CODE]
    return Record([*words, *w.code], w.objects)


def block_of(record: Record) -> Any:
    """The record's words in memory of their own."""
    return (ctypes.c_uint64 * len(record.words))(*record.words)
