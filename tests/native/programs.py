"""Random programs for the compiler: steps on a pool of arrays, as plain NumPy.

A program is data: the shapes of its inputs and, per step, four small numbers that an
interpreter reads as an op and its operands. So Hypothesis can shrink it, and a seed
names it elsewhere.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

EXTENTS = (0, 1, 2, 3, 5, 8, 9, 17, 33)
LARGE = 3000  # elements: no array grows past this
Step = tuple[int, int, int, int]


@dataclass(frozen=True)
class Program:
    """What is run: inputs of `shapes`, `steps`, and how many results to return."""

    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    results: int
    single: bool = False  # float32

    def inputs(self) -> list[Any]:
        """Arguments: of both signs, no two alike, none near a kink."""
        rng = np.random.default_rng(len(self.steps))
        dtype = np.float32 if self.single else float
        return [
            (rng.uniform(0.2, 1.6, s) * rng.choice([-1, 1], s)).astype(dtype)
            for s in self.shapes
        ]

    def __call__(self, *inputs: Any) -> list[Any]:
        """Runs the program on arrays or on traced ones."""
        pool = list(inputs)
        for which, a, b, c in self.steps:
            x, y = pool[-1 - a % len(pool)], pool[-1 - b % len(pool)]
            made = STEPS[which % len(STEPS)](x, y, c)
            if made.size <= LARGE and made.ndim <= 4:
                pool.append(made)
        return pool[-self.results :]


def seeded(seed: int) -> Program:
    """The program of a seed."""
    rng = np.random.default_rng(seed)
    shapes = tuple(
        tuple(int(n) for n in rng.choice(EXTENTS[1:], rng.integers(0, 4)))
        for _ in range(rng.integers(1, 4))
    )
    numbers = rng.integers(0, 256, (rng.integers(3, 41), 4))
    steps: tuple[Any, ...] = tuple(tuple(int(v) for v in step) for step in numbers)
    shapes = tuple(s if math.prod(s) <= LARGE else s[:1] for s in shapes)
    return Program(shapes, steps, int(rng.integers(1, 4)), bool(rng.random() < 0.2))


# Steps: bounded functions, so that rounding stays comparable ----------------------


def fit(y: Any, x: Any) -> Any:
    """`y`, so that it broadcasts with `x` to at most the size of `x`."""
    if y.ndim <= x.ndim and all(
        m in (1, n) for m, n in zip(y.shape[::-1], x.shape[::-1], strict=False)
    ):
        return y
    if not y.size or not x.size:
        return np.sum(y)
    return y.reshape(-1)[np.arange(x.size) % y.size].reshape(x.shape)  # a gather


UNARY: list[Callable[[Any], Any]] = [
    np.sin, np.tanh, np.negative, np.square, np.abs, np.cos,
    lambda x: np.exp(-x * x), lambda x: np.log1p(x * x), lambda x: np.sqrt(1 + x * x),
    lambda x: 1 / (1 + np.exp(-x)), lambda x: 0.5 * x, lambda x: x + 0.25,
    lambda x: np.arctan(x) / (2 + np.cos(x)), lambda x: np.maximum(x, 0.123),
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    np.add, np.subtract, np.maximum, np.minimum, np.hypot,
    lambda x, y: x * np.tanh(y), lambda x, y: x / (1.5 + np.cos(y)),
    lambda x, y: np.arctan2(x, 2.0 + y * y),
]  # fmt: skip


def unary(x: Any, y: Any, c: int) -> Any:
    return UNARY[c % len(UNARY)](np.tanh(x) if c % 5 == 0 else x)


def binary(x: Any, y: Any, c: int) -> Any:
    return BINARY[c % len(BINARY)](x, fit(y, x))


def choice(x: Any, y: Any, c: int) -> Any:
    other = fit(y, x)
    return np.where((x > 0.1234567) ^ (other < -0.3), x * 0.5, np.sin(other))


def transpose(x: Any, y: Any, c: int) -> Any:
    orders = list(itertools.permutations(range(x.ndim)))
    return x.transpose(orders[c % len(orders)])


def reshape(x: Any, y: Any, c: int) -> Any:
    if not x.ndim:
        return x.reshape(1, 1) if c % 2 else x.reshape(1)
    fits = [k for k in (2, 3, 5, 9) if x.size % k == 0]
    if c % 3 == 0 or not fits:
        return x.reshape(-1)
    k = fits[c % len(fits)]
    return x.reshape(x.size // k, k) if c % 2 else x.reshape(k, 1, x.size // k)


def moved(x: Any, y: Any, c: int) -> Any:
    if not x.ndim:
        return x * 1.5
    axis = c % x.ndim
    return np.flip(x, axis) if c % 2 else np.roll(x, c % 5 - 2, axis)


PARTS = [slice(1, None), slice(None, -1), slice(None, None, 2), slice(None, None, -1),
         slice(None, None, -3), slice(1, 4)]  # fmt: skip


def part(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x[None]
    axis = c % x.ndim
    before = (slice(None),) * axis
    if c % 7 == 0:
        return x[(*before, -1)]
    return x[(*before, PARTS[c % len(PARTS)])]


def fold(x: Any, y: Any, c: int) -> Any:
    axes = tuple(k for k in range(x.ndim) if c >> k & 1) or tuple(range(x.ndim))
    if not all(x.shape[k] for k in axes) or not x.ndim:
        return np.sum(x, axis=axes)
    how: list[Callable[..., Any]] = [
        np.sum,
        np.mean,
        np.max,
        np.min,
        lambda x, **k: np.prod(np.tanh(x), **k),
    ]
    made = how[c // 16 % len(how)](x, axis=axes, keepdims=c % 2 == 0)
    return np.tanh(made) if c % 3 == 0 else made * 0.25


def wider(x: Any, y: Any, c: int) -> Any:
    if c % 2:
        axis = c % (x.ndim + 1)
        many = np.ones((c % 3 + 1, *(1 for _ in range(x.ndim - axis))))
        return np.expand_dims(x, axis) * many
    return np.broadcast_to(x, (c % 3 + 1, *x.shape))


def gather(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x + 0.5
    axis = c % x.ndim
    n = x.shape[axis]
    picks = np.random.default_rng(c).integers(-n, n, c % 11 + 1)
    if c % 4 == 0:  # an index that is computed, from what no rounding can move
        picks = (np.arange(x.shape[axis]) * 7 + (x.sum() > 1e9)) % n
    return x[(*(slice(None),) * axis, picks)]


def written(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x - 0.5
    z = x * 0.75
    axis = c % x.ndim
    n = x.shape[axis]
    keys = [PARTS[c % len(PARTS)], -1, np.random.default_rng(c).integers(-n, n, 5)]
    key = (*(slice(None),) * axis, keys[c // 8 % 3])
    if c % 2:
        if c // 8 % 3 == 2:
            np.add.at(z, key, fit(y, z[key]))
        else:
            z[key] += fit(y, z[key])
    elif c // 8 % 3 == 2:
        z[key] = np.sum(y) * 0.01
    else:
        z[key] = fit(y, z[key])
    return z


def joined(x: Any, y: Any, c: int) -> Any:
    other = fit(y, x) * np.ones(x.shape)
    if c % 2 or not x.ndim:
        return np.stack([x, other, x * 2.0][: c % 3 + 1], c % (x.ndim + 1))
    return np.concatenate([x, other, -x][: c % 3 + 1], c % x.ndim)


def padded(x: Any, y: Any, c: int) -> Any:
    if not x.ndim:
        return x * 0.75
    return np.pad(x, [(c >> k & 1, c >> k + 1 & 1) for k in range(x.ndim)])


def product(x: Any, y: Any, c: int) -> Any:
    if not x.ndim:
        return x * np.sum(y) * 0.01
    if x.ndim == 1:
        full = fit(y, x) * np.ones(x.shape)
        return np.tanh(x @ full) if c % 2 else np.outer(x, x[:3])
    other = fit(y, x) * np.ones(x.shape)
    if c % 3 == 0:
        return np.tanh(np.einsum("...ij,...ij->...i", x, other))
    return np.tanh(x @ np.swapaxes(other, -1, -2)) * 0.5


def diagonal(x: Any, y: Any, c: int) -> Any:
    if x.ndim == 1 and x.size < 40:
        return np.diag(x, c % 3 - 1)
    if x.ndim >= 2 and min(x.shape[-2:]) > 1:
        if c % 2:
            return np.diagonal(x, c % 3 - 1, -2, -1) * 2.0
        return np.tril(x, c % 3 - 1)
    return x * 1.25


def counted(x: Any, y: Any, c: int) -> Any:
    if c % 2:
        return x * (x > 0.3).astype(np.int32)
    return x + np.sum(x > -0.4321) * 0.01


STEPS: Sequence[Callable[[Any, Any, int], Any]] = [
    unary, unary, unary, binary, binary, binary, choice, transpose, reshape, moved,
    part, fold, fold, wider, gather, written, joined, padded, product, diagonal,
    counted,
]  # fmt: skip
