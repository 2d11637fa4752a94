"""Values of a graph as JSON, and back: parameters, types, containers, arrays apart.

What JSON hasn't is an object with one name, its tag: {"slice": [0, null, 2]}. Exact
types count: a subclass might mean something else, and is refused.
"""

import collections
import math
import struct
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from wengert.core import tree
from wengert.core.types import Type
from wengert.graph.store import Buffer, GraphFileError, refuse

_ALIGN = 64  # so that a reader may map the file and use the arrays as they stand
_INT = 1 << 63


def broken(what: str) -> GraphFileError:
    """The error for a file whose content can't be that of a graph."""
    return refuse("The content is that of a saved graph.", f"a file with {what}")


def need(holds: bool, what: str) -> None:
    """Refuses the file unless `holds`."""
    if not holds:
        raise broken(what)


# Single things: a million of each, so their messages are made when they are needed.


def whole(x: Any, below: int, what: str) -> int:
    """`x`, which must be an int in range(below)."""
    if type(x) is int and 0 <= x < below:
        return x
    raise broken(f"a wrong {what}: {x!r:.40}")


def listed(x: Any, what: str, length: int | None = None) -> list[Any]:
    """`x`, which must be a list (of this length)."""
    if type(x) is list and (length is None or len(x) == length):
        return x
    raise broken(f"a wrong {what}: {x!r:.40}")


def worded(x: Any, what: str) -> str:
    """`x`, which must be a text."""
    if type(x) is str:
        return x
    raise broken(f"a wrong {what}: {x!r:.40}")


_PLAIN = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
_SWAPPED = "swapped "


def _dtypes() -> dict[str, np.dtype[Any]]:
    found = {name: np.dtype(name) for name in _PLAIN}
    # 64 bits everywhere; a type of its own where int64 is C's long.
    found |= {name: np.dtype(name) for name in ("longlong", "ulonglong")}
    # What a long double is depends on the machine: its precision is in the name.
    bits = np.finfo(np.longdouble).nmant
    found[f"longdouble{bits}"] = np.dtype(np.longdouble)
    found[f"clongdouble{bits}"] = np.dtype(np.clongdouble)
    return found


_BY_NAME = _dtypes()
_NAMES = {dtype: name for name, dtype in reversed(_BY_NAME.items())}
_BY_CHAR = {dtype.char: name for name, dtype in reversed(_BY_NAME.items())}


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Its name in the file."""
    native = dtype.newbyteorder("=")
    name = _BY_CHAR.get(native.char) or _NAMES.get(native)
    if name is None:
        raise refuse(
            "A saved graph has arrays of booleans, integers, floats, complex numbers.",
            f"dtype {dtype}",
            "convert it first.",
        )
    return name if dtype.isnative else _SWAPPED + name


def dtype_of(name: Any) -> np.dtype[Any]:
    """The dtype of that name."""
    plain = worded(name, "dtype").removeprefix(_SWAPPED)
    found = _BY_NAME.get(plain)
    if found is None:
        raise refuse(
            "A dtype that this machine has.",
            repr(name),
            "convert long doubles to float64 before saving, if that is one.",
        )
    return found if name == plain else found.newbyteorder("S")


def write_type(type: Type) -> list[Any]:
    """[dtype, shape, weak]."""
    return [dtype_name(type.dtype), list(type.shape), type.weak]


def read_type(x: Any) -> Type:
    """The inverse of `write_type`."""
    name, shape, weak = listed(x, "type", 3)
    dims = tuple(whole(n, _INT, "length") for n in listed(shape, "shape"))
    need(type(weak) is bool, "a wrong type")
    return Type(dims, dtype_of(name), weak)


# Values ----------------------------------------------------------------------------


class Encoder:
    """Values as JSON; the arrays among them are collected."""

    def __init__(self, number_of: Callable[[Any], int | None]) -> None:
        self._number_of = number_of  # of a graph, or None for what isn't one
        self.arrays: list[np.ndarray[Any, Any]] = []
        self._places: dict[int, int] = {}

    def value(self, x: Any) -> Any:
        """`x` as JSON, or a GraphFileError that names it."""
        kind = type(x)
        if x is None or kind in (bool, str):
            return x
        if kind is int:
            return x if -_INT <= x < _INT else {"int": hex(x)}
        if kind is float:
            return x if math.isfinite(x) else {"float": struct.pack(">d", x).hex()}
        if kind is complex:
            return {"complex": [self.value(x.real), self.value(x.imag)]}
        if kind is list:
            return [self.value(v) for v in x]
        if kind is tuple:
            return {"tuple": [self.value(v) for v in x]}
        if kind is dict:
            return {"dict": [[self.value(k), self.value(v)] for k, v in x.items()]}
        if kind is slice:
            return {"slice": [self.value(v) for v in (x.start, x.stop, x.step)]}
        return self._tagged(x)

    def _tagged(self, x: Any) -> Any:
        if isinstance(x, np.dtype):
            return {"dtype": dtype_name(x)}
        if type(x) is np.ndarray:
            return {"array": self._place(x)}
        if isinstance(x, np.generic):
            return {"scalar": [dtype_name(x.dtype), _bytes(np.asarray(x)).hex()]}
        number = self._number_of(x)
        if number is not None:
            return {"graph": number}
        raise refuse(
            "A saved graph has numbers, texts, slices, dtypes, arrays and containers "
            "of them as parameters.",
            f"{type(x).__module__}.{type(x).__name__} {x!r:.60}",
            "leave out that operation (graph.subgraph), or keep the function instead.",
        )

    def _place(self, x: np.ndarray[Any, Any]) -> int:
        dtype_name(x.dtype)
        found = self._places.setdefault(id(x), len(self.arrays))
        if found == len(self.arrays):
            self.arrays.append(x)
        return found

    def table(self) -> list[Any]:
        """[dtype, shape, order] of each array, in the order of their bytes."""
        return [[dtype_name(a.dtype), list(a.shape), _order(a)] for a in self.arrays]

    def blocks(self) -> list[Buffer]:
        """The bytes of all arrays, each from a multiple of 64 on."""
        found: list[Buffer] = []
        for a in self.arrays:
            block = _bytes(a)
            found += [block, bytes(-block.nbytes % _ALIGN)]
        return found


def _order(a: np.ndarray[Any, Any]) -> Literal["C", "F"]:
    return "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"


def _bytes(a: np.ndarray[Any, Any]) -> memoryview:
    little = a.astype(a.dtype.newbyteorder("<"), _order(a), copy=False)
    return little.ravel("K").view(np.uint8).data


class Decoder:
    """JSON as values; `graphs` grows while a file is read."""

    def __init__(self, table: Any, data: memoryview) -> None:
        self.graphs: list[Any] = []
        self._arrays = _arrays(listed(table, "table of arrays"), data)

    def value(self, x: Any) -> Any:
        """The inverse of `Encoder.value`."""
        kind = type(x)
        if x is None or kind in (bool, str, int, float):
            return x
        if kind is list:
            return [self.value(v) for v in x]
        need(kind is dict and len(x) == 1, f"a wrong value: {x!r:.40}")
        ((tag, rest),) = x.items()
        need(tag in _READERS, f"an unknown kind of value: {tag!r:.40}")
        return _READERS[tag](self, rest)

    def array(self, k: Any) -> np.ndarray[Any, Any]:
        """The k-th array, read-only."""
        return self._arrays[whole(k, len(self._arrays), "array")]

    def graph(self, k: Any) -> Any:
        """The k-th graph, which must have been read before the one that uses it."""
        return self.graphs[whole(k, len(self.graphs), "graph")]

    def items(self, x: Any, length: int | None = None) -> list[Any]:
        """A list of values."""
        return [self.value(v) for v in listed(x, "value", length)]


def _hex_float(self: Decoder, x: Any) -> float:
    found: float = struct.unpack(">d", bytes.fromhex(worded(x, "float")))[0]
    return found


def _complex(self: Decoder, x: Any) -> complex:
    real, imag = self.items(x, 2)
    need(type(real) is float and type(imag) is float, "a wrong complex number")
    return complex(real, imag)


def _pairs(self: Decoder, x: Any) -> dict[Any, Any]:
    found = {}
    for pair in listed(x, "dict"):
        key, value = self.items(pair, 2)
        need(key not in found, f"a name that comes twice: {key!r:.40}")
        found[key] = value
    return found


def _scalar(self: Decoder, x: Any) -> Any:
    name, digits = listed(x, "scalar", 2)
    block = memoryview(bytes.fromhex(worded(digits, "scalar")))
    return _array(Type((), dtype_of(name)), "C", block)[()]


_READERS: dict[str, Callable[[Decoder, Any], Any]] = {
    "int": lambda self, x: int(worded(x, "int"), 16),
    "float": _hex_float,
    "complex": _complex,
    "tuple": lambda self, x: tuple(self.items(x)),
    "dict": _pairs,
    "slice": lambda self, x: slice(*self.items(x, 3)),
    "dtype": lambda self, x: dtype_of(x),
    "array": Decoder.array,
    "scalar": _scalar,
    "graph": Decoder.graph,
}


def _arrays(table: list[Any], data: memoryview) -> list[np.ndarray[Any, Any]]:
    """All arrays, after their sizes have been added up and fit the data."""
    rows = []
    at = 0
    for row in table:
        name, shape, order = listed(row, "array", 3)
        t = read_type([name, shape, False])
        need(order in ("C", "F"), f"a wrong order: {order!r:.40}")
        size = t.size * t.dtype.itemsize
        rows.append((t, order, at, size))
        at += size + -size % _ALIGN
    need(at == len(data), f"{len(data)} bytes of arrays, where {at} are declared")
    return [_array(t, order, data[at : at + size]) for t, order, at, size in rows]


def _array(t: Type, order: Any, block: memoryview) -> np.ndarray[Any, Any]:
    if t.dtype.kind == "b":
        numbers = np.frombuffer(block, np.uint8)
        need(not (numbers > 1).any(), "a boolean that is neither 0 nor 1")
    flat = np.frombuffer(block, t.dtype.newbyteorder("<"))
    # A copy, in the dtype's own byte order, which doesn't keep the file in memory.
    array = flat.astype(t.dtype).reshape(t.shape, order=order)
    array.flags.writeable = False
    return array


# Containers ------------------------------------------------------------------------
#
# From the outside in, one token each: "leaf", ["tuple", 2], ["dict", ["a", "b"]] …

_COUNTED: dict[type, str] = {tuple: "tuple", list: "list"}
_KEYED: dict[type, str] = {dict: "dict", collections.OrderedDict: "OrderedDict"}
_KINDS = {name: kind for kind, name in (_COUNTED | _KEYED).items()}


class _Leaf:
    """Stands for an array in a container."""


_LEAF = _Leaf()


def write_spec(spec: Any, encoder: Encoder) -> list[Any] | None:
    """A structure of arguments or results as tokens."""
    if spec is None:
        return None
    tokens: list[Any] = []
    pending = [tree.unflatten(spec, [_LEAF] * spec.num_leaves)]
    while pending:
        x = pending.pop()
        kind = type(x)
        if x is _LEAF:
            tokens.append("leaf")
        elif x is None:
            tokens.append("none")
        elif kind in _COUNTED:
            tokens.append([_COUNTED[kind], len(x)])
            pending.extend(reversed(x))
        elif kind in _KEYED:
            tokens.append([_KEYED[kind], [encoder.value(key) for key in x]])
            pending.extend(reversed(x.values()))
        elif kind is collections.deque:
            tokens.append(["deque", len(x), x.maxlen])
            pending.extend(reversed(x))
        else:
            raise _custom(kind)
    return tokens


def _custom(kind: type) -> GraphFileError:
    return refuse(
        "The arguments and results of a saved graph are arrays in dicts, lists, "
        "tuples, OrderedDicts and deques.",
        f"a {kind.__module__}.{kind.__name__}, whose class a file can't keep",
        "trace the function with those; or save Graph(g.inputs, g.outputs, "
        "name=g.name), which takes and returns the arrays alone.",
    )


def read_spec(tokens: Any, leaves: int, decoder: Decoder) -> Any:
    """The inverse of `write_spec`, for a structure with this many arrays."""
    if tokens is None:
        return None
    made: list[Any] = []
    for token in reversed(listed(tokens, "structure")):
        made.append(_made(token, made, decoder))
    need(len(made) == 1, "a wrong structure")
    found, spec = tree.flatten(made[0])
    need(len(found) == leaves, f"{leaves} arrays in a structure of {len(found)}")
    return spec


def _made(token: Any, made: list[Any], decoder: Decoder) -> Any:
    """One container, of the children that were made before it."""
    if token in ("leaf", "none"):
        return _LEAF if token == "leaf" else None
    name, content, *rest = listed(token, "structure")
    if name in ("tuple", "list") and not rest:
        return _KINDS[name](_taken(made, content))
    if name in ("dict", "OrderedDict") and not rest:
        keys = decoder.items(content)
        need(len(set(keys)) == len(keys), "a name that comes twice")
        return _KINDS[name](zip(keys, _taken(made, len(keys)), strict=True))
    need(name == "deque" and len(rest) == 1, f"an unknown container: {token!r:.40}")
    (most,) = rest
    need(most is None or whole(most, _INT, "deque") >= content, "a wrong deque")
    return collections.deque(_taken(made, content), most)


def _taken(made: list[Any], count: Any) -> list[Any]:
    """The last `count` of `made`, which came in the reverse order."""
    return [made.pop() for _ in range(whole(count, len(made) + 1, "length"))]
