"""`wengert explain`: formulas, functions in files, values, errors, files written."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert import cli

MODEL = """\
import numpy as np
from beside import SCALE


def loss(p, x, y, power: int = 2, how="mean"):
    hidden = np.tanh(p["A"] @ x + p["b"])
    reduce = np.mean if how == "mean" else np.sum
    total = SCALE * reduce((hidden - y) ** power)
    return total


class Model:
    @staticmethod
    def square(x):
        return x * x


def broken(x):
    return {}["nothing"]


def two(x):
    return x, x * x


def plain(x):
    return 3.0
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "explained_model.py").write_text(MODEL, "utf-8")
    (tmp_path / "beside.py").write_text("SCALE = 2.0\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["explain", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "(w*x - y)**2 + w**2", "w=1", "x=2", "y=3")
    assert (status, err) == (0, "")
    assert out.startswith("(w*x - y)**2 + w**2 at w = 1, x = 2, y = 3\n")
    for line in (
        "  l0 = w * x = 2     # 1 · 2 = 2",
        "  l1.grad += l2.grad * 2*l1     # 0 + 1 · (−2) = −2",
        "  w.grad += l0.grad * x     # 2 + (−2)·2 = −2",
        "  x.grad += l0.grad * w     # 0 + (−2)·1 = −2",
        "  dl0 = dw * x + w * dx = 2     # 1·2 + 1·0 = 2",
    ):
        assert line in out.splitlines()


def test_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "wengert", "explain", "x*x", "x=3"],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "  x.grad = 3 + 3 = 6     # sum over 2 paths" in done.stdout


def test_modes_and_order(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "x**3", "x=2", "--mode", "reverse", "--order", "2")
    assert "Forward mode" not in out
    assert "  ∂x_bar/∂x = 12" in out
    _, out, _ = run(capsys, "x**3", "x=2", "--mode", "forward")
    assert "Backward" not in out
    assert "  dl0 = dx * 3*x**2 = 12     # 1·12 = 12" in out


def test_a_function_in_a_file(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    np.save("x.npy", np.array([0.5, -0.5]))
    status, out, err = run(
        capsys, "explained_model.py:loss", "p={'A': [[1, 2], [3, 4]], 'b': [0, 1]}",
        "x=@x.npy", "y=[0.1, 0.2]",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert out.startswith("loss at p['A'] = [[1, 2], [3, 4]], p['b'] = [0, 1], ")
    assert "  hidden = tanh(" in out
    assert "  total = 2 * " in out
    assert "power = 2" in out  # a constant: annotated as int
    assert "counts as constant" in out


def test_arguments_that_are_words_stay_words(
    capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    words = ["explained_model.py:loss", "p={'A': [[1.0]], 'b': 0}", "x=[1]", "y=[2]"]
    mean = run(capsys, *words)[1]
    status, total, err = run(capsys, *words, "how='sum'")
    assert (status, err) == (0, "")
    assert "sum(" in total
    assert total != mean


def test_a_method(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    status, out, _ = run(capsys, "explained_model.py:Model.square", "x=2")
    assert status == 0
    assert "x.grad = 2 + 2 = 4" in out


def test_the_page_and_other_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, start in {
        "page.html": "<!doctype html",
        "graph.svg": "<svg",
        "graph.dot": "digraph",
        "story.txt": "x*x at x = 3",
    }.items():
        status, out, err = run(capsys, "x*x", "x=3", "--save", name)
        assert (status, err) == (0, "")
        assert out.endswith(f"Saved: {name}\n")
        assert Path(name).read_text("utf-8").lower().startswith(start)
    assert {p.name for p in tmp_path.iterdir()} == {
        "page.html", "graph.svg", "graph.dot", "story.txt",
    }  # fmt: skip


def test_an_output(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    _, out, _ = run(capsys, "explained_model.py:two", "x=3")
    assert "  x.grad = 1 + 3 + 3 = 7     # sum over 3 paths" in out
    assert "The result has 2 elements" in out
    _, out, _ = run(capsys, "explained_model.py:two", "x=3", "--output", "1")
    assert "  x.grad = 3 + 3 = 6     # sum over 2 paths" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x*y", "x=1"], "add y=1"),
        (["x", "x=1", "q=2"], "a value for q"),
        (["x", "x=one"], "is a number"),
        (["x", "x=[1,[2,3]]"], "is a number"),
        (["x", "x"], "name=value"),
        (["x", "x=1", "x=2"], "given once"),
        (["x", "x=@nothing.npy"], "nothing.npy"),
        (["x @ y", "x=1", "y=2"], "In:   x @ y"),
        (["solve(x, y)", "x=[[0]]", "y=[1]"], "Singular matrix"),
        (["x[7]", "x=[1,2]"], "out of bounds"),
        (["x + open('y')", "x=1"], "at letter 5"),
        (["x*0 + 1", "x=1", "--output", "5"], "counts the 1 elements"),
        (["explained_model.py", "x=1"], "FILE.py:FUNCTION"),
        (["nothing.py:f", "x=1"], "a file that exists"),
        (["explained_model.py:nothing", "x=1"], "a file that defines"),
        (["explained_model.py:loss", "z=1"], "'z'"),
        (["explained_model.py:loss", "x=1"], "none for p, y"),
        (["explained_model.py:broken", "x=1"], "KeyError: 'nothing'"),
        (["explained_model.py:broken", "x=1"], 'return {}["nothing"]'),
        (["explained_model.py:plain", "x=1"], "no float argument leads"),
        (["x", "x=1", "--save", "page.pdf"], ".html, .svg, .dot or .txt"),
        (["x", "x=1", "--save", "no/folder/page.html"], "Came: 'no/folder'"),
        (["x=2"], "the formula comes first, its values behind it"),
        (["explained_model:loss", "x=1"], "written with .py: explained_model.py:loss"),
        (["2x + 1", "x=1"], "2*x for 2x"),
        (["(x + 1)(x)", "x=1"], "a star"),
        (["sin x", "x=1"], "sin(x)"),
        (["sinn(x)", "x=1"], "call sin or sin"),
        (["5*3"], "a name to differentiate by"),
        (["5*3", "x=1"], "it has no names"),
        (["x", "x", "=", "2"], "without spaces, or in quotes"),
        (["x", "x=[1,", "2]"], 'stays whole: "x=[1, 2]"'),
        (["x", "x=a"], "\"x='a'\""),
        (["x", "x=@no.npy"], "@no.npy: No such file or directory\n"),
        (["explained_model.py:los", "x=1"], "write explained_model.py:loss."),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_errors_are_sentences(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    status, _, err = run(capsys, *words)
    assert status == 1
    assert err.startswith("wengert explain: ")
    assert said in err
    assert "Traceback" not in err
    assert "cli.py" not in err


def test_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["x", "--mode", "sideways"], ["x", "--order", "3"], []):
        with pytest.raises(SystemExit) as end:
            cli.main(["explain", *words])
        assert end.value.code == 2
        capsys.readouterr()


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert "explain" in out
    assert "check" in out
    with pytest.raises(SystemExit):
        cli.main(["explain", "--help"])
    assert (
        'wengert explain "(w*x - y)**2 + w**2" w=1 x=2 y=3' in capsys.readouterr().out
    )


# The object -------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = wg.explain(lambda x: x * x, 2.0)
    target = tmp_path / "page.html"
    target.write_text("before", "utf-8")

    def fails(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="No space"):
        why.save(target)
    assert target.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_notebook_gets_the_page_in_a_frame() -> None:
    shown = wg.explain(lambda x: x * x, 2.0)._repr_html_()
    assert shown.startswith("<iframe")
    assert "sandbox=" in shown
    assert "<script" not in shown.removeprefix("<iframe")  # escaped, inside srcdoc


def test_repr_and_names() -> None:
    why = wg.explain(lambda x: x * x, 2.0)
    assert repr(why).startswith("<Explanation of function: 1 operations, 3 steps back")
    assert isinstance(why, wg.Explanation)
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        wg.explian  # type: ignore[attr-defined]


def test_import_stays_light() -> None:
    code = (
        "import sys, wengert; "
        "print([m for m in sys.modules if m.startswith('wengert.show')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
