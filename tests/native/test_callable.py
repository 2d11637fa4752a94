"""Native and plain callables: what they accept, return and hold on to, both kinds."""

import copy
import ctypes
import functools
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest

from wengert.native import callable as calls
from wengert.native import capi, link, symbols
from wengert.native.entry import (
    MISSING,
    Anything,
    Dict,
    Fields,
    Fixed,
    Leaf,
    List,
    Load,
    Make,
    Out,
    Pass,
    Signature,
    Static,
    Tuple,
    Watch,
)  # fmt: skip
from wengert.native.path import Path

F8 = np.dtype("f8")
A, B = Leaf(0, F8, (3,)), Leaf(1, F8, (3,))
OUT = Out(0, F8, (3,))
Pair = namedtuple("Pair", "left right")


@dataclass
class Point:
    x: Any
    y: Any


@pytest.fixture(params=["native", "plain"])
def native(request: pytest.FixtureRequest) -> bool:
    if request.param == "native" and capi.supported() is not None:
        pytest.skip(str(capi.supported()))
    return bool(request.param == "native")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@functools.cache
def copying(sizes: tuple[int, ...], status: int = 0) -> link.Library:
    """A program that copies `sizes[k]` bytes of input k to output k."""
    lines = ["declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
             "define i32 @program(ptr %inputs, ptr %outputs, ptr %a) {"]  # fmt: skip
    for k, size in enumerate(sizes):
        for name in ("inputs", "outputs"):
            lines.append(f"  %{name}.a{k} = getelementptr ptr, ptr %{name}, i64 {k}")
            lines.append(f"  %{name}{k} = load ptr, ptr %{name}.a{k}")
        lines.append(
            f"  call void @llvm.memcpy.p0.p0.i64(ptr %outputs{k}, ptr %inputs{k}, "
            f"i64 {size}, i1 0)"
        )
    return link.load("\n".join([*lines, f"  ret i32 {status}", "}"]))


# Adds two arrays of three; its status is the first input as an int, if it says so.
ADD = """
define i32 @program(ptr %inputs, ptr %outputs, ptr %arena) {
  %q.at = getelementptr ptr, ptr %inputs, i64 1
  %p = load ptr, ptr %inputs
  %q = load ptr, ptr %q.at
  %r = load ptr, ptr %outputs
  %x = load <3 x double>, ptr %p, align 8
  %y = load <3 x double>, ptr %q, align 8
  %z = fadd <3 x double> %x, %y
  store <3 x double> %z, ptr %r, align 8
  ret i32 0
}
define i32 @guarded(ptr %inputs, ptr %outputs, ptr %arena) {
  %p = load ptr, ptr %inputs
  %x = load double, ptr %p
  %status = fptosi double %x to i32
  ret i32 %status
}
@arenas = global [2 x i64] zeroinitializer
define i32 @scratch(ptr %inputs, ptr %outputs, ptr %arena) {
  %n = load i64, ptr @arenas
  %n1 = add i64 %n, 1
  store i64 %n1, ptr @arenas
  %at = getelementptr i64, ptr @arenas, i64 1
  %a = ptrtoint ptr %arena to i64
  store i64 %a, ptr %at
  store i64 1, ptr %arena
  %end = getelementptr i8, ptr %arena, i64 992
  store i64 1, ptr %end
  %p = load ptr, ptr %inputs
  %r = load ptr, ptr %outputs
  %x = load double, ptr %p
  store double %x, ptr %r
  ret i32 0
}
"""


@functools.cache
def library() -> link.Library:
    return link.load(ADD)


class Slow:
    """Remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        self.calls.append((args, kwargs))
        return "slow"


def function(signature: Signature, code: link.Library | None = None, *,
             native: bool = True, program: str = "program",
             failed: Any = None) -> Any:  # fmt: skip
    made = calls.make(Slow(), {"__name__": "f"}, native=native)
    path = Path(signature, code or library(), program, failed)
    calls.set_paths(made, [path])
    return made


def echo(*leaves: Leaf, native: bool, kinds: Any = None) -> Any:
    """A function that returns copies of its arguments, as a tuple."""
    sizes = tuple(x.dtype.itemsize * int(np.prod(x.shape, dtype=int)) for x in leaves)
    outs = tuple(Out(x.slot, x.dtype, x.shape, (kinds or ["array"] * 9)[i])
                 for i, x in enumerate(leaves))  # fmt: skip
    signature = Signature(leaves, Tuple(outs))
    return function(signature, copying(sizes), native=native)


X, Y = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])
SUM = [11.0, 22.0, 33.0]


def test_two_arrays(native: bool) -> None:
    f = function(Signature((A, B), OUT), native=native)
    result = f(X, Y)
    assert type(result) is np.ndarray
    assert result.tolist() == SUM
    assert result.flags.owndata
    assert calls.paths_of(f)[0].calls == 1


class Sub(np.ndarray):
    pass


DIFFERENT = {
    "list": [1.0, 2.0, 3.0],
    "subclass": X.view(Sub),
    "float32": X.astype("f4"),
    "int64": X.astype("i8"),
    "longer": np.ones(4),
    "shorter": np.ones(2),
    "column": X[:, None],
    "0-d": np.array(1.0),
    "swapped": X.astype(">f8"),
    "masked": np.ma.masked_array(X),
    "object": X.astype(object),
    "none": None,
    "float": 1.0,
    "numpy float": np.float64(1.0),
    "type": np.ndarray,
}


@pytest.mark.parametrize("which", DIFFERENT)
def test_what_isnt_that_array_goes_the_slow_way(native: bool, which: str) -> None:
    f = function(Signature((A, B), OUT), native=native)
    other = DIFFERENT[which]
    assert f(X, other) == "slow"
    assert f(other, Y) == "slow"
    assert f(X, Y).tolist() == SUM
    assert calls.paths_of(f)[0].calls == 1


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 2, 2)])
def test_strided_arrays_are_copied_for_the_call(native: bool, shape: Any) -> None:
    f = echo(Leaf(0, F8, shape), native=native)
    n = int(np.prod(shape))
    plain = np.arange(float(n)).reshape(shape)
    bytes_ = np.zeros(8 * n + 1, "u1")[1:]
    unaligned = bytes_.view("f8").reshape(shape)
    unaligned[...] = plain
    wide = np.zeros((*shape[:-1], 2 * shape[-1]))
    wide[..., ::2] = plain
    others = [unaligned, wide[..., ::2], np.asfortranarray(plain), plain[::-1],
              np.broadcast_to(np.float64(3), shape)]  # fmt: skip
    f(plain)
    for other in others:
        before = counts([other])
        for _ in range(50):
            (found,) = f(other)
            assert found.tolist() == other.tolist()
            assert found.flags.c_contiguous
        assert counts([other]) == before
    assert calls.paths_of(f)[0].calls == 1 + 50 * len(others)


def test_arrays_that_are_that_array_in_other_ways(native: bool) -> None:
    f = function(Signature((A, B), OUT), native=native)
    pickled = pickle.loads(pickle.dumps(X))  # has a dtype object of its own
    locked = X.copy()
    locked.flags.writeable = False
    view = np.arange(10.0)[1:4]
    for other in (pickled, locked, view, np.asfortranarray(X)):
        assert f(other, Y).tolist() == (other + Y).tolist()


@pytest.mark.parametrize("args", [(), (X,), (X, Y, Y)])
def test_another_number_of_arguments(native: bool, args: Any) -> None:
    f = function(Signature((A, B), OUT), native=native)
    assert f(*args) == "slow"
    assert f(X, Y, c=1) == "slow"
    assert f(X, b=Y) == "slow"


def test_keywords(native: bool) -> None:
    f = function(Signature((A,), OUT, {"b": B}), native=native)
    assert f(X, b=Y).tolist() == SUM
    assert f(X, b=Y).tolist() == SUM
    for wrong in (
        lambda: f(X, Y),
        lambda: f(X, c=Y),
        lambda: f(X),
        lambda: f(a=X, b=Y),
    ):
        assert wrong() == "slow"
    g = function(Signature((), OUT, {"a": A, "b": B}), native=native)
    assert g(a=X, b=Y).tolist() == SUM
    assert g(b=Y, a=X) == "slow"


def test_slow_gets_the_very_same_arguments(native: bool) -> None:
    slow = Slow()
    f = calls.make(slow, native=native)
    x, key = [1], {"k": 2}
    assert f(x, 2, key=key) == "slow"
    ((args, kwargs),) = slow.calls
    assert args[0] is x
    assert kwargs == {"key": key}
    assert kwargs["key"] is key


def test_exceptions_of_the_slow_way(native: bool) -> None:
    def slow(*args: Any) -> None:
        raise ZeroDivisionError("as asked")

    f = calls.make(slow, native=native)
    with pytest.raises(ZeroDivisionError, match="as asked"):
        f(1)
    calls.set_paths(f, [Path(Signature((A, B), OUT), library())])
    with pytest.raises(ZeroDivisionError, match="as asked"):
        f(X, 1)


NUMBERS = [
    ("float", "f8", [0.0, -0.0, 1.5, float("inf"), 5e-324]),
    ("float", "f4", [0.0, 1.5, 0.1, 1e30]),
    ("int", "i8", [0, 1, -1, 2**63 - 1, -(2**63)]),
    ("int", "i4", [0, 2**31 - 1, -(2**31)]),
    ("int", "i2", [32767, -32768]),
    ("int", "i1", [127, -128]),
    ("int", "f8", [0, -1, 2**53 + 1, 10**300]),
    ("int", "f4", [3, -(2**30)]),
    ("bool", "?", [True, False]),
    ("complex", "c16", [1 + 2j, -0.0j]),
    ("complex", "c8", [1 + 2j, 0.1j]),
    *[("scalar", c, [np.dtype(c).type(1)]) for c in "?bhilBHILefdFDgG"],
]


@pytest.mark.parametrize(("kind", "dtype", "values"), NUMBERS)
def test_numbers(native: bool, kind: Any, dtype: str, values: Any) -> None:
    d = np.dtype(dtype)
    f = echo(Leaf(0, d, (), kind), native=native)
    for value in values:
        (found,) = f(value)
        assert found.dtype == d
        assert found.shape == ()
        with np.errstate(over="ignore"):
            assert found.tobytes()[:8] == np.asarray(value, d).tobytes()[:8]


@pytest.mark.parametrize(
    ("kind", "dtype", "values"),
    [
        ("float", "f8", [1, True, np.float64(1), "1", None, 1j, np.ones(())]),
        ("int", "i8", [1.0, True, 2**63, -(2**63) - 1, np.int64(1), None]),
        ("int", "i4", [2**31, -(2**31) - 1]),
        ("int", "i2", [32768]),
        ("int", "i1", [128, -129]),
        ("int", "f8", [10**400, 1.0, True]),
        ("bool", "?", [1, 0, None, np.True_]),
        ("complex", "c16", [1.0, 1, np.complex128(1)]),
        ("scalar", "f8", [1.0, np.float32(1), np.ones(()), np.longdouble(1)]),
        ("scalar", "i8", [1, np.int32(1), True]),
    ],
)  # fmt: skip
def test_other_numbers(native: bool, kind: Any, dtype: str, values: Any) -> None:
    f = echo(Leaf(0, np.dtype(dtype), (), kind), native=native)
    for value in values:
        assert f(value) == "slow", value


@pytest.mark.parametrize(
    ("kind", "dtype", "value"),
    [("scalar", "f8", 2.5), ("scalar", "f4", 2.5), ("scalar", "i8", 3),
     ("scalar", "?", True), ("scalar", "c16", 1j), ("scalar", "c8", 1j),
     ("float", "f8", 2.5), ("int", "i8", -7), ("bool", "?", True),
     ("bool", "?", False)],
)  # fmt: skip
def test_numbers_as_results(native: bool, kind: str, dtype: str, value: Any) -> None:
    d = np.dtype(dtype)
    leaf = Leaf(0, d, (), "scalar")
    f = echo(leaf, native=native, kinds=[kind])
    (found,) = f(d.type(value))
    assert found == value
    assert type(found) is (d.type if kind == "scalar" else type(value))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (2, 0, 3), (1,) * 20])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1", "?", "c16", "f2"])
def test_shapes_and_dtypes(native: bool, shape: Any, dtype: str) -> None:
    array = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype)
    (found,) = echo(Leaf(0, array.dtype, shape), native=native)(array)
    assert (found.shape, found.dtype) == (shape, array.dtype)
    assert (found == array).all()


def nested(native: bool) -> Any:
    arguments = (
        Dict(("w", "b"), (A, List((B, Static(None))))),
        Tuple((Static(3), Tuple((Leaf(2, F8, (), "float"),)))),
    )
    outs = [Out(0, F8, (3,)), Out(1, F8, (3,)), Out(2, F8, (), "float")]
    rest = (outs[1], Tuple((outs[2], Static("t"))), Tuple(()), Static(None))
    result = Dict(("s", "rest"), (outs[0], List(rest)))
    return function(Signature(arguments, result), copying((24, 24, 8)), native=native)


def test_nested_containers(native: bool) -> None:
    f = nested(native)
    for tree in ({"w": X, "b": [Y, None]}, {"b": [Y, None], "w": X}):
        found = f(tree, (3, (2.5,)))
        assert list(found) == ["s", "rest"]
        assert found["s"].tolist() == X.tolist()
        assert found["rest"][0].tolist() == Y.tolist()
        assert found["rest"][1:] == [(2.5, "t"), (), None]


@pytest.mark.parametrize(
    "args",
    [
        ({"w": X}, (3, (2.5,))),
        ({"w": X, "b": [Y, None], "c": 1}, (3, (2.5,))),
        ({"w": X, "c": [Y, None]}, (3, (2.5,))),
        ({"w": X, "b": [Y]}, (3, (2.5,))),
        ({"w": X, "b": (Y, None)}, (3, (2.5,))),
        ({"w": X, "b": [Y, 0]}, (3, (2.5,))),
        (OrderedDict(w=X, b=[Y, None]), (3, (2.5,))),
        ({"w": X, "b": [Y, None]}, (4, (2.5,))),
        ({"w": X, "b": [Y, None]}, (3.0, (2.5,))),
        ({"w": X, "b": [Y, None]}, (True, (2.5,))),
        ({"w": X, "b": [Y, None]}, (3, 2.5)),
        ({"w": X, "b": [Y, None]}, [3, (2.5,)]),
        ({"w": X, "b": [Y, None]}, (3, (2.5,), 1)),
        ({"w": X, "b": [Y, None]}, Pair(3, (2.5,))),
    ],
)
def test_other_containers(native: bool, args: Any) -> None:
    f = nested(native)
    assert f(*args) == "slow"
    assert calls.paths_of(f)[0].calls == 0


def test_subclasses_of_containers_and_objects(native: bool) -> None:
    arguments = (Tuple((A, Anything()), Pair),
                 Fields(Point, ("x", "y"), (B, Anything())),
                 Dict(("k",), (Anything(),), OrderedDict))  # fmt: skip
    result = Make(Pair, (OUT, Make(Point, (Static(1), Static(2)))))
    f = function(Signature(arguments, result), native=native)
    found = f(Pair(X, 7), Point(Y, 8), OrderedDict(k=1))
    assert type(found) is Pair
    assert found.left.tolist() == SUM
    assert found.right == Point(1, 2)
    assert f((X, 7), Point(Y, 8), OrderedDict(k=1)) == "slow"
    assert f(Pair(X, 7), Pair(Y, 8), OrderedDict(k=1)) == "slow"
    assert f(Pair(X, 7), Point(Y, 8), {"k": 1}) == "slow"
    bare = Point(Y, 8)
    del bare.x
    assert f(Pair(X, 7), bare, OrderedDict(k=1)) == "slow"


class Loud:
    """An object whose attribute and items raise what they are told."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    @property
    def x(self) -> Any:
        raise self.error("loud")

    def __getitem__(self, key: Any) -> Any:
        raise self.error("loud")


def test_errors_while_looking(native: bool) -> None:
    """An exception is a different answer; an interruption is passed on."""
    for kind, key in (("attribute", "x"), ("item", 0)):
        for error in (ValueError, AttributeError, KeyError):
            load = Load(kind, Loud(error), key, B)  # type: ignore[arg-type]
            f = function(Signature((A,), OUT, captured=(load,)), native=native)
            assert f(X) == "slow"
        load = Load(kind, Loud(KeyboardInterrupt), key, B)  # type: ignore[arg-type]
        f = function(Signature((A,), OUT, captured=(load,)), native=native)
        with pytest.raises(KeyboardInterrupt, match="loud"):
            f(X)


STATICS = [3, 2**80, "name", b"bytes", 2.5, float("nan"), None, True, len, Ellipsis]


@pytest.mark.parametrize("value", STATICS, ids=repr)
def test_statics(native: bool, value: Any) -> None:
    f = function(Signature((A, B, Static(value)), OUT), native=native)
    assert f(X, Y, value).tolist() == SUM
    others = [-0.0, 4, "other", False, object(), 3.0, b"b", Pair(1, 2)]
    assert all(f(X, Y, other) == "slow" for other in others)
    if type(value) in (int, float):
        assert f(X, Y, type(value)(repr(value))).tolist() == SUM
    elif type(value) is str:
        assert f(X, Y, "".join(list(value))).tolist() == SUM


def test_signed_zeros_are_different_statics(native: bool) -> None:
    f = function(Signature((A, B, Static(0.0)), OUT), native=native)
    assert f(X, Y, -0.0) == "slow"
    assert f(X, Y, 0.0).tolist() == SUM


class Holder:
    pass


def cell_of(value: Any) -> Any:
    return (lambda: value).__closure__[0]  # type: ignore[index]


def test_watched_places(native: bool) -> None:
    scale, other = object(), object()
    space: dict[str, Any] = {"scale": scale}
    cell, holder, table = cell_of(scale), Holder(), [scale]
    holder.a = scale  # type: ignore[attr-defined]
    empty = cell_of(1)
    del empty.cell_contents
    captured = (
        Watch("global", space, "scale", scale), Watch("global", space, "no", MISSING),
        Watch("cell", cell, None, scale), Watch("cell", empty, None, MISSING),
        Watch("attribute", holder, "a", scale), Watch("item", table, 0, scale),
    )  # fmt: skip
    f = function(Signature((A, B), OUT, captured=captured), native=native)

    def works() -> bool:
        found = f(X, Y)
        return not isinstance(found, str) and found.tolist() == SUM

    assert works()

    def change(setting: Callable[[Any], None], back: Callable[[], Any]) -> None:
        setting(other)
        assert f(X, Y) == "slow"
        back()
        assert works()

    change(lambda v: space.update(scale=v), lambda: space.update(scale=scale))
    change(lambda v: space.update(no=v), lambda: space.pop("no"))
    change(lambda v: setattr(cell, "cell_contents", v),
           lambda: setattr(cell, "cell_contents", scale))  # fmt: skip
    change(lambda v: setattr(empty, "cell_contents", v),
           lambda: delattr(empty, "cell_contents"))  # fmt: skip
    change(lambda v: setattr(holder, "a", v), lambda: setattr(holder, "a", scale))
    change(lambda v: table.__setitem__(0, v), lambda: table.__setitem__(0, scale))
    change(lambda v: table.clear(), lambda: table.append(scale))
    change(lambda v: space.pop("scale"), lambda: space.update(scale=scale))
    change(lambda v: delattr(holder, "a"), lambda: setattr(holder, "a", scale))
    change(lambda v: delattr(cell, "cell_contents"),
           lambda: setattr(cell, "cell_contents", scale))  # fmt: skip


def test_loaded_places(native: bool) -> None:
    space: dict[str, Any] = {"w": Y}
    cell, holder, table = cell_of(Y), Holder(), {"w": Y}
    holder.w = Y  # type: ignore[attr-defined]
    loads = [Load("global", space, "w", B), Load("cell", cell, None, B)]
    loads += [Load("attribute", holder, "w", B), Load("item", table, "w", B)]
    for load in loads:
        f = function(Signature((A,), OUT, captured=(load,)), native=native)
        assert f(X).tolist() == SUM
    space["w"] = Y + 1
    f = function(Signature((A,), OUT, captured=(Load("global", space, "w", B),)),
                 native=native)  # fmt: skip
    assert f(X).tolist() == [12.0, 23.0, 34.0]
    space["w"] = 1.0
    assert f(X) == "slow"
    del space["w"]
    assert f(X) == "slow"
    space["w"] = [Y, 7]
    tree = Load("global", space, "w", List((B, Static(7))))
    f = function(Signature((A,), OUT, captured=(tree,)), native=native)
    assert f(X).tolist() == SUM
    space["w"][1] = 8
    assert f(X) == "slow"


def test_fixed_inputs(native: bool) -> None:
    f = function(Signature((A,), OUT, captured=(Fixed(1, Y.copy()),)), native=native)
    gc.collect()
    assert f(X).tolist() == SUM
    with pytest.raises(ValueError, match="contiguous"):
        Path(Signature((A,), OUT, captured=(Fixed(1, np.ones(6)[::2]),)), library())


def test_results_never_share_memory(native: bool) -> None:
    result = Tuple((OUT, OUT, Pass(0, F8, (3,)), Pass(0, F8, (3,))))
    f = function(Signature((A, B), result), native=native)
    found = f(X, Y)
    assert [r.tolist() for r in found] == [SUM, SUM, X.tolist(), X.tolist()]
    arrays = [*found, X, Y]
    for i, one in enumerate(arrays):
        for other in arrays[i + 1 :]:
            assert not np.shares_memory(one, other)
    number = function(Signature((Leaf(0, F8, (), "float"),),
                                Tuple((Pass(0, F8, (), "float"),
                                       Pass(0, F8, (), "scalar")))),
                      copying(()), native=native)  # fmt: skip
    assert number(2.5) == (2.5, 2.5)
    assert [type(x) for x in number(2.5)] == [float, np.float64]


def test_statuses(native: bool) -> None:
    reasons: list[Any] = []

    def failed(x: Any) -> str:
        reasons.append(x)
        return "failed"

    signature = Signature((Leaf(0, F8, (3,)),), OUT)
    f = function(signature, native=native, program="guarded", failed=failed)
    path = calls.paths_of(f)[0]
    at = {n: np.full(3, float(n)) for n in (-2, 0, 1, 7)}
    assert f(at[1]) == "slow"
    assert f(at[7]) == "slow"
    assert (path.calls, path.left) == (0, 2)
    assert f(at[-2]) == "failed"
    assert reasons[0] is at[-2]
    assert f(at[0]).shape == (3,)
    assert (path.calls, path.left) == (1, 2)
    g = function(signature, native=native, program="guarded")
    assert g(at[-2]) == "slow"


def test_the_next_path_is_tried(native: bool) -> None:
    f = calls.make(Slow(), native=native)
    one = Path(Signature((A, B), OUT), library())
    two = Path(Signature((Leaf(0, F8, (3,)), Static("b")), OUT), library(), "guarded")
    three = Path(Signature((Leaf(0, F8, (3,)), Static("b")), Pass(0, F8, (3,))),
                 copying(()))  # fmt: skip
    calls.set_paths(f, [one, two, three])
    assert f(X, Y).tolist() == SUM
    assert f(X, "b").tolist() == X.tolist()  # a guard of the second one differs
    assert f(X, "c") == "slow"
    assert [p.calls for p in (one, two, three)] == [1, 0, 1]
    assert two.left == 1
    assert calls.paths_of(f) == (one, two, three)
    calls.set_paths(f, [])
    assert calls.paths_of(f) == ()
    assert f(X, Y) == "slow"


def test_the_arena_is_aligned_and_reused(native: bool) -> None:
    code = link.load(ADD, keep=False)
    leaf = Leaf(0, F8, (1,))
    f = function(Signature((leaf,), Out(0, F8, (1,)), arena=1000), code, native=native,
                 program="scratch")  # fmt: skip
    state = (ctypes.c_int64 * 2).from_address(code.address("arenas"))
    seen = set()
    for i in range(1, 6):
        assert f(np.array([2.0])).tolist() == [2.0]
        assert state[0] == i
        assert state[1] % 64 == 0
        seen.add(state[1])
    assert len(seen) == 1 or not native


def test_many_leaves(native: bool) -> None:
    """More than fits on the stack of a call."""
    n = 3000
    leaves = tuple(Leaf(i, F8, (1,)) for i in range(n))
    result = List(tuple(Out(i, F8, (1,)) for i in range(n)))
    f = function(Signature((List(leaves),), result), copying((8,) * n), native=native)
    arrays = [np.array([float(i)]) for i in range(n)]
    for _ in range(3):
        assert [float(x[0]) for x in f(arrays)] == list(range(n))
    assert f(arrays[:-1]) == "slow"
    assert f([*arrays[:-1], 1]) == "slow"


def test_deep_structures(native: bool) -> None:
    depth = 20_000
    part: Any = Leaf(0, F8, (3,))
    out: Any = Out(0, F8, (3,))
    value: Any = X
    for _ in range(depth):
        part, out, value = List((part,)), List((out,)), [value]
    f = function(Signature((part,), out), copying((24,)), native=native)
    found = f(value)
    for _ in range(depth):
        (found,) = found
    assert found.tolist() == X.tolist()
    while type(part) is List:  # no recursion here when they go
        (
            part,
            out,
        ) = part.children[0], out.children[0]
        value = value[0]


def test_signatures_that_contradict_themselves() -> None:
    for wrong, message in [
        (Signature((A, A), OUT), "each once"),
        (Signature((B,), OUT), "each once"),
        (Signature((A,), Out(1, F8, (3,))), "output slots"),
        (Signature((A,), Pass(1, F8, (3,))), "no input 1"),
        (Signature((Leaf(0, np.dtype("O"), (3,)),), OUT), "object"),
        (Signature((Leaf(0, np.dtype("M8[s]"), (3,)),), OUT), "datetime"),
        (Signature((Leaf(0, np.dtype(">f8"), (3,)),), OUT), ">f8"),
        (Signature((Leaf(0, F8, (3,), "float"),), OUT), "no shape"),
        (Signature((Leaf(0, np.dtype("u8"), (), "int"),), OUT), "int can't"),
        (Signature((A,), Out(0, np.dtype("f4"), (), "float")), "float can't"),
        (Signature((A,), Tuple((OUT,), Pair)), "Make"),
        (Signature((Out(0, F8),), OUT), "isn't a description of an argument"),
        (Signature((A,), Tuple((A, OUT))), "isn't a description of a result"),
        (Signature((A,), OUT, captured=(Watch("item", [], 0, MISSING),)), "missing"),
    ]:
        with pytest.raises(ValueError, match=message):
            Path(wrong, library())
    with pytest.raises(KeyError):
        Path(Signature((A, B), OUT), library(), "no such program")


# --- it is an object ---------------------------------------------------------------


def test_attributes(native: bool) -> None:
    def original(a: Any, b: int = 3) -> None:
        """What it does."""

    f = calls.make(original, native=native)
    functools.update_wrapper(f, original)
    assert f.__name__ == "original"
    assert f.__doc__ == "What it does."
    assert f.__module__ == __name__
    assert str(inspect.signature(f)) == "(a: Any, b: int = 3) -> None"
    assert inspect.unwrap(f) is original
    f.report = lambda: "report"
    assert f.report() == "report"
    del f.report
    with pytest.raises(AttributeError):
        f.report
    assert "original" in repr(f)
    assert callable(f)
    assert calls.is_compiled(f)
    assert not calls.is_compiled(original)
    assert copy.copy(f) is f
    assert copy.deepcopy([f])[0] is f


def test_methods(native: bool) -> None:
    class Thing:
        total = calls.make(lambda self, x: (self, x), {"__name__": "total"},
                           native=native)  # fmt: skip

    thing = Thing()
    assert thing.total(5) == (thing, 5)
    bound = thing.total
    assert bound(6) == (thing, 6)
    assert bound.__self__ is thing
    assert Thing.total(thing, 7) == (thing, 7)
    assert Thing.total is Thing.__dict__["total"]


def test_weak_references(native: bool) -> None:
    f = function(Signature((A, B), OUT), native=native)
    gone: list[Any] = []
    reference = weakref.ref(f, gone.append)
    assert reference() is f
    del f
    gc.collect()
    assert reference() is None
    assert gone == [reference]


def test_cycles_are_collected(native: bool) -> None:
    """A function that knows itself: through its dict, its slow way, its path."""

    class Token:
        pass

    def build() -> list[Any]:
        tokens = [Token(), Token(), Token()]
        f = calls.make(lambda *a: (f, tokens[0]), native=native)
        f.me, f.token = f, tokens[1]
        watch = Watch("attribute", f, "token", tokens[1])
        result = Make(lambda x: (f, tokens[2]), (OUT,))
        signature = Signature((A, B), result, captured=(watch,))
        calls.set_paths(f, [Path(signature, library())])
        assert f(X, Y)[0] is f
        return [weakref.ref(t) for t in tokens]

    references = build()
    gc.collect()
    assert [r() for r in references] == [None] * 3


def rebuilt() -> Any:
    return calls.make(len, {"__name__": "again"})


def test_pickling(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    f = calls.make(len, {"__name__": "named", "__qualname__": "named",
                         "__module__": __name__}, native=native)  # fmt: skip
    monkeypatch.setitem(globals(), "named", f)
    assert pickle.loads(pickle.dumps(f)) is f
    g = calls.make(len, {"__rebuild__": lambda: (rebuilt, ())}, native=native)
    again = pickle.loads(pickle.dumps(g))
    assert again.__name__ == "again"
    assert again([1, 2]) == 2


def test_it_can_be_made_only_by_make() -> None:
    kind = type(calls.make(len))
    if capi.supported() is None:
        with pytest.raises(TypeError, match="create"):
            kind()
        with pytest.raises(TypeError, match="base type"):
            type("Sub", (kind,), {})


# --- what it holds on to -------------------------------------------------------------


def counts(things: list[Any]) -> list[int]:
    return [sys.getrefcount(t) for t in things]


def test_references_are_exact(native: bool) -> None:
    """On every way out of a call: answered, mismatched anywhere, failed, raising."""
    keys, scale = ["k" * 30, "l" * 30], object()
    space = {"scale": scale}
    tree = {keys[0]: X, keys[1]: [Y, 3]}
    holder = Point(1.0, 2.0)
    fields = Fields(Point, ("x", "y"), (Leaf(2, F8, (), "float"), Anything()))
    parts = Dict(tuple(keys), (A, List((B, Static(3)))))
    arguments = (parts, Static("name"), fields)
    result = Dict(tuple(keys), (Tuple((OUT, Out(0, F8, (3,)))), Static(scale)))
    watch = Watch("global", space, "scale", scale)
    signature = Signature(arguments, result, captured=(watch,))
    f = function(signature, native=native)
    bad_list = {keys[0]: X, keys[1]: [Y, 4]}
    ways: dict[str, Callable[[], Any]] = {
        "answered": lambda: f(tree, "name", holder),
        "late": lambda: f(tree, "name", Point(1, 2.0)),
        "type": lambda: f(tree, "name", scale),
        "deep": lambda: f(bad_list, "name", holder),
        "static": lambda: f(tree, "other", holder),
        "count": lambda: f(tree),
        "keyword": lambda: f(tree, "name", holder, z=scale),
    }
    watched = [X, Y, tree, tree[keys[1]], bad_list, holder, scale, *keys, space, f,
               np.dtype("f8"), f.__dict__, slow_of(f)]  # fmt: skip
    for name, way in ways.items():
        way()
        slow_calls(f).clear()
        before = counts(watched)
        for _ in range(50):
            answer = way()
            slow_calls(f).clear()
        assert (answer == "slow") == (name != "answered"), name
        del answer
        assert counts(watched) == before, name


def slow_of(f: Any) -> Slow:
    """The `Slow` of a function: found among what the function holds."""
    held = [f._slow] if "_slow" in vars(f) else gc.get_referents(f)
    (found,) = (h for h in held if isinstance(h, Slow))
    return found


def slow_calls(f: Any) -> list[Any]:
    """What the `Slow` of a function remembers."""
    return slow_of(f).calls


def test_counts_of_what_everybody_has(native: bool) -> None:
    """None, True, small numbers: immortal since Python 3.12, and stay so."""
    f = function(Signature((A, B, Static(None), Leaf(2, np.dtype("?"), (), "bool")),
                           Tuple((OUT, Static(None), Static(7), Static(True)))),
                 native=native)  # fmt: skip
    keep = [f(X, Y, None, True) for _ in range(3)]
    before = counts([None, True, 7])
    for _ in range(10_000):
        keep[0] = f(X, Y, None, True)
    after = counts([None, True, 7])
    slack = 0 if sys.version_info >= (3, 12) else 50  # others come and go, too
    assert all(abs(x - y) <= slack for x, y in zip(before, after, strict=True))


class Refuses:
    """A part of a result that can't be made."""

    def __call__(self, *parts: Any) -> Any:
        raise ValueError("as asked")


def test_references_when_the_result_cant_be_made(native: bool) -> None:
    unhashable: list[int] = []
    out = Tuple((OUT, Static(X)))
    for result, error in [
        (Tuple((Static(Y), Make(Refuses(), (out, Static(Y))))), "as asked"),
        (List((out, Dict((unhashable,), (out,)))), "unhashable|cannot use"),
    ]:
        f = function(Signature((A, B), result), native=native)
        with pytest.raises((ValueError, TypeError), match=error):
            f(X, Y)
        before = counts([X, Y, f, unhashable])
        for _ in range(50):
            with pytest.raises((ValueError, TypeError), match=error):
                f(X, Y)
        assert counts([X, Y, f, unhashable]) == before


def test_functions_and_paths_are_freed(native: bool) -> None:
    marker = Holder()
    signature = Signature((A, B, Static(marker)), OUT, arena=100)
    f = function(signature, native=native)
    assert f(X, Y, marker).tolist() == SUM
    path = weakref.ref(calls.paths_of(f)[0])
    gone = weakref.ref(marker)
    calls.set_paths(f, [])
    del signature, marker
    gc.collect()
    assert path() is None
    assert gone() is None


def test_what_a_function_has_goes_with_it(native: bool) -> None:
    """Its dict, paths and slow way; and collecting meanwhile does no harm."""

    class Collecting:
        def __del__(self) -> None:
            gc.collect()

    f = function(Signature((A, B), OUT), native=native)
    f.token, f.other = Holder(), Collecting()
    gone = [weakref.ref(f.token), weakref.ref(calls.paths_of(f)[0])]
    gc.disable()
    try:
        del f
        assert [r() for r in gone] == [None, None]  # at once: no cycle was made
    finally:
        gc.enable()


def resident() -> int:
    gc.collect()
    pages = int(File("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def kept_by(work: Callable[[], Any], times: int) -> int:
    """Bytes that stay allocated when `work` was done; NumPy's and ours are counted."""
    work()
    tracemalloc.start()
    try:
        for _ in range(10):
            work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_nothing_stays_allocated(native: bool) -> None:
    result = Dict(("s", "t"), (OUT, Tuple((OUT, Static(1), Pass(0, F8, (3,))))))
    f = function(Signature((List((A, B)),), result, arena=4096), native=native)
    large = List(tuple(Leaf(i, F8, (1,)) for i in range(3000)))
    g = function(Signature((large,), Out(0, F8, (1,))), copying((8,)), native=native)
    arrays = [np.zeros(1) for _ in range(3000)]

    def slow() -> None:
        f([X, 1])
        slow_calls(f).clear()

    def fresh() -> None:
        function(Signature((A, B), OUT, arena=4096), native=native)(X, Y)

    # Python's free lists may take a little more room than before; a lost object is 48
    # bytes at least, each time.
    times, room = (1000, 3_000) if native else (3000, 100_000)
    assert kept_by(lambda: f([X, Y]), times) < room
    assert kept_by(lambda: f([np.ones(6)[::2], Y]), times) < room
    assert kept_by(slow, times) < room
    assert kept_by(fresh, 200) < max(room, 10_000)
    assert kept_by(lambda: g(arrays), 20) < max(room, 10_000)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif(capi.supported() is not None, reason="no native callables")
def test_a_million_calls_keep_memory_flat() -> None:
    result = Dict(("s", "t"), (OUT, Tuple((OUT, Static(1)))))
    f = function(Signature((List((A, B)),), result, arena=64))
    pair = [X, Y]
    for _ in range(10_000):
        f(pair)
    before = resident()
    for _ in range(1_000_000):
        f(pair)
    assert resident() - before < 1_000_000


# --- while it runs -------------------------------------------------------------------


def test_a_call_outlives_its_paths(native: bool) -> None:
    """What a call runs stays, even if the call itself takes it away."""

    def take_away(result: Any) -> Any:
        calls.set_paths(f, [])
        gc.collect()
        return result

    code = link.load(ADD, keep=False)
    f = calls.make(Slow(), native=native)
    calls.set_paths(f, [Path(Signature((A, B), Make(take_away, (OUT,))), code)])
    del code
    assert f(X, Y).tolist() == SUM
    assert f(X, Y) == "slow"


def test_a_call_within_a_call(native: bool) -> None:
    f: Any = None
    depth = 0

    def again(x: Any) -> Any:
        nonlocal depth
        depth += 1
        return f(x) if depth < 50 else x

    leaf = Leaf(0, F8, (1,))
    f = calls.make(Slow(), native=native)
    signature = Signature((leaf,), Make(again, (Out(0, F8, (1,)),)), arena=1000)
    calls.set_paths(f, [Path(signature, library(), "scratch")])
    assert f(np.array([4.0])).tolist() == [4.0]
    assert depth == 50


@pytest.mark.parametrize("unlock", [False, True])
def test_a_program_that_calls_its_own_function(native: bool, unlock: bool) -> None:
    """Two runs at once: each has its arena, and the second one's is given back."""
    f: Any = None
    inner: list[Any] = []

    @ctypes.CFUNCTYPE(None)
    def again() -> None:
        if not inner:
            inner.append(None)
            inner[0] = f(np.array([5.0])).tolist()

    name = f"test_again_{id(again):x}"
    where = ctypes.cast(again, ctypes.c_void_p).value or 0
    symbols.register(name, lambda: where)
    code = link.load(
        f"""
declare void @{name}()
define i32 @program(ptr %inputs, ptr %outputs, ptr %arena) {{
  %p = load ptr, ptr %inputs
  %x = load double, ptr %p
  store double %x, ptr %arena
  call void @{name}()
  %y = load double, ptr %arena
  %r = load ptr, ptr %outputs
  store double %y, ptr %r
  ret i32 0
}}""",
        keep=False,
    )
    leaf = Leaf(0, F8, (1,))
    signature = Signature((leaf,), Out(0, F8, (1,)), arena=100_000, unlock=unlock)
    f = function(signature, code, native=native)

    def both() -> None:
        inner.clear()
        assert f(np.array([4.0])).tolist() == [4.0]
        assert inner == [[5.0]]

    assert kept_by(both, 50) < 10_000


def test_arguments_that_vanish_meanwhile(native: bool) -> None:
    """The list is emptied while the call looks at it; the arrays must stay."""
    holder = Holder()

    class Emptying:
        @property
        def b(self) -> Any:
            parts.clear()
            gc.collect()
            return Y + 0

    arguments = (List((A, Fields(Emptying, ("b",), (B,)))),)
    f = function(Signature(arguments, OUT), native=native)
    for _ in range(100):
        parts = [X + 0, Emptying()]
        assert f(parts).tolist() == SUM
        assert not parts
    del holder


@pytest.mark.parametrize("unlock", [False, True])
def test_threads(native: bool, unlock: bool) -> None:
    n, rounds = 2000, 200 if native else 20
    leaf = Leaf(0, F8, (n,))
    signature = Signature((leaf,), Out(0, F8, (n,)), arena=1000, unlock=unlock)
    f = function(signature, copying((8 * n,)), native=native)
    path = calls.paths_of(f)[0]
    wrong: list[int] = []

    def work(number: int) -> None:
        mine = np.full(n, float(number))
        for i in range(rounds):
            if not (f(mine) == number).all():
                wrong.append(number)
            if i % 10 == 0:
                calls.set_paths(f, [path, path])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_python_ends_quietly_with_functions_alive() -> None:
    code = f"""
import sys
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import test_callable as t
f = t.function(t.Signature((t.A, t.B), t.OUT, arena=64))
print(f(t.X, t.Y).tolist())
f.me = f
sys.kept = f
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", code],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SUM}\n", "")


@pytest.mark.skipif("fork" not in dir(os), reason="no fork here")
def test_it_works_after_fork(native: bool) -> None:
    f = function(Signature((A, B), OUT, arena=64), native=native)
    assert f(X, Y).tolist() == SUM
    child = os.fork()
    if child == 0:
        g = function(Signature((A, B), OUT, arena=64), native=native)
        os._exit(0 if f(X, Y).tolist() == g(X, Y).tolist() == SUM else 1)
    assert os.waitpid(child, 0)[1] == 0
