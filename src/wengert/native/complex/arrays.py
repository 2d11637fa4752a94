"""A rule per op on whole arrays: layouts, writes, folds, products, orders.

What is linear in one argument is done to its real and to its imaginary part. Products
of two complex arrays are left to BLAS where that is better than loops.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wengert.core.op import op_named
from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native import dense, forms
from wengert.native.complex.elementwise import nonzero
from wengert.native.complex.functions import modulus
from wengert.native.complex.numbers import BOOL, Dtype, Pair, Real
from wengert.native.forms import part_of
from wengert.native.partition import SHORT, viewed

if TYPE_CHECKING:
    from wengert.native.complex.split import Split

Rule = Callable[["Split", Node], "Pair | Node | None"]
_INDEX = np.dtype(np.intp)


def _again(s: "Split", node: Node, inputs: tuple[Node, ...], dtype: Dtype) -> Node:
    """The op of `node` on real inputs."""
    return s.maker.node(node.op, inputs, node.params, Type(node.shape, dtype))


def _of_first(s: "Split", node: Node) -> Pair:
    """Linear in the first argument; the others (indices, starts) aren't complex."""
    x, *others = node.inputs
    dtype = part_of(node.dtype)
    rest = tuple(s.whole(o) for o in others)
    parts = [
        p
        if p.is_known_zero()
        else s.real(_again(s, node, (s.full(p, x.shape), *rest), dtype))
        for p in s.pair(x)
    ]
    return Pair(*parts)


def _of_all(count: int) -> Rule:
    """Linear in the first `count` arguments together (all: 0), all of which move."""

    def rule(s: "Split", node: Node) -> Pair | Node | None:
        dtype = part_of(node.dtype)
        moved = node.inputs[: count or None]
        others = tuple(s.whole(o) for o in node.inputs[len(moved) :])
        pairs = [s.as_pair(x, dtype) for x in moved]
        if node.dtype.kind != "c":  # a real array, into which real parts are written
            reals = (s.full(p.re, x.shape) for p, x in zip(pairs, moved, strict=True))
            return _again(s, node, (*reals, *others), dtype)
        parts = []
        for some in zip(*pairs, strict=True):
            if all(p.is_known_zero() for p in some):
                parts.append(some[0])
                continue
            full = (s.full(p, x.shape) for p, x in zip(some, moved, strict=True))
            parts.append(s.real(_again(s, node, (*full, *others), dtype)))
        return Pair(*parts)

    return rule


def _where(s: "Split", node: Node) -> Pair | Node:
    condition, a, b = node.inputs
    flag = s.truth(condition)
    if node.dtype.kind != "c":
        return _again(s, node, (flag.node, s.whole(a), s.whole(b)), node.dtype)
    dtype = part_of(node.dtype)
    x, y = s.as_pair(a, dtype), s.as_pair(b, dtype)
    return Pair(flag.where(x.re, y.re), flag.where(x.im, y.im))


# Parts, sizes, conversions ----------------------------------------------------------


def _real(s: "Split", node: Node) -> Node:
    return s.pair(node.inputs[0]).re.node


def _imag(s: "Split", node: Node) -> Node:
    return s.pair(node.inputs[0]).im.node


def _modulus(s: "Split", node: Node) -> Node:
    return modulus(s.pair(node.inputs[0])).node


def _astype(s: "Split", node: Node) -> Pair | Node:
    """To a real dtype: the real part's, as the op does it."""
    (x,) = node.inputs
    if node.dtype.kind == "c":
        return s.as_pair(x, part_of(node.dtype))
    return s.maker.cast(s.pair(x).re.node, node.dtype)


# Folds ------------------------------------------------------------------------------


def _variance(s: "Split", node: Node) -> Node | None:
    """The variance of the real parts plus that of the imaginary ones."""
    x, *mask = node.inputs
    rest = tuple(s.whole(m) for m in mask)
    re, im = (
        s.real(_again(s, node, (s.full(p, x.shape), *rest), node.dtype))
        for p in s.pair(x)
    )
    return (re + im).node


def _norm(s: "Split", node: Node) -> Node:
    (x,) = node.inputs
    size = s.full(modulus(s.pair(x)), x.shape)
    return _again(s, node, (size,), node.dtype)


def _whole_fold(s: "Split", node: Node) -> Pair | Node | None:
    """prod, max, min, by a routine for neighbouring axes: others are moved there."""
    (x,) = node.inputs
    axes = sorted(node.params["axis"])
    if not axes:
        return s.pair(x)
    if axes == list(range(axes[0], axes[-1] + 1)):
        return None
    kept = [k for k in range(len(x.shape)) if k not in axes]
    m, reshape, transpose = s.maker, op_named("reshape"), op_named("transpose")
    assert reshape is not None
    assert transpose is not None
    order = (*kept, *axes)
    moved = m.node(
        transpose, (s.whole(x),), {"axes": order},
        Type(tuple(x.shape[k] for k in order), x.dtype),
    )  # fmt: skip
    last = tuple(range(len(kept), len(order)))
    type = Type(tuple(x.shape[k] for k in kept), x.dtype)
    folded = m.node(node.op, (moved,), {"axis": last, "keepdims": False}, type)
    return m.node(reshape, (folded,), {"shape": node.shape}, node.type)


def _truths(s: "Split", node: Node) -> Node:
    """all, any: of what isn't zero."""
    (x,) = node.inputs
    flags = s.full(nonzero(s.pair(x)), x.shape)
    return _again(s, node, (flags,), BOOL)


# Products ---------------------------------------------------------------------------


def _product(s: "Split", node: Node) -> Pair | Node | None:
    """matmul, einsum, convolve: with one complex argument, linear; with two, four."""
    dtype = part_of(node.dtype)
    if [len(x.shape) for x in node.inputs] == [1, 1] and node.op.name == "matmul":
        return _dot(s, node)
    complex_ones = [i for i, x in enumerate(node.inputs) if x.dtype.kind == "c"]
    if len(complex_ones) > 2:
        return None
    if len(complex_ones) == 2 and len(node.inputs) == 2 and _is_for_library(s, node):
        return None
    pairs = [s.as_pair(x, dtype) for x in node.inputs]

    def made(imaginary: tuple[int, ...]) -> Real | None:
        """The product of these parts; None for zero."""
        chosen = [p.im if i in imaginary else p.re for i, p in enumerate(pairs)]
        if any(p.is_known_zero() for p in chosen):
            return None
        inputs = (s.full(p, x.shape) for p, x in zip(chosen, node.inputs, strict=True))
        return s.real(_again(s, node, tuple(inputs), dtype))

    first, *second = complex_ones
    zero = s.maker.number(0.0, dtype)
    if not second:
        return Pair(made(()) or zero, made((first,)) or zero)
    both = made((first, second[0]))
    re, im = made(()) or zero, made((first,)) or zero
    other = made((second[0],))
    return Pair(re if both is None else re - both, im if other is None else other + im)


def _dot(s: "Split", node: Node) -> Pair:
    """A sum of products, each computed on the way; for BLAS conjugates are stored."""
    dtype, add = part_of(node.dtype), op_named("sum")
    assert add is not None
    a, b = (s.as_pair(x, dtype) for x in node.inputs)
    params, type = {"axis": (0,), "keepdims": False}, Type((), dtype)
    return Pair(
        *(
            s.real(s.maker.node(add, (s.full(p, node.inputs[0].shape),), params, type))
            for p in a * b
        )
    )


def _is_for_library(s: "Split", node: Node) -> bool:
    """Whether BLAS computes a product of two complex arrays better than loops."""
    if node.op.name not in ("matmul", "einsum") or not node.type.size:
        return False
    made = s.on_whole(node)
    fold = forms.fold_of(made)
    if fold is None or math.prod(fold.extents) <= SHORT:
        return False
    return dense.lower(made, [viewed(i)[1] for i in made.inputs]) is not None


def _recurrence(s: "Split", node: Node) -> Pair | Node:
    """With real factors, linear in the terms; else one routine, of one dtype."""
    a, u = node.inputs
    dtype = part_of(node.dtype)
    if a.dtype.kind == "c":
        return on_one_dtype(s, node)
    factors = s.maker.cast(s.whole(a), dtype)
    re, im = (
        p if p.is_known_zero()
        else s.real(_again(s, node, (factors, s.full(p, u.shape)), dtype))
        for p in s.as_pair(u, dtype)
    )  # fmt: skip
    return Pair(re, im)


# Orders -----------------------------------------------------------------------------


def _order(s: "Split", node: Node) -> Node | None:
    """argsort, partitions: by real parts, then imaginary ones; those with nan last."""
    (x,) = node.inputs
    if not x.type.size:
        return None
    op = op_named("lexsort")
    assert op is not None
    m, (re, im) = s.maker, s.pair(x)
    kind = np.dtype(np.int8)
    flags = [m.real(m.cast(p.is_nan().node, kind)) for p in (re, im)]
    group = flags[0] + flags[0] + flags[1]
    keys = tuple(s.full(k, x.shape) for k in (im, re, group))
    return m.node(op, keys, {"axis": node.params["axis"]}, Type(x.shape, _INDEX))


def on_one_dtype(s: "Split", node: Node) -> Node:
    """A real and a complex argument: both complex, as LAPACK and routines take them."""
    inputs = tuple(s.whole_as(x, node.dtype) for x in node.inputs)
    return s.maker.node(node.op, inputs, node.params, node.type)


# fmt: off
RULES: dict[str, Rule] = {
    **dict.fromkeys((
        "reshape", "transpose", "broadcast_to", "flip", "roll", "index", "diagonal",
        "diagonal_embed", "stop_gradient", "python_number", "positive", "permute",
        "sum", "cumsum", "segment_sum", "segment_spread", "round",
    ), _of_first),
    "concatenate": _of_all(0),
    "stack":       _of_all(0),
    "index_set":   _of_all(2),
    "index_add":   _of_all(2),
    "where":       _where,
    "real":        _real,
    "imag":        _imag,
    "modulus":     _modulus,
    "absolute":    _modulus,
    "astype":      _astype,
    "variance":    _variance,
    "vector_norm": _norm,
    "prod":        _whole_fold,
    "max":         _whole_fold,
    "min":         _whole_fold,
    "recurrence":  _recurrence,
    "solve":       on_one_dtype,
    "solve_triangular": on_one_dtype,
    "all":         _truths,
    "any":         _truths,
    "matmul":      _product,
    "einsum":      _product,
    "convolve":    _product,
    "argsort":     _order,
    "argpartition": _order,
    "partition_order": _order,
}
# fmt: on
MOVES = ("reshape", "transpose")  # of which libraries read views
