"""solve, inv, pinv, lstsq, tensor forms, triangular systems, powers and chains."""

import numpy as np
import pytest

from wengert.core.errors import ShapeMismatch, TypeMismatch
from wengert.graph.stage import trace
from wengert.ops.linalg import solve_triangular
from wengert.testing import Scenario, check_scenario
from wengert.transforms.batch import vmap
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad
from wengert.transforms.reverse import vjp

rng = np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def cplx(*shape: int) -> np.ndarray:
    return real(*shape) + 1j * real(*shape)


A3 = real(3, 3) + 3 * np.eye(3)
B3 = real(2, 3, 3) + 3 * np.eye(3)
Z3 = cplx(3, 3) + 3 * np.eye(3)
TALL, WIDE = real(5, 3), real(3, 5)
RANK1 = np.outer(real(4), real(3))

SCENARIOS = [
    Scenario("solve_vec", lambda a, b: np.linalg.solve(a, b), (A3, real(3))),
    Scenario("solve_mat", lambda a, b: np.linalg.solve(a, b), (A3, real(3, 2))),
    Scenario("solve_stack_vec", lambda a, b: np.linalg.solve(a, b), (B3, real(3))),
    Scenario("solve_stack", lambda a, b: np.linalg.solve(a, b), (B3, real(2, 3, 2))),
    Scenario("solve_one_a", lambda a, b: np.linalg.solve(a, b), (A3, real(2, 3, 2))),
    Scenario("solve_one_b", lambda a, b: np.linalg.solve(a, b), (B3, real(3, 2))),
    Scenario("solve_broadcast", lambda a, b: np.linalg.solve(a, b),
             (B3[:, None], real(4, 3, 1))),
    Scenario("solve_complex", lambda a, b: np.linalg.solve(a, b), (Z3, cplx(3, 2))),
    Scenario("solve_real_complex", lambda a, b: np.linalg.solve(a, b), (A3, cplx(3))),
    Scenario("solve_empty", lambda a, b: np.linalg.solve(a, b),
             (np.zeros((0, 3, 3)), real(3))),
    Scenario("solve_no_columns", lambda a, b: np.linalg.solve(a, b), (A3, real(3, 0))),
    Scenario("inv", lambda a: np.linalg.inv(a), (A3,)),
    Scenario("inv_stack", lambda a: np.linalg.inv(a), (B3,)),
    Scenario("inv_complex", lambda a: np.linalg.inv(a), (Z3,)),
    Scenario("inv_one", lambda a: np.linalg.inv(a), (np.array([[2.5]]),)),
    Scenario("pinv_tall", lambda a: np.linalg.pinv(a), (TALL,)),
    Scenario("pinv_wide", lambda a: np.linalg.pinv(a), (WIDE,)),
    Scenario("pinv_stack", lambda a: np.linalg.pinv(a, rtol=1e-6), (real(2, 3, 2),)),
    Scenario("pinv_complex", lambda a: np.linalg.pinv(a), (cplx(3, 2),)),
    Scenario("pinv_hermitian", lambda a: np.linalg.pinv(a, hermitian=True), (A3,)),
    Scenario("lstsq_tall", lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, real(5))),
    Scenario("lstsq_mat", lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, real(5, 2))),
    Scenario("lstsq_wide", lambda a, b: np.linalg.lstsq(a, b)[0], (WIDE, real(3))),
    Scenario("lstsq_complex", lambda a, b: np.linalg.lstsq(a, b)[0],
             (cplx(4, 3), cplx(4))),
    Scenario("lstsq_residuals", lambda a, b: np.linalg.lstsq(a, b)[1],
             (TALL, real(5, 2))),
    Scenario("lstsq_singular_values", lambda a: np.linalg.lstsq(a, np.ones(5))[3],
             (TALL,), float32=False),
    Scenario("lstsq_rcond", lambda a, b: np.linalg.lstsq(a, b, rcond=0.01)[0],
             (TALL, real(5))),
    Scenario("tensorinv", lambda a: np.linalg.tensorinv(a), (real(2, 3, 3, 2),)),
    Scenario("tensorsolve", lambda a, b: np.linalg.tensorsolve(a, b),
             (real(2, 3, 6), real(2, 3))),
    Scenario("tensorsolve_axes", lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)),
             (real(6, 2, 3), real(2, 3))),
    Scenario("power_3", lambda a: np.linalg.matrix_power(a, 3), (A3 / 3,)),
    Scenario("power_5", lambda a: np.linalg.matrix_power(a, 5), (B3 / 3,)),
    Scenario("power_1", lambda a: np.linalg.matrix_power(a, 1), (A3,)),
    Scenario("power_-2", lambda a: np.linalg.matrix_power(a, -2), (A3,)),
    Scenario("multi_dot_2", lambda a, b: np.linalg.multi_dot([a, b]), (TALL, WIDE)),
    Scenario("multi_dot_3", lambda a, b, c: np.linalg.multi_dot([a, b, c]),
             (TALL, WIDE, TALL)),
    Scenario("multi_dot_vectors", lambda a, b, c: np.linalg.multi_dot([a, b, c]),
             (real(5), TALL, real(3))),
    Scenario("multi_dot_5", lambda a, b: np.linalg.multi_dot([a, b, a, b, a]),
             (TALL / 2, WIDE / 2)),
    Scenario("matrix_transpose", lambda a: np.linalg.matrix_transpose(a) ** 2, (B3,)),
    *(
        Scenario(f"triangular_{lower}_{trans}_{unit}",
                 lambda a, b, l=lower, t=trans, u=unit:
                 solve_triangular(a, b, lower=l, trans=t, unit=u),
                 (A3, real(3, 2)))
        for lower in (False, True) for trans in "NTC" for unit in (False, True)
    ),
    Scenario("triangular_complex", lambda a, b: solve_triangular(a, b, trans="C"),
             (Z3, cplx(3, 2))),
    Scenario("triangular_real_complex", lambda a, b: solve_triangular(a, b),
             (A3, cplx(3, 2))),
    Scenario("triangular_stack", lambda a, b: solve_triangular(a, b, lower=True),
             (B3, real(2, 3, 2))),
    Scenario("triangular_long_stack", lambda a, b: solve_triangular(a, b),
             (real(7, 2, 2) + 3 * np.eye(2), real(2, 2))),
    Scenario("triangular_one_a", lambda a, b: solve_triangular(a, b),
             (A3, real(2, 3, 2))),
    Scenario("triangular_empty", lambda a, b: solve_triangular(a, b),
             (np.zeros((0, 3, 3)), real(3, 2))),
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Special points and costs ----------------------------------------------------------


def test_a_pseudoinverse_of_lower_rank_has_the_derivative_along_equal_ranks() -> None:
    u, v = real(4), real(3)

    def f(u, v):
        return np.linalg.pinv(np.outer(u, v))

    # Of rank 1 the pseudoinverse is known: v uᵀ / (|u|² |v|²).
    def g(u, v):
        return np.outer(v, u) / (u @ u) / (v @ v)

    w = real(3, 4)
    for got, wanted in zip(vjp(f, u, v)[1](w), vjp(g, u, v)[1](w), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-11)
    pushed = [jvp(h, (u, v), (v[[0, 1, 2, 0]], u[:3]))[1] for h in (f, g)]
    np.testing.assert_allclose(*pushed, rtol=1e-11)


def test_a_least_squares_solution_of_lower_rank() -> None:
    b = real(4)

    def f(u, v):
        return np.linalg.lstsq(np.outer(u, v), b)[0]

    def g(u, v):
        return v * (u @ b) / (u @ u) / (v @ v)

    u, v, w = real(4), real(3), real(3)
    for got, wanted in zip(vjp(f, u, v)[1](w), vjp(g, u, v)[1](w), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-13)


def test_lstsq_returns_what_numpy_does() -> None:
    for a, b in ((TALL, real(5, 2)), (WIDE, real(3)), (RANK1, real(4))):
        wanted = np.linalg.lstsq(a, b)

        def f(a, b=b, wanted=wanted):
            got = np.linalg.lstsq(a, b)
            assert int(got[2]) == wanted[2]
            return got[0], got[1], got[3]

        for x, y in zip(vjp(f, a)[0], (wanted[0], wanted[1], wanted[3]), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


def test_only_the_triangle_that_is_named_is_read() -> None:
    junk = A3.copy()
    junk[np.triu_indices(3, 1)] = np.nan
    b = real(3, 1)
    x, pullback = vjp(lambda a: solve_triangular(a, b, lower=True), junk)
    np.testing.assert_allclose(x, np.linalg.solve(np.tril(A3), b), rtol=1e-12)
    assert np.array_equal(np.triu(pullback(np.ones((3, 1)))[0], 1), np.zeros((3, 3)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("lower", [False, True])
def test_both_memory_orders_of_a_triangular_matrix(order, lower) -> None:
    a = np.asarray(A3, order=order)
    keep = np.tril if lower else np.triu
    for b in (np.asfortranarray(real(3, 2)), real(3, 2), real(6, 2)[::2]):
        x = solve_triangular(a, b, lower=lower)
        np.testing.assert_allclose(keep(A3) @ x, b, rtol=1e-11, atol=1e-13)


def test_integers_are_solved_in_float64() -> None:
    x, pullback = vjp(
        lambda b: np.linalg.solve(np.array([[2, 0], [0, 4]]), b), np.ones(2)
    )
    np.testing.assert_array_equal(x, [0.5, 0.25])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [0.5, 0.25])
    a = solve_triangular(np.array([[2, 0], [0, 4]]), np.array([[1], [1]]))
    np.testing.assert_array_equal(a, [[0.5], [0.25]])


def test_mapping_the_right_side_solves_one_system() -> None:
    graph = trace(lambda b: vmap(lambda b: np.linalg.solve(A3, b))(b), real(7, 3))
    assert str(graph).count("solve(") == 1
    wanted = np.linalg.solve(A3, np.ones((3, 7))).T
    np.testing.assert_allclose(graph(np.ones((7, 3))), wanted, rtol=1e-12)


def test_power_zero_and_one() -> None:
    y, _ = vjp(lambda a: np.linalg.matrix_power(a, 0) + 0 * a, B3)
    np.testing.assert_array_equal(y, np.broadcast_to(np.eye(3), (2, 3, 3)))

    def f(a):
        b = np.linalg.matrix_power(a, 1)
        b[0, 0] = 0.0
        return a[0, 0] + b[0, 0]

    assert grad(f)(A3)[0, 0] == 1.0


def test_a_chain_takes_the_cheap_order() -> None:
    a, b, c = real(10, 2), real(2, 10), real(10, 2)
    text = str(trace(lambda a, b, c: np.linalg.multi_dot([a, b, c]), a, b, c))
    assert "f64[10,10]" not in text


# Errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda a: np.linalg.solve(a, np.ones(4)), "`solve` needs a of shape"),
        (lambda a: np.linalg.solve(a[:2], np.ones(2)), "`solve` needs a square matrix"),
        (lambda a: np.linalg.solve(a, np.ones((4, 3, 1, 2))), "b\\[..., None\\]"),
        (lambda a: np.linalg.inv(a[0]), "`inv` needs a square matrix"),
        (lambda a: np.linalg.inv(a[:2]), r"Came: shape \(2, 3\)"),
        (lambda a: np.linalg.pinv(a[0], rcond=0.1), "`pinv` needs a matrix"),
        (lambda a: np.linalg.lstsq(a, np.ones(4)), "`lstsq` needs a of shape"),
        (lambda a: np.linalg.matrix_power(a[0], 2), "`matrix_power` needs a square"),
        (lambda a: np.linalg.multi_dot([a, a[None]]), "`multi_dot` needs matrices"),
        (lambda a: np.linalg.tensorsolve(a, np.ones(2)), "`tensorsolve` needs prod"),
        (lambda a: solve_triangular(a[:2], a), "`solve_triangular` needs a square"),
    ],
)
def test_shapes_that_do_not_fit(call, text) -> None:
    with pytest.raises(ShapeMismatch, match=text):
        vjp(call, A3)
    with pytest.raises(ShapeMismatch, match=text):
        trace(call, A3)


@pytest.mark.parametrize(
    "call",
    [
        np.linalg.inv,
        lambda a: np.linalg.solve(a, np.ones(3)),
        lambda a: solve_triangular(a, np.ones((3, 1))),
        lambda a: solve_triangular(np.stack([a] * 3), np.ones((3, 1))),
    ],
)
def test_a_singular_matrix_stays_numpys_error(call) -> None:
    with pytest.raises(np.linalg.LinAlgError, match=r"[Ss]ingular") as caught:
        vjp(call, np.zeros((3, 3)))
    assert "test_linalg_solve.py" in caught.value.__notes__[0]


def test_a_traced_cutoff_is_refused() -> None:
    with pytest.raises(TypeMismatch, match="plain number as rcond or rtol"):
        vjp(lambda r: np.linalg.pinv(TALL * r, rcond=r), np.float64(0.1))
    with pytest.raises(ValueError, match="can't be both set"):
        vjp(lambda a: np.linalg.pinv(a, rcond=0.1, rtol=0.1), TALL)


def test_a_tensor_inverse_needs_a_positive_index() -> None:
    with pytest.raises(ValueError, match="Invalid ind"):
        vjp(lambda a: np.linalg.tensorinv(a, 0), A3)
