"""Containers and values as the native call describes them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.native import entry


class Unfit(Exception):
    """Why a path's calls go through Python."""


class Open(NamedTuple):
    """A container: what is in it, and what its parts make."""

    children: list[Any]
    make: Callable[[tuple[Any, ...]], Any]


def folded(x: Any, take: Callable[[Any], Any]) -> Any:
    """The part that `take` makes of `x`, and of everything inside of containers."""
    pending: list[tuple[Any, Open | None]] = [(x, None)]
    built: list[Any] = []
    while pending:
        item, opened = pending.pop()
        if opened is None:
            found = take(item)
            if not isinstance(found, Open):
                built.append(found)
                continue
            pending.append((item, found))
            pending += [(child, None) for child in reversed(found.children)]
        else:
            first = len(built) - len(opened.children)
            built[first:] = [opened.make(tuple(built[first:]))]
    return built[0]


def dict_of(keys: tuple[Any, ...], children: tuple[Any, ...]) -> entry.Dict:
    """Exactly a dict with these keys, in this order."""
    if any(type(k) not in (str, int) for k in keys):
        raise Unfit("a dict has keys that are neither strings nor ints")
    return entry.Dict(keys, children, ordered=True)


def static(x: Any) -> entry.Static:
    """A value that stays as it is while it is the same object."""
    if isinstance(x, set | np.void) or (
        isinstance(x, np.dtype) and x.names is not None
    ):
        raise Unfit(f"the contents of a {type(x).__name__} are compared")
    return entry.Static(x)
