"""Graphs written by hand: symbols, function, gradients, names and scopes."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import (
    DerivativeError,
    ShapeMismatch,
    TracedValueError,
    TypeMismatch,
)
from wengert.graph.symbols import named

RNG = np.random.default_rng(3)


# symbol and function ------------------------------------------------------------------


def test_theanos_first_example() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    f = wg.function([x, y], x + y, name="f")
    assert f(2.0, 3.0) == 5.0
    assert str(f).splitlines()[0] == "f(x: f64[], y: f64[]):"


def test_a_symbol_is_an_array_without_a_value() -> None:
    x = wg.symbol("x", (2, 3), "f4")
    assert (x.shape, x.dtype, x.ndim, x.size) == ((2, 3), np.dtype("f4"), 2, 6)
    assert (x @ x.T).shape == (2, 2)
    assert wg.symbol("n", np.int64(4)).shape == (4,)
    assert wg.symbol("e", [0, 2]).shape == (0, 2)


def test_numpy_code_on_symbols() -> None:
    x = wg.symbol("x", (4,))
    y = np.where(x > 0.0, x, 0.1 * x)
    y[0] = 7.0
    f = wg.function([x], [np.sort(y), y[1:].sum(), x.reshape(2, 2)])
    values = np.array([1.0, -2.0, 3.0, -4.0])
    ordered, total, square = f(values)
    np.testing.assert_allclose(ordered, [-0.4, -0.2, 3.0, 7.0])
    assert total == pytest.approx(2.4)
    assert square.shape == (2, 2)


def test_nested_containers_go_in_and_out() -> None:
    w, b, x = wg.symbol("w", 3), wg.symbol("b"), wg.symbol("x", 3)
    y = np.sum(w * x) + b
    f = wg.function([{"w": w, "b": (b,)}, x], {"y": y, "more": [y * 2.0, None]})
    out = f({"w": np.ones(3), "b": (0.5,)}, np.arange(3.0))
    assert out == {"y": 3.5, "more": [7.0, None]}


def test_a_number_among_the_outputs_is_a_constant() -> None:
    x = wg.symbol("x")
    assert wg.function([x], [1.0, x])(0.5) == [1.0, 0.5]


def test_an_input_that_isnt_needed_is_allowed() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    assert wg.function([x, y], x * 2.0)(3.0, 100.0) == 6.0


def test_arrays_in_expressions_are_as_they_were() -> None:
    x, a = wg.symbol("x", 2), np.ones(2)
    f = wg.function([x], x * a)
    a[:] = 5.0
    np.testing.assert_array_equal(f(np.ones(2)), np.ones(2))


def test_no_result_shares_memory() -> None:
    x, a = wg.symbol("x", 2), np.ones(2)
    f = wg.function([x], [x, np.asarray(a)])
    given = np.ones(2)
    same, constant = f(given)
    assert not np.shares_memory(same, given)
    constant[:] = 9.0
    np.testing.assert_array_equal(f(given)[1], [1.0, 1.0])


def test_graphs_compose() -> None:
    x = wg.symbol("x")
    g1, g2 = wg.function([x], np.sin(x)), wg.function([x], [x * x, x + 1.0])
    both = wg.function([x], g2(g1(x)))
    s = np.sin(0.3)
    assert both(0.3) == [s * s, s + 1.0]
    both.check()


def test_transforms_of_functions_of_symbols() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    slope = wg.grad(lambda t: t * t * y)(x)
    assert wg.function([x, y], slope)(3.0, 5.0) == 30.0
    xs = wg.symbol("xs", 4)
    rows = wg.vmap(lambda t: np.sin(t) * y)(xs)
    np.testing.assert_allclose(
        wg.function([xs, y], rows)(np.arange(4.0), 2.0), 2.0 * np.sin(np.arange(4.0))
    )


# Names and scopes ---------------------------------------------------------------------


def test_scopes_name_symbols_and_steps() -> None:
    with wg.scope("net"):
        with wg.scope("layer1"):
            w1 = wg.symbol("w")
        with wg.scope("layer2"):
            w2 = wg.symbol("w")
            y = np.tanh(w1 * w2)
    f = wg.function([w1, w2], y)
    assert [n.name for n in f.inputs] == ["net/layer1/w", "net/layer2/w"]
    assert f(**{"net/layer1/w": 0.5, "net/layer2/w": 2.0}) == np.tanh(1.0)
    assert [n.op.name for n in f.find(scope="net/layer2")] == [
        "input", "multiply", "tanh",
    ]  # fmt: skip
    assert len(f.find(scope="net")) == 4
    assert f.find(scope="net/layer") == []  # a part of a name is no scope
    assert "net/layer2" in str(f)


def test_a_scope_ends_with_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), wg.scope("a"):
        raise ZeroDivisionError
    assert wg.symbol("x").mark.scope == ""


def test_named_expressions() -> None:
    x = wg.symbol("x")
    with wg.scope("layer1"):
        h = named("h", np.exp(x))
    f = wg.function([x], h * 2.0)
    assert [line.split("#")[0].strip() for line in str(f).splitlines()[1:-1]] == [
        "layer1/h = exp(x)", "v0 = multiply(layer1/h, 2.0)",
    ]  # fmt: skip
    assert f.run("layer1/h", {"x": 0.0}) == 1.0
    assert f.node("layer1/h").op.name == "exp"


def test_named_in_a_traced_function_and_without_tracing() -> None:
    def f(x: float) -> float:
        return named("angle", 2.0 * x) + 1.0

    assert f(1.0) == 3.0
    assert wg.trace(f, 1.0).run("angle", {"x": 3.0}) == 6.0
    assert wg.grad(f)(1.0) == 2.0
    assert wg.trace(wg.grad(lambda x: f(x) ** 2), 1.0)(1.0) == 12.0


def test_two_expressions_of_one_name_stay_apart() -> None:
    x = wg.symbol("x")
    f = wg.function([x], named("h", x + 1.0) * named("h", x + 2.0))
    assert f(1.0) == 6.0
    assert len(set(f.names().values())) == len(f.nodes) or len(f.find(name="h")) == 1


# gradients ----------------------------------------------------------------------------


def test_gradients_of_any_order() -> None:
    x = wg.symbol("x")
    y = x**4
    orders = [y]
    for _ in range(4):
        orders.append(wg.gradients(orders[-1], x))
    f = wg.function([x], orders)
    assert f(2.0) == pytest.approx([16.0, 32.0, 48.0, 48.0, 24.0])
    assert wg.function([x], wg.gradients(orders[4], x))(2.0) == 0.0


def test_gradients_have_the_structure_of_wrt() -> None:
    w, b = wg.symbol("w", 2), wg.symbol("b")
    z = np.sum(w * w) * b
    found = wg.gradients(z, {"w": w, "rest": [b]})
    f = wg.function([w, b], found)
    out = f(np.array([1.0, 2.0]), 3.0)
    np.testing.assert_allclose(out["w"], [6.0, 12.0])
    assert out["rest"] == [5.0]


def test_known_cotangents() -> None:
    x = wg.symbol("x", 3)
    ct = wg.symbol("ct", 3)
    pulled = wg.gradients([x * x, np.sum(x)], x, known_cotangents=[ct, 2.0])
    f = wg.function([x, ct], pulled)
    np.testing.assert_allclose(f(np.arange(3.0), np.ones(3)), [2.0, 4.0, 6.0])
    fixed = wg.gradients(x * x, x, known_cotangents=np.array([0.0, 1.0, 10.0]))
    np.testing.assert_allclose(wg.function([x], fixed)(np.ones(3)), [0.0, 2.0, 20.0])


def test_a_cotangent_is_taken_as_it_was() -> None:
    x, ct = wg.symbol("x", 2), np.ones(2)
    f = wg.function([x], wg.gradients(x * x, x, known_cotangents=ct))
    ct[:] = 7.0
    np.testing.assert_array_equal(f(np.ones(2)), [2.0, 2.0])


@pytest.mark.parametrize("many", [False, True])
def test_stop_at_makes_constants(many: bool) -> None:
    x = wg.symbol("x")
    h = np.exp(x)
    stops = [h] if many else h
    f = wg.function([x], wg.gradients(x * h, x, stop_at=stops))
    assert f(0.5) == pytest.approx(np.exp(0.5))  # and not (1 + x)·exp(x)


def test_an_expression_and_its_input_together() -> None:
    """Each in full, as Theano and TensorFlow have it: wrt doesn't cut the graph."""
    x = wg.symbol("x")
    h = np.exp(x)
    y = h + x * h
    for wrt in ([x, h], [h, x]):
        found = dict(zip(map(id, wrt), wg.gradients(y, wrt), strict=True))
        f = wg.function([x], [found[id(x)], found[id(h)]])
        assert f(0.5) == pytest.approx([2.5 * np.exp(0.5), 1.5])


def test_by_the_expression_itself() -> None:
    x = wg.symbol("x")
    y = x * x
    assert wg.function([x], wg.gradients(y, [y, x]))(3.0) == [1.0, 6.0]
    assert wg.function([x], wg.gradients(x, x))(3.0) == 1.0


def test_a_symbol_twice_in_wrt() -> None:
    x = wg.symbol("x")
    assert wg.function([x], wg.gradients(x * x, [x, x]))(3.0) == [6.0, 6.0]


def test_unconnected_is_zeros_or_an_error_that_names_it() -> None:
    x, other = wg.symbol("x"), wg.symbol("other", (2,))
    f = wg.function([x, other], wg.gradients(x * 2.0, [x, other]))
    slope, zero = f(1.0, np.ones(2))
    assert slope == 2.0
    np.testing.assert_array_equal(zero, np.zeros(2))
    with pytest.raises(DerivativeError, match="doesn't depend on 'other'"):
        wg.gradients(x * 2.0, [x, other], unconnected="error")
    with pytest.raises(DerivativeError, match=r"doesn't depend on the result of `sin`"):
        wg.gradients(x * 2.0, np.sin(x), unconnected="error")


def test_through_a_step_function_nothing_flows() -> None:
    x = wg.symbol("x")
    assert wg.function([x], wg.gradients(np.floor(x) * 2.0, x))(1.5) == 0.0
    with pytest.raises(DerivativeError, match="steps without derivatives"):
        wg.gradients(np.floor(x), x, unconnected="error")


def test_complex_symbols_follow_the_convention() -> None:
    c = wg.symbol("c", dtype=complex)
    z = np.real(c * np.conj(c))
    assert wg.function([c], wg.gradients(z, c))(1 + 2j) == 2 + 4j


def test_steps_with_several_results() -> None:
    a = wg.symbol("a", (3, 2))
    q, r = np.linalg.qr(a)
    point = RNG.standard_normal((3, 2))

    def f(m: np.ndarray) -> np.ndarray:
        q, r = np.linalg.qr(m)
        return np.sum(np.sin(q)) + np.sum(r * r)

    z = np.sum(np.sin(q)) + np.sum(r * r)
    got = wg.function([a], wg.gradients(z, a))(point)
    np.testing.assert_allclose(got, wg.grad(f)(point), rtol=1e-10)


def test_a_sum_puts_no_array_of_ones_into_the_graph() -> None:
    x = wg.symbol("x", (1000, 1000))
    f = wg.function([x], wg.gradients(np.sum(np.sin(x)), x))
    values = [n.params["value"] for n in f.nodes if n.op.name == "constant"]
    assert sum(np.size(v) for v in values) < 10


# Mistakes -----------------------------------------------------------------------------

X, Y = wg.symbol("x"), wg.symbol("y", (3,))
K = wg.symbol("k", (), int)


@pytest.mark.parametrize(
    ("mistake", "kind", "says"),
    [
        (lambda: wg.symbol((3,), "x"), TypeMismatch, r"A symbol has a name.*symbol\("),
        (lambda: wg.symbol(""), TypeMismatch, "A symbol has a name"),
        (lambda: wg.symbol("x", (None, 3)), ShapeMismatch, r"'x'.*known.*wg\.trace"),
        (lambda: wg.symbol("x", (-1,)), ShapeMismatch, "all known"),
        (lambda: wg.symbol("x", "f4"), ShapeMismatch, "tuple of lengths.*'f4'"),
        (lambda: wg.symbol("x", 2.5), ShapeMismatch, "tuple of lengths"),
        (lambda: wg.symbol("x", 3, "banana"), TypeMismatch, "'x' is one of numbers"),
        (lambda: wg.symbol("x", 3, object), TypeMismatch, "one of numbers"),
        (lambda: wg.function(X, X + 1.0), TypeMismatch, r"list of symbols.*\[x\]"),
        (lambda: wg.function({"x": X}, X), TypeMismatch, r"list.*function\(\[p\], y\)"),
        (lambda: wg.function(["x"], X), TypeMismatch, "An input is made of.*str 'x'"),
        (lambda: wg.function([X], "x"), TypeMismatch, "An output is made of symbols"),
        (lambda: wg.function([X + 1.0], X), TypeMismatch, "result of `add`.*feeds an"),
        (lambda: wg.function([X, X], X), ShapeMismatch, "each symbol once.*'x' twice"),
        (lambda: wg.function([Y], X), ShapeMismatch, "also depends on 'x'.*add it"),
        (
            lambda: wg.function([X, wg.symbol("x")], X),
            ShapeMismatch,
            r"two symbols named 'x'.*wg\.scope",
        ),
        (lambda: wg.scope(""), TypeMismatch, "A scope has a name"),
        (lambda: named(X, "h"), TypeMismatch, "named takes a name first"),
        (lambda: bool(X > 0.0), TracedValueError, r"np\.where or wg\.cond"),
        (lambda: float(X), TracedValueError, r"np\.sin\(x\) for math\.sin"),
        (lambda: wg.gradients(Y * 2.0, Y), DerivativeError, r"f64\[3\].*reduce it"),
        (lambda: wg.gradients([X, X], X), DerivativeError, "one real number"),
        (lambda: wg.gradients(X, "x"), TypeMismatch, "wrt is made of.*str 'x'"),
        (lambda: wg.gradients(X, 3.0), TypeMismatch, "the constant 3.0"),
        (lambda: wg.gradients(X * K, K), TypeMismatch, r"'k', i64\[\].*dtype=float"),
        (lambda: wg.gradients(X, X, unconnected="none"), ShapeMismatch, "'none'"),
        (
            lambda: wg.gradients(X, X, known_cotangents=np.ones(3)),
            ShapeMismatch,
            r"shape \(\).*shape \(3,\)",
        ),
        (
            lambda: wg.gradients(Y, Y, known_cotangents=1.0),
            ShapeMismatch,
            "broadcast it by hand",
        ),
        (
            lambda: wg.gradients([X, Y], X, known_cotangents=[1.0]),
            ShapeMismatch,
            "known_cotangents must have the structure",
        ),
        (
            lambda: wg.gradients(X, X, known_cotangents=1j),
            TypeMismatch,
            "take its real part",
        ),
        (
            lambda: wg.grad(lambda x: wg.gradients(x * x, x))(1.0),
            TypeMismatch,
            r"being differentiated.*wg\.grad",
        ),
        (
            lambda: wg.trace(lambda x: wg.gradients(x * x, x), 1.0),
            TypeMismatch,
            r"being staged.*wg\.grad",
        ),
        (lambda: Y @ np.ones((2, 2)), ShapeMismatch, r"\(3,\)|f64\[3\]"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_to_do(mistake: Any, kind: Any, says: str) -> None:
    with pytest.raises(kind, match=f"(?s){says}") as caught:
        mistake()
    if isinstance(caught.value, ShapeMismatch | TypeMismatch):
        assert "test_symbols.py" in str(caught.value) or "structure" in says
