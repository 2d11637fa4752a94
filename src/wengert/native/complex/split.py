"""The pass: a graph whose complex nodes are pairs of real ones wherever that can be."""

from typing import Any

import numpy as np

from wengert.core.op import op_named
from wengert.core.types import Type, promoted
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.native.complex import arrays, elementwise, powers
from wengert.native.complex.numbers import PAIR, Dtype, Maker, Pair, Real
from wengert.native.forms import element_of, part_of


def split(graph: Graph) -> Graph:
    """The graph with complex arithmetic as real arithmetic.

    Complex nodes stay where a library, a routine or the host computes them, and at the
    graph's ends.
    """
    types = [n.type for n in graph.nodes if isinstance(n.type, Type)]
    if not any(t.dtype.kind == "c" for t in types):
        return graph
    s = Split()
    for node in graph.nodes:
        s.add(node)
    outputs = tuple(s.whole(o) for o in graph.outputs)
    return Graph(graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, ())


class Split:
    """What the nodes of a graph have become so far."""

    def __init__(self) -> None:
        self.maker = Maker()
        self.wholes: dict[Node, Node] = {}  # by old node
        self.pairs: dict[Node, Pair] = {}
        self.in_memory: set[Node] = set()  # old nodes that are complex buffers

    def add(self, node: Node) -> None:
        """Enters a node, whose inputs are there already."""
        self.maker.source, self.maker.scope = node.source, node.scope
        if node.op in (INPUT, CONSTANT):
            self.wholes[node] = node
            if node.op is INPUT:
                self.in_memory.add(node)
            return
        if not any(map(_is_complex, _types(node))) and not any(
            _is_complex(t) for i in node.inputs for t in _types(i)
        ):
            self.wholes[node] = node.with_inputs(tuple(map(self.whole, node.inputs)))
            return
        made = self._made(node)
        if isinstance(made, Pair):
            self.pairs[node] = made
            if node.op.name in arrays.MOVES and node.inputs[0] in self.in_memory:
                self._keep(node, self.on_whole(node))
        elif made is None:
            self._keep(node, self.on_whole(node))
        else:
            self.wholes[node] = self._shaped(made, node.shape)

    def _keep(self, node: Node, whole: Node) -> None:
        self.wholes[node] = whole
        self.in_memory.add(node)

    def _made(self, node: Node) -> Pair | Node | None:
        """The node's result by parts; None if it must be computed as a whole."""
        name = node.op.name
        if node.op is PART or not _is_held(node):
            return None
        if name in arrays.RULES:
            return arrays.RULES[name](self, node)
        if name == "sinc":
            return elementwise.sinc(self.pair(node.inputs[0]), node.params)
        if name in elementwise.TRUTHS:
            dtype = part_of(promoted(tuple(i.type for i in node.inputs)))
            pairs = [self.as_pair(i, dtype) for i in node.inputs]
            return elementwise.TRUTHS[name](*pairs).node
        if name in elementwise.RULES and node.dtype.kind == "c":
            pairs = [self.as_pair(i, part_of(node.dtype)) for i in node.inputs]
            n = _whole_exponent(node) if name in ("power", "float_power") else None
            if n is not None:
                return powers.whole_power(pairs[0], n)
            return elementwise.RULES[name](*pairs)
        return None

    # What rules ask for -------------------------------------------------------------

    def whole(self, old: Node) -> Node:
        """The node as one: a complex buffer if it is complex."""
        found = self.wholes.get(old)
        if found is None:
            found = self.wholes[old] = self._joined(self.pairs[old], old.shape)
        return found

    def whole_as(self, old: Node, dtype: np.dtype[Any]) -> Node:
        """The node as one of a complex dtype."""
        if old.dtype == dtype:
            return self.whole(old)
        return self._joined(self.as_pair(old, part_of(dtype)), old.shape)

    def on_whole(self, node: Node) -> Node:
        """The node's op on complex buffers."""
        return node.with_inputs(tuple(map(self.whole, node.inputs)))

    def pair(self, old: Node) -> Pair:
        """The parts of a complex node."""
        found = self.pairs.get(old)
        if found is None:
            found = self.pairs[old] = self._parts(old)
        return found

    def as_pair(self, old: Node, dtype: Dtype) -> Pair:
        """The parts of any node, converted."""
        m = self.maker
        if old.dtype.kind != "c":
            return Pair(m.real(m.cast(self.whole(old), dtype)), m.number(0.0, dtype))
        re, im = self.pair(old)
        return Pair(m.real(m.cast(re.node, dtype)), m.real(m.cast(im.node, dtype)))

    def truth(self, old: Node) -> Real:
        """Whether a condition holds."""
        if old.dtype.kind == "c":
            return elementwise.nonzero(self.pair(old))
        return self.real(self.whole(old))

    def real(self, node: Node) -> Real:
        """A new node to write formulas with."""
        return self.maker.real(node)

    def full(self, x: Real, shape: tuple[int, ...]) -> Node:
        """A part with all its elements: a known one may stand for many."""
        return self._shaped(x.node, shape)

    def _shaped(self, node: Node, shape: tuple[int, ...]) -> Node:
        if node.shape == shape:
            return node
        m = self.maker
        key = ("broadcast_to", node, shape)
        if key not in m.made:
            op = op_named("broadcast_to")
            assert op is not None
            type = Type(shape, node.dtype)
            m.made[key] = m.node(op, (node,), {"shape": shape}, type)
        return m.made[key]

    def _joined(self, x: Pair, shape: tuple[int, ...]) -> Node:
        re, im = (self.full(p, shape) for p in x)
        dtype = np.result_type(re.dtype, np.complex64)
        key = ("pair", re, im)
        if key not in self.maker.made:
            self.maker.made[key] = self.maker.node(
                PAIR, (re, im), {}, Type(shape, dtype)
            )
        return self.maker.made[key]

    def _parts(self, old: Node) -> Pair:
        m, whole = self.maker, self.wholes[old]
        if old.op is not CONSTANT:
            return Pair(*(m.real(m.part(whole, part)) for part in (False, True)))
        value = np.asarray(old.params["value"])
        return Pair(*(m.real(self._constant(x)) for x in (value.real, value.imag)))

    def _constant(self, x: np.ndarray[Any, Any]) -> Node:
        if not x.shape:
            return self.maker.constant(x, x.dtype)
        if all(x.strides[k] for k, n in enumerate(x.shape) if n > 1):
            x = np.array(x, order="C")  # else all of one value, as it was
            x.flags.writeable = False
        return Node(CONSTANT, (), {"value": x}, Type(x.shape, x.dtype))


def _types(node: Node) -> tuple[Type, ...]:
    return (node.type,) if isinstance(node.type, Type) else tuple(node.type)


def _is_complex(type: Type) -> bool:
    return type.dtype.kind == "c"


def _is_held(node: Node) -> bool:
    """Whether registers can hold the parts of all its values."""
    types = (*_types(node), *(t for i in node.inputs for t in _types(i)))
    single = isinstance(node.type, Type)
    return single and all(element_of(Type((), part_of(t.dtype))) for t in types)


def _whole_exponent(node: Node) -> int | None:
    """The exponent, if it is one known whole number that NumPy multiplies for."""
    exponent = node.inputs[1]
    if exponent.op is not CONSTANT or exponent.type.size != 1:
        return None
    value = complex(np.asarray(exponent.params["value"]).reshape(-1)[0])
    few = abs(value) < powers.FEW
    return int(value.real) if few and value == int(value.real) else None
