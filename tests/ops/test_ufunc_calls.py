"""How ufuncs are called: by operators with anything, with keywords, wrongly."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import ShapeMismatch, TracedValueError, TypeMismatch

rng = np.random.default_rng(0)

# Operators ---------------------------------------------------------------------------

OTHER = [
    2, 2.0, True, np.float64(2), np.int64(2), np.float32(2), np.array(2.0),
    [2.0, 3.0], (2, 3), np.array([2.0, 3.0]), np.array([[2.0], [3.0]]), [[2.0, 3.0]],
]  # fmt: skip
BINARY = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b, "%": lambda a, b: a % b, "**": lambda a, b: a**b,
    "//": lambda a, b: a // b, "divmod": lambda a, b: divmod(a, b)[1],
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


@pytest.mark.parametrize("other", OTHER, ids=repr)
@pytest.mark.parametrize("symbol", BINARY)
def test_operators_with_anything(symbol: str, other: Any) -> None:
    """Value and dtype are NumPy's, on either side of the operator; both modes agree."""
    f = BINARY[symbol]
    for x in (np.array([1.5, 0.7]), np.float64(1.75), np.float32(1.75)):
        for g in (lambda x: f(x, other), lambda x: f(other, x)):
            wanted = np.asarray(
                g(x) if not isinstance(other, list | tuple) else g_np(g, x)
            )
            v = np.full(x.shape, 0.5)[()]
            y, dy = wg.jvp(g, (x,), (v,))
            assert np.array_equal(y, wanted)
            assert y.dtype == wanted.dtype
            if wanted.dtype.kind == "f":
                got, pullback = wg.vjp(g, x)
                assert np.array_equal(got, wanted)
                w = np.cos(np.arange(wanted.size)).reshape(wanted.shape)[()]
                assert np.isclose(np.sum(pullback(w)[0] * v), np.sum(w * dy))


def g_np(g: Any, x: Any) -> Any:
    """`g(x)` with an array, as a list beside a NumPy scalar would be repeated."""
    return g(np.atleast_1d(x))


UNARY = [
    (lambda x: -x, [-1.0, -1.0]),
    (lambda x: +x, [1.0, 1.0]),
    (abs, [-1.0, 1.0]),
    (lambda x: round(x, 1) * x, [-1.5, 2.0]),
]


@pytest.mark.parametrize(("f", "slopes"), UNARY)
def test_unary_operators(f: Any, slopes: list[float]) -> None:
    x = np.array([-1.52, 2.03])
    y, pullback = wg.vjp(f, x)
    assert np.array_equal(y, np.round(x, 1) * x if slopes[0] == -1.5 else f(x))
    assert pullback(np.ones(2))[0].tolist() == slopes


# Keywords ----------------------------------------------------------------------------


def test_dtype_keyword() -> None:
    x = np.array([0.5, 2.0])

    def f(x: Any) -> Any:
        y = np.multiply(np.sin(x, dtype=np.float32), 2, dtype=np.float32)
        assert y.dtype == np.float32
        return np.sum(y)

    gradient = wg.grad(f)(x)
    assert gradient.dtype == np.float64
    assert np.allclose(gradient, 2 * np.cos(x), rtol=1e-6)


def test_out_of_a_plain_array_is_refused() -> None:
    for f in (
        lambda x: np.sin(x, out=np.zeros(2)),
        lambda x: np.sin(x, np.zeros(2)),
        lambda x: np.add(x, 1, np.zeros(2), where=[True, False]),
        lambda x: np.divmod(x, 1.0, out=(None, np.zeros(2))),
        lambda x: np.conj(x, out=np.zeros(2)),
    ):  # fmt: skip
        with pytest.raises(TracedValueError, match="into a plain array"):
            wg.grad(lambda x: np.sum(f(x)))(np.ones(2))


def test_out_of_constants_may_be_plain() -> None:
    """What is piecewise constant has no derivative to lose."""
    flags, whole, rounded = np.zeros(2, bool), np.zeros(2), np.zeros(2)

    def f(x: Any) -> Any:
        assert np.isfinite(x, out=flags) is flags
        np.modf(x, out=(None, whole))
        np.round(x, out=rounded)
        return np.sum(x)

    wg.grad(f)(np.array([1.5, -2.7]))
    assert flags.all()
    assert whole.tolist() == [1.0, -2.0]
    assert rounded.tolist() == [2.0, -3.0]


def test_where_needs_out() -> None:
    with pytest.raises(TypeMismatch, match=r"(?s)needs `out=`.*np.where\(mask, np.sin"):
        wg.grad(lambda x: np.sum(np.sin(x, where=[True, False])))(np.ones(2))


def test_pairs_refuse_other_keywords() -> None:
    with pytest.raises(TypeMismatch, match=r"(?s)modf.*takes `out=` only.*dtype="):
        wg.grad(lambda x: np.modf(x, dtype=np.float32)[0])(1.5)


def test_where_with_a_bad_point_outside() -> None:
    """The elements that `where=` leaves out get nothing, not 0·inf."""

    def f(x: Any) -> Any:
        return np.sum(np.sqrt(x, out=np.ones_like(x), where=x > 0))

    assert wg.grad(f)(np.array([0.0, 4.0])).tolist() == [0.0, 0.25]


def test_where_computes_nothing_outside() -> None:
    """As in NumPy there is no warning of log(0) where the mask leaves it out."""

    def f(x: Any) -> Any:
        return np.sum(np.log(x, out=np.ones_like(x), where=x > 0))

    assert wg.grad(f)(np.array([0.0, 4.0])).tolist() == [0.0, 0.25]


def test_comparison_with_dtype() -> None:
    """dtype= of a comparison is that of the result, not of the arguments."""
    x = np.array([0.2, 0.7])
    got = wg.vmap(lambda x: np.less(x, 0.5, dtype=bool))(x)
    assert np.array_equal(got, np.less(x, 0.5, dtype=bool))


def test_casting_is_numpys() -> None:
    with pytest.raises(TypeError):
        np.add(np.ones(2), 1.0, dtype=np.float32, casting="no")
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(np.add(x, 1.0, dtype=np.float32, casting="no")))(
            np.ones(2)
        )


# Errors ------------------------------------------------------------------------------


def test_shapes_that_do_not_broadcast() -> None:
    def f(x: Any) -> Any:
        return np.sum(x + np.ones(4))

    for run in (lambda: wg.grad(f)(np.ones(3)), lambda: wg.trace(f, np.ones(3))):
        with pytest.raises(ShapeMismatch) as error:
            run()
        lines = str(error.value).split("\n")
        assert lines[0] == (
            "`add` needs shapes that broadcast: compared from the last axis, each pair "
            "of lengths is equal or one of them is 1."
        )
        assert lines[1:3] == [
            "  Came: shapes (3,) and (4,)",
            "  Do:   reshape one of them, or add an axis with x[:, None].",
        ]
        assert "return np.sum(x + np.ones(4))" in lines[3]


def test_i0_of_complex() -> None:
    with pytest.raises(TypeError, match="i0 not supported for complex values"):
        wg.grad(lambda z: np.i0(z).real)(1j)


def test_unwrap_by_its_period() -> None:
    with pytest.raises(TypeMismatch, match="`period` is a plain number"):
        wg.grad(lambda p: np.sum(np.unwrap(p * np.ones(3), period=p)))(1.0)


def test_unwrap_follows_numpy() -> None:
    x = rng.uniform(-9, 9, (3, 7))
    for kwargs in ({}, {"axis": 0}, {"discont": 4.0}, {"period": 5}, {"period": 3.5}):
        value, pullback = wg.vjp(lambda x, kw=kwargs: np.unwrap(x, **kw), x)
        assert np.array_equal(value, np.unwrap(x, **kwargs))
        assert np.array_equal(pullback(x)[0], x)
