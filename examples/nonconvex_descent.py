"""Gradient descent on a bumpy, non-convex function with a loop and a branch in it.

The function is ordinary Python: how often the loop runs depends on the value, and so
does the branch taken. The derivative is that of the path that was run.
"""

from typing import Any

import numpy as np

import wengert as wg


def bumpy(x: Any) -> Any:
    """A bowl with ripples; outside |x| = 2 a wall instead of finer ripples.

    Args:
        x: a point of the plane, shape (2,).

    Returns:
        The height, a scalar.
    """
    height = np.sum(x**2) / 4.0
    if np.sqrt(np.sum(x**2)) > 2.0:
        return height + (np.sqrt(np.sum(x**2)) - 2.0) ** 2
    wave, scale = x + 0.3, 1.0
    while scale > 0.1:
        height = height + 0.2 * scale * np.sum(1.0 - np.cos(3.0 * wave))
        wave, scale = 1.7 * wave, scale / 2.0
    return height


def descend(start: np.ndarray, rate: float = 0.05, steps: int = 400) -> list[float]:
    """The heights along gradient descent from `start`, ending with the last slope."""
    x = start
    path = []
    for _ in range(steps):
        height, slope = wg.value_and_grad(bumpy)(x)
        path.append(float(height))
        x = x - rate * slope
    path.append(float(np.linalg.norm(wg.grad(bumpy)(x))))
    return path


def main() -> dict[tuple[float, float], list[float]]:
    """Descends from three points; returns each path."""
    paths = {}
    print("start            height: first → last    slope at the end")
    for start in ((3.0, -2.5), (-1.5, 1.0), (0.9, 1.6)):
        *heights, slope = paths[start] = descend(np.array(start))
        print(f"{start!s:15}  {heights[0]:8.4f} → {heights[-1]:8.4f}    {slope:.1e}")
    return paths


if __name__ == "__main__":
    main()
