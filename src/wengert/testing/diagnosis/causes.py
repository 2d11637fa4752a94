"""Why an operation gives inf or nan at an element, and what helps: in words."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.testing.diagnosis.report import shown


class Cause(NamedTuple):
    """Why, and what to do about it."""

    why: str
    do: str


_BRANCH = (
    "np.where(inside, value, other) is enough: wengert keeps inf and nan of the branch "
    "not taken out of the derivative"
)


def value_cause(name: str, args: list[Any], y: Any) -> Cause:
    """Why `name` of these numbers is inf or nan."""
    table = _VALUES.get(name)
    found = table(*args) if table is not None and len(args) == _count(name) else None
    if found is not None:
        return found
    if y is not None and np.isinf(y):
        return Cause("the result is too large for its dtype", "scale the problem down.")
    return Cause("the result isn't defined there", f"stay inside of the domain, or: "
                 f"{_BRANCH}.")  # fmt: skip


def slope_cause(name: str, args: list[Any]) -> Cause:
    """Why the slope of `name` at these numbers, which has a value, is inf or nan."""
    table = _SLOPES.get(name)
    if table is not None and len(args) == _count(name):
        found = table(*args)
        if found is not None:
            return found
    return Cause(
        "its rule gives inf or nan there, though its cotangent is finite",
        f"stay away from that point, or: {_BRANCH}.",
    )


def _count(name: str) -> int:
    return 2 if name in _TWO else 1


_TWO = {
    "divide", "power", "float_power", "multiply", "add", "subtract", "remainder",
    "fmod", "floor_divide", "arctan2", "hypot", "logaddexp",
}  # fmt: skip


def _divide(a: Any, b: Any) -> Cause | None:
    if b == 0:
        why = "0/0" if a == 0 else "division by zero"
        return Cause(why, f"guard the denominator; {_BRANCH}.")
    return Cause("the quotient is too large for its dtype", "scale both, or work with "
                 "logarithms.")  # fmt: skip


def _power(a: Any, b: Any) -> Cause | None:
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        return None
    if a == 0 and b < 0:
        return Cause(
            f"0 to the power {shown(b)}", f"keep the base away from 0; {_BRANCH}."
        )
    if a < 0 and b != np.floor(b):
        return Cause(
            f"a negative number to the power {shown(b)}, which isn't whole",
            "take np.abs of the base, or a complex one (x + 0j).",
        )
    return Cause("the power is too large for its dtype", "work with logarithms.")


def _log(x: Any) -> Cause | None:
    if x == 0:
        return Cause("the logarithm of 0", "np.log(np.maximum(x, tiny)), np.log1p for "
                     f"log(1 + x), or: {_BRANCH}.")  # fmt: skip
    if np.isrealobj(x) and x < 0:
        return Cause("the logarithm of a negative number", "check the sign of the "
                     f"argument; {_BRANCH}.")  # fmt: skip
    return None


def _log1p(x: Any) -> Cause | None:
    return _log(1.0 + x)


def _sqrt(x: Any) -> Cause | None:
    if np.isrealobj(x) and x < 0:
        return Cause(
            "the square root of a negative number",
            "check for rounding below zero: np.sqrt(np.maximum(x, 0.0)).",
        )
    return None


def _exp(x: Any) -> Cause | None:
    return Cause(
        f"exp of {shown(x)} is too large for its dtype",
        "subtract the maximum first, or use a function that does: np.logaddexp, "
        "scipy.special.logsumexp.",
    )


def _unit(x: Any) -> Cause | None:
    if np.isrealobj(x) and abs(x) > 1:
        return Cause(
            "an argument outside of [−1, 1]",
            "np.clip(x, -1.0, 1.0), if it is rounding that took it there.",
        )
    return None


def _arctanh(x: Any) -> Cause | None:
    if np.isrealobj(x) and abs(x) == 1:
        return Cause(
            "the inverse hyperbolic tangent of ±1", f"keep |x| < 1; {_BRANCH}."
        )
    return _unit(x)


def _arccosh(x: Any) -> Cause | None:
    if np.isrealobj(x) and x < 1:
        return Cause("an argument below 1", "np.maximum(x, 1.0), if it is rounding.")
    return None


def _overflow(*_args: Any) -> Cause | None:
    return Cause(
        "the result is too large for its dtype",
        "scale the problem down, work with logarithms, or use float64.",
    )


def _remainder(_a: Any, b: Any) -> Cause | None:
    return (
        Cause("a remainder of division by zero", "guard the divisor.")
        if b == 0
        else None
    )


_VALUES: dict[str, Callable[..., Cause | None]] = {
    "divide": _divide,
    "reciprocal": lambda x: _divide(1.0, x),
    "power": _power,
    "float_power": _power,
    "log": _log,
    "log2": _log,
    "log10": _log,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "exp": _exp,
    "exp2": _exp,
    "expm1": _exp,
    "sinh": _exp,
    "cosh": _exp,
    "arcsin": _unit,
    "arccos": _unit,
    "arctanh": _arctanh,
    "arccosh": _arccosh,
    "multiply": _overflow,
    "square": _overflow,
    "add": _overflow,
    "subtract": _overflow,
    "remainder": _remainder,
    "fmod": _remainder,
    "floor_divide": _remainder,
}


# Slopes -----------------------------------------------------------------------------


def _root_slope(x: Any) -> Cause | None:
    if x != 0:
        return None
    return Cause(
        "sqrt at 0: its slope 1/(2·√x) is infinite",
        "np.sqrt(x + tiny), np.where(x > 0, np.sqrt(x), 0.0), or np.linalg.norm and "
        "np.hypot for a length: these have the subgradient 0 there.",
    )


def _cbrt_slope(x: Any) -> Cause | None:
    if x != 0:
        return None
    return Cause("cbrt at 0: its slope is infinite", "keep the argument away from 0.")


def _power_slope(a: Any, b: Any) -> Cause | None:
    if a == 0 and np.isrealobj(b) and b < 1:
        return Cause(
            f"0 to the power {shown(b)}: the slope {shown(b)}·x^({shown(b - 1)}) is "
            "infinite",
            "np.where(x > 0, x ** p, 0.0), or keep the base away from 0.",
        )
    if np.isrealobj(a) and a < 0:
        return Cause(
            "a negative base: the power is defined at whole exponents only, so it has "
            "no slope by the exponent",
            "wg.stop_gradient(exponent), or a positive base.",
        )
    return None


def _end_slope(x: Any) -> Cause | None:
    if abs(x) != 1:
        return None
    return Cause(
        "an argument of ±1, the end of the domain: the slope is infinite",
        "np.clip(x, -1 + tiny, 1 - tiny), or np.arctan2 for an angle.",
    )


def _divide_slope(a: Any, b: Any) -> Cause | None:
    if abs(b) < 1e-150:
        return Cause(
            f"a denominator of {shown(b)}: its square is 0 in floating point",
            "keep the denominator away from 0.",
        )
    return None


_SLOPES: dict[str, Callable[..., Cause | None]] = {
    "sqrt": _root_slope,
    "cbrt": _cbrt_slope,
    "power": _power_slope,
    "float_power": _power_slope,
    "arcsin": _end_slope,
    "arccos": _end_slope,
    "arccosh": _end_slope,
    "divide": _divide_slope,
}
