"""Compiled code kept on disk, so that a program is compiled once per machine.

`$XDG_CACHE_HOME/wengert/native` (or `~/.cache/wengert/native`) is the user's alone.
A directory or file that somebody else could have written is not used, and an entry
whose digest isn't right is a miss: code that we didn't write is never loaded.

Settings, in the environment: `WENGERT_CACHE=off`; `WENGERT_CACHE_SIZE`, in MiB (512).
"""

import contextlib
import functools
import hashlib
import os
import secrets
import stat
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from wengert.graph import compiling
from wengert.native import machine

_MAGIC = b"wengert object 1\n"
_DIGEST = 32
_SUFFIX, _PART = ".object", ".part"
_DEFAULT_MIB = 512
# The folders of the library that programs depend on.
_SOURCES = ("core", "ops", "graph", "passes", "native")
# When an entry is used, its time is renewed; not more often than this, in seconds.
_RENEW = 3600.0
# The part of an interrupted write is removed when it is this old.
_STALE = 3600.0


class CacheInfo(NamedTuple):
    """What `info` says.

    Attributes:
        directory: where the entries are, or would be.
        enabled: whether entries are read and written.
        note: why not, or what was found wrong last; empty if nothing was.
        entries: how many there are.
        size: their bytes.
        limit: the bytes they may have; the longest unused go first.
        hits: programs that this process took from the cache.
        misses: programs that weren't there.
        rejected: files that weren't as they should be, and weren't loaded.
    """

    directory: str
    enabled: bool
    note: str
    entries: int
    size: int
    limit: int
    hits: int
    misses: int
    rejected: int


class _Unusable(Exception):
    """The directory can't or mustn't be used; `foreign`: somebody else's hand."""

    def __init__(self, note: str, foreign: bool = False) -> None:
        super().__init__(note)
        self.foreign = foreign


class _State:
    """What this process has seen of the cache."""

    def __init__(self) -> None:
        self.hits = self.misses = self.rejected = 0
        self.note = ""
        self.warned = False
        self.unchecked = -1  # bytes written since the size was looked at; −1: never


_state = _State()
_lock = threading.Lock()


def directory() -> str:
    """Where the entries are: `$XDG_CACHE_HOME/wengert/native`, or below `~/.cache`.

    Example:
        >>> directory().endswith("native")
        True
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        local = os.environ.get("LOCALAPPDATA", "") if os.name == "nt" else ""
        home = local or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "wengert", "native")


def limit() -> int:
    """The bytes that all entries together may have."""
    asked = os.environ.get("WENGERT_CACHE_SIZE", "")
    mib = int(asked) if asked.isdecimal() else _DEFAULT_MIB
    return mib << 20


def is_on() -> bool:
    """Whether compiled code is kept, here and on the disk."""
    word = os.environ.get("WENGERT_CACHE", "").lower()
    return word not in ("off", "0", "no", "false")


def key_of(text: str, options: str = "") -> str | None:
    """The name of a program's entry: its text and all that its code depends on.

    Args:
        text: LLVM IR.
        options: how it is compiled.

    Returns:
        64 hexadecimal digits, or None if the cache is switched off.
    """
    if not is_on():
        return None
    digest = hashlib.sha256()
    for part in (_version(), machine.facts(), options, text):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _version() -> str:
    return str(getattr(sys.modules.get("wengert"), "__version__", ""))


@functools.cache
def sources() -> str | None:
    """A digest that another state of the library's files has not.

    It is made of their sizes and times, once per process in less than a millisecond.
    None if they changed since this process read them, as for somebody who works on the
    library.
    """
    root = os.path.dirname(os.path.dirname(__file__))
    pending = [os.path.join(root, name) for name in _SOURCES]
    found: list[str] = []
    newest = 0
    while pending:
        # In an archive there are no such folders: then the version has to do.
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    facts = entry.stat()
                    newest = max(newest, facts.st_mtime_ns)
                    place = entry.path[len(root) :]
                    found.append(f"{place} {facts.st_size} {facts.st_mtime_ns}")
                elif entry.name != "__pycache__" and entry.is_dir():
                    pending.append(entry.path)
    if newest > compiling.IMPORTED:
        _state.note = "wengert's files have changed since this process began"
        return None
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def _seal(key: str, code: bytes) -> bytes:
    """A digest of the code that only fits under this key."""
    digest = hashlib.blake2b(code, digest_size=_DIGEST, key=bytes.fromhex(key))
    return digest.digest()


def read(key: str) -> bytes | None:
    """The object code of an entry, or None: not there, or not to be trusted.

    Args:
        key: what `key_of` gave.
    """
    try:
        with _opened(make=False) as place:
            data = place.read(key + _SUFFIX)
    except FileNotFoundError:
        _state.misses += 1
        return None
    except (_Unusable, OSError) as trouble:
        _refuse(trouble)
        return None
    code = data[len(_MAGIC) + _DIGEST :]
    if data != _MAGIC + _seal(key, code) + code:
        _refuse(_Unusable(f"the entry {key[:12]} is damaged; it is made anew"))
        return None
    _state.hits += 1
    return code


def _refuse(trouble: Exception) -> None:
    _note(trouble)
    _state.rejected += 1
    _state.misses += 1


def reject(key: str, why: str) -> None:
    """Notes that what `read` gave for a key can't be used after all.

    Args:
        key: what `key_of` gave.
        why: what is wrong with it.
    """
    _state.hits -= 1
    _refuse(_Unusable(f"the entry {key[:12]} can't be used, {why}; it is made anew"))


def write(key: str, code: bytes) -> None:
    """Keeps object code. Whatever prevents that is noted in `info`, never raised.

    Args:
        key: what `key_of` gave.
        code: the object code.
    """
    data = _MAGIC + _seal(key, code) + code
    if len(data) > limit():
        return
    try:
        with _opened(make=True) as place:
            place.write(key + _SUFFIX, data)
            with _lock:
                first = _state.unchecked < 0
                _state.unchecked = max(_state.unchecked, 0) + len(data)
                due = first or _state.unchecked > limit() // 64
                if due:
                    _state.unchecked = 0
            if due:
                _shrink(place)
    except (_Unusable, OSError) as trouble:
        _note(trouble)


def _note(trouble: Exception) -> None:
    """Remembers what is wrong; says so once if it may be somebody's attempt."""
    _state.note = str(trouble)
    if isinstance(trouble, _Unusable) and trouble.foreign and not _state.warned:
        _state.warned = True
        warnings.warn(
            f"compiled code isn't cached: {trouble}\n  Do:   remove that, or set "
            "XDG_CACHE_HOME to a directory of your own, or WENGERT_CACHE=off",
            RuntimeWarning,
            stacklevel=2,
        )


class _Place:
    """The open directory. All names in it are looked up in it, wherever it moves to."""

    def __init__(self, path: str, fd: int | None) -> None:
        self.path = path
        self.fd = fd  # None where the system has no such thing

    def _name(self, name: str) -> str:
        return name if self.fd is not None else os.path.join(self.path, name)

    def open(self, name: str, flags: int) -> int:
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.open(self._name(name), flags, 0o600, dir_fd=self.fd)

    def read(self, name: str) -> bytes:
        fd = self.open(name, os.O_RDONLY)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _Unusable(f"{name} in {self.path} isn't a plain file", True)
            _check_owner(found, os.path.join(self.path, name))
            if time.time() - found.st_mtime > _RENEW:
                with contextlib.suppress(OSError):
                    self.renew(name)
            with os.fdopen(fd, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(fd)

    def renew(self, name: str) -> None:
        if self.fd is not None:
            os.utime(name, dir_fd=self.fd, follow_symlinks=False)
        else:
            os.utime(self._name(name))

    def write(self, name: str, data: bytes) -> None:
        """The whole entry appears at once, or not at all."""
        part = f"{secrets.token_hex(8)}{_PART}"
        fd = self.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            os.replace(self._name(part), self._name(name),
                       src_dir_fd=self.fd, dst_dir_fd=self.fd)  # fmt: skip
        except BaseException:
            self.remove(part)
            raise

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._name(name), dir_fd=self.fd)

    def files(self) -> list[tuple[float, int, str]]:
        """Last use, size and name of our files, the longest unused first."""
        found = []
        with os.scandir(self.path if self.fd is None else self.fd) as entries:
            for entry in entries:
                if not entry.name.endswith((_SUFFIX, _PART)):
                    continue
                with contextlib.suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    found.append((facts.st_mtime, facts.st_size, entry.name))
        return sorted(found)


@contextlib.contextmanager
def _opened(make: bool) -> Iterator[_Place]:
    """The directory, if it is the user's own and nobody else may write to it.

    Raises:
        FileNotFoundError: if it isn't there and `make` is false.
        _Unusable: if it mustn't be used.
    """
    path = directory()
    if make:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
    if os.open not in os.supports_dir_fd:
        yield _Place(path, None)  # Windows: the profile's access list protects it
        return
    for each in (os.path.dirname(path), path):
        _check_directory(os.lstat(each), each)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_directory(os.fstat(fd), path)
        yield _Place(path, fd)
    finally:
        os.close(fd)


def _check_directory(found: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _Unusable(f"{path} is a symbolic link", True)
    if not stat.S_ISDIR(found.st_mode):
        raise _Unusable(f"{path} isn't a directory", True)
    _check_owner(found, path)


def _check_owner(found: os.stat_result, path: str) -> None:
    if os.name != "posix":
        return
    if found.st_uid != os.geteuid():
        raise _Unusable(f"{path} belongs to another user", True)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _Unusable(f"{path} may be written by others", True)


def _shrink(place: _Place) -> None:
    """Removes what was unused for longest, down to nine tenths of the limit."""
    files = place.files()
    now = time.time()
    for used, _, name in files:
        if name.endswith(_PART) and now - used > _STALE:
            place.remove(name)
    entries = [f for f in files if f[2].endswith(_SUFFIX)]
    size = sum(f[1] for f in entries)
    if size <= limit():
        return
    for _, bytes_, name in entries:
        if size <= limit() * 9 // 10:
            break
        place.remove(name)
        size -= bytes_


def info() -> CacheInfo:
    """The state of the cache on disk, and what this process made of it.

    Returns:
        See `CacheInfo`.

    Example:
        >>> info().limit > 0
        True
    """
    entries: list[tuple[float, int, str]] = []
    note, enabled = _state.note, is_on()
    if not enabled:
        note = "switched off by WENGERT_CACHE"
    else:
        try:
            with _opened(make=False) as place:
                entries = [f for f in place.files() if f[2].endswith(_SUFFIX)]
            if not os.access(directory(), os.W_OK):
                note = f"{directory()} can be read, not written"
        except FileNotFoundError:
            pass
        except (_Unusable, OSError) as trouble:
            note, enabled = str(trouble), False
    known: dict[str, Any] = {
        "hits": _state.hits, "misses": _state.misses, "rejected": _state.rejected
    }  # fmt: skip
    return CacheInfo(
        directory=directory(), enabled=enabled, note=note, entries=len(entries),
        size=sum(e[1] for e in entries), limit=limit(), **known,
    )  # fmt: skip


def clear() -> int:
    """Removes all entries from the disk. Programs in memory go on.

    Returns:
        How many there were.
    """
    count = 0
    with contextlib.suppress(OSError, _Unusable), _opened(make=False) as place:
        for _, _, name in place.files():
            place.remove(name)
            count += name.endswith(_SUFFIX)
    return count
