"""The command `wengert explain`: a formula, or a function in a file, step by step."""

import argparse
import contextlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wengert.core.errors import WengertError
from wengert.show.expression import Expression
from wengert.show.target import (
    UsageError,
    arguments,
    load_function,
    parse_values,
    reason,
)

DESCRIPTION = """\
Shows both modes of differentiation of a formula, or of a function in a file, step by
step at one point, with finite differences and symbolic derivatives beside.
"""
EPILOG = """\
A value is a number, a list of numbers (an array), @FILE.npy, or a literal of Python's.
Whole numbers become floats unless the parameter is annotated int or named by --int.
Where the result has several elements, the gradient is that of their sum; --output
picks one. A formula has numbers, names, + - * / % ** @, comparisons, indices and
NumPy functions; it is checked, and never run as code.

Exit status: 0 explained, 1 the reason why not is on the standard error.

examples:
  wengert explain "(w*x - y)**2 + w**2" w=1 x=2 y=3
  wengert explain model.py:loss w=[0.5,1] x=@data.npy --save page.html
"""


def register(commands: Any) -> None:
    """Adds the subcommand `explain` to what `add_subparsers` returned."""
    parser = commands.add_parser(
        "explain",
        help="differentiate a formula or a function in a file, step by step",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="FORMULA|FILE.py:FUNCTION")
    parser.add_argument("values", metavar="name=value", nargs="*")
    parser.add_argument(
        "--mode",
        choices=("both", "forward", "reverse"),
        default="both",
        help="what to print (default: both)",
    )
    parser.add_argument(
        "--order",
        type=int,
        choices=(1, 2),
        default=1,
        help="2: the extended graph and second derivatives, too",
    )
    parser.add_argument(
        "--output",
        type=int,
        metavar="I",
        help="the element of the result to differentiate, counted from 0",
    )
    parser.add_argument(
        "--int",
        action="append",
        default=[],
        metavar="NAME",
        dest="whole",
        help="an argument that stays a whole number",
    )
    parser.add_argument(
        "--save", metavar="FILE", help="write a page (.html), .svg, .dot or .txt, too"
    )


def run(asked: argparse.Namespace) -> int:
    """Runs the command with parsed arguments; 0 if it could explain, else 1."""
    from wengert.show.explanation import explain

    try:
        if asked.save:
            _check_save(asked.save)
        target = target_of(asked)
        with target.errors():
            explanation = explain(
                target.f, *target.args, order=asked.order, output=asked.output,
                title=target.title, source=target.source,
            )  # fmt: skip
        explanation.show(asked.mode)
        if asked.save:
            explanation.save(asked.save)
            print(f"\nSaved: {asked.save}")
    except WengertError as error:
        # The command's own line is nobody's that reads this.
        text = re.sub(r"\n  At:   cli\.py:.*", "", str(error))
        print(f"wengert explain: {text}", file=sys.stderr)
        return 1
    except OSError as error:
        what = f"cannot write {asked.save}: {error.strerror}"
        print(f"wengert explain: {what}", file=sys.stderr)
        return 1
    return 0


def _check_save(name: str) -> None:
    """Refuses a place where nothing can be saved, before anything is printed."""
    from wengert.show.explanation import ENDINGS

    path = Path(name)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            "An explanation is saved as .html, .svg, .dot or .txt.\n"
            f"  Came: {name!r}\n"
            "  Do:   --save page.html, say; a browser prints that to PDF."
        )
    if not path.parent.is_dir():
        raise UsageError(
            "--save writes into a folder that exists.\n"
            f"  Came: {str(path.parent)!r}\n"
            "  Do:   make it first, or check the path."
        )


class Target(NamedTuple):
    """A function and where to differentiate it; `source` is a formula's text."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    title: str
    source: list[str] | None

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the user's function become sentences with the user's line."""
        try:
            yield
        except WengertError as error:
            if self.source is None:
                raise
            # A formula is its own only line.
            text = re.sub(r"\n  At: .*", "", str(error))
            raise UsageError(f"{text}\n  In:   {self.title}") from None
        except Exception as error:
            raise UsageError(f"{self.title} raises.\n  Came: {reason(error)}") from None


def target_of(asked: argparse.Namespace) -> Target:
    """The function and its arguments that a command line means.

    Raises:
        UsageError: for a file, a function or a value that isn't there or isn't clear.
        ExpressionError: for a formula with something in it that isn't allowed.
    """
    values = parse_values(asked.values)
    if not re.search(r"\.py(:|$)", asked.target):
        formula = Expression(asked.target, list(values))
        if not formula.names:
            raise UsageError(
                "A formula has a name to differentiate by.\n"
                f"  Came: {formula.text}\n"
                '  Do:   write for example "x**2" x=3.'
            )
        args = arguments(formula, values, asked.whole)
        return Target(formula, args, formula.text, [formula.text])
    f = load_function(asked.target)
    args = arguments(f, values, asked.whole)
    name = asked.target.rpartition(":")[2]
    return Target(*_without_words(f, args), name, None)


def _without_words(
    f: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """`f` as a function of its numbers; texts, True and False stay as they are."""
    parameters = list(inspect.signature(f).parameters.values())
    moving = [i for i, x in enumerate(args) if not isinstance(x, str | bool)]
    if len(moving) == len(args):
        return f, args

    def call(*given: Any) -> Any:
        whole = list(args)
        for i, x in zip(moving, given, strict=True):
            whole[i] = x
        return f(*whole)

    call.__name__ = getattr(f, "__name__", "function")
    call.__wrapped__ = f  # type: ignore[attr-defined]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameters[i].replace(default=inspect.Parameter.empty) for i in moving]
    )
    return call, tuple(args[i] for i in moving)
