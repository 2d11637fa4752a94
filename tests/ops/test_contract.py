"""Contractions: matmul, einsum, convolve and what is made of them."""

import numpy as np
import pytest

import wengert.numpy as wnp
from wengert.core.errors import ShapeMismatch, TracedValueError, TypeMismatch
from wengert.graph.stage import trace
from wengert.testing import Scenario, check_scenario
from wengert.transforms.batch import vmap
from wengert.transforms.grad import grad
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
    *(Scenario(f"matmul_{name}", lambda a, b: a @ b, ab)
      for name, ab in MATMULS.items()),
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
    Scenario("einsum_batch", lambda a, b: np.einsum("bij,bjk->bik", a, b),
             (B234, B243)),
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

if np.lib.NumpyVersion(np.__version__) >= "2.2.0":
    SCENARIOS += [
        Scenario("matvec", lambda a, b: np.matvec(a, b), (M34, V4)),
        Scenario("matvec_batch", lambda a, b: np.matvec(a, b), (B234, real(2, 4))),
        Scenario("vecmat", lambda a, b: np.vecmat(a, b), (V3, M34)),
        Scenario("vecmat_complex", lambda a, b: np.vecmat(a, b), (cplx(2, 3), C34)),
    ]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


# Costs -----------------------------------------------------------------------------


def operations(f, *args) -> list[str]:
    """The names of the operations in the graph of `f`."""
    text = str(trace(f, *args))
    return [
        line.split(" = ")[1].split("(")[0]
        for line in text.splitlines()
        if " = " in line
    ]


def test_a_dense_layer_pulls_back_by_two_products_without_copies() -> None:
    x, w = real(5, 4), real(4, 3)

    def pulled(x, w, ct):
        return vjp(np.matmul, x, w)[1](ct)

    names = operations(pulled, x, w, real(5, 3))
    assert sorted(names) == ["matmul", "matmul", "transpose", "transpose"]


def test_a_broadcast_weight_is_contracted_in_one_product() -> None:
    x, w = real(6, 5, 4), real(4, 3)

    def pulled(x, w, ct):
        return vjp(np.matmul, x, w)[1](ct)[1]

    text = str(trace(pulled, x, w, real(6, 5, 3)))
    assert "f64[6,4,3]" not in text  # no stack of weights, to be summed afterwards


@pytest.mark.parametrize(
    ("axes", "shapes", "product"),
    [
        ((0, 0), [(7, 3, 4), (7, 4, 2)], "matmul(a, b)  # f64[7,3,2]"),
        ((0, None), [(7, 4), (4, 2)], "matmul(a, b)  # f64[7,2]"),
        ((None, 0), [(3, 4), (7, 4)], "# f64[7,3]"),
        ((0, None), [(7, 3, 4), (4, 2)], "# f64[21,2]"),
        ((0, None), [(7, 3, 4), (4,)], "# f64[21]"),
        ((0, 0), [(7, 4), (7, 4)], "# f64[7,1,1]"),
        ((None, 0), [(4,), (7, 4)], "matmul(b, a)  # f64[7]"),
    ],
)
def test_a_mapped_product_is_one_product(axes, shapes, product) -> None:
    def mapped(a, b):
        return vmap(lambda a, b: np.matmul(a, b), in_axes=axes)(a, b)

    text = str(trace(mapped, *(real(*s) for s in shapes)))
    lines = [line for line in text.splitlines() if "matmul(" in line]
    assert len(lines) == 1
    assert product in lines[0]


@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        ((0, None), [(7, 4), (2, 4, 3)]),
        ((0, None), [(7, 3, 4), (2, 4, 3)]),
        ((0, None), [(7, 2, 3, 4), (4, 3)]),
        ((None, 0), [(2, 3, 4), (7, 4)]),
        ((None, 0), [(2, 3, 4), (7, 4, 3)]),
        ((None, 0), [(4,), (7, 2, 4, 3)]),
        ((0, 0), [(7, 4), (7, 2, 4, 3)]),
        ((0, 0), [(7, 2, 3, 4), (7, 4)]),
        ((0, 0), [(7, 3, 4), (7, 2, 4, 3)]),
    ],
)
def test_mapped_products_of_unequal_ranks(axes, shapes) -> None:
    a, b = (real(*s) for s in shapes)
    got = vmap(np.matmul, in_axes=axes)(a, b)
    for i in range(7):
        item = np.matmul(a[i] if axes[0] == 0 else a, b[i] if axes[1] == 0 else b)
        np.testing.assert_allclose(got[i], item, rtol=1e-12, atol=1e-14)


def test_einsum_is_one_operation_and_so_is_its_pullback() -> None:
    def f(a, b):
        return np.einsum("zab,...bc->z...ac", a, b)

    args = B234, real(5, 4, 2)
    assert operations(f, *args) == ["einsum"]
    mapped = operations(vmap(f), *(np.stack([x, x]) for x in args))
    assert mapped == ["einsum"]
    pulled = operations(lambda a, b, ct: vjp(f, a, b)[1](ct), *args, f(*args))
    assert pulled == ["einsum", "einsum"]


def test_large_einsums_pull_back_by_blas() -> None:
    a, b = real(60, 60), real(60, 60)
    ct = real(60, 60)
    pulled = vjp(lambda a, b: np.einsum("ij,jk->ik", a, b), a, b)[1](ct)
    np.testing.assert_allclose(pulled[0], ct @ b.T, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(pulled[1], a.T @ ct, rtol=1e-11, atol=1e-12)
    text = str(
        trace(
            lambda a, ct: vjp(lambda a: np.einsum("ij,jk->ik", a, b), a)[1](ct), a, ct
        )
    )
    assert "optimize=True" in text


# Names and forms -------------------------------------------------------------------


def test_names_of_the_namespace() -> None:
    a = M34
    assert np.array_equal(wnp.matmul(a, M43), a @ M43)
    assert np.array_equal(wnp.einsum("ij->ji", a), a.T)
    assert np.array_equal(wnp.dot([1.0, 2.0], [3.0, 4.0]), 11.0)
    np.testing.assert_allclose(wnp.convolve([1.0, 2.0], [1.0, 1.0]), [1.0, 3.0, 2.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda a, out: np.matmul(a, M43, out=out),
        lambda a, out: np.dot(a, M43, out=out),
        lambda a, out: np.einsum("ij,jk", a, M43, out=out),
        lambda a, out: np.linalg.multi_dot([a, M43], out=out),
    ],
)
def test_out_is_written_if_it_is_traced_and_refused_if_it_is_plain(f) -> None:
    def into_traced(a):
        out = np.zeros_like(a, shape=(3, 3))
        assert f(a, out) is out
        return out

    y, pullback = vjp(into_traced, M34)
    np.testing.assert_allclose(y, M34 @ M43, rtol=1e-13)
    np.testing.assert_allclose(pullback(M33)[0], M33 @ M43.T, rtol=1e-13)
    with pytest.raises(TracedValueError, match="can't be written into a plain array"):
        vjp(lambda a: f(a, np.zeros((3, 3))), M34)


def test_dtype_is_that_asked_for() -> None:
    for f in (
        lambda a: np.matmul(a, M43, dtype=np.float32),
        lambda a: np.einsum("ij,jk", a, M43, dtype=np.float32, casting="same_kind"),
        lambda a: wnp.contract.matvec(a, V4, dtype=np.float32),
    ):
        y, pullback = vjp(f, M34)
        assert y.dtype == np.float32
        assert pullback(np.ones_like(y))[0].dtype == np.float64


def test_a_keyword_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(TypeMismatch, match="has the keywords out, dtype"):
        vjp(lambda a: np.matmul(a, M43, signature="dd->d"), M34)


def test_axes_of_the_relatives_of_matmul() -> None:
    for f, args in (
        (lambda a, b: wnp.contract.matvec(a, b, axes=[(1, 0), 0, 0]), (M43, V4)),
        (lambda a, b: wnp.contract.vecmat(b, a, axes=[0, (1, 0), 0]), (M34, V4)),
        (lambda a, b: np.vecdot(a, b, axes=[0, 1]), (M34, M43)),
    ):
        y, pullback = vjp(f, *args)
        np.testing.assert_allclose(y, f(*args), rtol=1e-13)
        w = real(*y.shape)
        basis = np.eye(12).reshape(12, *args[0].shape)
        wanted = [np.sum(w * f(e, args[1])) for e in basis]
        np.testing.assert_allclose(
            pullback(w)[0].ravel(), wanted, rtol=1e-11, atol=1e-13
        )


def test_integers_and_booleans_give_plain_results() -> None:
    def f(x):
        count = np.einsum("i,i", np.array([1, 2]), (x > 0).astype(int))
        assert isinstance(count, np.integer)
        return np.sum(x) * count

    assert np.array_equal(grad(f)(np.array([1.0, -1.0])), [1.0, 1.0])


def test_a_diagonal_by_einsum_can_be_written_into() -> None:
    def f(x):
        y = x * 2.0
        np.einsum("ii->i", y)[:] = 0.0
        return y

    y, pullback = vjp(f, M33)
    assert np.array_equal(y, f(M33))
    wanted = 2.0 * (np.ones((3, 3)) - np.eye(3))
    assert np.array_equal(pullback(np.ones((3, 3)))[0], wanted)


def test_einsum_path_needs_shapes_only() -> None:
    def f(a, b, c):
        path = np.einsum_path("ij,jk,kl->il", a, b, c)
        return np.einsum("ij,jk,kl->il", a, b, c, optimize=path[0])

    y, _ = vjp(f, M34, M43, M33)
    np.testing.assert_allclose(y, M34 @ M43 @ M33, rtol=1e-12)


def test_cross_of_vectors_of_length_two() -> None:
    a, b = real(4, 2), real(4, 3)
    a3, b2 = np.concatenate([a, np.zeros((4, 1))], axis=1), b[:, :2]
    for args, wanted in (
        ((a, b2), np.cross(a3, np.concatenate([b2, np.zeros((4, 1))], 1))[:, 2]),
        ((a, b), np.cross(a3, b)),
        ((b, a), np.cross(b, a3)),
    ):
        y, _ = vjp(wnp.cross, *args)
        np.testing.assert_allclose(y, wanted, rtol=1e-13)


def test_a_captured_array_may_change_before_the_pullback() -> None:
    for f in (lambda a, c: a @ c, lambda a, c: np.einsum("ij,jk", a, c)):
        c = M43.copy()
        _, pullback = vjp(lambda a, c=c, f=f: f(a, c), M34)
        c[:] = np.nan
        np.testing.assert_allclose(pullback(M33)[0], M33 @ M43.T, rtol=1e-13)


# Errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda a: a @ a, r"`matmul` needs shapes \(…, n, k\) and \(…, k, m\)"),
        (lambda a: np.matmul(a, 2.0), r"write a \* b"),
        (lambda a: B234 @ np.stack([a.T] * 3), "where the axes … broadcast"),
        (lambda a: np.dot(a, np.ones(3)), r"Came: shapes \(3, 4\) and \(3,\)"),
        (lambda a: np.tensordot(a, a, axes=1), "name the axes in pairs"),
        (lambda a: np.tensordot(a, a, axes=3), "pass a smaller number"),
        (lambda a: np.tensordot(a, a, ([0], [0, 1])), "in pairs, each axis once"),
        (lambda a: np.cross(a, a), "vectors of length 3"),
        (lambda a: np.linalg.cross(a, a), "vectors of length 3"),
        (lambda a: np.linalg.outer(a, a), "needs two vectors"),
        (lambda a: np.vecdot(a, 1.0), "at least 1 axes"),
        (lambda a: wnp.contract.matvec(a[0], a[0]), "at least 2 axes"),
        (lambda a: np.convolve(a, a), "needs two vectors"),
        (lambda a: np.correlate(a[0], a[0, :0]), "needs two vectors"),
        (lambda a: np.einsum("ij,jk", a, a), "one length for all axes"),
        (lambda a: np.einsum("ijk", a), "one letter per axis"),
        (lambda a: np.einsum("i", a), "one letter per axis"),
        (lambda a: np.einsum("ij,jk", a), "for 1 operands"),
        (lambda a: np.einsum("i1", a), "one letter per axis"),
        (lambda a: np.einsum("ij->ii", a), "a letter twice"),
        (lambda a: np.einsum("ij->ik", a), "no operand has"),
        (lambda a: np.einsum("...i->i", a), "the result has no ..."),
        (lambda a: np.einsum("ii", a), "unequal axes"),
    ],
)
def test_shapes_that_do_not_fit(call, text) -> None:
    with pytest.raises(ShapeMismatch, match=text):
        vjp(call, M34)
    with pytest.raises(ShapeMismatch, match=text):
        trace(call, M34)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'full', 'same' or 'valid'"):
        vjp(lambda a: np.convolve(a, a, "most"), V3)


def test_too_many_letters_for_one_more() -> None:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = f"{letters[:26]},{letters[26:]}->"
    ones = np.ones((1,) * 26)
    with pytest.raises(ShapeMismatch, match="52 letters"):
        vmap(lambda a: np.einsum(text, a, ones))(np.ones((2, *(1,) * 26)))


# Zeros ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "product",
    [lambda x, w: x @ w, lambda x, w: np.einsum("ij,j->i", x, w)],
    ids=["matmul", "einsum"],
)
def test_a_row_that_is_not_used_may_be_infinite(product) -> None:
    x = np.array([[1.0, 2.0], [np.inf, 1.0], [np.nan, 3.0]])
    used = np.array([True, False, False])

    def f(w):
        return np.sum(np.where(used, product(x, w), 0.0))

    np.testing.assert_array_equal(grad(f)(np.ones(2)), [1.0, 2.0])
