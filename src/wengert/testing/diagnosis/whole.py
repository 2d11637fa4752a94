"""A whole function: its gradient against finite differences, argument by argument.

Where the two differ although every rule is right, the difference is divided among the
operations. With the adjoint ȳ of each operation y = op(x) and a step of the arguments,
    ⟨w, ΔY⟩ − ⟨Jᵀw, ΔX⟩ = Σ over operations of ⟨ȳ, Δy⟩ − ⟨x̄, Δx⟩,
because all terms between cancel: each operation stands for its own share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.core.types import Array, is_inexact
from wengert.graph.graph import Node
from wengert.testing.diagnosis.disagreement import RELATIVE, TRUST
from wengert.testing.diagnosis.numeric import (
    Estimate,
    careful,
    direction,
    inner,
    precision,
    quick,
    sides,
)
from wengert.testing.diagnosis.record import Run
from wengert.testing.diagnosis.report import Parameter
from wengert.transforms.forward import jvp

Function = Callable[..., list[Array]]


@dataclass
class Comparison:
    """One argument: the row of the table, and the direction it was moved along."""

    parameter: Parameter
    vs: list[Array]

    @property
    def differs(self) -> bool:
        """Whether the finite difference gives another number."""
        return self.parameter.verdict in ("wrong", "not differentiable here")


def compare(
    f: Function,
    xs: Sequence[Array],
    names: Sequence[str],
    grads: Sequence[Array],
    ws: Sequence[Array],
    rng: np.random.Generator,
    numeric: bool,
) -> list[Comparison]:
    """A row per argument: reverse mode, forward mode, finite difference."""
    there = _precise(f, xs) if numeric else xs
    rows = []
    for i, (name, x) in enumerate(zip(names, xs, strict=True)):
        vs = [np.zeros_like(x) for x in xs]
        vs[i] = direction(rng, x)
        row = Parameter(
            name=name,
            shape=x.shape,
            dtype=x.dtype,
            reverse=inner([grads[i]], [vs[i]]),
            forward=_forward(f, xs, vs, ws),
            numerical=None,
            error=0.0,
            verdict="untested" if x.size else "empty",
        )
        if numeric and x.size:
            row = _tested(row, _of_one(f, there, i), there[i], vs[i], ws)
        rows.append(Comparison(row, vs))
    return rows


def _precise(f: Function, xs: Sequence[Array]) -> Sequence[Array]:
    """The arguments in float64, where differences are sharp, if `f` goes along."""
    wide = {"f": np.float64, "c": np.complex128}
    there = [x.astype(wide[x.dtype.kind], copy=False)[()] for x in xs]
    try:
        return there if precision(f(*there)) == 8 else xs
    except Exception:  # a function made for one dtype
        return xs


def _of_one(f: Function, xs: Sequence[Array], i: int) -> Function:
    """`f` as a function of one argument."""
    return lambda x: f(*[x if j == i else other for j, other in enumerate(xs)])


def _tested(
    row: Parameter, f: Function, x: Array, v: Array, ws: Sequence[Array]
) -> Parameter:
    """The row with a finite difference, and what that says."""
    assert row.reverse is not None
    size = precision([np.zeros((), row.dtype)])
    verdict = "wrong"
    truth = error = 0.0
    for estimate in (quick, careful):
        truth, error, scale = _summed(estimate(f, [x], [v]), ws)
        scale += abs(row.reverse)
        near = abs(truth - row.reverse) <= RELATIVE[size] * scale + TRUST * error
        sharp = TRUST * error <= 10 * RELATIVE[precision([x])] * scale
        if near and (sharp or estimate is careful):
            verdict = "right" if sharp else "undecided"
            break
    if not np.isfinite(truth):
        verdict = "undecided"  # the function isn't defined beside the point
    elif verdict == "wrong" and _kinked(f, x, v, ws, row.reverse):
        verdict = "not differentiable here"
    return replace(row, numerical=truth, error=error, verdict=verdict)


def _forward(
    f: Function, xs: Sequence[Array], vs: list[Array], ws: Sequence[Array]
) -> float | None:
    try:
        return inner(ws, jvp(f, xs, vs)[1])
    except Exception:  # a user's rule may not work in forward mode
        return None


def _summed(
    estimates: list[Estimate], ws: Sequence[Array]
) -> tuple[float, float, float]:
    """(⟨w, value⟩, its error, the sum of the terms' sizes)."""
    value = inner(ws, [e.value for e in estimates])
    error = inner([np.abs(w) for w in ws], [e.error for e in estimates])
    sizes = [np.abs(e.value) for e in estimates]
    return value, error, inner([np.abs(w) for w in ws], sizes)


def _kinked(
    f: Function, x: Array, v: Array, ws: Sequence[Array], reverse: float
) -> bool:
    """Whether the slopes to the left and right differ, with the gradient between."""
    pairs = sides(f, [x], [v])
    left = inner(ws, [p[0] for p in pairs])
    right = inner(ws, [p[1] for p in pairs])
    gap = abs(left - right)
    if not np.isfinite(gap):
        return True
    if gap <= 1e-3 * (abs(left) + abs(right)):
        return False
    return max(abs(reverse - left), abs(reverse - right)) <= 1.01 * gap


# Whose the difference is --------------------------------------------------------------


def shares(run: Run, vs: Sequence[Array], step: float) -> list[tuple[Node, float]]:
    """Each operation's share of the difference, the largest first. After `pull_back`.

    Per unit of the step, like a derivative; those that are only rounding left out.
    """
    up, down = run.beside(vs, step), run.beside(vs, -step)
    if up is None or down is None:
        return []
    found: list[tuple[Node, float]] = []
    total = 0.0
    for node in run.operations():
        if node not in run.adjoints or node in run.failed:
            continue
        share = _results(run, node, up, down) - _arguments(run, node, up, down)
        found.append((node, share / (2 * step)))
        total += abs(share / (2 * step))
    found = [(n, s) for n, s in found if abs(s) > 1e-3 * total and np.isfinite(s)]
    return sorted(found, key=lambda pair: -abs(pair[1]))


def _results(run: Run, node: Node, up: Any, down: Any) -> float:
    ys = [(up[node], down[node])]
    if node.op.multiple:
        ys = list(zip(up[node], down[node], strict=True))
    moves = [u - d for u, d in ys if is_inexact(np.asarray(u).dtype)]
    cts = run.cotangents(node)
    return inner(cts, moves) if len(cts) == len(moves) else 0.0


def _arguments(run: Run, node: Node, up: Any, down: Any) -> float:
    total = 0.0
    for place, i in enumerate(node.inputs):
        passed = run.passed.get((node, place))
        if passed is not None:
            total += inner([passed], [up[i] - down[i]])
    return total


def element_of(
    f: Function,
    xs: Sequence[Array],
    i: int,
    grad: Array,
    ws: Sequence[Array],
    rng: np.random.Generator,
) -> tuple[tuple[int, ...], float, float]:
    """The element of argument `i` whose derivative is most wrong: (index, ours, true).

    The wrong half is halved again: few calls also for large arrays.
    """
    x = xs[i]
    v = direction(rng, x)

    def off(chosen: Array) -> tuple[float, float, float]:
        part = np.zeros_like(x)
        np.put(part, chosen, np.take(v, chosen))

        estimates = careful(_of_one(f, xs, i), [x], [part])
        truth = inner(ws, [e.value for e in estimates])
        rule = inner([grad], [part])
        return abs(rule - truth), rule, truth

    chosen = np.arange(x.size)
    while chosen.size > 1:
        half = chosen.size // 2
        chosen = max((chosen[:half], chosen[half:]), key=lambda c: off(c)[0])
    _, rule, truth = off(chosen)
    unit = float(np.abs(np.take(v, chosen[0])))
    sign = -1.0 if np.real(np.take(v, chosen[0])) < 0 else 1.0
    at = np.unravel_index(int(chosen[0]), x.shape)
    return tuple(map(int, at)), sign * rule / unit, sign * truth / unit
