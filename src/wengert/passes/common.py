"""Common subexpressions: steps that compute the same thing become one."""

from typing import Any

from wengert.graph.edit import rebuild
from wengert.graph.graph import INPUT, Graph, Node
from wengert.graph.read import frozen

_COMMUTATIVE = frozenset(
    ["add", "multiply", "maximum", "minimum", "strong_product", "logaddexp", "hypot"]
)


def merge_common(graph: Graph) -> Graph:
    """Keeps the first of all nodes with the same op, inputs, parameters and type."""
    first: dict[Any, Node] = {}

    def visit(node: Node, moved: Node) -> Node | None:
        if moved.op is INPUT:
            return None
        return first.setdefault(_key(moved), moved)

    return rebuild(graph, visit)


def _key(node: Node) -> Any:
    inputs = [i.number for i in node.inputs]
    if node.op.name in _COMMUTATIVE:
        inputs.sort()
    # The op itself and not its name: an overridden derivative makes another op.
    return (id(node.op), tuple(inputs), frozen(node.params), str(node.type))
