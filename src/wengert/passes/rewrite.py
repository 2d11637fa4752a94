"""The engine of the passes: nodes are replaced one by one, from inputs to outputs.

A pass is a loop over the nodes that never goes back, so it is linear in their number.
What it replaces is noted where `optimize(explain=True)` finds it.
"""

import contextvars
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from wengert.core.op import OPS
from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node, constant


class Change(NamedTuple):
    """A node of the graph before, what stands for it after, and the rule's name."""

    rule: str
    old: Node
    new: Node


class Log(NamedTuple):
    """What one run of `rewrite` did: its changes, and where each node went."""

    changes: list[Change]
    moved: dict[Node, Node]


# Where `optimize` collects the logs of a pass that it is explaining.
LOGS: contextvars.ContextVar[list[Log] | None] = contextvars.ContextVar(
    "logs", default=None
)


class Uses:
    """How many nodes use each result in the graph that is being written."""

    __slots__ = ("_before", "_count", "_seen")

    def __init__(self, graph: Graph) -> None:
        self._before = Counter(i for n in graph.nodes for i in n.inputs)
        for node in graph.outputs:
            self._before[node] += 2  # the caller sees it: it never goes
        self._count: Counter[Node] = Counter()
        self._seen: set[Node] = set()

    def once(self, node: Node) -> bool:
        """Whether the node goes if the one step that is looking at it goes."""
        return self._count[node] <= 1

    def enter(self, old: Node, new: Node) -> None:
        """`new` has the users that `old` had, those yet to come included."""
        self._seen.add(new)
        self._count[new] += self._before[old]

    def replaced(self, node: Node, by: Node) -> None:
        """`by` and what was made for it use their inputs; `node` no longer does."""
        pending = [by]
        while pending:
            fresh = pending.pop()
            if fresh not in self._seen and fresh is not node:
                self._seen.add(fresh)
                self._count.update(fresh.inputs)
                pending.extend(fresh.inputs)
        released = [] if self._count[node] else [node]
        while released:
            for i in released.pop().inputs:
                self._count[i] -= 1
                if not self._count[i]:
                    released.append(i)


Rule = Callable[[Node, Uses], Node | None]
Rules = Mapping[str, tuple[Rule, ...]]
Visit = Callable[[Node, Node, Uses], tuple[str, Node] | None]

# Rules on one node end far sooner; a guard against two that undo each other.
_MOST = 20


def rewrite(graph: Graph, visit: Visit) -> Graph:
    """The graph with each step replaced by what `visit` gives: (rule, node) or None.

    `visit(node, moved, uses)` gets a step and the same step on its new inputs. What
    has another type than the step is not taken for it. The order of the steps stays as
    it was, so values live as long as before.
    """
    uses = Uses(graph)
    log = Log([], {})
    new = log.moved
    for node in graph.nodes:
        moved = _moved(node, new, bool(log.changes))
        found = visit(node, moved, uses) if node.op is not INPUT else None
        by = typed_as(found[1], moved) if found else None
        if found and by is not None and by is not moved:
            log.changes.append(Change(found[0], node, by))
            uses.replaced(moved, by)
            moved = by
        uses.enter(node, moved)
        new[node] = moved
    logs = LOGS.get()
    if logs is not None:
        logs.append(log)
    if not log.changes:
        return graph
    guards = tuple(g._replace(node=new.get(g.node, g.node)) for g in graph.guards)
    outputs = tuple(new[n] for n in graph.outputs)
    return Graph(
        graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, guards
    )


def _moved(node: Node, new: dict[Node, Node], later: bool) -> Node:
    """The step on its new inputs; after the first change a new one, for the order."""
    if not later or not node.inputs:
        return node
    return Node(
        node.op, tuple(new[i] for i in node.inputs), node.params, node.type,
        node.source, node.name, node.scope,
    )  # fmt: skip


def by_rules(rules: Rules, without: Collection[str] = ()) -> Visit:
    """A visit that applies the rules for a step's op until none does."""
    chosen = {
        OPS[name]: tuple(r for r in row if r.__name__ not in without)
        for name, row in rules.items()
        if name in OPS
    }

    def visit(_node: Node, moved: Node, uses: Uses) -> tuple[str, Node] | None:
        fired: list[str] = []
        current = moved
        while len(fired) < _MOST:
            for rule in chosen.get(current.op, ()):
                found = rule(current, uses)
                by = typed_as(found, current) if found is not None else None
                if by is not None:
                    fired.append(rule.__name__)
                    current = by
                    break
            else:
                break
        return (", ".join(fired), current) if fired else None

    return visit


def names_of(rules: Rules) -> tuple[str, ...]:
    """The rules' names, each once."""
    return tuple(dict.fromkeys(r.__name__ for row in rules.values() for r in row))


def together(tables: Iterable[Rules]) -> Rules:
    """One table with the rows of all."""
    result: dict[str, tuple[Rule, ...]] = {}
    for table in tables:
        for name, row in table.items():
            result[name] = (*result.get(name, ()), *row)
    return result


def typed_as(by: Node, node: Node) -> Node | None:
    """`by`, if it can stand for `node`: the same shape and dtype, and as weak.

    A Python number that stands for a NumPy scalar becomes one, because its dtype would
    give way where the scalar's doesn't.
    """
    want: Type = node.type
    if by.type == want:
        return by
    if not isinstance(by.type, Type) or by.type[:2] != want[:2]:
        return None
    if by.op is not CONSTANT or want.weak:
        return None
    return constant(np.asarray(by.params["value"], want.dtype)[()])
