"""checkpoint: the same derivatives in less memory, by computing steps again."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import checkpoint

rng = np.random.default_rng(4)
X = rng.standard_normal(4)
Y = rng.standard_normal(4)


def f(x: Any, w: Any) -> Any:
    return np.sin(np.exp(x) * w) * x


def test_equals_plain_in_all_modes_and_orders() -> None:
    c = checkpoint(f)
    np.testing.assert_array_equal(c(X, Y), f(X, Y))
    wg.check_grads(c, (X, Y), order=3)
    total = lambda g: lambda x: np.sum(g(x, Y) ** 2)
    for transform in (wg.grad, wg.hessian, wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(
            transform(total(c))(X), transform(total(f))(X), rtol=1e-12, atol=1e-13
        )
    np.testing.assert_allclose(
        wg.jvp(c, (X, Y), (Y, X))[1], wg.jvp(f, (X, Y), (Y, X))[1], rtol=1e-14
    )
    np.testing.assert_allclose(
        wg.hvp(total(c), X, Y), wg.hvp(total(f), X, Y), rtol=1e-12
    )


def test_vmap_inside_and_outside() -> None:
    c = checkpoint(f)
    stack = rng.standard_normal((3, 4))
    np.testing.assert_allclose(
        wg.vmap(wg.grad(lambda x: np.sum(c(x, Y))))(stack),
        wg.vmap(wg.grad(lambda x: np.sum(f(x, Y))))(stack),
    )
    mapped = lambda g: lambda x, w: wg.vmap(g, in_axes=(0, None))(x, w)
    wg.check_grads(mapped(c), (X, 2.0), order=2)
    np.testing.assert_allclose(
        wg.grad(lambda w: np.sum(mapped(c)(X, w)))(2.0),
        wg.grad(lambda w: np.sum(f(X, w)))(2.0),
    )
    mapped_inside = checkpoint(lambda x: wg.vmap(f)(x, x))
    wg.check_grads(mapped_inside, (X,), order=2)


def test_staged() -> None:
    c = checkpoint(f)
    graph = wg.trace(c, X, Y)
    graph.check()
    assert "checkpoint(x, w, block=f)" in str(graph)
    np.testing.assert_array_equal(graph(Y, X), f(Y, X))
    wg.check_grads(lambda x, w: graph(x, w), (X, Y), order=2)
    total = lambda x: np.sum(c(x, Y))
    staged = wg.trace(wg.grad(total), X)
    staged.check()
    np.testing.assert_allclose(staged(2 * X), wg.grad(lambda x: np.sum(f(x, Y)))(2 * X))
    np.testing.assert_allclose(wg.trace(wg.vmap(c), X, Y)(Y, X), f(Y, X), rtol=1e-15)


def test_branches_follow_the_values() -> None:
    def g(x: Any) -> Any:
        y = x
        while np.sum(y) < 10.0:
            y = y * 2.0
        return np.sin(y) if x[0] > 0 else y**2

    for x in (np.array([0.5, 1.0]), np.array([-0.5, 2.0])):
        for c in (checkpoint(g), checkpoint(lambda x: checkpoint(g)(x) * 1.0)):
            np.testing.assert_allclose(wg.jacrev(c)(x), wg.jacrev(g)(x))
    staged = wg.trace(checkpoint(g), np.array([0.5, 1.0]), values=True)
    assert staged.guards
    with pytest.raises(TypeError, match="no values to answer bool"):
        wg.trace(checkpoint(g), np.array([0.5, 1.0]))
    with pytest.raises(TypeError, match="differs from item to item"):
        wg.grad(lambda x: np.sum(wg.vmap(checkpoint(g))(x)))(np.ones((3, 2)))


# Closures -----------------------------------------------------------------------------


def test_captured_traced_values_are_differentiated() -> None:
    wg.check_grads(lambda x, w: checkpoint(lambda x: f(x, w))(x), (X, Y), order=3)
    wg.check_grads(lambda w: checkpoint(lambda x: f(x, w))(X), (Y,), order=3)
    wg.check_grads(lambda w: checkpoint(lambda: np.sin(w) * w)(), (Y,), order=2)


def test_captured_values_of_several_levels() -> None:
    def outer(a: Any) -> Any:
        def inner(b: Any) -> Any:
            return np.sum(checkpoint(lambda x: np.sin(a * x) * b)(b * X))

        return wg.grad(inner)(np.float64(2.0))

    def plain(a: Any) -> Any:
        return wg.grad(lambda b: np.sum(np.sin(a * b * X) * b))(np.float64(2.0))

    wg.check_grads(outer, (1.3,), order=2)
    assert wg.grad(outer)(1.3) == pytest.approx(wg.grad(plain)(1.3))
    assert wg.jvp(outer, (1.3,), (1.0,))[1] == pytest.approx(wg.grad(plain)(1.3))
    np.testing.assert_allclose(wg.vmap(outer)(X), [outer(x) for x in X])
    np.testing.assert_allclose(
        wg.vmap(wg.grad(outer))(X), [wg.grad(plain)(x) for x in X]
    )
    graph = wg.trace(outer, 1.0)
    assert graph(1.3) == pytest.approx(outer(1.3))


def test_captured_arrays_may_change_later() -> None:
    captured = Y.copy()
    _, pullback = wg.vjp(checkpoint(lambda x: x * captured), X)
    captured[:] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(4))[0], Y)


def test_a_captured_array_may_be_written_between_calls() -> None:
    def run(x: Any) -> Any:
        w = x * 1.0
        first = checkpoint(lambda: w**2)()
        w[0] = 0.0
        return np.sum(first) + np.sum(checkpoint(lambda: w**3)())

    wanted = 2 * X + 3 * X**2
    wanted[0] = 2 * X[0]
    np.testing.assert_allclose(wg.grad(run)(X), wanted)


def test_nested_and_inner_gradients() -> None:
    g = checkpoint(lambda x: checkpoint(np.sin)(x) * checkpoint(lambda y: y * x)(x))
    wg.check_grads(g, (X,), order=3)
    h = checkpoint(lambda x: wg.grad(lambda y: np.sum(np.sin(y) * x))(x))
    wg.check_grads(h, (X,), order=2)


# Memory and work ----------------------------------------------------------------------


def block(x: Any) -> Any:
    for _ in range(10):
        x = np.sin(x) + 1.0
    return x


def peak(g: Any, x: Any) -> float:
    tracemalloc.start()
    try:
        wg.grad(g)(x)
        return tracemalloc.get_traced_memory()[1] / x.nbytes
    finally:
        tracemalloc.stop()


def test_a_chain_keeps_one_array_per_block() -> None:
    x = np.ones(50_000)

    def chain(body: Any, n: int) -> Any:
        def total(x: Any) -> Any:
            for _ in range(n):
                x = body(x)
            return np.sum(x)

        return total

    plain = peak(chain(block, 20), x)
    kept = [peak(chain(checkpoint(block), n), x) for n in (10, 20, 40)]
    assert plain > 190
    assert kept[1] < 45
    per_block = (kept[2] - kept[1]) / 20
    assert 0.9 < per_block < 1.2
    np.testing.assert_allclose(
        wg.grad(chain(checkpoint(block), 3))(X), wg.grad(chain(block, 3))(X)
    )


def test_captured_parameters_save_memory_too() -> None:
    x = np.ones(50_000)
    one = np.ones(50_000)

    def chain(wrap: Any, n: int) -> Any:
        def total(w: Any) -> Any:
            return sum(np.sum(wrap(lambda s: block(s * w))(one)) for _ in range(n))

        return total

    def per_block(wrap: Any) -> float:
        return (peak(chain(wrap, 16), x) - peak(chain(wrap, 8), x)) / 8

    assert per_block(lambda g: g) > 10
    assert per_block(checkpoint) < 1.2


class Probe:
    """An operation that counts how often it is computed."""

    def __init__(self) -> None:
        self.f = self.df = 0

        @wg.custom_vjp
        def probe(x: Any) -> Any:
            self.f += 1
            return x * 2.0

        def bwd(_: Any, ct: Any) -> Any:
            self.df += 1
            return (ct * 2.0,)

        def fwd(x: Any) -> Any:
            self.f += 1
            return x * 2.0, None

        probe.defvjp(fwd, bwd)
        self.probe = probe


def test_what_is_computed_how_often() -> None:
    runs = []

    def body(x: Any) -> Any:
        runs.append(1)
        return np.sin(x)

    c = checkpoint(body)
    y, pullback = wg.vjp(c, X)
    assert len(runs) == 1
    np.testing.assert_array_equal(y, np.sin(X))
    for _ in range(2):
        np.testing.assert_array_equal(pullback(np.ones(4))[0], np.cos(X))
    assert len(runs) == 1  # the steps are computed again, not the function
    c(X)
    wg.vmap(c)(X)
    wg.jvp(c, (X,), (X,))
    assert len(runs) == 4


def test_steps_are_computed_again_once_per_backward_pass() -> None:
    p = Probe()
    _, pullback = wg.vjp(checkpoint(p.probe), X)
    forward = p.f
    assert p.df == 0
    pullback(np.ones(4))
    assert p.df == 1
    once = p.f - forward
    assert once >= 1  # computed again …
    pullback(np.ones(4))
    assert p.f - forward == 2 * once  # … each time
    assert p.df == 2


def test_the_same_random_numbers() -> None:
    gen = np.random.default_rng(0)

    def dropout(x: Any) -> Any:
        mask = gen.random(x.shape) < 0.5
        return np.where(mask, x, 0.0)

    x = np.ones(1000)
    y, pullback = wg.vjp(checkpoint(dropout), x)
    np.testing.assert_array_equal(pullback(x)[0], y)
    np.testing.assert_array_equal(pullback(x)[0], y)


# Arguments, results, errors -----------------------------------------------------------


def test_containers_keywords_integers_and_constants() -> None:
    def g(p: Any, n: int, mode: str = "a", *, index: Any) -> Any:
        y = p["w"][index] * n if mode == "b" else p["w"]
        return {
            "y": np.sin(y),
            "n": n,
            "index": index + 1,
            "const": np.ones(2),
            "none": None,
        }

    index = np.array([0, 2])
    p = {"w": X}
    use = lambda g: lambda p: g(p, 3, mode="b", index=index)
    got = use(checkpoint(g))(p)
    assert got["n"] == 3
    assert got["none"] is None
    gradient = wg.grad(lambda p: np.sum(use(checkpoint(g))(p)["y"]))(p)
    wanted = wg.grad(lambda p: np.sum(use(g)(p)["y"]))(p)
    np.testing.assert_allclose(gradient["w"], wanted["w"])
    y, pullback = wg.vjp(lambda p: use(checkpoint(g))(p)["index"], p)
    np.testing.assert_array_equal(y, index + 1)
    np.testing.assert_array_equal(pullback(y)[0]["w"], np.zeros(4))
    y, dy = wg.jvp(use(checkpoint(g)), (p,), (p,))
    np.testing.assert_array_equal(dy["const"], np.zeros(2))
    assert dy["n"] == 0


def test_dtype_of_python_numbers() -> None:
    x = X.astype(np.float32)
    c = checkpoint(lambda x, s: x * s + 1.5)
    y, pullback = wg.vjp(lambda x: c(x, 2.0), x)
    assert y.dtype == np.float32
    assert pullback(y)[0].dtype == np.float32


def test_edge_sizes_and_complex() -> None:
    c = checkpoint(lambda x: np.sum(np.sin(x) ** 2))
    assert wg.grad(c)(np.zeros((0, 2))).shape == (0, 2)
    assert wg.grad(c)(0.3) == pytest.approx(np.sin(0.6))
    assert wg.grad(c)(np.array(0.3)).shape == ()
    z = X + 1j * Y
    power = checkpoint(lambda z: np.sum(np.abs(z) ** 2))
    np.testing.assert_allclose(wg.grad(power)(z), 2 * z)


def test_infinite_slopes_not_taken() -> None:
    x = np.array([0.0, 4.0])
    g = checkpoint(lambda x: np.where(x > 0, np.sqrt(x), 0.0))
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(g(x)))(x), [0.0, 0.25])
    norm = checkpoint(lambda x: np.sqrt(np.sum(x * x)))
    np.testing.assert_array_equal(wg.grad(norm)(np.zeros(3)), np.zeros(3))


def test_nothing_is_shared() -> None:
    x = X.copy()
    held = Y.copy()
    y, pullback = wg.vjp(checkpoint(lambda x: (x, x * 1.0, held)), x)
    for a in y:
        assert not any(np.shares_memory(a, b) for b in (x, held))
        a[:] = 9.0
    np.testing.assert_array_equal(held, Y)
    ct = np.ones(4)
    (g,) = pullback((ct, ct, ct))
    np.testing.assert_array_equal(g, 2 * ct)
    assert not np.shares_memory(g, ct)


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.__iadd__(1.0),
        lambda x: np.add(x, 1.0, out=x),
        lambda x: x[1:].__imul__(2.0),
    ],
)
def test_writing_into_an_argument_is_refused(write: Any) -> None:
    def writes(x: Any) -> Any:
        write(x)
        return np.sum(x)

    with pytest.raises(ValueError, match="`writes` writes into one") as info:
        wg.grad(checkpoint(writes))(X)
    assert "test_checkpoint.py" in str(info.value)

    def copies(x: Any) -> Any:
        x = x.copy()
        write(x)
        return np.sum(np.sin(x))

    np.testing.assert_allclose(wg.grad(checkpoint(copies))(X), wg.grad(copies)(X))


def test_errors_of_the_function_arrive_and_leave_nothing_behind() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        wg.grad(checkpoint(fails))(X)
    with pytest.raises(ValueError, match="shape"):
        wg.grad(checkpoint(lambda x: x + np.ones(3)))(X)
    assert wg.grad(checkpoint(np.sin))(0.0) == 1.0


def test_name_and_signature() -> None:
    import inspect

    assert checkpoint(f).__name__ == "checkpoint_of_f"
    assert list(inspect.signature(checkpoint(f)).parameters) == ["x", "w"]
