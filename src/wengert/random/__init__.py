"""Random numbers from keys: the same eagerly, compiled, batched, on every machine.

There is no hidden state: each function takes a key, and the same key gives the same
numbers again. `split` and `fold_in` make new keys from one.

>>> first, second = wg.random.split(wg.random.key(0))
>>> wg.random.uniform(first, 2).round(6), wg.random.uniform(second, 2).round(6)
(array([...]), array([...]))
"""

from wengert.random.continuous import (
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    uniform,
)
from wengert.random.discrete import (
    bernoulli,
    bits,
    categorical,
    choice,
    permutation,
    rademacher,
    randint,
)
from wengert.random.keys import fold_in, key, split

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "laplace",
    "logistic",
    "normal",
    "permutation",
    "rademacher",
    "randint",
    "split",
    "uniform",
]
