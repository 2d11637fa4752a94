"""Choosing between values by a condition; no value crosses the branch not taken."""

import numpy as np

from wengert.core.op import Linear, Op, register
from wengert.core.types import Array, Type, promoted
from wengert.ops import batching, inference


def _type(condition: Type, a: Type, b: Type) -> Type:
    shape = inference.broadcast("where", (condition, a, b))
    return Type(shape, promoted((a, b)))


def _evaluate(condition: Array, a: Array, b: Array) -> Array:
    chosen: Array = np.where(condition, a, b)
    return chosen[()]


# The zeros are literal: a cotangent that isn't chosen never meets a product.
WHERE = register(
    Op(
        name="where",
        evaluate=_evaluate,
        type_of=_type,
        derivative=Linear(
            None,
            lambda ct, condition, _a, _b: np.where(condition, ct, 0.0),
            lambda ct, condition, _a, _b: np.where(condition, 0.0, ct),
            joint=True,
        ),
        batch=batching.elementwise,
    )
)
