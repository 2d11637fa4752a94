"""vmap: equal to a loop, axes as prefix trees, and every error text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(7)
X = rng.standard_normal((3, 4))
W = rng.standard_normal(4)


@dataclass
class Params:
    w: Any
    b: Any


def f(p: Any, x: Any) -> Any:
    return np.sum(p["w"] * x) + p["b"][0]


class TestInAxes:
    def test_one_axis_for_all(self) -> None:
        got = wg.vmap(lambda x, y: x @ y)(X, 2 * X)
        np.testing.assert_allclose(got, [2 * x @ x for x in X])
        got = wg.vmap(lambda x, y: x @ y, in_axes=1)(X, X)
        np.testing.assert_allclose(got, [c @ c for c in X.T])
        got = wg.vmap(lambda x: np.sum(x), in_axes=-1)(X)
        np.testing.assert_allclose(got, X.sum(0))

    def test_one_per_argument(self) -> None:
        for axes in ((0, None), [0, None]):
            np.testing.assert_allclose(wg.vmap(np.dot, in_axes=axes)(X, W), X @ W)
        got = wg.vmap(np.outer, in_axes=(1, 0))(X, W)
        np.testing.assert_allclose(
            got, [np.outer(c, w) for c, w in zip(X.T, W, strict=True)]
        )

    def test_prefix_trees(self) -> None:
        p = {"w": W, "b": [2.0, {"c": "text"}]}
        np.testing.assert_allclose(wg.vmap(f, in_axes=(None, 0))(p, X), X @ W + 2)
        stacked = {"w": X, "b": [np.arange(3.0), {"c": "text"}]}
        got = wg.vmap(f, in_axes=({"w": 0, "b": [0, None]}, 0))(stacked, X)
        np.testing.assert_allclose(got, np.sum(X * X, 1) + np.arange(3))
        got = wg.vmap(f, in_axes=({"w": 0, "b": None}, None))({**p, "w": X}, W)
        np.testing.assert_allclose(got, X @ W + 2)
        got = wg.vmap(f, in_axes=({"w": 0, "b": [None, {"c": None}]}, 0))(
            {**p, "w": X}, X
        )
        np.testing.assert_allclose(got, np.sum(X * X, 1) + 2)

    def test_dataclasses(self) -> None:
        got = wg.vmap(lambda p: p.w * p.b, in_axes=(Params(0, None),))(Params(X, 2.0))
        np.testing.assert_array_equal(got, 2 * X)
        got = wg.vmap(lambda p: p.w * p.b, in_axes=(Params(1, 0),))(Params(X, W))
        np.testing.assert_array_equal(got, (X * W).T)

    def test_keywords_arent_mapped(self) -> None:
        got = wg.vmap(lambda x, *, a: x @ a)(X, a=W)
        np.testing.assert_allclose(got, X @ W)


class TestOutAxes:
    def test_places(self) -> None:
        g = lambda x: np.outer(x, x)
        got = wg.vmap(g)(X)
        assert got.shape == (3, 4, 4)
        for place in (1, 2, -1, -2):
            moved = wg.vmap(g, out_axes=place)(X)
            np.testing.assert_array_equal(moved, np.moveaxis(got, 0, place))

    def test_containers_and_prefixes(self) -> None:
        g = lambda x: {"a": np.outer(x, x), "b": (x, np.sum(x))}
        got = wg.vmap(g, out_axes={"a": 2, "b": 0})(X)
        assert got["a"].shape == (4, 4, 3)
        assert got["b"][0].shape == (3, 4)
        got = wg.vmap(g, out_axes={"a": 0, "b": (-1, 0)})(X)
        assert got["b"][0].shape == (4, 3)

    def test_none_for_results_that_are_the_same(self) -> None:
        g = lambda x, w: (x * w, w * 2.0, 3.0)
        a, b, c = wg.vmap(g, in_axes=(0, None), out_axes=(0, None, None))(X, W)
        np.testing.assert_array_equal(a, X * W)
        np.testing.assert_array_equal(b, 2 * W)
        assert c == 3.0

    def test_constants_are_repeated(self) -> None:
        a, b, c = wg.vmap(lambda x: (1.5, W, True))(X)
        np.testing.assert_array_equal(a, [1.5] * 3)
        np.testing.assert_array_equal(b, [W] * 3)
        assert c.dtype == bool
        b[0] = 0.0
        np.testing.assert_array_equal(b[1], W)


def test_nested_both_ways() -> None:
    y = rng.standard_normal(5)
    outer = wg.vmap(
        wg.vmap(lambda a, b: np.sin(a) * b, in_axes=(None, 0)), in_axes=(0, None)
    )
    np.testing.assert_allclose(outer(W, y), np.sin(W)[:, None] * y)
    inner = wg.vmap(lambda x: wg.vmap(lambda a: a * np.sum(x))(x))
    np.testing.assert_allclose(inner(X), X * X.sum(1, keepdims=True))


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0)])
def test_size_zero(shape: Any) -> None:
    x = np.zeros(shape)
    assert wg.vmap(lambda x: np.sin(x) * 2)(x).shape == shape
    assert wg.vmap(lambda x: np.sum(x))(x).shape == shape[:1]
    g = wg.vmap(lambda x: wg.grad(lambda t: np.sum(t**2))(x))(x)
    assert g.shape == shape
    g = wg.grad(lambda x: np.sum(wg.vmap(lambda t: np.sum(t**2))(x)))(x)
    assert g.shape == shape


def test_integers_and_booleans_are_mapped() -> None:
    got = wg.vmap(lambda n, m: np.where(m, n, -n))(
        np.arange(3), np.array([1, 0, 1]) > 0
    )
    np.testing.assert_array_equal(got, [0, -1, 2])
    assert got.dtype == np.arange(3).dtype
    np.testing.assert_array_equal(
        wg.vmap(lambda i: wg.numpy.take(W, i))(np.arange(3)), W[:3]
    )


def test_writes_stay_inside() -> None:
    def g(x: Any) -> Any:
        x[0] = 0.0
        x += 1.0
        return x

    x = X.copy()
    got = wg.vmap(g)(x)
    np.testing.assert_array_equal(x, X)
    wanted = X + 1
    wanted[:, 0] = 1.0
    np.testing.assert_array_equal(got, wanted)


def test_nothing_is_shared() -> None:
    x, w = X.copy(), W.copy()
    a, b, c = wg.vmap(lambda x, w: (x, x, w), in_axes=(0, None), out_axes=(0, 1, None))(
        x, w
    )
    arrays = [x, w, a, b, c]
    for i, one in enumerate(arrays):
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])


CASES = [
    (lambda: wg.vmap(np.sin)(1.0), r"argument \[0\] of shape \(\), axis 0"),
    (lambda: wg.vmap(np.sin, in_axes=2)(X), r"shape \(3, 4\), axis 2"),
    (lambda: wg.vmap(np.add)(X, W), r"\[0\]: 3, \[1\]: 4"),
    (lambda: wg.vmap(np.add, in_axes=None)(X, X), "no mapped argument"),
    (lambda: wg.vmap(lambda: 1.0)(), "no mapped argument"),
    (lambda: wg.vmap(np.add, in_axes=(0,))(X, X), "for 2 positional arguments"),
    (lambda: wg.vmap(np.sin, in_axes={"x": 0})(X), "Came: dict"),
    (lambda: wg.vmap(np.sin, in_axes=("a",))(X), "Came: str 'a'"),
    (lambda: wg.vmap(np.sin, in_axes=((0, 0),))(X), "The structure of in_axes is that"),
    (lambda: wg.vmap(f, in_axes=({"w": 0}, 0))({"w": X, "b": [1.0]}, X), "'b': "),
    (lambda: wg.vmap(sum)([1.0, 2.0]), "np.array(...) for a list of numbers"),
    (lambda: wg.vmap(np.sin)(np.array(["a", "b"])), "numpy.ndarray of dtype <U1"),
    (lambda: wg.vmap(np.sin)(np.ma.masked_array(X)), "MaskedArray"),
    (lambda: wg.vmap(np.sin, out_axes=2)(X), "out_axes is one of the 2 axes"),
    (lambda: wg.vmap(np.sin, out_axes=None)(X), r"depends on mapped arguments"),
    (lambda: wg.vmap(np.sin, out_axes=(0, 0))(X), "The structure of out_axes is that"),
    (lambda: wg.vmap(lambda x: "text")(X), "the result  is str 'text'"),
    (lambda: wg.vmap(lambda x: {"a": object()})(X), r"the result \['a'\] is object"),
    (lambda: wg.vmap(lambda x: x if x[0] > 0 else -x)(X), "differs from item to item"),
    (lambda: wg.vmap(lambda x: range(int(x[0])))(X), r"int\(\) of it has no single"),
]


@pytest.mark.parametrize(("use", "message"), CASES, ids=[m for _, m in CASES])
def test_error_texts(use: Any, message: str) -> None:
    pattern = message.replace("(...)", r"\(...\)")
    with pytest.raises((TypeError, ValueError), match=pattern) as info:
        use()
    assert isinstance(info.value, wg.WengertError)
    assert "test_vmap.py" in str(info.value)


def test_an_escaped_tracer_says_so() -> None:
    kept: list[Any] = []
    wg.vmap(lambda x: kept.append(x) or x)(X)
    with pytest.raises(TypeError, match="escaped from a mapped function"):
        kept[0] + 1.0
