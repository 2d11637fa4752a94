"""All passes in their order, with the reason for each one's place."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wengert.core.errors import ShapeMismatch, explain
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph
from wengert.passes.algebra import simplify
from wengert.passes.chains import reassociate
from wengert.passes.common import merge_common
from wengert.passes.fold import fold_constants
from wengert.passes.products import plain_products

Pass = Callable[[Graph], Graph]

# Dead code needs no pass: a Graph has the nodes that its outputs need, and no others.
PIPELINE: tuple[tuple[Pass, str], ...] = (
    (fold_constants, "first, so that later passes see numbers instead of expressions"),
    (merge_common, "before rules that look at users: equal steps are one step"),
    (plain_products, "before algebra, whose rules know plain products better"),
    (simplify, "the main step; leaves constants and equal steps behind"),
    (reassociate, "after transposes and scalings have moved out of the chains"),
    (fold_constants, "what simplifying left"),
    (merge_common, "what simplifying made equal"),
)


@dataclass(frozen=True)
class Step:
    """What one pass did: its name, the reason for its place, nodes before and after."""

    name: str
    why: str
    before: int
    after: int
    removed: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.before} → {self.after} operations  ({self.why})"]
        lines += [f"  - {row}" for row in self.removed]
        lines += [f"  + {row}" for row in self.added]
        return "\n".join(lines)


def optimize(
    graph: Graph,
    passes: Iterable[str | Pass] | None = None,
    *,
    explain_steps: bool = False,
    check: bool = False,
) -> Graph | tuple[Graph, list[Step]]:
    """The graph after all passes, or after those given.

    Args:
        graph: the graph.
        passes: names or functions, in order; by default the pipeline.
        explain_steps: whether to return what each pass did, too.
        check: whether to check the graph's invariants after each pass.

    Returns:
        The graph; with `explain_steps` a pair of it and a list of `Step`.

    Raises:
        ShapeMismatch: for an unknown pass.
    """
    steps: list[Step] = []
    for function, why in _chosen(passes):
        after = function(graph)
        if check:
            after.check()
        if explain_steps:
            steps.append(_step(function.__name__, why, graph, after))
        graph = after
    return (graph, steps) if explain_steps else graph


def _optimize(
    self: Graph,
    passes: Iterable[str | Pass] | None = None,
    *,
    explain: bool = False,
    check: bool = False,
) -> Graph:
    graph, steps = optimize(self, passes, explain_steps=True, check=check)  # type: ignore[misc]
    if explain:
        print("\n".join(map(str, steps)))
    return graph


Graph.optimize = _optimize


def _chosen(passes: Iterable[str | Pass] | None) -> list[tuple[Pass, str]]:
    if passes is None:
        return list(PIPELINE)
    known = {f.__name__: f for f, _ in PIPELINE}
    chosen: list[tuple[Pass, str]] = []
    for p in passes:
        if isinstance(p, str) and p not in known:
            raise ShapeMismatch(
                explain(f"The passes are {', '.join(known)}.", repr(p), "pick from these.")
            )
        chosen.append((known[p] if isinstance(p, str) else p, "asked for"))
    return chosen


def _operations(graph: Graph) -> int:
    return sum(n.op not in (INPUT, CONSTANT, PART) for n in graph.nodes)


def _step(name: str, why: str, before: Graph, after: Graph) -> Step:
    old, new = before.lines().values(), after.lines().values()
    removed = tuple(row for row in old if row not in set(new))
    added = tuple(row for row in new if row not in set(old))
    return Step(name, why, _operations(before), _operations(after), removed, added)
