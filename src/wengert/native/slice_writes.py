"""Long chains of writes into slices of one array, which are done in place.

`y[a:b] = v` computed element by element asks of each whether it is inside, which is
free for a few writes: loops are split there. Of a loop with a hundred writes each one
would cost a pass over all of `y`. As writes into `y`'s memory they cost their slices.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from wengert.graph.graph import CONSTANT, INPUT, Graph, Node
from wengert.ops.index import has_arrays, result_shape

LONG = 12  # writes, from which on loops split at each of them would be too many
SMALLER = 8  # times smaller a slice is than the array
LARGE = 4096  # bytes, below which arrays stay in registers


def prepared(graph: Graph) -> Graph:
    """The graph in a form in which such chains are found, and can be in place."""
    return _reads_first(_joined(graph))


# Derivatives of such loops add up padded slices: those become writes too -------------


def _joined(graph: Graph) -> Graph:
    """The graph with long sums of padded slices as writes: x + pad(v) as x[key] += v.

    A write of zeros and then of v at the same place is one of v.
    """
    if sum(n.op.name == "index_add" for n in graph.nodes) < LONG:
        return graph
    alone = {n for n, by in graph.users().items() if len(by) == 1}
    alone -= set(graph.outputs)
    zeros = {n for n in graph.nodes if n.op is CONSTANT and _is_zero(n)}
    sums = {n: p for n in graph.nodes if (p := _padded(n, alone, zeros)) is not None}
    if len(sums) < LONG:
        return graph
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        if node.op is INPUT:
            new[node] = node
            continue
        inputs = tuple(new[i] for i in node.inputs)
        if node not in sums:
            new[node] = node.with_inputs(inputs)
            continue
        pad = sums[node]
        (x,) = (i for i in node.inputs if i is not pad)
        v = new[pad.inputs[1]]
        is_cleared = x in alone and _clears(x, pad, zeros)
        new[node] = _written(new[x], v) if is_cleared else pad.with_inputs((new[x], v))
    outputs = tuple(new[o] for o in graph.outputs)
    return Graph(graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, ())


def _clears(x: Node, pad: Node, zeros: Collection[Node]) -> bool:
    """Whether x is an array with zeros just written to where the slice is."""
    is_write = x.op.name == "index_set" and x.inputs[1] in zeros
    return is_write and bool(x.params["key"] == pad.params["key"])


def _written(cleared: Node, v: Node) -> Node:
    """The write of zeros as one of v; nothing, if that is what was there."""
    base = cleared.inputs[0]
    is_there = v.op.name == "index" and v.inputs == (base,)
    if is_there and v.params["key"] == cleared.params["key"]:
        return base
    return cleared.with_inputs((base, v))


def _padded(
    node: Node, alone: Collection[Node], zeros: Collection[Node]
) -> Node | None:
    """The operand of a sum that is a small slice amid zeros, used there only."""
    if node.op.name != "add" or node.inputs[0] is node.inputs[1]:
        return None
    for pad, other in (node.inputs, node.inputs[::-1]):
        small = pad in alone and pad.op.name == "index_add" and _writes_slice(pad)
        if small and pad.inputs[0] in zeros and other.type == pad.type == node.type:
            return pad
    return None


def _is_zero(node: Node) -> bool:
    """Whether a constant is zero throughout."""
    return node.op is CONSTANT and not np.any(node.params["value"])


# What is read of an array, is read before the next write ------------------------------


def _reads_first(graph: Graph) -> Graph:
    """The graph with slices of arrays that are written into taken at once."""
    writes = {w.inputs[0]: w for w in chained(graph.nodes)}
    early: dict[Node, list[Node]] = {}
    for n in graph.nodes:
        if n.op.name == "index" and n.inputs[0] in writes and _is_slice(n):
            early.setdefault(n.inputs[0], []).append(n)
    if not any(r.number > writes[x].number for x, by in early.items() for r in by):
        return graph
    new: dict[Node, Node] = {}
    todo = list(reversed(graph.nodes))
    while todo:
        n = todo.pop()
        if n in new:
            continue
        inputs = tuple(new[i] for i in n.inputs)
        new[n] = n if n.op in (INPUT, CONSTANT) else _again(n, inputs)
        todo.extend(reversed(early.get(n, [])))
    outputs = tuple(new[o] for o in graph.outputs)
    return Graph(graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, ())


def _again(n: Node, inputs: tuple[Node, ...]) -> Node:
    """The same step, later."""
    return Node(n.op, inputs, n.params, n.type, n.source, n.name, n.scope)


def _is_slice(node: Node) -> bool:
    """Whether an indexing takes little of an array, of places that are known."""
    small = SMALLER * node.type.size <= node.inputs[0].type.size
    return small and not has_arrays(node.params["key"])


# Which writes -------------------------------------------------------------------------


def chained(nodes: Sequence[Node]) -> set[Node]:
    """The writes, of a graph's nodes in order, that are links of long chains."""
    length: dict[Node, int] = {}
    for n in nodes:
        if _writes_slice(n):
            length[n] = 1 + length.get(n.inputs[0], 0)
    found: set[Node] = set()
    for n in reversed(nodes):
        if length.get(n, 0) >= LONG and n not in found:
            while n in length:
                found.add(n)
                n = n.inputs[0]
    return found


def _writes_slice(node: Node) -> bool:
    if node.op.name not in ("index_set", "index_add"):
        return False
    key = node.params["key"]
    if has_arrays(key) or node.dtype.kind not in "fiu":
        return False
    written = math.prod(result_shape(node.shape, key, []))
    large = node.type.size * node.dtype.itemsize >= LARGE
    same = node.inputs[0].dtype == node.dtype
    return large and same and SMALLER * written <= node.type.size


def before_writes(
    chain: Collection[Node], users: Mapping[Node, Collection[Node]]
) -> set[Node]:
    """What is made of an array's elements before the next write into it, and used
    later too: it is kept, so that the array needn't be."""
    found: set[Node] = set()
    for write in chain:
        base, value = write.inputs[:2]
        way = _between(base, value)
        slices = {u for u in users[base] if u.op.name == "index" and _is_slice(u)}
        for n in way | slices:
            if any(u is not write and u not in way for u in users[n]):
                found.add(n)
    return found


def _between(base: Node, value: Node) -> set[Node]:
    """The nodes that depend on `base` and that `value` depends on."""
    seen: dict[int, Node] = {}
    todo = [value]
    while todo:
        n = todo.pop()
        if n.number > base.number and n.number not in seen:
            seen[n.number] = n
            todo.extend(n.inputs)
    way: set[Node] = set()
    for _, n in sorted(seen.items()):
        if any(i is base or i in way for i in n.inputs):
            way.add(n)
    return way


__all__ = ["before_writes", "chained"]
