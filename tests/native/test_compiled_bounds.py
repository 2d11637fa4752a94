"""Compiled code touches no byte outside its arrays: runs beside forbidden pages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ALL = os.environ.get("WENGERT_COMPILED") == "all"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="pages are forbidden through mprotect"
)


def guarded(*words: object, bits: str = "") -> subprocess.CompletedProcess[str]:
    """Runs guarded.py, for vectors of `bits`."""
    env = dict(os.environ)
    if bits:
        env["WENGERT_VECTOR_BITS"] = bits
    return subprocess.run(
        [sys.executable, HERE / "guarded.py", *map(str, words)],
        capture_output=True, text=True, timeout=600, env=env,
    )  # fmt: skip


def survives(least: int, *words: object, bits: str = "") -> None:
    """Asserts that a run ends well, after at least so many programs."""
    ran = guarded(*words, bits=bits)
    last = "\n".join(ran.stdout.splitlines()[-1:])
    assert ran.returncode == 0, f"died of {ran.returncode} in {last!r}\n{ran.stderr}"
    assert last.startswith("ran "), last
    assert int(last.split()[1]) >= least


@pytest.mark.parametrize("fault", ["read", "write", "input"])
def test_a_fault_is_seen(fault: str) -> None:
    """An array that is one element short, or written though only to be read."""
    assert guarded(fault).returncode < 0


@pytest.mark.parametrize("first", range(8) if ALL else [1])
def test_rows(first: int) -> None:
    survives(150, "rows", first, 8)


@pytest.mark.parametrize("bits", ["128", "256", "512"])
def test_complex_numbers(bits: str) -> None:
    count = 60 if ALL else 18
    survives(2 * count, "complex", 1, count, bits=bits)


@pytest.mark.parametrize("bits", ["128", "256", "512"])
def test_random_programs(bits: str) -> None:
    count = 300 if ALL else 15
    survives(count, "random", 1000, count, bits=bits)
