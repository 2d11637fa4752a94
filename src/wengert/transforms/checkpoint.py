"""checkpoint: reverse mode keeps a function's arguments and computes the rest again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, bind, fixed, known
from wengert.core.errors import ShapeMismatch, at_the_edge, explain, name_of
from wengert.core.op import Op, Rules
from wengert.core.types import Array, Type, is_inexact, type_of
from wengert.graph.graph import CONSTANT, INPUT, Graph
from wengert.graph.serialize import keep_call
from wengert.graph.stage import Stage, stage
from wengert.ops.batching import Args, Mapped, Params
from wengert.transforms.batch import Batch
from wengert.transforms.call import (
    Layers,
    captured,
    interpreters,
    joined,
    split,
    through_layers,
)
from wengert.transforms.forward import jvp
from wengert.transforms.naming import named_after
from wengert.transforms.reverse import vjp
from wengert.transforms.stop import stop_gradient
from wengert.transforms.tape import Reverse


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, for which reverse mode keeps the arguments instead of every step inside.

    The backward pass computes the steps once more when it comes to them, so a chain of
    N checkpointed blocks takes the memory of N arguments and one block, for the time of
    one more evaluation. `f` itself runs once: what is computed again is a record of the
    steps that it took, with the random numbers that it drew.

    Args:
        f: a function of arrays, or nested containers of arrays. Traced values that it
            takes from outside (a closure) are differentiated too; but what it computes
            from those alone, without its arguments, is kept. It must not write into its
            arguments.

    Returns:
        A function with the same arguments, results and derivatives.

    Raises:
        ShapeMismatch: if `f` writes into a traced argument.

    >>> grad(checkpoint(lambda x: np.sin(np.exp(x))))(0.0)
    0.5403023058681398

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 12.
    """

    @named_after(f, "checkpoint", f"{name_of(f)}, computed again in the backward pass.")
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with at_the_edge():
            arrays, spec, others = split((args, kwargs))

            def run(*items: Array) -> Any:
                positional, named = joined([*items], spec, others)
                return f(*positional, **named)

            if not _kept(arrays, Reverse, Stage):
                y = run(*arrays)
                if not _kept(tree.flatten(y)[0], Reverse):
                    return y  # nothing would be kept: nobody differentiates backwards
                del y  # with all that was recorded
            return _recomputed(run, arrays, name_of(f))

    return wrapped


def _kept(values: list[Any], *kinds: type) -> bool:
    return any(isinstance(i, kinds) for i in interpreters(values))


class Block(NamedTuple):
    """The parameter of the operation.

    Attributes:
        graph: the steps.
        layers: the mapped axes that the arguments have.
        ready: a list with the results of the one run to come, or an empty one.
    """

    graph: Graph
    layers: Layers
    ready: list[list[Array]]

    def __str__(self) -> str:
        return self.graph.name


def _recomputed(run: Callable[..., Any], arrays: list[Array], name: str) -> Any:
    """`run(*arrays)` as one operation, recorded as such."""
    # Traced values as they are now; of plain arrays the tape makes its own snapshot.
    arrays = [fixed(x) if isinstance(x, Tracer) else x for x in arrays]
    graph, ys = _staged(run, arrays, name)
    outside = captured(graph)
    for node in graph.nodes:
        # The graph is new, and nobody else has it yet: its constants that are traced
        # become inputs, so that derivatives reach them.
        if node.op is CONSTANT and isinstance(node.params["value"], Tracer):
            node.op, node.params = INPUT, {}
            graph.inputs = (*graph.inputs, node)
    arrays += [fixed(x) for x in outside]
    # The values are those of the results, unless other levels map or stage them.
    ready = [] if _kept(arrays, Batch, Stage) else [[known(y) for y in ys]]
    results = bind(_CHECKPOINT, *arrays, block=Block(graph, (), ready))
    return tree.unflatten(graph.out_spec, results)


def _staged(
    run: Callable[..., Any], arrays: list[Array], name: str
) -> tuple[Graph, list[Array]]:
    """The steps that `run` takes on these values, and the values of its results."""
    found: list[Any] = []

    def observed(*items: Tracer) -> Any:
        marks = [x.mark for x in items]
        y = run(*items)
        if any(x.mark is not mark for x, mark in zip(items, marks, strict=True)):
            raise ShapeMismatch(
                explain(
                    "A checkpointed function leaves its arguments as they are.",
                    f"{name} writes into one (x[i] = v, x += v, out=x)",
                    "write x = x + v, or work on a copy: x = x.copy().",
                )
            )
        found.extend(tree.flatten(y)[0])
        return y

    # Without the levels that would record these steps, which is what is to be avoided.
    typed = [
        (type_of(x), stop_gradient(x) if isinstance(x, Tracer) else x) for x in arrays
    ]
    graph = stage(observed, typed, lambda tracers: tracers, [""] * len(arrays))
    graph.name = name.strip("`")
    return graph, [_value(y, arrays) for y in found]


def _value(y: Any, arrays: list[Array]) -> Array:
    """What a result of a staged function is one level down; nobody else's memory."""
    ours = isinstance(y, Tracer) and isinstance(y.interp, Stage)
    y = y.value if ours else fixed(y)
    if isinstance(y, Tracer):
        return y
    if any(type(x) is np.ndarray and np.may_share_memory(x, y) for x in arrays):
        return np.array(y)[()]
    return np.asarray(y)[()]


# The operation -----------------------------------------------------------------------


def _evaluate(*arrays: Array, block: Block) -> tuple[Array, ...]:
    if block.ready:
        return tuple(block.ready.pop())
    follow: list[int | None] = [*range(len(arrays))]
    run: Any = block.graph.evaluate
    return tuple(through_layers(block.layers, run, [*arrays], follow))


def _types(*types: Type, block: Block) -> tuple[Type, ...]:
    sizes = tuple(size for size, _ in reversed(block.layers))
    return tuple(Type((*sizes, *n.shape), n.dtype) for n in block.graph.outputs)


def _inexact(xs: list[Any]) -> list[int]:
    return [i for i, x in enumerate(xs) if is_inexact(x.dtype)]


def _at(which: list[int], args: Args, block: Block) -> Callable[..., list[Array]]:
    """The results that have derivatives, as a function of these arguments."""

    def run(*items: Array) -> list[Array]:
        full = list(args)
        for i, x in zip(which, items, strict=True):
            full[i] = x
        ys = _evaluate(*full, block=block)
        return [ys[i] for i in _inexact([*ys])]

    return run


def _again(run: Callable[..., Any], arrays: list[Array]) -> Any:
    """`run(*arrays)`, checkpointed for the reverse levels that remain."""
    if _kept(arrays, Reverse):
        return _recomputed(run, arrays, "`checkpoint`")
    return run(*arrays)


def _jvp(
    tangents: list[Array | None], y: tuple[Array, ...], *args: Array, block: Block
) -> list[Array | None]:
    which = [i for i, t in enumerate(tangents) if t is not None]
    n = len(args)

    def pushed(*items: Array) -> list[Array]:
        f = _at(which, items[:n], block)
        dys: list[Array] = jvp(f, [items[i] for i in which], items[n:])[1]
        return dys

    dys = _again(pushed, [*args, *(tangents[i] for i in which)])
    found: list[Array | None] = [None] * len(y)
    for i, dy in zip(_inexact([*y]), dys, strict=True):
        found[i] = dy
    return found


def _vjp(
    ct: tuple[Array, ...], _y: Any, *args: Array, block: Block
) -> list[Array | None]:
    which, n = _inexact([*args]), len(args)
    cts = [ct[i] for i in _inexact([*ct])]

    def pulled(*items: Array) -> list[Array]:
        f = _at(which, items[:n], block)
        return [*vjp(f, *(items[i] for i in which))[1]([*items[n:]])]

    found: list[Array | None] = [None] * n
    for i, c in zip(which, _again(pulled, [*args, *cts]), strict=True):
        found[i] = c
    return found


def _batch(
    op: Op, size: int, args: Args, mapped: Mapped, params: Params
) -> tuple[Array, ...]:
    block = params["block"]
    layers = (*block.layers, (size, mapped))
    results: tuple[Array, ...] = bind(op, *args, block=Block(block.graph, layers, []))
    return results


_CHECKPOINT = Op(
    name="checkpoint",
    evaluate=_evaluate,
    type_of=_types,
    derivative=Rules(jvp=_jvp, vjp=_vjp),
    batch=_batch,
    multiple=True,
    kind="call",
)

keep_call(
    _CHECKPOINT,
    lambda params: {"graph": params["block"].graph, "layers": params["block"].layers},
    lambda kept: {"block": Block(kept["graph"], kept["layers"], [])},
)
