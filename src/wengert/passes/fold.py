"""Constant folding: what depends on constants only is computed now."""

from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.graph.graph import CONSTANT, PART, Graph, Node, constant
from wengert.passes.match import value
from wengert.passes.rewrite import Uses, rewrite

# Elements of a result that may be larger than its arguments together: a broadcast of a
# number to a large array is better made when it's needed.
_GROWTH = 4096


def fold_constants(graph: Graph) -> Graph:
    """Replaces each operation on constants by its result."""
    return rewrite(graph, _fold)


def _fold(_node: Node, node: Node, uses: Uses) -> tuple[str, Node] | None:
    for i in node.inputs:
        if i.op is not CONSTANT:
            return None
    if not node.inputs or node.op is PART or node.op.multiple:
        return None
    if node.op.kind != "op":
        return None  # a call of the user's function may also print, or count
    values = [value(i) for i in node.inputs]
    if any(v is None for v in values):
        return None
    size = sum(i.type.size for i in node.inputs)
    if node.type.size > max(size, _GROWTH):
        return None
    result = _result(node, values)
    return None if result is None else ("constant", constant(result))


def _result(node: Node, values: list[Any]) -> Any:
    """The value, in exactly the node's type; None if computing it raises.

    Then it raises when the graph runs, as it would have without this pass.
    """
    with np.errstate(all="ignore"):
        try:
            result = np.asarray(bind(node.op, *values, **node.params))
        except (ArithmeticError, LookupError, ValueError, TypeError):
            return None
    fitting = result.shape == node.shape and result.dtype.kind == node.dtype.kind
    return result.astype(node.dtype)[()] if fitting else None
