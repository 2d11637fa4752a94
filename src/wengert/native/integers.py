"""Quotients, remainders and powers of integers, as NumPy has them.

A divisor of 0 gives 0; the least number divided by −1 is itself. The processor's own
division traps on both, so neither reaches it. Powers are written out for exponents that
are known; others may be negative, which is an error that NumPy raises.
"""

import numpy as np

from wengert.graph.graph import CONSTANT, Node
from wengert.native.ir import Emitter, Kind, number

DIVISIONS = ("floor_divide", "remainder", "fmod")
_MOST = 64  # the largest exponent that is written out


def divided(e: Emitter, name: str, k: Kind, a: str, b: str, *, signed: bool) -> str:
    """`a // b`, `a % b` or C's `a % b`.

    Args:
        e: where the instructions go.
        name: one of `DIVISIONS`.
        k: the integers' kind.
        a: the dividend.
        b: the divisor.
        signed: whether they have signs.
    """
    flag, zero = k.of("i1"), number(k, 0)
    none = e.let(f"icmp eq {k} {b}, {zero}")
    special = none
    if signed:
        minus = e.let(f"icmp eq {k} {b}, {number(k, -1)}")
        special = e.let(f"or {flag} {none}, {minus}")
    safe = e.let(f"select {flag} {special}, {k} {number(k, 1)}, {k} {b}")
    how = "sdiv" if signed else "udiv"
    quotient = e.let(f"{how} {k} {a}, {safe}")
    rest = e.let(f"sub {k} {a}, {e.let(f'mul {k} {quotient}, {safe}')}")
    if name == "fmod" or (name == "remainder" and not signed):
        return rest  # 0 where the divisor is special
    if signed:
        below = _below(e, k, rest, safe)
        if name == "remainder":
            up = e.let(f"add {k} {rest}, {safe}")
            return e.let(f"select {flag} {below}, {k} {up}, {k} {rest}")
        less = e.let(f"sext {flag} {below} to {k}")
        quotient = e.let(f"add {k} {quotient}, {less}")
        negative = e.let(f"sub {k} {zero}, {a}")
        quotient = e.let(f"select {flag} {minus}, {k} {negative}, {k} {quotient}")
    return e.let(f"select {flag} {none}, {k} {zero}, {k} {quotient}")


def _below(e: Emitter, k: Kind, rest: str, divisor: str) -> str:
    """Whether the processor's quotient, cut towards 0, is above the exact one."""
    flag, zero = k.of("i1"), number(k, 0)
    some = e.let(f"icmp ne {k} {rest}, {zero}")
    apart = e.let(f"icmp slt {k} {e.let(f'xor {k} {rest}, {divisor}')}, {zero}")
    return e.let(f"and {flag} {some}, {apart}")


def exponent_of(node: Node) -> int | None:
    """The one exponent of a `power`, if it is known and small; else None."""
    if node.op.name != "power" or node.inputs[1].op is not CONSTANT:
        return None
    value = np.asarray(node.inputs[1].params["value"])
    if not value.size or value.dtype.kind not in "iu":
        return None
    n = int(value.flat[0])
    return n if 0 <= n <= _MOST and bool((value == n).all()) else None


def raised(e: Emitter, k: Kind, x: str, n: int) -> str:
    """`x` to the n-th power, by squares."""
    found, square = None, x
    while n:
        if n & 1:
            found = square if found is None else e.let(f"mul {k} {found}, {square}")
        n >>= 1
        if n:
            square = e.let(f"mul {k} {square}, {square}")
    return number(k, 1) if found is None else found
