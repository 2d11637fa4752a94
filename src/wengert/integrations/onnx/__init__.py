"""Graphs to ONNX and back: `to_onnx`, `from_onnx` (`pip install wengert[onnx]`).

Reading order: `kernels` (which types each ONNX operator takes), `composed/` (ops in
terms of simpler ones), `primitives` (what ONNX has and wengert hasn't), `lower` (a graph
of ops that ONNX can say), `direct` (each of them said), `writer`, `export`; then
`reader` and `readers/`, `load`. `tables` says what can be said and what can't.
"""

from wengert.integrations.onnx.errors import CannotExport, CannotImport
from wengert.integrations.onnx.export import to_onnx
from wengert.integrations.onnx.load import from_onnx

__all__ = ["CannotExport", "CannotImport", "from_onnx", "to_onnx"]
