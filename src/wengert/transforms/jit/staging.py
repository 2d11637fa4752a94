"""One staging run: a function becomes a graph, with what the graph depends on."""

import contextvars
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, bottom
from wengert.core.errors import TypeMismatch
from wengert.core.pending import computed, is_array
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node, constant, topological
from wengert.transforms.jit.capture import Check, Survey, current, survey
from wengert.transforms.jit.interpreter import JitStage, Split
from wengert.transforms.jit.mirror import Mirror
from wengert.transforms.jit.numbers import Number, number
from wengert.transforms.jit.randomness import watched
from wengert.transforms.jit.signature import Call, Leaf, leaf_of
from wengert.transforms.jit.world import native_order, native_type

# The staging run that is going on, for `debug`.
STAGING: contextvars.ContextVar[JitStage | None] = contextvars.ContextVar(
    "staging", default=None
)


# Functions with which NumPy's floating-point errors become exceptions.
_TRAPS = frozenset({"errstate", "seterr", "seterrcall"})


class OuterTrace(Exception):
    """The function reads a value that an outer transform traces."""


class Out(NamedTuple):
    """One leaf of the result.

    Attributes:
        kind: "array", "scalar" (of NumPy), "number" (of Python), "static".
        of: the number of the graph's output; the value itself, if static.
    """

    kind: str
    of: Any


class Write(NamedTuple):
    """An array of the caller's that the function writes into.

    Attributes:
        place: ("argument", leaf) or ("captured", check).
        output: the graph's output with its new contents.
    """

    place: tuple[str, int]
    output: int


class Staged(NamedTuple):
    """What a run left.

    Attributes:
        graph: inputs are the array leaves, then the loads, then the splits' results.
        inputs: which argument leaf each of the first inputs is.
        loads: which check each of the following inputs is read at.
        splits: where a shape depends on values.
        checks: what must hold of what the function read.
        outs, spec: the result's leaves and structure.
        writes: arrays that are written into.
        outcome: the result of this run and what it wrote there, computed when asked.
        effects: whether it printed, or called back.
        notes: what the report should say.
    """

    graph: Graph
    inputs: list[int]
    loads: list[int]
    splits: list[Split]
    checks: list[Check]
    outs: list[Out]
    spec: Any
    writes: list[Write]
    outcome: Callable[[], tuple[Any, list[Any]]]
    effects: bool
    notes: list[str]


def staged(
    f: Callable[..., Any],
    call: Call,
    names: list[str],
    raw: bool,
    quiet: bool = False,
) -> Staged:
    """Runs `f` on the values of `call`, writing down what it does.

    Args:
        f: the function.
        call: its arguments.
        names: a name for each leaf.
        raw: whether captured arrays and Python's numbers stay what they are: slower
            code, for functions that do with them what traced values can't.
        quiet: whether what `f` prints and calls back with `debug` is only noted.

    Raises:
        OuterTrace: if values of an outer transform take part.
    """
    kinds = [leaf_of(x, raw) or k for x, k in zip(call.leaves, call.kinds, strict=True)]
    objects = [
        (i, x)
        for i, (x, k) in enumerate(zip(call.leaves, kinds, strict=True))
        if k.kind in ("same", "object")
    ]
    seen = survey(f, objects, raw)
    if seen.traced:
        raise OuterTrace
    if seen.full:
        raise TypeMismatch("More is reachable from the function than can be watched.")
    if seen.asking:
        raise TypeMismatch(
            f"Code at {seen.asking} asks for the type of values (isinstance, hasattr, "
            "type), and would be given that of traced ones."
        )
    run = _Run(JitStage(), kinds, raw)
    run.stage.quiet = quiet
    if raw or not seen.names.isdisjoint(_TRAPS):
        run.stage.waits = False  # what follows may depend on when a value is computed
    args, kwargs = call.arguments(run.arguments(call.leaves, names))
    target = f if raw else run.mirror.of(f)
    token = STAGING.set(run.stage)
    try:
        with watched(f, seen.values):
            result = target(*args, **kwargs)
        del args, kwargs
        return run.finish(f, result, seen, call)
    finally:
        STAGING.reset(token)
        run.mirror.bring_back()
        run.stage.close()


class _Run:
    def __init__(self, stage: JitStage, kinds: list[Leaf], raw: bool) -> None:
        self.stage = stage
        self.kinds = kinds
        self.raw = raw
        self.mirror = Mirror(stage)
        stage.plain = self.mirror.plain
        self.inputs: list[tuple[int, Tracer, Node]] = []

    def arguments(self, leaves: list[Any], names: list[str]) -> list[Any]:
        """The leaves as the function gets them."""
        found: list[Any] = []
        for i, (x, kind) in enumerate(zip(leaves, self.kinds, strict=True)):
            if kind.kind in ("array", "scalar"):
                x = self.stage.input(native_type(kind.of), native_order(x), names[i])
            elif kind.kind in ("int", "float", "complex"):
                x = number(self.stage, x, names[i])
            elif kind.kind in ("same", "object") and not self.raw:
                x = self.mirror.of(x)
            if isinstance(x, Tracer):
                self.inputs.append((i, x, x.mark))
            found.append(x)
        return found

    def finish(self, f: Any, result: Any, seen: Survey, call: Call) -> Staged:
        """The graph, once the function has returned."""
        leaves, spec = tree.flatten(result)
        outs, nodes, values = self._outputs(leaves)
        writes, written = self._writes(seen, nodes)
        effects = self.stage.effects
        nodes += effects[-1:]
        notes = self._brought_back(f)
        checks, numbers = self._checks(seen, call, notes)
        loads = [
            (numbers[k], self.mirror.arrays[id(seen.values[k])][2])
            for k, check in enumerate(seen.checks)
            if check.rule == "array" and k in numbers
        ]
        graph = Graph(
            (
                *(node for _, _, node in self.inputs),
                *(node for _, node in loads),
                *(n for split in self.stage.splits for n in split.results),
            ),
            tuple(nodes),
            name=_name(f),
            guards=tuple(self.stage.guards),
        )
        self._check(graph)
        return Staged(
            graph, [i for i, _, _ in self.inputs], [k for k, _ in loads],
            self.stage.splits, checks, outs, spec,
            [w._replace(place=(w.place[0], numbers[w.place[1]]))
             if w.place[0] == "captured" else w for w in writes],
            lambda: (tree.unflatten(spec, _results(values)), _results(written)),
            bool(effects), notes,
        )  # fmt: skip

    def _check(self, graph: Graph) -> None:
        """Raises if a value of an outer transform took part, or an array that can't be
        found again at the next call."""
        asked = [g.node for g in graph.guards]
        asked += [split.asked for split in self.stage.splits]
        given = set(graph.inputs)
        nodes = topological((*graph.outputs, *asked)) if asked else graph.nodes
        for n in nodes:
            if n.op is CONSTANT and isinstance(n.params["value"], Tracer):
                raise OuterTrace
            if n.op is INPUT and n not in given:
                raise TypeMismatch(
                    f"An array of type {n.type} took part that no name leads to."
                )

    def _outputs(self, leaves: list[Any]) -> tuple[list[Out], list[Node], list[Any]]:
        outs: list[Out] = []
        nodes: list[Node] = []
        values: list[Any] = []
        for x in leaves:
            if isinstance(x, Tracer) and x.interp is self.stage:
                value = self.mirror.array_of(x)
                if value is None:
                    value = x.value
                if type(value) in (int, float, complex) and not isinstance(x, Number):
                    value = np.asarray(value, x.dtype)[()]  # NumPy's, as from np.add
                kind = "number" if isinstance(x, Number) else "scalar"
                if kind == "scalar" and is_array(value):
                    kind = "array"
                outs.append(Out(kind, len(nodes)))
                nodes.append(x.mark)
                values.append(value)
                continue
            value = self.mirror.plain(x)
            if isinstance(x, Tracer):
                raise OuterTrace
            if type(x) is np.ndarray and x.dtype.kind in "fciub":
                outs.append(Out("array", len(nodes)))
                nodes.append(constant(x))
            else:
                outs.append(Out("static", value))
            values.append(value.copy() if type(value) is np.ndarray else value)
        return outs, nodes, values

    def _writes(self, seen: Survey, nodes: list[Node]) -> tuple[list[Write], list[Any]]:
        """Arrays that hold something else than they were given."""
        found: list[Write] = []
        written: list[Any] = []

        def note(place: tuple[str, int], tracer: Tracer) -> None:
            found.append(Write(place, len(nodes)))
            nodes.append(tracer.mark)
            written.append(bottom(tracer))

        for i, tracer, node in self.inputs:
            if tracer.mark is not node:
                note(("argument", i), tracer)
        for array, tracer, node in self.mirror.arrays.values():
            if tracer.mark is not node:
                self.stage.touched.add(node)
                place = next(k for k, v in enumerate(seen.values) if v is array)
                note(("captured", place), tracer)
        return found, written

    def _brought_back(self, f: Any) -> list[str]:
        done = self.mirror.bring_back()
        self.mirror.filled, self.mirror.modules = [], {}
        return [
            f"{_name(f)} assigns {name} only while it is staged"
            for name in sorted(done)
        ]

    def _checks(
        self, seen: Survey, call: Call, notes: list[str]
    ) -> tuple[list[Check], dict[int, int]]:
        """The checks that matter, and the new number of each."""
        needed = self._needed(seen)
        changed = _changed(seen.checks, call.leaves)
        kept: list[Check] = []
        numbers: dict[int, int] = {}
        for k, check in enumerate(seen.checks):
            parent = check.parent
            if k not in needed or (parent >= 0 and parent not in numbers):
                continue
            if k in changed:
                notes.append(f"{check.name} changes while it runs: it isn't watched")
                continue
            expected = check.expected
            if check.rule == "alias":
                if expected not in numbers:
                    continue
                expected = numbers[expected]
            numbers[k] = len(kept)
            parent = numbers[parent] if parent >= 0 else -1
            kept.append(check._replace(parent=parent, expected=expected))
        for i, (kind, of) in enumerate(zip(self.kinds, call.kinds, strict=True)):
            if kind.kind == "static" and of.kind in ("int", "float", "complex"):
                x, name = call.leaves[i], f"argument {i}"
                kept.append(Check(-1, "argument", i, "equal", x, name))
        return kept, numbers

    def _needed(self, seen: Survey) -> set[int]:
        """All but arrays that took no part."""
        found = set()
        for k, check in enumerate(seen.checks):
            first = check.expected if check.rule == "alias" else k
            if seen.checks[first].rule == "array":
                made = self.mirror.arrays.get(id(seen.values[first]))
                if made is None or made[2] not in self.stage.touched:
                    continue
            found.add(k)
        return found


def _changed(checks: list[Check], leaves: list[Any]) -> set[int]:
    """Which places the run itself has changed: counters, lists appended to."""
    remaining = list(checks)
    changed: set[int] = set()
    while True:
        _, failed, now = current(remaining, leaves)
        if failed is None:
            return changed
        k = next(i for i, c in enumerate(remaining) if c is failed)
        changed.add(k)
        remaining[k] = failed._replace(rule="any", expected=now)


def _results(values: list[Any]) -> list[Any]:
    """The values, and arrays that are nobody else's."""
    found = map(computed, values)
    return [x.copy() if type(x) is np.ndarray else x for x in found]


def _name(f: Any) -> str:
    f = f.func if isinstance(f, functools.partial) else f
    name = getattr(f, "__name__", "function")
    return name if name.isidentifier() else "function"
