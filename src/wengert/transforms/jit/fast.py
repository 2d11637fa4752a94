"""A path as the native call knows it: what it takes, looks at and returns.

The list of checks that `capture` made becomes places that native code looks at, the
arguments' structure becomes descriptions, and from then on a call that matches doesn't
enter Python. Whatever can't be said exactly in this form stays with Python, which
decides every call that native code doesn't take: the two can't disagree.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.graph.graph import Node
from wengert.native import callable as calls
from wengert.native import capi, entry
from wengert.native.path import Path as NativePath
from wengert.native.running import Program, Segment
from wengert.transforms.jit.parts import Open, Unfit, dict_of, folded, static
from wengert.transforms.jit.paths import Path
from wengert.transforms.jit.places import Captured
from wengert.transforms.jit.signature import Call, Leaf

# Programs on more elements than this let other threads of Python run meanwhile.
_LONG = 50_000


def native_path(path: Path, call: Call, kwargs: dict[str, Any]) -> NativePath:
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
    looked = Captured(path, call)
    result, dropped = _result(path, program, segment)
    signature = entry.Signature(
        arguments=_arguments(looked),
        keywords=_keywords(looked, kwargs),
        captured=(*looked.captured(), *_constants(len(program.inputs), segment)),
        result=result,
        dropped=dropped,
        arena=segment.arena,
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
    slots = {n: i for i, n in enumerate(segment.outputs)}
    inputs, outputs = program.inputs, program.outputs
    signature = entry.Signature(
        tuple(entry.Leaf(i, n.dtype, n.shape, _kind(n)) for i, n in enumerate(inputs)),
        entry.Tuple(
            tuple(entry.Out(slots[n], n.dtype, n.shape, _kind(n)) for n in outputs)
        ),
        captured=tuple(_constants(len(inputs), segment)),
        arena=segment.arena,
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
    nodes = (*segment.inputs, *segment.outputs)
    return sum(n.type.size for n in nodes)


def _constants(first: int, segment: Segment) -> list[entry.Fixed]:
    """The graph's arrays: inputs of the program after those of the graph."""
    return [
        entry.Fixed(i, np.require(n.params["value"], n.dtype, ["C", "A"]))
        for i, n in enumerate(segment.inputs)
        if i >= first
    ]


# Arguments ---------------------------------------------------------------------------


def _arguments(looked: Captured) -> tuple[Any, ...]:
    call = looked.call
    marked, _ = tree.unflatten(call.spec, range(len(call.leaves)))
    parts = [_argument(looked, m) for m in marked]
    for i in sorted(call.static[0]):
        parts.insert(i, static(call.static[0][i]))
    return tuple(parts)


def _keywords(looked: Captured, kwargs: dict[str, Any]) -> dict[str, Any]:
    call = looked.call
    _, marked = tree.unflatten(call.spec, range(len(call.leaves)))
    return {
        k: static(v) if k in call.static[1] else _argument(looked, marked[k])
        for k, v in kwargs.items()
    }


def _argument(looked: Captured, marked: Any) -> Any:
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

    return folded(marked, take)


def _opened(x: Any) -> Any:
    if x is None:
        return entry.Static(None)
    kind = type(x)
    if kind is list:
        return Open(x, entry.List)
    if isinstance(x, tuple):
        return Open(list(x), lambda parts: entry.Tuple(parts, kind))
    if kind is dict:
        return Open([*x.values()], lambda parts: dict_of(tuple(x), parts))
    if dataclasses.is_dataclass(x):
        names = tuple(f.name for f in dataclasses.fields(x))
        return Open(
            [getattr(x, name) for name in names],
            lambda parts: entry.Fields(kind, names, parts),
        )
    raise Unfit(f"an argument holds a {kind.__name__}")


def _leaf(looked: Captured, leaf: Leaf, x: Any, slot: int | None, check: Any) -> Any:
    kind = leaf.kind
    if kind == "same":
        return entry.Static(x)
    if kind == "object" or (check is not None and slot is None):
        if check is None:
            raise Unfit(f"a {type(x).__name__} isn't watched")
        return check
    if kind == "static":
        return static(x)
    if slot is None:
        raise Unfit("an argument is part of the path by its value")
    if kind == "array":
        if leaf.strides is not None:
            raise Unfit("an argument isn't in C order")
        return looked.array(slot)
    python: dict[str, entry.Kind] = {
        "scalar": "scalar", "int": "int", "float": "float", "complex": "complex",
    }  # fmt: skip
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
    slots = {n: i for i, n in enumerate(segment.outputs)}
    parts: list[Any] = []
    for out in path.staged.outs:
        if out.kind == "static":
            parts.append(entry.Static(out.of))
            continue
        node = program.outputs[out.of]
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
            return Open(list(x), entry.Tuple)
        if kind is list:
            return Open(x, entry.List)
        if kind is dict:
            return Open([*x.values()], lambda parts: entry.Dict(tuple(x), parts))
        if x is None:
            return entry.Static(None)
        if isinstance(x, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
            return Open(list(x), lambda parts: entry.Make(kind, parts))
        put = tree.assembler(kind)
        if put is not None:
            fields = [getattr(x, f.name) for f in dataclasses.fields(x)]
            return Open(fields, lambda parts: entry.Make(put, parts))
        raise Unfit("a container of another kind")

    try:
        return folded(tree.unflatten(spec, [_Place(p) for p in parts]), take)
    except Unfit:  # what the user registered: optree puts it together

        def make(*leaves: Any) -> Any:
            return tree.unflatten(spec, leaves)

        return entry.Make(make, tuple(parts))
