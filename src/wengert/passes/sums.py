"""Sums move into products: Σₙ xₙ W → (Σₙ xₙ) W, which needs one product instead of n.

Reverse mode makes such sums wherever an argument was broadcast before a product.
"""

from wengert.graph.graph import Graph, Node
from wengert.passes.match import call, is_op, is_real, reshaped
from wengert.passes.rewrite import Uses, rewrite

_DEEP = 8  # additions and signs between a sum and a product that are looked through


def sum_first(graph: Graph) -> Graph:
    """Sums operands of products where the products were summed.

    Along an axis that only one operand has, that operand is summed first; one that both
    have becomes a summed axis of the product. Only where nobody else needs the product.
    The rounding errors are others, of the same size.
    """
    if not any(is_op(n, "matmul", "einsum") for n in graph.nodes):
        return graph

    def visit(_node: Node, moved: Node, uses: Uses) -> tuple[str, Node] | None:
        if not is_op(moved, "sum") or not is_real(moved):
            return None
        (x,) = moved.inputs
        if not x.type.size or x.dtype != moved.dtype or not moved.params["axis"]:
            return None
        if not _has_product(x, uses):
            return None
        y = _summed(x, frozenset(moved.params["axis"]), moved, uses)
        return "fewer multiplications", reshaped(y, moved.shape, moved)

    return rewrite(graph, visit)


def _has_product(x: Node, uses: Uses) -> bool:
    """Whether x is a product that goes with it, or a few sums of some."""
    todo = [(x, 0)]
    while todo:
        n, depth = todo.pop()
        if not uses.once(n) or depth > _DEEP:
            continue
        if _is_product(n):
            return True
        if _is_linear(n):
            todo.extend((i, depth + 1) for i in n.inputs)
    return False


def _is_product(n: Node) -> bool:
    if not is_op(n, "matmul", "einsum") or len(n.inputs) != 2:
        return False
    if any(i.dtype != n.dtype for i in n.inputs):
        return False
    if is_op(n, "matmul"):
        return all(len(i.shape) == 2 for i in n.inputs)
    inputs, out = n.params["subscripts"].split("->")
    return all(len(set(t)) == len(t) for t in (*inputs.split(","), out)) and all(
        i.shape[t.index(a)] == n.shape[out.index(a)]
        for i, t in zip(n.inputs, inputs.split(","), strict=True)
        for a in out
        if a in t
    )


def _is_linear(n: Node) -> bool:
    """Whether a sum of n is the same of its operands' sums."""
    if not is_op(n, "add", "subtract", "negative"):
        return False
    return all(i.shape == n.shape and i.dtype == n.dtype for i in n.inputs)


def _summed(x: Node, axis: frozenset[int], at: Node, uses: Uses) -> Node:
    """Σ x over these axes, moved into products where there are any."""
    # The depth is bounded, and with it the recursion.
    if not _has_product(x, uses):
        return call("sum", at, x, axis=tuple(sorted(axis)), keepdims=False)
    if _is_product(x):
        return _product(x, axis, at)
    return call(x.op.name, at, *(_summed(i, axis, at, uses) for i in x.inputs))


def _product(x: Node, axis: frozenset[int], at: Node) -> Node:
    """Σ of a product as a product of sums."""
    subscripts = "ab,bc->ac" if is_op(x, "matmul") else x.params["subscripts"]
    inputs, out = subscripts.split("->")
    gone = {a for i, a in enumerate(out) if i in axis}
    terms, operands = [], []
    for mine, other, operand in zip(
        inputs.split(","), reversed(inputs.split(",")), x.inputs, strict=True
    ):
        alone = [i for i, a in enumerate(mine) if a in gone and a not in other]
        if alone:
            operand = call("sum", at, operand, axis=tuple(alone), keepdims=False)
        terms.append("".join(a for i, a in enumerate(mine) if i not in alone))
        operands.append(operand)
    rest = "".join(a for a in out if a not in gone)
    if is_op(x, "matmul"):
        return call("matmul", at, *operands)
    written = f"{','.join(terms)}->{rest}"
    return call("einsum", at, *operands, subscripts=written, optimize=True)
