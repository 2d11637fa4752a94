"""Random numbers from keys: the same eagerly, compiled, batched, on every machine.

There is no hidden state: each function takes a key, and the same key gives the same
numbers again. `split` and `fold_in` make new keys from one.

>>> first, second = wg.random.split(wg.random.key(0))
>>> sample = wg.jit(lambda key: wg.random.randint(key, 1, 7, 4))
>>> sample(first), sample(second), sample(first)
(array([6, 2, 4, 6]), array([1, 6, 5, 4]), array([6, 2, 4, 6]))
"""

from wengert.random.continuous import (
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    uniform,
)
from wengert.random.integers import bernoulli, bits, rademacher, randint
from wengert.random.keys import fold_in, key, split
from wengert.random.selection import categorical, choice, permutation

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
