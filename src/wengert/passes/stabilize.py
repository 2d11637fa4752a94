"""Numerical stabilisation: formulas that lose digits become ones that keep them.

The list is PyTensor's (its `tensor/rewriting/math.py`), with what the table `RULES`
says more. All rules are for real floats. Stabilise before differentiating: the
gradient of a good formula is good, that of a bad one has to be guessed at.
"""

import functools
from collections.abc import Collection

from wengert.graph.graph import Graph, Node
from wengert.passes import logarithms
from wengert.passes.match import (
    argument,
    call,
    either,
    is_number,
    is_op,
    is_real,
    same_type,
)
from wengert.passes.rewrite import Rules, RuleVisit, Uses, among, rewrite, together


def stabilize(graph: Graph, without: Collection[str] = ()) -> Graph:
    """Replaces formulas that overflow, underflow or cancel by stable ones.

    Args:
        graph: the graph.
        without: names of rules to leave out.
    """
    visit = _visit(frozenset(without))
    return rewrite(graph, visit, visit.rows)


@functools.lru_cache(maxsize=16)
def _visit(without: frozenset[str]) -> RuleVisit:
    return RuleVisit(RULES, without)


# The logistic function ----------------------------------------------------------------


def sigmoid(n: Node, uses: Uses) -> Node | None:
    """1/(1 + exp(−x)) → eˣ/(eˣ + e⁰) without its infinities; exp(x)/(1 + exp(x)) too"""
    if is_op(n, "share"):
        return None
    found = logarithms.sigmoid_of(n)
    if found is None:
        return None
    x, sign = found
    return call("share", n, x, 0.0) if sign > 0 else call("share", n, 0.0, x)


@among("constant", "broadcast_to")
def one_minus_sigmoid(n: Node, uses: Uses) -> Node | None:
    """1 − sigmoid(x) → sigmoid(−x)"""
    one, s = n.inputs
    found = logarithms.sigmoid_of(s) if is_number(one, 1.0) else None
    if found is None or not same_type(s, n):
        return None
    x, sign = found
    return call("share", n, 0.0, x) if sign > 0 else call("share", n, x, 0.0)


# Differences that cancel --------------------------------------------------------------


@among("constant", "broadcast_to")
def exp_minus_one(n: Node, uses: Uses) -> Node | None:
    """exp(x) − 1 → expm1(x);  1 − exp(x) → −expm1(x)"""
    if not is_real(n):
        return None
    if is_op(n, "add"):
        for one, e in either(n):
            if is_number(one, -1.0) and is_op(e, "exp") and same_type(e, n):
                return call("expm1", n, e.inputs[0])
        return None
    a, b = n.inputs
    if is_number(b, 1.0) and is_op(a, "exp") and same_type(a, n):
        return call("expm1", n, a.inputs[0])
    if is_number(a, 1.0) and is_op(b, "exp") and same_type(b, n):
        return call("negative", n, call("expm1", n, b.inputs[0]))
    return None


def _one_minus_square(n: Node, name: str) -> Node | None:
    """x, if the node is 1 − name(x)²."""
    one, s = n.inputs
    if not is_number(one, 1.0) or not is_real(n) or not same_type(s, n):
        return None
    inner = logarithms.squared(s)
    return argument(inner, name) if inner is not None else None


@among("constant", "broadcast_to")
def one_minus_tanh(n: Node, uses: Uses) -> Node | None:
    """1 − tanh(x)² → 1/cosh(x)², which is there as one operation"""
    x = _one_minus_square(n, "tanh")
    return call("sech_squared", n, x) if x is not None else None


@among("constant", "broadcast_to")
def one_minus_cos(n: Node, uses: Uses) -> Node | None:
    """1 − cos(x)² → sin(x)²"""
    x = _one_minus_square(n, "cos")
    return call("square", n, call("sin", n, x)) if x is not None else None


@among("constant", "broadcast_to")
def one_minus_sin(n: Node, uses: Uses) -> Node | None:
    """1 − sin(x)² → cos(x)²"""
    x = _one_minus_square(n, "sin")
    return call("square", n, call("cos", n, x)) if x is not None else None


# Lengths ------------------------------------------------------------------------------


@among("add")
def length_of_two(n: Node, uses: Uses) -> Node | None:
    """√(x² + y²) → hypot(x, y);  √(1 + x²) → hypot(1, x)"""
    (total,) = n.inputs
    if not is_op(total, "add") or not is_real(n):
        return None
    for a, b in either(total):
        x, y = logarithms.squared(a), logarithms.squared(b)
        if y is None:
            continue
        if x is not None:
            return call("hypot", n, x, y)
        if is_number(a, 1.0):
            return call("hypot", n, 1.0, y)
    return None


@among("sum")
def length_of_many(n: Node, uses: Uses) -> Node | None:
    """√Σx² → vector_norm(x)"""
    (total,) = n.inputs
    if not is_op(total, "sum") or not is_real(n) or not total.params["axis"]:
        return None
    x = logarithms.squared(total.inputs[0])
    return call("vector_norm", n, x, ord=2, **total.params) if x is not None else None


# Zero meets infinity ------------------------------------------------------------------


@among("where")
def times_choice(n: Node, uses: Uses) -> Node | None:
    """x·where(c, 0, y) → where(c, 0, x·y), where nothing else needs the choice"""
    for x, choice in either(n):
        if not is_op(choice, "where") or not uses.once(choice) or x is choice:
            continue
        condition, a, b = choice.inputs
        if is_number(a, 0.0):
            return call("where", n, condition, 0.0, call("multiply", n, x, b))
        if is_number(b, 0.0):
            return call("where", n, condition, call("multiply", n, x, a), 0.0)
    return None


# Softmax ------------------------------------------------------------------------------


@among("exp")
def softmax(n: Node, uses: Uses) -> Node | None:
    """exp(x)/Σexp(x) → the same with the largest x subtracted"""
    found = logarithms.softmax_of(n)
    if found is None or not is_real(n):
        return None
    x, axis = found
    if logarithms.is_shifted(x):
        return None
    e = call("exp", n, logarithms.shifted(x, axis, n))
    return call("divide", n, e, call("sum", n, e, axis=axis, keepdims=True))


OWN: Rules = {
    "divide": (sigmoid, softmax),
    "reciprocal": (sigmoid,),
    "subtract": (
        one_minus_sigmoid, exp_minus_one, one_minus_tanh, one_minus_cos, one_minus_sin,
    ),
    "add": (exp_minus_one,),
    "sqrt": (length_of_two, length_of_many),
    "multiply": (times_choice,),
}  # fmt: skip

RULES: Rules = together([OWN, logarithms.RULES])
