"""What is said about a function as a whole."""

import numpy as np

from wengert.core.op import Zero
from wengert.core.types import Array
from wengert.graph.graph import Node
from wengert.testing.diagnosis.kinks import KINKS
from wengert.testing.diagnosis.record import Run
from wengert.testing.diagnosis.report import Finding, shown


def untraceable(error: Exception) -> Finding:
    """What an exception under tracing says, by its own labels."""
    lines = str(error).splitlines() or [type(error).__name__]
    labels = {"Came:": "came", "Do:": "do", "At:": "line"}
    parts: dict[str, str] = {}
    for line in lines[1:]:
        head, _, text = line.strip().partition(" ")
        if head in labels:
            parts[labels[head]] = text.strip()
    return Finding(
        kind="untraceable",
        severity="fault",
        title=f"The function can't be differentiated: {lines[0]}",
        line=parts.get("line", ""),
        details=(("came", parts["came"]),) if "came" in parts else (),
        do=parts.get("do", ""),
    )


def other_values(traced: Array, y: Array) -> Finding:
    """Traced, the function gives other numbers."""
    return Finding(
        kind="other values",
        severity="fault",
        title="The function computes something else when it is traced.",
        details=(
            ("values", f"largest element {shown(np.max(np.abs(y)))}, traced "
             f"{shown(np.max(np.abs(traced)))}"),
        ),
        do="don't ask for the type of an argument, and keep no arrays between calls.",
    )  # fmt: skip


def not_met(name: str) -> Finding:
    """A trusted operation that isn't there: a slip of the pen, perhaps."""
    return Finding(
        kind="not met",
        severity="warning",
        title=f"No operation is called `{name}`, which was to be trusted.",
        op=name,
        do="name the function that has the rule of its own.",
    )


def cut(run: Run, node: Node) -> Finding:
    """Finite differences see a change that a derivative doesn't."""
    rule = node.op.derivative
    why = rule.why if isinstance(rule, Zero) else f"its result is {node.dtype}"
    return Finding(
        kind="cut",
        severity="warning",
        title=f"The derivative ends at `{node.op.name}`, though the value goes on.",
        op=node.op.name,
        step=run.text(node),
        line=node.line,
        details=(("why", f"{why}; finite differences see the value change."),),
        do="nothing, if that is meant; else leave the operation out of the path.",
    )


def straddled(run: Run, node: Node) -> Finding:
    """The point is too close to a kink for any step."""
    return Finding(
        kind="straddled kink",
        severity="note",
        title=f"The finite difference straddles the kink of `{node.op.name}`.",
        op=node.op.name,
        step=run.text(node),
        line=node.line,
        details=(
            ("why", f"so close to the point that no step stays on one side: "
             f"{KINKS[node.op.name].what}, nearly."),
        ),
        do="nothing: the derivative is that of the side where the point is. To test "
        "it, take a point farther from the kink.",
    )  # fmt: skip


def branch(run: Run, node: Node, line: str) -> Finding:
    """The point is too close to where the program branches for any step."""
    return Finding(
        kind="straddled kink",
        severity="note",
        title="The finite difference straddles a branch of the program.",
        op=node.op.name,
        step=run.text(node),
        line=line,
        do="nothing: the derivative is that of the branch taken. To test it, take a "
        "point farther from the border.",
    )


def wrong(
    run: Run,
    name: str,
    node: Node | None,
    at: tuple[int, ...],
    ours: float,
    true: float,
) -> Finding:
    """The gradient is wrong, and no rule is."""
    return Finding(
        kind="wrong derivative",
        severity="fault",
        title=f"The gradient by {name} is wrong, though no single rule is.",
        op=node.op.name if node else "",
        step=run.text(node) if node else "",
        element=at,
        argument=name,
        line=node.line if node else "",
        details=(
            ("values", f"gradient {shown(ours)}, finite difference {shown(true)}"),
        ),
        do="look for values that tracing can't see: float(x), np.asarray(x), a cache, "
        "a global that the function changes.",
    )
