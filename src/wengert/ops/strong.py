"""The product in which zero wins: 0·inf = 0·nan = 0.

A cotangent that is zero because a branch wasn't taken must stay zero when it meets the
infinite slope of that branch. The plain product is used first; this one only where the
plain gradient comes out as inf or nan (docs/design/zeros.md).
"""

import numpy as np

from wengert.core.bind import bind
from wengert.core.op import Op, Partials, register
from wengert.core.types import Array
from wengert.ops import batching, inference


def _evaluate(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where((a == 0) | (b == 0), 0.0, np.multiply(a, b))[()]


STRONG_PRODUCT = register(
    Op(
        name="strong_product",
        evaluate=lambda a, b: _evaluate(a, b).astype(np.result_type(a, b)),
        type_of=inference.elementwise(np.multiply),
        derivative=Partials(lambda _y, _a, b: b, lambda _y, a, _b: a),
        batch=batching.elementwise,
    )
)


def strong_product(a: Array, b: Array) -> Array:
    """a·b, and 0 where either factor is 0."""
    return bind(STRONG_PRODUCT, a, b)
