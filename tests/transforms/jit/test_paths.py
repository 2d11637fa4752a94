"""jit: paths and their guards, signatures, results as the function's own, errors."""

import math
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.jit import TooManyPaths

X = np.array([0.5, -1.0, 2.0])


def same(got: Any, wanted: Any) -> None:
    """Type, structure, dtype and values to rounding."""
    assert type(got) is type(wanted), (type(got), type(wanted))
    if isinstance(wanted, dict):
        assert list(got) == list(wanted)
        got, wanted = list(got.values()), list(wanted.values())
    if isinstance(wanted, list | tuple):
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            same(g, w)
    elif isinstance(wanted, np.ndarray | np.generic):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)
    elif isinstance(wanted, float):
        assert got == pytest.approx(wanted, rel=1e-13)
    else:
        assert got == wanted


def agree(f: Callable[..., Any], *calls: tuple[Any, ...]) -> Any:
    """Each call twice, compiled and not; no call may have run as plain Python."""
    g = wg.jit(f)
    for args in (*calls, *calls):
        same(g(*args), f(*args))
    assert not g.report().eager, g.report().eager
    return g


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Model:
    w: Any
    b: Any


def newton(x: Any) -> Any:
    while abs(x * x - 2.0) > 1e-12:
        x = x - (x * x - 2.0) / (2.0 * x)
    return x


def early(x: Any) -> Any:
    if x[0] > 0:
        return np.exp(x)
    for i in range(len(x)):
        if x[i] > 1.0:
            return x * i
    return {"none": x.sum()}


def float_of(x: Any) -> Any:
    return math.sin(float(x[0])) * x


def range_of(x: Any, n: int) -> Any:
    for _ in range(n):
        x = np.tanh(x)
    return x


CASES: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]], int]] = {
    "plain": (lambda x: np.sin(x) * 2.0, [(X,), (X + 1,)], 1),
    "if": (lambda x: x if x.sum() > 0 else -x, [(X,), (-X,), (X + 1,)], 2),
    "while": (newton, [(np.float64(1.0),), (np.float64(1.3),)], 2),
    "early return": (early, [(X,), (-2 * X,), (-X - 3.0,)], 3),
    "float()": (float_of, [(X,), (X + np.eye(3)[0],)], 2),
    "int()": (lambda x: x * int(x[2]), [(X,), (X + 0.5,), (X + 1,)], 2),
    "range(n)": (range_of, [(X, 2), (X, 3)], 2),
    "x[n]": (lambda x, n: x[n] + x[: n + 1].sum(), [(X, 0), (X, 1)], 2),
    "axis=n": (lambda x, n: np.sum(x, axis=n), [(np.eye(3), 0), (np.eye(3), 1)], 2),
    "arange(n)": (lambda x, n: x * np.arange(n).sum(), [(X, 3), (X, 4)], 2),
    "zeros(n)": (lambda x, n: x.sum() + np.zeros(n), [(X, 3), (X, 4)], 2),
    "linspace(n)": (lambda x, n: np.linspace(x[0], 1.0, n), [(X, 3), (X, 4)], 2),
    "shape": (lambda x: x.reshape(x.shape[0], -1) / x.size, [(np.eye(2),)], 1),
    "two shapes": (lambda x: x / len(x), [(X,), (X[:2],)], 2),
    "two dtypes": (lambda x: x / 3, [(X,), (X.astype("f4"),), (X.astype(int),)], 3),
    "dict": (lambda p: {"q": p["a"] + p["b"]}, [({"a": X, "b": 2.0},)], 1),
    "list": (lambda xs: [x * 2.0 for x in xs], [([X, X[:1]],)], 1),
    "named tuple": (lambda p: Pair(p.b, p.a * 2.0), [(Pair(X, X[:2]),)], 1),
    "string": (lambda x, how: x if how == "a" else -x, [(X, "a"), (X, "b")], 2),
    "flag": (lambda x, flag: x if flag else -x, [(X, True), (X, False)], 2),
    "none": (lambda x, y: x if y is None else y, [(X, None), (X, X)], 2),
    "results": (lambda x: (x, x.sum(), 3, "s", None, x[0], [x.T]), [(X,)], 1),
    "0-d array": (lambda x: (x, x * 2.0, -x), [(np.array(2.0),)], 1),
    "numpy scalar": (lambda x: (x, x * 2.0), [(np.float32(2.0),)], 1),
    "complex": (lambda x: np.exp(1j * x), [(X,)], 1),
    "integers": (lambda x: (x // 2, x % 2, x / 2), [(np.arange(4),)], 1),
    "fortran": (lambda x: x.ravel() + x.T.ravel(), [(np.eye(3).T,), (np.eye(3),)], 2),
    "strided": (lambda x: x[::-1] * 2, [(np.arange(8.0)[::2],)], 1),
    "empty": (lambda x: (x * 2, x.sum()), [(np.zeros((0, 3)),)], 1),
    "constant": (lambda x: np.ones(2), [(X,)], 1),
    "no arguments": (lambda: np.ones(2) * 3.0, [()], 1),
    "mutation": (lambda x: _written(x.copy()), [(X,)], 1),
}


def _written(x: Any) -> Any:
    x[1:] *= 2.0
    x[0] = x[1]
    return x


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_the_function(name: str) -> None:
    f, calls, paths = CASES[name]
    assert len(agree(f, *calls).paths) == paths


# Python's numbers ---------------------------------------------------------------------

NUMBERS: dict[str, Callable[..., Any]] = {
    "add": lambda a, n: (a + 1.0, 1 + a, n + 1, n + a),
    "subtract": lambda a, n: (a - 1.0, 1 - a, n - 1, 2.5 - n),
    "multiply": lambda a, n: (a * a, 2 * n, n * n, n * a),
    "divide": lambda a, n: (a / 3.0, 1.0 / a, n / 7, 1 / n),
    "power": lambda a, n: (a**2, 0.9**n, a**0.5, n**2, a**n),
    "signs": lambda a, n: (-a, +a, abs(-a), -n, abs(n)),
    "functions": lambda a, n: (np.sin(a), np.sqrt(n), np.add(a, 1.0), np.exp(-a)),
    "with float32": lambda a, n: np.ones(2, "f4") * a + n,
    "with int8": lambda a, n: (np.ones(2, "i1") * 3 + n % 1, np.ones(2, "i1") / a),
    "kept": lambda a, n: (a, n),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_python_numbers_keep_their_types_and_make_no_new_paths(name: str) -> None:
    g = agree(NUMBERS[name], (1.5, 2), (2.25, 3), (0.5, 7), (10.0, 11))
    assert len(g.paths) == (4 if name == "with int8" else 1)


def test_numbers_that_are_asked_for_are_guards() -> None:
    g = agree(
        lambda n: n // 2 + n % 3 + divmod(n, 2)[1] + round(n) + (n << 1), (3,), (8,)
    )
    assert len(g.paths) == 2
    g = agree(lambda a: (f"{a:.2f}", {1.5: "x"}.get(a), a == 1.5), (1.5,), (2.0,))
    assert len(g.paths) == 2


def test_python_raises_where_python_raises() -> None:
    f = wg.jit(lambda a, b: a / b)
    assert f(1.0, 2.0) == 0.5
    with pytest.raises(ZeroDivisionError):
        f(1.0, 0.0)
    g = wg.jit(lambda a: a**2.0)
    assert g(3.0) == 9.0
    with pytest.raises(OverflowError):
        g(1e200)
    assert g(-3.0) == 9.0


def test_numbers_under_other_transforms() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x * X.astype("f4")) * 2.0

    for t in (
        wg.grad,
        wg.value_and_grad,
        lambda f: lambda x: wg.jvp(f, (x,), (1.0,)),
        lambda f: lambda x: wg.vjp(f, x)[1](1.0),
    ):
        g = wg.jit(t(f))
        for x in (0.5, 1.5):
            same(g(x), t(f)(x))
        assert len(g.paths) == 1
        assert not g.report().eager


def test_large_ints_are_exact() -> None:
    f = wg.jit(lambda n: n * n * n * n * n)
    for n in (2**31 - 1, 2**31 + 1, 10**30, 3):
        assert f(n) == n**5


def test_types_of_one_value_have_paths_of_their_own() -> None:
    f = wg.jit(lambda x, k: (x, k))
    for k in (1, 1.0, True, np.float64(1.0), np.float32(1.0), "1"):
        assert type(f(X, k)[1]) is type(k)
    assert len(f.paths) == 6


# Shapes that depend on values ---------------------------------------------------------


def test_masks_split_the_program_by_count_not_by_content() -> None:
    f = agree(lambda x: np.sin(x[x > 0.4]) * 2.0, (X,), (X[::-1].copy(),), (-X,))
    assert [len(p.segments) for p in f.paths] == [2, 2]


def test_several_splits_and_guards_between_them() -> None:
    def g(x: Any) -> Any:
        y = x[x > 0]
        if y.sum() > 1:
            y = y * 2
        z = y[y < 3]
        return z, y.sum() + x.sum(), x

    f = agree(g, (X,), (X * 3,), (X[::-1].copy(),), (-X,))
    assert all(len(p.segments) == 3 for p in f.paths)


def test_other_shapes_by_value() -> None:
    agree(lambda x: np.nonzero(x)[0] * 2, (X,), (X * [0, 1, 1],))
    agree(lambda x: np.unique(x) * 2, (X,), (X * 0,))
    agree(lambda x: np.argwhere(x > 0), (X,), (-X,))
    agree(lambda x: np.repeat(x, np.array([1, 2, 0])), (X,), (-X,))
    agree(lambda x: np.compress(x > 0, x), (X,), (-X,))

    def masked_write(x: Any) -> Any:
        y = x.copy()
        y[y < 0] = 0.0
        return y

    agree(masked_write, (X,), (-X,))


# Limits -------------------------------------------------------------------------------


def test_past_the_limit_it_says_so_once_and_goes_on() -> None:
    f = wg.jit(range_of, max_paths=3)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in range(8):
            same(f(X, n), range_of(X, n))
    assert seen[0].category is TooManyPaths
    assert "range" in str(seen[0].message)
    assert len(seen) == 1
    assert len(f.paths) == 3
    assert sum(f.report().eager.values()) == 5
    same(f(X, 1), range_of(X, 1))
    assert sum(f.report().eager.values()) == 5  # a path that is there is still taken


def test_what_traced_values_cannot_do_runs_as_python() -> None:
    f = wg.jit(lambda x: np.asarray(x).tolist())
    assert f(X) == X.tolist()
    assert "isn't an ndarray" in next(iter(f.report().eager))

    def with_captured(x: Any) -> Any:
        return x * np.asarray(X).max()

    g = wg.jit(with_captured)
    same(g(X), X * 2.0)
    assert not g.report().eager


def test_an_order_in_memory_runs_as_python() -> None:
    f = wg.jit(lambda x: np.ravel(x, order="K"))
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for y in (x, np.ascontiguousarray(x)):
        same(f(y), np.ravel(y, order="K"))
    assert sum(f.report().eager.values()) == 2


def test_odd_arguments_run_as_python() -> None:
    f = wg.jit(lambda x: x)
    words = np.array(["a", "b"])
    assert f(words) is words
    assert f({1, 2}) == {1, 2}
    assert len(f.report().eager) == 2


# Arguments that are written into ------------------------------------------------------


def test_writes_reach_the_callers_array() -> None:
    def f(x: Any, y: Any) -> Any:
        x[0] = y
        x += 1.0
        return x.sum()

    g = wg.jit(f)
    a, b = X.copy(), X.copy()
    for y in (2.0, 3.0, 4.0):
        same(g(a, y), f(b, y))
        np.testing.assert_array_equal(a, b)
    assert len(g.paths) == 1
    locked = X.copy()
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        g(locked, 1.0)


def test_writes_into_arrays_that_overlap() -> None:
    def f(x: Any, y: Any) -> Any:
        x += 1.0
        return y.sum()

    g = wg.jit(f)
    same(g(X.copy(), X.copy()), f(X.copy(), X.copy()))
    a, b = X.copy(), X.copy()
    same(g(a, a), f(b, b))
    np.testing.assert_array_equal(a, b)


def test_results_are_nobody_elses_memory() -> None:
    f = wg.jit(lambda x: (x, x[1:], x, np.ones(3)))
    f(X)
    for y in (*f(X), *f(X)):
        assert not np.shares_memory(y, X)
        y[:] = 99.0
    same(f(X), (X, X[1:], X, np.ones(3)))


# Errors -------------------------------------------------------------------------------


def test_what_jit_refuses() -> None:
    with pytest.raises(wg.WengertError, match="jit takes a function"):
        wg.jit(3.0)
    with pytest.raises(wg.WengertError, match="generator"):
        wg.jit(lambda: (yield 1))
    with pytest.raises(wg.WengertError, match="backend is"):
        wg.jit(np.sin, backend="gpu")
    with pytest.raises(wg.WengertError, match=r"parameters x, n(.|\n)*'m'"):
        wg.jit(range_of, static_argnames="m")
    with pytest.raises(wg.WengertError, match="static_argnums=5"):
        wg.jit(range_of, static_argnums=5)
    with pytest.raises(wg.WengertError, match="a position"):
        wg.jit(range_of, static_argnums="n")
    with pytest.raises(wg.WengertError, match=r"hashable(.|\n)*list"):
        wg.jit(range_of, static_argnums=1)(X, [2])


def test_errors_are_the_functions_own_and_leave_jit_usable() -> None:
    def f(x: Any, y: Any) -> Any:
        if x.sum() < 0:
            raise KeyError("negative")
        return x + y

    g = wg.jit(f)
    for _ in range(2):
        with pytest.raises(KeyError, match="negative"):
            g(-np.abs(X), X)
        with pytest.raises(ValueError, match="broadcast"):
            g(X, X[:2])
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            g(X)
        same(g(X, X), X + X)
    h = wg.jit(np.linalg.inv)
    same(h(np.eye(2) * 2.0), np.eye(2) / 2.0)
    with pytest.raises(np.linalg.LinAlgError):
        h(np.zeros((2, 2)))


def test_float_of_a_value_being_differentiated_raises() -> None:
    with pytest.raises(wg.WengertError, match="stop_gradient"):
        wg.grad(wg.jit(lambda x: float_of(x).sum()))(X)
    with pytest.raises(wg.WengertError, match="stop_gradient"):
        wg.jit(wg.grad(lambda x: float_of(x).sum()))(X)


# How it is made -----------------------------------------------------------------------


def test_decorators_methods_and_statics() -> None:
    @wg.jit
    def a(x: Any) -> Any:
        """Doc."""
        return x * 2

    @wg.jit(static_argnames="n", max_paths=4)
    def b(x: Any, n: int = 2) -> Any:
        return range_of(x, n)

    assert a.__name__ == "a"
    assert a.__doc__ == "Doc."
    same(a(X), X * 2)
    for n in (1, 2, 1):
        same(b(X, n), range_of(X, n))
        same(b(X, n=n), range_of(X, n))
    same(b(X), range_of(X, 2))

    class Layer:
        def __init__(self, w: Any) -> None:
            self.w = w

        @wg.jit
        def __call__(self, x: Any) -> Any:
            return x @ self.w

        @wg.jit
        def twice(self, x: Any) -> Any:
            return self(x) * 2

    for w in (X, X + 1.0):
        same(Layer(w)(X), X @ w)
        same(Layer(w).twice(X), X @ w * 2)
    assert len(Layer.twice.paths) == 1


def test_dataclasses_are_containers() -> None:
    calls = (Model(X, 1.0), X), (Model(-X, 2.0), X)
    f = agree(lambda m, x: (m.w @ x + m.b).sum(), *calls)
    assert len(f.paths) == 1


def test_recursion() -> None:
    @wg.jit
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    same(power(X, 5), X**5)
    same(power(X, 5), X**5)


def test_two_threads_at_first() -> None:
    f = wg.jit(newton)
    start = threading.Barrier(4)
    found: list[Any] = []

    def run() -> None:
        start.wait()
        found.extend(f(np.float64(x)) for x in (1.0, 1.1, 1.2, 2.0, 9.0))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(found, [math.sqrt(2.0)] * 20, rtol=1e-12)
    counts = {len(p.graph.guards) for p in f.paths}
    assert len(counts) == len(f.paths)  # no path twice


def test_report_paths_graph_and_clear() -> None:
    f = wg.jit(CASES["if"][0], backend="numpy")
    f(X)
    f(-X)
    report = f.report()
    assert [p.calls for p in report.paths] == [1, 1]
    assert report.paths[0].reason == "first call"
    assert "bool() was True" in report.paths[1].reason
    assert "x: f64[3]" in str(report)
    assert "test_paths.py" in str(report)
    assert report.paths[0].backend == "numpy"
    assert f.graph(X).counts() == f.paths[0].graph.counts()
    f.clear()
    assert f.paths == []
    same(f(X), X)


def test_printing_happens_while_staging_only() -> None:
    seen: list[int] = []

    @wg.jit
    def f(x: Any) -> Any:
        seen.append(1)
        return x * 2

    with warnings.catch_warnings():
        for _ in range(3):
            same(f(X), X * 2)
    assert seen == [1]
    assert len(f.paths) == 1


def test_the_rank_of_least_squares_is_a_guard() -> None:
    full = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    flat, y = np.ones((3, 2)), np.array([1.0, 2.0, 4.0])
    f = wg.jit(lambda a: np.linalg.lstsq(a, y, rcond=None)[1])
    for a in (full, flat, full, flat):
        wanted = np.linalg.lstsq(a, y, rcond=None)[1]
        assert f(a).shape == wanted.shape
        np.testing.assert_allclose(f(a), wanted)
    assert len(f.paths) == 2


def test_second_derivatives_of_a_number_are_scalars() -> None:
    for x in (3.0, np.float64(3.0)):
        same(wg.jit(wg.hessian(lambda x: x**3))(x), wg.hessian(lambda x: x**3)(x))
        same(wg.jit(wg.jacrev(lambda x: x**3))(x), wg.jacrev(lambda x: x**3)(x))


def test_the_report_names_static_and_keyword_arguments() -> None:
    @wg.jit(static_argnames="mode")
    def f(x, mode, scale=1.0):
        return np.sum(x["a"]) * (2.0 if mode == "twice" else scale)

    f({"a": np.ones(3)}, "twice")
    f({"a": np.ones(3)}, "once")
    f(x={"a": np.ones(2)}, mode="once", scale=3.0)
    first, second, third = f.report().paths
    assert first.reason == "first call, with mode='twice'"
    assert second.reason.endswith("a static one of another value: mode='once'")
    assert first.signature == second.signature == "x['a']: f64[3]"
    assert third.signature == "scale: float, x['a']: f64[2]"


def test_the_report_says_why_rules_of_their_own_run_on_the_host() -> None:
    f = wg.jit(lambda x: np.sum(wg.checkpoint(np.sin)(x)))
    f(np.ones(3))
    (path,) = f.report().paths
    assert path.host == {"checkpoint": "it is a function with a rule of its own"}
