"""Arrays of every kind: handled exactly, or refused in a sentence that helps."""

import copy
import json
import math
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([1.0, 2.0, 3.0])


def f(x: Any) -> Any:
    return np.sum(np.abs(x * x * 0.5))


# Layouts ------------------------------------------------------------------------------

BASE = np.arange(24.0).reshape(2, 3, 4) + 1.0
READ_ONLY = BASE.copy()
READ_ONLY.flags.writeable = False
ODD_OFFSET = np.frombuffer(b"\0" + BASE.tobytes(), np.uint8)[1:].view(np.float64)

LAYOUTS: dict[str, np.ndarray] = {
    "0-d": np.array(3.0),
    "one element": np.array([3.0]),
    "empty": np.zeros(0),
    "empty of many axes": np.zeros((3, 0, 2)),
    "C": BASE,
    "Fortran": np.asfortranarray(BASE),
    "transposed": BASE.transpose(2, 0, 1),
    "strided": BASE[:, ::2, 1::2],
    "negative strides": BASE[::-1, :, ::-1],
    "read-only": READ_ONLY,
    "broadcast": np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
    "overlapping windows": np.lib.stride_tricks.sliding_window_view(BASE[0, 0], 2),
    "unaligned": ODD_OFFSET,
    "32 axes": np.ones((1,) * 32),
}


@pytest.mark.parametrize("x", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(x: np.ndarray) -> None:
    before = x.copy()
    value, g = wg.value_and_grad(f)(x)
    assert type(g) is np.ndarray
    assert g.shape == x.shape
    assert g.dtype == x.dtype
    assert type(value) is np.float64
    np.testing.assert_allclose(value, f(x), rtol=1e-14)
    np.testing.assert_array_equal(g, x)
    _, dy = wg.jvp(f, (x,), (np.ones(x.shape),))
    np.testing.assert_allclose(dy, np.sum(x), rtol=1e-14)
    np.testing.assert_allclose(wg.trace(f, x)(x), value, rtol=1e-14)
    if x.ndim and x.size:
        rows = wg.vmap(lambda r: np.sum(r * r))(x)
        np.testing.assert_allclose(rows, [np.sum(r * r) for r in x], rtol=1e-14)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("x", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_captured_and_as_cotangents(x: np.ndarray) -> None:
    ones = np.ones(x.shape)
    np.testing.assert_array_equal(wg.grad(lambda t: np.sum(t * x))(ones), x)
    _, pullback = wg.vjp(lambda t: t * 2.0, ones)
    np.testing.assert_array_equal(pullback(x)[0], 2.0 * x)


# Dtypes -------------------------------------------------------------------------------

INEXACT = ["f2", "f4", "f8", "g", "F", "D", "G", ">f4", ">f8", ">c8", ">c16"]


@pytest.mark.parametrize("zero_d", [False, True], ids=["1-d", "0-d"])
@pytest.mark.parametrize("dtype", INEXACT)
def test_gradients_have_their_arguments_dtype(dtype: str, zero_d: bool) -> None:
    x = np.array(2, dtype) if zero_d else np.array([1, 2, 3], dtype)
    g = wg.grad(lambda t: np.sum(np.abs(t * t)))(x)
    assert type(g) is np.ndarray
    assert g.dtype == x.dtype
    np.testing.assert_allclose(g, 2 * x, rtol=1e-3)
    y, pullback = wg.vjp(lambda t: t * t, x)
    assert y.dtype == (x * x).dtype
    (back,) = pullback(np.ones(y.shape, y.dtype))
    assert back.dtype == x.dtype
    assert wg.vjp(lambda t: t, x)[1](x)[0].dtype == x.dtype


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_scalars_keep_their_class(kind: Any) -> None:
    g = wg.grad(lambda t: t * t)(kind(3))
    assert type(g) is kind
    assert g == 6


def test_python_numbers_give_python_numbers() -> None:
    g = wg.grad(lambda t: t * t)(3.0)
    assert type(g) is float
    assert g == 6.0
    g = wg.grad(lambda z: np.abs(z) ** 2)(3.0 + 4.0j)
    assert type(g) is complex
    assert g == pytest.approx(6.0 + 8.0j)
    tree = wg.grad(lambda p: p["a"] * p["b"][0])({"a": 2.0, "b": (np.float32(3), None)})
    assert tree == {"a": 3.0, "b": (2.0, None)}
    assert type(tree["a"]) is float
    assert type(tree["b"][0]) is np.float32


def test_longdouble_is_not_rounded() -> None:
    third = np.longdouble(1) / 3
    g = wg.grad(lambda t: np.sum(t * t * t))(np.array([third]))
    assert g[0] == 3 * third * third or abs(g[0] - 3 * third**2) < 2 * np.finfo("g").eps


def test_float16_is_accumulated_like_numpy() -> None:
    x = np.full(4, 0.1, np.float16)
    value, g = wg.value_and_grad(lambda t: np.sum(t * t))(x)
    assert value.dtype == np.float16
    assert value == np.sum(x * x)
    np.testing.assert_array_equal(g, 2 * x)


@pytest.mark.parametrize("dtype", ["i1", "i8", "u4", "?"])
def test_integers_are_refused_or_give_zeros(dtype: str) -> None:
    x = np.ones(3, dtype)
    for run in (
        lambda: wg.grad(lambda t: np.sum(t * 2.0))(x),
        lambda: wg.vjp(lambda t: t * 2.0, x),
        lambda: wg.jvp(lambda t: t * 2.0, (x,), (np.ones(3),)),
        lambda: wg.grad(lambda t: np.sum(t * 2.0))(int(x[0])),
        lambda: wg.grad(lambda p: np.sum(p[0] * p[1]))([X, x]),
    ):
        with pytest.raises(wg.WengertError) as caught:
            run()
        assert "astype(float)" in str(caught.value)
        assert "test_odd_arrays.py" in str(caught.value)
    g = wg.grad(lambda t: np.sum(t * 2.0), allow_int=True)(x)
    assert g.dtype == x.dtype
    assert not g.any()
    g = wg.grad(lambda p: np.sum(p[0] * p[1]), allow_int=True)([X, x])
    np.testing.assert_array_equal(g[0], np.ones(3))
    assert g[1].dtype == x.dtype
    # Where they are only data they take part as in NumPy.
    np.testing.assert_array_equal(wg.grad(lambda t: np.sum(t * x))(X), np.ones(3))


def test_integer_gradient_is_of_the_arguments_type() -> None:
    g = wg.grad(lambda t: t * 2.0, allow_int=True)(3)
    assert type(g) is int
    assert g == 0


# Refused ------------------------------------------------------------------------------


class Quantity(np.ndarray):
    """An array with a unit, as in astropy and pint's NumPy mode."""

    unit: Any = None

    def __array_finalize__(self, obj: Any) -> None:
        self.unit = getattr(obj, "unit", None)


def quantity(values: Any, unit: str = "m") -> Quantity:
    q = np.asarray(values, float).view(Quantity)
    q.unit = unit
    return q


def matrix() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.asmatrix(np.ones((1, 3)))


MASKED = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
REFUSED: dict[str, Any] = {
    "masked": MASKED,
    "matrix": matrix(),
    "quantity": quantity([1.0, 2.0, 3.0]),
    "structured": np.zeros(3, [("a", float), ("b", float)]),
    "record": np.zeros(3, [("a", float)]).view(np.recarray),
    "object": np.array([1.0, 2.0, 3.0], object),
    "datetime": np.array([1, 2, 3], "M8[s]"),
    "timedelta": np.array([1, 2, 3], "m8[s]"),
    "bytes": np.array([b"a", b"b", b"c"]),
    "strings": np.array(["a", "b", "c"]),
    "void": np.zeros(3, "V8"),
    "string": "abc",
    "object scalar": object(),
    "set": {1.0, 2.0},
    "function": np.sin,
}
CAPTURED = {k: v for k, v in REFUSED.items() if k not in ("function", "set")}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_an_argument(name: str) -> None:
    x = REFUSED[name]
    for run in (
        lambda: wg.grad(np.sum)(x),
        lambda: wg.vjp(np.sum, x),
        lambda: wg.jvp(np.sum, (x,), (X,)),
        lambda: wg.vmap(np.sum)(x),
        lambda: wg.trace(np.sum, x),
    ):
        with pytest.raises(wg.WengertError) as caught:
            run()
        assert "Do:" in str(caught.value)
        assert "test_odd_arrays.py" in str(caught.value)


MEETINGS: dict[str, Callable[[Any, Any], Any]] = {
    "t * a": lambda t, a: t * a,
    "a * t": lambda t, a: a * t,
    "t + a": lambda t, a: t + a,
    "np.add": np.add,
    "np.maximum": lambda t, a: np.maximum(a, t),
    "np.where": lambda t, a: np.where(t > 0, t, a),
    "np.stack": lambda t, a: np.stack([t, a]),
    "np.concatenate": lambda t, a: np.concatenate([a, t]),
    "write": lambda t, a: (t * 1.0).__setitem__(Ellipsis, a),
}


@pytest.mark.parametrize("meeting", MEETINGS)
@pytest.mark.parametrize("name", CAPTURED)
def test_refused_when_it_meets_a_traced_value(name: str, meeting: str) -> None:
    a = CAPTURED[name]

    def g(t: Any) -> Any:
        return MEETINGS[meeting](t, a)

    for run in (
        lambda: wg.vjp(g, X),
        lambda: wg.jvp(g, (X,), (X,)),
        lambda: wg.vmap(g)(np.stack([X, X])),
        lambda: wg.trace(g, X),
    ):
        with pytest.raises((wg.WengertError, TypeError)) as caught:
            run()
        text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert "test_odd_arrays.py" in text


@pytest.mark.parametrize("name", CAPTURED)
def test_refused_as_cotangent_tangent_and_input_of_a_graph(name: str) -> None:
    a = CAPTURED[name]
    _, pullback = wg.vjp(lambda t: t * 2.0, X)
    graph = wg.trace(lambda t: t * 2.0, X)
    for run in (
        lambda: pullback(a),
        lambda: wg.jvp(lambda t: t * 2.0, (X,), (a,)),
        lambda: graph(a),
    ):
        with pytest.raises(wg.WengertError):
            run()


@pytest.mark.parametrize("name", ["masked", "quantity"])
def test_refused_as_a_result(name: str) -> None:
    """A mask or a unit that was returned isn't dropped."""
    a = REFUSED[name]
    for run in (
        lambda: wg.vjp(lambda t: a, X),
        lambda: wg.jvp(lambda t: a, (X,), (X,)),
        lambda: wg.vmap(lambda t: a)(np.stack([X, X])),
        lambda: wg.trace(lambda t: a, X),
    ):
        with pytest.raises(wg.WengertError):
            run()


def test_a_memmap_is_an_array_or_refused(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "data", np.float64, "w+", shape=(3,))
    file[:] = X
    np.testing.assert_array_equal(wg.grad(lambda t: np.sum(t * file))(X), X)
    before = np.array(file)
    outcome = refused_or(lambda: wg.grad(f)(file))
    if isinstance(outcome, str):
        assert "np.asarray" in outcome
    else:
        assert type(outcome) is np.ndarray
        np.testing.assert_array_equal(outcome, X)
    np.testing.assert_array_equal(file, before)


def test_lists_are_containers_and_data() -> None:
    assert wg.grad(lambda p: p[0] * p[1])([2.0, 3.0]) == [3.0, 2.0]
    got = wg.grad(lambda t: np.sum(t * [1.0, 2.0, 3.0]))(X)
    np.testing.assert_array_equal(got, [1.0, 2.0, 3.0])
    got = wg.grad(lambda t: np.sum(np.multiply([[1.0], [2.0]], t)))(X)
    np.testing.assert_array_equal(got, [3.0, 3.0, 3.0])
    with pytest.raises((wg.WengertError, ValueError)):
        wg.grad(lambda t: np.sum(t * [[1.0], [2.0, 3.0]]))(X)


def test_huge_shapes_raise_at_once() -> None:
    with pytest.raises((MemoryError, ValueError, wg.WengertError)):
        wg.grad(lambda t: np.sum(np.broadcast_to(t, (10**7, 10**8)) * t))(1.0)
    with pytest.raises((ValueError, wg.WengertError)):
        wg.grad(lambda t: np.sum(np.broadcast_to(t, (2**40, 2**40))))(1.0)
    with pytest.raises((ValueError, wg.WengertError)):
        wg.grad(lambda t: np.sum(np.reshape(t, (2**40, 2**24))))(X)
    still_works()


def test_wrong_cotangent_and_tangent_shapes_raise() -> None:
    _, pullback = wg.vjp(lambda t: t * 2.0, X)
    for ct in (1.0, np.ones(1), np.ones((1, 3)), np.ones(4), [1.0, 1.0, 1.0], None):
        with pytest.raises(wg.WengertError) as caught:
            pullback(ct)
        assert "cotangent" in str(caught.value)
    with pytest.raises(wg.WengertError, match="tangent"):
        wg.jvp(lambda t: t * 2.0, (X,), (np.ones(1),))
    with pytest.raises(wg.WengertError, match="complex"):
        pullback(np.ones(3) * 1j)
    assert pullback(np.arange(3))[0].tolist() == [0.0, 2.0, 4.0]
    _, of_scalar = wg.vjp(np.sum, X)
    with pytest.raises(wg.WengertError, match="cotangent"):
        of_scalar(np.ones(1))


# What Python and NumPy can't hand to us -----------------------------------------------


def into_element(t: Any) -> Any:
    a = np.zeros(3)
    a[0] = t[0]
    return np.sum(a)


def into_all(t: Any) -> Any:
    a = np.zeros(3)
    a[:] = t
    return np.sum(a)


def into_element_of_mask(t: Any) -> Any:
    a = np.zeros(3)
    a[t > 1.5] = t[:2]
    return np.sum(a)


def in_place(t: Any) -> Any:
    a = np.zeros(3)
    a += t
    return np.sum(a)


def out(t: Any) -> Any:
    a = np.zeros(3)
    np.add(a, t, out=a)
    return np.sum(a)


def fill(t: Any) -> Any:
    a = np.zeros(3)
    a.fill(t[0])
    return np.sum(a)


UNSEEN: dict[str, Callable[[Any], Any]] = {
    "a[0] = t": into_element,
    "a[:] = t": into_all,
    "a[mask] = t": into_element_of_mask,
    "a += t": in_place,
    "out=a": out,
    "a.fill": fill,
    "np.array([t])": lambda t: np.sum(np.array([t[0], t[1]])),
    "np.array(t)": lambda t: np.sum(np.array(t)),
    "np.asarray": lambda t: np.sum(np.asarray(t)),
    "np.asarray dtype": lambda t: np.sum(np.asarray(t, dtype=float)),
    "np.full": lambda t: np.sum(np.full(3, t[0])),
    "float": lambda t: float(t[0]),
    "complex": lambda t: abs(complex(t[0])),
    "math.sin": lambda t: math.sin(t[0]),
    "math.sqrt": lambda t: math.sqrt(np.sum(t)),
    "np.float64()": lambda t: np.float64(t[0]),
    "np.random.normal": lambda t: np.random.default_rng(0).normal(t[0]),
    "np.random scale": lambda t: np.sum(np.random.default_rng(0).normal(0.0, t)),
    "pickle": lambda t: pickle.dumps(t),
    "pickle in a container": lambda t: pickle.dumps({"t": [t[0]]}),
    "np.vectorize": lambda t: np.sum(np.vectorize(math.sin)(t)),
    "np.save": lambda t: np.save("/dev/null", t),
    "ndarray.dot": lambda t: np.ones(3).dot(t),
    "np.r_": lambda t: np.sum(np.r_[t, t]),
}


@pytest.mark.parametrize("how", ["grad", "jvp", "vmap", "trace"])
@pytest.mark.parametrize("name", UNSEEN)
def test_a_derivative_is_never_dropped_in_silence(name: str, how: str) -> None:
    g = UNSEEN[name]
    run = {
        "grad": lambda: wg.grad(g)(X),
        "jvp": lambda: wg.jvp(g, (X,), (X,)),
        "vmap": lambda: wg.vmap(g)(np.stack([X, X])),
        "trace": lambda: wg.trace(g, X),
    }[how]
    with pytest.raises(wg.WengertError) as caught:
        run()
    text = str(caught.value)
    assert "Do:" in text
    assert "test_odd_arrays.py" in text.partition("At:")[2], "the user's line"
    still_works()


@pytest.mark.parametrize("how", ["grad", "jvp"])
def test_the_line_is_the_one_that_did_it(how: str) -> None:
    with pytest.raises(wg.WengertError) as caught:
        wg.grad(into_all)(X) if how == "grad" else wg.jvp(into_all, (X,), (X,))
    assert "a[:] = t" in str(caught.value).partition("At:")[2]


def test_range_and_list_index() -> None:
    for g in (lambda t: sum(t for _ in range(t)), lambda t: t * [1.0, 2.0][t]):
        with pytest.raises(TypeError) as caught:
            wg.grad(g)(1.0)
        assert "int" in str(caught.value), "float has no index: say int(x)"
    assert wg.grad(lambda t: sum(t for _ in range(int(t))))(3.0) == 3.0


def test_questions_that_have_an_answer() -> None:
    assert wg.grad(lambda t: t * t if t > 0 else -t)(3.0) == 6.0
    assert wg.grad(lambda t: t * int(t))(3.7) == 3.0
    assert wg.grad(lambda t: t * len(f"{t:.3f}{t}"))(3.0) > 0
    assert wg.grad(lambda t: t * (3.0 in t[None]))(3.0) == 1.0
    got = wg.grad(lambda t: np.sum(copy.deepcopy(t) * copy.copy(t)))(X)
    np.testing.assert_array_equal(got, 2 * X)
    got = wg.grad(lambda t: np.sum(copy.deepcopy({"a": [t]})["a"][0]))(X)
    np.testing.assert_array_equal(got, np.ones(3))


def test_a_copy_is_a_copy() -> None:
    def g(t: Any) -> Any:
        y = t * 1.0
        z = copy.copy(y)
        w = copy.deepcopy(y)
        z[0], w[1] = 100.0, 100.0
        return np.sum(y * t)

    np.testing.assert_array_equal(wg.grad(g)(X), 2 * X)


def test_json_says_what_it_can_not_write() -> None:
    with pytest.raises(TypeError, match="Tracer"):
        wg.grad(lambda t: json.dumps({"t": t}))(3.0)
    still_works()


def test_unhashable_as_arrays_are() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        wg.grad(lambda t: len({t}))(3.0)


def test_errors_from_numpy_keep_their_class_and_gain_the_line() -> None:
    with pytest.raises(ValueError, match="broadcast") as caught:
        wg.grad(lambda t: np.sum(t + np.ones(4)))(X)
    assert "test_odd_arrays.py" in str(caught.value)
    with pytest.raises(ValueError, match="ambiguous"):
        wg.grad(lambda t: t if t > 1 else -t)(X)
    still_works()


def test_the_error_of_the_user_is_not_covered() -> None:
    def g(t: Any) -> Any:
        try:
            float(t)
        except TypeError:
            raise ValueError("mine") from None

    with pytest.raises(ValueError, match="mine"):
        wg.grad(g)(1.0)


def test_the_remedies_of_the_messages_work() -> None:
    """What the error texts tell people to write."""

    def zeros_like(t: Any) -> Any:
        a = np.zeros_like(t)
        a[0] = t[0] * 2.0
        return np.sum(a)

    def zeros_of_a_shape(t: Any) -> Any:
        a = np.zeros(5, like=t)
        a[1:4] = t * 2.0
        return np.sum(a)

    def plus(t: Any) -> Any:
        a = np.zeros(3)
        a = a + t
        return np.sum(a)

    def stack(t: Any) -> Any:
        return np.sum(np.stack([t[0], t[1]]))

    def array(t: Any) -> Any:
        return np.sum(wg.numpy.array([t[0], t[1]]))

    np.testing.assert_array_equal(wg.grad(zeros_like)(X), [2.0, 0.0, 0.0])
    np.testing.assert_array_equal(wg.grad(plus)(X), [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(wg.grad(stack)(X), [1.0, 1.0, 0.0])
    np.testing.assert_array_equal(wg.grad(array)(X), [1.0, 1.0, 0.0])
    np.testing.assert_array_equal(wg.grad(zeros_of_a_shape)(X), [2.0, 2.0, 2.0])


def test_masks_and_indices_made_by_like() -> None:
    """zeros_like of another dtype: a mask or an index, which has no derivative."""

    def chosen(t: Any) -> Any:
        mask = np.zeros_like(t, dtype=bool)
        mask[1:] = True
        return np.sum(np.where(mask, t * t, 0.0))

    def masked(t: Any) -> Any:
        mask = np.zeros_like(t, dtype=bool)
        mask[1:] = True
        return np.sum(t[mask] ** 2)

    def counted(t: Any) -> Any:
        index = np.zeros_like(t, dtype=int)
        index[0] = 2
        return np.sum(t[index] * t)

    for g, wanted in (
        (chosen, [0.0, 4.0, 6.0]),
        (masked, [0.0, 4.0, 6.0]),
        (counted, [3.0 + 2.0 + 3.0, 1.0, 1.0 + 1.0]),
    ):
        value, gradient = wg.value_and_grad(g)(X)
        assert value == g(X)
        np.testing.assert_array_equal(gradient, wanted)
        assert wg.jvp(g, (X,), (np.ones(3),))[1] == sum(wanted)
        assert wg.trace(g, X, values=True)(X) == g(X)


def refused_or(run: Callable[[], Any]) -> Any:
    """The result, or the text of our error."""
    try:
        return run()
    except wg.WengertError as error:
        return str(error)


def still_works() -> None:
    assert wg.grad(lambda t: t * t * t)(2.0) == 12.0
    assert wg.grad(wg.grad(lambda t: t * t * t))(2.0) == 12.0
    assert wg.vmap(lambda t: t * 2.0)(X).tolist() == [2.0, 4.0, 6.0]
