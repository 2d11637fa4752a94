"""The backward pass of a run, one contribution at a time.

Each step gives one node to the library's own tape and backward pass, so what is shown
is what `wg.grad` computes. The order is its order as well: nodes in reverse topological
order, and the inputs of each as the operation lists them.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from wengert.core.bind import Tracer
from wengert.core.errors import DerivativeError
from wengert.core.op import Partials
from wengert.core.types import Array
from wengert.graph.graph import Node
from wengert.show.local import Formulas
from wengert.show.notation import SUM, Term, key_text
from wengert.show.run import Run, apply, inputs_of, is_operation, op_of
from wengert.show.story import BackwardStep, Local
from wengert.show.value import plain, shape_text, text_of
from wengert.transforms.backward import any_nan, backward, finite, zeros_ct
from wengert.transforms.tape import Reverse

_LONG = 60


class Contribution(NamedTuple):
    """What `of` gives to the adjoint of `to`, its input number `i`."""

    of: Node
    i: int
    to: Node
    ct: Array
    amount: Array
    before: Array
    after: Array


class Adjoints:
    """All adjoints of a run, and how they came about."""

    def __init__(self, run: Run, seeds: dict[Node, Array]) -> None:
        self.run = run
        self.seeds = seeds
        self.final: dict[Node, Array] = {}
        self.steps: list[Contribution] = []
        with np.errstate(all="ignore"):
            self._pass(strong=False)
            ends = [run.values[n] for n in seeds]
            found = [self.final.get(n) for n in run.wanted]
            if not finite(found) and not any_nan(ends) and finite(list(seeds.values())):
                # As grad does: zero wins against infinity in a second pass.
                self._pass(strong=True)

    def _pass(self, strong: bool) -> None:
        self.steps, self.final = [], {}
        for node, ct in self.seeds.items():
            if node in self.run.active:
                self.final[node] = ct
        for node in reversed(self.run.shown):
            if node not in self.final or not is_operation(node):
                continue
            ct = self.final[node]
            for i, amount in enumerate(self._pulled(node, ct, strong)):
                if amount is not None:
                    self._arrive(node, i, ct, amount)

    def _pulled(self, node: Node, ct: Array, strong: bool) -> list[Array | None]:
        """The contribution to each input, None where nothing flows."""
        interp = Reverse()
        args = [
            interp.input(np.asarray(self.run.values[n], n.dtype)[()])
            if n in self.run.active and n.dtype.kind in "fc"
            else self.run.values[n]
            for n in inputs_of(node)
        ]
        try:
            y = apply(node, args)
        except DerivativeError as error:
            if node.line:
                error.add_note(f"  Step: {node.line}")
            raise
        if not isinstance(y, Tracer):
            return [None] * len(args)
        traced = [a for a in args if isinstance(a, Tracer)]
        found = iter(backward([(y.mark, ct)], [a.mark for a in traced], strong))
        return [next(found) if isinstance(a, Tracer) else None for a in args]

    def _arrive(self, node: Node, i: int, ct: Array, amount: Array) -> None:
        to = inputs_of(node)[i]
        before = self.final.get(to)
        after = amount if before is None else before + amount
        start = zeros_ct(to.type) if before is None else before
        self.final[to] = after
        self.steps.append(Contribution(node, i, to, ct, amount, start, after))

    def story(self, formulas: Formulas) -> list[BackwardStep]:
        """The steps in words."""
        total = Counter(step.to for step in self.steps)
        total.update(n for n in self.seeds if n in self.run.active)
        seen: Counter[Node] = Counter()
        told: list[BackwardStep] = []
        for node, ct in self.seeds.items():
            if node in self.run.active:
                seen[node] += 1
                told.append(self._first(node, ct, total[node]))
        for step in self.steps:
            seen[step.to] += 1
            told.append(self._told(step, formulas, seen[step.to], total[step.to]))
        return told

    def _first(self, node: Node, ct: Array, paths: int) -> BackwardStep:
        zero = zeros_ct(node.type)
        return {
            "from": None,
            "to": self.run.place[node],
            "text": f"{self.run.name(node)}.grad = {_ones_text(ct)}",
            "numbers": "",
            "local": None,
            "contribution": self.run.told(ct),
            "before": self.run.told(zero, heat=False),
            "after": self.run.told(ct),
            "path": 1,
            "paths": paths,
        }

    def _told(
        self, step: Contribution, formulas: Formulas, path: int, paths: int
    ) -> BackwardStep:
        words, local, factor = self._words(step, formulas)
        return {
            "from": self.run.place[step.of],
            "to": self.run.place[step.to],
            "text": f"{self.run.name(step.to)}.grad{self._where(step)} += {words}",
            "numbers": self._numbers(step, factor),
            "local": local,
            "contribution": self.run.told(step.amount),
            "before": self.run.told(step.before, heat=False),
            "after": self.run.told(step.after),
            "path": path,
            "paths": paths,
        }

    def _where(self, step: Contribution) -> str:
        """`[1:]` where a part of the adjoint is added to."""
        op, params = op_of(step.of)
        if op.name != "index":
            return ""
        arrays = [Term(self.run.name(n)) for n in inputs_of(step.of)[1:]]
        return f"[{key_text(params['key'], arrays)}]"

    def _words(
        self, step: Contribution, formulas: Formulas
    ) -> tuple[str, Local, Array | None]:
        """The right side of `+=`, the local derivative, and its value."""
        name = f"{self.run.name(step.of)}.grad"
        if op_of(step.of)[0].name == "index":
            return name, {"symbol": f"ȳ at {self._where(step)}", "value": None}, None
        if not isinstance(op_of(step.of)[0].derivative, Partials):
            text = formulas.pulled(step.of, step.i, name).text
            symbol = formulas.pulled(step.of, step.i, "ȳ").text
            return text, {"symbol": _lecture(symbol), "value": None}, None
        value = partial_value(self.run, step.of, step.i)
        term = formulas.partial(step.of, step.i)
        if term is None:
            symbol = f"∂{self.run.name(step.of)}/∂{self.run.name(step.to)}"
        else:
            symbol = f"({term.text})" if term.level <= SUM else term.text
        if step.of.dtype.kind == "c" and symbol not in ("1", "-1"):
            bare = term.text if term is not None else symbol
            symbol, value = f"conj({bare})", np.conjugate(value)
        text = _summed(f"{name} * {symbol}", step.of.shape, step.to.shape)
        bare = symbol if term is None or symbol != f"({term.text})" else term.text
        return text, {"symbol": bare, "value": self.run.told(value, heat=False)}, value

    def _numbers(self, step: Contribution, factor: Array | None) -> str:
        """`0 + 1 · (−2) = −2`; shapes where arrays are too large to write."""
        short = self.run.short
        before, after = short(step.before), self.run.text(step.after)
        if not plain(step.before).any() and plain(step.before).ndim:
            before = "0"
        if factor is None or step.of.shape != step.to.shape:
            product = short(step.amount)
        else:
            product = times(short(step.ct), short(factor))
        text = f"{before} + {product} = {after}"
        if len(text) > _LONG:
            text = after
        of, to = step.of.shape, step.to.shape
        if of != to:
            text += f"; {_shape(of)} → {_shape(to)}"
        return text


def _shape(shape: tuple[int, ...]) -> str:
    return shape_text(shape) if shape else "a number"


def partial_value(run: Run, node: Node, i: int) -> Array:
    """∂node/∂input i of an elementwise op, by its rule, at the run's values."""
    rule = op_of(node)[0].derivative
    assert isinstance(rule, Partials)
    p = rule.partials[i]
    if isinstance(p, int) or p is None:
        return np.broadcast_to(node.dtype.type(p or 0), node.shape)[()]
    args = [run.values[n] for n in inputs_of(node)]
    with np.errstate(all="ignore"):
        return np.asarray(p(run.values[node], *args))[()]


def times(a: str, b: str) -> str:
    """`(−2)·2`, and `1 · (−2)` with room before a bracket."""
    return f"{a} · {b}" if b.startswith("(") else f"{a}·{b}"


def _ones_text(ct: Array) -> str:
    x = plain(ct)
    if x.size > 4 and (x == 1).all():
        return f"ones({shape_text(x.shape)})"
    return text_of(x).replace("−", "-")


def _summed(text: str, of: tuple[int, ...], to: tuple[int, ...]) -> str:
    """`text`, summed over the axes along which an argument was broadcast."""
    if of == to:
        return text
    text = text.removesuffix(" * 1")
    extra = len(of) - len(to)
    axes = [*range(extra)]
    axes += [i + extra for i, n in enumerate(to) if n == 1 and of[i + extra] != 1]
    if len(axes) == len(of) and not to:
        return f"sum({text})"
    keep = ", keepdims=True" if axes and axes[-1] >= extra else ""
    said = str(axes[0]) if len(axes) == 1 else str(tuple(axes))
    return f"sum({text}, axis={said}{keep})"


def _lecture(symbol: str) -> str:
    """`A.T @ ȳ` as Aᵀȳ."""
    if " @ " not in symbol or "(" in symbol:
        return symbol
    return symbol.replace(".mT", "ᵀ").replace(".T", "ᵀ").replace(" @ ", " ")
