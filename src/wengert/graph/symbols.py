"""Graphs written by hand: symbols, ordinary NumPy code on them, `function`.

A symbol is a tracer of one lasting Stage interpreter, the outermost of all: a `grad` or
`vmap` of a function of symbols sees them as constants of an outer level, and so gives
symbolic results.
"""

import contextlib
import contextvars
from collections.abc import Iterator
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
        name: how the graph's text and errors call it.
        shape: its shape; an int stands for one axis.
        dtype: its dtype.

    Returns:
        A traced array; NumPy functions and operators on it write a graph.

    >>> x = symbol("x", (3,))
    >>> (x * 2.0).shape
    (3,)
    """
    if not isinstance(name, str) or not name:
        raise TypeMismatch(
            explain("A symbol has a name.", repr(name), 'symbol("x", (3,)).')
        )
    axes = (shape,) if isinstance(shape, int) else tuple(shape)
    return _SYMBOLIC.input(Type(axes, np.dtype(dtype)), None, name)


def as_symbol(node: Node) -> Tracer:
    """The traced array that stands for a node's result."""
    return Tracer(_SYMBOLIC, None, node)


def node_of(x: Any, what: str = "an expression") -> Node:
    """The node behind a symbol or an expression of symbols; a number is a constant."""
    if isinstance(x, Node):
        return x
    if isinstance(x, Tracer):
        if isinstance(x.mark, Node):
            return x.mark
        raise TypeMismatch(
            explain(
                f"{what} is made of symbols.",
                f"a value that is being {x.interp.verb}",
                "use wg.trace for a function; symbols live outside of transforms.",
            )
        )
    value = np.asarray(x)[()]
    if value.dtype.kind not in "fciub":
        raise TypeMismatch(
            explain(
                f"{what} is made of symbols.",
                f"{type(x).__name__} {x!r:.40}",
                "pass what NumPy functions of symbols returned.",
            )
        )
    return constant(value)


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

    >>> x, y = symbol("x"), symbol("y")
    >>> function([x, y], x * y + 1.0)(2.0, 3.0)
    np.float64(7.0)
    """
    leaves, in_spec = tree.flatten(tuple(inputs))
    nodes = tuple(node_of(x, "An input") for x in leaves)
    for node in nodes:
        if node.op is not INPUT:
            raise TypeMismatch(
                explain(
                    "The inputs of wg.function are symbols.",
                    f"the result of `{node.op.name}`",
                    "list the symbols; graph.run(feed={node: value}) feeds inner nodes.",
                )
            )
    if len(set(nodes)) != len(nodes):
        raise ShapeMismatch("wg.function takes each symbol once; one came twice.")
    results, out_spec = tree.flatten(outputs)
    ends = tuple(node_of(r, "An output") for r in results)
    missing = [
        n.name for n in topological(ends) if n.op is INPUT and n not in set(nodes)
    ]
    if missing:
        raise ShapeMismatch(
            explain(
                "All symbols that the outputs depend on are inputs.",
                f"the outputs also depend on {', '.join(map(repr, missing))}",
                "add them to the list of inputs.",
            )
        )
    return Graph(nodes, ends, in_spec, out_spec, name)


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Names what is staged inside: `with scope("layer1"): ...`; scopes nest.

    >>> with scope("layer1"):
    ...     y = symbol("x") + 1.0
    >>> y.mark.scope
    'layer1'
    """
    outer = SCOPE.get()
    token: contextvars.Token[str] = SCOPE.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        SCOPE.reset(token)
