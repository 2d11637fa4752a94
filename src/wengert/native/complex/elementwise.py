"""A rule per elementwise op: the parts of its result from those of its operands."""

from collections.abc import Callable
from typing import Any

from wengert.native.complex import functions, powers
from wengert.native.complex.numbers import NAN, Pair, Real, number_like, quotient, where

Rule = Callable[..., Pair]
Truth = Callable[..., Real]


def _positive_zero(x: Real, y: Real) -> Real:
    """x + y, also where one is known to be zero and the other is −0."""
    if y.is_known_zero():
        return x.or_zero()
    return y.or_zero() if x.is_known_zero() else x + y


def _add(a: Pair, b: Pair) -> Pair:
    return Pair(_positive_zero(a.re, b.re), _positive_zero(a.im, b.im))


def _subtract(a: Pair, b: Pair) -> Pair:
    return a - b


def _multiply(a: Pair, b: Pair) -> Pair:
    return a * b


def _strong_product(a: Pair, b: Pair) -> Pair:
    """Each of the four real products with zero winning."""

    def times(x: Real, y: Real) -> Real:
        return x.to("strong_product", y)

    re = times(a.re, b.re) - times(a.im, b.im)
    return Pair(re, times(a.re, b.im) + times(a.im, b.re))


def _sign(z: Pair) -> Pair:
    """z/|z|; at infinity the direction of the infinite part, if there is one."""
    size = functions.modulus(z)
    one, nan = number_like(z, 1.0).re, number_like(z, NAN).re
    wide, tall = z.re.is_infinite(), z.im.is_infinite()
    zero = number_like(z, 0.0).re
    re = wide.where(one.sign_of(z.re), zero)
    im = tall.where(one.sign_of(z.im), zero)
    y = where(size.is_zero(), number_like(z, 0.0), Pair(z.re / size, z.im / size))
    y = where(size.is_infinite(), Pair(re, im), y)
    undefined = z.re.is_nan() | z.im.is_nan() | (wide & tall)
    return where(undefined, Pair(nan, nan), y)


def _one_minus_square(z: Pair) -> Pair:
    one = number_like(z, 1.0)
    return (one - z) * _add(one, z)


def _lorentzian(z: Pair) -> Pair:
    one = number_like(z, 1.0)
    return quotient(one, _add(one, z * z))


def _sech_squared(z: Pair) -> Pair:
    """1/cosh² z, from 2e/(1 + e²) with e = exp(−z) on the right."""
    left = z.re < 0.0
    e = functions.exp(where(left, z, -z))
    sech = quotient(e * 2.0, _add(number_like(z, 1.0), e * e))
    return sech * sech


def _sinc(z: Pair) -> Pair:
    """sin(πz)/(πz), with NumPy's 1e-20 for 0."""
    origin = z.re.is_zero() & z.im.is_zero()
    moved = Pair(origin.where(1e-20, z.re), z.im)
    scaled = moved * 3.141592653589793
    return quotient(functions.sin(scaled), scaled)


def _has_nan(z: Pair) -> Real:
    return z.re.is_nan() | z.im.is_nan()


def _maximum(a: Pair, b: Pair) -> Pair:
    return where(greater_equal(a, b) | _has_nan(a), a, b)


def _minimum(a: Pair, b: Pair) -> Pair:
    return where(less_equal(a, b) | _has_nan(a), a, b)


def _fmax(a: Pair, b: Pair) -> Pair:
    return where(greater_equal(a, b) | _has_nan(b), a, b)


def _fmin(a: Pair, b: Pair) -> Pair:
    return where(less_equal(a, b) | _has_nan(b), a, b)


# Truths ----------------------------------------------------------------------------


def nonzero(z: Pair) -> Real:
    """Whether a condition holds."""
    return z.re.to("not_equal", 0.0) | z.im.to("not_equal", 0.0)


def _ordered(strict: str, last: str) -> Truth:
    """By the real parts, then by the imaginary ones; nan is no number."""

    def truth(a: Pair, b: Pair) -> Real:
        first = a.re.to(strict, b.re) & ~(a.im.is_nan() | b.im.is_nan())
        return first | (a.re.equals(b.re) & a.im.to(last, b.im))

    return truth


greater_equal = _ordered("greater", "greater_equal")
less_equal = _ordered("less", "less_equal")

# fmt: off
TRUTHS: dict[str, Truth] = {
    "equal":         lambda a, b: a.re.equals(b.re) & a.im.equals(b.im),
    "not_equal":     lambda a, b: (a.re.to("not_equal", b.re)
                                   | a.im.to("not_equal", b.im)),
    "less":          _ordered("less", "less"),
    "less_equal":    less_equal,
    "greater":       _ordered("greater", "greater"),
    "greater_equal": greater_equal,
    "logical_and":   lambda a, b: nonzero(a) & nonzero(b),
    "logical_or":    lambda a, b: nonzero(a) | nonzero(b),
    "logical_xor":   lambda a, b: nonzero(a).to("logical_xor", nonzero(b)),
    "logical_not":   lambda z: ~nonzero(z),
    "isnan":         _has_nan,
    "isinf":         lambda z: z.re.is_infinite() | z.im.is_infinite(),
    "isfinite":      lambda z: z.re.to("isfinite") & z.im.to("isfinite"),
}
RULES: dict[str, Rule] = {
    "add":         _add,
    "subtract":    _subtract,
    "multiply":    _multiply,
    "divide":      quotient,
    "negative":    lambda z: -z,
    "conjugate":   lambda z: Pair(z.re, -z.im),
    "square":      powers.square,
    "reciprocal":  powers.reciprocal,
    "power":       powers.power,
    "float_power": powers.power,
    "strong_product": _strong_product,
    "sign":        _sign,
    "rint":        lambda z: Pair(z.re.to("rint"), z.im.to("rint")),
    "maximum":     _maximum,
    "minimum":     _minimum,
    "fmax":        _fmax,
    "fmin":        _fmin,
    "exp":         functions.exp,
    "exp2":        functions.exp2,
    "expm1":       functions.expm1,
    "log":         functions.log,
    "log2":        functions.log2,
    "log10":       functions.log10,
    "log1p":       functions.log1p,
    "sqrt":        functions.sqrt,
    "sin":         functions.sin,
    "cos":         functions.cos,
    "tan":         functions.tan,
    "sinh":        functions.sinh,
    "cosh":        functions.cosh,
    "tanh":        functions.tanh,
    "arcsin":      functions.arcsin,
    "arccos":      functions.arccos,
    "arctan":      functions.arctan,
    "arcsinh":     functions.arcsinh,
    "arccosh":     functions.arccosh,
    "arctanh":     functions.arctanh,
    "one_minus_square": _one_minus_square,
    "lorentzian":  _lorentzian,
    "sech_squared": _sech_squared,
}
# fmt: on


def sinc(z: Pair, params: dict[str, Any]) -> Pair | None:
    """The rule of `sinc`, whose derivatives have none."""
    return _sinc(z) if params["order"] == 0 else None
