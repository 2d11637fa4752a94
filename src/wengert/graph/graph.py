"""Node and Graph: an immutable, typed record of a computation."""

import bisect
import itertools
import operator
import os
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_numbers
from wengert.core.bind import Tracer, bind, fixed
from wengert.core.errors import ShapeMismatch, WengertError, explain, line_of
from wengert.core.op import LEAVES, Missing, Op, Zero
from wengert.core.types import Array, Type, type_of

_numbers = itertools.count()


def _never(*args: Any, **params: Any) -> Any:
    raise WengertError("Inputs and constants aren't evaluated; they have values.")


def _leaf(name: str) -> Op:
    missing = Missing("it is a leaf of a graph")
    return LEAVES.setdefault(name, Op(name, _never, _never, missing, _never))


INPUT = _leaf("input")
CONSTANT = _leaf("constant")
# One result of an op with several.
PART = Op(
    "part",
    evaluate=lambda whole, *, index: whole[index],
    type_of=lambda *types, index: types[index],
    derivative=Zero("handled by the interpreters"),
    batch=_never,
)
LEAVES["part"] = PART


class Node:
    """One step: `op` applied to the results of `inputs`.

    Attributes:
        number: grows from inputs to results; a topological order.
        op: what is computed; INPUT and CONSTANT for leaves.
        inputs: the nodes whose results are its arguments.
        params: its static parameters; a constant's `value`.
        type: shape and dtype of its result (a tuple of them for several results).
        source: where the user's code did this: (code object, instruction); the line's
            text, in a graph from another process; or None.
        name: the user's name for it, or "".
        scope: the names of the `with wg.scope(...)` blocks around it, joined by "/".
    """

    __slots__ = ("inputs", "name", "number", "op", "params", "scope", "source", "type")

    def __init__(
        self,
        op: Op,
        inputs: tuple["Node", ...],
        params: dict[str, Any],
        type: Any,
        source: tuple[Any, int] | str | None = None,
        name: str = "",
        scope: str = "",
    ) -> None:
        self.number = next(_numbers)
        self.op = op
        self.inputs = inputs
        self.params = params
        self.type = type
        self.source = source
        self.name = name
        self.scope = scope

    def with_inputs(self, inputs: tuple["Node", ...]) -> "Node":
        """The same step on other inputs: itself if they are its own."""
        if inputs == self.inputs:
            return self
        return Node(
            self.op, inputs, self.params, self.type, self.source, self.name, self.scope
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its result."""
        shape: tuple[int, ...] = self.type.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its result."""
        dtype: np.dtype[Any] = self.type.dtype
        return dtype

    @property
    def line(self) -> str:
        """The user's line, as `file.py:12: code`, or ""."""
        if isinstance(self.source, str):
            return self.source
        return line_of(*self.source) if self.source else ""

    def __repr__(self) -> str:
        return f"Node({self.name or self.op.name}: {self.type})"


def constant(value: Array, copy: bool = True) -> Node:
    """A node for a known value; an array is copied unless it is nobody else's."""
    if isinstance(value, Tracer):
        value = fixed(value)
    elif isinstance(value, np.ndarray):
        value = value.copy() if copy else value
        value.flags.writeable = False
    return Node(CONSTANT, (), {"value": value}, type_of(value))


def part(whole: Node, index: int, type: Type) -> Node:
    """One result of a node with several."""
    return Node(PART, (whole,), {"index": index}, type, whole.source, "", whole.scope)


class Graph:
    """A computation from inputs to outputs, both with their nested structure.

    Call it like the function it was made from: it evaluates with NumPy, or under
    whatever transform its arguments are traced by, without running that function.
    """

    __slots__ = ("guards", "in_spec", "inputs", "name", "nodes", "out_spec", "outputs")

    def __init__(
        self,
        inputs: tuple[Node, ...],
        outputs: tuple[Node, ...],
        in_spec: Any = None,
        out_spec: Any = None,
        name: str = "graph",
        guards: tuple[Any, ...] = (),
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.in_spec = in_spec
        self.out_spec = out_spec
        self.name = name
        self.guards = guards
        self.nodes = topological(outputs, inputs)

    if TYPE_CHECKING:  # what `transforms.extended` attaches
        grad: Any
        vjp: Any
        jvp: Any
        jacobian: Any
        hessian: Any
        optimize: Any  # by `passes.pipeline`

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Evaluates the graph on arguments by position, or on all inputs by name."""
        results = self.evaluate(arguments.in_order(self, args, named))
        if self.out_spec is None:
            return tuple(results)
        return tree.unflatten(self.out_spec, results)

    def evaluate(self, leaves: list[Array]) -> list[Array]:
        """The outputs' values, given the inputs'; each is freed after its last use."""
        if len(leaves) != len(self.inputs):
            raise ShapeMismatch(
                f"The graph `{self.name}` has {len(self.inputs)} inputs; "
                f"{len(leaves)} came."
            )
        values = {
            node.number: checked(node, x, self.name)
            for node, x in zip(self.inputs, leaves, strict=True)
        }
        return _evaluate(self.nodes, self.outputs, values)

    def run(self, fetch: Any, feed: Mapping[Any, Any] | None = None) -> Any:
        """The values of any nodes, given those of any others.

        Args:
            fetch: a node or its name, or a nested container of them.
            feed: values by node or name; an inner node that is fed isn't computed.

        Returns:
            Arrays in the structure of `fetch`. Only what they need is computed.

        Raises:
            ShapeMismatch: for an input that is needed and not fed, or a wrong shape.
        """
        leaves, spec = tree.flatten(fetch)
        feed = {} if feed is None else feed
        ends = self.lookup(leaves)
        fed = self._fed(feed)
        names = self.names() if any(n.op is not INPUT for n in fed) else {}
        values = {
            n.number: checked(n, v, self.name, names.get(n, "")) for n, v in fed.items()
        }
        needed = topological(ends, stop=set(fed))
        for n in needed:
            if n.op is INPUT and n not in fed:
                raise ShapeMismatch(
                    explain(
                        f"What is fetched needs input {n.name!r} of `{self.name}`.",
                        f"a feed of {', '.join(_shown(k) for k in feed) or 'nothing'}",
                        f"add {n.name!r} to the feed, or feed a node between.",
                    )
                )
        return tree.unflatten(spec, _evaluate(needed, ends, values))

    def _fed(self, feed: Mapping[Any, Any]) -> dict[Node, Any]:
        if not isinstance(feed, Mapping):
            raise ShapeMismatch(
                explain(
                    "The feed is a dict from nodes or names to values.",
                    f"{type(feed).__name__} {feed!r:.60}",
                    'write graph.run(fetch, {"x": value}).',
                )
            )
        nodes = self.lookup(feed)
        fed = dict(zip(nodes, feed.values(), strict=True))
        several = [n for n in fed if not isinstance(n.type, Type)]
        if len(fed) < len(nodes) or several:
            raise ShapeMismatch(
                explain(
                    "Each node with one result is fed once.",
                    f"{several[0]!r}" if several else "a node and its name",
                    "feed the parts." if several else "leave one out.",
                )
            )
        return fed

    def check(self) -> None:
        """Raises if an invariant is broken: order, types, inputs that aren't there."""
        seen: set[int] = set()
        inputs = set(self.inputs)
        for node in self.nodes:
            if node.op is INPUT and node not in inputs:
                raise WengertError(f"{node!r} isn't among the inputs of the graph.")
            for i in node.inputs:
                if i.number not in seen:
                    raise WengertError(
                        f"{node!r} uses {i!r}, which doesn't come before it."
                    )
            seen.add(node.number)
            expected = _expected_type(node)
            if expected != node.type:
                raise WengertError(f"{node!r} should have type {expected}.")

    def names(self) -> dict[Node, str]:
        """A name for each node: the user's for inputs, v0, v1 … for the rest."""
        taken = {n.name for n in self.inputs}
        named: dict[Node, str] = {n: n.name for n in self.inputs}
        count = itertools.count()
        for node in self.nodes:
            if node in named:
                continue
            if node.op is CONSTANT and not node.type.shape:
                named[node] = str(node.params["value"])  # written where it's used
                continue
            name = node.name
            while not name or name in taken:
                name = f"v{next(count)}"
            taken.add(name)
            named[node] = name
        return named

    def node(self, x: Any) -> Node:
        """The node that is `x`, or is named `x`."""
        return self.lookup([x])[0]

    def lookup(self, things: Iterable[Any]) -> tuple[Node, ...]:
        """The nodes that these nodes, expressions and names stand for."""
        found: list[Node] = []
        by_name: dict[str, Node] = {}
        for x in things:
            if isinstance(x, str):
                if not by_name:
                    by_name = {v: n for n, v in self.names().items() if not _number(n)}
                node = by_name.get(x)
            else:
                node = x.mark if isinstance(x, Tracer) else x
            if not isinstance(node, Node) or not self._has(node):
                raise ShapeMismatch(
                    explain(
                        f"A node of the graph `{self.name}`, or its name.",
                        _shown(x),
                        "print(graph) shows the names; graph.find(op=...) searches.",
                    )
                )
            found.append(node)
        return tuple(found)

    def _has(self, node: Node) -> bool:
        at = bisect.bisect_left(self.nodes, node.number, key=lambda n: n.number)
        return at < len(self.nodes) and self.nodes[at] is node

    # Reading and changing: in `read.py` and `edit.py`, which see all of Graph.

    def lines(self) -> dict[Node, str]:
        """Each operation as `name = op(arguments)`."""
        return text.lines(self)

    def users(self, node: Any = None) -> Any:
        """The nodes that use a node's result, in order; a dict of all without `node`.

        A graph's question and not a node's: graphs share nodes, and a node has other
        users in the graph of a derivative.
        """
        found = read.users(self)
        return found if node is None else found[self.node(node)]

    def find(self, op: str = "", name: str = "", scope: str = "") -> list[Node]:
        """The nodes with this op, this name, in this scope."""
        return read.find(self, op, name, scope)

    def counts(self) -> dict[str, int]:
        """How often each op occurs."""
        return read.counts(self)

    def cost(self) -> Any:
        """Estimated operations, flops and bytes of one evaluation."""
        return read.cost(self)

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        return read.to_dot(self)

    def to_networkx(self) -> Any:
        """The graph as a networkx.MultiDiGraph (needs networkx)."""
        return read.to_networkx(self)

    def replace(self, node: Any, by: Any) -> "Graph":
        """The graph with `by` (a node, an expression, a value) for `node`."""
        return edit.replace(self, self.node(node), by)

    def subgraph(self, outputs: Any, inputs: Any = None) -> "Graph":
        """The part that computes `outputs`, fed at `inputs`."""
        return edit.subgraph(self, outputs, inputs)

    def bind(self, **values: Any) -> "Graph":
        """The graph with the named inputs as constants."""
        return edit.freeze(self, values)

    def inline(self) -> "Graph":
        """The graph with calls of other graphs taken apart."""
        return edit.inline(self)

    def override(
        self, op: Any, *, vjp: Any = None, jvp: Any = None, scope: str = ""
    ) -> "Graph":
        """The graph with another derivative for a node, or for an op within a scope."""
        return edit.override(self, op, vjp=vjp, jvp=jvp, scope=scope)

    # Keeping and measuring: in `serialize.py`, `source.py` and `profile.py`.

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the graph to a file for `wg.load`: data only, checked, whole."""
        serialize.save(self, path)

    def to_python(self, name: str | None = None) -> str:
        """The graph as the source of a NumPy function that needs no wengert."""
        return source.to_python(self, name)

    def profile(self, *inputs: Any, repeat: int = 10) -> Any:
        """Time and bytes per node and per source line of an evaluation."""
        return profile.profile(self, inputs, repeat)

    def __eq__(self, other: object) -> bool:
        """Whether both compute the same in the same steps."""
        if not isinstance(other, Graph):
            return NotImplemented
        return self is other or read.structure(self) == read.structure(other)

    def __hash__(self) -> int:
        return hash(read.structure(self))

    def __copy__(self) -> "Graph":
        return self  # immutable

    def __deepcopy__(self, memo: dict[int, Any]) -> "Graph":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """As a flat list of rows, so that a long graph needs no recursion."""
        place = {n: i for i, n in enumerate(self.nodes)}
        rows = [
            (
                n.op, tuple(place[i] for i in n.inputs), n.params, n.type, n.line,
                n.name, n.scope,
            )
            for n in self.nodes
        ]  # fmt: skip
        ends = [place[n] for n in self.inputs], [place[n] for n in self.outputs]
        return _from_rows, (rows, *ends, self.in_spec, self.out_spec, self.name)

    def __repr__(self) -> str:
        ops = sum(self.counts().values())
        return f"<Graph {self.name}: {len(self.inputs)} inputs, {ops} operations>"

    def __str__(self) -> str:
        return text.render(self)


def _from_rows(
    rows: list[Any],
    inputs: list[int],
    outputs: list[int],
    in_spec: Any,
    out_spec: Any,
    name: str,
) -> Graph:
    nodes: list[Node] = []
    for op, at, *rest in rows:
        nodes.append(Node(op, tuple(nodes[i] for i in at), *rest))
    return Graph(
        tuple(nodes[i] for i in inputs), tuple(nodes[i] for i in outputs), in_spec,
        out_spec, name,
    )  # fmt: skip


def _evaluate(
    nodes: list[Node], outputs: tuple[Node, ...], values: dict[int, Any]
) -> list[Array]:
    """Runs `nodes` in order; `values` holds those that are given."""
    uses = Counter(i.number for n in nodes for i in n.inputs)
    uses.update(n.number for n in outputs)
    # A backward pass visits 1/0 and 0/0 on its way to a right result.
    with np.errstate(all="ignore"):
        for node in nodes:
            if node.number in values:
                continue
            if node.op is CONSTANT:
                values[node.number] = node.params["value"]
                continue
            if node.op is PART:
                whole = values[node.inputs[0].number]
                values[node.number] = whole[node.params["index"]]
            else:
                args = [values[i.number] for i in node.inputs]
                values[node.number] = bind(node.op, *args, **node.params)
            _release(values, uses, node.inputs)
    return [_out(values[n.number]) for n in outputs]


def topological(
    outputs: Iterable[Node],
    inputs: Iterable[Node] = (),
    stop: Container[Node] = (),
) -> list[Node]:
    """The outputs' ancestors and all inputs, every node after the nodes it uses.

    Nodes in `stop` are there, and their ancestors aren't on their account.
    """
    seen = set(outputs)
    pending = list(seen)
    while pending:
        node = pending.pop()
        if node not in stop:
            for i in node.inputs:
                if i not in seen:
                    seen.add(i)
                    pending.append(i)
    seen.update(inputs)
    return sorted(seen, key=_in_order)


_in_order = operator.attrgetter("number")


def checked(node: Node, x: Any, graph: str, name: str = "") -> Array:
    """`x` as the value of a node: its shape, and a dtype that is cast if it is safe."""
    name = name or node.name
    if isinstance(x, list | tuple):
        x = np.asarray(x)
    expected = f"Input {name!r} of the graph `{graph}` is an array."
    x = check_numbers(x, expected, "what came")
    if x.shape != node.shape:
        raise ShapeMismatch(
            f"Input {name!r} of the graph `{graph}` has shape "
            f"{node.shape}; an array of shape {x.shape} came. Trace the function again "
            "for other shapes."
        )
    if x.dtype != node.dtype:
        if not np.can_cast(x.dtype, node.dtype, "same_kind"):
            raise ShapeMismatch(
                f"Input {name!r} of the graph `{graph}` has dtype "
                f"{node.dtype}; {x.dtype} came. Trace the function again for it."
            )
        x = np.astype(x, node.dtype) if x.ndim else x.astype(node.dtype)
    return x


def _number(node: Node) -> bool:
    """Whether it is a plain number, whose text is no name."""
    return node.op is CONSTANT and not node.type.shape


def _shown(x: Any) -> str:
    return repr(x) if isinstance(x, str | Node) else f"{type(x).__name__} {x!r:.60}"


def _release(
    values: dict[int, Any], uses: Counter[int], inputs: Iterable[Node]
) -> None:
    for i in inputs:
        uses[i.number] -= 1
        if not uses[i.number]:
            del values[i.number]


def _out(x: Array) -> Array:
    # A constant or an input that is also an output must not be shared with the caller.
    return fixed(x)


def _expected_type(node: Node) -> Any:
    if node.op in (INPUT, CONSTANT):
        return node.type
    if node.op is PART:
        return node.inputs[0].type[node.params["index"]]
    return node.op.type_of(*(i.type for i in node.inputs), **node.params)


# At the end, because these modules are about Graph and import it.
from wengert.graph import (  # noqa: E402
    arguments,
    edit,
    profile,
    read,
    serialize,
    source,
    text,
)
