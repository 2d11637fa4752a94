"""`diagnose`: all checks of one function at one point, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wengert.core.errors import TypeMismatch, at_the_edge, explain
from wengert.core.op import Zero
from wengert.core.types import Array, type_of
from wengert.graph.graph import Node
from wengert.graph.stage import stage
from wengert.testing.diagnosis import wording
from wengert.testing.diagnosis.habits import lost_digits, unused
from wengert.testing.diagnosis.kinks import KINKS, kinks
from wengert.testing.diagnosis.nonfinite import bad_adjoints, bad_values, is_bad
from wengert.testing.diagnosis.numeric import moved, precision, weights
from wengert.testing.diagnosis.point import Point
from wengert.testing.diagnosis.record import Run
from wengert.testing.diagnosis.report import Diagnosis, Finding, Parameter
from wengert.testing.diagnosis.rules import check_step, rule_raised
from wengert.testing.diagnosis.whole import Comparison, compare, element_of, shares
from wengert.transforms.reverse import vjp

Function = Callable[..., list[Array]]


def diagnose(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    seed: int = 0,
    trust: Sequence[str] = (),
) -> Diagnosis:
    """What is wrong with the derivatives of `f` at `args`, and where.

    Each operation's rule is compared with finite differences and with itself in the
    other mode, at the values it has in this run; then the whole gradient is, argument
    by argument. The first inf or nan is traced to the operation that makes it, in the
    forward and in the backward pass. Besides: arguments exactly at a kink, arguments
    without influence, derivatives that end in a rounding, lost digits, functions that
    write into their arguments or roll dice.

    Args:
        f: a function of arrays, or nested containers of arrays.
        args: the point; float and complex leaves are differentiated by.
        order: 2 checks the derivative's derivative, too.
        seed: of the random directions.
        trust: names of operations whose rule is meant to differ from the derivative: a
            straight-through estimate, a clipped gradient.

    Returns:
        A Diagnosis: print it, or look at `ok` and `findings`.

    Raises:
        TypeMismatch: if no argument is a float or complex array.
        Exception: whatever `f` itself raises.

    >>> print(diagnose(lambda x: np.sum(np.sqrt(x)), np.array([1.0, 0.0])).findings[0])
    fault: The gradient isn't finite: the rule of `sqrt` makes ∞ of a finite cotangent.
      step      v0 = sqrt(x)
      line      <doctest ...>:1...
      element   [1]
      values    sqrt(0) = 0
      passes    cotangent 1 in, ∞ out, to x
      why       sqrt at 0: its slope 1/(2·√x) is infinite.
      do        np.sqrt(x + tiny), np.where(x > 0, np.sqrt(x), 0.0), or np.linalg.norm
                and np.hypot for a length: these have the subgradient 0 there.
    """
    with at_the_edge():
        point = Point.of(f, args)
        if order not in (1, 2):
            raise TypeMismatch(explain("order is 1 or 2.", f"{order!r}", "pick one."))
    rng = np.random.default_rng(seed)
    check = _Check(point.flat, point.leaves, point.names, rng, set(trust))
    with np.errstate(all="ignore"):  # what isn't finite is searched for
        values, check.findings = point.called()
        check.random = any(x.kind == "random" for x in check.findings)
        if values:
            check.run_all(values, order=1)
            if order == 2 and check.passed:
                check.second_order()
            if check.met:
                idle = [name for name in trust if name not in check.met]
                check.findings += [wording.not_met(name) for name in idle]
    return Diagnosis(
        getattr(f, "__name__", type(f).__name__),
        tuple(check.findings),
        tuple(check.parameters),
        check.operations,
        check.checked,
        tuple(check.undecided),
    )


@dataclass
class _Check:
    """One function of arrays, and what was found so far."""

    flat: Function
    leaves: list[Array]
    names: list[str]
    rng: np.random.Generator
    trust: set[str]
    random: bool = False
    findings: list[Finding] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    operations: int = 0
    checked: int = 0
    met: set[str] = field(default_factory=set)  # the names of all operations
    passed: bool = False  # whether all tests of the first order were made and passed

    def run_all(self, values: list[Array], order: int) -> None:
        """All checks of one order, in the order in which one explains the next."""
        run = self._recorded(values)
        if run is None:
            return
        if any(map(is_bad, values)):
            self.findings += bad_values(run)
            return
        ws = [_seed(self.rng, y) for y in values]
        gradient = self._gradient(run, ws)
        wrong = self._rules(run)
        if gradient is None:
            return
        if any(map(is_bad, gradient)):
            self.findings += bad_adjoints(run)
            return
        if order == 1:
            self.findings += kinks(run)
            self.findings += unused(run, [x.size for x in run.leaves])
            self._digits(run, gradient, ws)
        self._whole(run, gradient, ws, wrong)
        self.passed = not any(f.severity == "fault" for f in self.findings)

    def _recorded(self, values: list[Array]) -> Run | None:
        """The graph with the values of the run; None if it can't be had."""
        typed = [(type_of(x), x) for x in self.leaves]
        try:
            graph = stage(self.flat, typed, lambda ts: ts, self.names)
        except Exception as error:  # the plain calls went well, so it is the tracing
            self.findings.append(wording.untraceable(error))
            return None
        run = Run(graph, self.leaves)
        self.operations = self.operations or len(run.operations())
        self.met |= {n.op.name for n in run.operations()}
        self._same_values(run, values)
        return run

    def _same_values(self, run: Run, values: list[Array]) -> None:
        traced = [run.values[n] for n in run.graph.outputs]
        for t, y in zip(traced, values, strict=False):
            if self.random or np.shape(t) != np.shape(y) or is_bad(y):
                continue
            if not np.allclose(
                t, y, rtol=1e-3, atol=1e-6 * np.max(np.abs(y), initial=1)
            ):
                self.findings.append(wording.other_values(t, y))
                return

    def _gradient(self, run: Run, ws: list[Array]) -> list[Array] | None:
        """Jᵀw, whole and operation by operation; None if a rule raised."""
        run.pull_back(ws)
        for node, error in run.failed.items():
            self.findings.append(rule_raised(run, node, error))
        if run.failed:
            return None
        try:
            return list(vjp(self.flat, *self.leaves)[1](ws))
        except Exception as error:  # the plain calls went well, so it is the tracing
            self.findings.append(wording.untraceable(error))
            return None

    def _rules(self, run: Run) -> set[Node]:
        """Every operation's rule by itself; those that are wrong."""
        wrong: set[Node] = set()
        said: set[tuple[str, str, str]] = set()
        for node in run.operations():
            step = run.step(node)
            if step is None or node in run.failed or node.op.name in self.trust:
                continue
            verdict = check_step(run, step, self.rng)
            self.checked += verdict.state == "compared"
            if verdict.state == "undecided":
                self._undecided(run, node)
            for finding in verdict.findings:
                wrong.add(node)
                key = (finding.kind, finding.op, finding.line)
                if key not in said:  # a loop meets the same rule many times
                    said.add(key)
                    self.findings.append(finding)
        return wrong

    def _undecided(self, run: Run, node: Node) -> None:
        place = node.line.partition(": ")[0]
        text = f"`{node.op.name}`" + (f" ({place})" if place else "")
        if text not in self.undecided:
            self.undecided.append(text)

    def _digits(self, run: Run, gradient: list[Array], ws: list[Array]) -> None:
        def again(leaves: list[Array]) -> list[Array]:
            y, pullback = vjp(self.flat, *leaves)
            cts = [w.astype(a.dtype) for w, a in zip(ws, y, strict=True)]
            return list(pullback(cts))

        self.findings += lost_digits(run, self.names, gradient, again)

    # The whole function -----------------------------------------------------------

    def _whole(
        self, run: Run, gradient: list[Array], ws: list[Array], wrong: set[Node]
    ) -> None:
        rows = compare(
            self.flat, self.leaves, self.names, gradient, ws, self.rng, not self.random
        )
        said: set[Node] = set()
        parameters = []
        for i, row in enumerate(rows):
            verdict = row.parameter.verdict
            if row.differs:
                verdict = self._explained(run, row, i, gradient, ws, wrong, said)
            parameters.append(replace(row.parameter, verdict=verdict))
        self.parameters = self.parameters or parameters

    def _explained(
        self,
        run: Run,
        row: Comparison,
        i: int,
        gradient: list[Array],
        ws: list[Array],
        wrong: set[Node],
        said: set[Node],
    ) -> str:
        """Why a row differs, as a finding for each cause; the row's verdict."""
        step = {8: 2.0**-12, 4: 2.0**-5, 2: 2.0**-2}[precision(self.leaves)]
        if not self._follows(run, row.vs, step):
            if self._branches(run, row.vs, step):
                return "at a branch"
            found = []
        else:
            found = [n for n, _ in shares(run, row.vs, step)]
        if any(n in wrong for n in found):
            return "wrong"
        if any(n.op.name in self.trust for n in found):
            return "trusted rule"
        new = [n for n in found if n not in said]
        said.update(found)
        ends = [n for n in found if isinstance(n.op.derivative, Zero)]
        self.findings += [wording.cut(run, n) for n in ends if n in new]
        if ends:
            return "derivative cut"
        bends = [n for n in found if n.op.name in KINKS]
        at_kink = {f.step for f in self.findings if f.kind == "kink"}
        near = [n for n in bends if n in new and run.text(n) not in at_kink]
        self.findings += [wording.straddled(run, n) for n in near]
        if bends or row.parameter.verdict != "wrong":
            return "at a kink" if bends else row.parameter.verdict
        at, *sizes = element_of(self.flat, self.leaves, i, gradient[i], ws, self.rng)
        node = found[0] if found else None
        self.findings.append(wording.wrong(run, self.names[i], node, at, *sizes))
        return "wrong"

    def _follows(self, run: Run, vs: list[Array], step: float) -> bool:
        """Whether beside the point the function does what its graph does."""
        for sign in (step, -step):
            values = run.beside(vs, sign)
            try:
                results = self.flat(*moved(run.leaves, vs, sign))
            except Exception:  # the function fails there, as the graph does
                results = []
            ends = [values[n] for n in run.graph.outputs] if values else []
            if len(ends) != len(results) or not all(
                np.shape(a) == np.shape(b) and np.allclose(a, b, 1e-7, equal_nan=True)
                for a, b in zip(ends, results, strict=True)
            ):
                return False
        return True

    def _branches(self, run: Run, vs: list[Array], step: float) -> bool:
        """Whether Python decides otherwise beside the point; that is then a finding."""
        for sign in (step, -step):
            there = run.beside(vs, sign)
            if there is None:
                continue
            for guard in run.graph.guards:
                answer = np.asarray(there[guard.node])
                if answer.size == 1 and answer.item() != guard.answer:
                    self.findings.append(wording.branch(run, guard.node, guard.line))
                    return True
        return False

    def second_order(self) -> None:
        """The same for the gradient as a function: whose derivative is the Hessian."""
        ws = [_seed(self.rng, y) for y in self.flat(*self.leaves)]

        def pulled(*xs: Array) -> list[Array]:
            return list(vjp(self.flat, *xs)[1](ws))

        inner = _Check(pulled, self.leaves, self.names, self.rng, self.trust)
        inner.random = self.random
        values = [np.asarray(v)[()] for v in pulled(*self.leaves)]
        inner.run_all(values, order=2)
        self.met |= inner.met
        self.findings += [replace(f, order=2) for f in inner.findings]
        self.undecided += [u for u in inner.undecided if u not in self.undecided]
        self.checked += inner.checked
        self.operations += inner.operations


def _seed(rng: np.random.Generator, y: Array) -> Array:
    """The cotangent of a result: 1 for a real number, else random."""
    if np.shape(y) == () and y.dtype.kind == "f":
        return y.dtype.type(1)
    return weights(rng, y)
