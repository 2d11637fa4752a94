"""jit: calls that native code answers, and that it never answers a wrong one."""

import copy
import functools
import gc
import inspect
import math
import pickle
import threading
import tracemalloc
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.native import capi
from wengert.transforms.jit import Jit
from wengert.transforms.jit.backend import CompileWarning

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(
    capi.supported() is not None, reason=str(capi.supported())
)
X = np.array([0.5, -1.0, 2.0])


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Point:
    x: Any
    y: Any


class Model:
    rate = 0.5

    def __init__(self) -> None:
        self.w = np.array([1.0, 2.0, 3.0])
        self.k = 2.0
        self.parts = {"b": np.ones(3), "c": [np.zeros(3), 4]}

    def loss(self, x: Any) -> Any:
        return np.sum(self.w * x) * self.k * self.rate + self.parts["b"] * x

    @wg.jit
    def step(self, x: Any) -> Any:
        return self.w * x * self.rate


def same(got: Any, wanted: Any) -> None:
    assert type(got) is type(wanted)
    if isinstance(wanted, Point):
        got, wanted = [got.x, got.y], [wanted.x, wanted.y]
    if isinstance(wanted, dict):
        assert list(got) == list(wanted)
        got, wanted = list(got.values()), list(wanted.values())
    if isinstance(wanted, list | tuple):
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            same(g, w)
    elif isinstance(wanted, np.ndarray | np.generic):
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        rtol = 1e-13 if wanted.dtype != "f4" else 1e-6
        np.testing.assert_allclose(got, wanted, rtol=rtol)
    else:
        assert got == wanted or (got != got and wanted != wanted)


class Counting:
    """A jitted function, and how many of its calls entered Python."""

    def __init__(self, f: Callable[..., Any], **options: Any) -> None:
        self.f = f
        self.jitted = wg.jit(f, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        """Checks one call against `f`; how many paths Python took for it."""
        before = sum(p.answered for p in self.jitted.paths)
        eager = sum(self.jitted.report().eager.values())
        same(self.jitted(*args, **kwargs), self.f(*args, **kwargs))
        after = sum(p.answered for p in self.jitted.paths)
        return after - before + sum(self.jitted.report().eager.values()) - eager


STRUCTURES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "arrays": (lambda a, b: np.sin(a) * b, (X, X + 1.0)),
    "scalar result": (lambda a: a @ a, (X,)),
    "dict": (lambda d: {k: 2.0 * v for k, v in d.items()}, ({"b": X, "a": X + 1.0},)),
    "nested": (lambda t: [t[0]["x"] + t[1][0], None, "s"], (({"x": X}, [X]),)),
    "named tuple": (lambda p: Pair(p.b, p.a * 2.0), (Pair(X, X + 1.0),)),
    "dataclass": (lambda p: Point(p.y, p.x * 2.0), (Point(X, X + 1.0),)),
    "containers in others": (
        lambda p: Point({"a": Pair(p.x, [p.y])}, (p.y, Point(p.x, None))),
        (Point(X, X + 1.0),),
    ),
    "dict of nine": (
        lambda d: {(k, 1): v * 2.0 for k, v in d.items()},
        ({k: X + k for k in range(9)},),
    ),
    "float": (lambda x, r: (x * r, r + 1.0), (X, 0.5)),
    "int": (lambda x, n: (x * n, n + 1), (X, 3)),
    "numpy scalars": (lambda a, b: a * b, (np.float64(2.0), np.float32(3.0))),
    "flag": (lambda x, flag: x if flag else 2.0 * x, (X, False)),
    "string": (lambda x, s: x + len(s), (X, "abc")),
    "none": (lambda x, n=None: x if n is None else x + n, (X, None)),
    "0-d": (lambda x: x + 1.0, (np.array(2.0),)),
    "empty": (lambda x: x * 2.0, (np.zeros((0, 3)),)),
    "float32": (lambda x: np.exp(x), (X.astype("f4"),)),
    "bool": (lambda x: ~x, (X > 0,)),
    "branch": (lambda x: np.exp(x) if np.sum(x) > 0 else x, (X,)),
    "loop": (lambda x, n: sum((x * i for i in range(n)), x), (X, 4)),
    "unused": (lambda a, b: a * 1.0, (X, X)),
    "returned": (lambda a: (a, a), (X,)),
    "constant": (lambda a: a + np.arange(3.0), (X,)),
    "integers": (lambda a: a.sum() + a.max(), (np.arange(4),)),
    "no arrays": (lambda a, b: a * b, (2.0, 3.0)),
    "function": (lambda f, x: f(x), (np.cos, X)),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_second_call_is_native(name: str) -> None:
    f, args = STRUCTURES[name]
    count = Counting(f)
    assert count(*args) == 1
    assert [count(*args) for _ in range(3)] == [0, 0, 0]
    (path,) = count.jitted.report().paths
    assert path.call == "native"
    assert path.calls == 4
    assert "called:   native" in str(path)


@pytest.mark.parametrize("n", [1, 5, 6, 20])
def test_each_call_returns_a_dict_of_its_own(n: int) -> None:
    f = wg.jit(lambda x: {f"k{i}": x * float(i) for i in range(n)})
    f(X)
    first, second = f(X), f(X)
    first.clear()
    first["other"] = X
    assert list(second) == [f"k{i}" for i in range(n)]
    third = f(X + 1.0)
    assert list(third) == list(second)
    np.testing.assert_array_equal(third[f"k{n - 1}"], (X + 1.0) * (n - 1))


def test_keywords_and_static_arguments() -> None:
    def f(x: Any, n: int = 2, *, mode: str = "up") -> Any:
        return x**n if mode == "up" else x - n

    count = Counting(f, static_argnames="n")
    for kwargs in ({}, {"n": 3}, {"n": 3, "mode": "down"}, {"mode": "down"}):
        assert count(X, **kwargs) == 1
        assert count(X, **kwargs) == 0
    assert count(X, 3) == 1
    assert count(X, 3) == 0
    assert count(X, mode="down", n=3) <= 1


# What native code must leave to Python ----------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        X.astype("f4"), X.reshape(1, 3), np.arange(6.0)[::2], X.astype(">f8"),
        np.float64(2.0), 2.0, 3, True, X.astype(int), [1.0, 2.0], X[:2],
        np.ma.masked_array(X, X > 0), np.asfortranarray(np.ones((3, 3))),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}",
)  # fmt: skip
def test_other_arguments_take_another_way(other: Any) -> None:
    f = wg.jit(lambda x: x * 2.0 if not isinstance(x, list) else len(x))
    for _ in range(2):
        same(f(X), X * 2.0)
        got = f(other)
        wanted = len(other) if isinstance(other, list) else other * 2.0
        assert type(got) is type(wanted)
        np.testing.assert_array_equal(got, wanted)


def test_the_order_of_memory_is_part_of_a_path() -> None:
    count = Counting(lambda x: np.ravel(x, order="K"))
    square = np.arange(9.0).reshape(3, 3)
    count(square)
    for other in (square.T, np.asfortranarray(square), square[:, ::-1], square):
        for _ in range(3):
            count(other)


def test_an_int_beyond_32_bits_stays_exact() -> None:
    count = Counting(lambda n: n * n + 1)
    assert count(3) == 1
    assert count(5) == 0
    for n in (2**31 - 1, -(2**31), 2**31, 2**40, 2**70, -(2**63)):
        count(n)
        count(n)


def test_the_order_of_keys_is_part_of_a_path() -> None:
    count = Counting(lambda d: {k: v * (i + 1) for i, (k, v) in enumerate(d.items())})
    for d in ({"a": X, "b": X}, {"b": X, "a": X}, {"a": X, "b": X}):
        count(d)
        count(d)
    assert len(count.jitted.paths) == 2
    made = {"".join(["a"]): X, "".join(["b"]): X}  # keys that are equal, not the same
    assert count(made) == 0
    count({"a": X})
    count(OrderedDict(b=X, a=X))


def test_nan_and_signed_zeros_as_numbers() -> None:
    count = Counting(lambda x: (x + 0.0, math.copysign(1.0, x)))
    for x in (0.0, -0.0, math.inf, -0.0, 0.0):
        count(x)


def test_results_are_fresh_and_arguments_unchanged() -> None:
    f = wg.jit(lambda a: (a, a * 1.0, a[1:]))
    a = X.copy()
    for _ in range(3):
        parts = f(a)
        for p in parts:
            assert not np.may_share_memory(p, a)
            p[:] = 7.0
        np.testing.assert_array_equal(a, X)


def test_writes_happen_at_each_call() -> None:
    def f(a: Any) -> Any:
        a += 1.0
        return a.sum()

    g, a = wg.jit(f), np.zeros(2)
    assert [g(a) for _ in range(3)] == [2.0, 4.0, 6.0]
    assert g.report().paths[0].call == "it writes into arrays"


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda x: x[x > 0], "a shape depends on values"),
        (lambda x: wg.debug.callback(len, x) or x * 2.0, "it prints or calls back"),
    ],
)
def test_why_calls_go_through_python(f: Any, why: str) -> None:
    g = wg.jit(f)
    for _ in range(2):
        same(g(X), f(X))
    assert g.report().paths[0].call == why
    assert f"through Python: {why}" in str(g.report())


# What functions read: each change is seen by the next call --------------------------

W = np.array([1.0, 2.0, 3.0])
OTHER = W
RATE: Any = 0.5
PARTS: Any = {"a": W + 1.0, "b": [W + 2.0, 2.0]}
MODEL = Model()


def helper(x: Any, k: Any = 3.0, *, j: Any = 1.0) -> Any:
    return x * RATE * k * j


def reads_globals(x: Any) -> Any:
    return W @ x * RATE


def reads_parts(x: Any) -> Any:
    return sum(v * x for v in (PARTS["a"], PARTS["b"][0])) * PARTS["b"][1] * len(PARTS)


def reads_helper(x: Any) -> Any:
    return helper(x) + np.sum(x)


def reads_aliases(x: Any) -> Any:
    return (W * 2.0 if W is OTHER else W + OTHER) * x


def reads_model(x: Any) -> Any:
    return MODEL.loss(x)


def _put(name: str, value: Any) -> Callable[[], Any]:
    return lambda: globals().__setitem__(name, value)


CHANGES: dict[str, tuple[Callable[..., Any], list[Callable[[], Any]]]] = {
    "globals": (
        reads_globals,
        [
            lambda: W.__setitem__(0, 9.0), _put("W", np.ones(3)), _put("RATE", 2.0),
            _put("RATE", 2), _put("RATE", np.float64(2.0)), _put("RATE", True),
            _put("RATE", np.ones(3)), _put("W", np.ones(3, "f4")),
            _put("W", np.arange(6.0)[::2]), _put("RATE", 1.5),
            _put("W", np.ones((2, 3))),
        ],
    ),
    "containers": (
        reads_parts,
        [
            lambda: PARTS["a"].__setitem__(1, 5.0),
            lambda: PARTS.__setitem__("a", np.ones(3)),
            lambda: PARTS["b"].__setitem__(1, 3.0),
            lambda: PARTS["b"].append(1), lambda: PARTS.__setitem__("c", 1),
            lambda: PARTS.pop("c"),
            lambda: PARTS["b"].__setitem__(0, PARTS["a"]),
            lambda: PARTS["b"].__setitem__(0, PARTS["a"].copy()),
            _put("PARTS", {"a": np.ones(3), "b": [np.ones(3), 4.0]}),
        ],
    ),
    "a function": (
        reads_helper,
        [
            lambda: setattr(helper, "__defaults__", (4.0,)),
            lambda: setattr(helper, "__kwdefaults__", {"j": 2.0}),
            lambda: setattr(helper, "__defaults__", (np.ones(3),)),
            _put("RATE", 0.25), _put("helper", lambda x: x),
            _put("helper", np.exp), _put("helper", functools.partial(np.power, 2.0)),
        ],
    ),
    "aliases": (
        reads_aliases,
        [
            _put("OTHER", np.ones(3)), _put("W", np.ones(3)),
            lambda: globals().update(OTHER=W), lambda: W.__setitem__(0, -1.0),
            lambda: globals().update(W=OTHER.copy()),
        ],
    ),
    "an object": (
        reads_model,
        [
            lambda: MODEL.w.__setitem__(0, 9.0),
            lambda: setattr(MODEL, "w", np.ones(3)),
            lambda: setattr(MODEL, "k", 3.0), lambda: setattr(Model, "rate", 0.25),
            lambda: setattr(MODEL, "rate", 0.125), lambda: delattr(MODEL, "rate"),
            lambda: MODEL.parts.__setitem__("b", np.zeros(3)),
            lambda: setattr(MODEL, "loss", lambda x: x),
            lambda: delattr(MODEL, "loss"),
            lambda: setattr(Model, "loss", lambda self, x: self.w - x),
            lambda: setattr(MODEL, "unrelated", 1), _put("MODEL", Model()),
        ],
    ),
}  # fmt: skip


@pytest.fixture
def restored() -> Any:
    names = ("W", "OTHER", "RATE", "PARTS", "MODEL", "helper")
    before = {k: copy.deepcopy(globals()[k]) for k in names if k != "helper"}
    before["OTHER"] = before["W"]
    defaults = helper.__defaults__, helper.__kwdefaults__
    loss, old = Model.loss, helper
    yield
    globals().update(before, helper=old)
    helper.__defaults__, helper.__kwdefaults__ = defaults
    Model.loss, Model.rate = loss, 0.5  # type: ignore[method-assign]


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_seen(name: str, restored: Any) -> None:
    f, changes = CHANGES[name]
    count = Counting(f)
    count(X)
    assert count(X) == 0, count.jitted.report()
    for change in changes:
        change()
        for _ in range(3):
            count(X)


def test_closures_and_cells() -> None:
    a, n, k = np.ones(3), 2.0, [1.0]

    def f(x: Any) -> Any:
        return x * a * n + k[0]  # noqa: F821

    count = Counting(f)
    count(X)
    assert count(X) == 0
    a[0] = 5.0
    assert count(X) == 0  # an array's contents are an input
    a = np.zeros(3)
    assert count(X) == 0  # and so is another array there
    n = 3.0
    assert count(X) == 1
    assert count(X) == 0
    k[0] = 2.0
    assert count(X) == 1
    k = [2.0]
    assert count(X) == 0
    n = 2.0
    count(X)
    del n
    with pytest.raises(NameError):
        count.jitted(X)


def test_native_code_learns_about_new_objects(restored: Any) -> None:
    """A watched object was replaced by an equal one: Python answers, and then not."""
    global RATE
    RATE = 1e300
    count = Counting(reads_globals)
    count(X)
    for _ in range(5):
        RATE = float("1e300")
        assert count(X) == 0
    g = Counting(lambda x: x * (2.0 if shape == (1, 2) else 1.0))
    shape = (1, 2)
    g(X)
    shape = Pair(1, 2)[:]
    assert [g(X) for _ in range(2)][-1] == 0


def test_methods_and_their_objects() -> None:
    class Child(Model):
        rate = 0.75

    m, child = Model(), Child()
    for _ in range(3):
        same(m.step(X), m.w * X * m.rate)
        same(child.step(X), child.w * X * child.rate)
        same(Model.step(m, X), m.w * X * m.rate)
    m.w = m.w + 1.0
    m.rate = 4.0
    for _ in range(3):
        same(m.step(X), m.w * X * 4.0)
    count = Counting(lambda model, x: model.w * x * model.k)
    count(m, X)
    assert count(m, X) == 0
    other = Model()
    other.rate = 1.0
    assert count(other, X) <= 1
    other.k = 5.0
    count(other, X)
    same(count.jitted(other, X), other.w * X * 5.0)


def test_many_paths_and_back() -> None:
    def f(x: Any) -> Any:
        n = 0
        while np.sum(x) > 1.0:
            x = x * 0.5
            n += 1
        return x, n

    count = Counting(f)
    for _ in range(3):
        for k in range(25):
            count(np.array([2.0**k, 1.0]))
    assert len(count.jitted.paths) == 25
    assert sum(p.calls for p in count.jitted.paths) == 75
    count.jitted.clear()
    assert count.jitted.paths == []
    assert count(X) == 1


def test_an_error_of_linear_algebra_is_numpys() -> None:
    f = wg.jit(np.linalg.inv)
    good = np.eye(2) * 2.0
    for _ in range(2):
        same(f(good), np.linalg.inv(good))
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            f(np.ones((2, 2)))
    same(f(good), np.linalg.inv(good))


# The object ------------------------------------------------------------------------


@wg.jit
def at_the_top(x: Any, y: float = 1.0) -> Any:
    """Its own text."""
    return x + y


def test_it_looks_like_the_function() -> None:
    assert isinstance(at_the_top, Jit)
    assert not isinstance(len, Jit)
    assert repr(at_the_top) == "<jit of at_the_top>"
    assert at_the_top.__name__ == "at_the_top"
    assert at_the_top.__doc__ == "Its own text."
    assert at_the_top.__module__ == __name__
    assert str(inspect.signature(at_the_top)) == "(x: Any, y: float = 1.0) -> Any"
    assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top
    assert copy.deepcopy(at_the_top) is at_the_top
    again = pickle.loads(pickle.dumps(wg.jit(math.hypot, max_paths=3)))
    assert again(3.0, 4.0) == 5.0
    assert again.max_paths == 3
    at_the_top.note = 3
    assert at_the_top.note == 3
    same(at_the_top.graph(X)(X), (X + 1.0,))


def test_it_goes_when_nobody_holds_it() -> None:
    w = np.ones(3)
    f = wg.jit(lambda x: x * w)
    f(X), f(X)
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_calls_keep_nothing() -> None:
    f = wg.jit(lambda d, r: {"s": d["a"] * r, "n": r})
    d = {"a": X}
    for _ in range(100):
        f(d, 2.0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(2000):
        f(d, 2.0)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2000


def test_threads_get_their_own_results() -> None:
    f = wg.jit(lambda x, n: x * n if np.sum(x) > 0 else x - n)
    wrong: list[Any] = []

    def run(k: int) -> None:
        x = np.full(200, float(k if k % 2 else -k))
        for n in range(1, 400):
            wanted = x * n if k % 2 else x - n
            if not np.array_equal(f(x, n), wanted):
                wrong.append((k, n))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_compiler_that_fails_is_told_of_and_stood_in_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(graph: Any, passes: Any = None, level: int = 1) -> Any:
        raise RuntimeError("no such register")

    monkeypatch.setattr(wg.native, "compile", broken, raising=False)
    f = wg.jit(lambda x: x * 2.0)
    with pytest.warns(CompileWarning, match="no such register"):
        same(f(X), X * 2.0)
    same(f(X), X * 2.0)
    assert f.report().paths[0].backend == "numpy"
    assert f.report().paths[0].call == "it runs in NumPy"


def test_without_native_functions_all_calls_go_through_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capi, "supported", lambda: "an unknown layout")
    f = wg.jit(lambda x: x * 2.0)
    assert type(f) is not type(at_the_top)
    assert isinstance(f, Jit)
    for _ in range(3):
        same(f(X), X * 2.0)
    assert f.report().paths[0].calls == 3
    assert f.report().paths[0].backend == "native"
    same(wg.grad(lambda x: np.sum(f(x)))(X), np.full(3, 2.0))
