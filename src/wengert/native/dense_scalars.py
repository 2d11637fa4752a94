"""What programs do around LAPACK: statuses, triangles, products of pivots."""

from typing import Any

import numpy as np

from wengert.native.dense_emit import loop, moved, real_kind, shifted
from wengert.native.ir import Emitter, Kind, bits_of, number

DType = np.dtype[Any]
_DOUBLE = Kind("double", 1)


def report(e: Emitter, status: str, info: str) -> None:
    """Keeps an info that isn't 0 in the status."""
    got = e.let(f"load i32, ptr {info}, align 4")
    have = e.let(f"load i32, ptr {status}, align 4")
    both = e.let(f"or i32 {have}, {got}")
    e.do(f"store i32 {both}, ptr {status}, align 4")


def zero_pivot(
    e: Emitter, dtype: DType, n: int, diagonal: tuple[str, int], status: str
) -> None:
    """Sets the status if an element is zero; they are a stride (in elements) apart."""
    pointer, stride = diagonal
    with loop(e, n) as i:
        parts = _parts(e, dtype, moved(e, pointer, i, stride * dtype.itemsize))
        zero = [e.let(f"fcmp oeq double {x}, {bits_of(0.0)}") for x in parts]
        is_zero = zero[0] if len(zero) == 1 else e.let(f"and i1 {zero[0]}, {zero[1]}")
        wide = e.let(f"zext i1 {is_zero} to i32")
        have = e.let(f"load i32, ptr {status}, align 4")
        e.do(f"store i32 {e.let(f'or i32 {have}, {wide}')}, ptr {status}, align 4")


def clear_triangle(e: Emitter, dtype: DType, n: int, y: str, lower: bool) -> None:
    """Zeros above the diagonal of a C-ordered matrix, or below it."""
    size = dtype.itemsize
    e.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    with loop(e, n) as i:
        row = moved(e, y, i, n * size)
        if lower:
            start, count = row, i
        else:
            start = shifted(e, moved(e, row, i, size), size)
            count = e.let(f"sub nsw i64 {n - 1}, {i}")
        nbytes = e.let(f"mul nsw i64 {count}, {size}")
        e.do(
            f"call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {nbytes}, i1 false)"
        )


def _parts(e: Emitter, dtype: DType, pointer: str) -> list[str]:
    """A number's real part, and imaginary one, as doubles."""
    kind = real_kind(dtype)
    size = 4 if kind.element == "float" else 8
    found = []
    for at in range(dtype.itemsize // size):
        place = shifted(e, pointer, at * size)
        x = e.let(f"load {kind}, ptr {place}, align {size}")
        found.append(x if size == 8 else e.let(f"fpext float {x} to double"))
    return found


def _store(e: Emitter, dtype: DType, pointer: str, *parts: str) -> None:
    kind = real_kind(dtype)
    size = 4 if kind.element == "float" else 8
    for at, x in enumerate(parts):
        value = x if size == 8 else e.let(f"fptrunc double {x} to float")
        place = shifted(e, pointer, at * size)
        e.do(f"store {kind} {value}, ptr {place}, align {size}")


# Determinants ---------------------------------------------------------------------
#
# The product is kept as (phase, modulus in [1, 2), exponent of 2): it can't overflow
# before its end, and one logarithm is enough for all of it.


ROOM = 32  # bytes


class Product:
    """A running product in the scratch memory: the parts, the modulus, the exponent."""

    __slots__ = ("exponent", "modulus", "phase")

    def __init__(self, e: Emitter, memory: str) -> None:
        self.phase = [memory, shifted(e, memory, 8)]
        self.modulus = shifted(e, memory, 16)
        self.exponent = shifted(e, memory, 24)
        values = zip((*self.phase, self.modulus), (1.0, 0.0, 1.0), strict=True)
        for place, value in values:
            e.do(f"store double {bits_of(value)}, ptr {place}, align 8")
        e.do(f"store i64 0, ptr {self.exponent}, align 8")


def determinant(
    e: Emitter,
    dtype: DType,
    n: int,
    factors: tuple[str, str],
    info: str,
    y: str,
    log: str,
    memory: str,
) -> None:
    """The determinant into `y`; with `log`, its phase there, and log|det| in `log`.

    factors are Fortran's LU and its pivots; memory is ROOM bytes.
    """
    lu, pivots = factors
    product = Product(e, memory)
    with loop(e, n) as i:
        parts = _parts(e, dtype, moved(e, lu, i, (n + 1) * dtype.itemsize))
        place = moved(e, pivots, i, 4)
        pivot = e.let(f"sext i32 {e.let(f'load i32, ptr {place}, align 4')} to i64")
        swapped = e.let(f"icmp ne i64 {pivot}, {e.let(f'add nsw i64 {i}, 1')}")
        _multiply(e, product, parts, swapped)
    got = e.let(f"load i32, ptr {info}, align 4")
    singular = e.let(f"icmp ne i32 {got}, 0")
    if log:
        _store_logarithm(e, dtype, product, singular, y, log)
    else:
        _store_product(e, dtype, product, singular, y)


def _multiply(e: Emitter, product: Product, parts: list[str], swapped: str) -> None:
    real = len(parts) == 1
    sizes = [e.intrinsic("fabs", _DOUBLE, x) for x in parts]
    size = sizes[0] if real else _modulus(e, sizes)
    unit = (
        [e.intrinsic("copysign", _DOUBLE, bits_of(1.0), parts[0])]
        if real
        else [e.let(f"fdiv double {x}, {size}") for x in parts]
    )
    minus = [e.let(f"fneg double {x}") for x in unit]
    unit = [
        e.let(f"select i1 {swapped}, double {m}, double {u}")
        for m, u in zip(minus, unit, strict=True)
    ]
    have = [e.let(f"load double, ptr {p}, align 8") for p in product.phase[: len(unit)]]
    if real:
        turned = [e.let(f"fmul double {have[0]}, {unit[0]}")]
    else:
        turned = _complex_product(e, have, unit)
    for place, value in zip(product.phase, turned, strict=False):
        e.do(f"store double {value}, ptr {place}, align 8")
    _scale(e, product, size)


def _complex_product(e: Emitter, x: list[str], y: list[str]) -> list[str]:
    rr, ii, ri, ir = (
        e.let(f"fmul double {x[i]}, {y[j]}")
        for i, j in ((0, 0), (1, 1), (0, 1), (1, 0))
    )
    return [e.let(f"fsub double {rr}, {ii}"), e.let(f"fadd double {ri}, {ir}")]


def _modulus(e: Emitter, sizes: list[str]) -> str:
    """The length of a vector, scaled by its largest element so as not to overflow."""
    largest = e.intrinsic("maximum", _DOUBLE, *sizes)
    zero = e.let(f"fcmp oeq double {largest}, {bits_of(0.0)}")
    scale = e.let(f"select i1 {zero}, double {bits_of(1.0)}, double {largest}")
    squares = []
    for x in sizes:
        part = e.let(f"fdiv double {x}, {scale}")
        squares.append(e.let(f"fmul double {part}, {part}"))
    root = e.intrinsic(
        "sqrt", _DOUBLE, e.let(f"fadd double {squares[0]}, {squares[1]}")
    )
    return e.let(f"fmul double {root}, {scale}")


def _scale(e: Emitter, product: Product, size: str) -> None:
    """Multiplies the modulus by `size` ≥ 0, and moves powers of 2 to the exponent."""
    modulus = e.let(f"load double, ptr {product.modulus}, align 8")
    exponent = e.let(f"load i64, ptr {product.exponent}, align 8")
    for x in (size, None):
        if x is not None:
            # A subnormal number, made normal.
            small = e.let(f"fcmp olt double {x}, {bits_of(2.0**-1000)}")
            larger = e.let(f"fmul double {x}, {bits_of(2.0**54)}")
            x = e.let(f"select i1 {small}, double {larger}, double {x}")
            less = e.let(f"select i1 {small}, i64 54, i64 0")
            exponent = e.let(f"sub nsw i64 {exponent}, {less}")
            fraction, power = _split(e, x)
            modulus = e.let(f"fmul double {modulus}, {fraction}")
        else:
            modulus, power = _split(e, modulus)
        exponent = e.let(f"add nsw i64 {exponent}, {power}")
    e.do(f"store double {modulus}, ptr {product.modulus}, align 8")
    e.do(f"store i64 {exponent}, ptr {product.exponent}, align 8")


def _split(e: Emitter, x: str) -> tuple[str, str]:
    """(fraction in [1, 2), exponent) of a number ≥ 0; itself and 0 for 0, inf, nan."""
    bits = e.let(f"bitcast double {x} to i64")
    field = e.let(f"lshr i64 {bits}, 52")
    field = e.let(f"and i64 {field}, 2047")
    shifted_field = e.let(f"sub i64 {field}, 1")
    normal = e.let(f"icmp ult i64 {shifted_field}, 2046")
    power = e.let(f"sub nsw i64 {field}, 1023")
    power = e.let(f"select i1 {normal}, i64 {power}, i64 0")
    away = e.let(f"shl i64 {power}, 52")
    fraction = e.let(f"bitcast i64 {e.let(f'sub i64 {bits}, {away}')} to double")
    return fraction, power


def _store_product(
    e: Emitter, dtype: DType, product: Product, singular: str, y: str
) -> None:
    modulus = e.let(f"load double, ptr {product.modulus}, align 8")
    exponent = e.let(f"load i64, ptr {product.exponent}, align 8")
    # Three powers of 2 that are each a normal number; beyond, it is 0 or infinite.
    exponent = e.let(f"call i64 @llvm.smin.i64(i64 {exponent}, i64 3000)")
    exponent = e.let(f"call i64 @llvm.smax.i64(i64 {exponent}, i64 -3000)")
    e.declare("declare i64 @llvm.smin.i64(i64, i64)")
    e.declare("declare i64 @llvm.smax.i64(i64, i64)")
    third = e.let(f"sdiv i64 {exponent}, 3")
    rest = e.let(f"sub nsw i64 {exponent}, {e.let(f'mul nsw i64 {third}, 2')}")
    for power in (third, third, rest):
        biased = e.let(f"shl i64 {e.let(f'add nsw i64 {power}, 1023')}, 52")
        factor = e.let(f"bitcast i64 {biased} to double")
        modulus = e.let(f"fmul double {modulus}, {factor}")
    values = []
    for place in product.phase[: 2 if dtype.kind == "c" else 1]:
        phase = e.let(f"load double, ptr {place}, align 8")
        value = e.let(f"fmul double {phase}, {modulus}")
        values.append(
            e.let(f"select i1 {singular}, double {bits_of(0.0)}, double {value}")
        )
    _store(e, dtype, y, *values)


def _store_logarithm(
    e: Emitter, dtype: DType, product: Product, singular: str, y: str, log: str
) -> None:
    modulus = e.let(f"load double, ptr {product.modulus}, align 8")
    exponent = e.let(f"load i64, ptr {product.exponent}, align 8")
    power = e.let(f"sitofp i64 {exponent} to double")
    octaves = e.let(f"fmul double {power}, {bits_of(float(np.log(2.0)))}")
    value = e.let(f"fadd double {e.intrinsic('log', _DOUBLE, modulus)}, {octaves}")
    value = e.let(
        f"select i1 {singular}, double {number(_DOUBLE, -np.inf)}, double {value}"
    )
    real = np.dtype("f" if dtype.char in "fF" else "d")
    _store(e, real, log, value)
    values = []
    for place in product.phase[: 2 if dtype.kind == "c" else 1]:
        phase = e.let(f"load double, ptr {place}, align 8")
        values.append(
            e.let(f"select i1 {singular}, double {bits_of(0.0)}, double {phase}")
        )
    _store(e, dtype, y, *values)
