"""Object code in one piece and back, with the names that it takes and offers."""

import ctypes
import os
import subprocess
import sys

import pytest

from wengert.native import (
    capi,
    copied,
    libraries,
    mathematics,
    objects,
    symbols,
    threads,
)

TEXT = """
declare double @sin(double)
define double @twice(double %x) {
  %y = call double @sin(double %x)
  %z = fadd double %y, %y
  ret double %z
}
define i64 @answer() {
  ret i64 42
}"""


def test_packed_and_back() -> None:
    import math

    made = objects.compiled(TEXT)
    assert made.exports == ("twice", "answer")
    again = objects.unpacked(objects.packed(made))
    assert again == made
    library = again.link()
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    assert kind(library.address("twice"))(0.5) == 2 * math.sin(0.5)
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("answer"))() == 42


def test_several_files() -> None:
    one = objects.compiled(
        "declare i64 @inner()\ndefine i64 @outer() {\n"
        "  %x = call i64 @inner()\n  ret i64 %x\n}"
    )
    two = objects.compiled("define i64 @inner() {\n  ret i64 7\n}")
    both = objects.Objects((*one.codes, *two.codes), (), ("outer",))
    library = objects.unpacked(objects.packed(both)).link()
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("outer"))() == 7


@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d + b"x", lambda d: b"", lambda d: d[5:]]
)
def test_other_bytes_are_refused(change) -> None:
    with pytest.raises(ValueError, match=r".*"):
        objects.unpacked(change(objects.packed(objects.compiled(TEXT))))


def test_every_provider_provides() -> None:
    """Each name that somebody registers has its module in the table."""
    modules = (capi, copied, libraries, mathematics, threads)
    assert modules
    registered = {*symbols._BY_NAME, *symbols._BY_PREFIX} - {"Py", "_Py"}
    ours = {name for name in registered if not name.startswith("test_")}
    assert ours == set(objects.PROVIDERS)


def test_a_copy_is_found_without_what_writes_it() -> None:
    code = """
import sys
from wengert.native import copied, objects, symbols
assert copied.address("wg_math_sin_f64")
print("wengert.native.mathematics" in sys.modules)
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=dict(os.environ),
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert said[1] == "False"
