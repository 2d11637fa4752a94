"""The way out for arguments that the fast formulas don't reach: C's own function.

It stands in a block that is entered only if some lane needs it, and calls a function
compiled apart, so that the fast path carries nothing of it.
"""

from wengert.native.ir import Kind
from wengert.native.mathematics.lanes import Lanes, Mask, Real

PREFIX = "wg_math_"
HUGE = "huge_"


def huge_symbol(name: str, kind: Kind) -> str:
    """`wg_math_huge_sin_v8f64`: C's function, lane by lane."""
    return f"{PREFIX}{HUGE}{name}_{kind.suffix}"


def or_exactly(v: Lanes, name: str, far: Mask, y: Real, *args: Real) -> Real:
    """y, but in the lanes `far` what C's function of this name gives for `args`."""
    e, kind = v.emitter, v.kind
    cold, done = e.label("exact"), e.label("done")
    before = e.block
    e.do(f"br i1 {_any(v, far)}, label %{cold}, label %{done}, "
         '!prof !{!"branch_weights", i32 1, i32 1048575}')  # fmt: skip
    e.place(cold)
    symbol = huge_symbol(name, kind)
    e.declare(f"declare {kind} @{symbol}({', '.join([v.real] * len(args))})")
    listed = ", ".join(f"{v.real} {x.text}" for x in args)
    exact = v.value(v.let(f"call {kind} @{symbol}({listed})"))
    chosen = far.where(exact, y)
    e.do(f"br label %{done}")
    e.place(done)
    text = f"phi {kind} [ {y.text}, %{before} ], [ {chosen.text}, %{cold} ]"
    return v.value(v.let(text))


def _any(v: Lanes, mask: Mask) -> str:
    """An i1: whether the mask is set anywhere."""
    if v.kind.width == 1:
        return mask.text
    whole = f"i{v.kind.width}"
    bits = v.let(f"bitcast {v.mask} {mask.text} to {whole}")
    return v.let(f"icmp ne {whole} {bits}, 0")
