"""Forward mode: dual numbers, one sweep per element of an input.

The tangents come from the library's own forward mode, node by node.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.op import Partials, Rules
from wengert.core.types import Array, zeros
from wengert.graph.graph import Node
from wengert.show.adjoints import Adjoints, partial_value, times
from wengert.show.local import Formulas
from wengert.show.run import Run, apply, inputs_of, is_operation, op_of
from wengert.show.story import Counts, Sweep, SweepStep
from wengert.show.value import SMALL
from wengert.transforms.backward import any_nan, finite
from wengert.transforms.forward import Forward

SWEEPS = 12  # that are told step by step
STEPS = 4000  # in all sweeps together
_LONG = 60


def sweeps(run: Run, formulas: Formulas) -> tuple[list[Sweep], int]:
    """The sweeps that are told, and how many there are."""
    told: list[Sweep] = []
    length = sum(1 + math.prod(n.shape) // SMALL for n in run.active)
    room = min(SWEEPS, max(1, STEPS // max(1, length)))
    for node, element in _elements(run):
        if len(told) == room:
            break
        told.append(
            {
                "input": run.place[node],
                "element": list(element),
                "steps": _steps(run, node, element, formulas),
            }
        )
    return told, sum(math.prod(n.shape) for n in run.wanted)


def _elements(run: Run) -> Iterator[tuple[Node, tuple[int, ...]]]:
    for node in run.wanted:
        for element in np.ndindex(node.shape):
            yield node, element


def tangents(run: Run, seed: dict[Node, Array]) -> dict[Node, Array]:
    """Each node's directional derivative; nodes that don't move are left out."""
    with np.errstate(all="ignore"):
        found = _push(run, seed, strong=False)
        ends = [found[n] for n in run.graph.outputs if n in found]
        if not finite(ends) and not any_nan([run.values[n] for n in found]):
            found = _push(run, seed, strong=True)
    return found


def _push(run: Run, seed: dict[Node, Array], strong: bool) -> dict[Node, Array]:
    found = dict(seed)
    for node in run.shown:
        if not is_operation(node) or not any(n in found for n in inputs_of(node)):
            continue
        interp = Forward(strong)
        args = [
            Tracer(interp, run.values[n], found[n]) if n in found else run.values[n]
            for n in inputs_of(node)
        ]
        y = apply(node, args)
        if isinstance(y, Tracer) and y.mark is not None:
            found[node] = y.mark
    return found


def _steps(
    run: Run, wanted: Node, element: tuple[int, ...], formulas: Formulas
) -> list[SweepStep]:
    start: Any = np.zeros(wanted.shape, wanted.dtype)
    start[element] = 1
    found = tangents(run, {wanted: start[()]})
    name = run.name(wanted)
    told: list[SweepStep] = [
        {
            "node": run.place[wanted],
            "text": f"d{name} = {run.text(start).replace('−', '-')}",
            "numbers": "",
            "value": run.told(start, heat=False),
        }
    ]
    for node in run.shown:
        if node in found and node is not wanted:
            told.append(_told(run, node, found, formulas))
    return told


def _told(
    run: Run, node: Node, found: dict[Node, Array], formulas: Formulas
) -> SweepStep:
    moving = [n in run.active and n.dtype.kind in "fc" for n in inputs_of(node)]
    return {
        "node": run.place[node],
        "text": f"d{run.name(node)} = {formulas.tangent(node, moving)}",
        "numbers": _numbers(run, node, moving, found),
        "value": run.told(found[node], heat=False),
    }


def _numbers(run: Run, node: Node, moving: list[bool], found: dict[Node, Array]) -> str:
    """`1·2 + 1·0 = 2` for elementwise operations, else the result."""
    result = run.text(found[node])
    if not isinstance(op_of(node)[0].derivative, Partials):
        return result
    text = ""
    for i, n in enumerate(inputs_of(node)):
        if not moving[i]:
            continue
        d = run.short(found.get(n, zeros(n.type)))
        p = _unit(node, i)
        if p is None:
            slope = run.short(partial_value(run, node, i))
            term = times(d, slope) if i == 0 else times(slope, d)
        else:
            term = d
        sign = "−" if p == -1 else "+"
        text += f" {sign} {term}" if text else ("−" if p == -1 else "") + term
    if text in (result, f"({result})"):
        return result
    text = f"{text} = {result}"
    return text if len(text) <= _LONG else result


def _unit(node: Node, i: int) -> int | None:
    """The partial by input i where it is the literal 1 or −1."""
    rule = op_of(node)[0].derivative
    p = rule.partials[i] if isinstance(rule, Partials) else None
    return p if isinstance(p, int) else None


# Counting -------------------------------------------------------------------------


def counts(run: Run, adjoints: Adjoints, number: int) -> Counts:
    """Multiplications by local derivatives in both modes.

    A factor ±1 is none. A sweep passes every edge that its input leads to, once per
    element of the input; the backward pass passes each edge to an argument once.
    Computing the local derivatives themselves is the same work for both.
    """
    reverse = sum(products(step.of, step.i) for step in adjoints.steps)
    forward = 0
    for wanted in run.wanted:
        reached = {wanted}
        cost = 0
        for node in run.shown:
            edges = [i for i, n in enumerate(inputs_of(node)) if n in reached]
            if edges and node.dtype.kind in "fc":
                reached.add(node)
                cost += sum(products(node, i) for i in edges)
        forward += cost * math.prod(wanted.shape)
    return {"forward_mode": forward, "reverse_mode": reverse, "sweeps": number}


def products(node: Node, i: int) -> int:
    """Multiplications in passing a derivative along one edge.

    Those of operations with rules of their own (solve, svd …) count as one for each
    element of the result, which is too few.
    """
    op, params = op_of(node)
    size = math.prod(node.shape)
    rule = op.derivative
    if isinstance(rule, Partials):
        return 0 if isinstance(rule.partials[i], int | type(None)) else size
    if isinstance(rule, Rules):
        return size
    if op.name == "matmul":
        return size * inputs_of(node)[0].shape[-1]
    if op.name == "einsum":
        letters = params["subscripts"].split("->")[0].split(",")
        lengths: dict[str, int] = {}
        for word, n in zip(letters, inputs_of(node), strict=True):
            for letter, length in zip(word, n.shape, strict=True):
                lengths[letter] = max(length, lengths.get(letter, 0))
        return math.prod(lengths.values()) if len(letters) > 1 else 0
    if op.name == "convolve":
        return math.prod(math.prod(n.shape) for n in inputs_of(node))
    return 0
