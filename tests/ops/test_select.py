"""Choosing by a condition, clipping, differences, interpolation, counting."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.testing import Scenario, check_scenario

rng = np.random.default_rng(0)
V = rng.standard_normal(5)
U = np.sort(rng.standard_normal(5))
A = rng.standard_normal((3, 4))
B = rng.standard_normal((3, 1))
Z = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
HALF = np.float64(0.5)
FAR = np.array([-9.0, -0.31, 0.12, 0.77, 9.0])
LOOSE = np.array([1.0, -np.inf, np.nan, np.inf, -2.0])

SCENARIOS = [
    Scenario("where", lambda x, y: np.where(x > y, x * y, x - y), (A, B)),
    Scenario("where_scalar", lambda x: np.where(A > 0, x, 0.0) ** 2, (A,)),
    Scenario(
        "where_plain_mask", lambda x, y: np.where([1, 0, 2, 0], x, y) * y, (A, HALF)
    ),
    Scenario("where_complex", lambda z, x: np.where(A > 0, z, x) ** 2, (Z, A)),
    Scenario(
        "where_zero_d", lambda x, y: np.where(x > y, x, y) ** 2, (HALF, np.float64(0.2))
    ),
    Scenario("where_places", lambda x: x[np.where(A > 0)] ** 2, (A,)),
    Scenario(
        "where_empty", lambda x: np.where(x > 0, x, 1.0) ** 2, (np.zeros((0, 2)),)
    ),
    Scenario(
        "select", lambda x, y: np.select([x > 1, x > 0], [x * y, y], x) * x, (A, B)
    ),
    Scenario(
        "select_default", lambda x: np.select([x > 1, x < 0], [x**2, x**3]) * x, (A,)
    ),
    Scenario(
        "select_broadcast",
        lambda x: np.select([A > 0, [True]], [1.0, x[0]], 3) * x,
        (A,),
    ),
    Scenario(
        "piecewise",
        lambda x: np.piecewise(x, [A < -0.5, A > 0.5], [np.sin, np.exp, 3.0]),
        (A,),
    ),
    Scenario(
        "piecewise_traced",
        lambda x: np.piecewise(x, [x < 0, x >= 0], [np.sin, lambda t: t * t]),
        (A,),
    ),
    Scenario(
        "piecewise_one", lambda x: np.piecewise(x, x > 0, [np.square, 1.5]) * x, (V,)
    ),
    Scenario(
        "piecewise_args",
        lambda x: np.piecewise(x, [x > 0], [lambda t, k, p=1: k * t**p], 3.0, p=2),
        (V,),
    ),
    Scenario(
        "piecewise_zero_d",
        lambda x: np.piecewise(x, [x > 0], [np.sin, np.cos]),
        (HALF,),
    ),
    Scenario("clip", lambda x: np.clip(x, -0.5, 0.6) * x, (A,)),
    Scenario(
        "clip_bounds", lambda x, a, b: np.clip(x, a, b) * x, (A, B - 1.0, B + 1.0)
    ),
    Scenario("clip_lower", lambda x: np.clip(x, 0.1, None) ** 2, (A,)),
    Scenario("clip_min_max", lambda x: np.clip(x, min=-0.5, max=0.5) * x, (A,)),
    Scenario("clip_nothing", lambda x: np.clip(x) ** 2, (A,)),
    Scenario("clip_method", lambda x: x.clip(-0.5, 0.5) * x, (A,)),
    Scenario("clip_crossed", lambda x: np.clip(x, 0.7, 0.2) * x, (A,)),
    Scenario("clip_dtype", lambda x: np.clip(x, -0.5, 0.5, dtype=np.float64) * x, (A,)),
    Scenario(
        "nan_to_num", lambda x: np.nan_to_num(np.where(V > 0, np.nan, x)) * x, (V,)
    ),
    Scenario(
        "nan_to_num_values",
        lambda x: np.nan_to_num(x + LOOSE, nan=2.0, posinf=3.0, neginf=-1.0) * x,
        (V,),
    ),
    Scenario("nan_to_num_complex", lambda z: np.nan_to_num(z) ** 2, (Z,)),
    Scenario("diff", lambda x: np.diff(x) ** 2, (A,)),
    Scenario("diff_twice", lambda x: np.diff(x, 2, axis=0) ** 2, (A,)),
    Scenario("diff_none", lambda x: np.diff(x, 0) ** 2, (A,)),
    Scenario("diff_more_than_there_is", lambda x: np.diff(x, 5, axis=0) ** 2, (A,)),
    Scenario(
        "diff_edges",
        lambda x, p: np.diff(x, axis=0, prepend=p, append=x[:1]) ** 2,
        (A, HALF),
    ),
    Scenario("ediff1d", lambda x: np.ediff1d(x) ** 2, (A,)),
    Scenario(
        "ediff1d_ends",
        lambda x, e: np.ediff1d(x, to_begin=e, to_end=[e, 1.0]) ** 2,
        (A, HALF),
        float32=False,
    ),
    Scenario("gradient", lambda x: np.gradient(x)[0] * np.gradient(x)[1], (A,)),
    Scenario("gradient_step", lambda x, h: np.gradient(x, h, axis=1) ** 2, (A, HALF)),
    Scenario(
        "gradient_order_2",
        lambda x: np.gradient(x, 0.3, axis=0, edge_order=2) ** 2,
        (A,),
    ),
    Scenario("gradient_places", lambda x, t: np.gradient(x, t) ** 2, (V, U)),
    Scenario(
        "gradient_places_2", lambda x, t: np.gradient(x, t, edge_order=2) ** 2, (V, U)
    ),
    Scenario("gradient_both", lambda x, t: np.gradient(x, t[:3], 2.0)[0] ** 2, (A, U)),
    Scenario("gradient_even_places", lambda x: np.gradient(x, np.arange(5)) ** 2, (V,)),
    Scenario("gradient_complex", lambda z: np.gradient(z, axis=1) ** 2, (Z,)),
    Scenario("trapezoid", lambda y: np.trapezoid(y, dx=0.5) ** 2, (A,)),
    Scenario("trapezoid_points", lambda y, x: np.trapezoid(y, x[:3], axis=0), (A, U)),
    Scenario("trapezoid_each", lambda y, x: np.trapezoid(y, x, axis=0), (A, A * 2)),
    Scenario("interp", lambda x, xp, fp: np.interp(x, xp, fp) ** 2, (FAR, U, V)),
    Scenario(
        "interp_ends",
        lambda x, fp, a, b: np.interp(x + 0.0 * a * b, U, fp, a, b) ** 2,
        (FAR, V, HALF, HALF + 1),
    ),
    Scenario("interp_matrix", lambda x: np.interp(x, U, V) ** 2, (A,)),
    Scenario(
        "interp_scalar", lambda x, fp: np.interp(x, U, fp) ** 2, (np.float64(0.12), V)
    ),
    Scenario(
        "interp_complex",
        lambda x, fp: np.interp(x, [0.0, 1.0, 2.0, 3.0], fp) ** 2,
        (V, Z[0]),
    ),
    Scenario(
        "interp_period",
        lambda x, fp: np.interp(x, [0.3, 2.9, 1.1, 0.9, 2.2], fp, period=3.0) ** 2,
        (FAR, V),
    ),
    Scenario(
        "interp_one_point", lambda x, fp: np.interp(x, [0.5], fp) ** 2, (V, V[:1])
    ),
    Scenario("tril", lambda x: np.tril(x, 1) ** 2, (A,)),
    Scenario("tril_vector", lambda x: np.tril(x) ** 2, (V,)),
    Scenario("triu", lambda x: np.triu(x, -1) ** 2, (A[None],)),
    Scenario("triu_complex", lambda z: np.triu(z) ** 2, (Z,)),
    Scenario("diag", lambda x: np.diag(x) ** 2, (A,)),
    Scenario("diag_offset", lambda x: np.diag(x, -1) ** 2, (A,)),
    Scenario("diag_outside", lambda x: np.diag(x, 7) ** 2, (A,)),
    Scenario("diag_of_vector", lambda x: np.diag(x, 2) ** 2, (V,)),
    Scenario("diag_of_empty", lambda x: np.diag(x, -1) ** 2, (np.zeros(0),)),
    Scenario("diagflat", lambda x: np.diagflat(x, -1) ** 2, (A,)),
    Scenario("diagonal", lambda x: np.diagonal(x, 1, 1, 2) ** 2, (A.reshape(2, 2, 3),)),
    Scenario(
        "diagonal_axes", lambda x: np.diagonal(x, -1, -1, 0) ** 2, (A.reshape(2, 2, 3),)
    ),
    Scenario("diagonal_complex", lambda z: z.diagonal() ** 2, (Z,)),
    Scenario("trace", lambda x: np.trace(x) ** 2, (A,)),
    Scenario("trace_axes", lambda x: x.trace(1, 0, 2) ** 2, (A.reshape(2, 2, 3),)),
    Scenario(
        "histogram_weights", lambda w: np.histogram(U, 3, weights=w)[0] ** 2, (V,)
    ),
    Scenario(
        "histogram_density",
        lambda w: np.histogram(U, [-2, 0, 3.0], density=True, weights=w)[0],
        (V**2,),
        float32=False,
    ),
    Scenario(
        "histogram_edges",
        lambda x: np.histogram(x, 4)[1] ** 2,
        (A,),
        vmap=False,
        stage=False,
    ),
    Scenario("bincount", lambda w: np.bincount([0, 3, 3, 1, 0], w, 6) ** 2, (V,)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Kinks and special points -----------------------------------------------------------


def test_clip_at_the_bounds_splits_evenly() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    slopes = [0.0, 0.5, 1.0, 0.5, 0.0]
    got = wg.grad(lambda x, a, b: np.sum(np.clip(x, a, b)), argnums=(0, 1, 2))(
        x, 0.0, 1.0
    )
    np.testing.assert_array_equal(got[0], slopes)
    np.testing.assert_array_equal(got[1:], [1.5, 1.5])
    np.testing.assert_array_equal(
        wg.jvp(lambda x: np.clip(x, 0.0, 1.0), (x,), (np.ones(5),))[1], slopes
    )


def test_clip_of_nan_and_infinity() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.5])
    y, pullback = wg.vjp(lambda x: np.clip(x, 0.0, 1.0), x)
    np.testing.assert_array_equal(y, [np.nan, 1.0, 0.0, 0.5])
    np.testing.assert_array_equal(pullback(np.ones(4))[0][1:], [0.0, 0.0, 1.0])


def test_branch_not_taken_leaves_no_nan() -> None:
    x = np.array([0.0, -1.0, 4.0])
    functions: list[Callable[[Any], Any]] = [
        lambda x: np.where(x > 0, np.sqrt(x), 0.0),
        lambda x: np.select([x > 0], [np.sqrt(x)]),
        lambda x: np.piecewise(x, [x > 0], [np.sqrt]),
        lambda x: np.nan_to_num(np.where(x > 0, np.sqrt(x), np.nan)),
    ]
    for f in functions:

        def total(x: Any, f: Any = f) -> Any:
            return np.sum(f(x))

        with np.errstate(all="ignore"):
            for got in (
                wg.grad(total)(x),
                wg.vmap(wg.grad(total))(x[None])[0],
                wg.jvp(f, (x,), (np.ones(3),))[1],
                wg.trace(wg.grad(total), x)(x),
            ):
                np.testing.assert_array_equal(got, [0.0, 0.0, 0.25])


def test_nan_to_num_in_place() -> None:
    def f(x: Any) -> Any:
        y = x / np.array([1.0, 0.0])
        np.nan_to_num(y, copy=False, posinf=5.0)
        return y

    with np.errstate(divide="ignore"):
        y, pullback = wg.vjp(f, np.array([3.0, 3.0]))
    np.testing.assert_array_equal(y, [3.0, 5.0])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [1.0, 0.0])


def test_interp_at_points_and_ends() -> None:
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([1.0, 3.0, -1.0])
    x = np.array([-0.5, 0.0, 1.0, 2.0, 3.0, 3.5, np.nan])
    y, pullback = wg.vjp(lambda x: np.interp(x, xp, fp), x)
    np.testing.assert_array_equal(y, np.interp(x, xp, fp))
    np.testing.assert_array_equal(
        pullback(np.ones(7))[0], [0.0, 2.0, -2.0, -2.0, -2.0, 0.0, 1.0]
    )
    assert wg.vjp(lambda x: np.interp(x, xp, fp), np.float32(0.5))[0].dtype == float


def test_interp_refuses() -> None:
    with pytest.raises(wg.WengertError, match=r"shapes \(3,\) and \(2,\)"):
        wg.vjp(lambda x: np.interp(x, np.arange(3.0), np.arange(2.0)), V)
    with pytest.raises(ValueError, match="non-zero"):
        wg.vjp(lambda x: np.interp(x, U, V, period=0), V)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.nonzero(x > 0),
        lambda x: x.nonzero(),
        lambda x: np.flatnonzero(x > 0),
        lambda x: np.argwhere(x > 0),
        lambda x: np.where(x > 0),
        lambda x: np.isclose(x, x + 1e-9),
        lambda x: np.isclose(x, np.nan * x, equal_nan=True),
        lambda x: np.allclose(x, x + 1e-9),
        lambda x: np.array_equal(x, x),
        lambda x: np.array_equal(x, x[:1]),
        lambda x: np.array_equiv(x, x[:1]),
        lambda x: np.array_equiv(x, x[:2, :2]),
        lambda x: np.isposinf(x),
        lambda x: np.isneginf(-x / 0.0),
        lambda x: np.searchsorted(np.sort(U), x, side="right"),
        lambda x: x[0].searchsorted(0.3) * 0 + 1,
        lambda x: np.searchsorted(U[::-1], x, sorter=np.arange(5)[::-1]),
        lambda x: np.digitize(x, [-1.0, 0.0, 1.0]),
        lambda x: np.digitize(x, [1.0, 0.0, -1.0], right=True),
        lambda x: np.histogram(x, 5)[0],
        lambda x: np.histogram(x, 5, (-1.0, 1.0))[0],
        lambda x: np.histogram(x, [-1.0, 0.0, 0.3, 2.0])[0],
        lambda x: np.histogram_bin_edges(x, "fd", (-1.0, 1.0)),
        lambda x: np.tril_indices_from(x),
        lambda x: np.triu_indices_from(x, 1),
        lambda x: np.diag_indices_from(x[:, :3]),
    ],
)
def test_plain_results(f: Callable[[Any], Any]) -> None:
    """Places, counts and comparisons come out as NumPy's own, untraced."""
    seen: list[Any] = []

    def traced(x: Any) -> Any:
        seen.append(f(x))
        return np.sum(x)

    with np.errstate(all="ignore"):
        wanted = f(A)
        wg.grad(traced)(A)
        wg.jvp(traced, (A,), (A,))
    for got in seen:
        for g, w in zip(_flat(got), _flat(wanted), strict=True):
            assert isinstance(g, np.ndarray | np.generic | bool)
            assert np.asarray(g).dtype == np.asarray(w).dtype
            np.testing.assert_array_equal(g, w)


def _flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def test_counts_under_vmap_and_in_graphs() -> None:
    def counts(x: Any) -> Any:
        return np.histogram(x, 4, (-1.0, 1.0))[0]

    np.testing.assert_array_equal(wg.vmap(counts)(A), [counts(row) for row in A])
    np.testing.assert_array_equal(wg.trace(counts, V)(V), counts(V))
    many = np.sort(A, axis=1)
    np.testing.assert_array_equal(
        wg.vmap(np.searchsorted)(many, A),
        [np.searchsorted(*p) for p in zip(many, A, strict=True)],
    )


def test_wrong_calls() -> None:
    calls: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
        (lambda x: np.where(x > 0, x), ValueError, "either both or neither"),
        (lambda x: np.select([], []), ValueError, "empty condition list"),
        (lambda x: np.select([x], [x]), TypeError, "should be boolean"),
        (lambda x: np.select([x > 0], [x, x]), ValueError, "same length"),
        (lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), ValueError, "1 or 2 functions"),
        (lambda x: np.clip(x, 0, max=1, a_max=2), (TypeError, ValueError), "max"),
        (lambda x: np.gradient(x[:1]), ValueError, "too small to calculate"),
        (lambda x: np.gradient(x, 1.0, 2.0), TypeError, "number of arguments"),
        (lambda x: np.gradient(x, edge_order=3), ValueError, "edge_order"),
        (lambda x: np.diff(x, -1), ValueError, "non-negative"),
        (lambda x: np.digitize(x, [0, 2, 1]), ValueError, "monotonically"),
        (lambda x: np.searchsorted(x, x, side="up"), ValueError, "side must be"),
        (lambda x: np.searchsorted(A, x), ValueError, "sorted array with one axis"),
        (lambda x: np.diag(x.reshape(5, 1, 1)), ValueError, "1- or 2-d"),
        (lambda x: np.diagonal(x), ValueError, "two dimensions"),
        (lambda x: np.diagonal(x[None], 0, 1, -1), ValueError, "cannot be the same"),
        (lambda x: np.diagonal(x[None], 0, 0, 2), np.exceptions.AxisError, "axis 2"),
    ]
    for f, kind, message in calls:
        with pytest.raises(kind, match=message):
            wg.vjp(f, V)


def test_places_without_values() -> None:
    for f in (np.nonzero, np.flatnonzero, np.argwhere):
        with pytest.raises(wg.WengertError, match="nonzero"):
            wg.vmap(f)(A)
        with pytest.raises(wg.WengertError, match="nonzero"):
            wg.trace(f, A)


def test_namespace_functions_take_plain_arrays() -> None:
    """`wengert.numpy` has these names too, and gives what NumPy gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, args in {
            "where": (A > 0, A, 0.0), "select": ([A > 0], [A]), "clip": (A, 0.0, 1.0),
            "diff": (A,), "interp": (A, U, V), "nonzero": (A > 0,), "diag": (A,),
            "tril": (A,), "take": (A, [1, 0]), "gradient": (V,), "searchsorted": (U, V),
            "pad": (A, 1), "tile": (A, 2), "repeat": (A, 2), "insert": (V, 1, 2.0),
            "meshgrid": (V, U), "linspace": (0.0, 1.0, 5), "histogram": (V,),
            "nan_to_num": (LOOSE,), "block": ([[A, A]],), "unstack": (A,),
            "choose": ([0, 1], [V[:2], U[:2]]), "delete": (V, 1), "append": (V, 1.0),
        }.items():  # fmt: skip
            got, wanted = getattr(wg.numpy, name)(*args), getattr(np, name)(*args)
            for g, w in zip(_flat(got), _flat(wanted), strict=True):
                np.testing.assert_allclose(g, w, rtol=1e-15, err_msg=name)
