"""Which ops there are functions for, and how they are written."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from wengert.native.ir import Emitter, Kind
from wengert.native.mathematics import (
    composite,
    error_function,
    exponential,
    gamma,
    hyperbolic,
    inverse,
    logarithm,
    plane,
    power,
    rounding,
    template,
    trigonometric,
)
from wengert.native.mathematics.exactly import PREFIX
from wengert.native.mathematics.lanes import FORMATS, Lanes


class Function(NamedTuple):
    """How a function is written, from how many arguments; `truth` if it answers i1."""

    write: Callable[..., Any]
    arguments: int = 1
    truth: bool = False


# fmt: off
TABLE: dict[str, Function] = {
    "exp":         Function(exponential.exp),
    "exp2":        Function(exponential.exp2),
    "expm1":       Function(exponential.expm1),
    "log":         Function(logarithm.log),
    "log2":        Function(logarithm.log2),
    "log10":       Function(logarithm.log10),
    "log1p":       Function(logarithm.log1p),
    "sin":         Function(trigonometric.sin),
    "cos":         Function(trigonometric.cos),
    "tan":         Function(trigonometric.tan),
    "sinc":        Function(trigonometric.sinc),
    "arcsin":      Function(inverse.arcsin),
    "arccos":      Function(inverse.arccos),
    "arctan":      Function(inverse.arctan),
    "arctan2":     Function(inverse.arctan2, 2),
    "sinh":        Function(hyperbolic.sinh),
    "cosh":        Function(hyperbolic.cosh),
    "tanh":        Function(hyperbolic.tanh),
    "arcsinh":     Function(inverse.arcsinh),
    "arccosh":     Function(inverse.arccosh),
    "arctanh":     Function(inverse.arctanh),
    "power":       Function(power.power, 2),
    "float_power": Function(power.power, 2),
    "cbrt":        Function(power.cbrt),
    "hypot":       Function(power.hypot, 2),
    "log_abs":     Function(plane.log_abs, 2),
    "erf":         Function(error_function.erf),
    "erfc":        Function(error_function.erfc),
    "gammaln":     Function(gamma.gammaln),
    "digamma":     Function(gamma.digamma),
    "logaddexp":   Function(composite.logaddexp, 2),
    "logaddexp2":  Function(composite.logaddexp2, 2),
    "deg2rad":     Function(composite.deg2rad),
    "radians":     Function(composite.deg2rad),
    "rad2deg":     Function(composite.rad2deg),
    "degrees":     Function(composite.rad2deg),
    "square":      Function(composite.square),
    "reciprocal":  Function(composite.reciprocal),
    "one_minus_square": Function(composite.one_minus_square),
    "lorentzian":  Function(composite.lorentzian),
    "sech_squared": Function(composite.sech_squared),
    "share":       Function(composite.share, 2),
    "share2":      Function(composite.share2, 2),
    "direction":   Function(composite.direction, 2),
    "inversion":   Function(composite.inversion, 2),
    "strong_product": Function(composite.strong_product, 2),
    "floor":       Function(rounding.floor),
    "ceil":        Function(rounding.ceil),
    "trunc":       Function(rounding.trunc),
    "rint":        Function(rounding.rint),
    "round":       Function(rounding.round_decimals),
    "fraction":    Function(rounding.fraction),
    "sign":        Function(rounding.sign),
    "heaviside":   Function(rounding.heaviside, 2),
    "maximum":     Function(rounding.maximum, 2),
    "minimum":     Function(rounding.minimum, 2),
    "fmax":        Function(rounding.fmax, 2),
    "fmin":        Function(rounding.fmin, 2),
    "fmod":        Function(rounding.fmod, 2),
    "remainder":   Function(rounding.remainder, 2),
    "floor_divide": Function(rounding.floor_divide, 2),
    "copysign":    Function(rounding.copysign, 2),
    "absolute":    Function(rounding.absolute),
    "fabs":        Function(rounding.absolute),
    "spacing":     Function(rounding.spacing),
    "nextafter":   Function(rounding.nextafter, 2),
    "signbit":     Function(rounding.signbit, 1, truth=True),
    "isnan":       Function(rounding.isnan, 1, truth=True),
    "isinf":       Function(rounding.isinf, 1, truth=True),
    "isfinite":    Function(rounding.isfinite, 1, truth=True),
}
# fmt: on


def supported(name: str, element: str, **params: Any) -> bool:
    """Whether `emit` can write the op of this name for the element type.

    Example:
        >>> supported("exp", "double"), supported("round", "float", decimals=2)
        (True, True)
        >>> supported("exp", "i64"), supported("sinc", "double", order=1)
        (False, False)
    """
    if name not in TABLE or element not in FORMATS:
        return False
    if name == "sinc":
        return bool(params.get("order") == 0)
    if name == "round":
        exact = 22 if element == "double" else 10  # up to here 10ⁿ is exact
        return abs(int(params.get("decimals", 99))) <= exact
    return True


def emit(e: Emitter, name: str, kind: Kind, *args: str, **params: Any) -> str:
    """Writes the function inline; returns the name of its result.

    Args:
        e: the body being written. A function may end its block and begin another.
        name: an op of `TABLE`.
        kind: that of all arguments; the result has it too, or i1 lanes if `truth`.
        args: values of that kind.
        params: the op's static parameters: `decimals` of round.
    """
    kept = _template(name, kind, e.fma, tuple(sorted(params.items())))
    return template.fill(kept, e, args)


@functools.cache
def _template(
    name: str, kind: Kind, fma: bool, params: tuple[tuple[str, Any], ...]
) -> template.Template:
    function = TABLE[name]
    # Only order 0 of sinc is supported, which its formula doesn't ask for.
    static = {} if name == "sinc" else dict(params)

    def write(e: Emitter, args: list[str]) -> str:
        v = Lanes(e, kind)
        return str(function.write(v, *(v.value(a) for a in args), **static).text)

    return template.make(write, function.arguments, fma)


def emit_sincos(e: Emitter, kind: Kind, x: str) -> tuple[str, str]:
    """Sine and cosine of one argument, for hardly more than the price of one."""
    sine, cosine = template.fill(_sincos(kind, e.fma), e, (x,)).split()
    return sine, cosine


@functools.cache
def _sincos(kind: Kind, fma: bool) -> template.Template:
    def write(e: Emitter, args: list[str]) -> str:
        v = Lanes(e, kind)
        return " ".join(y.text for y in trigonometric.sincos(v, v.value(args[0])))

    return template.make(write, 1, fma)


def symbol_for(name: str, kind: Kind) -> str:
    """`wg_math_exp_v8f64`."""
    return f"{PREFIX}{name}_{kind.suffix}"


def external(e: Emitter, name: str, kind: Kind, *args: str) -> str:
    """Writes a call of the compiled copy; returns the name of its result."""
    symbol, result = symbol_for(name, kind), result_of(name, kind)
    e.declare(f"declare {result} @{symbol}({', '.join([str(kind)] * len(args))})")
    listed = ", ".join(f"{kind} {a}" for a in args)
    return e.let(f"call {result} @{symbol}({listed})")


def result_of(name: str, kind: Kind) -> Kind:
    """The kind of what the function gives."""
    return kind.of("i1") if TABLE[name].truth else kind
