"""Ops with a definition in simpler ones that loops compute better than the host."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.op import op_named
from wengert.core.types import Array, Type, is_inexact
from wengert.graph.graph import INPUT, Graph, Node
from wengert.graph.stage import trace
from wengert.native import slice_writes
from wengert.native.complex.split import split
from wengert.native.forms import UNROLL


def _logsum(
    x: Array, *, axis: Any, keepdims: bool, exp: np.ufunc, log: np.ufunc
) -> Array:
    """log Σ exp(x) by the greatest element, which is taken out if it is finite."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.sum(exp(x - top), axis=axis, keepdims=keepdims)
    y: Array = log(total) + (top if keepdims else np.squeeze(top, axis))
    return y


def _variance(x: Array, *mask: Array, axis: Any, ddof: float, keepdims: bool) -> Array:
    if mask:
        return _masked_variance(x, mask[0], axis, ddof, keepdims)
    count = 1
    for a in axis:
        count *= x.shape[a]
    mean = np.sum(x, axis=axis, keepdims=True) / count
    off = x - mean
    return np.sum(off * off, axis=axis, keepdims=keepdims) / max(count - ddof, 0)


def _masked_variance(
    x: Array, mask: Array, axis: Any, ddof: float, keepdims: bool
) -> Array:
    """Of the elements where the mask is set; their mean first, as NumPy does it."""
    count = np.sum(mask, axis=axis, keepdims=True)
    total = np.sum(np.where(mask, x, 0.0), axis=axis, keepdims=True)
    off = np.where(mask, x - total / count.astype(x.dtype), 0.0)
    y = np.sum(off * off, axis=axis, keepdims=True)
    y = y / np.maximum(count - ddof, 0).astype(x.dtype)
    return y if keepdims else np.squeeze(y, axis)


def _sinc(x: Array, *, order: int) -> Array:
    """A derivative of sinc, by the op's own formula."""
    op = op_named("sinc")
    assert op is not None
    return op.evaluate(x, order=order)


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
    "logsumexp": functools.partial(_logsum, exp=np.exp, log=np.log),
    "logsumexp2": functools.partial(_logsum, exp=np.exp2, log=np.log2),
    "variance": _variance,
    "vector_norm": _norm,
    "sinc": _sinc,
}


def _applies(node: Node) -> bool:
    """Whether the definition means the same for these types."""
    if node.op.name not in EXPANSIONS:
        return False
    x, *mask = node.inputs
    if node.op.name == "sinc":
        return bool(node.params["order"]) and node.dtype.kind in "fc"
    fits = is_inexact(x.dtype) and x.dtype.kind == "f" and x.type.size > 0
    if node.op.name == "vector_norm":
        few = x.type.size <= UNROLL * max(node.type.size, 1)
        return fits and few and node.params["ord"] == 2
    if mask and mask[0].shape != x.shape:
        return False
    if node.op.name == "variance" and not mask:
        count = x.type.size // max(node.type.size, 1)
        return fits and count > node.params["ddof"]
    return fits


def expand(graph: Graph) -> Graph:
    """The graph with these ops replaced by their definitions, complex ones by parts."""
    graph = slice_writes.prepared(split(_by_definition(graph)))
    return _by_definition(graph)  # of the parts


def _by_definition(graph: Graph) -> Graph:
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
