"""jit keeps nothing alive but what it needs, and pickles as what it was made from."""

import gc
import pickle
import weakref
from typing import Any

import numpy as np

import wengert as wg

X = np.array([1.0, 2.0])


@wg.jit(max_paths=7)
def at_module_level(x: Any) -> Any:
    return x * 2.0


def square(x: Any) -> Any:
    return x * x


class Big:
    def __init__(self) -> None:
        self.w = np.ones(3)


def test_arguments_and_results_are_let_go() -> None:
    f = wg.jit(lambda p: {"y": p["x"] * 2.0})
    kept = []
    for _ in range(3):
        x = np.ones(5)
        y = f({"x": x})["y"]
        kept += [weakref.ref(x), weakref.ref(y)]
        del x, y
    gc.collect()
    assert [r() for r in kept] == [None] * 6


def test_objects_among_the_arguments_are_let_go() -> None:
    f = wg.jit(lambda b, x: b.w.sum() * x)
    b = Big()
    f(b, X)
    f(b, X)
    gone = weakref.ref(b)
    del b
    gc.collect()
    assert gone() is None


def test_a_compiled_closure_goes_with_its_name() -> None:
    def make() -> Any:
        w = np.ones(1000)
        return wg.jit(lambda x: x * w.sum()), weakref.ref(w)

    f, gone = make()
    f(X)
    f(X)
    del f
    gc.collect()
    assert gone() is None


def test_pickling() -> None:
    f = wg.jit(square, static_argnums=())
    f(X)
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again(X), X * X)
    assert again.paths
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
