"""Reading graphs: text, users, counts, cost, DOT, networkx, equality; deep graphs."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph.graph import Graph
from wengert.graph.symbols import as_symbol, named


def diamond(first: str = "v1") -> Graph:
    v1 = wg.symbol(first)
    v2 = named("v2", np.exp(v1))
    v3 = named("v3", v1 * v2)
    return wg.function([v1], named("v4", v2 + v3), name="y")


def net(x: Any, w: Any) -> Any:
    return np.sum(np.tanh(x @ w))


NET = wg.trace(net, np.ones((4, 3)), np.ones((3, 5)))

# Text, users, search ------------------------------------------------------------------


def test_the_text_is_a_wengert_list() -> None:
    rows = str(diamond()).splitlines()
    assert rows[0] == "y(v1: f64[]):"
    assert [r.split("#")[0].strip() for r in rows[1:-1]] == [
        "v2 = exp(v1)", "v3 = multiply(v1, v2)", "v4 = add(v2, v3)",
    ]  # fmt: skip
    assert all(re.search(r"# f64\[\]  test_read\.py:\d+$", r) for r in rows[1:-1])
    assert rows[-1] == "  return v4"


def test_users_are_the_graphs_not_the_nodes() -> None:
    """Graphs share nodes: in the gradient's graph exp has more users."""
    g = diamond()
    assert [n.name for n in g.users("v1")] == ["v2", "v3"]
    assert [n.name for n in g.users(g.node("v2"))] == ["v3", "v4"]
    assert g.users("v4") == []
    slope = g.grad(with_value=True)
    assert len(slope.users(g.node("v2"))) > 2
    everyone = g.users()
    assert [n.name for n in everyone[g.inputs[0]]] == ["v2", "v3"]
    squared = wg.trace(lambda x: x * x, 1.0)
    assert len(squared.users("x")) == 1  # once, though it has it twice


def test_find() -> None:
    g = diamond()
    assert g.find(op="exp") == [g.node("v2")]
    assert g.find(name="v3") == [g.node("v3")]
    assert g.find(op="exp", name="v3") == []
    assert g.find(op="input") == list(g.inputs)
    assert len(g.find()) == len(g.nodes)


def test_counts() -> None:
    assert diamond().counts() == {"exp": 1, "multiply": 1, "add": 1}
    assert NET.counts() == {"matmul": 1, "tanh": 1, "sum": 1}
    assert wg.trace(lambda x: x, 1.0).counts() == {}


def test_cost() -> None:
    cost = NET.cost()
    assert cost.operations == 3
    assert cost.flops == 2 * 4 * 5 * 3 + 4 * 5 + 4 * 5
    x, w, y = 4 * 3, 3 * 5, 4 * 5
    assert cost.bytes == 8 * ((x + w + y) + (y + y) + (y + 1))
    block = wg.checkpoint(net)
    inside = wg.trace(block, np.ones((4, 3)), np.ones((3, 5))).cost()
    assert inside.flops == cost.flops
    assert wg.trace(lambda x: x.reshape(2, 2).T, np.ones(4)).cost().flops == 0


def test_cost_of_single_precision_is_half() -> None:
    half = wg.trace(net, np.ones((4, 3), "f4"), np.ones((3, 5), "f4")).cost()
    assert half.bytes * 2 == NET.cost().bytes
    assert half.flops == NET.cost().flops


# DOT and networkx ---------------------------------------------------------------------

_STRING = r'"(?:[^"\\]|\\.)*"'
_NODE = re.compile(rf"^  (\w+) \[label=({_STRING}), shape=\w+\];$")
_EDGE = re.compile(r"^  (\w+) -> (\w+);$")


def parsed(dot: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Nodes with their labels, and edges; fails on any line that is neither."""
    lines = dot.splitlines()
    assert re.fullmatch(rf"digraph {_STRING} \{{", lines[0])
    assert lines[1] == "  rankdir=LR;"
    assert lines[-1] == "}"
    nodes, edges = {}, []
    for line in lines[2:-1]:
        if node := _NODE.match(line):
            assert node[1] not in nodes
            nodes[node[1]] = re.sub(
                r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], node[2][1:-1]
            )
        else:
            edge = _EDGE.match(line)
            assert edge, line
            edges.append((edge[1], edge[2]))
    assert {end for edge in edges for end in edge} <= set(nodes)
    return nodes, edges


def test_dot_has_every_node_and_edge() -> None:
    g = diamond()
    nodes, edges = parsed(g.to_dot())
    assert sorted(label.split("\n")[0] for label in nodes.values()) == [
        "output 0", "v1", "v2 = exp", "v3 = multiply", "v4 = add",
    ]  # fmt: skip
    assert len(edges) == sum(len(n.inputs) for n in g.nodes) + 1
    parsed(g.hessian().to_dot())
    parsed(NET.vjp().to_dot())


@pytest.mark.parametrize(
    "name",
    [
        'quote " quote',
        "line\nline",
        "back\\slash",
        "ends with \\",
        '\\"',
        "<script>alert(1)</script>",
        "<b>html label</b>",
        '"]; evil [label="',
        "nul\x00 bell\x07 return\r",
        "\u202e backwards",
        "größer ∂",
    ],
)
def test_no_name_breaks_out_of_its_label(name: str) -> None:
    x = wg.symbol(name)
    with wg.scope(name):
        y = np.sin(x)
    g = wg.function([x], named(name + "!", y * 2.0), name=name)
    nodes, edges = parsed(g.to_dot())
    assert (len(nodes), len(edges)) == (5, 5 - 1)
    assert "label=<" not in g.to_dot()
    labels = "".join(nodes.values())
    assert all(c.isprintable() or c == "\n" for c in labels)
    if name.isprintable():
        assert f"{name}\nf64[]" in nodes.values()


def test_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    g = diamond()
    graph = g.to_networkx()
    assert networkx.is_directed_acyclic_graph(graph)
    by_name = {data["name"]: n for n, data in graph.nodes(data=True)}
    assert set(by_name) == {"v1", "v2", "v3", "v4"}
    assert graph.nodes[by_name["v2"]]["op"] == "exp"
    assert graph.nodes[by_name["v2"]]["type"] == "f64[]"
    assert set(graph.successors(by_name["v1"])) == {by_name["v2"], by_name["v3"]}
    squared = wg.trace(lambda x: x * x, 1.0).to_networkx()
    assert squared.number_of_edges() == 2  # x twice
    order = list(networkx.topological_sort(graph))
    assert order[0] == by_name["v1"]
    assert order[-1] == by_name["v4"]


def test_networkx_that_isnt_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(wg.WengertError, match="pip install networkx"):
        diamond().to_networkx()


# Equality and hash --------------------------------------------------------------------


def test_equal_by_structure() -> None:
    a, b = diamond(), diamond()
    assert a is not b
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b, diamond("x")}) == 2
    assert a.grad() == b.grad()
    assert hash(a.grad()) == hash(b.grad())
    assert a != a.grad()
    assert a != "y"


def test_the_order_of_independent_steps_doesnt_matter() -> None:
    x = wg.symbol("x")
    s, c = np.sin(x), np.cos(x)
    c2, s2 = np.cos(x), np.sin(x)
    assert wg.function([x], s * c) == wg.function([x], s2 * c2)


X = wg.symbol("x")
CHANGES: list[tuple[Any, Any]] = [
    (np.sin(X), np.cos(X)),
    (X - 1.0, 1.0 - X),
    (X * 2.0, X * 3.0),
    (X * np.nan, X * 1.0),
    (X * 0.0, X * -0.0),
    (X * np.array([1.0, 2.0]), X * np.array([1.0, 3.0])),
    (X * np.float32(2), X * 2.0),
    (np.sin(X) + np.sin(X), 2.0 * np.sin(X)),
    ([X, X + 1.0], [X + 1.0, X]),
    ([X], (X,)),
    ({"a": X}, {"b": X}),
]


@pytest.mark.parametrize(("one", "other"), CHANGES)
def test_different_structure_is_unequal(one: Any, other: Any) -> None:
    assert wg.function([X], one) != wg.function([X], other)
    assert wg.function([X], one) == wg.function([X], one)


def test_inputs_count_by_name_and_order() -> None:
    x, y = wg.symbol("x"), wg.symbol("y")
    assert wg.function([x, y], x - y) != wg.function([y, x], x - y)
    assert wg.function([x, y], x) != wg.function([x], x)
    assert wg.function([[x, y]], x) != wg.function([x, y], x)


def test_sharing_counts() -> None:
    s = np.sin(X)
    twice, once = wg.function([X], np.sin(X) + np.sin(X)), wg.function([X], s + s)
    assert twice != once
    assert twice.optimize(["merge_common"]) == once


def test_nan_constants_are_equal() -> None:
    assert wg.function([X], X * np.nan) == wg.function([X], X * np.nan)


# Deep and wide graphs -----------------------------------------------------------------

DEEP = 100_000


@pytest.fixture(scope="module")
def deep() -> Graph:
    def f(x: Any) -> Any:
        y = x
        for _ in range(DEEP // 2):
            y = y * x
            y = y + 1.0
        return y

    return wg.trace(f, 0.5)


@pytest.fixture
def shallow_stack() -> Iterator[None]:
    """Little room above what pytest itself takes."""
    limit, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    sys.setrecursionlimit(depth + 100)
    yield
    sys.setrecursionlimit(limit)


DEEP_OPERATIONS: dict[str, Any] = {
    "==": lambda g: g == g.replace(g.outputs[0], 1.0) or g == g.subgraph(g.outputs[0]),
    "hash": hash,
    "grad": lambda g: g.grad(),
    "grad by an inner node": lambda g: g.grad(g.nodes[DEEP // 2]),
    "vjp": lambda g: g.vjp(),
    "jvp": lambda g: g.jvp(),
    "find": lambda g: g.find(op="multiply", name="v7"),
    "to_dot": lambda g: g.to_dot(),
    "replace the first": lambda g: g.replace(g.nodes[1], 2.0 * as_symbol(g.nodes[1])),
    "subgraph": lambda g: g.subgraph(g.nodes[-2], [g.nodes[DEEP // 2], "x"]),
    "bind": lambda g: g.bind(x=0.5),
    "inline": lambda g: g.inline(),
    "override": lambda g: g.override("multiply", vjp=lambda ct, _, x, y: (ct, ct)),
    "print": str,
    "users": lambda g: g.users(),
    "cost": lambda g: (g.cost(), g.counts()),
    "run": lambda g: g.run(list(g.nodes[:DEEP:100]), {"x": 0.5}),
    "check": lambda g: g.check(),
    "call": lambda g: g(0.5),
}


@pytest.mark.parametrize("what", list(DEEP_OPERATIONS))
@pytest.mark.usefixtures("shallow_stack")
def test_a_hundred_thousand_nodes_need_no_recursion(what: str, deep: Graph) -> None:
    result = DEEP_OPERATIONS[what](deep)
    if isinstance(result, Graph):
        assert len(result.nodes) > 1
        result.check()
    del result  # freeing must not recurse either


def test_to_networkx_of_a_deep_graph(deep: Graph) -> None:
    networkx = pytest.importorskip("networkx")
    assert networkx.is_directed_acyclic_graph(deep.to_networkx())


def test_the_deep_gradient_is_right(deep: Graph) -> None:
    """y' = x·y'₋₁ + y₋₁ converges to 1/(1 − x)² = 4 at x = ½."""
    assert deep.grad()(0.5) == pytest.approx(4.0)
    assert deep.jvp()(0.5, 1.0)[1] == pytest.approx(4.0)


def test_a_graph_that_doubles_is_linear() -> None:
    """60 doublings have 2^60 paths, and 60 nodes."""

    def f(x: Any) -> Any:
        for _ in range(60):
            x = x + x
        return x

    g = wg.trace(f, 1.0)
    assert len(g.nodes) == 61
    assert g.grad()(1.0) == 2.0**60
    assert g == wg.trace(f, 1.0)
    assert len(g.to_dot().splitlines()) < 250
