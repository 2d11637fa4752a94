"""Graph → Graph: replace nodes, take a part, freeze inputs, take calls apart.

Nodes are immutable and shared: an edit makes new nodes for what depends on the change
and keeps all others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace as with_fields
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.errors import DerivativeError, ShapeMismatch, TypeMismatch, explain
from wengert.core.op import Op, Rules
from wengert.core.types import Type
from wengert.graph.arguments import by_name
from wengert.graph.graph import (
    INPUT,
    PART,
    Graph,
    Node,
    checked,
    constant,
    topological,
)
from wengert.graph.read import graphs_in
from wengert.graph.symbols import as_symbol, node_of, refuse_strays

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
    """The graph with `by` (a node, an expression of symbols, a value) for `node`.

    `by` may use the node and others of the graph as they are: with
    `by = 2.0 * as_symbol(node)` what used the node gets twice its value.
    """
    other = node_of(by, "The replacement")
    if not isinstance(node.type, Type):
        raise ShapeMismatch(
            explain(
                "replace takes a node with one result.",
                f"{node!r}, which has {len(node.type)}",
                "replace its parts, which graph.users(node) lists.",
            )
        )
    if other.type[:2] != node.type[:2]:
        raise ShapeMismatch(
            explain(
                f"A replacement has the type of the node, {node.type}.",
                f"{other.type}",
                "convert it with .astype, reshape or broadcast_to.",
            )
        )
    refuse_strays(
        "A replacement and the rest of the graph", graph.inputs, [other],
        "use the graph's own inputs: as_symbol(graph.inputs[0]).",
    )  # fmt: skip
    return rebuild(graph, lambda n, _: other if n is node else None)


def subgraph(graph: Graph, outputs: Any, inputs: Any = None) -> Graph:
    """The part that computes `outputs`, fed at `inputs` (nodes or their names).

    By default the inputs are those of the graph that the outputs depend on. An inner
    node as an input cuts the graph there. `outputs` may be a nested container.
    """
    leaves, spec = tree.flatten(outputs)
    ends = graph.lookup(leaves)
    if inputs is None:
        needed = set(topological(ends))
        unused = {n for n in graph.inputs if n not in needed}
        used, in_spec = _without(graph, unused)
        return Graph(used, tuple(ends), in_spec, spec, graph.name)
    starts = graph.lookup(tree.flatten(inputs)[0])
    cut = _cuts(graph, starts)
    new: dict[Node, Node] = {}
    for n in topological(ends, stop=cut):
        new[n] = cut.get(n) or n.with_inputs(tuple(new[i] for i in n.inputs))
    results = tuple(new[n] for n in ends)
    used = tuple(cut[n] for n in starts)
    refuse_strays(
        "The outputs of a subgraph", used, results,
        "add it, or cut the graph at a node in between.",
    )  # fmt: skip
    return Graph(used, results, None, spec, graph.name)


def _cuts(graph: Graph, starts: Iterable[Node]) -> dict[Node, Node]:
    """For each node an input in its place; an input stays itself."""
    names = graph.names()
    return {
        n: n
        if n.op is INPUT
        else Node(INPUT, (), {}, n.type, n.source, names[n], n.scope)
        for n in starts
    }


def _without(graph: Graph, dropped: set[Node]) -> tuple[tuple[Node, ...], Any]:
    """The other inputs, and their structure where whole arguments are left."""
    left = tuple(n for n in graph.inputs if n not in dropped)
    if graph.in_spec is None:
        return left, None
    kept = []
    for argument in tree.unflatten(graph.in_spec, graph.inputs):
        leaves = tree.flatten(argument)[0]
        gone = [n in dropped for n in leaves]
        if not any(gone):
            kept.append(argument)
        elif not all(gone):
            return left, None
    return left, tree.flatten(tuple(kept))[1]


def freeze(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The graph with the named inputs as constants; the rest is called as before.

    An argument that is a container is given as one, or leaf by leaf: `p={"w": w}`, or
    `**{"p['w']": w}`; in the latter case all further inputs are called flat.
    """
    frozen = {
        node: constant(np.asarray(checked(node, x, graph.name))[()])
        for node, x in by_name(graph, values).items()
    }
    bound = rebuild(graph, lambda n, _: frozen.get(n))
    left, in_spec = _without(graph, set(frozen))
    return Graph(left, bound.outputs, in_spec, graph.out_spec, graph.name)


def inline(graph: Graph) -> Graph:
    """The graph with calls of other graphs (`checkpoint`) taken apart into their steps.

    Also calls inside of those calls. Calls with derivatives of their own
    (`custom_vjp`) stay, since their steps would lose them.
    """
    while any(graphs_in(n) for n in graph.nodes):
        graph = _inlined(graph)
    return graph


def _inlined(graph: Graph) -> Graph:
    results: dict[Node, Any] = {}

    def visit(node: Node, moved: Node) -> Node | None:
        if graphs_in(node):
            args = [as_symbol(i) for i in moved.inputs]
            results[node] = node.op.evaluate(*args, **node.params)
            return None if node.op.multiple else node_of(results[node])
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
        op: the name of an op (all its nodes), or one node or its name.
        vjp: `vjp(ct, y, *args)` gives one cotangent per argument.
        jvp: `jvp(tangents, y, *args)` gives the tangent of y.
        scope: only nodes in this scope (`with wg.scope("layer1")`), or inside it.

    Returns:
        A graph whose derivatives use the given rule (guided backpropagation, clipped
        or straight-through gradients).

    Raises:
        TypeMismatch: without a rule.
        ShapeMismatch: if no node fits. When it is differentiated: for a `vjp` that
            doesn't return one cotangent per argument.
        DerivativeError: when it is differentiated in a mode without a rule.

    >>> from wengert.graph.stage import trace
    >>> graph = trace(np.sin, 1.0).override("sin", vjp=lambda ct, y, x: (10.0 * ct,))
    >>> graph.grad()(1.0)
    np.float64(10.0)
    """
    for what, rule in (("vjp", vjp), ("jvp", jvp)):
        if rule is not None and not callable(rule):
            raise TypeMismatch(
                explain(
                    f"{what} is a function.", repr(rule), "see help(Graph.override)."
                )
            )
    if vjp is None and jvp is None:
        raise TypeMismatch(
            explain(
                "override gives a rule.",
                "neither vjp nor jvp",
                "pass vjp=lambda ct, y, *args: (...,), jvp=…, or both.",
            )
        )
    chosen: Any = op if isinstance(op, str) and op in graph.counts() else None
    if chosen is None and (not isinstance(op, str) or op in graph.names().values()):
        chosen = graph.node(op)
    changed: dict[Op, Op] = {}  # one for all nodes of an op: they stay equal steps

    def visit(node: Node, moved: Node) -> Node | None:
        fits = node.op.name == chosen if isinstance(chosen, str) else node is chosen
        if not fits or not f"{node.scope}/".startswith(f"{scope}/" if scope else ""):
            return None
        if node.op not in changed:
            _refuse_leaf(node)
            changed[node.op] = _with_rule(node.op, vjp, jvp)
        return Node(
            changed[node.op], moved.inputs, node.params, node.type, node.source,
            node.name, node.scope,
        )  # fmt: skip

    result = rebuild(graph, visit)
    if not changed:
        where = f" in scope {scope!r}" if scope else ""
        raise ShapeMismatch(
            explain(
                "override changes nodes of the graph.",
                f"no node {op!r}{where}",
                f"its ops are {', '.join(graph.counts())}; print(graph) shows them.",
            )
        )
    return result


def _refuse_leaf(node: Node) -> None:
    if not node.inputs or node.op is PART:
        raise ShapeMismatch(
            explain(
                "override changes what an operation pulls back.",
                f"the {node.op.name} {node.name!r}".replace(" ''", ""),
                "override the operation that uses it, or that it is a part of.",
            )
        )


def _with_rule(op: Op, vjp: Any, jvp: Any) -> Op:
    def pull(ct: Any, y: Any, *args: Any, **params: Any) -> Any:
        if vjp is None:
            raise DerivativeError(
                explain(
                    f"The override of `{op.name}` has a rule for the mode.",
                    "reverse mode, and only jvp was given",
                    "give override(..., vjp=...) too, or use graph.jvp().",
                )
            )
        cts = vjp(ct, y, *args)
        cts = tuple(cts) if isinstance(cts, tuple | list) else (cts,)
        if len(cts) != len(args):
            raise ShapeMismatch(
                explain(
                    f"The vjp for `{op.name}` returns a cotangent for each of its "
                    f"{len(args)} arguments (None for zero).",
                    f"{len(cts)}",
                    "return a tuple of that length.",
                )
            )
        return cts

    def push(tangents: Any, y: Any, *args: Any, **params: Any) -> Any:
        if jvp is None:
            raise DerivativeError(
                explain(
                    f"The override of `{op.name}` has a rule for the mode.",
                    "forward mode, and only vjp was given",
                    "give override(..., jvp=...) too, or use graph.grad().",
                )
            )
        return jvp(tangents, y, *args)

    return with_fields(
        op,
        name=f"{op.name}_overridden",  # what knows the op by its name must not know it
        derivative=Rules(jvp=push, vjp=pull),
        into=None,
        consume=None,
    )
