"""Reverse mode: `vjp`, and the record that it and `grad` pull back through."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_leaf, check_result
from wengert.core.bind import Tracer, is_staged
from wengert.core.errors import TypeMismatch, at_the_edge, explain
from wengert.core.memory import owned
from wengert.core.types import Array, type_of
from wengert.transforms.backward import (
    any_nan,
    backward,
    finite,
    unbounded,
    zeros_ct,
)
from wengert.transforms.leaves import check_cotangent, like_leaves, split_aux
from wengert.transforms.tape import Node, Reverse


class Record:
    """One run of a function: its result, and the nodes to differentiate it from."""

    __slots__ = ("aux", "inputs", "nodes", "spec", "values")

    def __init__(
        self,
        f: Callable[..., Any],
        leaves: list[Array],
        rebuild: Any,
        has_aux: bool = False,
    ) -> None:
        interp = Reverse()
        tracers = [interp.input(x) for x in leaves]
        self.inputs: list[Node] = [t.mark for t in tracers]
        try:
            result = f(*rebuild(tracers))
            self.aux: list[Any] = []
            if has_aux:
                result, self.aux = split_aux(f, result, interp)
            del tracers
            if isinstance(result, Tracer):
                results, self.spec = [result], None
            else:
                results, self.spec = tree.flatten(result)
            # Reading `mark` before the close: a view may still have to catch up.
            ours = [isinstance(r, Tracer) and r.interp is interp for r in results]
            self.nodes: list[Node | None] = [
                r.mark if o else None for r, o in zip(results, ours, strict=True)
            ]
            self.values: list[Array] = [
                r.value if o else check_result(r)
                for r, o in zip(results, ours, strict=True)
            ]
        finally:
            interp.close()

    def result(self, leaves: list[Array]) -> Any:
        """`leaves` in the structure that the function returned."""
        return leaves[0] if self.spec is None else tree.unflatten(self.spec, leaves)

    def pull(self, cts: Sequence[Array]) -> list[Array | None]:
        """The adjoints of the inputs; run again with strong products if one is nan."""
        seeds = [
            (n, ct) for n, ct in zip(self.nodes, cts, strict=True) if n is not None
        ]
        with np.errstate(all="ignore"):
            if any(map(is_staged, self.values)) or any(map(is_staged, cts)):
                # The graph will run on other values too: decide by the operations.
                return backward(seeds, self.inputs, strong=unbounded(seeds))
            plain = backward(seeds, self.inputs, strong=False)
            if finite(plain) or any_nan(self.values) or not finite(cts):
                return plain
            return backward(seeds, self.inputs, strong=True)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The result of `f(*primals)` and its pullback, the vector-Jacobian product.

    Args:
        f: a function of arrays, or nested containers of arrays, of float or complex.
        primals: its arguments.
        has_aux: whether `f` returns `(result, aux)`; `aux` is then a third result.

    Returns:
        `(y, pullback)`: `pullback(ct)`, with `ct` of the structure, shapes and dtypes
        of `y`, gives a tuple with one cotangent per primal. It can be called any
        number of times.

    Raises:
        TypeMismatch: for a primal that isn't a float or complex array.
        ShapeMismatch: for a `ct` that doesn't match `y`, even if it would broadcast.

    >>> y, pullback = vjp(lambda x: x ** 2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.2.
    """
    with at_the_edge():
        leaves, spec = tree.flatten(primals)
        names = tree.paths(primals)
        values = [
            check_leaf(x, "vjp", name) for x, name in zip(leaves, names, strict=True)
        ]
        record = Record(f, values, lambda ts: tree.unflatten(spec, ts), has_aux)
        y = record.result(owned(list(record.values)))

    pullback = Pullback(record, spec, leaves, values)
    return (y, pullback, *record.aux)


class Pullback:
    """ct ↦ Jᵀct at the point where `vjp` was called."""

    __slots__ = ("leaves", "record", "spec", "types")

    def __init__(
        self, record: Record, spec: Any, leaves: list[Any], values: list[Array]
    ) -> None:
        self.record = record
        self.spec = spec
        self.leaves = leaves
        self.types = [type_of(x) for x in values]

    def __call__(self, ct: Any) -> Any:
        with at_the_edge():
            cts = check_cotangent(ct, self.record.spec, self.record.values)
            pulled = self.record.pull(cts)
            grads = [
                zeros_ct(t) if g is None else g
                for g, t in zip(pulled, self.types, strict=True)
            ]
            del pulled
            return tree.unflatten(self.spec, like_leaves(owned(grads), self.leaves))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeMismatch(
            explain(
                "A pullback holds the record of one run, which stays in its process.",
                "pickle or copy to another process",
                "call wg.vjp in the other process, or send wg.grad(f).",
            )
        )
