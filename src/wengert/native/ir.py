"""Writes LLVM IR as text, one function body at a time.

Text, because building IR through objects costs more than LLVM's own work on it.
"""

import struct
from typing import NamedTuple

_pack = struct.Struct(">d").pack


class Kind(NamedTuple):
    """A machine value: `width` lanes of an element type of LLVM's.

    `element` is double, float, i64, i32, i16, i8 or i1; width 1 is a scalar.
    """

    element: str
    width: int

    def __str__(self) -> str:
        if self.width == 1:
            return self.element
        return f"<{self.width} x {self.element}>"

    @property
    def suffix(self) -> str:
        """For names of functions and intrinsics: `f64`, `v8f64`, `v4i32` …"""
        short = {"double": "f64", "float": "f32"}.get(self.element, self.element)
        return short if self.width == 1 else f"v{self.width}{short}"

    def of(self, element: str) -> "Kind":
        """As many lanes of another element type."""
        return Kind(element, self.width)


def bits_of(x: float) -> str:
    """A float64 as LLVM writes it exactly."""
    return f"0x{_pack(x).hex().upper()}"


def number(kind: Kind, value: float | int | bool) -> str:
    """A constant in every lane, without its type: `splat (double 0x…)`."""
    if kind.element == "double":
        text = bits_of(float(value))
    elif kind.element == "float":  # LLVM writes a float32 as the double of its value
        text = bits_of(struct.unpack("<f", struct.pack("<f", value))[0])
    elif kind.element == "i1":
        text = "true" if value else "false"
    else:
        text = str(int(value))
    return text if kind.width == 1 else f"splat ({kind.element} {text})"


class Emitter:
    """The body of one function: lines, fresh names, the block being written."""

    __slots__ = ("block", "count", "declared", "fma", "lines", "prefix")

    def __init__(self, fma: bool = True, prefix: str = "v") -> None:
        self.lines: list[str] = []
        self.count = 0
        self.prefix = prefix  # keeps names apart where several write one function
        self.block = "entry"  # for phi nodes: the label of the current block
        self.declared: set[str] = set()  # `declare` lines that the module needs
        self.fma = fma  # whether the machine has a fused multiply-add

    def let(self, text: str) -> str:
        """`%v7 = text`; returns `%v7`."""
        self.count += 1
        name = f"%{self.prefix}{self.count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def label(self, hint: str) -> str:
        """A new label, not placed yet."""
        self.count += 1
        return f"{hint}.{self.prefix}{self.count}"

    def place(self, label: str) -> None:
        """Begins the block `label`; the one before must have ended with a branch."""
        self.lines.append(f"{label}:")
        self.block = label

    def declare(self, text: str) -> None:
        """An external function of the module: `declare double @sin(double)`."""
        self.declared.add(text)

    def intrinsic(self, name: str, kind: Kind, *args: str) -> str:
        """`llvm.NAME` on arguments that all have the kind of the result."""
        self.declare(
            f"declare {kind} @llvm.{name}.{kind.suffix}"
            f"({', '.join(str(kind) for _ in args)})"
        )
        listed = ", ".join(f"{kind} {a}" for a in args)
        return self.let(f"call {kind} @llvm.{name}.{kind.suffix}({listed})")
