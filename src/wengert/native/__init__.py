"""Graphs as native code, through LLVM: loops, library calls and host calls.

Reading order: `machine`, `ir`, `index` and `forms` (what an element of a result is),
`arithmetic`, `combine`, `values`, `access` (instructions), `partition` and `kernel`
(which steps share loops), `codegen` and `nest` (loops), `assemble` and `program` (all
of it); `symbols`, `link` and `cache` (from text to code in memory); `running`,
`digest`, `objects`, `record` and `reuse` (programs as they run, found again without all
of the above); `entry` and what it reads (the call from Python); `pseudo`, `view` and
`debug` (looking at it).

Nothing here is imported, LLVM least of all, until something is compiled or shown.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wengert.native.reuse import compile

__all__ = ["compile", "dump", "listing", "show"]


def show(f: Any, *args: Any, what: str = "kernels") -> None:
    """Prints what a function becomes, compiled for these arguments.

    Args:
        f: a function, jitted or not, or a Graph.
        args: its arguments; a Graph needs none.
        what: "kernels" for loops in pseudo-code, with library and host calls; "ir" for
            LLVM's language; "assembly" for the processor's; "graph" for the steps that
            are compiled, after the passes.

    Raises:
        ShapeMismatch: for another `what`, and for what isn't a function.
        ImportError: where llvmlite isn't installed.

    >>> def energy(x):
    ...     squares = x * x
    ...     return np.sum(squares)
    >>> wg.native.show(energy, np.ones(1000))
    energy(x: f64[1000]): 1 kernel
    <BLANKLINE>
    kernel 0:
        v0 = 0...
        for i < 1000:...
            squares = x[i] * x[i]...
            v0 += squares...
    <BLANKLINE>
    return v0
    """
    print(listing(f, *args, what=what))


def listing(f: Any, *args: Any, what: str = "kernels") -> str:
    """The text that `show` prints.

    >>> "define i32 @program" in wg.native.listing(np.sin, 1.0, what="ir")
    True
    """
    from wengert.native import view

    return view.listing(f, args, what)


def dump(f: Any, *args: Any, path: str | os.PathLike[str]) -> None:
    """Writes what a bug report needs: versions, the graph, the kernels, LLVM's text.

    The lines of the function are in it, as part of the graph; values of arrays and
    names of folders aren't.

    Args:
        f: a function, or a Graph.
        args: its arguments.
        path: the file, which is replaced.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     wg.native.dump(np.tanh, np.ones(3), path=f"{folder}/report.txt")
    ...     os.listdir(folder)
    ['report.txt']
    """
    from wengert.native import view

    view.dump(f, args, path)


def __getattr__(name: str) -> Any:
    if name == "compile":
        # ImportError here, where llvmlite is missing, sends `jit` to NumPy.
        from wengert.native import machine

        machine.binding()
        from wengert.native.reuse import compile

        return compile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
