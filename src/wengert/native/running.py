"""A compiled graph as it runs: native segments, with host calls between them.

Nothing of the compiler is needed here: a program of the cache's is a plan that was
read, whose nodes only stand for values. What the compiler knew of it (the graph after
the passes, kernels, LLVM's text) is made again when somebody asks.
"""

import ctypes
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array, Type
from wengert.graph.compiling import Passes
from wengert.graph.graph import CONSTANT, Graph, Node
from wengert.graph.stage import Guard
from wengert.native.link import Library
from wengert.native.objects import Objects

if TYPE_CHECKING:
    from wengert.native.assemble import Module
    from wengert.native.partition import Host
    from wengert.native.program import Whole

_PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


class Segment:
    """Native code for some steps in a row.

    Attributes:
        inputs: the nodes whose data it takes, constants last.
        outputs: the nodes whose data it writes.
        arena: the bytes of scratch memory it needs.
        library: its code.
        guards: which of the program's it checks.
        module: how it was written; None in a program that was read.
        objects: its code as it is kept; None when that has been done.
        call: the code as a function.
        arenas: to use again.
    """

    __slots__ = ("arena", "arenas", "call", "guards", "inputs", "library", "module",
                 "objects", "outputs")  # fmt: skip

    def __init__(
        self,
        inputs: tuple[Node, ...],
        outputs: tuple[Node, ...],
        arena: int,
        library: Library,
        guards: tuple[int, ...],
        module: "Module | None" = None,
        objects: Objects | None = None,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.arena = arena
        self.library = library
        self.guards = guards
        self.module = module
        self.objects = objects
        self.call = _PROTOTYPE(library.address("program"))
        self.arenas: list[np.ndarray[Any, Any]] = []

    @property
    def written(self) -> "Module":
        """How it was written; the segments of `Program.segments` know it."""
        assert self.module is not None
        return self.module


class Call(NamedTuple):
    """A step that the host does: the node's op, and which nodes get its results."""

    node: Node
    results: tuple[Node, ...]


class Plan(NamedTuple):
    """All that is needed to run a program.

    Attributes:
        inputs, outputs: nodes; only their types count.
        steps: in order.
        guards: the node that each of the graph's guards asks.
        asked: which guards the host checks after all steps.
        kernels: the number of loop nests.
        library_calls: the ops that BLAS, LAPACK and routines compute.
        host_calls: (op, why) for each step that the host does.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    steps: tuple[Segment | Call, ...]
    guards: tuple[Node, ...]
    asked: tuple[int, ...]
    kernels: int
    library_calls: tuple[str, ...]
    host_calls: tuple[tuple[str, str], ...]


class Program:
    """A compiled graph.

    Attributes:
        source: what was compiled, before the passes.
        plan: how it runs.
        inputs: its inputs, as nodes of whatever graph; their types count.
        outputs: likewise.
        guards: the graph's guards.
        cached: whether nothing had to be compiled for it.
        seconds: how long making it took.
        kernels: the number of loop nests.
        library_calls: the ops that libraries and routines compute.
        host_calls: (op, why) for each step that the host does.
        native: the only segment, if the host does nothing; a fast entry can call it.
    """

    def __init__(
        self,
        graph: Graph,
        passes: Passes | None = None,
        plan: Plan | None = None,
        level: int = 1,
        keep: bool = True,
    ) -> None:
        """Compiles a graph, or takes the plan that was made of an equal one.

        Args:
            graph: its guards are checked.
            passes: what it goes through before.
            plan: of an equal graph and the same passes.
            level: of optimisation, as for `link.load`.
            keep: whether each segment's object code may be kept under its text.
        """
        began = time.perf_counter()
        self.source = graph
        self._passes = passes
        self._lock = threading.Lock()
        self._whole: Whole | None = None
        self.cached = plan is not None
        if plan is None:
            from wengert.native.program import built

            self._whole = built(_after(graph, passes), level, keep)
            plan = self._whole.plan
        self.plan = plan
        self.inputs, self.outputs = plan.inputs, plan.outputs
        self.kernels = plan.kernels
        self.library_calls = list(plan.library_calls)
        self.host_calls = list(plan.host_calls)
        self.guards = tuple(
            g._replace(node=n) for g, n in zip(graph.guards, plan.guards, strict=True)
        )
        self.seconds = time.perf_counter() - began

    @property
    def native(self) -> Segment | None:
        """The whole program, if it is one piece of native code."""
        only = self.plan.steps[0] if len(self.plan.steps) == 1 else None
        return only if isinstance(only, Segment) else None

    @property
    def bytes(self) -> int:
        """Of machine code."""
        return sum(s.library.size for s in self.plan.steps if isinstance(s, Segment))

    @property
    def scratch(self) -> int:
        """The bytes of memory that a run needs beside its inputs and outputs."""
        return sum(s.arena for s in self.plan.steps if isinstance(s, Segment))

    # What the compiler made, for whoever looks at it; compiled to text again, once, if
    # the program was read. Nodes of these belong together, and not to `inputs`.

    @property
    def graph(self) -> Graph:
        """The graph after the passes and `expand`, the guards' nodes among its ends."""
        return self._known().graph

    @property
    def graph_outputs(self) -> tuple[Node, ...]:
        """Those outputs of `graph` that are outputs of the program."""
        return self.graph.outputs[: len(self.outputs)]

    @property
    def segments(self) -> "list[Segment | Host]":
        """Native code with its kernels and its text, and host calls, in order."""
        return self._known().segments

    def _known(self) -> "Whole":
        with self._lock:
            if self._whole is None:
                from wengert.native.program import rebuilt

                self._whole = rebuilt(_after(self.source, self._passes), self.plan)
            return self._whole

    def __call__(self, arrays: Sequence[Array]) -> tuple[list[Array], int]:
        """The outputs and −1, or nothing and the number of the guard that failed."""
        plan = self.plan
        values: dict[Node, Any] = {
            n: np.ascontiguousarray(np.asarray(x, n.dtype)).reshape(n.shape)
            for n, x in zip(plan.inputs, arrays, strict=True)
        }
        for s in plan.steps:
            if isinstance(s, Call):
                _on_host(s, values)
                continue
            status = _run(s, values)
            if status < 0:
                return self._reference(arrays)
            if status:
                return [], s.guards[status - 1]
        for k in plan.asked:
            if not _answers(self.guards[k], _value(values, plan.guards[k])):
                return [], k
        return [_result(values, n) for n in plan.outputs], -1

    def _reference(self, arrays: Sequence[Array]) -> tuple[list[Array], int]:
        """What NumPy does, errors included."""
        whole = self._known()
        outputs = whole.graph.evaluate(list(arrays))
        for k, g in enumerate(whole.guards):
            n = whole.graph.outputs.index(g.node)
            if not _answers(g, outputs[n]):
                return [], k
        return outputs[: len(self.outputs)], -1


def _after(graph: Graph, passes: Passes | None) -> Graph:
    return graph if passes is None else passes.run(graph)


def _run(s: Segment, values: dict[Node, Any]) -> int:
    """Runs a segment: its status. Its outputs join `values`."""
    inputs = [_contiguous(values, n) for n in s.inputs]
    outputs = [np.empty(n.shape, n.dtype) for n in s.outputs]
    try:  # a thread that finds it taken makes one of its own
        arena = s.arenas.pop()
    except IndexError:
        arena = np.empty(s.arena + 64, np.uint8)
    start = -arena.ctypes.data % 64
    status = s.call(_pointers(inputs), _pointers(outputs), arena.ctypes.data + start)
    if not s.arenas:
        s.arenas.append(arena)
    values.update(zip(s.outputs, outputs, strict=True))
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


def _on_host(step: Call, values: dict[Node, Any]) -> None:
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


def _answers(guard: Guard, value: Any) -> bool:
    convert = {"bool": bool, "int": int, "index": int}.get(guard.asked)
    if convert is not None:
        try:
            return bool(convert(value) == convert(guard.answer))
        except (ValueError, OverflowError):
            return False
    a, b = np.asarray(value), np.asarray(guard.answer)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


__all__ = ["Call", "Plan", "Program", "Segment"]
