"""searchsorted: several searches in step, each halving what is left."""

from collections.abc import Sequence

import numpy as np

from wengert.graph.graph import Node
from wengert.native import arithmetic
from wengert.native.dense_emit import Step
from wengert.native.ir import Emitter, Kind, number
from wengert.native.routines.writing import (
    INDEX,
    Dtype,
    carrying,
    counting,
    in_memory,
    kind_of,
    lanes,
    load,
    load_as,
    pieces,
    routine,
    splat,
    store,
)

_RESULT = np.dtype(np.intp)


def places(node: Node) -> Step | None:
    """Where each value would stand in a sorted array; nans are the largest."""
    a, v = node.inputs
    if a.dtype != v.dtype and (a.type.weak or v.type.weak):
        return None
    dtypes = (a.dtype, np.result_type(a.dtype, v.dtype))
    n, count = a.type.size, v.type.size
    left = node.params["side"] == "left"

    def body(
        e: Emitter, args: Sequence[str], results: Sequence[str], _scratch: str
    ) -> None:
        for first, end, width in pieces(count, 2 * lanes(_RESULT)):
            with counting(e, end, first, width) as k:
                wanted = load_as(e, v.dtype, dtypes[1], args[1], k, width)
                found = _searched(e, n, dtypes, left, args[0], wanted, width)
                store(e, _RESULT, results[0], k, found, width)

    return routine("searchsorted", body)


def _searched(
    e: Emitter, n: int, dtypes: tuple[Dtype, Dtype], left: bool, a: str, wanted: str,
    width: int,
) -> str:  # fmt: skip
    """`dtypes`: of the sorted array, and that which both are compared in."""
    given, dtype = in_memory(dtypes[0]), in_memory(dtypes[1])
    index = Kind("i64", width)
    carried = [(index, number(index, 0)), (INDEX, str(n))]
    with carrying(e, _halvings(n), carried) as c:
        low, size = c.now
        half = e.let(f"lshr i64 {size}, 1")
        middle = e.let(f"add {index} {low}, {splat(e, index, half)}")
        before = e.let(f"add {index} {middle}, {number(index, -1)}")
        seen = _gather(e, given, a, before, width)
        seen = arithmetic.convert(e, seen, width, given, dtype)
        up = _beyond(e, kind_of(dtype, width), dtype, left, seen, wanted)
        c.then[0] = e.let(
            f"select {index.of('i1')} {up}, {index} {middle}, {index} {low}"
        )
        c.then[1] = e.let(f"sub i64 {size}, {half}")
    seen = _gather(e, given, a, c.now[0], width)
    seen = arithmetic.convert(e, seen, width, given, dtype)
    up = _beyond(e, kind_of(dtype, width), dtype, left, seen, wanted)
    one = e.let(f"zext {index.of('i1')} {up} to {index}")
    return e.let(f"add {index} {c.now[0]}, {one}")


def _halvings(n: int) -> int:
    """How often n, halved and rounded up, goes before it is 1."""
    return (n - 1).bit_length()


def _beyond(
    e: Emitter, kind: Kind, dtype: Dtype, left: bool, seen: str, wanted: str
) -> str:
    """Whether the place is after `seen`."""
    if dtype.kind != "f":
        sign = "s" if dtype.kind == "i" else "u"
        return e.let(f"icmp {sign}{'lt' if left else 'le'} {kind} {seen}, {wanted}")
    flag = kind.of("i1")
    if left:  # seen < wanted, or a number before a nan
        less = e.let(f"fcmp olt {kind} {seen}, {wanted}")
        odd = e.let(f"fcmp uno {kind} {wanted}, {wanted}")
        plain = e.let(f"fcmp ord {kind} {seen}, {seen}")
        return e.let(f"or {flag} {less}, {e.let(f'and {flag} {odd}, {plain}')}")
    less = e.let(f"fcmp ole {kind} {seen}, {wanted}")
    odd = e.let(f"fcmp uno {kind} {wanted}, {wanted}")
    return e.let(f"or {flag} {less}, {odd}")


def _gather(e: Emitter, dtype: Dtype, a: str, index: str, width: int) -> str:
    kind = kind_of(dtype, width)
    if width == 1:
        return load(e, dtype, a, index)
    pointers, flag = f"<{width} x ptr>", kind.of("i1")
    at = e.let(f"getelementptr {kind.element}, ptr {a}, {Kind('i64', width)} {index}")
    name = f"@llvm.masked.gather.{kind.suffix}.v{width}p0"
    e.declare(f"declare {kind} {name}({pointers}, {flag}, {kind})")
    return e.let(
        f"call {kind} {name}({pointers} align {dtype.itemsize} {at}, "
        f"{flag} {number(flag, True)}, {kind} poison)"
    )


__all__ = ["places"]
