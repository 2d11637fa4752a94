"""Linear systems whose matrix is triangular: substitution instead of a factorisation.

`np.linalg.solve(np.linalg.cholesky(a), b)` is how NumPy code whitens a vector; a
general solve spends 2n³/3 operations on factors that are there already.
"""

import numpy as np

from wengert.graph.graph import Node
from wengert.passes.match import call, is_number, is_op, value
from wengert.passes.rewrite import Rules, Uses, among

# Steps that leave the places of the zeros as they are.
_SAME = ("conjugate", "negative", "positive", "stop_gradient")


@among("cholesky", "transpose", "where", *_SAME)
def substitution(node: Node, _uses: Uses) -> Node | None:
    """solve(a, b) → solve_triangular(a, b) of a Cholesky factor, or a tril or triu"""
    a, b = node.inputs
    side = triangle(a)
    if side is None:
        return None
    lower = side == "lower"
    return call("solve_triangular", node, a, b, lower=lower, unit=False)


def triangle(a: Node) -> str | None:
    """ "lower" or "upper" if all elements on the other side are known to be zero."""
    flipped = False
    while True:
        if is_op(a, "transpose"):
            *batch, row, column = a.params["axes"]
            rank = len(a.params["axes"])
            if (row, column) != (rank - 1, rank - 2) or batch != [*range(rank - 2)]:
                return None
            flipped = not flipped
        elif not is_op(a, *_SAME):
            break
        a = a.inputs[0]
    lower = True if is_op(a, "cholesky") else _masked(a)
    if lower is None:
        return None
    return "lower" if lower is not flipped else "upper"


def _masked(a: Node) -> bool | None:
    """Whether np.tril made `a` (False: np.triu; None: neither)."""
    if not is_op(a, "where") or not is_number(a.inputs[2], 0.0):
        return None
    mask = value(a.inputs[0])
    if mask is None or np.shape(mask) != a.shape[-2:]:
        return None
    if not np.triu(mask, 1).any():
        return True
    return False if not np.tril(mask, -1).any() else None


RULES: Rules = {"solve": (substitution,)}
