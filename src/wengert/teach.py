"""Reverse-mode automatic differentiation in one file, in the order of a lecture.

Nothing here uses the rest of the package, and nothing in the package uses this: it is
the whole idea, to be read from top to bottom in one sitting. `wengert` itself does the
same with more operations and with forward mode, and looks after what is left out here:
kinks, zero times infinity, dtypes, memory.

>>> grad(lambda w, x, y: (w * x - y) ** 2 + w ** 2)(1.0, 2.0, 3.0)
array(-2.)
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

# 1. VALUES THAT REMEMBER. Each result of an operation becomes a node of a graph: which
# operation, of which inputs, with which value. Nodes are numbered as they are made, and
# inputs are there before what is made of them, so the numbers are a topological order.
# Written down in that order, the nodes are the Wengert list of the program.

_NUMBERS = count()


class Node(np.lib.mixins.NDArrayOperatorsMixin):
    """An array, and how it was made. NumPy code takes it for an array."""

    def __init__(self, value: Any, op: str, *inputs: "Node", **params: Any):
        self.value = np.array(value, dtype=float)
        self.op, self.inputs, self.params = op, inputs, params
        self.number = next(_NUMBERS)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.op!r})"

    # 2. OPERATIONS RECORD. NumPy asks this method to do `np.exp(node)` and, through the
    # mixin above, `node + 1` and the like. A comparison has no derivative: it gives
    # plain truth values, so that Python's `if` and `while` work.

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kw: Any) -> Any:
        inputs = [as_node(a) for a in args]
        if ufunc.__name__ in COMPARISONS and method == "__call__" and not kw:
            return ufunc(*(node.value for node in inputs))
        if ufunc.__name__ not in VJPS or method != "__call__" or kw:
            raise TypeError(
                f"expected an operation of {', '.join(VJPS)}; came np.{ufunc.__name__};"
                " write its VJP into wengert.teach.VJPS, or use the whole of wengert"
            )
        if ufunc is np.matmul:
            return matmul(*inputs)
        shape = np.broadcast_shapes(*(node.shape for node in inputs))
        return apply(ufunc.__name__, *(broadcast(node, shape) for node in inputs))

    def sum(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: Any = False,
    ) -> "Node":
        axes = range(len(self.shape)) if axis is None else [axis % len(self.shape)]
        kept = tuple(1 if i in axes else n for i, n in enumerate(self.shape))
        left = tuple(n for i, n in enumerate(self.shape) if i not in axes)
        total = apply("sum_to", self, shape=kept)
        return total if keepdims else apply("reshape", total, shape=left)

    def mean(self, *args: Any, **kw: Any) -> Any:
        total = self.sum(*args, **kw)
        return total * (total.value.size / self.value.size)


def as_node(x: Any) -> Node:
    """Plain numbers and arrays become constants of the graph."""
    return x if isinstance(x, Node) else Node(x, "constant")


def apply(op: str, *inputs: Node, **params: Any) -> Node:
    """Computes one operation, and records it; of constants alone, as a constant."""
    value = evaluate(op, [x.value for x in inputs], params)
    if all(x.op == "constant" for x in inputs):
        return Node(value, "constant")
    return Node(value, op, *inputs, **params)


def evaluate(op: str, values: list[Any], params: dict[str, Any]) -> Any:
    """The value of one operation: a function of this file, or NumPy's of that name."""
    function = OURS[op] if op in OURS else getattr(np, op)
    return function(*values, **params)


# 3. FORWARD PASS. The ancestors of a node, in topological order; and the same program
# once more, on other inputs, by walking that list. Nothing is derived or recorded anew.


def wengert_list(y: Node) -> list[Node]:
    """`y` and all that it is made of, each after its inputs."""
    found, waiting = {}, [y]
    while waiting:
        node = waiting.pop()
        if node.number not in found:
            found[node.number] = node
            waiting += node.inputs
    return [found[number] for number in sorted(found)]


def forward(y: Node, given: list[tuple[Node, Any]]) -> Any:
    """The value of `y` with other values for the given nodes."""
    values = {node.number: np.asarray(value, dtype=float) for node, value in given}
    for node in wengert_list(y):
        if node.number not in values and node.inputs:
            args = [values[x.number] for x in node.inputs]
            values[node.number] = evaluate(node.op, args, node.params)
        values.setdefault(node.number, node.value)
    return values[y.number]


# 4. BACKWARD PASS. The adjoint of v is v̄ = ∂y/∂v. It starts as ȳ = 1 and goes through
# the list in reverse: every node hands each of its inputs a share, by the chain rule,
# and an input that is used several times sums what arrives over its several paths.


def backward(y: Node, ybar: Any = 1.0) -> dict[int, Node]:
    """The adjoints of the ancestors of `y`, by number. They are nodes themselves."""
    bar = {y.number: broadcast(as_node(ybar), y.shape)}
    for node in reversed(wengert_list(y)):
        for x, vjp in zip(node.inputs, VJPS.get(node.op, ()), strict=True):
            if x.op != "constant" and node.number in bar:
                share = vjp(node, bar[node.number], *node.inputs)
                bar[x.number] = bar[x.number] + share if x.number in bar else share
    return bar


# 5. VJPs. What a node hands back to an input x is ȳ·∂y/∂x, a vector-Jacobian product,
# and it is all that must be known of an operation: a function (y, ȳ, x₁, x₂ …) ↦ x̄ᵢ for
# each input. They are written with the operations above, so the backward pass is
# recorded as well: it extends the graph, can run on other inputs, and has derivatives.

Vjp = Callable[..., Node]
VJPS: dict[str, tuple[Vjp, ...]] = {
    "add": (lambda y, ybar, a, b: ybar, lambda y, ybar, a, b: ybar),
    "subtract": (lambda y, ybar, a, b: ybar, lambda y, ybar, a, b: -ybar),
    "multiply": (lambda y, ybar, a, b: ybar * b, lambda y, ybar, a, b: ybar * a),
    "divide": (lambda y, ybar, a, b: ybar / b, lambda y, ybar, a, b: -ybar * a / b**2),
    "power": (lambda y, ybar, a, n: ybar * n * a ** (n - 1.0),
              lambda y, ybar, a, n: ybar * y * np.log(a)),
    "negative": (lambda y, ybar, x: -ybar,),
    "exp": (lambda y, ybar, x: ybar * y,),
    "log": (lambda y, ybar, x: ybar / x,),
    "sin": (lambda y, ybar, x: ybar * np.cos(x),),
    "cos": (lambda y, ybar, x: -ybar * np.sin(x),),
    "tanh": (lambda y, ybar, x: ybar * (1.0 - y * y),),
    "same": (lambda y, ybar, x: ybar,),
    # Arrays. A number that is used in many places (broadcast) is summed over them, and
    # a sum hands the same adjoint to all its terms: each is the other's VJP.
    "broadcast_to": (lambda y, ybar, x: apply("sum_to", ybar, shape=x.shape),),
    "sum_to": (lambda y, ybar, x: broadcast(ybar, x.shape),),
    "reshape": (lambda y, ybar, x: apply("reshape", ybar, shape=x.shape),),
    "transpose": (lambda y, ybar, x: apply("transpose", ybar),),
    "matmul": (lambda y, ybar, A, B: apply("matmul", ybar, apply("transpose", B)),
               lambda y, ybar, A, B: apply("matmul", apply("transpose", A), ybar)),
}  # fmt: skip
COMPARISONS = "greater greater_equal less less_equal equal not_equal".split()


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` summed over the axes along which `shape` was broadcast."""
    new = x.ndim - len(shape)
    wide = (new + i for i, n in enumerate(shape) if n == 1)
    return x.sum((*range(new), *wide), keepdims=True).reshape(shape)


OURS: dict[str, Callable[..., Any]] = {"same": np.copy, "sum_to": sum_to}


def broadcast(x: Node, shape: tuple[int, ...]) -> Node:
    """`x` repeated to a shape, as an operation of its own."""
    return x if x.shape == shape else apply("broadcast_to", x, shape=shape)


def matmul(A: Node, B: Node) -> Node:
    """A matrix product; a vector is a row or a column: β̄ = Aᵀȳ, Ā = ȳ⊗β = ȳβᵀ."""
    shape = A.shape[:-1] + B.shape[1:]
    if A.value.ndim == 1:
        A = apply("reshape", A, shape=(1, *A.shape))
    if B.value.ndim == 1:
        B = apply("reshape", B, shape=(*B.shape, 1))
    return apply("reshape", apply("matmul", A, B), shape=shape)


# 6. THE GRADIENT. Run the program once and record it, then walk back.


def grad(f: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """The function that gives the gradient of `f` by one or several of its arguments.

    >>> grad(grad(lambda x: x ** 3))(2.0)
    array(12.)
    """
    chosen = (argnums,) if isinstance(argnums, int) else argnums

    def gradient(*args: Any) -> Any:
        mine = {i: fresh(args[i]) for i in chosen}
        y = as_node(f(*(mine.get(i, a) for i, a in enumerate(args))))
        if y.shape:
            raise TypeError(f"expected f to give one number; came the shape {y.shape}")
        bar = backward(y)
        own = {x.number for x in mine.values()}
        found = [plain(bar.get(x.number, 0.0 * x), own) for x in mine.values()]
        return found[0] if isinstance(argnums, int) else tuple(found)

    return gradient


def fresh(x: Any) -> Node:
    """A new input. Of another gradient's node it is a copy, to tell this use apart."""
    return apply("same", x) if isinstance(x, Node) else Node(x, "input")


def plain(result: Node, own: set[int]) -> Any:
    """The array, or the node itself if another gradient that is under way needs it."""
    inputs = {n.number for n in wengert_list(result) if n.op == "input"}
    return result if inputs - own else result.value


# 7. A GRADIENT CHECK, by nudging each element of an argument up and down a little.


def check(f: Callable[..., Any], *args: Any, step: float = 1e-5) -> float:
    """The largest difference to central finite differences, by the first argument.

    >>> check(lambda x: np.sum(np.sin(x) * x), np.array([0.5, 1.0])) < 1e-9
    True
    """
    x, exact = np.array(args[0], dtype=float), grad(f)(*args)
    numeric = np.empty_like(x)
    for i in np.ndindex(x.shape):
        nudge = np.zeros_like(x)
        nudge[i] = step
        up, down = f(x + nudge, *args[1:]), f(x - nudge, *args[1:])
        numeric[i] = (up - down) / (2.0 * step)
    return float(np.max(np.abs(exact - numeric), initial=0.0))


# 8. TRAINING. A network of three layers (two inputs, ten hidden units, one output), its
# loss, and steps against the gradient.


def score(points: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """A number for each point (a row of two), above zero for one class."""
    return np.tanh(points @ W1 + b1) @ W2 + b2


def loss(points: Any, signs: Any, *params: Any) -> Any:
    """The mean of log(1 + exp(−sign·score)), small where the score has its sign."""
    return np.mean(np.log(1.0 + np.exp(-signs * score(points, *params))))


def train(points: Any, signs: Any, steps: int, rate: float = 0.5, seed: int = 0) -> Any:
    """Plain gradient descent: the parameters, and the loss before each step."""
    rng = np.random.default_rng(seed)
    params: Any = [rng.normal(size=(2, 10)), np.zeros(10), rng.normal(size=10), 0.0]
    losses = []
    for _ in range(steps):
        losses.append(float(loss(points, signs, *params)))
        slopes = grad(loss, argnums=(2, 3, 4, 5))(points, signs, *params)
        params = [p - rate * slope for p, slope in zip(params, slopes, strict=True)]
    return params, losses
