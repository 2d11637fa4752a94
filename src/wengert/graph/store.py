"""A file of a saved graph: a checked frame around a JSON header and plain bytes.

Nothing in it is executed. The layout, byte by byte, is in docs/saving.md.
"""

import contextlib
import hashlib
import json
import os
import secrets
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from wengert.core.errors import WengertError

# As PNG's: not text, and changed by whatever translates line ends.
MAGIC = b"\x89WENGERT\r\n\x1a\n"
VERSION = 1
FRAME = struct.Struct("<12sIQQ32s")  # magic, version, header, data, checksum
_DIGEST = 32
_DO = "save the graph again, or fetch the file again from where it came."

Buffer = bytes | memoryview


class GraphFileError(WengertError, ValueError):
    """A graph that can't be saved, or a file that can't be loaded as one."""


def refuse(expected: str, came: str, do: str = _DO) -> GraphFileError:
    """The error: what was expected, what came, what to do."""
    return GraphFileError(f"{expected}\n  Came: {came}\n  Do:   {do}")


# Writing ---------------------------------------------------------------------------


def write(path: str | os.PathLike[str], header: Any, blocks: Iterable[Buffer]) -> None:
    """Writes the file as a whole or not at all: an old one stays until it is done.

    Raises:
        OSError: if the disk is full, the place isn't writable, or no regular file.
    """
    target = Path(os.path.realpath(path))  # through a link, which stays
    mode = _mode_of(target)
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode("ascii")
    # A name of its own, not one made from the target's, which may be too long already.
    temporary = target.parent / f".wengert-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(temporary, _FLAGS, 0o666)  # less the user's umask
        with open(descriptor, "wb") as file:
            if mode is not None and os.name == "posix":
                os.fchmod(descriptor, mode)
            _write_all(file, text, blocks)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def _mode_of(target: Path) -> int | None:
    """The permissions of the file that will be replaced; None for a new one."""
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        raise OSError(f"{target} is there, and isn't a regular file: it is kept.")
    return stat.S_IMODE(found)


def _write_all(file: BinaryIO, header: bytes, blocks: Iterable[Buffer]) -> None:
    file.write(bytes(FRAME.size))
    size = 0
    digest = hashlib.blake2b(header, digest_size=_DIGEST)
    file.write(header)
    for block in blocks:
        digest.update(block)
        size += file.write(block)
    fields = (MAGIC, VERSION, len(header), size)
    file.seek(0)
    file.write(FRAME.pack(*fields, _checksum(digest.digest(), *fields)))


def _checksum(content: bytes, *fields: Any) -> bytes:
    """Of the frame's own fields and the content's digest."""
    front = FRAME.pack(*fields, content)
    return hashlib.blake2b(front, digest_size=_DIGEST).digest()


def _sync_folder(folder: Path) -> None:
    """Makes the new name last through a power failure, where a folder can be synced."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Reading ---------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> tuple[Any, memoryview]:
    """The header and the data, after the frame, the sizes and the checksum fit.

    Raises:
        GraphFileError: if they don't.
        OSError: if the file isn't there or isn't readable.
    """
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise refuse(
                "A saved graph is a regular file.",
                f"{os.fspath(path)!r}, which is none",
                "copy its content into a file first.",
            )
        front = file.read(FRAME.size)
        header, data = _sizes(front, found.st_size)
        content = file.read(header + data)
    if len(content) != header + data:
        raise refuse("A file that nobody writes while it is read.", "fewer bytes")
    fields = FRAME.unpack(front)
    digest = hashlib.blake2b(content, digest_size=_DIGEST).digest()
    if _checksum(digest, *fields[:-1]) != fields[-1]:
        raise refuse(
            "The content fits its checksum.", "a damaged or changed file: it doesn't"
        )
    view = memoryview(content)
    return _parsed(content[:header]), view[header:]


def _sizes(front: bytes, size: int) -> tuple[int, int]:
    """The lengths of header and data, before anything is allocated for them."""
    if not front.startswith(MAGIC[: len(front)]) or not front:
        raise refuse(
            "A saved graph begins with the bytes of its format.",
            f"a file that begins with {front[:12]!r}",
            "load what graph.save(path) wrote.",
        )
    if len(front) < FRAME.size:
        raise refuse(
            f"A saved graph has at least {FRAME.size} bytes.", f"{size}: it is cut off"
        )
    _, version, header, data, _ = FRAME.unpack(front)
    if version > VERSION:
        raise refuse(
            f"This wengert reads saved graphs up to version {VERSION}.",
            f"version {version}",
            "install a newer wengert, or save the graph with this one.",
        )
    if version != VERSION or FRAME.size + header + data != size:
        raise refuse(
            f"A file of {FRAME.size} + {header} + {data} bytes, as it says itself.",
            f"{size} bytes, version {version}: cut off, longer, or changed",
        )
    return header, data


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(
            text.decode("ascii"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise refuse("The header is JSON.", f"{error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that comes twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which isn't JSON")
