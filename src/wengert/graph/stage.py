"""Staging: runs a function once and writes down what it does as a Graph."""

import contextvars
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_numbers, check_result
from wengert.core.bind import (
    Interpreter,
    Tracer,
    bind,
    check_kind,
    dressed,
    fixed,
)
from wengert.core.errors import (
    ShapeMismatch,
    TracedValueError,
    WengertError,
    at_the_edge,
    explain,
    user_frame,
    user_line,
)
from wengert.core.memory import Snapshots, snapshot
from wengert.core.op import Op, op_named
from wengert.core.pending import Pending, computed
from wengert.core.types import Array, Shape, Type, type_of
from wengert.graph.calm import may_wait
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node, constant, part

# Elements of a constant that is kept as one number, if it is the same everywhere.
_LARGE = 4096

# Bytes of values that were asked for, and that a step may keep alive by waiting.
_HELD = 1 << 20

# The names of the `with wg.scope(...)` blocks that are open, joined by "/".
SCOPE: contextvars.ContextVar[str] = contextvars.ContextVar("scope", default="")


class Guard(NamedTuple):
    """A question that Python asked of a value while staging, and its answer."""

    node: Node
    asked: str
    answer: Any
    line: str


class Stage(Interpreter):
    """Writes nodes. A tracer's `mark` is its node, `value` what it is, or None."""

    __slots__ = ("constants", "guards", "snapshots", "waits")
    verb = "staged"
    stages = True

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[int, tuple[Array, Node]] = {}
        self.snapshots: Snapshots = {}
        self.guards: list[Guard] = []
        # Whether values may be computed when they are asked for. Not where an error
        # is to come of what they are.
        self.waits = {"raise", "call"}.isdisjoint(np.geterr().values())

    def input(self, type: Type, value: Array | None, name: str) -> Tracer:
        """A tracer for an argument."""
        return Tracer(self, value, Node(INPUT, (), {}, type, None, name))

    def lift(self, x: Array) -> Tracer:
        """A constant of the graph."""
        x = fixed(x)
        return Tracer(self, x, constant(x))

    def shape_of(self, x: Tracer) -> Shape:
        """The shape on the node; there may be no value."""
        shape: Shape = x.mark.type.shape
        return shape

    def dtype_of(self, x: Tracer) -> Any:
        """The dtype on the node; there may be no value."""
        return x.mark.type.dtype

    def concrete(self, x: Tracer, asked: str) -> Any:
        """The value, and its answer recorded as a guard; an error without values."""
        if x.value is None:
            raise TracedValueError(
                explain(
                    "A graph traced from shapes and dtypes alone has no values to "
                    f"answer {asked}().",
                    f"{asked}() of a traced value (in `if`, `while`, `range` …)",
                    "np.where or wg.cond for a branch, wg.while_loop for a loop; or "
                    "trace(..., values=True) to follow the examples' path.",
                )
            )
        value = super().concrete(x, asked)
        self.guards.append(Guard(x.mark, asked, value, user_line()))
        return value

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """Writes a node, and evaluates it where all values are known."""
        nodes: list[Node] = []
        values: list[Array] = []
        y: Any = None
        known, waits, held = True, self.waits, 0
        for a in args:
            if isinstance(a, Tracer) and a.interp is self:
                node, a = a.mark, a.value
                if a is None:
                    known = False
                elif isinstance(a, Pending):
                    held += a.held
                elif isinstance(a, np.ndarray) and node.op is not INPUT:
                    held += a.nbytes
            else:
                node = self._constant(a)
                a = _value(node)  # `a` may be written into later
            if isinstance(a, Tracer):
                waits = False
            nodes.append(node)
            values.append(a)
        try:
            type = op.type_of(*[n.type for n in nodes], **params)
        except WengertError as error:
            if "\n  At:" not in str(error):
                error.args = (f"{error}\n  At:   {user_line()}",)
            raise
        except Exception as error:
            raise dressed(error, op, args, params) from None
        if not op.multiple:
            check_kind(op, type.dtype)
        if known and waits and may_wait(op, type, params, values):
            y = Pending(op, values, params, type, held)
            if held > _HELD:
                computed(y)
        elif known:
            y = bind(op, *map(computed, values), **params)
        frame = user_frame(3)  # `bind`, an operator or a ufunc has called this
        place = (frame.f_code, frame.f_lasti) if frame else None
        node = Node(op, tuple(nodes), params, type, place, "", SCOPE.get())
        if not op.multiple:
            return Tracer(self, y, node)
        return tuple(
            Tracer(self, y and y[i], part(node, i, t)) for i, t in enumerate(type)
        )

    def _constant(self, x: Array) -> Node:
        """A node for a value that no argument leads to; the same while unchanged."""
        if isinstance(x, np.ndarray):
            if x.size > _LARGE and not any(x.strides):
                return _spread(x)
            x = snapshot(x, self.snapshots)
        found = self.constants.get(id(x))
        if found is not None and not _was_written(x, found[1]):
            return found[1]
        node = constant(x, copy=False)
        # Holding `x` keeps its id from being given to another object.
        self.constants[id(x)] = (x, node)
        return node


def _spread(x: np.ndarray[Any, Any]) -> Node:
    """One element in every place, as of a sum's gradient: a broadcast in the graph."""
    op = op_named("broadcast_to")
    assert op is not None
    one = constant(x[(0,) * x.ndim])
    return Node(op, (one,), {"shape": x.shape}, type_of(x), None, "", SCOPE.get())


def _value(node: Node) -> Any:
    """The value of what `_constant` gives."""
    if node.op is CONSTANT:
        return node.params["value"]
    return Pending(node.op, [_value(i) for i in node.inputs], node.params, node.type)


def _was_written(x: Array, node: Node) -> bool:
    """Whether a captured traced value isn't what the node has of it any more."""
    kept = node.params["value"]
    return isinstance(x, Tracer) and not (kept.value is x.value and kept.mark is x.mark)


def input_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """A name per leaf: the parameter's, with the path inside a container added."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for i, arg in enumerate(args):
        variadic = parameters and parameters[min(i, len(parameters) - 1)]
        if variadic and variadic.kind is variadic.VAR_POSITIONAL:
            base = f"{variadic.name}{i - len(parameters) + 1}"
        else:
            base = parameters[i].name if i < len(parameters) else f"x{i}"
        names.extend(base + path for path in tree.paths(arg))
    return names


def stage(
    f: Callable[..., Any],
    leaves: list[tuple[Type, Array | None]],
    rebuild: Callable[[list[Tracer]], Any],
    names: list[str],
    in_spec: Any = None,
) -> Graph:
    """The graph of `f` on inputs of these types, and values where they are given."""
    interp = Stage()
    inputs = [
        interp.input(t, v, name) for (t, v), name in zip(leaves, names, strict=True)
    ]
    nodes = tuple(t.mark for t in inputs)  # now: f may write into its arguments
    try:
        results, out_spec = tree.flatten(f(*rebuild(inputs)))
        outputs = tuple(
            r.mark
            if isinstance(r, Tracer) and r.interp is interp
            else constant(_plain(r))
            for r in results
        )
        guards = tuple(interp.guards)
    finally:
        interp.close()
    name = getattr(f, "__name__", "graph")
    name = name if name.isidentifier() else "graph"
    return Graph(nodes, outputs, in_spec, out_spec, name, guards)


def _plain(r: Any) -> Array:
    if isinstance(r, Tracer):
        return r
    expected = "A traced function returns arrays of numbers, or containers of them."
    return check_numbers(check_result(r), expected, "a result")


def trace(f: Callable[..., Any], *examples: Any, values: bool = False) -> Graph:
    """The graph of `f` for arguments of the examples' shapes and dtypes.

    Args:
        f: a function of arrays, or nested containers of arrays; also the `grad`, `jvp`,
            `vmap` … of one.
        examples: arrays, or `Type(shape, dtype)`, in the structure of the arguments.
        values: whether to follow the examples' values through `if` and `while`; what
            Python asked is then kept in `graph.guards`. Without, such a question
            raises.

    Returns:
        A Graph: print it, check it, call it on other arguments.

    Raises:
        TracedValueError: where Python asks a value that isn't there.
        ShapeMismatch: for shapes that don't fit an operation.

    >>> graph = trace(lambda x: x * x + 1.0, 3.0)
    >>> graph(4.0)
    np.float64(17.0)
    """
    with at_the_edge():
        if not callable(f):
            raise ShapeMismatch(f"trace takes a function first; {f!r:.60} came.")
        leaves, spec = tree.flatten(_shield_types(examples))
        typed = [_typed(x, values) for x in leaves]
        return stage(
            f,
            typed,
            lambda tracers: tree.unflatten(spec, tracers),
            input_names(f, _shield_types(examples)),
            spec,
        )


class _Leaf:
    """Keeps a Type, which is a tuple, from being taken apart as a container."""

    __slots__ = ("type",)

    def __init__(self, type: Type) -> None:
        self.type = type


def _shield_types(x: Any) -> Any:
    if isinstance(x, Type):
        return _Leaf(x)
    if type(x) in (list, tuple):
        return type(x)(_shield_types(item) for item in x)
    if type(x) is dict:
        return {key: _shield_types(item) for key, item in x.items()}
    return x


def _typed(x: Any, values: bool) -> tuple[Type, Array | None]:
    if isinstance(x, _Leaf):
        return x.type, None
    x = check_numbers(x, "trace takes arrays of numbers as examples.", "an example")
    return type_of(x), x if values else None
