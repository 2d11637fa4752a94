"""Rosenbrock, Black–Scholes, and a mix of exp, sin and tanh."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from problems.peers import (
    Case,
    Run,
    jax_gradient,
    numba_function,
    torch_gradient,
    wengert_call,
    wengert_gradient,
)


def rosenbrock(np: Any, x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def rosenbrock_by_hand(x: Any) -> Run:
    def run() -> Any:
        d = x[1:] - x[:-1] ** 2
        r = 1.0 - x[:-1]
        g = np.zeros_like(x)
        g[:-1] = -400.0 * d * x[:-1] - 2.0 * r
        g[1:] += 200.0 * d
        return (100.0 * d * d + r * r).sum(), g

    return run


def rosenbrock_numba(x: Any) -> Run:
    import numba

    @numba_function()
    def f(x):  # type: ignore[no-untyped-def]
        total = 0.0
        g = np.empty_like(x)
        n = len(x)
        for i in numba.prange(n):
            gi = 0.0
            if i < n - 1:
                d = x[i + 1] - x[i] ** 2
                total += 100.0 * d * d + (1.0 - x[i]) ** 2
                gi += -400.0 * d * x[i] - 2.0 * (1.0 - x[i])
            if i > 0:
                gi += 200.0 * (x[i] - x[i - 1] ** 2)
            g[i] = gi
        return total, g

    return lambda: f(x)


def mix(np: Any, x: Any) -> Any:
    return (np.exp(-x * x) * np.sin(x) + np.tanh(x)).sum()


def mix_by_hand(x: Any) -> Run:
    def run() -> Any:
        e, s, t = np.exp(-x * x), np.sin(x), np.tanh(x)
        return (e * s + t).sum(), e * (np.cos(x) - 2.0 * x * s) + 1.0 - t * t

    return run


def mix_numba(x: Any) -> Run:
    import numba

    @numba_function()
    def f(x):  # type: ignore[no-untyped-def]
        total = 0.0
        g = np.empty_like(x)
        for i in numba.prange(len(x)):
            v = x[i]
            e, s, t = np.exp(-v * v), np.sin(v), np.tanh(v)
            total += e * s + t
            g[i] = e * (np.cos(v) - 2.0 * v * s) + 1.0 - t * t
        return total, g

    return lambda: f(x)


def normal(np: Any, x: Any) -> Any:
    """The normal distribution function, to 7.5e-8.

    Source: Abramowitz & Stegun, Handbook of Mathematical Functions (1964), 26.2.17.
    """
    z = np.abs(x)
    t = 1.0 / (1.0 + 0.2316419 * z)
    tail = np.exp(-0.5 * z * z) * 0.3989422804014327 * t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (
            -1.821255978 + t * 1.330274429)))
    )  # fmt: skip
    return np.where(x > 0, 1.0 - tail, tail)


def black_scholes(np: Any, s: Any, k: Any, t: Any, r: Any, v: Any) -> Any:
    """The prices of European calls, summed: its gradient are the Greeks."""
    spread = v * np.sqrt(t)
    d1 = (np.log(s / k) + (r + 0.5 * v * v) * t) / spread
    d2 = d1 - spread
    return (s * normal(np, d1) - k * np.exp(-r * t) * normal(np, d2)).sum()


def _common(f: Any, args: Any, wanted: Any = 0) -> dict[str, Any]:
    argnums = wanted
    positions = (wanted,) if isinstance(wanted, int) else wanted
    return {
        "wengert": wengert_gradient(functools.partial(f, np), args, argnums),
        "jax": jax_gradient(f, args, argnums),
        "torch": torch_gradient(f, args, positions),
        "torch.compile": torch_gradient(f, args, positions, compile=True),
    }


def cases(sizes: dict[str, Any]) -> Iterator[Case]:
    """All rows, at the sizes asked for."""
    rng = np.random.default_rng(1)
    for n in sizes["rosenbrock"]:
        x = rng.uniform(-2.0, 2.0, n)
        yield Case(
            "rosenbrock",
            f"{n:,}",
            _common(rosenbrock, (x,))
            | {
                "NumPy by hand": functools.partial(rosenbrock_by_hand, x),
                "numba by hand": functools.partial(rosenbrock_numba, x),
            },
            "≥ 8× jax, ≥ 2× torch.compile",
            wengert_call(functools.partial(rosenbrock, np), (x,)),
        )
    for n in sizes["black_scholes"]:
        args = tuple(
            rng.uniform(low, high, n)
            for low, high in ((10, 50), (10, 50), (0.2, 2), (0.01, 0.1), (0.1, 0.5))
        )
        yield Case(
            "black_scholes",
            f"{n:,}",
            _common(black_scholes, args, (0, 1, 2, 3, 4)),
            "≥ 8× jax, ≥ 2× torch.compile",
            wengert_call(functools.partial(black_scholes, np), args),
        )
    for n in sizes["mix"]:
        x = rng.standard_normal(n)
        yield Case(
            "mix",
            f"{n:,}",
            _common(mix, (x,))
            | {
                "NumPy by hand": functools.partial(mix_by_hand, x),
                "numba by hand": functools.partial(mix_numba, x),
            },
            "≥ 3× jax and torch",
            wengert_call(functools.partial(mix, np), (x,)),
        )
