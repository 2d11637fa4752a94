"""What isn't a key, a seed, a shape or a distribution is refused, with what to do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import random as r
from wengert.core.errors import ShapeMismatch, TypeMismatch

K = r.key(0)
HALF: Any = 0.5
REFUSED: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("float seed", lambda: r.key(1.5), TypeMismatch, "A seed is an integer"),
    ("whole float seed", lambda: r.key(1.0), TypeMismatch, "A seed is an integer"),
    ("bool seed", lambda: r.key(True), TypeMismatch, "A seed is an integer"),
    ("text seed", lambda: r.key("a"), TypeMismatch, r"str \('a'\)"),
    ("no seed", lambda: r.key(None), TypeMismatch, "A seed is an integer"),
    ("seeds", lambda: r.key(np.arange(3)), TypeMismatch, "A seed is an integer"),
    ("long seed", lambda: r.key(2**64), TypeMismatch, "65 bits"),
    ("traced float", lambda: wg.vmap(r.key)(np.ones(2)), TypeMismatch, "f64"),
    ("an integer", lambda: r.normal(3, 4), TypeMismatch, r"wg.random.key\(seed\)"),
    ("a shape first", lambda: r.normal((3, 4)), TypeMismatch, "A key is"),
    ("a generator", lambda: r.normal(np.random.default_rng(0), 4),
     TypeMismatch, "Generator"),
    ("int64 key", lambda: r.normal(K.astype(int), 4), TypeMismatch, r"i64\[2\]"),
    ("keys", lambda: r.normal(r.split(K), 4), ShapeMismatch, "wg.vmap"),
    ("three words", lambda: r.split(np.zeros(3, np.uint32)), ShapeMismatch, r"\(3,\)"),
    ("traced keys", lambda: wg.jit(lambda k: r.normal(k, 2))(r.split(K)),
     ShapeMismatch, "wg.vmap"),
    ("negative split", lambda: r.split(K, -1), ShapeMismatch, "Came: -1"),
    ("half a key", lambda: r.split(K, HALF), TypeMismatch, "number of keys"),
    ("float data", lambda: r.fold_in(K, 0.5), TypeMismatch, "Data to fold in"),
    ("negative shape", lambda: r.uniform(K, (2, -3)), ShapeMismatch, "negative"),
    ("float shape", lambda: r.normal(K, 2.5), TypeMismatch, "shape of a draw"),
    ("huge shape", lambda: r.normal(K, (2**20, 2**20)), ShapeMismatch, "2³²"),
    ("float16", lambda: r.normal(K, 2, np.float16), TypeMismatch, "float32 or float64"),
    ("integers", lambda: r.uniform(K, 2, dtype=int), TypeMismatch, "float32 or"),
    ("signed bits", lambda: r.bits(K, 2, int), TypeMismatch, "uint8"),
    ("unsigned signs", lambda: r.rademacher(K, 2, np.uint8), TypeMismatch, "igned"),
    ("parameters", lambda: r.uniform(K, 3, np.zeros(2)), ShapeMismatch, r"low of"),
    ("no common shape", lambda: r.uniform(K, None, np.zeros(2), np.ones(3)),
     ShapeMismatch, "high of shape"),
    ("too small a shape", lambda: r.bernoulli(K, np.full(3, 0.5), ()),
     ShapeMismatch, "p of shape"),
    ("empty range", lambda: r.randint(K, 4, 4), ShapeMismatch, "low < high"),
    ("float bound", lambda: r.randint(K, 0, 2.0), TypeMismatch, "high of dtype"),
    ("real integers", lambda: r.randint(K, 0, 2, 3, float), TypeMismatch, "dtype"),
    ("narrow dtype", lambda: r.randint(K, 0, 300, 3, np.uint8), TypeMismatch, "299"),
    ("negative unsigned", lambda: r.randint(K, -1, 3, 3, np.uint8), TypeMismatch, "-1"),
    ("no alternatives", lambda: r.categorical(K, np.zeros((2, 0))),
     ShapeMismatch, "alternative"),
    ("other batch", lambda: r.categorical(K, np.zeros((2, 3)), shape=5),
     ShapeMismatch, "ends with"),
    ("too many", lambda: r.choice(K, 3, 4, replace=False), ShapeMismatch, "4 of 3"),
    ("from none", lambda: r.choice(K, 0, 1), ShapeMismatch, "1 of 0"),
    ("other p", lambda: r.choice(K, 3, 2, p=np.ones(4)), ShapeMismatch, r"\(4,\)"),
    ("negative items", lambda: r.permutation(K, -2), ShapeMismatch, "negative"),
    ("float items", lambda: r.permutation(K, 2.5), TypeMismatch, "number of items"),
    ("no such axis", lambda: r.permutation(K, np.ones(3), axis=1),
     ShapeMismatch, "axis=1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind", "says"), [row[1:] for row in REFUSED], ids=[n[0] for n in REFUSED]
)
def test_refused(call: Callable[[], Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call()
    message = str(error.value)
    assert "Do:" in message
    assert "test_random_errors.py" in message
