"""Graphs share a description exactly if one program serves both."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.op import OPS
from wengert.core.types import Type
from wengert.graph.graph import INPUT, Graph, Node, constant
from wengert.graph.stage import Guard
from wengert.native.digest import described

X = np.array([1.0, 2.0, 3.0])


def of(f: Callable[..., Any], *args: Any, values: bool = False) -> str:
    found = described(wg.trace(f, *args, values=values))
    assert found is not None
    return found


def test_names_lines_and_values_of_arguments_dont_matter() -> None:
    def first(x: Any) -> Any:
        with wg.scope("inner"):
            return np.sum(np.sin(x) * 2.0)

    def second(another: Any) -> Any:
        y = np.sin(another)
        return np.sum(y * 2.0)

    assert of(first, X) == of(second, X + 1.0)


DIFFERENT: dict[str, list[Callable[..., Any]]] = {
    "op": [np.sin, np.cos],
    "order of arguments": [lambda x: x - 2.0, lambda x: 2.0 - x],
    "constant": [lambda x: x * 2.0, lambda x: x * 2.5],
    "kind of constant": [
        lambda x: x * 2.0, lambda x: x * 2, lambda x: x * True,
        lambda x: x * np.float64(2.0), lambda x: x * np.float32(2.0),
        lambda x: x * (2 + 0j), lambda x: x * np.array([2.0]),
    ],
    "sign of zero": [lambda x: x * 0.0, lambda x: x * -0.0],
    "not a number": [lambda x: x * np.nan, lambda x: x * np.inf],
    "small array": [
        lambda x: x * np.array([1.0, 2.0, 3.0]), lambda x: x * np.array([1.0, 2.0, 4.0])
    ],
    "large array": [
        lambda x: np.sum(x) * np.arange(1000.0),
        lambda x: np.sum(x) * np.append(np.arange(999.0), 998.0),
    ],
    "shape of array": [
        lambda x: np.sum(x) * np.ones((2, 6)), lambda x: np.sum(x) * np.ones((6, 2))
    ],
    "parameter": [
        lambda x: np.sum(x), lambda x: np.sum(x, keepdims=True), lambda x: np.max(x)
    ],
    "axis": [
        lambda x: np.sum(np.ones((3, 3)) * x, 0),
        lambda x: np.sum(np.ones((3, 3)) * x, 1),
    ],
    "slice": [lambda x: x[1:], lambda x: x[:-1], lambda x: x[:2], lambda x: x[0:2:1]],
    "index array": [lambda x: x[np.array([0, 1])], lambda x: x[np.array([0, 2])]],
    "outputs": [
        lambda x: (np.sin(x), np.cos(x)), lambda x: (np.cos(x), np.sin(x)),
        lambda x: np.sin(x),
    ],
    "sharing": [
        lambda x: np.sin(x) + np.sin(x), lambda x: (lambda y: y + y)(np.sin(x))
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_matters(what: str) -> None:
    texts = [of(f, X) for f in DIFFERENT[what]]
    assert len(set(texts)) == len(texts)


def test_types_of_arguments_matter() -> None:
    types = [Type((3,), np.dtype(c)) for c in ("f8", "f4", "i8", "c16", ">f8")]
    types += [Type((3, 1), np.dtype(float)), Type((), np.dtype(float))]
    types += [Type((), np.dtype(float), True)]
    graphs = []
    for type in types:
        x = Node(INPUT, (), {}, type)
        graphs.append(Graph((x,), (Node(OPS["sin"], (x,), {}, type),)))
    texts = [described(g) for g in graphs]
    assert None not in texts
    assert len(set(texts)) == len(types)


def test_guards_matter_with_their_answers_and_not_their_lines() -> None:
    x = Node(INPUT, (), {}, Type((), np.dtype(float)))
    asked = Node(OPS["greater"], (x, constant(0.0)), {}, Type((), np.dtype(bool)))

    def text(*guards: Guard) -> str | None:
        return described(Graph((x,), (x,), guards=guards))

    yes, no = (
        Guard(asked, "bool", True, "a line"),
        Guard(asked, "bool", False, "a line"),
    )
    number = Guard(asked, "int", True, "a line")
    texts = [text(), text(yes), text(no), text(number), text(yes, no)]
    assert len(set(texts)) == len(texts)
    assert text(yes) == text(yes._replace(line="another"))


def test_code_in_a_graph_has_no_description() -> None:
    @wg.custom_vjp
    def rule(x: Any) -> Any:
        return x * 2.0

    rule.defvjp(lambda x: (x * 2.0, None), lambda kept, ct: (ct * 2.0,))
    assert described(wg.trace(lambda x: np.sum(rule(x)), X)) is None
    graph = wg.trace(np.sin, X)
    changed = graph.override("sin", vjp=lambda ct, y, x: ct * np.cos(x))
    assert described(changed) is None
    strange = Node(OPS["sin"], graph.inputs, {"how": object()}, graph.inputs[0].type)
    assert described(Graph(graph.inputs, (strange,))) is None


def test_the_graph_of_a_checkpoint_matters() -> None:
    def of_inner(f: Callable[..., Any]) -> str:
        return of(lambda x: wg.checkpoint(f)(x), X)

    texts = [of_inner(lambda y: np.sin(y) * 2.0), of_inner(lambda y: np.sin(y) * 3.0)]
    assert len(set(texts)) == 2
    assert of_inner(lambda z: np.sin(z) * 2.0) == texts[0]


def test_parameters_of_every_kind_are_told_apart() -> None:
    graph = wg.trace(np.sin, X)
    values = [
        None, True, 1, 1.0, 1j, "1", (1,), [1], ((1,),), (1, 1), slice(1),
        slice(None, 2), slice(None, None, 1), np.float64(1), np.float32(1), np.int64(1),
        np.bool_(True), np.array(1.0), np.array([1.0]), np.array([1]),
        np.array([[1.0]]), np.dtype(float), np.dtype("f4"), {"a": 1}, {"a": True},
        {"b": 1}, ..., float("nan"), 0.0, -0.0, "1,1", ("1", "1"), ("1,1",), (), [], "",
        10**30,
    ]  # fmt: skip
    texts = []
    for value in values:
        node = Node(OPS["sin"], graph.inputs, {"p": value}, graph.inputs[0].type)
        texts.append(described(Graph(graph.inputs, (node,))))
    assert None not in texts
    for (a, s), (b, t) in itertools.combinations(zip(values, texts, strict=True), 2):
        assert s != t, (a, b)
