"""A plan as bytes, and back: code, tables, constants. Data only; nothing is executed
but the object code itself, which the cache's seal vouches for.

A header in JSON, then object files and arrays. Nodes are numbers: an input or a value
that some step makes has a type and no more, a constant its array; and each host call
has its op by name, with parameters as saved graphs have them.
"""

import json
from typing import Any

import numpy as np

from wengert.core.types import Type
from wengert.graph.compiling import known
from wengert.graph.encode import (
    Decoder,
    Encoder,
    listed,
    need,
    read_type,
    whole,
    worded,
    write_type,
)
from wengert.graph.graph import CONSTANT, INPUT, PART, Node
from wengert.graph.store import GraphFileError
from wengert.native.objects import Objects
from wengert.native.running import Call, Plan, Segment

_MAGIC = b"wengert program 1\n"
_INT = 1 << 62

# Sizes of workspaces in the code are answers of this library.
_OF_SCIPY = ("wg_blas_", "wg_lapack_")


# Writing ------------------------------------------------------------------------------


def encoded(plan: Plan) -> bytes | None:
    """The plan as bytes, or None if a host call of it has parameters that aren't data.

    Args:
        plan: how a program runs; its segments still have their modules and objects.
    """
    try:
        return _Writer().written(plan)
    except GraphFileError:
        return None


def is_data(node: Node) -> bool:
    """Whether a host call of this node can be written.

    Args:
        node: a step.
    """
    encoder = Encoder(lambda x: None)
    try:
        for value in node.params.values():
            encoder.value(value)
    except GraphFileError:
        return False
    return known(node.op.name) is node.op


class _Writer:
    """A plan's nodes by number, and what goes with them."""

    def __init__(self) -> None:
        self.encoder = Encoder(lambda x: None)
        self.types: dict[Any, int] = {}
        self.rows: list[list[Any]] = []  # the nodes'
        self.places: dict[Node, int] = {}
        self.objects: list[bytes] = []

    def written(self, plan: Plan) -> bytes:
        inputs = [self.place(n) for n in plan.inputs]
        steps = [
            self.segment(s) if isinstance(s, Segment) else self.call(s)
            for s in plan.steps
        ]
        header = {
            "inputs": inputs,
            "outputs": [self.place(n) for n in plan.outputs],
            "steps": steps,
            "guards": [self.place(n) for n in plan.guards],
            "asked": list(plan.asked),
            "kernels": plan.kernels,
            "library_calls": list(plan.library_calls),
            "host_calls": [list(c) for c in plan.host_calls],
            "nodes": self.rows,
            "types": [self._type(t) for t in self.types],
            "arrays": self.encoder.table(),
            "objects": [len(x) for x in self.objects],
        }
        text = json.dumps(header, separators=(",", ":")).encode()
        blocks = [bytes(b) for b in self.encoder.blocks()]
        size = len(text).to_bytes(8, "little")
        return b"".join([_MAGIC, size, text, *self.objects, *blocks])

    def _type(self, type: Any) -> list[Any]:
        if isinstance(type, Type):
            return write_type(type)
        return [write_type(t) for t in type]

    def type(self, type: Any) -> int:
        return self.types.setdefault(type, len(self.types))

    def place(self, node: Node) -> int:
        """The number of a value: [type], and the array of a constant."""
        found = self.places.get(node)
        if found is None:
            row: list[Any] = [self.type(node.type)]
            if node.op is CONSTANT:
                value = np.require(node.params["value"], node.dtype, ["C"])
                row.append(self.encoder.value(value)["array"])
            found = self.places[node] = len(self.rows)
            self.rows.append(row)
        return found

    def segment(self, s: Segment) -> dict[str, Any]:
        objects = s.objects
        if objects is None:
            raise GraphFileError("its code has been let go")
        self.objects += objects.codes
        return {
            "inputs": [self.place(n) for n in s.inputs],
            "outputs": [self.place(n) for n in s.outputs],
            "arena": s.arena,
            "guards": list(s.guards),
            "objects": len(objects.codes),
            "imports": list(objects.imports),
            "exports": list(objects.exports),
            "scipy": _scipy(objects.imports),
        }

    def call(self, s: Call) -> dict[str, Any]:
        node = s.node
        results = [
            [self.place(r), None if r is node else r.params["index"]]
            for r in s.results
        ]  # fmt: skip
        return {
            "op": node.op.name,
            "inputs": [self.place(n) for n in node.inputs],
            "params": {k: self.encoder.value(v) for k, v in node.params.items()},
            "type": self.type(node.type),
            "results": results,
        }


def _scipy(imports: tuple[str, ...]) -> str:
    """The version of the library that code calls, or "" if it doesn't."""
    if not any(name.startswith(_OF_SCIPY) for name in imports):
        return ""
    import scipy

    return str(scipy.__version__)


# Reading ------------------------------------------------------------------------------


def decoded(data: bytes) -> Plan:
    """The plan that `encoded` wrote, its code in memory.

    Raises:
        Exception: of several kinds, if the bytes can't be a plan, or not this
            library's.
    """
    need(data.startswith(_MAGIC), "no plan")
    start = len(_MAGIC) + 8
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    return _Reader(json.loads(data[start:end]), memoryview(data)[end:]).plan()


class _Reader:
    """The nodes and objects of a file, as its steps are made of them."""

    def __init__(self, header: dict[str, Any], data: memoryview) -> None:
        self.header = header
        sizes = [whole(n, _INT, "object") for n in listed(header["objects"], "objects")]
        need(sum(sizes) <= len(data), "less data than it says")
        self.objects: list[bytes] = []
        at = 0
        for size in sizes:
            self.objects.append(bytes(data[at : at + size]))
            at += size
        self.decoder = Decoder(header["arrays"], data[at:])
        self.types = [_read_type(t) for t in listed(header["types"], "types")]
        self.nodes = [self.node(row) for row in listed(header["nodes"], "nodes")]

    def plan(self) -> Plan:
        header = self.header
        return Plan(
            self.chosen(header["inputs"]),
            self.chosen(header["outputs"]),
            tuple(
                self.call(s) if "op" in s else self.segment(s)
                for s in listed(header["steps"], "steps")
            ),
            self.chosen(header["guards"]),
            tuple(whole(k, len(header["guards"]), "guard") for k in header["asked"]),
            whole(header["kernels"], _INT, "number"),
            tuple(header["library_calls"]),
            tuple((op, why) for op, why in header["host_calls"]),
        )

    def node(self, row: list[Any]) -> Node:
        type = self.types[row[0]]
        if len(row) == 1:
            return Node(INPUT, (), {}, type)
        value = self.decoder.array(row[1])
        need(value.shape == type.shape and value.dtype == type.dtype, "a constant")
        return Node(CONSTANT, (), {"value": value}, type)

    def chosen(self, places: Any) -> tuple[Node, ...]:
        return tuple(
            self.nodes[whole(k, len(self.nodes), "node")]
            for k in listed(places, "nodes")
        )

    def segment(self, row: dict[str, Any]) -> Segment:
        count = whole(row["objects"], len(self.objects) + 1, "number of objects")
        codes = tuple(self.objects[:count])
        del self.objects[:count]
        imports = tuple(worded(name, "name") for name in row["imports"])
        exports = tuple(worded(name, "name") for name in row["exports"])
        need(row["scipy"] == _scipy(imports), "sizes of another SciPy")
        return Segment(
            self.chosen(row["inputs"]),
            self.chosen(row["outputs"]),
            whole(row["arena"], _INT, "size"),
            Objects(codes, imports, exports).link(),
            tuple(whole(k, _INT, "guard") for k in row["guards"]),
        )

    def call(self, row: dict[str, Any]) -> Call:
        op = known(row["op"])
        if op is None:
            raise GraphFileError(f"no op `{row['op']}`")
        params = {k: self.decoder.value(v) for k, v in row["params"].items()}
        node = Node(op, self.chosen(row["inputs"]), params, self.types[row["type"]])
        results: list[Node] = []
        for place, index in row["results"]:
            result = self.nodes[place]
            if index is None:  # the step's node is what later steps read
                result.op, result.inputs, result.params = op, node.inputs, params
                node = result
            else:
                result.op, result.inputs = PART, (node,)
                result.params = {"index": index}
            results.append(result)
        return Call(node, tuple(results))


def _read_type(x: Any) -> Any:
    """A type, or a tuple of them for an op with several results."""
    if x and type(x[0]) is str:
        return read_type(x)
    return tuple(map(read_type, listed(x, "type")))
