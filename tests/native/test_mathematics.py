"""Vector functions against mpmath, in units in the last place, and their facts."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llvmlite.binding.orcjit import JITLibraryBuilder
from mpmath import mp

from wengert.native import machine, mathematics
from wengert.native.ir import Kind, number

DTYPES = {"double": np.dtype(np.float64), "float": np.dtype(np.float32)}
INTEGERS = {"double": np.int64, "float": np.int32}
WIDE = [Kind("double", 8), Kind("float", 16)]
# A machine with AVX2 and without the fused step, as far as this one can be it.
PLAIN = ",-fma,-fma4,-avx512f,-avx512vl,-avx512dq,-avx512bw,-avx512cd"


# Kernels ----------------------------------------------------------------------------


@functools.cache
def target(plain: bool) -> Any:
    """A code generator for this machine, or for one without fused steps."""
    llvm = machine.binding()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=features + (PLAIN if plain and machine.is_x86() else ""),
        opt=2,
        reloc="pic",
        codemodel="small",
    )


def loop(name: str, kind: Kind) -> str:
    """`run_<kind>`: the function of n elements, a vector at a time."""
    count, truth = mathematics.TABLE[name].arguments, mathematics.TABLE[name].truth
    size = DTYPES[kind.element].itemsize
    lines = [
        f"define void @run_{kind.suffix}(ptr %a0, ptr %a1, ptr %out, i64 %n) {{",
        "entry:", "  br label %loop", "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %j, %loop ]",
    ]  # fmt: skip
    for k in range(count):
        lines.append(f"  %p{k} = getelementptr {kind.element}, ptr %a{k}, i64 %i")
        lines.append(f"  %x{k} = load {kind}, ptr %p{k}, align {size}")
    listed = ", ".join(f"{kind} %x{k}" for k in range(count))
    result = kind.of("i1") if truth else kind
    symbol = mathematics.symbol_for(name, kind)
    lines.append(f"  %y = call {result} @{symbol}({listed})")
    if truth:
        one, zero = number(kind, 1.0), number(kind, 0.0)
        lines.append(f"  %z = select {result} %y, {kind} {one}, {kind} {zero}")
    lines += [
        f"  %q = getelementptr {kind.element}, ptr %out, i64 %i",
        f"  store {kind} {'%z' if truth else '%y'}, ptr %q, align {size}",
        f"  %j = add i64 %i, {kind.width}", "  %more = icmp slt i64 %j, %n",
        "  br i1 %more, label %loop, label %end", "end:", "  ret void", "}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def text_of(name: str, kinds: list[Kind], fma: bool) -> str:
    wanted = [name, *(f"huge_{c}" for c in ("sin", "cos", "tan", "fmod"))]
    symbols = [mathematics.symbol_for(f, kind) for kind in kinds for f in wanted]
    module = mathematics.module_for(*symbols, fma=fma)
    return module + "".join(loop(name, kind) for kind in kinds)


Kernel = Callable[..., np.ndarray]


@functools.cache
def kernels(name: str, kinds: tuple[Kind, ...], fma: bool) -> dict[Kind, Kernel]:
    """The function compiled for several kinds, each to be called with arrays."""
    llvm = machine.binding()
    module = llvm.parse_assembly(text_of(name, list(kinds), fma))
    module.verify()
    code = target(not fma).emit_object(module)
    builder = JITLibraryBuilder().add_object_img(code).add_current_process()
    for kind in kinds:
        builder.export_symbol(f"run_{kind.suffix}")
    jit = llvm.create_lljit_compiler(target(not fma), use_jit_link=True)
    tracker = builder.link(jit, f"{name}")
    return {kind: _callable(jit, tracker, kind) for kind in kinds}


def _callable(jit: Any, tracker: Any, kind: Kind) -> Kernel:
    address = tracker[f"run_{kind.suffix}"]
    pointer, n64 = ctypes.c_void_p, ctypes.c_int64
    function = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, n64)(address)

    def run(*args: np.ndarray, keep: Any = (jit, tracker)) -> np.ndarray:
        n = args[0].size
        full = [np.append(x, np.ones(-n % kind.width, x.dtype)) for x in args]
        y = np.empty_like(full[0])
        a, b = full[0], full[-1]
        function(a.ctypes.data, b.ctypes.data, y.ctypes.data, y.size)
        return y[:n]

    return run


def kernel(name: str, kind: Kind, fma: bool = True) -> Kernel:
    return kernels(name, (kind,), fma and machine.has_fma())[kind]


# Points and errors ------------------------------------------------------------------


def specials(dtype: np.dtype) -> np.ndarray:
    """±0, the smallest, the largest, infinities, nan, some whole numbers and halves."""
    info = np.finfo(dtype)
    inside = [0, info.smallest_subnormal, info.tiny, info.eps, 0.25, 0.5, 1, 1.5, 2, 3,
              1e8, 1e16, info.max, np.inf]  # fmt: skip
    x = np.array(inside, dtype)
    return np.concatenate([x, -x, [np.array(np.nan, dtype)]]).astype(dtype)


def points(element: str, low: float, high: float, n: int) -> np.ndarray:
    """Of all bits, of all sizes, and evenly, from low to high; and near its zeros."""
    rng = np.random.default_rng(7)
    dtype = DTYPES[element]
    info = np.iinfo(INTEGERS[element])
    bits = rng.integers(info.min, info.max, n, INTEGERS[element]).view(dtype)
    with np.errstate(over="ignore"):
        even = rng.uniform(low, high, 2 * n).astype(dtype)
        sizes = np.exp(rng.uniform(-40, 3, n)) * rng.choice([-1.0, 1.0], n)
        near_one = 1 + sizes[: n // 2] * 1e-3
        turns = np.arange(1, n // 4) * rng.integers(1, 40) * (np.pi / 2)
    mixed = np.concatenate([sizes, near_one, turns, -turns]).astype(dtype)
    x = np.concatenate([bits, even, mixed, specials(dtype)])
    return x[(np.abs(x) < 1e15) | ~np.isfinite(x)]


def truth(f: Callable[[Any], Any], x: np.ndarray) -> list[Any]:
    """f by mpmath; None where it isn't a real number."""
    found = []
    for t in x.tolist():
        try:
            y = f(mp.mpf(t))
            found.append(y if mp.im(y) == 0 and mp.isfinite(y) else None)
        except (ValueError, ZeroDivisionError):
            found.append(None)
    return found


def ulps(y: np.ndarray, exact: list[Any]) -> np.ndarray:
    """Errors in units in the last place of the exact result; 0 where it has none."""
    info = np.finfo(y.dtype)
    least = mp.mpf(float(info.smallest_subnormal))
    errors = np.zeros(y.size)
    for i, (got, want) in enumerate(zip(y.tolist(), exact, strict=True)):
        if want is None or abs(want) >= mp.mpf(float(info.max)) * (1 + info.eps / 4):
            continue
        _, exponent = mp.frexp(want)
        unit = max(mp.ldexp(1, int(exponent) - info.nmant - 1), least)
        errors[i] = float(abs(mp.mpf(got) - want) / unit)
    return errors


def _gammaln(x: Any) -> Any:
    return mp.log(abs(mp.gamma(x))) if abs(x) < 1e4 else mp.re(mp.loggamma(x))


# name: (exactly, from, to, largest error in float64, in float32)
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], float, float, float, float]] = {
    "exp":     (mp.exp, -746, 710, 1.1, 1.1),
    "exp2":    (lambda x: mp.mpf(2) ** x, -1075, 1024, 1.2, 1.3),
    "expm1":   (mp.expm1, -40, 710, 1.7, 1.6),
    "log":     (mp.log, 0, 10, 0.9, 0.9),
    "log2":    (lambda x: mp.log(x) / mp.log(2), 0, 10, 0.9, 0.9),
    "log10":   (mp.log10, 0, 10, 0.9, 0.9),
    "log1p":   (mp.log1p, -1, 10, 1.5, 1.5),
    "sin":     (mp.sin, -100, 100, 1.6, 1.6),
    "cos":     (mp.cos, -100, 100, 1.6, 1.6),
    "tan":     (mp.tan, -100, 100, 1.2, 1.2),
    "arcsin":  (mp.asin, -1, 1, 1.5, 1.5),
    "arccos":  (mp.acos, -1, 1, 1.3, 1.3),
    "arctan":  (mp.atan, -5, 5, 1.4, 1.4),
    "sinh":    (mp.sinh, -710, 710, 2.0, 2.0),
    "cosh":    (mp.cosh, -710, 710, 1.3, 1.3),
    "tanh":    (mp.tanh, -20, 20, 1.9, 1.9),
    "arcsinh": (mp.asinh, -5, 5, 2.0, 2.0),
    "arccosh": (mp.acosh, 1, 5, 2.0, 2.0),
    "arctanh": (mp.atanh, -1, 1, 2.0, 2.0),
    "cbrt":    (lambda x: mp.sign(x) * mp.cbrt(abs(x)), -50, 50, 0.51, 0.51),
    "erf":     (mp.erf, -6.5, 6.5, 1.5, 0.51),
    "erfc":    (lambda x: mp.erfc(min(x, mp.mpf(50))), -6, 27.5, 3.3, 0.51),
    "gammaln": (_gammaln, 0, 50, 4.0, 0.51),
    "digamma": (mp.digamma, 1e-3, 50, 3.0, 0.51),
}  # fmt: skip
COUNTS = {"gammaln": 60, "digamma": 60, "erf": 150, "erfc": 150}
POSITIVE = ("gammaln", "digamma")  # near their zeros on the left no digits are left


@functools.cache
def sample(name: str, element: str) -> tuple[np.ndarray, list[Any]]:
    exactly, low, high, *_ = FUNCTIONS[name]
    x = points(element, low, high, COUNTS.get(name, 300))
    if name in POSITIVE:
        x = x[x > 0]
    x = x[np.isfinite(x)]
    with mp.workdps(40):
        return x, truth(exactly, x)


@pytest.mark.parametrize("fma", [True, False], ids=["fma", "plain"])
@pytest.mark.parametrize("kind", WIDE, ids=str)
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_close_to_the_exact_value(name: str, kind: Kind, fma: bool) -> None:
    x, exact = sample(name, kind.element)
    assert x.size > 100
    with mp.workdps(40):
        errors = ulps(kernel(name, kind, fma)(x), exact)
    worst = int(np.argmax(errors))
    bound = FUNCTIONS[name][3 if kind.element == "double" else 4]
    assert errors[worst] <= bound, f"{errors[worst]} ulp at {x[worst]!r}"


def log_abs(a: Any, b: Any) -> Any:
    """log √(a² + b²), which needs more digits where that is 1 and a little."""
    with mp.workdps(200):
        return mp.log(a * a + b * b) / 2


@pytest.mark.parametrize("fma", [True, False], ids=["fma", "plain"])
@pytest.mark.parametrize("kind", WIDE, ids=str)
@pytest.mark.parametrize(
    ("name", "exactly", "bound"),
    [
        ("power", lambda a, b: mp.power(a, b), 1.0),
        ("arctan2", mp.atan2, 1.5),
        ("hypot", mp.hypot, 1.2),
        ("log_abs", log_abs, 1.5),
    ],
)
def test_of_two_close_to_the_exact_value(
    name: str, exactly: Callable[..., Any], bound: float, kind: Kind, fma: bool
) -> None:
    a = points(kind.element, -4, 4, 200)
    a = a[np.isfinite(a) & (a != 0)]  # mpmath has no −0
    a = np.abs(a) if name == "power" else a
    rng = np.random.default_rng(3)
    b = rng.permutation(a) * rng.choice([-1, 1], a.size).astype(a.dtype)
    if name == "power":  # results of all sizes, not only 0 and inf
        with np.errstate(all="ignore"):
            size = 700 if kind.element == "double" else 80
            scale = np.abs(np.log(a.astype(float)))
            b = (rng.uniform(-size, size, a.size) / scale).astype(a.dtype)
        a, b = (x[np.isfinite(b) & (a > 0)] for x in (a, b))
    with mp.workdps(40):
        exact = [exactly(mp.mpf(p), mp.mpf(q))
                 for p, q in zip(a.tolist(), b.tolist(), strict=True)]  # fmt: skip
        errors = ulps(kernel(name, kind, fma)(a, b), exact)
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, f"{errors[worst]} ulp at {a[worst]!r}, {b[worst]!r}"
