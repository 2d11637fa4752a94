"""Vector functions at special values, in every width, and as text."""

import ctypes
import warnings
from typing import Any

import numpy as np
import pytest
from test_mathematics import (
    DTYPES,
    INTEGERS,
    WIDE,
    kernel,
    kernels,
    points,
    specials,
    target,
    text_of,
)

import wengert.ops  # noqa: F401  (registers the ops)
from wengert.core.op import OPS
from wengert.native import copied, link, machine, mathematics
from wengert.native.complex.numbers import LOG_ABS
from wengert.native.ir import Emitter, Kind

WIDTHS = (1, 2, 4, 8, 16)
DEFAULTS = {"round": {"decimals": 0}, "sinc": {"order": 0}}


def reference(name: str, *args: np.ndarray) -> np.ndarray:
    """What the op evaluates to, or SciPy's function where there is no op yet."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "log_abs":  # an op of compiled graphs only
            y = LOG_ABS.evaluate(*args)
        elif name in OPS:
            y = OPS[name].evaluate(*args, **DEFAULTS.get(name, {}))
        else:
            from scipy import special

            y = getattr(special, name)(*args)
        return np.asarray(y).astype(args[0].dtype)


def grid(name: str, dtype: np.dtype) -> list[np.ndarray]:
    x = specials(dtype)
    if mathematics.TABLE[name].arguments == 1:
        return [x]
    a, b = np.meshgrid(x, x)
    return [a.ravel(), b.ravel()]


def kinds_of_value(y: np.ndarray) -> np.ndarray:
    """nan 3, ±inf ±2, ±0 ±0.5 and other numbers ±1, to be compared exactly."""
    found = np.where(y == 0, 0.5, np.where(np.isinf(y), 2.0, 1.0))
    return np.where(np.isnan(y), 3.0, np.copysign(found, y))


# Where an element's result depends on the whole array in NumPy, or its sign on nothing.
UNSIGNED_ZERO = {"strong_product", "sinc"}


@pytest.mark.parametrize("fma", [True, False], ids=["fma", "plain"])
@pytest.mark.parametrize("kind", WIDE, ids=str)
@pytest.mark.parametrize("name", list(mathematics.TABLE))
def test_special_values_are_numpys(name: str, kind: Kind, fma: bool) -> None:
    args = grid(name, DTYPES[kind.element])
    if name == "gammaln":  # SciPy's overflows for subnormals, where it is −log |x|
        x = args[0]
        args = [x[~((x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny))]]
    got, want = kernel(name, kind, fma)(*args), reference(name, *args)
    a, b = kinds_of_value(got), kinds_of_value(want)
    if name in UNSIGNED_ZERO:
        a, b = (np.where(np.abs(k) == 0.5, 0.5, k) for k in (a, b))
    wrong = np.flatnonzero(a != b)
    shown = [(*(x[i] for x in args), got[i], want[i]) for i in wrong[:5]]
    assert not shown, shown


EXACT = [
    "floor", "ceil", "trunc", "rint", "round", "fraction", "sign", "heaviside",
    "maximum", "minimum", "fmax", "fmin", "fmod", "remainder", "floor_divide",
    "copysign", "absolute", "fabs", "spacing", "nextafter", "signbit", "isnan", "isinf",
    "isfinite", "square", "reciprocal", "deg2rad", "radians", "one_minus_square",
]  # fmt: skip
# Composed of the functions above; NumPy's own roundings are as large.
COMPOSED = {
    "logaddexp": 8, "logaddexp2": 8, "sech_squared": 10, "share": 6, "share2": 6,
    "rad2deg": 2, "degrees": 2, "direction": 6, "inversion": 6, "lorentzian": 6,
    "strong_product": 0, "sinc": 6,
}  # fmt: skip


@pytest.mark.parametrize("fma", [True, False], ids=["fma", "plain"])
@pytest.mark.parametrize("kind", WIDE, ids=str)
@pytest.mark.parametrize("name", [*EXACT, *COMPOSED])
def test_agrees_with_the_op(name: str, kind: Kind, fma: bool) -> None:
    rng = np.random.default_rng(11)
    a = points(kind.element, -9, 9, 300)
    a = a[np.isfinite(a) & (np.abs(a) < (20 if name == "sinc" else 1e15))]
    b = rng.permutation(a)
    b[: a.size // 2] = rng.integers(-3, 4, a.size // 2)  # ties and zeros
    args = [a, b][: mathematics.TABLE[name].arguments]
    got, want = kernel(name, kind, fma)(*args), reference(name, *args)
    if name in EXACT:
        np.testing.assert_array_equal(got, want)
        return
    eps = float(np.finfo(a.dtype).eps)
    # Where a sum cancels, a rounding of the larger term is what can be asked for.
    size = np.maximum(np.abs(a), np.abs(b)) if name.startswith("logaddexp") else 0.0
    room = COMPOSED[name] * eps * np.maximum(np.abs(want), size)
    room = room + np.finfo(a.dtype).smallest_subnormal
    assert np.all((np.abs(got - want) <= room) | (got == want))


@pytest.mark.parametrize("element", list(DTYPES))
@pytest.mark.parametrize("name", list(mathematics.TABLE))
def test_every_width_gives_the_same_bits(name: str, element: str) -> None:
    kinds = tuple(Kind(element, w) for w in WIDTHS)
    compiled = kernels(name, kinds, machine.has_fma())
    a = points(element, -9, 9, 40)
    args = [a, a[::-1].copy()][: mathematics.TABLE[name].arguments]
    wide, integer = compiled[kinds[-1]](*args), INTEGERS[element]
    finite = ~np.isnan(wide)
    for kind in kinds[:-1]:
        narrow = compiled[kind](*args)
        np.testing.assert_array_equal(np.isnan(narrow), ~finite)
        np.testing.assert_array_equal(
            narrow.view(integer)[finite], wide.view(integer)[finite]
        )


def test_nans_with_a_payload_stay_nans() -> None:
    payload = np.array([0x7FF00000000007A2 | 1 << 51, -1], np.int64).view(np.float64)
    for name, found in mathematics.TABLE.items():
        if not found.truth and name not in ("sign", "fmax", "fmin", "copysign"):
            args = [payload] * found.arguments
            y = kernel(name, WIDE[0])(*args)
            assert np.isnan(y).all(), (name, y)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_huge_arguments(name: str, kind: Kind) -> None:
    dtype = DTYPES[kind.element]
    x = np.geomspace(1e3, np.finfo(dtype).max / 2, 500).astype(dtype)
    want = getattr(np, name)(x.astype(np.float64)).astype(dtype)
    np.testing.assert_allclose(
        kernel(name, kind)(x), want, rtol=3 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "fmod"])
def test_a_lane_does_not_depend_on_its_neighbours(name: str) -> None:
    x = np.linspace(1.0, 9.0, 64)
    mixed = x.copy()
    mixed[::3] = 1e300  # these lanes take the long way
    others = [np.full(64, 1.75)] if mathematics.TABLE[name].arguments == 2 else []
    alone, among = (kernel(name, WIDE[0])(a, *others) for a in (x, mixed))
    kept = mixed == x
    np.testing.assert_array_equal(alone[kept], among[kept])
    assert np.isfinite(among).all()


def test_exact_results() -> None:
    run = lambda name, *x: kernel(name, WIDE[0])(*(np.array(a, float) for a in x))
    whole = np.arange(-1074.0, 1024.0)
    powers = np.ldexp(1.0, whole.astype(int))
    np.testing.assert_array_equal(run("exp2", whole), powers)
    np.testing.assert_array_equal(run("log2", powers), whole)
    np.testing.assert_array_equal(run("cbrt", np.arange(99.0) ** 3), np.arange(99.0))
    np.testing.assert_array_equal(run("power", powers[1000:1100], [0.0] * 100), 1.0)
    for name, x, y in [("exp", 0, 1), ("cos", 0, 1), ("cosh", 0, 1), ("log", 1, 0),
                       ("arccos", 1, 0), ("sinc", 0, 1), ("erfc", 0, 1),
                       ("gammaln", 1, 0), ("gammaln", 2, 0)]:  # fmt: skip
        assert run(name, [x]) == [y], name


@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_bounded_functions_keep_their_bounds(kind: Kind) -> None:
    dtype = DTYPES[kind.element]
    around = np.arange(-2000, 2000) * np.finfo(dtype).eps
    turns = (np.pi / 2 * np.arange(1, 40)[:, None] * (1 + around)).ravel().astype(dtype)
    for name in ("sin", "cos", "tanh", "erf"):
        assert np.abs(kernel(name, kind)(turns)).max() <= 1, name


@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_sine_and_cosine_together_are_those_apart(kind: Kind) -> None:
    e = Emitter(machine.has_fma())
    size = DTYPES[kind.element].itemsize
    sine, cosine = mathematics.emit_sincos(e, kind, "%x")
    body = "\n".join(e.lines)
    text = "\n".join(sorted(e.declared)) + (
        f"\ndefine void @run(ptr %in, ptr %s, ptr %c) {{\nentry:\n"
        f"  %x = load {kind}, ptr %in, align {size}\n{body}\n"
        f"  store {kind} {sine}, ptr %s, align {size}\n"
        f"  store {kind} {cosine}, ptr %c, align {size}\n  ret void\n}}\n"
    )
    assert copied.PREFIX in text  # whose functions are found once it is imported
    library = link.load(text, keep=False)
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(library.address("run"))
    x = np.linspace(-40, 1e6, kind.width).astype(DTYPES[kind.element])
    s, c = np.empty_like(x), np.empty_like(x)
    run(x.ctypes.data, s.ctypes.data, c.ctypes.data)
    np.testing.assert_array_equal(s, kernel("sin", kind)(x))
    np.testing.assert_array_equal(c, kernel("cos", kind)(x))


def test_several_functions_written_into_one_body() -> None:
    kind = WIDE[0]
    e = Emitter(machine.has_fma())
    y = mathematics.emit(e, "sin", kind, "%x")
    for name in ("sin", "fmod", "cos", "exp"):
        others = ["%x"] if name == "fmod" else []
        y = mathematics.emit(e, name, kind, y, *others)
    values = [line.split(" = ")[0] for line in e.lines if " = " in line]
    labels = [line for line in e.lines if line.endswith(":")]
    assert len(set(values)) == len(values)
    assert len(set(labels)) == len(labels) == 8
    assert e.block == labels[-1][:-1]
    x = np.array([0.5, 1.0, 2.0, 1e200, -3.0, -1e300, 0.1, 40.0])
    text = "\n".join(sorted(e.declared)) + (
        f"\ndefine void @run(ptr %in, ptr %out) {{\nentry:\n"
        f"  %x = load {kind}, ptr %in, align 8\n" + "\n".join(e.lines) + "\n"
        f"  store {kind} {y}, ptr %out, align 8\n  ret void\n}}\n"
    )
    library = link.load(text, keep=False)
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2)(library.address("run"))
    out = np.empty_like(x)
    run(x.ctypes.data, out.ctypes.data)
    want = np.exp(np.cos(np.fmod(np.sin(np.sin(x)), x)))
    np.testing.assert_allclose(out, want, rtol=1e-15)


# Text and calls ---------------------------------------------------------------------


@pytest.mark.parametrize("name", list(mathematics.TABLE))
def test_machines_without_the_fused_step_get_none(name: str) -> None:
    text = text_of(name, WIDE, fma=False)
    assert "llvm.fma" not in text
    if machine.is_x86():
        module = machine.binding().parse_assembly(text)
        assert "vfmadd" not in target(True).emit_assembly(module)


def test_the_fused_step_is_used_where_it_is() -> None:
    assert "llvm.fma" in text_of("exp", WIDE, fma=True)


@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_compiled_copies_are_called_by_name(kind: Kind) -> None:
    e = Emitter(machine.has_fma())
    size = DTYPES[kind.element].itemsize
    y = mathematics.external(e, "tan", kind, mathematics.external(e, "exp", kind, "%x"))
    body = "\n".join(e.lines)
    text = "\n".join(sorted(e.declared)) + (
        f"\ndefine void @run(ptr %in, ptr %out) {{\nentry:\n"
        f"  %x = load {kind}, ptr %in, align {size}\n{body}\n"
        f"  store {kind} {y}, ptr %out, align {size}\n  ret void\n}}\n"
    )
    library = link.load(text, keep=False)
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2)(library.address("run"))
    x = np.linspace(-3, 80, kind.width).astype(DTYPES[kind.element])
    out = np.empty_like(x)
    run(x.ctypes.data, out.ctypes.data)
    np.testing.assert_array_equal(out, kernel("tan", kind)(kernel("exp", kind)(x)))


@pytest.mark.parametrize("decimals", [-3, -1, 0, 1, 2, 7])
@pytest.mark.parametrize("element", list(DTYPES))
def test_rounding_to_decimals(decimals: int, element: str) -> None:
    kind = Kind(element, 4)
    assert mathematics.supported("round", element, decimals=decimals)
    e = Emitter()
    size = DTYPES[element].itemsize
    y = mathematics.emit(e, "round", kind, "%x", decimals=decimals)
    text = "\n".join(sorted(e.declared)) + (
        f"\ndefine void @run(ptr %in, ptr %out) {{\nentry:\n"
        f"  %x = load {kind}, ptr %in, align {size}\n" + "\n".join(e.lines) + "\n"
        f"  store {kind} {y}, ptr %out, align {size}\n  ret void\n}}\n"
    )
    library = link.load(text, keep=False)
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2)(library.address("run"))
    x = np.array([0.125, 2.5, -1234.5678, 1e6 / 7], DTYPES[element])
    out = np.empty_like(x)
    run(x.ctypes.data, out.ctypes.data)
    np.testing.assert_array_equal(out, np.round(x, decimals))


def test_what_is_supported() -> None:
    assert mathematics.supported("exp", "double")
    assert not mathematics.supported("exp", "i64")
    assert not mathematics.supported("sort", "double")
    assert mathematics.supported("sinc", "float", order=0)
    assert not mathematics.supported("sinc", "float", order=1)
    assert not mathematics.supported("sinc", "float")
    assert not mathematics.supported("round", "double", decimals=25)


def test_symbols() -> None:
    kind = Kind("double", 8)
    assert mathematics.parse_symbol("wg_math_exp_v8f64") == ("exp", kind)
    assert mathematics.parse_symbol("wg_math_float_power_f32") == (
        "float_power",
        Kind("float", 1),
    )
    for bad in ("exp", "wg_math_exp", "wg_math_nothing_f64", "wg_math_exp_v1f64",
                "wg_math_exp_v8i64", "wg_math_huge_exp_f64"):  # fmt: skip
        assert mathematics.parse_symbol(bad) is None
    with pytest.raises(KeyError):
        mathematics.module_for("wg_math_nothing_f64")


def test_a_library_of_everything() -> None:
    text = mathematics.library([Kind("double", 2), Kind("float", 4)])
    module: Any = machine.binding().parse_assembly(text)
    module.verify()
    defined = {f.name for f in module.functions if not f.is_declaration}
    assert len(defined) == 2 * (len(mathematics.TABLE) + 4)
