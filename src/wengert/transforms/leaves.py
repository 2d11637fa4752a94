"""The border of every transform: what may come in, and what goes out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_numbers, check_result
from wengert.core.bind import Interpreter, Tracer, fixed
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain, name_of
from wengert.core.types import Array, Type, type_of


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
    """`(result, [aux])` of a function with has_aux; `aux` without our traces."""
    y, aux = check_pair(f, result)

    def plain(x: Any) -> Any:
        if isinstance(x, Tracer) and x.interp is interp:
            x = x.value
        return fixed(check_result(x))

    return y, [tree.map(plain, aux)]


def untraced(x: Any) -> Any:
    """A value from a function that has ended: down to the levels that haven't."""
    while isinstance(x, Tracer) and "ended" in type(x.interp).__dict__:
        x = x.value
    return fixed(x)


def like_leaves(values: list[Array], leaves: Sequence[Any]) -> list[Any]:
    """Gradients in their arguments' types: float for float, 0-d array for 0-d array."""
    return [_like(g, x) for g, x in zip(values, leaves, strict=True)]


def _like(g: Array, x: Any) -> Any:
    if isinstance(x, Tracer):
        return x.like_this(g)
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


def _check_like(c: Any, wanted: Type, what: str, other: str) -> Array:
    if type(c) is np.ndarray and c.shape == wanted.shape and c.dtype == wanted.dtype:
        return fixed(c)
    c = check_numbers(
        c, f"A {what} is an array of {other}'s type {wanted}.", f"the {what}"
    )
    if c.shape != wanted.shape:
        raise ShapeMismatch(
            explain(
                f"The {what} must have {other}'s shape {wanted.shape}.",
                f"shape {c.shape}",
                f"np.broadcast_to(..., {wanted.shape}) if broadcasting is meant.",
            )
        )
    if c.dtype.kind == "c" and wanted.dtype.kind != "c":
        raise TypeMismatch(
            explain(
                f"The {what} must have {other}'s dtype {wanted.dtype}.",
                f"dtype {c.dtype}",
                f"convert it: .astype({wanted.dtype}), or .real for a real result.",
            )
        )
    if c.dtype != wanted.dtype and wanted.dtype.kind in "fc":
        return c.astype(wanted.dtype)
    return c
