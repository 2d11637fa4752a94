"""Values that wait: computed once, in order, as they were written."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import Tracer, bottom, known
from wengert.core.op import OPS
from wengert.core.pending import Pending, computed, is_array
from wengert.core.types import type_of

X = np.arange(12.0).reshape(3, 4) + 1.0


def waiting(name: str, *args: Any, **params: Any) -> Pending:
    op = OPS[name]
    types = [a.type if isinstance(a, Pending) else type_of(a) for a in args]
    return Pending(op, list(args), params, op.type_of(*types, **params))


def test_a_value_is_computed_once_and_lets_go_of_its_arguments() -> None:
    y = waiting("sin", X)
    z = waiting("multiply", y, y)
    np.testing.assert_array_equal(computed(z), np.sin(X) ** 2)
    assert z.args is None
    assert y.args is None
    assert computed(z) is computed(z)
    assert computed(X) is X


def test_a_long_chain_needs_no_recursion() -> None:
    y: Any = 0.0
    for _ in range(100_000):
        y = waiting("add", y, 1.0)
    assert computed(y) == 100_000.0
    del y


def test_overflow_and_nan_give_no_warning() -> None:
    with np.errstate(all="raise"):
        assert np.isnan(computed(waiting("log", np.float64(-1.0))))


ROWS = [
    waiting("add", X, X[0]),
    waiting("add", X[:, :1].copy(), X[0]),
    waiting("multiply", X.T, X.T),
    waiting("multiply", X, np.asfortranarray(X)),
    waiting("sum", X.T, axis=(0,), keepdims=False),
    waiting("sum", np.ones((2, 3, 4)).transpose(2, 0, 1), axis=(1,), keepdims=False),
    waiting("transpose", X, axes=(1, 0)),
    waiting("reshape", X, shape=(4, 3)),
    waiting("reshape", X.T, shape=(3, 4)),
    waiting("matmul", X.T, X),
    waiting("matmul", X, X.T),
    waiting("broadcast_to", X[0], shape=(3, 4)),
    waiting("concatenate", X, X, axis=1),
    waiting("concatenate", X.T, X.T, axis=1),
    waiting("stack", X, X, axis=1),
    waiting("where", X > 3.0, X, 0.0),
    waiting("where", X.T > 3.0, X.T, 0.0),
    waiting("cumsum", X, axis=0),
    waiting("index", X, key=(slice(1, 3),)),
    waiting("index", X, key=(slice(None), slice(None, None, 2))),
    waiting("flip", X, axis=(0,)),
    waiting("exp", waiting("transpose", X, axes=(1, 0))),
    waiting("exp", waiting("multiply", X, 2.0)),
]


@pytest.mark.parametrize("y", ROWS, ids=lambda y: y.op.name)
def test_what_is_said_to_lie_in_order_does(y: Pending) -> None:
    said = y.in_order()
    assert computed(y).flags.c_contiguous or not said


def test_broadcasting_arrays_in_order_gives_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        full = rng.integers(1, 4, size=rng.integers(1, 5))
        a, b = (np.ones(np.where(rng.random(len(full)) < 0.4, 1, full)) for _ in "ab")
        y = waiting("add", a[0] if a.shape[0] == 1 else a, b)
        assert y.in_order()
        assert computed(y).flags.c_contiguous


def test_most_values_are_known_to_lie_in_order() -> None:
    """Else staging would compute them to see how they lie."""
    assert waiting("exp", waiting("multiply", X, 2.0)).in_order()
    assert waiting("reshape", X, shape=(4, 3)).in_order()
    assert waiting("sum", X.T, axis=(0,), keepdims=False).in_order()
    assert not waiting("exp", X.T).in_order()


SCALARS = [
    waiting("exp", np.float64(1.0)),
    waiting("exp", np.asarray(1.0)),
    waiting("share", np.float64(1.0), np.float64(2.0)),
    waiting("sum", X, axis=(0, 1), keepdims=False),
    waiting("max", X, axis=(0, 1), keepdims=False),
    waiting("prod", X, axis=(0, 1), keepdims=False),
    waiting("logsumexp", X, axis=(0, 1), keepdims=False),
    waiting("variance", X, axis=(0, 1), ddof=0, keepdims=False),
    waiting("vector_norm", X, ord=2, axis=(0, 1), keepdims=False),
    waiting("matmul", X[0], X[0]),
    waiting("einsum", X, X, subscripts="ab,ab->", optimize=True),
    waiting("einsum", X[0], X[0], subscripts="a,a->", optimize=False),
    waiting("reshape", X[:1, :1].copy(), shape=()),
    waiting("where", np.bool_(True), np.float64(1.0), np.float64(2.0)),
    waiting("index", X, key=(1, 2)),
    waiting("sum", np.ones((100, 100)), axis=(0, 1), keepdims=False),
]


@pytest.mark.parametrize("y", SCALARS, ids=lambda y: y.op.name)
def test_numbers_and_arrays_without_axes_are_told_apart(y: Pending) -> None:
    said = is_array(y)
    assert said == isinstance(computed(y), np.ndarray)


# While staging ------------------------------------------------------------------------


def seen_by(f: Any, x: Any) -> list[Any]:
    """The bottoms of what `f` returns while it is traced on a value."""
    found: list[Any] = []

    def staged(x: Any) -> Any:
        ys = f(x)
        found.extend(map(bottom, ys))
        return ys[0]

    wg.trace(staged, x, values=True)
    return found


def test_arithmetic_waits_and_a_question_computes_what_it_needs() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        z = np.sin(y)
        if y[0] > 1.0:
            return (y, z)
        return (x, x)

    y, z = seen_by(f, np.ones(3))
    assert y.args is None  # it was asked for
    assert z.args is not None
    np.testing.assert_array_equal(computed(z), np.sin([2.0, 2.0, 2.0]))


def test_what_may_raise_is_computed_at_once() -> None:
    def f(x: Any) -> Any:
        return (np.linalg.inv(x), x[np.array([0, 1])], x + 1.0)

    inverse, taken, total = seen_by(f, np.eye(2))
    assert isinstance(inverse, np.ndarray)
    assert isinstance(taken, Pending)  # these indices are within the array
    assert isinstance(total, Pending)


def test_with_errors_for_overflow_nothing_waits() -> None:
    with np.errstate(all="raise"):
        (y,) = seen_by(lambda x: (np.exp(x),), 1.0)
        assert not isinstance(y, Pending)
        with pytest.raises(FloatingPointError):
            seen_by(lambda x: (np.exp(x),), 1e4)


def test_an_index_out_of_bounds_raises_at_its_line() -> None:
    def f(x: Any) -> Any:
        return x[np.array([0, 5])]

    with pytest.raises(IndexError, match="5 is out of bounds"):
        wg.trace(f, np.ones(3), values=True)
    with pytest.raises(IndexError, match="-4 is out of bounds"):
        wg.trace(lambda x: x[np.array([0, -4])], np.ones(3), values=True)


def test_what_waits_keeps_little_alive() -> None:
    """Each round asks about a large array, and adds up what nobody asks for."""

    def f(x: Any) -> Any:
        total = 0.0
        for _ in range(100):
            x = x * 1.0
            if x[0] > 0.0:
                total = total + np.sum(x * x)
        return total

    x = np.ones(100_000)
    tracemalloc.start()
    try:
        wg.trace(f, x, values=True)
        assert tracemalloc.get_traced_memory()[1] < 10 * x.nbytes
    finally:
        tracemalloc.stop()


def test_a_constant_counts_as_it_was_when_it_was_used() -> None:
    buffer = np.ones(3)

    def f(x: Any) -> Any:
        y = x + buffer
        buffer[:] = 5.0
        return (y,)

    (y,) = seen_by(f, np.zeros(3))
    np.testing.assert_array_equal(computed(y), np.ones(3))


def test_a_large_constant_of_one_number_is_a_broadcast() -> None:
    one = np.ones(1)
    spread = np.broadcast_to(one, (100, 100))

    def f(x: Any) -> Any:
        y = x * spread
        one[0] = 3.0
        return y, y + spread

    graph = wg.trace(f, np.full((100, 100), 2.0), values=True)
    sizes = [n.type.size for n in graph.nodes if n.op.name == "constant"]
    assert sizes == [1, 1]
    y, z = graph(np.full((100, 100), 2.0))
    np.testing.assert_array_equal(y, np.full((100, 100), 2.0))
    np.testing.assert_array_equal(z, np.full((100, 100), 5.0))


def test_a_written_value_is_the_one_before_for_what_used_it() -> None:
    def f(x: Any) -> Any:
        z = x * 1.0
        y = z + 1.0
        z[0] = 7.0
        return (y, z)

    y, z = seen_by(f, np.zeros(2))
    np.testing.assert_array_equal(computed(y), [1.0, 1.0])
    np.testing.assert_array_equal(computed(z), [7.0, 0.0])


def test_known_gives_the_value() -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        assert isinstance(y, Tracer)
        assert known(y) == np.exp(1.0)
        return y

    wg.trace(f, 1.0, values=True)
