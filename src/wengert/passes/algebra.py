"""Algebraic simplification: a table of rules, each a function of one node.

A rule returns a node of the same type, or None. IEEE arithmetic would forbid some of
them: 0·x is taken as 0 also for an infinite x (the convention for structural zeros),
and x + 0 as x also for x = −0.
"""

from collections.abc import Callable

import numpy as np

from wengert.graph.edit import rebuild
from wengert.graph.graph import Graph, Node
from wengert.graph.symbols import as_symbol
from wengert.passes.match import (
    expression,
    filled,
    fits,
    in_place_of,
    is_number,
    is_op,
    same_type,
    value,
)

Rule = Callable[[Node], Node | None]


def simplify(graph: Graph) -> Graph:
    """Applies the rules from inputs to outputs, each node until none applies."""

    def visit(node: Node, moved: Node) -> Node | None:
        current = moved
        for _ in range(len(RULES)):
            for rule in RULES.get(current.op.name, ()):
                new = rule(current)
                if new is not None:
                    current = new
                    break
            else:
                break
        return current

    return rebuild(graph, visit)


# Arithmetic ----------------------------------------------------------------------------


def one_times(n: Node) -> Node | None:
    """1·x → x"""
    a, b = n.inputs
    if is_number(a, 1.0):
        return fits(b, n)
    return fits(a, n) if is_number(b, 1.0) else None


def zero_times(n: Node) -> Node | None:
    """0·x → 0"""
    a, b = n.inputs
    return filled(0.0, n) if is_number(a, 0.0) or is_number(b, 0.0) else None


def minus_one_times(n: Node) -> Node | None:
    """−1·x → −x"""
    a, b = n.inputs
    for factor, x in ((a, b), (b, a)):
        if is_number(factor, -1.0) and same_type(x, n):
            return in_place_of(-as_symbol(x), n)
    return None


def number_times_number(n: Node) -> Node | None:
    """c·(d·x) → (c·d)·x"""
    for c, inner in (n.inputs, n.inputs[::-1]):
        x = value(c)
        if x is None or np.ndim(x) or not is_op(inner, "multiply"):
            continue
        for d, rest in (inner.inputs, inner.inputs[::-1]):
            y = value(d)
            if y is not None and not np.ndim(y) and value(rest) is None:
                return in_place_of((x * y) * as_symbol(rest), n)
    return None


def plus_zero(n: Node) -> Node | None:
    """x + 0 → x"""
    a, b = n.inputs
    if is_number(a, 0.0):
        return fits(b, n)
    return fits(a, n) if is_number(b, 0.0) else None


def plus_negative(n: Node) -> Node | None:
    """x + (−y) → x − y"""
    a, b = n.inputs
    if is_op(b, "negative"):
        return in_place_of(as_symbol(a) - as_symbol(b.inputs[0]), n)
    if is_op(a, "negative"):
        return in_place_of(as_symbol(b) - as_symbol(a.inputs[0]), n)
    return None


def minus_zero(n: Node) -> Node | None:
    """x − 0 → x"""
    a, b = n.inputs
    return fits(a, n) if is_number(b, 0.0) else None


def minus_negative(n: Node) -> Node | None:
    """x − (−y) → x + y"""
    a, b = n.inputs
    if is_op(b, "negative"):
        return in_place_of(as_symbol(a) + as_symbol(b.inputs[0]), n)
    return None


def over_one(n: Node) -> Node | None:
    """x/1 → x"""
    a, b = n.inputs
    return fits(a, n) if is_number(b, 1.0) else None


def twice_negative(n: Node) -> Node | None:
    """−−x → x"""
    (x,) = n.inputs
    return x.inputs[0] if is_op(x, "negative") else None


def itself(n: Node) -> Node | None:
    """+x → x"""
    (x,) = n.inputs
    return x if same_type(x, n) else None


def power_of_number(n: Node) -> Node | None:
    """x**2 → square, x**0.5 → sqrt, x**1 → x, x**−1 → reciprocal (strength)"""
    a, b = n.inputs
    if a.dtype != n.dtype or a.shape != n.shape:
        return None
    x = as_symbol(a)
    forms = {2.0: np.square, 1.0: np.positive, 0.5: np.sqrt, -1.0: np.reciprocal}
    for exponent, form in forms.items():
        if is_number(b, exponent) and (exponent > 0 or a.dtype.kind in "fc"):
            return in_place_of(form(x), n)
    return filled(1.0, n) if is_number(b, 0.0) else None


def log_of_exp(n: Node) -> Node | None:
    """log(exp x) → x for real x"""
    (x,) = n.inputs
    return x.inputs[0] if is_op(x, "exp") and x.dtype.kind == "f" else None


# Layout --------------------------------------------------------------------------------


def same_shape(n: Node) -> Node | None:
    """reshape or broadcast to the shape that it has → x"""
    (x,) = n.inputs
    return x if same_type(x, n) else None


def reshape_of_reshape(n: Node) -> Node | None:
    """reshape(reshape(x)) → reshape(x)"""
    (x,) = n.inputs
    if not is_op(x, "reshape"):
        return None
    return in_place_of(np.reshape(as_symbol(x.inputs[0]), n.shape), n)


def transpose_of_transpose(n: Node) -> Node | None:
    """transpose(transpose(x)) → transpose(x), and → x if it undoes itself"""
    (x,) = n.inputs
    axes = n.params["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if not is_op(x, "transpose"):
        return None
    inner = x.params["axes"]
    return expression(
        np.transpose(as_symbol(x.inputs[0]), tuple(inner[i] for i in axes))
    )


def broadcast_of_broadcast(n: Node) -> Node | None:
    """broadcast(broadcast(x)) → broadcast(x)"""
    (x,) = n.inputs
    if not is_op(x, "broadcast_to"):
        return None
    return in_place_of(np.broadcast_to(as_symbol(x.inputs[0]), n.shape), n)


def flip_of_flip(n: Node) -> Node | None:
    """flip(flip(x)) → x over the same axes"""
    (x,) = n.inputs
    if is_op(x, "flip") and set(x.params["axis"]) == set(n.params["axis"]):
        return x.inputs[0]
    return None


def sum_of_broadcast(n: Node) -> Node | None:
    """sum over axes that a broadcast made → x times their length"""
    (x,) = n.inputs
    if not is_op(x, "broadcast_to") or n.dtype.kind not in "fc":
        return None
    source, axis = x.inputs[0], n.params["axis"]
    extra = len(x.shape) - len(source.shape)
    if not axis or max(axis) >= extra or n.params["keepdims"]:
        return None
    times = 1
    for i in axis:
        times *= x.shape[i]
    kept = tuple(s for i, s in enumerate(x.shape) if i not in axis)
    return in_place_of(np.broadcast_to(as_symbol(source), kept) * float(times), n)


def sum_over_nothing(n: Node) -> Node | None:
    """sum over no axes → x"""
    (x,) = n.inputs
    return x if not n.params["axis"] and same_type(x, n) else None


def where_of_number(n: Node) -> Node | None:
    """where(constant condition, a, b) → a or b; where(c, a, a) → a"""
    condition, a, b = n.inputs
    if a is b:
        return fits(a, n)
    x = value(condition)
    if x is None or not np.size(x):
        return None
    if np.all(x):
        return fits(a, n)
    return None if np.any(x) else fits(b, n)


def conversion_to_itself(n: Node) -> Node | None:
    """astype to the dtype that it has → x"""
    (x,) = n.inputs
    return x if same_type(x, n) and not x.type.weak else None


RULES: dict[str, tuple[Rule, ...]] = {
    "multiply": (zero_times, one_times, minus_one_times, number_times_number),
    "strong_product": (zero_times, one_times, minus_one_times),
    "add": (plus_zero, plus_negative),
    "subtract": (minus_zero, minus_negative),
    "divide": (over_one,),
    "negative": (twice_negative,),
    "positive": (itself,),
    "conjugate": (lambda n: n.inputs[0] if n.dtype.kind != "c" else None,),
    "power": (power_of_number,),
    "log": (log_of_exp,),
    "reshape": (same_shape, reshape_of_reshape),
    "transpose": (transpose_of_transpose,),
    "broadcast_to": (same_shape, broadcast_of_broadcast),
    "flip": (flip_of_flip,),
    "sum": (sum_over_nothing, sum_of_broadcast),
    "where": (where_of_number,),
    "astype": (conversion_to_itself,),
}
