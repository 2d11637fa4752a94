"""Watching what a function reads besides its arguments.

`survey` walks from a function to everything that its code, and the code it can call,
mentions: globals, closure variables, defaults, attributes, items. Each place becomes a
`Check`, and a compiled path is taken only while all of its checks hold.
"""

from collections import deque
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.types import Type, type_of
from wengert.transforms.jit.world import (
    DYNAMIC,
    MISSING,
    Key,
    asks,
    asks_unseen,
    children,
    is_array,
    is_instance,
    is_plain,
    is_record,
    is_same_value,
    is_users,
    is_users_class,
    read,
    reads,
    shown,
    strides_of,
)

# More places than this aren't watched, and the report says so.
MOST = 20_000


class Check(NamedTuple):
    """One place, and what must be true of it.

    Attributes:
        parent: the number of the check that read its owner; -1 for none.
        kind: "root" (the function), "global", "cell", "class", "default", "attribute",
            "item", "argument".
        key: where in the owner.
        rule: "array" (an input of this type), "content", "equal", "same", "type",
            "length", "keys", "alias" (the same object as another place).
        expected: what the rule compares with.
        name: as a person writes it.
    """

    parent: int
    kind: str
    key: Any
    rule: str
    expected: Any
    name: str


class Survey:
    """Everything that a function can see, with what was there.

    Attributes:
        checks: a list, every check after that of its owner.
        values: what each place held.
        traced: whether a value of an outer transform is among them.
        full: whether the walk ended before it had seen everything.
        asking: the name of a place where code asks for the type of a value and would
            get that of a traced one; "" if there is none.
        names: all names that the code reads.
    """

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.values: list[Any] = []
        self.traced = False
        self.full = False
        self.asking = ""
        self.names: set[str] = set()


def survey(f: Any, objects: list[tuple[int, Any]], raw: bool) -> Survey:
    """A survey of `f` and of the objects among its arguments.

    Args:
        f: the function.
        objects: argument leaves that aren't arrays or plain values, with their numbers.
        raw: whether arrays stay plain, so that their contents have to be watched.
    """
    names: frozenset[str] | None = frozenset()
    while True:
        walk = _Walk(names, raw)
        walk.run(f, objects)
        found = walk.names
        if names is None or found <= names or walk.survey.full:
            return walk.survey
        names = None if found & DYNAMIC else frozenset(found)


class _Walk:
    def __init__(self, names: frozenset[str] | None, raw: bool) -> None:
        self.survey = Survey()
        self.allowed = names
        self.names = self.survey.names
        self.names.update(names or ())
        self.raw = raw
        self.seen: dict[int, int] = {}
        self.keep: list[Any] = []
        self.open: set[tuple[int, bool]] = set()
        self.pending: deque[tuple[int, str, Any, Any, str, bool]] = deque()

    def run(self, f: Any, objects: list[tuple[int, Any]]) -> None:
        for i, x in objects:
            self.pending.append((-1, "argument", i, x, f"argument {i}", self.raw))
        self.pending.append((-1, "root", Key(f, "f"), f, "", self.raw))
        while self.pending:
            if len(self.survey.checks) > MOST:
                self.survey.full = True
                return
            parent, kind, key, x, owner, raw = self.pending.popleft()
            name = owner if kind == "argument" else shown(kind, key, owner)
            self._visit(parent, kind, key, x, name, raw)

    def _visit(
        self, parent: int, kind: str, key: Any, x: Any, name: str, raw: bool
    ) -> None:
        if isinstance(x, Tracer):
            self.survey.traced = True
            return
        raw = raw or kind == "class"
        rule, expected = self._rule(x, raw)
        number = len(self.survey.checks)
        first = self.seen.setdefault(id(x), number)
        if first != number and rule not in ("equal", "same", "content"):
            rule, expected = "alias", first
        self.survey.checks.append(Check(parent, kind, key, rule, expected, name))
        self.survey.values.append(x)
        self._expand(x, number if first == number else first, name, raw)

    def _rule(self, x: Any, raw: bool) -> tuple[str, Any]:
        if is_array(x):
            return (
                ("content", contents(x))
                if raw
                else ("array", (type_of(x), strides_of(x)))
            )
        if isinstance(x, np.ndarray):
            return "content", contents(x)
        if is_plain(x):
            return "equal", set(x) if isinstance(x, set) else x
        if isinstance(x, dict):
            return "keys", (type(x), tuple(x))
        if isinstance(x, list | tuple):
            return "length", (type(x), len(x))
        if is_instance(x) and is_users_class(type(x)):
            names = self.allowed if self.allowed is not None else dir(type(x))
            return "type", (type(x), frozenset(names) - vars(x).keys())
        return "same", x

    def _expand(self, x: Any, number: int, name: str, raw: bool) -> None:
        """Puts what is reachable from `x` on the list, once plain and once raw."""
        if is_plain(x) or is_array(x) or (id(x), raw) in self.open:
            return
        self.open.add((id(x), raw))
        self.keep.append(x)
        rebound: frozenset[str] = frozenset()
        if isinstance(x, FunctionType) and is_users(x.__code__):
            found = reads(x.__code__)
            self.names |= found.names
            rebound = found.rebound
            if self.raw and asks(x):
                self.survey.asking = name
        elif is_instance(x) and is_users_class(type(x)):
            if asks_unseen(type(x)):
                self.survey.asking = type(x).__name__
            # Its methods run as they are, without a mirror.
            for kind, key, value in children(type(x), self.allowed):
                self.pending.append((-1, kind, key, value, name, True))
        raw = raw or not (
            is_record(x) or is_instance(x) or isinstance(x, ModuleType)
            or callable(x)
        )  # fmt: skip
        for kind, key, value in children(x, self.allowed):
            own = raw or (kind == "cell" and key.name in rebound)
            rooted = kind in ("global", "cell", "class", "default")
            self.pending.append((-1 if rooted else number, kind, key, value, name, own))


# Comparing ---------------------------------------------------------------------------


def contents(x: Any) -> Any:
    """What `x` holds, in a form that later changes leave alone."""
    if x.dtype.hasobject:
        return (x.shape, x.dtype, [id(item) for item in x.ravel()])
    return (x.shape, x.dtype, x.tobytes())


def holds(check: Check, x: Any, values: list[Any]) -> bool:
    """Whether what is at a place now is what a path was made for."""
    rule, expected = check.rule, check.expected
    if rule == "any":
        return True
    if rule == "array":
        return is_array(x) and _is_type(x, expected)
    if rule == "same":
        return x is expected
    if rule == "equal":
        return x is expected or is_same_value(x, expected)
    if rule == "alias":
        return x is values[expected]
    if rule == "type":
        kind, absent = expected  # names that, in the object, would hide its class's
        return type(x) is kind and vars(x).keys().isdisjoint(absent)
    if rule == "length":
        return type(x) is expected[0] and len(x) == expected[1]
    if rule == "keys":
        return type(x) is expected[0] and tuple(x) == expected[1]
    return isinstance(x, np.ndarray) and contents(x) == expected


def _is_type(x: Any, expected: tuple[Type, Any]) -> bool:
    type, strides = expected
    same = x.shape == type.shape and x.dtype == type.dtype
    return bool(same and strides_of(x) == strides)


def current(
    checks: list[Check], leaves: list[Any]
) -> tuple[list[Any], Check | None, Any]:
    """What is at each place now; with the first check that fails, and what is there."""
    values: list[Any] = []
    for check in checks:
        if check.kind == "argument":
            x = leaves[check.key]
        else:
            owner = values[check.parent] if check.parent >= 0 else None
            x = read(check.kind, check.key, owner)
        values.append(x)
        if not holds(check, x, values):
            return values, check, x
    return values, None, None


def in_words(check: Check, now: Any) -> str:
    """Why a path can't be taken, for the report."""
    if now is MISSING:
        return f"{check.name} is gone"
    if check.rule == "array":
        came = type_of(now) if is_array(now) else type(now).__name__
        return f"{check.name} was {check.expected[0]} and is {came}"
    if check.rule == "equal":
        return f"{check.name} was {check.expected!r:.40} and is {now!r:.40}"
    if check.rule == "content":
        return f"the contents of {check.name} changed"
    if check.rule == "keys":
        return f"{check.name} has other keys"
    if check.rule == "length":
        return f"{check.name} has another length"
    return f"{check.name} is another object"
