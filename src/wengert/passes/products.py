"""Strong products that can't meet 0·∞ become plain ones."""

from typing import Any

import numpy as np

from wengert.graph.graph import CONSTANT, Graph, Node
from wengert.passes.match import call, is_op, value
from wengert.passes.rewrite import Uses, rewrite

# Operations that only move elements.
_LAYOUT = ("reshape", "broadcast_to", "transpose", "flip", "roll", "diagonal")


def plain_products(graph: Graph) -> Graph:
    """Replaces `strong_product(a, b)` where a plain product gives the same.

    That is so if one factor is finite and nowhere 0, or both are finite, whatever the
    inputs of the graph are.
    """
    if not any(is_op(n, "strong_product") for n in graph.nodes):
        return graph
    # Not nan either: sin and tanh are bounded, but of a nan they are nan, and a
    # cotangent that is zero because the nan was masked must stay zero.
    finite: set[Node] = set()
    nonzero: set[Node] = set()

    def visit(_node: Node, node: Node, uses: Uses) -> tuple[str, Node] | None:
        _note(node, finite, nonzero)
        if not is_op(node, "strong_product"):
            return None
        a, b = node.inputs
        both = a in finite and b in finite
        if not both and not any(i in finite and i in nonzero for i in (a, b)):
            return None
        return "never 0·∞", call("multiply", node, a, b)

    return rewrite(graph, visit)


def _note(node: Node, finite: set[Node], nonzero: set[Node]) -> None:
    """Enters what is known of a node's values from what is known of its inputs."""
    x: Any = value(node)
    if node.op is CONSTANT:
        if x is not None and np.asarray(x).dtype.kind in "biufc":
            if np.isfinite(x).all():
                finite.add(node)
            if np.all(x):
                nonzero.add(node)
        return
    sources: tuple[Node, ...]
    if is_op(node, *_LAYOUT, "negative", "positive", "stop_gradient"):
        sources = node.inputs[:1]
    elif is_op(node, "where"):
        sources = node.inputs[1:]
    elif is_op(node, "astype") and node.inputs[0].dtype.kind in "bf":
        sources = node.inputs
        if node.inputs[0].dtype.kind == "b" and node.dtype.kind in "fc":
            finite.add(node)
    else:
        return
    if is_op(node, "astype") and node.dtype != node.inputs[0].dtype:
        return  # a narrower float can overflow or underflow
    if all(i in finite for i in sources):
        finite.add(node)
    if all(i in nonzero for i in sources):
        nonzero.add(node)
