"""One rule per op that ONNX has an operator for: `rule(writer, node) -> name`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.types import promoted
from wengert.graph.graph import CONSTANT, Node
from wengert.integrations.onnx.errors import Unsayable
from wengert.integrations.onnx.kernels import computing
from wengert.integrations.onnx.tables import DIRECT
from wengert.integrations.onnx.writer import Writer

Rule = Callable[[Writer, Node], str]
_INT = np.dtype(np.int64)
_BOOL = np.dtype(bool)
_BEFORE_ALL = -(2**63)  # where a slice with a negative step ends, if it takes the first


def _common(node: Node) -> Any:
    return promoted(tuple(i.type for i in node.inputs))


# Elementwise --------------------------------------------------------------------------


def _arithmetic(w: Writer, node: Node) -> str:
    """In the result's dtype."""
    dtype = node.dtype
    operator = DIRECT[node.op.name]
    if operator in ("Reciprocal", "Div", "Pow") and dtype.kind != "f":
        raise Unsayable(f"{operator} of integers differs from NumPy's")
    args = [_factor(w, i, node) for i in node.inputs]
    return w.compute(operator, dtype, args)


def _factor(w: Writer, x: Node, node: Node) -> str:
    """An argument of arithmetic; a number beside a float64 product as a vector.

    onnxruntime joins MatMul with a number that it is multiplied with or divided by,
    and keeps that number in float32, which costs half of the digits. It takes single
    numbers only, so a vector is safe; `_matmul` sees to results of one element.
    """
    if not (w.double_products and x.op is CONSTANT and x.type.size == 1):
        return w.argument(x, node.dtype)
    if node.op.name not in ("multiply", "divide") or node.dtype != np.float64:
        return w.argument(x, node.dtype)
    long = [i for i, n in enumerate(node.shape) if n > 1][-1:]
    shape = tuple(n if i in long else 1 for i, n in enumerate(node.shape))
    shape = shape[long[0] :] if long else ()
    value = np.asarray(x.params["value"], np.float64).reshape(())
    return w.constant(np.broadcast_to(value, shape), uniform=False)


def _comparison(w: Writer, node: Node) -> str:
    """In the arguments' common dtype."""
    dtype = _common(node)
    args = [w.argument(i, dtype) for i in node.inputs]
    operator = DIRECT[node.op.name]
    return w.compute(operator, dtype, args, result=_BOOL)


def _logic(w: Writer, node: Node) -> str:
    args = [w.argument(i, _BOOL) for i in node.inputs]
    return w.compute(DIRECT[node.op.name], _BOOL, args)


def _bits(w: Writer, node: Node) -> str:
    """The logical operator, where NumPy's bits are booleans."""
    dtype = node.dtype
    operator = DIRECT[node.op.name]
    if dtype == _BOOL:
        operator = operator.removeprefix("Bitwise")
    return w.compute(operator, dtype, [w.argument(i, dtype) for i in node.inputs])


def _rounding(w: Writer, node: Node) -> str:
    """Integers are whole already."""
    if node.dtype.kind != "f":
        return w.argument(node.inputs[0], node.dtype)
    return _arithmetic(w, node)


def _where(w: Writer, node: Node) -> str:
    condition, a, b = node.inputs
    inner = node.dtype
    args = [w.argument(i, inner) for i in (a, b)]
    return _chosen(w, inner, w.argument(condition, _BOOL), args)


def _chosen(w: Writer, dtype: Any, condition: str, args: list[str]) -> str:
    inner = computing("Where", dtype, w.casts)
    args = [w.cast(a, dtype, inner) for a in args]
    return w.cast(w.emit("Where", [condition, *args]), inner, dtype)


def _astype(w: Writer, node: Node) -> str:
    (x,) = node.inputs
    return w.argument(x, node.dtype)


# Reductions ---------------------------------------------------------------------------


def _reduction(w: Writer, node: Node) -> str:
    (x,), axis = node.inputs, node.params["axis"]
    name = w.argument(x, node.dtype)
    if not axis:
        return name
    return w.compute(
        DIRECT[node.op.name], node.dtype, [name], static=[w.shape(axis)],
        keepdims=int(node.params["keepdims"]),
    )  # fmt: skip


def _reduce(w: Writer, node: Node) -> str:
    (x,) = node.inputs
    axes = w.shape(node.params["axis"])
    return _through(w, node.params["kind"], x, [axes], keepdims=1)


def _through(w: Writer, operator: str, x: Node, static: list[str], **attrs: Any) -> str:
    return w.compute(operator, x.dtype, [w.argument(x)], static=static, **attrs)


def _place(w: Writer, node: Node) -> str:
    (x,), p = node.inputs, node.params
    return w.compute(
        p["kind"], x.dtype, [w.argument(x)], result=_INT, axis=p["axis"], keepdims=1
    )


def _cumsum(w: Writer, node: Node) -> str:
    name = w.argument(node.inputs[0], node.dtype)
    axis = w.shape(node.params["axis"])
    return w.compute("CumSum", node.dtype, [name], static=[axis])


# Orders -------------------------------------------------------------------------------


def _order(w: Writer, node: Node) -> str:
    (x,), axis = node.inputs, node.params["axis"]
    inner = computing("TopK", x.dtype, w.casts)
    name = w.cast(w.argument(x), x.dtype, inner)
    inputs = [name, w.shape([x.shape[axis]])]
    found: str = w.emit("TopK", inputs, 2, axis=axis, largest=0, sorted=1)[1]
    return found


def _permute(w: Writer, node: Node) -> str:
    x, order = node.inputs
    axis, places = node.params["axis"], w.argument(order, _INT)
    if not node.params["inverse"]:
        return w.compute(
            "GatherElements", x.dtype, [w.argument(x)], static=[places], axis=axis
        )
    kept = w.argument(x)
    name: str = w.emit("ScatterElements", [kept, places, kept], axis=axis)
    return name


# Layout -------------------------------------------------------------------------------


def _reshape(w: Writer, node: Node) -> str:
    return _through(w, "Reshape", node.inputs[0], [w.shape(node.shape)])


def _transpose(w: Writer, node: Node) -> str:
    axes = node.params["axes"]
    if tuple(axes) == tuple(range(len(axes))):
        return w.argument(node.inputs[0])
    return _through(w, "Transpose", node.inputs[0], [], perm=list(axes))


def _broadcast_to(w: Writer, node: Node) -> str:
    return _through(w, "Expand", node.inputs[0], [w.shape(node.shape)])


def _flip(w: Writer, node: Node) -> str:
    (x,) = node.inputs
    axes = [a % len(x.shape) for a in node.params["axis"]]
    steps = [(a, x.shape[a] - 1, _BEFORE_ALL, -1) for a in axes]
    return _sliced(w, x, steps)


def _sliced(w: Writer, x: Node, steps: list[tuple[int, int, int, int]]) -> str:
    """Slices as (axis, start, end, step)."""
    if not steps:
        return w.argument(x)
    axes, starts, ends, strides = (list(column) for column in zip(*steps, strict=True))
    static = [w.shape(column) for column in (starts, ends, axes, strides)]
    return _through(w, "Slice", x, static)


def _index(w: Writer, node: Node) -> str:
    """Slices and ints; the shape says which axes of length 1 come and go."""
    (x,) = node.inputs
    entries = [e for e in node.params["key"] if e is not None]
    steps = []
    for axis, (e, n) in enumerate(zip(entries, x.shape, strict=True)):
        r = range(*e.indices(n)) if isinstance(e, slice) else range(e % n, e % n + 1)
        if r == range(n):
            continue
        steps.append((axis, r.start, r.stop if r.stop >= 0 else _BEFORE_ALL, r.step))
    y = _sliced(w, x, steps)
    if len(entries) == len(node.params["key"]) == len(node.shape):
        return y
    name: str = w.emit("Reshape", [y, w.shape(node.shape)])
    return name


def _concatenate(w: Writer, node: Node) -> str:
    axis = node.params["axis"]
    args = [w.argument(i, node.dtype) for i in node.inputs if i.type.size]
    return w.compute("Concat", node.dtype, args, axis=axis)


def _pad(w: Writer, node: Node) -> str:
    (x,), pads = node.inputs, node.params["pads"]
    both = [a for a, _ in pads] + [b for _, b in pads]
    return _through(w, "Pad", x, [w.shape(both)])


# Gathering ----------------------------------------------------------------------------


def _gather(w: Writer, node: Node) -> str:
    x, places = node.inputs
    static = [w.argument(places, _INT)]
    return _through(w, "Gather", x, static, axis=node.params["axis"])


def _gather_nd(w: Writer, node: Node) -> str:
    x, points = node.inputs
    return _through(w, "GatherND", x, [w.argument(points, _INT)])


def _scatter_nd(w: Writer, node: Node) -> str:
    x, points, values = node.inputs
    inputs = [w.argument(x), w.argument(points, _INT), w.argument(values, x.dtype)]
    name: str = w.emit("ScatterND", inputs, reduction=node.params["reduction"])
    return name


# Contractions, remainders -------------------------------------------------------------


def _matmul(w: Writer, node: Node) -> str:
    args = [w.argument(i, node.dtype) for i in node.inputs]
    single = any(n.type.size == 1 for n in (node, *node.inputs))
    if single and node.dtype == np.float64:  # see `_factor`
        ranks = [len(i.shape) for i in node.inputs]
        return w.compute("Einsum", node.dtype, args, equation=_as_einsum(*ranks))
    return w.compute("MatMul", node.dtype, args)


def _as_einsum(a: int, b: int) -> str:
    """The subscripts of a product of arrays of these ranks."""
    rows = "i" if a > 1 else ""
    columns = "j" if b > 1 else ""
    left = ("..." if a > 2 else "") + rows + "k"
    right = ("..." if b > 2 else "") + "k" + columns
    return f"{left},{right}->{'...' if max(a, b) > 2 else ''}{rows}{columns}"


def _einsum(w: Writer, node: Node) -> str:
    args = [w.argument(i, node.dtype) for i in node.inputs]
    return w.compute("Einsum", node.dtype, args, equation=node.params["subscripts"])


def _det(w: Writer, node: Node) -> str:
    args = [w.argument(node.inputs[0], node.dtype)]
    return w.compute("Det", node.dtype, args)


def _mod(w: Writer, node: Node) -> str:
    args = [w.argument(i, node.dtype) for i in node.inputs]
    return w.compute("Mod", node.dtype, args, fmod=node.params["fmod"])


def _quotient(w: Writer, node: Node) -> str:
    args = [w.argument(i, node.dtype) for i in node.inputs]
    return w.compute("Div", node.dtype, args)


_ELEMENTWISE = """
add subtract multiply divide power negative positive absolute sign sqrt reciprocal
maximum minimum exp log sin cos tanh tan arcsin arccos arctan sinh cosh arcsinh arccosh
arctanh
""".split()

RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _arithmetic),
    **dict.fromkeys(("floor", "ceil", "rint", "trunc"), _rounding),
    **dict.fromkeys(
        ("isnan", "equal", "less", "less_equal", "greater", "greater_equal"),
        _comparison,
    ),
    **dict.fromkeys(
        ("logical_and", "logical_or", "logical_xor", "logical_not"), _logic
    ),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "invert"), _bits),
    "where": _where,
    "astype": _astype,
    "sum": _reduction,
    "prod": _reduction,
    "cumsum": _cumsum,
    "permute": _permute,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "flip": _flip,
    "index": _index,
    "concatenate": _concatenate,
    "matmul": _matmul,
    "einsum": _einsum,
    "det": _det,
    "onnx.reduce": _reduce,
    "onnx.place": _place,
    "onnx.order": _order,
    "onnx.pad": _pad,
    "onnx.gather": _gather,
    "onnx.gather_nd": _gather_nd,
    "onnx.scatter_nd": _scatter_nd,
    "onnx.mod": _mod,
    "onnx.quotient": _quotient,
}
