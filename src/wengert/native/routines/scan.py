"""Running sums, products, extrema and logs of sums; linear recurrences; unwrap.

Each element follows from the one before by the same operation in the same order as in
NumPy, so sums of numbers ≥ 0 never decrease and their bits are NumPy's. Only logs of
sums of exponentials, whose steps are dear, are joined from segments of a line.
"""

import math
from collections.abc import Sequence
from typing import Any

from wengert.graph.graph import Node
from wengert.native import combine, mathematics
from wengert.native.dense_emit import Step
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.walk import Lines, each_line
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
    load,
    plus,
    routine,
    splat,
    store,
    times,
    when,
)

_HOW = {
    "cumsum": "add",
    "cumprod": "multiply",
    "cummax": "maximum",
    "cummin": "minimum",
    "cumlogsumexp": "logaddexp",
    "cumlogsumexp2": "logaddexp2",
}
_DEAR = ("logaddexp", "logaddexp2")
_LONG = 128  # a line worth cutting into segments, if steps are dear


def running(node: Node) -> Step | None:
    """cumsum, cumprod, cummax, cummin, cumlogsumexp, cumlogsumexp2."""
    (x,) = node.inputs
    how, given, dtype = _HOW[node.op.name], x.dtype, in_memory(node.dtype)
    if how in _DEAR and dtype.kind != "f":
        return None
    axis = around(x.shape, node.params["axis"])
    width = lanes(dtype)
    cut = how in _DEAR and axis.inner == 1 and axis.outer < width and axis.n >= _LONG

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        x, y = args[0], results[0]
        if cut:
            _segmented(e, axis, how, given, dtype, x, y)
            return

        def lines(some: Lines) -> None:
            _scan(e, some, axis.n, how, (given, dtype), x, y)

        each_line(e, axis, dtype, lines, dear=how in _DEAR)

    return routine(node.op.name, body)


def _scan(
    e: Emitter, lines: Lines, n: int, how: str, dtypes: tuple[Dtype, Dtype], x: str,
    y: str,
) -> None:  # fmt: skip
    """y[k] = y[k−1] ∘ x[k]."""
    given, dtype = dtypes
    kind, parts = lines.kind(dtype), range(lines.parts)
    starts = [lines.load(e, given, dtype, x, 0, i) for i in parts]
    for i in parts:
        lines.store(e, dtype, y, 0, i, starts[i])
    if how in ("maximum", "minimum") and dtype.kind == "f":
        _extrema(e, lines, n, how, dtype, x, y, starts)
        return
    with carrying(e, n, [(kind, s) for s in starts], 1) as c:
        for i in parts:
            new = lines.load(e, given, dtype, x, c.index, i)
            c.then[i] = combine.two(e, kind, dtype, how, c.now[i], new)
            lines.store(e, dtype, y, c.index, i, c.then[i])


def _extrema(
    e: Emitter, lines: Lines, n: int, how: str, dtype: Dtype, x: str, y: str,
    starts: list[str],
) -> None:  # fmt: skip
    """A chain of single instructions; whether a nan came is carried beside it."""
    kind, parts = lines.kind(dtype), range(lines.parts)
    flag, test = kind.of("i1"), "ogt" if how == "maximum" else "olt"
    nan = number(kind, math.nan)
    nans = [e.let(f"fcmp uno {kind} {s}, {s}") for s in starts]
    carried = [(kind, s) for s in starts] + [(flag, s) for s in nans]
    with carrying(e, n, carried, 1) as c:
        for i in parts:
            new, best, seen = (
                lines.load(e, dtype, dtype, x, c.index, i),
                c.now[i],
                c.now[lines.parts + i],
            )
            here = e.let(f"fcmp uno {kind} {new}, {new}")
            seen = e.let(f"or {flag} {seen}, {here}")
            better = e.let(f"fcmp {test} {kind} {best}, {new}")
            best = e.let(f"select {flag} {better}, {kind} {best}, {kind} {new}")
            c.then[i], c.then[lines.parts + i] = best, seen
            shown = e.let(f"select {flag} {seen}, {kind} {nan}, {kind} {best}")
            lines.store(e, dtype, y, c.index, i, shown)


def _segmented(
    e: Emitter, axis: Axis, how: str, given: Dtype, dtype: Dtype, x: str, y: str
) -> None:
    """Long lines as segments, one per lane, that are joined afterwards."""
    width = lanes(dtype)
    size = axis.n // width
    kind, one = kind_of(dtype, width), kind_of(dtype)
    with counting(e, axis.outer) as outer:
        base = times(e, outer, axis.n)
        lines = Lines(base, 1, 1, width, size, True)
        _scan(e, lines, size, how, (given, dtype), x, y)
        with counting(e, width, 1) as segment:
            first = plus(e, base, times(e, segment, size))
            last = load(e, dtype, y, plus(e, first, -1))
            before = splat(e, kind, last)
            with counting(e, size // width * width, 0, width) as k:
                place = plus(e, first, k)
                inside = load(e, dtype, y, place, width)
                total = mathematics.emit(e, how, kind, before, inside)
                store(e, dtype, y, place, total, width)
            with counting(e, size, size // width * width) as k:
                place = plus(e, first, k)
                inside = load(e, dtype, y, place)
                total = mathematics.emit(e, how, one, last, inside)
                store(e, dtype, y, place, total)
        start = load(e, dtype, y, plus(e, base, width * size - 1))
        with carrying(e, axis.n, [(one, start)], width * size) as c:
            place = plus(e, base, c.index)
            new = load(e, dtype, x, place)
            c.then[0] = mathematics.emit(e, how, one, c.now[0], new)
            store(e, dtype, y, place, c.then[0])


# y[k] = a[k]·y[k−1] + u[k] -----------------------------------------------------------


def recurrence(node: Node) -> Step | None:
    """The plain recurrence; if infinities or nans come out, the one where zero wins."""
    dtype = node.dtype
    if dtype.kind not in "fiu":
        return None
    given = [i.dtype for i in node.inputs]
    axis = around(node.shape, node.params["axis"])
    reverse = node.params["reverse"]

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        def lines(some: Lines) -> None:
            bad = _recur(e, some, axis.n, reverse, given, dtype, args, results[0], "")
            if bad:
                with when(e, bad):
                    _recur(
                        e, some, axis.n, reverse, given, dtype, args, results[0],
                        "strong_product",
                    )  # fmt: skip

        each_line(e, axis, dtype, lines)

    return routine("recurrence", body)


def _recur(
    e: Emitter, lines: Lines, n: int, reverse: bool, given: Sequence[Dtype],
    dtype: Dtype, args: Sequence[str], y: str, product: str,
) -> str:  # fmt: skip
    """Writes the loop; the plain one gives whether any result isn't finite."""
    kind, parts = lines.kind(dtype), range(lines.parts)
    begin = n - 1 if reverse else 0
    starts = [lines.load(e, given[1], dtype, args[1], begin, i) for i in parts]
    for i in parts:
        lines.store(e, dtype, y, begin, i, starts[i])
    watched = dtype.kind == "f" and not product
    carried: list[tuple[Kind, str]] = [(kind, s) for s in starts]
    if watched:  # Σ 0·y: a nan as soon as one y isn't finite
        carried.append((kind, number(kind, 0.0)))
        first = number(kind, 0.0)
        for s in starts:
            zero = e.let(f"fmul {kind} {s}, {number(kind, 0.0)}")
            first = e.let(f"fadd {kind} {first}, {zero}")
        carried[-1] = (kind, first)
    with carrying(e, n, carried, 1) as c:
        k = e.let(f"sub nsw i64 {n - 1}, {c.index}") if reverse else c.index
        for i in parts:
            a = lines.load(e, given[0], dtype, args[0], k, i)
            u = lines.load(e, given[1], dtype, args[1], k, i)
            if product:
                term = mathematics.emit(e, product, kind, a, c.now[i])
                new = e.let(f"fadd {kind} {u}, {term}")
            else:
                new = combine.multiply_add(e, kind, dtype, a, c.now[i], u)
            lines.store(e, dtype, y, k, i, new)
            c.then[i] = new
            if watched:
                zero = e.let(f"fmul {kind} {new}, {number(kind, 0.0)}")
                c.then[-1] = e.let(f"fadd {kind} {c.then[-1]}, {zero}")
    if not watched:
        return ""
    bad = e.let(f"fcmp uno {kind} {c.now[-1]}, {c.now[-1]}")
    return any_lane(e, kind.width, bad)


# unwrap ------------------------------------------------------------------------------


def unwrap(node: Node) -> Step | None:
    """Jumps of more than half a period become their complements."""
    (x,) = node.inputs
    period, discont = node.params["period"], node.params["discont"]
    dtype = node.dtype
    if x.dtype != dtype or dtype.kind != "f" or not _is_number(period, discont):
        return None
    axis = around(x.shape, node.params["axis"])
    limits = (float(period), float(period / 2 if discont is None else discont))

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        def lines(some: Lines) -> None:
            _unwrap(e, some, axis.n, dtype, limits, args[0], results[0])

        each_line(e, axis, dtype, lines, dear=True)

    return routine("unwrap", body)


def _is_number(period: Any, discont: Any) -> bool:
    fits = (int, float)
    return type(period) in fits and (discont is None or type(discont) in fits)


def _unwrap(
    e: Emitter, lines: Lines, n: int, dtype: Dtype, limits: tuple[float, float],
    x: str, y: str,
) -> None:  # fmt: skip
    kind = lines.kind(dtype)
    flag = kind.of("i1")
    period, discont = limits
    half, whole = number(kind, period / 2), number(kind, period)
    first = lines.load(e, dtype, dtype, x, 0, 0)
    lines.store(e, dtype, y, 0, 0, first)
    with carrying(e, n, [(kind, first), (kind, number(kind, 0.0))], 1) as c:
        new = lines.load(e, dtype, dtype, x, c.index, 0)
        d = e.let(f"fsub {kind} {new}, {c.now[0]}")
        moved = e.let(f"fadd {kind} {d}, {half}")
        rest = mathematics.emit(e, "remainder", kind, moved, whole)
        rest = e.let(f"fsub {kind} {rest}, {half}")
        low = e.let(f"fcmp oeq {kind} {rest}, {number(kind, -period / 2)}")
        up = e.let(f"fcmp ogt {kind} {d}, {number(kind, 0.0)}")
        edge = e.let(f"and {flag} {low}, {up}")
        rest = e.let(f"select {flag} {edge}, {kind} {half}, {kind} {rest}")
        jump = e.let(f"fsub {kind} {rest}, {d}")
        size = e.intrinsic("fabs", kind, d)
        small = e.let(f"fcmp olt {kind} {size}, {number(kind, discont)}")
        zero = number(kind, 0.0)
        jump = e.let(f"select {flag} {small}, {kind} {zero}, {kind} {jump}")
        total = e.let(f"fadd {kind} {c.now[1]}, {jump}")
        c.then[:] = [new, total]
        shown = e.let(f"fadd {kind} {new}, {total}")
        lines.store(e, dtype, y, c.index, 0, shown)


__all__ = ["recurrence", "running", "unwrap"]
