"""Where the first inf or nan comes from: in the forward pass, and in the backward one.

Both searches walk from the bad number to where it was made, so an inf in a branch that
wasn't taken, or one that turned into a plain 0 again, isn't blamed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.op import Partials
from wengert.core.types import is_inexact
from wengert.graph.graph import CONSTANT, INPUT, Node
from wengert.testing.diagnosis.causes import slope_cause, value_cause
from wengert.testing.diagnosis.record import Run
from wengert.testing.diagnosis.report import Finding, shown
from wengert.testing.diagnosis.rules import rule_places

_MOST = 3  # findings of one kind; the first are what matters


def is_bad(x: Any) -> bool:
    """Whether an array, or one of several, has an inf or nan."""
    if isinstance(x, tuple | list):
        return any(map(is_bad, x))
    x = np.asarray(x)
    return bool(is_inexact(x.dtype) and not np.isfinite(x).all())


# Forward ------------------------------------------------------------------------------


def bad_values(run: Run) -> list[Finding]:
    """The operations, arguments and constants that bring inf or nan into the result."""
    made: list[Node] = []
    seen: set[Node] = set()
    pending = [n for n in run.graph.outputs if is_bad(run.values[n])]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        before = _bad_inputs(run, node)
        if not before:
            made.append(node)
        pending += before
    made.sort(key=lambda n: n.number)
    first_nan = _first_nan(run, seen, made)
    return [_made(run, n, first_nan) for n in made[:_MOST]]


def _bad_inputs(run: Run, node: Node) -> list[Node]:
    bad = [i for i in node.inputs if is_bad(run.values[i])]
    if node.op.name != "where":
        return bad
    condition, a, b = (run.values[i] for i in node.inputs)
    chosen = np.asarray(condition, bool)
    taken = []
    for i, x, here in ((node.inputs[1], a, chosen), (node.inputs[2], b, ~chosen)):
        if i in bad and np.any(here & ~np.isfinite(x)):
            taken.append(i)
    return taken


def _first_nan(run: Run, seen: set[Node], made: list[Node]) -> Node | None:
    """The operation at which an inf first became a nan."""
    nans = (n for n in seen if n not in made and _has_nan(run.values[n]))
    first = min(nans, key=lambda n: n.number, default=None)
    if first is None or any(_has_nan(run.values[n]) for n in made):
        return None
    return first


def _has_nan(x: Any) -> bool:
    if isinstance(x, tuple | list):
        return any(map(_has_nan, x))
    return bool(np.isnan(x).any())


def _made(run: Run, node: Node, first_nan: Node | None) -> Finding:
    y = run.values[node]
    at = None if isinstance(y, tuple) else first_bad(y)
    value = "inf or nan" if at is None else shown(np.asarray(y)[at])
    kind = "nan" if _has_nan(y) else "infinite"
    if node.op in (INPUT, CONSTANT):
        what = f"argument {node.name}" if node.op is INPUT else "a constant"
        return Finding(
            kind=kind,
            severity="fault",
            title=f"The result isn't finite, because of {value} in {what}.",
            element=at,
            argument=node.name,
            line=node.line,
            do="pass finite numbers, or keep that element out of the result.",
        )
    details = []
    cause = None
    if at is not None:
        args = arguments_at(run, node, at)
        if args is not None:
            cause = value_cause(node.op.name, args, np.asarray(y)[at])
            details.append(("values", _call(node, args, value)))
    cause = cause or value_cause(node.op.name, [], None)
    details.append(("why", f"{cause.why}."))
    if first_nan is not None:
        details.append(("then", f"it becomes nan in {run.text(first_nan)}, "
                        f"{first_nan.line}"))  # fmt: skip
    bad = 0 if isinstance(y, tuple) else int(np.sum(~np.isfinite(y)))
    if bad > 1:
        details.append(("elements", f"{bad} of {np.size(y)} are inf or nan"))
    return Finding(
        kind=kind,
        severity="fault",
        title=f"The result isn't finite: `{node.op.name}` gives {value} for "
        "finite arguments.",
        op=node.op.name,
        step=run.text(node),
        element=at,
        line=node.line,
        details=tuple(details),
        do=cause.do,
    )


def _call(node: Node, args: Sequence[Any], value: str) -> str:
    return f"{node.op.name}({', '.join(map(shown, args))}) = {value}"


def first_bad(x: Any) -> tuple[int, ...]:
    """The index of the first element that is inf or nan."""
    bad = ~np.isfinite(np.asarray(x))
    at = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return tuple(int(i) for i in at)


def arguments_at(run: Run, node: Node, at: tuple[int, ...]) -> list[Any] | None:
    """The arguments' elements that an elementwise operation makes this one of."""
    if not isinstance(node.op.derivative, Partials):
        return None
    shape = node.shape
    return [np.broadcast_to(run.values[i], shape)[at][()] for i in node.inputs]


# Backward -----------------------------------------------------------------------------


def bad_adjoints(run: Run) -> list[Finding]:
    """The operations whose rule makes inf or nan of a finite cotangent.

    Walks from the arguments with a bad gradient to the operations that passed it on.
    """
    users: dict[Node, list[tuple[Node, int]]] = {}
    for node, place in run.passed:
        users.setdefault(node.inputs[place], []).append((node, place))
    parts: dict[Node, list[Node]] = {}
    for n in run.nodes:
        if n.op.name == "part":
            parts.setdefault(n.inputs[0], []).append(n)
    made: dict[Node, int] = {}
    seen: set[Node] = set()
    pending = [n for n in run.graph.inputs if is_bad(_adjoint(run, n))]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        pending += [p for p in parts.get(node, ()) if is_bad(_adjoint(run, p))]
        for user, place in users.get(node, ()):
            if not is_bad(run.passed[user, place]):
                continue
            if is_bad(_adjoint(run, user)):
                pending.append(user)
            else:
                made.setdefault(user, place)
    # The backward pass runs from the last operation to the first.
    last = sorted(made, key=lambda n: -n.number)
    return [_infinite_slope(run, n, made[n]) for n in last[:_MOST]]


def _adjoint(run: Run, node: Node) -> Any:
    ct = run.adjoints.get(node)
    parts = ct if isinstance(ct, list) else [ct]
    return [c for c in parts if c is not None]


def _infinite_slope(run: Run, node: Node, place: int) -> Finding:
    passed = run.passed[node, place]
    at = first_bad(passed)
    details = [("rule", p) for p in rule_places(node)]
    cause = slope_cause("", [])
    # Whether an index into the argument is one into the result, too.
    elementwise = isinstance(node.op.derivative, Partials)
    whole = elementwise and np.shape(passed) == node.shape
    args = arguments_at(run, node, at) if whole else None
    if args is not None:
        y = np.asarray(run.values[node])[at]
        cause = slope_cause(node.op.name, args)
        details.append(("values", _call(node, args, shown(y))))
    target = node.inputs[place]
    ct = run.adjoints[node]
    if whole:
        at_ct = shown(np.asarray(ct)[at])
        details.append(
            ("passes", f"cotangent {at_ct} in, {shown(np.asarray(passed)[at])} out, to "
             f"{run.name(target) or run.text(target)}")
        )  # fmt: skip
    details.append(("why", f"{cause.why}."))
    return Finding(
        kind="infinite gradient",
        severity="fault",
        title=f"The gradient isn't finite: the rule of `{node.op.name}` makes "
        f"{shown(np.asarray(passed)[at])} of a finite cotangent.",
        op=node.op.name,
        step=run.text(node),
        element=at,
        line=node.line,
        details=tuple(details),
        do=cause.do,
    )
