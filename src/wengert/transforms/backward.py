"""The backward pass: adjoints from the result to the inputs.

The nodes of a result, from the highest number to the lowest, are its ancestors in
reverse topological order. A heap of numbers gives them in that order, each once and
after all of its users, without recursion and without visiting anything else.
"""

import functools
from collections.abc import Sequence
from heapq import heappop, heappush
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import ndarray

from wengert.core.bind import Tracer, is_staged, known
from wengert.core.memory import ONE_VARIABLE
from wengert.core.op import Linear, Op, Partials
from wengert.core.types import Array, Type
from wengert.ops.strong import strong_contraction, strong_product
from wengert.transforms.tape import FLOAT64, PART, Node


def backward(
    seeds: Sequence[tuple[Node, Array]], wanted: Sequence[Node], strong: bool = False
) -> list[Array | None]:
    """The backward pass: adjoints of `wanted` nodes, given those of the results.

    `strong`: products in which either factor is zero are zero, also against inf or nan.
    A node that no adjoint reaches gets None.
    """
    adjoint: dict[int, Any] = {}  # by node number
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
    while heap:
        number = -heappop(heap)
        node = nodes.pop(number)
        _, shape, dtype, op, parents, y, args, params = node
        if op is None:
            continue  # an input: its adjoint stays
        ct = adjoint.pop(number)
        if op is PART:
            whole = parents[0]
            if whole[0] not in adjoint:
                adjoint[whole[0]] = [None] * len(whole[1])
                nodes[whole[0]] = whole
                heappush(heap, -whole[0])
            adjoint[whole[0]][args] = ct
            continue
        rule: Any = op.derivative
        if type(rule) is Partials:
            count, i = len(parents), -1
            partials: tuple[Any, ...] = rule.partials
            for parent in parents:
                i += 1
                partial = partials[i]
                if parent is None or partial is None:
                    continue
                if partial.__class__ is int:
                    c = ct if partial == 1 else -ct
                else:
                    if count == 2:
                        p = partial(y, args[0], args[1])
                    elif count == 1:
                        p = partial(y, args[0])
                    else:
                        p = partial(y, *args)
                    if dtype is not FLOAT64 and dtype.kind == "c":
                        # NumPy's would make a complex128 of a Python complex.
                        python = type(p) is complex or type(p) is float
                        p = p.conjugate() if python else np.conjugate(p)
                    c = strong_product(ct, p) if strong else ct * p
                # `arrive`, written out: this is the innermost loop of the library. The
                # calls above are written out because `*args` takes three times as long.
                number = parent[0]
                if parent[1] != shape or not parent[2] is dtype is FLOAT64:
                    c = fit(c, parent[1], parent[2])
                if number in adjoint:
                    adjoint[number] = adjoint[number] + c
                    if fresh:
                        fresh.discard(number)
                else:
                    adjoint[number] = c
                    nodes[number] = parent
                    heappush(heap, -number)
        elif strong and all_zero(ct):
            continue
        elif (
            op.consume is not None
            and type(ct) is ndarray
            and getrefcount(ct) == ONE_VARIABLE
            and ct.base is None
            and ct.flags.writeable
            and _all_plain(ct, args)
        ):
            for parent, c in zip(parents, op.consume(ct, *args, **params), strict=True):
                if parent is not None:
                    arrive(parent, c)
        elif type(rule) is Linear:
            transposes: tuple[Any, ...] = rule.transposes
            last = len(transposes) - 1
            for i, parent in enumerate(parents):
                if parent is None:
                    continue
                if op.into is not None and _all_plain(ct, args):
                    _add_into(op, parent, ct, args, params, adjoint, nodes, fresh, heap)
                else:
                    t = transposes[min(i, last)]
                    more = {"position": i} if rule.many else {}
                    pull = functools.partial(t, **params, **more)
                    if (
                        strong
                        and rule.products
                        and not any(map(is_staged, (ct, *args)))
                    ):
                        arrive(parent, strong_contraction(pull, ct, *args))
                    else:
                        arrive(parent, pull(ct, *args))
        else:
            if op.multiple:
                ct = tuple(
                    zeros_ct(t) if c is None else c
                    for t, c in zip(shape, ct, strict=True)
                )
            cts = rule.vjp(ct, y, *args, **params)
            for parent, c in zip(parents, cts, strict=True):
                if parent is not None and c is not None:
                    arrive(parent, c)
    return [adjoint.get(node[0]) for node in wanted]


def _all_plain(ct: Any, args: list[Any]) -> bool:
    return type(ct) in _PLAIN and not any(isinstance(a, Tracer) for a in args)


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
        stretched = (
            i + extra
            for i, n in enumerate(shape)
            if n == 1 and ct.shape[i + extra] != 1
        )
        axes = (*range(extra), *stretched)
        ct = np.sum(ct, axis=axes).reshape(shape) if axes else ct.reshape(shape)
    if ct.dtype is not dtype and ct.dtype != dtype:
        if ct.dtype.kind == "c" and dtype.kind != "c":
            ct = np.real(ct)
        ct = ct.astype(dtype)
    return ct


def zeros_ct(type: Type) -> Array:
    """The zero cotangent of a result of this type."""
    return np.zeros(type.shape, type.dtype) if type.shape else type.dtype.type(0)


def unbounded(seeds: Sequence[tuple[Node, Array]]) -> bool:
    """Whether an operation on the way to the inputs may have an infinite slope."""
    pending = [node for node, _ in seeds]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if node[0] in seen or node[3] is None:
            continue
        seen.add(node[0])
        if node[3] is not PART:
            rule = node[3].derivative
            if isinstance(rule, Partials) and not rule.bounded:
                return True
            if not _finite_constants(node[6]):
                return True
        pending.extend(p for p in node[4] if p is not None)
    return False


def _finite_constants(args: list[Any]) -> bool:
    return finite([a for a in args if isinstance(a, np.ndarray | np.generic)])


def all_zero(ct: Any) -> bool:
    """Whether a cotangent or tangent has a value, and that is zero everywhere."""
    if isinstance(ct, list):  # of an operation with several results
        return all(c is None or all_zero(c) for c in ct)
    if is_staged(ct):
        return False  # it may be another one when the graph runs
    value = known(ct)
    return value is not None and not np.any(value)


def any_nan(arrays: Sequence[Array | None]) -> bool:
    """Whether one of them has a nan, as far as they have values."""
    values = (known(x) for x in arrays)
    return any(bool(np.isnan(x).any()) for x in values if x is not None)


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
