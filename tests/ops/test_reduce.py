"""Reductions: every row runs every check of the runner, then special points."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.types import Type
from wengert.graph.stage import trace
from wengert.testing import Scenario, check_scenario
from wengert.transforms.forward import jvp
from wengert.transforms.reverse import vjp

rng = np.random.default_rng(0)
A = rng.standard_normal((2, 3, 4))
B = rng.standard_normal((3, 4))
V = np.array([0.7, -1.3, 2.1, 0.4])
Z = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
S = np.float64(0.7)
MASK = np.array([[True, False, True, True], [False, True, False, True], [True] * 4])
HOLE = np.array([[True, False, True, True], [False] * 4, [True] * 4])


def _all_kinds(name: str, f: Callable[..., Any]) -> list[Scenario]:
    """One function with every form of axis and keepdims."""
    return [
        Scenario(f"{name}_all", lambda x: f(x) ** 2, (A,)),
        Scenario(f"{name}_axis", lambda x: f(x, axis=1) ** 2, (A,)),
        Scenario(f"{name}_negative", lambda x: f(x, axis=-1) ** 2, (A,)),
        Scenario(f"{name}_tuple", lambda x: f(x, axis=(2, 0)) ** 2, (A,)),
        Scenario(f"{name}_none", lambda x: f(x, axis=()) ** 2, (V,)),
        Scenario(f"{name}_kept", lambda x: f(x, axis=-2, keepdims=True) * x, (A,)),
        Scenario(f"{name}_kept_all", lambda x: f(x, keepdims=True) * x, (B,)),
        Scenario(f"{name}_0d", lambda x: f(x) * x, (S,)),
        Scenario(f"{name}_no_slices", lambda x: f(x, axis=1), (np.zeros((0, 3)),)),
    ]


SCENARIOS = [
    *_all_kinds("sum", np.sum),
    Scenario("sum_0d_axis", lambda x: np.sum(x, axis=0) * x, (S,)),
    Scenario("max_0d_axis", lambda x: np.max(x, axis=-1) * x, (S,)),
    *_all_kinds("prod", np.prod),
    *_all_kinds("mean", np.mean),
    *_all_kinds("var", np.var),
    *_all_kinds("max", np.max),
    *_all_kinds("min", np.min),
    *_all_kinds("ptp", np.ptp),
    Scenario("std_all", lambda x: np.std(x) ** 3, (A,)),
    Scenario("std_axis", lambda x: np.std(x, axis=1), (A,)),
    Scenario("std_tuple", lambda x: np.std(x, axis=(0, -1)), (A,)),
    Scenario("std_kept", lambda x: x / np.std(x, axis=-2, keepdims=True), (A,)),
    Scenario("std_ddof", lambda x: np.std(x, ddof=1, axis=0), (B,)),
    Scenario("std_correction", lambda x: np.std(x, correction=1.5, axis=0), (B,)),
    Scenario("std_where", lambda x: np.std(x, where=MASK, axis=1), (B,)),
    Scenario("std_mean", lambda x, m: np.std(x, mean=m), (B, S)),
    Scenario("sum_empty", lambda x: np.sum(x, axis=0), (np.zeros((0, 3)),)),
    Scenario("prod_empty", lambda x: np.prod(x, axis=0), (np.zeros((0, 3)),)),
    Scenario("prod_empty_both", lambda x: np.prod(x, axis=1), (np.zeros((0, 0)),)),
    Scenario("sum_where", lambda x: np.sum(x**2, where=MASK, axis=1), (B,)),
    Scenario("sum_where_row", lambda x: np.sum(x**2, where=MASK[0]), (B,)),
    Scenario("sum_hole", lambda x: np.sum(x**2, where=HOLE, axis=1), (B,)),
    Scenario("sum_initial", lambda x: np.sum(x, initial=x[0, 1]) ** 2, (B,)),
    Scenario("sum_dtype", lambda x: np.sum(x, dtype=np.float64) ** 2, (B,)),
    Scenario("sum_method", lambda x: x.sum(0) ** 2, (B,)),
    Scenario("sum_complex", lambda z: np.sum(z, axis=0) ** 2, (Z,)),
    Scenario("prod_where", lambda x: np.prod(x, where=MASK, axis=0), (B,)),
    Scenario("prod_initial", lambda x: np.prod(x, initial=x[0, 1]) ** 2, (B,)),
    Scenario("prod_complex", lambda z: np.prod(z, axis=1), (Z,)),
    Scenario("prod_one_zero", lambda x: np.prod(x * [1, 1, 0, 1]), (V,)),
    Scenario("mean_where", lambda x: np.mean(x**2, where=MASK, axis=1), (B,)),
    Scenario("mean_dtype", lambda x: np.mean(x**2, dtype=np.float64), (B,)),
    Scenario("mean_complex", lambda z: np.mean(z) ** 2, (Z,)),
    Scenario("var_where", lambda x: np.var(x, where=MASK, axis=1), (B,)),
    Scenario("var_where_row", lambda x: np.var(x, where=MASK[0]), (B,)),
    Scenario("var_ddof", lambda x: np.var(x, ddof=1, axis=0), (B,)),
    Scenario("var_where_ddof", lambda x: np.var(x, 1, ddof=1, where=MASK), (B,)),
    Scenario("var_complex_mean", lambda z: np.var(z, mean=0.5 + 0.1j), (Z,)),
    Scenario("maximum_dtype", lambda x: np.maximum.reduce(x, dtype="d") ** 2, (B,)),
    Scenario("var_mean", lambda x, m: np.var(x, mean=m), (B, S)),
    Scenario("var_mean_where", lambda x: np.var(x, mean=0.5, where=MASK, axis=0), (B,)),
    Scenario("var_dtype", lambda x: np.var(x, dtype=np.float64), (B,)),
    Scenario("var_complex", lambda z: np.var(z, axis=1), (Z,)),
    Scenario("var_complex_where", lambda z: np.var(z, where=MASK[:2, 1:]), (Z,)),
    Scenario("std_complex", lambda z: np.std(z, axis=0), (Z,)),
    Scenario("max_where", lambda x: np.max(x, where=MASK, initial=-9.0, axis=0), (B,)),
    Scenario("min_where", lambda x: np.min(x, where=MASK, initial=9.0, axis=0), (B,)),
    Scenario(
        "max_initial", lambda x: np.max(x[:2], initial=x[2, 1], axis=0) ** 2, (B,)
    ),
    Scenario("max_complex", lambda z: np.max(z, axis=1) ** 2, (Z,)),
    Scenario("ptp_method", lambda x: np.ptp(x, -1) ** 2, (B,)),
    Scenario("add_reduce", lambda x: np.add.reduce(x**2), (B,)),
    Scenario("multiply_reduce", lambda x: np.multiply.reduce(x, (0, 1)), (B,)),
    Scenario("maximum_reduce", lambda x: np.maximum.reduce(x, -1) ** 2, (B,)),
    Scenario("minimum_reduce", lambda x: np.minimum.reduce(x, keepdims=True), (B,)),
    Scenario("fmax_reduce", lambda x: np.fmax.reduce(x, 1) ** 2, (B,)),
    Scenario("fmin_reduce", lambda x: np.fmin.reduce(x, None) ** 2, (B,)),
    Scenario("logical_reduce", lambda x: x * np.logical_and.reduce(x > 0), (B,)),
    Scenario(
        "logical_initial",
        lambda x: x * np.logical_or.reduce(x > 9, 1, initial=True, keepdims=True),
        (B,),
    ),
    Scenario("logaddexp_reduce", lambda x: np.logaddexp.reduce(x), (B,)),
    Scenario(
        "logaddexp_axis", lambda x: np.logaddexp.reduce(x, -1, keepdims=True), (A,)
    ),
    Scenario("logaddexp_axes", lambda x: np.logaddexp.reduce(x, (0, 2)), (A,)),
    Scenario("logaddexp_where", lambda x: np.logaddexp.reduce(x, where=MASK), (B,)),
    Scenario("logaddexp_initial", lambda x: np.logaddexp.reduce(x, initial=0.5), (B,)),
    Scenario("logaddexp2_reduce", lambda x: np.logaddexp2.reduce(x, None), (B,)),
    Scenario("choice_by_argmax", lambda x: x[np.argmax(x, axis=0), 1] ** 2, (B,)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


def _gradient(f: Callable[..., Any], x: Any) -> Any:
    """By reverse mode; forward and staged reverse mode must give the same."""
    x = np.asarray(x)
    got = wg.grad(f)(x)
    with np.errstate(all="ignore"):
        staged = trace(wg.grad(f), x)(x)
        ahead = [jvp(f, (x,), (e.reshape(x.shape),))[1] for e in np.eye(x.size)]
    np.testing.assert_allclose(staged, got, rtol=1e-13)
    np.testing.assert_allclose(np.reshape(ahead, x.shape), got, rtol=1e-13)
    return got


# special points -------------------------------------------------------------------

INF, NAN = np.inf, np.nan
POINTS: list[tuple[str, Callable[..., Any], Any, Any]] = [
    ("prod_zero", np.prod, [2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
    ("prod_zeros", np.prod, [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ("prod_all_zeros", np.prod, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ("prod_tiny", np.prod, [1e-200, 1e-200, 1e300], [1e100, 1e100, 0.0]),
    ("prod_inf_unused", lambda x: np.prod(x.reshape(2, 2), 1)[0], [2.0, 3, NAN, INF],
     [3.0, 2.0, 0.0, 0.0]),
    ("max_tie", np.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
    ("max_ties", np.max, [2.0, 2.0, 2.0, 2.0], [0.25] * 4),
    ("min_tie", np.min, [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
    ("max_inf", np.max, [1.0, INF, -INF], [0.0, 1.0, 0.0]),
    ("max_minus_inf", np.max, [-INF, -INF], [0.5, 0.5]),
    ("max_nan", np.max, [1.0, NAN, 5.0], [0.0, 1.0, 0.0]),
    ("min_nan", np.min, [NAN, NAN, 5.0], [0.5, 0.5, 0.0]),
    ("ptp_equal", np.ptp, [2.0, 2.0], [0.0, 0.0]),
    ("var_one", np.var, [2.0], [0.0]),
    ("var_one_left", lambda x: np.var(x, where=[False, True]), [2.0, 3.0], [0.0, 0.0]),
    ("std_equal", np.std, [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    ("std_one", np.std, [2.0], [0.0]),
    ("std_equal_rows", lambda x: np.std(x.reshape(2, 2), axis=1)[0], [1.0, 3, 2, 2],
     [-0.5, 0.5, 0.0, 0.0]),
    ("std_sum_rows", lambda x: np.sum(np.std(x.reshape(2, 2), axis=1)),
     [1.0, 3, 2, 2], [-0.5, 0.5, 0.0, 0.0]),
    ("var_nan_unused", lambda x: np.var(x.reshape(2, 2), axis=1)[0], [1.0, 3, 2, NAN],
     [-1.0, 1.0, 0.0, 0.0]),
    ("sum_masked", lambda x: np.sum(x, where=[True, False, False]), [1.0, NAN, INF],
     [1.0, 0.0, 0.0]),
    ("prod_masked", lambda x: np.prod(x, where=[True, False, True]), [2.0, NAN, 3.0],
     [3.0, 0.0, 2.0]),
    ("mean_masked", lambda x: np.mean(x, where=[True, False, True]), [2.0, INF, 3.0],
     [0.5, 0.0, 0.5]),
    ("var_masked", lambda x: np.var(x, where=[True, False, True]), [2.0, NAN, 4.0],
     [-1.0, 0.0, 1.0]),
    ("std_masked", lambda x: np.std(x, where=[True, False, True]), [2.0, NAN, 4.0],
     [-0.5, 0.0, 0.5]),
    ("std_masked_mean", lambda x: np.std(x, where=[True, False, True], mean=3.0),
     [2.0, NAN, 4.0], [-0.5, 0.0, 0.5]),
    ("max_masked", lambda x: np.max(x, where=[True, False, True], initial=0.0),
     [2.0, NAN, 4.0], [0.0, 0.0, 1.0]),
    ("max_all_masked", lambda x: np.max(x, where=[False, False], initial=0.0),
     [NAN, 4.0], [0.0, 0.0]),
    ("masked_after_sqrt", lambda x: np.sum(np.sqrt(x), where=x > 0), [4.0, 0.0, -1.0],
     [0.25, 0.0, 0.0]),
    ("logsum_inf", np.logaddexp.reduce, [-INF, 0.0], [0.0, 1.0]),
    ("logsum_all_minus_inf", np.logaddexp.reduce, [-INF, -INF], [0.5, 0.5]),
    ("logsum_plus_inf", np.logaddexp.reduce, [INF, 0.0, INF], [0.5, 0.0, 0.5]),
    ("logsum_far", np.logaddexp.reduce, [1000.0, -1000.0], [1.0, 0.0]),
    ("logsum_one", np.logaddexp.reduce, [3.0], [1.0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "f", "x", "wanted"), POINTS, ids=[p[0] for p in POINTS]
)
def test_special_points(name: str, f: Any, x: Any, wanted: Any) -> None:
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(_gradient(f, x), wanted, rtol=1e-12)


def test_mean_of_nothing_is_nan_and_leaves_other_slices_alone() -> None:
    def f(x: Any) -> Any:
        y = np.mean(x, where=HOLE, axis=1)
        return np.sum(np.where(np.isnan(y), 0.0, y))

    with np.errstate(invalid="ignore"):
        got = wg.grad(f)(B)
    wanted = np.where(HOLE, 1.0 / np.maximum(HOLE.sum(1, keepdims=True), 1), 0.0)
    np.testing.assert_allclose(got, wanted)


def test_second_order_of_prod_with_zeros() -> None:
    x = np.array([0.0, 3.0, 0.0])
    v = np.array([1.0, 1.0, 1.0])
    got = jvp(wg.grad(np.prod), (x,), (v,))[1]
    np.testing.assert_allclose(got, [3.0, 0.0, 3.0])
    got = wg.grad(lambda x: np.dot(wg.grad(np.prod)(x), v))(x)
    np.testing.assert_allclose(got, [3.0, 0.0, 3.0])


@pytest.mark.parametrize("x", [np.full(3, 2.0), np.full(1, 2.0), np.zeros(4)])
def test_second_order_of_std_of_equal_values_is_finite(x: Any) -> None:
    v = np.arange(1.0, x.size + 1)
    np.testing.assert_array_equal(jvp(wg.grad(np.std), (x,), (v,))[1], 0 * x)
    np.testing.assert_array_equal(
        wg.grad(lambda x: np.sum(wg.grad(np.std)(x) * v))(x), 0 * x
    )


def test_second_order_of_logsum_is_the_covariance_of_its_shares() -> None:
    x = np.array([0.3, 0.3, 2.0])
    p = np.exp(x) / np.exp(x).sum()
    v = np.array([1.0, -2.0, 0.5])
    got = jvp(wg.grad(np.logaddexp.reduce), (x,), (v,))[1]
    np.testing.assert_allclose(got, (np.diag(p) - np.outer(p, p)) @ v, rtol=1e-13)


# dtypes ---------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "var": np.var, "std": np.std,
    "max": np.max, "min": np.min, "all": np.all, "any": np.any,
    "argmax": np.argmax, "argmin": np.argmin, "count_nonzero": np.count_nonzero,
    "sum_axis": lambda x: np.sum(x, axis=0),
    "sum_initial": lambda x: np.sum(x, initial=2.0),
    "sum_where": lambda x: np.sum(x, where=np.array([True, False])),
    "mean_where": lambda x: np.mean(x, where=np.array([True, False])),
    "mean_where_axis": lambda x: np.mean(x, axis=0, where=np.array([[True], [False]])),
    "var_where": lambda x: np.var(x, where=np.array([True, False])),
    "var_mean": lambda x: np.var(x, mean=1.0),
    "max_initial": lambda x: np.max(x, initial=1),
    "max_where": lambda x: np.max(x, initial=1, where=np.array([True, False])),
    "sum_f4": lambda x: np.sum(x, dtype=np.float32),
    "mean_f4": lambda x: np.mean(x, dtype=np.float32),
    "var_f4": lambda x: np.var(x, dtype=np.float32),
    "logsum": lambda x: np.logaddexp.reduce(x),
    "add_reduce": lambda x: np.add.reduce(x, dtype=np.float64),
}  # fmt: skip
DTYPES = ("?", "b", "B", "i", "l", "e", "f", "d", "g", "F", "D")


# The complex ones left out drop the imaginary part, or don't exist.
_REAL_ONLY = ("sum_f4", "mean_f4", "var_f4", "logsum", "add_reduce")
COMBINATIONS = [
    (name, dtype)
    for name in FUNCTIONS
    for dtype in DTYPES
    if dtype not in "FD" or name not in _REAL_ONLY
]


@pytest.mark.parametrize(("name", "dtype"), COMBINATIONS)
def test_value_and_dtype_are_numpys(name: str, dtype: str) -> None:
    f = FUNCTIONS[name]
    x = np.array([[1, 0], [1, 1]]).astype(dtype)
    wanted = f(x)
    graph = trace(f, x)
    graph.check()
    assert graph.outputs[0].type == Type(np.shape(wanted), wanted.dtype)
    got = [graph(x), wg.vmap(f)(np.stack([x, x]))[0]]
    if np.dtype(dtype).kind in "fc":
        got += [vjp(f, x)[0], jvp(f, (x,), (x,))[0]]
    for y in got:
        assert y.dtype == wanted.dtype
        np.testing.assert_array_equal(y, wanted)


def test_float16_sums_as_numpy() -> None:
    x = np.full(3000, 40.0, np.float16)
    y, pullback = vjp(np.mean, x)
    assert y == np.mean(x) == 40.0
    (g,) = pullback(np.float16(1))
    assert g.dtype == np.float16
    np.testing.assert_allclose(g, 1 / 3000, rtol=1e-3)


def test_sum_is_as_accurate_as_numpys() -> None:
    x = np.random.default_rng(0).uniform(size=100_001)
    assert vjp(np.sum, x)[0] == np.sum(x)
    assert vjp(np.mean, x)[0] == np.mean(x)
    assert vjp(np.var, x)[0] == np.var(x)


def test_integer_results_are_plain() -> None:
    seen = []

    def f(x: Any) -> Any:
        n = np.arange(6).reshape(2, 3)
        seen.append(np.sum(n, where=x > 0, axis=1))
        seen.extend([np.argmax(x), np.all(x), np.any(x > 1), np.count_nonzero(x > 0)])
        return np.sum(x)

    wg.grad(f)(np.arange(6.0).reshape(2, 3))
    assert [type(s) for s in seen] == [
        np.ndarray,
        np.int64,
        np.bool_,
        np.bool_,
        np.int64,
    ]
    np.testing.assert_array_equal(seen[0], [3, 12])


# out= -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, **k: np.sum(x**2, axis=0, **k),
        lambda x, **k: np.mean(x**2, axis=0, **k),
        lambda x, **k: np.var(x, axis=0, **k),
        lambda x, **k: np.std(x, axis=0, **k),
        lambda x, **k: np.prod(x, axis=0, **k),
        lambda x, **k: np.max(x, axis=0, **k),
        lambda x, **k: np.ptp(x, axis=0, **k),
        lambda x, **k: np.add.reduce(x**2, **k),
        lambda x, **k: np.logaddexp.reduce(x, **k),
    ],
)
def test_out_is_written_and_returned(f: Callable[..., Any]) -> None:
    def with_out(x: Any) -> Any:
        out = np.zeros_like(x[0])
        assert f(x, out=out) is out
        return np.sum(out * [1.0, 2.0, 3.0, 4.0])

    def without(x: Any) -> Any:
        return np.sum(f(x) * [1.0, 2.0, 3.0, 4.0])

    assert with_out(B) == without(B)
    np.testing.assert_array_equal(wg.grad(with_out)(B), wg.grad(without)(B))
    with pytest.raises(TypeError, match="plain array"):
        wg.grad(lambda x: np.sum(f(x, out=np.zeros(4))))(B)


def test_out_of_plain_results() -> None:
    def f(x: Any) -> Any:
        out = np.zeros(4, np.intp)
        assert np.argmax(x, axis=0, out=out) is out
        np.testing.assert_array_equal(out, np.argmax(B, axis=0))
        return np.sum(x)

    wg.grad(f)(B)


# errors ---------------------------------------------------------------------------

ERRORS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: np.sum(x, axis=[0, 1]), B),
    (lambda x: np.sum(x, axis=1.0), B),
    (lambda x: np.sum(x, axis=5), B),
    (lambda x: np.sum(x, axis=-3), B),
    (lambda x: np.sum(x, axis=(0, 2)), B),
    (lambda x: np.sum(x, axis=(0,)), S),
    (lambda x: np.max(x), np.zeros(0)),
    (lambda x: np.min(x, axis=0), np.zeros((0, 3))),
    (lambda x: np.max(x, axis=0), np.zeros((0, 0))),
    (lambda x: np.ptp(x), np.zeros(0)),
    (lambda x: np.argmax(x), np.zeros(0)),
    (lambda x: np.argmin(x, axis=0), np.zeros((0, 3))),
    (lambda x: np.argmax(x, axis=(0, 1)), B),
    (lambda x: np.argmax(x, axis=2), B),
    (lambda x: np.max(x, where=MASK), B),
    (lambda x: np.max(x, initial=[1.0]), B),
    (lambda x: np.sum(x, where=np.ones((3, 4), int)), B),
    (lambda x: np.var(x, ddof=1, correction=1), B),
    (lambda x: np.mean(x, axis=3), B),
    (lambda x: np.var(x, axis=[0]), B),
]


@pytest.mark.parametrize(("f", "x"), ERRORS)
def test_errors_are_numpys(f: Callable[..., Any], x: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as wanted:
        f(x)
    for run in (lambda: vjp(f, x), lambda: trace(f, x), lambda: jvp(f, (x,), (x,))):
        with pytest.raises(wanted.type) as got:
            run()
        assert str(wanted.value) in str(got.value)


@pytest.mark.parametrize("axis", [(0, 0), (0, -2)])
def test_duplicate_axes(axis: Any) -> None:
    with pytest.raises(ValueError, match="duplicate value in"):
        vjp(lambda x: np.sum(x, axis=axis), B)


def test_where_must_fit_the_array() -> None:
    with pytest.raises(ValueError, match="broadcasts to the shape"):
        vjp(lambda x: np.sum(x, where=np.ones((2, 3, 4), bool)), B)


def test_no_elements_with_initial() -> None:
    y, pullback = vjp(lambda x, i: np.max(x, axis=0, initial=i), np.zeros((0, 2)), 3.0)
    np.testing.assert_array_equal(y, [3.0, 3.0])
    assert pullback(np.ones(2))[1] == 2.0
    assert vjp(lambda x: np.min(x, initial=3.0), np.zeros(0))[0] == 3.0
