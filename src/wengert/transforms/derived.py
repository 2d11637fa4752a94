"""Derivatives of a Graph as graphs: `graph.grad()`, `vjp`, `jvp` and so on.

Each is the extended graph: the graph's own steps, and those of its derivative beside
them. Arguments and results have the structure that the graph's own have.
"""

from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.errors import DerivativeError, ShapeMismatch, explain
from wengert.core.op import Missing, Zero
from wengert.core.types import Array, is_inexact
from wengert.graph.arguments import arguments
from wengert.graph.graph import INPUT, PART, Graph, Node
from wengert.graph.symbols import as_symbol, node_of
from wengert.transforms.extended import (
    adjoints_of,
    as_result,
    gradients,
    results_of,
    value_of,
)
from wengert.transforms.forward import Forward, _like
from wengert.transforms.hessian import hessian
from wengert.transforms.jacobian import jacobian


def graph_grad(self: Graph, wrt: Any = 0, *, with_value: bool = False) -> Graph:
    """The graph of the gradient: the adjoints as steps beside the forward ones.

    Args:
        self: a graph with one real number as output.
        wrt: an argument's position or name, a node or its name, or a tuple of these.
        with_value: whether the value is an output too, before the gradient.

    Returns:
        A Graph of the same arguments. The gradient has the structure of `wrt`.

    Raises:
        DerivativeError: if the output isn't one real number.
        ShapeMismatch: for a `wrt` that the graph doesn't have.
        TypeMismatch: for a `wrt` of integers.

    >>> from wengert.graph.stage import trace
    >>> slope = trace(lambda x, y: x * x * y, 1.0, 1.0).grad("x")
    >>> slope(3.0, 2.0), slope.grad("x")(3.0, 2.0)
    (np.float64(12.0), np.float64(4.0))
    """
    z = _output(self, "grad")
    if z.shape or z.dtype.kind != "f":
        raise DerivativeError(
            explain(
                "grad is of a graph whose output is a real number.",
                f"the output of `{self.name}` is {z.type}",
                "use graph.jacobian() or graph.vjp(), or end the function with np.sum.",
            )
        )
    found = gradients(as_symbol(z), tree.map(as_symbol, _wrt(self, wrt)))
    outputs = (as_symbol(z), found) if with_value else found
    return _same_arguments(self, outputs, "grad")


def graph_vjp(self: Graph) -> Graph:
    """The graph of (*arguments, cotangent of the result), to (result, cotangents).

    The cotangents are a tuple with one per argument, in its structure, as from
    `wg.vjp`; zeros for integers. The result's integers have the cotangent None.

    >>> from wengert.graph.stage import trace
    >>> trace(lambda x, y: x * y, 1.0, 1.0).vjp()(3.0, 2.0, 10.0)
    (np.float64(6.0), (np.float64(20.0), np.float64(30.0)))
    """
    ends = [n for n in self.outputs if is_inexact(n.dtype)]
    taken = {n.name for n in self.inputs}
    numbers = range(len(self.outputs))
    cts = {i: _input(n, f"ct{i}" if len(numbers) > 1 else "ct", taken)
           for i, n in zip(numbers, self.outputs, strict=True)
           if is_inexact(n.dtype)}  # fmt: skip
    seeds: list[Array] = [as_symbol(n) for n in cts.values()]
    pulled = [
        as_result(n, adjoint)
        for n, adjoint in zip(
            self.inputs, adjoints_of(ends, seeds, list(self.inputs)), strict=True
        )
    ]
    inputs = _structured(self, self.inputs)
    ct = _like_result(self, [cts.get(i) for i in numbers])
    outputs = (
        _like_result(self, [as_symbol(n) for n in self.outputs]),
        _structured(self, pulled),
    )
    return _graph((*inputs, ct), outputs, f"vjp_of_{self.name}")


def graph_jvp(self: Graph) -> Graph:
    """The graph of (*arguments, *tangents of them), to (result, tangent of it).

    Integers among the arguments have the tangent None, those of the result too.

    >>> from wengert.graph.stage import trace
    >>> trace(lambda x, y: x * y, 1.0, 1.0).jvp()(3.0, 2.0, 1.0, 0.0)
    (np.float64(6.0), np.float64(2.0))
    """
    taken = {n.name for n in self.inputs}
    given = {n: _input(n, f"d{n.name}", taken)
             for n in self.inputs if is_inexact(n.dtype)}  # fmt: skip
    pushed = tangents_of(self, {n: as_symbol(d) for n, d in given.items()})
    moved = [
        as_result(n, pushed.get(n)) if is_inexact(n.dtype) else None
        for n in self.outputs
    ]
    inputs = _structured(self, self.inputs)
    directions = _structured(self, [given.get(n) for n in self.inputs])
    ys = _like_result(self, [as_symbol(n) for n in self.outputs])
    outputs = (ys, _like_result(self, moved))
    return _graph((*inputs, *directions), outputs, f"jvp_of_{self.name}")


def tangents_of(graph: Graph, given: dict[Node, Any]) -> dict[Node, Any]:
    """The tangent of each node as an expression; none for a node whose tangent is zero.

    The rules are those of `Forward`, which computes them here from the graph's own
    nodes, so that both share what they need.
    """
    interp = Forward()
    found: dict[Node, Any] = dict(given)
    for node in graph.nodes:
        rule, tangents = node.op.derivative, [found.get(i) for i in node.inputs]
        if node.op is PART and tangents[0] is not None:
            found[node] = tangents[0][node.params["index"]]
        elif node.op is PART or all(t is None for t in tangents):
            continue
        elif isinstance(rule, Missing):
            raise DerivativeError(
                explain(f"`{node.op.name}` has no derivative.", node.line, rule.why)
            )
        elif not isinstance(rule, Zero) and _flows(node):
            y, values = results_of(node), [value_of(i) for i in node.inputs]
            with np.errstate(all="ignore"):
                dy = interp._push(node.op, rule, tangents, y, values, node.params)
            found[node] = dy if node.op.multiple else _like(dy, y)
    return found


def graph_jacobian(self: Graph, wrt: Any = 0) -> Graph:
    """The graph of the derivatives of the output by `wrt`, output's axes first.

    `wrt` as in `grad`; the result has its structure.

    >>> from wengert.graph.stage import trace
    >>> import numpy as np
    >>> trace(lambda x: x * x, np.ones(2)).jacobian()(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _of_function(self, wrt, jacobian, "jacobian")


def graph_hessian(self: Graph, wrt: Any = 0) -> Graph:
    """The graph of the second derivatives of a scalar output by `wrt`, as in `grad`.

    >>> from wengert.graph.stage import trace
    >>> import numpy as np
    >>> trace(lambda x: x[0] * x[0] * x[1], np.ones(2)).hessian()(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return _of_function(self, wrt, hessian, "hessian")


def _of_function(self: Graph, wrt: Any, transform: Any, what: str) -> Graph:
    end = _output(self, what)
    chosen = _wrt(self, wrt)
    nodes, spec = tree.flatten(chosen)
    fed = {n: as_symbol(n) for n in self.inputs}

    def f(xs: Any) -> Any:
        return self.run(end, fed | dict(zip(nodes, tree.flatten(xs)[0], strict=True)))

    outputs = transform(f)(tree.unflatten(spec, map(as_symbol, nodes)))
    return _same_arguments(self, outputs, what)


def _flows(node: Node) -> bool:
    return node.op.multiple or is_inexact(node.dtype)


# What the derivative is by, and structures -------------------------------------------


def _wrt(graph: Graph, wrt: Any) -> Any:
    """Nodes in the structure of what `wrt` names."""
    if isinstance(wrt, tuple | list):
        return tuple(_wrt_one(graph, x) for x in wrt)
    return _wrt_one(graph, wrt)


def _wrt_one(graph: Graph, wrt: Any) -> Any:
    given = arguments(graph)
    if isinstance(wrt, int):
        if not -len(given) <= wrt < len(given):
            plural = "" if len(given) == 1 else "s"
            raise ShapeMismatch(
                explain(
                    f"`{graph.name}` has {len(given)} argument{plural}: "
                    f"{', '.join(name for name, _ in given)}.",
                    f"wrt={wrt}",
                    "count from 0, or use a name.",
                )
            )
        return given[wrt][1]
    whole = [argument for name, argument in given if name and name == wrt]
    return whole[0] if whole else graph.node(wrt)


def _output(graph: Graph, what: str) -> Node:
    if len(graph.outputs) != 1:
        raise DerivativeError(
            explain(
                f"{what} is of a graph with one output.",
                f"`{graph.name}` has {len(graph.outputs)}",
                "graph.subgraph(node) picks one; graph.vjp() takes them all.",
            )
        )
    return graph.outputs[0]


def _structured(graph: Graph, leaves: Any) -> tuple[Any, ...]:
    """One thing per input as one per argument, in the arguments' structure."""
    if graph.in_spec is None:
        return tuple(leaves)
    whole: tuple[Any, ...] = tree.unflatten(graph.in_spec, leaves)
    return whole


def _like_result(graph: Graph, leaves: list[Any]) -> Any:
    if graph.out_spec is None:
        return tuple(leaves)
    return tree.unflatten(graph.out_spec, leaves)


def _input(node: Node, name: str, taken: set[str]) -> Node:
    """An input like `node` under a name that no other input has."""
    while name in taken:
        name += "_"
    taken.add(name)
    return Node(INPUT, (), {}, node.type, None, name)


def _same_arguments(of: Graph, outputs: Any, what: str) -> Graph:
    leaves, out_spec = tree.flatten(outputs)
    nodes = tuple(map(node_of, leaves))
    return Graph(of.inputs, nodes, of.in_spec, out_spec, f"{what}_of_{of.name}")


def _graph(args: tuple[Any, ...], outputs: Any, name: str) -> Graph:
    inputs, in_spec = tree.flatten(args)
    leaves, out_spec = tree.flatten(outputs)
    return Graph(tuple(inputs), tuple(map(node_of, leaves)), in_spec, out_spec, name)


Graph.grad = graph_grad
Graph.vjp = graph_vjp
Graph.jvp = graph_jvp
Graph.jacobian = graph_jacobian
Graph.hessian = graph_hessian
