"""One step of a program on its own: to compare it with NumPy, and to time it."""

import ctypes
import functools
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, INPUT, PART, Node
from wengert.native import link, machine
from wengert.native.assemble import Assembly, reads_of, results_of
from wengert.native.kernel import Kernel
from wengert.native.partition import Library

Values = dict[Node, Any]


def reads(step: Kernel | Library) -> list[Node]:
    """What a step reads from memory, in topological order."""
    return sorted(set(reads_of(step)), key=lambda n: n.number)


def results(step: Kernel | Library) -> list[Node]:
    """What a step writes into memory."""
    return list(results_of(step))


class Single:
    """A step compiled on its own, as a function from values to values.

    >>> from wengert.native.program import compile
    >>> program = compile(wg.trace(np.tanh, np.zeros(3)))
    >>> ((_, kernel),) = program.segments[0].module.kernels
    >>> single = Single(kernel, program.graph.nodes)
    >>> values = {program.graph.inputs[0]: np.array([0.0, 1.0, 2.0])}
    >>> single(values), [float(y.round(3)[1]) for y in single.outputs.values()]
    (0, [0.762])
    """

    def __init__(self, step: Kernel | Library, nodes: list[Node]) -> None:
        given = [n for n in reads(step) if n.op is not CONSTANT]
        by_number = {n.number: n for n in nodes}
        self.module = Assembly(
            [step], given, results(step), [], by_number,
            machine.vector_bits(), machine.has_fma(),
        ).write()  # fmt: skip
        self.library = link.load(self.module.text)
        pointer = ctypes.c_void_p
        prototype = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, pointer)
        self.call = prototype(self.library.address("program"))
        self.outputs: Values = {}

    def __call__(self, values: Mapping[Node, Any]) -> int:
        """The status, 0 if all went well; `outputs` then has the results."""
        arrays = [self._array(n, values) for n in self.module.inputs]
        made = [np.empty(n.shape, n.dtype) for n in self.module.outputs]
        arena = np.empty(self.module.arena + 64, np.uint8)
        start = arena.ctypes.data + (-arena.ctypes.data % 64)
        status = self.call(_pointers(arrays), _pointers(made), start)
        self.outputs = dict(zip(self.module.outputs, made, strict=True))
        return int(status)

    def _array(self, node: Node, values: Mapping[Node, Any]) -> Any:
        value = node.params["value"] if node.op is CONSTANT else values[node]
        return np.array(value, node.dtype, order="C", ndmin=len(node.shape))

    def seconds(self, values: Mapping[Node, Any], repeat: int = 5) -> float:
        """The least time of some runs, without the conversion of its arguments."""
        arrays = [self._array(n, values) for n in self.module.inputs]
        made = [np.empty(n.shape, n.dtype) for n in self.module.outputs]
        arena = np.empty(self.module.arena + 64, np.uint8)
        start = arena.ctypes.data + (-arena.ctypes.data % 64)
        pointers = _pointers(arrays), _pointers(made)
        times = []
        for _ in range(repeat):
            began = time.perf_counter_ns()
            self.call(*pointers, start)
            times.append(time.perf_counter_ns() - began)
        return max(min(times) * 1e-9 - idle(), 0.0)


@functools.cache
def idle() -> float:
    """Seconds that a call of native code takes which does nothing."""
    library = link.load("define i32 @program(ptr %a, ptr %b, ptr %c) {\n  ret i32 0\n}")
    pointer = ctypes.c_void_p
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, pointer)
    call = prototype(library.address("program"))
    times = []
    for _ in range(50):
        began = time.perf_counter_ns()
        call(0, 0, 0)
        times.append(time.perf_counter_ns() - began)
    return min(times) * 1e-9


def _pointers(arrays: list[Any]) -> Any:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(a.ctypes.data for a in arrays))


def reference(step: Kernel | Library, values: Mapping[Node, Any]) -> Values:
    """What NumPy makes of a step: every node that it computes, from what it reads."""
    ends = results(step)
    known: Values = {}
    pending = list(ends)
    needed: dict[int, Node] = {}
    stop = set(reads(step)) - set(ends)
    while pending:
        node = pending.pop()
        if node.number in needed:
            continue
        needed[node.number] = node
        if node not in stop and node.op is not INPUT:
            pending += node.inputs
    with np.errstate(all="ignore"):
        for _, node in sorted(needed.items()):
            known[node] = (
                values[node] if node in stop and node in values
                else evaluated(node, known)
            )  # fmt: skip
    return known


def evaluated(node: Node, values: Mapping[Node, Any]) -> Array:
    """A node's value by NumPy, from its inputs'."""
    if node.op is CONSTANT:
        return node.params["value"]
    args = [_plain(values[i]) for i in node.inputs]
    if node.op is PART:
        return args[0][node.params["index"]]
    return bind(node.op, *args, **node.params)


def evaluate(ends: Iterable[Node], values: Values) -> None:
    """Adds the nodes' values, and those of what they need, to `values`."""
    pending, needed = list(ends), dict[int, Node]()
    while pending:
        node = pending.pop()
        if node not in values and node.number not in needed:
            needed[node.number] = node
            pending += node.inputs
    with np.errstate(all="ignore"):
        for _, node in sorted(needed.items()):
            values[node] = evaluated(node, values)


def _plain(x: Any) -> Any:
    """A 0-d array as a number, as NumPy's own results are."""
    return x[()] if isinstance(x, np.ndarray) and not x.shape else x


__all__ = ["Single", "evaluate", "evaluated", "idle", "reads", "reference", "results"]
