"""What runs a path's graphs: native code where it can be had, else NumPy, node by node.

A program takes the inputs' arrays and gives `(outputs, failed)`: the number of the
guard that answered differently, or -1.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core.bind import bind
from wengert.core.memory import owned
from wengert.core.types import Array
from wengert.graph.compiling import Passes, know
from wengert.graph.graph import CONSTANT, PART, Graph, Node, topological
from wengert.graph.stage import Guard
from wengert.transforms.jit.numbers import PYTHON_NUMBER

know(PYTHON_NUMBER)


class CompileWarning(UserWarning):
    """A graph that native code should run is run by NumPy."""


class Backend(NamedTuple):
    """What runs graphs.

    Attributes:
        name: "native", or "numpy" for the reference.
        level: of optimisation of native code, 0 to 3.
    """

    name: str = "native"
    level: int = 1


Program = Callable[[list[Array]], tuple[list[Array], int]]


def program(
    graph: Graph, backend: Backend, passes: Passes | None = None
) -> tuple[Program, Backend]:
    """A program for the graph, and the backend that made it.

    Args:
        graph: its guards are asked.
        backend: what is wanted; NumPy stands in where native code can't be had.
        passes: what the graph goes through before; code that was compiled of an equal
            graph spares it that.
    """
    if backend.name == "native":
        made = _native(graph, passes, backend.level)
        if made is not None:
            return made, backend
    reference = Reference(graph if passes is None else passes.run(graph))
    return reference, backend._replace(name="numpy")


def _native(graph: Graph, passes: Passes | None, level: int) -> Program | None:
    """The compiled program; None where native code can't be had."""
    try:
        from wengert.native import compile as compiled
    except ImportError:
        return None
    try:
        made: Program = compiled(graph, passes, level)
    except Exception as error:
        warnings.warn(
            f"`{graph.name}` runs in NumPy, because compiling it failed: "
            f"{type(error).__name__}: {str(error).partition(chr(10))[0]}\n"
            "  Do:   report it, with the file that wg.native.dump writes.",
            CompileWarning,
            stacklevel=2,
        )
        return None
    return made


def flat(run: Program, backend: Backend) -> Callable[..., tuple[Array, ...]]:
    """A program without guards, as a function of its arrays; native if it can be."""

    def slow(*arrays: Array) -> tuple[Array, ...]:
        return tuple(x if x.shape else x[()] for x in owned(run([*arrays])[0]))

    if backend.name != "native":
        return slow
    from wengert.transforms.jit.fast import flat_call

    return flat_call(run, slow)


class Reference:
    """Evaluates with NumPy, and asks each guard as soon as its value is there.

    Guards are asked in the order in which Python asked, so no step runs that the
    function itself wouldn't have come to.
    """

    __slots__ = ("guards", "inputs", "outputs", "steps")

    def __init__(self, graph: Graph) -> None:
        self.inputs = graph.inputs
        self.outputs = graph.outputs
        self.guards: dict[int, list[tuple[int, Guard]]] = {}
        for k, guard in enumerate(graph.guards):
            self.guards.setdefault(guard.node.number, []).append((k, guard))
        ends = (*graph.outputs, *(g.node for g in graph.guards))
        self.steps = _with_releases(topological(ends, graph.inputs), graph.outputs)

    def __call__(self, arrays: list[Array]) -> tuple[list[Array], int]:
        """The outputs, and which guard failed; -1 for none."""
        numbers = (n.number for n in self.inputs)
        values: dict[int, Any] = dict(zip(numbers, arrays, strict=True))
        with np.errstate(all="ignore"):
            for node, released in self.steps:
                number = node.number
                if number not in values:
                    values[number] = _evaluated(node, values)
                for k, guard in self.guards.get(number, ()):
                    if not answers(guard, values[number]):
                        return [], k
                for n in released:
                    del values[n]
        return [values[n.number] for n in self.outputs], -1


def _with_releases(
    nodes: list[Node], outputs: tuple[Node, ...]
) -> list[tuple[Node, list[int]]]:
    """Each step, and the values that nobody needs after it."""
    left = Counter(i.number for n in nodes for i in n.inputs)
    left.update(n.number for n in outputs)
    steps = []
    for node in nodes:
        released = [] if left[node.number] else [node.number]
        for i in node.inputs:
            left[i.number] -= 1
            if not left[i.number]:
                released.append(i.number)
        steps.append((node, released))
    return steps


def _evaluated(node: Node, values: dict[int, Any]) -> Any:
    if node.op is CONSTANT:
        return node.params["value"]
    if node.op is PART:
        return values[node.inputs[0].number][node.params["index"]]
    return bind(node.op, *(values[i.number] for i in node.inputs), **node.params)


_ANSWER: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "int": int,
    "index": int,
}


def answers(guard: Guard, value: Any) -> bool:
    """Whether Python's question has the answer that it had while staging."""
    convert = _ANSWER.get(guard.asked)
    if convert is not None:
        try:
            return bool(convert(value) == convert(guard.answer))
        except (ValueError, OverflowError):
            return False  # int(nan): the function itself will raise
    return same(value, guard.answer)


def same(a: Any, b: Any) -> bool:
    """Whether two arrays or numbers are the same to the last bit; nan is nan."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(a.tobytes() == b.tobytes())
