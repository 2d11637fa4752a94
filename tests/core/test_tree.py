"""Nested containers: what is a container, what is a leaf, and how places are named."""

import dataclasses
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree
from wengert.core.errors import ShapeMismatch

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Layer:
    weight: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass(frozen=True)
class Frozen:
    scale: float


def energy(p: object) -> object:
    leaves, _ = tree.flatten(p)
    return sum(np.sum(leaf**2) for leaf in leaves)


@pytest.mark.parametrize(
    "params",
    [
        {"b": 1.0, "a": np.array([2.0, 3.0])},
        [1.0, (2.0, {"c": np.ones((2, 2))})],
        Point(1.0, np.array([2.0])),
        OrderedDict(z=1.0, a=2.0),
        Layer(np.ones((2, 3)), np.zeros(3)),
        Frozen(3.0),
        {"layers": [Layer(np.ones(2), np.ones(1)), None, Frozen(2.0)]},
        (),
        None,
    ],
    ids=lambda p: type(p).__name__,
)
def test_gradients_have_the_structure_of_the_argument(params: object) -> None:
    gradient = wg.grad(lambda p: energy(p) + 0.0 * np.float64(1.0))(params)
    leaves, spec = tree.flatten(params)
    grads, got = tree.flatten(gradient)
    assert got == spec
    assert type(gradient) is type(params)
    for g, x in zip(grads, leaves, strict=True):
        assert type(g) is type(x)
        np.testing.assert_array_equal(g, 2 * x)


def test_a_registered_class_is_a_container() -> None:
    class Pair:
        def __init__(self, a: object, b: object) -> None:
            self.a, self.b = a, b

    tree.register(Pair, lambda p: ((p.a, p.b), None), lambda _, ab: Pair(*ab))
    gradient = wg.grad(lambda p: p.a * p.b)(Pair(2.0, 3.0))
    assert isinstance(gradient, Pair)
    assert (gradient.a, gradient.b) == (3.0, 2.0)


def test_places_are_written_as_a_person_would() -> None:
    params = {"w": [1.0, 2.0], "layer": Layer(np.ones(1), np.ones(1))}
    assert tree.paths(params) == [
        "['layer'].weight", "['layer'].bias", "['w'][0]", "['w'][1]",
    ]  # fmt: skip


def test_another_structure_is_refused_with_both() -> None:
    _, spec = tree.flatten({"a": 1.0})
    with pytest.raises(ShapeMismatch, match=r"must have the structure \{'a': \*\}"):
        tree.flatten_like(spec, [1.0], "cotangent")


@dataclasses.dataclass(slots=True)
class Slotted:
    x: object
    y: object


@dataclasses.dataclass
class Checked:
    """Counts its constructions."""

    x: object
    made = 0

    def __post_init__(self) -> None:
        Checked.made += 1


@dataclasses.dataclass
class Managed:
    x: object

    def _read(self) -> object:
        return self.__dict__["kept"]

    def _write(self, value: object) -> None:
        self.__dict__["kept"] = value


Managed.x = property(Managed._read, Managed._write)  # type: ignore[assignment]


def test_a_dataclass_is_put_together_without_its_constructor() -> None:
    leaves, spec = tree.flatten(Checked(1.0))
    before = Checked.made
    for made in (tree.unflatten(spec, leaves), tree.assembler(Checked)(1.0)):
        assert made == Checked(1.0)
    assert Checked.made == before + 2  # those that it was compared with


@pytest.mark.parametrize("x", [Slotted(1.0, 2.0), Managed(3.0), Frozen(4.0)])
def test_fields_that_are_no_plain_attributes(x: object) -> None:
    leaves, spec = tree.flatten(x)
    assert tree.unflatten(spec, leaves) == x
    assemble = tree.assembler(type(x))
    assert assemble is not None
    assert assemble(*leaves) == x


def test_what_the_user_registered_is_put_together_by_the_user() -> None:
    @dataclasses.dataclass
    class Own:
        x: object

    tree.register(Own, lambda o: ((o.x,), None), lambda _, xs: Own("mine"))
    leaves, spec = tree.flatten(Own(1.0))
    assert leaves == [1.0]
    assert tree.unflatten(spec, leaves) == Own("mine")
    assert tree.assembler(Own) is None


def test_a_class_is_a_leaf() -> None:
    assert tree.flatten([Layer])[0] == [Layer]
