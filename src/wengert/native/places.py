"""Whether a root reads what a loop has at hand: at the loop's index, or elsewhere."""

from collections.abc import Collection

from wengert.graph.graph import Node
from wengert.native import arithmetic, forms
from wengert.native.kernel import Root
from wengert.native.kinds import Kinds
from wengert.native.roots import keeps_axes
from wengert.ops.index import has_arrays


class Places:
    """Where nodes are read."""

    def __init__(self, kinds: Kinds, stored: Collection[Node]) -> None:
        self.kinds = kinds
        self.stored = stored

    def are_the_same(self, root: Root, inlined: set[Node], wanted: set[Node]) -> bool:
        """Whether `root` reads these where its loops are, so that they needn't be
        computed again for another index."""
        if root.node not in self.kinds.folds and self.kinds.movers.isdisjoint(inlined):
            return True
        items = len(root.loops) == 1 and root.looped == 1 and not root.is_flat
        todo = self._read_from(root.node, False, items)
        if items and _sums_items(root.node):
            todo = [(i, False) for i in root.node.inputs]
        seen: set[tuple[Node, bool]] = set()
        while todo:
            n, moved = todo.pop()
            if moved and n in wanted:
                return False
            if n not in self.kinds.inline or n in self.stored or (n, moved) in seen:
                continue
            seen.add((n, moved))
            todo.extend(self._read_from(n, moved, items))
        return True

    def _read_from(
        self, node: Node, moved: bool, items: bool
    ) -> list[tuple[Node, bool]]:
        """A node's inputs, and whether they are read at another index.

        Where the loop is over items, only another item is another index.
        """
        name = node.op.name
        if name in arithmetic.CHEAP or (items and _keeps_items(node)):
            return [(i, moved) for i in node.inputs]
        if name in ("index_set", "index_add"):
            base, *others = node.inputs
            return [(base, moved), *((i, True) for i in others)]
        same = name in ("broadcast_to", "stop_gradient", "positive")
        same |= name in ("conjugate", "real", "imag", "pair")
        same |= name == "reshape" and keeps_axes(node)
        moved |= name in forms.PIECEWISE or (name in forms.LAYOUT and not same)
        moved |= node in self.kinds.folds and name not in forms.COMBINE
        moved |= node in self.kinds.folds and node in self.kinds.inline
        return [(i, moved) for i in node.inputs]


def _keeps_items(node: Node) -> bool:
    """Whether each item of the result, along axis 0, comes from the operands' same."""
    name, params, shape = node.op.name, node.params, node.shape
    rows = [i.shape[:1] for i in node.inputs if len(i.shape) == len(shape) or i.shape]
    if not shape or any(r not in (shape[:1], (1,)) for r in rows):
        return False
    if name in ("index", "index_set", "index_add"):
        key = params["key"]
        whole = isinstance(key[0], slice) and key[0].indices(shape[0])
        return not has_arrays(key) and whole == (0, shape[0], 1)
    if name == "transpose":
        return bool(params["axes"][0] == 0)
    if name in ("concatenate", "stack"):
        return bool(params["axis"] != 0)
    if name in ("flip", "roll", "sum", "prod", "max", "min", "all", "any"):
        return 0 not in params["axis"]
    if name in ("diagonal", "diagonal_embed"):
        return 0 not in params["axes"]
    if name == "matmul":
        return all(len(i.shape) > 2 for i in node.inputs)
    if name == "einsum":
        inputs, out = params["subscripts"].split("->")
        first = out[:1]
        return all(t[:1] == first and first not in t[1:] for t in inputs.split(","))
    return name == "reshape" or name not in forms.LAYOUT | forms.PIECEWISE


def _sums_items(node: Node) -> bool:
    """Whether a product is summed over axis 0 of both operands."""
    if node.op.name != "einsum":
        return False
    inputs, out = node.params["subscripts"].split("->")
    first = inputs[:1]
    return all(t[:1] == first and first not in t[1:] for t in inputs.split(",")) and (
        first not in out
    )
