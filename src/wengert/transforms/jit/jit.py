"""jit: a function compiled along the paths that its calls take."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from wengert.core.errors import ShapeMismatch, TypeMismatch, explain, name_of
from wengert.transforms.jit.function import Jit, TooManyPaths, compiled

__all__ = ["Jit", "TooManyPaths", "jit"]

LEVELS = (0, 1, 2, 3)


def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    max_paths: int = 32,
    backend: str = "native",
    level: int = 1,
) -> Any:
    """The function, compiled along the paths that its calls take (also a decorator).

    The first call with arguments of some structure, dtypes and shapes runs `f` once and
    writes down its steps; they are compiled, and run from then on. Where Python asks a
    value (`if x > 0`, `float(x)`, `range(n)`), the answer becomes a guard: when it is
    another one, another path is taken or made. Globals, closure variables and
    attributes that `f` reads are seen when they change.

    Args:
        f: a function of arrays, or nested containers of arrays, and other values.
        static_argnums: positions of arguments that each have paths of their own for
            every value; they must be hashable. Strings, flags and functions needn't be
            named here.
        static_argnames: their names.
        max_paths: how many paths are kept for arguments of one signature. Past it, `f`
            runs as plain Python, after a warning that names the line.
        backend: "native", or "numpy" for the reference: the same graphs, run by NumPy.
        level: of optimisation. At 0 LLVM takes a half to a third of the time, for code
            that is up to half slower; at 2 and 3 its own passes run first, which take
            longer to compile and gain a few per cent where they gain.
            Results of all levels are the same to the last bit.

    Returns:
        A function with the arguments and results of `f`, and `report()`, `paths`,
        `graph(*args)`, `clear()`. Under `grad`, `vmap` … it is differentiated, mapped …
        as `f` is.

    Raises:
        TypeMismatch: if `f` isn't callable, or a static argument isn't hashable.
        ShapeMismatch: for static arguments that `f` doesn't have.

    >>> @wg.jit
    ... def collatz_steps(n):
    ...     steps = 0
    ...     while n != 1:
    ...         n = n / 2 if n % 2 == 0 else 3 * n + 1
    ...         steps += 1
    ...     return steps
    >>> collatz_steps(np.float64(6.0)), collatz_steps(np.float64(7.0))
    (8, 16)
    """
    if f is None:
        return functools.partial(
            jit, static_argnums=static_argnums, static_argnames=static_argnames,
            max_paths=max_paths, backend=backend, level=level,
        )  # fmt: skip
    if not callable(f):
        raise TypeMismatch(
            explain(
                "jit takes a function and returns a function.",
                f"{type(f).__name__} {f!r:.40}",
                "jit(f)(x), not jit(f(x)).",
            )
        )
    if inspect.isgeneratorfunction(f) or inspect.iscoroutinefunction(f):
        raise TypeMismatch(
            explain(
                "jit takes a function that returns its result.",
                f"{name_of(f)}, which is a generator or async",
                "compile the functions that it calls.",
            )
        )
    if backend not in ("native", "numpy"):
        raise ShapeMismatch(
            explain("backend is 'native' or 'numpy'.", repr(backend), "pick one.")
        )
    if type(level) is not int or level not in LEVELS:
        raise ShapeMismatch(
            explain(
                "level is 0, 1, 2 or 3.",
                repr(level),
                "0 for quick compiling, 1 by default, 2 or 3 for LLVM's passes.",
            )
        )
    return compiled(
        f, static_argnums=static_argnums, static_argnames=static_argnames,
        max_paths=max_paths, backend=backend, level=level,
    )  # fmt: skip
