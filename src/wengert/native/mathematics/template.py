"""A function's text, kept to be written again with other names.

Writing a formula through `Lanes` costs 100 µs and more, a tenth of LLVM's own work on
it; filling in the names of a kept text costs a tenth of that.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from wengert.native.ir import Emitter

# What differs from one copy to the next: the numbers of values and labels, the
# arguments, and the block that the text begins in.
OWN, ARGUMENT, BLOCK = "\x01", "\x02", "\x03"
_SLOT = re.compile(f"{OWN}([0-9]+)|{ARGUMENT}([0-9])|{BLOCK}")


class Template(NamedTuple):
    """Text in pieces; between two of them a slot, which `fill` reads."""

    pieces: tuple[str, ...]
    slots: tuple[int, ...]  # a number k > 0, or −1 for the block, −2 − i for argument i
    numbers: int  # how many it uses
    declared: frozenset[str]


# The text's last two lines are not instructions: its result, and the block it ends in.


def make(
    write: Callable[[Emitter, list[str]], str], arguments: int, fma: bool
) -> Template:
    """Keeps what `write` writes, given an emitter and the names of the arguments."""
    e = Emitter(fma=fma, prefix=OWN)
    e.block = BLOCK
    result = write(e, [f"{ARGUMENT}{i}" for i in range(arguments)])
    text = "\n".join([*e.lines, result, e.block])
    pieces, slots, at = [], [], 0
    for match in _SLOT.finditer(text):
        own, argument = match.groups()
        pieces.append(text[at : match.start()])
        at = match.end()
        slots.append(int(own) if own else -2 - int(argument) if argument else -1)
    pieces.append(text[at:])
    return Template(tuple(pieces), tuple(slots), e.count, frozenset(e.declared))


def fill(t: Template, e: Emitter, args: tuple[str, ...]) -> str:
    """Writes the text once more; returns the name of its result."""
    base, block = e.count, e.block
    parts = [t.pieces[0]]
    for slot, piece in zip(t.slots, t.pieces[1:], strict=True):
        if slot > 0:
            parts.append(f"{e.prefix}{base + slot}")
        else:
            parts.append(block if slot == -1 else args[-2 - slot])
        parts.append(piece)
    *lines, result, e.block = "".join(parts).split("\n")
    e.lines += lines
    e.count = base + t.numbers
    e.declared |= t.declared
    return result
