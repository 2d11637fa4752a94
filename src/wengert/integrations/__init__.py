"""Bridges to other packages, each in its own module, which alone needs that package.

`wengert.integrations.onnx`: graphs to and from ONNX.
"""
