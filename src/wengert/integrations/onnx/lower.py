"""A graph in terms of ops that ONNX can say directly.

Each op with a row in `composed` is written as that row says, and what the row writes is
lowered in turn: compositions are a few levels deep, whatever the size of the graph.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.op import Op
from wengert.core.types import Type, promoted
from wengert.graph.graph import (
    CONSTANT,
    INPUT,
    PART,
    Graph,
    Node,
    constant,
    topological,
)
from wengert.graph.symbols import as_symbol, node_of
from wengert.integrations.onnx.composed import COMPOSED, Composed
from wengert.integrations.onnx.errors import Unsayable
from wengert.integrations.onnx.kernels import SAYABLE, letter
from wengert.integrations.onnx.primitives import PRIMITIVES
from wengert.integrations.onnx.tables import DIRECT, meaning, why_not
from wengert.ops.convert import ASTYPE

_OURS = frozenset(PRIMITIVES)
_SAID = frozenset({*DIRECT, *COMPOSED})


class Refusal:
    """A node that can't be said, and why."""

    __slots__ = ("node", "why")

    def __init__(self, node: Node, why: str) -> None:
        self.node = node
        self.why = why


def lower(graph: Graph) -> tuple[Graph, list[Refusal]]:
    """The graph of sayable ops, and the nodes for which there are none."""
    lowering = _Lowering()
    for node in graph.nodes:
        lowering.visit(node)
    outputs = tuple(lowering.done[n] for n in graph.outputs)
    if lowering.refused:
        return graph, lowering.refused
    return Graph(graph.inputs, outputs, None, None, graph.name), []


class _Lowering:
    def __init__(self) -> None:
        self.done: dict[Node, Node] = {}
        self.parts: dict[Node, list[Node]] = {}
        self.refused: list[Refusal] = []

    def visit(self, node: Node) -> None:
        """Finds `done[node]`; a refused one stands for itself: all are to be found."""
        try:
            self.done[node] = self._lowered(node)
        except Unsayable as why:
            self.refused.append(Refusal(node, str(why)))
            self.done[node] = node
        except (OverflowError, IndexError) as error:
            self.refused.append(Refusal(node, str(error)))
            self.done[node] = node

    def _lowered(self, node: Node) -> Node:
        check_type(node)
        if node.op is CONSTANT and isinstance(node.params["value"], Tracer):
            raise Unsayable("a constant that is being traced has no value")
        if node.op in (INPUT, CONSTANT):
            return node
        if node.op is PART:
            parts = self.parts.get(node.inputs[0])
            return parts[node.params["index"]] if parts else node
        moved = tuple(self.done[i] for i in node.inputs)
        inner = inner_graph(node)
        if inner is not None:
            self.parts[node] = self._inlined(inner, moved)
            return node
        op = node.op if node.op in _OURS else meaning(node.op)
        if op is None or (op not in _OURS and op.name not in _SAID):
            raise Unsayable(why_not(op))
        known = _known_by_size(node, moved)
        if known is not None:
            return constant(known)
        rule = COMPOSED.get(op.name)
        node = _moved(node, op, moved)
        if rule is None or not rule.when(node):
            return node
        return self._composed(node, rule)

    def _composed(self, node: Node, rule: Composed) -> Node:
        found = rule.f(*_arguments(node, rule.convert), **node.params)
        return self._entered(node, found)

    def _entered(self, node: Node, found: Any) -> Node:
        """The node for what a composition gave, of the type it stands for."""
        end = node_of(found)
        if end.dtype != node.dtype:
            end = Node(ASTYPE, (end,), {"dtype": node.dtype}, node.type)
        if end.shape != node.shape:
            raise Unsayable(f"its composition has shape {end.shape}, not {node.shape}")
        self._take([end], node.inputs, node)
        return self.done[end]

    def _inlined(self, inner: Graph, moved: tuple[Node, ...]) -> list[Node]:
        ends = [node_of(y) for y in inner.evaluate([as_symbol(i) for i in moved])]
        self._take(ends, moved, None)
        return [self.done[end] for end in ends]

    def _take(
        self, ends: Iterable[Node], given: tuple[Node, ...], origin: Node | None
    ) -> None:
        """Lowers the new nodes between `given` and `ends`, which stand for `origin`."""
        for n in given:
            self.done.setdefault(n, n)
        for fresh in topological(ends, stop=set(given)):
            if fresh in self.done:
                continue
            if origin is not None:  # nobody else has these nodes yet
                fresh.source, fresh.scope = origin.source, origin.scope
            self.visit(fresh)


def _moved(node: Node, op: Op, inputs: tuple[Node, ...]) -> Node:
    """The same step by `op` on other inputs."""
    if op is node.op:
        return node.with_inputs(inputs)
    return Node(op, inputs, node.params, node.type, node.source, node.name, node.scope)


def inner_graph(node: Node) -> Graph | None:
    """The graph that a call stands for (`checkpoint`)."""
    block = node.params.get("block")
    if block is not None and isinstance(block.graph, Graph):
        if block.layers:
            raise Unsayable("a checkpoint inside of vmap; put checkpoint outside")
        graph: Graph = block.graph
        return graph
    inner = node.params.get("graph")
    return inner if isinstance(inner, Graph) else None


def check_type(node: Node) -> None:
    """Raises for a dtype that ONNX lacks."""
    types = (node.type,) if isinstance(node.type, Type) else node.type
    for t in types:
        if letter(t.dtype) not in SAYABLE:
            named = "longdouble" if t.dtype.char == "g" else str(t.dtype)
            raise Unsayable(f"a value of dtype {named}")


def _known_by_size(node: Node, moved: tuple[Node, ...]) -> Any:
    """A result without elements, or of arguments without elements; else None."""
    if not isinstance(node.type, Type):
        return None
    if not node.type.size:
        return np.empty(node.shape, node.dtype)
    empty = moved and node.op.name not in ("index_set", "index_add", "concatenate")
    if empty and all(not i.type.size for i in moved) and node.op not in _OURS:
        with np.errstate(all="ignore"):
            args = [np.empty(i.shape, i.dtype) for i in moved]
            return np.asarray(node.op.evaluate(*args, **node.params), node.dtype)
    return None


def _arguments(node: Node, convert: bool) -> list[Any]:
    """Constants as arrays, the rest as symbols; Python's numbers give way."""
    common = promoted(tuple(i.type for i in node.inputs))
    args: list[Any] = []
    for i in node.inputs:
        to = node.dtype if convert and node.dtype.kind == "f" else None
        if i.op is CONSTANT:
            dtype = to or (common if i.type.weak else i.dtype)
            args.append(np.asarray(i.params["value"], dtype))
            continue
        x = as_symbol(i)
        args.append(x if to is None or i.dtype == to else x.astype(to))
    return args
