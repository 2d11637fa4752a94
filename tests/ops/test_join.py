"""Joining, splitting, padding, inserting: every row runs every check."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.testing import Scenario, check_scenario

rng = np.random.default_rng(0)
V = rng.standard_normal(4)
A = rng.standard_normal((3, 4))
B = rng.standard_normal((3, 2))
C = rng.standard_normal((2, 3, 4))
Z = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
HALF = np.float64(0.5)
ROW = np.arange(4.0)

SCENARIOS = [
    Scenario("concatenate", lambda x, y: np.concatenate([x, y, x], 1) ** 2, (A, B)),
    Scenario(
        "concatenate_flat", lambda x, y: np.concatenate([x, y], None) ** 2, (A, V)
    ),
    Scenario(
        "concatenate_negative",
        lambda x, y: np.concatenate((x, y), axis=-1) ** 2,
        (A, B),
    ),
    Scenario(
        "concatenate_empty",
        lambda x: np.concatenate([x, np.zeros((0, 4)), ROW[None]]) ** 2,
        (A,),
    ),
    Scenario("concatenate_one", lambda x: np.concatenate([x]) ** 2, (A,)),
    Scenario("concatenate_complex", lambda z, x: np.concatenate([z, x]) ** 2, (Z, A)),
    Scenario(
        "concatenate_dtype",
        lambda x: np.concatenate([x, x], dtype=np.float64) ** 2,
        (A,),
    ),
    Scenario("concatenate_array", lambda x: np.concatenate(x) ** 2, (C,)),
    Scenario("stack", lambda x, y: np.stack([x, y]) ** 2, (V, ROW + V)),
    Scenario(
        "stack_negative_axis", lambda x, y: np.stack([x, y, x], -1) ** 2, (A, A * 2)
    ),
    Scenario("stack_scalars", lambda x: np.stack([x, 2.0, x * x]) ** 2, (HALF,)),
    Scenario("stack_complex", lambda z, x: np.stack([z, x], 1) ** 2, (Z, A)),
    Scenario("vstack", lambda x, y: np.vstack([x, y]) ** 2, (A, V)),
    Scenario("hstack", lambda x, y: np.hstack([x, y]) ** 2, (A, B)),
    Scenario("hstack_vectors", lambda x, y: np.hstack([x, y, 1.0]) ** 2, (V, HALF)),
    Scenario("dstack", lambda x, y: np.dstack([x, y]) ** 2, (V, V * 2)),
    Scenario("column_stack", lambda x, y: np.column_stack([x, y]) ** 2, (A[:, 0], B)),
    Scenario("block", lambda x, y: np.block([[x, y], [1.0 * y, x]]) ** 2, (A, B)),
    Scenario("block_mixed_ranks", lambda x, y: np.block([x, y, 2.0]) ** 2, (V, HALF)),
    Scenario("block_one", lambda x: np.block(x) ** 2, (A,)),
    Scenario(
        "block_deep", lambda x: np.block([[[x], [x]], [[x], [2.0 * x]]]) ** 2, (A,)
    ),
    Scenario("append", lambda x, y: np.append(x, y) ** 2, (A, V)),
    Scenario("append_axis", lambda x, y: np.append(x, y, axis=1) ** 2, (A, B)),
    Scenario("append_number", lambda x: np.append(x, 2.0) ** 2, (V,)),
    Scenario("split", lambda x: np.multiply(*np.split(x, 2, axis=1)), (A,)),
    Scenario(
        "split_places", lambda x: [p**2 for p in np.split(x, [1, 1, 3], -1)], (A,)
    ),
    Scenario(
        "split_negative_place", lambda x: [p**2 for p in np.split(x, [1, -1])], (V,)
    ),
    Scenario("array_split", lambda x: [p**2 for p in np.array_split(x, 3, 1)], (A,)),
    Scenario("array_split_more", lambda x: [p**2 for p in np.array_split(x, 6)], (V,)),
    Scenario("hsplit", lambda x: np.hsplit(x, 2)[1] * np.hsplit(x[0], 2)[0], (A,)),
    Scenario("vsplit", lambda x: np.vsplit(x, [1])[1] ** 2, (A,)),
    Scenario("dsplit", lambda x: np.dsplit(x, 2)[1] ** 2, (C,)),
    Scenario("unstack", lambda x: np.multiply(*np.unstack(x)), (C,)),
    Scenario("unstack_axis", lambda x: [p**2 for p in np.unstack(x, axis=-1)], (A,)),
    Scenario("tile", lambda x: np.tile(x, 3) ** 2, (A,)),
    Scenario("tile_axes", lambda x: np.tile(x, (2, 1, 3)) ** 2, (A,)),
    Scenario("tile_fewer", lambda x: np.tile(x, (2,)) ** 2, (C,)),
    Scenario("tile_none", lambda x: np.tile(x, (0, 2)) ** 2, (V,)),
    Scenario("tile_scalar", lambda x: np.tile(x, (2, 2)) ** 2, (HALF,)),
    Scenario("pad", lambda x: np.pad(x, 2) * 2.0, (A,)),
    Scenario(
        "pad_pairs",
        lambda x: np.pad(x, [(0, 1), (2, 0)], constant_values=3.0) ** 2,
        (A,),
    ),
    Scenario("pad_dict", lambda x: np.pad(x, {1: (1, 2)}) ** 2, (A,)),
    Scenario(
        "pad_pair", lambda x: np.pad(x, (1, 2), constant_values=(4.0, 5.0)) ** 2, (A,)
    ),
    Scenario(
        "pad_values",
        lambda x: np.pad(x, 1, constant_values=[(1.0, 2.0), (3.0, 4.0)]) ** 2,
        (A,),
    ),
    Scenario("pad_rows", lambda x: np.pad(x, [(1,), (2,)]) ** 2, (A,)),
    Scenario("pad_complex", lambda z: np.pad(z, 1, constant_values=1j) ** 2, (Z,)),
    Scenario("pad_empty", lambda x: np.pad(x, 1) ** 2, (np.zeros((0, 2)),)),
    Scenario("pad_nothing", lambda x: np.pad(x, 0) ** 2, (A,)),
    Scenario("pad_edge", lambda x: np.pad(x, ((1, 2), (0, 3)), "edge") ** 2, (A,)),
    Scenario("pad_reflect", lambda x: np.pad(x, (2, 5), "reflect") ** 2, (A,)),
    Scenario(
        "pad_reflect_even",
        lambda x: np.pad(x, 1, "reflect", reflect_type="even") ** 2,
        (A,),
    ),
    Scenario("pad_symmetric", lambda x: np.pad(x, (4, 1), "symmetric") ** 2, (A,)),
    Scenario("pad_wrap", lambda x: np.pad(x, (5, 9), "wrap") ** 2, (A,)),
    Scenario("insert", lambda x, v: np.insert(x, 1, v) ** 2, (V, HALF)),
    Scenario("insert_row", lambda x, v: np.insert(x, -1, v, axis=0) ** 2, (A, V)),
    Scenario(
        "insert_column", lambda x, v: np.insert(x, 4, v, axis=1) ** 2, (A, B[:, 0])
    ),
    Scenario("insert_columns", lambda x, v: np.insert(x, [1], v, axis=1) ** 2, (A, B)),
    Scenario(
        "insert_scalar_place", lambda x, v: np.insert(x, 1, v, axis=1) ** 2, (A, B.T)
    ),
    Scenario("insert_places", lambda x, v: np.insert(x, [3, 0, 0, -1], v) ** 2, (V, V)),
    Scenario(
        "insert_slice", lambda x, v: np.insert(x, slice(0, 4, 2), v) ** 2, (V, V[:2])
    ),
    Scenario(
        "insert_mask",
        lambda x, v: np.insert(x, np.array([True, False, True, False]), v) ** 2,
        (V, V[:2]),
    ),
    Scenario("insert_flat", lambda x, v: np.insert(x, [2, 5], v) ** 2, (A, HALF)),
    Scenario("insert_nothing", lambda x: np.insert(x, [], 1.0) ** 2, (V,)),
    Scenario(
        "apply_along_axis",
        lambda x: np.apply_along_axis(lambda r: r * r[0], 1, x),
        (A,),
    ),
    Scenario(
        "apply_to_numbers", lambda x: np.apply_along_axis(np.sum, 0, x) ** 2, (A,)
    ),
    Scenario(
        "apply_to_matrices",
        lambda x: np.apply_along_axis(lambda r: np.outer(r, r), 1, x),
        (C,),
    ),
    Scenario(
        "apply_over_axes", lambda x: np.apply_over_axes(np.sum, x, [0, 2]) ** 2, (C,)
    ),
    Scenario("meshgrid", lambda x, y: np.multiply(*np.meshgrid(x, y)), (V, A[:, 0])),
    Scenario(
        "meshgrid_ij",
        lambda x, y: np.multiply(*np.meshgrid(x, y, indexing="ij")),
        (V, A[:, 0]),
    ),
    Scenario(
        "meshgrid_sparse",
        lambda x, y: np.multiply(*np.meshgrid(x, y, sparse=True)),
        (V, A[:, 0]),
    ),
    Scenario(
        "meshgrid_three", lambda x, y: np.meshgrid(x, y, x * x)[2] * y[0], (V, A[:, 0])
    ),
    Scenario("ix_", lambda x, y: np.multiply(*np.ix_(x, y)), (V, A[:, 0])),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


def test_constant_values_traced_with_the_array() -> None:
    def f(x: Any) -> Any:
        return np.pad(x, 1, constant_values=x[0]) * np.arange(6.0)

    np.testing.assert_array_equal(wg.vjp(f, V)[0], f(V))
    np.testing.assert_array_equal(wg.jacobian(f)(V)[:, 0], [0, 1, 0, 0, 0, 5.0])


def test_pieces_are_views() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        for piece in (*np.split(y, 2), *np.unstack(y[None], axis=0)):
            piece *= 2.0
        return y

    np.testing.assert_array_equal(wg.vjp(f, V)[0], f(V))
    assert f(V)[0] == 4 * V[0]


def test_joined_arrays_are_copies() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        for made in (
            np.concatenate([y]), np.tile(y, 1), np.repeat(y, 1), np.pad(y, 0),
            np.meshgrid(y)[0], np.append(y, []), np.block([y]),
        ):  # fmt: skip
            made[...] = 0.0
        return y

    np.testing.assert_array_equal(wg.vjp(f, V)[0], V)
    np.testing.assert_array_equal(f(V), V)


def test_out() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x, shape=(2, 4))
        np.stack([x, x * x], out=y)
        np.concatenate([x[:2], x[2:]], out=y[0])
        return y

    y, pullback = wg.vjp(f, V)
    np.testing.assert_array_equal(y, [V, V * V])
    np.testing.assert_allclose(pullback(np.ones((2, 4)))[0], 1 + 2 * V)


def test_wrong_calls() -> None:
    calls: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
        (lambda x: np.concatenate([x, x[0]]), ValueError, "zero-dim|equal shapes"),
        (lambda x: np.concatenate([x[0], x]), ValueError, "zero-dimensional"),
        (lambda x: np.concatenate([x[None], x[None, :2]]), ValueError, "equal shapes"),
        (lambda x: np.concatenate([x], 1), np.exceptions.AxisError, "axis 1"),
        (lambda x: np.concatenate([x, x], dtype=int), TypeError, "Cannot cast"),
        (lambda x: np.stack([x, x[:2]]), ValueError, "arrays of one shape"),
        (lambda x: np.block([[x], x]), ValueError, "equally deep"),
        (lambda x: np.block([x, []]), ValueError, "equally deep"),
        (lambda x: np.block([(x, x)]), TypeError, "Only lists"),
        (lambda x: np.split(x, 3), ValueError, "np.array_split"),
        (lambda x: np.array_split(x, 0), ValueError, "larger than 0"),
        (lambda x: np.vsplit(x, 2), ValueError, "vsplit only works"),
        (lambda x: np.unstack(x[0]), ValueError, "at least 1-d"),
        (lambda x: np.pad(x, -1), ValueError, "negative"),
        (lambda x: np.pad(x, 0.5), TypeError, "integral"),
        (lambda x: np.pad(x, 1, "mean"), wg.WengertError, "(?s)mode='mean'.*np.conc"),
        (lambda x: np.pad(x, 1, lambda *a: None), wg.WengertError, "constant, edge"),
        (lambda x: np.pad(x, 1, "reflect", reflect_type="odd"), wg.WengertError, "odd"),
        (lambda x: np.pad(x, 1, "edge", constant_values=1), ValueError, "unsupported"),
        (lambda x: np.pad(x[:0], 1, "edge"), ValueError, "empty axis"),
        (lambda x: np.insert(x, 5, 1.0), IndexError, "index 5 is out of bounds"),
        (lambda x: np.insert(x, [[1]], 1.0), ValueError, "one dimensional"),
        (lambda x: np.delete(x, 4), IndexError, "index 4 is out of bounds"),
        (lambda x: np.repeat(x, [1, 2]), ValueError, "broadcast"),
        (lambda x: np.repeat(x, -1), ValueError, "negative"),
        (lambda x: np.meshgrid(x, indexing="no"), ValueError, "xy"),
        (
            lambda x: np.apply_along_axis(np.sum, 0, x[:0][None] * np.ones((2, 0))),
            ValueError,
            "are 0",
        ),
    ]
    for f, kind, message in calls:
        with pytest.raises(kind, match=message):
            wg.vjp(f, V)
