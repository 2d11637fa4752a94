"""Contractions: matmul, einsum and convolve; multilinear, and closed under transposes.

A transpose that meets a broadcast batch axis contracts over it inside the product, so
no array larger than the arguments and the result is made.
"""

import functools
import math
import string
from typing import Any

import numpy as np

from wengert.core.bind import bind
from wengert.core.errors import ShapeMismatch
from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Shape, Type, promoted
from wengert.ops.batching import Args, Mapped, Params


def conj(x: Array) -> Array:
    """The conjugate; a real array itself, which `np.conjugate` would copy."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


# matmul ----------------------------------------------------------------------------


def _matmul_type(a: Type, b: Type) -> Type:
    if not a.ndim or not b.ndim:
        raise ShapeMismatch(
            "`matmul` needs arrays of at least one axis.\n"
            f"  Came: shapes {a.shape} and {b.shape}\n"
            "  Do:   write a * b for a product with a number."
        )
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        batch = None
    if a.shape[-1] != inner or batch is None:
        raise ShapeMismatch(
            "`matmul` needs shapes (…, n, k) and (…, k, m), where the axes … broadcast,"
            " or a vector (k,) for either.\n"
            f"  Came: shapes {a.shape} and {b.shape}\n"
            "  Do:   transpose one with .mT, or reshape so that the two k are equal."
        )
    shape = (*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return Type(shape, promoted((a, b)))


def matmul_left(ct: Array, _a: Array | Type, b: Array) -> Array:
    """The cotangent of `a` in a @ b."""
    rank, other = len(_a.shape), b.ndim
    b = conj(b)
    if rank == 2 and other == 2:
        return ct @ b.T
    if other == 1:
        return ct * b if rank == 1 else ct[..., None] * b
    if rank > 1:
        return _joined(ct, b.mT, _a.shape)
    if other == 2:
        return b @ ct
    return _joined(ct[..., None, :], b.mT, (1, _a.shape[0])).reshape(_a.shape)


def matmul_right(ct: Array, a: Array, _b: Array | Type) -> Array:
    """The cotangent of `b` in a @ b."""
    rank, other = a.ndim, len(_b.shape)
    a = conj(a)
    if rank == 2 and other == 2:
        return a.T @ ct
    if rank == 1:
        return a * ct if other == 1 else a[:, None] * ct[..., None, :]
    if other > 1:
        return _joined(a.mT, ct, _b.shape)
    if rank == 2:
        return ct @ a
    return _joined(a.mT, ct[..., None], (_b.shape[0], 1)).reshape(_b.shape)


def _joined(p: Array, q: Array, shape: Shape) -> Array:
    """p @ q summed over the batch axes that `shape` lacks, as one product.

    Those axes are put beside the contracted one: Σ p_s q_s = [p_1 p_2 …] [q_1; q_2; …].
    """
    rank = max(p.ndim, q.ndim)
    p, q = _aligned(p, rank), _aligned(q, rank)
    batch = np.broadcast_shapes(p.shape[:-2], q.shape[:-2])
    have = (1,) * (rank - len(shape)) + tuple(shape[:-2])
    gone = [i for i, n in enumerate(have) if n == 1 and batch[i] != 1]
    if gone:
        # Both sides have these axes in full: a result axis that one argument of a
        # product lacks comes from the other.
        stay = [i for i in range(rank - 2) if i not in gone]
        wide = np.transpose(p, (*stay, rank - 2, *gone, rank - 1))
        tall = np.transpose(q, (*stay, *gone, rank - 2, rank - 1))
        inner = math.prod(q.shape[i] for i in gone) * q.shape[-2]
        p = wide.reshape(*wide.shape[: len(stay) + 1], inner)
        q = tall.reshape(*tall.shape[: len(stay)], inner, q.shape[-1])
    y = np.matmul(p, q)
    return y if y.shape == shape else y.reshape(shape)


def _aligned(x: Array, rank: int) -> Array:
    return x if x.ndim == rank else x.reshape(*(1,) * (rank - x.ndim), *x.shape)


def _matmul_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    """One product where one side is the same for all items, else a batched one."""
    a, b = args
    rank = [x.ndim - m for x, m in zip(args, mapped, strict=True)]
    if not mapped[1] and rank[0] == 1 and rank[1] > 1:
        y = bind(op, a, b)  # the mapped vectors are the rows of one matrix
        return y if rank[1] == 2 else np.moveaxis(y, -2, 0)
    if not mapped[0] and rank[1] == 1:
        if rank[0] == 1:
            return bind(op, b, a)
        y = bind(op, b, a.mT)
        return y if rank[0] == 2 else np.moveaxis(y, -2, 0)
    if not mapped[1] and rank[1] < 3:
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        y = bind(op, rows, b)
        return y.reshape(*a.shape[:-1], *y.shape[1:])
    if not mapped[0] and rank[0] == 1:
        return bind(op, a, b)
    a = _as_matrices(a, mapped[0], rank[0] == 1, max(rank), -2)
    b = _as_matrices(b, mapped[1], rank[1] == 1, max(rank), -1)
    y = bind(op, a, b)
    gone = tuple(i for i, r in zip((-2, -1), rank, strict=True) if r == 1)
    return np.squeeze(y, gone) if gone else y


def _as_matrices(x: Array, mapped: bool, vector: bool, rank: int, axis: int) -> Array:
    """Vectors as matrices of one row or column, the mapped axis in front of all."""
    if vector:
        x = np.expand_dims(x, axis)
    if not mapped:
        return x
    ones = (1,) * (max(rank, 2) + 1 - x.ndim)
    return x.reshape(x.shape[0], *ones, *x.shape[1:]) if ones else x


MATMUL = register(
    Op(
        name="matmul",
        evaluate=np.matmul,
        type_of=_matmul_type,
        derivative=Linear(matmul_left, matmul_right, products=True),
        batch=_matmul_batch,
    )
)


# einsum ----------------------------------------------------------------------------
#
# `subscripts` is canonical: one letter per axis, named in the order of appearance, no
# letter twice in one operand, no ellipsis, and the output written out.

LETTERS = string.ascii_letters
_LARGE = 100_000  # products, from where BLAS pays for the time that planning takes


@functools.lru_cache(4096)
def _split(subscripts: str) -> tuple[tuple[str, ...], str]:
    inputs, out = subscripts.split("->")
    return tuple(inputs.split(",")), out


def _sizes(inputs: tuple[str, ...], shapes: tuple[Shape, ...]) -> dict[str, int]:
    """The length that each letter stands for; axes of length 1 broadcast."""
    sizes: dict[str, int] = {}
    for letters, shape in zip(inputs, shapes, strict=True):
        for letter, n in zip(letters, shape, strict=True):
            have = sizes.get(letter, 1)
            if have != n and have != 1 and n != 1:
                raise ShapeMismatch(
                    "`einsum` needs one length for all axes with the same letter.\n"
                    f"  Came: lengths {have} and {n} for the letter {letter!r} of "
                    f"{','.join(inputs)!r} with shapes "
                    f"{', '.join(map(str, shapes))} (letters renamed)\n"
                    "  Do:   check the subscripts against the shapes."
                )
            sizes[letter] = n if have == 1 else have
    return sizes


def _einsum_type(*types: Type, subscripts: str, optimize: Any) -> Type:
    inputs, out = _split(subscripts)
    sizes = _sizes(inputs, tuple(t.shape for t in types))
    return Type(tuple(sizes[letter] for letter in out), promoted(types))


@functools.lru_cache(4096)
def _plan(
    subscripts: str, shapes: tuple[Shape, ...], position: int
) -> tuple[str, tuple[int | None, ...], bool]:
    """How to transpose by one operand: (subscripts, axes of the answer, large?).

    A letter that only this operand has was summed: its cotangent is the same along it.
    An axis of length 1 that was broadcast is summed. Both come back as length 1.
    """
    inputs, out = _split(subscripts)
    sizes = _sizes(inputs, shapes)
    mine = inputs[position]
    others = inputs[:position] + inputs[position + 1 :]
    there = set(out).union(*others)
    found = [
        letter
        for letter, n in zip(mine, shapes[position], strict=True)
        if letter in there and n == sizes[letter]
    ]
    axes = tuple(found.index(c) if c in found else None for c in mine)
    text = f"{','.join((out, *others))}->{''.join(found)}"
    return text, axes, math.prod(sizes.values()) > _LARGE


def _einsum_transpose(
    ct: Array, *args: Array, subscripts: str, optimize: Any, position: int
) -> Array:
    shapes = tuple(a.shape for a in args)
    text, axes, large = _plan(subscripts, shapes, position)
    if isinstance(optimize, tuple):
        optimize = True  # the given path is one for the operands of the forward pass
    others = [conj(a) for i, a in enumerate(args) if i != position]
    y = np.einsum(text, ct, *others, optimize=optimize or (large and bool(others)))
    shape = shapes[position]
    kept = tuple(1 if i is None else y.shape[i] for i in axes)
    y = y.reshape(kept) if y.shape != kept else y
    return np.broadcast_to(y, shape) if kept != shape else y


def _einsum_first(ct: Array, _a: Type, *others: Array, **params: Any) -> Array:
    return _einsum_transpose(ct, _a, *others, **params)


def _einsum_second(
    ct: Array, a: Array, _b: Type, *others: Array, **params: Any
) -> Array:
    return _einsum_transpose(ct, a, _b, *others, **params)


def _einsum_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    """One more letter."""
    inputs, out = _split(params["subscripts"])
    used = set(out).union(*inputs)
    new = next((letter for letter in LETTERS if letter not in used), None)
    if new is None:
        raise ShapeMismatch(
            "`einsum` has 52 letters, and the mapped axis needs one.\n"
            "  Came: subscripts that use all of them\n"
            "  Do:   contract in several steps."
        )
    marked = ",".join(new + s if m else s for s, m in zip(inputs, mapped, strict=True))
    return bind(op, *args, **{**params, "subscripts": f"{marked}->{new}{out}"})


EINSUM = register(
    Op(
        name="einsum",
        evaluate=lambda *arrays, subscripts, optimize: np.einsum(
            subscripts, *arrays, optimize=optimize
        ),
        type_of=_einsum_type,
        derivative=Linear(
            _einsum_first, _einsum_second, _einsum_transpose, many=True, products=True
        ),
        batch=_einsum_batch,
    )
)


# convolve --------------------------------------------------------------------------
#
# Along the last axes, batched. "full" has length n+m−1; "valid" (n ≥ m) length n−m+1.
# Each is the other's transpose, with the other argument reversed.


def _convolve_type(a: Type, v: Type, *, mode: str) -> Type:
    n, m = a.shape[-1], v.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    length = n + m - 1 if mode == "full" else n - m + 1
    return Type((*batch, length), promoted((a, v)))


def _convolve(a: Array, v: Array, *, mode: Any) -> Array:
    if a.ndim == 1 and v.ndim == 1:
        return np.convolve(a, v, mode)
    n, m = a.shape[-1], v.shape[-1]
    if mode == "full":
        if n < m:
            a, v, m = v, a, n
        a = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(m - 1, m - 1)])
    windows = np.lib.stride_tricks.sliding_window_view(a, m, axis=-1)
    return np.matmul(windows, np.flip(v, -1)[..., None])[..., 0]


def _reversed(x: Array) -> Array:
    return conj(np.flip(x, -1))


def _convolve_left(ct: Array, _a: Type, v: Array, *, mode: str) -> Array:
    other = "valid" if mode == "full" else "full"
    y = bind(CONVOLVE, ct, _reversed(v), mode=other)
    return _summed(y, _a.shape)


def _convolve_right(ct: Array, a: Array, _v: Type, *, mode: str) -> Array:
    back = _reversed(a)
    first, second = (ct, back) if mode == "full" else (back, ct)
    return _summed(bind(CONVOLVE, first, second, mode="valid"), _v.shape)


def _summed(y: Array, shape: Shape) -> Array:
    """`y` summed over the batch axes that broadcast."""
    extra = y.ndim - len(shape)
    axes = tuple(
        i for i in range(y.ndim)
        if i < extra or (shape[i - extra] == 1 and y.shape[i] != 1)
    )  # fmt: skip
    return np.sum(y, axis=axes).reshape(shape) if axes else y


def _convolve_batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> Array:
    rank = max(x.ndim - m for x, m in zip(args, mapped, strict=True))
    aligned = [
        x.reshape(size, *(1,) * (rank + 1 - x.ndim), *x.shape[1:]) if m else x
        for x, m in zip(args, mapped, strict=True)
    ]
    return bind(op, *aligned, **params)


CONVOLVE = register(
    Op(
        name="convolve",
        evaluate=_convolve,
        type_of=_convolve_type,
        derivative=Linear(_convolve_left, _convolve_right, products=True),
        batch=_convolve_batch,
    )
)

__all__ = ["CONVOLVE", "EINSUM", "MATMUL", "conj", "matmul_left", "matmul_right"]
