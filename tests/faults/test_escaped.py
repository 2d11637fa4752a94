"""Traced values that outlive their function raise our error; `aux` comes out plain."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import Tracer

X = np.array([1.0, 2.0, 3.0])
VERBS = {"grad": "differentiated", "jvp": "differentiated", "vmap": "mapped",
         "trace": "staged"}  # fmt: skip


def escape(by: str, make: Callable[[Any], Any]) -> Any:
    """What `make(x)` gives inside a function that has ended."""
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(make(x))
        return np.sum(x * x)

    if by == "grad":
        wg.grad(f)(X)
    elif by == "jvp":
        wg.jvp(f, (X,), (X,))
    elif by == "vmap":
        wg.vmap(f)(np.stack([X, X]))
    else:
        wg.trace(f, wg.Type((3,), np.dtype(float)))
    return kept[0]


MADE: dict[str, Callable[[Any], Any]] = {
    "argument": lambda x: x,
    "result": lambda x: x * 2.0,
    "view": lambda x: x[1:],
    "view of a view": lambda x: x[1:][::-1],
    "element": lambda x: x[0],
    "zeros_like": np.zeros_like,
}

USES: dict[str, Callable[[Any], Any]] = {
    "t * 2": lambda t: t * 2.0,
    "2 * t": lambda t: 2.0 * t,
    "t + t": lambda t: t + t,
    "-t": lambda t: -t,
    "np.sin": np.sin,
    "np.sum": np.sum,
    "np.where": lambda t: np.where(True, t, 0.0),
    "array * t": lambda t: X[0] * t,
    "t > 0": lambda t: t > 0,
    "t[...]": lambda t: t[...],
    "in-place": lambda t: t.__iadd__(1.0),
    "write": lambda t: t.__setitem__(Ellipsis, 1.0),
    "reshape": lambda t: t.reshape(-1),
    "copy": lambda t: t.copy(),
    "out": lambda t: (
        np.add(X[: t.size].reshape(t.shape), 1.0, out=t) if t.ndim else np.add(t, 1.0)
    ),
    "inside another grad": lambda t: wg.grad(lambda u: np.sum(u * t))(2.0),
    "inside another jvp": lambda t: wg.jvp(lambda u: u * t, (2.0,), (1.0,)),
    "inside another vmap": lambda t: wg.vmap(lambda u: u * t)(X),
    "inside another trace": lambda t: wg.trace(lambda u: u * t, 2.0)(1.0),
    "as an argument of grad": lambda t: wg.grad(lambda u: np.sum(u * u))(t),
    "as an argument of jvp": lambda t: wg.jvp(lambda u: u * u, (t,), (t,)),
    "as a cotangent": lambda t: wg.vjp(lambda u: u * 2.0, np.ones(t.shape))[1](t),
}


@pytest.mark.parametrize("by", VERBS)
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("use", USES)
def test_use_after_the_end_raises(use: str, made: str, by: str) -> None:
    t = escape(by, MADE[made])
    with pytest.raises(wg.WengertError) as caught:
        USES[use](t)
    text = str(caught.value)
    assert "escaped" in text
    assert VERBS[by] in text
    assert "stop_gradient" in text
    assert "test_escaped.py" in text


def test_the_whole_message() -> None:
    t = escape("grad", MADE["argument"])
    with pytest.raises(wg.WengertError) as caught:
        np.exp(t)
    assert str(caught.value).splitlines()[:3] == [
        "A traced value is used only inside the function that is being differentiated.",
        "  Came: `exp` on a value that escaped from a differentiated function that has "
        "ended (through a global, an attribute, a list, a closure?)",
        "  Do:   return the value from the function (has_aux=True for values besides "
        "the result), or store wg.stop_gradient(value).",
    ]
    assert (
        str(caught.value).splitlines()[3].strip().startswith("At:   test_escaped.py:")
    )


def test_ways_of_escaping() -> None:
    class Model:
        state: Any = None

    model, table, cell = Model(), {}, []

    def f(x: Any) -> Any:
        model.state = x * 2.0
        table["x"] = x + 1.0
        cell.append(lambda: x * 3.0)
        globals()["_escaped_here"] = x - 1.0
        return np.sum(x)

    wg.grad(f)(X)
    for use in (
        lambda: model.state * 1.0,
        lambda: table["x"] * 1.0,
        cell[0],
        lambda: globals().pop("_escaped_here") * 1.0,
    ):
        with pytest.raises(wg.WengertError, match="escaped"):
            use()


def test_an_escaped_value_in_the_next_call() -> None:
    """The commonest way: state that one call leaves for the next."""
    state: list[Any] = [0.0]

    def f(x: Any) -> Any:
        state[0] = state[0] + x
        return state[0] * x

    g = wg.grad(f)
    assert g(1.0) == 2.0
    with pytest.raises(wg.WengertError, match="escaped"):
        g(1.0)


def test_inner_value_used_by_the_outer_function() -> None:
    def outer(x: Any) -> Any:
        kept = []
        wg.grad(lambda y: kept.append(y * x) or y * y)(x)
        return kept[0] * 2.0

    with pytest.raises(wg.WengertError, match="escaped"):
        wg.grad(outer)(1.0)


def test_a_write_from_inside_into_an_outer_array_escapes() -> None:
    def outer(x: Any) -> Any:
        buffer = np.zeros_like(x)

        def inner(y: Any) -> Any:
            buffer[0] = y * 2.0
            return y * y

        wg.grad(inner)(1.0)
        return np.sum(buffer * x)

    with pytest.raises(wg.WengertError, match="escaped"):
        wg.grad(outer)(X)


def test_an_escaped_value_can_be_looked_at() -> None:
    """In a debugger: printing, the shape, and what it was."""
    for by in ("grad", "jvp", "vmap", "trace"):
        t = escape(by, lambda x: x * 2.0)
        assert t.shape == (3,)
        assert t.dtype == float
        assert "Tracer" in repr(t)
        assert str(t)


# aux ----------------------------------------------------------------------------------


def is_plain(tree: Any) -> bool:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, tuple | list):
        return all(map(is_plain, tree))
    return not isinstance(tree, Tracer)


def with_aux(x: Any) -> Any:
    y = x * 2.0
    view = y[1:]
    y[1] = 7.0
    aux = {
        "result": y,
        "view after a write": view,
        "argument": x,
        "numbers": [x[0], 3, "text", None],
        "sum": np.sum(y),
        "constant": np.zeros_like(x),
        "mask": x > 1.5,
    }
    return np.sum(y), aux


def check_aux(aux: Any) -> None:
    assert is_plain(aux)
    np.testing.assert_array_equal(aux["result"], [2.0, 7.0, 6.0])
    np.testing.assert_array_equal(aux["view after a write"], [7.0, 6.0])
    np.testing.assert_array_equal(aux["argument"], X)
    assert aux["numbers"] == [1.0, 3, "text", None]
    assert aux["sum"] == 15.0
    np.testing.assert_array_equal(aux["constant"], np.zeros(3))
    np.testing.assert_array_equal(aux["mask"], [False, True, True])
    assert math.isclose(float(aux["sum"]), 15.0)


def test_aux_of_grad() -> None:
    g, aux = wg.grad(with_aux, has_aux=True)(X)
    np.testing.assert_array_equal(g, [2.0, 0.0, 2.0])
    check_aux(aux)


def test_aux_of_value_and_grad() -> None:
    (value, aux), _ = wg.value_and_grad(with_aux, has_aux=True)(X)
    assert value == 15.0
    check_aux(aux)


def test_aux_of_vjp() -> None:
    y, pullback, aux = wg.vjp(with_aux, X, has_aux=True)
    assert y == 15.0
    check_aux(aux)
    np.testing.assert_array_equal(pullback(1.0)[0], [2.0, 0.0, 2.0])


def test_aux_of_jvp() -> None:
    y, dy, aux = wg.jvp(with_aux, (X,), (np.ones(3),), has_aux=True)
    assert (y, dy) == (15.0, 4.0)
    check_aux(aux)


def test_aux_of_a_nested_gradient_belongs_to_the_outer_level() -> None:
    def outer(x: Any) -> Any:
        slope, aux = wg.grad(lambda y: (y**3 * x, y * x), has_aux=True)(x)
        return slope + aux  # 3x³ + x²

    np.testing.assert_allclose(wg.grad(outer)(1.5), 9 * 1.5**2 + 3.0, rtol=1e-14)
    np.testing.assert_allclose(
        wg.jvp(outer, (1.5,), (1.0,))[1], 9 * 1.5**2 + 3.0, rtol=1e-14
    )


def test_aux_that_is_written_later_changes_nothing() -> None:
    x = X.copy()
    _, pullback, aux = wg.vjp(lambda t: (np.exp(t), t), x, has_aux=True)
    if isinstance(aux, np.ndarray):
        aux[:] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], np.exp(X))
    np.testing.assert_array_equal(x, X)
