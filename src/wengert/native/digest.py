"""What a graph computes, as text: two graphs share it if one program serves both.

Ops, parameters, types, constants by content, guards with their answers. Names, source
lines and scopes aren't in it: code doesn't depend on them.
"""

import hashlib
import struct
from typing import Any

import numpy as np

from wengert.core.op import Op
from wengert.core.types import Type
from wengert.graph.compiling import known
from wengert.graph.encode import dtype_name
from wengert.graph.graph import CONSTANT, Graph, Node, topological
from wengert.graph.serialize import CALLS
from wengert.graph.store import GraphFileError

_PLAIN = frozenset({bool, int, str, type(None), type(...)})


class _Strange(Exception):
    """Something whose content can't be told: an object, a function, a user's rule."""


def described(graph: Graph) -> str | None:
    """The graph as text, or None if something in it isn't data.

    Args:
        graph: what is compiled, before the passes.

    Example:
        >>> graph = wg.trace(lambda x: np.sin(x) * 2.0, 1.0)
        >>> same = wg.trace(lambda longer: 2.0 * np.sin(longer), 1.0)
        >>> other = wg.trace(lambda x: np.sin(x) * 2.5, 1.0)
        >>> described(graph) == described(other), described(graph) == described(same)
        (False, False)
        >>> described(graph) == described(wg.trace(lambda z: np.sin(z) * 2.0, 4.0))
        True
    """
    try:
        return _Description(graph).text()
    except (_Strange, GraphFileError):
        return None


class _Description:
    """The tables that rows refer to: a graph has many nodes, but few types and ops."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ops: dict[int, str] = {}  # by id, which the graph keeps from being reused
        self.dtypes: dict[int, str] = {}
        self.types: dict[Any, str] = {}

    def text(self) -> str:
        graph = self.graph
        nodes = graph.nodes
        if graph.guards:
            ends = (*graph.outputs, *(g.node for g in graph.guards))
            nodes = topological(ends, graph.inputs)
        place = {n: str(i) for i, n in enumerate(nodes)}
        rows = [
            f"{self.ops.get(id(n.op)) or self._op(n.op)}"
            f"({','.join([place[i] for i in n.inputs])})"
            f"{self._params(n) if n.params else ''}:{self._type(n.type)}"
            for n in nodes
        ]
        rows.append("in " + ",".join([place[n] for n in graph.inputs]))
        rows.append("out " + ",".join([place[n] for n in graph.outputs]))
        rows += [
            f"guard {place[g.node]} {g.asked} {_value(g.answer)}" for g in graph.guards
        ]
        return "\n".join(rows)

    def _op(self, op: Op) -> str:
        """The name of an op of the library's; another op of that name is a stranger."""
        call = CALLS.get(op.name)
        if (call.op if call else known(op.name)) is not op:
            raise _Strange
        self.ops[id(op)] = op.name
        return op.name

    def _params(self, node: Node) -> str:
        if node.op is CONSTANT:
            return f"={_value(node.params['value'])}"
        call = CALLS.get(node.op.name)
        params = call.write(node.params) if call else node.params
        if len(params) == 1:
            ((key, value),) = params.items()
            return f"{key}={_value(value)}"
        return ";".join([f"{k}={_value(params[k])}" for k in sorted(params)])

    def _type(self, type: Any) -> str:
        if not isinstance(type, Type):
            return " ".join([self._type(t) for t in type]) + "."
        key = (type.shape, id(type.dtype), type.weak)
        found = self.types.get(key)
        if found is None:
            name = dtype_name(type.dtype)
            found = self.types[key] = f"{name}{type.shape}{'w' if type.weak else ''}"
        return found


def _value(x: Any) -> str:
    """A parameter or an answer, with its exact type; no two have the same text."""
    kind = type(x)
    if kind in _PLAIN:
        return repr(x)
    if kind is tuple:
        return f"({','.join([_value(v) for v in x])})"
    if kind is float:
        return struct.pack("<d", x).hex() + "f"
    if kind is list:
        return f"[{','.join([_value(v) for v in x])}]"
    if kind is slice:
        return f"{_value(x.start)}:{_value(x.stop)}:{_value(x.step)}"
    return _other(x)


def _other(x: Any) -> str:
    kind = type(x)
    if isinstance(x, np.dtype):
        return f"<{dtype_name(x)}>"
    if kind is np.ndarray:
        return f"<{dtype_name(x.dtype)}{x.shape}{_order(x)} {_content(x)}>"
    if isinstance(x, np.generic):
        return f"<{dtype_name(x.dtype)} {x.tobytes().hex()}>"
    if kind is complex:
        return struct.pack("<dd", x.real, x.imag).hex() + "c"
    if kind is Graph:
        return f"{{{_Description(x).text()}}}"
    if kind is dict:
        return f"{{{','.join([f'{_value(k)}={_value(v)}' for k, v in x.items()])}}}"
    raise _Strange


def _order(x: np.ndarray[Any, Any]) -> str:
    return "F" if x.flags.f_contiguous and not x.flags.c_contiguous else ""


def _content(x: np.ndarray[Any, Any]) -> str:
    data = x.tobytes()  # in C order
    return data.hex() if len(data) <= 64 else hashlib.sha256(data).hexdigest()
