"""Random programs, and their gradients: compiled = reference.

`WENGERT_PROGRAMS=2000 pytest tests/native/test_compiled_random.py` for a long run.
"""

import os
from typing import Any

import numpy as np
import pytest
from compiled import check_compiled, gradient_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import EXTENTS, STEPS, Program, seeded

import wengert as wg
from wengert.graph.graph import Graph

COUNT = int(os.environ.get("WENGERT_PROGRAMS", "60"))
some = settings(
    max_examples=COUNT,
    derandomize="WENGERT_PROGRAMS" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
small = st.integers(0, 255)
programs = st.builds(
    Program,
    st.lists(
        st.lists(st.sampled_from(EXTENTS), max_size=3).map(
            lambda s: tuple(s) if np.prod(s) <= 3000 else tuple(s[:1])
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.lists(st.tuples(small, small, small, small), min_size=3, max_size=40).map(tuple),
    st.integers(1, 3),
    st.sampled_from([False, False, False, True]),
)


def rounding(p: Program) -> float:
    return 2e-3 if p.single else 1e-9


def staged(f: Any, inputs: list[Any], optimize: bool) -> Graph:
    with np.errstate(all="ignore"):
        graph = wg.trace(f, *inputs)
        return graph.optimize() if optimize else graph


@some
@given(programs, st.booleans())
def test_value(p: Program, optimize: bool) -> None:
    inputs = p.inputs()
    check_compiled(staged(p, inputs, optimize), inputs, rounding(p))


@some
@given(programs, st.booleans())
def test_gradient(p: Program, optimize: bool) -> None:
    inputs = p.inputs()
    check_compiled(
        staged(gradient_of(p, len(p.shapes)), inputs, optimize), inputs, rounding(p)
    )


@some
@given(programs, st.sampled_from([1, 3, 9]))
def test_mapped(p: Program, n: int) -> None:
    inputs = [np.stack([x * (1 - 0.01 * k) for k in range(n)]) for x in p.inputs()]
    inputs = [x.astype(np.float32 if p.single else float) for x in inputs]
    check_compiled(staged(wg.vmap(p), inputs, True), inputs, rounding(p))


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_value_and_gradient_together(start: int) -> None:
    """Both in one program, where they share what they can."""
    for seed in range(start, start + 10):
        p = seeded(seed)
        inputs = p.inputs()

        def both(*xs: Any, p: Program = p) -> Any:
            return p(*xs), gradient_of(p, len(p.shapes))(*xs)

        check_compiled(staged(both, inputs, True), inputs, rounding(p), f"seed {seed}")


def test_programs_use_every_step() -> None:
    """So that the programs above aren't all of one kind."""
    met: set[int] = set()
    kinds: set[str] = set()
    for seed in range(40):
        p = seeded(seed)
        met |= {which % len(STEPS) for which, *_ in p.steps}
        kinds |= {n.op.name for n in staged(p, p.inputs(), False).nodes}
    assert met == set(range(len(STEPS)))
    wanted = set("matmul index index_add index_set concatenate stack sum max".split())
    wanted |= set("prod transpose reshape flip where".split())
    assert wanted <= kinds, wanted - kinds
