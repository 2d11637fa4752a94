"""A compiled function under `grad`, `jvp`, `vmap` …: compiled inside.

The path is chosen by the plain values behind the traced ones, and is then one operation
(see `bodies`). Where a path can't be that, the function runs as it is, step by step.
"""

from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, bind
from wengert.core.types import Array, is_inexact
from wengert.graph.graph import Graph
from wengert.transforms.batch import Batch
from wengert.transforms.forward import Forward
from wengert.transforms.jit.bodies import KNOWN_GRADIENT, Body, called
from wengert.transforms.jit.paths import Path
from wengert.transforms.jit.signature import Arguments, Call
from wengert.transforms.tape import Reverse

# Questions whose answers don't carry a derivative.
_HARMLESS = ("bool", "int", "index")


class Inline(Exception):
    """The function is to be run on its traced arguments, step by step."""


class Watched(NamedTuple):
    """The arguments of a call, some of which are traced.

    Attributes:
        call: the arguments, with plain values in the place of traced ones; of mapped
            ones, with those of the first item.
        single: the only level that watches, if it is one of reverse mode on plain
            values; else None.
        mapped: whether `vmap` is among the levels.
    """

    call: Call
    single: Reverse | None
    mapped: bool


def watched(
    arguments: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Watched:
    """A call taken apart.

    Raises:
        Inline: if one of the levels stages, has ended, or has no plain values.
        Unknown: for an argument that no path can be kept for.
    """
    levels: dict[int, Any] = {}
    call = arguments.take_apart(args, kwargs, lambda x: _bottom(x, levels))
    (only, *others) = levels.values()
    outermost = not others and type(only) is Reverse
    return Watched(
        call, only if outermost else None,
        any(isinstance(i, Batch) for i in levels.values()),
    )  # fmt: skip


def _bottom(x: Any, levels: dict[int, Any]) -> Any:
    """The plain value; `levels` gets all that watch it."""
    mapped = 0
    while isinstance(x, Tracer):
        interp: Any = x.interp
        if type(interp) not in (Reverse, Forward, Batch):
            raise Inline
        levels[id(interp)] = interp
        if isinstance(interp, Batch):
            if not interp.size:
                raise Inline
            mapped += 1
        x = x.value
    for _ in range(mapped):
        x = x[0]
    return x


def check(path: Path, mapped: bool) -> None:
    """Raises Inline if this path can't be one operation."""
    staged = path.staged
    plain = not (staged.writes or staged.effects or staged.splits)
    outs = [out.kind for out in staged.outs]
    asked = [g.asked for g in staged.graph.guards]
    if (
        not plain
        or "number" in outs
        or any(a not in _HARMLESS for a in asked)
        or (mapped and asked)
        or all(kind == "static" for kind in outs)
    ):
        raise Inline


def has_one_number(path: Path) -> bool:
    """Whether the result is a real number, besides what isn't an array."""
    outputs = path.staged.graph.outputs
    return len(outputs) == 1 and not outputs[0].shape and outputs[0].dtype.kind == "f"


def body_of(path: Path) -> Body:
    """The path's graph as a body, made once."""
    if path.body is None:
        graph = path.staged.graph
        bare = Graph(graph.inputs, graph.outputs, name=graph.name)
        path.body = Body(bare, path.backend)
    return path.body


def applied(path: Path, found: Watched, places: list[Any], result: list[Any]) -> Any:
    """The function's result on the traced arguments, along this path.

    Args:
        path: the path that the plain values take.
        found: the arguments.
        places: what stands at the places that the path watches.
        result: [the result for the plain values], if it is known.
    """
    staged = path.staged
    arrays = [found.call.given[i] for i in staged.inputs]
    arrays += [places[k] for k in staged.loads]
    body = body_of(path)
    if found.single is not None and has_one_number(path):
        return _filled(path, [_with_gradient(body, arrays, found.single)])
    ready = None
    if found.single is not None and result:
        leaves = tree.flatten(result[0])[0]
        ready = [None] * len(staged.graph.outputs)
        for out, x in zip(staged.outs, leaves, strict=True):
            if out.kind != "static":
                ready[out.of] = x
    return _filled(path, [*called(body, arrays, ready)])


def _with_gradient(body: Body, arrays: list[Array], level: Reverse) -> Array:
    ours = [isinstance(x, Tracer) and x.interp is level for x in arrays]
    which = tuple(
        i
        for i, (x, o) in enumerate(zip(arrays, ours, strict=True))
        if o and is_inexact(x.dtype)
    )
    plain = [x.value if o else x for x, o in zip(arrays, ours, strict=True)]
    y, *gradients = body.with_gradient(which).run(plain)
    traced = [arrays[i] for i in which]
    number: Array = bind(KNOWN_GRADIENT, *traced, y=y, gradients=gradients)
    return number


def _filled(path: Path, results: list[Array]) -> Any:
    """The result's structure, with these results as its arrays."""
    staged = path.staged
    leaves = []
    for out in staged.outs:
        if out.kind == "static":
            leaves.append(out.of)
            continue
        x = results[out.of]
        array = out.kind == "array" and not isinstance(x, Tracer)
        leaves.append(np.asarray(x) if array else x)
    return tree.unflatten(staged.spec, leaves)
