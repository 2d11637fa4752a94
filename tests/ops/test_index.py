"""Indexing: every row runs every check; then masks, bounds, traced indices, cost."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.testing import Scenario, check_scenario

rng = np.random.default_rng(0)
V = rng.standard_normal(5)
A = rng.standard_normal((3, 4))
B = rng.standard_normal((2, 3, 4))
Z = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
I = np.array([2, 0, 2])
J = np.array([[0, 1], [-1, 0]])
MASK = np.array([True, False, True])
MASK2 = np.arange(12).reshape(3, 4) % 3 == 0


def at(name: str, key: Any, x: Any = A) -> Scenario:
    """A row for `x[key]`; squared, so that its second derivative isn't zero."""
    return Scenario(name, lambda x: x[key] ** 2, (x,))


SCENARIOS = [
    at("int", 1),
    at("negative_int", -1),
    at("numpy_int", np.int64(2)),
    at("zero_d_index_array", np.array(1)),
    at("ints", (1, -2)),
    at("slice", slice(1, 3)),
    at("steps", (slice(None, None, 2), slice(None, None, 3))),
    at("negative_step", (slice(None, None, -1), slice(3, 0, -2))),
    at("empty_slice", slice(2, 1)),
    at("slice_past_the_end", slice(1, 100)),
    at("newaxis", (None, slice(None), None, 1)),
    at("ellipsis", (..., 1), B),
    at("ellipsis_of_nothing", (0, ..., 1)),
    at("only_ellipsis", ...),
    at("empty_tuple", ()),
    at("array", I),
    at("list", [2, 0, 2]),
    at("negative_array", np.array([-1, -3])),
    at("uint8_array", I.astype(np.uint8)),
    at("two_axis_array", J),
    at("arrays_together", (I, I)),
    at("arrays_broadcast", (I[:, None], np.array([1, 3]))),
    at("array_behind_slice", (slice(None), J), B),
    at("array_and_int", (0, slice(None), I), B),
    at("separated_arrays", (I % 2, slice(None), I), B),
    at("separated_by_newaxis", (I % 2, None, I), B),
    at("array_and_newaxis", (None, I, None)),
    at("array_and_ellipsis", (..., I)),
    at("array_with_steps", (slice(None, None, -1), I)),
    at("empty_array", np.zeros(0, int)),
    at("empty_list", []),
    at("mask", MASK),
    at("mask_of_all_axes", MASK2),
    at("mask_on_the_second_axis", (slice(None), MASK), B),
    at("mask_and_array", (MASK, np.array([0, 1]))),
    at("mask_and_slice", (MASK, slice(1, None))),
    at("mask_of_nothing", np.zeros(3, bool)),
    at("mask_as_list", [True, False, True]),
    at("complex", (slice(None), I), Z),
    at("complex_slice", (slice(None, None, -1), 2), Z),
    at("of_empty", slice(None), np.zeros((0, 3))),
    at("zero_d", None, np.float64(0.7)),
    at("zero_d_empty_tuple", (), np.float64(0.7)),
    Scenario("iterated", lambda x: sum(row * row[0] for row in x), (A,)),
    Scenario("unpacked", lambda x: np.multiply(*x[:2]), (A,)),
    Scenario("twice", lambda x: x[1:][I % 2] * x[0], (A,)),
    Scenario("chain", lambda x: x[::-1][:, 1:][1] * x.T[0, 0], (A,)),
    Scenario("item", lambda x: x.item(5) * x.item((1, 1)) * x[0, 0], (A,)),
    Scenario("take", lambda x: np.take(x, I, 1) ** 2, (A,)),
    Scenario("take_flat", lambda x: np.take(x, J) ** 2, (A,)),
    Scenario("take_int", lambda x: np.take(x, 1, -1) ** 2, (A,)),
    Scenario("take_wrap", lambda x: np.take(x, [-7, 8], 0, mode="wrap") ** 2, (A,)),
    Scenario("take_clip", lambda x: np.take(x, [-7, 8], 0, mode="clip") ** 2, (A,)),
    Scenario("take_method", lambda x: x.take(I, axis=0) ** 2, (A,)),
    Scenario(
        "take_along_axis",
        lambda x: np.take_along_axis(x, np.argsort(x, 1)[:, :2], 1) ** 2,
        (A,),
        stage=False,
        vmap=False,
    ),
    Scenario(
        "take_along_axis_flat", lambda x: np.take_along_axis(x, I, None) ** 2, (A,)
    ),
    Scenario(
        "take_along_axis_broadcast",
        lambda x: np.take_along_axis(x, np.array([[2, 0]]), -1) ** 2,
        (A,),
    ),
    Scenario("compress", lambda x: np.compress(MASK, x, 0) ** 2, (A,)),
    Scenario("compress_flat", lambda x: np.compress(MASK, x) ** 2, (A,)),
    Scenario("compress_method", lambda x: x.compress(MASK, axis=1) ** 2, (A,)),
    Scenario("extract", lambda x: np.extract(MASK2, x) ** 2, (A,)),
    Scenario("choose", lambda x, y: np.choose(I, [x, y, x * y]) ** 2, (V[:3], V[2:])),
    Scenario(
        "choose_broadcast", lambda x, y: np.choose(MASK * 1, [x, y]), (A.T, V[:1])
    ),
    Scenario(
        "choose_wrap",
        lambda x, y: np.choose([-1, 5], [x, y], mode="wrap") * x,
        (V[:2], V[2:4]),
    ),
    Scenario("repeat", lambda x: np.repeat(x, 3, 1) ** 2, (A,)),
    Scenario("repeat_flat", lambda x: np.repeat(x, 2) ** 2, (A,)),
    Scenario("repeat_array", lambda x: np.repeat(x, [2, 0, 3], 0) ** 2, (A,)),
    Scenario("repeat_none", lambda x: np.repeat(x, 0, 0) ** 2, (A,)),
    Scenario("repeat_scalar", lambda x: np.repeat(x, 3) ** 2, (np.float64(0.3),)),
    Scenario("repeat_method", lambda x: x.repeat(2, axis=0) ** 2, (A,)),
    Scenario("resize", lambda x: np.resize(x, (3, 7)) ** 2, (A,)),
    Scenario("resize_smaller", lambda x: np.resize(x, 5) ** 2, (A,)),
    Scenario("delete", lambda x: np.delete(x, 1, 0) ** 2, (A,)),
    Scenario("delete_many", lambda x: np.delete(x, [0, -1], 1) ** 2, (A,)),
    Scenario("delete_slice", lambda x: np.delete(x, slice(1, 7, 2)) ** 2, (A,)),
    Scenario("delete_mask", lambda x: np.delete(x, MASK, 0) ** 2, (A,)),
    Scenario(
        "windows",
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1) ** 2,
        (A,),
    ),
    Scenario(
        "windows_2d",
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)) ** 2,
        (A,),
    ),
    Scenario("ix_", lambda x: x[np.ix_([0, 2], [True, False, True, True])] ** 2, (A,)),
    Scenario(
        "searchsorted", lambda x: x[np.searchsorted([-1.0, 0.0, 1.0], x)] * x, (V,)
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Traced indices ---------------------------------------------------------------------

KEYS: dict[str, tuple[Callable[..., Any], Any]] = {
    "scalar": (lambda x, i: x[i], np.array([2, -1, 0])),
    "vector": (lambda x, i: x[i], np.array([[2, -1], [0, 0], [1, 1]])),
    "behind_slice": (lambda x, i: x[:, i], np.array([[2, -1], [0, 0], [1, 3]])),
    "two_dims": (lambda x, i: x[:, i], np.arange(12).reshape(3, 2, 2) % 4),
    "with_int": (lambda x, i: x[0, :, None][i], np.array([[2, -1], [0, 0], [1, 3]])),
    "separated": (lambda x, i: x[i, None, i], np.array([[2, -1], [0, 0], [1, 2]])),
    "with_constant": (lambda x, i: x[np.array([0, 2]), i], np.array([1, 0, 3])),
    "broadcast": (lambda x, i: x[i[:, None], i], np.array([[2, -1], [0, 0], [1, 2]])),
    "list_of_indices": (lambda x, i: x[[i, 0]], np.array([2, -1, 0])),
    "take": (lambda x, i: np.take(x, i, 1), np.array([[2, -1], [0, 0], [1, 3]])),
    "take_wrap": (lambda x, i: x.take(i, 0, mode="wrap"), np.array([7, -5, 0])),
    "along_axis": (
        lambda x, i: np.take_along_axis(x, i[:, None], 1),
        np.array([[2, -1, 0], [0, 0, 3], [1, 3, 1]]),
    ),
    "choose": (lambda x, i: np.choose(i, [x[0], x[1]]), np.array([0, 1, 1])),
    "write": (lambda x, i: _written(x, i), np.array([[2, -1], [0, 0], [1, 1]])),
    "add": (lambda x, i: _added(x, i), np.array([[2, -1], [0, 0], [1, 1]])),
}


def _written(x: Any, i: Any) -> Any:
    y = x * 1.0
    y[i] = x[:2] ** 2
    y[:, i] = 3.0 * x[:, :2]
    return y


def _added(x: Any, i: Any) -> Any:
    y = x * 1.0
    np.add.at(y, i, x[:2] ** 2)
    np.subtract.at(y, (slice(None), i), x[:, :2])
    return y


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("axes", [(None, 0), (0, None), (0, 0)], ids=str)
def test_indices_under_vmap(name: str, axes: tuple[Any, Any]) -> None:
    """Index mapped, array mapped, both: equal to a loop, and so is the gradient."""
    f, indices = KEYS[name]
    x = rng.standard_normal((3, 3, 4)) if axes[0] == 0 else A
    i = indices if axes[1] == 0 else indices[0]

    def items(k: int) -> tuple[Any, Any]:
        return (x[k] if axes[0] == 0 else x), (i[k] if axes[1] == 0 else i)

    def slope(x: Any, i: Any) -> Any:
        return wg.grad(lambda x: np.sum(np.sin(f(x, i)) * W[: np.size(f(x, i))].reshape(
            np.shape(f(x, i)))))(x)  # fmt: skip

    def value(x: Any, i: Any) -> Any:
        return wg.vjp(lambda x: f(x, i), x)[0]  # a plain x can't have a traced index

    for g in (value, slope):
        wanted = np.stack([g(*items(k)) for k in range(3)])
        np.testing.assert_allclose(wg.vmap(g, axes)(x, i), wanted, rtol=1e-13)


W = rng.standard_normal(64)


def test_index_mapped_and_the_gradient_of_one_element() -> None:
    """The cotangent is plain here and only the index is traced."""
    got = wg.vmap(lambda i: wg.grad(lambda x: x[i])(V))(np.array([3, 0]))
    np.testing.assert_array_equal(got, np.eye(5)[[3, 0]])


def test_nested_vmap() -> None:
    """Every element of every item, by an index of its own per item."""
    i = np.array([[0, 3], [1, -1], [2, 2]])

    def one(row: Any, place: Any) -> Any:
        return row[place] * row[:2]

    def both(x: Any) -> Any:
        return wg.vmap(lambda row, k: wg.vmap(lambda p: one(row, p))(k))(x, i)

    wanted = [[one(row, p) for p in k] for row, k in zip(A, i, strict=True)]
    np.testing.assert_allclose(both(A), wanted)
    slope = wg.grad(lambda x: np.sum(both(x) ** 2))(A)
    loop = wg.grad(
        lambda x: sum(
            np.sum(one(x[j], int(p)) ** 2) for j, k in enumerate(i) for p in k
        )
    )(A)
    np.testing.assert_allclose(slope, loop)


def test_index_as_an_input_of_a_graph() -> None:
    graph = wg.trace(lambda x, i: x[i] * x[0, i, None], A, np.array([1, 2]))
    i = np.array([-1, 0])
    np.testing.assert_array_equal(graph(A, i), A[i] * A[0, i, None])
    with pytest.raises(IndexError):
        graph(A, np.array([3, 0]))


def test_index_array_made_while_tracing() -> None:
    """An integer array that can be written into is still an index."""

    def f(x: Any) -> Any:
        i = np.zeros_like(x, dtype=int)
        i[1:] = 2
        return np.sum(x[i] ** 2)

    np.testing.assert_allclose(wg.grad(f)(V), [2 * V[0], 0, 8 * V[2], 0, 0])
    np.testing.assert_allclose(wg.jvp(f, (V,), (V,))[1], 2 * f(V))


def test_empty_vmap() -> None:
    y = wg.vmap(lambda x, i: x[i])(np.zeros((0, 4)), np.zeros((0, 2), int))
    assert y.shape == (0, 2)
    assert wg.vmap(np.searchsorted)(np.zeros((0, 3)), np.zeros((0, 2))).dtype == np.intp


# Refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "index 3 is out of bounds for axis 0 with size 3"),
        (-4, "index -4 is out of bounds for axis 0 with size 3"),
        ((0, 4), "index 4 is out of bounds for axis 1 with size 4"),
        (np.array([0, 3]), "index 3 is out of bounds for axis 0 with size 3"),
        ((slice(None), [0, -5]), "index -5 is out of bounds for axis 1 with size 4"),
        ((0, 0, 0), "too many indices for array: array is 2-dimensional, but 3"),
        ((..., 0, ...), "an index can only have a single ellipsis"),
        (np.array([True, False]), "boolean index did not match indexed array"),
        ((slice(None), MASK), "boolean index did not match indexed array"),
        ((I, np.array([0, 1])), "indexing arrays could not be broadcast together"),
        (1.0, "only integers, slices"),
        ("a", "(only integers, slices|arrays used as indices)"),
        (np.array([0.5]), "arrays used as indices must be of integer"),
        (True, "A single bool as an index"),
        (np.array(True), "A single bool as an index"),
    ],
)
def test_wrong_index(key: Any, message: str) -> None:
    def read(x: Any) -> Any:
        return x[key]

    def written(x: Any) -> Any:
        y = x * 1.0
        y[key] = 0.0
        return y

    for f in (read, written):
        for run in (
            lambda f=f: wg.vjp(f, A),
            lambda f=f: wg.jvp(f, (A,), (A,)),
            lambda f=f: wg.trace(f, A),
            lambda f=f: wg.vmap(f)(A[None]),
        ):
            with pytest.raises(IndexError, match=message):
                run()


def test_value_of_a_wrong_shape() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[1:] = np.ones(3)
        return y

    for run in (lambda: wg.vjp(f, A), lambda: wg.trace(f, A)):
        with pytest.raises(wg.WengertError, match=r"place's shape \(2, 4\)"):
            run()


def test_mask_without_values() -> None:
    message = (
        r"(?s)shape of x\[mask\] depends on the mask's values.*np.where\(mask, x, 0"
    )
    with pytest.raises(wg.WengertError, match=message):
        wg.vmap(lambda x: x[x > 0])(A)
    with pytest.raises(wg.WengertError, match=message):
        wg.trace(lambda x: x[x > 0], A)
    with pytest.raises(wg.WengertError, match=message):
        wg.trace(wg.grad(lambda x: np.sum(x[x > 0])), A)


def test_mask_with_values_is_a_guard() -> None:
    graph = wg.trace(lambda x: x[x > 0] * 2.0, V, values=True)
    np.testing.assert_array_equal(graph(V), V[V > 0] * 2.0)
    assert [g.asked for g in graph.guards] == ["nonzero"]


def test_mask_from_the_data() -> None:
    got = wg.grad(lambda x: np.sum(x[x > 0] ** 2))(A)
    np.testing.assert_array_equal(got, np.where(A > 0, 2 * A, 0.0))


def test_choose_out_of_range() -> None:
    with pytest.raises(ValueError, match="invalid entry in choice array"):
        wg.vjp(lambda x: np.choose([0, 2], [x, x]), V[:2])


# Cost -------------------------------------------------------------------------------


def _seconds(n: int) -> float:
    x = np.linspace(0.0, 1.0, n)

    def f(x: Any) -> Any:
        total = 0.0
        for i in range(n):
            total = total + x[i]
        return total

    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        got = wg.grad(f)(x)
        best = min(best, time.perf_counter() - start)
    np.testing.assert_array_equal(got, np.ones(n))
    return best


def test_a_loop_over_elements_is_linear() -> None:
    """Eight times the elements cost about eight times, not sixty-four."""
    assert _seconds(16000) < 20 * _seconds(2000)
