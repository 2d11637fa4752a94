"""Stabilisation of logarithms: of sums of exponentials, of 1 ± x, of products."""

import math

import numpy as np

from wengert.graph.graph import Node, constant
from wengert.passes.match import (
    argument,
    call,
    either,
    is_number,
    is_op,
    is_real,
    negated,
    number,
    reduced,
    same_type,
    unreshaped,
    value,
)
from wengert.passes.rewrite import Rules, Uses, among

# Terms of log(exp a + exp b + …) that are looked for.
_TERMS = 16

# Operations whose result is never negative.
_NOT_NEGATIVE = (
    "exp", "exp2", "absolute", "fabs", "square", "sqrt", "cosh", "share", "share2",
    "sech_squared", "lorentzian", "hypot", "vector_norm",
)  # fmt: skip


# Recognising --------------------------------------------------------------------------


def one_plus(n: Node) -> Node | None:
    """x, if the node is 1 + x of real floats."""
    if not is_op(n, "add") or not is_real(n):
        return None
    for one, x in either(n):
        if is_number(one, 1.0) and same_type(x, n):
            return x
    return None


def squared(n: Node) -> Node | None:
    """x, if the node is x²."""
    if is_op(n, "multiply") and n.inputs[0] is n.inputs[1]:
        return n.inputs[0]
    if is_op(n, "power") and is_number(n.inputs[1], 2.0):
        return n.inputs[0] if same_type(n.inputs[0], n) else None
    return argument(n, "square")


def sigmoid_of(n: Node) -> tuple[Node, int] | None:
    """(x, s), if the node is the logistic function of s·x, s = ±1."""
    if not is_real(n):
        return None
    if is_op(n, "share"):
        a, b = n.inputs
        if is_number(b, 0.0) and same_type(a, n):
            return a, 1
        return (b, -1) if is_number(a, 0.0) and same_type(b, n) else None
    if is_op(n, "reciprocal"):
        above, below = None, n.inputs[0]
    elif is_op(n, "divide"):
        above, below = n.inputs
    else:
        return None
    e = one_plus(below)
    z = argument(e, "exp") if e is not None and same_type(e, n) else None
    if z is None:
        return None
    if above is e:
        return z, 1
    if above is not None and not is_number(above, 1.0):
        return None
    x = argument(z, "negative")
    return (x, 1) if x is not None else (z, -1)


def softmax_of(n: Node) -> tuple[Node, tuple[int, ...]] | None:
    """(x, axes), if the node is exp(x)/Σexp(x), the sum with its axes in place."""
    if not is_op(n, "divide") or not is_op(n.inputs[0], "exp") or not n.type.size:
        return None
    e, below = n.inputs
    total = unreshaped(below)
    if not is_op(total, "sum") or total.inputs[0] is not e:
        return None
    axis = total.params["axis"]
    if below.shape != reduced(e.shape, axis) and below.shape:
        return None
    if not below.shape and len(axis) != len(e.shape):
        return None
    return e.inputs[0], axis


def is_shifted(x: Node) -> bool:
    """Whether x is a difference from its maximum, or from what serves as one."""
    if not is_op(x, "subtract"):
        return False
    return is_op(unreshaped(x.inputs[1]), "max", "stop_gradient", "logsumexp", "where")


def shifted(x: Node, axis: tuple[int, ...], at: Node) -> Node:
    """x less its maximum along the axes.

    What is computed of it doesn't depend on the maximum, so no derivative has to.
    """
    top = call("max", at, x, axis=axis, keepdims=True)
    return call("subtract", at, x, call("stop_gradient", at, top))


def is_not_negative(n: Node) -> bool:
    """Whether all elements are ≥ 0, or nan, whatever the inputs are."""
    x = value(n)
    if not is_real(n):
        return False
    if x is not None:
        return not np.any(np.asarray(x) < 0)
    return is_op(n, *_NOT_NEGATIVE) or softmax_of(n) is not None


# Logarithms of exponentials -----------------------------------------------------------


@among("exp")
def log_of_exp(n: Node, uses: Uses) -> Node | None:
    """log(exp x) → x"""
    x = argument(n.inputs[0], "exp")
    return x if x is not None and is_real(n) else None


@among("share", "reciprocal", "divide")
def log_sigmoid(n: Node, uses: Uses) -> Node | None:
    """log(sigmoid(x)) → −log(1 + exp(−x)) as −logaddexp(0, −x)"""
    found = sigmoid_of(n.inputs[0])
    if found is None:
        return None
    x, sign = found
    z = negated(x, n) if sign > 0 else x
    return call("negative", n, call("logaddexp", n, 0.0, z))


def softplus(n: Node, uses: Uses) -> Node | None:
    """log(1 + exp(x)) → logaddexp(0, x)"""
    (t,) = n.inputs
    e = t if is_op(n, "log1p") else one_plus(t)
    x = argument(e, "exp") if e is not None else None
    return call("logaddexp", n, 0.0, x) if x is not None and is_real(n) else None


@among("add")
def log_add_exp(n: Node, uses: Uses) -> Node | None:
    """log(exp a + exp b + …) → logaddexp(a, logaddexp(b, …))"""
    if not is_op(n.inputs[0], "add") or not is_real(n):
        return None
    terms: list[Node] = []
    pending = [n.inputs[0]]
    while pending:
        t = pending.pop()
        if is_op(t, "exp"):
            terms.append(t.inputs[0])
        elif is_op(t, "add") and len(terms) + len(pending) < _TERMS:
            pending.extend(t.inputs)
        elif is_number(t, 1.0):
            terms.append(constant(0.0))
        else:
            return None
    total = terms[0]
    for t in terms[1:]:
        total = call("logaddexp", n, total, t)
    return total


@among("sum")
def log_sum_exp(n: Node, uses: Uses) -> Node | None:
    """log Σ exp(x) → logsumexp(x)"""
    (total,) = n.inputs
    if not is_op(total, "sum") or not is_real(n):
        return None
    x = argument(total.inputs[0], "exp")
    return call("logsumexp", n, x, **total.params) if x is not None else None


@among("divide")
def log_mean_exp(n: Node, uses: Uses) -> Node | None:
    """log(Σ exp(x) / c) → logsumexp(x) − log c, for a number c > 0"""
    (mean,) = n.inputs
    if not is_op(mean, "divide") or not is_op(mean.inputs[0], "sum") or not is_real(n):
        return None
    total, c = mean.inputs
    x, count = argument(total.inputs[0], "exp"), number(c)
    if x is None or count is None or count <= 0 or not same_type(total, n):
        return None
    whole = call("logsumexp", n, x, **total.params)
    return call("subtract", n, whole, math.log(count))


@among("divide")
def log_softmax(n: Node, uses: Uses) -> Node | None:
    """log(exp(x)/Σexp(x)) → z − logsumexp(z), z = x − max(x)

    Without the shift the largest results, which are near 0, would be differences of
    two large numbers.
    """
    found = softmax_of(n.inputs[0])
    if found is None or not is_real(n):
        return None
    x, axis = found
    z = x if is_shifted(x) else shifted(x, axis, n)
    return call("subtract", n, z, call("logsumexp", n, z, axis=axis, keepdims=True))


@among("logsumexp")
def restored_log_sum(n: Node, uses: Uses) -> Node | None:
    """m + logsumexp(x − m) → logsumexp(x), for m equal along the axes"""
    for m, total in either(n):
        if not is_op(total, "logsumexp") or not same_type(total, n):
            continue
        z = total.inputs[0]
        x = _unshifted(z, total.params["axis"])
        if x is None or m.type.size != total.type.size:
            continue
        shift = z.inputs[1]
        if shift.type.size == m.type.size and _same_value(shift, m):
            return call("logsumexp", n, x, **total.params)
    return None


def _unshifted(z: Node, axis: tuple[int, ...]) -> Node | None:
    """x, if z is x − m with one m for all elements along the axes."""
    if not is_op(z, "subtract") or not same_type(z.inputs[0], z):
        return None
    x, m = z.inputs
    full = (*(1,) * (len(x.shape) - len(m.shape)), *m.shape)
    return x if all(full[a] == 1 for a in axis) else None


def _same_value(a: Node, b: Node) -> bool:
    a, b = unreshaped(a), unreshaped(b)
    a, b = (argument(i, "stop_gradient") or i for i in (a, b))
    if a is b:
        return True
    # The maximum may have been written twice, with its axes kept and without.
    same = is_op(a, "max") and is_op(b, "max") and a.inputs == b.inputs
    return same and bool(a.params["axis"] == b.params["axis"])


# Logarithms of 1 ± something ----------------------------------------------------------


def log_one_plus(n: Node, uses: Uses) -> Node | None:
    """log(1 + x) → log1p(x);  log(1 − x) → log1p(−x)"""
    (t,) = n.inputs
    if not is_real(n):
        return None
    x = one_plus(t)
    if x is not None:
        return call("log1p", n, x)
    if is_op(t, "subtract") and is_number(t.inputs[0], 1.0):
        x = t.inputs[1]
        return call("log1p", n, negated(x, n)) if same_type(x, n) else None
    return None


def log_one_minus_exp(n: Node, uses: Uses) -> Node | None:
    """log(1 − exp(x)) → log(−expm1(x)) for x > −log 2, else log1p(−exp(x))

    Source: M. Mächler, Accurately Computing log(1 − exp(−|a|)), 2012.
    """
    x = _one_minus_exp(n)
    if x is None or not is_real(n) or _is_guarded(x):
        return None
    near = call("greater", n, x, -math.log(2.0))
    # Each formula gets an argument that it is good for, so that the slope of the one
    # that isn't taken is finite.
    small = call("where", n, near, x, -1.0)
    large = call("where", n, near, -1.0, x)
    a = call("log", n, call("negative", n, call("expm1", n, small)))
    b = call("log1p", n, call("negative", n, call("exp", n, large)))
    return call("where", n, near, a, b)


def _one_minus_exp(n: Node) -> Node | None:
    """x, if the node is the logarithm of 1 − exp(x) in one of its ways of writing."""
    (t,) = n.inputs
    minus = argument(t, "negative")
    if is_op(n, "log1p"):
        return argument(minus, "exp") if minus is not None else None
    if minus is not None:
        return argument(minus, "expm1")
    if (
        is_op(t, "subtract")
        and is_number(t.inputs[0], 1.0)
        and same_type(t.inputs[1], t)
    ):
        return argument(t.inputs[1], "exp")
    return None


def _is_guarded(x: Node) -> bool:
    """Whether x is an argument that this rule made."""
    return (
        is_op(x, "where")
        and is_op(x.inputs[0], "greater")
        and any(is_number(i, -1.0) for i in x.inputs[1:])
    )


# Logarithms of products ---------------------------------------------------------------


@among("prod")
def log_of_product(n: Node, uses: Uses) -> Node | None:
    """log Πx → Σ log x, for x that can't be negative"""
    (product,) = n.inputs
    if not is_op(product, "prod") or not is_real(n):
        return None
    (x,) = product.inputs
    if not is_not_negative(x) or x.dtype != n.dtype:
        return None
    inner = argument(x, "exp")
    logs = inner if inner is not None else call("log", n, x)
    return call("sum", n, logs, **product.params)


RULES: Rules = {
    "log": (
        log_of_exp, log_sigmoid, softplus, log_add_exp, log_sum_exp, log_mean_exp,
        log_softmax, log_one_minus_exp, log_one_plus, log_of_product,
    ),
    "log1p": (softplus, log_one_minus_exp),
    "add": (restored_log_sum,),
}  # fmt: skip
