"""A path's graph: through the passes, and cut where a shape depends on values."""

from collections.abc import Callable
from typing import NamedTuple

from wengert.graph.compiling import Passes
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node, topological
from wengert.transforms.jit.interpreter import Split


class Piece(NamedTuple):
    """The part of a path between two splits.

    Attributes:
        graph: what it computes.
        inputs: nodes of the whole graph whose values it takes.
        outputs: nodes whose values it gives: to the split, later pieces, the caller.
        guards: the number, in the whole path, of each of its guards.
        split: what runs after it, if anything.
    """

    graph: Graph
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    guards: list[int]
    split: Split | None


# m + log Σ exp(x − m) is stable as it stands, and shares its parts with its gradient.
SHIFTED = ("restored_log_sum",)


def optimized(graph: Graph, splits: list[Split]) -> tuple[Graph, list[Split]]:
    """The graph after the passes, with the guards' and the splits' nodes kept."""
    n, m = len(graph.outputs), len(graph.guards)
    asked = (*(g.node for g in graph.guards), *(s.asked for s in splits))
    ends = (*graph.outputs, *asked)
    if not asked:
        return graph.optimize(without=SHIFTED), splits
    whole = Graph(graph.inputs, ends, name=graph.name).optimize(without=SHIFTED)
    nodes = whole.outputs
    guards = tuple(
        g._replace(node=node)
        for g, node in zip(graph.guards, nodes[n : n + m], strict=True)
    )
    moved = [
        s._replace(asked=node) for s, node in zip(splits, nodes[n + m :], strict=True)
    ]
    return Graph(graph.inputs, nodes[:n], name=graph.name, guards=guards), moved


def _optimized(graph: Graph) -> Graph:
    return optimized(graph, [])[0]


# The same for a graph without splits, for the backend: it knows whether they must run.
PASSES = Passes(f"all but {', '.join(SHIFTED)}", _optimized)


def pieces(graph: Graph, splits: list[Split]) -> list[Piece]:
    """One piece for each stretch between splits; the whole graph if there are none."""
    if not splits:
        numbers = list(range(len(graph.guards)))
        return [Piece(graph, graph.inputs, graph.outputs, numbers, None)]
    asked = (*(g.node for g in graph.guards), *(s.asked for s in splits))
    nodes = topological((*graph.outputs, *asked), graph.inputs)
    place = _places(nodes, splits)
    found = []
    for k in range(len(splits) + 1):
        outputs = _wanted(graph, splits, nodes, place, k)
        numbers = [i for i, g in enumerate(graph.guards) if place[g.node] == k]
        split = splits[k] if k < len(splits) else None
        part, inputs = _separate(graph, nodes, place, k, outputs, numbers)
        found.append(Piece(part, inputs, outputs, numbers, split))
    return found


def _places(nodes: list[Node], splits: list[Split]) -> dict[Node, int]:
    """The piece that computes each node: after all splits that it depends on."""
    place = {n: k + 1 for k, s in enumerate(splits) for n in s.results}
    for node in nodes:
        if node not in place:
            place[node] = max((place[i] for i in node.inputs), default=0)
    return place


def _wanted(
    graph: Graph,
    splits: list[Split],
    nodes: list[Node],
    place: dict[Node, int],
    k: int,
) -> tuple[Node, ...]:
    """What piece `k` computes that is used outside of it."""
    used = [*graph.outputs, *(s.asked for s in splits)]
    used += [i for n in nodes if place[n] > k for i in n.inputs]
    return tuple(
        n
        for n in dict.fromkeys(used)
        if place[n] == k and n.op is not INPUT and n.op is not CONSTANT
    )


def _separate(
    graph: Graph,
    nodes: list[Node],
    place: dict[Node, int],
    k: int,
    outputs: tuple[Node, ...],
    numbers: list[int],
) -> tuple[Graph, tuple[Node, ...]]:
    """The nodes of piece `k` as a graph of its own, and the nodes that feed it."""
    new: dict[Node, Node] = {}
    inputs: dict[Node, Node] = {}

    def fed(n: Node) -> Node:
        if n not in inputs:
            inputs[n] = Node(INPUT, (), {}, n.type, n.source, n.name, n.scope)
        return inputs[n]

    for node in nodes:
        if node.op is CONSTANT:
            new[node] = node
        elif place[node] == k and node.op is not INPUT:
            taken = [
                new[i] if (place[i] == k and i.op is not INPUT) or i.op is CONSTANT
                else fed(i)
                for i in node.inputs
            ]  # fmt: skip
            new[node] = Node(
                node.op, tuple(taken), node.params, node.type, node.source, node.name,
                node.scope,
            )  # fmt: skip
    guards = tuple(
        graph.guards[i]._replace(node=_at(graph.guards[i].node, new, fed))
        for i in numbers
    )
    part = Graph(
        tuple(inputs.values()), tuple(new[n] for n in outputs), name=graph.name,
        guards=guards,
    )  # fmt: skip
    return part, tuple(inputs)


def _at(node: Node, new: dict[Node, Node], fed: Callable[[Node], Node]) -> Node:
    return fed(node) if node.op is INPUT else new[node]
