"""np.pad: margins of a constant, or of the array's own elements."""

from typing import Any

import numpy as np

from wengert.core.errors import DerivativeError, explain
from wengert.core.types import Array
from wengert.numpy.dispatch import implements, operand
from wengert.numpy.gather import along
from wengert.numpy.indexing import with_put

Widths = list[tuple[int, int]]
_GATHERED = {"edge": (), "wrap": (), "reflect": ("reflect_type",),
             "symmetric": ("reflect_type",)}  # fmt: skip


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """As `numpy.pad`, differentiable, with NumPy's modes constant, edge, reflect,
    symmetric and wrap.
    """
    x = operand(array)
    widths = _widths(pad_width, np.ndim(x))
    if mode == "constant":
        _check_keywords(mode, kwargs, ("constant_values",))
        y = _constant(x, widths, kwargs.get("constant_values", 0))
        return np.copy(x) if y is x else y
    if not isinstance(mode, str) or mode not in _GATHERED:
        _refuse(f"mode={mode!r}")
    _check_keywords(mode, kwargs, _GATHERED[mode])
    if kwargs.get("reflect_type", "even") != "even":
        _refuse(f"reflect_type={kwargs['reflect_type']!r}")
    y = x
    for axis, width in enumerate(widths):
        if any(width):
            # Where each element of the margin comes from, NumPy itself tells.
            origin = np.pad(np.arange(np.shape(y)[axis]), width, mode=mode)
            y = along(y, axis, origin)
    return np.copy(x) if y is x else y


def _refuse(came: str) -> None:
    raise DerivativeError(
        explain(
            "np.pad works on traced values in the modes constant, edge, reflect "
            '(reflect_type="even"), symmetric and wrap.',
            came,
            "one of those, or np.concatenate with the margins you compute.",
        )
    )


def _check_keywords(mode: str, given: dict[str, Any], allowed: tuple[str, ...]) -> None:
    extra = set(given) - set(allowed)
    if extra:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {extra}")


def _widths(pad_width: Any, ndim: int) -> Widths:
    if isinstance(pad_width, dict):
        pairs: Widths = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            before, after = (width, width) if isinstance(width, int) else width
            pairs[axis] = (before, after)
    else:
        given = np.asarray(pad_width)
        if given.dtype.kind != "i":
            raise TypeError("`pad_width` must be of integral type.")
        pairs = [(int(a), int(b)) for a, b in np.broadcast_to(given, (ndim, 2))]
    if any(w < 0 for pair in pairs for w in pair):
        raise ValueError("index can't contain negative values")
    return pairs


def _constant(x: Array, widths: Widths, values: Any) -> Array:
    constants = np.broadcast_to(operand(values), (np.ndim(x), 2))
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _with_margins(x, axis, before, after, constants[axis])
    return x


def _with_margins(x: Array, axis: int, before: int, after: int, values: Array) -> Array:
    n = np.shape(x)[axis]
    shape = (*np.shape(x)[:axis], before + n + after, *np.shape(x)[axis + 1 :])
    lead = (slice(None),) * axis
    new = with_put(np.zeros(shape, x.dtype), (*lead, slice(before, before + n)), x)
    for value, margin in (
        (values[0], slice(0, before)),
        (values[1], slice(before + n, None)),
    ):
        if _not_zero(value):
            new = with_put(new, (*lead, margin), value)
    return new


def _not_zero(value: Any) -> bool:
    return not isinstance(value, np.generic) or bool(value != 0)
