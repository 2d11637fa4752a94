"""What a story calls its nodes, and the source of the function that it is about."""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wengert.graph.graph import CONSTANT, INPUT, Graph, Node
from wengert.graph.variables import assigned
from wengert.show.value import number

_LINES = 400  # of a function, beyond which its text is left out


def code_of(f: Any) -> Any:
    """The code object of a function or of an object that is called; or None."""
    while isinstance(f, functools.partial):
        f = f.func
    f = inspect.unwrap(f) if callable(f) else f
    f = f.__func__ if inspect.ismethod(f) else f
    if not inspect.isfunction(f):
        f = inspect.getattr_static(type(f), "__call__", None)
    return f.__code__ if inspect.isfunction(f) else None


def source_of(f: Callable[..., Any], nodes: Iterable[Node] = ()) -> list[list[Any]]:
    """[line number, text] for each line of a function, in order; [] without a file.

    Functions of the same file that made some of the `nodes` are there as well, as long
    as there aren't too many lines.
    """
    home = code_of(f)
    if home is None:
        return []
    found: dict[int, str] = {}
    made = (n.source[0] for n in nodes if isinstance(n.source, tuple))
    for code in dict.fromkeys([home, *made]):
        if code.co_filename != home.co_filename:
            continue
        lines = _lines_of(code)
        if len(found.keys() | lines.keys()) <= _LINES:
            found |= lines
    return [[line, found[line]] for line in sorted(found)]


def _lines_of(code: Any) -> dict[int, str]:
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError, IndentationError):
        return {}
    return {first + i: line.rstrip() for i, line in enumerate(lines)}


def names(graph: Graph, shown: list[Node], located: bool) -> dict[Node, str]:
    """A different name for each node: the user's where there is one, else l0, l1 ….

    A number is called by its digits. `located` says whether sources are the user's.
    """
    found = {n: n.name for n in graph.inputs}
    free = _Free(found.values())
    wishes = assigned(shown) if located else {}
    taken = set(found.values()) | set(wishes.values()) | {n.name for n in shown}
    # All wishes first, so that a variable `l0` keeps its name.
    letters = (f"l{i}" for i in itertools.count())
    constants = (f"c{i}" for i in itertools.count())
    for node in shown:
        if node.op is INPUT:
            continue
        if node.op is CONSTANT:
            value = node.params["value"]
            scalar = not node.type.shape
            found[node] = number(value) if scalar else _next(constants, taken)
            continue
        wish = node.name or wishes.get(node, "")
        found[node] = free.name(wish) if wish else _next(letters, taken)
    return found


def _next(candidates: Iterator[str], taken: set[str]) -> str:
    return next(name for name in candidates if name not in taken)


class _Free:
    """Names given once: `s`, then `s_2`, `s_3` for a variable in a loop."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._count: dict[str, int] = {}

    def name(self, wish: str) -> str:
        """`wish`, with a number if it is taken."""
        wish = "".join(c if c.isprintable() else "?" for c in wish)
        count = self._count.get(wish, 0) + 1
        while (name := wish if count == 1 else f"{wish}_{count}") in self._taken:
            count += 1
        self._count[wish] = count
        self._taken.add(name)
        return name
