"""Which nodes get memory, and which of these share a loop nest.

Every op whose result some loop can compute on the way is computed there. A node gets
memory if it is an output, if a library or the host needs or makes it, if it is a long
fold, or if computing it again would cost more than reading it.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node
from wengert.native import (
    accumulate,
    arithmetic,
    dense,
    forms,
    routines,
    slice_writes,
)
from wengert.native.dense_emit import Step as LibraryCall
from wengert.native.forms import Fold
from wengert.native.kernel import Kernel, Root
from wengert.ops.index import has_arrays, result_shape

REPEAT = 8  # instructions: dearer values are stored rather than computed twice
DEEP = 150  # operations in a row before one is stored
NESTED = 30  # as many operations count those whose indices would nest in each other
MANY = 6000  # values in one kernel, elements written out counted singly
SPREAD = 32  # elements of trailing axes that are written out
# Layouts that move nothing.
SAME = ("stop_gradient", "positive", "conjugate", "real", "imag", "pair")
SHORT = 4  # an innermost axis up to here makes a poor vector


@dataclass(frozen=True, slots=True)
class Library:
    """A node computed by BLAS, LAPACK or a routine; `results` are its parts.

    `operands` are the nodes whose memory it reads, some of them as views.
    """

    node: Node
    call: LibraryCall
    results: tuple[Node, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """A node computed by its op's `evaluate`, and why."""

    node: Node
    results: tuple[Node, ...]
    why: str


Step = Kernel | Library | Host


class Partition:
    """The steps of a graph, in order."""

    def __init__(self, graph: Graph, keep: Collection[Node] = ()) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.outputs = set(graph.outputs) | set(keep)
        self.users = graph.users()
        self.chained = slice_writes.chained(self.nodes)
        self.kept = slice_writes.before_writes(self.chained, self.users)
        self.parts: dict[Node, tuple[Node, ...]] = {}
        self.calls: dict[Node, LibraryCall] = {}
        self.folds: dict[Node, Fold] = {}
        self.operands: dict[Node, tuple[Node, ...]] = {}  # of the calls
        self.added: dict[Node, Node] = {}  # products that a sum computes
        self.whole: set[Node] = set()  # read as a whole by a library or the host
        self.why: dict[Node, str] = {}  # host calls
        self.inline: set[Node] = set()  # can be computed on the way
        self.movers: set[Node] = set()  # of these, what reads at another index
        self.stored: set[Node] = set()
        self.roots: dict[Node, Root] = {}
        self.sinks: dict[Node, frozenset[Node]] = {}
        self.place: dict[Node, int] = {}  # of a stored node, counted from the end
        self.after: dict[Node, int] = {}  # the places of what needs it, as bits
        self.domains: dict[Node, tuple[int, ...]] = {}
        self.joint: dict[frozenset[Node], bool] = {}
        self.known: set[Any] = set()  # operations on types that loops compute
        self.steps: list[Step] = []
        self._classify()
        self._choose()
        self._group()

    # What each node can be --------------------------------------------------------

    def _classify(self) -> None:
        parts: dict[Node, list[Node]] = {}
        for node in self.nodes:
            if node.op is PART:
                parts.setdefault(node.inputs[0], []).append(node)
        self.parts = {n: tuple(p) for n, p in parts.items()}
        for node in self.nodes:
            if node.op in (INPUT, CONSTANT, PART):
                continue
            self._classify_one(node)
        self._accumulate()

    def _accumulate(self) -> None:
        """Sums of products become products that are added to what is there."""
        found = accumulate.sums(self.nodes, self.calls, self.users, self.outputs)
        for node, (product, base) in found.items():
            if node in self.inline:
                self.calls[node] = accumulate.onto(self.calls.pop(product), node)
                self.operands[node] = (*self.operands.pop(product), base)
                self.whole.add(base)
                self.inline.discard(node)
                self.added[product] = node

    def _classify_one(self, node: Node) -> None:
        key = None if node.params else (node.op, *[i.type for i in node.inputs])
        if key in self.known:
            self.inline.add(node)
            return
        if self._is_native(node):
            name = node.op.name
            if name in forms.LAYOUT or arithmetic.is_elementwise(node):
                self.inline.add(node)
                if name in forms.LAYOUT:
                    self.movers.add(node)
                elif key is not None:
                    self.known.add(key)
                return
            if name in forms.PIECEWISE:
                scatters = "key" in node.params and has_arrays(node.params["key"])
                if not scatters and node not in self.chained:
                    self.inline.add(node)
                    self.movers.add(node)
                return
            fold = forms.fold_of(node)
            if fold is not None and self._folds_better(node, fold):
                self.folds[node] = fold
                if forms.is_small(fold):
                    self.inline.add(node)
                    self.movers.add(node)
                return
        call = self._library(node)
        if call is not None:
            self.calls[node] = call
            self.operands[node] = tuple(viewed(i)[0] for i in node.inputs)
            self.whole.update(self.operands[node])
        elif self._is_native(node) and (fold := forms.fold_of(node)) is not None:
            self.folds[node] = fold
        elif (routine := routines.lower(node)) is not None:
            self.calls[node] = routine
            self.operands[node] = node.inputs
            self.whole.update(node.inputs)
        else:
            self.why[node] = (
                f"no loop form for `{node.op.name}`"
                if self._is_native(node)
                else f"no registers for {', '.join(sorted(self._foreign(node)))}"
            )
            self.whole.update(node.inputs)

    def _foreign(self, node: Node) -> set[str]:
        types = node.type if not isinstance(node.type, Type) else (node.type,)
        every = (*types, *(i.type for i in node.inputs if isinstance(i.type, Type)))
        return {t.dtype.name for t in every if not forms.element_of(t)}

    def _is_native(self, node: Node) -> bool:
        if not isinstance(node.type, Type):
            return False
        return not self._foreign(node) or forms.moves_parts(node)

    def _folds_better(self, node: Node, fold: Fold) -> bool:
        """Whether loops do a product as well as the library."""
        if node.op.name not in ("matmul", "einsum"):
            return True
        if math.prod(fold.extents) <= SHORT or self._library(node) is None:
            return True
        return _outer_size(node) <= SHORT

    def _library(self, node: Node) -> LibraryCall | None:
        if any(not i.type.size for i in node.inputs):
            return None  # no step makes what has no elements
        parts = self.parts.get(node, ())
        strides = [viewed(i)[1] for i in node.inputs]
        if isinstance(node.type, Type):
            return dense.lower(node, strides)
        made = {p.params["index"] for p in parts}
        return dense.lower(
            node, strides, tuple(i in made for i in range(len(node.type)))
        )

    # Which nodes get memory -------------------------------------------------------

    def _choose(self) -> None:
        work, depth = self._work()
        for node in reversed(self.nodes):
            if node.op in (INPUT, CONSTANT):
                continue
            if node.op is PART:
                self._sink(node)
                continue
            if node in self.added:
                self.sinks[node] = frozenset([self.added[node]])
                continue
            users = [u for u in self.users[node] if u.op is not PART]
            for p in self.parts.get(node, ()):
                users += self.users[p]
            below = self._below(node, users)
            if (
                node not in self.inline
                or node in self.outputs
                or node in self.whole
                or any(
                    u not in self.inline and self._needs_memory(u, node) for u in users
                )
                or node in self.kept
                or depth[node] >= DEEP
                or self._is_dear(node, users, below, work[node])
            ):
                self._store(node, below)
            else:
                self.sinks[node] = below

    def _sink(self, part: Node) -> None:
        self.sinks[part] = frozenset([part.inputs[0]])

    def _below(self, node: Node, users: list[Node]) -> frozenset[Node]:
        """The stored nodes that this one is computed for."""
        if len(users) == 1 and users[0] not in self.stored:
            return self.sinks.get(users[0], frozenset())
        found: set[Node] = set()
        for u in users:
            found |= {u} if u in self.stored else self.sinks.get(u, frozenset())
        return frozenset(found)

    def _store(self, node: Node, below: frozenset[Node]) -> None:
        self.stored.add(node)
        self.place[node] = len(self.place)
        later = 0
        for b in below:
            later |= self.after[b] | 1 << self.place[b]
        self.after[node] = later

    def _work(self) -> tuple[dict[Node, int], dict[Node, int]]:
        """Instructions per element if all is computed on the way, and how deep."""
        work: dict[Node, int] = {}
        depth: dict[Node, int] = {}
        for node in self.nodes:
            if node not in self.inline:
                work[node] = depth[node] = 0
                continue
            if node not in self.movers:
                total, deep = arithmetic.cost(node), 0
                for i in node.inputs:
                    total += work[i]
                    if deep < depth[i] < DEEP:
                        deep = depth[i]
                work[node], depth[node] = min(total, 10**6), deep + 1
                continue
            own = 0 if node.op.name in forms.LAYOUT else arithmetic.cost(node)
            if node in self.folds:
                own = 2 * math.prod(self.folds[node].extents)
                own *= 1 + sum(work[i] for i in node.inputs)
            elif node.op.name in forms.PIECEWISE:
                own = 2
            work[node] = min(own + sum(work[i] for i in node.inputs), 10**6)
            above = (depth[i] for i in node.inputs if depth[i] < DEEP)
            depth[node] = max(above, default=0) + (NESTED if self._nests(node) else 1)
        return work, depth

    def _nests(self, node: Node) -> bool:
        """Whether what is above is read at an index that holds the index here."""
        if node.op.name == "index":
            return has_arrays(node.params["key"])
        return node.op.name == "roll" or (
            node.op.name == "reshape" and not _keeps_axes(node)
        )

    def _needs_memory(self, user: Node, node: Node) -> bool:
        """Whether a user that isn't inline reads the whole result."""
        if user in self.calls or user in self.why:
            return False
        is_scatter = user not in self.inline and user not in self.folds
        return is_scatter and (user.inputs[0] is node or node in user.inputs[2:])

    def _is_dear(
        self, node: Node, users: list[Node], below: frozenset[Node], work: int
    ) -> bool:
        """Whether computing it where it's used repeats too much."""
        if work <= 2 or node.type.size <= 1:
            return work > REPEAT and len(below) > 1 and not self._together(below)
        for b in below:
            size = math.prod(self._domain(b))
            wider = size >= 2 * node.type.size and node.shape[-1] != 1
            if wider and not self._is_outer(node, b):
                return True
        if work > REPEAT and len(below) > 1 and not self._together(below):
            return True
        moved = sum(self._moves(u) for u in users)
        return work > 2 * REPEAT and moved >= 1 and len(users) >= 2

    def _is_outer(self, node: Node, below: Node) -> bool:
        """Whether a root's innermost loops don't run over the node's elements twice."""
        domain = self._domain(below)
        mine = tuple(n for n in node.shape if n != 1)
        lead = _without_items(domain)
        return domain[: len(mine)] == mine or mine[: len(lead)] == lead != ()

    def _moves(self, user: Node) -> bool:
        """Whether a user reads elements other than those it makes."""
        if user.op.name in ("flip", "roll"):
            return True
        if user.op.name != "index":
            return False
        key, shape = user.params["key"], user.inputs[0].shape
        if has_arrays(key):
            return bool(user.type.size >= user.inputs[0].type.size)
        axis = 0
        for e in key:
            if e is None:
                continue
            if (
                isinstance(e, slice)
                and len(range(*e.indices(shape[axis]))) < shape[axis]
            ):
                return True
            axis += 1
        return False

    def _together(self, roots: frozenset[Node]) -> bool:
        """Whether one loop nest can compute all of these."""
        found = self.joint.get(roots)
        if found is None:
            found = self.joint[roots] = self._are_joint(roots)
        return found

    def _are_joint(self, roots: frozenset[Node]) -> bool:
        domains = {self._domain(r) for r in roots}
        if len(domains) > 1 and len({_without_items(d) for d in domains}) > 1:
            return False
        if any(r in self.calls or r in self.why for r in roots):
            return False
        # What is computed on the way to another root is no obstacle.
        places = 0
        for r in roots:
            places |= 1 << self.place[r]
        return not any(self.after[r] & places for r in roots if r not in self.inline)

    def _domain(self, root: Node) -> tuple[int, ...]:
        """The axes longer than 1 that a root's loops run over."""
        found = self.domains.get(root)
        if found is None:
            found = self.domains[root] = self._domain_of(root)
        return found

    def _domain_of(self, root: Node) -> tuple[int, ...]:
        if root in self.chained:
            shape = result_shape(root.shape, root.params["key"], [])
            return tuple(n for n in shape if n != 1)
        if root in self.folds:
            fold = self.folds[root]
            sizes = (*root.shape, *fold.extents)
            return tuple(sizes[k] for k in fold.order if sizes[k] != 1)
        if not isinstance(root.type, Type):
            return ()
        return tuple(n for n in root.shape if n != 1)

    # Which stored nodes share loops -----------------------------------------------

    def _group(self) -> None:
        made: dict[Node, int] = {}  # the step that each stored node comes from
        for node in self.nodes:
            if node not in self.stored:
                continue
            if isinstance(node.type, Type) and not node.type.size:
                continue  # no step makes nothing
            if node in self.calls or node in self.why:
                results = self.parts.get(node, (node,))
                step: Step = (
                    Library(node, self.calls[node], results, self.operands[node])
                    if node in self.calls
                    else Host(node, results, self.why[node])
                )
                for r in results:
                    made[r] = len(self.steps)
                self.steps.append(step)
            elif node.type.size:
                self._place(node, made)

    def _place(self, node: Node, made: dict[Node, int]) -> None:
        """Puts a root into the first kernel that has its loops and all it needs."""
        inlined, reads = self._reach(node)
        root = self._root(node, inlined, reads)
        if root.kind == "scatter":
            made[node] = len(self.steps)
            self.steps.append(Kernel(root.loops, [root], inlined, reads))
            return
        first = max((made[r] + 1 for r in reads if r in made), default=0)
        for i in range(len(self.steps) - 1, -1, -1):
            step = self.steps[i]
            again = {r for r in reads if made.get(r) == i}
            fitting = None
            if isinstance(step, Kernel) and step.roots[0].kind != "scatter":
                fitting = self._fitting(root, step, inlined, again)
            if i < first and not (
                self._only_stores(step, reads, made, i, first)
                and self._in_place(fitting or root, inlined, again)
            ):
                break
            if fitting is not None:
                assert isinstance(step, Kernel)
                step.roots.append(fitting)
                step.inlined |= inlined
                step.reads |= reads - again
                made[node] = i
                return
        made[node] = len(self.steps)
        self.steps.append(Kernel(root.loops, [root], inlined, reads))

    def _fitting(
        self, root: Root, kernel: Kernel, inlined: set[Node], again: set[Node]
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
            root = _folded_first(root)
            most = SPREAD if root.fold is None else 2 * SPREAD
            for looped in range(len(root.shape)):
                inner = root.shape[looped:]
                small = max(inner) <= 16 and math.prod(inner) <= most
                other = replace(root, looped=looped, is_flat=False)
                kept = root.fold is None or other.folded_depths()  # a loop to add in
                if small and kept and other.loops == kernel.loops:
                    found = other
        if found is None:
            return None
        frames = len(found.frames(tuple(0 for _ in found.loops)))
        fits = len(kernel.inlined | inlined) * frames <= MANY
        return found if fits else None

    def _only_stores(
        self, step: Step, reads: set[Node], made: dict[Node, int], i: int, first: int
    ) -> bool:
        """Whether step i is the last one needed, and needed for what it computes on
        the way, which the same loops have in registers."""
        if i != first - 1 or not isinstance(step, Kernel):
            return False
        return all(r in step.inlined for r in reads if made.get(r) == i)

    def _in_place(self, root: Root, inlined: set[Node], wanted: set[Node]) -> bool:
        """Whether `root` reads these where its loops are, so that they needn't be
        computed again for another index."""
        if root.node not in self.folds and self.movers.isdisjoint(inlined):
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
            if n not in self.inline or n in self.stored or (n, moved) in seen:
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
        same |= name == "reshape" and _keeps_axes(node)
        moved |= name in forms.PIECEWISE or (name in forms.LAYOUT and not same)
        moved |= node in self.folds and name not in forms.COMBINE
        moved |= node in self.folds and node in self.inline
        return [(i, moved) for i in node.inputs]

    def _reach(self, root: Node) -> tuple[set[Node], set[Node]]:
        """What is computed on the way to a root, and what is read."""
        inlined: set[Node] = set()
        reads: set[Node] = set()
        if root in self.inline:
            inlined.add(root)
        is_scatter = root not in self.inline and root not in self.folds
        todo = list(root.inputs[1:] if is_scatter else root.inputs)
        while todo:
            n = todo.pop()
            if n in inlined or n in reads or n is root:
                continue
            if n in self.inline and n not in self.stored:
                inlined.add(n)
                todo.extend(n.inputs)
            else:
                reads.add(n)
        return inlined, reads

    def _root(self, node: Node, inlined: set[Node], reads: set[Node]) -> Root:
        fold = None if node in self.inline else self.folds.get(node)
        if fold is None and node not in self.inline:
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
        for n in self.movers & inlined:
            if n.op.name in forms.PIECEWISE or n in self.folds:
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
            n in self.folds or n.op.name in ("stack", "concatenate", "diagonal_embed")
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


def _folded_first(root: Root) -> Root:
    """A fold's loops with the folded axes outside, so that the others are items."""
    if root.fold is None:
        return root
    count, order = len(root.node.shape), root.fold.order
    sizes = dict(zip(order, root.shape, strict=True))
    order = (*(k for k in order if k >= count), *(k for k in order if k < count))
    shape = tuple(sizes[k] for k in order)
    return replace(root, shape=shape, fold=root.fold._replace(order=order))


def _without_items(domain: tuple[int, ...]) -> tuple[int, ...]:
    """The leading axes, without trailing ones that can be written out."""
    spread = 1
    while domain and domain[-1] <= 16 and spread * domain[-1] <= SPREAD:
        if math.prod(domain[:-1]) < 2 * domain[-1]:
            break
        spread *= domain[-1]
        domain = domain[:-1]
    return domain


def _outer_size(node: Node) -> int:
    """The elements of a product's result for each of those that both operands share."""
    if node.op.name == "matmul":
        return math.prod(node.shape[-min(2, len(node.shape)) :])
    terms, out = node.params["subscripts"].split("->")
    shared = set.intersection(*(set(t) for t in terms.split(",")))
    return math.prod(n for a, n in zip(out, node.shape, strict=True) if a not in shared)


def viewed(x: Node) -> tuple[Node, tuple[int, ...] | None]:
    """The node whose memory a library reads for `x`, and with which strides.

    Transposes, and reshapes that only split or join axes, are views of what they are
    made from. Strides count elements; None for C order.
    """
    chain = []
    base = x
    while base.op.name in ("transpose", "reshape") and x.type.size:
        chain.append(base)
        (base,) = base.inputs
    view = _imagined(base)
    for node in reversed(chain):
        if node.op.name == "transpose":
            view = view.transpose(node.params["axes"])
        else:
            try:  # to set the shape never copies
                view.shape = node.shape
            except AttributeError:
                base, view = node, _imagined(node)
    if view.flags.c_contiguous:
        return base, None
    return base, tuple(s // view.itemsize for s in view.strides)


def _imagined(node: Node) -> np.ndarray[Any, Any]:
    """An array of the node's shape in C order, whose memory isn't there."""
    shape = node.shape if isinstance(node.type, Type) else ()
    steps, step = [], 8
    for n in reversed(shape):
        steps.append(step)
        step *= n
    return np.lib.stride_tricks.as_strided(
        np.empty(1), shape, tuple(reversed(steps)), writeable=False
    )


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


def _keeps_axes(node: Node) -> bool:
    """Whether a reshape only adds or drops axes of length 1."""
    (x,) = node.inputs
    return [n for n in node.shape if n != 1] == [n for n in x.shape if n != 1]


def _named(key: tuple[object, ...]) -> int:
    return sum(e is not None for e in key)
