"""The order of the passes, what `explain` says, what can be left out, and the time."""

import time
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import ShapeMismatch
from wengert.graph.edit import rebuild
from wengert.graph.graph import Graph
from wengert.passes import PIPELINE, RULES, Step, optimize
from wengert.passes.rewrite import Change, rewrite

NAMES = [f.__name__ for f, _ in PIPELINE]
X = np.array([0.5, -1.25, 2.0])


def count(graph: Graph) -> int:
    return sum(graph.counts().values())


# The order ----------------------------------------------------------------------------


def test_folding_before_simplifying() -> None:
    """a + a is the number 1 only after folding."""
    graph = wg.trace(lambda x, a: x * (a + a), X, 0.5).bind(a=0.5)
    assert graph.optimize(["fold_constants", "simplify"]).counts() == {}
    assert graph.optimize(["simplify", "fold_constants"]).counts() == {"multiply": 1}


def test_merging_before_simplifying() -> None:
    """sin(x) − sin(x) are two steps until they are one."""
    graph = wg.trace(lambda x: np.sin(x) - np.sin(x) + x, X)
    assert graph.optimize(["merge_common", "simplify"]).counts() == {}
    assert "sin" in graph.optimize(["simplify", "merge_common"]).counts()


def test_simplifying_before_stabilising() -> None:
    """log(1·(1 + exp x) + 0) isn't a formula that stabilising knows."""
    graph = wg.trace(lambda x: np.log(1.0 * (1.0 + np.exp(x)) + 0.0), X)
    right = graph.optimize(["simplify", "stabilize"])
    wrong = graph.optimize(["stabilize", "simplify"])
    far = np.array([800.0, 0.0, -50.0])
    np.testing.assert_allclose(right(far), np.logaddexp(0.0, far), rtol=1e-15)
    assert np.isinf(wrong(far)[0])


def test_merging_before_stabilising() -> None:
    """The two exp(x) of a softmax are one value only after merging."""

    def f(x: Any) -> Any:
        return np.log(np.exp(x) / np.sum(np.exp(x)))

    graph = wg.trace(f, X)
    far = np.array([800.0, 0.0, -50.0])
    right = graph.optimize(["merge_common", "stabilize"])
    assert np.isfinite(right(far)).all()
    assert not np.isfinite(graph.optimize(["stabilize", "merge_common"])(far)).all()


def test_plain_products_before_simplifying() -> None:
    """2·(3·x) is 6·x for plain products, not for strong ones."""
    from wengert.core.bind import bind
    from wengert.core.op import OPS

    def strong(a: Any, b: Any) -> Any:
        return bind(OPS["strong_product"], a, b)

    graph = wg.trace(lambda x: strong(2.0, strong(3.0, x)), X)
    right = graph.optimize(["plain_products", "simplify"])
    wrong = graph.optimize(["simplify", "plain_products"])
    assert (count(right), count(wrong)) == (1, 2)


def test_simplifying_again_after_stabilising() -> None:
    """−log σ(x) is −(−logaddexp(0, −x)) until then."""
    graph = wg.trace(lambda x: -np.log(1.0 / (1.0 + np.exp(-x))), X)
    assert graph.optimize().counts() == {"negative": 1, "logaddexp": 1}
    once = graph.optimize(["simplify", "stabilize"])
    assert once.counts() == {"negative": 3, "logaddexp": 1}


def test_simplifying_before_reassociating() -> None:
    """The chain A·(B·v) shows when (Bᵀ·Aᵀ)ᵀ has become A·B."""
    a, b, v = np.ones((30, 20)), np.ones((20, 40)), np.ones(40)
    graph = wg.trace(lambda a, b, v: (b.T @ a.T).T @ v, a, b, v)
    right = graph.optimize(["simplify", "reassociate"])
    wrong = graph.optimize(["reassociate", "simplify"])
    assert right.cost().flops * 10 < wrong.cost().flops


PROGRAMS = {
    "constants": lambda x, a: x * (a * a),
    "equal steps": lambda x, a: np.sin(x) - np.sin(x) + x,
    "softmax": lambda x, a: np.log(np.exp(x) / np.sum(np.exp(x)) * a),
    "logistic": lambda x, a: -np.log(1.0 / (1.0 + np.exp(-x * a))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_other_order_of_neighbours_is_better(name: str) -> None:
    graph = wg.trace(PROGRAMS[name], X, 1.0).bind(a=1.0)
    best = count(graph.optimize())
    for i in range(len(NAMES) - 1):
        order = [*NAMES[:i], NAMES[i + 1], NAMES[i], *NAMES[i + 2 :]]
        assert count(graph.optimize(order)) >= best


def test_every_place_has_a_reason() -> None:
    assert all(len(why) > 10 for _, why in PIPELINE)
    assert len({(f, why) for f, why in PIPELINE}) == len(PIPELINE)


# Choosing -----------------------------------------------------------------------------


def test_each_pass_can_be_left_out() -> None:
    graph = wg.trace(lambda x: np.log(1.0 + np.exp(1.0 * x)) + 0.0, X)
    for name in dict.fromkeys(NAMES):
        _, steps = optimize(graph, without=[name])
        assert name not in [s.name for s in steps]
        assert len(steps) == len(NAMES) - NAMES.count(name)
        left = graph.optimize(without=[name], check=True)
        np.testing.assert_allclose(left(X), graph(X), rtol=1e-14)


def test_rules_can_be_left_out() -> None:
    graph = wg.trace(lambda x: np.log(1.0 + np.exp(1.0 * x)) + 0.0, X)
    assert graph.optimize().counts() == {"logaddexp": 1}
    assert graph.optimize(without=["softplus", "log_add_exp"]).counts() == {
        "exp": 1, "log1p": 1,
    }  # fmt: skip
    assert graph.optimize(without=["plus_zero"]).counts() == {"logaddexp": 1, "add": 1}
    assert graph.optimize(without="plus_zero").counts() == {"logaddexp": 1, "add": 1}


def test_passes_by_name_by_function_and_none() -> None:
    graph = wg.trace(lambda x: x + 0.0, X)
    assert graph.optimize([]) is graph
    assert graph.optimize("simplify").counts() == {}
    assert graph.optimize([lambda g: g.inline(), "simplify"]).counts() == {}


def test_unknown_names_are_refused_with_those_that_are_there() -> None:
    graph = wg.trace(lambda x: x + 0.0, X)
    with pytest.raises(ShapeMismatch, match=r"(?s)passes are fold.*'simplyfy'"):
        graph.optimize(["simplyfy"])
    with pytest.raises(ShapeMismatch, match=r"(?s)rules are .*'logsoftmax'"):
        graph.optimize(without=["logsoftmax"])


def test_rules_have_names_of_their_own() -> None:
    everything = [name for row in RULES.values() for name in row] + NAMES
    assert len(set(everything)) == len([n for r in RULES.values() for n in r]) + len(
        set(NAMES)
    )


def test_check_finds_a_pass_that_breaks_the_graph() -> None:
    def broken(graph: Graph) -> Graph:
        other = wg.trace(np.sin, X)
        return Graph(graph.inputs, other.outputs, graph.in_spec, graph.out_spec)

    graph = wg.trace(np.cos, X)
    with pytest.raises(wg.WengertError, match="isn't among the inputs"):
        graph.optimize([broken], check=True)


# What is said -------------------------------------------------------------------------


def loss(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2 + w**2


def test_the_log_of_the_lectures_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    graph = wg.trace(wg.grad(loss, argnums=(0, 1, 2)), 1.0, 2.0, 3.0)
    after = graph.optimize(["simplify"], explain=True)
    said = capsys.readouterr().out
    rows = said.splitlines()
    assert rows[0].startswith(f"simplify: {count(graph)} → {count(after)} operations")
    removed = [r for r in rows[1:] if r.startswith("  one_times: ")]
    assert len(removed) == count(graph) - count(after)
    assert all("multiply(1.0, " in r and "  →  v" in r for r in removed)
    assert after(1.0, 2.0, 3.0) == graph(1.0, 2.0, 3.0)


def test_names_go_on_from_pass_to_pass() -> None:
    graph = wg.trace(lambda x: np.log(1.0 / (1.0 + np.exp(-(x * 1.0)))), X)
    _, steps = optimize(graph)
    told = "\n".join(map(str, steps))
    assert "one_times: v0 = multiply(x, 1.0)  →  x" in told
    assert (
        "log_sigmoid: v5 = log(v4)  →  v5a = negative(x); "
        "v5b = logaddexp(0.0, v5a); v5 = negative(v5b)"
    ) in told
    assert "no longer needed: v1, v2, v3" in told


def test_a_step_is_data() -> None:
    graph = wg.trace(lambda x: x + 0.0, X)
    _, (step,) = optimize(graph, ["simplify"])
    assert step == Step(
        "simplify", "asked for", 1, 0, ("plus_zero: v0 = add(x, 0.0)  →  x",), ()
    )


def test_a_pass_of_ones_own_is_told_by_lines() -> None:
    def doubled(graph: Graph) -> Graph:
        return rebuild(graph, lambda old, new: None if new.op.name != "sin" else
                       new.inputs[0])  # fmt: skip

    graph = wg.trace(lambda x: np.cos(np.sin(x)), X)
    _, (step,) = optimize(graph, [doubled])
    assert step.changes == (
        "- v0 = sin(x)", "- v1 = cos(v0)", "+ v0 = cos(x)",
    )  # fmt: skip


def test_replacements_keep_the_users_line_and_scope() -> None:
    def f(x: Any) -> Any:
        with wg.scope("head"):
            return np.log(1.0 + np.exp(x))

    after = wg.trace(f, X).optimize()
    assert after.outputs[0].scope == "head"
    assert "np.log(1.0 + np.exp(x))" in after.outputs[0].line


def test_steps_stay_in_order() -> None:
    """What a pass leaves alone is still computed when it is needed, not earlier."""
    graph = wg.trace(lambda x, y: np.cos(1.0 * x) * np.sin(y) * np.exp(y), 1.0, 2.0)
    names = [n.op.name for n in graph.optimize(["simplify"]).nodes if n.inputs]
    assert names == ["cos", "sin", "multiply", "exp", "multiply"]


def test_guards_follow_their_nodes() -> None:
    def f(x: Any) -> Any:
        y = 1.0 * x
        return np.sin(y) if y > 0 else y

    graph = wg.trace(f, 2.0, values=True)
    after = graph.optimize()
    assert [g.answer for g in after.guards] == [g.answer for g in graph.guards]


def test_nothing_to_do_gives_the_same_graph() -> None:
    graph = wg.trace(lambda x: np.sin(x), X)
    assert graph.optimize() is graph


def test_the_engine_takes_no_node_of_another_type() -> None:
    graph = wg.trace(lambda x: np.sum(np.sin(x)), X)
    other = wg.trace(np.cos, 1.0).outputs[0]
    assert rewrite(graph, lambda old, new, uses: ("wrong", other)) is not None
    same = rewrite(graph, lambda old, new, uses: ("x", new.inputs[0]))
    same.check()
    assert isinstance(Change("r", other, other), tuple)


# Size ---------------------------------------------------------------------------------


def chain(n: int) -> Graph:
    """n operations, in which every pass finds something at every few steps."""
    x = y = wg.symbol("x", (3,))
    for k in range(n // 5):
        y = np.sin(y * 1.0) + 0.0 if k % 2 else np.log(1.0 + np.exp(y)) - np.sin(x)
    return wg.function([x], y)


def seconds(graph: Graph, run: Any) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        run(graph)
        best = min(best, time.perf_counter() - start)
    return best


PASSES = {f.__name__: f for f, _ in PIPELINE}


@pytest.mark.parametrize("name", [*PASSES, "explained"])
def test_a_pass_is_linear_in_the_number_of_nodes(name: str) -> None:
    run = PASSES.get(name, optimize)
    small, large = chain(2_000), chain(20_000)
    # Ten times the nodes take ten times as long; a quadratic pass takes a hundred.
    assert seconds(large, run) < 35 * seconds(small, run) + 0.05


def test_a_hundred_thousand_nodes() -> None:
    graph = chain(100_000)
    after = graph.optimize()
    assert 0 < count(after) < count(graph)
    np.testing.assert_allclose(after(X), graph(X), rtol=1e-9)


def test_many_users_of_one_node_and_many_pieces() -> None:
    def f(x: Any) -> Any:
        pieces = [x * 1.0 for _ in range(1500)]
        whole = np.concatenate(pieces)
        return sum(whole[3 * i : 3 * i + 3] for i in range(1500))

    graph = wg.trace(f, X)
    start = time.perf_counter()
    after = graph.optimize()
    assert time.perf_counter() - start < 10.0
    np.testing.assert_allclose(after(X), graph(X))


def test_no_recursion() -> None:
    import sys

    graph = chain(20_000)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        optimize(graph)
    finally:
        sys.setrecursionlimit(limit)
