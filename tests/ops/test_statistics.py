"""Averages, covariances, order statistics, and reductions that leave nans out."""

import warnings
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
C = rng.standard_normal((2, 4))
V = rng.standard_normal(7)
W = rng.uniform(0.5, 1.5, (3, 4))
Z = rng.standard_normal((2, 5)) + 1j * rng.standard_normal((2, 5))
S = np.float64(0.7)
Q = np.array([0.12, 0.5, 0.83])
FREQUENCIES = np.array([1, 2, 1, 3])
WEIGHTS = np.array([0.5, 1.0, 0.2, 1.3])
HOLES = np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]], bool)
INF, NAN = np.inf, np.nan
METHODS = [
    "linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf",
    "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "median_unbiased", "normal_unbiased",
]  # fmt: skip


def _holed(x: Any) -> Any:
    return np.where(HOLES, x, NAN)


def _order_statistics() -> list[Scenario]:
    rows = []
    for m in METHODS:
        rows += [
            Scenario(
                f"quantile_{m}", lambda x, m=m: np.quantile(x, 0.37, method=m), (V,)
            ),
            Scenario(
                f"quantile_{m}_several",
                lambda x, m=m: np.quantile(x, Q, axis=0, method=m) ** 2,
                (B,),
            ),
            Scenario(
                f"nanquantile_{m}",
                lambda x, m=m: np.nanquantile(_holed(x), Q, axis=1, method=m) ** 2,
                (B,),
            ),
        ]
    return rows


def _without_nan(name: str, f: Callable[..., Any]) -> list[Scenario]:
    return [
        Scenario(f"{name}_all", lambda x: f(_holed(x)) ** 2, (B,)),
        Scenario(f"{name}_axis", lambda x: f(_holed(x), axis=-1) ** 2, (B,)),
        Scenario(f"{name}_tuple", lambda x: f(_holed(x), axis=(0, 1)) ** 2, (B,)),
        Scenario(
            f"{name}_kept", lambda x: x * f(_holed(x), axis=0, keepdims=True), (B,)
        ),
        Scenario(f"{name}_whole", lambda x: f(x, axis=0) ** 2, (B,)),
    ]


SCENARIOS = [
    Scenario("average", lambda x: np.average(x) ** 2, (B,)),
    Scenario("average_axis", lambda x: np.average(x, axis=1, keepdims=True) * x, (B,)),
    Scenario("average_tuple", lambda x: np.average(x, axis=(0, 2)) ** 2, (A,)),
    Scenario("average_weights", lambda x, w: np.average(x, weights=w), (B, W)),
    Scenario("average_weights_axis", lambda x, w: np.average(x, 0, w), (B, W)),
    Scenario("average_row", lambda x, w: np.average(x, 1, w), (B, W[0])),
    Scenario(
        "average_row_kept",
        lambda x, w: np.average(x, -1, w, keepdims=True) * x,
        (B, W[0]),
    ),
    Scenario("average_two", lambda x, w: np.average(x, (2, 1), w), (A, W.T)),
    Scenario("average_returned", lambda x, w: np.average(x, 1, w, True), (B, W[0])),
    Scenario("average_count", lambda x: np.average(x, 1, returned=True)[0] ** 2, (B,)),
    Scenario(
        "average_complex", lambda z, w: np.average(z, 1, w), (Z, W[:2, :1] + V[:5] ** 2)
    ),
    Scenario("cov", np.cov, (B,)),
    Scenario("cov_vector", np.cov, (V,)),
    Scenario("cov_two", lambda x, y: np.cov(x, y), (B, C)),
    Scenario("cov_vectors", lambda x, y: np.cov(x, y), (V, V[::-1] ** 2)),
    Scenario("cov_columns", lambda x: np.cov(x, rowvar=False), (B,)),
    Scenario("cov_columns_two", lambda x, y: np.cov(x, y, rowvar=False), (B, B**2)),
    Scenario("cov_column_row", lambda x, y: np.cov(x, y, False), (V[:4, None], C[:1])),
    Scenario("cov_bias", lambda x: np.cov(x, bias=True), (B,)),
    Scenario("cov_ddof", lambda x: np.cov(x, ddof=2), (B,)),
    Scenario("cov_fweights", lambda x: np.cov(x, fweights=FREQUENCIES), (B,)),
    Scenario("cov_aweights", lambda x, w: np.cov(x, aweights=w), (B, WEIGHTS)),
    Scenario(
        "cov_aweights_biased", lambda x, w: np.cov(x, ddof=0, aweights=w), (B, WEIGHTS)
    ),
    Scenario(
        "cov_both_weights",
        lambda x, w: np.cov(x, fweights=FREQUENCIES, aweights=w),
        (B, WEIGHTS),
    ),
    Scenario("cov_complex", np.cov, (Z,)),
    Scenario("corrcoef", np.corrcoef, (B,)),
    Scenario("corrcoef_two", lambda x, y: np.corrcoef(x, y), (V, V[::-1] ** 2)),
    Scenario("corrcoef_columns", lambda x: np.corrcoef(x, rowvar=False), (B,)),
    Scenario("corrcoef_complex", np.corrcoef, (Z,)),
    Scenario("median_odd", lambda x: np.median(x) ** 2, (V,)),
    Scenario("median_even", lambda x: np.median(x) ** 2, (B,)),
    Scenario("median_axis", lambda x: np.median(x, axis=0) ** 2, (B,)),
    Scenario("median_tuple", lambda x: np.median(x, axis=(0, -1)) ** 2, (A,)),
    Scenario("median_kept", lambda x: x * np.median(x, (0, 2), keepdims=True), (A,)),
    Scenario("median_kept_all", lambda x: x * np.median(x, keepdims=True), (B,)),
    Scenario("median_0d", lambda x: np.median(x) ** 2, (S,)),
    Scenario("median_one", lambda x: np.median(x[:1]) ** 2, (V,)),
    Scenario("median_no_slices", lambda x: np.median(x, 1), (np.zeros((0, 3)),)),
    Scenario("median_complex", lambda z: np.median(z, axis=0) ** 2, (Z,)),
    *_order_statistics(),
    Scenario("quantile_tuple", lambda x: np.quantile(x, Q, axis=(0, 2)) ** 2, (A,)),
    Scenario("quantile_kept", lambda x: np.quantile(x, Q, 1, keepdims=True) * x, (A,)),
    Scenario("quantile_matrix", lambda x: np.quantile(x, np.outer(Q, Q), 0) ** 2, (B,)),
    Scenario("quantile_ends", lambda x: np.quantile(x, [0.0, 1.0], 0) ** 2, (B,)),
    Scenario("quantile_int", lambda x: np.quantile(x, 1) ** 2, (B,)),
    Scenario("quantile_0d", lambda x: np.quantile(x, 0.3) ** 2, (S,)),
    Scenario("quantile_of_q", lambda x, q: np.quantile(x, q, axis=1), (B, Q)),
    Scenario(
        "quantile_of_q_only", lambda q: np.quantile(q * B, q[0], axis=0), (Q[:, None],)
    ),
    Scenario("percentile", lambda x: np.percentile(x, 30) ** 2, (B,)),
    Scenario("percentile_several", lambda x: np.percentile(x, [10, 45.0], 1), (B,)),
    Scenario("percentile_of_q", lambda x, q: np.percentile(x, 100 * q, 1), (B, Q)),
    Scenario("nanpercentile", lambda x: np.nanpercentile(_holed(x), 30, 0) ** 2, (B,)),
    Scenario("nanquantile_whole", lambda x: np.nanquantile(x, 0.3, (0, 2)) ** 2, (A,)),
    Scenario(
        "nanquantile_kept",
        lambda x: np.nanquantile(_holed(x), Q, 1, keepdims=True) * x,
        (B,),
    ),
    Scenario("quantile_weights", lambda x: _by_weight("quantile", x, W, 1) ** 2, (B,)),
    Scenario(
        "nanquantile_weights",
        lambda x: _by_weight("nanquantile", _holed(x), W, 0) ** 2,
        (B,),
    ),
    *_without_nan("nansum", np.nansum),
    *_without_nan("nanprod", np.nanprod),
    *_without_nan("nanmean", np.nanmean),
    *_without_nan("nanvar", np.nanvar),
    *_without_nan("nanstd", np.nanstd),
    *_without_nan("nanmax", np.nanmax),
    *_without_nan("nanmin", np.nanmin),
    *_without_nan("nanmedian", np.nanmedian),
    Scenario("nanvar_ddof", lambda x: np.nanvar(_holed(x), 1, ddof=1), (B,)),
    Scenario(
        "nanstd_correction", lambda x: np.nanstd(_holed(x), 1, correction=1), (B,)
    ),
    Scenario("nanvar_mean", lambda x: np.nanvar(_holed(x), 1, mean=0.3), (B,)),
    Scenario(
        "nansum_where", lambda x: np.nansum(_holed(x) ** 2, 1, where=HOLES[0]), (B,)
    ),
    Scenario("nansum_initial", lambda x: np.nansum(_holed(x) ** 2, initial=2.0), (B,)),
    Scenario(
        "nanmean_where", lambda x: np.nanmean(_holed(x) ** 2, 0, where=HOLES), (B,)
    ),
    Scenario(
        "nanmax_initial", lambda x: np.nanmax(_holed(x), 0, initial=0.1) ** 2, (B,)
    ),
    Scenario("nanargmax", lambda x: x * np.nanargmax(_holed(x), 0), (B,)),
    Scenario("nanargmin", lambda x: x * np.nanargmin(_holed(x)), (B,)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# special points -------------------------------------------------------------------

POINTS: list[tuple[str, Callable[..., Any], Any, Any]] = [
    ("median_ties", np.median, [2.0, 1, 2], [1.0, 0, 0]),
    ("median_even_ties", np.median, [2.0, 2, 2, 2], [0.0, 0.5, 0.5, 0]),
    ("median_even", np.median, [4.0, 1, 3, 2], [0.0, 0, 0.5, 0.5]),
    ("median_inf", np.median, [INF, 1, 2], [0.0, 0, 1]),
    ("median_nan", np.median, [1.0, NAN, 3], [0.0, 1, 0]),
    ("median_nan_elsewhere", lambda x: np.median(x.reshape(2, 2), 1)[0],
     [1.0, 3, NAN, 2], [0.5, 0.5, 0, 0]),
    ("quantile_nan", lambda x: np.quantile(x, 0.2), [1.0, NAN], [0.0, 1]),
    ("nanmedian", np.nanmedian, [NAN, 3, 1, NAN, 2], [0.0, 0, 0, 0, 1]),
    ("nanmedian_even", np.nanmedian, [NAN, 3, 1], [0.0, 0.5, 0.5]),
    ("nanquantile", lambda x: np.nanquantile(x, 0.25), [NAN, 3, 1], [0.0, 0.25, 0.75]),
    ("nanmean", np.nanmean, [NAN, 3, 1], [0.0, 0.5, 0.5]),
    ("nanprod", np.nanprod, [NAN, 3, 2], [0.0, 2, 3]),
    ("nanvar", np.nanvar, [NAN, 3, 1], [0.0, 1, -1]),
    ("nanstd_equal", np.nanstd, [NAN, 3, 3], [0.0, 0, 0]),
    ("nanmax_ties", np.nanmax, [NAN, 3, 3, 1], [0.0, 0.5, 0.5, 0]),
    ("nanmax_minus_inf", np.nanmax, [NAN, -INF], [0.0, 1]),
    ("nanmin", np.nanmin, [NAN, 3, 1], [0.0, 0, 1]),
    ("nancumsum", lambda x: np.nancumsum(x)[1], [2.0, NAN, 3], [1.0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("f", "x", "wanted"), [p[1:] for p in POINTS], ids=[p[0] for p in POINTS]
)
def test_special_points(f: Any, x: Any, wanted: Any) -> None:
    x = np.array(x)
    got = wg.grad(f)(x)
    staged = trace(wg.grad(f), x)(x)
    ahead = [jvp(f, (x,), (e,))[1] for e in np.eye(x.size)]
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(staged, wanted)
    np.testing.assert_array_equal(ahead, wanted)


@pytest.mark.parametrize(
    "f", [np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin, np.nanmedian]
)
def test_a_slice_of_nans_alone_is_nan_and_harms_no_other(f: Any) -> None:
    x = np.array([[1.0, 2.0, 4.0], [NAN, NAN, NAN]])

    def used(x: Any) -> Any:
        y = f(x, axis=1)
        return np.sum(np.where(np.isnan(y), 0.0, y))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = vjp(lambda x: f(x, axis=1), x)[0]
        np.testing.assert_array_equal(y, f(x, axis=1))
        got = wg.grad(used)(x)
    np.testing.assert_allclose(got[0], wg.grad(lambda x: f(x))(x[0]))
    np.testing.assert_array_equal(got[1], 0.0)


# values and dtypes ----------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 101])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantile_is_numpys(name: str, method: str, n: int) -> None:
    x = np.random.default_rng(n).standard_normal(n)
    q = np.concatenate([np.linspace(0, 1, 21), [1 / 3, 1e-9, 1 - 1e-9]])

    def f(x: Any) -> Any:
        return getattr(np, name)(x, q, method=method)

    np.testing.assert_array_equal(vjp(f, x)[0], f(x))


DTYPES = ("b", "B", "l", "e", "f", "d", "g")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "average": np.average,
    "average_weights": lambda x: np.average(x, 0, np.array([0.5, 1.0], np.float32)),
    "median": np.median,
    "median_axis": lambda x: np.median(x, 0),
    "quantile": lambda x: np.quantile(x, 0.3),
    "quantile_array": lambda x: np.quantile(x, np.array([0.3])),
    "quantile_scalar": lambda x: np.quantile(x, np.float64(0.3), 0),
    "quantile_lower": lambda x: np.quantile(x, 0.3, method="lower"),
    "quantile_midpoint": lambda x: np.quantile(x, 0.3, 1, method="midpoint"),
    "percentile": lambda x: np.percentile(x, 30),
    "nanquantile": lambda x: np.nanquantile(x, 0.3),
    "nanquantile_array": lambda x: np.nanquantile(x, np.array([0.3]), 1),
    "nanmedian": lambda x: np.nanmedian(x, 1),
    "nansum": np.nansum,
    "nanmean": lambda x: np.nanmean(x, 0),
    "nanvar": lambda x: np.nanvar(x, 0),
    "nanmax": lambda x: np.nanmax(x, 0),
    "nanargmin": lambda x: np.nanargmin(x, 0),
    "cov": np.cov,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_dtype_are_numpys(name: str, dtype: str) -> None:
    f = FUNCTIONS[name]
    x = np.array([[3, 1, 7, 2], [1, 1, 6, 4]]).astype(dtype)
    wanted = f(x)
    graph = trace(f, x)
    graph.check()
    assert graph.outputs[0].type == Type(np.shape(wanted), wanted.dtype)
    got = [graph(x), wg.vmap(f)(np.stack([x, x]))[0]]
    if x.dtype.kind == "f":
        got.append(vjp(f, x)[0])
    tolerance = 4 * float(np.finfo(wanted.dtype).eps) if wanted.dtype.kind == "f" else 0
    for y in got:
        assert y.dtype == wanted.dtype
        np.testing.assert_allclose(y, wanted, rtol=tolerance)


def test_corrcoef_of_proportional_rows_is_bounded() -> None:
    x = np.stack([V, 2 * V + 1, -V])
    y, pullback = vjp(np.corrcoef, x)
    assert np.all(np.abs(y) <= 1)
    np.testing.assert_allclose(pullback(np.ones((3, 3)))[0], 0.0, atol=1e-14)


def test_cov_of_no_variables() -> None:
    x = np.zeros((0, 4))
    y, pullback = vjp(lambda x: np.sum(x) + np.sum(np.cov(x)), x)
    assert y == 0.0
    assert np.cov(x).shape == vjp(lambda x: x @ x.T + np.cov(x), x)[0].shape
    assert pullback(1.0)[0].shape == x.shape


def test_out_is_written_and_returned() -> None:
    def f(x: Any) -> Any:
        out = np.zeros_like(x[0])
        assert np.median(x, 0, out=out) is out
        total = np.sum(out**2)
        assert np.quantile(x, 0.3, 0, out=out) is out
        assert np.nanmean(x, 0, out=x[0] * 0).shape == (4,)
        return total + np.sum(out)

    def g(x: Any) -> Any:
        return np.sum(np.median(x, 0) ** 2) + np.sum(np.quantile(x, 0.3, 0))

    np.testing.assert_allclose(wg.grad(f)(B), wg.grad(g)(B))


# errors ---------------------------------------------------------------------------

ERRORS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: np.average(x, weights=[1.0, 2.0]), B),
    (lambda x: np.average(x, 0, [1.0, 2.0]), B),
    (lambda x: np.average(x, 0, [0.0, 0.0, 0.0]), B),
    (lambda x: np.cov(x, ddof=1.5), B),
    (lambda x: np.cov(x), A),
    (lambda x: np.cov(x, A), B),
    (lambda x: np.cov(x, fweights=[1, 2]), B),
    (lambda x: np.cov(x, fweights=[[1, 2, 1, 1]]), B),
    (lambda x: np.cov(x, fweights=[1, 2, 1, 1.5]), B),
    (lambda x: np.cov(x, fweights=[1, 2, 1, -1]), B),
    (lambda x: np.cov(x, aweights=[1, 2, 1, -1]), B),
    (lambda x: np.median(x, axis=2), B),
    (lambda x: np.quantile(x, 1.5), B),
    (lambda x: np.quantile(x, NAN), B),
    (lambda x: np.quantile(x, 0.5, weights=W), B),
    (lambda x: np.quantile(x, 0.5, weights=-W, method="inverted_cdf"), B),
    (lambda x: np.quantile(x, 0.5, weights=0 * W, method="inverted_cdf"), B),
    (lambda x: np.quantile(x, 0.5, weights=W[0], method="inverted_cdf"), B),
    (lambda x: np.percentile(x, -1), B),
    (lambda x: np.quantile(x, np.zeros((1, 1, 1))), B),
    (lambda x: np.quantile(x, 0.5), Z),
    (lambda x: np.quantile(x, 0.5), np.zeros(0)),
    (lambda x: np.nanargmax(x, 1), np.array([[NAN, NAN], [1.0, 2.0]])),
    (lambda x: np.nanmax(x), np.zeros(0)),
    (lambda x: np.nanvar(x, ddof=1, correction=1), B),
]


@pytest.mark.parametrize(("f", "x"), ERRORS)
def test_errors_are_numpys(f: Callable[..., Any], x: Any) -> None:
    with (
        pytest.raises(
            (ValueError, TypeError, RuntimeError, ZeroDivisionError, IndexError)
        ) as wanted,
        np.errstate(all="ignore"),
    ):
        f(x)
    with np.errstate(all="ignore"), pytest.raises(wanted.type) as got:
        vjp(f, x)
    assert str(wanted.value) in str(got.value)


def test_quantile_names_its_methods() -> None:
    with pytest.raises(ValueError, match=r"'x' is not a valid method.*linear"):
        vjp(lambda x: np.quantile(x, 0.5, method="x"), V)


def _by_weight(name: str, x: Any, w: Any, axis: Any = None) -> Any:
    f = getattr(np, name)
    return f(x, [0.0, 0.3, 0.77, 1.0], axis, weights=w, method="inverted_cdf")


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("zeros", [False, True])
def test_weighted_quantile_is_numpys(name: str, zeros: bool) -> None:
    r = np.random.default_rng(4)
    x, w = r.standard_normal((5, 6)), r.uniform(0.1, 1, (5, 6))
    w = np.where(np.indices(w.shape).sum(0) % 3, w, 0.0) if zeros else w
    x[2, 3] = NAN
    cases = [(w, None), (w, 0), (w, 1)]
    if name == "quantile":  # NumPy's own nanquantile fails on weights by axis
        cases.append((w[0], 1))
    for weights, axis in cases:
        wanted = _by_weight(name, x, weights, axis)
        y = vjp(lambda x, a=axis, w=weights: _by_weight(name, x, w, a), x)[0]
        np.testing.assert_array_equal(y, wanted)
        graph = trace(lambda x, w, a=axis: _by_weight(name, x, w, a), x, weights)
        np.testing.assert_array_equal(graph(x, weights), wanted)
