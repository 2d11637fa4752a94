"""New arrays: of zeros, of a value, of evenly spaced numbers, of traced scalars."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, bottom, known
from wengert.core.pending import Pending, computed
from wengert.core.types import Array, Type, promoted, type_of
from wengert.numpy.dispatch import canonical_axis, has_tracer, implements, operand
from wengert.ops.convert import ASTYPE


def _like(prototype: Any, value: Array) -> Array:
    """`value` as a constant that traced values can be written into."""
    if not isinstance(prototype, Tracer):
        return value
    if value.ndim:
        return prototype.interp.lift(value)
    # An array without axes, which writes go into, and not a number: a view of one.
    return np.reshape(prototype.interp.lift(value.reshape(1)), ())


def _copied(x: Array) -> Array:
    return bind(ASTYPE, x, dtype=x.dtype) if isinstance(x, Tracer) else np.array(x)


# As another array -------------------------------------------------------------------


def _filled_like(f: Any) -> Any:
    def create(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True,
        shape: Any = None, *, device: Any = None,
    ) -> Array:  # fmt: skip
        model = _model(operand(a))
        return _like(a, f(model, dtype, order, subok, shape, device=device))

    return create


def _model(x: Array) -> Array:
    """An array with the shape, the dtype and, if known, the memory order of `x`."""
    value = bottom(x)
    if type(value) is not Pending or not value.in_order():
        value = computed(value)
        if np.shape(value) == np.shape(x) and value is not None:
            return value
    return np.broadcast_to(np.zeros((), x.dtype), x.shape)


zeros_like = implements(np.zeros_like)(_filled_like(np.zeros_like))
ones_like = implements(np.ones_like)(_filled_like(np.ones_like))
# What isn't initialised is zero: its derivative is then zero too, not random.
empty_like = implements(np.empty_like)(_filled_like(np.zeros_like))


@implements(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Array:  # fmt: skip
    wanted = np.shape(a) if shape is None else shape
    made = full(wanted, fill_value, operand(a).dtype if dtype is None else dtype)
    return made if isinstance(made, Tracer) else _like(a, made)


def _with_like(f: Any) -> Any:
    def create(*args: Any, like: Any = None, **kwargs: Any) -> Array:
        return _like(like, f(*args, **kwargs))

    create.__name__ = f.__name__
    create.__doc__ = (
        f"As `numpy.{f.__name__}`; with `like=x` of a traced x it can be written into."
    )
    return create


_MADE = (np.zeros, np.ones, np.empty, np.eye, np.identity, np.arange, np.tri)
CREATED = {f.__name__: implements(f)(_with_like(f)) for f in _MADE}


@implements(np.full)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *,
    device: Any = None, like: Any = None,
) -> Array:  # fmt: skip
    """As `numpy.full`, also of a traced value."""
    value = operand(fill_value)
    if not isinstance(value, Tracer):
        return _like(like, np.full(shape, value, dtype, order))
    wanted = tuple(shape) if np.iterable(shape) else (shape,)
    made = _copied(np.broadcast_to(value, wanted))
    return made if dtype is None else np.astype(made, dtype)


# Of given values --------------------------------------------------------------------


@implements(np.array)
def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, order: str = "K",
    subok: bool = False, ndmin: int = 0, ndmax: int = 0, like: Any = None,
) -> Array:  # fmt: skip
    """As `numpy.array`; traced values may be anywhere in nested lists and tuples."""
    if not has_tracer(object):
        made = np.array(object, dtype, copy=copy, order=order, ndmin=ndmin)  # type: ignore[call-overload]
        return _like(like, made)
    made = operand(object)
    if dtype is not None and made.dtype != np.dtype(dtype):
        made = np.astype(made, dtype)
    elif copy and isinstance(object, Tracer):
        made = _copied(made)
    extra = max(0, ndmin - np.ndim(made))
    return np.reshape(made, (1,) * extra + np.shape(made)) if extra else made


@implements(np.asarray, np.asanyarray)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None,
    copy: bool | None = None, like: Any = None,
) -> Array:  # fmt: skip
    return array(a, dtype, copy=copy, like=like)


def _in_order(f: Any, flag: str) -> Any:
    def create(a: Any, dtype: Any = None, *, like: Any = None) -> Array:
        if not has_tracer(a):
            return _like(like, f(a, dtype))
        made = array(a, dtype, copy=None)
        value = bottom(made)
        if type(value) is Pending and flag == "C_CONTIGUOUS" and value.in_order():
            return made if np.ndim(made) else np.reshape(made, 1)
        value = computed(value)
        lies_so = not isinstance(value, np.ndarray) or value.flags[flag]
        made = made if lies_so else _copied(made)
        return made if np.ndim(made) else np.reshape(made, 1)

    return create


ascontiguousarray = implements(np.ascontiguousarray)(
    _in_order(np.ascontiguousarray, "C_CONTIGUOUS")
)
asfortranarray = implements(np.asfortranarray)(
    _in_order(np.asfortranarray, "F_CONTIGUOUS")
)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Array:
    return _copied(operand(a))


# Evenly spaced ----------------------------------------------------------------------


@implements(np.linspace)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: Any = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """As `numpy.linspace`, differentiable by its ends."""
    count = num.__index__()
    if count < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    ends = operand(start), operand(stop)
    kind = promoted((*map(type_of, ends), _WEAK_FLOAT))
    a, b = (_as_type(x, kind) for x in ends)
    delta = b - a
    parts = count - 1 if endpoint else count
    steps = np.arange(count, dtype=kind).reshape((-1,) + (1,) * np.ndim(delta))
    step = delta / parts if parts > 0 else np.nan
    y = a + steps * (step if parts > 0 else delta)
    if endpoint and count > 1:
        y = _with_ends(y, None, b)
    y = np.moveaxis(y, 0, canonical_axis(axis, np.ndim(y))) if axis else y
    wanted = kind if dtype is None else np.dtype(dtype)
    y = _as_type(np.floor(y) if wanted.kind in "iu" else y, wanted)
    return (y, step) if retstep else y


_WEAK_FLOAT = Type((), np.dtype(float), weak=True)


def _as_type(x: Array, dtype: np.dtype[Any]) -> Array:
    if isinstance(x, Tracer):
        return x if x.dtype == dtype else np.astype(x, dtype)
    return np.asarray(x, dtype)[()]


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: Any = 0,
) -> Array:  # fmt: skip
    exponent = linspace(start, stop, num, endpoint, axis=axis)
    b = operand(base)
    y = np.power(np.expand_dims(b, axis) if np.ndim(b) else b, exponent)
    return y if dtype is None else _as_type(y, np.dtype(dtype))


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None,
    axis: Any = 0,
) -> Array:  # fmt: skip
    """As `numpy.geomspace` for positive or negative real ends, differentiable."""
    ends = [
        x if isinstance(x, Tracer) else np.asarray(x)
        for x in map(operand, (start, stop))
    ]
    kind = np.result_type(*(x.dtype for x in ends), dtype or float, 0.0)
    if kind.kind == "c":
        raise ValueError(
            "geomspace of traced values takes real ends of one sign.\n"
            "  Do: np.exp(np.linspace(np.log(start), np.log(stop), num))."
        )
    if any(np.any(known(x) == 0) for x in ends if known(x) is not None):
        raise ValueError("Geometric sequence cannot include zero")
    a, b = (_as_type(x, kind) for x in ends)
    sign = np.sign(a)
    exponent = linspace(np.log10(sign * a), np.log10(sign * b), num, endpoint)
    y = _with_ends(sign * np.power(10.0, exponent), a, b if endpoint else None)
    y = np.moveaxis(y, 0, canonical_axis(axis, np.ndim(y))) if axis else y
    return y if dtype is None else _as_type(y, np.dtype(dtype))


def _with_ends(y: Array, first: Array | None, last: Array | None) -> Array:
    """`y` with its ends exactly as they were given."""
    row = (1, *np.shape(y)[1:])
    if first is not None and np.shape(y)[0] > 0:
        y = np.concatenate([np.broadcast_to(first, row), y[1:]])
    if last is not None and np.shape(y)[0] > 1:
        y = np.concatenate([y[:-1], np.broadcast_to(last, row)])
    return y
