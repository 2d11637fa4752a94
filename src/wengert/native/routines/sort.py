"""Sorting into an order: argsort, lexsort, and the orders that partitions ask for.

Every order is stable, nans last: what NumPy promises for `kind="stable"`, and one of
the orders that it allows elsewhere. Numbers become unsigned integers that sort alike.
In a short line each is compared with all, a vector at a time, without a branch; a long
one is sorted by its digits from the last to the first (radix sort), where digits that
all keys share are skipped.
"""

from collections.abc import Sequence

import numpy as np

from wengert.graph.graph import Node
from wengert.native.dense_emit import Scratch, Step, clear, shifted
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.writing import (
    INDEX,
    Axis,
    Dtype,
    around,
    at,
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

_SHORT = 100  # elements up to which comparing all with all is faster
_MANY = 6000  # elements from which fewer, longer digits are
_ORDER, _COUNT = np.dtype(np.int32), np.dtype(np.int32)
_RESULT = np.dtype(np.intp)


def order(node: Node) -> Step | None:
    """argsort, argpartition, partition_order: one key; lexsort: the last key first."""
    (x, *_) = node.inputs
    axis = around(x.shape, node.params["axis"])
    if axis.n >= 2**31 or any(i.shape != x.shape for i in node.inputs):
        return None
    sorter = _Sorter(axis, [in_memory(i.dtype) for i in node.inputs])
    return routine(node.op.name, sorter.write, sorter.scratch.size)


class _Sorter:
    """Writes the sorting of all lines along an axis, one after the other."""

    def __init__(self, axis: Axis, keys: Sequence[Dtype]) -> None:
        self.axis = axis
        self.keys = keys
        size = max(k.itemsize for k in keys)
        self.digit = 8 if size == 1 or axis.n < _MANY else 11
        self.digits = [-(-8 * k.itemsize // self.digit) for k in keys]
        self.scratch = Scratch()
        # Two of each, to go back and forth between.
        self.key_room = [self.scratch.take(axis.n * size + 64) for _ in range(2)]
        self.order_room = [self.scratch.take(axis.n * 4) for _ in range(2)]
        self.counts = self.scratch.take(4 * max(self.digits) << self.digit)

    def write(
        self, e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str
    ) -> None:
        axis = self.axis
        keys = [shifted(e, scratch, p) for p in self.key_room]
        orders = [shifted(e, scratch, p) for p in self.order_room]
        counts = shifted(e, scratch, self.counts)
        with counting(e, axis.outer) as outer, counting(e, axis.inner) as inner:
            first = plus(e, times(e, outer, axis.n * axis.inner), inner)
            for i, x in enumerate(args):
                orders = self._sort(e, i, at(e, self.keys[i], x, first), keys, orders,
                                    counts)  # fmt: skip
            y = at(e, _RESULT, results[0], first)
            with counting(e, axis.n) as k:
                one = load(e, _ORDER, orders[0], k)
                wide = e.let(f"zext i32 {one} to i64")
                store(e, _RESULT, y, times(e, k, axis.inner), wide)

    def _sort(
        self, e: Emitter, i: int, x: str, keys: list[str], orders: list[str],
        counts: str,
    ) -> list[str]:  # fmt: skip
        """Sorts by one more key: where the order is now, and room for another."""
        n, dtype = self.axis.n, self.keys[i]
        is_short = n <= _SHORT
        if not is_short:
            clear(e, counts, 4 * self.digits[i] << self.digit)
        with counting(e, n) as k:
            if i == 0:
                where = e.let(f"trunc i64 {k} to i32") if isinstance(k, str) else str(k)
                store(e, _ORDER, orders[0], k, where)
                there = str(k)
            else:
                there = load(e, _ORDER, orders[0], k)
                there = e.let(f"zext i32 {there} to i64")
            new = load(e, dtype, x, times(e, there, self.axis.inner))
            key = sortable(e, dtype, new)
            store(e, unsigned(dtype), keys[0], k, key)
            for d in range(0 if is_short else self.digits[i]):
                self._count(e, dtype, key, counts, d)
        if is_short:
            self._rank(e, dtype, keys[0], orders)
            return orders[::-1]
        return self._distribute(e, i, keys, orders, counts)

    # By rank -------------------------------------------------------------------------

    def _rank(self, e: Emitter, dtype: Dtype, keys: str, orders: list[str]) -> None:
        """Each key's place: how many are less, or equal and before it."""
        whole, n = unsigned(dtype), self.axis.n
        width = lanes(dtype)
        kind, one = kind_of(whole, width), kind_of(whole)
        flag, bits = kind.of("i1"), Kind(f"i{width}", 1)
        places = Kind("i32", width)
        iota = ", ".join(f"i32 {i}" for i in range(width))
        for k in range(n, -(-n // width) * width):  # less than none
            store(e, whole, keys, k, number(one, -1))
        with counting(e, n) as i:
            key, order = load(e, whole, keys, i), load(e, _ORDER, orders[0], i)
            mine = splat(e, kind, key)
            me = splat(e, places, e.let(f"trunc i64 {i} to i32"))
            with carrying(e, n, [(INDEX, "0")], 0, width) as c:
                first = splat(e, places, e.let(f"trunc i64 {c.index} to i32"))
                here = e.let(f"add {places} {first}, <{iota}>")
                before = e.let(f"icmp ult {places} {here}, {me}")
                other = load(e, whole, keys, c.index, width)
                less = e.let(f"icmp ult {kind} {other}, {mine}")
                same = e.let(f"icmp eq {kind} {other}, {mine}")
                same = e.let(f"and {flag} {same}, {before}")
                hits = e.let(f"or {flag} {less}, {same}")
                mask = e.let(f"bitcast {flag} {hits} to {bits}") if width > 1 else hits
                count = e.intrinsic("ctpop", bits, mask)
                if width < 64:
                    count = e.let(f"zext {bits} {count} to i64")
                c.then[0] = plus(e, c.now[0], count)
            store(e, _ORDER, orders[1], c.now[0], order)

    # By digits -----------------------------------------------------------------------

    def _digit(self, e: Emitter, dtype: Dtype, key: str, shift: str | int) -> str:
        """A digit of a key, as a place."""
        bits = 8 * dtype.itemsize
        wide = key if bits == 64 else e.let(f"zext i{bits} {key} to i64")
        low = wide if shift == 0 else e.let(f"lshr i64 {wide}, {shift}")
        return e.let(f"and i64 {low}, {(1 << self.digit) - 1}")

    def _count(
        self, e: Emitter, dtype: Dtype, key: str, counts: str, digit: int
    ) -> None:
        d = self._digit(e, dtype, key, digit * self.digit)
        p = at(e, _COUNT, counts, plus(e, d, digit << self.digit))
        one = e.let(f"load i32, ptr {p}")
        e.do(f"store i32 {e.let(f'add i32 {one}, 1')}, ptr {p}")

    def _distribute(
        self, e: Emitter, i: int, keys: list[str], orders: list[str], counts: str
    ) -> list[str]:
        dtype = self.keys[i]
        carried = [("ptr", p) for p in (*keys, *orders)]
        with carrying(e, self.digits[i], carried) as c:
            shift = times(e, c.index, self.digit)
            row = e.let(f"shl i64 {c.index}, {self.digit}")
            mine = at(e, _COUNT, counts, row)
            first = load(e, unsigned(dtype), c.now[0], 0)
            d = self._digit(e, dtype, first, shift)
            shared = load(e, _COUNT, mine, d)
            needed = e.let(f"icmp ne i32 {shared}, {self.axis.n}")
            before = e.block
            with when(e, needed):
                self._starts(e, mine)
                self._move(e, dtype, shift, mine, c.now)
                moved = e.block
            swapped = (1, 0, 3, 2)
            c.then[:] = [
                e.let(f"phi ptr [ {a}, %{before} ], [ {c.now[b]}, %{moved} ]")
                for a, b in zip(c.now, swapped, strict=True)
            ]
        keys[:] = c.now[:2]
        return c.now[2:]

    def _starts(self, e: Emitter, counts: str) -> None:
        """How many have each digit → where those with it begin."""
        with carrying(e, 1 << self.digit, [("i32", "0")]) as c:
            p = at(e, _COUNT, counts, c.index)
            one = e.let(f"load i32, ptr {p}")
            e.do(f"store i32 {c.now[0]}, ptr {p}")
            c.then[0] = e.let(f"add i32 {c.now[0]}, {one}")

    def _move(
        self, e: Emitter, dtype: Dtype, shift: str, starts: str, rooms: list[str]
    ) -> None:
        whole = unsigned(dtype)
        with counting(e, self.axis.n) as k:
            key = load(e, whole, rooms[0], k)
            order = load(e, _ORDER, rooms[2], k)
            p = at(e, _COUNT, starts, self._digit(e, dtype, key, shift))
            to = e.let(f"load i32, ptr {p}")
            e.do(f"store i32 {e.let(f'add i32 {to}, 1')}, ptr {p}")
            place = e.let(f"zext i32 {to} to i64")
            store(e, whole, rooms[1], place, key)
            store(e, _ORDER, rooms[3], place, order)


def unsigned(dtype: Dtype) -> Dtype:
    """Integers of the same size."""
    return np.dtype(f"u{dtype.itemsize}")


def sortable(e: Emitter, dtype: Dtype, x: str) -> str:
    """An unsigned integer for a number, in the same order; all nans are the last."""
    bits = 8 * dtype.itemsize
    kind = Kind(f"i{bits}", 1)
    sign = number(kind, -(1 << (bits - 1)))
    if dtype.kind == "u":
        return x
    if dtype.kind == "i":
        return e.let(f"xor {kind} {x}, {sign}")
    real = kind_of(dtype)
    plain = e.let(f"fadd {real} {x}, {number(real, 0.0)}")  # −0 is 0
    stored = e.let(f"bitcast {real} {plain} to {kind}")
    negative = e.let(f"ashr {kind} {stored}, {bits - 1}")
    flip = e.let(f"or {kind} {negative}, {sign}")
    key = e.let(f"xor {kind} {stored}, {flip}")
    nan = e.let(f"fcmp uno {real} {x}, {x}")
    return e.let(f"select i1 {nan}, {kind} -1, {kind} {key}")


# permute -----------------------------------------------------------------------------


def permute(node: Node) -> Step | None:
    """Elements moved along an axis to, or from, the places that an order names."""
    x, given = node.inputs
    if x.shape != given.shape or given.dtype != _RESULT:
        return None
    axis, inverse = around(x.shape, node.params["axis"]), node.params["inverse"]
    whole = unsigned(x.dtype)

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> str:
        size = axis.n * axis.inner
        with (
            carrying(e, axis.outer, [("i1", "false")]) as o,
            carrying(e, size, [("i1", o.now[0])]) as c,
        ):
            base = times(e, o.index, size)
            here = plus(e, base, c.index)
            column = c.index
            if axis.inner > 1:
                column = e.let(f"urem i64 {c.index}, {axis.inner}")
            place = load(e, _RESULT, args[1], here)
            below = e.let(f"icmp slt i64 {place}, 0")
            up = e.let(f"add i64 {place}, {axis.n}")
            place = e.let(f"select i1 {below}, i64 {up}, i64 {place}")
            outside = e.let(f"icmp uge i64 {place}, {axis.n}")
            c.then[0] = e.let(f"or i1 {c.now[0]}, {outside}")
            place = e.let(f"select i1 {outside}, i64 0, i64 {place}")
            there = plus(e, base, times(e, place, axis.inner))
            if axis.inner > 1:
                there = plus(e, there, column)
            to, of = (there, here) if inverse else (here, there)
            store(e, whole, results[0], to, load(e, whole, args[0], of))
            o.then[0] = c.now[0]
        return e.let(f"zext i1 {o.now[0]} to i32")

    return routine("permute", body)


__all__ = ["order", "permute"]
