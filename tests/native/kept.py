"""Functions whose programs are kept: `run` compiles them all and prints what happened.

Run as a process of its own, twice: the second one finds what the first one left.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

RNG = np.random.default_rng(0)
X = RNG.normal(size=7)
A = RNG.normal(size=(5, 5)) + 5.0 * np.eye(5)
TABLE = RNG.normal(size=40)  # captured: an input
LONG = RNG.normal(size=(300, 40))


def guarded(x: Any) -> Any:
    total = np.sum(x)
    steps = 0
    while total > 1.0:
        total = total * 0.5
        steps += 1
    return total if x[0] > 0 else -total, steps


def mixture(x: Any, w: Any) -> Any:
    y = x @ w
    m = np.max(y, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(y - m), axis=1)))


def chain(x: Any) -> Any:
    for _ in range(30):
        x = np.sin(x) * 1.01 + x * 0.5
    return x


def host(x: Any) -> Any:
    w, v = np.linalg.eig(x)
    return np.abs(w) * 2.0, np.sum(np.real(v * v), axis=0)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "elements": (lambda x: np.exp(-x * x) * np.sin(x) + TABLE[:7], (X,)),
    "gradient": (wg.grad(lambda x: np.sum(np.tanh(x) ** 3)), (X,)),
    "float32": (lambda x: np.sum(x * x), (X.astype("f4"),)),
    "weak": (lambda x, t: x * t + 1, (X.astype("f4"), 2.5)),
    "integers": (lambda x: np.sort(x)[::-1] * 2, (np.array([3, 1, 2]),)),
    "booleans": (lambda x: (x > 0) & (x < 1), (X,)),
    "complex": (lambda z: np.abs(z * np.exp(1j * z)) ** 2, (X + 1j * X[::-1],)),
    "guards": (guarded, (np.array([3.0, 2.0]),)),
    "guards of no": (guarded, (np.array([-3.0, 9.0]),)),
    "product": (wg.value_and_grad(mixture, (0, 1)), (LONG, LONG[:40, :9] * 0.1)),
    "factors": (lambda a: np.linalg.solve(a @ a.T, a[0]), (A,)),
    "copies": (wg.grad(chain), (0.3,)),
    "host": (host, (A,)),
    "constants": (lambda x: (np.array([1.0, 2.0]), x, x, np.outer(x, [1, 3])), (X,)),
    "nothing": (lambda x: (x[:0] * 2.0, np.sum(x[:0])), (X,)),
    "containers": (lambda p: {"y": [p["x"] * 2.0, p["x"] + 1.0]}, ({"x": X},)),
    "depends on values": (lambda x: np.sum(x[np.nonzero(x > 0)[0]]), (X,)),
    "mapped": (wg.vmap(lambda x: np.cumsum(x)[-1] * x), (LONG,)),
    "second": (wg.hessian(lambda x: np.prod(np.cos(x))), (X,)),
}  # fmt: skip

COMPILER = ("partition", "assemble", "nest", "expand", "forms", "mathematics")


def leaves(x: Any) -> list[str]:
    """Type, dtype, shape and bytes of each array in a result."""
    if isinstance(x, dict):
        return [s for v in x.values() for s in leaves(v)]
    if isinstance(x, list | tuple):
        return [s for v in x for s in leaves(v)]
    y = np.asarray(x)
    return [f"{type(x).__name__} {y.dtype} {y.shape} {y.tobytes().hex()}"]


def run() -> None:
    """Prints each function's results as bits, then what it took."""
    for name, (f, args) in FUNCTIONS.items():
        jitted = wg.jit(f)
        first, again = leaves(jitted(*args)), leaves(jitted(*args))
        assert first == again, name
        (path,) = jitted.paths
        assert path.backend.name == "native", name
        cached = all(program.cached for _, program in path.segments)
        print(name, "cached" if cached else "compiled", " ".join(first), sep="|")
    loaded = [m for m in COMPILER if f"wengert.native.{m}" in sys.modules]
    from wengert.native import cache

    found = cache.info()
    print("end", found.misses, found.rejected, found.note, loaded, sep="|")


if __name__ == "__main__":
    run()
