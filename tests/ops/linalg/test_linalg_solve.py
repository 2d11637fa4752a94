"""solve, inv, pinv, lstsq, tensor forms, triangular systems, powers and chains."""

import numpy as np
import pytest

from wengert.core.errors import DerivativeError, ShapeMismatch, TypeMismatch
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
