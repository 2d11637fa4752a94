"""The extended graph: adjoints as nodes beside the nodes that they belong to.

The backward pass is the one of the tape (`backward.py`). Here its nodes come from a
graph instead of a run, and its arithmetic is done on symbols, so it writes the adjoint
computation as further nodes that share the forward ones.

Source: the computational graph extension of reverse mode, as in T. Chen and Z. Kolter,
Deep Learning Systems (CMU), lecture on automatic differentiation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import DerivativeError, ShapeMismatch, explain
from wengert.core.op import Missing, Zero
from wengert.core.types import Array, Type
from wengert.graph.graph import (
    CONSTANT,
    INPUT,
    PART,
    Graph,
    Node,
    part,
    topological,
)
from wengert.graph.symbols import as_symbol, node_of
from wengert.transforms import tape
from wengert.transforms.backward import backward, unbounded, zeros_ct
from wengert.transforms.forward import jvp
from wengert.transforms.hessian import hessian
from wengert.transforms.jacobian import jacobian


def gradients(
    z: Any,
    wrt: Any,
    known_cotangents: Any = None,
    stop_at: Sequence[Any] = (),
    unconnected: str = "zeros",
) -> Any:
    """Symbolic gradients of an expression with respect to symbols or inner expressions.

    Args:
        z: an expression; or a container of them, with `known_cotangents` for each.
        wrt: a symbol or expression, or a nested container of them.
        known_cotangents: the cotangent of `z`, in its structure; by default 1, which
            needs a real scalar `z`.
        stop_at: expressions that count as constants.
        unconnected: "zeros" or "error" for a `wrt` that `z` doesn't depend on.

    Returns:
        Expressions in the structure of `wrt`. Call `gradients` on them for higher
        orders.

    Raises:
        DerivativeError: if `z` isn't a scalar and has no cotangent; for an operation
            without a derivative; for an unconnected `wrt` if that is an error.

    >>> from wengert.graph.symbols import function, symbol
    >>> x = symbol("x")
    >>> function([x], gradients(x ** 3, x))(2.0)
    np.float64(12.0)
    """
    if unconnected not in ("zeros", "error"):
        raise ShapeMismatch(
            explain("unconnected is 'zeros' or 'error'.", repr(unconnected), "pick one.")
        )
    ends = [node_of(x, "z") for x in tree.flatten(z)[0]]
    leaves, spec = tree.flatten(wrt)
    wanted = [node_of(x, "wrt") for x in leaves]
    cts = _cotangents(z, ends, known_cotangents)
    stops = {node_of(x, "stop_at") for x in stop_at}
    records = _records(ends, wanted, stops)
    seeds = [(records[n], ct) for n, ct in zip(ends, cts, strict=True) if n in records]
    reached = [n for n in wanted if n in records]
    with np.errstate(all="ignore"):
        found = backward(seeds, [records[n] for n in reached], unbounded(seeds))
    adjoints = dict(zip(reached, found, strict=True))
    return tree.unflatten(
        spec, [_result(n, adjoints.get(n), unconnected) for n in wanted]
    )


def _cotangents(z: Any, ends: list[Node], given: Any) -> list[Array]:
    if given is None:
        if len(ends) != 1 or ends[0].shape or ends[0].dtype.kind != "f":
            came = ", ".join(str(n.type) for n in ends)
            raise DerivativeError(
                explain(
                    "gradients needs one real number to differentiate.",
                    came,
                    "reduce it (np.sum), or pass known_cotangents in its shape.",
                )
            )
        return [ends[0].dtype.type(1)]
    cts = tree.flatten_like(tree.flatten(z)[1], given, "known_cotangents")
    for n, ct in zip(ends, cts, strict=True):
        if np.shape(ct) != n.shape:
            raise ShapeMismatch(
                explain(
                    f"A cotangent has its expression's shape {n.shape}.",
                    f"shape {np.shape(ct)}",
                    "broadcast it by hand, if that is meant.",
                )
            )
    return [as_symbol(ct) if isinstance(ct, Node) else ct for ct in cts]


def _records(
    ends: list[Node], wanted: list[Node], stops: set[Node]
) -> dict[Node, tape.Node]:
    """Tape nodes for the graph nodes between `wanted` and `ends`."""
    sources = set(wanted)
    records: dict[Node, tape.Node] = {}
    for node in topological(ends):
        if node in stops and node not in sources:
            continue
        if node in sources and _is_inexact(node.type):
            records[node] = _leaf(node)
        elif any(i in records for i in node.inputs):
            record = _record(node, records)
            if record is not None:
                records[node] = record
    return records


def _is_inexact(type: Any) -> bool:
    return isinstance(type, Type) and type.dtype.kind in "fc"


def _leaf(node: Node) -> tape.Node:
    return (node.number, node.shape, node.dtype, None, (), None, None, None)


def _record(node: Node, records: dict[Node, tape.Node]) -> tape.Node | None:
    """The node as the tape would have recorded it; None if nothing flows through."""
    rule: Any = node.op.derivative
    number = node.number
    if node.op is PART:
        if not _is_inexact(node.type):
            return None
        whole = (records[node.inputs[0]],)
        index = node.params["index"]
        return (number, node.shape, node.dtype, tape.PART, whole, None, index, None)
    if isinstance(rule, Zero):
        return None
    if isinstance(rule, Missing):
        raise DerivativeError(
            explain(f"`{node.op.name}` has no derivative.", node.line, rule.why)
        )
    multiple = node.op.multiple
    if not multiple and not _is_inexact(node.type):
        return None
    parents = [records.get(i) for i in node.inputs]
    mask = sum(1 << i for i, p in enumerate(parents) if p is not None)
    keep_y, keep = rule.keeps.find(mask, len(parents))
    args = [_value(i) if k else i.type for i, k in zip(node.inputs, keep, strict=True)]
    y = _results(node) if keep_y else None
    shape, dtype = (node.type, None) if multiple else (node.shape, node.dtype)
    return (number, shape, dtype, node.op, parents, y, args, node.params)


def _value(node: Node) -> Array:
    """What a rule computes with: a constant as it is, else a symbol."""
    return node.params["value"] if node.op is CONSTANT else as_symbol(node)


def _results(node: Node) -> Any:
    if not node.op.multiple:
        return as_symbol(node)
    return tuple(as_symbol(part(node, i, t)) for i, t in enumerate(node.type))


def _result(node: Node, adjoint: Array | None, unconnected: str) -> Any:
    if adjoint is not None:
        return adjoint if isinstance(adjoint, Tracer) else as_symbol(node_of(adjoint))
    if unconnected == "error":
        raise DerivativeError(
            explain(
                "z depends on every wrt.",
                f"it doesn't depend on {node.name or node.op.name!r}",
                "leave it out, or unconnected='zeros'.",
            )
        )
    return as_symbol(node_of(zeros_ct(node.type)))



# Derivatives of a Graph, each again a Graph -------------------------------------------


def _wrt(graph: Graph, wrt: Any) -> list[Node]:
    """Inputs by position or name; inner nodes by node or name."""
    chosen = wrt if isinstance(wrt, tuple | list) else [wrt]
    found = []
    for x in chosen:
        if isinstance(x, int):
            if not -len(graph.inputs) <= x < len(graph.inputs):
                raise ShapeMismatch(
                    explain(
                        f"`{graph.name}` has {len(graph.inputs)} inputs.",
                        f"wrt={x}",
                        "count from 0, or use a name.",
                    )
                )
            found.append(graph.inputs[x])
        else:
            found.append(graph.node(x))
    return found


def graph_grad(self: Graph, wrt: Any = 0, *, with_value: bool = False) -> Graph:
    """The graph of the gradient: the adjoints as nodes beside the forward ones.

    Args:
        self: a graph with one real number as output.
        wrt: an input's position or name, an inner node, or a tuple of these.
        with_value: whether the value is an output too, before the gradient.

    Returns:
        A Graph of the same inputs.
    """
    (z,) = _outputs(self, 1, "grad")
    nodes = _wrt(self, wrt)
    found = gradients(as_symbol(z), [as_symbol(n) for n in nodes])
    result = tuple(found) if isinstance(wrt, tuple | list) else found[0]
    outputs = (as_symbol(z), result) if with_value else result
    return _graph(self, self.inputs, outputs, f"grad_of_{self.name}", keep_spec=True)


def graph_vjp(self: Graph) -> Graph:
    """The graph from (inputs, cotangents of the outputs) to (outputs, of the inputs)."""
    cts = [_input(n, f"ct{i}") for i, n in enumerate(self.outputs)]
    pulled = gradients(
        [as_symbol(n) for n in self.outputs],
        [as_symbol(n) for n in self.inputs],
        [as_symbol(n) for n in cts],
    )
    outputs = (tuple(as_symbol(n) for n in self.outputs), tuple(pulled))
    return _graph(self, (*self.inputs, *cts), outputs, f"vjp_of_{self.name}")


def graph_jvp(self: Graph) -> Graph:
    """The graph from (inputs, tangents of them) to (outputs, tangents of these)."""
    tangents = [_input(n, f"d{n.name}") for n in self.inputs]
    primals = tuple(as_symbol(n) for n in self.inputs)
    ys, dys = jvp(
        lambda *xs: self.evaluate(list(xs)), primals, tuple(map(as_symbol, tangents))
    )
    outputs = (tuple(ys), tuple(dys))
    return _graph(self, (*self.inputs, *tangents), outputs, f"jvp_of_{self.name}")


def graph_jacobian(self: Graph, wrt: Any = 0) -> Graph:
    """The graph of the derivatives of the output by one input, output's axes first."""
    _outputs(self, 1, "jacobian")
    return _of_one_input(self, wrt, jacobian, "jacobian")


def graph_hessian(self: Graph, wrt: Any = 0) -> Graph:
    """The graph of the second derivatives of a scalar output by one input."""
    _outputs(self, 1, "hessian")
    return _of_one_input(self, wrt, hessian, "hessian")


def _of_one_input(self: Graph, wrt: Any, transform: Any, name: str) -> Graph:
    (node,) = _wrt(self, wrt)
    at = self.inputs.index(node)
    symbols = [as_symbol(n) for n in self.inputs]

    def f(x: Array) -> Array:
        return self.evaluate([*symbols[:at], x, *symbols[at + 1 :]])[0]

    outputs = transform(f)(symbols[at])
    return _graph(self, self.inputs, outputs, f"{name}_of_{self.name}", keep_spec=True)


def _outputs(graph: Graph, count: int, what: str) -> tuple[Node, ...]:
    if len(graph.outputs) != count:
        raise DerivativeError(
            explain(
                f"{what} is of a graph with one output.",
                f"`{graph.name}` has {len(graph.outputs)}",
                "graph.subgraph(...) picks one; graph.vjp() takes them all.",
            )
        )
    return graph.outputs


def _input(node: Node, name: str) -> Node:
    return Node(INPUT, (), {}, node.type, None, name)


def _graph(
    of: Graph, inputs: tuple[Node, ...], outputs: Any, name: str, keep_spec: bool = False
) -> Graph:
    leaves, out_spec = tree.flatten(outputs)
    nodes = tuple(map(node_of, leaves))
    return Graph(inputs, nodes, of.in_spec if keep_spec else None, out_spec, name)


Graph.grad = graph_grad
Graph.vjp = graph_vjp
Graph.jvp = graph_jvp
Graph.jacobian = graph_jacobian
Graph.hessian = graph_hessian
