"""Runs compiled programs between pages that may not be touched.

Every input, constant, output and arena lies flush against such a page, once with its
end and once with its beginning, so that the first byte read or written outside kills
the process; so does a write into an input. The tests start this file in a process of
its own. It prints what it is about to run, and at the end `ran N`.

    python guarded.py rows FIRST STEP
    python guarded.py random FIRST COUNT
    python guarded.py complex FIRST COUNT                 (lengths, then programs)
    python guarded.py read | write | input          (faults: these must not survive)
"""

import ctypes
import mmap
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from compiled import (
    check_same,
    compiled,
    every_value,
    flattened,
    gradient_of,
    largest,
    rows,
    tolerance,
)
from complex_programs import seeded as complex_seeded
from programs import seeded

import wengert as wg
from wengert.graph.graph import CONSTANT, Graph, Node
from wengert.native.program import Program, Segment

PAGE = mmap.PAGESIZE
NOTHING, READ = 0, 1  # what may be done with a page
Case = tuple[str, Callable[..., Any], list[Any]]


class Fenced:
    """Memory with a forbidden page on both sides, flush against one of them."""

    def __init__(self, size: int, at_end: bool, fill: int) -> None:
        body = max(1, -(-size // PAGE)) * PAGE
        self.size = size
        self._map = mmap.mmap(-1, body + 2 * PAGE)
        self._byte = ctypes.c_char.from_buffer(self._map)
        self._body = ctypes.addressof(self._byte) + PAGE
        self._length = body
        self.address = self._body + (body - size if at_end else 0)
        ctypes.memset(self._body, fill, body)
        protect(self._body - PAGE, PAGE, NOTHING)
        protect(self._body + body, PAGE, NOTHING)

    def hold(self, x: Any) -> None:
        """Puts an array here, and from now on nobody may write."""
        x = np.ascontiguousarray(x)
        ctypes.memmove(self.address, x.ctypes.data, x.nbytes)
        protect(self._body, self._length, READ)

    def array(self, node: Node) -> Any:
        """What is here now, as the value of a node."""
        data = ctypes.string_at(self.address, self.size)
        return np.frombuffer(data, node.dtype).reshape(node.shape)


def protect(address: int, size: int, allowed: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    status = libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), allowed)
    if status:
        raise OSError(ctypes.get_errno(), "mprotect failed")


def run_segment(
    s: Segment, values: dict[Node, Any], at_end: bool, fill: int, short: str = ""
) -> list[Any]:
    """A segment's results. `short` makes a buffer too small, to see what happens."""
    inputs = []
    for n in s.module.inputs:
        x = np.asarray(n.params["value"] if n.op is CONSTANT else values[n], n.dtype)
        if short == "read":
            x = x.reshape(-1)[1:]
        inputs.append(Fenced(x.nbytes, at_end, fill))
        inputs[-1].hold(x)
    less = 8 if short == "write" else 0
    outputs = [
        Fenced(n.type.size * n.dtype.itemsize - less, at_end, fill)
        for n in s.module.outputs
    ]
    arena = Fenced(s.module.arena, at_end, fill)
    into = inputs if short == "input" else outputs
    status = s.call(pointers(inputs), pointers(into), arena.address)
    assert status <= 0, f"a guard of {s.guards} answered differently"
    if status:
        return []  # NumPy would raise, or meets a singular matrix
    return [f.array(n) for f, n in zip(outputs, s.module.outputs, strict=True)]


def pointers(blocks: Sequence[Fenced]) -> Any:
    return (ctypes.c_void_p * max(len(blocks), 1))(*(b.address for b in blocks))


def run(program: Program, graph: Graph, arrays: list[Any], short: str = "") -> None:
    """Every segment by itself, at both fences, on memory filled with two patterns."""
    values = every_value(program.graph, arrays)
    for s in program.segments:
        if not isinstance(s, Segment):
            continue
        wanted = [values[n] for n in s.module.outputs]
        rtol = max(tolerance(graph), 1e-9)
        for at_end, fill in ((True, 0xA5), (False, 0x5A)):
            got = run_segment(s, values, at_end, fill, short)
            if got:
                check_same(got, wanted, rtol, lambda: largest(graph, arrays))


def of_rows(first: int, step: int) -> Iterator[Case]:
    """Every `step`-th row and its gradient."""
    for s in rows()[first::step]:
        f, leaves = flattened(s)
        arrays = [np.asarray(x) for x in leaves]
        yield s.name, f, arrays
        if arrays and {x.dtype.kind for x in arrays} <= set("fc"):
            yield f"gradient of {s.name}", gradient_of(f, len(arrays)), arrays


def of_programs(first: int, count: int) -> Iterator[Case]:
    """Random programs and their gradients."""
    for seed in range(first, first + count):
        p = seeded(seed)
        yield f"program {seed}", p, p.inputs()
        yield f"gradient of {seed}", gradient_of(p, len(p.shapes)), p.inputs()


def of_complex(first: int, count: int) -> Iterator[Case]:
    """Complex arrays of so many lengths, and as many random programs."""
    for n in range(first, first + count):
        x = np.exp(1j * np.arange(n)) * 1.5
        for z in (x, x.astype(np.complex64)):
            yield f"{z.dtype}[{n}]", _touched, [z, z[: n // 2 + 1]]
        p = complex_seeded(n)
        yield f"complex program {n}", p, p.inputs()
        yield f"gradient of complex {n}", gradient_of(p, len(p.shapes)), p.inputs()


def _touched(z: Any, w: Any) -> list[Any]:
    """Reads and writes in order, backwards, apart, one to many, here and there."""
    table = w[:, None] * z
    picks = np.arange(z.size) * 7 % z.size
    return [z * 2j, z[::-1] + z, z[::2] * 1j, table.T * w, np.sum(table, 0), z[picks]]


def staged(f: Callable[..., Any], arrays: list[Any]) -> Graph | None:
    """The case as a graph; what can't be one is no business of the compiler."""
    try:
        graph: Graph = wg.trace(f, *arrays, values=True).optimize()
        return graph
    except Exception:
        return None


def main(kind: str, *numbers: str) -> None:
    """Runs what the command line says."""
    np.seterr(all="ignore")
    if kind in ("read", "write", "input"):
        x = np.arange(1001.0)
        graph = wg.trace(lambda x: x * 2.0, x)
        run(compiled(graph), graph, [x], kind)
        return
    ran = 0
    of = {"rows": of_rows, "random": of_programs, "complex": of_complex}[kind]
    for name, f, arrays in of(*(int(n) for n in numbers)):
        made = staged(f, arrays)
        if made is not None:
            print(name, flush=True)
            run(compiled(made), made, arrays)
            ran += 1
    print("ran", ran)


if __name__ == "__main__":
    main(*sys.argv[1:])
