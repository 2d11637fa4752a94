"""norm in all its orders, cond and matrix_rank."""

import mpmath
import numpy as np
import pytest

from wengert.core.errors import ShapeMismatch, TypeMismatch
from wengert.testing import Scenario, check_scenario
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad
from wengert.transforms.reverse import vjp

rng = np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def cplx(*shape: int) -> np.ndarray:
    return real(*shape) + 1j * real(*shape)


V, M, T = real(4), real(3, 4), real(2, 3, 4)
VECTOR_ORDERS = [None, 2, 1, 3, 2.5, 0.5, -1, -2, np.inf, -np.inf]
MATRIX_ORDERS = [None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf]

SCENARIOS = [
    *(Scenario(f"vector_{o}", lambda x, o=o: np.linalg.norm(x, o), (V,))
      for o in VECTOR_ORDERS),
    *(Scenario(f"vector_axis_{o}", lambda x, o=o: np.linalg.norm(x, o, axis=1), (T,))
      for o in VECTOR_ORDERS),
    *(Scenario(f"vector_complex_{o}", lambda x, o=o: np.linalg.norm(x, o), (cplx(3),))
      for o in VECTOR_ORDERS),
    *(Scenario(f"matrix_{o}", lambda x, o=o: np.linalg.norm(x, o), (M,))
      for o in MATRIX_ORDERS),
    *(Scenario(f"matrix_axis_{o}", lambda x, o=o: np.linalg.norm(
        x, o, axis=(-1, 0), keepdims=True), (T,)) for o in MATRIX_ORDERS),
    *(Scenario(f"matrix_complex_{o}", lambda x, o=o: np.linalg.norm(x, o),
               (cplx(2, 3),)) for o in MATRIX_ORDERS),
    Scenario("vector_0", lambda x: np.linalg.norm(x, 0) * x, (V,)),
    Scenario("vector_0_axis", lambda x: np.linalg.norm(x, 0, axis=0, keepdims=True) * x,
             (cplx(2, 3),)),
    Scenario("keepdims", lambda x: np.linalg.norm(x, keepdims=True), (T,)),
    Scenario("keepdims_vector", lambda x: np.linalg.norm(x, 3, -1, True), (M,)),
    Scenario("every_axis", lambda x: np.linalg.norm(x), (T,)),
    Scenario("zero_d", lambda x: np.linalg.norm(x), (np.float64(-0.7),)),
    Scenario("empty", lambda x: np.linalg.norm(x, axis=1), (np.zeros((0, 3)),)),
    Scenario("empty_sum", lambda x: np.linalg.norm(x), (np.zeros(0),)),
    Scenario("vector_norm", lambda x: np.linalg.vector_norm(x), (T,)),
    Scenario("vector_norm_axes", lambda x: np.linalg.vector_norm(
        x, axis=(2, 0), ord=3, keepdims=True), (T,)),
    Scenario("vector_norm_inf", lambda x: np.linalg.vector_norm(
        x, axis=(0, 1), ord=np.inf), (T,)),
    Scenario("matrix_norm", lambda x: np.linalg.matrix_norm(x), (T,)),
    Scenario("matrix_norm_nuc", lambda x: np.linalg.matrix_norm(x, ord="nuc"), (T,)),
    *(Scenario(f"cond_{p}", lambda x, p=p: np.linalg.cond(x, p), (real(3, 3),))
      for p in (None, 2, -2, 1, -1, np.inf, "fro", "nuc")),
    Scenario("cond_tall", lambda x: np.linalg.cond(x), (real(2, 3, 2),)),
    Scenario("matrix_rank", lambda x: np.linalg.matrix_rank(x) * x, (M,)),
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Special points --------------------------------------------------------------------


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 1.5, np.inf])
def test_the_subgradient_of_a_vector_norm_at_zero_is_zero(ord) -> None:
    def f(x):
        return np.linalg.norm(x, ord)

    assert np.array_equal(grad(f)(np.zeros(3)), np.zeros(3))
    assert jvp(f, (np.zeros(3),), (np.ones(3),))[1] == 0


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, 2, np.inf])
def test_the_subgradient_of_a_matrix_norm_at_zero_is_zero(ord) -> None:
    g = grad(lambda x: np.linalg.norm(x, ord))(np.zeros((2, 3)))
    assert np.array_equal(g, np.zeros((2, 3)))


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e300, 1e-300])
@pytest.mark.parametrize("p", [2, 3, 1.5, 7])
def test_huge_and_tiny_values(scale, p) -> None:
    x = np.array([3.0, -4.0, 1.0]) * scale
    y, pullback = vjp(lambda x: np.linalg.norm(x, p), x)
    with mpmath.workdps(40):
        terms = [abs(mpmath.mpf(float(e))) ** p for e in x]
        total = mpmath.fsum(terms) ** (mpmath.mpf(1) / mpmath.mpf(p))
        wanted = [
            float(mpmath.sign(e) * (abs(mpmath.mpf(float(e))) / total) ** (p - 1))
            for e in x
        ]
    assert y == pytest.approx(float(total), rel=1e-14)
    np.testing.assert_allclose(pullback(np.float64(1.0))[0], wanted, rtol=1e-14)


def test_values_that_numpy_loses_are_kept_only_where_it_loses_them() -> None:
    rows = np.array([[1e-200, 1e-200], [3.0, 4.0], [0.0, 0.0], [np.inf, 1.0]])
    y, _ = vjp(lambda x: np.linalg.norm(x, axis=1), rows)
    np.testing.assert_array_equal(y[1:], [5.0, 0.0, np.inf])
    assert y[0] == pytest.approx(np.sqrt(2) * 1e-200, rel=1e-15)


def test_nan_stays_nan() -> None:
    assert np.isnan(vjp(np.linalg.norm, np.array([np.nan, 1.0]))[0])


def test_ties_of_the_largest_element_are_split_evenly() -> None:
    g = grad(lambda x: np.linalg.norm(x, np.inf))(np.array([2.0, -2.0, 1.0]))
    np.testing.assert_array_equal(g, [0.5, -0.5, 0.0])


def test_integers_and_the_identity_of_sparse_elements() -> None:
    x = np.array([3.0, 0.0, 4.0])
    np.testing.assert_allclose(grad(lambda x: np.linalg.norm(x, 3))(x)[1], 0.0)
    assert (
        vjp(lambda x: np.linalg.norm(np.array([3, 4])) * x, np.float64(1.0))[0] == 5.0
    )


def test_spectral_norm_of_equal_singular_values_is_a_subgradient() -> None:
    g = grad(lambda x: np.linalg.norm(x, 2))(np.eye(3))
    np.testing.assert_allclose(g, np.eye(3) / 3, atol=1e-15)


def test_condition_of_a_singular_matrix_is_infinite() -> None:
    for p in (None, 1, "fro"):
        assert (
            vjp(lambda a, p=p: np.linalg.cond(a, p), np.diag([1.0, 0.0]))[0] == np.inf
        )
    assert vjp(np.linalg.cond, np.zeros((2, 2)))[0] == np.inf


@pytest.mark.parametrize(
    "kwargs", [{}, {"tol": 0.5}, {"rtol": 0.6}, {"hermitian": True}]
)
def test_matrix_rank_is_a_plain_integer(kwargs) -> None:
    x = np.stack([np.diag([1.0, 0.4, 0.0]), np.eye(3)])

    def f(x):
        r = np.linalg.matrix_rank(x, **kwargs)
        assert isinstance(r, np.ndarray)
        assert r.dtype.kind == "i"
        np.testing.assert_array_equal(r, np.linalg.matrix_rank(plain, **kwargs))
        return np.sum(x)

    plain = x.copy()
    np.testing.assert_array_equal(grad(f)(x), np.ones(x.shape))


def test_rank_of_a_vector() -> None:
    y, _ = vjp(lambda x: np.linalg.matrix_rank(x) * x, np.array([0.0, 2.0]))
    np.testing.assert_array_equal(y, [0.0, 2.0])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: np.linalg.norm(x, "fro", axis=0), ValueError, "Invalid norm order"),
        (lambda x: np.linalg.norm(x, 3), ValueError, "Invalid norm order for matrices"),
        (lambda x: np.linalg.norm(x, axis=(0, 0)), ValueError, "Duplicate axes"),
        (lambda x: np.linalg.norm(x[None], 2), ValueError, "Improper number"),
        (lambda x: np.linalg.norm(x, axis=2), np.exceptions.AxisError, "out of bounds"),
        (lambda x: np.linalg.norm(x[0], x[0, 0]), TypeMismatch, "plain number as ord"),
        (lambda x: np.linalg.cond(x, 1), ShapeMismatch, "needs a square matrix"),
    ],
)
def test_errors(call, error, text) -> None:
    with pytest.raises(error, match=text):
        vjp(call, M)
