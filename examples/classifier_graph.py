"""The lecture's classifier: two input units, ten hidden units, one output.

The network learns to tell two interleaved half-moons apart. Its graph is printed
before training, the accuracy after it.
"""

from typing import Any

import numpy as np

import wengert as wg

HIDDEN = 10


def moons(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 2) on two half-circles with noise, and their class, 0.0 or 1.0."""
    label = np.arange(count) % 2
    angle = rng.uniform(0.0, np.pi, count)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    points = np.where(label[:, None] == 0, upper, lower)
    return points + rng.normal(0.0, 0.1, points.shape), label.astype(float)


def score(params: dict[str, Any], x: Any) -> Any:
    """The logarithm of the odds for class 1, one per row of `x`."""
    hidden = np.tanh(x @ params["W"] + params["b"])
    return hidden @ params["v"] + params["c"]


def loss(params: dict[str, Any], x: Any, label: Any) -> Any:
    """Mean logistic loss: −log p(right class) = log(1 + exp(score)) − label·score."""
    z = score(params, x)
    return np.mean(np.logaddexp(0.0, z) - label * z)


def main() -> float:
    """Prints the graph, trains by gradient descent, returns the test accuracy."""
    rng = np.random.default_rng(0)
    x, label = moons(rng, 200)
    params = {
        "W": rng.normal(size=(2, HIDDEN)),
        "b": np.zeros(HIDDEN),
        "v": rng.normal(size=HIDDEN) / np.sqrt(HIDDEN),
        "c": np.float64(0.0),
    }
    print("The graph of the loss of one batch of 200 points:\n")
    print(wg.trace(loss, params, x, label))

    slope = wg.value_and_grad(loss)
    for step in range(1001):
        value, gradient = slope(params, x, label)
        params = {k: params[k] - 1.0 * gradient[k] for k in params}
        if step % 250 == 0:
            print(f"step {step:4}: loss {value:.4f}")

    test_x, test_label = moons(rng, 1000)
    accuracy = float(np.mean((score(params, test_x) > 0) == test_label))
    print(f"test accuracy: {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
