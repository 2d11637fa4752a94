"""Unevaluated sums of two numbers, where one number has too few digits.

The algorithms are those of T. J. Dekker, "A floating-point technique for extending the
available precision", Numerische Mathematik 18 (1971); with a fused multiply-add the
error of a product is one instruction.
"""

from collections.abc import Callable

from wengert.native.mathematics.lanes import Lanes, Real

Pair = tuple[Real, Real]


def product(v: Lanes, a: Real, b: Real) -> Pair:
    """a·b, and what it was rounded by."""
    p = a * b
    if v.fused:
        return p, v.fma(a, b, -p)
    keep = -1 << (27 if v.double else 12)
    ah, bh = (a.bits & keep).real, (b.bits & keep).real
    al, bl = a - ah, b - bh
    return p, (((ah * bh - p) + ah * bl) + al * bh) + al * bl


def total(a: Real, b: Real) -> Pair:
    """a + b, and what it was rounded by, for |a| ≥ |b| or a = 0."""
    s = a + b
    return s, (a - s) + b


def widened(f: Callable[..., Real]) -> Callable[..., Real]:
    """f, for float32 through float64, of whose digits it needs a few more than 24."""

    def through_double(v: Lanes, *args: Real) -> Real:
        if v.double:
            return f(v, *args)
        wide = Lanes(v.emitter, v.kind.of("double"))
        extended = [
            wide.value(v.let(f"fpext {v.real} {x.text} to {wide.real}")) for x in args
        ]
        y = f(wide, *extended)
        return v.value(v.let(f"fptrunc {wide.real} {y.text} to {v.real}"))

    return through_double
