"""Elementwise functions by the elementary ones: exp, log, sin, cos, sqrt, pow.

log1p and expm1 are Kahan's (see N. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., 1.14); arctan is the rational function of Cephes (S. Moshier).
"""

import math
from typing import Any

import numpy as np

from wengert.core.op import OPS
from wengert.core.types import Array
from wengert.graph.graph import Node
from wengert.integrations.onnx.composed.rule import Composed, always, in_double
from wengert.integrations.onnx.errors import Unsayable
from wengert.integrations.onnx.primitives import MOD, QUOTIENT, apply

LN2 = math.log(2.0)

# Exponentials and logarithms ----------------------------------------------------------


def _log1p(x: Array) -> Array:
    """log(u)·x/(u − 1) with u = 1 + x rounded: both quotients err alike."""
    u = 1.0 + x
    same = (u == 1.0) | np.isinf(u)
    inner = np.log(u) * (x / np.where(same, 1.0, u - 1.0))
    return np.where((u == 1.0) | (x == math.inf), x, inner)


def _expm1(x: Array) -> Array:
    """(u − 1)·x/log u with u = exp x rounded."""
    u = np.exp(x)
    near = u - 1.0
    plain = (u == 1.0) | np.isinf(u) | (near == -1.0)
    inner = near * (x / np.log(np.where(plain, 2.0, u)))
    return np.where(u == 1.0, x, np.where(plain, near, inner))


def _exp2(x: Array) -> Array:
    return np.power(2.0, x)


def _logaddexp(a: Array, b: Array) -> Array:
    larger = np.maximum(a, b)
    apart = -np.abs(np.where(a == b, 0.0, a - b))
    return larger + np.log1p(np.exp(apart))


def _logaddexp2(a: Array, b: Array) -> Array:
    larger = np.maximum(a, b)
    apart = -np.abs(np.where(a == b, 0.0, a - b))
    return larger + np.log1p(np.exp2(apart)) / LN2


# Hyperbolic functions -----------------------------------------------------------------


def _sinh(x: Array) -> Array:
    """(e + e/(e + 1))/2 with e = exp|x| − 1, and half an exponential far out."""
    far = np.abs(x) > 22.0
    e = np.expm1(np.where(far, 0.0, np.abs(x)))
    half = np.exp(0.5 * np.abs(x))
    y = np.where(far, (0.5 * half) * half, 0.5 * (e + e / (e + 1.0)))
    return np.where(x < 0, -y, y)


def _cosh(x: Array) -> Array:
    half = np.exp(0.5 * np.abs(x))
    return (0.5 * half) * half + (0.5 / half) / half


def _arcsinh(x: Array) -> Array:
    a = np.abs(x)
    far = a > 1e8
    s = np.where(far, 1.0, a)
    y = np.where(
        far, np.log(a) + LN2, np.log1p(s + s * s / (1.0 + np.sqrt(1.0 + s * s)))
    )
    return np.where(x < 0, -y, y)


def _arccosh(x: Array) -> Array:
    far = x > 1e8
    t = np.where(far, 1.0, x) - 1.0
    return np.where(far, np.log(x) + LN2, np.log1p(t + np.sqrt(2.0 * t + t * t)))


def _arctanh(x: Array) -> Array:
    a = np.abs(x)
    y = 0.5 * np.log1p(2.0 * a / (1.0 - a))
    return np.where(x < 0, -y, y)


# Circular functions in float64 --------------------------------------------------------

_P = (
    -8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
    -1.228866684490136173410e2, -6.485021904942025371773e1,
)  # fmt: skip
_Q = (
    1.0, 2.485846490142306297962e1, 1.650270098316988542046e2,
    4.328810604912902668951e2, 4.853903996359136964868e2, 1.945506571482613964425e2,
)  # fmt: skip
_REST = 6.123233995736765886130e-17  # what π/2 lacks in float64


def _horner(coefficients: tuple[float, ...], z: Array) -> Array:
    total = coefficients[0] * np.ones((), z.dtype)
    for c in coefficients[1:]:
        total = total * z + c
    return total


def _arctan(x: Array) -> Array:
    """By arctan a = π/2 − arctan 1/a = π/4 + arctan (a−1)/(a+1), for |t| ≤ 0.66."""
    a = np.abs(x)
    far, middle = a > 2.41421356237309504880, a > 0.66
    t = np.where(
        far, -1.0 / np.where(far, a, 1.0), np.where(middle, (a - 1.0) / (a + 1.0), a)
    )
    t = np.where(np.isinf(a), 0.0, t)
    start = np.where(far, 0.5 * math.pi, np.where(middle, 0.25 * math.pi, 0.0))
    rest = np.where(far, _REST, np.where(middle, 0.5 * _REST, 0.0))
    z = t * t
    y = start + (t * (z * _horner(_P, z) / _horner(_Q, z)) + t + rest)
    return np.where(x < 0, -y, np.where(x == 0, x, y))


def _arcsin(x: Array) -> Array:
    return np.arctan2(x, np.sqrt((1.0 - x) * (1.0 + x)))


def _arccos(x: Array) -> Array:
    return 2.0 * np.arctan2(np.sqrt(1.0 - x), np.sqrt(1.0 + x))


def _arctan2(y: Array, x: Array) -> Array:
    """The angle of (x, y), from the arctangent of the smaller over the larger."""
    a, b = np.abs(y), np.abs(x)
    low, high = np.minimum(a, b), np.maximum(a, b)
    equal = low == high  # two zeros, or two infinities
    ratio = np.where(equal, 1.0, low / np.where(high == 0, 1.0, high))
    t = np.arctan(ratio)
    t = np.where(a > b, 0.5 * math.pi - t, t)
    t = np.where(high == 0, 0.0, t)
    t = np.where(_is_negative(x), math.pi - t, t)
    t = np.where(np.isnan(x) | np.isnan(y), x + y, t)
    return np.where(_is_negative(y), -t, t)


def _tan(x: Array) -> Array:
    return np.sin(x) / np.cos(x)


def _sinc(x: Array, *, order: int) -> Array:
    if order:
        return OPS["sinc"].evaluate(x, order=order)
    t = math.pi * x
    return np.where(x == 0, 1.0, np.sin(t) / np.where(x == 0, 1.0, t))


# Powers and signs ---------------------------------------------------------------------


def _is_negative(x: Array) -> Array:
    """The sign bit; that of a nan isn't seen."""
    return (x < 0) | ((x == 0) & (1.0 / x < 0))


def _power(a: Array, b: Array) -> Array:
    """Powers of integers, as products: ONNX computes them in floating point."""
    if isinstance(b, np.ndarray) and b.ndim == 0 and 0 <= b <= 64:
        y = np.ones((), a.dtype)
        for _ in range(int(b)):
            y = y * a
        return y if int(b) else np.broadcast_to(y, a.shape)
    raise Unsayable("powers of integers only with a constant exponent up to 64")


def _of_integers(node: Node) -> bool:
    return node.dtype.kind in "iu"


def _float_power(a: Array, b: Array) -> Array:
    return np.power(a, b)


def _cbrt(x: Array) -> Array:
    a = np.abs(x)
    plain = (a == 0) | np.isinf(a) | np.isnan(a)
    y = np.power(np.where(plain, 1.0, a), 1.0 / 3.0)
    y = y - (y - np.where(plain, 1.0, a) / (y * y)) / 3.0
    return np.where(plain, x, np.where(x < 0, -y, y))


def _copysign(a: Array, b: Array) -> Array:
    return np.where(_is_negative(b), -np.abs(a), np.abs(a))


def _heaviside(x: Array, h: Array) -> Array:
    return np.where(np.isnan(x), x, np.where(x < 0, 0.0, np.where(x == 0, h, 1.0)))


def _hypot(a: Array, b: Array) -> Array:
    a, b = np.abs(a), np.abs(b)
    high, low = np.maximum(a, b), np.minimum(a, b)
    plain = (high == 0) | np.isinf(high)
    ratio = low / np.where(plain, 1.0, high)
    ratio = np.where(plain, 0.0, ratio)
    y = high * np.sqrt(1.0 + ratio * ratio)
    return np.where(np.isinf(a) | np.isinf(b), math.inf, y)


def _scaled(a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """(a/m, b/m, (a²+b²)/m², m) with m the larger of |a| and |b|, as in `slopes`."""
    m = np.maximum(np.abs(a), np.abs(b))
    m = np.where(m == 0, 1.0, m)
    far = np.isinf(m)
    u, v = (
        np.where(far, np.where(np.isinf(x), np.sign(x), 0.0), x / np.where(far, 1.0, m))
        for x in (a, b)
    )
    square = u * u + v * v
    return u, v, np.where(square == 0, 1.0, square), m


def _direction(a: Array, b: Array) -> Array:
    u, _, square, _ = _scaled(a, b)
    return u / np.sqrt(square)


def _inversion(a: Array, b: Array) -> Array:
    u, _, square, m = _scaled(a, b)
    return u / square / m


def _strong_product(a: Array, b: Array) -> Array:
    return np.where((a == 0) | (b == 0), 0, a * b)


# Choosing, rounding, remainders -------------------------------------------------------


def _fmax(a: Array, b: Array) -> Array:
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.maximum(a, b)))


def _fmin(a: Array, b: Array) -> Array:
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.minimum(a, b)))


def _trunc(x: Array) -> Array:
    return np.where(x < 0, np.ceil(x), np.floor(x))


def _in_floats(node: Node) -> bool:
    return node.dtype.kind == "f"


def _round(x: Array, *, decimals: int) -> Array:
    if x.dtype.kind != "f":
        if decimals >= 0:
            return x
        raise Unsayable("rounding integers to tens")
    if decimals == 0:
        return np.rint(x)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return np.rint(x * factor) / factor
    return np.rint(x / factor) * factor


def _fraction(x: Array) -> Array:
    y = np.where(np.isinf(x), 0.0, x - np.trunc(np.where(np.isinf(x), 0.0, x)))
    return np.copysign(y, x)


def _divisor(b: Array) -> Array:
    """An integer divisor without those that stop a processor: 0, and −1."""
    return np.where((b == 0) | (b == -1) if b.dtype.kind == "i" else b == 0, 1, b)


def _fmod(a: Array, b: Array) -> Array:
    if b.dtype.kind == "f":
        y = apply(MOD, a, b, fmod=1)
        return np.where(np.isinf(b) & ~np.isinf(a), a, y)
    return apply(MOD, a, _divisor(b), fmod=1)


def _remainder(a: Array, b: Array) -> Array:
    """The remainder with the divisor's sign."""
    if b.dtype.kind != "f":
        return apply(MOD, a, _divisor(b), fmod=0)
    y = np.fmod(a, b)
    moved = np.where((y < 0) != (b < 0), y + b, y)
    return np.where(y == 0, np.copysign(0.0 * y, b), moved)


def _floor_divide(a: Array, b: Array) -> Array:
    if b.dtype.kind != "f":
        safe = _divisor(b)
        y = apply(QUOTIENT, a - apply(MOD, a, safe, fmod=0), safe)
        if b.dtype.kind == "i":
            y = np.where(b == -1, -a, y)
        return np.where(b == 0, 0, y)
    r = np.fmod(a, b)
    moved = (r != 0) & ((b < 0) != (r < 0))
    y = (a - r) / b - np.where(moved, 1.0, 0.0)
    down = np.floor(y)
    y = np.where(y - down > 0.5, down + 1.0, down)
    y = np.where(y == 0, np.copysign(0.0, a / b), y)
    return np.where(b == 0, a / b, y)


def _unequal_to_itself(x: Array) -> Array:
    return np.not_equal(x, x)


def _isinf(x: Array) -> Array:
    return np.equal(np.abs(x), math.inf) if x.dtype.kind == "f" else np.isnan(x)


def _not_of_floats(node: Node) -> bool:
    return node.inputs[0].dtype.kind != "f"


def _zeros(x: Array) -> Array:
    return np.zeros(x.shape, x.dtype)


def _by(name: str) -> Any:
    """The op's own `evaluate`, which is plain NumPy of other ops."""
    return OPS[name].evaluate


def _row(f: Any, note: str = "", when: Any = always) -> Composed:
    return Composed(f, note, when, convert=True)


# fmt: off
COMPOSED: dict[str, Composed] = {
    "log1p":      _row(_log1p),
    "expm1":      _row(_expm1),
    "exp2":       _row(_exp2),
    "log2":       _row(lambda x: np.log(x) / LN2, "powers of two are rounded, too"),
    "log10":      _row(lambda x: np.log(x) / math.log(10.0),
                       "powers of ten are rounded, too"),
    "logaddexp":  _row(_logaddexp),
    "logaddexp2": _row(_logaddexp2),
    "sinh":       _row(_sinh, when=in_double),
    "cosh":       _row(_cosh, when=in_double),
    "arcsinh":    _row(_arcsinh, when=in_double),
    "arccosh":    _row(_arccosh, when=in_double),
    "arctanh":    _row(_arctanh, when=in_double),
    "tan":        _row(_tan, "float64: as exact as onnxruntime's cos, near its zeros",
                       in_double),
    "arctan":     _row(_arctan, when=in_double),
    "arcsin":     _row(_arcsin, when=in_double),
    "arccos":     _row(_arccos, when=in_double),
    "arctan2":    _row(_arctan2),
    "sinc":       _row(_sinc),
    "deg2rad":    _row(lambda x: x * (math.pi / 180.0)),
    "radians":    _row(lambda x: x * (math.pi / 180.0)),
    "rad2deg":    _row(lambda x: x * (180.0 / math.pi)),
    "degrees":    _row(lambda x: x * (180.0 / math.pi)),
    "power":      Composed(_power, "", _of_integers),
    "float_power": _row(_float_power),
    "cbrt":       _row(_cbrt),
    "square":     _row(lambda x: x * x),
    "fabs":       _row(np.abs),
    "signbit":    Composed(_is_negative, "the sign of a nan isn't seen"),
    "copysign":   _row(_copysign, "the sign of a nan isn't seen"),
    "heaviside":  _row(_heaviside),
    "ldexp":      _row(lambda x, e: x * np.exp2(e), "where 2^e alone overflows, inf"),
    "hypot":      _row(_hypot),
    "fmax":       Composed(_fmax),
    "fmin":       Composed(_fmin),
    "trunc":      _row(_trunc, when=_in_floats),
    "round":      Composed(_round),
    "fraction":   _row(_fraction),
    "fmod":       Composed(_fmod),
    "remainder":  Composed(_remainder),
    "floor_divide": Composed(_floor_divide),
    "not_equal":  Composed(lambda a, b: ~np.equal(a, b)),
    "isnan":      Composed(_unequal_to_itself, "", _not_of_floats),
    "isinf":      Composed(_isinf),
    "isfinite":   Composed(lambda x: ~(np.isnan(x) | np.isinf(x))),
    "conjugate":  Composed(lambda x: x),
    "real":       Composed(lambda x: x),
    "imag":       Composed(_zeros),
    "modulus":    Composed(np.abs),
    "stop_gradient": Composed(lambda x: x),
    "deviation":  _row(np.sqrt),
    "strong_product": Composed(_strong_product),
    "one_minus_square": _row(_by("one_minus_square")),
    "lorentzian": _row(_by("lorentzian")),
    "sech_squared": _row(_by("sech_squared")),
    "share":      _row(_by("share")),
    "share2":     _row(_by("share2")),
    "direction":  _row(_direction),
    "inversion":  _row(_inversion),
}
# fmt: on
