"""Bits, signs, integers, orders and choices: shares, exactness, ends."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert import random as r
from wengert.random.draw import draw, long

N = 200_000


def test_bits_signs_and_coins() -> None:
    k = r.key(8)
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        x = r.bits(k, 50_000, dtype)
        assert x.dtype == dtype
        for bit in range(8 * x.itemsize):
            share = ((x >> dtype(bit)) & dtype(1)).mean()
            assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(50_000), (dtype, bit)
    signs = r.rademacher(k, N, np.int8)
    assert signs.dtype == np.int8
    assert set(signs.tolist()) == {-1, 1}
    assert abs(signs.mean(dtype=float)) < 4 / np.sqrt(N)
    p = np.array([0.0, 0.1, 0.5, 1.0])
    share = r.bernoulli(k, p, (50_000, 4)).mean(axis=0)
    assert share[0] == 0
    assert share[3] == 1
    assert (np.abs(share - p) <= 4 * np.sqrt(p * (1 - p) / 50_000)).all()


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 10, np.int64), (-3, 4, np.int8), (0, 2**32, np.uint32),
        (0, 3 * 2**62, np.uint64), (-(2**63), 2**63 - 1, np.int64), (5, 6, np.int32),
    ],
)  # fmt: skip
def test_integers(low: int, high: int, dtype: Any) -> None:
    x = r.randint(r.key(9), low, high, N, dtype)
    assert x.dtype == dtype
    assert int(x.min()) >= low
    assert int(x.max()) < high
    parts = min(high - low, 12)
    place = [(int(v) - low) * parts // (high - low) for v in x]
    counts = np.bincount(place, minlength=parts)
    assert len(counts) == parts
    expected = N / parts
    if parts > 1:
        assert (
            stats.chi2.sf(np.sum((counts - expected) ** 2) / expected, parts - 1) > 1e-3
        )


def test_integers_below_a_wide_span_are_exact() -> None:
    """The whole part of span · (128 random bits) / 2¹²⁸, in Python's integers."""
    k = r.key(10)
    x, more = (draw(k, (500,), np.dtype(np.uint64), long, s) for s in (0, 1))
    for span in (2**63 + 12345, 2**33 + 1, 2**64 - 1):
        found = r.randint(k, 0, span, 500, np.uint64)
        expected = [
            (int(a) << 64 | int(b)) * span >> 128 for a, b in zip(x, more, strict=True)
        ]
        assert found.tolist() == expected
    narrow = r.randint(k, 0, 1000, 500)
    assert narrow.tolist() == [int(a) * 1000 >> 64 for a in x]


def test_orders() -> None:
    k = r.key(12)
    assert sorted(r.permutation(k, 100).tolist()) == list(range(100))
    x = np.arange(12.0).reshape(4, 3)
    y = r.permutation(k, x, axis=1)
    np.testing.assert_array_equal(np.sort(y, axis=1), x)
    np.testing.assert_array_equal(y[1:] - y[:-1], np.full((3, 3), 3.0))  # whole columns
    keys = r.split(k, 6000)
    orders = wg.vmap(lambda k: r.permutation(k, 3))(keys)
    code = orders @ np.array([9, 3, 1])
    _, counts = np.unique(code, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3
    wg.check_grads(lambda x: r.permutation(k, x) * np.arange(4.0)[:, None], (x,))


def test_choices() -> None:
    k = r.key(13)
    p = np.array([0.0, 0.2, 0.5, 0.3, 0.0])
    for x in (
        r.choice(k, 5, 60_000, p=p),
        r.choice(k, 5, 60_000, p=10 * p),
        r.categorical(k, np.log(p, where=p > 0, out=np.full(5, -np.inf)), shape=60_000),
    ):
        counts = np.bincount(x, minlength=5)
        assert counts[0] == counts[4] == 0
        assert stats.chisquare(counts[1:4], 60_000 * p[1:4]).pvalue > 1e-3
    x = r.choice(k, np.array([[1.0, 2.0], [3.0, 4.0]]), (2, 5), axis=1)
    assert x.shape == (2, 2, 5)
    assert sorted(r.choice(k, 9, 9, replace=False).tolist()) == list(range(9))
    keys = r.split(k, 4000)
    pairs = wg.vmap(lambda k: r.choice(k, 5, 2, replace=False, p=p))(keys)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel().tolist()) == {1, 2, 3}
    # The first of a pair is 2 half of the time; the second, after 1, with 5/8.
    assert abs((pairs[:, 0] == 2).mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)
    after = pairs[pairs[:, 0] == 1, 1]
    assert abs((after == 2).mean() - 0.625) < 4 * 0.5 / np.sqrt(len(after))
    logits = np.log(np.array([[1.0, 3.0], [3.0, 1.0]]))
    many = r.categorical(k, logits, axis=0, shape=(5000, 2))
    assert many.shape == (5000, 2)
    np.testing.assert_allclose(many.mean(axis=0), [0.75, 0.25], atol=0.03)
    assert r.categorical(k, logits).shape == (2,)


def test_empty_and_none() -> None:
    k = r.key(0)
    for sample in (r.uniform, r.normal, r.bits, r.rademacher, r.exponential):
        assert sample(k, (3, 0)).shape == (3, 0)
    assert r.randint(k, 0, 5, 0).shape == (0,)
    assert r.permutation(k, 0).shape == (0,)
    assert r.choice(k, 0, 0).shape == (0,)
