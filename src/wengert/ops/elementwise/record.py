"""How one row of an elementwise table becomes an Op."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.op import Derivative, Op, Partials, Rule, Zero, register
from wengert.ops import batching, inference

UFUNCS: dict[np.ufunc, Op] = {}


def ufunc(
    f: np.ufunc,
    *partials: Rule | int | None,
    bounded: bool = False,
    evaluate: Callable[..., Any] | None = None,
) -> Op:
    """An op for the ufunc `f`, from its partial derivatives (1, -1; None for zero)."""
    return _enter(f, Partials(*partials, bounded=bounded), evaluate)


def constant(f: np.ufunc) -> Op:
    """An op for a ufunc whose derivative is zero wherever it exists."""
    return _enter(f, Zero("piecewise constant"), None)


def function(
    name: str,
    like: np.ufunc,
    evaluate: Callable[..., Any],
    *partials: Rule | int | None,
    bounded: bool = False,
) -> Op:
    """An elementwise op that isn't a ufunc, with the dtypes of the ufunc `like`."""
    return register(
        Op(
            name=name,
            evaluate=evaluate,
            type_of=inference.elementwise(like),
            derivative=Partials(*partials, bounded=bounded),
            batch=batching.elementwise,
        )
    )


def _enter(
    f: np.ufunc, derivative: Derivative, evaluate: Callable[..., Any] | None
) -> Op:
    op = Op(
        name=f.__name__,
        evaluate=evaluate or f,
        type_of=inference.elementwise(f),
        derivative=derivative,
        batch=batching.elementwise,
    )
    UFUNCS[f] = register(op)
    return op
