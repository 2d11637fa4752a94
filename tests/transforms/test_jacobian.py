"""jacobian: both modes, every chunk and stacked gradients agree with differences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(0)
X = rng.standard_normal(4)
A = rng.standard_normal((3, 4))
MODES = ["forward", "reverse", "auto"]
CHUNKS = [None, 1, 2, 3, 100]


def wide(x: Any) -> Any:
    """4 → 2"""
    return np.stack([np.sum(np.sin(x) * x), np.prod(x)])


def tall(x: Any) -> Any:
    """4 → (3, 2)"""
    y = np.exp(A @ x)
    return np.stack([y, y * np.sum(x)], axis=1)


def differences(f: Any, x: Any) -> Any:
    columns = []
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-5
        columns.append((f(x + step) - f(x - step)) / 2e-5)
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape(np.shape(f(x)) + x.shape)


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("f", [wide, tall])
def test_modes_and_chunks_agree(f: Any, mode: Any, chunk: Any) -> None:
    got = wg.jacobian(f, mode=mode, chunk=chunk)(X)
    assert got.shape == f(X).shape + X.shape
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, differences(f, X), rtol=1e-7, atol=1e-8)
    rows = [
        wg.grad(lambda x, i=i: f(x)[i])(X) for i in np.ndindex(f(X).shape)
    ]  # stacked gradients
    np.testing.assert_allclose(got, np.reshape(rows, got.shape), rtol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_matrix_argument(mode: Any) -> None:
    x = rng.standard_normal((2, 3))
    got = wg.jacobian(lambda x: x @ x.T, mode=mode)(x)
    assert got.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(got, differences(lambda x: x @ x.T, x), atol=1e-9)


def test_names_and_fixed_modes() -> None:
    np.testing.assert_array_equal(
        wg.jacfwd(tall)(X), wg.jacobian(tall, mode="forward")(X)
    )
    np.testing.assert_array_equal(
        wg.jacrev(tall)(X), wg.jacobian(tall, mode="reverse")(X)
    )
    assert wg.jacobian(wide).__name__ == "jacobian_of_wide"


class Counted:
    """A function that counts its calls, and of how many items each was."""

    def __init__(self, f: Any) -> None:
        self.f, self.runs = f, 0

    def __call__(self, *args: Any) -> Any:
        self.runs += 1
        return self.f(*args)


@pytest.mark.parametrize("chunk", [None, 1, 2])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_f_runs_once_whatever_the_chunk(mode: Any, chunk: Any) -> None:
    f = Counted(tall)
    wg.jacobian(f, mode=mode, chunk=chunk)(X)
    assert f.runs == 1


@pytest.mark.parametrize(("f", "runs"), [(wide, 1), (tall, 2), (lambda x: x * 2.0, 2)])
def test_auto_runs_again_only_for_forward_mode(f: Any, runs: int) -> None:
    counted = Counted(f)
    wg.jacobian(counted)(X)
    assert counted.runs == runs


def test_auto_knows_that_one_input_is_forward() -> None:
    counted = Counted(lambda x: x * A)
    assert wg.jacobian(counted)(2.0).shape == (3, 4)
    assert counted.runs == 1


@dataclass
class Layer:
    w: Any
    b: Any


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk", [None, 2])
def test_containers_on_both_sides(mode: Any, chunk: Any) -> None:
    p = Layer(A.copy(), [X[0], rng.standard_normal(3)])

    def f(p: Any) -> Any:
        y = np.tanh(p.w @ X) * p.b[0] + p.b[1]
        return {"y": y, "sum": (np.sum(y), p.b[0] * 2.0)}

    got = wg.jacobian(f, mode=mode, chunk=chunk)(p)
    assert isinstance(got["y"], Layer)
    assert got["y"].w.shape == (3, 3, 4)
    assert got["y"].b[0].shape == (3,)
    assert got["sum"][0].w.shape == (3, 4)
    np.testing.assert_array_equal(got["sum"][1].w, np.zeros((3, 4)))
    assert got["sum"][1].b[0] == 2.0
    np.testing.assert_allclose(
        got["y"].w,
        differences(lambda w: f(Layer(w, p.b))["y"], p.w),
        rtol=1e-7, atol=1e-9,
    )  # fmt: skip
    total = wg.grad(lambda p: f(p)["sum"][0])(p)
    np.testing.assert_allclose(got["sum"][0].w, total.w, rtol=1e-13)
    np.testing.assert_allclose(got["sum"][0].b[1], total.b[1], rtol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_argnums_tuple_and_keywords(mode: Any) -> None:
    def f(x: Any, n: Any, y: Any, *, scale: float) -> Any:
        return scale * x[:n] * y

    jx, jy = wg.jacobian(f, (0, 2), mode=mode)(X, 2, 3.0, scale=2.0)
    np.testing.assert_allclose(jx, 6.0 * np.eye(2, 4))
    np.testing.assert_allclose(jy, 2.0 * X[:2])
    only = wg.jacobian(f, -1, mode=mode)(X, 2, 3.0, scale=2.0)
    np.testing.assert_array_equal(only, jy)


@pytest.mark.parametrize("mode", MODES)
def test_has_aux(mode: Any) -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        return np.sin(x), {"y": y, "view": y[1:], "n": 3}

    jac, aux = wg.jacobian(f, mode=mode, has_aux=True)(X)
    np.testing.assert_allclose(jac, np.diag(np.cos(X)))
    assert type(aux["y"]) is np.ndarray
    np.testing.assert_array_equal(aux["view"], 2.0 * X[1:])
    assert aux["n"] == 3


# Complex ------------------------------------------------------------------------------

Z = rng.standard_normal(3) + 1j * rng.standard_normal(3)


@pytest.mark.parametrize("chunk", [None, 1, 2])
@pytest.mark.parametrize("mode", MODES)
class TestComplex:
    def test_holomorphic(self, mode: Any, chunk: Any) -> None:
        f = wg.jacobian(lambda z: z**2 * z[0], mode=mode, chunk=chunk, holomorphic=True)
        wanted = np.diag(2 * Z * Z[0])
        wanted[:, 0] += Z**2
        np.testing.assert_allclose(f(Z), wanted, rtol=1e-13)

    def test_real_result_is_the_gradient(self, mode: Any, chunk: Any) -> None:
        def f(z: Any) -> Any:
            return np.stack([np.sum(np.abs(z) ** 2), np.real(z[0] * z[1])])

        got = wg.jacobian(f, mode=mode, chunk=chunk)(Z)
        rows = [wg.grad(lambda z, i=i: f(z)[i])(Z) for i in range(2)]
        np.testing.assert_allclose(got, rows, rtol=1e-13)
        assert got.dtype == np.complex128

    def test_real_arguments(self, mode: Any, chunk: Any) -> None:
        got = wg.jacobian(lambda x: np.exp(Z[:2, None] * x), mode=mode, chunk=chunk)(X)
        wanted = np.einsum(
            "ij,jk->ijk", Z[:2, None] * np.exp(Z[:2, None] * X), np.eye(4)
        )
        np.testing.assert_allclose(got, wanted, rtol=1e-12)

    def test_mixed_arguments(self, mode: Any, chunk: Any) -> None:
        def f(x: Any, z: Any) -> Any:
            return np.real(z * x[0]) + np.imag(z) * x[1]

        jx, jz = wg.jacobian(f, (0, 1), mode=mode, chunk=chunk)(X[:2], Z)
        np.testing.assert_allclose(jx, np.stack([Z.real, Z.imag], axis=1))
        np.testing.assert_allclose(jz, np.diag(np.full(3, X[0] + 1j * X[1])))

    def test_complex_to_complex_needs_the_flag(self, mode: Any, chunk: Any) -> None:
        with pytest.raises(wg.WengertError, match="holomorphic=True if it is") as info:
            wg.jacobian(lambda z: np.conj(z), mode=mode, chunk=chunk)(Z)
        assert "test_jacobian.py" in str(info.value)


def test_the_flag_needs_complex_arguments_and_results() -> None:
    with pytest.raises(TypeError, match="holomorphic=True differentiates by complex"):
        wg.jacobian(lambda x: x, holomorphic=True)(1.0)
    with pytest.raises(TypeError, match="The Jacobian is of complex results"):
        wg.jacobian(lambda z: np.real(z), holomorphic=True)(1 + 1j)


# Types, sizes and memory --------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("x", "y_dtype", "wanted"),
    [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float32),
        (np.float64, np.float32, np.float64),
        (np.float32, np.complex64, np.complex64),
        (np.float64, np.complex128, np.complex128),
    ],
)
def test_dtype_is_the_arguments(mode: Any, x: Any, y_dtype: Any, wanted: Any) -> None:
    point = X.astype(x)
    got = wg.jacobian(lambda x: (x * x).astype(y_dtype), mode=mode)(point)
    assert got.dtype == wanted
    np.testing.assert_allclose(got, np.diag(2 * point), rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk", [None, 1])
def test_edge_sizes(mode: Any, chunk: Any) -> None:
    def jac(f: Any) -> Any:
        return wg.jacobian(f, mode=mode, chunk=chunk)

    assert jac(np.sin)(0.0) == 1.0
    assert jac(np.sin)(np.array(0.0)).shape == ()
    assert jac(lambda x: x * 2.0)(np.zeros(0)).shape == (0, 0)
    assert jac(lambda x: x[:0])(X).shape == (0, 4)
    assert jac(lambda x: np.sum(x) + X)(np.zeros((0, 2))).shape == (4, 0, 2)
    assert jac(lambda x: np.max(x * 2.0, axis=1))(np.zeros((0, 3))).shape == (0, 0, 3)
    assert jac(lambda p: X * p["x"])({"x": 2.0, "none": None})["x"].shape == (4,)
    assert jac(lambda p: X)({}) == {}


@pytest.mark.parametrize("mode", MODES)
def test_constant_results_have_zero_jacobians(mode: Any) -> None:
    got = wg.jacobian(lambda x: {"c": 3.0, "a": A, "x": x[0]}, mode=mode)(X)
    np.testing.assert_array_equal(got["c"], np.zeros(4))
    np.testing.assert_array_equal(got["a"], np.zeros((3, 4, 4)))
    np.testing.assert_array_equal(got["x"], [1.0, 0, 0, 0])


@pytest.mark.parametrize("mode", MODES)
def test_branches_follow_the_values(mode: Any) -> None:
    def f(x: Any) -> Any:
        if x[0] > 0 and float(wg.stop_gradient(x[1])) < 10:
            return x * 2.0
        return x * 3.0

    for x, slope in ((np.ones(2), 2.0), (-np.ones(2), 3.0)):
        np.testing.assert_array_equal(wg.jacobian(f, mode=mode)(x), slope * np.eye(2))


@pytest.mark.parametrize("chunk", [None, 1])
@pytest.mark.parametrize("mode", MODES)
def test_infinite_slopes_that_are_not_taken(mode: Any, chunk: Any) -> None:
    x = np.array([0.0, 4.0])
    f = lambda x: np.where(x > 0, np.sqrt(x), 0.0)
    got = wg.jacobian(f, mode=mode, chunk=chunk)(x)
    np.testing.assert_array_equal(got, np.diag([0.0, 0.25]))
    norm = wg.jacobian(lambda x: np.sqrt(x * x), mode=mode, chunk=chunk)(np.zeros(2))
    np.testing.assert_array_equal(norm, np.zeros((2, 2)))


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_shared(mode: Any) -> None:
    x = X.copy()
    for f in (lambda x: x, lambda x: x * 1.0, lambda x: {"a": x, "b": x}):
        got = wg.jacobian(f, mode=mode)(x)
        arrays = list(got.values()) if isinstance(got, dict) else [got]
        for a in arrays:
            assert a.flags.writeable
            assert not np.shares_memory(a, x)
            a += 1.0
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(wg.jacobian(lambda x: x, mode=mode)(x), np.eye(4))
    assert len(arrays) == 2
    assert not np.shares_memory(*arrays)


# Errors -------------------------------------------------------------------------------


def test_error_texts() -> None:
    with pytest.raises(
        ValueError, match="mode is 'auto', 'forward' or 'reverse'; 'fwd' c"
    ):
        wg.jacobian(wide, mode="fwd")  # type: ignore[arg-type]
    for chunk in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="chunk is a positive int or None"):
            wg.jacobian(wide, chunk=chunk)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"jacobian\(f\)\(x\), not jacobian\(f\(x\)\)"):
        wg.jacobian(wide(X))(X)
    with pytest.raises(ValueError, match="argnums is the position of an argument"):
        wg.jacobian(wide, 1)(X)
    with pytest.raises(TypeError, match="argument 0 is int 3"):
        wg.jacobian(wide)(3)
    with pytest.raises(TypeError, match=r"argument 0\['n'\] is dtype int64"):
        wg.jacobian(lambda p: p["x"])({"x": X, "n": np.arange(3)})
    with pytest.raises(ValueError, match=r"With has_aux=True `wide` returns a pair"):
        wg.jacobian(wide, has_aux=True)(X)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.arange(3), "an array of dtype int64"),
        (True, "bool True"),
        ("no", "str 'no'"),
    ],
)
def test_results_without_derivative_are_refused(
    mode: Any, value: Any, shown: Any
) -> None:
    def f(x: Any) -> Any:
        return {"x": x, "other": value}

    with pytest.raises(TypeError, match=f"`f` returns {shown}"):
        wg.jacobian(f, mode=mode)(X)
