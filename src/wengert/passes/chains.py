"""Matrix chains in the order of least work: (A B) v → A (B v).

Source: Cormen et al., Introduction to Algorithms, matrix-chain multiplication.
"""

import functools

from wengert.graph.edit import rebuild
from wengert.graph.graph import Graph, Node
from wengert.graph.read import users
from wengert.graph.symbols import as_symbol
from wengert.passes.match import in_place_of, is_op

_LONGEST = 60


def reassociate(graph: Graph) -> Graph:
    """Reorders each product of three or more matrices (and vectors at its ends)."""
    used = users(graph)
    outputs = set(graph.outputs)

    def inner(node: Node) -> bool:
        """A product that only another product uses, so nobody sees it go."""
        return (
            node not in outputs
            and len(used[node]) == 1
            and is_op(used[node][0], "matmul")
            and used[node][0].inputs.count(node) == 1
        )

    factors: dict[Node, list[Node]] = {}

    def visit(node: Node, moved: Node) -> Node | None:
        if not is_op(moved, "matmul") or max(len(i.shape) for i in moved.inputs) > 2:
            return None
        chain: list[Node] = []
        for original, new in zip(node.inputs, moved.inputs, strict=True):
            chain += factors[original] if original in factors else [new]
        if len(chain) > _LONGEST or any(len(f.shape) != 2 for f in chain[1:-1]):
            return None
        if inner(node):
            factors[node] = chain
            return None
        return in_place_of(_product(chain), moved) if len(chain) > 2 else None

    return rebuild(graph, visit)


def _product(chain: list[Node]) -> object:
    """The chain's product as an expression, by dynamic programming over its splits."""
    first, last = chain[0].shape, chain[-1].shape
    rows = [first[0] if len(first) == 2 else 1, *(f.shape[0] for f in chain[1:])]
    sizes = [*rows, last[1] if len(last) == 2 else 1]

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """(multiplications, where to split) for the factors i … j."""
        if i == j:
            return 0, i
        return min(
            (best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
            for k in range(i, j)
        )

    def build(i: int, j: int) -> object:
        if i == j:
            return as_symbol(chain[i])
        k = best(i, j)[1]
        return build(i, k) @ build(k + 1, j)  # type: ignore[operator]

    return build(0, len(chain) - 1)
