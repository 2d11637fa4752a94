"""Changes of dtype."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import TypeMismatch
from wengert.core.types import type_of
from wengert.ops.convert import ASTYPE
from wengert.testing import Scenario, check_scenario

A = np.array([[0.3, -1.2, 2.5], [0.7, 0.1, -0.4]])
Z = A + 1j * A[::-1]

SCENARIOS = [
    Scenario("same", lambda x: x.astype(x.dtype) ** 2, (A,)),
    Scenario("function", lambda x: np.astype(x, np.float64) ** 2, (A,), float32=False),
    Scenario("by_name", lambda x: x.astype("float64") ** 2, (A,), float32=False),
    Scenario("python_type", lambda x: x.astype(float) ** 2, (A,), float32=False),
    Scenario("complex", lambda x: (x.astype(complex) * 1j) ** 2, (A,), float32=False),
    Scenario("longdouble", lambda x: x.astype(np.longdouble) ** 2, (A,), float32=False),
    Scenario(
        "there_and_back",
        lambda x: (1j * x.astype(complex)).imag ** 2,
        (A,),
        float32=False,
    ),
    Scenario("through_int", lambda x: x.astype(int) * x, (A,)),
    Scenario("through_bool", lambda x: (x > 0).astype(x.dtype) * x, (A,)),
    Scenario(
        "scalar", lambda x: x.astype(complex) ** 2, (np.float64(0.7),), float32=False
    ),
    Scenario("empty", lambda x: x.astype(complex), (np.zeros((0, 2)),), float32=False),
    Scenario("mixed", lambda x: x.astype(np.float64) * x, (A,), float32=False),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


@pytest.mark.parametrize("low", [np.float32, np.float16, np.complex64])
def test_lower_precision(low: Any) -> None:
    """The value is rounded, the gradient has the argument's dtype."""

    def f(x: Any) -> Any:
        y = x.astype(low)
        assert y.dtype == low
        return np.sum(y.real * y.real)

    gradient = wg.grad(f)(A)
    assert gradient.dtype == np.float64
    assert np.array_equal(gradient, 2 * A.astype(low).real.astype(float))
    y, dy = wg.jvp(lambda x: x.astype(low), (A,), (A,))
    assert y.dtype == dy.dtype == low
    assert np.array_equal(dy, A.astype(low))
    assert wg.trace(lambda x: x.astype(low), A)(A).dtype == low
    assert wg.vmap(lambda x: x.astype(low))(A).dtype == low


def test_complex_to_float_takes_the_real_part() -> None:
    """As NumPy's, which warns of it; the derivative is that of taking the real part."""

    def f(z: Any) -> Any:
        return np.sum(z.astype(float) ** 2)

    assert np.array_equal(wg.grad(f)(Z), 2 * A + 0j)
    assert wg.jvp(f, (Z,), (1j * Z,))[1] == -2 * np.sum(A * Z.imag)


@pytest.mark.parametrize("dtype", [int, np.uint8, bool])
def test_integers_are_plain(dtype: Any) -> None:
    x = np.abs(A)

    def f(x: Any) -> Any:
        y = x.astype(dtype)
        assert type(y) is np.ndarray
        assert np.array_equal(y, np.abs(A).astype(dtype))
        return np.sum(y * x)

    assert np.array_equal(wg.grad(f)(x), x.astype(dtype).astype(float))
    assert type(wg.jvp(lambda x: x.astype(dtype), (x,), (x,))[0]) is np.ndarray


@pytest.mark.parametrize("dtype", [object, "U5", "S3", "datetime64[s]"])
@pytest.mark.parametrize("run", [wg.grad, lambda f: lambda x: wg.jvp(f, (x,), (x,))])
def test_other_dtypes_are_refused(dtype: Any, run: Any) -> None:
    """The derivative would be lost, in silence."""
    with pytest.raises(TypeMismatch) as error:
        run(lambda x: x.astype(dtype))(0.5)
    lines = str(error.value).split("\n")
    assert lines[0] == "A traced value can become another dtype of numbers."
    assert lines[1] == f"  Came: astype({np.dtype(dtype)})"
    assert lines[2].startswith("  Do:   wg.stop_gradient(x) first")
    assert "test_convert.py" in lines[3]


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.float64])
def test_transpose_has_the_argument_type(dtype: Any) -> None:
    (transpose,) = ASTYPE.derivative.transposes
    ct = (A + 2j * A).astype(dtype) if dtype is np.complex128 else A.astype(dtype)
    back = transpose(ct, type_of(A), dtype=np.dtype(dtype))
    assert back.dtype == A.dtype
    assert np.array_equal(back, A.astype(dtype).real)


def test_a_copy_is_a_copy() -> None:
    def f(x: Any) -> Any:
        y = x.astype(float)
        y[0] = 100.0
        assert np.astype(x, float, copy=False) is x
        return np.sum(x * x)

    assert wg.grad(f)(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]


def test_a_copy_of_booleans_is_a_copy() -> None:
    def f(x: Any) -> Any:
        positive = x > 0
        copy = positive.astype(bool)
        copy[0] = False
        return np.sum(np.where(positive, x, 0.0))

    assert wg.trace(f, A[0])(A[0]) == f(A[0])


def test_questions_about_dtypes() -> None:
    def f(x: Any) -> Any:
        assert np.result_type(x, np.float32) == np.float64
        assert np.result_type(x, 1j) == np.complex128
        assert np.common_type(x, np.float32(1)) is np.float64
        assert np.can_cast(np.float32, x.dtype)
        return np.sum(x)

    wg.grad(f)(A)
    wg.trace(f, A)
