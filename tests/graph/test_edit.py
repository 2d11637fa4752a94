"""Changing graphs: replace, subgraph, inline, override."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import DerivativeError, ShapeMismatch, WengertError
from wengert.graph.graph import Graph
from wengert.graph.symbols import as_symbol, named


def diamond() -> Graph:
    v1 = wg.symbol("v1")
    v2 = named("v2", np.exp(v1))
    v3 = named("v3", v1 * v2)
    return wg.function([v1], named("v4", v2 + v3), name="y")


# replace ------------------------------------------------------------------------------


def test_replace_by_a_value() -> None:
    g = diamond()
    h = g.replace("v2", 10.0)
    assert h(3.0) == 40.0
    assert "exp" not in h.counts()
    h.check()


def test_replace_by_an_expression_of_the_same_inputs() -> None:
    g = diamond()
    x = as_symbol(g.inputs[0])
    assert g.replace("v2", np.sin(x))(0.5) == pytest.approx(1.5 * np.sin(0.5))


def test_a_replacement_may_use_the_node_itself() -> None:
    g = diamond()
    h = g.replace("v2", 2.0 * as_symbol(g.node("v2")))
    assert h(0.5) == pytest.approx(2.0 * g(0.5))
    h.check()


def test_a_replacement_may_use_what_uses_the_node() -> None:
    """PyTensor's clone_replace: what is written refers to the graph as it was."""
    g = diamond()
    h = g.replace("v2", as_symbol(g.node("v3")))  # v4 becomes v3 + v1·v3
    v3 = 0.5 * np.exp(0.5)
    assert h(0.5) == pytest.approx(v3 + 0.5 * v3)
    h.check()


def test_replace_an_input_and_an_output() -> None:
    g = diamond()
    x = as_symbol(g.inputs[0])
    assert g.replace("v1", x + 1.0)(0.0) == g(1.0)
    assert g.replace("v4", x)(7.0) == 7.0


def test_the_old_graph_stays_and_nodes_are_shared() -> None:
    g = diamond()
    text, old = str(g), set(g.nodes)
    h = g.replace("v3", 0.0)
    assert str(g) == text
    assert g.node("v2") in set(h.nodes)
    assert set(g.nodes) == old


def test_names_and_scopes_survive_a_change_before_them() -> None:
    x = wg.symbol("x")
    with wg.scope("top"):
        y = named("y", np.sin(x * 2.0))
    g = wg.function([x], y)
    h = g.replace(g.find(op="multiply")[0], 0.25)
    assert h.node("top/y").scope == "top"
    assert h.node("top/y").line == g.node("top/y").line != ""


# subgraph -----------------------------------------------------------------------------


def test_the_part_that_a_node_needs() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    h = named("h", np.sin(x))
    g = wg.function([x, y], h * y)
    part = g.subgraph("h")
    assert [n.name for n in part.inputs] == ["x"]
    assert part(0.5) == np.sin(0.5)
    both = g.subgraph({"h": "h", "all": g.outputs[0]})
    assert both(0.5, 2.0) == {"h": np.sin(0.5), "all": 2.0 * np.sin(0.5)}


def test_cut_at_inner_nodes() -> None:
    g = diamond()
    tail = g.subgraph("v4", ["v2", "v1"])
    assert [n.name for n in tail.inputs] == ["v2", "v1"]
    assert tail(2.0, 10.0) == tail(v1=10.0, v2=2.0) == 22.0
    assert g.subgraph("v4", [g.node("v2"), g.node("v3")])(1.0, 2.0) == 3.0
    assert g.subgraph("v2", "v2")(5.0) == 5.0
    assert g(0.0) == 1.0  # as it was


def test_head_and_tail_are_the_whole() -> None:
    g = diamond()
    head, tail = g.subgraph(["v1", "v2"]), g.subgraph("v4", ["v1", "v2"])
    assert tail(*head(0.7)) == g(0.7)


def test_whole_arguments_keep_their_structure() -> None:
    def f(p: Any, x: Any, y: Any) -> Any:
        return named("h", x * p["w"] + p["b"]) * y

    g = wg.trace(f, {"w": 1.0, "b": 2.0}, 3.0, 4.0)
    assert g.subgraph("h")({"w": 2.0, "b": 1.0}, 5.0) == 11.0


# inline -------------------------------------------------------------------------------


def test_inline_takes_checkpoints_apart() -> None:
    block = wg.checkpoint(lambda x: np.sin(x) * x)
    x = np.linspace(0.1, 1.0, 3)
    g = wg.trace(lambda x: np.sum(block(x) + block(2.0 * x)), x)
    flat = g.inline()
    assert "checkpoint" in g.counts()
    assert flat.counts() == {"sin": 2, "multiply": 3, "add": 1, "sum": 1}
    assert flat(x) == g(x)
    np.testing.assert_allclose(flat.grad()(x), g.grad()(x), rtol=1e-14)
    flat.check()
    assert g.inline() == flat


def test_inline_goes_into_calls_inside_of_calls() -> None:
    inner = wg.checkpoint(np.sin)
    outer = wg.checkpoint(lambda x: inner(x) * 2.0)
    g = wg.trace(lambda x: outer(x) + 1.0, 0.5).inline()
    assert g.counts() == {"sin": 1, "multiply": 1, "add": 1}
    assert g(0.5) == 2.0 * np.sin(0.5) + 1.0


def test_inline_of_mapped_calls() -> None:
    block = wg.checkpoint(lambda x: np.sum(x * x))
    rows = np.arange(6.0).reshape(3, 2)
    g = wg.trace(wg.vmap(block), rows)
    np.testing.assert_allclose(g.inline()(rows), g(rows))
    assert "checkpoint" not in g.inline().counts()


def test_inline_leaves_rules_of_the_users_own() -> None:
    @wg.custom_vjp
    def clip(x: Any) -> Any:
        return x

    clip.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    g = wg.trace(lambda x: 5.0 * clip(x), 2.0).inline()
    assert g.grad()(2.0) == 1.0


# override -----------------------------------------------------------------------------


def straight(ct: Any, y: Any, x: Any) -> Any:
    return (ct,)


def test_straight_through_rounding() -> None:
    g = wg.trace(lambda x: np.round(3.0 * x) ** 2, 0.5)
    h = g.override("rint" if "rint" in g.counts() else "round", vjp=straight)
    assert h(0.5) == g(0.5) == 4.0
    assert g.grad()(0.5) == 0.0
    assert h.grad()(0.5) == 2 * 2.0 * 3.0


def test_only_within_a_scope() -> None:
    x = wg.symbol("x")
    with wg.scope("a"):
        y = np.sin(x)
        with wg.scope("inner"):
            y = y + np.sin(x)
    with wg.scope("ab"):
        y = y + np.sin(x)
    g = wg.function([x], y)
    c = np.cos(0.3)
    rule = {"vjp": lambda ct, y, x: (100.0 * ct,)}
    assert g.override("sin", scope="a", **rule).grad()(0.3) == pytest.approx(200 + c)
    assert g.override("sin", scope="ab", **rule).grad()(0.3) == pytest.approx(
        100 + 2 * c
    )
    assert g.override("sin", **rule).grad()(0.3) == pytest.approx(300)


def test_one_node_by_itself_or_by_its_name() -> None:
    g = diamond()
    for which in (g.node("v2"), "v2"):
        h = g.override(which, vjp=lambda ct, y, x: (0.0 * ct,))
        assert h.grad()(0.5) == pytest.approx(np.exp(0.5))


def test_every_transform_uses_it() -> None:
    rule = {
        "vjp": lambda ct, y, x: (ct * 10.0 * x,),
        "jvp": lambda ts, y, x: ts[0] * 10.0 * x,
    }
    g = wg.trace(lambda x: np.sin(2.0 * x), 1.0).override("sin", **rule)
    slope = 2.0 * 10.0 * (2.0 * 0.3)
    assert g.grad()(0.3) == pytest.approx(slope)
    assert g.jvp()(0.3, 1.0)[1] == pytest.approx(slope)
    assert g.vjp()(0.3, 1.0)[1][0] == pytest.approx(slope)
    assert wg.grad(g)(0.3) == pytest.approx(slope)
    assert wg.jvp(g, (0.3,), (1.0,))[1] == pytest.approx(slope)
    rows = np.array([0.3, 0.6])
    np.testing.assert_allclose(wg.vmap(wg.grad(g))(rows), [slope, 2 * slope])
    # Higher orders are those of the rule as written: d(40·x)/dx.
    for second in (g.grad().grad(), g.hessian(), wg.trace(wg.grad(wg.grad(g)), 0.3)):
        assert second(0.3) == pytest.approx(40.0)


def test_an_op_with_two_arguments() -> None:
    g = wg.trace(lambda x, y: x * y, 2.0, 3.0)
    h = g.override("multiply", vjp=lambda ct, _, x, y: (ct * 7.0, None))
    assert h.grad((0, 1))(2.0, 3.0) == (7.0, 0.0)


def test_passes_dont_mistake_it_for_the_plain_op() -> None:
    """−−x is x, but not where a minus has another derivative."""
    g = wg.trace(lambda x: np.negative(np.negative(x)), 1.0)
    h = g.override("negative", vjp=lambda ct, y, x: (5.0 * ct,))
    assert h != g
    assert h.optimize().grad()(1.0) == 25.0
    assert h.counts() == {"negative_overridden": 2}


def test_equal_steps_stay_equal() -> None:
    g = wg.trace(lambda x: np.sin(x) + np.sin(x), 1.0).override("sin", vjp=straight)
    assert g.optimize(["merge_common"]).counts()["sin_overridden"] == 1


def test_a_mode_without_a_rule_says_which() -> None:
    g = wg.trace(np.sin, 1.0)
    with pytest.raises(DerivativeError, match=r"(?s)forward mode.*jvp=\.\.\."):
        g.override("sin", vjp=straight).jvp()
    with pytest.raises(DerivativeError, match=r"(?s)reverse mode.*vjp=\.\.\."):
        g.override("sin", jvp=lambda ts, y, x: ts[0]).grad()


def test_a_rule_of_the_wrong_length() -> None:
    g = wg.trace(lambda x, y: x * y, 1.0, 1.0)
    with pytest.raises(ShapeMismatch, match="each of its 2 arguments"):
        g.override("multiply", vjp=lambda ct, _, x, y: ct).grad()


# Mistakes -----------------------------------------------------------------------------

G = diamond()
OTHER = wg.symbol("other")
QR = wg.trace(lambda a: np.linalg.qr(a)[1], np.eye(2))


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda: G.replace("v7", 1.0), "A node of the graph `y`.*'v7'"),
        (lambda: G.replace("v2", np.ones(3)), r"type of the node, f64\[\].*f64\[3\]"),
        (lambda: G.replace("v2", np.float32(1)), r"f64\[\].*f32\[\].*astype"),
        (lambda: G.replace("v2", "v3"), "The replacement is made of symbols.*str 'v3'"),
        (lambda: G.replace("v2", OTHER), r"depends on 'other'.*graph\.inputs\[0\]"),
        (lambda: G.replace(QR.nodes[-1], 1.0), "graph.find"),
        (lambda: QR.replace(QR.nodes[1], 1.0), "one result.*replace its parts"),
        (lambda: G.subgraph("v9"), "'v9'"),
        (lambda: G.subgraph("v4", ["v2"]), "also depends on 'v1'.*cut the graph"),
        (lambda: G.subgraph("v4", ["v9"]), "'v9'"),
        (lambda: G.override("exp"), "neither vjp nor jvp.*lambda ct, y"),
        (lambda: G.override("exp", vjp=2.0), "vjp is a function.*2.0"),
        (
            lambda: G.override("sine", vjp=straight),
            "no node 'sine'.*exp, multiply, add",
        ),
        (lambda: G.override("exp", vjp=straight, scope="b"), "in scope 'b'"),
        (lambda: G.override("v1", vjp=straight), "the input 'v1'.*operation that uses"),
        (lambda: G.override(QR.nodes[1], vjp=straight), "`y`, or its name"),
    ],
)
def test_a_mistake_says_what_to_do(mistake: Any, says: str) -> None:
    with pytest.raises(WengertError, match=f"(?s){says}") as caught:
        mistake()
    assert "test_edit.py" in str(caught.value)
