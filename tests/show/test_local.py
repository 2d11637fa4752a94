"""Local derivatives in symbols: what is printed is the formula that computes.

Each printed symbol is read back by the parser of formulas and evaluated: it must give
the number that the rule gives.
"""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert.show.expression import Expression

UNARY = [
    np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sin, np.cos,
    np.tan, np.sinh, np.cosh, np.tanh, np.arcsin, np.arccos, np.arctan, np.arcsinh,
    np.arctanh, np.sqrt, np.cbrt, np.square, np.reciprocal, np.absolute, np.negative,
    np.positive, np.deg2rad, np.rad2deg,
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.hypot, np.arctan2,
    np.logaddexp, np.logaddexp2, np.maximum, np.minimum, np.fmax,
]  # fmt: skip


def last_steps(f: Any, *args: Any) -> Any:
    story = wg.explain(f, *args).story()
    values = {n["name"]: n["value"]["small"] for n in story["nodes"]}
    return [s for s in story["backward"] if s["from"] is not None], values


def check(step: Any, values: dict[str, Any]) -> None:
    formula = Expression(step["local"]["symbol"])
    found = formula(*(values[name] for name in formula.names))
    assert_allclose(found, step["local"]["value"]["small"], rtol=1e-5)


@pytest.mark.parametrize("f", UNARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.3, 0.8])
def test_one_argument(f: Any, x: float) -> None:
    (step,), values = last_steps(lambda x: f(x), x)
    check(step, values)


@pytest.mark.parametrize("f", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("at", [(0.3, 0.8), (1.7, 0.4)])
def test_two_arguments(f: Any, at: tuple[float, float]) -> None:
    steps, values = last_steps(lambda a, b: f(a, b), *at)
    assert len(steps) == 2
    for step in steps:
        check(step, values)


SYMBOLS: list[tuple[Any, list[str]]] = [
    (lambda x: np.exp(x), ["l0"]),
    (lambda x: x**3, ["3*x**2"]),
    (lambda x: x**-1.5, ["-1.5*x**(-2.5)"]),
    (lambda x: 2 / x, ["-l0/x"]),
    (lambda x: x / 4, ["0.25"]),
    (lambda x: np.sin(x), ["cos(x)"]),
    (lambda x: np.cos(x), ["-sin(x)"]),
    (lambda x: np.sqrt(x), ["0.5/l0"]),
    (lambda x: np.tanh(x), ["1/cosh(x)**2"]),
    (lambda x: np.log(x), ["1/x"]),
    (lambda x: x * -2.0, ["-2"]),
    (lambda x: np.maximum(x, 0.0), ["1"]),
    (lambda x: np.minimum(x, 0.0), ["0"]),
    (lambda x: np.where(x > 0, x, 1.0), ["ȳ"]),
]


@pytest.mark.parametrize(("f", "symbols"), SYMBOLS, ids=lambda s: str(s)[:20])
def test_symbols(f: Any, symbols: list[str]) -> None:
    steps, _ = last_steps(f, 0.7)
    assert [s["local"]["symbol"] for s in steps] == symbols


def test_sums_behind_a_product_have_brackets() -> None:
    story = wg.explain(lambda x, y: np.arctan(x) * np.arctanh(y), 0.3, 0.4).story()
    texts = [s["text"] for s in story["backward"]]
    assert "x.grad += l0.grad * 1/(1 + x**2)" in texts
    assert "y.grad += l1.grad * 1/(1 - y**2)" in texts


def test_a_question_is_answered_by_the_values() -> None:
    steps, _ = last_steps(lambda a, b: np.maximum(a, b), 1.0, 2.0)
    assert [s["local"]["symbol"] for s in steps] == ["0", "1"]
    steps, _ = last_steps(lambda a, b: np.maximum(a, b), 2.0, 2.0)
    assert [s["local"]["symbol"] for s in steps] == ["0.5", "0.5"]
    x = np.array([1.0, 3.0])
    steps, _ = last_steps(lambda a, b: np.sum(np.maximum(a, b)), x, np.full(2, 2.0))
    assert steps[1]["text"] == "a.grad += l0.grad * ~(a < b)"


def test_custom_rules_are_named() -> None:
    @wg.custom_vjp
    def twice(x: Any) -> Any:
        return 2.0 * x

    twice.defvjp(lambda x: (twice(x), None), lambda _, ct: (ct * 2.0,))
    story = wg.explain(lambda x: twice(x) * 3.0, 1.0).story()
    assert story["backward"][-1]["text"].startswith("x.grad += ")
    assert story["backward"][-1]["after"]["small"] == 6.0


def test_long_rules_are_named_and_not_written_out() -> None:
    story = wg.explain(lambda a: np.linalg.eigh(a)[0][0], np.diag([1.0, 2.0])).story()
    assert story["backward"][-1]["text"] == "a.grad += vjp(eigh[0], l0.grad)"
