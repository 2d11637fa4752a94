"""A path as the native call knows it: what it takes, looks at and returns.

The list of checks that `capture` made becomes places that native code looks at, the
arguments' structure becomes descriptions, and from then on a call that matches doesn't
enter Python. Whatever can't be said exactly in this form stays with Python, which
decides every call that native code doesn't take: the two can't disagree.
"""

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.graph.graph import Node
from wengert.native import callable as calls
from wengert.native import capi, entry
from wengert.native.path import Path as NativePath
from wengert.native.program import Program, Segment
from wengert.transforms.jit.capture import Check, current
from wengert.transforms.jit.paths import Path
from wengert.transforms.jit.signature import Call, Leaf
from wengert.transforms.jit.world import MISSING

# Programs on more elements than this let other threads of Python run meanwhile.
_LONG = 50_000


class Unfit(Exception):
    """Why a path's calls go through Python."""


def native_path(
    path: Path, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> NativePath:
    """A path for the native call, for arguments of this call's structure.

    Raises:
        Unfit: if something of it can't be described.
    """
    program = _program(path)
    segment = program.native
    if segment is None:
        raise Unfit("some of its steps run on the host")
    if len(segment.guards) != len(program.guards):
        raise Unfit("a guard compares the contents of an array")
    looked = _Captured(path, call)
    result, dropped = _result(path, program, segment)
    signature = entry.Signature(
        arguments=_arguments(looked, args, kwargs),
        keywords=_keywords(looked, kwargs),
        captured=(*looked.captured(), *_constants(len(path.graph.inputs), segment)),
        result=result,
        dropped=dropped,
        arena=segment.module.arena,
        unlock=_size(segment) > _LONG,
    )
    try:
        return NativePath(signature, segment.library)
    except ValueError as error:
        raise Unfit(str(error)) from None


def flat_call(program: Any, slow: Callable[..., Any]) -> Callable[..., Any]:
    """A program without guards as a native function of its arrays, to a tuple.

    Args:
        program: what `wengert.native.compile` made.
        slow: what answers where native code doesn't.
    """
    segment = program.native if isinstance(program, Program) else None
    if segment is None or capi.supported() is not None:
        return slow
    slots = {n: i for i, n in enumerate(segment.module.outputs)}
    inputs, outputs = program.graph.inputs, program.graph_outputs
    signature = entry.Signature(
        tuple(entry.Leaf(i, n.dtype, n.shape, _kind(n)) for i, n in enumerate(inputs)),
        entry.Tuple(
            tuple(entry.Out(slots[n], n.dtype, n.shape, _kind(n)) for n in outputs)
        ),
        captured=tuple(_constants(len(inputs), segment)),
        arena=segment.module.arena,
        unlock=_size(segment) > _LONG,
    )
    made = calls.make(slow)
    try:
        calls.set_paths(made, [NativePath(signature, segment.library)])
    except ValueError:
        return slow
    found: Callable[..., Any] = made
    return found


def _kind(node: Node) -> entry.Kind:
    return "array" if node.shape else "scalar"


def _program(path: Path) -> Program:
    staged = path.staged
    if staged.writes:
        raise Unfit("it writes into arrays")
    if staged.effects:
        raise Unfit("it prints or calls back")
    if staged.splits:
        raise Unfit("a shape depends on values")
    program = path.segments[0][1]
    if not isinstance(program, Program):
        raise Unfit("it runs in NumPy")
    return program


def _size(segment: Segment) -> int:
    nodes = (*segment.module.inputs, *segment.module.outputs)
    return sum(n.type.size for n in nodes)


def _constants(first: int, segment: Segment) -> list[entry.Fixed]:
    """The graph's arrays: inputs of the program after those of the graph."""
    return [
        entry.Fixed(i, np.require(n.params["value"], n.dtype, ["C", "A"]))
        for i, n in enumerate(segment.module.inputs)
        if i >= first
    ]


# Containers --------------------------------------------------------------------------


class _Open(NamedTuple):
    """A container: what is in it, and what its parts make."""

    children: list[Any]
    make: Callable[[tuple[Any, ...]], Any]


def _folded(x: Any, take: Callable[[Any], Any]) -> Any:
    """The part that `take` makes of `x`, and of everything inside of containers."""
    pending: list[tuple[Any, _Open | None]] = [(x, None)]
    built: list[Any] = []
    while pending:
        item, opened = pending.pop()
        if opened is None:
            found = take(item)
            if not isinstance(found, _Open):
                built.append(found)
                continue
            pending.append((item, found))
            pending += [(child, None) for child in reversed(found.children)]
        else:
            first = len(built) - len(opened.children)
            built[first:] = [opened.make(tuple(built[first:]))]
    return built[0]


def _dict_of(keys: tuple[Any, ...], children: tuple[Any, ...]) -> entry.Dict:
    """Exactly a dict with these keys, in this order."""
    if any(type(k) not in (str, int) for k in keys):
        raise Unfit("a dict has keys that are neither strings nor ints")
    return entry.Dict(keys, children, ordered=True)


def _static(x: Any) -> entry.Static:
    """A value that stays as it is while it is the same object."""
    if isinstance(x, set | np.void) or (
        isinstance(x, np.dtype) and x.names is not None
    ):
        raise Unfit(f"the contents of a {type(x).__name__} are compared")
    return entry.Static(x)


# What the function reads -------------------------------------------------------------


class _Captured:
    """The checks of a path, as parts and as places."""

    def __init__(self, path: Path, call: Call) -> None:
        self.call = call
        self.checks: list[Check] = path.staged.checks
        self.values, failed, _ = current(self.checks, call.leaves)
        if failed is not None:
            raise Unfit(f"{failed.name} has changed meanwhile")
        inputs = path.staged.inputs
        self.slots = {i: n for n, i in enumerate(inputs)}
        self.loads = {k: len(inputs) + n for n, k in enumerate(path.staged.loads)}
        self.types = [n.type for n in path.graph.inputs]
        self.children: dict[int, list[int]] = {}
        for k, check in enumerate(self.checks):
            self.children.setdefault(check.parent, []).append(k)
        self.single: set[int] = set()  # places that another one names as its own object
        self.parts: dict[int, Any] = {}
        for k in reversed(range(len(self.checks))):  # what is inside comes first
            self.parts[k] = self._part(k)

    def _part(self, k: int) -> Any:
        check, x = self.checks[k], self.values[k]
        rule = check.rule
        if rule == "array":
            if check.expected[1] is not None:
                raise Unfit(f"{check.name} isn't in C order")
            return self.array(self.loads[k])
        if rule == "alias":
            return self._alias(check)
        if rule in ("equal", "same"):
            return _static(x)
        if rule == "length":
            return self._sequence(k, x)
        if rule == "keys":
            if type(x) is not dict:
                raise Unfit(f"{check.name} is a {type(x).__name__}")
            return _dict_of(tuple(x), self._inside(k, list(x)))
        if rule == "type":
            names = list(vars(x))
            inside = entry.Dict(tuple(names), self._inside(k, names))
            return entry.Fields(type(x), ("__dict__",), (inside,))
        raise Unfit(f"the contents of {check.name} are compared")

    def array(self, slot: int) -> entry.Leaf:
        """An array that is this input of the graph."""
        type = self.types[slot]
        return entry.Leaf(slot, type.dtype, type.shape, "array", strict=True)

    def _sequence(self, k: int, x: Any) -> Any:
        inside = self._inside(k, list(range(len(x))))
        if isinstance(x, list):
            return entry.List(inside, type(x))
        return entry.Tuple(inside, type(x))

    def _inside(self, k: int, keys: list[Any]) -> tuple[Any, ...]:
        """The parts of a container's items; what isn't watched may be anything."""
        found = {self.checks[c].key: self.parts[c] for c in self.children.get(k, ())}
        return tuple(found.get(key, entry.Anything()) for key in keys)

    def _alias(self, check: Check) -> Any:
        first = self.checks[check.expected]
        if _is_same_place(check, first):
            return None
        self.single.add(check.expected)
        return entry.Static(self.values[check.expected])

    # Places --------------------------------------------------------------------------

    def captured(self) -> list[entry.Watch | entry.Load]:
        """What to look at besides the arguments."""
        found: dict[tuple[Any, ...], Any] = {}
        defaults: dict[tuple[int, str], tuple[Any, dict[Any, Any]]] = {}
        for k, check in enumerate(self.checks):
            part = self.parts[k]
            if part is None or check.kind == "argument" or self._is_inside(check):
                if k in self.single:
                    raise Unfit(f"{check.name} is one object with another name")
                continue
            if check.kind == "default":
                positional = isinstance(check.key.name, int)
                where = "__defaults__" if positional else "__kwdefaults__"
                of = check.key.owner
                defaults.setdefault((id(of), where), (of, {}))[1][check.key.name] = part
                continue
            kind, owner, key = self._place(check, self.values[k])
            mark: tuple[str, int, Any] = (kind, id(owner), key)
            if kind == "item" and check.kind == "class":
                mark = ("class", id(check.key.owner), key)
            if mark not in found:
                found[mark] = _looked(kind, owner, key, part)
            if k in self.single:
                found[(*mark, "is")] = entry.Watch(kind, owner, key, self.values[k])
        return [*found.values(), *(_default(*d, w) for (_, w), d in defaults.items())]

    def _is_inside(self, check: Check) -> bool:
        """Whether the place is looked at as a part of its owner."""
        return check.parent >= 0 and self.checks[check.parent].rule in (
            "length", "keys", "type",
        )  # fmt: skip

    def _place(self, check: Check, x: Any) -> tuple[entry.Place, Any, Any]:
        kind, key = check.kind, check.key
        if kind == "global":
            return "global", key.owner, key.name
        if kind == "cell":
            return "cell", key.owner, None
        if kind == "root":
            return "item", (key.owner,), 0
        if kind == "class":
            return "item", vars(key.owner), key.name
        owner = self.values[check.parent]
        if isinstance(owner, ModuleType):
            return "global", vars(owner), key
        if getattr(owner, key, MISSING) is not x:
            raise Unfit(f"{check.name} is computed when it is asked for")
        return "attribute", owner, key


def _is_same_place(a: Check, b: Check) -> bool:
    if a.kind != b.kind or a.parent >= 0 or b.parent >= 0 or a.kind == "argument":
        return False
    return a.key.owner is b.key.owner and bool(a.key.name == b.key.name)


def _looked(
    kind: entry.Place, owner: Any, key: Any, part: Any
) -> entry.Watch | entry.Load:
    if not isinstance(part, entry.Static) or entry.by_value(part.value):
        return entry.Load(kind, owner, key, part)
    if part.value is not MISSING:
        return entry.Watch(kind, owner, key, part.value)
    if kind not in ("global", "cell"):
        raise Unfit(f"{key} isn't there yet")
    return entry.Watch(kind, owner, key, entry.MISSING)


def _default(of: Any, found: dict[Any, Any], where: str) -> entry.Load:
    if where == "__defaults__":
        count = len(of.__defaults__)
        parts = tuple(found.get(i, entry.Anything()) for i in range(count))
        return entry.Load("attribute", of, where, entry.Tuple(parts))
    names = tuple(of.__kwdefaults__)
    children = tuple(found.get(k, entry.Anything()) for k in names)
    return entry.Load("attribute", of, where, entry.Dict(names, children))


# Arguments ---------------------------------------------------------------------------


def _arguments(
    looked: _Captured, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    call = looked.call
    marked, _ = tree.unflatten(call.spec, range(len(call.leaves)))
    parts = [_argument(looked, m) for m in marked]
    for i in sorted(call.static[0]):
        parts.insert(i, _static(call.static[0][i]))
    return tuple(parts)


def _keywords(looked: _Captured, kwargs: dict[str, Any]) -> dict[str, Any]:
    call = looked.call
    _, marked = tree.unflatten(call.spec, range(len(call.leaves)))
    return {
        k: _static(v) if k in call.static[1] else _argument(looked, marked[k])
        for k, v in kwargs.items()
    }


def _argument(looked: _Captured, marked: Any) -> Any:
    """An argument's part; in `marked` the number of each leaf stands in its place."""
    checks = {
        c.key: looked.parts[k]
        for k, c in enumerate(looked.checks)
        if c.kind == "argument"
    }

    def take(x: Any) -> Any:
        if type(x) is int:
            kind, value = looked.call.kinds[x], looked.call.leaves[x]
            return _leaf(looked, kind, value, looked.slots.get(x), checks.get(x))
        return _opened(x)

    return _folded(marked, take)


def _opened(x: Any) -> Any:
    if x is None:
        return entry.Static(None)
    kind = type(x)
    if kind is list:
        return _Open(x, entry.List)
    if isinstance(x, tuple):
        return _Open(list(x), lambda parts: entry.Tuple(parts, kind))
    if kind is dict:
        return _Open([*x.values()], lambda parts: _dict_of(tuple(x), parts))
    if dataclasses.is_dataclass(x):
        names = tuple(f.name for f in dataclasses.fields(x))
        return _Open(
            [getattr(x, name) for name in names],
            lambda parts: entry.Fields(kind, names, parts),
        )
    raise Unfit(f"an argument holds a {kind.__name__}")


def _leaf(looked: _Captured, leaf: Leaf, x: Any, slot: int | None, check: Any) -> Any:
    kind = leaf.kind
    if kind == "same":
        return entry.Static(x)
    if kind == "object" or (check is not None and slot is None):
        if check is None:
            raise Unfit(f"a {type(x).__name__} isn't watched")
        return check
    if kind == "static":
        return _static(x)
    if slot is None:
        raise Unfit("an argument is part of the path by its value")
    if kind == "array":
        if leaf.strides is not None:
            raise Unfit("an argument isn't in C order")
        return looked.array(slot)
    python: dict[str, entry.Kind] = {"scalar": "scalar", "int": "int", "float": "float"}
    dtype = looked.types[slot].dtype
    return entry.Leaf(slot, dtype, (), python[kind], strict=kind == "int")


# The result --------------------------------------------------------------------------


class _Place:
    """Stands for a leaf of the result."""

    __slots__ = ("part",)

    def __init__(self, part: Any) -> None:
        self.part = part


def _result(
    path: Path, program: Program, segment: Segment
) -> tuple[Any, tuple[entry.Out, ...]]:
    """How the result is put together, and the outputs that aren't in it."""
    slots = {n: i for i, n in enumerate(segment.module.outputs)}
    parts: list[Any] = []
    for out in path.staged.outs:
        if out.kind == "static":
            parts.append(entry.Static(out.of))
            continue
        node = program.graph_outputs[out.of]
        kind = out.kind if out.kind != "number" else _number(node.dtype)
        parts.append(entry.Out(slots[node], node.dtype, node.shape, kind))  # type: ignore[arg-type]
    shown = {p.slot for p in parts if isinstance(p, entry.Out)}
    dropped = tuple(
        entry.Out(i, n.dtype, n.shape, "array" if n.shape else "scalar")
        for n, i in slots.items()
        if i not in shown
    )
    return _container(path.staged.spec, parts), dropped


def _number(dtype: np.dtype[Any]) -> str:
    names = {np.dtype("f8"): "float", np.dtype("i8"): "int", np.dtype("?"): "bool"}
    if dtype not in names:
        raise Unfit(f"a Python number is computed as {dtype}")
    return names[dtype]


def _container(spec: Any, parts: list[Any]) -> Any:
    def take(x: Any) -> Any:
        if isinstance(x, _Place):
            return x.part
        kind = type(x)
        if kind is tuple:
            return _Open(list(x), entry.Tuple)
        if kind is list:
            return _Open(x, entry.List)
        if kind is dict:
            return _Open([*x.values()], lambda parts: entry.Dict(tuple(x), parts))
        if x is None:
            return entry.Static(None)
        raise Unfit("a container of another kind")

    try:
        return _folded(tree.unflatten(spec, [_Place(p) for p in parts]), take)
    except Unfit:  # a named tuple, a dataclass …: optree puts it together

        def make(*leaves: Any) -> Any:
            return tree.unflatten(spec, leaves)

        return entry.Make(make, tuple(parts))
