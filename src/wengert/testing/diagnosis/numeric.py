"""Finite differences that know how far they may be off.

A difference with one step can't tell a wrong rule from a bad step. These come with an
error estimate from a ladder of steps, so that a disagreement is believed only where the
numbers have settled.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from wengert.core.types import Array

Function = Callable[..., list[Array]]

# The factor between the steps of a ladder. The wide end is where quick checks stand.
_FACTOR = 4.0
_LADDER = {8: (2.0**-6, 11), 4: (2.0**-2, 5), 2: (0.5, 3)}


class Estimate(NamedTuple):
    """A directional derivative of one result, element by element.

    Attributes:
        value: the estimate.
        error: how far it may be off.
    """

    value: Array
    error: Array


def direction(rng: np.random.Generator, x: Array) -> Array:
    """A random tangent as large as `x` is, element by element.

    So a step is relative: it doesn't carry an element across zero, where logarithms
    and roots end. A zero moves by the size of the others, or by one.
    """
    size = np.abs(x)
    positive = size[(size > 0) & np.isfinite(size)]
    typical = np.median(positive) if positive.size else 1.0
    v = rng.uniform(0.5, 1.0, x.shape) * rng.choice((-1.0, 1.0), x.shape)
    if x.dtype.kind == "c":
        v = v * np.exp(1j * rng.uniform(0.0, 2 * np.pi, x.shape))
    return np.asarray(v * np.where(size > 0, size, typical)).astype(x.dtype)[()]


def weights(rng: np.random.Generator, y: Array) -> Array:
    """A random cotangent without small elements, of both signs."""
    w = rng.uniform(0.5, 1.0, y.shape) * rng.choice((-1.0, 1.0), y.shape)
    if y.dtype.kind == "c":
        w = w * np.exp(1j * rng.uniform(0.0, 2 * np.pi, y.shape))
    return np.asarray(w).astype(y.dtype)[()]


def precision(arrays: Sequence[Array]) -> int:
    """Bytes of the least precise real number among these: 8, 4 or 2."""
    sizes = [np.finfo(x.dtype).bits // 8 for x in arrays]
    return max(2, min([8, *sizes]))


def quick(f: Function, xs: Sequence[Array], vs: Sequence[Array]) -> list[Estimate]:
    """Two steps and one extrapolation: right on smooth functions, for four calls."""
    return _ladder(f, xs, vs, 2)


def careful(f: Function, xs: Sequence[Array], vs: Sequence[Array]) -> list[Estimate]:
    """The best of a whole ladder of steps, element by element."""
    return _ladder(f, xs, vs, None)


def _ladder(
    f: Function, xs: Sequence[Array], vs: Sequence[Array], count: int | None
) -> list[Estimate]:
    ys = f(*xs)
    f = _or_nan(f, ys)
    size = precision([*ys, *xs])
    first, most = _LADDER[size]
    steps = [first / _FACTOR**k for k in range(count or most)]
    if count:  # not the widest ones: those are for rough functions
        steps = [h / _FACTOR for h in steps]
    slopes = [_central(f, xs, vs, h) for h in steps]
    return [_best([s[i] for s in slopes], y, steps, size) for i, y in enumerate(ys)]


def _or_nan(f: Function, ys: list[Array]) -> Function:
    """`f`, which beside the point may be undefined, or have results of other shapes."""

    def tried(*xs: Array) -> list[Array]:
        try:
            found = f(*xs)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            found = []
        if [np.shape(y) for y in found] == [np.shape(y) for y in ys]:
            return found
        return [np.full_like(y, np.nan) for y in ys]

    return tried


def moved(xs: Sequence[Array], vs: Sequence[Array], h: float) -> list[Array]:
    """A step of length `h` along `vs`."""
    return [x + x.dtype.type(h) * v for x, v in zip(xs, vs, strict=True)]


def _central(
    f: Function, xs: Sequence[Array], vs: Sequence[Array], h: float
) -> list[Array]:
    up, down = f(*moved(xs, vs, h)), f(*moved(xs, vs, -h))
    return [(u - d) / (2 * h) for u, d in zip(up, down, strict=True)]


def _best(slopes: list[Array], y: Array, steps: list[float], size: int) -> Estimate:
    """Of the extrapolated slopes, in each element the one that has settled best."""
    sharp = _FACTOR**2
    better = [
        (sharp * fine - wide) / (sharp - 1) for wide, fine in itertools.pairwise(slopes)
    ]
    # Results may be sums that cancel: their rounding is that of the largest element.
    top = np.max(np.abs(y), initial=0.0)
    noise = {8: 2e-16, 4: 1.2e-7, 2: 1e-3}[size] * (top if np.isfinite(top) else 1.0)
    best = np.asarray(better[0])
    error = np.asarray(np.abs(better[0] - slopes[1])) + noise / steps[1]
    for i in range(1, len(better)):
        # The second is less where a kink between the wider steps is left behind.
        settled = np.abs(better[i] - better[i - 1]), np.abs(slopes[i + 1] - slopes[i])
        change = np.minimum(*settled) + noise / steps[i + 1]
        closer = ~(change >= error)
        best = np.where(closer, better[i], best)
        error = np.where(closer, change, error)
    error = np.where(np.isfinite(best), error, np.inf)
    return Estimate(best, error)


def sides(
    f: Function, xs: Sequence[Array], vs: Sequence[Array], h: float | None = None
) -> list[tuple[Array, Array]]:
    """The slopes to the left and to the right along `vs`, extrapolated once."""
    ys = f(*xs)
    f = _or_nan(f, ys)
    h = h or {8: 2.0**-16, 4: 2.0**-6, 2: 2.0**-2}[precision([*ys, *xs])]

    def slope(step: float) -> list[Array]:
        there = f(*moved(xs, vs, step))
        return [(m - y) / step for m, y in zip(there, ys, strict=True)]

    pairs = []
    for sign in (-1.0, 1.0):
        wide, fine = slope(sign * h), slope(sign * h / 2)
        pairs.append([2 * b - a for a, b in zip(wide, fine, strict=True)])
    return list(zip(*pairs, strict=True))


def inner(ws: Sequence[Array], ds: Sequence[Array]) -> float:
    """Σ Re(conj(w)·d)."""
    return float(
        sum(
            np.sum(np.real(np.conj(w) * d), dtype=np.float64)
            for w, d in zip(ws, ds, strict=True)
        )
    )
