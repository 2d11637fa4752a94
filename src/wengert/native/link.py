"""LLVM text → machine code in memory, and out of memory again.

No middle-end passes run (our text has its vectors already, and each use of LLVM's
pipeline leaks), the module lives in a context of its own, and linkers are thrown away
with the code: compiling and dropping for ever keeps memory flat.
"""

import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from wengert.core.errors import WengertError
from wengert.native import cache, machine, side_by_side, symbols
from wengert.native.shards import needs_no_effort, sharded

# What a module offers: functions and variables that aren't its own business.
_DEFINED = re.compile(
    r"^define (?!internal|private|hidden)[^@\n]*@([\w.$]+)\("
    r"|^@([\w.$]+) = (?!external|internal|private)",
    re.MULTILINE,
)
# A linker (LLJIT) takes 0.4 ms to make and keeps 10 kB for every library it ever had:
# this many share one, and it goes when the last of them is dropped.
_SHARED_BY = 32
# By level: LLVM's passes before code is generated, and the generator's effort.
_LEVELS = {0: (0, 0), 1: (0, 2), 2: (2, 2), 3: (3, 3)}


class CompileError(WengertError, RuntimeError):
    """LLVM refused a module that wengert wrote: a fault of wengert's."""


class _Linker:
    """LLVM's linker in memory, and how many libraries it was given."""

    __slots__ = ("count", "jit")

    def __init__(self) -> None:
        llvm = machine.binding()
        # JITLink puts a library in one place, so that no jump in it can be too far;
        # it doesn't know Windows' objects.
        self.jit = llvm.create_lljit_compiler(
            machine.target_machine(2),
            use_jit_link="windows" not in machine.triple(),
            suppress_errors=True,
        )
        self.count = 0


_lock = threading.Lock()
_linker: _Linker | None = None
_number = itertools.count()


def _next_linker() -> _Linker:
    global _linker
    with _lock:
        if _linker is None or _linker.count >= _SHARED_BY:
            _linker = _Linker()
        _linker.count += 1
        return _linker


class Library:
    """Code in memory. It stays as long as this object does, then it is unloaded.

    Attributes:
        size: the bytes of its object code.
        seconds: how long making it took.
        cached: whether it came from the cache on disk.
    """

    __slots__ = ("__weakref__", "_addresses", "_linker", "_tracker", "cached",
                 "seconds", "size")  # fmt: skip

    def __init__(
        self, tracker: Any, linker: _Linker, names: list[str], size: int
    ) -> None:
        self._tracker = tracker
        self._linker = linker
        self._addresses = {name: int(tracker[name]) for name in names}
        self.size = size
        self.seconds = 0.0
        self.cached = False

    def address(self, name: str) -> int:
        """Where the function or variable `name` of the module is.

        Raises:
            KeyError: if the module doesn't define it for others.
        """
        return self._addresses[name]

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        tracker = getattr(self, "_tracker", None)
        if tracker is not None and not finalizing():
            tracker.close()  # the code goes before the linker that holds it


def load(text: str, *, level: int = 1, keep: bool = True) -> Library:
    """Compiles a module, or takes its object code from the cache on disk, and links it.

    Args:
        text: LLVM IR. What it declares is looked up in `symbols`, then in the process.
        level: 0 compiles quickest; 2 and 3 run LLVM's passes first, for faster code.
        keep: whether the cache on disk may be read and written.

    Returns:
        The code, which is there as long as the returned object is.

    Raises:
        CompileError: if LLVM can't read or link the text.

    Example:
        >>> import ctypes
        >>> text = "define i64 @answer() {\\n  ret i64 42\\n}"
        >>> library = load(text, keep=False)
        >>> ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("answer"))()
        42
    """
    start = time.perf_counter()
    key = cache.key_of(text, f"level {level}") if keep else None
    code = cache.read(key) if key else None
    objects = _unpacked(code) if code else objects_of(text, level=level)
    if key and not code:
        cache.write(key, _packed(objects))
    library = link(objects, text)
    library.cached = bool(code)
    library.seconds = time.perf_counter() - start
    return library


def objects_of(text: str, *, level: int = 1) -> list[bytes]:
    """The object code of a module, in as many objects as were compiled side by side.

    Args:
        text: LLVM IR.
        level: 0 compiles quickest; 2 and 3 run LLVM's passes first, for faster code.

    Raises:
        CompileError: if LLVM can't read the text.
    """
    machine.release_lock()
    passes, effort = _LEVELS[level]
    if passes:  # which see the whole module
        with _parsed(text) as module, machine.borrowed(effort) as target:
            _optimise(module, target, passes)
            return [machine.object_code(target, module)]
    shards = sharded(text, side_by_side.workers())
    return side_by_side.run(lambda shard: _object(shard, effort), shards)


def _object(text: str, effort: int) -> bytes:
    """The object code of one shard; runs on several threads at once."""
    if needs_no_effort(text):
        effort = 0
    try:
        with _parsed(text) as module, machine.borrowed(effort) as target:
            return machine.object_code(target, module)
    finally:
        machine.release_lock()  # before anybody waits for the other threads


def _packed(objects: Sequence[bytes]) -> bytes:
    """Objects as one entry of the cache: each with its length in front."""
    return b"".join(len(x).to_bytes(8, "little") + x for x in objects)


def _unpacked(data: bytes) -> list[bytes]:
    objects, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        objects.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return objects


def assembly(text: str) -> str:
    """The assembly of a module, for people to read.

    Args:
        text: LLVM IR.

    Raises:
        CompileError: if LLVM can't read the text.
    """
    with _parsed(text) as module:
        return str(machine.target_machine().emit_assembly(module))


def _parsed(text: str) -> Any:
    """LLVM's module, in a context of its own (the shared one never forgets a type)."""
    llvm = machine.binding()
    try:
        module = llvm.parse_assembly(text, context=llvm.create_context())
    except RuntimeError as error:
        raise CompileError(f"LLVM can't read a module of wengert's: {error}") from error
    if os.environ.get("WENGERT_DEBUG", "") not in ("", "0"):
        try:
            module.verify()
        except RuntimeError as error:
            module.close()  # before its context: the collector knows no order
            raise CompileError(
                f"LLVM refuses a module of wengert's: {error}"
            ) from error
    return module


def _optimise(module: Any, target: Any, level: int) -> None:
    """LLVM's own pipeline; a builder is used once (twice would abort the process)."""
    llvm = machine.binding()
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)


def defined(text: str) -> list[str]:
    """The names that a module offers.

    Args:
        text: LLVM IR.

    Example:
        >>> defined("define i64 @answer() {\\n  ret i64 42\\n}")
        ['answer']
    """
    return [m[1] or m[2] for m in _DEFINED.finditer(text)]


def link(objects: Sequence[bytes], text: str) -> Library:
    """Puts the objects of one module into memory.

    Args:
        objects: what `objects_of` gave.
        text: LLVM IR; of it, what is declared and defined for others would do.

    Raises:
        CompileError: if something that they call isn't there.
    """
    from llvmlite.binding.orcjit import JITLibraryBuilder

    builder = JITLibraryBuilder().add_current_process()
    for code in objects:
        builder.add_object_img(code)
    for name, address in symbols.addresses(text).items():
        builder.import_symbol(name, address)
    names = defined(text)
    for name in names:
        builder.export_symbol(name)
    linker = _next_linker()
    try:
        tracker = builder.link(linker.jit, f"wengert{next(_number)}")
    except RuntimeError as error:
        raise CompileError(f"a module of wengert's can't be linked: {error}") from error
    finally:
        machine.release_lock()
    return Library(tracker, linker, names, sum(map(len, objects)))
