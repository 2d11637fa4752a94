"""The steps of a graph: which nodes get memory, and which of these share a loop nest.

`kinds` says what each node can be, `stored` which get memory, `roots` with which loops
each of these is computed; here they are put together into kernels.
"""

import math
from collections.abc import Collection
from dataclasses import replace

from wengert.core.types import Type
from wengert.graph.graph import Graph, Node
from wengert.native import arithmetic, forms
from wengert.native.kernel import SPLITS, Kernel, Root, ends_inside
from wengert.native.kinds import SHORT, Kinds, viewed
from wengert.native.places import Places
from wengert.native.roots import MANY, SPREAD, Roots, folded_first
from wengert.native.steps import Host, Library, Step
from wengert.native.stored import REPEAT, Stored

FEW = 600  # values in one kernel, where roots share little of them
LARGE = 1 << 14  # bytes that are worth reading once rather than twice
LONG = 10_000  # elements from which on a root may join loops a little longer than its


class Partition:
    """The steps of a graph, in order."""

    def __init__(self, graph: Graph, keep: Collection[Node] = ()) -> None:
        outputs = set(graph.outputs) | set(keep)
        self.nodes = graph.nodes
        self.kinds = Kinds(graph, outputs)
        self.stored = Stored(self.kinds, outputs).stored
        self.roots = Roots(self.kinds, self.stored)
        self.places = Places(self.kinds, self.stored)
        self.steps: list[Step] = []
        self._group()

    def _group(self) -> None:
        made: dict[Node, int] = {}  # the step that each stored node comes from
        for node in self.nodes:
            if node not in self.stored:
                continue
            if isinstance(node.type, Type) and not node.type.size:
                continue  # no step makes nothing
            if node in self.kinds.calls or node in self.kinds.why:
                results = self.kinds.parts.get(node, (node,))
                step: Step = (
                    Library(
                        node, self.kinds.calls[node], results, self.kinds.operands[node]
                    )
                    if node in self.kinds.calls
                    else Host(node, results, self.kinds.why[node])
                )
                for r in results:
                    made[r] = len(self.steps)
                self.steps.append(step)
            elif node.type.size:
                self._place(node, made)

    def _place(self, node: Node, made: dict[Node, int]) -> None:
        """Puts a root into the first kernel that has its loops and all it needs."""
        inlined, reads = self.roots.reach(node)
        root = self.roots.root(node, inlined, reads)
        if root.kind == "scatter":
            made[node] = len(self.steps)
            self.steps.append(Kernel(root.loops, [root], inlined, reads))
            return
        first = max((made[r] + 1 for r in reads if r in made), default=0)
        beside = -1  # the last kernel whose loops are nearly the root's
        for i in range(len(self.steps) - 1, -1, -1):
            step = self.steps[i]
            again = {r for r in reads if made.get(r) == i}
            fitting = None
            if isinstance(step, Kernel) and step.roots[0].kind != "scatter":
                fitting = self._fitting(root, step, inlined, reads, again)
                if i >= first and beside < 0 and self._nearly(root, step, reads):
                    beside = i
            if i < first and not (
                self._only_stores(step, reads, made, i, first)
                and self.places.are_the_same(fitting or root, inlined, again)
            ):
                break
            if fitting is not None:
                assert isinstance(step, Kernel)
                step.join(fitting, inlined, reads - again)
                made[node] = i
                return
        if beside >= 0:
            step = self.steps[beside]
            assert isinstance(step, Kernel)
            if self._fits(root, step, inlined, reads, again=set()):
                step.join(root, inlined, reads)
                made[node] = beside
                return
        made[node] = len(self.steps)
        self.steps.append(Kernel(root.loops, [root], inlined, reads))

    def _fitting(
        self,
        root: Root,
        kernel: Kernel,
        inlined: set[Node],
        reads: set[Node],
        again: set[Node],
    ) -> Root | None:
        """The root as one with the kernel's loops, if it has such a form.

        Trailing axes are written out for that if much of the work is shared, or if it
        reads `again` what the kernel computes.
        """
        found = root if root.loops == kernel.loops else None
        if found is None:
            by_item = any(r.looped < len(r.shape) for r in kernel.roots)
            shared = sum(map(arithmetic.cost, inlined & kernel.inlined))
            if (shared <= REPEAT and not again) or not by_item:
                return None
            root = folded_first(root)
            most = SPREAD if root.fold is None else 2 * SPREAD
            for looped in range(len(root.shape)):
                inner = root.shape[looped:]
                small = max(inner) <= 16 and math.prod(inner) <= most
                other = replace(root, looped=looped, is_flat=False)
                kept = root.fold is None or other.folded_depths()  # a loop to add in
                if small and kept and other.loops == kernel.loops:
                    found = other
        if found is None or not self._fits(found, kernel, inlined, reads, again):
            return None
        return found

    def _fits(
        self,
        root: Root,
        kernel: Kernel,
        inlined: set[Node],
        reads: set[Node],
        again: set[Node],
    ) -> bool:
        """Whether a kernel stays short enough with the root.

        LLVM's time grows faster than the length of a function, so a long one must be
        worth it: by values that it needn't compute twice, or memory it reads once.
        """
        frames = len(root.frames(tuple(0 for _ in root.loops)))
        count = (len(kernel.inlined) + len(inlined - kernel.inlined)) * frames
        if count <= FEW:
            return True
        if count > MANY:
            return False
        work, shared = _work(inlined), _work(inlined & kernel.inlined)
        return bool(again) or shared * 4 >= work > 0 or _share_memory(kernel, reads)

    def _nearly(self, root: Root, kernel: Kernel, reads: set[Node]) -> bool:
        """Whether the root, or the kernel, may do with a part of the other's loops.

        Neighbours' differences and their gradients are such: x[i + 1] − x[i] is one
        shorter than x. Not beside products: blocks of rows want all rows of all roots.
        """
        longer = max(root.loops, kernel.loops)
        if self.kinds.calls or math.prod(longer) < LONG:
            return False
        if len(root.loops) != len(kernel.loops) or root.loops == kernel.loops:
            return False
        both = tuple(zip(root.loops, kernel.loops, strict=True))
        is_part = all(a <= b for a, b in both) or all(a >= b for a, b in both)
        if not is_part or any(8 * min(p) < 7 * max(p) for p in both):
            return False
        if not _share_memory(kernel, reads):
            return False
        edges = ends_inside([*kernel.roots, root], longer)
        return math.prod(len(e) + 1 for e in edges) <= SPLITS

    def _only_stores(
        self, step: Step, reads: set[Node], made: dict[Node, int], i: int, first: int
    ) -> bool:
        """Whether step i is the last one needed, and needed for what it computes on
        the way, which the same loops have in registers."""
        if i != first - 1 or not isinstance(step, Kernel):
            return False
        return all(r in step.inlined for r in reads if made.get(r) == i)


def _share_memory(kernel: Kernel, reads: set[Node]) -> bool:
    """Whether much of what a root reads is what the kernel reads, and large."""
    shared = _bytes(reads & kernel.reads)
    return shared >= LARGE and 2 * shared >= min(_bytes(reads), _bytes(kernel.reads))


def _work(nodes: set[Node]) -> int:
    """Instructions of an element; to read it at another index takes none."""
    return sum(arithmetic.cost(n) for n in nodes if n.op.name not in forms.LAYOUT)


def _bytes(nodes: set[Node]) -> int:
    types = (n.type for n in nodes)
    return sum(t.size * t.dtype.itemsize for t in types if isinstance(t, Type))


__all__ = ["SHORT", "Host", "Library", "Partition", "Step", "viewed"]
