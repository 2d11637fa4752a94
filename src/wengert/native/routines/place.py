"""argmax and argmin: the first of the greatest, or the first nan."""

from collections.abc import Sequence

import numpy as np

from wengert.graph.graph import Node
from wengert.native import combine
from wengert.native.dense_emit import Step
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.writing import (
    INDEX,
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
    pieces,
    plus,
    routine,
    splat,
    store,
    times,
)

_INTP = np.dtype(np.intp)
_BLOCK = 16  # wide vectors, of which only the extremum is noted at first


def place(node: Node) -> Step | None:
    """argmax or argmin along one axis."""
    (x,) = node.inputs
    greatest = node.op.name == "argmax"
    dtype = in_memory(x.dtype)
    axis = around(x.shape, node.params["axis"])

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        if axis.inner > 1:
            _side_by_side(e, axis, dtype, greatest, args[0], results[0])
            return
        with counting(e, axis.outer) as line:
            first = times(e, line, axis.n)
            p = e.let(f"getelementptr {kind_of(dtype)}, ptr {args[0]}, i64 {first}")
            found = _in_line(e, axis.n, dtype, greatest, p)
            store(e, node.dtype, results[0], line, found)

    return routine(node.op.name, body)


def _better(
    e: Emitter, kind: Kind, dtype: Dtype, greatest: bool, new: str, best: str
) -> str:
    """Whether `new` is beyond `best`; no nan is."""
    test = "gt" if greatest else "lt"
    if dtype.kind == "f":
        return e.let(f"fcmp o{test} {kind} {new}, {best}")
    sign = "s" if dtype.kind == "i" else "u"
    return e.let(f"icmp {sign}{test} {kind} {new}, {best}")


# Lines side by side ------------------------------------------------------------------


def _side_by_side(
    e: Emitter, axis: Axis, dtype: Dtype, greatest: bool, x: str, y: str
) -> None:
    """A line per lane: the best so far and its place."""
    with counting(e, axis.outer) as outer:
        base = times(e, outer, axis.n * axis.inner)
        out = times(e, outer, axis.inner)
        for first, end, width in pieces(axis.inner, 2 * lanes(_INTP), True):
            with counting(e, end, first, width) as column:
                found = _columns(
                    e, axis, dtype, greatest, x, plus(e, base, column), width
                )
                store(e, _INTP, y, plus(e, out, column), found, width)


def _columns(
    e: Emitter, axis: Axis, dtype: Dtype, greatest: bool, x: str, base: str, width: int
) -> str:
    kind, index = kind_of(dtype, width), Kind("i64", width)
    flag, one = kind.of("i1"), number(index, 1)
    start = load(e, dtype, x, base, width)
    carried = [(kind, start), (index, number(index, 0)), (index, one)]
    with carrying(e, axis.n, carried, 1) as c:
        best, where, now = c.now
        along = times(e, c.index, axis.inner)
        new = load(e, dtype, x, plus(e, base, along), width)
        better = _better(e, kind, dtype, greatest, new, best)
        if dtype.kind == "f":
            nan = e.let(f"fcmp uno {kind} {new}, {new}")
            better = e.let(f"or {flag} {better}, {nan}")
            number_yet = e.let(f"fcmp ord {kind} {best}, {best}")
            better = e.let(f"and {flag} {better}, {number_yet}")
        c.then[:] = [
            e.let(f"select {flag} {better}, {kind} {new}, {kind} {best}"),
            e.let(f"select {flag} {better}, {index} {now}, {index} {where}"),
            e.let(f"add {index} {now}, {one}"),
        ]
    return c.now[1]


# One line ----------------------------------------------------------------------------


def _in_line(e: Emitter, n: int, dtype: Dtype, greatest: bool, x: str) -> str:
    """The block with the extremum, or with the first nan, and then the place in it."""
    short = next((w for _, _, w in pieces(n, lanes(dtype))), 1)
    wide = next((w for _, _, w in pieces(n, 4 * lanes(dtype))), 1)
    block, flag = _BLOCK * wide, Kind("i1", wide)
    kind, one = kind_of(dtype, wide), kind_of(dtype)
    worst = combine.identity("maximum" if greatest else "minimum", dtype)
    far, off = number(kind, worst), number(flag, False)
    carried = [(one, number(one, worst)), (INDEX, "0"), (INDEX, "-1")]
    with carrying(e, n, carried, 0, block) as c:
        end = e.let(f"add nsw i64 {c.index}, {block}")
        end = e.intrinsic("smin", INDEX, end, str(n))
        with carrying(e, end, [(kind, far), (flag, off)], c.index, wide) as inner:
            # The last vector may overlap those before it: they don't beat themselves.
            at = e.intrinsic("smin", INDEX, inner.index, str(n - wide))
            new = load(e, dtype, x, at, wide)
            better = _better(e, kind, dtype, greatest, new, inner.now[0])
            inner.then[0] = e.let(
                f"select {flag} {better}, {kind} {new}, {kind} {inner.now[0]}"
            )
            if dtype.kind == "f":
                nan = e.let(f"fcmp uno {kind} {new}, {new}")
                inner.then[1] = e.let(f"or {flag} {inner.now[1]}, {nan}")
        how = "max" if greatest else "min"
        here = combine.across(e, kind, dtype, how, inner.now[0])
        better = _better(e, one, dtype, greatest, here, c.now[0])
        c.then[0] = e.let(f"select i1 {better}, {one} {here}, {one} {c.now[0]}")
        c.then[1] = e.let(f"select i1 {better}, i64 {c.index}, i64 {c.now[1]}")
        if dtype.kind == "f":
            some = any_lane(e, wide, inner.now[1])
            none_yet = e.let(f"icmp slt i64 {c.now[2]}, 0")
            some = e.let(f"and i1 {some}, {none_yet}")
            c.then[2] = e.let(f"select i1 {some}, i64 {c.index}, i64 {c.now[2]}")
    return _first(e, n, dtype, short, x, c.now)


def _first(
    e: Emitter, n: int, dtype: Dtype, width: int, x: str, known: Sequence[str]
) -> str:
    """The first nan if there is one, else the first element that equals the best."""
    best, where, nan_block = known
    kind, flag, bits = kind_of(dtype, width), Kind("i1", width), f"i{width}"
    wanted = splat(e, kind, best)
    nan = e.let(f"icmp sge i64 {nan_block}, 0")
    start = e.let(f"select i1 {nan}, i64 {nan_block}, i64 {where}")
    before, search, after = e.block, e.label("search"), e.label("found")
    e.do(f"br label %{search}")
    e.place(search)
    following = f"%next.{search}"
    i = e.let(f"phi i64 [ {start}, %{before} ], [ {following}, %{search} ]")
    at = e.intrinsic("smin", INDEX, i, str(n - width))
    new = load(e, dtype, x, at, width)
    if dtype.kind == "f":
        same = e.let(f"fcmp oeq {kind} {new}, {wanted}")
        odd = e.let(f"fcmp uno {kind} {new}, {new}")
        hit = e.let(f"select i1 {nan}, {flag} {odd}, {flag} {same}")
    else:
        hit = e.let(f"icmp eq {kind} {new}, {wanted}")
    mask = e.let(f"bitcast {flag} {hit} to {bits}") if width > 1 else hit
    found = e.let(f"icmp ne {bits} {mask}, 0")
    e.do(f"{following} = add nsw i64 {i}, {width}")
    e.do(f"br i1 {found}, label %{after}, label %{search}")
    e.place(after)
    if width == 1:
        return at
    e.declare(f"declare {bits} @llvm.cttz.{bits}({bits}, i1)")
    lane = e.let(f"call {bits} @llvm.cttz.{bits}({bits} {mask}, i1 true)")
    lane = lane if width == 64 else e.let(f"zext {bits} {lane} to i64")
    return e.let(f"add nsw i64 {at}, {lane}")


__all__ = ["place"]
