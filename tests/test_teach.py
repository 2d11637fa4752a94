"""wengert.teach, the one file that explains the idea, against the whole library."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert import teach

RNG = np.random.default_rng(4)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
BETA = RNG.normal(size=4)


def lecture(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2 + w**2


def sigmoid(a: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-a))


def branching(x: Any) -> Any:
    while x > 1.0:
        x = x / 2.0
    return x * x if x >= 0.75 else -x


EXAMPLES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "lecture": (lecture, (1.0, 2.0, 3.0)),
    "two paths": (lambda v1: np.exp(v1) + v1 * np.exp(v1), (0.5,)),
    "nested": (lambda a, b, c: np.sin(np.cos(a + b)) ** 2 + c, (0.3, 0.4, 0.5)),
    "sigmoid": (lambda w, a, b: sigmoid(w * a + b), (0.7, -1.2, 0.1)),
    "division": (lambda a, b: a / b - np.log(b) / a, (1.3, 2.1)),
    "power": (lambda a, b: a**b, (1.3, 2.1)),
    "tanh": (lambda a: np.tanh(a) * np.cos(a), (0.8,)),
    "branch, high": (branching, (7.0,)),
    "branch, low": (branching, (2.4,)),
    "matrix, vector": (lambda a, b: np.sum(np.sin(a @ b)), (A, BETA)),
    "vector, matrix": (lambda a, b: np.sum(np.sin(a @ b)), (BETA, B)),
    "matrices": (lambda a, b: np.mean(np.exp(a @ b)), (A, B)),
    "vectors": (lambda a, b: a @ b, (BETA, BETA + 1.0)),
    "broadcast rows": (lambda a, b: np.sum((a - b) ** 2), (A, BETA)),
    "broadcast columns": (lambda a, b: np.sum(np.exp(a * b)), (A, A[:, :1])),
    "broadcast a number": (lambda a, b: np.sum(a / b), (A, 1.5)),
    "sum, one axis": (lambda a: np.sum(np.sum(a, axis=0) ** 3), (A,)),
    "sum, last axis": (lambda a: np.sum(np.sum(a, axis=-1) ** 3), (A,)),
    "sum, kept": (lambda a: np.sum(a / np.sum(a * a, 1, keepdims=True)), (A,)),
    "mean, one axis": (lambda a: np.sum(np.mean(a, axis=1) ** 3), (A,)),
    "unused": (lambda a, b: a * a, (1.0, 2.0)),
    "constant": (lambda a: 5.0, (1.0,)),
}


def same(ours: Any, real: Any, tolerance: float = 1e-12) -> None:
    assert np.shape(ours) == np.shape(real)
    np.testing.assert_allclose(ours, real, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", EXAMPLES)
def test_gradients_are_those_of_wengert(name: str) -> None:
    f, args = EXAMPLES[name]
    every = tuple(range(len(args)))
    for ours, real in zip(
        teach.grad(f, every)(*args), wg.grad(f, every)(*args), strict=True
    ):
        same(ours, real)


@pytest.mark.parametrize("name", EXAMPLES)
def test_second_derivatives_are_those_of_wengert(name: str) -> None:
    f, args = EXAMPLES[name]
    along = RNG.normal(size=np.shape(args[0]))

    def slope(grad: Any) -> Any:
        return lambda *a: np.sum(grad(f)(*a) * along)

    same(teach.grad(slope(teach.grad))(*args), wg.grad(slope(wg.grad))(*args), 1e-10)


def test_the_lecture_node_by_node() -> None:
    w, x, y = (teach.Node(v, "input") for v in (1.0, 2.0, 3.0))
    L = lecture(w, x, y)
    bar = teach.backward(L)
    l0, l1 = (
        next(n for n in teach.wengert_list(L) if n.op == op)
        for op in ("multiply", "subtract")
    )
    nodes = {"L": L, "l1": l1, "l0": l0, "w": w, "x": x, "y": y}
    assert {k: float(n.value) for k, n in nodes.items()} == {
        "L": 2.0, "l1": -1.0, "l0": 2.0, "w": 1.0, "x": 2.0, "y": 3.0,
    }  # fmt: skip
    assert {k: float(bar[n.number].value) for k, n in nodes.items()} == {
        "L": 1.0, "l1": -2.0, "l0": -2.0, "w": -2.0, "x": -2.0, "y": 2.0,
    }  # fmt: skip


def test_the_list_is_in_topological_order_and_holds_ancestors_only() -> None:
    x = teach.Node(2.0, "input")
    aside = x * 3.0
    y = np.sin(x) * x
    order = [n.number for n in teach.wengert_list(y)]
    assert order == sorted(order)
    assert aside.number not in order
    for node in teach.wengert_list(y):
        assert all(i.number in order for i in node.inputs)
        assert all(i.number < node.number for i in node.inputs)


def test_the_extended_graph_runs_on_other_inputs() -> None:
    v1 = teach.Node(0.0, "input")
    y = np.exp(v1) + v1 * np.exp(v1)
    v1_bar = teach.backward(y)[v1.number]
    for value in (0.0, 0.5, -2.0):
        same(teach.forward(y, [(v1, value)]), np.exp(value) * (1.0 + value))
        same(teach.forward(v1_bar, [(v1, value)]), np.exp(value) * (2.0 + value))
    assert teach.forward(v1_bar, []) == v1_bar.value


def test_an_inner_node_can_be_given() -> None:
    x = teach.Node(2.0, "input")
    h = x * x
    assert teach.forward(h + 1.0, [(h, 10.0)]) == 11.0


def test_uses_of_one_value_at_two_levels_are_told_apart() -> None:
    def product(grad: Any) -> Any:
        return lambda x: x * grad(lambda y: x * y)(x)

    def closed_over(grad: Any) -> Any:
        return lambda x: x * grad(lambda y: x + y * x)(1.0)

    for f in (product, closed_over):
        same(teach.grad(f(teach.grad))(3.0), wg.grad(f(wg.grad))(3.0))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_any_order(order: int) -> None:
    f = g = lambda x: np.sin(x) * np.exp(0.5 * x)
    for _ in range(order):
        f, g = teach.grad(f), wg.grad(g)
    same(f(0.7), g(0.7))


def test_a_long_chain_needs_no_recursion() -> None:
    def chain(x: Any) -> Any:
        for _ in range(20_000):
            x = x * 1.0001
        return x

    same(teach.grad(chain)(1.0), 1.0001**20_000, 1e-9)


def test_doubling_sixty_times_is_linear() -> None:
    def doubled(x: Any) -> Any:
        for _ in range(60):
            x = x + x
        return x

    assert teach.grad(doubled)(1.0) == 2.0**60


def test_the_gradient_check_finds_a_wrong_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.array([0.5, 1.0, -0.3])

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * x)

    assert teach.check(f, x) < 1e-9
    wrong = (lambda y, ybar, x: ybar * (1.0 - y),)
    monkeypatch.setitem(teach.VJPS, "tanh", wrong)
    assert teach.check(f, x) > 1e-2


def test_training_takes_the_steps_that_wengert_would() -> None:
    points = RNG.normal(size=(40, 2))
    signs = np.sign(points[:, 0] * points[:, 1])
    _, losses = teach.train(points, signs, 150)
    assert losses[-1] < 0.3 * losses[0]

    start, _ = teach.train(points, signs, 0)
    expected = start
    for _ in range(20):
        slopes = wg.grad(teach.loss, argnums=(2, 3, 4, 5))(points, signs, *expected)
        expected = [p - 0.5 * s for p, s in zip(expected, slopes, strict=True)]
    for ours, real in zip(teach.train(points, signs, 20)[0], expected, strict=True):
        same(ours, real, 1e-10)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"came np\.arctan; write its VJP into"):
        teach.grad(np.arctan)(1.0)
    with pytest.raises(TypeError, match=r"one number; came the shape \(3,\)"):
        teach.grad(lambda x: x * x)(np.ones(3))
    with pytest.raises(TypeError):
        teach.grad(lambda x: np.sum(x, where=x > 0.5))(np.ones(3))
    with pytest.raises(TypeError):
        teach.grad(lambda x: np.add.reduce(x))(np.ones(3))
    with pytest.raises(TypeError, match="multiply"):
        teach.grad(lambda x: np.sum(np.multiply.outer(x, x)))(np.ones(3))
    with pytest.raises(TypeError, match="exp"):
        teach.grad(lambda x: np.sum(np.exp(x, where=[True, False])))(np.ones(2))


def test_the_argument_is_not_kept() -> None:
    x = np.array([1.0, 2.0])
    slope = teach.grad(lambda x: np.sum(x))(x)
    slope[0] = 5.0
    assert x[0] == 1.0


# Random expressions: a list of steps, each of which picks its operands among the values
# so far. The shapes (), (3,), (2, 1) and (2, 3) meet in every way that broadcasts.


def fits(a: Any, b: Any) -> bool:
    return len(a.shape) > 0 and len(b.shape) > 0 and a.shape[-1] == b.shape[0]


UNARY = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "exp": lambda a: np.exp(np.tanh(a)),
    "log": lambda a: np.log(1.5 + np.sin(a)),
    "square": lambda a: a**2,
    "negative": lambda a: -a,
    "sum": np.sum,
    "row sums": lambda a: np.sum(a, axis=-1, keepdims=True) if len(a.shape) else a,
}
BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (2.0 + np.cos(b)),
    # One number, so that its shape broadcasts with all others.
    "matmul": lambda a, b: np.sum(np.sin(a @ b)) if fits(a, b) else a - b,
}
STEP = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 99), st.just(0)),
    st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 99), st.integers(0, 99)),
)
SHAPES = [(), (3,), (2, 1), (2, 3)]


def program(steps: list[tuple[str, int, int]]) -> Any:
    def f(*inputs: Any) -> Any:
        values = list(inputs)
        for name, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(UNARY[name](a) if name in UNARY else BINARY[name](a, b))
        return sum(np.sum(np.sin(v)) for v in values[-3:])

    return f


@settings(deadline=None, max_examples=150)
@given(st.lists(STEP, min_size=1, max_size=10), st.integers(0, 2**32 - 1))
def test_random_expressions(steps: list[tuple[str, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    args = [rng.normal(size=shape) for shape in SHAPES]
    along = [rng.normal(size=shape) for shape in SHAPES]
    f, every = program(steps), (0, 1, 2, 3)
    ours, real = teach.grad(f, every)(*args), wg.grad(f, every)(*args)
    for a, b in zip(ours, real, strict=True):
        same(a, b, 1e-9)

    def slope(grad: Any) -> Any:  # and once more, along a direction
        def directional(*a: Any) -> Any:
            parts = grad(f, every)(*a)
            return sum(np.sum(p * d) for p, d in zip(parts, along, strict=True))

        return grad(directional, every)(*args)

    for a, b in zip(slope(teach.grad), slope(wg.grad), strict=True):
        scale = max(1.0, float(np.max(np.abs(b))))
        same(a / scale, b / scale, 1e-8)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEP, min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_random_graphs_run_anew(steps: list[tuple[str, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    f = program(steps)
    nodes = [teach.Node(rng.normal(size=shape), "input") for shape in SHAPES]
    y = teach.as_node(f(*nodes))
    bar = teach.backward(y)
    other = [rng.normal(size=shape) for shape in SHAPES]
    given_values = list(zip(nodes, other, strict=True))
    same(teach.forward(y, given_values), f(*other), 1e-9)
    for node, real in zip(nodes, wg.grad(f, (0, 1, 2, 3))(*other), strict=True):
        if node.number in bar:
            same(teach.forward(bar[node.number], given_values), real, 1e-9)


def test_it_stays_short_and_alone() -> None:
    text = Path(teach.__file__).read_text("utf-8")
    tree = ast.parse(text)
    code = [line for line in text.splitlines() if line.strip()[:1] not in ("", "#")]
    docs = sum(
        len((ast.get_docstring(n) or "").splitlines())
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Module)
    )
    assert len(code) - docs <= 165
    imported = {
        (n.module if isinstance(n, ast.ImportFrom) else n.names[0].name)
        for n in ast.walk(tree)
        if isinstance(n, ast.Import | ast.ImportFrom)
    }
    assert imported == {"collections.abc", "itertools", "typing", "numpy"}
