"""Each example runs, and the numbers that it claims are true."""

import doctest
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wengert as wg

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


def load(name: str) -> ModuleType:
    """The example as a module; examples are scripts, not a package."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_a_script(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_what_the_readme_shows_is_true() -> None:
    readme = EXAMPLES.parent / "README.md"
    result = doctest.testfile(
        str(readme), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert result.attempted > 15
    assert result.failed == 0


def test_every_example_is_known_here() -> None:
    tested = "classifier_graph course_summary forward_and_reverse nonconvex_descent "
    assert sorted((tested + "sigmoid three_ways").split()) == NAMES


def test_classifier_graph(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = load("classifier_graph").main()
    said = capsys.readouterr().out
    assert accuracy >= 0.99
    assert "f64[200,10]" in said
    assert "tanh" in said


def test_course_summary(capsys: pytest.CaptureFixture[str]) -> None:
    module = load("course_summary")
    v1 = 0.5
    found = module.main()
    assert found["v4"] == 1.0
    assert found["v3"] == found["v4"]
    assert found["v2"] == found["v3"] * v1 + found["v4"] == 1.5
    assert found["v1"] == pytest.approx((2 + v1) * np.exp(v1), rel=1e-15)

    said = capsys.readouterr().out
    for row in ("v2 = exp(v1)", "v3 = multiply(v1, v2)", "v4 = add(v2, v3)"):
        assert row in said
    extended = wg.trace(wg.grad(module.y), v1)
    for other in (-3.0, 0.0, 2.0):
        assert extended(other) == pytest.approx((2 + other) * np.exp(other), rel=1e-15)


def test_forward_and_reverse() -> None:
    found = load("forward_and_reverse").main()
    x1, x2, _x3 = 0.3, 0.5, 2.0
    inner = np.cos(x1 + x2)
    slope = -2 * np.sin(inner) * np.cos(inner) * np.sin(x1 + x2)
    assert found["forward"] == pytest.approx([slope, slope, 1.0], rel=1e-15)
    assert found["reverse"] == pytest.approx([slope, slope, 1.0], rel=1e-15)
    assert found["stages"] == (9, 5)
    assert found["elementary"] == (11, 7)


def test_sigmoid() -> None:
    module = load("sigmoid")
    w, a, b = 2.0, 0.5, -0.25
    found = module.main()
    s = 1 / (1 + np.exp(-(w * a + b)))
    slope = s * (1 - s)
    expected: dict[str, Any] = {
        "a'": 1.0,
        "t5": -(s**2),
        "t4": -(s**2),
        "t3": -slope,
        "t2": slope,
        "t1": slope,
        "w": slope * a,
        "a": slope * w,
        "b": slope,
    }
    assert found == pytest.approx(expected, rel=1e-14)
    gradient = wg.grad(module.sigmoid, argnums=(0, 1, 2))(w, a, b)
    assert list(gradient) == pytest.approx([found[k] for k in "wab"], rel=1e-14)


def test_nonconvex_descent() -> None:
    module = load("nonconvex_descent")
    found = module.main()
    hollows = set()
    for heights, slope in found.values():
        assert heights[-1] < heights[0]
        assert slope < 1e-10
        hollows.add(round(heights[-1], 6))
    assert len(hollows) == 3
    # Both branches, and the loop run a different number of times.
    for x in ([3.0, -2.5], [2.2, 0.4], [1.0, 1.0], [0.45, 0.3]):
        wg.check_grads(module.bumpy, (np.array(x),), order=1)


def test_three_ways(capsys: pytest.CaptureFixture[str]) -> None:
    table = load("three_ways").main()
    for column in table.values():
        assert column["automatic"] < 1e-14
        assert column["central difference"] > 1e-13
        assert column["forward difference"] > column["central difference"]
    swollen = table["logistic_map"]
    assert swollen["operations in the formula"] > 1000
    assert swollen["operations in the graph"] == 24
    assert "7.01 by δ = 0.01, 7.0 automatically" in capsys.readouterr().out
