"""Random numbers drawn while staging: the same ones at every call, so a warning."""

import contextlib
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from wengert.core.errors import name_of


class RandomStateWarning(UserWarning):
    """A compiled function drew random numbers that its later calls will repeat."""


@contextlib.contextmanager
def watched(f: Any, values: list[Any]) -> Iterator[None]:
    """Warns at the end if a source of random numbers, or one of `values`, moved on."""
    sources = _sources(values)
    before = [state() for _, state in sources]
    yield
    used = [
        name
        for (name, state), b in zip(sources, before, strict=True)
        if not _equal(state(), b)
    ]
    if used:
        warnings.warn(
            f"{name_of(f)} draws random numbers ({', '.join(used)}) while it is being "
            "compiled; they stay the same at every later call.\n"
            "  Do:   draw them outside, and pass them as an argument; or pass a key, "
            "and draw with wg.random.",
            RandomStateWarning,
            stacklevel=5,
        )


def _sources(values: list[Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [
        ("np.random", lambda: np.random.get_state(legacy=False)),
        ("random", random.getstate),
    ]
    seen: set[int] = set()
    for x in values:
        if isinstance(x, np.random.Generator) and id(x) not in seen:
            seen.add(id(x))
            bits = x.bit_generator
            found.append(("a np.random.Generator", lambda b=bits: b.state))
        elif isinstance(x, np.random.RandomState) and id(x) not in seen:
            seen.add(id(x))
            found.append(("a RandomState", lambda r=x: r.get_state(legacy=False)))
    return found


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)
