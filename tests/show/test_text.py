"""The text: the lecture's passes word for word, and the shape of everything else."""

import re
import sys
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.show import text

LECTURE = """\
lecture at w = 1, x = 2, y = 3

Forward pass, in topological order:
  w = 1
  x = 2
  y = 3
  l0 = w * x = 2     # 1 · 2 = 2
  l1 = l0 - y = −1     # 2 − 3 = −1
  l2 = l1**2 = 1     # (−1)² = 1
  l3 = w**2 = 1     # 1² = 1
  l4 = l2 + l3 = 2     # 1 + 1 = 2

Backward pass, in reverse topological order:
  l4.grad = 1
  l2.grad += l4.grad * 1     # 0 + 1·1 = 1
  l3.grad += l4.grad * 1     # 0 + 1·1 = 1
  w.grad += l3.grad * 2*w     # 0 + 1·2 = 2
  l1.grad += l2.grad * 2*l1     # 0 + 1 · (−2) = −2
  l0.grad += l1.grad * 1     # 0 + (−2)·1 = −2
  y.grad += l1.grad * -1     # 0 + (−2) · (−1) = 2
  w.grad += l0.grad * x     # 2 + (−2)·2 = −2
  x.grad += l0.grad * w     # 0 + (−2)·1 = −2

Gradient:
  w.grad = 2 + (−4) = −2     # sum over 2 paths
  x.grad = −2
  y.grad = 2"""

FORWARD = """\
Forward mode, sweep by w:
  dw = 1
  dl0 = dw * x + w * dx = 2     # 1·2 + 1·0 = 2
  dl1 = dl0 - dy = 2     # 2 − 0 = 2
  dl2 = dl1 * 2*l1 = −4     # 2 · (−2) = −4
  dl3 = dw * 2*w = 2     # 1·2 = 2
  dl4 = dl2 + dl3 = −2     # (−4) + 2 = −2
"""

COUNTS = (
    "Multiplications by local derivatives: 6 in forward mode (3 sweeps), "
    "4 in reverse mode (one backward pass)."
)


def lecture(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2 + w**2


def test_the_lecture_word_for_word() -> None:
    why = wg.explain(lecture, 1.0, 2.0, 3.0)
    assert why.render("reverse") == LECTURE
    assert why.text.startswith(LECTURE)
    assert str(why) == why.text


def test_the_issue_s_lines_are_there_to_the_letter() -> None:
    lines = [
        "l0 = w * x = 2",
        "l1.grad += l2.grad * 2*l1     # 0 + 1 · (−2) = −2",
        "x.grad += l0.grad * w",
        "w.grad += l0.grad * x     # 2 + (−2)·2 = −2",
    ]
    found = wg.explain(lecture, 1.0, 2.0, 3.0).text
    for line in lines:
        assert re.search(rf"^  {re.escape(line)}", found, re.M), line


def test_forward_mode_beside_it() -> None:
    why = wg.explain(lecture, 1.0, 2.0, 3.0)
    assert FORWARD in why.text
    assert COUNTS in why.text
    assert FORWARD in why.render("forward")
    assert "Backward" not in why.render("forward")
    assert "Forward mode" not in why.render("reverse")


def test_comparisons_beside_it() -> None:
    pytest.importorskip("sympy")
    found = wg.explain(lecture, 1.0, 2.0, 3.0).text
    assert "symbolic   2*w + 2*x*(w*x - y) = −2     # error 0" in found
    assert re.search(r"numerical  −2     # error \d\.\de−1\d", found)
    assert "Error of (f(w + h) − f(w))/h, step by step size:" in found
    assert len(re.findall(r"^  h = ", found, re.M)) > 8


def test_second_order_in_text() -> None:
    found = wg.explain(lecture, 1.0, 2.0, 3.0, order=2).render("reverse")
    assert "  w_bar = g1 + g3 = −2\n" in found
    assert "  w.grad += l0.grad * x     # 2 + 4·2 = 10\n" in found
    assert "  ∂w_bar/∂x = 2\n" in found


def test_local_functions_are_announced() -> None:
    def square(v: Any) -> Any:
        return v * v

    def f(x: Any) -> Any:
        return square(x) + x

    assert "  in square:\n  l0 = v" not in wg.explain(f, 2.0).text
    assert (
        "  in square:\n  l0 = x * x = 4     # 2 · 2 = 4\n  in f:\n  l1 = l0 + x = 6"
        in wg.explain(f, 2.0).text
    )


def test_arrays_in_text() -> None:
    found = wg.explain(lambda A, β: np.sum(A @ β), np.eye(2), np.ones(2)).text
    assert "  l0 = A @ β = [1, 1]     # (2, 2), (2,) → (2,)\n" in found
    assert "  l1 = sum(l0) = 2     # sum([1, 1]) = 2; (2,) → a number\n" in found
    assert "  A.grad += l0.grad ⊗ β     # 0 + [[1, 1], [1, 1]] = " in found
    assert "  dl0 = dA @ β + A @ dβ = [1, 0]\n" in found
    assert "Forward mode, other sweeps:\n  by A[1, 1]: dl1 = 1\n" in found


def test_large_arrays_are_summarised() -> None:
    found = wg.explain(lambda x: np.sum(x * 2.0), np.arange(1000.0)).text
    assert "  x = shape (1000,), 0 … 999, mean 499.5\n" in found
    assert max(map(len, found.splitlines())) < 220


def test_long_programs_are_cut() -> None:
    def f(x: Any) -> Any:
        for _ in range(500):
            x = x + 1.0
        return x

    assert "lines left out …" in wg.explain(f, 1.0).text


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(wg.WengertError, match="'both', 'forward' or 'reverse'"):
        wg.explain(lecture, 1.0, 2.0, 3.0).render("sideways")


def test_plain_where_no_terminal_reads(capsys: pytest.CaptureFixture[str]) -> None:
    why = wg.explain(lecture, 1.0, 2.0, 3.0)
    why.show("reverse")
    assert capsys.readouterr().out == LECTURE + "\n"


def test_colours_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    wg.explain(lecture, 1.0, 2.0, 3.0).show("reverse")
    shown = capsys.readouterr().out
    assert "\x1b[" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == LECTURE + "\n"


def test_every_mode_is_listed() -> None:
    assert text.MODES == ("both", "forward", "reverse")
