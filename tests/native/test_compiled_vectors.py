"""Every width of vector, with and without fused multiply-add: compiled = reference."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import check_compiled, check_function, compiled, gradient_of
from programs import seeded

import wengert as wg
from wengert.native import machine

LANES = {"128": 2, "256": 4, "512": 8}


@pytest.fixture(params=[(b, f) for b in LANES for f in (True, False)], ids=str)
def target(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, bool]:
    """Code for vectors of so many bits, and whether it may use a·b + c rounded once."""
    bits, fma = request.param
    if fma and not machine.has_fma():
        pytest.skip("this machine has no fused multiply-add")
    monkeypatch.setenv("WENGERT_VECTOR_BITS", bits)
    monkeypatch.setattr(machine, "has_fma", lambda: fma)
    return bits, fma


def many(x: Any, y: Any) -> Any:
    """Loops, folds, gathers, tails, products and functions."""
    e = np.exp(-x * x) * np.sin(y) + np.tanh(x * y) + np.log1p(x * x) ** 1.5
    return (
        e,
        np.sum(e, axis=0),
        np.sum(e, axis=1),
        np.max(e),
        e[1:, ::-2] * np.flip(e, 0)[:-1, ::2],
        e.T * y.T[::-1],
        e @ y.T,
        e[[0, -1, 0]] * y[0],
    )


@pytest.mark.parametrize("n", [1, 3, 8, 19, 33])
def test_all_kinds_of_loops(n: int, target: tuple[str, bool]) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, 33, n))
    check_function(many, x, y)
    check_function(many, *(v.astype(np.float32) for v in (x, y)))
    check_function(gradient_of(many, 2), x, y)


@pytest.mark.parametrize("seed", range(8))
def test_random_programs(seed: int, target: tuple[str, bool]) -> None:
    p = seeded(5000 + seed)
    inputs = p.inputs()
    rtol = 2e-3 if p.single else 1e-9
    functions: list[Callable[..., Any]] = [p, gradient_of(p, len(inputs))]
    for f in functions:
        with np.errstate(all="ignore"):
            graph = wg.trace(f, *inputs).optimize()
        check_compiled(graph, inputs, rtol, f"program {5000 + seed}")


def test_the_text_has_that_width(target: tuple[str, bool]) -> None:
    """And no wider one; a sum of products is fused only where the machine can."""
    bits, fma = target
    x = np.ones((8, 64))
    program = compiled(wg.trace(lambda x, v: (x * 3.0, np.einsum("ij,j->i", x, v)),
                                x, x[0] * 2.0))  # fmt: skip
    text = "\n".join(s.module.text for s in program.segments)  # type: ignore[union-attr]
    widths = {int(w) for w in re.findall(r"<(\d+) x double>", text)}
    assert max(widths) == LANES[bits]
    assert fma or "llvm.fma" not in text
