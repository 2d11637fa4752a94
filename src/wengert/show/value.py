"""Numbers and arrays as short texts, and as the `Value` of a story."""

import math
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, known
from wengert.core.types import Array
from wengert.show.story import Summary, Value

SMALL = 64  # elements that are kept one by one
WRITTEN = 16  # elements that are written out in a line
TILES = 32  # rows and columns of a heat map


def number(x: Any) -> str:
    """A number in as few characters as show it, with a true minus sign."""
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, complex | np.complexfloating):
        negative = math.copysign(1.0, float(x.imag)) < 0
        if x.real == 0 and x.imag != 0:
            return f"{'−' * negative}{number(abs(x.imag))}i"
        return f"{number(x.real)} {'−' if negative else '+'} {number(abs(x.imag))}i"
    if isinstance(x, int | np.integer):
        return str(int(x)).replace("-", "−")
    return format(float(x) or 0.0, ".6g").replace("-", "−")  # −0 is 0 to a reader


def factor(x: Any) -> str:
    """The same, in brackets where it stands behind or before an operator."""
    text = number(x)
    bare = not text.startswith("−") and " " not in text
    return text if bare else f"({text})"


def text_of(x: Array) -> str:
    """A number, `[1, 2]`, or what a large array is."""
    x = plain(x)
    if x.ndim == 0:
        return number(x[()])
    if x.size > WRITTEN:
        return _summarised(x, _summary(x))
    if not x.size:
        return f"empty, shape {shape_text(x.shape)}"
    return _nested_text(x)


def short(x: Array) -> str:
    """As `text_of`, in brackets where a sign would meet an operator."""
    x = plain(x)
    return factor(x[()]) if x.ndim == 0 else text_of(x)


def shape_text(shape: Any) -> str:
    """`(2, 3)`."""
    return str(tuple(int(n) for n in shape))


def plain(x: Array) -> np.ndarray[Any, Any]:
    """The array behind `x`."""
    return np.asarray(known(x) if isinstance(x, Tracer) else x)


def value_of(x: Array, tiles: int = TILES) -> Value:
    """The `Value` of a story; its heat map has `tiles` rows and columns, none for 0."""
    x = plain(x)
    large = x.size > SMALL
    summary = _summary(x) if large else None
    return {
        "shape": list(x.shape),
        "dtype": str(x.dtype),
        "text": text_of(x) if summary is None else _summarised(x, summary),
        "small": None if large else _items(x),
        "summary": summary,
        "heat": _heat(x, tiles) if large and tiles else None,
    }


def _nested_text(x: np.ndarray[Any, Any]) -> str:
    """An array has few axes, so recursion is shallow."""
    if x.ndim == 0:
        return number(x[()])
    return f"[{', '.join(map(_nested_text, x))}]"


def _summarised(x: np.ndarray[Any, Any], summary: Summary) -> str:
    words = f"shape {shape_text(x.shape)}"
    if summary["min"] is not None:
        low, mean, high = (_said(summary[k]) for k in ("min", "mean", "max"))
        name = "|x| " if x.dtype.kind == "c" else ""
        words += f", {name}{low} … {high}, mean {mean}"
    for kind in ("nan", "inf"):
        if summary[kind]:
            words += f", {summary[kind]} {kind}"
    return words


def _said(x: float | str | None) -> str:
    return x if isinstance(x, str) else number(x)


def _real(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.abs(x) if x.dtype.kind == "c" else x.astype(float, copy=False)


def _summary(x: np.ndarray[Any, Any]) -> Summary:
    """Of the finite elements; of absolute values where they are complex."""
    with np.errstate(all="ignore"):
        real = _real(x)
        there = np.isfinite(real)
        whole = bool(there.all())
        finite = real if whole else real[there]
        found = (finite.min(), finite.max(), finite.mean()) if finite.size else None
    low, high, mean = map(_json, found) if found else (None, None, None)
    return {
        "min": low,
        "max": high,
        "mean": mean,
        "nan": 0 if whole else int(np.isnan(real).sum()),
        "inf": 0 if whole else int(np.isinf(real).sum()),
        "size": int(x.size),
    }


def _json(x: Any) -> float | str:
    """A float, or a text for what JSON has no number for."""
    x = float(x)
    return x if math.isfinite(x) else number(x)


def _items(x: np.ndarray[Any, Any]) -> Any:
    if x.ndim:
        return [_items(row) for row in x]
    item = x[()]
    if x.dtype.kind == "c":
        return number(item)
    if x.dtype.kind == "b":
        return bool(item)
    return _json(item) if x.dtype.kind == "f" else int(item)


def _heat(x: np.ndarray[Any, Any], tiles: int) -> list[list[float | None]]:
    """Block means of the array as a table of rows, scaled to 0..1."""
    table = _real(x).reshape(-1, x.shape[-1]) if x.ndim > 1 else _real(x)[None]
    if not np.isfinite(table).all():
        table = np.where(np.isinf(table), np.nan, table)
    for axis in (0, 1):
        table = _block_means(table, axis, tiles)
    there = ~np.isnan(table)
    low, high = (table[there].min(), table[there].max()) if there.any() else (0, 0)
    scaled = (table - low) / (high - low) if high > low else np.full(table.shape, 0.5)
    rows: list[list[float | None]] = np.round(scaled, 3).tolist()
    if there.all():
        return rows
    return [
        [v if known_ else None for v, known_ in zip(row, knowns, strict=True)]
        for row, knowns in zip(rows, there.tolist(), strict=True)
    ]


def _block_means(
    table: np.ndarray[Any, Any], axis: int, tiles: int
) -> np.ndarray[Any, Any]:
    """Means over at most `tiles` blocks along an axis, nan left out where it can be."""
    n = table.shape[axis]
    if n <= tiles:
        return table
    starts = np.linspace(0, n, tiles, endpoint=False).astype(int)
    there = ~np.isnan(table)
    if there.all():
        lengths = np.diff(starts, append=n).reshape((-1, 1) if axis == 0 else (1, -1))
        whole: np.ndarray[Any, Any] = np.add.reduceat(table, starts, axis=axis)
        return whole / lengths
    sums = np.add.reduceat(np.where(there, table, 0.0), starts, axis=axis)
    counts = np.add.reduceat(there.astype(float), starts, axis=axis)
    with np.errstate(all="ignore"):
        means: np.ndarray[Any, Any] = sums / counts
    return means
