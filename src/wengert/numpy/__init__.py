"""NumPy's names on traced values: argument handling only, each in terms of ops.

`import wengert.numpy as wnp` has the functions that NumPy can't hand to us, such as
`array` of traced scalars, beside all the others; anything else is NumPy's own.
"""

from typing import Any

import numpy as _np

from wengert.numpy import (
    applying,
    choosing,
    complex,
    contract,
    convert,
    creation,
    cumulative,
    diagonals,
    differences,
    elementwise,
    gather,
    indexing,
    join,
    layout,
    linalg,
    nanreduce,
    operators,
    padding,
    quantiles,
    reduce,
    searching,
    sorting,
    statistics,
    subscripts,
    writing,
)
from wengert.numpy.dispatch import FUNCTIONS as _FUNCTIONS
from wengert.numpy.elementwise import NAMED as _NAMED

operators.attach()

_MODULES = (
    applying,
    choosing,
    complex,
    contract,
    convert,
    creation,
    cumulative,
    diagonals,
    differences,
    elementwise,
    gather,
    indexing,
    join,
    layout,
    linalg,
    nanreduce,
    padding,
    quantiles,
    reduce,
    searching,
    sorting,
    statistics,
    subscripts,
    writing,
)


def __getattr__(name: str) -> Any:
    """Ours where we have one, NumPy's own otherwise (constants, dtypes, …)."""
    if name in _NAMED:
        return _NAMED[name]
    theirs: Any = getattr(_np, name, None)
    if theirs is None and not hasattr(_np, name):
        raise AttributeError(f"neither NumPy nor wengert.numpy has {name!r}")
    try:
        return _FUNCTIONS.get(theirs, theirs)
    except TypeError:  # not hashable, so not a function
        return theirs
