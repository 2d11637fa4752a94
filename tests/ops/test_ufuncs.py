"""What must hold of every ufunc of NumPy, and of every elementwise op."""

import inspect
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import DerivativeError
from wengert.core.op import OPS, Partials, Zero
from wengert.core.types import type_of
from wengert.ops.elementwise import UFUNCS

# Every ufunc of NumPy stands in exactly one of these. --------------------------------

SMOOTH = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "deg2rad",
    "radians",
    "rad2deg",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sqrt",
    "cbrt",
    "square",
    "reciprocal",
    "absolute",
    "fabs",
    "negative",
    "positive",
    "conjugate",
]
OF_TWO = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "float_power",
    "arctan2",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "remainder",
    "fmod",
    "copysign",
]
OTHERS = ["nextafter", "heaviside", "ldexp"]
CONSTANT = [
    "floor",
    "ceil",
    "trunc",
    "rint",
    "sign",
    "floor_divide",
    "spacing",
    "signbit",
    "isnan",
    "isinf",
    "isfinite",
    "isnat",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
]
OF_INTEGERS = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
    "bitwise_count",
    "gcd",
    "lcm",
]
PAIRS = ["divmod", "modf", "frexp"]
PRODUCTS = ["matmul", "vecdot", "matvec", "vecmat"]  # in test_contract.py


def all_ufuncs() -> dict[str, np.ufunc]:
    modules = (np, np.strings, np.char, np.emath, np.linalg, np.fft, np.ma.core.umath)
    found = {f for m in modules for f in vars(m).values() if isinstance(f, np.ufunc)}
    return {f.__name__: f for f in found}


def of_strings() -> set[str]:
    return {f.__name__ for f in vars(np.strings).values() if isinstance(f, np.ufunc)}


def test_every_ufunc_is_accounted_for() -> None:
    listed = SMOOTH + OF_TWO + OTHERS + CONSTANT + OF_INTEGERS + PAIRS + PRODUCTS
    assert len(set(listed)) == len(listed)
    public = {n: f for n, f in all_ufuncs().items() if getattr(np, n, None) is f}
    assert set(public) == set(listed)


def test_zero_rules_are_those_of_constant_functions() -> None:
    zero = {f.__name__ for f, op in UFUNCS.items() if isinstance(op.derivative, Zero)}
    assert zero == set(CONSTANT + OF_INTEGERS)


@pytest.mark.parametrize("name", sorted(of_strings()))
def test_ufuncs_of_strings_are_refused(name: str) -> None:
    f = getattr(np.strings, name)
    if f in UFUNCS:
        return  # compares numbers too
    with pytest.raises(DerivativeError, match=rf"(?s){name}.*At: .*test_ufuncs"):
        wg.grad(lambda x: f(*[x] * f.nin))(1.0)


# What must hold of every record ------------------------------------------------------

PARTIALS = [op for op in OPS.values() if isinstance(op.derivative, Partials)]


def sample(op: Any, values: Any = (0.6, 0.37)) -> list[Any]:
    shift = 1.1 if op.name == "arccosh" else 0.0
    count = len(op.derivative.partials)
    args = [np.float64(values[i % 2] + shift) for i in range(count)]
    return [args[0], np.int64(3)] if op.name == "ldexp" else args


@pytest.mark.parametrize("op", PARTIALS, ids=lambda op: op.name)
def test_rules_read_what_they_say(op: Any) -> None:
    """Arguments with an underscore are really not read; the others really are."""
    args = sample(op, (0.0, 0.37)) if op.name == "heaviside" else sample(op)
    y = op.evaluate(*args)
    for partial in op.derivative.partials:
        if not callable(partial):
            continue
        names = list(inspect.signature(partial).parameters)
        given = dict(zip(names, [y, *args], strict=True))
        wanted = partial(*given.values())
        poisoned = {n: None if n.startswith("_") else v for n, v in given.items()}
        assert partial(*poisoned.values()) == wanted
        for n in names:
            if not n.startswith("_"):
                assert not _gives({**given, n: None}, partial, wanted), (
                    f"{n} isn't read"
                )


def _gives(given: dict[str, Any], partial: Any, wanted: Any) -> bool:
    try:
        return bool(partial(*given.values()) == wanted)
    except (TypeError, AttributeError, ValueError):
        return False


def _grid() -> Any:
    sizes = [
        0.0,
        5e-324,
        1e-308,
        1e-200,
        1e-10,
        0.5,
        1.0,
        2.0,
        3.0,
        20.0,
        700.0,
        1000.0,
    ]
    sizes += [1e10, 1e100, 1e200, 8e307, np.inf]  # above it 2x overflows
    return np.array([*sizes, *(-s for s in sizes)])


@pytest.mark.parametrize("op", PARTIALS, ids=lambda op: op.name)
def test_bounded_is_the_truth(op: Any) -> None:
    """Finite arguments, or a finite value, give finite slopes, just if it says so.

    A graph that may run on any values takes plain products where all are bounded.
    """
    grid = _grid()
    count = len(op.derivative.partials)
    args = [np.ravel(g) for g in np.meshgrid(*[grid] * count)]
    if op.name == "ldexp":
        args[1] = np.clip(args[1], -3000, 3000).astype(int)
    with np.errstate(all="ignore"):
        y = op.evaluate(*args)
        safe = np.isfinite(y) | np.all([np.isfinite(a) for a in args], axis=0)
        bad = np.zeros(y.shape, bool)
        for partial in op.derivative.partials:
            if callable(partial):
                bad |= safe & ~np.isfinite(np.broadcast_to(partial(y, *args), y.shape))
    nans = safe & np.isnan(y)  # outside of the domain
    if op.derivative.bounded:
        assert not (bad & ~nans).any(), [a[bad & ~nans][:3] for a in args]
    else:
        assert bad.any()


@pytest.mark.parametrize("op", PARTIALS, ids=lambda op: op.name)
def test_types_follow_numpy(op: Any) -> None:
    """The type rule agrees with evaluation, for each float dtype and Python numbers."""
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        args = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample(op)]
        choices = [args] if len(args) == 1 else [args, [args[0], 3], [args[0], args[1]]]
        for given in choices:
            y = op.evaluate(*given)
            t = op.type_of(*map(type_of, given))
            assert (t.shape, t.dtype) == (y.shape, y.dtype)
