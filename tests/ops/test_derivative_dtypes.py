"""Derivatives of float32 functions are computed in float32."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree
from wengert.graph.graph import Graph
from wengert.graph.stage import trace
from wengert.testing import Scenario

WIDE = (np.dtype("f8"), np.dtype("c16"))
HERE = Path(__file__)


def tables() -> Iterator[tuple[str, list[Scenario]]]:
    """The rows of each file beside this one that has some."""
    for path in sorted(HERE.parent.rglob("test_*.py")):
        if path == HERE:
            continue
        name = "dtypes_of_" + "_".join(path.relative_to(HERE.parent).parts)[:-3]
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        lists = [v for v in vars(module).values() if isinstance(v, list | tuple)]
        rows = {id(s): s for v in lists for s in v if isinstance(s, Scenario)}
        if rows:
            yield name, [*rows.values()]


TABLES = dict(tables())


def narrowed(x: Any) -> Any:
    x = np.asarray(x)
    return x.astype({"f8": "f4", "c16": "c8"}.get(x.dtype.str[1:], x.dtype))[()]


def derivatives(s: Scenario) -> tuple[list[Any], list[Callable[..., Any]]]:
    """The row's arguments in single precision, its value, pullback and tangents."""
    leaves, spec = tree.flatten(s.args)
    narrow = [narrowed(x) for x in leaves]
    which = [i for i, x in enumerate(narrow) if x.dtype.kind in "fc"]

    def flat(*xs: Any) -> list[Any]:
        return list(tree.flatten(s.f(*tree.unflatten(spec, list(xs))))[0])

    def part(xs: Any) -> tuple[Callable[..., Any], list[Any]]:
        def f(*some: Any) -> list[Any]:
            full = list(xs)
            for i, x in zip(which, some, strict=True):
                full[i] = x
            return [y for y in flat(*full) if y.dtype.kind in "fc"]

        return f, [xs[i] for i in which]

    def pulled(*xs: Any) -> Any:
        f, some = part(xs)
        ys, pull = wg.vjp(f, *some)
        return pull([y * 0 + 1 for y in ys])

    def pushed(*xs: Any) -> Any:
        f, some = part(xs)
        return wg.jvp(f, tuple(some), tuple(x * 1 for x in some))[1]

    return narrow, [flat, *([pulled, pushed] if which else [])]


def wide(graph: Graph) -> list[str]:
    """The steps with a result in double precision."""
    return [
        f"{n.op.name} at {n.line}"
        for n in graph.nodes
        if n.inputs and not n.op.multiple and n.dtype in WIDE
    ]


@pytest.mark.parametrize("name", TABLES)
def test_no_derivative_is_wider_than_its_function(name: str) -> None:
    found, seen = [], 0
    for s in TABLES[name]:
        arrays, (flat, *others) = derivatives(s)
        if not any(np.asarray(x).dtype in WIDE for x in tree.flatten(s.args)[0]):
            continue
        try:
            with np.errstate(all="ignore"):
                value = trace(flat, *arrays, values=True)
                graphs = [trace(f, *arrays, values=True) for f in others]
        except Exception:
            if s.float32:
                raise
            continue  # the row asks for double precision
        if wide(value):
            continue  # the function itself asks for it
        seen += 1
        found += [(s.name, w) for g in graphs for w in wide(g)]
    assert not found
    assert seen or not any(s.float32 for s in TABLES[name])
