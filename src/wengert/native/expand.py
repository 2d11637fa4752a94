"""Ops with a definition in simpler ones that loops compute better than the host."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.types import Array, Type, is_inexact
from wengert.graph.graph import INPUT, Graph, Node
from wengert.graph.stage import trace
from wengert.native.forms import UNROLL


def _logsumexp(x: Array, *, axis: Any, keepdims: bool) -> Array:
    """log Σ exp(x) by the greatest element, which is taken out if it is finite."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.sum(np.exp(x - top), axis=axis, keepdims=keepdims)
    return np.log(total) + (top if keepdims else np.squeeze(top, axis))


def _variance(x: Array, *, axis: Any, ddof: float, keepdims: bool) -> Array:
    count = 1
    for a in axis:
        count *= x.shape[a]
    mean = np.sum(x, axis=axis, keepdims=True) / count
    off = x - mean
    return np.sum(off * off, axis=axis, keepdims=keepdims) / max(count - ddof, 0)


def _norm(x: Array, *, ord: float, axis: Any, keepdims: bool) -> Array:
    """√Σx², of elements scaled by a power of two where squares don't fit."""
    far = 2.0**500 if x.dtype.itemsize == 8 else 2.0**60
    most = np.max(np.abs(x), axis=axis, keepdims=True)
    scale = np.where(most > far, 1.0 / far, np.where(most < 1.0 / far, far, 1.0))
    back = np.where(most > far, far, np.where(most < 1.0 / far, 1.0 / far, 1.0))
    scaled = x * scale.astype(x.dtype)
    total = np.sum(scaled * scaled, axis=axis, keepdims=True)
    y = np.sqrt(total) * back.astype(x.dtype)
    return y if keepdims else np.squeeze(y, axis)


EXPANSIONS: dict[str, Callable[..., Array]] = {
    "logsumexp": _logsumexp,
    "variance": _variance,
    "vector_norm": _norm,
}


def _applies(node: Node) -> bool:
    """Whether the definition means the same for these types."""
    if node.op.name not in EXPANSIONS or len(node.inputs) != 1:
        return False
    (x,) = node.inputs
    fits = is_inexact(x.dtype) and x.dtype.kind == "f" and x.type.size > 0
    if node.op.name == "vector_norm":
        few = x.type.size <= UNROLL * max(node.type.size, 1)
        return fits and few and node.params["ord"] == 2
    if node.op.name == "variance":
        count = x.type.size // max(node.type.size, 1)
        return fits and count > node.params["ddof"]
    return fits


def expand(graph: Graph) -> Graph:
    """The graph with these ops replaced by their definitions."""
    if not any(_applies(n) for n in graph.nodes):
        return graph
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple(new[i] for i in node.inputs)
        if _applies(node):
            new[node] = _defined(node, inputs)
        else:
            new[node] = node.with_inputs(inputs) if node.op is not INPUT else node
    outputs = tuple(new[o] for o in graph.outputs)
    return Graph(graph.inputs, outputs, graph.in_spec, graph.out_spec, graph.name, ())


def _defined(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The result of the op's definition on `inputs`."""
    definition, params = EXPANSIONS[node.op.name], node.params
    types = [Type(i.type.shape, i.type.dtype) for i in inputs]
    part = trace(lambda *xs: definition(*xs, **params), *types)
    new: dict[Node, Node] = dict(zip(part.inputs, inputs, strict=True))
    for n in part.nodes:
        if n in new:
            continue
        there = tuple(new[i] for i in n.inputs)
        new[n] = Node(n.op, there, n.params, n.type, node.source, "", node.scope)
    return new[part.outputs[0]]
