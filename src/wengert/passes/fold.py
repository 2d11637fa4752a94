"""Constant folding: what depends on constants only is computed now."""

import numpy as np

from wengert.core.bind import bind
from wengert.graph.edit import rebuild
from wengert.graph.graph import INPUT, PART, Graph, Node, constant
from wengert.passes.match import value

# Elements of a result that may be larger than its arguments together: a broadcast of a
# number to a large array is better made when it's needed.
_GROWTH = 4096


def fold_constants(graph: Graph) -> Graph:
    """Replaces each operation on constants by its result."""

    def visit(node: Node, moved: Node) -> Node | None:
        if not moved.inputs or moved.op in (INPUT, PART) or moved.op.multiple:
            return None
        values = [value(i) for i in moved.inputs]
        if any(v is None for v in values):
            return None
        size = sum(i.type.size for i in moved.inputs)
        if moved.type.size > max(size, _GROWTH):
            return None
        with np.errstate(all="ignore"):
            return constant(bind(moved.op, *values, **moved.params))

    return rebuild(graph, visit)
