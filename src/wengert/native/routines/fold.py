"""nanmax, nanmin and vector_norm over axes that lie next to each other."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from wengert.core.types import Shape
from wengert.graph.graph import Node
from wengert.native import combine, mathematics
from wengert.native.dense_emit import Step
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.writing import (
    Axis,
    Dtype,
    any_lane,
    around,
    carrying,
    counting,
    in_memory,
    kind_of,
    lanes,
    load_as,
    pieces,
    plus,
    routine,
    splat,
    store,
    times,
    when,
)

Term = Callable[[Emitter, Kind, str], str]  # of an element, what is folded


class Slices(NamedTuple):
    """Slices that are folded at once: one along the last axes, or some side by side."""

    axis: Axis
    first: str  # the place of the first element
    width: int  # how many; 1 is one along the last axes if `axis.inner` is 1


def _axis(shape: Shape, axes: tuple[int, ...]) -> Axis | None:
    """The axes as one, if only axes of length 1 stand between them."""
    axes = tuple(a for a in axes if shape[a] != 1)
    if not axes:
        return Axis(1, 1, math.prod(shape))
    between = shape[axes[0] : axes[-1] + 1]
    if math.prod(between) != math.prod(shape[a] for a in axes):
        return None
    return around(shape, axes[0], len(between))


def _each(
    e: Emitter, axis: Axis, dtype: Dtype, body: Callable[[Slices, str], None]
) -> None:
    """Writes `body` for all slices, with the place of their results."""
    with counting(e, axis.outer) as outer:
        base = times(e, outer, axis.n * axis.inner)
        if axis.inner == 1:
            body(Slices(axis, base, 1), str(outer))
            return
        out = times(e, outer, axis.inner)
        for first, end, width in pieces(axis.inner, 4 * lanes(dtype)):
            with counting(e, end, first, width) as column:
                body(Slices(axis, plus(e, base, column), width), plus(e, out, column))


def _folded(
    e: Emitter, some: Slices, given: Dtype, dtype: Dtype, how: str, x: str, term: Term
) -> str:
    """The terms of all elements combined, one result per slice."""
    start = combine.identity({"max": "maximum", "min": "minimum"}.get(how, how), dtype)
    axis = some.axis
    if axis.inner > 1:
        kind = kind_of(dtype, some.width)
        with carrying(e, axis.n, [(kind, number(kind, start))]) as c:
            place = plus(e, some.first, times(e, c.index, axis.inner))
            new = load_as(e, given, dtype, x, place, some.width)
            c.then[0] = _two(e, kind, dtype, how, c.now[0], term(e, kind, new))
        return c.now[0]
    total, one = "", kind_of(dtype)
    for first, end, width in pieces(axis.n, 4 * lanes(dtype)):
        kind = kind_of(dtype, width)
        with carrying(e, end, [(kind, number(kind, start))], first, width) as c:
            new = load_as(e, given, dtype, x, plus(e, some.first, c.index), width)
            c.then[0] = _two(e, kind, dtype, how, c.now[0], term(e, kind, new))
        part = combine.across(e, kind, dtype, how, c.now[0])
        total = _two(e, one, dtype, how, total, part) if total else part
    return total


def _two(e: Emitter, kind: Kind, dtype: Dtype, how: str, a: str, b: str) -> str:
    """a ∘ b; of max and min a if b is a nan."""
    if how not in ("max", "min"):
        return combine.two(e, kind, dtype, how, a, b)
    if dtype.kind == "f":
        test = "ogt" if how == "max" else "olt"
        better = e.let(f"fcmp {test} {kind} {b}, {a}")
        return e.let(f"select {kind.of('i1')} {better}, {kind} {b}, {kind} {a}")
    return e.intrinsic(("s" if dtype.kind == "i" else "u") + how, kind, a, b)


# nanmax, nanmin ----------------------------------------------------------------------


def extremum(node: Node) -> Step | None:
    """The greatest or least of the numbers; nan if there is none."""
    (x,) = node.inputs
    axis, dtype = _axis(x.shape, node.params["axis"]), in_memory(x.dtype)
    if axis is None:
        return None
    how = "max" if node.op.name == "nanmax" else "min"

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        def slices(some: Slices, out: str) -> None:
            found = _folded(e, some, dtype, dtype, how, args[0], _itself)
            store(e, dtype, results[0], out, found, some.width)
            if dtype.kind == "f":
                _nan_if_none(e, some, dtype, how, args[0], (results[0], out, found))

        _each(e, axis, dtype, slices)

    return routine(node.op.name, body)


def _itself(_e: Emitter, _kind: Kind, x: str) -> str:
    return x


def _nan_if_none(
    e: Emitter, some: Slices, dtype: Dtype, how: str, x: str,
    result: tuple[str, str, str],
) -> None:  # fmt: skip
    """Where no number was beyond −inf, looks whether there was any."""
    y, out, found = result
    kind = kind_of(dtype, some.width)
    worst = -math.inf if how == "max" else math.inf
    open_ = e.let(f"fcmp oeq {kind} {found}, {number(kind, worst)}")
    with when(e, any_lane(e, some.width, open_)):

        def is_number(e: Emitter, kind: Kind, new: str) -> str:
            there = e.let(f"fcmp ord {kind} {new}, {new}")
            return e.let(f"uitofp {kind.of('i1')} {there} to {kind}")

        count = _folded(e, some, dtype, dtype, "add", x, is_number)
        none = e.let(f"fcmp oeq {kind} {count}, {number(kind, 0.0)}")
        nan = number(kind, math.nan)
        shown = e.let(f"select {kind.of('i1')} {none}, {kind} {nan}, {kind} {found}")
        store(e, dtype, y, out, shown, some.width)


# vector_norm -------------------------------------------------------------------------


def norm(node: Node) -> Step | None:
    """(Σ|x|ᵖ)^(1/p); scaled by the greatest where powers would leave the range."""
    (x,) = node.inputs
    axis, dtype = _axis(x.shape, node.params["axis"]), node.dtype
    ord = float(node.params["ord"])
    if axis is None or dtype.kind != "f" or x.dtype.kind == "c":
        return None
    given = x.dtype

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        def slices(some: Slices, out: str) -> None:
            y = _plain(e, some, given, dtype, ord, args[0], "")
            store(e, dtype, results[0], out, y, some.width)
            if ord > 0:
                kind = kind_of(dtype, some.width)
                with when(e, _is_unsafe(e, kind, dtype, ord, y)):
                    scale = _scale(e, some, given, dtype, args[0])
                    y = _plain(e, some, given, dtype, ord, args[0], scale)
                    y = e.let(f"fmul {kind} {scale}, {y}")
                    store(e, dtype, results[0], out, y, some.width)

        _each(e, axis, dtype, slices)

    return routine("vector_norm", body)


def _plain(
    e: Emitter, some: Slices, given: Dtype, dtype: Dtype, ord: float, x: str, scale: str
) -> str:
    """The norm of x / scale."""

    def term(e: Emitter, kind: Kind, new: str) -> str:
        if scale:
            each = scale if some.axis.inner > 1 else splat(e, kind, scale)
            new = e.let(f"fdiv {kind} {new}, {each}")
        if ord == 2:
            return e.let(f"fmul {kind} {new}, {new}")
        size = e.intrinsic("fabs", kind, new)
        return size if ord == 1 else _power(e, kind, size, ord)

    kind = kind_of(dtype, some.width)
    total = _folded(e, some, given, dtype, "add", x, term)
    if ord == 2:
        return e.intrinsic("sqrt", kind, total)
    return total if ord == 1 else _power(e, kind, total, 1.0 / ord)


def _power(e: Emitter, kind: Kind, x: str, exponent: float) -> str:
    return mathematics.emit(e, "power", kind, x, number(kind, exponent))


def _is_unsafe(e: Emitter, kind: Kind, dtype: Dtype, ord: float, y: str) -> str:
    """Whether digits may have been lost, as the op's `evaluate` asks it."""
    least, most = 1e-4, 1e4
    if ord == 2:
        info = np.finfo(dtype)
        least, most = float(info.tiny**0.5 / info.eps), math.inf
    flag = kind.of("i1")
    low = e.let(f"fcmp ule {kind} {y}, {number(kind, least)}")
    high = e.let(f"fcmp uge {kind} {y}, {number(kind, most)}")
    return any_lane(e, kind.width, e.let(f"or {flag} {low}, {high}"))


def _scale(e: Emitter, some: Slices, given: Dtype, dtype: Dtype, x: str) -> str:
    """The greatest |x|; 1 for 0 and infinity."""

    def size(e: Emitter, kind: Kind, new: str) -> str:
        return e.intrinsic("fabs", kind, new)

    kind = kind_of(dtype, some.width)
    peak = _folded(e, some, given, dtype, "max", x, size)
    flag = kind.of("i1")
    up = e.let(f"fcmp ogt {kind} {peak}, {number(kind, 0.0)}")
    finite = e.let(f"fcmp olt {kind} {peak}, {number(kind, math.inf)}")
    fits = e.let(f"and {flag} {up}, {finite}")
    return e.let(f"select {flag} {fits}, {kind} {peak}, {kind} {number(kind, 1.0)}")


__all__ = ["extremum", "norm"]
