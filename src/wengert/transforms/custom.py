"""custom_vjp and custom_jvp: functions with a derivative rule that the user gives."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any

from wengert.core import tree
from wengert.core.bind import bind, known
from wengert.core.errors import (
    DerivativeError,
    ShapeMismatch,
    TypeMismatch,
    at_the_edge,
    explain,
)
from wengert.core.op import Op
from wengert.graph.stage import Stage
from wengert.transforms.batch import Batch
from wengert.transforms.call import (
    Call,
    interpreters,
    learn_types,
    refuse_traced,
    split,
)
from wengert.transforms.forward import Forward
from wengert.transforms.rules import JVP, VJP, VjpRule
from wengert.transforms.tape import Reverse


class custom_vjp:
    """A function whose derivative is given by a pullback (decorator).

    Args:
        f: the function, of arrays or nested containers of arrays. It sees plain arrays
            wherever it can, so it may be code that isn't NumPy's: compiled, iterative,
            with `if` on values.
        nondiff_argnums: positions of arguments that aren't differentiated: functions,
            options. They are handed to the rules as they are.

    `f.defvjp(fwd, bwd)` gives the rule: `fwd(*args)` returns `(y, residuals)`, and
    `bwd(*nondiff, residuals, ct)` a tuple with one cotangent per differentiable
    argument, of its structure, shapes and dtypes; None stands for zero. Under forward
    mode the map `ct ↦ bwd(residuals, ct)`, which is linear, is transposed. Where higher
    derivatives are asked for, `fwd` and `bwd` are differentiated themselves.

    Arguments are copies: what `f` writes into them isn't seen outside. Keyword
    arguments and defaults are passed on by position.

    Raises:
        DerivativeError: where the rule is needed and missing.
        ShapeMismatch, TypeMismatch: if `bwd` returns anything else.
        TracedValueError: if `f` takes a traced value from outside.

    >>> @custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    >>> grad(lambda x: 50.0 * clipped(x))(2.0)
    1.0

    Source: Frostig et al., Decomposing reverse-mode automatic differentiation (2021).
    """

    def __init__(
        self, f: Callable[..., Any], nondiff_argnums: int | tuple[int, ...] = ()
    ) -> None:
        self._signature = _Signature(f, nondiff_argnums)
        self._rule: tuple[Any, Any] | None = None
        self._op: Op | None = None
        functools.update_wrapper(self, f)

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Gives the rule: `fwd(*args) -> (y, residuals)`, `bwd(residuals, ct)`."""
        self._rule = fwd, bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`f(*args, **kwargs)`; traced values know its derivative."""
        with at_the_edge():
            if self._op is None:
                self._op = replace(VJP, name=self._signature.name)
            return _call(self._op, self._signature, self._rule, "defvjp", args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, where the decorated function stands in a class."""
        return self if instance is None else MethodType(self, instance)


class custom_jvp:
    """A function whose derivative is given by a pushforward (decorator).

    Args:
        f: the function, as for `custom_vjp`.
        nondiff_argnums: positions of arguments that aren't differentiated.

    `f.defjvp(rule)` gives the rule: `rule(*nondiff, primals, tangents)` returns
    `(y, dy)`, where `primals` and `tangents` are tuples with one entry per
    differentiable argument, and `dy` has the structure and shapes of `y`. A tangent is
    None where the primal is an int, a string or another object. Under reverse mode the
    map `tangents ↦ dy`, which is linear, is transposed. Where higher derivatives are
    asked for, the rule is differentiated itself.

    Raises:
        As `custom_vjp`.

    >>> @custom_jvp
    ... def softsign(x):
    ...     return x / (1.0 + np.abs(x))
    >>> @softsign.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (dx,) = primals, tangents
    ...     return softsign(x), dx / (1.0 + np.abs(x)) ** 2
    >>> grad(softsign)(1.0)
    0.25

    Source: Frostig et al., Decomposing reverse-mode automatic differentiation (2021).
    """

    def __init__(
        self, f: Callable[..., Any], nondiff_argnums: int | tuple[int, ...] = ()
    ) -> None:
        self._signature = _Signature(f, nondiff_argnums)
        self._rule: Callable[..., Any] | None = None
        self._op: Op | None = None
        functools.update_wrapper(self, f)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Gives the rule, and returns it: `rule(primals, tangents) -> (y, dy)`."""
        self._rule = rule
        return rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`f(*args, **kwargs)`; traced values know its derivative."""
        with at_the_edge():
            if self._op is None:
                self._op = replace(JVP, name=self._signature.name)
            return _call(self._op, self._signature, self._rule, "defjvp", args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, where the decorated function stands in a class."""
        return self if instance is None else MethodType(self, instance)


# A call ------------------------------------------------------------------------------


class _Signature:
    """How arguments become positional, and which of them aren't differentiated."""

    def __init__(self, f: Callable[..., Any], nondiff: int | tuple[int, ...]) -> None:
        if not callable(f):
            raise TypeMismatch(
                f"A function is decorated; {type(f).__name__} {f!r:.40} came."
            )
        self.f = f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.nondiff = (
            (nondiff,) if isinstance(nondiff, int) else tuple(sorted(nondiff))
        )
        self.signature: inspect.Signature | None = None
        if inspect.isfunction(inspect.unwrap(f)) or inspect.ismethod(f):
            self.signature = inspect.signature(f)
        parameters = self.signature.parameters.values() if self.signature else ()
        self.has_defaults = any(p.default is not p.empty for p in parameters)

    def positional(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, ...]:
        """All arguments in order, defaults included."""
        if self.signature is not None and (kwargs or self.has_defaults):
            bound = self.signature.bind(*args, **kwargs)
            kwargs = bound.kwargs
            bound.apply_defaults()
            args = bound.args
        if kwargs:
            raise TypeMismatch(
                explain(
                    "The arguments of a function with a derivative rule of its own "
                    "have positions.",
                    f"{', '.join(kwargs)} by keyword only, of `{self.name}`",
                    "make them positional parameters.",
                )
            )
        return args

    def separated(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
        """(differentiable arguments, the others)."""
        if any(not 0 <= n < len(args) for n in self.nondiff):
            raise ShapeMismatch(
                explain(
                    f"nondiff_argnums of `{self.name}` are positions of its arguments, "
                    "counted from 0.",
                    f"{self.nondiff}, and a call with {len(args)} arguments",
                    "name positions that every call has.",
                )
            )
        given = tuple(a for n, a in enumerate(args) if n not in self.nondiff)
        return given, [args[n] for n in self.nondiff]

    def merged(self, f: Callable[..., Any], nondiff: list[Any]) -> Callable[..., Any]:
        """`f`, which takes all arguments, as a function of the differentiable ones."""
        if not nondiff:
            return f
        fixed_at = dict(zip(self.nondiff, nondiff, strict=True))

        def run(*given: Any) -> Any:
            rest = iter(given)
            places = range(len(given) + len(fixed_at))
            return f(*(fixed_at[n] if n in fixed_at else next(rest) for n in places))

        run.__name__ = getattr(f, "__name__", self.name)
        return run


def _call(
    op: Op, signature: _Signature, rule: Any, definer: str, args: Any, kwargs: Any
) -> Any:
    args = signature.positional(args, kwargs)
    given, nondiff = signature.separated(args)
    arrays, spec, others = split(given)
    watching = interpreters(arrays)
    if not watching:
        y = signature.f(*args)
        refuse_traced(signature.f, tree.flatten(y)[0])
        return y
    if rule is None:
        raise DerivativeError(
            explain(
                f"`{signature.name}` needs its derivative rule when it is traced.",
                "a traced argument, and no rule",
                f"{signature.name}.{definer}(...) after the definition.",
            )
        )
    refuse_traced(signature.f, tree.flatten(nondiff)[0])
    if definer == "defvjp":
        fwd, bwd = rule
        rule = VjpRule(signature.merged(fwd, nondiff), functools.partial(bwd, *nondiff))
    else:
        rule = functools.partial(rule, *nondiff)
    call = Call(signature.merged(signature.f, nondiff), rule, spec, others)
    staged = any(isinstance(i, Stage) for i in watching)
    if staged:
        mapped = any(isinstance(i, Batch) for i in watching)
        plain = [known(x) for x in arrays]
        unknown = mapped or any(x is None for x in plain)
        learn_types(call, arrays, None if unknown else plain)
    else:
        # The call will run once, with the values it has now: it keeps the residuals.
        call.saves = any(isinstance(i, Reverse | Forward) for i in watching)
    results = bind(op, *arrays, call=call)
    return tree.unflatten(call.results.spec, results)
