"""One reader per ONNX operator: `read(attributes, *arguments)`, in plain NumPy."""

from wengert.integrations.onnx.readers import (
    elementwise,
    layers,
    layout,
    places,
    reduce,
)

READERS = {
    **elementwise.READERS,
    **reduce.READERS,
    **layout.READERS,
    **places.READERS,
    **layers.READERS,
}

__all__ = ["READERS"]
