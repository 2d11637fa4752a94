"""Every row of the op families' tables, compiled: value, derivatives, mapped, float32.

`WENGERT_COMPILED=all pytest tests/native` runs all cases of every row; without, each
row's value and one of the other cases.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from compiled import check_compiled, flattened, gradient_of, rows

import wengert as wg
from wengert.core import tree
from wengert.graph.graph import Graph
from wengert.testing import Scenario
from wengert.testing.check import direction

ROWS = rows()
ALL = os.environ.get("WENGERT_COMPILED") == "all"  # else a row's cases take turns
Case = tuple[str, Callable[..., Any], list[Any]]


def cases(number: int, s: Scenario) -> Iterator[Case]:
    """What of a row is compiled."""
    f, leaves = flattened(s)
    arrays = [np.asarray(x) for x in leaves]
    yield "value", f, arrays
    with np.errstate(all="ignore"):
        results = [np.asarray(y) for y in f(*arrays)]
    kinds = {x.dtype.kind for x in arrays}
    others: list[Case] = []
    if kinds <= set("fc") and {y.dtype.kind for y in results} <= set("fc") and results:
        gradient = gradient_of(f, len(arrays))
        others.append(("gradient", gradient, arrays))
        if s.order > 1 and kinds == {"f"}:
            others.append(("second order", second(gradient, arrays), arrays))
    if s.vmap and arrays:
        many, one = stacked(arrays, 9), stacked(arrays, 1)
        others.append(("mapped over 9", wg.vmap(f), many))
        others.append(("mapped over 1", wg.vmap(f), one))
    if s.float32 and {x.dtype for x in arrays} == {np.dtype(float)}:
        others.append(("float32", f, [x.astype(np.float32) for x in arrays]))
    yield from others if ALL or not others else [others[number % len(others)]]


def second(gradient: Callable[..., Any], arrays: list[Any]) -> Callable[..., Any]:
    """The gradient's derivative along a fixed direction: a Hessian's product."""
    rng = np.random.default_rng(5)
    along = tuple(direction(rng, x) for x in arrays)
    return lambda *xs: wg.jvp(gradient, xs, along)[1]


def stacked(arrays: list[Any], n: int) -> list[Any]:
    """`n` points near the row's, along a new axis in front."""
    rng = np.random.default_rng(7)
    return [
        np.stack([x + (1e-3 * k * direction(rng, x)).astype(x.dtype) for k in range(n)])
        if x.dtype.kind in "fc"
        else np.stack([x] * n)
        for x in arrays
    ]


def staged(f: Callable[..., Any], arrays: list[Any]) -> Graph | None:
    """The case as a graph; what can't be one is no business of the compiler."""
    try:
        graph: Graph = wg.trace(f, *arrays, values=True).optimize()
        return graph
    except Exception:
        return None


@pytest.mark.parametrize(
    ("number", "s"),
    list(enumerate(ROWS)),
    ids=[f"{i}-{s.name}" for i, s in enumerate(ROWS)],
)
def test_row(number: int, s: Scenario) -> None:
    failures = []
    for name, f, arrays in cases(number, s):
        with np.errstate(all="ignore"):
            graph = staged(f, arrays)
        if graph is None:
            continue
        try:
            check_compiled(graph, arrays, what=name)
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    assert not failures, "\n".join(failures)


def test_there_are_rows_for_all_cases() -> None:
    """So that a change of the tables can't make these tests pass by being empty."""
    assert len(ROWS) > 1200
    flat = [tree.flatten(s.args)[0] for s in ROWS]
    assert sum(s.vmap for s in ROWS) > 800
    assert sum(any(np.iscomplexobj(x) for x in leaves) for leaves in flat) > 20
