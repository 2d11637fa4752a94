"""Native and plain callables: what `strict`, `ordered` and `dropped` mean."""

from typing import Any

import numpy as np
import pytest

from wengert.native import callable as calls
from wengert.native import capi
from wengert.native.entry import Dict, Leaf, Out, Signature, Tuple
from wengert.native.path import Path
from wengert.native.program import compile
from wengert.transforms.jit.jit import jit

pytest.importorskip("llvmlite")
F8, I8 = np.dtype("f8"), np.dtype("i8")
A = np.arange(9.0).reshape(3, 3)


@pytest.fixture(params=["native", "plain"])
def native(request: pytest.FixtureRequest) -> bool:
    if request.param == "native" and capi.supported() is not None:
        pytest.skip(str(capi.supported()))
    return bool(request.param == "native")


def function(f: Any, examples: tuple[Any, ...], *parts: Any, native: bool,
             result: Any = None, dropped: tuple[Out, ...] = ()) -> Any:  # fmt: skip
    """`f` of these arguments, compiled; "slow" where the path doesn't match."""
    graph = jit(f, backend="numpy").graph(*examples)
    program = compile(graph)
    segment = program.native
    assert segment is not None
    out = segment.outputs[0]
    signature = Signature(
        parts, Out(0, out.dtype, out.shape) if result is None else result,
        arena=segment.arena, dropped=dropped,
    )  # fmt: skip
    made = calls.make(lambda *args: "slow", native=native)
    calls.set_paths(made, [Path(signature, segment.library)])
    return made


@pytest.mark.parametrize("strict", [True, False])
def test_other_orders_of_memory(native: bool, strict: bool) -> None:
    leaf = Leaf(0, F8, (3, 3), strict=strict)
    f = function(lambda a: a + 1.0, (A,), leaf, native=native)
    np.testing.assert_array_equal(f(A), A + 1.0)
    for other in (A.T, A[::-1], np.repeat(A, 2, 1)[:, ::2]):
        got = f(other)
        if strict:
            assert isinstance(got, str)
        else:
            np.testing.assert_array_equal(got, other + 1.0)


def test_a_strict_array_may_be_unaligned(native: bool) -> None:
    raw = np.zeros(9 * 8 + 1, np.uint8)
    odd = raw[1:].view(F8).reshape(3, 3)
    odd[:] = A
    leaf = Leaf(0, F8, (3, 3), strict=True)
    f = function(lambda a: a + 1.0, (A,), leaf, native=native)
    np.testing.assert_array_equal(f(odd), A + 1.0)


def test_a_strict_int_has_32_bits(native: bool) -> None:
    leaf = Leaf(0, I8, (), "int", strict=True)
    f = function(lambda n: n + 1, (3,), leaf, native=native,
                 result=Out(0, I8, (), "int"))  # fmt: skip
    for n in (0, -1, 2**31 - 1, -(2**31)):
        assert f(n) == n + 1
    for n in (2**31, -(2**31) - 1, 2**40, 2**63 - 1, 2**64, True, 1.0):
        assert f(n) == "slow"


def test_ordered_keys(native: bool) -> None:
    children = (Leaf(0, F8, (), "float"), Leaf(1, F8, (), "float"))
    f = function(lambda a, b: a - b, (1.0, 2.0),
                 Dict(("a", "bc"), children, ordered=True), native=native,
                 result=Out(0, F8, (), "float"))  # fmt: skip
    assert f({"a": 5.0, "bc": 2.0}) == 3.0
    assert f({"a": 5.0, "".join(["b", "c"]): 2.0}) == 3.0
    for other in ({"bc": 2.0, "a": 5.0}, {"a": 5.0}, {"a": 5.0, "b": 2.0}, {}):
        assert f(other) == "slow"


def test_dropped_outputs(native: bool) -> None:
    def g(x: Any) -> Any:
        return x * 2.0 if np.sum(x) > 0.0 else x

    x = np.ones(3)
    drop = (Out(1, np.dtype("?"), (), "scalar"),)
    f = function(g, (x,), Leaf(0, F8, (3,)), native=native, dropped=drop,
                 result=Tuple((Out(0, F8, (3,)),)))  # fmt: skip
    np.testing.assert_array_equal(f(x)[0], 2.0 * x)
    assert f(-x) == "slow"
