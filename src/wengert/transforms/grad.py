"""grad and value_and_grad: reverse mode for functions with one number as a result."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_leaf
from wengert.core.bind import Tracer
from wengert.core.errors import (
    DerivativeError,
    ShapeMismatch,
    TypeMismatch,
    at_the_edge,
    explain,
    name_of,
)
from wengert.core.memory import owned
from wengert.core.types import Array, type_of
from wengert.transforms.backward import zeros_ct
from wengert.transforms.leaves import like_leaves
from wengert.transforms.naming import named_after
from wengert.transforms.reverse import Record

Argnums = int | tuple[int, ...]


def value_and_grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns the value of `f` and its gradient.

    Args:
        f: a function of arrays or nested containers of arrays that returns one number.
        argnums: which arguments to differentiate by: a position, or a tuple of them.
        has_aux: whether `f` returns `(result, aux)`; the value is then that pair, with
            `aux` free of traces.
        holomorphic: whether `f` is a holomorphic function of complex arguments; the
            gradient is then f′(z). Otherwise it is ∂f/∂x + i ∂f/∂y, the direction of
            steepest ascent of a real result.
        allow_int: whether integer and boolean leaves are accepted; their gradient is
            zero, of their own dtype.

    Returns:
        A function of the arguments of `f` that returns `(value, gradient)`. The
        gradient has the structure, shapes and dtypes of the argument, and is a tuple of
        these if `argnums` is a tuple.

    Raises:
        DerivativeError: if the result isn't one real (complex, if holomorphic) number.
        TypeMismatch: for an argument that isn't a float or complex array.

    >>> value_and_grad(lambda w, x: (w * x) ** 2)(3.0, 2.0)
    (np.float64(36.0), 24.0)
    """
    return named_after(
        f, "value_and_grad", f"The value of {name_of(f)} and its gradient.",
        argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, allow_int=allow_int,
    )(_both(f, argnums, has_aux, holomorphic, allow_int))  # fmt: skip


def _both(
    f: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
) -> Callable[..., tuple[Any, Any]]:
    """What `value_and_grad` returns, without a name."""

    def both(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with at_the_edge():
            chosen = _choose(f, args, argnums)
            numbers = (argnums,) if isinstance(argnums, int) else argnums

            @functools.wraps(f, updated=())
            def run(*traced: Any) -> Any:
                full = list(args)
                for n, t in zip(numbers, traced, strict=True):
                    full[n] = t
                return f(*full, **kwargs)

            single = type(chosen[0]) if len(chosen) == 1 else None
            if single is float or single is np.ndarray or single is np.float64:
                leaves, spec = list(chosen), None
                names = [f"argument {numbers[0]}"]
            else:
                leaves, spec = tree.flatten(chosen)
                names = [
                    f"argument {n}{path}"
                    for n, arg in zip(numbers, chosen, strict=True)
                    for path in tree.paths(arg)
                ]
            values = [
                check_leaf(x, name_of(f), name, allow_int)
                for x, name in zip(leaves, names, strict=True)
            ]
            inexact = [x for x in values if x.dtype.kind in "fc"]
            _check_holomorphic(f, inexact, holomorphic)

            def rebuild(tracers: list[Tracer]) -> Any:
                rest = iter(tracers)
                full = [next(rest) if x.dtype.kind in "fc" else x for x in values]
                return full if spec is None else tree.unflatten(spec, full)

            record = Record(run, inexact, rebuild, has_aux)
            y = _scalar(f, record, holomorphic)
            pulled = record.pull([y.dtype.type(1)])
            record.nodes = []  # lets go of the tape, so that gradients aren't shared
            grads = _gradients(pulled, values)
            if holomorphic:
                grads = [np.conjugate(g) for g in grads]
            grads = like_leaves(owned(grads), leaves)
            gradient = (grads[0],) if spec is None else tree.unflatten(spec, grads)
            value = (y, *record.aux) if has_aux else y
            return value, gradient[0] if isinstance(argnums, int) else gradient

    return both


def grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The function that returns the gradient of `f`.

    Arguments and errors are those of `value_and_grad`. With `has_aux` the function
    returns `(gradient, aux)`.

    >>> grad(lambda x: np.sin(x) * x)(0.0)
    0.0
    """
    both = _both(f, argnums, has_aux, holomorphic, allow_int)

    @named_after(
        f, "grad", f"The gradient of {name_of(f)}.",
        argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, allow_int=allow_int,
    )  # fmt: skip
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def _gradients(pulled: list[Array | None], values: list[Array]) -> list[Array]:
    """One per leaf: integer leaves and those that nothing led to have zeros.

    Takes them out of `pulled`, so that each array has one holder.
    """
    pulled.reverse()
    gradients = []
    for x in values:
        g = pulled.pop() if x.dtype.kind in "fc" else None
        gradients.append(zeros_ct(type_of(x)) if g is None else g)
    return gradients


def _choose(
    f: Any, args: tuple[Any, ...], argnums: Argnums, where: str = "grad"
) -> tuple[Any, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not callable(f):
        raise TypeMismatch(
            explain(
                f"{where} takes a function and returns a function.",
                f"{type(f).__name__} {f!r:.40}",
                f"{where}(f)(x), not {where}(f(x)).",
            )
        )
    if (
        not isinstance(numbers, tuple | list)
        or not numbers
        or not all(isinstance(n, int) and -len(args) <= n < len(args) for n in numbers)
        or len({n % len(args) for n in numbers}) != len(numbers)
    ):
        raise ShapeMismatch(
            explain(
                "argnums is the position of an argument to differentiate by, or a "
                "tuple of different positions.",
                f"argnums={argnums!r}, and {name_of(f)} was called with {len(args)} "
                "positional arguments",
                "count from 0, and pass those arguments by position, not by keyword.",
            )
        )
    return tuple(args[n] for n in numbers)


def _check_holomorphic(f: Any, values: list[Array], holomorphic: bool) -> None:
    if holomorphic and any(x.dtype.kind != "c" for x in values):
        raise TypeMismatch(
            explain(
                "holomorphic=True differentiates by complex arguments.",
                f"{name_of(f)} was called with a real one",
                "pass a complex number (x + 0j), or drop holomorphic=True.",
            )
        )


def _scalar(f: Any, record: Record, holomorphic: bool) -> Array:
    """The one number that the function returned, or an error that says what to do."""
    y = record.result(record.values)
    if isinstance(y, bool | int | float | complex):
        y = np.asarray(y)[()]
    if not isinstance(y, np.ndarray | np.generic | Tracer):
        return _not_scalar(f, f"a value of type {type(y).__name__}")
    if y.shape != ():
        return _not_scalar(f, f"an array of shape {y.shape}")
    if y.dtype.kind == "c" and not holomorphic:
        raise DerivativeError(
            explain(
                f"grad needs a real result from {name_of(f)}.",
                f"a complex number, dtype {y.dtype}",
                "return its real part or abs(); grad(f, holomorphic=True) for f′(z) of "
                "a holomorphic function; wg.vjp for a pullback of a complex result.",
            )
        )
    if y.dtype.kind not in "fc":
        raise DerivativeError(
            explain(
                f"grad needs a float result from {name_of(f)}.",
                f"dtype {y.dtype}",
                "a result of comparisons, argmax or integers has no derivative; return "
                "a float, or pass other results with has_aux=True.",
            )
        )
    return y


def _not_scalar(f: Any, came: str) -> Any:
    raise DerivativeError(
        explain(
            f"grad needs one number as the result of {name_of(f)}.",
            came,
            "wg.jacobian(f) for the derivatives of all elements; wg.vjp(f, x) for "
            "their combination with weights; or reduce it first, as np.sum(...); other "
            "results go with has_aux=True.",
        )
    )
