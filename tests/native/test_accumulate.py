"""Sums of products as products added to a sum."""

from typing import Any

import numpy as np
import pytest
from compiled import check_function

import wengert as wg
from wengert.native import debug
from wengert.native.memory import ALIGN
from wengert.native.partition import Library
from wengert.native.program import Program, Segment

RNG = np.random.default_rng(0)
A, B, C, D = (RNG.normal(size=(40, 40)) for _ in range(4))


def sums(program: Program) -> int:
    """How many sums a library computes."""
    return sum(
        isinstance(step, Library) and step.node.op.name == "add"
        for s in program.segments
        if isinstance(s, Segment)
        for _, step in s.module.kernels
    )


def test_two_products() -> None:
    program = check_function(lambda a, b, c, d: a @ b + c @ d, A, B, C, D)
    assert sums(program) == 1
    assert program.kernels == 0
    assert program.native is not None
    assert program.native.arena == ALIGN


def test_many_products_need_one_matrix() -> None:
    def f(a: Any, b: Any) -> Any:
        total = a @ b
        for i in range(8):
            total = total + (a + i) @ b.T
        return total

    program = check_function(f, A, B)
    assert sums(program) == 8


def test_gradient_of_a_loop() -> None:
    def loss(w: Any, x: Any) -> Any:
        h = x
        for _ in range(6):
            h = np.tanh(h @ w)
        return np.sum(h * h)

    program = check_function(wg.grad(loss), A * 0.1, RNG.normal(size=(16, 40)))
    assert sums(program) == 5


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b, c, d: a @ b + a,  # one of them is no product
        lambda a, b, c, d: (a @ b) + (a @ b),
        lambda a, b, c, d: (a @ b + c @ d, a @ b),  # a product is an output
        lambda a, b, c, d: np.tanh(a @ b) + c @ d,
        lambda a, b, c, d: a @ b + np.sum(c @ d, 0),  # of another shape
        lambda a, b, c, d: (c @ d + a @ b) @ (a @ b),
    ],
)
def test_other_sums(f: Any) -> None:
    assert sums(check_function(f, A, B, C, D)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_types(dtype: Any) -> None:
    a, b = A.astype(dtype), B.astype(dtype) + (1j if dtype is np.complex128 else 0)
    check_function(lambda a, b: a @ b + b @ a.T, a, b)


def test_batches_and_vectors() -> None:
    a, b, v = RNG.normal(size=(5, 12, 30)), RNG.normal(size=(30, 20)), A[0, :30]
    check_function(lambda a, b: a @ b + (a * 2.0) @ (b + 1.0), a, b)
    pair = RNG.normal(size=(2, 90, 30))
    check_function(lambda a, v: a[0] @ v + a[1] @ (v * 2.0), pair, v)
    product = lambda a, b: np.einsum("bij,jk->bik", a, b)
    check_function(lambda a, b: product(a, b) + product(a * a, b), a, b)


def test_checked_step_by_step() -> None:
    graph = wg.trace(lambda a, b, c: a @ b + c @ (a + 1.0), A, B, C).optimize()
    assert not debug.check(graph, [A, B, C])


def test_what_is_not_a_number_stays_so() -> None:
    a = A.copy()
    a[3, 4] = np.nan
    a[5, 6] = np.inf
    check_function(lambda a, b: a @ b + (a * 0.5) @ b, a, np.abs(B))
