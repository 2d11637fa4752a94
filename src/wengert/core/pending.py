"""Values that are computed when somebody asks: those of steps that are written down.

Staging needs few of them: what Python asks about, and what `debug` prints. A step that
can't raise waits, with its arguments' values, which may be waiting as well.
"""

from typing import Any

import numpy as np

from wengert.core.op import Op
from wengert.core.types import Array, Type, type_of

# Views of other memory: how they lie isn't seen from their arguments' order alone.
_VIEWS = frozenset(
    ["transpose", "flip", "broadcast_to", "index", "diagonal", "real", "imag"]
)
_SHARING = _VIEWS | {"reshape", "stop_gradient"}
# Products may be written as others on transposed arrays.
_PRODUCTS = frozenset(["einsum"])


class Pending:
    """The value of a step that nobody has asked for yet.

    Attributes:
        op: the operation.
        args: its arguments: arrays, numbers, others that wait; None once it is known.
        params: its static parameters.
        type: the type of the value.
        value: the value, once it is known.
        held: bytes of values that live on its account: those that it waits with, its
            own once it is known.
    """

    __slots__ = ("_in_order", "args", "held", "op", "params", "type", "value")

    def __init__(
        self,
        op: Op,
        args: list[Any],
        params: dict[str, Any],
        type: Type,
        held: int = 0,
    ) -> None:
        self.op = op
        self.args: list[Any] | None = args
        self.params = params
        self.type = type
        self.held = held
        self.value: Any = None
        self._in_order: bool | None = None

    def in_order(self) -> bool:
        """Whether the value is, or surely will be, an array in C order."""
        pending = [self]
        while pending:
            p = pending[-1]
            waiting = [] if p._in_order is not None else p._asked()
            if waiting:
                pending += waiting
                continue
            if p._in_order is None:
                p._in_order = p._found()
            pending.pop()
        return bool(self._in_order)

    def _asked(self) -> list["Pending"]:
        """The arguments whose order has to be known first."""
        if self.args is None or self.op.name in _VIEWS or self.op.name in _PRODUCTS:
            return []
        return [a for a in self.args if type(a) is Pending and a._in_order is None]

    def _found(self) -> bool:
        if self.args is None:
            return _lies_in_order(self.value)
        if len(self.type.shape) <= 1 and self.op.name not in _SHARING:
            return True
        if self.op.name in _VIEWS or self.op.name in _PRODUCTS:
            return False
        return all(
            a._in_order if type(a) is Pending else _lies_in_order(a) for a in self.args
        )


def _lies_in_order(x: Any) -> bool:
    return not isinstance(x, np.ndarray) or x.flags.c_contiguous


def computed(x: Array | Pending) -> Array:
    """The value of `x`: itself, or what it waited for, computed in the order written.

    As in compiled code, numbers that overflow or aren't numbers give no warning.
    """
    if type(x) is not Pending:
        return x
    pending = [x] if x.args is not None else []
    with np.errstate(all="ignore"):
        while pending:
            p = pending[-1]
            args = p.args
            if args is None:
                pending.pop()
                continue
            waiting = [a for a in args if type(a) is Pending and a.args is not None]
            if waiting:
                pending += waiting
                continue
            given = [a.value if type(a) is Pending else a for a in args]
            p.value = p.op.evaluate(*given, **p.params)
            p.args = None
            p.held = getattr(p.value, "nbytes", 0)  # Python's numbers have none
            pending.pop()
    return x.value


def is_array(x: Array | Pending) -> bool:
    """Whether a value is, or will be, an array, and not a number.

    Without axes that depends on the operation, and on whether its arguments are arrays.
    It is found by a trial with zeros; where a trial would be large, or say nothing, the
    value is computed.
    """
    if type(x) is not Pending:
        return isinstance(x, np.ndarray)
    if x.type.shape:
        return True
    if x.args is not None:
        if isinstance(x.op.evaluate, np.ufunc) or x.op.name in _FOLDS:
            return False
        types = [a.type if type(a) is Pending else type_of(a) for a in x.args]
        if all(t.size <= _TRIAL for t in types):
            arrays = [np.zeros(t.shape, t.dtype) for t in types]
            with np.errstate(all="ignore"):
                tried = x.op.evaluate(*arrays, **x.params)
                again = x.op.evaluate(*[a[()] for a in arrays], **x.params)
            if isinstance(tried, np.ndarray) == isinstance(again, np.ndarray):
                return isinstance(tried, np.ndarray)
    return isinstance(computed(x), np.ndarray)


# Elements of an argument in a trial.
_TRIAL = 64
# What NumPy always gives numbers for, if no axes are left.
_FOLDS = frozenset(
    ["sum", "max", "min", "prod", "logsumexp", "logsumexp2", "variance", "vector_norm",
     "matmul", "all", "any"]
)  # fmt: skip
