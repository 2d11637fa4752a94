"""Logistic regression, an MLP's step, a Gaussian process, and a transformer block.

Large matrix products take most of their time, so the libraries are near each other.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from problems.peers import (
    Case,
    Run,
    compiled,
    jax_gradient,
    torch_gradient,
    torch_module,
    wengert_call,
    wengert_gradient,
)

_AIM = "never slower than the best peer"


# Logistic regression ---------------------------------------------------------------


def logistic(np: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    margin = y * (x @ w + b)
    return np.logaddexp(0.0, -margin).mean() + 1e-3 * (w * w).sum()


def logistic_torch(torch: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    margin = y * (x @ w + b)
    return torch.nn.functional.softplus(-margin).mean() + 1e-3 * (w * w).sum()


def logistic_by_hand(w: Any, b: Any, x: Any, y: Any) -> Run:
    def run() -> Any:
        margin = y * (x @ w + b)
        value = np.logaddexp(0.0, -margin).mean() + 1e-3 * (w @ w)
        s = -y / (1.0 + np.exp(margin)) / len(y)
        return value, (s @ x + 2e-3 * w, s.sum())

    return run


# MLP -------------------------------------------------------------------------------


def mlp(np: Any, params: Any, x: Any, labels: Any) -> Any:
    for w, b in params[:-1]:
        x = np.maximum(x @ w + b, np.float32(0))
    w, b = params[-1]
    logits = x @ w + b
    top = logits.max(1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    return (total - (logits * labels).sum(1)).mean()


def mlp_torch(torch: Any, params: Any, x: Any, labels: Any) -> Any:
    for w, b in params[:-1]:
        x = torch.relu(x @ w + b)
    w, b = params[-1]
    return torch.nn.functional.cross_entropy(x @ w + b, labels)


def mlp_step(np: Any, params: Any, slopes: Any) -> Any:
    rate = np.float32(0.1)
    return [
        (w - rate * dw, b - rate * db)
        for (w, b), (dw, db) in zip(params, slopes, strict=True)
    ]


def mlp_wengert(args: Any) -> Run:
    import wengert as wg

    slope = wg.grad(functools.partial(mlp, np))
    g = compiled(lambda params, x, y: mlp_step(np, params, slope(params, x, y)))
    return lambda: g(*args)


def mlp_jax(args: Any) -> Run:
    from problems.peers import jax_modules

    jax, jnp = jax_modules()
    slope = jax.grad(functools.partial(mlp, jnp))
    g = jax.jit(lambda params, x, y: mlp_step(jnp, params, slope(params, x, y)))
    given = jax.tree_util.tree_map(jnp.asarray, args)
    return lambda: jax.block_until_ready(g(*given))


def mlp_torch_step(args: Any, compile: bool = False) -> Run:
    torch = torch_module()
    params, x, labels = args
    leaves = [torch.tensor(a).requires_grad_(True) for pair in params for a in pair]
    given = torch.tensor(x), torch.tensor(labels.argmax(1))
    pairs = list(zip(leaves[::2], leaves[1::2], strict=True))
    f = lambda pairs, x, y: mlp_torch(torch, pairs, x, y)
    if compile:
        torch._dynamo.reset()
        f = torch.compile(f)

    def run() -> Any:
        slopes = torch.autograd.grad(f(pairs, *given), leaves)
        with torch.no_grad():
            return [a - 0.1 * g for a, g in zip(leaves, slopes, strict=True)]

    return run


# Gaussian process ------------------------------------------------------------------


def gaussian_process(np: Any, logs: Any, x: Any, y: Any) -> Any:
    """The negative log-likelihood of y; logs are of lengths, amplitude and noise."""
    d = x.shape[1]
    z = x / np.exp(logs[:d])
    square = ((z[:, None, :] - z[None, :, :]) ** 2).sum(2)
    noise = np.exp(2.0 * logs[d + 1]) * np.eye(len(x))
    kernel = np.exp(2.0 * logs[d]) * np.exp(-0.5 * square) + noise
    lower = np.linalg.cholesky(kernel)
    white = np.linalg.solve(lower, y)
    return 0.5 * (white @ white) + np.log(np.diagonal(lower)).sum()


def gaussian_process_jax(jnp: Any, logs: Any, x: Any, y: Any) -> Any:
    from jax.scipy.linalg import solve_triangular

    d = x.shape[1]
    z = x / jnp.exp(logs[:d])
    square = ((z[:, None, :] - z[None, :, :]) ** 2).sum(2)
    noise = jnp.exp(2.0 * logs[d + 1]) * jnp.eye(len(x))
    kernel = jnp.exp(2.0 * logs[d]) * jnp.exp(-0.5 * square) + noise
    lower = jnp.linalg.cholesky(kernel)
    white = solve_triangular(lower, y, lower=True)
    return 0.5 * (white @ white) + jnp.log(jnp.diagonal(lower)).sum()


def gaussian_process_torch(torch: Any, logs: Any, x: Any, y: Any) -> Any:
    d = x.shape[1]
    z = x / torch.exp(logs[:d])
    square = ((z[:, None, :] - z[None, :, :]) ** 2).sum(2)
    noise = torch.exp(2.0 * logs[d + 1]) * torch.eye(len(x), dtype=x.dtype)
    kernel = torch.exp(2.0 * logs[d]) * torch.exp(-0.5 * square) + noise
    lower = torch.linalg.cholesky(kernel)
    white = torch.linalg.solve_triangular(lower, y[:, None], upper=False)
    return 0.5 * (white * white).sum() + torch.log(torch.diagonal(lower)).sum()


# Transformer block -----------------------------------------------------------------


def normalised(x: Any, gain: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return gain * centred / (variance + 1e-5) ** 0.5


def transformer(np: Any, params: dict[str, Any], x: Any, heads: int) -> Any:
    batch, length, width = x.shape
    y = normalised(x, params["gain1"])
    qkv = (y @ params["qkv"]).reshape(batch, length, 3, heads, width // heads)
    q, k, v = (qkv[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
    scores = q @ k.transpose(0, 1, 3, 2) * (width // heads) ** -0.5
    scores = scores - scores.max(-1, keepdims=True)
    e = np.exp(scores)
    mixed = (e / e.sum(-1, keepdims=True)) @ v
    x = x + mixed.transpose(0, 2, 1, 3).reshape(batch, length, width) @ params["out"]
    y = normalised(x, params["gain2"])
    hidden = y @ params["up"]
    hidden = 0.5 * hidden * (
        1.0 + np.tanh(0.7978845608 * (hidden + 0.044715 * hidden * hidden * hidden))
    )  # fmt: skip
    x = x + hidden @ params["down"]
    return (x * x).mean()


_NAMES = ("gain1", "qkv", "out", "gain2", "up", "down")


def transformer_torch(torch: Any, *args: Any) -> Any:
    *values, x, heads = args
    params = dict(zip(_NAMES, values, strict=True))
    functional = torch.nn.functional
    batch, length, width = x.shape
    norm = lambda z, gain: functional.layer_norm(z, (width,), gain, None, 1e-5)
    qkv = (norm(x, params["gain1"]) @ params["qkv"]).view(
        batch, length, 3, heads, width // heads
    )
    q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
    mixed = functional.scaled_dot_product_attention(q, k, v)
    x = x + mixed.transpose(1, 2).reshape(batch, length, width) @ params["out"]
    hidden = norm(x, params["gain2"]) @ params["up"]
    x = x + functional.gelu(hidden, approximate="tanh") @ params["down"]
    return (x * x).mean()


def transformer_data(batch: int, length: int, width: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    weights = {
        "qkv": (width, 3 * width), "out": (width, width),
        "up": (width, 4 * width), "down": (4 * width, width),
    }  # fmt: skip
    params = {
        name: (rng.standard_normal(shape) / shape[0] ** 0.5).astype("f4")
        for name, shape in weights.items()
    }
    for name in ("gain1", "gain2"):
        params[name] = np.ones(width, "f4")
    return params, rng.standard_normal((batch, length, width)).astype("f4")


# Rows ------------------------------------------------------------------------------


def _logistic_case(n: int, d: int) -> Case:
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((n, d)), rng.standard_normal(d)
    y = np.sign(x @ rng.standard_normal(d) + rng.standard_normal(n))
    args = (w, 0.1, x, y)
    torch_args = (w, np.array(0.1), x, y)
    f = functools.partial(logistic, np)
    return Case(
        "logistic",
        f"n {n:,} d {d}",
        {
            "wengert": wengert_gradient(f, args, (0, 1)),
            "jax": jax_gradient(logistic, args, (0, 1)),
            "torch": torch_gradient(logistic_torch, torch_args, (0, 1)),
            "torch.compile": torch_gradient(logistic_torch, torch_args, (0, 1), True),
            "NumPy by hand": functools.partial(logistic_by_hand, *args),
        },
        _AIM,
        wengert_call(f, args),
    )


def _mlp_case(batch: int, widths: list[int]) -> Case:
    rng = np.random.default_rng(3)
    params = [
        ((rng.standard_normal((a, b)) / a**0.5).astype("f4"), np.zeros(b, "f4"))
        for a, b in itertools.pairwise(widths)
    ]
    x = rng.standard_normal((batch, widths[0])).astype("f4")
    labels = np.eye(widths[-1], dtype="f4")[rng.integers(widths[-1], size=batch)]
    args = (params, x, labels)
    return Case(
        "mlp",
        f"batch {batch}, {'–'.join(map(str, widths))}, float32",
        {
            "wengert": functools.partial(mlp_wengert, args),
            "jax": functools.partial(mlp_jax, args),
            "torch": functools.partial(mlp_torch_step, args),
            "torch.compile": functools.partial(mlp_torch_step, args, True),
        },
        _AIM,
        wengert_call(functools.partial(mlp, np), args),
        tolerance=1e-4,
    )


def _process_case(n: int) -> Case:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((n, 3)), rng.standard_normal(n)
    args = (np.array([0.1, 0.2, 0.3, 0.1, -1.0]), x, y)
    f = functools.partial(gaussian_process, np)
    return Case(
        "gp",
        f"n {n}",
        {
            "wengert": wengert_gradient(f, args),
            "jax": jax_gradient(gaussian_process_jax, args),
            "torch": torch_gradient(gaussian_process_torch, args),
            "torch.compile": torch_gradient(gaussian_process_torch, args, compile=True),
        },
        _AIM,
        wengert_call(f, args),
    )


def _transformer_case(batch: int, length: int, width: int, heads: int) -> Case:
    params, x = transformer_data(batch, length, width)
    params = {name: params[name] for name in _NAMES}
    f = lambda p, x: transformer(np, p, x, heads)
    torch_args = (*params.values(), x, heads)
    wanted = range(len(_NAMES))

    def ordered(make: Any) -> Any:
        """A dict's gradient is compared by its sorted names."""

        def made() -> Run:
            run = make()

            def call() -> Any:
                value, slopes = run()
                return value, dict(zip(_NAMES, slopes, strict=True))

            return call

        return made

    torch_made = torch_gradient(transformer_torch, torch_args, wanted)
    compiled_made = torch_gradient(transformer_torch, torch_args, wanted, compile=True)
    return Case(
        "transformer",
        f"batch {batch}, length {length}, width {width}, {heads} heads, float32",
        {
            "wengert": wengert_gradient(f, (params, x)),
            "jax": jax_gradient(
                lambda jnp, p, x: transformer(jnp, p, x, heads), (params, x)
            ),
            "torch": ordered(torch_made),
            "torch.compile": ordered(compiled_made),
        },
        _AIM,
        wengert_call(f, (params, x)),
        tolerance=1e-3,
    )


def cases(sizes: dict[str, Any]) -> Iterator[Case]:
    """All rows, at the sizes asked for."""
    for n, d in sizes["logistic"]:
        yield _logistic_case(n, d)
    for batch, *widths in sizes["mlp"]:
        yield _mlp_case(batch, widths)
    for n in sizes["gp"]:
        yield _process_case(n)
    for size in sizes["transformer"]:
        yield _transformer_case(*size)
