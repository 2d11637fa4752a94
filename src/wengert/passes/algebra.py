"""Algebraic simplification: `simplify` and its rules for arithmetic.

A rule is a function of one node that returns a node of the same type, or None. IEEE
arithmetic would forbid some of them: 0·x and x − x are taken as 0 also for an infinite
x (the convention for structural zeros), and x + 0 as x also for x = −0.
docs/passes.md says which.
"""

import functools
import math
from collections.abc import Collection
from typing import Any

import numpy as np

from wengert.graph.graph import Graph, Node, constant
from wengert.passes import layout, selection, systems
from wengert.passes.match import (
    argument,
    call,
    either,
    filled,
    fits,
    is_number,
    is_op,
    is_real,
    negated,
    number,
    same_type,
    value,
)
from wengert.passes.rewrite import Rules, RuleVisit, Uses, among, rewrite, together

# Elements of a constant that is worth a second copy with the other sign.
_SMALL = 4096


def simplify(graph: Graph, without: Collection[str] = ()) -> Graph:
    """Applies the rules from inputs to outputs, each node until none applies.

    Args:
        graph: the graph.
        without: names of rules to leave out.
    """
    visit = _visit(frozenset(without))
    return rewrite(graph, visit, visit.rows)


@functools.lru_cache(maxsize=16)
def _visit(without: frozenset[str]) -> RuleVisit:
    return RuleVisit(RULES, without)


# Products and quotients ---------------------------------------------------------------


@among("constant", "broadcast_to")
def one_times(n: Node, uses: Uses) -> Node | None:
    """1·x → x"""
    for factor, x in either(n):
        if is_number(factor, 1.0):
            return fits(x, n)
    return None


@among("constant", "broadcast_to")
def zero_times(n: Node, uses: Uses) -> Node | None:
    """0·x → 0"""
    return filled(0.0, n) if any(is_number(i, 0.0) for i in n.inputs) else None


@among("constant", "broadcast_to")
def minus_one_times(n: Node, uses: Uses) -> Node | None:
    """−1·x → −x"""
    for factor, x in either(n):
        if is_number(factor, -1.0) and same_type(x, n):
            return negated(x, n)
    return None


@among("negative")
def negative_times(n: Node, uses: Uses) -> Node | None:
    """(−x)·(−y) → x·y;  c·(−x) → (−c)·x"""
    for a, b in either(n):
        x = argument(b, "negative")
        if x is None or not same_type(x, b):
            continue
        y = argument(a, "negative")
        if y is not None:
            return call(n.op.name, n, y, x)
        if _is_factor(a):
            return call(n.op.name, n, negated(a, n), x)
    return None


def _is_factor(c: Node) -> bool:
    """Whether a node is a constant whose sign may be changed, and small enough to."""
    known = value(c) is not None
    return known and c.type.size <= _SMALL and c.dtype.kind in "fc"


@among("multiply")
def number_times_number(n: Node, uses: Uses) -> Node | None:
    """c·(d·x) → (c·d)·x, unless c·d over- or underflows"""
    for c, inner in either(n):
        if not is_op(inner, "multiply") or value(c) is None or c.shape:
            continue
        for d, x in either(inner):
            if value(d) is None or d.shape or value(x) is not None:
                continue
            product = _product(value(c), value(d), n.dtype)
            if product is not None:
                return call("multiply", n, product, x)
    return None


def _product(c: Any, d: Any, dtype: np.dtype[Any]) -> Node | None:
    with np.errstate(all="ignore"):
        product = constant(c * d)
        x = np.asarray(product.params["value"]).astype(dtype)
    if dtype.kind not in "fc":
        return product
    size = abs(complex(x))
    normal = math.isfinite(size) and size >= np.finfo(dtype).tiny
    return product if normal or c == 0 or d == 0 else None


@among("reciprocal", "divide")
def times_reciprocal(n: Node, uses: Uses) -> Node | None:
    """x·(1/y) → x/y, where nothing else needs 1/y"""
    if not is_real(n):
        return None
    for x, inverse in either(n):
        if not uses.once(inverse):
            continue
        if is_op(inverse, "reciprocal"):
            return call("divide", n, x, inverse.inputs[0])
        if is_op(inverse, "divide") and is_number(inverse.inputs[0], 1.0):
            return call("divide", n, x, inverse.inputs[1])
    return None


def times_itself(n: Node, uses: Uses) -> Node | None:
    """x·x → square(x)"""
    a, b = n.inputs
    return call("square", n, a) if a is b and a.dtype.kind in "fc" else None


@among("constant", "broadcast_to")
def over_one(n: Node, uses: Uses) -> Node | None:
    """x/1 → x"""
    a, b = n.inputs
    return fits(a, n) if is_number(b, 1.0) else None


@among("negative")
def negative_over_negative(n: Node, uses: Uses) -> Node | None:
    """(−x)/(−y) → x/y"""
    a, b = n.inputs
    x, y = argument(a, "negative"), argument(b, "negative")
    return call("divide", n, x, y) if x is not None and y is not None else None


@among("negative")
def share_of_negative(n: Node, uses: Uses) -> Node | None:
    """the logistic function of −x: share(−x, 0) → share(0, x), and the other way"""
    a, b = n.inputs
    x, y = argument(a, "negative"), argument(b, "negative")
    if x is not None and is_number(b, 0.0):
        return call("share", n, 0.0, x)
    if y is not None and is_number(a, 0.0):
        return call("share", n, y, 0.0)
    return None


# Sums and differences -----------------------------------------------------------------


@among("constant", "broadcast_to")
def plus_zero(n: Node, uses: Uses) -> Node | None:
    """x + 0 → x, unless x is a root: √−0 is −0, and the slope of √ divides by √x + 0"""
    for zero, x in either(n):
        if is_number(zero, 0.0) and not is_op(x, "sqrt"):
            return fits(x, n)
    return None


@among("negative")
def plus_negative(n: Node, uses: Uses) -> Node | None:
    """x + (−y) → x − y"""
    for x, b in either(n):
        y = argument(b, "negative")
        if y is not None:
            return call("subtract", n, x, y)
    return None


@among("constant", "broadcast_to")
def minus_zero(n: Node, uses: Uses) -> Node | None:
    """x − 0 → x"""
    a, b = n.inputs
    return fits(a, n) if is_number(b, 0.0) else None


@among("constant", "broadcast_to")
def zero_minus(n: Node, uses: Uses) -> Node | None:
    """0 − x → −x"""
    a, b = n.inputs
    return negated(b, n) if is_number(a, 0.0) and same_type(b, n) else None


@among("negative")
def minus_negative(n: Node, uses: Uses) -> Node | None:
    """x − (−y) → x + y"""
    a, b = n.inputs
    y = argument(b, "negative")
    return call("add", n, a, y) if y is not None else None


def minus_itself(n: Node, uses: Uses) -> Node | None:
    """x − x → 0"""
    a, b = n.inputs
    return filled(0.0, n) if a is b and n.dtype.kind in "iufc" else None


@among("negative")
def twice_negative(n: Node, uses: Uses) -> Node | None:
    """−−x → x"""
    return argument(n.inputs[0], "negative")


@among("subtract")
def negative_of_difference(n: Node, uses: Uses) -> Node | None:
    """−(x − y) → y − x, where nothing else needs x − y"""
    (d,) = n.inputs
    if not is_op(d, "subtract") or not uses.once(d):
        return None
    return call("subtract", n, d.inputs[1], d.inputs[0])


@among("multiply")
def negative_of_multiple(n: Node, uses: Uses) -> Node | None:
    """−(c·x) → (−c)·x, where nothing else needs c·x"""
    (p,) = n.inputs
    if not is_op(p, "multiply") or not uses.once(p):
        return None
    for c, x in either(p):
        if _is_factor(c):
            return call("multiply", n, negated(c, n), x)
    return None


# Functions ----------------------------------------------------------------------------


def nothing_done(n: Node, uses: Uses) -> Node | None:
    """+x → x; the conjugate or the real part of a real x → x"""
    (x,) = n.inputs
    return x if is_op(n, "positive") or x.dtype.kind != "c" else None


@among("negative", "absolute")
def even_of_negative(n: Node, uses: Uses) -> Node | None:
    """|−x| → |x|, and so for square, cos and cosh; |x|² → x² for a real x"""
    (x,) = n.inputs
    inner = argument(x, "negative")
    if inner is None and is_op(n, "square") and is_real(x):
        inner = argument(x, "absolute")
    return call(n.op.name, n, inner) if inner is not None else None


@among("square")
def root_of_square(n: Node, uses: Uses) -> Node | None:
    """√(x²) → |x| for a real x; also where x² over- or underflows"""
    (x,) = n.inputs
    inner = argument(x, "square")
    return call("absolute", n, inner) if inner is not None and is_real(n) else None


@among("constant", "broadcast_to")
def power_of_number(n: Node, uses: Uses) -> Node | None:
    """x**2 → square, x**0.5 → sqrt, x**1 → x, x**−1 → reciprocal, x**0 → 1"""
    a, b = n.inputs
    exponent = number(b)
    if exponent is None or not same_type(a, n):
        return None
    if exponent == 0:
        return filled(1.0, n)
    if exponent == 1:
        return a
    if exponent == 2:
        return call("square", n, a)
    if exponent == 0.5 and is_real(n):
        return call("sqrt", n, a)
    return call("reciprocal", n, a) if exponent == -1 and is_real(n) else None


def of_two_equals(n: Node, uses: Uses) -> Node | None:
    """max(x, x) → x, min(x, x) → x"""
    a, b = n.inputs
    return a if a is b else None


def conversion_to_itself(n: Node, uses: Uses) -> Node | None:
    """astype to the dtype that it has → x"""
    (x,) = n.inputs
    return x if same_type(x, n) and not x.type.weak else None


_EVEN = (even_of_negative,)
_EXTREME = (of_two_equals,)
ARITHMETIC: Rules = {
    "multiply": (
        zero_times, one_times, minus_one_times, negative_times, number_times_number,
        times_reciprocal, times_itself,
    ),
    "strong_product": (zero_times, one_times, minus_one_times, negative_times),
    "add": (plus_zero, plus_negative),
    "subtract": (minus_zero, zero_minus, minus_negative, minus_itself),
    "divide": (over_one, negative_over_negative),
    "share": (share_of_negative,),
    "negative": (twice_negative, negative_of_difference, negative_of_multiple),
    "positive": (nothing_done,),
    "conjugate": (nothing_done,),
    "real": (nothing_done,),
    "absolute": _EVEN,
    "square": _EVEN,
    "cos": _EVEN,
    "cosh": _EVEN,
    "sqrt": (root_of_square,),
    "power": (power_of_number,),
    "maximum": _EXTREME,
    "minimum": _EXTREME,
    "astype": (conversion_to_itself,),
}  # fmt: skip

RULES: Rules = together([ARITHMETIC, layout.RULES, selection.RULES, systems.RULES])
