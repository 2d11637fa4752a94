"""A compiled graph as one operation: its derivatives and maps are compiled graphs too.

`grad`, `jvp`, `vmap` … of a compiled function see one step. What the step does under
them is a graph that is staged from its own (the pullback, the tangents, all items at
once) when it is first needed, kept, and compiled; so every order runs compiled.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, is_staged
from wengert.core.op import Op, Rules
from wengert.core.types import Array, Type, is_inexact
from wengert.graph.graph import Graph
from wengert.graph.stage import stage
from wengert.ops.batching import Args, Mapped, Params
from wengert.ops.strong import strong_product
from wengert.transforms.batch import map_flat
from wengert.transforms.forward import jvp
from wengert.transforms.jit.backend import Backend, flat, program
from wengert.transforms.jit.pieces import PASSES
from wengert.transforms.reverse import vjp

# So many derived graphs are kept of one graph; sizes of mapped axes may be many.
_MOST = 32

_ARRAYS = (np.ndarray, np.float64, np.float32)
Flat = Callable[[list[Array]], Any]


class Body:
    """A graph without guards, from flat arrays to flat arrays.

    Attributes:
        graph: its steps, before the passes.
        backend: what runs them.
        types: those of the arguments.
        inexact: which results have derivatives.
    """

    __slots__ = ("_derived", "_lock", "_run", "backend", "graph", "inexact", "types")

    def __init__(self, graph: Graph, backend: Backend) -> None:
        self.graph = graph
        self.backend = backend
        self.types = [n.type for n in graph.inputs]
        self.inexact = [i for i, n in enumerate(graph.outputs) if is_inexact(n.dtype)]
        self._run: Callable[..., Any] | None = None
        self._derived: dict[Any, Body] = {}
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return self.graph.name

    def run(self, arrays: list[Array]) -> list[Array]:
        """The results, compiled."""
        if self._run is None:
            with self._lock:
                self._run = flat(*program(self.graph, self.backend, PASSES))
        given = [_in_dtype_of(t, x) for x, t in zip(arrays, self.types, strict=True)]
        return [*self._run(*given)]

    def derived(self, key: Any, f: Flat, types: Callable[[], list[Type]]) -> "Body":
        """The body of `f`, which uses this one's graph; made once for each key."""
        found = self._derived.get(key)
        if found is None:
            inputs = [(t, None) for t in types()]
            graph = stage(
                lambda *items: f([*items]),
                inputs,
                lambda tracers: tracers,
                [""] * len(inputs),
            )
            graph.name = f"{key[0]}_of_{self.graph.name}"
            found = Body(graph, self.backend)
            with self._lock:
                if len(self._derived) >= _MOST:
                    self._derived.clear()
                self._derived[key] = found
        return found

    def at(self, which: tuple[int, ...], args: list[Array]) -> Callable[..., Any]:
        """The results that have derivatives, as a function of these arguments."""
        inexact = self.inexact

        def run(*items: Array) -> list[Array]:
            full = list(args)
            for i, x in zip(which, items, strict=True):
                full[i] = x
            ys = self.graph.evaluate(full)
            return [ys[i] for i in inexact]

        return run

    def pullback(self, which: tuple[int, ...]) -> "Body":
        """(arguments, cotangents of the inexact results) to cotangents of `which`."""
        n = len(self.graph.inputs)

        def pulled(items: list[Array]) -> list[Array]:
            f = self.at(which, items[:n])
            return [*vjp(f, *(items[i] for i in which))[1](items[n:])]

        def types() -> list[Type]:
            results = self.graph.outputs
            return [*self.types, *(_strong(results[i].type) for i in self.inexact)]

        return self.derived(("pullback", which), pulled, types)

    def with_gradient(self, which: tuple[int, ...]) -> "Body":
        """Arguments to the one result, a real number, and its gradients by `which`."""

        def both(items: list[Array]) -> list[Array]:
            y, pull = vjp(self.at(which, items), *(items[i] for i in which))
            return [*y, *pull([np.ones((), y[0].dtype)[()]])]

        return self.derived(("gradient", which), both, lambda: self.types)

    def pushforward(self, which: tuple[int, ...]) -> "Body":
        """(arguments, tangents of `which`) to tangents of the inexact results."""
        n = len(self.graph.inputs)

        def pushed(items: list[Array]) -> list[Array]:
            f = self.at(which, items[:n])
            found: list[Array] = jvp(f, [items[i] for i in which], items[n:])[1]
            return found

        def types() -> list[Type]:
            return [*self.types, *(_strong(self.types[i]) for i in which)]

        return self.derived(("tangents", which), pushed, types)

    def batched(self, size: int, mapped: Mapped) -> "Body":
        """The results for all items at once."""

        def types() -> list[Type]:
            return [
                Type((size, *t.shape), t.dtype) if m else t
                for t, m in zip(self.types, mapped, strict=True)
            ]

        def items(leaves: list[Array]) -> list[Array | None]:
            return map_flat(self._inlined, size, leaves, [*mapped])

        return self.derived(("items", size, mapped), items, types)

    def _inlined(self, items: list[Array]) -> list[Array | None]:
        return [*self.graph.evaluate(items)]


def _in_dtype_of(type: Type, x: Array) -> Array:
    if isinstance(x, _ARRAYS) and x.dtype == type.dtype:
        return x
    return np.asarray(x, type.dtype)[()]


def _strong(type: Type) -> Type:
    return Type(type.shape, type.dtype)


def called(
    body: Body, arrays: list[Array], ready: list[Array] | None = None
) -> tuple[Array, ...]:
    """The results of a body, whatever watches the arrays.

    Args:
        body: the graph.
        arrays: its arguments.
        ready: the results, if they are known and the arrays are watched by one level.
    """
    if any(map(is_staged, arrays)):
        return tuple(body.graph.evaluate(arrays))
    wanted = tuple(isinstance(x, Tracer) for x in arrays)
    results: tuple[Array, ...] = bind(
        COMPILED_CALL, *arrays, body=body, wanted=wanted,
        ready=[] if ready is None else [tuple(ready)],
    )  # fmt: skip
    return results


# The operation -----------------------------------------------------------------------


def _evaluate(
    *arrays: Array, body: Body, wanted: Mapped, ready: list[Any]
) -> tuple[Array, ...]:
    return ready.pop() if ready else tuple(body.run([*arrays]))


def _types(
    *types: Type, body: Body, wanted: Mapped, ready: list[Any]
) -> tuple[Type, ...]:
    return tuple(n.type for n in body.graph.outputs)


def _jvp(
    tangents: list[Array | None], y: tuple[Array, ...], *args: Array,
    body: Body, wanted: Mapped, ready: list[Any],
) -> list[Array | None]:  # fmt: skip
    which = tuple(i for i, t in enumerate(tangents) if t is not None)
    given = [tangents[i] for i in which]
    pushed = called(body.pushforward(which), [*args, *given])
    found: list[Array | None] = [None] * len(y)
    for i, dy in zip(body.inexact, pushed, strict=True):
        found[i] = dy
    return found


def _vjp(
    ct: tuple[Array, ...], _y: Any, *args: Array,
    body: Body, wanted: Mapped, ready: list[Any],
) -> list[Array | None]:  # fmt: skip
    types = body.types
    which = tuple(i for i, w in enumerate(wanted) if w and is_inexact(types[i].dtype))
    cts = [ct[i] for i in body.inexact]
    found: list[Array | None] = [None] * len(args)
    pulled = called(body.pullback(which), [*args, *cts])
    for i, c in zip(which, pulled, strict=True):
        found[i] = c
    return found


def _batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> tuple[Array, ...]:
    return called(params["body"].batched(size, mapped), [*args])


COMPILED_CALL = Op(
    name="compiled_call",
    evaluate=_evaluate,
    type_of=_types,
    derivative=Rules(jvp=_jvp, vjp=_vjp),
    batch=_batch,
    multiple=True,
    kind="call",
)


# One real number as the result: its gradients come with it, from the same program, and
# the pullback is a product.


def _number(*_xs: Array, y: Array, gradients: list[Array]) -> Array:
    return y


def _pull_number(
    ct: Array, _y: Any, *_xs: Array, y: Array, gradients: list[Array]
) -> list[Array | None]:
    return [_in_dtype(strong_product(ct, g), g) for g in gradients]


def _in_dtype(x: Array, g: Array) -> Array:
    return x if x.dtype == g.dtype else x.astype(g.dtype)


def _push_number(*args: Any, **params: Any) -> Any:
    raise TypeError("the gradient of a known result is for reverse mode only")


KNOWN_GRADIENT = Op(
    name="known_gradient",
    evaluate=_number,
    type_of=lambda *types, y, gradients: Type(y.shape, y.dtype),
    derivative=Rules(jvp=_push_number, vjp=_pull_number),
    batch=lambda op, size, args, mapped, params: np.broadcast_to(params["y"], (size,)),
    kind="call",
)
