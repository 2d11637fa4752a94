"""What the command line is about: a function in a file, and its arguments as text."""

import ast
import difflib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from wengert.core.errors import WengertError

_LONGEST = 100_000  # characters of one value


class UsageError(WengertError):
    """A command line that can't be understood, or that names what isn't there."""


def _refusal(expected: str, came: str, do: str) -> UsageError:
    return UsageError(f"{expected}\n  Came: {came}\n  Do:   {do}")


# The function -------------------------------------------------------------------------


def is_target(text: str) -> bool:
    """Whether `text` is FILE.py:FUNCTION rather than an expression."""
    path, colon, name = text.rpartition(":")
    return bool(colon) and path.endswith(".py") and _is_dotted(name)


def load_function(text: str) -> Callable[..., Any]:
    """The function that FILE.py:FUNCTION names; running the file defines it.

    Args:
        text: a path ending in .py, a colon, and a name; `Class.method` for a static
            or class method.

    Raises:
        UsageError: if there is no such file or function, or the file fails.
    """
    path, _, name = text.rpartition(":")
    if not is_target(text):
        raise _refusal(
            "A function is named by its file: FILE.py:FUNCTION.",
            repr(text),
            "write, for example, model.py:loss.",
        )
    file = Path(path)
    if not file.is_file():
        raise _refusal(
            "FILE.py is a file that exists.",
            f"{path!r}, in the folder {str(Path.cwd())!r}",
            "check the path; a formula is written without .py.",
        )
    found: Any = _module(file)
    for part in name.split("."):
        if part not in vars(found):
            names = [
                n
                for n, x in vars(found).items()
                if callable(x) and not n.startswith("_")
            ]
            near = difflib.get_close_matches(part, names, n=1)
            raise _refusal(
                f"{path} defines {name!r}.",
                f"a file that defines {_listed(names)}",
                f"write {path}:{near[0]}."
                if near
                else "check the name; what is inside of a function can't be named.",
            )
        found = getattr(found, part)
    if not callable(found):
        raise _refusal(
            f"{name!r} in {path} is a function.",
            f"{type(found).__name__} {found!r:.60}",
            "name a function.",
        )
    function: Callable[..., Any] = found
    return function


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return (shown or "nothing") + more


def _module(file: Path) -> ModuleType:
    """The user's file, run as Python runs a script that is imported."""
    file = file.resolve()
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    taken = sys.modules.get(file.stem)
    if taken is None:
        sys.modules[file.stem] = module  # dataclasses and pickle look there
    sys.path.insert(0, str(file.parent))  # for what it imports from beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if taken is None:
            del sys.modules[file.stem]
        raise _refusal(
            f"{file.name} can be run.", reason(error), "correct the file first."
        ) from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def reason(error: BaseException) -> str:
    """An exception in one line, with the line of code that it came from."""
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or '').name}:{error.lineno}"
        return f"{type(error).__name__}: {error.msg} ({place})"
    text = traceback.format_exception_only(error)[0].strip()
    where = traceback.extract_tb(error.__traceback__)
    users = [f for f in where if not f.filename.startswith("<frozen")]
    if not users:
        return " ".join(text.split())
    last = users[-1]
    return f"{text} ({Path(last.filename).name}:{last.lineno}: {last.line})"


# Its arguments ------------------------------------------------------------------------


def parse_values(words: Sequence[str]) -> dict[str, Any]:
    """The values in `name=value` words.

    A value is a number (1, -2.5, 1e-3, 1+2j, inf, nan), a list of numbers or of such
    lists (an array), a tuple, dict, string, True, False or None of Python, or @FILE.npy
    for an array in a file.

    Raises:
        UsageError: for a word of another form, a name twice, a value that is none.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise _refusal(
                "Arguments are given as name=value.",
                repr(word),
                'write, say, x=1.5, without spaces, or in quotes: "x=[1, 2]".',
            )
        if name in values:
            raise _refusal(
                "Each argument is given once.", f"{name!r} twice", "leave one out."
            )
        values[name] = parse_value(text.strip(), name)
    return values


def parse_value(text: str, name: str = "a value") -> Any:
    """One value: a number, a list as an array, another literal, or @FILE.npy."""
    if text.startswith("@"):
        return _from_file(text[1:], name)
    special = _SPECIAL.get(text.lower().lstrip("+"))
    if special is not None:
        return special
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"{len(text)} characters")
        literal = ast.literal_eval(text)
        return _arrays(literal)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise _refusal(
            f"The value of {name} is a number, a list of numbers, or @FILE.npy.",
            f"{text[:60]!r}",
            _advice(text, name),
        ) from error


def _advice(text: str, name: str) -> str:
    """What to write instead of a value that can't be read."""
    if text.count("[") > text.count("]"):
        return f'put it into quotes, so that it stays whole: "{name}=[1, 2]".'
    if text.isidentifier():
        return f"write a number, or a text in quotes of its own: \"{name}='{text}'\"."
    return "write, for example, 1.5, [1, 2, 3], [[1, 0], [0, 1]] or @x.npy."


_SPECIAL = {
    "inf": np.inf, "-inf": -np.inf, "nan": np.nan, "-nan": np.nan,
}  # fmt: skip


def _arrays(x: Any) -> Any:
    """Lists of numbers as arrays; containers of Python with their entries so."""
    if isinstance(x, dict):
        return {key: _arrays(value) for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(map(_arrays, x))
    if not isinstance(x, list):
        return x
    array = np.array(x)
    if array.dtype.kind not in "fciub":
        raise ValueError("not an array of numbers")
    return array


def _from_file(path: str, name: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        strerror = error.strerror if isinstance(error, OSError) else None
        raise _refusal(
            f"The value of {name} is an array in a file of NumPy's (.npy).",
            f"@{path}: {strerror or error}",
            "np.save('x.npy', x) writes one; it holds numbers, not objects.",
        ) from error


def arguments(
    f: Callable[..., Any], values: dict[str, Any], whole: Sequence[str] = ()
) -> tuple[Any, ...]:
    """The values in the order of the parameters of `f`.

    Whole numbers become floats, so that there is a derivative, but for parameters that
    are annotated `int` or `bool`, or named in `whole`.

    Raises:
        UsageError: for a name that `f` doesn't have, and one that is missing.
    """
    parameters = _parameters(f)
    for name in (*values, *whole):
        if name not in parameters:
            raise _refusal(
                f"The parameters of the function are {_listed(list(parameters))}.",
                repr(name),
                "use these names.",
            )
    given = []
    for name, p in parameters.items():
        if name in values:
            kept = name in whole or p.annotation in _WHOLE
            given.append(values[name] if kept else _float(values[name]))
        elif p.default is not p.empty:
            given.append(p.default)
        else:
            missing = [
                n
                for n, q in parameters.items()
                if n not in values and q.default is q.empty
            ]
            example = " ".join(f"{n}=1.0" for n in missing)
            raise _refusal(
                f"Every parameter has a value: {_listed(list(parameters))}.",
                f"none for {_listed(missing)}",
                f"add {example}.",
            )
    return tuple(given)


_WHOLE = (int, bool, "int", "bool")


def _parameters(f: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        found = inspect.signature(f).parameters
    except (TypeError, ValueError) as error:
        raise _refusal(
            "The parameters of the function have names.",
            f"{f!r:.60}, which doesn't tell them",
            "wrap it: def f(x): return ….",
        ) from error
    for p in found.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.KEYWORD_ONLY):
            raise _refusal(
                "The parameters of the function have names and positions.",
                f"{p}",
                "wrap it in a function with plain parameters.",
            )
    return dict(found)


def _float(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _float(value) for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(map(_float, x))
    if isinstance(x, int) and not isinstance(x, bool):
        return float(x)
    if isinstance(x, np.ndarray) and x.dtype.kind in "iu":
        return x.astype(float)
    return x
