"""What is kept between the parts, measured by an evaluation that counts live bytes."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.core.bind import bind
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node, topological
from wengert.passes import merge_common
from wengert.passes.mincut import Network
from wengert.passes.rematerialize import kept, kept_bytes, rematerialize

RNG = np.random.default_rng(0)


def live(graph: Graph, args: list[Any]) -> tuple[int, int, list[Any]]:
    """(bytes alive after the forward part, most bytes alive, results).

    Arguments, constants and the results of the graph aren't counted. A view counts as
    the array that it shows, once.
    """
    values: dict[Node, Any] = dict(zip(graph.inputs, args, strict=True))
    uses = Counter(i for n in graph.nodes for i in n.inputs)
    forward = set(topological(graph.outputs[:1]))
    last = max(n.number for n in forward)
    between, most = 0, 0
    for n in graph.nodes:
        if n.op is CONSTANT:
            values[n] = n.params["value"]
        elif n.op is not INPUT:
            inputs = [values[i] for i in n.inputs]
            values[n] = (
                inputs[0][n.params["index"]]
                if n.op is PART
                else bind(n.op, *inputs, **n.params)
            )
            for i in n.inputs:
                uses[i] -= 1
                if not uses[i] and i.inputs and i not in graph.outputs:
                    del values[i]
        size = held(v for k, v in values.items() if k.inputs and k not in graph.outputs)
        most = max(most, size)
        if n.number == last:
            between = size
    return between, most, [values[n] for n in graph.outputs]


def held(values: Any) -> int:
    owners: dict[int, int] = {}
    for v in values:
        owner = v
        while isinstance(owner, np.ndarray) and owner.base is not None:
            owner = owner.base
        owners[id(owner)] = int(np.asarray(owner).nbytes)
    return sum(owners.values())


def network(w: Any, v: Any, x: Any) -> Any:
    h = np.log(1.0 + np.exp(x @ w))
    h = h * np.tanh(h) + np.cos(h)
    z = h @ v
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return np.mean(np.log(np.sum(e, axis=1))) + np.sum(h * h) * 1e-3


ARGS = [RNG.normal(size=(20, 30)), RNG.normal(size=(30, 8)), RNG.normal(size=(64, 20))]


@pytest.fixture
def joint() -> Graph:
    graph = wg.trace(network, *ARGS).grad((0, 1), with_value=True)
    return graph.optimize(without=["stabilize"])


def test_fewer_bytes_are_alive_between_the_parts(joint: Graph) -> None:
    after = rematerialize(joint)
    after.check()
    before_between, before_most, before = live(joint, ARGS)
    after_between, after_most, results = live(after, ARGS)
    for a, b in zip(results, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert kept_bytes(after) < 0.5 * kept_bytes(joint)
    assert after_between < 0.5 * before_between
    assert after_most <= before_most


def test_the_most_that_is_alive_falls_in_a_deep_network() -> None:
    def deep(w: Any, x: Any) -> Any:
        for _ in range(8):
            y = x @ w
            x = np.log(1.0 + np.exp(y)) * np.tanh(y) + np.cos(y)
            x = x * np.sin(x)
        return np.mean(x)

    args = [RNG.normal(size=(20, 20)) / 5.0, RNG.normal(size=(50, 20))]
    graph = wg.trace(deep, *args).grad(with_value=True).optimize(without=["stabilize"])
    after = rematerialize(graph)
    between, most, want = live(graph, args)
    less_between, less_most, got = live(after, args)
    assert less_between < 0.25 * between
    assert less_most < 0.4 * most
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_steps_and_some_of_them_twice(joint: Graph) -> None:
    after = rematerialize(joint)
    before, twice = joint.counts(), after.counts()
    assert set(before) == set(twice)
    assert all(before[name] <= twice[name] <= 2 * before[name] for name in before)
    for name in ("matmul", "sum", "max"):
        assert before[name] == twice[name]
    assert merge_common(after).counts() == before


def test_a_budget_that_is_kept_changes_nothing(joint: Graph) -> None:
    assert rematerialize(joint, budget=kept_bytes(joint)) is joint
    assert rematerialize(joint, budget=10**9) is joint


def test_a_smaller_budget_computes_more_again(joint: Graph) -> None:
    least = kept_bytes(rematerialize(joint))
    sizes = []
    for budget in np.linspace(least, kept_bytes(joint), 6, dtype=int):
        after = rematerialize(joint, budget=int(budget))
        assert kept_bytes(after) <= budget
        sizes.append(sum(after.counts().values()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_nothing_to_gain_gives_the_same_graph() -> None:
    a = RNG.normal(size=(4, 4))
    graph = wg.trace(wg.value_and_grad(lambda a: np.sum((a @ a) @ a)), a)
    assert rematerialize(graph) is graph


def test_the_forward_part_may_be_named() -> None:
    graph = wg.trace(lambda x: np.sum(np.exp(np.sin(x @ x))), np.ones((4, 4)))
    end = graph.outputs[0]
    gradient = graph.grad()
    assert end in gradient.nodes or kept(graph, end) == []
    both = graph.grad(with_value=True)
    assert kept_bytes(rematerialize(both, forward=both.outputs[0]), 0) == 128


def test_forward_results_that_are_outputs_are_kept() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x @ x)
        return np.sum(np.exp(y)), y

    x = RNG.normal(size=(4, 4))
    graph = wg.trace(wg.value_and_grad(f, has_aux=True), x)
    after = rematerialize(graph)
    after.check()
    for a, b in zip(after.evaluate([x]), graph.evaluate([x]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_large_graphs_take_linear_time_and_no_recursion() -> None:
    x = wg.symbol("x", (3, 3))
    y = x @ x
    for k in range(10_000):
        y = np.sin(y) if k % 50 else y @ x * 0.1
    graph = wg.function([x], np.sum(y)).grad(with_value=True)
    after = rematerialize(graph)
    assert kept_bytes(after) < 0.1 * kept_bytes(graph)


# The cut ------------------------------------------------------------------------------

EDGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=14
)


def worth(side: set[int], edges: list[tuple[int, int, int]]) -> int:
    return sum(c for a, b, c in edges if a in side and b not in side)


@settings(deadline=None, max_examples=300)
@given(EDGES)
def test_no_other_cut_is_cheaper(edges: list[tuple[int, int, int]]) -> None:
    net = Network(6)
    for a, b, c in edges:
        net.join(a, b, c)
    side = net.cut(0, 5)
    assert 0 in side
    assert 5 not in side
    every = (
        {0, *some} for n in range(5) for some in itertools.combinations(range(1, 5), n)
    )
    assert worth(side, edges) == min(worth(s, edges) for s in every)
