"""Local derivatives in symbols: an op's own rule, run on symbols and written in infix.

What is printed is the rule that computes, so a picture can't say anything else. The
rule's expression is simplified by the library's passes, and where it asks a question
(`where(a > b, …)`) the values at hand answer it.
"""

from typing import Any, NamedTuple

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.op import OPS, Linear, Partials, Rules
from wengert.core.types import Array, Type
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node, constant
from wengert.graph.symbols import as_symbol, node_of
from wengert.passes.algebra import simplify
from wengert.passes.fold import fold_constants
from wengert.show.notation import (
    ATOM,
    FACTOR,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Term,
    written,
)
from wengert.show.run import Run, inputs_of, op_of, shown_params
from wengert.show.value import number, shape_text

_NODES = 25  # of an expression that is still written out
_LETTERS = 70


class Formula(NamedTuple):
    """A rule on symbols: its graph, and the symbol for each thing it reads."""

    graph: Graph
    symbols: dict[str, Node]  # "y", "ct", "a0", "a1" …, "d0" …


class Formulas:
    """The formulas of a run, each found once per operation and types."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._found: dict[Any, Formula | int | None] = {}

    # Reverse ----------------------------------------------------------------------

    def partial(self, node: Node, i: int) -> Term | None:
        """∂node/∂input i of an elementwise op; None for others, or if it is long."""
        rule = op_of(node)[0].derivative
        if not isinstance(rule, Partials):
            return None
        p = rule.partials[i]
        if isinstance(p, int) or p is None:
            return Term(str(p or 0))
        found = self._formula("partial", node, i)
        return self._written(node, found, {}) if found else None

    def pulled(self, node: Node, i: int, ct: str) -> Term:
        """The contribution to input i of an op that isn't elementwise, `ct` given."""
        found = self._formula("pull", node, i)
        text = self._written(node, found, {"ct": Term(ct)}) if found else None
        if text is not None:
            return text
        names = [self._run.name(n) for n in inputs_of(node)]
        which = f"[{i}]" if len(names) > 1 else ""
        return Term(f"vjp({_rule_name(node)}, {ct}){which}")

    # Forward ----------------------------------------------------------------------

    def tangent(self, node: Node, moving: list[bool]) -> str:
        """dnode in terms of its inputs' tangents: `dw * x + w * dx`."""
        rule = op_of(node)[0].derivative
        names = [self._run.name(n) for n in inputs_of(node)]
        if isinstance(rule, Partials):
            return self._products(node, moving, names)
        text = None
        if any(moving):
            found = self._formula("push", node, 0, tuple(moving))
            given = {f"d{i}": Term(f"d{name}") for i, name in enumerate(names)}
            text = self._written(node, found, given) if found else None
        if text is not None:
            return text.text
        moved = ", ".join(f"d{n}" for n, m in zip(names, moving, strict=True) if m)
        return f"jvp({_rule_name(node)}, {moved})"

    def _products(self, node: Node, moving: list[bool], names: list[str]) -> str:
        text = ""
        for i, name in enumerate(names):
            if not moving[i]:
                continue
            p = self.partial(node, i) or Term(f"∂{self._run.name(node)}/∂{name}")
            minus, d = p.text == "-1", f"d{name}"
            if p.text in ("1", "-1"):
                term = d
            else:
                term = f"{d} * {_factor(p)}" if i == 0 else f"{_factor(p)} * {d}"
            sign = (" - " if minus else " + ") if text else ("-" if minus else "")
            text += sign + term
        return text

    # Running a rule on symbols ----------------------------------------------------

    def _formula(
        self, kind: str, node: Node, i: int, moving: tuple[bool, ...] = ()
    ) -> Formula | None:
        op, params = op_of(node)
        key: Any = None
        if OPS.get(op.name) is op:
            arguments = tuple(_key(n) for n in inputs_of(node))
            part = node.params["index"] if node.op is PART else None
            key = (kind, op.name, repr(params), arguments, i, moving, part)
            if key in self._found:
                return self._found[key]  # type: ignore[return-value]
        try:
            found = _staged(kind, node, i, moving)
        except Exception:
            # A custom rule may ask for values; only its formula is lost then.
            found = None
        if key is not None:
            self._found[key] = found
        return found

    def _written(
        self, node: Node, found: Formula, given: dict[str, Term]
    ) -> Term | None:
        """The formula with names in place of symbols; None if it is too long."""
        terms: dict[Node, Term] = {}
        values: dict[Node, Any] = {}
        for role, symbol in found.symbols.items():
            if role in given:
                terms[symbol] = given[role]
                continue
            source = node if role == "y" else inputs_of(node)[int(role[1:])]
            terms[symbol] = Term(self._run.name(source))
            values[symbol] = self._run.values[source]
        if len(found.graph.nodes) > _NODES + len(found.symbols):
            return None
        for n in found.graph.nodes:
            _write(n, terms, values)
            if len(terms.get(n, Term("")).text) > _LETTERS:
                return None
        return terms[found.graph.outputs[0]]


def _key(node: Node) -> Any:
    if node.op is CONSTANT and not node.type.shape:
        return "number", repr(node.params["value"])
    return node.type


def _staged(kind: str, node: Node, i: int, moving: tuple[bool, ...]) -> Formula:
    """The formula of one rule, simplified."""
    rule: Any = op_of(node)[0].derivative
    symbols: dict[str, Node] = {}

    def symbol(role: str, type: Type) -> Any:
        plain = Type(type.shape, type.dtype)
        symbols[role] = Node(INPUT, (), {}, plain, None, role)
        return as_symbol(symbols[role])

    args = [
        n.params["value"]
        if n.op is CONSTANT and not n.type.shape
        else symbol(f"a{j}", n.type)
        for j, n in enumerate(inputs_of(node))
    ]
    with np.errstate(all="ignore"):
        if kind == "partial":
            found = rule.partials[i](symbol("y", node.type), *args)
        elif kind == "pull":
            found = _pull(node, i, args, symbol)
        else:
            tangents = [
                symbol(f"d{j}", n.type) if moving[j] else None
                for j, n in enumerate(inputs_of(node))
            ]
            found = _push(node, args, tangents, symbol)
    end = node_of(found)
    graph = Graph(tuple(symbols.values()), (end,))
    return Formula(simplify(fold_constants(simplify(graph))), symbols)


def _pull(node: Node, i: int, args: list[Any], symbol: Any) -> Any:
    op, params = op_of(node)
    rule: Any = op.derivative
    if isinstance(rule, Linear):
        transpose: Any = rule.transposes[min(i, len(rule.transposes) - 1)]
        more = {"position": i} if rule.many else {}
        return transpose(symbol("ct", node.type), *args, **params, **more)
    if op.multiple or not isinstance(rule, Rules):
        raise TypeError("has several results: its rule has no short form")
    ct, y = symbol("ct", node.type), symbol("y", node.type)
    return rule.vjp(ct, y, *args, **params)[i]


def _push(node: Node, args: list[Any], tangents: list[Any], symbol: Any) -> Any:
    op, params = op_of(node)
    rule: Any = op.derivative
    if isinstance(rule, Rules):
        if op.multiple:
            raise TypeError("has several results: its rule has no short form")
        return rule.jvp(tangents, symbol("y", node.type), *args, **params)
    total: Any = None
    if rule.joint:
        given = [a if t is None else t for a, t in zip(args, tangents, strict=True)]
        return _bound(node, given)
    for i, t in enumerate(tangents):
        if t is not None:
            term = _bound(node, [*args[:i], t, *args[i + 1 :]])
            total = term if total is None else total + term
    return total


def _bound(node: Node, args: list[Any]) -> Any:
    nodes = tuple(a.mark if isinstance(a, Tracer) else constant(a) for a in args)
    op, params = op_of(node)
    return as_symbol(Node(op, nodes, params, node.type))


def _write(node: Node, terms: dict[Node, Term], values: dict[Node, Any]) -> None:
    """The term of one step, from those of its inputs; and its value if that is known.

    A question that has one answer for all elements at hand is replaced by the answer.
    """
    if node.op is INPUT:
        return
    if node.op is CONSTANT:
        value = values[node] = node.params["value"]
        terms[node] = _number(value)
        return
    args = [terms[n] for n in node.inputs]
    if all(n in values for n in node.inputs):
        with np.errstate(all="ignore"):
            given = [values[n] for n in node.inputs]
            values[node] = node.op.evaluate(*given, **node.params)
    if node.op.name == "where":
        answer = _answer(values.get(node.inputs[0]))
        if answer is not None:
            terms[node] = args[1] if answer else args[2]
            return
    type = node.type
    if isinstance(type, Type) and type.dtype.kind == "b":
        answer = _answer(values.get(node))
        if answer is not None:
            terms[node] = Term("1" if answer else "0")
            return
    params = shown_params(node.params, node.inputs)
    special = _special(node, args, terms)
    terms[node] = special or written(node.op, params, args, FACTOR)


def _answer(value: Array | None) -> bool | None:
    """True or False if all elements say so."""
    if value is None or not np.size(value):
        return None
    return True if np.all(value) else False if not np.any(value) else None


def _number(value: Any) -> Term:
    if np.ndim(value):
        first = np.asarray(value).flat[0] if np.size(value) else 0
        same = np.size(value) and np.all(np.asarray(value) == first)
        return _number(first) if same else Term(f"array{shape_text(np.shape(value))}")
    text = number(value).replace("−", "-")
    return Term(text, SUM if " " in text else SIGN if text.startswith("-") else 5)


def _special(node: Node, args: list[Term], terms: dict[Node, Term]) -> Term | None:
    """Forms that read better than the steps they are made of."""
    name = node.op.name
    if name in ("index", "reshape") and node.op.view and len(node.inputs) == 1:
        (x,) = node.inputs
        gained = node.type.size == x.type.size and len(node.shape) > len(x.shape)
        if gained and _squeezed(node.shape) == _squeezed(x.shape) and len(x.shape) < 2:
            column = len(x.shape) == 1 and node.shape[-1:] == (1,)
            return Term(f"{args[0].at(ATOM)}[:, None]") if column else args[0]
    if name == "multiply":
        return _outer(node, terms)
    if name == "matmul" and [len(i.shape) for i in node.inputs] == [1, 2]:
        # A row times a matrix, as the lecture writes it: Aᵀȳ.
        a = node.inputs[1]
        back = a.op.name == "transpose"
        matrix = terms[a.inputs[0]].text if back else f"{args[1].at(ATOM)}.T"
        return Term(f"{matrix} @ {args[0].at(POWER)}", PRODUCT)
    if name == "broadcast_to":
        # A reshape before it only adds axes of length 1.
        x = node.inputs[0]
        inner = terms[x.inputs[0]] if x.op.name == "reshape" else args[0]
        if not x.type.shape and x.op is CONSTANT:
            return inner
        return Term(f"broadcast({inner.text}, {shape_text(node.shape)})")
    if name == "astype":
        return args[0]
    return None


def _outer(node: Node, terms: dict[Node, Term]) -> Term | None:
    """ȳ ⊗ β, for a column times a row."""
    a, b = node.inputs
    columns = len(a.shape) == 2 and a.shape[1] == 1 and a.inputs
    if not columns or len(node.shape) != 2:
        return None
    x = a.inputs[0]
    row = b.inputs[0] if b.inputs and len(b.shape) == 2 else b
    if len(x.shape) != 1 or len(row.shape) != 1:
        return None
    return Term(f"{terms[x].at(ATOM)} ⊗ {terms[row].at(ATOM)}", PRODUCT)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _factor(p: Term) -> str:
    """A local derivative behind a product sign."""
    return f"({p.text})" if p.level <= SUM else p.text


def _rule_name(node: Node) -> str:
    op, _ = op_of(node)
    return f"{op.name}[{node.params['index']}]" if node.op is PART else op.name
