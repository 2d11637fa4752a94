"""svd: A = U diag(s) Vᴴ.

With B = Uᴴ dA V, H = B + Bᴴ and K = B − Bᴴ: ds = Re diag(B), dU = U Ω_U + …,
dV = V Ω_V + …, Ω_U = ½(H/(s_j − s_i) + K/(s_i + s_j)) and Ω_V = ½(H/(…) − K/(…)).
Written so, nothing is squared, and what belongs to equal singular values (H) is apart
from what belongs to vanishing ones (K). `…` is what leaves the space of U, or of V.

What is undefined is refused as in eigh.

Source: Townsend, Differentiating the singular value decomposition (2016); Wan & Zhang,
Automatic differentiation for complex valued SVD (2019), arXiv:1909.02659.
"""

import numpy as np

from wengert.core.op import Op, Rules, register
from wengert.core.types import Array, Type
from wengert.ops.linalg.eigh import PHASE, gaps, refused_pairs, total
from wengert.ops.linalg.shared import (
    adjoint,
    batch_first,
    diagonal,
    float_type,
    need_matrix,
    noise,
    real_type,
    unless,
    unused,
)

_DO = (
    "use functions of the singular values alone, of the spaces that they share, or of "
    "the product u @ vh; or a function of the matrix without svd."
)


def _type(a: Type, *, full: bool) -> tuple[Type, Type, Type]:
    need_matrix("svd", a)
    *batch, m, n = a.shape
    k = min(m, n)
    dtype = float_type(a)
    return (
        Type((*batch, m, m if full else k), dtype),
        Type((*batch, k), real_type(dtype)),
        Type((*batch, n if full else k, n), dtype),
    )


def _sums(s: Array) -> tuple[Array, Array, Array, Array]:
    """(s_i + s_j, which of them vanish, s, which of them vanish); 1 for vanishing."""
    sums = s[..., None, :] + s[..., :, None]
    least = 10.0 * np.finfo(s.dtype).eps * np.sum(s, axis=-1)[..., None]
    one = s.dtype.type(1)
    no_sum, none = sums <= least[..., None], s <= least
    return np.where(no_sum, one, sums), no_sum, np.where(none, one, s), none


def _quotient(x: Array, by: Array, undefined: Array, small: Array) -> Array:
    """x / by; where that is undefined, 0 for a vanishing x, else nan."""
    zero, nan = x.dtype.type(0), x.dtype.type(np.nan)
    return np.where(undefined, np.where(np.abs(x) > small, nan, zero), x / by)


def _jvp(
    tangents: list[Array], y: tuple[Array, Array, Array], a: Array, *, full: bool
) -> tuple[Array, Array, Array]:
    s, da = y[1], tangents[0]
    k = s.shape[-1]
    u, vh = y[0][..., :k], y[2][..., :k, :]
    v = adjoint(vh)
    b = adjoint(u) @ da @ v
    small = noise(total(da), k)
    gap, equal = gaps(s)
    sums, no_sum, size, none = _sums(s)
    own = np.eye(k, dtype=bool)
    h = np.where(own, b.dtype.type(0), b + adjoint(b))
    h = _quotient(h, gap, equal, small)
    q = _quotient(b - adjoint(b), sums, no_sum, small)
    du, dv = u @ (0.5 * (h + q)), v @ (0.5 * (h - q))
    if u.shape[-2] > k:
        du = du + _quotient(
            da @ v - u @ b, size[..., None, :], none[..., None, :], small
        )
    if v.shape[-2] > k:
        dv = dv + _quotient(
            adjoint(da) @ u - v @ adjoint(b),
            size[..., None, :],
            none[..., None, :],
            small,
        )
    if full:
        du, dv = _complement_push(du, u, y[0]), _complement_push(dv, v, adjoint(y[2]))
    return du, np.real(diagonal(b)), adjoint(dv)


def _complement_push(du: Array, u: Array, whole: Array) -> Array:
    """Adds the tangent of the columns that complete `u`: they stay orthogonal to it."""
    k = u.shape[-1]
    if whole.shape[-1] == k:
        return du
    rest = -u @ (adjoint(du) @ whole[..., k:])
    return np.concatenate([du, rest], axis=-1)


def _complement_pull(ct: Array, whole: Array, k: int) -> Array:
    """The cotangent of the first `k` columns, with what the others add to it."""
    first = ct[..., :k]
    if whole.shape[-1] == k:
        return first
    u, rest, ct_rest = whole[..., :k], whole[..., k:], ct[..., k:]
    m = adjoint(rest) @ ct_rest
    refused = np.abs(m - adjoint(m)) > noise(total(ct), whole.shape[-1])
    first = first - rest @ (adjoint(ct_rest) @ u)
    return unless(
        np.any(refused, axis=(-2, -1))[..., None, None],
        first,
        "The vectors that full_matrices=True adds are any basis of the complement, so "
        "they have no derivative.",
        "a function that depends on the basis chosen",
        "pass full_matrices=False.",
    )


def _vjp(
    ct: tuple[Array, Array, Array],
    y: tuple[Array, Array, Array],
    _a: Type,
    *,
    full: bool,
) -> tuple[Array]:
    s, ct_s = y[1], ct[1]
    k = s.shape[-1]
    u, vh = y[0][..., :k], y[2][..., :k, :]
    v = adjoint(vh)
    if unused(ct[0]) and unused(ct[2]):
        return (u * ct_s[..., None, :] @ vh,)
    ct_u = _complement_pull(ct[0], y[0], k)
    ct_v = _complement_pull(adjoint(ct[2]), adjoint(y[2]), k)
    in_u, in_v = adjoint(u) @ ct_u, adjoint(v) @ ct_v
    *_, size, none = _sums(s)
    small = noise(total(ct_u) + total(ct_v), k)
    g = u @ _inner(s, ct_s, in_u, in_v, small) @ vh
    if u.shape[-2] > k:
        g = g + _outside(ct_u - u @ in_u, size, none, small) @ vh
    if v.shape[-2] > k:
        g = g + u @ adjoint(_outside(ct_v - v @ in_v, size, none, small))
    return (g,)


def _inner(s: Array, ct_s: Array, in_u: Array, in_v: Array, small: Array) -> Array:
    """The cotangent of B."""
    k = s.shape[-1]
    gap, equal = gaps(s)
    sums, no_sum, *_ = _sums(s)
    own = np.eye(k, dtype=bool)
    both, apart = in_u + in_v, in_u - in_v
    c, d = both - adjoint(both), apart - adjoint(apart)
    scale = np.abs(in_u) + np.abs(in_v)
    h = np.where(equal | own, c.dtype.type(0), 0.5 * c / gap)
    h = unless(
        refused_pairs(scale, c, ct_s, equal, small),
        h,
        "The derivative of a singular vector exists where its singular value is a "
        "single one.",
        "equal singular values, and a function that depends on the vectors chosen for "
        "them, or on both values and vectors",
        _DO,
    )
    q = np.where(no_sum, d.dtype.type(0), 0.5 * d / sums)
    q = unless(no_sum & (np.abs(d) > small), q, *_RANK)
    inner = h + np.where(own, ct_s[..., None, :], d.dtype.type(0)) + q
    if c.dtype.kind == "c":
        inner = unless(own & (np.abs(c) > small), inner, *PHASE)
    return inner


_RANK = (
    "The derivative of a singular vector exists where its singular value isn't zero.",
    "a matrix without full rank, and a function of vectors of a zero singular value",
    _DO,
)


def _outside(x: Array, size: Array, none: Array, small: Array) -> Array:
    """What leaves the space of the vectors, over the singular values."""
    undefined = none[..., None, :]
    y = np.where(undefined, x.dtype.type(0), x / size[..., None, :])
    return unless(undefined & (np.abs(x) > small), y, *_RANK)


def _evaluate(a: Array, *, full: bool) -> tuple[Array, Array, Array]:
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    return u, s, vh


SVD = register(
    Op(
        name="svd",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Rules(jvp=_jvp, vjp=_vjp),
        batch=batch_first,
        multiple=True,
    )
)
