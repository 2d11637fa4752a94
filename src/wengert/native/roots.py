"""How a stored node is computed: what on the way, with which loops, in which order."""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from wengert.graph.graph import Node
from wengert.native import forms
from wengert.native.forms import Fold
from wengert.native.kernel import Root
from wengert.native.kinds import SHORT, Kinds
from wengert.ops.index import result_shape

MANY = 6000  # values in one kernel, elements written out counted singly
SPREAD = 32  # elements of trailing axes that are written out
# Layouts that move nothing.
SAME = ("stop_gradient", "positive", "conjugate", "real", "imag", "pair")


class Roots:
    """The roots of kernels, one for each stored node that loops compute."""

    def __init__(self, kinds: Kinds, stored: Collection[Node]) -> None:
        self.kinds = kinds
        self.stored = stored

    def reach(self, root: Node) -> tuple[set[Node], set[Node]]:
        """What is computed on the way to a root, and what is read."""
        inlined: set[Node] = set()
        reads: set[Node] = set()
        if root in self.kinds.inline:
            inlined.add(root)
        is_scatter = root not in self.kinds.inline and root not in self.kinds.folds
        todo = list(root.inputs[1:] if is_scatter else root.inputs)
        while todo:
            n = todo.pop()
            if n in inlined or n in reads or n is root:
                continue
            if n in self.kinds.inline and n not in self.stored:
                inlined.add(n)
                todo.extend(n.inputs)
            else:
                reads.add(n)
        return inlined, reads

    def root(self, node: Node, inlined: set[Node], reads: set[Node]) -> Root:
        """A stored node as a root: its domain in loop order, and how much is loops."""
        fold = None if node in self.kinds.inline else self.kinds.folds.get(node)
        if fold is None and node not in self.kinds.inline:
            x, _, *arrays = node.inputs
            shape = result_shape(x.shape, node.params["key"], [a.shape for a in arrays])
            extra = node.inputs[0].shape[_named(node.params["key"]) :]
            shape = shape if len(shape) or not extra else extra
            return Root(node, "scatter", shape, len(shape))
        sizes = node.shape if fold is None else (*node.shape, *fold.extents)
        kind: Literal["store", "fold"] = "store" if fold is None else "fold"
        if fold is not None:
            fold = fold._replace(order=self._order(node, fold))
            sizes = tuple(sizes[k] for k in fold.order)
        if self._is_flat(node, fold, inlined, reads):
            return Root(node, kind, sizes, len(sizes), fold, True)
        looped = self._looped(sizes, inlined, node)
        if fold is not None:  # one of the folded axes is a loop, which keeps the total
            count = len(node.shape)
            folded = [i for i, k in enumerate(fold.order) if k >= count]
            first = min((i for i in folded if sizes[i] != 1), default=-1)
            looped = max(looped, first + 1)
        return Root(node, kind, sizes, looped, fold)

    def _order(self, node: Node, fold: Fold) -> tuple[int, ...]:
        """The axes of a fold's domain with the best one for vectors innermost.

        For a product that is the axis that most of what is read has as its last.
        """
        if node.op.name not in ("matmul", "einsum"):
            return fold.order
        count = len(fold.order)
        place = tuple(range(count))  # as marks, to see where each axis is read
        reads = fold.reads(place[: len(node.shape)], place[len(node.shape) :])
        score = [0] * count
        for x, at in reads:
            if at and isinstance(at[-1], int) and x.shape[-1] > 1:
                score[at[-1]] += x.type.size
        if node.shape:
            score[len(node.shape) - 1] += node.type.size
        best = max(range(count), key=lambda k: (score[k], k))
        return (*(k for k in fold.order if k != best), best)

    def _is_flat(
        self, node: Node, fold: Fold | None, inlined: set[Node], reads: set[Node]
    ) -> bool:
        """Whether all is one long row: everything of one shape, or one number."""
        shape = node.shape
        if fold is not None:
            (x, *others) = node.inputs
            if others or len(fold.extents) != sum(1 for _ in x.shape):
                return False
            if node.type.size != 1:
                return False
            shape = x.shape
        for n in self.kinds.movers & inlined:
            if n.op.name in forms.PIECEWISE or n in self.kinds.folds:
                return False
            of_one = n.op.name == "broadcast_to" and n.inputs[0].type.size == 1
            if n.op.name in forms.LAYOUT and n.op.name not in SAME and not of_one:
                return False
        for n in inlined | reads:
            other = n.type.shape != shape and n.type.size != 1
            if other and (fold is None or n is not node):
                return False
        return True

    def _looped(self, sizes: tuple[int, ...], inlined: set[Node], node: Node) -> int:
        """How many of the leading axes are loops; the rest are written out."""
        looped = len(sizes)
        spread = 1
        by_item = any(
            n in self.kinds.folds
            or n.op.name in ("stack", "concatenate", "diagonal_embed")
            for n in inlined
        )
        longest = 16 if by_item else SHORT
        while looped:
            n = sizes[looped - 1]
            rest = math.prod(sizes[: looped - 1])
            enough = rest >= 2 * n or math.prod(sizes) <= 16
            if n > longest or spread * n > SPREAD or not enough:
                break
            if spread * n * max(len(inlined), 1) > MANY:
                break
            spread *= n
            looped -= 1
        return looped


def folded_first(root: Root) -> Root:
    """A fold's loops with the folded axes outside, so that the others are items."""
    if root.fold is None:
        return root
    count, order = len(root.node.shape), root.fold.order
    sizes = dict(zip(order, root.shape, strict=True))
    order = (*(k for k in order if k >= count), *(k for k in order if k < count))
    shape = tuple(sizes[k] for k in order)
    return replace(root, shape=shape, fold=root.fold._replace(order=order))


def keeps_axes(node: Node) -> bool:
    """Whether a reshape only adds or drops axes of length 1."""
    (x,) = node.inputs
    return [n for n in node.shape if n != 1] == [n for n in x.shape if n != 1]


def _named(key: tuple[object, ...]) -> int:
    return sum(e is not None for e in key)
