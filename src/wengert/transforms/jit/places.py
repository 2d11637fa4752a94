"""The checks of a path as native code makes them: places that it reads, and parts."""

from types import ModuleType
from typing import Any

from wengert.native import entry
from wengert.transforms.jit.capture import Check, current
from wengert.transforms.jit.parts import Unfit, dict_of, static
from wengert.transforms.jit.paths import Path
from wengert.transforms.jit.signature import Call
from wengert.transforms.jit.world import MISSING


class Captured:
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
        self.types = [n.type for n in path.staged.graph.inputs]
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
            return static(x)
        if rule == "length":
            return self._sequence(k, x)
        if rule == "keys":
            if type(x) is not dict:
                raise Unfit(f"{check.name} is a {type(x).__name__}")
            return dict_of(tuple(x), self._inside(k, list(x)))
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
