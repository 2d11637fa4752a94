"""One call of a function with a rule of its own, as the interpreters see it.

The call is one operation of kind "call". Its arguments are the arrays among the user's
arguments; all else (other values, the structure, mapped axes) stands in a `Call`, which
is the operation's only parameter. What the user's functions do is then a matter of flat
lists of arrays, with one mapped axis in front for each `vmap` the call went through.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Interpreter, Tracer, bind, fixed
from wengert.core.errors import (
    ShapeMismatch,
    TracedValueError,
    TypeMismatch,
    explain,
    name_of,
)
from wengert.core.memory import owned
from wengert.core.op import Op
from wengert.core.types import Array, Type, type_of
from wengert.graph.graph import CONSTANT, Graph
from wengert.graph.stage import stage
from wengert.ops.batching import Args, Mapped, Params
from wengert.transforms.batch import Batch, map_flat

# (size, which arrays are mapped) per `vmap`, the innermost first; the axis of the last
# one is in front.
Layers = tuple[tuple[int, Mapped], ...]
Flat = Callable[[list[Array]], list[Array | None]]


class Results:
    """What a run shows of a call's results: shared by all copies of the call."""

    __slots__ = ("spec", "types")

    def __init__(self) -> None:
        self.spec: Any = None
        self.types: tuple[Type, ...] | None = None


class Call:
    """Everything of one call but its arrays."""

    __slots__ = ("f", "layers", "others", "results", "rule", "saved", "saves", "spec")

    def __init__(
        self, f: Any, rule: Any, spec: Any, others: list[Any], layers: Layers = (),
        results: Results | None = None, saves: bool = False,
    ) -> None:  # fmt: skip
        self.f = f
        self.rule = rule  # what the operation's derivative works with
        self.spec = spec
        self.others = others  # the leaves; _ARRAY in the place of an array
        self.layers = layers
        self.results = Results() if results is None else results
        self.saves = saves  # whether the residuals of the one run to come are kept
        self.saved: Any = None

    def __str__(self) -> str:
        return name_of(self.f).strip("`")

    def mapped(self, size: int, mapped: Mapped) -> "Call":
        """The call with another mapped axis in front."""
        return Call(
            self.f, self.rule, self.spec, self.others,
            (*self.layers, (size, mapped)), self.results, self.saves,
        )  # fmt: skip

    def arguments(self, arrays: list[Array]) -> tuple[Any, ...]:
        """The user's arguments, with these arrays."""
        args: tuple[Any, ...] = joined(arrays, self.spec, self.others)
        return args

    def per_array(self, leaves: list[Any]) -> list[Any]:
        """Of one value per leaf, those of the arrays."""
        return [v for v, x in zip(leaves, self.others, strict=True) if x is ARRAY]

    def through_layers(
        self, run: Flat, arrays: list[Array], follow: list[int | None]
    ) -> list[Any]:
        """`run` on flat lists, under every mapped axis.

        `follow[i]` says of which argument `arrays[i]` has the mapped axes; None: all.
        """
        return through_layers(self.layers, run, arrays, follow)

    def summed(self, cts: list[Array | None]) -> list[Array | None]:
        """Cotangents with all mapped axes; those that an argument lacks summed."""
        found = []
        for i, ct in enumerate(cts):
            axes = tuple(
                axis
                for axis, (_, mapped) in enumerate(reversed(self.layers))
                if not mapped[i]
            )
            found.append(np.sum(ct, axis=axes) if ct is not None and axes else ct)
        return found


class _Array:
    """Stands for an array, which is an argument of the operation."""


ARRAY = _Array()


def through_layers(
    layers: Layers, run: Flat, arrays: list[Array], follow: list[int | None]
) -> list[Any]:
    """`run` on flat lists, under the mapped axes that each array has (see Call)."""
    if not layers:
        return _by_items(run, arrays)
    *inner, (size, mapped) = layers
    return map_flat(
        lambda items: through_layers(tuple(inner), run, items, follow),
        size,
        arrays,
        [i is None or mapped[i] for i in follow],
    )


def _by_items(run: Flat, arrays: list[Array]) -> list[Any]:
    """`run`, once for all items if it takes mapped values, else item by item.

    Code that can't be traced (compiled, with `if` on values) can't be mapped either.
    Where it was the user's mistake, the first item gives the same error.
    """
    batches = [i for i in interpreters(arrays, deep=False) if isinstance(i, Batch)]
    interp = max(batches, key=lambda i: i.level, default=None)
    if interp is None:
        return run(arrays)
    try:
        return run(arrays)
    except (TypeError, ValueError, AttributeError):
        if interp.size == 0:
            raise
    mapped = [isinstance(x, Tracer) and x.interp is interp for x in arrays]
    columns = [
        _by_items(
            run, [x.value[i] if m else x for x, m in zip(arrays, mapped, strict=True)]
        )
        for i in range(interp.size)
    ]
    return [
        None
        if any(x is None for x in column)
        else Tracer(interp, np.stack(column), None)
        for column in zip(*columns, strict=True)
    ]


def is_array(x: Any) -> bool:
    """Whether an argument's leaf takes part as an array.

    A number of Python's has no derivative and keeps its own rules of promotion, so it
    stays what it is, as strings and other objects do.
    """
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype.kind in "fciub"
    return isinstance(x, Tracer)


def split(args: Any) -> tuple[list[Array], Any, list[Any]]:
    """(arrays, structure, all leaves with ARRAY in place of the arrays)."""
    leaves, spec = tree.flatten(args)
    arrays = [x for x in leaves if is_array(x)]
    return arrays, spec, [ARRAY if is_array(x) else x for x in leaves]


def joined(arrays: list[Array], spec: Any, others: list[Any]) -> Any:
    """What `split` took apart, with these arrays."""
    rest = iter(arrays)
    return tree.unflatten(spec, [next(rest) if x is ARRAY else x for x in others])


def interpreters(arrays: list[Any], deep: bool = True) -> list[Interpreter]:
    """All that watch these values: at the innermost level, or at any if `deep`."""
    found = []
    for x in arrays:
        while isinstance(x, Tracer):
            found.append(x.interp)
            x = x.value if deep else None
    return found


# The fields of the operation ---------------------------------------------------------


def evaluate(*arrays: Array, call: Call) -> tuple[Array, ...]:
    """Runs the function on copies of the arrays, which it may write into."""
    copies, follow = [fixed(x) for x in arrays], list(range(len(arrays)))
    ys = call.through_layers(lambda items: run(call, items), copies, [*follow])
    refuse_traced(call.f, ys)
    return tuple(owned(ys))


def run(call: Call, arrays: list[Array]) -> list[Any]:
    """The function's results as a flat list; their structure is noted."""
    return note_results(call, call.f(*call.arguments(arrays)))


def note_results(call: Call, y: Any) -> list[Array]:
    """The leaves of a result, whose structure must be that of other runs."""
    leaves, spec = tree.flatten(y)
    if call.results.spec is not None and call.results.spec != spec:
        raise ShapeMismatch(
            explain(
                f"{name_of(call.f)} returns the same structure at every run with "
                "arguments of the same types.",
                f"{tree.describe(spec)}, and before that "
                f"{tree.describe(call.results.spec)}",
                "let the structure depend on shapes and static arguments only.",
            )
        )
    call.results.spec = spec
    return [_result(call, x) for x in leaves]


def _result(call: Call, x: Any) -> Array:
    y = x if isinstance(x, Tracer) else np.asarray(x)[()]
    if y.dtype.kind not in "fciub":
        raise TypeMismatch(
            explain(
                f"{name_of(call.f)}, which has a derivative rule of its own, returns "
                "arrays of numbers, or containers of them.",
                f"{type(x).__name__} {x!r:.40}",
                "leave it out of the result.",
            )
        )
    return y


def refuse_traced(f: Any, values: list[Any]) -> None:
    """Raises if a value is traced where all arguments were plain: `f` is a closure."""
    if any(isinstance(x, Tracer) for x in values):
        raise TracedValueError(
            explain(
                f"{name_of(f)} has a derivative rule of its own, which knows only of "
                "its arguments.",
                "a traced value that it takes from outside: a closure, a global or a "
                "non-differentiable argument",
                "pass that value as an argument, with a derivative in the rule; or "
                "wg.stop_gradient(value) if it is a constant.",
            )
        )


def infer_types(*types: Type, call: Call) -> tuple[Type, ...]:
    """The results' types, found by staging the function with these types alone."""
    if call.results.types is None:
        for _, mapped in reversed(call.layers):
            types = tuple(
                Type(t.shape[1:], t.dtype) if m else t
                for t, m in zip(types, mapped, strict=True)
            )
        graph = stage(
            lambda *items: run(call, list(items)),
            [(t, None) for t in types],
            lambda tracers: tracers,
            [""] * len(types),
        )
        refuse_traced(call.f, captured(graph))
        call.results.types = tuple(n.type for n in graph.outputs)
    sizes = tuple(size for size, _ in reversed(call.layers))
    return tuple(Type((*sizes, *t.shape), t.dtype) for t in call.results.types)


def captured(graph: Graph) -> list[Tracer]:
    """The traced values that a staged function took from outside."""
    values = (n.params["value"] for n in graph.nodes if n.op is CONSTANT)
    return [x for x in values if isinstance(x, Tracer)]


def learn_types(call: Call, arrays: list[Array], plain: list[Array] | None) -> None:
    """Finds the results' types ahead of staging, by running on values if need be.

    Staging by types alone can't follow an `if` on values, nor run compiled code.
    """
    try:
        infer_types(*map(type_of, arrays), call=call)
    except (TypeError, ValueError, AttributeError):
        if plain is None:
            raise
        ys = evaluate(*plain, call=call)
        call.results.types = tuple(map(type_of, ys))


def batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> tuple[Array, ...]:
    """The same operation, for a call with another mapped axis."""
    results: tuple[Array, ...] = bind(
        op, *args, call=params["call"].mapped(size, mapped)
    )
    return results
