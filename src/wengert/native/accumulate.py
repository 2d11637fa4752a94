"""Sums of products as one product added to another: BLAS does it on the way.

Derivatives of loops add up `a.T @ b` for one pass after another. With the product added
to what is there, that needs one matrix instead of three, and no loop that adds.
"""

from collections.abc import Collection, Mapping, Sequence

from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native.dense_emit import Step, duplicate
from wengert.native.ir import Emitter

PRODUCTS = ("matmul", "einsum")


def sums(
    nodes: Sequence[Node],
    calls: Mapping[Node, Step],
    users: Mapping[Node, Collection[Node]],
    kept: Collection[Node],
) -> dict[Node, tuple[Node, Node]]:
    """The sums that a product can be added up in.

    Args:
        nodes: a graph's, in order.
        calls: the steps of those that libraries compute.
        users: who reads each node.
        kept: what is read after the program.

    Returns:
        For each such sum, the product that is added and what it is added to, which is
        a product too or another such sum, and nothing else reads it.
    """
    found: dict[Node, tuple[Node, Node]] = {}
    for node in nodes:
        if node.op.name != "add" or node.inputs[0] is node.inputs[1]:
            continue
        alone = [
            i for i in node.inputs
            if i.type == node.type and len(users[i]) == 1 and i not in kept
            and ((i in calls and i.op.name in PRODUCTS) or i in found)
        ]  # fmt: skip
        if len(alone) < 2:
            continue
        a, b = sorted(alone, key=lambda n: n.number)
        for product, base in ((b, a), (a, b)):
            if product not in found and calls[product].accumulates:
                found[node] = (product, base)
                break
    return found


def onto(product: Step, sum: Node) -> Step:
    """A product as one that is added to its last argument."""
    assert isinstance(sum.type, Type)
    nbytes = sum.type.size * sum.dtype.itemsize

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str | None:
        *given, base = args
        duplicate(e, results[0], base, nbytes)
        return product.emit(e, given, results, scratch, accumulate=True)

    return Step(product.scratch_bytes, write, product.copies, ((2, 0),))


__all__ = ["onto", "sums"]
