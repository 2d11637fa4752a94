"""Scenarios as data: one row per use of an op, one runner for all checks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.types import Array, is_inexact
from wengert.graph.stage import trace
from wengert.testing.check import check_grads, close, cotangent, direction
from wengert.transforms.batch import vmap
from wengert.transforms.forward import jvp
from wengert.transforms.reverse import vjp


@dataclass(frozen=True)
class Scenario:
    """One function of plain NumPy and a point to check it at.

    Attributes:
        name: unique within its table; the test's id.
        f: the function, of arrays only; other arguments are closed over.
        args: the point: float or complex arrays, away from kinks.
        order: how many orders of derivative to check against finite differences.
        vmap: whether mapping over an axis in front applies.
        stage: whether a graph from shapes alone applies (no data-dependent shapes).
        float32: whether to repeat with float32 (complex64) arguments.
        rtol: relative tolerance of the finite differences, if the default won't do.
    """

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    order: int = 2
    vmap: bool = True
    stage: bool = True
    float32: bool = True
    rtol: float | None = None


def check_scenario(s: Scenario) -> None:
    """Runs every check on one scenario; AssertionError says which failed."""
    _value(s)
    check_grads(s.f, s.args, s.order, rtol=s.rtol)
    _each_argument(s)
    _layouts(s)
    if s.stage:
        _staged(s)
    if s.vmap:
        _mapped(s)
    if s.float32:
        _float32(s)


def _outputs(y: Any) -> list[Array]:
    return [np.asarray(leaf) for leaf in tree.flatten(y)[0]]


def _same(got: Any, wanted: Any, what: str, rtol: float = 1e-12) -> None:
    gots, wanteds = _outputs(got), _outputs(wanted)
    assert len(gots) == len(wanteds), f"{what}: {len(gots)} results, not {len(wanteds)}"
    for g, w in zip(gots, wanteds, strict=True):
        assert g.dtype == w.dtype, f"{what}: dtype {g.dtype} instead of {w.dtype}"
        scale = float(np.max(np.abs(w), initial=0.0)) if np.isfinite(w).all() else 1.0
        close(g, w, rtol, rtol * max(1.0, scale), what)


def _value(s: Scenario) -> None:
    """Traced values equal NumPy's, dtype included, and arguments stay as they were."""
    before = [np.array(x) for x in s.args]
    wanted = s.f(*s.args)
    y, pullback = vjp(s.f, *s.args)
    _same(y, wanted, "value under vjp")
    pullback(tree.map(lambda leaf: np.ones_like(leaf), y))
    _same(jvp(s.f, s.args, [np.zeros_like(x) for x in s.args])[0], wanted, "value, jvp")
    for x, b in zip(s.args, before, strict=True):
        assert np.array_equal(x, b, equal_nan=True), "an argument was changed"


def _weights(s: Scenario) -> list[Array]:
    rng = np.random.default_rng(1)
    return [cotangent(rng, y, "dense") for y in _outputs(s.f(*s.args))]


def _pull(s: Scenario, ws: list[Array]) -> Callable[..., Any]:
    """args ↦ Jᵀw, as a function to transform further."""

    def pulled(*args: Any) -> Any:
        y, pullback = vjp(s.f, *args)
        leaves, spec = tree.flatten(y)
        cts = [w if is_inexact(x.dtype) else x for w, x in zip(ws, leaves, strict=True)]
        return pullback(tree.unflatten(spec, cts))

    return pulled


def _each_argument(s: Scenario) -> None:
    """Differentiating by one argument alone gives the same as by all."""
    ws = _weights(s)
    together = _pull(s, ws)(*s.args)
    for i in range(len(s.args)):

        def only(x: Any, i: int = i) -> Any:
            return s.f(*s.args[:i], x, *s.args[i + 1 :])

        alone = _pull(Scenario(s.name, only, (s.args[i],)), ws)(s.args[i])
        _same(alone[0], together[i], f"gradient by argument {i} alone")


def _layouts(s: Scenario) -> None:
    """Strided, reversed and read-only arguments give the same derivatives."""
    ws = _weights(s)
    wanted = _pull(s, ws)(*s.args)
    for name, change in (("strided", _strided), ("reversed", _reversed)):
        args = [change(np.asarray(x)) for x in s.args]
        _same(s.f(*args), vjp(s.f, *args)[0], f"value, {name}", 1e-10)
        _same(_pull(s, ws)(*args), wanted, f"gradient, {name}", 1e-10)


def _strided(x: Array) -> Array:
    wide = np.repeat(x, 2, axis=-1) if x.ndim else x.copy()
    view = wide[..., ::2] if x.ndim else wide
    view.flags.writeable = False
    return view


def _reversed(x: Array) -> Array:
    backward = tuple(slice(None, None, -1) for _ in x.shape)
    return np.asfortranarray(x[backward])[backward] if x.ndim else x.copy()


def _staged(s: Scenario) -> None:
    """A graph from shapes alone gives the same values and derivatives."""
    graph = trace(s.f, *s.args)
    graph.check()
    assert str(graph)
    _same(graph(*s.args), s.f(*s.args), "staged value")
    pulled = _pull(s, _weights(s))
    graph = trace(pulled, *s.args)
    graph.check()
    _same(graph(*s.args), pulled(*s.args), "staged gradient", 1e-11)
    vs = [direction(np.random.default_rng(2), np.asarray(x)) for x in s.args]

    def push(*args: Any) -> Any:
        return jvp(s.f, args, vs)[1]

    _same(trace(push, *s.args)(*s.args), push(*s.args), "staged tangent", 1e-11)


def _mapped(s: Scenario) -> None:
    """vmap equals a loop, over all arguments and over each alone, derivatives too."""
    rng = np.random.default_rng(3)
    stacks = [
        np.stack(
            [np.asarray(x) + 1e-3 * k * direction(rng, np.asarray(x)) for k in range(3)]
        )
        for x in s.args
    ]
    pulled = _pull(s, _weights(s))
    choices = [tuple(range(len(s.args)))]
    if len(s.args) > 1:
        choices += [(i,) for i in range(len(s.args))]
    for which in choices:
        axes = tuple(0 if i in which else None for i in range(len(s.args)))
        pairs = enumerate(zip(stacks, s.args, strict=True))
        mixed = [t if i in which else x for i, (t, x) in pairs]

        def item(k: int, args: Any = mixed, which: Any = which) -> list[Any]:
            return [a[k] if i in which else a for i, a in enumerate(args)]

        for f, what in ((s.f, "value"), (pulled, "gradient")):
            got = _outputs(vmap(f, in_axes=axes)(*mixed))
            loop = [_outputs(f(*item(k))) for k in range(3)]
            wanted = [np.stack(column) for column in zip(*loop, strict=True)]
            _same(got, wanted, f"vmap over {which}: {what}", 1e-10)


def _float32(s: Scenario) -> None:
    """float32 arguments keep NumPy's result dtype and give nearly the same gradient."""
    small = {"f": np.float32, "c": np.complex64}
    args: list[Array] = [
        np.asarray(x).astype(small[np.asarray(x).dtype.kind])[()] for x in s.args
    ]
    y, pullback = vjp(s.f, *args)
    for got, plain in zip(_outputs(y), _outputs(s.f(*args)), strict=True):
        assert got.dtype == plain.dtype, f"float32: {got.dtype}, not {plain.dtype}"
    ws = _weights(s)
    leaves, spec = tree.flatten(y)
    cts = [np.asarray(w).astype(x.dtype) for w, x in zip(ws, leaves, strict=True)]
    for g, w, x in zip(
        pullback(tree.unflatten(spec, cts)), _pull(s, ws)(*s.args), args, strict=True
    ):
        assert g.dtype == x.dtype, f"float32: gradient of dtype {g.dtype}"
        scale = float(np.max(np.abs(w), initial=1.0))
        close(g, w, 1e-2, 1e-2 * scale, "float32 gradient")
