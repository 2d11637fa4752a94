"""Kernel → LLVM: the values of one element, then the loops around them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from wengert.graph.graph import CONSTANT, Node
from wengert.native import arithmetic, combine, forms, mathematics
from wengert.native.access import Memory
from wengert.native.forms import Piece, Place, Read, Test
from wengert.native.index import (
    At,
    Looked,
    Var,
    add,
    breaks,
    clamp,
    divide,
    flat,
    scale,
    within_atom,
)
from wengert.native.ir import Kind, number
from wengert.native.values import I64, Value

BOOL = np.dtype(bool)
# What gives a number, or a truth, even of a nan.
HIDES = {
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan",
    "isinf", "isfinite", "signbit", "logical_and", "logical_or", "logical_xor",
    "logical_not", "fmax", "fmin", "copysign", "power", "float_power", "hypot",
    "astype",
}  # fmt: skip
COUNTED = 64  # elements of a constant that are worth reading
INLINE = 24  # functions (exp, sin …) written out in one kernel; more are called


class Plan(NamedTuple):
    """How one element is computed: from which elements, and which pieces or terms."""

    needs: tuple[Read, ...]
    reads: tuple[Any, ...] = ()  # per piece or per term
    kind: str = "elementwise"


class Elements:
    """The elements that one pass over a loop nest computes, each once."""

    def __init__(
        self,
        memory: Memory,
        inlined: set[Node],
        fixed: set[Node],
        nodes: dict[int, Node],
    ) -> None:
        self.memory = memory
        self.registers = memory.registers
        self.inlined = inlined  # computed here, not read
        self.fixed = fixed  # buffers that nobody writes while the kernel runs
        self.nodes = nodes  # by number, for index arrays
        self.values: dict[Read, Value] = {}
        self.plans: dict[Read, Plan] = {}
        self.breaks: set[tuple[int, int]] = set()
        # Products in which zero wins are plain ones at first. What comes of them is in
        # doubt; where a nan shows up among it, it is computed again, exactly.
        self.exact = True
        self.doubted: set[Read] = set()
        self.suspects: list[Value] = []
        self._is_plain = False
        self.written_out = 0  # functions
        self.inline = INLINE
        self.turned = sines_and_cosines(inlined)

    def compute(self, wanted: Iterable[Read]) -> list[Value]:
        """The values of these elements. Not recursive: programs are deep."""
        wanted = list(wanted)
        stack = list(reversed(wanted))
        opened: set[Read] = set()
        while stack:
            key = stack[-1]
            if key in self.values:
                stack.pop()
                continue
            plan = self.plans.get(key)
            if plan is None:
                plan = self.plans[key] = self._plan(*key)
            if key not in opened:
                opened.add(key)
                missing = [k for k in plan.needs if k not in self.values]
                if missing:
                    stack.extend(reversed(missing))
                    continue
            stack.pop()
            self.values[key] = self._value(key, plan)
            self._doubt(key, plan)
        return [self.values[key] for key in wanted]

    def _doubt(self, key: Read, plan: Plan) -> None:
        """Notes whether a value depends on a product that should be exact."""
        if not (self._is_plain or self.doubted):
            return
        doubted = [k for k in plan.needs if k in self.doubted]
        v = self.values[key]
        if self._is_plain or (doubted and v.known is None):
            self._is_plain = False
            if v.depth == self.registers.inner:
                self.doubted.add(key)
            if key[0].op.name in HIDES:
                self.suspects += [self.values[k] for k in doubted]

    def again(self) -> "Elements":
        """The same elements without what is in doubt, which will be exact."""
        other = Elements(self.memory, self.inlined, self.fixed, self.nodes)
        other.values = {k: v for k, v in self.values.items() if k not in self.doubted}
        other.plans = self.plans
        other.inline = 0  # in a block that is seldom run: calls
        return other

    # What an element needs --------------------------------------------------------

    def _plan(self, node: Node, at: Place) -> Plan:
        if node not in self.inlined:
            return Plan(self._looked(at), kind="read")
        name = node.op.name
        if name in forms.LAYOUT:
            read = forms.layout(node, at)
            return Plan((*self._looked(read[1]), read), kind="layout")
        if name in forms.PIECEWISE:
            return self._pieces(node, at)
        fold = forms.fold_of(node)
        if fold is not None:
            terms = tuple(fold.reads(at, p) for p in forms.places(fold.extents))
            needs = tuple(r for term in terms for r in term)
            return Plan(needs, terms, "fold")
        shape = node.shape
        return Plan(tuple((x, forms.at_operand(x, at, shape)) for x in node.inputs))

    def _looked(self, at: Place) -> tuple[Read, ...]:
        """The elements of index arrays that must be there before `at` can be read."""
        return tuple((self.nodes[a.node], a.at) for a in looked_atoms(at))

    def _pieces(self, node: Node, at: Place) -> Plan:
        pieces = forms.PIECEWISE[node.op.name](node, at)
        if node.op.name == "index_add":
            first = forms.decided(pieces[:1])
            pieces = [*first, pieces[1]]
        else:
            pieces = forms.decided(pieces)
        safe = [self._safe(p) for p in pieces]
        needs = tuple(p.read for p in safe if p.read is not None)
        places = [read[1] for read in needs] + [(t.at,) for p in safe for t in p.tests]
        looked = tuple(r for at in places for r in self._looked(at))
        return Plan((*looked, *needs), tuple(safe), "pieces")

    def _safe(self, piece: Piece) -> Piece:
        """The piece with its read moved inside its array, and splits asked for."""
        for t in piece.tests:
            self.breaks.update(breaks(t.at, t.low, t.high))
        if piece.read is None or not piece.tests:
            return piece
        x, at = piece.read
        inside = tuple(
            clamp(a, 0, max(n - 1, 0)) for a, n in zip(at, x.shape, strict=True)
        )
        return Piece(piece.tests, (x, inside))

    # The value, once all is there -------------------------------------------------

    def _value(self, key: Read, plan: Plan) -> Value:
        node, at = key
        if plan.kind == "read":
            return self._read(node, at, plan.needs)
        if plan.kind == "layout":
            return self.values[plan.needs[-1]]
        if plan.kind == "pieces":
            return self._chosen(node, plan)
        if plan.kind == "fold":
            return self._folded(node, plan)
        return self.apply(node, [self.values[k] for k in plan.needs])

    def _read(self, node: Node, at: Place, looked: tuple[Read, ...]) -> Value:
        if node.dtype.kind == "c":
            return self._read_part(node, at[:-1], 1 if at[-1] else 0, looked)
        for array, place in looked:
            self._look(array, place, node, at)
        if node.op is CONSTANT:
            known = constant_at(node, at)
            if known is not None:
                return Value("", node.dtype, 0, known)
            if is_counted(node):
                return self._as(self.registers.index(counted(node, at)), node.dtype)
        where = flat(at, node.shape)
        return self.memory.load(node, node.dtype, where, node in self.fixed)

    def _read_part(
        self, node: Node, at: Place, part: int, looked: tuple[Read, ...]
    ) -> Value:
        """The real (0) or imaginary (1) part of a complex element."""
        dtype = forms.part_of(node.dtype)
        for array, place in looked:
            self._look(array, place, node, at)
        if node.op is CONSTANT:
            known = constant_at(node, at)
            if known is not None:
                return Value("", dtype, 0, known.imag if part else known.real)
        where = flat(at, node.shape)
        return self.memory.load_part(node, dtype, where, part, node in self.fixed)

    def _look(self, array: Node, place: Place, node: Node, at: Place) -> None:
        """Makes the atoms of `at` that are read from `array` known as numbers."""
        for atom in looked_atoms(at):
            if atom.node == array.number and atom.at == place:
                self.look(atom, self.values[array, place])

    def look(self, atom: Looked, v: Value) -> None:
        """The element of an index array as a place: from 0, and inside."""
        r = self.registers
        if atom in r.atoms:
            return
        e, k = r.at(v.depth), r.kind(I64, v.depth)
        x = r.text(v, I64, v.depth)
        least, most = _known_range(self.nodes[atom.node])
        if least >= 0 and most < atom.size:
            r.atoms[atom] = Value(x, I64, v.depth)
            return
        below = e.let(f"icmp slt {k} {x}, {number(k, 0)}")
        up = e.let(f"add {k} {x}, {number(k, atom.size)}")
        x = e.let(f"select {k.of('i1')} {below}, {k} {up}, {k} {x}")
        out = e.let(f"icmp uge {k} {x}, {number(k, atom.size)}")
        self._complain(out, v.depth)
        x = e.intrinsic("umin", k, x, number(k, max(atom.size - 1, 0)))
        r.atoms[atom] = Value(x, I64, v.depth)

    def _complain(self, out: str, depth: int) -> None:
        """Notes that an index is out of bounds; the caller raises NumPy's error."""
        r = self.registers
        e, flags = r.at(depth), r.kind(BOOL, depth)
        if flags.width > 1:
            if self.memory.lanes < flags.width:
                mask = ", ".join(
                    f"i1 {str(i < self.memory.lanes).lower()}"
                    for i in range(flags.width)
                )
                out = e.let(f"and {flags} {out}, <{mask}>")
            bits = e.let(f"bitcast {flags} {out} to i{flags.width}")
            out = e.let(f"icmp ne i{flags.width} {bits}, 0")
        bad, good = e.label("outside"), e.label("inside")
        e.do(f"br i1 {out}, label %{bad}, label %{good}")
        e.place(bad)
        e.do(f"store i32 1, ptr {e.let('load ptr, ptr %context')}")
        e.do(f"br label %{good}")
        e.place(good)

    def apply(self, node: Node, args: list[Value]) -> Value:
        """An elementwise op on values."""
        name = node.op.name
        if name == "astype":
            return self._as(args[0], node.dtype)
        if all(v.known is not None for v in args):
            return self._evaluated(node, args)
        simple = self._simple(node, args)
        if simple is not None:
            return simple
        r = self.registers
        depth = max(v.depth for v in args)
        dtype = arithmetic.computed_in(node)
        texts = [r.text(v, dtype, depth) for v in args]
        if name == "where":
            texts[0] = r.text(args[0], BOOL, depth)
        if name == "strong_product" and not self.exact and depth == r.inner:
            self._is_plain = True
            k = r.kind(dtype, depth)
            x = r.at(depth).let(f"fmul {k} {texts[0]}, {texts[1]}")
            return Value(x, node.dtype, depth)
        is_function = arithmetic.cost(node) > 10
        self.written_out += is_function
        if node in self.turned and self.written_out <= self.inline:
            x = self._turned(name, r.kind(dtype, depth), texts[0], depth)
            return Value(x, node.dtype, depth)
        x = arithmetic.write(
            r.at(depth), node, r.width_at(depth), texts, self.written_out <= self.inline
        )
        return Value(x, node.dtype, depth)

    def _turned(self, name: str, k: Kind, x: str, depth: int) -> str:
        """A sine or a cosine of what the other is needed of, too: both at once."""
        r = self.registers
        key = (name, x, str(k))
        if key not in r.spread:
            both = mathematics.emit_sincos(r.at(depth), k, x)
            for other, y in zip(("sin", "cos"), both, strict=True):
                r.spread[other, x, str(k)] = y
        return r.spread[key]

    def _evaluated(self, node: Node, args: list[Value]) -> Value:
        given = [
            v.known if i.type.weak else v.dtype.type(v.known)
            for v, i in zip(args, node.inputs, strict=True)
        ]
        with np.errstate(all="ignore"):
            y = node.op.evaluate(*given, **node.params)
        return Value("", node.dtype, 0, np.asarray(y, node.dtype).item())

    def _simple(self, node: Node, args: list[Value]) -> Value | None:
        """What known operands settle: 1·x, 0·x where zero wins, x + 0, a choice."""
        name = node.op.name
        if name == "where":
            if args[0].known is not None:
                return self._as(args[1] if args[0].known else args[2], node.dtype)
            return None
        if len(args) != 2 or node.dtype.kind == "b":
            return None
        for a, b in ((args[0], args[1]), (args[1], args[0])):
            if a.known is None:
                continue
            if a.known == 0 and name == "strong_product":
                return Value("", node.dtype, 0, node.dtype.type(0).item())
            if a.known == 1 and name in ("multiply", "strong_product"):
                return self._as(b, node.dtype)
            if a.known == 0 and name == "add":
                return self._as(b, node.dtype)
        if name == "subtract" and args[1].known == 0:
            return self._as(args[0], node.dtype)
        return None

    def _as(self, v: Value, dtype: np.dtype[Any]) -> Value:
        if v.known is not None:
            with np.errstate(all="ignore"):
                known = np.asarray(v.known, v.dtype).astype(dtype).item()
            return Value("", dtype, 0, known)
        if v.dtype == dtype:
            return v
        return Value(self.registers.text(v, dtype, v.depth), dtype, v.depth)

    def _folded(self, node: Node, plan: Plan) -> Value:
        """A small fold, written out from left to right."""
        dtype = node.dtype
        how = self._combine(node)
        total: Value | None = None
        for term in plan.reads:
            values = [self._as(self.values[read], dtype) for read in term]
            total = self._joined(how, dtype, total, values)
        if total is None:
            return Value("", dtype, 0, combine.identity(how, dtype))
        return total

    def _combine(self, node: Node) -> str:
        fold = forms.fold_of(node)
        assert fold is not None
        return fold.combine

    def _joined(
        self, how: str, dtype: np.dtype[Any], total: Value | None, term: list[Value]
    ) -> Value | None:
        """total ∘ Π term."""
        if len(term) > 1:
            if any(v.known == 0 for v in term):
                return total
            term = [v for v in term if v.known != 1] or term[:1]
        while len(term) > 2 or (len(term) == 2 and total is None):
            term = [self._two("multiply", dtype, term[0], term[1]), *term[2:]]
        if total is None:
            return term[0]
        if len(term) == 1:
            return self._two(how, dtype, total, term[0])
        r = self.registers
        depth = max(v.depth for v in (total, *term))
        a, b, t = (r.text(v, dtype, depth) for v in (*term, total))
        x = combine.multiply_add(r.at(depth), r.kind(dtype, depth), dtype, a, b, t)
        return Value(x, dtype, depth)

    def _two(self, how: str, dtype: np.dtype[Any], a: Value, b: Value) -> Value:
        r = self.registers
        depth = max(a.depth, b.depth)
        x, y = (r.text(v, dtype, depth) for v in (a, b))
        return Value(
            combine.two(r.at(depth), r.kind(dtype, depth), dtype, how, x, y),
            dtype,
            depth,
        )

    def term(self, values: list[Value], dtype: np.dtype[Any]) -> list[Value]:
        """The factors of a fold's term, in the fold's dtype; at most two."""
        factors = [self._as(v, dtype) for v in values]
        while len(factors) > 2:
            factors = [self._two("multiply", dtype, *factors[:2]), *factors[2:]]
        return factors

    # Pieces -----------------------------------------------------------------------

    def _chosen(self, node: Node, plan: Plan) -> Value:
        dtype = node.dtype
        adds = node.op.name == "index_add"
        zero = Value("", dtype, 0, dtype.type(0).item())

        def value(p: Piece) -> Value:
            return zero if p.read is None else self._as(self.values[p.read], dtype)

        result = value(plan.reads[-1]) if plan.reads else zero
        for p in reversed(plan.reads[:-1]):
            if adds:
                term = self._select(p.tests, value(p), zero)
                if term.known == 0:
                    continue
                result = (
                    term if result.known == 0 else self._two("add", dtype, result, term)
                )
            else:
                result = self._select(p.tests, value(p), result)
        return result

    def _select(self, tests: tuple[Test, ...], a: Value, b: Value) -> Value:
        if not tests:
            return a
        for atom in looked_atoms(tuple(t.at for t in tests)):
            self.look(atom, self.values[self.nodes[atom.node], atom.at])
        r = self.registers
        flag = self._tested(tests[0])
        for t in tests[1:]:
            flag = self._two("logical_and", BOOL, flag, self._tested(t))
        depth = max(flag.depth, a.depth, b.depth)
        k = r.kind(a.dtype, depth)
        x, y = (r.text(v, a.dtype, depth) for v in (a, b))
        on = r.text(flag, BOOL, depth)
        text = r.at(depth).let(f"select {k.of('i1')} {on}, {k} {x}, {k} {y}")
        return Value(text, a.dtype, depth)

    def _tested(self, t: Test) -> Value:
        """low ≤ at < high, as one unsigned comparison; and the step, if any."""
        r = self.registers
        off = add(t.at, -t.low)
        v = r.index(off)
        e, k = r.at(v.depth), r.kind(I64, v.depth)
        x = e.let(f"icmp ult {k} {v.text}, {number(k, t.high - t.low)}")
        if t.step == 1:
            return Value(x, BOOL, v.depth)
        rest = r.index(divide(off, t.step)[1])
        on = r.at(rest.depth).let(
            f"icmp eq {r.kind(I64, rest.depth)} {rest.text}, "
            f"{number(r.kind(I64, rest.depth), 0)}"
        )
        inside = Value(x, BOOL, v.depth)
        return self._two("logical_and", BOOL, inside, Value(on, BOOL, rest.depth))


def _known_range(array: Node) -> tuple[int, int]:
    """The least and the greatest index in a constant; (−1, −1) for other arrays."""
    if array.op is not CONSTANT or not array.type.size:
        return -1, -1
    value = np.asarray(array.params["value"])
    return int(value.min()), int(value.max())


def sines_and_cosines(nodes: Iterable[Node]) -> frozenset[Node]:
    """The sines and cosines of what both are taken of."""
    found: dict[Node, list[Node]] = {}
    for n in nodes:
        if n.op.name in ("sin", "cos"):
            found.setdefault(n.inputs[0], []).append(n)
    names = {x: {n.op.name for n in of} for x, of in found.items()}
    return frozenset(n for x, of in found.items() if len(names[x]) > 1 for n in of)


def looked_atoms(at: Place) -> list[Looked]:
    """The atoms of an index that are read from index arrays."""
    found: list[Looked] = []
    todo = [a for a in at if not isinstance(a, int)]
    while todo:
        for atom, _ in todo.pop().terms:
            if type(atom) is Var:
                continue
            if isinstance(atom, Looked):
                found.append(atom)
            else:
                todo.extend(within_atom(atom))
    return found


def constant_at(node: Node, at: Place) -> Any:
    """The element of a constant, if it is known without reading; else None."""
    value = np.asarray(node.params["value"])
    if all(isinstance(a, int) for a in at):
        return value[at].item()
    return uniform(node)


def is_counted(node: Node) -> bool:
    """Whether a constant's elements are computed from their places, as arange's."""
    return node.type.size > COUNTED and forms.progression(node) is not None


def counted(node: Node, at: Place) -> At:
    """The element of such a constant."""
    found = forms.progression(node)
    assert found is not None
    value: At = found[0]
    for a, step in zip(at, found[1], strict=True):
        value = add(value, scale(a, step))
    return value


def uniform(node: Node) -> Any:
    """The value that all elements of a constant have, or None."""
    value = np.asarray(node.params["value"])
    if not value.size:
        return None
    first, last = value.flat[0], value.flat[-1]
    strides = [s for s, n in zip(value.strides, value.shape, strict=True) if n > 1]
    if not any(strides):
        return first.item()
    if first != last or value.flat[value.size // 2] != first:
        return None
    return first.item() if bool((value == first).all()) else None
