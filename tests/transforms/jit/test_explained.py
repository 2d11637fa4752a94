"""What a mistake in a jitted function says: as eager wengert does, each time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import ShapeMismatch

A = np.arange(6.0).reshape(2, 3)
I3 = np.eye(3)
I = np.array([1, 0, 1])


def write(a: Any, b: Any) -> Any:
    a = a.copy()
    a[0, 0] = b
    return a


def place(a: Any, i: Any) -> Any:
    a = np.sin(a)
    a[i] = 0.0
    return a


def rows(a: Any, b: Any) -> Any:
    return np.einsum("ij,jk->ik", a, b)


# A function, arguments that fit, arguments that don't, and what the error says.
SHAPES: dict[str, tuple[Callable[..., Any], Any, Any, str]] = {
    "matmul": (
        lambda a, b: a @ b, (A, A.T), (A, A), r"`matmul` needs shapes .* \(…, k, m\)"
    ),
    "broadcasting": (
        lambda a, b: a * b, (A, A), (A, A.T), "`multiply` needs shapes that broadcast"
    ),
    "reshape": (
        lambda a: a.reshape(3, -1), (A,), (np.ones(4),), "takes one -1 at most"
    ),
    "concatenate": (
        lambda a, b: np.concatenate([a, b]), (A, A), (A, A.T),
        "`concatenate` needs equal shapes except along axis 0",
    ),
    "stack": (lambda a, b: np.stack([a, b]), (A, A), (A, A[0]), "arrays of one shape"),
    "einsum": (rows, (A, A.T), (A, A), "one length for all axes with the same letter"),
    "a write": (write, (A, np.float64(1.0)), (A, A[0]), "A write needs a value that"),
}  # fmt: skip


def error_of(f: Callable[..., Any], *args: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        f(*args)
    assert isinstance(caught.value, Exception)
    return caught.value


@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_wrong_shape_is_explained_each_time(name: str, backend: str) -> None:
    f, fits, wrong, says = SHAPES[name]
    jitted = wg.jit(f, backend=backend)
    first = error_of(jitted, *wrong)
    np.testing.assert_array_equal(jitted(*fits), f(*fits))
    later = error_of(jitted, *wrong)
    for error in (first, later, error_of(wg.grad(jitted), *wrong)):
        assert isinstance(error, ShapeMismatch)
        assert str(error) == str(first)
    with pytest.raises(ShapeMismatch, match=says):
        raise first
    for part in ("\n  Came: ", "\n  Do:   ", "\n  At:   test_explained.py:"):
        assert part in str(first)
    np.testing.assert_array_equal(jitted(*fits), f(*fits))


def test_it_says_what_the_transforms_say() -> None:
    def loss(a: Any, b: Any) -> Any:
        return np.sum(a @ b)

    assert str(error_of(wg.jit(loss), A, A)) == str(error_of(wg.grad(loss), A, A))


# What NumPy says well enough; in compiled code too, where the values are at fault.
VALUES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "an index": (lambda a, i: np.sin(a[i]), (A, I), (A, I + 5)),
    "a negative index": (lambda a, i: np.sin(a[i]), (A, I), (A, I - 5)),
    "take": (lambda a, i: np.take(a, i, axis=1) * 2.0, (A, I), (A, I + 2)),
    "an index to write to": (place, (A, I), (A, I + 5)),
    "singular solve": (np.linalg.solve, (I3, A.T), (0.0 * I3, A.T)),
    "singular inverse": (np.linalg.inv, (I3,), (0.0 * I3,)),
    "not positive definite": (np.linalg.cholesky, (I3,), (-I3,)),
    "an axis": (lambda a: np.sum(a, axis=1), (A,), (A[0],)),
    "an axis to squeeze": (lambda a: np.squeeze(a, axis=0), (A[:1],), (A,)),
    "axes to exchange": (lambda a: np.transpose(a, (1, 0)), (A,), (A[0],)),
    "truth of an array": (lambda a: a if a > 0 else -a, (A[0, 1],), (A,)),
    "float of an array": (lambda a: a * float(a), (A[0, 1],), (A,)),
    "a dtype": (lambda a, i: a[i], (A, I), (A, 1.0 * I)),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_other_mistakes_say_what_numpy_says(name: str) -> None:
    f, fits, wrong = VALUES[name]
    jitted = wg.jit(f)
    numpys = error_of(f, *wrong)
    for _ in range(3):
        error = error_of(jitted, *wrong)
        assert type(error) is type(numpys)
        assert str(error) == str(numpys)
        np.testing.assert_allclose(jitted(*fits), f(*fits), rtol=1e-12)


def test_the_function_itself_decides() -> None:
    def lengths(a: Any, b: Any) -> Any:
        try:
            return a @ b
        except ValueError:
            return "no product"

    assert wg.jit(lengths)(A, A) == "no product"


def test_a_mistake_further_down_is_that_ones() -> None:
    """What only a traced value can't do isn't what is wrong with the plain run."""

    def f(a: Any) -> Any:
        b = wg.numpy.asarray(a) if isinstance(a, wg.core.bind.Tracer) else a
        return {"y": b}["z"]

    assert type(error_of(wg.jit(f), A)) is KeyError


def test_a_note_says_where_an_index_was_wrong() -> None:
    error = error_of(wg.jit(lambda a, i: a[i]), A, I + 5)
    assert "At:   test_explained.py:" in "".join(error.__notes__)
