"""Every rule of `stabilize` against mpmath, where the naive form fails and where not.

Each case gives points at which the naive form is wrong by more than 1e-6 (relative) and
points at which it is right; the stable form is right to 1e-13 at both, and so is its
gradient.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest

import wengert as wg
from wengert.passes import RULES, stabilize
from wengert.passes.pipeline import optimize
from wengert.passes.stabilize import RULES as TABLE

mp.mp.dps = 60
PASSES = ["simplify", "merge_common", "stabilize", "simplify"]


class Case(NamedTuple):
    """`f` in NumPy, `true` in mpmath, both of an array or of a number."""

    rule: str
    f: Callable[..., Any]
    true: Callable[..., Any]
    bad: tuple[Any, ...]
    good: tuple[Any, ...]
    rtol: float = 1e-13


def logistic(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def total(values: Any) -> Any:
    return mp.fsum(values)


def softmax(x: Any) -> Any:
    e = np.exp(x)
    return e / np.sum(e, axis=-1, keepdims=True)


def shifted_softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1)[..., None]


def shares(x: Any) -> list[Any]:
    e = [mp.exp(v) for v in x]
    return [v / mp.fsum(e) for v in e]


def log_sum_with_max(x: Any) -> Any:
    top = np.max(x, axis=-1)
    return top + np.log(np.sum(np.exp(x - top[..., None]), axis=-1))


def lse(x: Any) -> Any:
    return mp.log(total(mp.exp(v) for v in x))


FAR = np.array([800.0, -900.0, 790.0])
LOW = np.array([-800.0, -900.0, -790.0])
NEAR = np.array([0.5, -1.25, 2.0])
# Where nothing fails in the naive form and the rule only makes it shorter.
NONE: tuple[Any, ...] = ()

# fmt: off
CASES = [
    Case("log_of_exp", lambda x: np.log(np.exp(x)), lambda x: x, (800.0, -800.0),
         (0.5, -3.0)),
    Case("log_sigmoid", lambda x: np.log(logistic(x)),
         lambda x: -mp.log(1 + mp.exp(-x)), (-800.0, 50.0), (0.5, -3.0, 4.0)),
    Case("log_sigmoid", lambda x: np.log(1.0 - logistic(x)),
         lambda x: -mp.log(1 + mp.exp(x)), (800.0, -50.0, 38.0), (0.5, -3.0, 4.0)),
    Case("softplus", lambda x: np.log(1.0 + np.exp(x)), lambda x: mp.log(1 + mp.exp(x)),
         (800.0, -50.0), (0.5, 30.0)),
    Case("softplus", lambda x: np.log1p(np.exp(x)), lambda x: mp.log(1 + mp.exp(x)),
         (800.0,), (0.5, -50.0, 30.0)),
    Case("log_add_exp", lambda x: np.log(np.exp(x) + np.exp(2.0 * x)),
         lambda x: mp.log(mp.exp(x) + mp.exp(2 * x)), (500.0, -800.0), (0.5, -3.0)),
    Case("log_add_exp", lambda x: np.log(np.exp(x) + np.exp(-x) + np.exp(2.0 * x)),
         lambda x: mp.log(mp.exp(x) + mp.exp(-x) + mp.exp(2 * x)), (800.0, -800.0),
         (0.5, -3.0)),
    Case("log_sum_exp", lambda x: np.log(np.sum(np.exp(x))), lse, (FAR, LOW), (NEAR,)),
    Case("log_mean_exp", lambda x: np.log(np.mean(np.exp(x))),
         lambda x: lse(x) - mp.log(len(x)), (FAR, LOW), (NEAR,)),
    Case("log_softmax", lambda x: np.log(softmax(x)),
         lambda x: [mp.log(s) for s in shares(x)], (FAR, LOW), (NEAR,)),
    Case("log_softmax", lambda x: np.log(shifted_softmax(x)),
         lambda x: [mp.log(s) for s in shares(x)], (FAR,), (NEAR, 0.01 * NEAR)),
    Case("restored_log_sum", log_sum_with_max, lse, NONE, (FAR, LOW, NEAR)),
    Case("log_one_plus", lambda x: np.log(1.0 + x), lambda x: mp.log(1 + mp.mpf(x)),
         (1e-17, -1e-12), (0.5, 3.0)),
    Case("log_one_plus", lambda x: np.log(1.0 - x), lambda x: mp.log(1 - mp.mpf(x)),
         (1e-17, -1e-12), (0.5, -3.0)),
    Case("log_one_minus_exp", lambda x: np.log(1.0 - np.exp(x)),
         lambda x: mp.log(1 - mp.exp(x)), (-1e-17, -50.0, -1e-14), (-0.5, -0.7, -3.0)),
    Case("log_one_minus_exp", lambda x: np.log1p(-np.exp(x)),
         lambda x: mp.log(1 - mp.exp(x)), (-1e-17, -1e-14), (-0.5, -0.7, -3.0, -50.0)),
    Case("log_one_minus_exp", lambda x: np.log(-np.expm1(x)),
         lambda x: mp.log(1 - mp.exp(x)), (-50.0,), (-1e-17, -0.5, -0.7, -3.0)),
    Case("log_of_product", lambda x: np.log(np.prod(np.abs(x))),
         lambda x: total(mp.log(abs(mp.mpf(v))) for v in x),
         (np.array([1e-200, -1e-200, 3.0]), np.array([1e200, 1e200, 3.0])), (NEAR,)),
    Case("sigmoid", lambda x: np.exp(x) / (1.0 + np.exp(x)),
         lambda x: 1 / (1 + mp.exp(-x)), (800.0,), (0.5, -50.0, 30.0)),
    Case("sigmoid", logistic, lambda x: 1 / (1 + mp.exp(-x)), NONE,
         (0.5, -50.0, 300.0)),
    Case("one_minus_sigmoid", lambda x: 1.0 - logistic(x),
         lambda x: 1 / (1 + mp.exp(x)), (50.0, 38.0), (0.5, -4.0)),
    Case("exp_minus_one", lambda x: np.exp(x) - 1.0, mp.expm1, (1e-17, -1e-12),
         (0.5, -4.0)),
    Case("exp_minus_one", lambda x: -1.0 + np.exp(x), mp.expm1, (1e-17, -1e-12),
         (0.5, -4.0)),
    Case("exp_minus_one", lambda x: 1.0 - np.exp(x), lambda x: -mp.expm1(x),
         (1e-17, -1e-12), (0.5, -4.0)),
    Case("one_minus_tanh", lambda x: 1.0 - np.tanh(x) ** 2, lambda x: mp.sech(x) ** 2,
         (20.0, -30.0), (0.5, -1.0)),
    Case("one_minus_cos", lambda x: 1.0 - np.cos(x) ** 2, lambda x: mp.sin(x) ** 2,
         (1e-9, -1e-8), (0.5, -1.0)),
    Case("one_minus_sin", lambda x: 1.0 - np.sin(x) ** 2, lambda x: mp.cos(x) ** 2,
         (np.pi / 2 + 1e-9,), (0.5, -1.0)),
    Case("length_of_two", lambda x: np.sqrt(x**2 + (2.0 * x) ** 2),
         lambda x: mp.hypot(x, 2 * x), (1e200, 1e-200), (0.5, -3.0)),
    Case("length_of_two", lambda x: np.sqrt(1.0 + x * x), lambda x: mp.hypot(1, x),
         (1e200,), (0.5, -3.0)),
    Case("length_of_many", lambda x: np.sqrt(np.sum(x * x)),
         lambda x: mp.sqrt(total(mp.mpf(v) ** 2 for v in x)),
         (1e200 * NEAR, 1e-200 * NEAR), (NEAR,)),
    Case("softmax", softmax, shares, (FAR, LOW), (NEAR,)),
]
# fmt: on


def ids(cases: list[Case]) -> list[str]:
    return [f"{c.rule}-{i}" for i, c in enumerate(cases)]


def points(x: Any) -> Any:
    return [mp.mpf(float(v)) for v in x] if np.ndim(x) else mp.mpf(float(x))


def truth(case: Case, x: Any) -> Any:
    value = case.true(points(x))
    return [value] if not isinstance(value, list) else value


def error(got: Any, want: list[Any]) -> float:
    """The largest relative error; inf if anything isn't finite."""
    worst = 0.0
    for a, b in zip(np.ravel(got), want, strict=True):
        if not np.isfinite(a):
            return np.inf
        # Below the least normal number there are no relative errors to speak of.
        scale = max(abs(b), mp.mpf(2) ** -1022)
        worst = max(worst, float(abs(mp.mpf(float(a)) - b) / scale))
    return worst


def weights(case: Case, x: Any) -> Any:
    """A cotangent that isn't the same everywhere."""
    size = len(truth(case, x))
    return np.array([1.0, -0.5, 2.0][:size]) if size > 1 else np.array([1.5])


def slope(case: Case, x: Any) -> list[Any]:
    """The gradient of the weighted sum of results, by 60-digit differences."""
    w = [mp.mpf(float(v)) for v in weights(case, x)]

    def f(*v: Any) -> Any:
        y = case.true(list(v) if np.ndim(x) else v[0])
        return total(a * b for a, b in zip(w, y if isinstance(y, list) else [y]))  # noqa: B905

    at = points(x) if np.ndim(x) else [points(x)]
    result = []
    for i in range(len(at)):
        h = mp.mpf(10) ** -25 * max(abs(at[i]), mp.mpf(10) ** -300)
        up, down = list(at), list(at)
        up[i], down[i] = at[i] + h, at[i] - h
        result.append((f(*up) - f(*down)) / (2 * h))
    return result


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_the_stable_form_is_right_where_the_naive_one_fails(case: Case) -> None:
    graph = wg.trace(case.f, (case.bad + case.good)[0])
    stable = graph.optimize(PASSES, check=True)
    for x in case.bad:
        assert error(graph(x), truth(case, x)) > 1e-6, "the naive form is right here"
        assert error(stable(x), truth(case, x)) < case.rtol
    for x in case.good:
        assert error(graph(x), truth(case, x)) < 1e-11
        assert error(stable(x), truth(case, x)) < case.rtol


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_so_is_the_gradient_of_the_stable_form(case: Case) -> None:
    graph = wg.trace(case.f, (case.bad + case.good)[0])
    stable = graph.optimize(PASSES)
    for x in case.bad + case.good:
        w = weights(case, x) if stable.outputs[0].shape else weights(case, x)[0]
        _, (got,) = stable.vjp()(x, w)
        with mp.workdps(700 if np.any(np.abs(x) > 100) else 90):
            want = slope(case, x)
        # Sums of terms that cancel: relative to the largest of them.
        scale = max(float(abs(v)) for v in want) or 1.0
        scale = max(scale, 1e-290)
        worst = max(
            float(abs(mp.mpf(float(g)) - v)) / scale
            for g, v in zip(np.ravel(got), want, strict=True)
        )
        assert worst < 1e-11 if np.ndim(x) else error(got, want) < 1e-11


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_each_rule_can_be_left_out(case: Case) -> None:
    graph = wg.trace(case.f, (case.bad + case.good)[0])
    _, steps = optimize(graph, PASSES)
    told = [row for s in steps for row in s.changes]
    assert any(case.rule in row.split(":")[0].split(", ") for row in told)
    without, steps = optimize(graph, PASSES, without=[case.rule])
    without.check()
    told = [row for s in steps for row in s.changes]
    assert not any(case.rule in row.split(":")[0].split(", ") for row in told)


def test_every_rule_has_a_case() -> None:
    known = {c.rule for c in CASES} | {"times_choice"}
    assert known == set(RULES[stabilize])


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_a_stable_graph_is_stable(case: Case) -> None:
    """A second run finds nothing, so graphs don't grow by being optimised twice."""
    once = wg.trace(case.f, (case.bad + case.good)[0]).optimize()
    assert once.optimize().counts() == once.counts()


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_float32_stays_float32(case: Case) -> None:
    x = np.asarray(case.good[0], "f4")[()]
    graph = wg.trace(case.f, x)
    stable = stabilize(graph)
    stable.check()
    assert stable.outputs[0].dtype == np.float32
    np.testing.assert_allclose(stable(x), graph(x), rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_complex_numbers_are_left_alone(case: Case) -> None:
    if case.rule in ("restored_log_sum", "log_softmax", "log_of_product"):
        return  # no order of complex numbers, no max
    z = np.asarray(case.good[0]) * (1.0 + 0.5j)
    graph = wg.trace(case.f, z)
    assert stabilize(graph) is graph


# Zero times infinity ------------------------------------------------------------------


def test_a_choice_of_zero_stays_zero() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * np.where(y > 0, y, 0.0)

    x, y = np.array([np.inf, np.nan, 2.0]), np.array([-1.0, -1.0, 3.0])
    graph = wg.trace(f, x, y)
    assert np.isnan(graph(x, y)[:2]).all()
    np.testing.assert_array_equal(stabilize(graph)(x, y), [0.0, 0.0, 6.0])
    left = stabilize(graph, without=["times_choice"])
    assert left is graph

    def other(x: Any, y: Any) -> Any:
        return np.where(y > 0, 0.0, y) * x

    graph = wg.trace(other, x, -y)
    np.testing.assert_array_equal(stabilize(graph)(x, -y), [0.0, 0.0, -6.0])


def test_a_choice_that_is_needed_elsewhere_stays() -> None:
    def f(x: Any, y: Any) -> Any:
        chosen = np.where(y > 0, y, 0.0)
        return x * chosen, chosen

    graph = wg.trace(f, 1.0, 2.0)
    assert stabilize(graph) is graph


# Where a rule must not fire -----------------------------------------------------------

KEPT: dict[str, Callable[..., Any]] = {
    "a product that may be negative": lambda x: np.log(np.prod(x)),
    "log(2 + exp x)": lambda x: np.log(2.0 + np.exp(x)),
    "1/(2 + exp −x)": lambda x: 1.0 / (2.0 + np.exp(-x)),
    "2/(1 + exp −x)": lambda x: 2.0 / (1.0 + np.exp(-x)),
    "exp x − 2": lambda x: np.exp(x) - 2.0,
    "2 − tanh²": lambda x: 2.0 - np.tanh(x) ** 2,
    "1 − tanh³": lambda x: 1.0 - np.tanh(x) ** 3,
    "√(x² − y²)": lambda x: np.sqrt(x**2 - (0.5 * x) ** 2),
    "√(2 + x²)": lambda x: np.sqrt(2.0 + x**2),
    "log Σ of other things": lambda x: np.log(np.sum(np.cosh(x))),
    "a share of something else": lambda x: np.exp(x) / np.sum(np.exp(2.0 * x)),
    "a share along another axis": lambda x: np.exp(x) / np.sum(np.exp(x), axis=0),
}


@pytest.mark.parametrize("why", KEPT)
def test_what_only_looks_similar_is_left_alone(why: str) -> None:
    graph = wg.trace(KEPT[why], np.arange(1.0, 7.0).reshape(2, 3)).optimize(
        ["merge_common"]
    )
    counts = graph.counts()
    assert stabilize(graph).counts() == counts


def test_logarithms_of_sums_that_restore_another_shift_are_left_alone() -> None:
    def f(x: Any, m: Any) -> Any:
        return m + np.log(np.sum(np.exp(x - np.max(x))))

    stable = wg.trace(f, NEAR, 1.0).optimize()
    assert {"max", "add"} <= set(stable.counts())
    assert stable(NEAR, 1.0) == pytest.approx(f(NEAR, 1.0))


def test_an_overridden_exp_is_not_looked_through() -> None:
    graph = wg.trace(lambda x: np.log(np.exp(x)), 1.0)
    clipped = graph.override("exp", vjp=lambda ct, y, x: (7.0 * ct,))
    assert wg.grad(stabilize(clipped))(1.0) == pytest.approx(wg.grad(clipped)(1.0))


def test_through_the_loss_of_a_classifier() -> None:
    """Softmax by the book, cross-entropy by the book: right where both overflow."""
    labels = np.array([0, 2])

    def loss(scores: Any) -> Any:
        e = np.exp(scores)
        p = e / np.sum(e, axis=1, keepdims=True)
        return -np.mean(np.log(p[np.arange(2), labels]))

    def by_mask(scores: Any) -> Any:
        p = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
        return -np.sum(np.log(p) * np.eye(3)[labels])

    scores = np.array([[900.0, 0.0, -900.0], [1.0, 2.0, 3.0]])
    graph = wg.trace(by_mask, scores)
    assert not np.isfinite(graph(scores))
    stable = graph.optimize()
    assert stable(scores) == pytest.approx(
        float(np.log(np.exp([-2.0, -1.0, 0.0]).sum()))
    )
    want = np.array([[0.0, 0.0, 0.0], np.exp([1.0, 2, 3]) / np.exp([1.0, 2, 3]).sum()])
    want[1, 2] -= 1.0
    np.testing.assert_allclose(stable.grad().optimize()(scores), want, atol=1e-15)
    # Picking before the logarithm: the softmax itself no longer overflows.
    assert np.isfinite(wg.trace(loss, scores).optimize()(scores))


def test_rules_are_named_once() -> None:
    names = [r.__name__ for row in TABLE.values() for r in dict.fromkeys(row)]
    assert set(names) == set(RULES[stabilize])
