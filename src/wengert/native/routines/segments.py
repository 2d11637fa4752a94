"""Sums of segments of an axis, and values spread over segments.

Segment i goes from starts[i] up to starts[i + 1], to the end if i is the last; it is
starts[i] alone if the next start isn't larger. A start outside the axis gives a status.
"""

from collections.abc import Sequence

import numpy as np

from wengert.graph.graph import Node
from wengert.native import combine
from wengert.native.dense_emit import Step, clear
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.writing import (
    INDEX,
    Axis,
    Dtype,
    around,
    carrying,
    counting,
    in_memory,
    kind_of,
    lanes,
    load,
    load_as,
    pieces,
    plus,
    routine,
    splat,
    store,
    times,
    when,
)

_INDEX = np.dtype(np.intp)


def sums(node: Node) -> Step | None:
    """One sum per segment."""
    x, starts = node.inputs
    if starts.dtype != _INDEX or starts.type.ndim != 1:
        return None
    axis, count = around(x.shape, node.params["axis"]), starts.type.size
    given, dtype = x.dtype, node.dtype

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> str:
        bad = _outside(e, args[1], count, axis.n)
        with when(e, e.let(f"xor i1 {bad}, true")), counting(e, axis.outer) as outer:
            base = times(e, outer, axis.n * axis.inner)
            out = times(e, outer, count * axis.inner)
            with counting(e, count) as i:
                first, end = _segment(e, args[1], i, count, axis.n)
                there = plus(e, out, times(e, i, axis.inner))
                if axis.inner == 1:
                    run = (plus(e, base, first), plus(e, base, end))
                    total = _line(e, given, dtype, args[0], *run)
                    store(e, dtype, results[0], there, total)
                else:
                    source = (args[0], base, first, end)
                    _columns(e, axis, given, dtype, source, (results[0], there))
        return e.let(f"zext i1 {bad} to i32")

    return routine("segment_sum", body)


def _outside(e: Emitter, starts: str, count: int, n: int) -> str:
    """Whether some start isn't a place of the axis."""
    with carrying(e, count, [("i1", "false")]) as c:
        start = load(e, _INDEX, starts, c.index)
        out = e.let(f"icmp uge i64 {start}, {n}")
        c.then[0] = e.let(f"or i1 {c.now[0]}, {out}")
    return c.now[0]


def _segment(
    e: Emitter, starts: str, i: str | int, count: int, n: int
) -> tuple[str, str]:
    """(first, end) of segment i."""
    first = load(e, _INDEX, starts, i)
    is_last = e.let(f"icmp eq i64 {i}, {count - 1}")
    following = plus(e, i, 1)
    safe = e.let(f"select i1 {is_last}, i64 {i}, i64 {following}")
    end = load(e, _INDEX, starts, safe)
    end = e.let(f"select i1 {is_last}, i64 {n}, i64 {end}")
    return first, e.intrinsic("smax", INDEX, end, plus(e, first, 1))


def _line(e: Emitter, given: Dtype, dtype: Dtype, x: str, first: str, end: str) -> str:
    """The sum of neighbours: vectors while they fit, then one by one."""
    width = 2 * lanes(dtype)
    kind, one = kind_of(dtype, width), kind_of(dtype)
    size = e.let(f"sub nsw i64 {end}, {first}")
    whole = e.let(f"and i64 {size}, {-width}")
    middle = plus(e, first, whole)
    with carrying(e, middle, [(kind, number(kind, 0))], first, width) as c:
        new = load_as(e, given, dtype, x, c.index, width)
        c.then[0] = combine.two(e, kind, dtype, "add", c.now[0], new)
    total = combine.across(e, kind, dtype, "add", c.now[0])
    with carrying(e, end, [(one, total)], middle) as rest:
        new = load_as(e, given, dtype, x, rest.index)
        rest.then[0] = combine.two(e, one, dtype, "add", rest.now[0], new)
    return rest.now[0]


def _columns(
    e: Emitter, axis: Axis, given: Dtype, dtype: Dtype,
    source: tuple[str, str, str, str], target: tuple[str, str],
) -> None:  # fmt: skip
    """The sums of lines side by side."""
    x, base, first, end = source
    y, there = target
    for begin, stop, width in pieces(axis.inner, 4 * lanes(dtype), True):
        kind = kind_of(dtype, width)
        with counting(e, stop, begin, width) as column:
            side = plus(e, base, column)
            with carrying(e, end, [(kind, number(kind, 0))], first) as c:
                place = plus(e, side, times(e, c.index, axis.inner))
                new = load_as(e, given, dtype, x, place, width)
                c.then[0] = combine.two(e, kind, dtype, "add", c.now[0], new)
            store(e, dtype, y, plus(e, there, column), c.now[0], width)


def spread(node: Node) -> Step | None:
    """Each value added to every place of its segment."""
    v, starts = node.inputs
    place, size = node.params["axis"], node.params["size"]
    count = starts.type.size
    if starts.dtype != _INDEX or starts.shape != v.shape[place : place + 1]:
        return None
    axis, dtype = around(node.shape, place), in_memory(v.dtype)
    how = "maximum" if v.dtype.kind == "b" else "add"

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> str:
        bad = _outside(e, args[1], count, size)
        clear(e, results[0], node.type.size * dtype.itemsize)
        with when(e, e.let(f"xor i1 {bad}, true")), counting(e, axis.outer) as outer:
            base = times(e, outer, size * axis.inner)
            of = times(e, outer, count * axis.inner)
            with counting(e, count) as i:
                first, end = _segment(e, args[1], i, count, size)
                source = plus(e, of, times(e, i, axis.inner))
                where = (args[0], source, results[0], base, first, end)
                _add(e, axis, dtype, how, where)
        return e.let(f"zext i1 {bad} to i32")

    return routine("segment_spread", body)


def _add(
    e: Emitter, axis: Axis, dtype: Dtype, how: str,
    where: tuple[str, str, str, str, str, str],
) -> None:  # fmt: skip
    v, source, y, base, first, end = where
    if axis.inner == 1:
        new = load(e, dtype, v, source)
        _add_run(e, dtype, how, new, y, (plus(e, base, first), plus(e, base, end)))
        return
    for begin, stop, width in pieces(axis.inner, 4 * lanes(dtype), True):
        with counting(e, stop, begin, width) as column:
            new = load(e, dtype, v, plus(e, source, column), width)
            side = plus(e, base, column)
            with counting(e, end, first) as k:
                place = plus(e, side, times(e, k, axis.inner))
                _add_at(e, dtype, how, new, y, place, width)


def _add_run(
    e: Emitter, dtype: Dtype, how: str, new: str, y: str, run: tuple[str, str]
) -> None:
    """One value added to neighbours."""
    first, end = run
    width = lanes(dtype)
    kind = Kind(kind_of(dtype).element, width)
    many = splat(e, kind, new)
    size = e.let(f"sub nsw i64 {end}, {first}")
    middle = plus(e, first, e.let(f"and i64 {size}, {-width}"))
    with counting(e, middle, first, width) as k:
        _add_at(e, dtype, how, many, y, k, width)
    with counting(e, end, middle) as k:
        _add_at(e, dtype, how, new, y, k, 1)


def _add_at(
    e: Emitter, dtype: Dtype, how: str, new: str, y: str, place: str | int, width: int
) -> None:
    old = load(e, dtype, y, place, width)
    total = combine.two(e, kind_of(dtype, width), dtype, how, old, new)
    store(e, dtype, y, place, total, width)


__all__ = ["spread", "sums"]
