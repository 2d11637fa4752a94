"""The Op record: what the tape keeps follows from a rule's parameter names."""

import numpy as np
import pytest

import wengert as wg
from wengert.core.op import OPS, Linear, Partials, Rules, register
from wengert.ops.elementwise.exponential import TANH


def test_partials_keep_what_their_signatures_read() -> None:
    rule = Partials(lambda _y, _a, b: b, lambda y, a, _b: a * y)
    assert rule.masks[0b01] == (False, (False, True))
    assert rule.masks[0b10] == (True, (True, False))
    assert rule.masks[0b11] == (True, (True, True))


def test_literal_partials_keep_nothing() -> None:
    assert Partials(1, -1).masks[0b11] == (False, (False, False))
    assert Partials(None, 1).masks[0b11] == (False, (False, False))


def test_linear_keeps_by_each_transpose() -> None:
    rule = Linear(lambda ct, _a, b: ct @ b, lambda ct, a, _b: a @ ct)
    assert rule.keeps.find(0b01, 2) == (False, (False, True))
    assert rule.keeps.find(0b11, 2) == (False, (True, True))


def test_linear_with_further_arguments_keeps_the_rest() -> None:
    rule = Linear(lambda ct, _x, *arrays: ct, None)
    assert rule.keeps.find(0b001, 3) == (False, (False, True, True))
    rule = Linear(lambda ct, _x, *_arrays: ct, None)
    assert rule.keeps.find(0b001, 3) == (False, (False, False, False))


def test_rules_read_y_and_arguments_by_name() -> None:
    rule = Rules(jvp=lambda t, y, x: t, vjp=lambda ct, _y, x: (ct * x,))
    assert rule.keeps.find(0b1, 1) == (False, (True,))
    rule = Rules(jvp=lambda t, y, x: t, vjp=lambda ct, y, _x: (ct * y,))
    assert rule.keeps.find(0b1, 1) == (True, (False,))


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="'tanh' exists already"):
        register(TANH)
    assert OPS["tanh"] is TANH


def test_every_op_says_how_it_is_typed_and_batched() -> None:
    for op in OPS.values():
        assert callable(op.type_of), op.name
        assert callable(op.batch), op.name
        assert not op.view or isinstance(op.derivative, Linear), op.name


def test_a_sum_of_arrays_keeps_no_values_on_the_tape() -> None:
    import tracemalloc

    x = np.ones(100_000)

    def chain(x: np.ndarray) -> np.ndarray:
        for _ in range(20):
            x = x + 1.0
        return x

    tracemalloc.start()
    held = wg.vjp(chain, x)
    peak = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held[0].shape == x.shape
    assert peak < 5 * x.nbytes
