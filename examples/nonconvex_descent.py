"""Gradient descent on a bumpy, non-convex function with a loop and a branch in it.

The function is ordinary Python: how often the loop runs depends on the value, and so
does the branch taken. The derivative is that of the path that was run.
"""

from typing import Any

import numpy as np

import wengert as wg


def bumpy(x: Any) -> Any:
    """A bowl with straight walls, and ripples that get finer towards its centre.

    Args:
        x: a point of the plane, shape (2,).

    Returns:
        The height, a scalar; it has a continuous slope everywhere.
    """
    square = np.sum((x - 0.4) ** 2)
    if square > 9.0:
        return 3.0 * np.sqrt(square) - 4.5
    height = square / 2.0
    reach, frequency = 4.0, 3.0
    while square < reach and frequency < 30.0:
        ripple = 3.0 * np.sum(1.0 - np.cos(frequency * x)) / frequency
        height = height + (1.0 - square / reach) ** 2 * ripple
        reach, frequency = reach / 2.0, frequency * 1.7
    return height


def descend(
    start: tuple[float, float], rate: float = 0.03, steps: int = 500
) -> tuple[list[float], float]:
    """The height at each step of gradient descent, and the slope's size at its end."""
    x = np.array(start)
    heights = []
    for _ in range(steps):
        height, slope = wg.value_and_grad(bumpy)(x)
        heights.append(float(height))
        x = x - rate * slope
    return heights, float(np.linalg.norm(wg.grad(bumpy)(x)))


def main() -> dict[tuple[float, float], tuple[list[float], float]]:
    """Descends from three points into different hollows; returns the three descents."""
    found = {}
    print("start          height: first → last    slope at the end")
    for start in ((3.0, -2.5), (2.5, 2.5), (-1.2, -1.0)):
        heights, slope = found[start] = descend(start)
        print(f"{start!s:13}  {heights[0]:8.4f} → {heights[-1]:8.4f}    {slope:.1e}")
    return found


if __name__ == "__main__":
    main()
