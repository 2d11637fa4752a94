"""A classifier of points in the plane, and its training, in plain NumPy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wengert as wg

Floats = NDArray[np.float64]
Params = dict[str, Any]  # W1 (2, hidden), b1 (hidden,), W2 (hidden,), b2 ()

HIDDEN = 10
RATE = 0.1
MOMENTUM = 0.9


@dataclass(frozen=True)
class Frame:
    """One moment of a training: after how many steps, with which loss and accuracy."""

    step: int
    loss: float
    accuracy: float
    params: Params


def moons(
    rng: np.random.Generator, count: int = 160, noise: float = 0.12
) -> tuple[Floats, Floats]:
    """Two interleaved half moons: one point per row, and +1 or −1 for each.

    >>> points, signs = moons(np.random.default_rng(0), 6)
    >>> points.shape, signs
    ((6, 2), array([ 1.,  1.,  1., -1., -1., -1.]))
    """
    half = count // 2
    along = [np.linspace(0.0, np.pi, n) for n in (half, count - half)]
    upper = np.column_stack([np.cos(along[0]) - 0.5, np.sin(along[0]) - 0.25])
    lower = np.column_stack([0.5 - np.cos(along[1]), 0.25 - np.sin(along[1])])
    points = np.concatenate([upper, lower]) + rng.normal(0.0, noise, (count, 2))
    return points, np.repeat([1.0, -1.0], [half, count - half])


def start(rng: np.random.Generator, hidden: int = HIDDEN) -> Params:
    """Random weights of variance 1/(inputs of the layer), and zero biases."""
    return {
        "W1": rng.normal(0.0, 2**-0.5, (2, hidden)),
        "b1": np.zeros(hidden),
        "W2": rng.normal(0.0, hidden**-0.5, hidden),
        "b2": np.zeros(()),
    }


def scores(params: Params, points: Any) -> Any:
    """One number per row of `points`: above zero where the network says +1."""
    with wg.scope("hidden layer"):
        hidden = np.tanh(points @ params["W1"] + params["b1"])
    with wg.scope("output layer"):
        return hidden @ params["W2"] + params["b2"]


def loss(params: Params, points: Any, signs: Any) -> Any:
    """The mean of log(1 + exp(−sign·score)), the logistic loss."""
    score = scores(params, points)
    with wg.scope("loss"):
        return np.mean(np.logaddexp(0.0, -signs * score))


def train(
    points: Any, signs: Any, steps: int = 600, frames: int = 60, seed: int = 0
) -> list[Frame]:
    """Gradient descent with momentum on all points, looked at now and then.

    Args:
        points: an array of shape (n, 2).
        signs: an array of shape (n,) of +1 and −1.
        steps: how many steps to take.
        frames: how many moments to keep at most. They lie close together at first,
            when most happens, and the first is before any step.
        seed: for the random start.

    Returns:
        The moments, in order.

    >>> points, signs = moons(np.random.default_rng(0), 80)
    >>> first, *_, last = train(points, signs, steps=200, frames=5)
    >>> first.step, last.step, last.loss < first.loss
    (0, 200, True)
    """
    points, signs = points_of(points, signs)
    params = start(np.random.default_rng(seed))
    speed = {k: np.zeros_like(v) for k, v in params.items()}
    kept = {0, *np.geomspace(1, max(steps, 1), max(frames - 1, 1)).round().tolist()}
    seen: list[Frame] = []
    for step in range(steps + 1):
        value, slope = wg.value_and_grad(loss)(params, points, signs)
        if step in kept or step == steps:
            right = np.mean(np.sign(scores(params, points)) == signs)
            seen.append(Frame(step, float(value), float(right), params))
        speed = {k: MOMENTUM * speed[k] - RATE * slope[k] for k in params}
        params = {k: params[k] + speed[k] for k in params}
    return seen


def points_of(points: Any, signs: Any) -> tuple[Floats, Floats]:
    """Both as arrays of floats, refused where they aren't points with a sign each."""
    points, signs = np.asarray(points, float), np.asarray(signs, float)
    if points.ndim != 2 or points.shape[1] != 2 or signs.shape != points.shape[:1]:
        raise ValueError(
            "expected points of shape (n, 2) and signs of shape (n,); came: "
            f"{points.shape} and {signs.shape}"
        )
    if not points.size or not np.all(np.isfinite(points)) or set(signs) - {1.0, -1.0}:
        raise ValueError(
            "expected finite points and a sign of +1 or −1 for each; came: others,"
            " or none at all"
        )
    return points, signs


def checked(params: Params) -> Params:
    """The parameters, refused where they aren't those of such a network."""
    came = {k: np.shape(v) for k, v in params.items()}
    hidden = came.get("b1", (0,))[:1]
    if came != {"W1": (2, *hidden), "b1": hidden, "W2": hidden, "b2": ()}:
        raise ValueError(
            "expected W1 of shape (2, n), b1 and W2 of shape (n,), and one number b2;"
            f" came: {came}"
        )
    return params
