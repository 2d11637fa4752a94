"""The cache on disk: what it gives back is what was put there, or nothing."""

import os
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from wengert.native import cache, machine

CODE = bytes(range(256)) * 8
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")
no_root = pytest.mark.skipif(
    os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("WENGERT_CACHE", "WENGERT_CACHE_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache, "_state", cache._State())
    return tmp_path / "wengert" / "native"


def put(text: str = "some text") -> str:
    key = cache.key_of(text)
    assert key is not None
    cache.write(key, CODE)
    return key


def file_of(home: Path, key: str) -> Path:
    return home / f"{key}.object"


def test_what_was_written_is_read(home: Path) -> None:
    key = put()
    assert cache.read(key) == CODE
    found = cache.info()
    assert (found.entries, found.hits, found.misses, found.note) == (1, 1, 0, "")
    assert found.directory == str(home)
    assert found.size == file_of(home, key).stat().st_size


def test_an_entry_that_isnt_there() -> None:
    assert cache.read("0" * 64) is None
    put()
    assert cache.read("0" * 64) is None
    assert cache.info().misses == 2
    assert cache.info().note == ""


def test_the_key_depends_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [cache.key_of("a"), cache.key_of("b"), cache.key_of("a", "option")]
    monkeypatch.setattr(machine, "facts", lambda: "another processor")
    keys.append(cache.key_of("a"))
    monkeypatch.setattr(cache, "_version", lambda: "9.9")
    keys.append(cache.key_of("a"))
    # The parts can't be mistaken for each other.
    keys += [cache.key_of("bc", "a"), cache.key_of("c", "ab")]
    assert len(set(keys)) == len(keys)


@posix
def test_only_the_user_can_get_in(home: Path) -> None:
    key = put()
    for place in (home, home.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(home, key).stat().st_mode) == 0o600


@pytest.mark.parametrize("position", [0, 5, 20, 48, 49, 60, -1])
def test_a_flipped_bit_is_a_miss_and_is_mended(home: Path, position: int) -> None:
    key = put()
    data = bytearray(file_of(home, key).read_bytes())
    data[position] ^= 4
    file_of(home, key).write_bytes(bytes(data))
    assert cache.read(key) is None
    assert cache.info().rejected == 1
    assert "damaged" in cache.info().note
    cache.write(key, CODE)
    assert cache.read(key) == CODE


@pytest.mark.parametrize("length", [0, 1, 17, 48, 49, 100, -1])
def test_a_cut_file_is_a_miss(home: Path, length: int) -> None:
    key = put()
    data = file_of(home, key).read_bytes()
    file_of(home, key).write_bytes(data[:length])
    assert cache.read(key) is None


def test_a_longer_file_is_a_miss(home: Path) -> None:
    key = put()
    with file_of(home, key).open("ab") as file:
        file.write(b"\0")
    assert cache.read(key) is None


def test_an_entry_under_another_name_is_a_miss(home: Path) -> None:
    one, other = put("one"), put("other")
    os.replace(file_of(home, one), file_of(home, other))
    assert cache.read(other) is None


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
@pytest.mark.parametrize("level", ["native", "wengert"])
def test_a_place_that_others_can_write_to_isnt_used(
    home: Path, mode: int, level: str
) -> None:
    key = put()
    (home if level == "native" else home.parent).chmod(mode)
    with pytest.warns(RuntimeWarning, match=r"written by others[\s\S]*Do:"):
        assert cache.read(key) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert cache.read(key) is None
        cache.write(key, CODE)
    assert not cache.info().enabled
    assert "written by others" in cache.info().note


@posix
def test_a_file_that_others_can_write_to_isnt_read(home: Path) -> None:
    key = put()
    file_of(home, key).chmod(0o666)
    with pytest.warns(RuntimeWarning, match="written by others"):
        assert cache.read(key) is None
    cache.write(key, CODE)  # replaced by one of our own
    assert cache.read(key) == CODE


@posix
def test_somebody_elses_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = put()
    user = os.geteuid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: user + 1)
        with pytest.warns(RuntimeWarning, match="belongs to another user"):
            assert cache.read(key) is None
    assert cache.read(key) == CODE


@posix
def test_links_arent_followed(home: Path, tmp_path: Path) -> None:
    key = put()
    elsewhere = tmp_path / "elsewhere"
    file_of(home, key).rename(elsewhere)
    file_of(home, key).symlink_to(elsewhere)
    assert cache.read(key) is None
    file_of(home, key).unlink()
    home.rename(tmp_path / "moved")
    home.symlink_to(tmp_path / "moved")
    with pytest.warns(RuntimeWarning, match="symbolic link"):
        assert cache.read(key) is None


@posix
def test_a_pipe_in_place_of_an_entry_doesnt_block(home: Path) -> None:
    key = put()
    file_of(home, key).unlink()
    os.mkfifo(file_of(home, key))
    with pytest.warns(RuntimeWarning, match="plain file"):
        assert cache.read(key) is None


def test_a_file_in_place_of_the_directory(home: Path) -> None:
    home.parent.mkdir(mode=0o700)
    home.write_text("not a directory")
    key = cache.key_of("text")
    assert key is not None
    with pytest.warns(RuntimeWarning, match="isn't a directory"):
        assert cache.read(key) is None
    cache.write(key, CODE)
    assert home.read_text() == "not a directory"


@posix
@no_root
def test_a_home_that_cant_be_written(tmp_path: Path) -> None:
    key = cache.key_of("text")
    assert key is not None
    tmp_path.chmod(0o500)
    try:
        cache.write(key, CODE)
        assert cache.read(key) is None
        assert "ermission" in cache.info().note or cache.info().entries == 0
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_fails(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full, read-only: nothing is raised, nothing half-written stays."""

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    put("before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        key = put()
    assert [f.suffix for f in home.iterdir()] == [".object"]
    assert cache.read(key) is None
    assert "No space left" in cache.info().note


def test_switched_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("off", "OFF", "0"):
        monkeypatch.setenv("WENGERT_CACHE", word)
        assert cache.key_of("text") is None
    assert not cache.info().enabled
    assert not home.exists()


def test_the_longest_unused_go_first(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "1")
    big = os.urandom(200_000)
    keys: list[str] = []
    for i in range(12):
        key = cache.key_of(str(i))
        assert key is not None
        cache.write(key, big)
        if file_of(home, key).exists():
            os.utime(file_of(home, key), (1e9 + i, 1e9 + i))
        if i == 3:
            assert cache.read(keys[0]) == big  # used, and so renewed
        keys.append(key)
    there = [file_of(home, key).exists() for key in keys]
    assert cache.info().size <= 1 << 20
    assert there[0]
    assert there[-1]
    assert not any(there[1:5])
    monkeypatch.setenv("WENGERT_CACHE_SIZE", "0")
    put("too large for nothing at all")
    assert cache.limit() == 0


def test_remains_of_an_interrupted_write_are_removed(home: Path) -> None:
    put()
    old, young = home / "1234.part", home / "5678.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 1e5,) * 2)
    cache._state.unchecked = -1
    put("another")
    assert not old.exists()
    assert young.exists()
    assert cache.info().entries == 2


def test_clear(home: Path) -> None:
    assert cache.clear() == 0
    put("one")
    put("two")
    (home / "notes.txt").write_text("mine")
    assert cache.clear() == 2
    assert [f.name for f in home.iterdir()] == ["notes.txt"]


def test_threads_write_and_read_at_once(home: Path) -> None:
    faults = []

    def work() -> None:
        for i in range(20):
            key = put(str(i))
            if cache.read(key) != CODE:
                faults.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert cache.info().entries == 20
    assert not list(home.glob("*.part"))


def test_processes_write_and_are_killed(home: Path) -> None:
    """Whoever dies in the middle of a write leaves nothing that is believed."""
    code = """
import os, sys
from wengert.native import cache, machine
i = 0
print("ready", flush=True)
while True:
    key = cache.key_of(str(i % 5))
    cache.write(key, bytes([i % 5]) * 300_000)
    i += 1
"""
    workers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    time.sleep(0.3)
    for worker in workers:
        worker.kill()
        worker.communicate()
    read = 0
    for i in range(5):
        key = cache.key_of(str(i))
        assert key is not None
        data = cache.read(key)
        assert data in (None, bytes([i]) * 300_000)
        read += data is not None
    assert read
    assert cache.info().rejected == 0
