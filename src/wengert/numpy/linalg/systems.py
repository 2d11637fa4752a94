"""Systems of equations, inverses and least squares."""

import math
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, known
from wengert.core.errors import ShapeMismatch, explain
from wengert.core.types import Array
from wengert.numpy.contract import array
from wengert.numpy.dispatch import canonical_axis, implements
from wengert.numpy.linalg.arguments import static
from wengert.numpy.linalg.decompositions import svdvals
from wengert.ops import linalg as ops
from wengert.ops.linalg.lstsq import cutoff
from wengert.ops.linalg.shared import hermitian_read


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Array:
    m, x = array(a), array(b)
    if np.ndim(x) == 1:
        return bind(ops.SOLVE, m, x[:, None])[..., 0]
    return bind(ops.SOLVE, m, x)


@implements(np.linalg.inv)
def inv(a: Any) -> Array:
    return bind(ops.INV, array(a))


@implements(np.linalg.pinv)
def pinv(
    a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue
) -> Array:
    """As `numpy.linalg.pinv`, differentiable where the rank doesn't change."""
    x = array(a)
    if rcond is None:
        small = np.finfo(x.dtype).eps * max(x.shape[-2:]) if rtol is None else 1e-15
        rcond = small if rtol is None or rtol is np._NoValue else rtol
    elif rtol is not np._NoValue:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    x = hermitian_read(x) if hermitian else x
    return bind(ops.PINV, x, rcond=static("pinv", "rcond or rtol", rcond))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """As `numpy.linalg.lstsq`; the solution, residuals and singular values have
    derivatives where the rank doesn't change.

    A graph staged without values takes the matrix to have full rank.
    """
    m, y = array(a), array(b)
    rcond = None if rcond is None else static("lstsq", "rcond", rcond)
    columns = y[:, None] if np.ndim(y) == 1 else y
    x = bind(ops.LSTSQ, m, columns, rcond=rcond)
    s = svdvals(m)
    rank = np.sum(s > cutoff(m, rcond) * np.max(s, initial=0.0))
    rows, n = np.shape(m)
    if rows > n and _is_everywhere(rank, n):
        off = columns - m @ x
        residuals = np.sum(np.real(off * np.conjugate(off)), axis=0)
    else:
        residuals = np.zeros(0, s.dtype)
    return (x[:, 0] if np.ndim(y) == 1 else x), residuals, rank, s


def _is_everywhere(rank: Array, n: int) -> bool:
    """Whether this is the rank of all; asked of values that are staged as a guard."""
    value, staged = known(rank), rank
    while isinstance(staged, Tracer) and not staged.interp.stages:
        staged = staged.value
    if value is None:
        return True
    return bool(np.all((staged if isinstance(staged, Tracer) else value) == n))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Array:
    x = array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = np.shape(x)
    flat = np.reshape(x, (math.prod(shape[:ind]), math.prod(shape[ind:])))
    return np.reshape(inv(flat), (*shape[ind:], *shape[:ind]))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Array:
    x, y = array(a), array(b)
    n = np.ndim(x)
    last = [canonical_axis(i, n) for i in axes] if axes is not None else []
    x = np.transpose(x, [i for i in range(n) if i not in last] + last)
    shape = np.shape(x)[np.ndim(y) :]
    unknowns = math.prod(shape)
    if np.size(x) != unknowns**2 or np.size(y) != unknowns:
        raise ShapeMismatch(
            explain(
                "`tensorsolve` needs prod(a.shape[:b.ndim]) == prod(a.shape[b.ndim:]).",
                f"shapes {np.shape(x)} and {np.shape(y)}",
                "say with axes= which axes of a belong to the unknown.",
            )
        )
    flat = np.reshape(x, (unknowns, unknowns))
    return np.reshape(solve(flat, np.reshape(y, (unknowns,))), shape)
