"""Long sums: as accurate as blocks make them, and the same with any threads."""

import math

import numpy as np
import pytest

import wengert as wg


@pytest.mark.parametrize("n", [1000, 100_003, 1_000_000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_long_sum_is_within_a_few_roundings(n: int, dtype: type) -> None:
    x = np.random.default_rng(0).random(n).astype(dtype)
    exact = math.fsum(x.astype(float))
    found = float(wg.jit(np.sum)(x))
    assert abs(found - exact) <= 4 * np.finfo(dtype).eps * exact


def test_results_are_the_same_with_any_number_of_threads() -> None:
    A = np.random.default_rng(0).normal(size=(5000, 203))
    f = wg.jit(lambda A: (np.exp(A).sum(0), np.exp(A).sum(1), np.exp(A).sum()))
    before = wg.get_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            wg.set_threads(threads)
            found.append([np.asarray(y).tobytes() for y in f(A)])
    finally:
        wg.set_threads(before)
    assert found[0] == found[1] == found[2]
