"""The operations behind custom_vjp and custom_jvp: both modes from either rule."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core import tree
from wengert.core.bind import Tracer, fixed
from wengert.core.errors import ShapeMismatch, explain, name_of
from wengert.core.memory import owned
from wengert.core.op import Op, Rules
from wengert.core.types import Array, is_inexact, type_of, zeros
from wengert.transforms.batch import cover
from wengert.transforms.call import (
    ARRAY,
    Call,
    batch,
    evaluate,
    infer_types,
    joined,
    note_results,
    refuse_traced,
    split,
)
from wengert.transforms.leaves import _check_like
from wengert.transforms.reverse import vjp

# custom_vjp --------------------------------------------------------------------------


class VjpRule(NamedTuple):
    """The rule of one call, without the arguments that aren't differentiated."""

    fwd: Callable[..., Any]
    bwd: Callable[..., Any]


def _evaluate_vjp(*arrays: Array, call: Call) -> tuple[Array, ...]:
    """Runs `fwd` in place of `f` where its residuals will be wanted."""
    if not call.saves:
        return evaluate(*arrays, call=call)
    runs: list[tuple[int, Any, list[Any]]] = []

    def run(items: list[Array]) -> list[Any]:
        y, residuals = _forward_pass(call, items)
        ys = note_results(call, y)
        kept, spec, others = split(residuals)
        runs.append((len(ys), spec, others))
        return [*ys, *kept]

    follow = [*range(len(arrays))]
    flat = call.through_layers(run, [fixed(x) for x in arrays], [*follow])
    refuse_traced(call.f, flat)
    flat = owned(flat)
    count, spec, others = runs[-1]
    if len(runs) == 1:  # else item by item, where what isn't an array may differ
        call.saved = flat[count:], spec, others
    return tuple(flat[:count])


def _forward_pass(call: Call, items: list[Array]) -> tuple[Any, Any]:
    """(y, residuals) from the user's `fwd`."""
    pair = call.rule.fwd(*call.arguments(items))
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ShapeMismatch(
            explain(
                f"fwd of {name_of(call.f)} returns a pair (result, residuals).",
                _described(pair),
                "return y, None where bwd needs nothing.",
            )
        )
    return pair[0], pair[1]


def _pull(call: Call, residuals: Any, cts: list[Array], args: list[Array]) -> list[Any]:
    """The user's `bwd`: a cotangent or None for each array among the arguments."""
    ct = tree.unflatten(call.results.spec, [fixed(c) for c in cts])
    pulled = call.rule.bwd(residuals, ct)
    given = call.arguments(args)
    if not isinstance(pulled, tuple | list) or len(pulled) != len(given):
        raise ShapeMismatch(
            explain(
                f"bwd of {name_of(call.f)} returns a tuple with one cotangent for each "
                f"of its {len(given)} differentiable arguments.",
                _described(pulled),
                "return (ct,) for one argument; None stands for a zero cotangent.",
            )
        )
    found: list[Any] = []
    for n, (c, x) in enumerate(zip(pulled, given, strict=True)):
        what = f"cotangent from bwd of {name_of(call.f)} for argument {n}"
        for part, below in cover(c, x, what):
            leaves, spec = tree.flatten(below)
            if part is not None and not (leaves and leaves[0] is below):
                tree.flatten_like(spec, part, what)  # raises: one for a container
            found.extend((part, what) for _ in leaves)
    return [
        None
        if c is None or not is_inexact(x.dtype)
        else _check_like(c, type_of(x), what, "the argument")
        for (c, what), x in zip(call.per_array(found), args, strict=True)
    ]


def _described(x: Any) -> str:
    if isinstance(x, tuple | list):
        return f"a {type(x).__name__} of length {len(x)}"
    if isinstance(x, np.ndarray | np.generic | Tracer):
        return f"an array of shape {x.shape}"
    return f"{type(x).__name__} {x!r:.40}"


def _residuals(call: Call, args: list[Array], saved: list[Array] | None) -> Any:
    if saved is None:
        return _forward_pass(call, [fixed(x) for x in args])[1]
    _, spec, others = call.saved
    return joined([fixed(x) for x in saved], spec, others)


def _vjp_of_vjp(
    ct: tuple[Array, ...], _y: Any, *args: Array, call: Call
) -> list[Array | None]:
    """`bwd`, with the residuals of the run or, failing these, of `fwd` run again."""
    keeps = call.saved is not None and not any(isinstance(x, Tracer) for x in args)
    saved = call.saved[0] if keeps else []
    n, m = len(args), len(args) + len(saved)

    def run(items: list[Array]) -> list[Array | None]:
        residuals = _residuals(call, items[:n], items[n:m] if keeps else None)
        return _pull(call, residuals, items[m:], items[:n])

    follow: list[int | None] = [*range(n), *[None] * (len(saved) + len(ct))]
    return call.summed(call.through_layers(run, [*args, *saved, *ct], follow))


def _jvp_of_vjp(
    tangents: list[Array | None], y: tuple[Array, ...], *args: Array, call: Call
) -> list[Array | None]:
    """The transpose of ct ↦ bwd(residuals, ct), which is linear, of the tangents."""
    keeps = call.saved is not None and not any(isinstance(x, Tracer) for x in args)
    saved = call.saved[0] if keeps else []
    which = [i for i, t in enumerate(tangents) if t is not None]
    n, m = len(args), len(args) + len(saved)

    def run(items: list[Array]) -> list[Array | None]:
        xs, ts, ys = items[:n], items[m : m + len(which)], items[m + len(which) :]
        residuals = _residuals(call, xs, items[n:m] if keeps else None)
        zero = [zeros(type_of(y)) for y in ys]

        def pulled(*inexact: Array) -> list[Array]:
            cts = _pull(call, residuals, _merged(inexact, zero), xs)
            return [zeros(type_of(xs[i])) if cts[i] is None else cts[i] for i in which]

        pushed = vjp(pulled, *_inexact(zero))[1](ts)
        return _merged(pushed, [y if is_inexact(y.dtype) else None for y in ys])

    pushed = [tangents[i] for i in which]
    whole: list[int | None] = [None]
    follow = [*range(n), *whole * len(saved), *which, *whole * len(y)]
    return call.through_layers(run, [*args, *saved, *pushed, *y], follow)


def _inexact(arrays: list[Array]) -> list[Array]:
    return [x for x in arrays if is_inexact(x.dtype)]


def _merged(inexact: Any, arrays: list[Any]) -> list[Any]:
    """`arrays` with those that have derivatives replaced, in order."""
    rest = iter(inexact)
    return [next(rest) if x is not None and is_inexact(x.dtype) else x for x in arrays]


VJP = Op(
    name="custom_vjp",
    evaluate=_evaluate_vjp,
    type_of=infer_types,
    derivative=Rules(jvp=_jvp_of_vjp, vjp=_vjp_of_vjp),
    batch=batch,
    multiple=True,
    kind="call",
)


# custom_jvp --------------------------------------------------------------------------


# The tangent of a number of Python's; of other values that aren't arrays it is None.
_zero_of = {float: 0.0, complex: 0j}


def _push(call: Call, xs: list[Array], ts: list[Array]) -> list[Array | None]:
    """The user's rule: a tangent for each result, None for one of integers."""
    others = [x if x is ARRAY else _zero_of.get(type(x)) for x in call.others]
    primals = call.arguments([fixed(x) for x in xs])
    pair = call.rule(primals, joined([fixed(t) for t in ts], call.spec, others))
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ShapeMismatch(
            explain(
                f"The rule of {name_of(call.f)} returns a pair (y, dy).",
                _described(pair),
                "return y, dy, both of the structure of the result.",
            )
        )
    ys = note_results(call, pair[0])
    what = f"tangent from the rule of {name_of(call.f)}"
    dys = tree.flatten_like(call.results.spec, pair[1], what)
    return [
        _check_like(dy, type_of(y), what, "the result") if is_inexact(y.dtype) else None
        for dy, y in zip(dys, ys, strict=True)
    ]


def _jvp_of_jvp(
    tangents: list[Array | None], _y: Any, *args: Array, call: Call
) -> list[Array | None]:
    """The user's rule, with zeros for the tangents of constants."""
    which = [i for i, t in enumerate(tangents) if t is not None]
    n = len(args)

    def run(items: list[Array]) -> list[Array | None]:
        ts: list[Array] = [zeros(type_of(x)) for x in items[:n]]
        for i, t in zip(which, items[n:], strict=True):
            ts[i] = t
        return _push(call, items[:n], ts)

    arrays = [*args, *(tangents[i] for i in which)]
    return call.through_layers(run, arrays, [*range(n), *which])


def _vjp_of_jvp(
    ct: tuple[Array, ...], _y: Any, *args: Array, call: Call
) -> list[Array | None]:
    """The transpose of tangents ↦ dy, which is linear, of the cotangent."""
    n = len(args)

    def run(items: list[Array]) -> list[Array | None]:
        xs, cts = items[:n], items[n:]
        zero = [zeros(type_of(x)) for x in xs]

        def pushed(*inexact: Array) -> list[Array]:
            dys = _push(call, xs, _merged(inexact, zero))
            return [dy for dy in dys if dy is not None]

        pulled = vjp(pushed, *_inexact(zero))[1](_inexact(cts))
        return _merged(pulled, [x if is_inexact(x.dtype) else None for x in zero])

    follow: list[int | None] = [*range(n), *[None] * len(ct)]
    return call.summed(call.through_layers(run, [*args, *ct], follow))


JVP = Op(
    name="custom_jvp",
    evaluate=evaluate,
    type_of=infer_types,
    derivative=Rules(jvp=_jvp_of_jvp, vjp=_vjp_of_jvp),
    batch=batch,
    multiple=True,
    kind="call",
)
