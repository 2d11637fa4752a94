"""What routines are written with: functions of their own, loops that carry values,
loads and stores of vectors, and an array as (outer, n, inner) around one axis."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.types import Shape, Type
from wengert.native import arithmetic, machine
from wengert.native.dense_emit import Step
from wengert.native.forms import element_of
from wengert.native.ir import Emitter, Kind

Dtype = np.dtype[Any]
INDEX = Kind("i64", 1)
# (body, arguments, results, scratch) → the name of an i32 that is 0 if it went well
Body = Callable[[Emitter, Sequence[str], Sequence[str], str], str | None]

# Vectors of 512 bits stay whole on processors whose tuning prefers shorter ones.
_ATTRIBUTES = 'nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512"'


# Functions ---------------------------------------------------------------------------


def routine(name: str, body: Body, scratch_bytes: int = 0) -> Step:
    """A step that calls a function of its own, which equal steps share."""

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, _: bool
    ) -> str | None:
        names = [f"%a{i}" for i in range(len(args))]
        outs = [f"%y{i}" for i in range(len(results))]

        def inside(f: Emitter) -> str | None:
            return body(f, names, outs, "%scratch")

        symbol, can_fail = function(e, name, (*names, *outs, "%scratch"), inside)
        listed = ", ".join(f"ptr {p or 'null'}" for p in (*args, *results, scratch))
        text = f"call {'i32' if can_fail else 'void'} @{symbol}({listed})"
        if can_fail:
            return e.let(text)
        e.do(text)
        return None

    return Step(scratch_bytes, write)


def function(
    e: Emitter,
    name: str,
    parameters: Sequence[str],
    body: Callable[[Emitter], str | None],
    kinds: Sequence[str] = (),
) -> tuple[str, bool]:
    """Adds a function to the module: its name, and whether it returns an i32.

    Args:
        e: what calls it.
        name: says what it does; a hash of the text is appended.
        parameters: their names.
        body: writes it.
        kinds: the parameters' types; pointers to separate memory by default.
    """
    f = Emitter(fma=e.fma, prefix="r")
    status = body(f)
    result = "void" if status is None else "i32"
    f.do("ret void" if status is None else f"ret i32 {status}")
    listed = ", ".join(
        f"{k} {p}"
        for k, p in zip(
            kinds or ["ptr noalias"] * len(parameters), parameters, strict=True
        )
    )
    text = "\n".join([f"({listed}) {_ATTRIBUTES} {{", "entry:", *f.lines, "}"])
    digest = hashlib.blake2b(f"{result}{text}".encode(), digest_size=6).hexdigest()
    symbol = f"wg_{name}_{digest}"
    e.declared |= f.declared
    e.declare(f"define internal {result} @{symbol}{text}")
    return symbol, status is not None


# Arrays around one axis --------------------------------------------------------------


class Axis(NamedTuple):
    """A C-contiguous array as (outer, n, inner), n along the axis."""

    outer: int
    n: int
    inner: int


def around(shape: Shape, axis: int, count: int = 1) -> Axis:
    """`shape` around `count` axes from `axis` on."""
    return Axis(
        math.prod(shape[:axis]),
        math.prod(shape[axis : axis + count]),
        math.prod(shape[axis + count :]),
    )


def in_memory(dtype: Dtype) -> Dtype:
    """How elements are held: booleans as bytes 0 and 1."""
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype


def kind_of(dtype: Dtype, width: int = 1) -> Kind:
    """Lanes of an element as it is in memory."""
    return Kind(element_of(Type((), in_memory(dtype))), width)


def lanes(dtype: Dtype) -> int:
    """How many elements one vector register holds."""
    return max(machine.vector_bits() // (8 * dtype.itemsize), 1)


# Memory ------------------------------------------------------------------------------


def at(e: Emitter, dtype: Dtype, pointer: str, index: str | int) -> str:
    """The address of an element."""
    if index == 0:
        return pointer
    return e.let(f"getelementptr {kind_of(dtype)}, ptr {pointer}, i64 {index}")


def load(
    e: Emitter, dtype: Dtype, pointer: str, index: str | int, width: int = 1
) -> str:
    """`width` elements from `index` on."""
    p = at(e, dtype, pointer, index)
    return e.let(f"load {kind_of(dtype, width)}, ptr {p}, align {dtype.itemsize}")


def store(
    e: Emitter, dtype: Dtype, pointer: str, index: str | int, x: str, width: int = 1
) -> None:
    """Writes `width` elements from `index` on."""
    p = at(e, dtype, pointer, index)
    e.do(f"store {kind_of(dtype, width)} {x}, ptr {p}, align {dtype.itemsize}")


def load_as(
    e: Emitter, given: Dtype, wanted: Dtype, pointer: str, index: str | int,
    width: int = 1,
) -> str:  # fmt: skip
    """`width` elements, converted as `astype` does."""
    x = load(e, given, pointer, index, width)
    return arithmetic.convert(e, x, width, in_memory(given), in_memory(wanted))


def splat(e: Emitter, kind: Kind, x: str) -> str:
    """A scalar in every lane."""
    if kind.width == 1:
        return x
    first = e.let(f"insertelement {kind} poison, {kind.element} {x}, i32 0")
    zeros = f"<{kind.width} x i32> zeroinitializer"
    return e.let(f"shufflevector {kind} {first}, {kind} poison, {zeros}")


# Integers ----------------------------------------------------------------------------


def plus(e: Emitter, a: str | int, b: str | int) -> str:
    """a + b, of places."""
    if isinstance(a, int) and isinstance(b, int):
        return str(a + b)
    if b in (0, "0"):
        return str(a)
    return str(b) if a in (0, "0") else e.let(f"add nsw i64 {a}, {b}")


def times(e: Emitter, a: str | int, b: int) -> str:
    """a · b, of places."""
    if isinstance(a, int):
        return str(a * b)
    return a if b == 1 else e.let(f"mul nsw i64 {a}, {b}")


# Loops -------------------------------------------------------------------------------


class Carried:
    """The values that a loop hands on: `now` in it and after it, `then` at its end."""

    __slots__ = ("index", "now", "then")

    def __init__(self, index: str, now: list[str]) -> None:
        self.index = index
        self.now = now
        self.then = list(now)


@contextlib.contextmanager
def carrying(
    e: Emitter,
    count: int | str,
    starts: Sequence[tuple[Kind | str, str]],
    first: int | str = 0,
    step: int = 1,
    test: str = "slt",
) -> Iterator[Carried]:
    """`for i in range(first, count, step)` that carries values; may be empty."""
    head, body, after = e.label("head"), e.label("body"), e.label("after")
    names = []
    for _ in range(len(starts) + 2):
        e.count += 1
        names.append(f"%c{e.count}")
    index, following, *now = names
    before = e.block
    e.do(f"br label %{head}")
    e.place(head)
    # The phis need the body's last block and values: they are filled in afterwards.
    place = len(e.lines)
    e.lines.extend([""] * (len(starts) + 1))
    more = e.let(f"icmp {test} i64 {index}, {count}")
    e.do(f"br i1 {more}, label %{body}, label %{after}")
    e.place(body)
    c = Carried(index, now)
    yield c
    e.do(f"{following} = add nsw i64 {index}, {step}")
    e.do(f"br label %{head}")
    values = [("i64", str(first), following, index)]
    for (kind, start), then, name in zip(starts, c.then, now, strict=True):
        values.append((str(kind), start, then, name))
    for i, (kind, start, then, name) in enumerate(values):
        e.lines[place + i] = (
            f"  {name} = phi {kind} [ {start}, %{before} ], [ {then}, %{e.block} ]"
        )
    e.place(after)


@contextlib.contextmanager
def counting(
    e: Emitter, count: int | str, first: int | str = 0, step: int = 1
) -> Iterator[str | int]:
    """A loop that carries nothing; of one step known beforehand, no loop."""
    if isinstance(count, int) and isinstance(first, int):
        steps = max(-(-(count - first) // step), 0)
        if steps == 1:
            yield first
            return
    with carrying(e, count, (), first, step) as c:
        yield c.index


@contextlib.contextmanager
def when(e: Emitter, flag: str) -> Iterator[None]:
    """What is done only if `flag`, an i1, is true."""
    yes, after = e.label("yes"), e.label("after")
    e.do(f"br i1 {flag}, label %{yes}, label %{after}")
    e.place(yes)
    yield
    e.do(f"br label %{after}")
    e.place(after)


def pieces(count: int, width: int, odd: bool = False) -> list[tuple[int, int, int]]:
    """range(count) as (first, end, width): whole vectors, then narrower ones.

    With `odd`, what is left is one vector of just that width: LLVM finds registers.
    """
    found, first = [], 0
    while first < count and width >= 1:
        whole = (count - first) // width
        if whole:
            found.append((first, first + whole * width, width))
            first += whole * width
        width = count - first if odd else width // 2
    return found


def any_lane(e: Emitter, width: int, flags: str) -> str:
    """Whether some lane of a vector of i1 is on."""
    if width == 1:
        return flags
    bits = e.let(f"bitcast <{width} x i1> {flags} to i{width}")
    return e.let(f"icmp ne i{width} {bits}, 0")


__all__ = [
    "INDEX", "Axis", "Body", "Carried", "Dtype", "any_lane", "around", "at", "carrying",
    "counting", "function", "in_memory", "kind_of", "lanes", "load", "load_as",
    "pieces", "plus", "routine", "splat", "store", "times", "when",
]  # fmt: skip
