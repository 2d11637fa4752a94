"""Kernels seen by rows: whether each row of what they make needs the same rows only.

A row is what an array has at one index of its first axis. The indices at which a kernel
reads are looked at with variables in place of numbers, as when its code is written.
"""

from collections.abc import Collection
from dataclasses import replace

from wengert.graph.graph import Node
from wengert.native import forms
from wengert.native.codegen import looked_atoms
from wengert.native.combine import fold_how, identity
from wengert.native.forms import Place, Read
from wengert.native.index import At, Var, index_of
from wengert.native.kernel import Kernel, Root

FOLDED = 100  # depths of variables for folds within an element: beyond all loops


def row_axis(root: Root) -> int | None:
    """Which axis of a root's domain its outermost loop runs along, if it is one."""
    count = len(root.node.shape)
    order = range(len(root.shape)) if root.fold is None else root.fold.order
    long = [k for k, n in zip(order, root.shape, strict=True) if n != 1]
    if not long or (root.is_flat and len(long) > 1) or root.looped == 0:
        return None
    if 0 < long[0] < count:
        return None  # its rows aren't rows of the result
    return long[0]


def reads_by_row(kernel: Kernel, made: Collection[Node]) -> bool:
    """Whether of what is `made` by rows each row needs the same row only."""
    nodes = {n.number: n for n in (*kernel.inlined, *kernel.reads)}
    for root in kernel.roots:
        todo, here = _domain(root)
        seen: set[Read] = set()
        while todo:
            read = todo.pop()
            if read in seen:
                continue
            seen.add(read)
            node, at = read
            if node in made and (not at or at[0] != here):
                return False
            todo += [(nodes[a.node], a.at) for a in looked_atoms(at)]
            if node in kernel.inlined:
                todo += _needs(node, at)
    return True


def _domain(root: Root) -> tuple[list[Read], At]:
    """What a root reads for one point of its domain, and the row that this is in."""
    row = row_axis(root)
    assert row is not None
    sizes = dict(enumerate(root.shape))
    if root.fold is not None:
        sizes = dict(zip(root.fold.order, root.shape, strict=True))
    where = [index_of(Var(k + 1, 0, sizes[k])) for k in range(len(sizes))]
    count = len(root.node.shape)
    if root.fold is None:
        return _needs(root.node, tuple(where)), where[row]
    return root.fold.reads(tuple(where[:count]), tuple(where[count:])), where[row]


def _needs(node: Node, at: Place) -> list[Read]:
    """The elements that one element is made of."""
    name = node.op.name
    if name in forms.LAYOUT:
        return [forms.LAYOUT[name](node, at)]
    if name in forms.PIECEWISE:
        return [p.read for p in forms.PIECEWISE[name](node, at) if p.read is not None]
    fold = forms.fold_of(node)
    if fold is not None:
        along = tuple(
            index_of(Var(FOLDED + k, 0, n)) for k, n in enumerate(fold.extents)
        )
        return fold.reads(at, along)
    return [(x, forms.at_operand(x, at, node.shape)) for x in node.inputs]


def in_rows(kernel: Kernel) -> Kernel:
    """A kernel of one long row as one with a loop for each axis."""
    if not any(r.is_flat for r in kernel.roots):
        return kernel
    roots = [replace(r, is_flat=False, looped=len(r.shape)) for r in kernel.roots]
    loops = {r.loops for r in roots}
    if len(loops) > 1 or len(roots[0].loops) < 2:
        return kernel
    return Kernel(loops.pop(), roots, kernel.inlined, kernel.reads)


def is_sum(root: Root) -> bool:
    """Whether a root is folded over the rows."""
    return 1 in root.folded_depths()


def starts_at_zero(root: Root) -> bool:
    """Whether zero is what a result starts with, if it is added to in memory."""
    if not is_sum(root) and not piecemeal(root):
        return True
    return bool(identity(fold_how(root.node), root.node.dtype) == 0)


def piecemeal(root: Root) -> bool:
    """Whether a fold is added up in memory: a loop inside of a folded one isn't."""
    folded = root.folded_depths()
    depth = len(root.loops)
    while depth in folded:
        depth -= 1
    return any(d < depth for d in folded)


__all__ = [
    "in_rows", "is_sum", "piecemeal", "reads_by_row", "row_axis", "starts_at_zero",
]  # fmt: skip
