"""Random real numbers: uniform, normal, exponential, Laplace, logistic, Gumbel.

Each is a function of one element's words alone. Scale and location are yours to
apply, and are differentiated as any arithmetic is: `mean + deviation * normal(key)`.
"""

from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.random.draw import (
    common_shape,
    draw,
    floating,
    half,
    in_dtype,
    shaped,
    unit,
)
from wengert.random.keys import shape_of
from wengert.random.quantile import upper_quantile


def uniform(
    key: Array,
    shape: Any = None,
    low: Array = 0.0,
    high: Array = 1.0,
    dtype: Any = np.float64,
) -> Array:
    """Real numbers from [low, high), all as likely.

    Args:
        key: a key.
        shape: of the result; without it, the shape that `low` and `high` have together.
        low: the least number.
        high: the bound above, which is never reached (if low < high). The results are
            differentiable in both.
        dtype: float32 (multiples of 2⁻²⁴ in [0, 1)) or float64 (of 2⁻⁵³).

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.uniform(wg.random.key(0), 2).round(6)
    array([0.418457, 0.216295])
    """
    dtype = floating(dtype)
    shape = common_shape(shape, low=low, high=high)
    u = draw(key, shape, dtype, unit(dtype))
    if not (isinstance(low, float) and low == 0.0 and isinstance(high, float)
            and high == 1.0):  # fmt: skip
        a, b = in_dtype(low, dtype), in_dtype(high, dtype)
        y = a + (b - a) * u
        u = np.where(y == b, np.nextafter(b, a), y)  # where it was rounded up
    return shaped(u, shape)


def normal(key: Array, shape: Any = (), dtype: Any = np.float64) -> Array:
    """Standard normal numbers: mean 0, variance 1.

    By inverting the distribution function, to 9.1 standard deviations on either side
    (float32: 6.3).

    Args:
        key: a key.
        shape: of the result.
        dtype: float32 or float64.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> def draw(mean, deviation):
    ...     return np.sum(mean + deviation * wg.random.normal(wg.random.key(0), 4))
    >>> wg.grad(draw)(1.0, 2.0)
    4.0
    """
    dtype = floating(dtype)

    def make(high: Array, low: Array) -> Array:
        coin, p = half(high, low, dtype)
        z = upper_quantile(p, dtype)
        return np.where(coin, z, -z)

    shape = shape_of(shape)
    return shaped(draw(key, shape, dtype, make), shape)


def exponential(key: Array, shape: Any = (), dtype: Any = np.float64) -> Array:
    """Exponential numbers: positive, of mean 1.

    Args:
        key: a key.
        shape: of the result.
        dtype: float32 or float64.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.exponential(wg.random.key(0), 2).round(6)
    array([0.542071, 0.243723])
    """
    dtype = floating(dtype)
    shape = shape_of(shape)
    return shaped(draw(key, shape, dtype, _waiting(dtype)), shape)


def gumbel(key: Array, shape: Any = (), dtype: Any = np.float64) -> Array:
    """Gumbel numbers: minus the logarithms of exponential ones.

    The place of the largest of `logits + gumbel(...)` is a draw with probabilities
    softmax(logits).

    Args:
        key: a key.
        shape: of the result.
        dtype: float32 or float64.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.gumbel(wg.random.key(0), 2).round(6)
    array([0.612359, 1.411722])
    """
    dtype = floating(dtype)
    waiting = _waiting(dtype)
    shape = shape_of(shape)
    y = draw(key, shape, dtype, lambda high, low: -np.log(waiting(high, low)))
    return shaped(y, shape)


def laplace(key: Array, shape: Any = (), dtype: Any = np.float64) -> Array:
    """Laplace numbers: exponential ones with a random sign, of variance 2.

    Args:
        key: a key.
        shape: of the result.
        dtype: float32 or float64.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.laplace(wg.random.key(0), 2).round(6)
    array([-0.178034, -0.837963])
    """
    dtype = floating(dtype)

    def make(high: Array, low: Array) -> Array:
        coin, p = half(high, low, dtype)
        y = np.log(2.0 * p)
        return np.where(coin, -y, y)

    shape = shape_of(shape)
    return shaped(draw(key, shape, dtype, make), shape)


def logistic(key: Array, shape: Any = (), dtype: Any = np.float64) -> Array:
    """Logistic numbers: log(u/(1−u)) of uniform ones, of variance π²/3.

    Args:
        key: a key.
        shape: of the result.
        dtype: float32 or float64.

    Returns:
        An array, or a number for no axes.

    Raises:
        TypeMismatch, ShapeMismatch: for what isn't a key, a shape or such a dtype.

    >>> wg.random.logistic(wg.random.key(0), 2).round(6)
    array([-0.32911 , -1.287387])
    """
    dtype = floating(dtype)

    def make(high: Array, low: Array) -> Array:
        coin, p = half(high, low, dtype)
        y = np.log(p) - np.log1p(-p)
        return np.where(coin, -y, y)

    shape = shape_of(shape)
    return shaped(draw(key, shape, dtype, make), shape)


def _waiting(dtype: np.dtype[Any]) -> Any:
    """−log of a uniform number, exact near 0 and near 1."""

    def make(high: Array, low: Array) -> Array:
        coin, p = half(high, low, dtype)
        return np.where(coin, -np.log(p), -np.log1p(-p))

    return make
