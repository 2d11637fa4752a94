"""Every rule of `simplify` alone: where it fires, where it must not."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import bind
from wengert.core.op import OPS
from wengert.passes import RULES, simplify
from wengert.passes.algebra import RULES as TABLE
from wengert.passes.rewrite import names_of

X = np.array([[0.5, -1.25, 2.0], [3.0, -0.75, 1.5]])
Y = np.array([[1.5, 0.25, -2.0], [-1.0, 0.5, 4.0]])
ROW = np.array([0.25, -2.0, 3.0])
A, B = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4) - 5.0
F4 = X.astype("f4")
INTS = np.array([[1, -2, 3], [4, 5, -6]])
MASK = X > 0


class Case(NamedTuple):
    """With this rule alone the graph of `f` has exactly these operations."""

    rule: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    counts: dict[str, int]


def full(x: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


def op(name: str, *args: Any, **params: Any) -> Any:
    return bind(OPS[name], *args, **params)


def scatter(v: Any, key: Any, shape: tuple[int, ...] = (6, 3)) -> Any:
    return op("index_add", np.zeros(shape), v, key=key)


def write(x: Any, v: Any, key: Any = (0, slice(None))) -> Any:
    return op("index_set", x, v, key=key)


def nested(x: Any, y: Any) -> Any:
    positive = x > 0
    return np.where(positive, np.where(positive, x, 1.0), y)


def split(x: Any, y: Any) -> Any:
    positive = x > 0
    return np.where(positive, x, 0.0) + np.where(positive, 0.0, y)


SQUARE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.5], [0.5, -0.5, 2.0]])


def whitened(a: Any, b: Any) -> Any:
    lower = np.linalg.cholesky(a)
    return np.linalg.solve(lower.T, np.linalg.solve(lower, b))


ALL = slice(None)
ROWS = (slice(1, 3), ALL)


# fmt: off
FIRES = [
    Case("one_times", lambda x: 1.0 * x, (X,), {}),
    Case("one_times", lambda x: x * 1, (X,), {}),
    Case("one_times", lambda x: x * np.ones((2, 3)), (ROW,), {"broadcast_to": 1}),
    Case("one_times", lambda x: 1 * x, (INTS,), {}),
    Case("one_times", lambda x: np.float32(1) * x, (F4,), {}),
    Case("zero_times", lambda x: 0.0 * x, (X,), {"broadcast_to": 1}),
    Case("zero_times", lambda x: np.sum(x) * 0, (X,), {}),
    Case("zero_times", lambda x: x * np.zeros((2, 3)), (ROW,), {"broadcast_to": 1}),
    Case("zero_times", lambda x: 0 * x, (INTS,), {"broadcast_to": 1}),
    Case("minus_one_times", lambda x: -1.0 * x, (X,), {"negative": 1}),
    Case("negative_times", lambda x, y: (-x) * (-y), (X, Y), {"multiply": 1}),
    Case("negative_times", lambda x: 2.0 * (-x), (X,), {"multiply": 1}),
    Case("number_times_number", lambda x: 2.0 * (x * 3.0), (X,), {"multiply": 1}),
    Case("number_times_number", lambda x: 2 * (3 * x), (INTS,), {"multiply": 1}),
    Case("times_reciprocal", lambda x, y: x * (1.0 / y), (X, Y), {"divide": 1}),
    Case("times_reciprocal", lambda x, y: np.reciprocal(y) * x, (X, Y), {"divide": 1}),
    Case("times_itself", lambda x: x * x, (X,), {"square": 1}),
    Case("over_one", lambda x: x / 1.0, (X,), {}),
    Case("negative_over_negative", lambda x, y: -x / -y, (X, Y), {"divide": 1}),
    Case("plus_zero", lambda x: x + 0.0, (X,), {}),
    Case("plus_zero", lambda x: np.zeros((2, 3)) + x, (ROW,), {"broadcast_to": 1}),
    Case("plus_zero", lambda x: x + 0, (INTS,), {}),
    Case("plus_negative", lambda x, y: x + (-y), (X, Y), {"subtract": 1}),
    Case("plus_negative", lambda x, y: -x + y, (X, Y), {"subtract": 1}),
    Case("minus_zero", lambda x: x - 0.0, (X,), {}),
    Case("zero_minus", lambda x: 0.0 - x, (X,), {"negative": 1}),
    Case("minus_negative", lambda x, y: x - (-y), (X, Y), {"add": 1}),
    Case("minus_itself", lambda x: x - x, (X,), {"broadcast_to": 1}),
    Case("minus_itself", lambda x: x - x, (INTS,), {"broadcast_to": 1}),
    Case("twice_negative", lambda x: np.negative(-x), (X,), {}),
    Case("negative_of_difference", lambda x, y: -(x - y), (X, Y), {"subtract": 1}),
    Case("negative_of_multiple", lambda x: -(2.0 * x), (X,), {"multiply": 1}),
    Case("nothing_done", lambda x: +x, (X,), {}),
    Case("nothing_done", lambda x: np.conjugate(np.real(x)), (X,), {}),
    Case("even_of_negative", lambda x: np.cos(-x), (X,), {"cos": 1}),
    Case("even_of_negative", lambda x: np.square(-x), (X * 1j,), {"square": 1}),
    Case("even_of_negative", lambda x: np.square(np.abs(x)), (X,), {"square": 1}),
    Case("root_of_square", lambda x: np.sqrt(np.square(x)), (X,), {"absolute": 1}),
    Case("power_of_number", lambda x: np.power(x, 2.0), (X,), {"square": 1}),
    Case("power_of_number", lambda x: np.power(x, 0.5), (X,), {"sqrt": 1}),
    Case("power_of_number", lambda x: np.power(x, -1.0), (X,), {"reciprocal": 1}),
    Case("power_of_number", lambda x: np.power(x, 1.0), (X,), {}),
    Case("power_of_number", lambda x: np.power(x, 0.0), (X,), {"broadcast_to": 1}),
    Case("share_of_negative", lambda x: op("share", -x, 0.0), (X,), {"share": 1}),
    Case("of_two_equals", lambda x: np.maximum(x, x), (X,), {}),
    Case("conversion_to_itself", lambda x: op("astype", x, dtype=x.dtype), (X,), {}),
    Case("same_shape", lambda x: np.reshape(x, (2, 3)), (X,), {}),
    Case("same_shape", lambda x: full(x, (2, 3)), (X,), {}),
    Case("reshape_of_reshape", lambda x: x.reshape(6).reshape(3, 2), (X,),
         {"reshape": 1}),
    Case("transpose_of_transpose", lambda x: x.T.T, (X,), {}),
    Case("transpose_of_transpose",
         lambda x: np.transpose(np.transpose(x, (1, 2, 0)), (1, 2, 0)),
         (np.arange(24.0).reshape(2, 3, 4),), {"transpose": 1}),
    Case("transpose_of_product", lambda a, b: (b.T @ a.T).T, (A, B), {"matmul": 1}),
    Case("transpose_of_product", lambda a, b: (b @ a.T).T, (A, B.T),
         {"matmul": 1, "transpose": 1}),
    Case("broadcast_of_broadcast", lambda x: full(full(x, (2, 3)), (4, 2, 3)), (ROW,),
         {"broadcast_to": 1}),
    Case("broadcast_of_new_axes", lambda x: full(x.reshape(1, 3), (2, 3)), (ROW,),
         {"broadcast_to": 1}),
    Case("needless_broadcast", lambda x, y: full(x, (2, 3)) * y, (ROW, Y),
         {"multiply": 1}),
    Case("needless_broadcast", lambda x, y: np.where(MASK, full(x, (2, 3)), y),
         (ROW, Y), {"where": 1}),
    Case("flip_of_flip", lambda x: np.flip(np.flip(x, (0, 1)), (1, 0)), (X,), {}),
    Case("all_of_number", lambda k, x: full(k, (2, 3)).T + x.T, (1.5, X),
         {"broadcast_to": 1, "transpose": 1, "add": 1}),
    Case("sum_over_ones", lambda x: np.sum(x[None], axis=0), (X,),
         {"index": 1, "reshape": 1}),
    Case("sum_of_sum", lambda x: np.sum(np.sum(x, axis=0)), (X,), {"sum": 1}),
    Case("sum_of_sum", lambda x: x.sum(0, keepdims=True).sum(1, keepdims=True), (X,),
         {"sum": 1}),
    Case("sum_of_negative", lambda x: np.sum(-x), (X,), {"sum": 1, "negative": 1}),
    Case("sum_of_order", lambda x: np.sum(x.T.reshape(6)), (X,), {"sum": 1}),
    Case("sum_of_broadcast", lambda x: np.sum(full(x, (4, 3))), (ROW,),
         {"sum": 1, "multiply": 1}),
    Case("sum_of_choice", lambda x: np.sum(np.where(x > 0, 2.5, 0.0)), (X,),
         {"greater": 1, "sum": 1, "astype": 1, "multiply": 1}),
    Case("sum_of_choice", lambda x: np.sum(np.where(x > 0, 1.0, 0.0)), (X,),
         {"greater": 1, "sum": 1, "astype": 1}),
    Case("index_of_all", lambda x: x[:, None], (X,), {"reshape": 1}),
    Case("index_of_all", lambda x: x[:, 0:3], (X,), {}),
    Case("index_of_number", lambda k, x: full(k, (5, 3))[1:3] + x, (2.0, X),
         {"broadcast_to": 1, "add": 1}),
    Case("index_of_index", lambda x: x[1:][0][1:], (X,), {"index": 1}),
    Case("index_of_index", lambda x: x[:, ::2][0, 1:], (X,), {"index": 1}),
    Case("index_of_write", lambda x, v: write(x, v)[0], (X, ROW), {}),
    Case("index_of_write", lambda v: scatter(v, ROWS)[1:3], (X,), {}),
    Case("index_of_concatenate", lambda x, y: np.concatenate([x, y])[2:4], (X, Y), {}),
    Case("index_of_concatenate", lambda x, y: np.concatenate([x, y], 1)[0, 4], (X, Y),
         {"index": 1}),
    Case("index_of_stack", lambda x, y: np.stack([x, y], 1)[:, 1], (X, Y), {}),
    Case("index_of_stack", lambda x, y: np.stack([x, y])[-1, 0], (X, Y), {"index": 1}),
    Case("concatenate_of_slices", lambda x: np.concatenate([x[:1], x[1:]]), (X,), {}),
    Case("write_of_all", lambda v: scatter(v, (slice(None), None), (2, 3)[:1]),
         (X[:, :1],), {"reshape": 1}),
    Case("write_of_all", lambda x, v: write(x, v, (slice(0, 2), ALL)), (X, ROW),
         {"broadcast_to": 1}),
    Case("write_of_zero", lambda x: op("index_add", x, 0.0, key=(0, ALL)), (X,), {}),
    Case("write_of_itself", lambda x: write(x, x[0]), (X,), {}),
    Case("sum_of_scatter", lambda v: np.sum(scatter(v, ROWS)), (X,), {"sum": 1}),
    Case("where_of_number", lambda x, y: np.where(np.ones(3, bool), x, y), (X, Y), {}),
    Case("where_of_number", lambda x, y: np.where(False, x, y), (X, ROW),
         {"broadcast_to": 1}),
    Case("where_of_number", lambda x: np.where(x > 0, x, x), (X,), {}),
    Case("where_of_where", nested, (X, Y), {"greater": 1, "where": 1}),
    Case("where_of_not", lambda x, y: np.where(~(x > 0), x, y), (X, Y),
         {"greater": 1, "where": 1}),
    Case("sum_of_two_choices", split, (X, Y),
         {"greater": 1, "where": 1}),
    Case("substitution", lambda a, b: np.linalg.solve(np.triu(a), b),
         (SQUARE, X.T), {"where": 1, "solve_triangular": 1}),
    Case("substitution", whitened, (SQUARE, X.T),
         {"cholesky": 1, "transpose": 1, "solve_triangular": 2}),
]
# fmt: on


def traced(f: Callable[..., Any], args: tuple[Any, ...]) -> wg.Graph:
    """The graph of `f`; plain numbers among the arguments are constants of it."""
    graph = wg.trace(f, *args)
    numbers = {
        n.name: a for n, a in zip(graph.inputs, args, strict=True) if not np.ndim(a)
    }
    return graph.bind(**numbers)


def others(rule: str) -> set[str]:
    return set(names_of(TABLE)) - {rule}


def same(got: Any, want: Any, rtol: float = 1e-14) -> None:
    assert np.shape(got) == np.shape(want)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want, rtol=rtol)


def ids(cases: list[Case]) -> list[str]:
    return [f"{c.rule}-{i}" for i, c in enumerate(cases)]


def count(graph: wg.Graph) -> int:
    return sum(graph.counts().values())


@pytest.mark.parametrize("case", FIRES, ids=ids(FIRES))
def test_a_rule_alone_fires_and_keeps_the_value(case: Case) -> None:
    graph = traced(case.f, case.args)
    simple = simplify(graph, without=others(case.rule))
    simple.check()
    assert simple.counts() == case.counts
    assert count(simple) <= count(graph) + 2
    assert simple.outputs[0].type == graph.outputs[0].type
    args = [a for a in case.args if np.ndim(a)]
    same(simple(*args), graph(*args))


@pytest.mark.parametrize("case", FIRES, ids=ids(FIRES))
def test_a_rule_that_is_left_out_does_not_fire(case: Case) -> None:
    graph = traced(case.f, case.args)
    left = simplify(graph, without=names_of(TABLE))
    assert left is graph


@pytest.mark.parametrize("case", FIRES, ids=ids(FIRES))
def test_all_rules_together_reach_an_end(case: Case) -> None:
    graph = traced(case.f, case.args)
    simple = simplify(graph)
    simple.check()
    args = [a for a in case.args if np.ndim(a)]
    same(simple(*args), graph(*args))
    assert simplify(simple).counts() == simple.counts()


def test_every_rule_has_a_case() -> None:
    assert {c.rule for c in FIRES} == set(names_of(TABLE))
    assert RULES[simplify] == names_of(TABLE)


# Where a rule must not fire -----------------------------------------------------------


def shared(f: Callable[..., Any], inner: Callable[..., Any]) -> Callable[..., Any]:
    """`f` of an inner value that is also a result, so that it can't go."""

    def both(*args: Any) -> Any:
        t = inner(*args)
        return f(t, *args), t

    return both


KEPT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "x/x isn't 1 where x is 0": (lambda x: x / x, (X,)),
    "exp(x)·exp(y) overflows otherwise": (lambda x, y: np.exp(x) * np.exp(y), (X, Y)),
    "exp(log x) isn't x where x is negative": (lambda x: np.exp(np.log(x)), (Y**2,)),
    "the dtype would change": (lambda x: x * np.float64(1.0), (F4,)),
    "the dtype would change by +0": (lambda x: x + np.zeros(3), (F4,)),
    "the sum of small integers is in large ones": (
        lambda x: np.sum(full(x, (4, 3)), axis=0), (np.array([1, 2, 3], "i4"),)),
    "1e200·(1e200·x) is finite for small x": (lambda x: 1e200 * (1e200 * x), (X,)),
    "1e-200·(1e-200·x) is not 0 for large x": (lambda x: 1e-200 * (1e-200 * x), (X,)),
    "1/y serves two products": (
        lambda x, y: next(x * r + r * (x + 1.0) for r in [1.0 / y]), (X, Y)),
    "a·(1/b) of complex numbers": (lambda x, y: x * (1.0 / y), (X * 1j, Y * 1j)),
    "|x|² of a complex x": (lambda x: np.square(np.abs(x)) + x, (X * 1j,)),
    "√x² of a complex x": (lambda x: np.sqrt(np.square(x)), (X * 1j,)),
    "the conjugate of a complex x": (np.conjugate, (X * 1j,)),
    "x − y is seen": (shared(lambda t, *_: -t, lambda x, y: x - y), (X, Y)),
    "−x is seen": (shared(lambda t, *_: np.sum(t), lambda x: -x), (X,)),
    "2·x is seen": (shared(lambda t, *_: -t, lambda x: 2.0 * x), (X,)),
    "A·B is seen": (shared(lambda t, *_: t.T, lambda a, b: a.T @ b), (A, A)),
    "(A·B)ᵀ has nothing to cancel": (lambda a, b: (a @ b).T, (A, B)),
    "a power that has no short form": (lambda x: np.power(x, 3.0), (X,)),
    "a power by elements": (lambda x: np.power(x, np.array([2.0, 1.0, 0.5])), (Y**2,)),
    "an index array may be out of bounds": (
        lambda k, i: op("index", full(k, (3,)), i, key=("array",)),
        (2.0, np.array([0, 1, 2]))),
    "one of several writes stays": (
        lambda x, v: op("index_set", x, v, np.array([0, 0]), key=("array", ALL))[
            np.array([0, 0])], (X, X)),
    "another place is read": (lambda x, v: write(x, v)[1], (X, ROW)),
    "the part spans two pieces": (lambda x, y: np.concatenate([x, y])[1:3], (X, Y)),
    "slices in another order": (lambda x: np.concatenate([x[1:], x[:1]]), (X,)),
    "a mixed condition": (lambda x, y: np.where(np.array([True, False, True]), x, y),
                          (X, Y)),
    "flips of other axes": (lambda x: np.flip(np.flip(x, 0), 1), (X,)),
    "a broadcast that gives the shape": (lambda x, y: full(x, (2, 3)) + y, (ROW, ROW)),
    "a matrix that isn't triangular": (np.linalg.solve, (SQUARE, X.T)),
    "a mask that isn't a triangle": (
        lambda a, b: np.linalg.solve(np.where(SQUARE < 2, a, 0.0), b), (SQUARE, X.T)),
    "a stack of matrices, turned": (
        lambda a, b: np.linalg.solve(
            np.transpose(np.linalg.cholesky(a), (1, 0, 2)), b), (
                np.stack([SQUARE] * 3), np.stack([X.T] * 3))),
    "wheres by other conditions": (
        lambda x, y: np.where(x > 0, x, 0.0) + np.where(y > 0, 0.0, y), (X, Y)),
}  # fmt: skip


@pytest.mark.parametrize("why", KEPT)
def test_simplify_leaves_what_it_must(why: str) -> None:
    f, args = KEPT[why]
    graph = traced(f, args)
    assert simplify(graph).counts() == graph.counts()


def test_an_overridden_derivative_is_not_simplified_away() -> None:
    """−−x → x would lose the rule that the user gave."""
    graph = wg.trace(lambda x: np.negative(-x), 1.0)
    graph = graph.override("negative", vjp=lambda ct, y, x: ct)
    assert simplify(graph).counts() == graph.counts()
    assert wg.grad(simplify(graph))(1.0) == 1.0
    graph = wg.trace(lambda x: 1.0 * x, 1.0).override(
        "multiply", vjp=lambda ct, y, a, b: (None, 7.0 * ct)
    )
    assert wg.grad(simplify(graph))(1.0) == 7.0


def test_stop_gradient_stays() -> None:
    graph = wg.trace(lambda x: x * wg.stop_gradient(x), 3.0)
    assert wg.grad(simplify(graph))(3.0) == 3.0


# Sums of broadcasts: every pattern of axes --------------------------------------------

SHAPES = [((3,), (2, 3)), ((1, 3), (2, 3)), ((2, 1), (2, 3)), ((), (2, 3)),
          ((1, 1), (2, 3)), ((2, 1, 3), (4, 2, 5, 3)), ((1,), (0,)), ((3,), (0, 3)),
          ((1, 3), (1, 3)), ((2, 1), (5, 2, 1))]  # fmt: skip


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("small", "large"), SHAPES)
def test_sums_of_broadcasts_over_all_axes_patterns(
    small: tuple[int, ...], large: tuple[int, ...], keepdims: bool
) -> None:
    x = np.linspace(-1.0, 2.0, int(np.prod(small))).reshape(small)
    for k in range(2 ** len(large)):
        axis = tuple(i for i in range(len(large)) if k >> i & 1)

        def f(x: Any, axis: tuple[int, ...] = axis) -> Any:
            return np.sum(np.broadcast_to(x, large), axis=axis, keepdims=keepdims)

        graph = wg.trace(f, x)
        simple = simplify(graph)
        simple.check()
        same(simple(x), graph(x), rtol=1e-13)
        extra = len(large) - len(small)
        lengths = [large[a] for a in axis if a < extra or small[a - extra] == 1]
        if np.prod(lengths) > 1:
            # It doesn't add up equal numbers: what is summed is no longer broadcast.
            sums = simple.find(op="sum")
            assert all(n.inputs[0].op.name != "broadcast_to" for n in sums)
            assert count(simple) <= count(graph) + 2


def test_zero_wins_over_infinity_and_nan_by_convention() -> None:
    """docs/passes.md: 0·x and x − x are structural zeros."""
    x = np.array([np.inf, np.nan, -np.inf, 1.0])
    for f in (lambda x: 0.0 * x, lambda x: x - x):
        np.testing.assert_array_equal(simplify(wg.trace(f, x))(x), np.zeros(4))


def test_signed_zeros_may_change_by_convention() -> None:
    minus = np.array([-0.0])
    assert np.signbit(simplify(wg.trace(lambda x: x + 0.0, minus))(minus))
    assert not np.signbit((minus + 0.0)[0])


def test_the_slope_of_a_root_at_minus_zero_stays_positive() -> None:
    """√−0 is −0, so the rule divides by √x + 0: no zero that can be left out."""
    graph = wg.trace(wg.grad(np.sqrt), 1.0)
    assert simplify(graph)(-0.0) == graph(-0.0) == np.inf
    assert graph.optimize()(-0.0) == np.inf


@pytest.mark.parametrize("number", [1.0, -0.0, 0.0, -1.0])
def test_signed_zero_constants_are_exact_as_terms(number: float) -> None:
    x = np.array([-0.0, 0.0, 2.0])
    graph = wg.trace(lambda x: x - number, x)
    got = simplify(graph)(x)
    np.testing.assert_array_equal(got, x - number)
