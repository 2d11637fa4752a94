"""How each library is asked for a value and a gradient, and what a row is made of."""

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg

Run = Callable[[], Any]
Make = Callable[[], Run]


@dataclass
class Case:
    """One row: a problem of one size.

    Attributes:
        name: the row's name, as `--only` selects it.
        size: what is shown as its size.
        makers: by library, a function that compiles nothing yet and gives a call.
        aim: what is wanted, as text: `≥ 3× jax`.
        value: a call of the compiled value alone, for gradient ÷ value.
        tolerance: the largest difference, relative to the largest element.
    """

    name: str
    size: str
    makers: dict[str, Make]
    aim: str = ""
    value: Make | None = None
    tolerance: float = 1e-9


EAGER = bool(os.environ.get("WENGERT_BENCHMARK_EAGER"))  # before there is a compiler


def compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """`wg.jit(f)`."""
    return f if EAGER else wg.jit(f)


def wengert_gradient(
    f: Callable[..., Any], args: Iterable[Any], argnums: Any = 0
) -> Make:
    """Value and gradient of NumPy code."""
    args = tuple(args)

    def make() -> Run:
        g = compiled(wg.value_and_grad(f, argnums))
        return lambda: g(*args)

    return make


def wengert_call(f: Callable[..., Any], args: Iterable[Any]) -> Make:
    """A function as it is."""
    args = tuple(args)

    def make() -> Run:
        g = compiled(f)
        return lambda: g(*args)

    return make


@functools.cache
def jax_modules() -> tuple[Any, Any]:
    """(jax, jax.numpy) with float64."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    return jax, jnp


def jax_call(make_f: Callable[[Any, Any], Any], args: Iterable[Any]) -> Make:
    """jit of what `make_f(jax, jax.numpy)` gives, on arrays of JAX's."""
    args = tuple(args)

    def make() -> Run:
        jax, jnp = jax_modules()
        g = jax.jit(make_f(jax, jnp))
        given = jax.tree_util.tree_map(jnp.asarray, args)
        return lambda: jax.block_until_ready(g(*given))

    return make


def jax_gradient(f: Callable[..., Any], args: Iterable[Any], argnums: Any = 0) -> Make:
    """Value and gradient of `f(jax.numpy, *args)`."""
    return jax_call(
        lambda jax, jnp: jax.value_and_grad(functools.partial(f, jnp), argnums), args
    )


@functools.cache
def torch_module() -> Any:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch


def torch_tensors(args: Iterable[Any]) -> list[Any]:
    torch = torch_module()
    return [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args]


def torch_gradient(
    f: Callable[..., Any], args: Iterable[Any], wanted: Iterable[int] = (0,),
    compile: bool = False,
) -> Make:  # fmt: skip
    """Value and gradient of `f(torch, *args)`."""
    args, wanted = tuple(args), tuple(wanted)

    def make() -> Run:
        torch = torch_module()
        given = torch_tensors(args)
        leaves = [given[i].requires_grad_(True) for i in wanted]
        g = functools.partial(f, torch)
        if compile:
            torch._dynamo.reset()
            inner = lambda *xs: f(torch, *xs)
            g = torch.compile(inner)

        def run() -> Any:
            y = g(*given)
            return y.detach(), torch.autograd.grad(y, leaves)

        return run

    return make


def numba_function() -> Any:
    """numba.njit with threads, fast as its users write it."""
    import numba

    numba.set_num_threads(
        min(len(os.sched_getaffinity(0)), numba.config.NUMBA_NUM_THREADS)
    )
    return functools.partial(numba.njit, parallel=True, fastmath=True)


def leaves(x: Any) -> list[np.ndarray]:
    """All arrays of a result, as NumPy's, without empty levels of nesting."""
    found: list[np.ndarray] = []
    pending = [x]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += [item[k] for k in sorted(item, reverse=True)]
        elif isinstance(item, tuple | list):
            pending += list(item)[::-1]
        else:
            found.append(np.asarray(item))
    return found


def difference(x: Any, y: Any) -> float:
    """The largest difference, relative to the largest element of each array."""
    pairs = list(zip(leaves(x), leaves(y), strict=True))
    worst = 0.0
    for a, b in pairs:
        a, b = a.astype(float).ravel(), b.astype(float).ravel()
        if a.shape != b.shape or not np.isfinite(a).all():
            return float("inf")
        scale = max(float(np.abs(b).max(initial=0.0)), 1e-300)
        worst = max(worst, float(np.abs(a - b).max(initial=0.0)) / scale)
    return worst
