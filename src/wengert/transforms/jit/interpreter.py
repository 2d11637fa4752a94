"""Staging for jit: on values, with every question from Python noted as a guard."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core.bind import NO_PARAMS, Tracer
from wengert.core.op import Op
from wengert.core.types import Array, Shape, type_of
from wengert.graph.graph import INPUT, Node
from wengert.graph.stage import Guard, Stage

# The name of the operation that `debug` adds to a graph for what it does.
CALLBACK = "debug_callback"


class Split(NamedTuple):
    """A step whose result's shape depends on values: it runs between two programs.

    Attributes:
        asked: the node whose value it needs.
        function: what runs on that value; it returns a tuple of arrays.
        results: inputs of the program that follows, of the shapes of this path.
        line: the user's.
    """

    asked: Node
    function: Callable[[Array], tuple[Array, ...]]
    results: tuple[Node, ...]
    line: str


class JitStage(Stage):
    """Notes questions, shapes that depend on values, and which inputs took part."""

    __slots__ = (
        "effects", "last_effect", "plain", "questions", "quiet", "splits", "touched",
    )  # fmt: skip
    verb = "compiled"
    answers_float = True

    def __init__(self) -> None:
        super().__init__()
        self.splits: list[Split] = []
        self.touched: set[Node] = set()
        self.questions: set[tuple[Node, str]] = set()
        self.effects: list[Node] = []
        self.plain: Callable[[Any], Any] = lambda x: x  # the user's own, of a copy
        self.last_effect: Tracer | None = None
        self.quiet = False  # whether callbacks are only noted

    def shape_of(self, x: Tracer) -> Shape:
        """The shape; that of a captured array is then part of the path."""
        node = x.mark
        if node.op is INPUT:
            self.touched.add(node)
        shape: Shape = node.type.shape
        return shape

    def dtype_of(self, x: Tracer) -> Any:
        """The dtype, likewise."""
        node = x.mark
        if node.op is INPUT:
            self.touched.add(node)
        return node.type.dtype

    # Ufuncs and operators are no callbacks, and most of all operations.

    def unary(self, op: Op, x: Tracer) -> Any:
        """`process` for one argument and no parameters."""
        if x.interp is self and x.mark.op is INPUT:
            self.touched.add(x.mark)
        return Stage.process(self, op, (x,), NO_PARAMS)

    def binary(self, op: Op, a: Array, b: Array) -> Any:
        """`process` for two arguments and no parameters."""
        for x in (a, b):
            if isinstance(x, Tracer) and x.interp is self and x.mark.op is INPUT:
                self.touched.add(x.mark)
        return Stage.process(self, op, (a, b), NO_PARAMS)

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """As `Stage`; captured arrays that take part are noted."""
        for x in args:
            if isinstance(x, Tracer) and x.interp is self and x.mark.op is INPUT:
                self.touched.add(x.mark)
        if op.name != CALLBACK:
            return super().process(op, args, params)
        # Each callback takes the result of the one before: that is their order.
        before: Any = args[0] if self.last_effect is None else self.last_effect
        if self.quiet:
            self.effects.append(before.mark)
            return before
        y = super().process(op, (before, *args[1:]), params)
        self.effects.append(y.mark)
        self.last_effect = y
        return y

    def concrete(self, x: Tracer, asked: str) -> Any:
        """The value, for a guard; for `nonzero` one that ends this program instead."""
        if x.mark.op is INPUT:
            self.touched.add(x.mark)
        value = super().concrete(x, asked)
        question = (x.mark, asked)
        if question in self.questions:
            self.guards.pop()  # it was asked before
        self.questions.add(question)
        if asked == "nonzero" and isinstance(value, np.ndarray):
            found = value.view(_Asked)
            found.stage = self
            found.guard = next(g for g in self.guards if g[:2] == question)
            return found
        return value

    def split(self, guard: Guard, function: Callable[..., Any]) -> tuple[Tracer, ...]:
        """The results of `function` on what was asked, as inputs of what follows."""
        self.guards = [g for g in self.guards if g is not guard]
        self.questions.discard((guard.node, guard.asked))
        made = function(np.asarray(guard.answer))
        arrays = made if isinstance(made, tuple) else (made,)
        tracers = tuple(self.input(type_of(y), y, "") for y in arrays)
        nodes = tuple(t.mark for t in tracers)
        self.splits.append(Split(guard.node, function, nodes, guard.line))
        return tracers


_PLACES = frozenset({np.nonzero, np.flatnonzero, np.argwhere})


class _Asked(np.ndarray[Any, Any]):
    """A mask that was asked for: its contents are a guard.

    Functions that only find places in it give traced places instead, and the guard
    goes: what follows holds for all masks with as many places.
    """

    stage: JitStage | None = None
    guard: Guard | None = None

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        first = args[0] if len(args) == 1 and not kwargs else None
        if func in _PLACES and isinstance(first, _Asked):
            stage, guard = first.stage, first.guard
            if stage is not None and guard is not None:
                made = stage.split(guard, func)
                return made if func is np.nonzero else made[0]
        plain = [x.view(np.ndarray) if isinstance(x, _Asked) else x for x in args]
        return func(*plain, **kwargs)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        plain = [x.view(np.ndarray) if isinstance(x, _Asked) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)
