"""New arrays: of zeros, of a value, or of traced scalars."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Array
from wengert.numpy.dispatch import has_tracer, implements, operand


def _like(prototype: Any, value: Array) -> Array:
    """`value` as a constant that traced values can be written into."""
    return prototype.interp.lift(value) if isinstance(prototype, Tracer) else value


@implements(np.zeros_like)
def zeros_like(a: Any, dtype: Any = None, *args: Any, shape: Any = None, **kw: Any) -> Array:
    return _like(a, np.zeros(a.shape if shape is None else shape, dtype or a.dtype))


@implements(np.ones_like)
def ones_like(a: Any, dtype: Any = None, *args: Any, shape: Any = None, **kw: Any) -> Array:
    return _like(a, np.ones(a.shape if shape is None else shape, dtype or a.dtype))


@implements(np.empty_like)
def empty_like(
    prototype: Any, dtype: Any = None, *args: Any, shape: Any = None, **kw: Any
) -> Array:
    return zeros_like(prototype, dtype, shape=shape)


@implements(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, *args: Any, shape: Any = None, **kw: Any
) -> Array:
    made = zeros_like(a, dtype, shape=shape)
    if isinstance(a, Tracer):
        made[...] = fill_value
        return made
    return np.full_like(a, fill_value, dtype, *args, shape=shape, **kw)


def _with_like(f: Any) -> Any:
    def create(*args: Any, like: Any = None, **kwargs: Any) -> Array:
        return _like(like, f(*args, **kwargs))

    create.__name__ = f.__name__
    create.__doc__ = f"As `numpy.{f.__name__}`; `like=x` of a traced x can be written into."
    return create


CREATED = {
    f.__name__: implements(f)(_with_like(f))
    for f in (np.zeros, np.ones, np.empty, np.full, np.eye, np.identity, np.arange, np.tri)
}


@implements(np.array)
def array(object: Any, dtype: Any = None, *, like: Any = None, **kwargs: Any) -> Array:
    if isinstance(object, Tracer) or has_tracer(object):
        made = operand(object)
        return np.astype(made, dtype) if dtype is not None else np.positive(made)
    return _like(like, np.array(object, dtype, **kwargs))


@implements(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray)
def asarray(a: Any, dtype: Any = None, *args: Any, like: Any = None, **kwargs: Any) -> Array:
    if isinstance(a, Tracer) or has_tracer(a):
        made = operand(a)
        return np.astype(made, dtype) if dtype is not None else made
    return _like(like, np.asarray(a, dtype))


@implements(np.copy)
def copy(a: Any, *args: Any, **kwargs: Any) -> Array:
    return np.positive(operand(a))
