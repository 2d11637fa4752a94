"""Arguments that stand exactly at a kink, and what the derivative was chosen to be.

The choices themselves are in docs/kinks.md; here they are said where they were made.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core.op import Zero
from wengert.core.types import Array, is_inexact
from wengert.graph.graph import INPUT, Node
from wengert.ops.reduce import expanded
from wengert.testing.diagnosis.numeric import direction
from wengert.testing.diagnosis.record import Run, Values
from wengert.testing.diagnosis.report import Finding, shown

_MOST = 8  # findings; a function with many kinks has one cause


class Kink(NamedTuple):
    """How a kink of an operation is recognised, and what is chosen at it.

    Attributes:
        at: (arguments, result, params) ↦ which elements of the result are at a kink.
        what: what the arguments have in common there.
        chosen: the derivative there.
    """

    at: Callable[[list[Array], Any, dict[str, Any]], Array]
    what: str
    chosen: str


def _zero(args: list[Array], _y: Any, _params: dict[str, Any]) -> Array:
    return args[0] == 0


def _both_zero(args: list[Array], _y: Any, _params: dict[str, Any]) -> Array:
    return (args[0] == 0) & (args[1] == 0)


def _tie(args: list[Array], _y: Any, _params: dict[str, Any]) -> Array:
    return args[0] == args[1]


def _zero_result(args: list[Array], y: Any, _params: dict[str, Any]) -> Array:
    return (y == 0) & (np.size(args[0]) > 0)


def _tied_winners(args: list[Array], y: Any, params: dict[str, Any]) -> Array:
    x, axis = args[0], params["axis"]
    hits = np.sum(x == expanded(y, np.shape(x), axis), axis=axis, keepdims=True)
    return np.reshape(hits > 1, np.shape(y))


def _tied_neighbours(args: list[Array], _y: Any, params: dict[str, Any]) -> Array:
    """Equal elements along the axis that is sorted, in the places of the result."""
    x = np.asarray(args[0])
    axis = params.get("axis", -1)
    if not x.ndim or x.shape[axis] < 2:
        return np.zeros(x.shape, bool)
    x = np.sort(x, axis)
    same = np.diff(x, axis=axis) == 0
    pad = np.zeros_like(np.take(same, [0], axis))
    tied: Array = np.concatenate([same, pad], axis) | np.concatenate([pad, same], axis)
    return tied


def _whole(args: list[Array], _y: Any, _params: dict[str, Any]) -> Array:
    return args[0] == np.floor(args[0])


def _whole_cast(args: list[Array], y: Any, params: dict[str, Any]) -> Array:
    if params["dtype"].kind not in "iu":
        return np.zeros(np.shape(y), bool)
    return _whole(args, y, params)


def _on_a_border(args: list[Array], _y: Any, _params: dict[str, Any]) -> Array:
    return np.isin(args[1], args[0])


def _half(args: list[Array], _y: Any, params: dict[str, Any]) -> Array:
    x = args[0] * 10.0 ** params.get("decimals", 0)
    return x - np.floor(x) == 0.5


def _whole_quotient(args: list[Array], y: Any, _params: dict[str, Any]) -> Array:
    return y * args[1] == args[0]


_EVEN = "both get half of the derivative"
_FLAT = "0: it is piecewise constant, also at the jump"
_BRANCH = "that of the branch taken; the other side has another one, or a jump"

KINKS: dict[str, Kink] = {
    "absolute": Kink(_zero, "the argument is 0", "0, the middle of −1 and 1"),
    "fabs": Kink(_zero, "the argument is 0", "0, the middle of −1 and 1"),
    "modulus": Kink(_zero, "the argument is 0", "0, at the minimum"),
    "copysign": Kink(_zero, "the first argument is 0", "0"),
    "maximum": Kink(_tie, "both arguments are equal", _EVEN),
    "minimum": Kink(_tie, "both arguments are equal", _EVEN),
    "fmax": Kink(_tie, "both arguments are equal", _EVEN),
    "fmin": Kink(_tie, "both arguments are equal", _EVEN),
    "max": Kink(_tied_winners, "several elements are the largest", "split evenly"),
    "min": Kink(_tied_winners, "several elements are the smallest", "split evenly"),
    "nanmax": Kink(_tied_winners, "several elements are the largest", "split evenly"),
    "nanmin": Kink(_tied_winners, "several elements are the smallest", "split evenly"),
    "hypot": Kink(_both_zero, "both arguments are 0", "0, at the minimum"),
    "arctan2": Kink(_both_zero, "both arguments are 0", "0"),
    "vector_norm": Kink(_zero_result, "the norm of zeros", "0, at the minimum"),
    "deviation": Kink(_zero_result, "the deviation of equal values", "0"),
    "floor": Kink(_whole, "a whole number", _FLAT),
    "ceil": Kink(_whole, "a whole number", _FLAT),
    "trunc": Kink(_whole, "a whole number", _FLAT),
    "astype": Kink(_whole_cast, "a whole number", _FLAT),
    "searchsorted": Kink(
        _on_a_border, "a value on the border of two intervals", _BRANCH
    ),
    "floor_divide": Kink(_whole_quotient, "a multiple of the divisor", _FLAT),
    "rint": Kink(_half, "halfway between two whole numbers", _FLAT),
    "round": Kink(_half, "halfway between two rounded numbers", _FLAT),
    "sign": Kink(_zero, "the argument is 0", _FLAT),
    "heaviside": Kink(_zero, "the argument is 0", _FLAT),
    "greater": Kink(_tie, "both sides are equal", _BRANCH),
    "greater_equal": Kink(_tie, "both sides are equal", _BRANCH),
    "less": Kink(_tie, "both sides are equal", _BRANCH),
    "less_equal": Kink(_tie, "both sides are equal", _BRANCH),
    "argsort": Kink(_tied_neighbours, "equal elements are sorted", "by position: the "
                    "first of equal elements stays first"),
    "partition_order": Kink(_tied_neighbours, "equal elements are ordered", "by "
                            "position"),
}  # fmt: skip


def kinks(run: Run) -> list[Finding]:
    """The operations at a kink that the derivative depends on. After `pull_back`."""
    live = _live(run)
    beside = _beside(run)
    found = [
        finding
        for node in run.operations()
        if node.op.name in KINKS and node in live
        if (finding := _at_kink(run, node, beside))
    ]
    found += _guards(run)
    if len(found) <= _MOST:
        return found
    rest = len(found) - _MOST
    last = found[_MOST - 1]
    more = ("more", f"{rest} more operations stand at a kink")
    kept = Finding(**{**vars(last), "details": (*last.details, more)})
    return [*found[: _MOST - 1], kept]


def _beside(run: Run) -> Values | None:
    """The values at a point nearby, where nothing stands at a kink by chance."""
    rng = np.random.default_rng(0)
    return run.beside([direction(rng, x) for x in run.leaves], 2.0**-12)


def _leaves(run: Run, node: Node, kink: Kink, beside: Values | None) -> Array:
    """The elements that leave the kink when the arguments move.

    maximum(x, x) never does, and the 1 on the diagonal of a matrix of correlations
    only by rounding.
    """
    if beside is None:
        return np.ones((), bool)
    args = [np.asarray(beside[i]) for i in node.inputs]
    gone = ~np.asarray(kink.at(args, beside[node], node.params))
    moves: list[Array] = []
    for i, there in zip(node.inputs, args, strict=True):
        here = np.asarray(run.values[i])
        if here.dtype.kind in "fc":
            if here.shape not in ((), gone.shape):
                return gone  # a reduction: no element of its own
            top = np.max(np.abs(here), initial=0.0)
            moves.append(np.abs(there - here) > 1e-11 * top)
    return gone & np.any(np.broadcast_arrays(*moves), axis=0) if moves else gone


def _live(run: Run) -> set[Node]:
    """The nodes whose value decides over a derivative that isn't zero."""
    live: set[Node] = set()
    for node in reversed(run.nodes):
        ct = run.adjoints.get(node)
        parts = ct if isinstance(ct, list) else [ct]
        if any(c is not None and np.any(c) for c in parts):
            live.add(node)
        if node in live:
            live.update(
                i for i in node.inputs if i in run.reached and i not in run.smooth
            )
    return live


def _at_kink(run: Run, node: Node, beside: Values | None) -> Finding | None:
    kink = KINKS[node.op.name]
    args = [run.values[i] for i in node.inputs]
    if not _differentiated(run, node) or _same(node):
        return None
    y = run.values[node]
    mask = np.asarray(kink.at(args, y, node.params))
    ct = run.adjoints.get(node)
    if ct is not None and np.shape(ct) == mask.shape:
        mask = mask & (np.asarray(ct) != 0)
    if mask.any():
        mask = _decided(run, node, mask) & _leaves(run, node, kink, beside)
    if not mask.any():
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))
    details = [("why", f"{kink.what}{_values(args, at, mask)}."),
               ("chosen", f"{kink.chosen}.")]  # fmt: skip
    if mask.sum() > 1:
        details.append(("elements", f"{int(mask.sum())} of {mask.size}"))
    return Finding(
        kind="kink",
        severity="warning",
        title=f"`{node.op.name}` stands exactly at a kink.",
        op=node.op.name,
        step=run.text(node),
        element=at,
        line=node.line,
        details=tuple(details),
        do="nothing, if that point is met by chance; if it is met always (zeros in the "
        "data, the start of an iteration), see docs/kinks.md for what is chosen, and "
        "why.",
    )


def _differentiated(run: Run, node: Node) -> bool:
    """Whether it is about numbers that derivatives reach.

    Counts and positions are whole numbers without being at a kink.
    """
    return any(
        i in run.smooth and not i.op.multiple and is_inexact(i.dtype)
        for i in node.inputs
    )


def _same(node: Node) -> bool:
    """maximum(x, x) has no kink."""
    return len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]


def _decided(run: Run, node: Node, mask: Array) -> Array:
    """Of a comparison, the elements at which it chose something that counts."""
    if not isinstance(node.op.derivative, Zero) or not mask.any():
        return mask
    users = [n for n in run.nodes if node in n.inputs]
    choosing = [n for n in users if n.op.name == "where" and n.inputs[0] is node]
    if not users or len(choosing) < len(users):
        return mask
    counts = np.zeros(mask.shape, bool)
    for n in choosing:
        ct = run.adjoints.get(n)
        if ct is None or np.shape(ct) != mask.shape:
            return mask
        counts |= np.asarray(ct) != 0
    return mask & counts


def _values(args: list[Array], at: tuple[int, ...], mask: Array) -> str:
    """The arguments' elements, where their shapes say which these are."""
    try:
        numbers = [shown(np.broadcast_to(a, mask.shape)[at]) for a in args]
    except ValueError:
        return ""
    return f" ({', '.join(numbers)})" if len(numbers) <= 2 else ""


def _guards(run: Run) -> list[Finding]:
    """`if x > 0:` at x = 0: Python took one branch."""
    found: list[Finding] = []
    seen: set[tuple[str, str]] = set()
    for guard in run.graph.guards:
        node = guard.node
        kink = KINKS.get(node.op.name)
        if (
            kink is None
            or guard.asked != "bool"
            or not isinstance(node.op.derivative, Zero)
        ):
            continue
        args = [run.values[i] for i in node.inputs]
        if not _differentiated(run, node) or not np.any(
            kink.at(args, run.values[node], node.params)
        ):
            continue
        key = (node.op.name, guard.line)
        if key in seen:
            continue
        seen.add(key)
        values = _values(args, (), np.zeros(()))
        found.append(
            Finding(
                kind="kink",
                severity="warning",
                title="Python decided a branch exactly at its border.",
                op=node.op.name,
                step=run.text(node),
                line=guard.line,
                details=(
                    ("why", f"{kink.what}{values}."),
                    ("chosen", f"{kink.chosen}."),
                ),
                do="nothing, if both branches meet there with the same slope.",
            )
        )
    return found


# Where derivatives end --------------------------------------------------------------


def cuts(run: Run) -> list[Node]:
    """Operations where a path from an argument to the result loses its derivative.

    Not those whose result only chooses: the condition of `where`, an index.
    """
    reached = run.reached
    adds: set[Node] = set(run.graph.outputs)
    found = []
    for node in reversed(run.nodes):
        if node not in adds or node not in reached or node.op is INPUT:
            continue
        before = [i for i in node.inputs if i in run.smooth]
        if node not in run.smooth and before and not _is_asking(node):
            found.append(node)
        adds.update(i for p, i in enumerate(node.inputs) if not _chooses(node, p))
    return found[::-1]


def _is_asking(node: Node) -> bool:
    """A question about the kind of a number isn't meant to have a derivative."""
    return node.op.name in ("isnan", "isfinite", "isinf", "signbit")


def _chooses(node: Node, place: int) -> bool:
    """Whether the argument at this place only says which, not how much."""
    name = node.op.name
    if name == "where":
        return place == 0
    if name == "index":
        return place > 0
    if name in ("index_set", "index_add"):
        return place > 1
    return name in ("segment_sum", "segment_spread") and place > 0
