"""What a transformed function is called, and the parameters that it shows."""

import functools
from collections.abc import Callable
from typing import Any


def named_after(
    f: Any, transform: str, doc: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates `wrapped` as `transform_of_f`, with the signature of `f`.

    `inspect.signature` follows `__wrapped__`, so help() and `trace` see the names of
    the parameters that `f` has.
    """

    def name(wrapped: Callable[..., Any]) -> Callable[..., Any]:
        functools.update_wrapper(wrapped, f, assigned=("__module__",), updated=())
        wrapped.__name__ = f"{transform}_of_{getattr(f, '__name__', 'function')}"
        wrapped.__qualname__ = wrapped.__name__
        wrapped.__doc__ = doc
        return wrapped

    return name
