"""linearize: the derivative at a point, as a function to apply many times."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_leaf
from wengert.core.errors import at_the_edge, name_of
from wengert.core.memory import owned
from wengert.core.types import Array, type_of
from wengert.graph.graph import Graph
from wengert.graph.stage import stage
from wengert.transforms.forward import push
from wengert.transforms.leaves import check_tangent
from wengert.transforms.naming import named_after


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The result of `f(*primals)` and its derivative there, as a linear function.

    `f` runs once, on the primals; what it does to tangents is written down as a graph,
    in which everything that depends on the primals alone is a constant.

    Args:
        f: a function of arrays, or nested containers of arrays, of float or complex.
        primals: its arguments.

    Returns:
        `(y, f_lin)`: `f_lin(*tangents)`, with tangents of the structures and shapes of
        the primals, equals `jvp(f, primals, tangents)[1]`. It evaluates the graph,
        never `f`, and keeps about as much memory as reverse mode would.

    Raises:
        TypeMismatch: for a primal that isn't a float or complex array.
        ShapeMismatch: for tangents that don't match the primals.

    >>> y, f_lin = linearize(lambda x: x ** 2, 3.0)
    >>> y, f_lin(1.0), f_lin(10.0)
    (np.float64(9.0), np.float64(6.0), np.float64(60.0))

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1.
    """
    with at_the_edge():
        leaves, spec = tree.flatten(primals)
        values = [
            check_leaf(x, "linearize", f"argument {name}")
            for x, name in zip(leaves, tree.paths(primals), strict=True)
        ]
        out, ys, graph = tangent_graph(f, values, lambda ts: tree.unflatten(spec, ts))
        y = tree.unflatten(out, owned(ys))

    @named_after(f, "linearized", f"The derivative of {name_of(f)} at a point.")
    def f_lin(*tangents: Any) -> Any:
        with at_the_edge(), np.errstate(all="ignore"):
            directions = [
                check_tangent(t, x)
                for t, x in zip(
                    tree.flatten_like(spec, tangents, "tangents"), values, strict=True
                )
            ]
            return tree.unflatten(out, owned(graph.evaluate(directions)))

    return y, f_lin


def tangent_graph(
    f: Callable[..., Any],
    values: list[Array],
    rebuild: Callable[[list[Any]], Any],
    aux: list[Any] | None = None,
) -> tuple[Any, list[Array], Graph]:
    """(structure, result leaves, tangents ↦ result tangents) of `f` at `values`.

    The tangents are staged with the value 1, for which forward mode sees whether an
    infinite slope is met, and then writes down products in which zero wins.
    """
    found: dict[str, Any] = {}

    def pushed(*tangents: Array) -> list[Array]:
        found["out"], found["ys"], dys = push(f, values, list(tangents), rebuild, aux)
        return dys

    ones: list[Any] = [(type_of(x), np.ones(x.shape, x.dtype)[()]) for x in values]
    names = [f"dx{i}" for i in range(len(values))]
    graph = stage(pushed, ones, lambda tracers: tracers, names)
    return found["out"], found["ys"], graph
