"""The nodes of a run as a story tells them."""

import dis
import functools
from typing import Any

from wengert.graph.graph import CONSTANT, INPUT, Node
from wengert.graph.variables import place_of
from wengert.show.adjoints import Adjoints
from wengert.show.run import Run, inputs_of, is_operation, op_of
from wengert.show.story import NodeStory


def node_stories(
    run: Run, adjoints: Adjoints, home: Any, source: list[list[Any]]
) -> list[NodeStory]:
    """The nodes; `home` is the code of the function explained, None for a formula."""
    only = source[0][0] if home is None and len(source) == 1 else None
    outputs = set(run.graph.outputs)
    told: list[NodeStory] = []
    calls = _Calls()
    for node in run.shown:
        adjoint = adjoints.final.get(node)
        line, group = _located(node, home, calls)
        line = only if is_operation(node) and line is None else line
        told.append(
            {
                "id": run.place[node],
                "name": run.name(node),
                "op": op_of(node)[0].name,
                "expression": run.expression(node) if is_operation(node) else "",
                "inputs": [run.place[i] for i in inputs_of(node)],
                "shape": list(node.shape),
                "dtype": str(node.dtype),
                "role": _role(run, node, outputs),
                "line": line,
                "group": group,
                "value": run.told(run.values[node]),
                "adjoint": None if adjoint is None else run.told(adjoint),
            }
        )
    return told


def _role(run: Run, node: Node, outputs: set[Node]) -> str:
    if node.op is CONSTANT:
        return "constant"
    if node.op is INPUT:
        return "input" if node in run.wanted else "constant"
    return "output" if node in outputs else "operation"


def _located(node: Node, home: Any, calls: "_Calls") -> tuple[int | None, str]:
    """Its line, if that is in the file explained, and its scope or function."""
    place = place_of(node) if home is not None else None
    if place is None or not isinstance(node.source, tuple):
        return None, node.scope
    code: Any
    code, instruction = node.source
    inner = ""
    if code is home:
        calls.end()
    else:
        call = calls.number(node.scope, code, instruction)
        name = place.function.strip("<>")
        inner = name if call == 1 else f"{name} {call}"
    line = place.line if place.file == home.co_filename else None
    return line, "/".join(filter(None, (node.scope, inner)))


class _Calls:
    """Which call of its function a node was made in.

    A node knows its instruction, not its call. Instructions of one call only go back
    where a loop does; where there is no such loop, a new call has begun. And when the
    function explained goes on itself, all calls have ended.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, Any], tuple[int, int]] = {}
        self._going: set[tuple[str, Any]] = set()

    def end(self) -> None:
        """The next node of any function is of a new call."""
        self._going.clear()

    def number(self, scope: str, code: Any, instruction: int) -> int:
        """1 for nodes of the first call; nodes are asked about in their order."""
        key = scope, code
        last, call = self._last.get(key, (-1, 0))
        back = instruction <= last and not _loops(code, instruction, last)
        if back or key not in self._going:
            call += 1
        self._going.add(key)
        self._last[key] = instruction, call
        return call


def _loops(code: Any, first: int, last: int) -> bool:
    """Whether a loop of this code holds both instructions."""
    return any(start <= first and last <= end for start, end in _jumps_back(code))


@functools.lru_cache(maxsize=64)
def _jumps_back(code: Any) -> list[tuple[int, int]]:
    """Where each loop of a function begins and ends, in bytes of its code."""
    jumps = (i for i in dis.get_instructions(code) if i.opcode in dis.hasjrel)
    return [
        (i.argval, i.offset) for i in jumps if i.argval is not None
        and i.argval < i.offset
    ]  # fmt: skip
