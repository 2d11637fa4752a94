"""Graphs: staging, text, evaluation, invariants."""

import sys

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import ShapeMismatch, TracedValueError, WengertError
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node
from wengert.ops.elementwise.arithmetic import ADD


def loss(w: float, x: float, y: float) -> float:
    return (w * x - y) ** 2 + w**2


def test_the_lectures_graph_in_order() -> None:
    graph = wg.trace(loss, 1.0, 2.0, 3.0)
    assert [n.op.name for n in graph.nodes] == [
        "input", "input", "input", "multiply", "subtract", "square", "square", "add",
    ]  # fmt: skip
    assert graph(1.0, 2.0, 3.0) == 2.0
    assert graph(2.0, 0.5, 1.0) == 4.0


def test_its_text_names_inputs_types_and_the_users_line() -> None:
    lines = str(wg.trace(loss, 1.0, 2.0, 3.0)).splitlines()
    assert lines[0] == "loss(w: f64[], x: f64[], y: f64[]):"
    assert lines[1].split("#")[0].strip() == "v0 = multiply(w, x)"
    assert "f64[]" in lines[1]
    assert "test_graph.py:" in lines[1]
    assert lines[-1] == "  return v4"


def test_a_node_knows_the_users_line() -> None:
    graph = wg.trace(loss, 1.0, 2.0, 3.0)
    assert graph.nodes[-1].line.endswith("return (w * x - y) ** 2 + w**2")


def test_a_plain_gradient_has_no_strong_products() -> None:
    graph = wg.trace(wg.grad(loss), 1.0, 2.0, 3.0)
    assert not any(n.op.name == "strong_product" for n in graph.nodes)
    graph.check()
    assert graph(1.0, 2.0, 3.0) == -2.0


def test_a_gradient_through_a_root_has() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return np.sum(np.where(x > 0, np.sqrt(x), 0.0))

    graph = wg.trace(wg.grad(f), np.ones(2))
    assert any(n.op.name == "strong_product" for n in graph.nodes)
    np.testing.assert_array_equal(graph(np.array([0.0, 4.0])), [0.0, 0.25])


def test_nothing_is_traced_again_when_a_graph_runs() -> None:
    calls = []

    def f(x: float) -> float:
        calls.append(x)
        return np.sin(x) * x

    graph = wg.trace(wg.grad(f), 1.0)
    count = len(calls)
    for x in (0.1, 0.2, 0.3):
        assert graph(x) == pytest.approx(np.cos(x) * x + np.sin(x))
    assert len(calls) == count


def test_a_graph_is_a_function_like_any_other() -> None:
    graph = wg.trace(lambda x: np.sum(np.sin(x) * x), np.ones(3))
    x = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(wg.grad(graph)(x), np.cos(x) * x + np.sin(x))
    rows = np.stack([x, 2 * x])
    np.testing.assert_allclose(wg.vmap(graph)(rows), [graph(r) for r in rows])
    again = wg.trace(graph, x)
    assert again(x) == graph(x)


def test_containers_go_in_and_out() -> None:
    def f(p: dict[str, np.ndarray]) -> dict[str, object]:
        return {"sum": p["a"] + p["b"], "both": (p["a"], None, [p["b"]])}

    params = {"a": np.ones(2), "b": np.zeros(2)}
    graph = wg.trace(f, params)
    assert [n.name for n in graph.inputs] == ["p['a']", "p['b']"]
    out = graph(params)
    assert out["both"][1] is None
    np.testing.assert_array_equal(out["sum"], [1.0, 1.0])
    assert not np.shares_memory(out["both"][0], params["a"])


def test_wrong_arguments_name_the_input() -> None:
    graph = wg.trace(lambda position: position * 2.0, np.ones(3))
    with pytest.raises(ShapeMismatch, match=r"Input 'position' .* has shape \(3,\)"):
        graph(np.ones(4))
    with pytest.raises(ShapeMismatch, match="dtype float64; complex128 came"):
        graph(np.ones(3) * 1j)
    with pytest.raises(ShapeMismatch, match="structure"):
        graph(np.ones(3), np.ones(3))


def test_types_stand_for_arrays() -> None:
    graph = wg.trace(lambda a: a.sum(axis=0), wg.Type((5, 3), np.dtype("f4")))
    assert graph.outputs[0].type == wg.Type((3,), np.dtype("f4"))


def test_a_branch_without_values_names_the_line_and_the_remedy() -> None:
    def relu(x: float) -> float:
        return x if x > 0 else 0.0

    with pytest.raises(TracedValueError) as caught:
        wg.trace(relu, 1.0)
    text = str(caught.value)
    assert "bool()" in text
    assert "np.where or wg.cond" in text
    assert "return x if x > 0 else 0.0" in text


def test_with_values_the_path_is_followed_and_guarded() -> None:
    def steps(x: float) -> float:
        while x < 10.0:
            x = x * 2.0
        return x

    graph = wg.trace(steps, 3.0, values=True)
    assert [bool(g.answer) for g in graph.guards] == [True, True, False]
    assert graph(3.0) == 12.0
    assert all("while x < 10.0" in g.line for g in graph.guards)


def test_captured_arrays_are_as_they_were() -> None:
    a = np.ones(3)
    graph = wg.trace(lambda x: x * a, np.ones(3))
    a[:] = 5.0
    np.testing.assert_array_equal(graph(np.ones(3)), np.ones(3))


def test_one_captured_array_is_one_constant() -> None:
    a = np.ones(1000)

    def f(x: np.ndarray) -> np.ndarray:
        for _ in range(5):
            x = x * a
        return x

    graph = wg.trace(f, np.ones(1000))
    assert sum(n.op is CONSTANT for n in graph.nodes) == 1


def test_check_finds_a_wrong_type_and_a_stray_input() -> None:
    x = Node(INPUT, (), {}, wg.Type((3,), np.dtype(float)), None, "x")
    bad = Node(ADD, (x, x), {}, wg.Type((2,), np.dtype(float)))
    with pytest.raises(WengertError, match=r"should have type f64\[3\]"):
        Graph((x,), (bad,)).check()
    y = Node(ADD, (x, x), {}, wg.Type((3,), np.dtype(float)))
    with pytest.raises(WengertError, match="isn't among the inputs"):
        Graph((), (y,)).check()


def test_a_large_graph_needs_no_recursion() -> None:
    def f(x: float) -> float:
        for _ in range(20_000):
            x = x + 1.0
        return x

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        graph = wg.trace(f, 0.0)
        graph.check()
        assert len(str(graph).splitlines()) > 20_000
        assert graph(0.0) == 20_000.0
        del graph
    finally:
        sys.setrecursionlimit(limit)
