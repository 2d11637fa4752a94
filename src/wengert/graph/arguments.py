"""The arguments of a graph's call: by position, by name, whole or leaf by leaf."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wengert.core import tree
from wengert.core.errors import ShapeMismatch, explain

if TYPE_CHECKING:
    from wengert.graph.graph import Graph, Node


def arguments(graph: "Graph") -> list[tuple[str, Any]]:
    """Each argument's name, "" if it has none, and its inputs in its structure."""
    if graph.in_spec is None:
        return [(n.name, n) for n in graph.inputs]
    whole = tree.unflatten(graph.in_spec, graph.inputs)
    return [(_name(argument), argument) for argument in whole]


def _name(argument: Any) -> str:
    """`p` for inputs named `p['w']` and `p['b']`; a lone input's own name."""
    found = set()
    for path, node in zip(tree.paths(argument), tree.flatten(argument)[0], strict=True):
        name: str = node.name
        found.add(name.removesuffix(path) if name.endswith(path) else "")
    return found.pop() if len(found) == 1 else ""


def signature(graph: "Graph") -> str:
    """The arguments as a person reads them: `p = {'b': f64[3]}, x: f64[2]`."""
    parts = []
    for name, argument in arguments(graph):
        leaves, spec = tree.flatten(argument)
        if leaves and leaves[0] is argument:
            parts.append(f"{name}: {argument.type}")
        else:
            shown = tree.unflatten(spec, [_Shown(n) for n in leaves])
            parts.append(f"{name or 'a container'} = {shown}")
    return ", ".join(parts) or "no arguments"


class _Shown:
    __slots__ = ("node",)

    def __init__(self, node: "Node") -> None:
        self.node = node

    def __repr__(self) -> str:
        return str(self.node.type)


def in_order(
    graph: "Graph", args: tuple[Any, ...], named: Mapping[str, Any]
) -> list[Any]:
    """The inputs' values in order, from the arguments of a call.

    Raises:
        ShapeMismatch: for arguments too many or too few, unknown names, or another
            structure.
    """
    if not named:
        if graph.in_spec is None:
            leaves, fits = list(args), len(args) == len(graph.inputs)
        else:
            leaves, came = tree.flatten(args)
            fits = came == graph.in_spec
        if fits:
            return leaves
    taken = arguments(graph)
    given = len(args) <= len(taken)
    values: dict[Node, Any] = {}
    for (name, argument), x in zip(taken, args, strict=False):
        values |= _covered(graph, name, argument, x)
    more = by_name(graph, named)
    if (
        not given
        or values.keys() & more.keys()
        or len(values | more) < len(graph.inputs)
    ):
        by_names = f", {', '.join(map(repr, named))} by name" if named else ""
        raise ShapeMismatch(
            explain(
                f"The graph `{graph.name}` takes {signature(graph)}.",
                f"{len(args)} by position{by_names}",
                "pass each argument once, in this structure.",
            )
        )
    values |= more
    return [values[n] for n in graph.inputs]


def by_name(graph: "Graph", named: Mapping[str, Any]) -> "dict[Node, Any]":
    """Values of inputs that are given by the names of arguments, or of their leaves."""
    leaves = {n.name: n for n in graph.inputs}
    wholes = {name: argument for name, argument in arguments(graph) if name}
    found: dict[Node, Any] = {}
    for name, x in named.items():
        if name in wholes:
            found |= _covered(graph, name, wholes[name], x)
        elif name in leaves:
            found[leaves[name]] = x
        else:
            raise ShapeMismatch(
                explain(
                    f"The graph `{graph.name}` takes {signature(graph)}.",
                    f"an argument named {name!r}",
                    f"use one of the names {', '.join(wholes | leaves)}.",
                )
            )
    return found


def _covered(graph: "Graph", name: str, argument: Any, x: Any) -> "dict[Node, Any]":
    nodes, spec = tree.flatten(argument)
    leaves, came = tree.flatten(x)
    if came != spec:
        alone = bool(nodes) and nodes[0] is argument
        raise ShapeMismatch(
            explain(
                f"The graph `{graph.name}` takes {signature(graph)}.",
                f"{type(x).__name__} {x!r:.60} for {name or 'a container'}",
                "pass an array: np.array([...]) for a list of numbers."
                if alone
                else "pass a container with these keys and lengths.",
            )
        )
    return dict(zip(nodes, leaves, strict=True))
