"""What the user calls things: the variables that nodes are assigned to.

A node knows the instruction that made it, and Python knows which columns of which line
that instruction stands for. An assignment whose right side has exactly these columns
names the node: `l = w * x` calls the product `l`.
"""

import ast
import functools
import itertools
import linecache
from collections.abc import Iterable
from typing import Any, NamedTuple

from wengert.graph.graph import CONSTANT, INPUT, Graph, Node


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


def names_of(graph: Graph) -> dict[Node, str]:
    """A different name for each node: the user's where there is one, else v0, v1 …

    Plain numbers are called by their digits, constant arrays c0, c1 …
    """
    found = {n: n.name for n in graph.inputs}
    given = graph.names()
    wishes = assigned(n for n in graph.nodes if n.op not in (INPUT, CONSTANT))
    taken = {*found.values(), *wishes.values(), *(n.name for n in graph.nodes)}
    used = set(found.values())
    letters = {"v": itertools.count(), "c": itertools.count()}
    for node in graph.nodes:
        if node in found:
            continue
        if node.op is CONSTANT and not node.type.shape:
            found[node] = given[node]
            continue
        wish = node.name or wishes.get(node, "")
        if wish:
            more = (f"{wish}_{k}" for k in itertools.count(2))
            name = next(x for x in itertools.chain([wish], more) if x not in used)
        else:
            letter = "c" if node.op is CONSTANT else "v"
            fresh = (f"{letter}{k}" for k in letters[letter])
            name = next(x for x in fresh if x not in taken and x not in used)
        used.add(name)
        found[node] = name
    return found


def assigned(nodes: Iterable[Node]) -> dict[Node, str]:
    """The variables that nodes are assigned to.

    An expression may be several operations (np.mean: a sum and a quotient), of which
    the last is its value; in a loop, the last of each time round.
    """
    files: dict[str, dict[tuple[int, ...], str]] = {}
    found: dict[Node, str] = {}
    last: tuple[Any, Any, set[str]] | None = None  # (place, node, ops) of this run
    for node in nodes:
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
