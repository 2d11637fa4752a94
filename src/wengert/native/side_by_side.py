"""A few pieces of work on threads of Python's, for code that lets go of its lock."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from wengert.native import threads

A = TypeVar("A")
B = TypeVar("B")


def workers() -> int:
    """How many pieces can run at a time: as many as `wg.set_threads` allows."""
    return threads.get_threads()


def run(f: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """`f` of each item, in order; the first error is raised when all have ended.

    The threads live as long as this call does, so there is nothing to stop at exit or
    to make anew after a fork.

    Args:
        f: called from several threads.
        items: one for each thread that may start.

    Example:
        >>> run(lambda n: n * n, [1, 2, 3])
        [1, 4, 9]
    """
    made: dict[int, B] = {}
    errors: dict[int, BaseException] = {}
    left = iter(range(len(items)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                k = next(left, None)
            if k is None:
                return
            try:
                made[k] = f(items[k])
            except BaseException as error:
                errors[k] = error

    helpers = _started(work, min(workers(), len(items)) - 1)
    try:
        work()
    finally:
        for helper in helpers:
            helper.join()
    try:
        for k in sorted(errors):
            raise errors[k]
    finally:
        errors.clear()  # whose tracebacks hold this frame, and all that it holds
    return [made[k] for k in range(len(items))]


def _started(work: Callable[[], None], count: int) -> list[threading.Thread]:
    """Threads at work; fewer where the system or Python's shutdown gives no more."""
    helpers: list[threading.Thread] = []
    for _ in range(count):
        helper = threading.Thread(target=work)
        try:
            helper.start()
        except RuntimeError:
            break
        helpers.append(helper)
    return helpers
