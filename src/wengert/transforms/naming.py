"""What a transformed function is: its name, the parameters it shows, how it pickles."""

import functools
import types
from collections.abc import Callable
from typing import Any

from wengert.core.errors import TypeMismatch, explain


class Transformed:
    """A transformed function. It pickles as the transform and the function it is of."""

    __name__: str
    __qualname__: str

    def __init__(
        self, call: Callable[..., Any], transform: str, f: Any, options: Any
    ) -> None:
        self._call = call
        self._made_by = (transform, f, None if options is None else dict(options))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a function in a class becomes a method."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<function {self.__qualname__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._made_by[2] is None:
            raise TypeMismatch(
                explain(
                    "A transformed function pickles as its transform and its function.",
                    f"{self!r}, which holds the state of one run",
                    "make it again in the other process.",
                )
            )
        return _transformed, self._made_by


# Kinds of functions that have faster forms of their transforms. Gets the transform, its
# name, the function and the options; returns what to call, or None for no such form.
FASTER: dict[type, Callable[[Callable[..., Any], str, Any, Any], Any]] = {}


def fastest(
    run: Callable[..., Any], transform: str, f: Any, **options: Any
) -> Callable[..., Any]:
    """`run`, which applies a transform to `f`; or the faster form that `f` has."""
    find = FASTER.get(type(f))
    found = None if find is None else find(run, transform, f, options)
    return run if found is None else found


def _transformed(transform: str, f: Any, options: dict[str, Any]) -> Any:
    import wengert  # the public names stand above this module

    return getattr(wengert, transform)(f, **options)


def named_after(
    f: Any, transform: str, doc: str, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates `wrapped` as `transform_of_f`, with the signature of `f`.

    `inspect.signature` follows `__wrapped__`, so help() and `trace` see the names of
    the parameters that `f` has. `options` are those of the transform; without any the
    result can't be pickled.
    """

    def name(wrapped: Callable[..., Any]) -> Callable[..., Any]:
        made = dressed(wrapped)
        call = fastest(made, transform, f, **options) if options else made
        return made if call is made else dressed(call)

    def dressed(call: Callable[..., Any]) -> Transformed:
        made = Transformed(call, transform, f, options or None)
        functools.update_wrapper(made, f, assigned=("__module__",), updated=())
        made.__name__ = f"{transform}_of_{getattr(f, '__name__', 'function')}"
        made.__qualname__ = made.__name__
        made.__doc__ = doc
        return made

    return name
