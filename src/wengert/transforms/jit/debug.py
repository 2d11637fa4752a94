"""`debug.print` and `debug.callback`: what runs at each call of compiled code too.

`print` in a function that is staged prints while it is staged. These are steps of the
graph: they run in the order of the program, and no pass removes them.
"""

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.bind import bind, fixed
from wengert.core.errors import TypeMismatch, at_the_edge, explain, name_of
from wengert.core.op import Op, Zero
from wengert.core.types import Array, Type
from wengert.ops.batching import Args, Mapped, Params
from wengert.transforms.call import joined, split
from wengert.transforms.jit.interpreter import CALLBACK
from wengert.transforms.jit.staging import STAGING

_TOKEN = np.int8(0)


class _Callback:
    """The user's function, and its arguments but for the arrays."""

    __slots__ = ("f", "others", "spec")

    def __init__(self, f: Callable[..., Any], spec: Any, others: list[Any]) -> None:
        self.f = f
        self.spec = spec
        self.others = others

    def __str__(self) -> str:
        return name_of(self.f).strip("`")


def callback(f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Calls `f(*args, **kwargs)`, with plain values, whenever this line is reached.

    In compiled code it runs at each call, in order. Under `grad` and `jvp` the values
    are the primal ones; under `vmap` it runs once for each item.

    Args:
        f: a Python function; what it returns is dropped.
        args: arrays, or containers of them, traced or not; other values as they are.
        kwargs: likewise.

    Raises:
        TypeMismatch: if `f` isn't callable.

    >>> seen = []
    >>> @wg.jit
    ... def doubled(x):
    ...     wg.debug.callback(seen.append, x)
    ...     return 2 * x
    >>> y = doubled(1.0), doubled(2.0)
    >>> seen
    [1.0, 2.0]
    """
    with at_the_edge():
        if not callable(f):
            raise TypeMismatch(
                explain(
                    "debug.callback takes a function first.",
                    f"{type(f).__name__} {f!r:.40}",
                    "debug.callback(f, x), not debug.callback(f(x)).",
                )
            )
        arrays, spec, others = split((args, kwargs))
        stage = STAGING.get()
        if stage is None:
            bind(_OP, _TOKEN, *arrays, call=_Callback(f, spec, others))
            return
        f, others = stage.plain(f), [stage.plain(x) for x in others]
        token = stage.lift(_TOKEN)
        bind(_OP, token, *arrays, call=_Callback(f, spec, others))


def print(text: str, *args: Any, **kwargs: Any) -> None:
    """Prints `text.format(*args, **kwargs)` whenever this line is reached.

    Args:
        text: a format string, with `{}` or `{name}` for the values.
        args: arrays, traced or not; other values as they are.
        kwargs: likewise.

    >>> @wg.jit
    ... def halved(x):
    ...     wg.debug.print("x is {}", x)
    ...     return x / 2
    >>> y = halved(1.0), halved(3.0)
    x is 1.0
    x is 3.0
    """
    callback(_Print(text), *args, **kwargs)


class _Print:
    __name__ = "print"

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        builtins.print(self.text.format(*args, **kwargs))


def _evaluate(token: Array, *arrays: Array, call: _Callback) -> Array:
    args, kwargs = joined([fixed(x) for x in arrays], call.spec, call.others)
    call.f(*args, **kwargs)
    return token


def _batch(op: Op, size: int, args: Args, mapped: Mapped, params: Params) -> Array:
    token = args[0][0] if mapped[0] else args[0]
    for i in range(size):
        items = [x[i] if m else x for x, m in zip(args, mapped, strict=True)]
        token = bind(op, token, *items[1:], **params)
    return np.broadcast_to(token, (size,))


_OP = Op(
    name=CALLBACK,
    evaluate=_evaluate,
    type_of=lambda token, *types, call: Type((), token.dtype),
    derivative=Zero("it is run for what it does, not for its result"),
    batch=_batch,
    kind="call",
)
