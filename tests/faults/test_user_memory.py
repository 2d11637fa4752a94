"""Arrays that belong to the user: changed at any moment, they change no derivative."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

SIZES = [5, 4001]  # below and above the size up to which constants are simply copied
X = np.array([0.5, -1.5, 2.0, 3.0])


def leaves(tree: Any) -> list[np.ndarray]:
    """The arrays in nested tuples, lists and dicts."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, tuple | list):
        return [x for item in tree for x in leaves(item)]
    return [tree] if isinstance(tree, np.ndarray) else []


# Captured arrays, written between their use and the backward pass --------------------

# How `x` and the captured array `a` meet; in each, the rule needs `a` by value.
USES: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda x, a: x * a,
    "reflected": lambda x, a: a * x,
    "quotient": lambda x, a: x / a,
    "divisor": lambda x, a: a / x,
    "power": lambda x, a: x**a,
    "where": lambda x, a: np.where(a > 1.5, x * 3.0, x),
    "maximum": lambda x, a: np.maximum(x, a),
    "hypot": np.hypot,
    "arctan2": np.arctan2,
    "copysign": np.copysign,
}


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.uniform(1.0, 2.0, n), rng.uniform(1.0, 2.0, n)


def wanted_for(use: Callable[[Any, Any], Any], x: np.ndarray, a: np.ndarray) -> Any:
    kept = a.copy()
    return wg.grad(lambda t: np.sum(use(t, kept)))(x)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_captured_array_written_inside_f_after_use(use: Any, n: int) -> None:
    x, a = data(n)
    wanted = wanted_for(use, x, a)

    def f(t: Any) -> Any:
        y = np.sum(use(t, a))
        a[:] = -7.0
        return y

    np.testing.assert_array_equal(wg.grad(f)(x), wanted)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_captured_array_written_between_vjp_and_pullback(use: Any, n: int) -> None:
    x, a = data(n)
    wanted = wanted_for(use, x, a)
    y, pullback = wg.vjp(lambda t: use(t, a), x)
    a[:] = -7.0
    (first,) = pullback(np.ones_like(y))
    a[:] = 11.0
    (second,) = pullback(np.ones_like(y))
    np.testing.assert_array_equal(first, wanted)
    np.testing.assert_array_equal(second, wanted)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    "through", ["view", "base", "reversed view", "thread", "buffer"]
)
def test_captured_array_written_through_something_else(through: str, n: int) -> None:
    x, values = data(n)
    base = np.repeat(values, 2)
    a = base[::2] if through == "base" else values.copy()
    wanted = 2 * x * values

    def change() -> None:
        if through == "base":
            base[:] = -7.0
        elif through == "buffer":
            memoryview(a)[0] = -7.0
        elif through == "reversed view":
            a[::-1][:] = -7.0
        else:
            a[1:][...] = -7.0

    def f(t: Any) -> Any:
        y = np.sum(t * t * a)
        if through == "thread":
            worker = threading.Thread(target=change)
            worker.start()
            worker.join()
        else:
            change()
        return y

    np.testing.assert_allclose(wg.grad(f)(x), wanted, rtol=1e-15)


@pytest.mark.parametrize("n", SIZES)
def test_captured_array_that_changes_between_two_uses(n: int) -> None:
    x, a = data(n)
    first, second = a.copy(), a + 1.0

    def f(t: Any) -> Any:
        y = np.sum(t * a)
        a[:] += 1.0
        z = np.sum(t * t * a)
        a[:] = 0.0
        return y + z

    np.testing.assert_allclose(wg.grad(f)(x), first + 2 * x * second, rtol=1e-15)


def test_a_zero_that_changes_its_sign_between_two_uses() -> None:
    # -0.0 == 0.0: comparing values doesn't see this write, comparing bytes does.
    a = np.zeros(2000)[::2]

    def f(t: Any) -> Any:
        y = np.sum(np.copysign(t, a))
        a[:] = -0.0
        return y + 2.0 * np.sum(np.copysign(t, a))

    np.testing.assert_array_equal(wg.grad(f)(np.ones(1000)), np.full(1000, 1.0 - 2.0))


@pytest.mark.parametrize("n", SIZES)
def test_a_mask_made_inside_f_and_written_after_use(n: int) -> None:
    x = np.linspace(-1.0, 1.0, n)

    def f(t: Any) -> Any:
        mask = t > 0
        y = np.sum(np.where(mask, t * t, 0.0))
        mask[:] = False
        return y

    np.testing.assert_array_equal(wg.grad(f)(x), np.where(x > 0, 2 * x, 0.0))


@pytest.mark.parametrize("n", SIZES)
def test_an_index_array_written_after_use(n: int) -> None:
    x = np.linspace(-1.0, 1.0, n)
    index = np.arange(n)

    def f(t: Any) -> Any:
        y = np.sum(t[index] * np.arange(n))
        index[:] = 0
        return y

    np.testing.assert_array_equal(wg.grad(f)(x), np.arange(n, dtype=float))


def test_a_list_of_captured_numbers_written_after_use() -> None:
    a = [1.0, 2.0, 3.0, 4.0]

    def f(t: Any) -> Any:
        y = np.sum(np.multiply(t, a))
        a[0] = 99.0
        return y

    np.testing.assert_array_equal(wg.grad(f)(X), [1.0, 2.0, 3.0, 4.0])


def test_an_array_made_traced_by_like_is_a_copy() -> None:
    a = np.ones(4)

    def f(t: Any) -> Any:
        made = wnp.asarray(a, like=t)
        y = np.sum(t * made)
        a[:] = 100.0
        return y

    np.testing.assert_array_equal(wg.grad(f)(X), np.ones(4))


# Arguments, tangents and cotangents ---------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_argument_written_inside_f(n: int) -> None:
    x, _ = data(n)
    before = x.copy()

    def f(t: Any) -> Any:
        y = np.sum(t * t * t)
        x[:] = 0.0
        return y

    np.testing.assert_allclose(wg.grad(f)(x), 3 * before**2, rtol=1e-15)


@pytest.mark.parametrize("n", SIZES)
def test_argument_written_between_vjp_and_pullback(n: int) -> None:
    x, _ = data(n)
    before = x.copy()
    _, pullback = wg.vjp(lambda t: np.sum(t * t), x)
    x[:] = np.nan
    np.testing.assert_array_equal(pullback(1.0)[0], 2 * before)


def test_result_written_between_vjp_and_pullback() -> None:
    y, pullback = wg.vjp(np.exp, X)
    y[:] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(4))[0], np.exp(X))


def test_tangent_written_inside_f() -> None:
    v = np.ones(4)

    def f(t: Any) -> Any:
        y = t + 0.0
        v[:] = 9.0
        return y * 1.0

    np.testing.assert_array_equal(wg.jvp(f, (X,), (v,))[1], np.ones(4))


def test_mapped_argument_written_inside_f() -> None:
    x = np.arange(6.0).reshape(2, 3)

    def f(t: Any) -> Any:
        x[:] = -1.0
        return t * 2.0

    np.testing.assert_array_equal(wg.vmap(f)(x), [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]])


def test_arguments_are_never_written_by_f_through_its_tracer() -> None:
    x = X.copy()

    def f(t: Any) -> Any:
        t[0] = 100.0
        t *= 2.0
        return np.sum(t)

    wg.grad(f)(x)
    wg.vjp(f, x)[1](1.0)
    wg.jvp(f, (x,), (np.ones(4),))
    wg.vmap(f)(np.stack([x, x]))
    wg.trace(f, x)(x)
    np.testing.assert_array_equal(x, X)


def test_graph_constants_and_examples_are_copies() -> None:
    a, x = np.arange(4.0), X.copy()
    graph = wg.trace(lambda t: t * a, x)
    a[:] = 0.0
    x[:] = 0.0
    np.testing.assert_array_equal(graph(X), X * np.arange(4.0))


# Traced values are handles: the same, one level up ------------------------------------


def same_as_plain(f: Callable[[Any], Any]) -> None:
    """The value of `f` under every transform is its value."""
    wanted = f(X.copy())
    np.testing.assert_allclose(wg.vjp(f, X)[0], wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.jvp(f, (X,), (X,))[0], wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(f)(X[None])[0], wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.trace(f, X)(X), wanted, rtol=1e-14)


def test_nested_result_written_between_vjp_and_pullback() -> None:
    def f(a: Any) -> Any:
        y, pullback = wg.vjp(np.exp, a)
        y *= 2.0
        return np.sum(pullback(np.ones(4))[0])

    same_as_plain(f)
    np.testing.assert_allclose(wg.grad(f)(X), np.exp(X), rtol=1e-14)


def test_nested_captured_tracer_written_after_use() -> None:
    def f(a: Any) -> Any:
        b = a * 1.0

        def inner(u: Any) -> Any:
            y = np.sum(u * u * b)
            b[...] = 0.0
            return y

        return np.sum(wg.grad(inner)(np.ones(4)))

    same_as_plain(f)
    np.testing.assert_allclose(wg.grad(f)(X), np.full(4, 2.0), rtol=1e-14)


def test_nested_argument_written_through_the_outer_tracer() -> None:
    def f(a: Any) -> Any:
        b = a * 1.0

        def inner(u: Any) -> Any:
            b[...] = 0.0
            return np.sum(u * u * u)

        return np.sum(wg.grad(inner)(b))

    same_as_plain(f)
    np.testing.assert_allclose(wg.grad(f)(X), 6 * X, rtol=1e-14)


def test_nested_results_are_not_the_arguments() -> None:
    def f(a: Any) -> Any:
        b = a * 1.0
        y, pullback = wg.vjp(lambda t: t, b)
        y[0] = 100.0
        ct = a * 3.0
        (pulled,) = pullback(ct)
        pulled[1] = 200.0
        z, dz = wg.jvp(lambda t: t, (b,), (ct,))
        z[2], dz[3] = 300.0, 400.0
        w = wg.vmap(lambda t: t)(b)
        w[0] = 500.0
        g = wg.trace(lambda t: t, X)(b)
        g[1] = 600.0
        return np.sum(b * ct)

    same_as_plain(f)
    np.testing.assert_allclose(wg.grad(f)(X), 6 * X, rtol=1e-14)


def test_nested_graph_keeps_the_value_that_it_captured() -> None:
    def f(a: Any) -> Any:
        b = a * 1.0
        graph = wg.trace(lambda t: t * b, X)
        b[...] = 0.0
        return np.sum(graph(np.ones(4)))

    assert f(X.copy()) == X.sum()
    np.testing.assert_allclose(wg.grad(f)(X), np.ones(4), rtol=1e-14)


# What comes back shares memory with nothing ------------------------------------------

CAPTURED = np.arange(4.0)
M = np.arange(12.0).reshape(3, 4)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "twice": lambda x: (x, x),
    "dict": lambda x: {"a": x, "b": x[:2], "c": [x]},
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(-1),
    "ravel": np.ravel,
    "strided": lambda x: x[::2],
    "reversed": lambda x: x[::-1],
    "row": lambda x: x[0],
    "new axis": lambda x: x[None],
    "ellipsis": lambda x: x[...],
    "flip": np.flip,
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "squeeze": lambda x: np.squeeze(x[None]),
    "broadcast": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "broadcast pair": lambda x: tuple(np.broadcast_arrays(x, x[..., :1])),
    "plus zero": lambda x: x + 0,
    "times one": lambda x: x * 1.0,
    "positive": lambda x: +x,
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(float),
    "sum of axis": lambda x: np.sum(x, axis=-1),
    "nothing summed": lambda x: np.sum(x, axis=()),
    "exp": np.exp,
    "where": lambda x: np.where(x > 1.0, x, 0.0),
    "real": lambda x: x.real,
    "real part": lambda x: (x * 1j).real,
    "written": lambda x: write(x),
    "view of written": lambda x: write(x)[1:],
    "concatenate": lambda x: np.concatenate([x]),
    "stack": lambda x: np.stack([x, x]),
    "constant": lambda x: (x, CAPTURED),
    "constant twice": lambda x: (CAPTURED, CAPTURED, x * 1.0),
    "constant view": lambda x: (CAPTURED[1:], x),
    "constant only": lambda x: CAPTURED,
    "add broadcast": lambda x: x + x[:1],
    "atleast": np.atleast_2d,
}


def write(x: Any) -> Any:
    y = x * 1.0
    y[0] = 5.0
    return y


def assert_apart(returned: list[np.ndarray], others: list[np.ndarray]) -> None:
    for i, y in enumerate(returned):
        assert type(y) is np.ndarray
        assert y.flags.writeable, "a returned array can be written into"
        for other in returned[:i] + others:
            assert not np.shares_memory(y, other)


def overwrite(arrays: list[np.ndarray]) -> None:
    for y in arrays:
        y[...] = -99.0


def equal(a: Any, b: Any) -> bool:
    pairs = zip(leaves(a), leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def ones_like(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: ones_like(v) for k, v in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(map(ones_like, tree))
    return np.ones_like(tree)


def doubled(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: doubled(v) for k, v in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(map(doubled, tree))
    return tree + tree


@pytest.mark.parametrize(
    "x", [X, M, M[:, ::2], M.T[::-1]], ids=lambda x: str(x.strides)
)
@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_vjp_shares_nothing(f: Any, x: np.ndarray) -> None:
    x = x.copy(order="K")
    kept = x.copy()
    y, pullback = wg.vjp(f, x)
    ct = doubled(ones_like(y))
    pulled = pullback(ct)
    first = [a.copy() for a in leaves(pulled)]
    assert_apart(leaves([y, pulled]), [x, CAPTURED, *leaves(ct)])
    overwrite(leaves([y, pulled]))
    assert equal(pullback(ct), first), "the second pullback differs from the first"
    assert equal(ct, doubled(ones_like(y))), "the cotangent was changed"
    assert np.array_equal(x, kept)
    assert np.array_equal(CAPTURED, np.arange(4.0))


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_jvp_shares_nothing(f: Any) -> None:
    x, v = M.copy(), M + 1.0
    y, dy = wg.jvp(f, (x,), (v,))
    assert_apart(leaves([y, dy]), [x, v, CAPTURED])
    # The primal as its own tangent is one array in two roles.
    y, dy = wg.jvp(f, (x,), (x,))
    assert_apart(leaves([y, dy]), [x, CAPTURED])


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("axes", [(0, 0), (1, 0), (0, -1)], ids=str)
def test_vmap_shares_nothing(f: Any, axes: Any) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    y = wg.vmap(f, in_axes=axes[0], out_axes=axes[1])(x)
    assert_apart(leaves(y), [x, CAPTURED])


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_graph_shares_nothing(f: Any) -> None:
    x = M.copy()
    graph = wg.trace(f, x)
    y = graph(x)
    wanted = [a.copy() for a in leaves(y)]
    assert_apart(leaves(y), [x, CAPTURED])
    overwrite(leaves(y))
    assert equal(graph(x), wanted)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients_and_aux_share_nothing(f: Any) -> None:
    x = M.copy()

    def scalar(a: Any, b: Any) -> Any:
        y = f(a)
        total = np.sum(a + b)
        return total, (y, f(b), CAPTURED)

    (_, aux), grads = wg.value_and_grad(scalar, (0, 1), has_aux=True)(x, x)
    assert_apart(leaves([grads]), [x, CAPTURED, *leaves([aux])])
    for a in leaves([aux]):
        assert not np.shares_memory(a, x)
        assert not np.shares_memory(a, CAPTURED)


def test_one_array_as_two_arguments_gives_two_gradients() -> None:
    a, b = wg.grad(lambda u, v: np.sum(u + v), (0, 1))(X, X)
    assert_apart([a, b], [X])
    pair = wg.grad(lambda p: np.sum(p[0] + p[1]))([X, X])
    assert_apart(pair, [X])


# A copy where NumPy copies, a view where NumPy gives one ------------------------------


def reshaped_copy(x: Any) -> Any:
    y = x * 1.0
    z = y.reshape(2, 2).T.reshape(-1)  # NumPy can't give a view here
    z[0] = 50.0
    return y * y


def real_view(x: Any) -> Any:
    y = x * 1j
    y.real[0] = 50.0
    return np.abs(y) ** 2


def zero_d_view(x: Any) -> Any:
    y = x * 1.0
    z = y[0, ...]  # an array of no axes, and a view; y[0] would be a scalar
    z += 5.0
    return y * y


def views_of_views(x: Any) -> Any:
    y = x * 1.0
    y.reshape(2, 2)[0][1] = 7.0
    y[1:][::-1][:1] *= 3.0
    return y * y


def overlapping(x: Any) -> Any:
    y = x * 1.0
    y[1:] = y[:-1]
    y[:-1] += y[1:]
    return y


def rows_in_a_loop(x: Any) -> Any:
    y = x.reshape(2, 2) * 1.0
    for row in y:
        row *= 2.0
    return y


def augmented_through_an_alias(x: Any) -> Any:
    y = x * 1.0
    z = y
    z += 1.0
    return y * z


ALIASES = [reshaped_copy, real_view, zero_d_view, views_of_views, overlapping,
           rows_in_a_loop, augmented_through_an_alias]  # fmt: skip


@pytest.mark.parametrize("f", ALIASES, ids=lambda f: f.__name__)
def test_writes_are_seen_where_numpy_sees_them(f: Any) -> None:
    same_as_plain(f)


def test_an_array_of_no_axes_is_written_in_place() -> None:
    def f(x: Any) -> Any:
        y = x
        y += 1.0
        return x * y

    assert f(np.array(3.0)) == 16.0
    assert wg.value_and_grad(f)(np.array(3.0)) == (16.0, 8.0)


def test_views_see_writes_in_a_graph_from_types_alone() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        view = y[1:]
        y[1] = 10.0 * y[0]
        return np.sum(view * view)

    graph = wg.trace(f, wg.Type((4,), np.dtype(float)))
    assert graph(X) == f(X)
    staged_gradient = wg.trace(wg.grad(f), wg.Type((4,), np.dtype(float)))
    np.testing.assert_allclose(staged_gradient(X), wg.grad(f)(X))


# Writes that go in place, and transforms that run user code again ---------------------


@pytest.mark.parametrize("n", [5, 600])
def test_an_array_filled_element_by_element_after_each_use(n: int) -> None:
    """Each use sees the elements of its own moment, whether or not a copy was made."""

    def f(t: Any) -> Any:
        y = np.zeros_like(t)
        total = 0.0
        for i in range(4):
            y[i] = t[i] * t[i]
            total = total + np.sum(y * y)  # keeps y by value
            y[i] = y[i] + 1.0
        return total + np.sum(y)

    x = np.linspace(0.5, 1.5, n)
    assert wg.value_and_grad(f)(x)[0] == pytest.approx(f(x), rel=1e-14)
    _, slope = wg.jvp(f, (x,), (np.ones(n),))
    assert np.sum(wg.grad(f)(x)) == pytest.approx(slope, rel=1e-12)
    h = 1e-5
    numeric = (f(x + h) - f(x - h)) / (2 * h)
    assert slope == pytest.approx(numeric, rel=1e-8)


def test_a_view_taken_before_a_write_in_place_and_dropped() -> None:
    def f(t: Any) -> Any:
        y = t * 1.0
        kept = y.reshape(2, 2) * t[0]
        y[0] = 5.0
        z = y * t
        y[1] = 7.0
        return np.sum(kept) + np.sum(z) + np.sum(y)

    assert wg.value_and_grad(f)(X)[0] == pytest.approx(f(X), rel=1e-14)
    # Σx·x₀ → x₀ + Σx at 0, x₀ elsewhere; y∘x with y₀ = 5; y without its first two.
    wanted = X[0] + np.array([X.sum(), 0, 0, 0]) + np.array([5, *(2 * X[1:])])
    wanted += np.array([0.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(wg.grad(f)(X), wanted, rtol=1e-14)


def test_stop_gradient_gives_a_copy() -> None:
    def f(t: Any) -> Any:
        y = np.exp(t)
        plain = wg.stop_gradient(y)
        plain[:] = 0.0
        again = wg.stop_gradient(t)
        again[:] = 0.0
        return np.sum(y * t)

    np.testing.assert_allclose(wg.grad(f)(X), np.exp(X) * (1.0 + X), rtol=1e-14)


@pytest.mark.parametrize("n", SIZES)
def test_checkpoint_computes_again_with_the_values_of_the_first_time(n: int) -> None:
    x, a = data(n)
    wanted = 2 * x * a

    @wg.checkpoint
    def block(t: Any) -> Any:
        return t * t * a

    def f(t: Any) -> Any:
        y = np.sum(block(t))
        a[:] = -7.0
        return y

    np.testing.assert_allclose(wg.grad(f)(x), wanted, rtol=1e-14)


def test_rules_of_the_user_may_write_into_what_they_are_given() -> None:
    @wg.custom_vjp
    def square(t: Any) -> Any:
        y = t * t
        t[...] = 99.0
        return y

    def forward(t: Any) -> Any:
        saved = t * 1.0
        y = t * t
        t[...] = -99.0
        return y, saved

    def backward(saved: Any, ct: Any) -> Any:
        ct *= 2.0
        ct *= saved
        saved[...] = 0.0
        return (ct,)

    square.defvjp(forward, backward)
    x, ct = X.copy(), np.ones(4)
    y, pullback = wg.vjp(lambda t: (square(t), t * t, square(t) + t), x)
    cts = (ct, ct, ct)
    (first,) = pullback(cts)
    np.testing.assert_allclose(first, 6 * X + 1.0, rtol=1e-14)
    np.testing.assert_array_equal(pullback(cts)[0], first)
    np.testing.assert_array_equal(ct, np.ones(4))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y[0], X * X)


def test_a_rule_may_return_what_it_was_given() -> None:
    @wg.custom_vjp
    def same(t: Any) -> Any:
        return t

    same.defvjp(lambda t: (t, t), lambda saved, ct: (ct,))
    x, ct = X.copy(), np.ones(4)
    y, pullback = wg.vjp(same, x)
    (g,) = pullback(ct)
    assert_apart([y, g], [x, ct])
    overwrite([y, g])
    np.testing.assert_array_equal(pullback(ct)[0], np.ones(4))
    np.testing.assert_array_equal(x, X)


def test_linearize_keeps_its_own_values() -> None:
    x, a = X.copy(), np.arange(1.0, 5.0)
    y, push = wg.linearize(lambda t: t * t * a, x)
    x[:], a[:], y[:] = 0.0, 0.0, 0.0
    v = np.ones(4)
    dy = push(v)
    np.testing.assert_allclose(dy, 2 * X * np.arange(1.0, 5.0), rtol=1e-14)
    assert_apart([dy], [v, x, a, y])
    overwrite([dy])
    np.testing.assert_allclose(push(v), 2 * X * np.arange(1.0, 5.0), rtol=1e-14)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_jacobians_share_nothing(f: Any) -> None:
    x = X.copy()
    for jacobian in (wg.jacrev, wg.jacfwd):
        found = leaves(jacobian(lambda t: f(t) if np.ndim(t) else f(t[None]))(x))
        assert_apart(found, [x, CAPTURED])
