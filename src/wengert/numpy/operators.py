"""Gives the Tracer Python's operators and ndarray's attributes and methods."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, bottom, known
from wengert.core.errors import TracedValueError, explain
from wengert.core.op import Op
from wengert.core.pending import is_array
from wengert.core.types import Array
from wengert.numpy.dispatch import (
    _PLAIN,
    FUNCTIONS,
    array_function,
    array_ufunc,
    operand,
)
from wengert.numpy.views import View, write
from wengert.ops.elementwise import arithmetic as a
from wengert.ops.elementwise.rounding import PIECEWISE_CONSTANT as CONSTANT

_FOREIGN = "__array_ufunc__"


def _binary(op: Op) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(x: Array, other: Any) -> Any:
        interp = x.interp
        if isinstance(other, Tracer):
            if other.interp.level > interp.level:
                interp = other.interp
        elif type(other) not in _PLAIN:
            other = operand(other)
        return interp.binary(op, x, other)

    def reflected(x: Array, other: Any) -> Any:
        if type(other) not in _PLAIN:
            other = operand(other)
        return bind(op, _left(other, x), x)

    return forward, reflected


def _in_place(forward: Callable[..., Any]) -> Callable[..., Any]:
    def method(x: Array, other: Any) -> Any:
        y = forward(x, other)
        if x.ndim == 0 and not (isinstance(x, View) or is_array(bottom(x))):
            return y  # as NumPy's scalars, which are immutable
        return write(x, y)

    return method


def _power(x: Array, other: Any) -> Any:
    # As NumPy itself does: exact, and with simpler derivatives. Of integers, the dtype
    # of the result depends on the exponent's.
    if type(other) in (int, float) and x.dtype.kind in "fc":
        if other == 2:
            return bind(a.SQUARE, x)
        if other == 1:
            return bind(a.POSITIVE, x)
        if other == 0.5:
            return bind(a.SQRT, x)
        if other == -1:
            return bind(a.RECIPROCAL, x)
    return bind(a.POWER, x, operand(other))


def _reflected_power(x: Array, other: Any) -> Any:
    return bind(a.POWER, _left(operand(other), x), x)


def _left(other: Array, x: Array) -> Array:
    """Python's complex takes a NumPy float for its own kind and gives a complex."""
    if type(other) is complex and x.ndim == 0:
        return np.result_type(x.dtype, 1j).type(other)
    return other


def _unary(f: Callable[..., Any]) -> Callable[[Tracer], Any]:
    return lambda x: f(x)


def _operators() -> dict[str, Any]:
    table: dict[str, Any] = {}
    binary = {
        "add": a.ADD, "sub": a.SUBTRACT, "mul": a.MULTIPLY, "truediv": a.DIVIDE,
        "floordiv": CONSTANT["floor_divide"], "mod": a.REMAINDER,
        "and": CONSTANT["bitwise_and"], "or": CONSTANT["bitwise_or"],
        "xor": CONSTANT["bitwise_xor"], "lshift": CONSTANT["left_shift"],
        "rshift": CONSTANT["right_shift"],
    }  # fmt: skip
    for name, op in binary.items():
        forward, reflected = _binary(op)
        table[f"__{name}__"] = forward
        table[f"__r{name}__"] = reflected
        table[f"__i{name}__"] = _in_place(forward)
    table["__pow__"], table["__rpow__"] = _power, _reflected_power
    table["__ipow__"] = _in_place(_power)
    table["__matmul__"] = lambda x, other: FUNCTIONS[np.matmul](x, other)
    table["__rmatmul__"] = lambda x, other: FUNCTIONS[np.matmul](other, x)
    table["__imatmul__"] = _in_place(table["__matmul__"])
    table["__divmod__"] = lambda x, other: np.divmod(x, operand(other))
    table["__rdivmod__"] = lambda x, other: np.divmod(operand(other), x)
    table["__neg__"] = lambda x: bind(a.NEGATIVE, x)
    table["__pos__"] = lambda x: bind(a.POSITIVE, x)
    table["__abs__"] = _unary(np.absolute)
    table["__invert__"] = lambda x: bind(CONSTANT["invert"], x)
    compare = {
        "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal",
        "gt": "greater", "ge": "greater_equal",
    }  # fmt: skip
    for name, ufunc in compare.items():
        table[f"__{name}__"] = _binary(CONSTANT[ufunc])[0]
    return table


# Questions from Python -------------------------------------------------------------


def _bool(x: Array) -> bool:
    if x.size != 1:
        raise ValueError(
            f"The truth value of an array with {x.size} elements is ambiguous. "
            "Use a.any() or a.all()"
        )
    return bool(x.interp.concrete(x, "bool"))


def _int(x: Array) -> int:
    return int(x.interp.concrete(x, "int"))


def _index(x: Array) -> int:
    return operator.index(x.interp.concrete(x, "index"))


def _float(x: Array) -> float:
    if x.dtype.kind in "biu" or x.interp.answers_float:
        return float(x.interp.concrete(x, "float"))
    raise TracedValueError(
        explain(
            "float() would drop the derivative of a traced value, and so would the "
            "functions of `math` and writing into a plain array, which call it.",
            f"float() of a value that is being {x.interp.verb}",
            "np.sin(x) for math.sin(x); np.zeros_like(x) or np.zeros(n, like=x) for "
            "an array to write into; float(wg.stop_gradient(x)) if it is to be a "
            "constant.",
        )
    )


def _complex(x: Array) -> complex:
    if x.dtype.kind == "c" and x.interp.answers_float:
        return complex(x.interp.concrete(x, "float"))
    return complex(_float(x))


def _array(x: Array, dtype: Any = None, copy: Any = None) -> Any:
    raise TracedValueError(
        explain(
            "A traced value isn't an ndarray, and making one of it would drop its "
            "derivative.",
            f"np.asarray, np.array or a write into a plain array, of a "
            f"value that is being {x.interp.verb}",
            "wengert.numpy.array([...]) or np.stack([...]) to build an array from "
            "traced values; np.zeros_like(x) or np.zeros(n, like=x) for an array to "
            "write into; wengert.numpy.take(a, i) for a traced index i into a plain "
            "array; wg.stop_gradient(x) for a constant.",
        )
    )


def _format(x: Array, spec: str) -> str:
    if spec and x.ndim == 0:
        return format(x.interp.concrete(x, "format"), spec)
    return repr(x)


def _repr(x: Array) -> str:
    value = known(x)
    shown = "" if value is None else f", value={value}"
    return f"Tracer({x.interp.verb}, shape={x.shape}, dtype={x.dtype}{shown})"


def _len(x: Array) -> int:
    if not x.shape:
        raise TypeError("len() of unsized object")
    n: int = x.shape[0]
    return n


def _iter(x: Array) -> Iterator[Any]:
    if not x.shape:
        raise TypeError("iteration over a 0-d array")
    return (x[i] for i in range(x.shape[0]))


def _contains(x: Array, item: Any) -> bool:
    return bool(np.any(x == item))


def _reduce(x: Array) -> Any:
    raise TracedValueError(
        explain(
            "A traced value lives only while its function runs; it can't be pickled.",
            "pickle, copy to another process, or multiprocessing",
            "pass wg.stop_gradient(x), or differentiate inside the worker.",
        )
    )


# Attributes and methods ------------------------------------------------------------


def _tolist(x: Array) -> Any:
    return [item.tolist() if item.ndim else item for item in x] if x.ndim else x


def _item(x: Array, *args: Any) -> Any:
    if not args:
        return _only(x)
    at = args[0] if len(args) == 1 else args
    return x[at] if isinstance(at, tuple) else x.reshape(-1)[at]


def _only(x: Array) -> Any:
    if x.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return x.reshape(())


def _method(f: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[f](self, *args, **kwargs)

    method.__name__ = f.__name__
    return method


_METHODS = (
    *("all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip"),
    *("cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min"),
    *("nonzero", "prod", "ptp", "ravel", "repeat", "round", "searchsorted", "squeeze"),
    *("std", "sum", "swapaxes", "take", "trace", "var"),
)


def _reshape(x: Array, *shape: Any, order: str = "C", copy: Any = None) -> Array:
    wanted = shape[0] if len(shape) == 1 else shape
    return FUNCTIONS[np.reshape](x, wanted, order=order, copy=copy)


def _transpose(x: Array, *axes: Any) -> Array:
    if not axes or axes == (None,):
        return np.transpose(x)
    return np.transpose(x, axes[0] if isinstance(axes[0], tuple | list) else axes)


def _astype(x: Array, dtype: Any, *args: Any, **kwargs: Any) -> Array:
    return FUNCTIONS[np.astype](x, dtype)


def _copy(x: Array, order: str = "C") -> Array:
    return bind(a.POSITIVE, x)


def _fill(x: Array, value: Any) -> None:
    x[...] = value


def _sort(x: Array, axis: int = -1, **kwargs: Any) -> None:
    x[...] = FUNCTIONS[np.sort](x, axis=axis, **kwargs)


def _partition(x: Array, kth: Any, axis: int = -1, **kwargs: Any) -> None:
    x[...] = FUNCTIONS[np.partition](x, kth, axis=axis, **kwargs)


def _set_real(x: Array, value: Any) -> None:
    x[...] = value + 1j * np.imag(x) if x.dtype.kind == "c" else value


def _set_imag(x: Array, value: Any) -> None:
    x[...] = np.real(x) + 1j * value


def attach() -> None:
    """Called once, when `wengert.numpy` is imported."""
    table: dict[str, Any] = _operators()
    table |= {
        "shape": property(lambda x: x.interp.shape_of(x)),
        "dtype": property(lambda x: x.interp.dtype_of(x)),
        "ndim": property(lambda x: len(x.interp.shape_of(x))),
        "size": property(lambda x: int(np.prod(x.interp.shape_of(x), dtype=int))),
        "itemsize": property(lambda x: x.dtype.itemsize),
        "nbytes": property(lambda x: x.size * x.dtype.itemsize),
        "T": property(lambda x: np.transpose(x)),
        "mT": property(lambda x: np.matrix_transpose(x)),
        "real": property(lambda x: np.real(x), _set_real),
        "imag": property(lambda x: np.imag(x), _set_imag),
        "flat": property(lambda x: iter(np.ravel(x))),
        "__array_ufunc__": array_ufunc, "__array_function__": array_function,
        "__array__": _array, "__bool__": _bool, "__int__": _int, "__index__": _index,
        "__float__": _float, "__complex__": _complex, "__format__": _format,
        "__repr__": _repr, "__len__": _len, "__iter__": _iter, "__hash__": None,
        "__contains__": _contains, "__reduce__": _reduce,
        "__getitem__": lambda x, key: FUNCTIONS[GETITEM](x, key),
        "__setitem__": lambda x, key, value: FUNCTIONS[SETITEM](x, key, value),
        "__round__": lambda x, n=0: np.round(x, n),
        "__trunc__": _int, "__floor__": lambda x: int(np.floor(x)),
        "__ceil__": lambda x: int(np.ceil(x)),
        "__copy__": _copy, "__deepcopy__": lambda x, memo: _copy(x),
        "reshape": _reshape, "transpose": _transpose, "astype": _astype,
        "copy": _copy, "fill": _fill, "sort": _sort, "partition": _partition,
        "compress": lambda x, condition, *args, **kwargs: np.compress(
            condition, x, *args, **kwargs),
        "tolist": _tolist, "item": _item, "flatten": lambda x, order="C": _copy(
            np.ravel(x, order=order)),
        "conj": _unary(np.conjugate), "conjugate": _unary(np.conjugate),
    }  # fmt: skip
    for name in _METHODS:
        table[name] = _method(getattr(np, name))
    for name, value in table.items():
        setattr(Tracer, name, value)


def GETITEM(x: Array, key: Any) -> Array:
    """`x[key]`: the key under which indexing enters the table of functions."""
    return x[key]


def SETITEM(x: Array, key: Any, value: Any) -> None:
    """`x[key] = value`: the key under which writing enters the table of functions."""
    x[key] = value
