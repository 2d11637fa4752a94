"""One compiled path of a function: its program, and what a call does around it."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from wengert.native.encode import block_of, encode
from wengert.native.entry import Signature
from wengert.native.link import Library
from wengert.native.walker import Header


class Path:
    """A program with its signature, ready to be called.

    Attributes:
        signature: what the path takes and returns.
        program: the address of `i32 program(inputs, outputs, arena)`.
        library: the code, which lives as long as the path does.
        failed: called with the same arguments when the program reports that a step of
            linear algebra failed; None: the function's slow way is.
    """

    __slots__ = ("__weakref__", "_block", "_objects", "failed", "library", "program",
                 "signature")  # fmt: skip

    def __init__(
        self,
        signature: Signature,
        library: Library,
        program: str = "program",
        failed: Callable[..., Any] | None = None,
    ) -> None:
        """Makes the path's record.

        Args:
            signature: what the path takes and returns.
            library: the linked module that has the program.
            program: its name there.
            failed: see above.

        Raises:
            ValueError: if the signature contradicts itself.
            KeyError: if the library has no such program.
        """
        self.signature = signature
        self.library = library
        self.program = library.address(program)
        self.failed = failed
        record = encode(signature, self.program, failed)
        self._objects = tuple(record.objects)  # their addresses are in the block
        self._block = block_of(record)

    @property
    def address(self) -> int:
        """Where the record is that native code reads."""
        return ctypes.addressof(self._block)

    @property
    def calls(self) -> int:
        """How often the path has answered a call."""
        return int(self._block[Header.CALLS])

    @property
    def left(self) -> int:
        """How often its program found a guard that answered differently."""
        return int(self._block[Header.LEFT])

    def count(self, status: int) -> None:
        """Notes a run of the program outside native code."""
        self._block[Header.CALLS] += status == 0
        self._block[Header.LEFT] += status > 0

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        block = getattr(self, "_block", None)
        if block is not None and block[Header.ARENA] and not finalizing():
            _free(block[Header.ARENA])


_free = ctypes.pythonapi.PyMem_RawFree
_free.argtypes = [ctypes.c_void_p]
_free.restype = None
