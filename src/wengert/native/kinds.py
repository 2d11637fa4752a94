"""What each node can be: computed on the way, a fold, a library's or the host's.

Every op whose result some loop can compute on the way is computed there.
"""

import math
from collections.abc import Collection
from typing import Any

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
from wengert.ops.index import has_arrays

SHORT = 4  # an innermost axis up to here makes a poor vector


# What loops hold as two real numbers.
_IN_PARTS = {"complex64", "complex128"}


class Kinds:
    """What each node of a graph can be.

    Args:
        graph: the graph.
        outputs: what is read after it.
    """

    def __init__(self, graph: Graph, outputs: Collection[Node]) -> None:
        self.nodes = graph.nodes
        self.outputs = outputs
        self.users = graph.users()
        self.chained = slice_writes.chained(self.nodes)
        self.parts: dict[Node, tuple[Node, ...]] = {}
        self.calls: dict[Node, LibraryCall] = {}
        self.folds: dict[Node, Fold] = {}
        self.operands: dict[Node, tuple[Node, ...]] = {}  # of the calls
        self.added: dict[Node, Node] = {}  # products that a sum computes
        self.whole: set[Node] = set()  # read as a whole by a library or the host
        self.why: dict[Node, str] = {}  # host calls
        self.inline: set[Node] = set()  # can be computed on the way
        self.movers: set[Node] = set()  # of these, what reads at another index
        self.known: set[Any] = set()  # operations on types that loops compute
        self._classify()

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
                f"no registers for {foreign}"
                if (foreign := ", ".join(sorted(self._foreign(node) - _IN_PARTS)))
                else f"no loop form for `{node.op.name}`"
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
