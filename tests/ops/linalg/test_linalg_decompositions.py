"""det, slogdet, cholesky, eigh, eig, svd, qr: generic points, then the special ones."""

import numpy as np
import pytest

from wengert.core.bind import bind
from wengert.core.errors import DerivativeError, ShapeMismatch
from wengert.core.op import OPS
from wengert.graph.stage import trace
from wengert.ops.linalg import ADJUGATE
from wengert.testing import Scenario, check_grads, check_scenario
from wengert.transforms.batch import vmap
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad
from wengert.transforms.reverse import vjp

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
    Scenario("svd_stack", lambda a: np.linalg.svd(a, full_matrices=False),
             (real(2, 3, 2),)),
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


# det, slogdet ----------------------------------------------------------------------


def adjugate(a):
    """The adjugate from the cofactors themselves, without rounding to speak of."""
    n = a.shape[0]
    minor = [[np.delete(np.delete(a, j, 0), i, 1) for j in range(n)] for i in range(n)]
    return np.array(
        [
            [(-1) ** (i + j) * np.linalg.det(minor[i][j]) for j in range(n)]
            for i in range(n)
        ]
    )


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("make", [real, cplx])
def test_the_gradient_of_det_is_the_adjugate_at_every_rank(rank, make) -> None:
    a = make(4, rank) @ make(rank, 4) if rank else np.zeros((4, 4))
    g = vjp(np.linalg.det, a)[1](a.dtype.type(1.0))[0]
    np.testing.assert_allclose(g, adjoint(adjugate(a)), rtol=1e-12, atol=1e-12)


def test_det_of_a_matrix_with_tiny_pivots_keeps_its_digits() -> None:
    a = np.diag([1.0, 1e-170, 1e-170])
    a[0, 1] = 2.0
    g = grad(lambda a: np.linalg.det(a) * 1e170)(a)
    assert g[1, 1] == pytest.approx(1.0, rel=1e-14)


def test_the_gradient_of_the_adjugate_needs_no_inverse() -> None:
    a, w = np.outer([1.0, 2.0, 3.0], [1.0, 0.0, -1.0]), real(3, 3)
    g = grad(lambda a: np.sum(w * bind(ADJUGATE, a)))(a)
    h = 1e-6
    numeric = [
        np.sum(w * (adjugate(a + h * e) - adjugate(a - h * e))) / (2 * h)
        for e in np.eye(9).reshape(9, 3, 3)
    ]
    np.testing.assert_allclose(g.ravel(), numeric, atol=1e-8)


def test_a_singular_log_determinant_that_is_not_used() -> None:
    stack = np.stack([np.eye(2), np.zeros((2, 2))])

    def f(a):
        sign, log = np.linalg.slogdet(a)
        return np.sum(np.where(sign != 0, log, -1.0))

    g = grad(f)(stack)
    np.testing.assert_array_equal(g[0], np.eye(2))
    np.testing.assert_array_equal(g[1], np.zeros((2, 2)))


def test_a_singular_log_determinant_has_no_derivative() -> None:
    g = grad(lambda a: np.linalg.slogdet(a)[1])(np.zeros((2, 2)))
    assert np.isnan(g).all()


def test_the_phase_of_a_complex_determinant_turns() -> None:
    # sign(c·I) = (c/|c|)², so turning c by dφ turns the sign by 2 dφ.
    def f(t):
        return np.linalg.slogdet(np.eye(2) * np.exp(t * 1j)).sign

    y, dy = jvp(f, (np.array(0.3),), (np.array(1.0),))
    assert dy == pytest.approx(2j * y, rel=1e-14)


def test_results_are_numpys_named_tuples() -> None:
    def f(a):
        for got, wanted in (
            (np.linalg.eigh(a), np.linalg.eigh(SPD)),
            (np.linalg.eig(a), np.linalg.eig(SPD)),
            (np.linalg.svd(a), np.linalg.svd(SPD)),
            (np.linalg.qr(a), np.linalg.qr(SPD)),
            (np.linalg.slogdet(a), np.linalg.slogdet(SPD)),
        ):
            assert type(got) is type(wanted)
        return np.sum(a)

    grad(f)(SPD)


# cholesky, eigh: one triangle is read ----------------------------------------------


@pytest.mark.parametrize(
    ("f", "lower"),
    [
        (np.linalg.cholesky, True),
        (lambda a: np.linalg.cholesky(a, upper=True), False),
        (np.linalg.eigvalsh, True),
        (lambda a: np.linalg.eigvalsh(a, UPLO="U"), False),
        (lambda a: np.linalg.eigh(a).eigenvectors, True),
    ],
)
def test_the_other_triangle_has_no_part(f, lower) -> None:
    junk = SPD.copy()
    junk[np.triu_indices(3, 1) if lower else np.tril_indices(3, -1)] = np.nan
    y, pullback = vjp(f, junk)
    np.testing.assert_allclose(y, f(SPD), rtol=1e-12)
    g = pullback(real(*y.shape))[0]
    assert np.isfinite(g).all()
    assert np.array_equal(np.triu(g, 1) if lower else np.tril(g, -1), np.zeros((3, 3)))


def test_the_symmetric_gradient_is_the_symmetric_part() -> None:
    w = real(3, 3)
    g = grad(lambda a: np.sum(w * np.linalg.cholesky(a)))(SPD)
    through = grad(lambda b: np.sum(w * np.linalg.cholesky((b + b.T) / 2)))(SPD)
    np.testing.assert_allclose((g + g.T) / 2, through, rtol=1e-12)


def test_not_positive_definite_stays_numpys_error() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite") as caught:
        vjp(np.linalg.cholesky, -np.eye(2))
    assert "test_linalg_decompositions.py" in caught.value.__notes__[0]


# Equal eigenvalues and singular values ---------------------------------------------

TURN = np.linalg.qr(real(4, 4))[0]
EQUAL = (TURN * [1.0, 2.0, 2.0, 5.0]) @ TURN.T
EXACT = np.diag([1.0, 2.0, 2.0, 5.0])


@pytest.mark.parametrize("a", [EQUAL, EXACT, np.eye(4), np.zeros((4, 4))])
def test_functions_of_equal_eigenvalues(a) -> None:
    # Σ w³ = tr a³, whose gradient is 3 a².
    g = grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3))(a)
    np.testing.assert_allclose((g + g.T) / 2, 3 * a @ a, atol=1e-12)
    da = real(4, 4)
    da = da + da.T
    pushed = jvp(lambda a: np.sum(np.linalg.eigh(a)[0] ** 3), (a,), (da,))[1]
    assert pushed == pytest.approx(3 * np.trace(a @ a @ da), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("a", [EQUAL, EXACT])
def test_the_space_of_equal_eigenvalues_has_a_derivative(a) -> None:
    w = real(4, 4)
    w = w + w.T

    def f(a):
        v = np.linalg.eigh(a)[1][:, 1:3]
        return np.sum(w * (v @ v.T))

    g = grad(f)(a)
    w_, v_ = np.linalg.eigh(a)
    # By perturbation theory: only pairs of different groups take part.
    m = v_.T @ w @ v_
    group = np.array([0, 1, 1, 2])
    inside = (group == 1).astype(float)
    gap = w_[None, :] - w_[:, None]
    other = group[:, None] != group[None, :]
    quotient = np.where(other, (inside[None, :] - inside[:, None]) * m, 0)
    quotient = quotient / np.where(other, gap, 1)
    np.testing.assert_allclose((g + g.T) / 2, v_ @ quotient @ v_.T, atol=1e-11)


@pytest.mark.parametrize("a", [EQUAL, EXACT, np.eye(4)])
def test_vectors_of_equal_eigenvalues_are_refused(a) -> None:
    w = real(4, 4)
    with pytest.raises(DerivativeError, match="eigenvalue is a single one"):
        grad(lambda a: np.sum(w * np.linalg.eigh(a)[1]))(a)
    pushed = jvp(lambda a: np.linalg.eigh(a)[1], (a,), (w + w.T,))[1]
    assert np.isnan(pushed).any()


@pytest.mark.parametrize("a", [EQUAL, EXACT, np.eye(4)])
def test_a_matrix_function_at_equal_eigenvalues_is_refused_not_wrong(a) -> None:
    w = real(4, 4)

    def f(a):
        values, v = np.linalg.eigh(a)
        return np.sum(w * ((v * np.exp(values)) @ v.T))

    with pytest.raises(DerivativeError, match="both eigenvalues and eigenvectors"):
        grad(f)(a)


def test_single_eigenvectors_beside_equal_ones_have_derivatives() -> None:
    w = real(4)

    def f(a):
        v = np.linalg.eigh(a)[1][:, 3]
        return np.sum(w * v * v[0])

    check_grads(f, (EQUAL,), order=1)


def test_a_graph_gives_nan_where_the_eager_gradient_is_refused() -> None:
    w = real(3, 3)
    g = trace(grad(lambda a: np.sum(w * np.linalg.eigh(a)[1])), np.eye(3))
    assert np.isnan(g(np.eye(3))).any()
    assert np.isfinite(g(SPD)).all()


def test_one_refused_item_of_a_mapped_function_is_refused() -> None:
    w = real(3, 3)
    one = grad(lambda a: np.sum(w * np.linalg.eigh(a)[1]))
    with pytest.raises(DerivativeError):
        vmap(one)(np.stack([SPD, np.eye(3)]))


@pytest.mark.parametrize("f", [
    lambda a: np.linalg.eigh(a)[1],
    lambda a: np.linalg.svd(a)[0],
])  # fmt: skip
def test_the_phase_of_a_complex_vector_is_refused(f) -> None:
    w = cplx(3, 3)
    with pytest.raises(DerivativeError, match="but for its phase"):
        grad(lambda a: np.real(np.sum(w * f(a))))(HPD)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_refusing_does_not_depend_on_the_size_of_the_matrix(scale) -> None:
    w = real(4, 4)
    g = grad(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2))(EQUAL * scale)
    np.testing.assert_allclose(
        (g + g.T) / 2, 2 * scale * EQUAL, rtol=1e-9, atol=1e-9 * scale
    )
    with pytest.raises(DerivativeError):
        grad(lambda a: np.sum(w * np.linalg.eigh(a)[1]))(EQUAL * scale)


@pytest.mark.parametrize("make", [real, cplx])
def test_the_polar_factor_at_equal_singular_values(make) -> None:
    # The polar factor u vᴴ is smooth at every invertible matrix.
    a = np.linalg.qr(make(3, 3))[0]
    da, h = make(3, 3), 1e-5

    def f(a):
        u, _, vh = np.linalg.svd(a)
        return u @ vh

    w = make(3, 3)
    numeric = (f(a + h * da) - f(a - h * da)) / (2 * h)
    pulled = vjp(f, a)[1](w.astype(a.dtype))[0]
    left, right = np.sum(np.conj(pulled) * da).real, np.sum(np.conj(w) * numeric).real
    assert left == pytest.approx(right, rel=1e-7)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
def test_functions_of_equal_singular_values(shape) -> None:
    u, v = np.linalg.qr(real(shape[0], 3))[0], np.linalg.qr(real(shape[1], 3))[0]
    a = (u * [2.0, 2.0, 1.0]) @ v.T
    g = grad(lambda a: np.sum(np.linalg.svd(a)[1] ** 4))(a)
    np.testing.assert_allclose(g, 4 * a @ a.T @ a, atol=1e-11)


def test_singular_vectors_that_do_not_exist_are_refused() -> None:
    w = real(3, 3)
    with pytest.raises(DerivativeError, match="singular value is a single one"):
        grad(lambda a: np.sum(w * np.linalg.svd(a)[0]))(np.eye(3))
    with pytest.raises(DerivativeError, match="isn't zero"):
        grad(lambda a: np.sum(w * (lambda u, _, vh: u @ vh)(*np.linalg.svd(a))))(
            np.diag([2.0, 0.0, 0.0])
        )
    tall = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 0.0])
    with pytest.raises(DerivativeError, match="isn't zero"):
        grad(lambda a: np.linalg.svd(a, full_matrices=False)[0][0, 1])(tall)
    pushed = jvp(lambda a: np.linalg.svd(a)[0], (np.eye(3),), (w,))[1]
    assert np.isnan(pushed).any()


def test_rank_deficient_matrices_have_derivatives_of_what_is_defined() -> None:
    a = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, -1.0, 2.0])
    g = grad(lambda a: np.linalg.svd(a)[1][0])(a)
    np.testing.assert_allclose(g, a / np.linalg.norm(a), atol=1e-14)

    def leading(a):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        return np.outer(u[:, 0], vh[0])

    numeric = [
        (leading(a + 1e-6 * e) - leading(a - 1e-6 * e)) / 2e-6
        for e in np.eye(12).reshape(12, 4, 3)
    ]
    w = real(4, 3)
    g = vjp(leading, a)[1](w)[0]
    np.testing.assert_allclose(g.ravel(), [np.sum(w * n) for n in numeric], atol=1e-7)


def test_the_basis_that_full_matrices_adds_is_refused() -> None:
    w = real(4, 4)
    with pytest.raises(DerivativeError, match="full_matrices=False"):
        grad(lambda a: np.sum(w * np.linalg.svd(a)[0]))(TALL[:, :2])


# qr --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["complete", "raw"])
def test_modes_of_qr_without_derivatives(mode) -> None:
    with pytest.raises(DerivativeError, match='pass mode="reduced"'):
        vjp(lambda a: np.linalg.qr(a, mode)[0], TALL)


def test_qr_of_dependent_columns_is_refused() -> None:
    a = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(DerivativeError, match="full column rank"):
        grad(lambda a: np.sum(np.linalg.qr(a)[0]))(a)
    assert np.isnan(jvp(lambda a: np.linalg.qr(a)[0], (a,), (a,))[1]).all()


# eig -------------------------------------------------------------------------------


def test_eig_of_a_real_matrix_is_always_complex() -> None:
    w, pullback = vjp(np.linalg.eigvals, np.diag([1.0, 2.0]))
    assert w.dtype == np.complex128
    np.testing.assert_array_equal(pullback(np.array([1j, 2.0]))[0], np.diag([0.0, 2.0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_real_eigenproblems(dtype) -> None:
    a = A3.astype(dtype)
    g = grad(lambda a: np.sum(np.abs(np.linalg.eigvals(a)) ** 2))(a)
    assert g.dtype == dtype
    tr = grad(lambda a: np.real(np.sum(np.linalg.eigvals(a) ** 2)))(a)
    np.testing.assert_allclose(tr, 2 * a.T, rtol=1e-4 if dtype == np.float32 else 1e-10)
    check_grads(lambda a: np.linalg.eig(a)[1], (A3,), order=2)


def test_equal_eigenvalues_of_a_general_matrix() -> None:
    turn = real(3, 3)
    a = np.linalg.solve(turn, np.diag([1.0, 1.0, 3.0]) @ turn)
    g = grad(lambda a: np.real(np.sum(np.linalg.eigvals(a) ** 2)))(a)
    np.testing.assert_allclose(g, 2 * a.T, atol=1e-9)
    with pytest.raises(DerivativeError, match="equal eigenvalues"):
        grad(lambda a: np.real(np.sum(np.linalg.eig(a)[1][0])))(np.eye(3))
    dw, dv = jvp(np.linalg.eig, (np.eye(3),), (turn,))[1]
    assert np.isfinite(dw).all()
    assert np.isnan(dv).any()


def test_a_defective_matrix_is_refused() -> None:
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(DerivativeError, match="full set of eigenvectors"):
        grad(lambda a: np.real(np.linalg.eigvals(a)[0]))(jordan)
    assert np.isnan(jvp(np.linalg.eigvals, (jordan,), (np.ones((2, 2)),))[1]).all()


# Shapes and dtypes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [np.linalg.det, np.linalg.slogdet, np.linalg.cholesky, np.linalg.eigh,
     np.linalg.eig, np.linalg.eigvals, np.linalg.eigvalsh],
)  # fmt: skip
def test_matrices_must_be_square(f) -> None:
    for come in (vjp, trace):
        with pytest.raises(ShapeMismatch, match="needs a square matrix"):
            come(f, TALL)


@pytest.mark.parametrize("f", [np.linalg.svd, np.linalg.svdvals, np.linalg.qr])
def test_matrices_must_have_two_axes(f) -> None:
    for come in (vjp, trace):
        with pytest.raises(ShapeMismatch, match="needs a matrix, or a stack"):
            come(f, np.ones(3))


def test_an_unknown_triangle_is_refused() -> None:
    with pytest.raises(ValueError, match="UPLO"):
        vjp(lambda a: np.linalg.eigh(a, "X"), SPD)


@pytest.mark.parametrize(
    ("f", "count"),
    [(np.linalg.inv, 1), (np.linalg.cholesky, 1), (np.linalg.det, 1)],
)
def test_the_tape_keeps_one_matrix(f, count) -> None:
    keep_y, keep = OPS[f.__name__].derivative.keeps.find(1, 1)
    assert int(keep_y) + sum(keep) == count


def test_a_mapped_decomposition_is_one_call() -> None:
    for f, name in ((np.linalg.cholesky, "cholesky"), (np.linalg.eigvalsh, "eigh")):
        text = str(trace(vmap(f), SPDS))
        assert text.count(f" = {name}(") == 1
