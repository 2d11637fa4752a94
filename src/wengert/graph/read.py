"""Reading a graph: users, search, cost, pictures, equality by structure."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.errors import WengertError, explain
from wengert.core.types import Type
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node


class Cost(NamedTuple):
    """An estimate: operations, floating-point operations, bytes read and written."""

    operations: int
    flops: int
    bytes: int


def users(graph: Graph) -> dict[Node, list[Node]]:
    """For each node the nodes that use its result, in order."""
    found: dict[Node, list[Node]] = {n: [] for n in graph.nodes}
    for node in graph.nodes:
        inputs = node.inputs
        for i in inputs if len(inputs) < 2 else dict.fromkeys(inputs):
            found[i].append(node)
    return found


def find(graph: Graph, op: str = "", name: str = "", scope: str = "") -> list[Node]:
    """The nodes with this op, this name, in this scope (or one inside it).

    The name is the one that print(graph) shows. Nothing found is an empty list.
    """
    names = graph.names() if name else {}
    return [
        n
        for n in graph.nodes
        if (not op or n.op.name == op)
        and (not name or names[n] == name)
        and (not scope or f"{n.scope}/".startswith(f"{scope}/"))
    ]


def counts(graph: Graph) -> dict[str, int]:
    """How often each op occurs; inputs and constants apart."""
    leaves = (INPUT, CONSTANT, PART)
    return dict(Counter(n.op.name for n in graph.nodes if n.op not in leaves))


def cost(graph: Graph) -> Cost:
    """Estimated cost of one evaluation, node by node."""
    operations = flops = moved = 0
    for n in graph.nodes:
        if n.op in (INPUT, CONSTANT, PART):
            continue
        inner = [cost(g) for g in graphs_in(n)]
        operations += 1 + sum(c.operations for c in inner)
        flops += sum(c.flops for c in inner) if inner else _flops(n)
        moved += sum(map(_bytes, (n.type, *(i.type for i in n.inputs))))
    return Cost(operations, flops, moved)


def graphs_in(node: Node) -> list[Graph]:
    """The graphs that an operation runs (`checkpoint`): those among its parameters."""
    if node.op.kind != "call":
        return []
    values = list(node.params.values())
    values += [v for x in values if isinstance(x, tuple) for v in x]
    return [v for v in values if isinstance(v, Graph)]


def _types(type: Any) -> tuple[Type, ...]:
    return (type,) if isinstance(type, Type) else tuple(type)


def _bytes(type: Any) -> int:
    return sum(t.size * t.dtype.itemsize for t in _types(type))


def _flops(node: Node) -> int:
    size = sum(t.size for t in _types(node.type))
    if node.op.name == "matmul":
        return 2 * size * node.inputs[0].shape[-1]
    if node.op.name == "einsum":
        largest = max((i.type.size for i in node.inputs), default=1)
        return 2 * max(size, largest) * len(node.inputs)
    if node.op.view:
        return 0
    arguments = sum(t.size for i in node.inputs for t in _types(i.type))
    return max(size, arguments if node.op.name in ("sum", "max", "min", "prod") else 0)


def to_dot(graph: Graph) -> str:
    """The graph in Graphviz's language; labels are always quoted and escaped."""
    names = graph.names()
    lines = [f"digraph {_quoted(graph.name)} {{", "  rankdir=LR;"]
    for node in graph.nodes:
        shape = "ellipse" if node.op is INPUT else "box"
        label = names[node]
        if node.op is CONSTANT:
            label, shape = _shown(node.params["value"]), "plaintext"
        elif node.op is not INPUT:
            label = f"{label} = {node.op.name}"
        text = _quoted(f"{label}\n{_type_text(node)}")
        lines.append(f"  n{node.number} [label={text}, shape={shape}];")
        lines += [f"  n{i.number} -> n{node.number};" for i in node.inputs]
    for k, node in enumerate(graph.outputs):
        lines.append(f"  out{k} [label={_quoted(f'output {k}')}, shape=plaintext];")
        lines.append(f"  n{node.number} -> out{k};")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    """Never HTML: a quoted label is text. Control characters have no escape in DOT."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    escaped = "".join(c if c.isprintable() else "\ufffd" for c in escaped)
    return f'"{escaped}"'


def _shown(value: Any) -> str:
    if isinstance(value, Tracer):
        return repr(value)
    return str(value) if np.ndim(value) == 0 else f"array {np.shape(value)}"


def _type_text(node: Node) -> str:
    return ", ".join(map(str, _types(node.type)))


def to_networkx(graph: Graph) -> Any:
    """A networkx.MultiDiGraph of the nodes, with op, name and type as attributes."""
    try:
        import networkx
    except ImportError:
        raise WengertError(
            explain(
                "to_networkx needs the package networkx.",
                "it isn't installed",
                "pip install networkx; graph.to_dot() needs nothing.",
            )
        ) from None
    names = graph.names()
    result = networkx.MultiDiGraph(name=graph.name)
    for n in graph.nodes:
        result.add_node(
            n.number, op=n.op.name, name=names[n], type=_type_text(n), scope=n.scope
        )
        for position, i in enumerate(n.inputs):
            result.add_edge(i.number, n.number, position=position)
    return result


def structure(graph: Graph) -> tuple[Any, ...]:
    """What two graphs share exactly if they compute the same in the same steps.

    Node numbers don't matter, nor the order in which independent steps were written,
    nor names, scopes and lines inside; the inputs' names do, as calls use them.
    """
    place: dict[Node, int] = {n: i for i, n in enumerate(graph.inputs)}
    rows: list[Any] = [(n.name, n.type) for n in graph.inputs]
    for output in graph.outputs:
        pending = [output]
        while pending:
            node = pending[-1]
            if node in place:
                pending.pop()
                continue
            waiting = [i for i in reversed(node.inputs) if i not in place]
            if waiting:
                pending.extend(waiting)
                continue
            pending.pop()
            inputs = tuple(place[i] for i in node.inputs)
            # The op itself and not its name: an overridden derivative makes another.
            row = (node.op, inputs, frozen(node.params), node.type)
            place[node] = len(place)
            rows.append(row)
    spec = (str(graph.in_spec), str(graph.out_spec))
    return (tuple(rows), tuple(place[n] for n in graph.outputs), spec)


def frozen(x: Any) -> Any:
    """A static parameter as something that can be compared and hashed."""
    if type(x) in _PLAIN:
        return x
    if type(x) is tuple and all(type(v) in _PLAIN for v in x):  # a shape, axes
        return ("tuple", *x)
    if isinstance(x, dict):
        return tuple((k, frozen(v)) for k, v in sorted(x.items()))
    if isinstance(x, list | tuple):
        return (type(x).__name__, *(frozen(v) for v in x))
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, np.ndarray):
        return ("array", str(x.dtype), x.shape, x.tobytes())
    if isinstance(x, Graph):
        return ("graph", structure(x))
    if isinstance(x, Tracer):
        return ("tracer", id(x))
    if isinstance(x, float | complex | np.generic):
        # By bytes: nan equals itself, and -0.0 isn't 0.0.
        return (type(x).__name__, np.asarray(x).tobytes())
    return x


_PLAIN = frozenset([int, bool, str, type(None)])
