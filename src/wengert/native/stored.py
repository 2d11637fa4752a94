"""Which nodes get memory: outputs, what libraries and the host need, what is dear.

A node is also stored if it is a long fold, or if computing it again would cost more
than reading it.
"""

import math
from collections.abc import Collection

from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, INPUT, PART, Node
from wengert.native import arithmetic, forms, slice_writes
from wengert.native.kinds import Kinds
from wengert.native.roots import SPREAD, keeps_axes
from wengert.ops.index import has_arrays, result_shape

REPEAT = 8  # instructions: dearer values are stored rather than computed twice
DEEP = 150  # operations in a row before one is stored
LANES = 4  # terms of a fold, from which on a loop has a vector of them
WORTH_A_LOOP = 150  # instructions that a fold takes written out
NESTED = 30  # as many operations count those whose indices would nest in each other


class Stored:
    """The nodes of a graph that get memory.

    Args:
        kinds: what each node can be.
        outputs: what is read after the graph.
    """

    def __init__(self, kinds: Kinds, outputs: Collection[Node]) -> None:
        self.kinds = kinds
        self.outputs = outputs
        self.kept = slice_writes.before_writes(kinds.chained, kinds.users)
        self.stored: set[Node] = set()
        self.sinks: dict[Node, frozenset[Node]] = {}
        self.place: dict[Node, int] = {}  # of a stored node, counted from the end
        self.after: dict[Node, int] = {}  # the places of what needs it, as bits
        self.domains: dict[Node, tuple[int, ...]] = {}
        self.joint: dict[frozenset[Node], bool] = {}
        self._choose()

    def _choose(self) -> None:
        work, depth = self._work()
        self._loop_dear_folds(work)
        for node in reversed(self.kinds.nodes):
            if node.op in (INPUT, CONSTANT):
                continue
            if node.op is PART:
                self._sink(node)
                continue
            if node in self.kinds.added:
                self.sinks[node] = frozenset([self.kinds.added[node]])
                continue
            users = [u for u in self.kinds.users[node] if u.op is not PART]
            for p in self.kinds.parts.get(node, ()):
                users += self.kinds.users[p]
            below = self._below(node, users)
            if (
                node not in self.kinds.inline
                or node in self.outputs
                or node in self.kinds.whole
                or any(
                    u not in self.kinds.inline and self._needs_memory(u, node)
                    for u in users
                )
                or node in self.kept
                or depth[node] >= DEEP
                or self._is_dear(node, users, below, work[node])
            ):
                self._store(node, below)
            else:
                self.sinks[node] = below

    def _loop_dear_folds(self, work: dict[Node, int]) -> None:
        """Short folds of all there is, whose terms are dear, are loops after all.

        Written out, their terms would be computed one by one: there is no other loop
        to make vectors of.
        """
        for node, fold in self.kinds.folds.items():
            is_all = node in self.kinds.inline and node.type.size == 1
            is_vector = math.prod(fold.extents) >= LANES
            if is_all and is_vector and work[node] > WORTH_A_LOOP:
                self.kinds.inline.discard(node)

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
        for node in self.kinds.nodes:
            if node not in self.kinds.inline:
                work[node] = depth[node] = 0
                continue
            if node not in self.kinds.movers:
                total, deep = arithmetic.cost(node), 0
                for i in node.inputs:
                    total += work[i]
                    if deep < depth[i] < DEEP:
                        deep = depth[i]
                work[node], depth[node] = min(total, 10**6), deep + 1
                continue
            own = 0 if node.op.name in forms.LAYOUT else arithmetic.cost(node)
            if node in self.kinds.folds:
                own = 2 * math.prod(self.kinds.folds[node].extents)
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
            node.op.name == "reshape" and not keeps_axes(node)
        )

    def _needs_memory(self, user: Node, node: Node) -> bool:
        """Whether a user that isn't inline reads the whole result."""
        if user in self.kinds.calls or user in self.kinds.why:
            return False
        is_scatter = user not in self.kinds.inline and user not in self.kinds.folds
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
        if any(r in self.kinds.calls or r in self.kinds.why for r in roots):
            return False
        # What is computed on the way to another root is no obstacle.
        places = 0
        for r in roots:
            places |= 1 << self.place[r]
        return not any(
            self.after[r] & places for r in roots if r not in self.kinds.inline
        )

    def _domain(self, root: Node) -> tuple[int, ...]:
        """The axes longer than 1 that a root's loops run over."""
        found = self.domains.get(root)
        if found is None:
            found = self.domains[root] = self._domain_of(root)
        return found

    def _domain_of(self, root: Node) -> tuple[int, ...]:
        if root in self.kinds.chained:
            shape = result_shape(root.shape, root.params["key"], [])
            return tuple(n for n in shape if n != 1)
        if root in self.kinds.folds:
            fold = self.kinds.folds[root]
            sizes = (*root.shape, *fold.extents)
            return tuple(sizes[k] for k in fold.order if sizes[k] != 1)
        if not isinstance(root.type, Type):
            return ()
        return tuple(n for n in root.shape if n != 1)


def _without_items(domain: tuple[int, ...]) -> tuple[int, ...]:
    """The leading axes, without trailing ones that can be written out."""
    spread = 1
    while domain and domain[-1] <= 16 and spread * domain[-1] <= SPREAD:
        if math.prod(domain[:-1]) < 2 * domain[-1]:
            break
        spread *= domain[-1]
        domain = domain[:-1]
    return domain
