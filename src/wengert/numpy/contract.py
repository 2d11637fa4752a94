"""Products: NumPy's names and forms in terms of matmul, einsum and convolve."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch, TypeMismatch, explain
from wengert.core.types import Array, Shape
from wengert.numpy.dispatch import canonical_axis, implements, operand, write_out
from wengert.ops.contract import CONVOLVE, MATMUL, conj

_NONE = np._NoValue


def array(x: Any) -> Array:
    """An operand that has a shape: Python's numbers become arrays, as NumPy does."""
    if isinstance(x, Tracer):
        return x
    x = operand(x)
    return np.asarray(x)[()] if type(x) in (bool, int, float, complex) else x


def finished(y: Array, out: Any) -> Array:
    """`y`, written into `out` if that was given."""
    target = out[0] if isinstance(out, tuple) else out
    return y if target is None else write_out(target, y)


# matmul and its relatives ----------------------------------------------------------


def _moved(x: Array, axes: Any) -> Array:
    """`x` with its core axes last."""
    axes = axes if isinstance(axes, tuple) else (axes,)
    return np.moveaxis(x, axes, tuple(range(-len(axes), 0)))


def _cast(name: str, arrays: Sequence[Array], dtype: Any, more: dict[str, Any]) -> Any:
    """The operands in the `dtype` asked for; refuses keywords that can't be kept."""
    for key in ("where", "signature"):
        if more.pop(key, None) not in (None, True):
            raise TypeMismatch(
                explain(
                    f"`{name}` of traced values has the keywords out, dtype, axes, "
                    "axis and keepdims.",
                    f"{key}=",
                    "leave it out; np.where on the result replaces elements.",
                )
            )
    return [x if dtype is None else np.astype(x, np.dtype(dtype)) for x in arrays]


@implements(np.matmul)
def matmul(
    x1: Any, x2: Any, /, out: Any = None, *, axes: Any = None, dtype: Any = None,
    casting: str = "same_kind", order: str = "K", subok: bool = True, **more: Any,
) -> Array:  # fmt: skip
    a, b = array(x1), array(x2)
    if dtype is not None or more:
        a, b = _cast("matmul", (a, b), dtype, more)
    if axes is None:
        y = bind(MATMUL, a, b)
    else:
        y = bind(MATMUL, _moved(a, axes[0]), _moved(b, axes[1]))
        y = np.moveaxis(y, (-2, -1), axes[2])
    return y if out is None else finished(y, out)


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Array:
    return matmul(x1, x2)


def _needs(name: str, x: Array, least: int) -> None:
    if np.ndim(x) < least:
        raise ShapeMismatch(
            explain(
                f"`{name}` needs arrays of at least {least} axes here.",
                f"shape {np.shape(x)}",
                "add an axis with x[None], or write a * b for a product with a number.",
            )
        )


@implements(np.vecdot)
def vecdot(
    x1: Any, x2: Any, /, out: Any = None, *, axis: Any = None, axes: Any = None,
    keepdims: bool = False, dtype: Any = None, casting: str = "same_kind",
    order: str = "K", subok: bool = True, **more: Any,
) -> Array:  # fmt: skip
    a, b = _cast("vecdot", (array(x1), array(x2)), dtype, more)
    _needs("vecdot", a, 1)
    _needs("vecdot", b, 1)
    place = -1 if axis is None else axis
    first, second = (place, place) if axes is None else axes[:2]
    a, b = _moved(a, first), _moved(b, second)
    y = matmul(conj(a)[..., None, :], b[..., None])[..., 0, 0]
    return finished(np.expand_dims(y, place) if keepdims else y, out)


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    return vecdot(x1, x2, axis=axis)


def matvec(
    x1: Any, x2: Any, /, out: Any = None, *, axes: Any = None, dtype: Any = None,
    casting: str = "same_kind", order: str = "K", subok: bool = True, **more: Any,
) -> Array:  # fmt: skip
    """As `numpy.matvec`, differentiable."""
    a, x = _cast("matvec", (array(x1), array(x2)), dtype, more)
    _needs("matvec", a, 2)
    _needs("matvec", x, 1)
    if axes is not None:
        a, x = _moved(a, axes[0]), _moved(x, axes[1])
    y = matmul(a, x) if np.ndim(x) == 1 else matmul(a, x[..., None])[..., 0]
    return finished(y if axes is None else np.moveaxis(y, -1, axes[2]), out)


def vecmat(
    x1: Any, x2: Any, /, out: Any = None, *, axes: Any = None, dtype: Any = None,
    casting: str = "same_kind", order: str = "K", subok: bool = True, **more: Any,
) -> Array:  # fmt: skip
    """As `numpy.vecmat`, differentiable."""
    x, a = _cast("vecmat", (array(x1), array(x2)), dtype, more)
    _needs("vecmat", x, 1)
    _needs("vecmat", a, 2)
    if axes is not None:
        x, a = _moved(x, axes[0]), _moved(a, axes[1])
    x = conj(x)
    y = matmul(x, a) if np.ndim(x) == 1 else matmul(x[..., None, :], a)[..., 0, :]
    return finished(y if axes is None else np.moveaxis(y, -1, axes[2]), out)


if np.lib.NumpyVersion(np.__version__) >= "2.2.0":
    implements(np.matvec)(matvec)
    implements(np.vecmat)(vecmat)


# dot, tensordot, inner, outer, kron ------------------------------------------------


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Array:
    x, y = array(a), array(b)
    if not np.ndim(x) or not np.ndim(y):
        return finished(x * y, out)
    if np.ndim(y) == 1 or (np.ndim(x) < 3 and np.ndim(y) == 2):
        return finished(bind(MATMUL, x, y), out)
    return finished(tensordot(x, y, (-1, -2)), out)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Array:
    return matmul(conj(np.ravel(array(a))), np.ravel(array(b)))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Array:
    x, y = array(a), array(b)
    if not np.ndim(x) or not np.ndim(y):
        return x * y
    return tensordot(x, y, (-1, -1))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Array:
    y = np.ravel(array(a))[:, None] * np.ravel(array(b))[None, :]
    return finished(y, out)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Array:
    for x in (array(x1), array(x2)):
        if np.ndim(x) != 1:
            raise ShapeMismatch(
                explain(
                    "`linalg.outer` needs two vectors.",
                    f"shape {np.shape(x)}",
                    "np.outer, which flattens its arguments, or x.ravel().",
                )
            )
    return outer(x1, x2)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Array:
    x, y = array(a), array(b)
    first, second = _pairs(axes, np.ndim(x), np.ndim(y))
    lengths = [np.shape(x)[i] for i in first], [np.shape(y)[i] for i in second]
    if lengths[0] != lengths[1]:
        raise ShapeMismatch(
            explain(
                "`tensordot` needs axes of equal lengths to contract.",
                f"shapes {np.shape(x)} and {np.shape(y)}, axes {first} and {second}",
                "name the axes in pairs: axes=([i, j], [k, l]).",
            )
        )
    stay = [i for i in range(np.ndim(x)) if i not in first]
    kept = [i for i in range(np.ndim(y)) if i not in second]
    shape = (*(np.shape(x)[i] for i in stay), *(np.shape(y)[i] for i in kept))
    inner = math.prod(lengths[0])
    flat = _matrix(np.transpose(x, (*stay, *first)), inner, -1, len(stay))
    tall = _matrix(np.transpose(y, (*second, *kept)), inner, 0, len(kept))
    result = bind(MATMUL, flat, tall)
    return result if np.shape(result) == shape else np.reshape(result, shape)


def _matrix(x: Array, inner: int, axis: int, free: int) -> Array:
    """`x` as a vector or matrix whose `axis` is the contracted one."""
    if free == 0:
        wanted: Shape = (inner,)
    else:
        count = math.prod(
            np.shape(x)[:free] if axis else np.shape(x)[np.ndim(x) - free :]
        )
        wanted = (count, inner) if axis else (inner, count)
    return x if np.shape(x) == wanted else np.reshape(x, wanted)


def _pairs(axes: Any, n: int, m: int) -> tuple[list[int], list[int]]:
    """tensordot's `axes` as two lists."""
    try:
        one, two = axes
    except TypeError:
        count = axes.__index__()
        if count > min(n, m):
            raise ShapeMismatch(
                explain(
                    "`tensordot` contracts axes that both arrays have.",
                    f"axes={count} for arrays of {n} and {m} axes",
                    "pass a smaller number, or name the axes in pairs.",
                )
            ) from None
        return list(range(n - count, n)), list(range(count))
    first = [canonical_axis(i, n) for i in (one if np.iterable(one) else [one])]
    second = [canonical_axis(i, m) for i in (two if np.iterable(two) else [two])]
    if len(first) != len(second) or len(set(first)) < len(first):
        raise ShapeMismatch(
            explain(
                "`tensordot` contracts axes in pairs, each axis once.",
                f"axes {first} and {second}",
                "name them as axes=([i, j], [k, l]).",
            )
        )
    return first, second


@implements(np.linalg.tensordot)
def linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Array:
    return tensordot(x1, x2, axes)


@implements(np.kron)
def kron(a: Any, b: Any) -> Array:
    x, y = array(a), array(b)
    rank = max(np.ndim(x), np.ndim(y))
    left = (1,) * (rank - np.ndim(x)) + np.shape(x)
    right = (1,) * (rank - np.ndim(y)) + np.shape(y)
    wide = np.reshape(
        x, [n for pair in zip(left, (1,) * rank, strict=True) for n in pair]
    )
    tall = np.reshape(
        y, [n for pair in zip((1,) * rank, right, strict=True) for n in pair]
    )
    return np.reshape(wide * tall, [n * m for n, m in zip(left, right, strict=True)])


# cross -----------------------------------------------------------------------------


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Array:
    """As `numpy.cross`, differentiable; vectors of length 3 (or 2: the third is 0)."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = np.moveaxis(operand(a), axisa, -1), np.moveaxis(operand(b), axisb, -1)
    lengths = np.shape(x)[-1], np.shape(y)[-1]
    if not set(lengths) <= {2, 3}:
        raise ShapeMismatch(
            explain(
                "`cross` needs vectors of length 3.",
                f"lengths {lengths[0]} and {lengths[1]}, of shapes {np.shape(a)} and "
                f"{np.shape(b)}",
                "say where the vectors lie with axis=.",
            )
        )
    last = x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]
    if lengths == (2, 2):
        return last
    if lengths[0] == 2:
        first, second = x[..., 1] * y[..., 2], -x[..., 0] * y[..., 2]
    elif lengths[1] == 2:
        first, second = -x[..., 2] * y[..., 1], x[..., 2] * y[..., 0]
    else:
        first = x[..., 1] * y[..., 2] - x[..., 2] * y[..., 1]
        second = x[..., 2] * y[..., 0] - x[..., 0] * y[..., 2]
    return np.stack([first, second, last], axis=axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    for x in (operand(x1), operand(x2)):
        if np.shape(x)[axis] != 3:
            raise ShapeMismatch(
                explain(
                    "`linalg.cross` needs vectors of length 3.",
                    f"shape {np.shape(x)}, axis {axis}",
                    "say where the vectors lie with axis=.",
                )
            )
    return cross(x1, x2, axis=axis)


# convolve, correlate ---------------------------------------------------------------


def _convolved(name: str, x: Array, v: Array, mode: str, start: int) -> Array:
    """`start`: where the part of "same" begins in the full convolution."""
    if np.ndim(x) != 1 or np.ndim(v) != 1 or not np.size(x) or not np.size(v):
        raise ShapeMismatch(
            explain(
                f"`{name}` needs two vectors that aren't empty.",
                f"shapes {np.shape(x)} and {np.shape(v)}",
                "ravel them, or vmap over the other axes.",
            )
        )
    n, m = np.shape(x)[0], np.shape(v)[0]
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode is 'full', 'same' or 'valid'; {mode!r} came")
    if mode == "valid":
        return (
            bind(CONVOLVE, x, v, mode=mode)
            if n >= m
            else bind(CONVOLVE, v, x, mode=mode)
        )
    y = bind(CONVOLVE, x, v, mode="full")
    return y if mode == "full" else y[start : start + max(n, m)]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Array:
    x, w = np.atleast_1d(operand(a)), np.atleast_1d(operand(v))
    return _convolved("convolve", x, w, mode, (min(np.size(x), np.size(w)) - 1) // 2)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Array:
    x, w = np.atleast_1d(operand(a)), np.atleast_1d(operand(v))
    n, m = np.size(x), np.size(w)
    start = (m - 1) // 2 if n >= m else n // 2  # as NumPy: it depends on the order
    return _convolved("correlate", x, np.flip(conj(w), -1), mode, start)
