"""Running graphs: calls by position and name, fetch and feed, bind, counting."""

import itertools
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import ShapeMismatch, WengertError
from wengert.graph import graph as graph_module
from wengert.graph.graph import Graph
from wengert.graph.symbols import named


def diamond() -> Graph:
    """y = exp(v1) + v1·exp(v1), with the course's names."""
    v1 = wg.symbol("v1")
    v2 = named("v2", np.exp(v1))
    v3 = named("v3", v1 * v2)
    v4 = named("v4", v2 + v3)
    return wg.function([v1], v4, name="y")


def net() -> Graph:
    def loss(params: Any, x: Any, y: Any) -> Any:
        hidden = named("hidden", np.tanh(x @ params["W"] + params["b"]))
        return named("loss", np.mean((hidden - y) ** 2))

    return wg.trace(loss, PARAMS, X, Y)


PARAMS = {"W": np.full((2, 3), 0.1), "b": np.zeros(3)}
X, Y = np.arange(8.0).reshape(4, 2), np.ones((4, 3))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all operations that graphs evaluate, in order."""
    seen: list[str] = []
    original = graph_module.bind

    def counting(op: Any, *args: Any, **params: Any) -> Any:
        seen.append(op.name)
        return original(op, *args, **params)

    monkeypatch.setattr(graph_module, "bind", counting)
    return seen


# Calls --------------------------------------------------------------------------------


def test_by_position_by_name_and_both() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    f = wg.function([x, y], x - y)
    assert f(5.0, 2.0) == f(y=2.0, x=5.0) == f(5.0, y=2.0) == 3.0


def test_containers_by_name_whole_or_leaf_by_leaf() -> None:
    g = net()
    wanted = g(PARAMS, X, Y)
    assert g(params=PARAMS, x=X, y=Y) == g(PARAMS, y=Y, x=X) == wanted
    leaves = {"params['W']": PARAMS["W"], "params['b']": PARAMS["b"]}
    assert g(x=X, y=Y, **leaves) == wanted


def test_numbers_are_cast_as_numpy_would_without_loss() -> None:
    x = wg.symbol("x", 2, "f4")
    f = wg.function([x], x * 2)
    assert f(np.array([1, 2], "i2")).dtype == np.dtype("f4")
    assert f(np.ones(2)).dtype == np.dtype("f4")
    with pytest.raises(ShapeMismatch, match=r"'x'.*float32; complex128 came"):
        f(np.ones(2) * 1j)


def test_an_argument_is_never_changed() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        y[0] = 5.0
        return y

    x = np.zeros(3)
    g = wg.trace(f, x)
    np.testing.assert_array_equal(g(x), [5.0, 0.0, 0.0])
    np.testing.assert_array_equal(x, np.zeros(3))


def test_running_warns_about_nothing() -> None:
    x = wg.symbol("x")
    with np.errstate(all="raise"):
        assert wg.function([x], np.log(x))(0.0) == -np.inf


# fetch and feed -----------------------------------------------------------------------


def test_fetch_any_subset_in_any_structure() -> None:
    g = diamond()
    out = g.run({"a": "v2", "b": ["v4", g.inputs[0]]}, {"v1": 1.0})
    assert out == {"a": np.e, "b": [2 * np.e, 1.0]}
    assert g.run("v3", {g.inputs[0]: 2.0}) == pytest.approx(2 * np.exp(2.0))
    assert g.run((), {"v1": 1.0}) == ()


def test_only_what_is_fetched_is_computed(evaluated: list[str]) -> None:
    g = diamond()
    g.run("v2", {"v1": 1.0})
    assert evaluated == ["exp"]
    evaluated.clear()
    g(1.0)
    assert evaluated == ["exp", "multiply", "add"]


def test_each_node_is_computed_once(evaluated: list[str]) -> None:
    g = diamond()
    g.run(["v2", "v2", "v3", "v4"], {"v1": 1.0})
    assert evaluated == ["exp", "multiply", "add"]


def test_feeding_an_inner_node_computes_nothing_above_it(evaluated: list[str]) -> None:
    g = diamond()
    assert g.run("v4", {"v1": 10.0, "v2": 2.0}) == 22.0
    assert evaluated == ["multiply", "add"]
    evaluated.clear()
    assert g.run("v4", {"v2": 2.0, "v3": 5.0}) == 7.0  # v1 isn't needed
    assert evaluated == ["add"]
    evaluated.clear()
    assert g.run("v2", {"v2": 3.0}) == 3.0
    assert evaluated == []


def test_every_subset_of_feeds_agrees_with_the_function() -> None:
    g = diamond()
    values = {"v1": 0.3}
    values |= {n: g.run(n, {"v1": 0.3}) for n in ("v2", "v3", "v4")}
    for size in range(4):
        for fed in itertools.combinations(("v2", "v3", "v4"), size):
            feed = {n: values[n] for n in ("v1", *fed)}
            assert g.run(["v2", "v3", "v4"], feed) == [
                values["v2"], values["v3"], values["v4"],
            ]  # fmt: skip


def test_a_fed_value_is_what_its_users_see() -> None:
    """As Theano's `givens` and TensorFlow's `feed_dict` on inner tensors."""
    g = net()
    feed = {"params['W']": PARAMS["W"], "params['b']": PARAMS["b"], "x": X, "y": Y}
    hidden = g.run("hidden", {k: v for k, v in feed.items() if k != "y"})
    np.testing.assert_allclose(hidden, np.tanh(X @ PARAMS["W"]))
    assert g.run("loss", {"hidden": Y, "y": Y}) == 0.0


def test_one_part_of_a_step_with_several_results() -> None:
    g = wg.trace(lambda a: np.linalg.qr(a)[1], np.eye(2))
    (part,) = g.find(op="part")[-1:]
    assert g.run(part, {part: np.ones((2, 2))}).sum() == 4.0
    with pytest.raises(ShapeMismatch, match="feed the parts"):
        g.run(part, {part.inputs[0]: 1.0})


def test_run_under_a_transform() -> None:
    g = diamond()
    slope = wg.grad(lambda v2: g.run("v4", {"v1": 3.0, "v2": v2}))
    assert slope(1.0) == 4.0


# bind ---------------------------------------------------------------------------------


def test_bind_freezes_inputs() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    f = wg.function([x, y], x - y).bind(x=10.0)
    assert [n.name for n in f.inputs] == ["y"]
    assert f(3.0) == f(y=3.0) == 7.0
    assert f.bind(y=1)() == 9.0
    f.check()


def test_bind_keeps_the_structure_of_the_rest() -> None:
    g = net()
    wanted = g(PARAMS, X, Y)
    assert g.bind(x=X, y=Y)(PARAMS) == wanted
    assert g.bind(params=PARAMS)(X, Y) == wanted
    partly = g.bind(**{"params['b']": PARAMS["b"]})
    assert partly(PARAMS["W"], X, Y) == wanted


def test_what_is_bound_is_copied() -> None:
    x, y = wg.symbol("x", 2), wg.symbol("y", 2)
    value = np.ones(2)
    f = wg.function([x, y], x + y).bind(x=value)
    value[:] = 100.0
    np.testing.assert_array_equal(f(np.zeros(2)), np.ones(2))


def test_the_graph_that_was_bound_is_as_it_was() -> None:
    g = diamond()
    text = str(g)
    assert g.bind(v1=1.0)() == pytest.approx(2 * np.e)
    assert str(g) == text
    assert g(1.0) == pytest.approx(2 * np.e)


# Mistakes -----------------------------------------------------------------------------

G, N = diamond(), net()


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda: G(), r"`y` takes v1: f64\[\].*Came: 0 by position"),
        (lambda: G(1.0, 2.0), "`y` takes v1.*Came: 2 by position"),
        (lambda: G(1.0, v1=1.0), "1 by position, 'v1' by name.*each argument once"),
        (lambda: G(v7=1.0), "an argument named 'v7'.*use one of the names v1"),
        (lambda: G(None), "NoneType None for v1"),
        (lambda: G([1.0]), r"list \[1\.0\] for v1.*np\.array"),
        (lambda: G("a"), "'v1'"),
        (lambda: G(np.ones(3)), r"'v1'.*has shape \(\).*\(3,\) came"),
        (lambda: N(X, X, Y), r"params = \{.*ndarray.*a container with these keys"),
        (lambda: N({"W": PARAMS["W"]}, X, Y), r"params = \{'W': f64\[2,3\], 'b': f64"),
        (lambda: N(PARAMS, X.T, Y), r"'x' of the graph `loss` has shape \(4, 2\)"),
        (lambda: N(PARAMS, X), "2 by position"),
        (lambda: G.run("v9", {"v1": 1.0}), "`y`, or its name.*'v9'.*print"),
        (lambda: G.run("v4", {"v9": 1.0}), "'v9'"),
        (lambda: G.run("v4", {}), "needs input 'v1' of `y`.*a feed of nothing"),
        (lambda: G.run("v4", {"v2": 1.0}), "needs input 'v1'.*a feed of 'v2'"),
        (lambda: G.run("v4"), "needs input 'v1'"),
        (lambda: G.run("v4", 1.0), "feed is a dict.*float 1.0"),
        (lambda: G.run("v4", {"v2": np.ones(3), "v1": 1.0}), "'v2' of the graph `y`"),
        (lambda: G.run(3, {"v1": 1.0}), "int 3"),
        (lambda: G.run(N.nodes[-1], {"v1": 1.0}), r"Node\(loss"),
        (lambda: G.run("v4", {"v1": 1.0, G.inputs[0]: 2.0}), "a node and its name"),
        (lambda: G.bind(v2=1.0), "an argument named 'v2'"),
        (lambda: G.bind(v1=np.ones(2)), r"'v1'.*shape \(\).*\(2,\) came"),
        (lambda: N.bind(params=X), "params = "),
    ],
)
def test_a_mistake_says_what_to_do(mistake: Any, says: str) -> None:
    with pytest.raises(WengertError, match=f"(?s){says}"):
        mistake()
