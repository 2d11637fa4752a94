"""Products, extrema, places and recurrences of complex numbers, line by line.

Parts lie side by side in memory; each line is walked by scalars, as in NumPy. Numbers
are ordered by their real parts, then by the imaginary ones, and nan wins.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from wengert.graph.graph import Node
from wengert.native import mathematics
from wengert.native.dense_emit import Step
from wengert.native.forms import part_of
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.writing import (
    INDEX,
    Axis,
    Dtype,
    around,
    carrying,
    counting,
    kind_of,
    load,
    plus,
    routine,
    store,
    times,
    when,
)

_INTP = np.dtype(np.intp)
_CHAINS = 4  # products that a long line is multiplied in at once
_LONG = 32  # elements


class Number(NamedTuple):
    """A complex number in two registers."""

    re: str
    im: str


Join = Callable[[Emitter, Kind, Number, Number], Number]


def _load(e: Emitter, dtype: Dtype, x: str, place: str | int) -> Number:
    first = times(e, place, 2)
    return Number(load(e, dtype, x, first), load(e, dtype, x, plus(e, first, 1)))


def _store(e: Emitter, dtype: Dtype, y: str, place: str | int, value: Number) -> None:
    first = times(e, place, 2)
    store(e, dtype, y, first, value.re)
    store(e, dtype, y, plus(e, first, 1), value.im)


# Joining two ------------------------------------------------------------------------


def _product(e: Emitter, k: Kind, a: Number, b: Number) -> Number:
    return _by_parts(e, k, a, b, lambda x, y: e.let(f"fmul {k} {x}, {y}"))


def _strong_product(e: Emitter, k: Kind, a: Number, b: Number) -> Number:
    return _by_parts(
        e, k, a, b, lambda x, y: mathematics.emit(e, "strong_product", k, x, y)
    )


def _by_parts(
    e: Emitter, k: Kind, a: Number, b: Number, times: Callable[[str, str], str]
) -> Number:
    re = e.let(f"fsub {k} {times(a.re, b.re)}, {times(a.im, b.im)}")
    im = e.let(f"fadd {k} {times(a.re, b.im)}, {times(a.im, b.re)}")
    return Number(re, im)


def _sum(e: Emitter, k: Kind, a: Number, b: Number) -> Number:
    return Number(*(e.let(f"fadd {k} {x}, {y}") for x, y in zip(a, b, strict=True)))


def _has_nan(e: Emitter, k: Kind, a: Number) -> str:
    return e.let(f"fcmp uno {k} {a.re}, {a.im}")


def _beyond(e: Emitter, k: Kind, a: Number, b: Number, test: str) -> str:
    """Whether a comes behind b in the order; false with a nan."""
    first = e.let(f"fcmp {test} {k} {a.re}, {b.re}")
    equal = e.let(f"fcmp oeq {k} {a.re}, {b.re}")
    second = e.let(f"fcmp {test} {k} {a.im}, {b.im}")
    both = e.let(f"and i1 {equal}, {second}")
    return e.let(f"or i1 {first}, {both}")


def _better(e: Emitter, k: Kind, new: Number, best: Number, test: str) -> str:
    """Whether `new` takes the place of `best`: it is behind it, or the first nan."""
    beyond = _beyond(e, k, new, best, test)
    nan = e.let(f"or i1 {beyond}, {_has_nan(e, k, new)}")
    stays = _has_nan(e, k, best)
    return e.let(f"select i1 {stays}, i1 false, i1 {nan}")


def _extremum(test: str) -> Join:
    def join(e: Emitter, k: Kind, best: Number, new: Number) -> Number:
        takes = _better(e, k, new, best, test)
        return Number(
            *(
                e.let(f"select i1 {takes}, {k} {x}, {k} {y}")
                for x, y in zip(new, best, strict=True)
            )
        )

    return join


_TESTS = {"max": "ogt", "min": "olt"}
_JOINS: dict[str, Join] = {
    "prod": _product, "max": _extremum("ogt"), "min": _extremum("olt"),
}  # fmt: skip


# Lines ------------------------------------------------------------------------------


class Line(NamedTuple):
    """One line of an array: its first place, the step, its number among all lines."""

    first: str | int
    step: int
    number: str | int

    def place(self, e: Emitter, k: str | int) -> str | int:
        """Where element k is."""
        return plus(e, self.first, times(e, k, self.step))


@contextmanager
def _each(e: Emitter, axis: Axis) -> Iterator[Line]:
    with counting(e, axis.outer) as outer, counting(e, axis.inner) as inner:
        first = plus(e, times(e, outer, axis.n * axis.inner), inner)
        yield Line(first, axis.inner, plus(e, times(e, outer, axis.inner), inner))


def fold(node: Node) -> Step | None:
    """prod, max or min over neighbouring axes."""
    (x,) = node.inputs
    axes = sorted(node.params["axis"])
    if x.dtype != node.dtype or axes != list(range(axes[0], axes[-1] + 1)):
        return None
    axis, dtype = around(x.shape, axes[0], len(axes)), part_of(node.dtype)
    join, kind = _JOINS[node.op.name], kind_of(dtype)
    chains = _CHAINS if axis.n >= _LONG else 1

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        with _each(e, axis) as line:
            begin = [_load(e, dtype, args[0], line.place(e, i)) for i in range(chains)]
            whole = axis.n // chains * chains
            starts = [(kind, p) for z in begin for p in z]
            with carrying(e, whole, starts, chains, chains) as c:
                for i in range(chains):
                    new = _load(e, dtype, args[0], line.place(e, plus(e, c.index, i)))
                    old = Number(*c.now[2 * i : 2 * i + 2])
                    c.then[2 * i : 2 * i + 2] = join(e, kind, old, new)
            parts = [Number(*c.now[2 * i : 2 * i + 2]) for i in range(chains)]
            parts += [
                _load(e, dtype, args[0], line.place(e, k)) for k in range(whole, axis.n)
            ]
            total = parts[0]
            for part in parts[1:]:
                total = join(e, kind, total, part)
            _store(e, dtype, results[0], line.number, total)

    return routine(f"complex_{node.op.name}", body)


def running(node: Node) -> Step | None:
    """cumprod, cummax, cummin."""
    (x,) = node.inputs
    if x.dtype != node.dtype:
        return None
    axis, dtype = around(x.shape, node.params["axis"]), part_of(node.dtype)
    join, kind = _JOINS[node.op.name.removeprefix("cum")], kind_of(dtype)

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        with _each(e, axis) as line:
            start = _load(e, dtype, args[0], line.first)
            _store(e, dtype, results[0], line.first, start)
            with carrying(e, axis.n, [(kind, p) for p in start], 1) as c:
                place = line.place(e, c.index)
                new = _load(e, dtype, args[0], place)
                c.then[:] = join(e, kind, Number(*c.now), new)
                _store(e, dtype, results[0], place, Number(*c.then))

    return routine(f"complex_{node.op.name}", body)


def place(node: Node) -> Step | None:
    """argmax, argmin."""
    (x,) = node.inputs
    axis, dtype = around(x.shape, node.params["axis"]), part_of(x.dtype)
    test, kind = _TESTS[node.op.name.removeprefix("arg")], kind_of(dtype)

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        with _each(e, axis) as line:
            start = _load(e, dtype, args[0], line.first)
            starts: list[tuple[Kind | str, str]] = [(kind, p) for p in start]
            with carrying(e, axis.n, [*starts, (INDEX, "0")], 1) as c:
                new = _load(e, dtype, args[0], line.place(e, c.index))
                best = Number(*c.now[:2])
                takes = _better(e, kind, new, best, test)
                for i, (a, b, k) in enumerate(
                    zip((*new, c.index), c.now, (kind, kind, INDEX), strict=True)
                ):
                    c.then[i] = e.let(f"select i1 {takes}, {k} {a}, {k} {b}")
            store(e, _INTP, results[0], line.number, c.now[2])

    return routine(f"complex_{node.op.name}", body)


def recurrence(node: Node) -> Step | None:
    """y[k] = a[k]·y[k−1] + u[k]; if that isn't finite, by products where zero wins."""
    if any(i.dtype != node.dtype for i in node.inputs):
        return None
    axis, dtype = around(node.shape, node.params["axis"]), part_of(node.dtype)
    reverse = node.params["reverse"]

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        with _each(e, axis) as line:
            walked = (e, line, axis.n, reverse, dtype, args, results[0])
            lost = _recur(*walked, _product)
            bad = e.let(f"fcmp uno {kind_of(dtype)} {lost}, {lost}")
            with when(e, bad):
                _recur(*walked, _strong_product)

    return routine("complex_recurrence", body)


def _recur(
    e: Emitter, line: Line, n: int, reverse: bool, dtype: Dtype, args: Sequence[str],
    y: str, product: Join,
) -> str:  # fmt: skip
    """Writes the loop; gives Σ 0·y, a nan if some y isn't finite."""
    kind = kind_of(dtype)
    zero = number(kind, 0.0)

    def watched(total: str, z: Number) -> str:
        for p in z:
            term = e.let(f"fmul {kind} {p}, {zero}")
            total = e.let(f"fadd {kind} {total}, {term}")
        return total

    first = line.place(e, n - 1 if reverse else 0)
    start = _load(e, dtype, args[1], first)
    _store(e, dtype, y, first, start)
    starts = [(kind, p) for p in (*start, watched(zero, start))]
    with carrying(e, n, starts, 1) as c:
        k = e.let(f"sub nsw i64 {n - 1}, {c.index}") if reverse else c.index
        place = line.place(e, k)
        a, u = (_load(e, dtype, x, place) for x in args)
        new = _sum(e, kind, u, product(e, kind, a, Number(*c.now[:2])))
        _store(e, dtype, y, place, new)
        c.then[:] = [*new, watched(c.now[2], new)]
    return c.now[2]


__all__ = ["fold", "place", "recurrence", "running"]
