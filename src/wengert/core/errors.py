"""Errors that say what was expected, what came, and what to do, at the user's line."""

import functools
import linecache
import os
import sys
from types import FrameType, TracebackType
from typing import Any

import numpy as np

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
# The demo, the worked examples and the command line are users of the library.
_USERS_INSIDE = tuple(_PACKAGE + name for name in ("demo" + os.sep, "cli.py"))


class WengertError(Exception):
    """Base of every error that wengert raises on purpose."""


class TypeMismatch(WengertError, TypeError):
    """A value of a kind that can't take part: an integer, a string, an object …"""


class ShapeMismatch(WengertError, ValueError):
    """Shapes or structures that don't fit each other."""


class TracedValueError(WengertError, TypeError):
    """A traced value was used where only a plain number can be."""


class DerivativeError(WengertError, TypeError):
    """A derivative that doesn't exist, isn't known, or wasn't asked for rightly."""


@functools.lru_cache(maxsize=4096)
def _is_users(filename: str) -> bool:
    inside = filename.startswith(_PACKAGE) and not filename.startswith(_USERS_INSIDE)
    return not inside and not filename.startswith((_NUMPY, "<__array_function__"))


def _show(frame_file: str, line: int) -> str:
    code = linecache.getline(frame_file, line).strip()
    return f"{os.path.basename(frame_file)}:{line}" + (f": {code}" if code else "")


def user_frame(skip: int = 1) -> FrameType | None:
    """The innermost frame on the stack that isn't wengert's or NumPy's.

    Not among the innermost `skip`, which aren't looked at.
    """
    frame: FrameType | None = sys._getframe(skip)
    is_users = _is_users
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_line() -> str:
    """The user's line that is being run, as `file.py:12: code`."""
    frame = user_frame()
    return _show(frame.f_code.co_filename, frame.f_lineno) if frame else "<unknown>"


def line_of(code: object, instruction: int) -> str:
    """The line that a recorded (code object, instruction offset) stands for."""
    lines = _lines(code)
    return _show(code.co_filename, lines[min(instruction // 2, len(lines) - 1)])  # type: ignore[attr-defined]


@functools.lru_cache(maxsize=64)
def _lines(code: Any) -> list[int]:
    """The line of each instruction; that of the next one that has a line, if none."""
    found = [position[0] for position in code.co_positions()]
    line = code.co_firstlineno
    for i in range(len(found) - 1, -1, -1):
        line = found[i] = found[i] or line
    return found


def explain(expected: str, came: str, do: str) -> str:
    """One message: what was expected, what came, what to do, and where."""
    return f"{expected}\n  Came: {came}\n  Do:   {do}\n  At:   {user_line()}"


def name_of(f: object) -> str:
    """What a person would call a function."""
    return f"`{getattr(f, '__name__', type(f).__name__)}`"


def users_cause(error: BaseException) -> WengertError | None:
    """Our error, where NumPy hid it behind one of its own ("… with a sequence")."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, WengertError):
            return seen if seen is not error else None
        seen = seen.__cause__ or seen.__context__
    return None


# How NumPy says that it couldn't write something into a plain array.
_COVER = "setting an array element with a sequence"


def _line_in(trace: TracebackType | None) -> str:
    """The innermost line of the user's in a traceback."""
    place = "<unknown>"
    while trace is not None:
        if _is_users(trace.tb_frame.f_code.co_filename):
            place = _show(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return place


class at_the_edge:
    """Context of a public call: an error of ours that NumPy covered comes forward."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        covers = isinstance(error, ValueError) and str(error).startswith(_COVER)
        hidden = users_cause(error) if covers and error is not None else None
        if hidden is not None:
            assert error is not None
            # NumPy's error names ours as its cause, and ours would have NumPy's as its
            # context; and our traceback has this frame: three circles to open.
            error.__cause__ = error.__context__ = None
            try:
                raise hidden from None
            finally:
                error = trace = hidden = None
        elif isinstance(error, IndexError) and not getattr(error, "__notes__", None):
            error.add_note(f"  At:   {_line_in(trace)}")
