"""One run of a graph with every value kept, and what each node is called."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op
from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.show.notation import (
    ATOM,
    CODE,
    NUMBERS,
    SIGN,
    SUM,
    Style,
    Term,
    written,
)
from wengert.show.story import Value
from wengert.show.value import SMALL, TILES, plain, shape_text, short, text_of, value_of

_LONG = 60  # characters of an array among numbers


class Run:
    """A graph, its values at one point, and the nodes that are shown.

    An operation with several results isn't shown as such: each result of it is, as an
    operation of its own on the same inputs.

    Attributes:
        shown: the nodes, in topological order; `place` is their number in it.
        values: each shown node's value.
        active: the nodes that an argument to differentiate by leads to.
        wanted: the inputs to differentiate by.
    """

    def __init__(self, graph: Graph, leaves: Sequence[Array]) -> None:
        self.graph = graph
        self.shown = [n for n in graph.nodes if not n.op.multiple]
        self.place = {n: i for i, n in enumerate(self.shown)}
        self.values: dict[Node, Array] = dict(zip(graph.inputs, leaves, strict=True))
        self.wanted = [n for n in graph.inputs if n.dtype.kind in "fc"]
        self.names: dict[Node, str] = {}
        # The more nodes, the smaller their heat maps: a story has some for each.
        self.tiles = min(TILES, max(4, 4000 // max(1, len(self.shown))))
        self._told: dict[tuple[int, bool], tuple[Array, Value]] = {}
        self._evaluate()
        self.active: set[Node] = set(self.wanted)
        for node in self.shown:
            if any(i in self.active for i in inputs_of(node)):
                self.active.add(node)

    def _evaluate(self) -> None:
        values: dict[Node, Any] = self.values
        with np.errstate(all="ignore"):
            for node in self.graph.nodes:
                if node.op is CONSTANT:
                    values[node] = node.params["value"]
                elif node.op is PART:
                    values[node] = values[node.inputs[0]][node.params["index"]]
                elif node.op is not INPUT:
                    args = [values[i] for i in node.inputs]
                    values[node] = bind(node.op, *args, **node.params)

    def told(self, x: Array, heat: bool = True) -> Value:
        """`x` as a story has it; the same large array is summarised once."""
        if np.size(x) <= SMALL:
            return value_of(x)
        key = id(x), heat
        if key not in self._told:
            # Holding `x` keeps its id from being given to another array.
            self._told[key] = x, value_of(x, self.tiles if heat else 0)
        return self._told[key][1]

    def text(self, x: Array) -> str:
        """`x` in a line."""
        return text_of(x) if np.size(x) <= SMALL else self.told(x, heat=False)["text"]

    def short(self, x: Array) -> str:
        """As `text`, in brackets where a sign would meet an operator."""
        return self.text(x) if np.ndim(x) else short(x)

    def expression(self, node: Node) -> str:
        """`w * x`."""
        names = [self.name(i) for i in inputs_of(node)]
        # Code has no true minus sign: that is for numbers.
        terms = [Term(name.replace("−", "-"), _level(name)) for name in names]
        return self._written(node, terms, CODE)

    def numbers(self, node: Node) -> str:
        """`1 · 2 = 2`, or shapes where arrays are too large to write."""
        values = [self.values[i] for i in inputs_of(node)]
        terms = [self._term(v) for v in values]
        result = self.text(self.values[node])
        if sum(len(t.text) for t in terms) + len(result) <= _LONG:
            left = self._written(node, terms, NUMBERS)
            text = f"{left} = {result}"
        else:
            text = ""
        shapes = [plain(v).shape for v in values]
        if any(s != node.shape for s in shapes) or not text:
            words = ", ".join(shape_text(s) if s else "a number" for s in shapes)
            end = shape_text(node.shape) if node.shape else "a number"
            text = f"{text}; {words} → {end}" if text else f"{words} → {end}"
        return text if node.shape or any(shapes) else text.partition(";")[0]

    def name(self, node: Node) -> str:
        """What the node is called."""
        return self.names[node]

    def _term(self, value: Array) -> Term:
        text = self.text(value)
        return Term(text, ATOM if np.ndim(value) else _level(text))

    def _written(self, node: Node, terms: list[Term], style: Style) -> str:
        op, params = op_of(node)
        params = shown_params(params, inputs_of(node))
        if len(terms) > 8:
            terms = [*terms[:4], Term("…"), *terms[-2:]]
        text = written(op, params, terms, style).text
        return f"{text}[{node.params['index']}]" if node.op is PART else text


def shown_params(params: dict[str, Any], inputs: Sequence[Node]) -> dict[str, Any]:
    """Parameters as they are written: a reduction over all axes needs no axis."""
    if "axis" in params and "keepdims" in params:
        rank = len(inputs[0].type.shape)
        return params | {"whole": len(params["axis"]) == rank}
    return params


def _level(text: str) -> int:
    """A negative number among names needs brackets before a power."""
    return SIGN if text.startswith("−") else SUM if " + " in text else ATOM


def inputs_of(node: Node) -> tuple[Node, ...]:
    """The inputs of a shown node."""
    return node.inputs[0].inputs if node.op is PART else node.inputs


def op_of(node: Node) -> tuple[Op, dict[str, Any]]:
    """The operation of a shown node, and its parameters."""
    whole = node.inputs[0] if node.op is PART else node
    return whole.op, whole.params


def is_operation(node: Node) -> bool:
    """Whether a shown node computes something."""
    return node.op not in (INPUT, CONSTANT)


def apply(node: Node, args: Sequence[Any]) -> Any:
    """The result of a shown node on these arguments."""
    op, params = op_of(node)
    y = bind(op, *args, **params)
    return y[node.params["index"]] if node.op is PART else y
