"""What a diagnosis found, as values and as text for the terminal."""

import textwrap
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

WIDTH = 88
_LABEL = 10

Severity = Literal["fault", "warning", "note"]
_ORDER: dict[str, int] = {"fault": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        kind: what it is in a word or two: "wrong rule", "nan", "kink" …
        severity: "fault" (a wrong or missing number), "warning" (suspicious), "note".
        title: the finding in a sentence.
        op: the op's name, or "" where it is about the whole function.
        step: the operation as print(graph) shows it: `v3 = sqrt(v2)`.
        element: the index of the element, () for a number, None if there is no one.
        argument: the name of the function's argument, where it is about one.
        line: the user's line, as `file.py:12: code`.
        details: further (label, text) pairs.
        do: what to do about it.
        order: which derivative it is about: 1, or 2 for the derivative's derivative.
    """

    kind: str
    severity: Severity
    title: str
    op: str = ""
    step: str = ""
    element: tuple[int, ...] | None = None
    argument: str = ""
    line: str = ""
    details: tuple[tuple[str, str], ...] = ()
    do: str = ""
    order: int = 1

    def __str__(self) -> str:
        title = self.title if self.order == 1 else f"{self.title} (order {self.order})"
        rows = [("step", self.step), ("line", self.line)]
        if self.element is not None:
            rows.append(("element", shown_index(self.element)))
        rows += [*self.details, ("do", self.do)]
        body = [_row(label, text) for label, text in rows if text]
        return "\n".join([_wrapped(f"{self.severity}: ", title, 2), *body])


@dataclass(frozen=True)
class Parameter:
    """The derivative along one random direction of one argument.

    Attributes:
        name: the argument, with the path inside a container.
        shape: its shape.
        dtype: its dtype.
        reverse: ⟨Jᵀw, v⟩ by reverse mode; None where it couldn't be had.
        forward: ⟨w, Jv⟩ by forward mode; None where it couldn't be had.
        numerical: ⟨w, Jv⟩ by finite differences; None where that says nothing.
        error: how far the finite difference may be off.
        verdict: "right"; "wrong"; "undecided", where the difference is too coarse;
            "at a kink", "at a branch", "derivative cut", "trusted rule", where the two
            differ for that reason; "untested"; "empty".
    """

    name: str
    shape: tuple[int, ...]
    dtype: Any
    reverse: float | None
    forward: float | None
    numerical: float | None
    error: float
    verdict: str


@dataclass(frozen=True)
class Diagnosis:
    """What a check of a function's derivatives found.

    Attributes:
        name: of the function.
        findings: the faults first, then warnings and notes.
        parameters: a row per float or complex argument.
        operations: how many operations the function is made of.
        checked: how many of them were compared with finite differences.
        undecided: steps where finite differences couldn't decide, as text.
    """

    name: str
    findings: tuple[Finding, ...]
    parameters: tuple[Parameter, ...]
    operations: int
    checked: int
    undecided: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no fault; warnings and notes there may be."""
        return not self.faults

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults."""
        return tuple(f for f in self.findings if f.severity == "fault")

    def __repr__(self) -> str:
        return f"<Diagnosis of {self.name}: {self._counts()}>"

    def __str__(self) -> str:
        head = f"{self.name}: {self._counts()}"
        parts = [head, *map(str, sorted(self.findings, key=_rank))]
        if self.parameters:
            parts.append(_table(self.parameters))
        parts.append(self._close())
        return "\n\n".join(parts)

    def _counts(self) -> str:
        if not self.findings:
            return "nothing wrong found"
        counts = []
        for severity in _ORDER:
            n = sum(f.severity == severity for f in self.findings)
            if n:
                counts.append(f"{n} {severity}{'s' if n > 1 else ''}")
        return ", ".join(counts)

    def _close(self) -> str:
        text = (
            f"{counted(self.operations, 'operation')}, {self.checked} compared one by "
            "one with finite differences"
        )
        if self.undecided:
            more = f" and {len(self.undecided) - 3} more" * (len(self.undecided) > 3)
            text += f"; undecided: {'; '.join(self.undecided[:3])}{more}"
        return textwrap.fill(f"{text}.", WIDTH)


def _rank(f: Finding) -> tuple[int, int]:
    return f.order, _ORDER[f.severity]


def _row(label: str, text: str) -> str:
    if label == "line":
        return f"  {label:<{_LABEL}}{text}"  # code isn't broken
    return _wrapped(f"  {label:<{_LABEL}}", text, 2 + _LABEL)


def _wrapped(first: str, text: str, indent: int) -> str:
    """`text` after `first`, later lines below its beginning; its own breaks kept."""
    lines: list[str] = []
    for piece in text.splitlines() or [""]:
        lines += textwrap.wrap(
            piece.strip(),
            WIDTH,
            initial_indent=" " * indent if lines else first,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


_SHOWN = 20


def _table(parameters: tuple[Parameter, ...]) -> str:
    """Along one direction per argument; those that aren't right first, if cut."""
    rows = list(parameters)
    if len(rows) > _SHOWN:
        rows.sort(key=lambda p: p.verdict == "right")
        rest = rows[_SHOWN:]
        rows = rows[:_SHOWN]
        right = sum(p.verdict == "right" for p in rest)
        tail = f"  and {counted(len(rest), 'more argument')}, {right} of them right"
    else:
        tail = ""
    cells = [("argument", "shape", "reverse", "forward", "numerical", "")]
    cells += [
        (
            p.name, shown_shape(p.shape), shown(p.reverse), shown(p.forward),
            shown(p.numerical), p.verdict,
        )
        for p in rows
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in cells) for i in range(6)]
    widths[0] = min(widths[0], 24)
    lines = []
    for row in cells:
        name = row[0] if len(row[0]) <= 24 else row[0][:23] + "…"
        numbers = "  ".join(f"{row[i]:>{widths[i]}}" for i in (2, 3, 4))
        line = f"  {name:<{widths[0]}}  {row[1]:<{widths[1]}}  {numbers}  {row[5]}"
        lines.append(line.rstrip())
    return "\n".join([*lines, tail] if tail else lines)


# How numbers and places are written ---------------------------------------------------


def shown(x: Any) -> str:
    """A number in a few digits, with a true minus sign."""
    if x is None:
        return "–"
    x = x.item() if isinstance(x, np.generic | np.ndarray) else x
    if isinstance(x, bool):
        return str(x)
    if isinstance(x, complex):
        sign = "−" if np.copysign(1.0, x.imag) < 0 else "+"
        return f"{shown(x.real)} {sign} {shown(abs(x.imag))}j"
    text = str(x) if isinstance(x, int) else f"{x:.7g}"
    return text.replace("inf", "∞").replace("-", "−")


def shown_shape(shape: tuple[int, ...]) -> str:
    """A shape as 3×4; a number's as `number`."""
    return "×".join(map(str, shape)) if shape else "number"


def shown_index(element: tuple[int, ...]) -> str:
    """An index as it is written after an array's name."""
    return f"[{', '.join(map(str, element))}]" if element else "the number itself"


def counted(n: int, thing: str) -> str:
    """`n` things."""
    return f"{n} {thing}{'' if n == 1 else 's'}"
