"""One run of a function, node by node: values, adjoints, and who passed what to whom.

The backward pass here works with the derivative rules of the library, one operation at
a time, so that each contribution can be looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Zero
from wengert.core.types import Array, Type, is_inexact
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node, topological
from wengert.testing.diagnosis.numeric import moved
from wengert.transforms.reverse import vjp

Values = dict[Node, Any]


def evaluate(nodes: Sequence[Node], leaves: dict[Node, Array]) -> Values:
    """The value of every node, given those of the inputs."""
    values: Values = {}
    for n in nodes:
        if n.op is INPUT:
            values[n] = leaves[n]
        elif n.op is CONSTANT:
            values[n] = n.params["value"]
        elif n.op is PART:
            values[n] = values[n.inputs[0]][n.params["index"]]
        else:
            values[n] = bind(n.op, *(values[i] for i in n.inputs), **n.params)
    return values


def is_smooth(node: Node) -> bool:
    """Whether derivatives pass through this operation."""
    zero = isinstance(node.op.derivative, Zero) and node.op is not PART
    return not zero and (node.op.multiple or is_inexact(node.dtype))


def depending(nodes: Sequence[Node], smooth: bool) -> set[Node]:
    """The nodes that inputs lead to; with `smooth` those that derivatives reach."""
    found: set[Node] = set()
    for n in nodes:
        follows = any(i in found for i in n.inputs)
        if n.op is INPUT or (follows and (is_smooth(n) or not smooth)):
            found.add(n)
    return found


@dataclass
class Step:
    """One operation at recorded values, as a function of what it is differentiated by.

    Attributes:
        node: the operation.
        args: the values of all its arguments.
        places: which arguments it is differentiated by.
    """

    node: Node
    args: list[Array]
    places: list[int]

    @property
    def point(self) -> list[Array]:
        """The values of the arguments it is differentiated by."""
        return [self.args[i] for i in self.places]

    def __call__(self, *xs: Array) -> list[Array]:
        """The results that have derivatives."""
        full = list(self.args)
        for i, x in zip(self.places, xs, strict=True):
            full[i] = x
        y = bind(self.node.op, *full, **self.node.params)
        results = y if self.node.op.multiple else (y,)
        return [r for r in results if is_inexact(r.dtype)]

    def pull(self, cts: list[Array]) -> list[Array]:
        """The cotangents of its arguments, by its rule."""
        return list(vjp(self, *self.point)[1](cts))


@dataclass
class Run:
    """A function's graph at one point.

    Attributes:
        graph: the graph, from its float and complex inputs.
        nodes: its nodes, and those that Python's questions (`if x > 0`) led to.
        values: the value of each node.
        reached: the nodes that depend on the inputs.
        smooth: those of them that derivatives reach from the inputs.
        adjoints: after `pull_back`, the cotangent of each node that one reached.
        passed: after `pull_back`, what each operation passed to its arguments, by
            (node, place among the arguments).
        failed: after `pull_back`, the operations whose rule raised, and what.
    """

    graph: Graph
    leaves: list[Array]
    nodes: list[Node] = field(init=False)
    values: Values = field(init=False)
    reached: set[Node] = field(init=False)
    smooth: set[Node] = field(init=False)
    adjoints: dict[Node, Any] = field(init=False, default_factory=dict)
    passed: dict[tuple[Node, int], Array] = field(init=False, default_factory=dict)
    failed: dict[Node, Exception] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        ends = [*self.graph.outputs, *(g.node for g in self.graph.guards)]
        self.nodes = topological(ends, self.graph.inputs)
        self.values = self.at(self.leaves)
        self.reached = depending(self.nodes, smooth=False)
        self.smooth = depending(self.nodes, smooth=True)
        self._lines = self.graph.lines()
        self._names = self.graph.names()

    def at(self, leaves: Sequence[Array]) -> Values:
        """All values at another point, on the same path through the program."""
        return evaluate(self.nodes, dict(zip(self.graph.inputs, leaves, strict=True)))

    def beside(self, vs: Sequence[Array], step: float) -> Values | None:
        """All values a step along `vs` away; None if the program fails there."""
        try:
            return self.at(moved(self.leaves, vs, step))
        except Exception:  # a matrix that isn't positive definite any more, say
            return None

    def text(self, node: Node) -> str:
        """The operation as print(graph) shows it."""
        text = self._lines.get(node) or node.name or node.op.name
        if node.op.kind == "call" and ", call=" in text:
            text = f"{text.rpartition(', call=')[0]})"
        return text if len(text) <= 200 else f"{text[:199]}…"

    def name(self, node: Node) -> str:
        """Its name in `text`; a number as it is."""
        return self._names.get(node) or node.op.name

    def operations(self) -> list[Node]:
        """The nodes that compute something that goes into the result."""
        leaves = (INPUT, CONSTANT, PART)
        return [n for n in self.graph.nodes if n.op not in leaves]

    def step(self, node: Node) -> Step | None:
        """The operation as a function; None if no derivative passes through it.

        By all arguments that depend on the inputs: the adjoint of one whose derivative
        is cut (a rounded number, say) tells what the cut hides.
        """
        if node not in self.reached or node.op in (INPUT, CONSTANT, PART):
            return None
        if not is_smooth(node):
            return None
        places = [
            i
            for i, n in enumerate(node.inputs)
            if n in self.reached and _has_derivative(n)
        ]
        args = [self.values[i] for i in node.inputs]
        step = Step(node, args, places)
        return step if places and _results(node) else None

    def pull_back(self, cts: Sequence[Array]) -> None:
        """The backward pass, given the cotangents of the outputs with derivatives."""
        ends = [n for n in self.graph.outputs if is_inexact(n.dtype)]
        for n, ct in zip(ends, cts, strict=True):
            self._arrive(n, ct)
        for node in reversed(self.nodes):
            ct = self.adjoints.get(node)
            if ct is None:
                continue
            if node.op is PART:
                self._arrive_part(node, ct)
                continue
            step = self.step(node)
            if step is not None:
                self._pull(step, ct)

    def _pull(self, step: Step, ct: Any) -> None:
        node = step.node
        try:
            cts = step.pull(self.cotangents(node))
        except Exception as error:  # the rule is the user's code: anything may come
            self.failed[node] = error
            return
        for place, c in zip(step.places, cts, strict=True):
            self.passed[node, place] = c
            self._arrive(node.inputs[place], c)

    def cotangents(self, node: Node) -> list[Array]:
        """The adjoint of each result with a derivative; zeros where none arrived."""
        ct = self.adjoints.get(node)
        if not node.op.multiple:
            return [ct]
        parts = ct or [None] * len(node.type)
        return [
            np.zeros(t.shape, t.dtype)[()] if c is None else c
            for c, t in zip(parts, node.type, strict=True)
            if is_inexact(t.dtype)
        ]

    def _arrive(self, node: Node, ct: Array) -> None:
        have = self.adjoints.get(node)
        self.adjoints[node] = ct if have is None else have + ct

    def _arrive_part(self, node: Node, ct: Array) -> None:
        whole = node.inputs[0]
        parts = self.adjoints.setdefault(whole, [None] * len(whole.type))
        at = node.params["index"]
        parts[at] = ct if parts[at] is None else parts[at] + ct


def _has_derivative(node: Node) -> bool:
    return isinstance(node.type, Type) and is_inexact(node.type.dtype)


def _results(node: Node) -> list[Type]:
    types = node.type if node.op.multiple else (node.type,)
    return [t for t in types if is_inexact(t.dtype)]
