"""What the user calls things: a node's variable, line and function, from the source.

A node knows the instruction that made it, and Python knows which columns of which line
that instruction stands for. An assignment whose right side has exactly these columns
names the node: `l = w * x` calls the product `l`.
"""

import ast
import functools
import inspect
import itertools
import linecache
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from wengert.graph.graph import CONSTANT, INPUT, Graph, Node
from wengert.show.value import number

_LINES = 400  # of a function, beyond which its text is left out


class Place(NamedTuple):
    """Where in the user's code: file, first line, last line, columns, function."""

    file: str
    line: int
    span: tuple[int, int, int, int]
    function: str


def place_of(node: Node) -> Place | None:
    """The place that a node's instruction stands for, where it is known."""
    if not isinstance(node.source, tuple):
        return None
    code, instruction = node.source
    spans = _spans(code)
    span = spans[min(instruction // 2, len(spans) - 1)]
    if None in span:
        return None
    function = code.co_qualname.rpartition("<locals>.")[2]
    return Place(code.co_filename, span[0], span, function)


@functools.lru_cache(maxsize=64)
def _spans(code: Any) -> list[Any]:
    """(first line, last line, first column, last column) of each instruction."""
    return list(code.co_positions())


def code_of(f: Any) -> Any:
    """The code object of a function or of an object that is called; or None."""
    while isinstance(f, functools.partial):
        f = f.func
    f = inspect.unwrap(f) if callable(f) else f
    f = f.__func__ if inspect.ismethod(f) else f
    if not inspect.isfunction(f):
        f = inspect.getattr_static(type(f), "__call__", None)
    return f.__code__ if inspect.isfunction(f) else None


def source_of(f: Callable[..., Any]) -> list[list[Any]]:
    """[line number, text] for each line of a function; [] where there is no file."""
    code = code_of(f)
    if code is None:
        return []
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError, IndentationError):
        return []
    if len(lines) > _LINES:
        return []
    return [[first + i, line.rstrip()] for i, line in enumerate(lines)]


def names(graph: Graph, shown: list[Node], located: bool) -> dict[Node, str]:
    """A different name for each node: the user's where there is one, else l0, l1 ….

    A number is called by its digits. `located` says whether sources are the user's.
    """
    found = {n: n.name for n in graph.inputs}
    free = _Free(found.values())
    wishes = _assigned(shown) if located else {}
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


def _assigned(shown: list[Node]) -> dict[Node, str]:
    """The variables that nodes are assigned to.

    An expression may be several operations (np.mean: a sum and a quotient), of which
    the last is its value; in a loop, the last of each time round.
    """
    files: dict[str, dict[tuple[int, ...], str]] = {}
    found: dict[Node, str] = {}
    last: tuple[Any, Any, set[str]] | None = None  # (place, node, ops) of this run
    for node in shown:
        place = place_of(node)
        if place is None:
            continue
        if place.file not in files:
            files[place.file] = _assignments(place.file)
        name = files[place.file].get(place.span)
        if name is None:
            last = None
            continue
        if last and last[0] == place and node.op.name not in last[2]:
            found.pop(last[1])
            last = (place, node, last[2] | {node.op.name})
        else:
            last = (place, node, {node.op.name})
        found[node] = name
    return found


def _assignments(file: str) -> dict[tuple[int, ...], str]:
    """The variable for each expression of a file that is assigned to one."""
    try:
        module = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[tuple[int, ...], str] = {}
    for statement in ast.walk(module):
        if isinstance(statement, ast.AugAssign):
            # The operation of `s += x` has the columns of the whole statement.
            _enter(found, statement.target, statement)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            _pair(found, statement.targets[0], statement.value)
        elif isinstance(statement, ast.AnnAssign | ast.NamedExpr) and statement.value:
            _enter(found, statement.target, statement.value)
    return found


def _pair(found: dict[tuple[int, ...], str], target: ast.expr, value: ast.expr) -> None:
    """`a, b = x + 1, y` names both sides one by one."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        if len(target.elts) == len(value.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                _enter(found, one, other)
    else:
        _enter(found, target, value)


def _enter(found: dict[tuple[int, ...], str], target: ast.expr, at: Any) -> None:
    if isinstance(target, ast.Name):
        span = (at.lineno, at.end_lineno, at.col_offset, at.end_col_offset)
        found[span] = target.id
