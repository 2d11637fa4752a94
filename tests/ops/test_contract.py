"""Contractions: matmul, einsum, convolve and what is made of them."""

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert.core.errors import ShapeMismatch, TracedValueError, TypeMismatch
from wengert.graph.stage import trace
from wengert.testing import Scenario, check_scenario
from wengert.transforms.batch import vmap
from wengert.transforms.reverse import vjp

rng = np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def cplx(*shape: int) -> np.ndarray:
    return real(*shape) + 1j * real(*shape)


V3, W3, V4 = real(3), real(3), real(4)
M34, M43, M33 = real(3, 4), real(4, 3), real(3, 3)
B234, B243 = real(2, 3, 4), real(2, 4, 3)
C3, C4, C34, C43 = cplx(3), cplx(4), cplx(3, 4), cplx(4, 3)

MATMULS = {
    "vec_vec": (V3, W3),
    "mat_vec": (M34, V4),
    "vec_mat": (V3, M34),
    "mat_mat": (M34, M43),
    "vec_batch": (V4, B243),
    "batch_vec": (B234, V4),
    "mat_batch": (M34, B243),
    "batch_mat": (B234, M43),
    "batch_batch": (B234, B243),
    "broadcast_one": (real(1, 3, 4), B243),
    "broadcast_both": (real(2, 1, 3, 4), real(5, 4, 2)),
    "broadcast_left": (real(2, 5, 3, 4), real(5, 4, 2)),
    "broadcast_mixed": (real(2, 1, 2, 3), real(1, 4, 3, 2)),
    "complex": (C34, C43),
    "complex_vec_vec": (C3, cplx(3)),
    "complex_mat_vec": (C34, C4),
    "complex_batch_mat": (cplx(2, 3, 4), C43),
    "real_complex": (M34, C43),
    "complex_real": (C34, M43),
    "one_by_one": (real(1, 1), real(1, 1)),
    "empty_batch": (real(0, 3, 4), M43),
    "empty_inner": (real(3, 0), real(0, 2)),
    "empty_rows": (real(0, 4), M43),
}

SCENARIOS = [
    *(Scenario(f"matmul_{name}", lambda a, b: a @ b, ab) for name, ab in MATMULS.items()),
    Scenario("matmul_self", lambda a: a @ a, (M33,)),
    Scenario("matmul_constant", lambda a: np.matmul(a, M43), (M34,)),
    Scenario("matmul_constant_left", lambda a: M34 @ a, (M43,)),
    Scenario("matmul_chain", lambda a, b: np.tanh(a @ b) @ V3, (M34, M43)),
    Scenario("matmul_axes", lambda a, b: np.matmul(
        a, b, axes=[(1, 0), (0, 1), (0, 1)]), (M43, M43)),
    Scenario("linalg_matmul", lambda a, b: np.linalg.matmul(a, b), (M34, M43)),
    Scenario("dot_vec_vec", lambda a, b: np.dot(a, b), (V3, W3)),
    Scenario("dot_method", lambda a: a.dot(M43), (M34,)),
    Scenario("dot_scalar", lambda a, b: np.dot(a, b), (np.float64(0.3), M34)),
    Scenario("dot_nd_vec", lambda a, b: np.dot(a, b), (B234, V4)),
    Scenario("dot_nd_nd", lambda a, b: np.dot(a, b), (B234, real(5, 4, 2))),
    Scenario("dot_vec_nd", lambda a, b: np.dot(a, b), (V4, B243)),
    Scenario("dot_complex", lambda a, b: np.dot(a, b), (C34, C4)),
    Scenario("vdot", lambda a, b: np.vdot(a, b), (C34, cplx(3, 4))),
    Scenario("vdot_real", lambda a, b: np.vdot(a, b), (M34, real(3, 4))),
    Scenario("inner_vec", lambda a, b: np.inner(a, b), (V3, W3)),
    Scenario("inner_mat", lambda a, b: np.inner(a, b), (M34, B234)),
    Scenario("inner_scalar", lambda a: np.inner(a, 2.0), (V3,)),
    Scenario("outer", lambda a, b: np.outer(a, b), (V3, M34)),
    Scenario("outer_scalar", lambda a: np.outer(a, 2.0), (V3,)),
    Scenario("linalg_outer", lambda a, b: np.linalg.outer(a, b), (C3, C4)),
    Scenario("tensordot", lambda a, b: np.tensordot(a, b), (B234, real(3, 4, 2))),
    Scenario("tensordot_0", lambda a, b: np.tensordot(a, b, 0), (V3, M34)),
    Scenario("tensordot_1", lambda a, b: np.tensordot(a, b, axes=1), (M34, M43)),
    Scenario("tensordot_axes", lambda a, b: np.tensordot(
        a, b, ([0, -1], [1, 0])), (B234, real(4, 2, 3))),
    Scenario("tensordot_all", lambda a, b: np.tensordot(a, b, ([0, 1], [1, 0])),
             (C34, C43)),
    Scenario("tensordot_int_axes", lambda a, b: np.tensordot(a, b, (0, 1)), (M34, M43)),
    Scenario("linalg_tensordot", lambda a, b: np.linalg.tensordot(a, b, axes=1),
             (M34, M43)),
    Scenario("kron", lambda a, b: np.kron(a, b), (M34, real(2, 2))),
    Scenario("kron_ranks", lambda a, b: np.kron(a, b), (V3, B234)),
    Scenario("kron_complex", lambda a, b: np.kron(a, b), (C3, C34)),
    Scenario("cross", lambda a, b: np.cross(a, b), (V3, W3)),
    Scenario("cross_batch", lambda a, b: np.cross(a, b), (M43, V3)),
    Scenario("cross_axes", lambda a, b: np.cross(a, b, 0, 1, 0), (M34, M43)),
    Scenario("cross_axis", lambda a, b: np.cross(a, b, axis=0), (C34, M34)),
    Scenario("linalg_cross", lambda a, b: np.linalg.cross(a, b), (V3, W3)),
    Scenario("vecdot", lambda a, b: np.vecdot(a, b), (M34, V4)),
    Scenario("vecdot_complex", lambda a, b: np.vecdot(a, b), (C34, cplx(2, 3, 4))),
    Scenario("vecdot_axis", lambda a, b: np.vecdot(a, b, axis=0), (M34, M34 + 1.0)),
    Scenario("vecdot_keepdims", lambda a, b: np.vecdot(a, b, keepdims=True), (M34, V4)),
    Scenario("linalg_vecdot", lambda a, b: np.linalg.vecdot(a, b, axis=0),
             (M34, real(3, 4))),
    Scenario("matvec", lambda a, b: np.matvec(a, b), (M34, V4)),
    Scenario("matvec_batch", lambda a, b: np.matvec(a, b), (B234, real(2, 4))),
    Scenario("vecmat", lambda a, b: np.vecmat(a, b), (V3, M34)),
    Scenario("vecmat_complex", lambda a, b: np.vecmat(a, b), (cplx(2, 3), C34)),
    Scenario("einsum_matmul", lambda a, b: np.einsum("ij,jk->ik", a, b), (M34, M43)),
    Scenario("einsum_implicit", lambda a, b: np.einsum("ij,jk", a, b), (M34, M43)),
    Scenario("einsum_implicit_order", lambda a: np.einsum("ba", a), (M34,)),
    Scenario("einsum_trace", lambda a: np.einsum("ii", a) ** 2, (M33,)),
    Scenario("einsum_diagonal", lambda a: np.einsum("ii->i", a) ** 2, (M33,)),
    Scenario("einsum_diagonals", lambda a, b: np.einsum("iji,jj->ij", a, b),
             (real(3, 2, 3), real(2, 2))),
    Scenario("einsum_transpose", lambda a: np.einsum("ij->ji", a) ** 2, (M34,)),
    Scenario("einsum_sum", lambda a: np.einsum("ij->", a) ** 2, (M34,)),
    Scenario("einsum_sum_row", lambda a: np.einsum("ij->i", a) ** 2, (M34,)),
    Scenario("einsum_lone_letter", lambda a, b: np.einsum("ij,k->i", a, b), (M34, V3)),
    Scenario("einsum_batch", lambda a, b: np.einsum("bij,bjk->bik", a, b), (B234, B243)),
    Scenario("einsum_ellipsis", lambda a, b: np.einsum("...ij,jk->...ik", a, b),
             (B234, M43)),
    Scenario("einsum_ellipsis_broadcast", lambda a, b: np.einsum(
        "...j,j...->...", a, b), (real(2, 1, 4), real(4, 3))),
    Scenario("einsum_ellipsis_implicit", lambda a: np.einsum("...i", a) ** 2, (B234,)),
    Scenario("einsum_ones", lambda a, b: np.einsum("ij,ij->ij", a, b),
             (M34, real(3, 1))),
    Scenario("einsum_ones_summed", lambda a, b, c: np.einsum("ij,ij,ij->", a, b, c),
             (M34, real(3, 1), real(1, 4))),
    Scenario("einsum_three", lambda a, b, c: np.einsum("ij,jk,k->i", a, b, c),
             (M34, M43, V3)),
    Scenario("einsum_bilinear", lambda a, b: np.einsum("i,ij,j->", a, b, a), (V3, M33)),
    Scenario("einsum_optimize", lambda a, b, c: np.einsum(
        "ij,jk,kl->il", a, b, c, optimize=True), (M34, M43, M33)),
    Scenario("einsum_path", lambda a, b, c: np.einsum(
        "ij,jk,kl->il", a, b, c, optimize=["einsum_path", (0, 1), (0, 1)]),
        (M34, M43, M33)),
    Scenario("einsum_sublist", lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]),
             (M34, M43)),
    Scenario("einsum_sublist_implicit", lambda a, b: np.einsum(
        a, [..., 27, 1], b, [1, 2]), (B234, M43)),
    Scenario("einsum_complex", lambda a, b: np.einsum("ij,jk->ki", a, b), (C34, C43)),
    Scenario("einsum_real_complex", lambda a, b: np.einsum("ij,j->i", a, b), (M34, C4)),
    Scenario("einsum_scalar", lambda a: np.einsum(",i->i", 3.0, a),
             (V3,), float32=False),
    Scenario("einsum_zero_d", lambda a, b: np.einsum(",i->i", a, b),
             (np.float64(0.4), V3)),
    Scenario("einsum_empty", lambda a, b: np.einsum("ij,j->i", a, b),
             (real(3, 0), real(0))),
    Scenario("einsum_many_letters", lambda a: np.einsum(
        "zyx,xZy->Zz", a, np.ones((4, 2, 3))), (real(2, 3, 4),), float32=False),
    *(
        Scenario(f"{f.__name__}_{mode}_{n}_{m}",
                 lambda a, b, f=f, mode=mode: f(a, b, mode), (real(n), real(m)))
        for f in (np.convolve, np.correlate)
        for mode in ("full", "same", "valid")
        for n, m in ((5, 3), (3, 4), (4, 4), (1, 3))
    ),
    Scenario("convolve_complex", lambda a, b: np.convolve(a, b), (cplx(4), C3)),
    Scenario("correlate_complex", lambda a, b: np.correlate(a, b, "same"),
             (cplx(4), C3)),
    Scenario("convolve_real_complex", lambda a, b: np.convolve(a, b, "valid"),
             (real(4), C3)),
    Scenario("convolve_scalar", lambda a: np.convolve(a, 2.0), (V3,)),
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)
