"""The engine of the passes: nodes are replaced one by one, from inputs to outputs.

A pass is a loop over the nodes that never goes back, so it is linear in their number.
What it replaces is noted where `optimize(explain=True)` finds it.
"""

import contextvars
import functools
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from wengert.core.op import OPS, Op
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
    """How many nodes use each result in the graph that is being written.

    What happens to the graph is noted, and counted once somebody asks: most passes
    never do.
    """

    __slots__ = ("_before", "_done", "_events", "_graph", "_now", "_seen")

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._before: Counter[Node] = Counter()
        self._now: Counter[Node] = Counter()
        self._seen: set[Node] = set()
        # (whether a step was replaced, the step, what is there now), and how many of
        # them are counted; −1 before the first question.
        self._events: list[tuple[bool, Node, Node]] = []
        self._done = -1

    def once(self, node: Node) -> bool:
        """Whether the node goes if the one step that is looking at it goes."""
        if self._done < 0:
            self._begin()
        if not self._events:
            return self._before[node] <= 1
        while self._done < len(self._events):
            replaced, old, new = self._events[self._done]
            self._done += 1
            if replaced:
                self._replace(old, new)
            else:  # the new one has the users that the old one had
                self._seen.add(new)
                self._now[new] += self._before[old]
        return self._now[node] <= 1

    def enter(self, old: Node, new: Node) -> None:
        """`new` stands for `old` from here on; until the first change each for itself,
        of which nothing need be said."""
        self._events.append((False, old, new))

    def replaced(self, node: Node, by: Node) -> None:
        """`by` and what was made for it use their inputs; `node` no longer does."""
        self._events.append((True, node, by))

    def _begin(self) -> None:
        """Counts the graph as it was."""
        self._done = 0
        self._before = Counter([i for n in self._graph.nodes for i in n.inputs])
        for node in self._graph.outputs:
            self._before[node] += 2  # the caller sees it: it never goes

    def _replace(self, node: Node, by: Node) -> None:
        now = self._now
        pending = [by]
        while pending:
            fresh = pending.pop()
            if fresh not in self._seen and fresh is not node:
                self._seen.add(fresh)
                now.update(fresh.inputs)
                pending.extend(fresh.inputs)
        released = [] if now[node] else [node]
        now[by] += 1  # it stays, even if only `node` used it
        while released:
            for i in released.pop().inputs:
                now[i] -= 1
                if not now[i]:
                    released.append(i)
        now[by] -= 1


Rule = Callable[[Node, Uses], Node | None]
Rules = Mapping[str, tuple[Rule, ...]]
Visit = Callable[[Node, Node, Uses], tuple[str, Node] | None]

# Rules on one node end far sooner; a guard against two that undo each other.
_MOST = 20


def rewrite(graph: Graph, visit: Visit, only: Container[Op] | None = None) -> Graph:
    """The graph with each step replaced by what `visit` gives: (rule, node) or None.

    `visit(node, moved, uses)` gets a step and the same step on its new inputs. What
    has another type than the step is not taken for it. The order of the steps stays as
    it was, so values live as long as before. Steps of operations that aren't in `only`
    are left as they are.
    """
    uses = Uses(graph)
    log = Log([], {})
    new = log.moved
    moves = False
    for k, node in enumerate(graph.nodes):
        moved = _moved(node, new) if moves else node
        op = node.op
        if op is not INPUT and (only is None or op in only):
            found = visit(node, moved, uses)
            by = typed_as(found[1], moved) if found else None
            if found and by is not None and by is not moved:
                if not moves:
                    moves = True
                    for n in graph.nodes[:k]:
                        new[n] = n
                        uses.enter(n, n)
                log.changes.append(Change(found[0], node, by))
                uses.replaced(moved, by)
                moved = by
        if moves:
            uses.enter(node, moved)
            new[node] = moved
    logs = LOGS.get()
    if logs is not None:
        logs.append(log if moves else Log([], {n: n for n in graph.nodes}))
    if not moves:
        return graph
    guards = tuple(g._replace(node=new.get(g.node, g.node)) for g in graph.guards)
    outputs = tuple(new[n] for n in graph.outputs)
    return Graph(
        graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, guards
    )


def _moved(node: Node, new: dict[Node, Node]) -> Node:
    """The step on its new inputs: after the first change a new one, for the order."""
    if not node.inputs:
        return node
    return Node(
        node.op, tuple([new[i] for i in node.inputs]), node.params, node.type,
        node.source, node.name, node.scope,
    )  # fmt: skip


# What the decorated rules need, by rule; filled as the modules of rules are imported.
AMONG: dict[Rule, frozenset[str]] = {}


def among(*names: str) -> Callable[[Rule], Rule]:
    """Says that a rule applies only if an input is one of these operations.

    So most rules are ruled out without a call. A number that `match.number` finds is a
    "constant", or the "broadcast_to" of one.
    """

    def note(rule: Rule) -> Rule:
        AMONG[rule] = frozenset(names)
        return rule

    return note


class RuleVisit:
    """A visit that applies the rules for a step's op until none does.

    Attributes:
        rows: the rules by operation.
    """

    __slots__ = ("_fitting", "rows")

    def __init__(self, rules: Rules, without: Collection[str] = ()) -> None:
        self.rows: dict[Op, tuple[Rule, ...]] = {
            OPS[name]: tuple(r for r in row if r.__name__ not in without)
            for name, row in rules.items()
            if name in OPS
        }
        self._fitting = functools.lru_cache(maxsize=1024)(self._find)

    def _find(self, op: Op, inputs: frozenset[str]) -> tuple[Rule, ...]:
        """The rules that can apply to such an operation on results of such others."""
        return tuple(
            r
            for r in self.rows[op]
            if r not in AMONG or not AMONG[r].isdisjoint(inputs)
        )

    def fitting(self, node: Node) -> tuple[Rule, ...]:
        """The rules to try on a step."""
        if node.op not in self.rows:
            return ()
        return self._fitting(node.op, frozenset([i.op.name for i in node.inputs]))

    def __call__(self, _node: Node, moved: Node, uses: Uses) -> tuple[str, Node] | None:
        fired: list[str] = []
        current = moved
        while len(fired) < _MOST:
            for rule in self.fitting(current):
                found = rule(current, uses)
                by = typed_as(found, current) if found is not None else None
                if by is not None:
                    fired.append(rule.__name__)
                    current = by
                    break
            else:
                break
        return (", ".join(fired), current) if fired else None


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
