"""nan, inf, −0, subnormals, the edges of integers: compiled = NumPy, op by op."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import compiled

from wengert.graph.stage import trace

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3.0, np.inf, -np.inf, np.nan, 5e-324,
           -1e-310, 2.2250738585072014e-308, 1e-200, 1e200, -1e200,
           1.7976931348623157e308, np.pi, -100.0, 88.0, 710.0, 2.0**53,
           0.9999999999999999]  # fmt: skip
FLOATS = np.array(SPECIAL)
SMALLS = np.array([*SPECIAL[:11], 1e-45, -1e-39, 1.1754944e-38, 1e-20, 1e20,
                  3.4028235e38, -100.0, 88.0, 2.0**24], np.float32)  # fmt: skip

# Rounded once, or not at all: NumPy's bits.
EXACT_1 = """negative absolute fabs square sqrt reciprocal sign floor ceil trunc rint
isnan isinf isfinite signbit positive logical_not""".split()
EXACT_2 = """add subtract multiply divide maximum minimum fmax fmin equal not_equal less
less_equal greater greater_equal logical_and logical_or logical_xor
copysign remainder fmod floor_divide""".split()
# Functions: within a few units in the last place.
NEAR_1 = """exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin
arccos arctan arcsinh arccosh arctanh cbrt deg2rad rad2deg""".split()
NEAR_2 = ["power", "arctan2", "hypot", "logaddexp", "logaddexp2"]


def pairs(x: Any) -> tuple[Any, Any]:
    """All pairs of the values of `x`."""
    a, b = np.meshgrid(x, x)
    return a.ravel(), b.ravel()


def check_bits(f: Callable[..., Any], *arrays: Any, ulps: float = 0.0) -> None:
    """Compiled results are NumPy's: nan for nan, signs of zeros included.

    In a long array, so as vectors, and one by one, in the tail and as scalars.
    """
    with np.errstate(all="ignore"):
        wanted = np.asarray(f(*arrays))
    program = compiled(trace(f, *arrays))
    ((got,), _) = program([*arrays])
    _same_bits(got, wanted, arrays, ulps)
    single = compiled(trace(f, *(x[:1] for x in arrays)))
    for k in range(0, arrays[0].size, max(1, arrays[0].size // 40)):
        ((got,), _) = single([x[k : k + 1] for x in arrays])
        _same_bits(got, wanted[k : k + 1], [x[k : k + 1] for x in arrays], ulps)


def _same_bits(got: Any, wanted: Any, arrays: Any, ulps: float) -> None:
    assert got.dtype == wanted.dtype
    if wanted.dtype.kind != "f":
        same = got == wanted
    else:
        with np.errstate(all="ignore"):
            near = np.abs(got - wanted) <= ulps * np.spacing(np.abs(wanted))
        same = (got == wanted) & (np.signbit(got) == np.signbit(wanted)) | near
        same |= np.isnan(got) & np.isnan(wanted)
    if not same.all():
        k = int(np.argmin(same))
        at = [x[k] for x in arrays]
        raise AssertionError(f"at {at}: {got[k]!r} instead of {wanted[k]!r}")


@pytest.mark.parametrize("x", [FLOATS, SMALLS], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EXACT_1)
def test_exact_function(name: str, x: Any) -> None:
    check_bits(lambda x: getattr(np, name)(x), np.tile(x, 3))


@pytest.mark.parametrize("x", [FLOATS, SMALLS], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EXACT_2)
def test_exact_function_of_two(name: str, x: Any) -> None:
    check_bits(lambda a, b: getattr(np, name)(a, b), *pairs(x))


@pytest.mark.parametrize("x", [FLOATS, SMALLS], ids=["float64", "float32"])
@pytest.mark.parametrize("name", NEAR_1)
def test_function(name: str, x: Any) -> None:
    check_bits(lambda x: getattr(np, name)(x), np.tile(x, 3), ulps=4)


@pytest.mark.parametrize("x", [FLOATS, SMALLS], ids=["float64", "float32"])
@pytest.mark.parametrize("name", NEAR_2)
def test_function_of_two(name: str, x: Any) -> None:
    check_bits(lambda a, b: getattr(np, name)(a, b), *pairs(x), ulps=4)


# Integers and booleans ------------------------------------------------------------

WHOLE = """add subtract multiply maximum minimum bitwise_and bitwise_or bitwise_xor
equal less greater_equal logical_xor floor_divide remainder left_shift
right_shift""".split()
DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def edges(dtype: str) -> Any:
    """The edges of an integer dtype and numbers near 0."""
    info = np.iinfo(dtype)
    some = {info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, 100}
    some |= {-1, -2, -7} if info.min else set()
    return np.array(sorted(some), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WHOLE)
def test_integers(name: str, dtype: str) -> None:
    a, b = pairs(edges(dtype))
    if "shift" in name:
        b = (b % (8 * b.dtype.itemsize)).astype(dtype)
    check_bits(lambda a, b: getattr(np, name)(a, b), a, b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_an_integer(dtype: str) -> None:
    x = np.tile(edges(dtype), 4)
    for name in (
        "negative",
        "absolute",
        "square",
        "invert",
        "sign",
        "logical_not",
        "floor",
    ):
        check_bits(lambda x, name=name: getattr(np, name)(x), x)


LOGIC = """logical_and logical_or logical_xor add multiply maximum minimum equal less
bitwise_xor""".split()


@pytest.mark.parametrize("name", LOGIC)
def test_booleans(name: str) -> None:
    a, b = pairs(np.array([True, False, True, False, False]))
    check_bits(lambda a, b: getattr(np, name)(a, b), a, b)


# Conversions ----------------------------------------------------------------------


@pytest.mark.parametrize("given", ["?", *DTYPES, "f4", "f8"])
@pytest.mark.parametrize("wanted", ["?", *DTYPES, "f4", "f8"])
def test_conversion(given: str, wanted: str) -> None:
    if given == "?":
        x = np.array([True, False] * 10)
    elif given[0] == "f":
        fits = np.iinfo(wanted) if wanted[0] in "iu" else np.iinfo("i8")
        some = [0.0, -0.0, 0.9, -0.9, 1.5, 2.5, -1.0, 100.7, float(fits.max // 2)]
        some += [] if wanted[0] in "iu" else SPECIAL
        with np.errstate(over="ignore"):
            x = np.array([v for v in some if v > -1 or fits.min < 0], given)
    else:
        x = np.tile(edges(given), 2)
    check_bits(lambda x: x.astype(wanted), x)


@pytest.mark.parametrize("a", ["?", *DTYPES, "f4", "f8"])
@pytest.mark.parametrize("b", ["?", *DTYPES, "f4", "f8"])
def test_promotion(a: str, b: str) -> None:
    """Mixed arguments are converted as NumPy promotes them, comparisons exactly."""
    values = {"?": np.array([True, False] * 5), "f4": SMALLS[:11], "f8": FLOATS[:11]}
    x, y = (values[d] if d in values else edges(d)[:10] for d in (a, b))
    n = min(x.size, y.size)
    for name in ("add", "multiply", "less", "equal", "maximum"):
        check_bits(lambda x, y, name=name: getattr(np, name)(x, y), x[:n], y[:n])


# Folds and choices ----------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 17, 33, 130])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0])
def test_folds_meet_a_special_value_anywhere(n: int, value: float) -> None:
    """nan is seen in every lane and tail; an infinite sum is not nan."""

    def f(x: Any) -> Any:
        return np.stack([np.sum(x), np.max(x), np.min(x), np.prod(x)])

    program = compiled(trace(f, np.ones(n)))
    for place in sorted({0, n // 2, n - 1}):
        x = np.ones(n)
        x[place] = value
        ((got,), _) = program([x])
        _same_bits(got, f(x), [np.full(4, float(place))], 2)


@pytest.mark.parametrize("n", [260, 4099, 20_000])
def test_a_blocked_sum_stays_infinite(n: int) -> None:
    program = compiled(trace(lambda x: np.sum(x), np.ones(n)))
    x = np.ones(n)
    x[n // 3] = np.inf
    assert program([x])[0][0] == np.inf
    x[-1] = -np.inf
    assert np.isnan(program([x])[0][0])
    assert program([np.full(n, 1e308)])[0][0] == np.inf


def test_where_never_leaks() -> None:
    x = np.tile(FLOATS, 3)
    check_bits(lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0), x)
    check_bits(lambda x: np.where(np.isnan(x), 1.0, x), x)
    check_bits(lambda x: np.where(x, x, -1.0), x)
    check_bits(lambda x: np.clip(x, -1.0, 1.0), x)
    check_bits(lambda x: np.nan_to_num(x), x)


def test_nothing_is_contracted_or_reassociated() -> None:
    """a·b − c and (a + b) − b are NumPy's to the bit: no fused multiply-add here."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1003))
    check_bits(lambda a, b: a * b - b * a * 0.9999, a, b)
    check_bits(lambda a, b: (a * 1e16 + b) - a * 1e16, a, b)
    check_bits(lambda a, b: a * b + a / b - b, a, b)
