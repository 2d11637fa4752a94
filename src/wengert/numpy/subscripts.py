"""einsum: NumPy's forms of subscripts made one canonical string."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind
from wengert.core.errors import ShapeMismatch, explain
from wengert.core.types import Array
from wengert.numpy.contract import array, finished
from wengert.numpy.dispatch import implements
from wengert.ops.contract import EINSUM, LETTERS


@implements(np.einsum)
def einsum(
    *operands: Any, out: Any = None, optimize: Any = False, dtype: Any = None,
    order: str = "K", casting: str = "safe",
) -> Array:  # fmt: skip
    text, arrays = _read(operands)
    arrays = [x if dtype is None else np.astype(x, np.dtype(dtype)) for x in arrays]
    inputs, result, subscripts = _canonical(text, tuple(map(np.ndim, arrays)))
    if not subscripts:
        inputs, arrays = _without_repeats(inputs, arrays)
        subscripts = _renamed(inputs, result)
    if len(arrays) == 1 and len(inputs[0]) == len(result):
        # A view, as NumPy's: it can be written into.
        y = np.transpose(arrays[0], [inputs[0].index(c) for c in result])
    else:
        y = bind(EINSUM, *arrays, subscripts=subscripts, optimize=_path(optimize))
    return y if out is None else finished(y, out)


def _path(optimize: Any) -> Any:
    """`optimize` as a static parameter."""
    if isinstance(optimize, list | tuple):
        return tuple(_path(step) for step in optimize)
    return optimize


def _bad_subscripts(came: str) -> ShapeMismatch:
    return ShapeMismatch(
        explain(
            "`einsum` needs one letter per axis: 'ij,jk->ik', with ... for any axes "
            "in front or between.",
            came,
            "count the letters against the shapes, the operands against the commas.",
        )
    )


def _read(operands: Sequence[Any]) -> tuple[str, list[Array]]:
    """The subscripts as one string, and the arrays."""
    if isinstance(operands[0], str):
        return operands[0], [array(x) for x in operands[1:]]
    arrays = [array(x) for x in operands[0 : len(operands) // 2 * 2 : 2]]
    text = ",".join(_letters(s) for s in operands[1::2])
    return (f"{text}->{_letters(operands[-1])}" if len(operands) % 2 else text), arrays


def _letters(sublist: Any) -> str:
    """The subscripts that a list of ints and `...` stands for, in NumPy's order."""
    order = LETTERS[26:] + LETTERS[:26]
    return "".join("..." if e is Ellipsis else order[e.__index__()] for e in sublist)


@functools.lru_cache(1024)
def _canonical(text: str, ranks: tuple[int, ...]) -> tuple[tuple[str, ...], str, str]:
    """(letters of each operand, letters of the result, the op's subscripts).

    The subscripts are empty if an operand has a letter twice.
    """
    text = text.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = tuple(left.split(","))
    bare = left.replace(",", "").replace("...", "") + right.replace("...", "")
    if len(inputs) != len(ranks) or (bare and not (bare.isalpha() and bare.isascii())):
        raise _bad_subscripts(f"subscripts {text!r} for {len(ranks)} operands")
    inputs, result = _named(text, inputs, right if arrow else None, ranks)
    repeats = any(len(set(s)) < len(s) for s in inputs)
    return inputs, result, "" if repeats else _renamed(inputs, result)


def _renamed(inputs: Sequence[str], result: str) -> str:
    """The subscripts with letters in the order of their appearance."""
    text = ",".join(inputs) + "->" + result
    letters = dict.fromkeys(c for c in text if c.isalpha())
    names = dict(zip(letters, LETTERS, strict=False))
    return "".join(names.get(c, c) for c in text)


def _named(
    text: str, inputs: tuple[str, ...], result: str | None, ranks: tuple[int, ...]
) -> tuple[tuple[str, ...], str]:
    """Letters in the place of `...`, and the implicit result written out."""
    extra = [n - len(s.replace("...", "")) for s, n in zip(inputs, ranks, strict=True)]
    if any(e < 0 or (e and "..." not in s) for e, s in zip(extra, inputs, strict=True)):
        raise _bad_subscripts(
            f"subscripts {text!r} for operands of {', '.join(map(str, ranks))} axes"
        )
    most = max((e for e, s in zip(extra, inputs, strict=True) if "..." in s), default=0)
    free = "".join(c for c in LETTERS if c not in text)[:most]
    if len(free) < most:
        raise _bad_subscripts(f"subscripts {text!r}: more than 52 different axes")
    full = tuple(
        s.replace("...", free[most - e :]) for s, e in zip(inputs, extra, strict=True)
    )
    if result is None:
        letters = [c for c in text if c.isalpha()]
        return full, free + "".join(sorted(c for c in letters if letters.count(c) == 1))
    if most and "..." not in result:
        raise _bad_subscripts(f"subscripts {text!r}: the result has no ...")
    result = result.replace("...", free)
    if len(set(result)) < len(result) or not set(result) <= set("".join(full)):
        raise _bad_subscripts(
            f"subscripts {text!r}: the result has a letter twice, or one that no "
            "operand has"
        )
    return full, result


def _without_repeats(
    inputs: Sequence[str], arrays: Sequence[Array]
) -> tuple[tuple[str, ...], list[Array]]:
    """A letter that an operand has twice means its diagonal."""
    done_letters, done = [], []
    for s, x in zip(inputs, arrays, strict=True):
        while len(set(s)) < len(s):
            c = next(c for c in s if s.count(c) > 1)
            i = s.index(c)
            j = s.index(c, i + 1)
            if np.shape(x)[i] != np.shape(x)[j]:
                raise _bad_subscripts(f"{s!r} for the unequal axes of {np.shape(x)}")
            x = np.diagonal(x, 0, i, j)
            s = s[:i] + s[i + 1 : j] + s[j + 1 :] + c
        done_letters.append(s)
        done.append(x)
    return tuple(done_letters), done


@implements(np.einsum_path)
def einsum_path(*operands: Any, **kwargs: Any) -> Any:
    blank = np.empty(())
    shapes: list[Any] = [
        np.broadcast_to(blank, x.shape) if isinstance(x, Tracer) else x
        for x in operands
    ]
    return np.einsum_path(*shapes, **kwargs)
