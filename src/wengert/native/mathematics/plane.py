"""The logarithm of a distance, for the complex logarithm."""

import math

from wengert.native.mathematics.lanes import Lanes, Real
from wengert.native.mathematics.logarithm import natural, split
from wengert.native.mathematics.pairs import product, total, widened


def _log_abs(v: Lanes, a: Real, b: Real) -> Real:
    """½·log(a² + b²), the sum known to twice the digits: near 1 its log is small."""
    size_a, size_b = abs(a), abs(b)
    unordered = size_a < size_b
    most, least = unordered.where(size_b, size_a), unordered.where(size_a, size_b)
    large, small = most > 2.0**500, most < 2.0**-400
    factor = large.where(2.0**-600, small.where(2.0**600, 1.0))
    shift = large.where(1200.0, small.where(-1200.0, 0.0))
    p, q = most * factor, least * factor
    pp, pp_lost = product(v, p, p)
    qq, qq_lost = product(v, q, q)
    s, lost = total(pp, qq)
    k, f = split(v, s)
    # What was lost, in units of 2^k: s = 2^k·(1 + f).
    f = f + (lost + (pp_lost + qq_lost)) * ((f + 1.0) / s)
    y = natural(v, k + shift, f) * 0.5
    y = (most > 0.0).where(y, -math.inf)
    y = (a.is_nan() | b.is_nan()).where(math.nan, y)
    infinite = size_a.equals(math.inf) | size_b.equals(math.inf)
    return infinite.where(math.inf, y)


log_abs = widened(_log_abs)
