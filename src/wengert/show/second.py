"""Second order: the extended graph, whose adjoints are second derivatives.

The backward pass written down as further nodes of the graph. They share the forward
nodes, and a backward pass over them gives a row of the Hessian.
"""

import itertools

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node
from wengert.graph.symbols import as_symbol, node_of
from wengert.show.adjoints import Adjoints
from wengert.show.local import Formulas
from wengert.show.nodes import node_stories
from wengert.show.run import Run
from wengert.show.story import Second
from wengert.show.value import number
from wengert.transforms.extended import adjoints_of

_CONSTANT = "The gradient is constant: there is no second derivative."


def second_order(run: Run, seeds: dict[Node, Array]) -> tuple[Second | None, list[str]]:
    """The extended graph of the gradient by the first input that has one."""
    if any(n.op.multiple for n in run.graph.nodes):
        return None, [
            "The extended graph isn't shown: an operation has several results."
        ]
    through = [n for n in run.shown if n in run.active and n.dtype.kind in "fc"]
    cts = [as_symbol(node_of(ct)) for ct in seeds.values()]
    found = adjoints_of(list(seeds), cts, through)
    adjoints = {
        n: a.mark
        for n, a in zip(through, found, strict=True)
        if isinstance(a, Tracer) and a.mark.op is not CONSTANT
    }
    of = next((n for n in run.wanted if n in adjoints), None)
    if of is None:
        return None, [_CONSTANT]
    end = adjoints[of]
    # The first graph's outputs too, so that all of it is there to be drawn from.
    ends = (end, *run.graph.outputs)
    extended = Graph(run.graph.inputs, ends, name="extended")
    leaves = [run.values[n] for n in run.graph.inputs]
    other = Run(extended, leaves)
    other.names = _names(run, other, adjoints)
    if end not in other.active:
        return None, [_CONSTANT]
    passes = Adjoints(other, {end: np.ones(end.shape, end.dtype)[()]})
    return {
        "nodes": node_stories(other, passes, None, []),
        "backward": passes.story(Formulas(other)),
        "of": run.name(of),
    }, []


def _names(run: Run, other: Run, adjoints: dict[Node, Node]) -> dict[Node, str]:
    """The first graph's names; `l1_bar` for the adjoint of `l1`; g0, g1 … between."""
    found: dict[Node, str] = dict(run.names)
    for node, adjoint in adjoints.items():
        if adjoint.op is not INPUT:
            found.setdefault(adjoint, f"{run.name(node)}_bar")
    taken = set(found.values())
    between = (f"g{i}" for i in itertools.count())
    for node in other.shown:
        if node in found:
            continue
        if node.op is CONSTANT and not node.type.shape:
            found[node] = number(node.params["value"])
        else:
            found[node] = next(name for name in between if name not in taken)
    return {n: found[n] for n in other.shown}
