"""Faults that attacks on compiled code found: each as small as it can be."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from compiled import check_function

import wengert as wg

# Calls that threads make at the same moment, in a process that has compiled nothing.
AT_ONCE = """
import sys, threading
import numpy as np
import wengert as wg
sys.setswitchinterval(1e-6)
found, together = [], threading.Barrier(6)
def call(k):
    together.wait()
    f = wg.jit(lambda x: np.sum(np.sin(x) * k))
    found.append((type(f), f(np.ones(50)) / k, f(np.ones(50)) / k))
threads = [threading.Thread(target=call, args=(k + 1,)) for k in range(6)]
[t.start() for t in threads], [t.join() for t in threads]
values = [v for _, *both in found for v in both]
print(len({id(kind) for kind, *_ in found}), np.allclose(values, 50 * np.sin(1.0)))
"""

# Of two threads' copies of a function only one stays in memory.
COPIES = """
import ctypes, gc, sys, threading
from wengert.native import copied
sys.setswitchinterval(1e-6)
found, together = [], threading.Barrier(4)
def ask():
    together.wait()
    found.append(copied.address("wg_math_sin_f64"))
threads = [threading.Thread(target=ask) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
gc.collect()
print(len(set(found)), set(found) == {copied.address("wg_math_sin_f64")})
"""

# An interrupt just after llvmlite has taken its lock leaves it taken.
LEFT = """
import wengert as wg
from wengert.native import link, machine, shards
wg.set_threads(3)
shards._LEAST = 10
machine.binding().ffi.lib._lock._lock.acquire()
text = [f"define i64 @f{i}() {{\\n  ret i64 {i}\\n}}" for i in range(9)]
print(len(link.objects_of("\\n".join(text))))
"""


def output_of(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return run.stdout.strip()


@pytest.mark.parametrize("extent", [5, 129])
@pytest.mark.parametrize("dtype", [float, np.float32, complex])
def test_a_place_that_is_looked_up_of_one_that_is_computed(
    extent: int, dtype: Any
) -> None:
    """The outer index is counted, not read, and its place is in an index array."""

    def f(x: Any) -> Any:
        hidden = x.real.sum() > 1e9
        outer = (np.arange(extent) * 7 + hidden) % extent
        picked = x[outer][np.array([-4, 2, 1, 3, 0, 1, 2, 4])]
        return picked * (picked.real > 0.3)

    check_function(f, np.linspace(-1.0, 1.0, extent).astype(dtype))


@pytest.mark.parametrize("table", [np.arange(99.0), np.ones(5), np.arange(99) * 1j])
def test_places_outside_of_a_computed_constant_raise(table: Any) -> None:
    """Also where the element is known without reading."""

    def f(i: Any) -> Any:
        return table[i] * 2.0

    compiled = wg.jit(f)
    np.testing.assert_array_equal(compiled(np.array([1, 2])), f(np.array([1, 2])))
    with pytest.raises(IndexError):
        compiled(np.array([1, 99]))


def test_threads_that_compile_first_share_one_type() -> None:
    assert output_of(AT_ONCE) == "1 True"


def test_threads_that_ask_for_a_function_get_the_copy_that_stays() -> None:
    assert output_of(COPIES) == "1 True"


def test_an_interrupted_call_of_llvm_does_not_stop_other_threads() -> None:
    assert output_of(LEFT) == "3"
