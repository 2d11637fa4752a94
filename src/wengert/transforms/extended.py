"""The extended graph: adjoints as nodes beside the nodes that they belong to.

The backward pass is the one of the tape (`backward.py`). Here its nodes come from a
graph instead of a run, and its arithmetic is done on symbols, so it writes the adjoint
computation as further nodes that share the forward ones.

Source: the computational graph extension of reverse mode, as in T. Chen and Z. Kolter,
Deep Learning Systems (CMU), lecture on automatic differentiation.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import DerivativeError, ShapeMismatch, TypeMismatch, explain
from wengert.core.op import Missing, Op, Rules, Zero
from wengert.core.types import Array, Type
from wengert.graph.graph import CONSTANT, PART, Node, constant, part, topological
from wengert.graph.symbols import as_symbol, node_of
from wengert.transforms import tape
from wengert.transforms.backward import backward, unbounded, zeros_ct


def gradients(
    z: Any,
    wrt: Any,
    known_cotangents: Any = None,
    stop_at: Any = (),
    unconnected: str = "zeros",
) -> Any:
    """Symbolic gradients of an expression with respect to symbols or inner expressions.

    Args:
        z: an expression; or a container of them, with `known_cotangents` for each.
        wrt: a symbol or expression, or a nested container of them. The adjoint of an
            expression is that of its value, whichever way it is used; the gradients by
            its own inputs are in full all the same.
        known_cotangents: the cotangent of `z`, in its structure; by default 1, which
            needs a real scalar `z`.
        stop_at: expressions that count as constants: one, or a container of them.
        unconnected: "zeros" or "error" for a `wrt` that `z` doesn't depend on.

    Returns:
        Expressions in the structure of `wrt`. Call `gradients` on them for higher
        orders.

    Raises:
        DerivativeError: if `z` isn't a scalar and has no cotangent; for an operation
            without a derivative; for an unconnected `wrt` if that is an error.
        ShapeMismatch: for a cotangent of another shape than its expression.
        TypeMismatch: for a `wrt` of integers, or that isn't made of symbols.

    >>> from wengert.graph.symbols import function, symbol
    >>> x = symbol("x")
    >>> function([x], gradients(x ** 3, x))(2.0)
    np.float64(12.0)
    """
    if unconnected not in ("zeros", "error"):
        raise ShapeMismatch(
            explain(
                "unconnected is 'zeros' or 'error'.", repr(unconnected), "pick one."
            )
        )
    ends = [node_of(x, "z") for x in tree.flatten(z)[0]]
    leaves, spec = tree.flatten(wrt)
    wanted = [_differentiable(x) for x in leaves]
    cts = _cotangents(z, ends, known_cotangents)
    stops = {node_of(x, "stop_at") for x in tree.flatten(stop_at)[0]}
    found = adjoints_of(ends, cts, wanted, stops)
    return tree.unflatten(
        spec,
        [as_result(n, a, unconnected) for n, a in zip(wanted, found, strict=True)],
    )


def _differentiable(x: Any) -> Node:
    node = node_of(x, "wrt")
    if node.op is CONSTANT or not _is_inexact(node.type):
        raise TypeMismatch(
            explain(
                "Derivatives are by symbols and expressions of float or complex dtype.",
                f"the constant {x!r:.40}"
                if node.op is CONSTANT
                else f"{_called(node)}, {node.type}",
                "leave it out of wrt, or make it a float: symbol('x', dtype=float).",
            )
        )
    return node


def _called(node: Node) -> str:
    if node.name:
        return repr(node.name)
    line = f" ({node.line})" if node.line else ""
    return f"the result of `{node.op.name}`{line}"


def _cotangents(z: Any, ends: list[Node], given: Any) -> list[Array]:
    if given is None:
        if len(ends) != 1 or ends[0].shape or ends[0].dtype.kind != "f":
            came = ", ".join(str(n.type) for n in ends)
            raise DerivativeError(
                explain(
                    "gradients needs one real number to differentiate.",
                    came,
                    "reduce it (np.sum), or pass known_cotangents in its shape.",
                )
            )
        return [_seed(ends[0].dtype.type(1))]
    cts = tree.flatten_like(tree.flatten(z)[1], given, "known_cotangents")
    for n, ct in zip(ends, cts, strict=True):
        node = node_of(ct, "A cotangent")
        if node.shape != n.shape:
            raise ShapeMismatch(
                explain(
                    f"A cotangent has its expression's shape {n.shape}.",
                    f"shape {node.shape}",
                    "broadcast it by hand, if that is meant.",
                )
            )
        if node.dtype.kind == "c" and n.dtype.kind != "c":
            raise TypeMismatch(
                explain(
                    f"A cotangent of a real expression, {n.type}, is real.",
                    f"{node.type}",
                    "take its real part.",
                )
            )
    return [_seed(ct) for ct in cts]


def _seed(ct: Any) -> Array:
    """A cotangent as a symbol, so that what is made of it are steps of the graph.

    The ones of a sum over a large array are a number that is broadcast when it runs,
    and not an array in the graph.
    """
    return as_symbol(node_of(ct))


def adjoints_of(
    ends: list[Node], cts: list[Array], wanted: list[Node], stops: Collection[Node] = ()
) -> list[Array | None]:
    """The adjoint of each wanted node as a symbol; None if nothing arrives there.

    That of a named node, wanted or not, gets a name too.
    """
    first = constant(0.0).number  # what the pass makes has higher numbers
    taps: dict[Node, list[Array]] = {n: [] for n in wanted}
    records = _records(ends, taps, stops)
    seeds = [(records[n], ct) for n, ct in zip(ends, cts, strict=True) if n in records]
    leaves = [n for n in wanted if n in records and records[n][3] is None]
    with np.errstate(all="ignore"):
        found = backward(seeds, [records[n] for n in leaves], unbounded(seeds))
    adjoints: dict[Node, Any] = dict(zip(leaves, found, strict=True))
    adjoints |= {n: arrived[0] for n, arrived in taps.items() if arrived}
    for n, adjoint in adjoints.items():
        _name(adjoint, n, first)
    return [adjoints.get(n) for n in wanted]


def _name(adjoint: Array | None, of: Node, first: int) -> None:
    """Calls the adjoint of `v2` `v2_bar`, if it is a step that this pass made."""
    if of.name and isinstance(adjoint, Tracer):
        node: Node = adjoint.mark
        if node.number > first and not node.name and node.inputs:
            node.name = f"{of.name}_bar"


def _records(
    ends: list[Node], taps: dict[Node, list[Array]], stops: Collection[Node]
) -> dict[Node, tape.Node]:
    """Tape nodes for the graph nodes between the wanted ones and `ends`."""
    records: dict[Node, tape.Node] = {}
    get = records.get
    for node in topological(ends):
        record = None
        if node not in stops:
            parents = [get(i) for i in node.inputs]
            for parent in parents:
                if parent is not None:
                    record = _record(node, parents)
                    break
        if node in taps and _is_inexact(node.type):
            record = _leaf(node) if record is None else _tap(record, taps[node])
        elif node.name and record is not None and not node.op.multiple:
            record = _tap(record, taps.setdefault(node, []))  # to name its adjoint
        if record is not None:
            records[node] = record
    return records


def _tap(record: tape.Node, arrived: list[Array]) -> tape.Node:
    """A node between an expression and its users: what passes is its adjoint.

    The expression's own inputs get theirs through it.
    """

    number, shape, dtype = record[:3]
    # Numbers give the order: after the expression, and before all that use it.
    between: Any = number + 0.5
    parts = ((record,), None, [None], {"arrived": arrived})
    return (between, shape, dtype, _TAP, *parts)


def _note(ct: Array, _y: Any, _x: Any, *, arrived: list[Array]) -> tuple[Array]:
    arrived.append(ct)
    return (ct,)


def _never(*args: Any, **params: Any) -> Any:
    raise DerivativeError("A tap is for the backward pass only.")


_TAP = Op("adjoint", _never, _never, Rules(jvp=_never, vjp=_note), _never)


def _is_inexact(type: Any) -> bool:
    return isinstance(type, Type) and type.dtype.kind in "fc"


def _leaf(node: Node) -> tape.Node:
    return (node.number, node.shape, node.dtype, None, (), None, None, None)


def _record(node: Node, parents: list[tape.Node | None]) -> tape.Node | None:
    """The node as the tape would have recorded it; None if nothing flows through."""
    op, type = node.op, node.type
    rule: Any = op.derivative
    multiple = op.multiple
    if not multiple and type.dtype.kind not in "fc":
        return None
    if op is PART:
        index = node.params["index"]
        return (node.number, *type[:2], tape.PART, parents, None, index, None)
    if isinstance(rule, Zero):
        return None
    if isinstance(rule, Missing):
        raise DerivativeError(
            explain(f"`{op.name}` has no derivative.", node.line, rule.why)
        )
    mask, bit = 0, 1
    for parent in parents:
        mask, bit = (mask if parent is None else mask | bit), bit << 1
    keep_y, keep = rule.keeps.find(mask, len(parents))
    args = [
        value_of(i) if k else i.type for i, k in zip(node.inputs, keep, strict=True)
    ]
    y = results_of(node) if keep_y else None
    shape, dtype = (type, None) if multiple else type[:2]
    return (node.number, shape, dtype, op, parents, y, args, node.params)


def value_of(node: Node) -> Array:
    """What a rule computes with: a constant as it is, else a symbol."""
    return node.params["value"] if node.op is CONSTANT else as_symbol(node)


def results_of(node: Node) -> Any:
    """The node's result as a symbol; a tuple of symbols for several."""
    if not node.op.multiple:
        return as_symbol(node)
    return tuple(as_symbol(part(node, i, t)) for i, t in enumerate(node.type))


def as_result(node: Node, adjoint: Array | None, unconnected: str = "zeros") -> Any:
    """An adjoint as an expression; zeros, or an error, if nothing arrived."""
    if adjoint is not None:
        return adjoint if isinstance(adjoint, Tracer) else as_symbol(node_of(adjoint))
    if unconnected == "error":
        raise DerivativeError(
            explain(
                "z depends on every wrt.",
                f"z doesn't depend on {_called(node)}, or only through steps without "
                "derivatives",
                "leave it out of wrt, or pass unconnected='zeros'.",
            )
        )
    return as_symbol(_zeros(node.type))


def _zeros(type: Type) -> Node:
    if not type.shape:
        return node_of(zeros_ct(type))
    return node_of(np.broadcast_to(as_symbol(node_of(type.dtype.type(0))), type.shape))


# At the end, because it is about `Graph` and uses this module.
from wengert.transforms import derived  # noqa: E402, F401
