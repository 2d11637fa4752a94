"""`explain`: both modes of differentiation of a function at a point, step by step."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_numbers
from wengert.core.bind import is_traced
from wengert.core.errors import (
    ShapeMismatch,
    TypeMismatch,
    at_the_edge,
    name_of,
)
from wengert.core.errors import explain as sentence
from wengert.core.types import Array
from wengert.graph import arguments
from wengert.graph.graph import Graph, checked
from wengert.graph.stage import trace
from wengert.show import text
from wengert.show.compiled import compiled_story
from wengert.show.names import names, source_of
from wengert.show.run import Run
from wengert.show.story import Story
from wengert.show.telling import tell

ENDINGS = (".html", ".htm", ".svg", ".dot", ".txt")  # of what can be saved


class Explanation:
    """What differentiating a function at one point does, step by step.

    `print` it, or end a notebook cell with it. `story()` is all of it as plain data,
    and `graph` the `wg.Graph` that it is about.

    >>> import wengert as wg
    >>> why = wg.explain(lambda w, x: w * x, 2.0, 3.0)
    >>> [step["text"] for step in why.story()["backward"]]
    ['l0.grad = 1', 'w.grad += l0.grad * x', 'x.grad += l0.grad * w']
    """

    def __init__(self, story: Story, graph: Graph) -> None:
        self._story = story
        self.graph = graph

    def story(self) -> Story:
        """Everything as plain data that goes through JSON: see `wengert.show.story`."""
        return self._story

    @property
    def text(self) -> str:
        """Both modes in plain text."""
        return self.render()

    def render(self, mode: str = "both") -> str:
        """The text of one mode, "forward" or "reverse", or of both.

        Raises:
            ShapeMismatch: for another mode.
        """
        return text.render(self._story, mode)

    def show(self, mode: str = "both") -> None:
        """Prints the text: in colours on a terminal, where `rich` is installed."""
        text.show(self._story, mode)

    def html(self) -> str:
        """One page of HTML, which needs nothing else, to step through."""
        from wengert.show.page import html

        return str(html(self._story))

    def svg(self) -> str:
        """The graph as a picture: forward values and adjoints on it."""
        from wengert.show.page import svg

        return str(svg(self._story))

    def dot(self) -> str:
        """The graph in Graphviz's language."""
        from wengert.show.page import dot

        return str(dot(self._story))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a page (.html), a picture (.svg), the graph (.dot) or the text (.txt).

        The file is written whole or not at all.

        Raises:
            ShapeMismatch: for another ending.
            OSError: where it can't be written.
        """
        path = Path(path)
        makers: dict[str, Callable[[], str]] = {
            ".html": self.html,
            ".htm": self.html,
            ".svg": self.svg,
            ".dot": self.dot,
            ".txt": lambda: self.text + "\n",
        }
        if path.suffix.lower() not in ENDINGS:
            raise ShapeMismatch(
                sentence(
                    "An explanation is saved as .html, .svg, .dot or .txt.",
                    repr(path.name),
                    'explanation.save("page.html").',
                )
            )
        _write(path, makers[path.suffix.lower()]())

    def _repr_html_(self) -> str:
        """The page, in a frame of its own, for a notebook."""
        import html

        page = html.escape(self.html(), quote=True)
        return (
            '<iframe style="width:100%;height:640px;border:0" sandbox="allow-scripts" '
            f'srcdoc="{page}"></iframe>'
        )

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        ops = sum(1 for n in self._story["nodes"] if n["expression"])
        steps = len(self._story["backward"])
        return (
            f"<Explanation of {self._story['title']}: {ops} operations, {steps} steps "
            "back; print it, or .save('page.html')>"
        )


def _write(path: Path, content: str) -> None:
    """Writes beside the place and moves there, so that half a file is never seen."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def explain(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    output: int | None = None,
    title: str | None = None,
    source: Sequence[str] | None = None,
) -> Explanation:
    """Runs `f` and shows how its derivatives come about, step by step.

    The forward pass in topological order; the backward pass in reverse topological
    order, each contribution to an adjoint with the local derivative in symbols and
    numbers; forward mode beside it; finite differences and, where SymPy is installed,
    symbolic derivatives to compare with. All numbers are computed by the rules that
    `wg.grad` and `wg.jvp` use.

    Args:
        f: a function of numbers, arrays, or nested containers of arrays.
        args: its arguments. Integers and booleans are constants.
        order: 2 adds the extended graph: the gradient as a graph of its own, and second
            derivatives by it.
        output: which element of the result to differentiate, counted over all results;
            by default the only one, or the sum of all of them if there are several.
        title: what to call it; the function's name by default.
        source: its text, line by line, where it isn't the source of `f`.

    Returns:
        An `Explanation`: print it, `.save("page.html")` it, `.story()`.

    Raises:
        TypeMismatch: if no argument is a float or complex array.
        DerivativeError: for an operation without a derivative, and for a result that no
            argument leads to.
        ShapeMismatch: for an `order` or `output` that isn't there.

    >>> import wengert as wg
    >>> why = wg.explain(lambda w, x, y: (w * x - y) ** 2 + w ** 2, 1.0, 2.0, 3.0)
    >>> print(why.text.partition("Gradient:")[2].partition("Forward")[0].strip())
    w.grad = 2 + (−4) = −2     # sum over 2 paths
      x.grad = −2
      y.grad = 2
    """
    with at_the_edge():
        if not callable(f):
            raise TypeMismatch(
                sentence(
                    "explain takes a function and its arguments.",
                    f"{f!r:.60}",
                    "wg.explain(f, x) rather than wg.explain(f(x)).",
                )
            )
        if order not in (1, 2):
            raise ShapeMismatch(
                sentence("order is 1 or 2.", repr(order), "leave it out for 1.")
            )
        _refuse_traced(args)
        graph, leaves = _staged(f, args)
        run = Run(graph, leaves)
        _check_inputs(run, f)
        located = source is None and not isinstance(f, Graph)
        run.names = names(graph, run.shown, located)
        lines = source_of(f, graph.nodes) if located else _numbered(source or ())
        story = tell(run, f, order, output, title, lines, located)
        story["compiled"] = compiled_story(f, run)
        return Explanation(story, graph)


def _staged(f: Any, args: tuple[Any, ...]) -> tuple[Graph, list[Array]]:
    """The graph of `f`, a graph itself perhaps, and the values of its inputs."""
    if isinstance(f, Graph):
        given = arguments.in_order(f, args, {})
        pairs = zip(f.inputs, given, strict=True)
        return f, [checked(node, x, f.name) for node, x in pairs]
    with np.errstate(all="ignore"):  # infinite values are shown as such
        graph = trace(f, *args, values=True)
    expected = "explain takes arrays of numbers."
    leaves = tree.flatten(args)[0]
    return graph, [check_numbers(x, expected, "an argument") for x in leaves]


def _numbered(source: Sequence[str]) -> list[list[Any]]:
    return [[i, line] for i, line in enumerate(source, 1)]


def _refuse_traced(args: Any) -> None:
    if any(map(is_traced, tree.flatten(args)[0])):
        raise TypeMismatch(
            sentence(
                "explain shows numbers.",
                "a value that is being traced or differentiated",
                "call wg.explain outside of wg.grad, wg.jit and wg.vmap.",
            )
        )


def _check_inputs(run: Run, f: Any) -> None:
    if run.wanted:
        return
    kinds = ", ".join(f"{n.name} of {n.dtype}" for n in run.graph.inputs)
    raise TypeMismatch(
        sentence(
            f"Derivatives of {name_of(f)} are by float or complex arguments.",
            kinds or "no arguments",
            "write 1.0 for 1, x.astype(float) for an array of integers.",
        )
    )
