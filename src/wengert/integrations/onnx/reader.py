"""What the readers of ONNX operators see of the model being read."""

import math
from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.graph.graph import INPUT, Graph, topological
from wengert.graph.symbols import node_of
from wengert.integrations.onnx.errors import CannotImport, needed

_LIMIT = 1 << 20  # elements of a value that decides about shapes


class Attributes:
    """The attributes of one node, as Python values."""

    def __init__(self, proto: Any, opset: int, limit: int) -> None:
        self.limit = limit  # bytes of one value
        self.operator = proto.op_type
        self.name = proto.name or proto.op_type
        self.opset = opset
        self._values = {a.name: a for a in proto.attribute}
        self.outputs = len(proto.output)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute's value, text as str."""
        proto = self._values.get(name)
        if proto is None:
            return default
        value = needed("onnx").helper.get_attribute_value(proto)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def only(self, *names: str) -> None:
        """Raises for attributes with other names: they would be ignored in silence."""
        strange = sorted(set(self._values) - set(names))
        if strange:
            raise self.refuse(f"the attribute {', '.join(strange)}")

    def room(self, shape: tuple[int, ...], dtype: Any) -> None:
        """Raises for a value larger than the limit, before it is made."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > self.limit:
            raise CannotImport(
                f"`{self.operator}` (node {self.name!r}) makes {size} bytes; "
                f"the limit is {self.limit}.\n"
                "  Do:   pass max_bytes=, if you trust the model."
            )

    def refuse(self, what: str) -> CannotImport:
        """The error for something in this node that isn't read."""
        where = f"`{self.operator}` (node {self.name!r})"
        return CannotImport(f"{where}: {what} isn't read.")


def known(x: Array, attributes: Attributes, what: str) -> Array:
    """The value of an argument that decides about shapes: it can't depend on inputs."""
    nodes = topological([node_of(x)])
    if any(n.op is INPUT for n in nodes):
        raise attributes.refuse(f"{what} that depends on the model's inputs")
    if any(n.type.size > _LIMIT for n in nodes):
        raise attributes.refuse(f"{what} with more than {_LIMIT} elements")
    return np.asarray(Graph((), (node_of(x),)).evaluate([])[0])


def ints(x: Array, attributes: Attributes, what: str) -> tuple[int, ...]:
    """The same as a tuple of Python ints."""
    return tuple(int(i) for i in known(x, attributes, what).ravel())


def axes_of(
    a: Attributes, args: list[Any], rank: int, place: int = 1
) -> tuple[int, ...] | None:
    """The axes of a node: an input since opset 13 or 18, an attribute before."""
    given = a.get("axes")
    if given is None and len(args) > place and args[place] is not None:
        given = ints(args[place], a, "axes")
    if given is None:
        return None
    found = tuple(sorted(int(i) + rank if i < 0 else int(i) for i in given))
    if len(set(found)) != len(found) or any(not 0 <= i < rank for i in found):
        raise CannotImport(f"`{a.operator}`: axes {given} of an array of {rank} axes.")
    return found


def axis_of(a: Attributes, rank: int, default: int) -> int:
    """The axis of a node, counted from the front."""
    axis = int(a.get("axis", default))
    if not -rank <= axis < max(rank, 1):
        raise CannotImport(f"`{a.operator}`: axis {axis} of an array of {rank} axes.")
    return axis % rank if rank else 0
