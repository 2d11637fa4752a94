"""Choosing by a condition: where, select, piecewise, clip; what a condition finds."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import TracedValueError
from wengert.core.types import Array, promoted, type_of
from wengert.numpy.dispatch import implements, operand, write_out
from wengert.numpy.indexing import concrete
from wengert.numpy.views import write
from wengert.ops.select import WHERE

_NONE = np._NoValue


def _condition(x: Any) -> Array:
    c = operand(x)
    if type(c) in (int, float, complex):
        return bool(c)
    return c if type(c) is bool or c.dtype.kind == "b" else c != 0


@implements(np.where)
def where(condition: Any, x: Any = _NONE, y: Any = _NONE, /) -> Any:
    if x is _NONE and y is _NONE:
        return nonzero(condition)
    if x is _NONE or y is _NONE:
        raise ValueError("either both or neither of x and y should be given")
    return bind(WHERE, _condition(condition), operand(x), operand(y))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    conditions, choices = list(condlist), [operand(c) for c in choicelist]
    if len(conditions) != len(choices):
        raise ValueError("list of cases must be same length as list of conditions")
    if not conditions:
        raise ValueError("select with an empty condition list is not possible")
    for i, c in enumerate(map(operand, conditions)):
        if type(c) is not bool and c.dtype.kind != "b":
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
    other = operand(default)
    dtype = promoted(tuple(type_of(x) for x in (*choices, other)))
    y = np.astype(np.asarray(other) if type(other) in _NUMBERS else other, dtype)
    for c, choice in zip(reversed(conditions), reversed(choices), strict=True):
        y = bind(WHERE, operand(c), choice, y)
    shape = np.broadcast_shapes(
        *(np.shape(operand(c)) for c in conditions), np.shape(y)
    )
    return np.broadcast_to(y, shape) if np.shape(y) != shape else y


_NUMBERS = (int, float, complex, bool)


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    """As `numpy.piecewise`, differentiable.

    Where conditions have no values yet (vmap, a graph from shapes alone), each function
    is called on all of `x` and its values are kept where its condition holds.
    """
    x = operand(x)
    conditions = _conditions(x, condlist)
    if len(conditions) == len(funclist) - 1:
        met = conditions[0]
        for c in conditions[1:]:
            met = np.logical_or(met, c)
        conditions.append(np.logical_not(met))
    if len(conditions) != len(funclist):
        n = len(conditions)
        raise ValueError(
            f"with {n} condition(s), either {n} or {n + 1} functions are expected"
        )
    y = np.zeros_like(x)
    for condition, f in zip(conditions, funclist, strict=True):
        y = _with_piece(y, x, condition, f, args, kw)
    return y


def _conditions(x: Array, condlist: Any) -> list[Array]:
    """One boolean array per condition; a single condition needs no list."""
    if isinstance(condlist, bool | np.bool_ | np.ndarray | Tracer):
        several = isinstance(condlist, np.ndarray | Tracer) and (
            np.ndim(condlist) > np.ndim(x)
        )
        condlist = list(condlist) if several else [condlist]
    elif np.ndim(x) and isinstance(condlist[0], bool | np.bool_):
        condlist = [condlist]
    return [np.astype(np.asarray(c) if not isinstance(c, Tracer) else c, bool)
            for c in map(operand, condlist)]  # fmt: skip


def _with_piece(
    y: Array, x: Array, condition: Array, f: Any, args: Any, kw: Any
) -> Array:
    if not callable(f):
        return np.astype(bind(WHERE, condition, operand(f), y), y.dtype)
    try:
        mask = np.asarray(concrete(condition, "nonzero")) if x.ndim else None
    except TracedValueError:
        mask = None
    if mask is None:
        return np.astype(bind(WHERE, condition, operand(f(x, *args, **kw)), y), y.dtype)
    picked = x[mask]
    if picked.size:
        y[mask] = f(picked, *args, **kw)
    return y


@implements(np.clip)
def clip(
    a: Any, a_min: Any = _NONE, a_max: Any = _NONE, out: Any = None, *,
    min: Any = _NONE, max: Any = _NONE, **kwargs: Any,
) -> Array:  # fmt: skip
    """As `numpy.clip`, differentiable.

    At a bound x has half of the slope and the bound the other half, as with
    np.minimum and np.maximum.
    """
    y = operand(a)
    for ufunc, bound, keyword in ((np.maximum, a_min, min), (np.minimum, a_max, max)):
        if bound is not _NONE and keyword is not _NONE:
            raise ValueError(
                "Passing `min` or `max` beside `a_min`, `a_max` is refused"
            )
        bound = keyword if bound is _NONE else bound
        if bound is not _NONE and bound is not None:
            y = ufunc(y, operand(bound))
    if kwargs:
        return np.positive(y, out=out, **kwargs)
    y = np.positive(y) if y is a else y
    return y if out is None else write_out(out, y)


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    y = operand(x)
    if y.dtype.kind == "c":
        parts = [nan_to_num(p, True, nan, posinf, neginf) for p in (y.real, y.imag)]
        new = parts[0] + 1j * parts[1]
    elif y.dtype.kind == "f":
        limits = np.finfo(y.dtype)
        top = limits.max if posinf is None else posinf
        bottom = limits.min if neginf is None else neginf
        new = np.where(np.isnan(y), nan, y)
        new = np.where(np.isposinf(y), top, np.where(np.isneginf(y), bottom, new))
        new = np.astype(new, y.dtype)
    else:
        new = np.positive(y) if y.dtype.kind != "b" else y
    return new if copy else write(y, new)


# What a condition finds: places, so without a derivative ------------------------------


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[Array, ...]:
    """As `numpy.nonzero`; the values must be known, for they decide the shape."""
    return np.nonzero(np.asarray(concrete(operand(a), "nonzero")))


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Array:
    return nonzero(np.ravel(operand(a)))[0]


@implements(np.argwhere)
def argwhere(a: Any) -> Array:
    return np.argwhere(concrete(operand(a), "nonzero"))


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Array:
    y = operand(x) == np.inf
    return y if out is None else write_out(out, y)


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Array:
    y = operand(x) == -np.inf
    return y if out is None else write_out(out, y)


@implements(np.isclose)
def isclose(
    a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> Array:
    x, y = operand(a), operand(b)
    near = np.abs(x - y) <= atol + rtol * np.abs(y)
    result = np.logical_or(np.logical_and(near, np.isfinite(y)), x == y)
    if equal_nan:
        result = np.logical_or(result, np.logical_and(np.isnan(x), np.isnan(y)))
    return result


@implements(np.allclose)
def allclose(
    a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> bool:
    return bool(np.all(isclose(a, b, rtol, atol, equal_nan)))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    x, y = operand(a1), operand(a2)
    if np.shape(x) != np.shape(y):
        return False
    same = x == y
    if equal_nan:
        same = np.logical_or(same, np.logical_and(np.isnan(x), np.isnan(y)))
    return bool(np.all(same))


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> bool:
    x, y = operand(a1), operand(a2)
    try:
        np.broadcast_shapes(np.shape(x), np.shape(y))
    except ValueError:
        return False
    return bool(np.all(x == y))
