"""The steps of a program: loop nests, library calls and host calls."""

from dataclasses import dataclass

from wengert.graph.graph import Node
from wengert.native.dense_emit import Step as LibraryCall
from wengert.native.kernel import Kernel


@dataclass(frozen=True, slots=True)
class Library:
    """A node computed by BLAS, LAPACK or a routine; `results` are its parts.

    `operands` are the nodes whose memory it reads, some of them as views.
    """

    node: Node
    call: LibraryCall
    results: tuple[Node, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """A node computed by its op's `evaluate`, and why."""

    node: Node
    results: tuple[Node, ...]
    why: str


Step = Kernel | Library | Host
