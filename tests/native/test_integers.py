"""Quotients, remainders and powers of integers in loops: NumPy's, to the last bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
DIVISIONS: list[Callable[[Any, Any], Any]] = [np.floor_divide, np.remainder, np.fmod]


def values(dtype: str) -> Any:
    """All small numbers, and those at the ends of the range."""
    ends = np.iinfo(dtype)
    found = {*range(-9, 10), *(ends.min + k for k in range(3))}
    found |= {ends.max - k for k in range(3)}
    return np.array(sorted(v for v in found if ends.min <= v <= ends.max), dtype)


def native(f: Any) -> Any:
    """The report of a jitted function's only path: nothing in it runs on the host."""
    (path,) = f.report().paths
    assert path.call == "native"
    assert not path.host


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("divide", DIVISIONS)
def test_every_pair_of_integers(divide: Callable[[Any, Any], Any], dtype: str) -> None:
    a, b = np.meshgrid(values(dtype), values(dtype))
    f = wg.jit(lambda a, b: divide(a, b))
    wanted = divide(a, b)
    for _ in range(2):
        got = f(a, b)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    native(f)


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 64, -1, -3])
def test_a_known_divisor(divisor: int) -> None:
    x = values("i8")
    f = wg.jit(lambda x: np.divmod(x, divisor))
    wanted = np.divmod(x, divisor)
    for got, w in zip(f(x), wanted, strict=True):
        np.testing.assert_array_equal(got, w)
    native(f)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 10, 63, 64])
def test_powers_wrap_around_as_ever(n: int, dtype: str) -> None:
    x = values(dtype)
    f = wg.jit(lambda x: x**n)
    got = f(x)
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(got, x**n)
    native(f)


def test_a_negative_power_raises_as_ever() -> None:
    f = wg.jit(lambda x, n: x**n)
    x, n = np.arange(3), np.array([2, 1, 0])
    for _ in range(2):
        np.testing.assert_array_equal(f(x, n), x**n)
        with pytest.raises(ValueError, match="negative integer powers"):
            f(x, -n)
        with pytest.raises(ValueError, match="negative integer powers"):
            wg.jit(lambda x: x**-1)(x)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, 1.0, 2.0, -1.0, -2.0])
def test_the_exponents_kind_decides(exponent: float) -> None:
    x = np.arange(1, 6)
    got, wanted = wg.jit(lambda x: x**exponent)(x), x**exponent
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_long_arrays_and_a_rest() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(-1000, 1000, 10_007), rng.integers(-20, 20, 10_007)
    wanted = a // b + a % b
    np.testing.assert_array_equal(wg.jit(lambda a, b: a // b + a % b)(a, b), wanted)
