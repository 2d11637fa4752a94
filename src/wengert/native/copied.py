"""Mathematical functions as compiled copies, one per process, for kernels to call.

A copy is made of each function when a program first calls it, and stays. It is kept on
the disk under the function's name, so that a program of the cache's needs nothing of
what writes them.
"""

from wengert.native import cache, machine, objects, symbols
from wengert.native.link import Library

PREFIX = "wg_math_"
_LOADED: dict[str, Library] = {}


def address(symbol: str) -> int:
    """Where the compiled copy is; it is compiled if need be, and stays."""
    library = _LOADED.get(symbol)
    if library is None:
        sources = cache.sources() if cache.is_on() else None
        options = f"copy {machine.has_fma()} {sources}"
        key = cache.key_of(symbol, options) if sources else None
        library = (_read(key) if key else None) or _made(symbol, key)
        # Of two threads' copies one stays, and both get its address.
        library = _LOADED.setdefault(symbol, library)
    return library.address(symbol)


def _read(key: str) -> Library | None:
    data = cache.read(key)
    if data is None:
        return None
    try:
        return objects.unpacked(data).link()
    except Exception as error:  # whatever it is, compiling it anew is right
        cache.reject(key, f"{type(error).__name__}: {error}")
        return None


def _made(symbol: str, key: str | None) -> Library:
    from wengert.native.mathematics import module_for

    made = objects.compiled(module_for(symbol, fma=machine.has_fma()))
    if key:
        cache.write(key, objects.packed(made))
    return made.link()


symbols.register_prefix(PREFIX, address)
