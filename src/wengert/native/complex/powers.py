"""Powers of complex numbers: products for small whole exponents, else e^(b·log a)."""

from wengert.native.complex.functions import exp, log
from wengert.native.complex.numbers import NAN, Pair, number_like, quotient, where

FEW = 100  # exponents below are products, as in NumPy


def square(z: Pair) -> Pair:
    re = z.re * z.re - z.im * z.im
    return Pair(re, z.re * z.im + z.im * z.re)


def reciprocal(z: Pair) -> Pair:
    """1/z as NumPy computes it."""
    steep = abs(z.im) <= abs(z.re)
    ratio = steep.where(z.im, z.re) / steep.where(z.re, z.im)
    size = steep.where(z.re, z.im) + steep.where(z.im, z.re) * ratio
    one = number_like(z, 1.0).re
    return Pair(steep.where(one, ratio) / size, steep.where(-ratio, -one) / size)


def whole_power(z: Pair, n: int) -> Pair:
    """zⁿ for a whole number n, by squaring, in NumPy's order."""
    if n == 0:
        return number_like(z, 1.0)
    k = abs(n)
    y: Pair | None = None
    while k:
        if k & 1:
            y = z if y is None else y * z
        k >>= 1
        if k:
            z = z * z
    assert y is not None
    return y if n > 0 else quotient(number_like(y, 1.0), y)


def power(a: Pair, b: Pair) -> Pair:
    """aᵇ."""
    y = exp(b * log(a))
    real = b.im.is_zero()
    for n in (1, 2, 3):
        y = where(real & b.re.equals(float(n)), whole_power(a, n), y)
    origin = a.re.is_zero() & a.im.is_zero()
    up = b.re > 0.0
    y = where(origin, Pair(up.where(y.re * 0.0, NAN), up.where(y.re * 0.0, NAN)), y)
    y = Pair((origin & up).where(0.0, y.re), (origin & up).where(0.0, y.im))
    return where(real & b.re.is_zero(), number_like(a, 1.0), y)
