"""Formulas: what is allowed computes as Python would; nothing else gets through."""

import ast
import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import wengert as wg
from wengert.show import expression, vocabulary
from wengert.show.expression import Expression, ExpressionError

A = np.array([[1.0, 2.0], [3.0, 5.0]])
V = np.array([0.5, -1.5])

ALLOWED: dict[str, tuple[dict[str, Any], Any]] = {
    "(w*x - y)**2 + w**2": ({"w": 1.0, "x": 2.0, "y": 3.0}, 2.0),
    "-x + +x - -2": ({"x": 3.0}, 2.0),
    "x % 2 + 7 / x": ({"x": 5.0}, 2.4),
    "2**-1": ({}, 0.5),
    "1e3 + .5 + 1_000": ({}, 2000.5),
    "pi + e": ({}, math.pi + math.e),
    "e * 2": ({"e": 5.0}, 10.0),
    "sin(x) + np.cos(x) + numpy.exp(x)": (
        {"x": 0.3},
        math.sin(0.3) + math.cos(0.3) + math.exp(0.3),
    ),
    "A @ v": ({"A": A, "v": V}, A @ V),
    "A.T @ v": ({"A": A, "v": V}, A.T @ V),
    "v[0] * v[-1]": ({"v": V}, -0.75),
    "A[0, 1] + A[1:, :][0, 0]": ({"A": A}, 5.0),
    "v[:, None] * v": ({"v": V}, np.outer(V, V)),
    "A[..., ::-1]": ({"A": A}, A[:, ::-1]),
    "sum(A, axis=0, keepdims=True)": ({"A": A}, A.sum(axis=0, keepdims=True)),
    "sum(A, axis=(0, -1))": ({"A": A}, 11.0),
    "mean(A) + max(v) + linalg.norm(v)": (
        {"A": A, "v": V},
        A.mean() + 0.5 + np.linalg.norm(V),
    ),
    "np.linalg.solve(A, v)": ({"A": A, "v": V}, np.linalg.solve(A, V)),
    "where(v > 0, v, v**2)": ({"v": V}, np.array([0.5, 2.25])),
    "clip(v, -1, 1)": ({"v": V}, np.array([0.5, -1.0])),
    "1j * x": ({"x": 2.0}, 2j),
    " x ": ({"x": 2.0}, 2.0),
    "10**10**10": ({}, math.inf),
    "é * β": ({"é": 2.0, "β": 3.0}, 6.0),
    "where(x == 1, 2, 3) + where(x != 1, 2, 3) + where(x <= 1, 2, 3)": (
        {"x": 1.0},
        7.0,
    ),
}


@pytest.mark.parametrize("text", ALLOWED)
def test_what_is_allowed_computes(text: str) -> None:
    values, expected = ALLOWED[text]
    f = Expression(text, list(values))
    assert f.names == tuple(values)
    assert_allclose(f(*values.values()), expected, rtol=1e-14)


def test_formulas_differentiate() -> None:
    f = Expression("(w*x - y)**2 + w**2", ["w", "x", "y"])
    assert wg.grad(f, argnums=(0, 1, 2))(1.0, 2.0, 3.0) == (-2.0, -2.0, 2.0)
    assert list(inspect.signature(f).parameters) == ["w", "x", "y"]


def test_names_in_order_of_appearance() -> None:
    assert set(Expression("b*a + pi").names) == {"a", "b"}


REFUSED = [
    ("open('x')", "open(…)", 1),
    ("__import__('os').system('true')", "….system(…)", 1),
    ("x.__class__", "an attribute", 1),
    ("(1).real", "an attribute", 1),
    ("x + y.imag", "an attribute", 5),
    ("lambda: 1", "a function", 1),
    ("[1, 2]", "a list", 1),
    ("x * (1, 2)", "a tuple", 5),
    ("x if x else 1", "a choice with `if`", 1),
    ("x^2", "the operator ^ (a power is **)", 1),
    ("x // 2", "the operator //", 1),
    ("~x", "the operator ~", 1),
    ("not x", "the operator not", 1),
    ("'a'*3", "'a'", 1),
    ("x + True", "True", 5),
    ("1 + None", "None", 5),
    ("f'{x}'", "a text", 1),
    ("[i for i in x]", "a comprehension", 1),
    ("(x for x in y)", "a comprehension", 1),
    ("{x: 1}", "a dict", 1),
    ("(x := 2)", "an assignment", 2),
    ("x and y", "`and` or `or`", 1),
    ("x < y < 1", "a chain, or `in` or `is`", 1),
    ("x in y", "a chain, or `in` or `is`", 1),
    ("sin(*x)", "a star", 5),
    ("sin(**x)", "**=", 1),
    ("sin(x, out=x)", "out=", 1),
    ("sin()", "0", 1),
    ("sin(x, y)", "2", 1),
    ("sum(x, axis=y)", "y", 1),
    ("sum(x, axis=1.5)", "1.5", 1),
    ("x[y]", "y", 1),
    ("x[0.5]", "0.5", 1),
    ("np.random.rand(3)", "….rand(…)", 1),
    ("np.sin", "an attribute", 1),
    ("os.sin(x)", "….sin(…)", 1),
    ("f(x)(1)", "behind what is no name", 1),
    ("(x + 1)(x)", "behind what is no name", 1),
    ("__debug__", "__debug__", 1),
    ("9" * 301, "a larger one", 1),
    ("x + [1]", "a list", 5),
    ("é + [1]", "a list", 5),
    ("1 +", "invalid syntax", None),
    ("x; y", "invalid syntax", 2),
    ("x = 1", "invalid syntax", None),
    ("import os", "invalid syntax", None),
    ("", "invalid syntax", 1),
    ("(" * 300 + "x" + ")" * 300, "too many nested parentheses", None),
    ("-" * 600 + "x", "more", None),
    ("x\0", "null bytes", None),
]


@pytest.mark.parametrize(
    ("text", "came", "letter"), REFUSED, ids=lambda x: str(x)[:24].replace("\0", "0")
)
def test_everything_else_is_refused(text: str, came: str, letter: int | None) -> None:
    with pytest.raises(ExpressionError) as error:
        Expression(text)
    said = str(error.value)
    assert came in said
    assert "\n  Do:   " in said
    if letter is not None:
        assert f"at letter {letter}\n" in said
        lines = said.splitlines()
        mark = next(line for line in lines if line.strip() == "^")
        assert mark.index("^") == 10 + letter - 1


def test_a_long_formula_is_refused() -> None:
    with pytest.raises(ExpressionError, match="at most 2000 letters"):
        Expression("x" + "+x" * 1000)


def test_names_without_values_and_values_without_names() -> None:
    with pytest.raises(ExpressionError, match=r"y, z without one(.|\n)*add y=1 z=1"):
        Expression("x*y*z", ["x"])
    with pytest.raises(ExpressionError, match="a value for q, which isn't in it"):
        Expression("x", ["x", "q"])


def test_a_long_sum_needs_no_recursion() -> None:
    f = Expression("x" + "+x" * 400)
    assert f(1.0) == 401.0


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet="xy0123.+-*/()[]:,@ '\"{}=<>!~^%&|#_\\abelmniosp\n", max_size=40)
)
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        f = Expression(text)
    except ExpressionError:
        return
    assert all(name.isidentifier() for name in f.names)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_arithmetic_is_python_s(data: st.DataObject) -> None:
    """Random formulas of + − * / and signs, against Python's own arithmetic."""
    leaf = st.sampled_from(["x", "y", "2", "0.5"])
    formulas = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(
                lambda t: f"({t[0]} {t[1]} {t[2]})"
            ),
            inner.map(lambda t: f"-{t}"),
        ),
        max_leaves=12,
    )
    text = data.draw(formulas)
    values = {"x": 1.25, "y": -0.75}
    f = Expression(text)
    expected = _arithmetic(text, values)
    assert f(*(values[n] for n in f.names)) == expected


def _arithmetic(text: str, values: dict[str, float]) -> float:
    signs = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__"}

    def walk(node: Any) -> float:
        if isinstance(node, ast.BinOp):
            result: float = getattr(walk(node.left), signs[type(node.op)])(
                walk(node.right)
            )
            return result
        if isinstance(node, ast.UnaryOp):
            return -walk(node.operand)
        return values[node.id] if isinstance(node, ast.Name) else float(node.value)

    return walk(ast.parse(text, mode="eval").body)


def test_nothing_evaluates_text() -> None:
    """The words themselves don't stand in the two files."""
    for module in (expression, vocabulary):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (
                isinstance(called, ast.Name)
                and called.id in ("eval", "exec", "compile", "getattr", "__import__")
                and module is expression
            )


def test_every_listed_function_runs() -> None:
    for name, function in vocabulary.FUNCTIONS.items():
        square = name in ("det", "inv", "trace", "diag", "solve", "dot", "matmul")
        x = np.array([1.25, 1.5]) if name == "arccosh" else np.array([0.25, 0.5])
        arrays = [np.abs(A) / 6 if square else x] * function.least
        assert np.isfinite(np.real(function.call(*arrays))).all(), name
