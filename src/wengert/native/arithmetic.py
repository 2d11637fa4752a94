"""Elementwise ops as instructions: arithmetic, comparisons, choices, conversions.

Functions (exp, sin, maximum with NumPy's nan rules …) are in `mathematics`. Plain
arithmetic is IEEE's without contraction, so + − × ÷ √ give NumPy's bits.
"""

from typing import Any

import numpy as np

from wengert.core.types import Type, promoted
from wengert.graph.graph import Node
from wengert.native import mathematics
from wengert.native.forms import element_of
from wengert.native.integers import DIVISIONS, divided, exponent_of, raised
from wengert.native.ir import Emitter, Kind, number

Dtype = np.dtype[Any]
BOOL = np.dtype(bool)

_FLOAT = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_INT = {"add": "add", "subtract": "sub", "multiply": "mul"}
_BITS = {"bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"}
_SHIFT = ("left_shift", "right_shift")
_LOGIC = {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"}
_COMPARE = {
    "equal": ("oeq", "eq", "eq"),
    "not_equal": ("une", "ne", "ne"),
    "less": ("olt", "slt", "ult"),
    "less_equal": ("ole", "sle", "ule"),
    "greater": ("ogt", "sgt", "ugt"),
    "greater_equal": ("oge", "sge", "uge"),
}
_ROUND = {
    "sqrt": "sqrt",
    "deviation": "sqrt",
    "absolute": "fabs",
    "fabs": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "rint": "roundeven",
}
_CLASSES = ("isnan", "isinf", "isfinite", "signbit")
_SCALED = {
    "deg2rad": np.pi / 180,
    "radians": np.pi / 180,
    "rad2deg": 180 / np.pi,
    "degrees": 180 / np.pi,
}

CHEAP = {
    *_FLOAT, *_INT, *_BITS, *_LOGIC, *_COMPARE, *_ROUND, *_CLASSES, *_SCALED,
    "negative", "square", "where", "astype", "maximum", "minimum", "sign", "reciprocal",
    "logical_not", "invert", "strong_product", "one_minus_square", "fmax", "fmin",
    "modulus", *_SHIFT, "real", "imag", "pair",
}  # fmt: skip


def cost(node: Node) -> int:
    """About how many simple instructions one element takes."""
    if node.op.name in ("divide", "sqrt", "deviation", "reciprocal"):
        return 4
    return 1 if node.op.name in CHEAP else 12


def computed_in(node: Node) -> Dtype:
    """The dtype that operands are converted to: the result's, but for comparisons."""
    name = node.op.name
    dtype: Dtype = node.dtype
    if name in _COMPARE or name in _CLASSES or name == "where":
        types = tuple(i.type for i in node.inputs)
        return promoted(types[1:] if name == "where" else types)
    if name in _LOGIC or name == "logical_not":
        return BOOL
    return dtype


def is_elementwise(node: Node) -> bool:
    """Whether `write` knows this op at these dtypes."""
    if not isinstance(node.type, Type):
        return False
    name = node.op.name
    if any(not element_of(t) for t in (node.type, *(i.type for i in node.inputs))):
        return False
    if name in ("astype", "modulus"):
        return name == "astype" or node.dtype.kind == "f"
    if node.params:  # round's decimals, sinc's order
        element = element_of(node.type)
        return node.dtype.kind == "f" and mathematics.supported(
            name, element, **node.params
        )
    kind = computed_in(node).kind
    if element_of(Type((), computed_in(node))) == "":
        return False
    if name in _LOGIC or name in ("logical_not", "where"):
        return True
    if name in _COMPARE:
        return not _mixed(node)
    if name in _CLASSES:
        return kind == "f"
    if kind == "f":
        return (
            name in _FLOAT or name in _ROUND or name in _SCALED
            or name in ("negative", "square", "reciprocal")
            or mathematics.supported(name, element_of(node.type))
        )  # fmt: skip
    if kind == "b":
        return name in _BITS or name in ("invert", "maximum", "minimum", "add",
                                         "multiply")  # fmt: skip
    return name in _INT or name in _BITS or name in _SHIFT or name in (
        "negative", "square", "absolute", "maximum", "minimum", "invert", "sign",
        "floor", "ceil", "trunc", *DIVISIONS,
    ) or exponent_of(node) is not None  # fmt: skip


def _mixed(node: Node) -> bool:
    """Comparisons of signed with unsigned integers, which NumPy does exactly."""
    kinds = {i.dtype.kind for i in node.inputs if not i.type.weak}
    return {"i", "u"} <= kinds


def write(
    e: Emitter, node: Node, width: int, args: list[str], inline: bool = True
) -> str:
    """The result, from operands of dtype `computed_in(node)`.

    For `where`, the condition comes first, as i1.
    """
    name = node.op.name
    dtype = computed_in(node)
    k = Kind(element_of(Type((), dtype)), width)
    if name in _COMPARE:
        return _compare(e, name, dtype, k, args)
    if name == "where":
        flag = k.of("i1")
        c, a, b = args
        return e.let(f"select {flag} {c}, {k} {a}, {k} {b}")
    if dtype.kind == "b":
        return _logical(e, name, k, args)
    if dtype.kind in "iu":
        exponent = exponent_of(node)
        if exponent is not None:
            return raised(e, k, args[0], exponent)
        return _integer(e, name, dtype, k, args)
    return _float(e, node, k, args, inline)


def _compare(e: Emitter, name: str, dtype: Dtype, k: Kind, args: list[str]) -> str:
    ordered, signed, unsigned = _COMPARE[name]
    if dtype.kind == "f":
        return e.let(f"fcmp {ordered} {k} {args[0]}, {args[1]}")
    test = signed if dtype.kind == "i" else unsigned
    return e.let(f"icmp {test} {k} {args[0]}, {args[1]}")


def _logical(e: Emitter, name: str, k: Kind, args: list[str]) -> str:
    if name in ("logical_not", "invert"):
        return e.let(f"xor {k} {args[0]}, {number(k, True)}")
    does = {"maximum": "or", "minimum": "and", "add": "or", "multiply": "and"}
    does |= _LOGIC | _BITS
    return e.let(f"{does[name]} {k} {args[0]}, {args[1]}")


def _integer(e: Emitter, name: str, dtype: Dtype, k: Kind, args: list[str]) -> str:
    x = args[0]
    signed = dtype.kind == "i"
    if name in _INT or name in _BITS:
        return e.let(f"{(_INT | _BITS)[name]} {k} {x}, {args[1]}")
    if name in DIVISIONS:
        return divided(e, name, k, x, args[1], signed=signed)
    if name in _SHIFT:
        return _shifted(e, name, dtype, k, x, args[1])
    if name in ("maximum", "minimum"):
        which = ("s" if signed else "u") + name[:3]
        return e.intrinsic(which, k, x, args[1])
    if name == "square":
        return e.let(f"mul {k} {x}, {x}")
    if name == "invert":
        return e.let(f"xor {k} {x}, {number(k, -1)}")
    if name in ("floor", "ceil", "trunc") or (name == "absolute" and not signed):
        return x
    minus = e.let(f"sub {k} {number(k, 0)}, {x}")
    if name == "negative":
        return minus
    if name == "absolute":
        return e.intrinsic("smax", k, x, minus)
    positive = e.let(f"icmp ne {k} {x}, {number(k, 0)}")
    one = e.let(f"zext {k.of('i1')} {positive} to {k}")
    if not signed:
        return one
    negative = e.let(f"icmp slt {k} {x}, {number(k, 0)}")
    return e.let(f"select {k.of('i1')} {negative}, {k} {number(k, -1)}, {k} {one}")


def _shifted(e: Emitter, name: str, dtype: Dtype, k: Kind, x: str, count: str) -> str:
    """x moved by `count` bits; as in NumPy, all go if there aren't as many."""
    bits = 8 * dtype.itemsize
    signed = name == "right_shift" and dtype.kind == "i"
    how = "shl" if name == "left_shift" else "ashr" if signed else "lshr"
    if not signed:
        moved = e.let(f"{how} {k} {x}, {count}")  # poison that isn't chosen
        fits = e.let(f"icmp ult {k} {count}, {number(k, bits)}")
        return e.let(f"select {k.of('i1')} {fits}, {k} {moved}, {k} {number(k, 0)}")
    return e.let(f"ashr {k} {x}, {e.intrinsic('umin', k, count, number(k, bits - 1))}")


def _float(e: Emitter, node: Node, k: Kind, args: list[str], inline: bool) -> str:
    name, x = node.op.name, args[0]
    if name in _FLOAT:
        return e.let(f"{_FLOAT[name]} {k} {x}, {args[1]}")
    if name in _ROUND:
        return e.intrinsic(_ROUND[name], k, x)
    if name in _CLASSES:
        return _class(e, name, k, x)
    if name in _SCALED:
        return e.let(f"fmul {k} {x}, {number(k, _SCALED[name])}")
    if name == "negative":
        return e.let(f"fneg {k} {x}")
    if name == "square":
        return e.let(f"fmul {k} {x}, {x}")
    if name == "reciprocal":
        return e.let(f"fdiv {k} {number(k, 1.0)}, {x}")
    if name == "modulus":
        return e.intrinsic("fabs", k, x)
    if inline or name in CHEAP or node.params:
        return mathematics.emit(e, name, k, *args, **node.params)
    return mathematics.external(e, name, k, *args)


def _class(e: Emitter, name: str, k: Kind, x: str) -> str:
    if name == "isnan":
        return e.let(f"fcmp uno {k} {x}, {x}")
    if name == "signbit":
        bits = k.of("i64" if k.element == "double" else "i32")
        return e.let(
            f"icmp slt {bits} {e.let(f'bitcast {k} {x} to {bits}')}, {number(bits, 0)}"
        )
    size = e.intrinsic("fabs", k, x)
    test = "oeq" if name == "isinf" else "one"
    return e.let(f"fcmp {test} {k} {size}, {number(k, float('inf'))}")


def convert(e: Emitter, x: str, width: int, given: Dtype, wanted: Dtype) -> str:
    """`x` of one dtype as another, as `astype` does."""
    if given == wanted:
        return x
    a, b = (Kind(element_of(Type((), d)), width) for d in (given, wanted))
    if wanted.kind == "b":
        test = "fcmp une" if given.kind == "f" else "icmp ne"
        return e.let(f"{test} {a} {x}, {number(a, 0)}")
    if given.kind == "b":
        how = "uitofp" if wanted.kind == "f" else "zext"
    elif given.kind == "f":
        if wanted.kind == "f":
            how = "fpext" if wanted.itemsize > given.itemsize else "fptrunc"
        else:
            return _to_integer(e, x, a, b, wanted)
    elif wanted.kind == "f":
        how = "sitofp" if given.kind == "i" else "uitofp"
    elif a == b:
        return x
    elif wanted.itemsize < given.itemsize:
        how = "trunc"
    else:
        how = "sext" if given.kind == "i" else "zext"
    return e.let(f"{how} {a} {x} to {b}")


def _to_integer(e: Emitter, x: str, a: Kind, b: Kind, wanted: Dtype) -> str:
    """Towards zero; what doesn't fit becomes the least number, as on x86."""
    wide = b.of("i64") if wanted.itemsize >= 4 else b.of("i32")
    e.declare(f"declare {wide} @llvm.fptosi.sat.{wide.suffix}.{a.suffix}({a})")
    fits = e.let(f"fcmp olt {a} {e.intrinsic('fabs', a, x)}, {number(a, 2.0**63)}")
    safe = e.let(f"select {a.of('i1')} {fits}, {a} {x}, {a} {number(a, -(2.0**63))}")
    if wanted.kind == "u" and wanted.itemsize == 8:
        big = e.let(f"fcmp oge {a} {x}, {number(a, 2.0**63)}")
        less = e.let(f"fsub {a} {x}, {number(a, 2.0**63)}")
        y = e.let(f"call {wide} @llvm.fptosi.sat.{wide.suffix}.{a.suffix}({a} {safe})")
        z = e.let(f"call {wide} @llvm.fptosi.sat.{wide.suffix}.{a.suffix}({a} {less})")
        high = e.let(f"xor {wide} {z}, {number(wide, -(2**63))}")
        y = e.let(f"select {a.of('i1')} {big}, {wide} {high}, {wide} {y}")
    else:
        y = e.let(f"fptosi {a} {safe} to {wide}")
    return y if wide == b else e.let(f"trunc {wide} {y} to {b}")
