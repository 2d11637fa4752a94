"""`explain` of a jitted function: what compiling made of it, in all its forms."""

import json
import re
import sys
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.show.compiled import sections
from wengert.show.page import html

x = np.random.default_rng(0).normal(size=(40, 7))
w = np.arange(7.0)


def loss(w, x):
    hidden = np.tanh(x @ w)
    error = (hidden + 0.0) * 1.0 - 1.0
    return np.sum(np.log(1 + np.exp(error * error)))


def compiled(f: Any = loss, *args: Any, **options: Any) -> Any:
    why = wg.explain(wg.jit(f, **options), *(args or (w, x)))
    return why.story()["compiled"]


def test_a_plain_function_has_no_compiled_part():
    why = wg.explain(loss, w, x)
    assert why.story()["compiled"] is None
    assert "Compiled" not in why.text


def test_the_story_goes_through_json_and_has_all_parts():
    story = compiled()
    assert json.loads(json.dumps(story, allow_nan=False)) == story
    assert story["backend"] == "native"
    assert story["seconds"] > 0
    assert story["bytes"] > 100


def test_what_the_passes_did_in_the_names_of_the_story():
    story = compiled()
    graph = wg.trace(loss, w, x)
    after = graph.optimize()
    assert story["before"] == sum(graph.counts().values())
    assert story["after"] == sum(after.counts().values())
    assert [p["before"] for p in story["passes"][1:]] == [
        p["after"] for p in story["passes"][:-1]
    ]
    changes = [c for p in story["passes"] for c in p["changes"]]
    assert "plus_zero: l1 = add(hidden, 0.0)  →  hidden" in changes
    assert any(c.startswith("softplus: ") for c in changes)


def test_steps_have_pseudo_code_with_the_same_names():
    story = compiled()
    kinds = {s["kind"] for s in story["steps"]}
    assert "kernel" in kinds
    rows = [text for s in story["steps"] for text, _ in s["lines"]]
    assert any(re.search(r"\bhidden(\[i\])? = tanh\(", row) for row in rows)
    assert any("error" in row for row in rows)
    beside = {source for s in story["steps"] for _, source in s["lines"]}
    assert any(source.endswith("hidden = np.tanh(x @ w)") for source in beside)


def test_times_are_of_lines_and_add_up():
    story = compiled()
    assert sum(row["share"] for row in story["lines"]) == pytest.approx(1.0)
    total = sum(s["seconds"] for s in story["steps"])
    assert sum(row["seconds"] for row in story["lines"]) == pytest.approx(total)
    shares = [row["share"] for row in story["lines"]]
    assert shares == sorted(shares, reverse=True)
    lines = " ".join(row["line"] for row in story["lines"])
    assert "np.tanh(x @ w)" in lines
    assert "test_compiled.py" in lines


def test_the_dear_line_takes_most_of_the_time():
    def f(x):
        y = x + 1.0
        return np.sum(np.log(np.arctan(np.tanh(np.exp(np.sin(y))))))

    story = compiled(f, np.linspace(0.0, 1.0, 100_000))
    assert "np.arctan" in story["lines"][0]["line"]
    assert story["lines"][0]["share"] > 0.7


def test_host_calls_say_why():
    def f(x):
        return np.sum(np.linalg.pinv(x) * x)

    story = compiled(f, np.eye(4))
    host = [s for s in story["steps"] if s["kind"] == "host"]
    assert host
    assert all(s["why"] for s in host)
    assert all(s["seconds"] > 0 for s in host)


def test_questions_of_python_keep_their_nodes_and_names():
    def f(x):
        total = np.sum(x)
        if total > 0 and np.max(x) < 100:
            return np.sum(x * x)
        return total

    story = compiled(f, np.ones(30))
    text = "\n".join(row for s in story["steps"] for row, _ in s["lines"])
    assert "total += x[i]" in text
    names = re.findall(r"^ *(\w+)(?:\[[^]]*\])? = (?!maximum)", text, re.M)
    assert len(names) == len(set(names))


def test_the_reference_backend_tells_of_the_passes_only():
    story = compiled(loss, w, x, backend="numpy")
    assert story["passes"]
    assert not story["steps"]
    assert "NumPy" in story["notes"][0]


def test_without_llvm_there_is_a_note(monkeypatch: pytest.MonkeyPatch):
    from wengert.native import machine

    machine.binding.cache_clear()
    monkeypatch.setenv("WENGERT_CACHE", "off")  # what is there runs without LLVM
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    try:
        story = compiled()
    finally:
        machine.binding.cache_clear()
    assert not story["steps"]
    assert "pip install llvmlite" in story["notes"][0]


def test_the_text():
    why = wg.explain(wg.jit(loss), w, x)
    part = why.text.partition("Compiled: ")[2]
    assert re.match(r"\d+ operations, \d+ after the passes; \d+ kernels?", part)
    assert "  stabilize: " in part
    assert re.search(r"^kernel 0, [\d.]+ (ns|µs|ms):$", part, re.M)
    assert "Time by line (an estimate" in part
    assert re.search(r"^ +\d+% +[\d.]+ \w+  test_compiled.py:\d+: ", part, re.M)
    assert "Compiled" not in why.render("reverse")
    assert sections(None) == []


def test_the_page_has_the_section_and_plain_pages_hide_it():
    story = dict(wg.explain(wg.jit(loss), w, x).story())
    page = html(story)
    assert 'id="compiled-panel"' in page
    assert "fillCompiled" in page
    hostile = "</script><img src=x onerror=alert(1)>"
    story["compiled"]["steps"][0]["lines"][0] = [hostile, hostile]
    assert hostile not in html(story)
