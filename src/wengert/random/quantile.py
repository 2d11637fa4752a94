"""The quantile function of the normal distribution, for one half of it.

Two quotients of polynomials, fitted for this file at Chebyshev points in 50 digits:
in the middle z = q·R(0.375² − q²), where q = ½ − p < 0.375, and in the tail
z = R(r − 2), where r = √(−2 log p). Errors of the fits, relative: 4e-16 and 2e-8.
All coefficients but one have one sign, so nothing cancels.
"""

from typing import Any, NamedTuple

import numpy as np

from wengert.core.types import Array

_EDGE = 0.375
_START = 2.0


class Quotient(NamedTuple):
    """Coefficients of numerator and denominator, the constant ones first."""

    over: tuple[float, ...]
    under: tuple[float, ...]


_MIDDLE = {
    np.dtype(np.float64): Quotient(
        (3.067598347669355, 74.0545917581685, 662.6389007678267, 2708.969953649495,
         5021.507159858456, 3566.3159131131306, 535.9475848355593, -23.72060879876997),
        (1.0, 26.21589452686873, 260.5002867094767, 1223.8138707544008,
         2761.4228935693627, 2678.8354875566297, 792.0266521321774),
    ),
    np.dtype(np.float32): Quotient(
        (3.0675983213, 31.069397357, 69.998149695, 19.95673214),
        (1.0, 12.203234353, 38.231182744, 24.841899199),
    ),
}  # fmt: skip
_TAIL = {
    np.dtype(np.float64): Quotient(
        (1.1015196284987547, 3.1311780506125775, 3.385574909978488, 1.9083818839709643,
         0.6318013936311379, 0.12857855069792784, 0.01595919430842881,
         0.0011304098129169004, 3.9388668871263026e-05, 4.80504417882014e-07),
        (1.0, 1.7127678578421057, 1.211356439124183, 0.4627258042103849,
         0.1043186492647105, 0.01402129368926986, 0.0010564636697296425,
         3.843157053995837e-05, 4.804867676199889e-07, 6.697990096756591e-14),
    ),
    np.dtype(np.float32): Quotient(
        (1.1015196765, 2.1374940417, 1.1382313598, 0.21336097047, 0.011691304567),
        (1.0, 0.81066576161, 0.1903544116, 0.011687084282),
    ),
}  # fmt: skip


def upper_quantile(p: Array, dtype: np.dtype[Any]) -> Array:
    """The z ≥ 0 that a standard normal number exceeds with probability p.

    Args:
        p: from 2⁻⁶⁵ (float32: 2⁻³³) to ½, of `dtype`.
        dtype: float32 or float64.

    >>> upper_quantile(np.array([0.5, 0.025]), np.dtype(float)).round(12)
    array([0.        , 1.95996398])
    """
    q = 0.5 - p
    middle = q * _quotient(_MIDDLE[dtype], np.maximum(_EDGE**2 - q * q, 0.0))
    r = np.sqrt(-2.0 * np.log(p))
    tail = _quotient(_TAIL[dtype], np.maximum(r - _START, 0.0))
    return np.where(q < _EDGE, middle, tail)


def _quotient(by: Quotient, x: Array) -> Array:
    return _polynomial(by.over, x) / _polynomial(by.under, x)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    y: Array = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        y = y * x + c
    return y
