"""det, slogdet, cholesky, eigh, eig, svd, qr: generic points, then the special ones."""

import numpy as np
import pytest

from wengert.testing import Scenario, check_scenario

rng = np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def cplx(*shape: int) -> np.ndarray:
    return real(*shape) + 1j * real(*shape)


def adjoint(x):
    return np.conj(x).mT


A3, B3, Z3 = real(3, 3), real(2, 3, 3), cplx(3, 3)
TALL, WIDE = real(4, 3) + np.eye(4, 3), real(3, 4) + np.eye(3, 4)
SPD = A3 @ A3.T + np.eye(3)
SPDS = B3 @ B3.mT + np.eye(3)
HPD = Z3 @ adjoint(Z3) + np.eye(3)
RANK2 = A3 - A3 @ np.outer([1, 2, 3], [1, 2, 3]) / 14
RANK1 = np.outer(real(3), real(3))
CRANK2 = Z3 - Z3 @ np.outer([1, 2, 3], [1, 2, 3]) / 14


def projectors(v):
    """What of complex eigenvectors no phase changes."""
    return v[..., :, None, :] * np.conj(v)[..., None, :, :]


def svd_parts(a, full=False):
    """Of complex singular vectors what no phase changes."""
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    k = s.shape[-1]
    return s, u[..., :, None, :k] * vh.mT[..., None, :, :k]


SCENARIOS = [
    Scenario("det", lambda a: np.linalg.det(a), (A3,)),
    Scenario("det_stack", lambda a: np.linalg.det(a), (B3,)),
    Scenario("det_complex", lambda a: np.linalg.det(a), (Z3,)),
    Scenario("det_rank_2", lambda a: np.linalg.det(a), (RANK2,)),
    Scenario("det_rank_1", lambda a: np.linalg.det(a), (RANK1,)),
    Scenario("det_rank_0", lambda a: np.linalg.det(a), (np.zeros((3, 3)),)),
    Scenario("det_complex_rank_2", lambda a: np.linalg.det(a), (CRANK2,)),
    Scenario("det_third_order", lambda a: np.linalg.det(a), (A3,), order=3),
    Scenario("det_4", lambda a: np.linalg.det(a), (real(4, 4),)),
    Scenario("det_1", lambda a: np.linalg.det(a), (np.array([[2.0]]),)),
    Scenario("det_0", lambda a: np.linalg.det(a), (np.zeros((0, 0)),)),
    Scenario("det_empty", lambda a: np.linalg.det(a), (np.zeros((0, 2, 2)),)),
    Scenario("slogdet", lambda a: np.linalg.slogdet(a), (A3,)),
    Scenario("slogdet_stack", lambda a: np.linalg.slogdet(a)[1], (B3,)),
    Scenario("slogdet_complex", lambda a: tuple(np.linalg.slogdet(a)), (Z3,)),
    Scenario("slogdet_sign", lambda a: np.linalg.slogdet(a).sign, (Z3,)),
    Scenario("slogdet_log", lambda a: np.linalg.slogdet(a).logabsdet, (Z3,)),
    Scenario("cholesky", lambda a: np.linalg.cholesky(a), (SPD,)),
    Scenario("cholesky_stack", lambda a: np.linalg.cholesky(a), (SPDS,)),
    Scenario("cholesky_complex", lambda a: np.linalg.cholesky(a), (HPD,)),
    Scenario("cholesky_upper", lambda a: np.linalg.cholesky(a, upper=True), (SPD,)),
    Scenario("cholesky_upper_complex", lambda a: np.linalg.cholesky(a, upper=True),
             (HPD,)),
    Scenario("cholesky_1", lambda a: np.linalg.cholesky(a), (np.array([[2.0]]),)),
    Scenario("cholesky_empty", lambda a: np.linalg.cholesky(a), (np.zeros((0, 3, 3)),)),
    Scenario("eigh", lambda a: np.linalg.eigh(a), (SPD,)),
    Scenario("eigh_stack", lambda a: tuple(np.linalg.eigh(a)), (SPDS,)),
    Scenario("eigh_U", lambda a: np.linalg.eigh(a, "U").eigenvectors, (A3,)),
    Scenario("eigh_L", lambda a: np.linalg.eigh(a), (A3,)),
    Scenario("eigh_complex", lambda a: projectors(np.linalg.eigh(a)[1]), (HPD,)),
    Scenario("eigh_complex_U", lambda a: projectors(np.linalg.eigh(a, "U")[1]), (Z3,)),
    Scenario("eigh_complex_values", lambda a: np.linalg.eigh(a)[0], (HPD,)),
    Scenario("eigh_function", lambda a: (lambda w, v: (v * np.exp(w)) @ v.mT)(
        *np.linalg.eigh(a)), (SPD / 5,), float32=False),
    Scenario("eigh_empty", lambda a: np.linalg.eigh(a), (np.zeros((0, 3, 3)),)),
    Scenario("eigvalsh", lambda a: np.linalg.eigvalsh(a), (A3,)),
    Scenario("eigvalsh_U", lambda a: np.linalg.eigvalsh(a, UPLO="U"), (Z3,)),
    Scenario("svdvals", lambda a: np.linalg.svdvals(a), (TALL,)),
    Scenario("svd_values", lambda a: np.linalg.svd(a, compute_uv=False), (WIDE,)),
    Scenario("svd_values_hermitian", lambda a: np.linalg.svd(
        a, compute_uv=False, hermitian=True), (A3 + A3.T,)),
    Scenario("svd_square", lambda a: np.linalg.svd(a), (A3,)),
    Scenario("svd_tall", lambda a: np.linalg.svd(a, full_matrices=False), (TALL,)),
    Scenario("svd_wide", lambda a: np.linalg.svd(a, full_matrices=False), (WIDE,)),
    Scenario("svd_stack", lambda a: np.linalg.svd(a, full_matrices=False), (real(2, 3, 2),)),
    Scenario("svd_complex", svd_parts, (Z3,)),
    Scenario("svd_complex_tall", svd_parts, (cplx(4, 2),)),
    Scenario("svd_complex_wide", svd_parts, (cplx(2, 4),)),
    Scenario("svd_full_parts", lambda a: svd_parts(a, True), (TALL,)),
    Scenario("svd_full_complement", lambda a: (lambda u: u[:, 2:] @ adjoint(u[:, 2:]))(
        np.linalg.svd(a)[0]), (real(4, 2),)),
    Scenario("svd_full_complement_v", lambda a: (lambda vh: adjoint(vh[2:]) @ vh[2:])(
        np.linalg.svd(a)[2]), (cplx(2, 4),)),
    Scenario("svd_hermitian", lambda a: np.linalg.svd(a, hermitian=True), (A3 + A3.T,)),
    Scenario("svd_empty", lambda a: np.linalg.svd(a), (np.zeros((0, 3, 3)),)),
    Scenario("qr_square", lambda a: np.linalg.qr(a), (A3,)),
    Scenario("qr_tall", lambda a: tuple(np.linalg.qr(a)), (TALL,)),
    Scenario("qr_wide", lambda a: np.linalg.qr(a), (WIDE,)),
    Scenario("qr_stack", lambda a: np.linalg.qr(a), (real(2, 3, 2),)),
    Scenario("qr_complex", lambda a: np.linalg.qr(a), (cplx(4, 3),)),
    Scenario("qr_complex_square", lambda a: np.linalg.qr(a), (Z3,)),
    Scenario("qr_complex_wide", lambda a: np.linalg.qr(a), (cplx(2, 3),)),
    Scenario("qr_r", lambda a: np.linalg.qr(a, mode="r"), (TALL,)),
    Scenario("qr_complete_wide", lambda a: np.linalg.qr(a, mode="complete"), (WIDE,)),
    Scenario("qr_empty", lambda a: np.linalg.qr(a), (np.zeros((0, 3, 2)),)),
    Scenario("eig_complex", lambda a: np.linalg.eig(a), (Z3,)),
    Scenario("eigvals_complex", lambda a: np.linalg.eigvals(a), (Z3,)),
    Scenario("eig_stack", lambda a: tuple(np.linalg.eig(a)), (cplx(2, 3, 3),)),
    Scenario("eig_real", lambda a: np.linalg.eig(a + 0j), (A3,), float32=False),
    Scenario("eig_empty", lambda a: np.linalg.eig(a), (np.zeros((0, 3, 3), complex),)),
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)
