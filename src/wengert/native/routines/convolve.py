"""The full convolution: the shorter array slides along the longer one, padded."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from wengert.graph.graph import Node
from wengert.native import combine
from wengert.native.dense_emit import Scratch, Step, clear, shifted
from wengert.native.ir import Emitter, number
from wengert.native.routines.writing import (
    INDEX,
    Dtype,
    carrying,
    counting,
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


class Operand(NamedTuple):
    """One of both: which argument, its dtype, its length, and from item to item."""

    argument: int
    dtype: Dtype
    length: int
    step: int


def full(node: Node) -> Step | None:
    """`convolve` with mode="full"."""
    dtype, shape = node.dtype, node.shape
    if node.params["mode"] != "full" or dtype.kind not in "fiu":
        return None
    items = math.prod(shape[:-1])
    both = []
    for i, x in enumerate(node.inputs):
        count, n = math.prod(x.shape[:-1]), x.shape[-1]
        if count not in (1, items):  # some axes of the batch broadcast, others don't
            return None
        both.append(Operand(i, x.dtype, n, n if count > 1 else 0))
    long, short = sorted(both, key=lambda o: -o.length)
    n, m = long.length, short.length
    scratch = Scratch()
    padded = scratch.take((n + 2 * (m - 1)) * dtype.itemsize)
    turned = scratch.take(m * dtype.itemsize)
    exact = dtype.kind == "f" and all(len(x.shape) == 1 for x in node.inputs)

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], room: str
    ) -> None:
        a, v = shifted(e, room, padded), shifted(e, room, turned)
        clear(e, a, scratch.size)
        with counting(e, items) as item:
            x, w = args[long.argument], args[short.argument]
            at, of = times(e, item, long.step), times(e, item, short.step)
            with counting(e, n) as k:
                new = load_as(e, long.dtype, dtype, x, plus(e, at, k))
                store(e, dtype, a, plus(e, k, m - 1), new)
            with counting(e, m) as k:
                new = load_as(e, short.dtype, dtype, w, plus(e, of, k))
                store(e, dtype, v, e.let(f"sub i64 {m - 1}, {k}"), new)
            out = times(e, item, n + m - 1)
            _slide(e, dtype, (n, m), (a, v), (results[0], out), exact)
            if exact:
                with when(e, _some_infinite(e, dtype, m, v)):
                    _shift_and_add(e, dtype, (n, m), a, v, results[0])

    return routine("convolve", body, scratch.size)


def _slide(
    e: Emitter, dtype: Dtype, sizes: tuple[int, int], rooms: tuple[str, str],
    out: tuple[str, str], inside: bool,
) -> None:  # fmt: skip
    """y[i] = Σ_t v[t]·a[i + t]: several vectors of results stay in registers.

    `inside`: terms that are padding for the whole vector are left out.
    """
    (n, m), (a, v), (y, base) = sizes, rooms, out
    for first, end, width in pieces(n + m - 1, 4 * lanes(dtype)):
        kind = kind_of(dtype, width)
        with counting(e, end, first, width) as i:
            begin, stop = "0", str(m)
            if inside:
                begin = e.let(f"sub i64 {m - width}, {i}")
                begin = e.intrinsic("smax", INDEX, begin, "0")
                stop = e.let(f"sub i64 {n + m - 1}, {i}")
                stop = e.intrinsic("smin", INDEX, stop, str(m))
            with carrying(e, stop, [(kind, number(kind, 0))], begin) as c:
                seen = load(e, dtype, a, plus(e, i, c.index), width)
                factor = splat(e, kind, load(e, dtype, v, c.index))
                c.then[0] = combine.multiply_add(e, kind, dtype, seen, factor, c.now[0])
            store(e, dtype, y, plus(e, base, i), c.now[0], width)


def _some_infinite(e: Emitter, dtype: Dtype, m: int, v: str) -> str:
    """Whether a factor isn't finite: padding would make nans of it."""
    one = kind_of(dtype)
    with carrying(e, m, [(one, number(one, 0.0))]) as c:
        zero = e.let(f"fmul {one} {load(e, dtype, v, c.index)}, {number(one, 0.0)}")
        c.then[0] = e.let(f"fadd {one} {c.now[0]}, {zero}")
    return e.let(f"fcmp uno {one} {c.now[0]}, {c.now[0]}")


def _shift_and_add(
    e: Emitter, dtype: Dtype, sizes: tuple[int, int], a: str, v: str, y: str
) -> None:
    """The same without the padding."""
    n, m = sizes
    one = kind_of(dtype)
    clear(e, y, (n + m - 1) * dtype.itemsize)
    with counting(e, m) as j:
        factor = load(e, dtype, v, e.let(f"sub i64 {m - 1}, {j}"))
        with counting(e, n) as k:
            place = plus(e, j, k)
            term = load(e, dtype, a, plus(e, k, m - 1))
            old = load(e, dtype, y, place)
            new = combine.multiply_add(e, one, dtype, term, factor, old)
            store(e, dtype, y, place, new)


__all__ = ["full"]
