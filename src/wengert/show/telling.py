"""All parts of a story from one run, and the notes: whole sentences beside them."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.errors import DerivativeError, ShapeMismatch
from wengert.core.errors import explain as sentence
from wengert.core.types import Array
from wengert.graph.graph import Graph, Node
from wengert.show import symbolic
from wengert.show.adjoints import Adjoints
from wengert.show.compare import checks
from wengert.show.local import Formulas
from wengert.show.names import code_of
from wengert.show.nodes import node_stories
from wengert.show.run import Run, is_operation
from wengert.show.second import second_order
from wengert.show.story import VERSION, Story
from wengert.show.sweep import counts, sweeps
from wengert.transforms.backward import zeros_ct


def tell(
    run: Run,
    f: Any,
    order: int,
    output: int | None,
    title: str | None,
    lines: list[list[Any]],
    located: bool,
) -> Story:
    """The story of a run of `f`; `lines` is its source, and `located` whether it is
    the user's file, where nodes have lines."""
    seeds, notes = _seeds(run, output)
    adjoints = Adjoints(run, seeds)
    formulas = Formulas(run)
    told, number = sweeps(run, formulas)
    if len(told) < number:
        notes.append(
            f"Forward mode takes {number} sweeps, one for each element of an input; "
            f"{len(told)} of them are shown."
        )
    algebra, why = _algebra(run)
    rows, more = checks(run, adjoints, algebra)
    notes += [*why, *more, *_constant_notes(run), *_path_notes(run)]
    notes += _fault_notes(run, adjoints)
    second, why = second_order(run, seeds) if order == 2 else (None, [])
    home = code_of(f)
    return {
        "version": VERSION,
        "title": title or _title(f),
        "source": lines,
        "notes": notes + why,
        "nodes": node_stories(run, adjoints, home if located else None, lines),
        "forward": [
            {
                "node": run.place[n],
                "text": f"{run.name(n)} = {run.expression(n)}",
                "numbers": run.numbers(n),
            }
            for n in run.shown
            if is_operation(n)
        ],
        "backward": adjoints.story(formulas),
        "sweeps": told,
        "counts": counts(run, adjoints, number),
        "checks": rows,
        "second": second,
        "compiled": None,
    }


def _title(f: Any) -> str:
    if isinstance(f, Graph):
        return f.name
    while isinstance(f, functools.partial):
        f = f.func
    name = getattr(f, "__name__", type(f).__name__)
    return "function" if name == "<lambda>" else str(name)


def _algebra(run: Run) -> tuple[symbolic.Symbolic | None, list[str]]:
    """SymPy's formula, or a sentence that says why there is none."""
    why = symbolic.unfit(run)
    if why:
        return None, [f"No symbolic derivative is shown, because {why}."]
    if not symbolic.available():
        return None, ["Symbolic derivatives need SymPy: pip install sympy."]
    return symbolic.Symbolic(run), []


def _constant_notes(run: Run) -> list[str]:
    whole = [n for n in run.graph.inputs if n not in run.wanted]
    if not whole:
        return []
    listed = ", ".join(f"{run.name(n)} ({n.dtype})" for n in whole)
    return [
        f"Integers and booleans have no derivative: {listed} counts as constant. "
        "Write 1.0 for 1 to differentiate by it."
    ]


def _path_notes(run: Run) -> list[str]:
    """Where Python took a decision by a value."""
    places = [f"{g.line} ({g.asked} gave {g.answer})" for g in run.graph.guards]
    places = list(dict.fromkeys(places))
    if not places:
        return []
    more = f", and {len(places) - 3} more" if len(places) > 3 else ""
    return [
        f"This is the path of this run, which values decided: {'; '.join(places[:3])}"
        f"{more}. Other arguments may take another."
    ]


def _fault_notes(run: Run, adjoints: Adjoints) -> list[str]:
    """Where inf and nan come from: the first value, and the first adjoint."""
    notes = []
    with np.errstate(all="ignore"):
        for node in run.shown:
            if not np.isfinite(run.values[node]).all():
                notes.append(
                    f"The first value with inf or nan is {run.name(node)}"
                    + (f" = {run.expression(node)}." if node.inputs else ".")
                )
                break
        for step in adjoints.steps:
            if not np.isfinite(step.amount).all():
                notes.append(
                    "The first adjoint with inf or nan is what "
                    f"{run.name(step.of)}.grad gives to {run.name(step.to)}.grad."
                )
                break
    return notes


def _seeds(run: Run, output: int | None) -> tuple[dict[Node, Array], list[str]]:
    """The cotangents to start from, and what there is to say about them."""
    outputs = run.graph.outputs
    sizes = [math.prod(n.type.shape) for n in outputs]
    total = sum(sizes)
    if output is not None and not -total <= output < total:
        raise ShapeMismatch(
            sentence(
                f"output counts the {total} elements of the result from 0.",
                str(output),
                "leave it out for the sum of all.",
            )
        )
    seeds: dict[Node, Array] = {}
    start = 0
    for node, size in zip(outputs, sizes, strict=True):
        if node in run.active and node.dtype.kind in "fc":
            ct = np.array(zeros_ct(node.type))
            if output is None:
                ct[...] = 1
            elif 0 <= output % total - start < size:
                ct.flat[output % total - start] = 1
            if ct.any() or output is None:
                seeds[node] = seeds[node] + ct[()] if node in seeds else ct[()]
        start += size
    if not seeds:
        raise DerivativeError(
            sentence(
                "The result depends on an argument.",
                "a result to which no float argument leads",
                "return what is computed from the arguments"
                + (", or pick another output." if output is not None else "."),
            )
        )
    return seeds, _seed_notes(outputs, total, output)


def _seed_notes(outputs: Sequence[Node], total: int, output: int | None) -> list[str]:
    notes = []
    if total != 1 and output is None:
        notes.append(
            f"The result has {total} elements: the gradient is that of their sum (the "
            "vector-Jacobian product with ones). output=0 explains the first one."
        )
    if any(n.dtype.kind == "c" for n in outputs):
        notes.append(
            "The result is complex: the gradient is that of its real part, the "
            "direction in which it grows fastest."
        )
    return notes
