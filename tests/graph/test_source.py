"""graph.to_python(): the source runs without wengert, and computes the same."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import bind
from wengert.core.errors import TypeMismatch, WengertError
from wengert.core.op import OPS
from wengert.core.types import is_inexact
from wengert.graph import plain
from wengert.graph.graph import INPUT, Graph, Node
from wengert.graph.spelling import SPELLINGS
from wengert.testing.scenario import Scenario

TESTS = Path(__file__).parent.parent

# Runs every source, in a process where wengert can't be imported.
RUNNER = """
import json, sys, traceback, warnings
import numpy as np
sys.modules["wengert"] = None
folder = sys.argv[1]
warnings.simplefilter("ignore")
failed = []
for name in json.load(open(f"{folder}/cases.json")):
    data = np.load(f"{folder}/{name}.npz", allow_pickle=False)
    args = [data[f"x{i}"][()] for i in range(sum(k[0] == "x" for k in data))]
    wanted = [data[f"y{i}"] for i in range(sum(k[0] == "y" for k in data))]
    try:
        space = {}
        source = open(f"{folder}/{name}.py", encoding="utf-8").read()
        exec(compile(source, name, "exec"), space)
        function = next(v for v in reversed(space.values()) if callable(v))
        before = [np.array(x) for x in args]
        got = function(*args)
        assert isinstance(got, tuple) and len(got) == len(wanted), got
        for g, w in zip(got, wanted):
            g = np.asarray(g)
            assert g.dtype == w.dtype and g.shape == w.shape, (g.dtype, g.shape, w)
            finite = np.abs(w[np.isfinite(w)]) if w.dtype.kind in "fc" else w
            scale = max(1.0, float(np.max(finite, initial=0)))
            eps = np.finfo(w.dtype).eps if w.dtype.kind in "fc" else 0
            np.testing.assert_allclose(g, w, 2000 * eps, 2000 * eps * scale)
            assert not any(np.shares_memory(g, x) for x in args)
        for x, b in zip(args, before):
            np.testing.assert_array_equal(x, b)
    except Exception:
        failed.append(f"{name}: {traceback.format_exc(limit=-2)}")
assert sys.modules["wengert"] is None
print(json.dumps(failed))
"""


def load(file: Path) -> ModuleType:
    """A module of tests, under a name that pytest doesn't use."""
    name = f"scenarios_of_{file.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


FILES = sorted((TESTS / "ops").rglob("test_*.py"))


def scenarios(file: Path) -> list[Scenario]:
    """All rows of the tables of a module that can be staged."""
    found: dict[str, Scenario] = {}
    for table in vars(load(file)).values():
        if isinstance(table, list):
            rows = (s for s in table if isinstance(s, Scenario) and s.stage)
            found.update((s.name, s) for s in rows)
    return list(found.values())


def flat(graph: Graph) -> Graph:
    """The same steps, from arrays to a tuple of arrays."""
    return Graph(graph.inputs, graph.outputs, name=graph.name)


def value_for(node: Node, rng: np.random.Generator) -> Any:
    """An array of a node's type."""
    x = rng.normal(size=node.shape) if is_inexact(node.dtype) else np.ones(node.shape)
    return np.asarray(x).astype(node.dtype)[()]


def graphs_of(s: Scenario) -> Iterator[tuple[str, Graph, list[Any]]]:
    """The graph of a scenario and those of its derivatives, each with arguments."""
    rng = np.random.default_rng(5)
    graph = flat(wg.trace(s.f, *s.args))
    yield "value", graph, [np.asarray(x)[()] for x in s.args]
    for kind in ("vjp", "jvp"):
        derived = flat(getattr(graph, kind)())
        more = derived.inputs[len(graph.inputs) :]
        args = [np.asarray(x)[()] for x in s.args]
        yield kind, derived, args + [value_for(n, rng) for n in more]


def run(cases: list[tuple[str, Graph, list[Any]]], folder: Path) -> list[str]:
    """What failed, of all sources run in one process without wengert."""
    for name, graph, args in cases:
        source = graph.to_python()
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        ys = graph(*args)
        arrays = {f"x{i}": x for i, x in enumerate(args)}
        arrays |= {f"y{i}": y for i, y in enumerate(ys)}
        np.savez(folder / f"{name}.npz", **arrays)
    names = [name for name, *_ in cases]
    (folder / "cases.json").write_text(json.dumps(names), encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder)],
        capture_output=True, text=True, env=env, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[str] = json.loads(done.stdout)
    return found


def run_one(graph: Graph, *args: Any) -> Any:
    """The source's result in this process."""
    space: dict[str, Any] = {}
    source = graph.to_python("made")
    assert "wengert." not in source.replace("by wengert.", "")
    assert "import wengert" not in source
    exec(compile(source, "made", "exec"), space)
    return space["made"](*args)


# Every op ---------------------------------------------------------------------------


def test_every_op_has_a_spelling() -> None:
    assert sorted(set(OPS) - set(SPELLINGS)) == []
    assert sorted(set(SPELLINGS) - set(OPS)) == []


def test_every_helper_is_used() -> None:
    text = Path(str(importlib.import_module("wengert.graph.spelling").__file__))
    spelled = text.read_text("utf-8") + Path(str(plain.__file__)).read_text("utf-8")
    for name, f in vars(plain).items():
        if callable(f) and getattr(f, "__module__", "") == plain.__name__:
            assert spelled.count(name) > 1, name


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_scenarios_without_wengert(file: Path, tmp_path: Path) -> None:
    rows = scenarios(file)
    cases = []
    for i, s in enumerate(rows):
        for kind, graph, args in graphs_of(s):
            cases.append((f"{i}_{kind}", graph, args))
    if not cases:
        pytest.skip("no scenarios")
    failed = run(cases, tmp_path)
    names = [f"{rows[int(f.split('_')[0])].name} {f}" for f in failed]
    assert not failed, f"{len(failed)} of {len(cases)}\n" + "\n".join(names[:5])


I, J, F = np.array([1, 5, 6]), np.array([2, 3, 1]), np.array([0.5, -1.5, 2.0])
M = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
C = M + 1j * np.array([[0.0, 1.0, 2.0], [0.5, 0.0, 1.0], [3.0, 1.0, 0.0]])
B = np.array([True, False, True])

# Ops that no scenario differentiates: (op, arguments, parameters).
OTHERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((n, (I, J), {}) for n in ("bitwise_and", "bitwise_or", "bitwise_xor", "gcd",
      "lcm", "left_shift", "right_shift", "floor_divide")),
    *((n, (B, B[::-1]), {}) for n in ("logical_and", "logical_or", "logical_xor")),
    *((n, (F, F[::-1]), {}) for n in ("less", "less_equal", "greater", "greater_equal",
      "equal", "not_equal", "heaviside", "nextafter", "strong_product", "share",
      "share2", "direction", "inversion", "float_power", "copysign", "fmod")),
    *((n, (F,), {}) for n in ("isfinite", "isinf", "isnan", "signbit", "spacing",
      "sign", "floor", "ceil", "trunc", "rint", "stop_gradient", "fraction",
      "frexp_exponent", "lorentzian", "sech_squared", "one_minus_square")),
    *((n, (I,), {}) for n in ("bitwise_count", "invert")),
    ("ldexp", (F, I), {}),
    ("logical_not", (B,), {}),
    ("strong_product", (np.array([0, 2, np.inf]), np.array([np.inf, 3, 0])), {}),
    ("strong_product", (np.array([0j, 2j, np.inf]), np.array([np.inf, 3j, 0j])), {}),
    ("direction", (np.array([0.0, 1e300, np.inf]), np.array([0.0, 1e300, 1.0])), {}),
    ("inversion", (np.array([0.0, 1e300, np.inf]), np.array([0.0, 1e300, 1.0])), {}),
    ("lorentzian", (F + 1j,), {}), ("sech_squared", (F + 1j,), {}),
    *((n, (M,), {}) for n in ("cholesky", "det", "adjugate", "slogdet", "eig", "qr",
      "inv")),
    *((n, (np.stack([C, C.T]),), {}) for n in ("det", "adjugate", "slogdet", "eig",
      "qr", "inv")),
    *(("eigh", (C,), {"uplo": u}) for u in "LU"),
    *(("svd", (C[:, :2],), {"full": full}) for full in (True, False)),
    ("pinv", (C[:, :2],), {"rcond": 1e-15}),
    ("solve", (M, C), {}),
    *(("lstsq", (M[:, :2], C[:, :1]), {"rcond": r}) for r in (None, -1, 1e-3)),
    *(("lstsq", (np.stack([M, C])[..., :2], C[:, :1]), {"rcond": r}) for r in
      (None, -1, 1e-3)),
    *(("solve_triangular", (a, b), {"lower": low, "unit": unit}) for a in (M, C,
      np.stack([M, C])) for b in (C, M) for low in (True, False)
      for unit in (True, False)),
    *(("vector_norm", (x, ), {"ord": p, "axis": (0,), "keepdims": k})
      for x in (M, C, 1e-200 * M) for p in (2.0, 1.0, 3.5) for k in (True, False)),
    *(("recurrence", (0.5 * M, x), {"axis": 0, "reverse": r}) for x in (C, M)
      for r in (True, False)),
    ("recurrence", (np.array([0.0, 0.0, 2.0]), np.array([np.inf, 1.0, 1.0])),
     {"axis": 0, "reverse": False}),
    ("segment_sum", (M, np.array([0, 2, 1])), {"axis": 1}),
    ("segment_spread", (M, np.array([0, 2, 1])), {"size": 5, "axis": 0}),
    *(("sinc", (np.linspace(-3, 3, 7),), {"order": k}) for k in range(5)),
    *(("bessel_i", (np.array([0.0, 1e-10, 0.7, -3.0]),), {"order": k})
      for k in range(4)),
    *(("convolve", (a, v), {"mode": m}) for a, v in ((F, F[:2]), (M, F[:2]))
      for m in ("full", "valid")),
    ("convolve", (F[:2], M), {"mode": "full"}),
    ("partition_order", (M[0] - 5 * M[1],), {"axis": 0, "kth": (1,)}),
    ("partition_order", (M,), {"axis": 1, "kth": (0, 1)}),
    ("argpartition", (M,), {"axis": 1, "kth": (1,)}),
    ("argsort", (M,), {"axis": 0, "kind": "stable"}),
    ("argsort", (M,), {"axis": 0, "kind": None}),
    ("lexsort", (I % 2, J), {"axis": 0}),
    ("searchsorted", (np.sort(F), F), {"side": "right"}),
    *((n, (M,), {"axis": 1, "keepdims": k}) for n in ("argmax", "argmin")
      for k in (True, False)),
    *((n, (M,), {"axis": a, "keepdims": k}) for n in ("sum", "prod", "max", "min",
      "nanmax", "nanmin", "logsumexp", "logsumexp2", "all", "any")
      for a in ((0, 1), (1,), ()) for k in (True, False)),
    *(("permute", (x, np.argsort(x, -1)), {"axis": x.ndim - 1, "inverse": inv})
      for x in (F, M) for inv in (True, False)),
    ("diagonal_embed", (M,), {"shape": (3, 4, 3), "offset": 1, "axes": (0, 1)}),
    ("astype", (C,), {"dtype": np.dtype("f4")}),
    ("astype", (F,), {"dtype": np.dtype(bool)}),
    ("astype", (np.float64(2.5),), {"dtype": np.dtype(np.longdouble)}),
    ("isnat", (np.array(["2020-01-01", "NaT"], "M8[D]"),), {}),
]  # fmt: skip


def single(name: str, args: tuple[Any, ...], params: dict[str, Any]) -> Graph:
    """A graph of one node (and its parts)."""
    examples = [wg.Type(np.shape(a), np.asarray(a).dtype) for a in args]
    return flat(wg.trace(lambda *xs: bind(OPS[name], *xs, **params), *examples))


def test_ops_that_no_scenario_has(tmp_path: Path) -> None:
    cases = [
        (f"{i}_{name}", single(name, args, params), [np.asarray(a)[()] for a in args])
        for i, (name, args, params) in enumerate(OTHERS)
        if name != "isnat"  # of dates, which no graph has
    ]
    failed = run(cases, tmp_path)
    assert not failed, "\n".join(failed[:5])


def test_the_tables_have_every_op() -> None:
    found = {name for name, *_ in OTHERS}
    for file in FILES:
        for s in scenarios(file):
            for _, graph, _ in graphs_of(s):
                found |= {n.op.name for n in graph.nodes}
    assert sorted(set(OPS) - found) == []


# The text ---------------------------------------------------------------------------


def loss(params: dict[str, Any], x: Any) -> Any:
    hidden = np.tanh(x @ params["w"] + params["b"])
    return np.sum(hidden * hidden)


PARAMS = {"w": np.full((3, 2), 0.1), "b": np.array([0.5, -0.5])}
X = np.linspace(-1, 1, 12).reshape(4, 3)


def test_arguments_are_taken_apart_and_results_put_together() -> None:
    graph = wg.trace(wg.grad(loss), PARAMS, X)
    source = graph.to_python("slope")
    assert "def slope(params, x):" in source
    assert 'params_w = np.asarray(params["w"], dtype=np.float64)' in source
    assert source.rstrip().splitlines()[-1].startswith('    return {"w": ')
    got, wanted = run_one(graph, PARAMS, X), wg.grad(loss)(PARAMS, X)
    assert list(got) == list(wanted)
    for key in wanted:
        np.testing.assert_allclose(got[key], wanted[key], 1e-14)


def test_each_of_the_users_lines_is_a_comment_once() -> None:
    source = wg.trace(loss, PARAMS, X).to_python()
    notes = [s.strip() for s in source.splitlines() if s.strip().startswith("# test_")]
    assert len(notes) == 2
    assert notes[0].endswith('hidden = np.tanh(x @ params["w"] + params["b"])')


def test_scopes_stand_in_the_comments() -> None:
    def f(x: Any) -> Any:
        with wg.scope("layer1"):
            return np.sin(x)

    assert "# layer1: test_source.py:" in wg.trace(f, 1.0).to_python()


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Point:
    x: Any
    y: Any


def test_containers_of_many_kinds() -> None:
    def f(p: Pair, q: Point, o: Any, d: Any, n: Any) -> Any:
        y = p.first * q.x + o["k"][0] + d[0]
        return OrderedDict(a=(y,), b=[None, deque([y * q.y, p.second], maxlen=3)])

    args = (Pair(1.0, 2.0), Point(3.0, 4.0), OrderedDict(k=[5.0]), deque([6.0]), None)
    graph = wg.trace(f, *args)
    assert run_one(graph, *args) == f(*args)
    source = graph.to_python()
    assert "p[0]" in source
    assert "q.x" in source


def test_what_no_literal_says_is_flat_with_a_note() -> None:
    graph = wg.trace(lambda p: Pair(p[0] + 1.0, p[1]), Pair(1.0, 2.0))
    source = graph.to_python()
    assert "# The arrays of the result one by one" in source
    assert run_one(graph, Pair(1.0, 2.0)) == (2.0, 2.0)


def test_names_are_valid_and_unique() -> None:
    names = ["lambda", "np", "x y", "x_y", "3", "sum", "", "v0", "strong_product", "é"]
    xs = [wg.graph.symbols.symbol(n or "q", (2,)) for n in names]
    total: Any = 0.0
    for k, x in enumerate(xs):
        total = total + x * (k + 1.0)
    graph = wg.graph.symbols.function(xs, total)
    args = [np.array([k, 2.0]) for k in range(len(names))]
    np.testing.assert_array_equal(run_one(graph, *args), graph(*args))


def test_text_from_a_file_cannot_become_code() -> None:
    bad = '\nraise SystemExit("owned")\n'
    x = Node(INPUT, (), {}, wg.Type((), np.dtype(float)), None, f"x{bad}")
    line = f"a.py:1: x{bad}\r\x0b\x0c\x1c\u2028{bad}"
    y = Node(OPS["sin"], (x,), {}, x.type, line, f"y{bad}", f"s{bad}\u2029{bad}")
    graph = Graph((x,), (y,), name=f"g{bad}")
    space: dict[str, Any] = {}
    exec(compile(graph.to_python(), "made", "exec"), space)
    assert run_one(graph, 0.5) == (np.sin(0.5),)
    weird = wg.trace(lambda d: {bad: d[bad] * 2.0, '"""': 1.0}, {bad: 3.0})
    assert run_one(weird, {bad: 3.0}) == {bad: 6.0, '"""': 1.0}


CONSTANTS = [
    2.0, 3, True, 1.5 - 0.5j, np.inf, -np.inf, -0.0, complex(-0.0, np.inf), 1e30,
    np.float32(0.1), np.float16(0.1), np.float64(-0.0), np.int8(-3), np.uint8(200),
    np.complex64(0.1 - 0.2j), np.longdouble("0.1"), np.clongdouble(0.1), np.bool(True),
    np.array(2.0), np.zeros((2, 0)), np.zeros((2, 3), np.float32), np.ones(3, bool),
    np.full((2, 2), -0.0), np.full(3, 7, np.int16), np.arange(5), np.arange(5.0),
    np.array([0.1, np.nan, -np.inf, -0.0]), np.array([[1, 2], [3, 4]], np.uint16),
    np.array([0.1 - 0.0j, complex(np.nan, 1)]), np.linspace(0, 1, 50) / 3,
    np.linspace(0, 1, 1500, dtype=np.float32).reshape(3, 500).T,
    np.array([0.1, 0.2], np.longdouble) / 3, np.array([0.1 + 1j], np.clongdouble) / 3,
    np.asfortranarray(np.arange(6.0).reshape(2, 3) / 7), np.array([True, False]),
]  # fmt: skip


@pytest.mark.parametrize(
    "value", CONSTANTS, ids=lambda v: f"{type(v).__name__} {v!r:.20}"
)
def test_constants_are_exact(value: Any) -> None:
    x = wg.graph.symbols.symbol("x", (), np.float32)
    node = wg.graph.graph.constant(np.array(value) if np.ndim(value) else value)
    whole = bind(OPS["multiply"], wg.graph.symbols.as_symbol(node), x)
    graph = flat(wg.graph.symbols.function([x], [whole]))
    with np.errstate(all="ignore"):
        got, wanted = run_one(graph, np.float32(1))[0], graph(np.float32(1))[0]
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    assert equal_bits(got, wanted)


def equal_bits(a: Any, b: Any) -> bool:
    """Equality that tells -0.0 from 0.0 and not one nan from another."""
    a, b = np.asarray(a), np.asarray(b)
    signs = a.dtype.kind in "fc" and not (
        np.array_equal(np.signbit(a.real), np.signbit(b.real))
        and np.array_equal(np.signbit(a.imag), np.signbit(b.imag))
    )
    nans = a.dtype.kind in "fc" and (np.isnan(a) | np.isnan(b)).any()
    return np.array_equal(a, b, equal_nan=bool(nans)) and (bool(nans) or not signs)


def test_a_constant_that_is_returned_is_a_copy() -> None:
    graph = wg.trace(lambda x: (np.array([1.0, 2.5]), x), np.ones(2))
    space: dict[str, Any] = {}
    exec(compile(graph.to_python("made"), "made", "exec"), space)
    x = np.ones(2)
    first = space["made"](x)
    first[0][:] = 7.0
    first[1][:] = 7.0
    np.testing.assert_array_equal(space["made"](x)[0], [1.0, 2.5])
    np.testing.assert_array_equal(x, 1.0)


def test_division_by_zero_is_numpys() -> None:
    graph = wg.trace(lambda x: 1.0 / x, 1.0)
    assert run_one(graph, 0.0) == np.inf


@pytest.mark.skipif(shutil.which("ruff") is None, reason="needs ruff")
def test_a_formatter_leaves_it_as_it_is(tmp_path: Path) -> None:
    graphs = [wg.trace(wg.grad(loss), PARAMS, X)]
    many = {f"a_rather_long_name_{k}": np.ones(2) * k for k in range(8)}
    graphs.append(wg.trace(lambda p: (np.stack([*p.values()]), p), many))
    for i, file in enumerate(FILES):
        for s in scenarios(file)[::7]:
            graphs += [g for _, g, _ in graphs_of(s)]
        graphs[-1].name = f"file{i}"
    for i, graph in enumerate(graphs):
        (tmp_path / f"g{i}.py").write_text(graph.to_python(), encoding="utf-8")
    done = subprocess.run(
        ["ruff", "format", "--isolated", "--diff", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[:3000]


# Refusals ----------------------------------------------------------------------------


def test_what_has_no_spelling_is_refused_by_name_all_at_once() -> None:
    @wg.custom_jvp
    def mine(x: Any) -> Any:
        return x

    @wg.custom_vjp
    def yours(x: Any) -> Any:
        return x

    mine.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
    yours.defvjp(lambda x: (x, None), lambda _, ct: (ct,))
    graph = wg.trace(lambda x: yours(mine(x)), 1.0)
    with pytest.raises(TypeMismatch) as caught:
        graph.to_python()
    text = str(caught.value)
    assert "`mine`" in text
    assert "`yours`" in text
    assert "Do:" in text
    assert isinstance(caught.value, WengertError)


def test_captured_traced_values_are_refused() -> None:
    def f(x: Any) -> Any:
        wg.trace(lambda y: y * x, 1.0).to_python()
        return x

    with pytest.raises(TypeMismatch, match="captured traced value"):
        wg.grad(f)(1.0)


def test_a_long_graph_needs_no_recursion() -> None:
    def f(x: Any) -> Any:
        for _ in range(20_000):
            x = x + 1.0
        return x

    graph: Graph = wg.trace(f, 0.0)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        assert graph.to_python().count("\n") > 20_000
    finally:
        sys.setrecursionlimit(limit)
