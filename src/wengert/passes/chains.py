"""Matrix chains in the order of least work: (A B) v → A (B v).

Source: Cormen et al., Introduction to Algorithms, matrix-chain multiplication.
"""

import functools
from collections.abc import Callable

from wengert.graph.graph import Graph, Node
from wengert.graph.read import users
from wengert.passes.match import call, is_op
from wengert.passes.rewrite import Uses, rewrite

# The search is cubic in the length of a chain; longer ones are cut into such pieces.
_LONGEST = 12


def reassociate(graph: Graph) -> Graph:
    """Reorders products of three or more matrices (and vectors at their ends).

    Only where that takes fewer multiplications, and no part of the product is needed
    by itself. The rounding errors are others, of the same size.
    """
    if sum(n.op.name == "matmul" for n in graph.nodes) < 2:
        return graph
    inner = _inner(graph)
    chains: dict[Node, list[Node]] = {}

    def visit(node: Node, moved: Node, uses: Uses) -> tuple[str, Node] | None:
        if not _is_link(node):
            return None
        chain: list[Node] = []
        for i in moved.inputs:
            chain += chains.get(i, [i])
        if node in inner:
            chains[moved] = chain
            return None
        if len(chain) < 3:
            return None
        least, build = _best(chain, moved)
        if least >= _work(moved, set(chain)):
            return None
        return "fewer multiplications", build()

    return rewrite(graph, visit)


def _is_link(n: Node) -> bool:
    """Whether a node is a product of two matrices, or of one and a vector."""
    return (
        is_op(n, "matmul")
        and n.dtype.kind in "fc"
        and all(i.dtype == n.dtype and len(i.shape) <= 2 for i in n.inputs)
    )


def _inner(graph: Graph) -> set[Node]:
    """The products that only one other product uses, so that nobody sees them go."""
    used = users(graph)
    outputs = set(graph.outputs)
    length: dict[Node, int] = {}
    inner: set[Node] = set()
    for node in graph.nodes:
        if not _is_link(node):
            continue
        links = [
            i
            for i in dict.fromkeys(node.inputs)
            if i in length
            and i not in outputs
            and len(used[i]) == 1
            and node.inputs.count(i) == 1
            and len(i.shape) == 2
        ]
        total = sum(length[i] for i in links) + 2 - len(links)
        if total > _LONGEST:
            links, total = [], 2
        length[node] = total
        inner.update(links)
    return inner


def _sizes(chain: list[Node]) -> list[int]:
    """Rows of each factor and columns of the last; vectors at the ends have one."""
    first, last = chain[0].shape, chain[-1].shape
    rows = [first[0] if len(first) == 2 else 1, *(f.shape[0] for f in chain[1:])]
    return [*rows, last[1] if len(last) == 2 else 1]


def _work(node: Node, leaves: set[Node]) -> int:
    """Multiplications of a product as it is written."""
    total = 0
    pending = [node]
    while pending:
        n = pending.pop()
        if n not in leaves:
            total += n.type.size * n.inputs[0].shape[-1]
            pending.extend(n.inputs)
    return total


def _best(chain: list[Node], at: Node) -> tuple[int, Callable[[], Node]]:
    """The least number of multiplications, and what writes them."""
    sizes = _sizes(chain)

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """(multiplications, where to split) for the factors i … j."""
        if i == j:
            return 0, i
        return min(
            (
                best(i, k)[0]
                + best(k + 1, j)[0]
                + sizes[i] * sizes[k + 1] * sizes[j + 1],
                k,
            )
            for k in range(i, j)
        )

    def build(i: int, j: int) -> Node:
        if i == j:
            return chain[i]
        k = best(i, j)[1]
        return call("matmul", at, build(i, k), build(k + 1, j))

    return best(0, len(chain) - 1)[0], lambda: build(0, len(chain) - 1)
