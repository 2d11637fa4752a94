"""All compositions of two and of three transforms give the one right derivative.

Each transform T makes a function of one array (shape (3,), the same in and out) from
another. The functions are elementwise or quadratic, so that what a composition should
give is known in closed form.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

F = Callable[[Any], Any]
X = np.array([0.3, -0.7, 1.1])
V = np.array([1.0, -2.0, 0.5])


# Each takes g: (3,) → (3,) to x ↦ J(x)ᵀV or J(x)V, or leaves its values as they are.
def by_grad(g: F) -> F:
    return wg.grad(lambda x: np.sum(g(x) * V))


def by_vjp(g: F) -> F:
    return lambda x: wg.vjp(g, x)[1](V)[0]


def by_jvp(g: F) -> F:
    return lambda x: wg.jvp(g, (x,), (V,))[1]


def by_jacfwd(g: F) -> F:
    return lambda x: wg.jacfwd(g)(x) @ V


def by_jacrev(g: F) -> F:
    return lambda x: V @ wg.jacrev(g)(x)


def by_chunks(g: F) -> F:
    return lambda x: wg.jacobian(g, mode="forward", chunk=2)(x) @ V


def by_linearize(g: F) -> F:
    return lambda x: wg.linearize(g, x)[1](V)


def by_mapping(g: F) -> F:
    """Two equal items, of which the second is taken."""
    return lambda x: wg.vmap(g)(np.stack([x, x]))[1]


def by_mapped_columns(g: F) -> F:
    return lambda x: wg.vmap(g, in_axes=1, out_axes=1)(np.stack([x, x], axis=1))[:, 0]


def by_graph(g: F) -> F:
    return lambda x: wg.trace(g, wg.Type((3,), np.dtype(float)))(x)


def by_checkpoint(g: F) -> F:
    return wg.checkpoint(g)


def by_custom_vjp(g: F) -> F:
    h = wg.custom_vjp(lambda x: g(x))
    h.defvjp(lambda x: (g(x), x), lambda x, ct: wg.vjp(g, x)[1](ct))
    return h


def by_custom_jvp(g: F) -> F:
    h = wg.custom_jvp(lambda x: g(x))
    h.defjvp(lambda p, t: wg.jvp(g, p, t))
    return h


DERIVATIVES = {
    "grad": by_grad, "vjp": by_vjp, "jvp": by_jvp, "jacfwd": by_jacfwd,
    "jacrev": by_jacrev, "chunks": by_chunks, "linearize": by_linearize,
}  # fmt: skip
WRAPPERS = {
    "vmap": by_mapping, "columns": by_mapped_columns, "trace": by_graph,
    "checkpoint": by_checkpoint, "custom_vjp": by_custom_vjp,
    "custom_jvp": by_custom_jvp,
}  # fmt: skip
ALL = DERIVATIVES | WRAPPERS


def elementwise(order: int) -> Any:
    """The `order`-th derivative of sin(2x)·eˣ times Vⁿ: Im (1+2i)ⁿ e^((1+2i)x)."""
    c = 1 + 2j
    return np.imag(c**order * np.exp(c * X)) * V**order


def wave(x: Any) -> Any:
    return np.sin(2.0 * x) * np.exp(x)


class Closure:
    """The same function with a container and traced values from outside inside."""

    def __call__(self, x: Any) -> Any:
        p = {"two": x * 0.0 + 2.0, "parts": (x, [np.exp(x)])}

        def inner(scale: Any) -> Any:
            return np.sin(p["two"] * p["parts"][0]) * scale["s"]

        return inner({"s": p["parts"][1][0]})


def composed(names: tuple[str, ...], f: F) -> F:
    for name in reversed(names):
        f = ALL[name](f)
    return f


def order_of(names: tuple[str, ...]) -> int:
    return sum(name in DERIVATIVES for name in names)


@pytest.mark.parametrize("f", [wave, Closure()], ids=["plain", "closure"])
@pytest.mark.parametrize("names", [*itertools.product(ALL, repeat=2)], ids="-".join)
def test_two(names: tuple[str, ...], f: F) -> None:
    got = composed(names, f)(X)
    assert type(got) is np.ndarray
    np.testing.assert_allclose(got, elementwise(order_of(names)), rtol=1e-11)


# One of each kind, for three: modes that are made of others don't add paths.
KINDS = ["grad", "jvp", "jacfwd", "linearize", "vmap", "trace", "checkpoint",
         "custom_vjp", "custom_jvp"]  # fmt: skip


@pytest.mark.parametrize("names", [*itertools.product(KINDS, repeat=3)], ids="-".join)
def test_three(names: tuple[str, ...]) -> None:
    got = composed(names, wave)(X)
    np.testing.assert_allclose(got, elementwise(order_of(names)), rtol=1e-10)


# Coupled elements: the Jacobian isn't symmetric, so J and Jᵀ differ ------------------


M = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [0.5, 0.0, 1.0]])


def coupled(x: Any) -> Any:
    return (M @ x) ** 2


def jacobian_of_coupled(x: Any) -> Any:
    return 2 * (M @ x)[:, None] * M


TRANSPOSED = {"grad", "vjp", "jacrev"}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("outside", [True, False])
def test_coupled(derivative: str, wrapper: str, outside: bool) -> None:
    names = (wrapper, derivative) if outside else (derivative, wrapper)
    jac = jacobian_of_coupled(X)
    wanted = V @ jac if derivative in TRANSPOSED else jac @ V
    np.testing.assert_allclose(composed(names, coupled)(X), wanted, rtol=1e-12)


# Perturbation confusion --------------------------------------------------------------

SCALAR = {
    "grad": lambda g: wg.grad(g),
    "jvp": lambda g: lambda x: wg.jvp(g, (x,), (1.0,))[1],
    "jacfwd": lambda g: wg.jacfwd(g),
    "jacrev": lambda g: wg.jacrev(g),
    "linearize": lambda g: lambda x: wg.linearize(g, x)[1](1.0),
    "vmap": lambda g: lambda x: wg.vmap(wg.grad(g))(np.stack([x, x]))[0],
    "checkpoint": lambda g: wg.grad(wg.checkpoint(g)),
    "custom": lambda g: wg.grad(by_custom_jvp(g)),
    "trace": lambda g: lambda x: wg.trace(wg.grad(g), 1.0)(x),
}  # fmt: skip


# A rule of its own takes its values as arguments, so it can't stand inside.
INSIDE = [name for name in SCALAR if name != "custom"]


@pytest.mark.parametrize("names", [*itertools.product(SCALAR, INSIDE)], ids="-".join)
def test_siskind_and_pearlmutter(names: tuple[str, str]) -> None:
    """d/dx [x · d/dy (x + y)] = 1, not 2."""
    outer, inner = (SCALAR[name] for name in names)
    got = outer(lambda x: x * inner(lambda y: x + y)(np.float64(1.0)))(1.0)
    assert got == 1.0
    got = outer(lambda x: x * inner(lambda y: x * y * y)(x))(3.0)  # 2x³
    np.testing.assert_allclose(got, 54.0, rtol=1e-13)
