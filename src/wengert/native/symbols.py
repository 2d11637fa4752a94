"""Where the functions are that compiled code calls, by name.

Who provides a function registers its name, or a prefix of names, together with a
function that finds the address when a program first needs it. Python's own functions
are known; what nobody registered (libm, memcpy) is found in the process.
"""

import ctypes
import re
from collections.abc import Callable

_BY_NAME: dict[str, Callable[[], int]] = {}
_BY_PREFIX: dict[str, Callable[[str], int]] = {}
_FOUND: dict[str, int] = {}

# A module's imports: functions that it declares, and data that stands elsewhere.
_IMPORTED = re.compile(
    r"^declare [^@\n]*@([\w.$]+)|^@([\w.$]+) = external ", re.MULTILINE
)


def register(name: str, address: Callable[[], int]) -> None:
    """Says where a function is; `address` is called once, when a program needs it.

    The code at that address must stay as long as the process runs.
    """
    _BY_NAME[name] = address
    _FOUND.pop(name, None)


def register_prefix(prefix: str, address: Callable[[str], int]) -> None:
    """As `register`, for all names that begin with `prefix`; gets the whole name."""
    _BY_PREFIX[prefix] = address


def lookup(name: str) -> int | None:
    """The address of a function, or None if nobody registered it."""
    if name in _FOUND:
        return _FOUND[name]
    if name in _BY_NAME:
        address = _BY_NAME[name]()
    else:
        prefixes = [p for p in _BY_PREFIX if name.startswith(p)]
        if not prefixes:
            return None
        address = _BY_PREFIX[max(prefixes, key=len)](name)
    if not address:
        raise LookupError(
            f"the function {name} that compiled code calls has no address"
        )
    _FOUND[name] = address
    return address


def imported(text: str) -> list[str]:
    """The names that a module takes from elsewhere, without LLVM's intrinsics.

    Example:
        >>> imported("declare double @sin(double)\\ndeclare void @llvm.trap()")
        ['sin']
    """
    names = {m[1] or m[2] for m in _IMPORTED.finditer(text)}
    return sorted(name for name in names if not name.startswith("llvm."))


def addresses(text: str) -> dict[str, int]:
    """Where the registered functions are that a module imports."""
    found = ((name, lookup(name)) for name in imported(text))
    return {name: address for name, address in found if address is not None}


def _python(name: str) -> int:
    """A function or variable of the Python library that runs us."""
    return ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, name))


register_prefix("Py", _python)
register_prefix("_Py", _python)
