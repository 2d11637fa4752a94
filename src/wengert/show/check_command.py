"""`wengert check FILE.py:FUNCTION name=value …`: where a derivative is wrong."""

import argparse
import re
import sys
from typing import Any

from wengert.core.errors import WengertError
from wengert.show.target import (
    UsageError,
    arguments,
    load_function,
    parse_values,
    reason,
)

DESCRIPTION = """\
Compares the derivatives of a function of yours, and of each operation and custom rule
in it, with finite differences and with each other; traces the first inf or nan to the
operation that makes it; names arguments at a kink and arguments without influence.
"""
EPILOG = """\
A value is a number, a list of numbers (an array), @FILE.npy, or a literal of Python's.
Whole numbers become floats unless the parameter is annotated int or named by --int.

Exit status: 0 no fault, 1 faults (with --strict, warnings as well), 2 nothing could be
checked.

example: wengert check model.py:loss "w=[0.5, -1.2]" x=@data.npy
"""


def register(commands: Any) -> None:
    """Adds the subcommand `check` to what `add_subparsers` returned."""
    parser = commands.add_parser(
        "check",
        help="check the derivatives of a function in a file",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="FILE.py:FUNCTION")
    parser.add_argument("values", metavar="name=value", nargs="*")
    parser.add_argument(
        "--order",
        type=int,
        choices=(1, 2),
        default=1,
        help="2: second derivatives, too",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random directions")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="NAME",
        help="a custom rule that is meant to differ from the derivative",
    )  # fmt: skip
    parser.add_argument(
        "--int", action="append", default=[], metavar="NAME", dest="whole",
        help="an argument that stays a whole number",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="warnings count as faults"
    )


def run(asked: argparse.Namespace) -> int:
    """Runs the command with parsed arguments.

    Returns:
        The exit status: 0 if there is no fault, 1 if there is, 2 if the function
        can't be checked.
    """
    try:
        if ".py" not in asked.target:
            raise UsageError(
                "A function is named by its file: FILE.py:FUNCTION.\n"
                f"  Came: {asked.target!r}\n"
                "  Do:   write model.py:loss, say; a formula goes to wengert explain."
            )
        f = load_function(asked.target)
        args = arguments(f, parse_values(asked.values), asked.whole)
    except UsageError as error:
        return _cannot(str(error))
    from wengert.testing.diagnosis import diagnose

    try:
        found = diagnose(
            f, *args, order=asked.order, seed=asked.seed, trust=asked.trust
        )
    except WengertError as error:
        return _cannot(str(error))
    except Exception as error:  # the user's function's own
        return _cannot(f"The function raises.\n  Came: {reason(error)}")
    # What is said in Python's words has another form here.
    print(re.sub(r'trust=\("([^"]+)",\)', r"--trust \1", str(found)))
    strict = asked.strict and any(f.severity == "warning" for f in found.findings)
    return 0 if found.ok and not strict else 1


def _cannot(text: str) -> int:
    print(f"wengert check: {text}", file=sys.stderr)
    return 2
