"""Steps that call BLAS and LAPACK give what the op's `evaluate` gives."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import wengert as wg  # noqa: F401  (registers the ops)
from wengert.core.op import OPS
from wengert.core.types import Type, type_of
from wengert.graph.graph import INPUT, Node
from wengert.native import dense
from wengert.native.dense_emit import Step
from wengert.native.dense_products import axes_of, product_of, turned
from wengert.native.ir import Emitter
from wengert.native.link import load

DTYPES = ["f4", "f8", "c8", "c16"]
RNG = np.random.default_rng(7)


def node_of(name: str, arrays: Sequence[Any], **params: Any) -> Node:
    op = OPS[name]
    leaves = tuple(Node(INPUT, (), {}, type_of(a)) for a in arrays)
    return Node(op, leaves, params, op.type_of(*(n.type for n in leaves), **params))


def types_of(node: Node) -> list[Type]:
    return [node.type] if isinstance(node.type, Type) else list(node.type)


def compiled(step: Step, args: int, results: Sequence[bool], add: bool = False) -> Any:
    """`i32 program(ptr inputs, ptr outputs, ptr arena)`, as programs are."""
    e = Emitter()

    def pointers(base: str, count: int) -> list[str]:
        places = [
            e.let(f"getelementptr ptr, ptr {base}, i64 {i}") for i in range(count)
        ]
        return [e.let(f"load ptr, ptr {p}") for p in places]

    inputs = pointers("%inputs", args)
    outputs = pointers("%outputs", len(results))
    outputs = [p if used else "" for p, used in zip(outputs, results, strict=True)]
    status = step.emit(e, inputs, outputs, "%arena", add)
    e.do(f"ret i32 {status or 0}")
    body = "\n".join(e.lines)
    return load(
        "\n".join(sorted(e.declared))
        + "\ndefine i32 @program(ptr %inputs, ptr %outputs, ptr %arena) {"
        + f"\nentry:\n{body}\n}}\n"
    )


def run(
    node: Node,
    arrays: Sequence[Any],
    views: bool = False,
    used: Sequence[bool] = (),
    start: float | None = None,
) -> tuple[int, list[Any], Step]:
    """(status, results, step); what no step may touch is checked to be untouched."""
    strides = [
        tuple(s // a.itemsize for s in a.strides) if views else None for a in arrays
    ]
    step = dense.lower(node, strides, used)
    assert step is not None
    used = used or [True] * len(types_of(node))
    library = compiled(step, len(arrays), used, start is not None)
    if not views:
        arrays = [np.ascontiguousarray(a).reshape(a.shape) for a in arrays]
    before = [a.copy() for a in arrays]
    fill = np.nan if start is None else start
    results = [np.full(t.shape, fill, t.dtype) for t in types_of(node)]
    arena = np.full(step.scratch_bytes + 128, 0xAA, np.uint8)
    shift = -arena.ctypes.data % 64
    table = [
        (ctypes.c_void_p * len(xs))(*(x.ctypes.data for x in xs))
        for xs in (arrays, results)
    ]
    program = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(
        library.address("program")
    )
    status = program(*table, arena.ctypes.data + shift)
    assert (arena[:shift] == 0xAA).all()
    assert (arena[shift + step.scratch_bytes :] == 0xAA).all()
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)
    return status, results, step


def close(got: Any, expected: Any, scale: float = 100.0) -> None:
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    size = np.abs(expected).max(initial=1.0)
    tolerance = scale * np.finfo(got.dtype).eps * float(size)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def random(dtype: str, *shape: int) -> Any:
    x = RNG.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * RNG.standard_normal(shape)
    return x.astype(dtype)


def positive(dtype: str, *shape: int) -> Any:
    x = random(dtype, *shape)
    return (x @ x.conj().mT + shape[-1] * np.eye(shape[-1])).astype(dtype)


# Products --------------------------------------------------------------------------

MATMULS = [
    ((30, 20), (20, 40)),
    ((1, 300), (300, 50)),
    ((300, 50), (50, 1)),
    ((1, 600), (600, 1)),
    ((700,), (700,)),
    ((40, 30), (30,)),
    ((30,), (30, 40)),
    ((5, 30, 20), (5, 20, 10)),
    ((5, 30, 20), (20, 10)),
    ((30, 20), (5, 20, 10)),
    ((4, 1, 12, 20), (3, 20, 10)),
    ((4, 3, 30, 20), (20,)),
    ((30,), (4, 30, 25)),
    ((40, 2), (2, 30)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", MATMULS, ids=str)
def test_matmul(shapes: Any, dtype: str) -> None:
    a, b = (random(dtype, *shape) for shape in shapes)
    node = node_of("matmul", [a, b])
    status, (y,), step = run(node, [a, b])
    assert status == 0
    assert step.copies == ()
    close(y, np.matmul(a, b))
    assert step.accumulates or len(shapes[0]) == 4  # its result is put in order
    if step.accumulates:
        _, (y,), _ = run(node, [a, b], start=2.0)
        close(y, np.matmul(a, b) + a.dtype.type(2))


@pytest.mark.parametrize("dtype", ["f8", "c8"])
def test_matmul_of_transposed_views_needs_no_copy(dtype: str) -> None:
    for a, b in [
        (random(dtype, 20, 30).T, random(dtype, 20, 40)),
        (random(dtype, 30, 20), random(dtype, 40, 20).T),
        (random(dtype, 20, 30).T, random(dtype, 40, 20).T),
        (random(dtype, 6, 20, 30).mT, random(dtype, 6, 40, 20).mT),
        (random(dtype, 20, 6, 30).transpose(1, 2, 0), random(dtype, 20, 40)),
        (random(dtype, 30, 50)[:, 10:40], random(dtype, 30, 90)[:, 3:60]),
        (random(dtype, 30, 50), random(dtype, 50, 9)[:, 4]),
        (random(dtype, 50, 30).T, random(dtype, 50)),
    ]:
        _, (y,), step = run(node_of("matmul", [a, b]), [a, b], views=True)
        assert step.copies == ()
        assert step.scratch_bytes == 0
        close(y, np.matmul(a, b))


def test_matmul_copies_what_blas_cannot_read() -> None:
    a, b = random("f8", 60, 40)[::2, ::2], random("f8", 20, 50)
    _, (y,), step = run(node_of("matmul", [a, b]), [a, b], views=True)
    assert step.copies == (0,)
    close(y, a @ b)
    backwards = b[::-1, ::-1]
    _, (y,), step = run(node_of("matmul", [a, backwards]), [a, backwards], views=True)
    assert step.copies == (0, 1)
    close(y, a @ backwards)
    spread = np.broadcast_to(random("f8", 20, 1), (20, 50))  # not a matrix of BLAS's
    node = node_of("matmul", [random("f8", 30, 20), spread])
    args = [random("f8", 30, 20), spread]
    step_or_none = dense.lower(node, [None, (1, 0)])
    if step_or_none is not None:
        _, (y,), _ = run(node, args, views=True)
        close(y, args[0] @ args[1])


EINSUMS = [
    ("ab,bc->ac", (30, 20), (20, 40)),
    ("ab,bc->ca", (30, 20), (20, 40)),
    ("ab,cb->ac", (30, 20), (40, 20)),
    ("ba,bc->ac", (20, 30), (20, 40)),
    ("abcd,aecd->acbe", (2, 12, 4, 16), (2, 14, 4, 16)),
    ("abcd,adec->aebc", (2, 4, 12, 14), (2, 14, 16, 12)),
    ("abc,dbc->ad", (9, 20, 4), (11, 20, 4)),
    ("abc,acd->bd", (50, 30, 4), (50, 4, 20)),
    ("abc,cbd->ad", (9, 20, 14), (14, 20, 11)),
    ("abc,abd->cda", (7, 30, 20), (7, 30, 10)),
    ("abc,adc->bda", (7, 30, 20), (7, 10, 20)),
    ("abc,bd->acd", (5, 20, 30), (20, 10)),
    ("abcd,bd->ac", (5, 20, 30, 9), (20, 9)),
    ("ab,ab->a", (5, 900), (5, 900)),
    ("ab,ab->", (50, 90), (50, 90)),
    ("ab,ba->", (50, 90), (90, 50)),
    ("abc,c->ba", (6, 20, 30), (30,)),
    ("ab,bc->ac", (30, 20), (1, 40)),
    ("ab,bc->ac", (30, 0), (0, 40)),
    ("ab,bc->ac", (0, 20), (20, 40)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", EINSUMS, ids=str)
def test_einsum(case: Any, dtype: str) -> None:
    text, *shapes = case
    a, b = (random(dtype, *shape) for shape in shapes)
    node = node_of("einsum", [a, b], subscripts=text, optimize=False)
    if dense.lower(node) is None:
        assert shapes[1][0] == 1  # an axis that only one argument has is summed
        return
    _, (y,), step = run(node, [a, b])
    close(y, np.einsum(text, a, b))
    if step.accumulates:
        _, (y,), _ = run(node, [a, b], start=2.0)
        close(y, np.einsum(text, a, b) + a.dtype.type(2))


def test_small_and_odd_products_are_left_to_loops() -> None:
    for name, a, b, params in [
        ("matmul", random("f8", 8, 8), random("f8", 8, 8), {}),
        ("matmul", random("f8", 1000, 8, 8), random("f8", 1000, 8, 8), {}),
        ("matmul", np.ones((30, 30), int), np.ones((30, 30), int), {}),
        ("matmul", random("f8", 30, 30), random("f4", 30, 30), {}),
        ("einsum", random("f8", 99, 99), random("f8", 99, 99), "ab,ab->ab"),
        ("einsum", random("f8", 99, 99), random("f8", 99), "ab,a->a"),
    ]:
        more = {"subscripts": params, "optimize": False} if params else {}
        assert dense.lower(node_of(name, [a, b], **more)) is None
    assert dense.lower(node_of("exp", [random("f8", 3)])) is None


def test_attention_products_are_calls_without_copies() -> None:
    q, k = random("f4", 2, 64, 4, 16), random("f4", 2, 64, 4, 16)
    text = "abcd,aecd->acbe"
    node = node_of("einsum", [q, k], subscripts=text, optimize=False)
    step = dense.lower(node)
    assert step is not None
    assert (step.scratch_bytes, step.copies) == (0, ())


# Factors ---------------------------------------------------------------------------

BATCHES: list[tuple[int, ...]] = [(), (2, 3)]
SIZES = [1, 5, 40]


def layouts(a: Any) -> list[Any]:
    """The same values in several layouts."""
    wide = np.zeros((*a.shape[:-1], a.shape[-1] + 3), a.dtype)
    wide[..., 1:-2] = a
    far = np.zeros((*a.shape[:-2], 2 * a.shape[-2], 2 * a.shape[-1]), a.dtype)
    far[..., ::2, ::2] = a
    turned = np.ascontiguousarray(a.mT).mT
    return [
        a,
        turned,
        wide[..., 1:-2],
        far[..., ::2, ::2],
        a[..., ::-1, :].copy()[..., ::-1, :],
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_cholesky(batch: tuple[int, ...], n: int, dtype: str) -> None:
    a = positive(dtype, *batch, n, n)
    a = a + np.triu(random(dtype, n, n), 1)  # not read
    node = node_of("cholesky", [a])
    for view in layouts(a):
        status, (y,), _ = run(node, [view], views=True)
        assert status == 0
        close(y, np.linalg.cholesky(a))
    a[..., n // 2, n // 2] = -1
    assert run(node, [a])[0] != 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_solve(batch: tuple[int, ...], k: int, n: int, dtype: str) -> None:
    a, b = positive(dtype, *batch, n, n), random(dtype, *batch, n, k)
    a = a + n**0.5 * random(dtype, n, n)
    node = node_of("solve", [a, b])
    for x, y in zip(layouts(a), layouts(b)[::-1], strict=True):
        status, (got,), _ = run(node, [x, y], views=True)
        assert status == 0
        close(got, np.linalg.solve(a, b))
    one = node_of("solve", [a[(0,) * len(batch)], b])
    close(
        run(one, [a[(0,) * len(batch)], b])[1][0],
        np.linalg.solve(a[(0,) * len(batch)], b),
    )
    if n > 1:
        a[..., 1, :] = 0
        with pytest.raises(np.linalg.LinAlgError):
            np.linalg.solve(a, b)
        assert run(node, [a, b])[0] != 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_solve_triangular(
    batch: tuple[int, ...], unit: bool, lower: bool, dtype: str
) -> None:
    for n, k in [(1, 1), (5, 1), (5, 4), (40, 1), (40, 7)]:
        a, b = random(dtype, *batch, n, n) / n, random(dtype, *batch, n, k)
        a = a + 2 * np.eye(n, dtype=dtype)
        node = node_of("solve_triangular", [a, b], lower=lower, unit=unit)
        expected = node.op.evaluate(a, b, lower=lower, unit=unit)
        for x, y in zip(layouts(a), layouts(b)[::-1], strict=True):
            status, (got,), _ = run(node, [x, y], views=True)
            assert status == 0
            close(got, expected)
        a[..., n // 2, n // 2] = 0
        assert (run(node, [a, b])[0] != 0) is not unit


def test_a_transposed_factor_is_not_copied() -> None:
    a, b = positive("f8", 30, 30).T, random("f8", 30, 7)
    node = node_of("solve_triangular", [a, b], lower=True, unit=False)
    step = dense.lower(node, [(1, 30), None])
    assert step is not None
    assert step.copies == ()
    assert step.scratch_bytes <= 64


def test_in_place_steps_may_overwrite_their_argument() -> None:
    a, b = positive("f8", 2, 30, 30), random("f8", 2, 30, 7)
    steps = [
        (node_of("cholesky", [a]), [a]),
        (node_of("solve", [a, b]), [a, b]),
        (node_of("solve_triangular", [a, b], lower=True, unit=False), [a, b]),
    ]
    for node, arrays in steps:
        step = dense.lower(node)
        assert step is not None
        ((which, _),) = step.in_place
        e = Emitter()
        names = [f"%a{i}" for i in range(len(arrays))]
        for i, name in enumerate(names):
            e.do(f"{name} = load ptr, ptr %at{i}")
        status = step.emit(e, names, [names[which]], "%arena")
        e.do(f"ret i32 {status}")
        slots = "".join(
            f"  %at{i} = getelementptr ptr, ptr %inputs, i64 {i}\n"
            for i in range(len(arrays))
        )
        body = slots + "\n".join(e.lines)
        library = load(
            "\n".join(sorted(e.declared))
            + f"\ndefine i32 @program(ptr %inputs, ptr %arena) {{\nentry:\n{body}\n}}\n"
        )
        values = [x.copy() for x in arrays]
        expected = node.op.evaluate(*arrays, **node.params)
        table = (ctypes.c_void_p * len(values))(*(x.ctypes.data for x in values))
        arena = np.zeros(step.scratch_bytes // 8 + 16)
        program = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2)(
            library.address("program")
        )
        assert program(table, arena.ctypes.data) == 0
        close(values[which], expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_inv_and_determinants(batch: tuple[int, ...], n: int, dtype: str) -> None:
    a = random(dtype, *batch, n, n) + 2 * np.eye(n, dtype=dtype)
    condition = float(np.linalg.cond(a.astype("c16")).max())
    for view in layouts(a):
        status, (y,), _ = run(node_of("inv", [a]), [view], views=True)
        assert status == 0
        close(y, np.linalg.inv(a), 100 * condition)
        _, (y,), _ = run(node_of("det", [a]), [view], views=True)
        close(y, np.linalg.det(a), 100 * condition)
        _, (sign, log), _ = run(node_of("slogdet", [a]), [view], views=True)
        close(sign, np.linalg.slogdet(a)[0], 100 * condition)
        close(log, np.linalg.slogdet(a)[1], 100 * condition)
    a[..., -1, :] = 0
    assert run(node_of("inv", [a]), [a])[0] != 0
    close(run(node_of("det", [a]), [a])[1][0], np.linalg.det(a))
    _, (sign, log), _ = run(node_of("slogdet", [a]), [a])
    assert (sign == 0).all()
    assert (log == -np.inf).all()


def test_determinants_of_extreme_sizes() -> None:
    for diagonal in [
        [1e300, 1e300, 1e-300, 1e-300, -3.0],
        [1e-310, 1e300, 1e9, 5e-324, 2.0],
        [1e200, 1e200],
        [-1e-200, 1e-200],
        [np.inf, 1.0],
        [np.nan, 1.0],
        [1e-300, 1e-15],
    ]:
        a = np.diag(diagonal)
        _, (sign, log), _ = run(node_of("slogdet", [a]), [a])
        with np.errstate(invalid="ignore"):
            expected = np.linalg.slogdet(a)
        np.testing.assert_allclose(log, expected[1], rtol=1e-14)
        np.testing.assert_equal(sign, expected[0])
        _, (y,), _ = run(node_of("det", [a]), [a])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            np.testing.assert_allclose(y, np.linalg.det(a), rtol=1e-11, atol=1e-322)


# Spectra ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("uplo", ["L", "U"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_eigh(batch: tuple[int, ...], n: int, uplo: str, dtype: str) -> None:
    a = random(dtype, *batch, n, n)
    node = node_of("eigh", [a], uplo=uplo)
    w, v = node.op.evaluate(a, uplo=uplo)
    for view in layouts(a):
        status, (values, vectors), _ = run(node, [view], views=True)
        assert status == 0
        close(values, w)
        close(vectors, v)  # the very signs that NumPy gives
    status, (values, untouched), _ = run(node, [a], used=[True, False])
    assert status == 0
    close(values, w)
    assert np.isnan(untouched).all()
    a[..., 0, 0] = np.nan
    with np.errstate(invalid="ignore"):
        try:
            node.op.evaluate(a, uplo=uplo)
        except np.linalg.LinAlgError:
            assert run(node, [a])[0] != 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 3), (3, 7), (40, 20), (1, 6)])
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_svd(batch: tuple[int, ...], shape: Any, full: bool, dtype: str) -> None:
    a = random(dtype, *batch, *shape)
    node = node_of("svd", [a], full=full)
    expected = node.op.evaluate(a, full=full)
    for view in layouts(a):
        status, (u, s, vh), _ = run(node, [view], views=True)
        assert status == 0
        close(s, expected[1])
        close(u, expected[0])
        close(vh, expected[2])
    for used in [(False, True, False), (True, True, False), (False, False, True)]:
        _, got, _ = run(node, [a], used=used)
        for i in range(3):
            if used[i]:
                close(got[i], expected[i])
            else:
                assert np.isnan(got[i]).all()
    a[..., 0, 0] = np.nan
    with pytest.raises(np.linalg.LinAlgError):
        node.op.evaluate(a, full=full)
    status, got, _ = run(node, [a])
    assert status != 0 or np.isnan(got[1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 3), (40, 20), (6, 1)])
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_qr(batch: tuple[int, ...], shape: Any, dtype: str) -> None:
    a = random(dtype, *batch, *shape)
    node = node_of("qr", [a])
    expected = node.op.evaluate(a)
    for view in layouts(a):
        status, got, _ = run(node, [view], views=True)
        assert status == 0
        for x, y in zip(got, expected, strict=True):
            close(x, y, 1000.0)
    _, (q, r), _ = run(node, [a], used=[False, True])
    assert np.isnan(q).all()
    close(r, expected[1], 1000.0)


@pytest.mark.parametrize("name", ["cholesky", "inv", "det", "slogdet", "qr"])
def test_empty_matrices_are_left_to_numpy(name: str) -> None:
    for shape in [(0, 0), (0, 3, 3)]:
        assert dense.lower(node_of(name, [np.zeros(shape)])) is None


# A small matrix that many products share ----------------------------------------------


@pytest.mark.parametrize(("k", "d", "n"), [(5, 10, 2000), (3, 20, 1500)])
def test_a_shared_matrix_is_turned_once(k: int, d: int, n: int) -> None:
    """OpenBLAS is half as fast where a small left matrix is transposed."""
    axes = axes_of(
        "abc,dac->dab",
        [(k, d, d), (n, k, d)],
        [(d * d, d, 1), (k * d, d, 1)],
    )
    few = [x._replace(size=16) if x.size == n else x for x in axes]
    whole, part = (product_of(a, np.dtype(float)) for a in (axes, few))
    assert whole is not None
    assert whole.copies == (0,)
    assert part is not None
    assert part.copies == ()  # a copy for so few wouldn't pay


def test_what_is_not_transposed_is_not_turned() -> None:
    axes = axes_of("ab,bc->ac", [(500, 10), (10, 10)], [(10, 1), (10, 1)])
    assert turned(axes, 8) is None
    other = axes_of("ab,cb->ac", [(500, 10), (10, 10)], [(10, 1), (10, 1)])
    found = turned(other, 8)
    assert found is not None
    assert found.which == 1
