"""jacobian, jacfwd, jacrev: all partial derivatives, by mapping over a basis."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_leaf
from wengert.core.bind import Tracer
from wengert.core.errors import (
    DerivativeError,
    ShapeMismatch,
    at_the_edge,
    explain,
    name_of,
)
from wengert.core.memory import owned
from wengert.core.types import Array, Type, type_of
from wengert.transforms.batch import map_flat
from wengert.transforms.forward import push
from wengert.transforms.grad import (
    Argnums,
    _check_holomorphic,
    _choose,
)
from wengert.transforms.leaves import check_pair
from wengert.transforms.linearize import tangent_graph
from wengert.transforms.naming import named_after
from wengert.transforms.reverse import Record

Mode = Literal["auto", "forward", "reverse"]
Run = Callable[..., Any]


def jacobian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    mode: Mode = "auto",
    chunk: int | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that returns the Jacobian of `f`: every ∂result/∂argument.

    Args:
        f: a function of arrays, or nested containers of arrays, that returns such.
        argnums: which arguments to differentiate by: a position, or a tuple of them.
        mode: "forward" pushes a tangent per element of the arguments, "reverse" pulls a
            cotangent per element of the result; "auto" takes forward for as many
            elements or fewer in the arguments than in the result. It runs `f` once to
            learn that, and again if forward mode is better; name the mode where `f`
            is expensive or has side effects.
        chunk: how many of those to map at a time; None for all at once. Memory grows
            with it, time falls.
        has_aux: whether `f` returns `(result, aux)`; the function then returns
            `(jacobian, aux)`.
        holomorphic: whether `f` is a holomorphic function of complex arguments; the
            Jacobian is then f′(z).

    Returns:
        A function of the arguments of `f`. For each array in the result it has a
        container of the argument's structure (a tuple of these if `argnums` is one),
        with arrays of shape `result.shape + argument.shape`, in the precision of the
        argument. A complex result of real arguments has complex ∂y/∂x; a real result of
        complex arguments has ∂y/∂Re + i ∂y/∂Im, as `grad`.

    Raises:
        TypeMismatch: for an argument that isn't a float or complex array.
        DerivativeError: for a result that isn't one, or if argument and result are
            complex without `holomorphic`.

    >>> jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.2.
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ShapeMismatch(
            f"mode is 'auto', 'forward' or 'reverse'; {mode!r:.40} came."
        )
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
        raise ShapeMismatch(f"chunk is a positive int or None; {chunk!r:.40} came.")

    @named_after(
        f, "jacobian", f"The Jacobian of {name_of(f)}.", argnums=argnums, mode=mode,
        chunk=chunk, has_aux=has_aux, holomorphic=holomorphic,
    )  # fmt: skip
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with at_the_edge():
            chosen = _choose(f, args, argnums, "jacobian")
            numbers = (argnums,) if isinstance(argnums, int) else argnums
            leaves, spec = tree.flatten(chosen)
            values = [
                check_leaf(x, name_of(f), f"argument {name}")
                for x, name in zip(leaves, _names(numbers, chosen), strict=True)
            ]
            _check_holomorphic(f, values, holomorphic)
            aux: list[Any] | None = [] if has_aux else None

            @functools.wraps(f, updated=())
            def run(*traced: Any) -> Any:
                full = list(args)
                for n, t in zip(numbers, traced, strict=True):
                    full[n] = t
                result = f(*full, **kwargs)
                y = check_pair(f, result)[0] if has_aux else result
                _check_results(f, y, holomorphic)
                return result

            def rebuild(tracers: list[Any]) -> Any:
                return tree.unflatten(spec, tracers)

            out, blocks = _blocks(run, values, rebuild, mode, chunk, holomorphic, aux)
            rows = [tree.unflatten(spec, owned(row)) for row in blocks]
            if isinstance(argnums, int):
                rows = [row[0] for row in rows]
            result = rows[0] if out is None else tree.unflatten(out, rows)
            return result if aux is None else (result, *aux)

    return wrapped


def jacfwd(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    chunk: int | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """`jacobian` in forward mode: best for at least as many results as arguments.

    >>> jacfwd(np.sin)(0.0)
    np.float64(1.0)
    """
    return jacobian(
        f, argnums, mode="forward", chunk=chunk, has_aux=has_aux,
        holomorphic=holomorphic,
    )  # fmt: skip


def jacrev(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    chunk: int | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """`jacobian` in reverse mode: best for fewer results than arguments.

    >>> jacrev(np.sin)(0.0)
    np.float64(1.0)
    """
    return jacobian(
        f, argnums, mode="reverse", chunk=chunk, has_aux=has_aux,
        holomorphic=holomorphic,
    )  # fmt: skip


def _names(numbers: tuple[int, ...], chosen: tuple[Any, ...]) -> list[str]:
    return [
        f"{n}{path}"
        for n, arg in zip(numbers, chosen, strict=True)
        for path in tree.paths(arg)
    ]


class _Basis:
    """The directions to map over: the one-hot arrays of each type in turn.

    A complex array has two sets, of 1 and of i; only the first if `holomorphic`.
    """

    def __init__(self, types: list[Type], holomorphic: bool) -> None:
        self.types = types
        self.sets = [2 if t.dtype.kind == "c" and not holomorphic else 1 for t in types]
        sizes = [s * t.size for s, t in zip(self.sets, types, strict=True)]
        self.starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.count = sum(sizes)

    def chunks(self, chunk: int | None) -> Iterator[tuple[int, int]]:
        """Ranges of directions; one empty range at least, for the results' shapes."""
        step = chunk or max(self.count, 1)
        for start in range(0, max(self.count, 1), step):
            yield start, min(start + step, self.count)

    def rows(self, start: int, stop: int) -> list[Array]:
        """Directions `start` to `stop`: for each type an array of (count, *shape)."""
        found = []
        for t, first, sets in zip(self.types, self.starts, self.sets, strict=True):
            rows = np.zeros((stop - start, t.size), t.dtype)
            for unit in (1, 1j)[:sets]:
                low, high = max(start, first), min(stop, first + t.size)
                which = np.arange(low, max(low, high))
                rows[which - start, which - first] = unit
                first += t.size
            found.append(rows.reshape(stop - start, *t.shape))
        return found

    def part(self, rows: Array, i: int) -> Array:
        """What belongs to type i: the set of 1, plus i times the set of i."""
        first, size = self.starts[i], self.types[i].size
        one = rows[first : first + size]
        if self.sets[i] == 1:
            return one
        return one + 1j * rows[first + size : first + 2 * size]


def _blocks(
    run: Run, values: list[Array], rebuild: Run, mode: str,
    chunk: int | None, holomorphic: bool, aux: list[Any] | None,
) -> tuple[Any, list[list[Array]]]:  # fmt: skip
    """The result's structure, and for each result the block of each argument."""
    ins = _Basis([type_of(x) for x in values], holomorphic)
    if mode == "reverse" or (mode == "auto" and ins.count > 1):
        record = Record(run, values, rebuild, aux is not None)
        types = _result_types(run, record.values, ins, holomorphic)
        outs = _Basis(types, holomorphic)
        if mode == "reverse" or ins.count > outs.count:
            if aux is not None:
                aux[:] = record.aux
            columns = _pull_basis(record, ins, outs, chunk)
            if holomorphic:  # a pullback multiplies by the conjugate
                columns = [np.conjugate(c) for c in columns]
            return record.spec, [
                [
                    _block(outs.part(c, i), t_in, t, at_end=False)
                    for c, t_in in zip(columns, ins.types, strict=True)
                ]
                for i, t in enumerate(types)
            ]
        del record
    out, ys, rows = _push_basis(run, values, rebuild, ins, chunk, aux)
    types = _result_types(run, ys, ins, holomorphic)
    return out, [
        [
            _block(ins.part(r, j), t_in, t, at_end=True)
            for j, t_in in enumerate(ins.types)
        ]
        for r, t in zip(rows, types, strict=True)
    ]


def _push_basis(
    run: Run,
    values: list[Array],
    rebuild: Run,
    ins: _Basis,
    chunk: int | None,
    aux: list[Any] | None,
) -> tuple[Any, list[Array], list[Array]]:
    """(structure, results, for each result its tangents along all directions)."""
    mapped = [True] * len(values)
    if chunk is None or chunk >= ins.count:
        found: list[Any] = []

        def pushed(tangents: list[Array]) -> list[Array | None]:
            found[:] = push(run, values, tangents, rebuild, aux)
            return list(found[2])

        rows: Any = map_flat(pushed, ins.count, ins.rows(0, ins.count), mapped)
        return found[0], found[1], rows
    out, ys, graph = tangent_graph(run, values, rebuild, aux)
    evaluate: Any = graph.evaluate
    pieces = []
    for start, stop in ins.chunks(chunk):
        tangents = ins.rows(start, stop)
        with np.errstate(all="ignore"):
            pieces.append(map_flat(evaluate, stop - start, tangents, mapped))
    return out, ys, _joined(pieces)


def _pull_basis(
    record: Record, ins: _Basis, outs: _Basis, chunk: int | None
) -> list[Array]:
    """For each argument its cotangents from all directions of the results."""
    mapped = [True] * len(outs.types)
    pieces = []
    for start, stop in outs.chunks(chunk):
        pulled = map_flat(record.pull, stop - start, outs.rows(start, stop), mapped)
        pieces.append(
            [
                np.zeros((stop - start, *t.shape), t.dtype) if g is None else g
                for g, t in zip(pulled, ins.types, strict=True)
            ]
        )
    return _joined(pieces)


def _joined(pieces: list[Any]) -> list[Array]:
    if len(pieces) == 1:
        only: list[Array] = pieces[0]
        return only
    return [np.concatenate(column) for column in zip(*pieces, strict=True)]


def _block(rows: Array, argument: Type, result: Type, *, at_end: bool) -> Array:
    """One block in its final shape, from the rows of one array; those go `at_end`."""
    block = np.moveaxis(rows, 0, -1) if at_end else rows
    block = np.reshape(block, (*result.shape, *argument.shape))
    dtype = argument.dtype
    if result.dtype.kind == "c" and dtype.kind != "c":
        dtype = np.result_type(dtype, np.complex64)
    block = block if block.dtype == dtype else block.astype(dtype)
    return block if block.shape else block[()]


def _check_results(f: Any, y: Any, holomorphic: bool) -> None:
    """Raises for a result that has no derivative."""
    for x in tree.flatten(y)[0]:
        kind = x.dtype.kind if isinstance(x, Tracer) else np.asarray(x).dtype.kind
        if kind not in ("c" if holomorphic else "fc"):
            wanted = "complex" if holomorphic else "float or complex"
            raise DerivativeError(
                explain(
                    f"The Jacobian is of {wanted} results.",
                    f"{name_of(f)} returns {_shown(x)}",
                    "return such values, and others with has_aux=True.",
                )
            )


def _shown(y: Any) -> str:
    if isinstance(y, np.ndarray | np.generic | Tracer):
        return f"an array of dtype {y.dtype}"
    return f"{type(y).__name__} {y!r:.40}"


def _result_types(f: Any, ys: list[Any], ins: _Basis, holomorphic: bool) -> list[Type]:
    types = [type_of(y if isinstance(y, Tracer) else np.asarray(y)) for y in ys]
    complex_ins = any(t.dtype.kind == "c" for t in ins.types)
    if complex_ins and not holomorphic and any(t.dtype.kind == "c" for t in types):
        raise DerivativeError(
            explain(
                "A complex result has one complex derivative by a complex argument "
                "only if the function is holomorphic.",
                f"{name_of(f)} has complex arguments and a complex result",
                "holomorphic=True if it is; else differentiate by the real and the "
                "imaginary part: jacobian(lambda x, y: f(x + 1j * y), argnums=(0, 1)).",
            )
        )
    return types
