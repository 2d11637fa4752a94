"""Combining two values in a fold: sums, products, extrema; and lanes into one."""

import functools
from typing import Any

import numpy as np

from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native import mathematics
from wengert.native.forms import element_of, fold_of
from wengert.native.ir import Emitter, Kind, number

Dtype = np.dtype[Any]

_FLOAT = {"add": "fadd", "multiply": "fmul"}
_OTHER = {"add": "add", "multiply": "mul", "logical_and": "and", "logical_or": "or"}

_OF_BOOLS = {
    "maximum": "logical_or",
    "minimum": "logical_and",
    "add": "logical_or",
    "multiply": "logical_and",
}


def two(e: Emitter, k: Kind, dtype: Dtype, how: str, a: str, b: str) -> str:
    """a ∘ b."""
    if dtype.kind == "f":
        if how in _FLOAT:
            return e.let(f"{_FLOAT[how]} {k} {a}, {b}")
        return mathematics.emit(e, how, k, a, b)
    if dtype.kind == "b":
        how = _OF_BOOLS.get(how, how)
    if how in _OTHER:
        return e.let(f"{_OTHER[how]} {k} {a}, {b}")
    return e.intrinsic(("s" if dtype.kind == "i" else "u") + how[:3], k, a, b)


def multiply_add(e: Emitter, k: Kind, dtype: Dtype, a: str, b: str, total: str) -> str:
    """a·b + total, rounded once where the machine can."""
    if dtype.kind == "f" and e.fma:
        return e.intrinsic("fma", k, a, b, total)
    return two(e, k, dtype, "add", two(e, k, dtype, "multiply", a, b), total)


def identity(how: str, dtype: Dtype) -> Any:
    """What changes nothing: 0 for sums, −inf for maxima."""
    if how == "add":
        return dtype.type(0).item()
    if how == "multiply":
        return dtype.type(1).item()
    if how in ("logical_and", "logical_or"):
        return how == "logical_and"
    if dtype.kind == "b":
        return how == "minimum"
    low, high = (
        (-np.inf, np.inf)
        if dtype.kind == "f"
        else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    )
    return low if how == "maximum" else high


def across(e: Emitter, k: Kind, dtype: Dtype, how: str, x: str) -> str:
    """All lanes of `x` combined."""
    one = Kind(k.element, 1)
    if k.width == 1:
        return x
    if dtype.kind == "f" and how in _FLOAT:
        name = f"@llvm.vector.reduce.{_FLOAT[how]}.{k.suffix}"
        e.declare(f"declare {one} {name}({one}, {k})")
        start = number(one, -0.0 if how == "add" else 1.0)
        return e.let(f"call reassoc {one} {name}({one} {start}, {k} {x})")
    if dtype.kind == "f":
        name = f"@llvm.vector.reduce.f{how}.{k.suffix}"
    elif dtype.kind == "b":
        both = how in ("logical_and", "minimum", "multiply")
        name = f"@llvm.vector.reduce.{'and' if both else 'or'}.{k.suffix}"
    elif how in _OTHER:
        name = f"@llvm.vector.reduce.{_OTHER[how]}.{k.suffix}"
    else:
        sign = "s" if dtype.kind == "i" else "u"
        name = f"@llvm.vector.reduce.{sign}{how[:3]}.{k.suffix}"
    e.declare(f"declare {one} {name}({k})")
    return e.let(f"call {one} {name}({k} {x})")


@functools.cache
def kind_of(dtype: Dtype, width: int) -> Kind:
    """The machine kind of `width` lanes of a dtype."""
    return Kind(element_of(Type((), dtype)), width)


def fold_how(node: Node) -> str:
    """How a fold combines."""
    fold = fold_of(node)
    assert fold is not None
    return fold.combine
