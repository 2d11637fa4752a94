"""The functions as modules of their own: `copied` compiles them for kernels to call."""

from collections.abc import Iterable

from wengert.native.ir import Emitter, Kind
from wengert.native.mathematics.exactly import HUGE, PREFIX
from wengert.native.mathematics.table import (
    TABLE,
    emit,
    result_of,
    symbol_for,
)

# Vectors of 512 bits stay whole on processors whose tuning prefers shorter ones.
ATTRIBUTES = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'

# C's functions behind `huge_…`, with their numbers of arguments.
OF_C = {"sin": 1, "cos": 1, "tan": 1, "fmod": 2}


def parse_symbol(symbol: str) -> tuple[str, Kind] | None:
    """The function and kind that a symbol names, or None if it is none of ours."""
    if not symbol.startswith(PREFIX):
        return None
    name, _, suffix = symbol[len(PREFIX) :].rpartition("_")
    known = name in TABLE or (name[: len(HUGE)] == HUGE and name[len(HUGE) :] in OF_C)
    for element, short in (("double", "f64"), ("float", "f32")):
        width = suffix.removesuffix(short).removeprefix("v")
        if known and suffix.endswith(short) and (width or "1").isdecimal():
            kind = Kind(element, int(width or "1"))
            return (name, kind) if kind.suffix == suffix else None
    return None


def module_for(*symbols: str, fma: bool = True) -> str:
    """A module's text that defines these symbols, and declares what else it needs.

    Raises:
        KeyError: a symbol is none of ours.
    """
    wanted = []
    for symbol in symbols:
        found = parse_symbol(symbol)
        if found is None:
            raise KeyError(symbol)
        wanted.append(found)
    return _text(wanted, fma)


def library(kinds: Iterable[Kind], fma: bool = True) -> str:
    """One module's text with every function of the table for these kinds."""
    names = [*TABLE, *(HUGE + name for name in OF_C)]
    return _text([(name, kind) for kind in kinds for name in names], fma)


def _text(wanted: list[tuple[str, Kind]], fma: bool) -> str:
    declared: set[str] = set()
    bodies = []
    for name, kind in wanted:
        if name.startswith(HUGE):
            bodies.append(_huge(name[len(HUGE) :], kind, declared))
        else:
            bodies.append(_definition(name, kind, fma, declared))
    # What is defined here must not be declared as well.
    here = {symbol_for(name, kind) for name, kind in wanted}
    kept = [d for d in declared if d[d.index("@") + 1 : d.index("(")] not in here]
    return "\n".join([*sorted(kept), *bodies])


def _definition(name: str, kind: Kind, fma: bool, declared: set[str]) -> str:
    e = Emitter(fma=fma)
    args = [f"%a{i}" for i in range(TABLE[name].arguments)]
    y = emit(e, name, kind, *args)
    declared |= e.declared
    return _function(symbol_for(name, kind), result_of(name, kind), kind, args, e, y)


def _function(
    symbol: str, result: Kind, kind: Kind, args: list[str], e: Emitter, y: str
) -> str:
    listed = ", ".join(f"{kind} {a}" for a in args)
    body = "\n".join(e.lines)
    return (
        f"define {result} @{symbol}({listed}) nounwind {ATTRIBUTES} {{\n"
        f"entry:\n{body}\n  ret {result} {y}\n}}\n"
    )


def _huge(name: str, kind: Kind, declared: set[str]) -> str:
    """C's double function, lane by lane: exact argument reduction, and slow."""
    e = Emitter()
    args = [f"%a{i}" for i in range(OF_C[name])]
    declared.add(f"declare double @{name}({', '.join(['double'] * len(args))})")
    y = "poison"
    for lane in range(kind.width):
        listed = ", ".join(f"double {_lane(e, kind, a, lane)}" for a in args)
        one = e.let(f"call double @{name}({listed})")
        if kind.element == "float":
            one = e.let(f"fptrunc double {one} to float")
        if kind.width > 1:
            element = f"{kind.element} {one}"
            one = e.let(f"insertelement {kind} {y}, {element}, i32 {lane}")
        y = one
    return _function(symbol_for(HUGE + name, kind), kind, kind, args, e, y)


def _lane(e: Emitter, kind: Kind, x: str, lane: int) -> str:
    """One lane, as a double."""
    if kind.width > 1:
        x = e.let(f"extractelement {kind} {x}, i32 {lane}")
    return x if kind.element == "double" else e.let(f"fpext float {x} to double")
