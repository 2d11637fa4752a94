"""matmul and einsum of two arrays as calls of gemm, gemv and dot.

A product is a list of axes, each with its strides in both arguments and the result. An
axis that both arguments and the result have is looped over; of the others one each
becomes the m, n and k of a library call, where adjacent ones count as one. Transposes
are flags, and strides leading dimensions: what doesn't fit is copied, and of all ways
to do it the one with the least estimated time is taken.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.types import Shape
from wengert.native.dense_emit import (
    Scratch,
    Step,
    Walk,
    call,
    clear,
    contiguous,
    copy_matrix,
    integer,
    letter,
    nest,
    real_kind,
    scalar,
    shifted,
)
from wengert.native.ir import Emitter
from wengert.native.libraries import LETTERS

SMALL = 8  # up to this m, n and k the caller's own loops are faster
_FEW = 512  # multiplications in all, for which no call pays
_LARGEST = 2**31 - 1
# For comparing ways: seconds a call, a multiplication, a byte copied.
_CALL, _MULTIPLY, _COPY = 6e-8, 2e-11, 3e-10
# OpenBLAS does products up to so many multiplications without packing, at best speed;
# but if its left matrix is transposed each of them takes about so much longer.
UNPACKED = 1_000_000
_TRANSPOSED = 1.2e-11


class Axis(NamedTuple):
    """An axis of a product: its length, and strides in elements; 0 where it isn't."""

    size: int
    a: int
    b: int
    c: int


class Way(NamedTuple):
    """How a product is computed: loops around one library call.

    m, n and k have size 1 where there is no such axis.
    """

    loops: tuple[Axis, ...]
    m: Axis
    n: Axis
    k: Axis

    @property
    def seconds(self) -> float:
        """An estimate."""
        work = self.m.size * self.n.size * self.k.size
        calls = math.prod(x.size for x in self.loops)
        return calls * (_CALL + _MULTIPLY * work)


# Axes -----------------------------------------------------------------------------


def axes_of(
    subscripts: str, shapes: Sequence[Shape], strides: Sequence[Sequence[int]]
) -> list[Axis]:
    """The axes longer than 1, those of the result first; it is in C order."""
    inputs, out = subscripts.split("->")
    first, second = inputs.split(",")
    sizes: dict[str, int] = {}
    steps: list[dict[str, int]] = []
    for letters, shape, by in zip((first, second), shapes, strides, strict=True):
        for x, n in zip(letters, shape, strict=True):
            sizes[x] = n if n != 1 else sizes.get(x, 1)
        steps.append(
            {x: s for x, n, s in zip(letters, shape, by, strict=True) if n != 1}
        )
    steps.append(dict(zip(out, contiguous([sizes[x] for x in out]), strict=True)))
    order = dict.fromkeys(out + first + second)
    return [
        Axis(sizes[x], *(s.get(x, 0) for s in steps)) for x in order if sizes[x] != 1
    ]


def matmul_subscripts(left: int, right: int) -> str:
    """matmul of arrays of these ranks, in einsum's language."""
    batch = "abcdefghijklmnopqrstuvw"[: max(left, right, 2) - 2]
    a = batch[len(batch) - max(left - 2, 0) :] + ("x" if left > 1 else "") + "z"
    b = batch[len(batch) - max(right - 2, 0) :] + "z" + ("y" if right > 1 else "")
    return f"{a},{b}->{batch}{'x' if left > 1 else ''}{'y' if right > 1 else ''}"


def _merged(axes: Sequence[Axis]) -> list[Axis]:
    """Pairs of axes that walk memory as one axis does, put together."""
    found = list(axes)
    pair = next(_pairs(found), None)
    while pair:
        outer, inner = pair
        found[found.index(outer)] = inner._replace(size=outer.size * inner.size)
        found.remove(inner)
        pair = next(_pairs(found), None)
    return found


def _pairs(axes: list[Axis]) -> Iterator[tuple[Axis, Axis]]:
    for outer, inner in itertools.permutations(axes, 2):
        if outer[1:] == tuple(inner.size * s for s in inner[1:]):
            yield outer, inner


class Groups(NamedTuple):
    """Axes by what has them: all three; a and c; b and c; a and b."""

    batch: list[Axis]
    m: list[Axis]
    n: list[Axis]
    k: list[Axis]


def grouped(axes: Sequence[Axis]) -> Groups | None:
    """None if an axis is summed that one argument doesn't have."""
    by: dict[tuple[bool, bool, bool], list[Axis]] = {}
    for x in axes:
        by.setdefault((x.a != 0, x.b != 0, x.c != 0), []).append(x)
    there = [(True,) * 3, (True, False, True), (False, True, True), (True, True, False)]
    if set(by) - set(there):
        return None
    return Groups(*(_merged(by.get(pattern, [])) for pattern in there))


# Ways -----------------------------------------------------------------------------


def _fits(unit: int, other: int, rows: int) -> bool:
    """Whether columns of `rows` elements that are `other` apart are a BLAS matrix."""
    return unit == 1 and rows <= other <= _LARGEST


def _matrix(s0: int, s1: int, n0: int, n1: int) -> bool:
    return _fits(s0, s1, n0) or _fits(s1, s0, n1)


def _callable(way: Way) -> bool:
    m, n, k = way.m, way.n, way.k
    vectors = [
        s for x, *by in ((m, m.a, m.c), (n, n.b, n.c), (k, k.a, k.b))
        for s in by if x.size > 1
    ]  # fmt: skip
    if min(vectors) < 1 or max(*vectors, m.size, n.size, k.size) > _LARGEST:
        return False
    if m.size > 1 and not _matrix(m.a, k.a, m.size, k.size):
        return False
    if n.size > 1 and not _matrix(n.b, k.b, n.size, k.size):
        return False
    return m.size == 1 or n.size == 1 or _matrix(m.c, n.c, m.size, n.size)


_NONE = Axis(1, 0, 0, 0)


def _ways(groups: Groups) -> Iterator[Way]:
    """All choices of one axis of each kind for the call, with loops over the rest."""
    choices = [[*range(len(g))] or [-1] for g in groups[1:]]
    for chosen in itertools.product(*choices):
        inner = [
            g[i] if i >= 0 else _NONE for g, i in zip(groups[1:], chosen, strict=True)
        ]
        rest = [
            x for g, i in zip(groups[1:], chosen, strict=True)
            for at, x in enumerate(g) if at != i
        ]  # fmt: skip
        way = Way((*groups.batch, *rest), *inner)
        if way.k.size > 1 and _callable(way):
            yield way


class Plan(NamedTuple):
    """A way, and the axes along which arrays (0, 1: arguments, 2) are copied."""

    way: Way
    copies: dict[int, list[Axis]]
    seconds: float


def _plans(axes: Sequence[Axis], itemsize: int) -> Iterator[Plan]:
    for count in range(4):
        for chosen in itertools.combinations(range(3), count):
            changed, copies = list(axes), {}
            for which in chosen:
                copies[which], changed = _packed(changed, which)
            groups = grouped(changed)
            moved_bytes = sum(
                itemsize * math.prod(x.size for x in copied)
                for copied in copies.values()
            )
            for way in _ways(groups) if groups else ():
                yield Plan(way, copies, way.seconds + _COPY * moved_bytes)


def _best(axes: Sequence[Axis], itemsize: int) -> Plan | None:
    """The plan with the least estimated time, the first of equals."""
    # One call without copies can't be beaten: the others needn't be looked at.
    enough = 1.1 * (_CALL + _MULTIPLY * math.prod(x.size for x in axes))
    best = None
    for plan in _plans(axes, itemsize):
        if best is None or plan.seconds < best.seconds:
            best = plan
        if best.seconds <= enough:
            break
    return best


def _left(way: Way) -> tuple[int, bool]:
    """Which argument Fortran has on the left, and whether it is transposed there."""
    if _fits(way.n.c, way.m.c, way.n.size):
        return 1, not _fits(way.n.b, way.k.b, way.n.size)
    return 0, not _fits(way.m.a, way.k.a, way.m.size)


class Turned(NamedTuple):
    """An argument to copy before a product, so that it isn't transposed in it.

    `walked` says how it is copied; `axes` are the product's with the copy.
    """

    which: int
    walked: list[Axis]
    axes: list[Axis]

    def copy(self, e: Emitter, dtype: np.dtype[Any], to: str, of: str) -> None:
        """Writes the copy."""
        _copy(e, dtype, self.walked, to, of)


def turned(axes: Sequence[Axis], itemsize: int) -> Turned | None:
    """The matrix that small calls would take transposed on the left, if they would."""
    best = _best(axes, itemsize)
    if best is None or min(best.way.m.size, best.way.n.size) == 1:
        return None
    which, transposed = _left(best.way)
    if not transposed or best.copies:
        return None
    walked, changed = _packed(list(axes), which, inner_first=True)
    groups = grouped(changed)
    if groups is None or all(_left(w)[1] for w in _ways(groups)):
        return None
    return Turned(which, walked, changed)


def _straightened(plan: Plan, axes: Sequence[Axis], itemsize: int) -> Plan:
    """The plan with its left matrix copied so that it isn't transposed, if that pays:
    where many small products share a small matrix."""
    way = plan.way
    work = way.m.size * way.n.size * way.k.size
    if min(way.m.size, way.n.size) == 1 or work > UNPACKED:
        return plan
    which, transposed = _left(way)
    if not transposed or which in plan.copies:
        return plan
    changed = list(axes)
    for other in plan.copies:
        changed = _packed(changed, other)[1]
    copied, changed = _packed(changed, which, inner_first=True)
    copies = _COPY * itemsize * math.prod(x.size for x in copied)
    gained = _TRANSPOSED * work * math.prod(x.size for x in way.loops)
    groups = grouped(changed)
    if groups is None or 4 * copies > gained:
        return plan
    for new in _ways(groups):
        if new.seconds <= way.seconds and not _left(new)[1]:
            return Plan(new, {**plan.copies, which: copied}, new.seconds + copies)
    return plan


def _packed(
    axes: list[Axis], which: int, inner_first: bool = False
) -> tuple[list[Axis], list[Axis]]:
    """(the axes of one array, as they are; all axes with that array packed).

    Packed in the order batch, m or n, k; each in the result's order, then the list's.
    `inner_first`: in the order batch, k, m or n.
    """
    kind = [(x.a != 0) + (x.b != 0) + (x.c != 0) for x in axes]
    own = [i for i, x in enumerate(axes) if x[1 + which]]
    # Three arrays have a batch axis; among those of two, the result's come first, but
    # in the result itself m's before n's.
    key = (lambda i: (-kind[i], not axes[i].a, i)) if which == 2 else (
        lambda i: (-kind[i], (not axes[i].c) != inner_first, i)
    )  # fmt: skip
    own.sort(key=key)
    packed = contiguous([axes[i].size for i in own])
    changed = list(axes)
    for i, stride in zip(own, packed, strict=True):
        values = list(axes[i])
        values[1 + which] = stride
        changed[i] = Axis(*values)
    # A copy walks (size, stride there, stride packed) in the packed order.
    walked = [
        Axis(axes[i].size, axes[i][1 + which], s, 0)
        for i, s in zip(own, packed, strict=True)
    ]
    return walked, changed


# Steps ----------------------------------------------------------------------------


def product(
    subscripts: str,
    shapes: Sequence[Shape],
    strides: Sequence[Sequence[int]],
    dtype: np.dtype[Any],
) -> Step | None:
    """The step for a product of two arrays; None where loops are as good."""
    return product_of(axes_of(subscripts, shapes, strides), dtype)


def product_of(
    axes: Sequence[Axis], dtype: np.dtype[Any], always: bool = False
) -> Step | None:
    """The step for a product with these axes; None where loops are as good, unless it
    is `always` wanted."""
    size = math.prod(x.size for x in axes if x.c)
    if any(x.size == 0 for x in axes):
        return _empty(size * dtype.itemsize)
    best = _best(axes, dtype.itemsize)
    if best is None:
        return None
    best = _straightened(best, axes, dtype.itemsize)
    way = best.way
    extents = (way.m.size, way.n.size, way.k.size)
    small = max(extents) <= SMALL or math.prod(x.size for x in axes) < _FEW
    if small and not always:
        return None
    layout = Scratch()
    places = {
        which: layout.take(dtype.itemsize * math.prod(x.size for x in walked))
        for which, walked in best.copies.items()
    }

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, add: bool
    ) -> None:
        pointers = [*args, results[0]]
        for which, at in places.items():
            pointers[which] = shifted(e, scratch, at)
            if which < 2:
                _copy(e, dtype, best.copies[which], pointers[which], args[which])
        _loops(e, dtype, way, pointers, size, add)
        if 2 in places:
            back = [x._replace(a=x.b, b=x.a) for x in best.copies[2]]
            _copy(e, dtype, back, results[0], pointers[2])

    copied = tuple(which for which in places if which < 2)
    return Step(layout.size, write, copied, accumulates=2 not in places)


def _empty(nbytes: int) -> Step:
    """Nothing is summed: zeros, or nothing to add."""

    def write(
        e: Emitter, args: Sequence[str], results: Sequence[str], scratch: str, add: bool
    ) -> None:
        if nbytes and not add:
            clear(e, results[0], nbytes)

    return Step(0, write, accumulates=True)


def _copy(
    e: Emitter, dtype: np.dtype[Any], axes: Sequence[Axis], to: str, of: str
) -> None:
    """A copy between strides: `a` where it comes from, `b` where it goes."""
    axes = _merged(axes)
    # The innermost two: what is contiguous in either.
    inner = {min(range(len(axes)), key=lambda i: axes[i].a)}
    inner.add(min(range(len(axes)), key=lambda i: axes[i].b))
    rest = [i for i in range(len(axes)) if i not in inner]
    if len(inner) == 1 and rest:
        inner.add(rest.pop())
    two = [axes[i] for i in sorted(inner)]
    first, last = two if len(two) == 2 else (_NONE, two[0])
    walks: list[Walk] = [
        (x.size, (x.b * dtype.itemsize, x.a * dtype.itemsize))
        for x in (axes[i] for i in rest)
    ]
    with nest(e, walks, (to, of)) as (target, source):
        copy_matrix(
            e,
            dtype,
            (first.size, last.size),
            (target, (first.b, last.b)),
            (source, (first.a, last.a)),
        )


def _loops(
    e: Emitter,
    dtype: np.dtype[Any],
    way: Way,
    pointers: Sequence[str],
    size: int,
    add: bool,
) -> None:
    """The library call in its loops; sums over loops are added up in the result."""
    if not add and any(x.c == 0 for x in way.loops):
        clear(e, pointers[2], size * dtype.itemsize)
        add = True
    unit = dtype.itemsize
    walks: list[Walk] = [
        (x.size, (x.a * unit, x.b * unit, x.c * unit)) for x in way.loops
    ]
    with nest(e, walks, pointers) as (a, b, c):
        _call(e, dtype, way, (a, b, c), add)


def _call(
    e: Emitter, dtype: np.dtype[Any], way: Way, at: tuple[str, str, str], add: bool
) -> None:
    a, b, c = at
    m, n, k = way.m, way.n, way.k
    if m.size > 1 and n.size > 1:
        # Fortran's result has its contiguous axis first: n, if the result is in C
        # order, and then it is (A B)ᵀ = Bᵀ Aᵀ.
        if _fits(n.c, m.c, n.size):
            left, right, ld = (b, n.size, n.b, k.b), (a, m.size, m.a, k.a), m.c
        else:
            left, right, ld = (a, m.size, m.a, k.a), (b, n.size, n.b, k.b), n.c
        _gemm(e, dtype, left, right, k.size, (c, ld), add)
    elif m.size > 1:
        _gemv(e, dtype, (a, m.size, m.a, k.a), (b, k.size, k.b), (c, m.c), add)
    elif n.size > 1:
        _gemv(e, dtype, (b, n.size, n.b, k.b), (a, k.size, k.a), (c, n.c), add)
    elif dtype.kind == "c":  # dotu returns a struct, and compilers don't agree how
        _gemv(e, dtype, (a, 1, 1, k.a), (b, k.size, k.b), (c, 1), add)
    else:
        _dot(e, dtype, (a, k.a), (b, k.b), k.size, c, add)


Side = tuple[str, int, int, int]  # pointer, length of m or n, its stride, k's stride


def _gemm(
    e: Emitter,
    dtype: np.dtype[Any],
    left: Side,
    right: Side,
    inner: int,
    result: tuple[str, int],
    add: bool,
) -> None:
    """result (m × n, columns contiguous) = left · right."""
    p, m, p_m, p_k = left
    q, n, q_n, q_k = right
    plain_left = _fits(p_m, p_k, m)
    plain_right = _fits(q_k, q_n, inner)
    call(
        e,
        f"wg_blas_{LETTERS[dtype.char]}gemm",
        letter(e, "N" if plain_left else "T"),
        letter(e, "N" if plain_right else "T"),
        integer(e, m),
        integer(e, n),
        integer(e, inner),
        scalar(e, dtype, 1),
        p,
        integer(e, p_k if plain_left else p_m),
        q,
        integer(e, q_n if plain_right else q_k),
        scalar(e, dtype, int(add)),
        result[0],
        integer(e, result[1]),
    )


def _gemv(
    e: Emitter,
    dtype: np.dtype[Any],
    matrix: Side,
    vector: tuple[str, int, int],
    result: tuple[str, int],
    add: bool,
) -> None:
    p, m, p_m, p_k = matrix
    x, k, x_k = vector
    plain = _fits(p_m, p_k, m)
    call(
        e,
        f"wg_blas_{LETTERS[dtype.char]}gemv",
        letter(e, "N" if plain else "T"),
        integer(e, m if plain else k),
        integer(e, k if plain else m),
        scalar(e, dtype, 1),
        p,
        integer(e, p_k if plain else p_m),
        x,
        integer(e, x_k),
        scalar(e, dtype, int(add)),
        result[0],
        integer(e, result[1]),
    )


def _dot(
    e: Emitter,
    dtype: np.dtype[Any],
    left: tuple[str, int],
    right: tuple[str, int],
    count: int,
    result: str,
    add: bool,
) -> None:
    kind = str(real_kind(dtype))
    value = call(
        e,
        f"wg_blas_{LETTERS[dtype.char]}dot",
        integer(e, count),
        left[0],
        integer(e, left[1]),
        right[0],
        integer(e, right[1]),
        returns=kind,
    )
    if add:
        have = e.let(f"load {kind}, ptr {result}, align {dtype.itemsize}")
        value = e.let(f"fadd {kind} {have}, {value}")
    e.do(f"store {kind} {value}, ptr {result}, align {dtype.itemsize}")


__all__ = [
    "SMALL", "Axis", "Turned", "axes_of", "matmul_subscripts", "product", "product_of",
    "turned",
]  # fmt: skip
