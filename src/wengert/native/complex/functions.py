"""exp, log, sqrt, circular and hyperbolic functions and their inverses, by their parts.

Values at nan and infinities are those of C's functions (Annex G of its standard), which
NumPy calls. The formulas for tanh and for the inverse functions are those of W. Kahan,
"Branch cuts for complex elementary functions" (in: The State of the Art in Numerical
Analysis, 1987). sin, tan, arcsin and arctan are sinh … of the number with its parts
exchanged, the result's parts exchanged again.
"""

import math

from wengert.native.complex.numbers import INF, NAN, Pair, Real, number_like

LN2 = math.log(2.0)
LOG2E = 1.0 / math.log(2.0)
LOG10E = 1.0 / math.log(10.0)


# Exponentials -----------------------------------------------------------------------


def exp(z: Pair) -> Pair:
    """eˣ·(cos y + i·sin y), also where eˣ alone would overflow."""
    x, y = z
    far, step = (700.0, 700.0) if x.double else (80.0, 80.0)
    big = x > far
    e = big.where(x - step, x).to("exp")
    scale = x.pick(big, math.exp(step), 1.0)
    c, s = y.to("cos"), y.to("sin")
    unbound = x.is_infinite() & c.is_nan()
    re = unbound.where(e, (e * c) * scale)
    im = (unbound & (x < 0.0)).where(0.0, (e * s) * scale)
    return Pair(re, y.is_zero().where(y, im))


def exp2(z: Pair) -> Pair:
    return exp(z * LN2)


def expm1(z: Pair) -> Pair:
    """eˣ − 1 in x, less 2·eˣ… : NumPy's (eˣ−1)·cos y − 2·sin²(y/2), eˣ·sin y."""
    x, y = z
    half = (y * 0.5).to("sin")
    re = x.to("expm1") * y.to("cos") - (half * 2.0) * half
    return Pair(re, x.to("exp") * y.to("sin"))


def log(z: Pair) -> Pair:
    return Pair(z.re.to("log_abs", z.im), z.im.to("arctan2", z.re))


def log2(z: Pair) -> Pair:
    return log(z) * LOG2E


def log10(z: Pair) -> Pair:
    return log(z) * LOG10E


def log1p(z: Pair) -> Pair:
    """NumPy's log √((1+x)² + y²), where small z lose digits."""
    x = z.re + 1.0
    return Pair(x.to("hypot", z.im).to("log"), z.im.to("arctan2", x))


# Roots and sizes --------------------------------------------------------------------


def modulus(z: Pair) -> Real:
    return z.re.to("hypot", z.im)


def sqrt(z: Pair) -> Pair:
    """The root in the right half plane, from t = √((|x| + |z|)/2)."""
    x, y = z
    big, small, up = (1e300, 1e-290, 2.0**200) if x.double else (1e37, 1e-30, 2.0**60)
    size = abs(x).to("maximum", abs(y))
    large, tiny = size > big, size < small
    factor = large.where(0.0625, x.pick(tiny, up, 1.0))
    back = large.where(4.0, x.pick(tiny, up**-0.5, 1.0))
    a, b = x * factor, y * factor
    t = ((abs(a) + a.to("hypot", b)) * 0.5).to("sqrt")
    other = b / (t + t)
    right = x.to("signbit")
    re = right.where(abs(other), t) * back
    im = right.where(t.sign_of(y), other) * back
    return _root_borders(z, Pair(re, im))


def _root_borders(z: Pair, y: Pair) -> Pair:
    """What the root is at zero and at infinities."""
    x, v = z
    origin, tall, wide = x.is_zero() & v.is_zero(), v.is_infinite(), x.is_infinite()
    left = wide & (x < 0.0)
    undefined = v.is_nan()
    zero, nan = abs(v) * 0.0, v * 0.0
    wide_re = left.where(undefined.where(nan, 0.0), abs(x))
    wide_im = left.where(abs(x).sign_of(v), undefined.where(nan, zero.sign_of(v)))
    re = wide.where(wide_re, origin.where(0.0, y.re))
    im = wide.where(wide_im, origin.where(v, y.im))
    return Pair(tall.where(INF, re), tall.where(v, im))


# Hyperbolic and circular functions --------------------------------------------------


def _sinh_cosh(x: Real) -> tuple[Real, Real, Real]:
    """sinh and cosh without a factor by which both would overflow, and the factor."""
    far, step = (600.0, 512.0) if x.double else (70.0, 44.0)
    size = abs(x)
    big = size > far
    moved = (big & ~x.is_infinite()).where((size - step).sign_of(x), x)
    factor = x.is_infinite().where(1.0, x.pick(big, math.exp(step), 1.0))
    return moved.to("sinh"), moved.to("cosh"), factor


def sinh(z: Pair) -> Pair:
    x, y = z
    s, c, factor = _sinh_cosh(x)
    cosine, sine = y.to("cos"), y.to("sin")
    re = (x.is_zero() & cosine.is_nan()).where(x, (s * cosine) * factor)
    re = (x.is_infinite() & cosine.is_nan()).where(INF, re)
    return Pair(re, y.is_zero().where(y, (c * sine) * factor))


def cosh(z: Pair) -> Pair:
    x, y = z
    s, c, factor = _sinh_cosh(x)
    cosine, sine = y.to("cos"), y.to("sin")
    re = (x.is_infinite() & cosine.is_nan()).where(INF, (c * cosine) * factor)
    im = (x.is_zero() & sine.is_nan()).where(0.0, (s * sine) * factor)
    return Pair(re, y.is_zero().where(number_like(z, 1.0).re.sign_of(x) * y, im))


def tanh(z: Pair) -> Pair:
    x, y = z
    t = y.to("tan")
    s = x.to("sinh")
    b = t * t + 1.0
    flat = abs(x) > (22.0 if x.double else 11.0)
    below = (b * s) * s + 1.0
    re = (b * (s * s + 1.0).to("sqrt")) * s / below
    im = flat.where((t / b / s) / s, t / below)
    unbound = x.is_infinite() & t.is_nan()
    im = y.is_zero().where(y, im)
    im = unbound.where(number_like(z, 0.0).re.sign_of(y), im)
    re = flat.where(number_like(z, 1.0).re.sign_of(x), re)
    re = (t.is_nan() & ~x.is_infinite()).where(t, re)
    return Pair(x.is_zero().where(x, re), im)


def sin(z: Pair) -> Pair:
    return sinh(z.swapped).swapped


def cos(z: Pair) -> Pair:
    y = cosh(z.swapped)
    return Pair(y.re, -y.im)


def tan(z: Pair) -> Pair:
    return tanh(z.swapped).swapped


# Their inverses ---------------------------------------------------------------------


def _roots(z: Pair) -> tuple[Pair, Pair]:
    """√(1 − z) and √(1 + z), with the signs of zeros kept."""
    return sqrt(Pair(1.0 - z.re, -z.im)), sqrt(Pair(z.re + 1.0, z.im))


def _unbound(z: Pair) -> Real:
    return z.re.is_infinite() | z.im.is_infinite()


def arcsinh(z: Pair) -> Pair:
    x, y = z
    below, above = _roots(z.swapped)
    cosine = below.re * above.re - below.im * above.im
    sine = below.re * above.im - below.im * above.re
    re, im = sine.to("arcsinh"), y.to("arctan2", cosine)
    re = _unbound(z).where(number_like(z, INF).re.sign_of(x), re)
    im = _unbound(z).where(y.to("arctan2", abs(x)), im)
    return Pair(re, y.is_zero().where(y, im))


def arcsin(z: Pair) -> Pair:
    return arcsinh(z.swapped).swapped


def arccos(z: Pair) -> Pair:
    x, y = z
    below, above = _roots(z)
    sine = above.re * below.im - above.im * below.re
    re, im = below.re.to("arctan2", above.re) * 2.0, sine.to("arcsinh")
    re = _unbound(z).where(abs(y).to("arctan2", x), re)
    im = _unbound(z).where(-number_like(z, INF).re.sign_of(y), im)
    return Pair((x.is_zero() & y.is_nan()).where(math.pi / 2, re), im)


def arccosh(z: Pair) -> Pair:
    x, y = z
    below = sqrt(Pair(x - 1.0, y))
    above = sqrt(Pair(x + 1.0, y))
    size = below.re * above.re + below.im * above.im
    re, im = size.to("arcsinh"), below.im.to("arctan2", above.re) * 2.0
    im = _unbound(z).where(y.to("arctan2", x), im)
    im = (x.is_zero() & y.is_nan()).where(math.pi / 2, im)
    return Pair(_unbound(z).where(INF, re), im)


def arctanh(z: Pair) -> Pair:
    """re = ½·log1p(r), where (1 + r)² = 1 + 4|x|/((1−|x|)² + y²)."""
    x, y = z
    size = abs(x)
    h = (1.0 - size).to("hypot", y)
    q = (size / h * 4.0) / h
    near, least = (1e-20, 1e-290) if x.double else (1e-10, 1e-36)
    tiny = h < least  # so that a quotient by it could overflow
    lifted = h * h.pick(tiny, 2.0**100, 1.0)
    close = size.to("sqrt") * 2.0 / lifted
    r = (h < near).where(close, q / ((q + 1.0).to("sqrt") + 1.0))
    re = (r.to("log1p") + h.pick(tiny, 100.0 * LN2, 0.0)) * 0.5
    re = re.sign_of(x)
    far = h > (1e150 if x.double else 1e18)
    inside = far.where(-h, (1.0 - size) * (size + 1.0) - y * y)
    right_angle = number_like(z, math.pi / 2).re.sign_of(y)
    im = far.where(right_angle, (y + y).to("arctan2", inside) * 0.5)
    unbound = _unbound(z)
    re = unbound.where(number_like(z, 0.0).re.sign_of(x), re)
    lost = y.is_nan()
    im = unbound.where(lost.where(NAN, right_angle), im)
    return Pair((x.is_zero() & lost).where(x, re), im)


def arctan(z: Pair) -> Pair:
    return arctanh(z.swapped).swapped
