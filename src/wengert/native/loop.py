"""A pass of the innermost loop as LLVM's blocks, with its running values.

A fold of many numbers runs in blocks: within one, plain additions; between blocks, a
two-sum that keeps the rounding errors.
"""

from typing import NamedTuple

from wengert.native import combine
from wengert.native.ir import Emitter, number
from wengert.native.totals import Pass, Slot, Total, Totals, kind_of, two_sum

BLOCK = 128  # vectors that are added before their sum joins the total
COPIES = 4  # vectors that a short loop's fold runs in at once

# A total and which copy of the body adds to it → its register before and after.
Running = dict[tuple[Slot, int], tuple[str, str]]


class Ends(NamedTuple):
    """Where a loop begins and ends, and about how often it runs."""

    low: str
    high: str
    times: int


COUNTED = "declare i64 @llvm.expect.i64(i64, i64)"


def counted(name: str, phi: str) -> str:
    """A loop's counter under another name, for addresses.

    It says nothing to the processor, but hides from LLVM that the addresses advance
    evenly. Looking for a better way to count them (loop strength reduction) would take
    a third of the time of a loop, and on processors that add an index to an address
    for nothing there is none.
    """
    return f"  {name} = call i64 @llvm.expect.i64(i64 {phi}, i64 1)"


class Loop:
    """Writes one pass that runs more than once.

    `tag` ends the names that it gives; `outside` is for what follows the loop.
    """

    def __init__(
        self, tag: str, p: Pass, ends: Ends, body: Emitter, outside: Emitter,
        totals: Totals,
    ) -> None:  # fmt: skip
        self.i = tag
        self.p = p
        self.ends = ends
        self.body = body
        self.totals = totals
        self.outside = outside
        self.lines: list[str] = []

    def write(self, running: Running) -> list[str]:
        """The loop's lines; the totals have what it gives."""
        blocked = self.ends.times > 2 * BLOCK and any(
            self.totals.found[slot].how == "add" for slot, _ in running
        )
        i = self.i
        self.lines += [f"  br label %enter{i}", f"enter{i}:"]
        if blocked:
            self._begin_block(running)
        self._run(running, blocked)
        self.outside.block = f"exit{i}"
        results = self._results(running, blocked)
        if blocked:
            self._end_block()
        for slot, parts in results.items():
            total = self.totals.found[slot]
            total.parts[self.p.width] = self._joined(total, parts)
        return self.lines + self.outside.lines

    def _begin_block(self, running: Running) -> None:
        i = self.i
        step = self.p.width * self.p.copies
        self.lines += [
            f"  br label %block{i}",
            f"block{i}:",
            f"  %bj{i} = phi i64 [{self.ends.low}, %enter{i}], [%be{i}, %join{i}]",
        ]
        for n, (slot, copy) in enumerate(running):
            total = self.totals.found[slot]
            k = kind_of(total, self.p.width)
            zero = number(k, combine.identity(total.how, total.dtype))
            begin = self.totals.start(total, self.p, copy)
            for part, initial in (("s", begin), ("e", zero)):  # the sum, its errors
                self.lines.append(
                    f"  %{part}{i}.{n} = phi {k} [{initial}, %enter{i}], "
                    f"[%{part}n{i}.{n}, %join{i}]"
                )
        self.lines += [
            f"  %bs{i} = add i64 %bj{i}, {BLOCK * step}",
            f"  %bc{i} = icmp slt i64 %bs{i}, {self.ends.high}",
            f"  %be{i} = select i1 %bc{i}, i64 %bs{i}, i64 {self.ends.high}",
        ]

    def _run(self, running: Running, blocked: bool) -> None:
        """The loop itself; in a block, running values begin at the identity."""
        i, p = self.i, self.p
        low, high, before = self.ends.low, self.ends.high, f"enter{i}"
        if blocked:
            low, high, before = f"%bj{i}", f"%be{i}", f"block{i}"
        latch = self.body.block
        self.lines += [
            f"  br label %pass{i}",
            f"pass{i}:",
            f"  %at{i} = phi i64 [{low}, %{before}], [%k{i}, %{latch}]",
        ]
        for (slot, copy), (old, new) in running.items():
            total = self.totals.found[slot]
            k = kind_of(total, p.width)
            begin = number(k, combine.identity(total.how, total.dtype))
            if not blocked:
                begin = self.totals.start(total, p, copy)
            self.lines.append(
                f"  {old} = phi {k} [{begin}, %{before}], [{new}, %{latch}]"
            )
        self.lines += [
            counted(f"%j{i}", f"%at{i}"),
            *self.body.lines,
            f"  %k{i} = add nuw nsw i64 %at{i}, {p.width * p.copies}",
            f"  %l{i} = icmp slt i64 %k{i}, {high}",
            f"  br i1 %l{i}, label %pass{i}, label %exit{i}",
            f"exit{i}:",
        ]

    def _results(self, running: Running, blocked: bool) -> dict[Slot, list[str]]:
        """What each copy of the body gave, per total."""
        results: dict[Slot, list[str]] = {}
        for n, ((slot, _), (_, new)) in enumerate(running.items()):
            x = self._block_result(self.totals.found[slot], n, new) if blocked else new
            results.setdefault(slot, []).append(x)
        return results

    def _block_result(self, total: Total, n: int, x: str) -> str:
        """A block's sum joins the sum so far; what both are after the last block."""
        i, e = self.i, self.outside
        k = kind_of(total, self.p.width)
        y, error = two_sum(e, total, k, f"%s{i}.{n}", x)
        lost = e.let(f"fadd {k} %e{i}.{n}, {error}") if error else y
        whole = e.let(f"fadd {k} {y}, {lost}") if error else y
        self.lines += e.lines
        e.lines.clear()
        nothing = number(k, -0.0 if k.element in ("double", "float") else 0)
        adds = "fadd" if k.element in ("double", "float") else "add"
        # LLVM has no other way to give a value a second name.
        self.lines += [
            f"  %sn{i}.{n} = {adds} {k} {y}, {nothing}",
            f"  %en{i}.{n} = {adds} {k} {lost}, {nothing}",
        ]
        return whole

    def _end_block(self) -> None:
        i = self.i
        self.lines += [
            f"  br label %join{i}",
            f"join{i}:",
            f"  %bl{i} = icmp slt i64 %be{i}, {self.ends.high}",
            f"  br i1 %bl{i}, label %block{i}, label %out{i}",
            f"out{i}:",
        ]
        self.outside.block = f"out{i}"

    def _joined(self, total: Total, parts: list[str]) -> str:
        """The copies' results as one, pair by pair."""
        k = kind_of(total, self.p.width)
        while len(parts) > 1:
            pairs = [parts[j : j + 2] for j in range(0, len(parts), 2)]
            parts = [
                combine.two(self.outside, k, total.dtype, total.how, *pair)
                if len(pair) == 2
                else pair[0]
                for pair in pairs
            ]
        return parts[0]
