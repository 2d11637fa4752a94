"""Reverse mode: the tape, the backward pass over it, and `vjp`.

Each operation on a traced value makes a node. The nodes of a result, from the highest
number to the lowest, are its ancestors in reverse topological order: an operation is
always numbered after its arguments. The backward pass walks them with a heap, so it
meets each node once, after all of its users, and never recurses.
"""

import itertools
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.bind import Interpreter, Tracer, bind, dressed, is_staged, known
from wengert.core.errors import DerivativeError, at_the_edge, explain
from wengert.core.op import Linear, Missing, Op, Partials, Rules, Zero
from wengert.core.types import Array, Type, type_of
from wengert.ops.strong import strong_product
from wengert.transforms.leaves import (
    check_cotangent,
    check_leaf,
    like_leaves,
    owned,
    snapshot,
)

_numbers = itertools.count()

# A node: (number, shape, dtype, op, parents, y, args, params). `parents` has a node per
# argument, or None; `y` and `args` hold only what the derivative rule reads. A plain
# tuple, because making one takes a quarter of the time of an object of a class.
Node = tuple[int, Any, Any, Any, Any, Any, Any, Any]


class Reverse(Interpreter):
    """Records. A tracer's `mark` is its node."""

    __slots__ = ("constants",)
    verb = "differentiated"

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[int, tuple[Array, Array]] = {}

    def input(self, x: Array) -> Tracer:
        """A tracer for an argument: a node without parents."""
        leaf = (next(_numbers), x.shape, x.dtype, None, (), None, None, None)
        return Tracer(self, x, leaf)

    def lift(self, x: Array) -> Tracer:
        """A constant: a node that no argument leads to."""
        return self.input(x)

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """Evaluates `op` one level down and records what its derivative needs."""
        rule: Any = op.derivative
        mask, bit, below = 0, 1, False
        values: list[Array] = []
        parents: list[Node | None] = []
        for a in args:
            if isinstance(a, Tracer):
                if a.interp is self:
                    parents.append(a.mark)
                    a = a.value
                    mask |= bit
                    below = below or isinstance(a, Tracer)
                else:
                    parents.append(None)
                    below = True
            else:
                parents.append(None)
            values.append(a)
            bit += bit
        if below:
            y = bind(op, *values, **params)
        else:
            try:
                y = op.evaluate(*values, **params)
            except Exception as error:
                raise dressed(error, op, tuple(values), params) from None
        kind = type(rule)
        if kind is Zero:
            return y
        if op.multiple:
            return self._record_multiple(op, mask, values, parents, y, params)
        dtype = y.dtype
        if dtype.kind not in "fc" or kind is Missing:
            return _untracked(op, dtype, rule, y)
        count = len(values)
        keep_y, keep = rule.keeps.by_mask.get(mask) or rule.keeps.find(mask, count)
        for i in range(count):
            if not keep[i]:
                values[i] = None if kind is Partials else type_of(values[i])
            elif parents[i] is None:
                values[i] = self._constant(values[i])
        node = (
            next(_numbers), y.shape, dtype, op, parents,
            y if keep_y else None, values, params,
        )  # fmt: skip
        return Tracer(self, y, node)

    def _record_multiple(
        self,
        op: Op,
        mask: int,
        values: list[Array],
        parents: list[Node | None],
        ys: tuple[Array, ...],
        params: dict[str, Any],
    ) -> tuple[Array, ...]:
        rule: Any = op.derivative
        keep_y, keep = rule.keeps.find(mask, len(values))
        for i, kept in enumerate(keep):
            values[i] = self._constant(values[i]) if kept else type_of(values[i])
        types = tuple(type_of(y) for y in ys)
        kept_ys = ys if keep_y else None
        whole = (next(_numbers), types, None, op, parents, kept_ys, values, params)
        return tuple(
            y
            if y.dtype.kind not in "fc"
            else Tracer(
                self,
                y,
                (next(_numbers), y.shape, y.dtype, _PART, (whole,), None, i, None),
            )
            for i, y in enumerate(ys)
        )

    def _constant(self, x: Array) -> Array:
        """`x` as it is now: the user may write into it before the backward pass."""
        if type(x) is not np.ndarray:
            return x
        if x.nbytes <= 4096:
            return x.copy()
        return snapshot(x, self.constants)


def _untracked(op: Op, dtype: Any, rule: Any, y: Array) -> Array:
    if isinstance(rule, Missing):
        raise DerivativeError(
            explain(f"`{op.name}` has no derivative.", "a traced value", rule.why)
        )
    if dtype.kind in "biu":
        return y
    raise DerivativeError(
        explain(
            "Derivatives are of float and complex arrays.",
            f"`{op.name}` gives dtype {dtype}",
            "convert with .astype(float), or keep such data out of the "
            "differentiated computation.",
        )
    )


class _Part:
    """Stands for "one result of an operation with several" in a node."""

    name = "part"


_PART = _Part()


def backward(
    seeds: Sequence[tuple[Node, Array]], wanted: Sequence[Node], strong: bool = False
) -> list[Array | None]:
    """The backward pass: adjoints of `wanted` nodes, given those of the results.

    `strong`: products in which either factor is zero are zero, also against inf or nan.
    A node that no adjoint reaches gets None.
    """
    adjoint: dict[int, Any] = {}
    nodes: dict[int, Node] = {}
    fresh: set[int] = set()  # adjoints that are ours alone: added to in place
    heap: list[int] = []

    def arrive(node: Node, ct: Array) -> None:
        if ct.shape != node[1] or ct.dtype is not node[2]:
            ct = fit(ct, node[1], node[2])
        number = node[0]
        if number in adjoint:
            adjoint[number] = adjoint[number] + ct
            fresh.discard(number)
        else:
            adjoint[number] = ct
            nodes[number] = node
            heappush(heap, -number)

    for node, ct in seeds:
        arrive(node, ct)
    keep = {node[0] for node in wanted}
    while heap:
        number = -heappop(heap)
        node = nodes.pop(number)
        op = node[3]
        if op is None:
            continue
        ct = adjoint[number] if number in keep else adjoint.pop(number)
        _, _, _, _, parents, y, args, params = node
        if op is _PART:
            whole = parents[0]
            if whole[0] not in adjoint:
                adjoint[whole[0]] = [None] * len(whole[1])
                nodes[whole[0]] = whole
                heappush(heap, -whole[0])
            adjoint[whole[0]][args] = ct
            continue
        rule = op.derivative
        kind = type(rule)
        if kind is Partials:
            conjugate = ct.dtype.kind == "c"
            for parent, partial in zip(parents, rule.partials, strict=True):
                if parent is None or partial is None:
                    continue
                if partial.__class__ is int:
                    arrive(parent, ct if partial == 1 else -ct)
                    continue
                p = partial(y, *args)
                if conjugate:
                    p = np.conjugate(p)
                arrive(parent, strong_product(ct, p) if strong else ct * p)
        elif kind is Linear:
            last = len(rule.transposes) - 1
            for i, parent in enumerate(parents):
                if parent is None:
                    continue
                if op.into is not None and type(ct) in _PLAIN:
                    _add_into(op, parent, ct, args, params, adjoint, nodes, fresh, heap)
                elif rule.many:
                    t = rule.transposes[min(i, last)]
                    arrive(parent, t(ct, *args, position=i, **params))
                else:
                    arrive(parent, rule.transposes[i](ct, *args, **params))
        else:
            if op.multiple:
                ct = tuple(
                    zeros_ct(t) if c is None else c
                    for t, c in zip(node[1], ct, strict=True)
                )
            cts = rule.vjp(ct, y, *args, **params)
            for parent, c in zip(parents, cts, strict=True):
                if parent is not None and c is not None:
                    arrive(parent, c)
    return [adjoint.get(node[0]) for node in wanted]


_PLAIN = frozenset({np.ndarray, np.float64, np.float32, np.complex128, np.complex64})


def _add_into(
    op: Op,
    parent: Node,
    ct: Array,
    args: list[Array],
    params: dict[str, Any],
    adjoint: dict[int, Any],
    nodes: dict[int, Node],
    fresh: set[int],
    heap: list[int],
) -> None:
    """Adds the transpose's value to the parent's adjoint in place (gathers, slices).

    A loop over the n elements of an array then costs n, not n² as with one array of
    zeros for each element.
    """
    number, shape, dtype = parent[:3]
    have = adjoint.get(number)
    if have is None:
        have = adjoint[number] = np.zeros(shape, dtype)
        nodes[number] = parent
        fresh.add(number)
        heappush(heap, -number)
    elif number not in fresh:
        if isinstance(have, Tracer):
            assert isinstance(op.derivative, Linear)
            adjoint[number] = have + op.derivative.transposes[0](ct, *args, **params)  # type: ignore[misc]
            return
        have = adjoint[number] = np.array(have, dtype)
        fresh.add(number)
    assert op.into is not None
    op.into(have, ct, *args, **params)


def fit(ct: Array, shape: Any, dtype: Any) -> Array:
    """A cotangent in its argument's type: broadcast axes summed, real part, cast."""
    if ct.shape != shape:
        extra = ct.ndim - len(shape)
        axes = (*range(extra), *(
            i + extra for i, n in enumerate(shape) if n == 1 and ct.shape[i + extra] != 1
        ))  # fmt: skip
        ct = np.sum(ct, axis=axes).reshape(shape) if axes else ct.reshape(shape)
    if ct.dtype is not dtype and ct.dtype != dtype:
        if ct.dtype.kind == "c" and dtype.kind != "c":
            ct = np.real(ct)
        ct = ct.astype(dtype)
    return ct


def zeros_ct(type: Type) -> Array:
    """The zero cotangent of a result of this type."""
    return np.zeros(type.shape, type.dtype) if type.shape else type.dtype.type(0)


class Record:
    """One run of a function: its result, and the nodes to differentiate it from."""

    __slots__ = ("inputs", "nodes", "spec", "values")

    def __init__(self, f: Callable[..., Any], leaves: list[Array], rebuild: Any) -> None:
        interp = Reverse()
        tracers = [interp.input(x) for x in leaves]
        self.inputs: list[Node] = [t.mark for t in tracers]
        try:
            result = f(*rebuild(tracers))
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
                r.value if o else r for r, o in zip(results, ours, strict=True)
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
                return backward(seeds, self.inputs, strong=_unbounded(seeds))
            plain = backward(seeds, self.inputs, strong=False)
            if finite(plain) or not finite(self.values) or not finite(cts):
                return plain
            return backward(seeds, self.inputs, strong=True)


def _unbounded(seeds: Sequence[tuple[Node, Array]]) -> bool:
    """Whether an operation on the way to the inputs may have an infinite slope."""
    pending = [node for node, _ in seeds]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if node[0] in seen or node[3] is None:
            continue
        seen.add(node[0])
        if node[3] is not _PART:
            rule = node[3].derivative
            if isinstance(rule, Partials) and not rule.bounded:
                return True
        pending.extend(p for p in node[4] if p is not None)
    return False


def finite(arrays: Sequence[Array | None]) -> bool:
    """Whether all are finite, as far as they have values."""
    for x in arrays:
        x = known(x)
        if x is None:
            continue
        if not isinstance(x, np.ndarray):
            if not np.isfinite(x):
                return False
        elif x.dtype.kind in "fc" and not np.isfinite(x).all():
            return False
    return True


def vjp(
    f: Callable[..., Any], *primals: Any, has_aux: bool = False
) -> tuple[Any, ...]:
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
        aux: list[Any] = []

        def run(*args: Any) -> Any:
            y = f(*args)
            if has_aux:
                y, extra = y
                aux.append(extra)
            return y

        record = Record(run, values, lambda ts: tree.unflatten(spec, ts))
        y = record.result(owned(list(record.values)))

    def pullback(ct: Any) -> Any:
        with at_the_edge():
            cts = check_cotangent(ct, record.spec, record.values)
            pulled = record.pull(cts)
            grads = [
                zeros_ct(type_of(x)) if g is None else g
                for g, x in zip(pulled, values, strict=True)
            ]
            del pulled
            return tree.unflatten(spec, like_leaves(owned(grads), leaves))

    return (y, pullback, *aux)
