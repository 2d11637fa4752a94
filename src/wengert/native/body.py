"""Code of a nest: lines within the program's function, or a function of its own.

A function costs LLVM half a millisecond before its first instruction, so short nests
stand where they are called.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.native.ir import Emitter

# Vectors of 512 bits stay whole on processors whose tuning prefers shorter ones. The
# stack is aligned for them: a long loop that keeps some there, across the ends of cache
# lines, takes up to a third more time.
ATTRIBUTES = (
    'nounwind alignstack(64) "min-legal-vector-width"="512" "prefer-vector-width"="512"'
)
# What is run once, or waits for the functions that it calls, isn't worth LLVM's time:
# its shards are compiled with the least effort, to the same results.
QUICK = '"wengert-effort"="0"'
FIXED = ", !invariant.load !0"  # while the function runs, nobody writes there
SHORT = 300  # lines up to which a nest gets no function


@dataclass(frozen=True, slots=True)
class Body:
    """Lines that use `%context` and need no other names from outside.

    Attributes:
        name: ends all names that the lines give.
        lines: blocks; they begin in `start.NAME` and go on after the last line.
        slots: instructions for the first block of a function: memory on the stack.
        declared: declarations that the lines need.
    """

    name: str
    lines: Sequence[str]
    slots: Sequence[str]
    declared: set[str]

    def into(self, e: Emitter, *, alone: bool = False) -> None:
        """Writes the lines, in place of a call.

        Unless they are `alone` in a function, others in it may write what they read.
        """
        e.lines[:0] = self.slots
        e.do(f"br label %start.{self.name}")
        e.lines.append(f"start.{self.name}:")
        e.lines += self.lines if alone else [x.replace(FIXED, "") for x in self.lines]
        e.do(f"br label %end.{self.name}")
        e.place(f"end.{self.name}")
        e.declared |= self.declared

    def function(self) -> str:
        """A function `@NAME(ptr %context)`."""
        e = Emitter()
        self.into(e, alone=True)
        return function(self.name, "ptr %context", e.lines)


def quick(text: str) -> str:
    """A function, to be compiled with the least effort."""
    return text.replace(" {", f" {QUICK} {{", 1)


def function(name: str, given: str, lines: Sequence[str]) -> str:
    """An internal function without a result; its first block is `entry`."""
    head = f"define internal void @{name}({given}) {ATTRIBUTES} {{"
    return "\n".join([head, "entry:", *lines, "  ret void", "}"])
