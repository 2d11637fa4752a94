"""Addresses of BLAS and LAPACK functions, as compiled programs call them.

SciPy hands them out for Cython: each is a C function in Fortran's convention, where
every argument is a pointer. So programs need no library of their own, and use the
threads that SciPy's library is set to.
"""

import ctypes
import functools
from typing import Any

import numpy as np

from wengert.core.errors import WengertError, explain
from wengert.native import symbols

PREFIXES = {"wg_blas_": "cython_blas", "wg_lapack_": "cython_lapack"}
# The library's letter of each dtype that it computes in, by NumPy's character.
LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}


def letter(dtype: np.dtype[Any]) -> str | None:
    """`d` of dgemm for float64, and so on; None for what BLAS doesn't compute in."""
    return LETTERS.get(dtype.char) if dtype.isnative else None


@functools.cache
def _capsules(module: str) -> dict[str, Any]:
    import importlib

    loaded = importlib.import_module(f"scipy.linalg.{module}")
    found: dict[str, Any] = loaded.__pyx_capi__
    return found


@functools.cache
def address(name: str) -> int:
    """The address of `wg_blas_dgemm`, `wg_lapack_dpotrf` and the like.

    Raises:
        WengertError: for a name that isn't there, or a library with 64-bit integers.
    """
    prefix = next((p for p in PREFIXES if name.startswith(p)), "")
    capsule = _capsules(PREFIXES[prefix]).get(name[len(prefix) :]) if prefix else None
    if capsule is None:
        raise WengertError(
            explain(
                "The name of a BLAS or LAPACK function, as in wg_lapack_dpotrf.",
                repr(name),
                "scipy.linalg.cython_blas and cython_lapack list those that are there.",
            )
        )
    signature, pointer = _opened(capsule)
    if "int *" not in signature.replace("_int *", ""):
        raise WengertError(
            explain(
                "A BLAS and LAPACK with 32-bit integers.",
                f"a SciPy whose {name} takes {signature}",
                "install SciPy from PyPI or conda, or run without wg.jit.",
            )
        )
    return pointer


for _prefix in PREFIXES:
    symbols.register_prefix(_prefix, address)


def _opened(capsule: Any) -> tuple[str, int]:
    """A capsule's C signature and address."""
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = get_name(capsule)
    return signature.decode(), get_pointer(capsule, signature)


# Workspace ------------------------------------------------------------------------

_SLOT = 16  # bytes for any scalar that a query writes


@functools.lru_cache(1024)
def workspace(name: str, arguments: str, *sizes: int) -> tuple[int, ...]:
    """How much workspace a LAPACK function wants, asked of itself.

    Args:
        name: as for `address`.
        arguments: one character each. An upper-case letter is itself; `i` is the next
            of `sizes`; `p` is an array that a query doesn't touch; `w` and `v` are
            workspaces of numbers and of integers, in whose first element the length
            that is wanted is written; `q` is the −1 that makes the call a query.
        sizes: integer arguments in order.

    Returns:
        What was written for each `w` and `v`, in order.
    """
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arguments))(
        address(name)
    )
    memory = [ctypes.create_string_buffer(_SLOT) for _ in arguments]
    given = iter(sizes)
    for cell, kind in zip(memory, arguments, strict=True):
        if kind.isupper():
            cell.raw = kind.encode().ljust(_SLOT, b"\0")
        elif kind in "iq":
            number = ctypes.c_int32(-1 if kind == "q" else next(given))
            ctypes.memmove(cell, ctypes.byref(number), 4)
    function(*(ctypes.addressof(cell) for cell in memory))
    real = ctypes.c_float if name.split("_")[-1][0] in "sc" else ctypes.c_double
    readers = {"w": real, "v": ctypes.c_int32}
    return tuple(
        # A float32 may have rounded the length down.
        int(1.0001 * readers[kind].from_buffer(cell).value) + 1
        for cell, kind in zip(memory, arguments, strict=True)
        if kind in readers
    )
