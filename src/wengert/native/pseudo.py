"""Kernels as pseudo-code: loops, one line per fused op, what is read and written.

It is made by the walk that makes the code (`codegen.Elements`), on the same loop forms,
with the axes that are written out in the code as loops over letters.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from wengert.graph.graph import CONSTANT, Node
from wengert.native import forms
from wengert.native.codegen import constant_at, looked_atoms
from wengert.native.forms import Fold, Piece, Place, Read, Test
from wengert.native.index import (
    At,
    Atom,
    Clamp,
    Index,
    Looked,
    Quotient,
    Remainder,
    Var,
    depth_of,
)
from wengert.native.kernel import Kernel, Root
from wengert.native.nest import lane_index

COLUMN = 44  # where the user's lines stand
WIDEST = 80  # characters of them
_LETTERS = "ijklmnpqrstuvw"
_SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "strong_product": "*", "divide": "/",
    "power": "**", "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=",
    "greater": ">", "greater_equal": ">=", "logical_and": "and", "logical_or": "or",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip
_ADDS = {"add": "+=", "multiply": "*=", "logical_and": "&=", "logical_or": "|="}

Names = Mapping[Node, str]


class _Value(NamedTuple):
    """An element's text, and the depth of the innermost loop that it depends on."""

    text: str
    depth: int


class _Plan(NamedTuple):
    needs: tuple[Read, ...]
    kind: str = "elementwise"
    parts: tuple[Any, ...] = ()  # pieces, or a fold with its variables


class Body:
    """The lines of a kernel's loops."""

    def __init__(self, kernel: Kernel, names: Names, nodes: dict[int, Node]) -> None:
        self.kernel = kernel
        self.names = names
        self.nodes = nodes
        self.values: dict[Read, _Value] = {}
        self.plans: dict[Read, _Plan] = {}
        self.lines: dict[int, list[str]] = {}  # by depth
        self.named: set[Node] = set()
        self.families: set[tuple[Node, tuple[str, ...]]] = set()
        self.said = ""  # the user's line beside the last line
        self.roots = {r.node for r in kernel.roots}
        taken = set(names.values())
        self.ends: dict[Node, tuple[tuple[Var, int], ...]] = {}  # of roots, by loop
        self.letters = [c for c in _LETTERS if c not in taken]
        self.looped = self._loops()
        self.depth = len(self.looped)  # of the last variable so far

    def write(self, note: str) -> list[str]:
        """The kernel; `note` stands beside its innermost loop."""
        loops = [Var(d, 0, n) for d, n in enumerate(self.looped, 1)]
        for root in self.kernel.roots:
            if len(root.loops) == len(loops):
                self.ends[root.node] = tuple(zip(loops, root.loops, strict=True))
        chains: dict[tuple[int, ...], list[Var]] = {}
        for root in self.kernel.roots:
            if root.kind == "scatter":
                x = self.names[root.node.inputs[0]]
                self._say(0, f"{self.names[root.node]} = copy of {x}", root.node)
            self._root(root, loops, chains)
        for chain in chains.values():
            self._fold_up(chain, len(loops))
        lines = self.lines.get(len(loops), [])
        for var in reversed(loops):
            head = f"for {self._letter(var)} < {var.high}:"
            if var is loops[-1] and note:
                head = f"{head}\0{note}"
            lines = [*self.lines.get(var.depth - 1, []), head, *_indented(lines)]
        return lines

    def _loops(self) -> tuple[int, ...]:
        """The loops' extents; one loop over all of one shape's axes counts as these."""
        shapes = {tuple(n for n in r.shape if n != 1) for r in self.kernel.roots}
        if all(r.is_flat for r in self.kernel.roots) and len(shapes) == 1:
            return shapes.pop()
        return self.kernel.loops

    def _inner(self, extents: tuple[int, ...]) -> list[Var]:
        """Variables of loops that are written out."""
        found = [Var(self.depth + i, 0, n) for i, n in enumerate(extents, 1)]
        self.depth += len(extents)
        return found

    def _fold_up(self, chain: list[Var], outside: int) -> None:
        """The lines of loops that are written out join those of the loop around."""
        lines: list[str] = []
        for var in reversed(chain):
            own = self.lines.pop(var.depth, [])
            head = f"for {self._letter(var)} < {var.high}, written out:"
            lines = [head, *_indented([*own, *lines])]
        if chain:
            self.lines.setdefault(outside, []).extend(lines)

    # One root ---------------------------------------------------------------------

    def _root(
        self,
        root: Root,
        loops: list[Var],
        chains: dict[tuple[int, ...], list[Var]],
    ) -> None:
        where: list[At] = [lane_index(v) for v in loops]
        is_row = root.is_flat and len(self.looped) == sum(n != 1 for n in root.shape)
        if root.is_flat and not is_row:
            frames = root.frames(tuple(where))
        else:
            written = () if is_row else root.shape[root.looped :]
            rest = tuple(n for n in written if n > 1)
            if rest not in chains:
                chains[rest] = self._inner(rest)
            where += [lane_index(v) for v in chains[rest]]
            whole = dataclasses.replace(root, looped=len(root.shape), is_flat=False)
            frames = whole.frames(tuple(where))
        (frame,) = frames
        node = root.node
        if root.kind == "scatter":
            self._scatter(root, frame.at)
        elif root.fold is None:
            (value,) = self._compute([(node, frame.at)])
            self.values[node, frame.at] = value
        else:
            target = self._element(node, frame.at)
            inner, outer = _depth(frame.at), [depth_of(a) for a in frame.along]
            if inner < min(filter(None, outer), default=1):
                self._say(inner, f"{target} = {_start(root.fold)}", node)
            else:
                self._say(0, f"{self.names[node]}[...] = {_start(root.fold)}", node)
            terms = self._compute(root.fold.reads(frame.at, frame.along))
            term = " * ".join(t.text for t in terms)
            depth = max([inner, *outer])
            text = _joined(target, root.fold.combine, term)
            self._say(depth, f"{self._only(node)}{text}", node)

    def _only(self, node: Node) -> str:
        """`if i < 99: ` before what a root writes that has only a part of the loops."""
        ends = self.ends.get(node, ())
        tests = [f"{self._letter(v)} < {n}" for v, n in ends if n < v.high]
        return f"if {' and '.join(tests)}: " if tests else ""

    def _scatter(self, root: Root, at: Place) -> None:
        x, v, *arrays = root.node.inputs
        place = forms.indexed(root.node.params["key"], tuple(arrays), x.shape, at)
        there = forms.at_operand(v, at, root.shape)
        *_, value = self._compute([*self._looked(place), (v, there)])
        sign = "+=" if root.node.op.name == "index_add" else "="
        depth = max([depth_of(a) for a in at] + [0])
        line = f"{self._element(root.node, place)} {sign} {value.text}"
        self._say(depth, line, root.node)

    # Elements ---------------------------------------------------------------------

    def _compute(self, wanted: list[Read]) -> list[_Value]:
        """The values of elements, their lines written. Not recursive."""
        stack = list(reversed(wanted))
        while stack:
            key = stack[-1]
            if key in self.values:
                stack.pop()
                continue
            plan = self.plans.get(key)
            if plan is None:
                if self._is_known(*key):
                    continue
                plan = self.plans[key] = self._plan(*key)
                missing = [k for k in plan.needs if k not in self.values]
                if missing:
                    stack.extend(reversed(missing))
                    continue
            stack.pop()
            self.values[key] = self._value(key, plan)
        return [self.values[key] for key in wanted]

    def _is_known(self, node: Node, at: Place) -> bool:
        """Whether a loop that is written out has left this element in a register."""
        if self._family(node, at) not in self.families:
            return False
        self.values[node, at] = _Value(self._element(node, at), _depth(at))
        return True

    def _family(self, node: Node, at: Place) -> tuple[Node, tuple[str, ...]]:
        """All elements that loops written out compute, whatever their letters."""
        found: list[int] = []

        def letter(var: Var) -> str:
            if var.depth <= len(self.looped):
                return f"{var.depth}"
            if var.depth not in found:
                found.append(var.depth)
            return f"{found.index(var.depth)}<{var.high}"

        return node, tuple(self._index(a, letter) for a in at)

    def _plan(self, node: Node, at: Place) -> _Plan:
        if node not in self.kernel.inlined:
            return _Plan(tuple(self._looked(at)), "read")
        name = node.op.name
        if any(i.dtype.kind == "c" for i in node.inputs) and name in ("real", "imag"):
            return _Plan(((node.inputs[0], at),))
        if name in forms.LAYOUT and name != "pair":
            read = forms.LAYOUT[name](node, at)
            return _Plan((*self._looked(read[1]), read), "layout")
        if name in forms.PIECEWISE:
            pieces = forms.decided(forms.PIECEWISE[name](node, at))
            reads = tuple(p.read for p in pieces if p.read is not None)
            looked = tuple(r for read in reads for r in self._looked(read[1]))
            return _Plan((*looked, *reads), "pieces", tuple(pieces))
        fold = forms.fold_of(node)
        if fold is not None:
            chain = self._inner(tuple(n for n in fold.extents if n > 1))
            rest = iter(chain)
            along = tuple(lane_index(next(rest)) if n > 1 else 0 for n in fold.extents)
            reads = tuple(fold.reads(at, along)) if 0 not in fold.extents else ()
            return _Plan(reads, "fold", (fold, chain, reads))
        shape = node.shape
        return _Plan(tuple((x, forms.at_operand(x, at, shape)) for x in node.inputs))

    def _looked(self, at: Place) -> list[Read]:
        return [(self.nodes[a.node], a.at) for a in looked_atoms(at)]

    def _value(self, key: Read, plan: _Plan) -> _Value:
        node, at = key
        if plan.kind == "read":
            known = constant_at(node, at) if node.op is CONSTANT else None
            if known is not None:
                return _Value(f"{known!s}", 0)
            return _Value(self._element(node, at), _depth(at))
        if plan.kind == "layout" and node not in self.roots:
            return self.values[plan.needs[-1]]
        depth = max([self.values[k].depth for k in plan.needs] + [0])
        if plan.kind == "fold":
            return self._written_fold(key, *plan.parts)
        if plan.kind == "pieces":
            text = self._chosen(node, plan.parts)
            tests = [t.at for p in plan.parts for t in p.tests]
            depth = max([depth, *map(depth_of, tests)])
        elif plan.kind == "layout":
            text = self.values[plan.needs[-1]].text
        else:
            text = _applied(node, [self.values[k].text for k in plan.needs])
        return self._let(key, text, depth)

    def _let(self, key: Read, text: str, depth: int) -> _Value:
        node, at = key
        written_out = _depth(at) > len(self.looped)
        if node in self.roots or node in self.named or written_out:
            name = self._element(node, at)
            depth = max(depth, _depth(at))
        else:
            name = self.names[node]
        self.named.add(node)
        if written_out:
            self.families.add(self._family(node, at))
        self._say(depth, f"{self._only(node)}{name} = {text}", node)
        return _Value(name, depth)

    def _written_fold(
        self, key: Read, fold: Fold, chain: list[Var], reads: tuple[Read, ...]
    ) -> _Value:
        """A short fold: its own little loop."""
        node, at = key
        outside = _depth(at)
        if not reads or not chain:
            term = " * ".join(self.values[r].text for r in reads) or "0"
            return self._let(key, term, outside)
        value = self._let(key, _start(fold), outside)
        term = " * ".join(self.values[r].text for r in reads)
        self._say(chain[-1].depth, _joined(value.text, fold.combine, term), node)
        self._fold_up(chain, value.depth)
        return value

    def _chosen(self, node: Node, pieces: tuple[Piece, ...]) -> str:
        values = ["0" if p.read is None else self.values[p.read].text for p in pieces]
        tests = [" and ".join(map(self._test, p.tests)) for p in pieces]
        if node.op.name != "index_add":
            chosen = [f"{v} if {on}" for v, on in zip(values, tests, strict=True)]
            return " else ".join([*chosen[:-1], *values[-1:]]) or "0"
        added = [
            f"({v} if {on} else 0)" if on else v
            for v, on in zip(values, tests, strict=True)
            if v not in ("0", "0.0")
        ]
        return " + ".join(added) or "0"

    def _test(self, t: Test) -> str:
        at = self._index(t.at)
        if t.high - t.low == 1:
            return f"{at} == {t.low}"
        text = f"{t.low} <= {at} < {t.high}"
        return text if t.step == 1 else f"{text} by {t.step}"

    # Text -------------------------------------------------------------------------

    def _say(self, depth: int, text: str, node: Node) -> None:
        """A line, with the user's beside it if that is another than before."""
        line = node.line
        if line and line != self.said:
            text = f"{text}\0{line}"
        self.said = line or self.said
        self.lines.setdefault(depth, []).append(text)

    def _element(self, node: Node, at: Place) -> str:
        """`x[i, j + 1]`."""
        name = self.names[node]
        return f"{name}[{', '.join(map(self._index, at))}]" if at else name

    def _index(self, a: At, letter: Callable[[Var], str] | None = None) -> str:
        """An index; what is within it is as deep as reshapes of gathers are."""
        if isinstance(a, int):
            return str(a)
        texts = []
        for atom, k in a.terms:
            text = self._atom(atom, letter or self._letter)
            times = "" if abs(k) == 1 else f"{abs(k)}*"
            sign = "-" if k < 0 else "+"
            texts.append(f"{sign} {times}{text}")
        if a.constant:
            texts.append(f"{'-' if a.constant < 0 else '+'} {abs(a.constant)}")
        whole = " ".join(texts)
        return whole[2:] if whole.startswith("+") else f"-{whole[2:]}"

    def _atom(self, atom: Atom, letter: Callable[[Var], str]) -> str:
        match atom:
            case Var():
                return letter(atom)
            case Looked(node, at, _):
                inner = ", ".join(self._index(a, letter) for a in at)
                return f"{self.names[self.nodes[node]]}[{inner}]"
            case Clamp(of, low, high):
                return f"clip({self._index(of, letter)}, {low}, {high})"
            case Quotient(of, by):
                return f"({self._index(of, letter)}) // {by}"
            case Remainder(of, by):
                return f"({self._index(of, letter)}) % {by}"
        raise AssertionError(atom)

    def _letter(self, var: Var) -> str:
        d = var.depth - 1
        return self.letters[d] if d < len(self.letters) else f"i{d}"


def _start(fold: Fold) -> str:
    """What a fold begins with."""
    starts = {"add": "0", "multiply": "1", "logical_and": "True", "logical_or": "False"}
    return starts.get(fold.combine, "-inf" if fold.combine == "maximum" else "inf")


def _depth(at: Place) -> int:
    return max([depth_of(a) for a in at if isinstance(a, Index)] + [0])


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def _joined(target: str, combine: str, term: str) -> str:
    if combine in _ADDS:
        return f"{target} {_ADDS[combine]} {term}"
    return f"{target} = {combine}({target}, {term})"


def _applied(node: Node, args: list[str]) -> str:
    """An elementwise op on texts."""
    name = node.op.name
    if name in _SIGNS and len(args) == 2:
        return f"{args[0]} {_SIGNS[name]} {args[1]}"
    if name == "negative":
        return f"-{args[0]}"
    if name == "square":
        return f"{args[0]} * {args[0]}"
    if name in ("real", "imag"):
        return f"{args[0]}.{name}"
    if name == "astype":
        return f"{node.dtype}({args[0]})"
    params = [f"{k}={v}" for k, v in node.params.items() if v is not None]
    return f"{name}({', '.join([*args, *params])})"


def pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each line of a body, and the user's line beside it or ""."""
    for line in lines:
        text, _, source = line.partition("\0")
        yield text, source


def beside(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines with the user's code in a column of its own."""
    for text, source in rows:
        if len(source) > WIDEST:
            source = f"{source[: WIDEST - 1]}…"
        yield f"{text:<{COLUMN}}  # {source}" if source else text
