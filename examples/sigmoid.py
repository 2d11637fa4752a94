"""The sigmoid σ(w·a + b), decomposed into elementary operations.

    t1 = w·a    t2 = t1 + b    t3 = −t2    t4 = exp(t3)    t5 = 1 + t4    a′ = 1/t5

The list below *is* the Wengert list: one row per operation. Going through it forward
gives the values, and going back through the pullbacks x̄ = j(ȳ) gives the adjoints.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

WENGERT_LIST: list[tuple[str, Callable[..., Any], tuple[str, ...]]] = [
    ("t1", np.multiply, ("w", "a")),
    ("t2", np.add, ("t1", "b")),
    ("t3", np.negative, ("t2",)),
    ("t4", np.exp, ("t3",)),
    ("t5", lambda t: 1.0 + t, ("t4",)),
    ("a'", np.reciprocal, ("t5",)),
]


def sigmoid(w: Any, a: Any, b: Any) -> Any:
    """The same in one line of NumPy."""
    return 1.0 / (1.0 + np.exp(-(w * a + b)))


def run(inputs: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The value and the adjoint of every variable on the list."""
    value: dict[str, Any] = dict(inputs)
    pullbacks = []
    for name, operation, args in WENGERT_LIST:
        value[name], back = wg.vjp(operation, *(value[a] for a in args))
        pullbacks.append((name, back, args))

    adjoint = dict.fromkeys(value, 0.0)
    adjoint[pullbacks[-1][0]] = 1.0
    for name, back, args in reversed(pullbacks):
        for arg, contribution in zip(args, back(adjoint[name]), strict=True):
            adjoint[arg] += float(contribution)
    return {k: float(v) for k, v in value.items()}, adjoint


def main() -> dict[str, float]:
    """Prints values and adjoints at w = 2, a = 0.5, b = −0.25; returns the adjoints."""
    inputs = {"w": 2.0, "a": 0.5, "b": -0.25}
    value, adjoint = run(inputs)
    print("       value          adjoint")
    for name in value:
        print(f"  {name:2}  {value[name]:+.10f}  {adjoint[name]:+.10f}")
    whole = wg.grad(sigmoid, argnums=(0, 1, 2))(*inputs.values())
    print("\nwg.grad of the one-line sigmoid with respect to w, a, b:")
    print("  " + "  ".join(f"{float(g):+.10f}" for g in whole))
    return adjoint


if __name__ == "__main__":
    main()
