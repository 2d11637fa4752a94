"""Distributions: moments, Kolmogorov–Smirnov, ends; with fixed seeds."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert import random as r
from wengert.random.draw import half, unit
from wengert.random.quantile import upper_quantile

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
N = 200_000
CONTINUOUS: list[tuple[Callable[..., Any], Any]] = [
    (r.uniform, stats.uniform),
    (r.normal, stats.norm),
    (r.exponential, stats.expon),
    (r.gumbel, stats.gumbel_r),
    (r.laplace, stats.laplace),
    (r.logistic, stats.logistic),
]
ALL_ONES = np.full(1, 2**32 - 1, np.uint32)
NONE = np.zeros(1, np.uint32)
TOP = np.full(1, 2**31, np.uint32)


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize(
    ("sample", "law"), CONTINUOUS, ids=[f.__name__ for f, _ in CONTINUOUS]
)
def test_the_law(sample: Callable[..., Any], law: Any, dtype: Any) -> None:
    x = sample(r.key(42), N, dtype=dtype)
    assert x.dtype == dtype
    assert np.isfinite(x).all()
    x = np.sort(x.astype(float))
    assert stats.ks_1samp(x, law.cdf).pvalue > 1e-3
    mean, variance, _, kurtosis = (float(m) for m in law.stats(moments="mvsk"))
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / N)
    spread = variance * np.sqrt((kurtosis + 2) / N)
    assert abs(x.var() - variance) < 4 * spread
    # The thousand smallest and largest, by the place that each should have.
    u = law.cdf(x[:1000]) * N, law.sf(x[-1000:][::-1]) * N
    for tail in u:
        assert abs(tail[-1] - 1000) < 4 * np.sqrt(1000)
        assert 1e-4 < tail[0] < 10


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_uniform_numbers_are_even_in_every_digit(dtype: Any) -> None:
    x = r.uniform(r.key(3), N, dtype=dtype)
    assert x.min() >= 0
    assert x.max() < 1
    digits = 24 if dtype == F32 else 53
    whole = (x.astype(float) * 2.0**digits).astype(np.int64)
    assert (whole == x.astype(float) * 2.0**digits).all()
    for bit in range(digits):
        share = ((whole >> bit) & 1).mean()
        assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(N), bit


def test_ends() -> None:
    assert unit(F64)(ALL_ONES, ALL_ONES)[0] == 1 - 2.0**-53
    assert unit(F32)(ALL_ONES, NONE)[0] == np.float32(1 - 2.0**-24)
    assert unit(F64)(NONE, NONE)[0] == unit(F32)(NONE, NONE)[0] == 0
    for dtype, least in ((F64, 2.0**-65), (F32, 2.0**-33)):
        assert half(NONE, NONE, dtype) == (False, least)
        coin, p = half(TOP - np.uint32(1), ALL_ONES * (dtype == F64), dtype)
        assert (coin[0], p[0]) == (False, 0.5)
        assert half(TOP, NONE, dtype)[0]
        assert upper_quantile(p, dtype)[0] == 0
        assert p.dtype == dtype
        far = upper_quantile(np.array([least], dtype), dtype)
        expected = -float(stats.norm.ppf(least))
        rtol = 3 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(far, expected, rtol=rtol)


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_the_normal_quantile(dtype: Any) -> None:
    bound = 33 if dtype == F32 else 65
    exponents = np.linspace(-bound, -1, 400)
    near = np.array([0.125 - 1e-6, 0.125, 0.125 + 1e-6, 0.5 - 1e-3, 0.4999])
    p = np.concatenate([2.0**exponents, near]).astype(dtype)
    z = upper_quantile(p, dtype)
    assert z.dtype == dtype
    with mpmath.workdps(40):
        true = [
            mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(float(v)))
            if v > 1e-9
            else mpmath.findroot(
                lambda t, v=v: (
                    mpmath.log(mpmath.erfc(t / mpmath.sqrt(2)) / 2)
                    - mpmath.log(mpmath.mpf(float(v)))
                ),
                float(-stats.norm.ppf(float(v))),
            )
            for v in p
        ]
    error = np.abs(
        np.array([float(a - b) for a, b in zip(z.astype(object), true, strict=True)])
    )
    assert (
        error <= 6 * np.finfo(dtype).eps * np.maximum(np.array(true, float), 1e-3)
    ).all()
    assert (np.diff(z[:400]) < 0).all()


def test_bounds_of_uniform() -> None:
    k = r.key(5)
    x = r.uniform(k, N, -3.0, 2.0)
    np.testing.assert_allclose(x, -3 + 5 * r.uniform(k, N), rtol=1e-12, atol=1e-12)
    assert x.min() >= -3
    assert x.max() < 2
    # Two numbers only, the upper of which is excluded.
    high = np.nextafter(1.0, 2.0)
    assert (r.uniform(k, 1000, 1.0, high) == 1.0).all()
    assert (r.uniform(k, 100, 1.0, 1.0) == 1.0).all()
    assert r.uniform(k, 10, 0, 5, np.float32).dtype == np.float32
    rows = r.uniform(k, low=np.zeros((3, 1)), high=np.array([1.0, 2.0]))
    assert rows.shape == (3, 2)
    assert len(np.unique(rows)) == 6  # a number of its own for each


def test_gradients_by_reparameterisation() -> None:
    k = r.key(6)
    z = r.normal(k, 50)

    def loss(mean: Any, deviation: Any) -> Any:
        return np.sum((mean + deviation * r.normal(k, 50)) ** 2)

    by_mean, by_deviation = wg.grad(loss, argnums=(0, 1))(0.5, 2.0)
    np.testing.assert_allclose(by_mean, np.sum(2 * (0.5 + 2 * z)), rtol=1e-12)
    np.testing.assert_allclose(by_deviation, np.sum(2 * (0.5 + 2 * z) * z), rtol=1e-12)
    wg.check_grads(loss, (0.5, 2.0))

    u = r.uniform(k, 20)
    low, high = wg.grad(
        lambda a, b: np.sum(r.uniform(k, 20, a, b) * u), argnums=(0, 1)
    )(1.0, 3.0)
    np.testing.assert_allclose([low, high], [np.sum((1 - u) * u), np.sum(u * u)])
    compiled = wg.jit(wg.grad(loss, argnums=(0, 1)))
    for _ in range(2):
        np.testing.assert_allclose(compiled(0.5, 2.0), (by_mean, by_deviation))
