"""What to keep between the forward and the backward part, and what to compute again.

The values that the backward part takes from the forward part live from where they are
computed to where they are used, and that is where the memory of training goes. Of the
ways to keep less by computing cheap steps again, a least cut finds the one that keeps
the fewest bytes.

Source: H. He, Min-Cut Optimal Recomputation with AOTAutograd (PyTorch forum, 2022).
"""

from collections.abc import Iterable
from typing import Any

from wengert.core.op import Partials
from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node, topological
from wengert.passes.mincut import ENDLESS, Network

# What may be computed again: first what costs nothing, then a pass over memory, then
# every function of single elements. Sums, matrix products and decompositions never.
_VIEWS = frozenset(["reshape", "transpose", "flip", "broadcast_to", "positive", "real"])
_SIMPLE = _VIEWS | frozenset(
    ["add", "subtract", "multiply", "divide", "strong_product", "negative", "square",
     "absolute", "maximum", "minimum", "where", "astype", "equal", "not_equal", "less",
     "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
     "logical_not", "bitwise_and", "bitwise_or", "invert", "isnan", "isinf", "isfinite",
     "reciprocal", "sign", "one_minus_square", "stop_gradient"]
)  # fmt: skip
_LEVELS = 3


def rematerialize(graph: Graph, budget: int | None = None, forward: Any = 0) -> Graph:
    """The graph with cheap steps of its forward part computed again where they're used.

    Run it last: `merge_common` would put the copies together again.

    Args:
        graph: a graph of a value and its gradient, as of `graph.grad(with_value=True)`.
        budget: bytes that may be kept. The cheapest kind of steps that suffices is
            computed again; by default everything cheap that makes it fewer bytes.
        forward: which output (its position), or which node, the forward part computes.

    Returns:
        A graph of the same values: forward steps first, then the backward steps, with
        copies of forward steps among them. The same graph if nothing is to be gained.

    >>> import numpy as np
    >>> from wengert.graph.stage import trace
    >>> from wengert.transforms.grad import value_and_grad
    >>> def f(w, x):
    ...     return np.sum(np.sin(np.exp(np.tanh(x @ w))))
    >>> g = trace(value_and_grad(f), np.ones((5, 5)), np.ones((9, 5)))
    >>> kept_bytes(g), kept_bytes(rematerialize(g))
    (720, 360)
    """
    end = graph.outputs[forward] if isinstance(forward, int) else graph.node(forward)
    best, least = graph, kept_bytes(graph, end)
    for level in range(_LEVELS):
        if budget is not None and least <= budget:
            break
        keep = _cut(graph, end, level)
        after = _apart(graph, end, keep)
        size = sum(_bytes(n) for n in keep)
        if size < least:
            best, least = after, size
    return best


def kept(graph: Graph, forward: Any = 0) -> list[Node]:
    """The forward steps whose values the backward part takes; inputs and constants,
    which are there anyway, and the forward part's result apart."""
    end = graph.outputs[forward] if isinstance(forward, int) else graph.node(forward)
    first = set(topological([end]))
    taken = {
        i for n in graph.nodes if n not in first for i in n.inputs if i in first
    } | (set(graph.outputs) & first)
    return [n for n in graph.nodes if n in taken and n is not end and n.inputs]


def kept_bytes(graph: Graph, forward: Any = 0) -> int:
    """The bytes of all that is kept."""
    return sum(_bytes(n) for n in kept(graph, forward))


def _bytes(node: Node) -> int:
    types: Iterable[Type]
    types = (node.type,) if isinstance(node.type, Type) else node.type
    return sum(t.size * t.dtype.itemsize for t in types)


def _is_cheap(node: Node, level: int) -> bool:
    if node.op.kind != "op" or node.op.multiple or node.op is PART:
        return False
    if level == 0 or node.op.view:
        return node.op.name in _VIEWS or (node.op.view and len(node.inputs) == 1)
    if level == 1:
        return node.op.name in _SIMPLE
    return node.op.name in _SIMPLE or isinstance(node.op.derivative, Partials)


def _cut(graph: Graph, end: Node, level: int) -> set[Node]:
    """The forward steps to keep, so that all others that are taken can be made again.

    Each step is an edge as wide as its bytes, from where it is computed to who takes
    it; what isn't cheap is computed in the forward part only and so hangs on the
    source, what the backward part takes hangs on the sink.
    """
    first = [n for n in topological([end]) if n.op is not CONSTANT]
    place = {n: 2 * i + 2 for i, n in enumerate(first)}
    net = Network(2 * len(first) + 2)
    taken = set(kept(graph, end))
    for n in first:
        a, b = place[n], place[n] + 1
        free = n.op is INPUT or n is end
        net.join(a, b, 0 if free else _bytes(n))
        if not n.inputs or not _is_cheap(n, level):
            net.join(0, a, ENDLESS)
        else:
            for i in n.inputs:
                if i in place:
                    net.join(place[i] + 1, a, ENDLESS)
        if n in taken:
            net.join(b, 1, ENDLESS)
    near = net.cut(0, 1)
    return {
        n
        for n in first
        if place[n] in near and place[n] + 1 not in near and n.inputs and n is not end
    }


def _apart(graph: Graph, end: Node, keep: set[Node]) -> Graph:
    """The forward part, then the backward part, with what isn't kept made again."""
    first = set(topological([end]))
    new = {n: n for n in graph.nodes if not n.inputs}
    for n in graph.nodes:
        if n in first and n.inputs:
            new[n] = _copy(n, new)
    there = {n for n in first if n in keep or not n.inputs} | {end}
    later = {n: new[n] for n in there}
    later |= {n: n for n in graph.nodes if not n.inputs}
    for n in graph.nodes:
        if n not in first and n.inputs:
            _again(n, later)
    for n in graph.outputs:
        _again(n, later)
    outputs = tuple(later[n] for n in graph.outputs)
    return Graph(
        graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, graph.guards
    )


def _again(node: Node, made: dict[Node, Node]) -> None:
    """Makes a step from what is there, and before it what it takes that isn't."""
    pending = [node]
    while pending:
        n = pending[-1]
        if n in made:
            pending.pop()
            continue
        missing = [i for i in n.inputs if i not in made]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        made[n] = _copy(n, made)


def _copy(n: Node, new: dict[Node, Node]) -> Node:
    inputs = tuple(new[i] for i in n.inputs)
    return Node(n.op, inputs, n.params, n.type, n.source, n.name, n.scope)
