"""The function that is looked at, and what two plain calls of it show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array, is_inexact
from wengert.graph.stage import input_names
from wengert.testing.diagnosis.habits import differing, no_result, written
from wengert.testing.diagnosis.report import Finding


@dataclass
class Point:
    """A function and arguments as a function of the float and complex leaves alone."""

    f: Callable[..., Any]
    spec: Any
    every: list[Any]
    places: list[int]
    leaves: list[Array]
    names: list[str]
    all_names: list[str]

    @staticmethod
    def of(f: Callable[..., Any], args: tuple[Any, ...]) -> "Point":
        if not callable(f):
            raise TypeMismatch(
                explain("A function is diagnosed.", f"{f!r:.60}", "pass one.")
            )
        every, spec = tree.flatten(args)
        names = input_names(f, args)
        places = [i for i, x in enumerate(every) if _has_derivative(x)]
        if not places:
            raise TypeMismatch(
                explain(
                    "A function is diagnosed by its float and complex arguments.",
                    ", ".join(type(x).__name__ for x in every) or "no argument",
                    "pass a float: 1.0 for 1, x.astype(float).",
                )
            )
        leaves = [np.array(every[i])[()] for i in places]
        chosen = [names[i] for i in places]
        return Point(f, spec, every, places, leaves, chosen, names)

    def flat(self, *xs: Array) -> list[Array]:
        """The float and complex results, given these leaves."""
        every = [x.copy() if isinstance(x, np.ndarray) else x for x in self.every]
        for i, x in zip(self.places, xs, strict=True):
            every[i] = x.copy() if isinstance(x, np.ndarray) else x
        return self._results(self.f(*tree.unflatten(self.spec, every)))

    @staticmethod
    def _results(y: Any) -> list[Array]:
        found = (
            r if isinstance(r, Tracer) else np.asarray(r)[()]
            for r in tree.flatten(y)[0]
        )
        return [r for r in found if is_inexact(r.dtype)]

    def called(self) -> tuple[list[Array], list[Finding]]:
        """The results, from two plain calls; what the calls do besides."""
        held = [np.array(x)[()] if _is_array(x) else x for x in self.every]
        first = self._results(self.f(*tree.unflatten(self.spec, held)))
        first = [np.array(y)[()] for y in first]
        second = self.flat(*self.leaves)
        found = differing(first, second)
        for before, after, name in zip(self.every, held, self.all_names, strict=True):
            if isinstance(before, np.ndarray):
                found += written(before, after, name)
        if not first:
            found.append(no_result())
        return second, found


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic)


def _has_derivative(x: Any) -> bool:
    if _is_array(x):
        return bool(is_inexact(x.dtype))
    return isinstance(x, float | complex)
