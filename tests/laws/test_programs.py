"""Random programs: eager, reverse, forward, staged, mapped and numeric agree.

Hypothesis grows programs from a small grammar: each is a list of steps on a pool of
arrays, run by one interpreter below on plain NumPy and under every transform. A few
hundred per run; `WENGERT_PROGRAMS=10000 pytest tests/laws` for a long one.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.testing.check import differences, inner

COUNT = int(os.environ.get("WENGERT_PROGRAMS", "200"))
few = settings(
    max_examples=COUNT,
    derandomize="WENGERT_PROGRAMS" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# Smooth and of moderate size everywhere, so that finite differences are to be trusted.
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "exp of minus square": lambda x: np.exp(-x * x),
    "log of one plus square": lambda x: np.log1p(x * x),
    "root": lambda x: np.sqrt(x * x + 1.0),
    "reciprocal": lambda x: 1.0 / (2.0 + np.cos(x)),
    "negative": lambda x: -x,
    "half": lambda x: 0.5 * x,
    "cube": lambda x: 0.1 * x**3 / (1.0 + x**2),
    "exp": lambda x: np.exp(np.sin(x)),
    "arcsinh": np.arcsinh,
    "logaddexp": lambda x: np.logaddexp(x, 0.3),
    "hypot": lambda x: np.hypot(x, 1.0),
    "real of complex": lambda x: np.real(np.exp(1j * x) * (1.0 + 2.0j)),
    "abs of complex": lambda x: np.abs(x + 1.5j),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * np.tanh(b),
    "divide": lambda a, b: a / (1.5 + b * b),
    "arctan2": lambda a, b: np.arctan2(a, 2.0 + b * b),
    "power": lambda a, b: (1.2 + np.tanh(a)) ** np.tanh(b),
    "hypot": lambda a, b: np.hypot(a, 1.0 + b * b),
    "matmul": lambda a, b: a @ np.swapaxes(b, -1, -2) if _multiplies(a, b) else a - b,
}
REDUCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "prod of bounded": lambda x, axis, keepdims: np.prod(
        1.0 + 0.3 * np.tanh(x), axis=axis, keepdims=keepdims
    ),
    "var": np.var,
    "sum of squares": lambda x, axis, keepdims: np.sum(
        np.square(x), axis=axis, keepdims=keepdims
    ),
}
LAYOUT: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: x.T,
    "ravel": np.ravel,
    "new axis": lambda x: x[..., None],
    "front axis": lambda x: np.expand_dims(x, 0),
    "flip": lambda x: np.flip(x),
    "roll": lambda x: np.roll(x, 1),
    "squeeze": np.squeeze,
    "reshape": lambda x: np.reshape(x, (-1, *x.shape[:0:-1])) if x.size else x,
    "broadcast": lambda x: np.broadcast_to(x, (2, *x.shape)) if x.ndim < 3 else x,
    "stack": lambda x: np.stack([x, 2.0 * x], axis=-1) if x.ndim < 3 else x,
    "concatenate": lambda x: np.concatenate([x, np.sin(x)]) if x.ndim else x,
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(complex).real,
}


def _multiplies(a: Any, b: Any) -> bool:
    return np.ndim(a) == np.ndim(b) == 2 and np.shape(a)[1] == np.shape(b)[1]


def _agree(a: Any, b: Any) -> bool:
    try:
        return np.prod(np.broadcast_shapes(np.shape(a), np.shape(b))) <= 64
    except ValueError:
        return False


@dataclass(frozen=True)
class Step:
    """What, on which arrays of the pool, and a number that decides details."""

    kind: str
    name: str
    a: int
    b: int
    k: int


TABLES: dict[str, list[str]] = {
    "unary": list(UNARY),
    "binary": list(BINARY),
    "reduce": list(REDUCE),
    "layout": list(LAYOUT),
    "index": ["first", "last", "slice", "step", "reversed", "list", "repeated", "mask",
              "pair", "element"],
    "where": ["by value", "by place", "maximum"],
    "write": ["element", "slice", "add", "scale", "list", "whole", "through a view",
              "through two views", "out"],
    "branch": ["on a value", "on a shape"],
    "loop": ["repeat", "scan", "until"],
}  # fmt: skip

steps = st.builds(
    lambda kind, i, a, b, k: Step(kind, TABLES[kind][i % len(TABLES[kind])], a, b, k),
    st.sampled_from(list(TABLES)),
    st.integers(0, 99),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
)
SHAPES = [(), (1,), (3,), (4,), (2, 3), (3, 1), (1, 3), (2, 1, 3), (3, 3)]
programs = st.lists(steps, min_size=2, max_size=9).map(tuple)
points = st.tuples(
    st.sampled_from(SHAPES), st.sampled_from(SHAPES), st.integers(0, 2**31)
)
Program = tuple[Step, ...]


def run(program: Program, args: tuple[Any, ...]) -> Any:
    """The program on arrays or traced values: plain NumPy, as a user writes it."""
    pool: list[Any] = [x * 1.0 for x in args]
    for step in program:
        a, b = pool[step.a % len(pool)], pool[step.b % len(pool)]
        made = STEPS[step.kind](step, a, b)
        if made is not None and np.size(made) <= 64 and np.ndim(made) <= 4:
            pool.append(made)
    # All of the pool matters, the newest most; the result is an array, not a sum.
    tail = pool[-1]
    for weight, x in enumerate(pool):
        tail = tail + (0.1 + 0.05 * weight) * np.mean(x) if np.size(x) else tail
    return tail


def unary(step: Step, a: Any, b: Any) -> Any:
    return UNARY[step.name](a)


def binary(step: Step, a: Any, b: Any) -> Any:
    return BINARY[step.name](a, b) if _agree(a, b) else None


def reduce(step: Step, a: Any, b: Any) -> Any:
    axis = None if step.k == 0 else step.k % a.ndim if a.ndim else None
    axis = (0, -1) if step.k == 9 and a.ndim > 1 else axis
    return REDUCE[step.name](a, axis=axis, keepdims=step.k % 2 == 1)


def layout(step: Step, a: Any, b: Any) -> Any:
    return LAYOUT[step.name](a)


def index(step: Step, a: Any, b: Any) -> Any:
    if not a.ndim:
        return None
    n = a.shape[0]
    key: Any = {
        "first": 0,
        "last": -1,
        "slice": slice(step.k % n, None),
        "step": (Ellipsis, slice(None, None, 2)),
        "reversed": (Ellipsis, slice(None, None, -1)),
        "list": [step.k % n, 0],
        "repeated": np.array([[0, -1], [0, 0]]),
        "mask": np.arange(n) % 2 == 0,
        "pair": (np.array([0, -1]),) * min(a.ndim, 2),
        "element": (step.k % n,) + (0,) * (a.ndim - 1),
    }[step.name]
    return a[key]


def where(step: Step, a: Any, b: Any) -> Any:
    if not _agree(a, b):
        return None
    if step.name == "by value":
        # Infinite slope at 0 in the branch not taken: it must not be seen.
        return np.where(a > 0.0, np.sqrt(np.where(a > 0.0, a, 1.0) + 1.0), b * 0.5)
    if step.name == "maximum":
        return np.maximum(a, b + 0.01)
    places = np.arange(a.size).reshape(a.shape) % 2 == 0
    return np.where(places, a, np.sin(b))


def write(step: Step, a: Any, b: Any) -> Any:
    if not a.ndim:
        return None
    n, value = a.shape[0], np.mean(b)
    # Traced if either is: a plain array can't take a traced value, and says so.
    y = a * 1.0 + 0.0 * value
    if step.name == "element":
        y[step.k % n] = value * y[0]
    elif step.name == "slice":
        y[: 1 + step.k % n] = np.sin(y[: 1 + step.k % n]) + value
    elif step.name == "add":
        before = np.sum(y)
        y += value
        y[0] += before
    elif step.name == "scale":
        y *= y[::-1]
        y[-1] /= 2.0 + value * value
    elif step.name == "list":
        y[[0, step.k % n]] = y[[-1, 0]] * value
    elif step.name == "whole":
        old = y[0] * 1.0
        y[...] = np.cos(y) * value
        y[0] -= old
    elif step.name == "through a view":
        view = y[::-1]
        view[0] = value
        view *= 2.0
    elif step.name == "through two views":
        flat = y.reshape(-1)
        tail = flat[flat.size // 2 :]
        tail += value
        y[0] *= 0.5
        return y + flat[-1] + tail[0]
    else:
        np.multiply(y, value, out=y)
    return y


def branch(step: Step, a: Any, b: Any) -> Any:
    if step.name == "on a shape":
        return a * 2.0 if a.ndim > 1 else np.sin(a)
    if np.sum(a) > 0.123 * step.k:
        return a * np.mean(b)
    return np.cos(a)


def loop(step: Step, a: Any, b: Any) -> Any:
    if step.name == "repeat":
        y = a
        for _ in range(step.k):
            y = np.sin(y) + 0.1 * a
        return y
    if step.name == "scan":
        rows, total = [], 0.0
        for row in a if a.ndim else [a]:
            total = np.tanh(total + row)
            rows.append(total)
        return np.stack(rows)
    y, count = a, 0
    while np.sum(np.square(y)) > 0.5 and count < 5:
        y, count = y * 0.6, count + 1
    return y


STEPS: dict[str, Callable[[Step, Any, Any], Any]] = {
    "unary": unary,
    "binary": binary,
    "reduce": reduce,
    "layout": layout,
    "index": index,
    "where": where,
    "write": write,
    "branch": branch,
    "loop": loop,
}


# The laws -----------------------------------------------------------------------------


def has_branches(program: Program) -> bool:
    return any(s.name in ("on a value", "until") for s in program)


def setting(program: Program, point: Any) -> tuple[Any, list[Any], list[Any], Any]:
    """(f, args, directions, random numbers) of one case."""
    first, second, seed = point
    rng = np.random.default_rng(seed)
    args = [rng.uniform(-1.5, 1.5, shape)[()] for shape in (first, second)]
    directions = [rng.standard_normal(shape)[()] for shape in (first, second)]

    def f(*xs: Any) -> Any:
        return run(program, xs)

    return f, args, directions, rng


def close(got: Any, wanted: Any, rtol: float = 1e-10) -> None:
    scale = float(np.max(np.abs(wanted), initial=1.0))
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * scale)


@few
@given(programs, points)
def test_values_are_numpys(program: Program, point: Any) -> None:
    """To the last bit, type and shape included; and no argument is changed."""
    f, args, vs, _ = setting(program, point)
    before = [np.array(x) for x in args]
    wanted = f(*args)
    for got in (wg.vjp(f, *args)[0], wg.jvp(f, args, vs)[0]):
        assert np.shape(got) == np.shape(wanted)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    for x, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(x, b)


@few
@given(programs, points)
def test_reverse_is_the_transpose_of_forward(program: Program, point: Any) -> None:
    """⟨w, Jv⟩ = ⟨Jᵀw, v⟩ for dense, one-hot and stride-0 w."""
    f, args, vs, rng = setting(program, point)
    y, dy = wg.jvp(f, args, vs)
    _, pullback = wg.vjp(f, *args)
    one_hot = np.zeros(y.shape)
    if y.size:
        one_hot.flat[rng.integers(y.size)] = 1.0
    for w in (rng.standard_normal(y.shape), one_hot, np.broadcast_to(0.7, y.shape)):
        cts = pullback(np.asarray(w, y.dtype)[()] if not y.shape else w)
        for ct, x in zip(cts, args, strict=True):
            assert np.shape(ct) == np.shape(x)
        close(inner(cts, vs), inner([w], [dy]), 1e-9)


@few
@given(programs, points)
def test_forward_is_the_slope(program: Program, point: Any) -> None:
    """Against finite differences, where these have converged: not across a kink."""
    f, args, vs, _ = setting(program, point)
    _, dy = wg.jvp(f, args, vs)
    wide, narrow = (
        np.asarray(differences(lambda *xs: [f(*xs)], args, [h * v for v in vs])[0]) / h
        for h in (0.25, 0.0625)
    )
    smooth = np.abs(wide - narrow) <= 1e-7 * (1.0 + np.abs(narrow))
    off = np.where(smooth, np.abs(dy - narrow), 0.0)
    assert np.all(off <= 1e-6 * (1.0 + np.abs(narrow))), (dy, narrow)


@few
@given(programs, points)
def test_staged_is_eager(program: Program, point: Any) -> None:
    """The graph of f, and of its pullback and its pushforward, on other values too."""
    f, args, vs, rng = setting(program, point)
    follow = has_branches(program)
    y = f(*args)
    w = np.asarray(rng.standard_normal(y.shape))[()]

    def pulled(*xs: Any) -> Any:
        return wg.vjp(f, *xs)[1](w)

    def pushed(*xs: Any) -> Any:
        return wg.jvp(f, xs, vs)[1]

    others = [args] if follow else [args, [np.asarray(-0.7 * x)[()] for x in args]]
    for g in (f, pulled, pushed):
        graph = wg.trace(g, *args, values=follow)
        graph.check()
        assert str(graph)
        for point_ in others:
            got, wanted = graph(*point_), g(*point_)
            for a, b in zip(*map(_leaves, (got, wanted)), strict=True):
                assert np.asarray(a).dtype == np.asarray(b).dtype
                close(a, b, 1e-11)


def _leaves(y: Any) -> list[Any]:
    return list(y) if isinstance(y, tuple) else [y]


@few
@given(programs.filter(lambda p: not has_branches(p)), points)
def test_mapped_is_a_loop(program: Program, point: Any) -> None:
    """vmap over all arguments, over one, and of the gradient."""
    f, args, vs, _ = setting(program, point)
    items = 3
    stacks = [np.stack([x + 0.1 * k * v for k in range(items)])
              for x, v in zip(args, vs, strict=True)]  # fmt: skip

    def total(*xs: Any) -> Any:
        return np.sum(np.sin(f(*xs)))

    both = wg.grad(total, (0, 1))
    for axes in ((0, 0), (0, None), (None, 0)):
        mixed = [s if axis == 0 else x
                 for s, x, axis in zip(stacks, args, axes, strict=True)]  # fmt: skip

        def item(k: int, mixed: Any = mixed, axes: Any = axes) -> list[Any]:
            return [
                m[k] if axis == 0 else m for m, axis in zip(mixed, axes, strict=True)
            ]

        close(
            wg.vmap(f, in_axes=axes)(*mixed),
            np.stack([f(*item(k)) for k in range(items)]),
        )
        got = wg.vmap(both, in_axes=axes)(*mixed)
        rows = [both(*item(k)) for k in range(items)]
        for g, column in zip(got, zip(*rows, strict=True), strict=True):
            close(g, np.stack(column), 1e-9)
    last = [np.moveaxis(s, 0, -1) for s in stacks]
    close(
        wg.vmap(f, in_axes=-1, out_axes=-1)(*last),
        np.stack([f(*(s[k] for s in stacks)) for k in range(items)], axis=-1),
    )


@few
@given(programs, points)
def test_second_derivatives(program: Program, point: Any) -> None:
    """uᵀHv is symmetric, and the same by all four mode mixes."""
    f, args, vs, rng = setting(program, point)
    us = [np.asarray(rng.standard_normal(np.shape(x)))[()] for x in args]

    def total(*xs: Any) -> Any:
        return np.sum(np.sin(f(*xs)))

    slopes = wg.grad(total, (0, 1))

    def along(ds: list[Any]) -> Callable[..., Any]:
        return lambda *xs: wg.jvp(total, xs, ds)[1]

    reverse_reverse = wg.grad(
        lambda *xs: sum(np.sum(g * v) for g, v in zip(slopes(*xs), vs, strict=True)),
        (0, 1),
    )(*args)
    forward_reverse = wg.jvp(slopes, args, vs)[1]
    reverse_forward = wg.grad(along(vs), (0, 1))(*args)
    for hv in (forward_reverse, reverse_forward):
        for a, b in zip(hv, reverse_reverse, strict=True):
            close(a, b, 1e-8)
    forward_forward = wg.jvp(along(vs), args, us)[1]
    close(inner(us, reverse_reverse), forward_forward, 1e-8)
    hu = wg.jvp(slopes, args, us)[1]
    close(inner(vs, hu), inner(us, forward_reverse), 1e-8)


@few
@given(programs, points)
def test_calling_again_gives_the_same(program: Program, point: Any) -> None:
    """No state is left behind: not in f, not in the pullback, not in the graph."""
    f, args, _, rng = setting(program, point)
    y, pullback = wg.vjp(f, *args)
    w = np.asarray(rng.standard_normal(y.shape))[()]
    first = pullback(w)
    for again in (pullback(w), wg.vjp(f, *args)[1](w)):
        for a, b in zip(again, first, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_grammar_reaches_every_step() -> None:
    """Each row of each table runs on NumPy and gives an array, on some shape."""
    dead = []
    for kind, names in TABLES.items():
        for name in names:
            made = []
            for shape in SHAPES:
                x = np.linspace(-1.0, 1.3, int(np.prod(shape))).reshape(shape)
                got = STEPS[kind](Step(kind, name, 0, 1, 3), x, x + 0.5)
                made.append(got is not None)
            if not any(made):
                dead.append((kind, name))
    assert not dead


def test_slopes_are_mostly_compared() -> None:
    """The points left out for a kink nearby are few, so the law isn't blind."""
    f, args, vs, _ = setting((Step("unary", "sin", 0, 0, 0),), ((3, 3), (), 1))
    wide, narrow = (
        differences(lambda *xs: [f(*xs)], args, [h * v for v in vs])[0] / h
        for h in (0.25, 0.0625)
    )
    assert np.all(np.abs(wide - narrow) <= 1e-7 * (1.0 + np.abs(narrow)))
    wrong = wg.jvp(f, args, vs)[1] * 1.001
    assert np.any(np.abs(wrong - narrow) > 1e-6 * (1.0 + np.abs(narrow)))
