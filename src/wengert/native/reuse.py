"""Programs that were compiled before: by this process, or by any on this machine.

The key is the graph as it comes, before the passes. So what is found costs no passes,
no partition and no LLVM, and an equal function that is compiled again shares the code.
"""

import os
import threading
from collections import OrderedDict

import numpy as np

from wengert.graph.compiling import Passes
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.native import cache, machine, record
from wengert.native.digest import described
from wengert.native.running import Call, Plan, Program, Segment

# Of this process's programs the last ones are held, though nobody may need them: a
# function that is made and compiled in a loop finds its code again.
_MOST, _MOST_BYTES = 32, 4 << 20


def compile(graph: Graph, passes: Passes | None = None, level: int = 1) -> Program:
    """A graph as a program of native code.

    Args:
        graph: any graph. Its guards are checked.
        passes: what it goes through before it is compiled; nothing, by default.
        level: of optimisation, as for `link.load`.

    Returns:
        A Program: `program(arrays)` gives `(outputs, failed)`.

    >>> import numpy as np
    >>> from wengert.graph.stage import trace
    >>> program = compile(trace(lambda x: np.sum(x * x), np.ones(3)))
    >>> program([np.array([1.0, 2.0, 3.0])])
    ([np.float64(14.0)], -1)
    """
    if os.environ.get("WENGERT_DEBUG", "") not in ("", "0"):
        from wengert.native import debug

        return debug.compile(graph if passes is None else passes.run(graph))
    key = key_of(graph, passes, level)
    if key is None:
        return Program(graph, passes, level=level)
    plan = _held.get(key)
    if plan is not None:
        return Program(graph, passes, plan)
    plan = _read(key, graph)
    program = Program(graph, passes, plan, level, keep=False)
    if plan is None:
        _write(key, program.plan)
    _held.put(key, program.plan)
    return program


def key_of(graph: Graph, passes: Passes | None = None, level: int = 1) -> str | None:
    """The name of a graph's program: what it computes, and what its code depends on.

    Args:
        graph: before the passes.
        passes: which ones it will go through.
        level: of optimisation.

    Returns:
        64 hexadecimal digits; None where nothing is kept, or if the graph has
        something in it whose content can't be told.
    """
    sources = cache.sources() if cache.is_on() else None
    text = described(graph) if sources else None
    if text is None:
        return None
    options = (
        f"graph {passes.name if passes else ''} {level} {machine.vector_bits()} "
        f"{machine.has_fma()} {np.__version__} {sources}"
    )
    return cache.key_of(text, options)


def _read(key: str, graph: Graph) -> Plan | None:
    """The plan that another process left, or None."""
    data = cache.read(key)
    if data is None:
        return None
    try:
        plan = record.decoded(data)
        _check(plan, graph)
    except Exception as error:  # whatever it is, compiling it anew is right
        cache.reject(key, f"{type(error).__name__}: {error}")
        return None
    return plan


def _check(plan: Plan, graph: Graph) -> None:
    """Raises if the plan can't be the graph's."""
    ends = (*graph.inputs, *graph.outputs, *(g.node for g in graph.guards))
    found = (*plan.inputs, *plan.outputs, *plan.guards)
    same = [
        a.type.shape == b.type.shape and a.type.dtype == b.type.dtype
        for a, b in zip(ends, found, strict=True)
    ]
    if not all(same):
        raise ValueError("it has other inputs, outputs or guards than the graph")


def _write(key: str, plan: Plan) -> None:
    """Leaves a plan for other processes, if it can be put into a file."""
    data = record.encoded(plan)
    if data is not None:
        cache.write(key, data)
    for s in plan.steps:
        if isinstance(s, Segment):
            s.objects = None


class _Held:
    """The last programs of this process, by key."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Plan | None:
        with self._lock:
            found = self._plans.get(key)
            if found is not None:
                self._plans.move_to_end(key)
            return found

    def put(self, key: str, plan: Plan) -> None:
        """Keeps a plan, without what the compiler knew of it."""
        if _bytes(plan) > _MOST_BYTES:
            return
        plan = _bare(plan)
        with self._lock:
            self._plans[key] = plan
            size = sum(map(_bytes, self._plans.values()))
            while len(self._plans) > _MOST or size > _MOST_BYTES:
                size -= _bytes(self._plans.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._plans.clear()


def _bare(plan: Plan) -> Plan:
    """The plan with nodes that only stand for values, so that it holds no graph."""
    known: dict[Node, Node] = {}

    def bare(n: Node) -> Node:
        if n not in known:
            known[n] = n if n.op is CONSTANT else Node(INPUT, (), {}, n.type)
        return known[n]

    def each(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(bare(n) for n in nodes)

    steps: list[Segment | Call] = []
    for s in plan.steps:
        if isinstance(s, Segment):
            made = Segment(
                each(s.inputs), each(s.outputs), s.arena, s.library, s.guards
            )
            steps.append(made)
            continue
        node = Node(s.node.op, each(s.node.inputs), s.node.params, s.node.type)
        for r in s.results:
            known[r] = node if r is s.node else Node(PART, (node,), r.params, r.type)
        steps.append(Call(node, each(s.results)))
    return plan._replace(
        inputs=each(plan.inputs), outputs=each(plan.outputs),
        guards=each(plan.guards), steps=tuple(steps),
    )  # fmt: skip


def _bytes(plan: Plan) -> int:
    """Of code and constants."""
    steps = [s for s in plan.steps if isinstance(s, Segment)]
    read = {
        n
        for s in plan.steps
        for n in (s.inputs if isinstance(s, Segment) else s.node.inputs)
    }
    constants = [n for n in read if n.op is CONSTANT]
    return sum(s.library.size for s in steps) + sum(
        np.asarray(n.params["value"]).nbytes for n in constants
    )


_held = _Held()


def forget() -> None:
    """Holds no programs any more; those that are in use stay."""
    _held.clear()
