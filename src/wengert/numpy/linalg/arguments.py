"""What the functions beside this share: reading arguments."""

from typing import Any

import numpy as np

from wengert.core.bind import is_traced
from wengert.core.errors import TypeMismatch, explain


def static(name: str, what: str, value: Any) -> float:
    """A keyword that is a plain number."""
    if is_traced(value) or np.ndim(value):
        raise TypeMismatch(
            explain(
                f"`{name}` of traced values takes a plain number as {what}.",
                f"{type(value).__name__} of shape {np.shape(value)}",
                "pass a float, the same for all matrices of a stack.",
            )
        )
    return float(value)
