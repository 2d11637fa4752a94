"""Products and linear algebra of a graph as calls of BLAS and LAPACK."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.types import Shape, Type
from wengert.graph.graph import Node
from wengert.native import dense_factors as factors
from wengert.native import dense_spectra as spectra
from wengert.native import libraries
from wengert.native.dense_emit import Step, contiguous
from wengert.native.dense_products import matmul_subscripts, product
from wengert.native.dense_wide import widened

# (node, the arguments' shapes and strides, dtype, which results are used) -> step
Given = tuple[Node, Sequence[Shape], Sequence[Sequence[int]], np.dtype[Any]]
Lower = Callable[[Given, Sequence[bool]], Step | None]
# (node, shapes, strides, dtype, used) -> step
Make = Callable[
    [Node, Sequence[Shape], Sequence[Sequence[int]], np.dtype[Any], Sequence[bool]],
    Step,
]


def lower(
    node: Node,
    strides: Sequence[Sequence[int] | None] = (),
    used: Sequence[bool] = (),
) -> Step | None:
    """A node as calls of BLAS or LAPACK.

    Args:
        node: any node; its arguments' types are those of `node.inputs`.
        strides: each argument's strides in elements, if it is a view of a larger
            buffer; None or nothing for C order. Any strides work, those that the step
            `copies` cost a copy.
        used: for an op with several results, which of them are; all by default.

    Returns:
        None if loops are at least as good (small or integer products), or if there is
        no such function: empty matrices, other dtypes, mixed ones.
    """
    how = _LOWER.get(node.op.name)
    if how is None:
        return None
    results = (node.type,) if isinstance(node.type, Type) else node.type
    types = [x.type for x in node.inputs]
    dtype = max((t.dtype for t in results), key=lambda d: d.itemsize)
    if any(t.dtype != dtype for t in types) or libraries.letter(dtype) is None:
        return None
    shapes = [t.shape for t in types]
    given = list(strides) or [None] * len(shapes)
    steps = [
        contiguous(shape) if by is None else by
        for shape, by in zip(shapes, given, strict=True)
    ]
    return how((node, shapes, steps, dtype), tuple(used) or (True,) * len(results))


def _matmul(given: Given, _: Sequence[bool]) -> Step | None:
    _node, shapes, strides, dtype = given
    ranks = [len(shape) for shape in shapes]
    if max(ranks) > 24:
        return None
    return product(matmul_subscripts(*ranks), shapes, strides, dtype)


def _einsum(given: Given, _: Sequence[bool]) -> Step | None:
    node, shapes, strides, dtype = given
    if len(shapes) != 2:
        return None
    return product(node.params["subscripts"], shapes, strides, dtype)


def _solve_triangular(given: Given, _: Sequence[bool]) -> Step | None:
    node, shapes, strides, dtype = given
    if _empty(shapes):
        return None
    lower, unit = node.params["lower"], node.params["unit"]
    return factors.solve_triangular(shapes, strides, dtype, lower, unit)


def _decomposition(make: Make) -> Lower:
    """For what NumPy computes in double precision, whatever the argument's is."""

    def lowered(given: Given, used: Sequence[bool]) -> Step | None:
        node, shapes, strides, dtype = given
        if _empty(shapes):
            return None
        results = (node.type,) if isinstance(node.type, Type) else node.type
        return widened(
            lambda by, kind: make(node, shapes, by, kind, used),
            shapes,
            strides,
            dtype,
            results,
        )

    return lowered


def _empty(shapes: Sequence[Shape]) -> bool:
    """NumPy decides what nothing at all gives; too long an axis doesn't fit an i32."""
    return any(0 in shape or max(shape) >= 2**31 for shape in shapes)


_LOWER: dict[str, Lower] = {
    "matmul": _matmul,
    "einsum": _einsum,
    "solve_triangular": _solve_triangular,
    "cholesky": _decomposition(
        lambda node, shapes, by, kind, used: factors.cholesky(shapes[0], by[0], kind)
    ),
    "solve": _decomposition(
        lambda node, shapes, by, kind, used: factors.solve(shapes, by, kind)
    ),
    "inv": _decomposition(
        lambda node, shapes, by, kind, used: factors.inv(shapes[0], by[0], kind)
    ),
    "det": _decomposition(
        lambda node, shapes, by, kind, used: factors.det(shapes[0], by[0], kind)
    ),
    "slogdet": _decomposition(
        lambda node, shapes, by, kind, used: factors.slogdet(shapes[0], by[0], kind)
    ),
    "eigh": _decomposition(
        lambda node, shapes, by, kind, used: spectra.eigh(
            shapes[0], by[0], kind, node.params["uplo"], used
        )
    ),
    "svd": _decomposition(
        lambda node, shapes, by, kind, used: spectra.svd(
            shapes[0], by[0], kind, node.params["full"], used
        )
    ),
    "qr": _decomposition(
        lambda node, shapes, by, kind, used: spectra.qr(shapes[0], by[0], kind, used)
    ),
}

__all__ = ["Step", "lower"]
