"""What a formula on the command line may be made of."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Function(NamedTuple):
    """A function that a formula may call: how many arrays it takes, and its options."""

    call: Callable[..., Any]
    least: int
    most: int
    options: tuple[str, ...] = ()


_ONE = (
    "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 "
    "expm1 log log2 log10 log1p sqrt cbrt square reciprocal absolute abs negative sign "
    "floor ceil rint sinc deg2rad rad2deg real imag conjugate ravel transpose trace "
    "diag"
).split()
_TWO = (
    "add subtract multiply divide power maximum minimum fmax fmin hypot arctan2 "
    "logaddexp dot matmul outer inner remainder"
).split()
_REDUCING = "sum mean prod max min var std cumsum".split()

FUNCTIONS: dict[str, Function] = {
    **{name: Function(getattr(np, name), 1, 1) for name in _ONE},
    **{name: Function(getattr(np, name), 2, 2) for name in _TWO},
    **{
        name: Function(
            getattr(np, name),
            1,
            1,
            ("axis",) if name == "cumsum" else ("axis", "keepdims"),
        )
        for name in _REDUCING
    },
    "where": Function(np.where, 3, 3),
    "clip": Function(np.clip, 3, 3),
    "norm": Function(np.linalg.norm, 1, 1, ("axis", "keepdims")),
    "det": Function(np.linalg.det, 1, 1),
    "inv": Function(np.linalg.inv, 1, 1),
    "solve": Function(np.linalg.solve, 2, 2),
}
NUMBERS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.Mod: operator.mod,
}
UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
# What refused syntax is called.
WORDS = {
    ast.Lambda: "a function", ast.IfExp: "a choice with `if`", ast.Dict: "a dict",
    ast.Set: "a set", ast.List: "a list", ast.Tuple: "a tuple", ast.BoolOp: "`and` or "
    "`or`", ast.JoinedStr: "a text", ast.NamedExpr: "an assignment", ast.Await: "await",
    ast.ListComp: "a comprehension", ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension", ast.GeneratorExp: "a comprehension",
    ast.Starred: "a star", ast.Attribute: "an attribute", ast.Yield: "yield",
    ast.YieldFrom: "yield", ast.Slice: "a slice",
}  # fmt: skip
