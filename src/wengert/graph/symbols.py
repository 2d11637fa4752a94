"""Graphs written by hand: symbols, ordinary NumPy code on them, `function`.

A symbol is a tracer of one lasting Stage interpreter, the outermost of all: a `grad` or
`vmap` of a function of symbols sees them as constants of an outer level, and so gives
symbolic results.
"""

import contextlib
import contextvars
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array, Shape, Type
from wengert.graph.graph import INPUT, Graph, Node, constant, topological
from wengert.graph.stage import SCOPE, Stage


class Symbolic(Stage):
    """The interpreter of symbols: it never ends, so it must not remember constants."""

    __slots__ = ()
    verb = "symbolic"

    def _constant(self, x: Array) -> Node:
        return constant(x)


_SYMBOLIC = Symbolic()


def symbol(name: str, shape: Shape | int = (), dtype: Any = float) -> Any:
    """A named input of a graph yet to be written: an array without a value.

    Args:
        name: how the graph's text, calls and errors call it; inside of
            `with scope("layer1")` the name is `layer1/name`.
        shape: its shape, lengths that are known; an int stands for one axis.
        dtype: its dtype, of numbers or booleans.

    Returns:
        A traced array; NumPy functions and operators on it write a graph.

    Raises:
        TypeMismatch: for a name that isn't a text, or another dtype.
        ShapeMismatch: for a shape with unknown or negative lengths.

    >>> x = symbol("x", (3,))
    >>> (x * 2.0).shape
    (3,)
    """
    if not isinstance(name, str) or not name:
        raise TypeMismatch(
            explain("A symbol has a name.", repr(name), 'symbol("x", (3,)).')
        )
    type = Type(_axes(name, shape), _dtype(name, dtype))
    path = SCOPE.get()
    whole = f"{path}/{name}" if path else name
    return as_symbol(Node(INPUT, (), {}, type, None, whole, path))


def _axes(name: str, shape: Any) -> Shape:
    axes = (shape,) if isinstance(shape, int | np.integer) else shape
    if isinstance(axes, tuple | list) and all(
        isinstance(n, int | np.integer) and n >= 0 for n in axes
    ):
        return tuple(map(int, axes))
    raise ShapeMismatch(
        explain(
            f"The shape of symbol {name!r} is a tuple of lengths, all known.",
            f"{shape!r:.60}",
            "write the lengths; for arguments of several shapes write a function, and "
            "wg.trace it for each of them.",
        )
    )


def _dtype(name: str, dtype: Any) -> np.dtype[Any]:
    found: np.dtype[Any]
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found.kind in "fciub":
        return found
    raise TypeMismatch(
        explain(
            f"The dtype of symbol {name!r} is one of numbers or booleans.",
            f"{dtype!r:.60}",
            'use float, complex, int, bool, or NumPy\'s names for them ("f4").',
        )
    )


def named(name: str, x: Any) -> Any:
    """`x` under a name, for the graph's text and for `graph.run` and `graph.find`.

    Args:
        name: the name; inside of `with scope("layer1")` it is `layer1/name`.
        x: an expression of symbols, or a value in a function that `wg.trace` runs. Any
            other value comes back as it is, so the function works without tracing too.

    Returns:
        The same value; what is computed from it shows under the name.

    >>> x = symbol("x")
    >>> graph = function([x], named("angle", 2.0 * x) + 1.0)
    >>> graph.run("angle", {"x": 3.0})
    np.float64(6.0)
    """
    if not isinstance(name, str) or not name:
        raise TypeMismatch(
            explain("named takes a name first.", repr(name), 'named("hidden", x).')
        )
    if not isinstance(x, Tracer) or not isinstance(x.interp, Stage):
        return x
    n, path = x.mark, SCOPE.get()
    whole = f"{path}/{name}" if path else name
    node = Node(n.op, n.inputs, n.params, n.type, n.source, whole, path)
    return Tracer(x.interp, x.value, node)


def as_symbol(node: Node) -> Tracer:
    """The traced array that stands for a node's result."""
    return Tracer(_SYMBOLIC, None, node)


def node_of(x: Any, what: str = "an expression") -> Node:
    """The node behind a symbol or an expression of symbols; a number is a constant."""
    if isinstance(x, Node):
        return x
    if isinstance(x, Tracer):
        if x.interp is _SYMBOLIC:
            node: Node = x.mark
            return node
        raise TypeMismatch(
            explain(
                f"{what} is made of symbols.",
                f"a value that is being {x.interp.verb}",
                "symbols live outside of functions; inside of one that is traced or "
                "differentiated use wg.grad, wg.vjp and wg.jvp.",
            )
        )
    value = _plain(x)
    if value is None:
        raise TypeMismatch(
            explain(
                f"{what} is made of symbols.",
                f"{type(x).__name__} {x!r:.40}",
                "pass a symbol, or what NumPy functions of symbols returned.",
            )
        )
    return constant(value)


def _plain(x: Any) -> Array | None:
    """A number or an array of numbers as NumPy has it; None for anything else."""
    try:
        value: Array = np.asarray(x)[()]
    except (ValueError, TypeError):
        return None
    return value if value.dtype.kind in "fciub" else None


def function(inputs: Any, outputs: Any, name: str = "function") -> Graph:
    """The graph from symbols to expressions, as Theano's and TensorFlow 1's function.

    Args:
        inputs: a list of symbols: the arguments, in order. Each may also be a nested
            container of symbols.
        outputs: an expression, or a nested container of them: the result.
        name: the graph's name.

    Returns:
        A Graph: call it with arrays.

    Raises:
        ShapeMismatch: if the outputs depend on a symbol that isn't among the inputs.
        TypeMismatch: if an input isn't a symbol.

    An input that no output needs is allowed, and ignored.

    >>> x, y = symbol("x"), symbol("y")
    >>> function([x, y], x * y + 1.0)(2.0, 3.0)
    np.float64(7.0)
    """
    if not isinstance(inputs, list | tuple):
        raise TypeMismatch(
            explain(
                "wg.function takes a list of symbols first.",
                f"{type(inputs).__name__} {inputs!r:.60}",
                "write function([x], y), and function([p], y) for a container p.",
            )
        )
    leaves, in_spec = tree.flatten(tuple(inputs))
    nodes = tuple(node_of(x, "An input") for x in leaves)
    _check_inputs(nodes)
    results, out_spec = tree.flatten(outputs)
    ends = tuple(node_of(r, "An output") for r in results)
    refuse_strays("The outputs", nodes, ends)
    return Graph(nodes, ends, in_spec, out_spec, name)


def _check_inputs(nodes: tuple[Node, ...]) -> None:
    names: dict[str, Node] = {}
    for node in nodes:
        if node.op is not INPUT:
            raise TypeMismatch(
                explain(
                    "The inputs of wg.function are symbols.",
                    f"the result of `{node.op.name}`",
                    "list the symbols; graph.run(fetch, {node: value}) feeds an "
                    "expression, and graph.subgraph(outputs, [node]) cuts there.",
                )
            )
        other = names.setdefault(node.name, node)
        if other is not node:
            raise ShapeMismatch(
                explain(
                    "The inputs of wg.function have different names.",
                    f"two symbols named {node.name!r}",
                    'rename one, or make them inside of `with wg.scope("layer1")`.',
                )
            )
    if len(names) != len(nodes):
        twice = next(n.name for n in nodes if nodes.count(n) > 1)
        raise ShapeMismatch(
            explain(
                "wg.function takes each symbol once.",
                f"{twice!r} twice",
                "leave out the second.",
            )
        )


def refuse_strays(
    what: str, inputs: Iterable[Node], ends: Iterable[Node], do: str = ""
) -> None:
    """Raises if the ends depend on a symbol that isn't among the inputs."""
    known = set(inputs)
    strays = [n for n in topological(ends) if n.op is INPUT and n not in known]
    if strays:
        names = ", ".join(repr(n.name) for n in strays)
        raise ShapeMismatch(
            explain(
                f"{what} depend on the inputs only.",
                f"an expression that also depends on {names}",
                do or "add it to the list of inputs.",
            )
        )


def scope(name: str) -> contextlib.AbstractContextManager[None]:
    """Names what is staged inside: `with scope("layer1"): ...`; scopes nest.

    Args:
        name: the scope's name.

    Raises:
        TypeMismatch: for a name that isn't a text.

    >>> x = symbol("x")
    >>> with scope("layer1"):
    ...     y = x * 2.0 + 1.0
    >>> graph = function([x], np.tanh(y))
    >>> [node.op.name for node in graph.find(scope="layer1")]
    ['multiply', 'add']
    """
    if not isinstance(name, str) or not name:
        raise TypeMismatch(
            explain("A scope has a name.", repr(name), 'with wg.scope("layer1"): ….')
        )
    return _scope(name)


@contextlib.contextmanager
def _scope(name: str) -> Iterator[None]:
    outer = SCOPE.get()
    token: contextvars.Token[str] = SCOPE.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        SCOPE.reset(token)
