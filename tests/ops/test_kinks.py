"""Every row of docs/kinks.md, in every mode."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.types import type_of

PAGE = Path(__file__).parents[2] / "docs" / "kinks.md"
NAMES = {"np": np, "inf": np.inf, "nan": np.nan}
CODE = re.compile(r"`([^`]*)`")


def rows() -> list[tuple[str, str, str]]:
    found = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| `"):
            assert len(cells) == 4, line
            assert all(CODE.fullmatch(c) for c in cells[:3]), line
            found.append(tuple(c.strip("`") for c in cells[:3]))
    return found


ROWS = rows()


def reverse(f: Any) -> Any:
    return wg.grad(f)


def forward(f: Any) -> Any:
    """One sweep per element."""

    def slopes(x: Any) -> Any:
        seeds = np.eye(x.size).reshape(x.size, *x.shape)
        parts = [wg.jvp(f, (x,), (seed[()],))[1] for seed in seeds]
        return np.reshape(np.stack(parts), x.shape)

    return slopes


def staged(transform: Any) -> Any:
    return lambda f: lambda x: wg.trace(transform(f), type_of(x))(x)


def mapped(f: Any) -> Any:
    return lambda x: wg.vmap(wg.grad(f))(np.stack([x, x]))[1]


MODES = {
    "reverse": reverse, "forward": forward, "mapped": mapped,
    "staged reverse": staged(reverse), "staged forward": staged(forward),
}  # fmt: skip


def evaluate(text: str) -> Any:
    return np.asarray(eval(text, NAMES), float)[()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("function", "at", "derivative"), ROWS, ids=[r[0] for r in ROWS]
)
def test_row(function: str, at: str, derivative: str, mode: str) -> None:
    f = eval(f"lambda x: {function}", NAMES)
    with np.errstate(all="ignore"):
        got = MODES[mode](f)(evaluate(at))
    assert np.array_equal(got, evaluate(derivative), equal_nan=True)


def test_the_page_is_read() -> None:
    assert len(ROWS) >= 50
    assert ("np.abs(x)", "0.0", "0.0") in ROWS
    assert len(set(ROWS)) == len(ROWS)
