"""Writing the nodes, constants and types of an ONNX graph."""

from typing import Any

import numpy as np

from wengert.core.types import Array
from wengert.graph.graph import CONSTANT, Node
from wengert.integrations.onnx.errors import Unsayable, needed
from wengert.integrations.onnx.kernels import computing

_UNIFORM = 64  # elements, from which a constant of equal ones is written as one


class Writer:
    """The graph so far.

    Attributes:
        nodes: the NodeProtos, in order.
        initializers: constants by their name.
        values: the name of each graph node's result.
        casts: whether float64 may be computed in float32.
        origin: the graph node that is being said.
        double_products: whether the graph has matrix products in float64.
    """

    def __init__(self, casts: bool, lines: bool, taken: set[str]) -> None:
        self.onnx = needed("onnx")
        self.casts = casts
        self.lines = lines
        self.nodes: list[Any] = []
        self.initializers: dict[str, Array] = {}
        self.values: dict[Node, str] = {}
        self.origin: Node | None = None
        self.double_products = False
        self._taken = taken
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._cast: dict[tuple[str, str], str] = {}
        self._count = 0

    def fresh(self, base: str) -> str:
        """A name that nothing has."""
        while True:
            name = f"{base}{self._count}"
            self._count += 1
            if name not in self._taken:
                self._taken.add(name)
                return name

    def emit(
        self, operator: str, inputs: list[str], count: int = 1, **attrs: Any
    ) -> Any:
        """Appends a node; the name of its result, or a list of `count`."""
        outputs = [self.fresh("v") for _ in range(count)]
        scope = self.origin.scope if self.origin else ""
        name = f"{scope}/{operator}_{len(self.nodes)}".lstrip("/")
        line = self.origin.line if self.origin and self.lines else None
        self.nodes.append(
            self.onnx.helper.make_node(
                operator, inputs, outputs, name=name, doc_string=line, **attrs
            )
        )
        return outputs[0] if count == 1 else outputs

    def constant(self, value: Any, dtype: Any = None, uniform: bool = True) -> str:
        """The name of a constant; equal ones are written once.

        A large one with equal elements is written as one element, if `uniform`.
        """
        x = np.asarray(value, dtype)
        x = np.ascontiguousarray(x.astype(x.dtype.newbyteorder("<"))).reshape(x.shape)
        data = x.tobytes()
        key = (x.dtype.str, x.shape, data)
        found = self._known.get(key)
        if found is None:
            one = x.dtype.itemsize
            uniform = uniform and x.size >= _UNIFORM and data == data[:one] * x.size
            found = self._known[key] = (
                self.emit("Expand", [self.constant(x.flat[0]), self.shape(x.shape)])
                if uniform
                else self.fresh("c")
            )
            if not uniform:
                self.initializers[found] = x
        return found

    def shape(self, shape: Any) -> str:
        """A constant of int64, for shapes, axes, indices."""
        return self.constant(np.array(shape, np.int64))

    def type_number(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        number: int = self.onnx.helper.np_dtype_to_tensor_dtype(
            np.dtype(dtype).newbyteorder("=")
        )
        return number

    def cast(self, name: str, from_: Any, to: Any) -> str:
        """`name` in another dtype."""
        if np.dtype(from_) == np.dtype(to):
            return name
        key = (name, np.dtype(to).str)
        if key not in self._cast:
            self._cast[key] = self.emit("Cast", [name], to=self.type_number(to))
        return self._cast[key]

    def argument(self, node: Node, dtype: Any = None) -> str:
        """The name of a node's result, in a dtype; Python's numbers give way to it."""
        if node.op is CONSTANT:
            value = np.asarray(node.params["value"])
            if dtype is not None and np.dtype(dtype) != value.dtype:
                if node.type.weak:
                    # Not by astype: a number outside of the dtype must be noticed.
                    return self.constant(node.params["value"], dtype)
                value = value.astype(dtype)
            return self.constant(value)
        name = self.values[node]
        return name if dtype is None else self.cast(name, node.dtype, dtype)

    def compute(
        self,
        operator: str,
        dtype: Any,
        args: list[str],
        result: Any = None,
        **attrs: Any,
    ) -> str:
        """`operator` on arguments of `dtype`, in a type for which there is a kernel.

        Args:
            operator: the ONNX operator.
            dtype: of the arguments that `args` begins with; shapes and axes, which
                stay int64, are passed in `static`.
            args: names of the arguments.
            result: the result's dtype, if it isn't that of the arguments.
            attrs: attributes; `static` is a list of further inputs.
        """
        static = attrs.pop("static", [])
        inner = computing(operator, np.dtype(dtype), self.casts)
        inner_args = [self.cast(a, dtype, inner) if a else a for a in args]
        y: str = self.emit(operator, [*inner_args, *static], **attrs)
        return y if result is not None else self.cast(y, inner, dtype)


def sayable_size(initializers: dict[str, Array], external: bool) -> None:
    """Raises where a file would be larger than protobuf can say."""
    total = sum(x.nbytes for x in initializers.values())
    if total > 2_000_000_000 and not external:
        raise Unsayable(
            f"its constants have {total} bytes, and a protobuf file at most 2 GiB: "
            "pass path= and external_data=True"
        )
