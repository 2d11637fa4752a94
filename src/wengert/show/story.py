"""The story of an explanation: plain data, which the text and the page both tell.

Everything here goes through JSON as it is: no arrays, no nan. `Explanation.story()`
makes it; `text.py` and `page/` read it and compute nothing of their own.
"""

from typing import Any, TypedDict

VERSION = 1


class Summary(TypedDict):
    """An array too large to write out. `nan` and `inf` count elements."""

    min: float | str | None
    max: float | str | None
    mean: float | str | None
    nan: int
    inf: int
    size: int


class Value(TypedDict):
    """An array or number.

    `text` is short, with a true minus sign. `small` has the elements, nested, of an
    array of at most 64; else `summary` and `heat` stand for them: at most 32 × 32 block
    means, scaled to 0..1, None for nan. Infinite and nan elements are the texts "inf",
    "−inf" and "nan"; complex elements are texts as well.
    """

    shape: list[int]
    dtype: str
    text: str
    small: Any
    summary: Summary | None
    heat: list[list[float | None]] | None


class NodeStory(TypedDict):
    """A node. `id` is its place in the list, which is in topological order.

    `role` is "input", "constant", "operation" or "output". An argument of integers is a
    constant with a name. `adjoint` is the final one, None where nothing arrives.
    `expression` is "" for inputs; `line` is of the file that `source` is from. `group`
    is the scope or function it is in: "step", and "step 2" in the second call.
    """

    id: int
    name: str
    op: str
    expression: str
    inputs: list[int]
    shape: list[int]
    dtype: str
    role: str
    line: int | None
    group: str
    value: Value
    adjoint: Value | None


class ForwardStep(TypedDict):
    """`l0 = w * x`, with its numbers: `1 · 2 = 2`."""

    node: int
    text: str
    numbers: str


class Local(TypedDict):
    """A local derivative: in symbols, and its value.

    `value` is None where it is no array of the result's shape: a matrix product has the
    symbol `Aᵀȳ`, in which ȳ is the adjoint that is passed on.
    """

    symbol: str
    value: Value | None


# "from" is a keyword of Python.
BackwardStep = TypedDict(
    "BackwardStep",
    {
        "from": int | None,
        "to": int,
        "text": str,
        "numbers": str,
        "local": Local | None,
        "contribution": Value,
        "before": Value,
        "after": Value,
        "path": int,
        "paths": int,
    },
)
"""One contribution to the adjoint of `to`: the `path`-th of `paths`, counted from 1.

The first steps come from nowhere ("from" is None, "local" is None): they set the
adjoints of the outputs. An adjoint that nothing has reached yet counts as 0 in
`before`, in the shape of `to`.
"""


class SweepStep(TypedDict):
    """`dl0 = dw * x + w * dx`: the tangent of a node."""

    node: int
    text: str
    numbers: str
    value: Value


class Sweep(TypedDict):
    """One sweep of forward mode: the derivative by one element of an input.

    `element` is its index, [] for a number.
    """

    input: int
    element: list[int]
    steps: list[SweepStep]


class Counts(TypedDict):
    """Multiplications by local derivatives: all sweeps, against one backward pass."""

    forward_mode: int
    reverse_mode: int
    sweeps: int


class Check(TypedDict):
    """The gradient by one input, in three ways.

    `numerical` is the central difference; `curve` is of (step, error) of the one-sided
    difference (f(x + h) − f(x))/h.
    """

    input: int
    automatic: Value
    numerical: Value | None
    symbolic: str
    symbolic_value: Value | None
    error_numerical: float | None
    error_symbolic: float | None
    curve: list[list[float]]


class Second(TypedDict):
    """The extended graph of the gradient by `of`, whose adjoints are second
    derivatives: the nodes of the first graph come first, with the same ids' names."""

    nodes: list[NodeStory]
    backward: list[BackwardStep]
    of: str


class PassStory(TypedDict):
    """What one pass did: operations before and after, and each change as a line."""

    name: str
    why: str
    before: int
    after: int
    changes: list[str]
    gone: list[str]


class StepStory(TypedDict):
    """A kernel, a library call or a host call.

    `kind` is "kernel", "call" or "host"; `lines` are pairs of pseudo-code and the
    user's line beside it, or ""; `why` is why the host does it. `seconds` is the least
    time of some runs on their own.
    """

    name: str
    kind: str
    head: str
    lines: list[list[str]]
    why: str
    seconds: float | None


class LineTime(TypedDict):
    """The time of a source line, estimated: `share` of the whole, 0 to 1."""

    line: str
    seconds: float
    share: float


class Compiled(TypedDict):
    """What `jit` makes of the function; `before` and `after` the passes, operations."""

    backend: str
    before: int
    after: int
    seconds: float
    bytes: int
    passes: list[PassStory]
    steps: list[StepStory]
    lines: list[LineTime]
    notes: list[str]


class Story(TypedDict):
    """Everything that an explanation says. `notes` are whole sentences.

    `source` has [line number, text] of the function explained and of the functions of
    the same file that it calls.
    """

    version: int
    title: str
    source: list[list[Any]]
    notes: list[str]
    nodes: list[NodeStory]
    forward: list[ForwardStep]
    backward: list[BackwardStep]
    sweeps: list[Sweep]
    counts: Counts
    checks: list[Check]
    second: Second | None
    compiled: Compiled | None
