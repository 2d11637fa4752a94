"""sin(cos(x1 + x2))² + x3 in both modes, counting partial derivatives.

Forward mode carries the derivative with respect to *one* input through every step, so
it starts again for each input. Reverse mode carries the derivative of *one* output
back, and meets every step once.

The count is taken twice. By the tutorial's three nested stages f1, f2, f3, forward
mode evaluates 3 partial derivatives for each of the 3 inputs and reverse mode
2 + 3 of them. By elementary operations, as the graph has them, each mode really does
the number of partial derivatives printed in the second row.
"""

from collections import Counter
from typing import Any

import numpy as np

import wengert as wg

POINT = (0.3, 0.5, 2.0)


def f(x1: Any, x2: Any, x3: Any) -> Any:
    """The tutorial's function."""
    return np.sin(np.cos(x1 + x2)) ** 2 + x3


# The same as three nested stages. A stage maps everything that the next one needs.
def f1(x1: Any, x2: Any, x3: Any) -> tuple[Any, Any]:
    """The inputs, added up where they meet."""
    return x1 + x2, x3


def f2(total: Any, x3: Any) -> tuple[Any, Any]:
    """The cosine."""
    return np.cos(total), x3


def f3(cosine: Any, x3: Any) -> Any:
    """The square of the sine, and x3."""
    return np.sin(cosine) ** 2 + x3


def forward(point: tuple[float, ...]) -> tuple[list[float], int]:
    """∂f/∂x1, ∂f/∂x2, ∂f/∂x3 by three passes, and how many partials of stages."""
    gradient, count = [], 0
    for i in range(3):
        values: Any = point
        tangents: Any = tuple(float(j == i) for j in range(3))
        for stage in (f1, f2, f3):
            values, tangents = wg.jvp(stage, values, tangents)
            count += 1
        gradient.append(float(tangents))
    return gradient, count


def reverse(point: tuple[float, ...]) -> tuple[list[float], int]:
    """The same by one pass backward."""
    state_1, back_1 = wg.vjp(f1, *point)
    state_2, back_2 = wg.vjp(f2, *state_1)
    _y, back_3 = wg.vjp(f3, *state_2)
    t3 = back_3(1.0)  # ∂f3/∂f2
    t2 = back_2(t3)  # ∂f2/∂f1
    gradient = back_1(t2)  # ∂f1/∂x1, ∂f1/∂x2, ∂f1/∂x3
    return [float(g) for g in gradient], 1 + 1 + len(gradient)


def count_elementary(point: tuple[float, ...]) -> tuple[int, int]:
    """Partial derivatives of elementary operations that (forward, reverse) visits.

    A partial derivative belongs to an edge of the graph, from an operation to one
    argument that depends on an input.
    """
    graph = wg.trace(f, *point)
    depends: Counter[Any] = Counter(dict.fromkeys(graph.inputs, 1))
    forward_count = reverse_count = 0
    for start in graph.inputs:
        reached = {start}
        for node in graph.nodes:
            edges = sum(i in reached for i in node.inputs)
            forward_count += edges
            if edges:
                reached.add(node)
        depends.update(reached)
    for node in graph.nodes:
        reverse_count += sum(depends[i] > 0 for i in node.inputs)
    return forward_count, reverse_count


def main() -> dict[str, Any]:
    """Prints both gradients and both counts, and returns them."""
    ahead, ahead_count = forward(POINT)
    back, back_count = reverse(POINT)
    print(f"f(x1, x2, x3) = sin(cos(x1 + x2))² + x3 at {POINT}")
    print(f"  forward mode: {ahead}")
    print(f"  reverse mode: {back}")
    elementary = count_elementary(POINT)
    print("\npartial derivatives evaluated   forward  reverse")
    print(f"  by the three stages           {ahead_count:7}  {back_count:7}")
    print(f"  by elementary operations      {elementary[0]:7}  {elementary[1]:7}")
    return {
        "forward": ahead,
        "reverse": back,
        "stages": (ahead_count, back_count),
        "elementary": elementary,
    }


if __name__ == "__main__":
    main()
