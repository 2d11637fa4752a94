"""The command `wengert`: what it prints, what it refuses, and that it learns."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import wengert as wg
from wengert import cli
from wengert.demo import digits, lecture

LECTURE = """\
Forward pass, in topological order:
  w  = 1
  x  = 2
  y  = 3
  l0 = w·x = 1·2 = 2
  l1 = l0 − y = 2 − 3 = −1
  l2 = l1² = (−1)² = 1
  l3 = w² = 1² = 1
  l4 = l2 + l3 = 1 + 1 = 2

Backward pass, in reverse topological order:
  l4.grad = 1
  l2.grad += l4.grad * 1      # 0 + 1·1 = 1
  l3.grad += l4.grad * 1      # 0 + 1·1 = 1
  w.grad += l3.grad * 2*w     # 0 + 1·2 = 2
  l1.grad += l2.grad * 2*l1   # 0 + 1·(−2) = −2
  l0.grad += l1.grad * 1      # 0 + (−2)·1 = −2
  y.grad += l1.grad * -1      # 0 + (−2)·(−1) = 2
  w.grad += l0.grad * x       # 2 + (−2)·2 = −2
  x.grad += l0.grad * w       # 0 + (−2)·1 = −2

wg.grad says (−2, −2, 2).
"""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"wengert {wg.__version__}\n"


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "wengert", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"wengert {wg.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["explode"], "invalid choice: 'explode'"),
        (["demo", "--epochs", "0"], "a whole number of at least 1; came: '0'"),
        (["demo", "--epochs", "many"], "a whole number of at least 1; came: 'many'"),
        (["demo", "--seed", "-1"], "a whole number of at least 0; came: '-1'"),
        (["demo", "--out", "loss.doc"], "ending in .pdf, .png, .svg; came: 'loss.doc'"),
        (["demo", "--out", "no/where/a.png"], "a folder that exists; came: 'no/where'"),
        (["demo", "--network", "a.pdf"], "ending in .htm, .html; came: 'a.pdf'"),
        (["demo", "--network", "no/a.html"], "a folder that exists; came: 'no'"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_is_no_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SystemExit):
        cli.main(["demo", "--out", str(tmp_path / "folder.png")])
    assert "cannot write" in capsys.readouterr().err


def test_missing_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "rich" else find(name)
    )
    assert cli.main(["demo"]) == 1
    said = capsys.readouterr().err
    assert "needs rich" in said
    assert "pip install 'wengert[demo]'" in said
    assert "./run" in said


def test_ctrl_c_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(epochs: int, seed: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(digits, "run", interrupted)
    assert cli.main(["demo"]) == 130
    assert "wengert: stopped" in capsys.readouterr().err


def test_demo_learns_the_digits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a picture.png"
    assert cli.main(["demo", "--epochs", "10", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert LECTURE in said
    accuracy = float(said.split("Test accuracy: ")[1].split("%")[0])
    assert accuracy >= 95.0
    error = float(said.split("relative error ")[1].split()[0])
    assert error < 1e-7
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_network_learns_on_a_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Needs none of what the digits need.
    monkeypatch.setattr(cli, "DEMO_NEEDS", {"no_such_module": "no-such-package"})
    page = tmp_path / "page.html"
    assert cli.main(["demo", "--network", str(page), "--seed", "2"]) == 0
    said = capsys.readouterr().out
    assert f"Open in a browser: {page}" in said
    assert float(said.split("% right")[0].split()[-1]) > 97
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_one_seed_one_result() -> None:
    first, second = (digits.run(epochs=1, seed=3) for _ in range(2))
    assert first.losses == second.losses


def test_lecture_sums_over_paths() -> None:
    def f(a: float, b: float) -> float:
        return a * a + a * b - a / b

    done = lecture.passes(wg.trace(f, 3.0, 2.0), 3.0, 2.0)
    assert done.grads["a"] == pytest.approx(2 * 3 + 2 - 1 / 2)
    assert done.grads["b"] == pytest.approx(3 + 3 / 4)
    assert sum(line.startswith("a.grad") for line in done.backward) == 4


def test_lecture_writes_what_it_has_no_formula_for() -> None:
    import numpy as np

    done = lecture.passes(wg.trace(lambda a: np.arctan(a), 1.0), 1.0)
    assert "l0 = arctan(a) = arctan(1) = 0.785398" in done.forward
    assert done.backward[1] == "a.grad += l0.grad * ∂l0/∂a   # 0 + 1·0.5 = 0.5"


def test_lecture_leaves_unused_inputs_at_zero() -> None:
    done = lecture.passes(wg.trace(lambda a, b: a * 2.0, 1.0, 1.0), 1.0, 1.0)
    assert done.grads == {"a": 2.0, "b": 0.0, "l0": 1.0}
