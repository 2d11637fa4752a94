"""Random programs of complex arrays: steps on a pool, as plain NumPy.

Like `programs`, with steps whose values stay bounded and off the branch cuts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LARGE = 2000  # elements: no array grows past this
Step = tuple[int, int, int, int]


@dataclass(frozen=True)
class Program:
    """What is run: inputs of `shapes`, `steps`, how many results, complex64 or not."""

    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    results: int
    single: bool = False

    def inputs(self) -> list[Any]:
        """Arguments: sizes about 1, no two alike."""
        rng = np.random.default_rng(len(self.steps))
        return [
            (rng.uniform(0.3, 1.4, s) * np.exp(1j * rng.uniform(-3, 3, s))).astype(
                np.complex64 if self.single else complex
            )
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


def small(x: Any) -> Any:
    """x drawn to a size below 1, smoothly."""
    return x / (1.0 + np.abs(x))


def fit(y: Any, x: Any) -> Any:
    """`y` as something that broadcasts with `x`."""
    if y.shape == x.shape or (y.ndim <= 1 and y.shape == x.shape[-1:]):
        return y
    return np.sum(small(y)) * 0.25 if y.size else 0.5j


UNARY: list[Callable[[Any], Any]] = [
    np.exp, np.sin, np.cos, np.sinh, np.cosh, np.tanh, np.square, np.conj,
    lambda x: np.sqrt(x + 2.0), lambda x: np.log(x + (2.0 + 1j)),
    lambda x: np.tan(x * 0.5), lambda x: np.arctan(x * 0.5),
    lambda x: np.arcsinh(x * 0.5), lambda x: x**3, lambda x: 1.0 / (x + (2.0 - 1j)),
    lambda x: np.abs(x) * 1j, lambda x: np.angle(x + 2.0) + 0j, lambda x: x.real + 0j,
    lambda x: x * x.imag, lambda x: -x,
]  # fmt: skip


def unary(x: Any, y: Any, c: int) -> Any:
    return UNARY[c % len(UNARY)](small(x))


def binary(x: Any, y: Any, c: int) -> Any:
    x, y = small(x), small(fit(y, x))
    made: list[Callable[[], Any]] = [
        lambda: x + y, lambda: x - y, lambda: x * y, lambda: x / (y + 2.0),
        lambda: (x + 2.0) ** y, lambda: x * np.real(y), lambda: x * np.conj(y),
        lambda: 0.5j * x - y,
    ]  # fmt: skip
    return made[c % len(made)]()


def choice(x: Any, y: Any, c: int) -> Any:
    condition = x.real > 0.1 if c % 2 else np.abs(x) < 0.7
    return np.where(condition, x, fit(y, x))


def moved(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x.reshape(1, *x.shape)
    axis = c % x.ndim
    made: list[Callable[[], Any]] = [
        lambda: np.flip(x, axis), lambda: np.roll(x, c % 5 - 2, axis),
        lambda: x.reshape(-1), lambda: x.T, lambda: x[..., ::2], lambda: x[::-1],
        lambda: np.broadcast_to(x, (2, *x.shape)), lambda: x[1:],
        lambda: np.swapaxes(x, 0, axis),
    ]  # fmt: skip
    return made[c % len(made)]()


def fold(x: Any, y: Any, c: int) -> Any:
    axis = c % x.ndim if x.ndim and c % 3 else None
    if not x.size:
        return np.sum(x, axis)
    how = [np.sum, np.mean, lambda x, axis: np.prod(small(x), axis)]
    return how[c // 8 % len(how)](x, axis=axis) * 0.5


def gathered(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x + 0.5j
    picks = np.random.default_rng(c).integers(-x.shape[0], x.shape[0], c % 7 + 1)
    if c % 2:
        return x[picks]
    z = x * 0.5
    np.add.at(z, picks, small(fit(y, z[picks])))
    return z


def joined(x: Any, y: Any, c: int) -> Any:
    other = fit(y, x) * np.ones(x.shape)
    if c % 2 or not x.ndim:
        return np.stack([x, other], c % (x.ndim + 1))
    return np.concatenate([x, other, x.real], c % x.ndim)


def written(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x - 0.5j
    z = x * 1.0
    z[c % x.shape[0] :: 2] *= 0.5j
    return z


def product(x: Any, y: Any, c: int) -> Any:
    if x.ndim != 2 or not x.size:
        return x * 0.5j
    return small(x @ np.conj(x.T) if c % 2 else np.einsum("ij,kj->ik", x, x.real))


def scanned(x: Any, y: Any, c: int) -> Any:
    if not x.ndim or not x.size:
        return x
    axis = c % x.ndim
    return np.cumsum(x, axis) * 0.1 if c % 2 else np.cumprod(small(x), axis)


STEPS: Sequence[Callable[[Any, Any, int], Any]] = [
    unary, unary, unary, binary, binary, binary, choice, moved, moved, fold, gathered,
    joined, written, product, scanned,
]  # fmt: skip


def seeded(seed: int) -> Program:
    """The program of a seed."""
    rng = np.random.default_rng(seed)
    shapes = tuple(
        tuple(int(n) for n in rng.choice((1, 2, 3, 5, 9, 17), rng.integers(0, 4)))
        for _ in range(rng.integers(1, 3))
    )
    steps = tuple(
        tuple(int(v) for v in s) for s in rng.integers(0, 256, (rng.integers(3, 25), 4))
    )
    return Program(shapes, steps, int(rng.integers(1, 3)), bool(rng.random() < 0.2))  # type: ignore[arg-type]
