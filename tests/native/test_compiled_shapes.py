"""Sizes around vector widths, every way to reach an element: compiled = reference."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import check_function, compiled

import wengert as wg

# Around the widths 2, 4, 8, 16 and their unrolled and blocked multiples.
SIZES = [*range(1, 41), 63, 64, 65, 66, 127, 128, 129, 130, 1000, 4099]
SHAPES = [(7,), (1,), (3, 9), (1, 9), (9, 1), (5, 1, 8), (2, 3, 17), (1, 2, 1, 33),
          (2, 3, 4, 5), (33, 3), (2, 40), (40, 2)]  # fmt: skip
FOLDS: list[Callable[..., Any]] = [np.sum, np.max, np.min, np.prod, np.mean]


def array(*shape: int, dtype: Any = float, seed: int = 0) -> Any:
    """Numbers of both signs between 0.5 and 1.5, integers between −9 and 9."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0 if np.dtype(dtype).kind == "u" else -9, 10, shape, dtype)
    if np.dtype(dtype).kind == "b":
        return rng.random(shape) < 0.7
    return (rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)).astype(dtype)


def subsets(n: int) -> list[tuple[int, ...]]:
    """All choices of at least one of n axes."""
    return [c for k in range(1, n + 1) for c in itertools.combinations(range(n), k)]


# Sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_elementwise_of_size(n: int) -> None:
    x, y = array(n), array(n, seed=1)
    small, whole = x.astype(np.float32), array(n, dtype=np.int32)

    def f(x: Any, y: Any, small: Any, whole: Any) -> Any:
        """Results of several dtypes, so of several widths, from one loop."""
        return (
            x * y + 1.0,
            np.exp(-x * x) * np.where(y > 0.25, x, -y),
            small * np.float32(0.5) + np.abs(small),
            whole * whole - 3,
            (x > y) & (whole > 0),
            small + x,
        )

    check_function(f, x, y, small, whole)


@pytest.mark.parametrize("n", SIZES)
def test_folds_of_size(n: int) -> None:
    x = array(n)

    def f(x: Any) -> Any:
        by = 1.0 + 1e-3 * x
        return np.sum(x), np.max(x), np.min(x), np.prod(by), np.mean(x * x), x @ x

    program = check_function(f, x)
    assert not program.host_calls


@pytest.mark.parametrize("n", [*range(1, 20), 63, 66, 129, 4099])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int64, np.uint16, bool])
def test_folds_of_dtype(n: int, dtype: Any) -> None:
    x = array(n, dtype=dtype)
    check_function(lambda x: (np.sum(x), np.max(x), np.min(x), np.all(x), np.any(x)), x)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 64, 4099, 100_003])
def test_a_long_sum_is_as_good_as_numpys(n: int) -> None:
    """Against the sum in higher precision: blocks keep the rounding errors."""
    x = array(n) * 10.0 ** np.random.default_rng(4).uniform(-8, 8, n)
    program = compiled(wg.trace(lambda x: np.sum(x), x))
    ((got,), _) = program([x])
    exact = float(np.sum(x.astype(np.longdouble)))
    # Any order of additions is within n·ε·Σ|x|; sums in lanes and blocks do better.
    assert abs(got - exact) <= 64 * np.finfo(float).eps * np.sum(np.abs(x))


# Folds along every subset of axes -------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fold_along_axes(shape: tuple[int, ...]) -> None:
    x = array(*shape)
    for axes in subsets(len(shape)):

        def f(x: Any, axes: Any = axes) -> Any:
            ways = [{"axis": axes, "keepdims": keep} for keep in (False, True)]
            found = [fold(x, **way) for fold in FOLDS for way in ways]
            return (*found, np.sum(x * x + 1.0, axis=axes))

        check_function(f, x, what=str(axes))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_centred_by_each_axis(shape: tuple[int, ...]) -> None:
    """A fold and what is computed from it and from the same array again."""
    x = array(*shape)
    for axes in subsets(len(shape)):

        def f(x: Any, axes: Any = axes) -> Any:
            top = np.max(x, axis=axes, keepdims=True)
            e = np.exp(x - top)
            return e / np.sum(e, axis=axes, keepdims=True)

        check_function(f, x, what=str(axes))
        check_function(wg.grad(lambda x, f=f: np.sum(f(x) * np.cos(x))), x)


# Layouts --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_layouts(shape: tuple[int, ...]) -> None:
    x = array(*shape)
    n, size = len(shape), int(np.prod(shape))
    orders = list(itertools.permutations(range(n)))[:: 1 if n < 4 else 5]
    moves: list[Callable[[Any], Any]] = [
        *(lambda x, o=o: x.transpose(o) * 2.0 for o in orders),
        *(lambda x, a=a: np.flip(x, a) + x for a in subsets(n)),
        *(lambda x, a=a, k=k: np.roll(x, k, a) - x for a in range(n) for k in (1, -2)),
        lambda x: x.reshape(-1) * 3.0,
        lambda x: x.T.reshape(size) * x.reshape(size),
        lambda x: x.transpose().reshape(shape) + x,
        lambda x: x.reshape(size, 1) * x.reshape(1, size) if size < 50 else x + 1.0,
        lambda x: np.broadcast_to(x, (3, *shape)) * 2.0,
        lambda x: np.expand_dims(x, n) + np.ones(3),
        lambda x: np.squeeze(x)[..., None] * 2.0,
        lambda x: x.T.sum(0) * 2.0,
    ]
    for k, f in enumerate(moves):
        check_function(f, x, what=f"move {k}")
        check_function(wg.grad(lambda x, f=f: np.sum(f(x) ** 2)), x, what=f"move {k}'")


SLICES = [slice(None), slice(1, None), slice(None, -1), slice(None, None, 2),
          slice(1, None, 3), slice(None, None, -1), slice(-1, None, -2), slice(2, 2),
          slice(-3, 40), 0, -1]  # fmt: skip


@pytest.mark.parametrize("key", SLICES, ids=str)
@pytest.mark.parametrize("shape", [(9,), (17, 3), (3, 17), (2, 5, 8)], ids=str)
def test_slices(shape: tuple[int, ...], key: Any) -> None:
    x = array(*shape)
    for axis in range(len(shape)):
        whole = (*(slice(None) for _ in range(axis)), key)

        def read(x: Any, whole: Any = whole) -> Any:
            return np.sin(x)[whole] * 2.0

        def write(x: Any, whole: Any = whole) -> Any:
            y = x * 2.0
            y[whole] = np.cos(x[whole])
            y[whole] += 1.0
            return y

        for f in (read, write):
            check_function(f, x, what=f"{f.__name__} {axis}")
            gradient = wg.grad(lambda x, f=f: np.sum(f(x) ** 2))
            check_function(gradient, x, what=f"{f.__name__} {axis}, gradient")


@pytest.mark.parametrize("shape", [(7,), (3, 9), (2, 3, 17), (1, 2, 1, 8)], ids=str)
def test_joined_and_padded(shape: tuple[int, ...]) -> None:
    x, n = array(*shape), len(shape)
    for axis in range(n):
        width = [(2, 1) if k == axis else (0, 3) for k in range(n)]
        fs: list[Callable[[Any], Any]] = [
            lambda x: np.concatenate([x, x * 2.0, np.sin(x)], axis),
            lambda x: np.concatenate([x, x.sum(axis, keepdims=True)], axis),
            lambda x: np.stack([x, x * x, -x], axis),
            lambda x: np.stack([x, x * x], axis - n) + 1.0,
            lambda x: np.pad(x, width),
            lambda x: np.pad(x, width, mode="edge") * 2.0,
            lambda x: np.diff(np.concatenate([x, x], axis), axis=axis),
            lambda x: np.repeat(x, 2, axis) * 3.0,
        ]
        for k, f in enumerate(fs):
            check_function(f, x, what=f"axis {axis}, {k}")
            gradient = wg.grad(lambda x, f=f: np.sum(f(x) ** 2))
            check_function(gradient, x, what=f"axis {axis}, {k}, gradient")


@pytest.mark.parametrize("n", [1, 2, 5, 9, 16, 33])
@pytest.mark.parametrize("offset", [-2, 0, 1])
def test_diagonals(n: int, offset: int) -> None:
    x = array(n, 9)
    if offset < 0 and n <= -offset:
        offset = 0
    check_function(lambda x: np.diagonal(x, offset) * 2.0, x)
    check_function(wg.grad(lambda x: np.sum(np.diagonal(x, offset) ** 2)), x)
    check_function(lambda x: np.diag(x[:, 0], offset) + 1.0, x)
    check_function(lambda x: np.tril(x, offset) + np.triu(x * x, 1), x)


# Index arrays ---------------------------------------------------------------------

PICKS = [[0], [2, 0, 1], [-1, -2, 1, 1, 1], [3, 3, 3, -4, 0, 2, 1, -1, 0],
         list(range(4)), list(range(3, -1, -1)) * 5]  # fmt: skip


@pytest.mark.parametrize("pick", PICKS, ids=str)
@pytest.mark.parametrize("known", [True, False], ids=["constant", "argument"])
def test_gather_and_scatter(pick: list[int], known: bool) -> None:
    x, i = array(4, 5, 4), np.array(pick)

    def last(x: Any, i: Any) -> Any:
        return np.sin(x)[..., i] * 2.0

    def first(x: Any, i: Any) -> Any:
        return np.sin(x)[i] * 2.0

    def pairs(x: Any, i: Any) -> Any:
        return x[i, 2, i] + x[i, 1, 0]

    def box(x: Any, i: Any) -> Any:
        return x[i[:, None], 1:3, i] * x[0, 0, 0]

    def written(x: Any, i: Any) -> Any:
        y = x * 2.0
        y[i] = np.cos(x[i])
        return y * x

    def added(x: Any, i: Any) -> Any:
        y = x * 2.0
        key: Any = (slice(None), 1, i)
        np.add.at(y, key, x[:, 0, i] ** 2)
        return y * x

    for f in (last, first, pairs, box, written, added):
        g: Callable[..., Any] = (lambda x: f(x, i)) if known else f
        given = (x,) if known else (x, i)
        check_function(g, *given, what=f.__name__)
        gradient = wg.grad(lambda *a, g=g: np.sum(g(*a) ** 2))
        check_function(gradient, *given, what=f"{f.__name__}, gradient")


@pytest.mark.parametrize("n", [1, 3, 8, 9, 40])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8])
def test_index_arrays_of_every_dtype(n: int, dtype: Any) -> None:
    x = array(30)
    i = np.random.default_rng(2).integers(0, 30, n).astype(dtype)
    check_function(lambda x, i: x[i] * 2.0, x, i)
    check_function(wg.grad(lambda x, i: np.sum(x[i] ** 3)), x, i)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 17, 64])
@pytest.mark.parametrize("value", [4, -5, 2**40, -(2**62)])
def test_an_index_out_of_bounds_raises_as_numpy_does(n: int, value: int) -> None:
    """At every place of the index array, so in main parts and tails of its loop."""
    x, v = array(4), array(n)

    def write(x: Any, i: Any) -> Any:
        y = x * 1.0
        y[i] = v
        return y

    def add(x: Any, i: Any) -> Any:
        y = x * 1.0
        np.add.at(y, i, v)
        return y

    good = np.arange(n) % 4
    for f in (lambda x, i: x[i] * 2.0, lambda x, i: np.sum(x[i]), write, add):
        program = compiled(wg.trace(f, x, good).optimize())
        assert program([x, good])[1] == -1
        for place in {0, n // 2, n - 1}:
            bad = good.copy()
            bad[place] = value
            with pytest.raises(IndexError, match=f"index {value} is out of bounds"):
                program([x, bad])


# Products -------------------------------------------------------------------------

PRODUCTS = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)),
            ((9, 17), (17, 33)), ((1, 5), (5, 1)), ((5, 1), (1, 5)),
            ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((3, 4), (7, 4, 2)),
            ((7, 1, 3, 2), (5, 2, 3)), ((40, 2), (2, 2)),
            ((64, 64), (64, 3))]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PRODUCTS, ids=str)
def test_products(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = array(*left), array(*right, seed=1)

    def f(a: Any, b: Any) -> Any:
        return np.tanh(a) @ (b * 0.5) + 1.0

    check_function(f, a, b)
    check_function(wg.grad(lambda a, b: np.sum(np.sin(f(a, b))), argnums=(0, 1)), a, b)
    if len(left) > 1:
        check_function(
            lambda a, b: np.swapaxes(np.swapaxes(a, -1, -2), -1, -2) @ b, a, b
        )


EINSUMS = """ij,jk->ik ij,kj->ki ij,ij-> ij->j ii->i ii-> ij,j->i i,j->ij
bij,bjk->bik ij,jk,kl->il bi,bj->ij i,i,i->""".split()


@pytest.mark.parametrize("subscripts", EINSUMS)
@pytest.mark.parametrize("n", [1, 3, 9])
def test_einsum(subscripts: str, n: int) -> None:
    sizes = {"i": n, "j": n, "k": 2 * n, "l": 5, "b": 3}
    texts = subscripts.split("->")[0].split(",")
    xs = [array(*(sizes[c] for c in t), seed=k) for k, t in enumerate(texts)]

    def f(*xs: Any) -> Any:
        return np.einsum(subscripts, *xs)

    check_function(f, *xs)
    by = tuple(range(len(xs)))
    check_function(wg.grad(lambda *xs: np.sum(np.cos(f(*xs))), argnums=by), *xs)


# Nothing at all -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)], ids=str)
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)

    def f(x: Any) -> Any:
        joined = np.concatenate([x, np.ones(shape), x], -1)
        return x * 2.0, np.sum(x), np.sum(x, axis=-1), np.prod(x, axis=0), joined + 1.0

    check_function(f, x)
    check_function(wg.grad(lambda x: np.sum(np.sin(x))), x)


def test_no_axes_and_no_inputs() -> None:
    check_function(lambda x, y: (x * y + 1.0, x > y, np.sin(x)), 0.5, np.float32(2.0))
    check_function(lambda: np.arange(5) * 2.0)
    check_function(lambda x: (x, x, x * 1.0), array(5), optimize=False)
