"""Strong products that can't meet 0·∞ become plain ones."""

from typing import Any

import numpy as np

from wengert.core.op import OPS
from wengert.graph.edit import rebuild
from wengert.graph.graph import Graph, Node
from wengert.graph.symbols import as_symbol
from wengert.passes.match import in_place_of, value

# Operations whose result is finite whatever their argument is (nan apart, which a
# plain product passes on as well).
_FINITE = frozenset(
    ["sin", "cos", "tanh", "arctan", "arcsin", "arccos", "sign", "heaviside"]
)


def plain_products(graph: Graph) -> Graph:
    """Replaces `strong_product(a, b)` where a factor is a finite number that isn't 0."""

    def visit(node: Node, moved: Node) -> Node | None:
        if moved.op is not OPS["strong_product"]:
            return None
        a, b = moved.inputs
        if _is_safe(a) or _is_safe(b) or (_is_finite(a) and _is_finite(b)):
            return in_place_of(as_symbol(a) * as_symbol(b), moved)
        return None

    return rebuild(graph, visit)


def _is_safe(node: Node) -> bool:
    """Finite and nowhere zero: neither 0·∞ nor ∞·0 can come of it."""
    x: Any = value(node)
    return x is not None and bool(np.all(np.isfinite(x)) and np.all(x != 0))


def _is_finite(node: Node) -> bool:
    x: Any = value(node)
    if x is not None:
        return bool(np.all(np.isfinite(x)))
    return node.op.name in _FINITE
