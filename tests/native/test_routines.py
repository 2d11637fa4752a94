"""Routines give what the op's `evaluate` gives, for every axis, dtype and vector."""

import ctypes
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import wengert as wg  # noqa: F401  (registers the ops)
from wengert.core.op import OPS
from wengert.core.types import Type, type_of
from wengert.graph.graph import INPUT, Node
from wengert.native import routines
from wengert.native.ir import Emitter
from wengert.native.link import load

GUARD = 64  # bytes around results and scratch that nobody may write
SHAPES = [(1,), (150,), (9, 40), (2, 5, 3), (2, 6, 37)]
AXES = [(shape, axis) for shape in SHAPES for axis in range(len(shape))]
DTYPES = ["f8", "f4", "i8", "i4", "u1", "?"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def node_of(name: str, arrays: Sequence[Any], **params: Any) -> Node:
    op = OPS[name]
    leaves = tuple(Node(INPUT, (), {}, type_of(a)) for a in arrays)
    return Node(op, leaves, params, op.type_of(*(n.type for n in leaves), **params))


@functools.lru_cache(512)
def program(body: str) -> tuple[Any, Any]:
    library = load(body, keep=False)
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)
    return prototype(library.address("program")), library


def text_of(step: Any, count: int, fma: bool = True) -> str:
    """`i32 program(ptr inputs, ptr result, ptr arena)`."""
    e = Emitter(fma=fma)
    places = [e.let(f"getelementptr ptr, ptr %inputs, i64 {i}") for i in range(count)]
    inputs = [e.let(f"load ptr, ptr {p}") for p in places]
    status = step.emit(e, inputs, ["%result"], "%arena")
    e.do(f"ret i32 {status or 0}")
    body, declared = "\n".join(e.lines), "\n".join(sorted(e.declared))
    head = "define i32 @program(ptr %inputs, ptr %result, ptr %arena)"
    return f"{declared}\n{head} nounwind {{\nentry:\n{body}\n}}\n"


def guarded(nbytes: int) -> tuple[Any, int]:
    """Memory with a guard on both sides, and where its inside begins (aligned)."""
    room = np.full(nbytes + 2 * GUARD + 64, 0xAA, np.uint8)
    return room, GUARD + -(room.ctypes.data + GUARD) % 64


def run(
    name: str, *arrays: Any, fma: bool = True, **params: Any
) -> tuple[int, np.ndarray[Any, Any]]:
    """(status, result); what no routine may touch is checked to be untouched."""
    arrays = tuple(np.ascontiguousarray(a).reshape(np.shape(a)) for a in arrays)
    node = node_of(name, arrays, **params)
    step = routines.lower(node)
    assert step is not None
    call, _library = program(text_of(step, len(arrays), fma))
    before = [a.copy() for a in arrays]
    nbytes = node.type.size * node.dtype.itemsize
    (out, o), (arena, s) = guarded(nbytes), guarded(step.scratch_bytes)
    table = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    status = call(table, out.ctypes.data + o, arena.ctypes.data + s)
    for room, begin, size in ((out, o, nbytes), (arena, s, step.scratch_bytes)):
        assert (room[:begin] == 0xAA).all()
        assert (room[begin + size :] == 0xAA).all()
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)
    return status, out[o : o + nbytes].view(node.dtype).reshape(node.shape)


def check(name: str, *arrays: Any, digits: float = 0, **params: Any) -> None:
    """The result is NumPy's: bit for bit, or to so many units of rounding."""
    status, got = run(name, *arrays, **params)
    params.pop("fma", None)
    expected = np.asarray(OPS[name].evaluate(*arrays, **params))
    assert status == 0
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    if digits and got.dtype.kind == "f":
        finite = np.where(np.isfinite(expected), np.abs(expected), 0.0)
        tolerance = digits * float(np.finfo(got.dtype).eps)
        np.testing.assert_allclose(
            got, expected, rtol=tolerance, atol=tolerance * finite.max(initial=1.0)
        )
    else:
        np.testing.assert_array_equal(got, expected)


def data(dtype: str, shape: tuple[int, ...], seed: int = 0) -> Any:
    rng, kind = np.random.default_rng((seed, *shape)), np.dtype(dtype).kind
    if kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if kind == "b":
        return rng.random(shape) < 0.5
    return rng.integers(-5 if kind == "i" else 0, 6, shape).astype(dtype)


def sprinkled(x: Any, *values: float, part: float = 0.08) -> Any:
    """`x` with each of these values at some places."""
    x, rng = x.copy(), np.random.default_rng(x.size)
    for v in values:
        x[rng.random(x.shape) < part] = v
    return x


# Scans -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
def test_running_results_are_numpys_bit_for_bit(name: str, dtype: str) -> None:
    for shape, axis in AXES:
        x = data(dtype, shape)
        check(name, x, axis=axis)
        if x.dtype.kind == "f":
            check(name, sprinkled(x, np.nan, np.inf, -np.inf), axis=axis)


def test_running_sums_of_positive_numbers_never_decrease() -> None:
    x = np.exp(20 * data("f8", (5000,)))
    _, y = run("cumsum", x, axis=0)
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("name", ["cumlogsumexp", "cumlogsumexp2"])
def test_running_logs_of_sums(name: str, dtype: str) -> None:
    for shape, axis in [*AXES, ((1003,), 0), ((3, 700), 1)]:
        x = 5 * data(dtype, shape)
        check(name, x, axis=axis, digits=50)
        check(name, sprinkled(x, -np.inf, part=0.5), axis=axis, digits=50)
        check(name, sprinkled(x, np.inf, -np.inf, part=0.01), axis=axis, digits=50)
        check(name, sprinkled(x, np.nan, part=0.01), axis=axis, digits=50)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
def test_recurrences(dtype: str, reverse: bool) -> None:
    for shape, axis in AXES:
        a, u = data(dtype, shape), data(dtype, shape, 1)
        if dtype != "i8":
            a = a * a.dtype.type(0.5)
        check("recurrence", a, u, axis=axis, reverse=reverse, digits=50)


@pytest.mark.parametrize("fma", [True, False])
def test_in_a_recurrence_zero_wins(fma: bool) -> None:
    for shape, axis in AXES:
        a = sprinkled(data("f8", shape) * 0.1, 0.0, np.inf, part=0.2)
        u = sprinkled(data("f8", shape, 1), np.inf, 0.0)
        check("recurrence", a, u, axis=axis, reverse=False, fma=fma, digits=50)


def test_recurrences_convert_their_arguments() -> None:
    a, u = data("i4", (40,)), data("f4", (40,))
    check("recurrence", a % 2, u, axis=0, reverse=False, digits=50)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_unwrap(dtype: str) -> None:
    for shape, axis in AXES:
        x = data(dtype, shape) * 6
        for discont, period in ((None, 2 * np.pi), (4.0, 2 * np.pi), (None, 4)):
            given: dict[str, Any] = {"discont": discont, "period": period}
            check("unwrap", x, axis=axis, digits=100, **given)
            check("unwrap", np.round(x), axis=axis, digits=100, **given)
        check("unwrap", sprinkled(x, np.nan), axis=axis, digits=100, discont=None,
              period=2 * np.pi)  # fmt: skip


# Places ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*DTYPES, "u8", "i2"])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places_of_extrema(name: str, dtype: str) -> None:
    for shape, axis in [*AXES, ((2000,), 0), ((2, 513), 1)]:
        x = data(dtype, shape)
        check(name, x, axis=axis, keepdims=False)
        if x.dtype.kind == "f":
            check(name, np.round(x), axis=axis, keepdims=True)
            check(name, sprinkled(x, 0.0, -0.0, part=0.4), axis=axis, keepdims=True)
            check(name, sprinkled(x, np.nan, part=0.01), axis=axis, keepdims=True)
            for same in (np.nan, np.inf, -np.inf):
                check(name, np.full_like(x, same), axis=axis, keepdims=False)


@pytest.mark.parametrize("nan_at", [0, 1, 511, 512, 1998, 1999])
def test_the_first_nan_is_the_extremum(nan_at: int) -> None:
    x = data("f8", (2000,))
    x[nan_at:] = np.nan
    assert run("argmax", x, axis=0, keepdims=False)[1] == nan_at


@pytest.mark.parametrize("dtype", [*DTYPES, "u8", "i2"])
def test_searches(dtype: str) -> None:
    for n, shape in itertools.product((1, 2, 7, 8, 100), [(), (1,), (3,), (5, 9)]):
        a, v = np.sort(data(dtype, (n,))), np.asarray(data(dtype, shape))
        for side in ("left", "right"):
            check("searchsorted", a, v, side=side)
            if a.dtype.kind == "f":
                near = np.resize(a, shape)
                ends = np.sort(sprinkled(a, np.nan, -np.inf, np.inf, part=0.2))
                some = sprinkled(near, np.nan, np.inf, part=0.3) if shape else near
                check("searchsorted", a, near, side=side)
                check("searchsorted", ends, some, side=side)


def test_searches_compare_in_the_common_dtype() -> None:
    a = np.sort(np.array([0.1, 0.2, 0.3, 2.0**24]))
    check("searchsorted", a, a.astype("f4"), side="left")
    check("searchsorted", a.astype("f4"), a, side="right")
    check("searchsorted", np.arange(5), np.array([0.5, 3.0, np.nan]), side="left")
    big = np.array([2**53, 2**53 + 2], "u8")
    check("searchsorted", big, np.array([2**53 + 1, -1]), side="left")
    weak = Node(INPUT, (), {}, Type((), np.dtype(float), weak=True))
    a32 = Node(INPUT, (), {}, type_of(a.astype("f4")))
    given = Type((), np.dtype(np.intp))
    node = Node(OPS["searchsorted"], (a32, weak), {"side": "left"}, given)
    assert routines.lower(node) is None


# Orders ------------------------------------------------------------------------------

LENGTHS = [((100,), 0), ((101,), 0), ((7000,), 0), ((2, 150), 1), ((130, 3), 0)]


@pytest.mark.parametrize("dtype", [*DTYPES, "u8", "i2"])
def test_orders_are_stable(dtype: str) -> None:
    for shape, axis in [*AXES, *LENGTHS]:
        x = data(dtype, shape)
        check("argsort", x, axis=axis, kind="stable")
        if x.dtype.kind == "f":
            check("argsort", np.round(x), axis=axis, kind="stable")
            odd = (np.nan, -np.nan, 0.0, -0.0, np.inf, -np.inf)
            check("argsort", sprinkled(x, *odd), axis=axis, kind="stable")


def test_orders_by_several_keys() -> None:
    for shape, axis in [*AXES, *LENGTHS]:
        keys = [data("f8", shape).round(), data("i2", shape, 1), data("?", shape, 2)]
        for count in (1, 2, 3):
            check("lexsort", *keys[:count], axis=axis)


@pytest.mark.parametrize("name", ["argpartition", "partition_order"])
def test_partitions_are_sorted(name: str) -> None:
    x = data("f8", (4, 60))
    _, order = run(name, x, axis=1, kth=(7, 20))
    np.testing.assert_array_equal(np.take_along_axis(x, order, 1), np.sort(x, 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_are_permuted(dtype: str) -> None:
    for shape, axis in AXES:
        x = data(dtype, shape)
        order = np.argsort(data("f8", shape, 1), axis)
        for inverse in (False, True):
            check("permute", x, order, axis=axis, inverse=inverse)
            check("permute", x, order - shape[axis], axis=axis, inverse=inverse)


@pytest.mark.parametrize("place", [3, -4, 2**62])
@pytest.mark.parametrize("inverse", [False, True])
def test_a_place_outside_gives_a_status(place: int, inverse: bool) -> None:
    order = np.array([0, place, 1])
    status, _ = run("permute", np.arange(3.0), order, axis=0, inverse=inverse)
    assert status != 0


# Segments ----------------------------------------------------------------------------


def starts_for(n: int) -> list[Any]:
    rng = np.random.default_rng(n)
    given = [[0], [n - 1], np.arange(n), np.sort(rng.integers(0, n, 5)),
             rng.integers(0, n, 4)]  # fmt: skip
    return [np.asarray(s, np.intp) for s in given]


@pytest.mark.parametrize("dtype", DTYPES)
def test_segments(dtype: str) -> None:
    for shape, axis in AXES:
        n = shape[axis]
        for starts in starts_for(n):
            check("segment_sum", data(dtype, shape), starts, axis=axis, digits=50)
            few = (*shape[:axis], len(starts), *shape[axis + 1 :])
            v = data(dtype, few)
            check("segment_spread", v, starts, size=n, axis=axis, digits=50)


@pytest.mark.parametrize("starts", [[0, 3], [-1, 0], [2**40, 0]])
def test_a_segment_outside_gives_a_status(starts: list[int]) -> None:
    place = np.array(starts, np.intp)
    assert run("segment_sum", np.arange(3.0), place, axis=0)[0] != 0
    assert run("segment_spread", np.arange(2.0), place, size=3, axis=0)[0] != 0


# Folds -------------------------------------------------------------------------------

FOLDED = [(s, a) for s, a in AXES if s[a] > 1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["nanmax", "nanmin"])
def test_extrema_of_numbers(name: str, dtype: str) -> None:
    for shape, axis in FOLDED:
        x = data(dtype, shape)
        given: dict[str, Any] = {"axis": (axis,), "keepdims": False}
        check(name, x, **given)
        if x.dtype.kind == "f":
            for part in (0.2, 0.9, 2.0):
                some = sprinkled(x, np.nan, part=part)
                check(name, some, **given)
                for end in (np.inf, -np.inf):
                    check(name, np.where(np.isnan(some), some, end).astype(dtype),
                          **given)  # fmt: skip


def test_folds_over_axes_side_by_side() -> None:
    x = data("f8", (3, 1, 4, 5))
    for axis in [(0, 1), (0, 2), (2, 3), (0, 1, 2, 3), (1,)]:
        check("nanmax", x, axis=axis, keepdims=True)
        check("vector_norm", x, ord=2, axis=axis, keepdims=False, digits=20)
    apart = node_of("nanmax", [x], axis=(0, 3), keepdims=False)
    assert routines.lower(apart) is None


@pytest.mark.parametrize("ord", [1, 2, 3, 0.5, -1, 2.5])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_norms(dtype: str, ord: float) -> None:
    for shape, axis in FOLDED:
        x = data(dtype, shape)
        given: dict[str, Any] = {"axis": (axis,), "keepdims": False}
        check("vector_norm", x, ord=ord, digits=100, **given)
        if dtype == "f8":
            for scale in (1e-200, 1e200, 0.0, np.inf, np.nan):
                check("vector_norm", x * scale, ord=ord, digits=100, **given)


def test_norms_neither_overflow_nor_underflow() -> None:
    for scale in (1e-250, 1e250):
        x = np.array([3.0, 4.0]) * scale
        _, y = run("vector_norm", x, ord=2, axis=(0,), keepdims=False)
        np.testing.assert_allclose(y, 5.0 * scale, rtol=1e-15)


# Convolutions ------------------------------------------------------------------------

PAIRS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((5,), (3,)), ((3,), (5,)), ((1,), (1,)), ((1,), (70,)), ((300,), (17,)),
    ((60,), (61,)), ((4, 20), (4, 5)), ((20,), (3, 5)), ((2, 3, 5), (7,)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "v"), PAIRS)
def test_convolutions(a: tuple[int, ...], v: tuple[int, ...]) -> None:
    for dtype in ("f8", "f4", "i8"):
        x, y = data(dtype, a), data(dtype, v, 1)
        check("convolve", x, y, mode="full", digits=100)
    check("convolve", data("f8", a), data("i4", v), mode="full", digits=100)
    for part in (0, 1):
        both = [data("f8", a), data("f8", v, 1)]
        both[part] = sprinkled(both[part], np.inf, part=0.3)
        check("convolve", *both, mode="full", digits=100)


def test_an_infinite_factor_meets_no_padding() -> None:
    _, y = run("convolve", np.ones(4), np.array([np.inf, 1.0]), mode="full")
    np.testing.assert_array_equal(y, [np.inf, np.inf, np.inf, np.inf, 1.0])


# What holds for all ------------------------------------------------------------------


@pytest.mark.parametrize("bits", ["128", "256"])
@pytest.mark.parametrize("fma", [True, False])
def test_narrow_vectors(monkeypatch: Any, bits: str, fma: bool) -> None:
    monkeypatch.setenv("WENGERT_VECTOR_BITS", bits)
    x, u = data("f8", (6, 45)), data("f8", (6, 45), 1)
    for axis in (0, 1):
        check("cummax", sprinkled(x, np.nan), axis=axis, fma=fma)
        check("cumlogsumexp", x, axis=axis, digits=50, fma=fma)
        check("recurrence", x, u, axis=axis, reverse=True, digits=500, fma=fma)
        check("argmin", x, axis=axis, keepdims=False, fma=fma)
        check("argsort", x, axis=axis, kind="stable", fma=fma)
        check("nanmin", sprinkled(x, np.nan), axis=(axis,), keepdims=False, fma=fma)
        check("vector_norm", x, ord=3, axis=(axis,), keepdims=False, digits=50, fma=fma)
    check("searchsorted", np.sort(x.ravel()), u, side="left", fma=fma)
    check("convolve", x[0], u[0], mode="full", digits=50, fma=fma)


def test_equal_steps_share_one_function() -> None:
    x = data("f8", (9, 40))
    e = Emitter()
    for _ in range(2):
        step = routines.lower(node_of("cumsum", [x], axis=1))
        assert step is not None
        step.emit(e, ["%x"], ["%y"], "null")
    assert len([d for d in e.declared if d.startswith("define")]) == 1
    other = routines.lower(node_of("cumsum", [x], axis=0))
    assert other is not None
    other.emit(e, ["%x"], ["%y"], "null")
    assert len([d for d in e.declared if d.startswith("define")]) == 2


@pytest.mark.parametrize(
    "x", [np.zeros((0, 3)), np.zeros(3, complex), np.zeros(3, np.float16)]
)
def test_what_has_no_routine_is_left_to_others(x: Any) -> None:
    axis = x.ndim - 1
    assert routines.lower(node_of("cumsum", [x], axis=axis)) is None
    assert routines.lower(node_of("argsort", [x], axis=axis, kind=None)) is None


def test_ops_that_loops_compute_have_no_routine() -> None:
    assert routines.lower(node_of("exp", [np.ones(3)])) is None
    valid = node_of("convolve", [np.ones(5), np.ones(3)], mode="valid")
    assert routines.lower(valid) is None
    assert isinstance(valid.type, Type)
