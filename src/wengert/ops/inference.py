"""How results' shapes and dtypes follow from arguments': the shared cases."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import ShapeMismatch
from wengert.core.types import Shape, Type

_PYTHON = {"i": int, "f": float, "c": complex, "b": bool}


def broadcast(name: str, types: tuple[Type, ...]) -> Shape:
    """The shape that these types broadcast to, or an error in a full sentence."""
    shape = types[0].shape
    if all(t.shape == shape for t in types):  # as most: NumPy takes longer to see it
        return shape
    try:
        return np.broadcast_shapes(*(t.shape for t in types))
    except ValueError:
        shapes = " and ".join(str(t.shape) for t in types)
        raise ShapeMismatch(
            f"`{name}` needs shapes that broadcast: compared from the last axis, each "
            f"pair of lengths is equal or one of them is 1.\n  Came: shapes {shapes}\n"
            "  Do:   reshape one of them, or add an axis with x[:, None]."
        ) from None


def ufunc_dtype(ufunc: np.ufunc, types: tuple[Type, ...]) -> np.dtype[Any]:
    """The dtype of a ufunc's first result, Python scalars giving way (NEP 50)."""
    given = [_PYTHON[t.dtype.kind] if t.weak else t.dtype for t in types]
    resolved: tuple[np.dtype[Any], ...] = ufunc.resolve_dtypes(
        (*given, *[None] * ufunc.nout)  # type: ignore[arg-type, unused-ignore]
    )
    return resolved[ufunc.nin]


def elementwise(ufunc: np.ufunc) -> Callable[..., Type]:
    """The type rule of a ufunc: shapes broadcast, dtype by the ufunc's own loops."""

    # A program meets the same few types again and again.
    @functools.lru_cache(maxsize=256)
    def type_of(*types: Type) -> Type:
        shape = broadcast(ufunc.__name__, types)
        return Type(shape, ufunc_dtype(ufunc, types))

    return type_of
