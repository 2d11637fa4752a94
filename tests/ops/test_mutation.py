"""Writing into traced arrays: values as plain NumPy gives them, derivatives exact."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.testing import Scenario, check_grads, check_scenario

rng = np.random.default_rng(0)
V = rng.standard_normal(4)
A = rng.standard_normal((3, 4))
S = rng.standard_normal((3, 3))
B = rng.standard_normal((2, 3, 4))
Z = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
I = np.array([2, 0, 2])
MASK = np.array([True, False, True])


def on_copy(write: Callable[..., Any]) -> Callable[..., Any]:
    """The function that lets `write(y, *args)` change a copy y, and squares that.

    The copy is traced whichever argument is differentiated, and lies in C order.
    """

    def f(x: Any, *rest: Any) -> Any:
        y = (x + 0.0 * sum(np.sum(r) for r in rest)).ravel().reshape(np.shape(x))
        write(y, x, *rest)
        return y * y * x

    return f


def put(key: Any) -> Callable[..., Any]:
    def write(y: Any, x: Any, v: Any) -> None:
        y[key] = v * v

    return on_copy(write)


def add(key: Any) -> Callable[..., Any]:
    def write(y: Any, x: Any, v: Any) -> None:
        y[key] += v * v

    return on_copy(write)


def then(name: str, write: Callable[..., Any], *args: Any) -> Scenario:
    return Scenario(name, on_copy(write), args)


def _through_reshape(y: Any, x: Any) -> None:
    y.reshape(2, 6)[1, 2:4] = x[0, :2] * 2.0


def _through_transpose(y: Any, x: Any) -> None:
    y.T[1] *= x[:, 0]


def _through_flip(y: Any, x: Any) -> None:
    np.flip(y, 1)[0, 1:] = x[1, 1:]


def _through_diagonal(y: Any, x: Any) -> None:
    y.reshape(-1)[::5] = x[:, 0] ** 2


def _through_ravel(y: Any, x: Any) -> None:
    y.ravel()[3:5] += x[0, :2]


def _copy_of_transpose(y: Any, x: Any) -> None:
    y.T.reshape(-1)[:3] = x[0, :3]  # a copy in NumPy: nothing happens


def _view_of_view(y: Any, x: Any) -> None:
    y[1:][:, ::-1][0][1:3] = x[0, :2] * x[1, :2]


def _view_before_write(y: Any, x: Any) -> None:
    row = y[1]
    y[1, 2] = x[0, 0] ** 2
    row[0] = row[2] * x[2, 2]
    y[2] = row


def _rows(y: Any, x: Any) -> None:
    for row, given_row in zip(y, x, strict=True):
        row += given_row**2
        row[0] = 0.5


def _overlap(y: Any, x: Any) -> None:
    y[1:] = y[:-1]
    y[:, :-1] += y[:, 1:]


def _old_value_kept(y: Any, x: Any) -> None:
    squared = y * y
    y[0] = squared[1]
    y[1] = squared[0] * y[0]


def _split(y: Any, x: Any) -> None:
    left, right = np.split(y, 2, axis=1)
    left *= 2.0
    right[...] = left * right


def _fill(y: Any, x: Any) -> None:
    y[1].fill(x[0, 0] ** 2)
    y[0].sort()


def _swap(y: Any, x: Any) -> None:
    y[0], y[1] = y[1].copy(), y[0].copy()


def _out(y: Any, x: Any) -> None:
    np.multiply(x, x, out=y)
    np.add(y[0], x[1], out=y[2])


def _at(ufunc: np.ufunc, key: Any) -> Callable[..., Any]:
    return lambda y, x, v: ufunc.at(y, key, v)


SCENARIOS = [
    Scenario("int", put(1), (A, V)),
    Scenario("element", put((1, -1)), (A, np.float64(0.3))),
    Scenario("broadcast", put(slice(1, 3)), (A, V)),
    Scenario("scalar_broadcast", put(...), (A, np.float64(0.3))),
    Scenario("one_too_many_axes", put(0), (A, V[None])),
    Scenario("negative_step", put((slice(None), slice(None, None, -2))), (A, A[:, :2])),
    Scenario("newaxis", put((slice(None), None)), (A, A[:, None])),
    Scenario("ellipsis", put((..., 1)), (B, B[..., 0])),
    Scenario("empty", put(slice(0, 0)), (A, V)),
    Scenario("array", put(np.array([2, 0])), (A, A[:2])),
    Scenario("repeated_array", put(I), (A, A)),
    Scenario("repeated_broadcast", put(I), (A, V)),
    Scenario("repeated_pairs", put((I, I)), (A, V[:3])),
    Scenario("behind_slice", put((slice(None), I)), (A, S)),
    Scenario(
        "separated",
        put((np.array([0, 1]), slice(None), np.array([3, 3]))),
        (B, A[:2, :3]),
    ),
    Scenario("mask", put(MASK), (A, A[:2])),
    Scenario("full_mask", put(A > 0), (A, np.float64(0.4))),
    Scenario("empty_array", put(np.zeros(0, int)), (A, V)),
    Scenario("complex", put((slice(None), 1)), (Z, Z[:, 0])),
    Scenario("real_into_complex", put((slice(None), 1)), (Z, A[:, 0])),
    Scenario("add_int", add(1), (A, V)),
    Scenario("add_slice", add((slice(None, None, 2), slice(1, 3))), (A, A[:2, :2])),
    Scenario("add_array", add(np.array([2, 0])), (A, V)),
    Scenario("add_repeated_counts_once", add(I), (A, A)),
    Scenario("add_mask", add(MASK), (A, V)),
    then("reshape", _through_reshape, A),
    then("transpose", _through_transpose, A),
    then("flip", _through_flip, A),
    then("diagonal", _through_diagonal, A),
    then("ravel", _through_ravel, A),
    then("copy_of_transpose", _copy_of_transpose, A),
    then("view_of_view", _view_of_view, A),
    then("view_before_write", _view_before_write, A),
    then("rows", _rows, A),
    then("overlap", _overlap, A),
    then("old_value_kept", _old_value_kept, A),
    then("split", _split, A),
    Scenario("fill_and_sort", on_copy(_fill), (A,), stage=False),
    then("swap", _swap, A),
    then("out", _out, A),
    then("add_at", _at(np.add, I), A, A),
    then("add_at_pairs", _at(np.add, (I, I)), A, V[:3]),
    then("add_at_slice", _at(np.add, slice(1, 3)), A, V),
    then("add_at_mask", _at(np.add, MASK), A, V),
    then("subtract_at", _at(np.subtract, I), A, A),
    then("multiply_at", _at(np.multiply, I), A, A),
    then("multiply_at_slice", _at(np.multiply, (slice(None), 1)), A, V[:3]),
    then("divide_at", _at(np.divide, (I, I)), A, 2.0 + V[:3] ** 2),
    then("maximum_at", _at(np.maximum, I), A, S[:, :1]),
    then("minimum_at", _at(np.minimum, (slice(None), I)), A, S),
    then("negative_at", lambda y, x: np.negative.at(y, I), A),
    then("copyto", lambda y, x, v: np.copyto(y, v * v), A, V),
    then("copyto_where", lambda y, x, v: np.copyto(y, v * v, where=A > 0), A, V),
    then("put", lambda y, x, v: np.put(y, [0, 5, -1], v), A, V[:3]),
    then("put_repeats_values", lambda y, x, v: np.put(y, [0, 5, 2], v), A, V[:2]),
    then("put_clip", lambda y, x, v: np.put(y, [-3, 99], v, mode="clip"), A, V[:2]),
    then("place", lambda y, x, v: np.place(y, A > 0, v), A, V[:2]),
    then("putmask", lambda y, x, v: np.putmask(y, A > 0, v), A, V[:3]),
    then("putmask_whole", lambda y, x, v: np.putmask(y, A > 0, v), A, A),
    then(
        "put_along_axis",
        lambda y, x, v: np.put_along_axis(y, I[:, None], v, 1),
        A,
        V[:3, None],
    ),
    then("fill_diagonal", lambda y, x, v: np.fill_diagonal(y, v), A, V[:3]),
    then(
        "fill_diagonal_scalar",
        lambda y, x, v: np.fill_diagonal(y, v),
        S,
        np.float64(0.2),
    ),
    then(
        "fill_diagonal_wrap",
        lambda y, x, v: np.fill_diagonal(y, v, wrap=True),
        A.T.repeat(2, 0),
        V[:2],
    ),
    Scenario("zeros_like", lambda x: _filled(np.zeros_like(x), x), (V,)),
    Scenario(
        "zeros_of_another_length",
        lambda x: _filled(np.zeros_like(x, shape=(6,)), x),
        (V,),
    ),
]


def _filled(y: Any, x: Any) -> Any:
    for i in range(4):
        y[i] = x[i] ** 2 + (y[i - 1] if i else 0.0)
    return y


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Random programs --------------------------------------------------------------------

Program = list[tuple[Any, ...]]
SLICES = st.builds(
    slice,
    st.none() | st.integers(-3, 3),
    st.none() | st.integers(-3, 3),
    st.sampled_from([None, 1, 2, -1, -2]),
)
VIEWS = st.tuples(
    st.sampled_from(["slice", "column", "T", "flip", "reshape", "ravel", "row", "new"]),
    st.integers(0, 7),
    SLICES,
    SLICES,
)
WRITES = st.tuples(
    st.sampled_from(["set", "scale", "add", "from", "fancy", "at", "mask", "out"]),
    st.integers(0, 7),
    st.integers(0, 7),
    st.floats(-2, 2).map(lambda v: round(v, 2)),
)
PROGRAMS = st.lists(VIEWS | WRITES, min_size=2, max_size=8)


def _view(name: str, x: Any, first: slice, second: slice) -> Any:
    if name == "slice" and x.ndim:
        return x[first]
    if name == "column" and x.ndim == 2:
        return x[:, second]
    if name == "row" and x.ndim and len(x):
        return x[len(x) // 2, ...]
    if name == "new":
        return x[None, ...] if x.ndim < 2 else x[..., 0:1]
    if name == "reshape":
        return x.reshape(x.shape[::-1])
    if name == "flip":
        return np.flip(x)
    return x.ravel() if name == "ravel" else x.T


def _do(name: str, y: Any, source: Any, x: Any, c: float) -> None:
    if name == "set":
        y[...] = c * x[0, 1]
    elif name == "scale" and y.ndim:
        y *= c * x[1, 1]
    elif name == "add" and y.ndim:
        y += np.sum(source) * c
    elif name == "out" and y.ndim:
        np.multiply(y, c, out=y)
    elif name == "from":
        flat = np.resize(source, y.size) if source.size else np.zeros(y.size)
        y[...] = np.reshape(flat, y.shape) * x[0, 0]
    elif name == "fancy" and y.ndim and len(y):
        y[[0, -1, 0]] = c * x[2, 2]
    elif name == "at" and y.ndim and len(y):
        np.add.at(y, [0, -1, 0], c * x[1, 2])
    elif name == "mask" and y.ndim:
        y[np.arange(y.size).reshape(y.shape) % 2 == 0] += x[0, 2]


def run(program: Program, x: Any) -> Any:
    """The array after a sequence of views taken and writes through them."""
    y = x * 1.0
    views = [y]
    for name, pick, *rest in program:
        source = views[pick % len(views)]
        if isinstance(rest[0], slice):
            views.append(_view(name, source, *rest))
        else:
            _do(name, source, views[rest[0] % len(views)], x, rest[1])
    return y * x + np.sum(views[-1]) * x[0, 0]


@settings(max_examples=150, deadline=None)
@given(PROGRAMS)
def test_random_programs(program: Program) -> None:
    """A traced run gives plain NumPy's values, and finite differences' slopes."""

    def f(x: Any) -> Any:
        return run(program, x)

    wanted = f(S)
    for got in (
        wg.vjp(f, S)[0],
        wg.jvp(f, (S,), (S,))[0],
        wg.vmap(f)(S[None])[0],
        wg.trace(f, S)(S),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    size = 1.0 + float(np.max(np.abs(wanted)))
    check_grads(f, (S,), order=1, atol=1e-6 * size)
    got = wg.vmap(wg.grad(lambda x: np.sum(np.sin(f(x)))))(S[None])[0]
    np.testing.assert_allclose(
        got, wg.grad(lambda x: np.sum(np.sin(f(x))))(S), rtol=1e-11, atol=1e-11 * size
    )


# Particular points ------------------------------------------------------------------


def test_the_last_of_several_writes_stays() -> None:
    def f(v: Any) -> Any:
        y = np.zeros_like(v, shape=(2,))
        y[[0, 1, 0]] = v
        return y

    v = np.array([1.0, 2.0, 3.0])
    y, pullback = wg.vjp(f, v)
    np.testing.assert_array_equal(y, [3.0, 2.0])
    np.testing.assert_array_equal(pullback(np.array([5.0, 7.0]))[0], [0.0, 7.0, 5.0])


def test_a_read_before_the_write_keeps_its_value() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        before = np.sin(y)
        y[0] = 100.0
        return np.sum(before) + y[1]

    np.testing.assert_allclose(wg.grad(f)(V), np.cos(V) + np.eye(4)[1])


def test_overwritten_infinities_leave_no_nan() -> None:
    def f(x: Any) -> Any:
        y = np.sqrt(x)
        y[x == 0] = 0.0
        return np.sum(y)

    np.testing.assert_array_equal(wg.grad(f)(np.array([0.0, 4.0])), [0.0, 0.25])


def test_argument_stays_as_it_was() -> None:
    x = A.copy()

    def f(x: Any) -> Any:
        x[0] = 0.0
        x += 1.0
        return np.sum(x**2)

    wg.grad(f)(x)
    np.testing.assert_array_equal(x, A)


def test_memory_order_decides_what_a_reshape_is() -> None:
    """NumPy copies where strides can't express the shape: then a write isn't seen."""

    def f(x: Any) -> Any:
        y = x * 1.0
        y.reshape(-1)[:2] = 7.0
        y.T.reshape(-1)[-1] = 8.0
        return y

    for x in (A, np.asfortranarray(A), A[:, ::-1], B.transpose(0, 2, 1)):
        np.testing.assert_array_equal(wg.vjp(f, x)[0], f(x))
        np.testing.assert_array_equal(wg.jvp(f, (x,), (x,))[0], f(x))


def test_levels() -> None:
    """A write of an inner level's value into an outer level's array, and back."""

    def f(x: float) -> Any:
        y = np.zeros_like(x, shape=(2,))

        def inner(t: float) -> Any:
            z = y.copy()
            z[0] = t * t * x
            z[1] = x
            return z[0] * z[1]

        y[0] = wg.grad(inner)(x)
        return y[0] ** 2

    # inner'(t) = 2 t x², at t = x: 2x³; squared 4x⁶, so the slope is 24x⁵.
    assert wg.grad(f)(1.5) == pytest.approx(24 * 1.5**5)
    assert wg.jvp(f, (1.5,), (1.0,))[1] == pytest.approx(24 * 1.5**5)


def test_write_into_a_zero_d_view() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        corner = y[..., 0]
        corner += x[1]
        return y

    np.testing.assert_array_equal(wg.vjp(f, V)[0], f(V))


def test_put_along_no_axis() -> None:
    """NumPy's own writes into a copy here, or refuses; we write into the array."""

    def f(v: Any) -> Any:
        y = np.zeros_like(v, shape=(2, 2))
        np.put_along_axis(y, np.array([0, 3]), v, None)
        return y

    y, pullback = wg.vjp(f, V[:2])
    np.testing.assert_array_equal(y, np.diag(V[:2]))
    np.testing.assert_array_equal(pullback(A[:2, :2])[0], [A[0, 0], A[1, 1]])


def test_dtypes() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x, dtype=np.float32)
        y[...] = x
        return y

    y, pullback = wg.vjp(f, V)
    assert y.dtype == np.float32
    assert pullback(y)[0].dtype == np.float64

    def complex_into_real(x: Any) -> Any:
        y = np.zeros_like(x)
        y[0] = x[0] * 1j
        return y

    with pytest.raises(TypeError, match="imaginary part would be lost"):
        wg.vjp(complex_into_real, V)


def test_traced_value_into_a_plain_array() -> None:
    plain = np.zeros(4)
    writes: list[Callable[[Any], Any]] = [
        lambda x: np.copyto(plain, x),
        lambda x: np.put(plain, [0], x[:1]),
        lambda x: np.place(plain, plain == 0, x),
        lambda x: np.putmask(plain, plain == 0, x),
        lambda x: np.add.at(plain, [0, 1], x[:2]),
        lambda x: np.multiply.at(plain, 0, x[0]),
        lambda x: np.put_along_axis(plain, np.array([0]), x[:1], 0),
        lambda x: np.take(x, [0, 1, 2, 3], out=plain),
    ]
    for write in writes:
        with pytest.raises(wg.WengertError, match="written into a plain array"):
            wg.vjp(write, V)
    np.testing.assert_array_equal(plain, np.zeros(4))


def test_at_needs_known_indices_where_order_matters() -> None:
    def f(x: Any, i: Any) -> Any:
        y = x * 1.0
        np.multiply.at(y, i, 2.0)
        return y

    with pytest.raises(wg.WengertError, match=r"multiply\.at"):
        wg.vmap(f)(A, np.array([0, 1, 1]))


def test_each_write_is_one_operation() -> None:
    graph = wg.trace(lambda x: _filled(np.zeros_like(x), x), V)
    writes = [n for n in graph.nodes if n.op.name == "index_set"]
    assert len(writes) == 4


def _seconds(n: int) -> float:
    x = np.linspace(0.0, 1.0, n)

    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        for i in range(n):
            y[i] = x[i] + (y[i - 1] if i else 0.0)
        return y[-1]

    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        got = wg.grad(f)(x)
        best = min(best, time.perf_counter() - start)
    np.testing.assert_array_equal(got, np.ones(n))
    return best


def test_a_loop_of_writes_is_linear() -> None:
    """Eight times the elements cost about eight times, not sixty-four."""
    assert _seconds(8000) < 24 * _seconds(1000)
