"""Forward mode: primal and tangent side by side, and `jvp`.

Dual numbers: each operation gives its result and the result's directional derivative,
so nothing is kept and the cost is that of the function times a small constant.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.admit import check_leaf, check_result
from wengert.core.bind import (
    Interpreter,
    Tracer,
    bind,
    check_kind,
    fixed,
    is_staged,
)
from wengert.core.errors import DerivativeError, ShapeMismatch, at_the_edge, explain
from wengert.core.memory import owned
from wengert.core.op import Linear, Missing, Op, Partials, Rules, Zero
from wengert.core.types import Array, type_of, zeros
from wengert.ops.strong import strong_contraction, strong_product
from wengert.transforms.backward import all_zero, any_nan, finite
from wengert.transforms.leaves import check_tangent, split_aux
from wengert.transforms.naming import fastest


class Forward(Interpreter):
    """Pushes forward. A tracer's `mark` is its tangent, or None for a zero one."""

    __slots__ = ("strong", "unbounded")
    verb = "differentiated"

    def __init__(self, strong: bool = False) -> None:
        super().__init__()
        self.strong = strong
        self.unbounded = False  # has an operation with a possibly infinite slope run?

    def lift(self, x: Array) -> Array:
        """A constant: its tangent is zero."""
        x = fixed(x)
        return Tracer(self, x, None) if x.dtype.kind in "fc" else x

    def process(self, op: Op, args: tuple[Array, ...], params: dict[str, Any]) -> Any:
        """Evaluates `op` one level down, and its derivative along the tangents."""
        values: list[Array] = []
        tangents: list[Array | None] = []
        for a in args:
            ours = isinstance(a, Tracer) and a.interp is self
            values.append(a.value if ours else a)
            t = a.mark if ours else None
            tangents.append(
                None if self.strong and t is not None and all_zero(t) else t
            )
        y = bind(op, *values, **params)
        rule = op.derivative
        if isinstance(rule, Zero):
            return y
        if all(t is None for t in tangents):
            return tuple(map(self.lift, y)) if op.multiple else self.lift(y)
        if isinstance(rule, Missing):
            raise DerivativeError(
                explain(f"`{op.name}` has no derivative.", "a traced value", rule.why)
            )
        with np.errstate(all="ignore"):
            dy = self._push(op, rule, tangents, y, values, params)
        if op.multiple:
            return tuple(
                Tracer(self, part, _like(d, part)) if part.dtype.kind in "fc" else part
                for part, d in zip(y, dy, strict=True)
            )
        if y.dtype.kind not in "fc":
            check_kind(op, y.dtype)
            return y
        return Tracer(self, y, _like(dy, y))

    def _push(
        self,
        op: Op,
        rule: Partials | Linear | Rules,
        tangents: list[Array | None],
        y: Array,
        values: list[Array],
        params: dict[str, Any],
    ) -> Any:
        if isinstance(rule, Partials):
            return self._partials(rule, tangents, y, values)
        if isinstance(rule, Rules):
            return rule.jvp(tangents, y, *values, **params)
        if rule.joint:
            filled = [
                (_zero_like(v) if _has_transpose(rule, i) else v) if t is None else t
                for i, (t, v) in enumerate(zip(tangents, values, strict=True))
            ]
            return bind(op, *filled, **params)
        total = None
        for i, t in enumerate(tangents):
            if t is not None:
                args = [*values[:i], t, *values[i + 1 :]]
                if self.strong and rule.products and not is_staged(y):
                    term = strong_contraction(
                        lambda *arrays: bind(op, *arrays, **params), *args
                    )
                else:
                    term = bind(op, *args, **params)
                total = term if total is None else total + term
        return total

    def _partials(
        self,
        rule: Partials,
        tangents: list[Array | None],
        y: Array,
        values: list[Array],
    ) -> Array | None:
        self.unbounded = self.unbounded or not rule.bounded
        strong = self.strong or (self.unbounded and is_staged(y))
        total = None
        for t, partial in zip(tangents, rule.partials, strict=True):
            if t is None or partial is None:
                continue
            if isinstance(partial, int):
                term = t if partial == 1 else -t
            else:
                p = partial(y, *values)
                term = strong_product(t, p) if strong else t * p
            total = term if total is None else total + term
        return total


def _zero_like(v: Array) -> Array:
    """A zero in the place of an argument; a Python number's gives way as it did."""
    return type(v)(0) if type(v) in (int, float, complex) else zeros(type_of(v))


def _has_transpose(rule: Linear, i: int) -> bool:
    return rule.transposes[min(i, len(rule.transposes) - 1)] is not None


def _like(dy: Array | None, y: Array) -> Array | None:
    """A tangent in its result's shape and dtype (an argument was broadcast)."""
    if dy is None:
        return None
    if dy.dtype != y.dtype:
        dy = np.real(dy) if dy.dtype.kind == "c" and y.dtype.kind != "c" else dy
        dy = dy.astype(y.dtype)
    return dy if dy.shape == y.shape else np.broadcast_to(dy, y.shape)


def push(
    f: Callable[..., Any],
    leaves: list[Array],
    tangents: list[Array],
    rebuild: Any,
    aux: list[Any] | None = None,
) -> tuple[Any, list[Array], list[Array]]:
    """(structure, result leaves, tangent leaves) of one forward sweep through `f`.

    Runs again with strong products where the plain sweep gives inf or nan. If `aux` is
    a list, `f` returns a pair, whose second part goes there.
    """
    for strong in (False, True):
        interp = Forward(strong)
        try:
            duals = [
                Tracer(interp, x, t) for x, t in zip(leaves, tangents, strict=True)
            ]
            result = f(*rebuild(duals))
            if aux is not None:
                result, aux[:] = split_aux(f, result, interp)
            results, spec = tree.flatten(result)
            ys, dys = [], []
            for r in results:
                ours = isinstance(r, Tracer) and r.interp is interp
                y = r.value if ours else check_result(r)
                dy = r.mark if ours else None
                ys.append(y)
                dys.append(_zero_tangent(y) if dy is None else dy)
        finally:
            interp.close()
        if strong or all(map(is_staged, ys)):
            break  # the graph will run on other values too: operations decided
        if finite(dys) or any_nan(ys) or not finite(tangents):
            break
    return spec, ys, dys


def _zero_tangent(y: Any) -> Array:
    return zeros(type_of(y if isinstance(y, Tracer) else np.asarray(y)))


def jvp(
    f: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False
) -> tuple[Any, ...]:
    """The result of `f` and its derivative along a direction, in one sweep.

    Args:
        f: a function of arrays, or nested containers of arrays.
        primals: a tuple (or list) of its arguments, float or complex.
        tangents: the direction, in the structure and shapes of `primals`.
        has_aux: whether `f` returns `(result, aux)`; `aux` is then a third result.

    Returns:
        `(y, dy)`, both in the structure of the result of `f`.

    Raises:
        TypeMismatch: for a primal that isn't a float or complex array.
        ShapeMismatch: for tangents that don't match the primals.

    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1.
    """

    def pushed(primals: Any, tangents: Any) -> tuple[Any, ...]:
        return _jvp(f, primals, tangents, has_aux)

    run = fastest(pushed, "jvp", f, has_aux=has_aux)
    found: tuple[Any, ...] = run(primals, tangents)
    return found


def _jvp(
    f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool
) -> tuple[Any, ...]:
    with at_the_edge():
        if not isinstance(primals, tuple | list):
            raise ShapeMismatch(
                explain(
                    "jvp takes a tuple of primals and a tuple of tangents.",
                    f"primals of type {type(primals).__name__}",
                    "jvp(f, (x,), (dx,)).",
                )
            )
        leaves, spec = tree.flatten(tuple(primals))
        names = tree.paths(tuple(primals))
        values = [
            check_leaf(x, "jvp", name) for x, name in zip(leaves, names, strict=True)
        ]
        given = tuple(tangents) if isinstance(tangents, tuple | list) else tangents
        directions = [
            check_tangent(t, x)
            for t, x in zip(
                tree.flatten_like(spec, given, "tangents"), values, strict=True
            )
        ]
        aux: list[Any] = []
        out, ys, dys = push(
            f, values, directions, lambda ts: tree.unflatten(spec, ts),
            aux if has_aux else None,
        )  # fmt: skip
        return (tree.unflatten(out, owned(ys)), tree.unflatten(out, owned(dys)), *aux)
