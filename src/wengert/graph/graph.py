"""Node and Graph: an immutable, typed record of a computation."""

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch, WengertError, line_of
from wengert.core.op import Missing, Op, Zero
from wengert.core.types import Array, type_of

_numbers = itertools.count()


def _never(*args: Any, **params: Any) -> Any:
    raise WengertError("Inputs and constants aren't evaluated; they have values.")


def _leaf(name: str) -> Op:
    return Op(name, _never, _never, Missing("it is a leaf of a graph"), _never)


INPUT = _leaf("input")
CONSTANT = _leaf("constant")
# One result of an op with several.
PART = Op(
    "part",
    evaluate=lambda whole, *, index: whole[index],
    type_of=lambda *types, index: types[index],
    derivative=Zero("handled by the interpreters"),
    batch=_never,
)


class Node:
    """One step: `op` applied to the results of `inputs`.

    Attributes:
        number: grows from inputs to results; a topological order.
        op: what is computed; INPUT and CONSTANT for leaves.
        inputs: the nodes whose results are its arguments.
        params: its static parameters; a constant's `value`.
        type: shape and dtype of its result (a tuple of them for several results).
        source: where the user's code did this: (code object, instruction), or None.
        name: the user's name for it, or "".
    """

    __slots__ = ("inputs", "name", "number", "op", "params", "source", "type")

    def __init__(
        self,
        op: Op,
        inputs: tuple["Node", ...],
        params: dict[str, Any],
        type: Any,
        source: tuple[Any, int] | None = None,
        name: str = "",
    ) -> None:
        self.number = next(_numbers)
        self.op = op
        self.inputs = inputs
        self.params = params
        self.type = type
        self.source = source
        self.name = name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its result."""
        shape: tuple[int, ...] = self.type.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its result."""
        dtype: np.dtype[Any] = self.type.dtype
        return dtype

    @property
    def line(self) -> str:
        """The user's line, as `file.py:12: code`, or ""."""
        return line_of(*self.source) if self.source else ""

    def __repr__(self) -> str:
        return f"Node({self.name or self.op.name}: {self.type})"


def constant(value: Array, copy: bool = True) -> Node:
    """A node for a known value; an array is copied unless it is nobody else's."""
    if isinstance(value, np.ndarray):
        value = value.copy() if copy else value
        value.flags.writeable = False
    return Node(CONSTANT, (), {"value": value}, type_of(value))


class Graph:
    """A computation from inputs to outputs, both with their nested structure.

    Call it like the function it was made from: it evaluates with NumPy, or under
    whatever transform its arguments are traced by, without running that function.
    """

    __slots__ = ("guards", "in_spec", "inputs", "name", "nodes", "out_spec", "outputs")

    def __init__(
        self,
        inputs: tuple[Node, ...],
        outputs: tuple[Node, ...],
        in_spec: Any = None,
        out_spec: Any = None,
        name: str = "graph",
        guards: tuple[Any, ...] = (),
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.in_spec = in_spec
        self.out_spec = out_spec
        self.name = name
        self.guards = guards
        self.nodes = topological(outputs, inputs)

    def __call__(self, *args: Any) -> Any:
        """Evaluates the graph on arguments of the structure it was made with."""
        leaves = (
            list(args)
            if self.in_spec is None
            else tree.flatten_like(self.in_spec, args, "arguments of the graph")
        )
        results = self.evaluate(leaves)
        return (
            tuple(results)
            if self.out_spec is None
            else tree.unflatten(self.out_spec, results)
        )

    def evaluate(self, leaves: list[Array]) -> list[Array]:
        """The outputs' values, given the inputs'; each is freed after its last use.

        Without NumPy's floating-point warnings: a backward pass visits 0/0 and 1/0 on
        its way to a right result.
        """
        if len(leaves) != len(self.inputs):
            raise ShapeMismatch(
                f"The graph `{self.name}` has {len(self.inputs)} inputs; "
                f"{len(leaves)} came."
            )
        values: dict[int, Any] = {}
        for node, x in zip(self.inputs, leaves, strict=True):
            values[node.number] = _checked(node, x, self.name)
        uses = Counter(i.number for n in self.nodes for i in n.inputs)
        uses.update(n.number for n in self.outputs)
        # A backward pass visits 1/0 and 0/0 on its way to a right result.
        with np.errstate(all="ignore"):
            self._run(values, uses)
        return [_out(values[n.number]) for n in self.outputs]

    def _run(self, values: dict[int, Any], uses: Counter[int]) -> None:
        for node in self.nodes:
            if node.op is CONSTANT:
                values[node.number] = node.params["value"]
            elif node.op is PART:
                whole = node.inputs[0].number
                values[node.number] = values[whole][node.params["index"]]
                _release(values, uses, node.inputs)
            elif node.op is not INPUT:
                args = [values[i.number] for i in node.inputs]
                values[node.number] = bind(node.op, *args, **node.params)
                _release(values, uses, node.inputs)

    def check(self) -> None:
        """Raises if an invariant is broken: order, types, inputs that aren't there."""
        seen: set[int] = set()
        inputs = set(self.inputs)
        for node in self.nodes:
            if node.op is INPUT and node not in inputs:
                raise WengertError(f"{node!r} isn't among the inputs of the graph.")
            for i in node.inputs:
                if i.number not in seen:
                    raise WengertError(
                        f"{node!r} uses {i!r}, which doesn't come before it."
                    )
            seen.add(node.number)
            expected = _expected_type(node)
            if expected != node.type:
                raise WengertError(f"{node!r} should have type {expected}.")

    def names(self) -> dict[Node, str]:
        """A name for each node: the user's for inputs, v0, v1 … for the rest."""
        taken = {n.name for n in self.inputs}
        named: dict[Node, str] = {n: n.name for n in self.inputs}
        count = itertools.count()
        for node in self.nodes:
            if node in named:
                continue
            name = node.name
            while not name or name in taken:
                name = f"v{next(count)}"
            taken.add(name)
            named[node] = name
        return named

    def __repr__(self) -> str:
        ops = sum(n.op not in (INPUT, CONSTANT, PART) for n in self.nodes)
        return f"<Graph {self.name}: {len(self.inputs)} inputs, {ops} operations>"

    def __str__(self) -> str:
        from wengert.graph.text import render  # the text needs Graph itself

        return render(self)


def topological(outputs: Iterable[Node], inputs: Iterable[Node] = ()) -> list[Node]:
    """The outputs' ancestors and all inputs, every node after the nodes it uses."""
    found = {n.number: n for n in inputs}
    pending = list(outputs)
    while pending:
        node = pending.pop()
        if node.number not in found or node.op is not INPUT:
            if node.number in found:
                continue
            found[node.number] = node
            pending.extend(node.inputs)
    return [found[number] for number in sorted(found)]


def _checked(node: Node, x: Any, graph: str) -> Array:
    if not isinstance(x, np.ndarray | np.generic | Tracer):
        x = np.asarray(x)[()]
    if x.shape != node.shape:
        raise ShapeMismatch(
            f"Input {node.name or node.number!r} of the graph `{graph}` has shape "
            f"{node.shape}; an array of shape {x.shape} came. Trace the function again "
            "for other shapes."
        )
    if x.dtype != node.dtype:
        if not np.can_cast(x.dtype, node.dtype, "same_kind"):
            raise ShapeMismatch(
                f"Input {node.name or node.number!r} of the graph `{graph}` has dtype "
                f"{node.dtype}; {x.dtype} came. Trace the function again for it."
            )
        x = np.astype(x, node.dtype) if x.ndim else x.astype(node.dtype)
    return x


def _release(
    values: dict[int, Any], uses: Counter[int], inputs: Iterable[Node]
) -> None:
    for i in inputs:
        uses[i.number] -= 1
        if not uses[i.number]:
            del values[i.number]


def _out(x: Array) -> Array:
    # A constant or an input that is also an output must not be shared with the caller.
    return x.copy() if isinstance(x, np.ndarray) else x


def _expected_type(node: Node) -> Any:
    if node.op in (INPUT, CONSTANT):
        return node.type
    if node.op is PART:
        return node.inputs[0].type[node.params["index"]]
    return node.op.type_of(*(i.type for i in node.inputs), **node.params)
