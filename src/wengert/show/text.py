"""A story in plain text, and in colours on a terminal."""

import importlib.util
import math
import re
import sys
from collections.abc import Iterator

from wengert.core.errors import ShapeMismatch
from wengert.core.errors import explain as sentence
from wengert.show import compiled
from wengert.show.story import BackwardStep, Check, NodeStory, Story

MODES = ("both", "forward", "reverse")
_GAP = " " * 5  # before a remark
_CURVE = 9  # points of an error curve that are written
_SWEEPS = 3  # that are written in full
_LINES = 400  # of one section


def render(story: Story, mode: str = "both") -> str:
    """The text of one mode or both."""
    if mode not in MODES:
        raise ShapeMismatch(
            sentence("mode is 'both', 'forward' or 'reverse'.", repr(mode), "pick one.")
        )
    sections = [_head(story), _forward(story)]
    if mode != "forward":
        sections.append(_section("Backward pass, in reverse topological order:",
                                 _backward(story["backward"])))  # fmt: skip
        sections.append(_gradients(story))
        if story["second"]:
            sections += _second(story)
    if mode != "reverse":
        sections += _sweeps(story)
    if mode == "both":
        sections += [_counts(story), *_checks(story)]
        sections += compiled.sections(story["compiled"])
    sections += [["Note: " + note] for note in story["notes"]]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _head(story: Story) -> list[str]:
    inputs = [n for n in story["nodes"] if _is_argument(n)]
    at = ", ".join(f"{n['name']} = {n['value']['text']}" for n in inputs)
    return [f"{story['title']} at {at}"] if at else [story["title"]]


def _is_argument(node: NodeStory) -> bool:
    return node["op"] == "input"


def _section(title: str, lines: list[str]) -> list[str]:
    left_out = len(lines) - _LINES
    if left_out > 0:
        half = _LINES // 2
        gap = f"… {left_out} lines left out …"
        lines = [*lines[:half], gap, *lines[-half:]]
    return [title, *(f"  {line}" for line in lines)] if lines else []


def _remark(left: str, right: str) -> str:
    return f"{left}{_GAP}# {right}" if right else left


def _forward(story: Story) -> list[str]:
    nodes = story["nodes"]
    lines = [
        f"{n['name']} = {n['value']['text']}"
        for n in nodes
        if _is_argument(n) or (n["op"] == "constant" and n["shape"])
    ]
    group = ""
    for step in story["forward"]:
        node = nodes[step["node"]]
        if node["group"] != group:
            group = node["group"]
            lines.append(f"in {group or story['title']}:")
        value = node["value"]
        told = f"{step['text']} = {value['text']}"
        lines.append(_remark(told, _without_result(step["numbers"], value["text"])))
    return _section("Forward pass, in topological order:", lines)


def _without_result(numbers: str, result: str) -> str:
    """Arrays are written once: only their shapes are left of the numbers."""
    if result.startswith(("[", "shape", "empty")):
        return numbers.rpartition("; ")[2] if "→" in numbers else ""
    return numbers


def _backward(steps: list[BackwardStep]) -> list[str]:
    lines = []
    for step in steps:
        numbers = step["numbers"]
        lines.append(_remark(step["text"], numbers))
    return lines


def _gradients(story: Story) -> list[str]:
    """The result, with sums over paths written as sums."""
    lines = []
    for node in story["nodes"]:
        if node["role"] != "input":
            continue
        parts = [s["contribution"]["text"] for s in story["backward"]
                 if s["to"] == node["id"]]  # fmt: skip
        result = node["adjoint"]["text"] if node["adjoint"] else "0"
        sums = " + ".join(p if not p.startswith("−") else f"({p})" for p in parts)
        short = len(parts) > 1 and len(sums) <= 60
        told = f"{sums} = {result}" if short else result
        remark = f"sum over {len(parts)} paths" if len(parts) > 1 else ""
        lines.append(_remark(f"{node['name']}.grad = {told}", remark))
    return ["Gradient:", *(f"  {line}" for line in lines)]


def _sweeps(story: Story) -> list[list[str]]:
    """The first few in full, of the others the result."""
    sections = []
    ends = []
    for k, sweep in enumerate(story["sweeps"]):
        name = story["nodes"][sweep["input"]]["name"]
        element = f"[{', '.join(map(str, sweep['element']))}]"
        which = f"{name}{element}" if sweep["element"] else name
        if k >= _SWEEPS:
            last = sweep["steps"][-1]
            told = f"d{story['nodes'][last['node']]['name']} = {last['value']['text']}"
            ends.append(f"by {which}: {told}")
            continue
        lines = []
        for step in sweep["steps"]:
            result = step["value"]["text"]
            if not step["numbers"]:
                lines.append(step["text"])
                continue
            known = step["numbers"] == result
            left = f"{step['text']} = {result}"
            lines.append(_remark(left, "" if known else step["numbers"]))
        sections.append(_section(f"Forward mode, sweep by {which}:", lines))
    return [*sections, _section("Forward mode, other sweeps:", ends)]


def _counts(story: Story) -> list[str]:
    counts = story["counts"]
    sweeps = f"{counts['sweeps']} sweep{'s' * (counts['sweeps'] != 1)}"
    return [
        "Multiplications by local derivatives: "
        f"{counts['forward_mode']} in forward mode ({sweeps}), "
        f"{counts['reverse_mode']} in reverse mode (one backward pass)."
    ]


def _checks(story: Story) -> Iterator[list[str]]:
    lines = []
    for check in story["checks"]:
        lines += _check(story["nodes"][check["input"]]["name"], check)
    yield _section("Automatic, numerical and symbolic:", lines)
    curve = next((c for c in story["checks"] if any(e for _, e in c["curve"])), None)
    if curve:
        node = story["nodes"][curve["input"]]
        name = node["name"]
        what = f"(f({name} + h) − f({name}))/h"
        if node["shape"]:
            what = f"the one-sided difference by an element of {name}"
        title = f"Error of {what}, step by step size:"
        yield _section(title, _curve(curve["curve"]))


def _check(name: str, check: Check) -> list[str]:
    lines = [f"{name}.grad = {check['automatic']['text']}"]
    if check["numerical"]:
        told = f"  numerical  {check['numerical']['text']}"
        lines.append(_remark(told, _error(check["error_numerical"])))
    if check["symbolic"] and check["symbolic_value"]:
        told = f"  symbolic   {check['symbolic']} = {check['symbolic_value']['text']}"
        lines.append(_remark(told, _error(check["error_symbolic"])))
    return lines


def _error(error: float | None) -> str:
    if not error:
        return "" if error is None else "error 0"
    return f"error {error:.1e}".replace("-", "−")


def _curve(points: list[list[float]]) -> list[str]:
    """Every few points, with a bar as long as the error's exponent is high."""
    every = max(1, len(points) // (_CURVE - 1))
    lines = []
    for step, error in points[::every]:
        digits = 0 if error <= 1e-17 else min(17.0, max(0.0, 17 + _exponent(error)))
        bar = "▇" * round(digits)
        told = f"h = {step:.0e}   {error:.1e}".replace("-", "−")
        lines.append(f"{told}   {bar}".rstrip())
    return lines


def _exponent(x: float) -> float:
    return math.log10(x)


def _second(story: Story) -> list[list[str]]:
    second = story["second"]
    assert second is not None
    lines = [
        f"{n['name']} = {n['expression']} = {n['value']['text']}"
        for n in second["nodes"]
        if n["expression"]
    ]
    back = _backward(second["backward"])
    rows = [
        f"∂{second['of']}_bar/∂{n['name']} = "
        + (n["adjoint"]["text"] if n["adjoint"] else "0")
        for n in second["nodes"]
        if n["role"] == "input"
    ]
    return [
        _section(
            f"Extended graph, whose result {second['of']}_bar is {second['of']}.grad:",
            lines,
        ),
        _section(f"Backward pass from {second['of']}_bar:", back),
        _section("Second derivatives:", rows),
    ]


# Colours --------------------------------------------------------------------------


def show(story: Story, mode: str = "both") -> None:
    """Prints the text; in colours where `rich` is there and a terminal reads."""
    text = render(story, mode)
    if not sys.stdout.isatty() or importlib.util.find_spec("rich") is None:
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    styled = Text(text)
    for pattern, style in _STYLES:
        styled.highlight_regex(pattern, style)
    Console(soft_wrap=True).print(styled)


_STYLES = [
    (re.compile(r"^\S.*:$", re.M), "bold"),
    (re.compile(r" {5}# .*$", re.M), "dim"),
    (re.compile(r"\S+\.grad\b"), "magenta"),
    (re.compile(r"^  \S+(?= = )", re.M), "cyan"),
    (re.compile(r"(?<= = )−?[\d.]\S*$", re.M), "bold green"),
    (re.compile(r"^Note: .*$", re.M), "yellow"),
]
