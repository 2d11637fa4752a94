"""How NumPy hands its calls to us: `__array_ufunc__` and `__array_function__`."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import DerivativeError, TracedValueError, TypeMismatch, explain
from wengert.core.types import Array
from wengert.ops.elementwise.record import UFUNCS

# NumPy function → ours; filled by `implements` as the modules beside this are imported.
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
# (ufunc, method) → ours, for reduce, accumulate, outer, at.
METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}

_PLAIN = {np.ndarray, np.float64, np.float32, np.bool_, np.int64, np.complex128}
_PLAIN |= {float, int, bool, complex, Tracer}


def implements(
    *functions: Callable[..., Any],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enters the decorated function as ours for these NumPy functions."""

    def enter(ours: Callable[..., Any]) -> Callable[..., Any]:
        for f in functions:
            FUNCTIONS[f] = ours
        if functions and not ours.__doc__:
            ours.__doc__ = f"As `numpy.{functions[0].__name__}`, differentiable."
        return ours

    return enter


def operand(x: Any) -> Array:
    """`x` as an array that can take part; odd arrays are refused."""
    if type(x) in _PLAIN and not (type(x) is np.ndarray and x.dtype.kind in "OSUVMm"):
        return x
    if isinstance(x, Tracer | np.generic):
        return x
    if isinstance(x, np.ma.MaskedArray):
        return _refuse(x, "a masked array", "the mask would be lost; use x.filled(...)")
    if isinstance(x, np.ndarray):
        if x.dtype.kind in "OSUVMm":
            return _refuse(x, f"an array of dtype {x.dtype}", "convert it to numbers")
        if type(x) is np.memmap:
            return np.asarray(x)
        return _refuse(
            x,
            f"{type(x).__module__}.{type(x).__name__}, a subclass of ndarray",
            "np.asarray(x) if what it adds (a unit, a mask, matrix rules) may be lost",
        )
    if isinstance(x, list | tuple) and has_tracer(x):
        return FUNCTIONS[np.stack]([operand(item) for item in x])
    made = np.asarray(x)
    if made.dtype.kind in "OSUVMm":
        return _refuse(x, f"{type(x).__name__} {x!r:.40}", "pass numbers or arrays")
    return made


def _refuse(x: Any, came: str, do: str) -> Any:
    raise TypeMismatch(
        explain("Arrays of numbers can meet a traced value.", came, do + ".")
    )


def has_tracer(x: Any) -> bool:
    """Whether a (nested) list or tuple has a traced value in it."""
    pending = [x]
    while pending:
        item = pending.pop()
        if isinstance(item, Tracer):
            return True
        if isinstance(item, list | tuple):
            pending.extend(item)
    return False


def array_function(
    self: Tracer, func: Callable[..., Any], types: Any, args: Any, kwargs: Any
) -> Any:
    """Tracer.__array_function__: a NumPy function was called with a traced value."""
    ours = FUNCTIONS.get(func)
    if ours is None:
        name = f"{func.__module__}.{func.__name__}"
        raise DerivativeError(
            explain(
                "Most NumPy functions work on traced values; this one doesn't yet.",
                f"{name} with a traced argument",
                "write it with functions that are there, or give it a rule with "
                "wg.custom_vjp or wg.custom_jvp.",
            )
        )
    if func in _LIKE:  # NumPy asks us on account of `like=x`, and takes it away
        return ours(*args, like=self, **kwargs)
    return ours(*args, **kwargs)


_LIKE: frozenset[Callable[..., Any]] = frozenset(
    getattr(np, name)
    for name in (
        *("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"),
        *("zeros", "ones", "empty", "full", "eye", "identity", "arange", "tri"),
    )
)


def array_ufunc(
    self: Tracer | None, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
) -> Any:
    """Tracer.__array_ufunc__: a ufunc, or one of its methods, met a traced value."""
    if method == "__call__":
        op = UFUNCS.get(ufunc)
        if op is not None and len(inputs) == 1 and not kwargs and ufunc not in SPECIAL:
            return bind(op, *inputs) if self is None else self.interp.unary(op, self)
        if op is None:
            composed = FUNCTIONS.get(ufunc)
            if composed is None:
                return _missing(ufunc)
            return composed(*inputs, **kwargs)
        if kwargs:
            return call_with_keywords(ufunc, inputs, **kwargs)
        if ufunc in SPECIAL:
            return SPECIAL[ufunc](*inputs)
        return bind(op, *[x if type(x) in _PLAIN else operand(x) for x in inputs])
    ours = METHODS.get((ufunc, method))
    if ours is None:
        return _missing(ufunc, f".{method}")
    return ours(*inputs, **kwargs)


# Ufuncs whose op depends on the argument's dtype: abs and sign of complex numbers …
SPECIAL: dict[np.ufunc, Callable[..., Any]] = {}


def _missing(ufunc: np.ufunc, method: str = "") -> Any:
    raise DerivativeError(
        explain(
            "This ufunc has no derivative rule in wengert yet.",
            f"{ufunc.__name__}{method} with a traced argument",
            "write it with functions that are there, or give it a rule with "
            "wg.custom_vjp or wg.custom_jvp.",
        )
    )


def call_with_keywords(
    ufunc: np.ufunc,
    inputs: tuple[Any, ...],
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    order: str = "K",
    subok: bool = True,
) -> Any:
    """A ufunc call with `out=`, `where=` or `dtype=` on traced values."""
    target = out[0] if isinstance(out, tuple) else out
    arrays = [operand(x) for x in inputs]
    if dtype is not None:
        arrays = _in_loop_dtypes(ufunc, arrays, np.dtype(dtype), casting)
    # What the mask leaves out isn't computed by NumPy, so it mustn't warn either.
    with np.errstate(all=None if where is True else "ignore"):
        y = array_ufunc(None, ufunc, "__call__", *arrays)
    if where is not True:
        if target is None:
            raise TypeMismatch(
                explain(
                    "`where=` on a traced value needs `out=`, which gives the other "
                    "elements (NumPy leaves them uninitialised).",
                    f"np.{ufunc.__name__}(..., where=...) without out",
                    f"np.where(mask, np.{ufunc.__name__}(...), other).",
                )
            )
        y = np.where(where, y, target)
    return y if target is None else write_out(target, y)


def _in_loop_dtypes(
    ufunc: np.ufunc, arrays: list[Array], dtype: np.dtype[Any], casting: str
) -> list[Array]:
    """The arguments in the dtypes of the loop whose result has `dtype`."""
    python = (bool, int, float, complex)
    given = [type(x) if type(x) in python else x.dtype for x in arrays]
    loop = ufunc.resolve_dtypes(
        (*given, *[None] * ufunc.nout),
        signature=(*[None] * ufunc.nin, *[dtype] * ufunc.nout),
        casting=casting,
    )
    astype = FUNCTIONS[np.astype]
    return [
        astype(x, to) if x_dtype is not to and type(x) not in python else x
        for x, to, x_dtype in zip(arrays, loop, given, strict=False)
    ]


def write_out(target: Any, y: Array) -> Array:
    """Writes `y` into a traced `out=` array; a plain array can't hold it."""
    if not isinstance(target, Tracer):
        if not isinstance(y, Tracer):
            np.copyto(target, y, casting="same_kind")
            return target
        raise TracedValueError(
            explain(
                "A traced value can't be written into a plain array: it would lose "
                "its derivative.",
                "out= or an in-place operator (+=, *= …) on a numpy.ndarray",
                "make the array from a traced one (np.zeros_like(x), "
                "np.zeros(n, like=x)), or write y = y + x instead of y += x.",
            )
        )
    target[...] = y
    return target


@functools.lru_cache(typed=True)
def canonical_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis argument (None, int, tuple) as sorted non-negative axes, each once."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    normal = tuple(canonical_axis(a, ndim) for a in axes)
    if len(set(normal)) != len(normal):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(normal))


def canonical_axis(axis: Any, ndim: int) -> int:
    """One axis as a non-negative int; NumPy's AxisError otherwise."""
    i = operator.index(axis)
    if not -ndim <= i < ndim:
        raise np.exceptions.AxisError(i, ndim)
    return i % ndim
