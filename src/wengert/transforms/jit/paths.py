"""A compiled path: the programs of one staged run, and how a call goes through them."""

import itertools
import threading
import time
from typing import Any, NamedTuple, Protocol

import numpy as np

from wengert.core import tree
from wengert.core.memory import owned
from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, Graph, Node
from wengert.graph.stage import Guard
from wengert.transforms.jit.backend import Backend, Program, program
from wengert.transforms.jit.bodies import Body
from wengert.transforms.jit.capture import current, in_words
from wengert.transforms.jit.interpreter import Split
from wengert.transforms.jit.pieces import PASSES, Piece, optimized, pieces
from wengert.transforms.jit.signature import Leaf
from wengert.transforms.jit.staging import Out, Staged
from wengert.transforms.jit.world import native_order

_numbers = itertools.count()


class Miss(NamedTuple):
    """Why a path doesn't fit a call.

    Attributes:
        why: in words.
        guard: the number of the question that was answered differently, or -1.
        line: the user's line that asked, or "".
    """

    why: str
    guard: int = -1
    line: str = ""


class Counted(Protocol):
    """What counts calls that don't come by here."""

    @property
    def calls(self) -> int:
        """How many it has answered."""


class Path:
    """One way through a function, compiled.

    Attributes:
        staged: what the run left.
        body: the graph as one operation, once another transform has met it.
        reason: why it was staged.
        seconds: how long staging, passes and compiling took.
        backend: what runs it.
        slow: why its calls go through Python; "" if they needn't.
        answered: how many calls Python has answered since it was made.
    """

    def __init__(
        self,
        staged: Staged,
        kinds: tuple[Leaf, ...],
        names: list[str],
        reason: str,
        backend: Backend,
        began: float,
    ) -> None:
        self.number = next(_numbers)
        self.staged = staged
        self.kinds = kinds
        self.names = names
        self.reason = reason
        self.backend = backend
        self.slow = ""
        self.answered = 0
        self._counted = 0
        self._fast: tuple[Counted, ...] = ()
        self.answers = [_key(g) for g in staged.graph.guards]
        self.body: Body | None = None
        self._optimized: tuple[Graph, list[Split]] | None = None
        # What is compiled: the backend knows whether one program needs the passes.
        self._whole, self._splits = staged.graph, staged.splits
        if staged.splits:
            self._whole, self._splits = self._passed()
        self._segments: list[tuple[Piece, Program]] | None = None
        self._lock = threading.Lock()
        self.seconds = time.perf_counter() - began

    @property
    def graph(self) -> Graph:
        """The whole graph after the passes."""
        return self._passed()[0]

    @property
    def graphs(self) -> list[Graph]:
        """That of each program, after the passes."""
        if not self._splits:
            return [self.graph]
        return [piece.graph for piece, _ in self.segments]

    def _passed(self) -> tuple[Graph, list[Split]]:
        if self._optimized is None:
            self._optimized = optimized(self.staged.graph, self.staged.splits)
        return self._optimized

    @property
    def segments(self) -> list[tuple[Piece, Program]]:
        """Its programs, in order; compiled when they are first needed."""
        if self._segments is None:
            with self._lock:
                if self._segments is None:
                    self._segments = self._compiled()
        return self._segments

    def _compiled(self) -> list[tuple[Piece, Program]]:
        began = time.perf_counter()
        segments = []
        passes = None if self._splits else PASSES
        for part in pieces(self._whole, self._splits):
            made, self.backend = program(part.graph, self.backend, passes)
            segments.append((part, made))
        self.seconds += time.perf_counter() - began
        return segments

    @property
    def calls(self) -> int:
        """How often it was taken."""
        return self._counted + sum(fast.calls for fast in self._fast)

    @property
    def is_fast(self) -> bool:
        """Whether native code answers calls of it."""
        return bool(self._fast)

    def count(self) -> None:
        """Notes that a call took it elsewhere."""
        self._counted += 1

    def add(self, fast: "Counted") -> None:
        """A native path that calls may now take instead of this one."""
        self._fast = (*self._fast, fast)

    def retire(self, fast: "Counted") -> None:
        """One that they don't take any more, with what it has counted."""
        if fast in self._fast:
            self._fast = tuple(f for f in self._fast if f is not fast)
            self._counted += fast.calls

    def run(self, leaves: list[Any]) -> "list[Any] | Miss":
        """[the result], or why this path isn't for these arguments."""
        places, failed, now = current(self.staged.checks, leaves)
        if failed is not None:
            return Miss(in_words(failed, now))
        inputs = [leaves[i] for i in self.staged.inputs]
        inputs += [places[k] for k in self.staged.loads]
        given = [native_order(x) for x in inputs]
        if self.staged.writes and overlap(given):
            return Miss("arrays that are written into share memory")
        outputs = self._outputs(given)
        if isinstance(outputs, Miss):
            return outputs
        self._write(outputs, leaves, places)
        self.count()
        return [self._result(outputs)]

    def _outputs(self, given: list[Array]) -> "list[Array] | Miss":
        values: dict[Node, Any] = dict(zip(self._whole.inputs, given, strict=False))
        for piece, run in self.segments:
            found, failed = run([values[n] for n in piece.inputs])
            if failed >= 0:
                number = piece.guards[failed]
                guard = self.staged.graph.guards[number]
                return Miss(_asked(guard), number, guard.line)
            values.update(zip(piece.outputs, found, strict=True))
            split = piece.split
            if split is not None:
                asked = split.asked
                mask = asked.params["value"] if asked.op is CONSTANT else values[asked]
                made = split.function(np.asarray(mask))
                arrays = made if isinstance(made, tuple) else (made,)
                if any(
                    a.shape != n.shape
                    for a, n in zip(arrays, split.results, strict=True)
                ):
                    return Miss(_counted(split, arrays), -1, split.line)
                values.update(zip(split.results, arrays, strict=True))
        return [
            n.params["value"] if n.op is CONSTANT else values[n]
            for n in self._whole.outputs
        ]

    def _write(
        self, outputs: list[Array], leaves: list[Any], places: list[Any]
    ) -> None:
        for (kind, number), output in self.staged.writes:
            target = leaves[number] if kind == "argument" else places[number]
            if isinstance(target, np.ndarray):
                np.copyto(target, outputs[output])

    def write(self, values: list[Any], leaves: list[Any]) -> None:
        """Writes what the staging run wrote, where it stands for the first call."""
        if not values:
            return
        places = current(self.staged.checks, leaves)[0]
        for ((kind, number), _), value in zip(self.staged.writes, values, strict=True):
            target = leaves[number] if kind == "argument" else places[number]
            if isinstance(target, np.ndarray):
                np.copyto(target, value)

    def _result(self, outputs: list[Array]) -> Any:
        outs = self.staged.outs
        count = sum(out.kind != "static" for out in outs)
        values = owned(outputs[:count])
        return tree.unflatten(self.staged.spec, [_leaf(o, values) for o in outs])


def _leaf(out: Out, values: list[Array]) -> Any:
    if out.kind == "static":
        return out.of
    x = values[out.of]
    if out.kind == "array":
        return x if type(x) is np.ndarray else np.asarray(x)
    if out.kind == "scalar":
        return x[()] if isinstance(x, np.ndarray) else x
    return x.item() if isinstance(x, np.ndarray | np.generic) else x


def overlap(arrays: list[Any]) -> bool:
    """Whether two of the arrays may share memory."""
    plain = [x for x in arrays if isinstance(x, np.ndarray) and x.nbytes]
    return any(
        np.may_share_memory(a, b) for i, a in enumerate(plain) for b in plain[:i]
    )


def _key(guard: Guard) -> tuple[str, str, bytes]:
    answer = np.asarray(guard.answer)
    if guard.asked == "bool":
        answer = np.asarray(bool(answer))
    elif guard.asked in ("int", "index"):
        answer = np.asarray(int(answer))
    return guard.asked, guard.line, answer.tobytes()


def _asked(guard: Guard) -> str:
    was = np.asarray(guard.answer)
    shown = str(was[()]) if was.ndim == 0 else f"an array of shape {was.shape}"
    if guard.asked == "bool":
        shown = str(bool(guard.answer))
    return f"{guard.asked}() was {shown} and is something else, in `{guard.line}`"


def _counted(split: Split, arrays: tuple[Array, ...]) -> str:
    return (
        f"a shape that depends on values was {split.results[0].shape} and is "
        f"{arrays[0].shape}, in `{split.line}`"
    )
