"""Numbers and arrays as texts and as data."""

import json

import numpy as np
import pytest

from wengert.show.value import number, short, text_of, value_of


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (-2.0, "−2"),
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
        (1e-9, "1e−09"),
        (np.float32(0.1), "0.1"),
        (np.int64(-3), "−3"),
        (np.inf, "inf"),
        (-np.inf, "−inf"),
        (np.nan, "nan"),
        (True, "True"),
        (np.bool_(False), "False"),
        (1 - 2j, "1 − 2i"),
        (2j, "2i"),
        (complex(0, -1), "−1i"),
        (complex(-1, np.nan), "−1 + nani"),
    ],
)
def test_numbers(x: object, expected: str) -> None:
    assert number(x) == expected


def test_short_puts_signs_into_brackets() -> None:
    assert short(-2.0) == "(−2)"
    assert short(1 + 1j) == "(1 + 1i)"
    assert short(2.0) == "2"
    assert short(np.array([-1.0, 2.0])) == "[−1, 2]"


def test_texts_of_arrays() -> None:
    assert text_of(np.array([[1.0, -2.0]])) == "[[1, −2]]"
    assert text_of(np.zeros((0, 3))) == "empty, shape (0, 3)"
    assert text_of(np.arange(20.0)) == "shape (20,), 0 … 19, mean 9.5"
    x = np.arange(20.0)
    x[:3] = np.nan, np.inf, -np.inf
    assert text_of(x) == "shape (20,), 3 … 19, mean 11, 1 nan, 2 inf"
    assert text_of(np.full(20, np.nan)) == "shape (20,), 20 nan"
    assert text_of(np.full(20, 3 + 4j)) == "shape (20,), |x| 5 … 5, mean 5"


def test_small_arrays_are_kept_whole() -> None:
    value = value_of(np.array([1.0, np.nan, -np.inf]))
    assert value["small"] == [1.0, "nan", "−inf"]
    assert (value["summary"], value["heat"]) == (None, None)
    assert value_of(np.array([True]))["small"] == [True]
    assert value_of(np.array([1 + 1j]))["small"] == ["1 + 1i"]
    assert value_of(np.float64(2))["small"] == 2.0
    assert value_of(np.zeros((0, 2)))["small"] == []


def test_heat_maps_are_block_means() -> None:
    x = np.zeros((64, 64))
    x[:2, :2] = 4.0
    x[62:, 62:] = -4.0
    x[10, 10] = np.inf  # left out of its block
    x[20:22, 20:22] = np.nan
    heat = value_of(x)["heat"]
    assert heat is not None
    assert (len(heat), len(heat[0])) == (32, 32)
    assert (heat[0][0], heat[31][31], heat[5][5], heat[10][10]) == (1.0, 0.0, 0.5, None)
    json.dumps(value_of(x), allow_nan=False)


def test_heat_maps_of_odd_shapes() -> None:
    for shape in [(100,), (3, 5, 7), (1, 1000), (1000, 1)]:
        heat = value_of(np.ones(shape))["heat"]
        assert heat is not None
        assert {v for row in heat for v in row} == {0.5}
        assert max(len(heat), len(heat[0])) <= 32
    assert value_of(np.ones(100), 0)["heat"] is None
    rows = value_of(np.ones((100, 100)), 8)["heat"]
    assert rows is not None
    assert len(rows) == 8


def test_nothing_but_nan() -> None:
    value = value_of(np.full((9, 9), np.nan))
    assert value["summary"] == {
        "min": None, "max": None, "mean": None, "nan": 81, "inf": 0, "size": 81,
    }  # fmt: skip
    assert value["heat"] == [[None] * 9] * 9
