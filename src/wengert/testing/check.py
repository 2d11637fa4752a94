"""Derivatives against finite differences, and the two modes against each other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array, is_inexact
from wengert.transforms.forward import jvp
from wengert.transforms.reverse import vjp

# Steps are relative to 1; Richardson's extrapolation removes the h² term. The
# tolerance says how far a correct rule may be off on a smooth function of size one.
_STEP = {8: 1e-3, 4: 3e-2, 2: 0.2}
_TOLERANCE = {8: 1e-7, 4: 5e-3, 2: 0.1}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    *,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Raises AssertionError where a derivative of `f` at `args` is wrong.

    Forward mode is compared with central differences along random directions; reverse
    mode with forward mode by ⟨w, J v⟩ = ⟨Jᵀ w, v⟩ for dense, one-hot and constant `w`;
    then the same for the derivative, `order` times.

    Args:
        f: a function of arrays, or nested containers of arrays.
        args: the point; float or complex leaves, away from kinks.
        order: how many times to differentiate.
        modes: which of "fwd", "rev" to check.
        rtol: relative tolerance; by default from the dtype.
        atol: absolute tolerance; by default `rtol`.
        seed: of the random directions.

    Raises:
        AssertionError: where they differ.
        TypeMismatch: if `args` isn't a tuple or list of arguments.

    >>> check_grads(lambda x: np.sin(x) * x, (0.7,))
    """
    if not isinstance(args, tuple | list):
        raise TypeMismatch(
            explain(
                "check_grads takes the arguments of f as a tuple.",
                f"{type(args).__name__} {args!r:.60}",
                "check_grads(f, (x,)) for a function of one argument.",
            )
        )
    rng = np.random.default_rng(seed)
    leaves, spec = tree.flatten(tuple(args))
    values = [np.asarray(x) for x in leaves]

    def flat(*xs: Array) -> list[Array]:
        results, _ = tree.flatten(f(*tree.unflatten(spec, xs)))
        arrays = (r if isinstance(r, Tracer) else np.asarray(r)[()] for r in results)
        return [r for r in arrays if is_inexact(r.dtype)]

    size = min((x.dtype.type(0).real.dtype.itemsize for x in values), default=8)
    rtol = _TOLERANCE[min(size, 8)] if rtol is None else rtol
    atol = rtol if atol is None else atol
    _check(flat, values, order, tuple(modes), rtol, atol, rng)


def _check(
    f: Callable[..., list[Array]],
    xs: list[Array],
    order: int,
    modes: tuple[str, ...],
    rtol: float,
    atol: float,
    rng: np.random.Generator,
) -> None:
    vs = [direction(rng, x) for x in xs]
    numeric = differences(f, xs, vs)
    ys, dys = jvp(f, xs, vs)
    if "fwd" in modes:
        for d, n in zip(dys, numeric, strict=True):
            close(d, n, rtol, atol, f"order {order}: jvp against finite differences")
    if "rev" in modes:
        _, pullback = vjp(f, *xs)
        for kind in ("dense", "one-hot", "constant"):
            ws = [cotangent(rng, y, kind) for y in ys]
            pulled = pullback(ws)
            left = inner(ws, dys if "fwd" in modes else numeric)
            scale = sum(
                np.sum(np.abs(w) * np.abs(d)) for w, d in zip(ws, dys, strict=True)
            )
            close(
                inner(pulled, vs), left, rtol, atol + rtol * float(scale),
                f"order {order}: <J'w, v> against <w, Jv>, {kind} w",
            )  # fmt: skip
    if order > 1 and "rev" in modes:
        ws = [cotangent(rng, y, "dense") for y in ys]

        def pulled_by_w(*points: Array) -> list[Array]:
            return list(vjp(f, *points)[1](ws))

        _check(pulled_by_w, xs, order - 1, modes, 30 * rtol, 30 * atol, rng)
    if order > 1 and "fwd" in modes:

        def pushed_by_v(*points: Array) -> list[Array]:
            result: list[Array] = jvp(f, points, vs)[1]
            return result

        _check(pushed_by_v, xs, order - 1, modes, 30 * rtol, 30 * atol, rng)


def direction(rng: np.random.Generator, x: Array) -> Array:
    """A random tangent of the type of `x`."""
    v = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        v = v + 1j * rng.standard_normal(x.shape)
    return np.asarray(v).astype(x.dtype)


def cotangent(rng: np.random.Generator, y: Array, kind: str) -> Array:
    """A cotangent of the type of `y`: "dense", "one-hot", or "constant" (stride 0)."""
    if kind == "constant":
        return np.broadcast_to(y.dtype.type(0.7), y.shape)
    if kind == "dense" or not y.size:
        return direction(rng, y)
    w = np.zeros(y.shape, y.dtype)
    w.flat[rng.integers(y.size)] = 1.5
    return w


def inner(ws: Sequence[Array], ds: Sequence[Array]) -> float:
    """Σ Re(conj(w) d)."""
    return float(
        sum(np.sum(np.real(np.conj(w) * d)) for w, d in zip(ws, ds, strict=True))
    )


def differences(
    f: Callable[..., list[Array]], xs: Sequence[Array], vs: Sequence[Array]
) -> list[Array]:
    """Directional derivatives by central differences, extrapolated once."""
    size = min((x.dtype.type(0).real.dtype.itemsize for x in xs), default=8)
    h = _STEP[min(size, 8)]

    def central(step: float) -> list[Array]:
        up = f(*(x + x.dtype.type(step) * v for x, v in zip(xs, vs, strict=True)))
        down = f(*(x - x.dtype.type(step) * v for x, v in zip(xs, vs, strict=True)))
        return [(u - d) / (2 * step) for u, d in zip(up, down, strict=True)]

    wide, narrow = central(h), central(h / 2)
    return [n + (n - w) / 3 for w, n in zip(wide, narrow, strict=True)]


def close(got: Any, wanted: Any, rtol: float, atol: float, what: str) -> None:
    """Raises AssertionError with the worst element unless |got − wanted| is small."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        raise AssertionError(f"{what}: shape {got.shape} instead of {wanted.shape}")
    bad = ~np.isclose(got, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if bad.any():
        error = np.where(bad, np.abs(got - wanted), 0)
        at = np.unravel_index(np.argmax(error), error.shape)
        place = f" at {tuple(int(i) for i in at)}" if got.ndim else ""
        raise AssertionError(
            f"{what}: {got[at]} instead of {wanted[at]}{place} "
            f"({int(bad.sum())} of {bad.size} elements differ)"
        )
