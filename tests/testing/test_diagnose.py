"""`diagnose` finds planted faults, with op, element and line, and no others."""

import inspect
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.bind import bind
from wengert.core.op import OPS, Linear, Op, Partials, Rules
from wengert.core.types import Type
from wengert.graph.stage import trace
from wengert.testing import Diagnosis, Finding, diagnose

RNG = np.random.default_rng(7)
V = RNG.normal(size=5)
A = RNG.normal(size=(3, 4))
B = RNG.normal(size=(4, 2))
S = A @ A.T + 3 * np.eye(3)


def kinds(found: Diagnosis) -> set[str]:
    return {f.kind for f in found.findings}


def only(found: Diagnosis, kind: str) -> Finding:
    """The one finding, which is of this kind."""
    assert [f.kind for f in found.findings] == [kind], str(found)
    return found.findings[0]


def line_with(mark: str) -> str:
    """`test_diagnose.py:N` of the line of this file that ends in `# mark`."""
    lines = inspect.getsource(inspect.getmodule(line_with)).splitlines()
    number = next(i for i, x in enumerate(lines, 1) if x.endswith(f"# {mark}"))
    return f"test_diagnose.py:{number}"


# Wrong rules ------------------------------------------------------------------------


def with_pullback(f: Callable[..., Any], bwd: Callable[..., Any], name: str) -> Any:
    """`f` with a rule of its own, whose residuals are the arguments."""

    def renamed(*args: Any) -> Any:
        return f(*args)

    renamed.__name__ = name
    made = wg.custom_vjp(renamed)
    made.defvjp(lambda *args: (f(*args), args), bwd)
    return made


def one_element(ct: Any, x: Any) -> Any:
    g = ct * np.cos(x)
    return np.where(np.arange(g.size).reshape(g.shape) == 3, 0.5 * g, g)


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


PLANTED: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {
    "sign": (np.sin, lambda r, ct: (-ct * np.cos(r[0]),), (V,)),
    "factor": (np.tanh, lambda r, ct: (2 * ct * (1 - np.tanh(r[0]) ** 2),), (V,)),
    "nearly": (np.exp, lambda r, ct: (1.001 * ct * np.exp(r[0]),), (V,)),
    "forgotten": (np.square, lambda r, ct: (2.0 * r[0],), (V,)),
    "transposed": (
        lambda m, x: m @ x,
        lambda r, ct: (np.outer(r[1], ct), r[0].T @ ct),
        (S, V[:3]),
    ),
    "not_transposed": (
        lambda m, x: m @ x,
        lambda r, ct: (np.outer(ct, r[1]), r[0] @ ct),
        (A[:, :3], V[:3]),
    ),
    "mean_for_sum": (
        lambda x, b: x + b,
        lambda r, ct: (ct, np.mean(ct, axis=0)),
        (A, V[:4]),
    ),
    "wrong_axis": (
        lambda x, b: x * b,
        lambda r, ct: (ct * r[1], np.sum(ct * r[0], axis=1)),
        (S, V[:3]),
    ),
    "element": (np.sin, lambda r, ct: (one_element(ct, r[0]),), (V,)),
    "argument": (
        lambda a, b: a * b,
        lambda r, ct: (ct * r[1], ct * r[1]),
        (V, V[::-1].copy()),
    ),
    "zero": (sigmoid, lambda r, ct: (np.zeros_like(r[0]),), (V,)),
    "none": (lambda a, b: a * b, lambda r, ct: (ct * r[1], None), (V, V + 1)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_rule_is_found_with_its_line(name: str) -> None:
    f, bwd, args = PLANTED[name]
    op = with_pullback(f, bwd, f"planted_{name}")

    def loss(*xs: Any) -> Any:
        y = np.cos(op(*(x * 1.1 for x in xs)))  # planted
        return np.sum(y * y) + np.sum(np.exp(-xs[0] * xs[0]))

    found = diagnose(loss, *args)
    assert not found.ok
    wrong = [x for x in found.findings if x.op == f"planted_{name}"]
    assert wrong, str(found)
    assert {x.op for x in found.findings} == {f"planted_{name}"}, str(found)
    assert wrong[0].line.startswith(line_with("planted"))
    assert wrong[0].element is not None
    assert any("test_diagnose.py" in text for _, text in wrong[0].details)
    assert "wrong" in {p.verdict for p in found.parameters}


def test_the_right_rules_beside_them_are_right() -> None:
    product = with_pullback(
        lambda m, x: m @ x, lambda r, ct: (np.outer(ct, r[1]), r[0].T @ ct), "product"
    )
    found = diagnose(lambda m, x: np.sum(np.sin(product(m, x))), A, V[:4])
    assert not found.findings, str(found)
    assert {p.verdict for p in found.parameters} == {"right"}


def test_the_element_is_named() -> None:
    f, bwd, args = PLANTED["element"]
    op = with_pullback(f, bwd, "element")
    finding = only(diagnose(lambda x: np.sum(op(x) ** 2), *args), "wrong rule")
    assert finding.element == (3,)
    details = dict(finding.details)
    assert "[3]" in details["forward"]
    assert "by element [3] of argument 0 (x)" in details["reverse"]
    assert details["reverse"].endswith("0.5 times as much")
    assert details["elements"] == "1 of 5 differ"


def test_one_wrong_element_of_many() -> None:
    def bwd(r: Any, ct: Any) -> Any:
        g = ct * np.cos(r[0])
        return (np.where(np.arange(g.size) == 12345, -g, g),)

    op = with_pullback(np.sin, bwd, "many")
    x = RNG.normal(size=40_000)
    finding = only(diagnose(lambda x: np.sum(op(x)), x), "wrong rule")
    assert finding.element == (12345,)
    assert dict(finding.details)["reverse"].endswith("the sign is wrong")


def test_the_argument_is_named() -> None:
    f, bwd, args = PLANTED["argument"]
    op = with_pullback(f, bwd, "argument")
    finding = only(diagnose(lambda a, b: np.sum(op(a, b)), *args), "wrong rule")
    assert finding.argument == "argument 1 (b)"


def test_a_wrong_pushforward_is_found() -> None:
    @wg.custom_jvp
    def cube(x: Any) -> Any:
        return x**3

    @cube.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return x**3, 2 * x**2 * dx

    finding = only(diagnose(lambda x: np.sum(cube(x)), V), "wrong rule")
    assert finding.op == "cube"
    assert (
        "rule",
        f"rule, {line_with_text('    def rule(primals')}",
    ) in finding.details


def line_with_text(text: str) -> str:
    """`test_diagnose.py:N` of the decorated function that begins so."""
    lines = inspect.getsource(inspect.getmodule(line_with_text)).splitlines()
    number = next(i for i, x in enumerate(lines, 1) if x.startswith(text))
    return f"test_diagnose.py:{number - 1}"


def rules_op(name: str, jvp: Any, vjp: Any) -> Op:
    """x ↦ x² by two rules."""
    return Op(
        name=name,
        evaluate=lambda x: x * x,
        type_of=lambda x: Type(x.shape, x.dtype),
        derivative=Rules(jvp=jvp, vjp=vjp),
        batch=lambda *rest: None,
    )


def right_jvp(tangents: Any, _y: Any, x: Any) -> Any:
    return 2 * x * tangents[0]


def right_vjp(ct: Any, _y: Any, x: Any) -> Any:
    return (2 * x * ct,)


def test_the_two_modes_are_told_apart() -> None:
    wrong_jvp = rules_op("half_pushed", lambda ts, _y, x: x * ts[0], right_vjp)
    finding = only(diagnose(lambda x: np.sum(bind(wrong_jvp, x)), V), "wrong rule")
    assert "forward mode disagrees with finite differences" in finding.title
    assert "forward" in dict(finding.details)
    assert "reverse" not in dict(finding.details)
    assert "equal for any right pair" in dict(finding.details)["together"]

    wrong_vjp = rules_op("half_pulled", right_jvp, lambda ct, _y, x: (x * ct,))
    finding = only(diagnose(lambda x: np.sum(bind(wrong_vjp, x)), V), "wrong rule")
    assert "reverse mode disagrees with finite differences" in finding.title
    assert "forward" not in dict(finding.details)

    right = rules_op("right", right_jvp, right_vjp)
    assert not diagnose(lambda x: np.sum(bind(right, x)), V).findings


def test_a_pullback_of_the_wrong_shape_raises_and_is_told() -> None:
    op = with_pullback(lambda x, b: x + b, lambda r, ct: (ct, ct), "unsummed")
    found = diagnose(lambda x, b: np.sum(op(x, b)), A, V[:4])  # unsummed
    finding = only(found, "rule raises")
    assert finding.line.startswith(line_with("unsummed"))
    assert "shape (3, 4)" in dict(finding.details)["error"]
    assert "\n  At:" not in dict(finding.details)["error"]


def test_a_pullback_that_fails_is_told() -> None:
    def bwd(r: Any, ct: Any) -> Any:
        raise KeyError("lost")

    op = with_pullback(np.sin, bwd, "failing")
    finding = only(diagnose(lambda x: np.sum(op(x)), V), "rule raises")
    assert "KeyError" in dict(finding.details)["error"]


def test_a_pullback_that_is_not_linear() -> None:
    op = with_pullback(
        lambda x: x * 1.0, lambda r, ct: (np.clip(ct, -2.0, 2.0),), "clipped"
    )

    def f(x: Any) -> Any:
        return np.sum(op(x))

    finding = only(diagnose(f, V), "not linear")
    assert finding.op == "clipped"
    assert diagnose(f, V, trust=("clipped",)).ok


def test_a_rule_may_be_meant_to_differ() -> None:
    straight = with_pullback(np.round, lambda r, ct: (ct,), "straight_through")

    def f(x: Any) -> Any:
        return np.sum(straight(3.3 * x) * x)

    assert "wrong rule" in kinds(diagnose(f, V))
    trusted = diagnose(f, V, trust=("straight_through",))
    assert not trusted.findings
    assert trusted.parameters[0].verdict == "trusted rule"


def test_trust_in_what_is_not_there_is_said() -> None:
    straight = with_pullback(np.round, lambda r, ct: (ct,), "straight_through")
    found = diagnose(lambda x: np.sum(straight(x) * x), V, trust=("straight_trough",))
    assert [f.kind for f in found.findings] == ["wrong rule", "not met"]
    assert found.findings[1].op == "straight_trough"
    assert found.findings[1].severity == "warning"


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_rule_that_only_reverse_mode_can_use(factor: float) -> None:
    def bwd(r: Any, ct: Any) -> Any:
        x = [factor * math.cos(v) for v in r[0]]  # no tracer gets through
        return (np.array([a * float(c) for a, c in zip(x, ct, strict=True)]),)

    op = with_pullback(lambda x: np.array([math.sin(v) for v in x]), bwd, "compiled")
    found = diagnose(lambda x: np.sum(op(x) ** 2), V)
    assert found.parameters[0].forward is None
    assert found.ok == (factor == 1.0), str(found)
    if not found.ok:
        finding = only(found, "wrong rule")
        assert "reverse mode disagrees" in finding.title
        assert finding.element is not None


def test_a_float32_rule() -> None:
    def bwd(r: Any, ct: Any) -> Any:
        return ((ct * np.cos(r[0]) * np.float32(1.1)).astype(np.float32),)

    op = with_pullback(lambda x: np.sin(x).astype(np.float32), bwd, "narrow")
    found = diagnose(lambda x: np.sum(op(x)), V.astype(np.float32))
    assert only(found, "wrong rule").op == "narrow"


PLANTED_OPS: dict[str, tuple[Any, Any]] = {
    "sin": (lambda x: np.sum(np.sin(x)), Partials(lambda _y, x: 1.001 * np.cos(x))),
    "sum": (
        lambda x: np.exp(np.sum(x)),
        Linear(lambda ct, _x, **_: np.broadcast_to(1.001 * ct, _x.shape)),
    ),
}


@pytest.mark.parametrize("name", PLANTED_OPS)
def test_a_fault_of_the_library_itself(name: str) -> None:
    """The rule of an op is wrong by a thousandth, for all who use it."""
    f, planted = PLANTED_OPS[name]
    op = OPS[name]
    right = op.derivative
    object.__setattr__(op, "derivative", planted)
    try:
        found = diagnose(f, V)
    finally:
        object.__setattr__(op, "derivative", right)
    finding = only(found, "wrong rule")
    assert finding.op == name
    assert "a fault of wengert" in finding.do
    assert not diagnose(f, V).findings


def test_a_loop_tells_of_a_rule_once() -> None:
    op = with_pullback(np.sin, lambda r, ct: (ct,), "looped")

    def f(x: Any) -> Any:
        for _ in range(20):
            x = op(x) + 0.1
        return np.sum(x)

    assert len(diagnose(f, V).findings) == 1


def test_a_complex_rule() -> None:
    z = V + 1j * V[::-1]
    right = with_pullback(np.exp, lambda r, ct: (ct * np.conj(np.exp(r[0])),), "conj")
    wrong = with_pullback(np.exp, lambda r, ct: (ct * np.exp(r[0]),), "unconjugated")
    assert not diagnose(lambda z: np.sum(np.abs(right(z))), z).findings
    assert (
        only(diagnose(lambda z: np.sum(np.abs(wrong(z))), z), "wrong rule").op
        == "unconjugated"
    )


def test_several_results() -> None:
    def both(x: Any) -> Any:
        return {"s": np.sin(x), "c": np.cos(x)}

    def bwd(r: Any, ct: Any) -> Any:
        return (ct["s"] * np.cos(r[0]) + ct["c"] * np.sin(r[0]),)

    op = with_pullback(both, bwd, "both")

    def f(x: Any) -> Any:
        y = op(x)
        return np.sum(y["s"] * 2.0 + y["c"] ** 2)

    assert only(diagnose(f, V), "wrong rule").op == "both"


def test_second_order() -> None:
    @wg.custom_jvp
    def cube(x: Any) -> Any:
        return x**3

    @cube.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return x**3, 3 * wg.stop_gradient(x) ** 2 * dx

    def f(x: Any) -> Any:
        return np.sum(cube(x))

    assert not diagnose(f, V).findings
    found = diagnose(f, V, order=2)
    assert found.findings
    assert all(x.order == 2 for x in found.findings)
    assert "(order 2)" in str(found)
    assert not diagnose(lambda x: np.sum(np.sin(x) ** 3), V, order=2).findings


# Nothing wrong ------------------------------------------------------------------------


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def logsumexp(x: Any) -> Any:
    top = wg.stop_gradient(np.max(x))
    return top + np.log(np.sum(np.exp(x - top)))


def newton(a: Any) -> Any:
    x = a * 0.5 + 0.5
    while np.max(np.abs(x * x - a)) > 1e-13:
        x = 0.5 * (x + a / x)
    return np.sum(x)


def recurrent(w: Any, x: Any) -> Any:
    h = np.zeros_like(x)
    for _ in range(6):
        h = np.tanh(w @ h + x)
    return np.sum(h)


def network(p: Any, x: Any) -> Any:
    for layer in p["layers"]:
        x = np.maximum(x @ layer["w"] + layer["b"], 0.0)
    return np.mean((x - 1.0) ** 2)


def guarded(x: Any) -> Any:
    return np.sum(np.where(x > 0, np.log(x), x))


def in_place(x: Any) -> Any:
    y = np.zeros_like(x)
    for i in range(x.size):
        y[i] = x[i] ** 2
        if i:
            y[i] += y[i - 1]
    return y


def masked_attention(q: Any, k: Any) -> Any:
    scores = np.where(np.tril(np.ones((3, 3), bool)), q @ k.T, -np.inf)
    return np.sum(softmax(scores) ** 2)


PARAMETERS = {
    "layers": [
        {"w": RNG.normal(size=(4, 6)), "b": RNG.normal(size=6)},
        {"w": RNG.normal(size=(6, 3)), "b": RNG.normal(size=3)},
    ]
}
HEALTHY: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "softmax": (lambda x: np.sum(softmax(x) ** 2), (A,)),
    "logsumexp": (logsumexp, (V,)),
    "logaddexp": (lambda x: np.logaddexp.reduce(x), (V,)),
    "norm": (np.linalg.norm, (V,)),
    "norm_1": (lambda x: np.linalg.norm(x, 1), (V,)),
    "norm_inf": (lambda x: np.linalg.norm(x, np.inf), (V,)),
    "norm_nuc": (lambda x: np.linalg.norm(x, "nuc"), (A,)),
    "solve": (lambda a, b: np.linalg.solve(a, b), (S, A)),
    "inv": (np.linalg.inv, (S,)),
    "det": (np.linalg.det, (S,)),
    "slogdet": (lambda a: np.linalg.slogdet(a)[1], (S,)),
    "cholesky": (lambda a: np.linalg.cholesky(a @ a.T + np.eye(3)), (A,)),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(a + a.T), (S,)),
    "svd": (lambda a: np.linalg.svd(a, compute_uv=False), (A,)),
    "qr": (lambda a: np.linalg.qr(a.T)[1], (A,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], (A.T, V[:4])),
    "einsum": (lambda a, b: np.einsum("ij,jk->ki", a, b), (A, B)),
    "matmul": (lambda a, b: a @ b, (A, B)),
    "tensordot": (lambda a, b: np.tensordot(a, b, 1), (A, B)),
    "newton": (newton, (np.abs(V) + 1.0,)),
    "recurrent": (recurrent, (S, V[:3])),
    "network": (network, (PARAMETERS, RNG.normal(size=(7, 4)))),
    "guarded": (guarded, (V,)),
    "safe division": (lambda x: np.sum(np.where(x == 0, 0.0, np.sin(x) / x)), (V,)),
    "in place": (in_place, (V,)),
    "attention": (masked_attention, (A, A[::-1].copy())),
    "sort": (lambda x: np.sort(x) ** 2, (V,)),
    "median": (np.median, (V,)),
    "percentile": (lambda x: np.percentile(x, 30.0), (V,)),
    "max": (np.max, (V,)),
    "max of itself": (lambda x: np.sum(np.maximum(x, x)), (V,)),
    "std": (np.std, (V,)),
    "corrcoef": (np.corrcoef, (A,)),
    "prod": (np.prod, (V,)),
    "cumsum": (np.cumsum, (V,)),
    "fft-like": (lambda x: np.abs(x @ np.exp(1j * np.outer(V, V))), (V,)),
    "complex": (lambda z: np.sum(np.abs(z) ** 2).real, (V + 1j * V[::-1],)),
    "branch": (lambda x: x**2 if x > 0 else -x, (1.5,)),
    "number": (lambda x: np.sin(x) * x, (0.3,)),
    "large": (lambda x: np.sum(1e8 * np.sin(1e-8 * x)), (1e8 * V,)),
    "tiny": (lambda x: np.sum(np.log(x)), (1e-12 * np.abs(V),)),
    "empty": (lambda x: np.sum(x), (np.zeros(0),)),
    "vmap": (wg.vmap(lambda x: np.sum(np.sin(x) ** 2)), (A,)),
    "gradient": (wg.grad(lambda x: np.sum(np.sin(x) ** 3)), (V,)),
    "checkpoint": (wg.checkpoint(lambda x: np.sum(np.sin(x) ** 2)), (V,)),
    "integers": (lambda x, i, n: np.sum(x[i]) ** n, (V, np.array([0, 2, 2]), 3)),
    "float32": (lambda x: np.sum(np.tanh(x)), (V.astype(np.float32),)),
    "float32 network": (
        lambda w, x: np.mean(np.exp(-((x @ w) ** 2))),
        (B.astype(np.float32), A.astype(np.float32)),
    ),
    "float16": (lambda x: np.sum(x * x), (V.astype(np.float16),)),
    "cancelling": (lambda x: np.sum((1e6 + np.sin(x)) - 1e6), (V,)),
    "steep": (lambda x: np.sum(np.exp(20.0 * x)), (V,)),
    "wavy": (lambda x: np.sum(np.sin(50.0 * x)), (V,)),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_false_alarm(name: str, seed: int) -> None:
    f, args = HEALTHY[name]
    found = diagnose(f, *args, seed=seed)
    assert not found.findings, str(found)
    assert found.ok
    assert {p.verdict for p in found.parameters} <= {"right", "empty"}, str(found)
    assert "nothing wrong found" in str(found)


@pytest.mark.parametrize("name", ["softmax", "solve", "network", "branch", "einsum"])
def test_no_false_alarm_in_second_order(name: str) -> None:
    f, args = HEALTHY[name]
    assert not diagnose(f, *args, order=2).findings


def test_a_large_function_takes_seconds() -> None:
    def f(x: Any) -> Any:
        for _ in range(400):
            x = np.sin(x) * 0.9 + np.cos(x) * 0.1
        return np.sum(x)

    assert len(trace(f, V).nodes) > 2000
    start = time.process_time()
    found = diagnose(f, V)
    assert found.operations > 2000
    assert found.checked == found.operations
    assert not found.findings
    # A generous bound: a tenth of this is usual.
    assert time.process_time() - start < 30


# inf and nan --------------------------------------------------------------------------


def test_the_first_nan_of_the_forward_pass() -> None:
    def f(x: Any, y: Any) -> Any:
        a = np.exp(y)
        b = (x - 2.0) / (x * x - 4.0)  # zero by zero
        return np.sum(a * b)

    found = diagnose(f, np.array([1.0, 2.0, 3.0]), V[:3])
    finding = only(found, "nan")
    assert finding.op == "divide"
    assert finding.element == (1,)
    assert finding.line.startswith(line_with("zero by zero"))
    assert dict(finding.details)["why"] == "0/0."
    assert dict(finding.details)["values"] == "divide(0, 0) = nan"
    assert "np.where" in finding.do


def test_an_overflow_and_the_nan_that_follows() -> None:
    def f(x: Any) -> Any:
        e = np.exp(x)
        return np.sum(e / np.sum(e))

    finding = only(diagnose(f, np.array([1.0, 1000.0])), "infinite")
    assert finding.op == "exp"
    assert finding.element == (1,)
    assert "becomes nan in v2 = divide(v0, v1)" in dict(finding.details)["then"]
    assert "logsumexp" in finding.do


@pytest.mark.parametrize(
    ("f", "x", "op", "why"),
    [
        (np.log, 0.0, "log", "the logarithm of 0."),
        (np.log, -1.0, "log", "the logarithm of a negative number."),
        (np.log1p, -1.0, "log1p", "the logarithm of 0."),
        (np.sqrt, -1.0, "sqrt", "the square root of a negative number."),
        (lambda x: 1 / x, 0.0, "divide", "division by zero."),
        (lambda x: x**-2.0, 0.0, "power", "0 to the power −2."),
        (lambda x: x**0.3, -1.0, "power", "a negative number to the power 0.3, which "
         "isn't whole."),
        (np.arcsin, 1.5, "arcsin", "an argument outside of [−1, 1]."),
        (np.arctanh, 1.0, "arctanh", "the inverse hyperbolic tangent of ±1."),
        (np.arccosh, 0.5, "arccosh", "an argument below 1."),
        (lambda x: x * x, 1e200, "multiply", "the result is too large for its dtype."),
    ],
)  # fmt: skip
def test_why_a_value_is_not_finite(f: Any, x: float, op: str, why: str) -> None:
    found = diagnose(lambda x: np.sum(f(x)), np.array([0.5, x]) if x < 1e9 else x)
    finding = found.findings[0]
    assert finding.kind in ("nan", "infinite")
    assert finding.op == op
    assert dict(finding.details)["why"] == why
    assert finding.do


def test_a_branch_not_taken_is_not_blamed() -> None:
    def f(x: Any) -> Any:
        safe = np.where(x > 0, np.log(x), 0.0)  # nan, and not taken
        return np.sum(safe + np.arcsin(x * 3.0))  # the culprit

    finding = only(diagnose(f, np.array([-0.1, 0.2, 0.5])), "nan")
    assert finding.op == "arcsin"
    assert finding.line.startswith(line_with("the culprit"))
    assert finding.element == (2,)


def test_a_nan_in_an_argument_or_a_constant() -> None:
    finding = only(diagnose(lambda x: np.sum(x * 2), np.array([1.0, np.nan])), "nan")
    assert finding.argument == "x"
    assert finding.element == (1,)
    table = np.array([1.0, np.inf])
    finding = only(diagnose(lambda x: np.sum(x * table), np.ones(2)), "infinite")
    assert "a constant" in finding.title


POWER = object()  # in the function itself, whose line is looked for


@pytest.mark.parametrize(
    ("f", "x", "op", "why"),
    [
        (np.sqrt, 0.0, "sqrt", "sqrt at 0"),
        (np.cbrt, 0.0, "cbrt", "cbrt at 0"),
        (POWER, 0.0, "power", "0 to the power 0.3"),
        (np.arcsin, 1.0, "arcsin", "the end of the domain"),
        (np.arccos, -1.0, "arccos", "the end of the domain"),
    ],
)
def test_an_infinite_slope(f: Any, x: float, op: str, why: str) -> None:
    def loss(x: Any) -> Any:
        y = x**0.3 if f is POWER else f(x)  # steep
        return np.sum(y * 3.0)

    finding = only(diagnose(loss, np.array([0.5, x])), "infinite gradient")
    assert finding.op == op
    assert finding.element == (1,)
    assert finding.line.startswith(line_with("steep"))
    assert why in dict(finding.details)["why"]
    assert "cotangent 3 in" in dict(finding.details)["passes"]
    assert finding.do


def test_a_nan_of_a_rule_of_ones_own() -> None:
    op = with_pullback(
        lambda x: np.abs(x) ** 1.5,
        lambda r, ct: (ct * 1.5 * np.abs(r[0]) ** 2.5 / r[0] / np.abs(r[0]),),
        "by_hand",
    )
    finding = only(
        diagnose(lambda x: np.sum(op(x)), np.array([1.0, 0.0])), "infinite gradient"
    )
    assert finding.op == "by_hand"
    assert any(label == "rule" for label, _ in finding.details)


def test_zero_times_infinity_is_no_fault() -> None:
    x = np.array([0.0, 0.25])
    assert diagnose(lambda x: np.sum(x * np.sqrt(x)), x).ok
    assert diagnose(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), x).ok


# Kinks --------------------------------------------------------------------------------

AT = np.array([1.0, 0.0, -2.0])


@pytest.mark.parametrize(
    ("f", "x", "op", "element"),
    [
        (np.abs, AT, "absolute", (1,)),
        (lambda x: np.maximum(x, 0.0), AT, "maximum", (1,)),
        (lambda x: np.minimum(x, 1.0), AT, "minimum", (0,)),
        (lambda x: np.max(x), np.array([2.0, 1.0, 2.0]), "max", ()),
        (lambda x: np.where(x > 0, x, 0.1 * x), AT, "greater", (1,)),
        (lambda x: np.sort(x) * np.arange(3.0), AT * 0 + 1.0, "argsort", (0,)),
        (np.linalg.norm, np.zeros(3), "vector_norm", ()),
        (lambda x: np.hypot(x, 0.0 * x), AT, "hypot", (1,)),
        (lambda x: x * np.floor(x), AT + 0.5 * (AT == 0), "floor", (0,)),
        (lambda x: x * np.round(x), AT + 0.5, "round", (0,)),
        (lambda x: np.clip(x, -2.0, 5.0), AT, "maximum", (2,)),
    ],
)
def test_a_kink_is_named(f: Any, x: Any, op: str, element: tuple[int, ...]) -> None:
    def loss(x: Any) -> Any:
        return np.sum(f(x))  # at a kink

    found = diagnose(loss, x)
    assert found.ok, str(found)
    here = [k for k in found.findings if k.op == op and k.kind == "kink"]
    assert len(here) == 1, str(found)
    assert here[0].element == element
    assert dict(here[0].details)["chosen"]
    assert here[0].severity == "warning"


def test_a_kink_has_its_line_and_the_choice() -> None:
    def f(x: Any) -> Any:
        y = np.maximum(x, 0.0)  # the relu
        return np.sum(y)

    found = diagnose(f, AT)
    finding = only(found, "kink")
    assert finding.line.startswith(line_with("the relu"))
    assert dict(finding.details)["why"] == "both arguments are equal (0, 0)."
    assert dict(finding.details)["chosen"] == "both get half of the derivative."


def test_kinks_that_do_not_count_are_not_named() -> None:
    # Not used; multiplied by zero; in the branch that wasn't taken; of constants.
    assert not diagnose(lambda x: np.sum(x * x) + 0.0 * np.sum(np.abs(AT)), V).findings
    assert "kink" not in kinks_of(lambda x: np.sum(0.0 * np.abs(x)))
    assert "kink" not in kinks_of(lambda x: np.sum(np.where(x != 0, np.abs(x), x)))
    table = np.maximum(AT, 0.0)
    assert "kink" not in kinks_of(lambda x: np.sum(x * np.maximum(table, 0.0)))


def kinks_of(f: Any) -> set[str]:
    return kinds(diagnose(f, AT))


def test_a_branch_of_python_at_its_border() -> None:
    def f(x: Any) -> Any:
        if x >= 1.0:  # the border
            return x * x
        return 3.0 * x

    finding = diagnose(f, 1.0).findings[0]
    assert finding.kind == "kink"
    assert finding.line.startswith(line_with("the border"))
    assert not diagnose(f, 1.5).findings


def test_a_step_that_straddles_a_kink() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.abs(x - 1.0))  # nearly at one

    finding = only(diagnose(f, np.array([3.0, 1.0 + 1e-12])), "straddled kink")
    assert finding.op == "absolute"
    assert finding.severity == "note"
    assert finding.line.startswith(line_with("nearly at one"))
    assert diagnose(f, np.array([3.0, 1.0 + 1e-12])).ok


def test_a_step_that_straddles_a_branch() -> None:
    def f(x: Any) -> Any:
        if x > 1.0:  # nearly there
            return x * x
        return 3.0 * x

    finding = only(diagnose(f, 1.0 + 1e-12), "straddled kink")
    assert finding.line.startswith(line_with("nearly there"))


def test_the_knots_of_an_interpolation() -> None:
    xp, fp = np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 1.0])

    def f(x: Any) -> Any:
        return np.sum(np.interp(x, xp, fp))

    found = diagnose(f, np.array([0.5, 1.0]))
    assert only(found, "kink").element == (1,)
    assert not diagnose(f, np.array([0.5, 1.5])).findings


def test_a_whole_number_cast_to_an_integer() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * x.astype(int))

    assert only(diagnose(f, np.array([0.5, 2.0])), "kink").op == "astype"


def test_a_value_that_goes_around_the_trace() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            seen[:] = [np.sin(x)]
        return np.sum(seen[0] * x)

    finding = only(diagnose(f, V), "wrong derivative")
    assert finding.argument == "x"
    assert finding.element is not None


def test_a_function_that_runs_at_one_point_only() -> None:
    def strict(x: Any) -> Any:
        if np.any(x != AT):
            raise ValueError("another point")
        return x * 2.0

    op = with_pullback(strict, lambda r, ct: (2.0 * ct,), "strict")
    found = diagnose(lambda x: np.sum(np.abs(op(x))), AT)
    assert only(found, "kink").op == "absolute"
    assert found.parameters[0].verdict == "undecided"
    assert "undecided: `strict` (test_diagnose.py:" in " ".join(str(found).split())


def test_many_kinks_are_summed_up() -> None:
    def f(x: Any) -> Any:
        return sum(np.sum(np.abs(x * k)) for k in range(1, 21))

    found = diagnose(f, AT)
    assert len(found.findings) == 8
    assert "12 more operations stand at a kink" in str(found)


# Habits -------------------------------------------------------------------------------


def test_an_argument_without_influence() -> None:
    finding = only(diagnose(lambda x, unused: np.sum(x), V, A), "unused")
    assert finding.argument == "unused"
    assert finding.severity == "warning"


def test_a_gradient_that_is_zero_everywhere() -> None:
    def f(x: Any) -> Any:
        hits = (x > 0).astype(float)  # a count
        return np.mean(hits)

    found = diagnose(f, V)
    finding = only(found, "zero gradient")
    assert finding.line.startswith(line_with("a count"))
    assert "piecewise constant" in dict(finding.details)["why"]
    assert found.ok


def test_a_derivative_that_is_cut() -> None:
    def f(x: Any) -> Any:
        w = wg.stop_gradient(np.sin(x))  # cut
        return np.sum(w * x)

    found = diagnose(f, V)
    finding = only(found, "cut")
    assert finding.op == "stop_gradient"
    assert finding.line.startswith(line_with("cut"))
    assert found.parameters[0].verdict == "derivative cut"
    assert found.ok


def test_a_function_without_a_float_result() -> None:
    assert (
        only(diagnose(lambda x: np.argmax(x), V), "zero gradient").severity == "fault"
    )


def test_a_function_of_chance() -> None:
    rng = np.random.default_rng(0)
    found = diagnose(lambda x: np.sum(x * rng.normal(size=5)), V)
    assert "random" in kinds(found)
    assert found.ok
    assert found.parameters[0].numerical is None


def test_a_function_that_writes_into_its_argument() -> None:
    def f(x: Any) -> Any:
        x[2] = 0.0
        return np.sum(x * x)

    x = V.copy()
    finding = only(diagnose(f, x), "writes")
    assert finding.argument == "x"
    assert finding.element == (2,)
    assert np.array_equal(x, V), "the caller's array is left alone"


def test_a_function_that_cannot_be_traced() -> None:
    finding = only(diagnose(lambda x: float(x[0]) * np.sum(x), V), "untraceable")
    assert finding.severity == "fault"
    assert "stop_gradient" in finding.do


def test_values_that_tracing_does_not_see() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * x) if type(x) is np.ndarray else np.sum(x)

    assert "other values" in kinds(diagnose(f, V))


def test_lost_digits() -> None:
    def f(x: Any) -> Any:
        big = 1.0 + x * x
        return np.sum((big - 1.0) / x**2 * np.sin(x))  # cancels

    x = np.array([1e-4, 0.5], np.float32)
    found = diagnose(f, x)
    lost = [k for k in found.findings if k.kind == "precision"]
    assert len(lost) == 1, str(found)
    assert lost[0].line.startswith(line_with("cancels"))
    assert lost[0].op == "subtract"
    assert "precision" not in kinds(diagnose(f, x.astype(float)))


def test_what_f_raises_is_raised() -> None:
    def f(x: Any) -> Any:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        diagnose(f, V)


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(wg.WengertError, match="float and complex arguments"):
        diagnose(lambda n: n * 1.0, 3)
    with pytest.raises(wg.WengertError, match="A function is diagnosed"):
        diagnose(3, V)  # type: ignore[arg-type]
    with pytest.raises(wg.WengertError, match="order is 1 or 2"):
        diagnose(np.sum, V, order=3)


# Text ---------------------------------------------------------------------------------


def test_the_text_of_a_healthy_function() -> None:
    def loss(w: Any, x: Any) -> Any:
        return np.sum(np.sin(w) * x)

    text = str(diagnose(loss, np.array([0.5, 1.0]), 2.0))
    lines = text.splitlines()
    assert lines[0] == "loss: nothing wrong found"
    assert lines[2].split() == ["argument", "shape", "reverse", "forward", "numerical"]
    assert lines[3].split()[:2] == ["w", "2"]
    assert lines[3].endswith("right")
    assert lines[4].split()[:2] == ["x", "number"]
    assert lines[-1] == "3 operations, 3 compared one by one with finite differences."


def test_the_text_of_a_finding_is_laid_out() -> None:
    op = with_pullback(np.sin, lambda r, ct: (-ct * np.cos(r[0]),), "flipped")
    found = diagnose(lambda angle: np.sum(op(angle)), V)
    text = str(found)
    assert text.startswith(
        "<lambda>: 1 fault\n\nfault: The derivative rule of `flipped`"
    )
    assert max(map(len, text.splitlines())) <= 88 + 20  # a user's line isn't broken
    assert "\n  step      v0 = flipped(angle)\n" in text
    assert "\n  element   [" in text
    assert ": the sign is wrong" in " ".join(text.split())
    assert 'trust=("flipped",)' in text
    assert repr(found) == "<Diagnosis of <lambda>: 1 fault>"


def test_a_long_table_is_cut() -> None:
    many = {f"p{i}": np.ones(2) * (i + 1) for i in range(30)}
    text = str(diagnose(lambda p: sum(np.sum(x * x) for x in p.values()), many))
    assert "and 10 more arguments, 10 of them right" in text


def test_check_grads_wants_a_tuple_of_arguments() -> None:
    with pytest.raises(wg.WengertError, match="takes the arguments of f as a tuple"):
        wg.check_grads(lambda x: x * x, 2.0)  # type: ignore[arg-type]
