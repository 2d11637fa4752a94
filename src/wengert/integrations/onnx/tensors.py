"""Arrays and dtypes in a model, as NumPy's; sizes are checked before they are made."""

import math
from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.integrations.onnx.errors import CannotImport, needed


def tensor(proto: Any, limit: int) -> Array:
    """The array of a TensorProto, if its size is what its shape says."""
    onnx = needed("onnx")
    dtype = dtype_of(proto.data_type)
    if any(n < 0 for n in proto.dims):
        raise CannotImport(f"Constant {proto.name!r} has the shape {list(proto.dims)}.")
    size = math.prod(proto.dims) * dtype.itemsize
    if size > limit:
        raise CannotImport(
            f"Constant {proto.name!r} has {size} bytes; the limit is {limit}.\n"
            "  Do:   pass max_bytes=, if you trust the file."
        )
    if proto.HasField("raw_data") and len(proto.raw_data) != size:
        raise CannotImport(
            f"Constant {proto.name!r} should have {size} bytes; "
            f"the file has {len(proto.raw_data)}."
        )
    try:
        x = np.asarray(onnx.numpy_helper.to_array(proto))
    except (ValueError, TypeError) as error:
        raise CannotImport(f"Constant {proto.name!r} can't be read: {error}") from None
    return x.astype(dtype).copy()


def dtype_of(number: int) -> np.dtype[Any]:
    """NumPy's dtype for ONNX's number; only those that graphs have."""
    onnx = needed("onnx")
    names = {
        "FLOAT", "DOUBLE", "FLOAT16", "INT8", "INT16", "INT32", "INT64", "UINT8",
        "UINT16", "UINT32", "UINT64", "BOOL",
    }  # fmt: skip
    for name in names:
        if number == getattr(onnx.TensorProto, name):
            dtype: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(number)
            return dtype
    try:
        named = onnx.TensorProto.DataType.Name(number)
    except ValueError:
        named = f"number {number}"
    raise CannotImport(f"Values of the type {named} aren't read.")
