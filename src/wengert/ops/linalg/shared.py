"""What the decompositions share: types, triangles, and when to refuse."""

from typing import Any

import numpy as np

from wengert.core.bind import bind, is_staged, known
from wengert.core.errors import DerivativeError, ShapeMismatch, explain
from wengert.core.op import Op
from wengert.core.types import Array, Type, promoted
from wengert.ops.batching import Args, Mapped, Params
from wengert.ops.contract import conj


def adjoint(x: Array) -> Array:
    """The conjugate transpose."""
    return conj(x.mT)


def diagonal(x: Array) -> Array:
    """The diagonals of a stack of matrices."""
    return np.diagonal(x, 0, -2, -1)


# Types -----------------------------------------------------------------------------


def float_type(*types: Type) -> np.dtype[Any]:
    """The dtype that numpy.linalg computes in: integers become float64."""
    dtype = promoted(types)
    return dtype if dtype.kind in "fc" else np.dtype(float)


def real_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the modulus."""
    return np.dtype(dtype.char.lower()) if dtype.kind == "c" else dtype


def need_matrix(name: str, a: Type) -> None:
    """Refuses fewer than two axes, as a full sentence."""
    if a.ndim < 2:
        raise ShapeMismatch(
            f"`{name}` needs a matrix, or a stack of them: shape (…, m, n).\n"
            f"  Came: shape {a.shape}\n"
            "  Do:   reshape it, as in x[None, :] or x[:, None]."
        )


def need_square(name: str, a: Type) -> None:
    """Refuses what isn't square, as a full sentence."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeMismatch(
            f"`{name}` needs a square matrix, or a stack of them: shape (…, n, n).\n"
            f"  Came: shape {a.shape}\n"
            "  Do:   check the last two axes; lstsq and pinv take any shape."
        )


def batch_first(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Any:
    """The mapped axis is one more leading axis."""
    return bind(op, *args, **params)


# Triangles -------------------------------------------------------------------------


def triangle(n: int, uplo: str) -> Array:
    """Which elements of an n×n matrix are in the triangle `uplo`, diagonal included."""
    lower = np.tri(n, dtype=bool)
    return lower if uplo == "L" else lower.T


def hermitian_read(a: Array, uplo: str = "L") -> Array:
    """The Hermitian matrix that LAPACK sees when it reads one triangle of `a`."""
    n = a.shape[-1]
    read = np.where(triangle(n, uplo), a, a.dtype.type(0))
    other = np.where(triangle(n, uplo).T, adjoint(read), a.dtype.type(0))
    both = read + other
    return np.where(np.eye(n, dtype=bool), 0.5 * both, both)


def hermitian_spread(g: Array, uplo: str = "L") -> Array:
    """The transpose of `hermitian_read`, for a Hermitian `g`."""
    n = g.shape[-1]
    inside = np.where(triangle(n, uplo), g + adjoint(g), g.dtype.type(0))
    return np.where(np.eye(n, dtype=bool), 0.5 * inside, inside)


def unused(ct: Array) -> bool:
    """Whether a cotangent is zero, so that its part of a rule needn't be computed."""
    return type(ct) is np.ndarray and not ct.any()


# Refusing --------------------------------------------------------------------------


def noise(scale: Array, n: int) -> Array:
    """What rounding may leave of a number that cancels, from terms of size `scale`.

    The constant is for terms that are all noise themselves, left by numbers near 1.
    """
    return max(n, 1) * np.finfo(scale.dtype).eps * (1e3 * scale + 30.0)


def unless(refused: Array, term: Array, expected: str, came: str, do: str) -> Array:
    """`term`, where none is refused; a DerivativeError where one is.

    While a graph is made the values aren't known (or are those of one example), so
    there the refused elements become nan.
    """
    plain = known(refused)
    if plain is not None and np.any(plain):
        raise DerivativeError(explain(expected, came, do))
    if plain is None or is_staged(refused):
        return np.where(refused, term.dtype.type(np.nan), term)
    return term
