"""Graphs as ONNX models: run by onnxruntime they give what NumPy gives, and come back.

Tolerances: float64 to 1e-12 and float32 to 2e-5, relative to the largest element.
onnx and onnxruntime are in the `test` extra; without them this file fails.
"""

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import wengert as wg
from wengert.core import tree
from wengert.core.bind import bind
from wengert.core.op import OPS
from wengert.demo import digits
from wengert.integrations.onnx import CannotExport, CannotImport, from_onnx, to_onnx
from wengert.integrations.onnx.composed import COMPOSED
from wengert.integrations.onnx.direct import RULES
from wengert.integrations.onnx.kernels import KERNELS
from wengert.integrations.onnx.readers import READERS
from wengert.integrations.onnx.tables import DIRECT, REFUSED, rows
from wengert.ops.index import ARRAY
from wengert.testing import Scenario
from wengert.transforms.reverse import vjp

HERE = Path(__file__).resolve().parent
RTOL = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-5}
rng = np.random.default_rng(0)


def session(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(model: Any, args: list[Any]) -> list[Any]:
    names = [i.name for i in model.graph.input]
    feed = {n: np.asarray(x) for n, x in zip(names, args, strict=True)}
    found: list[Any] = session(model).run(None, feed)
    return found


def same(got: Any, wanted: Any, what: str, rtol: float | None = None) -> None:
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype, f"{what}: {got.dtype}, not {wanted.dtype}"
    assert got.shape == wanted.shape, f"{what}: {got.shape}, not {wanted.shape}"
    if rtol is None:
        rtol = RTOL.get(wanted.dtype, 0.0)
    finite = wanted[np.isfinite(wanted)] if wanted.dtype.kind == "f" else np.zeros(0)
    scale = float(np.max(np.abs(finite), initial=1.0))
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * scale, err_msg=what)


def check(graph: wg.Graph, args: list[Any], rtol: float | None = None) -> Any:
    """onnxruntime and the graph that is read back agree with the graph."""
    model = to_onnx(graph)
    onnx.checker.check_model(model, full_check=True)
    wanted = graph.evaluate(list(args))
    for got, w in zip(run(model, args), wanted, strict=True):
        same(got, w, "onnxruntime", rtol)
    back = from_onnx(model)
    back.check()
    assert [n.name for n in back.inputs] == [i.name for i in model.graph.input]
    for got, w in zip(back.evaluate(list(args)), wanted, strict=True):
        same(got, w, "read back", rtol)
    return model


# Every row of the op families' tables, and its gradient -----------------------------


def load(name: str) -> list[Scenario]:
    """The scenarios of another test file."""
    path = HERE.parent / "ops" / f"test_{name}.py"
    spec = importlib.util.spec_from_file_location(f"rows_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: dict[int, Scenario] = {}
    for value in vars(module).values():
        if isinstance(value, list):
            found.update((id(s), s) for s in value if isinstance(s, Scenario))
    return [*found.values()]


FAMILIES = (
    "elementwise", "index", "reduce", "layout", "join", "select", "contract", "sort",
    "cumulative", "convert", "strong", "statistics", "creation",
)  # fmt: skip
ROWS = [
    pytest.param(s, id=f"{family}-{s.name}")
    for family in FAMILIES
    for s in load(family)
    if s.stage and not any(map(np.iscomplexobj, s.args))
]
# Rows may be refused for these, and for complex numbers inside; everything else passes.
LACKING = {
    "unwrap", "bessel_i", "frexp_exponent", "nextafter", "segment_sum",
    "segment_spread",
}  # fmt: skip


def gradient(s: Scenario) -> Callable[..., Any]:
    """args ↦ Jᵀw for a random w."""

    def pulled(*args: Any) -> Any:
        y, pullback = vjp(s.f, *args)
        draw = np.random.default_rng(1)
        return pullback(
            tree.map(lambda x: draw.normal(size=x.shape).astype(x.dtype), y)
        )

    return pulled


def attempt(graph: wg.Graph, args: list[Any], rtol: float) -> None:
    """Checks a graph; a refusal must be one that is known."""
    text = ""
    try:
        to_onnx(graph)
    except CannotExport as refused:
        text = str(refused)
    if not text:
        check(graph, args, rtol)
        return
    found = re.findall(r"^  `(\w+)`: (.*)$", text, re.M)
    assert found
    for op, why in found:
        assert op in LACKING or "complex" in why or "longdouble" in why, text


@pytest.mark.parametrize("s", ROWS)
def test_scenario(s: Scenario) -> None:
    for dtype in (np.float64, np.float32) if s.float32 else (np.float64,):
        args = [np.asarray(a).astype(dtype)[()] for a in s.args]
        attempt(wg.trace(s.f, *args), args, RTOL[np.dtype(dtype)])
        attempt(wg.trace(gradient(s), *args), args, RTOL[np.dtype(dtype)])


def test_there_are_rows() -> None:
    assert len(ROWS) > 700


# Every op, at the points where it is hard -------------------------------------------

POINTS = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.0, -2.5, 3.0, 10.0, -10.0, 1e-5, -1e-5,
    1e-20, 30.0, -30.0, 80.0, -80.0, 1e4, np.inf, -np.inf, np.nan,
]  # fmt: skip
GRID = [np.array(p) for p in np.meshgrid(POINTS, POINTS)]
V, A, B3 = rng.normal(size=5), rng.normal(size=(3, 4)), rng.normal(size=(2, 3, 3))
NANS = np.array([[1.0, np.nan, 3.0, 2.0], [5.0, 1.0, -np.inf, np.inf], [2.0, 2, 1, 2]])
I = np.array([2, 0, 2])
FULL = slice(None)
_RED = {"axis": (1,), "keepdims": False}
_ONE = {"axis": 1}
# Arguments and parameters; elementwise ops take the points.
CALLS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    **{
        name: ([NANS], _RED)
        for name in (
            "sum",
            "prod",
            "max",
            "min",
            "nanmax",
            "nanmin",
            "all",
            "any",
            "logsumexp",
            "logsumexp2",
        )
    },
    **{name: ([NANS], {"axis": 1, "keepdims": True}) for name in ("argmax", "argmin")},
    **{name: ([NANS], _ONE) for name in ("cumsum", "cummax", "cummin", "cumlogsumexp")},
    "cumlogsumexp2": ([NANS], _ONE),
    "cumprod": ([A], _ONE),
    "recurrence": ([A, A], {"axis": 0, "reverse": True}),
    "variance": ([A], {**_RED, "ddof": 1}),
    "vector_norm": ([A * 1e30], {**_RED, "ord": 2}),
    "argsort": ([NANS], {"axis": 1, "kind": "stable"}),
    "argpartition": ([np.sort(A)], {"axis": 1, "kth": (2,)}),
    "partition_order": ([np.sort(A)], {"axis": 1, "kth": (2,)}),
    "lexsort": ([np.round(V), V[::-1]], {"axis": 0}),
    "searchsorted": ([np.sort(V), np.array([*V, -9.0, 9.0])], {"side": "right"}),
    "permute": ([A, np.argsort(A, 0)], {"axis": 0, "inverse": True}),
    "astype": ([A], {"dtype": np.dtype(np.int64)}),
    "where": ([A > 0, A, 0.0], {}),
    "round": ([A], {"decimals": 1}),
    "sinc": ([A], {"order": 1}),
    "index": ([A, I, I], {"key": (ARRAY, ARRAY)}),
    "index_set": ([A, np.ones((2, 4)), np.array([0, -1])], {"key": (ARRAY, FULL)}),
    "index_add": ([A, np.ones((3, 4)), I], {"key": (ARRAY, FULL)}),
    "reshape": ([A], {"shape": (2, 6)}),
    "transpose": ([A], {"axes": (1, 0)}),
    "broadcast_to": ([V], {"shape": (2, 5)}),
    "flip": ([A], {"axis": (0, 1)}),
    "roll": ([A], {"shift": (1, -2), "axis": (0, 1)}),
    "concatenate": ([A, A], {"axis": 1}),
    "stack": ([A, A], {"axis": 1}),
    "diagonal": ([B3], {"offset": 1, "axes": (0, 2)}),
    "diagonal_embed": ([A], {"shape": (3, 4, 4), "offset": 0, "axes": (1, 2)}),
    "matmul": ([A, A.T], {}),
    "einsum": ([A, A], {"subscripts": "ab,cb->ac", "optimize": False}),
    "convolve": ([V, V[:3]], {"mode": "full"}),
    "det": ([B3], {}),
    "ldexp": ([V, np.array([1, -2, 3, 0, 5])], {}),
    "imag": ([V], {}),
}
WHOLE = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}


def arguments(name: str, dtype: Any) -> tuple[list[Any], dict[str, Any]]:
    if name in CALLS:
        args, params = CALLS[name]
    elif name in WHOLE:
        wide = np.array([[5, -3, 0, 7], [1, 6, -8, 2]])
        return [*wide][: _count(name)], {}
    else:
        count = _count(name)
        args, params = (GRID[:2] if count == 2 else [np.array(POINTS)]), {}
    typed = [
        a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in args
    ]
    return typed, params


def _count(name: str) -> int:
    """How many arguments an elementwise op has."""
    ufunc = getattr(np, name, None)
    if isinstance(ufunc, np.ufunc):
        return int(ufunc.nin)
    two = {"strong_product", "share", "share2", "direction", "inversion"}
    return 2 if name in two else 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted({*DIRECT, *COMPOSED}))
def test_op(name: str, dtype: Any) -> None:
    """Infinities, nan, zeros and ties included."""
    args, params = arguments(name, dtype)
    symbols = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]

    def f(*arrays: Any) -> Any:
        full = list(args)
        for i, x in zip(symbols, arrays, strict=True):
            full[i] = x
        return bind(OPS[name], *full, **params)

    given = [args[i] for i in symbols]
    graph = wg.trace(f, *given)
    with np.errstate(all="ignore"):
        wanted = graph.evaluate(list(given))[0]
    (got,) = run(to_onnx(graph), given)
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    if dtype == np.float32 and got.dtype.kind == "f":
        # Below the smallest normal number onnxruntime flushes to zero.
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-7)
    else:
        np.testing.assert_allclose(got, wanted, rtol=2e-14, atol=1e-300)


# Tables -----------------------------------------------------------------------------


def test_every_op_is_in_one_table() -> None:
    said = {*DIRECT, *COMPOSED}
    assert said | set(REFUSED) == set(OPS)
    assert not said & set(REFUSED)
    assert set(DIRECT) <= {*RULES, *COMPOSED}


def test_what_is_written_is_read() -> None:
    written = {o for names in DIRECT.values() for o in names.split(", ")}
    extra = {"TopK", "ArgMax", "ArgMin", "Gather", "GatherND", "ScatterND", "Pad",
             "Mod", "ReduceMax", "ReduceMin"}  # fmt: skip
    assert written | extra | set(KERNELS) <= set(READERS)


def test_the_page_has_the_table() -> None:
    page = (HERE.parent.parent / "docs" / "onnx.md").read_text("utf-8")
    table = [f"| `{op}` | {how} | {note} |" for op, how, note in rows()]
    found = [line for line in page.splitlines() if re.match(r"\| `\w+` \| ", line)]
    assert found == table


_CHARS = {"l": np.int64, "i": np.int32, "h": np.int16, "b": np.int8, "B": np.uint8,
          "f": np.float32, "d": np.float64, "?": np.bool_,
          "L": np.uint64}  # fmt: skip


def kernel_call(operator: str, dtype: Any) -> tuple[list[Any], dict[str, Any]]:
    x = np.ones((2, 2), dtype)
    axis, whole = np.array([0]), np.zeros((2, 2), np.int64)
    special: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "Where": ([x.astype(bool), x, x], {}),
        "TopK": ([x, axis + 1], {}),
        "CumSum": ([x, axis], {}),
        "Expand": ([x, axis + 2], {}),
        "Reshape": ([x, axis + 4], {}),
        "Slice": ([x, axis, axis + 1], {}),
        "Gather": ([x, axis], {}),
        "GatherND": ([x, whole], {}),
        "GatherElements": ([x, whole], {}),
        "ScatterND": ([x, np.zeros((1, 2), np.int64), x[0, :1]], {}),
        "ScatterElements": ([x, whole, x], {}),
        "Pad": ([x, np.array([1, 0, 0, 1])], {}),
        "Concat": ([x, x], {"axis": 0}),
        "Einsum": ([x, x], {"equation": "ij,jk->ik"}),
        "Mod": ([x, x], {"fmod": 1}),
    }
    if operator in special:
        return special[operator]
    if operator.startswith("Reduce"):
        return [x, axis], {}
    two = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Equal", "Less", "Greater",
           "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor", "MatMul", "BitwiseAnd",
           "BitwiseOr", "BitwiseXor"}  # fmt: skip
    return [x, x] if operator in two else [x], {}


@pytest.mark.parametrize("operator", sorted(KERNELS))
def test_onnxruntime_has_the_kernels(operator: str) -> None:
    for letter in KERNELS[operator]:
        args, attrs = kernel_call(operator, _CHARS[letter])
        names = [f"x{i}" for i in range(len(args))]
        outs = ["y", "z"] if operator == "TopK" else ["y"]
        inputs = [
            helper.make_tensor_value_info(
                n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape
            )
            for n, x in zip(names, args, strict=True)
        ]
        session(model_of([helper.make_node(operator, names, outs, **attrs)], inputs))


# What people export -----------------------------------------------------------------


def lecture(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2 + w**2


def test_the_lectures_loss_and_its_gradient() -> None:
    graph = wg.trace(lecture, 1.0, 2.0, 3.0)
    model = check(graph, [1.0, 2.0, 3.0])
    assert [i.name for i in model.graph.input] == ["w", "x", "y"]
    (value,) = run(model, [1.0, 2.0, 3.0])
    assert value == 2.0
    slope = wg.trace(wg.grad(lecture), 1.0, 2.0, 3.0)
    assert run(check(slope, [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])[0] == -2.0
    extended = graph.grad("w")
    check(extended, [0.5, -2.0, 3.0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_classifier_and_its_training_gradient(dtype: Any) -> None:
    draw = np.random.default_rng(3)
    params = [
        {k: v.astype(dtype) for k, v in layer.items()}
        for layer in digits.start(draw, (64, 32, 16, 10))
    ]
    x = draw.random((8, 64)).astype(dtype)
    labels = draw.integers(0, 10, 8)

    def loss(params: Any, x: Any) -> Any:
        return digits.loss(params, x, labels)

    leaves = [*tree.flatten(params)[0], x]
    value = wg.trace(loss, params, x)
    assert value.outputs[0].dtype == dtype
    check(value, leaves)
    gradient = wg.trace(wg.value_and_grad(loss), params, x)
    model = check(gradient, leaves)
    assert "params[0]['W']" in [i.name for i in model.graph.input]
    found = run(model, leaves)
    assert [y.shape for y in found[1:]] == [p.shape for p in leaves[:-1]]
    assert {o.name for o in model.graph.output} >= {"y[0]", "y[1][0]['W']"}


def test_a_gradient_of_a_gradient() -> None:
    graph = wg.trace(wg.hessian(lambda x: np.sum(np.tanh(x) ** 3 / x)), V)
    check(graph, [V])


# Types and sizes --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i8", "i4", "i2", "i1", "u1", "?"])
def test_integers_and_booleans(dtype: Any) -> None:
    x = np.array([[3, 0, 1], [7, 2, 1]]).astype(dtype)

    def f(x: Any, y: Any) -> Any:
        compared = [x == y, x < y, x >= y, np.where(x > 1, x, y), np.maximum(x, y)]
        return [x + y, x * y, x & y, x | y, ~x, np.sum(x, 1), np.max(x), *compared,
                np.argmax(x, 0), np.sort(x), np.any(x, 1), x @ y.T,
                np.isnan(x), np.isfinite(x), x.astype(float) / 2]  # fmt: skip

    graph = wg.trace(f, x, x)
    check(graph, [x, x[:, ::-1].copy()])


def test_whole_division_as_numpy_does_it_and_without_a_crash() -> None:
    a = np.array([7, -7, 7, -7, 5, -(2**63), 0, 3])
    b = np.array([2, 2, -2, -2, 0, -1, 3, -1])
    graph = wg.trace(lambda a, b: [a // b, a % b, np.fmod(a, b)], a, b)
    with np.errstate(all="ignore"):
        check(graph, [a, b])
        x, y = GRID[0].ravel(), GRID[1].ravel()
        floats = wg.trace(lambda a, b: [a // b, a % b, np.fmod(a, b)], x, y)
        check(floats, [x, y])


def test_powers_of_integers_are_products() -> None:
    x = np.array([3, -(10**6), 2**31])
    check(wg.trace(lambda x: x**2 + x**0, x), [x])
    with pytest.raises(CannotExport, match="constant exponent"):
        to_onnx(wg.trace(lambda x, y: x**y, x, x))


def test_python_numbers_take_the_dtype_beside_them() -> None:
    x = np.ones(3, np.float32)
    model = check(wg.trace(lambda x: np.where(x > 0, 2, x * 0.1 + 1), x), [x])
    kinds = {t.data_type for t in model.graph.initializer}
    assert TensorProto.DOUBLE not in kinds
    mixed = wg.trace(lambda x, n: x * n + 1.0, x, np.arange(3))
    assert mixed.outputs[0].dtype == np.float64
    check(mixed, [x, np.arange(3)])


def test_a_number_that_its_dtype_lacks_is_refused() -> None:
    graph = wg.trace(lambda x: x < 300, np.zeros(3, np.int8))
    with pytest.raises(CannotExport, match=r"300.*int8"):
        to_onnx(graph)


def test_no_axes_and_no_elements() -> None:
    check(wg.trace(lambda x: np.exp(x) * x.reshape(()), np.float64(0.3)), [0.3])
    empty = np.zeros((0, 3))

    def f(x: Any) -> Any:
        return [x + 1, x.sum(), x.sum(0), x.T @ x, np.concatenate([x, np.ones((1, 3))]),
                x.prod(1), np.all(x), np.einsum("ij,ij->j", x, x), x[:, 1]]  # fmt: skip

    check(wg.trace(f, empty), [empty])
    one = np.ones((2, 3))
    check(wg.trace(lambda x: np.sum(x[:, 3:]) + x[0, 0], one), [one])


def test_outputs_that_are_inputs_constants_or_the_same() -> None:
    def f(x: Any, y: Any) -> Any:
        z = x * 2.0
        return {"x": x, "two": np.float64(2.0), "z": z, "again": z}

    model = check(wg.trace(f, V, V), [V, V])
    assert [i.name for i in model.graph.input] == ["x", "y"]
    names = [o.name for o in model.graph.output]
    assert names == ["y['again']", "y['two']", "y['x']", "y['z']"]


def test_symbols_keep_their_names() -> None:
    x, y = wg.symbol("x", 3), wg.symbol("y", 3)
    with wg.scope("layer1"):
        z = np.tanh(x) * y
    model = check(wg.function([x, y], z, "product"), [V[:3], V[1:4]])
    assert model.graph.name == "product"
    assert all(n.name.startswith("layer1/") for n in model.graph.node)


def test_large_uniform_constants_take_no_place() -> None:
    graph = wg.trace(lambda x: x + np.full((1000, 1000), 0.5), 1.0)
    model = to_onnx(graph)
    assert len(model.SerializeToString()) < 1000
    same(run(model, [1.0])[0], np.full((1000, 1000), 1.5), "uniform")


# Where onnxruntime, or ONNX, differs from NumPy -------------------------------------

SCALED: list[Callable[[Any], Any]] = [
    lambda x: (x @ x.T) / 3.0,
    lambda x: (0.1 * x) @ (x.T / 7),
    lambda x: 0.1 * (x[0] @ x[0]),
    lambda x: (x[:1, :1] / 3) @ (x[:1] * 0.1),
    lambda x: 0.1 * np.stack([x, x])[:, :1, :1] @ (0.1 * x[:1]),
    lambda x: np.mean(x @ x.T) * 0.1,
]


@pytest.mark.parametrize("f", SCALED)
def test_numbers_beside_products_keep_their_digits(f: Callable[..., Any]) -> None:
    """onnxruntime fuses MatMul with a number, and keeps the number in float32."""
    x = rng.normal(size=(3, 5))
    check(wg.trace(f, x), [x], 1e-14)


def test_of_several_writes_to_one_place_the_last_stays() -> None:
    i = np.array([[2, 0], [2, -1], [0, 0]])
    v = rng.normal(size=(3, 2, 4))

    def f(x: Any, v: Any, i: Any = i) -> Any:
        y = x * 1.0
        y[i] = v
        y[:, 1][i[0]] = 7.0
        return y

    check(wg.trace(f, A, v), [A, v])
    graph = wg.trace(f, A, v, i)
    model = check(graph, [A, v, i])
    assert "max" in str(model)  # the places are known only when it runs
    w = rng.normal(size=(3, 2))

    def points(x: Any, w: Any, i: Any) -> Any:
        y = x * 1.0
        y[i, i - 1] = w
        return y

    check(wg.trace(points, A, w, i), [A, w, i])


def test_indices_outside_are_errors() -> None:
    graph = wg.trace(lambda x, i: x[i], V, I)
    model = to_onnx(graph)
    with pytest.raises(Exception, match="indices element out of data bounds"):
        run(model, [V, np.array([0, 5, 1])])


def test_maxima_of_nan() -> None:
    for axis in (0, 1, None):
        graph = wg.trace(lambda x, a=axis: [x.max(a), x.min(a), x.argmax(a)], NANS)
        check(graph, [NANS])
    graph = wg.trace(lambda x: [np.sort(x, 0), np.sort(x), np.median(x[2])], NANS)
    check(graph, [NANS])


def test_det_in_float64_is_composed_up_to_three_rows() -> None:
    check(wg.trace(np.linalg.det, B3), [B3])
    large = rng.normal(size=(4, 4))
    graph = wg.trace(np.linalg.det, large)
    with pytest.raises(CannotExport, match="no Det for float64"):
        to_onnx(graph)
    check(wg.trace(np.linalg.det, large.astype(np.float32)), [large.astype(np.float32)])
    (got,) = run(to_onnx(graph, casts=True), [large])
    same(got, np.linalg.det(large), "in float32", 1e-5)


# Calls, overrides, refusals ---------------------------------------------------------


def test_checkpoints_are_taken_apart() -> None:
    def f(x: Any) -> Any:
        return np.sum(wg.checkpoint(lambda a: np.sin(a) * np.exp(a))(x) ** 2)

    model = check(wg.trace(f, V), [V])
    assert {"Sin", "Exp"} <= {n.op_type for n in model.graph.node}
    check(wg.trace(wg.grad(f), V), [V])


def test_an_op_with_another_derivative_is_the_same_op() -> None:
    graph = wg.trace(lambda x: np.tanh(x) * 2.0, V)
    other = graph.override("tanh", vjp=lambda ct, y, x: ct)
    assert [n.op_type for n in check(other, [V]).graph.node] == ["Tanh", "Mul"]


def refused(graph: wg.Graph, **options: Any) -> str:
    with pytest.raises(CannotExport) as error:
        to_onnx(graph, **options)
    return str(error.value)


def test_all_that_cant_be_said_is_named_at_once() -> None:
    def f(a: Any) -> Any:
        low = np.linalg.cholesky(a @ a.T)
        values, _ = np.linalg.eigh(a + a.T)
        return np.linalg.solve(a, low), values, np.linalg.inv(a), np.nextafter(a, a)

    text = refused(wg.trace(f, B3[0]))
    first = text.splitlines()[0]
    for op in ("cholesky", "eigh", "solve", "inv", "nextafter"):
        assert op in first
        assert f"  `{op}`: " in text
    assert "ONNX has no matrix decompositions" in text
    assert "ONNX solves no linear systems" in text
    assert re.search(r"v\d+ at test_onnx.py:\d+: low = np.linalg.cholesky", text)
    assert "Do:   export a part of it (graph.subgraph)" in text
    assert "`matmul`" not in text


def test_complex_numbers_and_rules_of_the_users_are_refused() -> None:
    assert "complex128" in refused(wg.trace(np.exp, 1j))

    @wg.custom_vjp
    def sin(x: Any) -> Any:  # the name of an op, which it isn't
        return np.sinc(x)

    sin.defvjp(lambda x: (x, x), lambda r, ct: (ct,))
    text = refused(wg.trace(lambda x: sin(x), 1.0))
    assert "`sin`: a function with a rule of its own" in text


def test_what_isnt_a_graph_is_refused() -> None:
    with pytest.raises(TypeError, match="to_onnx takes a Graph"):
        to_onnx(lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an opset from 18"):
        to_onnx(wg.trace(np.sin, 1.0), opset=17)
    with pytest.raises(TypeError, match="no path"):
        to_onnx(wg.trace(np.sin, 1.0), external_data=True)


@pytest.mark.parametrize("opset", [18, 20, 21])
def test_opsets(opset: int) -> None:
    def f(x: Any) -> Any:
        return [np.sort(x)[I], np.max(x), np.pad(x, 1), np.cumsum(x), x.astype(int)]

    model = to_onnx(wg.trace(f, V), opset=opset)
    assert model.opset_import[0].version == opset
    for got, wanted in zip(run(model, [V]), f(V), strict=True):
        same(got, wanted, f"opset {opset}")


def test_lines_are_written_only_if_asked_for() -> None:
    graph = wg.trace(lambda x: np.sin(x), 1.0)
    assert "np.sin" not in str(to_onnx(graph))
    assert "np.sin(x)" in to_onnx(graph, lines=True).graph.node[0].doc_string


# Files ------------------------------------------------------------------------------


def test_a_file_and_constants_beside_it(tmp_path: Path) -> None:
    weights = rng.normal(size=(64, 64))
    graph = wg.trace(lambda x: x @ weights, np.ones(64))
    x = rng.normal(size=64)
    path = tmp_path / "model.onnx"
    to_onnx(graph, path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    same(from_onnx(path)(x), graph(x)[()], "from a file")
    for _ in range(2):  # writing again replaces both files
        to_onnx(graph, path, external_data=True)
    assert path.stat().st_size < 1000
    found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    same(found.run(None, {"x": x})[0], graph(x), "from two files")
    with pytest.raises(CannotImport, match="lie in other files, which aren't read"):
        from_onnx(path)
    same(from_onnx(str(path), external_data=True)(x), graph(x), "read from two files")
    with pytest.raises(CannotImport, match="limit is 100"):
        from_onnx(path, max_bytes=100)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(CannotExport):
        to_onnx(wg.trace(np.linalg.inv, B3), path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "link"])
def test_no_constant_comes_from_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(24))
    (folder / "link").symlink_to(tmp_path / "secret")
    model = to_onnx(wg.trace(lambda x: x * np.arange(3.0), 1.0))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("length", "24")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    for external in (False, True):
        with pytest.raises(CannotImport):
            from_onnx(folder / "m.onnx", external_data=external)


# Models from elsewhere --------------------------------------------------------------


def model_of(
    nodes: list[Any],
    inputs: list[Any],
    constants: dict[str, Any] | None = None,
    opset: int = 18,
) -> Any:
    outputs = [helper.make_empty_tensor_value_info(n) for n in nodes[-1].output]
    tensors = [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )
    typed = onnx.shape_inference.infer_shapes(model)
    for output in typed.graph.output:
        if not output.type.tensor_type.elem_type:
            output.type.tensor_type.elem_type = TensorProto.FLOAT
    return typed


def floats(name: str, *shape: Any) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def agree(
    nodes: list[Any], constants: dict[str, Any], x: NDArray[Any], opset: int = 18
) -> wg.Graph:
    """The graph that is read gives what onnxruntime gives."""
    info = helper.make_tensor_value_info(
        "x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape
    )
    model = model_of(nodes, [info], constants, opset)
    graph = from_onnx(model)
    graph.check()
    results = graph(x) if len(graph.outputs) > 1 else (graph(x),)
    for got, wanted in zip(results, run(model, [x]), strict=True):
        same(got, wanted, nodes[0].op_type)
    return graph


def arrays32(**values: Any) -> dict[str, Any]:
    return {k: np.asarray(v, np.float32) for k, v in values.items()}


def test_a_perceptron_as_exporters_write_it() -> None:
    make = helper.make_node
    draw = rng.normal
    nodes = [
        make("Flatten", ["x"], ["f"], axis=1),
        make("Gemm", ["f", "w1", "b1"], ["h"], transB=1),
        make("Relu", ["h"], ["r"]),
        make("Dropout", ["r"], ["d"]),
        make("Gemm", ["d", "w2", "b2"], ["z"], alpha=0.5, beta=2.0),
        make("Softmax", ["z"], ["p"], axis=-1),
    ]
    constants = arrays32(
        w1=draw(size=(8, 12)), b1=draw(size=8), w2=draw(size=(8, 5)), b2=draw(size=5)
    )
    x = draw(size=(6, 3, 4)).astype(np.float32)
    graph = agree(nodes, constants, x)
    slope = wg.grad(lambda x: np.sum(graph(x)[:, 0]))(x)
    assert slope.shape == x.shape
    assert np.abs(slope).max() > 0


X = np.array([[-2.0, -0.5, 0.0], [0.5, 3.0, 1.0]], np.float32)
_SINGLE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("Sigmoid", {}, {}), ("Softplus", {}, {}), ("Softsign", {}, {}),
    ("LeakyRelu", {"alpha": 0.2}, {}), ("Elu", {}, {}), ("Selu", {}, {}),
    ("HardSigmoid", {}, {}), ("LogSoftmax", {"axis": 0}, {}),
    ("Clip", {}, arrays32(a=-1.0, b=1.0)), ("PRelu", {}, arrays32(a=[0.1, 0.2, 0.3])),
    ("ReduceL1", {}, {}), ("ReduceL2", {"keepdims": 0}, {}),
    ("ReduceSumSquare", {}, {}),
    ("ReduceLogSumExp", {}, {"a": np.array([1])}), ("ReduceMean", {}, {}),
    ("Sum", {}, arrays32(a=X, b=X)), ("Mean", {}, arrays32(a=X, b=X)),
    ("Tile", {}, {"a": np.array([2, 3])}), ("Trilu", {"upper": 0}, {}),
    ("Shape", {"start": 1}, {}), ("Size", {}, {}),
    ("Split", {"axis": 1}, {"a": np.array([1, 2])}),
    ("Unsqueeze", {}, {"a": np.array([0, -1])}),
    ("CumSum", {"exclusive": 1, "reverse": 1}, {"a": np.array(1)}),
    ("TopK", {}, {"a": np.array([2])}), ("IsInf", {"detect_negative": 0}, {}),
    ("Slice", {}, {"a": np.array([-1, 5]), "b": np.array([-9, 0]),
                   "c": np.array([0, 1]), "d": np.array([-1, -2])}),
    ("Pad", {}, {"a": np.array([1, -1, 0, 2]), "b": np.float32(7.0)}),
    ("GatherElements", {"axis": 1}, {"a": np.array([[0, -1], [2, 2]])}),
    ("ScatterElements", {"axis": 1, "reduction": "add"},
     {"a": np.array([[0, 0], [2, -1]]), "b": np.ones((2, 2), np.float32)}),
    ("LayerNormalization", {}, arrays32(a=[1.0, 2.0, 3.0], b=[0.0, 1.0, 0.0])),
    ("BatchNormalization", {}, arrays32(a=[1, 2, 3], b=[0, 1, 0], c=[0, 1, 1],
                                        d=[1, 2, 3])),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "attrs", "more"), _SINGLE)
def test_operator(operator: str, attrs: dict[str, Any], more: dict[str, Any]) -> None:
    outs = {"Split": ["y", "z"], "TopK": ["y", "z"]}.get(operator, ["y"])
    agree([helper.make_node(operator, ["x", *more], outs, **attrs)], more, X)


def test_integers_are_divided_towards_zero() -> None:
    x = np.array([7, -7, 9, -9])
    more = {"a": np.array([2, 2, -2, -4])}
    agree([helper.make_node("Div", ["x", "a"], ["y"])], more, x)


def test_shapes_that_are_computed() -> None:
    """Shape, Gather, Concat, Reshape: how exporters flatten."""
    make = helper.make_node
    nodes = [
        make("Shape", ["x"], ["s"]),
        make("Gather", ["s", "zero"], ["n"], axis=0),
        make("Unsqueeze", ["n", "axes"], ["u"]),
        make("Concat", ["u", "rest"], ["to"], axis=0),
        make("Reshape", ["x", "to"], ["y"]),
    ]
    constants = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    x = rng.normal(size=(2, 3, 2)).astype(np.float32)
    assert agree(nodes, constants, x).outputs[0].shape == (2, 6)


def test_open_shapes_are_asked_for() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    model = model_of([relu], [floats("x", "batch", 3)])
    message = r"open shape \(batch, 3\).*\n.*shapes=\{'x'"
    with pytest.raises(CannotImport, match=message):
        from_onnx(model)
    graph = from_onnx(model, shapes={"x": (2, 3)})
    same(graph(X), np.maximum(X, 0), "open")
    with pytest.raises(CannotImport, match="doesn't have the shape"):
        from_onnx(model, shapes={"x": (2, 4)})


def test_operators_without_a_reader_are_named_at_once() -> None:
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["a"], name="first"),
        make("Erf", ["a"], ["b"]),
        make("Gelu", ["b"], ["c"], domain="com.example"),
    ]
    constants = arrays32(w=np.ones((1, 1, 2, 2)))
    model = model_of(nodes[:2], [floats("x", 1, 1, 4, 4)], constants)
    model.graph.node.append(nodes[2])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(CannotImport) as error:
        from_onnx(model)
    text = str(error.value)
    assert text.startswith("wengert doesn't read Conv, Erf, com.example.Gelu.")
    assert "`Conv`: first" in text


# Files that nobody vouches for ------------------------------------------------------


@pytest.mark.parametrize("came", [b"", b"not a model", b"\x08\x08\x3a\x02", 3, None])
def test_what_isnt_a_model_is_refused(came: Any) -> None:
    with pytest.raises(CannotImport):
        from_onnx(came)


def test_damaged_models_give_our_error_or_a_graph() -> None:
    data = bytearray(to_onnx(wg.trace(lambda x: np.sort(x)[I] @ A[:, 0], V))
                     .SerializeToString())  # fmt: skip
    draw = np.random.default_rng(0)
    for k in range(400):
        damaged = bytearray(data)
        for _ in range(1 + k % 3):
            damaged[draw.integers(len(data))] = draw.integers(256)
        if k % 4 == 0:
            del damaged[draw.integers(len(data)) :]
        try:
            from_onnx(bytes(damaged), max_bytes=10**6)
        except CannotImport:
            continue


HUGE = np.array([10**6, 10**6])
BOMBS: list[tuple[str, list[str], dict[str, Any]]] = [
    ("ConstantOfShape", ["s"], {"s": HUGE}),
    ("Expand", ["x", "s"], {"s": HUGE}),
    ("Tile", ["x", "s"], {"s": np.array([10**9])}),
    ("Pad", ["x", "s"], {"s": np.array([10**12, 0])}),
    ("Range", ["a", "b", "a"], {"a": np.array(1), "b": np.array(10**12)}),
    ("Range", ["a", "b", "a"], {"a": np.array(0), "b": np.array(1)}),
]


@pytest.mark.parametrize(("operator", "names", "constants"), BOMBS)
def test_values_too_large_are_refused_before_they_are_made(
    operator: str, names: list[str], constants: dict[str, Any]
) -> None:
    node = helper.make_node(operator, names, ["y"])
    with pytest.raises(CannotImport):
        from_onnx(model_of([node], [floats("x", 1)], constants))


def test_a_constant_that_claims_more_than_it_has_is_refused() -> None:
    model = to_onnx(wg.trace(lambda x: x * np.arange(3.0), 1.0))
    model.graph.initializer[0].dims[0] = 10**6
    with pytest.raises(CannotImport):
        from_onnx(model)
    model.graph.initializer[0].dims[0] = 10**15
    with pytest.raises(CannotImport):
        from_onnx(model)


def test_a_model_isnt_changed_by_reading_it() -> None:
    model = to_onnx(wg.trace(lambda x: x * np.arange(3.0), 1.0))
    before = model.SerializeToString()
    graph = from_onnx(model)
    del model.graph.node[:]
    assert graph(2.0)[1] == 2.0
    assert from_onnx(before) == graph


def test_ten_thousand_nodes() -> None:
    def f(x: Any) -> Any:
        for _ in range(5000):
            x = np.sin(x) * 1.5
        return x

    graph = wg.trace(f, 1.0)
    model = to_onnx(graph)
    assert len(model.graph.node) == 10_000
    same(from_onnx(model)(0.3), graph(0.3), "a long chain")
