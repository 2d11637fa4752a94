"""Each operation's rule against finite differences and against itself, in its place.

At the values it had in the run, so that a fault is not only noticed but found: which
operation, which element, which line.
"""

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from wengert.core.errors import WengertError
from wengert.core.op import op_named
from wengert.core.types import Array
from wengert.graph.graph import Node
from wengert.testing.diagnosis.disagreement import (
    RELATIVE,
    Disagreement,
    largest,
    worst,
)
from wengert.testing.diagnosis.numeric import (
    Estimate,
    careful,
    direction,
    inner,
    precision,
    quick,
    sides,
    weights,
)
from wengert.testing.diagnosis.record import Run, Step
from wengert.testing.diagnosis.report import Finding, shown, shown_index
from wengert.transforms.call import Call
from wengert.transforms.forward import jvp


@dataclass(frozen=True)
class Verdict:
    """What the check of one operation says.

    Attributes:
        findings: the faults.
        state: "compared"; "undecided" where finite differences couldn't tell; or
            "skipped" where there is nothing to compare: no elements, inf or nan.
    """

    findings: tuple[Finding, ...]
    state: Literal["compared", "undecided", "skipped"]


def check_step(run: Run, step: Step, rng: np.random.Generator) -> Verdict:
    """The rule of one operation: forward mode, reverse mode, and both together."""
    step = _in_double(step)
    xs = step.point
    if not all(np.isfinite(x).all() for x in xs):
        return Verdict((), "skipped")
    ys = step(*xs)
    if not all(np.isfinite(y).all() for y in ys) or not any(y.size for y in ys):
        return Verdict((), "skipped")
    check = _Check(run, step, xs, ys, [weights(rng, y) for y in ys], rng)
    return check.verdict()


def _in_double(step: Step) -> Step:
    """The library's operations in float64, where differences are sharp.

    A user's rule may be made for the dtype that it got.
    """
    if step.node.op.kind == "call":
        return step
    wide = {"f": np.float64, "c": np.complex128}
    args = list(step.args)
    for i in step.places:
        x = np.asarray(args[i])
        args[i] = x.astype(wide[x.dtype.kind], copy=False)[()]
    return Step(step.node, args, step.places)


@dataclass
class _Check:
    run: Run
    step: Step
    xs: list[Array]
    ys: list[Array]
    ws: list[Array]
    rng: np.random.Generator

    def verdict(self) -> Verdict:
        try:
            pulled = self.step.pull(self.ws)
        except Exception as error:  # the rule is the user's code: anything may come
            if self.step.node.op.kind != "call":
                # Of a decomposition, say, by what isn't unique; the run didn't need it.
                return Verdict((), "undecided")
            found = rule_raised(self.run, self.step.node, error)
            return Verdict((found,), "compared")
        if not all(np.isfinite(c).all() for c in pulled):
            return Verdict((), "skipped")  # an infinite slope: the backward pass tells
        first = self._compare(pulled, quick)
        if first is None:
            return self._then_linear(pulled)
        second = self._compare(pulled, careful)
        if second is None:
            return self._then_linear(pulled)
        if not second.certain:
            return Verdict(self._then_linear(pulled).findings, "undecided")
        return Verdict((self._wrong(second),), "compared")

    def _compare(
        self, pulled: list[Array], estimate: Callable[..., list[Estimate]]
    ) -> Disagreement | None:
        vs = [direction(self.rng, x) for x in self.xs]
        pushed = self._pushed(vs)
        numeric = estimate(self.step, self.xs, vs)
        size = precision([*self.ys, *self.xs])
        reverse = inner(pulled, vs)
        found = Disagreement(vs, pushed, numeric, pulled, reverse)
        found.judge(self.ws, size)
        if not (found.forward or found.reverse or found.modes):
            return None
        found.certain = found.modes or not self._kinked(found)
        return found

    def _pushed(self, vs: list[Array]) -> list[Array] | None:
        try:
            return list(jvp(self.step, self.xs, vs)[1])
        except Exception:  # forward mode through a compiled `bwd`, say
            return None

    def _kinked(self, found: Disagreement) -> bool:
        """Whether the slopes to the two sides differ, with the rule's between them."""
        pushed = found.pushed or [e.value for e in found.numeric]
        pairs = sides(self.step, self.xs, found.vs)
        if found.pushed is not None and found.forward:
            at, i = worst(pushed, found.numeric)
            left, right, a = pairs[i][0][at], pairs[i][1][at], pushed[i][at]
        else:
            left = inner(self.ws, [p[0] for p in pairs])
            right = inner(self.ws, [p[1] for p in pairs])
            a = found.backward
        gap = abs(right - left)
        if not np.isfinite(gap):
            return True
        if gap <= 1e-3 * (abs(left) + abs(right)):
            return False
        off = max(abs(a - left), abs(a - right))
        return bool(off <= gap * 1.01)

    # What is said ----------------------------------------------------------------

    def _wrong(self, found: Disagreement) -> Finding:
        node = self.step.node
        details = [("rule", place) for place in rule_places(node)]
        element, argument = None, ""
        if found.forward and found.pushed is not None:
            element, i = worst(found.pushed, found.numeric)
            details += self._forward_rows(found, found.pushed, element, i)
        if found.reverse:
            place, at, rule, truth = self._locate()
            argument = self._argument(place)
            element = at if element is None else element
            value = shown(np.asarray(self.xs[place])[at])
            text = (
                f"rule {shown(rule)}, finite difference {shown(truth)}, by element "
                f"{shown_index(at)} of {argument}, where it is {value}"
            )
            details.append(("reverse", text + _ratio(rule, truth)))
        if found.pushed is not None:
            details.append(("together", _together(found)))
        return Finding(
            kind="wrong rule",
            severity="fault",
            title=f"The derivative rule of `{node.op.name}` is wrong: {_which(found)}.",
            op=node.op.name,
            step=self.run.text(node),
            element=element,
            argument=argument,
            line=node.line,
            details=tuple(details),
            do=_remedy(node),
        )

    def _forward_rows(
        self, found: Disagreement, pushed: list[Array], at: tuple[int, ...], i: int
    ) -> list[tuple[str, str]]:
        of = f" of result {i}" if len(self.ys) > 1 else ""
        text = (
            f"rule {shown(pushed[i][at])}, finite difference "
            f"{shown(found.numeric[i].value[at])}, in element {shown_index(at)}{of} "
            "along a random direction"
        )
        count, of_all = found.count
        more = [("elements", f"{count} of {of_all} differ")] if of_all > 1 else []
        return [("forward", text), *more]

    def _argument(self, place: int) -> str:
        at = self.step.places[place]
        node = self.step.node.inputs[at]
        name = self.run.name(node)
        return f"argument {at}" + (f" ({name})" if name else "")

    def _locate(self) -> tuple[int, tuple[int, ...], float, float]:
        """The input element whose cotangent is most wrong: (place, index, rule, truth).

        The wrong half is halved again: few calls also for large arrays.
        """
        pulled = self.step.pull(self.ws)
        signs = [np.where(self.rng.random(x.shape) < 0.5, -1.0, 1.0) for x in self.xs]

        def off(place: int, chosen: Array) -> tuple[float, float, float]:
            vs = [np.zeros_like(x) for x in self.xs]
            x = self.xs[place]
            scale = np.where(np.abs(x) > 0, np.abs(x), 1.0)
            flat = np.zeros(x.size)
            flat[chosen] = 1.0
            v = flat.reshape(x.shape) * signs[place] * scale
            vs[place] = np.asarray(v).astype(x.dtype)[()]
            numeric = [e.value for e in careful(self.step, self.xs, vs)]
            rule, truth = inner(pulled, vs), inner(self.ws, numeric)
            unit = float(np.max(np.abs(v)))
            return abs(rule - truth), rule / unit, truth / unit

        places = [i for i, x in enumerate(self.xs) if x.size]
        place = max(places, key=lambda i: off(i, np.arange(self.xs[i].size))[0])
        chosen = np.arange(self.xs[place].size)
        while chosen.size > 1:
            half = chosen.size // 2
            chosen = max(
                (chosen[:half], chosen[half:]), key=lambda part: off(place, part)[0]
            )
        sign = float(signs[place].flat[chosen[0]])
        _, rule, truth = off(place, chosen)
        where = np.unravel_index(int(chosen[0]), self.xs[place].shape)
        return place, tuple(map(int, where)), sign * rule, sign * truth

    def _then_linear(self, pulled: list[Array]) -> Verdict:
        """A user's pullback must be linear in its cotangent."""
        node = self.step.node
        if node.op.kind != "call":
            return Verdict((), "compared")
        size = precision([*self.ys, *self.xs])
        # A power of two, so that a linear rule scales without rounding.
        factor = 2.0**7
        large = [w * w.dtype.type(factor) for w in self.ws]
        again = self.step.pull(large)
        for place, (a, b) in enumerate(zip(again, pulled, strict=True)):
            off = np.abs(a / factor - b)
            bound = RELATIVE[size] * np.max(np.abs(b), initial=0.0)
            if np.any(off > bound):
                at = largest(off)
                found = self._not_linear(place, at, a, b, factor)
                return Verdict((found,), "compared")
        return Verdict((), "compared")

    def _not_linear(
        self, place: int, at: tuple[int, ...], a: Array, b: Array, factor: float
    ) -> Finding:
        node = self.step.node
        argument = self._argument(place)
        return Finding(
            kind="not linear",
            severity="fault",
            title=f"The pullback of `{node.op.name}` isn't linear in its cotangent.",
            op=node.op.name,
            step=self.run.text(node),
            element=at,
            argument=argument,
            line=node.line,
            details=(
                *(("rule", p) for p in rule_places(node)),
                (
                    "reverse",
                    f"a cotangent {factor:g} times as large gives "
                    f"{shown(a[at])} instead of {shown(factor * b[at])} by element "
                    f"{shown_index(at)} of {argument}",
                ),
            ),
            do="derivatives add up over several paths only if rules are linear. Where "
            f'that is meant (a clipped gradient), say trust=("{node.op.name}",).',
        )


def rule_raised(run: Run, node: Node, error: Exception) -> Finding:
    """The finding for a rule that ends in an exception."""
    kind = "" if isinstance(error, WengertError) else f"{type(error).__name__}: "
    return Finding(
        kind="rule raises",
        severity="fault",
        title=f"The derivative rule of `{node.op.name}` raises.",
        op=node.op.name,
        step=run.text(node),
        line=node.line,
        details=(
            *(("rule", p) for p in rule_places(node)),
            ("error", f"{kind}{_without_place(str(error))}"),
        ),
        do="let the rule return one cotangent per argument, in the argument's shape.",
    )


def _without_place(text: str) -> str:
    return "\n".join(t for t in text.splitlines() if not t.startswith("  At:"))


def _which(found: Disagreement) -> str:
    if found.forward and found.reverse:
        return "both modes disagree with finite differences"
    if found.reverse:
        return "reverse mode disagrees with finite differences"
    if found.forward:
        return "forward mode disagrees with finite differences"
    return "forward and reverse mode disagree with each other"


def _together(found: Disagreement) -> str:
    if not found.modes:
        return "⟨Jᵀw, v⟩ = ⟨w, Jv⟩: both modes follow the same wrong rule"
    return (
        f"⟨Jᵀw, v⟩ = {shown(found.backward)}, ⟨w, Jv⟩ = {shown(found.forward_sum)}: "
        "these are equal for any right pair of rules"
    )


def _remedy(node: Node) -> str:
    if op_named(node.op.name) is node.op:
        return "that is a fault of wengert: please report it, with this text."
    return (
        "correct the rule, or if it is meant to differ (a straight-through estimate, a "
        f'clipped gradient), say trust=("{node.op.name}",).'
    )


def _ratio(rule: float, truth: float) -> str:
    """What the two numbers' ratio suggests."""
    if not truth or not np.isfinite(rule / truth):
        return ""
    ratio = rule / truth
    if abs(ratio + 1) < 1e-4:
        return ": the sign is wrong"
    for n in (2, 3, 4, 0.5, 0.25):
        if abs(abs(ratio) / n - 1) < 1e-4:
            return f": {shown(ratio)} times as much"
    return ""


def rule_places(node: Node) -> list[str]:
    """Where the user's rule of an operation is written, as `bwd, file.py:12`."""
    call = node.params.get("call")
    if not isinstance(call, Call):
        return []
    rule = call.rule
    functions = list(rule) if isinstance(rule, tuple) else [rule]
    return [place for f in functions if (place := _place(f))]


def _place(f: Any) -> str:
    while isinstance(f, functools.partial):
        f = f.func
    f = inspect.unwrap(f) if callable(f) else f
    if not inspect.isfunction(f):
        return ""
    code = f.__code__
    return f"{f.__name__}, {os.path.basename(code.co_filename)}:{code.co_firstlineno}"
