"""Ufuncs by name, and those that depend on dtype or are composed of others."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array
from wengert.numpy.dispatch import (
    METHODS,
    canonical_axis,
    implements,
    operand,
    write_out,
)
from wengert.ops.elementwise import functions as ops
from wengert.ops.elementwise.record import UFUNCS


def named(f: np.ufunc) -> Callable[..., Any]:
    """`wengert.numpy`'s function of the ufunc's name."""

    def function(*args: Any, **kwargs: Any) -> Any:
        # NumPy's own finds the traced values; only lists of them it wouldn't see.
        return f(*map(operand, args[: f.nin]), *args[f.nin :], **kwargs)

    function.__name__ = f.__name__
    function.__qualname__ = f.__name__
    function.__doc__ = f"As `numpy.{f.__name__}`, differentiable."
    return function


NAMED = {f.__name__: named(f) for f in UFUNCS}


def _finish(y: Array, out: Any) -> Array:
    return y if out is None else write_out(out[0] if isinstance(out, tuple) else out, y)


# Ufuncs with two results -----------------------------------------------------------


def _pair(f: np.ufunc) -> Callable[..., Any]:
    """Enters a composed pair of results for the ufunc `f`, with NumPy's `out=`."""

    def decorate(ours: Callable[..., Any]) -> Callable[..., Any]:
        def function(*inputs: Any, **kwargs: Any) -> tuple[Array, ...]:
            out = (*inputs[f.nin :], *(kwargs.pop("out", None) or ()))
            if kwargs:
                raise TypeMismatch(
                    explain(
                        f"np.{f.__name__} of a traced value takes `out=` only.",
                        ", ".join(f"{k}=" for k in kwargs),
                        "np.where(mask, ...) on each result for where=, "
                        ".astype(...) on the argument for dtype=.",
                    )
                )
            results = ours(*(operand(x) for x in inputs[: f.nin]))
            into = (*out, *(None,) * (f.nout - len(out)))
            return tuple(_finish(y, o) for y, o in zip(results, into, strict=True))

        function.__name__ = f.__name__
        return implements(f)(function)

    return decorate


@_pair(np.divmod)
def divmod_(a: Array, b: Array) -> tuple[Array, Array]:
    return np.floor_divide(a, b), np.remainder(a, b)


@_pair(np.modf)
def modf(x: Array) -> tuple[Array, Array]:
    return bind(ops.FRACTION, x), np.trunc(x)


@_pair(np.frexp)
def frexp(x: Array) -> tuple[Array, Array]:
    exponent = bind(ops.FREXP_EXPONENT, x)
    return np.ldexp(x, -exponent), exponent


# Functions of one array that aren't ufuncs -------------------------------------------


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: Any = None) -> Array:
    return _finish(bind(ops.ROUND, operand(a), decimals=int(decimals)), out)


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Array:
    return _finish(np.trunc(operand(x)), out)


@implements(np.sinc)
def sinc(x: Any) -> Array:
    return bind(ops.SINC, operand(x), order=0)


@implements(np.i0)
def i0(x: Any) -> Array:
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    return bind(ops.BESSEL_I, x, order=0)


@implements(np.unwrap)
def unwrap(
    p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Array:
    p = operand(p)
    for name, value in (("period", period), ("discont", discont)):
        if isinstance(value, Tracer):
            raise TypeMismatch(
                explain(
                    f"unwrap differentiates by its array; `{name}` is a plain number.",
                    f"a traced {name}",
                    "divide the array by the period before, and multiply after.",
                )
            )
    axis = canonical_axis(axis, np.ndim(p))
    return bind(ops.UNWRAP, p, discont=discont, axis=axis, period=period)


# ufunc.outer -----------------------------------------------------------------------


def _outer(f: Callable[..., Any]) -> Callable[..., Any]:
    def outer(a: Any, b: Any, **kwargs: Any) -> Any:
        a, b = (
            x if isinstance(x, Tracer) else np.asarray(x) for x in map(operand, (a, b))
        )
        tall = np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b)))
        return f(tall, b, **kwargs)

    return outer


for _f in (*UFUNCS, np.divmod):
    if _f.nin == 2:
        METHODS[_f, "outer"] = _outer(_f)
