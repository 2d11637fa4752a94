"""Levels of optimisation: other code, the same results."""

import numpy as np
import pytest

import wengert as wg


def model(params: dict[str, np.ndarray], x: np.ndarray) -> float:
    hidden = np.tanh(x @ params["w"] + params["b"])
    scaled = hidden / (1e-3 + np.sqrt(np.mean(hidden**2, axis=1, keepdims=True)))
    return np.sum(np.log1p(np.exp(scaled))) * 0.1 - np.sum(np.abs(params["w"]) / 3.0)


RNG = np.random.default_rng(0)
PARAMS = {"w": RNG.standard_normal((7, 5)), "b": RNG.standard_normal(5)}
X = RNG.standard_normal((9, 7))


@pytest.mark.parametrize("level", [0, 2, 3])
def test_results_are_the_same_to_the_last_bit(level: int) -> None:
    usual = wg.jit(wg.value_and_grad(model))
    other = wg.jit(wg.value_and_grad(model), level=level)
    (value, slope), (expected, wanted) = other(PARAMS, X), usual(PARAMS, X)
    assert value == expected
    for name, array in wanted.items():
        np.testing.assert_array_equal(slope[name], array)


def test_each_level_makes_code_of_its_own() -> None:
    sizes = set()
    for level in (0, 1, 3):
        f = wg.jit(wg.grad(model), level=level)
        f(PARAMS, X)
        (path,) = f.report().paths
        assert path.level == level
        assert not path.cached
        sizes.add(path.bytes)
    assert len(sizes) == 3


def test_the_report_names_a_level_that_was_asked_for() -> None:
    f, g = wg.jit(model, level=2), wg.jit(model)
    f(PARAMS, X), g(PARAMS, X)
    assert "native level 2" in str(f.report())
    assert "native level" not in str(g.report())


def test_the_level_holds_for_its_derivatives_too() -> None:
    f = wg.jit(model, level=0)
    f(PARAMS, X)
    slope = wg.grad(f)(PARAMS, X)
    expected = wg.grad(wg.jit(model))(PARAMS, X)
    np.testing.assert_array_equal(slope["w"], expected["w"])


@pytest.mark.parametrize("level", [4, -1, True, "fast", 1.5, 2.0])
def test_other_levels_are_refused(level: object) -> None:
    with pytest.raises(wg.WengertError, match="level is 0, 1, 2 or 3"):
        wg.jit(model, level=level)


def test_a_decorator_takes_it() -> None:
    @wg.jit(level=0)
    def double(x: float) -> float:
        return 2.0 * x

    assert double(np.float64(4.0)) == 8.0
    (path,) = double.report().paths
    assert path.level == 0
