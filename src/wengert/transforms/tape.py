"""The tape: what reverse mode records of a run.

Each operation on a traced value makes a node. An operation is always numbered after its
arguments, so the numbers are a topological order.
"""

import itertools
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import float64, ndarray

from wengert.core.bind import (
    NO_PARAMS,
    Interpreter,
    Tracer,
    bind,
    bind_two,
    check_kind,
    dressed,
    fixed,
)
from wengert.core.errors import DerivativeError, explain
from wengert.core.memory import ONE_VARIABLE, snapshot
from wengert.core.op import Missing, Op, Partials, Zero
from wengert.core.types import Array, type_of
from wengert.ops.index import filled

_numbers = itertools.count()
FLOAT64 = np.dtype(float64)

# A node: (number, shape, dtype, op, parents, y, args, params). `parents` has a node per
# argument, or None; `y` and `args` hold only what the derivative rule reads. A plain
# tuple, because making one takes a quarter of the time of an object of a class.
Node = tuple[int, Any, Any, Any, Any, Any, Any, Any]


class _Part:
    """In a node: one result (its index is `args`) of an operation with several."""

    name = "part"


PART = _Part()


class Reverse(Interpreter):
    """Records. A tracer's `mark` is its node."""

    __slots__ = ("constants",)
    verb = "differentiated"

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[int, tuple[Array, Array]] = {}

    def input(self, x: Array) -> Tracer:
        """A tracer for an argument: a node without parents."""
        leaf = (next(_numbers), x.shape, x.dtype, None, (), None, None, None)
        return Tracer(self, x, leaf)

    def lift(self, x: Array) -> Array:
        """A constant: a node that no argument leads to."""
        x = fixed(x)
        return self.input(x) if x.dtype.kind in "fc" else x

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """Evaluates `op` one level down and records what its derivative needs."""
        if type(op.derivative) is Partials and not params:
            if len(args) == 2:
                return self.binary(op, *args)
            if len(args) == 1:
                return self.unary(op, args[0])
        mask, bit = 0, 1
        values: list[Array] = []
        parents: list[Node | None] = []
        for a in args:
            ours = isinstance(a, Tracer) and a.interp is self
            values.append(a.value if ours else a)
            parents.append(a.mark if ours else None)
            mask |= bit if ours else 0
            bit += bit
        y = bind(op, *values, **params)
        rule = op.derivative
        if isinstance(rule, Zero):
            return y
        if isinstance(rule, Missing):
            raise DerivativeError(
                explain(f"`{op.name}` has no derivative.", "a traced value", rule.why)
            )
        if not op.multiple and y.dtype.kind not in "fc":
            return _untracked(op, y)
        keep_y, keep = rule.keeps.find(mask, len(args))
        for i, kept in enumerate(keep):
            if not kept:
                values[i] = type_of(values[i])
            elif parents[i] is None:
                values[i] = self._constant(values[i])
        kept_y = y if keep_y else None
        if not op.multiple:
            node = (
                next(_numbers), y.shape, y.dtype, op, parents, kept_y, values, params,
            )  # fmt: skip
            return Tracer(self, y, node)
        types = tuple(map(type_of, y))
        whole = (next(_numbers), types, None, op, parents, kept_y, values, params)
        return tuple(self._part(whole, i, part) for i, part in enumerate(y))

    def overwrite(
        self, op: Op, x: Tracer, value: Array, arrays: list[Array], key: Any
    ) -> bool:
        """`x[key] = value` without a copy, if only the handle `x` holds its value.

        A node that keeps the value, a view of it or a caller would be another
        reference. So a loop that fills an array of n elements costs n, not n².
        """
        ours = isinstance(value, Tracer) and value.interp is self
        v = value.value if ours else value
        buffer = x.value
        if (
            type(buffer) is not ndarray
            or getrefcount(buffer) != ONE_VARIABLE + 1
            or buffer.base is not None
            or not buffer.flags.writeable
            or any(isinstance(a, Tracer) for a in (v, *arrays))
        ):
            return False
        try:
            buffer[filled(key, arrays)] = v
        except (ValueError, TypeError, IndexError):
            return False  # nothing was written; the usual way explains what's wrong
        parents = [x.mark, value.mark if ours else None, *[None] * len(arrays)]
        kept = [type_of(buffer), type_of(v), *map(self._constant, arrays)]
        x.mark = (
            next(_numbers), buffer.shape, buffer.dtype, op, parents, None, kept,
            {"key": key},
        )  # fmt: skip
        return True

    def _part(self, whole: Node, i: int, y: Array) -> Array:
        """One result of an operation with several."""
        if y.dtype.kind not in "fc":
            return y
        node = (next(_numbers), y.shape, y.dtype, PART, (whole,), None, i, None)
        return Tracer(self, y, node)

    # Elementwise operations are most of all operations, so they have a path of their
    # own, written out for one and for two arguments: half the time of the general one.

    def unary(self, op: Op, x: Tracer) -> Any:
        """`process` for one argument."""
        rule = op.derivative
        if type(rule) is not Partials:
            return self.process(op, (x,), NO_PARAMS)
        parent, value = x.mark, x.value
        if isinstance(value, Tracer):
            y = value.interp.unary(op, value)
        else:
            try:
                y = op.evaluate(value)
            except Exception as error:
                raise dressed(error, op, (value,), NO_PARAMS) from None
        dtype = FLOAT64 if type(y) is float64 else y.dtype
        if dtype is not FLOAT64 and dtype.kind not in "fc":
            return _untracked(op, y)
        keep_y, (keep,) = rule.masks[1]
        node = (
            next(_numbers), parent[1], dtype, op, (parent,),
            y if keep_y else None, (value if keep else None,), NO_PARAMS,
        )  # fmt: skip
        return Tracer(self, y, node)

    def binary(self, op: Op, a: Array, b: Array) -> Any:
        """`process` for two arguments."""
        rule = op.derivative
        if type(rule) is not Partials:
            return self.process(op, (a, b), NO_PARAMS)
        mask = 0
        mark_a: Any = None
        mark_b: Any = None
        below = False
        if isinstance(a, Tracer):
            if a.interp is self:
                mask, mark_a, a = 1, a.mark, a.value
                below = isinstance(a, Tracer)
            else:
                below = True
        if isinstance(b, Tracer):
            if b.interp is self:
                mask, mark_b, b = mask | 2, b.mark, b.value
                below = below or isinstance(b, Tracer)
            else:
                below = True
        if below:
            y = bind_two(op, a, b)
        else:
            try:
                y = op.evaluate(a, b)
            except Exception as error:
                raise dressed(error, op, (a, b), NO_PARAMS) from None
        dtype = FLOAT64 if type(y) is float64 else y.dtype
        if dtype is not FLOAT64 and dtype.kind not in "fc":
            return _untracked(op, y)
        # The arguments' shape where it is the result's: asking an array takes longer,
        # and makes a tuple of 56 bytes that the node would hold.
        if mark_a is None:
            shape = mark_b[1] if type(a) is float else y.shape
        elif mark_b is None:
            shape = mark_a[1] if type(b) is float else y.shape
        else:
            shape = mark_a[1] if mark_a[1] == mark_b[1] else y.shape
        keep_y, (keep_a, keep_b) = rule.masks[mask]
        if not keep_a:
            a = None
        elif mark_a is None and type(a) is not float:
            a = self._constant(a)
        if not keep_b:
            b = None
        elif mark_b is None and type(b) is not float:
            b = self._constant(b)
        node = (
            next(_numbers), shape, dtype, op, (mark_a, mark_b),
            y if keep_y else None, (a, b), NO_PARAMS,
        )  # fmt: skip
        return Tracer(self, y, node)

    def _constant(self, x: Array) -> Array:
        """`x` as it is now: the user may write into it before the backward pass."""
        if type(x) is not np.ndarray:
            return fixed(x)
        if x.nbytes <= 4096:
            return x.copy()
        return snapshot(x, self.constants)


def _untracked(op: Op, y: Array) -> Array:
    check_kind(op, y.dtype)
    return y
