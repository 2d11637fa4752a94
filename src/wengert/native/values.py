"""Values in registers while a kernel is being written, each at its loop's depth.

A value that doesn't depend on the inner loops is computed outside of them, as a scalar;
one that depends on the innermost loop is a vector.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from wengert.core.types import Type
from wengert.native import arithmetic
from wengert.native.forms import element_of
from wengert.native.index import (
    At,
    Clamp,
    Index,
    Looked,
    Quotient,
    Remainder,
    Var,
)
from wengert.native.ir import Emitter, Kind, number

Dtype = np.dtype[Any]
I64 = np.dtype(np.int64)


class Value(NamedTuple):
    """A register or, if `known` isn't None, a number; of a dtype, at a depth."""

    text: str
    dtype: Dtype
    depth: int
    known: float | int | bool | None = None


@functools.cache
def _kind(dtype: Dtype, width: int) -> Kind:
    return Kind(element_of(Type((), dtype)), width)


class Registers:
    """Where values are written: one emitter per depth, and what was written there.

    Depth 0 is the function's entry. `inner` is the depth of the vector loop, whose
    values have `width` lanes.
    """

    __slots__ = ("atoms", "emitters", "first", "inner", "spread", "width")

    def __init__(self, depths: int, fma: bool) -> None:
        self.emitters = [Emitter(fma, f"d{i}.") for i in range(depths)]
        self.inner = depths  # the loops outside the innermost have an emitter each
        self.width = 1
        self.atoms: dict[Any, Value] = {}
        self.spread: dict[tuple[str, ...], str] = {}
        self.first: dict[Var, str] = {}  # the register that counts a loop

    def begin(self, emitter: Emitter, width: int) -> None:
        """From here the innermost loop's body goes to `emitter`."""
        del self.emitters[self.inner :]
        self.emitters.append(emitter)
        self.width = width

    def at(self, depth: int) -> Emitter:
        """Where values of this depth are written."""
        return self.emitters[depth]

    def width_at(self, depth: int) -> int:
        """Lanes of a value of this depth."""
        return self.width if depth == self.inner else 1

    def kind(self, dtype: Dtype, depth: int) -> Kind:
        """The machine kind of a value of this dtype and depth."""
        return _kind(dtype, self.width if depth == self.inner else 1)

    def text(self, v: Value, dtype: Dtype, depth: int) -> str:
        """`v` as an operand of an instruction of this dtype and depth."""
        if v.depth == depth and v.dtype is dtype and v.known is None:
            return v.text
        k = self.kind(dtype, depth)
        if v.known is not None:
            return number(k, v.known)
        e = self.at(v.depth)
        x = v.text
        if v.dtype != dtype:
            x = self._converted(v, dtype)
        if k.width == 1 or v.depth == depth:
            return x
        key = (x, str(k))
        found = self.spread.get(key)
        if found is None:
            one = e.let(f"insertelement {k} poison, {k.element} {x}, i64 0")
            zeros = f"<{k.width} x i32> zeroinitializer"
            found = e.let(f"shufflevector {k} {one}, {k} poison, {zeros}")
            self.spread[key] = found
        return found

    def _converted(self, v: Value, dtype: Dtype) -> str:
        key = (v.text, str(dtype))
        found = self.spread.get(key)
        if found is None:
            e = self.at(v.depth)
            found = arithmetic.convert(
                e, v.text, self.width_at(v.depth), v.dtype, dtype
            )
            self.spread[key] = found
        return found

    # Indices ----------------------------------------------------------------------

    def index(self, a: At) -> Value:
        """The value of an index, as int64."""
        if isinstance(a, int):
            return Value("", I64, 0, a)
        found = self.atoms.get(a)
        if found is None:
            found = self.atoms[a] = self._sum(a)
        return found

    def _sum(self, a: Index) -> Value:
        if a.constant:
            terms = self.index(Index(0, a.terms))
            return self.plus(terms, Value("", I64, 0, a.constant))
        total = Value("", I64, 0, 0)
        for atom, k in sorted(a.terms, key=lambda t: self.atom(t[0]).depth):
            term = self._times(self.atom(atom), k)
            total = self.plus(total, term)
        return total

    def _times(self, v: Value, k: int) -> Value:
        if k == 1:
            return v
        if v.known is not None:
            return v._replace(known=int(v.known) * k)
        kind = self.kind(I64, v.depth)
        key = ("times", v.text, str(k))
        text = self.spread.get(key)
        if text is None:
            text = self.at(v.depth).let(f"mul {kind} {v.text}, {number(kind, k)}")
            self.spread[key] = text
        return Value(text, I64, v.depth)

    def plus(self, a: Value, b: Value) -> Value:
        """a + b, of int64 values."""
        if a.known is not None and b.known is not None:
            return Value("", I64, 0, int(a.known) + int(b.known))
        for v, other in ((a, b), (b, a)):
            if v.known == 0:
                return other
        depth = max(a.depth, b.depth)
        kind = self.kind(I64, depth)
        x, y = (self.text(v, I64, depth) for v in (a, b))
        return Value(self.at(depth).let(f"add {kind} {x}, {y}"), I64, depth)

    def atom(self, atom: Any) -> Value:
        """The value of a loop variable, a quotient, a remainder, a clamped index."""
        found = self.atoms.get(atom)
        if found is None:
            found = self.atoms[atom] = self._atom(atom)
        return found

    def _atom(self, atom: Any) -> Value:
        if isinstance(atom, Var):
            return self._variable(atom)
        assert not isinstance(atom, Looked), "written when its array was read"
        v = self.index(atom.of)
        e, kind = self.at(v.depth), self.kind(I64, v.depth)
        if isinstance(atom, Clamp):
            x = e.intrinsic("smax", kind, v.text, number(kind, atom.low))
            x = e.intrinsic("smin", kind, x, number(kind, atom.high))
            return Value(x, I64, v.depth)
        by = number(kind, atom.by)
        if isinstance(atom, Quotient):
            x = e.let(f"sdiv {kind} {v.text}, {by}")
            r = e.let(f"mul {kind} {x}, {by}")
            less = e.let(f"icmp slt {kind} {v.text}, {r}")
            one = e.let(f"sext {kind.of('i1')} {less} to {kind}")
            return Value(e.let(f"add {kind} {x}, {one}"), I64, v.depth)
        assert isinstance(atom, Remainder)
        x = e.let(f"srem {kind} {v.text}, {by}")
        less = e.let(f"icmp slt {kind} {x}, {number(kind, 0)}")
        back = e.let(f"add {kind} {x}, {by}")
        x = e.let(f"select {kind.of('i1')} {less}, {kind} {back}, {kind} {x}")
        return Value(x, I64, v.depth)

    def _variable(self, var: Var) -> Value:
        first = self.first[var]
        if var.depth != self.inner or self.width == 1:
            return Value(first, I64, var.depth)
        kind = self.kind(I64, var.depth)
        e = self.at(var.depth)
        one = e.let(f"insertelement {kind} poison, i64 {first}, i64 0")
        all_ = e.let(
            f"shufflevector {kind} {one}, {kind} poison, "
            f"<{kind.width} x i32> zeroinitializer"
        )
        steps = ", ".join(f"i64 {i}" for i in range(kind.width))
        return Value(e.let(f"add {kind} {all_}, <{steps}>"), I64, var.depth)
