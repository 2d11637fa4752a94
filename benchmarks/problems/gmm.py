"""ADBench's Gaussian mixture: the log-likelihood and its gradient.

The data are ADBench's (`--adbench FOLDER`), or of the same sizes from a seed.
"""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from problems import by_hand
from problems.peers import (
    Case,
    jax_gradient,
    torch_gradient,
    wengert_call,
    wengert_gradient,
)


def load(file: Path) -> tuple[Any, ...]:
    """(alphas, means, icf, x, gamma, m)."""
    numbers = np.array(file.read_text().split(), float)
    d, k, n = numbers[:3].astype(int)
    length = d * (d + 1) // 2
    ends = np.cumsum([3, k, k * d, k * length, n * d, 2])
    alphas, means, icf, x, last = (numbers[a:b] for a, b in itertools.pairwise(ends))
    shapes = (means.reshape(k, d), icf.reshape(k, length), x.reshape(n, d))
    return alphas, *shapes, float(last[0]), int(last[1])


def generate(n: int, d: int, k: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(31337)
    icf = rng.standard_normal((k, d * (d + 1) // 2))
    x = rng.standard_normal((n, d))
    return rng.standard_normal(k), rng.uniform(size=(k, d)), icf, x, 1.0, 0


def positions(d: int) -> Any:
    """Where each element of a lower triangle is in (0, l), l going column by column."""
    at = np.zeros((d, d), int)
    columns, rows = np.triu_indices(d, 1)
    at[rows, columns] = 1 + np.arange(len(rows))
    return at


def gmm(
    np: Any, alphas: Any, means: Any, icf: Any, x: Any, at: Any, gamma: float
) -> Any:
    n, d = x.shape
    k = means.shape[0]
    diagonal, logs = np.exp(icf[:, :d]), icf[:, :d].sum(1)
    below = np.concatenate([np.zeros((k, 1)), icf[:, d:]], 1)[:, at]
    centred = x[:, None, :] - means
    q = diagonal * centred + np.einsum("kij,nkj->nki", below, centred)
    inner = alphas + logs - 0.5 * (q * q).sum(2)
    total = logsumexp(np, inner, 1).sum() - n * logsumexp(np, alphas, 0)
    prior = 0.5 * gamma**2 * ((diagonal**2).sum() + (icf[:, d:] ** 2).sum())
    return total - n * d * 0.5 * np.log(2.0 * np.pi) + prior


def logsumexp(np: Any, x: Any, axis: int) -> Any:
    top = x.max(axis, keepdims=True)
    return (np.log(np.exp(x - top).sum(axis, keepdims=True)) + top).sum(axis)


def gmm_torch(
    torch: Any, alphas: Any, means: Any, icf: Any, x: Any, at: Any, gamma: float
) -> Any:
    n, d = x.shape
    k = means.shape[0]
    diagonal, logs = torch.exp(icf[:, :d]), icf[:, :d].sum(1)
    below = torch.cat([torch.zeros((k, 1), dtype=icf.dtype), icf[:, d:]], 1)[:, at]
    centred = x[:, None, :] - means
    q = diagonal * centred + torch.einsum("kij,nkj->nki", below, centred)
    inner = alphas + logs - 0.5 * (q * q).sum(2)
    total = torch.logsumexp(inner, 1).sum() - n * torch.logsumexp(alphas, 0)
    prior = 0.5 * gamma**2 * ((diagonal**2).sum() + (icf[:, d:] ** 2).sum())
    return total - n * d * 0.5 * float(np.log(2.0 * np.pi)) + prior


def case_of(data: tuple[Any, ...], name: str = "gmm") -> Case:
    alphas, means, icf, x, gamma, _ = data
    (n, d), k = x.shape, len(alphas)
    args = (alphas, means, icf, x, positions(d), gamma)
    f = functools.partial(gmm, np)
    makers = {
        "wengert": wengert_gradient(f, args, (0, 1, 2)),
        "torch": torch_gradient(gmm_torch, args, (0, 1, 2)),
        "torch.compile": torch_gradient(gmm_torch, args, (0, 1, 2), compile=True),
        "C by hand": functools.partial(by_hand.gmm, alphas, means, icf, x, gamma),
    }
    # The positions stay NumPy's for JAX: constants, as its users have them.
    makers["jax"] = jax_gradient(
        lambda jnp, a, m, i, x: gmm(jnp, a, m, i, x, args[4], gamma),
        args[:4], (0, 1, 2),
    )  # fmt: skip
    aim = "≥ 2× jax and torch, faster than C by hand"
    value = wengert_call(f, args)
    return Case(name, f"n {n:,} d {d} k {k}", makers, aim, value)


def cases(sizes: dict[str, Any]) -> Iterator[Case]:
    """All rows, at the sizes asked for."""
    for n, d, k in sizes["gmm"]:
        folder = {1000: "1k", 10_000: "10k"}.get(n, "")
        file = Path(sizes["adbench"]) / "gmm" / folder / f"gmm_d{d}_K{k}.txt"
        known = sizes["adbench"] and file.is_file()
        yield case_of(load(file) if known else generate(n, d, k))
