"""Values in a vector register, with Python's operators for LLVM's instructions.

The functions of this folder are formulas; these classes let them read as such. Every
operator writes one instruction at once; nothing is rearranged afterwards, since the
text goes to the code generator without LLVM's middle end.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wengert.native.ir import Emitter, Kind, number


class Format(NamedTuple):
    """The layout of a binary floating-point number, and numbers that follow from it."""

    integer: str  # the integer type of the same size
    fraction: int  # bits stored after the point
    bias: int

    @property
    def round_magic(self) -> float:
        """Adding it leaves a whole number, in the low bits: 1.5·2^fraction."""
        return 1.5 * 2.0**self.fraction

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def sign(self) -> int:
        """The sign bit, as the signed integer that has only it."""
        return -(1 << (63 if self.integer == "i64" else 31))

    def bits(self, x: float) -> int:
        """The stored integer of a power of two."""
        return (int(x).bit_length() - 1 + self.bias) << self.fraction


FORMATS = {"double": Format("i64", 52, 1023), "float": Format("i32", 23, 127)}


class Mask:
    """A truth value in every lane."""

    __slots__ = ("lanes", "text")

    def __init__(self, lanes: "Lanes", text: str) -> None:
        self.lanes = lanes
        self.text = text

    def _join(self, op: str, other: "Mask") -> "Mask":
        lanes = self.lanes
        return Mask(lanes, lanes.let(f"{op} {lanes.mask} {self.text}, {other.text}"))

    def __and__(self, other: "Mask") -> "Mask":
        return self._join("and", other)

    def __or__(self, other: "Mask") -> "Mask":
        return self._join("or", other)

    def __xor__(self, other: "Mask") -> "Mask":
        return self._join("xor", other)

    def __invert__(self) -> "Mask":
        return self._join("xor", Mask(self.lanes, self.lanes.truth(True)))

    def where(self, a: "Real | float", b: "Real | float") -> "Real":
        """a where true, b where false."""
        n = self.lanes
        return Real(n, n.let(
            f"select {n.mask} {self.text}, {n.real} {n.text(a)}, {n.real} {n.text(b)}"
        ))  # fmt: skip

    def where_bits(self, a: "Bits | int", b: "Bits | int") -> "Bits":
        """a where true, b where false, of integers."""
        n = self.lanes
        return Bits(n, n.let(
            f"select {n.mask} {self.text}, "
            f"{n.integer} {n.integer_text(a)}, {n.integer} {n.integer_text(b)}"
        ))  # fmt: skip


class Bits:
    """An integer in every lane, as wide as the floating-point numbers beside it."""

    __slots__ = ("lanes", "text")

    def __init__(self, lanes: "Lanes", text: str) -> None:
        self.lanes = lanes
        self.text = text

    def _join(self, op: str, other: "Bits | int") -> "Bits":
        n = self.lanes
        return Bits(n, n.let(f"{op} {n.integer} {self.text}, {n.integer_text(other)}"))

    def __add__(self, other: "Bits | int") -> "Bits":
        return self._join("add", other)

    def __sub__(self, other: "Bits | int") -> "Bits":
        return self._join("sub", other)

    def __and__(self, other: "Bits | int") -> "Bits":
        return self._join("and", other)

    def __or__(self, other: "Bits | int") -> "Bits":
        return self._join("or", other)

    def __xor__(self, other: "Bits | int") -> "Bits":
        return self._join("xor", other)

    def __lshift__(self, other: "Bits | int") -> "Bits":
        return self._join("shl", other)

    def __rshift__(self, other: "Bits | int") -> "Bits":
        """Zeros come in from the left."""
        return self._join("lshr", other)

    def compare(self, how: str, other: "Bits | int") -> Mask:
        """`icmp`: eq, ne, slt, ult, sgt …"""
        n = self.lanes
        text = f"icmp {how} {n.integer} {self.text}, {n.integer_text(other)}"
        return Mask(n, n.let(text))

    @property
    def real(self) -> "Real":
        """The number stored as these bits."""
        n = self.lanes
        return Real(n, n.let(f"bitcast {n.integer} {self.text} to {n.real}"))


class Real:
    """A floating-point number in every lane."""

    __slots__ = ("lanes", "text")

    def __init__(self, lanes: "Lanes", text: str) -> None:
        self.lanes = lanes
        self.text = text

    def _join(self, op: str, a: str, b: str) -> "Real":
        lanes = self.lanes
        return Real(lanes, lanes.let(f"{op} {lanes.real} {a}, {b}"))

    def __add__(self, other: "Real | float") -> "Real":
        return self._join("fadd", self.text, self.lanes.text(other))

    __radd__ = __add__

    def __sub__(self, other: "Real | float") -> "Real":
        return self._join("fsub", self.text, self.lanes.text(other))

    def __rsub__(self, other: float) -> "Real":
        return self._join("fsub", self.lanes.text(other), self.text)

    def __mul__(self, other: "Real | float") -> "Real":
        return self._join("fmul", self.text, self.lanes.text(other))

    __rmul__ = __mul__

    def __truediv__(self, other: "Real | float") -> "Real":
        return self._join("fdiv", self.text, self.lanes.text(other))

    def __rtruediv__(self, other: float) -> "Real":
        return self._join("fdiv", self.lanes.text(other), self.text)

    def __neg__(self) -> "Real":
        lanes = self.lanes
        return Real(lanes, lanes.let(f"fneg {lanes.real} {self.text}"))

    def __abs__(self) -> "Real":
        return self.lanes.call("fabs", self)

    def compare(self, how: str, other: "Real | float") -> Mask:
        """`fcmp`: olt (false for nan), ult (true for nan), uno (nan) …"""
        n = self.lanes
        text = f"fcmp {how} {n.real} {self.text}, {n.text(other)}"
        return Mask(n, n.let(text))

    def __lt__(self, other: "Real | float") -> Mask:
        return self.compare("olt", other)

    def __le__(self, other: "Real | float") -> Mask:
        return self.compare("ole", other)

    def __gt__(self, other: "Real | float") -> Mask:
        return self.compare("ogt", other)

    def __ge__(self, other: "Real | float") -> Mask:
        return self.compare("oge", other)

    def equals(self, other: "Real | float") -> Mask:
        return self.compare("oeq", other)

    def is_nan(self) -> Mask:
        return self.compare("uno", self)

    @property
    def bits(self) -> Bits:
        """How these numbers are stored."""
        n = self.lanes
        return Bits(n, n.let(f"bitcast {n.real} {self.text} to {n.integer}"))


class Lanes:
    """Writes formulas for one kind of vector into a function body."""

    __slots__ = ("emitter", "format", "integer", "kind", "let", "mask", "real")

    def __init__(self, emitter: Emitter, kind: Kind) -> None:
        self.emitter = emitter
        self.let = emitter.let
        self.kind = kind
        self.format = FORMATS[kind.element]
        self.real = str(kind)
        self.integer = str(kind.of(self.format.integer))
        self.mask = str(kind.of("i1"))

    @property
    def double(self) -> bool:
        return self.kind.element == "double"

    @property
    def fused(self) -> bool:
        """Whether the machine multiplies and adds with one rounding."""
        return self.emitter.fma

    def value(self, text: str) -> Real:
        return Real(self, text)

    def text(self, x: Real | float) -> str:
        return x.text if isinstance(x, Real) else number(self.kind, x)

    def integer_text(self, x: Bits | int) -> str:
        if isinstance(x, Bits):
            return x.text
        return number(self.kind.of(self.format.integer), x)

    def truth(self, x: bool) -> str:
        return number(self.kind.of("i1"), x)

    def call(self, intrinsic: str, *args: Real | float) -> Real:
        """An intrinsic of LLVM whose arguments are of the kind of its result."""
        texts = (self.text(a) for a in args)
        return Real(self, self.emitter.intrinsic(intrinsic, self.kind, *texts))

    def fma(self, a: Real, b: Real | float, c: Real | float) -> Real:
        """a·b + c, rounded once where the machine can."""
        if self.emitter.fma:
            return self.call("fma", a, b, c)
        return a * b + c

    def sqrt(self, x: Real) -> Real:
        return self.call("sqrt", x)

    def copysign(self, size: Real | float, sign: Real) -> Real:
        return self.call("copysign", size, sign)

    def at_most(self, x: Real, limit: Real | float) -> Real:
        """The smaller; nan where x is nan. One instruction on x86."""
        n = self
        mask = n.value(n.text(limit)) < x
        return mask.where(limit, x)

    def at_least(self, x: Real, limit: Real | float) -> Real:
        """The larger; nan where x is nan."""
        mask = self.value(self.text(limit)) > x
        return mask.where(limit, x)

    def polynomial(self, x: Real, c: Sequence[float], xx: Real | None = None) -> Real:
        """Σ cᵢxⁱ. Two interleaved chains if x² is at hand or the degree is high."""
        if len(c) < 5 or (xx is None and len(c) < 7):
            return self._horner(x, c)
        xx = x * x if xx is None else xx
        return self.fma(self._horner(xx, c[1::2]), x, self._horner(xx, c[::2]))

    def _horner(self, x: Real, c: Sequence[float]) -> Real:
        if len(c) == 1:
            return Real(self, self.text(c[0]))
        y = self.fma(x, c[-1], c[-2])
        for a in reversed(c[:-2]):
            y = self.fma(y, x, a)
        return y
