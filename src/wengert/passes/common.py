"""Common subexpressions: steps that compute the same thing become one."""

import operator
from typing import Any

from wengert.graph.graph import INPUT, Graph, Node
from wengert.graph.read import frozen
from wengert.passes.rewrite import Uses, rewrite

_COMMUTATIVE = frozenset(
    ["add", "multiply", "maximum", "minimum", "strong_product", "logaddexp", "hypot"]
)


def merge_common(graph: Graph) -> Graph:
    """Keeps the first of all nodes with the same op, inputs, parameters and type."""
    first: dict[Any, Node] = {}

    def visit(_node: Node, node: Node, uses: Uses) -> tuple[str, Node] | None:
        if node.op is INPUT or node.op.kind != "op":
            return None  # a call of the user's function may also print, or count
        earlier = first.setdefault(_key(node), node)
        return ("computed before", earlier) if earlier is not node else None

    return rewrite(graph, visit)


def _key(node: Node) -> Any:
    inputs: Any = node.inputs
    if len(inputs) > 1 and node.op.name in _COMMUTATIVE:
        inputs = tuple(sorted(inputs, key=_number))
    # The op itself and not its name: an overridden derivative makes another op. The
    # type, because a Python number and a NumPy scalar of one value differ in it.
    params = frozen(node.params) if node.params else ()
    return (node.op, inputs, params, node.type)


_number = operator.attrgetter("number")
