"""The machine that code is made for: its processor, its vectors, how LLVM is asked.

Everything here is found once per process. llvmlite is imported when first needed.
"""

import contextlib
import ctypes
import functools
import os
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

from wengert.core.errors import explain

_WIDTHS = (128, 256, 512)


@functools.cache
def binding() -> Any:
    """llvmlite's binding, ready to make code for this machine."""
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        raise ImportError(
            explain(
                "compiled functions are made by LLVM, through the package llvmlite",
                f"`import llvmlite` failed: {error}",
                "`pip install llvmlite`, or call the function without `jit`",
            )
        ) from error
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def cpu_name() -> str:
    """LLVM's name of the processor: `znver4`, `apple-m2` …"""
    return str(binding().get_host_cpu_name())


@functools.cache
def features() -> frozenset[str]:
    """What the processor has, in LLVM's words: `avx2`, `fma`, `neon` …"""
    try:
        found = binding().get_host_cpu_features()
    except RuntimeError:  # LLVM can't tell on every system; the name alone serves
        return frozenset()
    return frozenset(name for name, there in found.items() if there)


@functools.cache
def _feature_text() -> str:
    """Every feature, with + or −, as LLVM takes it."""
    try:
        return str(binding().get_host_cpu_features().flatten())
    except RuntimeError:
        return ""


@functools.cache
def triple() -> str:
    """Processor family and system: `x86_64-unknown-linux-gnu`."""
    return str(binding().get_process_triple())


def is_x86() -> bool:
    return triple().split("-")[0] in ("x86_64", "amd64")


def is_arm64() -> bool:
    return triple().split("-")[0] in ("aarch64", "arm64")


def has_fma() -> bool:
    """Whether a·b + c is one instruction that rounds once."""
    return is_arm64() or "fma" in features()


def vector_bits() -> int:
    """The width of a vector register in bits: 128, 256 or 512.

    The environment variable `WENGERT_VECTOR_BITS` chooses another one.

    Raises:
        ValueError: if that variable isn't one of the three.

    Example:
        >>> vector_bits() in (128, 256, 512)
        True
    """
    asked = os.environ.get("WENGERT_VECTOR_BITS", "")
    if asked:
        if not asked.isdecimal() or int(asked) not in _WIDTHS:
            raise ValueError(
                explain(
                    "WENGERT_VECTOR_BITS is the width of a vector in bits",
                    repr(asked),
                    "set it to 128, 256 or 512, or unset it",
                )
            )
        return int(asked)
    if "avx512f" in features():
        return 512
    return 256 if "avx2" in features() else 128


@functools.cache
def target_machine(opt: int = 2) -> Any:
    """LLVM's code generator for this processor, at an effort of 0 to 3."""
    return _new_target_machine(opt)


def _new_target_machine(opt: int) -> Any:
    target = binding().Target.from_triple(triple())
    return target.create_target_machine(
        cpu=cpu_name(), features=_feature_text(), opt=opt, reloc="pic",
        codemodel="default",
    )  # fmt: skip


# Code generators that nobody uses now: each serves one thread at a time, and a new one
# spends 8 ms on tables of its own with its first module.
_idle: dict[int, list[Any]] = {}


@contextlib.contextmanager
def borrowed(effort: int) -> Iterator[Any]:
    """A code generator that no other thread uses meanwhile.

    Args:
        effort: 0 to 3.
    """
    idle = _idle.setdefault(effort, [])
    try:
        target = idle.pop()
    except IndexError:
        target = _new_target_machine(effort)
    try:
        yield target
    finally:
        idle.append(target)


def object_code(target: Any, module: Any) -> bytes:
    """The object code of a module, made without llvmlite's lock.

    llvmlite lets one thread at a time into LLVM. Code generators on modules with a
    context of their own share nothing, so several may run (as in LLVM's ThinLTO).

    Args:
        target: a code generator that only this thread uses.
        module: a module in a context that only this thread uses.
    """
    emit = _unlocked_emit()
    if emit is None:
        return bytes(target.emit_object(module))
    error = ctypes.c_char_p()
    made = emit(target, module, 1, ctypes.byref(error))
    if not made:
        raise RuntimeError((error.value or b"").decode(errors="replace"))
    library = binding().ffi.lib
    try:
        start = library.LLVMPY_GetBufferStart(made)
        return ctypes.string_at(start, library.LLVMPY_GetBufferSize(made))
    finally:
        library.LLVMPY_DisposeMemoryBuffer(made)


@functools.cache
def _unlocked_emit() -> Callable[..., Any] | None:
    """llvmlite's function that generates code; None if a later llvmlite has another."""
    from llvmlite.binding import ffi

    try:
        handle, name = ffi.lib._handle, ffi.lib._name
        emit = ctypes.CDLL(name, handle=handle).LLVMPY_TargetMachineEmitToMemory
    except AttributeError:
        return None
    emit.argtypes = [
        ffi.LLVMTargetMachineRef, ffi.LLVMModuleRef, ctypes.c_int,
        ctypes.POINTER(ctypes.c_char_p),
    ]  # fmt: skip
    emit.restype = ffi.LLVMMemoryBufferRef
    function: Callable[..., Any] = emit
    return function


def release_lock() -> None:
    """Gives llvmlite's lock back, where an interrupt left it with this thread.

    Python raises KeyboardInterrupt between any two steps: also when llvmlite has just
    taken its lock, and then never gives it back. All other threads would wait for ever.
    To be called where this thread is in none of llvmlite's functions.
    """
    lock = getattr(getattr(binding().ffi.lib, "_lock", None), "_lock", None)
    is_owned = getattr(lock, "_is_owned", None)
    while lock is not None and is_owned is not None and is_owned():
        lock.release()


@functools.cache
def facts() -> str:
    """All that object code depends on beside its text; part of the cache's keys."""
    import llvmlite

    llvm = ".".join(str(n) for n in binding().llvm_version_info)
    pointer = struct.calcsize("P") * 8
    return "\n".join(
        [
            f"llvmlite {llvmlite.__version__} LLVM {llvm}",
            f"{triple()} {pointer} {sys.byteorder}",
            cpu_name(),
            _feature_text(),
        ]
    )
