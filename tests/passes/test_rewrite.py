"""The engine: which rules are looked at, how uses are counted, what is skipped."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree
from wengert.graph.graph import Graph, Node
from wengert.passes.algebra import RULES as ALGEBRA
from wengert.passes.common import merge_common
from wengert.passes.rewrite import AMONG, RuleVisit, Uses, rewrite
from wengert.passes.stabilize import RULES as STABLE
from wengert.testing.scenario import Scenario

FILES = sorted((Path(__file__).parents[1] / "ops").glob("test_*.py"))
X = np.array([0.5, -1.25, 2.0])


def rows() -> list[Scenario]:
    found: dict[int, Scenario] = {}
    for path in FILES:
        spec = importlib.util.spec_from_file_location(f"rows_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, list):
                found.update((id(s), s) for s in value if isinstance(s, Scenario))
    return [s for s in found.values() if s.stage][::3]


def gradient_of(s: Scenario) -> Graph:
    """The graph of a row's value and gradient; of its value if it has none."""

    def total(*args: Any) -> Any:
        leaves = tree.flatten(s.f(*args))[0]
        return sum(np.sum(np.real(y)) for y in leaves if y.dtype.kind in "fc")

    try:
        argnums = tuple(range(len(s.args)))
        return wg.trace(wg.value_and_grad(total, argnums), *s.args)
    except (TypeError, ValueError, AttributeError):
        return wg.trace(s.f, *s.args)


@pytest.mark.parametrize("table", [ALGEBRA, STABLE])
def test_no_rule_is_passed_over_that_applies(table: Any) -> None:
    """What a rule says of a step's inputs holds wherever it applies."""
    visit = RuleVisit(table)
    looked = applied = 0
    for s in rows():
        graph = gradient_of(s)
        uses = Uses(graph)
        for node in graph.nodes:
            if not node.inputs:
                continue
            fitting = visit.fitting(node)
            for rule in visit.rows.get(node.op, ()):
                looked += 1
                if rule not in fitting and rule(node, uses) is not None:
                    pytest.fail(f"{rule.__name__} applies to {node!r} of {s.name}")
                applied += rule in fitting
    assert looked > 3 * applied > 0


def test_every_rule_with_a_condition_is_in_a_table() -> None:
    every = {r for t in (ALGEBRA, STABLE) for row in t.values() for r in row}
    assert set(AMONG) <= every
    assert len(AMONG) > 40


def test_only_steps_of_the_named_operations_are_visited() -> None:
    graph = wg.trace(lambda x: np.sin(np.cos(x)) + np.sin(x), X)
    seen: list[str] = []

    def visit(_old: Node, node: Node, uses: Uses) -> None:
        seen.append(node.op.name)

    sine = next(n.op for n in graph.nodes if n.op.name == "sin")
    assert rewrite(graph, visit, {sine}) is graph
    assert seen == ["sin", "sin"]


def test_uses_are_those_of_the_graph_that_is_written() -> None:
    """sin(x) has two users, of which merging takes one."""
    graph = wg.trace(lambda x: np.exp(np.sin(x)) * np.exp(np.sin(x)) + np.cos(x), X)
    graph = merge_common(graph)
    counts: dict[str, list[bool]] = {}

    def visit(_old: Node, node: Node, uses: Uses) -> tuple[str, Node] | None:
        for i in node.inputs:
            counts.setdefault(i.op.name, []).append(uses.once(i))
        if node.op.name == "multiply":
            return "half", node.inputs[0]
        return None

    rewrite(graph, visit)
    # Before the product goes, exp is used twice by it; then once by the sum.
    assert counts["exp"] == [False, False, True]
    assert counts["sin"] == [True]
    assert counts["input"] == [False, False]


def test_a_pass_that_left_the_graph_alone_is_not_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[str] = []

    def noted(graph: Graph) -> Graph:
        runs.append("noted")
        return graph

    def changing(graph: Graph) -> Graph:
        runs.append("changing")
        return Graph(graph.inputs, graph.outputs)

    pipeline = ((noted, ""), (noted, ""), (changing, ""), (noted, ""), (noted, ""))
    monkeypatch.setattr("wengert.passes.pipeline.PIPELINE", pipeline)
    wg.trace(np.sin, X).optimize()
    assert runs == ["noted", "changing", "noted"]
