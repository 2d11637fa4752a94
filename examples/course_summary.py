"""y = exp(v1) + v1·exp(v1), with the adjoint of every node.

    v2 = exp(v1)      v3 = v1·v2      v4 = v2 + v3 = y

Each step is taken with `wg.vjp`, which returns the value and the way back. v2 is used
twice, so two partial adjoints arrive there, and are added: v̄2 = v̄3·v1 + v̄4. Next
to it the extended graph: the adjoints as a graph of their own, made once, and then
evaluated at other inputs without deriving anything again.
"""

from typing import Any

import numpy as np

import wengert as wg


def y(v1: Any) -> Any:
    """The function of the summary."""
    v2 = np.exp(v1)
    return v2 + v1 * v2


def adjoints(v1: float) -> dict[str, float]:
    """v̄1 … v̄4 by reverse traversal, one pullback per node."""
    v2, back_2 = wg.vjp(np.exp, v1)
    v3, back_3 = wg.vjp(np.multiply, v1, v2)
    _v4, back_4 = wg.vjp(np.add, v2, v3)

    bar_4 = 1.0
    bar_24, bar_3 = back_4(bar_4)
    bar_13, bar_23 = back_3(bar_3)
    bar_2 = bar_23 + bar_24
    (bar_12,) = back_2(bar_2)
    bar_1 = bar_12 + bar_13
    return {
        "v4": float(bar_4),
        "v3": float(bar_3),
        "v2": float(bar_2),
        "v1": float(bar_1),
    }


def main() -> dict[str, float]:
    """Prints graph, adjoints and extended graph; returns the adjoints at v1 = 0.5."""
    v1 = 0.5
    graph = wg.trace(y, v1)
    steps = [node for node in graph.nodes if node.inputs]
    for node, name in zip(steps, ("v2", "v3", "v4"), strict=True):
        node.name = name  # as the summary calls them
    print(graph)
    found = adjoints(v1)
    print(f"\nadjoints at v1 = {v1}:")
    for name, value in found.items():
        print(f"  {name}: {value:.12f}")
    print(f"  the sum for v2, v̄3·v1 + v̄4: {found['v3'] * v1 + found['v4']:.12f}")
    print(f"  by hand, (2 + v1)·exp(v1):   {(2 + v1) * np.exp(v1):.12f}")

    extended = wg.trace(wg.grad(y), v1)
    print(f"\nthe extended graph, which computes v̄1:\n\n{extended}")
    for other in (0.0, 1.0, 2.0):
        print(f"  at {other}: {extended(other):.12f}")
    return found


if __name__ == "__main__":
    main()
