"""Transforms of a compiled function, compiled as a whole: `grad(jit(f))` as one step.

Differentiating a compiled function runs Python around one compiled operation (see
`under`): 40 to 100 microseconds. Where `grad`, `vmap` … are given the compiled function
itself, what they make of it is compiled too, and answers in one native call. It is kept
with the function, by transform and options, so that `grad(f)(x)` written in a loop
finds it again.
"""

from collections.abc import Callable
from typing import Any

_PLAIN = frozenset({bool, int, str, type(None)})


def kept_under(transform: str, options: dict[str, Any]) -> tuple[str, str] | None:
    """What a compiled transform is kept under; None for one that isn't kept.

    Options must be told apart reliably by what `repr` says. With `chunk` the steps
    are to be taken one after the other, which is Python's work.

    Example:
        >>> kept_under("grad", {"argnums": (0, 1)})
        ('grad', "{'argnums': (0, 1)}")
        >>> kept_under("vmap", {"in_axes": {"w": object()}}) is None
        True
    """
    if options.get("chunk") is not None:
        return None
    pending: list[Any] = [options]
    while pending:
        x = pending.pop()
        kind = type(x)
        if kind is dict:
            pending += [*x.keys(), *x.values()]
        elif kind is list or kind is tuple:
            pending += x
        elif kind not in _PLAIN:
            return None
    return transform, repr(options)


def whole(
    core: Any, key: tuple[str, str], transformed: Any, make: Callable[..., Any]
) -> Any:
    """The compiled form of a transform of a compiled function, made once.

    Args:
        core: the compiled function's `Jit`.
        key: from `kept_under`.
        transformed: the transform of the function, as Python runs it.
        make: compiles a function with the options of the compiled one.
    """
    found = core.wholes.get(key)
    if found is None:
        made = make(transformed, **core.options)
        vars(made).get("__jit__", made).is_whole = True
        found = core.wholes.setdefault(key, made)
    return found
