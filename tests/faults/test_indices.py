"""Indices out of bounds raise IndexError in every transform, and never wrap."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([1.0, 2.0, 3.0, 4.0])
M = np.arange(12.0).reshape(3, 4)
F64 = np.dtype(float)

TRANSFORMS: dict[str, Callable[[Callable[[Any], Any], np.ndarray], Any]] = {
    "grad": lambda f, x: wg.grad(lambda t: np.sum(f(t)))(x),
    "vjp": lambda f, x: wg.vjp(f, x),
    "jvp": lambda f, x: wg.jvp(f, (x,), (x,)),
    "vmap": lambda f, x: wg.vmap(f)(np.stack([x, x])),
    "vmap, other axis": lambda f, x: wg.vmap(f, in_axes=-1)(np.stack([x, x], -1)),
    "trace": lambda f, x: wg.trace(f, wg.Type(x.shape, F64))(x),
    "grad of grad": lambda f, x: wg.grad(
        lambda t: np.sum(wg.grad(lambda u: np.sum(f(u)))(t))
    )(x),
    "vmap of grad": lambda f, x: wg.vmap(wg.grad(lambda t: np.sum(f(t))))(
        np.stack([x, x])
    ),
}


def mask(*bits: int) -> np.ndarray:
    return np.array(bits, bool)


def set_at(key: Any) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[key] = 5.0
        return y

    return f


def add_at(key: Any) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[key] += 5.0
        return y

    return f


KEYS: dict[str, tuple[np.ndarray, Any]] = {
    "one past the end": (X, 4),
    "far": (X, 10),
    "negative": (X, -5),
    "huge": (X, 2**62),
    "np.int64": (X, np.int64(4)),
    "np.uint8": (X, np.uint8(4)),
    "0-d array": (X, np.array(4)),
    "list": (X, [0, 4]),
    "array": (X, np.array([0, 4])),
    "negative array": (X, np.array([0, -5])),
    "unsigned array": (X, np.array([0, 200], np.uint8)),
    "huge array": (X, np.array([0, 2**62])),
    "second axis": (M, (0, 4)),
    "first axis": (M, (3, 0)),
    "behind an ellipsis": (M, (..., 4)),
    "behind a new axis": (M, (None, 3)),
    "beside a slice": (M, (slice(None), 4)),
    "array beside a slice": (M, (slice(1), np.array([4]))),
    "pair of arrays": (M, (np.array([0, 3]), np.array([0, 0]))),
    "array and int": (M, (np.array([0, 1]), 4)),
    "too many": (X, (0, 0)),
    "too many with a slice": (X, (slice(None), slice(None))),
    "short mask": (X, mask(1, 0)),
    "long mask": (X, mask(1, 0, 0, 0, 0)),
    "long mask of zeros": (X, mask(0, 0, 0, 0, 0)),
    "mask of another shape": (M, np.ones((3, 3), bool)),
    "mask of two axes on one": (X, np.ones((2, 2), bool)),
    "mask on the wrong axis": (M, (slice(None), mask(1, 0, 1))),
    "float": (X, 1.0),
    "float array": (X, np.array([1.0])),
    "string": (X, "a"),
    "two ellipses": (M, (..., ...)),
    "arrays that don't broadcast": (M, (np.array([0, 1]), np.array([0, 1, 2]))),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", KEYS)
def test_reading_out_of_bounds(name: str, transform: str) -> None:
    x, key = KEYS[name]
    with pytest.raises(IndexError):
        x[key]  # NumPy's own verdict
    with pytest.raises(IndexError):
        TRANSFORMS[transform](lambda t: t[key], x)


@pytest.mark.parametrize("write", [set_at, add_at], ids=["set", "add"])
@pytest.mark.parametrize("transform", ["grad", "jvp", "vmap", "trace"])
@pytest.mark.parametrize("name", KEYS)
def test_writing_out_of_bounds(name: str, transform: str, write: Any) -> None:
    x, key = KEYS[name]
    with pytest.raises(IndexError):
        write(key)(x)
    with pytest.raises(IndexError):
        TRANSFORMS[transform](write(key), x)


@pytest.mark.parametrize("i", [4, -5, 2**40])
def test_an_index_that_is_data_of_the_graph(i: int) -> None:
    graph = wg.trace(lambda x, k: x[k], X, np.array([0, 1]))
    assert graph(X, np.array([3, -1])).tolist() == [4.0, 4.0]
    with pytest.raises(IndexError):
        graph(X, np.array([0, i]))
    scalar = wg.trace(lambda x, k: x[k], X, wg.Type((), np.dtype(int)))
    assert scalar(X, 3) == 4.0
    with pytest.raises(IndexError):
        scalar(X, i)


@pytest.mark.parametrize("i", [4, -5])
def test_an_index_that_is_mapped(i: int) -> None:
    def pick(x: Any, k: Any) -> Any:
        return x[k]

    xs = np.stack([X, X + 10])
    assert wg.vmap(pick)(xs, np.array([0, -1])).tolist() == [1.0, 14.0]
    with pytest.raises(IndexError):
        wg.vmap(pick)(xs, np.array([0, i]))
    with pytest.raises(IndexError):
        wg.vmap(lambda k: wg.grad(lambda x: x[k])(X))(np.array([0, i]))


def test_slices_out_of_bounds_are_short_as_in_numpy() -> None:
    for key in (slice(2, 99), slice(-99, 2), slice(5, 9), slice(3, 0), slice(9, 0, -2)):
        y, pullback = wg.vjp(lambda t, k=key: t[k] * 2.0, X)
        np.testing.assert_array_equal(y, X[key] * 2.0)
        wanted = np.zeros(4)
        wanted[key] = 2.0
        np.testing.assert_array_equal(pullback(np.ones_like(y))[0], wanted)


def test_a_zero_step_and_a_float_bound_raise() -> None:
    with pytest.raises(ValueError, match="zero"):
        wg.grad(lambda x: np.sum(x[::0]))(X)
    with pytest.raises((TypeError, IndexError)):
        wg.grad(lambda x: np.sum(x[:1.5]))(X)


def test_an_empty_array_has_no_elements() -> None:
    for key in (0, -1, [0]):
        with pytest.raises(IndexError):
            wg.grad(lambda x, k=key: np.sum(x[k]))(np.zeros(0))
    assert wg.grad(lambda x: np.sum(x[[]]))(np.zeros(0)).shape == (0,)


def test_iteration_ends() -> None:
    assert wg.grad(lambda x: sum(v * v for v in x))(X).tolist() == (2 * X).tolist()
    with pytest.raises(TypeError, match="0-d"):
        wg.grad(lambda x: sum(v for v in x))(1.0)


def test_the_message_names_the_line() -> None:
    with pytest.raises(IndexError) as caught:
        wg.grad(lambda x: x[4])(X)
    notes = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert "out of bounds" in notes
    assert "test_indices.py" in notes


@pytest.mark.parametrize("axis", [2, -3, 99])
def test_axes_out_of_bounds(axis: int) -> None:
    for f in (np.sum, np.max, np.flip, np.mean, np.prod, np.argmax):
        with pytest.raises(np.exceptions.AxisError):
            wg.grad(lambda x, g=f: np.sum(g(x, axis=axis) * 1.0))(M)
    with pytest.raises(np.exceptions.AxisError):
        wg.trace(lambda x: np.swapaxes(x, 0, axis), M)
    with pytest.raises(np.exceptions.AxisError):
        wg.vmap(lambda x: np.moveaxis(x, axis, 0))(np.stack([M, M]))
    with pytest.raises(ValueError, match=r".+"):
        wg.vmap(lambda x: x, in_axes=axis)(M)
