"""Copies where somebody could see or make a change, and only there."""

import numpy as np

from wengert.core.memory import owned, snapshot


def test_an_array_that_nobody_else_holds_is_handed_over() -> None:
    values = [np.zeros(3)]
    address = values[0].ctypes.data
    (result,) = owned(values)
    assert result.ctypes.data == address
    assert values == [None]


def test_a_shared_array_is_copied() -> None:
    x = np.zeros(3)
    (result,) = owned([x])
    assert not np.shares_memory(result, x)


def test_the_same_array_twice_becomes_two() -> None:
    x = np.zeros(3)
    values = [x, x]
    del x
    a, b = owned(values)
    assert not np.shares_memory(a, b)


def test_views_and_read_only_arrays_are_copied() -> None:
    base = np.arange(6.0)
    (view,) = owned([base[::2]])
    assert not np.shares_memory(view, base)
    locked = np.zeros(3)
    locked.flags.writeable = False
    values = [locked]
    del locked
    (result,) = owned(values)
    assert result.flags.writeable


def test_python_numbers_become_numpy_scalars() -> None:
    assert [type(x) for x in owned([1.0, 1j])] == [np.float64, np.complex128]


def test_an_unchanged_array_is_copied_once() -> None:
    made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    x = np.arange(1000.0)
    first = snapshot(x, made)
    assert snapshot(x, made) is first
    assert not np.shares_memory(first, x)


def test_a_changed_array_is_copied_again() -> None:
    made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    x = np.arange(1000.0)
    first = snapshot(x, made)
    x[500] = -1.0
    second = snapshot(x, made)
    assert first[500] == 500.0
    assert second[500] == -1.0


def test_nan_counts_as_unchanged_and_minus_zero_as_a_change() -> None:
    made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    x = np.full(1000, np.nan)
    assert snapshot(x, made) is snapshot(x, made)
    z = np.zeros(1000)
    first = snapshot(z, made)
    z[0] = -0.0
    assert snapshot(z, made) is not first


def test_strided_arrays_are_compared_too() -> None:
    made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    x = np.arange(2000.0)[::2]
    first = snapshot(x, made)
    assert snapshot(x, made) is first
    x[1] = 7.0
    assert snapshot(x, made)[1] == 7.0
