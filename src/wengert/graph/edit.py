"""Graph → Graph: replace nodes, take a part, freeze inputs, take calls apart.

Nodes are immutable and shared: an edit makes new nodes for what depends on the change
and keeps all others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace as with_fields
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.op import Op, Rules
from wengert.graph.graph import INPUT, PART, Graph, Node, constant
from wengert.graph.symbols import as_symbol, node_of

Visit = Callable[[Node, Node], Node | None]


def rebuild(graph: Graph, visit: Visit, name: str | None = None) -> Graph:
    """The graph with each node, from inputs to outputs, replaced by what `visit` gives.

    `visit(node, moved)` gets a node and the same step on the new inputs; it returns
    another node for it, or None to take `moved`.
    """
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        moved = node.with_inputs(tuple(new[i] for i in node.inputs))
        new[node] = visit(node, moved) or moved
    outputs = tuple(new[n] for n in graph.outputs)
    return Graph(
        graph.inputs, outputs, graph.in_spec, graph.out_spec, name or graph.name,
        graph.guards,
    )  # fmt: skip


def replace(graph: Graph, node: Node, by: Any) -> Graph:
    """The graph with `by` (a node, an expression of symbols, a value) for `node`."""
    if node not in set(graph.nodes):
        raise ShapeMismatch(
            explain(
                "replace takes a node of the graph.",
                f"{node!r}, which isn't among its nodes",
                "find it with graph.find(op=..., name=...).",
            )
        )
    other = node_of(by, "The replacement")
    if other.type.shape != node.type.shape or other.dtype != node.dtype:
        raise ShapeMismatch(
            explain(
                f"A replacement has the type of the node, {node.type}.",
                f"{other.type}",
                "convert it with .astype, reshape or broadcast_to.",
            )
        )
    # The replacement may itself use the node ("y becomes 2·y"): its own inputs stay.
    kept = {other, *_ancestors(other)}
    new: dict[Node, Node] = {n: n for n in kept}
    users = [n for n in graph.nodes if n is not node and n not in kept]
    new[node] = other
    for n in users:
        new[n] = n.with_inputs(tuple(new.get(i, i) for i in n.inputs))
    outputs = tuple(new[n] for n in graph.outputs)
    return Graph(graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name)


def _ancestors(node: Node) -> set[Node]:
    found: set[Node] = set()
    pending = list(node.inputs)
    while pending:
        n = pending.pop()
        if n not in found:
            found.add(n)
            pending.extend(n.inputs)
    return found


def subgraph(graph: Graph, outputs: Any, inputs: Iterable[Node] | None = None) -> Graph:
    """The part that computes `outputs` (nodes or their names), fed at `inputs`.

    By default the inputs are those of the graph that the outputs depend on. An inner
    node as an input cuts the graph there.
    """
    leaves, spec = tree.flatten(outputs)
    ends = tuple(graph.node(x) for x in leaves)
    starts = tuple(graph.node(x) for x in inputs) if inputs is not None else None
    cut: dict[Node, Node] = {}
    if starts is not None:
        for i, n in enumerate(starts):
            fed = Node(INPUT, (), {}, n.type, n.source, n.name or f"x{i}", n.scope)
            cut[n] = n if n.op is INPUT else fed
    new: dict[Node, Node] = {}
    for n in graph.nodes:
        new[n] = cut.get(n) or n.with_inputs(tuple(new[i] for i in n.inputs))
    results = tuple(new[n] for n in ends)
    needed = Graph((), results).nodes
    if starts is None:
        used = tuple(n for n in graph.inputs if n in set(needed))
    else:
        used = tuple(cut[n] for n in starts)
    missing = [n.name for n in needed if n.op is INPUT and n not in set(used)]
    if missing:
        raise ShapeMismatch(
            explain(
                "The outputs of a subgraph depend on its inputs only.",
                f"they also depend on {', '.join(map(repr, missing))}",
                "add these, or cut the graph at a node in between.",
            )
        )
    return Graph(used, results, None, spec, graph.name)


def freeze(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The graph with the named inputs as constants."""
    by_name = {n.name: n for n in graph.inputs}
    frozen: dict[Node, Node] = {}
    for name, value in values.items():
        if name not in by_name:
            raise ShapeMismatch(
                explain(
                    f"The inputs of `{graph.name}` are {', '.join(by_name)}.",
                    f"{name!r}",
                    "use one of those names.",
                )
            )
        node = by_name[name]
        x = np.asarray(value)
        if x.shape != node.shape:
            raise ShapeMismatch(
                explain(
                    f"Input {name!r} has shape {node.shape}.", f"shape {x.shape}",
                    "pass a value of that shape.",
                )
            )  # fmt: skip
        frozen[node] = constant(x.astype(node.dtype)[()])
    rebuilt = rebuild(graph, lambda n, _: frozen.get(n))
    left = tuple(n for n in graph.inputs if n not in frozen)
    return Graph(left, rebuilt.outputs, None, graph.out_spec, graph.name)


def inline(graph: Graph) -> Graph:
    """The graph with calls of other graphs (`checkpoint`) taken apart into their steps."""

    results: dict[Node, list[Any]] = {}

    def visit(node: Node, moved: Node) -> Node | None:
        inner = node.params.get("graph")
        if isinstance(inner, Graph):
            results[node] = inner.evaluate([as_symbol(i) for i in moved.inputs])
            return None if node.op.multiple else node_of(results[node][0])
        if node.op is PART and node.inputs[0] in results:
            return node_of(results[node.inputs[0]][node.params["index"]])
        return None

    return rebuild(graph, visit)


def override(
    graph: Graph, op: str | Node, *, vjp: Any = None, jvp: Any = None, scope: str = ""
) -> Graph:
    """The graph with another derivative for an operation; its value stays.

    Args:
        graph: the graph.
        op: a node, or the name of an op (all its nodes).
        vjp: `vjp(ct, y, *args)` gives one cotangent per argument.
        jvp: `jvp(tangents, y, *args)` gives the tangent of y.
        scope: only nodes in this scope (`with wg.scope("layer1")`).

    Returns:
        A graph whose derivatives use the given rule (guided backpropagation, clipped
        or straight-through gradients).

    Raises:
        TypeMismatch: without a rule.
        ShapeMismatch: if no node fits.
    """
    if vjp is None and jvp is None:
        raise TypeMismatch(
            explain("override gives a rule.", "neither vjp nor jvp", "pass one of them.")
        )
    found: list[Node] = []

    def visit(node: Node, moved: Node) -> Node | None:
        named = node.op.name == op if isinstance(op, str) else node is op
        if not named or not f"{node.scope}/".startswith(f"{scope}/" if scope else ""):
            return None
        found.append(node)
        changed = _with_rule(node.op, vjp, jvp)
        return Node(
            changed, moved.inputs, node.params, node.type, node.source, node.name,
            node.scope,
        )  # fmt: skip

    result = rebuild(graph, visit)
    if not found:
        where = f" in scope {scope!r}" if scope else ""
        raise ShapeMismatch(
            explain(
                "override changes nodes of the graph.",
                f"no node {op!r}{where}",
                "print(graph) shows names and scopes.",
            )
        )
    return result


def _with_rule(op: Op, vjp: Any, jvp: Any) -> Op:
    def pull(ct: Any, y: Any, *args: Any, **params: Any) -> Any:
        if vjp is None:
            raise TypeMismatch(f"`{op.name}` was overridden for forward mode only.")
        cts = vjp(ct, y, *args)
        return cts if isinstance(cts, tuple) else (cts,)

    def push(tangents: Any, y: Any, *args: Any, **params: Any) -> Any:
        if jvp is None:
            raise TypeMismatch(f"`{op.name}` was overridden for reverse mode only.")
        return jvp(tangents, y, *args)

    return with_fields(op, derivative=Rules(jvp=push, vjp=pull), into=None, consume=None)

