"""Debug mode: each kernel beside NumPy, and where the first nan or inf comes from.

`WENGERT_DEBUG=1` makes `compile` give programs that check themselves at each call.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.core.errors import WengertError
from wengert.core.types import Array, is_inexact
from wengert.graph.graph import PART, Graph, Node
from wengert.graph.variables import names_of
from wengert.native import machine
from wengert.native.nonfinite import Fault, made_bad, step_text
from wengert.native.partition import Host
from wengert.native.program import Program, Segment
from wengert.native.single import Single, evaluate, reads, reference
from wengert.native.view import steps

# How far compiled and NumPy's results may be apart, of the largest number on the way.
_RELATIVE = {4: 1e-3, 8: 1e-8}
# Results that aren't determined where values are equal: vectors, and their signs.
_FREE = {"eigh": (1,), "svd": (0, 2), "qr": (0, 1)}


class DebugWarning(UserWarning):
    """What debug mode found."""


@dataclass(frozen=True)
class Difference:
    """A kernel whose result isn't NumPy's: a fault of the compiler's.

    Attributes:
        step: the kernel or call, `kernel 1`.
        node: the result that differs, `v3 = exp(v2)`.
        element: where most.
        compiled: its value there.
        expected: NumPy's.
        line: the user's line.
    """

    step: str
    node: str
    element: tuple[int, ...]
    compiled: Any
    expected: Any
    line: str

    def __str__(self) -> str:
        at = f" at {list(self.element)}" if self.element else ""
        where = f"\n  in {self.line}" if self.line else ""
        return (
            f"{self.step} gives {self.compiled}{at} for {self.node}; NumPy gives "
            f"{self.expected}. This is a fault of wengert's.{where}"
        )


@dataclass
class Findings:
    """What `check` found; nothing, if all is well.

    Attributes:
        faults: where nan and inf of the results were made, the first one first.
        first_nan: the step at which an inf became a nan, or "".
        difference: the first kernel that differs from NumPy, or None.
        notes: whole sentences.
    """

    faults: list[Fault] = field(default_factory=list)
    first_nan: str = ""
    difference: Difference | None = None
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.faults or self.difference)

    def __str__(self) -> str:
        rows = [str(f) for f in self.faults]
        rows += [f"  it becomes nan in {self.first_nan}"] if self.first_nan else []
        rows += [str(self.difference)] if self.difference else []
        return "\n".join([*rows, *self.notes]) or "nothing found"


def is_on() -> bool:
    """Whether the environment asks for debug mode."""
    return os.environ.get("WENGERT_DEBUG", "") not in ("", "0")


def compile(graph: Graph) -> Program:
    """The compiled program; in debug mode, one that checks itself."""
    if not is_on():
        return Program(graph)
    graph.check()
    return Checked(graph)


class Checked(Program):
    """A program that compares itself with NumPy at every call, and warns."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.singles: dict[str, Single] = {}
        self.graph.check()
        verify(self)

    @property
    def native(self) -> Segment | None:
        """Nothing: each call goes through the checks."""
        return None

    def __call__(self, arrays: Sequence[Array]) -> tuple[list[Array], int]:
        """As a program's; NumPy's results if the compiled ones are wrong."""
        outputs, failed = super().__call__(arrays)
        if failed >= 0 or any(n.op.name == "debug_callback" for n in self.graph.nodes):
            return outputs, failed
        found = inspect(self, arrays, outputs, self.singles)
        if found:
            warnings.warn(str(found), DebugWarning, stacklevel=2)
        if found.difference is not None:
            return self._reference(arrays)
        return outputs, failed


def check(graph: Graph, arrays: Sequence[Array]) -> Findings:
    """Runs a compiled graph step by step beside NumPy, and looks for nan and inf.

    Args:
        graph: any graph, of a function or of its derivatives.
        arrays: its inputs.

    Returns:
        What was found: print it, or ask `if findings:`. The search for nan and inf
        starts at the results, so that one which no result depends on isn't told.

    Raises:
        WengertError: if the graph or the code breaks an invariant.
        IndexError, numpy.linalg.LinAlgError …: what NumPy raises for these inputs.

    >>> def f(x):
    ...     shifted = x - 1.0
    ...     return np.sum(np.sqrt(shifted))
    >>> graph = wg.trace(f, np.zeros(3))
    >>> print(check(graph, [np.array([2.0, 0.5, 1.0])]))
    nan at [1] comes of v0 = sqrt(shifted)
      with shifted = -0.5, of shifted = subtract(x, 1.0) in ...: shifted = x - 1.0
      in ...: return np.sum(np.sqrt(shifted))
    """
    graph.check()
    program = Program(graph)
    program.graph.check()
    verify(program)
    arrays = [np.asarray(a, n.dtype) for a, n in zip(arrays, graph.inputs, strict=True)]
    outputs, failed = program(arrays)
    if failed >= 0:
        line = program.guards[failed].line
        return Findings(notes=[f"These inputs take another path at {line}"])
    return inspect(program, arrays, outputs)


def verify(program: Program) -> None:
    """Lets LLVM check the code of each segment.

    Raises:
        WengertError: where it breaks LLVM's rules.
    """
    llvm = machine.binding()
    for s in program.segments:
        if isinstance(s, Segment):
            try:
                module = llvm.parse_assembly(s.written.text, llvm.create_context())
                module.verify()
            except RuntimeError as error:
                raise WengertError(f"LLVM refuses wengert's code: {error}") from error


def inspect(
    program: Program,
    arrays: Sequence[Array],
    outputs: Sequence[Array],
    singles: dict[str, Single] | None = None,
) -> Findings:
    """What is wrong with a run of a program; `singles` keeps its compiled steps."""
    names = names_of(program.graph)
    found = Findings()
    values, found.difference = _compared(
        program, arrays, names, found.notes, {} if singles is None else singles
    )
    if found.difference is None:
        found.difference = _whole(program, values, outputs, names)
    found.faults, found.first_nan = made_bad(program.graph, values, names)
    return found


# Kernels beside NumPy -------------------------------------------------------------


def _compared(
    program: Program,
    arrays: Sequence[Array],
    names: Mapping[Node, str],
    notes: list[str],
    singles: dict[str, Single],
) -> tuple[dict[Node, Any], Difference | None]:
    """Every node's value, and the first step that differs from NumPy on its inputs."""
    graph = program.graph
    values: dict[Node, Any] = dict(zip(graph.inputs, arrays, strict=True))
    first: Difference | None = None
    for name, step, _ in steps(program):
        if isinstance(step, Host):
            evaluate(step.results, values)
            continue
        evaluate(reads(step), values)
        expected = reference(step, values)
        values.update(expected)
        if first is None:
            if name not in singles:
                singles[name] = Single(step, graph.nodes)
            single = singles[name]
            if single(values):
                notes.append(f"{name} gave up; NumPy ran the program instead.")
                continue
            first = _difference(name, expected, single.outputs, names)
        if first is None:  # the next step gets what it gets in the program
            values.update(single.outputs)
    evaluate(graph.outputs, values)
    return values, first


def _difference(
    step: str,
    expected: Mapping[Node, Any],
    compiled: Mapping[Node, Any],
    names: Mapping[Node, str],
) -> Difference | None:
    scale = max((_size(x) for x in expected.values()), default=0.0)
    for node, y in sorted(compiled.items(), key=lambda item: item[0].number):
        if node.op is PART and node.params["index"] in _FREE.get(
            node.inputs[0].op.name, ()
        ):
            continue
        at = _apart(np.asarray(y), np.asarray(expected[node]), scale)
        if at is not None:
            there = np.asarray(expected[node])[at]
            told = step_text(node, names)
            return Difference(step, told, at, y[at], there, node.line)
    return None


def _size(x: Any) -> float:
    """The largest finite number in an array."""
    x = np.asarray(x) if not isinstance(x, tuple) else np.zeros(())
    if x.dtype.kind not in "fc" or not x.size:
        return 0.0
    return float(np.max(np.where(np.isfinite(x), np.abs(x), 0.0)))


def _apart(
    a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], scale: float
) -> tuple[int, ...] | None:
    """Where two arrays differ most, by more than rounding; None if they don't."""
    if a.shape != b.shape or not a.size:
        return None
    if not is_inexact(a.dtype):
        wrong = apart = a != b
    else:
        real = a.dtype.itemsize // (2 if a.dtype.kind == "c" else 1)
        limit = _RELATIVE.get(real, 1e-8) * max(scale, np.finfo(a.dtype).tiny)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(all="ignore"):
            apart = np.where(same, 0.0, np.abs(a - b))
        wrong = ~(apart <= limit)
        apart = np.where(np.isnan(apart), np.inf, apart)
    if not wrong.any():
        return None
    return tuple(int(i) for i in np.unravel_index(np.argmax(apart), a.shape))


def _whole(
    program: Program,
    values: Mapping[Node, Any],
    outputs: Sequence[Array],
    names: Mapping[Node, str],
) -> Difference | None:
    """Whether steps that are right one by one are so together, in shared memory."""
    scale = max((_size(x) for x in values.values()), default=0.0)
    for node, y in zip(program.graph_outputs, outputs, strict=True):
        expected = np.asarray(values[node])
        at = _apart(np.asarray(y), expected, scale)
        if at is not None:
            told = step_text(node, names)
            return Difference(
                "the program as a whole", told, at, np.asarray(y)[at], expected[at],
                node.line,
            )  # fmt: skip
    return None
