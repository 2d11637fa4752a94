"""What a call costs when there is nothing to compute, and what compiling costs."""

import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wengert as wg
from problems import gmm
from problems.peers import (
    Case,
    Run,
    compiled,
    jax_call,
    jax_modules,
    leaves,
    torch_module,
    wengert_call,
)

# Calls -----------------------------------------------------------------------------


def three(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


def ten(x: dict[str, Any]) -> dict[str, Any]:
    return {name: 2.0 * value for name, value in x.items()}


def torch_call(f: Callable[..., Any], args: Any, compile: bool = False) -> Run:
    torch = torch_module()
    if compile:
        torch._dynamo.reset()
        f = torch.compile(f)
    if isinstance(args[0], dict):
        given = [{name: torch.tensor(x) for name, x in args[0].items()}]
    else:
        given = [torch.tensor(x) for x in args]
    return lambda: f(*given)


def numba_call(f: Callable[..., Any], args: Any) -> Run:
    import numba

    g = numba.njit(f)
    return lambda: g(*args)


def call_cases() -> Iterator[Case]:
    """Rows: three arrays; a dict of ten."""
    a, b, c = (np.arange(3.0) + i for i in range(3))
    yield Case(
        "call",
        "three arrays of 3",
        {
            "wengert": wengert_call(three, (a, b, c)),
            "jax": jax_call(lambda jax, jnp: three, (a, b, c)),
            "torch": functools.partial(torch_call, three, (a, b, c)),
            "torch.compile": functools.partial(torch_call, three, (a, b, c), True),
            "NumPy": lambda: lambda: three(a, b, c),
            "numba": functools.partial(numba_call, three, (a, b, c)),
        },
        "≤ 0.2 µs, ≥ 20× jax",
    )
    x = {f"x{i}": np.arange(3.0) + i for i in range(10)}
    yield Case(
        "call",
        "a dict of 10 arrays of 3",
        {
            "wengert": wengert_call(ten, (x,)),
            "jax": jax_call(lambda jax, jnp: ten, (x,)),
            "torch": functools.partial(torch_call, ten, (x,)),
            "torch.compile": functools.partial(torch_call, ten, (x,), True),
            "NumPy": lambda: lambda: ten(x),
        },
        "≤ 1 µs, ≥ 20× jax",
    )


# Compiling -------------------------------------------------------------------------


def chain(np: Any, n: int) -> Callable[[Any], Any]:
    """n operations on an 8-vector, each on the result of the one before."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(n // 5):
            y = np.sin(y)
            y = y * x
            y = y + 1.0
            y = np.tanh(y)
            y = y * 0.5
        return y.sum()

    return f


def first_call(make: Callable[[], Callable[..., Any]], args: Any) -> tuple[float, Any]:
    """(seconds until the first result, the result)."""
    f = make()
    start = time.perf_counter()
    y = f(*args)
    leaves(y)
    return time.perf_counter() - start, y


Compile = tuple[str, dict[str, Callable[[], tuple[float, Any]]], str]


def compile_cases(sizes: dict[str, Any]) -> Iterator[Compile]:
    """(size, library -> one compilation of a fresh function, aim)."""
    alphas, means, icf, x, gamma, _ = gmm.generate(1000, 10, 25)
    at = gmm.positions(10)

    def gmm_of(np_: Any) -> Callable[..., Any]:
        return lambda a, m, i, x: gmm.gmm(np_, a, m, i, x, at, gamma)

    def gmm_torch(torch: Any) -> Callable[..., Any]:
        return lambda a, m, i, x: gmm.gmm_torch(torch, a, m, i, x, at, gamma)

    yield (
        "gradient of gmm, n 1,000 d 10 k 25",
        compilers(gmm_of, gmm_torch, (alphas, means, icf, x), (0, 1, 2)),
        "≥ 10× jax; from cache ≤ 2 ms",
    )
    for n in sizes["chains"]:
        x = np.linspace(0.1, 1.0, 8)
        found = compilers(
            lambda np_, n=n: chain(np_, n), lambda t, n=n: chain(t, n), (x,), (0,)
        )
        if n > sizes["slow_chains"]:
            found.pop("torch.compile")
        if n > sizes["slowest_chains"]:  # more than four minutes for 5,000
            found.pop("jax")
        yield f"gradient of a chain of {n:,}", found, "≥ 10× jax"


def compilers(
    of_numpy: Callable[[Any], Any],
    of_torch: Callable[[Any], Any],
    args: tuple[Any, ...],
    argnums: tuple[int, ...],
) -> dict[str, Callable[[], tuple[float, Any]]]:
    """By library: compiles the gradient of a fresh function."""

    def wengert_(cache: str) -> tuple[float, Any]:
        before = os.environ.get("WENGERT_CACHE")
        os.environ["WENGERT_CACHE"] = cache
        try:
            return first_call(
                lambda: compiled(wg.value_and_grad(of_numpy(np), argnums)), args
            )
        finally:
            os.environ.pop("WENGERT_CACHE")
            if before is not None:
                os.environ["WENGERT_CACHE"] = before

    def jax_() -> tuple[float, Any]:
        jax, jnp = jax_modules()
        given = [jnp.asarray(a) for a in args]
        return first_call(
            lambda: jax.jit(jax.value_and_grad(of_numpy(jnp), argnums)), given
        )

    def torch_() -> tuple[float, Any]:
        torch = torch_module()
        torch._dynamo.reset()
        given = [torch.tensor(a) for a in args]
        wanted = [given[i].requires_grad_(True) for i in argnums]
        f = torch.compile(of_torch(torch))

        def run(*xs: Any) -> Any:
            y = f(*xs)
            return y.detach(), torch.autograd.grad(y, wanted)

        return first_call(lambda: run, given)

    return {
        "wengert": lambda: wengert_("off"),
        "wengert, from cache": lambda: wengert_("on"),
        "jax": jax_,
        "torch.compile": torch_,
    }
