"""A formula as text: parsed, checked against what is allowed, and never evaluated.

Python's parser gives a syntax tree; each node of it is one of those below, and makes a
call of a NumPy function from the table. Everything else is refused with its position.
"""

import ast
import difflib
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.errors import WengertError
from wengert.show.vocabulary import (
    BINARY,
    COMPARE,
    FUNCTIONS,
    NUMBERS,
    UNARY,
    WORDS,
)

LETTERS = 2000  # of a formula
DEPTH = 500  # of operations in operations


class ExpressionError(WengertError, ValueError):
    """A formula that isn't one, or with something in it that isn't allowed."""


class Expression:
    """A formula that has been checked: call it with values for `names`, in that order.

    Args:
        text: the formula: numbers, names, + - * / % ** @, comparisons, indices, `.T`,
            and calls of the functions in `FUNCTIONS`, with `np.` or without.
        names: the arguments; by default the formula's own, in order of appearance.

    Raises:
        ExpressionError: for anything else, with its position.

    >>> area = Expression("pi * r**2")
    >>> area.names, area(1.0)
    (('r',), 3.141592653589793)
    """

    def __init__(self, text: str, names: Sequence[str] | None = None) -> None:
        self.text = text.strip()
        self._order = _checked(self.text)
        free = [n.id for n in self._order if isinstance(n, ast.Name)]
        found = dict.fromkeys(n for n in free if names is not None or n not in NUMBERS)
        if names is None:
            self.names = tuple(found)
        else:
            self.names = tuple(names)
            self._compare(found)
        self.__name__ = "expression"
        kind = inspect.Parameter.POSITIONAL_ONLY
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, kind) for name in self.names]
        )

    def _compare(self, found: dict[str, None]) -> None:
        missing = [n for n in found if n not in self.names and n not in NUMBERS]
        if missing:
            given = " ".join(f"{n}=1" for n in missing)
            raise ExpressionError(
                f"Every name in the formula has a value.\n"
                f"  Came: {', '.join(missing)} without one\n"
                f"  Do:   add {given}."
            )
        extra = [n for n in self.names if n not in found]
        if extra:
            known = f"the names are {', '.join(found)}" if found else "it has no names"
            raise ExpressionError(
                "Every value has its name in the formula.\n"
                f"  Came: a value for {', '.join(extra)}, which isn't in it\n"
                f"  Do:   leave it out; {known}."
            )

    def __call__(self, *args: Any) -> Any:
        values = dict(zip(self.names, args, strict=True))
        done: dict[int, Any] = {}
        for node in self._order:
            done[id(node)] = _value(node, done, values)
        return done[id(self._order[-1])]


# Checking -------------------------------------------------------------------------


def _checked(text: str) -> list[ast.expr]:
    """The nodes of the syntax tree, each after those it needs."""
    if len(text) > LETTERS:
        raise ExpressionError(
            f"A formula has at most {LETTERS} letters.\n  Came: {len(text)}\n"
            "  Do:   write a function in a file: wengert explain FILE.py:FUNCTION."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = max(0, (error.offset or 1) - 1)
        # A text of one line: where it is broken is the column alone.
        raise _refusal(
            text, column, "A formula is an expression in Python's syntax.",
            error.msg, _advice(text),
        ) from None  # fmt: skip
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError(
            "A formula is an expression in Python's syntax.\n"
            f"  Came: {_strange(text)}\n"
            "  Do:   write a function in a file: wengert explain FILE.py:FUNCTION."
        ) from None
    return _in_order(text, tree)


def _strange(text: str) -> str:
    """Why Python can't read a text at all; its versions say so in several ways."""
    if "\0" in text:
        return "a text with null bytes"
    return "a text that is nested too deeply, or isn't text"


def _advice(text: str) -> str:
    """What may have been meant by a text that isn't a formula."""
    if re.fullmatch(r"\s*\w+\s*=[^=].*", text):
        return "the formula comes first, its values behind it: x**2 x=3."
    if re.fullmatch(r"[\w./\\-]+:[A-Za-z_]\w*", text):
        file, _, name = text.rpartition(":")
        return f"a function in a file is written with .py: {file}.py:{name}."
    if re.search(r"(?<![\w.])\d+\.?\d*\s*(?!e\d)[A-Za-z_(]|\)\s*[\w(]", text):
        return "write each product with a star: 2*x for 2x."
    call = re.search(r"\b([a-z]\w*) +\w", text)
    if call and call[1] in FUNCTIONS:
        return f"write what {call[1]} is of in brackets: {call[1]}(x)."
    return 'write for example "(w*x - y)**2 + w**2".'


def _in_order(text: str, tree: ast.expr) -> list[ast.expr]:
    order: list[ast.expr] = []
    pending: list[tuple[ast.expr, int]] = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > DEPTH:
            raise _refusal(
                text, node.col_offset, f"A formula is nested at most {DEPTH} deep.",
                "more", "write a function in a file: wengert explain FILE.py:FUNCTION.",
            )  # fmt: skip
        order.append(node)
        pending += [(child, depth + 1) for child in _needs(text, node)]
    return order[::-1]


def _needs(text: str, node: ast.expr) -> list[ast.expr]:
    """The parts of a node that have values; an error for what isn't allowed."""

    def refuse(expected: str, came: str, do: str) -> ExpressionError:
        return _refusal(text, _column(text, node), expected, came, do)

    if isinstance(node, ast.Constant):
        if type(node.value) not in (int, float, complex):
            raise refuse(
                "A formula has numbers only.", f"{node.value!r:.40}", "write a number."
            )
        if isinstance(node.value, int) and abs(node.value) > 10**300:
            raise refuse("Numbers are at most 1e300.", "a larger one", "write 1e300.")
        return []
    if isinstance(node, ast.Name):
        if node.id.startswith("__"):
            raise refuse("Names are of values.", node.id, "choose another name.")
        return []
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and type(node.op) in UNARY:
        return [node.operand]
    if isinstance(node, ast.Compare):
        if len(node.ops) == 1 and type(node.ops[0]) in COMPARE:
            return [node.left, node.comparators[0]]
        raise refuse(
            "Comparisons are < <= > >= == != of two values.",
            "a chain, or `in` or `is`",
            "write where(a < b, …) for each.",
        )
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return [node.value]
    if isinstance(node, ast.Subscript):
        _key(node, refuse)
        return [node.value]
    if isinstance(node, ast.Call):
        return _call_needs(node, refuse)
    raise refuse(
        "A formula has numbers, names, + - * / % ** @, comparisons, indices, .T and "
        "calls of NumPy functions.",
        _word(node),
        "write a function in a file for more: wengert explain FILE.py:FUNCTION.",
    )


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        signs = {
            ast.FloorDiv: "//", ast.BitXor: "^ (a power is **)", ast.BitAnd: "&",
            ast.BitOr: "|", ast.LShift: "<<", ast.RShift: ">>", ast.Invert: "~",
            ast.Not: "not",
        }  # fmt: skip
        return f"the operator {signs.get(type(node.op), type(node.op).__name__)}"
    return WORDS.get(type(node), type(node).__name__)


def _call_needs(
    node: ast.Call, refuse: Callable[..., ExpressionError]
) -> list[ast.expr]:
    if not isinstance(node.func, ast.Name | ast.Attribute):
        raise refuse(
            "Brackets stand behind the name of a function, or around a part.",
            "brackets behind what is no name",
            "write a product with a star: (x + 1)*x for (x + 1)(x).",
        )
    name = _called(node.func)
    function = FUNCTIONS.get(name or "")
    if function is None:
        raise refuse(
            "A formula calls NumPy functions by name.",
            f"{_segment(node.func)}(…)",
            _functions_like(node.func),
        )
    for keyword in node.keywords:
        if keyword.arg not in function.options:
            options = ", ".join(function.options) or "no options"
            raise refuse(
                f"{name} takes {options} here.",
                f"{keyword.arg or '**'}=",
                "leave it out.",
            )
        _option(keyword.value, refuse)
    if not function.least <= len(node.args) <= function.most:
        raise refuse(
            f"{name} takes {function.most} argument{'s' * (function.most > 1)}.",
            str(len(node.args)),
            "give it that many.",
        )
    return list(node.args)


def _functions_like(f: ast.expr) -> str:
    """Those with a name like that, else all of them."""
    name = ""
    if isinstance(f, ast.Name | ast.Attribute):
        name = f.id if isinstance(f, ast.Name) else f.attr
    near = difflib.get_close_matches(name, FUNCTIONS, n=3)
    if near:
        return f"call {' or '.join(near)}, with np. before it or without."
    listed = textwrap.wrap(", ".join(sorted(FUNCTIONS)) + ".", 72)
    return "call one of\n" + "\n".join(f"          {line}" for line in listed)


def _called(f: ast.expr) -> str | None:
    """`sin` for sin, np.sin and numpy.sin; `norm` for np.linalg.norm."""
    parts: list[str] = []
    while isinstance(f, ast.Attribute):
        parts.append(f.attr)
        f = f.value
    if not isinstance(f, ast.Name):
        return None
    before = [f.id, *parts[:0:-1]] if parts else []
    allowed: tuple[list[str], ...] = (
        [],
        ["np"],
        ["numpy"],
        ["np", "linalg"],
        ["numpy", "linalg"],
        ["linalg"],
    )
    return (parts[0] if parts else f.id) if before in allowed else None


def _option(node: ast.expr, refuse: Callable[..., ExpressionError]) -> Any:
    """axis=0, axis=(0, 1), keepdims=True."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, bool, type(None)):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_whole(e, refuse) for e in node.elts)
    return _whole(node, refuse)


def _key(node: ast.Subscript, refuse: Callable[..., ExpressionError]) -> Any:
    """The index of x[0], x[1:, -1] or x[:, None]."""
    inner = node.slice
    if isinstance(inner, ast.Tuple):
        return tuple(_key_part(e, refuse) for e in inner.elts)
    return _key_part(inner, refuse)


def _key_part(e: ast.expr, refuse: Callable[..., ExpressionError]) -> Any:
    if isinstance(e, ast.Slice):
        parts = (e.lower, e.upper, e.step)
        return slice(*(None if p is None else _whole(p, refuse) for p in parts))
    if isinstance(e, ast.Constant) and (e.value is None or e.value is Ellipsis):
        return e.value
    return _whole(e, refuse)


def _whole(e: ast.expr, refuse: Callable[..., ExpressionError]) -> int:
    sign = 1
    if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
        sign, e = -1, e.operand
    if isinstance(e, ast.Constant) and type(e.value) is int:
        return sign * e.value
    raise refuse(
        "Indices and axes are whole numbers.",
        f"{_segment(e)}",
        "write x[0], x[1:], sum(x, axis=0).",
    )


def _segment(node: ast.expr) -> str:
    """What a part is called in an error: its names and numbers, not its depths."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"….{node.attr}" if _called(node) is None else node.attr
    if isinstance(node, ast.Constant):
        return f"{node.value!r:.40}"
    return _word(node)


def _column(text: str, node: ast.expr) -> int:
    """In letters: the parser counts bytes."""
    line = text.splitlines()[node.lineno - 1] if text else ""
    before = line.encode()[: node.col_offset].decode(errors="ignore")
    above = sum(len(row) + 1 for row in text.splitlines()[: node.lineno - 1])
    return above + len(before)


def _refusal(
    text: str, column: int, expected: str, came: str, do: str
) -> ExpressionError:
    flat = " ".join(text.splitlines())
    start = max(0, column - 60)
    shown = flat[start : start + 76]
    return ExpressionError(
        f"{expected}\n  Came: {came}, at letter {column + 1}\n"
        f"          {shown}\n          {' ' * (column - start)}^\n  Do:   {do}"
    )


# Computing ------------------------------------------------------------------------


def _value(node: ast.expr, done: dict[int, Any], values: dict[str, Any]) -> Any:
    """The value of one node, from those of its parts; it has been checked."""

    def part(child: ast.expr) -> Any:
        return done[id(child)]

    if isinstance(node, ast.Constant):
        value: Any = node.value
        return value if isinstance(value, complex) else float(value)
    if isinstance(node, ast.Name):
        return values[node.id] if node.id in values else NUMBERS[node.id]
    if isinstance(node, ast.BinOp):
        return _applied(BINARY[type(node.op)], part(node.left), part(node.right))
    if isinstance(node, ast.UnaryOp):
        return UNARY[type(node.op)](part(node.operand))
    if isinstance(node, ast.Compare):
        compare = COMPARE[type(node.ops[0])]
        return compare(part(node.left), part(node.comparators[0]))
    if isinstance(node, ast.Attribute):
        return np.transpose(part(node.value))
    if isinstance(node, ast.Subscript):
        x = part(node.value)
        return (x if isinstance(x, Tracer) else np.asarray(x))[_key(node, _never)]
    assert isinstance(node, ast.Call)
    function = FUNCTIONS[_called(node.func) or ""]
    options = {k.arg: _option(k.value, _never) for k in node.keywords if k.arg}
    return function.call(*map(part, node.args), **options)


def _applied(f: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """Plain numbers as NumPy's, whose 10.0**400 is infinite and no error."""
    if isinstance(a, float | complex) and isinstance(b, float | complex):
        with np.errstate(all="ignore"):
            return f(np.asarray(a)[()], np.asarray(b)[()]).item()
    return f(a, b)


def _never(expected: str, came: str, do: str) -> ExpressionError:
    return ExpressionError(f"{expected}\n  Came: {came}\n  Do:   {do}")
