"""What formulas on complex numbers are written in: real nodes with Python's operators.

Each operator makes one node at once. Nothing is simplified, since nan, infinities and
signed zeros must come out as NumPy's; equal nodes are made once.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core.op import Missing, Op, op_named
from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, Node
from wengert.native.forms import part_of

Dtype = np.dtype[Any]
BOOL = np.dtype(bool)
_TRUTHS = frozenset({
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan",
    "isinf", "isfinite", "signbit", "logical_and", "logical_or", "logical_not",
})  # fmt: skip


def _joined(re: Any, im: Any) -> Any:
    re = np.asarray(re)
    made = np.empty(re.shape, np.result_type(re.dtype, np.complex64))
    made.real, made.imag = re, im
    return made[()]


def _log_abs(a: Any, b: Any) -> Any:
    """log √(a² + b²), by NumPy's complex logarithm."""
    return np.log(_joined(*np.broadcast_arrays(a, b))).real


def _own(name: str, evaluate: Callable[..., Any], type_of: Callable[..., Any]) -> Op:
    """An op that only graphs on their way to code have."""
    why = Missing("it is made after all derivatives")
    return Op(name, evaluate, type_of, why, batch=lambda *_: None)


PAIR = _own(
    "pair",
    _joined,
    lambda re, im: Type(re.shape, np.result_type(re.dtype, np.complex64)),
)
LOG_ABS = _own("log_abs", _log_abs, lambda a, b: Type(a.shape or b.shape, a.dtype))


def _broadcast(nodes: tuple[Node, ...]) -> tuple[int, ...]:
    """The shape that nodes have together."""
    shapes = {n.type.shape for n in nodes} - {()}
    if len(shapes) <= 1:
        return next(iter(shapes), ())
    return np.broadcast_shapes(*shapes)


class Maker:
    """Makes nodes, equal ones once; `source` and `scope` are the user's step's."""

    def __init__(self) -> None:
        self.source: Any = None
        self.scope = ""
        self.made: dict[Any, Node] = {}
        self.constants: dict[tuple[str, str], Node] = {}

    def node(
        self, op: Op, inputs: tuple[Node, ...], params: dict[str, Any], type: Any
    ) -> Node:
        """A node that isn't looked for among the ones before."""
        return Node(op, inputs, params, type, self.source, "", self.scope)

    def elementwise(self, name: str, result: Dtype, *inputs: Node) -> Node:
        """A node for a ufunc, or for a conversion; its inputs broadcast."""
        key = (name, result.char, inputs)
        found = self.made.get(key)
        if found is None:
            shape = _broadcast(inputs)
            op = LOG_ABS if name == "log_abs" else op_named(name)
            assert op is not None, name
            params = {"dtype": result} if name == "astype" else {}
            found = self.node(op, inputs, params, Type(shape, result))
            self.made[key] = found
        return found

    def constant(self, value: Any, dtype: Dtype) -> Node:
        """A number."""
        key = (str(value), dtype.char)  # a text tells −0 from 0, and nan is itself
        if key not in self.constants:
            x = dtype.type(value)
            self.constants[key] = Node(CONSTANT, (), {"value": x}, Type((), dtype))
        return self.constants[key]

    def cast(self, x: Node, dtype: Dtype) -> Node:
        """A real node as one of this dtype."""
        if x.dtype == dtype and not x.type.weak:
            return x
        if x.op is CONSTANT and not x.shape:
            with np.errstate(all="ignore"):
                return self.constant(np.asarray(x.params["value"]).astype(dtype), dtype)
        return self.elementwise("astype", dtype, x)

    def real(self, x: Node) -> "Real":
        """A node to write formulas with."""
        return Real(self, x)

    def number(self, value: float, dtype: Dtype) -> "Real":
        """A number to write formulas with."""
        return Real(self, self.constant(value, dtype))

    def part(self, x: Node, imaginary: bool) -> Node:
        """A part of a complex node."""
        key = ("imag" if imaginary else "real", x)
        if key not in self.made:
            op = op_named(key[0])
            assert op is not None
            type = Type(x.shape, part_of(x.dtype))
            self.made[key] = self.node(op, (x,), {}, type)
        return self.made[key]


class Real:
    """A real node: operators and functions make further ones of its dtype."""

    __slots__ = ("maker", "node")

    def __init__(self, maker: Maker, node: Node) -> None:
        self.maker = maker
        self.node = node

    @property
    def dtype(self) -> Dtype:
        """That of its elements."""
        return self.node.dtype

    @property
    def double(self) -> bool:
        """Whether it is of float64, not float32."""
        return self.node.dtype.itemsize == 8

    def to(self, name: str, *others: "Real | float") -> "Real":
        """The ufunc `name` of this and others; a truth for comparisons."""
        m, dtype = self.maker, self.node.dtype
        nodes = [
            x.node if isinstance(x, Real) else m.constant(x, dtype) for x in others
        ]
        result = BOOL if name in _TRUTHS else dtype
        return Real(m, m.elementwise(name, result, self.node, *nodes))

    def __add__(self, x: "Real | float") -> "Real":
        return self.to("add", x)

    def __sub__(self, x: "Real | float") -> "Real":
        return self.to("subtract", x)

    def __mul__(self, x: "Real | float") -> "Real":
        return self.to("multiply", x)

    def __truediv__(self, x: "Real | float") -> "Real":
        return self.to("divide", x)

    def __rsub__(self, x: float) -> "Real":
        return self.maker.number(x, self.dtype) - self

    def __rtruediv__(self, x: float) -> "Real":
        return self.maker.number(x, self.dtype) / self

    def __neg__(self) -> "Real":
        return self.to("negative")

    def __abs__(self) -> "Real":
        return self.to("absolute")

    def __lt__(self, x: "Real | float") -> "Real":
        return self.to("less", x)

    def __le__(self, x: "Real | float") -> "Real":
        return self.to("less_equal", x)

    def __gt__(self, x: "Real | float") -> "Real":
        return self.to("greater", x)

    def __ge__(self, x: "Real | float") -> "Real":
        return self.to("greater_equal", x)

    def __and__(self, x: "Real") -> "Real":
        return self.to("logical_and", x)

    def __or__(self, x: "Real") -> "Real":
        return self.to("logical_or", x)

    def __invert__(self) -> "Real":
        return self.to("logical_not")

    def equals(self, x: "Real | float") -> "Real":
        """Whether they are equal; +0 and −0 are."""
        return self.to("equal", x)

    def is_zero(self) -> "Real":
        """Whether it is +0 or −0."""
        return self.to("equal", 0.0)

    def is_known_zero(self) -> bool:
        """Whether it is a constant, and that zero."""
        n = self.node
        return not n.inputs and not n.shape and n.params.get("value") == 0

    def is_nan(self) -> "Real":
        """Whether it isn't a number."""
        return self.to("isnan")

    def is_infinite(self) -> "Real":
        """Whether it is inf or −inf."""
        return self.to("isinf")

    def or_zero(self) -> "Real":
        """This + 0, which is +0 for −0: an addition of zero would be left out."""
        return 0.0 - (-self)

    def where(self, a: "Real | float", b: "Real | float") -> "Real":
        """a where this truth holds, else b. One of them is a Real."""
        m = self.maker
        one = a if isinstance(a, Real) else b
        assert isinstance(one, Real)
        x, y = (
            v.node if isinstance(v, Real) else m.constant(v, one.dtype) for v in (a, b)
        )
        return Real(m, m.elementwise("where", one.dtype, self.node, x, y))

    def pick(self, condition: "Real", a: float, b: float) -> "Real":
        """One of two numbers, of the dtype of this."""
        return condition.where(self.maker.number(a, self.dtype), b)

    def sign_of(self, x: "Real") -> "Real":
        """This size with the sign of x."""
        return self.to("copysign", x)


class Pair(NamedTuple):
    """A complex number by its parts."""

    re: Real
    im: Real

    @property
    def swapped(self) -> "Pair":
        """i·conj(z): what carries sinh over to sin."""
        return Pair(self.im, self.re)

    def __add__(self, o: "Pair") -> "Pair":  # type: ignore[override]
        return Pair(self.re + o.re, self.im + o.im)

    def __sub__(self, o: "Pair") -> "Pair":
        return Pair(self.re - o.re, self.im - o.im)

    def __mul__(self, o: "Pair | float") -> "Pair":  # type: ignore[override]
        if not isinstance(o, Pair):
            return Pair(self.re * o, self.im * o)
        return Pair(self.re * o.re - self.im * o.im, self.re * o.im + self.im * o.re)

    def __neg__(self) -> "Pair":
        return Pair(-self.re, -self.im)

    def __truediv__(self, o: "Pair") -> "Pair":
        return quotient(self, o)


def quotient(a: Pair, b: Pair) -> Pair:
    """a/b as NumPy computes it: R. L. Smith's algorithm (Comm. ACM 5, 1962)."""
    if b.im.is_known_zero():
        return _quotient_by_real(a, b)
    size_re, size_im = abs(b.re), abs(b.im)
    steep = size_re >= size_im
    ratio = steep.where(b.im, b.re) / steep.where(b.re, b.im)
    scale = 1.0 / (steep.where(b.re, b.im) + steep.where(b.im, b.re) * ratio)
    first, second = steep.where(a.re, a.im), steep.where(a.im, a.re)
    turned = first * ratio
    re = (first + second * ratio) * scale
    im = steep.where(second - turned, turned - second) * scale
    origin = size_re.is_zero() & size_im.is_zero()
    return Pair(origin.where(a.re / size_re, re), origin.where(a.im / size_im, im))


def _quotient_by_real(a: Pair, b: Pair) -> Pair:
    """The same for b.im = 0: the ratio is a zero, which only infinities notice."""
    ratio, scale = b.im.sign_of(b.re), 1.0 / b.re
    re = (a.re + a.im * ratio) * scale
    im = (a.im - a.re * ratio) * scale
    origin, zero = b.re.is_zero(), abs(b.re)
    return Pair(origin.where(a.re / zero, re), origin.where(a.im / zero, im))


def where(condition: Real, a: Pair, b: Pair) -> Pair:
    """a where the condition holds, else b."""
    return Pair(condition.where(a.re, b.re), condition.where(a.im, b.im))


def number_like(x: Pair, re: float, im: float = 0.0) -> Pair:
    """A number of the dtype of x."""
    m = x.re.maker
    return Pair(m.number(re, x.re.dtype), m.number(im, x.re.dtype))


INF, NAN = math.inf, math.nan
