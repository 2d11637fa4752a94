"""The extended graph: derivatives of a Graph that are graphs again."""

import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import (
    DerivativeError,
    ShapeMismatch,
    TypeMismatch,
    WengertError,
)
from wengert.core.op import Linear, Partials, Rules
from wengert.graph.graph import Graph, Node
from wengert.graph.symbols import named

# The course's example -----------------------------------------------------------------


def course() -> tuple[list[Any], Graph]:
    """v1 … v4 of y = exp(v1) + v1·exp(v1), and the graph of y."""
    v1 = wg.symbol("v1")
    v2 = named("v2", np.exp(v1))
    v3 = named("v3", v1 * v2)
    v4 = named("v4", v2 + v3)
    return [v1, v2, v3, v4], wg.function([v1], v4, name="y")


def test_the_adjoints_of_the_course() -> None:
    vs, _ = course()
    f = wg.function([vs[0]], wg.gradients(vs[3], vs))
    x = 0.5
    e = np.exp(x)
    assert f(x) == pytest.approx([e + (x + 1.0) * e, 1.0 + x, 1.0, 1.0])


def test_the_adjoint_of_v2_is_a_summation_node() -> None:
    """v̄2 = v̄3·v1 + v̄4, with v̄4 and v̄3 left as symbols to see which is which."""
    vs, _ = course()
    v1, v2, v3, v4 = vs
    bar4 = wg.symbol("v4_bar")
    bar3, bar2 = wg.gradients(v4, [v3, v2], known_cotangents=bar4)
    node: Node = bar2.mark
    assert node.op.name == "add"
    products = [
        i for i in node.inputs if "product" in i.op.name or i.op.name == "multiply"
    ]
    assert len(products) == 1
    assert bar4.mark in node.inputs  # v̄2→4 = v̄4
    assert set(products[0].inputs) == {v1.mark, bar3.mark}  # v̄2→3 = v̄3·v1
    value = wg.function([v1, bar4], bar2)(0.5, 10.0)
    assert value == 10.0 * 0.5 + 10.0


def test_adjoints_stand_beside_the_steps_they_share() -> None:
    vs, y = course()
    slope = y.grad(with_value=True)
    assert {v.mark for v in vs} <= set(slope.nodes)
    assert slope.counts()["exp"] == 1
    assert slope.name == "grad_of_y"
    value, grad = slope(0.5)
    assert value == y(0.5)
    assert grad == pytest.approx(2.5 * np.exp(0.5))


def test_adjoints_of_named_steps_have_names() -> None:
    _, y = course()
    slope = y.grad()
    assert [n.name for n in slope.nodes if n.name.endswith("_bar")] == [
        "v2_bar",
        "v1_bar",
    ]
    assert slope.node("v2_bar").op.name == "add"
    assert slope.run("v2_bar", {"v1": 0.5}) == 1.5
    assert "v2_bar = add(" in str(slope)
    _, again = course()  # and steps that were there before keep theirs
    again.override("exp", vjp=lambda ct, y, x: (y,)).grad()
    assert not [n for n in again.nodes if n.name.endswith("_bar")]


def test_any_order() -> None:
    """The nth derivative of (1 + x)·exp(x) is (1 + x + n)·exp(x)."""
    _, g = course()
    for n in range(1, 6):
        g = g.grad()
        g.check()
        assert g(0.3) == pytest.approx((1.3 + n) * np.exp(0.3))


def test_a_second_input_needs_no_tracing_and_no_derivation() -> None:
    traced = []

    def f(params: Any, x: Any) -> Any:
        traced.append(1)
        hidden = np.tanh(x @ params["W"] + params["b"])
        return np.sum(np.sort(hidden) ** 2) + np.log(np.linalg.det(params["W"] + 3.0))

    def point(k: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(k)
        params = {"W": np.eye(3) + 0.1 * rng.random((3, 3)), "b": rng.random(3)}
        return params, rng.random((4, 3))

    slope = wg.trace(f, *point(0)).grad()
    count = len(traced)
    files = ("backward.py", "stage.py", "extended.py", "derived.py", "tape.py",
             "reverse.py", "forward.py", "symbols.py")  # fmt: skip
    rules = {
        part.__code__
        for node in slope.nodes
        for part in _parts_of(node.op.derivative)
        if hasattr(part, "__code__")
    }
    assert len(rules) > 5
    calls: Counter[str] = Counter()

    def watch(frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        home = code.co_filename.replace("\\", "/").rsplit("/", 1)[-1]
        if event == "call" and ("wengert/" in code.co_filename and home in files):
            calls[f"{home}: {code.co_name}"] += 1
        if event == "call" and code in rules:
            calls[f"rule {home}: {code.co_name}"] += 1

    sys.setprofile(watch)
    try:
        got = slope(*point(1))
    finally:
        sys.setprofile(None)
    assert not calls
    assert len(traced) == count
    wanted = wg.grad(f)(*point(1))
    np.testing.assert_allclose(got["W"], wanted["W"], rtol=1e-12)
    np.testing.assert_allclose(got["b"], wanted["b"], rtol=1e-12)


def _parts_of(rule: Any) -> list[Any]:
    if isinstance(rule, Partials):
        return list(rule.partials)
    if isinstance(rule, Linear):
        return list(rule.transposes)
    return [rule.jvp, rule.vjp] if isinstance(rule, Rules) else []


def test_the_watch_above_sees_derivation() -> None:
    seen = []
    sys.setprofile(lambda frame, *_: seen.append(frame.f_code.co_filename))
    try:
        course()[1].grad()
    finally:
        sys.setprofile(None)
    assert any(name.endswith("backward.py") for name in seen)


# Each transform -----------------------------------------------------------------------

A = np.array([0.3, -0.7, 1.1])


def wave(x: Any, y: Any) -> Any:
    return np.sum(np.sin(x) * y)


WAVE = wg.trace(wave, A, A)


def test_grad_by_position_name_node_and_several() -> None:
    dx, dy = np.cos(A) * 2.0, np.sin(A)
    for wrt in (0, -2, "x", WAVE.inputs[0]):
        np.testing.assert_allclose(WAVE.grad(wrt)(A, np.full(3, 2.0)), dx)
    both = WAVE.grad(("y", 0))(A, np.full(3, 2.0))
    np.testing.assert_allclose(both[0], dy)
    np.testing.assert_allclose(both[1], dx)


def test_grad_by_an_inner_node() -> None:
    sine = WAVE.find(op="sin")[0]
    y = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(WAVE.grad(sine)(A, y), y)
    np.testing.assert_allclose(WAVE.jacobian(sine)(A, y), y)
    np.testing.assert_allclose(WAVE.hessian(sine)(A, y), np.zeros((3, 3)))


def test_containers_keep_their_structure() -> None:
    def loss(p: Any, x: Any) -> Any:
        return np.sum(np.tanh(x @ p["W"] + p["b"]))

    p = {"W": np.full((3, 2), 0.2), "b": np.zeros(2)}
    x = np.ones((4, 3))
    g = wg.trace(loss, p, x)
    wanted = wg.grad(loss)(p, x)
    for wrt in (0, "p"):
        got = g.grad(wrt)(p, x)
        assert sorted(got) == ["W", "b"]
        np.testing.assert_allclose(got["W"], wanted["W"])
    np.testing.assert_allclose(g.grad("p['b']")(p, x), wanted["b"])
    y, pulled = g.vjp()(p, x, 1.0)
    np.testing.assert_allclose(pulled[0]["W"], wanted["W"])
    assert y == g(p, x)
    dy = g.jvp()(p, x, p, np.zeros_like(x))[1]
    assert dy == pytest.approx(np.sum(wanted["W"] * p["W"]))
    assert g.jacobian(0)(p, x)["W"].shape == (3, 2)
    assert g.hessian(0)(p, x)["W"]["b"].shape == (3, 2, 2)


def test_vjp_and_jvp_are_those_of_the_function() -> None:
    def f(x: Any, y: Any) -> Any:
        return {"a": x * y, "b": (np.sin(x),)}

    g = wg.trace(f, A, A)
    rng = np.random.default_rng(0)
    x, y, dx, dy, ca, cb = rng.standard_normal((6, 3))
    ct = {"a": ca, "b": (cb,)}
    value, cts = g.vjp()(x, y, ct)
    wanted_value, pullback = wg.vjp(f, x, y)
    np.testing.assert_allclose(value["a"], wanted_value["a"])
    for got, wanted in zip(cts, pullback(ct), strict=True):
        np.testing.assert_allclose(got, wanted)
    out, tangent = g.jvp()(x, y, dx, dy)
    np.testing.assert_allclose(out["b"][0], np.sin(x))
    np.testing.assert_allclose(tangent["a"], dx * y + x * dy)
    np.testing.assert_allclose(tangent["b"][0], np.cos(x) * dx)


def test_vjp_graph_names_its_new_inputs_apart() -> None:
    x, dx, ct = wg.symbol("x"), wg.symbol("dx"), wg.symbol("ct")
    g = wg.function([x, dx, ct], x * dx * ct)
    for h in (g.vjp(), g.jvp(), g.jvp().jvp(), g.vjp().vjp().jvp()):
        names = [n.name for n in h.inputs]
        assert len(set(names)) == len(names)
        assert h.name


def test_integers_have_no_tangents_and_zero_cotangents() -> None:
    index = np.array([0, 2])
    g = wg.trace(lambda x, i: (np.sum(x[i] ** 2), i * 2), A, index)
    (value, doubled), (ct, zero) = g.vjp()(A, index, (1.0, None))
    assert value == A[0] ** 2 + A[2] ** 2
    np.testing.assert_allclose(ct, [2 * A[0], 0.0, 2 * A[2]])
    np.testing.assert_array_equal(zero, [0, 0])
    np.testing.assert_array_equal(doubled, [0, 4])
    (_, _), (tangent, none) = g.jvp()(A, index, np.ones(3), None)
    assert tangent == pytest.approx(2 * (A[0] + A[2]))
    assert none is None


def test_jacobian_and_hessian_are_those_of_the_function() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y[0] + x[::-1] * y

    g = wg.trace(f, A, A)
    y = np.array([2.0, 3.0, 5.0])
    np.testing.assert_allclose(g.jacobian()(A, y), wg.jacobian(f)(A, y), atol=1e-14)
    np.testing.assert_allclose(g.jacobian("y")(A, y), wg.jacobian(f, 1)(A, y))
    _, second = g.jacobian(("x", "y"))(A, y)
    np.testing.assert_allclose(second, wg.jacobian(f, 1)(A, y))
    total = wg.trace(lambda x, y: np.sum(f(x, y) ** 2), A, A)
    hess = total.hessian()
    hess.check()
    wanted = wg.hessian(lambda x: np.sum(f(x, y) ** 2))(A)
    np.testing.assert_allclose(hess(A, y), wanted, atol=1e-12)
    rows = total.grad().jacobian()
    np.testing.assert_allclose(rows(A, y), wanted, atol=1e-12)


def test_forward_shares_the_graphs_own_steps() -> None:
    g = wg.trace(lambda x: np.exp(x) * np.sin(x), 0.5)
    pushed = g.jvp()
    assert pushed.counts()["exp"] == 1
    assert set(g.nodes) <= set(pushed.nodes)


def test_graphs_of_graphs_of_graphs() -> None:
    """vjp of jvp of grad, by the product of all: against nested functions."""
    g = wg.trace(lambda x: np.sin(x) * x * x, 0.5)
    f = lambda x: np.sin(x) * x * x
    third = wg.grad(wg.grad(wg.grad(f)))(0.4)
    assert g.grad().grad().grad()(0.4) == pytest.approx(third)
    assert g.grad().grad().jvp()(0.4, 1.0)[1] == pytest.approx(third)
    assert g.grad().jvp().vjp()(0.4, 1.0, (0.0, 1.0))[1][0] == pytest.approx(third)
    assert g.hessian().jacobian()(0.4) == pytest.approx(third)
    assert wg.grad(g.grad().grad())(0.4) == pytest.approx(third)


def test_zero_wins_in_the_extended_graph_too() -> None:
    g = wg.trace(lambda x: np.sum(np.where(x > 0.0, np.sqrt(x), 0.0)), np.ones(2))
    np.testing.assert_array_equal(g.grad()(np.array([0.0, 4.0])), [0.0, 0.25])
    np.testing.assert_array_equal(g.jvp()(np.array([0.0, 4.0]), np.ones(2))[1], 0.25)


def test_checkpoints_and_rules_of_the_users_own() -> None:
    block = wg.checkpoint(lambda x: np.sin(x) * x)

    def f(x: Any) -> Any:
        return np.sum(block(block(x)))

    g = wg.trace(f, A)
    np.testing.assert_allclose(g.grad()(A), wg.grad(f)(A))
    np.testing.assert_allclose(g.jvp()(A, A)[1], wg.jvp(f, (A,), (A,))[1])
    np.testing.assert_allclose(g.hessian()(A), wg.hessian(f)(A), atol=1e-12)


# Mistakes -----------------------------------------------------------------------------

LABELS = wg.trace(lambda x, i: np.sum(x[i]), A, np.array([0, 1]))
PAIR = wg.trace(lambda x: (np.sin(x), np.cos(x)), 1.0)
VECTOR = wg.trace(np.sin, A)


@pytest.mark.parametrize(
    ("mistake", "kind", "says"),
    [
        (lambda: WAVE.grad(2), ShapeMismatch, "2 arguments: x, y.*wrt=2"),
        (lambda: VECTOR.grad(), DerivativeError, r"f64\[3\].*graph\.jacobian\(\)"),
        (lambda: VECTOR.hessian(), DerivativeError, "scalar|real number"),
        (lambda: WAVE.grad("z"), ShapeMismatch, "'z'"),
        (lambda: WAVE.grad(1.5), ShapeMismatch, "float 1.5"),
        (lambda: PAIR.grad(), DerivativeError, r"`<?\w+>?` has 2.*graph\.subgraph"),
        (lambda: PAIR.jacobian(), DerivativeError, "one output"),
        (lambda: LABELS.grad(1), TypeMismatch, r"'i', i64\[2\]"),
        (lambda: LABELS.jvp()(A, [0, 1], A, A), ShapeMismatch, "takes x: "),
        (lambda: WAVE.vjp()(A, A), ShapeMismatch, "ct: f64"),
        (lambda: WAVE.vjp()(A, A, A), ShapeMismatch, r"'ct'.*shape \(\)"),
        (lambda: WAVE.jvp()(A, A, A), ShapeMismatch, "dx: .*dy: .*3 by position"),
    ],
)
def test_a_mistake_says_what_to_do(mistake: Any, kind: Any, says: str) -> None:
    with pytest.raises(WengertError, match=f"(?s){says}") as caught:
        mistake()
    assert isinstance(caught.value, kind)
