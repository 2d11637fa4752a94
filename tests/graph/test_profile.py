"""graph.profile(): where the time and the bytes go."""

import sys
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import ShapeMismatch, TypeMismatch
from wengert.graph.graph import CONSTANT, INPUT, PART

A = np.linspace(-1.0, 1.0, 400 * 400).reshape(400, 400)


def heavy(a: Any) -> Any:
    product = a @ a
    with wg.scope("light"):
        small = a[0] + 1.0
    return np.sum(np.exp(product)) + np.sum(small)


def test_a_row_per_operation_and_a_line_per_line() -> None:
    graph = wg.trace(heavy, A)
    p = graph.profile(A, repeat=3)
    nodes = [n for n in graph.nodes if n.op not in (INPUT, CONSTANT, PART)]
    assert [r.node for r in p.rows] == nodes
    assert [r.op for r in p.rows] == [n.op.name for n in nodes]
    assert {r.line for r in p.rows} == {x.line for x in p.lines}
    assert sum(x.operations for x in p.lines) == len(p.rows)
    assert sum(x.bytes for x in p.lines) == p.bytes == sum(r.bytes for r in p.rows)
    assert sum(x.seconds for x in p.lines) == pytest.approx(p.seconds)
    seconds = [x.seconds for x in p.lines]
    assert seconds == sorted(seconds, reverse=True)
    assert {r.scope for r in p.rows} == {"", "light"}


def test_the_dear_operation_comes_first() -> None:
    p = wg.trace(heavy, A).profile(A)
    assert {r.op for r in p.top(2)} == {"matmul", "exp"}
    assert p.top(1)[0] == max(p.rows, key=lambda r: r.seconds)
    assert all(r.seconds >= 0.0 for r in p.rows)


def test_the_rows_add_up_to_seconds_and_all_were_timed() -> None:
    """How near that is to an evaluation depends on the machine, so it isn't tested."""
    graph = wg.trace(lambda a: np.sum(np.exp(np.sin(a) * np.cos(a))), A)
    p = graph.profile(A, repeat=2)
    assert p.seconds == pytest.approx(sum(r.seconds for r in p.rows))
    assert all(r.seconds > 0 for r in p.rows if r.op not in ("input", "constant"))
    assert p.evaluation > 0


def test_bytes_are_those_of_results_and_views_have_none() -> None:
    graph = wg.trace(lambda a: np.exp(a.T)[0] + np.where(a[0] > 0, 1.0, 2.0), A)
    sizes = {r.op: r.bytes for r in graph.profile(A, repeat=1).rows}
    assert sizes["transpose"] == sizes["index"] == 0
    assert sizes["exp"] == A.nbytes
    assert sizes["where"] == sizes["add"] == A[0].nbytes
    assert sizes["greater"] == 400


def test_the_peak_counts_what_is_held_together() -> None:
    def chain(a: Any) -> Any:
        for _ in range(10):
            a = np.sin(a)
        return a

    p = wg.trace(chain, A).profile(A, repeat=1)
    assert p.bytes == 10 * A.nbytes
    assert p.peak == 2 * A.nbytes


def test_several_results_and_derivatives() -> None:
    def f(x: Any) -> Any:
        w, v = np.linalg.eigh(x @ x.T)
        return np.sum(w * v[0] ** 2)

    graph = wg.trace(wg.grad(f), A[:5, :5] + np.eye(5))
    p = graph.profile(A[:5, :5] + np.eye(5), repeat=2)
    (row,) = [r for r in p.rows if r.op == "eigh"]
    assert row.bytes == 5 * 8 + 25 * 8


def test_containers_and_other_dtypes_as_in_a_call() -> None:
    graph = wg.trace(lambda p: p["a"] * 2.0 + p["b"], {"a": np.ones(3), "b": 1.0})
    assert len(graph.profile({"a": np.ones(3, np.float32), "b": 2.0}).rows) == 2
    with pytest.raises(ShapeMismatch, match="shape"):
        graph.profile({"a": np.ones(4), "b": 2.0})


def test_wrong_use_is_refused() -> None:
    graph = wg.trace(np.sin, 1.0)
    with pytest.raises(TypeMismatch, match="repeat=0"):
        graph.profile(1.0, repeat=0)
    with pytest.raises(TypeMismatch, match="traced"):
        wg.grad(lambda x: graph.profile(x) and x)(1.0)


def test_the_table_with_rich() -> None:
    pytest.importorskip("rich")
    text = str(wg.trace(heavy, A).profile(A, repeat=1))
    assert text.startswith("heavy: ")
    assert "product = a @ a" in text
    assert "matmul" in text
    assert "┃" in text
    assert max(map(len, text.splitlines())) <= 110


def test_a_plain_table_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [m for m in sys.modules if m.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    text = str(wg.trace(heavy, A).profile(A, repeat=1))
    assert "┃" not in text
    assert "product = a @ a" in text
    heads = [s.split() for s in text.splitlines() if s.lstrip().startswith("time")]
    assert heads == [
        ["time", "share", "bytes", "count", "line"],
        ["time", "share", "bytes", "name", "operation"],
    ]


def test_brackets_in_a_line_are_no_markup() -> None:
    pytest.importorskip("rich")
    graph = wg.trace(lambda d: d["[bold]"] * 2.0, {"[bold]": 1.0})
    assert "[bold]" in str(graph.profile({"[bold]": 1.0}))


def test_many_lines_are_summed_up() -> None:
    text = "\n".join(f"    x = x + {k}.0" for k in range(40))
    space: dict[str, Any] = {}
    exec(compile(f"def f(x):\n{text}\n    return x\n", "made.py", "exec"), space)
    p = wg.trace(space["f"], 1.0).profile(1.0)
    assert len(p.lines) == 40
    assert "(25 more lines)" in str(p)


def test_an_empty_graph_has_no_rows() -> None:
    p = wg.trace(lambda x: x, 1.0).profile(1.0)
    assert p.rows == ()
    assert p.seconds == 0
    assert str(p)
    assert "Profile" in repr(p)


def test_profile_keeps_arguments_and_results_apart() -> None:
    a = A.copy()
    wg.trace(heavy, A).profile(a)
    np.testing.assert_array_equal(a, A)
