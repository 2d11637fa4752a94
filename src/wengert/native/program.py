"""A graph as a compiled program: native segments, with host calls between them."""

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import op_named
from wengert.core.types import Array, Type
from wengert.graph.graph import CONSTANT, Graph, Node
from wengert.graph.stage import Guard
from wengert.native import link, machine, threads
from wengert.native.assemble import Assembly, Module, reads_of, results_of
from wengert.native.expand import expand
from wengert.native.forms import element_of
from wengert.native.kernel import Kernel
from wengert.native.partition import Host, Library, Partition

NATIVE_QUESTIONS = ("bool", "int", "index", "float")


@dataclass(slots=True)
class Segment:
    """Native code for some steps in a row."""

    module: Module
    library: link.Library
    call: Any
    guards: tuple[int, ...]  # which of the graph's it checks
    arenas: list[np.ndarray[Any, Any]] = field(default_factory=list)  # to use again


class Program:
    """A compiled graph.

    Attributes:
        graph: what was compiled.
        segments: native code and host calls, in order.
        seconds: how long compiling took.
        kernels: the number of loop nests.
        host_calls: (op, why) for each step that the host does.
        native: the only segment, if the host does nothing; a fast entry can call it.
    """

    def __init__(self, graph: Graph) -> None:
        began = time.perf_counter()
        self.source = graph
        self.graph, self.guards = _closed(graph)
        self.graph_outputs = self.graph.outputs[: len(graph.outputs)]
        parts = Partition(self.graph)
        self.segments = _segments(self.graph, parts, self.guards)
        self.kernels = sum(isinstance(s, Kernel) for s in parts.steps)
        self.library_calls = [
            s.node.op.name for s in parts.steps if isinstance(s, Library)
        ]
        self.host_calls = [
            (s.node.op.name, s.why) for s in parts.steps if isinstance(s, Host)
        ]
        self.seconds = time.perf_counter() - began

    @property
    def native(self) -> Segment | None:
        """The whole program, if it is one piece of native code."""
        only = self.segments[0] if len(self.segments) == 1 else None
        return only if isinstance(only, Segment) else None

    @property
    def bytes(self) -> int:
        """Of machine code."""
        return sum(s.library.size for s in self.segments if isinstance(s, Segment))

    def __call__(self, arrays: Sequence[Array]) -> tuple[list[Array], int]:
        """The outputs and −1, or nothing and the number of the guard that failed."""
        values: dict[Node, Any] = {
            n: np.ascontiguousarray(np.asarray(x, n.dtype)).reshape(n.shape)
            for n, x in zip(self.graph.inputs, arrays, strict=True)
        }
        for s in self.segments:
            if isinstance(s, Host):
                _on_host(s, values)
                continue
            status = _run(s, values)
            if status < 0:
                return self._reference(arrays)
            if status:
                return [], s.guards[status - 1]
        for k, g in enumerate(self.guards):
            if not _is_native(g) and not _answers(g, _value(values, g.node)):
                return [], k
        return [_result(values, n) for n in self.graph_outputs], -1

    def _reference(self, arrays: Sequence[Array]) -> tuple[list[Array], int]:
        """What NumPy does, errors included."""
        outputs = self.graph.evaluate(list(arrays))
        for k, g in enumerate(self.guards):
            n = self.graph.outputs.index(g.node)
            if not _answers(g, outputs[n]):
                return [], k
        return outputs[: len(self.graph_outputs)], -1


def _closed(graph: Graph) -> tuple[Graph, tuple[Guard, ...]]:
    """The graph with its guards' values as further outputs, expanded.

    Outputs are made by some step: one that is an input, a constant or another output
    becomes a copy.
    """
    wanted = [*graph.outputs, *(g.node for g in graph.guards)]
    whole = Graph(
        graph.inputs, tuple(wanted), graph.in_spec, graph.out_spec, graph.name
    )
    whole = expand(whole)
    count = len(graph.outputs)
    outputs: list[Node] = []
    for i, n in enumerate(whole.outputs):
        is_leaf = not n.inputs
        if (i < count and (is_leaf or n in outputs)) or (i >= count and is_leaf):
            n = _copied(n)
        outputs.append(n)
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


def _segments(
    graph: Graph, parts: Partition, guards: tuple[Guard, ...]
) -> list[Segment | Host]:
    """Steps in runs of native ones, each compiled with what it takes and gives."""
    runs: list[list[Kernel | Library] | Host] = []
    for step in parts.steps:
        if isinstance(step, Host):
            runs.append(step)
        elif runs and isinstance(runs[-1], list):
            runs[-1].append(step)
        else:
            runs.append([step])
    if not runs and (graph.outputs or guards):
        runs.append([])
    native = tuple(k for k, g in enumerate(guards) if _is_native(g))
    last = max((i for i, r in enumerate(runs) if isinstance(r, list)), default=-1)
    context = _Context(graph, parts, guards)
    made: list[Segment | Host] = []
    for i, run in enumerate(runs):
        if isinstance(run, Host):
            made.append(run)
        else:
            made.append(
                context.segment(run, runs[i + 1 :], native if i == last else ())
            )
    return made


class _Context:
    """What all segments of a program share."""

    def __init__(
        self, graph: Graph, parts: Partition, guards: tuple[Guard, ...]
    ) -> None:
        self.graph = graph
        self.parts = parts
        self.guards = guards
        self.nodes = {n.number: n for n in graph.nodes}
        self.given: dict[Node, None] = dict.fromkeys(graph.inputs)

    def segment(
        self, run: list[Any], later: list[Any], guards: tuple[int, ...]
    ) -> Segment:
        made = dict.fromkeys(n for s in run for n in results_of(s))
        reads = dict.fromkeys(n for s in run for n in reads_of(s))
        asked = [self.guards[k] for k in guards]
        reads |= dict.fromkeys(g.node for g in asked)
        inputs = [
            n for n in (self.graph.inputs if not later and not self._hosts() else reads)
            if n not in made and n.op is not CONSTANT
        ]  # fmt: skip
        needed = set(self.graph.outputs)
        for step in later:
            for s in step if isinstance(step, list) else [step]:
                needed.update(s.node.inputs if isinstance(s, Host) else reads_of(s))
        outputs = [n for n in made if n in needed]
        if not self._hosts():
            outputs = [n for n in self.graph.outputs if n in made or not n.type.size]
        module = Assembly(
            run, inputs, outputs, asked, self.nodes,
            machine.vector_bits(), machine.has_fma(),
        ).write()  # fmt: skip
        library = link.load(module.text)
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
        )
        call = prototype(library.address("program"))
        return Segment(module, library, call, guards)

    def _hosts(self) -> bool:
        return any(isinstance(s, Host) for s in self.parts.steps)


def _run(s: Segment, values: dict[Node, Any]) -> int:
    """Runs a segment: its status. Its outputs join `values`."""
    inputs = [_contiguous(values, n) for n in s.module.inputs]
    outputs = [np.empty(n.shape, n.dtype) for n in s.module.outputs]
    try:  # a thread that finds it taken makes one of its own
        arena = s.arenas.pop()
    except IndexError:
        arena = np.empty(s.module.arena + 64, np.uint8)
    start = -arena.ctypes.data % 64
    status = s.call(_pointers(inputs), _pointers(outputs), arena.ctypes.data + start)
    if not s.arenas:
        s.arenas.append(arena)
    values.update(zip(s.module.outputs, outputs, strict=True))
    return int(status)


def _pointers(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(a.ctypes.data for a in arrays))


def _contiguous(values: dict[Node, Any], node: Node) -> np.ndarray[Any, Any]:
    """A node's array as native code reads it, 0-d ones included."""
    x = np.asarray(_value(values, node), node.dtype)
    return x if x.flags.c_contiguous and x.flags.aligned else np.array(x, order="C")


def _value(values: dict[Node, Any], node: Node) -> Any:
    if node.op is CONSTANT:
        return node.params["value"]
    if not node.type.size and node not in values:  # no step makes nothing
        return np.empty(node.shape, node.dtype)
    return values[node]


def _on_host(step: Host, values: dict[Node, Any]) -> None:
    node = step.node
    args = [_as_argument(_value(values, i), i) for i in node.inputs]
    with np.errstate(all="ignore"):
        y = bind(node.op, *args, **node.params)
    if isinstance(node.type, Type):
        values[node] = y
    for r in step.results:
        if r is not node:
            values[r] = y[r.params["index"]]


def _as_argument(x: Any, node: Node) -> Any:
    """A value as eager code has it: Python's numbers, NumPy's scalars, or arrays."""
    if node.type.weak:
        return x.item() if isinstance(x, np.ndarray | np.generic) else x
    return x[()] if isinstance(x, np.ndarray) and not x.shape else x


def _result(values: dict[Node, Any], node: Node) -> Array:
    """A fresh array, or a NumPy scalar for no axes."""
    x = _value(values, node)
    return x if x.shape else x[()]


def _is_native(guard: Guard) -> bool:
    type = guard.node.type
    return (
        guard.asked in NATIVE_QUESTIONS
        and type.size == 1
        and bool(element_of(type))
        and np.size(guard.answer) == 1
    )


def _answers(guard: Guard, value: Any) -> bool:
    convert = {"bool": bool, "int": int, "index": int}.get(guard.asked)
    if convert is not None:
        try:
            return bool(convert(value) == convert(guard.answer))
        except (ValueError, OverflowError):
            return False
    a, b = np.asarray(value), np.asarray(guard.answer)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def compile(graph: Graph) -> Program:
    """A graph as a program of native code.

    Args:
        graph: any graph; passes are the caller's business. Its guards are checked.

    Returns:
        A Program: `program(arrays)` gives `(outputs, failed)`.

    >>> import numpy as np
    >>> from wengert.graph.stage import trace
    >>> program = compile(trace(lambda x: np.sum(x * x), np.ones(3)))
    >>> program([np.array([1.0, 2.0, 3.0])])
    ([np.float64(14.0)], -1)
    """
    return Program(graph)


# The pool of threads that programs call is found by the linker under its name.
__all__ = ["Program", "Segment", "compile", "threads"]
