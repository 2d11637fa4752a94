"""Keys: made, split, folded; streams that have nothing in common."""

import numpy as np
import pytest

import wengert as wg
from wengert.random import bits, fold_in, key, normal, split, uniform


def test_a_key_is_the_two_words_of_its_seed() -> None:
    assert key(0).tolist() == [0, 0]
    assert key(2**40 + 3).tolist() == [2**8, 3]
    assert key(-1).tolist() == [2**32 - 1, 2**32 - 1]
    assert key(2**64 - 1).tolist() == key(-1).tolist()
    assert key(np.int8(-1)).tolist() == key(-1).tolist()
    assert key(np.array(5, np.uint16)).tolist() == [0, 5]
    assert key(0).dtype == np.uint32


def test_splits_and_folds_are_those_of_other_libraries_with_this_generator() -> None:
    # jax.random, 0.10: split(key(0)), fold_in(key(0), 1), bits, uniform in float64.
    expected = [[1797259609, 2579123966], [928981903, 3453687069]]
    assert split(key(0)).tolist() == expected
    assert fold_in(key(0), 1).tolist() == expected[1]
    words = [7719171245655871230, 3989946895414531357, 17807037942121513089]
    assert bits(key(0), 3, np.uint64).tolist() == words
    np.testing.assert_allclose(
        uniform(key(0), 3), [0.41845711, 0.21629545, 0.96532146], atol=1e-8
    )


def test_the_first_keys_and_numbers_do_not_depend_on_how_many() -> None:
    k = key(3)
    np.testing.assert_array_equal(split(k, 2), split(k, 9)[:2])
    np.testing.assert_array_equal(split(k, (2, 3)).reshape(6, 2), split(k, 6))
    assert split(k, 0).shape == (0, 2)
    # 40,000: more than one block of the eager evaluation.
    for draw in (bits, uniform, normal):
        long = draw(k, 40_000)
        np.testing.assert_array_equal(draw(k, 10), long[:10])
        np.testing.assert_array_equal(draw(k, (4, 5_000)).ravel(), long[:20_000])
        assert draw(k) == long[0]
        assert np.shape(draw(k)) == ()


def test_the_argument_is_not_changed() -> None:
    k = key(1)
    before = k.copy()
    first, second = split(k)
    fold_in(k, 3)
    normal(k, 3)
    np.testing.assert_array_equal(k, before)
    first[:] = 0
    assert second.any()


def test_many_keys_are_all_different() -> None:
    k = key(0)
    seeds = np.stack([key(i) for i in range(200)])
    folded = np.stack([fold_in(k, i) for i in range(2, 200)])
    again = np.concatenate([split(s, 20) for s in split(key(1), 200)])
    every = np.concatenate([seeds, folded, again])
    assert len(np.unique(every, axis=0)) == len(every)


@pytest.mark.parametrize("streams", ["split", "fold_in", "seeds"])
def test_streams_are_not_correlated(streams: str) -> None:
    n, m = 60, 4000
    k = key(11)
    keys = {
        "split": lambda: list(split(k, n)),
        "fold_in": lambda: [fold_in(k, i) for i in range(n)],
        "seeds": lambda: [key(i) for i in range(n)],
    }[streams]()
    z = np.stack([normal(i, m) for i in keys])
    c = np.corrcoef(z) * np.sqrt(m)
    off = c[np.triu_indices(n, 1)]  # 1770 of them, nearly standard normal
    assert np.abs(off).max() < 4.8
    assert abs(off.std() - 1) < 0.06
    lagged = np.array([z[i, 1:] @ z[i, :-1] for i in range(n)]) / np.sqrt(m)
    assert np.abs(lagged).max() < 4.5


def test_seeds_and_data_may_be_traced() -> None:
    seeds = np.array([0, 7, -2], np.int64)
    np.testing.assert_array_equal(wg.vmap(key)(seeds), [key(int(s)) for s in seeds])
    k = key(1)
    folded = wg.vmap(lambda i: fold_in(k, i))(seeds)
    np.testing.assert_array_equal(folded, [fold_in(k, int(s)) for s in seeds])

    f = wg.jit(lambda seed: normal(key(seed), 3))
    for seed in (0, 7, -2, 7):
        np.testing.assert_allclose(f(seed), normal(key(seed), 3), rtol=1e-13)
    g = wg.jit(lambda k, step: fold_in(k, step))
    for step in (np.int32(4), np.int32(-5)):
        np.testing.assert_array_equal(g(k, step), fold_in(k, step))
