"""Saving and loading graphs: `graph.save(path)`, `wg.load(path)`.

A file holds tables (ops, types, parameters, lines, scopes), and one row per node that
refers to them by number. Tables keep it small and quick: a million nodes have a
handful of different types.
"""

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.core.op import Op, op_named
from wengert.core.types import Type, type_of
from wengert.graph import store
from wengert.graph.encode import (
    Decoder,
    Encoder,
    broken,
    listed,
    need,
    read_spec,
    read_type,
    whole,
    worded,
    write_spec,
    write_type,
)
from wengert.graph.graph import CONSTANT, INPUT, PART, Graph, Node, topological
from wengert.graph.stage import Guard
from wengert.graph.store import GraphFileError, refuse

Params = dict[str, Any]


class Call(NamedTuple):
    """How the parameters of an op that isn't listed in OPS are written and read."""

    op: Op
    write: Callable[[Params], Params]
    read: Callable[[Params], Params]


CALLS: dict[str, Call] = {}


def keep_call(
    op: Op, write: Callable[[Params], Params], read: Callable[[Params], Params]
) -> None:
    """Makes calls of other graphs savable: `write` gives parameters for a file.

    Those may have the other graphs among them; `read` is its inverse.
    """
    CALLS[op.name] = Call(op, write, read)


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes the graph to a file that `load` reads, in any process, on any machine.

    Args:
        graph: the graph; its constants are saved with it, and users' source lines as
            text.
        path: the file; one that is there is replaced when the new one is complete.

    Raises:
        GraphFileError: for nodes of custom rules, captured traced values and containers
            of the user's own classes, by name.
        OSError: if the file can't be written.
    """
    writer = _Writer()
    writer.add(graph)
    store.write(path, writer.header(), writer.encoder.blocks())


def load(path: str | os.PathLike[str]) -> Graph:
    """The graph that `graph.save(path)` wrote.

    The file is data: nothing in it is executed, and what it says is checked before it
    is believed: checksum, sizes, references, and the type of every node.

    Args:
        path: the file.

    Returns:
        A Graph that equals the saved one.

    Raises:
        GraphFileError: if the file is damaged, changed, newer than this wengert, or
            none of ours.
        OSError: if it can't be read.

    >>> import os, tempfile
    >>> graph = trace(lambda x: np.sin(x) * 2.0, 1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graph.save(os.path.join(folder, "g.wgraph"))
    ...     again = load(os.path.join(folder, "g.wgraph"))
    >>> again == graph
    True
    """
    header, data = store.read(path)
    try:
        return _Reader(header, data).graphs()[-1]
    except GraphFileError:
        raise
    except Exception as error:
        # The content of a file that passes its checksum may still be anything.
        raise refuse(
            "The content is that of a saved graph.", f"{type(error).__name__}: {error}"
        ) from error


# Saving ----------------------------------------------------------------------------


class _Table:
    """Numbers for things that occur often: by themselves, or by a key."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._places: dict[Any, int] = {}

    def number(self, key: Any) -> int | None:
        return self._places.get(key)

    def add(self, key: Any, row: Any) -> int:
        self._places[key] = len(self.rows)
        self.rows.append(row)
        return len(self.rows) - 1

    def number_of_text(self, text: str) -> int:
        found = self._places.get(text)
        return self.add(text, text) if found is None else found


class _Writer:
    """Several graphs with common tables, each after those that it calls."""

    def __init__(self) -> None:
        self.encoder = Encoder(self._number_of)
        self._ops, self._lines, self._scopes = _Table(), _Table(), _Table()
        self._types, self._params = _Table(), _Table()
        self._graphs: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._by_id: dict[int, int] = {}  # params → their row
        self._by_source: dict[tuple[int, int], int] = {}  # code, instruction → line

    def header(self) -> dict[str, Any]:
        return {
            "ops": self._ops.rows,
            "types": self._types.rows,
            "params": self._params.rows,
            "lines": self._lines.rows,
            "scopes": self._scopes.rows,
            "arrays": self.encoder.table(),
            "graphs": self._graphs,
        }

    def add(self, graph: Graph) -> None:
        """The graph, after the graphs in its parameters; without recursion."""
        kept = [graph]  # and with it what `_written` made, whose ids are in use
        pending = [(graph, False)]
        while pending:
            item, ready = pending.pop()
            if id(item) in self._numbers:
                continue
            if ready:
                self._graphs.append(self._graph(item))
                self._numbers[id(item)] = len(self._graphs) - 1
                continue
            pending.append((item, True))
            inner = _called(item)
            kept += inner
            pending += [(g, False) for g in inner]

    def _number_of(self, x: Any) -> int | None:
        return self._numbers.get(id(x)) if isinstance(x, Graph) else None

    def _graph(self, graph: Graph) -> dict[str, Any]:
        nodes = topological([*graph.outputs, *(g.node for g in graph.guards)],
                            graph.inputs)  # fmt: skip
        _refuse_strangers(graph, nodes)
        place = {node: i for i, node in enumerate(nodes)}
        return {
            "name": graph.name,
            "inputs": [place[n] for n in graph.inputs],
            "outputs": [place[n] for n in graph.outputs],
            "arguments": write_spec(graph.in_spec, self.encoder),
            "results": write_spec(graph.out_spec, self.encoder),
            "guards": [
                [place[g.node], g.asked, self.encoder.value(g.answer), g.line]
                for g in graph.guards
            ],
            "nodes": [self._row(n, place) for n in nodes],
        }

    def _row(self, node: Node, place: dict[Node, int]) -> list[Any]:
        return [
            self._ops.number_of_text(node.op.name),
            [place[i] for i in node.inputs],
            self._param(node),
            self._type(node.type),
            self._line(node),
            self._scopes.number_of_text(node.scope),
            node.name,
        ]

    def _param(self, node: Node) -> int:
        found = self._by_id.get(id(node.params))
        if found is None:
            try:
                params = _written(node)
                row = {k: self.encoder.value(v) for k, v in params.items()}
            except GraphFileError as error:
                raise GraphFileError(f"{error}\n  At:   {_place(node)}") from None
            key = json.dumps(row)
            known = self._params.number(key)
            found = self._params.add(key, row) if known is None else known
            self._by_id[id(node.params)] = found
        return found

    def _type(self, type: Any) -> int:
        found = self._types.number(type)
        if found is None:
            parts = [write_type(type)] if isinstance(type, Type) else None
            row = parts or [[write_type(t) for t in type]]
            found = self._types.add(type, row[0])
        return found

    def _line(self, node: Node) -> int:
        if not isinstance(node.source, tuple):
            return self._lines.number_of_text(node.line)
        # Finding a line takes long, and a loop comes to the same one often.
        key = (id(node.source[0]), node.source[1])
        found = self._by_source.get(key)
        if found is None:
            found = self._by_source[key] = self._lines.number_of_text(node.line)
        return found


def _written(node: Node) -> Params:
    call = CALLS.get(node.op.name)
    return call.write(node.params) if call else node.params


def _called(graph: Graph) -> list[Graph]:
    """The graphs among the nodes' parameters."""
    found = []
    for node in graph.nodes:
        if node.op.name in CALLS or node.op.kind == "call":
            found += [v for v in _written(node).values() if isinstance(v, Graph)]
    return found


def _known(op: Op) -> bool:
    call = CALLS.get(op.name)
    return op is call.op if call else op_named(op.name) is op


def _refuse_strangers(graph: Graph, nodes: list[Node]) -> None:
    strangers = {n.op.name: n for n in nodes if not _known(n.op)}
    if strangers:
        raise refuse(
            "A saved graph has operations of the library, which a file can name.",
            "; ".join(map(_place, strangers.values()))
            + f" in `{graph.name}`: custom rules, overrides or calls",
            "graph.inline() takes calls apart; graph.subgraph(...) leaves nodes out; "
            "a custom rule is code: save the graph before or after it.",
        )


def _place(node: Node) -> str:
    return f"`{node.op.name}`" + (f" ({node.line})" if node.line else "")


# Loading ---------------------------------------------------------------------------


class _Reader:
    """The tables of a file; `graphs` reads the graphs with them."""

    def __init__(self, header: Any, data: memoryview) -> None:
        names = {"ops", "types", "params", "lines", "scopes", "arrays", "graphs"}
        need(type(header) is dict and set(header) == names, "a wrong header")
        self._decoder = Decoder(header["arrays"], data)
        self._ops = _ops(listed(header["ops"], "table of ops"))
        self._types = [_type(t) for t in listed(header["types"], "table of types")]
        self._rows = listed(header["params"], "table of parameters")
        self._params: dict[tuple[int, bool], Params] = {}
        self._lines = _texts(header["lines"], "table of lines")
        self._scopes = _texts(header["scopes"], "table of scopes")
        self._graphs = listed(header["graphs"], "table of graphs")
        self._inferred: dict[tuple[Any, ...], Any] = {}

    def graphs(self) -> list[Graph]:
        """All graphs of the file; the last is the one that was saved."""
        need(bool(self._graphs), "no graph")
        for row in self._graphs:
            self._decoder.graphs.append(self._graph(row))
        return self._decoder.graphs

    def _graph(self, row: Any) -> Graph:
        names = {"name", "inputs", "outputs", "arguments", "results", "guards", "nodes"}
        need(type(row) is dict and set(row) == names, "a wrong graph")
        nodes: list[Node] = []
        for item in listed(row["nodes"], "list of nodes"):
            nodes.append(self._node(item, nodes))
        inputs = _chosen(row["inputs"], nodes)
        outputs = _chosen(row["outputs"], nodes)
        need(len(set(inputs)) == len(inputs), "an input that comes twice")
        same = {n for n in nodes if n.op is INPUT} == set(inputs)
        need(same, "inputs that aren't those of its nodes")
        decoder = self._decoder
        return Graph(
            inputs,
            outputs,
            read_spec(row["arguments"], len(inputs), decoder),
            read_spec(row["results"], len(outputs), decoder),
            worded(row["name"], "name"),
            tuple(_guard(g, nodes, decoder) for g in listed(row["guards"], "guards")),
        )

    def _node(self, row: Any, before: list[Node]) -> Node:
        op, inputs, params, type, line, scope, name = listed(row, "node", 7)
        op = self._ops[whole(op, len(self._ops), "op")]
        node = Node(
            op,
            _chosen(inputs, before),
            self._param(params, op),
            self._types[whole(type, len(self._types), "type")],
            self._lines[whole(line, len(self._lines), "line")] or None,
            worded(name, "name"),
            self._scopes[whole(scope, len(self._scopes), "scope")],
        )
        expected = self._expected(node)
        if expected == node.type and isinstance(expected, Type) != op.multiple:
            return node
        raise broken(f"a `{op.name}` of type {node.type}, which should be {expected}")

    def _param(self, k: Any, op: Op) -> Params:
        call = CALLS.get(op.name)
        key = (whole(k, len(self._rows), "row of parameters"), call is not None)
        found = self._params.get(key)
        if found is None:
            row = self._rows[key[0]]
            need(type(row) is dict, "a wrong row of parameters")
            found = {name: self._decoder.value(v) for name, v in row.items()}
            self._params[key] = found = call.read(found) if call else found
        return found

    def _expected(self, node: Node) -> Any:
        """The type that the op gives a node; as Graph.check, but each case once."""
        if node.op in (INPUT, CONSTANT):
            return _type_of_leaf(node)
        if node.op is PART:
            (whole_,) = node.inputs
            index = node.params["index"]
            need(whole_.op.multiple and set(node.params) == {"index"}, "a wrong part")
            return whole_.type[whole(index, len(whole_.type), "part")]
        # Types and parameters come from tables, where each is one object.
        key = (node.op.name, id(node.params), *(id(i.type) for i in node.inputs))
        found = self._inferred.get(key)
        if found is None:
            need(all(isinstance(i.type, Type) for i in node.inputs), "a wrong argument")
            found = node.op.type_of(*(i.type for i in node.inputs), **node.params)
            self._inferred[key] = found
        return found


def _ops(names: list[Any]) -> list[Op]:
    found = []
    need(len(set(map(str, names))) == len(names), "an op that is listed twice")
    for name in names:
        call = CALLS.get(worded(name, "op"))
        found.append(call.op if call else op_named(name))
    unknown = [str(n) for n, op in zip(names, found, strict=True) if op is None]
    if unknown:
        raise refuse(
            "Operations that this wengert has.",
            ", ".join(map(repr, unknown))[:200],
            "install the wengert that saved the graph, or a newer one.",
        )
    return [op for op in found if op is not None]


def _type(x: Any) -> Any:
    """A type, or a tuple of them for an op with several results."""
    rows = listed(x, "type")
    if rows and type(rows[0]) is str:
        return read_type(rows)
    return tuple(map(read_type, rows))


def _texts(x: Any, what: str) -> list[str]:
    return [worded(text, what) for text in listed(x, what)]


def _chosen(places: Any, nodes: list[Node]) -> tuple[Node, ...]:
    return tuple(
        nodes[whole(k, len(nodes), "node")] for k in listed(places, "list of nodes")
    )


def _guard(row: Any, nodes: list[Node], decoder: Decoder) -> Guard:
    node, asked, answer, line = listed(row, "guard", 4)
    (at,) = _chosen([node], nodes)
    value = decoder.value(answer)
    return Guard(at, worded(asked, "guard"), value, worded(line, "line"))


def _type_of_leaf(node: Node) -> Type:
    """The type of a constant's value; an input may have any."""
    need(not node.inputs, f"a wrong {node.op.name}")
    if node.op is INPUT:
        need(not node.params and isinstance(node.type, Type), "a wrong input")
        found: Type = node.type
        return found
    need(set(node.params) == {"value"}, "a wrong constant")
    value = node.params["value"]
    if isinstance(value, bool | int | float | complex | np.generic | np.ndarray):
        return type_of(value)
    raise broken(f"a constant that is no number: {value!r:.40}")
