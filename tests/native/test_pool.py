"""The pool: every index once, whoever calls, after a fork, at exit, and quickly."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import numpy as np
import pytest

from wengert.core.errors import WengertError
from wengert.native import symbols, threads
from wengert.native.link import load

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pool there")

# context: (pointer to counts, pointer to the number of pieces, begin's alignment,
#           pointer to the number of misaligned pieces, rounds of waiting)
TEXT = """
declare void @wg_parallel(ptr, ptr, i64, i64)

define internal void @piece(ptr %context, i64 %begin, i64 %end) {
entry:
  %counts = load ptr, ptr %context
  %p1 = getelementptr ptr, ptr %context, i64 1
  %pieces = load ptr, ptr %p1
  %one.more = atomicrmw add ptr %pieces, i64 1 monotonic
  %p2 = getelementptr i64, ptr %context, i64 2
  %grain = load i64, ptr %p2
  %off = srem i64 %begin, %grain
  %odd = icmp ne i64 %off, 0
  %odd.one = zext i1 %odd to i64
  %p3 = getelementptr ptr, ptr %context, i64 3
  %bad = load ptr, ptr %p3
  %bad.more = atomicrmw add ptr %bad, i64 %odd.one monotonic
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %i1, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %at = getelementptr i64, ptr %counts, i64 %i
  %have = load i64, ptr %at
  %now = add i64 %have, 1
  store i64 %now, ptr %at
  %i1 = add i64 %i, 1
  br label %head
done:
  ret void
}

define void @run(ptr %context, i64 %n, i64 %grain) {
entry:
  call void @wg_parallel(ptr @piece, ptr %context, i64 %n, i64 %grain)
  ret void
}

define void @often(ptr %context, i64 %n, i64 %grain, i64 %times) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i1, %head ]
  call void @wg_parallel(ptr @piece, ptr %context, i64 %n, i64 %grain)
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %times
  br i1 %more, label %head, label %done
done:
  ret void
}

define internal void @outer(ptr %context, i64 %begin, i64 %end) {
entry:
  %p4 = getelementptr i64, ptr %context, i64 4
  %n = load i64, ptr %p4
  %size = mul i64 %n, 8
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %i1, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %own = alloca [4 x i64]
  call void @llvm.memcpy.p0.p0.i64(ptr %own, ptr %context, i64 32, i1 false)
  %counts = load ptr, ptr %own
  %skip = mul i64 %size, %i
  %mine = getelementptr i8, ptr %counts, i64 %skip
  store ptr %mine, ptr %own
  call void @wg_parallel(ptr @piece, ptr %own, i64 %n, i64 1)
  %i1 = add i64 %i, 1
  br label %head
done:
  ret void
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @nested(ptr %context, i64 %n) {
entry:
  call void @wg_parallel(ptr @outer, ptr %context, i64 %n, i64 1)
  ret void
}
"""


class Loop:
    """Counts visits to each index."""

    def __init__(self) -> None:
        self.library = load(TEXT)
        types = [ctypes.c_void_p] + [ctypes.c_int64] * 3
        self.functions = {
            name: ctypes.CFUNCTYPE(None, *types[:n])(self.library.address(name))
            for name, n in (("run", 3), ("often", 4), ("nested", 2))
        }

    def __call__(
        self, name: str, n: int, grain: int, *more: int, inner: int = 1
    ) -> Any:
        counts = np.zeros(max(n, 1) * inner, np.int64)
        pieces, bad = np.zeros(1, np.int64), np.zeros(1, np.int64)
        context = np.array(
            [counts.ctypes.data, pieces.ctypes.data, grain, bad.ctypes.data, inner],
            np.int64,
        )
        arguments = [n] if name == "nested" else [n, grain, *more]
        self.functions[name](context.ctypes.data, *arguments)
        assert bad[0] == 0
        return counts[: n * inner], int(pieces[0])


@pytest.fixture(scope="module")
def loop() -> Loop:
    return Loop()


@pytest.fixture(autouse=True)
def _four_threads() -> Any:
    before = threads.get_threads()
    threads.set_threads(4)
    yield
    threads.set_threads(before)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 64, 1000, 12345])
@pytest.mark.parametrize("grain", [1, 8, 100, 5000])
def test_every_index_is_visited_once(loop: Loop, n: int, grain: int) -> None:
    counts, pieces = loop("run", n, grain)
    assert (counts == 1).all()
    if n <= grain:
        assert pieces == min(n, 1)
    else:
        assert 1 < pieces <= 16


def test_a_hundred_thousand_loops(loop: Loop) -> None:
    start = time.perf_counter()
    counts, _ = loop("often", 100, 10, 100_000)
    assert (counts == 100_000).all()
    assert time.perf_counter() - start < 60  # 0.1 s on an idle machine


def test_loops_inside_loops_run_on_their_caller(loop: Loop) -> None:
    counts, pieces = loop("nested", 50, 1, inner=300)
    assert (counts == 1).all()
    assert pieces == 50


def test_many_python_threads(loop: Loop) -> None:
    failed = []

    def call() -> None:
        for n in range(1, 300):
            counts, _ = loop("often", n, 3, 20)
            if not (counts == 20).all():
                failed.append(n)

    running = [threading.Thread(target=call) for _ in range(8)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert not failed


def test_the_number_of_threads_can_change_at_any_time(loop: Loop) -> None:
    stop = threading.Event()
    failed = []

    def call() -> None:
        while not stop.is_set():
            counts, _ = loop("often", 200, 3, 50)
            if not (counts == 50).all():
                failed.append(1)

    running = [threading.Thread(target=call) for _ in range(3)]
    for t in running:
        t.start()
    for n in [1, 2, 7, 3, 1, 5] * 5:
        threads.set_threads(n)
        assert threads.get_threads() == n
        counts, pieces = loop("run", 100, 1)
        assert (counts == 1).all()
        assert pieces <= 4 * n
    stop.set()
    for t in running:
        t.join()
    assert not failed


def test_one_thread_is_no_pool(loop: Loop) -> None:
    threads.set_threads(1)
    counts, pieces = loop("run", 1000, 1)
    assert pieces == 1
    assert (counts == 1).all()


def test_workers_take_no_signals(loop: Loop) -> None:
    loop("run", 1000, 1)
    got = []
    before = signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
    try:
        tasks = os.listdir("/proc/self/task") if os.path.isdir("/proc/self") else []
        blocked = 0
        for task in tasks:
            with open(f"/proc/self/task/{task}/status") as file:
                mask = next(x for x in file if x.startswith("SigBlk"))
            blocked += bool(int(mask.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1)
        assert blocked >= 3 or not tasks
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert got
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(loop: Loop) -> None:
    loop("run", 1000, 1)
    for _ in range(5):
        child = os.fork()
        if child == 0:
            good = False
            try:
                counts, pieces = loop("often", 1000, 1, 10)
                tasks = os.listdir("/proc/self/task") if sys.platform == "linux" else []
                good = (counts == 10).all() and pieces > 10
                good = good and (len(tasks) >= 4 or not tasks)
            finally:
                os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (loop("run", 1000, 1)[0] == 1).all()


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


START = """
    import ctypes, threading, time
    from wengert.native import symbols, threads
    from wengert.native.link import load
    text = '''
    define void @wait(ptr %c, i64 %b, i64 %e) {
    entry:
      %x = call i32 @usleep(i32 20000)
      ret void
    }
    define void @nothing(ptr %c, i64 %b, i64 %e) {
      ret void
    }
    declare i32 @usleep(i32)
    '''
    library = load(text)
    parallel = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
    )(symbols.lookup("wg_parallel"))
    threads.set_threads(3)
"""


@pytest.mark.parametrize("end", [
    "parallel(library.address('nothing'), None, 100, 1)",
    "parallel(library.address('wait'), None, 3, 1)",
    "parallel(library.address('nothing'), None, 100, 1); time.sleep(0.1)",
    "[threading.Thread(target=parallel, daemon=True, args=(library.address('wait'), "
    "None, 10_000, 1)).start() for _ in range(3)]; time.sleep(0.05)",
    "import os; parallel(library.address('nothing'), None, 100, 1); pid = os.fork(); "
    "pid and os.waitpid(pid, 0)",
])  # fmt: skip
def test_python_exits_without_waiting_or_crashing(end: str) -> None:
    for _ in range(3):
        start = time.perf_counter()
        done = python(START + "    " + end)
        assert done.returncode == 0, done.stderr
        assert time.perf_counter() - start < 30


def test_the_default_is_the_environments_or_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WENGERT_THREADS", raising=False)
    if sys.platform == "linux":
        assert threads.default_threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("WENGERT_THREADS", "3")
    assert threads.default_threads() == 3
    for wrong in ["0", "-1", "two", "1.5", "100000"]:
        monkeypatch.setenv("WENGERT_THREADS", wrong)
        with pytest.raises(WengertError, match=f"WENGERT_THREADS[^🙂]*{wrong}"):
            threads.default_threads()


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "2", None, 10**6])
def test_set_threads_refuses_what_is_no_number_of_threads(n: Any) -> None:
    with pytest.raises(WengertError, match="set_threads"):
        threads.set_threads(n)
    assert threads.get_threads() == 4


def test_the_pool_is_known_to_programs() -> None:
    assert symbols.lookup("wg_parallel")
