"""All passes in their order, with the reason for each one's place."""

import functools
from collections.abc import Callable, Collection, Iterable

from wengert.core.errors import ShapeMismatch, explain
from wengert.graph.graph import Graph
from wengert.passes.algebra import RULES as ALGEBRA
from wengert.passes.algebra import simplify
from wengert.passes.chains import reassociate
from wengert.passes.common import merge_common
from wengert.passes.explain import Step, explained
from wengert.passes.fold import fold_constants
from wengert.passes.products import plain_products
from wengert.passes.rewrite import names_of
from wengert.passes.stabilize import RULES as STABLE
from wengert.passes.stabilize import stabilize
from wengert.passes.sums import sum_first

Pass = Callable[[Graph], Graph]

# Dead code needs no pass: a Graph has the nodes that its outputs need, and no others.
PIPELINE: tuple[tuple[Pass, str], ...] = (
    (fold_constants, "first, so that later passes see numbers instead of expressions"),
    (merge_common, "before rules that ask whether two things are the same"),
    (simplify, "before stabilising, which knows formulas in their plain form only"),
    (merge_common, "what simplifying made equal: both exp(x) of a softmax"),
    (stabilize, "on the whole formula, before products hide parts of it"),
    (
        plain_products,
        "before the second algebra, whose rules know plain products better",
    ),
    (simplify, "what stabilising and plain products left, such as −−x"),
    (reassociate, "after transposes and signs have moved out of the chains"),
    (sum_first, "on the products that are left, however they were ordered"),
    (fold_constants, "what simplifying made constant"),
    (merge_common, "last, for what the passes before made equal"),
)

RULES: dict[Pass, tuple[str, ...]] = {
    simplify: names_of(ALGEBRA),
    stabilize: names_of(STABLE),
}


def optimize(
    graph: Graph,
    passes: Iterable[str | Pass] | None = None,
    *,
    without: Collection[str] = (),
    check: bool = False,
) -> tuple[Graph, list[Step]]:
    """The graph after all passes, or after those given, and what each did.

    Args:
        graph: the graph.
        passes: names or functions, in order; by default the pipeline.
        without: names of passes, or of rules of `simplify` and `stabilize`, to leave
            out.
        check: whether to check the graph's invariants after each pass.

    Returns:
        The graph, and a list of `Step`.

    Raises:
        ShapeMismatch: for an unknown pass or rule.
    """
    without = _checked(without)
    names = graph.names()
    steps: list[Step] = []
    for function, why in _chosen(passes):
        if function.__name__ in without:
            continue
        run = function
        if function in RULES:
            run = functools.partial(function, without=without)  # type: ignore[call-arg]
        after, step, names = explained(run, function.__name__, why, graph, names)
        if check:
            after.check()
        steps.append(step)
        graph = after
    return graph, steps


def _optimize(
    self: Graph,
    passes: Iterable[str | Pass] | None = None,
    *,
    without: Collection[str] = (),
    explain: bool = False,
    check: bool = False,
) -> Graph:
    """The graph after all passes, or after those given; `explain` prints what they did.

    >>> from wengert.graph.stage import trace
    >>> graph = trace(lambda x: (x + 0.0) * 1.0, 3.0).optimize(explain=False)
    >>> graph.counts()
    {}
    """
    if not explain:
        return _plain(self, passes, without, check)
    graph, steps = optimize(self, passes, without=without, check=check)
    print("\n".join(map(str, steps)))
    return graph


def _plain(
    graph: Graph,
    passes: Iterable[str | Pass] | None,
    without: Collection[str],
    check: bool,
) -> Graph:
    without = _checked(without) if without else frozenset()
    settled: dict[Pass, Graph] = {}  # what each pass left as it was, last time
    for function, _ in _chosen(passes):
        if function.__name__ in without or settled.get(function) is graph:
            continue
        before = graph
        if function in RULES:
            graph = function(graph, without=without)  # type: ignore[call-arg]
        else:
            graph = function(graph)
        if graph is before:
            settled[function] = graph
        if check:
            graph.check()
    return graph


Graph.optimize = _optimize


def _known() -> dict[str, Pass]:
    return {f.__name__: f for f, _ in PIPELINE}


def _chosen(passes: Iterable[str | Pass] | None) -> list[tuple[Pass, str]]:
    if passes is None:
        return list(PIPELINE)
    known = _known()
    chosen: list[tuple[Pass, str]] = []
    for p in [passes] if isinstance(passes, str) else passes:
        if isinstance(p, str) and p not in known:
            raise ShapeMismatch(
                explain(
                    f"The passes are {', '.join(known)}.", repr(p), "pick from these."
                )
            )
        chosen.append((known[p] if isinstance(p, str) else p, "asked for"))
    return chosen


def _checked(without: str | Collection[str]) -> frozenset[str]:
    """The names to leave out, all of which exist."""
    rules = [name for row in RULES.values() for name in row]
    names = frozenset([without] if isinstance(without, str) else without)
    for name in sorted(names):
        if name not in _known() and name not in rules:
            raise ShapeMismatch(
                explain(
                    f"The passes are {', '.join(_known())}; their rules are "
                    f"{', '.join(rules)}.",
                    repr(name),
                    "leave out what is there.",
                )
            )
    return names
