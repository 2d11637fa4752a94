"""Reading and writing elements of buffers: scalars, vectors, strides, gathers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from wengert.core.types import Type
from wengert.native.forms import element_of
from wengert.native.index import At, Index, Var, add, depth_of, scale
from wengert.native.ir import Emitter, Kind, number
from wengert.native.values import I64, Dtype, Registers, Value


class Split(NamedTuple):
    """A place as `stride` times the vector loop's variable plus the rest.

    stride None: not linear in it.
    """

    rest: At
    stride: int | None
    var: Var | None


def split(place: At, inner: int) -> Split:
    """`place` by how it depends on the loop of depth `inner`."""
    if isinstance(place, int):
        return Split(place, 0, None)
    rest, stride, var = [], 0, None
    for atom, k in place.terms:
        if isinstance(atom, Var) and atom.depth == inner:
            stride, var = k, atom
        elif depth_of(Index(0, ((atom, 1),))) == inner:
            return Split(place, None, None)
        else:
            rest.append((atom, k))
    return Split(
        Index(place.constant, tuple(rest)) if rest else place.constant, stride, var
    )


def memory_element(dtype: Dtype) -> str:
    """The element type in memory: booleans take a byte."""
    return "i8" if dtype.kind == "b" else element_of(Type((), dtype))


def active(width: int, lanes: int) -> str:
    """A constant mask whose first `lanes` lanes are on."""
    bits = ", ".join(f"i1 {str(i < lanes).lower()}" for i in range(width))
    return f"<{bits}>"


def reversed_lanes(e: Emitter, k: Kind, x: str) -> str:
    """The lanes of `x` from last to first."""
    order = ", ".join(f"i32 {i}" for i in reversed(range(k.width)))
    return e.let(f"shufflevector {k} {x}, {k} poison, <{k.width} x i32> <{order}>")


class Memory:
    """The buffers that one pass over a loop nest reads and writes.

    `lanes` of the vector width are active (fewer in a tail). Code may be `short` rather
    than fast.
    """

    __slots__ = ("lanes", "pointers", "registers", "short")

    def __init__(self, registers: Registers, pointers: dict[Any, str]) -> None:
        self.registers = registers
        self.pointers = pointers
        self.lanes = 1
        self.short = False

    def address(self, buffer: Any, dtype: Dtype, place: At) -> tuple[str, int]:
        """The address of an element at a scalar place, and its depth."""
        return self._moved(self.pointers[buffer], 0, dtype, place)

    def _moved(self, base: str, depth: int, dtype: Dtype, place: At) -> tuple[str, int]:
        r = self.registers
        if place == 0:
            return base, depth
        if isinstance(place, Index) and place.constant:
            # A constant step last: it becomes part of the instruction's address.
            base, depth = self._moved(base, depth, dtype, Index(0, place.terms))
            place = place.constant
        v = r.index(place)
        deeper = max(depth, v.depth)
        offset = str(v.known) if v.known is not None else v.text
        element = memory_element(dtype)
        key = (base, element, offset)
        found = r.spread.get(key)
        if found is None:
            found = r.at(deeper).let(
                f"getelementptr {element}, ptr {base}, i64 {offset}"
            )
            r.spread[key] = found
        return found, deeper

    def load(self, buffer: Any, dtype: Dtype, place: At, fixed: bool) -> Value:
        """The element at `place`, for every lane; `fixed`: nobody writes there."""
        r = self.registers
        parts = split(place, r.inner)
        note = ", !invariant.load !0" if fixed else ""
        element = memory_element(dtype)
        if r.width == 1 or parts.stride == 0:
            address, depth = self.address(buffer, dtype, place)
            e = r.at(depth)
            x = e.let(f"load {element}, ptr {address}{note}")
            return self._loaded(e, Kind(element, 1), x, dtype, depth)
        e = r.at(r.inner)
        k = Kind(element, r.width)
        if parts.stride in (1, -1) and (parts.stride == 1 or self.lanes == r.width):
            x = self._run(buffer, dtype, parts, k, note)
        else:
            x = self._gather(buffer, dtype, parts, k)
        return self._loaded(e, k, x, dtype, r.inner)

    def _loaded(self, e: Emitter, k: Kind, x: str, dtype: Dtype, depth: int) -> Value:
        if dtype.kind == "b":
            x = e.let(f"icmp ne {k} {x}, {number(k, 0)}")
        return Value(x, dtype, depth)

    def _run(self, buffer: Any, dtype: Dtype, s: Split, k: Kind, note: str) -> str:
        """Neighbouring elements, forwards or backwards."""
        r, e = self.registers, self.registers.at(self.registers.inner)
        base, _ = self.address(buffer, dtype, s.rest)
        assert s.var is not None
        first = r.first[s.var]
        if s.stride == 1:
            at = e.let(f"getelementptr {k.element}, ptr {base}, i64 {first}")
            return self._read(e, k, at, note, self.lanes)
        back = e.let(f"sub i64 {1 - k.width}, {first}")
        at = e.let(f"getelementptr {k.element}, ptr {base}, i64 {back}")
        size = _bytes(k)
        x = e.let(f"load {k}, ptr {at}, align {size}{note}")
        return reversed_lanes(e, k, x)

    def _read(self, e: Emitter, k: Kind, at: str, note: str, lanes: int) -> str:
        size = _bytes(k)
        if lanes == k.width:
            return e.let(f"load {k}, ptr {at}, align {size}{note}")
        flag = k.of("i1")
        name = f"@llvm.masked.load.{k.suffix}.p0"
        e.declare(f"declare {k} {name}(ptr, {flag}, {k})")
        mask = active(k.width, lanes)
        return e.let(
            f"call {k} {name}(ptr align {size} {at}, {flag} {mask}, "
            f"{k} zeroinitializer)"
        )

    def _addresses(self, buffer: Any, dtype: Dtype, s: Split, k: Kind) -> str:
        """The address of every lane's element."""
        r, e = self.registers, self.registers.at(self.registers.inner)
        if s.stride is None:
            v = r.index(s.rest)
            base = self.pointers[buffer]
            return e.let(
                f"getelementptr {k.element}, ptr {base}, <{k.width} x i64> {v.text}"
            )
        first, further = self._first(buffer, dtype, s, k)
        steps = ", ".join(f"i64 {i * s.stride + further}" for i in range(k.width))
        return e.let(
            f"getelementptr {k.element}, ptr {first}, <{k.width} x i64> <{steps}>"
        )

    def _first(self, buffer: Any, dtype: Dtype, s: Split, k: Kind) -> tuple[str, int]:
        """An address, and how many elements further the first lane's element is.

        Places that are a constant apart have one address: LLVM is quick with those.
        """
        r, e = self.registers, self.registers.at(self.registers.inner)
        further = s.rest if isinstance(s.rest, int) else s.rest.constant
        base, _ = self.address(buffer, dtype, add(s.rest, -further))
        assert s.var is not None
        first = r.first[s.var]
        key = (base, k.element, first, str(s.stride))
        found = r.spread.get(key)
        if found is None:
            skip = e.let(f"mul i64 {first}, {s.stride}")
            found = e.let(f"getelementptr {k.element}, ptr {base}, i64 {skip}")
            r.spread[key] = found
        return found, further

    def _strided(self, buffer: Any, dtype: Dtype, s: Split, k: Kind) -> str:
        """Elements a constant step apart, one by one: sooner there than by a gather."""
        e = self.registers.at(self.registers.inner)
        first, further = self._first(buffer, dtype, s, k)
        x = "poison" if self.lanes == k.width else "zeroinitializer"
        for i in range(self.lanes):
            step = i * (s.stride or 0) + further
            p = e.let(f"getelementptr {k.element}, ptr {first}, i64 {step}")
            one = e.let(f"load {k.element}, ptr {p}")
            x = e.let(f"insertelement {k} {x}, {k.element} {one}, i64 {i}")
        return x

    # Complex numbers: parts side by side ---------------------------------------------

    def load_part(
        self, buffer: Any, dtype: Dtype, place: At, part: int, fixed: bool
    ) -> Value:
        """The real (0) or imaginary (1) part, of `dtype`, of the complex at `place`."""
        r = self.registers
        s = split(place, r.inner)
        if r.width == 1 or s.stride != 1:
            return self.load(buffer, dtype, add(scale(place, 2), part), fixed)
        e, k = r.at(r.inner), r.kind(dtype, r.inner)
        both = self._both(buffer, dtype, s, k, ", !invariant.load !0" if fixed else "")
        wide = Kind(k.element, 2 * k.width)
        lanes = ", ".join(f"i32 {2 * i + part}" for i in range(k.width))
        lanes = f"<{k.width} x i32> <{lanes}>"
        x = e.let(f"shufflevector {wide} {both}, {wide} poison, {lanes}")
        return Value(x, dtype, r.inner)

    def _both(self, buffer: Any, dtype: Dtype, s: Split, k: Kind, note: str) -> str:
        """Neighbouring complex numbers as they are in memory, loaded once."""
        r, e = self.registers, self.registers.at(self.registers.inner)
        wide = Kind(k.element, 2 * k.width)
        at = self._pairs_at(buffer, dtype, s, k)
        key = ("pairs", at, str(wide))
        if key not in r.spread:
            r.spread[key] = self._read(e, wide, at, note, 2 * self.lanes)
        return r.spread[key]

    def _pairs_at(self, buffer: Any, dtype: Dtype, s: Split, k: Kind) -> str:
        """The address of the first of neighbouring complex numbers."""
        rest = scale(s.rest, 2)
        first, further = self._first(buffer, dtype, Split(rest, 2, s.var), k)
        if not further:
            return first
        r = self.registers
        key = (first, k.element, str(further))
        if key not in r.spread:
            r.spread[key] = r.at(r.inner).let(
                f"getelementptr {k.element}, ptr {first}, i64 {further}"
            )
        return r.spread[key]

    def store_pair(
        self, buffer: Any, dtype: Dtype, place: At, re: Value, im: Value
    ) -> None:
        """Writes a complex number, whose parts have `dtype`, at `place`."""
        r = self.registers
        s = split(place, r.inner)
        if r.width == 1 or s.stride != 1:
            for part, v in enumerate((re, im)):
                self.store(buffer, dtype, add(scale(place, 2), part), v)
            return
        e, k = r.at(r.inner), r.kind(dtype, r.inner)
        a, b = (r.text(v, dtype, r.inner) for v in (re, im))
        wide = Kind(k.element, 2 * k.width)
        order = ", ".join(f"i32 {i}, i32 {i + k.width}" for i in range(k.width))
        x = e.let(f"shufflevector {k} {a}, {k} {b}, <{wide.width} x i32> <{order}>")
        self._write(e, wide, self._pairs_at(buffer, dtype, s, k), x, 2 * self.lanes)

    def _gather(self, buffer: Any, dtype: Dtype, s: Split, k: Kind) -> str:
        if s.stride is not None and not (self.short and _bytes(k) >= 4):
            return self._strided(buffer, dtype, s, k)
        e = self.registers.at(self.registers.inner)
        at = self._addresses(buffer, dtype, s, k)
        pointers, flag = f"<{k.width} x ptr>", k.of("i1")
        name = f"@llvm.masked.gather.{k.suffix}.v{k.width}p0"
        e.declare(f"declare {k} {name}({pointers}, {flag}, {k})")
        mask = active(k.width, self.lanes)
        return e.let(
            f"call {k} {name}({pointers} align {_bytes(k)} {at}, {flag} {mask}, "
            f"{k} zeroinitializer)"
        )

    def store(self, buffer: Any, dtype: Dtype, place: At, v: Value) -> None:
        """Writes `v` at `place`, in every active lane."""
        r = self.registers
        parts = split(place, r.inner)
        vector = r.width > 1 and parts.stride != 0
        depth = r.inner if vector else max(depth_of(place), v.depth)
        x = r.text(v, dtype, depth)
        e = r.at(depth)
        k = Kind(memory_element(dtype), r.width_at(depth))
        if dtype.kind == "b":
            x = e.let(f"zext {k.of('i1')} {x} to {k}")
        if not vector:
            address, _ = self.address(buffer, dtype, place)
            e.do(f"store {k} {x}, ptr {address}")
        elif parts.stride == 1:
            self._write_run(buffer, dtype, parts, k, x)
        else:
            self._scatter(buffer, dtype, parts, k, x)

    def _write_run(self, buffer: Any, dtype: Dtype, s: Split, k: Kind, x: str) -> None:
        r, e = self.registers, self.registers.at(self.registers.inner)
        base, _ = self.address(buffer, dtype, s.rest)
        assert s.var is not None
        at = e.let(f"getelementptr {k.element}, ptr {base}, i64 {r.first[s.var]}")
        self._write(e, k, at, x, self.lanes)

    def _write(self, e: Emitter, k: Kind, at: str, x: str, lanes: int) -> None:
        size = _bytes(k)
        if lanes == k.width:
            e.do(f"store {k} {x}, ptr {at}, align {size}")
            return
        flag = k.of("i1")
        name = f"@llvm.masked.store.{k.suffix}.p0"
        e.declare(f"declare void {name}({k}, ptr, {flag})")
        mask = active(k.width, lanes)
        e.do(f"call void {name}({k} {x}, ptr align {size} {at}, {flag} {mask})")

    def _scatter(self, buffer: Any, dtype: Dtype, s: Split, k: Kind, x: str) -> None:
        """Lane by lane: faster than the scatter instruction where there is one."""
        e = self.registers.at(self.registers.inner)
        if self.short and _bytes(k) >= 4:
            at = self._addresses(buffer, dtype, s, k)
            pointers, flag = f"<{k.width} x ptr>", k.of("i1")
            name = f"@llvm.masked.scatter.{k.suffix}.v{k.width}p0"
            e.declare(f"declare void {name}({k}, {pointers}, {flag})")
            mask = active(k.width, self.lanes)
            given = f"{k} {x}, {pointers} align {_bytes(k)} {at}, {flag} {mask}"
            e.do(f"call void {name}({given})")
            return
        first, further = "", 0
        if s.stride is None:
            at = self._addresses(buffer, dtype, s, k)
        else:
            first, further = self._first(buffer, dtype, s, k)
        for i in range(self.lanes):
            if s.stride is None:
                p = e.let(f"extractelement <{k.width} x ptr> {at}, i64 {i}")
            else:
                step = i * s.stride + further
                p = e.let(f"getelementptr {k.element}, ptr {first}, i64 {step}")
            one = e.let(f"extractelement {k} {x}, i64 {i}")
            e.do(f"store {k.element} {one}, ptr {p}")


def _bytes(k: Kind) -> int:
    return {"double": 8, "float": 4}.get(k.element) or int(k.element[1:]) // 8


def indices(values: Sequence[Value]) -> list[str]:
    """The texts of int64 values, for instructions that take numbers too."""
    return [str(v.known) if v.known is not None else v.text for v in values]


__all__ = ["I64", "Memory", "Split", "active", "indices", "memory_element", "split"]
