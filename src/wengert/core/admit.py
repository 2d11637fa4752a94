"""What may come in: plain arrays of numbers. Odd arrays are refused by name."""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, fixed
from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array


def check_leaf(x: Any, where: str, name: str, allow_int: bool = False) -> Array:
    """An argument to differentiate by, as it is now, or an error that names it.

    Float and complex pass; with `allow_int` integers and booleans do too.
    """
    kind = type(x)
    if kind is float:
        return np.float64(x)
    if kind is np.float64:
        return x
    if kind is np.ndarray or isinstance(x, np.generic | Tracer):
        if x.dtype.kind in ("fciub" if allow_int else "fc"):
            return x.as_array() if isinstance(x, Tracer) else fixed(x)
        return _refuse(x, f"dtype {x.dtype}", where, name)
    if kind is complex:
        return np.complex128(x)
    if kind in (int, bool) and allow_int:
        return np.asarray(x)[()]
    return _refuse(x, described(x), where, name)


def described(x: Any) -> str:
    """What came, in a few words."""
    kind = type(x)
    if isinstance(x, np.ndarray) and kind is not np.ndarray:
        return f"{kind.__module__}.{kind.__name__}, a subclass of ndarray"
    if isinstance(x, np.ndarray | np.generic):
        return f"of dtype {x.dtype}"
    return f"{kind.__name__} {x!r:.40}"


def _refuse(x: Any, came: str, where: str, name: str) -> Any:
    kind = x.dtype.kind if isinstance(x, np.ndarray | np.generic | Tracer) else ""
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray:
        do = _without(x)
    elif isinstance(x, bool | int) or (kind and kind in "iub"):
        do = (
            "pass a float (1.0 for 1, x.astype(float)); leave the argument out of "
            "argnums; or allow_int=True, where its gradient is zero."
        )
    else:
        do = "leave the argument out of argnums, or convert it to a float array."
    raise TypeMismatch(
        explain(
            f"{where} differentiates with respect to float and complex arrays.",
            f"{name or 'an argument'} is {came}",
            do,
        )
    )


def _without(x: Any) -> str:
    if isinstance(x, np.ma.MaskedArray):
        return "fill it first (x.filled(0)) and pass the mask as another argument."
    return "pass a plain array: np.asarray(x), after dropping what it adds by hand."


def check_numbers(x: Any, expected: str, name: str) -> Array:
    """An array or scalar of numbers, as it is now; lists and odd arrays are refused.

    `expected` is the first sentence of the error.
    """
    if isinstance(x, bool | int | float | complex):
        return np.asarray(x)[()]
    plain = type(x) is np.ndarray or isinstance(x, np.generic | Tracer)
    if plain and x.dtype.kind in "fciub":
        return x.as_array() if isinstance(x, Tracer) else fixed(x)
    do = "convert it to an array of numbers."
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray:
        do = _without(x)
    raise TypeMismatch(explain(expected, f"{name} is {described(x)}", do))


def check_result(x: Any) -> Any:
    """A result of the user's function: an odd array would lose what it adds."""
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray:
        raise TypeMismatch(
            explain(
                "A function under a transform returns plain arrays.",
                f"a result is {described(x)}",
                _without(x),
            )
        )
    return x
