"""`bind`: hands an operation to the innermost interpreter among its arguments.

Levels are numbers that only grow, so the interpreter made last is the innermost, in
every thread and task, and nothing has to be restored when a function ends, raises, or
is suspended for ever. The tracer knows its interpreter; there is no global stack.
"""

import itertools
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wengert.core.errors import (
    ShapeMismatch,
    TracedValueError,
    TypeMismatch,
    WengertError,
    explain,
    user_line,
)
from wengert.core.op import Op
from wengert.core.pending import computed
from wengert.core.types import Array, Shape, type_of

_levels = itertools.count(1)

# Shared by all operations without parameters; nobody writes into it.
NO_PARAMS: dict[str, Any] = {}


class Interpreter:
    """What happens to an operation on traced values: recorded, pushed forward, …

    Subclasses give meaning to `Tracer.mark` and implement `process`.
    """

    __slots__ = ("level",)
    verb = "traced"
    stages = False
    # Whether float() of a value may be answered: nothing is lost but the trace.
    answers_float = False

    def __init__(self) -> None:
        self.level = next(_levels)

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """The result of `op`, at least one of whose arguments is a tracer of ours."""
        raise TypeError(f"{type(self).__name__} has no way to do this")

    def unary(self, op: Op, x: "Tracer") -> Any:
        """`process` for one argument and no parameters: most calls are such."""
        return self.process(op, (x,), NO_PARAMS)

    def binary(self, op: Op, a: Array, b: Array) -> Any:
        """`process` for two arguments and no parameters."""
        return self.process(op, (a, b), NO_PARAMS)

    def lift(self, x: Array) -> Array:
        """A constant as a tracer of ours, so that traced values can be written into it.

        A differentiating interpreter leaves integers and booleans as they are.
        """
        raise TypeError(f"{type(self).__name__} has no way to do this")

    def overwrite(
        self, op: Op, x: "Tracer", value: Array, arrays: list[Array], key: Any
    ) -> bool:
        """Writes into the value of `x` in place, if nobody would notice."""
        return False

    def shape_of(self, x: "Tracer") -> Shape:
        """The shape that the user's function sees."""
        shape: Shape = x.value.shape
        return shape

    def dtype_of(self, x: "Tracer") -> Any:
        """The dtype that the user's function sees."""
        return x.value.dtype

    def concrete(self, x: "Tracer", asked: str) -> Any:
        """The plain value behind `x`, for a question from Python: `bool`, `int` …"""
        value = computed(x.value)
        return (
            value.interp.concrete(value, asked) if isinstance(value, Tracer) else value
        )

    def close(self) -> None:
        """After the function has ended: tracers that escaped from it now raise."""
        self.__class__ = _CLOSED[type(self)]


def _escaped(self: Interpreter, op: Any, *rest: Any) -> NoReturn:
    what = f"`{op.name}`" if isinstance(op, Op) else "a write"
    raise TracedValueError(
        explain(
            "A traced value is used only inside the function that is being "
            f"{self.verb}.",
            f"{what} on a value that escaped from a {self.verb} function that "
            "has ended (through a global, an attribute, a list, a closure?)",
            "return the value from the function (has_aux=True for values besides "
            "the result), or store wg.stop_gradient(value).",
        )
    )


class _Closed(dict[type, type]):
    """For each interpreter class, its twin whose `process` raises."""

    def __missing__(self, kind: type) -> type:
        if "ended" not in kind.__dict__:
            twin = type(
                kind.__name__,
                (kind,),
                {
                    "__slots__": (),
                    "process": _escaped,
                    "overwrite": _escaped,
                    "lift": _escaped,
                    "unary": Interpreter.unary,
                    "binary": Interpreter.binary,
                    "ended": True,
                },
            )
        else:
            twin = kind
        self[kind] = twin
        return twin


_CLOSED = _Closed()


class Tracer:
    """An array as the user's function sees it while an interpreter watches.

    `value` is the array one level down (perhaps itself a tracer), `mark` what the
    interpreter keeps beside it. NumPy's operators, methods and functions are attached
    in `wengert.numpy`. A tracer is a handle, as an ndarray is: writing into it gives
    it a new value and mark.
    """

    __slots__ = ("__weakref__", "interp", "mark", "value")

    if TYPE_CHECKING:  # what `wengert.numpy.operators` attaches
        shape: Shape
        dtype: np.dtype[Any]
        ndim: int
        size: int

        def __array__(self) -> np.ndarray[Any, Any]: ...
        def __getitem__(self, key: Any) -> Any: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, interp: Interpreter, value: Array, mark: Any) -> None:
        self.interp = interp
        self.value = value
        self.mark = mark

    def as_array(self) -> "Tracer":
        """This value as it is now, as an array: what gives way to dtypes no more."""
        return fixed(self)  # type: ignore[no-any-return]

    def like_this(self, x: Array) -> Array:
        """A result in the type of this argument, as Python's numbers give such."""
        return x


def bind(op: Op, *args: Array, **params: Any) -> Any:
    """Applies `op`: by the innermost interpreter among `args`, or by NumPy if none."""
    innermost: Any = None
    for a in args:
        if isinstance(a, Tracer):
            interp = a.interp
            if innermost is None or interp.level > innermost.level:
                innermost = interp
    if innermost is not None:
        return innermost.process(op, args, params)
    try:
        return op.evaluate(*args, **params)
    except Exception as error:
        raise dressed(error, op, args, params) from None


def bind_two(op: Op, a: Array, b: Array) -> Any:
    """`bind` for two arguments, at least one of them traced, and no parameters."""
    if not isinstance(b, Tracer):
        return a.interp.binary(op, a, b)
    if not isinstance(a, Tracer) or b.interp.level > a.interp.level:
        return b.interp.binary(op, a, b)
    return a.interp.binary(op, a, b)


def dressed(
    error: Exception, op: Op, args: tuple[Array, ...], params: dict[str, Any]
) -> Exception:
    """NumPy's error with the op, its argument types and the user's line added.

    A shape that doesn't fit becomes the op's own full sentence; other errors keep their
    class (IndexError, LinAlgError …), so that `except` clauses go on working.
    """
    if isinstance(error, WengertError) or getattr(error, "__notes__", None):
        return error
    try:
        types = [type_of(a) for a in args]
    except AttributeError:
        types = []
    if types and isinstance(error, ValueError):
        try:
            op.type_of(*types, **params)
        except ShapeMismatch as refused:
            return ShapeMismatch(f"{refused}\n  At:   {user_line()}")
        except Exception as unrelated:
            error.__suppress_context__ = unrelated is not None
    came = ", ".join(map(str, types))
    error.add_note(f"In `{op.name}` of ({came})\n  At:   {user_line()}")
    return error


def fixed(x: Any) -> Any:
    """`x` as it is now: a copy of an array, a handle of its own for a traced value.

    Both may be written into by whoever else holds them.
    """
    if isinstance(x, Tracer):
        return Tracer(x.interp, x.value, x.mark)
    return x.copy(order="K") if isinstance(x, np.ndarray) else x


def check_kind(op: Op, dtype: np.dtype[Any]) -> None:
    """Refuses results that aren't numbers: of object, string or date arrays."""
    if dtype.kind not in "fciub":
        raise TypeMismatch(
            explain(
                "Traced values meet arrays of numbers.",
                f"`{op.name}` gives dtype {dtype}",
                "convert with .astype(float), or keep such data out of the traced "
                "computation.",
            )
        )


def is_traced(x: object) -> bool:
    """Whether `x` is a tracer."""
    return isinstance(x, Tracer)


def known(x: Array) -> Array | None:
    """The plain array behind any number of levels, or None if one has no value."""
    return computed(bottom(x))


def bottom(x: Array) -> Any:
    """As `known`, but a value that nobody has asked for yet stays `Pending`."""
    while isinstance(x, Tracer):
        x = x.value
    return x


def is_staged(x: Array) -> bool:
    """Whether `x` stands for values that differ from the one it has now, if any."""
    while isinstance(x, Tracer):
        if x.interp.stages:
            return True
        x = x.value
    return False
