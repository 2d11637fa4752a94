"""Functions that produced source brings along, where NumPy has no word for an op.

They are plain NumPy, and stand here as code so that they are checked as code; their
text is copied into the source by `source.py`. What they are made for, and why they are
written so, stands beside the op of the same name in `wengert.ops`.
"""

import math
from typing import Any

import numpy as np

Array = Any


def strong_product(a: Array, b: Array) -> Array:
    """a * b, where zero wins against infinity and nan."""
    y = np.multiply(a, b)
    if np.isfinite(y).all():
        return y
    if y.dtype.kind == "c":
        a, b, made = np.asarray(a, y.dtype), np.asarray(b, y.dtype), np.empty_like(y)
        made.real = strong_product(a.real, b.real) - strong_product(a.imag, b.imag)
        made.imag = strong_product(a.real, b.imag) + strong_product(a.imag, b.real)
        y = made
    return np.where((a == 0) | (b == 0), y.dtype.type(0), y)[()]


def lorentzian(x: Array) -> Array:
    """1 / (1 + x**2), where x**2 may overflow."""
    if x.dtype.kind == "c":
        return 1.0 / (1.0 + x * x)
    h = np.hypot(x, 1.0)
    return (1.0 / h) / h


def sech_squared(x: Array) -> Array:
    """1 / cosh(x)**2, where cosh may overflow."""
    away = np.where(x.real < 0, -x, x) if x.dtype.kind == "c" else np.abs(x)
    e = np.exp(-away)
    sech = 2.0 * e / (1.0 + e * e)
    return sech * sech


def share(a: Array, b: Array, exp: Array) -> Array:
    """exp(a) / (exp(a) + exp(b)), and a half for equal infinities."""
    ahead = np.where(a == b, 0.0, np.subtract(a, b))
    e = exp(-np.abs(ahead))
    return np.where(ahead < 0, e, 1.0) / (1.0 + e)


def scaled(a: Array, b: Array) -> Array:
    """(a/m, b/m, (a**2 + b**2)/m**2, m), m the larger of abs(a) and abs(b)."""
    dtype = np.result_type(a, b, 0.0)
    a, b = np.asarray(a, dtype), np.asarray(b, dtype)
    m = np.maximum(np.abs(a), np.abs(b))
    m = np.where(m == 0, 1.0, m)
    far = np.isinf(m)
    if far.any():
        a = np.where(far, np.where(np.isinf(a), np.sign(a), 0.0), a)
        b = np.where(far, np.where(np.isinf(b), np.sign(b), 0.0), b)
    divisor = np.where(far, 1.0, m)
    u, v = a / divisor, b / divisor
    square = u * u + v * v
    return u, v, np.where(square == 0, 1.0, square), m


def direction(a: Array, b: Array) -> Array:
    """a / sqrt(a**2 + b**2), and 0 at the origin."""
    u, _, square, _ = scaled(a, b)
    return (u / np.sqrt(square))[()]


def inversion(a: Array, b: Array) -> Array:
    """a / (a**2 + b**2), and 0 at the origin."""
    u, _, square, m = scaled(a, b)
    return (u / square / m)[()]


def sinc_derivative(x: Array, order: int) -> Array:
    """The derivative of sinc of this order: a series near 0, a recurrence elsewhere."""
    t = np.multiply(x, math.pi)
    near = np.abs(t) < 1 + order
    inside, s = np.zeros_like(t), np.where(near, t, 0.0)
    first = (order + 1) // 2
    for k in reversed(range(first, first + 14 + 2 * order)):
        term = (-1) ** k / ((2 * k + 1) * math.factorial(2 * k - order))
        inside = inside * (s * s) + term
    inside = inside * s if order % 2 else inside
    s = np.where(near, 2.0 + order, t)
    sines = (np.sin(s), np.cos(s))
    f = sines[0] / s
    for n in range(1, order + 1):
        f = ((-1) ** (n // 2) * sines[n % 2] - n * f) / s
    return (np.where(near, inside, f) * math.pi**order).astype(t.dtype)[()]


def bessel_i(x: Array, order: int, iv: Array) -> Array:
    """The modified Bessel function; near 0 by the first term of its series."""
    tiny = np.abs(x) < 1e-8
    first = (0.5 * x) ** order / math.factorial(order)
    return np.where(tiny, first, iv(order, np.where(tiny, 1.0, x)))[()]


def convolve(a: Array, v: Array, mode: str) -> Array:
    """np.convolve along the last axis of stacks."""
    n, m = a.shape[-1], v.shape[-1]
    if mode == "full":
        if n < m:
            a, v, m = v, a, n
        a = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(m - 1, m - 1)])
    windows = np.lib.stride_tricks.sliding_window_view(a, m, axis=-1)
    return np.matmul(windows, np.flip(v, -1)[..., None])[..., 0]


def recurrence(a: Array, u: Array, axis: int, reverse: bool) -> Array:
    """y[k] = a[k] * y[k - 1] + u[k] along an axis, or from its end."""
    step = -1 if reverse else 1
    dtype = np.result_type(a, u)
    a, u = (np.moveaxis(x, axis, 0)[::step].astype(dtype) for x in (a, u))
    for product in (np.multiply, strong_product):
        y = u.copy()
        for k in range(1, u.shape[0]):
            y[k] += product(a[k], y[k - 1])
        if np.isfinite(y).all():
            break
    return np.ascontiguousarray(np.moveaxis(y[::step], 0, axis))


def segment_spread(v: Array, starts: Array, size: int, axis: int) -> Array:
    """The transpose of np.add.reduceat: each value at all places of its segment."""
    lengths = np.maximum(np.append(starts[1:], size) - starts, 1)
    segment = np.repeat(np.arange(len(starts)), lengths)
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    element = np.arange(len(segment)) - first + starts[segment]
    y = np.zeros((*v.shape[:axis], size, *v.shape[axis + 1 :]), v.dtype)
    np.add.at(y, (slice(None),) * axis + (element,), np.take(v, segment, axis))
    return y


def diagonal_embed(d: Array, shape: Array, offset: int, axes: Array) -> Array:
    """Zeros of this shape, with `d` on a diagonal of two axes."""
    y = np.zeros(shape, d.dtype)
    n = np.arange(d.shape[-1])
    np.moveaxis(y, axes, (-2, -1))[..., n - min(offset, 0), n + max(offset, 0)] = d
    return y


def solve_triangular(a: Array, b: Array, lower: bool, unit: bool) -> Array:
    """Triangular systems of a stack, by substitution."""
    dtype = np.result_type(a, b)
    dtype = dtype if dtype.kind in "fc" else np.dtype(float)
    a, n = a.astype(dtype), a.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])), dtype)
    d = np.diagonal(a, 0, -2, -1)
    if not unit and not d.all():
        raise np.linalg.LinAlgError("singular matrix: an element of a diagonal is zero")
    for i in range(n) if lower else range(n - 1, -1, -1):
        known = slice(0, i) if lower else slice(i + 1, n)
        x[..., i, :] -= np.matmul(a[..., i : i + 1, known], x[..., known, :])[..., 0, :]
        if not unit:
            x[..., i, :] /= d[..., i, None]
    return x


def adjugate(a: Array) -> Array:
    """det(a) * inv(a), which also exists for singular matrices."""
    u, s, vh = np.linalg.svd(a)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    one = np.ones((*s.shape[:-1], 1), s.dtype)
    left = np.cumprod(np.concatenate([one, s[..., :-1]], axis=-1), axis=-1)
    right = np.cumprod(np.concatenate([one, s[..., :0:-1]], axis=-1), axis=-1)
    others = (left * right[..., ::-1])[..., : s.shape[-1], None]
    y = vh.mT.conj() @ (others * u.mT.conj())
    return (sign[..., None, None] * y).astype(a.dtype)


def complex_eig(a: Array) -> Array:
    """np.linalg.eig with complex results also where all eigenvalues are real."""
    w, v = np.linalg.eig(a)
    dtype = np.result_type(w, np.complex64)
    return w.astype(dtype), v.astype(dtype)


def vector_norm(x: Array, order: float, axis: Array, keepdims: bool) -> Array:
    """sum(abs(x)**order)**(1/order), scaled so that nothing over- or underflows."""
    x = x if x.dtype.kind in "fc" else x.astype(float)
    peak = np.max(np.abs(x), axis, keepdims=True, initial=0)
    scale = np.where((peak > 0) & (peak < np.inf), peak, peak.dtype.type(1))
    size = np.abs(x / scale)
    power = size * size if order == 2 else size**order
    total = np.add.reduce(power, axis, keepdims=True)
    y = scale * (np.sqrt(total) if order == 2 else total ** (1.0 / order))
    return y if keepdims else np.squeeze(y, axis)[()]


def partition_order(x: Array, axis: int, kth: Array) -> Array:
    """The order in which np.partition leaves the elements."""
    y, order = np.partition(x, kth, axis), np.empty(x.shape, np.intp)
    ranked = np.argsort(x, axis, "stable")
    np.put_along_axis(order, np.argsort(y, axis, "stable"), ranked, axis)
    return order
