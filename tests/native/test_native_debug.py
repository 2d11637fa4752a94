"""Debug mode: the first nan or inf, kernels beside NumPy, invariants."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph.graph import Graph, Node
from wengert.native import codegen, debug, single
from wengert.native.debug import Checked, DebugWarning, check
from wengert.native.program import Program
from wengert.native.view import graph_of

rng = np.random.default_rng(0)
A, B = rng.normal(size=(37, 25)), rng.normal(size=(25, 50))


def root_of(x):
    shifted = x - 1.0
    return np.sum(np.sqrt(shifted))


def traced(f: Any, *args: Any) -> Graph:
    return graph_of(f, args)


# nan and inf ------------------------------------------------------------------------


def test_the_operation_the_element_the_operand_and_the_line():
    found = check(traced(root_of, np.zeros(3)), [np.array([2.0, 0.5, 1.0])])
    (fault,) = found.faults
    assert fault.op == "sqrt"
    assert fault.step == "v0 = sqrt(shifted)"
    assert fault.element == (1,)
    assert np.isnan(fault.value)
    assert fault.operands[0][:2] == ("shifted", "-0.5")
    assert re.fullmatch(
        r"test_native_debug.py:\d+: return np.sum\(np.sqrt\(shifted\)\)", fault.line
    )
    assert "shifted = x - 1.0" in fault.operands[0][2]
    assert found
    assert found.difference is None


def test_the_backward_pass_names_the_forward_step_it_differentiates():
    graph = traced(wg.grad(root_of), np.zeros(3) + 2)
    found = check(graph, [np.array([2.0, 1.0, 5.0])])
    (fault,) = found.faults
    assert fault.op in ("divide", "reciprocal", "deviation", "power")
    assert fault.element == (1,)
    assert fault.value == np.inf
    assert "np.sqrt(shifted)" in fault.operands[-1][2]


def test_an_inf_that_becomes_nan_later():
    def f(x):
        logs = np.log(x)
        return logs * x

    found = check(traced(f, np.ones(3)), [np.array([1.0, 2.0, 0.0])])
    (fault,) = found.faults
    assert (fault.op, fault.element, fault.value) == ("log", (2,), -np.inf)
    assert "multiply(logs, x)" in found.first_nan
    assert "logs * x" in str(found)


def test_a_nan_that_no_result_depends_on_is_not_told():
    def f(x):
        return np.where(x > 0, np.log(x), 0.0)

    assert not check(traced(f, np.ones(3)), [np.array([-1.0, 0.0, 1.0])])


def test_arguments_and_constants_that_are_nan():
    found = check(traced(np.sum, np.ones(3)), [np.array([1.0, np.nan, 1.0])])
    assert found.faults[0].step.startswith("the argument ")
    assert found.faults[0].element == (1,)
    wrong = np.array([1.0, np.inf])
    found = check(traced(lambda x: x * wrong, np.ones(2)), [np.ones(2)])
    assert found.faults[0].step == "a constant"


def test_large_operands_are_summarised():
    with np.errstate(over="ignore"):
        found = check(traced(np.prod, np.full(40, 1e10)), [np.full(40, 1e10)])
    assert found.faults[0].operands[0][1] == "f64[40], from 10000000000.0 to " + (
        "10000000000.0"
    )


def test_scopes_are_told():
    def f(x):
        with wg.scope("encoder"):
            return np.log(x)

    found = check(traced(f, np.ones(2)), [np.zeros(2)])
    assert found.faults[0].scope == "encoder"
    assert "scope encoder" in str(found)


def test_integers_and_empty_arrays_have_nothing_to_find():
    assert not check(traced(lambda n: n * 2, np.arange(3)), [np.arange(3)])
    assert not check(traced(lambda x: x * 2, np.ones((0, 3))), [np.ones((0, 3))])
    assert str(debug.Findings()) == "nothing found"


# Kernels beside NumPy ---------------------------------------------------------------


def several(A, B):
    hidden = np.tanh(A @ B)
    total = np.sum(hidden * hidden, 0)
    return np.max(total) + np.sort(total), np.exp(hidden).sum(1)


def test_right_programs_are_right():
    assert not check(traced(several, A, B), [A, B])
    values, vectors = np.linalg.eigh, A @ A.T  # of rank 25: free vectors
    assert not check(traced(values, vectors), [vectors])
    assert not check(traced(np.linalg.svd, A), [A])
    gradient = wg.grad(lambda A, B: np.sum(several(A, B)[1]), argnums=(0, 1))
    assert not check(traced(gradient, A, B), [A, B])

    def shifted(A):
        return np.exp(A - A.max(1, keepdims=True))

    half = A.astype(np.float32)
    assert not check(
        traced(lambda A: np.exp(A - A.max(1, keepdims=True)), half), [half]
    )


def wrong_exp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that takes exp for sin, whose kernels are wrong."""
    apply = codegen.Elements.apply

    def other(self: Any, node: Node, args: list[Any]) -> Any:
        if node.op.name == "exp":
            sine = traced(np.sin, np.ones(1)).outputs[0].op
            node = Node(sine, node.inputs, node.params, node.type, node.source)
        return apply(self, node, args)

    monkeypatch.setattr(codegen.Elements, "apply", other)


def test_the_first_wrong_kernel_is_named(monkeypatch: pytest.MonkeyPatch):
    wrong_exp(monkeypatch)
    found = check(traced(several, A, B), [A, B])
    assert found
    assert found.difference is not None
    assert "exp(hidden)" in found.difference.line
    assert found.difference.step.startswith("kernel ")
    expected = np.exp(np.tanh(A @ B)).sum(1)[found.difference.element]
    assert found.difference.expected == pytest.approx(expected)
    assert "fault of wengert's" in str(found)


def test_a_program_wrong_only_as_a_whole(monkeypatch: pytest.MonkeyPatch):
    run = Program.__call__

    def shared(self: Program, arrays: Any) -> Any:
        outputs, failed = run(self, arrays)
        return [y * 1.01 for y in outputs], failed

    monkeypatch.setattr(Program, "__call__", shared)
    found = check(traced(np.cos, np.ones(5)), [np.ones(5)])
    assert found.difference is not None
    assert found.difference.step == "the program as a whole"


def test_a_step_on_its_own_and_its_time():
    program = Program(traced(lambda x: np.sum(np.exp(x)), np.ones(1000)))
    (_, kernel), *_ = program.segments[0].module.kernels
    alone = single.Single(kernel, program.graph.nodes)
    values = {program.graph.inputs[0]: np.ones(1000)}
    assert alone(values) == 0
    (y,) = alone.outputs.values()
    assert y == pytest.approx(1000 * np.e)
    assert 0 <= alone.seconds(values) < 0.1
    (expected,) = [v for n, v in single.reference(kernel, values).items()
                   if n in alone.outputs]  # fmt: skip
    assert expected == pytest.approx(1000 * np.e)


def test_other_paths_are_said_and_errors_are_numpys():
    graph = traced(lambda x: x * 2 if np.sum(x) > 0 else x, np.ones(3))
    (note,) = check(graph, [-np.ones(3)]).notes
    assert "another path" in note
    place = traced(lambda x, i: x[i] * 2, np.ones(3), np.array([0, 1]))
    with pytest.raises(IndexError, match="out of bounds"):
        check(place, [np.ones(3), np.array([0, 5])])
    singular = traced(np.linalg.inv, np.eye(20))
    with pytest.raises(np.linalg.LinAlgError):
        check(singular, [np.zeros((20, 20))])


# Invariants -------------------------------------------------------------------------


def test_broken_graphs_and_broken_code_are_refused(monkeypatch: pytest.MonkeyPatch):
    graph = traced(np.exp, np.ones(3))
    node = graph.outputs[0]
    wrong = Node(node.op, node.inputs, {}, wg.Type((4,), np.dtype(float)))
    with pytest.raises(wg.WengertError, match="should have type"):
        check(Graph(graph.inputs, (wrong,)), [np.ones(3)])
    program = Program(graph)
    module = program.segments[0].module
    module.text = module.text.replace("ret i32 0", "ret i64 0")
    with pytest.raises(wg.WengertError, match="LLVM refuses"):
        debug.verify(program)


# The environment --------------------------------------------------------------------


def test_debug_mode_is_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    graph = traced(np.exp, np.ones(3))
    for value, kind in (("1", Checked), ("0", Program), ("", Program)):
        monkeypatch.setenv("WENGERT_DEBUG", value)
        assert type(wg.native.compile(graph)) is kind
    monkeypatch.delenv("WENGERT_DEBUG")
    assert type(wg.native.compile(graph)) is Program


def test_jit_in_debug_mode_warns_of_nan(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WENGERT_DEBUG", "1")
    f = wg.jit(root_of)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DebugWarning)
        assert f(np.full(3, 5.0)) == 6.0
    with pytest.warns(DebugWarning, match=r"nan at \[2\] comes of v0 = sqrt"):
        assert np.isnan(f(np.array([2.0, 2.0, 0.0])))


def test_jit_in_debug_mode_gives_numpys_result_for_a_wrong_kernel(
    monkeypatch: pytest.MonkeyPatch,
):
    wrong_exp(monkeypatch)
    monkeypatch.setenv("WENGERT_DEBUG", "1")
    x = np.array([1.0, 2.0, 3.0])
    with pytest.warns(DebugWarning, match="fault of wengert's"):
        y = wg.jit(lambda x: np.exp(x) + 1)(x)
    np.testing.assert_array_equal(y, np.exp(x) + 1)


def test_callbacks_run_once_in_debug_mode(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("WENGERT_DEBUG", "1")

    def f(x):
        wg.debug.print("x is {}", x)
        return x * 2

    jitted = wg.jit(f)
    jitted(1.0)
    capsys.readouterr()
    jitted(1.0)
    assert capsys.readouterr().out.count("x is") == 1
