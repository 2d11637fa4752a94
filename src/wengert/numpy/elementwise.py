"""Ufuncs by name, and those that depend on dtype or are composed of others."""


from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Array
from wengert.numpy.dispatch import METHODS, array_ufunc, implements, operand
from wengert.ops.elementwise.record import UFUNCS


def named(f: np.ufunc) -> Callable[..., Any]:
    """`wengert.numpy`'s function of the ufunc's name."""

    def function(*args: Any, **kwargs: Any) -> Any:
        arrays = [operand(x) for x in args[: f.nin]]
        if any(isinstance(x, Tracer) for x in (*arrays, kwargs.get("out"))):
            return array_ufunc(None, f, "__call__", *arrays, *args[f.nin :], **kwargs)  # type: ignore[arg-type]
        return f(*arrays, *args[f.nin :], **kwargs)

    function.__name__ = f.__name__
    function.__qualname__ = f.__name__
    function.__doc__ = f"As `numpy.{f.__name__}`, differentiable."
    return function


NAMED = {f.__name__: named(f) for f in UFUNCS}


@implements(np.divmod)
def divmod_(a: Any, b: Any) -> tuple[Array, Array]:
    return np.floor_divide(a, b), np.remainder(a, b)


@implements(np.modf)
def modf(x: Any) -> tuple[Array, Array]:
    whole = np.trunc(x)
    return x - whole, whole


@implements(np.ldexp)
def ldexp(x: Any, exponent: Any) -> Array:
    return operand(x) * np.power(2.0, operand(exponent))


def _outer(f: np.ufunc) -> Callable[..., Any]:
    def outer(a: Any, b: Any, **kwargs: Any) -> Any:
        a, b = operand(a), operand(b)
        tall = np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b)))
        return f(tall, b, **kwargs)

    return outer


for _f in UFUNCS:
    if _f.nin == 2:
        METHODS[_f, "outer"] = _outer(_f)

