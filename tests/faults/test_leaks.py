"""Memory: what a transform made is gone when it ends, without the garbage collector."""

import contextlib
import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import Tracer
from wengert.testing import check_grads

X = np.linspace(0.5, 1.5, 6)


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


class OnPurpose(Exception):
    pass


def fails(x: Any) -> Any:
    np.sin(x) * x
    raise OnPurpose


def swallow(run: Callable[[], Any]) -> None:
    with contextlib.suppress(OnPurpose, TypeError, ValueError, IndexError):
        run()


def writes(x: Any) -> Any:
    y = np.zeros_like(x)
    y[1:] = x[:-1] * x[1:]
    view = y[2:]
    view += 1.0
    return np.sum(y * view[0])


def into_plain(x: Any) -> Any:
    a = np.zeros(3)
    a[0] = x
    return np.sum(a)


GRAPH = wg.trace(lambda x: np.sum(np.sin(x) * x), X)

# What runs, and how often; each once more in a loop must not leave anything behind.
RUNS: dict[str, tuple[int, Callable[[], Any]]] = {
    "grad": (4_000, lambda: wg.grad(lambda x: x * x)(3.0)),
    "grad of arrays": (1_000, lambda: wg.grad(lambda x: np.sum(np.sin(x) * x))(X)),
    "grad of grad": (1_000, lambda: wg.grad(wg.grad(lambda x: x * x * x))(3.0)),
    "value_and_grad": (3_000, lambda: wg.value_and_grad(lambda x: x * x)(3.0)),
    "aux": (2_000, lambda: wg.grad(lambda x: (x * x, x), has_aux=True)(3.0)),
    "writes": (1_000, lambda: wg.grad(writes)(X)),
    "vjp": (2_000, lambda: wg.vjp(lambda x: np.exp(x), X)[1](X)),
    "vjp, pullback unused": (2_000, lambda: wg.vjp(lambda x: np.exp(x), X)),
    "jvp": (2_000, lambda: wg.jvp(lambda x: np.exp(x) * x, (X,), (X,))),
    "jvp of grad": (1_000, lambda: wg.jvp(wg.grad(lambda x: x**3), (2.0,), (1.0,))),
    "vmap": (1_000, lambda: wg.vmap(lambda x: np.sin(x) * x)(X)),
    "vmap of grad": (500, lambda: wg.vmap(wg.grad(lambda x: np.sin(x) * x))(X)),
    "trace": (500, lambda: wg.trace(lambda x: np.sum(np.sin(x) * x), X)),
    "trace of grad": (200, lambda: wg.trace(wg.grad(lambda x: np.sum(x * x)), X)),
    "graph": (1_000, lambda: GRAPH(X)),
    "grad of graph": (500, lambda: wg.grad(GRAPH)(X)),
    "containers": (1_000, lambda: wg.grad(lambda p: p["a"] * p["b"][0])(
        {"a": 1.0, "b": [2.0, 3.0]})),
    "exception in grad": (1_000, lambda: swallow(lambda: wg.grad(fails)(3.0))),
    "exception in vjp": (1_000, lambda: swallow(lambda: wg.vjp(fails, 3.0))),
    "exception in jvp": (1_000, lambda: swallow(lambda: wg.jvp(fails, (X,), (X,)))),
    "exception in vmap": (1_000, lambda: swallow(lambda: wg.vmap(fails)(X))),
    "exception in trace": (500, lambda: swallow(lambda: wg.trace(fails, X))),
    "refused argument": (1_000, lambda: swallow(lambda: wg.grad(np.sum)(3))),
    "refused result": (1_000, lambda: swallow(lambda: wg.grad(np.sin)(X))),
    "refused shape": (500, lambda: swallow(lambda: wg.grad(lambda x: x + X)(X[:2]))),
    "refused float()": (1_000, lambda: swallow(lambda: wg.grad(float)(3.0))),
    "refused write": (500, lambda: swallow(lambda: wg.grad(into_plain)(3.0))),
    "refused cotangent": (500, lambda: swallow(lambda: wg.vjp(np.sin, X)[1](1.0))),
    "out of bounds": (500, lambda: swallow(lambda: wg.grad(lambda x: x[9])(X))),
    "check_grads": (20, lambda: check_grads(np.sin, (0.3,))),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_nothing_grows(name: str) -> None:
    count, run = RUNS[name]
    tracemalloc.start()
    for _ in range(count // 4):  # caches fill
        run()
    gc.collect()  # empties the interpreter's free lists, which are no leak
    objects = len(gc.get_objects())
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(count):
        run()
    more = len(gc.get_objects()) - objects  # what reference counts alone don't free
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    # Both allow for what others do meanwhile; NumPy keeps small blocks of each size.
    assert more < 50, f"{more} objects more after {count} runs"
    assert grown < 20 * count + 30_000, f"{grown} bytes more after {count} runs"


def test_a_hundred_thousand_gradients() -> None:
    f = wg.grad(lambda x: x * x)
    for _ in range(100):
        f(3.0)
    objects = len(gc.get_objects())
    for _ in range(100_000):
        f(3.0)
    assert len(gc.get_objects()) - objects < 50


TRANSFORMS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "grad": lambda f: wg.grad(f)(2.0),
    "vjp": lambda f: wg.vjp(f, 2.0)[1](1.0),
    "jvp": lambda f: wg.jvp(f, (2.0,), (1.0,)),
    "vmap": lambda f: wg.vmap(f)(np.arange(3.0)),
    "trace": lambda f: wg.trace(f, 2.0),
    "grad of grad": lambda f: wg.grad(wg.grad(f))(2.0),
    "vmap of grad": lambda f: wg.vmap(wg.grad(f))(np.arange(3.0)),
}


@pytest.mark.parametrize("ends", ["returns", "raises"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_tracers_die_with_their_function(name: str, ends: str) -> None:
    seen: list[weakref.ref[Any]] = []

    def f(x: Any) -> Any:
        y = np.exp(x * x)
        z = y * 1.0
        seen.extend(weakref.ref(t) for t in (x, y, z) if isinstance(t, Tracer))
        if ends == "raises":
            raise OnPurpose
        return z

    swallow(lambda: TRANSFORMS[name](f))
    assert seen
    assert all(ref() is None for ref in seen), "a tracer is in a reference cycle"


def test_views_and_their_bases_die_with_their_function() -> None:
    seen: list[weakref.ref[Any]] = []

    def f(x: Any) -> Any:
        y = x * 1.0
        view = y[1:][::-1]
        y[2] = 5.0
        seen.extend(map(weakref.ref, (x, y, view)))
        return np.sum(view)

    wg.grad(f)(X)
    assert all(ref() is None for ref in seen)


def test_captured_arrays_are_released() -> None:
    big = np.ones(10_000)
    ref = weakref.ref(big)

    def use(captured: Any) -> None:
        wg.grad(lambda x: np.sum(x * captured))(np.ones(10_000))
        wg.jvp(lambda x: x * captured, (np.ones(10_000),), (np.ones(10_000),))
        wg.vmap(lambda x: x * captured)(np.ones((2, 10_000)))

    use(big)
    del big
    assert ref() is None


def test_arguments_are_released() -> None:
    x = np.ones(10_000)
    ref = weakref.ref(x)
    wg.value_and_grad(lambda t: np.sum(t * t))(x)
    del x
    assert ref() is None


def test_the_tape_is_released_with_the_pullback() -> None:
    captured = np.ones(10_000)
    y, pullback = wg.vjp(lambda x: np.exp(x) * captured, np.ones(10_000))
    tracemalloc.start()
    held = [wg.vjp(lambda x: np.exp(x) * captured, np.ones(10_000)) for _ in range(10)]
    full = tracemalloc.get_traced_memory()[0]
    del held
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert full > 10 * 80_000
    assert left < 80_000
    assert pullback(y)[0].shape == (10_000,)


def test_an_error_that_is_kept_does_not_keep_others_alive() -> None:
    """The user holds the exception; when it goes, everything goes."""
    seen: list[weakref.ref[Any]] = []

    def f(x: Any) -> Any:
        y = x * x
        seen.append(weakref.ref(y))
        return float(y)

    try:
        wg.grad(f)(3.0)
    except wg.WengertError as error:
        kept = error
    assert seen[0]() is not None, "the traceback should show the user's frame"
    del kept
    assert seen[0]() is None


def test_an_exception_from_numpy_does_not_make_a_cycle() -> None:
    seen: list[weakref.ref[Any]] = []

    def f(x: Any) -> Any:
        y = x * x
        seen.append(weakref.ref(y))
        return into_plain(y)

    swallow(lambda: wg.grad(f)(3.0))
    assert seen[0]() is None
