"""Sorting: every row runs every check, then ties, nans and shapes that data decide."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import TracedValueError
from wengert.graph.stage import trace
from wengert.testing import Scenario, check_scenario
from wengert.transforms.forward import jvp
from wengert.transforms.reverse import vjp

rng = np.random.default_rng(0)
A = rng.standard_normal((2, 3, 4))
B = rng.standard_normal((3, 4))
V = rng.standard_normal(9)
Z = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
S = np.float64(0.7)
INF, NAN = np.inf, np.nan


def _sorted_in_place(x: Any, **keywords: Any) -> Any:
    y = x**3
    y.sort(**keywords)
    return y


def _partitioned_in_place(x: Any) -> Any:
    y = x**3
    y.partition(1, axis=0)
    return y


SCENARIOS = [
    Scenario("sort", lambda x: np.sort(x) ** 2, (V,)),
    Scenario("sort_rows", lambda x: np.sort(x, axis=1) ** 2, (B,)),
    Scenario("sort_columns", lambda x: np.sort(x, axis=0) ** 2, (B,)),
    Scenario("sort_middle", lambda x: np.sort(x, axis=-2) ** 2, (A,)),
    Scenario("sort_flat", lambda x: np.sort(x, axis=None) ** 2, (A,)),
    Scenario("sort_0d_flat", lambda x: np.sort(x, axis=None) ** 2, (S,)),
    Scenario("sort_empty", lambda x: np.sort(x), (np.zeros((2, 0)),)),
    Scenario("sort_no_rows", lambda x: np.sort(x), (np.zeros((0, 2)),)),
    Scenario("sort_stable", lambda x: np.sort(x, stable=True) ** 2, (B,)),
    Scenario("sort_kind", lambda x: np.sort(x, kind="heapsort") ** 2, (B,)),
    Scenario("sort_complex", lambda z: np.sort(z) ** 2, (Z,)),
    Scenario("sort_method", _sorted_in_place, (B,)),
    Scenario("sort_method_axis", lambda x: _sorted_in_place(x, axis=0), (B,)),
    Scenario("sort_complex_of_complex", lambda z: np.sort_complex(z) ** 2, (Z,)),
    Scenario("sort_complex_of_real", lambda x: np.sort_complex(x) ** 2, (B,)),
    Scenario("sort_composed", lambda x: np.sort(np.sin(x) * x)[::-1] * x, (V,)),
    Scenario("argsort_choice", lambda x: x[np.argsort(-x)] ** 2, (V,)),
    Scenario("argsort_axis", lambda x: x * np.argsort(x, axis=0), (B,)),
    Scenario("argsort_flat", lambda x: x.ravel()[np.argsort(x, axis=None)] ** 2, (B,)),
    Scenario("argsort_0d", lambda x: x * np.argsort(x), (S,)),
    Scenario("partition", lambda x: np.partition(x, 3) ** 2, (V,)),
    Scenario("partition_negative", lambda x: np.partition(x, -2) ** 2, (V,)),
    Scenario("partition_several", lambda x: np.partition(x, (0, 2)) ** 2, (A,)),
    Scenario("partition_axis", lambda x: np.partition(x, 1, axis=0) ** 2, (B,)),
    Scenario("partition_flat", lambda x: np.partition(x, 5, axis=None) ** 2, (B,)),
    Scenario("partition_method", _partitioned_in_place, (B,)),
    Scenario("argpartition", lambda x: x * np.argpartition(x, 2), (B,)),
    Scenario(
        "lexsort", lambda x, y: (x * y)[np.lexsort((x, y))] ** 2, (V, V[::-1] ** 2)
    ),
    Scenario("lexsort_one", lambda x: x * np.lexsort((x,)), (V,)),
    Scenario("lexsort_array", lambda x: x * np.lexsort(x), (B,)),
    Scenario("lexsort_axis", lambda x, y: x * np.lexsort((x, y), 0), (B, B**2)),
    Scenario("searchsorted", lambda x: x * np.searchsorted(np.sort(x), x), (V,)),
    Scenario("unique", lambda x: np.unique(x) ** 2, (V,), vmap=False, stage=False),
    Scenario(
        "unique_axis",
        lambda x: np.unique(x, axis=1) ** 2,
        (B,),
        vmap=False,
        stage=False,
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


CT = np.array([1.0, 10, 100, 1000])


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        ([3.0, 1, 3, 1], [100.0, 1, 1000, 10]),  # ties keep their order
        ([2.0, 2, 2, 2], [1.0, 10, 100, 1000]),
        ([NAN, 1, NAN, 0], [100.0, 10, 1000, 1]),  # nans go to the end, in order
        ([INF, NAN, -INF, 0], [100.0, 1000, 1, 10]),
        ([0.0, -0.0, 1, -1], [10.0, 100, 1000, 1]),
    ],
)
def test_ties_and_nans(x: Any, wanted: Any) -> None:
    x = np.array(x)
    y, pullback = vjp(np.sort, x)
    np.testing.assert_array_equal(y, np.sort(x))
    np.testing.assert_array_equal(pullback(CT)[0], wanted)
    ahead = [jvp(np.sort, (x,), (e,))[1] @ CT for e in np.eye(4)]
    np.testing.assert_array_equal(ahead, wanted)
    staged = trace(lambda x: vjp(np.sort, x)[1](CT)[0], x)(x)
    np.testing.assert_array_equal(staged, wanted)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_tangent_of_a_matrix_is_sorted_as_its_values(axis: int | None) -> None:
    x, v = rng.permuted(B, axis=0), rng.standard_normal((3, 4))
    order = np.argsort(x, axis=axis)
    wanted = v.ravel()[order] if axis is None else np.take_along_axis(v, order, axis)
    got = jvp(lambda x: np.sort(x, axis=axis), (x,), (v,))[1]
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("size", [10, 1000])
@pytest.mark.parametrize("ties", [False, True])
def test_partition_is_numpys(size: int, ties: bool) -> None:
    r = np.random.default_rng(size)
    x = r.standard_normal((3, size))
    x = np.round(x) if ties else x
    x[0, 3] = NAN
    y, pullback = vjp(lambda x: np.partition(x, size // 3), x)
    np.testing.assert_array_equal(y, np.partition(x, size // 3))
    places = np.arange(x.size, dtype=float).reshape(x.shape)
    (pulled,) = pullback(places)  # where in y each element of x has gone
    rows = np.arange(3)[:, None]
    np.testing.assert_array_equal(y[rows, pulled.astype(int) - rows * size], x)


def test_lexsort_and_orders_are_plain() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.extend([np.argsort(x), np.lexsort((x, -x)), np.argpartition(x, 2)])
        seen.append(np.searchsorted(np.sort(x), [0.0]))
        return np.sum(x)

    wg.grad(f)(V)
    assert all(type(s) is np.ndarray and s.dtype == np.intp for s in seen)
    np.testing.assert_array_equal(seen[0], np.argsort(V))
    np.testing.assert_array_equal(seen[1], np.lexsort((V, -V)))
    np.testing.assert_array_equal(seen[2], np.argpartition(V, 2))


def test_integers_are_sorted_under_vmap_and_in_graphs() -> None:
    n = np.array([[3, 1, 2], [0, 5, 4]])
    np.testing.assert_array_equal(wg.vmap(np.sort)(n), np.sort(n))
    np.testing.assert_array_equal(trace(np.sort, n)(n), np.sort(n))
    np.testing.assert_array_equal(wg.vmap(np.argsort)(n), np.argsort(n))
    keys = np.array([0, 1, 0])
    got = wg.vmap(lambda a, b: np.lexsort((a, b)), in_axes=(0, None))(n, keys)
    np.testing.assert_array_equal(got, [np.lexsort((row, keys)) for row in n])


def test_gradient_at_a_place_that_differs_from_item_to_item() -> None:
    def chosen(level: Any) -> Any:
        return wg.grad(lambda x: x[np.searchsorted(np.sort(x), level)])(V)

    levels = np.array([-0.5, 0.2, 0.3])
    np.testing.assert_array_equal(wg.vmap(chosen)(levels), [chosen(v) for v in levels])


# unique ---------------------------------------------------------------------------


def test_unique_takes_the_first_of_equal_values() -> None:
    x = np.array([2.0, 1.0, 2.0, NAN, 1.0, NAN])
    y, pullback = vjp(np.unique, x)
    np.testing.assert_array_equal(y, [1.0, 2.0, NAN])
    np.testing.assert_array_equal(
        pullback(np.array([1.0, 10, 100]))[0], [10, 1, 0, 100, 0, 0]
    )


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize(
    "which",
    [
        {"return_index": True},
        {"return_inverse": True},
        {"return_counts": True},
        {"return_index": True, "return_inverse": True, "return_counts": True},
        {"equal_nan": False},
    ],
)
def test_unique_results_are_numpys(axis: int | None, which: dict[str, Any]) -> None:
    x = np.array([[1.0, 3, 1], [1, 3, 1], [0, 2, 0]])
    wanted = np.unique(x, axis=axis, **which)
    got, _ = vjp(lambda x: np.unique(x, axis=axis, **which), x)
    for g, w in zip(_many(got), _many(wanted), strict=True):
        np.testing.assert_array_equal(g, w)


def _many(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def test_unique_needs_values() -> None:
    with pytest.raises(TracedValueError, match="no values to answer unique"):
        trace(np.unique, V)
    with pytest.raises(TracedValueError, match="differs from item to item"):
        wg.vmap(np.unique)(B)
    graph = trace(lambda x: np.unique(x) ** 2, V, values=True)
    np.testing.assert_array_equal(graph(V), np.unique(V) ** 2)


# errors ---------------------------------------------------------------------------

ERRORS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: np.sort(x), S),
    (lambda x: np.sort(x, axis=2), B),
    (lambda x: np.sort(x, order="a"), V),
    (lambda x: np.sort(x, kind="x"), V),
    (lambda x: np.sort(x, kind="stable", stable=True), V),
    (lambda x: np.argsort(x, kind="x"), V),
    (lambda x: np.argsort(x, axis=-3), B),
    (lambda x: np.partition(x, 9), V),
    (lambda x: np.partition(x, -10), V),
    (lambda x: np.argpartition(x, 4), B),
    (lambda x: np.partition(x, 1.5), V),
    (lambda x: np.unique(x, axis=2), B),
    (lambda x: np.lexsort(x, axis=1), B),
]


@pytest.mark.parametrize(("f", "x"), ERRORS)
def test_errors_are_numpys(f: Callable[..., Any], x: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as wanted:
        f(x)
    with pytest.raises(wanted.type) as got:
        vjp(f, x)
    assert str(wanted.value) in str(got.value)
