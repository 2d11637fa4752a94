"""What a function does besides computing: chance, writing, ignoring, losing digits."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.op import Zero
from wengert.core.types import Array, is_inexact
from wengert.graph.graph import CONSTANT, INPUT, PART, Node
from wengert.testing.diagnosis.kinks import cuts
from wengert.testing.diagnosis.record import Run
from wengert.testing.diagnosis.report import Finding, shown, shown_index


def written(before: Array, after: Array, name: str) -> list[Finding]:
    """Whether a call changed its argument."""
    if np.array_equal(before, after, equal_nan=is_inexact(before.dtype)):
        return []
    return [
        Finding(
            kind="writes",
            severity="warning",
            title=f"The function writes into its argument {name}.",
            argument=name,
            element=_first_change(before, after),
            do="work on a copy (x = x.copy()): the caller's array is changed, and a "
            "second call computes something else.",
        )
    ]


def no_result() -> Finding:
    """The result has no number with a derivative."""
    return Finding(
        kind="zero gradient",
        severity="fault",
        title="The function returns no float or complex number.",
        do="return what is to be differentiated; comparisons, counts and positions "
        "have no derivative.",
    )


def _first_change(a: Array, b: Array) -> tuple[int, ...]:
    changed = (a != b) & ~((a != a) & (b != b))
    at = np.unravel_index(int(np.argmax(changed)), changed.shape)
    return tuple(int(i) for i in at)


def differing(first: Sequence[Array], second: Sequence[Array]) -> list[Finding]:
    """Two calls with the same arguments gave different results."""
    if len(first) != len(second):
        return [_random(f"{len(first)} results, then {len(second)}")]
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        if a.shape != b.shape:
            return [_random(f"result {i}: shape {a.shape}, then {b.shape}")]
        if not _same_but_rounding(a, b):
            at = _first_change(a, b)
            values = f"{shown(np.asarray(a)[at])}, then {shown(np.asarray(b)[at])}"
            return [_random(f"result {i}, {shown_index(at)}: {values}")]
    return []


def _same_but_rounding(a: Array, b: Array) -> bool:
    """Sums may be taken in another order, which depends on where arrays lie."""
    eps = float(np.finfo(a.dtype).eps)
    size = float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0))
    return np.allclose(a, b, rtol=0.0, atol=1e4 * eps * size, equal_nan=True)


def _random(values: str) -> Finding:
    return Finding(
        kind="random",
        severity="warning",
        title="Two calls with the same arguments give different results.",
        details=(("values", values),),
        do="make the random numbers outside and pass them in, or make the generator "
        "inside with a fixed seed. Finite differences were left out.",
    )


def unused(run: Run, sizes: Sequence[int]) -> list[Finding]:
    """Arguments that the result doesn't depend on, or not with a derivative."""
    ends = [n for n in run.graph.outputs if is_inexact(n.dtype)]
    used, smooth = _ancestors(ends, False, run), _ancestors(ends, True, run)
    asked = _ancestors([g.node for g in run.graph.guards], False, run)
    found = []
    for node, size in zip(run.graph.inputs, sizes, strict=True):
        if not size or node in smooth:
            continue
        if node not in used:
            found.append(_unused(node, node in asked))
        else:
            found.append(_flat(run, node))
    return found


def _ancestors(ends: Sequence[Node], smooth: bool, run: Run) -> set[Node]:
    """The nodes that lead to `ends`; with `smooth` only along derivatives."""
    found: set[Node] = set()
    pending = list(ends)
    while pending:
        node = pending.pop()
        if node in found:
            continue
        found.add(node)
        zero = isinstance(node.op.derivative, Zero) and node.op is not PART
        if not smooth or not zero:
            pending += [i for i in node.inputs if not smooth or i in run.smooth]
    return found


def _unused(node: Node, asked: bool) -> Finding:
    why = "it only decides a branch" if asked else "no operation leads from it there"
    return Finding(
        kind="unused",
        severity="warning",
        title=f"The result doesn't depend on {node.name}.",
        argument=node.name,
        details=(("why", f"{why}, so its gradient is zero."),),
        do="leave the argument out, or look for the line that should use it.",
    )


def _flat(run: Run, node: Node) -> Finding:
    blocks = [n for n in cuts(run) if node in _ancestors([n], False, run)]
    first = blocks[0] if blocks else None
    why = ""
    if first is not None:
        rule = first.op.derivative
        why = rule.why if isinstance(rule, Zero) else f"the result is {first.dtype}"
    return Finding(
        kind="zero gradient",
        severity="warning",
        title=f"The gradient by {node.name} is zero everywhere.",
        op=first.op.name if first else "",
        step=run.text(first) if first else "",
        argument=node.name,
        line=first.line if first else "",
        details=(("why", f"every path to the result ends here: {why}."),)
        if first
        else (),
        do="a smooth stand-in (a sigmoid for a step, softmax for argmax), or a rule of "
        "your own (wg.custom_vjp) that says what the derivative shall be.",
    )


# Few digits ---------------------------------------------------------------------------

_LOST = 1e-2


def lost_digits(
    run: Run,
    names: Sequence[str],
    grads: Sequence[Array],
    again: Callable[[list[Array]], list[Array]],
) -> list[Finding]:
    """Where float32 or float16 loses the gradient: it is compared with float64's.

    `again` gives the gradients at float64 arguments.
    """
    small = [x.dtype.itemsize * (1 if x.dtype.kind == "f" else 0.5) < 8
             for x in run.leaves]  # fmt: skip
    if not any(small):
        return []
    try:
        precise = again([_wide(x) for x in run.leaves])
    except Exception:  # a function made for one dtype
        return []
    found = []
    for name, g, p, x in zip(names, grads, precise, run.leaves, strict=True):
        scale = np.max(np.abs(p), initial=0.0)
        off = np.abs(g - p)
        if scale == 0 or not np.isfinite(scale) or np.max(off) <= _LOST * scale:
            continue
        at = tuple(map(int, np.unravel_index(int(np.argmax(off)), np.shape(off))))
        node = _where_lost(run)
        found.append(
            Finding(
                kind="precision",
                severity="warning",
                title=f"{x.dtype} is too coarse for the gradient by {name}.",
                op=node.op.name if node else "",
                step=run.text(node) if node else "",
                element=at,
                argument=name,
                line=node.line if node else "",
                details=(
                    ("values", f"{shown(np.asarray(g)[at])}; in float64 "
                     f"{shown(np.asarray(p)[at])}"),
                    *(
                        (("why", "here the digits are lost: the step's result is far "
                          "less accurate than its arguments."),)
                        if node
                        else ()
                    ),
                ),
                do="compute that part in float64 (x.astype(float)), or rearrange it so "
                "that large numbers don't cancel (np.log1p, np.expm1, np.hypot).",
            )
        )  # fmt: skip
    return found


def _wide(x: Array) -> Array:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)[()]


def _where_lost(run: Run) -> Node | None:
    """The operation whose result has lost most digits that its arguments had."""
    try:
        precise = run.at([_wide(x) for x in run.leaves])
    except Exception:  # an operation made for one dtype
        return None
    worst: tuple[float, Node | None] = (10.0, None)
    error: dict[Node, float] = {}
    for n in run.nodes:
        if n.op.multiple or not is_inexact(n.dtype):
            continue
        error[n] = _relative(run.values[n], precise[n])
        if n.op in (INPUT, CONSTANT, PART) or not error[n] > 1e-3:
            continue
        before = max((error.get(i, 0.0) for i in n.inputs), default=0.0)
        growth = error[n] / max(before, 1e-8)
        if growth > worst[0]:
            worst = growth, n
    return worst[1]


def _relative(x: Any, precise: Any) -> float:
    """The largest relative error of an element."""
    size = np.abs(precise)
    off = np.abs(x - precise)[size > 0] / size[size > 0]
    return float(np.max(off, initial=0.0))
