"""A pool of threads in native code, for the loops of compiled programs.

`@wg_parallel(ptr fn, ptr context, i64 n, i64 grain)` calls `fn(context, begin, end)`
for pieces that together are 0 … n, each begin a multiple of `grain`, on all threads.
`@wg_parallel_chunks(ptr fn, ptr context, i64 n, i64 size, i64 low, i64 high)` calls
`fn(context, begin, end, k)` for each k below n: for the k-th `size` of low … high.
The caller works too and returns when all is done. Workers wait for the next loop
spinning, for a bounded time, and then sleep. A loop inside a loop, or while another
Python thread's loop runs, runs on its caller alone: nobody ever waits for the pool.

Workers never touch Python. They start with the first loop, are stopped when Python
exits, and start anew after a fork.
"""

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

from wengert.core.errors import WengertError, explain
from wengert.native import machine, symbols

MOST = 256  # threads
SPIN_NS = 30_000  # how long a worker looks for the next loop before it sleeps
_PIECES = 4  # for each thread: one that starts late has less to do
_EXIT_NS = 200_000_000  # how long Python's exit waits for a loop that still runs


def default_threads() -> int:
    """WENGERT_THREADS, or the cores that this process may use.

    Raises:
        WengertError: if that variable isn't a number of threads.
    """
    asked = os.environ.get("WENGERT_THREADS", "")
    if asked:
        if not asked.isdecimal() or not 1 <= int(asked) <= MOST:
            raise WengertError(
                explain(
                    f"WENGERT_THREADS is a number of threads, from 1 to {MOST}.",
                    repr(asked),
                    "set it to the number of cores to use, or unset it.",
                )
            )
        return int(asked)
    if sys.platform == "linux":
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)


def _library_text() -> str:
    return _COMMON + (_ALONE if sys.platform == "win32" else _POOL % _facts())


def _facts() -> dict[str, Any]:
    """What differs between systems and processors."""
    pause = "call void @llvm.aarch64.hint(i32 1)" if machine.is_arm64() else ""
    declared = "declare void @llvm.aarch64.hint(i32)" if pause else ""
    if machine.is_x86():
        pause = "call void @llvm.x86.sse2.pause()"
        declared = "declare void @llvm.x86.sse2.pause()"
    return {
        "pause": pause,
        "declared": declared,
        "clock": time.CLOCK_MONOTONIC,
        "setmask": int(signal.SIG_SETMASK),
        "spin": SPIN_NS,
        "most": MOST,
        "pieces": _PIECES,
    }


_COMMON = """
@wanted = global i32 0  ; workers beside the caller

define internal void @alone(ptr %fn, ptr %context, i64 %n) {
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %work, label %done
work:
  call void %fn(ptr %context, i64 0, i64 %n)
  br label %done
done:
  ret void
}

%chunks = type { ptr, ptr, i64, i64, i64 }  ; function, context, size, low, high

define internal void @chunks(ptr %task, i64 %first, i64 %last) {
entry:
  %context.at = getelementptr %chunks, ptr %task, i64 0, i32 1
  %size.at = getelementptr %chunks, ptr %task, i64 0, i32 2
  %low.at = getelementptr %chunks, ptr %task, i64 0, i32 3
  %high.at = getelementptr %chunks, ptr %task, i64 0, i32 4
  %fn = load ptr, ptr %task
  %context = load ptr, ptr %context.at
  %size = load i64, ptr %size.at
  %low = load i64, ptr %low.at
  %high = load i64, ptr %high.at
  br label %chunk
chunk:
  %k = phi i64 [%first, %entry], [%next, %chunk]
  %skip = mul i64 %k, %size
  %begin = add i64 %low, %skip
  %after = add i64 %begin, %size
  %inside = icmp slt i64 %after, %high
  %end = select i1 %inside, i64 %after, i64 %high
  call void %fn(ptr %context, i64 %begin, i64 %end, i64 %k)
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %last
  br i1 %more, label %chunk, label %done
done:
  ret void
}

define void @wg_parallel_chunks(ptr %fn, ptr %context, i64 %n, i64 %size, i64 %low,
                                i64 %high) {
entry:
  %task = alloca %chunks
  %context.at = getelementptr %chunks, ptr %task, i64 0, i32 1
  %size.at = getelementptr %chunks, ptr %task, i64 0, i32 2
  %low.at = getelementptr %chunks, ptr %task, i64 0, i32 3
  %high.at = getelementptr %chunks, ptr %task, i64 0, i32 4
  store ptr %fn, ptr %task
  store ptr %context, ptr %context.at
  store i64 %size, ptr %size.at
  store i64 %low, ptr %low.at
  store i64 %high, ptr %high.at
  call void @wg_parallel(ptr @chunks, ptr %task, i64 %n, i64 1)
  ret void
}
"""

_ALONE = """
define void @wg_parallel(ptr %fn, ptr %context, i64 %n, i64 %grain) {
entry:
  call void @alone(ptr %fn, ptr %context, i64 %n)
  ret void
}
define i32 @stop(i64 %nanoseconds) {
entry:
  ret i32 0
}
define void @reset() {
entry:
  ret void
}
"""

# The job's fields are written by the one thread that has set @busy, while no worker is
# inside. @gate says so: its bit 30 is set while a job may be joined, the bits below
# count the workers inside. Whoever joins increments it while that bit is set.
_POOL = """
@busy = internal global i32 0        ; 1: a thread uses the pool
@running = internal global i32 0     ; workers that were started
@stopping = internal global i32 0    ; 1: workers shall end
@sleepers = internal global i32 0    ; workers asleep, or about to
@ready = internal global i32 0       ; 1: the mutex and the condition are initialised
@mutex = internal global [128 x i8] zeroinitializer, align 64
@condition = internal global [128 x i8] zeroinitializer, align 64
@handles = internal global [%(most)d x i64] zeroinitializer
@generation = internal global i32 0, align 64  ; of the job: workers wait for a new one
@gate = internal global i32 0, align 64
@next = internal global i64 0, align 64        ; the first index that nobody has taken
@job_function = internal global ptr null, align 64
@job_context = internal global ptr null
@job_n = internal global i64 0
@job_piece = internal global i64 0

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @sched_yield()
declare i32 @clock_gettime(i32, ptr)
%(declared)s

define internal i64 @now() {
entry:
  %%time = alloca [2 x i64], align 16
  %%ignored = call i32 @clock_gettime(i32 %(clock)d, ptr %%time)
  %%seconds = load i64, ptr %%time
  %%at = getelementptr i64, ptr %%time, i64 1
  %%rest = load i64, ptr %%at
  %%scaled = mul i64 %%seconds, 1000000000
  %%sum = add i64 %%scaled, %%rest
  ret i64 %%sum
}

; Takes pieces of the job until none is left.
define internal void @work() {
entry:
  %%fn = load ptr, ptr @job_function
  %%context = load ptr, ptr @job_context
  %%n = load i64, ptr @job_n
  %%piece = load i64, ptr @job_piece
  br label %%take
take:
  %%begin = atomicrmw add ptr @next, i64 %%piece acq_rel
  %%left = icmp slt i64 %%begin, %%n
  br i1 %%left, label %%do, label %%done
do:
  %%after = add i64 %%begin, %%piece
  %%inside = icmp slt i64 %%after, %%n
  %%end = select i1 %%inside, i64 %%after, i64 %%n
  call void %%fn(ptr %%context, i64 %%begin, i64 %%end)
  br label %%take
done:
  ret void
}

; Whether a new generation than `last` came; looks for at most so many nanoseconds.
define internal i1 @spin(i32 %%last) {
entry:
  %%start = call i64 @now()
  br label %%look
look:
  %%i = phi i32 [ 0, %%entry ], [ %%i1, %%again ], [ %%i1, %%clock ]
  %%current = load atomic i32, ptr @generation acquire, align 4
  %%same = icmp eq i32 %%current, %%last
  br i1 %%same, label %%wait, label %%came
wait:
  %(pause)s
  %%i1 = add i32 %%i, 1
  %%low = and i32 %%i1, 31
  %%often = icmp eq i32 %%low, 0
  br i1 %%often, label %%clock, label %%again
again:
  br label %%look
clock:
  %%time = call i64 @now()
  %%spent = sub i64 %%time, %%start
  %%more = icmp slt i64 %%spent, %(spin)d
  br i1 %%more, label %%look, label %%never
never:
  ret i1 false
came:
  ret i1 true
}

; Sleeps until a new generation than `last` comes. The caller raises @generation and
; then reads @sleepers, we the other way round: one of both sees the other.
define internal void @sleep(i32 %%last) {
entry:
  %%l = call i32 @pthread_mutex_lock(ptr @mutex)
  %%c = atomicrmw add ptr @sleepers, i32 1 seq_cst
  br label %%look
look:
  %%current = load atomic i32, ptr @generation seq_cst, align 4
  %%same = icmp eq i32 %%current, %%last
  br i1 %%same, label %%wait, label %%came
wait:
  %%w = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %%look
came:
  %%d = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  %%u = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}

define internal void @announce() {
entry:
  %%g = atomicrmw add ptr @generation, i32 1 seq_cst
  %%asleep = load atomic i32, ptr @sleepers seq_cst, align 4
  %%any = icmp ne i32 %%asleep, 0
  br i1 %%any, label %%wake, label %%done
wake:
  %%l = call i32 @pthread_mutex_lock(ptr @mutex)
  %%b = call i32 @pthread_cond_broadcast(ptr @condition)
  %%u = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %%done
done:
  ret void
}

; A worker's life. Its argument is the generation at its start.
define internal ptr @worker(ptr %%argument) {
entry:
  %%wide = ptrtoint ptr %%argument to i64
  %%first = trunc i64 %%wide to i32
  br label %%wait
wait:
  %%last = phi i32 [ %%first, %%entry ], [ %%seen, %%join ], [ %%seen, %%leave ]
  %%soon = call i1 @spin(i32 %%last)
  br i1 %%soon, label %%came, label %%tired
tired:
  call void @sleep(i32 %%last)
  br label %%came
came:
  %%seen = load atomic i32, ptr @generation acquire, align 4
  %%end = load atomic i32, ptr @stopping acquire, align 4
  %%ends = icmp ne i32 %%end, 0
  br i1 %%ends, label %%out, label %%join.first
join.first:
  %%before = load atomic i32, ptr @gate acquire, align 4
  br label %%join
join:
  %%had = phi i32 [ %%before, %%join.first ], [ %%found, %%try ]
  %%open = icmp uge i32 %%had, 1073741824
  br i1 %%open, label %%try, label %%wait
try:
  %%more = add i32 %%had, 1
  %%pair = cmpxchg ptr @gate, i32 %%had, i32 %%more acq_rel acquire
  %%found = extractvalue { i32, i1 } %%pair, 0
  %%inside = extractvalue { i32, i1 } %%pair, 1
  br i1 %%inside, label %%enter, label %%join
enter:
  call void @work()
  %%left = atomicrmw sub ptr @gate, i32 1 acq_rel
  br label %%leave
leave:
  br label %%wait
out:
  ret ptr null
}

; Starts workers until there are so many; called with @busy set. They take no signals,
; which are the main thread's: it is that one that Python interrupts.
define internal void @grow(i32 %%count) {
entry:
  %%all = alloca [128 x i8], align 16
  %%old = alloca [128 x i8], align 16
  %%is = load i32, ptr @ready
  %%was = icmp ne i32 %%is, 0
  br i1 %%was, label %%block, label %%first
first:
  %%m = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %%c = call i32 @pthread_cond_init(ptr @condition, ptr null)
  store i32 1, ptr @ready
  br label %%block
block:
  %%f = call i32 @sigfillset(ptr %%all)
  %%s = call i32 @pthread_sigmask(i32 %(setmask)d, ptr %%all, ptr %%old)
  %%g = load atomic i32, ptr @generation seq_cst, align 4
  %%wide = zext i32 %%g to i64
  %%given = inttoptr i64 %%wide to ptr
  br label %%look
look:
  %%have = load i32, ptr @running
  %%enough = icmp sge i32 %%have, %%count
  br i1 %%enough, label %%done, label %%start
start:
  %%at = sext i32 %%have to i64
  %%handle = getelementptr i64, ptr @handles, i64 %%at
  %%failed = call i32 @pthread_create(ptr %%handle, ptr null, ptr @worker, ptr %%given)
  %%worked = icmp eq i32 %%failed, 0
  br i1 %%worked, label %%count.it, label %%fewer
count.it:
  %%next = add i32 %%have, 1
  store i32 %%next, ptr @running
  br label %%look
fewer:  ; the system gives no more: do with those
  store i32 %%have, ptr @wanted
  br label %%done
done:
  %%r = call i32 @pthread_sigmask(i32 %(setmask)d, ptr %%old, ptr null)
  ret void
}

define void @wg_parallel(ptr %%fn, ptr %%context, i64 %%n, i64 %%grain) {
entry:
  %%asked = load atomic i32, ptr @wanted monotonic, align 4
  %%alone = icmp eq i32 %%asked, 0
  %%short = icmp sle i64 %%n, %%grain
  %%either = or i1 %%alone, %%short
  br i1 %%either, label %%serial, label %%ask
ask:
  %%pair = cmpxchg ptr @busy, i32 0, i32 1 acq_rel monotonic
  %%mine = extractvalue { i32, i1 } %%pair, 1
  br i1 %%mine, label %%mine.now, label %%serial
mine.now:  ; the number may have changed while we didn't have the pool
  %%helpers = load atomic i32, ptr @wanted monotonic, align 4
  %%have = load i32, ptr @running
  %%enough = icmp sge i32 %%have, %%helpers
  br i1 %%enough, label %%go, label %%more
more:
  call void @grow(i32 %%helpers)
  br label %%go
go:
  %%workers = load i32, ptr @running
  %%nobody = icmp eq i32 %%workers, 0
  br i1 %%nobody, label %%release, label %%share.out
release:
  store atomic i32 0, ptr @busy release, align 4
  br label %%serial
share.out:
  %%threads = add i32 %%workers, 1
  %%share = mul i32 %%threads, %(pieces)d
  %%shares = sext i32 %%share to i64
  %%positive = icmp sgt i64 %%grain, 1
  %%unit = select i1 %%positive, i64 %%grain, i64 1
  %%block = mul i64 %%shares, %%unit
  %%above = add i64 %%n, %%block
  %%less = sub i64 %%above, 1
  %%times = sdiv i64 %%less, %%block
  %%piece = mul i64 %%times, %%unit
  store ptr %%fn, ptr @job_function
  store ptr %%context, ptr @job_context
  store i64 %%n, ptr @job_n
  store i64 %%piece, ptr @job_piece
  store atomic i64 0, ptr @next release, align 8
  store atomic i32 1073741824, ptr @gate seq_cst, align 4
  call void @announce()
  call void @work()
  %%closed = atomicrmw and ptr @gate, i32 1073741823 acq_rel
  br label %%look
look:
  %%i = phi i32 [ 0, %%share.out ], [ %%i1, %%pause ], [ %%i1, %%yield ]
  %%inside = load atomic i32, ptr @gate acquire, align 4
  %%done = icmp eq i32 %%inside, 0
  br i1 %%done, label %%finish, label %%wait
wait:
  %%i1 = add i32 %%i, 1
  %%soon = icmp ult i32 %%i1, 2000
  br i1 %%soon, label %%pause, label %%yield
pause:
  %(pause)s
  br label %%look
yield:  ; a worker's core may be taken by another process: it may have ours
  %%y = call i32 @sched_yield()
  br label %%look
finish:
  store atomic i32 0, ptr @busy release, align 4
  ret void
serial:
  call void @alone(ptr %%fn, ptr %%context, i64 %%n)
  ret void
}

; Ends all workers; 1 if a loop runs for longer than so many nanoseconds.
define i32 @stop(i64 %%nanoseconds) {
entry:
  %%start = call i64 @now()
  br label %%ask
ask:
  %%pair = cmpxchg ptr @busy, i32 0, i32 1 acq_rel monotonic
  %%mine = extractvalue { i32, i1 } %%pair, 1
  br i1 %%mine, label %%end, label %%wait
wait:
  %%y = call i32 @sched_yield()
  %%time = call i64 @now()
  %%spent = sub i64 %%time, %%start
  %%more = icmp slt i64 %%spent, %%nanoseconds
  br i1 %%more, label %%ask, label %%late
late:
  ret i32 1
end:
  %%count = load i32, ptr @running
  %%any = icmp ne i32 %%count, 0
  br i1 %%any, label %%tell, label %%done
tell:
  store atomic i32 1, ptr @stopping seq_cst, align 4
  call void @announce()
  br label %%join
join:
  %%i = phi i32 [ 0, %%tell ], [ %%i1, %%join ]
  %%at = sext i32 %%i to i64
  %%place = getelementptr i64, ptr @handles, i64 %%at
  %%handle = load i64, ptr %%place
  %%j = call i32 @pthread_join(i64 %%handle, ptr null)
  %%i1 = add i32 %%i, 1
  %%again = icmp slt i32 %%i1, %%count
  br i1 %%again, label %%join, label %%ended
ended:
  store i32 0, ptr @running
  store atomic i32 0, ptr @stopping seq_cst, align 4
  br label %%done
done:
  store atomic i32 0, ptr @busy release, align 4
  ret i32 0
}

; In a forked child there are no workers, whatever they and their callers were doing.
define void @reset() {
entry:
  store i32 0, ptr @running
  store i32 0, ptr @sleepers
  store i32 0, ptr @stopping
  store i32 0, ptr @gate
  store i32 0, ptr @ready
  store i32 0, ptr @busy
  ret void
}
"""


class _Pool:
    """The pool of this process: its library, once a program needs it."""

    __slots__ = ("_library", "_lock", "_stop", "_wanted", "count")

    def __init__(self) -> None:
        self.count = 0  # 0: not asked yet
        self._library: Any = None
        self._wanted: Any = None
        self._stop: Any = None
        self._lock = threading.Lock()

    def threads(self) -> int:
        if not self.count:
            self.count = default_threads()
        return self.count

    def address(self, name: str) -> int:
        """Where wg_parallel or wg_parallel_chunks is."""
        with self._lock:
            if self._library is None:
                self._load()
        return int(self._library.address(name))

    def _load(self) -> None:
        from wengert.native import link

        library = link.load(_library_text())
        # Workers may be inside to the very end of the process: never unload it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
        self._wanted = ctypes.c_int32.from_address(library.address("wanted"))
        self._stop = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)(
            library.address("stop")
        )
        reset = ctypes.CFUNCTYPE(None)(library.address("reset"))
        self._wanted.value = self.threads() - 1
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=lambda: self._forked(reset))
        atexit.register(self._exit)
        self._library = library

    def _forked(self, reset: Any) -> None:
        reset()
        self._lock = threading.Lock()  # another thread may have had it

    def _exit(self) -> None:
        self._wanted.value = 0
        self._stop(_EXIT_NS)

    def set(self, count: int) -> None:
        with self._lock:
            self.count = count
            if self._library is not None and self._wanted.value != count - 1:
                self._wanted.value = 0  # loops that begin now needn't wait for it
                self._stop(2**62)
                self._wanted.value = count - 1


_pool = _Pool()
symbols.register_prefix("wg_parallel", _pool.address)


def set_threads(n: int) -> None:
    """Sets how many threads compiled functions use, the calling one included.

    The default is the number of cores that the process may use, or the environment
    variable WENGERT_THREADS. It holds for all of the process. BLAS and LAPACK have
    threads of their own, which this doesn't change.

    Args:
        n: from 1 (everything runs on the caller) to 256.

    Raises:
        WengertError: for anything else.

    Example:
        >>> set_threads(2)
        >>> get_threads()
        2
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise WengertError(
            explain(
                f"`set_threads` takes a number of threads, from 1 to {MOST}.",
                repr(n),
                "pass the number of cores to use; 1 for no threads at all.",
            )
        )
    _pool.set(n)


def get_threads() -> int:
    """How many threads compiled functions use, the calling one included.

    Example:
        >>> get_threads() >= 1
        True
    """
    return _pool.threads()
