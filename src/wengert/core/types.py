"""Shape and dtype of an array, as staging and the derivative rules see it."""

from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]
Array = Any  # an ndarray, a NumPy or Python scalar, or a Tracer of one

_LETTERS = {"f": "f", "c": "c", "i": "i", "u": "u", "b": "bool"}


class Type(NamedTuple):
    """Shape and dtype; `weak` for a Python scalar, whose dtype gives way (NEP 50)."""

    shape: Shape
    dtype: np.dtype[Any]
    weak: bool = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def __str__(self) -> str:
        letter = _LETTERS.get(self.dtype.kind, self.dtype.name)
        bits = "" if self.dtype.kind not in "fciu" else str(8 * self.dtype.itemsize)
        return f"{letter}{bits}[{','.join(map(str, self.shape))}]"


_WEAK: dict[type, np.dtype[Any]] = {
    kind: np.dtype(kind) for kind in (bool, int, float, complex)
}


def type_of(x: Array) -> Type:
    """The Type of an array, a scalar or a tracer."""
    if type(x) in _WEAK:
        return Type((), _WEAK[type(x)], type(x) is not bool)
    return Type(x.shape, x.dtype)


def promoted(types: tuple[Type, ...]) -> np.dtype[Any]:
    """The dtype that NumPy gives arrays and Python scalars of these types together."""
    weak: dict[str, Any] = {"i": 0, "f": 0.0, "c": 0j}
    return np.result_type(*(weak[t.dtype.kind] if t.weak else t.dtype for t in types))


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether values of this dtype have derivatives: real or complex floats."""
    return dtype.kind in "fc"


def zeros(type: Type) -> Array:
    """A zero of this type: a NumPy scalar for no axes, else a fresh array."""
    return type.dtype.type(0) if not type.shape else np.zeros(type.shape, type.dtype)
