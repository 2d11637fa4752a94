"""Graphs to ONNX and back: `to_onnx`, `from_onnx` (`pip install wengert[onnx]`).

Reading order: `kernels` (which types each ONNX operator takes), `primitives` (what ONNX
has and wengert hasn't), `composed/` (ops in terms of simpler ones), `tables` (what can
be said and what can't), `lower` (a graph of ops that ONNX can say), `writer`, `direct`
(each op said), `export`; then `tensors`, `reader`, `readers/`, `load`.
"""

from wengert.integrations.onnx.errors import CannotExport, CannotImport
from wengert.integrations.onnx.export import to_onnx
from wengert.integrations.onnx.load import from_onnx

__all__ = ["CannotExport", "CannotImport", "from_onnx", "to_onnx"]
