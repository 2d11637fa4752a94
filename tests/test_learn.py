"""The course in docs/learn: whole, and with exercises that tell right from wrong.

That its examples run and print what they say is tested with all other pages, in
test_docs.py.
"""

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.show import network

LEARN = Path(__file__).resolve().parent.parent / "docs" / "learn"
PAGES = sorted(LEARN.glob("[0-9]*.md"))
pytestmark = pytest.mark.skipif(not LEARN.exists(), reason="an installed package")


def answers_to_page_10() -> list[Any]:
    return [
        lambda x: x * x,  # can be traced
        lambda x: 1.0 if x > 0 else x,  # has no slope
        lambda x: float(x) if x > 0 else x,  # not for wg.grad either
    ]


# Answers that a student may well give, none of which is right.
WRONG: dict[str, list[Any]] = {
    "README.md": [5, None],
    "01": [(12.0, 12.0), (8.0, -8.0), (12.0, 3.0)],
    "02": [
        [],
        ["x1", "x2", "x3", "total", "cosine", "sine", "result"],
        ["x1", "x2", "total", "sine", "cosine", "squared", "x3", "result"],
        ["x1", "x2", "x2", "total", "cosine", "sine", "squared", "x3", "result"],
    ],
    "03": [
        lambda a, b, c: 1.0,
        lambda a, b, c: -2 * np.sin(np.cos(a + b)) * np.sin(a + b),
        lambda a, b, c: (
            2 * np.sin(np.cos(a + b)) * np.cos(np.cos(a + b)) * np.sin(a + b)
        ),
    ],
    "04": [(4.0, 8.0, -4.0), (8.0, 8.0, 4.0), (8.0, 4.0, -4.0), (0.0, 0.0, 0.0)],
    "05": [
        lambda y, y_bar, x: y_bar / y,
        lambda y, y_bar, x: 1 / (2 * y),
        lambda y, y_bar, x: np.sum(y_bar / (2 * y)),
        lambda y, y_bar, x: y_bar / (2 * x),
    ],
    "06": [(1.0, 4.0, 4.0, 12.0), (1.0, 0.25, 0.75, 0.75), (1.0, 0.25, 0.25, 0.25)],
    "07": [
        lambda w, x, y: 2 * w,
        lambda w, x, y: 2 * x * (w * x - y),
        lambda w, x, y: 2 * w * (w * x - y),
    ],
    "08": [
        lambda f: wg.grad(wg.grad(wg.grad(f))),
        lambda f: lambda x: wg.grad(wg.grad(f))(x) / 6,
        lambda f: lambda x: 1 / 6,
    ],
    "09": [0.01, 1e-4, 1e-12, 0.0, -1e-8],
    "10": answers_to_page_10(),
    "11": [
        lambda s, signs: s - signs,
        lambda s, signs: 2 * (s - signs),
        lambda s, signs: 2 * (s + signs) / len(s),
        lambda s, signs: np.mean(2 * (s - signs)),
    ],
}


def key(page: Path) -> str:
    return page.name if page.name == "README.md" else page.name[:2]


def run(text: str) -> dict[str, Any]:
    """The names that the examples of a page leave behind."""
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    test = doctest.DocTestParser().get_doctest("".join(blocks), {}, "page", None, 0)
    runner = doctest.DocTestRunner(
        verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    said: list[str] = []
    with np.errstate(all="warn"):
        runner.run(test, out=said.append, clear_globs=False)
    assert not said, "".join(said)
    return test.globs


def test_there_are_eleven_pages_and_wrong_answers_for_each() -> None:
    assert [key(p) for p in PAGES] == [f"{i:02d}" for i in range(1, 12)]
    assert set(WRONG) == {key(p) for p in PAGES} | {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=key)
def test_a_page_has_its_parts(page: Path) -> None:
    text = page.read_text("utf-8")
    title, question, *_ = text.split("\n\n")
    assert title.startswith(f"# {int(key(page))}. ")
    assert question.startswith("> ")
    assert question.endswith("?")
    assert re.search(r"^\|---", text, re.M), "a table"
    lesson, exercise = text.split("\n## Exercise\n")
    assert lesson.count(">>>") >= 3
    told, solution = exercise.split("<details><summary>A solution</summary>\n\n")
    assert "def check(answer):" in told
    assert "\n'right'\n" not in told
    assert re.search(r">>> check\(.*\)\n'right'\n", solution)
    assert solution.count("</details>") == 1


@pytest.mark.parametrize("page", [LEARN / "README.md", *PAGES], ids=key)
def test_the_exercise_tells_right_from_wrong(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The solution's own `check(…)` is an example that prints 'right'."""
    monkeypatch.chdir(tmp_path)  # page 11 writes a file
    names = run(page.read_text("utf-8"))
    for answer in WRONG[key(page)]:
        said = names["check"](answer)
        assert said.startswith("not yet: "), (answer, said)
        assert len(said) > 15


def test_the_index_names_every_page_in_order() -> None:
    index = (LEARN / "README.md").read_text("utf-8")
    assert re.findall(r"^\| \[\d+\. .*?\]\((.*?)\)", index, re.M) == [
        p.name for p in PAGES
    ]


@pytest.mark.parametrize("page", [LEARN / "README.md", *PAGES], ids=key)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)
    ):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve()
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.M)
            assert anchor in {h.lower().replace(" ", "-") for h in heads}


def test_each_page_leads_to_the_next() -> None:
    for page, following in zip(PAGES, [*PAGES[1:], LEARN / "README.md"], strict=True):
        assert f"({following.name}" in page.read_text("utf-8").split("</details>")[1]


def test_the_pictures_are_what_the_code_draws() -> None:
    params = network.start(np.random.default_rng(0))
    for name, draw in (
        ("neurons", network.draw_neurons),
        ("operations", network.draw_operations),
    ):
        kept = (LEARN / f"network-{name}.svg").read_text("utf-8")
        assert kept == draw(params) + "\n", f"draw network-{name}.svg anew"


def test_the_walk_on_page_11_is_compared_with_the_real_gradient(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (LEARN / "11-a-network-by-hand.md").read_text("utf-8")
    wrong = text.replace("h_bar * (1 - h ** 2)", "h_bar * (1 - h)")
    assert wrong != text
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="Expected"):
        run(wrong)
