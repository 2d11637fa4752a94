"""Complex numbers in compiled code: as NumPy's, in loops and not on the host."""

import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from compiled import (
    check_compiled,
    check_function,
    compiled,
    flattened,
    gradient_of,
    rows,
    types_of,
)
from complex_programs import Program, seeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.graph.graph import Graph
from wengert.graph.stage import trace
from wengert.testing import Scenario
from wengert.testing.check import direction

# What the host still computes: LAPACK's least squares and eigenvalues of any matrix,
# and what is only needed for derivatives of determinants of singular matrices.
HOST = {"eig", "pinv", "lstsq", "adjugate", "svd"}
COUNT = int(os.environ.get("WENGERT_PROGRAMS", "60"))
rng = np.random.default_rng(3)


def numbers(*shape: int, dtype: Any = complex) -> Any:
    """Complex numbers of sizes about 1."""
    parts = rng.normal(size=(2, *shape))
    return (parts[0] + 1j * parts[1]).astype(dtype)


# Every row -------------------------------------------------------------------------


def is_complex(graph: Graph) -> bool:
    return any(t.dtype.kind == "c" for n in graph.nodes for t in types_of(n))


def staged(f: Callable[..., Any], arrays: list[Any]) -> Graph | None:
    """The case as a graph; what can't be one is no business of the compiler."""
    try:
        with np.errstate(all="ignore"):
            graph: Graph = wg.trace(f, *arrays, values=True).optimize()
        return graph
    except Exception:
        return None


def cases(s: Scenario) -> Iterator[tuple[str, Callable[..., Any], list[Any]]]:
    """What of a row is compiled."""
    f, leaves = flattened(s)
    arrays = [np.asarray(x) for x in leaves]
    yield "value", f, arrays
    if not arrays or any(x.dtype.kind not in "fc" for x in arrays):
        return
    along = tuple(direction(np.random.default_rng(5), x) for x in arrays)
    gradient = gradient_of(f, len(arrays))
    yield "tangent", lambda *xs: wg.jvp(f, xs, along)[1], arrays
    yield "gradient", gradient, arrays
    if s.order > 1:
        yield "second", lambda *xs: wg.jvp(gradient, xs, along)[1], arrays
    if s.vmap:
        many = [np.stack([x, x * (1 + 1e-3), x]).astype(x.dtype) for x in arrays]
        yield "mapped", wg.vmap(f), many
    if s.float32:
        short = {"c": np.complex64, "f": np.float32}
        yield "single", f, [x.astype(short[x.dtype.kind]) for x in arrays]


def has_complex(s: Scenario) -> bool:
    """Whether a row's arguments or results are complex."""
    f, leaves = flattened(s)
    if any(np.iscomplexobj(x) for x in leaves):
        return True
    try:
        return any(np.iscomplexobj(y) for y in f(*leaves))
    except Exception:
        return False


with np.errstate(all="ignore"):
    ROWS = [s for s in rows() if has_complex(s)]


@pytest.mark.parametrize("s", ROWS, ids=[f"{i}-{s.name}" for i, s in enumerate(ROWS)])
def test_row(s: Scenario) -> None:
    failures = []
    for name, f, arrays in cases(s):
        graph = staged(f, arrays)
        if graph is None:
            continue
        try:
            program = check_compiled(graph, arrays, what=name)
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        on_host = {op for op, _ in program.host_calls} - HOST
        if is_complex(graph) and on_host:
            failures.append(f"{name}: {on_host} on the host")
    assert not failures, "\n".join(failures)


def test_there_are_rows() -> None:
    assert len(ROWS) > 150


# Values ----------------------------------------------------------------------------

UFUNCS = [
    np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sqrt, np.sin,
    np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.arcsin, np.arccos, np.arctan,
    np.arcsinh, np.arccosh, np.arctanh, np.square, np.reciprocal, np.negative,
    np.conjugate, np.isnan, np.isinf, np.isfinite, np.absolute, np.angle,
]  # fmt: skip
names = pytest.mark.parametrize("f", UFUNCS, ids=[f.__name__ for f in UFUNCS])
DTYPES = pytest.mark.parametrize("dtype", [np.complex128, np.complex64])


def one(f: Callable[..., Any], *args: Any) -> Any:
    """What the compiled function gives; nothing of it may run on the host."""
    program = compiled(trace(f, *args))
    assert program.host_calls == []
    (y,), failed = program([np.asarray(a) for a in args])
    assert failed == -1
    return np.asarray(y)


def grid(dtype: Any) -> Any:
    """All pairs of zeros, infinities, nan, and of tiny, usual and huge numbers."""
    huge, tiny = (1e300, 1e-300) if dtype == np.complex128 else (1e30, 1e-30)
    side = [0.0, 1.0, 0.5, 2.0, np.inf, 1e-9, 30.0, huge, tiny, 745.0]
    side = np.array([*side, *(-x for x in side), np.nan])
    z = np.empty((len(side), len(side)), dtype)
    z.real, z.imag = side, side[:, None]
    return z.reshape(-1)


def kinds(x: Any) -> Any:
    """nan, ±inf, or a number: as a code."""
    x = np.asarray(x, float)
    return np.where(np.isnan(x), 2, np.where(np.isinf(x), np.sign(x), 0))


@names
@DTYPES
def test_special_values(f: Callable[..., Any], dtype: Any) -> None:
    """nan and infinities where NumPy has them, numbers within a few roundings."""
    z = grid(dtype)
    if f is np.square:  # NumPy's own loops differ where a square overflows
        z = z[np.abs(z) < 1e10]
    with np.errstate(all="ignore"):
        y, wanted = one(f, z), np.asarray(f(z))
    assert y.dtype == wanted.dtype
    eps, least = np.finfo(dtype).eps, np.finfo(dtype).smallest_normal
    for part in ("real", "imag"):
        a, b = getattr(y, part), getattr(wanted, part)
        bad = z[kinds(a) != kinds(b)]
        assert not bad.size, f"{part}: {bad[:5]}"
        fine = kinds(b) == 0
        size = np.where(np.isfinite(np.abs(wanted)), np.abs(wanted), 0)[fine]
        with np.errstate(all="ignore"):
            off = np.abs(a[fine].astype(float) - b[fine].astype(float))
        assert np.all(off <= 16 * eps * np.maximum(size, np.abs(b[fine])) + 4 * least)


@names
@DTYPES
def test_usual_values(f: Callable[..., Any], dtype: Any) -> None:
    size = 10.0 ** rng.uniform(-3, 2, 4000)
    z = (size * np.exp(1j * rng.uniform(-np.pi, np.pi, 4000))).astype(dtype)
    with np.errstate(all="ignore"):
        y, wanted = one(f, z), np.asarray(f(z))
    eps = np.finfo(dtype).eps
    if y.dtype.kind == "b":
        assert np.array_equal(y, wanted)
        return
    loose = 1e4 if f is np.log1p else 12  # NumPy's own loses digits for small numbers
    fine = np.isfinite(wanted)
    assert np.array_equal(fine, np.isfinite(y))
    near = np.maximum(np.abs(wanted[fine]), np.finfo(dtype).smallest_normal)
    assert np.max(np.abs(y[fine] - wanted[fine]) / near) < loose * eps


def test_logarithms_of_numbers_near_the_unit_circle() -> None:
    z = np.exp(1j * rng.uniform(-3, 3, 300)) * (1 + rng.normal(size=300) * 1e-10)
    y = one(np.log, z)
    with mpmath.workdps(50):
        exact = [float(mpmath.log(abs(mpmath.mpc(x)))) for x in z]
    assert np.max(np.abs(y.real - exact) / np.abs(exact)) < 1e-15


@pytest.mark.parametrize("f", [np.sqrt, np.log, np.arcsin, np.arccosh, np.arctan])
def test_zeros_choose_the_side_of_a_branch_cut(f: Callable[..., Any]) -> None:
    zeros = (0.0, -0.0)
    z = np.array([complex(a, b) for a in (-2.0, 2.0) for b in zeros])
    z = np.append(z, [complex(a, 2.0) for a in zeros])
    for y, wanted in zip(one(f, z), f(z), strict=True):
        assert np.isclose(y, wanted, 1e-15, 1e-15)
    # −0 + 0 is 0, also where the 0 is known.
    shifted = one(lambda x: np.sqrt(x + 1.0), z - 1.0)
    assert np.allclose(shifted, np.sqrt(z - 1.0 + 1.0), 1e-15)


@DTYPES
def test_sums_products_and_quotients_are_numpys_to_the_bit(dtype: Any) -> None:
    """NumPy's loops over scalars, that is: those over vectors fuse a multiplication."""
    a, b = numbers(203, dtype=dtype), numbers(203, dtype=dtype)
    for f in (operator.add, operator.sub, operator.mul, operator.truediv):
        scalars = [f(x, y) for x, y in zip(a, b, strict=True)]
        assert np.array_equal(one(f, a, b), scalars), f.__name__
    assert np.array_equal(one(np.reciprocal, a), np.reciprocal(a))
    assert np.array_equal(one(lambda x: x / 3.0, a), [x / dtype(3.0) for x in a])


def test_a_product_by_the_conjugate_is_real() -> None:
    z = numbers(100)
    assert not one(lambda x: x * np.conj(x), z).imag.any()


POWERS = [0, 1, 2, 3, -1, 7, -12, 0.5, 2.5, 1j, 1 - 2j]


@pytest.mark.parametrize("exponent", POWERS)
def test_powers(exponent: complex) -> None:
    z = np.concatenate([numbers(50), [0.0, 1.0, -1.0, 1j]])
    with np.errstate(all="ignore"):
        wanted = np.power(z, exponent)
        if complex(exponent).imag or np.real(exponent) < 0:
            z, wanted = z[np.isfinite(wanted)], wanted[np.isfinite(wanted)]
        known = one(lambda x: x**exponent, z)
        given = one(np.power, z, np.full(z.shape, exponent, complex))
    assert np.allclose(known, wanted, 1e-13, 1e-14)
    assert np.allclose(given, wanted, 1e-13, 1e-14)


ORDERED = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal,
           np.not_equal, np.logical_and, np.logical_or, np.logical_xor, np.maximum,
           np.minimum, np.fmax, np.fmin]  # fmt: skip


@pytest.mark.parametrize("f", ORDERED, ids=[f.__name__ for f in ORDERED])
def test_order(f: Callable[..., Any]) -> None:
    """By real parts, then by imaginary ones, and with nans."""
    side = [0.0, -0.0, 1.0, np.nan, np.inf]
    z = np.array([complex(a, b) for a in side for b in side])
    a, b = np.repeat(z, len(z)), np.tile(z, len(z))
    with np.errstate(all="ignore"):
        y, wanted = one(f, a, b), f(a, b)
    assert np.array_equal(y, wanted) or np.array_equal(
        y.view(float), wanted.view(float), equal_nan=True
    )


# Arrays ----------------------------------------------------------------------------


def scattered(x: Any) -> Any:
    """Rows added into others, some of them twice."""
    np.add.at(x, np.array([0, -1, 0]), x[:1] * 2)
    return x


ARRAYS: dict[str, Callable[[Any], Any]] = {
    "transposed": lambda x: x.T * 2j,
    "backwards": lambda x: x[::-1, ::-1] - 1j,
    "every other": lambda x: x[:, ::2] * x[:, 1::2][:, :1],
    "gathered": lambda x: x[[2, 0, -1, 2]] * 1j,
    "gathered twice": lambda x: x[[[0, 1]], [[1], [0]]] + 1,
    "scattered": lambda x: scattered(x * 0.5j),
    "written": lambda x: np.where(np.eye(*x.shape, dtype=bool), 0, x * x),
    "padded": lambda x: np.pad(x * 1j, 1),
    "joined": lambda x: np.concatenate([x, x.real, 1j * x], 1),
    "stacked": lambda x: np.stack([x, np.conj(x)], -1),
    "rolled": lambda x: np.roll(x, 2, 1) / (x + 3),
    "broadcast": lambda x: x[:, None] * np.conj(x),
    "summed": lambda x: np.sum(x * x, 0),
    "averaged": lambda x: np.mean(x, 1, keepdims=True) - x,
    "multiplied": lambda x: np.prod(x, 0) * np.prod(x),
    "multiplied apart": lambda x: np.prod(np.stack([x, x + 1]), (0, 2)),
    "greatest": lambda x: np.max(x, 1) + np.min(x),
    "placed": lambda x: np.argmax(x, 0) + np.argmin(x[0]),
    "sorted": lambda x: np.sort(x, 1) * 1j,
    "ordered": lambda x: np.argsort(x, 0),
    "running": lambda x: np.cumsum(x, 1) + np.cumprod(x, 0),
    "running most": lambda x: np.maximum.accumulate(x, 1),
    "spread": lambda x: np.var(x) + np.std(x, 0),
    "norms": lambda x: np.linalg.norm(x) * np.linalg.norm(x, axis=0),
    "any": lambda x: np.any(x, 0) & np.all(x, 0),
    "convolved": lambda x: np.convolve(x[0], x[1]),
    "multiplied by BLAS": lambda x: (x @ np.conj(x.T)) * 2j,
    "multiplied by its real part": lambda x: x @ x.real.T,
    "einsum": lambda x: np.einsum("ij,kj->ki", x, x[:2]) * 1j,
    "trace": lambda x: np.trace(x) + np.diagonal(x),
    "to complex64": lambda x: x.astype(np.complex64) * 2,
    "parts": lambda x: x.real.T @ x.imag,
    "made of parts": lambda x: np.abs(x) * np.exp(1j * np.angle(x)),
    "rounded": lambda x: np.round(x, 2) + np.rint(x),
    "exchanged": lambda x: x.imag + 1j * x.real,
}  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 4), (1, 2), (9, 17), (3, 64)])
@pytest.mark.parametrize("name", ARRAYS)
@DTYPES
def test_arrays(name: str, shape: tuple[int, int], dtype: Any) -> None:
    f, x = ARRAYS[name], numbers(*shape, dtype=dtype)
    try:
        f(x)
    except (IndexError, ValueError):
        pytest.skip("too small for it")
    program = check_function(f, x, rtol=1e-12 if dtype == np.complex128 else 1e-4)
    assert program.host_calls == []


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, complex)
    for f in (np.exp, lambda x: x * 2j, np.sum, lambda x: np.prod(x, 0), np.transpose):
        check_function(f, x)


def test_no_axes() -> None:
    for x in (2 - 1j, np.complex64(2 - 1j), np.array(1j)):
        program = check_function(lambda x: np.exp(x) * np.conj(x) + 1.0, x)
        assert program.host_calls == []


def test_many_lengths() -> None:
    """Whole vectors, shorter ones, and lanes that are off."""
    for n in range(1, 40):
        x = numbers(n)
        y = one(lambda x: x * x[::-1] + 1j, x)
        assert np.allclose(y, x * x[::-1] + 1j, 1e-15)


def test_views_are_read_as_they_are() -> None:
    x = numbers(6, 8)
    f = wg.jit(lambda x: x * 2j)
    for view in (x, x.T, x[::-1], x[:, ::-2], np.broadcast_to(x[0], (4, 8))):
        assert np.array_equal(f(view), view * 2j)


def test_constants_of_the_program() -> None:
    known = numbers(7)
    program = check_function(lambda x: x * known + known.conj()[::-1], numbers(7))
    assert program.host_calls == []
    check_function(lambda x: (x * 2j, np.broadcast_to(known[:1], (7,))), numbers(7))


def test_many_elements_on_threads() -> None:
    x = numbers(200_003)
    y = one(lambda x: np.exp(x) * x, x)
    assert np.allclose(y, np.exp(x) * x, 1e-14)
    total = one(lambda x: np.sum(x * np.conj(x) * 1j), x)
    assert np.isclose(total, 1j * np.sum(np.abs(x) ** 2), 1e-13)


def test_long_sums_keep_their_digits() -> None:
    x = (numbers(1_000_000, dtype=np.complex64) + np.complex64(1 + 1j)).astype("c8")
    y = one(np.sum, x)
    exact = np.sum(x.astype(complex))
    assert abs(y - exact) < 2e-7 * abs(exact)


# Derivatives -----------------------------------------------------------------------


def energy(z: Any, w: Any) -> Any:
    field = np.exp(1j * z) * w + np.sqrt(z * z + 2.0)
    return np.sum(np.abs(field) ** 2) + np.sum(np.angle(w) * np.imag(z))


def test_derivatives_are_native() -> None:
    z, w = numbers(30), numbers(30) + 3.0
    along = numbers(30), numbers(30)
    gradient = wg.grad(energy, argnums=(0, 1))
    cases: dict[str, Callable[..., Any]] = {
        "gradient": gradient,
        "tangent": lambda z, w: wg.jvp(energy, (z, w), along)[1],
        "second": lambda z, w: wg.jvp(gradient, (z, w), along)[1],
        "of many": lambda z, w: wg.vmap(gradient)(np.stack([z, w]), np.stack([w, z])),
    }
    for name, f in cases.items():
        program = check_function(f, z, w, rtol=1e-10, what=name)
        assert program.host_calls == [], name


def test_zero_wins_against_infinite_slopes() -> None:
    """A branch that isn't taken has no part in the gradient."""

    def f(z: Any) -> Any:
        return np.sum(np.real(np.where(z == 0, 1.0, np.sqrt(z) * np.log(z))))

    z = np.array([0j, 1 + 1j, 0j, -2 + 0.5j] * 5)
    with np.errstate(all="ignore"):
        wanted = wg.grad(f)(z)
        got = wg.jit(wg.grad(f))(z)
    assert np.isfinite(wanted).all()
    assert np.allclose(got, wanted, 1e-13)


def test_arguments_that_differ_in_type() -> None:
    f = wg.jit(lambda z, s: np.exp(z * s) - s)
    for z in (numbers(5), numbers(5, dtype=np.complex64)):
        for s in (2, 0.5, 1j, np.float32(2), np.complex64(1j), np.arange(5)):
            got, wanted = f(z, s), np.exp(z * s) - s
            assert got.dtype == wanted.dtype
            assert np.allclose(got, wanted, 1e-5)


def test_pythons_complex_numbers_are_arguments() -> None:
    """One path for all values; they give way to an array's dtype."""
    f = wg.jit(lambda z, t: z * (2j * t + 1) + t.imag)
    z = numbers(4, dtype=np.complex64)
    for t in (1j, 2 - 1j, complex(-0.0, 3.0)):
        got, wanted = f(z, t), z * (2j * t + 1) + t.imag
        assert got.dtype == wanted.dtype == np.complex64
        assert np.allclose(got, wanted, 1e-6)
    assert len(f.report().paths) == 1
    g = wg.jit(lambda t: (t * (1 + 1j) - t.conjugate(), abs(t), t == 2j, t / 3))
    for t in (2j, 1 - 1j, 2j):
        got, wanted = g(t), (t * (1 + 1j) - t.conjugate(), abs(t), t == 2j, t / 3)
        assert got == wanted
        assert [type(x) for x in got] == [type(x) for x in wanted]
    with pytest.raises(TypeError, match="not supported"):
        wg.jit(lambda t: t < 1)(2j)


def test_a_float_times_a_complex_number_gives_way() -> None:
    z = numbers(4, dtype=np.complex64)
    f = wg.jit(lambda z, t: z * (1j * t))
    assert f(z, 0.5).dtype == np.complex64
    assert np.allclose(f(z, 0.5), z * 0.5j, 1e-6)


def test_questions_about_complex_values() -> None:
    f = wg.jit(lambda z: z * 2 if z[0] == 1j else z + 1)
    for z in (np.array([1j, 2.0]), np.array([2.0, 1j])):
        assert np.array_equal(f(z), z * 2 if z[0] == 1j else z + 1)
    g = wg.jit(lambda z: z * 2 if z[0] else z + 1)
    for z in (np.array([0j, 2.0]), np.array([2.0, 1j]), np.array([0j, 2.0])):
        assert np.array_equal(g(z), z * 2 if z[0] else z + 1)
    h = wg.jit(lambda z: z * complex(z[0]))
    for z in (np.array([1j, 2.0]), np.array([-1j, 2.0]), np.array([1j, 3.0])):
        assert np.array_equal(h(z), z * z[0])
    for asked in (f, g, h):
        assert "through Python" not in str(asked.report())


def test_pseudo_code_names_the_parts() -> None:
    text = wg.native.listing(lambda z: z * 2j, numbers(100))
    assert "z[i].real" in text
    assert "pair(" in text


# Random programs -------------------------------------------------------------------

some = settings(
    max_examples=COUNT,
    derandomize="WENGERT_PROGRAMS" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def check_program(p: Program, f: Callable[..., Any]) -> None:
    inputs = p.inputs()
    graph = staged(f, inputs)
    if graph is not None:
        program = check_compiled(graph, inputs, 2e-3 if p.single else 1e-9)
        assert program.host_calls == []


# A product over no axes; a fold that joined a nest without loops; a slice's steps that
# are met by every index.
@pytest.mark.parametrize("seed", [22, 342, 1136])
def test_programs_that_were_wrong_once(seed: int) -> None:
    p = seeded(seed)
    check_program(p, p)
    check_program(p, gradient_of(p, len(p.shapes)))


@some
@given(st.integers(0, 2**31))
def test_random_values(seed: int) -> None:
    p = seeded(seed)
    check_program(p, p)


@some
@given(st.integers(0, 2**31))
def test_random_gradients(seed: int) -> None:
    p = seeded(seed)
    check_program(p, gradient_of(p, len(p.shapes)))
