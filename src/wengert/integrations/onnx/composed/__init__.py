"""Ops that ONNX has no operator for, in plain NumPy of ops that it has.

Constants come in as arrays, everything else as symbols: what is known is computed at
once, and the rest becomes a graph.
"""

from wengert.integrations.onnx.composed import elementwise, index, order, reduce
from wengert.integrations.onnx.composed.rule import Composed

COMPOSED: dict[str, Composed] = {
    **elementwise.COMPOSED,
    **reduce.COMPOSED,
    **order.COMPOSED,
    **index.COMPOSED,
}

__all__ = ["COMPOSED", "Composed"]
