"""What the compiler is told of graphs, in words that need no compiler."""

import time
from collections.abc import Callable
from typing import NamedTuple

from wengert.core.op import Op, op_named
from wengert.graph.graph import Graph

# About when the library was read by this process.
IMPORTED = time.time_ns()

# Ops of the library that OPS doesn't list, because no user meets them.
_UNLISTED: dict[str, Op] = {}


class Passes(NamedTuple):
    """What a graph goes through before it is compiled.

    Attributes:
        name: says which passes these are; programs are kept under it.
        run: the graph after them, with the same inputs, outputs and guards.
    """

    name: str
    run: Callable[[Graph], Graph]


def know(op: Op) -> None:
    """Makes programs with this op ones that can be kept, though OPS doesn't list it.

    Args:
        op: one of the library's, under a name of its own.
    """
    _UNLISTED[op.name] = op


def known(name: str) -> Op | None:
    """The library's op of this name, or None."""
    return op_named(name) or _UNLISTED.get(name)
