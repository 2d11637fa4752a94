"""A graph as native code: where it is cut into segments, and each of them compiled."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.op import op_named
from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, Graph, Node
from wengert.graph.stage import Guard
from wengert.native import copied, link, machine, objects, threads
from wengert.native.assemble import Assembly, Module, reads_of, results_of
from wengert.native.expand import expand
from wengert.native.forms import element_of, part_of
from wengert.native.kernel import Kernel
from wengert.native.link import Library
from wengert.native.partition import Host, Partition
from wengert.native.partition import Library as LibraryCall
from wengert.native.record import is_data
from wengert.native.reuse import compile
from wengert.native.running import Call, Plan, Program, Segment

NATIVE_QUESTIONS = ("bool", "int", "index", "float")


@dataclass(slots=True)
class Whole:
    """What the compiler knows of a program.

    Attributes:
        graph: what was compiled, with the guards' nodes among its outputs.
        guards: their nodes are of that graph.
        segments: native code with kernels and text, and host calls, in order.
        plan: how it runs.
    """

    graph: Graph
    guards: tuple[Guard, ...]
    segments: list[Segment | Host]
    plan: Plan


def built(graph: Graph, level: int, keep: bool) -> Whole:
    """Compiles a graph.

    Args:
        graph: after the passes.
        level: of optimisation, as for `link.load`.
        keep: whether object code is kept under its text; else the segments have it, to
            be kept with the plan.
    """
    pieces = _Pieces(graph)
    steps = pieces.parts.steps
    # What can't be kept with its plan may still be kept piece by piece.
    keep = keep or not all(is_data(s.node) for s in steps if isinstance(s, Host))
    segments: list[Segment | Host] = []
    for piece in pieces.written():
        if isinstance(piece, Host):
            segments.append(piece)
            continue
        module, guards = piece
        segments.append(_compiled(module, guards, level, keep))
    return Whole(pieces.graph, pieces.guards, segments, pieces.plan(segments))


def rebuilt(graph: Graph, plan: Plan) -> Whole:
    """What `built` found for the graph of a plan; its code is taken as it is."""
    pieces = _Pieces(graph)
    libraries = iter([s.library for s in plan.steps if isinstance(s, Segment)])
    segments: list[Segment | Host] = []
    for piece in pieces.written():
        if isinstance(piece, Host):
            segments.append(piece)
        else:
            module, guards = piece
            segments.append(_segment(module, next(libraries), guards))
    return Whole(pieces.graph, pieces.guards, segments, plan)


def _compiled(
    module: Module, guards: tuple[int, ...], level: int, keep: bool
) -> Segment:
    text = module.text
    if keep:
        return _segment(module, link.load(text, level=level), guards)
    made = objects.compiled(text, level)
    segment = _segment(module, made.link(), guards)
    segment.objects = made
    return segment


def _segment(module: Module, library: Library, guards: tuple[int, ...]) -> Segment:
    return Segment(module.inputs, module.outputs, module.arena, library, guards, module)


def _closed(graph: Graph) -> tuple[Graph, tuple[Guard, ...]]:
    """The graph with its guards' values as further outputs, expanded.

    Outputs are made by some step: one that is an input, a constant or another output
    becomes a copy.
    """
    whole = graph
    if graph.guards:
        wanted = (*graph.outputs, *(g.node for g in graph.guards))
        whole = Graph(graph.inputs, wanted, graph.in_spec, graph.out_spec, graph.name)
    whole = expand(whole)
    count = len(graph.outputs)
    outputs: list[Node] = []
    for i, n in enumerate(whole.outputs):
        is_leaf = not n.inputs
        if (i < count and (is_leaf or n in outputs)) or (i >= count and is_leaf):
            n = _copied(n)
        outputs.append(n)
    made = whole
    if tuple(outputs) != whole.outputs:
        made = Graph(
            graph.inputs, tuple(outputs), graph.in_spec, graph.out_spec, graph.name
        )
    guards = tuple(
        g._replace(node=n) for g, n in zip(graph.guards, outputs[count:], strict=True)
    )
    return made, guards


def _copied(n: Node) -> Node:
    reshape = op_named("reshape")
    assert reshape is not None
    strong = Type(n.type.shape, n.type.dtype)
    return Node(reshape, (n,), {"shape": n.type.shape}, strong, n.source)


class _Pieces:
    """A graph's steps, those that native code does in segments."""

    def __init__(self, graph: Graph) -> None:
        self.count = len(graph.outputs)
        self.graph, self.guards = _closed(graph)
        self.parts = Partition(self.graph)
        self.nodes = {n.number: n for n in self.graph.nodes}
        self.hosts = any(isinstance(s, Host) for s in self.parts.steps)

    def plan(self, segments: list[Segment | Host]) -> Plan:
        """How the program runs, made of these segments."""
        steps = self.parts.steps
        return Plan(
            self.graph.inputs,
            self.graph.outputs[: self.count],
            tuple(
                Call(s.node, s.results) if isinstance(s, Host) else s for s in segments
            ),
            tuple(g.node for g in self.guards),
            tuple(k for k, g in enumerate(self.guards) if not _is_native(g)),
            sum(isinstance(s, Kernel) for s in steps),
            tuple(s.node.op.name for s in steps if isinstance(s, LibraryCall)),
            tuple((s.node.op.name, s.why) for s in steps if isinstance(s, Host)),
        )

    def written(self) -> list[tuple[Module, tuple[int, ...]] | Host]:
        """Each segment's text, with the guards that it checks, and the host's steps."""
        runs: list[list[Kernel | LibraryCall] | Host] = []
        for step in self.parts.steps:
            if isinstance(step, Host):
                runs.append(step)
            elif runs and isinstance(runs[-1], list):
                runs[-1].append(step)
            else:
                runs.append([step])
        if not runs and (self.graph.outputs or self.guards):
            runs.append([])
        native = tuple(k for k, g in enumerate(self.guards) if _is_native(g))
        last = max((i for i, r in enumerate(runs) if isinstance(r, list)), default=-1)
        made: list[tuple[Module, tuple[int, ...]] | Host] = []
        for i, run in enumerate(runs):
            if isinstance(run, Host):
                made.append(run)
                continue
            guards = native if i == last else ()
            made.append((self._module(run, runs[i + 1 :], guards), guards))
        return made

    def _module(
        self, run: list[Any], later: list[Any], guards: tuple[int, ...]
    ) -> Module:
        made = dict.fromkeys(n for s in run for n in results_of(s))
        reads = dict.fromkeys(n for s in run for n in reads_of(s))
        asked = [self.guards[k] for k in guards]
        reads |= dict.fromkeys(g.node for g in asked)
        inputs = [
            n for n in (self.graph.inputs if not later and not self.hosts else reads)
            if n not in made and n.op is not CONSTANT
        ]  # fmt: skip
        needed = set(self.graph.outputs)
        for step in later:
            for s in step if isinstance(step, list) else [step]:
                needed.update(s.node.inputs if isinstance(s, Host) else reads_of(s))
        outputs = [n for n in made if n in needed]
        if not self.hosts:
            outputs = [n for n in self.graph.outputs if n in made or not n.type.size]
        return Assembly(
            run, inputs, outputs, asked, self.nodes,
            machine.vector_bits(), machine.has_fma(),
        ).write()  # fmt: skip


def _is_native(guard: Guard) -> bool:
    type = guard.node.type
    return (
        guard.asked in NATIVE_QUESTIONS
        and type.size == 1
        and bool(element_of(Type((), part_of(type.dtype))))
        and np.size(guard.answer) == 1
    )


# What programs call is found by the linker under its name: the pool of threads, and
# copies of mathematical functions.
__all__ = [
    "Call", "Plan", "Program", "Segment", "Whole", "built", "compile", "copied",
    "rebuilt", "threads",
]  # fmt: skip
