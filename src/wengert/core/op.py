"""The Op record: everything one primitive knows, in one place, in one order.

Rules are written in plain NumPy. On arrays they run NumPy; on tracers NumPy hands the
call to our ops. So one rule evaluates, stages, batches and differentiates again.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from wengert.core.errors import TypeMismatch, explain
from wengert.core.types import Array, Type

Rule = Callable[..., Any]
Batch = Callable[..., Any]


Reads = tuple[bool, tuple[bool, ...], bool]


def _reads(rule: Rule | int | None, takes_y: bool) -> Reads:
    """What `rule` needs by value: (y, each named argument, the rest), by its signature.

    A parameter whose name begins with `_` isn't needed: the tape doesn't keep it, and
    the rule receives its `Type` instead (None in a Partials).
    """
    if rule is None or isinstance(rule, int):
        return False, (), False
    needed: list[bool] = []
    rest = False
    for p in inspect.signature(rule).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            rest = not p.name.startswith("_")
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            needed.append(not p.name.startswith("_"))
    if not takes_y:
        return False, tuple(needed), rest
    return (needed[0] if needed else rest), tuple(needed[1:]), rest


class Keeps:
    """What the tape keeps of a call: the result, and which arguments, by value."""

    __slots__ = ("_found", "_reads")

    def __init__(self, *reads: Reads) -> None:
        self._reads = reads  # one per argument; the last serves all further ones
        self._found: dict[tuple[int, int], tuple[bool, tuple[bool, ...]]] = {}

    def find(self, mask: int, count: int) -> tuple[bool, tuple[bool, ...]]:
        """For the arguments set in `mask`: (keep y, keep argument 0, 1, …)."""
        found = self._found.get((mask, count))
        if found is not None:
            return found
        keep_y, keep = False, [False] * count
        for i in range(count):
            if mask >> i & 1:
                reads_y, reads, rest = self._reads[min(i, len(self._reads) - 1)]
                keep_y = keep_y or reads_y
                for j in range(count):
                    keep[j] = keep[j] or (reads[j] if j < len(reads) else rest)
        found = (keep_y, tuple(keep))
        if count <= 4:  # calls with many arguments have too many masks to remember
            self._found[mask, count] = found
        return found


def _after_ct(reads: Reads) -> Reads:
    return reads[0], reads[1][1:], reads[2]


class Partials:
    """Elementwise: `p_i(y, *args)` is ∂y/∂arg_i, an array, or the literal 1, -1 or None
    (zero).

    Complex arguments: p_i is the complex derivative (the op is holomorphic in arg_i).
    `bounded=True` promises finite partials where the arguments, or y, are finite.
    """

    __slots__ = ("bounded", "keeps", "masks", "partials")

    def __init__(self, *partials: Rule | int | None, bounded: bool = False) -> None:
        self.partials = partials
        self.bounded = bounded
        self.keeps = Keeps(*(_reads(p, takes_y=True) for p in partials))
        # Indexed by the mask of traced arguments: (keep y, (keep argument 0, 1)).
        count = len(partials)
        self.masks = [self.keeps.find(mask, count) for mask in range(1 << count)]


class Linear:
    """Linear in each argument; `t_i(ct, *args, **params)` is the transpose for arg i.

    `joint=True`: linear in all arguments together (concatenate), not in each alone
    (matmul). An argument without a transpose (None) is not differentiable: an index, a
    mask. `products=True` promises sums of products of elements, one of each argument
    (matmul), where zero must win against infinity. With `many=True` the last transpose
    serves all further arguments, and all are called with `position=i`.
    """

    __slots__ = ("joint", "keeps", "many", "products", "transposes")

    def __init__(
        self,
        *transposes: Rule | None,
        joint: bool = False,
        many: bool = False,
        products: bool = False,
    ) -> None:
        self.transposes = transposes
        self.joint = joint
        self.products = products
        self.many = many
        self.keeps = Keeps(*(_after_ct(_reads(t, takes_y=False)) for t in transposes))


class Rules:
    """The rest: `jvp(tangents, y, *args, **params)`, `vjp(ct, y, *args, **params)`.

    `jvp` gets None for a zero tangent and returns the tangent of y; `vjp` returns one
    cotangent, or None for a zero one, per argument.
    """

    __slots__ = ("jvp", "keeps", "vjp")

    def __init__(self, *, jvp: Rule, vjp: Rule) -> None:
        self.jvp = jvp
        self.vjp = vjp
        _, needed, rest = _reads(vjp, takes_y=False)
        reads_y = needed[1] if len(needed) > 1 else rest
        self.keeps = Keeps((reads_y, needed[2:], rest))


class Zero:
    """Zero wherever it exists: piecewise constant ops."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


class Missing:
    """No derivative: `why`, and what to call instead."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


Derivative = Partials | Linear | Rules | Zero | Missing


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Op:
    """One primitive.

    Args:
        name: the field's own term, unique.
        evaluate: arrays and static params → array (or tuple of arrays if `multiple`).
        type_of: Types and static params → Type (or tuple); refuses in a full sentence.
        derivative: one of the five forms.
        batch: `batch(op, size, args, mapped, params)` → result with the axis in front.
        lower: loop form for the native backend; None means a host call to `evaluate`.
        multiple: whether the result is a tuple.
        view: whether NumPy's result shares memory with the first argument.
        into: `into(buffer, ct, *args, **params)` adds the transpose's value to a
            buffer in place, where that is cheaper than an array of zeros per call.
        consume: `consume(ct, *args, **params)` gives all arguments' cotangents and may
            write into `ct`, which is nobody else's, instead of copying it.
    """

    name: str
    evaluate: Callable[..., Any]
    type_of: Callable[..., Any]
    derivative: Derivative
    batch: Batch
    lower: Callable[..., Any] | None = None
    multiple: bool = False
    view: bool = False
    into: Callable[..., None] | None = None
    consume: Callable[..., tuple[Any, ...]] | None = None
    kind: Literal["op", "call"] = field(default="op")

    def __repr__(self) -> str:
        return f"Op({self.name})"

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: another process has the same ops."""
        if op_named(self.name) is not self:
            raise TypeMismatch(
                explain(
                    "Ops of the library are pickled by name.",
                    f"`{self.name}`, which belongs to a custom rule or an override",
                    "make it in the other process, from the function.",
                )
            )
        return op_named, (self.name,)


OPS: dict[str, Op] = {}
# The leaves of graphs: not operations, so not listed among them.
LEAVES: dict[str, Op] = {}


def op_named(name: str) -> Op | None:
    """The op of this name, or None."""
    return OPS.get(name) or LEAVES.get(name)


def register(op: Op) -> Op:
    """Enters an op under its name, which must be new, and returns it."""
    if op.name in OPS:
        raise ValueError(f"An op named {op.name!r} exists already; names are unique.")
    OPS[op.name] = op
    return op


__all__ = [
    "OPS", "Array", "Batch", "Derivative", "Keeps", "Linear", "Missing", "Op",
    "Partials", "Rule", "Rules", "Type", "Zero", "register",
]  # fmt: skip
