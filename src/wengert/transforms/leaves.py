"""The border of every transform: what may come in, and what goes out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Interpreter, Tracer
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain, name_of
from wengert.core.types import Array, Type, type_of


def check_leaf(x: Any, where: str, name: str, allow_int: bool = False) -> Array:
    """An argument as an array or scalar that is ours, or an error that names it.

    Float and complex pass; with `allow_int` integers and booleans do too.
    """
    kind = type(x)
    if kind is float:
        return np.float64(x)
    if kind is np.float64:
        return x
    if kind is np.ndarray or isinstance(x, np.generic | Tracer):
        kinds = "fciub" if allow_int else "fc"
        if x.dtype.kind in kinds:
            if kind is not np.ndarray:
                return x
            # The tape works on values as they were when the function ran.
            return x.copy(order="K") if x.ndim else x[()]
        return _refuse(x, f"dtype {x.dtype}", where, name)
    if kind is complex:
        return np.complex128(x)
    if kind in (int, bool) and allow_int:
        return np.asarray(x)[()]
    if isinstance(x, np.ndarray):
        return _refuse(x, f"{kind.__module__}.{kind.__name__}, a subclass", where, name)
    return _refuse(x, f"{kind.__name__} {x!r:.40}", where, name)


def _refuse(x: Any, came: str, where: str, name: str) -> Any:
    kind = x.dtype.kind if hasattr(x, "dtype") else ""
    if isinstance(x, np.ma.MaskedArray):
        do = "fill it first (x.filled(0)) and pass the mask as another argument."
    elif isinstance(x, np.ndarray) and type(x) is not np.ndarray:
        do = "pass a plain array: np.asarray(x), after dropping the unit by hand."
    elif isinstance(x, bool | int) or (kind in "iub" and kind):
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


def check_pair(f: Any, result: Any) -> tuple[Any, Any]:
    """`(result, aux)`, which a function with has_aux must return."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise ShapeMismatch(
            explain(
                f"With has_aux=True {name_of(f)} returns a pair (result, aux).",
                f"{type(result).__name__}",
                "return result, aux; or drop has_aux.",
            )
        )
    return result


def split_aux(f: Any, result: Any, interp: Interpreter) -> tuple[Any, list[Any]]:
    """`(result, [aux])` of a function with has_aux; `aux` without traces of `interp`."""
    y, aux = check_pair(f, result)

    def plain(x: Any) -> Any:
        if isinstance(x, Tracer) and x.interp is interp:
            x = x.value
        return x.copy() if isinstance(x, np.ndarray) else x

    return y, [tree.map(plain, aux)]


def untraced(x: Any) -> Any:
    """A value from a function that has ended: down to the levels that haven't."""
    while isinstance(x, Tracer) and "ended" in type(x.interp).__dict__:
        x = x.value
    return x.copy() if isinstance(x, np.ndarray) else x


def like_leaves(values: list[Array], leaves: Sequence[Any]) -> list[Any]:
    """Gradients in their arguments' types: float for float, 0-d array for 0-d array."""
    return [_like(g, x) for g, x in zip(values, leaves, strict=True)]


def _like(g: Array, x: Any) -> Any:
    if isinstance(g, Tracer):
        return g
    kind = type(x)
    if kind is float or kind is complex:
        return kind(g)
    if kind is int or kind is bool:
        return kind(g)
    if kind is np.ndarray:
        # Sums of byte-swapped arrays come in native order.
        return np.asarray(g) if g.dtype == x.dtype else np.asarray(g).astype(x.dtype)
    return g


def check_cotangent(ct: Any, spec: Any, values: list[Array]) -> list[Array]:
    """The leaves of a cotangent, which must match the result's in every respect."""
    leaves = [ct] if spec is None else tree.flatten_like(spec, ct, "cotangent")
    return [
        _check_like(c, type_of(v), "cotangent", "the result")
        for c, v in zip(leaves, values, strict=True)
    ]


def check_tangent(t: Any, primal: Array) -> Array:
    """A tangent, which must have its primal's shape and kind."""
    return _check_like(t, type_of(primal), "tangent", "the primal")


def _check_like(c: Any, type: Type, what: str, other: str) -> Array:
    if isinstance(c, bool | int | float | complex):
        c = np.asarray(c)[()]
    if not isinstance(c, np.ndarray | np.generic | Tracer):
        raise TypeMismatch(
            explain(
                f"A {what} is an array of {other}'s type {type}.",
                f"{c.__class__.__name__}",
                f"pass an array of shape {type.shape}.",
            )
        )
    if c.shape != type.shape:
        raise ShapeMismatch(
            explain(
                f"The {what} must have {other}'s shape {type.shape}.",
                f"shape {c.shape}",
                f"np.broadcast_to(..., {type.shape}) if broadcasting is meant.",
            )
        )
    if (c.dtype.kind == "c" and type.dtype.kind != "c") or c.dtype.kind not in "fciub":
        raise TypeMismatch(
            explain(
                f"The {what} must have {other}'s dtype {type.dtype}.",
                f"dtype {c.dtype}",
                f"convert it: .astype({type.dtype}), or .real for a real result.",
            )
        )
    if c.dtype != type.dtype and type.dtype.kind in "fc":
        return c.astype(type.dtype)
    return c
