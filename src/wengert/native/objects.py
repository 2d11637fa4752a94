"""Native code as it is kept: object files, with the names that they take and offer."""

import importlib
import json
from typing import NamedTuple

from wengert.native import link, symbols

# Who registers the functions that code calls, by how their names begin. What is read
# from the cache must find them, though nothing has imported the compiler.
PROVIDERS = {
    "wg_parallel": "wengert.native.threads",
    "wg_blas_": "wengert.native.libraries",
    "wg_lapack_": "wengert.native.libraries",
    "wg_math_": "wengert.native.copied",
    "PyArray_": "wengert.native.capi",
}


class Objects(NamedTuple):
    """A module's code, before it has a place in memory.

    Attributes:
        codes: object files.
        imports: the names that they take from elsewhere.
        exports: the names that they offer.
    """

    codes: tuple[bytes, ...]
    imports: tuple[str, ...]
    exports: tuple[str, ...]

    def link(self) -> link.Library:
        """The code in memory.

        Raises:
            CompileError, LookupError: if something that it calls isn't there.
        """
        for name in self.imports:
            _provide(name)
        # The linker reads from a module's text what it takes and offers.
        text = [f"declare void @{name}()" for name in self.imports]
        text += [f"define void @{name}() {{" for name in self.exports]
        return link.link(self.codes, "\n".join(text))


def compiled(text: str, level: int = 1) -> Objects:
    """The objects of a module.

    Args:
        text: LLVM IR.
        level: of optimisation, as for `link.load`.

    Raises:
        CompileError: if LLVM can't read the text.

    Example:
        >>> compiled("define i64 @answer() {\\n  ret i64 42\\n}").exports
        ('answer',)
    """
    return Objects(
        tuple(link.objects_of(text, level=level)),
        tuple(symbols.imported(text)),
        tuple(link.defined(text)),
    )


def packed(objects: Objects) -> bytes:
    """All in one piece: a line of JSON, and the files."""
    head = [list(map(len, objects.codes)), objects.imports, objects.exports]
    return json.dumps(head).encode() + b"\n" + b"".join(objects.codes)


def unpacked(data: bytes) -> Objects:
    """The inverse of `packed`.

    Raises:
        ValueError: if the bytes are something else.
    """
    head, _, rest = data.partition(b"\n")
    sizes, imports, exports = json.loads(head)
    if sum(sizes) != len(rest):
        raise ValueError(f"{len(rest)} bytes of code, where {sum(sizes)} are declared")
    codes = []
    for size in sizes:
        codes.append(rest[:size])
        rest = rest[size:]
    return Objects(tuple(codes), tuple(imports), tuple(exports))


def _provide(name: str) -> None:
    """Imports the module that knows where a function is."""
    for prefix, module in PROVIDERS.items():
        if name.startswith(prefix):
            importlib.import_module(module)
