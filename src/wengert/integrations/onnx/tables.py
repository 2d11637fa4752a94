"""What can be said in ONNX: directly, in terms of others, or not, and why."""

from wengert.core.op import OPS, Op
from wengert.integrations.onnx.composed import COMPOSED

# op → the ONNX operator that says it. An op may stand in COMPOSED as well, for the
# types that the operator lacks.
DIRECT: dict[str, str] = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div",
    "power": "Pow", "negative": "Neg", "positive": "Identity", "absolute": "Abs",
    "sign": "Sign", "sqrt": "Sqrt", "reciprocal": "Reciprocal",
    "maximum": "Max", "minimum": "Min",
    "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tanh": "Tanh",
    "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh",
    "floor": "Floor", "ceil": "Ceil", "rint": "Round", "trunc": "Identity",
    "isnan": "IsNaN",
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual",
    "greater": "Greater", "greater_equal": "GreaterOrEqual",
    "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
    "logical_not": "Not",
    "bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor", "invert": "BitwiseNot",
    "where": "Where", "astype": "Cast",
    "sum": "ReduceSum", "prod": "ReduceProd",
    "cumsum": "CumSum", "permute": "GatherElements, ScatterElements",
    "reshape": "Reshape", "transpose": "Transpose", "broadcast_to": "Expand",
    "flip": "Slice", "concatenate": "Concat", "index": "Slice",
    "matmul": "MatMul", "einsum": "Einsum", "det": "Det",
}  # fmt: skip

_DECOMPOSITION = "ONNX has no matrix decompositions"
_LINEAR_SYSTEM = "ONNX solves no linear systems"
_NO_OPERATOR = "ONNX has no operator for it"
REFUSED: dict[str, str] = {
    "nextafter": _NO_OPERATOR, "spacing": _NO_OPERATOR, "gcd": _NO_OPERATOR,
    "lcm": _NO_OPERATOR, "bitwise_count": _NO_OPERATOR, "bessel_i": _NO_OPERATOR,
    "frexp_exponent": _NO_OPERATOR, "unwrap": _NO_OPERATOR,
    "isnat": "ONNX has no dates",
    "left_shift": "ONNX shifts unsigned integers only",
    "right_shift": "ONNX shifts unsigned integers only",
    "segment_sum": "its segments depend on values",
    "segment_spread": "its segments depend on values",
    "solve_triangular": _LINEAR_SYSTEM, "solve": _LINEAR_SYSTEM, "inv": _LINEAR_SYSTEM,
    "lstsq": _LINEAR_SYSTEM, "pinv": _LINEAR_SYSTEM,
    "cholesky": _DECOMPOSITION, "eigh": _DECOMPOSITION, "eig": _DECOMPOSITION,
    "qr": _DECOMPOSITION, "svd": _DECOMPOSITION, "adjugate": _DECOMPOSITION,
    "slogdet": _DECOMPOSITION,
}  # fmt: skip


_BY_MEANING = {op.evaluate: op for op in reversed(OPS.values())}


def meaning(op: Op) -> Op | None:
    """The op of ours that computes the same (`override` changes a derivative only)."""
    ours = OPS.get(op.name)
    if ours is not None and ours.evaluate is op.evaluate:
        return ours
    return _BY_MEANING.get(op.evaluate)


def why_not(op: Op | None) -> str:
    """Why an op can't be said; None is an op that isn't ours."""
    if op is None:
        return "a function with a rule of its own, whose steps aren't in the graph"
    return REFUSED.get(op.name, _NO_OPERATOR)


def rows() -> list[tuple[str, str, str]]:
    """(op, how it is said, note) for each op, by name; the table of the docs."""
    found = []
    for name in sorted({*DIRECT, *COMPOSED, *REFUSED}):
        how = [f"`{s}`" for s in DIRECT.get(name, "").split(", ") if s]
        note = REFUSED.get(name, "")
        if name in COMPOSED:
            how.append("composed")
            note = COMPOSED[name].note
        found.append((name, ", ".join(how) or "—", note))
    return found
