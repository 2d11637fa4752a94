"""jit: what a function reads besides its arguments is seen when it changes."""

import functools
import sys
import types
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.5, -1.0, 2.0])
W = np.array([1.0, 2.0, 3.0])
RATE = 0.1
PARAMS: dict[str, Any] = {"w": np.ones(3), "b": [np.zeros(3), 2.0]}
MODE = "double"
MASK = np.array([True, False, True])
Y = np.array([3.0, 1.0, 2.0])


def check(f: Any, g: Any, x: Any = X) -> None:
    """Compiled `g` gives what `f` does now; twice, the second time surely compiled."""
    for _ in range(2):
        np.testing.assert_allclose(g(x), f(x), rtol=1e-13)


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    names = ("W", "RATE", "PARAMS", "MODE", "helper", "Y", "MASK")
    before = {name: globals()[name] for name in names}
    w, y = W.copy(), Y.copy()
    yield
    globals().update(before)
    W[:], Y[:] = w, y


def helper(x: Any) -> Any:
    return x * RATE + Y


def test_a_global_array_rebound_and_in_place() -> None:
    global W
    f = lambda x: x @ W + W.sum()
    g = wg.jit(f)
    check(f, g)
    W[0] = 10.0
    check(f, g)
    W = np.array([0.0, 1.0, 5.0])
    check(f, g)
    assert len(g.paths) == 1  # an argument, not a constant
    W = np.array([1.0, 2.0, 3.0], "f4")
    check(f, g)
    assert len(g.paths) == 2


def test_what_python_does_with_a_captured_array() -> None:
    """Everything that isn't a step with an argument is part of the graph too."""
    global W
    f = lambda x: x * (2.0 if W[0] > 0 else 3.0) + len(W) + W.max() + float(W[1])
    g = wg.jit(f)
    for w in ([1.0, 2.0, 3.0], [-1.0, 2.0, 3.0], [-1.0, 5.0, 7.0], [1.0, 2.0, 9.0]):
        W = np.array(w)
        check(f, g)


def test_a_global_number_and_a_string() -> None:
    global RATE, MODE
    f = lambda x: x * RATE if MODE == "double" else x
    g = wg.jit(f)
    check(f, g)
    RATE = 0.5
    check(f, g)
    RATE = 0.1
    check(f, g)
    assert len(g.paths) == 2
    MODE = "single"
    check(f, g)
    assert "MODE was 'double' and is 'single'" in g.report().paths[-1].reason


def test_a_closure_variable() -> None:
    w, k = np.ones(3), 2.0

    def f(x: Any) -> Any:
        return x * w + k

    def rebind() -> None:
        nonlocal w, k
        w, k = w * 3.0, k + 1.0

    g = wg.jit(f)
    check(f, g)
    w[1] = 7.0
    check(f, g)
    rebind()
    check(f, g)
    assert len(g.paths) == 2


class Model:
    scale = 1.0

    def __init__(self) -> None:
        self.w = np.ones(3)
        self.k = 2.0
        self.unread = 0
        self.inner: Any = types.SimpleNamespace()

    def linear(self, x: Any) -> Any:
        return x * self.w + W

    @property
    def doubled(self) -> Any:
        return 2.0 * self.w

    def __call__(self, x: Any) -> Any:
        return self.linear(x) * self.k * Model.scale + self.doubled


def test_attributes() -> None:
    m = Model()
    f = lambda x: m(x)
    g = wg.jit(f)
    check(f, g)
    m.w = m.w * 2.0
    check(f, g)
    m.w[0] = -1.0
    check(f, g)
    m.unread = 5
    check(f, g)
    assert len(g.paths) == 1
    m.k = 3.0
    check(f, g)
    W[1] = 100.0  # through a method, which runs as it is: its contents are watched
    check(f, g)
    m.__dict__["linear"] = lambda x: x
    check(f, g)


def test_class_attributes_and_replaced_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    m = Model()
    f = lambda x: m(x)
    g = wg.jit(f)
    check(f, g)
    monkeypatch.setattr(Model, "scale", 5.0)
    check(f, g)
    monkeypatch.setattr(Model, "linear", lambda self, x: x - self.w)
    check(f, g)


def test_an_object_of_another_class_and_another_object() -> None:
    m = Model()
    f = lambda x: m.linear(x)

    class Other(Model):
        def linear(self, x: Any) -> Any:
            return x * 0.0 + self.k

    g = wg.jit(f)
    check(f, g)
    m = Model()
    m.w = m.w * 9.0
    check(f, g)
    assert len(g.paths) == 1
    m = Other()
    check(f, g)


def test_objects_among_the_arguments() -> None:
    f = lambda m, x: m.linear(x)
    g = wg.jit(f)
    a, b = Model(), Model()
    b.w = b.w * 3.0
    for m in (a, b, a):
        np.testing.assert_allclose(g(m, X), f(m, X))
    assert len(g.paths) == 1
    a.w = np.ones(3) * 7.0
    np.testing.assert_allclose(g(a, X), f(a, X))


def test_items_of_dicts_and_lists() -> None:
    global PARAMS
    f = lambda x: x * PARAMS["w"] + PARAMS["b"][0] * PARAMS["b"][1]
    g = wg.jit(f)
    check(f, g)
    PARAMS["w"] = np.array([1.0, 5.0, 2.0])
    PARAMS["b"][0][:] = 4.0
    check(f, g)
    PARAMS = {"w": np.zeros(3), "b": [np.ones(3), 2.0]}
    check(f, g)
    assert len(g.paths) == 1
    PARAMS["b"][1] = 3.0
    check(f, g)
    PARAMS["more"] = 1.0
    check(f, g)
    f2 = lambda x: sum((x * v for v in PARAMS.values() if isinstance(v, float)), x)
    g2 = wg.jit(f2)
    check(f2, g2)
    PARAMS["other"] = 2.0
    check(f2, g2)


def test_a_helpers_globals_and_a_replaced_helper() -> None:
    global RATE, Y, helper
    f = lambda x: helper(x) * 2.0
    g = wg.jit(f)
    check(f, g)
    RATE = 7.0
    check(f, g)
    Y = Y + 1.0
    check(f, g)
    assert len(g.paths) == 2
    old = helper
    helper = lambda x: x * 100.0
    check(f, g)
    helper = old
    check(f, g)
    assert len(g.paths) == 3


def test_default_arguments() -> None:
    def f(x: Any, w: Any = W, *, k: float = 2.0) -> Any:
        return x * w * k

    g = wg.jit(f)
    check(f, g)
    assert f.__defaults__ is not None
    assert f.__kwdefaults__ is not None
    f.__defaults__[0][0] = 5.0
    check(f, g)
    f.__kwdefaults__["k"] = 3.0
    check(f, g)


def test_partials_bound_methods_and_transformed_functions() -> None:
    m = Model()
    p = functools.partial(np.multiply, W)
    loss = wg.grad(lambda x: np.sum(np.sin(x) * W) * RATE)
    method = m.linear
    f = lambda x: p(x) + loss(x) + method(x)
    g = wg.jit(f)
    check(f, g)
    W[2] = 20.0
    check(f, g)
    m.w[:] = 5.0
    check(f, g)
    g2 = wg.jit(wg.value_and_grad(lambda x: np.sum(x * x * W)))
    for scale in (1.0, 2.0):
        W[:] = W * scale
        np.testing.assert_allclose(g2(X)[1], 2 * X * W)
    assert len(g2.paths) == 1


def test_a_partial_a_bound_method_and_an_object_themselves() -> None:
    m = Model()
    for f in (functools.partial(lambda w, x: w * x * RATE, W), m.linear, m):
        g = wg.jit(f)
        check(f, g)
        W[0] += 1.0
        m.w[1] += 1.0
        check(f, g)
        assert not g.report().eager


def test_questions_about_types_have_the_answers_of_arrays() -> None:
    def f(x: Any, n: Any) -> Any:
        if isinstance(W, np.ndarray) and isinstance(x, np.ndarray):
            x = x * W
        if isinstance(n, int) and not hasattr(n, "shape"):
            x = x * n
        return x.sum() if hasattr(x, "shape") and isinstance(x.sum(), float) else 0.0

    g = wg.jit(f)
    for n in (2, 3.0, 3):
        np.testing.assert_allclose(g(X, n), f(X, n))
    np.testing.assert_allclose(g(np.float64(2.0), 2), f(np.float64(2.0), 2))


def test_more_than_can_be_watched_runs_as_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wengert.transforms.jit.capture.MOST", 5)
    table = {i: float(i) for i in range(20)}
    g = wg.jit(lambda x: x * sum(table.values()))
    check(g.function, g)
    table[3] = 100.0
    check(g.function, g)
    assert "can be watched" in next(iter(g.report().eager))


def test_a_module_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    config = types.ModuleType("wengert_test_config")
    config.__dict__.update(w=np.ones(3), k=2.0)
    monkeypatch.setitem(sys.modules, "wengert_test_config", config)
    f = lambda x: x * config.w * config.k
    g = wg.jit(f)
    check(f, g)
    config.__dict__["w"] = np.array([1.0, 2.0, 4.0])
    check(f, g)
    assert len(g.paths) == 1
    config.__dict__["k"] = 1.0
    check(f, g)


def test_captured_masks_and_indices() -> None:
    global MASK
    f = lambda x: x[MASK].sum() * x[np.array([0, 1])].sum()
    g = wg.jit(f)
    check(f, g)
    MASK = ~MASK
    check(f, g)
    MASK[:] = True
    check(f, g)


def test_what_staging_itself_changes_is_not_watched() -> None:
    calls = {"n": 0}

    def f(x: Any) -> Any:
        calls["n"] += 1
        return x * 2.0

    g = wg.jit(f)
    for _ in range(3):
        np.testing.assert_allclose(g(X), X * 2.0)
    assert calls == {"n": 1}
    assert "assigns n only while it is staged" in str(g.report())


def test_writes_into_captured_arrays_happen_at_each_call() -> None:
    total = np.zeros(3)

    def f(x: Any) -> Any:
        total[:] += x
        return x * 2.0

    g = wg.jit(f)
    for _ in range(4):
        g(X)
    np.testing.assert_allclose(total, 4 * X)
    assert len(g.paths) == 1


def test_values_of_an_outer_transform() -> None:
    def loss(w: Any) -> Any:
        return np.sum(wg.jit(lambda x: x * w + np.sin(w))(X))

    np.testing.assert_allclose(wg.grad(loss)(2.0), X.sum() + 3 * np.cos(2.0))
    inner = wg.jit(lambda x: x * PARAMS["w"])

    def through_a_global(w: Any) -> Any:
        PARAMS["w"] = w
        try:
            return np.sum(inner(X))
        finally:
            PARAMS["w"] = np.ones(3)

    inner(X)
    np.testing.assert_allclose(wg.grad(through_a_global)(np.ones(3)), X)
    np.testing.assert_allclose(inner(X), X)


def test_nothing_of_the_users_is_replaced() -> None:
    m, params = Model(), {"w": np.ones(3), "l": [np.ones(2)]}
    before = (m.w, params["w"], params["l"], params["l"][0], helper, W)
    wg.jit(lambda x: m(x) + params["w"] * params["l"][0].sum() + helper(x))(X)
    after = (m.w, params["w"], params["l"], params["l"][0], helper, W)
    assert all(a is b for a, b in zip(before, after, strict=True))


class Asking:
    def __init__(self) -> None:
        self.w = np.ones(3)

    def kinds(self, x: Any) -> Any:
        return type(x) is np.ndarray, isinstance(x, np.ndarray), hasattr(x, "flags")

    def outer(self, x: Any) -> Any:
        return self.kinds(x), self.w * x

    @property
    def kind(self) -> Any:
        return type(self.w) is np.ndarray


def asks_in_a_function(x: Any) -> Any:
    return [type(x) is np.ndarray, type(x[0]), type(len(x)), isinstance(int, type), x]


@pytest.mark.parametrize(
    "f",
    [
        asks_in_a_function,
        Asking().kinds,
        Asking().outer,
        lambda x: (ASKING.kinds(x), x),
        lambda x: (ASKING.kind, x),
        lambda x: np.asarray(x) if type(x) is np.ndarray else None,
    ],
)
def test_questions_for_types_have_the_answers_of_plain_python(f: Any) -> None:
    x = np.arange(3.0)
    g = wg.jit(f)
    for _ in range(3):
        assert repr(g(x)) == repr(f(x))


ASKING = Asking()
