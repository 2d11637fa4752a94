"""Numerical, symbolic and automatic differentiation of the same functions.

The truth is SymPy's derivative at 50 digits. Finite differences lose half of the
digits; symbolic differentiation is exact, and its expressions swell; automatic
differentiation is as exact at the price of a few evaluations of the function.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

import wengert as wg

Function = Callable[[Any, Any], Any]  # of x, and of the module with sin, exp, …


def quadratic(x: Any, m: Any) -> Any:
    """The tutorial's x² + 3x + 1, whose derivative at 2 is 7."""
    return x**2 + 3 * x + 1


def waves(x: Any, m: Any) -> Any:
    """sin(cos x)² + x."""
    return m.sin(m.cos(x)) ** 2 + x


def growth(x: Any, m: Any) -> Any:
    """exp x + x·exp x."""
    return m.exp(x) + x * m.exp(x)


def logistic_map(x: Any, m: Any) -> Any:
    """Six steps of x ← 3.7·x·(1 − x), where formulas swell."""
    for _ in range(6):
        x = 37 * x * (1 - x) / 10
    return x


CASES: list[tuple[Function, float]] = [
    (quadratic, 2.0),
    (waves, 0.7),
    (growth, 1.5),
    (logistic_map, 0.3),
]


def symbolic(f: Function) -> tuple[Any, Any]:
    """SymPy's variable, and the derivative as a formula in it."""
    x = sympy.Symbol("x")
    return x, sympy.diff(f(x, sympy), x)


def errors(f: Function, x: float) -> dict[str, float]:
    """The relative error of each way at x, and the size of the formula."""
    symbol, formula = symbolic(f)
    exact = formula.subs(symbol, sympy.Rational(x)).evalf(50)

    def wrong_by(value: float) -> float:
        return float(abs(sympy.Float(float(value), 50) - exact) / abs(exact))

    forward_h, central_h = 1e-8, 1e-5  # near the best that each formula can do
    ahead, behind = f(x + central_h, np), f(x - central_h, np)
    return {
        "forward difference": wrong_by((f(x + forward_h, np) - f(x, np)) / forward_h),
        "central difference": wrong_by((ahead - behind) / (2 * central_h)),
        "symbolic": wrong_by(sympy.lambdify(symbol, formula, "numpy")(x)),
        "automatic": wrong_by(wg.grad(lambda x: f(x, np))(x)),
        "operations in the formula": int(sympy.count_ops(formula)),
        "operations in the graph": sum(
            1 for node in wg.trace(lambda x: f(x, np), x).nodes if node.inputs
        ),
    }


def main() -> dict[str, dict[str, float]]:
    """Prints the table of errors and sizes, and returns it by function."""
    table = {f.__name__: errors(f, x) for f, x in CASES}
    print(f"{'relative error':26}" + "".join(f"{name:>14}" for name in table))
    for row in next(iter(table.values())):
        shape = "14d" if row.startswith("operations") else "14.1e"
        cells = (format(column[row], shape) for column in table.values())
        print(f"{row:26}" + "".join(cells))

    delta = 0.01
    secant = (quadratic(2.0 + delta, np) - quadratic(2.0, np)) / delta
    exact = wg.grad(lambda x: quadratic(x, np))(2.0)
    print(f"\nx² + 3x + 1 at 2: {secant:.2f} by δ = {delta}, {exact} automatically")
    return table


if __name__ == "__main__":
    main()
