"""Every example in the documentation runs and prints what it says.

Fenced ```python blocks with `>>>` in README.md and docs/, one namespace per page, and
the examples of every public docstring, one namespace each.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
_BLOCK = re.compile(r"^( *)```(?:python|pycon|py)[^\n]*\n(.*?)^\1```", re.S | re.M)


def examples(page: Path) -> list[doctest.Example]:
    """The examples of a page in order, each with its line there."""
    text = page.read_text("utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        if ">>>" not in block[2]:
            continue
        first = text.count("\n", 0, block.start(2))
        for example in doctest.DocTestParser().get_examples(block[2], str(page)):
            example.lineno += first
            found.append(example)
    return found


def check(
    cases: list[doctest.Example],
    names: dict[str, Any],
    name: str,
    file: str,
    line: int = 0,
) -> None:
    report: list[str] = []
    test = doctest.DocTest(cases, names, name, file, line, None)
    with np.printoptions(legacy=False), np.errstate(all="warn"):
        doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(
            test, out=report.append
        )
    assert not report, "".join(report)


PAGES_WITH_EXAMPLES = [p for p in PAGES if examples(p)]


@pytest.mark.parametrize(
    "page", PAGES_WITH_EXAMPLES, ids=lambda p: str(p.relative_to(ROOT))
)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write a file
    check(examples(page), {}, page.name, str(page))


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="an installed package")
def test_the_readme_has_examples() -> None:
    assert examples(ROOT / "README.md")


def modules() -> Iterator[Any]:
    """Every module of the package that needs no optional package."""
    yield wengert
    for found in pkgutil.walk_packages(wengert.__path__, "wengert."):
        if found.name.split(".")[1] in ("demo", "cli", "__main__", "integrations"):
            continue
        yield importlib.import_module(found.name)


def documented() -> list[tuple[str, Any]]:
    """Functions, classes and methods whose docstring has an example, each once."""
    found: dict[int, tuple[str, Any]] = {}
    for module in modules():
        things: list[tuple[str, Any]] = [(module.__name__, module)]
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            things.append((f"{module.__name__}.{name}", value))
            if inspect.isclass(value):
                things += [(f"{module.__name__}.{name}.{k}", v)
                           for k, v in vars(value).items()]  # fmt: skip
        for name, thing in things:
            thing = thing.fget if isinstance(thing, property) else thing
            thing = getattr(thing, "__func__", thing)
            if not (
                inspect.isroutine(thing) or inspect.isclass(thing) or thing is module
            ):
                continue
            if getattr(thing, "__module__", "wengert") == "builtins":
                continue  # `int`, as an enumeration keeps it
            if ">>>" in (inspect.getdoc(thing) or ""):
                found.setdefault(id(thing), (name, thing))
    return list(found.values())


DOCUMENTED = documented()


@pytest.mark.parametrize(("name", "thing"), DOCUMENTED, ids=[n for n, _ in DOCUMENTED])
def test_docstring(name: str, thing: Any) -> None:
    names = {"np": np, "wg": wengert, "wengert": wengert}
    names.update((public, getattr(wengert, public)) for public in wengert.__all__)
    home = thing if inspect.ismodule(thing) else inspect.getmodule(thing)
    names.update(vars(home))
    cases = doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "", name)
    assert cases
    check(cases, names, name, inspect.getsourcefile(home) or name)


@pytest.mark.parametrize("name", [n for n in wengert.__all__ if n.islower()])
def test_public_functions_have_an_example(name: str) -> None:
    thing = getattr(wengert, name)
    if inspect.isfunction(thing):
        assert thing.__doc__, name
        assert ">>>" in thing.__doc__, f"wengert.{name} has no example"


def test_a_wrong_example_is_noticed() -> None:
    case = doctest.DocTestParser().get_examples(">>> 1 + 1\n3\n")
    with pytest.raises(AssertionError, match="Expected"):
        check(case, {}, "wrong", "wrong")
