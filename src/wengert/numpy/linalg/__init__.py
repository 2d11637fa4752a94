"""`numpy.linalg` on traced values: its names and forms in terms of the linalg ops.

What isn't here is NumPy's own. Stacks of matrices lie along the leading axes.
"""

from typing import Any

import numpy as _np

from wengert.numpy import contract, diagonals
from wengert.numpy.dispatch import FUNCTIONS as _FUNCTIONS
from wengert.numpy.linalg import chains, decompositions, norms, systems

_MODULES = (chains, contract, decompositions, diagonals, norms, systems)


def __getattr__(name: str) -> Any:
    """Ours where we have one, NumPy's own otherwise (`LinAlgError`)."""
    theirs: Any = getattr(_np.linalg, name)
    return _FUNCTIONS.get(theirs, theirs)


def __dir__() -> list[str]:
    return sorted(_np.linalg.__all__)
