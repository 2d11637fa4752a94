"""What native code must know of CPython and NumPy: addresses and reference counts.

Offsets are those of 64-bit builds of CPython 3.11 to 3.13 with a global interpreter
lock; they come from the public headers, and `supported` says whether they hold here.
"""

import ctypes
import functools
import importlib
import struct
import sys
import sysconfig

import numpy as np

from wengert.native import symbols

# Places in NumPy's table of functions (numpy/__multiarray_api.h); they never change
# within NumPy 2.
_NUMPY_SLOTS = {
    "PyArray_Type": 2,
    "PyArray_Scalar": 60,
    "PyArray_NewCopy": 85,
    "PyArray_NewFromDescr": 94,
}


def supported() -> str | None:
    """None if native callables work in this Python, or the reason why they don't."""
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} has other objects than CPython"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return "the layout of objects is known for Python 3.11 to 3.13"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no global interpreter lock"
    if sysconfig.get_config_var("Py_TRACE_REFS"):
        return "this Python's objects carry the links of a tracing build"
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "pointers aren't 64 bits wide, or not little-endian"
    if not np.__version__.startswith("2."):
        return f"NumPy {np.__version__} may have other objects than NumPy 2"
    return None


@functools.cache
def _numpy_table() -> int:
    """NumPy's table of C functions, from the capsule that extension modules use."""
    module = importlib.import_module("numpy._core._multiarray_umath")

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ctypes.cast(pointer, ctypes.c_void_p).value or 0
    )
    return int(get(vars(module)["_ARRAY_API"], None) or 0)


def _numpy_address(name: str) -> int:
    slot = _NUMPY_SLOTS[name]
    return ctypes.c_void_p.from_address(_numpy_table() + 8 * slot).value or 0


symbols.register_prefix("PyArray_", _numpy_address)


def reference_counting() -> str:
    """`@incref` and `@decref` in LLVM IR, as the macros of this Python's headers."""
    if sys.version_info < (3, 12):
        return _COUNT_311
    return _COUNT_312


_COUNT_311 = """
declare void @_Py_Dealloc(ptr)

define internal void @incref(ptr %o) alwaysinline {
  %c = load i64, ptr %o
  %d = add i64 %c, 1
  store i64 %d, ptr %o
  ret void
}

define internal void @decref(ptr %o) alwaysinline {
  %c = load i64, ptr %o
  %d = sub i64 %c, 1
  store i64 %d, ptr %o
  %z = icmp eq i64 %d, 0
  br i1 %z, label %free, label %done
free:
  call void @_Py_Dealloc(ptr %o)
  ret void
done:
  ret void
}
"""

# From 3.12 on, an object whose lower 32 bits are "negative" is immortal.
_COUNT_312 = """
declare void @_Py_Dealloc(ptr)

define internal void @incref(ptr %o) alwaysinline {
  %c = load i32, ptr %o
  %d = add i32 %c, 1
  %immortal = icmp eq i32 %d, 0
  br i1 %immortal, label %done, label %count
count:
  store i32 %d, ptr %o
  ret void
done:
  ret void
}

define internal void @decref(ptr %o) alwaysinline {
  %low = load i32, ptr %o
  %immortal = icmp slt i32 %low, 0
  br i1 %immortal, label %done, label %count
count:
  %c = load i64, ptr %o
  %d = sub i64 %c, 1
  store i64 %d, ptr %o
  %z = icmp eq i64 %d, 0
  br i1 %z, label %free, label %done
free:
  call void @_Py_Dealloc(ptr %o)
  ret void
done:
  ret void
}
"""
