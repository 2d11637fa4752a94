"""The error of a call that fails in plain Python too: the one that says more."""

from types import TracebackType
from typing import Any

from wengert.core.errors import ShapeMismatch, TypeMismatch
from wengert.transforms.jit.world import is_users

# Ours say what was expected, what came and what to do. They are raised while staging,
# where a mistake may as well be one of staging itself: the plain run decides.
_EXPLAINED = (ShapeMismatch, TypeMismatch)
_NUMPYS = (ValueError, TypeError, IndexError)


def explained(staging: Exception, plain: Exception) -> Exception | None:
    """The error of staging, if it explains the one of the plain run; else None.

    Both must be of one kind, so that whoever catches NumPy's catches ours, and must
    come from the same line of the user's.
    """
    if not isinstance(staging, _EXPLAINED) or isinstance(plain, _EXPLAINED):
        return None
    alike = any(isinstance(staging, k) and isinstance(plain, k) for k in _NUMPYS)
    place = _place(staging.__traceback__)
    same = place is not None and place == _place(plain.__traceback__)
    return staging if alike and same else None


def _place(trace: TracebackType | None) -> tuple[Any, int] | None:
    """The innermost line of the user's: code by its file and first line, and the line.

    Staging runs copies of functions, whose code is the same.
    """
    found = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_users(code):
            found = (code.co_filename, code.co_firstlineno), trace.tb_lineno
        trace = trace.tb_next
    return found
