"""Common subexpressions: steps that compute the same thing become one."""

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
    inputs = [i.number for i in node.inputs]
    if node.op.name in _COMMUTATIVE:
        inputs.sort()
    # The op itself and not its name: an overridden derivative makes another op. The
    # type, because a Python number and a NumPy scalar of one value differ in it.
    return (id(node.op), tuple(inputs), frozen(node.params), node.type)
