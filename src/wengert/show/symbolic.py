"""Symbolic derivatives of scalar formulas, by SymPy where it is installed.

The formula is built from the graph, operation by operation; no text is parsed.
"""

import importlib.util
import math
from collections.abc import Callable
from typing import Any

from wengert.graph.graph import CONSTANT, INPUT, Node
from wengert.show.run import Run, inputs_of, op_of

_OPERATIONS = 40  # beyond which a formula says nothing to anybody
_LETTERS = 300


def available() -> bool:
    """Whether SymPy is installed."""
    return importlib.util.find_spec("sympy") is not None


def unfit(run: Run) -> str:
    """Why a graph has no formula for SymPy; "" if it has one."""
    if len(run.graph.outputs) != 1:
        return "there are several results"
    if any(n.type.shape or n.dtype.kind != "f" for n in run.active):
        return "SymPy is asked about formulas of real numbers only"
    operations = [n for n in run.shown if n.inputs]
    if len(operations) > _OPERATIONS:
        return f"there are more than {_OPERATIONS} operations"
    strange = sorted({n.op.name for n in operations} - set(_BUILD))
    return f"SymPy isn't asked about {', '.join(strange)}" if strange else ""


class Symbolic:
    """The result of a run as a SymPy expression of its inputs."""

    def __init__(self, run: Run) -> None:
        import sympy  # type: ignore[import-untyped, unused-ignore]

        self._sympy = sympy
        self._run = run
        self._symbols = {
            n: sympy.Symbol(run.name(n), real=True) for n in run.graph.inputs
        }
        built: dict[Node, Any] = {}
        for node in run.shown:
            built[node] = self._built(node, built)
        self._result = built[run.graph.outputs[0]]

    def _built(self, node: Node, built: dict[Node, Any]) -> Any:
        if node.op is INPUT:
            return self._symbols[node]
        if node.op is CONSTANT:
            value = float(node.params["value"])
            whole = math.isfinite(value) and value == int(value)
            return (
                self._sympy.Integer(int(value)) if whole else self._sympy.Float(value)
            )
        args = [built[i] for i in inputs_of(node)]
        return _BUILD[op_of(node)[0].name](self._sympy, *args)

    def derivative(self, node: Node) -> tuple[str, float] | None:
        """The formula of the derivative by an input and its value; None if too long."""
        found = self._sympy.diff(self._result, self._symbols[node])
        text = str(found)
        if len(text) > _LETTERS or found.has(self._sympy.Derivative):
            return None
        at = {s: float(self._run.values[n]) for n, s in self._symbols.items()}
        value = complex(self._sympy.N(found.subs(at)))
        return text, value.real if not value.imag else math.nan


def _function(name: str) -> Callable[..., Any]:
    return lambda sympy, *args: getattr(sympy, name)(*args)


_BUILD: dict[str, Callable[..., Any]] = {
    "add": lambda sympy, a, b: a + b,
    "subtract": lambda sympy, a, b: a - b,
    "multiply": lambda sympy, a, b: a * b,
    "divide": lambda sympy, a, b: a / b,
    "power": lambda sympy, a, b: a**b,
    "square": lambda sympy, a: a**2,
    "negative": lambda sympy, a: -a,
    "positive": lambda sympy, a: a,
    "reciprocal": lambda sympy, a: 1 / a,
    "absolute": _function("Abs"),
    "expm1": lambda sympy, a: sympy.exp(a) - 1,
    "log1p": lambda sympy, a: sympy.log(1 + a),
    "log2": lambda sympy, a: sympy.log(a, 2),
    "log10": lambda sympy, a: sympy.log(a, 10),
    "exp2": lambda sympy, a: 2**a,
    "hypot": lambda sympy, a, b: sympy.sqrt(a**2 + b**2),
    "maximum": _function("Max"),
    "minimum": _function("Min"),
    "cbrt": _function("cbrt"),
    "arctan2": _function("atan2"),
    **{name: _function(name) for name in "exp log sqrt sin cos tan sinh cosh".split()},
    "tanh": _function("tanh"),
    **{
        f"arc{name}": _function(f"a{name}")
        for name in "sin cos tan sinh cosh tanh".split()
    },
}
