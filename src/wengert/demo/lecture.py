"""Both passes over the graph of L(w, x, y) = (w·x − y)² + w², step by step.

The nodes and their order are those of `wg.trace`, and each number comes from the op's
own derivative rule; only how a formula is written in letters stands here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import wengert as wg
from wengert.core.bind import bind
from wengert.graph.graph import CONSTANT, Graph, Node

# An op, and its partial derivatives, as they are written: y is the result's name.
FORMULAS: dict[str, Callable[..., str]] = {
    "add": lambda a, b: f"{a} + {b}",
    "subtract": lambda a, b: f"{a} − {b}",
    "multiply": lambda a, b: f"{a}·{b}",
    "divide": lambda a, b: f"{a}/{b}",
    "power": lambda a, n: f"{a}²" if n == "2" else f"{a}^{n}",
    "square": lambda a: f"{a}²",
    "negative": lambda a: f"−{a}",
}
PARTIALS: dict[str, Callable[..., tuple[str, ...]]] = {
    "add": lambda y, a, b: ("1", "1"),
    "subtract": lambda y, a, b: ("1", "-1"),
    "multiply": lambda y, a, b: (b, a),
    "divide": lambda y, a, b: (f"1/{b}", f"-{y}/{b}"),
    "power": lambda y, a, n: (
        f"2*{a}" if n == "2" else f"{n}*{a}**({n} - 1)",
        f"{y}*log({a})",
    ),
    "square": lambda y, a: (f"2*{a}",),
    "negative": lambda y, a: ("-1",),
    "reciprocal": lambda y, a: (f"-{y}**2",),
    "exp": lambda y, a: (y,),
    "log": lambda y, a: (f"1/{a}",),
    "sin": lambda y, a: (f"cos({a})",),
    "cos": lambda y, a: (f"-sin({a})",),
    "sqrt": lambda y, a: (f"1/(2*{y})",),
    "tanh": lambda y, a: (f"(1 - {y}**2)",),
}


@dataclass(frozen=True)
class Passes:
    """Both passes of one run: as lines of text, and as numbers by the node's name."""

    forward: list[str]
    backward: list[str]
    values: dict[str, float]
    grads: dict[str, float]


def loss(w: Any, x: Any, y: Any) -> Any:
    """The lecture's example."""
    return (w * x - y) ** 2 + w**2


def number(value: float) -> str:
    """A number in as few characters as show it, with a true minus sign."""
    return format(value, ".6g").replace("-", "−")


def factor(value: float) -> str:
    """The same, in brackets where it stands behind an operator."""
    return f"({number(value)})" if math.copysign(1.0, value) < 0 else number(value)


def aligned(rows: list[tuple[str, str]], between: str) -> list[str]:
    """Each row's two halves in one line, the second halves under each other."""
    width = max(len(left) for left, _ in rows)
    return [f"{left:<{width}}{between}{right}".rstrip() for left, right in rows]


def partial(node: Node, args: list[float], i: int) -> float:
    """∂(result)/∂(argument i) of one step, by the rule in its op."""

    def alone(a: Any) -> Any:
        return bind(node.op, *args[:i], a, *args[i + 1 :], **node.params)

    return float(wg.grad(alone)(args[i]))


def written_partials(node: Node, y: str, letters: list[str]) -> tuple[str, ...]:
    """The same in letters, `∂y/∂a` where no formula is known."""
    if node.op.name in PARTIALS:
        return PARTIALS[node.op.name](y, *letters)
    return tuple(f"∂{y}/∂{a}" for a in letters)


def written(node: Node, letters: list[str]) -> str:
    """An application of an op, as a formula where one is known."""
    if node.op.name in FORMULAS:
        return FORMULAS[node.op.name](*letters)
    return f"{node.op.name}({', '.join(letters)})"


def passes(graph: Graph, *inputs: float) -> Passes:
    """Both passes over a graph of scalars, and what they say.

    Args:
        graph: a graph with one output, every node of which is a scalar.
        inputs: a value for each of its inputs.

    Returns:
        The passes. Interior nodes are named l0, l1 … in topological order.

    >>> passes(wg.trace(loss, 1.0, 2.0, 3.0), 1.0, 2.0, 3.0).grads["w"]
    -2.0
    """
    steps = [node for node in graph.nodes if node.inputs]
    names = {node: node.name for node in graph.inputs}
    names |= {node: f"l{i}" for i, node in enumerate(steps)}
    value = dict(zip(graph.inputs, map(float, inputs), strict=True))
    for node in graph.nodes:
        if node.op is CONSTANT:
            value[node] = float(node.params["value"])
            names[node] = number(value[node])

    forward = _forward(steps, names, value)
    given = [(names[n], number(value[n])) for n in graph.inputs]
    backward, grad = _backward(graph, steps, names, value)
    seen = [*graph.inputs, *steps]
    return Passes(
        aligned(given + forward, " = "),
        aligned(backward, "   "),
        {names[n]: value[n] for n in seen},
        {names[n]: grad.get(n, 0.0) for n in seen},
    )


def _forward(
    steps: list[Node], names: dict[Node, str], value: dict[Node, float]
) -> list[tuple[str, str]]:
    said = []
    for node in steps:
        args = [value[i] for i in node.inputs]
        value[node] = float(bind(node.op, *args, **node.params))
        letters = written(node, [names[i] for i in node.inputs])
        numbers = written(node, [factor(a) for a in args])
        said.append((names[node], f"{letters} = {numbers} = {number(value[node])}"))
    return said


def _backward(
    graph: Graph, steps: list[Node], names: dict[Node, str], value: dict[Node, float]
) -> tuple[list[tuple[str, str]], dict[Node, float]]:
    (output,) = graph.outputs
    grad = {output: 1.0}
    said = [(f"{names[output]}.grad = 1", "")]
    for node in reversed(steps):
        if node not in grad:
            continue
        args = [value[i] for i in node.inputs]
        letters = written_partials(node, names[node], [names[i] for i in node.inputs])
        for i, source in enumerate(node.inputs):
            if source.op is CONSTANT:
                continue
            before, slope = grad.get(source, 0.0), partial(node, args, i)
            grad[source] = before + grad[node] * slope
            said.append(
                (
                    f"{names[source]}.grad += {names[node]}.grad * {letters[i]}",
                    f"# {number(before)} + {factor(grad[node])}·{factor(slope)}"
                    f" = {number(grad[source])}",
                )
            )
    return said, grad


def show(w: float = 1.0, x: float = 2.0, y: float = 3.0) -> Passes:
    """Prints both passes at (w, x, y), and what `wg.grad` says of the same point."""
    done = passes(wg.trace(loss, w, x, y), w, x, y)
    print(f"L(w, x, y) = (w·x − y)² + w² at ({number(w)}, {number(x)}, {number(y)})")
    print("\nForward pass, in topological order:")
    print(*(f"  {line}" for line in done.forward), sep="\n")
    print("\nBackward pass, in reverse topological order:")
    print(*(f"  {line}" for line in done.backward), sep="\n")
    grads = wg.grad(loss, argnums=(0, 1, 2))(w, x, y)
    print(f"\nwg.grad says ({', '.join(number(float(g)) for g in grads)}).")
    return done
