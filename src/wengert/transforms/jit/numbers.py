"""Python's numbers as arguments of a compiled function.

A `Number` stands for an `int`, `float` or `complex` that may differ from call to call.
Arithmetic among such numbers, and with those written in the code, is Python's own:
`1.0 + t` is a Python float, gives way to an array's dtype (NEP 50), and raises where
Python raises. What the machine's arithmetic can't repeat exactly is asked for, and
becomes a guard.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, known
from wengert.core.op import Linear, Op
from wengert.core.pending import computed
from wengert.core.types import Array, Type
from wengert.graph.graph import Node
from wengert.ops import batching
from wengert.ops.complex import CONJUGATE, IMAG, REAL
from wengert.ops.elementwise import arithmetic as a
from wengert.ops.elementwise.rounding import PIECEWISE_CONSTANT as CONSTANT

# An int argument beyond this is part of the signature, so that sums and products of
# ints can be seen to fit int64.
LARGEST = 2**31 - 1
_MACHINE = 2**62
_KINDS = (int, float, complex)
_EXACT = 2**53  # up to here a float holds every int

# A NumPy scalar as the Python number that it equals: its dtype gives way again.
PYTHON_NUMBER = Op(
    name="python_number",
    evaluate=lambda x: x if type(x) in _KINDS else x.item(),
    type_of=lambda x: Type((), np.dtype(_python(x.dtype)), True),
    derivative=Linear(lambda ct, _x: ct),
    batch=batching.elementwise,
)


def _python(dtype: np.dtype[Any]) -> type:
    return int if dtype.kind in "iu" else complex if dtype.kind == "c" else float


class Number(Tracer):
    """An `int`, `float` or `complex`; an int's size can't exceed `bound`.

    `kind` is its type, which is known before its value is asked for.
    """

    __slots__ = ("bound", "kind")

    def __init__(
        self, interp: Any, value: Any, mark: Node, bound: int, kind: type | None = None
    ) -> None:
        super().__init__(interp, value, mark)
        self.bound = bound
        self.kind = kind or type(value)

    def as_array(self) -> Tracer:
        """A NumPy scalar, as transforms make of a Python number."""
        made: Tracer = bind(a.POSITIVE, self)
        return made

    def like_this(self, x: Array) -> Array:
        """A Python number, as `grad` returns for one."""
        if not isinstance(x, Tracer):
            return self.kind(x)
        if x.interp is not self.interp:
            return x
        made = bind(PYTHON_NUMBER, x)
        if (self.kind, x.dtype.kind) in ((float, "f"), (complex, "c")):
            return Number(self.interp, made.value, made.mark, 0, self.kind)
        return Number(self.interp, self.kind(known(x)), made.mark, 0)

    @property
    def real(self) -> Any:
        """The real part, a number of Python's of a complex one."""
        return _part(self, REAL, "real")

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return _part(self, IMAG, "imag")

    def conjugate(self) -> Any:
        """The conjugate."""
        if self.kind is not complex:
            return bind(CONJUGATE, self)
        value = computed(self.value).conjugate()
        return _made(self, CONJUGATE, (self,), value, 0)

    # Each question is a guard; each operator stands in the tables below.

    def __hash__(self) -> int:
        return hash(asked(self))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(asked(self), dtype)

    def __format__(self, spec: str) -> str:
        return format(asked(self), spec)

    def __str__(self) -> str:
        return str(asked(self))

    def __round__(self, n: int | None = None) -> Any:
        return round(asked(self), n)

    def __floor__(self) -> int:
        return math.floor(float(asked(self)))

    def __ceil__(self) -> int:
        return math.ceil(float(asked(self)))


def asked(x: Any) -> Any:
    """The number itself, which the path then holds for."""
    if not isinstance(x, Number):
        return x
    value = computed(x.value)
    x.interp.concrete(x, "int" if type(value) is int else "float")
    return value


def _made(x: Number, op: Op, args: tuple[Any, ...], value: Any, bound: int) -> Number:
    """The Python number that `op` computes."""
    raw = bind(op, *args)
    node = bind(PYTHON_NUMBER, raw).mark
    return Number(x.interp, value, node, bound)


def _part(x: Number, op: Op, name: str) -> Any:
    if x.kind is not complex:
        return getattr(Tracer, name).fget(x)
    return _made(x, op, (x,), getattr(computed(x.value), name), 0)


def _holds(op: Op, *args: Any) -> None:
    """Makes a guard of what is true now."""
    bool(bind(op, *args))


def _bound(x: Any) -> int:
    return x.bound if isinstance(x, Number) else abs(x) if type(x) is int else 0


def _value(x: Any) -> Any:
    return computed(x.value) if isinstance(x, Number) else x


Plan = Callable[[Any, Any, Any], int | None]


def _sum(x: Any, y: Any, value: Any) -> int | None:
    bound = _bound(x) + _bound(y)
    return bound if type(value) is not int or bound < _MACHINE else None


def _product(x: Any, y: Any, value: Any) -> int | None:
    bound = _bound(x) * _bound(y)
    return bound if type(value) is not int or bound < _MACHINE else None


def _quotient(x: Any, y: Any, value: Any) -> int | None:
    if type(value) is complex:  # which Python and NumPy round differently
        return None
    if _bound(x) > _EXACT or _bound(y) > _EXACT:
        return None
    if isinstance(y, Number):
        _holds(CONSTANT["not_equal"], y, 0)
    return 0


def _power(x: Any, y: Any, value: Any) -> int | None:
    """Of a positive base, so that the result is a float; of small ints as products."""
    if type(value) is int:
        if type(y) is not int or not 0 <= y <= 8:
            return None
        bound = _bound(x) ** y
        return bound if bound < _MACHINE else None
    if type(value) is complex or complex in (type(_value(x)), type(_value(y))):
        return None
    if not (_value(x) > 0 and math.isfinite(value)) or type(_value(x)) is int:
        return None
    if isinstance(x, Number):
        _holds(CONSTANT["greater"], x, 0)
    _holds(CONSTANT["isfinite"], bind(a.POWER, x, y))
    return 0


def _same_kind(x: Number, other: Any) -> bool:
    if isinstance(other, Number):
        return other.interp is x.interp
    return type(other) in _KINDS


def _operator(
    name: str, op: Op, python: Callable[..., Any], plan: Plan
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    plain, reflected = getattr(Tracer, f"__{name}__"), getattr(Tracer, f"__r{name}__")

    def of(owner: Number, x: Any, y: Any) -> Any:
        value = python(_value(x), _value(y))
        bound = plan(x, y, value)
        if bound is None:
            return python(asked(x), asked(y))
        return _made(owner, op, (x, y), value, bound)

    def forward(x: Number, other: Any) -> Any:
        return of(x, x, other) if _same_kind(x, other) else plain(x, other)

    def backward(x: Number, other: Any) -> Any:
        return of(x, other, x) if _same_kind(x, other) else reflected(x, other)

    return forward, backward


def _by_value(
    name: str, python: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """An operator whose result, among Python's numbers, is asked for."""
    plain, reflected = getattr(Tracer, f"__{name}__"), getattr(Tracer, f"__r{name}__")

    def forward(x: Number, other: Any) -> Any:
        if _same_kind(x, other):
            return python(asked(x), asked(other))
        return plain(x, other)

    def backward(x: Number, other: Any) -> Any:
        if _same_kind(x, other):
            return python(asked(other), asked(x))
        return reflected(x, other)

    return forward, backward


def _comparison(name: str, op: Op) -> Callable[..., Any]:
    plain = getattr(Tracer, f"__{name}__")

    def compare(x: Number, other: Any) -> Any:
        if _same_kind(x, other):
            if name not in ("eq", "ne") and complex in (x.kind, type(_value(other))):
                return NotImplemented  # Python doesn't order complex numbers
            return bool(bind(op, x, other))
        if isinstance(other, np.ndarray | np.generic | Tracer):
            return plain(x, other)
        return NotImplemented  # None, a string …: Python knows

    return compare


def _unary(op: Op, python: Callable[..., Any]) -> Callable[[Number], Any]:
    return lambda x: _made(x, op, (x,), python(computed(x.value)), x.bound)


def _attach() -> None:
    """Operators are looked up on the class."""
    table: dict[str, Any] = {}
    arithmetic: tuple[tuple[str, Op, Any, Plan], ...] = (
        ("add", a.ADD, operator.add, _sum),
        ("sub", a.SUBTRACT, operator.sub, _sum),
        ("mul", a.MULTIPLY, operator.mul, _product),
        ("truediv", a.DIVIDE, operator.truediv, _quotient),
        ("pow", a.POWER, operator.pow, _power),
    )
    for name, op, python, plan in arithmetic:
        forward, backward = _operator(name, op, python, plan)
        table |= {f"__{name}__": forward, f"__r{name}__": backward}
    by_value = {
        "floordiv": operator.floordiv, "mod": operator.mod, "and": operator.and_,
        "or": operator.or_, "xor": operator.xor, "lshift": operator.lshift,
        "rshift": operator.rshift, "divmod": divmod,
    }  # fmt: skip
    for name, by in by_value.items():
        forward, backward = _by_value(name, by)
        table |= {f"__{name}__": forward, f"__r{name}__": backward}
    # `n += 1` makes a new number.
    for name in (*(row[0] for row in arithmetic), *by_value):
        if name != "divmod":
            table[f"__i{name}__"] = table[f"__{name}__"]
    compare = {
        "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal",
        "gt": "greater", "ge": "greater_equal",
    }  # fmt: skip
    for name, ufunc in compare.items():
        table[f"__{name}__"] = _comparison(name, CONSTANT[ufunc])
    table["__neg__"] = _unary(a.NEGATIVE, operator.neg)
    table["__pos__"] = lambda x: x
    size = _unary(a.ABSOLUTE, abs)
    table["__abs__"] = lambda x: abs(asked(x)) if x.kind is complex else size(x)
    for name, method in table.items():
        setattr(Number, name, method)


def _is_attached() -> bool:
    """Whether `Tracer` has its operators already: they come with `wengert.numpy`."""
    return "__add__" in Tracer.__dict__


def prepare() -> None:
    """Gives `Number` its operators, once those of `Tracer` are there."""
    if "__add__" not in Number.__dict__ and _is_attached():
        _attach()


def number(interp: Any, value: Any, name: str) -> Number:
    """An argument of a compiled function that is an `int`, `float` or `complex`."""
    prepare()
    kind = type(value)
    tracer: Array = interp.input(Type((), np.dtype(kind), True), value, name)
    return Number(interp, value, tracer.mark, LARGEST if kind is int else 0)
