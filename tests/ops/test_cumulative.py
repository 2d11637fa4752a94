"""Running reductions: every row runs every check, then zeros, ties and infinities."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import bind
from wengert.core.types import Type
from wengert.graph.stage import trace
from wengert.ops.cumulative import RECURRENCE
from wengert.testing import Scenario, check_scenario
from wengert.transforms.forward import jvp
from wengert.transforms.reverse import vjp

rng = np.random.default_rng(0)
A = rng.standard_normal((2, 3, 4))
B = rng.standard_normal((3, 4))
V = np.array([0.7, -1.3, 2.1, 0.4, -0.2])
Z = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
S = np.float64(0.7)
LONG = rng.uniform(0.8, 1.2, 30)
NO_ROWS, NO_COLUMNS = np.zeros((0, 3)), np.zeros((3, 0))


def _all_kinds(name: str, f: Callable[..., Any]) -> list[Scenario]:
    """One function along each axis."""
    return [
        Scenario(f"{name}_1d", lambda x: f(x, 0) ** 2, (V,)),
        Scenario(f"{name}_first", lambda x: f(x, 0) ** 2, (A,)),
        Scenario(f"{name}_middle", lambda x: f(x, 1) ** 2, (A,)),
        Scenario(f"{name}_negative", lambda x: f(x, -1) ** 2, (A,)),
        Scenario(f"{name}_one", lambda x: f(x, 0) ** 2, (V[:1],)),
        Scenario(f"{name}_no_rows", lambda x: f(x, 0), (NO_ROWS,)),
        Scenario(f"{name}_no_columns", lambda x: f(x, 0), (NO_COLUMNS,)),
    ]


def _recurrence(reverse: bool, axis: int) -> Callable[..., Any]:
    return lambda a, u: bind(RECURRENCE, a, u, axis=axis, reverse=reverse) ** 2


SCENARIOS = [
    *_all_kinds("cumsum", np.cumsum),
    *_all_kinds("cumprod", np.cumprod),
    *_all_kinds("cummax", np.maximum.accumulate),
    *_all_kinds("cummin", np.minimum.accumulate),
    *_all_kinds("cumlogsumexp", np.logaddexp.accumulate),
    *_all_kinds("cumlogsumexp2", np.logaddexp2.accumulate),
    Scenario("cumsum_flat", lambda x: np.cumsum(x) ** 2, (B,)),
    Scenario("cumsum_0d", lambda x: np.cumsum(x) ** 2, (S,)),
    Scenario("cumsum_complex", lambda z: np.cumsum(z, 1) ** 2, (Z,)),
    Scenario("cumsum_dtype", lambda x: np.cumsum(x, dtype=np.float64) ** 2, (V,)),
    Scenario("cumsum_method", lambda x: x.cumsum(1) ** 2, (B,)),
    Scenario("cumprod_flat", lambda x: np.cumprod(x), (B,)),
    Scenario("cumprod_0d", lambda x: np.cumprod(x) ** 2, (S,)),
    Scenario("cumprod_complex", lambda z: np.cumprod(z, -1), (Z,)),
    Scenario("cumprod_long", np.cumprod, (LONG,)),
    Scenario("cumprod_zeros", lambda x: np.cumprod(x * [1, 0, 1, 0, 1]), (V,)),
    Scenario("add_accumulate", lambda x: np.add.accumulate(x) ** 2, (B,)),
    Scenario("multiply_accumulate", lambda x: np.multiply.accumulate(x, 1), (B,)),
    Scenario("cummax_complex", lambda z: np.maximum.accumulate(z, 1) ** 2, (Z,)),
    Scenario("cumulative_sum", lambda x: np.cumulative_sum(x) ** 2, (V,)),
    Scenario(
        "cumulative_sum_initial",
        lambda x: np.cumulative_sum(x, axis=-1, include_initial=True) ** 2,
        (B,),
    ),
    Scenario("cumulative_prod", lambda x: np.cumulative_prod(x, axis=0), (B,)),
    Scenario(
        "cumulative_prod_initial",
        lambda x: np.cumulative_prod(x, include_initial=True),
        (V,),
    ),
    Scenario("nancumsum", lambda x: np.nancumsum(np.where(B > 1, np.nan, x), 1), (B,)),
    Scenario("nancumprod", lambda x: np.nancumprod(np.where(B > 1, np.nan, x)), (B,)),
    Scenario("recurrence", _recurrence(False, 0), (B, B[::-1] + 0.1)),
    Scenario("recurrence_wide", _recurrence(False, 1), (V[None], V[None] + 1)),
    Scenario("recurrence_reverse", _recurrence(True, 1), (B, B[::-1] + 0.1)),
    Scenario("recurrence_complex", _recurrence(True, 1), (Z, Z + 1j)),
    Scenario("reduceat", lambda x: np.add.reduceat(x**2, [0, 3, 4]), (V,)),
    Scenario("reduceat_overlap", lambda x: np.add.reduceat(x**2, [1, 4, 0, 2]), (V,)),
    Scenario("reduceat_repeat", lambda x: np.add.reduceat(x**2, [2, 2, 0]), (V,)),
    Scenario("reduceat_axis", lambda x: np.add.reduceat(x**2, [0, 2], axis=-1), (A,)),
    Scenario("reduceat_none", lambda x: np.add.reduceat(x, np.zeros(0, int)), (V,)),
    Scenario(
        "reduceat_dtype",
        lambda x: np.add.reduceat(x, [0, 2], dtype=np.float64) ** 2,
        (V,),
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


INF, NAN = np.inf, np.nan
# (name, function, point, cotangent, gradient)
POINTS: list[tuple[str, Callable[..., Any], Any, Any, Any]] = [
    ("cumprod_zero", np.cumprod, [2.0, 0, 3], [1.0, 1, 1], [1.0, 8, 0]),
    ("cumprod_zeros", np.cumprod, [0.0, 0, 3], [1.0, 1, 1], [1.0, 0, 0]),
    ("cumprod_tiny", np.cumprod, [1e-200, 1e-200, 1e300], [0.0, 0, 1],
     [1e100, 1e100, 0]),
    ("cumprod_unused", np.cumprod, [2.0, 3, NAN], [1.0, 1, 0], [4.0, 2, 0]),
    ("cumprod_unused_inf", np.cumprod, [2.0, 3, INF, 0], [0.0, 1, 0, 0],
     [3.0, 2, 0, 0]),
    ("cummax_ties", np.maximum.accumulate, [2.0, 2, 1, 2], [1.0, 10, 100, 1000],
     [1 + 5 + 50 + 1000 / 3, 5 + 50 + 1000 / 3, 0, 1000 / 3]),
    ("cummax_new", np.maximum.accumulate, [2.0, 2, 3, 3], [1.0, 10, 100, 1000],
     [6.0, 5, 600, 500]),
    ("cummax_nan", np.maximum.accumulate, [2.0, NAN, 3, NAN], [1.0, 10, 100, 1000],
     [1.0, 610, 0, 500]),
    ("cummin_inf", np.minimum.accumulate, [INF, -INF, 3], [1.0, 10, 100],
     [1.0, 110, 0]),
    ("cumlogsum_inf", np.logaddexp.accumulate, [-INF, 0.0, 1000], [1.0, 10, 100],
     [1.0, 10, 100]),
    ("cumlogsum_minus_inf", np.logaddexp.accumulate, [-INF, -INF], [1.0, 10],
     [6.0, 5]),
    ("cumlogsum_plus_inf", np.logaddexp.accumulate, [0.0, INF, 0], [1.0, 10, 100],
     [1.0, 110, 0]),
    ("cumlogsum_tie", np.logaddexp.accumulate, [3.0, 3], [1.0, 10], [6.0, 5]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("f", "x", "ct", "wanted"), [p[1:] for p in POINTS], ids=[p[0] for p in POINTS]
)
def test_special_points(f: Any, x: Any, ct: Any, wanted: Any) -> None:
    x, ct = np.array(x), np.array(ct)
    with np.errstate(all="ignore"):
        got = vjp(f, x)[1](ct)[0]
        staged = trace(lambda x, ct: vjp(f, x)[1](ct)[0], x, ct)(x, ct)
        ahead = [jvp(f, (x,), (e,))[1] for e in np.eye(x.size)]
    np.testing.assert_allclose(got, wanted, rtol=1e-13)
    np.testing.assert_allclose(staged, wanted, rtol=1e-13)
    used = ct != 0
    np.testing.assert_allclose(np.array(ahead)[:, used] @ ct[used], wanted, rtol=1e-13)


def test_second_order_of_cumprod_with_zeros() -> None:
    x, ct, v = np.array([0.0, 2, 0, 3]), np.array([1.0, 10, 100, 1000]), np.ones(4)

    def ours(x: Any) -> Any:
        return np.sum(np.cumprod(x) * ct)

    def polynomial(x: Any) -> Any:
        total, run = 0.0, 1.0
        for k in range(4):
            run = run * x[k]
            total = total + run * ct[k]
        return total

    wanted = jvp(wg.grad(polynomial), (x,), (v,))[1]
    assert np.count_nonzero(wanted) == 3
    np.testing.assert_allclose(jvp(wg.grad(ours), (x,), (v,))[1], wanted, rtol=1e-13)
    by_reverse = wg.grad(lambda x: np.sum(wg.grad(ours)(x) * v))(x)
    np.testing.assert_allclose(by_reverse, wanted, rtol=1e-13)
    by_forward = wg.grad(lambda x: jvp(ours, (x,), (v,))[1])(x)
    np.testing.assert_allclose(by_forward, wanted, rtol=1e-13)


def test_second_order_of_cumlogsumexp_at_a_tie() -> None:
    x, v = np.array([1.0, 1.0]), np.array([1.0, -1.0])
    got = jvp(wg.grad(lambda x: np.logaddexp.accumulate(x)[1]), (x,), (v,))[1]
    np.testing.assert_allclose(got, [0.5, -0.5], rtol=1e-14)


@pytest.mark.parametrize("dtype", "efdgFD")
@pytest.mark.parametrize("shape", [(40,), (40, 2), (3, 5)])
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence_is_the_loop(dtype: str, shape: Any, reverse: bool) -> None:
    r = np.random.default_rng(1)
    a = r.uniform(-1, 1, shape).astype(dtype)
    u = r.uniform(-1, 1, shape).astype(dtype)
    wanted = u.copy()
    order = range(len(u) - 2, -1, -1) if reverse else range(1, len(u))
    for k in order:
        wanted[k] = u[k] + a[k] * wanted[k + 1 if reverse else k - 1]
    got = bind(RECURRENCE, a, u, axis=0, reverse=reverse)
    assert got.dtype == wanted.dtype
    tolerance = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_recurrence_of_a_million_terms() -> None:
    n = 1_000_000
    x = np.ones(n)
    g = wg.grad(lambda x: np.cumprod(x)[-1])(x)
    np.testing.assert_array_equal(g, x)


DTYPES = ("?", "b", "B", "i", "l", "e", "f", "d", "g", "F", "D")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.logaddexp])
def test_value_and_dtype_are_numpys(ufunc: Any, dtype: str) -> None:
    x = np.array([1, 0, 1]).astype(dtype)
    if ufunc is np.logaddexp and x.dtype.kind == "c":
        with pytest.raises(TypeError):
            trace(ufunc.accumulate, x)
        return
    wanted = ufunc.accumulate(x)
    graph = trace(ufunc.accumulate, x)
    graph.check()
    assert graph.outputs[0].type == Type(np.shape(wanted), wanted.dtype)
    got = [graph(x), wg.vmap(ufunc.accumulate)(np.stack([x, x]))[0]]
    if x.dtype.kind in "fc":
        got.append(vjp(ufunc.accumulate, x)[0])
    for y in got:
        assert y.dtype == wanted.dtype
        np.testing.assert_array_equal(y, wanted)


def test_reduceat_of_integers() -> None:
    starts = np.array([0, 2])
    graph = trace(np.add.reduceat, np.arange(4, dtype=np.int8), starts)
    np.testing.assert_array_equal(graph(np.arange(4, dtype=np.int8), starts), [1, 5])
    assert graph.outputs[0].type.dtype == np.int64


def test_reduceat_under_vmap_over_the_starts() -> None:
    starts = np.array([[0, 2], [3, 1], [4, 4]])

    def f(s: Any) -> Any:
        return wg.grad(lambda x: np.sum(np.add.reduceat(x**2, s) * [1.0, 10.0]))(V)

    np.testing.assert_array_equal(wg.vmap(f)(starts), [f(s) for s in starts])


def test_out_is_written_and_returned() -> None:
    def f(x: Any) -> Any:
        out = np.zeros_like(x)
        assert np.cumsum(x, out=out) is out
        assert np.cumprod(out, out=out) is out
        return np.sum(out)

    np.testing.assert_allclose(
        wg.grad(f)(V), wg.grad(lambda x: np.sum(np.cumprod(np.cumsum(x))))(V)
    )


ERRORS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: np.cumsum(x, axis=2), B),
    (lambda x: np.cumprod(x, axis=-3), B),
    (lambda x: np.cumulative_sum(x), B),
    (lambda x: np.add.accumulate(x), S),
    (lambda x: np.add.accumulate(x, axis=2), B),
    (lambda x: np.add.reduceat(x, [0, 9]), V),
]


@pytest.mark.parametrize(("f", "x"), ERRORS)
def test_errors_are_numpys(f: Callable[..., Any], x: Any) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)) as wanted:
        f(x)
    with pytest.raises(wanted.type) as got:
        vjp(f, x)
    assert str(wanted.value) in str(got.value)
