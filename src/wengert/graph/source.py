"""A graph as Python source: plain NumPy, readable, that needs no wengert."""

import base64
import builtins
import collections
import inspect
import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import optree

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import TypeMismatch
from wengert.graph import plain
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.graph.layout import block_of_numbers, fitted
from wengert.graph.spelling import (
    SPELLINGS,
    Step,
    dtype_text,
    literal,
    long_numbers,
    number,
    quoted,
)

HELPERS: dict[str, Callable[..., Any]] = {
    name: f
    for name, f in vars(plain).items()
    if inspect.isfunction(f) and f.__module__ == plain.__name__
}
_LARGE = 1000  # elements of a constant that is written out
_INDENT = "    "


def to_python(graph: Graph, name: str | None = None) -> str:
    """The source of a function that computes what the graph does, with NumPy alone.

    Args:
        graph: the graph; of a gradient too.
        name: the function's name, by default the graph's.

    Returns:
        Python source: imports, the helpers and constants that it needs, and one
        function with the graph's arguments, one statement per node and the user's lines
        as comments. SciPy is imported where NumPy hasn't an operation.

    Raises:
        TypeMismatch: for operations that have no spelling, all of them by name: custom
            rules, calls of other graphs, captured traced values.
    """
    _refuse_strangers(graph)
    return _Source(graph, name or graph.name).text()


def _refuse_strangers(graph: Graph) -> None:
    strangers = {
        f"`{n.op.name}`" + (f" ({n.line})" if n.line else ""): None
        for n in graph.nodes
        if n.op not in (INPUT, CONSTANT, PART) and n.op.name not in SPELLINGS
    }
    if any(
        isinstance(n.params.get("value"), Tracer)
        for n in graph.nodes
        if n.op is CONSTANT
    ):
        strangers["a captured traced value"] = None
    if strangers:
        raise TypeMismatch(
            "to_python writes operations that NumPy or SciPy has.\n"
            f"  Came: {', '.join(strangers)}\n"
            "  Do:   graph.inline() takes calls apart; graph.subgraph(...) leaves out "
            "nodes."
        )


class _Names:
    """Python names: valid, each given once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def new(self, wish: str) -> str:
        """A name like `wish`."""
        base = re.sub(r"\W+", "_", wish, flags=re.ASCII).strip("_") or "v"
        base = f"v{base}" if base[0].isdigit() else base
        base = f"{base}_" if keyword.iskeyword(base) else base
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


_RESERVED = {"np", "scipy", "math", "base64", "collections", "_", *HELPERS}


class _Source:
    """The parts of the source while it is written."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.names = _Names(_RESERVED | set(dir(builtins)))
        self.function = self.names.new(name)
        self.called: dict[Node, str] = {}  # node → its name, or its literal
        self.python: set[Node] = set()  # nodes whose values are Python's own numbers
        self.constants: list[str] = []
        self.body: list[str] = []

    def text(self) -> str:
        """All of it, from imports to `return`."""
        heads = self._arguments()
        self._parts_and_names()
        place = ("", "")
        for node in self.graph.nodes:
            if node.op in (INPUT, CONSTANT, PART):
                continue
            if (node.scope, node.line) != place and (node.line or node.scope):
                place = (node.scope, node.line)
                self._note(f"{node.scope}: {node.line}" if node.scope else node.line)
            self.body += self._statements(node)
        self._returned()
        return self._joined(heads)

    def _joined(self, heads: list[str]) -> str:
        inner = "\n".join(self.body)
        constants = "\n".join(self.constants)
        helpers = _helpers(inner)
        used = "\n".join([inner, constants, *helpers])
        sections = [_imports(used)]
        if constants:
            sections.append(constants)
        sections += helpers
        head = fitted("", f"def {self.function}({', '.join(heads)})", ":")
        errors = "# Slopes may be infinite on the way to a right result.\n"
        sections.append(f'{errors}@np.errstate(all="ignore")\n{head}\n{inner}')
        # One blank line between imports and constants, two before a function.
        text = sections[0]
        for i, section in enumerate(sections[1:]):
            text += ("\n\n" if constants and i == 0 else "\n\n\n") + section
        return text + "\n"

    def _line(self, text: str) -> None:
        self.body.append(_INDENT + text)

    def _note(self, text: str) -> None:
        # One line, whatever is in it: a saved graph's text must not become code.
        words = " ".join(text.split())
        self._line("# " + "".join(c if c.isprintable() else "?" for c in words))

    # Arguments --------------------------------------------------------------------

    def _arguments(self) -> list[str]:
        """The parameters; in the body the arrays that they hold."""
        ops = sum(self.graph.counts().values())
        self._line(f'"""{ops} operations, from a graph by wengert."""')
        for g in self.graph.guards:
            self._note(f"Only where {g.asked} gives {g.answer!r}: {g.line}")
        taken = _taken_apart(self.graph)
        if taken is None:
            if self.graph.in_spec is not None:
                self._note("The arrays of the arguments one by one, not in containers.")
            heads = [self.names.new(n.name or "x") for n in self.graph.inputs]
            places = list(heads)
        else:
            renamed = [self.names.new(head) for head, _ in taken]
            heads, places = renamed, []
            for head, (_, paths) in zip(renamed, taken, strict=True):
                places += [head + path for path in paths]
        for node, place in zip(self.graph.inputs, places, strict=True):
            name = place if place in heads else self.names.new(node.name)
            self.called[node] = name
            right = f"np.asarray({place}, dtype={dtype_text(node.dtype)})"
            end = f"  # shape {node.shape}" if node.shape else "[()]"
            self.body.append(fitted(_INDENT, f"{name} = {right}", end))
        return heads

    # Nodes ------------------------------------------------------------------------

    def _parts_and_names(self) -> None:
        """A name for each node, a literal or a module's name for each constant."""
        self.parts: dict[Node, dict[int, Node]] = {}
        for node, name in self.graph.names().items():
            if node.op is PART:
                found = self.parts.setdefault(node.inputs[0], {})
                first = found.setdefault(node.params["index"], node)
                if first is not node:
                    self.called[node] = self.called[first]
                    continue
            if node.op is CONSTANT:
                self.called[node] = self._constant(node)
            elif node.op is not INPUT:
                self.called[node] = self.names.new(name)

    def _constant(self, node: Node) -> str:
        value = node.params["value"]
        if not isinstance(value, np.ndarray):
            if not isinstance(value, np.generic):
                self.python.add(node)
            return number(value)
        name = self.names.new(node.name.upper() or f"C{len(self.constants)}")
        self.constants.append(_constant(name, value))
        return name

    def _statements(self, node: Node) -> list[str]:
        args = [self.called[i] for i in node.inputs]
        python = [i in self.python for i in node.inputs]
        if all(python) and node.op.name in _STAYS_PYTHON and args:
            self.python.add(node)
        name = self.called[node]
        spelled = SPELLINGS[node.op.name](Step(node, args, node.params, python, name))
        if not isinstance(spelled, str):
            return [_INDENT + line for line in spelled]
        if node in self.parts:
            found = self.parts[node]
            targets = (found.get(i) for i in range(len(node.type)))
            name = ", ".join(self.called[t] if t else "_" for t in targets)
        return [fitted(_INDENT, f"{name} = {spelled}")]

    # Results ----------------------------------------------------------------------

    def _returned(self) -> None:
        seen: Counter[Node] = Counter()
        texts = []
        for node in self.graph.outputs:
            text = self.called[node]
            shared = node.op in (INPUT, CONSTANT) or node.op.view or seen[node]
            if node.type.shape and (shared or node.op.name == "broadcast_to"):
                text = f"{text}.copy()"  # nobody else's memory
            seen[node] += 1
            texts.append(text)
        self.body.append(fitted(_INDENT, f"return {self._structured(texts)}"))

    def _structured(self, texts: list[str]) -> str:
        spec = self.graph.out_spec
        if spec is not None:
            found = tree.unflatten(spec, map(_Text, texts))
            if (written := _written(found)) is not None:
                return written
            self._note("The arrays of the result one by one, not in containers.")
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


# Ops whose value on Python's numbers is a Python number.
_STAYS_PYTHON = ("add", "subtract", "multiply", "divide", "power", "negative", "square")


# Containers -------------------------------------------------------------------------


class _Text(str):
    """An expression in the place of a result."""

    __slots__ = ()


def _written(x: Any) -> str | None:
    """A container as an expression; None if it has another class than Python's."""
    kind = type(x)
    if kind is _Text or x is None:
        return str(x)
    if kind in (dict, collections.OrderedDict):
        return _written_dict(x)
    if kind not in (tuple, list, collections.deque):
        return None
    items = [_written(v) for v in x]
    if any(v is None for v in items):
        return None
    inner = ", ".join(map(str, items))
    if kind is tuple:
        return f"({inner}{',' if len(items) == 1 else ''})"
    if kind is list:
        return f"[{inner}]"
    most = "" if x.maxlen is None else f", maxlen={x.maxlen}"
    return f"collections.deque([{inner}]{most})"


def _written_dict(x: dict[Any, Any]) -> str | None:
    pairs = []
    for key, value in x.items():
        written = _written(value)
        if written is None or not _is_plain(key):
            return None
        pairs.append(f"{literal(key)}: {written}")
    inner = f"{{{', '.join(pairs)}}}"
    return inner if type(x) is dict else f"collections.OrderedDict({inner})"


def _is_plain(key: Any) -> bool:
    """Whether a literal says this key."""
    if type(key) is tuple:
        return all(map(_is_plain, key))
    return key is None or type(key) in (str, int, float, bool)


_ENTRIES = (optree.MappingEntry, optree.SequenceEntry, optree.GetAttrEntry)


def _taken_apart(graph: Graph) -> list[tuple[str, list[str]]] | None:
    """Each argument's name, and its arrays' places: `["w"][0]`; None if flat."""
    spec = graph.in_spec
    if spec is None or spec.type is not tuple:
        return None
    found: list[tuple[str, list[str]]] = []
    inputs = iter(graph.inputs)
    for k, child in enumerate(spec.children()):
        accessors = optree.treespec_accessors(child)
        if not all(_is_path(a) for a in accessors):
            return None
        names = [next(inputs).name for _ in accessors]
        bases = {
            name.removesuffix(a.codify(""))
            for name, a in zip(names, accessors, strict=True)
        }
        base = bases.pop() if len(bases) == 1 else ""
        found.append((base or f"argument{k}", [_path(a) for a in accessors]))
    return found


def _is_path(accessor: Any) -> bool:
    return all(
        isinstance(e, _ENTRIES)
        and (not isinstance(e, optree.MappingEntry) or _is_plain(e.entry))
        for e in accessor
    )


def _path(accessor: Any) -> str:
    return "".join(
        f".{e.entry}" if isinstance(e, optree.GetAttrEntry) else _subscript(e)
        for e in accessor
    )


def _subscript(e: Any) -> str:
    """NamedTuple fields count as positions, so `[0]` reads them."""
    return f"[{literal(e.entry)}]"


# Constants, helpers, imports ----------------------------------------------------------


def _constant(name: str, x: np.ndarray[Any, Any]) -> str:
    """An assignment of an array: as short as it can be said exactly."""
    dtype = dtype_text(x.dtype)
    first = x.flat[0] if x.size else x.dtype.type(0)
    if x.size != 1 and x.tobytes() == np.full(x.shape, first, x.dtype).tobytes():
        return f"{name} = {_full(x.shape, first, dtype)}"
    if x.ndim == 1 and x.dtype == np.intp and np.array_equal(x, np.arange(x.size)):
        return f"{name} = np.arange({x.size})"
    if x.dtype.char in "gG":
        right = f"{long_numbers(x)}.reshape({literal(x.shape)})"
        return block_of_numbers(f"{name} = {right}")
    if x.size > _LARGE:
        text = base64.b64encode(np.ascontiguousarray(x).tobytes()).decode("ascii")
        right = f'np.frombuffer(base64.b64decode("{text}"), dtype={_stored(x.dtype)})'
        return f"{name} = {right}.reshape({literal(x.shape)})  # fmt: skip"
    return block_of_numbers(f"{name} = np.array({_nested(x)}, dtype={dtype})")


def _stored(dtype: np.dtype[Any]) -> str:
    """With its byte order, for the bytes may be read elsewhere."""
    return quoted(dtype.str)


def _full(shape: tuple[int, ...], first: Any, dtype: str) -> str:
    if first == 0 and not np.signbit(np.real(first)) and not np.signbit(np.imag(first)):
        return f"np.zeros({literal(shape)}, dtype={dtype})"
    if first == 1 and not np.signbit(np.imag(first)):
        return f"np.ones({literal(shape)}, dtype={dtype})"
    value = number(first.item() if first.dtype.char not in "gG" else first)
    return f"np.full({literal(shape)}, {value}, dtype={dtype})"


def _nested(x: np.ndarray[Any, Any]) -> str:
    """The elements in brackets; an array has few axes, so recursion is shallow."""
    if not x.ndim:
        return number(x.item())
    return f"[{', '.join(map(_nested, x))}]" if x.ndim > 1 else _row(x)


def _row(x: np.ndarray[Any, Any]) -> str:
    return f"[{', '.join(map(number, x.tolist()))}]"


def _helpers(body: str) -> list[str]:
    """The sources of the helpers that are called, and of those that they call."""
    wanted = {name for name in HELPERS if re.search(rf"\b{name}\(|\b{name},", body)}
    pending = list(wanted)
    while pending:
        called = set(HELPERS[pending.pop()].__code__.co_names) & set(HELPERS)
        pending += called - wanted
        wanted |= called
    return [_bare(HELPERS[name]) for name in HELPERS if name in wanted]


def _bare(f: Callable[..., Any]) -> str:
    """Its source, without the annotations that need an import."""
    text = inspect.getsource(f).replace(": Array", "").replace(" -> Array", "")
    return text.rstrip()


def _imports(text: str) -> str:
    """The modules that the text uses, the standard library's first."""
    own = [m for m in ("base64", "collections", "math") if f"{m}." in text]
    found = (
        [f"import {m}" for m in own] + ([""] if own else []) + ["import numpy as np"]
    )
    found += [
        f"import scipy.{m}" for m in ("linalg", "special") if f"scipy.{m}." in text
    ]
    return "\n".join(found)
