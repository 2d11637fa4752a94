"""A three-layer classifier of handwritten digits, in plain NumPy.

Nothing below but `wg.value_and_grad` and `wg.grad` knows of derivatives: the network
and its loss are NumPy functions of a list of dicts, and so is their gradient.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wengert as wg

Layer = dict[str, Any]
Params = list[Layer]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIZES = (64, 64, 32, 10)  # pixels, two hidden layers, digits
BATCH = 32
RATE = 0.1
MOMENTUM = 0.9
HELD_OUT = 450  # a quarter of the 1797 pictures


@dataclass(frozen=True)
class Data:
    """Pictures as rows of 64 brightnesses in [0, 1], and the digit that each shows."""

    train_x: Floats
    train_y: Ints
    test_x: Floats
    test_y: Ints


@dataclass(frozen=True)
class Outcome:
    """What a training run gave.

    `check` is the relative difference between the gradient and finite differences,
    `losses` the mean loss of each epoch on the training and on the held-out pictures.
    """

    params: Params
    losses: list[tuple[float, float]]
    accuracy: float
    check: float
    seconds: float


def load(rng: np.random.Generator) -> Data:
    """The digits that come with scikit-learn, shuffled and split by `rng`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.data / 16.0, digits.target
    order = rng.permutation(len(y))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    return Data(x[train], y[train], x[test], y[test])


def start(rng: np.random.Generator, sizes: tuple[int, ...] = SIZES) -> Params:
    """Random weights of variance 1/(inputs of the layer), and zero biases."""
    return [
        {"W": rng.normal(0.0, n**-0.5, (n, m)), "b": np.zeros(m)}
        for n, m in pairwise(sizes)
    ]


def scores(params: Params, x: Any) -> Any:
    """One row of ten scores (logits) per row of `x`."""
    for layer in params[:-1]:
        x = np.tanh(x @ layer["W"] + layer["b"])
    return x @ params[-1]["W"] + params[-1]["b"]


def loss(params: Params, x: Any, labels: Ints) -> Any:
    """Mean cross-entropy: log Σ exp(scores) − the score of the right digit.

    The largest score is taken out of the exponentials, so that none overflows.
    """
    z = scores(params, x)
    top = np.max(z, axis=1)
    log_total = top + np.log(np.sum(np.exp(z - top[:, None]), axis=1))
    return np.mean(log_total - z[np.arange(len(labels)), labels])


def accuracy(params: Params, x: Floats, labels: Ints) -> float:
    """The share of rows of `x` whose largest score is that of the label."""
    return float(np.mean(np.argmax(scores(params, x), axis=1) == labels))


def step(params: Params, speed: Params, slope: Params) -> tuple[Params, Params]:
    """Gradient descent with momentum: the new parameters and their new speed."""
    speed = [
        {k: MOMENTUM * v[k] - RATE * g[k] for k in v}
        for v, g in zip(speed, slope, strict=True)
    ]
    params = [{k: p[k] + v[k] for k in p} for p, v in zip(params, speed, strict=True)]
    return params, speed


def batches(rng: np.random.Generator, count: int) -> Iterator[Ints]:
    """One epoch: every index below `count` once, in random batches."""
    yield from np.array_split(rng.permutation(count), max(1, count // BATCH))


def check_gradient(params: Params, x: Floats, labels: Ints, seed: int = 0) -> float:
    """How far the gradient is from a central difference, relative to the larger.

    Both give the slope of the loss along one random direction in the space of all
    parameters, so every entry of the gradient takes part.
    """
    rng = np.random.default_rng(seed)
    direction = [{k: rng.normal(size=p[k].shape) for k in p} for p in params]

    def moved(h: float) -> Params:
        return [
            {k: p[k] + h * d[k] for k in p}
            for p, d in zip(params, direction, strict=True)
        ]

    gradient = wg.grad(loss)(params, x, labels)
    exact = sum(
        np.sum(g[k] * d[k]) for g, d in zip(gradient, direction, strict=True) for k in g
    )
    h = 1e-5
    ahead, behind = loss(moved(h), x, labels), loss(moved(-h), x, labels)
    numeric = (ahead - behind) / (2 * h)
    return float(abs(exact - numeric) / max(abs(exact), abs(numeric)))


def train(data: Data, epochs: int, rng: np.random.Generator) -> Outcome:
    """Minibatch gradient descent on the cross-entropy, behind a progress bar."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    began = time.perf_counter()
    params = start(rng)
    speed: Params = [{k: np.zeros_like(p[k]) for k in p} for p in params]
    losses: list[tuple[float, float]] = []
    check = float("nan")
    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("epoch {task.completed}/{task.total}  {task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("", total=epochs, note="")
        for epoch in range(epochs):
            # Early, while the slope is steep beside the rounding of the loss.
            if epoch == min(1, epochs - 1):
                check = check_gradient(params, data.train_x, data.train_y)
            seen = []
            for chosen in batches(rng, len(data.train_y)):
                value, slope = wg.value_and_grad(loss)(
                    params, data.train_x[chosen], data.train_y[chosen]
                )
                params, speed = step(params, speed, slope)
                seen.append(float(value))
            held_out = float(loss(params, data.test_x, data.test_y))
            losses.append((float(np.mean(seen)), held_out))
            bar.update(task, advance=1, note=f"loss {losses[-1][0]:.4f}")
    return Outcome(
        params,
        losses,
        accuracy(params, data.test_x, data.test_y),
        check,
        time.perf_counter() - began,
    )


def draw(losses: list[tuple[float, float]], out: Path) -> None:
    """Saves the loss curves as a picture, in the format that the file's name says."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)  # draws without a screen
    axes = figure.add_subplot(
        xlabel="epoch", ylabel="mean cross-entropy", yscale="log", title="Digits"
    )
    epochs = np.arange(1, len(losses) + 1)
    trained_on, held_out = zip(*losses, strict=True)
    for curve, label in ((trained_on, "trained on"), (held_out, "held out")):
        axes.plot(epochs, curve, label=label, marker=".")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=120)


def run(epochs: int, seed: int) -> Outcome:
    """Loads, trains, checks, and says what came out."""
    rng = np.random.default_rng(seed)
    data = load(rng)
    weights = sum(n * m + m for n, m in pairwise(SIZES))
    print(
        f"Handwritten digits: {len(data.train_y)} pictures to learn from, "
        f"{len(data.test_y)} held out."
    )
    print(f"Network {' → '.join(map(str, SIZES))}, {weights} parameters.")
    outcome = train(data, epochs, rng)
    print(
        f"Gradient against finite differences, on the way: "
        f"relative error {outcome.check:.1e}"
    )
    print(
        f"Test accuracy: {outcome.accuracy:.1%} after {epochs} epochs "
        f"in {outcome.seconds:.1f} s"
    )
    return outcome
