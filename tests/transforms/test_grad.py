"""grad and value_and_grad: results, structures, and every error text."""

import inspect
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg

X = np.array([1.0, 2.0, 3.0])


def f(x: Any, y: Any) -> Any:
    return np.sum(np.sin(x) * y)


def test_value_and_gradient() -> None:
    value, g = wg.value_and_grad(f)(X, 2.0)
    assert value == f(X, 2.0)
    np.testing.assert_allclose(g, 2 * np.cos(X))
    gx, gy = wg.grad(f, (0, 1))(X, 2.0)
    np.testing.assert_array_equal(gx, g)
    assert gy == pytest.approx(np.sum(np.sin(X)))
    assert wg.grad(f, -1)(X, 2.0) == gy
    assert wg.grad(f, (1,))(X, 2.0) == (gy,)
    assert wg.grad(f, (1, 0))(X, 2.0)[0] == gy


def test_keywords_pass_through() -> None:
    assert wg.grad(lambda x, *, k: x * k)(1.0, k=5.0) == 5.0


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Model:
    w: Any
    layers: Any


def test_structure_and_types_are_the_arguments() -> None:
    p = {"m": Model(X, [Pair(1.0, np.float32(2.0)), None, (np.array(3.0),)]), "e": {}}

    def total(p: Any) -> Any:
        m = p["m"]
        return np.sum(m.w) * m.layers[0].a * m.layers[0].b * m.layers[2][0]

    g = wg.grad(total)(p)
    assert isinstance(g["m"], Model)
    assert g["e"] == {}
    pair, none, (last,) = g["m"].layers
    assert none is None
    assert isinstance(pair, Pair)
    assert type(pair.a) is float
    assert type(pair.b) is np.float32
    assert type(last) is np.ndarray
    assert last.shape == ()
    np.testing.assert_array_equal(g["m"].w, np.full(3, 6.0))


def test_signature_and_name() -> None:
    for transform in (wg.grad, wg.value_and_grad, wg.vmap, wg.jacobian, wg.hessian):
        made = transform(f)
        assert list(inspect.signature(made).parameters) == ["x", "y"]
        assert made.__name__ == f"{transform.__name__}_of_f"
        assert "`f`" in made.__doc__
    graph = wg.trace(wg.grad(f), X, 2.0)
    assert [n.name for n in graph.inputs] == ["x", "y"]


def test_aux_is_free_of_traces() -> None:
    (value, aux), g = wg.value_and_grad(
        lambda x: (np.sum(x**2), {"x2": x**2, "n": 3}), has_aux=True
    )(X)
    assert value == 14.0
    assert type(aux["x2"]) is np.ndarray
    assert aux["n"] == 3
    np.testing.assert_array_equal(g, 2 * X)


def test_integers_where_allowed() -> None:
    p = {"x": X, "n": np.arange(3), "flag": True, "k": 2}
    g = wg.grad(lambda p: np.sum(p["x"] * p["n"]) * p["k"], allow_int=True)(p)
    np.testing.assert_array_equal(g["x"], [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(g["n"], np.zeros(3, int))
    assert g["n"].dtype == p["n"].dtype
    assert g["k"] == 0
    assert not g["flag"]


def test_edge_sizes() -> None:
    assert wg.grad(lambda x: np.sum(x**2))(np.zeros((0, 3))).shape == (0, 3)
    g = wg.grad(lambda x: x**2)(np.array(3.0))
    assert type(g) is np.ndarray
    assert g.shape == ()
    assert type(wg.grad(lambda x: x**2)(3.0)) is float
    assert type(wg.grad(lambda x: x**2)(np.float32(3.0))) is np.float32
    assert wg.grad(lambda p: 1.0)({}) == {}
    assert wg.grad(lambda x: 7.0)(1.0) == 0.0


@pytest.mark.parametrize(
    "g",
    [
        lambda x: np.sum(x),
        lambda x: x @ np.ones(3),
        lambda x: np.sum(x * 1.0 + x),
        lambda x: np.sum(np.stack([x, x])),
        lambda x: x[0],
    ],
)
def test_nothing_is_shared(g: Any) -> None:
    x, y = X.copy(), X.copy()
    gx, gy = wg.grad(lambda x, y: g(x) + g(y), (0, 1))(x, y)
    arrays = [x, y, gx, gy]
    for i, a in enumerate(arrays):
        assert a.flags.writeable
        assert not any(np.shares_memory(a, b) for b in arrays[i + 1 :])
    gx += 5.0
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(gy, gx - 5.0)


ERRORS = [
    (lambda: wg.grad(lambda x: x * 2)(X), "an array of shape \\(3,\\)"),
    (lambda: wg.grad(lambda x: (x[0], x[1]))(X), "a value of type tuple"),
    (lambda: wg.grad(lambda x: None)(X), "a value of type NoneType"),
    (lambda: wg.grad(lambda x: "text")(X), "a value of type str"),
    (lambda: wg.grad(lambda x: np.argmax(x))(X), "dtype int64"),
    (lambda: wg.grad(lambda x: x[0] > 0)(X), "dtype bool"),
    (lambda: wg.grad(lambda z: z * 1j)(np.complex128(1)), "a complex number"),
    (lambda: wg.grad(f)(3, 2.0), "argument 0 is int 3"),
    (lambda: wg.grad(f)(True, 2.0), "argument 0 is bool True"),
    (lambda: wg.grad(f, 1)(X, "text"), "argument 1 is str 'text'"),
    (lambda: wg.grad(f)([1, 2.0], 1.0), r"argument 0\[0\] is int 1"),
    (lambda: wg.grad(f)(np.arange(3), 1.0), "argument 0 is dtype int64"),
    (lambda: wg.grad(f)({"w": np.array("a")}, 1.0), r"argument 0\['w'\] is dtype <U1"),
    (lambda: wg.grad(f)(np.ma.masked_array(X), 1.0), "a subclass"),
    (lambda: wg.grad(f, 2)(X, 1.0), r"argnums=2, and `f` was called with 2 positional"),
    (lambda: wg.grad(f, -3)(X, 1.0), "argnums=-3"),
    (lambda: wg.grad(f, (0, 0))(X, 1.0), r"argnums=\(0, 0\)"),
    (lambda: wg.grad(f, (0, -2))(X, 1.0), r"argnums=\(0, -2\)"),
    (lambda: wg.grad(f, ())(X, 1.0), r"argnums=\(\)"),
    (lambda: wg.grad(f, "x")(X, 1.0), "argnums='x'"),  # type: ignore[arg-type]
    (lambda: wg.grad(f, 1)(X, y=1.0), "not by keyword"),
    (lambda: wg.grad(f(X, 1.0))(X), r"grad\(f\)\(x\), not grad\(f\(x\)\)"),
    (lambda: wg.grad(f, has_aux=True)(X, 1.0), r"`f` returns a pair \(result, aux\)"),
    (lambda: wg.grad(lambda x: [x[0], 1], has_aux=True)(X), "Came: list"),
    (lambda: wg.grad(f, holomorphic=True)(X, 1.0), "called with a real one"),
]


@pytest.mark.parametrize(("use", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_error_texts(use: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as info:
        use()
    assert isinstance(info.value, wg.WengertError)
    text = str(info.value)
    assert "Do: " in text
    assert "test_grad.py" in text


def test_an_escaped_tracer_says_so() -> None:
    kept: list[Any] = []
    wg.grad(lambda x: kept.append(x) or np.sum(x))(X)
    with pytest.raises(TypeError, match="escaped from a differentiated function"):
        kept[0] + 1.0


def test_check_grads_takes_results_that_are_python_numbers() -> None:
    wg.check_grads(lambda x: wg.grad(lambda y: y * x)(2.0), (1.5,))
    with pytest.raises(AssertionError):
        wg.check_grads(lambda x: float(wg.stop_gradient(x)) * 2.0, (1.5,))
